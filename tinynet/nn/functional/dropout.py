"""Dropout, of single elements and of whole channels."""

from __future__ import annotations

import numpy as np

from ...backend import Generator, default_generator, to_device
from ...tensor import Tensor
from ._arguments import as_floats, as_tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator | None = None) -> Tensor:
    """In training, each element set to 0 with probability `p`, and the others scaled by 1 / (1 - p); else `input`.

    The mask is drawn from `generator`, the one that `manual_seed` seeds by default.
    """
    return _drop("dropout", input, as_tensor("dropout", "input", input).shape, p, training, inplace, generator)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator | None = None) -> Tensor:
    """`dropout` of whole channels: in training each of the (H, W) images in (N, C, H, W) is 0 with probability `p`.

    The neighbours of a pixel tell its value, so that dropping pixels one by one would drop little. Tompson et al. 2015, arXiv 1411.4280.
    """
    if as_tensor("dropout2d", "input", input).ndim != 4:
        raise ValueError(f"dropout2d: input must be (N, C, H, W), got shape {tuple(input.shape)}; for a single image unsqueeze(0) first")
    return _drop("dropout2d", input, (*input.shape[:2], 1, 1), p, training, inplace, generator)


def _drop(
    function: str, input: Tensor, mask_shape: tuple[int, ...], p: float, training: bool, inplace: bool, generator: Generator | None
) -> Tensor:
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"{function}: p is a probability, from 0 to 1; got {p!r}")
    as_floats(function, "input", input)
    if not training or p == 0:
        return input
    kept = (generator or default_generator).numpy.random(mask_shape, np.float32) >= p
    mask = Tensor._wrap(to_device(np.asarray(kept * (1 / (1 - p) if p < 1 else 0.0), input.dtype), input.device))
    return input.mul_(mask) if inplace else input * mask.to(input.dtype)
