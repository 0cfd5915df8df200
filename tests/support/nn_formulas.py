"""Functions that are formulas of others, as cases in the manner of `operations`.

What PyTorch answered once is in ``recorded/torch_nn_formulas.json``, written by
``python tests/support/nn_formulas.py``.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from nn_operations import call
from operations import Case, other, pack, real, run

RECORD = Path(__file__).parent / "recorded" / "torch_nn_formulas.json"
f64 = np.float64
KINKS = np.array([-7.0, -3.0, -2.0, -0.5, -1e-9, 0.0, 0.5, 1.0, 3.0, 6.0, 40.0])

ACTIVATIONS: dict[str, dict[str, Any]] = {
    "celu": {}, "celu 2": {"alpha": 2.0}, "celu minus": {"alpha": -0.5}, "selu": {}, "mish": {},
    "hardsigmoid": {}, "hardswish": {}, "softsign": {}, "logsigmoid": {}, "tanhshrink": {},
    "hardshrink": {}, "hardshrink 2": {"lambd": 2.0}, "hardshrink minus": {"lambd": -1.0},
    "softshrink": {}, "softshrink 2": {"lambd": 2.0},
    "threshold": {"threshold": 0.5, "value": 9.0},
}  # fmt: skip

_x, _y, _z = real(3, 4, dtype=f64), other(3, 4, dtype=f64), real(1, 3, 4, dtype=f64)[0] * 0.7
_signs = np.where(np.arange(12).reshape(3, 4) % 3, 1, -1)
_image, _images = real(2, 4, 4, 6, dtype=f64), other(2, 8, 3, 2, dtype=f64)
_theta = np.array([[[0.8, 0.2, 0.1], [-0.3, 0.9, -0.2]], [[1.5, 0, 0.4], [0.1, -1.2, 0]]])
_grid = 1.3 * real(2, 3, 5, 2, dtype=f64) / 2.5
_edges = np.array([-1.0, -0.5, 0.0, 0.6, 1.0, 1.4, -3.2, 2.5]).reshape(1, 2, 2, 2)

LOSSES: list[tuple[str, str, dict[str, Any], tuple[np.ndarray, ...]]] = [
    ("margin_ranking_loss", "", {}, (_x, _y, _signs)),
    ("margin_ranking_loss", " margin", {"margin": 0.7}, (_x, _y, _signs.astype(f64))),
    ("hinge_embedding_loss", "", {}, (_x, _signs)),
    ("hinge_embedding_loss", " margin", {"margin": 2.0}, (_x, _signs.astype(f64))),
    ("soft_margin_loss", "", {}, (_x, _signs)),
    ("poisson_nll_loss", "", {}, (_x, np.abs(_y))),
    ("poisson_nll_loss", " full", {"full": True}, (_x, np.round(np.abs(_y) * 2) + 1)),
    ("poisson_nll_loss", " rate", {"log_input": False}, (np.abs(_x), np.abs(_y))),
    ("cosine_embedding_loss", "", {}, (_x, _y, _signs[:, 1])),
    ("cosine_embedding_loss", " margin", {"margin": 0.2}, (_x, _y, -_signs[:, 1])),
    ("cosine_embedding_loss", " one", {}, (_x[0], _y[0], np.array(-1))),
    ("multi_margin_loss", "", {}, (_x, np.array([0, 3, 1]))),
    ("multi_margin_loss", " squares", {"p": 2, "margin": 0.5}, (_x, np.array([0, 3, 1]))),
    ("multi_margin_loss", " one", {}, (_x[0], np.array(2))),
    ("multilabel_margin_loss", "", {},
     (_x, np.array([[0, 2, -1, 1], [-1, 1, 2, 0], [3, 1, 0, 2]]))),
    ("multilabel_margin_loss", " one", {}, (_x[0], np.array([3, 0, -1, 1]))),
    ("multilabel_soft_margin_loss", "", {}, (_x, (_signs > 0).astype(f64))),
    ("gaussian_nll_loss", "", {}, (_x, _y, np.abs(_x * _y) + 0.1)),
    ("gaussian_nll_loss", " full", {"full": True, "eps": 0.5}, (_x, _y, np.abs(_x * _y) + 0.1)),
    ("gaussian_nll_loss", " per row", {}, (_x, _y, np.abs(_x * _y)[:, 0] + 0.1)),
    ("triplet_margin_loss", "", {}, (_x, _y, _z)),
    ("triplet_margin_loss", " swap", {"swap": True, "p": 3.0, "margin": 2.0}, (_x, _y, _z)),
    ("triplet_margin_loss", " one", {}, (_x[0], _y[0], _z[0])),
]


def _pooled(T: Any, x: Any, **options: Any) -> Any:
    y, indices = T.nn.functional.max_pool2d(x, 2, 2, return_indices=True)
    return T.nn.functional.max_unpool2d(y * y, indices, 2, 2, **options)


CASES = [
    *[Case(f"{name}{tag}", call(name.split()[0], **o), (x,),
        1 if name == "hardsigmoid" or (name, tag) == ("selu", " kinks") else 2)
        for name, o in ACTIVATIONS.items()
        for tag, x in (("", 1.6 * real(3, 4, dtype=f64)), (" kinks", KINKS),
            (" float32", other(2, 3, 2)))],
    Case("prelu", call("prelu"), (_image, np.array([0.3, -0.2, 1.5, 0.0]))),
    Case("prelu one", call("prelu"), (_x, np.array([0.25]))),
    *[Case(f"{name} without dim {x.ndim}", call(name), (x,))
        for name in ("softmax", "log_softmax")
        for x in (_x[0], _x, _image[0], _image)],
    *[Case(f"glu {dim}", call("glu", dim=dim), (_image,)) for dim in (-1, 1)],
    Case("softmin", call("softmin", dim=1), (_x,)),
    *[Case(f"{name}{tag} {reduction}", call(name, reduction=reduction, **o), inputs,
        1 if name in ("multi_margin_loss", "multilabel_margin_loss") else 2)
        for reduction in ("none", "mean", "sum") for name, tag, o, inputs in LOSSES],
    Case("pairwise_distance", call("pairwise_distance"), (_x, _y)),
    Case("pairwise_distance 1", call("pairwise_distance", p=1.0, keepdim=True), (_x, _y[0])),
    Case("pixel_shuffle", call("pixel_shuffle", upscale_factor=2), (_image,)),
    Case("pixel_shuffle one", call("pixel_shuffle", upscale_factor=2), (_image[0],)),
    Case("pixel_unshuffle", call("pixel_unshuffle", downscale_factor=2), (_image,)),
    Case("channel_shuffle", lambda T, x: T.nn.ChannelShuffle(2)(x), (_images,), 0),
    Case("local_response_norm", call("local_response_norm", size=3, alpha=0.2), (_images,)),
    Case("local_response_norm 2", call("local_response_norm", size=2, beta=1.5, k=2.0),
        (_images[..., 0],)),
    Case("lp_pool2d", call("lp_pool2d", norm_type=2.0, kernel_size=2), (np.abs(_image),)),
    Case("lp_pool2d 3", call("lp_pool2d", norm_type=3.0, kernel_size=(2, 3), stride=1,
        ceil_mode=True), (np.abs(_image[0]),)),
    Case("max_unpool2d", _pooled, (_image,)),
    Case("max_unpool2d one", _pooled, (_image[0],)),
    Case("max_unpool2d size", lambda T, x: _pooled(T, x, output_size=x.shape), (_image[..., :5],)),
    *[Case(f"bicubic {tag}", call("interpolate", mode="bicubic", **o), (_image,))
        for tag, o in (("size", {"size": (7, 3)}), ("factor", {"scale_factor": 2.0}),
            ("factors", {"scale_factor": (0.6, 1.3)}),
            ("corners", {"size": (6, 9), "align_corners": True}),
            ("recompute", {"scale_factor": 1.4, "recompute_scale_factor": True}))],
    *[Case(f"affine_grid {corners}", lambda T, t, c=corners: T.nn.functional.affine_grid(
        t, [2, 3, 4, 1], align_corners=c), (_theta,)) for corners in (True, False)],
    *[Case(f"grid_sample {mode} {padding} {corners} {tag}", call("grid_sample", mode=mode,
        padding_mode=padding, align_corners=corners), (image, grid))
        for mode in ("bilinear", "nearest") for padding in ("zeros", "border")
        for corners in (True, False)
        for tag, image, grid in (("", _image, _grid), ("edges", _image[:1], _edges))],
    Case("rrelu", call("rrelu", lower=0.1, upper=0.5), (1.6 * real(3, 4, dtype=f64),)),
    Case("rms_norm", call("rms_norm", normalized_shape=(4,)), (_x,)),
    Case("rms_norm 2", lambda T, x, w: T.nn.functional.rms_norm(x, [4, 6], w, 0.1),
        (_image[0], _image[0, 0])),
    Case("bilinear", call("bilinear"), (_x, _y[:, :2], real(5, 4, 2, dtype=f64))),
    Case("bilinear bias", call("bilinear"), (_x[0], _y[0], real(2, 4, 4, dtype=f64), _x[0, :2])),
    *[Case(f"pdist {p}", call("pdist", p=p), (_x,), 1) for p in (2.0, 1.0, 3.0)],
    Case("upsample_bilinear", call("upsample_bilinear", scale_factor=2), (_image,)),
    Case("upsample_nearest", call("upsample_nearest", size=(5, 9)), (_image,)),
    Case("max_pool2d_with_indices", lambda T, x: T.nn.functional.max_pool2d_with_indices(
        x, 2, 1, 1)[0], (_image,)),
    Case("embedding", lambda T, w: T.nn.functional.embedding(T.tensor([[0, 2], [2, 1]]), w),
        (_x,)),
    Case("embedding padding", lambda T, w: T.nn.functional.embedding(
        T.tensor([0, 2, 1]), w, padding_idx=-1), (_x,)),
]  # fmt: skip

if __name__ == "__main__":
    import torch

    assert len({case.name for case in CASES}) == len(CASES)
    warnings.simplefilter("ignore")
    lines = [f"{json.dumps(case.name)}: {json.dumps(pack(run(torch, case)))}" for case in CASES]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
