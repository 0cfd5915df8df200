"""Random changes to images, which make a training set seem larger, under torchvision's names.

Each transform takes a tensor (N, C, H, W), a whole batch at once, or a single image (C, H, W), and
returns a new one. Random numbers are drawn for every image of a batch (torchvision's transforms
draw once for the whole batch), from `generator` or else from the one that `tinynet.manual_seed`
seeds. The same seed gives the same images on every device.

    augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), Normalize(MEAN, STD)])
    train = CIFAR10(train=True, transform=augment)

No gradient flows through a transform: its result is data.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import array_module, computing, default_generator, Generator, on_device_of
from ..ops.arguments import as_choice, as_function, as_generator, as_list, as_number
from ..tensor import Tensor

__all__ = ["Compose", "Normalize", "RandomCrop", "RandomHorizontalFlip", "RandomRotation"]


class Compose:
    """One transform after the other.

    >>> Compose([RandomHorizontalFlip(), Normalize(0.5, 0.25)])
    Compose(
        RandomHorizontalFlip(p=0.5)
        Normalize(mean=0.5, std=0.25)
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        given, wanted = as_list("Compose", "transforms", transforms), "a function of a tensor"
        self.transforms = [as_function("Compose", "each transform", t, wanted) for t in given]

    def __call__(self, images: Any) -> Any:
        for transform in self.transforms:
            images = transform(images)
        return images

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {each!r}" for each in self.transforms), ")"])


class _ImageTransform:
    """Base class: subclasses define `change`, of the array (N, C, H, W) of a batch.

    `shown` names the attributes that the text of a transform shows.
    """

    shown: tuple[str, ...]

    def __init__(self, generator: Generator | None = None):
        self.generator = as_generator(type(self).__name__, generator)

    def __call__(self, images: Tensor) -> Tensor:
        name = type(self).__name__
        if not isinstance(images, Tensor):
            given = f"{type(images).__name__}; tinynet.from_numpy makes a tensor of an array"
            raise TypeError(f"{name}: expected a tensor of images, got {given}")
        if images.ndim not in (3, 4):
            rule = "expected images (N, C, H, W) or one image (C, H, W)"
            raise ValueError(f"{name}: {rule}, got shape {tuple(images.shape)}")
        batch = images.array if images.ndim == 4 else images.array[None]
        with computing(batch):
            changed = self.change(batch)
        return Tensor._wrap(changed if images.ndim == 4 else changed[0])

    def change(self, batch: Any) -> Any:
        raise NotImplementedError

    def _draw(self) -> np.random.Generator:
        return (self.generator or default_generator).numpy

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)
        return f"{type(self).__name__}({shown})"


class Normalize(_ImageTransform):
    """``(image - mean) / std``, of each channel by itself.

    Args:
        mean, std: a number for all channels, or one for each. No std may be 0 (ValueError).

    The images must be floats (TypeError) and have as many channels as there are numbers
    (ValueError).

    >>> import tinynet
    >>> Normalize((0.5, 1.0), (0.5, 2.0))(tinynet.tensor([[[0., 1.]], [[3., 5.]]]))
    tensor([[[-1.,  1.]],
    <BLANKLINE>
            [[ 1.,  2.]]])
    """

    shown = ("mean", "std")

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        super().__init__()
        self.mean, self.std = mean, std
        self._mean, self._std = _per_channel("mean", mean), _per_channel("std", std)  # (C, 1, 1)
        if not self._std.all():
            raise ValueError(f"Normalize: no std may be 0, got {std!r}")
        means, stds = len(self._mean), len(self._std)
        if 1 != means != stds != 1:
            raise ValueError(f"Normalize: {means} means and {stds} stds are given; give as many")

    def change(self, batch: Any) -> Any:
        _expect_floats("Normalize", "it", batch)
        given, channels = max(len(self._mean), len(self._std)), batch.shape[1]
        if given not in (1, channels):
            numbers = f"{given} numbers are given as mean or std"
            raise ValueError(f"Normalize: the images have {channels} channels, but {numbers}")
        mean, std = (on_device_of(batch, values, batch.dtype) for values in (self._mean, self._std))
        return (batch - mean) / std


class RandomHorizontalFlip(_ImageTransform):
    """Left and right exchanged, with probability `p` for each image.

    >>> import tinynet
    >>> RandomHorizontalFlip(p=1)(tinynet.tensor([[[1, 2, 3]]]))
    tensor([[[3, 2, 1]]])
    """

    shown = ("p",)

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None):
        super().__init__(generator)
        self.p = _number("RandomHorizontalFlip", "p", p, 0, 1)

    def change(self, batch: Any) -> Any:
        flipped = self._draw().random(len(batch)) < self.p  # (N,)
        flipped = on_device_of(batch, flipped[:, None, None, None])
        return array_module(batch).where(flipped, batch[..., ::-1], batch)


class RandomCrop(_ImageTransform):
    """A part of each image, of the same size and at a place drawn for it.

    Args:
        size: of the part: an int for a square, or (height, width).
        padding: what is added around each image first: an int for all sides, (left and right,
            top and bottom) or (left, top, right, bottom). None adds nothing.
        pad_if_needed: pad images that are smaller than the part, by the same on both sides;
            otherwise they are refused.
        fill: the value of what is added, with padding_mode "constant".
        padding_mode: "constant", "edge" (repeats the edge), "reflect" (mirrors about the last
            pixel) or "symmetric" (mirrors about the edge).
        generator: where the places are drawn from.

    ValueError if the padded image is smaller than the part.

    >>> import tinynet
    >>> RandomCrop((2, 3), padding=1)(tinynet.ones(10, 3, 5, 5)).shape
    tinynet.Size([10, 3, 2, 3])
    """

    shown = ("size", "padding")

    def __init__(self, size: int | Sequence[int], padding: int | Sequence[int] | None = None,
                 pad_if_needed: bool = False, fill: float = 0, padding_mode: str = "constant", *,
                 generator: Generator | None = None):
        super().__init__(generator)
        name = "RandomCrop"
        self.size = (_sizes(name, "size", size, (1, 2), 1) * 2)[:2]
        sides = _sizes(name, "padding", 0 if padding is None else padding, (1, 2, 4), 0)
        self._sides = sides * (4 // len(sides))  # left, top, right, bottom
        modes = ("constant", "edge", "reflect", "symmetric")  # numpy's names too
        self.padding_mode = as_choice(name, "padding_mode", padding_mode, modes)
        self.padding, self.pad_if_needed = padding, pad_if_needed
        self.fill = _number(name, "fill", fill)

    def change(self, batch: Any) -> Any:
        xp, (height, width), (h, w) = array_module(batch), self.size, batch.shape[2:]
        left, top, right, bottom = self._sides
        # What is still missing after `padding` goes on both sides.
        more_h, more_w = max(0, height - h - top - bottom), max(0, width - w - left - right)
        if (more_h or more_w) and not self.pad_if_needed:
            raise ValueError(f"RandomCrop: images of {h} x {w} with padding {self.padding} are "
                f"smaller than the part of {height} x {width}; add padding, or pad_if_needed=True")
        sides = ((top + more_h, bottom + more_h), (left + more_w, right + more_w))
        if self.padding_mode == "reflect" and (max(sides[0]) >= h or max(sides[1]) >= w):
            raise ValueError(f"RandomCrop: images of {h} x {w} can't be reflected "
                f"{sides[0]} x {sides[1]} pixels beyond their edges; pad less")
        if any(map(any, sides)):
            options = {"constant_values": self.fill} if self.padding_mode == "constant" else {}
            batch = xp.pad(batch, ((0, 0), (0, 0), *sides), self.padding_mode, **options)
        count, _, h, w = batch.shape
        draw = self._draw()
        tops = draw.integers(0, h - height + 1, (count, 1, 1))
        lefts = draw.integers(0, w - width + 1, (count, 1, 1))
        rows, columns = tops + np.arange(height)[:, None], lefts + np.arange(width)
        return _pixels(batch, rows, columns)


class RandomRotation(_ImageTransform):
    """Each image turned about its middle by an angle drawn for it; its size stays.

    Args:
        degrees: a number d for angles between -d and d, or (from, to). Positive angles turn
            anticlockwise.
        interpolation: "nearest" takes the pixel nearest to the place that a new pixel comes from;
            "bilinear" weights the four pixels around it (floats only: TypeError).
        fill: the value of what comes from outside the image.
        generator: where the angles are drawn from.

    >>> import tinynet
    >>> RandomRotation((90, 90))(tinynet.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 4],
             [1, 3]]])
    """

    shown = ("degrees", "interpolation", "fill")

    def __init__(self, degrees: float | Sequence[float], interpolation: str = "nearest", *,
                 fill: float = 0, generator: Generator | None = None):
        super().__init__(generator)
        name = "RandomRotation"
        given = degrees if isinstance(degrees, (tuple, list)) else [degrees]
        angles = [float(_number(name, "degrees", angle)) for angle in given]
        angles = angles if given is degrees else [-angles[0], angles[0]]
        if len(angles) != 2 or angles[0] > angles[1]:
            rule = "degrees must be a number from 0 up or (from, to)"
            raise ValueError(f"{name}: {rule}, got {degrees!r}")
        as_choice(name, "interpolation", interpolation, ("nearest", "bilinear"))
        self.degrees, self.interpolation = angles, interpolation
        self.fill = _number(name, "fill", fill)

    def change(self, batch: Any) -> Any:
        if self.interpolation == "bilinear":
            _expect_floats("RandomRotation", "bilinear interpolation", batch)
        height, width = batch.shape[2:]
        low, high = self.degrees
        angle = np.radians(self._draw().uniform(low, high, (len(batch), 1, 1)))  # (N, 1, 1)
        # Where each pixel of the result comes from: its place, seen from the middle, turned back.
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        down, right = np.arange(height)[:, None] - middle_y, np.arange(width) - middle_x
        y = np.cos(angle) * down + np.sin(angle) * right + middle_y  # (N, H, W)
        x = np.cos(angle) * right - np.sin(angle) * down + middle_x
        if self.interpolation == "nearest":
            return self._at(batch, np.rint(y), np.rint(x))
        top, left = np.floor(y), np.floor(x)
        turned: Any = 0
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (1 - np.abs(y - top - dy)) * (1 - np.abs(x - left - dx))  # (N, H, W)
            pixels = self._at(batch, top + dy, left + dx)
            turned = turned + pixels * on_device_of(batch, weight[:, None], batch.dtype)
        return turned

    def _at(self, batch: Any, y: np.ndarray, x: np.ndarray) -> Any:
        """The pixels (N, C, H, W) at rows `y` and columns `x`, both (N, H, W), or `fill`."""
        height, width = batch.shape[2:]
        outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
        rows = np.clip(y, 0, height - 1).astype(np.int64)
        columns = np.clip(x, 0, width - 1).astype(np.int64)
        pixels = _pixels(batch, rows, columns)
        pixels.transpose(0, 2, 3, 1)[on_device_of(batch, outside)] = self.fill
        return pixels


def _pixels(batch: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """The pixels (N, C, H, W) of a batch (N, C, ...) at `rows` and `columns` of each image."""
    image = np.arange(len(batch))[:, None, None]
    # Indices on both sides of a slice bring the dims that they make to the front: (N, H, W, C).
    image, rows, columns = (on_device_of(batch, index) for index in (image, rows, columns))
    pixels = batch[image, :, rows, columns]
    return array_module(batch).ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def _expect_floats(name: str, who: str, batch: Any) -> None:
    if batch.dtype.kind != "f":
        rule = f"{who} takes floats, such as images.float() / 255"
        raise TypeError(f"{name}: the images are {batch.dtype}; {rule}")


def _per_channel(what: str, value: Any) -> np.ndarray:
    """A number, or one for each channel, as float64 (C, 1, 1), to compute with (N, C, H, W)."""
    several = value if isinstance(value, (tuple, list, np.ndarray)) else [value]
    if not len(several):
        raise ValueError(f"Normalize: {what} must be a number, or one per channel, got {value!r}")
    numbers = [_number("Normalize", what, number) for number in several]
    return np.array(numbers, np.float64)[:, None, None]


def _number(name: str, what: str, value: Any, *limits: float) -> float:
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if not is_number or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError(f"{name}: {what} must be a finite number, got {value!r}")
    return as_number(name, what, value, *limits)


def _sizes(name: str, what: str, value: Any, counts: tuple[int, ...], least: int) -> Any:
    """`value`, an int or a sequence of as many ints as `counts` allows, as a tuple."""
    sizes = value if isinstance(value, (tuple, list)) else [value]
    if not all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in sizes):
        raise TypeError(f"{name}: {what} must be an int or a sequence of ints, got {value!r}")
    if len(sizes) not in counts or min(sizes) < least:
        allowed = " or ".join(map(str, counts))
        raise ValueError(f"{name}: {what} must be {allowed} ints from {least} up, got {value!r}")
    return tuple(map(int, sizes))
