"""Softmax, its logarithm, log-sum-exp and cross-entropy."""

import math
from typing import Any

from ..autograd import Primitive, cast
from .arguments import as_bool, as_dim, as_dims, default_dtype, of_tensor
from .elementwise import exp, isfinite, log, where
from .indexing import along
from .reductions import _sum, as_floating, pick, sum, unreduced
from .shapes import _reshape, in_order, unsqueeze
from .summing import total

# ------------------------------------------------------------------------------------ log-sum-exp


@Primitive
def _logsumexp(xp, a, *, dims, keepdim):
    # log sum e^a = m + log sum e^(a - m); with m the largest, no power overflows, and one is 1
    top = a.max(axis=dims, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))  # else inf - inf
    sums = total(xp, xp.exp(a - top), dims, keepdim)
    return xp.log(sums) + top.reshape(sums.shape)


def _logsumexp_gradient(g: Any, y: Any, a: Any, dims: tuple[int, ...]) -> Any:
    # The gradient is softmax(a) = e^(a - y). Where all of `a` are -inf, so is y; it is 0 then.
    g, y = unreduced(g, a.array.shape, dims), unreduced(y, a.array.shape, dims)
    powers = exp(a - where(y == -math.inf, 0.0, y))
    # They should add up to 1. Far from 0 the rounded y makes all of them wrong by one factor.
    whole = _sum(powers, dims=dims, keepdim=True)
    return g * powers / where(isfinite(y) & (whole != 0), whole, 1.0)


_logsumexp.derivatives(a=lambda g, y, a, dims: _logsumexp_gradient(g, y, a, dims))


@of_tensor
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """``log(sum(exp(input)))`` over `dim` (an int or several), without overflow."""
    as_bool("logsumexp", "keepdim", keepdim)
    dims = as_dims("logsumexp", dim, input.array.ndim)
    if input.array.dtype.kind != "f":
        input = cast(input, dtype=default_dtype)
    if 0 in [input.array.shape[d] for d in dims]:
        return log(_sum(exp(input), dims=dims, keepdim=keepdim))
    return _logsumexp(input, dims=dims, keepdim=keepdim)


# --------------------------------------------------------------------------- softmax, log_softmax


@Primitive
def _softmax(xp, a, *, dim):
    e = xp.exp(a - a.max(axis=dim, keepdims=True))
    return e / total(xp, e, (dim,), True)


@Primitive
def _log_softmax(xp, a, *, dim):
    shifted = a - a.max(axis=dim, keepdims=True)
    return shifted - xp.log(total(xp, xp.exp(shifted), (dim,), True))


_softmax.derivatives(a=lambda g, y, dim: y * (g - _sum(g * y, dims=(dim,), keepdim=True)))
_log_softmax.derivatives(a=lambda g, y, dim: g - exp(y) * _sum(g, dims=(dim,), keepdim=True))


@of_tensor
def softmax(input: Any, dim: Any = None, *, dtype: Any = None) -> Any:
    """``exp(input) / sum(exp(input))`` along `dim`, without overflow.

    The largest value along `dim` is subtracted first.
    """
    return _over_dim("softmax", _softmax, input, dim, dtype)


@of_tensor
def log_softmax(input: Any, dim: Any = None, *, dtype: Any = None) -> Any:
    """``log(softmax(input))`` along `dim`, exact where the softmax itself would round to 0."""
    return _over_dim("log_softmax", _log_softmax, input, dim, dtype)


def _over_dim(name: str, primitive: Primitive, input: Any, dim: Any, dtype: Any) -> Any:
    if dim is None:
        raise TypeError(f"{name}: say which dim probabilities add up to 1 along; for (N, C), dim=1")
    input = as_floating(name, input, dtype)
    dim = as_dim(name, dim, input.array.ndim)
    if input.array.ndim == 0:
        return _reshape(primitive(_reshape(input, shape=(1,)), dim=0), shape=())
    return primitive(in_order(input), dim=dim) if input.array.size else input * 1.0


# ---------------------------------------------------------------------------------- cross-entropy


@Primitive
def cross_entropy(xp, a, *, classes):
    # -log(softmax(a)) along dim 1, at one class per line: a (N, C, ...), classes (N, 1, ...)
    shifted = a - a.max(axis=1, keepdims=True)
    return xp.log(total(xp, xp.exp(shifted), (1,), False)) - shifted[along(xp, classes, 1)][:, 0]


@Primitive
def _cross_entropy_gradient(xp, dy, a, *, classes):
    # dy * (softmax(a) - one_hot(classes))
    d = xp.exp(a - a.max(axis=1, keepdims=True))
    d /= total(xp, d, (1,), True)
    d -= xp.arange(a.shape[1]).reshape(-1, *[1] * (a.ndim - 2)) == classes
    d *= dy[:, None]
    return d


def _cross_entropy_curvature(g: Any, dy: Any, a: Any) -> Any:
    p, g = _softmax(a, dim=1), g * unsqueeze(dy, 1)
    return p * (g - sum(g * p, 1, keepdim=True))


def _along_gradient(g: Any, a: Any, dy_shape: tuple[int, ...], classes: Any) -> Any:
    picked = _reshape(pick(g, indices=classes, dim=1), shape=dy_shape)
    return sum(g * _softmax(a, dim=1), 1) - picked


cross_entropy.derivatives(a=lambda g, a, classes: _cross_entropy_gradient(g, a, classes=classes))
cross_entropy.copies = True  # PyTorch keeps log_softmax(a), so a program may change the scores
_cross_entropy_gradient.derivatives(dy=_along_gradient, a=_cross_entropy_curvature)
