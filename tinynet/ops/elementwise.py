"""Operations on each element by itself, each with its derivatives beside it.

Before a primitive runs, operands of different shapes are broadcast by `_expand`, whose derivative
is a sum, and operands of different dtypes are converted by `cast`, whose derivative converts back.
So the primitives and the rules below see equal shapes and dtypes only.

In a rule, ``g`` is the upstream gradient, ``y`` the result, and ``a`` and ``b`` are the inputs.
"""

import importlib
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import compat
from ..arrays import array_module, computing, is_image_order, scratch
from ..autograd import Primitive, Variable, cast
from .arguments import (as_number, as_operand, as_tensor, as_tensor_of, broadcast_shape, of_tensor,
    result_type)
from .layout import map_in_memory_order
from .operands import aligned, elementwise, named, nothing, rule, written
from .shapes import fitted, in_order

# ------------------------------------------------------------------------------------ arithmetic


_add = rule("add", "", lambda xp, a, b: a + b, bools=True, a=lambda g: g, b=lambda g: g)
_sub = rule("sub", "", lambda xp, a, b: a - b, bools=None, a=lambda g: g, b=lambda g: -g)
mul = rule("mul", "``input * other``, element by element.", lambda xp, a, b: a * b, bools=True,
    a=lambda g, b: g * b, b=lambda g, a: g * a)
div = rule(  # not a / b, because numpy refuses to divide by the Python number 0
    "div", "``input / other``, element by element; integers become floats.",
    lambda xp, a, b: xp.true_divide(a, b), floating=True,
    # a / b anew instead of y: so a program may change the result in place, as in PyTorch
    a=lambda g, b: g / b, b=lambda g, a, b: -g * ((a / b) / b))
neg = rule("neg", "``-input``.", lambda xp, a: -a, bools=None, a=lambda g: -g)


def add(input: Any, other: Any, *, alpha: float = 1, **out: Any) -> Any:
    """``input + alpha * other``, element by element."""
    return _add(input, other if alpha == 1 else other * alpha, **out)


def sub(input: Any, other: Any, *, alpha: float = 1, **out: Any) -> Any:
    """``input - alpha * other``, element by element."""
    return _sub(input, other if alpha == 1 else other * alpha, **out)


@elementwise()
def pow(xp, a, b):
    """``input ** other``, element by element.

    An integer to a negative power, which numpy refuses, is 1 over that power, rounded towards 0. A
    negative number as the power of integers is an error.
    """
    if xp is not np or np.result_type(a, b).kind == "f" or not np.any(np.less(b, 0)):
        return a**b
    if np.ndim(b) == 0 and not isinstance(b, np.ndarray):
        raise RuntimeError("pow: integers to negative integer powers are no integers; use .float()")
    ones = (a == 1) + (a == -1) * (1 - b % 2 * 2)
    return np.where(b < 0, ones, a ** np.maximum(b, 0)).astype(b.dtype)


def _pow_base(g, a, b):
    if not isinstance(b, (int, float)):
        return where(b == 0, 0.0, g * (b * a ** (b - 1)))
    # a^0 is the constant 1, also at a = 0, where the rule b * a^(b - 1) would give 0 * 0^-1
    return nothing(g) if b == 0 else g * (2.0 * a) if b == 2 else g * (b * a ** (b - 1))


def _pow_exponent(g, y, a, b):
    slope = g * (y * (log(a) if isinstance(a, Variable) else float(np.log(a))))
    # 0^b is the constant 0 for b >= 0, where the rule y * log(a) would give 0 * log(0)
    return where((b >= 0) & (a == 0), 0.0, slope)


pow.derivatives(a=_pow_base, b=_pow_exponent)


def _division(name: str, doc: str, **derivatives: Callable[..., Any]) -> Any:
    def forward(xp, a, b):
        # numpy would answer 0. On a GPU nobody looks, because the program would have to wait for
        # the values; the result is undefined there, as in PyTorch.
        if xp is np and np.asarray(b).dtype.kind in "iu" and not np.all(b) and np.size(a):
            raise RuntimeError(
                f"{name}: ZeroDivisionError, integers can't be divided by 0; floats can")
        return getattr(xp, name)(a, b)

    return rule(name, doc, forward, **derivatives)


remainder: Any = _division(
    "remainder", "``input % other``, which has the sign of `other`.",
    a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))
floor_divide: Any = _division(  # steps are flat
    "floor_divide", "``input // other``, rounded towards minus infinity.", a=nothing, b=nothing)


# --------------------------------------------------------------------------- functions of one value


def _step(name: str, function: str, doc: str) -> Any:
    """Declare a function that rounds: its derivative is 0, and integers stay as they are."""
    return rule(
        name, doc, lambda xp, a: getattr(xp, function)(a) if a.dtype.kind == "f" else a.copy(),
        a=nothing)


floor: Any = _step("floor", "floor", "The next whole number below or equal.")
ceil = _step("ceil", "ceil", "The next whole number above or equal.")
round = _step("round", "rint", "The nearest whole number; halves go to the even neighbour.")
sign = rule(
    "sign", "-1, 0 or 1; nan stays nan; bools as they are.",
    lambda xp, a: a.copy() if a.dtype == bool else xp.sign(a), bools=True, a=nothing)
abs = rule("abs", "``|input|``; at 0 the gradient is 0.", lambda xp, a: xp.abs(a),
    a=lambda g, a: g * sign(a))


def _smooth(name: str, derivative: Callable[..., Any], doc: str) -> Any:
    """Declare numpy's function `name` of floats by its derivative."""
    return rule(name, doc, lambda xp, a: getattr(xp, name)(a), floating=True, a=derivative)


exp = _smooth("exp", lambda g, y: g * y, "e to the power of each element.")
log = _smooth("log", lambda g, a: g / a, "The natural logarithm; nan below 0.")
log1p = _smooth("log1p", lambda g, a: g / (1.0 + a), "``log(1 + input)``, exact for small ones.")
# the derivative of expm1 is not y + 1, which rounds to 0 far below 0
expm1 = _smooth("expm1", lambda g, a: g * exp(a), "``exp(input) - 1``, exact for small ones.")
expm1.derivatives.__self__.copies = True  # PyTorch keeps y
sqrt = _smooth("sqrt", lambda g, y: g / (2.0 * y), "The square root; nan below 0.")
sin = _smooth("sin", lambda g, a: g * cos(a), "The sine, of radians.")
cos: Any = _smooth("cos", lambda g, a: -g * sin(a), "The cosine, of radians.")
tanh = _smooth("tanh", lambda g, y: g * (1.0 - y * y), "The hyperbolic tangent.")


def _sigmoid(xp: Any, a: Any) -> Any:
    # exp of -|a| never overflows; 1 / (1 + e^-a) = e^a / (1 + e^a)
    e = xp.exp(-xp.abs(a))
    return xp.where(a >= 0, 1.0, e) / (1.0 + e)


sigmoid = rule("sigmoid", "``1 / (1 + exp(-input))``.", _sigmoid, floating=True,
    a=lambda g, y: g * (y * (1.0 - y)))


def _silu_slope(a: Any) -> Any:
    s = sigmoid(a)
    return s * (1.0 + a * (1.0 - s))


silu = rule(  # slope first: g * a may be infinite where the slope is 0, and inf * 0 is nan
    "silu", "``input * sigmoid(input)``.", lambda xp, a: a * _sigmoid(xp, a), floating=True,
    a=lambda g, a: g * _silu_slope(a))


@elementwise(floating=True)
def softplus(xp, a):
    """``log(1 + exp(input))``, as max(input, 0) + log(1 + e^-|input|), which never overflows."""
    return xp.maximum(a, 0) + xp.log1p(xp.exp(-xp.abs(a)))


softplus.derivatives(a=lambda g, a: g * sigmoid(a))


@elementwise(floating=True)
def erf(xp, a):
    """The error function: 2/sqrt(pi) times the integral of exp(-t^2) from 0 to each element."""
    if xp is np:
        return _erf(a)
    return importlib.import_module("cupyx.scipy.special").erf(a).astype(a.dtype)


erf.derivatives(a=lambda g, a: g * (2 / math.sqrt(math.pi) * exp(-a * a)))

_ERF = np.array([math.erf(k / 1024) for k in range(6 * 1024 + 1)])  # erf(6) is 1 in float64


def _erf(a: Any) -> Any:
    """erf by Taylor's series around the nearest point x of a table of values.

    The distance d = |a| - x is at most 1/2048. The derivatives of erf are the bell curve times
    Hermite polynomials. The fifth term is below 3e-18 and matters only near 0, so its value at 0
    stands for it.
    """
    size = np.minimum(np.abs(a), 6.0)
    position = np.rint(size * 1024)
    x = position / 1024
    d = size - x
    series = d * (1 + d * (-x + d * ((2 * x * x - 1) / 3 + d * (x * (3 - 2 * x * x) / 6 + d / 10))))
    # a nan takes some value from the table, and stays nan because d is nan
    at_x = _ERF.astype(a.dtype).take(position.astype(np.int64), mode="clip")
    return np.copysign(at_x + 2 / math.sqrt(math.pi) * np.exp(-x * x) * series, a)


square = rule(  # of bools int64, as their power of 2
    "square", "``input * input``.", lambda xp, a: a * a if a.dtype != bool else a.astype(np.int64),
    bools=True, a=lambda g, a: g * a * 2.0)
reciprocal = _smooth("reciprocal", lambda g, y: -g * y * y, "``1 / input``.")
rsqrt = rule(
    "rsqrt", "``1 / sqrt(input)``.", lambda xp, a: xp.true_divide(1.0, xp.sqrt(a)), floating=True,
    a=lambda g, y: -0.5 * g * y * y * y)


# -------------------------------------------------------------------------------------- selection


_INTEGERS = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def bits_as_integers(a: Any) -> Any:
    """The array of floats `a` as integers of the same bits, in the same memory."""
    return a.view(_INTEGERS[a.itemsize])


def copy_where(xp: Any, source: Any, condition: Any, out: Any) -> None:
    """Write into `out` the elements of `source` where `condition` holds, and 0 elsewhere.

    `source` and `out` are floats seen by `bits_as_integers`; the bools in `condition` are
    overwritten. A product with bools would be nan where infinity meets 0, and a choice element by
    element takes ten times as long, because processors mispredict the branch. So each bool becomes
    an integer whose bits are all 1 or all 0, and "and" does the rest.
    """
    mask = condition.view(np.int8)
    xp.bitwise_and(source, xp.negative(mask, out=mask), out=out)


@elementwise()
def gated(xp, a, gate):
    """`a` where `gate` is not 0 (a nan is not), and 0 elsewhere."""
    if xp is not np:
        return xp.where(gate != 0, a, 0.0)

    def compute(a: Any, gate: Any, out: Any) -> None:
        is_open = scratch(np, "mask", gate.shape, np.dtype(bool))
        np.not_equal(gate, 0, out=is_open)
        copy_where(np, bits_as_integers(a), is_open, bits_as_integers(out))

    return map_in_memory_order(np, compute, a, gate)


# a step is flat on both sides, so nothing flows to the gate
gated.derivatives(a=lambda g, gate: gated(g, gate), gate=nothing)


@elementwise()
def relu(xp, a):
    """``max(input, 0)``; at 0 the gradient is 0."""
    if a.dtype.kind != "f":
        return xp.maximum(a, 0)
    # numpy's clip takes half the time of maximum with a number
    return map_in_memory_order(xp, lambda a, out: a.clip(0.0, math.inf, out), a)


relu.derivatives(a=lambda g, y: gated(g, y))


def _extremum(name: str, adjective: str) -> Any:
    doc = (f"The {adjective} of two, element by element, nan if either is; where they are equal "
        "each gets half of the gradient.")
    loses = operator.lt if name == "maximum" else operator.gt

    def to_the_chosen(g: Any, one: Any, other: Any) -> Any:
        return _only(~loses(one, other), where(one == other, g * 0.5, g))

    of_two = rule(name, doc, lambda xp, a, b: getattr(xp, name)(a, b), bools=True,
        a=lambda g, a, b: to_the_chosen(g, a, b), b=lambda g, a, b: to_the_chosen(g, b, a))

    def extremum(input: Any, other: Any, **out: Any) -> Any:
        return of_two(as_tensor(name, "input", input), as_tensor(name, "other", other), **out)

    extremum.derivatives = of_two.derivatives  # type: ignore[attr-defined]
    return named(extremum, name, doc)


def _only(condition: Any, g: Any) -> Any:
    """`g` where `condition` holds, 0 elsewhere."""
    return gated(g, cast(condition, dtype=g.array.dtype))


maximum, minimum = _extremum("maximum", "larger"), _extremum("minimum", "smaller")


def _clamped(xp: Any, a: Any, min: Any, max: Any) -> Any:
    if min is not None:
        a = xp.maximum(a, min)
    return a if max is None else xp.minimum(a, max)


def _within(a: Any, min: Any, max: Any) -> Any:
    within = a == a if min is None else a >= min
    return within if max is None else within & (a <= max)


# the bounds themselves let the gradient through, to the input
_clamp = Primitive(_clamped, name="clamp")
_clamp.derivatives(
    a=lambda g, a, min, max: _only(_within(a, min, max), g),
    min=lambda g, a, min, max: _only((a < min) if max is None else (a < min) & (min < max), g),
    max=lambda g, a, min, max: _only((a > max) if min is None else (a > max) | (max < min), g))

# `clamp`, except that the gradient at the bounds is 0
hardtanh = Primitive(lambda xp, a, *, min, max: _clamped(xp, a, min, max), name="hardtanh")
hardtanh.derivatives(a=lambda g, a, min, max: where((a <= min) | (a >= max), 0.0, g))


@of_tensor
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """`input` with values below `min` raised to it and values above `max` lowered to it.

    The bounds are numbers, or tensors that broadcast. The gradient is 1 from bound to bound, both
    included, and 0 outside, where a bound that is a tensor gets it. Where min > max the result is
    max.
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    first, *bounds = aligned("clamp", (input, *[v for v in (min, max) if v is not None]))
    return _clamp(first, None if min is None else bounds[0], None if max is None else bounds[-1])


_where = Primitive(lambda xp, condition, a, b: xp.where(condition, a, b), name="where")
_where.derivatives(
    condition=lambda g: g,  # never called: bools have no gradient
    a=lambda g, condition: _where(condition, g, 0.0),
    b=lambda g, condition: _where(condition, 0.0, g))


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition`, a bool tensor, holds, and `other` elsewhere.

    All three broadcast to one shape. Of `condition` alone: the indices of where it holds, by dim.
    """
    if input is None and other is None:
        return compat.lookup("tinynet", "nonzero")(condition, as_tuple=True)
    as_tensor_of("where", "the condition", condition, "b")
    return _chosen("where", condition, input, other)


@of_tensor
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`input` with `value`, a number or a 0-d tensor, wherever the bool tensor `mask` holds."""
    as_tensor_of("masked_fill", "the mask", mask, "b")
    value = as_operand("masked_fill", value, input)
    if isinstance(value, Variable) and value.array.ndim:
        given = f"shape {value.array.shape}"
        raise ValueError(f"masked_fill: the value must be a number or a 0-d tensor, got {given}")
    return _chosen("masked_fill", mask, value, in_order(input), dtype=input.array.dtype)


def _chosen(name: str, condition: Any, *operands: Any, dtype: Any = None) -> Any:
    """The first operand where `condition` holds, else the second; in `dtype`, if that is given."""
    values = [as_operand(name, v, condition) for v in operands]
    arrays = [v.array for v in (condition, *values) if isinstance(v, Variable)]
    array_module(*arrays, function=name)
    shape = broadcast_shape(name, *[a.shape for a in arrays])
    dtype = dtype or result_type(*values)
    images = any(map(is_image_order, arrays))
    values = [fitted(written(name, v, condition, dtype), shape, dtype, images) for v in values]
    return _where(fitted(condition, shape, images=images), *values)


# -------------------------------------------------------- comparisons and logic: no gradient flows


def _comparison(name: str, sign: str) -> Any:
    compare = getattr(operator, name)
    doc = f"``input {sign} other``, element by element: a bool tensor."
    return rule(name, doc, lambda xp, a, b: compare(a, b), bools=True, fit=False)


eq, ne = _comparison("eq", "=="), _comparison("ne", "!=")
lt, le = _comparison("lt", "<"), _comparison("le", "<=")
gt, ge = _comparison("gt", ">"), _comparison("ge", ">=")


def _test(name: str, what: str) -> Any:
    doc = f"Which elements are {what}: a bool tensor."
    return rule(name, doc, lambda xp, a: getattr(xp, name)(a), bools=True)


isnan = _test("isnan", "not a number")
isinf = _test("isinf", "infinite")
isfinite = _test("isfinite", "neither infinite nor nan")


def _bitwise(name: str, formula: str, forward: Callable[..., Any]) -> Any:
    return rule(name, f"``{formula}`` of bools or integers.", forward, bools=True, floats=False)


bitwise_and = _bitwise("bitwise_and", "input & other", lambda xp, a, b: a & b)
bitwise_or = _bitwise("bitwise_or", "input | other", lambda xp, a, b: a | b)
bitwise_xor = _bitwise("bitwise_xor", "input ^ other", lambda xp, a, b: a ^ b)
bitwise_not = _bitwise("bitwise_not", "~input", lambda xp, a: ~a)


def _logical(name: str, quantity: str, forward: Callable[..., Any]) -> Any:
    of_bools = rule(name, "", forward, bools=True)

    def logical(input: Any, other: Any) -> Any:
        return of_bools(
            ne(as_tensor(name, "input", input), 0), ne(as_tensor(name, "other", other), 0))

    return named(logical, name, f"Whether {quantity} non-zero, element by element.")


logical_and = _logical("logical_and", "both are", lambda xp, a, b: a & b)
logical_or = _logical("logical_or", "at least one is", lambda xp, a, b: a | b)


def logical_not(input: Any) -> Any:
    """Whether each element is zero."""
    return eq(as_tensor("logical_not", "input", input), 0)


_compare = Primitive(lambda xp, a, b, *, limits: xp.isclose(a, b, *limits), name="isclose")


def _close(name: str, input: Any, other: Any, rtol: Any, atol: Any, equal_nan: bool) -> Any:
    limits = [as_number(name, *v, 0, infinite=True) for v in (("rtol", rtol), ("atol", atol))]
    return _compare(*aligned(name, (input, other)), limits=(*limits, equal_nan))


@of_tensor
def isclose(input, other, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Where ``|input - other| <= atol + rtol * |other|``: a bool tensor."""
    return _close("isclose", input, other, rtol, atol, equal_nan)


@of_tensor
def allclose(input, other, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere."""
    return _everywhere(_close("allclose", input, other, rtol, atol, equal_nan))


_equal = rule("equal", "", lambda xp, a, b: a == b, bools=True)


@of_tensor
def equal(input: Variable, other: Variable) -> bool:
    """Whether two tensors have the same shape and the same values."""
    same = input.array.shape == as_tensor("equal", "other", other).array.shape
    return same and _everywhere(_equal(input, other))


def _everywhere(condition: Variable) -> bool:
    with computing(condition.array):
        return bool(condition.array.all())
