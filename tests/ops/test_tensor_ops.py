"""Every operation on tensors: against PyTorch's recorded answers, central differences, by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from operations import CASES, RECORD, Case, compare, run, unpack

import tinynet

RECORDED = json.loads(RECORD.read_text())


def test_the_record_is_of_this_table():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert set(RECORDED) == set(names), (
        "write it anew: python tests/support/operations.py, with PyTorch installed"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_values_and_derivatives_are_pytorchs(case):
    compare(run(tinynet, case), unpack(RECORDED[case.name]))


def _smooth(case: Case) -> bool:
    # kinks, and ways through float32 and integers, which swallow a step of 1e-6
    kinks = (
        "to ", "float16", "float32, int64", "ties", "special", "at the bounds", "zero base",
        "hides nan", "twice", "nothing", "base 0",
        "pow 0", "pow 1", "of one", "norm inf",
    )  # fmt: skip
    floats = [x for x in case.inputs if x.dtype.kind == "f"]
    differentiable = case.order == 2 and any(RECORDED[case.name]["requires_grad"])
    return (
        differentiable
        and sum(x.size for x in floats) <= 12
        and not any(kink in case.name for kink in kinks)
    )


@pytest.mark.parametrize(
    "case", [case for case in CASES if _smooth(case)], ids=lambda case: case.name
)
def test_derivatives_agree_with_central_differences(case):
    inputs = [
        tinynet.tensor(
            x, dtype=np.float64 if x.dtype.kind == "f" else None, requires_grad=x.dtype.kind == "f"
        )
        for x in case.inputs
    ]

    def f(*tensors):
        outputs = case.f(tinynet, *tensors)
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        return [y for y in outputs if y.dtype == np.float64]

    assert tinynet.gradcheck(f, inputs)


# ------------------------------------------------------------------------------------------ by hand


def test_gradients_of_broadcast_operands_are_sums():
    row = tinynet.tensor([1.0, 2.0, 3.0], requires_grad=True)
    column = tinynet.tensor([[10.0], [20.0]], requires_grad=True)
    (row * column).sum().backward()
    assert row.grad.tolist() == [30.0, 30.0, 30.0]
    assert column.grad.tolist() == [[6.0], [6.0]]


def test_numpy_arrays_on_either_side_give_tensors():
    t = tinynet.ones(2, dtype=tinynet.float64, requires_grad=True)
    a = np.array([2.0, 3.0])
    for result, expected in (
        (a + t, [3, 4]),
        (t + a, [3, 4]),
        (a - t, [1, 2]),
        (a / t, [2, 3]),
        (a**t, [2, 3]),
        (np.float64(2) * t, [2, 2]),
    ):
        assert isinstance(result, tinynet.Tensor)
        assert result.requires_grad
        assert result.tolist() == expected
    assert (a == t).tolist() == [False, False]
    assert (a > t).tolist() == [True, True]
    assert (np.eye(2) @ t).tolist() == [1, 1]


def test_an_array_that_was_used_can_be_changed():
    t = tinynet.ones(2, dtype=tinynet.float64, requires_grad=True)
    a = np.array([2.0, 3.0])
    y = (t * a).sum()
    a[:] = 100
    y.backward()
    assert t.grad.tolist() == [2.0, 3.0]


def test_an_index_that_was_used_can_be_changed():
    t = tinynet.ones(3, requires_grad=True)
    index = tinynet.tensor([0, 0])
    mask = tinynet.tensor([True, False, False])
    y = (t[index] * 2).sum() + (t[mask] * 5).sum()
    index.fill_(2)
    mask.fill_(True)
    y.backward()
    assert t.grad.tolist() == [9.0, 0.0, 0.0]


def test_float32_stays_float32():
    t = tinynet.ones(3, requires_grad=True)
    scalar = tinynet.tensor(2.0, dtype=tinynet.float64)
    for y in (
        t * 2.0,
        t * scalar,
        t / 3,
        t**2,
        t + 1,
        2 - t,
        t.mean() * 2.5,
        t.var(),
        t.softmax(0),
        t.logsumexp(0),
        t.norm(),
        t.clamp(0.0, 1.0),
    ):
        assert y.dtype == tinynet.float32
        (g,) = tinynet.grad(y.sum(), t)
        assert g.dtype == tinynet.float32


def test_element_of_a_matrix_is_a_view():
    t = tinynet.zeros(2, 2)
    one = t[1, 0]
    one.fill_(5)
    t[0, 1] = 7
    assert t.tolist() == [[0.0, 7.0], [5.0, 0.0]]
    assert one.shape == ()


def test_iterating_and_membership():
    t = tinynet.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert [row.tolist() for row in t] == [[1.0, 2.0], [3.0, 4.0]]
    assert 3.0 in t
    assert 5.0 not in t
    assert len(t) == 2


def test_tensors_are_hashed_by_identity():
    a, b = tinynet.ones(2), tinynet.ones(2)
    assert {a: 1, b: 2}[a] == 1
    assert len({a, b, a}) == 2


def test_max_along_a_dim_gives_the_gradient_to_the_first_of_equal_ones():
    t = tinynet.tensor([[1.0, 5.0, 5.0]], requires_grad=True)
    values, indices = t.max(dim=1)
    values.sum().backward()
    assert indices.tolist() == [1]
    assert t.grad.tolist() == [[0.0, 1.0, 0.0]]


def test_amax_shares_the_gradient_among_equal_ones():
    t = tinynet.tensor([[1.0, 5.0, 5.0]], requires_grad=True)
    t.amax(dim=1).sum().backward()
    assert t.grad.tolist() == [[0.0, 0.5, 0.5]]


def test_norm_at_zero_has_gradient_zero():
    t = tinynet.zeros(3, requires_grad=True)
    t.norm().backward()
    assert t.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("function", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("scale", [1.0, 1e4, -1e4])
def test_softmax_family_at_extremes(function, scale):
    x = np.array([[0.3, -1.2, 0.9], [1.0, 1.0, -1.0]]) * scale
    shifted = x - x.max(1, keepdims=True)
    total = np.exp(shifted).sum(1, keepdims=True)
    expected = {
        "logsumexp": (np.log(total) + x.max(1, keepdims=True))[:, 0],
        "softmax": np.exp(shifted) / total,
        "log_softmax": shifted - np.log(total),
    }[function]
    found = getattr(tinynet.tensor(x.astype(np.float32)), function)(1)
    np.testing.assert_allclose(found.numpy(), expected, 2e-6, 1e-6)


def test_infinite_logits():
    t = tinynet.tensor([-math.inf, 0.0, -math.inf], requires_grad=True)
    t.logsumexp(0).backward()
    assert t.grad.tolist() == [0.0, 1.0, 0.0]
    nothing = tinynet.tensor([-math.inf, -math.inf])
    assert nothing.logsumexp(0).item() == -math.inf


def test_sums_of_many_float32_keep_their_accuracy():
    assert tinynet.full((10_000_000,), 0.1).sum().item() == pytest.approx(1_000_000, rel=1e-6)


def test_comparisons_with_numbers_beyond_the_dtype():
    t = tinynet.tensor([0, 200], dtype=tinynet.uint8)
    assert (t < 300).tolist() == [True, True]
    assert (t == -1).tolist() == [False, False]


def test_in_place_operators_change_the_tensor_itself():
    t = tinynet.tensor([5, 7])
    same = t
    t //= 2
    t %= 3
    t |= 4
    t &= 6
    t ^= 1
    assert t is same
    assert t.tolist() == [7, 5]


def test_nan_stays_nan():
    t = tinynet.tensor([math.nan, -1.0], requires_grad=True)
    t.relu().sum().backward()
    assert math.isnan(t.relu()[0].item())
    assert t.grad.tolist() == [1.0, 0.0]
    assert math.isnan(t.max().item())
    assert math.isnan(tinynet.maximum(t, tinynet.ones(2))[0].item())
    assert math.isnan(t.sign()[0].item())


def test_what_leaves_the_library():
    t = tinynet.tensor([[1.5, 2.5]])
    assert t.tolist() == [[1.5, 2.5]]
    assert tinynet.tensor(3).item() == 3
    assert isinstance(tinynet.tensor(True).item(), bool)
    assert np.asarray(t).dtype == np.float32
    assert np.array(t, dtype=np.float64).tolist() == [[1.5, 2.5]]
    t.numpy()[0, 0] = 9
    assert t[0, 0].item() == 9
    assert np.from_dlpack(t).tolist() == [[9.0, 2.5]]
    assert f"{tinynet.tensor(2.5):.2f}" == "2.50"
    assert f"{tinynet.tensor(2.5)}" == "2.5"
    assert (int(tinynet.tensor(2.7)), float(tinynet.tensor(3)), [5, 6][tinynet.tensor(1)]) == (
        2,
        3.0,
        6,
    )


def test_conversions_that_change_nothing_return_the_tensor_itself():
    t = tinynet.ones(2)
    assert t.to(tinynet.float32) is t
    assert t.float() is t
    assert t.cpu() is t
    assert t.to(tinynet.float32, copy=True) is not t


def test_how_operations_introduce_themselves():
    assert tinynet.exp.__name__ == "exp"
    for name in (
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "exp",
        "relu",
        "maximum",
        "sum",
        "reshape",
        "where",
        "cat",
    ):
        assert getattr(tinynet, name).__doc__, name
