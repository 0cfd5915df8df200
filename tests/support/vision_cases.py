"""Calls of transforms that torchvision has too, and what each gives as a short text.

``python tests/support/vision_cases.py`` writes what torchvision gives to recorded/torchvision.json;
tests/data/test_vision.py compares that with what tinynet gives.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

RECORDED = Path(__file__).parent / "recorded" / "torchvision.json"

_random = np.random.default_rng(0)
_rgb = _random.integers(0, 256, (13, 17, 3), np.uint8)
_smooth = np.add.outer(9 * np.arange(13), 7 * np.arange(17))[..., None] + np.array([0, 40, 20])
PIXELS = {
    "RGB": _rgb,
    "smooth": _smooth.astype(np.uint8),
    "L": _rgb[..., 0],
    "RGBA": np.dstack([_rgb, _rgb[..., :1]]),
    "F": _rgb[..., 0].astype(np.float32) / 7,
    "I": _rgb[..., 0].astype(np.int32) * 300,
}
TENSORS = {  # (C, H, W) and, the last, (N, C, H, W)
    "uint8": _rgb.transpose(2, 0, 1),
    "float32": (_rgb.transpose(2, 0, 1) / 255).astype(np.float32),
    "one channel": (_rgb[None, ..., 0] / 255).astype(np.float32),
    "batch": (np.stack([_rgb, _smooth]).transpose(0, 3, 1, 2) / 255).astype(np.float32),
}
INPUTS = {**{f"PIL {name}": name for name in PIXELS}, **{f"tensor {n}": n for n in TENSORS}}


def _cases() -> list[tuple[str, tuple[Any, ...], dict[str, Any], str]]:
    """(function, arguments, keywords, "PIL", "tensor" or "" for the inputs it is for)."""
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = []

    def add(name: str, *arguments: Any, only: str = "", **keywords: Any) -> None:
        cases.append((name, arguments, keywords, only))

    add("to_tensor", only="PIL")
    add("pil_to_tensor", only="PIL")
    add("to_pil_image", only="tensor")
    add("get_dimensions")
    add("get_image_size")
    for mode in ("bilinear", "nearest", "bicubic"):
        for size in (5, 20, [7, 9], [6]):
            add("resize", size, mode)
    for mode in ("lanczos", "box", "hamming"):
        add("resize", 5, mode, only="PIL")
    add("resize", 5, max_size=6)
    add("resize", 20, max_size=21)
    add("resize", 5, antialias=False, only="tensor")
    add("resize", 5, "nearest-exact", only="tensor")
    for padding in (2, [1, 3], [1, 2, 3, 0]):
        for mode in ("constant", "edge", "reflect", "symmetric"):
            add("pad", padding, padding_mode=mode)
    add("pad", 1, 7)
    add("crop", 2, 3, 5, 6)
    add("crop", -2, -3, 8, 9)
    add("crop", 8, 12, 10, 10)
    for size in (5, [6, 7], [13, 17], 20, [30, 4], [4, 31], [14, 18]):
        add("center_crop", size)
    add("resized_crop", 2, 3, 5, 6, [8, 9])
    add("resized_crop", 2, 3, 5, 6, [8, 8], "nearest")
    add("hflip")
    add("vflip")
    for angle in (0, 31.7, 90, -47.3, 180):
        for mode in ("nearest", "bilinear"):
            add("rotate", angle, mode)
            add("rotate", angle, mode, True)
        add("rotate", angle, "bicubic", only="PIL")
        add("rotate", angle, "nearest", False, [3.2, 4.6])
        add("rotate", angle, "nearest", False, None, [9.0])
    motions = [
        (28.3, [0, 0], 1.0, [0.0, 0.0]), (0, [2, -3], 1.0, [0.0, 0.0]),
        (10, [1, 2], 1.3, [5.1, 0.0]), (-20, [0, 0], 0.7, [0.0, 10.3]),
        (15, [3, 1], 1.1, [8.2, -6.4]),
    ]  # fmt: skip
    for motion in motions:
        for mode in ("nearest", "bilinear"):
            add("affine", *motion, mode)
        add("affine", *motion, "bicubic", only="PIL")
        add("affine", *motion, "nearest", [5.0])
    add("affine", *motions[4], "nearest", None, [4.3, 2.1])
    for fill in (0, 9, [7.0]):
        add("rotate", 31.7, "bilinear", False, None, fill, only="tensor")
        add("rotate", -47.3, "bilinear", True, None, fill, only="tensor")
        add("affine", 0, [0, 0], 0.8, [0.0, 0.0], "bilinear", fill, only="tensor")
        add("affine", *motions[4], "bilinear", fill, only="tensor")
    add("to_grayscale", only="PIL")
    add("to_grayscale", 3, only="PIL")
    add("rgb_to_grayscale")
    for factor in (0, 0.3, 1, 1.7):
        for what in ("brightness", "contrast", "saturation"):
            add(f"adjust_{what}", factor)
    for shift in (-0.5, -0.2, 0, 0.1, 0.5):
        add("adjust_hue", shift)
    add("rgb_to_grayscale", 3)
    add("normalize", [0.5], [0.2], only="tensor")
    return cases


CASES = {
    f"{name}({', '.join([what, *map(repr, arguments), *map(str, keywords.items())])})":
        (name, what, arguments, keywords)
    for name, arguments, keywords, only in _cases()
    for what in INPUTS
    if what.startswith(only)
}  # fmt: skip


def run(functional: Any, from_numpy: Any, modes: Any, case: str) -> Any:
    """What `functional`, of tinynet or torchvision, gives: an array, a list, or None if refused."""
    from PIL import Image

    name, what, arguments, keywords = CASES[case]
    kind, _, key = what.partition(" ")
    image = Image.fromarray(PIXELS[key]) if kind == "PIL" else from_numpy(TENSORS[key].copy())
    values = {mode.value: mode for mode in modes}
    given = [values.get(a, a) if isinstance(a, str) else a for a in arguments]
    try:
        result = getattr(functional, name)(image, *given, **keywords)
    except Exception:
        return None
    if isinstance(result, list):
        return result
    return np.asarray(result) if isinstance(result, Image.Image) else result.numpy()


def text(case: str, result: Any) -> Any:
    """`result` as a few words that JSON can hold: a digest of a PIL image, some of a tensor."""
    if not isinstance(result, np.ndarray):
        return result
    values: Any = hashlib.md5(np.ascontiguousarray(result).tobytes()).hexdigest()
    if CASES[case][1].startswith("tensor") or result.dtype.kind == "f":
        values = [float(f"{value:.6g}") for value in result.ravel()[::17].tolist()]
    return [str(result.dtype), list(result.shape), values]


def main() -> None:
    import torch
    from torchvision.transforms import InterpolationMode, functional

    recorded = {case: text(case, run(functional, torch.from_numpy, InterpolationMode, case))
                for case in CASES}  # fmt: skip
    lines = (f"{json.dumps(case)}: {json.dumps(found)}" for case, found in recorded.items())
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
