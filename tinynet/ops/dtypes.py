"""Which dtype an operation computes in: PyTorch's rules, on numpy's dtypes."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from numbers import Number
from typing import Any, TypeVar

import numpy as np

from ..autograd import Variable

default_dtype = np.dtype(np.float32)
_RANK = {"b": 0, "i": 1, "u": 1, "f": 2}
_F = TypeVar("_F", bound=Callable[..., Any])


_PUBLIC_ERRORS = (ValueError, TypeError, IndexError, RuntimeError)
_ANOTHER = re.compile(r"[\w.]+: ")


def _rename(error: Exception, name: str) -> None:
    """Let `error` say `name` where it says another function, one that `name` is made of."""
    said = str(error)
    if not said.startswith((f"{name}: ", "detect_anomaly: ")):
        error.args = (f"{name}: {_ANOTHER.sub('', said, count=1) if _ANOTHER.match(said) else said}",)


def in_own_name(function: _F) -> _F:
    """Declare a public function (or ``__init__``) that is made of others: an error of theirs names it instead of them."""

    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except _PUBLIC_ERRORS as error:
            _rename(error, type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__)
            raise

    return operation  # type: ignore[return-value]


def of_tensor(function: _F) -> _F:
    """The same for an operation on a tensor, its first argument: anything else there is a TypeError that says so."""

    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Any:
        first = args[0] if args else next(iter(keywords.values()), None)
        if not isinstance(first, Variable):
            raise TypeError(
                f"{function.__name__}: expected a tensor first, got {type(first).__name__}; make one with tinynet.tensor(...)"
            )
        try:
            return function(*args, **keywords)
        except _PUBLIC_ERRORS as error:
            _rename(error, function.__name__)
            raise

    return operation  # type: ignore[return-value]


def result_type(*operands: Any) -> np.dtype:
    """The dtype of an operation on `operands` (tensors and Python numbers), by PyTorch's rule.

    Kinds rank bool < integer < float. Tensors with dimensions decide; a 0-d tensor counts only if its kind ranks
    higher than theirs, and a Python number only if its kind ranks higher still (then as int64 or float32).

    >>> import tinynet
    >>> result_type(tinynet.tensor([1, 2]), 2.5)
    dtype('float32')
    """
    best: np.dtype | None = None
    tensors = [v for v in operands if isinstance(v, Variable)]
    numbers = [v for v in operands if not isinstance(v, Variable)]
    for group in ([t for t in tensors if t.array.ndim], [t for t in tensors if not t.array.ndim]):
        found: np.dtype | None = None
        for tensor in group:
            found = tensor.array.dtype if found is None else _promote(found, tensor.array.dtype)
        if found is not None and (best is None or _RANK[found.kind] > _RANK[best.kind]):
            best = found
    for number in numbers:
        dtype = np.dtype(bool if isinstance(number, bool) else np.int64 if isinstance(number, int) else default_dtype)
        if best is None or _RANK[dtype.kind] > _RANK[best.kind]:
            best = dtype
    if best is None:
        raise ValueError("result_type: expected at least one operand")
    return best


def _promote(a: np.dtype, b: np.dtype) -> np.dtype:
    if a == b:
        return a
    if "f" in (a.kind, b.kind) and a.kind != b.kind:  # numpy would widen int64 + float32 to float64
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


def as_operand(name: str, value: Any, like: Variable) -> Any:
    """`value` as something to compute with beside the tensor `like`: a tensor or a Python number; else TypeError."""
    if isinstance(value, (Variable, bool, int, float)):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in _RANK:
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in _RANK:
        return like._make(np.array(value, value.dtype.newbyteorder("=")))  # a copy: nobody could tell if it were changed
    if isinstance(value, Number):
        raise TypeError(f"{name}: tinynet has no complex numbers; got {value!r}")
    raise TypeError(
        f"{name}: expected a tensor, an array or a number, got {type(value).__name__}"
        + ("; make a tensor of it with tinynet.tensor(...)" if isinstance(value, (list, tuple)) else "")
    )


def as_number(owner: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> Any:
    """`value` as a Python int or float, finite and from `low` to `high`; else TypeError or ValueError.

    Not as a numpy scalar: a float64 one would carry float32 arrays along to float64.
    """
    if type(value) not in (int, float):  # first the common case: this runs at every step
        if isinstance(value, Variable):
            raise TypeError(f"{owner}: {name} is a tensor; it must be a Python number, tensor.item()")
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
        value = int(value) if isinstance(value, (int, np.integer)) else float(value)
    if not low <= value <= high or not math.isfinite(value):
        rule = "finite" if low == -math.inf else f"at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"{owner}: {name} must be {rule}, got {value!r}")
    return value


def as_dtype(name: str, dtype: Any) -> np.dtype:
    """`dtype` as numpy's; TypeError unless it is one of bools, integers or floats of up to 64 bits."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if dtype is None or found is None or found.kind not in _RANK or found.itemsize > 8 or not found.isnative:
        raise TypeError(f"{name}: {dtype!r} is no dtype that tinynet knows; those are bool, the integers, float16, float32, float64")
    return found
