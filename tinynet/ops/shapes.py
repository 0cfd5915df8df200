"""Operations that rearrange elements without computing anything: reshape, permute, expand, join.

The derivative of each is its adjoint, the way back: for a transpose the transpose back, for an
expansion the sum over what was repeated, for a picked part zeros around it.

A primitive such as `_reshape` takes a shape that is known to be right; the public function of that
name checks its arguments first. Other operations of tinynet call the primitives.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import compat
from ..arrays import array_module, computing, empty, is_image_order, kept_order
from ..autograd import cast, Primitive, Variable
from .arguments import (as_dim, as_dims, as_int, as_shape, as_tensor, of_numbers, of_tensor,
    result_type)
from .indexing import part, select
from .layout import batch_innermost
from .summing import total

# -------------------------------------------------------------------------- reshape and relatives


_reshape = Primitive(lambda xp, a, *, shape: a.reshape(shape), name="view", view=True)
_reshape.derivatives(a=lambda g, a_shape: _reshape(g, shape=a_shape))


@of_numbers("shape")
def reshape(input: Variable, *shape: Any) -> Any:
    """The same elements, in the same order, in another shape.

    One size may be -1; it is worked out from the number of elements.

    >>> import tinynet
    >>> tinynet.reshape(tinynet.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    wanted = _complete("reshape", as_shape("reshape", shape), input.array.shape)
    return _reshape(input, shape=wanted)


def _complete(name: str, wanted: tuple[int, ...], shape: tuple[int, ...], dim: int = -1) -> Any:
    """`wanted` with its -1 worked out; ValueError unless it has the elements of `shape`.

    (Or those of one dimension, if `dim` is given.)
    """
    size, product = math.prod(shape if dim < 0 else shape[dim : dim + 1]), math.prod(wanted)
    least = min(wanted, default=0)
    if product == size and least >= 0:
        return wanted
    if least < -1 or wanted.count(-1) > 1:
        raise ValueError(f"{name}: {wanted} is no shape; sizes are from 0 up, and one may be -1")
    if least == -1 and product and size % product == 0:
        return tuple([size // -product if n == -1 else n for n in wanted])
    given = f"shape {shape} has {size} elements" if dim < 0 else f"dim {dim} has size {size}"
    raise ValueError(f"{name}: {given}, which {wanted} don't multiply to")


@of_tensor
def view_as(input: Variable, other: Variable) -> Any:
    """`input` in the shape of `other`."""
    wanted = as_tensor("view_as", "other", other).array.shape
    return _reshape(input, shape=_complete("view_as", wanted, input.array.shape))


@of_tensor
def flatten(input: Variable, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dimensions from `start_dim` to `end_dim`, both included, made one."""
    shape = input.array.shape or (1,)
    start, end = as_dim("flatten", start_dim, len(shape)), as_dim("flatten", end_dim, len(shape))
    if start == end and input.array.ndim:
        return input
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    flat = math.prod(shape[start : end + 1])
    return _reshape(input, shape=(*shape[:start], flat, *shape[end + 1 :]))


@of_tensor
def unflatten(input: Variable, dim: int, sizes: Sequence[int]) -> Any:
    """One dimension split into several: the reverse of `flatten`. One of `sizes` may be -1."""
    shape = input.array.shape
    dim = as_dim("unflatten", dim, len(shape))
    inner = _complete("unflatten", as_shape("unflatten", (sizes,)), shape, dim)
    return _reshape(input, shape=(*shape[:dim], *inner, *shape[dim + 1 :]))


@of_tensor
def squeeze(input: Variable, dim: Any = None) -> Any:
    """Without the dimensions of size 1; with `dim`, an int or several, only without these.

    A dimension in `dim` whose size isn't 1 stays.
    """
    shape = input.array.shape
    dims = as_dims("squeeze", dim, len(shape))
    return _reshape(input, shape=tuple([n for d, n in enumerate(shape) if n != 1 or d not in dims]))


@of_tensor
def unsqueeze(input: Variable, dim: int) -> Any:
    """With a new dimension of size 1 at `dim`."""
    shape = input.array.shape
    dim = as_dim("unsqueeze", dim, len(shape) + 1)
    return _reshape(input, shape=(*shape[:dim], 1, *shape[dim:]))


# ---------------------------------------------------------------------------- order of dimensions


_permute = Primitive(lambda xp, a, *, dims: a.transpose(dims), name="permute", view=True)


_permute.derivatives(  # by the inverse order
    a=lambda g, dims: _permute(g, dims=tuple(sorted(range(len(dims)), key=dims.__getitem__))))


@of_numbers("dims")
def permute(input: Variable, *dims: Any) -> Any:
    """The dimensions in another order.

    ``permute(x, 0, 2, 3, 1)`` makes (N, C, H, W) into (N, H, W, C).
    """
    given = as_shape("permute", dims)
    order = as_dims("permute", given, input.array.ndim) if given else ()
    if len(order) != input.array.ndim:
        raise ValueError(f"permute: {given} must name each of the {input.array.ndim} dims once")
    return _permute(input, dims=order)


@of_tensor
def transpose(input: Variable, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged."""
    ndim = input.array.ndim
    a, b = as_dim("transpose", dim0, ndim), as_dim("transpose", dim1, ndim)
    dims = list(range(ndim or 1))
    dims[a], dims[b] = b, a
    return _permute(input, dims=tuple(dims[:ndim]))


@of_tensor
def t(input: Variable) -> Any:
    """A matrix transposed; 0-d and 1-d tensors as they are."""
    if input.array.ndim > 2:
        raise ValueError(f"t: expected at most 2 dims, got shape {input.array.shape}; use permute")
    return _permute(input, dims=tuple(range(input.array.ndim))[::-1])


_flip = Primitive(lambda xp, a, *, dims: xp.flip(a, dims).copy(order=kept_order(a)),
    name="flip")
_flip.derivatives(a=lambda g, dims: _flip(g, dims=dims))


@of_numbers("dims")
def flip(input: Variable, *dims: Any) -> Any:
    """The elements in reverse order along `dims`; a copy."""
    return _flip(input, dims=as_dims("flip", as_shape("flip", dims), input.array.ndim))


contiguous_copy = Primitive(lambda xp, a: a.copy(order="C"), name="clone")
contiguous_copy.derivatives(a=lambda g: g)


def is_in_order(input: Any) -> bool:
    """Whether the elements lie in memory in the order of the dimensions, or count as if they did.

    Images that have their batch innermost do: they move when a view of them is made.
    """
    a = input.array
    return a.flags.c_contiguous or (input._view_of is None and is_image_order(a))


def laid_out(tensor: Any, input: Any) -> Any:
    """`tensor`, a new one of the shape of `input`, in its memory order too."""
    like, made = input.array, tensor.array
    if not is_in_order(input) and 0 not in like.strides:
        with computing(made):
            axes = tuple(sorted(range(like.ndim), key=like.strides.__getitem__, reverse=True))
            tensor.array = empty(array_module(made), made.shape, made.dtype, axes)
            tensor.array[...] = made
    return tensor


def in_order(input: Any) -> Any:
    """`input`, or a copy in order, for functions whose results PyTorch has always in order."""
    return input if is_in_order(input) else contiguous_copy(input)


# -------------------------------------------------------------------------------------- broadcast


def _broadcast(xp, a, *, shape):
    if a.size == math.prod(shape):
        return a.reshape(shape)  # no element is repeated, so the view may be changed in place
    if xp is not np or a.size != 1:
        return xp.broadcast_to(a, shape)
    view = np.ndarray(shape, a.dtype, a, 0, (0,) * len(shape))  # broadcast_to takes 5 times as long
    view.setflags(write=False)
    return view


_expand = Primitive(_broadcast, name="expand", view=True)


@Primitive
def _sum_to(xp, a, *, shape):
    # `a` summed over what broadcasting `shape` to a.shape repeats
    sizes = zip((1,) * (a.ndim - len(shape)) + shape, a.shape, strict=True)
    repeated = tuple([d for d, (n, repeated_n) in enumerate(sizes) if n != repeated_n])
    return total(xp, a, repeated, False).reshape(shape)


def _broadcast_inside(xp, a, *, shape, images):
    # beside `images` in their order, so that the result of both has it too
    if images and a.ndim == 4:
        a = batch_innermost(xp, a).transpose(3, 1, 0, 2)
    return _broadcast(xp, a, shape=shape)


_stretch = Primitive(_broadcast_inside, name="expand", view="inside")

# with memory of its own
_tile = Primitive(lambda xp, a, *, shape: xp.array(_broadcast(xp, a, shape=shape), order="C"))

for _spread in (_expand, _stretch, _tile):
    _spread.derivatives(a=lambda g, a_shape: _sum_to(g, shape=a_shape))
_sum_to.derivatives(a=lambda g, a_shape: _expand(g, shape=a_shape))


def fitted(input: Any, shape: tuple[int, ...], dtype: Any = None, images: bool = False) -> Any:
    """`input` in `dtype`, if that is given, and expanded to `shape`, to which it must broadcast.

    `images` says that it is computed with images whose batch is innermost in memory.
    """
    if dtype is not None and input.array.dtype != dtype:
        input = cast(input, dtype=dtype)
    return input if input.array.shape == shape else _stretch(input, shape=shape, images=images)


@of_numbers("size")
def expand(input: Variable, *sizes: Any) -> Any:
    """Dimensions of size 1 repeated to `sizes`, without copying.

    New dimensions may come in front; -1 keeps a size. The result can't be changed in place if an
    element is repeated, because several elements are one in memory then.
    """
    return _expanded("expand", input, as_shape("expand", sizes))


@of_tensor
def expand_as(input: Variable, other: Variable) -> Any:
    """`input` expanded to the shape of `other`."""
    return _expanded("expand_as", input, as_tensor("expand_as", "other", other).array.shape)


def _expanded(name: str, input: Variable, wanted: tuple[int, ...]) -> Any:
    shape = input.array.shape
    new = len(wanted) - len(shape)
    full = tuple([shape[d - new] if n == -1 and d >= new else n for d, n in enumerate(wanted)])
    fits = new >= 0 and min(full, default=0) >= 0
    if not fits or [n for n, m in zip(shape, full[new:], strict=True) if n not in (m, 1)]:
        rule = "aligned at the right, sizes must be equal or 1"
        raise ValueError(f"{name}: shape {shape} can't be expanded to {wanted}; {rule}")
    return _expand(input, shape=full)


@of_numbers("repeats")
def repeat(input: Variable, *repeats: Any) -> Any:
    """`input` laid out so many times along each dimension, like tiles.

    With more `repeats` than dimensions, new dimensions come in front.
    """
    counts, ndim = as_shape("repeat", repeats), input.array.ndim
    if len(counts) < ndim or min(counts, default=0) < 0:
        rule = f"must have a number from 0 up for each of the {ndim} dims, or more numbers"
        raise ValueError(f"repeat: {counts} {rule}")
    shape = (1,) * (len(counts) - ndim) + input.array.shape
    # (2, 3) repeated (4, 5) times: (1, 2, 1, 3) is expanded to (4, 2, 5, 3), and that is (8, 15)
    tiles = list(zip(counts, shape, strict=True))
    apart = _reshape(input, shape=tuple([n for size in shape for n in (1, size)]))
    apart = _tile(apart, shape=tuple([n for tile in tiles for n in tile]))
    return _reshape(apart, shape=tuple([count * size for count, size in tiles]))


# ----------------------------------------------------------------------------- joining, splitting


def _slices(input: Any, dim: int, start: int, stop: int) -> Any:
    """The view of `input` from `start` to `stop` along `dim`."""
    return select(input, index=(*(slice(None),) * dim, slice(start, stop)))


@Primitive
def _cat(xp, *inputs, dim):
    out = xp.concatenate(inputs, axis=dim)
    return out if is_image_order(out) else xp.asarray(out, order="C")


def _cat_part(g, i, shapes, dim):
    start = sum(shape[dim] for shape in shapes[:i])
    return part(g, index=(*(slice(None),) * dim, slice(start, start + shapes[i][dim])))


_cat.derivatives(_cat_part)


def _tensors(name: str, tensors: Any) -> list[Variable]:
    """The tensors to join, if they are a list or tuple of tensors on one device."""
    is_sequence = isinstance(tensors, (tuple, list)) and len(tensors) > 0
    if not is_sequence or [v for v in tensors if not isinstance(v, Variable)]:
        raise TypeError(f"{name}: expected a non-empty sequence of tensors, got {tensors!r:.60}")
    array_module(*[v.array for v in tensors], function=name)
    dtype = result_type(*tensors)
    return [v if v.array.dtype == dtype else cast(v, dtype=dtype) for v in tensors]


@compat.by_other_words
def cat(tensors: Sequence[Variable], dim: int = 0) -> Any:
    """Tensors joined along `dim`; the other sizes must agree. Different dtypes are promoted.

    An empty vector, ``tensor([])``, joins with anything, so that a loop can start from it.
    """
    given = _tensors("cat", tensors)
    shape = next((v.array.shape for v in given if v.array.shape != (0,)), (0,))
    if not shape:
        raise ValueError("cat: 0-d tensors can't be joined; use stack")
    dim = as_dim("cat", dim, len(shape))
    empty = (*shape[:dim], 0, *shape[dim + 1 :])
    given = [_reshape(v, shape=empty) if v.array.shape == (0,) else v for v in given]
    shapes = [v.array.shape for v in given]
    if len({(len(shape), shape[:dim], shape[dim + 1 :]) for shape in shapes}) != 1:
        listed = ", ".join(map(str, shapes))
        raise ValueError(f"cat: shapes {listed} must be the same but for dim {dim}")
    return _cat(*given, dim=dim)


@compat.by_other_words
def stack(tensors: Sequence[Variable], dim: int = 0) -> Any:
    """Tensors of one shape joined along a new dimension."""
    given = _tensors("stack", tensors)
    shapes = [v.array.shape for v in given]
    if len(set(shapes)) != 1:
        raise ValueError(f"stack: all shapes must be the same, got {', '.join(map(str, shapes))}")
    dim = as_dim("stack", dim, len(shapes[0]) + 1)
    return _cat(*[unsqueeze(v, dim) for v in given], dim=dim)


@of_tensor
def narrow(input: Variable, dim: int, start: int, length: int) -> Any:
    """The `length` slices from `start` on along `dim`; shares memory.

    A negative `start` counts from the end.
    """
    dim = _dim_to_cut("narrow", dim, input)
    start, length = as_shape("narrow", (start, length))
    size = input.array.shape[dim]
    first = start + size if start < 0 else start
    if not 0 <= first <= size or not 0 <= length <= size - first:
        given = f"{length} slices from {start} on"
        raise ValueError(f"narrow: {given} don't lie within the {size} of dim {dim}")
    return _slices(input, dim, first, first + length)


@of_tensor
def split(tensor: Variable, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """`tensor` cut along `dim` into pieces of one size (the last may be smaller) or given sizes."""
    dim, sections = _dim_to_cut("split", dim, tensor), split_size_or_sections
    size = tensor.array.shape[dim]
    if isinstance(sections, int):
        step = as_int("split", "the size of a piece", sections, 1)
        ends = [*range(step, size, step), size]  # of nothing, one empty piece
    else:
        sizes = as_shape("split", (sections,))
        if sum(sizes) != size or min(sizes, default=0) < 0:
            raise ValueError(f"split: sizes {list(sizes)} don't add up to the {size} of dim {dim}")
        ends = [*itertools.accumulate(sizes)]
    return tuple([_slices(tensor, dim, *cut) for cut in itertools.pairwise([0, *ends])])


@of_tensor
def chunk(input: Variable, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """`input` cut along `dim` into at most `chunks` pieces of equal size.

    The last may be smaller.
    """
    chunks = as_int("chunk", "the number of chunks", chunks, 1)
    dim = _dim_to_cut("chunk", dim, input)
    size = input.array.shape[dim]
    return split(input, -(-size // chunks) if size else [0] * chunks, dim)


@of_tensor
def unbind(input: Variable, dim: int = 0) -> tuple[Any, ...]:
    """The slices along `dim`, without that dimension."""
    before = (slice(None),) * _dim_to_cut("unbind", dim, input)
    return tuple([select(input, index=(*before, i)) for i in range(input.array.shape[len(before)])])


def _dim_to_cut(name: str, dim: Any, input: Variable) -> int:
    if not input.array.ndim:
        raise ValueError(f"{name}: a 0-d tensor has no dimension to cut")
    return as_dim(name, dim, input.array.ndim)


@Primitive
def _pad(xp, a, *, pads, value):
    sizes = [before + n + after for n, (before, after) in zip(a.shape, pads, strict=True)]
    out = xp.full(sizes, value, a.dtype)
    out[_inside(a.shape, pads)] = a
    return out


def _inside(shape: tuple[int, ...], pads: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple([slice(before, before + n) for n, (before, _) in zip(shape, pads, strict=True)])


_pad.derivatives(a=lambda g, pads, a_shape: part(g, index=_inside(a_shape, pads)))


def pad(input: Variable, pads: Sequence[tuple[int, int]], value: Any = 0) -> Any:
    """`input` with (before, after) elements of `value` added to each dimension."""
    return _pad(input, pads=tuple(pads), value=value)


def as_batch(function: str, x: Any, dims: str = "(N, C, H, W)") -> tuple[Any, bool]:
    """`x` with a batch dimension in front, and whether that had to be added.

    `dims` names the dimensions that are expected.
    """
    ndim = dims.count(",") + 1
    shape = as_tensor(function, "input", x).array.shape
    if len(shape) not in (ndim, ndim - 1):
        more = "; x[None, None] adds them to one image" if len(shape) == 2 < ndim - 1 else ""
        raise ValueError(f"{function}: input must be {dims}, or without N; got shape {shape}{more}")
    return (x, False) if len(shape) == ndim else (_reshape(x, shape=(1, *shape)), True)


def unbatched(y: Any, was_unbatched: bool) -> Any:
    """`y` without its batch dimension if `as_batch` had to add one."""
    return _reshape(y, shape=y.array.shape[1:]) if was_unbatched else y
