"""torchvision's part: its values, recorded and installed, and programs written for it."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vision_cases
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import datasets, transforms
from tinynet.arrays.random import default_generator, drawing_from
from tinynet.transforms import functional as F
from tinynet.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    Grayscale,
    Lambda,
    Normalize,
    Pad,
    PILToTensor,
    RandomAffine,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomOrder,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    ToPILImage,
    ToTensor,
)
from tinynet.utils.data import DataLoader, Subset
from tinynet.vision.utils import make_grid, save_image

Image = pytest.importorskip("PIL.Image", reason="PIL images need Pillow")
ROOT = Path(tinynet.__file__).parents[1]


@pytest.fixture(scope="session")
def torchvision():
    """The oracle. Tests that ask for it are skipped where it is not installed."""
    return pytest.importorskip("torchvision", reason="torchvision is not installed")


@pytest.fixture(scope="module")
def recorded():
    return json.loads(vision_cases.RECORDED.read_text())


# --------------------------------------------------------------------------- torchvision's values


def assert_same(found, expected, case):
    if not isinstance(found, list) or not isinstance(found[-1], list):
        assert found == expected, case
        return
    assert found[:2] == expected[:2], case
    # A byte of a tensor may be rounded the other way.
    tolerance = {"atol": 1} if found[0] == "uint8" else {"rtol": 2e-5, "atol": 2e-6}
    np.testing.assert_allclose(found[2], expected[2], **tolerance, err_msg=case)


def test_values_recorded_from_torchvision(recorded):
    assert recorded.keys() == vision_cases.CASES.keys()
    refused = 0
    for case, expected in recorded.items():
        found = vision_cases.run(F, tinynet.from_numpy, transforms.InterpolationMode, case)
        refused += found is None
        assert_same(vision_cases.text(case, found), expected, case)
    assert refused < 60


def test_values_of_the_installed_torchvision(torchvision, torch, recorded):
    functional = torchvision.transforms.functional
    modes = torchvision.transforms.InterpolationMode
    for case in list(recorded)[::5]:
        expected = vision_cases.run(functional, torch.from_numpy, modes, case)
        found = vision_cases.run(F, tinynet.from_numpy, transforms.InterpolationMode, case)
        assert_same(
            vision_cases.text(case, found), vision_cases.text(case, expected), case
        )


def pictures(count=12, size=(9, 7), channels=3) -> np.ndarray:
    shape = (count, *size, channels) if channels > 1 else (count, *size)
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


IMAGE = Image.fromarray(pictures()[0])
# Each transform whose draws leave one outcome, and the same by functions.
CERTAIN = {
    "ToTensor": (ToTensor(), F.to_tensor),
    "PILToTensor": (PILToTensor(), F.pil_to_tensor),
    "Resize": (Resize((4, 5), "bicubic"), lambda im: F.resize(im, (4, 5), 3)),
    "CenterCrop": (CenterCrop(4), lambda im: F.center_crop(im, [4])),
    "Pad": (Pad((1, 2), (9, 8, 7)), lambda im: F.pad(im, (1, 2), (9, 8, 7))),
    "Grayscale": (Grayscale(3), lambda im: F.to_grayscale(im, 3)),
    "Lambda": (Lambda(lambda im: im.rotate(9)), lambda im: im.rotate(9)),
    "RandomHorizontalFlip": (RandomHorizontalFlip(1), F.hflip),
    "RandomVerticalFlip": (RandomVerticalFlip(1), F.vflip),
    "RandomHorizontalFlip(0)": (RandomHorizontalFlip(0), lambda im: im),
    "RandomCrop": (RandomCrop((9, 7)), lambda im: im),
    "RandomCrop, padded": (
        RandomCrop((13, 9), (1, 2), fill=3), lambda im: F.pad(im, (1, 2), fill=3)
    ),
    "RandomRotation": (
        RandomRotation((20, 20), "bilinear", True, fill=4),
        lambda im: F.rotate(im, 20, "bilinear", True, fill=4),
    ),
    "RandomAffine": (
        RandomAffine((20, 20), None, (0.7, 0.7), (5, 5, 3, 3), "bilinear", 4, (3, 2)),
        lambda im: F.affine(im, 20, (0, 0), 0.7, (5, 3), "bilinear", 4, (3, 2)),
    ),
    "RandomResizedCrop": (
        RandomResizedCrop((4, 5), (1, 1), (7 / 9, 7 / 9)), lambda im: F.resize(im, (4, 5))
    ),
    "ColorJitter": (
        ColorJitter((2, 2)), lambda im: F.adjust_brightness(im, 2)
    ),
    "ColorJitter, hue": (ColorJitter(hue=(0.2, 0.2)), lambda im: F.adjust_hue(im, 0.2)),
    "RandomApply": (RandomApply([F.hflip, F.vflip], 1), lambda im: F.vflip(F.hflip(im))),
    "RandomChoice": (RandomChoice([F.hflip, F.vflip], [0, 2]), F.vflip),
    "RandomOrder": (RandomOrder([F.hflip, F.vflip]), lambda im: F.vflip(F.hflip(im))),
}  # fmt: skip


@pytest.mark.parametrize("name", CERTAIN)
def test_a_transform_does_what_its_function_does(name):
    transform, function = CERTAIN[name]
    found, expected = transform(IMAGE), function(IMAGE)
    assert type(found) is type(expected)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_what_is_drawn_is_drawn_evenly():
    """The places, factors and orders that come up are all that may, and no others."""
    tinynet.manual_seed(0)
    places = {RandomCrop.get_params(IMAGE, (8, 5)) for _ in range(200)}
    assert places == {(i, j, 8, 5) for i in range(2) for j in range(3)}
    parts = [RandomResizedCrop.get_params(IMAGE, (0.2, 0.5), (0.5, 2)) for _ in range(200)]
    for top, left, height, width in parts:
        assert 0 <= top <= 9 - height and 0 <= left <= 7 - width
        assert 0.1 < height * width / 63 < 0.65 and 0.4 < width / height < 2.5
    assert len(set(parts)) > 60
    wide = RandomResizedCrop((4, 4), (1, 1), (2, 2))  # can't be had: a middle part of that ratio
    middle = F.resize(F.crop(IMAGE, 2, 0, 4, 7), (4, 4))
    np.testing.assert_array_equal(np.asarray(wide(IMAGE)), np.asarray(middle))
    orders, chosen, seen = set(), set(), []
    note = [lambda image, n=n: seen.append(n) or image for n in range(3)]
    for _ in range(100):
        seen.clear()
        RandomOrder(note)(IMAGE)
        orders.add(tuple(seen))
        seen.clear()
        RandomChoice(note, [1, 0, 3])(IMAGE)
        chosen.update(seen)
    assert len(orders) == 6
    assert chosen == {0, 2}


def test_erasing():
    x = tinynet.ones(3, 9, 7)
    tinynet.manual_seed(1)
    sizes = set()
    for _ in range(50):
        y = RandomErasing(1, (0.1, 0.4), (0.5, 2), value=(5, 6, 7))(x)
        rows, columns = (y.numpy()[0] == 5).nonzero()
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width < 9 * 7
        sizes.add((int(height), int(width)))
        assert (y.numpy()[:, rows, columns] == [[5], [6], [7]]).all()
    assert len(sizes) > 8
    assert x.tolist() == tinynet.ones(3, 9, 7).tolist()
    noise = RandomErasing(1, (0.3, 0.3), value="random")(x).numpy()
    assert 30 < len(np.unique(noise)) < 90 and noise.dtype == np.float32
    assert RandomErasing(1, inplace=True)(x).numpy().base is x.numpy().base
    assert (x.numpy() == 0).any()
    with pytest.raises(TypeError, match=r"erase: expected a tensor, .* ToTensor\(\) comes first"):
        RandomErasing(1)(IMAGE)
    assert RandomErasing(0)(IMAGE) is IMAGE


# Each transform with `get_params`, its arguments, and what it does with what they give.
PARAMS = {
    "RandomCrop": (
        RandomCrop((5, 4), (1, 2), fill=3), lambda self, x: (F.pad(x, (1, 2), 3), (5, 4)),
        lambda x, *params: F.crop(F.pad(x, (1, 2), 3), *params), (2, 1, 5, 4),
    ),
    "RandomResizedCrop": (
        RandomResizedCrop((4, 5), (0.3, 0.9)), lambda self, x: (x, self.scale, self.ratio),
        lambda x, *params: F.resized_crop(x, *params, (4, 5)), (1, 2, 6, 3),
    ),
    "RandomRotation": (
        RandomRotation(40, "bilinear", fill=7), lambda self, x: (self.degrees,),
        lambda x, angle: F.rotate(x, angle, "bilinear", fill=7), (30.0,),
    ),
    "RandomAffine": (
        RandomAffine(40, (0.2, 0.3), (0.7, 1.2), (-9, 9, -5, 5)),
        lambda self, x: (self.degrees, self.translate, self.scale, self.shear, (7, 9)),
        lambda x, *params: F.affine(x, *params, fill=0), (20, (1, -2), 0.8, (5.0, 0.0)),
    ),
    "ColorJitter": (
        ColorJitter(0.4, 0.3, hue=0.1),
        lambda self, x: (self.brightness, self.contrast, self.saturation, self.hue),
        lambda x, order, *factors: Compose([
            lambda image, k=int(k): ADJUST[k](image, factors[k]) for k in order
            if factors[int(k)] is not None
        ])(x), ([3, 0, 1, 2], 1.2, None, 0.6, 0.1),
    ),
    "RandomErasing": (
        RandomErasing(1, (0.1, 0.3), value=4), lambda self, x: (x, self.scale, self.ratio, [4.0]),
        F.erase, (1, 2, 3, 3, 8.0),
    ),
    "GaussianBlur": (
        transforms.GaussianBlur(3, (0.5, 2)), lambda self, x: (0.5, 2),
        lambda x, sigma: F.gaussian_blur(x, 3, sigma), (1.1,),
    ),
}  # fmt: skip
ADJUST = F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue


@pytest.mark.parametrize("name", PARAMS)
def test_params_are_those_that_a_transform_draws(name):
    transform, asked, done, _ = PARAMS[name]
    x = F.to_tensor(IMAGE)
    for seed in range(5):
        tinynet.manual_seed(seed)
        found = transform(x)
        tinynet.manual_seed(seed)
        if name == "RandomErasing":
            default_generator.numpy.random()  # whether to erase
        params = transform.get_params(*asked(transform, x))
        expected = done(x, *(params if isinstance(params, tuple) else [params]))
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
        assert name == "RandomErasing" or found.tolist() != x.tolist()


@pytest.mark.parametrize("name", PARAMS)
def test_params_of_a_users_class_are_used(name):
    transform, asked, done, params = PARAMS[name]
    calls = []

    class Own(type(transform)):
        @staticmethod
        def get_params(*given):
            calls.append(given)
            return params if len(params) > 1 else params[0]

    own = copy.copy(transform)
    own.__class__ = Own
    x = F.to_tensor(IMAGE)
    given = asked(transform, x)
    for image in [x] if name == "RandomErasing" else [x, IMAGE]:
        np.testing.assert_array_equal(np.asarray(own(image)), np.asarray(done(image, *params)))
    found, expected = calls[0], given
    if isinstance(given[0], tinynet.Tensor):
        assert found[0].tolist() == given[0].tolist()
        found, expected = found[1:], given[1:]
    assert [*map(tuple_of, found)] == [*map(tuple_of, expected)]
    batch = own(tinynet.stack([x, x * 0.5, x * 0.2]))
    assert len(calls) == (4 if name == "RandomErasing" else 5)
    for found, image in zip(batch, (x, x * 0.5, x * 0.2), strict=True):
        np.testing.assert_allclose(found.numpy(), done(image, *params).numpy(), rtol=1e-6)


def tuple_of(value):
    return tuple(value) if isinstance(value, (list, tuple)) else value


def test_images_there_and_back():
    for mode in ("L", "RGB", "RGBA", "1"):
        image = IMAGE.convert(mode)
        assert ToPILImage()(ToTensor()(image)).convert(mode).tobytes() == image.tobytes()
    floats = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    for back in (ToPILImage("F")(tinynet.from_numpy(floats)), ToPILImage("F")(floats)):
        assert back.mode == "F"
        np.testing.assert_array_equal(np.asarray(back), floats)
    assert ToTensor()(np.zeros((2, 3, 4), np.float64)).shape == (4, 2, 3)
    assert ToTensor()(IMAGE).numpy().flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 2), (5, 4, 3), (5, 4, 4)])
def test_floats_of_an_array_become_bytes(shape, dtype):
    floats = np.random.default_rng(0).random(shape).astype(dtype)
    image = F.to_pil_image(floats)
    assert image.mode == ["L", "LA", "RGB", "RGBA"][0 if len(shape) == 2 else shape[2] - 1]
    expected = (floats * 255).astype(np.uint8).reshape(np.shape(image))
    np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int32])
@pytest.mark.parametrize("mode", [None, "F"])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 2), (5, 4, 3), (5, 4, 4)])
def test_pil_images_of_arrays_as_torchvision(torchvision, shape, mode, dtype):
    pixels = (np.random.default_rng(0).random(shape) * 1.2).astype(dtype)
    try:
        expected = torchvision.transforms.functional.to_pil_image(pixels, mode)
    except (ValueError, TypeError):
        with pytest.raises((ValueError, TypeError), match="^to_pil_image: "):
            F.to_pil_image(pixels, mode)
    else:
        found = F.to_pil_image(pixels, mode)
        assert found.mode == expected.mode
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_one_channel_in_grey_stays_one():
    for dtype in (tinynet.float32, tinynet.uint8, tinynet.int64):
        x = (tinynet.rand(2, 1, 4, 5) * 200).to(dtype)
        y = Grayscale(3)(x)
        assert y.tolist() == x.tolist() and y.dtype == dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 6, 8), (1, 6, 8), (2, 3, 6, 8), (2, 1, 6, 8)])
@pytest.mark.parametrize("what", ["brightness", "contrast", "saturation", "hue"])
def test_colours_of_tensors_as_torchvision(torchvision, torch, what, shape, dtype):
    x = np.random.default_rng(0).random(shape)
    x[..., 0, :4], x[..., 1, 0], x[..., 1, 1] = x[..., :1, 0, :4], 0, 1  # greys, black and white
    x[..., -1, 2, :] = x[..., 0, 2, :]  # two channels are equal
    x = (x * 255 if dtype == np.uint8 else x).astype(dtype)
    change = getattr(torchvision.transforms.functional, f"adjust_{what}")
    for factor in (0, 0.3, 0.5, 1, 1.7) if what != "hue" else (-0.5, -0.2, 0, 1 / 6, 0.5):
        expected = change(torch.from_numpy(x.copy()), factor).numpy()
        found = getattr(F, f"adjust_{what}")(tinynet.from_numpy(x.copy()), factor).numpy()
        assert found.dtype == dtype
        tolerance = 1 if dtype == np.uint8 else 1e-5
        np.testing.assert_allclose(found.astype(float), expected, rtol=0, atol=tolerance)


def test_colours_of_a_tensor_are_drawn_for_each_image():
    tinynet.manual_seed(0)
    x = tinynet.rand(1, 3, 6, 6).expand(9, 3, 6, 6)
    y = Compose([ColorJitter(0.4, 0.4, 0.4, 0.1)])(x)
    assert y.shape == x.shape and len(np.unique(y.numpy(), axis=0)) == 9
    assert 0 <= y.min().item() and y.max().item() <= 1
    np.testing.assert_array_equal(
        ColorJitter(hue=(0.2, 0.2))(x[0]).numpy(), F.adjust_hue(x[0], 0.2).numpy()
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ToTensor()(tinynet.ones(3, 4, 4)), TypeError,
         r"to_tensor: expected a PIL image or an array \(H, W\) or \(H, W, C\), got Tensor"),
        (lambda: ToTensor()(np.ones(3)), TypeError, "got ndarray of 1 dims"),
        (lambda: PILToTensor()(np.ones(3)), TypeError, "pil_to_tensor: expected a PIL image"),
        (lambda: ToPILImage()(tinynet.ones(5, 4, 4)), ValueError, r"got shape \(5, 4, 4\)"),
        (lambda: ToPILImage("RGB")(tinynet.ones(1, 4, 4)), ValueError, "mode must be .*'L'"),
        (lambda: ToPILImage()(np.ones((3, 4, 2), np.int32)), TypeError, "no PIL image has 2"),
        (lambda: Normalize(0, 1)(IMAGE), TypeError, r"Normalize: got a PIL image; .* ToTensor\(\)"),
        (lambda: Resize(4, antialias=False)(IMAGE), ValueError, "Pillow can't leave antialias out"),
        (lambda: Resize((4, 4), max_size=9)(IMAGE), ValueError, "max_size is for an int as size"),
        (lambda: Resize(4, max_size=3)(IMAGE), ValueError, "max_size must be an int from 5"),
        (lambda: Resize(0), ValueError, "Resize: size must be 1 or 2 ints from 1 up, got 0"),
        (lambda: Resize("4"), TypeError, "Resize: size must be an int or a sequence of ints"),
        (lambda: Resize(4, "cubic"), ValueError, "Resize: interpolation must be 'nearest', .*"),
        (lambda: Pad(-1), ValueError, "Pad: padding must be 1 or 2 or 4 ints from 0 up, got -1"),
        (lambda: Pad(1, "red"), TypeError, "Pad: fill must be a finite number, got 'red'"),
        (lambda: Pad(1, (1, 2))(IMAGE), ValueError, "pad: fill .* got 2 numbers for 3 channels"),
        (lambda: Grayscale(2)(IMAGE), ValueError, "num_output_channels must be 1 or 3, got 2"),
        (lambda: Lambda(3), TypeError, "Lambda: lambd must be a function of an image, got 3"),
        (lambda: RandomApply([3]), TypeError, "RandomApply: each of transforms must be"),
        (lambda: RandomChoice([F.hflip], [1, 2]), ValueError, "give a weight for each of 1"),
        (lambda: RandomResizedCrop(4, (1, 0.5)), ValueError, "RandomResizedCrop: scale must be"),
        (lambda: RandomErasing(ratio=(0, 1)), ValueError, "RandomErasing: ratio must be"),
        (lambda: ColorJitter(hue=0.7), ValueError, "ColorJitter: hue must be from -0.5 to 0.5"),
        (lambda: ColorJitter(0.5)(tinynet.ones(4, 4, 4)), ValueError,
         "adjust_brightness: images have 1 or 3 channels, got 4"),
        (lambda: F.adjust_hue(tinynet.ones(3, 4, 4).int(), 0.1), TypeError,
         "adjust_hue: expected a tensor of floats or uint8, got int32; .* makes floats of bytes"),
        (lambda: F.to_grayscale(tinynet.ones(3, 4, 4)), TypeError,
         "to_grayscale: expected a PIL image, got Tensor; rgb_to_grayscale takes tensors"),
        (lambda: RandomAffine(9, shear=(1, 2, 3)), ValueError, "RandomAffine: shear must be"),
        (lambda: RandomAffine(9, scale=(0, 0))(IMAGE), ValueError, "RandomAffine: scale must be"),
        (lambda: F.affine(IMAGE, 0, (1,), 1, 0), ValueError, "affine: translate must be two"),
        (lambda: F.rotate(3, 4), TypeError, "rotate: expected a PIL image or a tensor"),
        (lambda: RandomRotation(9, expand=True)(tinynet.ones(2, 1, 4, 4)), ValueError,
         "RandomRotation: with expand=True the sizes differ; give one image at a time"),
        (lambda: Resize(4, bilinear=True), TypeError, "Resize: got an unexpected keyword"),
    ],
    ids=range(32),
)  # fmt: skip
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ------------------------------------------------------------- an item and a loader's batch agree


def noise(image):
    pixels = np.asarray(image, np.float32)
    return pixels + tinynet.randn(*pixels.shape).numpy()


PIPELINES = {
    "none": None,
    "ToTensor": ToTensor(),
    "of bytes": Compose([RandomCrop((6, 5), 1, fill=7), RandomHorizontalFlip(), ToTensor()]),
    "nested": Compose([Compose([Pad(1), CenterCrop(6), RandomVerticalFlip()]), PILToTensor()]),
    "of tensors": Compose([ToTensor(), RandomHorizontalFlip(), RandomErasing(value="random"),
        RandomRotation(20, "bilinear"), Normalize((0.5, 0.4, 0.3), 0.2)]),
    "parts": Compose([ToTensor(), RandomResizedCrop(5), RandomAffine(9, (0.1, 0.2), shear=4)]),
    "colours": Compose([ToTensor(), ColorJitter(0.3, 0.3, 0.3, 0.1), Normalize(0.5, 0.2)]),
    "turned": Compose([RandomRotation(20, "bilinear"), ToTensor()]),
    "PIL": Compose([RandomRotation(20), ColorJitter(0.3, 0.3, 0.3, 0.1), Resize(5), ToTensor()]),
    "mixed": Compose([RandomApply([RandomRotation(20)]), RandomCrop(4), ToTensor()]),
    "own": noise,
    "own inside": Compose([RandomHorizontalFlip(), noise, lambda x: x[1:, ::2]]),
    "standardised": Compose([ToTensor(), lambda x: (x - x.mean()) / x.std()]),
    "axes": Compose([ToTensor(), lambda x: x.flip(1)[:, 2:6].transpose(1, 2)]),
    "coin": lambda image: float(tinynet.rand(()) < 0.5),
}  # fmt: skip


@pytest.mark.parametrize("target", [None, lambda y: y + int(tinynet.randint(0, 100, ()))])
@pytest.mark.parametrize(
    ("name", "channels"),
    [(n, c) for n in PIPELINES for c in (1, 3) if c == 3 or n not in ("of tensors", "PIL")],
)
def test_a_batch_is_its_items(name, channels, target):
    data = datasets.Images(pictures(channels=channels), list(range(12)), PIPELINES[name], target)
    rows = [3, 0, 11, 5, 5]
    generator = tinynet.Generator().manual_seed(2)
    with drawing_from(generator):
        items = [data[i] for i in rows]
    end = generator.get_state()
    with drawing_from(generator.manual_seed(2)):
        for i, (image, label) in zip(rows, items, strict=True):  # as a program would do it
            by_hand = (data.transform or ToTensor())(Image.fromarray(data.data[i]))
            np.testing.assert_array_equal(np.asarray(image), np.asarray(by_hand))
            assert label == (i if target is None else target(i))
    with drawing_from(generator.manual_seed(2)):
        images, labels = data.get_batch(np.array(rows))
    assert generator.get_state() == end, "as many numbers are drawn"
    expected = np.stack([np.asarray(image) for image, _ in items])
    np.testing.assert_array_equal(images.numpy(), expected)
    assert images.dtype == (np.float64 if name == "coin" else expected.dtype)
    assert labels.tolist() == [label for _, label in items]


_STEPS = [
    lambda k: RandomCrop((6, 6), padding=k % 3, padding_mode=["constant", "edge"][k % 2]),
    lambda k: RandomHorizontalFlip(k / 10), lambda k: RandomVerticalFlip(k / 10),
    lambda k: Pad(k % 3, fill=k), lambda k: RandomRotation(k), lambda k: CenterCrop(6 + k % 3),
    lambda k: lambda image: (tinynet.rand(1), image)[1],
    lambda k: RandomApply([RandomHorizontalFlip(1)], k / 10),
    lambda k: RandomChoice([RandomVerticalFlip(1), RandomCrop(6, 1)]),
]  # fmt: skip
_LATER = [lambda k: RandomErasing(k / 10), lambda k: Normalize(k, 2), lambda k: Resize((6, 6))]
_steps = st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 9)), max_size=3)
_later = st.lists(st.tuples(st.sampled_from(_STEPS + _LATER), st.integers(0, 9)), max_size=3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_steps, _later, st.integers(0, 3), st.integers(1, 5), st.booleans())
def test_a_loader_gives_the_items_whatever_its_workers(before, after, workers, size, shuffle):
    """Random pipelines: the loader's samples are dataset[i], and the same for every num_workers."""
    steps = [make(k) for make, k in before] + [ToTensor()] + [make(k) for make, k in after]
    data = datasets.Images(pictures(10), np.arange(10), Compose([*steps, CenterCrop(6)]))

    def batches(num_workers):
        order = tinynet.Generator().manual_seed(7)
        loader = DataLoader(data, size, shuffle, num_workers=num_workers, generator=order)
        return [(x.numpy(), y.tolist()) for x, y in loader]

    order = tinynet.Generator().manual_seed(7)
    own, found = order.spawn(), batches(workers)
    for number, (images, labels) in enumerate(found, start=1):
        with drawing_from(own(number)):
            expected = np.stack([data[i][0].numpy() for i in labels])
        np.testing.assert_array_equal(images, expected)
    assert sorted(label for _, labels in found for label in labels) == list(range(10))
    for (x, y), (x0, y0) in zip(found, batches(0), strict=True):
        np.testing.assert_array_equal(x, x0)
        assert y == y0


def test_each_image_of_a_batch_has_its_own_draw():
    same = datasets.Images(np.repeat(pictures(1), 40, 0), [0] * 40)
    for transform in (
        Compose([RandomCrop(5), ToTensor()]), Compose([RandomHorizontalFlip(), ToTensor()]),
        lambda image: tinynet.rand(2), Compose([ToTensor(), RandomErasing(1)]),
    ):  # fmt: skip
        same.transform = transform
        (batch, _), = DataLoader(same, 40)
        assert len(np.unique(batch.numpy(), axis=0)) > 1


def test_a_loader_resumes_in_a_random_pipeline():
    data = datasets.Images(pictures(), np.arange(12), PIPELINES["of tensors"])

    def loader():
        order = tinynet.Generator().manual_seed(3)
        return DataLoader(data, 2, shuffle=True, generator=order, num_workers=2)

    whole = [x.numpy() for x, _ in loader()]
    first = loader()
    for _, _ in zip(range(2), first, strict=False):
        pass
    second = loader()
    second.load_state_dict(first.state_dict())
    rest = [x.numpy() for x, _ in second]
    np.testing.assert_array_equal(np.stack(rest), np.stack(whole[2:]))


def test_a_subclass_that_defines_its_items_means_its_batches_too():
    class Own(datasets.Images):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return 1 - image, label + 50

    data = Own(pictures(channels=1), list(range(12)))
    images, labels = next(iter(DataLoader(data, 3)))
    np.testing.assert_array_equal(images[1].numpy(), data[1][0].numpy())
    assert labels.tolist() == [50, 51, 52]
    (_, labels), = DataLoader(Subset(data, [4, 2]), 2)
    assert labels.tolist() == [54, 52]

    class OwnBatch(Own):
        def get_batch(self, indices):
            return "mine"

    assert list(DataLoader(OwnBatch(data.data, data.targets), 12)) == ["mine"]


def test_without_pillow_our_own_pipelines_work():
    code = (
        "import sys; sys.modules['PIL'] = sys.modules['PIL.Image'] = None\n"
        "import tinynet\nfrom tinynet.transforms import *\n"
        "data = tinynet.datasets.MNIST(download=False)\n"
        "print(data[0][0].shape, data[:3][0].shape)\n"
        "data.transform = Compose([RandomCrop(24), RandomHorizontalFlip(), ToTensor(), "
        "Normalize(0.1307, 0.3081)])\n"
        "print(data[0][0].shape, data[:3][0].shape)\n"
        "data.transform = lambda image: image\n"
        "try: data[0]\nexcept RuntimeError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.splitlines()
    assert said == [
        "tinynet.Size([1, 28, 28]) tinynet.Size([3, 1, 28, 28])",
        "tinynet.Size([1, 24, 24]) tinynet.Size([3, 1, 24, 24])",
        "PIL images need Pillow: pip install 'tinynet-cnn[vision]'",
    ]


# ------------------------------------------------------------------------------- other data sets


def test_image_folder(tmp_path):
    for path, value in {"cat/b.png": 3, "cat/deep/a.PNG": 2, "dog/c.bmp": 1}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3), value).save(tmp_path / path, format=path[-3:].lower())
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    data = datasets.ImageFolder(tmp_path)
    assert (data.classes, data.class_to_idx) == (["cat", "dog"], {"cat": 0, "dog": 1})
    assert data.imgs == data.samples == [
        (str(tmp_path / path), label)
        for path, label in (("cat/b.png", 0), ("cat/deep/a.PNG", 0), ("dog/c.bmp", 1))
    ]
    assert (data.targets, len(data)) == ([0, 0, 1], 3)
    image, label = data[0]
    assert (image.shape, label) == ((3, 3, 4), 0)
    np.testing.assert_array_equal(image.numpy(), np.full((3, 3, 4), 3 / 255, np.float32))
    (images, labels), = DataLoader(data, 3)
    assert images[:, 0, 0, 0].tolist() == [np.float32(n / 255) for n in (3, 2, 1)]
    assert labels.tolist() == [0, 0, 1]
    data = datasets.ImageFolder(tmp_path, lambda im: (im.mode, im.size), lambda y: -y)
    assert data[2] == (("RGB", (4, 3)), -1)
    texts = datasets.DatasetFolder(tmp_path, lambda p: Path(p).read_text(), [".txt"],
                                   allow_empty=True)  # fmt: skip
    assert list(texts) == [("no image", 0)]
    with pytest.raises(FileNotFoundError, match=r"DatasetFolder: .*dog has no file .* \.txt; "):
        datasets.DatasetFolder(tmp_path, str, (".txt",))
    with pytest.raises(FileNotFoundError, match="has no folder; each class needs one"):
        datasets.ImageFolder(tmp_path / "dog")
    with pytest.raises(ValueError, match="give either extensions or is_valid_file"):
        datasets.DatasetFolder(tmp_path, str)
    with pytest.raises(FileNotFoundError):
        datasets.ImageFolder(tmp_path / "nowhere")


def test_image_folder_with_classes_of_its_own(tmp_path):
    for name in ("cat", "dog", "emu"):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 3), 9).save(tmp_path / name / "a.png")

    class Own(datasets.ImageFolder):
        def find_classes(self, directory):
            assert directory == str(tmp_path)
            return ["dog", "cat"], {"dog": 0, "cat": 1}

    data = Own(str(tmp_path))
    assert [Path(path).parent.name for path, _ in data.samples] == ["dog", "cat"]
    assert (data.classes, data.targets) == (["dog", "cat"], [0, 1])
    found = datasets.ImageFolder(tmp_path).find_classes(tmp_path)
    assert found == (["cat", "dog", "emu"], {"cat": 0, "dog": 1, "emu": 2})


def test_image_folder_as_torchvision(torchvision, tmp_path):
    for path in ("b/2.png", "b/10.png", "a/z/1.jpg", "a/x.png", "A/y.jpeg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures()[0]).save(tmp_path / path)
    ours, theirs = (kind.ImageFolder(str(tmp_path)) for kind in (datasets, torchvision.datasets))
    assert (ours.classes, ours.samples) == (theirs.classes, theirs.samples)
    np.testing.assert_array_equal(F.to_tensor(theirs[1][0]).numpy(), ours[1][0].numpy())


def test_fake_data():
    data = datasets.FakeData(5, (3, 4, 6), 4, random_offset=2)
    image, label = data[3]
    assert (image.shape, type(label), len(data)) == ((3, 4, 6), int, 5)
    again = datasets.FakeData(5, (3, 4, 6), 4, transform=ToTensor(), random_offset=4)[1]
    np.testing.assert_array_equal(image.numpy(), again[0].numpy())
    assert label == again[1]
    assert {label for _, label in datasets.FakeData(60, (1, 2, 2), 4)} == {0, 1, 2, 3}
    with pytest.raises(IndexError, match="FakeData: index 5 is out of range for 5 images"):
        data[5]


# -------------------------------------------------------------------------------------- the grid


def test_make_grid():
    x = tinynet.arange(2 * 2 * 3).reshape(2, 1, 2, 3).float()
    grid = make_grid(x, padding=1, pad_value=9)
    assert grid.shape == (3, 4, 9)
    assert grid[2].tolist() == [
        [9, 9, 9, 9, 9, 9, 9, 9, 9], [9, 0, 1, 2, 9, 6, 7, 8, 9],
        [9, 3, 4, 5, 9, 9, 10, 11, 9], [9, 9, 9, 9, 9, 9, 9, 9, 9],
    ]  # fmt: skip
    assert make_grid(x, normalize=True).max().item() == 1
    each = make_grid(list(x), normalize=True, scale_each=True, padding=0)
    assert each[0].tolist() == pytest.approx(np.tile((np.arange(6) / 5).reshape(2, 3), 2))
    assert make_grid(x, normalize=True, value_range=(3, 4), padding=0)[0, 1].tolist() == [
        0, 1, 1, 1, 1, 1
    ]  # fmt: skip
    with pytest.raises(ValueError, match="make_grid: value_range and scale_each go with normalize"):
        make_grid(x, scale_each=True)
    with pytest.raises(ValueError, match=r"make_grid: expected images .* got shape \(4,\)"):
        make_grid(tinynet.ones(4))


@pytest.mark.parametrize("options", [
    {}, {"nrow": 2}, {"padding": 0}, {"normalize": True}, {"nrow": 3, "pad_value": 0.5},
    {"normalize": True, "scale_each": True}, {"normalize": True, "value_range": (-1, 0.5)},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (1, 1, 4, 6), (3, 4, 6), (1, 4, 6), (4, 6),
                                   (17, 1, 3, 3)])  # fmt: skip
def test_make_grid_as_torchvision(torchvision, torch, shape, options):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = torchvision.utils.make_grid(torch.from_numpy(x.copy()), **options).numpy()
    found = make_grid(tinynet.from_numpy(x.copy()), **options).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"normalize": True}], ids=str)
@pytest.mark.parametrize("shape", [(5, 3, 4, 4), (1, 3, 4, 4), (3, 4, 4), (1, 4, 4), (4, 4),
                                   (1, 1, 4, 4)])  # fmt: skip
def test_make_grid_wants_a_gradient_as_torchvisions(torchvision, torch, shape, options):
    x, theirs = tinynet.rand(*shape).requires_grad_(), torch.rand(shape).requires_grad_()
    expected = torchvision.utils.make_grid(theirs, **options)
    found = make_grid(x, **options)
    assert (found.requires_grad, found.is_leaf) == (expected.requires_grad, True)
    assert not make_grid([x[0]], **options).requires_grad
    assert not make_grid(x.detach(), **options).requires_grad


def test_one_image_in_a_grid_keeps_its_requires_grad():
    x = tinynet.rand(1, 3, 4, 4).requires_grad_()
    assert make_grid(x).requires_grad and not make_grid(x, normalize=True).requires_grad
    assert not make_grid(tinynet.rand(2, 3, 4, 4).requires_grad_()).requires_grad
    assert make_grid(x).grad_fn is None and make_grid(x).tolist() == x[0].tolist()


def test_save_image(tmp_path):
    x = tinynet.tensor([[[0.0, 0.5], [1.0, 7.0]]])
    save_image(x, tmp_path / "one.png")
    saved = np.asarray(Image.open(tmp_path / "one.png"))
    assert saved[..., 1].tolist() == [[0, 128], [255, 255]] and saved.shape == (2, 2, 3)
    with open(tmp_path / "grid", "wb") as file:
        save_image(tinynet.rand(6, 3, 4, 4), file, "bmp", nrow=3, padding=1)
    with Image.open(tmp_path / "grid") as image:
        assert (image.format, image.size) == ("BMP", (16, 11))


def test_names_are_where_torchvision_has_them():
    import tinynet.transforms.functional
    import tinynet.vision as vision

    assert vision.transforms.functional.resize is tinynet.transforms.functional.resize
    assert vision.datasets.MNIST is tinynet.datasets.MNIST
    assert transforms.ToTensor is vision.transforms.ToTensor
    assert transforms.InterpolationMode.BILINEAR.value == "bilinear"
    assert math.isclose(vision.utils.make_grid(tinynet.ones(2, 2)).sum().item(), 12)


def test_gaussian_blur_and_the_second_version():
    image = F.to_pil_image(np.arange(60, dtype=np.uint8).reshape(5, 4, 3) * 4)
    # recorded from torchvision 0.29.1
    blurred = np.asarray(F.gaussian_blur(image, [3, 5], [1.0, 2.0]))
    assert blurred[:2, :2, 0].tolist() == [[57, 63], [69, 75]]
    assert repr(transforms.GaussianBlur(3)) == "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))"
    blurred = transforms.GaussianBlur(3, 1.0)(F.to_tensor(image))
    np.testing.assert_array_equal(blurred.array, F.gaussian_blur(F.to_tensor(image), 3, 1.0).array)
    for size, sigma in ((2, 1.0), (3, 0.0)):
        with pytest.raises(ValueError, match="kernel_size must be odd and sigma above 0"):
            F.gaussian_blur(image, size, sigma)
    steps = [transforms.ToImage(), transforms.ToDtype(tinynet.float32, scale=True)]
    np.testing.assert_array_equal(Compose(steps)(image).array, F.to_tensor(image).array)
    bytes_ = transforms.ConvertImageDtype(tinynet.uint8)(tinynet.tensor([[0.0, 0.5, 1.0]]))
    assert bytes_.tolist() == [[0, 127, 255]]
    with pytest.raises(TypeError, match="convert_image_dtype: expected bytes and floats"):
        F.convert_image_dtype(bytes_, tinynet.int64)


def test_gaussian_blur_as_torchvision(torchvision):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    ours, theirs = F, torchvision.transforms.functional
    for size, sigma in ((3, None), ([5, 3], [0.5, 2.0]), (7, 1.3)):
        found, expected = (room.gaussian_blur(room.to_pil_image(pixels), size, sigma)
                           for room in (ours, theirs))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
