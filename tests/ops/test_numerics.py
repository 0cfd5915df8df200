"""Extreme numbers: results equal float64 references, long sums stay accurate, nan stays nan.

Subnormal numbers don't stall a training step.
"""

from __future__ import annotations

import math
import time

import nn_operations
import numpy as np
import operations
import pytest
import spatial_operations

import tinynet
import tinynet.nn.functional as F
from tinynet import nn

# How much float32 may differ from a float64 reference: a few units in the last place of the
# result, or of its largest neighbour.
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
        [1e4, -1e4, 0, 1], [-1e4, -1e4, -1e4, -1e4], [1e4, 1e4, 1e4, 1e4], [0, 0, 1e4, 1e4],
        [88.7, 89, -103, -104],
        [1e-30, -1e-30, 0, -0.0], [3e38, -3e38, 1, 2], [-1e4, -9999, -9998, -1e30],
        [5e-324, 1e-45, 0, 0],
    ]  # fmt: skip
    return np.concatenate([np.array(rows), rng.standard_normal((4, 4)) * 30]).astype(np.float32)


def both(function, reference, x, *, rtol=RTOL, atol=ATOL):
    """Compare a float32 function and its gradient with a float64 reference, a pair of functions."""
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
    return np.where(
        x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))
    )


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
        (
            lambda x: x.max(1) + np.log(np.exp(x - x.max(1, keepdims=True)).sum(1)),
            lambda x, g: g[:, None] * softmax(x, 1),
        ),
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
        (
            lambda x: np.maximum(x, 0) - x * y64 + np.log1p(np.exp(-abs(x))),
            lambda x, g: (sigmoid(x) - y64) * g,
        ),
        x,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("function", "forward", "slope"),
    [
        (F.softplus, softplus, sigmoid),
        (F.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
        (F.tanh, np.tanh, lambda x: 1 / np.cosh(np.clip(x, -400, 400)) ** 2),
        (F.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
        (
            F.elu,
            lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
            lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
        ),
    ],
)
def test_activations(function, forward, slope):
    # softplus, as in PyTorch, is the identity above 20
    x = logits()
    both(function, (forward, lambda x, g: slope(x) * g), x[np.abs(x).max(1) < 1e30], rtol=1e-5)


@pytest.mark.parametrize(
    "function", [F.silu, F.sigmoid, F.tanh, F.softplus, F.elu, F.relu, F.leaky_relu, F.hardtanh]
)
@pytest.mark.parametrize("g", [1.0, 1e3, -1e37])
def test_gradients_of_large_numbers_are_no_nan(function, g):
    """Where the slope is 0 or 1, though a product on the way there may be infinite."""
    x = tinynet.tensor([3e38, 1e38, 1e20, 1e4, -1e4, -1e20, -1e38, -3e38], requires_grad=True)
    function(x).backward(tinynet.full_like(x, g))
    slopes = x.grad.numpy() / np.float32(g)
    assert np.isin(slopes, np.float32([0, 1, 0.01])).all(), slopes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("copies", [1, 70_000])
def test_infinite_gradients_stay_where_they_belong(dtype, copies):
    """Nothing passes a closed gate, as in PyTorch: infinity times 0 would be a nan.

    Of few numbers and of many.
    """
    x = tinynet.from_numpy(np.tile(dtype([-1, 2, np.nan, 0, -0.0, 3]), copies)).requires_grad_()
    F.relu(x).backward(
        tinynet.from_numpy(np.tile(dtype([np.inf, np.inf, np.inf, np.inf, np.nan, np.nan]), copies))
    )
    np.testing.assert_array_equal(
        x.grad.numpy(), np.tile(dtype([0, np.inf, np.inf, 0, 0, np.nan]), copies)
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_infinite_gradients_go_to_the_largest_only(dtype):
    image, g = dtype([[1, 2, 0], [4, 3, 1], [0, 0, 2]]), dtype([[np.inf, -np.inf], [1, np.nan]])
    x = tinynet.from_numpy(image[None, None].copy()).requires_grad_()
    F.max_pool2d(x, 2, 1).backward(tinynet.from_numpy(g[None, None].copy()))  # windows that overlap
    np.testing.assert_array_equal(
        x.grad.numpy()[0, 0], dtype([[0, 0, 0], [np.inf, np.nan, 0], [0, 0, 0]])
    )
    x = tinynet.from_numpy(image[None, None, :2, :2].copy()).requires_grad_()
    F.max_pool2d(x, 2).backward(tinynet.from_numpy(g[None, None, :1, :1].copy()))
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], dtype([[0, 0], [np.inf, 0]]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_infinite_gradients_and_bounds(dtype):
    """As in PyTorch: bounds let gradients through, equal values share them, values beyond get 0."""

    def tensor(*values):
        return tinynet.from_numpy(np.array(values, dtype)).requires_grad_()

    def gradients(y, *inputs):
        y.backward(tensor(*[np.inf] * y.numel()).detach())
        return [t.grad.tolist() for t in inputs]

    x = tensor(-1, 2, np.nan, 0, 3)
    assert gradients(x.clamp(0, 2), x) == [[0, np.inf, 0, np.inf, 0]]
    a, b = tensor(1, 2, 3, np.nan), tensor(2, 1, 3, 0)
    assert gradients(tinynet.maximum(a, b), a, b) == [
        [0, np.inf, np.inf, np.inf],
        [np.inf, 0, np.inf, np.inf],
    ]
    a, b = tensor(1, 2, 3), tensor(2, 1, 3)
    assert gradients(tinynet.minimum(a, b), a, b) == [[np.inf, 0, np.inf], [0, np.inf, np.inf]]


@pytest.mark.parametrize(
    "module", [operations, nn_operations, spatial_operations], ids=lambda module: module.__name__
)
def test_backward_of_halves(module):
    """Each operation's derivatives are float16 if its inputs are; if not, backward raises."""
    checked = 0
    for case in module.CASES:
        with np.errstate(over="ignore"):
            arrays = [a.astype(np.float16) if a.dtype.kind == "f" else a for a in case.inputs]
        inputs = [tinynet.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        try:
            outputs = case.f(tinynet, *inputs)
        except RuntimeError as error:  # the case's own constants are wider
            assert "they must be the same" in str(error), case.name
            continue
        for y in outputs if isinstance(outputs, (tuple, list)) else [outputs]:
            if isinstance(y, tinynet.Tensor) and y.requires_grad:
                y.backward(tinynet.ones_like(y), retain_graph=True)
                checked += 1
    assert checked > 50


def test_the_gradient_of_elu_far_below_zero():
    x = tinynet.tensor([-20.0, -60.0, -87.0], requires_grad=True)
    F.elu(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(np.float64([-20, -60, -87])), 1e-6)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_halves(approximate):
    x = np.float16([-60000, -1000, -100, -3.5, 0.5, 100, 1000, 60000])
    half, single = (
        tinynet.tensor(x, requires_grad=True),
        tinynet.tensor(x.astype(np.float32), requires_grad=True),
    )
    for t in (half, single):
        F.gelu(t, approximate).backward(tinynet.full_like(t, 100.0))
    np.testing.assert_allclose(half.grad.numpy(), single.grad.numpy().astype(np.float16), 2e-3)


NORMS = {
    "batch_norm": (lambda t: F.batch_norm(t, None, None, training=True), (0, 2, 3)),
    "batch_norm of vectors": (
        lambda t: F.batch_norm(t.permute(0, 2, 3, 1).flatten(0, 2), None, None, training=True),
        (0, 2, 3),
    ),
    "instance_norm": (lambda t: F.instance_norm(t), (2, 3)),
    "layer_norm": (lambda t: F.layer_norm(t, (3, 5, 4)), (1, 2, 3)),
    "group_norm": (lambda t: F.group_norm(t, 1), (1, 2, 3)),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize(
    ("offset", "scale"),
    [
        (0, 1),
        (1e4, 1),
        (1e4, 1e-2),
        (-1e4, 1e-2),
        (1e6, 1),
        (1e-20, 1e-20),
        (3, 0),
        (1e6, 0),
        (0, 1e15),
        (0, 1e-30),
    ],
)
@pytest.mark.parametrize("order", ["first", "second"])
def test_norms(name, offset, scale, order):
    """Far from zero too: there the rounding error of the mean isn't small beside the deviation.

    Both formulas are tested.
    """
    function, axes = NORMS[name]
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((6, 3, 5, 4)) * scale + offset).astype(np.float32)
    wide = x.astype(np.float64)
    root = np.sqrt(wide.var(axes, keepdims=True) + 1e-5)
    y = (wide - wide.mean(axes, keepdims=True)) / root
    g = rng.standard_normal(x.shape).astype(np.float32)
    dx = (
        g - g.mean(axes, keepdims=True, dtype=np.float64) - y * (g * y).mean(axes, keepdims=True)
    ) / root
    t = tinynet.from_numpy(x.copy()).requires_grad_()
    out = function(t)
    rows = (lambda a: a.transpose(0, 2, 3, 1).reshape(-1, 3)) if out.ndim == 2 else (lambda a: a)
    np.testing.assert_allclose(out.detach().numpy(), rows(y), 2e-5, 2e-6)
    (found,) = tinynet.grad(
        out, t, tinynet.from_numpy(np.ascontiguousarray(rows(g))), create_graph=order == "second"
    )
    np.testing.assert_allclose(found.detach().numpy(), dx, 2e-5, 2e-6 * np.abs(dx).max())


@pytest.mark.parametrize(
    ("offset", "scale"), [(0, 1), (3, 1), (5, 1), (1e4, 1e-2), (-1e6, 1), (1e-20, 1e-20), (3, 0)]
)
def test_evaluation_far_from_zero(offset, scale):
    """With running averages too: the mean subtracted may be much larger than the difference."""
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((6, 3, 5, 4)) * scale + offset).astype(np.float32)
    mean, var = (
        x.mean((0, 2, 3)) * np.float32([1, 0, 1]),
        x.var((0, 2, 3), dtype=np.float64).astype(np.float32),
    )
    weight, bias = (
        tinynet.tensor(rng.standard_normal(3).astype(np.float32), requires_grad=True)
        for _ in range(2)
    )
    t = tinynet.from_numpy(x.copy()).requires_grad_()
    g = rng.standard_normal(x.shape).astype(np.float32)
    y = F.batch_norm(
        t, tinynet.from_numpy(mean.copy()), tinynet.from_numpy(var.copy()), weight, bias
    )
    y.backward(tinynet.from_numpy(g))

    def column(a):
        return np.float64(a).reshape(3, 1, 1)

    root = np.sqrt(column(var) + 1e-5)
    normalised = (x - column(mean)) / root
    expected, dx = (
        normalised * column(weight.tolist()) + column(bias.tolist()),
        g * column(weight.tolist()) / root,
    )
    for c in range(3):
        size = np.abs(normalised[:, c]).max()
        np.testing.assert_allclose(y.detach().numpy()[:, c], expected[:, c], 2e-6, 4e-6 * size)
        np.testing.assert_allclose(t.grad.numpy()[:, c], dx[:, c], 1e-5)
        np.testing.assert_allclose(
            weight.grad.numpy()[c], (g * normalised)[:, c].sum(), 1e-5, 2e-5 * size
        )
        np.testing.assert_allclose(bias.grad.numpy()[c], g[:, c].sum(dtype=np.float64), 1e-5, 1e-5)


def test_the_gradients_of_weight_and_bias_far_from_zero():
    x = (np.random.default_rng(2).standard_normal((6, 3, 5, 4)) * 0.01 + 1e4).astype(np.float32)
    g = np.random.default_rng(3).standard_normal(x.shape).astype(np.float32)
    weight, bias = tinynet.ones(3, requires_grad=True), tinynet.zeros(3, requires_grad=True)
    F.batch_norm(tinynet.from_numpy(x), None, None, weight, bias, training=True).backward(
        tinynet.from_numpy(g)
    )
    wide = x.astype(np.float64)
    y = (wide - wide.mean((0, 2, 3), keepdims=True)) / np.sqrt(
        wide.var((0, 2, 3), keepdims=True) + 1e-5
    )
    np.testing.assert_allclose(weight.grad.numpy(), (g * y).sum((0, 2, 3)), 1e-5)
    np.testing.assert_allclose(bias.grad.numpy(), g.sum((0, 2, 3), dtype=np.float64), 1e-5)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize(("offset", "scale"), [(0, 1e4), (1e4, 100), (0, 1)])
def test_norms_of_halves(name, offset, scale):
    """Whose squares, and sums, are soon infinite."""
    x = (np.random.default_rng(2).standard_normal((6, 3, 5, 4)) * scale + offset).astype(np.float16)
    half, single = (
        tinynet.tensor(x, requires_grad=True),
        tinynet.tensor(x.astype(np.float32), requires_grad=True),
    )
    found, expected = (NORMS[name][0](t) for t in (half, single))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), 1e-3, 1e-3)
    for out in (found, expected):
        (out * out * out).sum().backward()
    largest = np.abs(single.grad.numpy()).max()
    np.testing.assert_allclose(half.grad.numpy(), single.grad.numpy(), 5e-3, 5e-3 * largest + 1e-7)


def test_var_std_and_norm_at_extremes():
    far = (np.random.default_rng(4).standard_normal((5, 40)) * 0.01 + 1e4).astype(np.float32)
    np.testing.assert_allclose(
        tinynet.from_numpy(far).var(1).numpy(), far.astype(np.float64).var(1, ddof=1), 1e-5
    )
    half = tinynet.tensor(np.float16([[1e4, -1e4, 2e4, 3e4]]))
    np.testing.assert_allclose(
        half.std(1).numpy(), np.float64([[1e4, -1e4, 2e4, 3e4]]).std(1, ddof=1), 1e-3
    )
    np.testing.assert_allclose(half.norm(2.0, 1).numpy(), [np.sqrt(15) * 1e4], 1e-3)
    assert half.std(1).dtype == half.norm(2.0, 1).dtype == np.float16


@pytest.mark.parametrize("value", [0.0, 7.0])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.std(),
        lambda x: x.std(1).sum(),
        lambda x: (x - x.detach()).norm(),
        lambda x: (x - x.detach()).norm(0.5),
    ],
)
def test_roots_at_zero_have_gradient_zero(function, value):
    x = tinynet.full((3, 4), value, requires_grad=True)
    function(x).backward()
    assert (x.grad == 0).all()


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


# --------------------------------------------------------------------------------------------- sums

# Ten million numbers each, in every order in memory and over every choice of dimensions that numpy
# adds differently.
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


# ---------------------------------------------------------------------------------------------- nan

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


# --------------------------------------------------------------------------------------- subnormals


def test_subnormals_do_not_stall_a_step():
    """A training step on numbers below 1e-38 takes less than ten times the usual time.

    Some processors compute slowly with such numbers.
    """
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 13 * 13, 10)
    )

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
