"""Pooling: the largest value under each position of a window, and sums over windows.

Size letters as in `geometry`; a window is a kernel without weights.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from ...arrays import constant, empty, gpu as kernels, parallel_slices, scratch
from ...autograd.engine import Primitive
from ..elementwise import bits_as_integers, copy_where
from ..layout import batch_innermost
from .geometry import Geometry, Tap

# ------------------------------------------------------------------------------ the largest values


def _lowest(dtype: Any) -> Any:
    """What padding counts as: the lowest value of `dtype`."""
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else int(np.iinfo(dtype).min)


@kernels.on_gpu(kernels.largest_of_windows)
def largest_of_windows(xp: Any, x: Any, geometry: Geometry, lowest: Any) -> Any:
    """y (N, C, OH, OW): the largest value under each position of the window.

    `lowest` is the lowest value of the dtype, which padding counts as. First down the columns, then
    along the rows: KH + KW taps instead of KH * KW.
    """
    x = batch_innermost(xp, x)
    _, C, W, N = x.shape
    y = empty(xp, (geometry.OH, C, geometry.OW, N), x.dtype)
    down, along = _first_and_other_taps(geometry, 0), _first_and_other_taps(geometry, 1)

    def compute(c: slice) -> None:
        columns = scratch(xp, "rows", (geometry.OH, c.stop - c.start, W, N), x.dtype)
        _largest_along(xp, x[:, c], 0, *down, lowest, columns)
        _largest_along(xp, columns, 2, *along, lowest, y[:, c])

    parallel_slices(xp, C, x.size, compute)
    return y.transpose(3, 1, 0, 2)


@functools.lru_cache(maxsize=256)
def _first_and_other_taps(geometry: Geometry, axis: int) -> tuple[list[Tap], list[Tap]]:
    """Two taps that reach all outputs along an axis, if there are two, and the others."""
    taps, every = geometry.taps_on_image(axis), slice(0, geometry.out(axis))
    first = [tap for tap in taps if tap.outputs == every][:2]
    first = first if len(first) == 2 else []
    return first, [tap for tap in taps if tap not in first]


def _largest_along(xp, x, axis: int, first: list[Tap], others: list[Tap], lowest, out) -> None:
    """Write the largest of what the taps read along an axis of x (H, C, W, N) into `out`."""

    def at(part: slice) -> tuple[slice, ...]:
        return (*(slice(None),) * axis, part)

    if first:  # almost always: their maximum saves writing `lowest`
        xp.maximum(x[at(first[0].pixels)], x[at(first[1].pixels)], out=out)
    else:
        out[...] = lowest
    for tap in others:
        part = out[at(tap.outputs)]
        xp.maximum(part, x[at(tap.pixels)], out=part)


# ---------------------------------------------------------------------- back to the largest values


class _Window(NamedTuple):
    """The taps of a window: their numbers, row by row, the outputs, and the pixels they read."""

    taps: list[tuple[int, Any, Any]]  # with indices into (OH, C, OW, N) and into (H, C, W, N)
    disjoint: bool  # no pixel is in two windows
    tiling: bool  # every pixel is in exactly one


@functools.lru_cache(maxsize=256)
def _window(geometry: Geometry) -> _Window:
    every = slice(None)
    taps = [
        (kh * geometry.KW + kw, (out_rows, every, out_columns), (rows, every, columns))
        for kh, out_rows, rows in geometry.taps_on_image(0)
        for kw, out_columns, columns in geometry.taps_on_image(1)]
    reads = np.zeros((geometry.H, 1, geometry.W), np.int64)  # how many windows read each pixel
    for _, _, pixels in taps:
        reads[pixels] += 1
    return _Window(taps, bool((reads <= 1).all()), bool((reads == 1).all()))


@kernels.on_gpu(kernels.to_the_largest)
def to_the_largest(xp: Any, dy: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """dx (N, C, H, W): each window's dy goes to the first of its pixels that equals its maximum.

    If the maximum is nan, dy goes to the last nan. A pixel adds up what it gets from its windows.
    """
    x, y, dy = batch_innermost(xp, x), batch_innermost(xp, y), batch_innermost(xp, dy)
    H, C, W, N = x.shape
    dx = empty(xp, (H, C, W, N), dy.dtype)
    window = _window(geometry)

    def compute(c: slice) -> None:
        if not window.tiling:
            dx[:, c] = 0
        seeking = scratch(xp, "seeking", dy[:, c].shape, np.dtype(bool))
        seeking[...] = True  # windows that have not found their largest pixel yet
        # tap by tap, because no two windows meet the same pixel through one tap
        _to_equal(xp, dy[:, c], x[:, c], y[:, c], window, seeking, dx[:, c])
        if seeking.any():  # nothing equals their maximum, so it is nan
            _to_nan(xp, dy[:, c], x[:, c], window, seeking, dx[:, c])

    parallel_slices(xp, C, x.size, compute, passes=2)
    return dx.transpose(3, 1, 0, 2)


def _to_equal(xp: Any, dy: Any, x: Any, y: Any, window: _Window, seeking: Any, dx: Any) -> None:
    source, goal = bits_as_integers(dy), bits_as_integers(dx)
    mask = scratch(xp, "mask", seeking.shape, np.dtype(bool))
    for _, outputs, pixels in window.taps:
        still, found = seeking[outputs], mask[outputs]
        xp.equal(x[pixels], y[outputs], out=found)
        xp.logical_and(found, still, out=found)
        xp.not_equal(still, found, out=still)
        if window.disjoint:
            copy_where(xp, source[outputs], found, goal[pixels])
        else:
            more = scratch(xp, "more", still.shape, dy.dtype)
            copy_where(xp, source[outputs], found, bits_as_integers(more))
            xp.add(dx[pixels], more, out=dx[pixels])


def _to_nan(xp: Any, dy: Any, x: Any, window: _Window, seeking: Any, dx: Any) -> None:
    for _, outputs, pixels in reversed(window.taps):
        found = xp.isnan(x[pixels]) & seeking[outputs]
        seeking[outputs] ^= found
        dx[pixels] += xp.where(found, dy[outputs], 0)


@kernels.on_gpu(kernels.winning_taps)
def winning_taps(xp: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """The tap that each maximum `y` came from, counted row by row.

    It is the first whose pixel equals the maximum, or the last that is nan.
    """
    winners = xp.zeros_like(y, dtype=np.int32 if geometry.KH * geometry.KW > 127 else np.int8)
    x, y, out = [array.transpose(2, 1, 3, 0) for array in (x, y, winners)]
    for number, outputs, pixels in reversed(_window(geometry).taps):  # so the first is written last
        tap, found = x[pixels], out[outputs]
        # in a window with a nan no element equals the maximum, which is nan
        xp.copyto(found, number, where=(tap == y[outputs]) | ((tap != tap) & (found == 0)))
    return winners


def winning_positions(xp: Any, winners: Any, geometry: Geometry) -> Any:
    """The winners' places in the image, as ``row * W + column``: (N, C, OH, OW), int64."""
    kh, kw = (winners // geometry.KW).astype(np.int64), (winners % geometry.KW).astype(np.int64)
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    rows = xp.arange(geometry.OH).reshape(-1, 1) * sh - geometry.padding[0][0] + kh * dh
    columns = xp.arange(geometry.OW) * sw - geometry.padding[1][0] + kw * dw
    return rows * geometry.W + columns


# --------------------------------------------------------------------------------- as primitives


@Primitive
def max_pool2d(xp, x, *, geometry):
    return largest_of_windows(xp, x, geometry, _lowest(x.dtype))


@Primitive
def _scatter(xp, dy, *, maxima):
    # `maxima` are the images, their largest values, and the geometry
    return to_the_largest(xp, dy, *maxima)


@Primitive
def _gather(xp, dx, *, maxima):
    # the adjoint of `_scatter`: for each window, what dx has at its largest pixel
    x, y, geometry = maxima
    winners, dx = [a.transpose(2, 1, 3, 0) for a in (winning_taps(xp, x, y, geometry), dx)]
    out = xp.zeros(winners.shape, dx.dtype)
    for number, outputs, pixels in _window(geometry).taps:
        out[outputs] += xp.where(winners[outputs] == number, dx[pixels], 0)
    return out.transpose(3, 1, 0, 2)


# where the largest values are is constant as far as derivatives are concerned
max_pool2d.derivatives(x=lambda g, y, x, geometry: _scatter(g, maxima=(x.array, y.array, geometry)))
_scatter.derivatives(dy=lambda g, maxima: _gather(g, maxima=maxima))
_gather.derivatives(dx=lambda g, maxima: _scatter(g, maxima=maxima))


# -------------------------------------------------------------------------------- sums over windows
# Average pooling and interpolation are made of these. The windows only move forward: none starts or
# stops before the previous one. So the windows that hold a given element are neighbours, in other
# words a window of windows. Therefore the adjoint of such a sum is such a sum again: one primitive
# is its own derivative, to every order.


@Primitive
def sum_windows(xp, x, *, starts, stops, dim):
    # Element o of the result is the sum of x[starts[o]:stops[o]] along dim 2 or 3 of (N, C, H, W).
    # Add the first elements of all windows at once, then the second of those that have two, ...
    x = batch_innermost(xp, x)  # (H, C, W, N)
    along = (slice(None),) * (0 if dim == 2 else 2)
    out = xp.empty([*x.shape[: len(along)], len(starts), *x.shape[len(along) + 1 :]], x.dtype)
    if (starts == stops).any():
        out.fill(0)  # because an empty window has no first element
    for tap in range((stops - starts).max(initial=0)):
        reached = np.flatnonzero(stops - starts > tap)
        read, into = [(*along, _index(xp, places)) for places in (starts[reached] + tap, reached)]
        found = x[read] if isinstance(read[-1], slice) else x.take(read[-1], axis=len(along))
        if tap == 0:
            out[into] = found
        else:
            out[into] += found
    return out.transpose(3, 1, 0, 2)


def _index(xp: Any, positions: np.ndarray) -> Any:
    """`positions` as an index: a slice, which copies nothing, if they are evenly spaced."""
    steps = np.diff(positions)
    step = int(steps[0]) if len(steps) else 1
    if step > 0 and (steps == step).all():
        return slice(int(positions[0]), int(positions[-1]) + 1, step)
    return constant(xp, positions)


def _adjoint(g, x_shape, starts, stops, dim):
    # element i is in the windows from the first that stops behind it to the last that has started
    i = np.arange(x_shape[dim])
    first, behind = [np.searchsorted(ends, i, side="right") for ends in (stops, starts)]
    return sum_windows(g, starts=first, stops=behind, dim=dim)


sum_windows.derivatives(x=_adjoint)
