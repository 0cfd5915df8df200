"""Whether operations are recorded."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from collections.abc import Callable
from typing import Any

_grad_enabled: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet_grad_enabled", default=True)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return _grad_enabled.get()


class _GradMode(contextlib.ContextDecorator):
    """Record operations, or don't, inside a ``with`` block or a decorated function; for the current thread only."""

    mode: bool

    def __new__(cls, function: Any = None) -> Any:
        # ``@no_grad`` without parentheses decorates, as ``@no_grad()`` does
        return cls()(function) if callable(function) else super().__new__(cls)

    def __init__(self) -> None:
        self._before: list[contextvars.Token[bool]] = []

    def __enter__(self) -> None:
        self._before.append(_grad_enabled.set(self.mode))

    def __exit__(self, *error: object) -> None:
        _grad_enabled.reset(self._before.pop())

    def _recreate_cm(self) -> _GradMode:
        # each call of a decorated function gets its own context, so that threads and recursion don't share one
        return enable_grad() if self.mode else no_grad()

    def __call__(self, function: Callable[..., Any]) -> Any:
        if inspect.isgeneratorfunction(function):
            raise TypeError(
                f"no_grad/enable_grad can't decorate the generator function {function.__name__}: "
                "its body runs after the call; use a 'with' block inside it"
            )
        return super().__call__(function)


class no_grad(_GradMode):
    """Don't record operations: results don't require grad. A context manager and a decorator, per thread.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """

    mode = False


class enable_grad(_GradMode):
    """Record operations again, inside `no_grad`. A context manager and a decorator, per thread."""

    mode = True


class set_grad_enabled(_GradMode):
    """Record operations from here on, or stop; as a context manager, until the end of the block. Per thread.

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    """

    def __init__(self, mode: bool):
        super().__init__()
        self.mode = bool(mode)
        self._before.append(_grad_enabled.set(self.mode))  # at once: it is also called as a plain function

    def __enter__(self) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Any:
        self.__exit__()  # as a decorator it acts inside the function, not here
        return super().__call__(function)
