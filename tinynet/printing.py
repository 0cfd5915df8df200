"""How a tensor prints: the same text as PyTorch, with ``tinynet.`` where PyTorch writes ``torch.``.

All elements of a tensor have one format, so that columns line up. It depends on the elements that
are shown: whole numbers print as ``3.``, other floats with ``precision`` decimals, and values that
are too large, too small or too far apart in scientific notation. A tensor of more than
``threshold`` elements shows the first and the last ``edgeitems`` along each axis, with ``...``
between.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .ops.arguments import as_bool, as_choice, as_int, as_number, default_dtype

PREFIX = "tensor("
package = "tinynet"  # whose names stand in the texts; "torch" under ``tinynet run``


class PrintOptions(NamedTuple):
    """What ``set_printoptions`` sets; the defaults are PyTorch's."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {"default": PrintOptions(), "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf)}
_options = PROFILES["default"]


def set_printoptions(precision: int | None = None, threshold: float | None = None,
                     edgeitems: int | None = None, linewidth: int | None = None,
                     profile: str | None = None, sci_mode: bool | None = None) -> None:
    """Choose how tensors print from now on. An option that is None stays, except ``sci_mode``.

    Args:
        precision: digits after the decimal point, 0 or more (at first 4).
        threshold: a tensor of more elements is summarised (at first 1000); ``math.inf`` shows all.
        edgeitems: elements shown at each end of a summarised axis, 0 or more (at first 3). With 0,
            a summarised tensor prints as ``[...]``, and tensors with elements show their size.
        linewidth: characters after which a line is wrapped, 1 or more (at first 80).
        profile: start from the defaults (``"default"``), from a precision and edgeitems of 2
            (``"short"``), or from the defaults without summarising (``"full"``); the other
            arguments override it.
        sci_mode: scientific notation always (True), never (False), or by the values (None). As in
            PyTorch, every call sets it.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range. In both cases all options stay as they were.

    >>> import numpy as np
    >>> set_printoptions(precision=2)
    >>> print(format_tensor(np.array([0.5, 1 / 3], dtype=np.float32)))
    tensor([0.50, 0.33])
    >>> set_printoptions(profile="default")
    """
    global _options
    name = "set_printoptions"
    start = _options if profile is None else PROFILES[
        as_choice(name, "profile", profile, tuple(PROFILES))]
    changes: dict[str, Any] = {"sci_mode": sci_mode}
    if sci_mode is not None:
        as_bool(name, "sci_mode", sci_mode)
    if threshold is not None:
        changes["threshold"] = as_number(name, "threshold", threshold, 0, infinite=True)
    ints = {"precision": (precision, 0), "edgeitems": (edgeitems, 0), "linewidth": (linewidth, 1)}
    for option, (value, least) in ints.items():
        if value is not None:
            changes[option] = as_int(name, option, value, least)
    _options = start._replace(**changes)


def format_tensor(array: np.ndarray, suffixes: Sequence[str] = ()) -> str:
    """The text that ``repr`` gives for a tensor.

    Args:
        array: the elements, in host memory: bools, integers, or floats of at most 64 bits; any
            shape, any memory order.
        suffixes: what else to print, such as ``"device='cuda:0'"`` or ``"requires_grad=True"``.
            After a device come the size, where brackets can't show it, and the dtype, where it is
            not the default for such numbers (`default_dtype`, int64, bool).

    Raises:
        TypeError: the array holds something else, such as complex numbers or objects.

    >>> import numpy as np
    >>> print(format_tensor(np.arange(3.0), ["requires_grad=True"]))
    tensor([0., 1., 2.], dtype=tinynet.float64, requires_grad=True)
    >>> print(format_tensor(np.zeros((0, 2), dtype=np.float32)))
    tensor([], size=(0, 2))
    """
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"format_tensor: the array has dtype {array.dtype}; a tensor holds bool, "
            "integers or floats of at most 64 bits; convert it with .astype(...)")
    first = [suffix for suffix in suffixes if suffix.startswith("device=")]
    last = [suffix for suffix in suffixes if suffix not in first]
    empty = array.size == 0
    if (empty and array.ndim != 1) or (not empty and _options.edgeitems == 0):
        first.append(f"size={array.shape}")
    # an empty tensor shows no elements, so only the default goes without saying
    default = default_dtype.name
    if array.dtype.name not in ([default] if empty else [default, "int64", "bool"]):
        first.append(f"dtype={package}.{array.dtype.name}")

    text = PREFIX + _format_elements(array)
    # Lines break where PyTorch breaks them: 2 characters too many count in the elements' last line,
    # and "tinynet." counts as "torch.".
    column = len(text) - (text.rfind("\n") + 1) + 2
    for suffix in first + last:
        length = len(suffix.replace("tinynet.", "torch."))
        wrapped = column + len(", ") + length > _options.linewidth
        text += (",\n" + " " * len(PREFIX) if wrapped else ", ") + suffix
        column = length + (len(PREFIX) if wrapped else column + len(", "))
    return text + ")"


def _format_elements(array: np.ndarray) -> str:
    if array.size == 0:
        return "[]"
    edge = _options.edgeitems
    cut = [array.size > _options.threshold and n > 2 * edge for n in array.shape]
    if edge == 0 and any(cut):
        return "[...]"
    kept = [np.r_[:edge, n - edge : n] if short else np.arange(n)
            for short, n in zip(cut, array.shape, strict=True)]
    shown = array[np.ix_(*kept)]
    write, width = _choose_format(shown.ravel().tolist())
    return _format_block(shown, cut, write, width)


def _format_block(part: np.ndarray, cut: list[bool], write: Callable[[Any], str],
                  width: int) -> str:
    """One bracket and all inside it; ``cut`` has, per axis, whether it is summarised."""
    if part.ndim == 0:
        return write(part.item()).rjust(width)
    axis = len(cut) - part.ndim
    indent = len(PREFIX) + axis  # the column of this bracket
    items = [_format_block(inner, cut, write, width) for inner in part]
    if cut[axis]:
        items.insert(_options.edgeitems, " ..." if part.ndim == 1 else "...")
    newlines = max(1, part.ndim - 1)  # a blank line between matrices, two between stacks of them
    if part.ndim == 1:
        per_line = max(1, (_options.linewidth - indent) // (width + len(", ")))
        items = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + ("," + "\n" * newlines + " " * (indent + 1)).join(items) + "]"


def _choose_format(values: list) -> tuple[Callable[[Any], str], int]:
    """How to write one element, and to which width, so that all of `values` line up."""
    if not isinstance(values[0], float):
        return str, max(len(str(value)) for value in values)
    # as in PyTorch, zeros and non-finite values don't count, even if they don't fit their column
    counted = [value for value in values if value != 0 and math.isfinite(value)]
    smallest, largest = min(map(abs, counted), default=1), max(map(abs, counted), default=1)
    scientific = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    if counted and _options.sci_mode is not None:
        scientific = _options.sci_mode
    spec, point = f".{_options.precision}{'e' if scientific else 'f'}", ""
    if not scientific and all(value.is_integer() for value in counted):
        spec, point = ".0f", "."  # the point says that 3. is a float

    def write(value: float) -> str:
        return format(value, spec) + (point if math.isfinite(value) else "")

    return write, max((len(write(value)) for value in counted), default=1)
