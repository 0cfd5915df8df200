"""Random programs give what PyTorch gives, and the comparison finds faults that are put in.

The suite runs few programs. Many more, in two minutes:

    TINYNET_PROGRAMS=1500 pytest tests/project/test_random_programs.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from program_differences import ON_PURPOSE, against_differences, difference
from random_programs import write

import tinynet
from tinynet.autograd import cast, Primitive
from tinynet.autograd.inplace import copy_slices
from tinynet.ops import elementwise, indexing, operands, reductions, shapes
from tinynet.ops.conv import plain

# An owner, the name of what is replaced there, and by what.
Change = tuple[Any, str, Any]


PROGRAMS = int(os.environ.get("TINYNET_PROGRAMS", "300"))
SMOOTH_PROGRAMS = PROGRAMS // 3

# Programs whose verdict is no fault of ours, by seed.
NO_VERDICT = {
    1092: "PyTorch takes for a leaf what a transposition of a dim with itself gives",
    1109: "the logarithm of a rounding error, once above 0 and once below",
}


def test_random_programs_give_what_pytorch_gives(torch):
    for seed in sorted({*range(PROGRAMS), *FOUND_BY.values()} - set(NO_VERDICT)):
        lines, _ = write(seed, [tinynet, torch])
        found = difference(lines, tinynet, torch)
        assert found is None, "\n".join([f"seed {seed}: {found}", *lines])


def test_gradients_of_smooth_programs_are_central_differences():
    for seed in sorted({*range(SMOOTH_PROGRAMS), *SMOOTH_FOUND_BY.values()}):
        found = against_differences(seed, tinynet)
        assert found is None, f"seed {seed}\n{found}"


def test_a_program_does_not_depend_on_the_oracle():
    """A seed writes the same lines wherever the first framework is the same."""
    assert write(7, [tinynet])[0] == write(7, [tinynet, tinynet])[0]
    assert difference(write(7, [tinynet])[0], tinynet, tinynet) is None


def test_differences_on_purpose_have_reasons():
    assert all(pattern and reason for pattern, reason in ON_PURPOSE)


# --- faults, put in -------------------------------------------------------------------------------


def primitive_of(operation: Any) -> Primitive:
    """The primitive behind an element-wise operation."""
    return operation.derivatives.__self__


def derivative(operation: Any, position: int, function: Callable[..., Any]) -> Change:
    """Another derivative for the input at `position`."""
    primitive = operation if isinstance(operation, Primitive) else primitive_of(operation)
    rules = list(primitive.rules)
    rules[position] = type(rules[position])(primitive.inputs, function)
    return primitive, "rules", rules


def as_positions(name: str, array: Any, part: Any) -> Any:
    is_bytes = isinstance(part, tinynet.Tensor) and part.dtype == np.uint8
    return AS_PART(name, array, part.long() if is_bytes else part)


AS_PART = indexing._as_part

# What PyTorch's answers find: each takes something back that was mended. (Gradients of extremes at
# nan, and copies of contiguous(), need more programs; test_operation_corners.py has them.)
MENDED: dict[str, Callable[[], Change]] = {
    "flip gives a view": lambda: (
        shapes._flip, "forward", lambda xp, a, *, dims: xp.flip(a, dims)),
    "repeat gives a view": lambda: (
        shapes._tile, "forward", lambda xp, a, *, shape: shapes._broadcast(xp, a, shape=shape)),
    "div needs its result": lambda: derivative(
        elementwise.div, 1, lambda g, y, b: -g * (y / b)),
    "maximum needs its result": lambda: derivative(
        elementwise.maximum, 0, lambda g, y, a, b: elementwise.where(y == a, g * 1.0, 0.0)),
    "sums of integers are wide": lambda: (
        reductions._sum, "forward",
        lambda xp, a, *, dims, keepdim: a.sum(axis=dims, keepdims=keepdim)),
    "the slope of 0 ** x is 0": lambda: derivative(
        elementwise.pow, 1, lambda g, y, a: g * elementwise.where(
            a == 0, 0.0, y * elementwise.log(elementwise.where(a == 0, 1.0, a)))
        if isinstance(a, tinynet.Tensor) else g * 0.0),
    "steps turn nan into nan": lambda: derivative(elementwise.floor, 0, lambda g: g * 0.0),
    "integers swallow nan": lambda: (
        operands, "number_for", lambda name, value, dtype: np.asarray(value).astype(dtype).item()),
    "bools are subtracted": lambda: (operands, "_refuse_kinds", lambda *given: None),
    "positions wrap round": lambda: (indexing, "check_range", lambda *given: None),
    "bytes are positions": lambda: (indexing, "_as_part", as_positions),
    "clamp gives bounds no gradient": lambda: derivative(
        elementwise._clamp, 1, lambda g: g * 0.0),
    "any of bytes is a bool": lambda: (reductions, "cast", lambda a, dtype: (
        a if a.array.dtype == bool and dtype == np.uint8 else cast(a, dtype=dtype))),
}

# What central differences find, without PyTorch.
SMOOTH: dict[str, Callable[[], Change]] = {
    "sin": lambda: derivative(elementwise.sin, 0, lambda g, a: -g * elementwise.cos(a)),
    "cos, of second order": lambda: derivative(
        elementwise.cos, 0, lambda g, a: -(g * elementwise.sin(a)).detach()),
    "a view": lambda: derivative(
        shapes._permute, 0, lambda g, dims: shapes._permute(g, dims=dims)),
    "a broadcast": lambda: derivative(
        shapes._stretch, 0, lambda g, a_shape: shapes._sum_to(g, shape=a_shape) * 2.0),
    "what is overwritten": lambda: derivative(copy_slices, 0, lambda g: g * 1.0),
    "conv2d": lambda: derivative(plain.conv2d, 0, lambda g, w, geometry: (
        plain.conv2d_input_grad(g, w, geometry=geometry) * 0.5)),
}


# The first program that finds each fault. If `write` draws other programs: a long run tells them.
FOUND_BY = {
    "flip gives a view": 250, "repeat gives a view": 196, "div needs its result": 65,
    "maximum needs its result": 131, "sums of integers are wide": 282,
    "the slope of 0 ** x is 0": 351, "steps turn nan into nan": 123, "integers swallow nan": 5,
    "bools are subtracted": 0, "positions wrap round": 5, "bytes are positions": 2,
    "clamp gives bounds no gradient": 1196, "any of bytes is a bool": 168,
}  # fmt: skip
SMOOTH_FOUND_BY = {
    "sin": 43, "cos, of second order": 60, "a view": 92, "a broadcast": 2, "what is overwritten": 0,
    "conv2d": 26,
}  # fmt: skip


def put_in(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, value = change
    monkeypatch.setattr(owner, name, value)
    if name == "forward":
        monkeypatch.setattr(owner, "quiet_forward", value)


@pytest.mark.parametrize("fault", MENDED)
def test_a_fault_is_found(torch, fault, monkeypatch):
    put_in(MENDED[fault](), monkeypatch)
    for seed in [FOUND_BY[fault], *sorted(set(range(PROGRAMS)) - set(NO_VERDICT))]:
        lines, _ = write(seed, [tinynet, torch])
        if difference(lines, tinynet, torch) is not None:
            assert seed == FOUND_BY[fault], f"write {seed} into FOUND_BY"
            return
    pytest.fail(f"{PROGRAMS} programs did not find that {fault}; try TINYNET_PROGRAMS=1500")


@pytest.mark.parametrize("fault", SMOOTH)
def test_a_wrong_derivative_is_found(fault, monkeypatch):
    put_in(SMOOTH[fault](), monkeypatch)
    for seed in [SMOOTH_FOUND_BY[fault], *range(SMOOTH_PROGRAMS)]:
        try:
            found = against_differences(seed, tinynet)
        except RuntimeError:  # the engine has noticed a gradient of the wrong shape
            found = "an error"
        if found is not None:
            assert seed == SMOOTH_FOUND_BY[fault], f"write {seed} into SMOOTH_FOUND_BY"
            return
    pytest.fail(f"{SMOOTH_PROGRAMS} programs did not find a wrong derivative of {fault}; try "
                "TINYNET_PROGRAMS=1500")
