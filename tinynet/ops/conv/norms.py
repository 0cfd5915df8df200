"""Batch normalisation of images in few passes over memory; the formulas in the open, for higher orders, beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays.devices import array_module, computing
from ...arrays.memory import empty, scratch
from ...arrays.threads import by_shares
from ...autograd import Primitive
from ...autograd.grad_mode import is_grad_enabled
from ..elementwise import rsqrt
from ..layout import batch_innermost, channel_sums
from ..reductions import mean, moments, sum
from ..shapes import reshape

_EACH_CHANNEL = (0, 2, 3)


# Where the mean of a channel is at most so many standard deviations from zero, the variance is the mean square less the squared mean: the
# rounding errors of both are multiplied by the square of it, 16, at most. Elsewhere the mean is taken off first.
_NEAR = 4


@Primitive
def batch_norm(xp, x, weight, bias, *, eps, statistics):
    # (x - mean) * rstd * weight + bias, channel by channel. `statistics`, an empty dict, is filled with mean, var and rstd, each (C,),
    # and with what was taken off x first and the mean of the rest.
    x = batch_innermost(xp, x)
    H, C, W, N = x.shape
    y = empty(xp, (H, C, W, N), x.dtype)
    off = xp.zeros(C, x.dtype)
    rest, var, rstd = (xp.empty(C, x.dtype) for _ in range(3))

    def share(c: slice) -> None:  # few channels at a time: they are read from memory once
        seen = x[:, c]
        rest[c], squares = channel_sums(xp, seen) / (H * W * N), channel_sums(xp, seen, seen) / (H * W * N)
        # (a GPU isn't asked, since the program would have to wait for its answer)
        if xp is not np or not (_NEAR**2 * (squares - rest[c] * rest[c]) >= rest[c] * rest[c]).all():
            off[c] = rest[c]
            seen = _less(xp, seen, off[c])
            rest[c], squares = channel_sums(xp, seen) / (H * W * N), channel_sums(xp, seen, seen) / (H * W * N)
        var[c] = xp.maximum(squares - rest[c] * rest[c], 0)
        rstd[c] = 1 / xp.sqrt(var[c] + eps)
        scale = rstd[c] * weight[c]
        xp.multiply(seen, scale[:, None, None], out=y[:, c])
        xp.add(y[:, c], (bias[c] - rest[c] * scale)[:, None, None], out=y[:, c])

    by_shares(xp, C, x.size, share, passes=5)
    statistics.update(mean=off + rest, var=var, rstd=rstd, off=off, rest=rest)
    return y.transpose(3, 1, 0, 2)


def _less(xp: Any, x: Any, off: Any) -> Any:
    """x (H, C, W, N) less `off` (C,), in scratch memory."""
    return xp.subtract(x, off[:, None, None], out=scratch(xp, "centred", x.shape, x.dtype))


def _all_gradients(xp: Any, g: Any, x: Any, weight: Any, off: Any, rest: Any, rstd: Any) -> dict[str, Any]:
    """The gradients with respect to x, weight and bias, which are made of the same sums."""
    x, g = batch_innermost(xp, x), batch_innermost(xp, g)
    H, C, W, N = x.shape
    dx = empty(xp, (H, C, W, N), x.dtype)
    d_weight, d_bias = xp.empty(C, x.dtype), xp.empty(C, x.dtype)

    def share(c: slice) -> None:
        seen = _less(xp, x[:, c], off[c]) if xp is not np or off[c].any() else x[:, c]
        d_bias[c] = channel_sums(xp, g[:, c])
        d_weight[c] = (channel_sums(xp, g[:, c], seen) - rest[c] * d_bias[c]) * rstd[c]
        # dx = weight * rstd * (g - mean(g) - normalised x * mean(g * normalised x)), where normalised x = (seen - rest) * rstd
        scale = d_weight[c] * rstd[c] / (H * W * N)
        d = xp.multiply(seen, scale[:, None, None], out=scratch(xp, "pull", seen.shape, x.dtype))
        xp.add(d, (d_bias[c] / (H * W * N) - rest[c] * scale)[:, None, None], out=d)
        xp.subtract(g[:, c], d, out=d)
        xp.multiply(d, (weight[c] * rstd[c])[:, None, None], out=dx[:, c])

    by_shares(xp, C, x.size, share, passes=7)
    return {"x": dx.transpose(3, 1, 0, 2), "weight": d_weight, "bias": d_bias}


def _gradient(which: str, g: Any, x: Any, weight: Any, eps: float, statistics: dict[str, Any]) -> Any:
    if is_grad_enabled():  # somebody will differentiate this again: the formulas, as operations
        _, centred, squares = moments(x, _EACH_CHANNEL)
        scale = rsqrt(squares / float(x.array.size // weight.array.size) + eps)
        normalised = centred * scale
        if which == "bias":
            return sum(g, _EACH_CHANNEL)
        if which == "weight":
            return sum(g * normalised, _EACH_CHANNEL)
        g = g * reshape(weight, -1, 1, 1)
        along = mean(g * normalised, _EACH_CHANNEL, keepdim=True)
        return scale * (g - mean(g, _EACH_CHANNEL, keepdim=True) - normalised * along)
    # The walk asks for one gradient after the other, with the same g: they are made together and handed out.
    made_for, gradients = statistics.get("gradients", (None, {}))
    if made_for is not g.array or which not in gradients:
        arrays = (g.array, x.array, weight.array, *(statistics[name] for name in ("off", "rest", "rstd")))
        with computing(g.array):
            gradients = _all_gradients(array_module(*arrays), *arrays)
        statistics["gradients"] = (g.array, gradients)
    gradient = gradients.pop(which)
    if not gradients:
        del statistics["gradients"]
    return g._make(gradient)


batch_norm.derivatives(
    x=lambda g, x, weight, eps, statistics: _gradient("x", g, x, weight, eps, statistics),
    weight=lambda g, x, weight, eps, statistics: _gradient("weight", g, x, weight, eps, statistics),
    bias=lambda g, x, weight, eps, statistics: _gradient("bias", g, x, weight, eps, statistics),
)


# ---------------------------------------------------------------- with the averages of the training: a line for each channel


def far_means(mean: Any, var: Any) -> Any:
    """Those of the means (C,) that are to be taken off first, and 0 for the others; None if there are none such."""
    xp = array_module(mean, var)
    with computing(mean):
        if xp is not np:
            return mean.copy()
        far = mean * mean > _NEAR**2 * var
        return np.where(far, mean, 0) if far.any() else None


@Primitive
def scale_channels(xp, x, scale, shift, *, off):
    # (x - off) * scale + shift, channel by channel: x (N, C, H, W), the others (C,); without off or shift these are 0
    x = batch_innermost(xp, x)
    y = empty(xp, x.shape, x.dtype)

    def share(c: slice) -> None:
        seen = x[:, c] if off is None else xp.subtract(x[:, c], off[c, None, None], out=y[:, c])
        xp.multiply(seen, scale[c, None, None], out=y[:, c])
        if shift is not None:
            xp.add(y[:, c], shift[c, None, None], out=y[:, c])

    by_shares(xp, x.shape[1], x.size, share, passes=3)
    return y.transpose(3, 1, 0, 2)


@Primitive
def _channel_products(xp, a, x, *, off):
    # sum(a * (x - off)), channel by channel
    a, x = batch_innermost(xp, a), batch_innermost(xp, x)
    sums = xp.empty(a.shape[1], a.dtype)

    def share(c: slice) -> None:
        sums[c] = channel_sums(xp, a[:, c], x[:, c] if off is None else _less(xp, x[:, c], off[c]))

    by_shares(xp, a.shape[1], a.size, share)
    return sums


scale_channels.derivatives(
    x=lambda g, scale: scale_channels(g, scale, None, off=None),
    scale=lambda g, x, off: _channel_products(g, x, off=off),
    shift=lambda g: sum(g, _EACH_CHANNEL),
)
_channel_products.derivatives(
    a=lambda g, x, off: scale_channels(x, g, None, off=off),
    x=lambda g, a: scale_channels(a, g, None, off=None),
)
