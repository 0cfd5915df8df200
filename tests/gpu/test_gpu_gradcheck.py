"""Every operation's gradient and second-order gradient against central differences, in float64, computed on a GPU (the stand-in for one)."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

import numpy as np
import pytest
from nn_operations import call, classes
from operations import Case, other, positive, real, run
from test_gpu_equal import CASES, On, on_device, seeded

import tinynet
import tinynet.nn.functional as F
from tinynet.autograd import Node, Primitive

f64 = np.float64
# Central differences say nothing where a function has a kink, or is infinite, or is made of whole numbers.
NOT_SMOOTH = (
    "special",
    "ties",
    "extremes",
    "infinite",
    "at the bounds",
    "all ignored",
    "argmax",
    "argmin",
    "int64",
    "to and back",
    "floats into",
)
LARGEST = 12  # numbers in the inputs: central differences take four evaluations for each, and as many again for each order


def statistics(T):
    return T.full((2,), 0.3, dtype=f64), T.full((2,), 2.5, dtype=f64)


# The operations whose cases elsewhere are larger than that.
SMALL = [
    Case("linear", call("linear"), (real(2, 3), other(2, 3), real(2))),
    Case("conv2d", call("conv2d", stride=(2, 1), padding=(0, 1), dilation=(2, 1)), (real(1, 1, 3, 3), other(2, 1, 2, 1), real(2))),
    Case("conv2d groups", call("conv2d", groups=2), (real(1, 2, 2, 3), other(2, 1, 1, 2))),
    Case("conv_transpose2d", call("conv_transpose2d", stride=(2, 1), output_padding=(1, 0)), (real(1, 1, 2, 2), other(1, 2, 2, 1), real(2))),
    Case("unfold", call("unfold", kernel_size=(2, 1), dilation=(1, 2), padding=(0, 1), stride=(2, 1)), (real(1, 2, 2, 3),)),
    Case("fold", call("fold", output_size=(2, 3), kernel_size=(2, 2), stride=(1, 1)), (real(1, 4, 2),)),
    Case("max_pool2d", call("max_pool2d", kernel_size=2, stride=1), (real(1, 1, 3, 4),)),
    Case("max_pool2d, third order", lambda T, x, g: T.grad(T.nn.functional.max_pool2d(x, 2, 1), x, g, create_graph=True), (real(1, 1, 2, 3), other(1, 1, 1, 2))),
    Case("avg_pool2d", call("avg_pool2d", kernel_size=(2, 3), stride=(1, 2), padding=(0, 1)), (real(1, 1, 3, 4),)),
    Case("adaptive_avg_pool2d", call("adaptive_avg_pool2d", output_size=(2, 3)), (real(1, 1, 3, 4),)),
    Case("adaptive_max_pool2d", call("adaptive_max_pool2d", output_size=(2, 3)), (real(1, 1, 3, 4),)),
    Case("interpolate nearest", call("interpolate", size=(3, 2), mode="nearest"), (real(1, 1, 2, 3),)),
    Case("interpolate bilinear", call("interpolate", size=(3, 2), mode="bilinear"), (real(1, 1, 2, 3),)),
    *[Case(f"pad {mode}", call("pad", pad=(1, 1, 0, 1), mode=mode), (real(1, 1, 2, 3),)) for mode in ("constant", "reflect", "replicate", "circular")],
    Case("batch_norm", lambda T, x, w, b: T.nn.functional.batch_norm(x, None, None, w, b, training=True), (real(2, 2, 1, 2), other(2), real(2))),
    Case("batch_norm evaluation of vectors", lambda T, x: T.nn.functional.batch_norm(x, *statistics(T)), (real(3, 2),)),
    Case("batch_norm evaluation", lambda T, x, w, b: T.nn.functional.batch_norm(x, *statistics(T), w, b), (real(2, 2, 1, 2), other(2), real(2))),
    Case("batch_norm evaluation, third order", lambda T, x, w, g: T.grad(T.nn.functional.batch_norm(x, *statistics(T), w), (x, w), g, create_graph=True), (real(1, 2, 1, 2), other(2), other(1, 2, 1, 2))),
    Case("instance_norm", call("instance_norm"), (real(2, 1, 2, 2),)),
    Case("layer_norm", lambda T, x, w, b: T.nn.functional.layer_norm(x, (3,), w, b), (real(2, 3), other(3), real(3))),
    Case("group_norm", lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b), (real(1, 4, 1), other(4), real(4))),
    Case("dropout", seeded(call("dropout", p=0.3)), (real(2, 4),)),
    Case("dropout2d", seeded(call("dropout2d", p=0.5)), (real(2, 3, 1, 2),)),
    Case("cosine_similarity", call("cosine_similarity"), (real(2, 3), other(2, 3))),
    Case("to_device", lambda T, x: (x.exp().cpu() * 2.0).to(x.device).sin(), (real(2, 3),)),
    Case("floor_divide", lambda T, a, b: a // b, (real(2, 3), other(2, 3))),
    Case("cross_entropy weight, ignored", lambda T, x: T.nn.functional.cross_entropy(
        x, on_device(x, classes(3, C=4, ignored=-100)), T.tensor(positive(4, dtype=f64)), label_smoothing=0.1), (real(3, 4),)),
    *[Case(name, call(name, **options), (real(2, 3), other(2, 3))) for name, options in
      {"mse_loss": {}, "l1_loss": {"reduction": "sum"}, "smooth_l1_loss": {"beta": 0.7}, "huber_loss": {"delta": 1.5}}.items()],
    Case("binary_cross_entropy_with_logits", call("binary_cross_entropy_with_logits"), (real(2, 3), positive(3, 2).T / 8)),
    Case("binary_cross_entropy", call("binary_cross_entropy"), ((0.2 + positive(2, 3) / 6), (0.1 + positive(3, 2).T / 8))),
]  # fmt: skip


def differentiable(case: Case) -> bool:
    outputs = case.f(
        tinynet, *[tinynet.tensor(a, requires_grad=a.dtype.kind == "f") for a in case.inputs]
    )
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    return any(y.is_floating_point() for y in outputs)


def chosen() -> dict[str, Case]:
    """Of each operation (the first word of its cases' names) the largest case that is small enough, and SMALL."""
    found: dict[str, Case] = {}
    for name, case in CASES.items():
        sizes = [a.size for a in case.inputs if a.dtype.kind == "f"]
        if (
            sizes
            and min(sizes)
            and sum(sizes) <= LARGEST
            and case.order == 2
            and not any(words in name for words in NOT_SMOOTH)
        ):
            word = name.split()[0]
            if word not in found or sum(sizes) > sum(
                a.size for a in found[word].inputs if a.dtype.kind == "f"
            ):
                found[word] = case
    in_float64 = [
        case._replace(
            inputs=tuple([a.astype(f64) if a.dtype.kind == "f" else a for a in case.inputs])
        )
        for case in [*found.values(), *SMALL]
    ]
    return {case.name: case for case in in_float64 if differentiable(case)}


CHOSEN = chosen()
# Derivatives that central differences can't check: (primitive, input).
NOT_BY_DIFFERENCES = {
    (
        "cast",
        0,
    ): "between floats of two precisions, of which the coarser has no small differences; compared with the CPU in test_gpu_equal.py",
    ("where", 0): "of the condition, which is no float",
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
    """Which derivatives are asked for inside: an operation's name and the number of its input."""
    seen: set[tuple[str, int]] = set()
    gradients = Node.gradients

    def noted(node, g, positions):
        seen.update((node.primitive.name, 0 if node.primitive.variadic else i) for i in positions)
        return gradients(node, g, positions)

    with monkeypatch.context() as patch:
        patch.setattr(Node, "gradients", noted)
        yield seen


def test_every_derivative_is_checked(gpu, monkeypatch):
    """Each input of each primitive of tinynet's: what has no case above is named here."""
    modules = ("tinynet.autograd", "tinynet.tensor", "tinynet.ops.", "tinynet.nn.functional.")
    primitives = {
        p.name: p
        for p in gc.get_objects()
        if type(p) is Primitive and p.forward.__module__.startswith(modules)
    }
    assert len(primitives) > 60
    every = {(name, i) for name, p in primitives.items() for i in range(len(p.inputs) or 1)}
    with watching(monkeypatch) as seen:
        for case in CHOSEN.values():
            run(On("cuda"), case)  # two orders, as gradcheck
    lacking = every - seen - set(NOT_BY_DIFFERENCES)
    assert not lacking, f"add cases for {lacking}"
    assert set(NOT_BY_DIFFERENCES) <= every - seen, "these have cases"


def test_every_function_is_checked():
    words = {name.split()[0] for name in CHOSEN}
    lacking = [
        name for name in F.__all__ if name not in words and name != "one_hot"
    ]  # which has no floats
    assert not lacking, f"add cases for {lacking}"
