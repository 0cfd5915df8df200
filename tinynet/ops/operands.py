"""What element-wise operations do before they compute: operands get one shape and one dtype."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import array_module
from ..autograd import Primitive, Variable
from .arguments import as_operand, broadcast_shape, default_dtype, result_type
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
    if [a for a in arrays if a.shape != shape]:
        shape = broadcast_shape(name, *[a.shape for a in arrays])
    return [
        fitted(v, shape, dtype) if isinstance(v, Variable)
        else number_for(name, v, dtype) if fit or dtype.kind == "f" else v
        for v in values]


def number_for(name: str, value: Any, dtype: Any) -> Any:
    """The Python number `value` as one that arrays of `dtype` can take; else ValueError."""
    if dtype.kind == "f":
        return float(value)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:
            hint = "convert the tensor first, with .to(...)"
            raise ValueError(f"{name}: the number {value} does not fit into {dtype}; {hint}")
    return value


def named(operation: Any, name: str, doc: str | None) -> Any:
    """`operation` with the name and the docstring that ``help`` shows."""
    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = doc
    return operation


def elementwise(*, floating: bool = False) -> Callable[..., Any]:
    """Declare an element-wise operation of one or two operands by its function of arrays.

    It refuses bools, unless it is `floating`: integers and bools become float32 first then.
    """
    return lambda forward: _declared(Primitive(forward), forward.__doc__, floating)


def rule(name: str, doc: str, forward: Any, *, floating=False, bools=False, floats=True, fit=True,
         **derivatives) -> Any:
    """Declare an element-wise operation in one call, with its derivatives by the input's name.

    `bools` and `floats` say whether it takes these. An operation whose results are no floats has no
    derivatives. `fit` as in `aligned`.
    """
    operation = _declared(Primitive(forward, name=name), doc, floating, bools, floats, fit)
    if derivatives:
        operation.derivatives(**derivatives)
    return operation


def _declared(primitive, doc: str | None, floating, bools=False, floats=True, fit=True) -> Any:
    def prepare_and_apply(*operands: Any, **constants: Any) -> Any:
        if not (floating or bools):
            _refuse_bools(primitive.name, operands)
        if not floats:
            _refuse_floats(primitive.name, operands)
        return primitive(*aligned(primitive.name, operands, floating, fit), **constants)

    def of_one(input: Any, **constants: Any) -> Any:
        ready = floats and isinstance(input, Variable) and input.array.dtype.kind == "f"
        return (primitive if ready else prepare_and_apply)(input, **constants)

    def of_two(input: Any, other: Any, **constants: Any) -> Any:
        ready = floats and _alike(input, other)
        return (primitive if ready else prepare_and_apply)(input, other, **constants)

    operation: Any = of_one if len(primitive.inputs) == 1 else of_two
    parameters = list(inspect.signature(operation).parameters.values())
    operation.__signature__ = inspect.Signature(parameters[:-1])  # constants are for insiders
    operation.derivatives = primitive.derivatives
    operation.__module__ = primitive.forward.__module__
    return named(operation, primitive.name, doc)


def _refuse_bools(name: str, operands: tuple[Any, ...]) -> None:
    if any(isinstance(v, Variable) and v.array.dtype == bool for v in operands):
        hint = "convert with .to(...), or use ~ & | ^"
        raise TypeError(f"{name}: bool tensors can't be computed with like this; {hint}")


def _refuse_floats(name: str, operands: tuple[Any, ...]) -> None:
    for v in operands:
        if isinstance(v, float) or (isinstance(v, Variable) and v.array.dtype.kind == "f"):
            given = f"a tensor of {v.array.dtype}" if isinstance(v, Variable) else "float"
            raise TypeError(f"{name}: expected bools or integers, got {given}")
