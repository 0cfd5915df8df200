"""Pooling, with the user's arguments checked and turned into a `Geometry`."""

from __future__ import annotations

from typing import Any

from ...backend import array_module
from ...ops import pooling
from ...ops.conv import Geometry
from ...tensor import Tensor
from ._arguments import as_batch, pair, unbatched


def window_geometry(
    function: str, size: tuple[int, int], kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Geometry:
    """The positions of a pooling window over an image. With `ceil_mode`, also those that hang over the far edge.

    A window that would start beyond the image and its near padding is left out even then. The rows that the last windows
    hang over are counted as padding.
    """
    kernel = pair(function, "kernel_size", kernel_size, 1)
    steps = kernel if stride is None or stride == [] else pair(function, "stride", stride, 1)
    pads, spread = pair(function, "padding", padding, 0), pair(function, "dilation", dilation, 1)
    ends = []
    for axis, name in enumerate(("height", "width")):
        k, s, p, d, n = kernel[axis], steps[axis], pads[axis], spread[axis], size[axis]
        cover = d * (k - 1) + 1
        if p > cover // 2:
            raise ValueError(f"{function}: padding {p} is more than half of the kernel, {cover}: a window would see nothing else")
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
    geometry = window_geometry("max_pool2d", (x.shape[2], x.shape[3]), kernel_size, stride, padding, dilation, ceil_mode)
    y = pooling.max_pool2d(x, geometry=geometry)
    if not return_indices:
        return unbatched(y, was_unbatched)
    xp = array_module(x.array)
    indices = pooling.winning_positions(xp, pooling.winning_taps(xp, x.array, y.array, geometry), geometry)
    return unbatched(y, was_unbatched), unbatched(Tensor._wrap(indices), was_unbatched)
