"""Images made larger or smaller."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays.devices import beside
from ...ops.arguments import as_floats, as_tensor, pair
from ...ops.conv.windows import sum_windows
from ...tensor import Tensor
from .pooling import adaptive_avg_pool2d

__all__ = ["interpolate"]


def interpolate(
    input: Tensor,
    size: int | tuple[int, int] | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images (N, C, H, W) resized to `size`, or to ``floor(size · scale_factor)``; give one of the two.

    Args:
        input: floats; for the nearest modes also uint8.
        size: an int, or (height, width).
        scale_factor: a number, or one for the height and one for the width.
        mode: "nearest" takes the pixel whose area holds the top left corner of the new one, "nearest-exact" its centre; "bilinear"
            weighs the four pixels around the centre, those beyond the edge being the edge again; "area" takes the mean of the
            pixels that the new one covers (`adaptive_avg_pool2d`).
        align_corners: for "bilinear": have the centres of the corner pixels meet, rather than the corners of the images.
        recompute_scale_factor: take the factor that the rounded size comes to, rather than the one given.
        antialias: refused.

    The other modes and numbers of dimensions that PyTorch knows are refused.

    >>> import tinynet
    >>> interpolate(tinynet.tensor([[[[1.0, 2.0]]]]), (1, 4), mode="bilinear")
    tensor([[[[1.0000, 1.2500, 1.7500, 2.0000]]]])
    """
    if mode not in ("nearest", "nearest-exact", "bilinear", "area"):
        raise ValueError(f"interpolate: mode must be 'nearest', 'nearest-exact', 'bilinear' or 'area', got {mode!r}; tinynet has no others")
    if antialias:
        raise ValueError("interpolate: antialias=True is not supported; mode='area' makes images smaller without aliasing")
    if mode != "bilinear" and align_corners is not None:
        raise ValueError(f"interpolate: align_corners is for mode='bilinear'; with {mode!r} leave it out")
    if as_tensor("interpolate", "input", input).ndim != 4 or 0 in input.shape[1:]:
        raise ValueError(f"interpolate: input must be (N, C, H, W), no size but N may be 0; got shape {tuple(input.shape)}")
    if input.dtype != np.uint8 or not mode.startswith("nearest"):
        as_floats("interpolate", "input", input)
    sizes, factors = _output_size(input.shape[2:], size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return adaptive_avg_pool2d(input, sizes)
    x = input
    for dim, n, wanted, factor in zip((2, 3), input.shape[2:], sizes, factors, strict=True):
        if wanted == n and mode != "nearest-exact":
            continue  # whatever the factor was before rounding
        # where the new pixels come from, in PyTorch's precision: rounding decides between neighbours
        real: Any = np.float64 if mode == "bilinear" and x.dtype == np.float64 else np.float32
        o: Any = np.arange(wanted, dtype=real)
        if mode == "nearest" and wanted == 2 * n:
            factor = None  # as PyTorch has it
        scale = real(n) / real(wanted) if factor is None else real(1 / factor)
        if mode != "bilinear":
            low = np.floor((o + real(0.5) if mode == "nearest-exact" else o) * scale).astype(np.int64)
            x = _take(x, np.minimum(low, n - 1), dim)
            continue
        if align_corners:
            place = o * (real(n - 1) / real(wanted - 1) if wanted > 1 else real(0))
        else:
            place = np.maximum((o + real(0.5)) * scale - real(0.5), real(0))
        low = np.minimum(place.astype(np.int64), n - 1)
        share = np.clip(place - low, 0, 1).astype(x.dtype).reshape(-1, *[1] * (3 - dim))
        share = Tensor._wrap(beside(x.array, share))
        x = _take(x, low, dim) * (1.0 - share) + _take(x, np.minimum(low + 1, n - 1), dim) * share
    return x


def _take(x: Tensor, positions: np.ndarray, dim: int) -> Tensor:
    return sum_windows(x, starts=positions, stops=positions + 1, dim=dim)


def _output_size(
    shape: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, int], tuple[Any, Any]]:
    """The size wanted and the factors to get there; None for a factor stands for the quotient of the sizes."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: give either size or scale_factor; got size={size}, scale_factor={scale_factor}")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor=True goes with a scale_factor, not with a size")
        if isinstance(size, (tuple, list)) and len(size) != 2:
            raise ValueError(f"interpolate: size must be an int or a pair (height, width), got {size!r}")
        return pair("interpolate", "size", size, 1), (None, None)
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
    if len(factors) != 2 or not all(isinstance(f, (int, float)) and 0 < f < math.inf for f in factors):
        raise ValueError(f"interpolate: scale_factor must be a positive number or a pair of them, got {scale_factor!r}")
    sizes = (math.floor(shape[0] * factors[0]), math.floor(shape[1] * factors[1]))
    if 0 in sizes:
        raise ValueError(f"interpolate: scale_factor={scale_factor} leaves {sizes[0]} x {sizes[1]} pixels of {shape[0]} x {shape[1]}")
    return sizes, (None, None) if recompute else (factors[0], factors[1])
