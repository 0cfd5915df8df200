"""Softmax, its logarithm, log-sum-exp and cross-entropy."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Primitive, cast
from .arguments import as_dim, as_dims, of_tensor
from .dtypes import default_dtype
from .elementwise import exp, isfinite, log, where
from .reductions import _floating, _unreduced, pick, sum
from .shapes import reshape, unsqueeze
from .summing import total


@Primitive
def _logsumexp(xp, a, *, dims, keepdim):
    # log sum e^a = m + log sum e^(a - m): with m the largest, no e^ overflows, and the largest is 1.
    top = a.max(axis=dims, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))  # an infinite one would give inf - inf
    sums = total(xp, xp.exp(a - top), dims, keepdim)
    return xp.log(sums) + top.reshape(sums.shape)


_logsumexp.derivatives(
    a=lambda g, y, a, dims: _logsumexp_gradient(_unreduced(g, a.shape, dims), _unreduced(y, a.shape, dims), a, dims)
)


def _logsumexp_gradient(g: Any, y: Any, a: Any, dims: tuple[int, ...]) -> Any:
    shares = exp(a - where(y == -math.inf, 0.0, y))  # where all are -inf, so is y, and the gradient is 0
    # They would add up to 1, but far from 0 the rounded y is not exact enough to be an exponent: all are off by one factor.
    whole = sum(shares, dims, keepdim=True)
    return g * shares / where(isfinite(y) & (whole != 0), whole, 1.0)


@of_tensor
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
    return e / total(xp, e, (dim,), True)


_softmax.derivatives(a=lambda g, y, dim: y * (g - sum(g * y, dim, keepdim=True)))


@Primitive
def _log_softmax(xp, a, *, dim):
    shifted = a - a.max(axis=dim, keepdims=True)
    return shifted - xp.log(total(xp, xp.exp(shifted), (dim,), True))


_log_softmax.derivatives(a=lambda g, y, dim: g - exp(y) * sum(g, dim, keepdim=True))


def _places(xp: Any, classes: Any) -> tuple[Any, ...]:
    """What indexes the scores (N, C, ...) of the `classes` (N, ...), in less than half the time of take_along_axis."""
    n, *others = (xp.arange(size).reshape(-1, *[1] * (classes.ndim - 1 - d)) for d, size in enumerate(classes.shape))
    return n, classes, *others


@Primitive
def cross_entropy(xp, a, *, classes):
    # -log(softmax(a)) along dim 1, of one class for each line: classes is (N, 1, ...), the result (N, ...)
    shifted = a - a.max(axis=1, keepdims=True)
    return xp.log(total(xp, xp.exp(shifted), (1,), False)) - shifted[_places(xp, classes[:, 0])]


@Primitive
def _cross_entropy_gradient(xp, dy, a, *, classes):
    shares = xp.exp(a - a.max(axis=1, keepdims=True))
    shares /= total(xp, shares, (1,), True)
    shares -= xp.arange(a.shape[1]).reshape(-1, *[1] * (a.ndim - 2)) == classes
    shares *= dy[:, None]  # what the softmax is, less what it ought to be
    return shares


def _cross_entropy_curvature(g: Any, dy: Any, a: Any) -> Any:
    shares, g = _softmax(a, dim=1), g * unsqueeze(dy, 1)
    return shares * (g - sum(g * shares, 1, keepdim=True))


cross_entropy.derivatives(a=lambda g, a, classes: _cross_entropy_gradient(g, a, classes=classes))


_cross_entropy_gradient.derivatives(
    dy=lambda g, a, dy_shape, classes: sum(g * _softmax(a, dim=1), 1) - reshape(pick(g, indices=classes, dim=1), dy_shape),
    a=_cross_entropy_curvature,
)


def _over_dim(name: str, primitive: Primitive, input: Any, dim: Any, dtype: Any) -> Any:
    if dim is None:
        raise TypeError(f"{name}: say which dim the probabilities add up to 1 along; for (N, C) that is dim=1")
    input = _floating(name, input, dtype)
    dim = as_dim(name, dim, input.array.ndim)
    if input.array.ndim == 0:
        return reshape(primitive(unsqueeze(input, 0), dim=0), [])
    return primitive(input, dim=dim) if input.array.size else input * 1.0


@of_tensor
def softmax(input: Any, dim: Any = None, *, dtype: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` along `dim`, the largest of each line taken off first so that nothing overflows."""
    return _over_dim("softmax", _softmax, input, dim, dtype)


@of_tensor
def log_softmax(input: Any, dim: Any = None, *, dtype: Any = None) -> Any:
    """``log(softmax(x))`` along `dim`, exact where the softmax itself would round to 0."""
    return _over_dim("log_softmax", _log_softmax, input, dim, dtype)
