"""A step of `small` in DeZero."""

from __future__ import annotations

from typing import Any

import numpy as np

np.int = int  # type: ignore[attr-defined]  # its last version uses a name that numpy has removed
import dezero  # noqa: E402
import dezero.functions as F  # noqa: E402
import dezero.layers as L  # noqa: E402


class Net(dezero.Model):
    """conv 16 and 32 of 5 x 5, each with ReLU and pooling, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.linear = (
            L.Conv2d(16, 5, pad=2),
            L.Conv2d(32, 5, pad=2),
            L.Linear(10),
        )

    def forward(self, x: Any) -> Any:
        """Scores."""
        x = F.pooling(F.relu(self.conv1(x)), 2, 2)
        x = F.pooling(F.relu(self.conv2(x)), 2, 2)
        return self.linear(F.reshape(x, (x.shape[0], -1)))


def step(batch: int) -> Any:
    """A training step as a function without arguments."""
    random = np.random.default_rng(0)
    x, labels = (
        random.standard_normal((batch, 1, 28, 28), np.float32),
        random.integers(0, 10, batch),
    )
    net = Net()
    optimizer = dezero.optimizers.MomentumSGD(0.01, 0.9).setup(net)

    def one() -> None:
        loss = F.softmax_cross_entropy(net(x), labels)
        net.cleargrads()
        loss.backward()
        optimizer.update()

    return one
