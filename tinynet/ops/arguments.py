"""All checks of arguments, each once.

A check takes the name of the public function first, because every error begins with it:
``as_dim("sum", dim, ndim)`` raises "sum: dim 3 is out of range; ...". Checks named ``as_...``
return the value in the form that the code behind them works with. A public function that is built
of others passes its own name down to a private core.
"""

import builtins
import functools
import operator
from collections.abc import Callable, Sequence
from math import inf, isfinite, prod
from numbers import Number
from typing import Any, TypeVar

import numpy as np

from .. import compat
from ..arrays import array_module, default_generator, device_of, Generator
from ..autograd import Variable

default_dtype = np.dtype(np.float32)

# numpy's letters for the kinds of dtypes; a higher rank wins: bool < integer < float
KIND_RANK = {"b": 0, "i": 1, "u": 1, "f": 2}

_F = TypeVar("_F", bound=Callable[..., Any])

# ------------------------------------------------------------------------------------- decorators


# Arguments that other functions of PyTorch and numpy know by these names: `compat.words`.
OTHER_WORDS = compat.OTHER_WORDS


def of_tensor(function: _F) -> _F:
    """Declare an operation whose first argument is a tensor: TypeError for anything else."""
    name = function.__name__

    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Any:
        if keywords and not OTHER_WORDS.isdisjoint(keywords):
            return compat.respelled(operation, args, keywords)
        first = args[0] if args else next(iter(keywords.values()), None)
        if not isinstance(first, Variable):
            given = f"{type(first).__name__}; make one with tinynet.tensor(...)"
            raise TypeError(f"{name}: expected a tensor first, got {given}")
        return function(*args, **keywords)

    return operation  # type: ignore[return-value]


def by_keyword(keyword: str) -> Callable[[_F], _F]:
    """Let the numbers of ``f(input, *numbers)`` come as one keyword too: ``flip(x, dims=[1])``."""

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


def of_numbers(keyword: str) -> Callable[[_F], _F]:
    """Declare an operation on a tensor and numbers, which may come as one keyword too."""
    return lambda function: by_keyword(keyword)(of_tensor(function))


# ---------------------------------------------------------------------------- numbers and choices


def as_real(function: str, name: str, value: Any) -> Any:
    """`value` as a Python int or float, which may be infinite or nan.

    A numpy scalar is converted, because a float64 one would turn float32 arrays into float64.
    TypeError for what is no number; a bool is none.
    """
    if isinstance(value, Variable):
        raise TypeError(f"{function}: {name} must be a Python number: give tensor.item()")
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{function}: {name} must be a number, got {value!r:.60}")
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def as_number(function: str, name: str, value: Any, low: float = -inf, high: float = inf, *,
              positive: bool = False, infinite: bool = False) -> Any:
    """`value` as a Python int or float (see `as_real`), finite and from `low` to `high`.

    With `positive` it must be above 0; with `infinite` it need not be finite, but nan is refused.
    TypeError for what is no number, ValueError for one out of range.
    """
    if type(value) not in (int, float):  # fast path first: optimisers check numbers at every step
        value = as_real(function, name, value)
    in_range = low <= value <= high and (value > 0 or not positive)
    if not in_range or not (infinite or isfinite(value)):
        rule = f"from {low} to {high}" if high < inf else f"at least {low}"
        rule = "finite" if low == -inf else rule
        if positive:
            rule = "a positive number or inf" if infinite else "positive"
        raise ValueError(f"{function}: {name} must be {rule}, got {value!r}")
    return value


def as_probability(function: str, name: str, value: Any) -> float:
    """`value` as a float from 0 to 1; else TypeError or ValueError."""
    return float(as_number(function, name, value, 0, 1))


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def as_int(function: str, name: str, value: Any, minimum: int | float = -inf,
           below: int | float = inf) -> int:
    """`value` as an int, at least `minimum` and less than `below`.

    TypeError for what is no integer (a bool is none), ValueError for one out of range.
    """
    if _is_integer(value):
        value = int(value)
    if type(value) is not int or not minimum <= value < below:
        rule = f" from {minimum} " + (f"to {below - 1}" if below < inf else "up")
        rule = rule if minimum > -inf else f" below {below}" if below < inf else ""
        error = ValueError if type(value) is int else TypeError
        raise error(f"{function}: {name} must be an int{rule}, got {value!r:.60}")
    return value


def index_of(value: Any, otherwise: Any = None) -> Any:
    """`value` as an int, or `otherwise` if it stands for none.

    What the ``__index__`` of a user's object raises passes through. A tensor's own TypeError does
    not, so that the caller can name the public function.
    """
    try:
        return operator.index(value)
    except builtins.TypeError as error:
        if from_users_code(error) and not isinstance(value, Variable):
            raise
        return otherwise


def as_ints(function: str, name: str, value: Any, minimum: int | float = -inf,
            below: int | float = inf, rule: str = "a tuple of ints") -> tuple[int, ...]:
    """`value`, a tuple or list of what `as_int` takes, as a tuple of ints.

    TypeError, which says `rule`, for anything else; ValueError for an int out of range.
    """
    if not (isinstance(value, (tuple, list)) and all(map(_is_integer, value))):
        raise TypeError(f"{function}: {name} must be {rule}, got {value!r}")
    return tuple([as_int(function, name, n, minimum, below) for n in value])


def as_bool(function: str, name: str, value: Any) -> bool:
    """`value` if it is True or False; else TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{function}: {name} must be True or False, got {value!r:.60}")
    return bool(value)


def as_choice(function: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """`value` if it is one of the strings `choices`; else ValueError."""
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        rule = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"{function}: {name} must be {rule}, got {value!r:.60}")
    return value


# ---------------------------------------------------------------------------------------- dtypes


def as_dtype(name: str, dtype: Any) -> np.dtype:
    """`dtype` as numpy's; TypeError unless it is bool, an integer or a float of up to 64 bits."""
    try:
        found = None if dtype is None else np.dtype(dtype)
    except builtins.TypeError:
        found = None
    if found is None or found.kind not in KIND_RANK or found.itemsize > 8 or not found.isnative:
        known = "bool, an integer dtype, float16, float32 or float64"
        known += ", or a device, cpu or cuda" if name == "to" and isinstance(dtype, str) else ""
        raise TypeError(f"{name}: {dtype!r:.60} is not a supported dtype; expected {known}")
    return found


def result_type(*operands: Any) -> np.dtype:
    """The dtype of an operation on `operands` (tensors and Python numbers), by PyTorch's rule.

    Kinds rank bool < integer < float. Tensors with dimensions decide first. A 0-d tensor counts
    only if its kind ranks higher than theirs. A Python number counts only if its kind ranks higher
    than that of all tensors; it is then an int64 or a float32.

    >>> import tinynet
    >>> result_type(tinynet.tensor([1, 2]), 2.5)
    dtype('float32')
    """
    with_dims, without_dims, numbers = None, None, None
    for operand in operands:
        if not isinstance(operand, Variable):
            dtype: Any = np.int64 if isinstance(operand, int) else default_dtype
            numbers = promote(numbers, np.dtype(bool if isinstance(operand, bool) else dtype))
        elif operand.array.ndim:
            with_dims = promote(with_dims, operand.array.dtype)
        else:
            without_dims = promote(without_dims, operand.array.dtype)
    found = _higher_kind(_higher_kind(with_dims, without_dims), numbers)
    if found is None:
        raise ValueError("result_type: expected at least one operand")
    return found


def _higher_kind(a: np.dtype | None, b: np.dtype | None) -> np.dtype | None:
    """`b` if its kind ranks higher than that of `a`, else `a`."""
    if a is None or b is None:
        return a or b
    return b if KIND_RANK[b.kind] > KIND_RANK[a.kind] else a


def promote(a: np.dtype | None, b: np.dtype) -> np.dtype:
    """The dtype that can hold the values of both."""
    if a is None or a == b:
        return b
    if "f" in (a.kind, b.kind) and a.kind != b.kind:  # numpy would widen int64 + float32 to float64
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


# ----------------------------------------------------------------------------- dimensions, shapes


def as_dim(name: str, dim: Any, ndim: int) -> int:
    """`dim`, counted from the front; a negative one counts from the back.

    A 0-d tensor counts as having one dimension, as in PyTorch.
    """
    number = index_of(dim)
    if number is None:
        raise TypeError(f"{name}: dim must be an int, got {dim!r}")
    size = max(ndim, 1)
    if not -size <= number < size:
        rule = f"a {ndim}-d tensor has dims {-size} to {size - 1}"
        raise IndexError(f"{name}: dim {number} is out of range; {rule}")
    return number % size


def as_dims(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """`dim` (an int, a sequence of different ints, None for all) as a tuple, from the front."""
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(as_dim(name, d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) != len(dims):
        raise ValueError(f"{name}: dim {tuple(dim)} names a dimension twice")
    return dims if ndim else ()


def as_shape(name: str, shape: tuple[Any, ...]) -> tuple[int, ...]:
    """The sizes, given one by one or as one sequence: ``f(2, 3)`` and ``f((2, 3))`` are the same.

    Sizes may be negative: what they mean then is up to the caller.
    """
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    sizes = tuple([n if type(n) is int else index_of(n) for n in shape])
    if None in sizes:
        raise TypeError(f"{name}: sizes must be ints, got {shape!r}")
    if abs(prod(sizes)) >= 2**60:
        raise ValueError(f"{name}: sizes {sizes} make more elements than any memory holds")
    return sizes


_broadcast_shapes = functools.lru_cache(maxsize=1024)(np.broadcast_shapes)


def broadcast_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `shapes` broadcast to; ValueError if they don't."""
    try:
        return _broadcast_shapes(*shapes)
    except builtins.ValueError:  # `compat.printed` gives the plain name another meaning
        given = " and ".join(str(tuple(shape)) for shape in shapes)
        rule = "aligned at the right, sizes must be equal or 1"
        raise ValueError(f"{name}: shapes {given} don't broadcast; {rule}") from None


def two(function: str, name: str, value: Any,
        rule: str = "an int or a pair (height, width)") -> Any:
    """`value` for the height and for the width: a pair as it is, all but sequences twice."""
    given = value if isinstance(value, (tuple, list)) else (value, value)
    if len(given) != 2:
        raise ValueError(f"{function}: {name} must be {rule}, got {value!r:.60}")
    return given


def pair(function: str, name: str, value: Any, minimum: int) -> tuple[int, int]:
    """`value`, an int or a pair of ints, as (for the height, for the width).

    Each must be at least `minimum` and below 2**31.
    """
    if type(value) is int and minimum <= value < 2**31:  # fast paths
        return value, value
    if type(value) is tuple and [type(n) is int and minimum <= n < 2**31 for n in value] == _BOTH:
        return value
    is_single = isinstance(value, (tuple, list)) and len(value) == 1
    given = two(function, name, value * 2 if is_single else value)
    # a bool is refused, though Python counts True as 1
    height, width = [None if isinstance(n, (bool, np.bool_)) else index_of(n) for n in given]
    if height is None or width is None:
        rule = "an int or a pair of ints"
        raise TypeError(f"{function}: {name} must be {rule}, got {value!r:.60}")
    if min(height, width) < minimum or max(height, width) >= 2**31:
        rule = f"at least {minimum}" if min(height, width) < minimum else "below 2**31"
        raise ValueError(f"{function}: {name} must be {rule}, got {value!r}")
    return height, width


_BOTH = [True, True]


# --------------------------------------------------------------------------------------- tensors


def as_operand(name: str, value: Any, like: Variable) -> Any:
    """`value` as something to compute with: a tensor or a Python number; else TypeError.

    A numpy array becomes a tensor of the class of `like`. It is copied, because the backward pass
    could not notice later writes to the caller's array.
    """
    if isinstance(value, (Variable, bool, int, float)):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in KIND_RANK:
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in KIND_RANK:
        return like._make(np.array(value, value.dtype.newbyteorder("=")))
    if isinstance(value, Number):
        raise TypeError(f"{name}: tinynet has no complex numbers; got {value!r}")
    given = type(value).__name__
    given += "; make a tensor with tinynet.tensor(...)" if given in ("list", "tuple") else ""
    raise TypeError(f"{name}: expected a tensor, an array or a number, got {given}")


def as_tensor(function: str, name: str, value: Any) -> Any:
    """`value` if it is a tensor; else TypeError."""
    if not isinstance(value, Variable):
        given = type(value).__name__
        given += "; make one with tinynet.tensor(...)" if hasattr(value, "__len__") else ""
        raise TypeError(f"{function}: {name} must be a tensor, got {given}")
    return value


def as_tensor_of(function: str, name: str, value: Any, kinds: str) -> Any:
    """`value` if it is a tensor whose dtype has one of numpy's `kinds`, "b" or "iu"."""
    if not isinstance(value, Variable) or value.array.dtype.kind not in kinds:
        given = type(value).__name__ if not isinstance(value, Variable) else value.array.dtype
        wanted = "a bool tensor" if kinds == "b" else "a tensor of integers"
        raise TypeError(f"{function}: {name} must be {wanted}, got {given}")
    return value


def check_shape(function: str, name: str, value: Any, shape: tuple[int, ...], what: str) -> None:
    """Check that `value` is None, or a tensor of `shape`, which the error explains by `what`."""
    if value is not None and as_tensor(function, name, value).array.shape != shape:
        rule = f"must have shape {shape}, {what}"
        raise ValueError(f"{function}: {name} {rule}; got {value.array.shape}")


def as_floats(function: str, name: str, value: Any) -> Any:
    """`value` if it is a tensor of floats; else TypeError."""
    if as_tensor(function, name, value).array.dtype.kind != "f":
        given = f"{value.array.dtype}; convert it with .float()"
        raise TypeError(f"{function}: {name} must hold floats, got {given}")
    return value


def same_dtype(function: str, **tensors: Variable | None) -> None:
    """RuntimeError unless all tensors have one dtype and live on one device."""
    arrays = {name: tensor.array for name, tensor in tensors.items() if tensor is not None}
    if len({array.dtype for array in arrays.values()}) > 1:
        listed = ", ".join(f"{name} is {array.dtype}" for name, array in arrays.items())
        raise RuntimeError(f"{function}: {listed}; they must be the same, convert with .to(dtype)"
            f"{compat.hint('dtypes', arrays)}")
    try:
        array_module(*arrays.values())
    except RuntimeError as error:
        listed = ", ".join(f"{name} is on {device_of(array)}" for name, array in arrays.items())
        rule = "they must be on one device, move them with .to(device)"
        raise RuntimeError(f"{function}: {listed}; {rule}") from error


# ------------------------------------------------------------------------------------ other things


def as_list(function: str, name: str, values: Any) -> list[Any]:
    """The items of an iterable; else TypeError. What the iterable itself raises passes through."""
    if not hasattr(values, "__iter__") or getattr(values, "ndim", 1) == 0:
        raise TypeError(f"{function}: {name} must be a sequence, got {type(values).__name__}")
    return list(values)


def as_function(function: str, name: str, value: Any, wanted: str = "a function") -> Any:
    """`value` if it can be called; else TypeError, which says what is `wanted`."""
    if not callable(value):
        raise TypeError(f"{function}: {name} must be {wanted}, got {value!r:.80}")
    return value


def from_users_code(error: BaseException) -> bool:
    """Whether `error`, just caught from a function written in C, was raised by Python code.

    Such code, an object's ``__array__`` or ``__index__`` for example, is a user's. C leaves no
    frame below that of the function which called it.
    """
    return error.__traceback__ is not None and error.__traceback__.tb_next is not None


def array_of(values: Any, dtype: Any = None) -> Any:
    """`values` as numpy's array; None where nested sequences have different lengths."""
    try:
        return np.array(values, dtype)
    except builtins.ValueError as error:
        if from_users_code(error):
            raise
        return None


def as_generator(function: str, generator: Any) -> Generator | None:
    """`generator`, which must be None or a tinynet.Generator; else TypeError."""
    if generator is not None and not isinstance(generator, Generator):
        given = type(generator).__name__
        raise TypeError(f"{function}: generator must be a tinynet.Generator, got {given}")
    return generator


def as_random(function: str, generator: Any) -> np.random.Generator:
    """What draws numbers for `generator` (see `as_generator`); None stands for the default one."""
    return (as_generator(function, generator) or default_generator).numpy
