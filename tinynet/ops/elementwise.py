"""Operations on each element by itself, each with its derivatives beside it.

Operands of different shapes are broadcast first, by `expand`, whose derivative is a sum; operands of different dtypes are
converted first, by `cast`, whose derivative converts back. So the primitives themselves only ever see equal ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import Primitive, Variable, cast
from ..backend import array_module
from .dtypes import as_operand, default_dtype, result_type
from .shapes import expand

def broadcast_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `shapes` broadcast to; ValueError names them if they don't."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(
            f"{name}: shapes {listed} don't broadcast; aligned at the right, sizes must be equal or 1"
        ) from None


def _aligned(name: str, operands: tuple[Any, ...], floating: bool) -> list[Any]:
    """The operands of one shape and one dtype. Numbers stay numbers: they take the dtype of the arrays."""
    if len(operands) == 2 and isinstance(operands[0], Variable) and operands[0].array.dtype.kind == "f":
        a, b = operands  # by far the most frequent cases, with nothing to do
        if type(b) is float or (isinstance(b, Variable) and a.array.shape == b.array.shape and a.array.dtype == b.array.dtype):
            return [a, b]
    like = next((v for v in operands if isinstance(v, Variable)), None)
    if like is None:
        raise TypeError(f"{name}: expected at least one tensor, got {', '.join(type(v).__name__ for v in operands)}")
    values = [as_operand(name, v, like) for v in operands]
    dtype, shape = like.array.dtype, like.array.shape
    if len(values) > 1:
        dtype = result_type(*values)
        shapes = [v.array.shape for v in values if isinstance(v, Variable)]
        if any(s != shape for s in shapes):
            array_module(*[v.array for v in values if isinstance(v, Variable)])  # devices first: the clearer error
            shape = broadcast_shape(name, *shapes)
    if floating and dtype.kind != "f":
        dtype = default_dtype
    for position, v in enumerate(values):
        if isinstance(v, Variable):
            if v.array.dtype != dtype:
                v = cast(v, dtype=dtype)
            values[position] = v if v.array.shape == shape else expand(v, shape)
        elif dtype.kind == "f":
            values[position] = float(v)
    return values


def elementwise(*, floating: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Declare an element-wise primitive. With `floating`, integers become float32 first."""

    def declare(forward: Callable[..., Any]) -> Any:
        primitive = Primitive(forward)

        @functools.wraps(forward)
        def operation(*operands: Any, **constants: Any) -> Any:
            return primitive(*_aligned(primitive.name, operands, floating), **constants)

        operation.derivatives = primitive.derivatives  # type: ignore[attr-defined]
        return operation

    return declare


# ------------------------------------------------------------------------------------------------ arithmetic


@elementwise()
def add(xp, a, b):
    return a + b


add.derivatives(a=lambda g: g, b=lambda g: g)


@elementwise()
def sub(xp, a, b):
    return a - b


sub.derivatives(a=lambda g: g, b=lambda g: -g)


@elementwise()
def mul(xp, a, b):
    return a * b


mul.derivatives(a=lambda g, b: g * b, b=lambda g, a: g * a)


@elementwise(floating=True)
def div(xp, a, b):
    return xp.true_divide(a, b)  # by a number 0, too


div.derivatives(a=lambda g, b: g / b, b=lambda g, y, b: -g * y / b)


@elementwise()
def neg(xp, a):
    return -a


neg.derivatives(a=lambda g: -g)


@elementwise()
def pow(xp, a, b):
    return a**b


def _pow_base(g, a, b):
    if isinstance(b, Variable):
        return g * where(b == 0, 0.0, b * a ** where(b == 0, 1.0, b - 1))
    # a^0 is the constant 1, also at a = 0, where the rule would give 0 * 0^-1
    return g * 0.0 if b == 0 else g * (2.0 * a) if b == 2 else g * (b * a ** (b - 1))


def _pow_exponent(g, y, a):
    if isinstance(a, Variable):  # 0^b is the constant 0 for b > 0, where the rule would give 0 * log(0)
        return g * where(a == 0, 0.0, y * log(where(a == 0, 1.0, a)))
    return g * (y * float(np.log(a)) if a > 0 else y * (0.0 if a == 0 else float("nan")))


pow.derivatives(a=_pow_base, b=_pow_exponent)


@elementwise()
def remainder(xp, a, b):
    return xp.remainder(a, b)


remainder.derivatives(a=lambda g: g, b=lambda g, a, b: -g * floor(a / b))


def floor_divide(a: Any, b: Any) -> Any:
    """``a // b``, rounded towards minus infinity. It is flat almost everywhere: no gradient."""
    return _plain("floor_divide", lambda xp, a, b: xp.floor_divide(a, b), a, b)


# -------------------------------------------------------------------------------------- functions of one value


@elementwise()
def abs(xp, a):
    return xp.abs(a)


abs.derivatives(a=lambda g, a: g * sign(a))


@elementwise(floating=True)
def exp(xp, a):
    return xp.exp(a)


exp.derivatives(a=lambda g, y: g * y)


@elementwise(floating=True)
def log(xp, a):
    return xp.log(a)


log.derivatives(a=lambda g, a: g / a)


@elementwise(floating=True)
def log1p(xp, a):
    return xp.log1p(a)


log1p.derivatives(a=lambda g, a: g / (1.0 + a))


@elementwise(floating=True)
def expm1(xp, a):
    return xp.expm1(a)


expm1.derivatives(a=lambda g, y: g * (y + 1.0))


@elementwise(floating=True)
def sqrt(xp, a):
    return xp.sqrt(a)


sqrt.derivatives(a=lambda g, y: g / (2.0 * y))


@elementwise(floating=True)
def sin(xp, a):
    return xp.sin(a)


sin.derivatives(a=lambda g, a: g * cos(a))


@elementwise(floating=True)
def cos(xp, a):
    return xp.cos(a)


cos.derivatives(a=lambda g, a: -g * sin(a))


@elementwise(floating=True)
def tanh(xp, a):
    return xp.tanh(a)


tanh.derivatives(a=lambda g, y: g * (1.0 - y * y))


@elementwise(floating=True)
def sigmoid(xp, a):
    # exp of -|a| never overflows; 1 / (1 + e^-a) = e^a / (1 + e^a)
    e = xp.exp(-xp.abs(a))
    return xp.where(a >= 0, 1.0, e) / (1.0 + e)


sigmoid.derivatives(a=lambda g, y: g * (y * (1.0 - y)))


@elementwise()
def relu(xp, a):
    return xp.maximum(a, 0)


relu.derivatives(a=lambda g, y: pass_where_positive(g, y))


@elementwise()
def pass_where_positive(xp, a, gate):
    return a * (gate > 0)


# a step is flat on both sides, so nothing flows to the gate
pass_where_positive.derivatives(a=lambda g, gate: pass_where_positive(g, gate), gate=lambda g: g * 0.0)


@elementwise()
def sign(xp, a):
    return xp.sign(a)


@elementwise()
def floor(xp, a):
    return xp.floor(a)


@elementwise()
def ceil(xp, a):
    return xp.ceil(a)


@elementwise()
def round(xp, a):
    return xp.rint(a)  # halves to the even neighbour, as in PyTorch


for _step in (sign, floor, ceil, round):
    _step.derivatives(a=lambda g: g * 0.0)


def square(a: Any) -> Any:
    """``a * a``."""
    return a * a


def rsqrt(a: Any) -> Any:
    """``1 / sqrt(a)``."""
    return 1.0 / sqrt(a)


def reciprocal(a: Any) -> Any:
    """``1 / a``."""
    return 1.0 / a


# ------------------------------------------------------------------------------------------------- selection


@elementwise()
def maximum(xp, a, b):
    return xp.maximum(a, b)


@elementwise()
def minimum(xp, a, b):
    return xp.minimum(a, b)


for _extremum in (maximum, minimum):
    # where a and b are equal, each gets half
    _extremum.derivatives(
        a=lambda g, y, a, b: g * _share(a, b, y),
        b=lambda g, y, a, b: g * _share(b, a, y),
    )


def _share(mine: Any, other: Any, y: Variable) -> Any:
    with_mine = (y == mine) | isnan(y)
    return where((y == other) & with_mine, 0.5, where(with_mine, 1.0, 0.0))


@Primitive
def _clamp(xp, a, *, min, max):
    if min is not None:
        a = xp.maximum(a, min)
    return a if max is None else xp.minimum(a, max)


# the bounds themselves let the gradient through
_clamp.derivatives(a=lambda g, a, min, max: g * _inside(a, min, max))


def _inside(a: Any, min: float | None, max: float | None) -> Any:
    inside = a == a if min is None else a >= min
    return cast(inside if max is None else inside & (a <= max), dtype=a.array.dtype)


def clamp(input: Any, min: float | None = None, max: float | None = None) -> Any:
    """`input` with values below `min` raised to it and values above `max` lowered to it.

    The bounds are numbers. The gradient is 1 from bound to bound, both included, and 0 outside. Where min > max the result is max.
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    for name, bound in (("min", min), ("max", max)):
        if isinstance(bound, Variable):
            raise TypeError(f"clamp: {name} must be a number; for a tensor use tinynet.maximum and tinynet.minimum")
        if bound is not None and not isinstance(bound, (bool, int, float, np.generic)):
            raise TypeError(f"clamp: {name} must be a number, got {type(bound).__name__}")
    dtype = result_type(input, *[bound for bound in (min, max) if bound is not None])
    if input.array.dtype != dtype:
        input = cast(input, dtype=dtype)
    kind = float if dtype.kind == "f" else int
    return _clamp(input, min=None if min is None else kind(min), max=None if max is None else kind(max))


@Primitive
def _where(xp, a, b, *, condition):
    return xp.where(condition, a, b)


_where.derivatives(
    a=lambda g, condition: _where(g, 0.0, condition=condition),
    b=lambda g, condition: _where(0.0, g, condition=condition),
)


def where(condition: Any, input: Any, other: Any) -> Any:
    """`input` where `condition`, a bool tensor, holds, and `other` elsewhere; all three broadcast to one shape."""
    if not isinstance(condition, Variable) or condition.array.dtype != bool:
        given = condition.array.dtype if isinstance(condition, Variable) else type(condition).__name__
        raise TypeError(f"where: the condition must be a bool tensor, got {given}")
    input, other = as_operand("where", input, condition), as_operand("where", other, condition)
    dtype = result_type(input, other)
    shape = broadcast_shape("where", *[v.array.shape for v in (condition, input, other) if isinstance(v, Variable)])
    # a number becomes a 0-d tensor here: two numbers would leave no tensor to derive the result from
    values = [
        v if isinstance(v, Variable) else condition._make(array_module(condition.array).asarray(v, dtype=dtype))
        for v in (input, other)
    ]
    values = [v if v.array.dtype == dtype else cast(v, dtype=dtype) for v in values]
    values = [v if v.array.shape == shape else expand(v, shape) for v in values]
    return _where(*values, condition=expand(condition, shape).array)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`input` with `value`, a number, wherever the bool tensor `mask` holds."""
    value = value.array.item() if isinstance(value, Variable) and value.array.ndim == 0 else value
    return where(mask, input._make(array_module(input.array).asarray(value, dtype=input.array.dtype)), input)


# -------------------------------------------------------------------- comparisons and logic: no gradient flows


def _plain(name: str, forward: Callable[..., Any], *operands: Any) -> Any:
    values = _aligned(name, operands, floating=False)
    arrays = [v.array if isinstance(v, Variable) else v for v in values]
    xp = array_module(*arrays)
    with np.errstate(all="ignore"):
        result = forward(xp, *arrays)
    return next(v for v in values if isinstance(v, Variable))._make(xp.asarray(result))


def eq(a, b):
    """``a == b``, element by element: a bool tensor."""
    return _plain("eq", lambda xp, a, b: a == b, a, b)


def ne(a, b):
    """``a != b``, element by element: a bool tensor."""
    return _plain("ne", lambda xp, a, b: a != b, a, b)


def lt(a, b):
    """``a < b``, element by element: a bool tensor."""
    return _plain("lt", lambda xp, a, b: a < b, a, b)


def le(a, b):
    """``a <= b``, element by element: a bool tensor."""
    return _plain("le", lambda xp, a, b: a <= b, a, b)


def gt(a, b):
    """``a > b``, element by element: a bool tensor."""
    return _plain("gt", lambda xp, a, b: a > b, a, b)


def ge(a, b):
    """``a >= b``, element by element: a bool tensor."""
    return _plain("ge", lambda xp, a, b: a >= b, a, b)


def isnan(a):
    """Which elements are not a number: a bool tensor."""
    return _plain("isnan", lambda xp, a: xp.isnan(a), a)


def isinf(a):
    """Which elements are infinite: a bool tensor."""
    return _plain("isinf", lambda xp, a: xp.isinf(a), a)


def isfinite(a):
    """Which elements are neither infinite nor nan: a bool tensor."""
    return _plain("isfinite", lambda xp, a: xp.isfinite(a), a)


def _bitwise(name: str, forward: Callable[..., Any], *operands: Any) -> Any:
    for value in operands:
        dtype = value.array.dtype if isinstance(value, Variable) else np.asarray(value).dtype
        if dtype.kind == "f":
            raise TypeError(f"{name}: expected bools or integers, got {dtype}")
    return _plain(name, forward, *operands)


def bitwise_and(a, b):
    """``a & b`` of bools or integers."""
    return _bitwise("bitwise_and", lambda xp, a, b: a & b, a, b)


def bitwise_or(a, b):
    """``a | b`` of bools or integers."""
    return _bitwise("bitwise_or", lambda xp, a, b: a | b, a, b)


def bitwise_xor(a, b):
    """``a ^ b`` of bools or integers."""
    return _bitwise("bitwise_xor", lambda xp, a, b: a ^ b, a, b)


def bitwise_not(a):
    """``~a`` of bools or integers."""
    return _bitwise("bitwise_not", lambda xp, a: ~a, a)


def logical_and(a, b):
    """Whether both are non-zero, element by element."""
    return bitwise_and(ne(a, 0), ne(b, 0))


def logical_or(a, b):
    """Whether either is non-zero, element by element."""
    return bitwise_or(ne(a, 0), ne(b, 0))


def logical_not(a):
    """Whether each element is zero."""
    return eq(a, 0)


def isclose(input, other, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False):
    """Where ``|input - other| <= atol + rtol * |other|``: a bool tensor."""
    return _plain("isclose", lambda xp, a, b: xp.isclose(a, b, rtol, atol, equal_nan), input, other)


def allclose(input, other, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input: Variable, other: Variable) -> bool:
    """Whether two tensors have the same shape and the same values."""
    return input.array.shape == other.array.shape and bool((input.array == other.array).all())
