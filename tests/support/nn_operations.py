"""Activations and losses as cases in the manner of `operations`: the same function is handed
tinynet or PyTorch as ``T``.

What PyTorch answered once is in ``data/torch_nn_operations.json``,
written by ``python tests/nn_operations.py``.
"""

from __future__ import annotations

import itertools
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from operations import Case, other, pack, real, run

import tinynet

RECORD = Path(__file__).parent / "recorded" / "torch_nn_operations.json"
f32, f64 = np.float32, np.float64
EXTREMES = np.array(
    [-math.inf, -1e4, -88.0, -3.0, -1.0, -0.5, -1e-20, 0.5, 1.0, 2.0, 6.0, 88.0, 1e4, math.inf], f32
)


def probabilities(x: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-x.astype(f64)))).astype(x.dtype)


def distribution(x: np.ndarray) -> np.ndarray:
    """Along the classes, dim 1 (or the only one)."""
    e = np.exp(x.astype(f64))
    return (e / e.sum(axis=min(1, x.ndim - 1), keepdims=True)).astype(x.dtype)


def classes(*shape: int, C: int, ignored: int | None = None) -> np.ndarray:
    """Class numbers, every third of them `ignored`."""
    numbers = (np.arange(math.prod(shape)) * 7 + 1) % C
    return np.where(
        np.arange(math.prod(shape)) % 3 == 1, numbers if ignored is None else ignored, numbers
    ).reshape(shape)


def call(name: str, **options: Any) -> Any:
    return lambda T, *tensors: getattr(T.nn.functional, name)(*tensors, **options)


ACTIVATIONS = {
    "relu": {}, "leaky_relu": {}, "leaky_relu 0.3": {"negative_slope": 0.3},
    "leaky_relu minus": {"negative_slope": -0.3},
    "elu": {}, "elu 2.5": {"alpha": 2.5}, "gelu": {}, "gelu tanh": {"approximate": "tanh"},
    "silu": {}, "sigmoid": {}, "tanh": {},
    "softplus": {}, "softplus 3": {"beta": 3.0},
    "softplus low threshold": {"beta": 2, "threshold": 1.3}, "hardtanh": {},
    "hardtanh wide": {"min_val": -2.0, "max_val": 0.45}, "relu6": {}, "softmax": {"dim": 1},
    "softmax 0": {"dim": 0},
    "log_softmax": {"dim": -1}, "log_softmax 0": {"dim": 0}, "normalize": {},
    "normalize 0": {"dim": 0}, "normalize 3": {"p": 3.0},
    "normalize eps": {"eps": 2.5, "dim": 0}, "normalize both": {"dim": (0, 1)},
}  # fmt: skip

ACTIVATION_CASES = [
    *[Case(name, call(name.split()[0], **options), (1.6 * real(3, 4, dtype=f64),)) for name,
        options in ACTIVATIONS.items()],
    *[
        Case(f"{name} float32", call(name.split()[0], **options), (3 * other(2, 3, 2),))
        for name, options in ACTIVATIONS.items()
        if options != {"dim": (0, 1)}
    ],
    *[
        Case(f"{name} extremes", call(name.split()[0], **options), (EXTREMES,))
        for name, options in ACTIVATIONS.items()
        if "dim" not in options and "normalize" not in name
    ],
    Case("softmax extremes", call("softmax", dim=1),
        (np.array([[1e4, 0.0, -1e4], [-math.inf, 0, 1]], f32),)),
    Case("log_softmax extremes", call("log_softmax", dim=1),
        (np.array([[1e4, 0.0, -1e4], [-1e30, 0, 1]], f32),)),
    Case("softmax 0-d", call("softmax", dim=0), (np.array(2.0, f32),)),
    Case("softmax dtype", lambda T, x: T.nn.functional.softmax(x, 0, dtype=T.float64),
        (np.array([1, 2, 4]),)),
    Case("hardtanh ints", call("hardtanh"), (np.array([-3, 0, 5]),)),
    Case("relu6 ints", call("relu6"), (np.array([-3, 0, 9]),)),
    Case("erf", lambda T, x: T.erf(x), (1.6 * real(3, 4, dtype=f64),)),
    Case("erf extremes", lambda T, x: T.erf(x), (EXTREMES,)),
    Case("cosine_similarity", call("cosine_similarity"),
        (real(3, 4, dtype=f64), other(3, 4, dtype=f64))),
    Case("cosine_similarity 0", call("cosine_similarity", dim=0), (real(3, 4), other(3, 4))),
    Case("cosine_similarity broadcast", call("cosine_similarity", dim=2),
        (real(2, 1, 4), other(3, 4))),
]  # fmt: skip

_x, _y = real(3, 4, dtype=f64), other(3, 4, dtype=f64)
_p, _q = probabilities(_x), probabilities(_y)
_w = np.abs(other(4, dtype=f64))
_images, _seg = real(2, 3, 2, 3, dtype=f64), classes(2, 2, 3, C=3)
_w3 = np.abs(real(3, dtype=f64))
_infinite = np.array([[-math.inf, 0], [1, 2]], f32)


def weighted(name: str, weight: np.ndarray, what: str = "weight", **options: Any) -> Any:
    return lambda T, *tensors: getattr(T.nn.functional, name)(
        *tensors, **{what: T.tensor(weight)}, **options
    )


LOSS_CASES = [
    *[
        Case(f"{name}{tag} {reduction}", call(name, reduction=reduction, **options), inputs)
        for reduction in ("none", "mean", "sum")
        for name, tag, options, inputs in (
            ("mse_loss", "", {}, (_x, _y)), ("l1_loss", "", {}, (_x, _y)),
            ("smooth_l1_loss", "", {}, (_x, _y)),
            ("smooth_l1_loss", " 2.5", {"beta": 2.5}, (_x, _y)),
            ("smooth_l1_loss", " 0", {"beta": 0}, (_x, _y)),
            ("huber_loss", "", {}, (_x, _y)), ("huber_loss", " 2.5", {"delta": 2.5}, (_x, _y)),
            ("binary_cross_entropy", "", {}, (_p, _q)),
            ("binary_cross_entropy_with_logits", "", {}, (_x, _q)),
            ("kl_div", "", {}, (np.log(distribution(_x)), distribution(_y))),
            ("kl_div", " log", {"log_target": True},
                (np.log(distribution(_x)), np.log(distribution(_y)))),
            ("cross_entropy", "", {}, (_x, classes(3, C=4))),
            ("cross_entropy", " one", {}, (_x[0], np.array(2))),
            ("cross_entropy", " ignored", {"ignore_index": 2}, (_x, np.array([1, 2, 3]))),
            ("cross_entropy", " images", {}, (_images, _seg)),
            ("cross_entropy", " images ignored", {},
                (_images, classes(2, 2, 3, C=3, ignored=-100))),
            ("cross_entropy", " smoothed", {"label_smoothing": 0.2}, (_x, classes(3, C=4))),
            ("cross_entropy", " smoothed one", {"label_smoothing": 0.2}, (_x[0], np.array(2))),
            ("cross_entropy", " smoothed images", {"label_smoothing": 0.3},
                (_images, classes(2, 2, 3, C=3, ignored=-100))),
            ("cross_entropy", " probabilities", {}, (_x, distribution(_y))),
            ("cross_entropy", " probabilities one", {}, (_x[0], distribution(_y[0]))),
            ("cross_entropy", " probabilities smoothed", {"label_smoothing": 0.2},
                (_x, distribution(_y))),
            ("cross_entropy", " probabilities images", {}, (_images, distribution(_images[::-1]))),
            ("nll_loss", "", {}, (_x, classes(3, C=4))),
            ("nll_loss", " images", {}, (_images, classes(2, 2, 3, C=3, ignored=-100))),
        )
    ],
    *[
        Case(f"{name}{tag} weighted {reduction}",
            weighted(name, weight, what, reduction=reduction, **options), inputs)
        for reduction in ("none", "mean", "sum")
        for name, tag, options, inputs, weight, what in (
            ("mse_loss", "", {}, (_x, _y), np.abs(_y), "weight"),
            ("l1_loss", "", {}, (_x, _y), np.abs(_y), "weight"),
            ("huber_loss", "", {}, (_x, _y), np.abs(_y), "weight"),
            ("binary_cross_entropy", "", {}, (_p, _q), _w, "weight"),
            ("binary_cross_entropy_with_logits", "", {}, (_x, _q), _w, "weight"),
            ("binary_cross_entropy_with_logits", " positive", {}, (_x, _q), _w, "pos_weight"),
            ("cross_entropy", "", {}, (_x, classes(3, C=4)), _w, "weight"),
            ("cross_entropy", " smoothed", {"label_smoothing": 0.2}, (_x, np.array([3, -100, 1])),
                _w, "weight"),
            ("cross_entropy", " images", {"ignore_index": 1}, (_images, _seg), _w3, "weight"),
            ("cross_entropy", " images smoothed", {"ignore_index": 1, "label_smoothing": 0.3},
                (_images, _seg), _w3, "weight"),
            ("cross_entropy", " probabilities", {"label_smoothing": 0.1}, (_x, distribution(_y)),
                _w, "weight"),
            ("nll_loss", "", {"ignore_index": 0}, (_x, np.array([3, 0, 1])), _w, "weight"),
        )
    ],
    Case("kl_div batchmean", call("kl_div", reduction="batchmean"),
        (np.log(distribution(_x)), distribution(_y))),
    Case(
        "kl_div zero target",
        lambda T, x: T.nn.functional.kl_div(x, T.tensor([0.0, 1.0]), reduction="none"),
        (np.array([-1.0, -2.0], f32),),
    ),
    Case("cross_entropy all ignored", call("cross_entropy"), (_x, np.full(3, -100))),
    Case("cross_entropy all ignored sum", call("cross_entropy", reduction="sum"),
        (_x, np.full(3, -100))),
    Case("cross_entropy empty", call("cross_entropy"), (_x[:0], np.zeros(0, np.int64))),
    Case("cross_entropy uint8", call("cross_entropy"), (_x, classes(3, C=4).astype(np.uint8))),
    Case(
        "cross_entropy extremes", call("cross_entropy", reduction="none"),
        (np.array([[1e4, 0], [-1e4, 1e4], [0, -1e4]], f32), np.array([1, 0, 0])),
    ),
    Case("cross_entropy infinite ignored", call("cross_entropy", ignore_index=0),
        (_infinite, np.array([0, 1]))),
    Case("cross_entropy infinite", call("cross_entropy", reduction="none"),
        (_infinite, np.array([0, 1]))),
    Case("cross_entropy infinite weight 0", weighted("cross_entropy", np.array([0, 1], f32)),
        (_infinite, np.array([0, 1]))),
    Case("cross_entropy mixed dtypes", call("cross_entropy"), (_x.astype(f32), distribution(_y))),
    Case("mse_loss mixed dtypes", call("mse_loss"), (_x.astype(f32), _y)),
    Case("mse_loss whole target", call("mse_loss"), (_x, classes(3, 4, C=3))),
    Case("smooth_l1_loss extremes", call("smooth_l1_loss", reduction="none"),
        (EXTREMES, np.zeros(14, f32))),
    Case("huber_loss extremes", call("huber_loss", reduction="none", delta=0.5),
        (EXTREMES, np.zeros(14, f32))),
    *[
        Case(
            f"binary_cross_entropy_with_logits extremes {t}",
            lambda T, x, t=t: T.nn.functional.binary_cross_entropy_with_logits(x, T.full((12,), t),
                reduction="none"),
            (EXTREMES[1:-1],),  # at infinity PyTorch's is nan where ours is the limit
        )
        for t in (0.0, 1.0, 0.25)
    ],
    Case("one_hot", call("one_hot"), (classes(2, 3, C=5),)),
    Case("one_hot 7", call("one_hot", num_classes=7), (classes(2, 3, C=5),)),
]  # fmt: skip

# at 0 and 1 the logarithms are limited, and only the first order is PyTorch's there
SATURATED = Case(
    "binary_cross_entropy extremes",
    lambda T, p: T.nn.functional.binary_cross_entropy(
        p, T.tensor([0.0, 1, 1, 0, 0.25, 0.5, 1]), reduction="none"
    ),
    (np.array([0.0, 1, 0, 1, 0, 0.5, 1e-30], f32),),
)

CASES = [*ACTIVATION_CASES, *LOSS_CASES, SATURATED]


class OnGPU:
    """tinynet, its new tensors on a GPU."""

    def __getattr__(self, name: str) -> Any:
        return getattr(tinynet, name)

    def tensor(self, *arguments: Any, **options: Any) -> tinynet.Tensor:
        return tinynet.tensor(*arguments, **options, device="cuda")

    def full(self, *arguments: Any, **options: Any) -> tinynet.Tensor:
        return tinynet.full(*arguments, **options, device="cuda")


def agree(name: str, found: dict[str, Any], expected: dict[str, Any], rtol: float = 2e-8) -> None:
    """Values, gradients and second-order gradients that `operations.run` returned, up to rounding;
    None and zeros are the same gradient.
    """
    assert found["requires_grad"] == expected["requires_grad"], name
    assert len(found["values"]) == len(expected["values"]), name
    lengths = [
        len(answer.get(kind, ()))
        for kind in ("gradients", "second")
        for answer in (found, expected)
    ]
    assert lengths[0] == lengths[1], name
    for kind in ("values", "gradients", "second"):
        pairs = list(itertools.zip_longest(found.get(kind, ()), expected.get(kind, ())))
        single = any(a is not None and a.dtype == np.float32 for pair in pairs for a in pair)
        for mine, theirs in pairs:
            if mine is None or theirs is None:
                assert not np.any(mine if theirs is None else theirs), (name, kind)
                continue
            assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype), (name, kind)
            # a second order in float32 has lost some digits, in both frameworks
            tolerance = (
                {"rtol": 2e-5, "atol": 5e-6 if kind == "second" else 1e-6}
                if single
                else {"rtol": rtol, "atol": 1e-9}
            )
            np.testing.assert_allclose(mine, theirs, **tolerance, err_msg=f"{name}: {kind}")


if __name__ == "__main__":
    import torch

    assert len({case.name for case in CASES}) == len(CASES)
    warnings.simplefilter("ignore")
    lines = [f"{json.dumps(case.name)}: {json.dumps(pack(run(torch, case)))}" for case in CASES]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
