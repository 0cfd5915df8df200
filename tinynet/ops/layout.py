"""How images lie in memory: logically (N, C, H, W) always, in memory preferably (H, C, W, N).

With the batch innermost, one row of pixels is one long run, which numpy copies and computes at full
speed. Element-wise operations keep the memory order of their input, so the order passes from layer
to layer. Only the first layer and views of the results, such as the flattening before a linear
layer, convert: what users may share is in the order of the dimensions, as in PyTorch
(`Writable._settle`). So nothing but speed depends on the order.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import empty, get_num_threads, kept_order, parallel_slices, scratch


def empty_images(xp: Any, shape: tuple[int, int, int, int], dtype: Any) -> Any:
    """An uninitialised (N, C, H, W) array with the batch innermost in memory."""
    return empty(xp, shape, dtype, (2, 1, 3, 0))


def batch_innermost(xp: Any, x: Any) -> Any:
    """x (N, C, H, W) as (H, C, W, N), copied only if the batch isn't innermost."""
    m = x.transpose(2, 1, 3, 0)
    N, C, H, W = x.shape
    if (N == 1 or m.strides[3] == x.itemsize) and (W == 1 or m.strides[2] == N * x.itemsize):
        return m
    if xp is np and x.flags.c_contiguous and x.strides[0] % 1024 == 0:
        # Samples at such distances map to the same cache sets: copy them to other distances first.
        padded = scratch(xp, "apart", (N, C * H * W + 16), x.dtype)[:, :-16]
        padded[...] = x.reshape(N, C * H * W)
        out = empty(np, (C, H, W, N), x.dtype)
        out.reshape(C * H * W, N)[...] = padded.T
        return out.swapaxes(0, 1)
    out = empty(xp, m.shape, m.dtype)
    out[...] = m
    return out


_PIXELS: Any = {8: np.complex64, 16: np.complex128}  # by size in bytes


def copy_pixels(out: Any, x: Any) -> None:
    """out = x, both (..., W, N).

    The samples of a pixel are copied as one number if there is a number of that size: numpy is slow
    if the innermost loop is short, as with 4 samples and a stride between the pixels.
    """
    size = out.shape[-1] * out.itemsize
    if size in _PIXELS and size > out.itemsize == out.strides[-1] == x.strides[-1]:
        out, x = out.view(_PIXELS[size]), x.view(_PIXELS[size])
    out[...] = x


SHORT = 1 << 14  # elements up to which weights are copied by one call


def copy_taps(out: Any, w: Any) -> None:
    """out = w, both (..., KH, KW): a large one tap by tap, as rows of KW are short for numpy."""
    for tap in np.ndindex(w.shape[-2:]) if w.size > SHORT else [()]:
        out[(..., *tap)] = w[(..., *tap)]


_FLAT = 1 << 16  # elements from which it pays to see an array as one long row


def map_in_memory_order(xp: Any, compute: Callable[..., Any], *arrays: Any) -> Any:
    """A new array that ``compute(*arrays, out)`` fills element by element.

    `arrays` have one shape; the result has the memory order of the first. Threads share large ones.
    """
    first = arrays[0]
    n = first.size
    if xp is np and n >= _FLAT:
        order = tuple(sorted(range(first.ndim), key=first.strides.__getitem__, reverse=True))
        if first.transpose(order).flags.c_contiguous:
            out = empty(np, first.shape, first.dtype, order)
            rows = [np.ascontiguousarray(a.transpose(order)).reshape(-1) for a in (*arrays, out)]
            parallel_slices(np, n, n, lambda part: compute(*[row[part] for row in rows]))
            return out
    out = xp.empty_like(first, order=kept_order(first))
    compute(*arrays, out)
    return out


def has_short_rows(a: Any) -> bool:
    """Whether the rows (W, N) of `a` (H, C, W, N) are so short that a loop for each is slow."""
    return a.shape[2] * a.shape[3] < 128 <= a.size


def channel_sums(xp: Any, a: Any, b: Any = None) -> Any:
    """The sums over all but the channel of `a` (H, C, W, N), or of ``a * b``: (C,).

    BLAS computes them, a part of a row at a time.
    """
    H, C, W, N = a.shape
    if xp is np and b is None and has_short_rows(a):
        return a.reshape(H, C * W * N).sum(axis=0).reshape(C, W * N).sum(axis=1)
    parts = _parts_of_rows(H * C, W * N) if xp is np and get_num_threads() > 1 else 1
    length = W * N // parts
    b = xp.full((length, 1), 1, a.dtype) if b is None else b.reshape(H, C, parts, length, 1)
    sums = xp.matmul(a.reshape(H, C, parts, 1, length), b)
    return sums.reshape(H, C, parts).sum(axis=(0, 2))


@functools.lru_cache(maxsize=1024)
def _parts_of_rows(rows: int, length: int) -> int:
    """Parts of each row. If all products have at most 500 results, numpy keeps Python's lock."""
    return next((n for n in (1, 2, 4, 8, 16, 32) if rows * n > 500 and length % n == 0), 1)
