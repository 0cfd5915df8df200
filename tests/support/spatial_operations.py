"""Pooling, resizing, padding and normalisation as cases in the manner of `operations`: the same
function is handed tinynet or PyTorch.

What PyTorch answered once is in ``data/torch_spatial_operations.json``, written by ``python
tests/spatial_operations.py``.
"""

from __future__ import annotations

import functools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from nn_operations import OnGPU, agree, call
from operations import Case, other, pack, positive, real, run, ties, unpack

import tinynet

RECORD = Path(__file__).parent / "recorded" / "torch_spatial_operations.json"
f32, f64 = np.float32, np.float64


def pixels(*shape: int) -> np.ndarray:
    return real(*shape, dtype=f64)


def cases(function: str, *variants: tuple[dict[str, Any], np.ndarray]) -> list[Case]:
    return [
        Case(
            f"{function} {x.shape} {x.dtype} " + " ".join(f"{k}={v}" for k, v in options.items()),
            call(function, **options),
            (x,),
        )
        for options, x in variants
    ]


x = pixels(2, 1, 5, 4)
with_gaps = np.array([1, np.inf, 2, 3, -np.inf, 4, 5, -6, -7, 8, np.nan, 9], f32).reshape(
    1, 1, 3, 4
)

AVERAGES = cases(
    "avg_pool2d",
    ({"kernel_size": 2}, x), ({"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}, x),
    ({"kernel_size": (2,), "stride": []}, x[0]),
    ({"kernel_size": 3, "stride": 2, "padding": 1}, x.astype(f32)),
    ({"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, x),
    ({"kernel_size": 2, "stride": 3, "ceil_mode": True}, x),
    ({"kernel_size": (2, 3), "stride": (3, 2), "padding": 1, "ceil_mode": True}, x),
    ({"kernel_size": (3, 2), "stride": 3, "padding": 1, "ceil_mode": True,
    "count_include_pad": False}, x),
    ({"kernel_size": (2, 3), "divisor_override": -5, "padding": (1, 0)}, x),
    ({"kernel_size": 2, "stride": 1}, with_gaps),
)  # fmt: skip
ADAPTIVE = [
    *cases(
        "adaptive_avg_pool2d",
        ({"output_size": 1}, x), ({"output_size": (3, 2)}, x.astype(f32)),
        ({"output_size": (None, 3)}, x), ({"output_size": 7}, x[0]),
        ({"output_size": (3, 2)}, with_gaps[..., :3]),
    ),
    *cases(
        "adaptive_max_pool2d",
        ({"output_size": 1}, x), ({"output_size": (3, 2), "return_indices": True}, x.astype(f32)),
        ({"output_size": (None, 3)}, x),
        ({"output_size": 7, "return_indices": True}, x[0]),
        ({"output_size": (2, 3), "return_indices": True}, ties(2, 1, 5, 4)),
        ({"output_size": 2, "return_indices": True}, with_gaps),
    ),
]  # fmt: skip
LARGEST = cases(
    "max_pool2d",
    ({"kernel_size": 2}, x),
    ({"kernel_size": (3, 2), "stride": 2, "padding": (1, 0), "return_indices": True},
    x.astype(f32)),
    ({"kernel_size": (2, 3), "dilation": (2, 1), "stride": 1, "padding": 1, "return_indices": True},
    x),
    ({"kernel_size": 2, "stride": 3, "ceil_mode": True, "return_indices": True}, x[0]),
    ({"kernel_size": 3, "stride": 1, "padding": 1, "return_indices": True}, ties(2, 1, 5, 4)),
    # windows that tile nothing, although the numbers would add up
    ({"kernel_size": (4, 3), "padding": (0, 1)}, pixels(2, 1, 6, 8)),
)  # fmt: skip
# Where all is -inf or something is nan, the recorded indices say which pixel won.
ODD_WINNERS = [
    c._replace(order=0)
    for c in cases(
        "max_pool2d",
        (
            {"kernel_size": 2, "stride": 1, "padding": 1, "return_indices": True},
            np.full((1, 1, 2, 2), -np.inf, f32),
        ),
        (
            {"kernel_size": (1, 4), "return_indices": True},
            np.array([[[[1, np.nan, 2, np.nan]]]], f32),
        ),
    )
]
POOLING_CASES = [*AVERAGES, *ADAPTIVE, *LARGEST]

RESIZING_CASES = cases(
    "interpolate",
    *[
        (options, x)
        for mode in ({}, {"mode": "nearest-exact"}, {"mode": "bilinear"},
        {"mode": "bilinear", "align_corners": True}, {"mode": "area"})
        for options in (
            {"size": (3, 7), **mode}, {"scale_factor": 2, **mode},
            {"scale_factor": (0.5, 2.3), **mode},
            {"scale_factor": (1.1, 1.7), "recompute_scale_factor": True, **mode},
        )
    ],
    ({"size": 1, "mode": "bilinear", "align_corners": True}, x),
    ({"size": (5, 6), "mode": "bilinear", "align_corners": False}, x.astype(f32)),
    ({"size": (6, 4)}, x.astype(f32)),
    ({"size": (2, 3)}, (10 * positive(1, 2, 3, 4)).astype(np.uint8)),
    ({"scale_factor": 1.5}, with_gaps),
)  # fmt: skip

PADDING_CASES = cases(
    "pad",
    ({"pad": (1, 2)}, x), ({"pad": (0, 1, 2, 0), "value": 1.5}, x.astype(f32)),
    ({"pad": (-1, 2, 1, -2)}, x), ({"pad": (1, 0, -1, 0, 0, 2)}, x),
    ({"pad": (-2, -1, 0, 1, 0, 0, 1, -1), "value": -0.5}, x), ({"pad": ()}, x),
    ({"pad": (1, 2), "value": 3}, np.arange(4)),
    *[
        ({"pad": sizes, "mode": mode}, image)
        for mode in ("reflect", "replicate", "circular")
        for sizes, image in (
            ((2, 1), x[0, 0]), ((0, 2), x[0].astype(f32)), ((1, 2, 3, 0), x[0]), ((3, 1, 0, 2), x),
            ((-1, 2, 1, -3), x), ((-1, -2, 0, 1), x),
            ((1, 0, 0, 1, 1, 1), pixels(1, 2, 3, 2, 3)),
        )
    ],
    ({"pad": (3, -2, 1, 4), "mode": "replicate"}, x[0]),
    ({"pad": (-2, 1, 0, 1), "mode": "reflect"}, pixels(1, 2, 3)),
)  # fmt: skip

_w, _b = pixels(4), other(4, dtype=f64)


def _affine(function: str, *leading: Any, **options: Any) -> Any:
    """With the images, the weight and the bias as tensors."""

    def f(T: Any, x: Any, *parameters: Any) -> Any:
        given = dict(zip(("weight", "bias"), parameters, strict=False))
        return getattr(T.nn.functional, function)(x, *leading, **given, **options)

    return f


def _evaluated(function: str, **options: Any) -> Any:
    return lambda T, x, w, b, m, v: getattr(T.nn.functional, function)(
        x, m.detach(), v.detach(), w, b, **options
    )


def _with_running(function: str, flag: str) -> Any:
    """The result, and what became of the running values."""

    def f(T: Any, x: Any) -> Any:
        mean, var = (
            T.tensor([0.5, -1.0, 2.0, 0.0], dtype=x.dtype),
            T.tensor([1.0, 0.5, 2.0, 3.0], dtype=x.dtype),
        )
        return (
            getattr(T.nn.functional, function)(x, mean, var, **{flag: True}, momentum=0.3),
            mean,
            var,
        )

    return f


_evaluation = (_w, _b, other(4, dtype=f64), positive(4, dtype=f64))
NORMALIZATION_CASES = [
    *[
        Case(f"{function} {shape} {leading} {options} {len(parameters)}",
        _affine(function, *leading, **options), (pixels(*shape), *parameters))
        for function, leading, options, shapes in (
            ("batch_norm", (None, None), {"training": True}, ((3, 4), (2, 4, 3), (2, 4, 3, 2))),
            ("instance_norm", (), {"eps": 0.1}, ((2, 4, 3), (2, 4, 3, 2))),
            ("group_norm", (2,), {}, ((3, 4), (2, 4, 3), (2, 4, 3, 2))),
            ("group_norm", (1,), {"eps": 0.1}, ((2, 4, 2, 3),)),
            ("group_norm", (4,), {"eps": 0.3}, ((2, 4, 3, 2), (3, 4))),
            ("layer_norm", ((4,),), {}, ((2, 4), (3, 2, 4))),
        )
        for shape in shapes
        for parameters in ((), (_w, _b))
    ],
    Case("layer_norm last two", _affine("layer_norm", (3, 4), eps=0.01),
    (pixels(2, 3, 4), pixels(3, 4), other(3, 4, dtype=f64))),
    Case("layer_norm float32", _affine("layer_norm", (4,)), (real(3, 4), real(4), other(4))),
    Case("batch_norm float32", _affine("batch_norm", None, None, training=True),
    (real(3, 4, 2, 5), real(4), other(4))),
    Case("group_norm float32", _affine("group_norm", 2), (real(2, 4, 3), real(4), other(4))),
    Case("batch_norm evaluation", _evaluated("batch_norm"), (pixels(2, 4, 3, 2), *_evaluation)),
    Case("batch_norm evaluation of vectors", _evaluated("batch_norm", eps=0.1),
    (pixels(3, 4), *_evaluation)),
    Case("instance_norm evaluation", _evaluated("instance_norm", use_input_stats=False),
    (pixels(2, 4, 3, 2), *_evaluation)),
    Case("batch_norm running", _with_running("batch_norm", "training"), (pixels(2, 4, 3, 2),)),
    Case("batch_norm running of vectors", _with_running("batch_norm", "training"), (pixels(3, 4),)),
    Case("instance_norm running", _with_running("instance_norm", "use_input_stats"),
    (pixels(2, 4, 3, 2),)),
]  # fmt: skip

CASES = [*POOLING_CASES, *ODD_WINNERS, *RESIZING_CASES, *PADDING_CASES, *NORMALIZATION_CASES]


def same_as_recorded(case: Case) -> None:
    agree(case.name, run(tinynet, case), unpack(_recorded()[case.name]), rtol=1e-7)


@functools.cache
def _recorded() -> dict[str, Any]:
    return json.loads(RECORD.read_text())


def same_on_gpu(case: Case) -> None:
    agree(case.name, run(OnGPU(), case), run(tinynet, case))


def same_batch_innermost(case: Case) -> None:
    """Another order in memory changes nothing, and images come out with the batch innermost."""

    class Turned:
        def __getattr__(self, name: str) -> Any:
            return getattr(tinynet, name)

        def tensor(self, array: Any, **options: Any) -> Any:
            t = tinynet.tensor(array, **options)
            if t.ndim == 4:
                t.array = np.ascontiguousarray(t.array.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)
            return t

    agree(case.name, run(Turned(), case), run(tinynet, case))


def images(cases: list[Case]) -> list[Case]:
    """Those with an input (N, C, H, W)."""
    return [c for c in cases if c.inputs[0].ndim == 4]


def gradients_right(case: Case) -> None:
    assert tinynet.gradcheck(
        lambda *xs: case.f(tinynet, *xs),
        [tinynet.tensor(x, requires_grad=True) for x in case.inputs],
    )


def smooth(cases: list[Case]) -> list[Case]:
    """Those that the gradient can be checked of: float64, which all cases with ties and infinities
    are not.
    """
    return [c for c in cases if c.inputs[0].dtype == np.float64]


if __name__ == "__main__":
    import torch

    assert len({case.name for case in CASES}) == len(CASES)
    warnings.simplefilter("ignore")
    lines = [f"{json.dumps(case.name)}: {json.dumps(pack(run(torch, case)))}" for case in CASES]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
