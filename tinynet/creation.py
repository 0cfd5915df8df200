"""Functions that make tensors: from data, of one value, from a rule, or at random.

All take the keywords ``dtype`` (default float32, or what the data suggest), ``device`` (default the
CPU) and ``requires_grad`` (default False); random ones also ``generator`` (default: the one that
`manual_seed` seeds). Functions with ``_like`` in their name take shape, dtype and device from a
tensor, unless a keyword says otherwise, and its memory order.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import compat
from .arrays import as_device, computing, device_of, Generator, module_on, to_device, usable_device
from .ops.arguments import (as_dtype, as_floats, as_int, as_number, as_random, as_shape,
    as_tensor as as_a_tensor, by_keyword, default_dtype, result_type)
from .ops.operands import array_from, check_fit, converted, named
from .ops.shapes import laid_out
from .tensor import Tensor


def _finish(name: str, array: Any, device: Any, requires_grad: bool) -> Tensor:
    """`array` as a tensor on `device` (None: where the array is)."""
    if requires_grad and array.dtype.kind != "f":
        raise RuntimeError(f"{name}: only floats can require gradients, got {array.dtype}")
    if device is not None:
        array = to_device(array, as_device(name, device), name)
    result = Tensor._wrap(array)
    return result.requires_grad_() if requires_grad else result


def _sizes(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = as_shape(name, size)
    if any(n < 0 for n in shape):
        raise ValueError(f"{name}: sizes must be from 0 up, got {shape}")
    return shape


def _count(name: str, argument: str, value: Any) -> int:
    return _sizes(name, (as_int(name, argument, value),))[0]


# ---------------------------------------------------------------------------------- from data


def tensor(data, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`: a number, nested sequences of numbers, an array or a tensor.

    Without `dtype`, Python floats become float32, ints int64 and bools bool; arrays and tensors
    keep their dtype.

    Raises:
        ValueError: sequences have unequal lengths, or numbers don't fit into the dtype.
        TypeError: something is not a number.

    >>> tensor([[1, 2], [3, 4.5]])
    tensor([[1.0000, 2.0000],
            [3.0000, 4.5000]])
    """
    return _tensor("tensor", data, dtype, device, requires_grad)


def _tensor(name: str, data: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    wanted = None if dtype is None else as_dtype(name, dtype)
    if isinstance(data, Tensor) or hasattr(data, "__cuda_array_interface__"):
        array = data.array if isinstance(data, Tensor) else data
        with computing(array):
            copy = array.astype(wanted or as_dtype(name, array.dtype))
        return _finish(name, copy, device, requires_grad)
    return _finish(name, array_from(name, data, wanted), device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing its memory where that is possible."""
    dtype = None if dtype is None else as_dtype("as_tensor", dtype)
    device = None if device is None else usable_device("as_tensor", device)
    if isinstance(data, np.ndarray):
        as_dtype("as_tensor", data.dtype)
        data = from_numpy(data)
    elif not isinstance(data, Tensor):
        return _tensor("as_tensor", data, dtype, device, False)
    return data.to(dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a numpy array: a write to one is seen in the other."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy array, got {type(ndarray).__name__}")
    as_dtype("from_numpy", ndarray.dtype)
    return Tensor._wrap(ndarray.view(np.ndarray))


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares the memory of another library's CPU tensor."""
    kind = type(ext_tensor).__name__
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected a tensor that speaks DLPack, got {kind}")
    try:
        return from_numpy(np.from_dlpack(ext_tensor))
    except BufferError as error:
        raise ValueError(f"from_dlpack: this {kind} can't be shared: {error}") from error


# --------------------------------------------------------------------- of one value, or at random


def _constant(name: str, xp_function: str, size: tuple[int, ...], dtype: Any, device: Any,
              requires_grad: bool) -> Tensor:
    kind = as_dtype(name, dtype or default_dtype)
    with module_on(device, name) as xp:
        return _finish(name, getattr(xp, xp_function)(size, kind), None, requires_grad)


def _drawn(name: str, method: str, size: tuple[int, ...], dtype: Any, device: Any,
           requires_grad: bool, generator: Any) -> Tensor:
    kind = as_dtype(name, dtype or default_dtype)
    if kind.kind != "f":
        raise TypeError(f"{name}: draws floats, so dtype must be a floating one, got {kind}")
    draw = getattr(as_random(name, generator), method)
    array = draw(size, np.float64 if kind == np.float64 else np.float32).astype(kind, copy=False)
    return _finish(name, array, device, requires_grad)


def _integers(name: str, bounds: tuple[Any, Any], size: tuple[int, ...], dtype: Any, device: Any,
              requires_grad: bool, generator: Any) -> Tensor:
    low, high = as_int(name, "low", bounds[0]), as_int(name, "high", bounds[1])
    if low >= high:
        raise ValueError(f"{name}: low must be less than high, got {low} and {high}")
    if not -(2**63) <= low < high <= 2**63:
        raise ValueError(f"{name}: low and high must fit in 64 bits, got {low} and {high}")
    kind = as_dtype(name, dtype or np.int64)
    check_fit(name, np.array([low, high - 1]), kind)
    array = as_random(name, generator).integers(low, high, size)
    return _finish(name, array.astype(kind, copy=False), device, requires_grad)


def _full(name: str, size: tuple[int, ...], fill_value: Any, dtype: Any, device: Any,
          requires_grad: bool) -> Tensor:
    single = isinstance(fill_value, Tensor) and fill_value.numel() == 1
    if single or isinstance(fill_value, np.generic):
        fill_value = fill_value.item()
    if not isinstance(fill_value, (bool, int, float)):
        raise TypeError(f"{name}: fill_value must be a number, got {type(fill_value).__name__}")
    kind = as_dtype(name, dtype or result_type(fill_value))
    with module_on(device, name) as xp:
        value = converted(name, np.asarray(fill_value), kind).item()
        return _finish(name, xp.full(size, value, kind), None, requires_grad)


def _like(name: str, input: Any, dtype: Any, device: Any) -> tuple[tuple[int, ...], Any, Any]:
    """Shape, dtype and device, from `input` where the keyword is None."""
    array = as_a_tensor(name, "input", input).array
    return array.shape, dtype or array.dtype, device_of(array) if device is None else device


_Pair = tuple[Callable[..., Tensor], Callable[..., Tensor]]
_SIZES = " The sizes are separate arguments, or one sequence."


def _constants(name: str, doc: str, like_doc: str) -> _Pair:
    """``zeros(*size)`` and ``zeros_like(input)``: a tensor of what xp's function gives."""
    like = f"{name}_like"

    def make(*size, dtype=None, device=None, requires_grad=False):
        return _constant(name, name, _sizes(name, size), dtype, device, requires_grad)

    @compat.in_any_format
    def make_like(input, *, dtype=None, device=None, requires_grad=False):
        given = _like(like, input, dtype, device)
        return laid_out(_constant(like, name, *given, requires_grad), input)

    return by_keyword("size")(named(make, name, doc + _SIZES)), named(make_like, like, like_doc)


def _random(name: str, method: str, doc: str) -> _Pair:
    """``rand(*size)`` and ``rand_like(input)``: draws of a method of numpy's generators."""
    like, like_doc = f"{name}_like", f"`{name}` in the shape, dtype and device of `input`."

    def make(*size, generator=None, dtype=None, device=None, requires_grad=False):
        return _drawn(name, method, _sizes(name, size), dtype, device, requires_grad, generator)

    @compat.in_any_format
    def make_like(input, *, generator=None, dtype=None, device=None, requires_grad=False):
        given = _like(like, input, dtype, device)
        return laid_out(_drawn(like, method, *given, requires_grad, generator), input)

    return by_keyword("size")(named(make, name, doc + _SIZES)), named(make_like, like, like_doc)


zeros, zeros_like = _constants(
    "zeros", "A tensor of zeros.", "Zeros in the shape, dtype and device of `input`.")
ones, ones_like = _constants(
    "ones", "A tensor of ones.", "Ones in the shape, dtype and device of `input`.")
empty, empty_like = _constants(
    "empty", "A tensor that is not initialised: it holds whatever the memory held.",
    "Not initialised, in the shape, dtype and device of `input`.")
rand, rand_like = _random("rand", "random", "Numbers evenly distributed over [0, 1).")
randn, randn_like = _random(
    "randn", "standard_normal", "Normally distributed numbers, mean 0 and variance 1.")


def full(size, fill_value, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of shape `size` that holds `fill_value`.

    Without `dtype`, a bool gives bool, an int int64, a float float32.
    """
    return _full("full", _sizes("full", (size,)), fill_value, dtype, device, requires_grad)


@compat.in_any_format
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None,
              requires_grad: bool = False) -> Tensor:
    """`fill_value` in the shape, dtype and device of `input`."""
    shape, dtype, device = _like("full_like", input, dtype, device)
    return laid_out(_full("full_like", shape, fill_value, dtype, device, requires_grad), input)


def randint(low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None,
            dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Integers evenly distributed over [low, high), int64; ``randint(high, size)`` starts at 0."""
    if size is None:
        high, size = None, high
    if high is None:
        low, high = 0, low
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint: size must be a tuple, got {size!r}")
    sizes = _sizes("randint", (size,))
    return _integers("randint", (low, high), sizes, dtype, device, requires_grad, generator)


@compat.in_any_format
def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None,
                 device: Any = None, requires_grad: bool = False) -> Tensor:
    """Integers evenly distributed over [low, high), in the shape, dtype and device of `input`."""
    bounds = (0, low) if high is None else (low, high)
    like = _like("randint_like", input, dtype, device)
    return laid_out(_integers("randint_like", bounds, *like, requires_grad, None), input)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:
    """The integers from 0 to n - 1 in random order, int64."""
    array = as_random("randperm", generator).permutation(_count("randperm", "n", n))
    array = converted("randperm", array, as_dtype("randperm", dtype or np.int64))
    return _finish("randperm", array, device, requires_grad)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
           dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Normally distributed numbers with the given mean and standard deviation (0 or more).

    Both are numbers, and `size` is given; or one is a tensor, or both, which broadcast.
    """
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        return compat.lookup("tinynet.creation", "normal_around")(mean, std, size, generator)
    mean, std = as_number("normal", "mean", mean), as_number("normal", "std", std, 0)
    sizes = _sizes("normal", (size,))
    draws = _drawn("normal", "standard_normal", sizes, dtype, device, False, generator)
    return (draws * float(std) + float(mean)).requires_grad_(requires_grad)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element of `input` gives, else 0, in `input`'s dtype."""
    as_floats("bernoulli", "input", input)
    if not bool(((input >= 0) & (input <= 1)).all()):
        raise ValueError("bernoulli: input must hold probabilities, from 0 to 1")
    shape = input.array.shape
    draws = _drawn("bernoulli", "random", shape, np.float64, input.device, False, generator)
    return (draws < input.detach()).to(input.dtype)


# --------------------------------------------------------------------------------- from a rule


def _number(value: Any) -> Any:
    """The number that a 0-d tensor holds; anything else as it is."""
    return value.item() if isinstance(value, Tensor) and not value.ndim else value


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None,
        requires_grad: bool = False) -> Tensor:
    """An n x m matrix (default m: n) with ones on the diagonal and zeros elsewhere."""
    rows, columns = _sizes("eye", (n, n if m is None else m))
    kind = as_dtype("eye", dtype or default_dtype)
    with module_on(device, "eye") as xp:
        return _finish("eye", xp.eye(rows, columns, dtype=kind), None, requires_grad)


def arange(start: float, end: float | None = None, step: float = 1, *, dtype: Any = None,
           device: Any = None, requires_grad: bool = False) -> Tensor:
    """The numbers from `start` in steps of `step`, without `end`; ``arange(end)`` starts at 0.

    The dtype is int64 if all three are ints, else float32.

    >>> arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    start, end, step = map(_number, (start, end, step))
    if end is None:
        start, end = 0, start
    whole = all(isinstance(value, (int, np.integer)) for value in (start, end, step))
    kind = as_dtype("arange", dtype or (np.int64 if whole else default_dtype))
    for name, value in (("start", start), ("end", end), ("step", step)):
        if not isinstance(value, (int, float, np.generic)) or not math.isfinite(value):
            raise TypeError(f"arange: {name} must be a finite number, got {value!r}")
        if abs(float(value)) >= 2**63:
            raise ValueError(f"arange: {name} must be below 2**63, got {value!r}")
    if kind == np.int64:
        start, end, step = int(start), int(end), int(step)
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"arange: steps of {step} don't lead from {start} to {end}")
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    if kind.kind in "iu":  # of fractions the whole parts count, as in PyTorch
        start, step = int(start), int(step)
    with module_on(device, "arange") as xp:
        array = start + step * xp.arange(_count("arange", "end", int(count)))
        return _finish("arange", converted("arange", array, kind), None, requires_grad)


def linspace(start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    start, end = [as_number("linspace", name, _number(v))
                  for name, v in (("start", start), ("end", end))]
    kind = as_dtype("linspace", dtype or default_dtype)
    if kind.kind in "iu":  # of fractions the whole parts count, as in PyTorch
        start, end = int(start), int(end)
    array = np.linspace(float(start), float(end), _count("linspace", "steps", steps))
    return _finish("linspace", converted("linspace", array, kind), device, requires_grad)
