"""The fast way to the three maps of `plain`, tested equal to the plain way.

Every image array is (N, C, H, W), but in memory the batch is innermost: (H, C, W, N). So a row of
pixels is one long run instead of OW short ones, and numpy copies it several times as fast. That
matters because a convolution in numpy spends most of its time in copies, not in products.

Columns are made for the *width* only (Cho & Brand 2017, "MEC: memory-efficient convolution",
arXiv 1706.06873). With

    L[h, c, kw, ow, n] = x[h, c, ow * stride + kw * dilation - pad, n]

the columns of output row oh are the rows oh * stride, ..., oh * stride + KH - 1 of L. These lie in
memory as one (KH*C*KW, OW*N) matrix. So L has KW times the size of x, not KH*KW times, and every
product reads it through an overlapping view.

One function correlates, `_correlate`: dilation 1 along the height, any stride, any cropping or
padding. Everything else is reduced to that by strided views, one axis at a time (`Line`).
docs/convolution.md leads from the plain way to this one, with pictures.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...arrays import (
    balanced_parts, blas_architectures, empty, get_num_threads, parallel, pieces, scratch)
from ..layout import SHORT, batch_innermost, copy_pixels, copy_taps, empty_images
from .geometry import Geometry

# ------------------------------------------------------------------------------ one axis at a time

ALL = slice(None)


class Line(NamedTuple):
    """A correlation along one axis, of slices of the input and the taps, to a slice of the output.

    out[line.out][i] = sum_k kernel[line.taps][k] * inp[line.inp][i * stride + k * dilation - pad]
    """

    out: slice
    inp: slice
    taps: slice
    stride: int
    dilation: int
    pad: int


@functools.lru_cache(maxsize=1024)
def _forward_lines(geo: Geometry, axis: int) -> list[Line]:
    """The correlation of the forward pass along one axis; along the height, with dilation 1."""
    # a single tap has no dilation; equal to the stride it lets `_undilate` skip unread rows
    dilation = geo.dilation[axis] if geo.kernel[axis] > 1 else geo.stride[axis]
    line = Line(ALL, ALL, ALL, geo.stride[axis], dilation, geo.padding[axis][0])
    return _undilate(line) if axis == 0 else [line]


@functools.lru_cache(maxsize=1024)
def _adjoint_lines(geo: Geometry, axis: int) -> tuple[list[Line], bool]:
    """The adjoint of the forward pass along one axis, and whether it reaches every pixel.

    Pixel h meets output oh through tap k if ``oh * stride + k * dilation == h + pad``. With a
    stride of 2, the pixels of even h (phase 0) and of odd h (phase 1) meet different taps. So the
    adjoint is a correlation for each phase: stride 1, some of the taps, in reverse. A phase that
    meets no tap has no line.

    Stride 2, 3 taps: phase 0 meets taps 2 and 0, phase 1 meets tap 1.

    >>> lines, complete = _adjoint_lines(Geometry(7, 1, 3, 1, stride=(2, 1)), axis=0)
    >>> [(line.out, [0, 1, 2][line.taps], line.pad) for line in lines]
    [(slice(0, None, 2), [2, 0], 1), (slice(1, None, 2), [1], 0)]

    The same as the definition:

    >>> kernel, g, dx, found = np.array([2, 3, 5]), np.array([1, 10, 100]), np.zeros(7), np.zeros(7)
    >>> for oh, k in itertools.product(range(3), range(3)):
    ...     dx[oh * 2 + k] += kernel[k] * g[oh]
    >>> for line in lines:
    ...     part, taps, inp = found[line.out], kernel[line.taps], g[line.inp]
    ...     for i, k in itertools.product(range(len(part)), range(len(taps))):
    ...         at = i * line.stride + k * line.dilation - line.pad
    ...         part[i] += taps[k] * inp[at] if 0 <= at < len(inp) else 0
    >>> np.array_equal(found, dx)
    True
    """
    K, stride, dilation = geo.kernel[axis], geo.stride[axis], geo.dilation[axis]
    pad = geo.padding[axis][0]
    step = stride // math.gcd(stride, dilation)  # every `step`-th tap meets the same phase
    lines: list[Line] = []
    phases = range(min(stride, geo.size[axis]))
    for phase in phases:
        first = [k for k in range(min(step, K)) if (phase + pad - k * dilation) % stride == 0]
        for tap in first:  # one, or none
            last = tap + (K - 1 - tap) // step * step
            taps = slice(last, tap - 1 if tap else None, -step)
            offset = (phase + pad - last * dilation) // stride  # pixel `phase` meets this output
            spacing = dilation * step // stride
            lines.append(Line(slice(phase, None, stride), ALL, taps, 1, spacing, -offset))
    complete = len(lines) == len(phases)
    if axis == 0:
        lines = [part for line in lines for part in _undilate(line)]
    return lines, complete


def _undilate(line: Line) -> list[Line]:
    """The same correlation as several of dilation 1, each on every ``dilation``-th input pixel.

    With dilation 2 and no padding, even outputs read only even pixels and odd outputs odd ones:

    >>> for line in _undilate(Line(ALL, ALL, ALL, stride=1, dilation=2, pad=0)):
    ...     print(line.out, line.inp, line.dilation)
    slice(0, None, 2) slice(0, None, 2) 1
    slice(1, None, 2) slice(1, None, 2) 1
    """
    dilation, stride, out = line.dilation, line.stride, line.out
    step = dilation // math.gcd(stride, dilation)  # every `step`-th output reads the same pixels
    start, spacing = out.start or 0, out.step or 1
    lines = []
    for first in range(step):
        pixel = first * stride - line.pad  # under tap 0 of output `first`
        pad = max(0, -(pixel // dilation))  # taps of that output that lie before the image
        where = slice(start + first * spacing, None, spacing * step)
        inp = slice(pixel + pad * dilation, None, dilation)
        lines.append(Line(where, inp, line.taps, stride * step // dilation, 1, pad))
    return lines


# --------------------------------------------------------------------------------- sizes and pieces

# These were measured with AVX2 and AVX-512 (docs/performance.md). Results depend on them only in
# rounding.

# Elements of L that are made at a time: two megabytes, which stay in the last-level cache.
TILE = 1 << 19
# Multiplications that are worth a thread; a thread that gets so many has two parts to take.
SHARE, LARGE = 1 << 23, 1 << 27
# Columns in a row of windows, from which a product of its own is efficient. Rows with fewer are put
# side by side, several for one product.
FEW = 128
# With AVX-512, OpenBLAS has kernels for products of less than SMALL multiplications that don't copy
# their operands first. So a product is cut into blocks of so many columns there. Other processors
# lack these kernels, and one wide product is faster.
SMALL, BLOCKS = 10**6, (128, 64)
BLOCKED = {"SkylakeX", "Cooperlake", "SapphireRapids"}
# Elements of weight gradients, one per row of windows, that are summed at a time.
BAND = 1 << 17
# Elements of a weight gradient that are worth a block of their own, and rows from which its product
# is written as rows of dw, though BLAS is faster if the first factor has more rows.
BLOCK, MANY = 1 << 17, 256
# Where one way to the gradient of the input gets slower than another; see `input_grad`.
GATHER_AT_MOST, FEW_CHANNELS = 1.5, 8


def _parts(multiplications: int, least: int, threads: int) -> int:
    """Number of parts of a task: at least `least`, and a multiple of the busy threads.

    A large task has two parts per thread, so that the others take over from a slow thread.
    """
    busy = max(1, min(threads, multiplications // SHARE))
    is_large = threads > 1 and multiplications >= threads * LARGE
    return balanced_parts(max(least, 2 * busy if is_large else busy), busy)


@functools.lru_cache(maxsize=1024)
def _tiles(y_shape: Any, groups: int, K: int, KH: int, stride: int, threads: int) -> list[Any]:
    """The output y (OH, O, OW, N) in tiles (groups, rows, columns, samples).

    A tile takes about TILE elements of L, and there are some for each thread. Rows are cut last,
    because the windows on both sides of such a cut overlap: those rows of L are made twice.
    """
    OH, O, OW, N = y_shape
    tiles: list = []
    for samples in pieces(N, -(-N // min(1024, max(FEW, TILE // K)))):
        n = samples.stop - samples.start
        lowered = ((OH - 1) * stride + KH) * groups * (K // KH) * OW * n
        parts = _parts(OH * OW * n * O * K, -(-lowered // TILE), threads)
        of_groups = pieces(groups, parts)
        parts = -(-parts // len(of_groups))
        columns = pieces(OW, min(parts, max(1, OW * n // FEW)))
        rows = pieces(OH, min(-(-parts // len(columns)), max(1, OH // KH)))
        tiles += itertools.product(of_groups, rows, columns, [samples])
    return tiles


# ------------------------------------------------------------------------------------------ windows


def _overlay(memory, shape, strides, offset=0):
    """The memory of an array, from `offset` bytes on, seen with another shape and strides."""
    if memory.flags.c_contiguous:  # nearly always; as_strided takes ten times as long
        return np.ndarray(shape, memory.dtype, memory, offset, strides)
    return as_strided(memory, shape, strides)


@functools.lru_cache(maxsize=1024)
def _overlap(first: int, length: int, size: int) -> tuple[slice, slice]:
    """Which of `length` positions from `first` on lie in range(size): their numbers, and they.

    >>> _overlap(-1, 4, 9)
    (slice(1, 4, None), slice(0, 3, None))
    """
    start, stop = min(max(0, -first), length), max(0, min(length, size - first))
    return slice(start, stop), slice(first + start, first + stop)


def _crop(x, top: int, height: int, left: int, width: int):
    """The pixels of x (H, C, W, N) in a rectangle, with zeros where that reaches beyond x.

    An array, and the number of bytes in its memory after which they begin.
    """
    H, C, W, N = x.shape
    if top >= 0 <= left and top + height <= H and left + width <= W:
        if x.flags.c_contiguous:
            return x, top * x.strides[0] + left * x.strides[2]
        return x[top : top + height, :, left : left + width], 0
    (rows, pixel_rows), (cols, pixel_cols) = _overlap(top, height, H), _overlap(left, width, W)
    # `_lower` copies this at once, before anything else writes to the scratch memory
    out = scratch(np, "rows", (height, C, width, N), x.dtype)
    out[: rows.start] = out[rows.stop :] = 0
    out[rows, :, : cols.start] = out[rows, :, cols.stop :] = 0
    out[rows, :, cols] = x[pixel_rows, :, pixel_cols]
    return out, 0


def _lower(x, groups: int, rows: slice, cols: slice, kernel: Any, h: Line, w: Line, ones: bool):
    """The windows of some outputs, (rows, groups, K, cols*N): a view of L, in scratch memory.

    K is KH * (C/groups*KW + ones). With `ones`, each of the KH parts of a window ends in a row of
    ones, which a bias is multiplied with. Short rows of windows lie side by side, each with
    columns of its own, as if they were one row: (1, groups, K, rows*cols*N).
    """
    C, N = x.shape[1] // groups, x.shape[3]
    (KH, KW), OH, OW = kernel, rows.stop - rows.start, cols.stop - cols.start
    R, P, depth = (OH - 1) * h.stride + KH, OW * N, C * KW
    width = (OW - 1) * w.stride + (KW - 1) * w.dilation + 1
    top, left = rows.start * h.stride - h.pad, cols.start * w.stride - w.pad
    seen, offset = _crop(x, top, R, left, width)
    row, channel, pixel, sample = seen.strides
    short = P < FEW and OH > 1
    # rows of L; if they are short, for each tap of the height the rows that it reads, side by side
    parts, beside = (KH, OH) if short else (R, 1)
    shape, down = (groups, parts, C, KW, beside, OW, N), h.stride * row
    strides = C * channel, row, channel, w.dilation * pixel, down, w.stride * pixel, sample
    seen, P = _overlay(seen, shape, strides, offset), beside * P
    pitch = P + 16 if P % 64 == 0 else P  # rows at powers of two would map to the same cache sets
    flat = scratch(np, "lowered", (groups, parts, depth + ones, pitch), x.dtype)
    g, r, k, p = flat.strides
    copy_pixels(_overlay(flat, shape, (g, r, KW * k, k, OW * N * p, N * p, p)), seen)
    if ones:
        flat[:, :, depth, :P] = 1
    n = 1 if short else OH
    return _overlay(flat, (n, groups, KH * (depth + ones), P), (r * h.stride, g, k, p))


def _multiply(matrix, windows, out) -> None:
    """out (R, groups, M, P) = matrix (groups, M, K) @ windows (R, groups, K, P)."""
    R, groups, K, P = windows.shape
    M = matrix.shape[1]
    block = next((n for n in BLOCKS if P % n == 0 and 100 < M * K <= SMALL // n), P)
    if block < P and BLOCKED & blas_architectures():
        windows, out = [a.reshape(R, groups, -1, P // block, block).transpose(0, 3, 1, 2, 4)
                        for a in (windows, out)]
    np.matmul(matrix, windows, out=out)


def _channels(x, groups: int, some: slice):
    """The channels of x (H, C, W, N) that belong to some of its groups."""
    c = x.shape[1] // groups
    return x if groups == 1 else x[:, some.start * c : some.stop * c]


def _tasks(x, y, groups: int, kernel: Any, h: Line, w: Line, threads: int,
           ones: bool = False) -> Iterator[Any]:
    """A correlation from x to y in tiles: (groups, function that makes the windows, part of y)."""
    x, y = x[h.inp, :, w.inp], y[h.out, :, w.out]
    K = kernel[0] * (x.shape[1] // groups * kernel[1] + ones)
    tiles = _tiles(y.shape, groups, K, kernel[0], h.stride, threads) if y.size else []
    for some, rows, cols, n in tiles:
        seen, count = _channels(x, groups, some)[..., n], some.stop - some.start
        windows = functools.partial(_lower, seen, count, rows, cols, kernel, h, w, ones)
        yield some, windows, _channels(y, groups, some)[rows, :, cols, n]


def _matrix(w, b):
    """w (groups, M, C, KH, KW) as a matrix (groups, M, K), with b as one more tap."""
    groups, M, C, KH, KW = w.shape
    if KH * KW == 1 and b is None:
        return w.reshape(groups, M, C)  # a view
    if w.size > SHORT and w.strides[1] < w.strides[2]:  # in the gradient of the input, without b
        matrix = np.empty((groups, KH, C, KW, M), w.dtype)
        matrix.transpose(0, 4, 2, 1, 3)[...] = w
        return matrix.reshape(groups, -1, M).swapaxes(1, 2)
    matrix = np.zeros((groups, M, KH, C * KW + (b is not None)), w.dtype)
    parts = matrix[..., : C * KW].reshape(groups, M, KH, C, KW)
    copy_taps(parts.transpose(0, 1, 3, 2, 4), w)
    if b is not None:  # it reads the ones of the first part
        matrix[:, :, 0, -1] = b.reshape(groups, M)
    return matrix.reshape(groups, M, -1)


def _correlate(x, w, b, y, lines_h: list[Line], lines_w: list[Line]) -> None:
    """y (OH, O, OW, N) = x (H, C, W, N) correlated along the lines with w, plus b (O,).

    w is (groups, O/groups, C/groups, KH, KW).
    """
    groups, M = w.shape[:2]
    work = []
    for h, v in itertools.product(lines_h, lines_w):
        taps = w[..., h.taps, v.taps]
        matrix, sizes = _matrix(taps, b), (groups, taps.shape[3:])
        for some, *tile in _tasks(x, y, *sizes, h, v, get_num_threads(), b is not None):
            work.append((matrix[some], *tile))

    def task(i: int) -> None:
        matrix, make_windows, out = work[i]
        windows = make_windows()
        OH, O, width, N = out.shape
        R, groups, _, P = windows.shape
        # if a row of `out` is one run in memory, the product can be written there
        direct = R == OH and (width == 1 or out.strides[2] == N * out.itemsize)
        result = out if direct else scratch(np, "result", (R, O, OH // R, width, N), y.dtype)
        _multiply(matrix, windows, result.reshape(R, groups, M, P))
        if not direct:
            copy_pixels(out, result.swapaxes(1, 2).reshape(out.shape))

    parallel(len(work), task)


# ----------------------------------------------------------------------------------- the three maps


def forward(x: Any, w: Any, b: Any, geo: Geometry) -> Any:
    """y (N, O, OH, OW) = x (N, C, H, W) correlated with w (O, C/groups, KH, KW).

    Plus b (O,), unless it is None.
    """
    O, C, KH, KW = w.shape
    y = empty_images(np, (x.shape[0], O, geo.OH, geo.OW), x.dtype)
    w = w.reshape(geo.groups, O // geo.groups, C, KH, KW)
    lines = _forward_lines(geo, 0), _forward_lines(geo, 1)
    _correlate(batch_innermost(np, x), w, b, batch_innermost(np, y), *lines)
    return y


def input_grad(g: Any, w: Any, geo: Geometry) -> Any:
    """dx (N, C, H, W): the adjoint of x -> forward(x, w), applied to g (N, O, OH, OW).

    There are two ways. A pixel of dx *gathers* what it gets from g: that is a correlation
    (`_adjoint_lines`). Or g *scatters*: each of its pixels is multiplied with all taps, and the
    results are added to dx.
    """
    O, C, KH, KW = w.shape
    M, (H, W), N = O // geo.groups, geo.size, g.shape[0]
    w = w.reshape(geo.groups, M, C, KH, KW)
    dx = empty_images(np, (N, geo.groups * C, H, W), g.dtype)
    g, pixels = batch_innermost(np, g), batch_innermost(np, dx)
    (lines_h, all_h), (lines_w, all_w) = _adjoint_lines(geo, 0), _adjoint_lines(geo, 1)
    # To gather multiplies every pixel of dx with its taps, even if few windows read the pixel, as
    # under a kernel as large as the image; and its products have C rows, so a small C wastes BLAS.
    wasteful = H * W > GATHER_AT_MOST * geo.OH * geo.OW * geo.stride[0] * geo.stride[1]
    if wasteful or C < FEW_CHANNELS <= M:
        _scatter(g, w, pixels, geo)
        return dx
    if not (all_h and all_w):
        dx[...] = 0
    _correlate(g, w.swapaxes(1, 2), None, pixels, lines_h, lines_w)
    return dx


def _scatter(g, w, dx, geo: Geometry) -> None:
    """dx (H, C, W, N) = what each pixel of g (OH, O, OW, N) adds to the pixels of its window.

    All the columns w.T @ g, then additions tap by tap, because no two windows meet the same pixel
    through one tap. First the taps along the height, each for all taps along the width at once,
    then the taps along the width: KH + KW long additions instead of KH * KW.
    """
    groups, M, C, KH, KW = w.shape
    (OH, _, OW, N), H = g.shape, dx.shape[0]
    parts = _parts(g.size * C * KH * KW, OH * C * KH * KW * OW * N // TILE, get_num_threads())
    channels, samples = pieces(C, parts // groups), pieces(N, parts // (groups * C))
    work = list(itertools.product(range(groups), channels, samples))

    def task(i: int) -> None:
        group, c, n = work[i]
        source = np.ascontiguousarray(g[:, group * M : (group + 1) * M, :, n]).reshape(OH, M, -1)
        target = dx[:, group * C + c.start : group * C + c.stop, :, n]
        matrix = w[group, :, c].transpose(2, 3, 1, 0).reshape(-1, M)  # (KH*KW*c, M)
        columns = scratch(np, "columns", (OH, len(matrix), source.shape[2]), g.dtype)
        np.matmul(matrix, source, out=columns)
        columns = columns.reshape(OH, KH, KW, c.stop - c.start, OW, n.stop - n.start)
        rows = scratch(np, "rows", (H, *columns.shape[2:]), g.dtype)
        rows[...] = 0
        for k, outputs, pixels in geo.taps_on_image(0):
            np.add(rows[pixels], columns[outputs, k], out=rows[pixels])
        target[...] = 0
        for k, outputs, pixels in geo.taps_on_image(1):
            part = target[:, :, pixels]
            np.add(part, rows[:, k, :, outputs], out=part)

    parallel(len(work), task)


def weight_grad(x: Any, g: Any, geo: Geometry) -> Any:
    """dw (O, C/groups, KH, KW): the adjoint of w -> forward(x, w), applied to g (N, O, OH, OW).

    dw consists of blocks, of some groups or of some channels. A task adds up the products of some
    tiles. A large dw has a block for each task; several tasks may share a block of a small one.
    """
    groups, (KH, KW) = geo.groups, geo.kernel
    x, g = batch_innermost(np, x), batch_innermost(np, g)
    C, M = x.shape[1] // groups, g.shape[1] // groups
    dw = empty(np, (groups * M, C, KH, KW), x.dtype)
    grouped, threads = dw.reshape(groups, M, C, KH, KW), get_num_threads()
    tasks = _parts(g.size * KH * C * KW, 1, threads)
    large = groups == 1 and dw.size >= tasks * BLOCK
    lines = list(itertools.product(_forward_lines(geo, 0), _forward_lines(geo, 1)))
    blocks: dict[Any, Any] = {}  # (block, its tiles) by the first group and the first channel
    for c in pieces(C, tasks if large else 1):
        seen = x[:, c] if large else x
        for h, v in lines:
            for some, *tile in _tasks(seen, g, groups, geo.kernel, h, v, 1 if large else threads):
                blocks.setdefault((some.start, c.start), (grouped[some, :, c], []))[1].append(tile)
    if not blocks:
        dw[...] = 0  # there is no sample
    work = [(block, tiles[part]) for block, tiles in blocks.values()
            for part in pieces(len(tiles), -(-tasks // len(blocks)))]
    later: list[Any] = [None] * len(work)

    def task(i: int) -> None:
        block, total = work[i][0], _sum_of_products(*work[i])
        if i and block is work[i - 1][0]:
            later[i] = total
        else:  # the first of its block
            copy_taps(block, total)

    parallel(len(work), task)
    for (block, _), total in zip(work, later, strict=True):  # in this order, for the same bits
        if total is not None:
            block += total
    return dw


def _sum_of_products(block: Any, tiles: list[Any]) -> Any:
    """What some tiles contribute to a block of dw (groups, M, C, KH, KW), in that shape."""
    groups, M, C, KH, KW = block.shape
    # BLAS is faster if the first factor has more rows, but then a large dw takes long to turn round
    turned = M < MANY
    shape = (groups, KH * C * KW, M) if turned else (groups, M, KH * C * KW)
    total: Any = None
    for make_windows, part in tiles:
        windows = make_windows()  # (R, groups, KH*C*KW, P)
        R, OH = len(windows), len(part)
        part = part.reshape(R, OH // R, groups, M, -1).transpose(0, 2, 3, 1, 4)
        factors = windows, part.reshape(R, groups, M, -1)
        left, right = factors if turned else factors[::-1]
        for rows in pieces(R, -(-R * block.size // BAND)):
            size, first = (rows.stop - rows.start, *shape), total is None
            out = empty(np, size, block.dtype) if first else scratch(np, "rows", size, block.dtype)
            np.matmul(left[rows], right[rows].swapaxes(2, 3), out=out)
            found = out[0] if len(out) == 1 else out.sum(axis=0)
            total = found if first else np.add(total, found, out=total)
    if turned:
        return total.reshape(groups, KH, C, KW, M).transpose(0, 4, 2, 1, 3)
    return total.reshape(groups, M, KH, C, KW).transpose(0, 1, 3, 2, 4)
