"""Arguments by other names: numpy's ``axis=``, a tensor for the result, ``out=``, and the like."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import creation
from ..autograd import is_grad_enabled
from ..ops import elementwise as each
from ..ops.arguments import as_floats, as_int, OTHER_WORDS
from ..tensor import Tensor
from . import public


def respelled(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """Call `function` with `axis` and `keepdims` as `dim` and `keepdim`, and write into `out`."""
    name = function.__name__
    known = {*inspect.signature(function).parameters, *OTHER_WORDS}
    for wrong in keywords.keys() - (known if function is each.round else known - {"decimals"}):
        raise TypeError(f"{name}: got an unexpected keyword argument {wrong!r}; expected "
            f"{name}{inspect.signature(function)}")
    for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
        if theirs in keywords:
            if ours in keywords:
                raise TypeError(f"{name}: give {ours} or {theirs}, not both")
            keywords[ours] = keywords.pop(theirs)
    out, mode = keywords.pop("out", None), keywords.pop("rounding_mode", None)
    if mode is not None:
        if function is not each.div or mode not in ("floor", "trunc"):
            raise ValueError(f"{name}: rounding_mode is an argument of div, None, "
                f"'floor' or 'trunc'; got {mode!r}")
        function = each.floor_divide if mode == "floor" else _towards_0
    if "decimals" in keywords:  # of round, as said above
        function = functools.partial(_rounded, decimals=keywords.pop("decimals"))
    result = function(*args, **keywords)
    return result if out is None else _written(name, out, result)


def _towards_0(input: Any, other: Any) -> Any:
    low = each.floor_divide(input, other)
    return low + ((low * other != input) & (low < 0)).to(low.dtype)


def _rounded(input: Any, decimals: int) -> Any:
    factor = 10.0 ** abs(as_int("round", "decimals", decimals))
    if decimals > 0:
        return each.round(as_floats("round", "input", input) * factor) / factor
    return each.round(input / factor) * factor if decimals else each.round(input)


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
