"""Sums over windows along one dimension: average pooling and interpolation are made of them.

The windows only move forward: none starts or stops before the previous one. So the windows that
hold a given element are neighbours, in other words a window of windows. Therefore the adjoint of
such a sum is such a sum again: one primitive is its own derivative, to every order.
"""

from typing import Any

import numpy as np

from ...arrays import constant
from ...autograd.engine import Primitive
from ..layout import batch_innermost


@Primitive
def sum_windows(xp, x, *, starts, stops, dim):
    # Element o of the result is the sum of x[starts[o]:stops[o]] along dim 2 or 3 of (N, C, H, W).
    # Add the first elements of all windows at once, then the second of those that have two, ...
    x = batch_innermost(xp, x)  # (H, C, W, N)
    along = (slice(None),) * (0 if dim == 2 else 2)
    out = xp.empty([*x.shape[: len(along)], len(starts), *x.shape[len(along) + 1 :]], x.dtype)
    if (starts == stops).any():
        out.fill(0)  # because an empty window has no first element
    for tap in range((stops - starts).max(initial=0)):
        reached = np.flatnonzero(stops - starts > tap)
        read, into = [(*along, _index(xp, places)) for places in (starts[reached] + tap, reached)]
        found = x[read] if isinstance(read[-1], slice) else x.take(read[-1], axis=len(along))
        if tap == 0:
            out[into] = found
        else:
            out[into] += found
    return out.transpose(3, 1, 0, 2)


def _index(xp: Any, positions: np.ndarray) -> Any:
    """`positions` as an index: a slice, which copies nothing, if they are evenly spaced."""
    steps = np.diff(positions)
    step = int(steps[0]) if len(steps) else 1
    if step > 0 and (steps == step).all():
        return slice(int(positions[0]), int(positions[-1]) + 1, step)
    return constant(xp, positions)


def _adjoint(g, x_shape, starts, stops, dim):
    # element i is in the windows from the first that stops behind it to the last that has started
    i = np.arange(x_shape[dim])
    first, behind = [np.searchsorted(ends, i, side="right") for ends in (stops, starts)]
    return sum_windows(g, starts=first, stops=behind, dim=dim)


sum_windows.derivatives(x=_adjoint)
