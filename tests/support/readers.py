"""Small networks with every layer that `explain.network` shows, for its tests."""

from __future__ import annotations

import numpy as np

import tinynet
from tinynet import nn

HOSTILE = "</script><script>document.title = 'hacked'</script><img src=x onerror=alert(1)>"


def with_statistics(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """A norm as it is after some training: no number of it is 0 or 1."""
    random = np.random.default_rng(5)
    for array, low in ((norm.running_mean, -1), (norm.running_var, 0.5)):
        array.copy_(tinynet.tensor(random.uniform(low, 2, array.shape).astype(np.float32)))
    if norm.weight is not None:
        with tinynet.no_grad():
            norm.weight.uniform_(-1, 2)
            norm.bias.uniform_(-1, 1)
    return norm


def models() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Networks by name, each with the shape of its images."""
    tinynet.manual_seed(3)
    return {
        "plain": (nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3),
            nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 2 * 3, 4),
        ), (1, 8, 10)),
        "many": (nn.Sequential(
            nn.Sequential(
                nn.Conv2d(3, 4, (3, 2), (2, 1), (1, 2), (1, 2), bias=False),
                with_statistics(nn.BatchNorm2d(4)), nn.LeakyReLU(0.2)),
            nn.AvgPool2d(3, 2, 1), nn.Conv2d(4, 6, 3, padding="same", groups=2), nn.Tanh(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 7, bias=False), nn.Sigmoid(),
            nn.Identity(), nn.Linear(7, 3),
        ), (3, 9, 8)),
        "borders": (nn.Sequential(
            nn.Conv2d(2, 2, 3, padding=2, padding_mode="reflect"), nn.Dropout2d(0.5),
            with_statistics(nn.BatchNorm2d(2, affine=False)), nn.ReLU(),
            nn.MaxPool2d((3, 2), (2, 3), 1, ceil_mode=True),
            nn.Conv2d(2, 3, 2, padding=1, padding_mode="circular"),
            nn.Conv2d(3, 2, 3, padding=1, padding_mode="replicate"),
            nn.MaxPool2d(2, 1, dilation=2), nn.Flatten(), nn.Linear(2 * 12, 12),
        ), (2, 7, 8)),
    }  # fmt: skip


def images(shape: tuple[int, ...], count: int = 2) -> tinynet.Tensor:
    random = np.random.default_rng(7)
    return tinynet.tensor(random.normal(size=(count, *shape)).astype(np.float32))


def plain(**more):
    """The explanation of the plain network, for two images."""
    model, shape = models()["plain"]
    settings = {"classes": ["zero", HOSTILE, "two", "three"], "name": HOSTILE, **more}
    return tinynet.explain.network(model, images(shape), [1, 3], **settings)
