"""Picking elements: indexing, gather, index_select, and their adjoints."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..arrays.devices import array_module, computing
from ..autograd import Primitive, Variable
from .arguments import as_dim, of_tensor


def _take_view(xp, a, *, index):
    return a[index if Ellipsis in index else (*index, ...)]  # with the ..., one element is a 0-d view and not a copy


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


_select: Primitive = Primitive(_take_view, name="select", view=True)  # ints, slices, None and ...


_index: Primitive = Primitive(lambda xp, a, *, index: a[index], name="index")  # arrays among them


for _getitem in (_select, _index):
    _getitem.derivatives(a=lambda g, index, a_shape: _unindex(g, index=index, shape=a_shape))
