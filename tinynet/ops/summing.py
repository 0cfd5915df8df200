"""Sums that stay accurate for any number of summands and any order in memory."""

import math
from typing import Any

import numpy as np

_ROWS = 256  # rows that may be added one after the other; of more, add blocks of so many first
# elements of a row to add at once, because numpy before 2.3 adds pieces of this length in turn
_PIECE = 8192


def total(xp: Any, a: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    """The sum of the array `a` over `dims`.

    numpy adds pairwise only within the row that is innermost in memory; there the rounding errors
    of n summands grow like log(n). It adds rows to rows one after the other, and the errors grow
    like n: the sums of the columns of a million rows of float32 have four correct digits. So this
    function adds blocks of rows first, and then the sums of the blocks. Each element is still read
    once, so it takes no longer. (cupy always adds in a tree.)
    """
    many = xp is np and a.dtype.kind == "f" and math.prod([a.shape[d] for d in dims]) >= 2 * _ROWS
    halves = xp is np and a.dtype == np.float16
    if not many and not halves:
        out = a.sum(axis=dims, keepdims=keepdim, dtype=a.dtype)  # numpy would widen integers
        return out if keepdim else xp.asarray(out, order="C")
    # as in PyTorch, float16 is added in float32: in float16, 2048 + 1 is 2048
    kept = _total(a.astype(np.float32) if halves else a, dims)
    if keepdim:
        return kept.astype(a.dtype, copy=False)
    return kept.squeeze(dims).astype(a.dtype, order="C", copy=False)


def _total(a: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    """The sum over `dims`, which stay with size 1."""
    row, outside = _inside_and_outside_row(a, dims)
    if math.prod([a.shape[d] for d in outside]) >= 2 * _ROWS:
        d, size = outside[-1], _ROWS
    elif math.prod([a.shape[d] for d in row]) >= 2 * _PIECE:
        d, size = row[0], _PIECE
    else:
        return a.sum(axis=dims, keepdims=True)
    n = a.shape[d]
    if n < 2 * size:
        return _total(a.sum(axis=d, keepdims=True), dims)
    before, end = (slice(None),) * d, n - n % size
    # (..., n, ...) as (..., blocks, size, ...): cutting one dimension in two never copies
    shape = (*a.shape[:d], end // size, size, *a.shape[d + 1 :])
    blocks = a[(*before, slice(end))].reshape(shape).sum(axis=d + 1)
    return _total(blocks, dims) + _total(a[(*before, slice(end, n))], dims)


def _inside_and_outside_row(a: Any, dims: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Those of `dims` that make up the innermost row in memory, and the others, outermost last."""
    inside: list[int] = []
    outside: list[int] = []
    in_row, step = True, None
    for stride, d in sorted([(abs(a.strides[d]), d) for d in range(a.ndim) if a.shape[d] > 1]):
        in_row = in_row and d in dims and step in (None, stride)
        step = stride * a.shape[d]
        if d in dims:
            (inside if in_row else outside).append(d)
    return inside, outside
