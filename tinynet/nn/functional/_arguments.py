"""Checks that several functions share. Everything below `nn.functional` trusts what has passed through them."""

from __future__ import annotations

import operator
from typing import Any

from ...backend import array_module, device_of
from ...ops.shapes import reshape, unsqueeze
from ...tensor import Tensor


def as_tensor(function: str, name: str, value: Any) -> Tensor:
    """`value` if it is a tensor; else TypeError."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{function}: {name} must be a tensor, got {type(value).__name__}")
    return value


def as_floats(function: str, name: str, value: Any) -> Tensor:
    """`value` if it is a tensor of floats; else TypeError."""
    if as_tensor(function, name, value).array.dtype.kind != "f":
        raise TypeError(f"{function}: {name} must hold floats, got {value.dtype}; convert it with .float()")
    return value


def same_dtype(function: str, **tensors: Tensor | None) -> None:
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


def as_batch(function: str, x: Any, dims: str = "(N, C, H, W)") -> tuple[Tensor, bool]:
    """`x` with a batch dimension in front, and whether that had to be added; `dims` names the dimensions wanted."""
    ndim = dims.count(",") + 1
    as_tensor(function, "input", x)
    if x.array.ndim == ndim:
        return x, False
    if x.array.ndim != ndim - 1:
        raise ValueError(f"{function}: input must be {dims}, or without N; got shape {tuple(x.shape)}")
    return unsqueeze(x, 0), True


def unbatched(y: Tensor, was_unbatched: bool) -> Tensor:
    """`y` without its batch dimension if `as_batch` had to add one."""
    return reshape(y, y.shape[1:]) if was_unbatched else y


def as_reduction(function: str, reduction: Any, *more: str) -> str:
    """`reduction` if it is one of the three, or of `more`; else ValueError."""
    known = ("none", "mean", "sum", *more)
    if reduction not in known:
        raise ValueError(f"{function}: reduction must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, got {reduction!r}")
    return reduction


