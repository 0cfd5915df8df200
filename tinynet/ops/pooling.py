"""Max-pooling: the largest value under each position of a window. Size letters as in `conv`; a window is a kernel without weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Primitive
from ..backend import array_module
from .conv import Geometry, pad


def _lowest(xp: Any, dtype: Any) -> Any:
    """What padding counts as: less than, or equal to, everything."""
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else int(np.iinfo(dtype).min)


@Primitive
def max_pool2d(xp, x, *, geometry):
    padded = pad(xp, x, geometry, _lowest(xp, x.dtype))
    y = None
    for kh in range(geometry.KH):
        for kw in range(geometry.KW):
            rows, columns = geometry.tap(kh, kw)
            tap = padded[:, :, rows, columns]
            y = xp.maximum(tap, tap) if y is None else xp.maximum(y, tap, out=y)
    return y


def winning_taps(xp: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """Which tap of its window, counted row by row, each maximum `y` came from: the first that equals it."""
    padded = pad(xp, x, geometry, _lowest(xp, x.dtype))
    winners = xp.zeros_like(y, dtype=np.int32 if geometry.KH * geometry.KW > 127 else np.int8)
    for number in reversed(range(geometry.KH * geometry.KW)):  # backwards, so that the first one has the last word
        rows, columns = geometry.tap(*divmod(number, geometry.KW))
        tap = padded[:, :, rows, columns]
        winners[(tap == y) | (tap != tap)] = number  # nan wins, being neither less nor more
    return winners


@Primitive
def _route_back(xp, a, *, winners, geometry):
    # to each window's winner its share; a pixel that won in several windows collects them all
    N, C = a.shape[:2]
    (top, bottom), (left, right) = geometry.padding
    padded = xp.zeros((C, geometry.H + top + bottom, geometry.W + left + right, N), a.dtype).transpose(3, 0, 1, 2)
    for number in range(geometry.KH * geometry.KW):
        rows, columns = geometry.tap(*divmod(number, geometry.KW))
        padded[:, :, rows, columns] += xp.where(winners == number, a, 0)
    return padded[:, :, top : top + geometry.H, left : left + geometry.W]


@Primitive
def _route(xp, a, *, winners, geometry):
    # the winners' values: the adjoint of _route_back
    padded = pad(xp, a, geometry)
    y = xp.zeros_like(winners, dtype=a.dtype)
    for number in range(geometry.KH * geometry.KW):
        rows, columns = geometry.tap(*divmod(number, geometry.KW))
        y += xp.where(winners == number, padded[:, :, rows, columns], 0)
    return y


def _max_pool2d_gradient(g, y, x, geometry):
    from ..backend import array_module

    winners = winning_taps(array_module(x.array), x.array, y.array, geometry)
    return _route_back(g, winners=winners, geometry=geometry)


max_pool2d.derivatives(x=_max_pool2d_gradient)
_route_back.derivatives(a=lambda g, winners, geometry: _route(g, winners=winners, geometry=geometry))
_route.derivatives(a=lambda g, winners, geometry: _route_back(g, winners=winners, geometry=geometry))


def winning_positions(xp: Any, winners: Any, geometry: Geometry) -> Any:
    """The winners' places in the image without its padding, as ``row * W + column``: (N, C, OH, OW), int64."""
    kh, kw = winners // geometry.KW, winners % geometry.KW
    top, left = geometry.padding[0][0], geometry.padding[1][0]
    rows = xp.arange(geometry.OH).reshape(-1, 1) * geometry.stride[0] - top + kh.astype(np.int64) * geometry.dilation[0]
    columns = xp.arange(geometry.OW) * geometry.stride[1] - left + kw.astype(np.int64) * geometry.dilation[1]
    return rows * geometry.W + columns
