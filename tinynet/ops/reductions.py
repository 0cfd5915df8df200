"""Sums, means and their relatives over some or all dimensions; matrix products, which are sums too."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..arrays.devices import array_module, beside, computing
from ..autograd import Primitive, Variable, cast
from .arguments import as_dim, as_dims, of_tensor
from .elementwise import abs, eq, isnan, maximum, minimum, where
from .shapes import expand, reshape
from .summing import total


def _unreduced(g: Any, shape: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """`g`, a result or gradient with `dims` reduced away or kept as 1, expanded to `shape` again."""
    return expand(reshape(g, [1 if d in dims else n for d, n in enumerate(shape)]) if g.array.ndim else g, shape)


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
    return total(xp, a, dims, keepdim)


# every summand gets the whole gradient
_sum.derivatives(a=lambda g, a_shape, dims: _unreduced(g, a_shape, dims))


@of_tensor
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


def _count(shape: tuple[int, ...], dims: tuple[int, ...]) -> float:
    return float(math.prod(shape[d] for d in dims))


@Primitive
def _mean(xp, a, *, dims, keepdim):
    return total(xp, a, dims, keepdim) / _count(a.shape, dims)


@Primitive
def _spread(xp, a, *, shape, dims):
    # the adjoint: to each element its part of the mean's
    kept = [1 if d in dims else n for d, n in enumerate(shape)]
    return xp.broadcast_to(a.reshape(kept) / _count(shape, dims), shape)


_mean.derivatives(a=lambda g, a_shape, dims: _spread(g, shape=a_shape, dims=dims))
_spread.derivatives(a=lambda g, a_shape, dims: reshape(_mean(g, dims=dims, keepdim=False), a_shape))


@of_tensor
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over `dim` (an int, several, or None for all) of floats."""
    input = _floating("mean", input, dtype)
    dims = as_dims("mean", _all_if_empty(dim), input.array.ndim)
    return _as(input, _mean(_wide(input), dims=dims, keepdim=keepdim))


def _wide(input: Any) -> Any:
    # a sum, or a square, may be too large for a half where what is made of it is not
    return cast(input, dtype=np.dtype(np.float32)) if input.array.dtype == np.float16 else input


def _as(input: Any, result: Any) -> Any:
    return result if result.array.dtype == input.array.dtype else cast(result, dtype=input.array.dtype)


@of_tensor
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
    free = _count(input.array.shape, dims) - correction
    # with too few values the variance is 0 / 0, a nan, as in PyTorch
    return _as(input, _drop(moments(_wide(input), dims)[2], dims, keepdim) / (free if free > 0 else 0.0))


def moments(input: Any, dims: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """The mean over `dims`, `input` less that, and the sum of the squares of what is left; `dims` are kept, with size 1."""
    average = mean(input, dims, keepdim=True)
    centred = input - average
    squares = sum(centred * centred, dims, keepdim=True)
    if _far_from_zero(average.array, squares.array, _count(input.array.shape, dims)):
        left = mean(centred, dims, keepdim=True)
        average, centred = average + left, centred - left
        squares = sum(centred * centred, dims, keepdim=True)
    return average, centred, squares


def _far_from_zero(average: Any, squares: Any, count: float) -> bool:
    """Whether rounding `average`, to a number of its own size, shows in the `count` values less it, because these are so much smaller.

    `squares` is the sum of theirs. They have to be centred once more then. (A GPU isn't asked, since the program would have to wait for its
    answer: there they always are.)
    """
    if array_module(average) is not np:
        return True
    with computing(average):
        return bool((average * average * count > 256 * squares).any())


@of_tensor
def std(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None) -> Any:
    """The square root of `var`, with the same arguments. At 0 the gradient is 0."""
    input = _floating("std", input)
    spread = var(_wide(input), dim, unbiased, keepdim, correction=correction)
    return _as(input, _root(spread, 0.5))


def _root(powers: Any, p: float) -> Any:
    # at 0 the slope is infinite; it is taken for 0
    if powers._vertex() is None:
        return powers**p
    zero = powers == 0
    return where(zero, 0.0, where(zero, 1.0, powers) ** p)


@of_tensor
def norm(input: Any, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Any:
    """The p-norm ``(sum |x|^p)^(1/p)`` over `dim`; p may be infinite. At 0 the gradient of the 2-norm is 0."""
    input = _floating("norm", input)
    if not isinstance(p, (int, float)) or not p > 0:
        raise ValueError(f"norm: p must be a positive number or inf, got {p!r}")
    if p == math.inf:
        return amax(abs(input), () if dim is None else dim, keepdim)
    if p == 1:
        return sum(abs(input), dim, keepdim)
    wide = _wide(input)
    powers = wide * wide if p == 2 else abs(wide) ** p if p > 1 else _root(abs(wide), p)
    return _as(input, _root(sum(powers, dim, keepdim), 1.0 / p))


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


@of_tensor
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The largest values over `dim` (an int, several, or () for all). Ties share the gradient evenly."""
    dims = as_dims("amax", _all_if_empty(dim), input.array.ndim)
    _non_empty("amax", input, dims)
    return _amax(input, dims=dims, keepdim=keepdim)


@of_tensor
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
    with computing(input.array):
        return getattr(xp, name)(input.array, axis=dim, keepdims=True)


def _extreme_along(name: str, input: Any, dim: Any, keepdim: bool) -> MinMax:
    dim = as_dim(name, dim, input.array.ndim)
    if input.array.ndim == 0:
        return MinMax(input, input._make(beside(input.array, 0, np.int64)))
    _non_empty(name, input, (dim,))
    indices = _arg("arg" + name, input, dim)
    # a copy for the user, since the backward pass needs the indices as they are
    return MinMax(
        _drop(pick(input, indices=indices, dim=dim), (dim,), keepdim), _drop(input._make(indices.copy()), (dim,), keepdim)
    )


@of_tensor
def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Without `dim`, the largest value; ties share its gradient. With an int, values and indices along it.

    The index is the first of equal ones, and that one gets the gradient. With another tensor as `dim`: `maximum`.

    >>> import tinynet
    >>> tinynet.tensor([[1, 5], [7, 2]]).max(dim=1)
    MinMax(values=tensor([5, 7]), indices=tensor([1, 0]))
    """
    if isinstance(dim, Variable):
        return maximum(input, dim)
    if dim is None:
        _non_empty("max", input, tuple(range(input.array.ndim)))
        return amax(input, keepdim=keepdim)
    return _extreme_along("max", input, dim, keepdim)


@of_tensor
def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Without `dim`, the smallest value; ties share its gradient. With an int, values and indices along it.

    The index is the first of equal ones, and that one gets the gradient. With another tensor as `dim`: `minimum`.
    """
    if isinstance(dim, Variable):
        return minimum(input, dim)
    if dim is None:
        _non_empty("min", input, tuple(range(input.array.ndim)))
        return amin(input, keepdim=keepdim)
    return _extreme_along("min", input, dim, keepdim)


def _argextreme(name: str, input: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        _non_empty(name, input, tuple(range(input.array.ndim)))
        index = input._make(_arg(name, reshape(input, -1), 0))
        return reshape(index, [1] * input.array.ndim if keepdim else [])
    dim = as_dim(name, dim, input.array.ndim)
    if input.array.ndim == 0:
        return input._make(beside(input.array, 0, np.int64))
    _non_empty(name, input, (dim,))
    return _drop(input._make(_arg(name, input, dim)), (dim,), keepdim)


@of_tensor
def argmax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The index of the largest value along `dim`, the first of equal ones; without `dim`, in the flattened tensor."""
    return _argextreme("argmax", input, dim, keepdim)


@of_tensor
def argmin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The index of the smallest value along `dim`, the first of equal ones; without `dim`, in the flattened tensor."""
    return _argextreme("argmin", input, dim, keepdim)


@of_tensor
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether every element along `dim` is non-zero."""
    dims = as_dims("all", dim, input.array.ndim)
    with computing(input.array):
        return input._make(array_module(input.array).asarray(input.array.all(axis=dims, keepdims=keepdim)))


@of_tensor
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether some element along `dim` is non-zero."""
    dims = as_dims("any", dim, input.array.ndim)
    with computing(input.array):
        return input._make(array_module(input.array).asarray(input.array.any(axis=dims, keepdims=keepdim)))


# ------------------------------------------------------------------------------------------ softmax and family


# --------------------------------------------------------------------------------------------- matrix products


