"""Names of PyTorch's in `nn.init`: fans, and the older names without the underscore at the end."""

import functools
import warnings
from typing import Any

from ..nn import init

# Fan in and fan out of a weight; and one of the two, as "fan_in" or "fan_out" says.
_calculate_fan_in_and_fan_out = functools.partial(init._fans, "_calculate_fan_in_and_fan_out")
_calculate_correct_fan = functools.partial(init._fan, "_calculate_correct_fan")


def older(room: Any, name: str) -> Any:
    """A function by its older name, without the underscore, which warns."""
    function = getattr(room, f"{name}_")

    @functools.wraps(function)
    def deprecated(*arguments: Any, **options: Any) -> Any:
        warnings.warn(f"{name}: deprecated; use {name}_", FutureWarning, stacklevel=2)
        return function(*arguments, **options)

    return deprecated


_OLDER = """uniform normal constant eye orthogonal xavier_uniform xavier_normal kaiming_uniform
kaiming_normal""".split()
globals().update({name: older(init, name) for name in _OLDER})
__all__ = [*_OLDER, "_calculate_fan_in_and_fan_out", "_calculate_correct_fan"]
