"""Names of PyTorch's in `nn.init`: fans, and the older names without the underscore at the end."""

import functools
import sys
import warnings
from typing import Any

import numpy as np

from ..nn import init
from ..ops.arguments import as_int, as_tensor

# Fan in and fan out of a weight; and one of the two, as "fan_in" or "fan_out" says.
_calculate_fan_in_and_fan_out = functools.partial(init._fans, "_calculate_fan_in_and_fan_out")
_calculate_correct_fan = functools.partial(init._fan, "_calculate_correct_fan")


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """A convolution's weight that hands its channels on, in each group; the rest is 0."""
    O, C, *sizes = shape = as_tensor("dirac_", "tensor", tensor).shape
    values, groups = np.zeros(shape), as_int("dirac_", "groups", groups, 1)
    if len(shape) not in (3, 4, 5) or O % groups:
        raise ValueError(f"dirac_: expected a weight of 3 to 5 dims whose first size {groups} "
            f"groups divide, got shape {tuple(shape)}")
    for o in range(O):
        if (c := o % (O // groups)) < C:
            values[(o, c, *[n // 2 for n in sizes])] = 1
    return init._write("dirac_", tensor, values)


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
dirac = older(sys.modules[__name__], "dirac")
__all__ = [*_OLDER, "dirac", "dirac_", "_calculate_fan_in_and_fan_out", "_calculate_correct_fan"]
