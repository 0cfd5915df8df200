"""Batch normalisation of images in few passes over memory; the formulas in the open, for higher orders, beside them."""

from __future__ import annotations

from typing import Any

from ..autograd import Primitive, is_grad_enabled
from ..backend import array_module, computing
from ..threads import by_shares, scratch
from .elementwise import rsqrt
from .layout import batch_innermost, channel_sums
from .reductions import mean, sum
from .shapes import reshape

_EACH_CHANNEL = (0, 2, 3)


@Primitive
def batch_norm(xp, x, weight, bias, *, eps, statistics):
    # (x - mean) * rstd * weight + bias, channel by channel. `statistics`, an empty dict, is filled with mean, var and rstd, each (C,).
    x = batch_innermost(xp, x)
    H, C, W, N = x.shape
    y = xp.empty((H, C, W, N), x.dtype)
    average, var, rstd = (xp.empty(C, x.dtype) for _ in range(3))

    def share(c: slice) -> None:  # few channels at a time: they are read from memory once
        average[c] = channel_sums(xp, x[:, c]) / (H * W * N)
        d = scratch(xp, "centred", (H, c.stop - c.start, W, N), x.dtype)
        xp.subtract(x[:, c], average[c][:, None, None], out=d)
        var[c] = channel_sums(xp, d, d) / (H * W * N)
        rstd[c] = 1 / xp.sqrt(var[c] + eps)
        xp.multiply(d, (rstd[c] * weight[c])[:, None, None], out=d)
        xp.add(d, bias[c][:, None, None], out=y[:, c])

    by_shares(xp, C, x.size, share)
    statistics.update(mean=average, var=var, rstd=rstd)
    return y.transpose(3, 1, 0, 2)


def _all_gradients(xp: Any, g: Any, x: Any, weight: Any, average: Any, rstd: Any) -> dict[str, Any]:
    """The gradients with respect to x, weight and bias, which are made of the same sums."""
    x, g = batch_innermost(xp, x), batch_innermost(xp, g)
    H, C, W, N = x.shape
    dx = xp.empty((H, C, W, N), x.dtype)
    d_weight, d_bias = xp.empty(C, x.dtype), xp.empty(C, x.dtype)

    def share(c: slice) -> None:
        d = scratch(xp, "centred", (H, c.stop - c.start, W, N), x.dtype)
        xp.subtract(x[:, c], average[c][:, None, None], out=d)
        d_bias[c] = channel_sums(xp, g[:, c])
        d_weight[c] = channel_sums(xp, g[:, c], d) * rstd[c]
        # dx = weight * rstd * (g - mean(g) - normalised x * mean(g * normalised x))
        xp.multiply(d, (d_weight[c] * rstd[c] / (H * W * N))[:, None, None], out=d)
        xp.add(d, (d_bias[c] / (H * W * N))[:, None, None], out=d)
        xp.subtract(g[:, c], d, out=d)
        xp.multiply(d, (weight[c] * rstd[c])[:, None, None], out=dx[:, c])

    by_shares(xp, C, x.size, share)
    return {"x": dx.transpose(3, 1, 0, 2), "weight": d_weight, "bias": d_bias}


def _gradient(which: str, g: Any, x: Any, weight: Any, eps: float, statistics: dict[str, Any]) -> Any:
    if is_grad_enabled():  # somebody will differentiate this again: the formulas, as operations
        centred = x - mean(x, _EACH_CHANNEL, keepdim=True)
        scale = rsqrt(mean(centred * centred, _EACH_CHANNEL, keepdim=True) + eps)
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
        arrays = (g.array, x.array, weight.array, statistics["mean"], statistics["rstd"])
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
