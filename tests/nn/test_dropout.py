"""Dropout's masks: how many elements, which, the same for any number of threads, and what they do
to values and gradients.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn
from tinynet.nn.functional.dropout import keep_mask

M = 65536


@pytest.fixture
def threads():
    before = tinynet.get_num_threads()
    yield tinynet.set_num_threads
    tinynet.set_num_threads(before)


def seeds(n):
    return [int(s) for s in np.random.default_rng(8).integers(2**63, size=n)]


def splitmix(seed, i):
    """The definition, in Python's whole numbers: 16 bits for element i."""
    z = (seed + (i // 4) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return ((z ^ (z >> 31)) >> 16 * (i % 4)) % M


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 4, 5), (0, 3)])
def test_mask_follows_its_definition(shape):
    for seed, dropped in ((0, 1), (2**63 - 1, 20000), (12345, M - 1)):
        lanes = np.array([splitmix(seed, i) for i in range(math.prod(shape))]).reshape(shape)
        mask = keep_mask(np, seed, shape, np.float64, dropped)
        np.testing.assert_array_equal(mask, np.where(lanes < dropped, 0.0, M / (M - dropped)))


def test_finaliser_is_that_of_splitmix64():
    """The first numbers of splitmix64 from the state 1234567, as published with it, begin at one
    step of its counter.
    """
    state, words = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        words.append(sum(splitmix(state, lane) << 16 * lane for lane in range(4)))
    assert words == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_same_bits_for_any_number_of_threads(threads):
    masks = []
    for n in (1, 2, 3, 7):
        threads(n)
        masks.append(keep_mask(np, 5, (601, 1003), np.float32, 19661))
    assert all(np.array_equal(masks[0], mask) for mask in masks)
    np.testing.assert_array_equal(
        masks[0].ravel()[:1000], keep_mask(np, 5, (1000,), np.float32, 19661)
    )


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_as_many_as_chance_would_have_it(p):
    """Number dropped, its spread, and that places don't know of each other, over many seeds."""
    n, dropped = 400, round(p * M)
    gone = np.array([keep_mask(np, seed, (n,), np.float32, dropped) == 0 for seed in seeds(4000)])
    p = dropped / M
    assert abs(gone.mean() - p) < 4 * math.sqrt(p * (1 - p) / gone.size)
    assert abs(gone.sum(1).var() / (n * p * (1 - p)) - 1) < 4 * math.sqrt(2 / 4000)
    alike = np.corrcoef(gone.T)[np.triu_indices(n, 1)] * math.sqrt(
        4000
    )  # each about a standard normal
    assert abs(alike).max() < 6 and abs(alike.std() - 1) < 0.05
    beside = (gone[:, 1:] == gone[:, :-1]).mean()
    assert abs(beside - (p * p + (1 - p) * (1 - p))) < 0.005


def test_every_lane_is_even():
    """Chi-square of each of the four lanes of a word, in 256 classes, found from which masks drop
    an element.
    """
    bits = np.array([splitmix(99, i) for i in range(1 << 16)])
    for lane in range(4):
        counts = np.bincount(bits[lane::4] >> 8, minlength=256)
        chi = ((counts - 64) ** 2 / 64).sum()
        assert abs(chi - 255) < 4 * math.sqrt(2 * 255)


def test_seeds_beside_each_other_give_other_masks():
    one, two = (keep_mask(np, seed, (100_000,), np.float64, M // 2) for seed in (41, 42))
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / math.sqrt(100_000)


def test_values_and_gradients():
    tinynet.manual_seed(0)
    x = tinynet.randn(40, 25, dtype=tinynet.float64, requires_grad=True)
    y = F.dropout(x, 0.3)
    scale = M / (M - round(0.3 * M))
    kept = (y != 0).detach()
    np.testing.assert_allclose(y.detach().numpy(), (x * kept * scale).detach().numpy())
    assert 0.6 < kept.double().mean() < 0.8
    (y * y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), (2 * x * kept * scale**2).detach().numpy())
    assert tinynet.gradcheck(
        lambda x: F.dropout(x, 0.3, generator=tinynet.Generator().manual_seed(1)),
        x[:2, :3].detach().requires_grad_(),
    )


def test_expected_value_is_exact():
    """However p is rounded: the chance of being kept times the scale is 1."""
    for p in (0.3, 1e-4, 0.999, 1 / 3):
        dropped = round(p * M)
        mask = keep_mask(np, 1, (M,), np.float64, dropped)
        assert mask.max() * (1 - dropped / M) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("p", [0, 0.0, 1, 1.0, 1e-7, 1 - 1e-7])
def test_ends(p):
    x = tinynet.ones(50, 20)
    y = F.dropout(x, p)
    assert y is x if p == 0 else (y == round(1 - p)).all()


@pytest.mark.parametrize("dtype", [tinynet.float16, tinynet.float32, tinynet.float64])
def test_dtypes(dtype):
    y = F.dropout(
        tinynet.ones(8, 8, dtype=dtype), 0.5, generator=tinynet.Generator().manual_seed(3)
    )
    assert y.dtype == dtype and sorted(set(y.flatten().tolist())) == [0, 2]
    assert (
        y.tolist()
        == F.dropout(tinynet.ones(8, 8), 0.5, generator=tinynet.Generator().manual_seed(3)).tolist()
    )


def test_one_draw_a_call():
    """However large the input: what is drawn next doesn't depend on it."""
    after = []
    for n in (1, 1000):
        generator = tinynet.Generator().manual_seed(2)
        first, second = (F.dropout(tinynet.ones(n), 0.5, generator=generator) for _ in range(2))
        assert n == 1 or first.tolist() != second.tolist()
        after.append(tinynet.rand(3, generator=generator).tolist())
    assert after[0] == after[1]


def test_layer_in_place_and_in_evaluation():
    tinynet.manual_seed(0)
    x = tinynet.ones(100)
    assert nn.Dropout(0.4).eval()(x) is x
    changed = x.clone()
    assert nn.Dropout(0.4, inplace=True)(changed) is changed and 0 < (changed == 0).sum() < 100
