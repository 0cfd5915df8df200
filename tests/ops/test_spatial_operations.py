"""Pooling, resizing, padding and normalisation: every case of the table, in four ways."""

from __future__ import annotations

import pytest
from operations import Case
from spatial_operations import (
    CASES, NORMALIZATION_CASES, ODD_WINNERS, PADDING_CASES, POOLING_CASES, RESIZING_CASES,
    gradients_right, images, same_as_recorded, same_batch_innermost, same_on_gpu, smooth,
)  # fmt: skip

# what has no ties whose winner PyTorch alone defines
DEFINED = [case for case in CASES if case not in ODD_WINNERS]


def first_result(case: Case) -> Case:
    """The case without the running averages, which have no gradient."""

    def f(T, *inputs):
        result = case.f(T, *inputs)
        return result[0] if isinstance(result, tuple) else result

    return Case(case.name, f, case.inputs)


# gradcheck is slow: a part of the cases stands for all where they differ little
GRADCHECKED = [
    *smooth(POOLING_CASES),
    *smooth(RESIZING_CASES)[::3],
    *smooth(PADDING_CASES)[::2],
    *[
        first_result(case)
        for case in smooth(NORMALIZATION_CASES)
        if case.inputs[0].size <= 24 and "evaluation" not in case.name
    ],
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_recorded(case):
    same_as_recorded(case)


@pytest.mark.parametrize(
    "case", [c for c in DEFINED if "running" not in c.name], ids=lambda c: c.name
)
def test_on_gpu(case, gpu):
    same_on_gpu(case)


@pytest.mark.parametrize("case", images(DEFINED), ids=lambda c: c.name)
def test_memory_order(case):
    same_batch_innermost(case)


@pytest.mark.parametrize("case", GRADCHECKED, ids=lambda c: c.name)
def test_gradcheck(case):
    gradients_right(case)
