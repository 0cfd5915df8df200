"""Transforms of images as objects, under torchvision's names. `functional` does the work.

A transform takes a PIL image or a tensor: an image (C, H, W) or a batch (N, C, H, W). What a random
transform does is drawn for each image of a batch (torchvision draws once for a whole batch), from
`generator` or else from the one that `tinynet.manual_seed` seeds. The same seed does the same on
every device.

    augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToTensor(),
                       Normalize(MEAN, STD)])
    train = CIFAR10(train=True, transform=augment)

No gradient flows through a transform: its result is data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ...arrays.devices import array_module, on_device_of
from ...arrays.random import Generator, default_generator
from ...creation import from_numpy, zeros
from ...nn.function_module import FunctionModule
from ...nn.module import Module
from ...ops.arguments import as_choice, as_generator, as_list, as_probability
from ...ops.shapes import stack
from ...tensor import Tensor
from . import functional as F
from .functional import InterpolationMode, numbers

__all__ = ["CenterCrop", "ColorJitter", "Compose", "Grayscale", "InterpolationMode", "Lambda",
    "Normalize", "PILToTensor", "Pad", "RandomAffine", "RandomApply", "RandomChoice", "RandomCrop",
    "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomOrder", "RandomResizedCrop",
    "RandomRotation", "RandomVerticalFlip", "Resize", "ToPILImage", "ToTensor", "functional",
    "whole_batches"]

functional = F


class Compose:
    """One transform after the other.

    >>> Compose([RandomHorizontalFlip(), Normalize(0.5, 0.25)])
    Compose(
        RandomHorizontalFlip(p=0.5)
        Normalize(mean=0.5, std=0.25)
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = _callables(type(self).__name__, transforms)

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = (f"    {transform!r}\n" for transform in self.transforms)
        return f"{type(self).__name__}(\n{''.join(lines)})"


def _callables(name: str, transforms: Any) -> list[Callable[[Any], Any]]:
    functions = as_list(name, "transforms", transforms)
    for function in functions:
        if not callable(function):
            raise TypeError(f"{name}: expected functions of an image, got {function!r}")
    return functions


class Lambda:
    """A function of a user's own as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]):
        (self.lambd,) = _callables("Lambda", [lambd])

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


# ------------------------------------------------------------------------------- without a draw


class ToTensor(FunctionModule, function=F.to_tensor, arguments=""): ...
class PILToTensor(FunctionModule, function=F.pil_to_tensor, arguments=""): ...
class ToPILImage(FunctionModule, function=F.to_pil_image, arguments="mode"): ...
class Grayscale(FunctionModule, function=F.rgb_to_grayscale, arguments="num_output_channels"): ...
class Resize(FunctionModule, function=F.resize,
             arguments="size interpolation max_size antialias"): ...
class Pad(FunctionModule, function=F.pad, arguments="padding fill padding_mode"): ...


def _middle(img: Any, size: int | Sequence[int]) -> Any:
    """The middle of an image: an int for a square, or (height, width); outside is 0."""
    return F.center_crop(img, size)


class CenterCrop(FunctionModule, function=_middle, arguments="size"): ...


class Normalize(FunctionModule, function=F.normalize, arguments="mean std inplace"):
    def _check(self) -> None:
        F.per_channel("Normalize", self.mean, self.std)


# ------------------------------------------------------------------------------------- at random


class _Random(Module):
    """Base class: `draws` numbers in [0, 1) decide what happens to an image.

    They are drawn image by image. So a transform does the same to the images of a batch as to one
    image after the other, whether it or another transform comes next. Subclasses define `one`, or
    `change` where a batch is changed as a whole.
    """

    draws: int

    def __init__(self, generator: Generator | None = None, **settings: Any):
        super().__init__()
        self.generator, self._shown = as_generator(type(self).__name__, generator), list(settings)
        for name, value in settings.items():
            setattr(self, name, value)

    def forward(self, img: Any) -> Any:
        single = F.is_pil(F.as_image(type(self).__name__, img)) or img.ndim < 4
        count = 1 if single else math.prod(img.shape[:-3])
        generator = self.generator or default_generator
        return self.change(img, generator.numpy.random((count, self.draws)))

    def change(self, img: Any, drawn: np.ndarray) -> Any:
        """The image, or images, changed as the rows of `drawn` (N, draws) say."""
        if F.is_pil(img) or img.ndim < 4:
            return self.one(img, drawn[0])
        images = img.reshape(-1, *img.shape[-3:])
        pairs = zip(images, drawn, strict=True)
        # Of no images, one of zeros says which shape they have.
        changed = [self.one(image, row) for image, row in pairs] or [
            self.one(zeros(images.shape[1:], dtype=img.dtype, device=img.device),
                np.zeros(self.draws))]
        together = stack(changed)[:len(images)]
        return together.reshape(*img.shape[:-3], *together.shape[1:])

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        """One image, changed."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={_text(getattr(self, name))}" for name in self._shown)


def _text(value: Any) -> str:
    return value.value if isinstance(value, InterpolationMode) else repr(value)


class _Chance(_Random):
    """Applies `function` with probability `p`."""

    draws, function = 1, staticmethod(F.hflip)
    part: ClassVar[tuple[Any, ...]]

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None):
        super().__init__(generator, p=as_probability(type(self).__name__, "p", p))


class RandomHorizontalFlip(_Chance):
    """Left and right exchanged, with probability `p`, drawn from `generator` for each image.

    >>> import tinynet
    >>> RandomHorizontalFlip(p=1)(tinynet.tensor([[[1, 2, 3]]]))
    tensor([[[3, 2, 1]]])
    """

    function, part = staticmethod(F.hflip), (..., slice(None, None, -1))

    def change(self, img: Any, drawn: np.ndarray) -> Any:
        if F.is_pil(img):
            return self.function(img) if drawn[0, 0] < self.p else img

        def flip(batch: Any) -> Any:
            flipped = on_device_of(batch, (drawn[:, 0] < self.p)[:, None, None, None])
            return array_module(batch).where(flipped, batch[self.part], batch)

        return F.on_array(img, flip)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged, with probability `p`, drawn from `generator` for each image."""

    function, part = staticmethod(F.vflip), (..., slice(None, None, -1), slice(None))


class RandomGrayscale(_Chance):
    """The image in grey, in as many channels, with probability `p`."""

    def __init__(self, p: float = 0.1, *, generator: Generator | None = None):
        super().__init__(p, generator=generator)

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        channels = F.get_dimensions(img)[0]
        return F.rgb_to_grayscale(img, channels) if drawn[0] < self.p else img


class RandomCrop(_Random):
    """A part of each image, of the same size and at a place drawn for it.

    Args:
        size: of the part: an int for a square, or (height, width).
        padding: what is added around each image first: an int for all sides, (left and right,
            top and bottom) or (left, top, right, bottom). None adds nothing.
        pad_if_needed: pad images that are smaller than the part, by the same on both sides;
            otherwise they are refused.
        fill, padding_mode: as for `Pad`.
        generator: where the places are drawn from.

    ValueError if the padded image is smaller than the part.

    >>> import tinynet
    >>> RandomCrop((2, 3), padding=1)(tinynet.ones(10, 3, 5, 5)).shape
    tinynet.Size([10, 3, 2, 3])
    """

    draws = 2

    def __init__(self, size: int | Sequence[int], padding: int | Sequence[int] | None = None,
                 pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant", *,
                 generator: Generator | None = None):
        name = "RandomCrop"
        super().__init__(generator, padding=padding,
            size=(F.as_sizes(name, "size", size, (1, 2), 1) * 2)[:2])
        self._sides = F.as_padding(name, 0 if padding is None else padding)
        self.padding_mode = as_choice(name, "padding_mode", padding_mode, F.PADDING_MODES)
        self.pad_if_needed, self.fill = pad_if_needed, fill
        numbers(name, "fill", fill)

    def change(self, img: Any, drawn: np.ndarray) -> Any:
        (height, width), (_, h, w) = self.size, F.get_dimensions(img)
        left, top, right, bottom = self._sides
        # What is still missing after `padding` goes on both sides.
        more_h, more_w = max(0, height - h - top - bottom), max(0, width - w - left - right)
        if (more_h or more_w) and not self.pad_if_needed:
            raise ValueError(f"RandomCrop: images of {h} x {w} with padding {self.padding} are "
                f"smaller than the part of {height} x {width}; add padding, or pad_if_needed=True")
        sides = (left + more_w, top + more_h, right + more_w, bottom + more_h)
        whole = F.padded("RandomCrop", img, sides, self.fill, self.padding_mode)
        _, h, w = F.get_dimensions(whole)
        places = (drawn * (h - height + 1, w - width + 1)).astype(np.int64)
        if F.is_pil(img):
            return F.crop(whole, *places[0].tolist(), height, width)
        rows, columns = (place[:, None, None] for place in places.T)
        rows, columns = rows + np.arange(height)[:, None], columns + np.arange(width)
        return F.on_array(whole, lambda batch: F.pixels_at(batch, rows, columns))

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """A part of an image, drawn: its first row and column, height and width."""
        (_, h, w), (height, width) = F.get_dimensions(img), output_size
        top, left = default_generator.numpy.random(2) * (h - height + 1, w - width + 1)
        return int(top), int(left), height, width


def _between(low: float, high: float, drawn: Any) -> Any:
    return low + (high - low) * drawn


def _range(name: str, what: str, value: Any, middle: float = 0, least: float = -math.inf) -> Any:
    """A number d as (middle - d, middle + d), or a range (from, to) of numbers."""
    given = numbers(name, what, value)
    if len(given) == 1 and given is not value and not isinstance(value, (tuple, list)):
        given = [max(least, middle - given[0]), middle + given[0]]
    if len(given) != 2 or not least <= given[0] <= given[1]:
        rule = f"{what} must be a number from 0 up or (from, to)"
        raise ValueError(f"{name}: {rule}, got {value!r}")
    return [float(number) for number in given]


class RandomRotation(_Random):
    """Each image turned by an angle drawn for it.

    Args:
        degrees: a number d for angles between -d and d, or (from, to). Positive angles turn
            anticlockwise.
        interpolation, expand, center, fill: as for `functional.rotate`.
        generator: where the angles are drawn from.

    >>> import tinynet
    >>> RandomRotation((90, 90))(tinynet.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 4],
             [1, 3]]])
    """

    draws = 1

    def __init__(self, degrees: float | Sequence[float],
                 interpolation: Any = InterpolationMode.NEAREST, expand: bool = False,
                 center: Sequence[float] | None = None, fill: Any = 0, *,
                 generator: Generator | None = None):
        name = "RandomRotation"
        super().__init__(generator, degrees=_range(name, "degrees", degrees),
            interpolation=F.as_mode(name, interpolation, "nearest", "bilinear", "bicubic"),
            expand=expand, center=center, fill=fill)
        numbers(name, "fill", fill)

    def change(self, img: Any, drawn: np.ndarray) -> Any:
        angles = _between(*self.degrees, drawn[:, 0])
        return F.turned("RandomRotation", img, angles, self.interpolation, self.expand, self.center,
            self.fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """An angle, drawn from (from, to)."""
        return float(_between(*degrees, default_generator.numpy.random()))


class RandomAffine(_Random):
    """Each image turned, moved, scaled and sheared as drawn for it.

    Args:
        degrees: as for `RandomRotation`, but positive angles turn clockwise.
        translate: the largest move (right, down), in parts of the width and height.
        scale: (from, to).
        shear: a number d for angles between -d and d along x, a range (from, to) along x, or two
            ranges (from, to, from, to) along x and y.
        interpolation, fill, center: as for `functional.affine`.
        generator: where all this is drawn from.
    """

    draws = 6

    def __init__(self, degrees: float | Sequence[float], translate: Sequence[float] | None = None,
                 scale: Sequence[float] | None = None, shear: Any = None,
                 interpolation: Any = InterpolationMode.NEAREST, fill: Any = 0,
                 center: Sequence[float] | None = None, *, generator: Generator | None = None):
        name = "RandomAffine"
        super().__init__(generator, degrees=_range(name, "degrees", degrees), translate=translate,
            scale=scale, shear=shear, fill=fill, center=center,
            interpolation=F.as_mode(name, interpolation, "nearest", "bilinear", "bicubic"))
        parts = numbers(name, "translate", (0, 0) if translate is None else translate, 0, 1)
        along = numbers(name, "shear", 0 if shear is None else shear)
        shears = [*_range(name, "shear", along[0] if len(along) == 1 else along[:2]),
            *_range(name, "shear", along[2:] or 0)]
        self._ranges = [self.degrees, *([-part, part] for part in parts),
            _range(name, "scale", (1, 1) if scale is None else scale), shears[:2], shears[2:]]

    def change(self, img: Any, drawn: np.ndarray) -> Any:
        _, h, w = F.get_dimensions(img)
        motions = []
        for row in drawn:
            angle, right, down, scale, *shear = map(_between, *zip(*self._ranges, strict=True), row)
            motions.append((angle, (round(right * w), round(down * h)), scale, shear))
        return F.moved("RandomAffine", img, motions, self.interpolation, self.fill, self.center)


_ATTEMPTS = 10


def _part(h: int, w: int, scale: Any, ratio: Any, drawn: np.ndarray, left_over: int = 0) -> Any:
    """(top, left, height, width) of the first part drawn that fits, or None.

    A part has a share of the area in `scale`, and a ratio of width to height in `ratio`. It leaves
    at least `left_over` rows and columns.
    """
    for area, shape, *place in drawn.reshape(_ATTEMPTS, 4).tolist():
        share = h * w * _between(*scale, area)
        proportion = math.exp(_between(*map(math.log, ratio), shape))
        width, height = round(math.sqrt(share * proportion)), round(math.sqrt(share / proportion))
        if 0 < width <= w - left_over and 0 < height <= h - left_over:
            return int(place[0] * (h - height + 1)), int(place[1] * (w - width + 1)), height, width
    return None


class RandomResizedCrop(_Random):
    """A part of each image, drawn for it, in a given size.

    Args:
        size: of the result: an int for a square, or (height, width).
        scale: the part's share of the area, (from, to).
        ratio: its width by its height, (from, to).
        interpolation, antialias: as for `Resize`.
        generator: where the parts are drawn from.

    If ten parts do not fit into the image, the largest middle part with a ratio in range is taken.
    """

    draws = 4 * _ATTEMPTS

    def __init__(self, size: int | Sequence[int], scale: Sequence[float] = (0.08, 1.0),
                 ratio: Sequence[float] = (3 / 4, 4 / 3),
                 interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True, *,
                 generator: Generator | None = None):
        name = "RandomResizedCrop"
        super().__init__(generator, size=(F.as_sizes(name, "size", size, (1, 2), 1) * 2)[:2],
            scale=_range(name, "scale", scale), ratio=_range(name, "ratio", ratio, least=1e-9),
            interpolation=F.as_mode(name, interpolation), antialias=antialias)

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        part = self._place(img, self.scale, self.ratio, drawn)
        return F.resized_crop(img, *part, self.size, self.interpolation, self.antialias)

    @staticmethod
    def _place(img: Any, scale: Any, ratio: Any, drawn: np.ndarray) -> tuple[int, int, int, int]:
        _, h, w = F.get_dimensions(img)
        if (part := _part(h, w, scale, ratio, drawn)) is None:
            proportion = min(max(w / h, ratio[0]), ratio[1])
            height, width = min(h, round(w / proportion)), min(w, round(h * proportion))
            part = (h - height) // 2, (w - width) // 2, height, width
        return part

    @staticmethod
    def get_params(img: Any, scale: Sequence[float],
                   ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """A part of an image, drawn: its first row and column, height and width."""
        drawn = default_generator.numpy.random(RandomResizedCrop.draws)
        return RandomResizedCrop._place(img, scale, ratio, drawn)


class RandomErasing(_Random):
    """A part of each image of a tensor overwritten, with probability `p`.

    Args:
        p: the probability.
        scale: the part's share of the area, (from, to).
        ratio: its height by its width, (from, to).
        value: a number, one for each channel, or "random" for normal noise.
        inplace: write into the tensor that was given.
        generator: where all this is drawn from.
    """

    draws = 2 + 4 * _ATTEMPTS

    def __init__(self, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33),
                 ratio: Sequence[float] = (0.3, 3.3), value: Any = 0, inplace: bool = False, *,
                 generator: Generator | None = None):
        name = "RandomErasing"
        super().__init__(generator, p=as_probability(name, "p", p), value=value, inplace=inplace,
            scale=_range(name, "scale", scale), ratio=_range(name, "ratio", ratio, least=1e-9))
        if value != "random":
            numbers(name, "value", value)

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        channels, h, w = F.get_dimensions(img)
        part = _part(w, h, self.scale, self.ratio, drawn[2:], 1)  # turned: `ratio` is h / w here
        if drawn[0] >= self.p or part is None:
            return F.erase(img, 0, 0, 0, 0, 0, self.inplace)
        left, top, width, height = part
        if self.value == "random":
            noise = np.random.Generator(np.random.PCG64(int(drawn[1] * 2**53)))
            value = noise.standard_normal((channels, height, width), np.float32)
        else:
            value = np.array(numbers("RandomErasing", "value", self.value), np.float32)[:, None, None]
        return F.erase(img, top, left, height, width, from_numpy(value).to(img), self.inplace)


class ColorJitter(_Random):
    """The colours of each PIL image changed as drawn for it, in an order drawn too.

    Args:
        brightness, contrast, saturation: a number d for factors between ``max(0, 1 - d)`` and
            ``1 + d``, or (from, to).
        hue: a number up to 0.5, for moves between -hue and hue, or (from, to).
        generator: where all this is drawn from.
    """

    draws = 8

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0, *,
                 generator: Generator | None = None):
        given = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        factors = {what: _range("ColorJitter", what, value, 1, 0) for what, value in given.items()}
        super().__init__(generator, **factors, hue=_range("ColorJitter", "hue", hue, 0, -0.5))
        numbers("ColorJitter", "hue", self.hue, -0.5, 0.5)

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        for k in drawn[:4].argsort():
            what = self._shown[k]
            low, high = getattr(self, what)
            if (low, high) != (what != "hue",) * 2:  # else nothing would change
                img = getattr(F, f"adjust_{what}")(img, _between(low, high, float(drawn[4 + k])))
        return img


class RandomApply(_Random):
    """A list of transforms, all applied with probability `p` or none."""

    draws = 1

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5, *,
                 generator: Generator | None = None):
        super().__init__(generator, p=as_probability("RandomApply", "p", p),
            transforms=_callables("RandomApply", transforms))

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        return Compose(self.transforms)(img) if drawn[0] < self.p else img


class RandomOrder(_Random):
    """A list of transforms, applied in an order drawn for each image."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], *,
                 generator: Generator | None = None):
        super().__init__(generator, transforms=_callables("RandomOrder", transforms))
        self.draws = len(self.transforms)

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        return Compose([self.transforms[k] for k in drawn.argsort()])(img)


class RandomChoice(_Random):
    """One of a list of transforms, drawn for each image, with probabilities as the weights `p`."""

    draws = 1

    def __init__(self, transforms: Sequence[Callable[[Any], Any]],
                 p: Sequence[float] | None = None, *, generator: Generator | None = None):
        functions = _callables("RandomChoice", transforms)
        super().__init__(generator, transforms=functions, p=p)
        weights = numbers("RandomChoice", "p", [1] * len(functions) if p is None else p, 0)
        if len(weights) != len(functions) or not sum(weights):
            raise ValueError(f"RandomChoice: give a weight for each of {len(functions)}, got {p!r}")
        self._ends = np.cumsum(weights) / sum(weights)

    def one(self, img: Any, drawn: np.ndarray) -> Any:
        return self.transforms[int(np.searchsorted(self._ends, drawn[0], "right"))](img)


# ------------------------------------------------------------------------------- whole batches

_TO_TENSORS = (ToTensor, PILToTensor)
_OF_BYTES = (CenterCrop, Pad, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip)
_OF_TENSORS = (*_OF_BYTES, Normalize, RandomAffine, RandomErasing, RandomResizedCrop,
    RandomRotation, Resize)


def whole_batches(transform: Any) -> Callable[[Any], Tensor] | None:
    """What `transform` does to PIL images, as a function of their pixels, uint8 (N, C, H, W).

    The result has the same bits as the transform of each image by itself, and draws the same
    numbers in the same order. None unless all transforms are of this file and can be used so.
    """
    steps, todo = list[Any](), [transform]
    while todo:
        step = todo.pop(0)
        if type(step) is Compose:
            todo[:0] = step.transforms
        else:
            steps.append(step)
    kinds = [type(step) for step in steps]
    made = next((place for place, kind in enumerate(kinds) if kind in _TO_TENSORS), None)
    if made is None or any(getattr(step, "generator", None) for step in steps):
        return None
    if not {*kinds[:made]} <= {*_OF_BYTES} or not {*kinds[made + 1:]} <= {*_OF_TENSORS}:
        return None

    def change(pixels: Any) -> Tensor:
        draws = [getattr(step, "draws", 0) for step in steps]
        drawn = default_generator.numpy.random((len(pixels), sum(draws)))
        images = Tensor._wrap(pixels)
        for step, end, count in zip(steps, np.cumsum(draws), draws, strict=True):
            if type(step) is ToTensor:
                images = Tensor._wrap(F.to_floats(images.array))
            elif count:
                images = step.change(images, drawn[:, end - count:end])
            elif type(step) is not PILToTensor:
                images = step(images)
        return images

    return change
