"""Extreme numbers: equal to float64 references, sums that stay accurate, nan that stays nan, subnormals that don't stall."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn

# What float32 may differ from a float64 reference: a few units in the last place of the result, or of its largest neighbour.
RTOL, ATOL = 3e-6, 1e-7


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def log_softmax(x, axis):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def logits():
    """Rows of scores that break a formula that was only copied from the book."""
    rng = np.random.default_rng(0)
    rows = [
        [1e4, -1e4, 0, 1], [-1e4, -1e4, -1e4, -1e4], [1e4, 1e4, 1e4, 1e4], [0, 0, 1e4, 1e4], [88.7, 89, -103, -104],
        [1e-30, -1e-30, 0, -0.0], [3e38, -3e38, 1, 2], [-1e4, -9999, -9998, -1e30], [5e-324, 1e-45, 0, 0],
    ]  # fmt: skip
    return np.concatenate([np.array(rows), rng.standard_normal((4, 4)) * 30]).astype(np.float32)


def both(function, reference, x, *, rtol=RTOL, atol=ATOL):
    """Compare a function of float32, and its gradient, with a float64 reference, a pair of functions."""
    forward, backward = reference
    t = tinynet.from_numpy(x.copy()).requires_grad_()
    y = function(t)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        # what float32 can't hold is infinite in both
        np.testing.assert_allclose(y.detach().numpy(), forward(wide).astype(np.float32), rtol, atol)
        g = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
        y.backward(tinynet.from_numpy(g))
        np.testing.assert_allclose(t.grad.numpy(), backward(wide, g.astype(np.float64)), rtol, atol)


def softmax_back(x, g):
    s = softmax(x, 1)
    return s * (g - (g * s).sum(1, keepdims=True))


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def test_softmax():
    both(lambda t: F.softmax(t, 1), (lambda x: softmax(x, 1), softmax_back), logits())


def test_log_softmax():
    both(
        lambda t: F.log_softmax(t, 1),
        (lambda x: log_softmax(x, 1), lambda x, g: g - softmax(x, 1) * g.sum(1, keepdims=True)),
        logits(), atol=1e-6,
    )  # fmt: skip


def test_logsumexp():
    both(
        lambda t: t.logsumexp(1),
        (lambda x: x.max(1) + np.log(np.exp(x - x.max(1, keepdims=True)).sum(1)), lambda x, g: g[:, None] * softmax(x, 1)),
        logits(),
        atol=1e-6,
    )


def test_cross_entropy():
    x = logits()
    target = np.arange(len(x)) % 4

    def back(x, g):
        return (softmax(x, 1) - np.eye(4)[target]) * g[:, None]

    both(
        lambda t: F.cross_entropy(t, tinynet.from_numpy(target), reduction="none"),
        (lambda x: -log_softmax(x, 1)[np.arange(len(x)), target], back), x, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("target", [0.0, 1.0, 0.3])
def test_binary_cross_entropy_with_logits(target):
    x = logits()
    y = tinynet.full(x.shape, target)
    y64 = y.numpy().astype(np.float64)
    both(
        lambda t: F.binary_cross_entropy_with_logits(t, y, reduction="none"),
        (lambda x: np.maximum(x, 0) - x * y64 + np.log1p(np.exp(-abs(x))), lambda x, g: (sigmoid(x) - y64) * g), x,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("function", "forward", "slope"),
    [
        (F.softplus, softplus, sigmoid),
        (F.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
        (F.tanh, np.tanh, lambda x: 1 / np.cosh(np.clip(x, -400, 400)) ** 2),
        (F.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
        (F.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))),
    ],
)
def test_activations(function, forward, slope):
    # softplus, as in PyTorch, is the identity above 20
    x = logits()
    both(function, (forward, lambda x, g: slope(x) * g), x[np.abs(x).max(1) < 1e30], rtol=1e-5)


def moments(x):
    axes = (0, 2, 3)
    return x.mean(axes, keepdims=True), x.var(axes, keepdims=True)


@pytest.mark.parametrize(
    ("offset", "scale"), [(0, 1), (1e4, 1), (-1e4, 1e-2), (1e-20, 1e-20), (3, 0), (1e6, 0), (0, 1e15), (0, 1e-30)]
)
def test_batch_norm(offset, scale):
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((6, 3, 5, 4)) * scale + offset).astype(np.float32)

    def forward(x):
        mean, var = moments(x)
        return (x - mean) / np.sqrt(var + 1e-5)

    def backward(x, g):
        _, var = moments(x)
        y, axes = forward(x), (0, 2, 3)
        return (g - g.mean(axes, keepdims=True) - y * (g * y).mean(axes, keepdims=True)) / np.sqrt(var + 1e-5)

    # The mean is a float32 too. Far from 0 its last digit (6e-8 of it) is not small beside the standard deviation.
    lost = 6e-8 * abs(offset) / np.sqrt(scale**2 + 1e-5)
    steepest = 1 / np.sqrt(scale**2 + 1e-5)  # of the gradient
    both(
        lambda t: F.batch_norm(t, None, None, training=True), (forward, backward), x,
        rtol=2e-5, atol=(1e-6 + 3 * lost) * max(1, steepest if scale < 1e10 else 1e-10),
    )  # fmt: skip


def test_batch_norm_of_a_constant_channel_and_of_one_sample():
    x = tinynet.full((4, 2, 3, 3), 7.7, requires_grad=True)
    layer = nn.BatchNorm2d(2)
    layer(x).sum().backward()
    assert layer(x).abs().max() < 1e-2
    assert x.grad.isfinite().all()
    assert layer.running_var.isfinite().all()
    with pytest.raises(ValueError, match="batch_norm: .*value per channel"):
        layer(tinynet.ones(1, 2, 1, 1))
    assert nn.BatchNorm2d(2)(tinynet.randn(1, 2, 2, 2)).isfinite().all()
    assert nn.BatchNorm2d(2).eval()(tinynet.ones(1, 2, 1, 1)).isfinite().all()


# --------------------------------------------------------------------------------------------------- sums

# Ten million numbers each, in every order in memory and over every choice of dimensions that numpy adds differently.
LARGE = {
    "all": ((10_000_000,), (0,), None),
    "strided": ((10_000_000, 2), (0,), "half"),
    "columns": ((1_000_000, 10), (0,), None),
    "wide columns": ((10_000, 1000), (0,), None),
    "rows": ((10, 1_000_000), (1,), None),
    "transposed": ((10, 1_000_000), (0,), (1, 0)),
    "outer and inner": ((100_000, 10, 10), (0, 2), None),
    "three, none of them long": ((400, 250, 50, 2), (0, 1, 2), None),
    "permuted": ((100, 400, 250), (0, 1, 2), (1, 2, 0)),
    "backwards": ((1_000_000, 10), (0,), "flip"),
}


def arranged(shape, how):
    array = np.random.default_rng(0).random(shape, np.float32)
    if how == "half":
        return array[:, 0]
    if how == "flip":
        return array[::-1]
    return array if how is None else array.transpose(how)


@pytest.mark.parametrize("name", LARGE)
def test_sums_of_ten_million_keep_their_accuracy(name):
    shape, dims, how = LARGE[name]
    array = arranged(shape, how)
    expected = array.sum(axis=dims, dtype=np.float64)
    found = tinynet.from_numpy(array).sum(dims).numpy()
    assert found.dtype == np.float32
    assert np.abs(found / expected - 1).max() < 1e-6
    mean = tinynet.from_numpy(array).mean(dims).numpy()
    assert np.abs(mean / array.mean(axis=dims, dtype=np.float64) - 1).max() < 1e-6


def test_what_numpy_does_is_worse():
    """So that the tests above can fail."""
    array = arranged((1_000_000, 10), None)
    assert np.abs(array.sum(axis=0) / array.sum(axis=0, dtype=np.float64) - 1).max() > 1e-5


def test_gradients_are_summed_as_accurately():
    bias = tinynet.zeros(10, requires_grad=True)
    g = np.random.default_rng(0).random((1_000_000, 10), np.float32)
    (bias + tinynet.zeros(1_000_000, 10)).backward(tinynet.from_numpy(g))
    assert np.abs(bias.grad.numpy() / g.sum(axis=0, dtype=np.float64) - 1).max() < 6e-7


def test_variance_far_from_zero():
    array = (np.random.default_rng(0).standard_normal((1_000_000, 2)) + 1000).astype(np.float32)
    var = tinynet.from_numpy(array).var(0).numpy()
    assert np.abs(var / array.astype(np.float64).var(0, ddof=1) - 1).max() < 1e-5


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (), (1,), (600, 0, 700), (1000, 1, 1)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_sums_of_odd_shapes_are_those_of_numpy(shape, keepdim):
    array = np.random.default_rng(0).random(shape, np.float32)
    for dims in [(), *((d,) for d in range(len(shape))), tuple(range(len(shape)))]:
        if dims or not shape:
            found = tinynet.from_numpy(array).sum(dims or None, keepdim=keepdim).numpy()
            np.testing.assert_allclose(found, array.sum(axis=dims or None, keepdims=keepdim), 1e-6)


def test_halves_are_added_as_singles():
    ones = tinynet.ones(5000, dtype=tinynet.float16)
    assert ones.sum().item() == 5000
    assert tinynet.full((100_000,), 2.0, dtype=tinynet.float16).mean().item() == 2
    assert tinynet.ones(5000, 3, dtype=tinynet.float16).sum(0).tolist() == [5000] * 3


# ---------------------------------------------------------------------------------------------------- nan

NAN_IN_NAN_OUT = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "max": lambda x: x.max(),
    "min": lambda x: x.min(),
    "amax": lambda x: x.amax(1),
    "max along": lambda x: x.max(1).values,
    "argmax": lambda x: x[0, x.argmax(1)[0]],
    "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "logsumexp": lambda x: x.logsumexp(1),
    "relu": lambda x: F.relu(x),
    "relu6": lambda x: F.relu6(x),
    "leaky_relu": lambda x: F.leaky_relu(x),
    "elu": lambda x: F.elu(x),
    "gelu": lambda x: F.gelu(x),
    "silu": lambda x: F.silu(x),
    "softplus": lambda x: F.softplus(x),
    "hardtanh": lambda x: F.hardtanh(x),
    "sigmoid": lambda x: x.sigmoid(),
    "clamp": lambda x: x.clamp(-1, 1),
    "maximum": lambda x: tinynet.maximum(x, tinynet.zeros(1)),
    "minimum": lambda x: tinynet.minimum(x, tinynet.zeros(1)),
    "norm": lambda x: x.norm(),
    "sign": lambda x: x.sign(),
    "abs": lambda x: x.abs(),
    "round": lambda x: x.round(),
    "pow": lambda x: x**2,
    "matmul": lambda x: x @ tinynet.ones(4, 2),
    "var": lambda x: x.var(),
    "max_pool2d": lambda x: F.max_pool2d(x.reshape(1, 1, 2, 4), 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x.reshape(1, 1, 2, 4), 2),
    "conv2d": lambda x: F.conv2d(x.reshape(1, 1, 2, 4), tinynet.ones(1, 1, 2, 2)),
    "cross_entropy": lambda x: F.cross_entropy(x, tinynet.tensor([0, 1])),
    "bce with logits": lambda x: F.binary_cross_entropy_with_logits(x, tinynet.zeros(2, 4)),
    "mse_loss": lambda x: F.mse_loss(x, tinynet.zeros(2, 4)),
    "l1_loss": lambda x: F.l1_loss(x, tinynet.zeros(2, 4)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, tinynet.zeros(2, 4)),
    "huber_loss": lambda x: F.huber_loss(x, tinynet.zeros(2, 4)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "normalize": lambda x: F.normalize(x),
}


@pytest.mark.parametrize("name", NAN_IN_NAN_OUT)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_nan_in_nan_out(name, place):
    x = tinynet.tensor([[1.0, -2.0, 3.0, 0.5], [2.0, 1.0, -1.0, 0.0]])
    x[0, place] = math.nan
    out = NAN_IN_NAN_OUT[name](x)
    assert out.isnan().any(), f"{name} lost a nan at {place}"


def test_comparisons_with_nan_are_false():
    x = tinynet.tensor([math.nan])
    assert not (x == x).any()
    assert not (x > 0).any()
    assert not (x <= 0).any()
    assert (x != x).all()


# ---------------------------------------------------------------------------------------------- subnormals


def test_subnormals_do_not_stall_a_step():
    """A training step on numbers below 1e-38, which some processors compute slowly, is not ten times as slow as on usual ones."""
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 13 * 13, 10))

    def shortest(x):
        durations = []
        for _ in range(7):
            start = time.process_time()
            F.cross_entropy(model(x), tinynet.zeros(32).long()).backward()
            durations.append(time.process_time() - start)
        return min(durations)

    usual = tinynet.rand(32, 1, 28, 28)
    tiny = usual * 1e-40
    assert (tiny > 0).any()
    assert tiny.max() < 1.2e-38
    assert shortest(tiny) < 10 * shortest(usual)
