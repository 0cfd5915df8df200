"""Matrix products."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..arrays.memory import empty
from ..arrays.threads import get_num_threads, parallel, pieces
from ..autograd import Primitive, Variable
from .arguments import broadcast_shape, in_own_name
from .dtypes import result_type
from .reductions import _sum
from .shapes import expand, reshape, transpose, unsqueeze


def _product(xp: Any, a: Any, b: Any, by_rows: bool = False) -> Any:
    """``a @ b``; of large matrices, the longer side of the result is shared among threads.

    The result is column by column in memory if `a` is, so that a batch that is innermost stays so, unless `by_rows`.
    """
    if xp is not np or a.ndim != 2 or a.shape[0] * a.shape[1] * b.shape[1] < _BLAS_ALONE or a.dtype.kind != "f":
        return xp.matmul(a, b)
    (M, K), N = a.shape, b.shape[1]
    parts = pieces(builtins.max(M, N), builtins.min(get_num_threads(), M * N * K // _WORTH))
    if M > N:
        out = empty(np, (M, N), a.dtype)
        parallel(len(parts), lambda i: np.matmul(a[parts[i]], b, out=out[parts[i]]))
    else:
        out = empty(np, (M, N), a.dtype) if by_rows or a.strides[0] != a.itemsize else empty(np, (N, M), a.dtype).T
        parallel(len(parts), lambda i: np.matmul(a, b[:, parts[i]], out=out[:, parts[i]]))
    return out


_BLAS_ALONE = 1 << 18  # multiplications up to which OpenBLAS uses one thread anyway


_WORTH = 1 << 22  # multiplications that are worth handing to a thread of ours


@Primitive
def _matmul(xp, a, b):
    return _product(xp, a, b)


_matmul.derivatives(
    a=lambda g, b: _matmul(g, transpose(b, -1, -2)),  # (..., n, k) = (..., n, m) @ (..., m, k)
    b=lambda g, a: _matmul(transpose(a, -1, -2), g),  # (..., k, m) = (..., k, n) @ (..., n, m)
)


@in_own_name
def matmul(input: Any, other: Any) -> Any:
    """The matrix product ``input @ other``.

    (n, k) @ (k, m) gives (n, m). A vector counts as a row on the left and as a column on the right, and that dimension is dropped
    from the result. More dimensions in front are batches, which broadcast. ValueError if the inner sizes differ.
    """
    for v in (input, other):
        if not isinstance(v, Variable):
            raise TypeError(f"matmul: expected tensors, got {type(v).__name__}")
    a, b = input.array.shape, other.array.shape
    if not a or not b:
        raise ValueError(f"matmul: both tensors need at least one dim, got shapes {tuple(a)} and {tuple(b)}")
    if input.array.dtype != other.array.dtype:
        raise RuntimeError(
            f"matmul: both tensors must have one dtype, got {input.array.dtype} and {other.array.dtype}; "
            f"convert one with .to(tinynet.{result_type(input, other)})"
        )
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        raise ValueError(
            f"matmul: input {tuple(a)} and other {tuple(b)} don't fit: the last size of the first, {a[-1]}, "
            f"must equal the {'second last' if len(b) > 1 else 'only'} size of the second, {b[-2 if len(b) > 1 else 0]}"
        )
    left = input if len(a) > 1 else unsqueeze(input, 0)
    right = other if len(b) > 1 else unsqueeze(other, 1)
    batch = broadcast_shape("matmul", left.array.shape[:-2], right.array.shape[:-2])
    if left.array.shape[:-2] != batch:
        left = expand(left, *batch, -1, -1)
    if right.array.shape[:-2] != batch:
        right = expand(right, *batch, -1, -1)
    product = _matmul(left, right)
    drop = ([-2] if len(a) == 1 else []) + ([-1] if len(b) == 1 else [])
    if drop:
        ndim = len(batch) + 2
        product = reshape(product, [n for d, n in enumerate(product.array.shape) if d - ndim not in drop])
    return product


@Primitive
def linear(xp, x, w, b):
    y = _product(xp, x, w.T)
    if b is not None:
        y += b
    return y


@Primitive
def _linear_weight_grad(xp, dy, x):
    return _product(xp, dy.T, x, by_rows=True)  # (out, in) = (out, N) @ (N, in); in the order of w, for the optimiser


linear.derivatives(
    x=lambda g, w: _matmul(g, w),  # (N, in) = (N, out) @ (out, in)
    w=lambda g, x: _linear_weight_grad(g, x),
    b=lambda g: _sum(g, dims=(0,), keepdim=False),
)


_linear_weight_grad.derivatives(  # its result has the shape of w, and so has g
    dy=lambda g, x: linear(x, g, None),
    x=lambda g, dy: _matmul(dy, g),
)
