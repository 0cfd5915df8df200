"""F.interpolate and nn.Upsample: values and gradients to second order are PyTorch's, down to which
pixel is the nearest.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_operations import agree, call
from operations import Case, run

import tinynet
from tinynet import nn
from tinynet.nn import functional as F


factors = st.sampled_from([0.3, 0.5, 2 / 3, 0.9, 1.0, 1.1, 1.5, 2, 2.3, 2.7, 3.0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(4, 12), st.integers(4, 12)),
    st.sampled_from(["nearest", "nearest-exact", "bilinear", "bilinear True", "bilinear False"]),
    st.one_of(
        st.tuples(st.integers(1, 25), st.integers(1, 25)),
        st.tuples(factors, factors, st.sampled_from([None, True, False])),
    ),
    st.sampled_from([np.float32, np.float64]),
)
def test_against_torch(torch, shape, mode, target, dtype):
    options = {
        "mode": mode.split()[0],
        "align_corners": {"True": True, "False": False}.get(mode.split()[-1]),
    }
    if len(target) == 2:
        options["size"] = target
    else:
        options.update(scale_factor=target[:2], recompute_scale_factor=target[2])
    image = np.random.default_rng(5).standard_normal(shape).astype(dtype)
    case = Case(f"{shape} {options}", call("interpolate", **options), (image,))
    agree(case.name, run(tinynet, case), run(torch, case), rtol=1e-7)


def test_nearest_is_exact_beside_infinities():
    """A pixel that is taken brings nothing along from its neighbours."""
    row = tinynet.tensor([[[[float("inf"), 1.0, float("nan"), -2.0]]]])
    assert F.interpolate(row, (1, 8))[0, 0, 0, [0, 1, 2, 3, 6, 7]].tolist() == [
        float("inf"),
        float("inf"),
        1.0,
        1.0,
        -2.0,
        -2.0,
    ]


def by_taps(x, new, dim):
    """Bilinear interpolation of an array along one dimension, tap by tap."""
    old = x.shape[dim]
    centres = np.maximum((np.arange(new) + 0.5) * old / new - 0.5, 0)
    low = np.floor(centres).astype(int)
    part = (centres - low).reshape(-1, *[1] * (3 - dim))
    y = x.take(low, dim) * (1 - part)
    return y + np.where(part > 0, x.take(np.minimum(low + 1, old - 1), dim), 0) * part


@pytest.mark.parametrize("N", [1, 3, 8, 20])
@pytest.mark.parametrize("sizes", [(40, 50, 100, 90), (70, 100, 33, 41), (5, 300, 200, 2)])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_of_many_blocks(N, sizes, threads, monkeypatch):
    """Few samples go another way than many; blocks of rows on both sides of each cut agree."""
    monkeypatch.setattr("tinynet.arrays.threads._WORTH", 1000)
    monkeypatch.setattr("tinynet.arrays.threads._workers.threads", threads)
    H, W, *new = sizes
    rng = np.random.default_rng(N)
    x = tinynet.tensor(rng.standard_normal((N, 2, H, W)), requires_grad=True)
    y = F.interpolate(x, tuple(new), mode="bilinear")
    expected = by_taps(by_taps(x.detach().numpy(), new[0], 2), new[1], 3)
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)
    # the gradient is the adjoint: <g, y> = <dx, x>
    g = tinynet.tensor(rng.standard_normal(y.shape))
    (dx,) = tinynet.grad(y, x, g)
    np.testing.assert_allclose((g * y).sum().item(), (dx * x).sum().item(), rtol=1e-9)


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_infinities_stay_where_they_are(value, mode):
    """Nothing that has no weight is reached by them, forward and back."""
    clean = np.random.default_rng(0).standard_normal((1, 2, 40, 40)).astype(np.float32)
    spoilt = clean.copy()
    spoilt[0, 1, 20, 10] = value
    near = np.zeros((1, 2, 80, 80), bool)
    reach = 2 if mode == "bilinear" else 4
    near[0, 1, 40 - reach : 42 + reach, 20 - reach : 22 + reach] = True
    a, b = [F.interpolate(tinynet.tensor(x), (80, 80), mode=mode).numpy() for x in (clean, spoilt)]
    np.testing.assert_allclose(b[~near], a[~near], rtol=1e-5, atol=1e-6)
    assert not np.isfinite(b[near]).all()

    def gradient(g):
        x = tinynet.tensor(clean, requires_grad=True)
        return tinynet.grad(F.interpolate(x, (20, 20), mode=mode), x, tinynet.tensor(g))[0].numpy()

    g = np.ones((1, 2, 20, 20), np.float32)
    a = gradient(g)
    g[0, 1, 10, 5] = value
    b, near = gradient(g), np.zeros(clean.shape, bool)
    near[0, 1, 20 - reach : 22 + reach, 10 - reach : 12 + reach] = True
    np.testing.assert_allclose(b[~near], a[~near], rtol=1e-5, atol=1e-6)
    assert not np.isfinite(b[near]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either size or scale_factor; got size=None, scale_factor=None"),
        (
            {"size": 2, "scale_factor": 2},
            "give either size or scale_factor; got size=2, scale_factor=2",
        ),
        ({"size": (1, 2, 3)}, r"size must be an int or a pair \(height, width\), got \(1, 2, 3\)"),
        ({"size": [2]}, r"size must be an int or a pair \(height, width\), got \[2\]"),
        ({"size": 0}, "size must be at least 1, got 0"),
        (
            {"scale_factor": -1.0},
            "scale_factor must be a positive number or a pair of them, got -1.0",
        ),
        ({"scale_factor": (2, 2, 2)}, "scale_factor must be a positive number or a pair of them"),
        ({"scale_factor": 0.21}, "scale_factor=0.21 leaves 1 x 0 pixels of 5 x 4"),
        (
            {"size": 3, "recompute_scale_factor": True},
            "recompute_scale_factor=True goes with a scale_factor",
        ),
        (
            {"size": 3, "align_corners": False},
            "align_corners is for mode='bilinear' and 'bicubic'; with 'nearest' leave it out",
        ),
        (
            {"size": 3, "mode": "area", "align_corners": True},
            "align_corners is for mode='bilinear' and 'bicubic'",
        ),
        (
            {"size": 3, "mode": "trilinear"},
            r"mode must be 'nearest', .*'bilinear', 'bicubic' or 'area', got 'trilinear'",
        ),
        (
            {"size": 3, "mode": "bilinear", "antialias": True},
            "antialias=True is not supported; mode='area'",
        ),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match="interpolate: " + message):
        F.interpolate(tinynet.ones(1, 2, 5, 4), **options)


def test_refused_inputs():
    with pytest.raises(
        ValueError,
        match=r"interpolate: input must be \(N, C, H, W\), no size but N may be 0; got shape "
              r"\(2, 5, 4\)",
    ):
        F.interpolate(tinynet.ones(2, 5, 4), 3)
    with pytest.raises(ValueError, match=r"got shape \(1, 2, 0, 4\)"):
        F.interpolate(tinynet.ones(1, 2, 0, 4), 3)
    for mode, dtype in (("nearest", "int64"), ("bilinear", "uint8")):
        with pytest.raises(TypeError, match=rf"interpolate: input must hold floats, got {dtype}"):
            F.interpolate(tinynet.ones(1, 2, 5, 4, dtype=dtype), 3, mode=mode)
    with pytest.raises(
        TypeError, match="interpolate: size must be an int or a pair of ints, got 2.5"
    ):
        F.interpolate(tinynet.ones(1, 2, 5, 4), 2.5)


UPSAMPLES = [
    (lambda nn: nn.Upsample(scale_factor=2), "Upsample(scale_factor=2.0, mode='nearest')"),
    (
        lambda nn: nn.Upsample((3, 4), mode="bilinear", align_corners=True),
        "Upsample(size=(3, 4), mode='bilinear')",
    ),
    (
        lambda nn: nn.Upsample(scale_factor=(2, 1.3), recompute_scale_factor=True),
        "Upsample(scale_factor=(2.0, 1.3), mode='nearest')",
    ),
]


@pytest.mark.parametrize(("make", "text"), UPSAMPLES, ids=[text for _, text in UPSAMPLES])
def test_text_of_upsample(make, text):
    assert repr(make(nn)) == text


@pytest.mark.parametrize(("make", "text"), UPSAMPLES, ids=[text for _, text in UPSAMPLES])
def test_upsample_is_pytorchs(torch, make, text):
    assert repr(make(torch.nn)) == text
    image = np.random.default_rng(0).standard_normal((2, 3, 7, 6))
    np.testing.assert_allclose(
        make(nn)(tinynet.tensor(image)).numpy(),
        make(torch.nn)(torch.tensor(image)).numpy(),
        rtol=1e-9,
    )
