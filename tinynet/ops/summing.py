"""Sums that stay accurate however many numbers there are, and however they lie in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# So many rows may be added one after the other; of more, blocks of so many are added first.
_BLOCK = 256
# And so many numbers of a row at once: before its version 2.3, numpy adds pieces of this length one after the other.
_PIECE = 8192


def total(xp: Any, a: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    """The sum of the array `a` over `dims`.

    numpy adds pairwise, which keeps the rounding errors of n summands near log(n), only within the row that is innermost in memory.
    Rows are added to rows one after the other, and the errors grow with n: the sums of the columns of a million rows of float32
    have four right digits. Here blocks of rows are added first, and then the sums of the blocks. Every element is still read
    once, so it takes no longer. (cupy always adds in a tree.)
    """
    if xp is not np or a.dtype.kind != "f" or (a.itemsize > 2 and math.prod([a.shape[d] for d in dims]) < 2 * _BLOCK):
        return a.sum(axis=dims, keepdims=keepdim)
    # As in PyTorch, halves are added as singles: in float16, 2048 + 1 is 2048.
    kept = _total(a if a.itemsize > 2 else a.astype(np.float32), dims)
    return (kept if keepdim else kept.squeeze(dims)).astype(a.dtype, copy=False)


def _total(a: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    row, between = _in_rows_and_between(a, dims)
    if math.prod([a.shape[d] for d in between]) >= 2 * _BLOCK:
        d, size = between[-1], _BLOCK
    elif math.prod([a.shape[d] for d in row]) >= 2 * _PIECE:
        d, size = row[0], _PIECE
    else:
        return a.sum(axis=dims, keepdims=True)
    n = a.shape[d]
    if n < 2 * size:
        return _total(a.sum(axis=d, keepdims=True), dims)
    before, end = (slice(None),) * d, n - n % size
    # cutting one dimension in two never copies
    blocks = a[(*before, slice(end))].reshape(*a.shape[:d], end // size, size, *a.shape[d + 1 :])
    return _total(blocks.sum(axis=d + 1), dims) + _total(a[(*before, slice(end, n))], dims)


def _in_rows_and_between(a: np.ndarray, dims: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Those of `dims` that are part of the innermost row, and the others; the outermost last."""
    inside: list[int] = []
    between: list[int] = []
    row, step = True, None
    for stride, d in sorted([(abs(a.strides[d]), d) for d in range(a.ndim) if a.shape[d] > 1]):
        row = row and d in dims and step in (None, stride)
        step = stride * a.shape[d]
        if d in dims:
            (inside if row else between).append(d)
    return inside, between
