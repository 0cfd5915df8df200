"""Operations that rearrange elements without computing anything: reshape, permute, expand, join, pick.

Each one's derivative is its adjoint, the way back: a transposed transpose, the sum over what was expanded, zeros where
nothing was picked.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..autograd import Primitive, Variable, cast
from ..backend import array_module, computing
from .dtypes import in_own_name, of_tensor, result_type
from .summing import total

_F = TypeVar("_F", bound=Callable[..., Any])


def as_dim(name: str, dim: Any, ndim: int) -> int:
    """`dim` counted from the front; a negative one counts from the back. A 0-d tensor has one dimension here, as in PyTorch."""
    try:
        number = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}: dim must be an int, got {dim!r}") from None
    size = max(ndim, 1)
    if not -size <= number < size:
        raise IndexError(f"{name}: dim {number} is out of range; a {ndim}-d tensor has dims {-size} to {size - 1}")
    return number % size


def as_dims(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """`dim`, an int, a sequence of ints or None for all, as a tuple counted from the front; a repeated one is an error."""
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(as_dim(name, d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) != len(dims):
        raise ValueError(f"{name}: dim {tuple(dim)} names a dimension twice")
    return dims if ndim else ()


def as_shape(name: str, shape: tuple[Any, ...]) -> tuple[int, ...]:
    """The sizes given as separate arguments or as one sequence: ``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    try:
        sizes = tuple([operator.index(n) for n in shape])
    except TypeError:
        raise TypeError(f"{name}: sizes must be ints, got {shape!r}") from None
    if abs(math.prod(sizes)) >= 2**60:
        raise ValueError(f"{name}: sizes {sizes} make more elements than any memory holds")
    return sizes


def by_keyword(keyword: str) -> Callable[[_F], _F]:
    """Let the numbers of ``f(input, *numbers)`` come as one keyword too, as PyTorch does: ``flip(x, dims=[1])``."""

    def declare(function: _F) -> _F:
        @functools.wraps(function)
        def operation(*args: Any, **keywords: Any) -> Any:
            if "input" in keywords:
                args = (keywords.pop("input"), *args)
            if keyword in keywords:
                args = (*args, keywords.pop(keyword))
            return function(*args, **keywords)

        return operation  # type: ignore[return-value]

    return declare


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


# ----------------------------------------------------------------------------------------------------- indexing


def _take_view(xp, a, *, index):
    return a[index if Ellipsis in index else (*index, ...)]  # with the ..., one element is a 0-d view and not a copy


_select: Primitive = Primitive(_take_view, name="select", view=True)  # ints, slices, None and ...
_index: Primitive = Primitive(lambda xp, a, *, index: a[index], name="index")  # arrays among them


def is_basic(index: tuple[Any, ...]) -> bool:
    """Whether an index made by `as_index` gives a view: no arrays in it."""
    return all(i is None or i is Ellipsis or isinstance(i, (int, slice)) for i in index)


@Primitive
def _unindex(xp, a, *, index, shape):
    # the adjoint of x[index]: zeros with `a` added at `index`; an element that was picked twice gets both
    out = xp.zeros(shape, a.dtype)
    if is_basic(index):
        out[index] = a
    else:
        xp.add.at(out, index, a)
    return out


for _getitem in (_select, _index):
    _getitem.derivatives(a=lambda g, index, a_shape: _unindex(g, index=index, shape=a_shape))
_unindex.derivatives(a=lambda g, index: _select(g, index=index) if is_basic(index) else _index(g, index=index))


def _is_mask(part: Any) -> bool:
    return getattr(part, "dtype", None) == np.dtype(bool)


def as_index(name: str, array: Any, index: Any) -> tuple[Any, ...]:
    """`index` as what numpy and cupy take, checked against the shape of `array` (cupy would wrap round silently).

    Arrays are copied: the backward pass needs them as they are now.
    """
    xp = array_module(array)

    def copy(part: Any) -> Any:
        with computing(array):
            return xp.array(part)

    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, Variable):
            part = part.array
            if not isinstance(part, np.ndarray):
                array_module(array, part)  # both on one device? an index from the CPU is uploaded, as in PyTorch
                part = part if part.ndim or part.dtype == bool else part.item()
        elif isinstance(part, (list, range)):
            try:
                part = np.asarray(part, dtype=None if len(part) else np.int64)
            except ValueError:
                raise IndexError(f"{name}: the lists in an index must form a box, got {part!r:.60}") from None
        if isinstance(part, slice):
            if part.step is not None and part.step < 0:
                raise ValueError(f"{name}: the step of a slice must be positive, got {part.step}; use flip")
            part = slice(*[None if n is None else operator.index(n) for n in (part.start, part.stop, part.step)])
        elif part is None or part is Ellipsis:
            pass
        elif isinstance(part, bool) or _is_mask(part):
            part = copy(part)
        elif hasattr(part, "dtype") and getattr(part, "ndim", 0) > 0:
            if part.dtype.kind not in "iu":
                raise IndexError(f"{name}: an index must be a tensor of integers or bools, got one of {part.dtype}")
            part = copy(part)
        else:
            try:
                part = operator.index(part)
            except TypeError:
                raise IndexError(
                    f"{name}: an index is an int, a slice, None, ..., or a tensor of ints or bools; got {type(part).__name__}"
                ) from None
        parts.append(part)

    taken = sum(part.ndim if _is_mask(part) else int(part is not None and part is not Ellipsis) for part in parts)
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError(f"{name}: an index can have one '...' only")
    if taken > array.ndim:
        raise IndexError(f"{name}: {taken} indices for a tensor with {array.ndim} dims, of shape {tuple(array.shape)}")
    dim = 0
    for part in parts:
        if part is Ellipsis:
            dim += array.ndim - taken
        elif _is_mask(part):
            if part.shape != array.shape[dim : dim + part.ndim]:
                raise IndexError(
                    f"{name}: the mask has shape {tuple(part.shape)}, but what it selects from {tuple(array.shape[dim : dim + part.ndim])}"
                )
            dim += part.ndim
        elif part is not None:
            size = array.shape[dim]
            if isinstance(part, int):
                out = not -size <= part < size
            else:  # looking at values would make a GPU wait; index arrays that may be wrong are checked where they come from
                out = xp is np and not isinstance(part, slice) and part.size and (part.min() < -size or part.max() >= size)
            if out:
                raise IndexError(f"{name}: index {part if isinstance(part, int) else 'array'} is out of range for dim {dim}, of size {size}")
            dim += 1
    return tuple(parts)


def in_two_steps(index: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """An index made by `as_index` as ints, slices, None and ... first, and then, on what these give, the arrays.

    PyTorch indexes like this. numpy counts an int beside arrays among the arrays, and so may put the dimensions in another order.
    """
    first: list[Any] = []
    for part in index:
        if hasattr(part, "ndim"):
            first += [slice(None)] * (part.ndim if _is_mask(part) else 1)
        else:
            first.append(part)
    then = [slice(None) if part is None or isinstance(part, slice) else part for part in index if not isinstance(part, int)]
    return tuple(first), tuple(then)


def getitem(input: Variable, index: Any, name: str = "indexing") -> Any:
    """``input[index]``: ints, slices, None and ... give a view; integer and bool tensors a copy. `name` is for errors."""
    checked = as_index(name, input.array, index)
    if is_basic(checked):
        return _select(input, index=checked)
    first, then = in_two_steps(checked)
    return _index(input if all(p == slice(None) for p in first) else _select(input, index=first), index=then)


@Primitive
def _index_put(xp, a, values, *, index):
    out = a.copy()
    out[index] = values
    return out


_index_put.derivatives(
    a=lambda g, index: _index_put(g, 0.0, index=index),
    values=lambda g, index: _index(g, index=index),
)


def index_put(input: Variable, index: tuple[Any, ...], values: Variable) -> Any:
    """`input` with ``input[index]``, for an index made by `as_index`, replaced by `values`."""
    return _index_put(input, values, index=index)


@of_tensor
def gather(input: Variable, dim: int, index: Variable) -> Any:
    """Along `dim`, the elements that `index` names: ``out[i][j] = input[index[i][j]][j]`` for dim 0.

    `index` holds int64 and has as many dims as `input`; its other sizes may be smaller.
    """
    ndim = input.array.ndim
    dim = as_dim("gather", dim, ndim)
    if not isinstance(index, Variable) or index.array.dtype.kind not in "iu":
        raise TypeError("gather: the index must be a tensor of integers")
    if index.array.ndim != ndim or any(m > n for d, (m, n) in enumerate(zip(index.array.shape, input.array.shape, strict=True)) if d != dim):
        raise ValueError(
            f"gather: index {tuple(index.array.shape)} must have the dims of input {tuple(input.array.shape)} "
            f"and be no larger, but for dim {dim}"
        )
    xp = array_module(input.array, index.array)
    shape = index.array.shape
    with computing(input.array):
        places = [xp.arange(n).reshape([-1 if e == d else 1 for e in range(ndim)]) for d, n in enumerate(shape)]
    return getitem(input, tuple([index if d == dim else input._make(place) for d, place in enumerate(places)]), "gather")


@of_tensor
def index_select(input: Variable, dim: int, index: Variable) -> Any:
    """The slices along `dim` that the 1-d integer tensor `index` names, in its order."""
    if not isinstance(index, Variable) or index.array.ndim != 1 or index.array.dtype.kind not in "iu":
        raise TypeError("index_select: the index must be a 1-d tensor of integers")
    return getitem(input, (slice(None),) * as_dim("index_select", dim, input.array.ndim) + (index,), "index_select")
