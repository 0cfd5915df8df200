"""Functions of images that are made of others: pixels rearranged, sampled, pooled."""

import math
import warnings
from typing import Any

import numpy as np

from .. import creation
from ..nn.functional import avg_pool2d, interpolate, pad
from ..ops import elementwise, indexing, products, shapes
from ..ops.arguments import as_bool, as_choice, as_shape, as_tensor, pair
from ..ops.shapes import as_batch, unbatched
from ..tensor import Tensor
from . import public
from .declared import formula

# ------------------------------------------------------------------------------ pixels rearranged


def _sizes(name: str, input: Tensor, divisors: tuple[int, int, int]) -> tuple[int, ...]:
    """C, H and W of (..., C, H, W), each divided by its divisor."""
    if input.ndim < 3 or any(n % d for n, d in zip(input.shape[-3:], divisors, strict=True)):
        rule = f"must be (..., C, H, W), with sizes that {divisors} divide"
        raise ValueError(f"{name}: input {rule}; got shape {tuple(input.shape)}")
    return tuple([n // d for n, d in zip(input.shape[-3:], divisors, strict=True)])


def _permuted(x: Tensor, *last: int) -> Tensor:
    """`x` with its last dimensions in this order, counted among them."""
    first = x.ndim - len(last)
    return shapes.permute(x, *range(first), *[first + dim for dim in last])


@formula()
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C·r², H, W) -> (..., C, H·r, W·r): each r² channels become r x r pixels.

    Shi et al. 2016, arXiv 1609.05158.
    """
    r = upscale_factor
    C, H, W = _sizes("pixel_shuffle", input, (r * r, 1, 1))
    x = _permuted(shapes.reshape(input, *input.shape[:-3], C, r, r, H, W), 0, 3, 1, 4, 2)
    return shapes.reshape(x, *input.shape[:-3], C, H * r, W * r)


@formula()
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H·r, W·r) -> (..., C·r², H, W), the reverse of `pixel_shuffle`."""
    r = downscale_factor
    C, H, W = _sizes("pixel_unshuffle", input, (1, r, r))
    x = _permuted(shapes.reshape(input, *input.shape[:-3], C, H, r, W, r), 0, 2, 4, 1, 3)
    return shapes.reshape(x, *input.shape[:-3], C * r * r, H, W)


@formula()
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, C, H, W) with the channels of the groups interleaved. Zhang et al. 2017, ShuffleNet."""
    C, H, W = _sizes("channel_shuffle", input, (groups, 1, 1))
    x = _permuted(shapes.reshape(input, *input.shape[:-3], groups, C, H, W), 1, 0, 2, 3)
    return shapes.reshape(x, input.shape)


def upsample(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
             align_corners: bool | None = None) -> Tensor:
    """`interpolate` by its older name, with a warning."""
    warnings.warn("upsample is deprecated; use interpolate", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


# ---------------------------------------------------------------------------------------- pooling


@formula()
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75,
                        k: float = 1.0) -> Tensor:
    """``input / (k + alpha * mean) ** beta``, the mean over squares of `size` channels around.

    `input` is (N, C, ...). Krizhevsky et al. 2012, ImageNet classification.
    """
    if input.ndim < 3:
        given = f"got shape {tuple(input.shape)}"
        raise ValueError(f"local_response_norm: input must be (N, C, ...), {given}")
    squares = shapes.flatten(shapes.unsqueeze(elementwise.square(input), 1), 3)  # (N, 1, C, ...)
    squares = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = shapes.reshape(avg_pool2d(squares, (size, 1), 1), input.shape)
    return input / (means * alpha + k) ** beta


@formula()
def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None,
              ceil_mode: bool = False) -> Tensor:
    """``sum(input ** p) ** (1 / p)`` under each position of a window, p = `norm_type`.

    The other arguments are those of `avg_pool2d`.
    """
    kh, kw = pair("lp_pool2d", "kernel_size", kernel_size, 1)
    means = avg_pool2d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    sums = elementwise.sign(means) * elementwise.relu(elementwise.abs(means)) * float(kh * kw)
    return sums ** (1.0 / norm_type)


@formula()
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
    positions = as_tensor(name, "indices", indices).array
    if positions.shape != input.array.shape or positions.dtype != np.int64:
        raise ValueError(f"{name}: indices must be int64 in the shape of input, "
            f"{tuple(input.shape)}; got {positions.dtype}, {positions.shape}")
    kernel, pads = pair(name, "kernel_size", kernel_size, 1), pair(name, "padding", padding, 0)
    steps = kernel if stride in (None, (), []) else pair(name, "stride", stride, 1)
    size = [(n - 1) * s + k - 2 * p
            for n, k, s, p in zip(x.shape[2:], kernel, steps, pads, strict=True)]
    if output_size is not None:
        wanted = as_shape(name, (output_size,))[-2:]
        if [w for w, n, s in zip(wanted, size, steps, strict=True) if not n - s < w < n + s]:
            raise ValueError(f"{name}: output_size {wanted} must be less than a stride from {size}")
        size = list(wanted)
    if isinstance(positions, np.ndarray) and positions.size and not (
            0 <= positions.min() <= positions.max() < math.prod(size)):
        raise ValueError(f"{name}: indices must be from 0 to {math.prod(size) - 1}, for an output "
            f"of {size[0]} x {size[1]}; got {positions.min()} to {positions.max()}")
    N, C, *_ = x.shape
    flat = creation.zeros(N * C, math.prod(size), dtype=x.dtype, device=x.device)
    rows = creation.arange(N * C, device=x.device).reshape(-1, 1)
    values, places = [shapes.reshape(t, N * C, math.prod(x.shape[2:])) for t in (x, indices)]
    flat[rows, places] = values
    return unbatched(shapes.reshape(flat, N, C, *size), was_unbatched)


# --------------------------------------------------------------------------------------- sampling


def _corners(name: str, align_corners: Any) -> bool:
    if align_corners is None:
        warnings.warn(f"{name}: align_corners is False by default; say which", stacklevel=4)
    return align_corners is not None and as_bool(name, "align_corners", align_corners)


@formula()
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Where the pixels of an image of `size` (N, C, H, W) lie after an affine map: (N, H, W, 2).

    `theta` is (N, 2, 3): (x, y) = theta @ (column, row, 1). Columns and rows go from -1 to 1, the
    centres of the outer pixels with `align_corners`, else the edges of the image.
    """
    sizes, corners = as_shape("affine_grid", (size,)), _corners("affine_grid", align_corners)
    if len(sizes) != 4 or min(sizes) < 1 or theta.shape != (sizes[0], 2, 3):
        given = f"got {tuple(sizes)} and {tuple(theta.shape)}"
        raise ValueError(f"affine_grid: size must be (N, C, H, W) and theta (N, 2, 3); {given}")
    N, _, H, W = sizes
    lines = [(2.0 * np.arange(n) + 1) / n - 1 if not corners else np.linspace(-1, 1, n) * (n > 1)
             for n in (H, W)]
    y, x = np.meshgrid(*lines, indexing="ij")
    base = np.stack([x, y, np.ones_like(x)], -1).reshape(1, H * W, 3).astype(theta.dtype)
    places = creation.tensor(np.broadcast_to(base, (N, H * W, 3)), device=theta.device)
    return shapes.reshape(products.matmul(places, shapes.transpose(theta, 1, 2)), N, H, W, 2)


def _reflected(x: Tensor, low: float, high: float) -> Tensor:
    """`x` mirrored at both ends until it lies between them."""
    span = high - low
    if not span:
        return x * 0.0
    far = elementwise.abs(x - low)
    turns = elementwise.floor(far / span)
    rest = far - turns * span
    return low + elementwise.where(turns % 2 == 0, rest, span - rest)


@formula()
def grid_sample(input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: bool | None = None) -> Tensor:
    """`input` (N, C, H, W) read at the places `grid` (N, OH, OW, 2): (N, C, OH, OW).

    Args:
        grid: (x, y) from -1 to 1, as `affine_grid` gives.
        mode: "bilinear" weights the four pixels around a place, "nearest" takes the nearest.
        padding_mode: what lies beyond the edges: "zeros"; "border", the nearest pixel; or
            "reflection".
        align_corners: whether -1 and 1 are the centres of the outer pixels, or the image's edges.

    Jaderberg et al. 2015, arXiv 1506.02025.
    """
    name = "grid_sample"
    as_choice(name, "mode", mode, ("bilinear", "nearest"))
    as_choice(name, "padding_mode", padding_mode, ("zeros", "border", "reflection"))
    corners = _corners(name, align_corners)
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[::3] != (len(input), 2) or not all(
            input.shape[1:]):
        given = f"got {tuple(input.shape)} and {tuple(grid.shape)}"
        raise ValueError(f"{name}: input must be (N, C, H, W), grid (N, OH, OW, 2); {given}")
    (N, C, H, W), (OH, OW) = input.shape, grid.shape[1:3]
    flat, places = shapes.reshape(input, N, C, H * W), []
    for axis, n in ((1, H), (0, W)):
        place = (grid[..., axis] + 1.0) * ((n - 1) / 2) if corners else (
            (grid[..., axis] + 1.0) * n - 1.0) / 2.0
        if padding_mode == "reflection":
            place = _reflected(place, *((0.0, n - 1.0) if corners else (-0.5, n - 0.5)))
        if padding_mode != "zeros":
            place = elementwise.hardtanh(place, min=0.0, max=n - 1.0)
        places.append(place)
    y, x = places

    def read(row: Tensor, column: Tensor) -> Tensor:
        inside = (row >= 0) & (row < H) & (column >= 0) & (column < W)
        index = elementwise.where(inside, row * W + column, 0.0).long()
        index = shapes.expand(shapes.reshape(index, N, 1, OH * OW), N, C, OH * OW)
        found = shapes.reshape(indexing.gather(flat, 2, index), N, C, OH, OW)
        return elementwise.where(shapes.unsqueeze(inside, 1), found, 0.0)

    if mode == "nearest":
        return read(elementwise.round(y.detach()), elementwise.round(x.detach()))
    top, left = elementwise.floor(y.detach()), elementwise.floor(x.detach())
    rows, columns = [((low, 1.0 - (place - low)), (low + 1.0, place - low))
                     for low, place in ((top, y), (left, x))]
    parts = [read(row, column) * shapes.unsqueeze(down * along, 1)
             for row, down in rows for column, along in columns]
    return parts[0] + parts[1] + parts[2] + parts[3]


__all__ = public(globals())
