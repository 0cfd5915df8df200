"""Pooling: the user's arguments, checked and turned into a `Geometry` or into windows."""

import functools
from typing import Any

import numpy as np

from ...arrays import array_module, computing, on_device_of
from ...ops import indexing, reductions, shapes
from ...ops.arguments import as_floats, as_int, pair, two
from ...ops.conv import pooling
from ...ops.conv.geometry import Geometry
from ...ops.shapes import as_batch, unbatched
from ...tensor import Tensor


def max_pool2d(input: Tensor, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: int | tuple[int, int] = 0,
               dilation: int | tuple[int, int] = 1, ceil_mode: bool = False,
               return_indices: bool = False) -> Any:
    """The largest value under each position of a window.

    Args:
        input: (N, C, H, W) or (C, H, W), of any dtype.
        kernel_size: the window's height and width, an int or a pair.
        stride: how far the window moves at each step; `kernel_size` by default.
        padding: rows and columns that count as minus infinity, at most half of the window.
        dilation: the distance between the pixels that a window reads.
        ceil_mode: let the last windows reach beyond the far edges, so that they read every pixel.
        return_indices: also return the indices, ``row * W + column`` in the input.

    Returns:
        (N, C, OH, OW) with ``OH = floor((H + 2·padding - dilation·(KH - 1) - 1) / stride) + 1``,
        or ceil with `ceil_mode`, and OW likewise; with `return_indices` a pair. The gradient of
        equal values goes to the first, row by row.

    Raises:
        ValueError: the window is larger than the padded input; an argument is out of range.
        TypeError: an argument is of the wrong type.

    >>> import tinynet
    >>> max_pool2d(tinynet.arange(16).reshape(1, 4, 4), 2)
    tensor([[[ 5,  7],
             [13, 15]]])
    """
    x, was_unbatched = as_batch("max_pool2d", input)
    geometry = _as_geometry("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    y = pooling.max_pool2d(x, geometry=geometry)
    if not return_indices:
        return unbatched(y, was_unbatched)
    for axis in (0, 1):
        outputs, seen = range(geometry.out(axis)), geometry.taps_on_image(axis)
        if {o for tap in seen for o in outputs[tap.outputs]} != set(outputs):
            raise ValueError("max_pool2d: a window sees only padding, so its maximum has no index; "
                "use less padding or dilation, or leave return_indices out")
    with computing(x.array):
        xp = array_module(x.array)
        winners = pooling.winning_taps(xp, x.array, y.array, geometry)
        indices = Tensor._wrap(pooling.winning_positions(xp, winners, geometry))
    return unbatched(y, was_unbatched), unbatched(indices, was_unbatched)


def avg_pool2d(input: Tensor, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: int | tuple[int, int] = 0,
               ceil_mode: bool = False, count_include_pad: bool = True,
               divisor_override: int | None = None) -> Tensor:
    """The mean under each position of a window.

    Args:
        input: (N, C, H, W) or (C, H, W), floats.
        kernel_size, stride, padding, ceil_mode: as `max_pool2d`, but padding is zeros.
        count_include_pad: divide by the number of pixels with the padding (without what `ceil_mode`
            adds), instead of the number of pixels inside the image.
        divisor_override: divide by this int, not 0, instead.

    Returns:
        (N, C, OH, OW), as `max_pool2d`.

    Raises:
        ValueError, TypeError: as `max_pool2d`.

    >>> import tinynet
    >>> avg_pool2d(tinynet.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    divisor = divisor_override
    if divisor is not None and as_int("avg_pool2d", "divisor_override", divisor) == 0:
        raise ValueError("avg_pool2d: divisor_override must be an int other than 0, or None; got 0")
    window = kernel_size, stride, padding, 1, ceil_mode
    return averages("avg_pool2d", input, window, count_include_pad, divisor)


def averages(name: str, input: Tensor, window: tuple[Any, ...], count_include_pad: bool = True,
             divisor: int | None = None) -> Tensor:
    """`avg_pool2d` in the name of another function; `window` is what `_as_geometry` takes."""
    x, was_unbatched = as_batch(name, input)
    as_floats(name, "input", x)
    geometry = _as_geometry(name, x, *window)
    windows, counts = [], []
    for axis, (n, k) in enumerate(zip(geometry.size, geometry.kernel, strict=True)):
        near = geometry.padding[axis][0]  # the far one includes what `ceil_mode` adds
        starts = np.arange(geometry.out(axis)) * geometry.stride[axis] - near
        stops = np.minimum(starts + k, n + near)
        inside = np.maximum(starts, 0), np.minimum(stops, n)
        windows.append(inside)
        counts.append(stops - starts if count_include_pad else inside[1] - inside[0])
    return unbatched(_window_means(x, windows, counts, divisor), was_unbatched)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean under each of a given number of windows that cover the image.

    Args:
        input: (N, C, H, W) or (C, H, W), floats; H and W are not 0 unless the output is 1 x 1,
            which is nan then.
        output_size: OH and OW, an int or a pair; None keeps the input's size.

    Returns:
        (N, C, OH, OW). Window o covers the rows from ``floor(o·H / OH)`` up to, and without,
        ``ceil((o + 1)·H / OH)``, and columns likewise.

    Raises:
        ValueError, TypeError: an argument has the wrong shape or type, or is out of range.

    >>> import tinynet
    >>> adaptive_avg_pool2d(tinynet.arange(6.0).reshape(1, 2, 3), (1, 2))
    tensor([[[2., 3.]]])
    """
    x, was_unbatched, windows = _adaptive("adaptive_avg_pool2d", input, output_size)
    if [len(starts) for starts, _ in windows] == [1, 1]:  # frequent, and one operation
        return unbatched(reductions.mean(x, (2, 3), keepdim=True), was_unbatched)
    counts = [stops - starts for starts, stops in windows]
    return unbatched(_window_means(x, windows, counts), was_unbatched)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value under each of the windows of `adaptive_avg_pool2d`.

    With `return_indices` a pair (values, indices); an index is ``row * W + column``. The gradient
    of equal values goes to the first, row by row. Errors are those of `adaptive_avg_pool2d`.

    >>> import tinynet
    >>> adaptive_max_pool2d(tinynet.arange(6.0).reshape(1, 2, 3), (1, 2))
    tensor([[[4., 5.]]])
    """
    x, was_unbatched, windows = _adaptive("adaptive_max_pool2d", input, output_size)
    xp = array_module(x.array)
    # The pixels under each window, (OH, LH) and (OW, LW). A window that is shorter than the longest
    # repeats its last pixel, which never wins a tie because it comes after itself.
    rows, columns = [
        np.minimum(starts[:, None] + np.arange((stops - starts).max(initial=1)), stops[:, None] - 1)
        for starts, stops in windows]
    OH, OW = len(rows), len(columns)
    pixels = rows[:, None, :, None] * x.shape[3] + columns[:, None, :]
    pixels = on_device_of(x.array, pixels.reshape(OH, OW, rows.shape[1] * columns.shape[1]))
    flat = shapes.flatten(x, 2)
    with computing(x.array):
        seen = flat.array[:, :, pixels]
        winners, nans = seen.argmax(axis=-1), seen != seen  # (N, C, OH, OW)
        if xp is not np or nans.any():  # the last nan wins, as in `max_pool2d`
            last = seen.shape[-1] - 1 - nans[..., ::-1].argmax(axis=-1)
            winners = xp.where(nans.any(axis=-1), last, winners)
        indices = pixels[xp.arange(OH).reshape(-1, 1), xp.arange(OW), winners]
        chosen = Tensor._wrap(indices.reshape(*flat.shape[:2], OH * OW))
    y = shapes.reshape(indexing.gather(flat, 2, chosen), indices.shape)
    if not return_indices:
        return unbatched(y, was_unbatched)
    return unbatched(y, was_unbatched), unbatched(Tensor._wrap(indices), was_unbatched)


# ------------------------------------------------------------------------------------ the windows


def _as_geometry(name: str, x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any,
                 ceil_mode: bool) -> Geometry:
    kernel, pads = pair(name, "kernel_size", kernel, 1), pair(name, "padding", padding, 0)
    by_default = stride is None or (isinstance(stride, (list, tuple)) and not stride)
    stride = kernel if by_default else pair(name, "stride", stride, 1)
    dilation = pair(name, "dilation", dilation, 1)
    return _geometry(name, x.array.shape[2:], kernel, stride, pads, dilation, bool(ceil_mode))


@functools.lru_cache(maxsize=256)
def _geometry(name: str, size, kernel, stride, pads, dilation, ceil_mode: bool) -> Geometry:
    """The positions of a window over an image; with `ceil_mode`, also those beyond the far edge.

    A window that would start beyond the image and its near padding is left out. The rows that the
    last windows reach beyond the edge count as padding.
    """
    padding = []
    for axis in range(2):
        n, k, s, p, d = size[axis], kernel[axis], stride[axis], pads[axis], dilation[axis]
        if p > k // 2:
            reason = "a window could see nothing else"
            raise ValueError(f"{name}: padding {p} is more than half of the kernel, {k}; {reason}")
        cover = d * (k - 1) + 1
        room = n + 2 * p - cover  # for steps
        if n < 1 or room < (1 - s if ceil_mode else 0):
            side = ("height", "width")[axis]
            raise ValueError(f"{name}: the window covers {cover} pixels, more than the padded "
                f"input's {side} {n + 2 * p}; use more padding or a smaller kernel")
        last = room // s  # step
        if ceil_mode and room % s and (last + 1) * s < n + p:
            last += 1
        padding.append((p, max(last * s + cover - n - p, 0) if ceil_mode else p))
    (H, W), (KH, KW), (height, width) = size, kernel, padding
    return Geometry(H, W, KH, KW, stride, (height, width), dilation)


def _window_means(x: Tensor, windows: Any, counts: Any, divisor: int | None = None) -> Tensor:
    """Sums over windows of rows and of columns, divided by their counts or by the divisor."""
    for dim, (starts, stops) in enumerate(windows, 2):
        x = pooling.sum_windows(x, starts=starts, stops=stops, dim=dim)
    areas = np.multiply.outer(*counts)
    if divisor is not None or (areas == areas[:1, :1]).all():
        return x / float(divisor or areas.flat[0]) if areas.size else x
    return x / Tensor._wrap(on_device_of(x.array, areas.astype(x.dtype)))


def _adaptive(name: str, input: Any, output_size: Any) -> tuple[Tensor, bool, list[Any]]:
    """The input as a batch, and the windows of rows and of columns: (starts, stops) each.

    The windows are as even as integers allow, and overlap if necessary.
    """
    x, was_unbatched = as_batch(name, input)
    as_floats(name, "input", x)
    sizes = [
        n if size is None else pair(name, "output_size", size, 0)[0]
        for n, size in zip(x.shape[2:], two(name, "output_size", output_size), strict=True)]
    if 0 in x.shape[2:] and (sizes != [1, 1] or name == "adaptive_max_pool2d"):
        raise ValueError(f"{name}: no size but N and C may be 0, got shape {tuple(input.shape)}")
    lines = zip(map(np.arange, sizes), sizes, x.shape[2:], strict=True)
    windows = [(o * n // max(size, 1), -(-(o + 1) * n // max(size, 1))) for o, size, n in lines]
    return x, was_unbatched, windows
