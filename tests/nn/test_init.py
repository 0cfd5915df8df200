"""Initial values: the distributions that PyTorch documents, in place, outside the graph, from a
seeded generator.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.nn import init

SHAPE = (60, 25, 3, 4)  # 300 inputs summed by an output, 720 outputs that an input goes into
RANDOM = {
    "uniform_": (init.uniform_, {"a": -1.0, "b": 3.0}, 1.0, 4 / math.sqrt(12), (-1, 3)),
    "normal_": (init.normal_, {"mean": 2.0, "std": 0.5}, 2.0, 0.5, None),
    "xavier_uniform_": (init.xavier_uniform_, {"gain": 2.0}, 0.0, 2 * math.sqrt(2 / 1020), None),
    "xavier_normal_": (init.xavier_normal_, {"gain": 2.0}, 0.0, 2 * math.sqrt(2 / 1020), None),
    "kaiming_uniform_": (
        init.kaiming_uniform_,
        {},
        0.0,
        math.sqrt(2 / 300),
        (-math.sqrt(6 / 300), math.sqrt(6 / 300)),
    ),
    "kaiming_uniform_ fan_out": (
        init.kaiming_uniform_,
        {"a": 0.5, "mode": "fan_out"},
        0.0,
        math.sqrt(2 / 1.25 / 720),
        None,
    ),
    "kaiming_normal_": (
        init.kaiming_normal_,
        {"nonlinearity": "tanh"},
        0.0,
        5 / 3 / math.sqrt(300),
        None,
    ),
    "trunc_normal_": (
        init.trunc_normal_,
        {"mean": 1.0, "std": 2.0, "a": -1.0, "b": 3.0},
        1.0,
        2 * 0.5396,
        (-1, 3),
    ),
    "trunc_normal_ one side": (
        init.trunc_normal_,
        {"a": 0.0, "b": 50.0},
        math.sqrt(2 / math.pi),
        math.sqrt(1 - 2 / math.pi),
        (0, 50),
    ),
    "orthogonal_": (init.orthogonal_, {}, 0.0, 1 / math.sqrt(300), None),
}


@pytest.mark.parametrize("name", RANDOM)
def test_distribution(name):
    function, options, mean, std, bounds = RANDOM[name]
    weight = nn.Parameter(tinynet.zeros(SHAPE))
    memory = weight.array
    tinynet.manual_seed(3)
    assert function(weight, **options) is weight
    assert weight.array is memory
    assert weight.is_leaf
    assert weight.dtype == np.float32
    values = weight.array.astype(np.float64)
    assert values.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(values.size))
    assert values.std() == pytest.approx(std, rel=0.02)
    if bounds is not None:
        assert bounds[0] <= values.min() < values.max() <= bounds[1]
    again = tinynet.zeros(SHAPE)
    function(again, **options, generator=tinynet.Generator().manual_seed(3))
    assert np.array_equal(again, weight.detach())


def test_constants():
    t = tinynet.empty(2, 3)
    assert np.array_equal(init.ones_(t), np.ones((2, 3)))
    assert np.array_equal(init.zeros_(t), np.zeros((2, 3)))
    assert np.array_equal(init.constant_(t, 0.3), np.full((2, 3), np.float32(0.3)))
    assert np.array_equal(init.eye_(t), np.eye(2, 3))
    assert np.array_equal(init.eye_(tinynet.empty(3, 2)), np.eye(3, 2))


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (3, 2, 2, 2), (9, 2, 2)])
def test_orthogonal(shape):
    t = init.orthogonal_(tinynet.empty(shape, dtype=tinynet.float64), gain=2.0)
    matrix = t.array.reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert np.allclose(product, 4 * np.eye(len(product)))


def test_orthogonal_prefers_no_sign():
    generator = tinynet.Generator().manual_seed(0)
    corners = [
        init.orthogonal_(tinynet.empty(2, 2), generator=generator)[0, 0].item() for _ in range(400)
    ]
    assert abs(np.mean(np.sign(corners))) < 0.2


def test_gains():
    gains = [
        init.calculate_gain(n)
        for n in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
    ]
    assert gains == pytest.approx([1, 1, 1, 5 / 3, math.sqrt(2), math.sqrt(2 / 1.0001), 0.75])
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(1.3867504905630728)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (
            lambda: init.xavier_uniform_(tinynet.empty(3)),
            r"weights of shape \(3,\) have no fan in and out",
        ),
        (
            lambda: init.kaiming_normal_(tinynet.empty(3, 3), mode="fan"),
            "mode must be 'fan_in' or 'fan_out', got 'fan'",
        ),
        (
            lambda: init.kaiming_normal_(tinynet.empty(3, 3), nonlinearity="swish"),
            "nonlinearity must be one of linear, conv2d, .*; got 'swish'",
        ),
        (lambda: init.eye_(tinynet.empty(3)), r"eye_: expected a matrix, got shape \(3,\)"),
        (
            lambda: init.orthogonal_(tinynet.empty(3)),
            r"orthogonal_: expected at least two dims, got shape \(3,\)",
        ),
        (
            lambda: init.trunc_normal_(tinynet.empty(3), mean=9.0),
            "must be an interval within 2 std=1.0 of mean=9.0",
        ),
        (lambda: init.trunc_normal_(tinynet.empty(3), a=1.0, b=0.0), "must be an interval"),
    ],
)
def test_refused(refused, message):
    with pytest.raises(ValueError, match=message):
        refused()
