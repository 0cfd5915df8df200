"""Normalisation: groups of values shifted and scaled to mean 0 and variance 1.

Every norm takes this path. The channels of x (N, C, H, W) are divided into groups of neighbours,
and each group has a mean and a variance: one over all samples in batch norm, whose groups are
single channels; one per sample in instance norm and group norm. In memory the batch is innermost,
(H, C, W, N). So a view (H, groups, C / groups * W, N) holds each group at one place of its second
axis, and statistics are arrays (groups, 1) over all samples or (groups, N) per sample.
"""

from typing import Any, NamedTuple

import numpy as np

from ...arrays import array_module, computing, empty, parallel_slices, scratch
from ...autograd.engine import Primitive
from ...autograd.grad_mode import is_grad_enabled
from ..elementwise import rsqrt
from ..layout import batch_innermost, channel_sums
from ..reductions import centred, mean, sum
from ..shapes import reshape
from ..summing import total
from .channels import lines, scale_channels, sum_channels

# Where the mean of a group is at most NEAR standard deviations from 0, the variance is the mean
# square less the squared mean: rounding errors grow at most by NEAR**2. Elsewhere the mean is
# subtracted first, which takes one more pass.
NEAR = 4


class Statistics(NamedTuple):
    """Mean and variance of each group, and what the formulas need besides.

    The mean is ``offset + remainder``. `offset` (None: 0) is subtracted from the values before
    anything else, because they may all be far from 0; `remainder` is the mean of what is left.
    """

    mean: Any
    var: Any  # biased: divided by `size`
    rstd: Any  # 1 / sqrt(var + eps)
    offset: Any
    remainder: Any
    size: int  # number of values in a group


def _grouped(xp: Any, x: Any, groups: int) -> Any:
    """x (N, C, H, W) as (H, groups, C / groups * W, N), with the batch innermost in memory."""
    x = batch_innermost(xp, x)
    H, C, W, N = x.shape
    return x.reshape(H, groups, C // max(groups, 1) * W, N)


def _centred(xp: Any, x: Any, c: slice, offset: Any) -> Any:
    """The groups `c` of x (H, G, W, N) less their offset, in scratch memory if there is any."""
    if offset is None:
        return x[:, c]
    return xp.subtract(x[:, c], offset[c, None], out=scratch(xp, "centred", x[:, c].shape, x.dtype))


def _sums(xp: Any, a: Any, b: Any, per_sample: bool) -> Any:
    """The sums of a (H, G, W, N), or of a * b, over H and W, and N unless `per_sample`."""
    if not per_sample or a.shape[3] == 1:
        return channel_sums(xp, a, b)[:, None]
    if b is not None:
        a = xp.multiply(a, b, out=scratch(xp, "products", a.shape, a.dtype))
    return total(xp, a, (0, 2), False)


def _near(xp: Any, mean: Any, var: Any) -> bool:
    """Whether all means are near 0. On a GPU no, because the program would have to wait for it."""
    return xp is np and bool((NEAR**2 * var >= mean * mean).all())


def statistics(xp: Any, x: Any, groups: int, per_sample: bool, eps: float) -> Statistics:
    """The statistics of an array x (N, C, H, W)."""
    x = _grouped(xp, x, groups)
    H, G, W, N = x.shape
    shape = (G, N) if per_sample else (G, 1)
    size = max(1, H * W if per_sample else H * W * N)
    offset, remainder, var = [xp.empty(shape, x.dtype) for _ in range(3)]

    def moments_of(values: Any) -> tuple[Any, Any]:
        average = _sums(xp, values, None, per_sample) / size
        return average, _sums(xp, values, values, per_sample) / size - average * average

    def compute(c: slice) -> None:
        offset[c], (average, variance) = 0, moments_of(x[:, c])
        if not _near(xp, average, variance):
            offset[c] = average
            average, variance = moments_of(_centred(xp, x, c, offset))
        remainder[c], var[c] = average, xp.maximum(variance, 0)

    parallel_slices(xp, G, x.size, compute, passes=5)
    needed = offset if xp is not np or offset.any() else None
    return Statistics(offset + remainder, var, 1 / xp.sqrt(var + eps), needed, remainder, size)


@Primitive
def _normalize(xp, x, weight, bias, *, found, groups, eps):
    # (x - mean) * rstd * weight + bias; weight and bias are (groups,) or None
    scale = found.rstd if weight is None else found.rstd * weight[:, None]
    shift = -found.remainder * scale
    shift = shift if bias is None else bias[:, None] + shift
    y = lines(xp, _grouped(xp, x, groups), scale, shift, found.offset)
    N, C, H, W = x.shape
    return y.reshape(H, C, W, N).transpose(3, 1, 0, 2)


def _gradient_arrays(xp: Any, g: Any, x: Any, weight: Any, found: Statistics, groups: int) -> Any:
    """The gradients with respect to x, weight and bias, which share their sums."""
    N, C, H, W = x.shape
    x, g = _grouped(xp, x, groups), _grouped(xp, g, groups)
    dx = empty(xp, x.shape, x.dtype)
    per_sample, size = found.var.shape[1] != 1, found.size
    scale = found.rstd if weight is None else found.rstd * weight[:, None]
    sum_g, sum_gy = xp.empty(found.var.shape, x.dtype), xp.empty(found.var.shape, x.dtype)

    def compute(c: slice) -> None:
        # With y, the values with mean 0 and variance 1 (before weight and bias):
        # dx = scale * (g - mean(g) - y * mean(g * y)), where y = (values - remainder) * rstd
        values, remainder = _centred(xp, x, c, found.offset), found.remainder[c]
        sum_g[c] = _sums(xp, g[:, c], None, per_sample)
        sum_gy[c] = (_sums(xp, g[:, c], values, per_sample) - remainder * sum_g[c]) * found.rstd[c]
        slope = sum_gy[c] * found.rstd[c] / size
        d = xp.multiply(values, slope[:, None], out=dx[:, c])
        xp.add(d, (sum_g[c] / size - remainder * slope)[:, None], out=d)
        xp.subtract(g[:, c], d, out=d)
        xp.multiply(d, scale[c, None], out=d)

    parallel_slices(xp, groups, x.size, compute, passes=7)
    return dx.reshape(H, C, W, N).transpose(3, 1, 0, 2), sum_gy.sum(axis=1), sum_g.sum(axis=1)


def _gradient_formulas(g, x, weight, found: Statistics, groups: int, eps: float) -> Any:
    """The same gradients as operations, which can be differentiated again."""
    N, C, H, W = x.array.shape
    x, g = [reshape(v, N, groups, C // max(groups, 1), H, W) for v in (x, g)]
    dims = (0, 2, 3, 4) if found.var.shape[1] == 1 else (2, 3, 4)
    difference, squares = centred(x, dims)
    rstd = rsqrt(squares / float(found.size) + eps)
    y = difference * rstd
    d_weight, d_bias = sum(g * y, (0, 2, 3, 4)), sum(g, (0, 2, 3, 4))
    g = g if weight is None else g * reshape(weight, -1, 1, 1, 1)
    d = g - mean(g, dims, keepdim=True) - y * mean(g * y, dims, keepdim=True)
    return reshape(rstd * d, N, C, H, W), d_weight, d_bias


def _gradients(g, x, weight, found, groups, eps):
    if is_grad_enabled():
        return _gradient_formulas(g, x, weight, found, groups, eps)
    factor = weight if weight is None else weight.array
    with computing(g.array):
        xp = array_module(g.array, x.array)
        arrays = _gradient_arrays(xp, g.array, x.array, factor, found, groups)
    return [g._make(array) for array in arrays]


_normalize.joint_derivative(_gradients)

# The same by statistics that don't depend on x, so its derivative is that of a line.
_normalize_by = Primitive(_normalize.forward, name="normalize")
_normalize_by.derivatives(
    x=lambda g, weight, found: scale_channels(g, _slope(g, weight, found)),
    weight=lambda g, x, found, groups, eps: sum_channels(
        g, _normalize_by(x, None, None, found=found, groups=groups, eps=eps)),
    bias=lambda g: sum_channels(g, None))


def _slope(g, weight, found: Statistics) -> Any:
    with computing(found.rstd):
        rstd = g._make(found.rstd[:, 0])
    return rstd if weight is None else rstd * weight


def normalize(x: Any, weight: Any, bias: Any, *, groups: int, per_sample: bool, eps: float) -> Any:
    """x (N, C, H, W) with mean 0 and variance 1 in each group, times weight plus bias.

    `weight` and `bias` are (groups,) or None. Also returns the statistics of the groups.
    """
    with computing(x.array):
        found = statistics(array_module(x.array), x.array, groups, per_sample, eps)
    return _normalize(x, weight, bias, found=found, groups=groups, eps=eps), found


def normalize_by(x: Any, mean: Any, var: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` for x (N, C, H, W) and others (C,)."""
    xp = array_module(x.array, mean, var)
    with computing(mean):
        mean, var = mean[:, None], var[:, None]
        offset, remainder = (None, mean) if _near(xp, mean, var) else (mean, xp.zeros_like(mean))
        found = Statistics(mean, var, 1 / xp.sqrt(var + eps), offset, remainder, 1)
    return _normalize_by(x, weight, bias, found=found, groups=len(mean), eps=eps)
