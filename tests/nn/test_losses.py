"""Losses: values and gradients to second order are PyTorch's, also for class numbers that are
ignored and scores that overflow.
"""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
import strict_cupy
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_operations import (
    LOSS_CASES,
    RECORD,
    SATURATED,
    OnGPU,
    agree,
    call,
    classes,
    distribution,
    probabilities,
    weighted,
)
from operations import Case, other, real, run, unpack

import tinynet
from tinynet import gradcheck, nn
from tinynet.nn import functional as F

RECORDED = json.loads(RECORD.read_text())
nan, inf = math.nan, math.inf


@pytest.mark.parametrize("case", LOSS_CASES, ids=lambda c: c.name)
def test_recorded(case):
    agree(
        case.name,
        run(tinynet, case),
        unpack(RECORDED[case.name]),
        rtol=1e-6 if "mixed" in case.name else 2e-8,
    )


@pytest.mark.parametrize(
    "case", [c for c in LOSS_CASES if c.name != "one_hot"], ids=lambda c: c.name
)
def test_on_gpu(case):
    with strict_cupy.install():
        agree(case.name, run(OnGPU(), case), run(tinynet, case))


@pytest.mark.parametrize(
    "case",
    [c for c in LOSS_CASES if c.inputs[0].dtype == np.float64 and c.name.endswith("mean")],
    ids=lambda c: c.name,
)
def test_gradcheck(case):
    assert gradcheck(
        lambda *xs: case.f(tinynet, *xs),
        [tinynet.tensor(x, requires_grad=x.dtype.kind == "f") for x in case.inputs],
    )


# ---------------------------------------------------------------------------------- against PyTorch


REDUCTIONS = st.sampled_from(["none", "mean", "sum"])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from(["cross_entropy", "nll_loss"]), st.integers(1, 4), st.integers(1, 5),
    st.lists(st.integers(1, 3), max_size=2),
    REDUCTIONS, st.booleans(), st.integers(-1, 4), st.sampled_from([0.0, 0.1, 1.0]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_class_numbers_against_torch(
    torch, name, N, C, positions, reduction, with_weight, ignore_index, smoothing, seed
):
    random = np.random.default_rng(seed)
    x = 3 * random.standard_normal((N, C, *positions))
    target = random.integers(0, C, (N, *positions))
    target[random.random(target.shape) < 0.2] = ignore_index if ignore_index < C else 0
    options = {"ignore_index": ignore_index, "reduction": reduction}
    if name == "cross_entropy":
        options["label_smoothing"] = smoothing
    f = weighted(name, random.random(C) + 0.1, **options) if with_weight else call(name, **options)
    case = Case(name, f, (x, target))
    if not (target != ignore_index).any():  # PyTorch's second order of 0 / 0 is now nan, now 0
        assert np.allclose(
            run(tinynet, case)["values"][0], run(torch, case)["values"][0], equal_nan=True
        )
        return
    agree(f"{name} {options} {x.shape} {seed}", run(tinynet, case), run(torch, case), rtol=1e-7)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from(
        [
            "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
            "kl_div", "cross_entropy",
        ]
    ),
    st.lists(st.integers(1, 4), min_size=1, max_size=3), REDUCTIONS, st.booleans(), st.booleans(),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_pairs_against_torch(torch, name, shape, reduction, with_weight, flag, seed):
    random = np.random.default_rng(seed)
    x, y = 2 * random.standard_normal((2, *shape))
    options: dict = {"reduction": reduction}
    weight = random.random(shape) + 0.1
    if "binary" in name:
        x, y = (probabilities(x) if name == "binary_cross_entropy" else x), probabilities(y)
        weight = weight[:1]
    elif name == "kl_div":
        options["log_target"] = flag
        x, y = np.log(distribution(x)), np.log(distribution(y)) if flag else distribution(y)
    elif name == "cross_entropy":
        y, weight = distribution(y), random.random(shape[min(1, len(shape) - 1)]) + 0.1
        options["label_smoothing"] = 0.3 * flag
    elif name in ("smooth_l1_loss", "huber_loss"):
        options["beta" if name == "smooth_l1_loss" else "delta"] = float(random.random()) + 0.2
    with_weight &= name not in ("smooth_l1_loss", "kl_div")
    case = Case(
        name, weighted(name, weight, **options) if with_weight else call(name, **options), (x, y)
    )
    with warnings.catch_warnings():
        if name == "kl_div" and reduction == "mean":  # PyTorch advises "batchmean" there
            warnings.filterwarnings("ignore", "reduction: 'mean' divides the total loss by both")
        expected = run(torch, case)
    agree(f"{name} {options} {shape} {seed}", run(tinynet, case), expected, rtol=1e-7)


# ------------------------------------------------------------------------------------------- values


def test_binary_cross_entropy_of_certain_probabilities():
    """The first order is PyTorch's; it has -100 for the logarithm of 0, and 1e-12 for p (1 - p)."""
    found, expected = run(tinynet, SATURATED), unpack(RECORDED[SATURATED.name])
    for kind in ("values", "gradients"):
        np.testing.assert_allclose(found[kind][0], expected[kind][0], rtol=1e-5)


def test_nothing_to_average_is_nan():
    x = tinynet.ones(2, 3, requires_grad=True)
    for loss in (F.cross_entropy, F.nll_loss):
        assert math.isnan(loss(x, tinynet.tensor([-100, -100])).item())
        assert loss(x, tinynet.tensor([-100, -100]), reduction="sum").item() == 0
        assert math.isnan(loss(x[:0], tinynet.zeros(0, dtype=tinynet.int64)).item())
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits, F.kl_div):
        assert math.isnan(loss(x[:0], x.detach()[:0]).item())


def test_one_sample_may_have_its_target_in_one_dimension():
    x = tinynet.tensor(real(4))
    for loss in (F.cross_entropy, F.nll_loss):
        one, alone = loss(x, tinynet.tensor([3])), loss(x, tinynet.tensor(3))
        assert one.shape == alone.shape == ()
        assert one.item() == alone.item() == loss(x[None], tinynet.tensor([3])).item()
        assert loss(x, tinynet.tensor([3]), reduction="none").shape == ()


def test_scores_never_overflow():
    scores = tinynet.tensor([[1e4, -1e4, 0.0], [3e38, -3e38, 0.0]], requires_grad=True)
    loss = F.cross_entropy(scores, tinynet.tensor([1, 0]), reduction="none")
    assert loss.tolist() == [2e4, 0.0]
    assert np.array_equal(tinynet.grad(loss.sum(), scores)[0], [[1, -1, 0], [0, 0, 0]])
    yes_no = F.binary_cross_entropy_with_logits(scores, tinynet.ones(2, 3), reduction="none")
    np.testing.assert_allclose(
        yes_no.detach(), [[0.0, 1e4, math.log(2)], [0.0, 3e38, math.log(2)]], rtol=1e-6
    )


def test_different_shapes_are_broadcast_with_a_warning():
    x, y = tinynet.tensor(real(3, 1)), tinynet.tensor(other(3))
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        message = (
            rf"{loss.__name__}: input \(3, 1\) and target \(3,\) differ "
            r"and are broadcast to \(3, 3\)"
        )
        with pytest.warns(UserWarning, match=message) as seen:
            found = loss(x, y, reduction="none")
        assert seen[0].filename == __file__
        assert np.array_equal(found, loss(x.expand(3, 3), y.expand(3, 3), reduction="none"))


def test_weights_and_targets_in_integers_of_eight_bits():
    target = classes(5, C=300 % 256)
    x = tinynet.tensor(real(5, 300))
    for options in ({}, {"weight": tinynet.tensor(np.abs(real(300)))}, {"ignore_index": 7}):
        found = F.cross_entropy(x, tinynet.tensor(target.astype(np.uint8)), **options)
        assert found.item() == F.cross_entropy(x, tinynet.tensor(target), **options).item()


def test_labels_outside_the_classes_make_nan_on_a_gpu():
    """Where looking at them would make every step wait."""
    with strict_cupy.install():
        x = tinynet.ones(2, 3, device="cuda")
        for label in (3, -1):
            assert math.isnan(F.cross_entropy(x, tinynet.tensor([0, label], device="cuda")).item())


def test_losses_on_a_gpu_do_not_wait():
    with strict_cupy.install():
        x = tinynet.tensor(real(3, 4), device="cuda", requires_grad=True)
        target, floats = (
            tinynet.tensor([0, -100, 1], device="cuda"),
            tinynet.tensor(probabilities(other(3, 4)), device="cuda"),
        )
        with strict_cupy.counting() as count:
            total = F.cross_entropy(x, target, label_smoothing=0.1) + F.binary_cross_entropy(
                x.sigmoid(), floats
            )
            total = total + F.kl_div(x, floats) + F.huber_loss(x, floats) + F.gelu(x).sum()
            total.backward()
        assert count.waits == 0


# ----------------------------------------------------------------------------------------- refusals

_x, _t = tinynet.tensor(real(3, 4)), tinynet.tensor([0, 3, 1])
_p = _x.sigmoid()
_binary = (F.binary_cross_entropy, F.binary_cross_entropy_with_logits)


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        *[
            (
                lambda f=f: f(_x, _x.sigmoid(), reduction="average"),
                ValueError,
                "reduction must be 'none', 'mean' or 'sum', got 'average'",
            )
            for f in (
                F.cross_entropy,
                F.nll_loss,
                F.mse_loss,
                F.l1_loss,
                F.smooth_l1_loss,
                F.huber_loss,
                *_binary,
            )
        ],
        (
            lambda: F.kl_div(_x, _x, reduction="x"),
            ValueError,
            "kl_div: reduction must be 'none', 'mean', 'sum' or 'batchmean', got 'x'",
        ),
        (lambda: F.mse_loss(_x, _x, reduction="batchmean"), ValueError, "got 'batchmean'"),
        *[
            (lambda f=f, t=t: f(_x, t), error, message)
            for f in (F.cross_entropy, F.nll_loss)
            for t, error, message in (
                (
                    tinynet.tensor([0, 4, 1]),
                    IndexError,
                    r"target\[1\] is 4, but the 4 classes are numbered 0 to 3",
                ),
                (tinynet.tensor([0, 1, -1]), IndexError, r"target\[2\] is -1, but the 4 classes"),
                (_t.int(), TypeError, r"class numbers must be int64 \(or uint8\), got int32"),
                (_t.float(), TypeError, "class numbers must be int64"),
                (_t == 0, TypeError, "class numbers must be int64"),
                (_t[:2], ValueError, r"input \(3, 4\) needs a target of shape \(3,\), got \(2,\)"),
                ([0, 3, 1], TypeError, "target must be a tensor, got list"),
            )
        ],
        *[
            (lambda f=f, w=w: f(_x, _t, weight=w), error, message)
            for f in (F.cross_entropy, F.nll_loss)
            for w, error, message in (
                (
                    tinynet.ones(3),
                    ValueError,
                    r"weight must have shape \(4,\), one number per class; got \(3,\)",
                ),
                (tinynet.ones(4).double(), RuntimeError, "input is float32, weight is float64"),
                (tinynet.ones(4).long(), TypeError, "weight must hold floats"),
                (tinynet.ones(4, requires_grad=True), RuntimeError, "weight is a constant here"),
            )
        ],
        (lambda: F.cross_entropy(_x.long(), _t), TypeError, "input must hold floats"),
        (lambda: F.cross_entropy(_x[0, 0], _t[0]), ValueError, "got a 0-d tensor"),
        (lambda: F.nll_loss(_x[0, 0], _t[0]), ValueError, "got a 0-d tensor"),
        (
            lambda: F.cross_entropy(tinynet.ones(2, 3, 5), tinynet.zeros(2, 3).long()),
            ValueError,
            r"needs a target of shape \(2, 5\)",
        ),
        (
            lambda: F.cross_entropy(_x, _t, label_smoothing=1.5),
            ValueError,
            "label_smoothing must be from 0 to 1",
        ),
        (
            lambda: F.cross_entropy(_x, _x.softmax(1), ignore_index=1),
            ValueError,
            "ignore_index=1 names a class number, but",
        ),
        (
            lambda: F.cross_entropy(_x, _t, None, 3),
            TypeError,
            "cross_entropy: size_average must be True or False, got 3",
        ),
        (lambda: nn.MSELoss("sum"), TypeError, "MSELoss: size_average must be True or False"),
        (
            lambda: F.mse_loss(_x, tinynet.ones(5)),
            ValueError,
            r"shapes \(3, 4\) and \(5,\) don't broadcast",
        ),
        (
            lambda: F.mse_loss(_x.long(), _x.long()),
            TypeError,
            "input is int64 and target int64; one must hold floats",
        ),
        (lambda: F.l1_loss(_x, 1.0), TypeError, "target must be a tensor, got float"),
        (
            lambda: F.mse_loss(_x, _x, weight=tinynet.ones(4)),
            ValueError,
            r"weight must have the shape of the loss, \(3, 4\); got \(4,\)",
        ),
        (
            lambda: F.huber_loss(_x, _x, weight=tinynet.ones(4)),
            ValueError,
            "weight must have the shape of the loss",
        ),
        (lambda: F.huber_loss(_x, _x, delta=0), ValueError, "delta must be positive, got 0"),
        (lambda: F.smooth_l1_loss(_x, _x, beta=-1), ValueError, "beta must be at least 0, got -1"),
        *[(lambda f=f: f(_p, _p[:1]), ValueError, "must have the same shape") for f in _binary],
        *[
            (lambda f=f: f(_p, _x.long()), TypeError, "target must hold floats, got int64")
            for f in _binary
        ],
        *[
            (lambda f=f: f(_p, _p, weight=tinynet.ones(3)), ValueError, "don't broadcast")
            for f in _binary
        ],
        *[
            (
                lambda f=f: f(_p, _p, weight=tinynet.ones(2, 1, 1)),
                ValueError,
                "must broadcast to the shape of input",
            )
            for f in _binary
        ],
        *[
            (
                lambda f=f: f(_p, _p, weight=tinynet.ones(4, requires_grad=True)),
                RuntimeError,
                "weight is a constant",
            )
            for f in _binary
        ],
        (
            lambda: F.binary_cross_entropy(_x, _x.sigmoid()),
            ValueError,
            "input must hold probabilities, from 0 to 1; got -",
        ),
        (
            lambda: F.binary_cross_entropy(_x.sigmoid(), _x),
            ValueError,
            "target must hold probabilities",
        ),
        (
            lambda: F.binary_cross_entropy(tinynet.tensor([nan]), tinynet.ones(1)),
            ValueError,
            "input must hold probabilities",
        ),
        (
            lambda: F.binary_cross_entropy(_x.sigmoid(), _x.sigmoid().double()),
            RuntimeError,
            "input is float32, target is float64",
        ),
        (lambda: F.kl_div(_x, _x.long()), TypeError, "target must hold floats"),
        (
            lambda: F.one_hot(_t.int()),
            TypeError,
            "tensor must hold class numbers, int64, got int32",
        ),
        (lambda: F.one_hot(_t, 2), IndexError, r"target\[1\] is 3, but the 2 classes"),
        (lambda: F.one_hot(tinynet.tensor([0, -2])), IndexError, r"target\[1\] is -2"),
        (lambda: F.one_hot(_t[:0]), ValueError, "an empty tensor"),
        (lambda: F.one_hot(_t, 0), ValueError, "num_classes must be an int from 1 "),
    ],
)
def test_refused(refused, error, message):
    with pytest.raises(error, match=message):
        refused()


# ------------------------------------------------------------------------------------------ modules

_w = tinynet.tensor(np.abs(real(4)))
MODULES = [
    (
        nn.CrossEntropyLoss,
        {"weight": _w, "ignore_index": 3, "reduction": "sum", "label_smoothing": 0.1},
        "cross_entropy",
        (_x, _t),
    ),
    (nn.NLLLoss, {"weight": _w, "ignore_index": 3, "reduction": "none"}, "nll_loss", (_x, _t)),
    (nn.MSELoss, {"reduction": "sum"}, "mse_loss", (_x, _x * 2)),
    (nn.L1Loss, {"reduction": "none"}, "l1_loss", (_x, _x * 2)),
    (nn.SmoothL1Loss, {"reduction": "sum", "beta": 0.5}, "smooth_l1_loss", (_x, _x * 2)),
    (nn.HuberLoss, {"reduction": "sum", "delta": 0.5}, "huber_loss", (_x, _x * 2)),
    (
        nn.BCELoss,
        {"weight": _w, "reduction": "sum"},
        "binary_cross_entropy",
        (_x.sigmoid(), (_x * 2).sigmoid()),
    ),
    (
        nn.BCEWithLogitsLoss,
        {"weight": _w, "pos_weight": _w * 2},
        "binary_cross_entropy_with_logits",
        (_x, _x.sigmoid()),
    ),
    (nn.KLDivLoss, {"reduction": "batchmean", "log_target": True}, "kl_div", (_x, _x.sigmoid())),
]


@pytest.mark.parametrize(
    ("kind", "options", "function", "tensors"), MODULES, ids=lambda v: getattr(v, "__name__", "")
)
def test_modules(kind, options, function, tensors):
    for arguments in ({}, options):
        module = kind(**arguments)
        assert np.array_equal(module(*tensors), getattr(F, function)(*tensors, **arguments))
        assert repr(module) == f"{kind.__name__}()"
        assert list(module.state_dict()) == [
            name for name, value in arguments.items() if isinstance(value, tinynet.Tensor)
        ]
        assert list(module.parameters()) == []
    assert all(getattr(module, name) is value for name, value in options.items())
    moved = kind(**options).double()
    assert all(b.dtype == np.float64 for b in moved.buffers())
    with pytest.raises(ValueError, match=f"{kind.__name__}: reduction must be"):
        kind(reduction="median")
