"""`summary` counts right, prints what it counts, and leaves the model as it was."""

from __future__ import annotations

import numpy as np
import pytest

import tinynet
from tinynet import nn, summary


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def test_lenet(capsys):
    found = summary(lenet(), (1, 28, 28))
    rows = [
        (row.name, row.kind, row.output_shape, row.parameters, row.multiplications)
        for row in found.layers
    ]
    assert rows[0] == ("0", "Conv2d", (1, 6, 28, 28), 156, 6 * 28 * 28 * 1 * 5 * 5)
    assert rows[1] == ("1", "ReLU", (1, 6, 28, 28), 0, 0)
    assert rows[3] == ("3", "Conv2d", (1, 16, 10, 10), 2416, 16 * 10 * 10 * 6 * 5 * 5)
    assert rows[7] == ("7", "Linear", (1, 120), 48120, 48000)
    assert len(rows) == 12
    assert (found.parameters, found.trainable) == (61706, 61706)
    assert found.multiplications == sum(r[4] for r in rows) == 416520
    printed = capsys.readouterr().out
    assert printed == f"{found}\n"
    lines = printed.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["0", "(Conv2d)", "(1,", "6,", "28,", "28)", "156", "117,600"]
    assert lines[-1].split() == ["total", "61,706", "416,520"]
    assert repr(found) == "<Summary: 12 layers, 61,706 parameters, 416,520 multiplications>"


@pytest.mark.parametrize(
    ("layer", "size", "multiplications"),
    [
        (
            nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, groups=2),
            (4, 7, 5),
            6 * 4 * 6 * (4 // 2) * 3 * 2,
        ),
        (nn.Conv2d(4, 4, 3, groups=4), (4, 7, 5), 4 * 5 * 3 * 1 * 3 * 3),
        (
            nn.ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2),
            (4, 7, 5),
            4 * 7 * 5 * (6 // 2) * 3 * 2,
        ),
        (nn.Linear(5, 3), (7, 5), 7 * 5 * 3),
        (nn.Linear(5, 3), 5, 15),
        (nn.BatchNorm2d(4), (4, 2, 3), 0),
    ],
)
def test_multiplications(layer, size, multiplications):
    assert summary(layer, size).multiplications == multiplications


def test_multiplications_are_those_of_one_sample():
    one, four = summary(lenet(), (1, 28, 28)), summary(lenet(), (4, 1, 28, 28))
    assert four.layers[0].output_shape == (4, 6, 28, 28)
    assert [r.multiplications for r in one.layers] == [r.multiplications for r in four.layers]


class Odd(nn.Module):
    """Shared and repeated layers, own parameters beside children, and a forward that changes all it
    can reach.
    """

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(tinynet.ones(3))
        self.conv = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.unused = nn.Linear(2, 2).requires_grad_(False)
        self.register_buffer("runs", tinynet.zeros(1))
        self.register_buffer("total", tinynet.zeros(1))
        self.register_buffer("nothing", None)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.runs.add_(1)
        self.total = self.total + 1
        tinynet.rand(3)
        self.train(True)
        self.latest = x
        x = self.drop(self.norm(self.conv(self.conv(input=x)))) * self.scale.reshape(-1, 1, 1)
        return x, [x.mean()]


def test_the_model_is_left_alone():
    net = Odd()
    net.norm.eval()
    seen: list = []
    handle = net.conv.register_forward_hook(lambda *_: seen.append(1))
    net.conv.register_forward_pre_hook(lambda *_: seen.append(2))
    state = {
        name: (tensor, tensor.array.copy(), tensor._changes.count)
        for name, tensor in net.state_dict(keep_vars=True).items()
    }
    modes = [m.training for m in net.modules()]
    attributes = [set(vars(m)) for m in net.modules()]
    random = tinynet.default_generator.get_state()
    found = summary(net, (3, 4, 5))
    assert [r.name for r in found.layers] == ["conv", "conv", "norm", "drop", ""]
    assert [r.parameters for r in found.layers] == [12, 0, 6, 0, 3]
    assert [r.multiplications for r in found.layers] == [180, 180, 0, 0, 0]
    assert found.layers[-1].output_shape == [(1, 3, 4, 5), [()]]
    assert (found.parameters, found.trainable) == (27, 21)
    assert str(found).endswith("of the parameters 6 are frozen")
    for name, tensor in net.state_dict(keep_vars=True).items():
        before, values, version = state[name]
        assert tensor is before
        assert np.array_equal(tensor.array, values)
        assert tensor._changes.count == version
    assert [m.training for m in net.modules()] == modes
    assert [set(vars(m)) for m in net.modules()] == attributes
    assert net.calls == 0
    assert all(p.grad is None for p in net.parameters())
    assert tinynet.default_generator.get_state() == random
    assert seen == []
    net.conv(tinynet.ones(1, 3, 1, 1))
    handle.remove()
    net.conv(tinynet.ones(1, 3, 1, 1))
    assert seen == [2, 1, 2]


def test_the_model_is_left_alone_after_an_error():
    net = nn.Sequential(nn.Dropout(), nn.Linear(3, 2))
    net.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="must end in the 3 features"):
        summary(net, (5,))
    assert net.training
    assert net[0].training
    assert len(net._hooks) == 1
    assert not net[1]._hooks


def test_dtype_follows_the_model():
    assert summary(nn.Linear(3, 2).double(), (3,)).multiplications == 6


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        (lambda: summary(5, (1, 2)), TypeError, "summary: expected a module, got int"),
        (lambda: summary(nn.ReLU(), ()), ValueError, "one to four sizes from 1 up"),
        (lambda: summary(nn.ReLU(), (0, 2)), ValueError, "one to four sizes from 1 up"),
        (lambda: summary(nn.ReLU(), (1, 2, 3, 4, 5)), ValueError, "one to four sizes from 1 up"),
        (lambda: summary(nn.ReLU(), (1.5,)), TypeError, "sizes must be ints"),
    ],
)
def test_refused(refused, error, message):
    with pytest.raises(error, match=message):
        refused()
