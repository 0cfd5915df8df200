"""Checks of arguments. Each error begins with the public name `function`."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np


def as_int(
    function: str, name: str, value: Any, minimum: int | float = -inf, below: int | float = inf
) -> int:
    """`value` as an int, at least `minimum` and less than `below`.

    TypeError for what is no integer (a bool is none), ValueError for one out of range.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        value = int(value)
    if type(value) is not int or not minimum <= value < below:
        rule = f" from {minimum} " + (f"to {below - 1}" if below < inf else "up")
        rule = rule if minimum > -inf else f" below {below}" if below < inf else ""
        error = ValueError if type(value) is int else TypeError
        raise error(f"{function}: {name} must be an int{rule}, got {value!r:.60}")
    return value


def as_bool(function: str, name: str, value: Any) -> bool:
    """`value` if it is True or False; else TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{function}: {name} must be True or False, got {value!r:.60}")
    return bool(value)


def as_choice(function: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """`value` if it is one of the strings `choices`; else ValueError."""
    if not isinstance(value, str) or value not in choices:
        rule = " or ".join(map(repr, choices))
        raise ValueError(f"{function}: {name} must be {rule}, got {value!r:.60}")
    return value
