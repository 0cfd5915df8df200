"""What a training step costs on a GPU, counted on the stand-in.

Nothing may wait, a step on data that is on the GPU may upload nothing, and its launches and its
memory are limited.
"""

from __future__ import annotations

import collections
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import strict_cupy
from real_cupy import REAL_CUPY
from gpu_cases import lenet

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.ops.conv import plain
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


# -------------------------------------------------------------------------------- memory


@pytest.fixture
def columns(monkeypatch):
    """The bytes of the columns that convolutions make, in order; at the end the old limit."""
    found = []

    def im2col(xp, x, geometry):
        made = plain_im2col(xp, x, geometry)
        found.append(made.nbytes)
        return made

    def col2im(xp, cols, geometry):
        found.append(cols.nbytes)
        return plain_col2im(xp, cols, geometry)

    plain_im2col, plain_col2im = plain.im2col, plain.col2im
    monkeypatch.setattr(plain, "im2col", im2col)
    monkeypatch.setattr(plain, "col2im", col2im)
    limit = tinynet.cuda.get_workspace_limit()
    yield found
    tinynet.cuda.set_workspace_limit(limit)


def trio(device, groups, dtype):
    """A convolution of 7 samples, and both gradients; whole quarters, so nothing is rounded."""
    random = np.random.default_rng(0)
    shapes = (7, 4, 6, 5), (6, 4 // groups, 3, 2), (7, 6, 4, 6)
    x, w, g = (
        tinynet.tensor(random.integers(-9, 9, shape) / 4, dtype=dtype, device=device)
        for shape in shapes
    )
    x.requires_grad_(), w.requires_grad_()
    y = F.conv2d(x, w, stride=(2, 1), padding=(2, 1), groups=groups)
    return [t.detach().cpu().numpy() for t in (y, *tinynet.autograd.grad(y, (x, w), g))]


SAMPLE = 4 * 3 * 2 * 4 * 6  # elements in the columns of one sample: C, KH, KW, OH, OW


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4, 6, 7])
def test_columns_keep_to_the_limit(columns, groups, dtype, samples):
    """Forward, input gradient and weight gradient: as many slices as needed, and equal results.

    7 samples are no multiple of the samples that fit, and the limit none of a sample's columns.
    """
    limit = SAMPLE * np.dtype(dtype).itemsize * samples + 5
    tinynet.cuda.set_workspace_limit(limit)
    found = trio("cuda", groups, getattr(tinynet, dtype))
    assert len(columns) == 3 * math.ceil(7 / samples) and max(columns) <= limit
    assert sum(columns) == 3 * 7 * SAMPLE * np.dtype(dtype).itemsize
    for mine, cpu in zip(found, trio("cpu", groups, getattr(tinynet, dtype)), strict=True):
        np.testing.assert_array_equal(mine, cpu)


def test_a_limit_below_one_sample(columns):
    f32 = tinynet.float32
    tinynet.cuda.set_workspace_limit(1)
    for mine, cpu in zip(trio("cuda", 1, f32), trio("cpu", 1, f32), strict=True):
        np.testing.assert_array_equal(mine, cpu)
    assert columns == [4 * SAMPLE] * 21


def test_an_empty_batch(columns):
    tinynet.cuda.set_workspace_limit(1)
    x = tinynet.ones(0, 1, 4, 4, device="cuda", requires_grad=True)
    w = tinynet.ones(2, 1, 3, 3, device="cuda", requires_grad=True)
    y = F.conv2d(x, w)
    y.sum().backward()
    assert (y.shape, x.grad.shape) == ((0, 2, 2, 2), (0, 1, 4, 4))
    np.testing.assert_array_equal(w.grad.cpu().numpy(), 0)


def test_second_derivatives_in_slices(columns):
    """They are made of the same three maps."""

    def second(device):
        x = tinynet.arange(50.0, dtype=tinynet.float64).reshape(2, 1, 5, 5).to(device)
        w = (tinynet.arange(9.0, dtype=tinynet.float64).reshape(1, 1, 3, 3) / 4).to(device)
        x.requires_grad_(), w.requires_grad_()
        (dx,) = tinynet.autograd.grad((F.conv2d(x, w) ** 2).sum(), x, create_graph=True)
        return [t.cpu().numpy() for t in tinynet.autograd.grad((dx**2).sum(), (x, w))]

    tinynet.cuda.set_workspace_limit(8 * 9 * 9)
    found = second("cuda")
    assert set(columns) == {8 * 9 * 9}
    for mine, cpu in zip(found, second("cpu"), strict=True):
        np.testing.assert_allclose(mine, cpu, rtol=1e-12)


def test_slices_lie_in_memory_as_the_whole(columns):
    """With the batch innermost, which the layers behind expect to be fast."""
    x = tinynet.ones(4, 1, 5, 6, device="cuda")
    w = tinynet.ones(2, 1, 3, 3, device="cuda")
    whole = F.conv2d(x, w).array.strides
    tinynet.cuda.set_workspace_limit(4 * 9 * 12 * 2)
    assert F.conv2d(x, w).array.strides == whole
    assert len(columns) == 3


def test_the_limit_is_checked():
    assert tinynet.cuda.get_workspace_limit() == 256 * 2**20
    for wrong in (0, -1, True, 1.5, "1 MB", None):
        with pytest.raises(ValueError, match="set_workspace_limit: expected an int of bytes from"):
            tinynet.cuda.set_workspace_limit(wrong)
    assert tinynet.cuda.get_workspace_limit() == 256 * 2**20


def memory(batch):
    """Bytes that a step of LeNet-5 asks for, the most that it holds at once, its largest array."""
    model = lenet().to("cuda")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = tinynet.randn(batch, 1, 28, 28, device="cuda")
    y = tinynet.randint(10, (batch,), device="cuda")
    counts = counted(model, optimizer, x, y)
    return counts.bytes, counts.peak, max(counts.sizes)


# Bytes per sample, some 10 % above what is counted. All that a step asks for is more than it holds
# at once, because an array that is no longer needed gives its memory to the next.
ASKED, PEAK, PEAK_IN_SLICES = 605_000, 150_000, 90_000
FIRST = 4 * 25 * 28 * 28  # the first layer's columns


def test_memory_of_a_step(columns):
    """It grows with the batch, and a limit takes most of the columns' part of it away."""
    (few, *_), (asked, peak, largest) = memory(4), memory(12)
    assert asked - few <= 8 * ASKED and peak <= 12 * PEAK
    assert largest == 12 * FIRST
    tinynet.cuda.set_workspace_limit(2 * FIRST)
    columns.clear()
    _, peak, largest = memory(12)
    assert max(columns) == 2 * FIRST and largest < 12 * FIRST
    assert peak <= 12 * PEAK_IN_SLICES
