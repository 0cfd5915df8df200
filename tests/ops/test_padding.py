"""F.pad in its four modes, with sizes of both signs, and the padding layers: values and gradients
are PyTorch's.
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


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(-2, 3), st.integers(-2, 3)), min_size=1, max_size=3
    ),
    st.lists(st.integers(1, 2), min_size=0, max_size=3),
    st.sampled_from(["constant", "reflect", "replicate", "circular"]),
)
def test_against_torch(torch, padded, leading, mode):
    """Accepted by both with the same result, or refused by both; but for what PyTorch reads from
    memory it never wrote.
    """
    shape = [*leading, *[n for n, _, _ in padded]]
    sizes = [size for _, before, after in reversed(padded) for size in (before, after)]
    case = Case(
        f"{shape} {sizes} {mode}",
        call("pad", pad=sizes, mode=mode),
        (np.random.default_rng(1).standard_normal(shape),),
    )
    kept = [n + min(before, 0) + min(after, 0) for n, before, after in padded]
    left = [n + before + after for n, before, after in padded]
    odd = mode != "constant" and (
        min(kept) < 0 or min(left) <= 0
    )  # crops beyond what there is, or to nothing
    odd |= mode == "circular" and any(
        max(before, after) > k for k, (_, before, after) in zip(kept, padded, strict=True)
    )
    try:
        expected = None if odd else run(torch, case)
    except (RuntimeError, ValueError, NotImplementedError):
        expected = None
    if expected is None:
        with pytest.raises(ValueError, match="^pad: "):
            run(tinynet, case)
    else:
        agree(case.name, run(tinynet, case), expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("sizes", "mode", "value", "message"),
    [
        (
            (1, 2, 3),
            "constant",
            None,
            r"sizes must be ints in pairs \(left, right, top, bottom, ...\), got \(1, 2, 3\)",
        ),
        (
            (1,) * 8,
            "constant",
            None,
            "4 pairs of sizes need an input with at least 4 dims, got shape",
        ),
        (
            (1, 1),
            "zeros",
            None,
            "mode must be 'constant', 'reflect', 'replicate' or 'circular', got 'zeros'",
        ),
        (
            (1, 1),
            "reflect",
            1.0,
            "mode 'reflect' takes its values from the input; value=1.0 has no meaning there",
        ),
        (
            (-3, -1),
            "constant",
            None,
            r"sizes \(-3, -1\) don't fit dim 2: of its 3 elements 0 are left$",
        ),
        (
            (3, 0),
            "reflect",
            None,
            r"sizes \(3, 0\) don't fit dim 2: of its 3 elements 3 are left, and mode 'reflect' "
            r"can add at most 2",
        ),
        (
            (0, 0, 0, 3),
            "circular",
            None,
            r"sizes \(0, 3\) don't fit dim 1: of its 2 elements 2 are left, and mode 'circular' "
            r"can add at most 2",
        ),
        (
            (1,) * 6,
            "replicate",
            None,
            "mode 'replicate' pads the last one, two or three dims, and leaves one or two; got 3 "
            "pairs",
        ),
    ],
)
def test_refused(sizes, mode, value, message):
    with pytest.raises(ValueError, match="^pad: " + message):
        F.pad(tinynet.ones(1, 2, 3), sizes, mode, value)


MODULES = [
    (lambda nn: nn.ZeroPad2d((1, 2, 0, -1)), "ZeroPad2d((1, 2, 0, -1))"),
    (lambda nn: nn.ConstantPad2d(2, 3.5), "ConstantPad2d(padding=(2, 2, 2, 2), value=3.5)"),
    (lambda nn: nn.ReflectionPad2d(1), "ReflectionPad2d((1, 1, 1, 1))"),
    (lambda nn: nn.ReplicationPad2d((1, 0, 2, 1)), "ReplicationPad2d((1, 0, 2, 1))"),
    (lambda nn: nn.CircularPad2d([0, 1, 2, 3]), "CircularPad2d((0, 1, 2, 3))"),
]


@pytest.mark.parametrize(("make", "text"), MODULES, ids=[text for _, text in MODULES])
def test_text_of_modules(make, text):
    assert repr(make(nn)) == text


@pytest.mark.parametrize(("make", "text"), MODULES, ids=[text for _, text in MODULES])
def test_modules_are_pytorchs(torch, make, text):
    assert repr(make(torch.nn)).replace("[0, 1, 2, 3]", "(0, 1, 2, 3)") == text
    image = np.random.default_rng(0).standard_normal((2, 3, 5, 4))
    np.testing.assert_array_equal(
        make(nn)(tinynet.tensor(image)).numpy(), make(torch.nn)(torch.tensor(image)).numpy()
    )


@pytest.mark.parametrize("sizes", [(1, 2.0), 3, (1, True), ("1", "1")])
def test_refused_types(sizes):
    with pytest.raises(TypeError, match="^pad: sizes must be ints in pairs"):
        F.pad(tinynet.ones(1, 2, 3), sizes)


@pytest.mark.parametrize(
    ("padding", "error"),
    [((1, 2), ValueError), ("same", TypeError), (1.5, TypeError), (True, TypeError),
     ((1, 2, 3, 4.0), TypeError)],
)  # fmt: skip
def test_modules_refuse(padding, error):
    with pytest.raises(
        error, match=r"ZeroPad2d: padding must be an int or \(left, right, top, bottom\)"
    ):
        nn.ZeroPad2d(padding)
