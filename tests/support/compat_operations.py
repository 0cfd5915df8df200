"""A table of the functions in `tinynet/compat`, in the form of the one in `operations.py`.

``python tests/support/compat_operations.py`` writes PyTorch's answers into
``recorded/compat_operations.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from operations import Case, other, pack, positive, real, run, ties, truth, whole

RECORD = Path(__file__).parent / "recorded" / "compat_operations.json"
HALF = (real(3, 4) / 4).astype(np.float32)
HOLE = np.array([[1.5, np.nan, 0.5, 2.0], [3.0, -1.0, 2.0, 2.0]], np.float32)
AT = np.array([[0, 2, 1, 0], [2, 0, 0, 1]])
# Up to which order PyTorch has derivatives.
ORDERS = {"cdist": 1, "cdist 1": 1, "scatter add": 0}


def _in_place(name, *args):
    def f(T, a, *more):
        y = a * 1
        assert getattr(y, name)(*more, *args) is y
        return y

    return f


UNARY = {
    "log2": positive(3, 4), "log10": positive(3, 4), "exp2": real(3, 4), "tan": HALF, "asin": HALF,
    "acos": HALF, "atan": real(3, 4), "sinh": real(3, 4), "cosh": real(3, 4),
    "asinh": real(3, 4), "acosh": positive(3, 4) + 1.5, "atanh": HALF, "arcsin": HALF,
    "arctan": real(4), "absolute": real(4), "negative": real(4), "trunc": real(3, 4),
    "ravel": real(2, 3), "trace": real(3, 4), "count_nonzero": ties(3, 4),
}  # fmt: skip
CASES = [Case(name, lambda T, a, n=name: getattr(T, n)(a), (x,)) for name, x in UNARY.items()]
CASES += [Case(f"{n} of ints", lambda T, a, n=n: getattr(T, n)(a), (whole(4),), 0)
          for n in ("log2", "sinh", "trunc", "exp2")]  # fmt: skip


def _dims(name, x, *calls, order=2):
    for k, call in enumerate(calls):
        CASES.append(Case(f"{name} {k}", call, (x,), order))


_dims("prod", real(2, 3, 4), lambda T, a: a.prod(), lambda T, a: T.prod(a, 1),
      lambda T, a: a.prod(-1, True), lambda T, a: a.prod(2, keepdim=True, dtype=T.float64))
_dims("prod zero", np.array([[0, 2.0, 3], [0, 0, 2], [1, 2, 3]], np.float32),
      lambda T, a: a.prod(), lambda T, a: a.prod(1), lambda T, a: a.prod(0))
_dims("prod empty", np.ones((0, 3), np.float32), lambda T, a: a.prod(), lambda T, a: a.prod(0),
      lambda T, a: a.prod(1))
_dims("prod ints", whole(2, 3), lambda T, a: a.prod(0), lambda T, a: (a > 0).prod(),
      lambda T, a: a.to(T.int32).prod(), order=0)
_dims("prod of a number", real(), lambda T, a: (a.prod(), a.prod(0), a.prod(0, True)))
_dims("cumsum", real(2, 3, 4), lambda T, a: a.cumsum(0), lambda T, a: T.cumsum(a, -1),
      lambda T, a: a.cumsum(1, dtype=T.float64))
_dims("cumsum ints", truth(5), lambda T, a: a.cumsum(0), order=0)
_dims("cumprod", real(2, 3, 4), lambda T, a: a.cumprod(0), lambda T, a: T.cumprod(a, -1))
_dims("cumprod zero", np.array([1, 0, 2.0, 0, 3], np.float32), lambda T, a: a.cumprod(0))
_dims("of a number", real(), lambda T, a: (a.cumsum(0), a.cumprod(0), a.median(), *a.sort(),
      *a.topk(1), *a.median(0), T.nonzero(a), a.roll(1), a.ravel(), a.argsort()))
_dims("sort", real(3, 4), lambda T, a: tuple(a.sort()), lambda T, a: tuple(T.sort(a, 0, True)),
      lambda T, a: tuple(T.sort(a, dim=0, descending=True)),
      lambda T, a: a.argsort(descending=True))
_dims("sort ties", ties(12), lambda T, a: tuple(T.sort(a, dim=0, stable=True)),
      lambda T, a: tuple(T.sort(a, stable=True, dim=0, descending=True)))
_dims("sort nan", HOLE, lambda T, a: tuple(a.sort(-1)), lambda T, a: tuple(a.sort(0, True)))
_dims("sort ints", whole(7), lambda T, a: a.sort()[0],
      lambda T, a: a.to(T.uint8).sort(descending=True)[0], order=0)
_dims("topk", real(3, 5), lambda T, a: tuple(a.topk(2)), lambda T, a: tuple(T.topk(a, 3, 0)),
      lambda T, a: tuple(a.topk(2, 1, largest=False)), lambda T, a: a.topk(k=0).values)
_dims("median", real(3, 4), lambda T, a: a.median(), lambda T, a: tuple(a.median(1)),
      lambda T, a: tuple(T.median(a, 0, keepdim=True)))
_dims("median nan", HOLE, lambda T, a: a.median(), lambda T, a: tuple(a.median(1)), order=1)
_dims("median ties", ties(12), lambda T, a: a.median(), order=1)
_dims("median ints", whole(5), lambda T, a: a.median(), order=0)
_dims("diagonal", real(3, 4, 4), lambda T, a: a.diagonal(), lambda T, a: a.diagonal(1, 1, 2),
      lambda T, a: T.diagonal(a, -1, dim1=2, dim2=0), lambda T, a: a.diagonal(9))
_dims("diag", real(3, 4), lambda T, a: a.diag(), lambda T, a: T.diag(a, -1))
_dims("diag vector", real(3), lambda T, a: a.diag(), lambda T, a: a.diag(2),
      lambda T, a: T.diag(a, diagonal=-1))
_dims("triangles", real(2, 3, 4), lambda T, a: (a.tril(), a.triu(), a.tril(1), T.triu(a, -1)),
      lambda T, a: (T.tril(a, diagonal=-2), T.triu(a, diagonal=2)))
_dims("triangle of bools", truth(3, 3), lambda T, a: a.tril(), order=0)
_dims("roll", real(3, 4), lambda T, a: a.roll(1), lambda T, a: a.roll(-1, 0),
      lambda T, a: T.roll(a, (1, 2), (0, 1)), lambda T, a: a.roll(7, 1))
_dims("rot90", real(2, 3, 4), lambda T, a: a.rot90(), lambda T, a: T.rot90(a, -1, [1, 2]),
      lambda T, a: a.rot90(2, (0, 2)), lambda T, a: a.rot90(4))
_dims("repeat_interleave", real(3, 2), lambda T, a: a.repeat_interleave(2),
      lambda T, a: a.repeat_interleave(3, 1),
      lambda T, a: T.repeat_interleave(a, T.tensor([1, 0, 2]), dim=0))
_dims("repeat_interleave counts", np.array([1, 0, 2]), lambda T, a: T.repeat_interleave(a), order=0)
_dims("axes", real(2, 3), lambda T, a: a.swapaxes(0, 1), lambda T, a: T.swapdims(a, 0, 1))
_dims("clamps", real(6), lambda T, a: (a.clamp_min(0.5), T.clamp_max(a, 1), T.clip(a, -1, 1)))
_dims("shape", real(2, 3), lambda T, a: T.tensor([T.numel(a), *a.stride(), a.element_size()]))
_dims("meshgrid", real(3), lambda T, a: T.meshgrid(a, a[:2], indexing="ij"),
      lambda T, a: T.meshgrid([a, a[:2], a[:1]], indexing="xy"))
_dims("nonzero", ties(3, 4) * truth(3, 4), lambda T, a: a.nonzero(),
      lambda T, a: T.nonzero(a, as_tuple=True), order=0)
_dims("masked_select", real(2, 3), lambda T, a: a.masked_select(a > 0),
      lambda T, a: T.masked_select(a, T.tensor([True, False, True])))
_dims("unique", whole(9), lambda T, a: T.unique(a), lambda T, a: a.unique(return_counts=True),
      lambda T, a: a.reshape(3, 3).unique(return_inverse=True, return_counts=True),
      lambda T, a: (a % 2).reshape(3, 3).unique(dim=0, return_inverse=True), order=0)
_dims("bincount", np.array([1, 1, 3]), lambda T, a: T.bincount(a), lambda T, a: a.bincount(None, 6),
      lambda T, a: a.bincount(T.tensor([0.5, 0.25, 1.0])), order=0)
_dims("unfold", real(2, 6, 3), lambda T, a: a.unfold(1, 2, 2), lambda T, a: a.unfold(-1, 3, 1),
      lambda T, a: a.unfold(0, 1, 1).unfold(1, 4, 2), lambda T, a: a[0, :, 0].unfold(0, 3, 2))
_dims("stacked", real(2, 3), lambda T, a: T.hstack([a, a[:, :1]]),
      lambda T, a: T.hstack((a[0], a[1])), lambda T, a: T.vstack([a, a[0], a[:1]]),
      lambda T, a: T.vstack((a[0], a[1])))
_dims("fill_diagonal_", real(3, 4), lambda T, a: (a * 1).fill_diagonal_(2.5))
_dims("types", real(2, 3), lambda T, a: a.type(T.float64), lambda T, a: a.type(T.LongTensor),
      lambda T, a: a.type("torch.DoubleTensor"), lambda T, a: (a.byte() * 0, a.short(), a.char()),
      lambda T, a: (a.new_zeros(2), a.new_ones((2, 1)), a.new_full((2,), 3), a.new_tensor([1, 2]),
                    a.new([1, 2]), a.new_tensor([1.5], dtype=T.int64)), order=1)
_dims("typed", real(1), lambda T, a: (T.FloatTensor([1, 2]), T.LongTensor([[1, 2]]),
      T.DoubleTensor(2, 3).fill_(0), T.ByteTensor([1]), T.FloatTensor(a), T.FloatTensor(),
      T.BoolTensor([True]), T.Tensor(2, 3).fill_(0), T.IntTensor(np.ones(3)), T.LongTensor([1.5])))

_dims("movedim", real(2, 3, 4), lambda T, a: T.movedim(a, 0, -1), lambda T, a: a.movedim((0, 1),
      (2, 0)), lambda T, a: (a.select(1, -1), a.select(2, 0)), lambda T, a: a.tile(2, 1),
      lambda T, a: a.tile((1, 2, 1, 1)), lambda T, a: T.tile(a, (2,)))
_dims("spreads", real(3, 4), lambda T, a: (*T.std_mean(a), *T.var_mean(a, 1), *T.std_mean(
      a, dim=0, keepdim=True, unbiased=False)))
_dims("nan_to_num", np.array([np.nan, 1, np.inf, -np.inf], np.float32),
      lambda T, a: a.nan_to_num(), lambda T, a: T.nan_to_num(a, 2.0, 3.0, -4.0), order=1)
_dims("nans", HOLE, lambda T, a: (T.nansum(a), a.nanmean(1), a.nansum(0, keepdim=True)), order=1)
_dims("quantile", real(3, 4), lambda T, a: T.quantile(a, 0.3), lambda T, a: a.quantile(0.5, 1),
      lambda T, a: T.quantile(a, T.tensor([0.1, 0.9]), dim=0, keepdim=True),
      lambda T, a: a.quantile(T.tensor([0.25, 1.0]), keepdim=True),
      lambda T, a: T.quantile(a, 0.4, 1, interpolation="lower"),
      lambda T, a: T.quantile(a, 0.4, 1, True, interpolation="higher"))
_dims("quantile nan", HOLE, lambda T, a: a.quantile(0.5, 1).detach(), order=0)
_dims("kthvalue", real(3, 4), lambda T, a: tuple(a.kthvalue(2)),
      lambda T, a: tuple(T.kthvalue(a, 1, 0, True)))
_dims("of elements", HALF, lambda T, a: ((a * a + 0.1).logit(), T.logit(a, 0.4), a.frac(),
      T.deg2rad(a), T.rad2deg(a), a.fliplr(), a.flipud(), a.diff(), T.diff(a, 2, 0),
      a.broadcast_to((2, 3, 4)), a.take(T.tensor([0, -1, 5])), a.reshape_as(T.ones(4, 3)),
      T.arctan2(a, 1 + a * a)))
_dims("places", real(3, 4), lambda T, a: T.take_along_dim(a, a.argsort(1), 1),
      lambda T, a: T.take_along_dim(a, T.tensor([[1], [2]]), 0),
      lambda T, a: T.take_along_dim(a, T.tensor([3, 0])),
      lambda T, a: a.index_fill(1, T.tensor([0, 2]), 5.0),
      lambda T, a: (a * 1).index_copy_(0, T.tensor([2, 0]), a[:2] * 3),
      lambda T, a: (a * 1).index_put_((T.tensor([0, 1]),), T.tensor(1.0)))
_dims("counted", whole(9), lambda T, a: (T.isin(a, T.tensor([1, 2])), T.argwhere(a > 1),
      T.logical_xor(a > 1, a > 2), (a > 0).logical_xor(a > 2), T.histc(a.float(), 4, -2, 3),
      T.histc(a.float(), bins=3)), lambda T, a: (T.bucketize(a, T.tensor([0, 2])), T.searchsorted(
      T.tensor([0, 2, 2, 5]), a), T.searchsorted(T.tensor([0, 2, 2, 5]), a, right=True)), order=0)
_dims("made", real(1), lambda T, a: (T.tril_indices(3, 4, 1), T.triu_indices(3, 3), T.logspace(
      0, 2, 3), T.cartesian_prod(T.arange(2), T.arange(3)), T.cartesian_prod(T.arange(2)),
      T.tensor(T.broadcast_shapes((2, 1), (3,))), T.asarray([1.5]), T.tensor([T.can_cast(
      T.float32, T.int32), T.can_cast(T.int32, T.float32), T.is_nonzero(a), T.is_complex(a),
      a.is_cpu, a.itemsize, a.nbytes, a.get_device(), a.data_ptr() == a[:].data_ptr()]),
      T.ones(1, dtype=T.promote_types(T.int64, T.float32))), order=1)

_dims("running", real(3, 4), lambda T, a: (*T.cummax(a, 0), *a.cummin(-1)), lambda T, a: tuple(
      a[0, 0].cummax(0)), lambda T, a: (*T.aminmax(a), *a.aminmax(dim=1, keepdim=True)))
_dims("running ties", ties(12), lambda T, a: (*T.cummax(a, 0), *T.cummin(a, 0)), order=1)
_dims("running nan", HOLE, lambda T, a: tuple(a.cummax(1)), lambda T, a: tuple(a.cummin(0)),
      order=0)
_dims("running ints", whole(7), lambda T, a: (*T.cummax(a, 0), *(a > 0).cummin(0)), order=0)
_dims("mode", ties(3, 8), lambda T, a: a.mode()[0], lambda T, a: T.mode(a, 0, True)[0],
      lambda T, a: T.mode(a[0, 0])[0], order=1)
_dims("mode index", np.array([[1, 2, 2, 3], [3, 3, 1, 1]]), lambda T, a: tuple(a.mode(1)), order=0)
_dims("diag_embed", real(2, 3), lambda T, a: a.diag_embed(), lambda T, a: T.diag_embed(a, 1, 0, 2),
      lambda T, a: T.diag_embed(a, offset=-2), lambda T, a: T.diag_embed(a[0]))
_dims("tensor_split", real(5, 4), lambda T, a: a.tensor_split(3), lambda T, a: T.tensor_split(
      a, 2, 1), lambda T, a: a.tensor_split((1, 3)), lambda T, a: a.tensor_split([2, 9], dim=-1),
      lambda T, a: a.tensor_split((3, 1)))
_dims("at least", real(3), lambda T, a: (T.atleast_1d(a[0]), T.atleast_2d(a), T.atleast_3d(a)),
      lambda T, a: T.atleast_3d(a[0], a.reshape(1, 3)), lambda T, a: T.atleast_2d([a[0], a]),
      lambda T, a: (T.dstack([a, a]), T.column_stack((a, a.reshape(3, 1).expand(3, 2)))),
      lambda T, a: (T.combinations(a), T.combinations(a, 3), T.combinations(a, 2, True)))
_dims("masked_scatter", real(2, 3), lambda T, a: a.masked_scatter(a > 0, a * 2), lambda T, a: (
      a * 1).masked_scatter_(T.tensor([True, False, True]), T.arange(6.0)), order=1)
_dims("apply_", real(2, 3), lambda T, a: (a * 1).detach().apply_(lambda x: 2 * x), lambda T, a: (
      T.tensor([a.is_sparse, a.is_pinned()])), order=0)
_dims("scatter_reduce", real(3, 4), *[lambda T, a, how=how, own=own: a.scatter_reduce(
      0, T.tensor(AT), a[:2] * 2, how, include_self=own)
      for how in ("sum", "mean", "amax", "amin") for own in (True, False)], order=1)
_dims("scatter_reduce ties", ties(3, 4), *[lambda T, a, how=how: a.scatter_reduce(
      1, T.tensor(AT), a[:2] * 1, how) for how in ("amax", "amin")], order=1)

CASES += [Case(name, f, inputs, ORDERS.get(name, 2)) for name, f, inputs in [
    ("cross", lambda T, a, b: (T.cross(a, b, dim=0), a.cross(b, dim=-1)),
     (real(3, 3), other(3, 3))),
    ("cross 1", lambda T, a, b: T.cross(a, b, dim=1), (real(2, 3), other(1, 3))),
    ("kron", lambda T, a, b: (T.kron(a, b), b[0].kron(a), T.kron(a, b[0, 0])),
     (real(2, 3), other(2, 2))),
    ("addr", lambda T, a, b, c: T.addr(a, b, c, beta=0.5, alpha=2), (real(3), real(2), other(3))),
    ("addbmm", lambda T, a, b, c: a.addbmm(b, c, alpha=2), (real(4), real(2, 2, 3),
     other(2, 3, 4))),
    ("fmod", lambda T, a, b: (T.fmod(a, b), a.fmod(2), (a * 1).fmod_(0.7)),
     (real(3, 4), positive(4) + 0.3)),
    ("atan2", lambda T, a, b: (T.atan2(a, b), (a * 1).atan2_(b)), (real(3, 4), other(4))),
    ("hypot", lambda T, a, b: (T.hypot(a, b), (a * 1).hypot_(b)), (real(3, 4), other(4))),
    ("diff with ends", lambda T, a, b: (T.diff(a, append=b), a.diff(2, -1, b, b)),
     (real(3, 4), other(3, 2))),
    ("tensordot", lambda T, a, b: (T.tensordot(a, b, dims=1), T.tensordot(a, b, ([0, 1], [1, 0]))),
     (real(2, 3), other(3, 2))),
    ("inner", lambda T, a, b: (T.inner(a, b), a[0].inner(b[1]), T.ger(a[0], b[0])),
     (real(2, 3), other(4, 3))),
    ("baddbmm", lambda T, a, b, c: T.baddbmm(a, b, c, beta=0.5, alpha=2),
     (real(4), real(2, 2, 3), other(2, 3, 4))),
    ("addmv", lambda T, a, b, c: a.addmv(b, c, alpha=2), (real(2), real(2, 3), other(3))),
    ("dist", lambda T, a, b: (T.dist(a, b), a.dist(b, 1.0), T.logaddexp(a, b)),
     (real(3), other(3))),
    ("broadcast_tensors", lambda T, a, b: T.broadcast_tensors(a, b), (real(3, 1), other(4))),
    ("fmod-free lerp", lambda T, a, b: T.lerp(a, b, 0.25), (real(3), other(3))),
    ("lerp tensor", lambda T, a, b, c: a.lerp(b, c), (real(3), other(3), positive(3))),
    ("addcmul", lambda T, a, b, c: T.addcmul(a, b, c, value=0.5), (real(3), other(3), real(1))),
    ("addcdiv", lambda T, a, b, c: a.addcdiv(b, c, value=2), (real(3), other(3), positive(3))),
    ("addmm", lambda T, a, b, c: T.addmm(a, b, c, beta=0.5, alpha=2),
     (real(4), real(2, 3), other(3, 4))),
    ("bmm", lambda T, a, b: a.bmm(b), (real(2, 3, 4), other(2, 4, 2))),
    ("dot", lambda T, a, b: T.dot(a, b), (real(4), other(4))),
    ("mv", lambda T, a, b: a.mv(b), (real(3, 4), other(4))),
    ("outer", lambda T, a, b: T.outer(a, b), (real(3), other(4))),
    ("cdist", lambda T, a, b: T.cdist(a, b), (real(2, 3, 4), other(2, 5, 4))),
    ("cdist 1", lambda T, a, b: T.cdist(a, b, p=1.0), (real(3, 4), other(5, 4))),
    ("scatter", lambda T, a, b: a.scatter(0, T.tensor(AT), b), (real(3, 4), other(2, 4))),
    ("scatter number", lambda T, a: a.scatter(1, T.tensor(AT), 2.5), (real(2, 4),)),
    ("scatter value", lambda T, a: T.scatter(a, 1, T.tensor(AT), value=2.5), (real(2, 4),)),
    ("scatter add", lambda T, a, b: a.scatter(0, T.tensor(AT), b, reduce="add"),
     (real(3, 4), other(2, 4))),
    ("scatter_add", lambda T, a, b: T.scatter_add(a, 1, T.tensor(AT[:, :2]), b),
     (real(2, 4), other(2, 2))),
    ("old names", lambda T, a, b: (T.multiply(a, b), a.subtract(b), T.concat([a, T.divide(a, b)])),
     (real(3), other(3))),
    *[(f"einsum {e}", lambda T, *x, e=e: T.einsum(e, *x), x) for e, *x in [
        ("ij,jk->ik", real(2, 3), other(3, 4)), ("bij,bjk->bik", real(2, 3, 4), other(2, 4, 2)),
        ("i,i->", real(3), other(3)), ("i,j->ij", real(3), other(4)), ("ij->ji", real(2, 3)),
        ("ij->", real(2, 3)), ("ii->i", real(3, 3)), ("ii", real(3, 3)), ("ij,jk", real(2, 3),
        other(3, 2)), ("...ij,...jk->...ik", real(2, 3, 4), other(1, 4, 2)), ("nchw,c->nhw",
        real(2, 3, 2, 2), other(3)), ("ij,kj,k->ik", real(2, 3), other(4, 3), real(4)),
        ("ij,ij->ij", real(2, 3), other(2, 3)), ("ijk,jl->kil", real(2, 3, 2), other(3, 2)),
        ("b...->b", real(2, 3, 2)), ("ij,k->ij", real(2, 2), other(3))]],
    *[(name, _in_place(name, *args), x) for name, *args, x in [
        ("abs_", (real(3),)), ("log_", (positive(3),)), ("trunc_", (real(3),)), ("lerp_", 0.5,
        (real(3), other(3))), ("addcmul_", (real(3), other(3), positive(3))), ("tril_",
        (real(3, 3),)), ("clamp_min_", 0.5, (real(4),)),
        ("remainder_", 2, (real(4),)), ("sin_", (real(4),)), ("unsqueeze_", 1, (real(2, 3),)),
        ("squeeze_", (real(2, 1),)), ("transpose_", 0, 1, (real(2, 3),)), ("t_", (real(2, 3),))]],
    ("scatter_", lambda T, a: (a * 1).scatter_(1, T.tensor(AT), 1.0), (real(2, 4),)),
    ("scatter_add_", lambda T, a, b: (a * 1).scatter_add_(1, T.tensor(AT), b),
     (real(2, 4), other(2, 4))),
    ("index_add", lambda T, a, b: T.index_add(a, 1, T.tensor([2, 0, 2]), b, alpha=0.5),
     (real(2, 4), other(2, 3))),
    ("index_add_", lambda T, a, b: (a * 1).index_add_(0, T.tensor([1]), b),
     (real(2, 4, 3), other(1, 4, 3))),
    ("a view that takes another shape", lambda T, a: _write_through(a * 1), (real(2, 3),)),
]]


def _write_through(b):
    v = b[1]
    v.unsqueeze_(0)
    v *= 3
    b *= 2
    return b, v


if __name__ == "__main__":
    import torch

    lines = [f"{json.dumps(c.name)}: {json.dumps(pack(run(torch, c)))}" for c in CASES]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
