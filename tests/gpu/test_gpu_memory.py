"""Memory on a GPU: the columns of a convolution keep to a limit, and what a step asks for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import strict_cupy
from gpu_cases import lenet
from real_cupy import REAL_CUPY

import tinynet
import tinynet.nn.functional as F
from tinynet import optim
from tinynet.ops.conv import plain

pytestmark = pytest.mark.usefixtures("gpu")


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

    def step():
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()  # the first makes the optimiser's state
    with strict_cupy.counting() as counts:
        step()
    return counts.bytes, counts.peak, max(counts.sizes)


# Bytes per sample, some 10 % above what is counted. All that a step asks for is more than it holds
# at once, because an array that is no longer needed gives its memory to the next.
ASKED, PEAK, PEAK_IN_SLICES = 605_000, 150_000, 90_000
FIRST = 4 * 25 * 28 * 28  # the first layer's columns


@pytest.mark.skipif(REAL_CUPY, reason="only the stand-in for cupy counts")
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
