"""Sums, means, extremes and their relatives over some or all dimensions.

A primitive such as `_sum` takes ``dims``, a tuple of dimensions counted from the front. With
``keepdim`` these stay in the result with size 1.
"""

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import array_module, computing
from ..autograd import cast, clone, is_grad_enabled, Primitive, Variable
from .arguments import as_bool, as_dim, as_dims, as_dtype, as_number, of_tensor
from .elementwise import abs, eq, isnan, maximum, minimum, where
from .indexing import along
from .operands import aligned, named
from .shapes import _expand, _reshape, fitted
from .summing import total


def unreduced(g: Any, shape: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """`g`, of `shape` reduced over `dims` with or without keepdim, expanded to `shape` again."""
    if g.array.ndim:  # else it expands to any shape as it is
        g = _reshape(g, shape=tuple([1 if d in dims else n for d, n in enumerate(shape)]))
    return _expand(g, shape=shape)


def _without(kept: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    """`kept`, whose `dims` have size 1, without these unless `keepdim`."""
    if keepdim or not dims:
        return kept
    return _reshape(kept, shape=tuple([n for d, n in enumerate(kept.array.shape) if d not in dims]))


def _dims(name: str, input: Any, dim: Any, keepdim: bool) -> tuple[int, ...]:
    """`dim` of a sum or a mean as a tuple; like None, an empty sequence stands for all."""
    as_bool(name, "keepdim", keepdim)
    empty = isinstance(dim, (tuple, list)) and not dim
    return as_dims(name, None if empty else dim, input.array.ndim)


def as_floating(name: str, input: Any, dtype: Any = None) -> Any:
    """`input` in `dtype`, if given; RuntimeError unless it holds floats then, as in PyTorch."""
    if dtype is not None and input.array.dtype != as_dtype(name, dtype):
        input = cast(input, dtype=np.dtype(dtype))
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected floats, got {input.dtype}; convert with .float()")
    return input


def _widened(input: Any) -> Any:
    # a sum or a square may overflow in float16 where the mean or the root does not
    return cast(input, dtype=np.dtype(np.float32)) if input.array.dtype == np.float16 else input


def _narrowed(result: Any, like: Any) -> Any:
    """`result` in the dtype of `like`."""
    return fitted(result, result.array.shape, like.array.dtype)


# ----------------------------------------------------------------------------------------- sums


_sum = Primitive(lambda xp, a, *, dims, keepdim: total(xp, a, dims, keepdim), name="sum")
# every summand gets the whole gradient
_sum.derivatives(a=lambda g, a_shape, dims: unreduced(g, a_shape, dims))


@of_tensor
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over `dim` (an int, several, or None for all). Bools and integers sum to int64.

    With `dtype`, `input` is converted before it is summed. A RuntimeError if that loses a gradient.

    >>> import tinynet
    >>> tinynet.ones(2, 3).sum(dim=1)
    tensor([3., 3.])
    """
    dims, given = _dims("sum", input, dim, keepdim), input.array.dtype
    if dtype is not None or given.kind != "f":
        dtype = np.dtype(np.int64) if dtype is None else as_dtype("sum", dtype)
        if dtype.kind != "f" and is_grad_enabled() and input._vertex() is not None:
            rule = "has no gradient, but the tensor requires grad; use tensor.detach()"
            raise RuntimeError(f"sum: a sum in {dtype} {rule}")
        input = input if given == dtype else cast(input, dtype=dtype)
    return _sum(input, dims=dims, keepdim=keepdim)


def _count(shape: tuple[int, ...], dims: tuple[int, ...]) -> float:
    return float(math.prod([shape[d] for d in dims]))


@Primitive
def _mean(xp, a, *, dims, keepdim):
    return total(xp, a, dims, keepdim) / _count(a.shape, dims)


# each element gets an equal part of the gradient of the mean
_mean.derivatives(a=lambda g, a_shape, dims: unreduced(g / _count(a_shape, dims), a_shape, dims))


@of_tensor
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over `dim` (an int, several, or None for all) of floats."""
    input = as_floating("mean", input, dtype)
    return _average(input, _dims("mean", input, dim, keepdim), keepdim)


def _average(input: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    return _narrowed(_mean(_widened(input), dims=dims, keepdim=keepdim), input)


@of_tensor
def var(input, dim=None, unbiased: bool | None = None, keepdim=False, *, correction=None) -> Any:
    """The variance over `dim`: the sum of squared distances from the mean, divided by a count.

    The count is the number of values less `correction`, which is 1 by default and makes the
    estimate unbiased; ``unbiased=False`` is another way to say 0.
    """
    input = as_floating("var", input)
    return _narrowed(_variance("var", input, dim, unbiased, keepdim, correction), input)


@of_tensor
def std(input, dim=None, unbiased: bool | None = None, keepdim=False, *, correction=None) -> Any:
    """The square root of `var`, with the same arguments. At 0 the gradient is 0."""
    input = as_floating("std", input)
    return _narrowed(_root(_variance("std", input, dim, unbiased, keepdim, correction), 0.5), input)


def _variance(name: str, input, dim, unbiased, keepdim, correction) -> Any:
    """The variance, in float32 if `input` is float16."""
    if unbiased is not None and correction is not None:
        raise ValueError(f"{name}: give unbiased or correction, not both")
    if isinstance(dim, bool):  # x.var(False) means unbiased
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if as_bool(name, "unbiased", unbiased) else 0
    correction = 1 if correction is None else as_number(name, "correction", correction)
    dims = _dims(name, input, dim, keepdim)
    # of too few values, the variance is 0 / 0, a nan, as in PyTorch
    count = builtins.max(_count(input.array.shape, dims) - correction, 0.0)
    return _without(centred(_widened(input), dims)[1], dims, keepdim) / count


def centred(input: Any, dims: tuple[int, ...]) -> tuple[Any, Any]:
    """`input` (floats) less its mean over `dims`, and the sum of the squares of that difference.

    `dims` stay in the sum, with size 1.
    """
    average = _average(input, dims, keepdim=True)
    difference = input - average
    squares = _sum(difference * difference, dims=dims, keepdim=True)
    if _far_from_zero(average.array, squares.array, _count(input.array.shape, dims)):
        difference = difference - _average(difference, dims, keepdim=True)
        squares = _sum(difference * difference, dims=dims, keepdim=True)
    return difference, squares


def _far_from_zero(average: Any, squares: Any, count: float) -> bool:
    """Whether the values must be centred once more, because the mean was rounded too coarsely.

    The rounding error of `average` is relative to its size. It shows if the `count` differences,
    whose squares add up to `squares`, are much smaller. On a GPU the answer is always True, because
    the program would have to wait for the values.
    """
    if array_module(average) is not np:
        return True
    with computing(average):
        return bool((average * average * count > 256 * squares).any())


def _root(powers: Any, p: float) -> Any:
    """``powers ** p`` for p < 1. At 0 the slope is infinite; it counts as 0."""
    if powers._vertex() is None:
        return powers**p
    zero = powers == 0
    return where(zero, 0.0, where(zero, 1.0, powers) ** p)


def as_power(function: str, p: Any) -> float:
    """The p of a norm: a positive number, infinite perhaps, 0 or -inf; "fro" means 2."""
    p = 2.0 if isinstance(p, str) and p == "fro" else p
    known = type(p) in (int, float) and p in (0, -math.inf)
    return p if known else as_number(function, "p", p, positive=True, infinite=True)


# a count of steps has no slope, so nothing flows back, not even a 0
_nonzeros = Primitive(
    lambda xp, a, *, dims, keepdim: xp.asarray((a != 0).sum(axis=dims, keepdims=keepdim), a.dtype),
    name="norm")
_nonzeros.joint_derivative(lambda: (None,))


@of_tensor
def norm(input: Any, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Any:
    """The p-norm ``(sum |x|^p)^(1/p)`` over `dim`.

    For an infinite p it is the largest ``|x|``, for -inf the smallest, and for 0 how many elements
    aren't 0. "fro" is 2. At 0 the gradient of the 2-norm is 0.
    """
    input = as_floating("norm", input)
    p = as_power("norm", p)
    dims = _dims("norm", input, dim, keepdim)
    if math.isinf(p):
        return _extreme_over("norm", _amax if p > 0 else _amin, abs(input), dims, keepdim)
    if p == 0:
        return _nonzeros(input, dims=dims, keepdim=keepdim)
    if p == 1:
        return _sum(abs(input), dims=dims, keepdim=keepdim)
    wide = _widened(input)
    powers = wide * wide if p == 2 else abs(wide) ** p if p > 1 else _root(abs(wide), p)
    return _narrowed(_root(_sum(powers, dims=dims, keepdim=keepdim), 1.0 / p), input)


# ------------------------------------------------------------------------------------- extremes


class MinMax(NamedTuple):
    """What `max` and `min` along a dimension return."""

    values: Any
    indices: Any


@functools.cache
def min_max(function: str) -> type[MinMax]:
    """What a function returns: a `MinMax` that prints under the name of the function."""
    return type(function, (MinMax,), {"__slots__": ()})


def _over(method: str, name: str) -> Primitive:
    """The primitive called `name` that is this method of arrays."""
    return Primitive(
        lambda xp, a, *, dims, keepdim: xp.asarray(
            getattr(a, method)(axis=dims, keepdims=keepdim), order="C"), name=name)


def _extreme_and_index(name: str) -> tuple[Primitive, Primitive, Primitive]:
    """The primitives that find the extreme of all, that over some dims, and its first index."""

    def first_index(xp, a, *, dims, keepdim):
        return getattr(xp, f"arg{name}")(a, axis=dims[0], keepdims=keepdim)

    of_all, over_dims = _over(name, name), _over(name, f"a{name}")
    # Elements that equal the extreme share its gradient. A nan equals nothing: the nans share it if
    # the extreme of all is one; over dims, all gradients are 0 / 0 = nan then. So does PyTorch.
    of_all.derivatives(a=lambda g, y, a, dims: _shared(g, y, a, dims, isnan(a)))
    over_dims.derivatives(a=lambda g, y, a, dims: _shared(g, y, a, dims, False))
    return of_all, over_dims, Primitive(first_index, name=f"arg{name}")


def _shared(g, y, a, dims, nans):
    shape = a.array.shape
    ties = cast(eq(a, unreduced(y, shape, dims)) | nans, dtype=g.array.dtype)
    return unreduced(g, shape, dims) * ties / _sum(ties, dims=dims, keepdim=True)


(_max, _amax, _argmax), (_min, _amin, _argmin) = map(_extreme_and_index, ("max", "min"))


# one element of each line along `dim`
pick = Primitive(lambda xp, a, *, indices, dim: a[along(xp, indices, dim)], name="pick")


@Primitive
def unpick(xp, a, *, indices, dim, shape):
    out = xp.zeros(shape, a.dtype)
    out[along(xp, indices, dim)] = a  # one index per line: no element is written twice
    return out


pick.derivatives(
    a=lambda g, indices, dim, a_shape: unpick(g, indices=indices, dim=dim, shape=a_shape))
unpick.derivatives(a=lambda g, indices, dim: pick(g, indices=indices, dim=dim))


def _extreme_over(name: str, extreme: Primitive, input, dims: tuple[int, ...], keepdim) -> Any:
    shape = input.array.shape
    if 0 in [shape[d] for d in dims]:
        raise ValueError(f"{name}: shape {shape} has no element to choose from along dim {dims}")
    return extreme(input, dims=dims, keepdim=keepdim)


def _extreme(name: str, over, index, of_two: Callable[..., Any], input, dim, keepdim) -> Any:
    if isinstance(dim, Variable):
        return of_two(*aligned(name, (input, dim)))
    as_bool(name, "keepdim", keepdim)
    ndim = input.array.ndim
    if dim is None:
        return _extreme_over(name, over, input, tuple(range(ndim)), keepdim)
    dim = as_dim(name, dim, ndim)
    if ndim == 0:
        return min_max(name)(clone(input), _index_of(name, index, input, None, False))
    indices = _extreme_over(name, index, input, (dim,), True)
    # users get a copy of the indices, because the backward pass needs the indices unchanged
    found = pick(input, indices=indices.array, dim=dim), input._make(indices.array.copy())
    return min_max(name)(*[_without(tensor, (dim,), keepdim) for tensor in found])


@of_tensor
def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Without `dim`, the largest value; ties share its gradient. With an int, values and indices.

    The index along `dim` is the first of equal ones, and that one gets the gradient. With another
    tensor as `dim`: `maximum`.

    >>> import tinynet
    >>> tinynet.tensor([[1, 5], [7, 2]]).max(dim=1)
    max(values=tensor([5, 7]), indices=tensor([1, 0]))
    """
    return _extreme("max", _max, _argmax, maximum, input, dim, keepdim)


@of_tensor
def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Without `dim`, the smallest value; ties share its gradient. With an int, values and indices.

    The index along `dim` is the first of equal ones, and that one gets the gradient. With another
    tensor as `dim`: `minimum`.
    """
    return _extreme("min", _min, _argmin, minimum, input, dim, keepdim)


@of_tensor
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The largest values over `dim` (an int, several, or () for all). Ties share the gradient."""
    return _extreme_over("amax", _amax, input, _dims("amax", input, dim, keepdim), keepdim)


@of_tensor
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The smallest values over `dim` (an int, several, or () for all). Ties share the gradient."""
    return _extreme_over("amin", _amin, input, _dims("amin", input, dim, keepdim), keepdim)


def _index_of(name: str, index: Primitive, input: Any, dim: Any, keepdim: bool) -> Any:
    as_bool(name, "keepdim", keepdim)
    ndim = input.array.ndim
    dim = dim if dim is None else as_dim(name, dim, ndim)
    if dim is None or not ndim:
        found = _extreme_over(name, index, _reshape(input, shape=(input.array.size,)), (0,), True)
        return _reshape(found, shape=(1,) * ndim if keepdim else ())
    return _extreme_over(name, index, input, (dim,), keepdim)


@of_tensor
def argmax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The index of the largest value along `dim`, the first of equal ones.

    Without `dim`, the index in the flattened tensor.
    """
    return _index_of("argmax", _argmax, input, dim, keepdim)


@of_tensor
def argmin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The index of the smallest value along `dim`, the first of equal ones.

    Without `dim`, the index in the flattened tensor.
    """
    return _index_of("argmin", _argmin, input, dim, keepdim)


def _truth(name: str, which: str) -> Any:
    found = _over(name, name)

    def truth(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
        as_bool(name, "keepdim", keepdim)
        truths = found(input, dims=as_dims(name, dim, input.array.ndim), keepdim=keepdim)
        return cast(truths, dtype=np.dtype(np.uint8)) if input.array.dtype == np.uint8 else truths

    doc = (f"Whether {which} element along `dim` (an int, several, or None for all) is non-zero: a "
        "bool tensor, of a uint8 tensor a uint8 one.")
    return of_tensor(named(truth, name, doc))


all, any = _truth("all", "every"), _truth("any", "some")
