"""Corners where a right answer is easily missed: in-place changes after a pool, nans under windows,
slopes at 0, arguments that PyTorch takes too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.nn import functional as F

nan, inf = math.nan, math.inf
PIXELS = np.array(
    [[[[1, 5, 2, 3], [4, -5, 0, -3], [1, 2, 3, 4], [-5, -6, -7, -8]]]], np.float32
)  # fmt: skip


def in_place(T: Any, kind: str, x: Any) -> Any:
    """A pool whose result is changed in place before anybody asks for a gradient."""
    pool = T.nn.functional.max_pool2d
    if kind == "relu":
        return T.nn.Sequential(T.nn.MaxPool2d(2), T.nn.ReLU(inplace=True))(x)
    if kind == "one image":
        return T.nn.Sequential(T.nn.MaxPool2d(2), T.nn.ReLU(inplace=True))(x[0])
    if kind == "skip":
        y = T.nn.MaxPool2d(3, 1)(x)
        y += x[..., 1:3, 1:3]
    elif kind == "part":
        y = pool(x, 2)
        y[0, 0, 0] *= 3
    elif kind == "indices":
        y = pool(x, 2, return_indices=True)[0]
        y.neg_()
    elif kind == "overlapping":
        y = pool(x, 3, 2, 1)
        y.mul_(y * 2)
    elif kind == "adaptive":
        y = T.nn.functional.adaptive_max_pool2d(x, 2)
        y *= 2
    elif kind == "average":
        y = T.nn.functional.avg_pool2d(x, 2)
        y.relu_()
    return y


def answers(T: Any, kind: str) -> list[np.ndarray]:
    leaf = T.tensor(PIXELS, requires_grad=True)
    y = in_place(T, kind, leaf * 1)
    (first,) = T.autograd.grad((y * y * y).sum(), leaf, create_graph=True)
    (second,) = T.autograd.grad((first * first).sum(), leaf)
    return [t.detach().numpy() for t in (y, first, second)]


KINDS = ["relu", "one image", "skip", "part", "indices", "overlapping", "adaptive", "average"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pool_may_be_changed_in_place(torch, kind):
    for ours, theirs in zip(answers(tinynet, kind), answers(torch, kind), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_the_gradient_goes_to_the_largest_pixels():
    x = tinynet.tensor(PIXELS, requires_grad=True)
    y = F.max_pool2d(x * 1, 2)
    y += 100  # without the pool's own values, 5, 3, 2, 4
    (y * tinynet.tensor([[1.0, 2], [3, 4]])).sum().backward()
    expected = np.zeros((4, 4))
    expected[0, 1], expected[0, 3], expected[2, 1], expected[2, 3] = 1, 2, 3, 4
    assert np.array_equal(x.grad[0, 0], expected)


def test_a_changed_input_is_still_refused():
    x = tinynet.tensor(PIXELS, requires_grad=True) * 1
    y = F.max_pool2d(x, 2)
    y *= 2
    x *= 2
    with pytest.raises(
        RuntimeError, match="max_pool2d needs its input 'x'.* but mul_ changed that"
    ):
        y.sum().backward()


def test_the_last_nan_under_an_adaptive_window_wins():
    x = tinynet.tensor([[[1.0, nan, nan, 2.0]]], requires_grad=True)
    y, index = F.adaptive_max_pool2d(x, (1, 1), return_indices=True)
    assert math.isnan(y.item()) and index.item() == 2
    assert tinynet.grad(y.sum(), x)[0].tolist() == [[[0, 0, 1, 0]]]
    index = F.adaptive_max_pool2d(x, (1, 2), return_indices=True)[1]
    assert index.tolist() == [[[1, 2]]]


def test_a_window_on_padding_alone_has_no_index():
    """PyTorch answers with positions outside of the image, and writes the gradient there."""
    x = tinynet.ones(1, 2, 2, requires_grad=True)
    y = F.max_pool2d(x, 2, 1, 1, 3)
    assert y.item() == -inf and not tinynet.grad(y.sum(), x)[0].any()
    with pytest.raises(ValueError, match="max_pool2d: a window sees only padding"):
        F.max_pool2d(x, 2, 1, 1, 3, return_indices=True)


@pytest.mark.parametrize("nothing", [None, (), []])
def test_no_stride_is_the_kernel(nothing):
    x = tinynet.tensor(PIXELS)
    for pool in (F.max_pool2d, F.avg_pool2d):
        assert np.array_equal(pool(x, 2, nothing), pool(x, 2, 2))


def test_the_slope_of_kl_div_at_a_target_of_0():
    """d/dt (t log t - t x) = log t + 1 - x. PyTorch's is nan at 0."""
    x, t = tinynet.tensor([-0.5, -1.0]), tinynet.tensor([0.0, 0.5], requires_grad=True)
    loss = F.kl_div(x, t, reduction="none")
    np.testing.assert_allclose(loss.detach(), [0, 0.5 * math.log(0.5) + 0.5], rtol=1e-6)
    g = tinynet.grad(loss.sum(), t)[0].tolist()
    assert g[0] == -inf and g[1] == pytest.approx(math.log(0.5) + 2)


def test_linear_of_a_vector(torch):
    for shape in ((4, 3), (2, 4, 3), (3,), (0, 3)):
        ours, theirs = [
            T.nn.functional.linear(T.ones(shape), T.arange(3.0)).numpy() for T in (tinynet, torch)
        ]
        assert np.array_equal(ours, theirs) and ours.shape == theirs.shape == shape[:-1]
    assert F.linear(tinynet.ones(0), tinynet.ones(2, 0), tinynet.ones(2)).tolist() == [1, 1]


def test_eps_below_0(torch):
    x = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    for f in (
        lambda T, x: T.nn.functional.layer_norm(x, (4,), eps=-0.1),
        lambda T, x: T.nn.functional.group_norm(x, 2, eps=-0.1),
        lambda T, x: T.nn.functional.instance_norm(x, eps=-0.1),
    ):
        np.testing.assert_allclose(f(tinynet, tinynet.tensor(x)), f(torch, torch.tensor(x)), 1e-5)
    with pytest.raises(ValueError, match="batch_norm: eps must be at least 0, got -0.1"):
        F.batch_norm(tinynet.ones(3, 1), None, None, training=True, eps=-0.1)


def test_unfold_and_fold_of_an_empty_batch():
    assert F.unfold(tinynet.ones(0, 1, 4, 4), 2).shape == (0, 4, 9)
    assert F.fold(tinynet.ones(0, 4, 9), (4, 4), 2).shape == (0, 1, 4, 4)


def test_buffers_by_name_and_types():
    net = nn.Sequential(nn.BatchNorm2d(2))
    assert net.get_buffer("0.running_mean") is net[0].running_mean
    with pytest.raises(AttributeError, match="Sequential has no buffer '0.weight'"):
        net.get_buffer("0.weight")
    assert net.type(tinynet.float64)[0].weight.dtype == tinynet.float64
    assert net.half()[0].weight.dtype == tinynet.float16
