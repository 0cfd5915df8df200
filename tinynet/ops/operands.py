"""What element-wise operations do before they compute: operands get one shape and one dtype."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import compat
from ..arrays import array_module, full_like, is_image_order, on_device_of
from ..autograd import Primitive, Variable
from .arguments import array_of, as_operand, broadcast_shape, default_dtype, promote, result_type
from .shapes import fitted


def _alike(a: Any, b: Any) -> bool:
    """Whether a primitive can take both as they are: equal float tensors, or one and a float."""
    if type(b) is float:
        return isinstance(a, Variable) and a.array.dtype.kind == "f"
    if type(a) is float:
        return isinstance(b, Variable) and b.array.dtype.kind == "f"
    if not (isinstance(a, Variable) and isinstance(b, Variable)):
        return False
    a, b = a.array, b.array
    return a.dtype.kind == "f" and a.shape == b.shape and a.dtype == b.dtype


def aligned(name: str, operands: tuple[Any, ...], floating: bool = False, fit: bool = True) -> Any:
    """The operands as a list, the tensors among them with one shape and one dtype.

    With `floating`, integers and bools become float32. Numbers stay Python numbers, because numpy
    lets these take the dtype of the arrays; with `fit`, an integer that is too large for the dtype
    is an error.
    """
    like = next((v for v in operands if isinstance(v, Variable)), None)
    if like is None:
        given = ", ".join(type(v).__name__ for v in operands)
        raise TypeError(f"{name}: expected at least one tensor, got {given}")
    values = [as_operand(name, v, like) for v in operands]
    dtype, shape = result_type(*values), like.array.shape
    if floating and dtype.kind != "f":
        dtype = default_dtype
    arrays = [v.array for v in values if isinstance(v, Variable)]
    array_module(*arrays, function=name)  # all on one device?
    images = False
    if [a for a in arrays if a.shape != shape]:
        shape = broadcast_shape(name, *[a.shape for a in arrays])
        images = any(map(is_image_order, arrays))
    return [fitted(v, shape, dtype, images) if isinstance(v, Variable)
        else number_for(name, v, dtype) if fit or dtype.kind == "f" else v
        for v in values]


def number_for(name: str, value: Any, dtype: Any) -> Any:
    """The Python number `value` as one that arrays of `dtype` can take; else ValueError."""
    if dtype.kind == "f":
        return float(value)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:  # nan neither
            hint = "convert the tensor first, with .to(...)"
            raise ValueError(f"{name}: the number {value} does not fit into {dtype}; {hint}")
        return int(value)
    return bool(value)


def check_fit(name: str, array: Any, dtype: Any) -> None:
    """ValueError if `dtype` is one of integers that can't hold all numbers in `array`.

    The values of a GPU array are not looked at, because the program would have to wait for them.
    """
    if dtype.kind in "iu" and dtype != array.dtype and isinstance(array, np.ndarray) and array.size:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if not (low <= array.min().item() and array.max().item() < high + 1):  # False for nan too
            raise ValueError(f"{name}: some numbers don't fit {dtype}, {low} to {high}")


def written(name: str, value: Any, like: Variable, dtype: Any) -> Any:
    """`value`, a tensor or a number, as a tensor, if all of it fits `dtype`; else ValueError."""
    if isinstance(value, Variable):
        check_fit(name, value.array, dtype)
        return value
    return like._make(on_device_of(like.array, number_for(name, value, dtype), dtype))


def nothing(g: Any) -> Any:
    """Zeros: the gradient of what is flat, also where `g` is infinite or nan."""
    return g._make(full_like(g.array, 0))


def named(operation: Any, name: str, doc: str | None) -> Any:
    """`operation` with the name and the docstring that ``help`` shows."""
    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = doc
    return operation


def elementwise(*, floating: bool = False, bools: bool = False) -> Callable[..., Any]:
    """Declare an element-wise operation of one or two operands by its function of arrays.

    The keywords are those of `rule`.
    """
    return lambda forward: _declared(Primitive(forward), forward.__doc__, floating, bools)


def rule(name: str, doc: str, forward: Any, *, floating=False, bools=False, floats=True, fit=True,
         **derivatives) -> Any:
    """Declare an element-wise operation in one call, with its derivatives by the input's name.

    A `floating` one turns integers and bools into float32 first. With `bools` False, it takes bools
    only beside something else; with None, it takes none, and neither True nor False. `floats` says
    whether it takes these. An operation whose results are no floats has no derivatives. `fit` as in
    `aligned`.
    """
    operation = _declared(Primitive(forward, name=name), doc, floating, bools, floats, fit)
    if derivatives:
        operation.derivatives(**derivatives)
    return operation


def _declared(primitive, doc: str | None, floating, bools=False, floats=True, fit=True) -> Any:
    def prepare_and_apply(*operands: Any, **constants: Any) -> Any:
        _refuse_kinds(primitive.name, operands, floating or bools, floats)
        return primitive(*aligned(primitive.name, operands, floating, fit), **constants)

    def of_one(input: Any, **constants: Any) -> Any:
        if constants and not constants.keys() <= own:
            return compat.respelled(operation, (input,), constants)
        ready = floats and isinstance(input, Variable) and input.array.dtype.kind == "f"
        return (primitive if ready else prepare_and_apply)(input, **constants)

    def of_two(input: Any, other: Any, **constants: Any) -> Any:
        if constants and not constants.keys() <= own:
            return compat.respelled(operation, (input, other), constants)
        ready = floats and _alike(input, other)
        return (primitive if ready else prepare_and_apply)(input, other, **constants)

    own = set(inspect.getfullargspec(primitive.forward).kwonlyargs)
    operation: Any = of_one if len(primitive.inputs) == 1 else of_two
    parameters = list(inspect.signature(operation).parameters.values())
    operation.__signature__ = inspect.Signature(parameters[:-1])  # constants are for insiders
    operation.derivatives = primitive.derivatives
    operation.__module__ = primitive.forward.__module__
    return named(operation, primitive.name, doc)


def _refuse_kinds(name: str, operands: tuple[Any, ...], bools: bool | None, floats: bool) -> None:
    arrays = [getattr(v, "array", v) for v in operands]
    dtypes = [str(getattr(a, "dtype", type(a).__name__)) for a in arrays]
    are_bool = [dtype == "bool" for dtype in dtypes]
    if not bools and (any(are_bool) if bools is None else all(are_bool)):
        hint = "convert with .to(...), or use ~ & | ^"
        raise TypeError(f"{name}: bool tensors can't be computed with like this; {hint}")
    if not floats and any(dtype.startswith("float") for dtype in dtypes):
        raise TypeError(f"{name}: expected bools or integers, got {' and '.join(dtypes)}")


# ------------------------------------------------------------------------------------ from data


def _is_sequence(data: Any) -> bool:
    """Whether `data` is a list, a tuple or the like (a deque, a range)."""
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes))


def _first_element(data: Any) -> Any:
    return _first_element(data[0]) if _is_sequence(data) and data else data


def _unwrapped(name: str, data: Any, dtypes: set[Any]) -> Any:
    """Nested sequences, with numbers in place of tensors; the dtypes of all go into `dtypes`."""
    if _is_sequence(data):
        return [_unwrapped(name, item, dtypes) for item in data]
    if isinstance(data, Variable) and data.array.size != 1:
        raise ValueError(f"{name}: a tensor among numbers must have one element, got shape "
            f"{tuple(data.array.shape)}; stack() puts tensors together")
    array = data.array if isinstance(data, Variable) else data
    dtypes.add(getattr(array, "dtype", type(data)))
    return array.item() if isinstance(data, Variable) else data


def _common(dtypes: set[Any]) -> Any:
    """The dtype of numbers of these dtypes, Python's among them; None where numpy must say."""
    own = {bool: np.dtype(bool), int: np.dtype(np.int64), float: default_dtype}
    common = None
    for dtype in dtypes:
        if not isinstance(dtype := own.get(dtype, dtype), np.dtype):
            return None
        common = promote(common, dtype)
    return common and common.newbyteorder("=")


def array_from(name: str, data: Any, dtype: np.dtype | None) -> np.ndarray:
    """A new array of `data`: a number, nested sequences of numbers, or an array.

    Without `dtype`, Python floats count as float32, ints as int64; others keep their dtype.
    """
    dtypes: set[Any] = set()
    array = array_of(_unwrapped(name, data, dtypes))
    if array is None:
        raise ValueError(f"{name}: sequences in data must be as long as their neighbours")
    first = _first_element(data)
    if array.size == 0 and _is_sequence(data):
        array = array.astype(default_dtype)
    if array.dtype.kind in "Ou" and type(first) is int:
        raise ValueError(f"{name}: some of the ints don't fit into int64; write them as floats")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{name}: data must hold numbers or bools, got {type(first).__name__}")
    if dtype is None and array.size:
        dtype = _common(dtypes)
    return converted(name, array, dtype or array.dtype.newbyteorder("="))


def converted(name: str, array: Any, dtype: np.dtype) -> Any:
    """`array` as `dtype`; ValueError for numbers that an integer dtype can't hold."""
    check_fit(name, array, dtype)
    return array.astype(dtype, copy=False)
