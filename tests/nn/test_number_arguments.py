"""Numbers among the arguments: numpy's are as good as Python's, a bool or a string is no number."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn

X = tinynet.arange(64.0).reshape(2, 2, 4, 4) / 64
SCORES, CLASSES = X[:, :, 0, 0], tinynet.tensor([0, 1])

INTS = {
    "conv2d groups": lambda n: F.conv2d(X, tinynet.ones(2, 2, 1, 1), groups=n),
    "conv2d stride": lambda n: F.conv2d(X, tinynet.ones(2, 2, 1, 1), stride=n),
    "max_pool2d": lambda n: F.max_pool2d(X, 2, (1, n)),
    "avg_pool2d": lambda n: F.avg_pool2d(X, 2, divisor_override=n),
    "adaptive_avg_pool2d": lambda n: F.adaptive_avg_pool2d(X, n),
    "adaptive_max_pool2d": lambda n: F.adaptive_max_pool2d(X, (None, n)),
    "unfold": lambda n: F.unfold(X, n),
    "pad": lambda n: F.pad(X, (n, 0)),
    "interpolate": lambda n: F.interpolate(X, size=n),
    "group_norm": lambda n: F.group_norm(X, n),
    "layer_norm": lambda n: F.layer_norm(X[..., :1], (4, n)),
    "one_hot": lambda n: F.one_hot(CLASSES * 0, n),
    "nll_loss": lambda n: F.nll_loss(SCORES, CLASSES, ignore_index=n),
    "ZeroPad2d": lambda n: nn.ZeroPad2d(n)(X),
    "Unflatten": lambda n: nn.Unflatten(1, (2, n))(X),
    "LayerNorm": lambda n: nn.LayerNorm(n)(X[..., :1]).detach(),
    "GroupNorm": lambda n: nn.GroupNorm(n, 2)(X).detach(),
}
FLOATS = {
    "pad": lambda a: F.pad(X, (1, 0), value=a),
    "interpolate": lambda a: F.interpolate(X, scale_factor=(a, 2.0)),
    "norm": lambda a: tinynet.norm(X, a),
    "normalize": lambda a: F.normalize(X, a),
    "dropout": lambda a: F.dropout(X, a),
    "leaky_relu": lambda a: F.leaky_relu(X, a),
    "softplus": lambda a: F.softplus(X, threshold=a),
    "hardtanh": lambda a: F.hardtanh(X, max_val=a),
    "huber_loss": lambda a: F.huber_loss(SCORES, SCORES * 2, delta=a),
    "cross_entropy": lambda a: F.cross_entropy(SCORES, CLASSES, label_smoothing=a),
    "batch_norm": lambda a: F.batch_norm(X, None, None, training=True, eps=a),
    "Upsample": lambda a: nn.Upsample(scale_factor=a)(X),
    "Dropout": lambda a: nn.Dropout(a)(X),
    "clip_grad_norm_": lambda a: nn.utils.clip_grad_norm_([with_gradient()], a, norm_type=a),
}


def with_gradient():
    parameter = tinynet.ones(2, requires_grad=True)
    parameter.grad = tinynet.tensor([3.0, 4.0])
    return parameter


@pytest.mark.parametrize("name", INTS)
def test_ints(name):
    assert np.array_equal(INTS[name](np.int64(1)), INTS[name](1))
    for wrong in (True, np.bool_(True), "1", 1.0):
        with pytest.raises(TypeError, match=rf"^{name.split()[0]}: .* must be .*\bints?\b.*, got"):
            INTS[name](wrong)


@pytest.mark.parametrize("name", FLOATS)
def test_floats(name):
    for number, expected in ((np.float32(1), 1.0), (np.int64(1), 1), (np.float64(1), 1.0)):
        result = FLOATS[name](number)
        assert result.dtype == np.float32
        assert np.array_equal(result, FLOATS[name](expected))
    for wrong in (True, np.bool_(True), "1", tinynet.ones(())):
        with pytest.raises(TypeError, match=rf"^{name}: .* must be a (Python )?number"):
            FLOATS[name](wrong)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, np.float32(np.inf)])
def test_any_float_may_stand_around_an_image(value):
    padded = F.pad(X, (1, 0), value=value)
    assert np.array_equal(padded[..., 0], np.full((2, 2, 4), value), equal_nan=True)
    assert np.array_equal(padded[..., 1:], X)


@pytest.mark.parametrize("function", [tinynet.norm, F.normalize])
def test_the_order_of_a_norm(function):
    infinite = function(X, np.float32(np.inf))
    assert np.array_equal(infinite, function(X, math.inf))
    for wrong in (-1.5, math.nan):
        with pytest.raises(ValueError, match="p must be a positive number or inf, got"):
            function(X, wrong)
