"""Operations that rearrange elements without computing anything: reshape, permute, expand, join, pick.

Each one's derivative is its adjoint, the way back: a transposed transpose, the sum over what was expanded, zeros where
nothing was picked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..autograd import Primitive, Variable, cast
from .arguments import as_dim, as_dims, as_shape, as_tensor, by_keyword, in_own_name, of_tensor
from .dtypes import result_type
from .indexing import _select, getitem
from .summing import total

_F = TypeVar("_F", bound=Callable[..., Any])


# ---------------------------------------------------------------------------------------- reshape and relatives


def _reshaped(xp: Any, a: Any, *, shape: tuple[int, ...]) -> Any:
    if a.ndim == 4 and len(shape) == 2 and shape[0] == a.shape[0] > 1 and a.strides[0] == a.itemsize:
        # images whose batch is innermost in memory are flattened before a linear layer: it stays so, which copies long runs
        return xp.ascontiguousarray(a.transpose(1, 2, 3, 0)).reshape(shape[::-1]).T
    return a.reshape(shape)


_reshape = Primitive(_reshaped, name="view", view=True)
_reshape.derivatives(a=lambda g, a_shape: _reshape(g, shape=a_shape))


@by_keyword("shape")
@of_tensor
def reshape(input: Variable, *shape: Any) -> Any:
    """The same elements, in the same order, in another shape; one size may be -1 and is worked out.

    >>> import tinynet
    >>> tinynet.reshape(tinynet.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    wanted = as_shape("reshape", shape)
    size, given = input.array.size, math.prod(n for n in wanted if n != -1)
    if wanted.count(-1) > 1 or any(n < -1 for n in wanted):
        raise ValueError(f"reshape: {wanted} is no shape; sizes are from 0 up, and one of them may be -1")
    if -1 in wanted:
        if given == 0 or size % given:
            raise ValueError(
                f"reshape: {size} elements of shape {tuple(input.array.shape)} don't fit into {wanted}: what stands for -1?"
            )
        wanted = tuple([size // given if n == -1 else n for n in wanted])
    elif given != size:
        raise ValueError(
            f"reshape: shape {tuple(input.array.shape)} has {size} elements, but {wanted} has {given}; they must be the same"
        )
    return _reshape(input, shape=wanted)


@of_tensor
def view_as(input: Variable, other: Variable) -> Any:
    """`input` in the shape of `other`."""
    if not isinstance(other, Variable):
        raise TypeError(f"view_as: other must be a tensor, got {type(other).__name__}")
    return reshape(input, *other.array.shape)


@of_tensor
def flatten(input: Variable, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dimensions from `start_dim` to `end_dim`, both included, made one."""
    shape = input.array.shape or (1,)
    start, end = as_dim("flatten", start_dim, len(shape)), as_dim("flatten", end_dim, len(shape))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return _reshape(input, shape=(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@of_tensor
def unflatten(input: Variable, dim: int, sizes: Sequence[int]) -> Any:
    """One dimension split into several: the reverse of `flatten`. One of `sizes` may be -1."""
    shape = input.array.shape
    dim = as_dim("unflatten", dim, len(shape))
    inner = as_shape("unflatten", (sizes,))
    known = math.prod(n for n in inner if n != -1)
    if -1 in inner and known:
        inner = tuple([shape[dim] // known if n == -1 else n for n in inner])
    if not inner or min(inner) < 0 or math.prod(inner) != shape[dim]:
        raise ValueError(f"unflatten: dim {dim} has size {shape[dim]}, which {inner} don't multiply to")
    return _reshape(input, shape=(*shape[:dim], *inner, *shape[dim + 1 :]))


@of_tensor
def squeeze(input: Variable, dim: Any = None) -> Any:
    """Without the dimensions of size 1; with `dim`, an int or several, only of these (another size stays)."""
    shape = input.array.shape
    dims = as_dims("squeeze", dim, len(shape))
    return _reshape(input, shape=tuple([n for d, n in enumerate(shape) if n != 1 or d not in dims]))


@of_tensor
def unsqueeze(input: Variable, dim: int) -> Any:
    """With a new dimension of size 1 at `dim`."""
    shape = input.array.shape
    dim = as_dim("unsqueeze", dim, len(shape) + 1)
    return _reshape(input, shape=(*shape[:dim], 1, *shape[dim:]))


# ------------------------------------------------------------------------------------------ order of dimensions


_permute = Primitive(lambda xp, a, *, dims: a.transpose(dims), name="permute", view=True)
_permute.derivatives(a=lambda g, dims: _permute(g, dims=tuple(sorted(range(len(dims)), key=dims.__getitem__))))


@by_keyword("dims")
@of_tensor
def permute(input: Variable, *dims: Any) -> Any:
    """The dimensions in another order: ``permute(x, 0, 2, 3, 1)`` makes N, C, H, W into N, H, W, C."""
    given = as_shape("permute", dims)
    order = as_dims("permute", given, input.array.ndim) if given else ()
    if len(order) != input.array.ndim:
        raise ValueError(f"permute: {given} must name each of the {input.array.ndim} dims of {tuple(input.array.shape)} once")
    return _permute(input, dims=order)


@of_tensor
def transpose(input: Variable, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged."""
    ndim = input.array.ndim
    a, b = as_dim("transpose", dim0, ndim), as_dim("transpose", dim1, ndim)
    dims = list(range(ndim))
    if ndim:
        dims[a], dims[b] = b, a
    return _permute(input, dims=tuple(dims))


@of_tensor
def t(input: Variable) -> Any:
    """A matrix transposed; 0-d and 1-d tensors as they are."""
    if input.array.ndim > 2:
        raise ValueError(f"t: expected at most 2 dims, got shape {tuple(input.array.shape)}; use transpose or permute")
    return _permute(input, dims=tuple(range(input.array.ndim))[::-1])


@Primitive
def _flip(xp, a, *, dims):
    return xp.flip(a, dims)


_flip.derivatives(a=lambda g, dims: _flip(g, dims=dims))


@by_keyword("dims")
@of_tensor
def flip(input: Variable, *dims: Any) -> Any:
    """The order of the elements along `dims` turned round; a copy."""
    return _flip(input, dims=as_dims("flip", as_shape("flip", dims), input.array.ndim))


# ---------------------------------------------------------------------------------------------------- broadcast


_expand = Primitive(lambda xp, a, *, shape: xp.broadcast_to(a, shape), name="expand", view=True)


@Primitive
def _sum_to(xp, a, *, shape):
    # `a` summed over what broadcasting `shape` to a.shape repeats
    extra = a.ndim - len(shape)
    repeated = tuple(d for d in range(a.ndim) if d < extra or (shape[d - extra] == 1 and a.shape[d] != 1))
    return total(xp, a, repeated, False).reshape(shape)


_expand.derivatives(a=lambda g, a_shape: _sum_to(g, shape=a_shape))
_sum_to.derivatives(a=lambda g, a_shape: _expand(g, shape=a_shape))


@by_keyword("size")
@of_tensor
def expand(input: Variable, *sizes: Any) -> Any:
    """Dimensions of size 1 repeated to `sizes`, without copying; new ones may come in front, -1 keeps a size.

    The result can't be changed in place, since many of its elements are one in memory.
    """
    wanted = as_shape("expand", sizes)
    shape = input.array.shape
    extra = len(wanted) - len(shape)
    full = tuple([shape[d - extra] if n == -1 and d >= extra else n for d, n in enumerate(wanted)])
    if extra < 0 or min(full, default=0) < 0 or any(n not in (full[d + extra], 1) for d, n in enumerate(shape)):
        raise ValueError(
            f"expand: shape {tuple(shape)} can't be expanded to {wanted}; aligned at the right, sizes must be equal or 1"
        )
    return _expand(input, shape=full)


@of_tensor
def expand_as(input: Variable, other: Variable) -> Any:
    """`input` expanded to the shape of `other`."""
    if not isinstance(other, Variable):
        raise TypeError(f"expand_as: other must be a tensor, got {type(other).__name__}")
    return expand(input, *other.array.shape)


@by_keyword("repeats")
@of_tensor
def repeat(input: Variable, *repeats: Any) -> Any:
    """`input` laid out that many times along each dimension, like tiles; new dimensions come in front."""
    counts = as_shape("repeat", repeats)
    shape = (1,) * (len(counts) - input.array.ndim) + input.array.shape
    if len(counts) < input.array.ndim or any(n < 0 for n in counts):
        raise ValueError(f"repeat: {counts} must have a number from 0 up for each of the {input.array.ndim} dims, or more numbers")
    spread = reshape(input, [n for size in shape for n in (1, size)])
    spread = expand(spread, [n for count, size in zip(counts, shape, strict=True) for n in (count, size)])
    return reshape(spread, [count * size for count, size in zip(counts, shape, strict=True)])


# ------------------------------------------------------------------------------------------- joining, splitting


@Primitive
def _cat(xp, *inputs, dim):
    return xp.concatenate(inputs, axis=dim)


def _cat_part(g, i, shapes, dim):
    start = sum(shape[dim] for shape in shapes[:i])
    return narrow(g, dim, start, shapes[i][dim])


_cat.derivatives(_cat_part)


@in_own_name
def cat(tensors: Sequence[Variable], dim: int = 0) -> Any:
    """Tensors joined along `dim`; the other sizes must agree. Different dtypes are promoted.

    An empty vector, ``tensor([])``, joins with anything, so that a loop can start from it.
    """
    if not isinstance(tensors, (tuple, list)) or not tensors or not all(isinstance(v, Variable) for v in tensors):
        raise TypeError("cat: expected a non-empty sequence of tensors")
    dtype = result_type(*tensors)
    tensors = [v for v in tensors if v.array.shape != (0,)] or tensors[:1]
    ndim = tensors[0].array.ndim
    if ndim == 0:
        raise ValueError("cat: 0-d tensors can't be joined; use stack")
    dim = as_dim("cat", dim, ndim)
    rests = {(len(v.array.shape), v.array.shape[:dim], v.array.shape[dim + 1 :]) for v in tensors}
    if len(rests) != 1:
        shapes = ", ".join(str(tuple(v.array.shape)) for v in tensors)
        raise ValueError(f"cat: shapes {shapes} must be the same but for dim {dim}")
    return _cat(*[v if v.array.dtype == dtype else cast(v, dtype=dtype) for v in tensors], dim=dim)


@in_own_name
def stack(tensors: Sequence[Variable], dim: int = 0) -> Any:
    """Tensors of one shape joined along a new dimension."""
    if not isinstance(tensors, (tuple, list)) or not tensors or not all(isinstance(v, Variable) for v in tensors):
        raise TypeError("stack: expected a non-empty sequence of tensors")
    if len({v.array.shape for v in tensors}) != 1:
        shapes = ", ".join(str(tuple(v.array.shape)) for v in tensors)
        raise ValueError(f"stack: all shapes must be the same, got {shapes}")
    return cat([unsqueeze(v, dim) for v in tensors], as_dim("stack", dim, tensors[0].array.ndim + 1))


@of_tensor
def narrow(input: Variable, dim: int, start: int, length: int) -> Any:
    """The `length` slices from `start` on (a negative one counts from the end) along `dim`; shares memory."""
    dim = as_dim("narrow", dim, input.array.ndim)
    if not input.array.ndim:
        raise ValueError("narrow: a 0-d tensor has no dimension to take slices of")
    start, length = as_shape("narrow", (start, length))
    size = input.array.shape[dim]
    first = start + size if start < 0 else start
    if not 0 <= first <= size or not 0 <= length <= size - first:
        raise ValueError(f"narrow: {length} slices from {start} on don't lie within the {size} of dim {dim}")
    return getitem(input, (slice(None),) * dim + (slice(first, first + length),))


@of_tensor
def split(tensor: Variable, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """`tensor` cut along `dim` into pieces of one size (the last may be smaller) or of the given sizes."""
    dim = as_dim("split", dim, tensor.array.ndim)
    size = tensor.array.shape[dim]
    if isinstance(split_size_or_sections, int):
        if split_size_or_sections < 1:
            raise ValueError(f"split: the size of a piece must be from 1 up, got {split_size_or_sections}")
        step = split_size_or_sections
        sizes = [min(step, size - start) for start in range(0, size, step)] or [0]
    else:
        sizes = list(as_shape("split", (split_size_or_sections,)))
        if sum(sizes) != size or any(n < 0 for n in sizes):
            raise ValueError(f"split: sizes {sizes} don't add up to the {size} of dim {dim}")
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(tensor, dim, start, n) for start, n in zip(starts, sizes, strict=True))


@of_tensor
def chunk(input: Variable, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """`input` cut along `dim` into at most `chunks` pieces of equal size (the last may be smaller)."""
    if not isinstance(chunks, int) or chunks < 1:
        raise ValueError(f"chunk: the number of chunks must be from 1 up, got {chunks}")
    size = input.array.shape[as_dim("chunk", dim, input.array.ndim)]
    return split(input, max(1, -(-size // chunks)), dim)


@of_tensor
def unbind(input: Variable, dim: int = 0) -> tuple[Any, ...]:
    """The slices along `dim`, without that dimension."""
    if input.array.ndim == 0:
        raise ValueError("unbind: a 0-d tensor has no dimension to take apart")
    front = (slice(None),) * as_dim("unbind", dim, input.array.ndim)
    return tuple(getitem(input, (*front, i)) for i in range(input.array.shape[len(front)]))


@Primitive
def _pad(xp, a, *, pads, value):
    out = xp.full([before + n + after for n, (before, after) in zip(a.shape, pads, strict=True)], value, a.dtype)
    out[_inside(a.shape, pads)] = a
    return out


def _inside(shape: tuple[int, ...], pads: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple([slice(before, before + n) for n, (before, _) in zip(shape, pads, strict=True)])


_pad.derivatives(a=lambda g, pads, a_shape: _select(g, index=_inside(a_shape, pads)))


def pad(input: Variable, pads: Sequence[tuple[int, int]], value: Any = 0) -> Any:
    """`input` with (before, after) elements of `value` added to each dimension."""
    return _pad(input, pads=tuple(pads), value=value)


def as_batch(function: str, x: Any, dims: str = "(N, C, H, W)") -> tuple[Variable, bool]:
    """`x` with a batch dimension in front, and whether that had to be added; `dims` names the dimensions wanted."""
    ndim = dims.count(",") + 1
    as_tensor(function, "input", x)
    if x.array.ndim == ndim:
        return x, False
    if x.array.ndim != ndim - 1:
        raise ValueError(f"{function}: input must be {dims}, or without N; got shape {tuple(x.shape)}")
    return unsqueeze(x, 0), True


def unbatched(y: Variable, was_unbatched: bool) -> Variable:
    """`y` without its batch dimension if `as_batch` had to add one."""
    return reshape(y, y.shape[1:]) if was_unbatched else y
