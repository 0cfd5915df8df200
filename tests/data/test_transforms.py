"""Transforms of tensors: each against a loop over pixels, or PyTorch; seeded; errors in words.

test_vision.py compares all transforms with torchvision's.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinynet
from tinynet import transforms
from tinynet.arrays.random import drawing_from
from tinynet.transforms import (
    Compose,
    Normalize,
    RandomAffine,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomOrder,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
)

SHAPE = (40, 3, 7, 5)  # (N, C, H, W)


def photos(shape=SHAPE, dtype=np.float32) -> np.ndarray:
    """Images in which no two pixels are alike."""
    return (
        np.random.default_rng(8)
        .permutation(np.arange(1, 1 + math.prod(shape)))
        .reshape(shape)
        .astype(dtype)
    )


def seeded(transform, seed=0):
    """`transform`, drawing from this seed at each call."""

    def transformed(images):
        with drawing_from(tinynet.Generator().manual_seed(seed)):
            return transform(images)

    return transformed


RANDOM = {
    "flip": RandomHorizontalFlip(),
    "vertical flip": RandomVerticalFlip(),
    "crop": RandomCrop((6, 4), padding=(2, 1)),
    "crop beyond the edge": RandomCrop(7, padding=2, padding_mode="reflect"),
    "nearest rotation": RandomRotation(25),
    "bilinear rotation": RandomRotation(25, "bilinear"),
    "affine": RandomAffine(25, (0.1, 0.2), (0.8, 1.2), (-5, 5, -3, 3), "bilinear"),
    "erasing": RandomErasing(value="random"),
    "resized crop": RandomResizedCrop((5, 4)),
    "grey": RandomGrayscale(0.5),
    "apply": RandomApply([RandomRotation(25)]),
    "choice": RandomChoice([RandomRotation(25), RandomVerticalFlip()]),
    "order": RandomOrder([RandomRotation(25, fill=3), RandomHorizontalFlip()]),
}


# -------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", RANDOM)
def test_the_same_seed_gives_the_same_images(name, device):
    x = tinynet.from_numpy(photos()).to(device)
    first, again, other = (
        seeded(RANDOM[name], seed)(x).cpu().numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    tinynet.manual_seed(1)
    np.testing.assert_array_equal(RANDOM[name](x).cpu().numpy(), first)
    assert not np.array_equal(RANDOM[name](x).cpu().numpy(), first), "each batch is drawn anew"


@pytest.mark.parametrize("name", RANDOM)
def test_devices_agree(name, gpu):
    x = tinynet.from_numpy(photos())
    on_gpu = seeded(RANDOM[name])(x.to("cuda"))
    assert on_gpu.device.type == "cuda"
    np.testing.assert_allclose(
        on_gpu.cpu().numpy(), seeded(RANDOM[name])(x).numpy(), rtol=1e-6
    )


@pytest.mark.parametrize("name", [*RANDOM, "normalize"])
def test_a_single_image_is_a_batch_of_one(name):
    transform = seeded(RANDOM.get(name) or Normalize((1, 2, 3), (4, 5, 6)), 3)
    one = photos()[7]
    single, batch = transform(tinynet.from_numpy(one)), transform(tinynet.from_numpy(one[None]))
    assert single.ndim == 3
    np.testing.assert_array_equal(single.numpy(), batch.numpy()[0])


@pytest.mark.parametrize("name", [*RANDOM, "normalize"])
def test_what_goes_in_stays_as_it_is_and_comes_out_as_data(name):
    transform = seeded(RANDOM.get(name) or Normalize(0, 1))
    source = photos()
    for memory in (
        source.copy(),
        np.asfortranarray(source),
        np.concatenate([source, source], 3)[..., :5],
    ):
        x = tinynet.from_numpy(memory).requires_grad_()
        y = transform(x)
        assert not y.requires_grad
        assert y.dtype == np.float32
        np.testing.assert_array_equal(
            y.numpy(), transform(tinynet.from_numpy(source.copy())).numpy()
        )
        with tinynet.no_grad():
            y += 1
        np.testing.assert_array_equal(memory, source)


@pytest.mark.parametrize("name", [*RANDOM, "normalize"])
def test_an_empty_batch(name):
    transform = RANDOM.get(name) or Normalize(0, 1)
    y = transform(tinynet.zeros(0, 3, 7, 5))
    assert y.shape[:2] == (0, 3)


@pytest.mark.parametrize(
    "transform",
    [RandomHorizontalFlip(), RandomCrop(2), RandomRotation(9), Normalize(0, 1)],
    ids=repr,
)
def test_what_is_no_image_is_refused(transform):
    name = type(transform).__name__
    rule = "expected a PIL image or a tensor of images"
    with pytest.raises(TypeError, match=f"{name}: {rule}, got ndarray; ToTensor makes a tensor"):
        transform(np.zeros((3, 4, 4), np.float32))
    rule = r"expected images \(N, C, H, W\) or one image \(C, H, W\)"
    with pytest.raises(ValueError, match=rf"{name}: {rule}, got shape \(4,\)"):
        transform(tinynet.zeros(4))


# ---------------------------------------------------------------------------------------- Normalize


@pytest.mark.parametrize(
    ("mean", "std"),
    [((1, 2, 3), (4, 5, 6)), (2, 0.5), ([1, 2, 3], 2.0), ((7,), np.array([1.0, -2.0, 3.0]))],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize(mean, std, dtype):
    x = photos(dtype=dtype)
    y = Normalize(mean, std)(tinynet.from_numpy(x)).numpy()
    assert y.dtype == dtype
    for channel in range(3):
        m, s = (np.broadcast_to(value, 3)[channel] for value in (mean, std))
        np.testing.assert_allclose(y[:, channel], (x[:, channel] - m) / s, rtol=1e-6)


def test_normalize_in_place():
    x = tinynet.from_numpy(photos())
    expected = Normalize(2, 3)(x).numpy()
    assert Normalize(2, 3, inplace=True)(x) is x
    np.testing.assert_array_equal(x.numpy(), expected)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (((1, 2), (0, 1)), ValueError, r"no std may be 0, got \(0, 1\)"),
        (((), 1), ValueError, r"mean must be a number, or one per channel, got \(\)"),
        ((0, "1"), TypeError, "std must be a finite number, got '1'"),
        ((math.nan, 1), TypeError, "mean must be a finite number, got nan"),
        ((True, 1), TypeError, "mean must be a finite number, got True"),
        (((1, 2, 3), (1, 2)), ValueError, "3 means and 2 stds are given"),
    ],
    ids=str,
)
def test_normalize_refuses(given, error, message):
    with pytest.raises(error, match=f"Normalize: {message}"):
        Normalize(*given)


def test_normalize_refuses_other_images():
    with pytest.raises(
        ValueError,
        match="Normalize: the images have 3 channels, but 2 numbers are given as mean or std",
    ):
        Normalize((1, 2), 1)(tinynet.zeros(3, 4, 4))
    with pytest.raises(
        TypeError,
        match=r"Normalize: got images of uint8; it takes floats, such as .* images.float\(\) / 255",
    ):
        Normalize(0, 1)(tinynet.zeros(3, 4, 4, dtype=tinynet.uint8))


# --------------------------------------------------------------------------------------------- flip


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_flip_turns_some_images_and_all_of_each(dtype):
    x = photos(dtype=np.int64).astype(dtype)
    y = seeded(RandomHorizontalFlip())(tinynet.from_numpy(x)).numpy()
    assert y.dtype == dtype
    turned = [np.array_equal(after, before[..., ::-1]) for before, after in zip(x, y, strict=True)]
    same = [np.array_equal(after, before) for before, after in zip(x, y, strict=True)]
    assert all(a != b for a, b in zip(turned, same, strict=True))
    assert 10 < sum(turned) < 30


def test_flip_keeps_its_probability():
    x = tinynet.tensor([[[0.0, 1.0]]]).reshape(1, 1, 1, 2).expand(4000, 1, 1, 2)
    for p in (0.0, 0.2, 1.0):
        rate = seeded(RandomHorizontalFlip(p))(x).numpy()[:, 0, 0, 0].mean()
        assert abs(rate - p) <= 4 * math.sqrt(p * (1 - p) / 4000)


@pytest.mark.parametrize(
    ("p", "error"),
    [(-0.1, ValueError), (1.1, ValueError), ("0.5", TypeError), (math.nan, TypeError)],
)
def test_flip_refuses(p, error):
    with pytest.raises(error, match="RandomHorizontalFlip: p "):
        RandomHorizontalFlip(p)


# --------------------------------------------------------------------------------------------- crop


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize(
    ("size", "padding", "sides"),
    [
        ((5, 4), None, (0, 0, 0, 0)),
        (5, 0, (0, 0, 0, 0)),
        ((6, 7), 2, (2, 2, 2, 2)),
        ((9, 4), (1, 3), (1, 3, 1, 3)),
        ([8, 6], [1, 2, 3, 0], (1, 2, 3, 0)),
        ((7, 5), None, (0, 0, 0, 0)),  # the whole image
    ],
    ids=str,
)
def test_crop_takes_parts_of_the_padded_image(mode, size, padding, sides):
    x = photos()
    crop = RandomCrop(size, padding, fill=-3, padding_mode=mode)
    y = seeded(crop)(tinynet.from_numpy(x)).numpy()
    left, top, right, bottom = sides
    values = {"constant_values": -3} if mode == "constant" else {}
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), mode, **values)
    height, width = (size, size) if isinstance(size, int) else size
    assert y.shape == (*SHAPE[:2], height, width)
    places = set()
    tops, lefts = padded.shape[2] - height + 1, padded.shape[3] - width + 1
    for before, after in zip(padded, y, strict=True):
        at = [
            (i, j)
            for i in range(tops)
            for j in range(lefts)
            if np.array_equal(before[:, i : i + height, j : j + width], after)
        ]
        assert at, "is no part of its own image"
        places.update(at[:1])
    assert len(places) > 0.4 * min(tops * lefts, 40)


def test_crop_draws_all_places_equally():
    x = tinynet.from_numpy(np.broadcast_to(np.arange(12.0).reshape(3, 4), (6000, 1, 3, 4)).copy())
    corner = seeded(RandomCrop((2, 2)))(x).numpy()[:, 0, 0, 0]
    found, counts = np.unique(corner, return_counts=True)
    assert found.tolist() == [0, 1, 2, 4, 5, 6]
    assert np.abs(counts - 1000).max() < 120  # four standard deviations


def test_crop_pads_what_is_too_small():
    x = photos((2, 3, 4, 5))
    with pytest.raises(
        ValueError,
        match="images of 4 x 5 with padding None are smaller than the part of 6 x 5; "
        "add padding, or pad_if_needed",
    ):
        RandomCrop((6, 5))(tinynet.from_numpy(x))
    y = seeded(RandomCrop((6, 5), pad_if_needed=True))(tinynet.from_numpy(x)).numpy()
    assert y.shape == (2, 3, 6, 5)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (0, 0)))
    for before, after in zip(padded, y, strict=True):
        assert any(np.array_equal(before[:, i : i + 6], after) for i in range(3))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"size": 0}, ValueError, "size must be 1 or 2 ints from 1 up, got 0"),
        ({"size": (2, 3, 4)}, ValueError, "size must be 1 or 2 ints"),
        ({"size": 2.5}, TypeError, "size must be an int or a sequence of ints, got 2.5"),
        (
            {"size": 2, "padding": -1},
            ValueError,
            "padding must be 1 or 2 or 4 ints from 0 up, got -1",
        ),
        ({"size": 2, "padding": (1, 2, 3)}, ValueError, "padding must be 1 or 2 or 4 ints"),
        (
            {"size": 2, "padding_mode": "zeros"},
            ValueError,
            "padding_mode must be 'constant', 'edge', 'reflect' or 'symmetric', got 'zeros'",
        ),
        ({"size": 2, "fill": None}, TypeError, "fill must be a finite number, got None"),
    ],
    ids=str,
)
def test_crop_refuses(given, error, message):
    with pytest.raises(error, match=f"RandomCrop: {message}"):
        RandomCrop(**given)


def test_crop_refuses_a_reflection_beyond_the_image():
    with pytest.raises(
        ValueError,
        match=r"RandomCrop: images of 4 x 9 can't be reflected \(4, 4\) x \(4, 4\) pixels "
        "beyond their edges",
    ):
        RandomCrop(3, 4, padding_mode="reflect")(tinynet.zeros(1, 4, 9))


# ----------------------------------------------------------------------------------------- rotation


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3, -1])
def test_quarter_turns_are_those_of_numpy(interpolation, quarters):
    x = photos((2, 3, 6, 6))
    y = RandomRotation((90 * quarters, 90 * quarters), interpolation)(tinynet.from_numpy(x)).numpy()
    np.testing.assert_allclose(y, np.rot90(x, quarters, (2, 3)), rtol=1e-5)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_rotation_pixel_by_pixel(interpolation):
    x, fill = photos((3, 2, 5, 8)), -7.0
    rotation = RandomRotation((10, 70), interpolation, fill=fill)
    y = seeded(rotation, 4)(tinynet.from_numpy(x)).numpy()
    degrees = tinynet.Generator().manual_seed(4).numpy.uniform(10, 70, 3)
    expected = np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        # complex numbers turn: right is 1, up is i
        place = ((j - 3.5) - 1j * (i - 2)) * np.exp(-1j * np.radians(degrees[n]))
        column, row = place.real + 3.5, 2 - place.imag

        def inside(r, k):
            return 0 <= r < 5 and 0 <= k < 8

        def pixel(r, k, n=n, c=c):
            return float(x[n, c, r, k]) if inside(r, k) else 0.0

        def mean(value, row=row, column=column):
            r, k = math.floor(row), math.floor(column)
            upper = value(r, k) * (k + 1 - column) + value(r, k + 1) * (column - k)
            lower = value(r + 1, k) * (k + 1 - column) + value(r + 1, k + 1) * (column - k)
            return upper * (r + 1 - row) + lower * (row - r)

        if interpolation == "nearest":
            at = round(row), round(column)
            expected[n, c, i, j] = pixel(*at) if inside(*at) else fill
        else:
            expected[n, c, i, j] = mean(pixel) * mean(inside) + fill * (1 - mean(inside))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_rotation_like_pytorch(torch, interpolation):
    x = photos((4, 3, 7, 10), np.float64)
    y = seeded(RandomRotation(40, interpolation), 6)(tinynet.from_numpy(x)).numpy()
    angle = np.radians(tinynet.Generator().manual_seed(6).numpy.uniform(-40, 40, (4, 1, 1)))
    down, right = np.mgrid[-3:4, -4.5:5.5:1]
    # grid_sample counts from -1 to 1 across the image, the outer half of the edge pixels included
    across = (np.cos(angle) * right - np.sin(angle) * down) / 5
    along = (np.cos(angle) * down + np.sin(angle) * right) / 3.5
    grid = torch.from_numpy(np.stack([across, along], -1))
    expected, inside = (
        torch.nn.functional.grid_sample(
            torch.from_numpy(images), grid, interpolation, "zeros", align_corners=False
        ).numpy()
        for images in (x, np.ones_like(x))
    )
    expected *= inside  # the fill, 0, takes the share that lies outside
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)


def test_every_image_has_an_angle_of_its_own():
    x = tinynet.from_numpy(np.broadcast_to(photos((1, 1, 9, 9)), (20, 1, 9, 9)).copy())
    y = seeded(RandomRotation(45, "bilinear"))(x).numpy()
    assert len({image.tobytes() for image in y}) == 20


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_rotation_keeps_the_type(interpolation):
    x = photos((2, 3, 5, 5), np.uint8)
    y = seeded(RandomRotation(30, interpolation))(tinynet.from_numpy(x))
    assert y.dtype == np.uint8
    floats = seeded(RandomRotation(30, interpolation))(tinynet.from_numpy(x.astype(np.float32)))
    np.testing.assert_array_equal(y.numpy(), floats.numpy().round())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"degrees": -5},
            ValueError,
            r"degrees must be a number from 0 up or \(from, to\), got -5",
        ),
        (
            {"degrees": (5, -5)},
            ValueError,
            r"degrees must be a number from 0 up or \(from, to\), got \(5, -5\)",
        ),
        ({"degrees": (1, 2, 3)}, ValueError, "degrees must be a number from 0 up or"),
        ({"degrees": "5"}, TypeError, "degrees must be a finite number, got '5'"),
        (
            {"degrees": 5, "interpolation": "cubic"},
            ValueError,
            "interpolation must be 'nearest', .* or 'lanczos', got 'cubic'",
        ),
        ({"degrees": 5, "fill": math.inf}, TypeError, "fill must be a finite number, got inf"),
    ],
    ids=str,
)
def test_rotation_refuses(given, error, message):
    with pytest.raises(error, match=f"RandomRotation: {message}"):
        RandomRotation(**given)


# ------------------------------------------------------------------------------------------ Compose


def test_compose_calls_one_after_the_other():
    x = tinynet.from_numpy(photos())
    together = Compose(
        [seeded(RandomCrop(5, 2), 1), lambda images: images / 2, Normalize(1, 2)]
    )(x)
    one_by_one = Normalize(1, 2)(seeded(RandomCrop(5, 2), 1)(x) / 2)
    np.testing.assert_array_equal(together.numpy(), one_by_one.numpy())
    assert Compose([])(x) is x


def test_compose_refuses_what_can_not_be_called():
    with pytest.raises(TypeError, match="Compose: each of transforms must be a function .* got 3"):
        Compose([Normalize(0, 1), 3])


def test_reprs():
    assert repr(Compose([RandomCrop(4, (1, 2)), RandomRotation(10)])) == (
        "Compose(\n    RandomCrop(size=(4, 4), padding=(1, 2))\n    RandomRotation("
        "degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)\n)"
    )


@pytest.mark.parametrize(("transform", "text"), [
    (transforms.Resize(32),
     "Resize(size=32, interpolation=bilinear, max_size=None, antialias=True)"),
    (transforms.CenterCrop(24), "CenterCrop(size=(24, 24))"),
    (transforms.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
    (transforms.RandomAffine(0, scale=(0.8, 1.2), shear=10),
     "RandomAffine(degrees=[0.0, 0.0], scale=(0.8, 1.2), shear=[-10.0, 10.0])"),
    (transforms.RandomResizedCrop(8), "RandomResizedCrop(size=(8, 8), scale=(0.08, 1.0), "
     "ratio=(0.75, 1.3333), interpolation=bilinear, antialias=True)"),
    (transforms.RandomErasing(),
     "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)"),
    (transforms.ColorJitter(0.1, hue=0.2),
     "ColorJitter(brightness=(0.9, 1.1), contrast=None, saturation=None, hue=(-0.2, 0.2))"),
    (transforms.Lambda(int), "Lambda()"), (transforms.ToPILImage(), "ToPILImage()"),
    (transforms.ToPILImage("L"), "ToPILImage(mode=L)"),
    (transforms.RandomApply([transforms.ToTensor()], 0.3),
     "RandomApply(\n    p=0.3\n    ToTensor()\n)"),
    (transforms.RandomOrder([transforms.ToTensor()]), "RandomOrder(\n    ToTensor()\n)"),
    (transforms.RandomChoice([transforms.ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
])  # fmt: skip
def test_transforms_print_as_torchvisions(transform, text):
    assert repr(transform) == text
