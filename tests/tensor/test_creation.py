"""Functions that make tensors."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import pytest

import tinynet
from tinynet import Size

f32, f64, i64 = tinynet.float32, tinynet.float64, tinynet.int64


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        (3, i64, 3), (2.5, f32, 2.5), (True, tinynet.bool, True), ([1, 2.5], f32, [1.0, 2.5]),
        ([True, 2], i64, [1, 2]),
        ([True, 2.5], f32, [1.0, 2.5]), ([], f32, []), ([[], []], f32, [[], []]),
        ((1, 2), i64, [1, 2]), (range(3), i64, [0, 1, 2]),
        ([range(2), (5, 6)], i64, [[0, 1], [5, 6]]),
        (deque([1.5, 2]), f32, [1.5, 2.0]), (deque([deque([True])]), tinynet.bool, [[True]]),
        (deque(), f32, []), (deque([tinynet.tensor(1.5)]), f32, [1.5]),
        (np.float64(2.5), f64, 2.5), (np.float32([1, 2]), f32, [1.0, 2.0]),
        (np.arange(2, dtype=np.int32), tinynet.int32, [0, 1]),
        (np.arange(3, dtype=">i4"), tinynet.int32, [0, 1, 2]), ([np.float64(0.5)], f64, [0.5]),
        ([tinynet.tensor(1.5), tinynet.tensor(2.5)], f32, [1.5, 2.5]),
        (tinynet.arange(2), i64, [0, 1]),
        ([np.ones(2), np.zeros(2)], f64, [[1.0, 1.0], [0.0, 0.0]]),
    ],
)  # fmt: skip
def test_tensor(data, dtype, values):
    t = tinynet.tensor(data)
    assert t.dtype == dtype
    assert t.dtype.isnative
    assert t.tolist() == values
    assert not t.requires_grad


def test_tensor_copies():
    a = np.zeros(2)
    for made in (tinynet.tensor(a), tinynet.tensor(tinynet.from_numpy(a))):
        a += 1
        assert made.tolist() in ([0.0, 0.0], [1.0, 1.0])
        assert made.numpy().base is not a
    made[0] = 9
    assert a[0] == 2


def test_tensor_converts():
    assert tinynet.tensor([1.7, -1.7], dtype=i64).tolist() == [1, -1]
    assert tinynet.tensor([0, 2], dtype=tinynet.bool).tolist() == [False, True]
    t = tinynet.tensor([1], dtype=f64, requires_grad=True)
    assert t.requires_grad
    assert t.is_leaf
    assert tinynet.tensor(1, device="cpu").device == tinynet.device("cpu")


def test_sharing_memory():
    a = np.zeros(3)
    for made in (tinynet.from_numpy(a), tinynet.as_tensor(a), tinynet.from_dlpack(a)):
        a += 1
        assert made.tolist() == a.tolist()
        made[0] = -1
        assert a[0] == -1
    t = tinynet.ones(2)
    assert tinynet.as_tensor(t) is t
    assert tinynet.as_tensor([1, 2], dtype=f32).dtype == f32


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "rand", "randn"])
def test_sizes_come_in_many_ways(name):
    make = getattr(tinynet, name)
    for t in (
        make(2, 3),
        make((2, 3)),
        make([2, 3]),
        make(size=(2, 3)),
        make(Size([2, 3])),
        make(np.int64(2), 3),
    ):
        assert t.shape == (2, 3)
        assert t.dtype == f32
    assert make(()).shape == ()
    assert make(0, 3).numel() == 0
    assert make(2, dtype=f64, requires_grad=True).requires_grad


def test_constants():
    assert tinynet.zeros(2, dtype=i64).tolist() == [0, 0]
    assert tinynet.ones(1, 2).tolist() == [[1.0, 1.0]]
    assert tinynet.eye(2, 3).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert tinynet.eye(2, dtype=i64).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(3, i64), (3.0, f32), (True, tinynet.bool), (np.float64(2), f32), (tinynet.tensor(2), i64)],
)
def test_full(value, dtype):
    t = tinynet.full((2,), value)
    assert t.dtype == dtype
    assert t.tolist() == [value, value]
    assert tinynet.full((2,), 3, dtype=f64).dtype == f64


@pytest.mark.parametrize(
    ("arguments", "dtype", "values"),
    [
        ((4,), i64, [0, 1, 2, 3]), ((1, 4), i64, [1, 2, 3]), ((5, 0, -2), i64, [5, 3, 1]),
        ((0,), i64, []), ((2.5,), f32, [0.0, 1.0, 2.0]),
        ((0, 1, 0.25), f32, [0.0, 0.25, 0.5, 0.75]), ((1, 2.5, 0.5), f32, [1.0, 1.5, 2.0]),
        ((3, 3), i64, []),
    ],
)  # fmt: skip
def test_arange(arguments, dtype, values):
    t = tinynet.arange(*arguments)
    assert t.dtype == dtype
    assert t.tolist() == values


def test_linspace():
    assert tinynet.linspace(0, 1, 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert tinynet.linspace(3, 9, 1).tolist() == [3.0]
    assert tinynet.linspace(3, 9, 0).tolist() == []


def test_like():
    x = tinynet.ones(2, 3, dtype=f64)
    for make in (
        tinynet.zeros_like,
        tinynet.ones_like,
        tinynet.empty_like,
        tinynet.rand_like,
        tinynet.randn_like,
    ):
        assert make(x).shape == (2, 3)
        assert make(x).dtype == f64
        assert make(x, dtype=f32).dtype == f32
    assert tinynet.full_like(x, 7).tolist() == [[7.0] * 3] * 2
    assert tinynet.full_like(tinynet.arange(2), 2.5).tolist() == [2, 2]
    assert tinynet.randint_like(x, 3, 4).tolist() == [[3.0] * 3] * 2
    assert not tinynet.zeros_like(x.requires_grad_()).requires_grad


# --------------------------------------------------------------------------------------------------
# random


def test_seeds():
    def draw(generator=None):
        return [
            tinynet.rand(3, generator=generator).tolist(),
            tinynet.randn(3, generator=generator).tolist(),
            tinynet.randint(0, 9, (5,), generator=generator).tolist(),
            tinynet.randperm(5, generator=generator).tolist(),
            tinynet.normal(1.0, 2.0, (2,), generator=generator).tolist(),
            tinynet.bernoulli(tinynet.full((5,), 0.5), generator=generator).tolist(),
        ]  # fmt: skip

    tinynet.manual_seed(3)
    first = draw()
    assert draw() != first
    tinynet.manual_seed(3)
    assert draw() == first
    assert draw(tinynet.Generator().manual_seed(3)) == first
    generator = tinynet.Generator().manual_seed(4)
    state = generator.get_state()
    once = draw(generator)
    generator.set_state(state)
    assert draw(generator) == once
    assert tinynet.manual_seed(-1).initial_seed() == 2**64 - 1


def test_distributions():
    tinynet.manual_seed(0)
    n = 50_000
    u, g = tinynet.rand(n), tinynet.randn(n)
    assert 0 <= u.min().item() < u.max().item() < 1
    assert u.mean().item() == pytest.approx(0.5, abs=0.01)
    assert u.var().item() == pytest.approx(1 / 12, abs=0.005)
    assert g.mean().item() == pytest.approx(0, abs=0.02)
    assert g.std().item() == pytest.approx(1, abs=0.02)
    assert tinynet.normal(3.0, 0.5, (n,)).mean().item() == pytest.approx(3, abs=0.02)
    counts = np.bincount(tinynet.randint(2, 6, (n,)).numpy())
    assert counts[:2].tolist() == [0, 0]
    assert counts[2:].min() > n / 4 * 0.95
    assert sorted(tinynet.randperm(100).tolist()) == list(range(100))
    assert tinynet.bernoulli(tinynet.full((n,), 0.3)).mean().item() == pytest.approx(0.3, abs=0.01)


def test_dtypes_of_random_numbers():
    assert tinynet.rand(2, dtype=tinynet.float16).dtype == tinynet.float16
    assert tinynet.randint(5, (2,), dtype=f32).dtype == f32
    assert tinynet.randperm(3).dtype == i64
    assert (
        len(np.unique(tinynet.rand(30_000, dtype=f64).numpy())) == 30_000
    )  # drawn in double precision


def test_size():
    size = tinynet.zeros(2, 3).shape
    assert repr(size) == "tinynet.Size([2, 3])"
    assert size == (2, 3)
    assert size.numel() == 6
    assert Size(()).numel() == 1
    n, m = size
    assert (n, m, size[-1], len(size)) == (2, 3, 3, 2)


def test_constants_of_mathematics():
    assert (tinynet.pi, tinynet.e, tinynet.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(tinynet.nan)
