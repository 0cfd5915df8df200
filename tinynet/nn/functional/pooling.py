"""Pooling, with the user's arguments checked and turned into a `Geometry`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...arrays.devices import array_module, beside, computing
from ...ops import indexing, reductions, shapes
from ...ops.arguments import as_floats, pair
from ...ops.conv import pooling
from ...ops.conv.geometry import Geometry
from ...ops.conv.windows import sum_windows
from ...ops.shapes import as_batch, unbatched
from ...tensor import Tensor

__all__ = ["adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "max_pool2d"]


def window_geometry(
    function: str, size: tuple[int, int], kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Geometry:
    """The positions of a pooling window over an image. With `ceil_mode`, also those that hang over the far edge.

    A window that would start beyond the image and its near padding is left out even then. The rows that the last windows
    hang over are counted as padding.
    """
    kernel = pair(function, "kernel_size", kernel_size, 1)
    steps = kernel if stride is None or (isinstance(stride, list) and not stride) else pair(function, "stride", stride, 1)
    return _geometry(function, size, kernel, steps, pair(function, "padding", padding, 0), pair(function, "dilation", dilation, 1), bool(ceil_mode))


@functools.lru_cache(maxsize=256)
def _geometry(
    function: str, size: tuple[int, int], kernel: tuple[int, int], steps: Any, pads: Any, spread: Any, ceil_mode: bool
) -> Geometry:
    ends = []
    for axis, name in enumerate(("height", "width")):
        k, s, p, d, n = kernel[axis], steps[axis], pads[axis], spread[axis], size[axis]
        cover = d * (k - 1) + 1
        if p > k // 2:
            raise ValueError(f"{function}: padding {p} is more than half of the kernel, {k}; a window could see nothing else")
        room = n + 2 * p - cover
        if n < 1 or (room < 0 and not (ceil_mode and room > -s)):
            raise ValueError(
                f"{function}: the window covers {cover} pixels, more than the padded input's {name} {n + 2 * p}; "
                "use more padding or a smaller kernel"
            )
        positions = room // s + 1
        if ceil_mode and room % s and positions * s < n + p:
            positions += 1
        ends.append((positions - 1) * s + cover - n - p)
    bottom, right = [max(end, 0) for end in ends] if ceil_mode else pads
    return Geometry(*size, *kernel, steps, ((pads[0], bottom), (pads[1], right)), spread)


def max_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value under each position of a window.

    Args:
        input: (N, C, H, W) or (C, H, W), of any dtype.
        kernel_size: the window's height and width, an int or a pair.
        stride: how far it moves at each step; its own size by default.
        padding: rows and columns that count as minus infinity, at most half of the window.
        dilation: the distance between the pixels that it looks at.
        ceil_mode: let the last windows hang over the far edges, so that no pixel is left out.
        return_indices: return (values, indices); an index is ``row * W + column`` in the input.

    The first of equal values, row by row, gets the gradient. ValueError for a window that is larger than the padded input.

    >>> import tinynet
    >>> max_pool2d(tinynet.arange(16).reshape(1, 4, 4), 2)
    tensor([[[ 5,  7],
             [13, 15]]])
    """
    x, was_unbatched = as_batch("max_pool2d", input)
    geometry = window_geometry("max_pool2d", x.array.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y = pooling.max_pool2d(x, geometry=geometry)
    if not return_indices:
        return unbatched(y, was_unbatched)
    xp = array_module(x.array)
    with computing(x.array):
        indices = pooling.winning_positions(xp, pooling.winning_taps(xp, x.array, y.array, geometry), geometry)
    return unbatched(y, was_unbatched), unbatched(Tensor._wrap(indices), was_unbatched)


def _window_means(x: Tensor, windows: tuple[Any, Any], counts: tuple[Any, Any], divisor: int | None = None) -> Tensor:
    """The sums over `windows`, for the rows and the columns, divided by how much each counts, or all by `divisor`."""
    for axis, (starts, stops) in enumerate(windows):
        x = sum_windows(x, starts=starts, stops=stops, dim=axis + 2)
    areas = np.multiply.outer(*counts)
    if divisor is not None or (areas == areas[:1, :1]).all():
        return x / float(divisor or areas.flat[0]) if areas.size else x
    return x / Tensor._wrap(beside(x.array, areas.astype(x.dtype)))


def avg_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean under each position of a window.

    Args:
        input: (N, C, H, W) or (C, H, W), floats.
        kernel_size, stride, padding, ceil_mode: as `max_pool2d`, but padding is zeros.
        count_include_pad: divide by the number of pixels with the padding (but not what `ceil_mode` lets a window hang over), or
            by the number of those inside the image.
        divisor_override: divide by this number instead.

    ValueError for a window that is larger than the padded input.

    >>> import tinynet
    >>> avg_pool2d(tinynet.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    x, was_unbatched = as_batch("avg_pool2d", input)
    as_floats("avg_pool2d", "input", x)
    if divisor_override is not None and (not isinstance(divisor_override, int) or divisor_override == 0):
        raise ValueError(f"avg_pool2d: divisor_override must be an int other than 0, or None; got {divisor_override!r}")
    geometry = window_geometry("avg_pool2d", (x.shape[2], x.shape[3]), kernel_size, stride, padding, 1, ceil_mode)
    pads = pair("avg_pool2d", "padding", padding, 0)
    windows, counts = [], []
    for axis, (n, k, positions) in enumerate(((geometry.H, geometry.KH, geometry.OH), (geometry.W, geometry.KW, geometry.OW))):
        starts = np.arange(positions) * geometry.stride[axis] - pads[axis]
        stops = np.minimum(starts + k, n + pads[axis])
        inside = np.maximum(starts, 0), np.minimum(stops, n)
        windows.append(inside)
        counts.append(stops - starts if count_include_pad else inside[1] - inside[0])
    return unbatched(_window_means(x, (windows[0], windows[1]), (counts[0], counts[1]), divisor_override), was_unbatched)


def _adaptive(function: str, input: Any, output_size: Any) -> tuple[Tensor, bool, list[tuple[Any, Any]]]:
    """The input as a batch, and the windows for the rows and for the columns: as even as integers allow, overlapping if need be."""
    x, was_unbatched = as_batch(function, input)
    as_floats(function, "input", x)
    if 0 in x.shape[1:]:
        raise ValueError(f"{function}: no size but N may be 0, got shape {tuple(input.shape)}")
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(wanted) != 2:
        raise ValueError(f"{function}: output_size must be an int or a pair (height, width), got {output_size!r}")
    windows = []
    for n, size in zip(x.shape[2:], wanted, strict=True):
        size = n if size is None else pair(function, "output_size", size, 0)[0]
        o = np.arange(size)
        windows.append((o * n // max(size, 1), -(-(o + 1) * n // max(size, 1))))
    return x, was_unbatched, windows


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean under each of a given number of windows that cover the image.

    (N, C, H, W) or (C, H, W), floats. `output_size` is an int or a pair (OH, OW); None keeps the input's size. Window o covers
    the rows from ``floor(o·H / OH)`` up to ``ceil((o + 1)·H / OH)``, and columns likewise.

    >>> import tinynet
    >>> adaptive_avg_pool2d(tinynet.arange(6.0).reshape(1, 2, 3), (1, 2))
    tensor([[[2., 3.]]])
    """
    x, was_unbatched, windows = _adaptive("adaptive_avg_pool2d", input, output_size)
    if [len(starts) for starts, _ in windows] == [1, 1]:
        return unbatched(reductions.mean(x, (2, 3), keepdim=True), was_unbatched)  # the commonest, in one step
    (top, bottom), (left, right) = windows
    return unbatched(_window_means(x, (windows[0], windows[1]), (bottom - top, right - left)), was_unbatched)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value under each of a given number of windows; the windows are those of `adaptive_avg_pool2d`.

    With `return_indices`, (values, indices); an index is ``row * W + column``. The first of equal values, row by row, gets the gradient.

    >>> import tinynet
    >>> adaptive_max_pool2d(tinynet.arange(6.0).reshape(1, 2, 3), (1, 2))
    tensor([[[4., 5.]]])
    """
    x, was_unbatched, windows = _adaptive("adaptive_max_pool2d", input, output_size)
    xp = array_module(x.array)
    # The places under each window, (OH, LH) and (OW, LW). The last one stands in where a window is shorter than the longest:
    # coming after itself, it never wins a tie.
    rows, columns = [
        np.minimum(starts[:, None] + np.arange((stops - starts).max(initial=1)), stops[:, None] - 1) for starts, stops in windows
    ]
    OH, OW = len(rows), len(columns)
    places = beside(x.array, (rows[:, None, :, None] * x.shape[3] + columns[:, None, :]).reshape(OH, OW, rows.shape[1] * columns.shape[1]))
    flat = shapes.flatten(x, 2)
    with computing(x.array):
        winners = flat.array[:, :, places].argmax(axis=-1)  # (N, C, OH, OW), of (N, C, OH, OW, LH·LW)
        indices = places[xp.arange(OH).reshape(-1, 1), xp.arange(OW), winners]
        chosen = indices.reshape(*flat.shape[:2], OH * OW)
    y = indexing.gather(flat, 2, Tensor._wrap(chosen))
    y = unbatched(shapes.reshape(y, indices.shape), was_unbatched)
    return (y, unbatched(Tensor._wrap(indices), was_unbatched)) if return_indices else y
