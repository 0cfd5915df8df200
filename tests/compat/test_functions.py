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


@pytest.mark.filterwarnings("ignore:The reduce argument")
@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_other_values(case, torch):
    inputs = tuple(x * np.asarray(0.9, x.dtype) if x.dtype.kind == "f" else x for x in case.inputs)
    compare(run(tinynet, case, inputs), run(torch, case, inputs))


REFUSALS = [
    (lambda x: x.cross(x), RuntimeError, r"cross: expected size 3 along dim -1, got \(2, 4\)"),
    (lambda x: x[:, :0].mode(), ValueError, r"mode: shape \(2, 0\) has no element along dim -1"),
    (lambda x: tinynet.mode([1, 2]), TypeError, "mode: expected a tensor first"),
    (lambda x: x.scatter_reduce(0, x.long(), x, "prod"), ValueError, "scatter_reduce: reduce must"),
    (lambda x: x.int().scatter_reduce(0, x.long(), x, "sum"), RuntimeError,
     "scatter_reduce: src is float32, but input int32"),
    (lambda x: x.tensor_split(0), ValueError, "tensor_split: indices_or_sections must be an int"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), REFUSALS)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call(tinynet.zeros(2, 4))


def test_results_into_a_tensor_that_is_there():
    out = tinynet.empty(2, 2)
    assert tinynet.kron(tinynet.eye(2), tinynet.ones(1, 1), out=out) is out
    assert out.tolist() == [[1, 0], [0, 1]]
    assert tinynet.cummax(tinynet.tensor([1, 3, 2]), axis=0).values.tolist() == [1, 3, 3]


def test_memory_formats_mean_nothing():
    x = tinynet.ones(1, 2, 3, 3)
    for given in (tinynet.preserve_format, tinynet.contiguous_format, tinynet.channels_last):
        assert tinynet.zeros_like(x, memory_format=given).tolist() == (x * 0).tolist()
        assert x.clone(memory_format=given).tolist() == x.tolist()
        assert x.contiguous(memory_format=given).is_contiguous()
        assert x.to("cpu", memory_format=given) is x
    layer = tinynet.nn.Linear(1, 1)
    assert layer.to(memory_format=tinynet.channels_last) is layer
    assert repr(tinynet.channels_last) == "torch.channels_last"
    with pytest.raises(TypeError, match="clone: memory_format must be torch.preserve.*'f'"):
        x.clone(memory_format="f")


def test_the_number_of_changes():
    x = tinynet.ones(2)
    assert x._version == 0
    x += 1
    x[0].mul_(2)
    assert (x._version, x[1]._version, x.detach()._version, x.data._version) == (2, 2, 2, 0)


def test_the_angle_of_no_vector_has_slope_0():
    y = tinynet.tensor([0.0, 1.0], requires_grad=True)
    tinynet.atan2(y, y.detach()).sum().backward()
    assert y.grad.tolist() == [0.0, 0.5]
