"""Operations on each element by itself, each with its derivatives beside it.

Operands of different shapes are broadcast first, by `expand`, whose derivative is a sum; operands of different dtypes are
converted first, by `cast`, whose derivative converts back. So the primitives themselves only ever see equal ones.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.devices import array_module, beside, computing
from ..arrays.memory import scratch
from ..autograd import Primitive, Variable, cast
from .arguments import as_operand, broadcast_shape, in_own_name, of_tensor
from .dtypes import default_dtype, result_type
from .layout import each
from .shapes import expand


def _aligned(name: str, operands: tuple[Any, ...], floating: bool) -> list[Any]:
    """The operands of one shape and one dtype. Numbers stay numbers: they take the dtype of the arrays."""
    like = next((v for v in operands if isinstance(v, Variable)), None)
    if like is None:
        raise TypeError(f"{name}: expected at least one tensor, got {', '.join(type(v).__name__ for v in operands)}")
    values = [as_operand(name, v, like) for v in operands]
    dtype, shape = like.array.dtype, like.array.shape
    if len(values) > 1:
        dtype = result_type(*values)
        shapes = [v.array.shape for v in values if isinstance(v, Variable)]
        if any(s != shape for s in shapes):
            array_module(*[v.array for v in values if isinstance(v, Variable)], function=name)  # devices first: the clearer error
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
        elif dtype.kind in "iu" and name not in _COMPARISONS and not _limits(dtype)[0] <= v <= _limits(dtype)[1]:
            raise ValueError(f"{name}: the number {v} does not fit into {dtype}; convert the tensor first, with .to(...)")
    return values


@functools.cache
def _limits(dtype: Any) -> tuple[int, int]:
    """The least and the greatest integer of that dtype."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def elementwise(*, floating: bool = False, bools: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Declare an element-wise primitive. With `floating`, integers and bools become float32 first; else `bools` says if it takes those."""

    def declare(forward: Callable[..., Any]) -> Any:
        primitive = Primitive(forward)

        def apply(*operands: Any, **constants: Any) -> Any:
            if not (floating or bools) and any(isinstance(v, Variable) and v.array.dtype == bool for v in operands):
                raise TypeError(f"{primitive.name}: bool tensors can't be computed with like this; convert with .to(...), or use ~ & | ^")
            return primitive(*_aligned(primitive.name, operands, floating), **constants)

        # by far the most frequent operands need no preparation, and are not kept waiting: one tensor of floats, or two that are alike

        def of_one(input: Any, **constants: Any) -> Any:
            ready = isinstance(input, Variable) and input.array.dtype.kind == "f"
            return (primitive if ready else apply)(input, **constants)

        def of_two(input: Any, other: Any, **constants: Any) -> Any:
            ready = isinstance(input, Variable) and input.array.dtype.kind == "f"
            if ready and type(other) is not float:
                ready = isinstance(other, Variable) and input.array.shape == other.array.shape and input.array.dtype == other.array.dtype
            return (primitive if ready else apply)(input, other, **constants)

        operation: Any = of_one if len(primitive.inputs) == 1 else of_two
        operation.__name__ = operation.__qualname__ = primitive.name
        operation.__doc__ = forward.__doc__
        operation.derivatives = primitive.derivatives
        return operation

    return declare


# ------------------------------------------------------------------------------------------------ arithmetic


@elementwise(bools=True)
def add(xp, a, b):
    """``input + alpha * other``, element by element."""
    return a + b


add.derivatives(a=lambda g: g, b=lambda g: g)


@elementwise()
def sub(xp, a, b):
    """``input - alpha * other``, element by element."""
    return a - b


sub.derivatives(a=lambda g: g, b=lambda g: -g)


def _scaled(operation: Callable[..., Any]) -> Callable[..., Any]:
    def scaled(input: Any, other: Any, *, alpha: float = 1) -> Any:
        return operation(input, other if alpha == 1 else other * alpha)

    scaled.__name__ = scaled.__qualname__ = operation.__name__
    scaled.__doc__ = operation.__doc__
    return scaled


add, sub = _scaled(add), _scaled(sub)


@elementwise(bools=True)
def mul(xp, a, b):
    """``input * other``, element by element."""
    return a * b


mul.derivatives(a=lambda g, b: g * b, b=lambda g, a: g * a)


@elementwise(floating=True)
def div(xp, a, b):
    """``input / other``, element by element; integers become floats."""
    return xp.true_divide(a, b)  # by a number 0, too


div.derivatives(a=lambda g, b: g / b, b=lambda g, y, b: -g * y / b)


@elementwise()
def neg(xp, a):
    """``-input``."""
    return -a


neg.derivatives(a=lambda g: -g)


@elementwise()
def pow(xp, a, b):
    """``input ** other``, element by element."""
    if xp is np and np.asarray(a).dtype.kind in "iu" and np.any(np.less(b, 0)):
        raise RuntimeError("pow: integers to negative integer powers are no integers; convert to floats first, with .float()")
    return a**b


def _pow_base(g, a, b):
    if not isinstance(b, (int, float)):
        return g * where(b == 0, 0.0, b * a ** where(b == 0, 1.0, b - 1))
    # a^0 is the constant 1, also at a = 0, where the rule would give 0 * 0^-1
    return g * 0.0 if b == 0 else g * (2.0 * a) if b == 2 else g * (b * a ** (b - 1))


def _pow_exponent(g, y, a):
    if isinstance(a, Variable):  # 0^b is the constant 0 for b > 0, where the rule would give 0 * log(0)
        return g * where(a == 0, 0.0, y * log(where(a == 0, 1.0, a)))
    return g * (y * float(np.log(a)) if a > 0 else y * (0.0 if a == 0 else float("nan")))


pow.derivatives(a=_pow_base, b=_pow_exponent)


@elementwise()
def sign(xp, a):
    """-1, 0 or 1; nan stays nan."""
    return xp.sign(a)


@elementwise()
def floor(xp, a):
    """The next whole number below or equal."""
    return xp.floor(a) if a.dtype.kind == "f" else a.copy()


@elementwise()
def ceil(xp, a):
    """The next whole number above or equal."""
    return xp.ceil(a) if a.dtype.kind == "f" else a.copy()


@elementwise()
def round(xp, a):
    """The nearest whole number; halves go to the even neighbour."""
    return xp.rint(a) if a.dtype.kind == "f" else a.copy()  # halves to the even neighbour, as in PyTorch


for _step in (sign, floor, ceil, round):
    _step.derivatives(a=lambda g: g * 0.0)


def _refuse_zero(xp: Any, name: str, b: Any) -> None:
    # numpy's answer would be 0. A GPU would have to wait for a look at the values; there the result is undefined, as in PyTorch.
    if xp is np and np.asarray(b).dtype.kind in "iu" and not np.all(b):
        raise RuntimeError(f"{name}: ZeroDivisionError, an integer can't be divided by 0; floats can, to inf or nan")


@elementwise()
def remainder(xp, a, b):
    """``input % other``, which has the sign of `other`."""
    _refuse_zero(xp, "remainder", b)
    return xp.remainder(a, b)


remainder.derivatives(a=lambda g: g, b=lambda g, a, b: -g * floor(a / b))


@elementwise()
def floor_divide(xp, a, b):
    """``input // other``, rounded towards minus infinity."""
    _refuse_zero(xp, "floor_divide", b)
    return xp.floor_divide(a, b)


floor_divide.derivatives(a=lambda g: g * 0.0, b=lambda g: g * 0.0)  # steps are flat


# -------------------------------------------------------------------------------------- functions of one value


@elementwise()
def abs(xp, a):
    """``|input|``; at 0 the gradient is 0."""
    return xp.abs(a)


abs.derivatives(a=lambda g, a: g * sign(a))


@elementwise(floating=True)
def exp(xp, a):
    """e to the power of each element."""
    return xp.exp(a)


exp.derivatives(a=lambda g, y: g * y)


@elementwise(floating=True)
def log(xp, a):
    """The natural logarithm; nan below 0."""
    return xp.log(a)


log.derivatives(a=lambda g, a: g / a)


@elementwise(floating=True)
def log1p(xp, a):
    """``log(1 + input)``, exact for small ones too."""
    return xp.log1p(a)


log1p.derivatives(a=lambda g, a: g / (1.0 + a))


@elementwise(floating=True)
def expm1(xp, a):
    """``exp(input) - 1``, exact for small ones too."""
    return xp.expm1(a)


expm1.derivatives(a=lambda g, a: g * exp(a))  # not y + 1, which is 0 far below 0


@elementwise(floating=True)
def sqrt(xp, a):
    """The square root; nan below 0."""
    return xp.sqrt(a)


sqrt.derivatives(a=lambda g, y: g / (2.0 * y))


@elementwise(floating=True)
def sin(xp, a):
    """The sine, of radians."""
    return xp.sin(a)


@elementwise(floating=True)
def cos(xp, a):
    """The cosine, of radians."""
    return xp.cos(a)


sin.derivatives(a=lambda g, a: g * cos(a))
cos.derivatives(a=lambda g, a: -g * sin(a))


@elementwise(floating=True)
def tanh(xp, a):
    """The hyperbolic tangent."""
    return xp.tanh(a)


tanh.derivatives(a=lambda g, y: g * (1.0 - y * y))


def _sigmoid(xp: Any, a: Any) -> Any:
    # exp of -|a| never overflows; 1 / (1 + e^-a) = e^a / (1 + e^a)
    e = xp.exp(-xp.abs(a))
    return xp.where(a >= 0, 1.0, e) / (1.0 + e)


@elementwise(floating=True)
def sigmoid(xp, a):
    """``1 / (1 + exp(-input))``."""
    return _sigmoid(xp, a)


sigmoid.derivatives(a=lambda g, y: g * (y * (1.0 - y)))


@elementwise(floating=True)
def silu(xp, a):
    return a * _sigmoid(xp, a)


def _silu_slope(a: Any) -> Any:
    share = sigmoid(a)
    return share * (1.0 + a * (1.0 - share))


# g comes last: g * a may be infinite where the slope is 0, and a product of the two a nan
silu.derivatives(a=lambda g, a: g * _silu_slope(a))


@elementwise(floating=True)
def softplus(xp, a):
    # log(1 + e^a) = max(a, 0) + log(1 + e^-|a|), where nothing overflows
    return xp.maximum(a, 0) + xp.log1p(xp.exp(-xp.abs(a)))


softplus.derivatives(a=lambda g, a: g * sigmoid(a))


@elementwise(floating=True)
def erf(xp, a):
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to each element."""
    # numpy has none, cupy's special functions do
    return _erf(a) if xp is np else importlib.import_module("cupyx.scipy.special").erf(a).astype(a.dtype)


_ERF = np.array([math.erf(k / 1024) for k in range(6 * 1024 + 1)])  # erf(6) is 1 to double precision


def _erf(a: Any) -> Any:
    # Taylor's series around the nearest point x of the table, at a distance d of 1/2048 at most; the derivatives of the bell
    # curve are Hermite polynomials times itself. The fifth term, below 3e-18, matters near 0 only and has its value from there.
    size = np.minimum(np.abs(a), 6.0)
    place = np.rint(size * 1024)
    x = place / 1024
    d = size - x
    series = d * (1 + d * (-x + d * ((2 * x * x - 1) / 3 + d * (x * (3 - 2 * x * x) / 6 + d / 10))))
    at_x = _ERF.astype(a.dtype).take(place.astype(np.int64), mode="clip")  # a nan finds some place, and stays nan by d
    return np.copysign(at_x + 2 / math.sqrt(math.pi) * np.exp(-x * x) * series, a)


erf.derivatives(a=lambda g, a: g * (2 / math.sqrt(math.pi) * exp(-a * a)))


_WHOLE = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def bits(a: Any) -> Any:
    """Floats as whole numbers of the same bits."""
    return a.view(_WHOLE[a.itemsize])


def keep(xp: Any, a: Any, where: Any, out: Any) -> None:
    """Into `out` what `a` is where the bools `where` hold, and 0 elsewhere; both as `bits`. `where` is used up.

    A product with the bools would make a nan of infinity times 0, and to choose element by element takes ten times as long (processors
    guess wrong). So the bools become bits that are all 1 or all 0.
    """
    mask = where.view(np.int8)
    xp.bitwise_and(a, xp.negative(mask, out=mask), out=out)


@elementwise()
def pass_where_nonzero(xp, a, gate):
    if xp is not np:
        return xp.where(gate != 0, a, 0.0)

    def compute(a: Any, gate: Any, out: Any) -> None:
        is_open = np.not_equal(gate, 0, out=scratch(np, "mask", gate.shape, np.dtype(bool)))  # a nan isn't 0, and stays nan
        keep(np, bits(a), is_open, bits(out))

    return each(np, compute, a, gate)


# a step is flat on both sides, so nothing flows to the gate
pass_where_nonzero.derivatives(a=lambda g, gate: pass_where_nonzero(g, gate), gate=lambda g: g * 0.0)


@elementwise()
def relu(xp, a):
    """``max(input, 0)``; at 0 the gradient is 0."""
    if a.dtype.kind != "f":
        return xp.maximum(a, 0)
    # numpy's clip takes half the time of maximum with a number
    return each(xp, lambda a, out: a.clip(0.0, math.inf, out), a)


relu.derivatives(a=lambda g, y: pass_where_nonzero(g, y))


@of_tensor
def square(a: Any) -> Any:
    """``a * a``."""
    return a * a


@of_tensor
def rsqrt(a: Any) -> Any:
    """``1 / sqrt(a)``."""
    return 1.0 / sqrt(a)


@of_tensor
def reciprocal(a: Any) -> Any:
    """``1 / a``."""
    return 1.0 / a


# ------------------------------------------------------------------------------------------------- selection


@elementwise(bools=True)
def maximum(xp, a, b):
    """The larger of two, element by element, nan if either is; where they are equal each gets half of the gradient."""
    return xp.maximum(a, b)


@elementwise(bools=True)
def minimum(xp, a, b):
    """The smaller of two, element by element, nan if either is; where they are equal each gets half of the gradient."""
    return xp.minimum(a, b)


for _extremum in (maximum, minimum):
    # where a and b are equal, each gets half
    _extremum.derivatives(
        a=lambda g, y, a, b: _share(g, a, b, y),
        b=lambda g, y, a, b: _share(g, b, a, y),
    )


def _share(g: Any, mine: Any, other: Any, y: Variable) -> Any:
    with_mine = (y == mine) | isnan(y)
    share = cast(where((y == other) & with_mine, 0.5, where(with_mine, 1.0, 0.0)), dtype=y.array.dtype)
    return pass_where_nonzero(g * share, share)  # infinity times 0 is a nan


@Primitive
def _clamp(xp, a, *, min, max):
    if min is not None:
        a = xp.maximum(a, min)
    return a if max is None else xp.minimum(a, max)


# the bounds themselves let the gradient through
_clamp.derivatives(a=lambda g, a, min, max: pass_where_nonzero(g, _inside(a, min, max)))


def _inside(a: Any, min: float | None, max: float | None) -> Any:
    inside = a == a if min is None else a >= min
    return cast(inside if max is None else inside & (a <= max), dtype=a.array.dtype)


hardtanh = Primitive(_clamp.forward, name="hardtanh")
# `clamp` but for the gradient at the bounds, which is 0 here
hardtanh.derivatives(a=lambda g, a, min, max: where(le(a, min) | ge(a, max), 0.0, g))


@of_tensor
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
def _where(xp, condition, a, b):
    return xp.where(condition, a, b)


_where.derivatives(
    condition=lambda g: g,  # never asked for, bools have no gradient
    a=lambda g, condition: _where(condition, g, 0.0),
    b=lambda g, condition: _where(condition, 0.0, g),
)


@in_own_name
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
        v if isinstance(v, Variable) else condition._make(beside(condition.array, v, dtype))
        for v in (input, other)
    ]
    values = [v if v.array.dtype == dtype else cast(v, dtype=dtype) for v in values]
    values = [v if v.array.shape == shape else expand(v, shape) for v in values]
    return _where(expand(condition, shape), *values)


@of_tensor
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`input` with `value`, a number or a 0-d tensor, wherever the bool tensor `mask` holds."""
    if not isinstance(mask, Variable) or mask.array.dtype != bool:
        raise TypeError(f"masked_fill: the mask must be a bool tensor, got {mask.array.dtype if isinstance(mask, Variable) else mask!r}")
    value = as_operand("masked_fill", value, input)
    if not isinstance(value, Variable):
        value = input._make(beside(input.array, value))
    if value.array.ndim:
        raise ValueError(f"masked_fill: the value must be a number or a 0-d tensor, got shape {tuple(value.array.shape)}")
    return where(mask, cast(value, dtype=input.array.dtype), input)


# -------------------------------------------------------------------- comparisons and logic: no gradient flows


def _plain(name: str, forward: Callable[..., Any], *operands: Any) -> Any:
    values = _aligned(name, operands, floating=False)
    arrays = [v.array if isinstance(v, Variable) else v for v in values]
    xp = array_module(*arrays, function=name)
    like = next(v for v in values if isinstance(v, Variable))
    with computing(like.array):
        return like._make(xp.asarray(forward(xp, *arrays)))


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
        dtype = value.array.dtype if isinstance(value, Variable) else None
        if isinstance(value, float) or (dtype is not None and dtype.kind == "f"):
            raise TypeError(f"{name}: expected bools or integers, got {type(value).__name__ if dtype is None else f'a tensor of {dtype}'}")
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


@in_own_name
def logical_and(a, b):
    """Whether both are non-zero, element by element."""
    return bitwise_and(ne(a, 0), ne(b, 0))


@in_own_name
def logical_or(a, b):
    """Whether either is non-zero, element by element."""
    return bitwise_or(ne(a, 0), ne(b, 0))


@in_own_name
def logical_not(a):
    """Whether each element is zero."""
    return eq(a, 0)


@of_tensor
def isclose(input, other, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False):
    """Where ``|input - other| <= atol + rtol * |other|``: a bool tensor."""
    return _plain("isclose", lambda xp, a, b: xp.isclose(a, b, rtol, atol, equal_nan), input, other)


@of_tensor
def allclose(input, other, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere."""
    return _everywhere(isclose(input, other, rtol, atol, equal_nan))


@of_tensor
def equal(input: Variable, other: Variable) -> bool:
    """Whether two tensors have the same shape and the same values."""
    if not isinstance(other, Variable):
        raise TypeError(f"equal: expected a tensor to compare with, got {type(other).__name__}")
    return input.array.shape == other.array.shape and _everywhere(eq(input, other))


def _everywhere(condition: Variable) -> bool:
    with computing(condition.array):
        return bool(condition.array.all())
