"""Sums, means and their relatives over some or all dimensions; matrix products, which are sums too."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Primitive, Variable, cast
from ..backend import array_module
from .dtypes import default_dtype, result_type
from .elementwise import abs, broadcast_shape, eq, exp, isnan, log, maximum, minimum, sqrt, where
from .shapes import as_dim, as_dims, expand, reshape, transpose, unsqueeze


def _unreduced(g: Any, shape: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """`g`, a result or gradient with `dims` reduced away or kept as 1, expanded to `shape` again."""
    return expand(reshape(g, [1 if d in dims else n for d, n in enumerate(shape)]), shape)


def _all_if_empty(dim: Any) -> Any:
    return None if isinstance(dim, (tuple, list)) and not dim else dim


def _floating(name: str, input: Any, dtype: Any = None) -> Any:
    """`input` as floats, in `dtype` if it is given; PyTorch refuses to average integers, and so do we."""
    if dtype is not None and input.array.dtype != np.dtype(dtype):
        input = cast(input, dtype=np.dtype(dtype))
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected floats, got {input.array.dtype}; convert with .float()")
    return input


# -------------------------------------------------------------------------------------------------------- sums


@Primitive
def _sum(xp, a, *, dims, keepdim):
    return a.sum(axis=dims, keepdims=keepdim)


# every summand gets the whole gradient
_sum.derivatives(a=lambda g, a_shape, dims: _unreduced(g, a_shape, dims))


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over `dim` (an int, several, or None for all). Bools and integers sum to int64.

    >>> import tinynet
    >>> tinynet.ones(2, 3).sum(dim=1)
    tensor([3., 3.])
    """
    dims = as_dims("sum", _all_if_empty(dim), input.array.ndim)
    dtype = np.dtype(dtype) if dtype is not None else input.array.dtype if input.array.dtype.kind == "f" else np.dtype(np.int64)
    if input.array.dtype != dtype:
        input = cast(input, dtype=dtype)
    return _sum(input, dims=dims, keepdim=keepdim)


def _drop(kept: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    shape = kept.array.shape
    return kept if keepdim else reshape(kept, [n for d, n in enumerate(shape) if d not in dims])


def _count(input: Any, dims: tuple[int, ...]) -> int:
    return math.prod(input.array.shape[d] for d in dims)


def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over `dim` (an int, several, or None for all) of floats."""
    input = _floating("mean", input, dtype)
    dims = as_dims("mean", _all_if_empty(dim), input.array.ndim)
    return sum(input, dims, keepdim) / float(_count(input, dims))


def var(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None) -> Any:
    """The variance over `dim`: squared distances from the mean, summed and divided by (their number - `correction`).

    `correction` is 1 by default, which makes the estimate unbiased; ``unbiased=False`` is another way to say 0.
    """
    input = _floating("var", input)
    if unbiased is not None and correction is not None:
        raise ValueError("var: give unbiased or correction, not both")
    if isinstance(dim, bool):  # x.var(False)
        dim, unbiased = None, dim
    correction = float(unbiased) if unbiased is not None else 1.0 if correction is None else correction
    dims = as_dims("var", _all_if_empty(dim), input.array.ndim)
    centred = input - mean(input, dims, keepdim=True)
    free = float(_count(input, dims) - correction)
    # with too few values the variance is 0 / 0, a nan, as in PyTorch
    return sum(centred * centred, dims, keepdim) / (free if free > 0 else 0.0)


def std(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None) -> Any:
    """The square root of `var`, with the same arguments."""
    return sqrt(var(input, dim, unbiased, keepdim, correction=correction))


def norm(input: Any, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Any:
    """The p-norm ``(sum |x|^p)^(1/p)`` over `dim`; p may be infinite. At 0 the gradient of the 2-norm is 0."""
    input = _floating("norm", input)
    if not isinstance(p, (int, float)) or not p > 0:
        raise ValueError(f"norm: p must be a positive number or inf, got {p!r}")
    if p == math.inf:
        return amax(abs(input), () if dim is None else dim, keepdim)
    if p == 1:
        return sum(abs(input), dim, keepdim)
    total = sum(input * input if p == 2 else abs(input) ** p, dim, keepdim)
    zero = total == 0
    return where(zero, 0.0, where(zero, 1.0, total) ** (1.0 / p)) if input._vertex() is not None else total ** (1.0 / p)


# ---------------------------------------------------------------------------------------------------- extremes


class MinMax(NamedTuple):
    """What `max` and `min` along a dimension return."""

    values: Any
    indices: Any


@Primitive
def _amax(xp, a, *, dims, keepdim):
    return a.max(axis=dims, keepdims=keepdim)


@Primitive
def _amin(xp, a, *, dims, keepdim):
    return a.min(axis=dims, keepdims=keepdim)


def _split_evenly(g, y, a, dims):
    y = _unreduced(y, a.shape, dims)
    ties = cast(eq(a, y) | isnan(y), dtype=a.dtype)
    return _unreduced(g, a.shape, dims) * ties / sum(ties, dims, keepdim=True)


for _extreme in (_amax, _amin):
    # equal extremes share the gradient
    _extreme.derivatives(a=_split_evenly)


def _non_empty(name: str, input: Any, dims: tuple[int, ...]) -> None:
    if 0 in [input.array.shape[d] for d in dims]:
        raise ValueError(f"{name}: shape {tuple(input.array.shape)} has no element to choose from along dim {dims}")


def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The largest values over `dim` (an int, several, or () for all). Ties share the gradient evenly."""
    dims = as_dims("amax", _all_if_empty(dim), input.array.ndim)
    _non_empty("amax", input, dims)
    return _amax(input, dims=dims, keepdim=keepdim)


def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The smallest values over `dim` (an int, several, or () for all). Ties share the gradient evenly."""
    dims = as_dims("amin", _all_if_empty(dim), input.array.ndim)
    _non_empty("amin", input, dims)
    return _amin(input, dims=dims, keepdim=keepdim)


@Primitive
def pick(xp, a, *, indices, dim):
    # one element of each line along `dim`
    return xp.take_along_axis(a, indices, dim)


@Primitive
def unpick(xp, a, *, indices, dim, shape):
    out = xp.zeros(shape, a.dtype)
    xp.put_along_axis(out, indices, a, dim)  # one index per line: none meets another
    return out


pick.derivatives(a=lambda g, indices, dim, a_shape: unpick(g, indices=indices, dim=dim, shape=a_shape))
unpick.derivatives(a=lambda g, indices, dim: pick(g, indices=indices, dim=dim))


def _arg(name: str, input: Any, dim: Any) -> Any:
    xp = array_module(input.array)
    return getattr(xp, name)(input.array, axis=dim, keepdims=True)


def _extreme_along(name: str, input: Any, dim: Any, keepdim: bool) -> MinMax:
    dim = as_dim(name, dim, input.array.ndim)
    if input.array.ndim == 0:
        return MinMax(input, input._make(array_module(input.array).zeros((), np.int64)))
    _non_empty(name, input, (dim,))
    indices = _arg("arg" + name, input, dim)
    return MinMax(
        _drop(pick(input, indices=indices, dim=dim), (dim,), keepdim), _drop(input._make(indices), (dim,), keepdim)
    )


def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Without `dim`, the largest value; ties share its gradient. With an int, values and indices along it.

    The index is the first of equal ones, and that one gets the gradient. With another tensor as `dim`: `maximum`.

    >>> import tinynet
    >>> tinynet.tensor([[1, 5], [7, 2]]).max(dim=1)
    MinMax(values=tensor([5, 7]), indices=tensor([1, 0]))
    """
    if isinstance(dim, Variable):
        return maximum(input, dim)
    return amax(input, keepdim=keepdim) if dim is None else _extreme_along("max", input, dim, keepdim)


def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Without `dim`, the smallest value; ties share its gradient. With an int, values and indices along it.

    The index is the first of equal ones, and that one gets the gradient. With another tensor as `dim`: `minimum`.
    """
    if isinstance(dim, Variable):
        return minimum(input, dim)
    return amin(input, keepdim=keepdim) if dim is None else _extreme_along("min", input, dim, keepdim)


def _argextreme(name: str, input: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        _non_empty(name, input, tuple(range(input.array.ndim)))
        index = input._make(_arg(name, reshape(input, -1), 0))
        return reshape(index, [1] * input.array.ndim if keepdim else [])
    dim = as_dim(name, dim, input.array.ndim)
    if input.array.ndim == 0:
        return input._make(array_module(input.array).zeros((), np.int64))
    _non_empty(name, input, (dim,))
    return _drop(input._make(_arg(name, input, dim)), (dim,), keepdim)


def argmax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The index of the largest value along `dim`, the first of equal ones; without `dim`, in the flattened tensor."""
    return _argextreme("argmax", input, dim, keepdim)


def argmin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The index of the smallest value along `dim`, the first of equal ones; without `dim`, in the flattened tensor."""
    return _argextreme("argmin", input, dim, keepdim)


def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether every element along `dim` is non-zero."""
    dims = as_dims("all", dim, input.array.ndim)
    return input._make(array_module(input.array).asarray(input.array.all(axis=dims, keepdims=keepdim)))


def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether some element along `dim` is non-zero."""
    dims = as_dims("any", dim, input.array.ndim)
    return input._make(array_module(input.array).asarray(input.array.any(axis=dims, keepdims=keepdim)))


# ------------------------------------------------------------------------------------------ softmax and family


@Primitive
def _logsumexp(xp, a, *, dims, keepdim):
    # log sum e^a = m + log sum e^(a - m): with m the largest, no e^ overflows, and the largest is 1.
    top = a.max(axis=dims, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))  # an infinite one would give inf - inf
    total = xp.exp(a - top).sum(axis=dims, keepdims=keepdim)
    return xp.log(total) + top.reshape(total.shape)


_logsumexp.derivatives(a=lambda g, y, a, dims: _logsumexp_gradient(_unreduced(g, a.shape, dims), _unreduced(y, a.shape, dims), a))


def _logsumexp_gradient(g: Any, y: Any, a: Any) -> Any:
    return g * exp(a - where(y == -math.inf, 0.0, y))  # where all are -inf, so is y, and the gradient is 0


def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """``log(sum(exp(input)))`` over `dim` (an int or several), without overflow."""
    input = input if input.array.dtype.kind == "f" else cast(input, dtype=default_dtype)
    dims = as_dims("logsumexp", dim, input.array.ndim)
    if 0 in [input.array.shape[d] for d in dims]:
        return log(sum(exp(input), dims, keepdim))
    return _logsumexp(input, dims=dims, keepdim=keepdim)


@Primitive
def _softmax(xp, a, *, dim):
    e = xp.exp(a - a.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


_softmax.derivatives(a=lambda g, y, dim: y * (g - sum(g * y, dim, keepdim=True)))


@Primitive
def _log_softmax(xp, a, *, dim):
    shifted = a - a.max(axis=dim, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=dim, keepdims=True))


_log_softmax.derivatives(a=lambda g, y, dim: g - exp(y) * sum(g, dim, keepdim=True))


def _over_dim(name: str, primitive: Primitive, input: Any, dim: Any, dtype: Any) -> Any:
    if dim is None:
        raise TypeError(f"{name}: say which dim the probabilities add up to 1 along; for (N, C) that is dim=1")
    input = _floating(name, input, dtype)
    dim = as_dim(name, dim, input.array.ndim)
    if input.array.ndim == 0:
        return reshape(primitive(unsqueeze(input, 0), dim=0), [])
    return primitive(input, dim=dim) if input.array.size else input * 1.0


def softmax(input: Any, dim: Any = None, *, dtype: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` along `dim`, the largest of each line taken off first so that nothing overflows."""
    return _over_dim("softmax", _softmax, input, dim, dtype)


def log_softmax(input: Any, dim: Any = None, *, dtype: Any = None) -> Any:
    """``log(softmax(x))`` along `dim`, exact where the softmax itself would round to 0."""
    return _over_dim("log_softmax", _log_softmax, input, dim, dtype)


# --------------------------------------------------------------------------------------------- matrix products


@Primitive
def _matmul(xp, a, b):
    return xp.matmul(a, b)


_matmul.derivatives(
    a=lambda g, b: _matmul(g, transpose(b, -1, -2)),  # (..., n, k) = (..., n, m) @ (..., m, k)
    b=lambda g, a: _matmul(transpose(a, -1, -2), g),  # (..., k, m) = (..., k, n) @ (..., n, m)
)


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
def linear(xp, x, w):
    return xp.matmul(x, w.T)


linear.derivatives(
    x=lambda g, w: _matmul(g, w),  # (N, in) = (N, out) @ (out, in)
    w=lambda g, x: _matmul(transpose(g, 0, 1), x),  # (out, in) = (out, N) @ (N, in): in the order of w, for the optimiser
)
