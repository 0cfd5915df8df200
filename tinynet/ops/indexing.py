"""Picking elements: indexing, gather, index_select, and their adjoints."""

import warnings
from typing import Any

import numpy as np

from ..arrays import array_module, computing
from ..autograd import cast, Primitive, Variable
from .arguments import array_of, as_dim, as_tensor_of, index_of, of_tensor

# ----------------------------------------------------------------------------------- primitives

# An index inside a primitive is a tuple made by `as_index`. With ints, slices, None and ... alone
# it is *basic*, and x[index] is a view. With arrays among them, x[index] is a copy.


def is_basic(index: tuple[Any, ...]) -> bool:
    """Whether an index made by `as_index` has no arrays in it."""
    return all(part is None or isinstance(part, (int, slice, type(...))) for part in index)


select = Primitive(  # x[index] for a basic index; without ..., one element would be a copy
    lambda xp, a, *, index: a[index if ... in index else (*index, ...)], name="select", view=True)
part = Primitive(select.forward, name="select", view="inside")
# (numpy would lay out x[:, [0, 1]] with the positions first)
_index = Primitive(lambda xp, a, *, index: xp.asarray(a[index], order="C"), name="index")


@Primitive
def _unindex(xp, a, *, index, shape):
    # The adjoint: zeros with `a` added at `index`. If an index picked an element twice, the element
    # gets both gradients.
    out = xp.zeros(shape, a.dtype)
    if is_basic(index):
        out[index] = a
    else:
        xp.add.at(out, index, a)
    return out


for _picking in (select, part, _index):
    _picking.derivatives(a=lambda g, index, a_shape: _unindex(g, index=index, shape=a_shape))
_unindex.derivatives(
    a=lambda g, index: select(g, index=index) if is_basic(index) else _index(g, index=index))


@Primitive
def _index_put(xp, a, values, *, index):
    out = a.copy()
    out[index] = values
    return out


_index_put.derivatives(
    a=lambda g, index: _index_put(g, 0.0, index=index),
    values=lambda g, index: _index(g, index=index))


def along(xp: Any, indices: Any, dim: int) -> tuple[Any, ...]:
    """The index with which ``a[index]`` is ``take_along_axis(a, indices, dim)``, in half the time.

    >>> along(np, np.array([[2], [0]]), 1)
    (array([[0],
           [1]]), array([[2],
           [0]]))
    """
    ndim = indices.ndim
    return tuple([
        indices if d == dim else xp.arange(n).reshape(-1, *[1] * (ndim - 1 - d))
        for d, n in enumerate(indices.shape)])


# ------------------------------------------------------------- what users write between brackets


def getitem(input: Variable, index: Any, name: str = "indexing") -> Any:
    """``input[index]``: a view for ints, slices, None and ...; a copy for int and bool tensors.

    Errors begin with `name`.

    >>> import tinynet
    >>> x = tinynet.tensor([[1, 2, 3], [4, 5, 6]])
    >>> getitem(x, (0, slice(1, None)))
    tensor([2, 3])
    >>> getitem(x, (0, [2, 2]))
    tensor([3, 3])
    """
    checked = as_index(name, input.array, index)
    if is_basic(checked):
        return select(input, index=checked)
    basic, arrays = in_two_steps(checked)
    if [part for part in basic if part != slice(None)]:
        input = select(input, index=basic)
    return _index(input, index=arrays)


def index_put(input: Variable, index: tuple[Any, ...], values: Variable) -> Any:
    """`input` with ``input[index]`` replaced by `values`, for an index made by `as_index`.

    >>> import numpy, tinynet
    >>> index_put(tinynet.tensor([1, 2, 3]), (numpy.array([0, 2]),), tinynet.tensor([7, 9]))
    tensor([7, 2, 9])
    """
    return _index_put(input, values, index=index)


def in_two_steps(index: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """An index made by `as_index` as a basic one, and one with the arrays for what that gives.

    PyTorch indexes in these two steps. numpy counts an int beside arrays as an array too, and may
    put the dimensions in another order: for x of shape (2, 3, 4), ``x[0, ..., [1, 2]]`` has shape
    (3, 2) in PyTorch and (2, 3) in numpy.

    >>> in_two_steps((0, ..., np.array([1, 2])))
    ((0, Ellipsis, slice(None, None, None)), (Ellipsis, array([1, 2])))
    """
    basic: list[Any] = []
    for part in index:
        basic += [slice(None)] * _dims_taken(part) if _is_array(part) else [part]
    arrays = [slice(None) if part is None or isinstance(part, slice) else part
        for part in index if not isinstance(part, int)]
    return tuple(basic), tuple(arrays)


def as_index(name: str, array: Any, index: Any) -> tuple[Any, ...]:
    """`index` as a tuple that numpy and cupy take, checked against the shape of `array`.

    (Without the check, cupy would silently wrap an index that is out of range.) Arrays in it are
    copies, because the backward pass needs them as they are now.
    """
    # PyTorch, as numpy once did, reads [[0, 1], [0, 1]] as a tuple
    nested = isinstance(index, list) and any(isinstance(
        part, (list, tuple, slice, Variable, np.ndarray, type(None), type(...))) for part in index)
    given = tuple(index) if nested or isinstance(index, tuple) else (index,)
    if [part for part in given if isinstance(part, Variable) and part.array.dtype == np.uint8]:
        way_out = "say .bool(), or .long() for positions"
        warnings.warn(f"{name}: an index of uint8 is read as a mask; {way_out}", stacklevel=4)
    parts = tuple([_as_part(name, array, part) for part in given])
    _check_index(name, array, parts)
    return parts


# ----------------------------------------------------------------------- one part of an index


def _is_array(part: Any) -> bool:
    return hasattr(part, "ndim")


def _is_mask(part: Any) -> bool:
    return _is_array(part) and part.dtype == bool


def _dims_taken(part: Any) -> int:
    """How many dimensions of the indexed array a part is for; ... is for the remaining ones."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if _is_mask(part) else 1


def _as_part(name: str, array: Any, part: Any) -> Any:
    """One part of an index as an int, a slice, None, ..., or an array beside `array`."""
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        return _as_slice(name, part)
    if isinstance(part, Variable):
        part = part.array
        if not isinstance(part, np.ndarray):  # else it is uploaded below if need be, as in PyTorch
            array_module(array, part, function=name)
        if part.dtype == np.uint8:
            part = part.astype(bool)
    elif isinstance(part, (list, range)):
        part = _listed(name, part)
    if isinstance(part, bool):
        part = np.asarray(part)
    if _is_array(part) and (part.ndim or part.dtype == bool):
        return _as_array(name, array, part)
    number = index_of(part.item() if _is_array(part) else part)
    if number is None:
        rule = "an index is an int, a slice, None, ..., or a tensor of ints or bools"
        raise IndexError(f"{name}: {rule}; got {type(part).__name__}")
    return number


def _as_slice(name: str, part: slice) -> slice:
    ends = [part.start, part.stop, part.step]
    ends = [n if n is None or type(n) is int else index_of(n, otherwise="") for n in ends]
    if "" in ends:
        raise TypeError(f"{name}: the ends of a slice must be ints or None, got {part!r}")
    start, stop, step = ends
    if step is not None and step <= 0:
        raise ValueError(f"{name}: the step of a slice must be positive, got {step}; use flip")
    return slice(start, stop, step)


def _as_array(name: str, array: Any, part: Any) -> Any:
    """A copy, where `array` lives, of an array of integers or bools."""
    if part.dtype.kind not in "biu":
        given = f"one of {part.dtype}"
        raise IndexError(f"{name}: an index must be a tensor of integers or bools, got {given}")
    with computing(array):
        return array_module(array).array(part)


def _listed(name: str, part: Any) -> np.ndarray:
    array = array_of(part, None if len(part) else np.int64)
    if array is None:
        rule = "the lists in an index must form a box"
        raise IndexError(f"{name}: {rule}, got {part!r:.60}")
    return array


# ------------------------------------------------------------------------- does the index fit?


def _check_index(name: str, array: Any, parts: tuple[Any, ...]) -> None:
    """IndexError unless the parts fit the shape of `array`."""
    taken = sum(map(_dims_taken, parts))
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError(f"{name}: an index can have one '...' only")
    if taken > array.ndim:
        given = f"a tensor with {array.ndim} dims, of shape {array.shape}"
        raise IndexError(f"{name}: {taken} indices for {given}")
    dim = 0
    for part in parts:
        if part is Ellipsis:
            dim += array.ndim - taken
        elif _is_mask(part):
            shape = array.shape[dim : dim + part.ndim]
            if part.shape != shape:
                rule = f"but what it selects from {shape}"
                raise IndexError(f"{name}: the mask has shape {part.shape}, {rule}")
        elif part is not None and not isinstance(part, slice):
            check_range(name, part, dim, array.shape[dim], -array.shape[dim])
        dim += _dims_taken(part)


def check_range(name: str, part: Any, dim: int, size: int, low: int = 0) -> None:
    """IndexError unless an int, or all ints in a numpy array, are from `low` to `size` - 1.

    The values of a GPU array are not looked at, because the program would have to wait for them.
    """
    if isinstance(part, int):
        least, most, given = part, part, str(part)
    elif isinstance(part, np.ndarray) and part.size:
        least, most, given = part.min(), part.max(), "array"
    else:
        return
    if least < low or most >= size:
        raise IndexError(f"{name}: index {given} is out of range for dim {dim}, of size {size}")


# ------------------------------------------------------------------------- gather, index_select


@of_tensor
def gather(input: Variable, dim: int, index: Variable) -> Any:
    """Along `dim`, the elements that `index` names.

    For dim 0, ``out[i][j] = input[index[i][j]][j]``. `index` holds int64 and has as many dims as
    `input`; its other sizes may be smaller.
    """
    wanted = as_tensor_of("gather", "the index", index, "iu").array.shape
    dim = as_dim("gather", dim, input.array.ndim)
    if not input.array.ndim:  # a number counts as one element in one dim
        input = getitem(input, (None,))
    shape, ndim = input.array.shape, input.array.ndim
    if 0 in wanted:  # nothing is picked
        return _index(input, index=(index.array,) * ndim)
    if not wanted:
        return getitem(gather(input, dim, getitem(index, (None,))), (0,))
    if len(wanted) != ndim or [d for d in range(ndim) if d != dim and wanted[d] > shape[d]]:
        rule = f"must have the dims of input {shape} and be no larger, but for dim {dim}"
        raise ValueError(f"gather: index {wanted} {rule}")
    check_range("gather", index.array, dim, shape[dim])
    xp = array_module(input.array, index.array, function="gather")
    with computing(input.array):
        return getitem(input, along(xp, index.array, dim), "gather")


@of_tensor
def index_select(input: Variable, dim: int, index: Variable) -> Any:
    """The slices along `dim` that the 1-d integer tensor `index` names, in its order."""
    shape = as_tensor_of("index_select", "the index", index, "iu").array.shape
    if len(shape) > 1:
        raise TypeError(f"index_select: the index must be a 1-d tensor of integers, got {shape}")
    dim = as_dim("index_select", dim, input.array.ndim)
    index = index if shape else getitem(index, (None,))
    if not input.array.ndim:  # a number counts as one element in one dim
        if index.array.size != 1:
            raise IndexError(f"index_select: a 0-d tensor has 1 element, the index {shape}")
        return getitem(index_select(getitem(input, (None,)), dim, index), (0,))
    check_range("index_select", index.array, dim, input.array.shape[dim])
    index = cast(index, dtype=np.dtype(np.int64))  # bytes are no mask here
    return getitem(input, (*(slice(None),) * dim, index), "index_select")
