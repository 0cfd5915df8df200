"""Dropout, of single elements and of whole channels."""

import math
from typing import Any

import numpy as np

from ...arrays import (array_module, computing, default_generator, Generator, gpu as kernels,
    parallel_slices)
from ...ops.arguments import as_floats, as_generator, as_probability, as_tensor
from ...tensor import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
            generator: Generator | None = None) -> Tensor:
    """In training, each element is 0 with probability `p`, and else scaled by 1 / (1 - p).

    Args:
        input: any shape, floats. Unless `training`, it is returned as it is.
        p: rounded to a multiple of 1/65536. The scale belongs to the rounded one, so the expected
            value is exactly the input.
        training: whether anything is dropped.
        inplace: write the result into `input`.
        generator: one seed is drawn from it; by default from the one that `manual_seed` seeds. The
            mask follows from the seed, and is the same on every device.

    Raises:
        ValueError: `p` is not from 0 to 1.
        TypeError: an argument is of the wrong type.

    Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting.
    """
    shape = as_tensor("dropout", "input", input).shape
    return _dropped("dropout", input, shape, p, training, inplace, generator)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
              generator: Generator | None = None) -> Tensor:
    """`dropout` of whole channels: each (H, W) image in (N, C, H, W) is 0 with probability `p`.

    A pixel's neighbours tell its value, so to drop single pixels would remove little information.
    Tompson et al. 2015, arXiv 1411.4280. Arguments and errors are those of `dropout`.
    """
    if as_tensor("dropout2d", "input", input).ndim != 4:
        given = f"got shape {tuple(input.shape)}; for a single image unsqueeze(0) first"
        raise ValueError(f"dropout2d: input must be (N, C, H, W), {given}")
    return _dropped("dropout2d", input, (*input.shape[:2], 1, 1), p, training, inplace, generator)


def _dropped(name: str, input: Tensor, mask_shape: tuple[int, ...], p: float, training: bool,
             inplace: bool, generator: Generator | None) -> Tensor:
    p = as_probability(name, "p", p)
    as_floats(name, "input", input)
    if not training or p == 0:
        return input
    source = as_generator(name, generator) or default_generator
    seed = source.numpy.bit_generator.random_raw() >> 1  # 63 bits, which fit an int64
    with computing(input.array):
        xp = array_module(input.array)
        mask = Tensor._wrap(keep_mask(xp, seed, mask_shape, input.dtype, round(p * 65536)))
    return input.mul_(mask) if inplace else input * mask


@kernels.on_gpu(kernels.keep_mask)
def keep_mask(xp: Any, seed: int, shape: tuple[int, ...], dtype: Any, dropped: int) -> Any:
    """0 where an element is dropped, which `dropped` of 65536 are; 1 / (1 - p) elsewhere.

    Random numbers are computed from positions instead of drawn in sequence. So threads can share
    the work, a GPU needs nothing but the seed, and all get the same bits. Four elements share a
    word of 64 bits: the finaliser of splitmix64 (Steele, Lea and Flood 2014, Fast splittable
    pseudorandom number generators), applied to the word's number.
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

    parallel_slices(xp, -(-mask.size // 4), mask.size, fill)
    return mask.reshape(shape)
