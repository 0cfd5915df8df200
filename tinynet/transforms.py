"""Changes to small images that make a training set seem larger, under torchvision's names.

Each takes a tensor (N, C, H, W), a whole batch at once, or a single image (C, H, W), and returns a new one. What is random is
drawn for every image of a batch by itself (torchvision's transforms draw once for all that they are given), from `generator` or else from
the one that `tinynet.manual_seed` seeds: the same seed gives the same images, on every device.

    train = CIFAR10(train=True, transform=Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), Normalize(MEAN, STD)]))

No gradient goes through them: the result is data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays.devices import array_module, beside, computing
from .arrays.random import Generator, default_generator
from .tensor import Tensor

# torchvision's names for what lies outside an image, which are numpy's too.
_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def _batch(name: str, images: Any) -> Any:
    """The array (N, C, H, W) of what a transform was given."""
    if not isinstance(images, Tensor):
        raise TypeError(f"{name}: expected a tensor of images, got {type(images).__name__}; tinynet.from_numpy makes one of a numpy array")
    if images.ndim not in (3, 4):
        raise ValueError(f"{name}: expected images (N, C, H, W) or one image (C, H, W), got shape {tuple(images.shape)}")
    return images.array if images.ndim == 4 else images.array[None]


def _like(images: Tensor, array: Any) -> Tensor:
    """A tensor of the array (N, C, H, W), as a batch or a single image, whichever `images` is."""
    return Tensor._wrap(array if images.ndim == 4 else array[0])


def _number(name: str, what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)) or not math.isfinite(value):
        raise TypeError(f"{name}: {what} must be a finite number, got {value!r}")
    return value if isinstance(value, int) else float(value)


def _sizes(name: str, what: str, value: Any, lengths: tuple[int, ...], least: int) -> tuple[int, ...]:
    sizes = (value,) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else value
    if not isinstance(sizes, (tuple, list)) or not all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in sizes):
        raise TypeError(f"{name}: {what} must be an int or a sequence of ints, got {value!r}")
    if len(sizes) not in lengths or min(sizes) < least:
        raise ValueError(f"{name}: {what} must be {' or '.join(map(str, lengths))} ints from {least} up, got {value!r}")
    return tuple(int(s) for s in sizes)


class _Random:
    """A transform that draws from a generator."""

    def __init__(self, generator: Generator | None):
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(f"{type(self).__name__}: generator must be a tinynet.Generator, got {type(generator).__name__}")
        self.generator = generator

    @property
    def _draw(self) -> np.random.Generator:
        return (self.generator or default_generator).numpy


class Compose:
    """One transform after the other.

    >>> Compose([RandomHorizontalFlip(), Normalize(0.5, 0.25)])
    Compose(
        RandomHorizontalFlip(p=0.5)
        Normalize(mean=0.5, std=0.25)
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(f"Compose: expected functions of a tensor, got {transform!r}")

    def __call__(self, images: Any) -> Any:
        for transform in self.transforms:
            images = transform(images)
        return images

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {transform!r}" for transform in self.transforms), ")"])


class Normalize:
    """``(image - mean) / std``, of each channel by itself.

    Args:
        mean, std: a number for all channels, or one for each. No std may be 0 (ValueError).

    The images must be floats (TypeError) and have as many channels as there are numbers (ValueError).

    >>> import tinynet
    >>> Normalize((0.5, 1.0), (0.5, 2.0))(tinynet.tensor([[[0., 1.]], [[3., 5.]]]))
    tensor([[[-1.,  1.]],
    <BLANKLINE>
            [[ 1.,  2.]]])
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        self.mean, self.std = mean, std
        self._mean, self._std = self._channels("mean", mean), self._channels("std", std)
        if not self._std.all():
            raise ValueError(f"Normalize: no std may be 0, got {std!r}")
        if 1 != len(self._mean) != len(self._std) != 1:
            raise ValueError(f"Normalize: {len(self._mean)} means and {len(self._std)} stds are given; there must be as many of one as of the other")

    @staticmethod
    def _channels(what: str, value: Any) -> np.ndarray:
        several = value if isinstance(value, (tuple, list, np.ndarray)) else [value]
        numbers = [_number("Normalize", what, number) for number in several]
        if not numbers:
            raise ValueError(f"Normalize: {what} must be a number, or one for each channel, got {value!r}")
        return np.array(numbers)

    def __call__(self, images: Tensor) -> Tensor:
        batch = _batch("Normalize", images)  # (N, C, H, W)
        if batch.dtype.kind != "f":
            raise TypeError(f"Normalize: the images are {batch.dtype}; it takes floats, such as images.float() / 255")
        channels = batch.shape[1]
        for what, values in (("mean", self._mean), ("std", self._std)):
            if len(values) not in (1, channels):
                raise ValueError(f"Normalize: the images have {channels} channels, but {len(values)} numbers are given as {what}")
        with computing(batch):
            mean, std = (beside(batch, values[:, None, None], batch.dtype) for values in (self._mean, self._std))  # (C, 1, 1)
            return _like(images, (batch - mean) / std)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class RandomHorizontalFlip(_Random):
    """Left and right exchanged, with probability `p` for each image.

    >>> import tinynet
    >>> RandomHorizontalFlip(p=1)(tinynet.tensor([[[1, 2, 3]]]))
    tensor([[[3, 2, 1]]])
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None):
        super().__init__(generator)
        if not 0 <= _number("RandomHorizontalFlip", "p", p) <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be a probability, from 0 to 1, got {p!r}")
        self.p = p

    def __call__(self, images: Tensor) -> Tensor:
        batch = _batch("RandomHorizontalFlip", images)
        turned = self._draw.random(len(batch)) < self.p  # (N,)
        with computing(batch):
            xp = array_module(batch)
            return _like(images, xp.where(beside(batch, turned[:, None, None, None]), batch[..., ::-1], batch))

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop(_Random):
    """A part of each image, of the same size and at a place drawn for it.

    Args:
        size: of the part: an int for a square, or (height, width).
        padding: what is added around each image first: an int for all sides, (left and right, top and bottom) or
            (left, top, right, bottom). None adds nothing.
        pad_if_needed: make images that are smaller than the part large enough, by the same on both sides; else they are refused.
        fill: the value of what is added, with padding_mode "constant".
        padding_mode: "constant", "edge" (repeats the edge), "reflect" (the mirror stands on the last pixel) or "symmetric"
            (behind it).
        generator: what to draw from.

    ValueError if the padded image is smaller than the part.

    >>> import tinynet
    >>> RandomCrop((2, 3), padding=1)(tinynet.ones(10, 3, 5, 5)).shape
    tinynet.Size([10, 3, 2, 3])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float = 0,
        padding_mode: str = "constant",
        *,
        generator: Generator | None = None,
    ):
        super().__init__(generator)
        name = "RandomCrop"
        height_width = _sizes(name, "size", size, (1, 2), 1)
        self.size = height_width if len(height_width) == 2 else 2 * height_width
        sides = _sizes(name, "padding", 0 if padding is None else padding, (1, 2, 4), 0)
        self._left, self._top, self._right, self._bottom = sides * (4 // len(sides))
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"{name}: padding_mode is {padding_mode!r}; it must be one of {', '.join(_PADDING_MODES)}")
        self.padding, self.pad_if_needed, self.padding_mode = padding, bool(pad_if_needed), padding_mode
        self.fill = _number(name, "fill", fill)

    def __call__(self, images: Tensor) -> Tensor:
        batch = _batch("RandomCrop", images)
        (height, width), (h, w) = self.size, batch.shape[2:]
        # What is missing after the padding that was asked for, and goes on both sides.
        more_h, more_w = (max(0, height - h - self._top - self._bottom), max(0, width - w - self._left - self._right))
        if (more_h or more_w) and not self.pad_if_needed:
            raise ValueError(
                f"RandomCrop: images of {h} x {w} with padding {self.padding} are smaller than the part of {height} x {width}; "
                "add padding, or pad_if_needed=True"
            )
        sides = ((self._top + more_h, self._bottom + more_h), (self._left + more_w, self._right + more_w))
        if self.padding_mode == "reflect" and (max(sides[0]) >= h or max(sides[1]) >= w):
            raise ValueError(f"RandomCrop: images of {h} x {w} can't be reflected {sides[0]} x {sides[1]} pixels beyond their edges; pad less")
        with computing(batch):
            xp = array_module(batch)
            if any(map(any, sides)):
                options = {"constant_values": self.fill} if self.padding_mode == "constant" else {}
                batch = xp.pad(batch, ((0, 0), (0, 0), *sides), self.padding_mode, **options)
            count, _, h, w = batch.shape
            top, left = (self._draw.integers(0, most + 1, (count, 1, 1)) for most in (h - height, w - width))
            rows, columns = top + np.arange(height)[:, None], left + np.arange(width)  # (N, height, 1), (N, 1, width)
            image = np.arange(count)[:, None, None]
            # Indices on both sides of a slice bring the dims that they make to the front: (N, height, width, C).
            parts = batch[beside(batch, image), :, beside(batch, rows), beside(batch, columns)]
            return _like(images, xp.ascontiguousarray(parts.transpose(0, 3, 1, 2)))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomRotation(_Random):
    """Each image turned about its middle by an angle drawn for it; its size stays, and what comes from outside is `fill`.

    Args:
        degrees: a number d for angles between -d and d, or (from, to). Positive angles turn anticlockwise.
        interpolation: "nearest" takes the pixel next to the place that a new one comes from, "bilinear" (for floats only:
            TypeError) weights the four around it.
        fill: the value of what lies outside.
        generator: what to draw from.

    >>> import tinynet
    >>> RandomRotation((90, 90))(tinynet.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 4],
             [1, 3]]])
    """

    def __init__(self, degrees: float | Sequence[float], interpolation: str = "nearest", *, fill: float = 0, generator: Generator | None = None):
        super().__init__(generator)
        name = "RandomRotation"
        if isinstance(degrees, (tuple, list)):
            if len(degrees) != 2 or _number(name, "degrees", degrees[0]) > _number(name, "degrees", degrees[1]):
                raise ValueError(f"{name}: degrees must be a number or (from, to), got {degrees!r}")
            self.degrees = [float(degrees[0]), float(degrees[1])]
        elif _number(name, "degrees", degrees) < 0:
            raise ValueError(f"{name}: degrees must not be negative unless it is (from, to), got {degrees!r}")
        else:
            self.degrees = [-float(degrees), float(degrees)]  # type: ignore[arg-type]
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"{name}: interpolation is {interpolation!r}; it must be 'nearest' or 'bilinear'")
        self.interpolation, self.fill = interpolation, _number(name, "fill", fill)

    def __call__(self, images: Tensor) -> Tensor:
        batch = _batch("RandomRotation", images)
        if self.interpolation == "bilinear" and batch.dtype.kind != "f":
            raise TypeError(f"RandomRotation: the images are {batch.dtype}; bilinear interpolation takes floats, such as images.float() / 255")
        height, width = batch.shape[2:]
        angle = np.radians(self._draw.uniform(self.degrees[0], self.degrees[1], (len(batch), 1, 1)))  # (N, 1, 1)
        # Where each pixel of the result comes from: the place, seen from the middle, turned back.
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        down, right = np.arange(height)[:, None] - middle_y, np.arange(width) - middle_x  # (H, 1), (W,)
        y = np.cos(angle) * down + np.sin(angle) * right + middle_y  # (N, H, W)
        x = np.cos(angle) * right - np.sin(angle) * down + middle_x
        if self.interpolation == "nearest":
            return _like(images, self._pixels(batch, np.rint(y), np.rint(x)))
        top, left = np.floor(y), np.floor(x)
        with computing(batch):
            turned: Any = 0
            for dy in (0, 1):
                for dx in (0, 1):
                    weight = (1 - np.abs(y - top - dy)) * (1 - np.abs(x - left - dx))  # (N, H, W)
                    turned = turned + self._pixels(batch, top + dy, left + dx) * beside(batch, weight[:, None], batch.dtype)
            return _like(images, turned)

    def _pixels(self, batch: Any, y: np.ndarray, x: np.ndarray) -> Any:
        """The pixels (N, C, H, W) of the images at rows `y` and columns `x`, both (N, H, W), or `fill` where these lie outside."""
        height, width = batch.shape[2:]
        outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
        rows, columns = (np.clip(place, 0, size - 1).astype(np.int64) for place, size in ((y, height), (x, width)))
        image = np.arange(len(batch))[:, None, None]
        with computing(batch):
            found = batch[beside(batch, image), :, beside(batch, rows), beside(batch, columns)]  # (N, H, W, C)
            found[beside(batch, outside)] = self.fill
            return array_module(batch).ascontiguousarray(found.transpose(0, 3, 1, 2))

    def __repr__(self) -> str:
        return f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation}, fill={self.fill})"
