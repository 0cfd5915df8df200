"""Grad mode: whether operations are recorded in the graph. Every thread has its own."""

import contextlib
import contextvars
import inspect
from collections.abc import Callable
from typing import Any

_enabled: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet_grad", default=True)

is_grad_enabled = _enabled.get  # called by every operation, so it is the variable's own method


class _GradMode(contextlib.ContextDecorator):
    """Set grad mode inside a ``with`` block or a decorated function."""

    mode: bool

    def __new__(cls, function: Any = None) -> Any:
        # ``@no_grad`` without parentheses decorates, as ``@no_grad()`` does
        return cls()(function) if callable(function) else super().__new__(cls)

    def __init__(self) -> None:
        self._tokens: list[contextvars.Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_enabled.set(self.mode))

    def __exit__(self, *error: object) -> None:
        _enabled.reset(self._tokens.pop())

    def _recreate_cm(self) -> "_GradMode":
        # each call of a decorated function gets a context of its own, for threads and recursion
        return enable_grad() if self.mode else no_grad()

    def __call__(self, function: Callable[..., Any]) -> Any:
        if inspect.isgeneratorfunction(function):
            raise TypeError("no_grad/enable_grad can't decorate the generator function "
                f"{function.__name__}: its body runs after the call; use a 'with' block inside it")
        return super().__call__(function)


class no_grad(_GradMode):
    """Don't record operations, so their results don't require grad.

    A context manager and a decorator; for the current thread only.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """

    mode = False


class enable_grad(_GradMode):
    """Record operations again, inside `no_grad`. A context manager and a decorator, per thread."""

    mode = True


class set_grad_enabled(_GradMode):
    """Switch recording on or off from here on; as a context manager, until the end of the block.

    For the current thread only.

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    """

    def __init__(self, mode: bool):
        super().__init__()
        self.mode = bool(mode)
        self._tokens.append(_enabled.set(self.mode))  # at once: it is also a plain function

    def __enter__(self) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Any:
        self.__exit__()  # a decorator acts inside the function, not here
        return super().__call__(function)
