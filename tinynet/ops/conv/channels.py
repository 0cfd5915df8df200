"""One line for each channel, y = (x - offset) * scale + shift, and the sums that are its adjoints."""

from __future__ import annotations

from typing import Any

from ...arrays.memory import empty, scratch
from ...arrays.threads import by_shares
from ...autograd.engine import Primitive
from ..layout import batch_innermost, channel_sums
from ..shapes import expand, reshape


def lines(xp: Any, x: Any, scale: Any, shift: Any, offset: Any) -> Any:
    """(x - offset) * scale + shift for x (H, C, W, N); the others are (C, 1) or (C, N).

    `shift` or `offset` may be None, which stands for 0.
    """
    y = empty(xp, x.shape, x.dtype)

    def compute(c: slice) -> None:  # few channels at a time, because few stay in the cache
        values = x[:, c]
        if offset is not None:
            values = xp.subtract(values, offset[c, None], out=y[:, c])
        xp.multiply(values, scale[c, None], out=y[:, c])
        if shift is not None:
            xp.add(y[:, c], shift[c, None], out=y[:, c])

    by_shares(xp, x.shape[1], x.size, compute, passes=3)
    return y


def centred(xp: Any, x: Any, c: slice, offset: Any) -> Any:
    """The channels `c` of x (H, C, W, N) less `offset`, (C, 1) or (C, N), in scratch memory."""
    if offset is None:
        return x[:, c]
    out = scratch(xp, "centred", x[:, c].shape, x.dtype)
    return xp.subtract(x[:, c], offset[c, None], out=out)


def _columns(*vectors: Any) -> list[Any]:
    return [v if v is None else v[:, None] for v in vectors]


@Primitive
def scale_channels(xp, x, scale, shift, *, offset):
    # (x - offset) * scale + shift: x is (N, C, H, W), the others are (C,); offset and shift may be None
    scale, shift, offset = _columns(scale, shift, offset)
    return lines(xp, batch_innermost(xp, x), scale, shift, offset).transpose(3, 1, 0, 2)


@Primitive
def sum_channels(xp, a, x, *, offset):
    # the sums of a * (x - offset) over all but the channel, (C,); of `a` alone if x is None
    a = batch_innermost(xp, a)
    x = x if x is None else batch_innermost(xp, x)
    (offset,) = _columns(offset)
    sums = xp.empty(a.shape[1], a.dtype)

    def compute(c: slice) -> None:
        sums[c] = channel_sums(xp, a[:, c], x if x is None else centred(xp, x, c, offset))

    by_shares(xp, a.shape[1], a.size, compute)
    return sums


def _each_summand(g, x, a_shape, offset):
    if x is None:
        return expand(reshape(g, -1, 1, 1), a_shape)
    return scale_channels(x, g, None, offset=offset)


scale_channels.derivatives(
    x=lambda g, scale: scale_channels(g, scale, None, offset=None),
    scale=lambda g, x, offset: sum_channels(g, x, offset=offset),
    shift=lambda g: sum_channels(g, None, offset=None),
)
sum_channels.derivatives(
    a=_each_summand,
    x=lambda g, a: scale_channels(a, g, None, offset=None),
)
