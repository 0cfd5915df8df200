"""A step of `small` in MyGrad."""

from __future__ import annotations

from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy


def step(batch: int) -> Any:
    """A training step as a function without arguments."""
    random = np.random.default_rng(0)
    x, labels = (
        random.standard_normal((batch, 1, 28, 28), np.float32),
        random.integers(0, 10, batch),
    )
    shapes = [(16, 1, 5, 5), (16, 1, 1), (32, 16, 5, 5), (32, 1, 1), (1568, 10), (10,)]
    weights = [mg.tensor(0.05 * random.standard_normal(shape, np.float32)) for shape in shapes]
    speeds = [np.zeros(shape, np.float32) for shape in shapes]

    def one() -> None:
        w1, b1, w2, b2, w3, b3 = weights
        y = max_pool(relu(conv_nd(x, w1, stride=1, padding=2) + b1), (2, 2), 2)
        y = max_pool(relu(conv_nd(y, w2, stride=1, padding=2) + b2), (2, 2), 2)
        loss = softmax_crossentropy(y.reshape(batch, -1) @ w3 + b3, labels)
        loss.backward()
        for w, v in zip(weights, speeds, strict=True):
            v *= 0.9
            v += w.grad
            w.data -= np.float32(0.01) * v

    return one
