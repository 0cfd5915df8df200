"""Transforms of images as objects, under torchvision's names. `functional` does the work.

A transform takes a PIL image or a tensor: an image (C, H, W) or a batch (N, C, H, W). What a random
transform does is drawn for each image of a batch (torchvision draws once for a whole batch), from
the generator that `tinynet.manual_seed` seeds. The same seed does the same on every device.

    augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToTensor(),
                       Normalize(MEAN, STD)])
    train = CIFAR10(train=True, transform=augment)

No gradient flows through a transform: its result is data.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ...arrays import array_module, default_generator, drawing_from, Generator, on_device_of
from ...creation import randn, tensor, zeros
from ...nn.function_module import FunctionModule
from ...ops.arguments import as_bool, as_choice, as_function, as_list, as_probability
from ...ops.shapes import stack
from ...tensor import Tensor
from . import functional, functional as F
from .functional import (
    BILINEAR, Floats, InterpolationMode, NEAREST, numbers, Pair, Sizes)

Function = Callable[[Any], Any]

__all__ = ["CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "GaussianBlur", "Grayscale",
    "InterpolationMode", "Lambda", "Normalize", "PILToTensor", "Pad", "RandomAffine", "RandomApply",
    "RandomChoice", "RandomCrop", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip",
    "RandomOrder", "RandomResizedCrop", "RandomRotation", "RandomVerticalFlip", "Resize", "ToDtype",
    "ToImage", "ToPILImage", "ToTensor", "functional"]


def _listed(owner: Any, *lines: Any) -> str:
    return f"{type(owner).__name__}(\n" + "".join(f"    {line}\n" for line in lines) + ")"


class Compose:
    """One transform after the other.

    >>> Compose([RandomHorizontalFlip(), Normalize(0.5, 0.25)])
    Compose(
        RandomHorizontalFlip(p=0.5)
        Normalize(mean=0.5, std=0.25)
    )
    """

    def __init__(self, transforms: Sequence[Function]):
        self.transforms = _as_functions("Compose", "transforms", transforms)

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(self, *self.transforms)


# ---------------------------------------------------------------------------- checks of arguments


_as_image_function = partial(as_function, wanted="a function of an image")


def _as_functions(name: str, what: str, value: Any) -> list[Function]:
    functions = as_list(name, what, value)
    return [_as_image_function(name, f"each of {what}", function) for function in functions]


def _as_range(name: str, what: str, value: Any, middle: float = 0,
              least: float = -math.inf) -> tuple[float, float]:
    """A number d as (middle - d, middle + d), but no less than `least`; or a range (from, to)."""
    low, *high = numbers(name, what, value)
    if not isinstance(value, (tuple, list)):
        low, high = max(least, middle - low), [middle + low]
    if len(high) != 1 or not least <= low <= high[0]:
        rule = f"{what} must be a number from 0 up or (from, to)"
        raise ValueError(f"{name}: {rule}, got {value!r}")
    return float(low), float(high[0])


def _as_shears(name: str, what: str, value: Any) -> list[tuple[float, float]]:
    """Ranges of angles along x and y, of which one number or range is along x."""
    several = isinstance(value, (tuple, list)) and len(value) == 4
    along = (value[:2], value[2:]) if several else (0 if value is None else value, 0)
    return [_as_range(name, what, part) for part in along]


def _from_to(name: str, what: str, value: Any, least: float = 1e-9) -> tuple[float, float]:
    return _as_range(name, what, as_list(name, what, value), least=least)


def _as_colours(name: str, what: str, value: Any) -> tuple[float, float] | None:
    """The range of a factor or, for the hue, of a move; None where nothing would change."""
    middle, least, most = (0, -0.5, 0.5) if what == "hue" else (1, 0, math.inf)
    found = _as_range(name, what, 0 if value is None else value, middle, least)
    numbers(name, what, found, least, most)
    return None if found == (middle, middle) or value is None else found


# What is checked when a transform is made, by the name of the argument. Of some, what the check
# returns becomes the attribute.
_CHECKS: dict[str, Callable[[str, str, Any], Any]] = {
    "size": lambda name, what, value: F.as_sizes(name, what, value, (1, 2), 1),
    "padding": lambda name, what, value: F.as_padding(name, 0 if value is None else value),
    "padding_mode": lambda name, what, value: as_choice(name, what, value, F.PADDING_MODES),
    "interpolation": lambda name, what, value: F.as_mode(name, value),
    "fill": numbers, "transforms": _as_functions,
    "lambd": _as_image_function,
    "p": lambda name, what, value: as_probability(name, what, *numbers(name, what, value)),
    "scale": lambda name, what, value: value is None or _from_to(name, what, value, 0),
    "ratio": _from_to}
_KEPT: dict[str, Callable[[str, str, Any], Any]] = {
    **dict.fromkeys(("brightness", "contrast", "saturation", "hue"), _as_colours),
    "kernel_size": F.as_pair,
    "degrees": lambda name, what, value: [*_as_range(name, what, value)],
    "shear": lambda name, what, value: value if value is None else [bound for part in _as_shears(
        name, what, value)[:2 if np.size(value) > 2 else 1] for bound in part]}


class _Transform(FunctionModule):
    """A function of an image as a transform, with the function's other arguments.

    A class with `draws` is random: the function takes an image and the numbers `drawn` for it; or,
    with `of_batches`, an image or batch and the numbers (N, draws).

    Of what `shows` names, ``name?`` is shown only if it is neither None nor the default.
    """

    draws: int = 0  # how many numbers in [0, 1) decide what happens to an image
    of_batches: ClassVar[bool] = False

    def __init_subclass__(cls, *, function: Callable[..., Any] | None = None, draws: int = 0,
                          of_batches: bool = False, **others: Any):
        if function is not None:
            cls.draws, cls.of_batches = draws, of_batches
            names = [name for name in inspect.signature(function).parameters if name != "drawn"]
            others.setdefault("arguments", " ".join(names[1:]))
            cls.__doc__ = cls.__doc__ or (inspect.getdoc(function) or "").partition("\n>>> ")[0]
        super().__init_subclass__(function=function, **others)

    def _check(self) -> None:
        name = type(self).__name__
        for argument in self._constants:
            value = getattr(self, argument)
            if argument in _KEPT:
                setattr(self, argument, _KEPT[argument](name, argument, value))
            elif argument in _CHECKS:
                _CHECKS[argument](name, argument, value)
            if argument == "size" and type(self)._function is not F.resize:
                self.size = F.as_pair(name, argument, value)

    def extra_repr(self) -> str:
        known = self._signature.parameters
        shown = {n.strip("?"): getattr(self, n.strip("?")) for n in (
            known if self._shows is None else self._shows)
            if n[-1] != "?" or getattr(self, n[:-1]) not in (None, known[n[:-1]].default)}
        shown = {n: tuple(round(r, 4) for r in v) if n == "ratio" else getattr(v, "value", v)
                 for n, v in shown.items()}
        return ", ".join(f"{n}={v}" for n, v in shown.items())

    def change(self, images: Tensor, drawn: np.ndarray) -> Tensor:
        """A batch of images changed as the rows of `drawn` (N, draws) say."""
        return self(images)


# ------------------------------------------------------------------------------- without a draw


def _call(img: Any, lambd: Function) -> Any:
    """A function of a user's own as a transform."""
    return lambd(img)


def _middle(img: Any, size: Sizes) -> Any:
    """The middle of an image: an int for a square, or (height, width); outside is 0."""
    return F.center_crop(img, size)


def _to_image(pic: Any) -> Tensor:
    """A PIL image or an array (H, W, C) as a tensor (C, H, W) of the same numbers."""
    return pic if isinstance(pic, Tensor) else F.pil_to_tensor(
        pic if F.is_pil(pic) else F.to_pil_image(pic))


def _to_dtype(img: Tensor, dtype: Any = np.float32, scale: bool = False) -> Tensor:
    """A tensor in another dtype; with `scale`, bytes from 0 to 255 are floats from 0.0 to 1.0."""
    return F.convert_image_dtype(img, dtype) if scale else img.to(dtype)


class ToImage(_Transform, function=_to_image): ...


class ToDtype(_Transform, function=_to_dtype, shows="scale"):
    def _check(self) -> None:
        as_bool("ToDtype", "scale", self.scale)


class ConvertImageDtype(_Transform, function=F.convert_image_dtype, shows=""): ...


class ToTensor(_Transform, function=F.to_tensor):
    def change(self, images: Tensor, drawn: np.ndarray) -> Tensor:
        return Tensor._wrap(F.to_floats(images.array))


class PILToTensor(_Transform, function=F.pil_to_tensor):
    def change(self, images: Tensor, drawn: np.ndarray) -> Tensor:
        return images


class ToPILImage(_Transform, function=F.to_pil_image, shows="mode?"): ...
class Resize(_Transform, function=F.resize): ...
class CenterCrop(_Transform, function=_middle): ...
class Pad(_Transform, function=F.pad): ...
class Grayscale(_Transform, function=F.rgb_to_grayscale): ...
class Lambda(_Transform, function=_call, shows=""): ...


class Normalize(_Transform, function=F.normalize, shows="mean std"):
    def _check(self) -> None:
        F.per_channel("Normalize", self.mean, self.std)

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalized("Normalize", tensor, self.mean, self.std, self.inplace)


# ------------------------------------------------------------------------------------- at random


class _Random(_Transform):
    """Base class of random transforms.

    The numbers are drawn image by image. So a transform does the same to the images of a batch as
    to one image after the other, and so do several transforms.

    A class with torchvision's `get_params` defines what is done to an image with what it gives,
    too: a class of a user's own may define `get_params` anew.
    """

    get_params: Any = None

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        """The image changed as `get_params` says."""
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        is_pil = F.is_pil(F.as_image(type(self).__name__, img))
        count = 1 if is_pil else math.prod(img.shape[:-3])
        return self.change(img, default_generator.numpy.random((count, self.draws)))

    def change(self, img: Any, drawn: np.ndarray) -> Any:
        """The image, or images, changed as the rows of `drawn` (N, draws) say."""
        rows: Any = drawn
        is_own = getattr(self.get_params, "__module__", __name__) != __name__
        if self.of_batches and not is_own:
            return super().forward(img, rows)
        if F.is_pil(img) or img.ndim < 4:
            changed = (self._with_params if is_own else super().forward)(img, rows[0])
            return changed if changed is not img or F.is_pil(img) else img.detach().clone()
        images = img.reshape(-1, *img.shape[-3:])
        if not len(images):  # an image of zeros says which shape there are none of
            images = zeros(1, *images.shape[1:], dtype=img.dtype, device=img.device)
            drawn = np.zeros((1, self.draws))
        changed = stack([self.change(*pair) for pair in zip(images, drawn[:, None], strict=True)])
        return changed[:img.shape[0]].reshape(*img.shape[:-3], *changed.shape[1:])


def _flipped(img: Any, drawn: np.ndarray, p: float = 0.5, *, dim: int) -> Any:
    def change(batch: Any) -> Any:
        chosen, xp = on_device_of(batch, drawn[..., None, None] < p), array_module(batch)
        return xp.where(chosen, xp.flip(batch, dim), batch)

    return F.on_array(img, change)


_FLIP: dict[str, Any] = {"function": _flipped, "arguments": "p", "draws": 1, "of_batches": True}


class RandomHorizontalFlip(_Random, **_FLIP, dim=-1):
    """Left and right exchanged, with probability `p` for each image.

    >>> import tinynet
    >>> RandomHorizontalFlip(p=1)(tinynet.tensor([[[1, 2, 3]]]))
    tensor([[[3, 2, 1]]])
    """


class RandomVerticalFlip(_Random, **_FLIP, dim=-2):
    """Top and bottom exchanged, with probability `p` for each image."""


def _greyed(img: Any, drawn: np.ndarray, p: float = 0.1) -> Any:
    return F.rgb_to_grayscale(img, F.get_dimensions(img)[0]) if drawn[0] < p else img


class RandomGrayscale(_Random, function=_greyed, draws=1):
    """The image in grey, in as many channels, with probability `p`."""


def _cropped(img: Any, drawn: np.ndarray, size: Sizes, padding: Sizes | None = None,
             pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant") -> Any:
    height, width = F.as_pair("RandomCrop", "size", size)
    whole = _padded(img, height, width, padding, pad_if_needed, fill, padding_mode)
    _, h, w = F.get_dimensions(whole)
    tops, lefts = (drawn * (h - height + 1, w - width + 1)).astype(np.int64).T[..., None, None]
    rows, columns = tops + np.arange(height)[:, None], lefts + np.arange(width)
    return F.on_array(whole, lambda batch: F.pixels_at(batch, rows, columns))


def _padded(img: Any, height: int, width: int, padding: Sizes | None, pad_if_needed: bool,
            fill: Any, padding_mode: str) -> Any:
    """What `RandomCrop` takes a part of."""
    _, h, w = F.get_dimensions(img)
    left, top, right, bottom = F.as_padding("RandomCrop", 0 if padding is None else padding)
    # What is still missing after `padding` goes on both sides.
    more_h, more_w = max(0, height - h - top - bottom), max(0, width - w - left - right)
    if (more_h or more_w) and not pad_if_needed:
        raise ValueError(f"RandomCrop: images of {h} x {w} with padding {padding} are "
            f"smaller than the part of {height} x {width}; add padding, or pad_if_needed=True")
    sides = (left + more_w, top + more_h, right + more_w, bottom + more_h)
    return F.padded("RandomCrop", img, sides, fill, padding_mode)


class RandomCrop(
        _Random, function=_cropped, draws=2, of_batches=True, shows="size padding"):
    """A part of each image, of the same size and at a place drawn for it.

    Args:
        size: of the part: an int for a square, or (height, width).
        padding: what is added around each image first: an int for all sides, (left and right,
            top and bottom) or (left, top, right, bottom). None adds nothing.
        pad_if_needed: pad images that are smaller than the part, by the same on both sides;
            otherwise they are refused.
        fill, padding_mode: as for `Pad`.

    ValueError if the padded image is smaller than the part.

    >>> import tinynet
    >>> RandomCrop((2, 3), padding=1)(tinynet.ones(10, 3, 5, 5)).shape
    tinynet.Size([10, 3, 2, 3])
    """

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """A part of an image, drawn: its first row and column, height and width."""
        (_, h, w), (height, width) = F.get_dimensions(img), output_size
        top, left = default_generator.numpy.random(2) * (h - height + 1, w - width + 1)
        return int(top), int(left), height, width

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        whole = _padded(
            img, *self.size, self.padding, self.pad_if_needed, self.fill, self.padding_mode)
        return F.crop(whole, *self.get_params(whole, self.size))


def _between(low: float, high: float, drawn: Any) -> Any:
    return low + (high - low) * drawn


def _turned(img: Any, drawn: np.ndarray, degrees: Floats, interpolation: Any = NEAREST,
            expand: bool = False, center: Pair = None, fill: Any = 0) -> Any:
    motions = -_between(*_as_range("RandomRotation", "degrees", degrees), drawn)  # angles, (N, 1)
    return F.moved("RandomRotation", img, motions, interpolation, fill, center, bool(expand))


class RandomRotation(_Random, function=_turned, draws=1, of_batches=True,
        shows="degrees interpolation expand center? fill"):
    """Each image turned by an angle drawn for it.

    Args:
        degrees: a number d for angles between -d and d, or (from, to). Positive angles turn
            anticlockwise.
        interpolation, expand, center, fill: as for `functional.rotate`.

    >>> import tinynet
    >>> RandomRotation((90, 90))(tinynet.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 4],
             [1, 3]]])
    """

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """An angle from a range (from, to), drawn."""
        return _between(degrees[0], degrees[1], float(default_generator.numpy.random()))

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)


def _moved(img: Any, drawn: np.ndarray, degrees: Floats, translate: Pair = None, scale: Pair = None,
           shear: Any = None, interpolation: Any = NEAREST, fill: Any = 0,
           center: Pair = None) -> Any:
    size = F.get_image_size(img)
    motions = _motions(drawn, degrees, translate, scale, shear, size)
    return F.moved("RandomAffine", img, motions, interpolation, fill, center)


def _motions(drawn: np.ndarray, degrees: Floats, translate: Pair, scale: Pair, shear: Any,
             size: Sequence[int]) -> list[tuple[float, Any, float, Any]]:
    """(angle, translate, scale, shear) of `functional.affine`, for each row of `drawn` (N, 6)."""
    name, (w, h) = "RandomAffine", size
    right, down = numbers(name, "translate", (0, 0) if translate is None else translate, 0, 1)
    ranges = [_as_range(name, "degrees", degrees), (-right, right), (-down, down),
        _as_range(name, "scale", (1, 1) if scale is None else scale, least=1e-9),
        *_as_shears(name, "shear", shear)]
    motions = []
    for row in drawn.tolist():
        angle, right, down, factor, *shears = map(_between, *zip(*ranges, strict=True), row)
        motions.append((angle, (round(right * w), round(down * h)), factor, (*shears,)))
    return motions


class RandomAffine(_Random, function=_moved, draws=6, of_batches=True,
        shows="degrees translate? scale? shear? interpolation? fill? center?"):
    """Each image turned, moved, scaled and sheared as drawn for it.

    Args:
        degrees: as for `RandomRotation`, but positive angles turn clockwise.
        translate: the largest move (right, down), in parts of the width and height.
        scale: (from, to).
        shear: a number d for angles between -d and d along x, a range (from, to) along x, or two
            ranges (from, to, from, to) along x and y.
        interpolation, fill, center: as for `functional.affine`.
    """

    @staticmethod
    def get_params(degrees: Floats, translate: Pair, scale_ranges: Pair, shears: Any,
                   img_size: Sequence[int]) -> tuple[float, Any, float, Any]:
        """An angle, a move (right, down), a scale and shears (x, y), drawn for a size (w, h)."""
        drawn = default_generator.numpy.random((1, 6))
        return _motions(drawn, degrees, translate, scale_ranges, shears, img_size)[0]

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        given = self.degrees, self.translate, self.scale, self.shear, F.get_image_size(img)
        return F.affine(img, *self.get_params(*given), interpolation=self.interpolation,
            fill=self.fill, center=self.center)


_ATTEMPTS = 10


def _part(h: int, w: int, scale: Any, ratio: Any, drawn: np.ndarray, left_over: int = 0) -> Any:
    """(top, left, height, width) of the first part drawn that fits, or None.

    A part has a share of the area in `scale`, and a ratio of width to height in `ratio`. It leaves
    at least `left_over` rows and columns.
    """
    for area, shape, down, right in drawn.reshape(_ATTEMPTS, 4).tolist():
        share = h * w * _between(scale[0], scale[1], area)
        proportion = math.exp(_between(math.log(ratio[0]), math.log(ratio[1]), shape))
        width, height = round(math.sqrt(share * proportion)), round(math.sqrt(share / proportion))
        if 0 < width <= w - left_over and 0 < height <= h - left_over:
            return int(down * (h - height + 1)), int(right * (w - width + 1)), height, width
    return None


def _largest_part(h: int, w: int, ratio: Any) -> tuple[int, int, int, int]:
    """The largest part in the middle whose ratio of width to height is in `ratio`."""
    proportion = min(max(w / h, ratio[0]), ratio[1])
    height, width = min(h, round(w / proportion)), min(w, round(h * proportion))
    return (h - height) // 2, (w - width) // 2, height, width


def _resized(img: Any, drawn: np.ndarray, size: Sizes,
             scale: Sequence[float] = (0.08, 1.0), ratio: Sequence[float] = (3 / 4, 4 / 3),
             interpolation: Any = BILINEAR, antialias: bool | None = True) -> Any:
    _, h, w = F.get_dimensions(img)
    top, left, height, width = _part(h, w, scale, ratio, drawn) or _largest_part(h, w, ratio)
    size = F.as_pair("RandomResizedCrop", "size", size)
    return F.resized_crop(img, top, left, height, width, size, interpolation, antialias)


class RandomResizedCrop(_Random, function=_resized, draws=4 * _ATTEMPTS):
    """A part of each image, drawn for it, in a given size.

    Args:
        size: of the result: an int for a square, or (height, width).
        scale: the part's share of the area, (from, to).
        ratio: its width by its height, (from, to).
        interpolation, antialias: as for `Resize`.

    If ten parts do not fit into the image, the largest middle part with a ratio in range is taken.
    """

    @staticmethod
    def get_params(img: Any, scale: Sequence[float],
                   ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """A part of an image, drawn: its first row and column, height and width."""
        _, h, w = F.get_dimensions(img)
        drawn = default_generator.numpy.random(4 * _ATTEMPTS)
        return _part(h, w, scale, ratio, drawn) or _largest_part(h, w, ratio)

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        params = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *params, self.size, self.interpolation, self.antialias)


def _erased(img: Any, drawn: np.ndarray, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33),
            ratio: Sequence[float] = (0.3, 3.3), value: Any = 0, inplace: bool = False) -> Any:
    if drawn[0] >= p:
        return img if F.is_pil(img) else F.erase(img, 0, 0, 0, 0, 0, inplace)
    return F.erase(img, *_hole(img, drawn[1:], scale, ratio, _as_values(value)), inplace=inplace)


def _as_values(value: Any) -> list[float] | None:
    return None if value == "random" else numbers("RandomErasing", "value", value)


def _hole(img: Any, drawn: np.ndarray, scale: Any, ratio: Any,
          values: Sequence[float] | None) -> tuple[int, int, int, int, Any]:
    """(i, j, h, w, v) of `functional.erase`; normal noise without `values`."""
    channels, h, w = F.get_dimensions(img)
    part = _part(w, h, scale, ratio, drawn[1:], 1)  # turned: `ratio` is height by width here
    if part is None:
        return 0, 0, 0, 0, 0
    left, top, width, height = part
    if values is None:
        with drawing_from(Generator().manual_seed(int(drawn[0] * 2**53))):
            return top, left, height, width, randn(channels, height, width)
    return top, left, height, width, tensor(values).reshape(-1, 1, 1)


class RandomErasing(_Random, function=_erased, draws=2 + 4 * _ATTEMPTS,
        shows="p scale ratio value inplace"):
    """A part of each image of a tensor overwritten, with probability `p`.

    Args:
        p: the probability.
        scale: the part's share of the area, (from, to).
        ratio: its height by its width, (from, to).
        value: a number, one for each channel, or "random" for normal noise.
        inplace: write into the tensor that was given.
    """

    @staticmethod
    def get_params(img: Tensor, scale: Sequence[float], ratio: Sequence[float],
                   value: Sequence[float] | None = None) -> tuple[int, int, int, int, Any]:
        """A part of an image, drawn: (i, j, h, w, v) of `functional.erase`.

        Without a `value` v is normal noise; if no part fits, h and w are 0.
        """
        return _hole(img, default_generator.numpy.random(1 + 4 * _ATTEMPTS), scale, ratio, value)

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        if drawn[0] >= self.p:
            return img
        params = self.get_params(img, self.scale, self.ratio, _as_values(self.value))
        return F.erase(img, *params, inplace=self.inplace)


def _recoloured(img: Any, drawn: np.ndarray, brightness: Any = 0, contrast: Any = 0,
                saturation: Any = 0, hue: Any = 0) -> Any:
    given = zip(_COLOURS, (brightness, contrast, saturation, hue), strict=True)
    ranges = (_as_colours("ColorJitter", what, value) for what, value in given)
    return _in_order(img, *_factors(drawn, *ranges))


_COLOURS = "brightness", "contrast", "saturation", "hue"


def _factors(drawn: np.ndarray, *ranges: Pair) -> tuple[Any, ...]:
    """The order of `_COLOURS`, as their numbers, and for each a factor from its range or None."""
    factors = (between and _between(between[0], between[1], one)
        for between, one in zip(ranges, drawn[4:].tolist(), strict=True))
    return drawn[:4].argsort(), *factors


def _in_order(img: Any, order: Any, *factors: float | None) -> Any:
    for k in map(int, order):
        if factors[k] is not None:
            img = getattr(F, f"adjust_{_COLOURS[k]}")(img, factors[k])
    return img


class ColorJitter(_Random, function=_recoloured, draws=8):
    """The colours of each image changed as drawn for it, in an order drawn too.

    Args:
        brightness, contrast, saturation: a number d for factors between ``max(0, 1 - d)`` and
            ``1 + d``, or (from, to).
        hue: a number up to 0.5, for moves between -hue and hue, or (from, to).
    """

    @staticmethod
    def get_params(brightness: Pair, contrast: Pair, saturation: Pair, hue: Pair) -> Any:
        """The order of the four, a tensor, and for each a factor from its range, or None."""
        drawn = default_generator.numpy.random(8)
        order, *factors = _factors(drawn, brightness, contrast, saturation, hue)
        return tensor(order), *factors

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        ranges = self.brightness, self.contrast, self.saturation, self.hue
        return _in_order(img, *self.get_params(*ranges))


def _blurred(img: Any, drawn: np.ndarray, kernel_size: Sizes,
             sigma: Floats = (0.1, 2.0)) -> Any:
    low, high = (numbers("GaussianBlur", "sigma", sigma, 0) * 2)[:2]
    return F.gaussian_blur(img, kernel_size, _between(low, high, float(drawn[0])))


class GaussianBlur(_Random, function=_blurred, draws=1):
    """Each image blurred with a sigma drawn for it, from a range, or a number.

    See `functional.gaussian_blur`.
    """

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A sigma between two numbers, drawn."""
        return _between(sigma_min, sigma_max, float(default_generator.numpy.random()))

    def _with_params(self, img: Any, drawn: np.ndarray) -> Any:
        low, high = (numbers("GaussianBlur", "sigma", self.sigma, 0) * 2)[:2]
        return F.gaussian_blur(img, self.kernel_size, self.get_params(low, high))


def _perhaps(img: Any, drawn: np.ndarray, transforms: Sequence[Function], p: float = 0.5) -> Any:
    return Compose(transforms)(img) if drawn[0] < p else img


def _in_any_order(img: Any, drawn: np.ndarray, transforms: Sequence[Function]) -> Any:
    return Compose([transforms[k] for k in drawn.argsort()])(img)


def _one_of(img: Any, drawn: np.ndarray, transforms: Sequence[Function], p: Pair = None) -> Any:
    weights = np.cumsum([1] * len(transforms) if p is None else p)
    return transforms[int(np.searchsorted(weights, drawn[0] * weights[-1], "right"))](img)


class RandomApply(_Random, function=_perhaps, draws=1):
    """A list of transforms, all applied with probability `p` or none."""

    def __repr__(self) -> str:
        return _listed(self, f"p={self.p}", *self.transforms)


class RandomOrder(_Random, function=_in_any_order):
    """A list of transforms, applied in an order drawn for each image."""

    __repr__: Any = Compose.__repr__

    def _check(self) -> None:
        super()._check()
        self.draws = len(self.transforms)


class RandomChoice(_Random, function=_one_of, draws=1):
    """One of a list of transforms, drawn for each image, with probabilities as the weights `p`."""

    def __repr__(self) -> str:
        return f"{_listed(self, *self.transforms)}(p={self.p})"

    def _check(self) -> None:
        count = len(_as_functions("RandomChoice", "transforms", self.transforms))
        weights = numbers("RandomChoice", "p", [1] * count if self.p is None else self.p, 0)
        if len(weights) != count or not sum(weights):
            raise ValueError(f"RandomChoice: give a weight for each of {count}, got {self.p!r}")


# ------------------------------------------------------------------------------- whole batches

_TO_TENSORS = {ToTensor, PILToTensor}
_OF_BYTES = {CenterCrop, Pad, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip}
_OF_TENSORS = {*_OF_BYTES, ColorJitter, Normalize, RandomAffine, RandomErasing, RandomResizedCrop,
    RandomRotation, Resize}


def _flat(transform: Any) -> list[Any]:
    if type(transform) is not Compose:
        return [transform]
    return [step for part in transform.transforms for step in _flat(part)]


def whole_batches(transform: Any) -> Callable[[Any], Tensor] | None:
    """What `transform` does to PIL images, as a function of their pixels, uint8 (N, C, H, W).

    The result has the same bits as the transform of each image by itself, and draws the same
    numbers in the same order. None unless all transforms are of this file and can be used so.
    """
    steps = _flat(transform)
    kinds = [type(step) for step in steps]
    made = next((place for place, kind in enumerate(kinds) if kind in _TO_TENSORS), -1)
    if made < 0 or not {*kinds[:made]} <= _OF_BYTES or not {*kinds[made + 1:]} <= _OF_TENSORS:
        return None

    def change(pixels: Any) -> Tensor:
        ends = np.cumsum([step.draws for step in steps])
        images, drawn = Tensor._wrap(pixels), np.empty((len(pixels), 0))
        if ends[-1]:  # asking for the generator would seed it, which takes long
            drawn = default_generator.numpy.random((len(pixels), ends[-1]))
        for step, end in zip(steps, ends, strict=True):
            images = step.change(images, drawn[:, end - step.draws:end])
        return images

    return change
