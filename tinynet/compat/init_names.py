"""Names of PyTorch's in `nn.init`: fans, and the older names without the underscore at the end."""

import functools
import warnings
from typing import Any

from ..nn import init
from ..ops.arguments import as_choice
from ..tensor import Tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Fan in and fan out of a weight; the name is PyTorch's."""
    return init._fans("_calculate_fan_in_and_fan_out", tensor)


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """One of the two, as `mode` says: "fan_in" or "fan_out"; the name is PyTorch's."""
    as_choice("_calculate_correct_fan", "mode", mode, ("fan_in", "fan_out"))
    return init._fans("_calculate_correct_fan", tensor)[mode == "fan_out"]


def _older(name: str) -> Any:
    function = getattr(init, f"{name}_")

    @functools.wraps(function)
    def deprecated(*arguments: Any, **options: Any) -> Any:
        warnings.warn(f"{name}: deprecated; use {name}_", FutureWarning, stacklevel=2)
        return function(*arguments, **options)

    return deprecated


_OLDER = """uniform normal constant eye orthogonal xavier_uniform xavier_normal kaiming_uniform
kaiming_normal""".split()
globals().update({name: _older(name) for name in _OLDER})
__all__ = [*_OLDER, "_calculate_fan_in_and_fan_out", "_calculate_correct_fan"]
