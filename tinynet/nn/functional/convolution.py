"""Convolution and its relatives: the user's arguments, checked and turned into a `Geometry`."""

import functools
from typing import Any

from ... import compat
from ...autograd import copying
from ...ops import shapes
from ...ops.arguments import as_floats, as_int, as_tensor, check_shape, pair, same_dtype
from ...ops.conv import plain
from ...ops.conv.geometry import Geometry
from ...ops.shapes import as_batch, unbatched
from ...tensor import Tensor


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None,
           stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] | str = 0,
           dilation: int | tuple[int, int] = 1, groups: int = 1) -> Tensor:
    """Slide `weight` over `input` and sum the products.

    Deep learning calls this convolution, although the kernel isn't turned round.

    Args:
        input: (N, C, H, W), or (C, H, W) for a single image.
        weight: (O, C / groups, KH, KW).
        bias: (O,), added to each output channel; or None.
        stride: how far the kernel moves at each step, an int or a pair (down, right).
        padding: rows and columns of zeros on each side, an int or a pair. "valid" is 0. "same"
            keeps the size, with stride 1 only; an odd row or column goes to the bottom or right.
        dilation: the distance between the taps of the kernel, an int or a pair.
        groups: the channels in and out are divided into so many groups, and outputs see only the
            inputs of their own group.

    Returns:
        (N, O, OH, OW) with ``OH = floor((H + 2·padding - dilation·(KH - 1) - 1) / stride) + 1``,
        and OW likewise.

    Raises:
        ValueError: shapes don't fit, the kernel is larger than the padded input, or an argument is
            out of range.
        TypeError: an argument is of the wrong type.
        RuntimeError: dtypes or devices differ.

    >>> import tinynet
    >>> conv2d(tinynet.arange(9).reshape(1, 3, 3), tinynet.ones(1, 1, 2, 2, dtype=tinynet.int64))
    tensor([[[ 8, 12],
             [20, 24]]])
    """
    x, was_unbatched = as_batch("conv2d", input)
    groups = as_int("conv2d", "groups", groups, 1)
    _check_weight("conv2d", input, weight, bias, groups, "(O, C/groups, KH, KW)")
    (H, W), (KH, KW) = x.array.shape[2:], weight.array.shape[2:]
    stride, dilation = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
    pads = as_padding("conv2d", padding, (KH, KW), stride, dilation)
    geometry = _geometry("conv2d", H, W, KH, KW, stride, pads, dilation, groups)
    y = plain.conv2d(x, weight, bias, geometry=geometry)
    if isinstance(padding, str) and pads != tuple([edges[::-1] for edges in pads]):
        copying(y)  # PyTorch pads a copy, because its convolution knows even padding only
    return unbatched(y, was_unbatched)


def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None,
                     stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0,
                     output_padding: int | tuple[int, int] = 0, groups: int = 1,
                     dilation: int | tuple[int, int] = 1) -> Tensor:
    """The transpose of a convolution: its gradient with respect to the input, used as a layer.

    Args:
        input: (N, C, H, W), or (C, H, W) for a single image; floats.
        weight: (C, O / groups, KH, KW).
        bias: (O,), or None.
        stride, padding, dilation, groups: those of the convolution that is transposed.
        output_padding: more rows and columns at the bottom and right. A convolution with a stride
            maps several input sizes to one output size; this says which of them is meant. It must
            be smaller than the stride or the dilation.

    Returns:
        (N, O, OH, OW) with
        ``OH = (H - 1)·stride - 2·padding + dilation·(KH - 1) + output_padding + 1``, OW likewise.

    Raises:
        ValueError, TypeError, RuntimeError: as `conv2d`.
    """
    name = "conv_transpose2d"
    x, was_unbatched = as_batch(name, input)
    as_floats(name, "input", x)
    groups = as_int(name, "groups", groups, 1)
    _check_weight(name, input, weight, bias, groups, "(C, O/groups, KH, KW)")
    (H, W), (KH, KW) = x.shape[2:], weight.shape[2:]
    stride, dilation = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
    pads, extra = pair(name, "padding", padding, 0), pair(name, "output_padding", output_padding, 0)
    size, padding_of, unread = [], [], []
    for n, k, s, d, p, more in zip((H, W), (KH, KW), stride, dilation, pads, extra, strict=True):
        if more >= max(s, d):
            rule = f"must be smaller than stride {stride} or dilation {dilation}"
            raise ValueError(f"{name}: output_padding {extra} {rule}")
        size.append((n - 1) * s - 2 * p + d * (k - 1) + more + 1)
        # The convolution that this is the transpose of goes from the output to x. If output_padding
        # reaches the stride (the dilation may allow that), it would have more positions than x. So
        # it gets less padding at the far edge; without any left, it doesn't read the last pixels.
        surplus = more - more % s
        padding_of.append((p, max(p - surplus, 0)))
        unread.append(max(surplus - p, 0))
    if min(*size, H, W) < 1:
        way_out = "use less padding or a larger input or kernel"
        raise ValueError(f"{name}: the output would have {size[0]} x {size[1]} pixels; {way_out}")
    read = [n - rest for n, rest in zip(size, unread, strict=True)]
    geometry = _geometry(name, *read, KH, KW, stride, tuple(padding_of), dilation, groups)
    y = plain.conv2d_input_grad(x, weight, geometry=geometry)
    if any(unread):
        y = shapes.pad(y, ((0, 0), (0, 0), (0, unread[0]), (0, unread[1])))
    if bias is not None:
        y = y + shapes.reshape(bias, -1, 1, 1)
    return unbatched(y, was_unbatched)


def unfold(input: Tensor, kernel_size: int | tuple[int, int], dilation: int | tuple[int, int] = 1,
           padding: int | tuple[int, int] = 0, stride: int | tuple[int, int] = 1) -> Tensor:
    """The columns of a convolution (im2col): what each position of the kernel sees.

    (N, C, H, W) -> (N, C·KH·KW, L), a column per position, row by row; (C, H, W) -> (C·KH·KW, L).
    So ``weight.reshape(O, -1) @ unfold(x, (KH, KW))`` is the convolution, but for the shape.

    The arguments and errors are those of `conv2d`; `kernel_size` is an int or a pair.

    >>> import tinynet
    >>> unfold(tinynet.arange(6.0).reshape(1, 2, 3), 2)
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    x, was_unbatched = as_batch("unfold", input)
    geometry = _window("unfold", x.array.shape[2:], kernel_size, dilation, padding, stride)
    # contiguous as in PyTorch, though the images may have their batch innermost in memory
    return unbatched(plain.unfold(x, geometry=geometry), was_unbatched).contiguous()


def fold(input: Tensor, output_size: int | tuple[int, int], kernel_size: int | tuple[int, int],
         dilation: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0,
         stride: int | tuple[int, int] = 1) -> Tensor:
    """The adjoint of `unfold` (col2im), not its inverse: columns are added to their pixels.

    (N, C·KH·KW, L) -> (N, C, H, W) with (H, W) = `output_size`; (C·KH·KW, L) -> (C, H, W). A pixel
    that k columns saw is the sum of k entries. ValueError unless the number of rows is a multiple
    of KH·KW and L is the number of positions of the kernel.

    >>> import tinynet
    >>> fold(tinynet.ones(4, 2), (2, 3), 2)
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    x, was_unbatched = as_batch("fold", input, "(N, C·KH·KW, L)")
    size = pair("fold", "output_size", output_size, 1)
    geometry = _window("fold", size, kernel_size, dilation, padding, stride)
    rows, positions = geometry.KH * geometry.KW, geometry.OH * geometry.OW
    if x.shape[1] % rows or x.shape[2] != positions or not x.shape[1]:
        needs = f"kernel {geometry.kernel} needs a multiple of {rows} rows"
        needs += f", its {geometry.OH} x {geometry.OW} positions need {positions} columns"
        raise ValueError(f"fold: input {tuple(input.shape)} does not fit: {needs}")
    return unbatched(plain.fold(x, geometry=geometry), was_unbatched)


# ------------------------------------------------------------------------------------- the checks


def _check_weight(name: str, input: Any, weight: Any, bias: Any, groups: int, layout: str) -> None:
    """Check that weight has this layout, and that its channels fit input, groups and bias."""
    shape = as_tensor(name, "weight", weight).array.shape
    if len(shape) != 4 or 0 in shape:
        raise ValueError(f"{name}: weight must be {layout}, no size 0; got shape {shape}")
    C, O = (shape[1] * groups, shape[0]) if layout[1] == "O" else (shape[0], shape[1] * groups)
    if shape[0] % groups:
        rule = f"does not divide the {shape[0]} channels of weight {shape}"
        raise ValueError(f"{name}: groups={groups} {rule}")
    if (channels := input.array.shape[-3]) != C:
        given = f"input {tuple(input.shape)} has {channels} channels"
        rule = f"weight {shape} with groups={groups} expects {C}"
        raise ValueError(f"{name}: {given}, but {rule}{compat.hint('image', input.shape, C)}")
    check_shape(name, "bias", bias, (O,), "one number per output channel")
    same_dtype(name, input=input, weight=weight, bias=bias)


def as_padding(name: str, padding: Any, kernel: Any, stride: Any, dilation: Any) -> Any:
    """`padding` as ((top, bottom), (left, right))."""
    if not isinstance(padding, str):
        ph, pw = pair(name, "padding", padding, 0)
        return (ph, ph), (pw, pw)
    if padding not in ("same", "valid"):
        rule = "must be an int, a pair, 'same' or 'valid'"
        raise ValueError(f"{name}: padding {rule}; got {padding!r}")
    if padding == "valid":
        return (0, 0), (0, 0)
    if stride != (1, 1):
        way_out = f"which stride {stride} can't; use stride 1 or numbers"
        raise ValueError(f"{name}: padding='same' keeps the size, {way_out}")
    height, width = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return (height // 2, height - height // 2), (width // 2, width - width // 2)


def _window(name: str, size, kernel_size, dilation, padding, stride) -> Geometry:
    """The positions of a kernel over images of this size."""
    kernel, (ph, pw) = pair(name, "kernel_size", kernel_size, 1), pair(name, "padding", padding, 0)
    stride, dilation = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
    return _geometry(name, *size, *kernel, stride, ((ph, ph), (pw, pw)), dilation)


@functools.lru_cache(maxsize=256)  # every step asks for the same; and a `Geometry` has caches
def _geometry(name: str, *numbers: Any) -> Geometry:
    """A `Geometry`; ValueError if the kernel doesn't fit on the padded image."""
    geometry = Geometry(*numbers)
    if geometry.OH < 1 or geometry.OW < 1:
        padded = [n + sum(p) for n, p in zip(geometry.size, geometry.padding, strict=True)]
        cover = [d * (k - 1) + 1 for k, d in zip(geometry.kernel, geometry.dilation, strict=True)]
        raise ValueError(f"{name}: the kernel covers {cover[0]} x {cover[1]} pixels (dilation "
            f"{geometry.dilation}), more than the padded input's {padded[0]} x {padded[1]}; "
            "use more padding or a smaller kernel")
    return geometry
