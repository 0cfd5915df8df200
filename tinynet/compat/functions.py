"""Functions of ``torch`` as compositions of others, with the gradients that follow from these.

Arguments, dtypes and results are PyTorch's. The methods of tensors are these functions too.
"""

import math
import operator
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arrays import array_module, computing
from ..autograd import copying, Primitive
from ..autograd.inplace import copy_slices
from ..nn import functional
from ..ops import elementwise as each
from ..ops.arguments import (as_bool, as_choice, as_dim, as_dims, as_dtype, as_floats, as_int,
    as_random, as_tensor, as_tensor_of, of_tensor)
from ..ops.indexing import _unindex, along, index_put
from ..ops.operands import named
from ..ops.reductions import min_max
from ..ops.shapes import cat, in_order, laid_out, transpose
from ..tensor import Tensor
from . import public

# ------------------------------------------------------------------------------ of each element

_LN2, _LN10 = math.log(2), math.log(10)
_OTHER_NAMES = {}
for _name, _slope, _doc in (
    ("log2", lambda g, a: g / (a * _LN2), "The logarithm to the base 2."),
    ("log10", lambda g, a: g / (a * _LN10), "The logarithm to the base 10."),
    ("exp2", lambda g, y: g * y * _LN2, "2 to the power of each element."),
    ("tan", lambda g, y: g * (1.0 + y * y), "The tangent, of radians."),
    ("sinh", lambda g, a: g * (a.exp() + (-a).exp()) / 2, "The hyperbolic sine."),
    ("cosh", lambda g, a: g * (a.exp() - (-a).exp()) / 2, "The hyperbolic cosine."),
    ("arcsin", lambda g, a: g * (1.0 - a * a).rsqrt(), "The inverse of the sine."),
    ("arccos", lambda g, a: -g * (1.0 - a * a).rsqrt(), "The inverse of the cosine."),
    ("arctan", lambda g, a: g / (1.0 + a * a), "The inverse of the tangent."),
    ("arcsinh", lambda g, a: g * (a * a + 1.0).rsqrt(), "The inverse of sinh."),
    ("arccosh", lambda g, a: g * (a * a - 1.0).rsqrt(), "The inverse of cosh."),
    ("arctanh", lambda g, a: g / (1.0 - a * a), "The inverse of tanh."),
):
    _OTHER_NAMES[_name] = _OTHER_NAMES[_name.replace("arc", "a")] = each._smooth(
        _name, _slope, _doc)
trunc = _OTHER_NAMES["trunc"] = each._step("trunc", "trunc", "The nearest whole number towards 0.")


# ---------------------------------------------------------------------------- along a dimension


def _to_int64(name: str, input: Any, dtype: Any) -> Any:
    as_it_is = dtype is None and input.dtype.kind == "f"
    return input if as_it_is else input.to(as_dtype(name, dtype or np.int64))


_cumsum = Primitive(lambda xp, a, *, dim: xp.cumsum(a, dim, dtype=a.dtype), name="cumsum")
_cumsum.derivatives(a=lambda g, dim: _cumsum(g.flip(dim), dim=dim).flip(dim))


def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Sums of the elements up to each along `dim`. Bools and integers sum to int64."""
    dim, input = as_dim("cumsum", dim, input.ndim), _to_int64("cumsum", input, dtype)
    return _cumsum(in_order(input), dim=dim) if input.ndim else input.clone()


def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Products of the elements up to each along `dim`. Bools and integers multiply to int64."""
    dim, y, step = as_dim("cumprod", dim, input.ndim), _to_int64("cumprod", input, dtype), 1
    while y.ndim and step < y.shape[dim]:  # each holds the product of the last `step`, then twice
        n = y.shape[dim] - step
        y = cat([y.narrow(dim, 0, step), y.narrow(dim, step, n) * y.narrow(dim, 0, n)], dim)
        step *= 2
    return y if step > 1 else y.clone()


def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product of all elements, or along `dim`. Bools and integers multiply to int64."""
    as_bool("prod", "keepdim", keepdim)
    y, ndim = _to_int64("prod", input, dtype), input.ndim
    y = y.reshape(-1) if dim is None or not ndim else y
    axis = 0 if dim is None else as_dim("prod", dim, ndim)
    while (n := y.shape[axis]) > 1:  # halves times halves: nothing is divided by a factor of 0
        y = cat([y.narrow(axis, 0, n // 2) * y.narrow(axis, n // 2, n // 2),
                 y.narrow(axis, n // 2 * 2, n % 2)], axis)
    y = y.squeeze(axis).clone() if n else y.sum(axis) + 1
    return y if not keepdim or not ndim else y.reshape(
        [1 if dim is None or d == axis else n for d, n in enumerate(input.shape)])


_argsort = Primitive(lambda xp, a, *, dim: xp.argsort(a, dim, kind="stable"), name="argsort")


def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Values in order along `dim`, and their indices (values, indices). Always stable; nan is last.
    """
    dim, flat = as_dim("sort", dim, input.ndim), input.reshape(input.shape or (1,))
    if as_bool("sort", "descending", descending):
        order = flat.shape[dim] - 1 - _argsort(flat.flip(dim), dim=dim).flip(dim)
    else:
        order = _argsort(flat, dim=dim)
    found = flat.gather(dim, order), order
    return min_max("sort")(*[laid_out(v, flat).reshape(input.shape) for v in found])


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The `k` largest (or smallest) along `dim`, and their indices, always in order."""
    size = input.shape[as_dim("topk", dim, input.ndim)] if input.ndim else 1
    k = as_int("topk", "k", k, 0, size + 1)
    ordered = sort(input, dim, largest)
    return min_max("topk")(*[v.narrow(dim, 0, k).clone() if v.ndim else v for v in ordered])


def _picked(name: str, ordered: Any, dim: int, at: Any, keepdim: Any) -> Any:
    """The values and indices that `sort` gave, where `at` points to along `dim`."""
    found = [v.gather(dim, at) for v in ordered]
    return min_max(name)(*[v if keepdim else v.squeeze(dim) for v in found])


def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median, nan if there is one; with `dim`, values and indices.

    Without `dim`, elements that equal it share its gradient.
    """
    if dim is None:
        flat = input.reshape(-1)
        if not input.numel():
            return flat.mean()  # nan
        value = median(flat.detach(), 0)[0]
        return flat[(flat == value) | (flat.isnan() & value.isnan())].max()
    values, indices = sort(input.reshape(input.shape or (1,)), dim)
    if (last := values.shape[dim] - 1) < 0:
        raise ValueError(f"median: shape {tuple(input.shape)} has no element along dim {dim}")
    at = each.where(values.narrow(dim, last, 1).isnan(), last, last // 2)
    return _picked("median", (values, indices), dim, at, keepdim and input.ndim)


# ------------------------------------------------------------------------------------ rearranged


def _of_dims(name: str, ndims: tuple[int, ...], *tensors: Any) -> tuple[Any, ...]:
    for n, v in zip(ndims, tensors, strict=True):
        if as_tensor(name, "an input", v).ndim != n:
            raise ValueError(f"{name}: expected a {n}-d tensor, got shape {tuple(v.shape)}")
    return tensors


def _triangle(name: str, input: Any, diagonal: int, lower: bool) -> Any:
    if input.ndim < 2:
        raise ValueError(f"{name}: expected at least 2 dims, got shape {tuple(input.shape)}")
    xp = array_module(input.array)
    with computing(input.array):
        below = xp.tri(*input.shape[-2:], diagonal - (not lower), dtype=bool)
        return input.masked_fill(Tensor._wrap(~below if lower else below), 0)


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A view: the elements with equal indices, but for `offset`, in two dims, become the last dim.
    """
    dims = [as_dim("diagonal", dim, input.ndim) for dim in (dim1, dim2)]
    if dims[0] == dims[1]:
        raise ValueError(f"diagonal: dim1 and dim2 must differ, got {dim1} and {dim2}")
    return _diagonal_view(input, place=(as_int("diagonal", "offset", offset), *dims))


def _diagonal_array(xp: Any, a: Any, *, place: tuple[int, int, int]) -> Any:
    view = xp.diagonal(a, *place)
    if xp is np:  # which makes it read-only
        view.setflags(write=a.flags.writeable)
    return view


_diagonal_view = Primitive(_diagonal_array, name="diagonal", view=True)
_diagonal_view.derivatives(a=lambda g, a_shape, place: copy_slices(
    g.new_zeros(a_shape), g, view=_diagonal_view, constants={"place": place}))


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Elements shifted along `dims`, those that leave come in at the other end; without, flattened.
    """
    if dims is None or not input.ndim:
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    pairs = [v if isinstance(v, (tuple, list)) else (v,) for v in (shifts, dims)]
    if len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"roll: {shifts} must have one shift for each of dims {dims}")
    for shift, dim in zip(*pairs, strict=True):
        n = input.shape[as_dim("roll", dim, input.ndim)]
        cut = -as_int("roll", "a shift", shift) % max(n, 1)
        input = cat([input.narrow(dim, cut, n - cut), input.narrow(dim, 0, cut)], dim)
    return input


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Turned `k` times by a quarter, from the first of two `dims` towards the second."""
    a, b = as_dims("rot90", dims, input.ndim)
    turns = as_int("rot90", "k", k) % 4
    for _ in range(turns):
        input = input.transpose(a, b).flip(a)
    return input if turns else input.clone()


def repeat_interleave(input: Any, repeats: Any = None, dim: int | None = None, *,
                      output_size: int | None = None) -> Any:
    """Each element along `dim` repeated in place. Of one tensor of counts, the indices.

    `output_size`, the sum of the repeats, spares PyTorch a wait for the GPU; here it is checked.
    """
    if repeats is None:
        positions = Tensor._wrap(np.arange(len(input)))
        return repeat_interleave(positions, input, 0, output_size=output_size)
    if dim is not None and not input.ndim:
        raise IndexError("repeat_interleave: a 0-d tensor has no dims; leave dim out")
    input = input.reshape(-1) if dim is None else input
    dim = 0 if dim is None else as_dim("repeat_interleave", dim, input.ndim)
    counts = repeats.array if isinstance(repeats, Tensor) else repeats
    index = np.repeat(np.arange(input.shape[dim]), counts)
    if output_size not in (None, index.size):
        raise ValueError(f"repeat_interleave: output_size is {output_size}, but the repeats add up "
            f"to {index.size}")
    return input.index_select(dim, Tensor._wrap(index))


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Vectors (or numbers) expanded over a grid, one dimension each; "xy" exchanges the first two.
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    turned = as_choice("meshgrid", "indexing", indexing or "ij", ("ij", "xy")) == "xy"
    vectors = [as_tensor("meshgrid", "an input", v).reshape(-1) for v in given]
    order = [1, 0, *range(2, len(vectors))] if turned and len(vectors) > 1 else range(len(vectors))
    shape = [len(vectors[d]) for d in order]
    return tuple(v.reshape([-1 if e == d else 1 for e in order]).expand(shape)
                 for d, v in enumerate(vectors))


# --------------------------------------------------------------------------------------- products


def einsum(equation: str, *operands: Any) -> Any:
    """Sums of products by Einstein's convention, as in ``einsum("bij,bjk->bik", x, y)``.

    A label is a letter, and ``...`` stands for further dimensions.
    """
    tensors = operands[0] if isinstance(operands[0], (tuple, list)) else operands
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise ValueError(f"einsum: {equation!r} has {len(terms)} terms for {len(tensors)} tensors")
    counts = [v.ndim - len(t.replace("...", "")) for v, t in zip(tensors, terms, strict=True)]
    dots = "".join(chr(0x100 + d) for d in range(max(counts)))  # a label for each dim of ...
    if not arrow:
        once = [c for c in set(left) - set(",.") if left.count(c) == 1]
        right = "..." * ("..." in left) + "".join(sorted(once))
    right, pairs, size = right.replace("...", dots), list[tuple[Any, str]](), dict[str, int]()
    for v, term, count in zip(tensors, terms, counts, strict=True):
        own = term.replace("...", dots[len(dots) - count :])
        if len(own) != v.ndim:
            raise ValueError(f"einsum: {term!r} in {equation!r} has not the {v.ndim} dims of "
                f"operand {len(pairs)}, of shape {tuple(v.shape)}")
        while twice := [c for c in own if own.count(c) > 1]:
            i, j = own.index(twice[0]), own.rindex(twice[0])
            v, own = diagonal(v, 0, i, j), own[:i] + own[i + 1 : j] + own[j + 1 :] + twice[0]
        pairs.append((v, own))
        size |= {c: n for c, n in zip(own, v.shape, strict=True) if size.get(c, 1) == 1}

    def with_dims(v: Any, own: str, *groups: str) -> Any:
        """`v`, whose dims have the labels `own`, with one dim for each group of labels."""
        order = "".join(groups)
        v = v.permute([own.index(c) for c in order]).expand([size[c] for c in order])
        return v.reshape([math.prod(size[c] for c in group) for group in groups])

    while len(pairs) > 1:  # the first two are multiplied as matrices
        (a, la), (b, lb), *pairs = pairs
        kept = right + "".join(own for _, own in pairs)
        both = [c for c in la if c in lb]
        batch, inner = ["".join(c for c in both if (c in kept) is k) for k in (True, False)]
        rows, columns = ["".join(c for c in x if c not in y) for x, y in ((la, lb), (lb, la))]
        product = copying(
            with_dims(a, la, batch, rows, inner) @ with_dims(b, lb, batch, inner, columns))
        own = batch + rows + columns
        pairs.insert(0, (product.reshape([size[c] for c in own]), own))
    v, own = pairs[0]
    gone = "".join(c for c in own if c not in right)
    v = with_dims(v, own, gone, *right)
    return v.sum(0) if gone else v.squeeze(0)


def cdist(x1: Any, x2: Any, p: float = 2.0,
          compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """The distances, in the p-norm, of the rows of (..., N, M) from those of (..., K, M).

    They are made of differences in each of PyTorch's modes, as in its most exact one.
    """
    modes = "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"
    as_choice("cdist", "compute_mode", compute_mode, (f"{modes[0]}_if_necessary", *modes))
    gap = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return gap.norm(p, -1) if p else gap.abs().sign().sum(-1)  # unlike a norm's, zeros flow back


def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """``beta * input + alpha * (mat1 @ mat2)``."""
    return _plus(input, beta, operator.matmul(*_of_dims("addmm", (2, 2), mat1, mat2)), alpha)


def _plus(input: Any, beta: Any, product: Any, alpha: Any) -> Any:
    """A weighted sum. Of integers the weights' whole parts count, as in PyTorch."""
    if input.dtype.kind != "f":
        beta, alpha = int(beta), int(alpha)
    total = input * beta + product * alpha
    return total.to(input.dtype) if input.dtype.kind == "b" else total


# ------------------------------------------------------------------------- which ones, and where


_nonzero = Primitive(lambda xp, a: xp.stack(xp.nonzero(xp.atleast_1d(a)), 1)[:, : a.ndim],
    name="nonzero")


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that aren't 0: a matrix with a row for each, or a tuple by dim.
    """
    if as_bool("nonzero", "as_tuple", as_tuple):
        return _nonzero(input.reshape(input.shape or (1,))).unbind(1)
    return _nonzero(input)


def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the bool tensor `mask` holds, in a row; both broadcast to one shape."""
    as_tensor_of("masked_select", "the mask", mask, "b")
    shape = np.broadcast_shapes(input.shape, mask.shape)
    return input.expand(shape)[mask.expand(shape)]


def unique(input: Any, sorted: bool = True, return_inverse: bool = False,
           return_counts: bool = False, dim: int | None = None) -> Any:
    """The different values (along `dim`: slices), in order; their inverse and counts if wanted."""
    with computing(input.array):
        found = array_module(input.array).unique(input.array, return_inverse=True,
            return_counts=True, axis=dim)
    wanted = (True, return_inverse, return_counts)
    shapes = (found[0].shape, input.shape if dim is None else (-1,), (-1,))
    results = [Tensor._wrap(a.reshape(shape))
               for a, shape, want in zip(found, shapes, wanted, strict=True) if want]
    return tuple(results) if len(results) > 1 else results[0]


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each int from 0 up occurs in a vector, or the sum of its `weights`."""
    as_tensor_of("bincount", "input", input, "iu")
    _of_dims("bincount", (1,), input)
    if input.numel() and int(input.min()) < 0:
        raise ValueError(f"bincount: expected ints from 0 up, got {int(input.min())}")
    with computing(input.array):
        found = array_module(input.array).bincount(
            input.array, None if weights is None else weights.array, minlength)
    single = weights is not None and weights.dtype == np.float32
    return Tensor._wrap(found.astype(np.float32) if single else found)


def multinomial(input: Any, num_samples: int, replacement: bool = False, *,
                generator: Any = None) -> Any:
    """Indices drawn with the weights in the last dimension of `input`; without `replacement`, each
    at most once."""
    if as_floats("multinomial", "input", input).ndim not in (1, 2):
        raise ValueError(f"multinomial: input must be (C,) or (N, C), got {tuple(input.shape)}")
    p = input.detach().double().numpy(force=True)
    n = as_int("multinomial", "num_samples", num_samples, 1)
    if not ((p >= 0) & (p < np.inf)).all() or (p > 0).sum(-1).min() < (1 if replacement else n):
        raise ValueError("multinomial: weights must be finite and from 0 up, and enough above 0")
    draw = as_random("multinomial", generator).standard_exponential
    with np.errstate(divide="ignore"):  # who arrives first, if p says how many arrive in a time
        times = draw((n, *p.shape) if replacement else p.shape) / p
    order = np.moveaxis(times.argmin(-1), 0, -1) if replacement else times.argsort(-1)[..., :n]
    return Tensor._wrap(order).to(input.device)


def _scattered(name: str, input: Any, dim: int, index: Any, src: Any, add: bool) -> Any:
    """`input` with `src` (or a number) written or added where `index` points to along `dim`."""
    dim = as_dim(name, dim, input.ndim)
    as_tensor_of(name, "the index", index, "iu")
    shape = input.shape
    input, index, src = [  # a number counts as one element in one dim
        v.reshape(v.shape or (1,)) if isinstance(v, Tensor) else v for v in (input, index, src)]
    values = src if isinstance(src, Tensor) else input.new_full(index.shape, src)
    if values.dtype != input.dtype:
        raise RuntimeError(f"{name}: src is {src.dtype}, but input {input.dtype}")
    if not index.numel():  # nowhere
        index = index.reshape([0] * input.ndim)
        values = values.reshape(-1)[:0].reshape(index.shape)
    elif not 0 <= int(index.min()) <= int(index.max()) < input.shape[dim]:
        raise IndexError(f"{name}: an index is out of range for dim {dim}, of size "
            f"{input.shape[dim]}; expected ints from 0 up")
    elif index.ndim != input.ndim or any(
            index.shape[d] > n for d, n in enumerate(input.shape) if d != dim):
        raise ValueError(f"{name}: index {tuple(index.shape)} must have the dims of input "
            f"{tuple(input.shape)} and be no larger, but for dim {dim}")
    elif values.ndim != index.ndim or any(map(operator.lt, values.shape, index.shape)):
        raise ValueError(f"{name}: src {tuple(values.shape)} must have the dims of index "
            f"{tuple(index.shape)} and be no smaller")
    else:
        values = values[tuple([slice(n) for n in index.shape])]
    with computing(input.array):
        places = along(array_module(input.array), index.array.copy(), dim)
    if add:
        return (input + _unindex(values, index=places, shape=input.array.shape)).reshape(shape)
    return index_put(input, places, values).reshape(shape)


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None,
            reduce: str | None = None) -> Any:
    """`input` with ``out[index[i][j]][j] = src[i][j]`` (for dim 0); `reduce` may be "add"."""
    add = as_choice("scatter", "reduce", reduce or "add", ("add",)) == reduce
    return _scattered("scatter", input, dim, index, value if src is None else src, add)


def scatter_add(input, dim, index, src):
    """`input` with ``out[index[i][j]][j] += src[i][j]`` (for dim 0)."""
    return _scattered("scatter_add", input, dim, index, src, True)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """`input` plus `alpha` times the slices of `source`, each at its index along `dim`."""
    across = [-1 if d == as_dim("index_add", dim, input.ndim) else 1 for d in range(source.ndim)]
    index = as_tensor("index_add", "the index", index).reshape(across).expand(source.shape)
    return _scattered("index_add", input, dim, index, source * alpha, True)


# ------------------------------------------------------------------------- formulas and old names


def _declare(names: dict[str, Any], *rows: tuple[str, Any, str]) -> None:
    """Add to a file's `names` the functions of `rows`: a name, a formula, and its text.

    What takes a tensor first, in a row or written out, checks that it gets one from now on, and
    takes ``out=`` and ``axis=``; `bucketize` also takes a number.
    """
    names.update({name: named(formula, name, doc) for name, formula, doc in rows})
    for name in public(names):
        first = names[name].__code__.co_varnames[:1]
        if first in (("input",), ("a",), ("x1",)) and name != "bucketize":
            names[name] = of_tensor(names[name])


_declare(
    globals(),
    ("lerp", lambda input, end, weight: input + weight * (end - input), "From input to end."),
    ("addcmul", lambda input, tensor1, tensor2, *, value=1: input + tensor1 * tensor2 * value,
     "``input + value * tensor1 * tensor2``."),
    ("addcdiv", lambda input, tensor1, tensor2, *, value=1: input + tensor1 / tensor2 * value,
     "``input + value * tensor1 / tensor2``."),
    ("bmm", lambda input, mat2: operator.matmul(*_of_dims("bmm", (3, 3), input, mat2)),
     "The products of two batches of matrices, (B, N, M) and (B, M, P)."),
    ("dot", lambda input, tensor: operator.matmul(*_of_dims("dot", (1, 1), input, tensor)),
     "The inner product of two vectors."),
    ("mv", lambda input, vec: operator.matmul(*_of_dims("mv", (2, 1), input, vec)), "M times v."),
    ("outer", lambda input, vec2: _of_dims("outer", (1, 1), input, vec2)[0][:, None] * vec2,
     "All products of an element of one vector and one of another."),
    ("clamp_min", lambda input, min: input.clamp(min=min), "`clamp` from below."),
    ("clamp_max", lambda input, max: input.clamp(max=max), "`clamp` from above."),
    ("argsort", lambda input, dim=-1, descending=False, stable=True: sort(
        input, dim, descending)[1], "The indices that `sort` gives."),
    ("count_nonzero", lambda input, dim=None: (input != 0).sum(dim), "How many aren't 0."),
    ("tril", lambda input, diagonal=0: _triangle("tril", input, diagonal, True),
     "The lower triangle of matrices, 0 above the given diagonal."),
    ("triu", lambda input, diagonal=0: _triangle("triu", input, diagonal, False),
     "The upper triangle of matrices, 0 below the given diagonal."),
    ("trace", lambda input: diagonal(*_of_dims("trace", (2,), input)).sum(), "The diagonal's sum."),
    ("ravel", lambda input: input.reshape(-1), "Flattened to one dimension."),
    ("numel", lambda input: input.array.size, "The number of elements."))


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def hstack(tensors: Any) -> Any:
    """The tensors side by side: `cat` along dim 1, or 0 for vectors."""
    return cat(tensors, int(tensors[0].ndim > 1))


def vstack(tensors: Any) -> Any:
    """The tensors on top of each other: `cat` along dim 0, where a vector is a row."""
    return cat([v if v.ndim > 1 else v.reshape(1, -1) for v in tensors])


def finfo(type: Any = np.float32) -> Any:
    """The limits of a floating dtype: eps, max, min, tiny, smallest_normal, resolution, bits."""
    limits = np.finfo(as_dtype("finfo", type))
    names = ("eps", "max", "min", "tiny", "smallest_normal", "resolution")
    numbers = {name: float(getattr(limits, name)) for name in names}
    return SimpleNamespace(**numbers, bits=limits.bits, dtype=str(limits.dtype))


def iinfo(type: Any) -> Any:
    """The limits of an integer dtype: max, min, bits."""
    return np.iinfo(as_dtype("iinfo", type))


_OTHER_NAMES |= {
    "absolute": each.abs, "multiply": each.mul, "subtract": each.sub, "negative": each.neg,
    "divide": each.div, "true_divide": each.div, "greater": each.gt, "greater_equal": each.ge,
    "less": each.lt, "less_equal": each.le, "not_equal": each.ne, "clip": each.clamp,
    "concat": cat, "concatenate": cat, "swapaxes": transpose, "swapdims": transpose}
_OTHER_NAMES |= {name: getattr(functional, name) for name in """
conv2d conv_transpose2d max_pool2d batch_norm group_norm instance_norm layer_norm dropout
cosine_similarity binary_cross_entropy_with_logits kl_div""".split()}
globals().update(_OTHER_NAMES)
__all__ = public(globals(), *_OTHER_NAMES)
