"""Functions of images that are made of others: pixels rearranged, pooled, sampled."""

import functools
import math
import warnings
from typing import Annotated, Any

import numpy as np

from .. import creation
from ..autograd import clone
from ..nn.functional import avg_pool2d, interpolate, max_pool2d, pad
from ..nn.functional.pooling import averages
from ..ops import indexing
from ..ops.arguments import as_bool, as_choice, as_ints, as_tensor_of, pair
from ..ops.elementwise import hardtanh, where
from ..ops.operands import named
from ..ops.shapes import as_batch, unbatched
from ..tensor import Tensor
from .declared import AnyTensor, declare, require
from .functions import scatter

# ------------------------------------------------------------------------------ pixels rearranged


def _cut(name: str, input: Tensor, *divisors: int) -> list[int]:
    """The sizes of (..., C, H, W), the last three divided by `divisors`."""
    sizes = list(zip(input.shape[-3:], divisors, strict=False))
    rule = f"input must be (..., C, H, W), with sizes that {divisors} divide"
    require(len(sizes) == 3 and not any(n % d for n, d in sizes), name, rule, input)
    return [*input.shape[:-3], *[n // d for n, d in sizes]]


def pixel_shuffle(input: AnyTensor, upscale_factor: int) -> Tensor:
    """(..., C·r², H, W) -> (..., C, H·r, W·r): each r² channels become r x r pixels.

    Shi et al. 2016, arXiv 1609.05158.
    """
    r = upscale_factor
    *N, C, H, W = _cut("pixel_shuffle", input, r * r, 1, 1)
    x = input.reshape(math.prod(N), C, r, r, H, W).permute(0, 1, 4, 2, 5, 3)
    return clone(x).reshape(*N, C, H * r, W * r)


def pixel_unshuffle(input: AnyTensor, downscale_factor: int) -> Tensor:
    """(..., C, H·r, W·r) -> (..., C·r², H, W), the reverse of `pixel_shuffle`."""
    r = downscale_factor
    *N, C, H, W = _cut("pixel_unshuffle", input, 1, r, r)
    x = input.reshape(math.prod(N), C, H, r, W, r).permute(0, 1, 3, 5, 2, 4)
    return clone(x).reshape(*N, C * r * r, H, W)


def channel_shuffle(input: AnyTensor, groups: int) -> Tensor:
    """(..., C, H, W) with the channels of the groups interleaved. Zhang et al. 2017, ShuffleNet."""
    *N, C, H, W = _cut("channel_shuffle", input, groups, 1, 1)
    return clone(input.reshape(*N, groups, C, H, W).transpose(-4, -3)).reshape(input.shape)


# ---------------------------------------------------------------------------------------- pooling


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75,
                        k: float = 1.0) -> Tensor:
    """``input / (k + alpha * mean) ** beta``, the mean over squares of `size` channels around.

    `input` is (N, C, ...). Krizhevsky et al. 2012, ImageNet classification.
    """
    require(input.ndim > 2, "local_response_norm", "input must be (N, C, ...)", input)
    squares = pad((input * input).unsqueeze(1).flatten(3), (0, 0, size // 2, (size - 1) // 2))
    means = avg_pool2d(squares, (size, 1), 1).reshape(input.shape)
    return input / (means * alpha + k) ** beta


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None,
              ceil_mode: bool = False) -> Tensor:
    """``sum(input ** p) ** (1 / p)`` under each position of a window, p = `norm_type`.

    The other arguments are those of `avg_pool2d`.
    """
    if norm_type == 0:
        raise ValueError("lp_pool2d: norm_type must not be 0")
    size = math.prod(pair("lp_pool2d", "kernel_size", kernel_size, 1))
    means = averages("lp_pool2d", input**norm_type, (kernel_size, stride, 0, 1, ceil_mode))
    return (means.sign() * means.abs().relu() * float(size)) ** (1.0 / norm_type)


def max_unpool2d(input: Tensor, indices: Any, kernel_size: Any, stride: Any = None,
                 padding: Any = 0, output_size: Any = None) -> Tensor:
    """Zeros with the largest values put back where `max_pool2d` found them.

    Args:
        input, indices: (N, C, H, W) or (C, H, W), what ``max_pool2d(return_indices=True)`` gives.
        kernel_size, stride, padding: those of the pool.
        output_size: the size of its input, (..., height, width); by default the smallest.
    """
    name = "max_unpool2d"
    x, was_unbatched = as_batch(name, input)
    fits = as_tensor_of(name, "indices", indices, "iu").shape == input.shape
    require(fits, name, "indices and input must have one shape", indices, input)
    kernel, pads = pair(name, "kernel_size", kernel_size, 1), pair(name, "padding", padding, 0)
    steps = kernel if stride is None else pair(name, "stride", stride, 1)
    size = tuple([(n - 1) * s + k - 2 * p
                  for n, k, s, p in zip(x.shape[2:], kernel, steps, pads, strict=True)])
    if output_size is not None:
        wanted = as_ints(name, "output_size", output_size, 1)[-2:]
        pairs = zip(wanted, size, steps, strict=False)
        if len(wanted) < 2 or [w for w, n, step in pairs if abs(w - n) >= step]:
            raise ValueError(f"{name}: output_size {wanted} must be less than a stride from {size}")
        size = wanted
    pixels, places = math.prod(size), indices.array
    if isinstance(places, np.ndarray) and ((places < 0) | (places >= pixels)).any():
        raise ValueError(f"{name}: indices must be from 0 to {pixels - 1}, for {size} pixels")
    zeros = creation.zeros(*x.shape[:2], pixels, dtype=x.dtype, device=x.device)
    y = scatter(zeros, 2, indices.reshape(x.shape).flatten(2).long(), x.flatten(2))
    return unbatched(y.unflatten(2, size), was_unbatched)


# --------------------------------------------------------------------------------------- sampling


def _corners(function: str, name: str, value: Any) -> bool:
    if value is None:
        warnings.warn(f"{function}: {name} is False by default; say which", stacklevel=3)
    return value is not None and as_bool(function, name, value)


Corners = Annotated[bool | None, _corners]


def affine_grid(theta: Tensor, size: Any, align_corners: Corners = None) -> Tensor:
    """Where the pixels of an image of `size` (N, C, H, W) lie after an affine map: (N, H, W, 2).

    `theta` is (N, 2, 3): (x, y) = theta @ (column, row, 1). Columns and rows go from -1 to 1, the
    centres of the outer pixels with `align_corners`, else the edges of the image.
    """
    sizes = as_ints("affine_grid", "size", tuple(size) if isinstance(size, list) else size, 1)
    rule = f"size {sizes} must be (N, C, H, W), and theta (N, 2, 3)"
    require(len(sizes) == 4 and theta.shape == (sizes[0], 2, 3), "affine_grid", rule, theta)
    N, _, H, W = sizes
    lines = [np.linspace(-1, 1, n) * (n > 1 if align_corners else (n - 1) / n) for n in (H, W)]
    y, x = np.meshgrid(*lines, indexing="ij")
    pixels = np.stack([x, y, np.ones_like(x)], -1).reshape(H * W, 3).astype(theta.dtype)
    places = creation.tensor(pixels, device=theta.device) @ theta.transpose(1, 2)
    return places.reshape(N, H, W, 2)


def grid_sample(input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: Corners = None) -> Tensor:
    """`input` (N, C, H, W) read at the places `grid` (N, OH, OW, 2): (N, C, OH, OW).

    Args:
        grid: (x, y) from -1 to 1, as `affine_grid` gives.
        mode: "bilinear" weights the four pixels around a place, "nearest" takes the nearest.
        padding_mode: what lies beyond the edges: "zeros", or "border", the nearest pixel.
        align_corners: whether -1 and 1 are the centres of the outer pixels, or the image's edges.

    Jaderberg et al. 2015, arXiv 1506.02025.
    """
    name = "grid_sample"
    as_choice(name, "mode", mode, ("bilinear", "nearest"))
    as_choice(name, "padding_mode", padding_mode, ("zeros", "border"))
    fits = input.ndim == grid.ndim == 4 and grid.shape[::3] == (input.shape[0], 2)
    rule = "input must be (N, C, H, W), grid (N, OH, OW, 2)"
    require(fits and 0 not in input.shape[1:], name, rule, input, grid)
    (N, C, H, W), (OH, OW) = input.shape, grid.shape[1:3]
    y, x = [(grid[..., i] + 1.0) * ((n - 1) / 2) if align_corners else
            ((grid[..., i] + 1.0) * n - 1.0) / 2.0 for i, n in ((1, H), (0, W))]
    if padding_mode == "border":
        y, x = [hardtanh(t, min=0.0, max=n - 1.0) for t, n in ((y, H), (x, W))]

    def read(row: Tensor, column: Tensor) -> Tensor:
        inside = (row >= 0) & (row < H) & (column >= 0) & (column < W)
        index = where(inside, row * W + column, 0.0).long()
        index = index.reshape(N, 1, OH * OW).expand(N, C, OH * OW)
        found = indexing.gather(input.flatten(2), 2, index).reshape(N, C, OH, OW)
        return where(inside.unsqueeze(1), found, 0.0)

    if mode == "nearest":
        # the last term is 0, as are its gradients
        return read(y.detach().round(), x.detach().round()) + hardtanh(y[:, None], min=0, max=0)
    rows, columns = [((low, 1.0 - (t - low)), (low + 1.0, t - low))
                     for t, low in ((y, y.detach().floor()), (x, x.detach().floor()))]
    parts = [read(row, column) * (down * along).unsqueeze(1)
             for row, down in rows for column, along in columns]
    return parts[0] + parts[1] + parts[2] + parts[3]


__all__ = [*declare(globals(), apart="max_unpool2d affine_grid grid_sample"),
    "upsample", "upsample_nearest", "upsample_bilinear", "max_pool2d_with_indices"]


def _interpolated(older_name: str, *arguments: Any) -> Tensor:
    warnings.warn(f"{older_name}: deprecated; use interpolate", stacklevel=3)
    return interpolate(*arguments)


def upsample(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
             align_corners: bool | None = None) -> Tensor:
    """`interpolate` by its older name, with a warning."""
    return _interpolated("upsample", input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest", with a warning."""
    return _interpolated("upsample_nearest", input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" and ``align_corners=True``, with a warning."""
    return _interpolated("upsample_bilinear", input, size, scale_factor, "bilinear", True)


max_pool2d_with_indices = named(functools.partial(max_pool2d, return_indices=True),
    "max_pool2d_with_indices", "`max_pool2d` with ``return_indices=True``.")
