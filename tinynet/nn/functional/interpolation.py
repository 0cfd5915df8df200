"""Images made larger or smaller."""

import math
from typing import Any

import numpy as np

from ...ops.arguments import as_choice, as_floats, as_number, as_tensor, pair, two
from ...ops.conv.blending import blend
from ...ops.conv.pooling import sum_windows
from ...tensor import Tensor
from .pooling import adaptive_avg_pool2d

_MODES = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
_SMOOTH = ("bilinear", "bicubic")


def interpolate(input: Tensor, size: int | tuple[int, int] | None = None,
                scale_factor: float | tuple[float, float] | None = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Tensor:
    """Images (N, C, H, W) resized to `size` or to ``floor(old size · scale_factor)``.

    Args:
        input: floats; for the nearest modes also uint8.
        size: an int, or (height, width). Give either `size` or `scale_factor`.
        scale_factor: a number, or one for the height and one for the width.
        mode: "nearest" takes the pixel that holds the top left corner of the new pixel,
            "nearest-exact" the one that holds its centre. "bilinear" weights the four pixels around
            the centre, "bicubic" the sixteen; beyond the edge, the edge is repeated. "area" takes
            the mean of the pixels that the new pixel covers (`adaptive_avg_pool2d`).
        align_corners: for "bilinear" and "bicubic" only. True: the centres of the corner pixels
            coincide; False (default): the corners of the images do.
        recompute_scale_factor: use the factor that follows from the rounded size instead.
        antialias: must be False.

    Returns:
        (N, C, height, width), in the dtype of `input`.

    Raises:
        ValueError: an argument is out of range, or two contradict each other. PyTorch's other modes
            and numbers of dimensions are refused, too.
        TypeError: an argument is of the wrong type.

    >>> import tinynet
    >>> interpolate(tinynet.tensor([[[[1.0, 2.0]]]]), (1, 4), mode="bilinear")
    tensor([[[[1.0000, 1.2500, 1.7500, 2.0000]]]])
    """
    as_choice("interpolate", "mode", mode, _MODES)
    if antialias:
        way_out = "mode='area' makes images smaller without aliasing"
        raise ValueError(f"interpolate: antialias=True is not supported; {way_out}")
    if mode not in _SMOOTH and align_corners is not None:
        rule = f"is for mode='bilinear' and 'bicubic'; with {mode!r} leave it out"
        raise ValueError(f"interpolate: align_corners {rule}")
    if as_tensor("interpolate", "input", input).ndim != 4 or 0 in input.shape[1:]:
        rule = "must be (N, C, H, W), no size but N may be 0"
        raise ValueError(f"interpolate: input {rule}; got shape {tuple(input.shape)}")
    if input.dtype != np.uint8 or not mode.startswith("nearest"):
        as_floats("interpolate", "input", input)
    sizes, factors = _output_size(input.shape[2:], size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return adaptive_avg_pool2d(input, sizes)
    x = input
    for dim, new, factor in zip((2, 3), sizes, factors, strict=True):
        old = x.shape[dim]
        if new == old and mode not in ("nearest-exact", "bicubic"):
            continue  # even if the factor is not 1, because the size was rounded
        if mode == "nearest" and new == 2 * old:
            factor = None  # as in PyTorch
        # In float32 like PyTorch, because rounding decides between neighbours. But float64 images
        # get float64 weights.
        real = np.float64 if mode in _SMOOTH and x.dtype == np.float64 else np.float32
        places: Any = np.arange(new, dtype=real)  # of the new pixels, in old ones
        if align_corners:
            places = places * (real(old - 1) / real(new - 1) if new > 1 else real(0))
        else:
            places = places if mode == "nearest" else places + real(0.5)
            places = places * (real(old) / real(new) if factor is None else real(1 / factor))
        if mode in _SMOOTH:
            centres = places if align_corners else places - real(0.5)
            x = _blended(x, dim, centres, mode == "bicubic")
        else:
            pixels = np.minimum(np.floor(places).astype(np.int64), old - 1)
            x = sum_windows(x, starts=pixels, stops=pixels + 1, dim=dim)
    return x.clone() if x is input else x


def _blended(x: Tensor, dim: int, centres: np.ndarray, cubic: bool) -> Tensor:
    """Each new pixel the weighted sum of old ones around its centre; beyond the edge, the edge."""
    centres = centres if cubic else np.maximum(centres, 0)
    low = np.floor(centres)
    part = centres - low
    taps = {n: _cubic(np.abs(part - n)) for n in range(-1, 3)} if cubic else {0: 1 - part, 1: part}
    real = np.float64 if x.dtype == np.float64 else np.float32
    matrix = np.zeros((len(centres), x.shape[dim]), real)
    for step, weights in taps.items():
        places = np.clip(low + step, 0, x.shape[dim] - 1).astype(np.int64)
        matrix[np.arange(len(centres)), places] += weights
    return blend(x.to(real), matrix=matrix, dim=dim).to(x.dtype)  # BLAS has no float16


def _cubic(d: np.ndarray) -> np.ndarray:
    """The weights of pixels at the distances `d`: Keys 1981, a = -0.75."""
    near, far = (1.25 * d - 2.25) * d * d + 1, ((-0.75 * d + 3.75) * d - 6) * d + 3
    return np.where(d <= 1, near, far)


def _output_size(shape: Any, size: Any, scale_factor: Any, recompute: Any) -> tuple[Any, Any]:
    """The new size and the factors that lead to it; a factor None is the quotient of the sizes."""
    if (size is None) == (scale_factor is None):
        given = f"size={size}, scale_factor={scale_factor}"
        raise ValueError(f"interpolate: give either size or scale_factor; got {given}")
    if size is not None:
        if recompute:
            rule = "goes with a scale_factor, not with a size"
            raise ValueError(f"interpolate: recompute_scale_factor=True {rule}")
        two("interpolate", "size", size)  # which refuses one size in a list
        return pair("interpolate", "size", size, 1), (None, None)
    rule = "a positive number or a pair of them"
    factors = [as_number("interpolate", "scale_factor", factor)
               for factor in two("interpolate", "scale_factor", scale_factor, rule)]
    if min(factors) <= 0:
        raise ValueError(f"interpolate: scale_factor must be {rule}, got {scale_factor!r}")
    height, width = [math.floor(n * f) for n, f in zip(shape, factors, strict=True)]
    if not 0 < min(height, width) <= max(height, width) < 2**31:
        result = f"leaves {height} x {width} pixels of {shape[0]} x {shape[1]}"
        rule = "each must be at least 1 and below 2**31"
        raise ValueError(f"interpolate: scale_factor={scale_factor} {result}; {rule}")
    return (height, width), (None, None) if recompute else (factors[0], factors[1])
