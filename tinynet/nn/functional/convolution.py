"""Convolution and its relatives, with the user's arguments checked and turned into a `Geometry`."""

from __future__ import annotations

import functools
from typing import Any

from ...ops import shapes
from ...ops.arguments import as_floats, as_tensor, pair, same_dtype
from ...ops.conv import plain as conv
from ...ops.conv.geometry import Geometry
from ...ops.shapes import as_batch, unbatched
from ...tensor import Tensor

__all__ = ["conv2d", "conv_transpose2d", "fold", "unfold"]


def _groups(function: str, groups: Any) -> int:
    if not isinstance(groups, int) or isinstance(groups, bool) or groups < 1:
        raise ValueError(f"{function}: groups must be an int from 1 up, got {groups!r}")
    return groups


def _weight(function: str, weight: Any, bias: Any, input: Tensor, channels_out_dim: int, groups: int) -> None:
    shape = as_tensor(function, "weight", weight).array.shape
    if len(shape) != 4 or 0 in shape:
        layout = "(O, C/groups, KH, KW)" if channels_out_dim == 0 else "(C, O/groups, KH, KW)"
        raise ValueError(f"{function}: weight must be {layout}, no size 0; got shape {shape}")
    if shape[0] % groups:
        raise ValueError(f"{function}: groups={groups} does not divide the {shape[0]} channels of weight {shape}")
    if bias is not None:
        channels = shape[0] if channels_out_dim == 0 else shape[1] * groups
        if as_tensor(function, "bias", bias).array.shape != (channels,):
            raise ValueError(f"{function}: bias must have shape ({channels},), one number per output channel; got {tuple(bias.shape)}")
    same_dtype(function, input=input, weight=weight, bias=bias)


def same_padding(kernel_size: tuple[int, int], dilation: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding that keeps the size at stride 1: ((top, bottom), (left, right)); an odd one goes to bottom and right."""
    totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    return (totals[0] // 2, totals[0] - totals[0] // 2), (totals[1] // 2, totals[1] - totals[1] // 2)


def _padding(
    function: str, padding: Any, kernel_size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding != "same":
            raise ValueError(f"{function}: padding must be an int, a pair, 'same' or 'valid'; got {padding!r}")
        if stride != (1, 1):
            raise ValueError(f"{function}: padding='same' keeps the size, which stride {stride} can't; use stride 1 or numbers")
        return same_padding(kernel_size, dilation)
    ph, pw = pair(function, "padding", padding, 0)
    return (ph, ph), (pw, pw)


@functools.lru_cache(maxsize=256)  # the same in every step, and so is what `Geometry` remembers
def _geometry(function: str, *numbers: Any) -> Geometry:
    geometry = Geometry(*numbers)
    if geometry.OH < 1 or geometry.OW < 1:
        (top, bottom), (left, right) = geometry.padding
        dh, dw = geometry.dilation
        raise ValueError(
            f"{function}: the kernel covers {dh * (geometry.KH - 1) + 1} x {dw * (geometry.KW - 1) + 1} pixels "
            f"(kernel {geometry.KH} x {geometry.KW}, dilation {geometry.dilation}), more than the padded input's "
            f"{geometry.H + top + bottom} x {geometry.W + left + right}; use more padding or a smaller kernel"
        )
    return geometry


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """Slide `weight` over `input` and sum the products: what deep learning calls convolution (the kernel isn't turned).

    Args:
        input: (N, C, H, W), or (C, H, W) for a single image.
        weight: (O, C / groups, KH, KW).
        bias: (O,), added to each output channel; or None.
        stride: how far the kernel moves at each step, an int or a pair (down, right).
        padding: rows and columns of zeros on each side, an int or a pair; "same" keeps the size (stride 1 only; if it takes an odd
            number of them, the one more goes to the bottom and right); "valid" is 0.
        dilation: the distance between the taps of the kernel.
        groups: channels in and out are divided into so many groups that don't see each other.

    Returns:
        (N, O, OH, OW) with ``OH = floor((H + 2·padding - dilation·(KH - 1) - 1) / stride) + 1``, and OW likewise.

    Raises:
        ValueError: shapes that don't fit, a kernel larger than the padded input, arguments out of range.
        TypeError, RuntimeError: what is not a tensor; different dtypes or devices.

    >>> import tinynet
    >>> conv2d(tinynet.arange(9).reshape(1, 3, 3), tinynet.ones(1, 1, 2, 2, dtype=tinynet.int64))
    tensor([[[ 8, 12],
             [20, 24]]])
    """
    x, was_unbatched = as_batch("conv2d", input)
    groups = _groups("conv2d", groups)
    _weight("conv2d", weight, bias, x, 0, groups)
    _, C, H, W = x.array.shape
    _, CG, KH, KW = weight.array.shape
    if C != CG * groups:
        raise ValueError(
            f"conv2d: input {tuple(input.shape)} has {C} channels, but weight {tuple(weight.shape)} with groups={groups} "
            f"expects {CG * groups}"
        )
    stride, dilation = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
    pads = _padding("conv2d", padding, (KH, KW), stride, dilation)
    geometry = _geometry("conv2d", H, W, KH, KW, stride, pads, dilation, groups)
    return unbatched(conv.conv2d(x, weight, bias, geometry=geometry), was_unbatched)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    output_padding: int | tuple[int, int] = 0,
    groups: int = 1,
    dilation: int | tuple[int, int] = 1,
) -> Tensor:
    """The transpose of a convolution: what that does to gradients on their way back to its input, used as a layer.

    Args:
        input: (N, C, H, W), or (C, H, W) for a single image.
        weight: (C, O / groups, KH, KW).
        bias: (O,), or None.
        stride, padding, dilation, groups: those of the convolution that is transposed.
        output_padding: rows and columns more at the bottom and right. A convolution with a stride maps several input sizes to one
            output size; this says which of them is meant. It must be smaller than the stride or the dilation.

    Returns:
        (N, O, OH, OW) with ``OH = (H - 1)·stride - 2·padding + dilation·(KH - 1) + output_padding + 1``, and OW likewise.

    Raises:
        ValueError, TypeError, RuntimeError: as `conv2d`.
    """
    function = "conv_transpose2d"
    x, was_unbatched = as_batch(function, input)
    as_floats(function, "input", x)
    groups = _groups(function, groups)
    _weight(function, weight, bias, x, 1, groups)
    _, C, H, W = x.shape
    CW, _, KH, KW = weight.shape
    if C != CW:
        raise ValueError(f"{function}: input {tuple(input.shape)} has {C} channels, but weight {tuple(weight.shape)} expects {CW}")
    stride, dilation = pair(function, "stride", stride, 1), pair(function, "dilation", dilation, 1)
    (ph, pw), extra = pair(function, "padding", padding, 0), pair(function, "output_padding", output_padding, 0)
    for axis in range(2):
        if extra[axis] >= max(stride[axis], dilation[axis]):
            raise ValueError(f"{function}: output_padding {extra} must be smaller than stride {stride} or dilation {dilation}")
    OH = (H - 1) * stride[0] - 2 * ph + dilation[0] * (KH - 1) + extra[0] + 1
    OW = (W - 1) * stride[1] - 2 * pw + dilation[1] * (KW - 1) + extra[1] + 1
    if OH < 1 or OW < 1 or H < 1 or W < 1:
        raise ValueError(f"{function}: the output would have {OH} x {OW} pixels; use less padding or a larger input or kernel")
    # The convolution from (N, O, OH, OW) to (N, C, H, W) whose transpose this is. With output_padding of a stride or more (the
    # dilation may allow it) it would have more positions than x; so it gets less padding at the bottom and right, and where there
    # is none left, the last rows and columns are ones that it never reads.
    surplus = [extra[axis] - extra[axis] % stride[axis] for axis in range(2)]
    bottom, right = max(ph - surplus[0], 0), max(pw - surplus[1], 0)
    unread = [surplus[0] - (ph - bottom), surplus[1] - (pw - right)]
    geometry = _geometry(function, OH - unread[0], OW - unread[1], KH, KW, stride, ((ph, bottom), (pw, right)), dilation, groups)
    y = conv.conv2d_input_grad(x, weight, geometry=geometry)
    if any(unread):
        y = shapes.pad(y, ((0, 0), (0, 0), (0, unread[0]), (0, unread[1])))
    if bias is not None:
        y = y + shapes.reshape(bias, -1, 1, 1)
    return unbatched(y, was_unbatched)


def _window(function: str, size: tuple[int, int], kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Geometry:
    (KH, KW), (ph, pw) = pair(function, "kernel_size", kernel_size, 1), pair(function, "padding", padding, 0)
    steps, spread = pair(function, "stride", stride, 1), pair(function, "dilation", dilation, 1)
    return _geometry(function, *size, KH, KW, steps, ((ph, ph), (pw, pw)), spread)


def unfold(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> Tensor:
    """The columns of a convolution: what each position of the kernel sees, one column per position. im2col.

    (N, C, H, W) -> (N, C·KH·KW, L), where L counts the positions row by row; (C, H, W) -> (C·KH·KW, L). So
    ``weight.reshape(O, -1) @ unfold(x, (KH, KW))`` is the convolution, but for the shape.

    >>> import tinynet
    >>> unfold(tinynet.arange(6.0).reshape(1, 2, 3), 2)
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    x, was_unbatched = as_batch("unfold", input)
    geometry = _window("unfold", (x.shape[2], x.shape[3]), kernel_size, dilation, padding, stride)
    return unbatched(conv.unfold(x, geometry=geometry), was_unbatched)


def fold(
    input: Tensor,
    output_size: int | tuple[int, int],
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> Tensor:
    """The columns of `unfold` added back to the pixels they came from: its adjoint, not its inverse. col2im.

    (N, C·KH·KW, L) -> (N, C, H, W) with (H, W) = `output_size`; (C·KH·KW, L) -> (C, H, W). A pixel that k columns
    saw is the sum of k entries.

    >>> import tinynet
    >>> fold(tinynet.ones(4, 2), (2, 3), 2)
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    x, was_unbatched = as_batch("fold", input, "(N, C·KH·KW, L)")
    geometry = _window("fold", pair("fold", "output_size", output_size, 1), kernel_size, dilation, padding, stride)
    rows, positions = geometry.KH * geometry.KW, geometry.OH * geometry.OW
    if x.shape[1] % rows or x.shape[2] != positions or not x.shape[1]:
        raise ValueError(
            f"fold: input {tuple(input.shape)} does not fit: kernel {geometry.KH} x {geometry.KW} needs a multiple of {rows} rows, and "
            f"{geometry.OH} x {geometry.OW} positions on an output of {geometry.H} x {geometry.W} need {positions} columns"
        )
    return unbatched(conv.fold(x, geometry=geometry), was_unbatched)
