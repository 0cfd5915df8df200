"""Ways out of common mistakes. Errors ask for them when they are raised, so they cost nothing."""

import difflib
import inspect
import math
from collections.abc import Iterable
from typing import Any

from . import public

# What other libraries call an argument.
_OTHERS = {
    "pad": "padding", "kernel": "kernel_size", "filters": "out_channels", "units": "out_features",
    "learning_rate": "lr"}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The name among `known` that is most like `name`, as a question; "" if none is."""
    names = list(known)
    other = _OTHERS.get(name)
    close = [other] if other in names else difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]}?" if close else ""


def misspelt(name: str, known: Iterable[str]) -> str:
    """The name among `known` that may be meant to be `name`."""
    close = difflib.get_close_matches(name, known, 1)
    return f"; is {close[0]} misspelt?" if close else ""


def check_options(layer: type, options: dict[str, Any]) -> None:
    """TypeError for an option that the ``__init__`` of a layer does not know."""
    known = inspect.signature(layer.__init__).parameters  # type: ignore[misc]
    for name in options:
        if name not in known and not [p for p in known.values() if p.kind is p.VAR_KEYWORD]:
            names = [n for n in known if n != "self"]
            raise TypeError(f"{layer.__name__}: got an unexpected keyword argument {name!r}"
                f"{did_you_mean(name, names)}; expected {layer.__name__}({', '.join(names)})")


def image(shape: tuple[int, ...], C: int) -> str:
    """For an input of this shape where C channels are expected."""
    if shape[-1] == C:
        return f"; are channels last? x.permute({'2, 0, 1' if len(shape) == 3 else '0, 3, 1, 2'})"
    if len(shape) == 3:
        return ("; it is read as one image (C, H, W); is the channel dimension missing? "
            "x.unsqueeze(1)")
    return ""


def features(shape: tuple[int, ...], O: int, C: int) -> str:
    """For an input of this shape where a linear layer expects C features."""
    sizes, n = "·".join(map(str, shape[1:])), math.prod(shape[1:])
    flatten = f"; flatten(1) first: {sizes} = {n}" if len(shape) > 2 else ""
    return flatten + (f"; Linear({n}, {O}) fits" if len(shape) > 1 and n != C else "")


def labels(shape: tuple[int, ...], given: tuple[int, ...]) -> str:
    """For targets of shape `given` for scores of this shape."""
    if given == shape:
        return "; from one-hot rows, target.argmax(1)"
    return "; target.squeeze(1)" if given == (shape[0], 1) else ""


def dtypes(arrays: dict[str, Any]) -> str:
    """For arrays, by name, that should have one dtype."""
    for name, array in arrays.items():
        if array.dtype in ("uint8", "float64"):
            return f": {name}.float()" + (" / 255 for images" if array.dtype == "uint8" else "")
    return ""


def layers(container: str, value: Any) -> str:
    """For what is no module where one is expected."""
    if isinstance(value, type):
        return f"; it is a class, {value.__name__}() makes a layer"
    return f"; {container}(*layers) takes a list" if isinstance(value, (list, tuple)) else ""


__all__ = public(globals())
