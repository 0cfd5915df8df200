"""A training step of LeNet-5 as a straight line of calls of tinynet's array functions.

It has no tensors, graph, modules or checks. The time that a real step takes in addition is the cost
of the framework; the time that Python takes here is the least possible with these functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from nets import lenet

import tinynet
import tinynet.nn.functional as F
from tinynet.ops import elementwise, products
from tinynet.ops.conv import channels, fast, pooling
from tinynet.ops.conv.geometry import Geometry
from tinynet.optim.formulas import momentum_step

RATE, MOMENTUM = 0.01, 0.9


def bare_step(batch: int) -> tuple[Callable[[], Any], list[np.ndarray]]:
    """The step, which returns the loss, and the parameters of `lenet` that it changes, in order."""
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, 1, 28, 28), np.float32)
    labels = random.integers(0, 10, batch)
    tinynet.manual_seed(0)
    parameters = [p.detach().numpy().copy() for p in lenet(tinynet.nn).parameters()]
    velocities = [np.zeros_like(p) for p in parameters]
    conv_1, conv_2 = Geometry(28, 28, 5, 5, padding=((2, 2), (2, 2))), Geometry(14, 14, 5, 5)
    pool_1, pool_2 = Geometry(28, 28, 2, 2, (2, 2)), Geometry(10, 10, 2, 2, (2, 2))
    relu, through_relu = _forward_of(elementwise.relu), _forward_of(elementwise.gated)
    samples = np.arange(batch)

    def product(a: Any, b: Any) -> Any:
        return products._product(np, a, b)

    def step() -> Any:
        w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = parameters
        r1 = relu(np, fast.forward(x, w1, b1, conv_1))
        p1 = pooling.largest_of_windows(np, r1, pool_1, -np.inf)
        r2 = relu(np, fast.forward(p1, w2, b2, conv_2))
        p2 = pooling.largest_of_windows(np, r2, pool_2, -np.inf)
        flat = np.ascontiguousarray(p2.transpose(1, 2, 3, 0)).reshape(-1, batch).T
        y3 = product(flat, w3.T)
        y3 += b3
        r3 = relu(np, y3)
        y4 = product(r3, w4.T)
        y4 += b4
        r4 = relu(np, y4)
        y5 = product(r4, w5.T)
        y5 += b5
        shifted = y5 - y5.max(axis=1, keepdims=True)
        shares = np.exp(shifted)
        sums = shares.sum(axis=1)
        loss = (np.log(sums) - shifted[samples, labels]).mean()

        g = shares / sums[:, None]
        g[samples, labels] -= 1
        g /= batch
        db5, dw5, g = (
            g.sum(axis=0),
            product(g.T, r4),
            through_relu(np, product(g, w5), r4),
        )
        db4, dw4, g = (
            g.sum(axis=0),
            product(g.T, r3),
            through_relu(np, product(g, w4), r3),
        )
        db3, dw3, g = (
            g.sum(axis=0),
            product(g.T, flat),
            product(g, w3).reshape(p2.shape),
        )
        g = through_relu(np, pooling.to_the_largest(np, g, r2, p2, pool_2), r2)
        db2, dw2, g = (
            channels.sum_channels.forward(np, g, None),
            fast.weight_grad(p1, g, conv_2),
            fast.input_grad(g, w2, conv_2),
        )
        g = through_relu(np, pooling.to_the_largest(np, g, r1, p1, pool_1), r1)
        db1, dw1 = channels.sum_channels.forward(np, g, None), fast.weight_grad(x, g, conv_1)
        for p, v, g in zip(
            parameters, velocities, (dw1, db1, dw2, db2, dw3, db3, dw4, db4, dw5, db5), strict=True
        ):
            momentum_step(np, p, g, v, RATE, MOMENTUM, 1, False)
        return loss

    return step, parameters


def _forward_of(operation: Any) -> Callable[..., Any]:
    """The array function that an element-wise operation declares."""
    return operation.derivatives.__self__.forward


def check() -> None:
    """Raise AssertionError unless three steps change the parameters as the framework does."""
    step, parameters = bare_step(8)
    random = np.random.default_rng(0)
    x = tinynet.tensor(random.standard_normal((8, 1, 28, 28), np.float32))
    labels = tinynet.tensor(random.integers(0, 10, 8))
    tinynet.manual_seed(0)
    model = lenet(tinynet.nn)
    optimizer = tinynet.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    for _ in range(3):
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        np.testing.assert_allclose(step(), loss.item(), rtol=1e-5)
    for p, q in zip(parameters, model.parameters(), strict=True):
        np.testing.assert_allclose(p, q.detach().numpy(), rtol=1e-4, atol=1e-6)
