"""Corners of values, dtypes and refusals: a table of lines, with what PyTorch 2.13 gives for each.

The same lines run on PyTorch where it is installed, so the recorded answers stay true.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import tinynet

nan, inf = math.nan, math.inf

# A line, its dtype, its values.
VALUES: list[tuple[str, str, Any]] = [
    # bools in arithmetic
    ("B + 2", "int64", [3, 2]), ("B * B", "bool", [True, False]), ("B ** 2", "int64", [1, 0]),
    ("2 // (B + 1)", "int64", [1, 2]), ("B // 2", "int64", [0, 0]), ("B % 2", "int64", [1, 0]),
    ("F * B", "float32", [1.5, 0.0]), ("F // B", "float32", [1.0, -inf]),
    ("U ** B", "uint8", [3, 1]), ("B.square()", "int64", [1, 0]),
    ("T.sign(B)", "bool", [True, False]),
    ("B.clamp(max=0)", "int64", [0, 0]), ("T.maximum(B, U)", "uint8", [3, 4]),
    # powers of integers
    ("I ** T.tensor([-1, 2])", "int64", [0, 9]), ("T.tensor([1, -1]) ** -I", "int64", [1, -1]),
    ("2 ** T.tensor([-1, 3])", "int64", [0, 8]),
    # reductions
    ("U.sum(dtype=T.uint8)", "uint8", 7), ("T.full((300,), 1, dtype=T.uint8).sum(dtype=T.uint8)",
    "uint8", 44), ("F.sum(dtype=T.bool)", "bool", True), ("F.sum(dtype=T.int32)", "int32", -1),
    ("I.sum(dtype=T.int16)", "int16", 5), ("U.all()", "uint8", 1), ("U.any(dim=0)", "uint8", 1),
    ("I.all()", "bool", True),
    # clamp by tensors
    ("T.clamp(F, T.tensor([2.0, 0.0]), T.tensor([3.0, 1.0]))", "float32", [2.0, 0.0]),
    ("T.clamp(F, min=I)", "float32", [2.0, 3.0]), ("I.clamp(max=0.5)", "float32", [0.5, 0.5]),
    ("T.clamp(F, max=T.tensor([nan, 0.0]))", "float32", [nan, -2.5]),
    # pieces, ranges, joins
    ("T.arange(0.5, 5, 2.5, dtype=T.uint8)", "uint8", [0, 2]),
    ("T.arange(0, 5, 2.5, dtype=T.int64)", "int64", [0, 2, 4]),
    ("[p.numel() for p in T.ones(0).chunk(3)]", "", [0, 0, 0]),
    ("T.cat([T.ones(0).requires_grad_(), T.ones(2)]).requires_grad", "", True),
    ("T.cat([T.ones(0), T.ones(1, 2)], 1)", "float32", [[1.0, 1.0]]),
    # a mask of bytes
    ("I[T.tensor([0, 1], dtype=T.uint8)]", "int64", [3]),
    ("I[T.tensor(1, dtype=T.uint8)]", "int64", [[2, 3]]),
    # what is written into integers
    ("put(I, 0, 2.7)", "int64", [2, 3]), ("put(U, slice(None), True)", "uint8", [1, 1]),
    ("I.masked_fill(B, 0.5)", "int64", [0, 3]), ("I.fill_(T.tensor(2.5))", "int64", [2, 2]),
    ("T.where(B, U, 0.5)", "float32", [3.0, 0.5]), ("put(I, 0, T.ones(1, 1, 1))", "int64", [1, 3]),
    ("plus(U, T.ones(2, dtype=T.int16))", "uint8", [4, 5]),
    # memory of its own, or not
    ("changed(I, I.flip(0))", "int64", [2, 3]), ("changed(I, I.repeat(1))", "int64", [2, 3]),
    ("changed(M, M.t().contiguous())", "float32", [[1.0, 2.0], [3.0, 4.0]]),
    ("changed(M, M.contiguous())", "float32", [[7.0, 7.0], [7.0, 7.0]]),
    ("changed(M, M[0].flatten())", "float32", [[7.0, 7.0], [3.0, 4.0]]),
    ("changed(S, S.max(0).values)", "float32", 1.5), ("M.t().is_contiguous()", "", False),
    ("M.t().contiguous().is_contiguous()", "", True), ("M[:, :1].is_contiguous()", "", False),
    ("changed(X := M[:, [1, 0]], X.reshape(-1))", "float32", [[7.0, 7.0], [7.0, 7.0]]),
    ("changed(M, T.nn.functional.pad(M, (0, 0)))", "float32", [[1.0, 2.0], [3.0, 4.0]]),
    ("changed(M, M.diagonal())", "float32", [[7.0, 2.0], [3.0, 7.0]]),
    ("changed(M, T.diag(M))", "float32", [[1.0, 2.0], [3.0, 4.0]]),
    ("changed(M, T.rot90(M, 4))", "float32", [[1.0, 2.0], [3.0, 4.0]]),
    ("changed(M, M[:, :1].prod(1))", "float32", [[1.0, 2.0], [3.0, 4.0]]),
    ("changed(M, M.expand(1, 2, 2))", "float32", [[7.0, 7.0], [7.0, 7.0]]),
    *[(f"changed(X := M.reshape(1, 1, 2, 2), T.nn.functional.{name}(X, 1))", "float32",
       [[[[1.0, 2.0], [3.0, 4.0]]]]) for name in ("pixel_shuffle", "pixel_unshuffle")],
    ("changed(X := M.reshape(1, 1, 2, 2), T.nn.functional.channel_shuffle(X, 1))", "float32",
     [[[[1.0, 2.0], [3.0, 4.0]]]]),
    # a number counts as one element in one dim, and an empty index picks nothing
    ("S.gather(0, T.tensor([0, 0]))", "float32", [1.5, 1.5]),
    ("F.gather(0, T.tensor(1))", "float32", -2.5),
    ("M.gather(0, T.zeros(0, dtype=T.int64))", "float32", []),
    ("S.index_select(0, T.tensor([0]))", "float32", 1.5),
    ("F.index_select(0, T.tensor(1))", "float32", [-2.5]),
    ("S.scatter(0, T.tensor(0), T.tensor(2.0))", "float32", 2.0),
    ("S.scatter_add(0, T.tensor([0, 0]), F)", "float32", 0.5),
    ("F.scatter(0, T.tensor([], dtype=T.int64), 3.0)", "float32", [1.5, -2.5]),
    # numbers of other kinds
    ("T.linspace(4.3, -3, 4, dtype=T.int64)", "int64", [4, 1, 0, -3]),
    ("T.linspace(S, T.tensor(3), 3)", "float32", [1.5, 2.25, 3.0]),
    ("T.arange(T.tensor(2))", "int64", [0, 1]),
    ("T.round(T.tensor([1.26, 17.0]), decimals=1)", "float32", np.float32([1.3, 17.0])),
    ("T.tensor([126.0, -5.0]).round_(decimals=-1)", "float32", [130.0, 0.0]),
    ("F.norm(0)", "float32", 2.0), ("F.norm(-inf)", "float32", 1.5),
    ("T.tensor([3.0, 4.0]).norm('fro')", "float32", 5.0),
    ("T.cdist(M, M[:1], compute_mode='donot_use_mm_for_euclid_dist')", "float32",
     np.float32([[0], [8**0.5]])),
    ("T.ones(0).median()", "float32", nan),
    ("T.repeat_interleave(I, T.tensor([1, 2]), output_size=3)", "int64", [2, 3, 3]),
    ("T.nn.functional.pixel_shuffle(T.arange(4).reshape(1, 4, 1, 1), 2)", "int64",
     [[[[0, 1], [2, 3]]]]),
]

# A line, and words of our error. PyTorch refuses the line too, unless it ends in "only ours".
REFUSED = [
    ("I - True", "sub: bool"), ("True - F", "sub: bool"), ("B - 1", "sub: bool"),
    ("-B", "neg: bool"),
    ("B // B", "floor_divide: bool"), ("B % True", "remainder: bool"),
    ("B.floor()", "floor: bool"),
    ("I ** -1", "pow: integers"), ("I // 0", "ZeroDivisionError"),
    ("I % False", "ZeroDivisionError"),
    ("I // False", "ZeroDivisionError"),
    ("put(I, 0, nan)", "nan does not fit into int64"), ("put(U, 0, 300)", "300 does not fit"),
    ("put(U, slice(None), -inf)", "does not fit"), ("put(I, B, inf)", "inf does not fit"),
    ("put(I, [0], nan)", "nan does not fit"), ("U.fill_(300)", "fill_: the number 300"),
    ("I.masked_fill(B, inf)", "masked_fill: the number inf"),
    ("I.masked_fill(B, T.tensor(nan))", "masked_fill: some numbers don't fit"),
    ("T.where(B, U, 300)", "where: the number 300"), ("U.clamp(max=300)", "clamp: the number 300"),
    ("T.nn.functional.pad(U, (1, 0), value=300)", "pad: the number 300"),
    ("T.nn.functional.pad(I, (1, 0), value=nan)", "pad: the number nan"),
    ("I.copy_(nan)  # only ours", "copy_: the number nan"),
    ("U.copy_(T.tensor([1, 300]))  # only ours", "copy_: some numbers don't fit uint8"),
    ("put(U, 0, T.tensor(300))  # only ours", "some numbers don't fit uint8"),
    ("plus(U, 300)  # only ours", "add: the number 300"),
    ("put(U, 0, -1)  # only ours", "-1 does not"),
    ("plus(U, T.tensor([1, 300]))  # only ours", "add_: some numbers don't fit uint8"),
    ("U.clamp(-3, 100)  # only ours", "clamp: the number -3 does not fit"),
    ("plus(I, 0.5)", "can't be written into int64"),
    ("I.gather(0, T.tensor([-1]))", "gather: index array is out of range"),
    ("I.gather(0, T.tensor([2]))", "gather: index array is out of range"),
    ("I.index_select(0, T.tensor([-1]))", "index_select: index array is out of range"),
    ("F.masked_fill(U, 0.0)", "masked_fill: the mask must be a bool"),
    ("T.mm(F, F)", "mm: expected matrices"), ("T.mm(M[None], M)", "mm: expected matrices"),
    ("F.requires_grad_().sum(dtype=T.int32)", "sum: a sum in int32 has no gradient"),
    ("F.requires_grad_().sum(dtype=T.bool)", "sum: a sum in bool has no gradient"),
    ("T.tensor(1.0).mT  # only ours", "transpose: dim -2"),
    ("T.randint(0, 300, (2,), dtype=T.uint8)", "randint: some numbers don't fit"),
    ("T.randperm(300, dtype=T.uint8)", "randperm: some numbers don't fit"),
    ("T.linspace(0, 300, 3, dtype=T.uint8)", "linspace: some numbers don't fit"),
    ("T.arange(300, dtype=T.uint8)  # only ours", "arange: some numbers don't fit"),
    ("I & 0.5", "bitwise_and: expected bools or integers"),
    ("T.arange(0, 5, 0.5, dtype=T.int64)", "arange: steps of 0"),
    ("T.isclose(F, F, rtol=-1)", "isclose: rtol must be at least 0"),
    ("T.multinomial(I, 1)", "multinomial: input must hold floats"),
    ("T.multinomial(M[None], 1)", "multinomial: input must be "),
    ("T.nn.functional.triplet_margin_loss(M, M, M, margin=-1.0)", "margin must be above 0"),
    ("F.scatter(0, T.tensor([0, 1]), T.ones(1))", "scatter: src .* must have the dims of index"),
    ("M.scatter(0, T.tensor([[0, 1]]), T.ones(2))", "scatter: src .* must have the dims of index"),
    ("S.index_select(0, T.tensor([0, 0]))", "index_select: a 0-d tensor has 1 element"),
    ("M.diagonal(0, 1, -1)", "diagonal: dim1 and dim2 must differ"),
    ("T.maximum(F, 1.0)", "maximum: other must be a tensor"),
    ("T.minimum(1.0, F)", "minimum: input must be a tensor"),
    ("T.ones(2, 0).median(1)", "median: shape .* has no element along dim 1"),
    ("T.exp(F, alpha=2)", r"exp: got an unexpected keyword argument 'alpha'; expected exp\(input"),
    ("T.floor(F, decimals=2)", "floor: got an unexpected keyword argument 'decimals'"),
    ("I.round(decimals=2)", "round: input must hold floats"),
    ("T.repeat_interleave(I, 2, output_size=3)", "output_size is 3, but the repeats add up to 4"),
]


def names(T: Any) -> dict[str, Any]:
    def put(tensor: Any, index: Any, value: Any) -> Any:
        tensor[index] = value
        return tensor

    def plus(tensor: Any, other: Any) -> Any:
        tensor += other
        return tensor

    def changed(tensor: Any, part: Any) -> Any:
        part.fill_(7)
        return tensor

    return {
        "T": T, "nan": nan, "inf": inf, "put": put, "plus": plus, "changed": changed,
        "B": T.tensor([True, False]), "U": T.tensor([3, 4], dtype=T.uint8), "I": T.tensor([2, 3]),
        "F": T.tensor([1.5, -2.5]), "M": T.tensor([[1.0, 2.0], [3.0, 4.0]]), "S": T.tensor(1.5),
    }  # fmt: skip


def frameworks(request: pytest.FixtureRequest) -> Any:
    return tinynet if request.param == "tinynet" else request.getfixturevalue("torch")


T = pytest.fixture(params=["tinynet", "torch"])(frameworks)


def evaluate(T: Any, line: str) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return eval(line, names(T))  # the lines stand above


@pytest.mark.parametrize(("line", "dtype", "values"), VALUES, ids=[line for line, *_ in VALUES])
def test_values(T, line, dtype, values):
    found = evaluate(T, line)
    if dtype:
        assert str(found.dtype).removeprefix("torch.") == dtype
        found = found.tolist()
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(("line", "words"), REFUSED, ids=[line for line, _ in REFUSED])
def test_refusals(T, line, words):
    if T is tinynet:
        with pytest.raises((ValueError, TypeError, IndexError, RuntimeError), match=words):
            evaluate(T, line)
    elif "only ours" in line:
        evaluate(T, line)
    else:
        with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)):
            evaluate(T, line)


# A function of one tensor, where it is taken, and its gradient there.
GRADIENTS = [
    ("x.max()", [1.0, nan, 3.0], [0.0, 1.0, 0.0]), ("x.min()", [2.0, 1.0, 1.0], [0.0, 0.5, 0.5]),
    ("x.amax()", [1.0, nan, 3.0], [nan, nan, nan]), ("x.amin(0)", [1.0, 1.0, 3.0], [0.5, 0.5, 0.0]),
    ("T.zeros(3) ** x", [-1.0, 0.0, 2.0], [-inf, 0.0, 0.0]),
    ("0.0 ** x", [-1.0, 0.0, 2.0], [-inf, 0.0, 0.0]), ("x ** 0", [0.0, nan, 1.0], [0.0, 0.0, 0.0]),
    ("(x * 2.0) ** T.zeros(3)", [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]),
    ("T.floor(x) * T.tensor([inf, nan, 1.0])", [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
    ("T.clamp(T.tensor([0.0, 2.0, 4.0]), x, T.full((3,), 3.0))", [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]),
    ("T.clamp(T.tensor([0.0, 2.0, 4.0]), max=x)", [1.0, 3.0, 4.0], [0.0, 0.0, 0.0]),
    ("T.clamp(x, T.tensor(1.0), T.tensor(3.0))", [1.0, 2.0, 4.0], [1.0, 1.0, 0.0]),
    ("T.maximum(x, T.tensor([1.0, 1.0, nan]))", [1.0, 2.0, 1.0], [0.5, 1.0, 1.0]),
    ("x.repeat(2, 2)", [1.0, 2.0, 3.0], [4.0, 4.0, 4.0]),
    ("x.repeat(0)", [1.0, 2.0, 3.0], [0, 0, 0]),
    ("T.cat([x[:0], x])", [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]),
    # a view of the diagonal, and what is written into it
    ("x.diag().diagonal() * w", [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]),
    ("changed(X := x * T.ones(3, 3), X.diagonal())", [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]),
    ("T.nn.functional.grid_sample(T.ones(1, 1, 2, 2), x[:2].reshape(1, 1, 1, 2), mode='nearest')",
     [0.3, 0.4, 1.0], [0.0, 0.0, 0.0]),
    # a target that is changed afterwards
    ("[T.nn.functional.margin_ranking_loss(x, w, X := w.sign(), reduction='sum'), X.zero_()][0]",
     [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]),
    # results that are changed in place afterwards
    ("relu_(x / w)", [1.0, -2.0, 3.0], [1.0, 0.0, 0.25]), ("relu_(w / x)", [1.0, 2.0, -1.0],
    [-1.0, -0.5, 0.0]), ("relu_(T.maximum(x, w))", [0.0, 3.0, 4.0], [0.0, 1.0, 0.5]),
    ("relu_(T.minimum(x, w))", [0.5, 3.0, 4.0], [1.0, 0.0, 0.5]),
    ("relu_((x - x.mean()) / x.std())", [0.0, 1.0, 2.0], [1 / 6, -1 / 3, 1 / 6]),
    ("relu_(x.clamp(0.5, 2.5))", [0.0, 1.0, 3.0], [0.0, 1.0, 0.0]),
    ("relu_(x.abs())", [-1.0, 0.0, 3.0], [-1.0, 0.0, 1.0]),
    # answers of a test, written into what was asked
    ("(x * 1.0).eq_(2) + x", [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]),
    ("(x * 1.0).greater_equal_(other=w) + x", [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]),
    ("(x * 1.0).cumprod_(0)", [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
    # a target below 0, where nothing flows, and where something does
    ("T.nn.functional.kl_div(w, x, reduction='none') * T.tensor([0.0, 0.0, 1.0])",
     [-1.0, 0.5, 1.0], [0.0, 0.0, -3.0]),
    ("T.nn.functional.kl_div(w, x, reduction='none')", [-1.0, 1.0, 1.0], [nan, -1.0, -3.0]),
    ("T.cdist(x[None], w[None], 0.0)", [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "at", "expected"), GRADIENTS, ids=[g[0] for g in GRADIENTS])
def test_gradients(T, line, at, expected):
    x = T.tensor(at, requires_grad=True)
    known = {"x": x, "w": T.tensor([1.0, 2.0, 4.0]), "relu_": lambda t: t.relu_()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = eval(line, names(T) | known)
        (g,) = T.autograd.grad(result.sum(), x)
    np.testing.assert_allclose(g.tolist(), expected, rtol=1e-5, atol=1e-6)


def test_a_count_gives_no_gradient(T):
    """Not even zeros, so that an optimiser leaves the parameter as it is."""
    x = T.tensor([0.0, 1.0, 2.0], requires_grad=True)
    x.norm(0).backward()
    assert x.grad is None
    assert T.autograd.grad(x.norm(0, 0), x, allow_unused=True) == (None,)
    assert T.autograd.grad(x.norm(0) * x.sum(), x)[0].tolist() == [2.0, 2.0, 2.0]


# In-place methods, and what they leave of [[0, 1], [2, 3]] in a dtype
IN_PLACE = [
    ("logical_not_()", "float32", [[1, 0], [0, 0]]), ("logical_not_()", "int64", [[1, 0], [0, 0]]),
    ("logical_and_(T.tensor([0, 5]))", "float32", [[0, 1], [0, 1]]),
    ("logical_or_(T.tensor([0, 5]))", "uint8", [[0, 1], [1, 1]]),
    ("eq_(2)", "float32", [[0, 0], [1, 0]]), ("ne_(2)", "int64", [[1, 1], [0, 1]]),
    ("lt_(2)", "float64", [[1, 1], [0, 0]]), ("less_equal_(2)", "int32", [[1, 1], [1, 0]]),
    ("gt_(other=T.tensor([0.5, 2.5]))", "float32", [[0, 0], [1, 1]]),
    ("bitwise_and_(3)", "int64", [[0, 1], [2, 3]]), ("bitwise_xor_(1)", "uint8", [[1, 0], [3, 2]]),
    ("bitwise_or_(4)", "int64", [[4, 5], [6, 7]]), ("bitwise_not_()", "int8", [[-1, -2], [-3, -4]]),
    ("absolute_()", "int64", [[0, 1], [2, 3]]), ("negative_()", "float32", [[0, -1], [-2, -3]]),
    ("exp2_()", "float32", [[1, 2], [4, 8]]), ("true_divide_(2)", "float64", [[0, 0.5], [1, 1.5]]),
    ("cumprod_(0)", "int64", [[0, 1], [0, 3]]), ("swapaxes_(0, 1)", "int64", [[0, 2], [1, 3]]),
    ("swapdims_(dim0=0, dim1=-1)", "float32", [[0, 2], [1, 3]]),
    ("atan_().tan_().round_()", "float32", [[0, 1], [2, 3]]),
    ("cosh_().acosh_().round_()", "float64", [[0, 1], [2, 3]]),
    ("sinh_().asinh_().round_()", "float64", [[0, 1], [2, 3]]),
    ("div_(4).asin_().sin_().mul_(4).round_()", "float64", [[0, 1], [2, 3]]),
    ("div_(4).acos_().cos_().mul_(4).round_()", "float64", [[0, 1], [2, 3]]),
    ("div_(4).atanh_().tanh_().mul_(4).round_()", "float64", [[0, 1], [2, 3]]),
    ("erf_().sign_()", "float32", [[0, 1], [1, 1]]), ("detach_()", "int64", [[0, 1], [2, 3]]),
]  # fmt: skip


@pytest.mark.parametrize(("method", "dtype", "expected"), IN_PLACE, ids=[c[0] for c in IN_PLACE])
def test_in_place_methods(T, method, dtype, expected):
    x = T.tensor([[0, 1], [2, 3]], dtype=getattr(T, dtype))
    assert eval(f"x.{method}", {"x": x, "T": T}) is x
    assert (x.tolist(), x.dtype) == (expected, getattr(T, dtype))


def test_detach_in_place(T):
    x = T.ones(3, requires_grad=True)
    y = x * 2
    z = y + x
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    (g,) = T.autograd.grad((z + y * x).sum(), x)
    assert g.tolist() == [5.0, 5.0, 5.0]


def test_a_mask_of_bytes_warns_where_it_is_used():
    with pytest.warns(UserWarning, match="an index of uint8 is read as a mask") as caught:
        tinynet.arange(2)[tinynet.tensor([1, 0], dtype=tinynet.uint8)]
    assert caught[0].filename == __file__


def test_images_from_a_convolution_count_as_contiguous():
    y = tinynet.nn.functional.conv2d(tinynet.ones(2, 3, 4, 4), tinynet.ones(5, 3, 3, 3))
    assert y.is_contiguous()
    assert y.contiguous() is y
    assert not y.permute(0, 2, 3, 1).is_contiguous()
    turned = y.permute(0, 2, 3, 1).contiguous()
    assert turned.array.flags.c_contiguous
    assert tinynet.equal(turned.permute(0, 3, 1, 2), y)


@pytest.mark.parametrize("shape", [(2, -1), (-1,), (2, 5, 4), (4, 5, 2)])
@pytest.mark.parametrize(
    "write", ["z.zero_()", "z[0] = 3.0", "y.mul_(2)", "y[1] = 0.5", "z.sigmoid_()"]
)
def test_a_view_of_a_convolution_shares_its_memory(T, shape, write):
    x = T.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).to(T.float64).div(50).requires_grad_()
    w = T.linspace(-1, 1, 135, dtype=T.float64).reshape(5, 3, 3, 3)
    y = T.nn.functional.conv2d(x, w)
    z = y.view(shape)
    exec(write, {"y": y, "z": z})
    total = (y * T.linspace(0, 1, 40, dtype=T.float64).reshape(y.shape)).sum() + (z * z).sum()
    (g,) = T.autograd.grad(total, x)
    found = total.item(), (g * x.detach()).sum().item()
    assert found == pytest.approx(VIEWED.setdefault((shape, write), found))
    assert T.equal(y.reshape(-1), z.reshape(-1))


VIEWED: dict[Any, Any] = {}  # what the first framework gave


def test_primitives_that_are_no_views_own_their_memory():
    """A change of the result in place never shows in the input."""
    x = tinynet.tensor([[1.0, 2.0], [3.0, 4.0]])
    results = [
        x.flip(()), x.repeat(1, 1), x.sum(()), x.amax(()), x.clamp(max=9), x.abs(), x.relu(),
        x.round(), x.long().round(), x.long().relu(), x.masked_fill(x > 9, 0.0), x[:, [0, 1]],
        tinynet.cat([x]), tinynet.stack([x]), tinynet.where(x > 0, x, x), x.max(0).values,
        x[0, 0].max(0).values, x.index_select(0, tinynet.arange(2)), x.softmax(1), x.norm(2, ()),
        x.logsumexp(()), tinynet.nn.functional.pad(x, (0, 0)), x.clone(), x * 1, x / 1, x**1,
        tinynet.nn.functional.pad(x[None], (0, 0), mode="reflect"), x.t().contiguous(),
        tinynet.nn.functional.interpolate(x[None, None], scale_factor=1),
        tinynet.nn.functional.max_pool2d(x[None], 1), tinynet.nn.functional.avg_pool2d(x[None], 1),
    ]  # fmt: skip
    shared = [i for i, y in enumerate(results) if np.shares_memory(x.array, y.array)]
    assert not shared


def test_nested_lists_are_read_as_a_tuple():
    """As in PyTorch, and once in numpy; a list of ints alone names rows."""
    x = tinynet.arange(9).reshape(3, 3)
    assert x[[[0, 1], [1, 2]]].tolist() == [1, 5]
    assert x[[[0, 2]]].tolist() == x[[0, 2]].tolist() == [[0, 1, 2], [6, 7, 8]]
    x[[[0, 1], [0, 1]]] = -1
    assert x.tolist() == [[-1, 1, 2], [3, -1, 5], [6, 7, 8]]
    assert reversed(x).tolist() == x.tolist()[::-1]
