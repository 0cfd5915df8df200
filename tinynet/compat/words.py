"""Arguments by other names: numpy's ``axis=``, a tensor for the result, ``out=``, and the like."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import creation
from ..autograd import is_grad_enabled
from ..ops import elementwise as each
from ..tensor import Tensor
from . import public


def respelled(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """Call `function` with `axis` and `keepdims` as `dim` and `keepdim`, and write into `out`."""
    keywords = {_OURS.get(name, name): value for name, value in keywords.items()}
    out, mode = keywords.pop("out", None), keywords.pop("rounding_mode", None)
    if mode is not None:
        if function is not each.div or mode not in ("floor", "trunc"):
            raise ValueError(f"{function.__name__}: rounding_mode is an argument of div, None, "
                f"'floor' or 'trunc'; got {mode!r}")
        function = each.floor_divide if mode == "floor" else _towards_0
    result = function(*args, **keywords)
    return result if out is None else _written(function.__name__, out, result)


_OURS = {"axis": "dim", "keepdims": "keepdim"}


def _towards_0(input: Any, other: Any) -> Any:
    low = each.floor_divide(input, other)
    return low + ((low * other != input) & (low < 0)).to(low.dtype)


def _written(name: str, out: Any, result: Any) -> Any:
    pairs = [(out, result)] if isinstance(out, Tensor) else list(zip(out, result, strict=True))
    for target, values in pairs:
        if is_grad_enabled() and (target.requires_grad or values.requires_grad):
            raise RuntimeError(f"{name}: out= records no gradient; leave it out, or use no_grad()")
        if not np.can_cast(values.dtype, target.dtype, "same_kind"):
            raise RuntimeError(f"{name}: the result is {values.dtype}, but out {target.dtype}")
        if target.shape != values.shape:
            if target.numel():
                warnings.warn(f"{name}: out of shape {tuple(target.shape)} becomes "
                    f"{tuple(values.shape)}, as the result", stacklevel=4)
            target.data = creation.empty(values.shape, dtype=target.dtype, device=target.device)
        target.copy_(values)
    return out


def normal_around(mean: Any, std: Any, size: Any, generator: Any) -> Tensor:
    """`normal` of tensors."""
    if size is not None or (spread := creation.as_tensor(std).detach()).lt(0).any():
        raise ValueError("normal: with a tensor there is no size, and std must be from 0 up")
    like = creation.as_tensor(mean).detach() + spread * 0
    return creation.randn(like.shape, generator=generator, dtype=like.dtype) * spread + like


__all__ = public(globals())
