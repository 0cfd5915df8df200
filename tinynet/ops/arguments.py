"""All checks of arguments. Each takes the public name that its error begins with."""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Callable
from numbers import Number
from typing import Any, TypeVar

import numpy as np

from ..arrays.devices import array_module, device_of
from ..arrays.random import Generator
from ..autograd import Variable
from .dtypes import _RANK

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


def broadcast_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `shapes` broadcast to; ValueError names them if they don't."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(
            f"{name}: shapes {listed} don't broadcast; aligned at the right, sizes must be equal or 1"
        ) from None


def as_tensor(function: str, name: str, value: Any) -> Variable:
    """`value` if it is a tensor; else TypeError."""
    if not isinstance(value, Variable):
        raise TypeError(f"{function}: {name} must be a tensor, got {type(value).__name__}")
    return value


def as_floats(function: str, name: str, value: Any) -> Variable:
    """`value` if it is a tensor of floats; else TypeError."""
    if as_tensor(function, name, value).array.dtype.kind != "f":
        raise TypeError(f"{function}: {name} must hold floats, got {value.dtype}; convert it with .float()")
    return value


def same_dtype(function: str, **tensors: Variable | None) -> None:
    """RuntimeError unless all tensors have one dtype and live on one device."""
    arrays = {name: tensor.array for name, tensor in tensors.items() if tensor is not None}
    if len({array.dtype for array in arrays.values()}) > 1:
        listed = ", ".join(f"{name} is {array.dtype}" for name, array in arrays.items())
        raise RuntimeError(f"{function}: {listed}; they must be the same, convert with .to(dtype)")
    try:
        array_module(*arrays.values())
    except RuntimeError as error:
        listed = ", ".join(f"{name} is on {device_of(array)}" for name, array in arrays.items())
        raise RuntimeError(f"{function}: {listed}; they must be on one device, move them with .to(device)") from error


def pair(function: str, name: str, value: Any, minimum: int) -> tuple[int, int]:
    """`value`, an int or a pair of ints, as (for the height, for the width); each at least `minimum`."""
    if type(value) is int and minimum <= value < 2**31:  # the common cases first
        return value, value
    if type(value) is tuple and [type(v) is int and minimum <= v < 2**31 for v in value] == [True, True]:
        return value
    try:
        values = tuple(operator.index(v) for v in (value if isinstance(value, (tuple, list)) else (value,)))
    except TypeError:
        raise TypeError(f"{function}: {name} must be an int or a pair of ints, got {value!r}") from None
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise ValueError(f"{function}: {name} must be an int or a pair (height, width), got {value!r}")
    if min(values) < minimum:
        raise ValueError(f"{function}: {name} must be at least {minimum}, got {value!r}")
    if max(values) >= 2**31:
        raise ValueError(f"{function}: {name} must be below 2**31, got {value!r}")
    return values


def as_reduction(function: str, reduction: Any, *more: str) -> str:
    """`reduction` if it is one of the three, or of `more`; else ValueError."""
    known = ("none", "mean", "sum", *more)
    if reduction not in known:
        raise ValueError(f"{function}: reduction must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, got {reduction!r}")
    return reduction


def as_int(function: str, name: str, value: Any, minimum: int | None = None, below: int | None = None) -> int:
    """`value` as an int, at least `minimum` and less than `below`. A bool is no int here.

    Raises:
        TypeError: `value` is no integer.
        ValueError: it is out of range.
    """
    if type(value) is not int:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{function}: {name} must be {_int_rule(minimum, below)}, got {value!r:.60}")
        value = int(value)
    if (minimum is not None and value < minimum) or (below is not None and value >= below):
        raise ValueError(f"{function}: {name} must be {_int_rule(minimum, below)}, got {value!r}")
    return value


def _int_rule(minimum: int | None, below: int | None) -> str:
    if below is not None:
        return f"an int below {below}" if minimum is None else f"an int from {minimum} to {below - 1}"
    return "an int" if minimum is None else f"an int from {minimum} up"


def as_bool(function: str, name: str, value: Any) -> bool:
    """`value` if it is True or False; else TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{function}: {name} must be True or False, got {value!r:.60}")
    return bool(value)


def as_probability(function: str, name: str, value: Any) -> float:
    """`value` as a number from 0 to 1; else TypeError or ValueError."""
    return float(as_number(function, name, value, 0, 1))


def as_list(function: str, name: str, values: Any) -> list[Any]:
    """The items of an iterable, else TypeError. What the iterable itself raises passes through."""
    if not hasattr(values, "__iter__") or getattr(values, "ndim", 1) == 0:
        raise TypeError(f"{function}: {name} must be a sequence, got {type(values).__name__}")
    return list(values)


def as_generator(function: str, generator: Any) -> Generator | None:
    """`generator`, which must be None or a tinynet.Generator; else TypeError."""
    if generator is not None and not isinstance(generator, Generator):
        given = type(generator).__name__
        raise TypeError(f"{function}: generator must be a tinynet.Generator, got {given}")
    return generator


def as_choice(function: str, name: str, value: Any, choices: Any) -> str:
    """`value` if it is one of the strings `choices`; else ValueError."""
    if not isinstance(value, str) or value not in choices:
        rule = " or ".join([", ".join(map(repr, choices[:-1])), repr(choices[-1])])
        raise ValueError(f"{function}: {name} must be {rule}, got {value!r:.60}")
    return value
