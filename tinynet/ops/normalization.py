"""Batch normalisation of images in few passes over memory; the formulas in the open, for higher orders, beside them."""

from __future__ import annotations

from typing import Any

from ..autograd import Primitive, is_grad_enabled
from ..backend import array_module, computing
from ..memory import empty, scratch
from ..threads import by_shares
from .elementwise import rsqrt
from .layout import batch_innermost, channel_sums
from .reductions import far_from_zero, mean, moments, sum
from .shapes import reshape

_EACH_CHANNEL = (0, 2, 3)


@Primitive
def batch_norm(xp, x, weight, bias, *, eps, statistics):
    # (x - mean) * rstd * weight + bias, channel by channel. `statistics`, an empty dict, is filled with mean, var and rstd, each (C,).
    x = batch_innermost(xp, x)
    H, C, W, N = x.shape
    y = empty(xp, (H, C, W, N), x.dtype)
    average, var, rstd = (xp.empty(C, x.dtype) for _ in range(3))
    left = xp.zeros(C, x.dtype)  # of the mean, after it was rounded and taken off

    def share(c: slice) -> None:  # few channels at a time: they are read from memory once
        average[c] = channel_sums(xp, x[:, c]) / (H * W * N)
        d = scratch(xp, "centred", (H, c.stop - c.start, W, N), x.dtype)
        xp.subtract(x[:, c], average[c][:, None, None], out=d)
        squares = channel_sums(xp, d, d)
        var[c] = squares / (H * W * N)
        if far_from_zero(average[c], squares, H * W * N):
            left[c] = channel_sums(xp, d) / (H * W * N)
            var[c] = xp.maximum(var[c] - left[c] * left[c], 0)
        rstd[c] = 1 / xp.sqrt(var[c] + eps)
        scale = rstd[c] * weight[c]
        xp.multiply(d, scale[:, None, None], out=d)
        xp.add(d, (bias[c] - left[c] * scale)[:, None, None], out=y[:, c])

    by_shares(xp, C, x.size, share, passes=6)
    statistics.update(mean=average + left, var=var, rstd=rstd, taken_off=average, left=left)
    return y.transpose(3, 1, 0, 2)


def _all_gradients(xp: Any, g: Any, x: Any, weight: Any, average: Any, left: Any, rstd: Any) -> dict[str, Any]:
    """The gradients with respect to x, weight and bias, which are made of the same sums."""
    x, g = batch_innermost(xp, x), batch_innermost(xp, g)
    H, C, W, N = x.shape
    dx = empty(xp, (H, C, W, N), x.dtype)
    d_weight, d_bias = xp.empty(C, x.dtype), xp.empty(C, x.dtype)

    def share(c: slice) -> None:
        d = scratch(xp, "centred", (H, c.stop - c.start, W, N), x.dtype)
        xp.subtract(x[:, c], average[c][:, None, None], out=d)
        d_bias[c] = channel_sums(xp, g[:, c])
        d_weight[c] = (channel_sums(xp, g[:, c], d) - left[c] * d_bias[c]) * rstd[c]
        # dx = weight * rstd * (g - mean(g) - normalised x * mean(g * normalised x)), where normalised x = (d - left) * rstd
        scale = d_weight[c] * rstd[c] / (H * W * N)
        xp.multiply(d, scale[:, None, None], out=d)
        xp.add(d, (d_bias[c] / (H * W * N) - left[c] * scale)[:, None, None], out=d)
        xp.subtract(g[:, c], d, out=d)
        xp.multiply(d, (weight[c] * rstd[c])[:, None, None], out=dx[:, c])

    by_shares(xp, C, x.size, share, passes=8)
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
        arrays = (g.array, x.array, weight.array, *(statistics[name] for name in ("taken_off", "left", "rstd")))
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
