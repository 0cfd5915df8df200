"""The fast way to the three maps of `conv`, tested equal to the plain one.

Every image array is logically (N, C, H, W). In memory the batch is innermost, the order is (H, C, W, N): a copy of one row of pixels is
then one long run instead of OW short ones; and the copies, not the products, are what makes a convolution in numpy slow.

The columns are made for the *width* only (Cho & Brand 2017, "MEC: memory-efficient convolution", arXiv 1706.06873): with

    L[h, c, kw, ow, n] = x[h, c, ow * stride + kw * dilation - pad, n]

the columns that make output row oh are rows oh * stride ... + KH of L, which lie in memory as one (KH*C*KW, OW*N) matrix.
So L has KW times the size of the input, not KH*KW times, and every product reads it through an overlapping view.

Only one loop does convolutions (`_correlate`): unit dilation along the height, any stride, any cropping or padding. All the rest is
reduced to it with strided views, one axis at a time (`Line`). docs/convolution.md leads here from the plain way, with pictures.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...arrays.memory import scratch
from ...arrays.threads import as_many_each, blas_architectures, get_num_threads, parallel, pieces
from ..layout import batch_innermost, empty_images
from .geometry import Geometry

# ------------------------------------------------------------------------------------------ one axis at a time


@dataclass(frozen=True)
class Line:
    """A correlation along one axis: ``out[o][i] = sum_k kernel[taps][k] * in[i][i * stride + k * dilation - pad]``."""

    out: slice
    inp: slice
    taps: slice
    stride: int
    dilation: int
    pad: int


@functools.lru_cache(maxsize=1024)
def _forward_lines(geo: Geometry, axis: int) -> list[Line]:
    """The correlation of the forward pass along one axis; along the height, with dilation 1."""
    full, stride = slice(None), geo.stride[axis]
    dilation = geo.dilation[axis] if geo.kernel[axis] > 1 else stride  # one tap has no dilation; this one lets `_undilate` skip unread rows
    line = Line(full, full, full, stride, dilation, geo.padding[axis][0])
    return _undilate(line) if axis == 0 else [line]


@functools.lru_cache(maxsize=1024)
def _adjoint_lines(geo: Geometry, axis: int) -> tuple[list[Line], bool]:
    """The adjoint of a strided correlation: for each phase of the stride, a correlation of stride 1 with some of the taps, reversed.

    And whether these are all phases: of the others, no window reads a pixel.

    Pixel ``h`` met output ``oh`` through tap ``k`` when ``oh * stride + k * dilation == h + pad``.
    """
    K, stride, dilation, pad = geo.kernel[axis], geo.stride[axis], geo.dilation[axis], geo.padding[axis][0]
    step = stride // math.gcd(stride, dilation)  # between taps that reach the same phase
    lines: list[Line] = []
    phases = range(min(stride, geo.size[axis]))
    for phase in phases:
        taps = [k for k in range(min(step, K)) if (phase + pad - k * dilation) % stride == 0]
        if taps:  # otherwise these pixels were never read
            last = taps[0] + (K - 1 - taps[0]) // step * step
            reverse = slice(last, taps[0] - 1 if taps[0] else None, -step)
            offset = (phase + pad - last * dilation) // stride
            lines.append(Line(slice(phase, None, stride), slice(None), reverse, 1, dilation * step // stride, -offset))
    complete = len(lines) == len(phases)
    return [part for line in lines for part in _undilate(line)] if axis == 0 else lines, complete


def _undilate(line: Line) -> list[Line]:
    """The same correlation as several of dilation 1, each on every ``dilation``-th input pixel."""
    d, s = line.dilation, line.stride
    step = d // math.gcd(s, d)  # outputs whose inputs lie in the same class
    out = line.out
    lines = []
    for first in range(step):
        start = first * s - line.pad  # input pixel under tap 0 of output `first`
        pad = max(0, -(start // d))  # taps that fall before the image
        start += pad * d
        where = slice((out.start or 0) + first * (out.step or 1), None, (out.step or 1) * step)
        lines.append(Line(where, slice(start, None, d), line.taps, s * step // d, 1, pad))
    return lines


# -------------------------------------------------------------------------------------------------- the engine

# Measured with AVX2 (see docs/performance.md); the results don't depend on them but for rounding.
TILE = 1 << 20  # elements of L at a time: a few megabytes, which stay in the last-level cache
SHARE = 1 << 22  # multiplications that are worth handing to a thread: a tenth of a millisecond
BLOCK = 128  # columns of one product where OpenBLAS has kernels that don't copy their operands first, below 10^6 multiplications;
BLOCKED = {"SkylakeX", "Cooperlake", "SapphireRapids"}  # that is with AVX-512. Elsewhere one wide product is quicker.
BAND = 1 << 17  # elements of weight gradients, one of each row of pixels, to sum at a time
FEW = 128  # with fewer columns than this in a row, several rows are gathered for one product
GATHER_AT_MOST = 1.5  # gathering multiplies every pixel of dx with every tap: a waste where windows are few, as with a kernel as large as the image
FEW_CHANNELS = 8  # and where its products would have only so many rows
ADD_FROM = 4  # rows of windows that BLAS need not copy again, for each row of results that is added instead: worth it from here


def _parts(multiplications: int, least: int, threads: int) -> int:
    """In how many parts work is done: at least in so many, and no thread has one more than another.

    If it is much, each has two, so that one that is held up isn't waited for.
    """
    busy = max(1, min(threads, -(-multiplications // SHARE)))
    much = threads > 1 and multiplications >= 32 * threads * SHARE
    return as_many_each(max(least, 2 * busy if much else busy), busy)


@functools.lru_cache(maxsize=1024)
def _tiles(y_shape: tuple[int, ...], G: int, K: int, KH: int, sh: int, threads: int) -> list[tuple[slice, slice, slice, slice]]:
    """The work for y (OH, O, OW, N) in pieces (groups, rows, columns, samples) of about TILE elements of L, some for each thread.

    Rows are cut last, since windows overlap there: what lies on both sides of such a cut is lowered twice.
    """
    OH, O, OW, N = y_shape
    tiles: list = []
    for n in pieces(N, -(-N // min(1024, max(FEW, TILE // K)))):
        N = n.stop - n.start
        lowered = ((OH - 1) * sh + KH) * G * (K // KH) * OW * N
        parts = _parts(OH * OW * N * O * K, -(-lowered // TILE), threads)
        groups = pieces(G, parts)
        cols = pieces(OW, min(-(-parts // len(groups)), max(1, OW * N // FEW)))
        rows = pieces(OH, min(-(-parts // (len(groups) * len(cols))), max(1, OH // KH)))
        tiles += itertools.product(groups, rows, cols, [n])
    return tiles


def _overlay(memory, shape, strides):
    """``memory`` seen with another shape and other strides."""
    if memory.flags.c_contiguous:  # nearly always: numpy's own as_strided takes ten times as long
        return np.ndarray(shape, memory.dtype, memory, 0, strides)
    return as_strided(memory, shape, strides)


def _window(x, first_h: int, R: int, first_w: int, width: int):
    """R rows and `width` columns of x (H, C, W, N) from those on; where they reach beyond it, a copy with zeros there, in scratch memory."""
    H, C, W, N = x.shape
    top, bottom, left, right = max(0, -first_h), min(R, H - first_h), max(0, -first_w), min(width, W - first_w)
    if (top, bottom, left, right) == (0, R, 0, width):
        return x[first_h : first_h + R, :, first_w : first_w + width]
    window = scratch(np, "rows", (R, C, width, N), x.dtype)  # lowered at once, and gone before a product needs the memory
    if top >= bottom or left >= right:
        window[...] = 0
        return window
    window[:top] = 0
    window[bottom:] = 0
    window[top:bottom, :, :left] = 0
    window[top:bottom, :, right:] = 0
    window[top:bottom, :, left:right] = x[first_h + top : first_h + bottom, :, first_w + left : first_w + right]
    return window


def _lower(x, G: int, rows: slice, cols: slice, KH: int, KW: int, h: Line, w: Line, ones: bool):
    """The windows of some output pixels: (rows, G, K, cols*N) with K = KH * (C/G*KW + ones), an overlapping view of scratch memory.

    With ``ones`` each of the KH parts of a window ends in a row of ones, for a bias.
    """
    C, N = x.shape[1], x.shape[3]
    OH, OW, depth = rows.stop - rows.start, cols.stop - cols.start, C // G * KW
    R, P = (OH - 1) * h.stride + KH, OW * N
    seen = _window(x, rows.start * h.stride - h.pad, R, cols.start * w.stride - w.pad, (OW - 1) * w.stride + (KW - 1) * w.dilation + 1)
    row, channel, pixel, sample = seen.strides
    seen = _overlay(seen, (G, R, C // G, KW, OW, N), (C // G * channel, row, channel, w.dilation * pixel, w.stride * pixel, sample))
    pitch = P + 16 if P % 64 == 0 else P  # rows at a power of two would share a few cache lines
    flat = scratch(np, "lowered", (G, R, depth + ones, pitch), x.dtype)
    g, r, k, p = flat.strides
    _overlay(flat, seen.shape, (g, r, KW * k, k, N * p, p))[...] = seen
    if ones:
        flat[:, :, depth, :P] = 1
    return _overlay(flat, (OH, G, KH * (depth + ones), P), (r * h.stride, g, k, p))


def _of(groups: slice, G: int, x):
    """The channels of x (H, C, W, N) that belong to some of its G groups."""
    c = x.shape[1] // G
    return x[:, groups.start * c : groups.stop * c]


def _correlations(x, y, lines_h, lines_w):
    for h, w in itertools.product(lines_h, lines_w):
        if y[h.out, :, w.out].size:
            yield h, w, x[h.inp, :, w.inp], y[h.out, :, w.out]


def _correlate(x, w, b, y, G, lines_h, lines_w) -> None:
    """y (OH, O, OW, N) = x (H, C, W, N) correlated with w (G, O/G, C/G, KH, KW) along the given lines, plus b (O,)."""
    O = y.shape[1]
    work = []
    for h, v, xx, yy in _correlations(x, y, lines_h, lines_w):
        taps = w[..., h.taps, v.taps].transpose(0, 1, 3, 2, 4)  # (G, O/G, KH, C/G, KW)
        _, _, KH, Cg, KW = taps.shape
        matrix = np.zeros((G, O // G, KH, Cg * KW + (b is not None)), w.dtype)
        matrix[..., : Cg * KW].reshape(taps.shape)[...] = taps
        if b is not None:  # the bias is one more tap; it reads the ones of the first part
            matrix[:, :, 0, -1] = b.reshape(G, O // G)
        matrix = matrix.reshape(G, O // G, -1)
        for group, rows, cols, n in _tiles(yy.shape, G, matrix.shape[2], KH, h.stride, get_num_threads()):
            work.append((_of(group, G, xx)[..., n], _of(group, G, yy)[rows, :, cols, n], matrix[group], rows, cols, KH, KW, h, v, b is not None))

    def task(i: int) -> None:
        xx, out, matrix, *rest = work[i]
        (OH, O, width, N), G = out.shape, len(matrix)
        windows = _lower(xx, G, *rest)  # (OH, G, K, P)
        K, P = windows.shape[2:]
        if P < FEW and OH > 1:  # gather rows: one product instead of many small ones
            columns = scratch(np, "columns", (G, K, OH, P), x.dtype)
            columns[...] = windows.transpose(1, 2, 0, 3)
            result = scratch(np, "result", (G, O // G, OH * P), y.dtype)
            np.matmul(matrix, columns.reshape(G, K, OH * P), out=result)
            out[...] = result.reshape(O, OH, width, N).swapaxes(0, 1)
            return
        adjacent = width == 1 or out.strides[2] == N * out.itemsize  # the output pixels of a row, so that a product may write there
        result = out if adjacent else scratch(np, "result", out.shape, y.dtype)
        size = K * O // G
        blocks = (BLOCK, BLOCK // 2) if BLOCKED & blas_architectures() else ()
        block = next((n for n in blocks if P % n == 0 and 100 < size <= 10**6 // n), P)
        windows = windows.reshape(OH, G, K, P // block, block).transpose(0, 3, 1, 2, 4)
        np.matmul(matrix, windows, out=result.reshape(OH, G, O // G, P // block, block).transpose(0, 3, 1, 2, 4))
        if not adjacent:
            out[...] = result

    parallel(len(work), task)


# ------------------------------------------------------------------------------------------------ the three maps


def forward(x: Any, w: Any, b: Any, geo: Geometry) -> Any:
    """y (N, O, OH, OW) = x (N, C, H, W) correlated with w (O, C/G, KH, KW), plus b (O,) unless it is None."""
    G, (O, Cg, KH, KW) = geo.groups, w.shape
    y = empty_images(np, (x.shape[0], O, geo.OH, geo.OW), x.dtype)
    _correlate(
        batch_innermost(np, x),
        w.reshape(G, O // G, Cg, KH, KW),
        b,
        batch_innermost(np, y),
        G,
        _forward_lines(geo, 0),
        _forward_lines(geo, 1),
    )
    return y


def input_grad(g: Any, w: Any, geo: Geometry) -> Any:
    """dx (N, C, H, W): the adjoint of x -> forward(x, w), applied to g (N, O, OH, OW)."""
    G, (O, Cg, KH, KW) = geo.groups, w.shape
    (H, W), (sh, sw) = geo.size, geo.stride
    dx = empty_images(np, (g.shape[0], G * Cg, H, W), g.dtype)
    (lines_h, all_h), (lines_w, all_w) = _adjoint_lines(geo, 0), _adjoint_lines(geo, 1)
    if H * W > GATHER_AT_MOST * geo.OH * geo.OW * sh * sw or Cg < FEW_CHANNELS <= O // G:
        _scatter(batch_innermost(np, g), w, batch_innermost(np, dx), geo)
        return dx
    if not (all_h and all_w):
        dx[...] = 0
    if (KH - 1) * KW * (O // G) >= ADD_FROM * KH * Cg and W * g.shape[0] >= FEW:
        _scatter_rows(batch_innermost(np, g), w, batch_innermost(np, dx), geo, lines_w)
        return dx
    _correlate(
        batch_innermost(np, g),
        w.reshape(G, O // G, Cg, KH, KW).swapaxes(1, 2),
        None,
        batch_innermost(np, dx),
        G,
        lines_h,
        lines_w,
    )
    return dx


def _scatter_rows(g, w, dx, geo: Geometry, lines_w) -> None:
    """dx (H, C, W, N) from g (OH, O, OW, N): the taps along the width gathered, as `_correlate` does, those along the height scattered.

    Every row of g makes KH rows, which are added where they belong. BLAS copies what it multiplies, and so it copies a row of windows once,
    not KH times; with many channels in dx the additions take longer than that.
    """
    G, (O, Cg, KH, KW) = geo.groups, w.shape
    w = w.reshape(G, O // G, Cg, KH, KW).transpose(0, 3, 2, 1, 4)
    OH, H = g.shape[0], dx.shape[0]
    rows = Line(slice(None), slice(None), slice(None), 1, 1, 0)
    work = []
    for line in lines_w:
        out = dx[:, :, line.out]
        matrix = np.ascontiguousarray(w[..., line.taps]).reshape(G, KH * Cg, -1)
        _, _, width, N = out.shape
        K, P = matrix.shape[2], width * N
        parts = _parts(OH * P * matrix.size, -(-OH * G * P * max(K, KH * Cg) // TILE), get_num_threads())
        for cols, n in itertools.product(pieces(width, parts), pieces(N, -(-parts // width))):
            work.append((g[..., n], out[:, :, cols, n], matrix, cols, line))

    def task(i: int) -> None:
        gg, out, matrix, cols, line = work[i]
        out = out.reshape(H, G, Cg, *out.shape[2:])
        windows = _lower(gg, G, slice(0, OH), cols, 1, matrix.shape[2] // (O // G), rows, line, False)  # (OH, G, O/G*KW, P)
        made = scratch(np, "rows", (OH, *matrix.shape[:2], windows.shape[3]), g.dtype)
        np.matmul(matrix, windows, out=made)
        made = made.reshape(OH, G, KH, *out.shape[2:])
        out[...] = 0
        for k, outputs, pixels in geo.inside(0):
            np.add(out[pixels], made[outputs, :, k], out=out[pixels])

    parallel(len(work), task)


def _scatter(g, w, dx, geo: Geometry) -> None:
    """dx (H, C, W, N) = what each pixel of g (OH, O, OW, N) adds to its window: W.T @ G, then additions tap by tap (no two pixels meet there).

    First for the taps along the height, over all of those along the width at once; then for these: KH + KW long additions.
    """
    G, (O, Cg, KH, KW) = geo.groups, w.shape
    OH, _, OW, N = g.shape
    H = dx.shape[0]
    w = w.reshape(G, O // G, Cg, KH, KW)
    parts = _parts(g.size * Cg * KH * KW, OH * Cg * KH * KW * OW * N // TILE, get_num_threads())
    work = list(itertools.product(range(G), pieces(Cg, parts // G), pieces(N, parts // (G * Cg))))

    def task(i: int) -> None:
        group, c, n = work[i]
        source = g[:, group * (O // G) : (group + 1) * (O // G), :, n]
        target = dx[:, group * Cg + c.start : group * Cg + c.stop, :, n]
        source = np.ascontiguousarray(source).reshape(OH, O // G, -1)
        matrix = w[group, :, c].transpose(2, 3, 1, 0).reshape(-1, O // G)  # (KH*KW*c, O/G)
        columns = scratch(np, "columns", (OH, len(matrix), source.shape[2]), g.dtype)
        np.matmul(matrix, source, out=columns)
        columns = columns.reshape(OH, KH, KW, c.stop - c.start, OW, n.stop - n.start)
        rows = scratch(np, "rows", (H, *columns.shape[2:]), g.dtype)
        rows[...] = 0
        for k_h, outputs, pixels in geo.inside(0):
            np.add(rows[pixels], columns[outputs, k_h], out=rows[pixels])
        target[...] = 0
        for k_w, outputs, pixels in geo.inside(1):
            part = target[:, :, pixels]
            np.add(part, rows[:, k_w, :, outputs], out=part)

    parallel(len(work), task)


def weight_grad(x: Any, g: Any, geo: Geometry) -> Any:
    """dw (O, C/G, KH, KW): the adjoint of w -> forward(x, w), applied to g (N, O, OH, OW)."""
    G, (KH, KW) = geo.groups, geo.kernel
    x, g = batch_innermost(np, x), batch_innermost(np, g)
    Cg, Og = x.shape[1] // G, g.shape[1] // G
    K = KH * Cg * KW
    work = []
    for h, v, xx, gg in _correlations(x, g, _forward_lines(geo, 0), _forward_lines(geo, 1)):
        for group, rows, cols, n in _tiles(gg.shape, G, K, KH, h.stride, get_num_threads()):
            work.append((group, _of(group, G, xx)[..., n], _of(group, G, gg)[rows, :, cols, n], rows, cols, KH, KW, h, v, False))
    parts = [np.zeros((w[0].stop - w[0].start, K, Og), x.dtype) for w in work]

    def task(i: int) -> None:
        _, xx, gg, *rest = work[i]
        (OH, _, width, N), G = gg.shape, len(parts[i])
        windows = _lower(xx, G, *rest)  # (OH, G, K, P)
        P = width * N
        gg = gg.reshape(OH, G, Og, P)
        if P < FEW and OH > 1:
            columns = scratch(np, "columns", (G, K, OH, P), x.dtype)
            columns[...] = windows.transpose(1, 2, 0, 3)
            np.matmul(columns.reshape(G, K, OH * P), gg.transpose(1, 0, 3, 2).reshape(G, OH * P, Og), out=parts[i])
            return
        gg = gg.swapaxes(2, 3)  # the taller factor first: BLAS likes that better than g @ windows.T
        band = max(1, BAND // parts[i].size)
        for r in range(0, OH, band):
            rows = scratch(np, "rows", (min(band, OH - r), G, K, Og), x.dtype)
            np.matmul(windows[r : r + band], gg[r : r + band], out=rows)
            np.add(parts[i], rows.sum(axis=0), out=parts[i])

    parallel(len(work), task)
    dw = np.zeros((G, K, Og), x.dtype)
    for (group, *_), part in zip(work, parts, strict=True):  # in this order whichever thread was first
        dw[group] += part
    dw = dw.reshape(G, KH, Cg, KW, Og).transpose(0, 4, 2, 1, 3)
    return np.ascontiguousarray(dw).reshape(G * Og, Cg, KH, KW)
