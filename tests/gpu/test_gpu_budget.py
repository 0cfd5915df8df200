"""What a training step costs on a GPU, counted on the stand-in.

Nothing may wait, a step on data that is on the GPU may upload nothing, and its launches are
limited.
"""

from __future__ import annotations

import collections
import runpy
from pathlib import Path

import pytest
import strict_cupy
from real_cupy import REAL_CUPY
from gpu_cases import lenet

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.utils.data import DataLoader, TensorDataset

pytestmark = [
    pytest.mark.usefixtures("gpu"),
    pytest.mark.skipif(REAL_CUPY, reason="only the stand-in for cupy counts"),
]


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
    return tinynet.randn(BATCH, 1, 28, 28, device="cuda"), tinynet.randint(
        10, (BATCH,), device="cuda"
    )


# Launches of one step of LeNet-5.
# Forward: a convolution 4 (columns, product, layout of the product, bias), ReLU 1, pooling 1,
# linear 2, cross-entropy some 15.
# Backward: a convolution some 10 (columns again, two products, the layouts of their operands, the
# sum for the bias), pooling 2.
# Optimiser: one for each of 10 parameters, plain SGD two.
# A launch takes some 10 µs of Python, so the number of launches bounds a step's time from below.
LAUNCHES = {"sgd": 125, "momentum": 115, "adam": 115}
OPTIMISERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1), "adam": lambda p: optim.Adam(p),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMISERS)
def test_lenet_step(name, batch):
    model = lenet().to("cuda")
    counts = counted(model, OPTIMISERS[name](model.parameters()), *batch)
    kinds = collections.Counter(event for _, event in counts.log)
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, 0), kinds
    assert counts.launches <= LAUNCHES[name], kinds.most_common()
    assert (
        kinds["tinynet_im2col"] == 4 and kinds["tinynet_col2im"] == 1
    )  # the first layer's input wants no gradient


def example_net():
    """The net of examples/mnist.py: batch norm, dropout, overlapping windows."""
    return runpy.run_path(str(Path(tinynet.__file__).parents[1] / "examples" / "mnist.py"))["Net"]()


@pytest.mark.parametrize("make", [lenet, example_net], ids=["LeNet-5", "examples/mnist.py"])
@pytest.mark.parametrize("on_the_gpu", [False, True], ids=["data on the host", "data on the GPU"])
def test_steps_fed_by_a_loader(make, on_the_gpu):
    """One upload a step and no wait.

    The upload is the batch, images and labels together, or the positions of its samples.
    """
    model = make().to("cuda")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    data = tinynet.randn(4 * BATCH, 1, 28, 28), tinynet.randint(10, (4 * BATCH,))
    loader = DataLoader(
        TensorDataset(*[t.to("cuda") for t in data] if on_the_gpu else data),
        BATCH,
        shuffle=True,
        device="cuda",
    )
    step(model, optimizer, *next(iter(loader)))
    with strict_cupy.counting() as counts, strict_cupy.allow_synchronize(False):
        for images, labels in loader:
            step(model, optimizer, images, labels)
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, len(loader)), (
        collections.Counter(counts.log)
    )


EXTRAS = {
    # layer or function, uploads in a step forward and backward
    "batch norm": (nn.BatchNorm2d(1), 0),
    "dropout": (nn.Dropout(0.5), 0),
    "dropout of channels": (nn.Dropout2d(0.5), 0),
    "average pooling": (nn.AvgPool2d(2), 0),
    "overlapping max-pooling": (nn.MaxPool2d(3, 2, 1), 0),
    "transposed convolution": (nn.ConvTranspose2d(1, 2, 3, stride=2), 0),
    "activations": (
        nn.Sequential(
            nn.GELU(), nn.SiLU(), nn.ELU(), nn.LeakyReLU(), nn.Softplus(), nn.Tanh(), nn.Sigmoid()
        ),
        0,
    ),
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
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, uploads), collections.Counter(
        counts.log
    )


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
    assert (counts.waits, counts.downloads, counts.uploads) == (0, 0, 0), collections.Counter(
        counts.log
    )


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
