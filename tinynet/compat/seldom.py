"""Functions of ``torch`` that programs need now and then, each a formula of others."""

import itertools
import string
from collections import namedtuple
from typing import Any

import numpy as np

from .. import creation
from ..nn import functional
from ..ops import arguments, elementwise as each
from ..ops.arguments import as_choice, as_dim, as_dtype, as_int
from ..ops.elementwise import rule, where
from ..ops.indexing import along
from ..ops.reductions import min_max
from ..ops.shapes import cat, stack
from ..tensor import Size, Tensor
from . import functions, public

f: Any = functions

fmod = rule("fmod", "The remainder of a division towards 0: it has the sign of the first operand.",
    lambda xp, a, b: xp.fmod(a, b), a=lambda g: g, b=lambda g, a, b: -g * f.trunc(a / b))


def _over(a: Any, b: Any) -> Any:
    """``a / b``, but 0 where b is 0."""
    return where(b == 0, b, a / b)


atan2 = rule("atan2", "The angle of the point (second, first), from -pi to pi.",
    lambda xp, a, b: xp.arctan2(a, b), floating=True,
    a=lambda g, a, b: _over(g * b, a * a + b * b), b=lambda g, a, b: _over(-g * a, a * a + b * b))

hypot: Any = rule("hypot", "The length of the vector (input, other).",
    lambda xp, a, b: xp.hypot(a, b), floating=True, a=lambda g, a, b: g * a / hypot(a, b),
    b=lambda g, a, b: g * b / hypot(a, b))


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """A view with the dims `source`, an int or several, moved to `destination`."""
    numbered = np.broadcast_to(0, tuple(range(input.ndim)))  # each dim has its number as its size
    return input.permute(np.moveaxis(numbered, source, destination).shape)


def select(input: Any, dim: int, index: int) -> Any:
    """The view at a position along `dim`, without that dim."""
    dim = as_dim("select", dim, input.ndim)
    n = input.shape[dim]
    return input.narrow(dim, as_int("select", "index", index, -n, n) % n, 1).squeeze(dim)


def nan_to_num(input: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """nan and infinite elements replaced, infinite ones by the largest floats if not said."""
    if not input.is_floating_point():
        return input.clone()
    largest = float(np.finfo(input.array.dtype).max)
    high, low = [float(end if given is None else given)
                 for given, end in ((posinf, largest), (neginf, -largest))]
    finite = where(input == np.inf, high, where(input == -np.inf, low, input))
    return where(input.isnan(), float(nan), finite)


def quantile(input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *,
             interpolation: str = "linear") -> Any:
    """The value that a share `q` of the elements lies below; for a vector, one after the other."""
    ways = "linear", "lower", "higher", "midpoint", "nearest"
    as_choice("quantile", "interpolation", interpolation, ways)
    dim = dim if input.ndim else None
    x = input.reshape(-1) if dim is None else input
    values, last = f.sort(x, dim or 0)[0].movedim(dim or 0, 0), x.shape[dim or 0] - 1
    shares = creation.as_tensor(q, dtype=input.dtype)
    places = (shares.reshape(-1) * last).reshape(-1, *[1] * (x.ndim - 1))
    floor, ceil = places.floor(), places.ceil()
    at = {"lower": floor, "higher": ceil, "midpoint": (floor + ceil) / 2,
          "nearest": each.round(places)}.get(interpolation, places)
    low, high = (values[end.long().reshape(-1)] for end in (at.floor(), at.ceil()))
    found = where(values[last].isnan(), np.nan, f.lerp(low, high, at - at.floor()))
    if keepdim:
        found = found.unflatten(0, (-1, *[1] * input.ndim)) if dim is None else (
            found.unsqueeze(1).movedim(1, as_dim("quantile", dim, input.ndim) + 1))
    return found if shares.ndim else found.squeeze(0)


def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest element along `dim`, from 1 up, and its index."""
    ordered = f.sort(input.reshape(input.shape or (1,)), dim)
    k = as_int("kthvalue", "k", k, 1, ordered[0].shape[dim] + 1)
    end = ordered[1].narrow(dim, 0, 1) * 0 + k - 1
    return f._picked("kthvalue", ordered, dim, end, keepdim and input.ndim)


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sums of products over dims: the last of `a` and first of `b`, or two lists of them."""
    pairs = (range(a.ndim - dims, a.ndim), range(dims)) if isinstance(dims, int) else dims
    left, right = list(string.ascii_lowercase[:a.ndim]), list(string.ascii_uppercase[:b.ndim])
    for i, j in zip(*pairs, strict=True):
        right[j] = left[i]
    kept = [c for c in left + right if (left + right).count(c) == 1]
    return f.einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", a, b)


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """`gather` with `input` and `indices` broadcast to one shape, but for `dim`; else flattened."""
    if dim is None:
        return input.reshape(-1).gather(0, indices.reshape(-1))
    dim = as_dim("take_along_dim", dim, input.ndim)
    indices = where(indices < 0, indices + input.shape[dim], indices)
    shapes = [[n if d != dim else 1 for d, n in enumerate(v.shape)] for v in (input, indices)]
    shape = [n if d != dim else -1 for d, n in enumerate(np.broadcast_shapes(*shapes))]
    return input.expand(shape).gather(dim, indices.expand(shape))


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `dim`, `n` times, with tensors before and after."""
    dim, n = as_dim("diff", dim, input.ndim), as_int("diff", "n", n, 0)
    ends = [part for part in (prepend, input, append) if part is not None]
    input = cat(ends, dim) if n and len(ends) > 1 else input
    difference = each.ne if input.dtype.kind == "b" else each.sub
    for _ in range(min(n, input.shape[dim])):
        size = input.shape[dim] - 1
        input = difference(input.narrow(dim, 1, size), input.narrow(dim, 0, size))
    return input


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """The positions of elements with these numbers in a tensor of `shape`: a tensor per dim."""
    found = []
    for n in reversed([shape] if isinstance(shape, int) else shape):
        found.append(indices % as_int("unravel_index", "shape", n, 1))
        indices = indices // n
    return tuple(reversed(found))


def index_fill(input: Any, dim: int, index: Any, value: float) -> Any:
    """`input` with a number at the positions `index` along `dim`."""
    n = input.shape[as_dim("index_fill", dim, input.ndim)]
    there = f.bincount(index.reshape(-1) % n, minlength=n) > 0
    return input.masked_fill(there.reshape([n] + [1] * (input.ndim - 1)).movedim(0, dim), value)


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """`input` with the slices of `source`, each at its index along `dim`."""
    across = [-1 if d == as_dim("index_copy", dim, input.ndim) else 1 for d in range(source.ndim)]
    return f.scatter(input, dim, index.reshape(across).expand(source.shape), source)


def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements lie in each of so many equal bins, by default from smallest to largest."""
    values = input.numpy(force=True)
    ends = (min, max) if min != max else (values.min(), values.max())
    return Tensor._wrap(np.histogram(values, bins, ends)[0].astype(values.dtype))


def searchsorted(sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False,
                 side: str | None = None) -> Any:
    """Where numbers would stand in a sorted vector.

    With `right`, or the `side` "right", behind those that equal them; else before.
    """
    given: Any = side or ("right" if right else "left")
    as_choice("searchsorted", "side", given, ("left", "right"))
    values = creation.as_tensor(input).numpy(force=True)
    (sequence,) = f._of_dims("searchsorted", (1,), sorted_sequence)
    places = np.searchsorted(sequence.numpy(force=True), values, given)
    return creation.tensor(places, dtype="int32" if out_int32 else "int64")


def _running(name: str, best: Any) -> Any:
    def running(input: Any, dim: int) -> Any:
        flat = input.reshape(input.shape or (1,))
        dim, values = as_dim(name, dim, flat.ndim), flat.numpy(force=True)
        found = best.accumulate(values, dim) == values
        at = np.arange(values.shape[dim]).reshape(-1, *[1] * (flat.ndim - 1 - dim))
        latest = np.maximum.accumulate(np.where(found | (values != values), at, 0), dim)
        index = Tensor._wrap(latest).to(input.device)
        return min_max(name)(*[v.reshape(input.shape) for v in (flat.gather(dim, index), index)])

    return running


def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along `dim`, the smallest of several, and the last index of it."""
    ordered = f.sort(input.reshape(input.shape or (1,)), dim)
    values, last = movedim(ordered[0].detach(), dim, 0), ordered[0].shape[dim]
    if not last:
        raise ValueError(f"mode: shape {tuple(input.shape)} has no element along dim {dim}")
    at = creation.arange(last, device=input.device).reshape(-1, *[1] * (values.ndim - 1))
    starts = _running("mode", np.maximum)(where(values != values.roll(1, 0), at, 0), 0)[0]
    end = movedim((at - starts).argmax(0, True), 0, dim)
    return f._picked("mode", ordered, dim, end, keepdim and input.ndim)


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The vector product along `dim`, by default the first dim of size 3."""
    a, b = broadcast_tensors(input, other)
    dim = next((d for d, n in enumerate(a.shape) if n == 3), -1) if dim is None else dim
    if not a.ndim or a.shape[as_dim("cross", dim, a.ndim)] != 3:
        raise RuntimeError(f"cross: expected size 3 along dim {dim}, got {tuple(a.shape)}")
    return a.roll(-1, dim) * b.roll(-2, dim) - a.roll(-2, dim) * b.roll(-1, dim)


def kron(input: Any, other: Any) -> Any:
    """Kronecker's product: each element of `input` times the whole of `other`, side by side."""
    n = max(input.ndim, other.ndim)
    a, b = ([1] * (n - v.ndim) + [*v.shape] for v in (input, other))
    left, right = ([k for m in a for k in (m, 1)], [k for m in b for k in (1, m)])
    product = input.reshape(left) * other.reshape(right)
    return product.reshape([x * y for x, y in zip(a, b, strict=True)])


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The last dim becomes the diagonal of matrices in two new dims, 0 elsewhere."""
    on = creation.eye(input.shape[-1], device=input.device) > 0
    up, down = max(as_int("diag_embed", "offset", offset), 0), max(-offset, 0)
    square = where(on, input.unsqueeze(-1), input.new_zeros(()))
    return movedim(functional.pad(square, (up, down, down, up)), (-2, -1), (dim1, dim2))


def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal."""
    diagonal = as_int("diag", "diagonal", diagonal)
    if input.ndim == 2:
        return f.diagonal(input, diagonal).clone()
    return diag_embed(f._of_dims("diag", (1,), input)[0], diagonal)


def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> Any:
    """Views of parts of nearly one size, so many as an int says, or between the given indices."""
    places = np.arange(input.shape[as_dim("tensor_split", dim, input.ndim)])
    if isinstance(indices_or_sections, int):
        as_int("tensor_split", "indices_or_sections", indices_or_sections, 1)
    return tuple(input.narrow(dim, int(part[0]) if part.size else 0, part.size)
                 for part in np.array_split(places, indices_or_sections))


def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *,
                   include_self: bool = True) -> Any:
    """`input` with the "sum", "mean", "amax" or "amin" of what `src` has for an element.

    Without `include_self`, what `input` has there does not count. Ties share a gradient.
    """
    as_choice("scatter_reduce", "reduce", reduce, ("sum", "mean", "amax", "amin"))
    if src.dtype != input.dtype:
        raise RuntimeError(f"scatter_reduce: src is {src.dtype}, but input {input.dtype}")
    if input.dtype.kind != "f":  # exact below 2^53
        found = scatter_reduce(
            input.double(), dim, index, src.double(), reduce, include_self=include_self)
        return found.floor().to(input.dtype)
    src = src[tuple(slice(n) for n in index.shape)]
    zeros = input.new_zeros(input.shape)
    hits = f.scatter_add(zeros, dim, index, zeros.new_ones(src.shape))
    own = where(hits > 0, 0.0, 1.0) if not include_self else zeros + 1
    if reduce in ("amax", "amin"):
        best, find = input.detach().clone(), np.maximum if reduce == "amax" else np.minimum
        values, low = best.numpy(force=True), -np.inf if reduce == "amax" else np.inf
        values = np.where(own.numpy(force=True), values, low)
        places = along(np, index.numpy(force=True), as_dim("scatter_reduce", dim, input.ndim))
        find.at(values, places, src.numpy(force=True))
        best = Tensor._wrap(values).to(input.device)
        own, chosen = own * (input == best), src == best.gather(dim, index)
        src = where(chosen, src, 0.0)
        hits = f.scatter_add(zeros, dim, index, chosen.to(input.dtype))
    total = f.scatter_add(where(own > 0, input, 0.0), dim, index, src)
    return total if reduce == "sum" else total / (own + hits)


def _at_least(name: str) -> Any:
    def at_least(*tensors: Any) -> Any:
        several = isinstance(tensors[0], (tuple, list))
        found = tuple(v.reshape(getattr(np, name)(np.broadcast_to(0, v.shape)).shape)
                      for v in (tensors[0] if several else tensors))
        return found if several or len(found) > 1 else found[0]

    return at_least


def masked_scatter(input, mask, source):
    """`source`, in order, where the bool tensor `mask` holds."""
    here, result = mask.expand(input.shape), input.clone()
    result[here] = source.reshape(-1)[:int(here.sum())]
    return result


def column_stack(tensors):
    """The tensors side by side: `cat` along dim 1, where a vector is a column."""
    return cat([v if v.ndim > 1 else v.reshape(-1, 1) for v in tensors], 1)


def cartesian_prod(*tensors):
    """All combinations of an element of each vector, as rows."""
    return stack(f.meshgrid(*tensors), -1).reshape(-1, *[len(tensors)] * (len(tensors) > 1))


def combinations(input, r=2, with_replacement=False):
    """All combinations of `r` elements of a vector, as rows."""
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = creation.tensor([*choose(range(len(input)), r)], dtype=np.int64)
    return input[rows.reshape(-1, r)]


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False):
    """Powers of `base`, their exponents at equal distances: whole ones at the ends for integers."""
    kind = as_dtype("logspace", dtype or arguments.default_dtype)
    start, end = [int(end) if kind.kind in "iu" else end for end in (start, end)]
    powers = float(base) ** creation.linspace(start, end, steps, dtype=np.float64).numpy()
    return creation.tensor(powers, dtype=kind, device=device, requires_grad=requires_grad)


def promote_types(type1, type2):
    """The dtype of a sum of two."""
    return (creation.empty(1, dtype=type1) + creation.empty(1, dtype=type2)).dtype


def can_cast(from_, to):
    """Whether their kinds allow it."""
    return np.can_cast(as_dtype("can_cast", from_), as_dtype("can_cast", to), "same_kind")


_aminmax = namedtuple("_aminmax", "min max")


def _statistics(name: str) -> Any:
    def both(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
             correction: Any = None) -> Any:
        dim, unbiased = (None, dim) if isinstance(dim, bool) else (dim, unbiased)
        own = getattr(input, name)(dim, unbiased, keepdim, correction=correction)
        return own, input.mean(dim, keepdim)

    return both


def _over_numbers(input: Any, dim: Any, keepdim: bool) -> tuple[Any, Any]:
    here = ~input.isnan()
    return where(here, input, 0).sum(dim, keepdim), here.sum(dim, keepdim)


f._declare(
    globals(),
    ("logical_xor", lambda input, other: (input != 0) ^ (other != 0), "Whether just one is true."),
    ("tile", lambda input, *dims: input.repeat(
        *[1] * (input.ndim - np.size(dims)), *np.ravel(dims).tolist()), "`repeat`, of few dims."),
    ("broadcast_to", lambda input, shape: input.expand(shape), "A view of a larger shape."),
    ("std_mean", _statistics("std"), "The standard deviation, and the mean."),
    ("var_mean", _statistics("var"), "The variance, and the mean."),
    ("take", lambda input, index: input.reshape(-1)[index], "Elements by their places in memory."),
    ("dist", lambda input, other, p=2: (input - other).norm(p), "The p-norm of the difference."),
    ("logit", lambda input, eps=None: each.log((
        x := input if eps is None else input.clamp(eps, 1 - eps)) / (1 - x)), "log(x / (1 - x))."),
    ("frac", lambda input: input - f.trunc(input), "What stands behind the point."),
    ("fliplr", lambda input: input.flip(1), "Left and right exchanged."),
    ("flipud", lambda input: input.flip(0), "Top and bottom exchanged."),
    ("argwhere", lambda input: f.nonzero(input), "The indices of the elements that aren't 0."),
    ("logaddexp", lambda input, other: stack(broadcast_tensors(input, other)).logsumexp(0),
     "``log(exp(input) + exp(other))``."),
    ("baddbmm", lambda input, batch1, batch2, *, beta=1, alpha=1:
     f._plus(input, beta, f.bmm(batch1, batch2), alpha),
     "``beta * input + alpha * (batch1 @ batch2)``."),
    ("addmv", lambda input, mat, vec, *, beta=1, alpha=1:
     f._plus(input, beta, f.mv(mat, vec), alpha), "``beta * input + alpha * (mat @ vec)``."),
    ("inner", lambda input, other: tensordot(input, other, ([-1], [-1])),
     "The inner products along the last dims."),
    ("deg2rad", lambda input: input * (np.pi / 180), "Degrees as radians."),
    ("rad2deg", lambda input: input * (180 / np.pi), "Radians as degrees."),
    ("addr", lambda input, vec1, vec2, *, beta=1, alpha=1:
     f._plus(input, beta, f.outer(vec1, vec2), alpha),
     "``beta * input + alpha * outer(vec1, vec2)``."),
    ("addbmm", lambda input, batch1, batch2, *, beta=1, alpha=1:
     f._plus(input, beta, f.bmm(batch1, batch2).sum(0), alpha),
     "`baddbmm`, summed over the batch."),
    ("cummax", _running("cummax", np.maximum), "The largest so far along `dim`, and its index."),
    ("cummin", _running("cummin", np.minimum), "The smallest so far along `dim`, and its index."),
    ("aminmax", lambda input, *, dim=(), keepdim=False: _aminmax(
        input.amin(dim, keepdim), input.amax(dim, keepdim)), "`amin` and `amax` in one."),
    *[(name, _at_least(name), "1 for dims that are missing, where numpy's function puts them.")
      for name in ("atleast_1d", "atleast_2d", "atleast_3d")],
    ("dstack", lambda tensors: cat([*_at_least("atleast_3d")([*tensors])], 2),
     "The tensors behind each other: `cat` along dim 2."),
    ("nansum", lambda input, dim=None, keepdim=False: _over_numbers(input, dim, keepdim)[0],
     "The sum without what is nan."),
    ("nanmean", lambda input, dim=None, keepdim=False: each.div(
        *_over_numbers(input, dim, keepdim)), "The mean without what is nan."),
    ("clone", lambda input: input.clone(), "A copy in memory of its own."),
    ("is_floating_point", lambda input: input.is_floating_point(), "Whether it holds floats."),
    ("is_nonzero", lambda input: bool(input), "Whether the one element isn't 0."),
    ("is_complex", lambda input: False, "False: no tensor is complex."),
    ("isin", lambda elements, test_elements: Tensor._wrap(np.isin(
        elements.array, creation.as_tensor(test_elements).array)), "Which occur in the other."),
    ("bucketize", lambda input, boundaries, *, out_int32=False, right=False: searchsorted(
        boundaries, input, out_int32=out_int32, right=right), "`searchsorted`, turned round."),
    ("tril_indices", lambda row, col, offset=0, *, dtype="int64", device=None: creation.tensor(
        np.stack(np.tril_indices(row, offset, col)), dtype=dtype, device=device),
     "Indices of a lower triangle."),
    ("triu_indices", lambda row, col, offset=0, *, dtype="int64", device=None: creation.tensor(
        np.stack(np.triu_indices(row, offset, col)), dtype=dtype, device=device),
     "Indices of an upper triangle."),
    ("broadcast_shapes", lambda *shapes: Size(np.broadcast_shapes(*shapes)),
     "The shape of what is made of tensors of these shapes."))


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """The tensors expanded to one shape."""
    shape = np.broadcast_shapes(*[v.shape for v in tensors])
    return tuple(v.expand(shape) for v in tensors)


moveaxis, ger, asarray = movedim, f.outer, creation.as_tensor
__all__ = public(globals(), "fmod", "atan2", "hypot", "moveaxis", "ger", "asarray", "arctan2")
arctan2 = atan2
