"""Images made larger or smaller."""

import math
from typing import Any

import numpy as np

from ...arrays import on_device_of
from ...ops.arguments import as_choice, as_floats, as_number, as_tensor, pair, two
from ...ops.conv.pooling import sum_windows
from ...tensor import Tensor
from .pooling import adaptive_avg_pool2d

_MODES = ("nearest", "nearest-exact", "bilinear", "area")


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
            the centre; beyond the edge, the edge is repeated. "area" takes the mean of the pixels
            that the new pixel covers (`adaptive_avg_pool2d`).
        align_corners: for "bilinear" only. True: the centres of the corner pixels coincide; False
            (default): the corners of the images do.
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
    if mode != "bilinear" and align_corners is not None:
        rule = f"is for mode='bilinear'; with {mode!r} leave it out"
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
        if new == old and mode != "nearest-exact":
            continue  # even if the factor is not 1, because the size was rounded
        if mode == "nearest" and new == 2 * old:
            factor = None  # as in PyTorch
        # In float32 like PyTorch, because rounding decides between neighbours. But float64 images
        # get float64 weights.
        real = np.float64 if mode == "bilinear" and x.dtype == np.float64 else np.float32
        places: Any = np.arange(new, dtype=real)  # of the new pixels, in old ones
        if align_corners:
            places = places * (real(old - 1) / real(new - 1) if new > 1 else real(0))
        else:
            places = places if mode == "nearest" else places + real(0.5)
            places = places * (real(old) / real(new) if factor is None else real(1 / factor))
        if mode == "bilinear":
            x = _blended(x, dim, places if align_corners else places - real(0.5))
        else:
            x = _take(x, np.minimum(np.floor(places).astype(np.int64), old - 1), dim)
    return x


def _blended(x: Tensor, dim: int, centres: np.ndarray) -> Tensor:
    """Each new pixel a weighted mean of the two old pixels around its centre along `dim`."""
    last, centres = x.shape[dim] - 1, np.maximum(centres, 0)
    low = np.minimum(centres.astype(np.int64), last)
    weight = np.clip(centres - low, 0, 1).astype(x.dtype).reshape(-1, *[1] * (3 - dim))
    weight = Tensor._wrap(on_device_of(x.array, weight))
    return _take(x, low, dim) * (1.0 - weight) + _take(x, np.minimum(low + 1, last), dim) * weight


def _take(x: Tensor, positions: np.ndarray, dim: int) -> Tensor:
    return sum_windows(x, starts=positions, stops=positions + 1, dim=dim)


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
    if not height or not width:
        result = f"leaves {height} x {width} pixels of {shape[0]} x {shape[1]}"
        raise ValueError(f"interpolate: scale_factor={scale_factor} {result}")
    return (height, width), (None, None) if recompute else (factors[0], factors[1])
