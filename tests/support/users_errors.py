"""What users hand in and its errors, for tests that these errors arrive untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

KINDS = (ValueError, TypeError, RuntimeError, KeyError, AttributeError)
ARGUMENTS = ("my_config.yaml: the key 'width' is missing", 17)


def yielding(error: Exception, *first: Any) -> Iterator[Any]:
    """A user's generator that fails after some values."""
    yield from first
    raise error


def failing(error: Exception) -> Callable[..., Any]:
    """A user's function that fails."""

    def function(*arguments: Any, **options: Any) -> Any:
        raise error

    return function
