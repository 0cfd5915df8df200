"""What a training step costs on a GPU, counted on the stand-in: nothing may wait, next to nothing may be uploaded."""

from __future__ import annotations

import collections

import pytest
import strict_cupy

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.utils.data import DataLoader, TensorDataset

pytestmark = pytest.mark.usefixtures("gpu")


def lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def step(model, optimizer, x, y):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def counted(model, optimizer, x, y):
    step(model, optimizer, x, y)  # the first makes the optimiser's state
    with strict_cupy.counting() as counts, strict_cupy.allow_synchronize(False):
        step(model, optimizer, x, y)
    return counts


BATCH = 4


@pytest.fixture
def batch():
    return tinynet.randn(BATCH, 1, 28, 28, device="cuda"), tinynet.randint(10, (BATCH,), device="cuda")


# Launches of one step of LeNet-5. Of the forward pass: conv 4 (columns, a product, the layout of the product, bias), ReLU 1, pooling 1, linear
# 2, cross-entropy some 15. Backward: conv some 10 (columns again, two products, their operands' layouts, the bias's sum), pooling 2.
# The optimiser: one for each of 10 parameters, plain SGD two. A launch is some 10 µs of Python: this many are what a step costs at least.
LAUNCHES = {"sgd": 125, "momentum": 115, "adam": 115}
OPTIMISERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1), "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9), "adam": lambda p: optim.Adam(p),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMISERS)
def test_lenet_step(name, batch):
    model = lenet().to("cuda")
    counts = counted(model, OPTIMISERS[name](model.parameters()), *batch)
    kinds = collections.Counter(event for _, event in counts.log)
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, 0), kinds
    assert counts.launches <= LAUNCHES[name], kinds.most_common()
    assert kinds["tinynet_im2col"] == 4 and kinds["tinynet_col2im"] == 1  # the first layer's input wants no gradient


def test_step_from_a_loader_uploads_once_for_each_tensor(batch):
    """With the data set on the device a batch is indices; from the host, it is images and labels. Nothing else is uploaded."""
    model = lenet().to("cuda")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = tinynet.randn(2 * BATCH, 1, 28, 28), tinynet.randint(10, (2 * BATCH,))
    step(model, optimizer, *batch)
    for data in (TensorDataset(x, y), TensorDataset(x.to("cuda"), y.to("cuda"))):
        with strict_cupy.counting() as counts, strict_cupy.allow_synchronize(False):
            for images, labels in DataLoader(data, BATCH, shuffle=True):
                step(model, optimizer, images.to("cuda"), labels.to("cuda"))
        assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, 2 * 2)


EXTRAS = {
    # layer or function, uploads in a step forward and backward
    "batch norm": (nn.BatchNorm2d(1), 0),
    "dropout: its mask": (nn.Dropout(0.5), 1),
    "dropout of channels: its mask": (nn.Dropout2d(0.5), 1),
    "average pooling": (nn.AvgPool2d(2), 0),
    "overlapping max-pooling": (nn.MaxPool2d(3, 2, 1), 0),
    "transposed convolution": (nn.ConvTranspose2d(1, 2, 3, stride=2), 0),
    "activations": (nn.Sequential(nn.GELU(), nn.SiLU(), nn.ELU(), nn.LeakyReLU(), nn.Softplus(), nn.Tanh(), nn.Sigmoid()), 0),
    "group norm": (nn.GroupNorm(1, 1), 0),
    "nearest": (nn.Upsample(scale_factor=2), 0),
    "padding": (nn.ReflectionPad2d(2), 0),
}


@pytest.mark.parametrize("name", EXTRAS)
def test_layers_wait_for_nothing(name, batch):
    layer, uploads = EXTRAS[name]
    x = batch[0].clone().requires_grad_()
    layer.to("cuda").train()
    for _ in range(2):  # positions that follow from shapes are uploaded once and kept
        with strict_cupy.counting() as counts, strict_cupy.allow_synchronize(False):
            y = layer(x)
            (y * y).mean().backward()
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, uploads), collections.Counter(counts.log)


LOSSES = {
    "weights": lambda x, y: F.cross_entropy(x, y, tinynet.ones(10, device="cuda")),
    "smoothing": lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1),
    "ignored": lambda x, y: F.cross_entropy(x, y, ignore_index=3),
    "probabilities": lambda x, y: F.cross_entropy(x, x.detach().softmax(1)),
    "nll": lambda x, y: F.nll_loss(x.log_softmax(1), y),
    "one-hot": lambda x, y: F.mse_loss(x, F.one_hot(y, 10).float()),
    "binary": lambda x, y: F.binary_cross_entropy_with_logits(x, x.detach().sigmoid()),
    "huber": lambda x, y: F.huber_loss(x, x.detach() * 0.5),
    "clipped": lambda x, y: (x / x.norm().clamp(min=1.0)).sum(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_wait_for_nothing(name, batch):
    scores = tinynet.randn(BATCH, 10, device="cuda", requires_grad=True)
    with strict_cupy.allow_synchronize(False), strict_cupy.counting() as counts:
        LOSSES[name](scores, batch[1]).backward()
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, 0), collections.Counter(counts.log)


@pytest.mark.parametrize("name", ["Adagrad", "AdamW", "RMSprop", "SGD"])
def test_optimisers_wait_for_nothing(name):
    w = tinynet.ones(3, 2, device="cuda", requires_grad=True)
    optimizer = getattr(optim, name)([w], lr=0.1, weight_decay=0.01)
    w.grad = tinynet.ones(3, 2, device="cuda")
    with strict_cupy.allow_synchronize(False), strict_cupy.counting() as counts:
        optimizer.step()
        optimizer.step()
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, 0)


def test_clipping_of_gradients_waits_for_nothing(batch):
    model = lenet().to("cuda")
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    with strict_cupy.allow_synchronize(False), strict_cupy.counting() as counts:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, 0)
