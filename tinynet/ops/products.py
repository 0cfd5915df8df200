"""Matrix products, and the linear layer made of one."""

from typing import Any

import numpy as np

from .. import compat
from ..arrays import empty, get_num_threads, parallel, pieces
from ..autograd import Primitive, Variable, copying
from .arguments import as_tensor, broadcast_shape, result_type, same_dtype
from .reductions import _sum
from .shapes import _reshape, fitted, transpose

_BLAS_ALONE = 1 << 18  # multiplications up to which OpenBLAS uses one thread anyway
_WORTH = 1 << 22  # multiplications that are worth handing to a thread of ours


def _product(xp: Any, a: Any, b: Any) -> Any:
    """``a @ b``; of large matrices, threads share the longer side of the result."""
    small = a.ndim != 2 or a.shape[0] * a.shape[1] * b.shape[1] < _BLAS_ALONE
    if xp is not np or small or a.dtype.kind != "f":
        return xp.asarray(xp.matmul(a, b), order="C")
    (M, K), N = a.shape, b.shape[1]
    parts = pieces(max(M, N), min(get_num_threads(), M * N * K // _WORTH))
    out = empty(np, (M, N), a.dtype)
    if M > N:
        parallel(len(parts), lambda i: np.matmul(a[parts[i]], b, out=out[parts[i]]))
    else:
        parallel(len(parts), lambda i: np.matmul(a, b[:, parts[i]], out=out[:, parts[i]]))
    return out


_matmul = Primitive(_product, name="matmul")
_matmul.derivatives(
    a=lambda g, b: _matmul(g, transpose(b, -1, -2)),  # (..., n, k) = (..., n, m) @ (..., m, k)
    b=lambda g, a: _matmul(transpose(a, -1, -2), g))  # (..., k, m) = (..., k, n) @ (..., n, m)


@compat.by_other_words
def matmul(input: Any, other: Any) -> Any:
    """The matrix product ``input @ other``.

    (n, k) @ (k, m) gives (n, m). A vector counts as a row on the left and as a column on the right,
    and that dimension is dropped from the result. More dimensions in front are batches, which
    broadcast. ValueError if the inner sizes differ.
    """
    as_tensor("matmul", "input", input), as_tensor("matmul", "other", other)
    a, b = input.array.shape, other.array.shape
    _check_product(input, other)
    # a vector gets the dimension that the result drops again
    a, b = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    batch = broadcast_shape("matmul", a[:-2], b[:-2])
    left, right = _reshaped(input, a), _reshaped(other, b)
    product = _matmul(fitted(left, (*batch, *a[-2:])), fitted(right, (*batch, *b[-2:])))
    if batch and a[:-2] != b[:-2]:
        copying(product)  # PyTorch copies what it can't see as two matrices
    rows = a[-2:-1] if left is input else ()
    columns = b[-1:] if right is other else ()
    return _reshaped(product, (*batch, *rows, *columns))


@compat.by_other_words
def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices, ``input @ mat2``: of nothing else, see `matmul`."""
    shapes = [as_tensor("mm", "an operand", v).array.shape for v in (input, mat2)]
    same_dtype("mm", input=input, mat2=mat2)
    if [*map(len, shapes)] != [2, 2] or shapes[0][1] != shapes[1][0]:
        raise ValueError(f"mm: expected matrices (n, k) and (k, m), got {shapes}; see matmul")
    return matmul(input, mat2)


def _reshaped(input: Any, shape: tuple[int, ...]) -> Any:
    return input if input.array.shape == shape else _reshape(input, shape=shape)


def _check_product(input: Variable, other: Variable) -> None:
    a, b = input.array, other.array
    if not a.ndim or not b.ndim:
        given = f"shapes {a.shape} and {b.shape}"
        raise ValueError(f"matmul: both tensors need at least one dim, got {given}")
    if a.dtype != b.dtype:
        hint = f"{a.dtype} and {b.dtype}; convert one with .to(tinynet.{result_type(input, other)})"
        raise RuntimeError(f"matmul: both tensors must have one dtype, got {hint}")
    which, inner = ("second last", b.shape[-2]) if b.ndim > 1 else ("only", b.shape[0])
    if a.shape[-1] != inner:
        rule = f"the last size of input, {a.shape[-1]}, must equal the {which} of other, {inner}"
        raise ValueError(f"matmul: input {a.shape} and other {b.shape} don't fit: {rule}")


@Primitive
def linear(xp, x, w, b):
    y = _product(xp, x, w.T)
    if b is not None:
        y += b
    return y


@Primitive
def _linear_weight_grad(xp, dy, x):
    return _product(xp, dy.T, x)  # (out, in) = (out, N) @ (N, in)


linear.derivatives(
    x=lambda g, w: _matmul(g, w),  # (N, in) = (N, out) @ (out, in)
    w=lambda g, x: _linear_weight_grad(g, x),
    b=lambda g: _sum(g, dims=(0,), keepdim=False))

# here g, the gradient of a gradient of w, has the shape of w
_linear_weight_grad.derivatives(
    dy=lambda g, x: linear(x, g, None),
    x=lambda g, dy: _matmul(dy, g))
