"""Images whose rows or columns are weighted sums of others, as interpolation makes them."""

from typing import Any

import numpy as np

from ...arrays import constant, empty, parallel_slices, pieces
from ...autograd.engine import Primitive
from ..layout import batch_innermost

# New rows that are made by one product: they read few of the old ones, so few weights are 0.
BLOCK = 32
# Samples from which a product for each row of an image is efficient; fewer are put side by side.
FEW = 8


@Primitive
def blend(xp, x, *, matrix, dim):
    """x (N, C, H, W) with `matrix` (new, old) times its rows (dim 2) or its columns (dim 3)."""
    x = batch_innermost(xp, x)
    H, C, W, N = x.shape
    new, old = matrix.shape
    y = empty(xp, (new, C, W, N) if dim == 2 else (H, C, new, N), x.dtype)
    A, B = (1, C * W * N) if dim == 2 else (H * C, N)  # what lies around and inside that dimension
    source, out = x.reshape(A, old, B), y.reshape(A, new, B)
    if xp is not np or not np.isfinite(source.sum()):
        _blend_exactly(xp, source, matrix, out)
        return y.transpose(3, 1, 0, 2)
    blocks = pieces(new, -(-new // BLOCK))

    def compute(some: slice) -> None:
        for rows in blocks[some]:
            used = np.flatnonzero(matrix[rows].any(axis=0))
            part = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
            weights = matrix[rows, part]
            if B >= FEW:
                np.matmul(weights, source[:, part], out=out[:, rows])
                continue
            seen, made = [a.reshape(A, -1)[:, s.start * B : s.stop * B]
                          for a, s in ((source, part), (out, rows))]
            np.matmul(seen, np.kron(weights, np.eye(B, dtype=x.dtype)).T, out=made)

    parallel_slices(np, len(blocks), y.size, compute, passes=8)
    return y.transpose(3, 1, 0, 2)


def _blend_exactly(xp: Any, source: Any, matrix: np.ndarray, out: Any) -> None:
    """The same without the weights that are 0: these times infinity or nan would be nan."""
    order = np.argsort(matrix == 0, axis=1, kind="stable")  # places with a weight come first
    out[...] = 0
    for k in range((matrix != 0).sum(axis=1).max()):
        weights = np.take_along_axis(matrix, order[:, k : k + 1], 1)
        places = np.where(weights[:, 0] != 0, order[:, k], order[:, 0])
        out += source.take(constant(xp, places), axis=1) * constant(xp, weights)


blend.derivatives(x=lambda g, matrix, dim: blend(g, matrix=matrix.T, dim=dim))
