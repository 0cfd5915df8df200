"""Sums over windows along one dimension: what average pooling and interpolation are made of.

The windows only ever move forward: none starts or stops before the one in front of it. The windows that hold one and the
same element are neighbours then, a window of windows. So the adjoint of such a sum is another such sum: one primitive, its own
derivative to every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays.devices import constant
from ...autograd import Primitive
from ..layout import batch_innermost


@Primitive
def sum_windows(xp, x, *, starts, stops, dim):
    # Element o of the result is x[starts[o]:stops[o]] summed, along `dim` (2 or 3) of (N, C, H, W). First the first elements of all
    # windows at once, then the second ones of those that have two, and so on.
    x = batch_innermost(xp, x)  # (H, C, W, N)
    along = (slice(None),) * (0 if dim == 2 else 2)
    out = xp.empty([*x.shape[: len(along)], len(starts), *x.shape[len(along) + 1 :]], x.dtype)
    if (starts == stops).any():
        out.fill(0)  # some windows are empty; else the first elements come first
    for tap in range((stops - starts).max(initial=0)):
        reached = np.flatnonzero(stops - starts > tap)
        read, into = [(*along, _as_index(xp, positions)) for positions in (starts[reached] + tap, reached)]
        found = x[read] if isinstance(read[-1], slice) else x.take(read[-1], axis=len(along))
        if tap == 0:
            out[into] = found
        else:
            out[into] += found
    return out.transpose(3, 1, 0, 2)


def _as_index(xp: Any, positions: np.ndarray) -> Any:
    # where they are evenly spaced a slice, which copies nothing
    steps = np.diff(positions)
    step = int(steps[0]) if len(steps) else 1
    if step > 0 and (steps == step).all():
        return slice(int(positions[0]), int(positions[-1]) + 1, step)
    return constant(xp, positions)


def _windows_of(x_shape: tuple[int, ...], starts: np.ndarray, stops: np.ndarray, dim: int) -> dict[str, Any]:
    # the windows that hold element i: from the first that hasn't stopped up to the last that has started
    i = np.arange(x_shape[dim])
    return {"starts": np.searchsorted(stops, i, side="right"), "stops": np.searchsorted(starts, i, side="right"), "dim": dim}


sum_windows.derivatives(x=lambda g, x_shape, starts, stops, dim: sum_windows(g, **_windows_of(x_shape, starts, stops, dim)))
