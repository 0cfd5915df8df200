"""Activations, normalize, cosine_similarity: values and gradients to second order are PyTorch's."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import strict_cupy
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_operations import ACTIVATION_CASES, ACTIVATIONS, RECORD, OnGPU, agree, call
from operations import Case, real, run, unpack

import tinynet
from tinynet import gradcheck, nn
from tinynet.nn import functional as F

RECORDED = json.loads(RECORD.read_text())
IN_PLACE = [
    ("relu", ()),
    ("leaky_relu", (0.3,)),
    ("elu", (1.7,)),
    ("silu", ()),
    ("hardtanh", (-0.5, 1.5)),
    ("relu6", ()),
]
MODULES = [
    (nn.ReLU, (), "ReLU()"), (nn.ReLU, (True,), "ReLU(inplace=True)"),
    (nn.LeakyReLU, (), "LeakyReLU(negative_slope=0.01)"),
    (nn.LeakyReLU, (0.2, True), "LeakyReLU(negative_slope=0.2, inplace=True)"),
    (nn.ELU, (), "ELU(alpha=1.0)"),
    (nn.ELU, (2, True), "ELU(alpha=2, inplace=True)"), (nn.GELU, (), "GELU(approximate='none')"),
    (nn.GELU, ("tanh",), "GELU(approximate='tanh')"), (nn.SiLU, (), "SiLU()"),
    (nn.SiLU, (True,), "SiLU(inplace=True)"),
    (nn.Sigmoid, (), "Sigmoid()"), (nn.Tanh, (), "Tanh()"),
    (nn.Softplus, (), "Softplus(beta=1.0, threshold=20.0)"),
    (nn.Softplus, (2, 3), "Softplus(beta=2, threshold=3)"),
    (nn.Hardtanh, (), "Hardtanh(min_val=-1.0, max_val=1.0)"),
    (nn.Hardtanh, (-2, 2, True), "Hardtanh(min_val=-2, max_val=2, inplace=True)"),
    (nn.ReLU6, (), "ReLU6()"),
    (nn.ReLU6, (True,), "ReLU6(inplace=True)"), (nn.Softmax, (1,), "Softmax(dim=1)"),
    (nn.LogSoftmax, (-1,), "LogSoftmax(dim=-1)"),
]  # fmt: skip


@pytest.mark.parametrize("case", ACTIVATION_CASES, ids=lambda c: c.name)
def test_recorded(case):
    agree(case.name, run(tinynet, case), unpack(RECORDED[case.name]))


@pytest.mark.parametrize("case", ACTIVATION_CASES, ids=lambda c: c.name)
def test_on_gpu(case):
    with strict_cupy.install():
        agree(case.name, run(OnGPU(), case), run(tinynet, case))


@pytest.mark.parametrize(
    "case",
    [c for c in ACTIVATION_CASES if c.inputs[0].dtype == np.float64 or "cosine" in c.name],
    ids=lambda c: c.name,
)
def test_gradcheck(case):
    assert gradcheck(
        lambda *xs: case.f(tinynet, *xs),
        [tinynet.tensor(x, requires_grad=True) for x in case.inputs],
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(ACTIVATIONS)),
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_against_torch(torch, name, shape, seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape) * random.choice([0.1, 1.0, 10.0])
    case = Case(name, call(name.split()[0], **ACTIVATIONS[name]), (x,))
    agree(f"{name} {shape} {seed}", run(tinynet, case), run(torch, case), rtol=1e-7)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(2, 4), st.integers(0, 2)), min_size=1, max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_cosine_similarity_against_torch(torch, sizes, seed):
    random = np.random.default_rng(seed)
    shapes = [[1 if repeated == which else n for n, repeated in sizes] for which in (1, 2)]
    case = Case(
        "",
        call("cosine_similarity", dim=int(random.integers(len(sizes)))),
        tuple(random.standard_normal(s) for s in shapes),
    )
    agree(f"{shapes} {seed}", run(tinynet, case), run(torch, case), rtol=1e-7)


# ---------------------------------------------------------------------------------------------- erf


def test_erf_is_right_to_double_precision():
    random = np.random.default_rng(0)
    near_0, tiny = random.standard_normal(2000) * 1e-3, 10.0 ** random.uniform(-300, 2, 500)
    x = np.concatenate([random.uniform(-6.5, 6.5, 20000), near_0, tiny, np.arange(-7, 7, 1 / 64)])
    for dtype, ulps in ((np.float64, 2), (np.float32, 3), (np.float16, 2)):
        with np.errstate(over="ignore"):
            given = x.astype(dtype)
        exact = np.array([math.erf(float(v)) for v in given])
        found = tinynet.erf(tinynet.from_numpy(given)).array
        assert found.dtype == dtype
        assert (
            np.abs(found.astype(np.float64) - exact)
            <= ulps * np.spacing(np.abs(exact).astype(dtype))
        ).all()


def test_erf_of_special_values():
    y = tinynet.erf(tinynet.tensor([0.0, -0.0, math.inf, -math.inf, math.nan, 6.0, 1e30]))
    assert str(y.tolist()) == "[0.0, -0.0, 1.0, -1.0, nan, 1.0, 1.0]"
    assert tinynet.erf(tinynet.tensor(1)).item() == pytest.approx(math.erf(1))


# ----------------------------------------------------------------------------------------- in place


@pytest.mark.parametrize(("name", "constants"), IN_PLACE)
def test_in_place(name, constants):
    function = getattr(F, name)
    x = tinynet.tensor(real(3, 4, dtype=np.float64), requires_grad=True)
    g = tinynet.tensor(real(4, 3).T.astype(np.float64))
    outside = function(x * 2, *constants)
    t = x * 2
    inside = function(t, *constants, inplace=True)
    assert inside is t
    assert np.array_equal(inside.detach(), outside.detach())
    for y in (outside, inside):
        assert np.array_equal(y.detach(), function(2 * x.detach(), *constants))
    expected, found = (tinynet.grad(y, x, g, create_graph=True)[0] for y in (outside, inside))
    assert np.array_equal(expected.detach(), found.detach())
    if expected.requires_grad:
        assert np.allclose(
            *(
                tinynet.grad(y, x, g, allow_unused=True, materialize_grads=True)[0]
                for y in (expected, found)
            )
        )


@pytest.mark.parametrize(("name", "constants"), IN_PLACE)
def test_in_place_refuses_leaves_that_require_grad(name, constants):
    with pytest.raises(
        RuntimeError,
        match=f"{name}_: a leaf tensor that requires grad",
    ):
        getattr(F, name)(tinynet.ones(2, requires_grad=True), *constants, inplace=True)


# ------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype_stays(name, dtype):
    x = tinynet.tensor(real(2, 3), dtype=dtype, requires_grad=True)
    y = call(name.split()[0], **ACTIVATIONS[name])(tinynet, x)
    (g,) = tinynet.grad(y.sum(), x)
    assert (y.dtype, g.dtype) == (x.dtype, x.dtype)


@pytest.mark.parametrize("name", sorted({name.split()[0] for name in ACTIVATIONS} - {"normalize"}))
def test_nan_stays_nan(name):
    options = {"dim": 0} if "softmax" in name else {}
    assert math.isnan(getattr(F, name)(tinynet.tensor([math.nan]), **options).item())


def test_kinks_have_pytorchs_gradients():
    for f, at, expected in (
        (F.relu, 0.0, 0.0), (F.leaky_relu, 0.0, 0.01), (lambda x: F.elu(x, 3.0), 0.0, 3.0),
        (F.hardtanh, -1.0, 0.0),
        (F.hardtanh, 1.0, 0.0), (F.relu6, 0.0, 0.0), (F.relu6, 6.0, 0.0), (F.softplus, 0.0, 0.5),
    ):  # fmt: skip
        x = tinynet.tensor(at, dtype=tinynet.float64, requires_grad=True)
        assert tinynet.grad(f(x), x)[0].item() == expected


def test_softplus_is_smooth_at_0():
    x = tinynet.tensor(0.0, requires_grad=True)
    (g,) = tinynet.grad(F.softplus(x), x, create_graph=True)
    assert tinynet.grad(g, x)[0].item() == 0.25


def test_normalize_leaves_zeros():
    x = tinynet.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    y = F.normalize(x)
    assert np.allclose(y.detach(), [[0, 0], [0.6, 0.8]])
    assert tinynet.isfinite(tinynet.grad(y.sum(), x)[0]).all()
    assert F.cosine_similarity(x, tinynet.ones(2, 2)).tolist() == pytest.approx(
        [0.0, 7 / 5 / math.sqrt(2)]
    )


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        *[
            (lambda f=f: f(tinynet.tensor([1, 2])), TypeError, "input must hold floats, got int64")
            for f in (F.leaky_relu, F.elu, F.gelu, F.silu, F.softplus)
        ],
        *[
            (lambda f=f: f([1.0]), TypeError, "input must be a tensor, got list")
            for f in (F.relu, F.leaky_relu, F.gelu, F.hardtanh, F.relu6, F.sigmoid)
        ],
        *[
            (lambda f=f: f(tinynet.tensor([True])), TypeError, "bool")
            for f in (F.relu, F.hardtanh, F.relu6, F.elu)
        ],
        (
            lambda: F.gelu(tinynet.ones(1), "erf"),
            ValueError,
            "gelu: approximate must be 'none' or 'tanh', got 'erf'",
        ),
        (
            lambda: F.hardtanh(tinynet.ones(1), 2, 1),
            ValueError,
            "hardtanh: min_val must not be greater than max_val, got 2 and 1",
        ),
        (
            lambda: nn.Hardtanh(1, 1),
            ValueError,
            "Hardtanh: min_val must be less than max_val, got 1 and 1",
        ),
        (lambda: tinynet.softmax(tinynet.ones(2, 2)), TypeError, "softmax: say which dim"),
        (lambda: F.normalize(tinynet.ones(3)), IndexError, "dim 1 is out of range"),
        (lambda: F.normalize(tinynet.ones(2, 2), p=-1), ValueError, "p must be a positive number"),
        (
            lambda: F.normalize(tinynet.tensor([[1, 2]])),
            TypeError,
            "normalize: input must hold floats",
        ),
        (
            lambda: F.cosine_similarity(tinynet.ones(3), tinynet.ones(3)),
            IndexError,
            "dim 1 is out of range",
        ),
        (
            lambda: F.cosine_similarity(tinynet.ones(2, 3), tinynet.ones(2, 4)),
            ValueError,
            r"shapes \(2, 3\) and \(2, 4\) don't broadcast",
        ),
        (
            lambda: F.cosine_similarity(tinynet.tensor([[1]]), tinynet.ones(1, 1)),
            TypeError,
            "cosine_similarity: x1 must hold floats",
        ),
        (lambda: nn.Unflatten(1, 6), TypeError, "unflattened_size must be a tuple of ints, got 6"),
        (lambda: nn.Unflatten(1, (2, 3))(tinynet.ones(2, 7)), ValueError, "dim 1 has size 7"),
    ],
)
def test_refused(refused, error, message):
    with pytest.raises(error, match=message):
        refused()


# ------------------------------------------------------------------------------------------ modules


@pytest.mark.parametrize(
    ("kind", "arguments", "text"), MODULES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_modules(kind, arguments, text):
    module = kind(*arguments)
    assert repr(module) == text
    assert module.state_dict() == {}
    name = {"LeakyReLU": "leaky_relu", "LogSoftmax": "log_softmax"}.get(
        kind.__name__, kind.__name__.lower()
    )
    x = tinynet.tensor(2 * real(3, 4))
    expected = getattr(F, name)(x, *[v for v in arguments if v is not True])
    result = module(x)
    assert np.array_equal(result, expected)
    assert (result is x) == getattr(module, "inplace", False)


@pytest.mark.parametrize(
    ("kind", "arguments", "text"), MODULES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_modules_are_pytorchs(torch, kind, arguments, text):
    assert repr(getattr(torch.nn, kind.__name__)(*arguments)) == text


def test_attributes_can_be_changed():
    layer = nn.LeakyReLU(0.1)
    layer.negative_slope = 0.5
    assert layer(tinynet.tensor([-2.0])).item() == -1.0
    assert repr(layer) == "LeakyReLU(negative_slope=0.5)"


def test_identity_unflatten_and_cosine_similarity():
    x = tinynet.tensor(real(2, 6))
    assert nn.Identity(54, unused=True)(x) is x
    assert repr(nn.Identity(3)) == "Identity()"
    assert nn.Unflatten(1, (2, -1))(x).shape == (2, 2, 3)
    assert nn.Unflatten(-1, (3, 2))(x).shape == (2, 3, 2)
    assert repr(nn.Unflatten(1, (2, 3))) == "Unflatten(dim=1, unflattened_size=(2, 3))"
    similarity = nn.CosineSimilarity(dim=0, eps=1e-6)
    assert repr(similarity) == "CosineSimilarity()"
    assert np.array_equal(similarity(x, x[:1]), F.cosine_similarity(x, x[:1], 0, 1e-6))
