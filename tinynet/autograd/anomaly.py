"""Anomaly mode: which operation, called where, was the first to make a nan or an infinity.

The engine asks these functions only while a `detect_anomaly` block is open somewhere; else they cost one look at a number.
"""

from __future__ import annotations

import contextlib
import contextvars
import linecache
import math
import os
import sys
import threading
from typing import Any

from ..arrays.devices import array_module

_OFF, _ORIGINS, _CHECKS = range(3)
_mode: contextvars.ContextVar[int] = contextvars.ContextVar("tinynet_anomaly_mode", default=_OFF)
# How many blocks are open, in whatever thread: a plain number is looked at faster than a context variable.
watching = 0
_lock = threading.Lock()
_PACKAGE = os.path.dirname(os.path.dirname(__file__))


class detect_anomaly(contextlib.ContextDecorator):
    """Raise RuntimeError at the first operation whose result, or whose gradient, is nan or infinite where its inputs were not.

    The error names the operation, the module and the line of the user's program; for a gradient, the line that called the
    operation in the forward pass. It also says if a nan was in the data or the weights before any operation saw them. Infinities
    that are put in on purpose, such as -inf to mask scores, are let through: only who makes one of finite numbers is blamed.

    A context manager and a decorator, per thread. Inside, small operations take several times as long, a convolutional net about a
    quarter longer.

    >>> import tinynet
    >>> x = tinynet.tensor([1.0, 0.0])
    >>> with detect_anomaly():
    ...     (x + 1).log()
    ...     x.log()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    RuntimeError: detect_anomaly: log made -inf, at index (1,) ...
    """

    def __init__(self) -> None:
        self._before: list[contextvars.Token[int]] = []

    def __enter__(self) -> None:
        self._before.append(_mode.set(_CHECKS))
        _count(1)

    def __exit__(self, *error: object) -> None:
        _count(-1)
        _mode.reset(self._before.pop())

    def _recreate_cm(self) -> detect_anomaly:
        return detect_anomaly()  # one for each call of a decorated function, for threads and recursion


def _count(change: int) -> None:
    global watching
    with _lock:
        watching += change


def origin() -> str:
    """Where in the user's program we are, and in which module, in words; empty outside anomaly mode."""
    if _mode.get() == _OFF:
        return ""
    frame: Any = sys._getframe(1)
    line, modules = "", []
    while frame is not None:
        code = frame.f_code
        if not line and not code.co_filename.startswith(_PACKAGE):
            source = linecache.getline(code.co_filename, frame.f_lineno).strip()
            line = f'File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}' + (f"\n    {source}" if source else "")
        if code.co_name == "forward" and hasattr(module := frame.f_locals.get("self"), "named_modules"):
            modules.append(module)
        frame = frame.f_back
    if not modules:
        return line
    innermost, outermost = modules[0], modules[-1]
    kind = type(innermost).__name__
    name = next((name for name, module in outermost.named_modules() if module is innermost), "")
    return f"in module {name} ({kind}) of {type(outermost).__name__}, {line}" if name else f"in module {kind}, {line}"


def check_result(name: str, inputs: dict[str, Any], constants: dict[str, Any], result: Any) -> None:
    """Raise if the operation `name` made, of `inputs`, a `result` with the first nan or infinity. Variables, or numbers."""
    if _mode.get() != _CHECKS or not (wrong := _wrong(result.array)):
        return
    numbers = [*inputs.values(), *constants.values()]
    if any(isinstance(v, float) and not math.isfinite(v) for v in numbers):
        return  # asked for by name, as by masked_fill(mask, -inf)
    for label, value in inputs.items():
        if hasattr(value, "array") and (there := _wrong(value.array)):
            if not there.startswith("nan"):
                if wrong.startswith("nan"):
                    raise RuntimeError(f"detect_anomaly: {name} made {wrong}, out of {there} in its input {label!r}; {origin()}")
                return
            changed = f"; {value._version.changed_by} was the last to change it" if value._version.changed_by else ""
            raise RuntimeError(
                f"detect_anomaly: input {label!r} of {name} held {there} before any operation that was watched, so it was in the "
                f"data or the weights{changed}; {origin()}"
            )
    raise RuntimeError(f"detect_anomaly: {name} made {wrong}, out of finite inputs; {origin()}")


def checked_gradient(node: Any, i: int, g: Any) -> Any:
    """``node.gradient(i, g)``; raises if that is the first nan or infinity on the way back."""
    if _mode.get() == _OFF:
        return node.gradient(i, g)
    # What happens inside a derivative is its own affair: where() often discards an infinity that it had to compute.
    token = _mode.set(_ORIGINS)
    try:
        share = node.gradient(i, g)
    finally:
        _mode.reset(token)
    if _mode.get() == _CHECKS and (wrong := _wrong(share.array)):
        blame = f"the backward pass of {node.primitive.name} made {wrong} in the gradient of its input {node._input_name(i)}"
        if arrived := _wrong(g.array):
            blame = f"backward was given a gradient with {arrived}, and {blame}"
        where = getattr(node, "origin", "") or "outside anomaly mode, so put the forward pass in the block too"
        raise RuntimeError(f"detect_anomaly: {blame}; it was called {where}")
    return share


def _wrong(array: Any) -> str:
    """The first nan of `array`, or else the first infinity, and where it is; empty if there is none."""
    if array.dtype.kind != "f":
        return ""
    xp = array_module(array)
    fine = xp.isfinite(array)
    if bool(fine.all()):
        return ""
    nans = xp.isnan(array)
    worst = nans if bool(nans.any()) else ~fine
    place = tuple(int(i) for i in xp.unravel_index(int(worst.argmax()), worst.shape))
    count = int((~fine).sum())
    others = f" and {count - 1:,} more" if count > 1 else ""
    return f"{float(array[place])}, at index {place}{others} in {array.dtype} of shape {tuple(array.shape)}"
