"""The transforms as functions, under torchvision's names: what they do to one image.

An image is a PIL image or a tensor (..., H, W), mostly (C, H, W); a tensor may also be a batch
(N, C, H, W). The result is of the same kind, and the image that was given stays as it is. Pillow
does the pixels of PIL images. No gradient flows through a transform: its result is data.
"""

import enum
import importlib
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from ...arrays import array_module, computing, on_device_of
from ...creation import from_numpy
from ...nn.functional import interpolate
from ...ops.arguments import as_choice, as_dtype, as_int, as_number
from ...tensor import Tensor

__all__ = ["InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_hue",
    "adjust_saturation", "affine", "center_crop", "convert_image_dtype", "crop", "erase",
    "gaussian_blur", "get_dimensions", "get_image_size", "hflip", "normalize", "pad",
    "pil_to_tensor", "resize", "resized_crop", "rgb_to_grayscale", "rotate", "to_grayscale",
    "to_pil_image", "to_tensor", "vflip"]


# How a new pixel is made of old ones. Everywhere the value will do too: "bilinear".
InterpolationMode = enum.Enum("InterpolationMode", {
    "NEAREST": "nearest", "NEAREST_EXACT": "nearest-exact", "BILINEAR": "bilinear",
    "BICUBIC": "bicubic", "BOX": "box", "HAMMING": "hamming", "LANCZOS": "lanczos"})

_PILLOW = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]  # by Pillow's numbers
_AFFINE = 0  # Pillow's number of this way to transform
Sizes = int | Sequence[int]
Floats = float | Sequence[float]
Pair = Sequence[float] | None
NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def pillow(module: str) -> Any:
    """A module of Pillow; RuntimeError says how to install it if it is missing."""
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise RuntimeError("PIL images need Pillow: pip install 'tinynet-cnn[vision]'") from error


def is_pil(image: Any) -> bool:
    """Whether `image` is a PIL image. Asking does not import Pillow."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def as_image(function: str, image: Any) -> Any:
    """`image` if it is a PIL image or a tensor (..., H, W); else TypeError or ValueError."""
    if not isinstance(image, Tensor) and not is_pil(image):
        raise TypeError(f"{function}: expected a PIL image or a tensor of images, got "
            f"{type(image).__name__}; ToTensor makes a tensor of an array")
    if isinstance(image, Tensor) and image.ndim < 2:
        raise ValueError(f"{function}: expected images (N, C, H, W) or one image (C, H, W), "
            f"got shape {tuple(image.shape)}")
    return image


def on_array(img: Any, change: Callable[[Any], Any]) -> Any:
    """``change(batch)`` of the pixels (N, C, H, W) of `img`, as an image or tensor like `img`."""
    pixels = pixels_of(img) if is_pil(img) else img.array
    with computing(pixels):
        changed = change(pixels.reshape(-1, *([1] * (3 - pixels.ndim)), *pixels.shape[-3:]))
        changed = array_module(pixels).ascontiguousarray(changed)
        changed = changed.reshape(*pixels.shape[:-3], *changed.shape[2 if pixels.ndim == 2 else 1:])
        if is_pil(img):
            return pil_of(changed, img.mode, img.getpalette())
        return Tensor._wrap(changed if changed is not img.array else changed.copy())


def pixels_of(image: Any) -> np.ndarray:
    """The pixels of a PIL image, or of an array (H, W) or (H, W, C), as an array (C, H, W)."""
    pixels = np.array(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def pil_of(pixels: np.ndarray, mode: str, palette: Any = None) -> Any:
    """The PIL image of pixels (C, H, W), in a mode of Pillow."""
    raw = "1;8" if mode == "1" else mode  # 8 bits for each pixel of one bit
    size, content = pixels.shape[:0:-1], pixels.transpose(1, 2, 0).tobytes()
    image = pillow("Image").frombytes(mode, size, content, "raw", raw)
    if palette is not None:
        image.putpalette(palette)
    return image


def as_mode(function: str, interpolation: Any, *allowed: str) -> str:
    """`interpolation`, an InterpolationMode, its value or Pillow's number, as a value."""
    value = getattr(interpolation, "value", interpolation)
    value = _PILLOW[value] if isinstance(value, int) and 0 <= value < 6 else value
    modes = allowed or [mode.value for mode in InterpolationMode]
    return as_choice(function, "interpolation", value, modes)


def _resample(function: str, interpolation: Any, *allowed: str) -> Any:
    mode = as_mode(function, interpolation, *allowed)  # Pillow's nearest is the exact one
    return pillow("Image").Resampling[mode.removesuffix("-exact").upper()]


def as_sizes(name: str, what: str, value: Any, counts: tuple[int, ...], least: int) -> Any:
    """`value`, an int or a sequence of as many ints as `counts` allows, as a tuple."""
    sizes = value if isinstance(value, (tuple, list)) else [value]
    if not all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in sizes):
        raise TypeError(f"{name}: {what} must be an int or a sequence of ints, got {value!r}")
    if len(sizes) not in counts or min(sizes) < least:
        allowed = " or ".join(map(str, counts))
        raise ValueError(f"{name}: {what} must be {allowed} ints from {least} up, got {value!r}")
    return tuple(map(int, sizes))


def numbers(name: str, what: str, value: Any, low: float = -math.inf,
            high: float = math.inf) -> list[float]:
    """A number, or a sequence of some, as a list of finite numbers from `low` to `high`."""
    several = value if isinstance(value, (tuple, list, np.ndarray)) else [value]
    if not len(several):
        raise ValueError(f"{name}: {what} must be a number, or one per channel, got {value!r}")
    for number in several:
        if isinstance(number, bool) or not isinstance(number, Real) or not math.isfinite(number):
            raise TypeError(f"{name}: {what} must be a finite number, got {number!r}")
    return [as_number(name, what, number, low, high) for number in several]


def _fill(name: str, image: Any, fill: Any) -> Any:
    """`fill`, a number or one for each channel, as one number for each channel."""
    values, channels = numbers(name, "fill", 0 if fill is None else fill), get_dimensions(image)[0]
    if len(values) not in (1, channels):
        raise ValueError(f"{name}: fill must be a number or one for each channel, got "
            f"{len(values)} numbers for {channels} channels")
    return values * channels if len(values) == 1 else values


def as_pair(name: str, what: str, value: Any) -> tuple[int, int]:
    """`value`, an int or a pair, as (height, width)."""
    return (as_sizes(name, what, value, (1, 2), 1) * 2)[:2]


def get_dimensions(img: Any) -> list[int]:
    """``[channels, height, width]`` of an image."""
    if is_pil(as_image("get_dimensions", img)):
        return [len(img.getbands()), img.height, img.width]
    return [img.shape[-3] if img.ndim > 2 else 1, *img.shape[-2:]]


def get_image_size(img: Any) -> list[int]:
    """``[width, height]`` of an image."""
    return get_dimensions(img)[:0:-1]


# ------------------------------------------------------------------------------------ conversions


def to_floats(pixels: Any) -> Any:
    """Bytes as float32 from 0.0 to 1.0."""
    return array_module(pixels).divide(pixels, np.float32(255), dtype=np.float32, order="C")


def to_tensor(pic: Any) -> Tensor:
    """A PIL image or an array (H, W) or (H, W, C) as a tensor (C, H, W).

    Bytes become float32 from 0.0 to 1.0; other numbers stay as they are.

    >>> to_tensor(np.array([[0, 51], [255, 102]], np.uint8))
    tensor([[[0.0000, 0.2000],
             [1.0000, 0.4000]]])
    """
    if not is_pil(pic) and not (isinstance(pic, np.ndarray) and pic.ndim in (2, 3)):
        given = f"{type(pic).__name__}{f' of {np.ndim(pic)} dims' if np.ndim(pic) else ''}"
        rule = "expected a PIL image or an array (H, W) or (H, W, C)"
        raise TypeError(f"to_tensor: {rule}, got {given}")
    pixels = pixels_of(pic) * np.uint8(255) if is_pil(pic) and pic.mode == "1" else pixels_of(pic)
    is_bytes = pixels.dtype == np.uint8
    return from_numpy(to_floats(pixels) if is_bytes else np.ascontiguousarray(pixels))


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a tensor (C, H, W) of its pixels, mostly uint8 from 0 to 255."""
    if not is_pil(pic):
        raise TypeError(f"pil_to_tensor: expected a PIL image, got {type(pic).__name__}")
    return from_numpy(np.ascontiguousarray(pixels_of(pic)))


def convert_image_dtype(image: Tensor, dtype: Any = np.float32) -> Tensor:
    """A tensor in another dtype: bytes from 0 to 255 are floats from 0.0 to 1.0."""
    name, kinds = "convert_image_dtype", (image.array.dtype.kind, as_dtype("dtype", dtype).kind)
    if kinds[0] == kinds[1] == "f" or image.dtype == dtype:
        return image.to(dtype)
    if kinds not in (("u", "f"), ("f", "u")):
        raise TypeError(f"{name}: expected bytes and floats, got {image.dtype} and {dtype!r}")
    return image.to(dtype) / 255 if kinds[1] == "f" else (image * (256 - 1e-3)).to(dtype)


_MODES = {"uint8": "L LA RGB RGBA".split(), "int16": ["I;16"], "int32": ["I"], "float32": ["F"]}


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a PIL image.

    Floats are multiplied by 255 and cut to bytes, unless `mode` is "F"; other numbers stay as they
    are. Otherwise `mode`, if given, is the one that follows from the number of
    channels and the dtype: L, LA, RGB, RGBA, I;16, I or F.
    """
    name = "to_pil_image"
    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"{name}: expected a tensor or an array, got {type(pic).__name__}")
    pixels: Any = pic.numpy(force=True) if isinstance(pic, Tensor) else pic
    if pixels.dtype.kind == "f" and mode != "F":
        pixels = (pixels * 255).astype(np.int64).astype(np.uint8)
    if pixels.ndim == 2 or (isinstance(pic, np.ndarray) and pixels.ndim == 3):
        pixels = pixels_of(pixels)
    if pixels.ndim != 3 or not 1 <= len(pixels) <= 4:
        rule = "an image has 2 or 3 dimensions and 1 to 4 channels"
        raise ValueError(f"{name}: {rule}, got shape {tuple(pic.shape)}")
    known = _MODES.get(str(pixels.dtype), [])[len(pixels) - 1:len(pixels)]
    if not known:
        raise TypeError(f"{name}: no PIL image has {len(pixels)} channels of {pixels.dtype}")
    return pil_of(pixels, as_choice(name, "mode", mode or known[0], known))


def normalize(tensor: Tensor, mean: Floats, std: Floats, inplace: bool = False) -> Tensor:
    """``(image - mean) / std``, of each channel by itself, of a tensor of floats.

    Args:
        mean, std: a number for all channels, or one for each. No std may be 0 (ValueError).
        inplace: write into `tensor`, and return it.
    """
    return normalized("normalize", tensor, mean, std, inplace)


def normalized(name: str, tensor: Tensor, mean: Any, std: Any, inplace: bool) -> Tensor:
    """`normalize`."""
    if is_pil(as_image(name, tensor)) or tensor.dtype.kind != "f":
        given = "a PIL image" if is_pil(tensor) else f"images of {tensor.dtype}"
        raise TypeError(f"{name}: got {given}; it takes floats, such as ToTensor() makes, or "
            "images.float() / 255")
    means, stds = per_channel(name, mean, std)
    count, channels = max(len(means), len(stds)), get_dimensions(tensor)[0]
    if count not in (1, channels):
        raise ValueError(f"{name}: the images have {channels} channels, but {count} numbers are "
            "given as mean or std")

    def change(batch: Any) -> Any:
        changed = batch - on_device_of(batch, means, batch.dtype)
        changed /= on_device_of(batch, stds, batch.dtype)
        return changed

    result = on_array(tensor, change)
    if inplace:
        tensor.detach().copy_(result)
    return tensor if inplace else result


def per_channel(name: str, mean: Any, std: Any) -> tuple[np.ndarray, np.ndarray]:
    """`mean` and `std` as float64 (C, 1, 1), to compute with (N, C, H, W)."""
    means, stds = (np.array(numbers(name, what, value), np.float64)[:, None, None]
        for what, value in (("mean", mean), ("std", std)))
    if not stds.all():
        raise ValueError(f"{name}: no std may be 0, got {std!r}")
    if 1 != len(means) != len(stds) != 1:
        raise ValueError(f"{name}: {len(means)} means and {len(stds)} stds are given; give as many")
    return means, stds


# --------------------------------------------------------------------------------- parts and sizes


def resize(img: Any, size: Sizes, interpolation: Any = BILINEAR,
           max_size: int | None = None, antialias: bool | None = True) -> Any:
    """The image with another number of pixels.

    Args:
        size: (height, width), or an int for the shorter side; the longer one keeps the proportion.
        interpolation: an `InterpolationMode` or its value; for a tensor "nearest",
            "nearest-exact", "bilinear" or "bicubic".
        max_size: the most that the longer side may get, with an int as `size`.
        antialias: average over the pixels that a smaller image leaves out, in the modes "bilinear"
            and "bicubic". For a PIL image it can't be False.
    """
    _, h, w = get_dimensions(as_image("resize", img))
    sizes = as_sizes("resize", "size", size, (1, 2), 1)
    if len(sizes) == 1:
        short, long = sorted((h, w))
        new = [sizes[0], int(sizes[0] * long / short)]
        if max_size is not None and new[1] > as_int("resize", "max_size", max_size, sizes[0] + 1):
            new = [int(max_size * new[0] / new[1]), max_size]
        sizes = tuple(new if h <= w else new[::-1])
    elif max_size is not None:
        raise ValueError("resize: max_size is for an int as size; leave it out")
    if is_pil(img):
        if antialias is False:
            raise ValueError("resize: Pillow can't leave antialias out; make a tensor first")
        return img.resize(sizes[::-1], _resample("resize", interpolation))
    mode = as_mode("resize", interpolation, "nearest", "nearest-exact", "bilinear", "bicubic")
    planes = img.detach().reshape(-1, 1, h, w)
    planes = planes if mode.startswith("nearest") else planes.float()
    if mode.startswith("nearest") or not antialias:
        changed = interpolate(planes, sizes, mode=mode).array
    else:
        how, make = _resample("resize", mode), pillow("Image").fromarray
        changed = np.array([np.asarray(make(plane).resize(sizes[::-1], how))
            for plane in planes.numpy(force=True)[:, 0]])
    changed = on_device_of(img.array, changed.reshape(*img.shape[:-2], *sizes))
    return Tensor._wrap(in_dtype(changed, img.dtype))


def in_dtype(pixels: Any, dtype: np.dtype) -> Any:
    """`pixels` in a dtype, rounded and cut to what a byte can hold if it is uint8."""
    return (pixels.round().clip(0, 255) if dtype == np.uint8 else pixels).astype(dtype)


def as_padding(name: str, padding: Any) -> tuple[int, ...]:
    """What is added at each side: (left, top, right, bottom)."""
    sides = as_sizes(name, "padding", padding, (1, 2, 4), 0)
    return sides * (4 // len(sides))


PADDING_MODES = ("constant", "edge", "reflect", "symmetric")  # numpy's names too


def pad(img: Any, padding: Sizes, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with pixels added around it.

    Args:
        padding: how many: an int for all sides, (left and right, top and bottom) or
            (left, top, right, bottom).
        fill: the value of what is added, or one for each channel, with padding_mode "constant".
        padding_mode: "constant", "edge" (repeats the edge), "reflect" (mirrors about the last
            pixel) or "symmetric" (mirrors about the edge).
    """
    as_choice("pad", "padding_mode", padding_mode, PADDING_MODES)
    return padded("pad", as_image("pad", img), as_padding("pad", padding), fill, padding_mode)


def padded(name: str, img: Any, sides: Sequence[int], fill: Any, mode: str) -> Any:
    """`pad`, with (left, top, right, bottom) as `sides`."""
    (_, h, w), (left, top, right, bottom) = get_dimensions(img), sides
    both, values = ((top, bottom), (left, right)), _fill(name, img, fill)
    if mode == "reflect" and (max(top, bottom) >= h or max(left, right) >= w):
        raise ValueError(f"{name}: images of {h} x {w} can't be reflected {both[0]} x {both[1]} "
            "pixels beyond their edges; pad less")

    def change(batch: Any) -> Any:
        if mode == "constant":
            return _framed(batch, both, values)
        return array_module(batch).pad(batch, ((0, 0), (0, 0), *both), mode)

    return on_array(img, change) if any(sides) else img


def _framed(batch: Any, both: Any, values: Sequence[float]) -> Any:
    """A batch in a frame ((top, bottom), (left, right)) of the values, one for each channel."""
    ((top, bottom), (left, right)), (n, c, h, w) = both, batch.shape
    made = array_module(batch).empty((n, c, top + h + bottom, left + w + right), batch.dtype)
    made[...] = on_device_of(batch, np.reshape(values, (-1, 1, 1)), batch.dtype)
    made[:, :, top:top + h, left:left + w] = batch
    return made


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of an image whose top left pixel is (top, left); what lies outside is 0."""
    _, h, w = get_dimensions(as_image("crop", img))
    sides = [max(0, side) for side in (-left, -top, left + width - w, top + height - h)]
    top, left, whole = top + sides[1], left + sides[0], padded("crop", img, sides, 0, "constant")
    return on_array(whole, lambda batch: batch[:, :, top:top + height, left:left + width])


def center_crop(img: Any, output_size: Sizes) -> Any:
    """The middle of an image: an int for a square, or (height, width); outside is 0."""
    height, width = as_pair("center_crop", "output_size", output_size)
    _, h, w = get_dimensions(as_image("center_crop", img))
    top, left = (round((old - new) / 2) if old >= new else -((new - old) // 2)
        for old, new in ((h, height), (w, width)))
    return crop(img, top, left, height, width)


def resized_crop(img: Any, top: int, left: int, height: int, width: int, size: Sizes,
                 interpolation: Any = BILINEAR, antialias: Any = True) -> Any:
    """`crop`, and then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Left and right exchanged.

    >>> import tinynet
    >>> hflip(tinynet.tensor([[[1, 2, 3]]]))
    tensor([[[3, 2, 1]]])
    """
    return on_array(as_image("hflip", img), lambda batch: batch[..., ::-1])


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return on_array(as_image("vflip", img), lambda batch: batch[..., ::-1, :])


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """A tensor with the rows from `i` and columns from `j`, h x w pixels, set to `v`.

    `v` is a number or a tensor that broadcasts to (C, h, w).
    """
    if not isinstance(as_image("erase", img), Tensor):
        raise TypeError("erase: expected a tensor, got a PIL image; ToTensor() comes first")
    result = img.detach() if inplace else img.detach().clone()
    result[..., i:i + h, j:j + w] = v.to(img.device, img.dtype) if isinstance(v, Tensor) else v
    return result


# ----------------------------------------------------------------------------------------- turning


def inverse_matrix(center: Any, angle: float, translate: Sequence[float] = (0, 0),
                   scale: float = 1, shear: Sequence[float] = (0, 0)) -> np.ndarray:
    """Where the pixels of an affine image come from: (x, y) = M[:, :2] @ (x', y') + M[:, 2].

    The image is sheared, turned clockwise by `angle` degrees and scaled about `center`, and then
    moved by `translate`.
    """
    turn, sx, sy = map(math.radians, (angle, *shear))
    a, c = math.cos(turn - sy) / math.cos(sy), math.sin(turn - sy) / math.cos(sy)
    b, d = -a * math.tan(sx) - math.sin(turn), math.cos(turn) - c * math.tan(sx)
    back = np.array([[d, -b], [-c, a]]) / scale  # the inverse of scale · [[a, b], [c, d]]
    return np.column_stack([back, center - back @ np.add(center, translate)])


def warped(batch: Any, matrices: Sequence[np.ndarray], size: tuple[int, int], mode: str,
           fill: Any) -> Any:
    """Each image of a batch (N, C, H, W) seen through its matrix (2, 3), or all through one.

    Coordinates count from the top left corner, so the middle of the first pixel is (0.5, 0.5).
    What lies outside is `fill`, one number for each channel, or 0 if it is None. In the mode
    "bilinear" a pixel at the edge is a mean of the image and of 0, of which `fill` then takes the
    share that lies outside, as in torchvision.
    """
    y, x = np.arange(size[0])[:, None] + 0.5, np.arange(size[1]) + 0.5
    across, down = np.reshape(matrices, (-1, 2, 3, 1, 1)).transpose(1, 2, 0, 3, 4)
    columns, rows = (m[0] * x + m[1] * y + m[2] - 0.5 for m in (across, down))  # (N, height, width)
    (h, w), outside = batch.shape[2:], (0,) if fill is None or mode != "nearest" else fill
    framed = _framed(batch, ((1, 1), (1, 1)), outside)

    def pixels(rows: np.ndarray, columns: np.ndarray) -> Any:  # the frame, if they lie outside
        return pixels_at(framed, np.clip(rows, -1, h) + 1, np.clip(columns, -1, w) + 1)

    if mode == "nearest":
        return pixels(np.rint(rows), np.rint(columns))
    total, floats = 0, np.result_type(batch, np.float32)
    top, left = np.floor(rows), np.floor(columns)
    for row, column in itertools.product((top, top + 1), (left, left + 1)):
        weight = (1 - abs(rows - row)) * (1 - abs(columns - column))
        total = total + pixels(row, column) * on_device_of(batch, weight[:, None], floats)
    if fill is not None:
        down, across = (np.minimum(at + 1, count - at).clip(0, 1)
            for at, count in ((rows, h), (columns, w)))
        share = on_device_of(batch, (down * across)[:, None], floats)  # of the pixel that is inside
        colour = on_device_of(batch, np.reshape(fill, (-1, 1, 1)), floats)
        total = total * share + (1 - share) * colour
    return in_dtype(total, batch.dtype)


def pixels_at(batch: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """The pixels (N, C, h, w) of a batch at `rows` and `columns` of each image."""
    indices = np.arange(len(batch))[:, None, None], rows.astype(np.int64), columns.astype(np.int64)
    image, rows, columns = (on_device_of(batch, index) for index in indices)
    # Indices on both sides of a slice bring the dims that they make to the front: (N, h, w, C).
    return batch[image, :, rows, columns].transpose(0, 3, 1, 2)


def rotate(img: Any, angle: float, interpolation: Any = NEAREST,
           expand: bool = False, center: Pair = None, fill: Any = None) -> Any:
    """The image turned anticlockwise by `angle` degrees.

    Args:
        interpolation: "nearest" or "bilinear"; for a PIL image also "bicubic".
        expand: make the result so large that it shows the whole image.
        center: the point (x, y) that stays; by default the middle.
        fill: the value of what comes from outside the image, or one for each channel; by default 0.
            A bilinear edge of a tensor, mixed with 0 already, is mixed with a given `fill` again.
    """
    (angle,) = numbers("rotate", "angle", angle)
    return moved("rotate", img, [(-angle,)], interpolation, fill, center, bool(expand))


def affine(img: Any, angle: float, translate: Sequence[float], scale: float, shear: Any,
           interpolation: Any = NEAREST, fill: Any = None, center: Pair = None) -> Any:
    """The image sheared, turned clockwise by `angle` degrees, scaled, and then moved.

    Args:
        translate: (right, down), in pixels.
        shear: degrees along x, or (along x, along y).
        interpolation, fill, center: as for `rotate`.
    """
    name, shears = "affine", numbers("affine", "shear", shear)
    (angle,), (factor,) = numbers(name, "angle", angle), numbers(name, "scale", scale)
    if len(numbers(name, "translate", [*translate])) != 2 or factor <= 0 or len(shears) > 2:
        rule = "translate must be two numbers, scale above 0 and shear one or two numbers"
        raise ValueError(f"{name}: {rule}, got {translate!r}, {scale!r} and {shear!r}")
    motion = angle, [*translate], factor, (*shears, 0)[:2]
    return moved(name, img, [motion], interpolation, fill, center)


def moved(name: str, img: Any, motions: Sequence[tuple[Any, ...]], interpolation: Any, fill: Any,
          center: Pair, expand: bool | None = None) -> Any:
    """`affine`, with one motion, the arguments of `inverse_matrix`, or one for each of a batch.

    With `expand`, True or False, it is `rotate`, which Pillow has too.
    """
    _, h, w = get_dimensions(as_image(name, img))
    middle, values = np.array([w / 2, h / 2]), _fill(name, img, fill)
    about = middle if center is None else np.array(numbers(name, "center", center))
    matrices = [inverse_matrix(about, *motion) for motion in motions]
    if expand and len(motions) != 1:
        raise ValueError(f"{name}: with expand=True the sizes differ; give one image at a time")
    if is_pil(img):
        how = _resample(name, interpolation, "nearest", "bilinear", "bicubic")
        colours = tuple(values if img.mode == "F" else map(int, values))
        colour = colours if len(colours) > 1 else colours[0]
        if expand is not None:
            return img.rotate(-motions[0][0], how, expand, center, fillcolor=colour)
        return img.transform((w, h), _AFFINE, matrices[0].ravel(), how, fillcolor=colour)
    if expand:
        half = abs(matrices[0][:, :2].T) @ middle  # from the middle of the turned image to its edge
        w, h = (np.ceil(middle + half - 1e-4) - np.floor(middle - half + 1e-4)).astype(int).tolist()
        matrices[0][:, 2] += matrices[0][:, :2] @ (middle - (w / 2, h / 2))
    mode = as_mode(name, interpolation, "nearest", "bilinear")
    fill = None if fill is None else values
    return on_array(img, lambda batch: warped(batch, matrices, (h, w), mode, fill))


# ----------------------------------------------------------------------------------------- colours


def gaussian_blur(img: Any, kernel_size: Sizes, sigma: Any = None) -> Any:
    """Each pixel as a mean of those around it, with the weights of a normal distribution.

    Args:
        kernel_size: odd, for both directions, or (width, height).
        sigma: the standard deviations in pixels, one or (across, down); by default
            ``0.15 * kernel_size + 0.35``.
    """
    name = "gaussian_blur"
    sizes = as_pair(name, "kernel_size", kernel_size)
    sigmas = numbers(name, "sigma", [0.15 * n + 0.35 for n in sizes] if sigma is None else sigma, 0)
    if not all(n % 2 for n in sizes) or 0 in sigmas:
        raise ValueError(f"{name}: kernel_size must be odd and sigma above 0, got {kernel_size!r} "
            f"and {sigma!r}")

    def change(batch: Any) -> Any:
        total, xp = batch, array_module(batch)
        for axis, size, s in zip((3, 2), sizes, (sigmas * 2)[:2], strict=True):
            half, n = size // 2, batch.shape[axis]
            weights = np.exp(-0.5 * (np.arange(-half, half + 1) / s) ** 2)
            sides = [(half, half) if d == axis else (0, 0) for d in range(4)]
            wide, total = xp.pad(total, sides, "reflect"), 0
            for k, weight in enumerate((weights / weights.sum()).tolist()):
                part = [slice(k, k + n) if d == axis else slice(None) for d in range(4)]
                total = total + wide[tuple(part)] * np.float32(weight)
        return in_dtype(total, batch.dtype)

    return on_array(as_image(name, img), change)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The brightness of a PIL image, in one channel or in 3 equal ones."""
    if not is_pil(img):
        raise TypeError(f"to_grayscale: expected a PIL image, got {type(img).__name__}; "
            "rgb_to_grayscale takes tensors")
    return rgb_to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """`to_grayscale`, also of a tensor: ``0.2989 R + 0.587 G + 0.114 B``.

    A tensor with one channel stays as it is.
    """
    name, channels = "rgb_to_grayscale", get_dimensions(_as_colours("rgb_to_grayscale", img))[0]
    if num_output_channels not in (1, 3):
        raise ValueError(f"{name}: num_output_channels must be 1 or 3, got {num_output_channels!r}")
    if is_pil(img):
        return img.convert("L").convert("L" if num_output_channels == 1 else "RGB")
    return on_array(img, lambda batch: _grey(batch).repeat(min(num_output_channels, channels), 1))


def _as_colours(name: str, img: Any) -> Any:
    """`img` if it is a PIL image or a tensor with 1 or 3 channels."""
    if not is_pil(as_image(name, img)) and (channels := get_dimensions(img)[0]) not in (1, 3):
        raise ValueError(f"{name}: images have 1 or 3 channels, got {channels}")
    return img


def _grey(batch: Any) -> Any:
    """The brightness of a batch (N, C, H, W) of 1 or 3 channels, (N, 1, H, W)."""
    shares = np.array([0.2989, 0.587, 0.114])[:, None, None]
    shares = on_device_of(batch, shares, np.result_type(batch, np.float32))
    return batch if batch.shape[1] == 1 else (batch * shares).sum(1)[:, None].astype(batch.dtype)


def _recoloured(name: str, img: Tensor, change: Callable[[Any, Any], Any]) -> Tensor:
    """``change(batch, floats)`` of a tensor of bytes or floats, cut to what its dtype can hold.

    `floats` is the dtype to compute in.
    """
    if img.dtype != np.uint8 and img.dtype.kind != "f":
        raise TypeError(f"{name}: expected a tensor of floats or uint8, got {img.dtype}; "
            "images.float() / 255 makes floats of bytes")
    floats = np.result_type(img.array, np.float32)
    return on_array(img, lambda batch: change(batch, floats).astype(batch.dtype))


def _enhanced(what: str, enhancer: str, img: Any, factor: float, faint: Callable[..., Any]) -> Any:
    """A PIL image after Pillow's `enhancer`; a tensor moved away from ``faint(batch, floats)``."""
    name = f"adjust_{what}"
    (factor,) = numbers(name, f"{what}_factor", factor, 0)
    if is_pil(_as_colours(name, img)):
        return getattr(pillow("ImageEnhance"), enhancer)(img).enhance(factor)

    def change(batch: Any, floats: Any) -> Any:
        mixed = floats.type(factor) * batch + floats.type(1 - factor) * faint(batch, floats)
        return mixed.clip(0, 255 if batch.dtype == np.uint8 else 1)

    return _recoloured(name, img, change)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """The image, `brightness_factor` times as bright.

    Of a tensor, as for the other colours: uint8, or floats from 0.0 to 1.0, of 1 or 3 channels.
    """
    return _enhanced("brightness", "Brightness", img, brightness_factor, lambda batch, floats: 0)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """The image with another contrast: 0 is all grey, 1 the image, 2 twice the contrast."""
    return _enhanced("contrast", "Contrast", img, contrast_factor,
        lambda batch, floats: _grey(batch).mean((1, 2, 3), floats, keepdims=True))


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """The image with stronger colours: 0 is black and white, 1 the image, 2 twice as strong."""
    changed = _enhanced(
        "saturation", "Color", img, saturation_factor, lambda batch, floats: _grey(batch))
    return img if isinstance(img, Tensor) and get_dimensions(img)[0] == 1 else changed


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The image, its colours moved round the circle of colours by -0.5 to 0.5 of it."""
    (shift,) = numbers("adjust_hue", "hue_factor", hue_factor, -0.5, 0.5)
    if get_dimensions(_as_colours("adjust_hue", img))[0] == 1:
        return img
    if not is_pil(img):
        return _recoloured("adjust_hue", img, lambda batch, floats: _with_hue(batch, floats, shift))
    hue, *others = img.convert("HSV").split()
    hue = hue.point([(h + int(shift * 255)) % 256 for h in range(256)])
    return pillow("Image").merge("HSV", [hue, *others]).convert(img.mode)


def _with_hue(batch: Any, floats: Any, shift: float) -> Any:
    """`adjust_hue`: the hue counts 6 to a circle, from red to yellow, green and on.

    A colour of that hue has its least value where the hue is far from the channel's own, see
    https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative.
    """
    xp, is_bytes = array_module(batch), batch.dtype == np.uint8
    pixels = to_floats(batch) if is_bytes else batch.astype(floats)
    r, g, b = (pixels[:, k:k + 1] for k in range(3))
    most = pixels.max(1, keepdims=True)
    chroma = most - pixels.min(1, keepdims=True)
    part = chroma + (chroma == 0)  # grey has no hue: any will do
    hue = xp.where(most == r, (g - b) / part,
        xp.where(most == g, 2 + (b - r) / part, 4 + (r - g) / part))
    places = (on_device_of(batch, np.reshape([5, 3, 1], (3, 1, 1)), floats) + hue + 6 * shift) % 6
    less = most - chroma * xp.minimum(places, 4 - places).clip(0, 1)
    moved = xp.where(places >= 4, most, less.clip(0, 1))
    return moved * 255.999 if is_bytes else moved
