"""One line for each channel, y = x * scale + shift, and the sums that are its adjoints."""

from typing import Any

import numpy as np

from ...arrays import empty, parallel_slices
from ...autograd.engine import Primitive
from ..layout import batch_innermost, channel_sums, has_short_rows
from ..shapes import expand, reshape


def lines(xp: Any, x: Any, scale: Any, shift: Any, offset: Any = None) -> Any:
    """(x - offset) * scale + shift for x (H, C, W, N); the others are (C, 1) or (C, N).

    `shift` and `offset` may be None, which stands for 0.
    """
    y = empty(xp, x.shape, x.dtype)
    images, results = x, y
    scale, shift, offset = [v if v is None else v[:, None] for v in (scale, shift, offset)]
    if xp is np and has_short_rows(x):  # make rows of all channels, with a number for each value
        images, results = [a.reshape(len(a), -1) for a in (x, y)]
        scale, shift, offset = [v if v is None else np.broadcast_to(v, x.shape[1:]).reshape(-1)
                                for v in (scale, shift, offset)]

    def compute(rows: slice) -> None:  # few at a time, because few stay in the cache
        values, out = images[rows], results[rows]
        if offset is not None:
            values = xp.subtract(values, offset, out=out)
        xp.multiply(values, scale, out=out)
        if shift is not None:
            xp.add(out, shift, out=out)

    parallel_slices(xp, len(x), x.size, compute, passes=3)
    return y


@Primitive
def scale_channels(xp, x, scale):
    # x (N, C, H, W) times scale (C,)
    return lines(xp, batch_innermost(xp, x), scale[:, None], None).transpose(3, 1, 0, 2)


@Primitive
def sum_channels(xp, a, x):
    # the sums of a * x over all but the channel, (C,); of `a` alone if x is None
    a, x = batch_innermost(xp, a), x if x is None else batch_innermost(xp, x)
    sums = xp.empty(a.shape[1], a.dtype)

    def compute(c: slice) -> None:
        sums[c] = channel_sums(xp, a[:, c], x if x is None else x[:, c])

    parallel_slices(xp, a.shape[1], a.size, compute)
    return sums


def _to_each(g, x, a_shape):
    return expand(reshape(g, -1, 1, 1), a_shape) if x is None else scale_channels(x, g)


scale_channels.derivatives(
    x=lambda g, scale: scale_channels(g, scale), scale=lambda g, x: sum_channels(g, x))
sum_channels.derivatives(a=_to_each, x=lambda g, a: scale_channels(a, g))
