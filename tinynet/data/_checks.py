"""Checks of arguments. Each takes the name of the public function first, for its error."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Device, Generator, load_cupy


def as_int(
    function: str, name: str, value: Any, minimum: int | None = None, below: int | None = None
) -> int:
    """`value` as an int with minimum <= value < below; else ValueError."""
    low = -np.inf if minimum is None else minimum
    high = np.inf if below is None else below
    is_int = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_int or not low <= value < high:
        rule = f" from {minimum}" if minimum is not None else ""
        rule += f" to {below - 1}" if below is not None else " up" if rule else ""
        raise ValueError(f"{function}: {name} must be an int{rule}, got {value!r:.80}")
    return int(value)


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


def as_device(function: str, device: Any) -> Device:
    """`device` as a Device that this machine has; else TypeError, ValueError or RuntimeError."""
    try:
        found = Device(device)
        if found.type == "cuda":
            load_cupy(found.index or 0)
    except (TypeError, ValueError, RuntimeError) as error:
        raise type(error)(f"{function}: {str(error).removeprefix('device: ')}") from error
    return found


def length_of(function: str, dataset: Any) -> int:
    """``len(dataset)``; TypeError unless `dataset` has a length and can be indexed.

    What the data set's own ``__len__`` raises passes through.
    """
    indexable = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    if not indexable or isinstance(dataset, type) or getattr(dataset, "ndim", 1) == 0:
        given = dataset.__name__ if isinstance(dataset, type) else type(dataset).__name__
        raise TypeError(f"{function}: a data set has a length and can be indexed; got {given}")
    return len(dataset)
