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


PIXEL = 4 * 3 * 2  # elements in the columns of one output pixel: C, KH, KW


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("pixels", [1, 2, 5, 6, 7, 12, 13, 23])
def test_a_limit_below_one_sample(columns, groups, pixels):
    """Slices of a sample's 4 rows of 6 pixels, or of a row, with strides and padding."""
    limit = 4 * PIXEL * pixels + 3
    tinynet.cuda.set_workspace_limit(limit)
    found = trio("cuda", groups, tinynet.float32)
    assert max(columns) <= limit and sum(columns) == 3 * 7 * 4 * SAMPLE
    slices = math.ceil(4 / (pixels // 6)) if pixels >= 6 else 4 * math.ceil(6 / pixels)
    assert len(columns) == 3 * 7 * slices
    for mine, cpu in zip(found, trio("cpu", groups, tinynet.float32), strict=True):
        np.testing.assert_array_equal(mine, cpu)


def test_the_smallest_limit(columns):
    """One output pixel's columns are made at once."""
    tinynet.cuda.set_workspace_limit(1)
    for mine, cpu in zip(*(trio(d, 1, tinynet.float32) for d in ("cuda", "cpu")), strict=True):
        np.testing.assert_array_equal(mine, cpu)
    assert columns == [4 * PIXEL] * (3 * 7 * 4 * 6)


@pytest.mark.skipif(REAL_CUPY, reason="only the stand-in for cupy counts")
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_products_copy_no_columns(columns, groups):
    """CuPy copies an operand that lies transposed in a stack of matrices."""
    x = tinynet.ones(16, 4, 9, 9, device="cuda", requires_grad=True)
    w = tinynet.ones(4, 4 // groups, 3, 3, device="cuda", requires_grad=True)
    with strict_cupy.counting() as counts:
        F.conv2d(x, w, groups=groups).sum().backward()
    (size,) = set(columns)
    assert size == 4 * 16 * 4 * 9 * 49 and counts.sizes.count(size) == len(columns) == 3
    assert max(set(counts.sizes) - {size}) <= x.array.nbytes


CASES = {
    # images, weight, arguments of conv2d
    "pointwise, with a stride": ((3, 4, 7, 5), (6, 4, 1, 1), {"stride": (3, 2)}),
    "depthwise": ((5, 4, 8, 6), (8, 1, 3, 3), {"groups": 4, "padding": 1}),
    "dilated": ((2, 3, 9, 8), (4, 3, 2, 3), {"dilation": (3, 2), "padding": (2, 1)}),
    "more padding than kernel": ((3, 2, 3, 3), (2, 2, 2, 2), {"padding": (3, 2), "stride": 2}),
    "one row": ((1, 2, 1, 40), (3, 2, 1, 5), {"padding": (0, 2)}),
    "one pixel": ((3, 2, 3, 4), (5, 2, 3, 4), {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("transposed", [False, True], ids=["conv2d", "conv_transpose2d"])
def test_slices_of_one_sample_to_the_second_order(columns, case, transposed):
    shape, weight_shape, options = CASES[case]
    random = np.random.default_rng(1)
    if transposed:  # the output of the convolution is its input
        shape = F.conv2d(tinynet.ones(*shape), tinynet.ones(*weight_shape), **options).shape
    arrays = [random.integers(-4, 5, s) / 2 for s in (shape, weight_shape)]
    pixel = 8 * math.prod(weight_shape[1:]) * options.get("groups", 1)

    def results(device):
        x, w = (tinynet.tensor(a, device=device, requires_grad=True) for a in arrays)
        y = (F.conv_transpose2d if transposed else F.conv2d)(x, w, **options)
        first = tinynet.autograd.grad((y**2).sum(), (x, w), create_graph=True)
        second = tinynet.autograd.grad(sum((g**2).sum() for g in first), (x, w))
        return [t.detach().cpu().numpy() for t in (y, *first, *second)]

    for pixels in (1, 3, 10):
        columns.clear()
        tinynet.cuda.set_workspace_limit(pixels * pixel)
        found = results("cuda")
        assert columns and max(columns) <= pixels * pixel
        for mine, cpu in zip(found, results("cpu"), strict=True):
            np.testing.assert_allclose(mine, cpu, rtol=1e-12)


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
