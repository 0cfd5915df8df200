"""Read handwritten digits from picture files, with the weights that mnist.py saves.

    python examples/read_digit.py out/mnist.safetensors five.png photo.jpg --explain seen.html

One digit per picture, on a plain ground: dark on light or light on dark, grey or colour, any size,
any margin. Shadows seldom do harm; ruled lines and the edge of the table do. The digit is
made like those of MNIST: scaled into 20 × 20 pixels, its centre of mass in the middle of 28 × 28.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from mnist import Net, normalise
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageFilter, ImageOps

import tinynet

LARGEST = 280  # pixels of a picture's longer side; larger pictures are made smaller first
FAINTEST = 0.06  # of the way from black to white: what stands out less is no ink
STROKE = 2.5  # pixels: how thick MNIST's strokes are, about


def grey_of(path):
    """The picture as a Pillow image of greys."""
    try:
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")  # a phone held upright
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except OSError:
        raise ValueError("this is no picture file that Pillow can read") from None
    paper = Image.new("RGBA", picture.size, "white")  # shows through where a picture has holes
    return Image.alpha_composite(paper, picture).convert("L")


def ink_of(grey):
    """How much ink lies on each pixel, from 0 to 1: the ground is 0, whichever is darker.

    The array has LARGEST pixels on its longer side, and the second result says how many of them lie
    on one of `grey`.
    """
    scale = LARGEST / max(grey.size)
    size = [max(1, round(side * scale)) for side in grey.size]
    grey = grey.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    small = grey.reduce(4)
    # The light: the median of a square, of which ink covers less than half; 16 pixels beyond each
    # side too.
    around = sliding_window_view(np.pad(np.asarray(small), 31, "edge"), (31, 31))[..., ::3, ::3]
    light = Image.fromarray(np.uint8(np.median(around, (2, 3))))
    off = np.asarray(small, np.float32) - np.asarray(light)[16:-16, 16:-16]
    if off.max() > -off.min():
        grey, small, light = map(ImageOps.invert, (grey, small, light))  # light on dark
    # The ground: strokes are filled from their sides, but the edge of a shadow stays where it is.
    ground = light
    ground.paste(small, (16, 16))
    for extreme in 3 * [ImageFilter.MaxFilter(7)] + 3 * [ImageFilter.MinFilter(7)]:
        ground = ground.filter(extreme)
    ground = ground.filter(ImageFilter.GaussianBlur(1))
    ground = ground.crop((16, 16, 16 + small.width, 16 + small.height))
    ground = np.asarray(ground.resize(grey.size, Image.Resampling.BILINEAR), np.float32)
    smooth = np.asarray(grey.filter(ImageFilter.GaussianBlur(0.8)), np.float32)
    ink = (ground - smooth).clip(0) / 255
    most = np.quantile(ink, 0.999)
    if most < FAINTEST:
        raise ValueError("no digit is to be seen: nothing stands out from the ground")
    return ((ink / most - 0.35) / 0.35).clip(0, 1), scale  # below is the paper's grain


def extent(ink, axis):
    """From where to where the ink reaches, but for specks: 0.2 % of it on either side."""
    part = ink.sum(axis).cumsum() / ink.sum()
    return np.searchsorted(part, 0.002), np.searchsorted(part, 0.998) + 1


def as_mnist(ink):
    """The ink as MNIST has it: (28, 28), scaled into 20 × 20, centred by its mass."""
    (top, bottom), (left, right) = extent(ink, 1), extent(ink, 0)
    digit = np.uint8(255 * np.pad(ink[top:bottom, left:right], 8))
    side = max(bottom - top, right - left)
    # A stroke's width is its area over half its outline. A fine pen is made broader.
    inside = digit > 127
    edge = inside & ~(np.roll(inside, 1, 0) & np.roll(inside, -1, 0) & np.roll(inside, 1, 1)
                      & np.roll(inside, -1, 1))  # fmt: skip
    lacking = STROKE * side / 20 - 2 * inside.sum() / max(1, edge.sum())
    for _ in range(min(8, int(lacking / 2))):
        digit = np.asarray(Image.fromarray(digit).filter(ImageFilter.MaxFilter(3)))
    (top, bottom), (left, right) = extent(digit, 1), extent(digit, 0)
    scale = 20 / max(bottom - top, right - left)
    size = [max(1, round(n * scale)) for n in (right - left, bottom - top)]
    small = Image.fromarray(digit[top:bottom, left:right])
    small = np.asarray(small.resize(size, Image.Resampling.BOX), np.float32)
    small = (small / small.max()).clip(0, 1)
    result = np.zeros((28, 28), np.float32)
    down, along = (round(13.5 - (small.sum(1 - axis) @ np.arange(n)) / small.sum())
                   for axis, n in enumerate(small.shape))  # fmt: skip
    down, along = (min(max(0, start), 28 - n)
                   for start, n in zip((down, along), small.shape, strict=True))  # fmt: skip
    result[down : down + small.shape[0], along : along + small.shape[1]] = small
    return result


def digit_from(path):
    """The picture at `path` as the network takes it: a tensor (1, 1, 28, 28)."""
    try:
        grey = grey_of(path)
        ink, scale = ink_of(grey)
        # Look again, closely: only where the digit is, with a margin of a quarter of its size.
        (top, bottom), (left, right) = extent(ink, 1), extent(ink, 0)
        margin = max(bottom - top, right - left) / 4
        box = (left - margin, top - margin, right + margin, bottom + margin)
        inside = [min(max(0, v / scale), n) for v, n in zip(box, 2 * grey.size, strict=True)]
        image = as_mnist(ink_of(grey.crop([round(v) for v in inside]))[0])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return normalise(Image.fromarray(np.uint8(255 * image)))[None]


def reader(path):
    """The network of mnist.py with the weights that it saved."""
    if not Path(path).exists():
        raise ValueError(f"{path}: there is no such file; python examples/mnist.py makes one")
    model = Net()
    try:
        model.load_state_dict(tinynet.load(path))
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        why = str(error).splitlines()[0].rstrip(":")
        raise ValueError(f"{path}: these aren't the weights of mnist.py's network: {why}") from None
    return model.eval()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", help="the file that mnist.py saved: out/mnist.safetensors")
    parser.add_argument("pictures", nargs="+", help="PNG, JPEG or any other picture files")
    parser.add_argument("--explain", metavar="PAGE", help="write what the network saw (of 20)")
    options = parser.parse_args()
    try:
        model = reader(options.weights)
    except ValueError as error:
        sys.exit(f"read_digit: {error}")

    images, guesses, failed = [], [], 0
    for path in options.pictures:
        try:
            images.append(digit_from(path))
        except ValueError as error:
            print(f"read_digit: {error}", file=sys.stderr)
            failed += 1
            continue
        with tinynet.no_grad():
            chances = model(images[-1]).softmax(1)[0]
        best = chances.numpy().argsort()[::-1][:3]
        guesses.append(int(best[0]))
        print(f"{path}: " + ", ".join(f"{d} ({chances[int(d)].item():.1%})" for d in best))

    if options.explain and images:
        page = tinynet.explain.network(model, tinynet.cat(images[:20]), guesses[:20])
        try:
            print(f"what the network saw: {page.save(options.explain)}")
        except OSError as error:
            sys.exit(f"read_digit: {options.explain} can't be written: {error.strerror}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
