"""Dropout, of single elements and of whole channels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import gpu as kernels
from ...arrays.devices import array_module, computing
from ...arrays.random import Generator, default_generator
from ...arrays.threads import by_shares
from ...ops.arguments import as_floats, as_tensor
from ...tensor import Tensor

__all__ = ["dropout", "dropout2d"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator | None = None) -> Tensor:
    """In training, each element set to 0 with probability `p`, and the others scaled by 1 / (1 - p); else `input`.

    `p` is rounded to a multiple of 1/65536, and the scale is that of the rounded one, so that the expected value is exactly the input.
    One seed is drawn from `generator`, the one that `manual_seed` seeds by default; the mask follows from it, the same on every device.
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
        raise ValueError(f"{function}: p must be a probability, from 0 to 1; got {p!r}")
    as_floats(function, "input", input)
    if not training or p == 0:
        return input
    seed = (generator or default_generator).numpy.bit_generator.random_raw() >> 1  # 63 bits, which fit an int64 of the kernel
    with computing(input.array):
        mask = Tensor._wrap(keep_mask(array_module(input.array), seed, mask_shape, input.dtype, round(p * 65536)))
    return input.mul_(mask) if inplace else input * mask


@kernels.on_gpu(kernels.keep_mask)
def keep_mask(xp: Any, seed: int, shape: tuple[int, ...], dtype: Any, dropped: int) -> Any:
    """An array of 0 where an element is dropped, which `dropped` of 65536 are, and of what makes up for that where it is kept.

    The numbers don't come out of a sequence, but each from its place: words of 64 bits by the finaliser of splitmix64 (Steele, Lea and
    Flood 2014, Fast splittable pseudorandom number generators), four lanes of 16 bits in each. So threads share the work, and a GPU needs
    nothing but the seed, and all get the same bits.
    """
    mask = xp.empty(math.prod(shape), dtype)
    scale = mask.dtype.type(65536 / (65536 - dropped) if dropped < 65536 else 0.0)

    def fill(words: slice) -> None:
        z = xp.arange(words.start, words.stop, dtype=np.uint64)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(seed)
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        part = mask[4 * words.start : 4 * words.stop]
        xp.multiply(z.view(np.uint16)[: part.size] >= dropped, scale, part)

    by_shares(xp, -(-mask.size // 4), mask.size, fill)
    return mask.reshape(shape)
