"""Errors that learners meet say what to do."""

from __future__ import annotations

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.nn import functional as F


class Misspelt(nn.Module):
    def foward(self, x):
        return x


class Own(nn.Module):
    def __init__(self, width=3):
        super().__init__()


def conv(C: int = 1) -> nn.Module:
    return nn.Conv2d(C, 8, 3)


ones = tinynet.ones


@pytest.mark.parametrize(
    ("mistake", "error", "hint"),
    [
        (lambda: conv()(ones(64, 28, 28)), ValueError,
            r"conv2d: input \(64, 28, 28\) has 64 channels, .* expects 1; it is read as one image "
            r"\(C, H, W\); is the channel dimension missing\? x.unsqueeze\(1\)"),
        (lambda: conv(3)(ones(2, 28, 28, 3)), ValueError, r"x.permute\(0, 3, 1, 2\)$"),
        (lambda: conv(3)(ones(28, 28, 3)), ValueError, r"x.permute\(2, 0, 1\)$"),
        (lambda: conv()(ones(28, 28)), ValueError, r"^conv2d: .*x\[None, None\]"),
        (lambda: nn.MaxPool2d(2)(ones(28, 28)), ValueError, r"^max_pool2d: .*x\[None, None\]"),
        (lambda: conv(4)(ones(2, 3, 28, 28)), ValueError, "groups=1 expects 4$"),
        (lambda: nn.Linear(100, 10)(ones(2, 8, 26, 26)), ValueError,
            r"linear: .* expects; flatten\(1\) first: 8·26·26 = 5408; Linear\(5408, 10\) fits"),
        (lambda: nn.Linear(5408, 10)(ones(2, 8, 26, 26)), ValueError, "8·26·26 = 5408$"),
        (lambda: nn.Linear(100, 10)(ones(2, 1352)), ValueError, r"Linear\(1352, 10\) fits$"),
        (lambda: conv()(ones(1, 1, 8, 8, dtype=tinynet.uint8)), RuntimeError,
            r"^conv2d: input is uint8, weight is float32, .*: input.float\(\) / 255 for images"),
        (lambda: conv()(ones(1, 1, 8, 8).double()), RuntimeError, r": input.float\(\)$"),
        (lambda: nn.Linear(2, 2)(ones(1, 2).double()), RuntimeError, r"linear: .*input.float\(\)$"),
        (lambda: nn.BatchNorm2d(1)(ones(1, 1, 2, 2).double()), RuntimeError, r"input.float\(\)$"),
        (lambda: conv()(np.ones((1, 1, 8, 8))), TypeError,
            r"conv2d: input must be a tensor, got ndarray; make one with tinynet.tensor\(...\)"),
        (lambda: F.cross_entropy(ones(4, 3), [0, 1, 2, 0]), TypeError, r"tinynet.tensor\(...\)"),
        (lambda: F.cross_entropy(ones(4, 3), ones(4, 3).long()), ValueError, "target.argmax.1.$"),
        (lambda: F.nll_loss(ones(4, 3), ones(4, 1).long()), ValueError, r"target.squeeze\(1\)$"),
        (lambda: nn.Conv2d(1, 2, 3, pad=1), TypeError,
            r"Conv2d: got an unexpected keyword argument 'pad'; did you mean padding\?; expected "
            r"Conv2d\(in_channels, out_channels, kernel_size, stride,"),
        (lambda: nn.Conv2d(1, 2, 3, strides=2), TypeError, r"did you mean stride\?"),
        (lambda: nn.MaxPool2d(2, strides=2), TypeError, r"MaxPool2d: .*did you mean stride\?"),
        (lambda: nn.Linear(2, units=3), TypeError, r"did you mean out_features\?"),
        (lambda: nn.BatchNorm2d(2, epsilon=1e-3), TypeError, r"BatchNorm2d: .*did you mean eps\?"),
        (lambda: nn.Dropout(chance=0.5), TypeError, r"'chance'; expected Dropout\(p, inplace\)"),
        (lambda: nn.Sequential(nn.ReLU), TypeError,
            r"Sequential: '0' must be a Module or None, got a type; .* ReLU\(\) makes a layer"),
        (lambda: nn.ModuleList([nn.ReLU]), TypeError, r"ModuleList: .*ReLU\(\) makes a layer"),
        (lambda: nn.Sequential([nn.ReLU(), nn.Tanh()]), TypeError, r"Sequential\(\*layers\)"),
        (lambda: nn.BatchNorm2d(8)(ones(2, 16, 4, 4)), ValueError,
            r"BatchNorm2d: input \(2, 16, 4, 4\) has 16 channels, not num_features=8; .*"
            r"BatchNorm2d\(16\)"),
        (lambda: nn.BatchNorm1d(8)(ones(2, 16)), ValueError, r"BatchNorm1d\(16\)$"),
        (lambda: Misspelt()(1), NotImplementedError,
            r"Misspelt does not define forward\(\); is foward misspelt\?"),
        (lambda: Own()(1), NotImplementedError, r"Own does not define forward\(\)$"),
        (lambda: Own(height=3), TypeError, "height"),
        (lambda: nn.Linear(2, 2).to("gpu"), TypeError, "to: 'gpu' .*, or a device, cpu or cuda"),
    ],
)  # fmt: skip
def test_hints(mistake, error, hint):
    with pytest.raises(error, match=hint):
        mistake()


def test_right_keywords_pass():
    assert nn.Conv2d(in_channels=1, out_channels=2, kernel_size=3, padding=1).padding == (1, 1)
    assert Own(width=4).training
    assert nn.Identity(3, anything=4)(5) == 5

    class Deeper(nn.Linear):
        def __init__(self, *, depth):
            super().__init__(2, depth)

    assert Deeper(depth=3).out_features == 3
