"""Max-pooling: the largest value under each position of a window. Size letters as in `conv`; a window is a kernel without weights."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...arrays import gpu as kernels
from ...arrays.memory import empty, scratch
from ...arrays.threads import by_shares
from ...autograd import Primitive
from ..elementwise import bits, keep
from ..layout import batch_innermost
from .geometry import Geometry
from .plain import pad


def _lowest(dtype: Any) -> Any:
    """What padding counts as: less than, or equal to, everything."""
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _largest_along(xp: Any, x: Any, axis: int, taps: list[tuple[int, slice, slice]], lowest: Any, out: Any) -> None:
    """Into `out` the largest of what the taps see along `axis` of x (H, C, W, N)."""
    everywhere = [pixels for _, outputs, pixels in taps if outputs == slice(0, out.shape[axis])][:2]
    if len(everywhere) == 2:  # almost always: the first two taps start, without writing a lowest value first
        xp.maximum(x[_along(axis, everywhere[0])], x[_along(axis, everywhere[1])], out=out)
    else:
        everywhere = []
        out[...] = lowest
    for _, outputs, pixels in taps:
        if pixels not in everywhere:
            part = out[_along(axis, outputs)]
            xp.maximum(part, x[_along(axis, pixels)], out=part)


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, part)


@kernels.on_gpu(kernels.largest_of_windows)
def largest_of_windows(xp: Any, x: Any, geometry: Geometry, lowest: Any) -> Any:
    """y (N, C, OH, OW): the largest value under each position of the window; padding counts as the `lowest` there is."""
    # first down the columns, then along the rows: KH + KW taps instead of KH * KW
    x = batch_innermost(xp, x)
    _, C, W, N = x.shape
    y = empty(xp, (geometry.OH, C, geometry.OW, N), x.dtype)
    down, along = geometry.taps_on_image(0), geometry.taps_on_image(1)

    def share(c: slice) -> None:
        columns = scratch(xp, "rows", (geometry.OH, c.stop - c.start, W, N), x.dtype)
        _largest_along(xp, x[:, c], 0, down, lowest, columns)
        _largest_along(xp, columns, 2, along, lowest, y[:, c])

    by_shares(xp, C, x.size, share)
    return y.transpose(3, 1, 0, 2)


@functools.lru_cache(maxsize=256)
def _window(geometry: Geometry) -> tuple[list[Any], bool, bool]:
    """The taps of a window, each as what indexes the outputs (OH, C, OW) and the pixels (H, C, W) it reads there; whether no pixel is in two
    windows; and whether each is in one."""
    down, along = geometry.taps_on_image(0), geometry.taps_on_image(1)
    everything = slice(None)
    taps = [((rows_out, everything, columns_out), (rows, everything, columns)) for _, rows_out, rows in down for _, columns_out, columns in along]
    covers = [(k - 1) * d + 1 for k, d in zip(geometry.kernel, geometry.dilation, strict=True)]
    apart = all(s >= cover for s, cover in zip(geometry.stride, covers, strict=True))
    read = tuple(sum(outputs.stop - outputs.start for _, outputs, _ in axis) for axis in (down, along))
    return taps, apart, apart and read == geometry.size


@kernels.on_gpu(kernels.to_the_largest)
def to_the_largest(xp: Any, dy: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """dx (N, C, H, W): each window's share of dy to the first of its pixels that equals its maximum, or to its last nan; shares add up."""
    # Tap by tap, row by row: no two windows meet the same pixel through one tap.
    x, y, dy = batch_innermost(xp, x), batch_innermost(xp, y), batch_innermost(xp, dy)
    H, C, W, N = x.shape
    dx = empty(xp, (H, C, W, N), dy.dtype)
    dx_bits, dy_bits = bits(dx), bits(dy)
    taps, apart, tiled = _window(geometry)

    def share(c: slice) -> None:
        xc, yc, dyc, dxc, dyb, dxb = x[:, c], y[:, c], dy[:, c], dx[:, c], dy_bits[:, c], dx_bits[:, c]
        if not tiled:
            dxc[...] = 0
        seeking = scratch(xp, "seeking", dyc.shape, np.dtype(bool))  # windows that have not found their largest pixel yet
        seeking[...] = True
        for outputs, pixels in taps:
            seek = seeking[outputs]
            hit = scratch(xp, "mask", seek.shape, np.dtype(bool))
            xp.equal(xc[pixels], yc[outputs], out=hit)
            xp.logical_and(hit, seek, out=hit)
            xp.not_equal(seek, hit, out=seek)
            if apart:
                keep(xp, dyb[outputs], hit, dxb[pixels])
            else:
                more = scratch(xp, "more", seek.shape, dy.dtype)
                keep(xp, dyb[outputs], hit, bits(more))
                xp.add(dxc[pixels], more, out=dxc[pixels])
        if seeking.any():  # they have found nothing that equals their maximum, so that is a nan
            for outputs, pixels in reversed(taps):
                hit = xp.isnan(xc[pixels]) & seeking[outputs]
                seeking[outputs] ^= hit
                dxc[pixels] += xp.where(hit, dyc[outputs], 0)

    by_shares(xp, C, x.size, share, passes=2)
    return dx.transpose(3, 1, 0, 2)


@kernels.on_gpu(kernels.winning_taps)
def winning_taps(xp: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """Which tap of its window, counted row by row, each maximum `y` came from: the first that equals it, or the last nan."""
    padded = pad(xp, x, geometry, _lowest(x.dtype))
    real = pad(xp, xp.ones((1, 1, geometry.H, geometry.W), bool), geometry, False)  # padding doesn't win, even over its like
    winners = xp.zeros_like(y, dtype=np.int32 if geometry.KH * geometry.KW > 127 else np.int8)
    for number in reversed(range(geometry.KH * geometry.KW)):  # backwards, so that the first one has the last word
        rows, columns = geometry.tap(*divmod(number, geometry.KW))
        tap = padded[:, :, rows, columns]
        # a window with a nan has no element that equals its maximum, which is nan
        wins = ((tap == y) & real[:, :, rows, columns]) | ((tap != tap) & (winners == 0))
        xp.copyto(winners, number, where=wins)  # winners[wins] = number, for which a GPU would have to wait
    return winners


def winning_positions(xp: Any, winners: Any, geometry: Geometry) -> Any:
    """The winners' places in the image without its padding, as ``row * W + column``: (N, C, OH, OW), int64."""
    kh, kw = winners // geometry.KW, winners % geometry.KW
    top, left = geometry.padding[0][0], geometry.padding[1][0]
    rows = xp.arange(geometry.OH).reshape(-1, 1) * geometry.stride[0] - top + kh.astype(np.int64) * geometry.dilation[0]
    columns = xp.arange(geometry.OW) * geometry.stride[1] - left + kw.astype(np.int64) * geometry.dilation[1]
    return rows * geometry.W + columns


@Primitive
def max_pool2d(xp, x, *, geometry):
    return largest_of_windows(xp, x, geometry, _lowest(x.dtype))


@Primitive
def _scatter(xp, dy, *, image, largest, geometry):
    return to_the_largest(xp, dy, image, largest, geometry)


@Primitive
def _gather(xp, dx, *, image, largest, geometry):
    # the adjoint: for each window, what stands in dx where its largest pixel is
    winners = winning_taps(xp, image, largest, geometry)
    padded = pad(xp, dx, geometry)
    out = xp.zeros_like(largest, dtype=dx.dtype)
    for number in range(geometry.KH * geometry.KW):
        rows, columns = geometry.tap(*divmod(number, geometry.KW))
        out += xp.where(winners == number, padded[:, :, rows, columns], 0)
    return out


# where the largest are is a constant, as far as derivatives are concerned
max_pool2d.derivatives(x=lambda g, y, x, geometry: _scatter(g, image=x.array, largest=y.array, geometry=geometry))
_scatter.derivatives(dy=lambda g, image, largest, geometry: _gather(g, image=image, largest=largest, geometry=geometry))
_gather.derivatives(dx=lambda g, image, largest, geometry: _scatter(g, image=image, largest=largest, geometry=geometry))
