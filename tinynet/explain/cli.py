"""The command ``tinynet``: ``tinynet explain --input 5x5 --kernel 3x3 --stride 2 -o conv.html``."""
from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import conv2d, lesson
from .convolution import PADDING_MODES
from .steps import MODES
from .texts import LANGUAGES

Size = tuple[int, ...]


def size(text: str) -> Size:
    """``5x7`` as (5, 7)."""
    try:
        numbers = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a size such as 5x5 nor a .npy file")
    return numbers


def one_or_two(text: str) -> int | Size:
    """``2`` as 2 and ``2x1`` as (2, 1)."""
    numbers = size(text)
    if len(numbers) > 2:
        raise argparse.ArgumentTypeError(f"{text!r}: one number for both directions, or two such "
                                         "as 2x1")
    return numbers[0] if len(numbers) == 1 else numbers


def padding(text: str) -> str | int | Size:
    return text if text in ("same", "valid") else one_or_two(text)


def array(text: str) -> np.ndarray:
    """The array in a .npy file."""
    try:
        return np.load(text, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} can't be read as a .npy file: "
                                         f"{error}") from error


def ones_or_array(text: str) -> str | np.ndarray:
    return text if text == "ones" else array(text)


def array_or_size(text: str) -> np.ndarray | Size:
    """The array in a .npy file, or a size to be filled with random numbers."""
    return array(text) if text.endswith(".npy") else size(text)


def filled(given: np.ndarray | Size, numbers: Any, random: np.random.Generator, low: int,
           high: int) -> np.ndarray:
    """The given array, the lesson's numbers if they have the given size, or else random small whole
    numbers, which are the easiest to follow by eye."""
    if isinstance(given, np.ndarray):
        return given
    if given == np.shape(numbers):
        return np.array(numbers, dtype=np.float64)
    return random.integers(low, high, given, endpoint=True).astype(np.float64)


# name, type (or None), default, metavar, help
OPTIONS = (
    ("--input", array_or_size, (5, 5), "SIZE|FILE",
     "HxW, CxHxW or NxCxHxW, or a .npy file (default 5x5, with the lesson's numbers)"),
    ("--kernel", array_or_size, (3, 3), "SIZE|FILE",
     "KHxKW for one kernel over all channels, OxCxKHxKW in full, or a .npy file (default 3x3, "
     "with the lesson's numbers)"),
    ("--grad-out", ones_or_array, None, "ones|FILE",
     "the upstream gradient: ones, or a .npy file (default small distinct numbers)"),
    ("--stride", one_or_two, 1, "S", "such as 2 or 2x1 (default 1)"),
    ("--padding", padding, 0, "P", "such as 1, 1x2, same or valid (default 0)"),
    ("--dilation", one_or_two, 1, "D", "such as 2 or 2x1 (default 1)"),
    ("--groups", int, 1, "N", "number of groups of channels (default 1)"),
    ("--seed", int, None, "SEED",
     "of random numbers, also where the lesson's would fit (default 0)"),
    ("--cell", size, None, "IxJ", "the output cell around which a large convolution is cropped"),
)


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(
        prog="tinynet", description="tinynet, a small deep-learning framework")
    explain = command.add_subparsers(dest="command", required=True).add_parser(
        "explain", help="write a page that shows a convolution forward and backward",
        description="Write a page that shows a convolution, forward and backward, step by step "
                    "with real numbers.")
    add = explain.add_argument
    for name, kind, default, metavar, text in OPTIONS:
        add(name, type=kind, default=default, metavar=metavar, help=text)
    add("--bias", type=array, metavar="FILE", nargs="?", const=True,
        help="a .npy file; without a file, random numbers")
    add("--padding-mode", choices=PADDING_MODES, default="zeros",
        help="what the padding holds (default zeros)")
    add("--lang", choices=list(LANGUAGES), default="en",
        help="the language shown first (default en)")
    add("--steps", choices=MODES, metavar="MODE",
        help=f"print the steps of one mode: {', '.join(MODES)}")
    add("-o", "--output", default="conv.html", metavar="PATH",
        help="where to write the page (default conv.html)")
    add("--open", action="store_true", help="open the page in a browser")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status. Prints the path of the page that it wrote."""
    given = parser().parse_args(arguments)
    random = np.random.default_rng(given.seed or 0)
    numbers_x, numbers_w = (lesson.X, lesson.W) if given.seed is None else ((), ())
    x = filled(given.input, numbers_x, random, -2, 5)
    kernel = given.kernel
    if isinstance(kernel, tuple) and len(kernel) == 2 and x.ndim >= 3:
        # one kernel per group, over all channels of the group
        kernel = (given.groups, x.shape[-3] // max(given.groups, 1), *kernel)
    w = filled(kernel, numbers_w, random, -1, 2)
    try:
        bias = given.bias
        if bias is True:
            bias = random.integers(-2, 3, w.shape[0] if w.ndim == 4 else 1, endpoint=True)
        options = (given.stride, given.padding, given.dilation, given.groups, given.padding_mode)
        grad_out = None if isinstance(given.grad_out, str) else given.grad_out
        e = conv2d(x, w, bias, *options, grad_out, lang=given.lang, cell=given.cell)
        if given.grad_out is None:
            e = conv2d(x, w, bias, *options, lesson.gradient(e.y.shape), lang=given.lang,
                       cell=given.cell)
        path = e.save(given.output)
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        print(f"tinynet explain: {error}", file=sys.stderr)
        return 2
    if given.steps:
        print("\n".join(e.steps(given.steps)))
    print(path)
    if given.open:
        webbrowser.open(Path(path).resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
