"""A model whose scores are known and the report of its training, for the tests of the report."""

from __future__ import annotations

import numpy as np

import tinynet
from tinynet import nn
from tinynet.explain import report

HOSTILE = "</script><script>document.title = 'hacked'</script><img src=x onerror=alert(1)>"
CLASSES = ["zero", HOSTILE, "two"]


class Fixed(nn.Module):
    """Scores: the mean of each of three bands of the image, after a convolution that doubles it."""

    def __init__(self, name="conv"):
        super().__init__()
        conv = nn.Conv2d(1, 1, (1, 1), bias=False)
        with tinynet.no_grad():
            conv.weight.fill_(2.0)
        self.add_module(name, conv)
        self.dropout = nn.Dropout(0.5)
        self.name = name

    def forward(self, x):  # (N, 1, 6, 4) -> (N, 3)
        y = self.dropout(self.get_submodule(self.name)(x))
        return y.reshape(len(x), 3, 8).mean(2)


def bands(*bright):
    """Images of which one band (or two, that differ a little) is bright."""
    images = np.zeros((len(bright), 1, 6, 4), dtype=np.float32)
    for image, which in zip(images, bright, strict=True):
        image[0, 2 * which : 2 * which + 2] = 1
    return tinynet.tensor(images)


LOSS = [(0, 2.5), (640, 1.25), (1280, 0.5), (1920, 0.03125)]
ACCURACY = [(1, 0.5), (2, 0.8)]
GRADIENTS = {"conv.weight": [(0, 4.0), (640, 2.0), (1280, 1.0), (1920, 0.25)]}


def make(model=None, **more):
    settings = {
        "loss": LOSS,
        "accuracy": ACCURACY,
        "gradients": GRADIENTS,
        "classes": CLASSES,
        "name": "a run",
        **more,
    }
    return report(
        Fixed() if model is None else model,
        bands(0, 1, 2, 1, 0),
        tinynet.tensor([0, 1, 2, 2, 1]),
        **settings,
    )
