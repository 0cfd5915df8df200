"""Gradients and second-order gradients of every operation against central differences.

In float64, on a GPU or its stand-in.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

import compat_operations
import numpy as np
import pytest
from gpu_cases import CASES, On, batch_norm, named, on_device, seeded
from nn_operations import call, classes
from operations import Case, other, positive, real, run

import tinynet
import tinynet.nn.functional as F
from tinynet.autograd import Node, Primitive

f64 = np.float64
# Words in the names of cases that central differences can't check, because there the function has a
# kink, is infinite, or is one of whole numbers.
NOT_SMOOTH = (
    "special", "ties", "extremes", "infinite", "at the bounds", "all ignored", "argmax", "argmin",
    "int64", "to and back", "floats into",
)  # fmt: skip
# Numbers in the inputs of a case at most: central differences evaluate the function four times for
# each number, and as often again for each order.
LARGEST = 12


def statistics(T):
    return T.full((2,), 0.3, dtype=f64), T.full((2,), 2.5, dtype=f64)


def pool_gradient(T, x, g):
    return T.grad(T.nn.functional.max_pool2d(x, 2, 1), x, g, create_graph=True)


def norm_gradient(T, x, w, g):
    y = T.nn.functional.batch_norm(x, *statistics(T), w)
    return T.grad(y, (x, w), g, create_graph=True)


def weighted_cross_entropy(T, x):
    target, weight = on_device(x, classes(3, C=4, ignored=-100)), T.tensor(positive(4, dtype=f64))
    return T.nn.functional.cross_entropy(x, target, weight, label_smoothing=0.1)


# Operations whose other cases are larger than LARGEST.
SMALL = [
    named("linear", real(2, 3), other(2, 3), real(2)),
    named(
        "conv2d", real(1, 1, 3, 3), other(2, 1, 2, 1), real(2),
        stride=(2, 1), padding=(0, 1), dilation=(2, 1),
    ),
    named("conv2d groups", real(1, 2, 2, 3), other(2, 1, 1, 2), groups=2),
    named(
        "conv_transpose2d", real(1, 1, 2, 2), other(1, 2, 2, 1), real(2),
        stride=(2, 1), output_padding=(1, 0),
    ),
    named(
        "unfold", real(1, 2, 2, 3),
        kernel_size=(2, 1), dilation=(1, 2), padding=(0, 1), stride=(2, 1),
    ),
    named("fold", real(1, 4, 2), output_size=(2, 3), kernel_size=(2, 2), stride=(1, 1)),
    named("max_pool2d", real(1, 1, 3, 4), kernel_size=2, stride=1),
    Case("max_pool2d, third order", pool_gradient, (real(1, 1, 2, 3), other(1, 1, 1, 2))),
    named("avg_pool2d", real(1, 1, 3, 4), kernel_size=(2, 3), stride=(1, 2), padding=(0, 1)),
    named("adaptive_avg_pool2d", real(1, 1, 3, 4), output_size=(2, 3)),
    named("adaptive_max_pool2d", real(1, 1, 3, 4), output_size=(2, 3)),
    named("interpolate nearest", real(1, 1, 2, 3), size=(3, 2), mode="nearest"),
    named("interpolate bilinear", real(1, 1, 2, 3), size=(3, 2), mode="bilinear"),
    *[
        named(f"pad {mode}", real(1, 1, 2, 3), pad=(1, 1, 0, 1), mode=mode)
        for mode in ("constant", "reflect", "replicate", "circular")
    ],
    Case("batch_norm", batch_norm, (real(2, 2, 1, 2), other(2), real(2))),
    Case(
        "batch_norm evaluation of vectors",
        lambda T, x: T.nn.functional.batch_norm(x, *statistics(T)),
        (real(3, 2),),
    ),
    Case(
        "batch_norm evaluation",
        lambda T, x, w, b: T.nn.functional.batch_norm(x, *statistics(T), w, b),
        (real(2, 2, 1, 2), other(2), real(2)),
    ),
    Case(
        "batch_norm evaluation, third order",
        norm_gradient,
        (real(1, 2, 1, 2), other(2), other(1, 2, 1, 2)),
    ),
    named("instance_norm", real(2, 1, 2, 2)),
    Case(
        "layer_norm",
        lambda T, x, w, b: T.nn.functional.layer_norm(x, (3,), w, b),
        (real(2, 3), other(3), real(3)),
    ),
    Case(
        "group_norm",
        lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b),
        (real(1, 4, 1), other(4), real(4)),
    ),
    Case("dropout", seeded(call("dropout", p=0.3)), (real(2, 4),)),
    Case("dropout2d", seeded(call("dropout2d", p=0.5)), (real(2, 3, 1, 2),)),
    named("cosine_similarity", real(2, 3), other(2, 3)),
    Case("to_device", lambda T, x: (x.exp().cpu() * 2.0).to(x.device).sin(), (real(2, 3),)),
    Case("floor_divide", lambda T, a, b: a // b, (real(2, 3), other(2, 3))),
    Case("extremes of all", lambda T, a: (a.max(), a.min()), (real(2, 3),)),
    Case("clamp by tensors", lambda T, *a: T.clamp(*a), (real(2, 3), other(2, 3) - 1, real(3))),
    Case("cross_entropy weight, ignored", weighted_cross_entropy, (real(3, 4),)),
    named("mse_loss", real(2, 3), other(2, 3)),
    named("l1_loss", real(2, 3), other(2, 3), reduction="sum"),
    named("smooth_l1_loss", real(2, 3), other(2, 3), beta=0.7),
    named("huber_loss", real(2, 3), other(2, 3), delta=1.5),
    named("binary_cross_entropy_with_logits", real(2, 3), positive(3, 2).T / 8),
    named("binary_cross_entropy", 0.2 + positive(2, 3) / 6, 0.1 + positive(3, 2).T / 8),
    named("kl_div", real(2, 3), positive(3, 2).T),
    # the element-wise functions of compat
    *[case for case in compat_operations.CASES if case.name in compat_operations.UNARY],
]  # fmt: skip


def differentiable(case: Case) -> bool:
    outputs = case.f(
        tinynet, *[tinynet.tensor(a, requires_grad=a.dtype.kind == "f") for a in case.inputs]
    )
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    return any(y.is_floating_point() for y in outputs)


def number_count(case: Case) -> int:
    """Floats in the inputs; 0 if an input of floats is empty."""
    sizes = [a.size for a in case.inputs if a.dtype.kind == "f"]
    return sum(sizes) if sizes and min(sizes) else 0


def chosen() -> dict[str, Case]:
    """SMALL, and of each operation the largest other case with at most LARGEST numbers.

    The operation is the first word of a case's name.
    """
    found: dict[str, Case] = {}
    for name, case in CASES.items():
        smooth = case.order == 2 and not any(words in name for words in NOT_SMOOTH)
        if smooth and 0 < number_count(case) <= LARGEST:
            word = name.split()[0]
            if word not in found or number_count(case) > number_count(found[word]):
                found[word] = case
    in_float64 = [
        case._replace(
            inputs=tuple([a.astype(f64) if a.dtype.kind == "f" else a for a in case.inputs])
        )
        for case in [*found.values(), *SMALL]
    ]
    return {case.name: case for case in in_float64 if differentiable(case)}


CHOSEN = chosen()
# Derivatives that central differences can't check, as (name of the primitive, number of the input).
NOT_BY_DIFFERENCES = {
    # between two precisions of floats, of which the coarser has no small differences;
    # test_gpu_equal.py compares it with the CPU
    ("cast", 0),
    # of the condition, which is not a float
    ("where", 0),
    # the norm with p = 0 counts, so it has none
    ("norm", 0),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_gradcheck(name, last_gpu):
    case = CHOSEN[name]
    inputs = [
        tinynet.tensor(a, device=last_gpu, requires_grad=a.dtype.kind == "f") for a in case.inputs
    ]
    assert tinynet.gradcheck(lambda *tensors: case.f(On(last_gpu), *tensors), inputs)


@contextlib.contextmanager
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, int]]]:
    """Yields the derivatives computed inside, as (name of the primitive, number of the input)."""
    seen: set[tuple[str, int]] = set()
    gradients = Node.gradients

    def noted(node, g, positions):
        seen.update((node.primitive.name, 0 if node.primitive.variadic else i) for i in positions)
        return gradients(node, g, positions)

    with monkeypatch.context() as patch:
        patch.setattr(Node, "gradients", noted)
        yield seen


def test_every_derivative_is_checked(gpu, monkeypatch):
    """Every derivative of every primitive of tinynet takes part in a case.

    Primitives without any compute no floats, as comparisons. (Of a result with floats, no node can
    be made without them, so nobody can forget to declare them.)
    """
    modules = ("tinynet.autograd", "tinynet.tensor", "tinynet.ops.", "tinynet.nn.functional.")
    gc.unfreeze()  # conftest.py froze what was there when the suite began: now it is listed again
    primitives = {
        p.name: p
        for p in gc.get_objects()
        if type(p) is Primitive
        and p.rules != []  # one rule for all inputs is in a dict, empty before its first use
        and p.forward.__module__.startswith(modules)
    }
    gc.freeze()
    assert len(primitives) > 60
    every = {(name, i) for name, p in primitives.items() for i in range(len(p.inputs) or 1)}
    with watching(monkeypatch) as seen:
        for case in CHOSEN.values():
            run(On("cuda"), case)  # two orders, as gradcheck
    lacking = every - seen - NOT_BY_DIFFERENCES
    assert not lacking, f"add cases for {lacking}"
    assert NOT_BY_DIFFERENCES <= every - seen, "these have cases"


def test_every_function_is_checked():
    words = {name.split()[0] for name in CHOSEN}
    lacking = [
        name for name in F.__all__ if name not in words and name != "one_hot"
    ]  # which has no floats
    assert not lacking, f"add cases for {lacking}"
