"""Clipping gradients, and parameters as one vector."""

from __future__ import annotations

import math

import numpy as np
import pytest
import strict_cupy
from operations import other, real

import tinynet
from tinynet import nn
from tinynet.nn import utils


def parameters(T, dtype="float32"):
    made = [T.nn.Parameter(T.tensor(real(*shape).astype(dtype))) for shape in ((2, 3), (4,), (3,))]
    for p in made[:2]:
        p.grad = T.tensor(3 * other(*p.shape).astype(dtype))
    return made


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.7, 1000.0])
def test_clip_grad_norm(norm_type, max_norm):
    ps = parameters(tinynet)
    before = [p.grad.array.copy() for p in ps[:2]]
    everything = np.concatenate([g.ravel() for g in before])
    norm = np.linalg.norm(everything.astype(np.float64), norm_type)
    total = utils.clip_grad_norm_(ps, max_norm, norm_type)
    assert total.shape == ()
    assert total.dtype == np.float32
    assert not total.requires_grad
    assert total.item() == pytest.approx(norm, rel=1e-6)
    factor = min(1.0, max_norm / (norm + 1e-6))
    for p, g in zip(ps, before, strict=False):
        np.testing.assert_allclose(p.grad, g * factor, rtol=1e-6)
    assert ps[2].grad is None


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.5, math.inf])
def test_clip_grad_norm_is_pytorchs(torch, norm_type):
    mine, theirs = parameters(tinynet), parameters(torch)
    totals = [
        T.nn.utils.clip_grad_norm_(iter(ps), 0.7, norm_type)
        for T, ps in ((tinynet, mine), (torch, theirs))
    ]
    assert totals[0].item() == pytest.approx(totals[1].item(), rel=1e-6)
    for p, q in zip(mine[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-6)


def test_clip_grad_norm_of_one_of_none_and_of_infinite_ones():
    p = nn.Parameter(tinynet.ones(2))
    assert utils.clip_grad_norm_(p, 1.0).item() == 0.0
    p.grad = tinynet.tensor([3.0, -4.0])
    memory = p.grad.array
    assert utils.clip_grad_norm_(p, 1).item() == 5.0
    assert p.grad.array is memory
    assert p.grad.tolist() == pytest.approx([0.6, -0.8])
    p.grad = tinynet.tensor([1.0, math.inf])
    with pytest.raises(RuntimeError, match="clip_grad_norm_: the norm of the gradients is inf"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [1.0, math.inf]
    assert utils.clip_grad_norm_(p, 1.0).item() == math.inf
    assert str(p.grad.tolist()) == "[0.0, nan]"
    with pytest.raises(ValueError, match="clip_grad_norm_: norm_type must be a positive number"):
        utils.clip_grad_norm_(p, 1.0, norm_type=0)


def test_clip_grad_norm_does_not_wait_for_a_gpu():
    with strict_cupy.install():
        p = nn.Parameter(tinynet.ones(2, 3, device="cuda"))
        p.grad = tinynet.tensor(real(2, 3), device="cuda")
        with strict_cupy.counting() as count:
            utils.clip_grad_norm_([p], 0.1)
            utils.clip_grad_value_([p], 0.01)
        assert count.waits == 0
        assert abs(p.grad.cpu()).max().item() == pytest.approx(0.01)


def test_clip_grad_value():
    ps = parameters(tinynet)
    expected = [np.clip(p.grad.array, -1.5, 1.5) for p in ps[:2]]
    assert utils.clip_grad_value_(ps, 1.5) is None
    for p, g in zip(ps, expected, strict=False):
        assert np.array_equal(p.grad, g)
    utils.clip_grad_value_(ps[0], 0.5)
    assert abs(ps[0].grad).max().item() == 0.5
    with pytest.raises(ValueError, match="clip_grad_value_: clip_value must be at least 0, got -1"):
        utils.clip_grad_value_(ps, -1)


def test_parameters_as_a_vector():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = utils.parameters_to_vector(net.parameters())
    assert vector.shape == (13,)
    assert np.array_equal(
        vector.detach(), np.concatenate([p.array.ravel() for p in net.parameters()])
    )
    (vector * vector).sum().backward()
    assert np.array_equal(net[0].weight.grad, 2 * net[0].weight.array)
    before = list(net.parameters())
    utils.vector_to_parameters(tinynet.arange(13.0), net.parameters())
    assert all(a is b for a, b in zip(net.parameters(), before, strict=True))
    assert net[0].weight.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert net[1].bias.tolist() == [12]
    assert all(p.is_leaf and p.requires_grad for p in net.parameters())
    assert np.array_equal(utils.parameters_to_vector(net.parameters()).detach(), np.arange(13))
    for wrong in (tinynet.ones(12), tinynet.ones(14), tinynet.ones(13, 1)):
        with pytest.raises(
            ValueError, match=r"the parameters have 13 elements, so vec must have shape \(13,\)"
        ):
            utils.vector_to_parameters(wrong, net.parameters())
    with pytest.raises(TypeError, match="non-empty sequence"):
        utils.parameters_to_vector([])
