"""Anomaly mode: which operation, called where, was the first to make a nan or an infinity.

The engine calls these functions only while a `detect_anomaly` block is open in some thread; else
they cost one look at a number.
"""

import contextlib
import contextvars
import math
import os
import sys
import threading
import traceback
import zlib
from typing import Any

import numpy as np

from ..arrays import array_module

# _ORIGINS: inside a derivative. Its own intermediate results are not checked, because where()
# often discards an infinity that it had to compute; but its operations remember their origin.
_OFF, _ORIGINS, _CHECKS = range(3)
_mode: contextvars.ContextVar[int] = contextvars.ContextVar("tinynet_anomaly_mode", default=_OFF)
watching = 0  # open blocks in all threads; a number, because that is quicker to look at than _mode
_lock = threading.Lock()
_PACKAGE = os.path.dirname(os.path.dirname(__file__))


class detect_anomaly(contextlib.ContextDecorator):
    """Raise RuntimeError at the first result or gradient that is nan or infinite.

    The error names the operation, the module and the line of the user's program; for a gradient,
    the line that called the operation in the forward pass. It also says if a nan was in the data or
    the weights before any operation. Only an operation that makes an infinity of finite numbers is
    blamed, so infinities put in on purpose, such as -inf to mask scores, pass.

    Inside the block the backward pass also notices if a value that it needs was changed through a
    numpy array that shares the tensor's memory.

    A context manager and a decorator, for the current thread. Small operations take several times
    as long inside, a convolutional net about half as long again.

    >>> import tinynet
    >>> x = tinynet.tensor([1.0, 0.0])
    >>> with detect_anomaly():
    ...     (x + 1).log()
    ...     x.log()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    RuntimeError: detect_anomaly: log made -inf, at index (1,) ...
    """

    def __init__(self) -> None:
        self._tokens: list[contextvars.Token[int]] = []

    def __enter__(self) -> None:
        self._tokens.append(_mode.set(_CHECKS))
        _count(1)

    def __exit__(self, *error: object) -> None:
        _count(-1)
        _mode.reset(self._tokens.pop())

    def _recreate_cm(self) -> "detect_anomaly":
        return detect_anomaly()  # one for each call of a decorated function


def _count(change: int) -> None:
    global watching
    with _lock:
        watching += change


def checksum(array: np.ndarray) -> int:
    """A number that changes if the values of `array` change."""
    return zlib.crc32(array.ravel(order="K").view(np.uint8).data)


def fingerprint(array: Any) -> int | None:
    """The checksum of a value that a node keeps; None outside `detect_anomaly` and on a GPU."""
    return checksum(array) if _mode.get() == _CHECKS and isinstance(array, np.ndarray) else None


def check_result(primitive: Any, inputs: tuple[Any, ...], constants: dict, result: Any) -> None:
    """Raise if `primitive` made the first nan or infinity; else remember where it was called."""
    mode = _mode.get()
    if mode == _CHECKS and (wrong := _wrong(result.array)):
        labels = map(str, range(len(inputs))) if primitive.variadic else primitive.inputs
        _blame(primitive.name, dict(zip(labels, inputs, strict=False)), constants, wrong)
    if mode != _OFF and result._node is not None:
        result._node.origin = _origin()


def _blame(name: str, inputs: dict[str, Any], constants: dict[str, Any], wrong: str) -> None:
    """Raise, unless the inputs explain the `wrong` result of the operation `name`."""
    numbers = [*inputs.values(), *constants.values()]
    if any(isinstance(v, float) and not math.isfinite(v) for v in numbers):
        return  # asked for by name, as by masked_fill(mask, -inf)
    of = "finite inputs"
    for label, value in inputs.items():
        if not hasattr(value, "array") or not (given := _wrong(value.array)):
            continue
        if given.startswith("nan"):
            writer = value._changes.changed_by
            last = f"; {writer} was the last to change it" if writer else ""
            raise RuntimeError(f"detect_anomaly: input {label!r} of {name} held {given} before any "
                "operation that was watched, so it was in the data or the weights"
                f"{last}; {_origin()}")
        if not wrong.startswith("nan"):
            return
        of = f"{given} in its input {label!r}"
        break
    raise RuntimeError(f"detect_anomaly: {name} made {wrong}, out of {of}; {_origin()}")


def gradients(node: Any, g: Any, positions: list[int]) -> dict[int, Any]:
    """``node.gradients(g, positions)``; raises at the first nan or infinity on the way back."""
    before = _mode.get()
    if before == _OFF:
        return node.gradients(g, positions)
    token = _mode.set(_ORIGINS)
    try:
        made = node.gradients(g, positions)
    finally:
        _mode.reset(token)
    for i, gradient in made.items():
        if before == _CHECKS and (wrong := _wrong(gradient.array)):
            blame = (f"the backward pass of {node.primitive.name} made {wrong} in the gradient of "
                f"its input {node.input_name(i)}")
            if arrived := _wrong(g.array):
                blame = f"backward was given a gradient with {arrived}, and {blame}"
            where = getattr(node, "origin", "")
            where = where or "outside anomaly mode, so put the forward pass in the block too"
            raise RuntimeError(f"detect_anomaly: {blame}; it was called {where}")
    return made


def _origin() -> str:
    """In which module, and by which line of the user's program, this is called, in words."""
    frame: Any = sys._getframe(1)
    line, modules = "", []
    while frame is not None:
        code = frame.f_code
        if not line and not code.co_filename.startswith(_PACKAGE):
            place = traceback.FrameSummary(code.co_filename, frame.f_lineno, code.co_name)
            line = traceback.format_list([place])[0].strip()
        owner: Any = frame.f_locals.get("self") if code.co_name == "forward" else None
        if hasattr(owner, "named_modules"):
            modules.append(owner)
        frame = frame.f_back
    if not modules:
        return line
    innermost, outermost = modules[0], modules[-1]
    kind = type(innermost).__name__
    name = next((name for name, module in outermost.named_modules() if module is innermost), "")
    of = f" {name} ({kind}) of {type(outermost).__name__}" if name else f" {kind}"
    return f"in module{of}, {line}"


def _wrong(array: Any) -> str:
    """The first nan, or else the first infinity, in words; empty if there is none."""
    if array.dtype.kind != "f":
        return ""
    xp = array_module(array)
    finite = xp.isfinite(array)
    if bool(finite.all()):
        return ""
    nans = xp.isnan(array)
    worst = nans if bool(nans.any()) else ~finite
    place = tuple(int(i) for i in xp.unravel_index(int(worst.argmax()), worst.shape))
    count = int((~finite).sum())
    others = f" and {count - 1:,} more" if count > 1 else ""
    return (f"{float(array[place])}, at index {place}{others} in {array.dtype} of shape "
        f"{tuple(array.shape)}")
