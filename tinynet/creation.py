"""Functions that make tensors: from data, from a rule, or at random.

All take the keywords ``dtype`` (default float32, or what the data suggest), ``device`` (default the CPU) and
``requires_grad`` (default False); random ones also ``generator`` (default the one that `manual_seed` seeds).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays.devices import Device, computing, device_of, module_on, to_device
from .arrays.random import Generator, default_generator
from .autograd import Variable
from .ops.arguments import as_dtype, as_number, as_shape, by_keyword, in_own_name
from .ops.dtypes import default_dtype
from .tensor import Tensor


def _finish(array: Any, device: Any, requires_grad: bool) -> Tensor:
    result = Tensor._wrap(array if device is None else to_device(array, Device(device)))
    return result.requires_grad_() if requires_grad else result


def _converted(name: str, array: Any, dtype: np.dtype) -> Any:
    """`array` as `dtype`; ValueError for numbers that an integer dtype can't hold, which numpy would turn into others."""
    if dtype.kind in "iu" and array.dtype != dtype and array.size:
        lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
        if not (lowest <= array.min() and array.max() <= highest):  # nan is neither
            raise ValueError(f"{name}: some numbers don't fit into {dtype}, which goes from {lowest} to {highest}")
    return array.astype(dtype, copy=False)


def _sizes(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = as_shape(name, size)
    if any(n < 0 for n in shape):
        raise ValueError(f"{name}: sizes must be from 0 up, got {shape}")
    return shape


def _count(name: str, argument: str, value: Any) -> int:
    if isinstance(value, (tuple, list)):
        raise TypeError(f"{name}: {argument} must be an int, got {value!r}")
    return _sizes(name, (value,))[0]


# -------------------------------------------------------------------------------------------------- from data


def _first_element(data: Any) -> Any:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _unwrapped(data: Any) -> Any:
    """Nested sequences with the tensors in them replaced by arrays."""
    if isinstance(data, Variable):
        return data.detach().numpy(force=True)  # type: ignore[attr-defined]
    return [_unwrapped(item) for item in data] if isinstance(data, (list, tuple)) else data


@in_own_name
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`: a number, nested sequences of numbers, an array or a tensor.

    Without `dtype`, Python floats become float32, ints int64 and bools bool; arrays and tensors keep theirs.
    ValueError for sequences of unequal lengths, TypeError for anything that is not a number.

    >>> tensor([[1, 2], [3, 4.5]])
    tensor([[1.0000, 2.0000],
            [3.0000, 4.5000]])
    """
    if isinstance(data, Tensor):
        return _finish(data.detach().clone().to(dtype=dtype or data.dtype).array, device, requires_grad)
    if hasattr(data, "__cuda_array_interface__"):
        with computing(data):
            return _finish(data.astype(as_dtype("tensor", dtype or data.dtype)), device, requires_grad)
    wanted = None if dtype is None else as_dtype("tensor", dtype)
    try:
        array = np.array(_unwrapped(data))
    except ValueError as error:
        raise ValueError("tensor: the sequences in data don't form a box, each must be as long as its neighbours") from error
    if array.size == 0 and isinstance(data, (list, tuple)):
        array = array.astype(default_dtype)
    if array.dtype.kind in "Ou" and type(_first_element(data)) is int:
        raise ValueError("tensor: some of the ints don't fit into int64; write them as floats")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"tensor: can't make a tensor of {type(_first_element(data)).__name__} data; expected numbers or bools")
    if wanted is None and array.dtype == np.float64 and type(_first_element(data)) in (bool, int, float):
        wanted = default_dtype
    return _finish(_converted("tensor", array, wanted or array.dtype.newbyteorder("=")), device, requires_grad)


@in_own_name
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing its memory where that is possible."""
    if isinstance(data, Tensor):
        return data.to(**{k: v for k, v in (("dtype", dtype), ("device", device)) if v is not None})
    if isinstance(data, np.ndarray):
        return as_tensor(from_numpy(data), dtype, device)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a numpy array: what is written to one is seen in the other."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy array, got {type(ndarray).__name__}")
    as_dtype("from_numpy", ndarray.dtype)
    result = Tensor._wrap(ndarray.view(np.ndarray))
    return result


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares the memory of another library's CPU tensor."""
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected a tensor of a library that speaks DLPack, got {type(ext_tensor).__name__}")
    try:
        return from_numpy(np.from_dlpack(ext_tensor))
    except BufferError as error:
        raise ValueError(f"from_dlpack: this {type(ext_tensor).__name__} can't be shared: {error}") from error


# -------------------------------------------------------------------------------------------------- from a rule


@in_own_name
def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of shape `size` with `fill_value` everywhere, whose kind decides the dtype unless `dtype` is given."""
    if isinstance(fill_value, Variable):
        fill_value = fill_value.item()  # type: ignore[attr-defined]
    if not isinstance(fill_value, (bool, int, float, np.generic)):
        raise TypeError(f"full: fill_value must be a number, got {type(fill_value).__name__}")
    if dtype is None:
        dtype = {"b": bool, "i": np.int64, "u": np.int64}.get(np.asarray(fill_value).dtype.kind, default_dtype)
    shape = _sizes("full", (size,))
    value = _converted("full", np.asarray(fill_value), as_dtype("full", dtype))
    with module_on(device) as xp:
        array = xp.full(shape, value.item(), value.dtype)
    return _finish(array, None, requires_grad)


@by_keyword("size")
@in_own_name
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros; the sizes as separate arguments or as one sequence."""
    with module_on(device) as xp:
        array = xp.zeros(_sizes("zeros", size), as_dtype("zeros", dtype or default_dtype))
    return _finish(array, None, requires_grad)


@by_keyword("size")
@in_own_name
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; the sizes as separate arguments or as one sequence."""
    with module_on(device) as xp:
        array = xp.ones(_sizes("ones", size), as_dtype("ones", dtype or default_dtype))
    return _finish(array, None, requires_grad)


@by_keyword("size")
@in_own_name
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose values are whatever the memory held; the sizes as separate arguments or as one sequence."""
    with module_on(device) as xp:
        array = xp.empty(_sizes("empty", size), as_dtype("empty", dtype or default_dtype))
    return _finish(array, None, requires_grad)


@in_own_name
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """An n x m matrix (m is n by default) with ones on the diagonal and zeros elsewhere."""
    rows, columns = _sizes("eye", (n, n if m is None else m))
    with module_on(device) as xp:
        array = xp.eye(rows, columns, dtype=as_dtype("eye", dtype or default_dtype))
    return _finish(array, None, requires_grad)


@in_own_name
def arange(
    start: float, end: float | None = None, step: float = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The numbers from `start` on in steps of `step`, `end` not included; ``arange(end)`` starts at 0.

    int64 if all three are ints, else float32.

    >>> arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    if end is None:
        start, end = 0, start
    for name, value in (("start", start), ("end", end), ("step", step)):
        if not isinstance(value, (int, float, np.generic)) or not math.isfinite(value):
            raise TypeError(f"arange: {name} must be a finite number, got {value!r}")
        if abs(value) >= 2**63:
            raise ValueError(f"arange: {name} must be below 2**63, got {value!r}")
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"arange: steps of {step} don't lead from {start} to {end}")
    whole = all(isinstance(value, (int, np.integer)) for value in (start, end, step))
    kind = as_dtype("arange", dtype or (np.int64 if whole else default_dtype))
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    with module_on(device) as xp:
        array = (start + step * xp.arange(_count("arange", "end", int(count)))).astype(kind)
    return _finish(array, None, requires_grad)


@in_own_name
def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    start, end = as_number("linspace", "start", start), as_number("linspace", "end", end)
    count = _count("linspace", "steps", steps)
    return _finish(np.linspace(float(start), float(end), count).astype(as_dtype("linspace", dtype or default_dtype)), device, requires_grad)


# ------------------------------------------------------------------------------------------------------ random


def _generator(name: str, generator: Any) -> np.random.Generator:
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise TypeError(f"{name}: expected a tinynet.Generator, got {type(generator).__name__}")
    return generator.numpy


def _float_dtype(name: str, dtype: Any) -> np.dtype:
    kind = as_dtype(name, dtype or default_dtype)
    if kind.kind != "f":
        raise TypeError(f"{name}: draws floats, so dtype must be a floating one, got {kind}")
    return kind


@by_keyword("size")
@in_own_name
def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers evenly distributed over [0, 1)."""
    kind = _float_dtype("rand", dtype)
    draw = np.float64 if kind == np.float64 else np.float32
    array = _generator("rand", generator).random(_sizes("rand", size), draw).astype(kind, copy=False)
    return _finish(array, device, requires_grad)


@by_keyword("size")
@in_own_name
def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normally distributed numbers with mean 0 and standard deviation 1."""
    kind = _float_dtype("randn", dtype)
    draw = np.float64 if kind == np.float64 else np.float32
    array = _generator("randn", generator).standard_normal(_sizes("randn", size), draw).astype(kind, copy=False)
    return _finish(array, device, requires_grad)


@in_own_name
def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:
    """Whole numbers evenly distributed over [low, high), int64; ``randint(high, size)`` starts at 0."""
    if size is None:
        low, high, size = 0, low, high
    if not all(isinstance(bound, (int, np.integer)) for bound in (low, high)) or not isinstance(size, (tuple, list)):
        raise TypeError(f"randint: expected ints low and high and a tuple size, got {low!r}, {high!r}, {size!r}")
    if low >= high:
        raise ValueError(f"randint: low must be less than high, got {low} and {high}")
    if not -(2**63) <= low < high <= 2**63:
        raise ValueError(f"randint: low and high must fit in 64 bits, got {low} and {high}")
    array = _generator("randint", generator).integers(low, high, _sizes("randint", (size,)))
    return _finish(array.astype(as_dtype("randint", dtype or np.int64), copy=False), device, requires_grad)


@in_own_name
def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The numbers from 0 to n - 1 in random order, int64."""
    count = _count("randperm", "n", n)
    array = _generator("randperm", generator).permutation(count)
    return _finish(array.astype(as_dtype("randperm", dtype or np.int64), copy=False), device, requires_grad)


@in_own_name
def normal(
    mean: float, std: float, size: Any, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normally distributed numbers with the given mean and standard deviation."""
    mean, std = as_number("normal", "mean", mean), as_number("normal", "std", std, 0)
    draws = randn(size, generator=generator, dtype=dtype, device=device)
    return (draws * float(std) + float(mean)).requires_grad_(requires_grad)


@in_own_name
def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element of `input` gives, else 0, in the dtype of `input`."""
    if not isinstance(input, Tensor) or not input.is_floating_point():
        raise TypeError(f"bernoulli: expected a tensor of floats, the probabilities; got {getattr(input, 'dtype', type(input).__name__)}")
    if not bool(((input >= 0) & (input <= 1)).all()):
        raise ValueError("bernoulli: input must hold probabilities, from 0 to 1")
    draws = rand(input.shape, generator=generator, dtype=np.float64, device=input.device)
    return (draws < input.detach()).to(input.dtype)


# -------------------------------------------------------------------------------------------- like another tensor


def _like(name: str, input: Any, dtype: Any, device: Any) -> dict[str, Any]:
    if not isinstance(input, Variable):
        raise TypeError(f"{name}: expected a tensor to take shape, dtype and device from, got {type(input).__name__}")
    return {
        "size": tuple(input.array.shape),
        "dtype": dtype or input.array.dtype,
        "device": device_of(input.array) if device is None else device,
    }


@in_own_name
def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape, dtype and device of `input`."""
    return zeros(**_like("zeros_like", input, dtype, device), requires_grad=requires_grad)


@in_own_name
def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape, dtype and device of `input`."""
    return ones(**_like("ones_like", input, dtype, device), requires_grad=requires_grad)


@in_own_name
def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Whatever the memory held, in the shape, dtype and device of `input`."""
    return empty(**_like("empty_like", input, dtype, device), requires_grad=requires_grad)


@in_own_name
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`fill_value` in the shape, dtype and device of `input`."""
    return full(fill_value=fill_value, **_like("full_like", input, dtype, device), requires_grad=requires_grad)


@in_own_name
def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers evenly distributed over [0, 1), in the shape, dtype and device of `input`."""
    return rand(generator=generator, **_like("rand_like", input, dtype, device), requires_grad=requires_grad)


@in_own_name
def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normally distributed numbers in the shape, dtype and device of `input`."""
    return randn(generator=generator, **_like("randn_like", input, dtype, device), requires_grad=requires_grad)


@in_own_name
def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Whole numbers evenly distributed over [low, high), in the shape, dtype and device of `input`."""
    bounds = (0, low) if high is None else (low, high)
    return randint(*bounds, **_like("randint_like", input, dtype, device))
