"""Functions, methods and typed classes in `tinynet/compat`, beside what PyTorch answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from compat_operations import CASES, RECORD
from operations import compare, run, unpack

import tinynet

ANSWERS = json.loads(RECORD.read_text())


def by_name(case):
    return case.name


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_recorded_answers(case):
    compare(run(tinynet, case), unpack(ANSWERS[case.name]))


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_other_values(case, torch):
    inputs = tuple(x * np.asarray(0.9, x.dtype) if x.dtype.kind == "f" else x for x in case.inputs)
    compare(run(tinynet, case, inputs), run(torch, case, inputs))
