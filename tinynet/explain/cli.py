"""The command ``tinynet``: ``tinynet explain --input 5x5 --kernel 3x3 --stride 2 --padding 1 -o conv.html``."""
from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import conv2d
from .convolution import MODES, PADDING_MODES
from .texts import LANGUAGES


def sizes(text: str) -> tuple[int, ...]:
    """``5x7`` as (5, 7)."""
    try:
        found = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        found = ()
    if not found or min(found) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a size such as 5x5 nor a .npy file")
    return found


def one_or_two(text: str) -> int | tuple[int, int]:
    found = sizes(text)
    if len(found) > 2:
        raise argparse.ArgumentTypeError(f"{text!r}: one number for both directions, or two such as 2x1")
    return found[0] if len(found) == 1 else (found[0], found[1])


def padding(text: str) -> str | int | tuple[int, int]:
    return text if text in ("same", "valid") else one_or_two(text)


def array_or_size(text: str) -> np.ndarray | tuple[int, ...]:
    """The array in a .npy file, or a size whose numbers are still to be drawn."""
    if not text.endswith(".npy"):
        return sizes(text)
    try:
        return np.load(text, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} can't be read as a .npy file: {error}") from error


def numbers(given: np.ndarray | tuple[int, ...], random: np.random.Generator, low: int, high: int) -> np.ndarray:
    """The given array, or small whole numbers, which are the easiest to follow by eye."""
    return given if isinstance(given, np.ndarray) else random.integers(low, high, given, endpoint=True).astype(np.float64)


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog="tinynet", description="tinynet, a small deep-learning framework")
    explain = command.add_subparsers(dest="command", required=True).add_parser(
        "explain", help="write a page that shows a convolution forward and backward",
        description="Write a page that shows a convolution, forward and backward, step by step with real numbers.")
    explain.add_argument("--input", type=array_or_size, default=(5, 5), metavar="SIZE|FILE",
                         help="HxW, CxHxW or NxCxHxW, or a .npy file (default 5x5)")
    explain.add_argument("--kernel", type=array_or_size, default=(3, 3), metavar="SIZE|FILE",
                         help="KHxKW for one kernel over all channels, OxCxKHxKW in full, or a .npy file (default 3x3)")
    explain.add_argument("--bias", metavar="FILE", nargs="?", const=True, help="a .npy file; without one, random numbers")
    explain.add_argument("--grad-out", type=array_or_size, metavar="FILE", help="the gradient of the output, a .npy file (default ones)")
    explain.add_argument("--stride", type=one_or_two, default=1, metavar="S", help="such as 2 or 2x1 (default 1)")
    explain.add_argument("--padding", type=padding, default=0, metavar="P", help="such as 1, 1x2, same or valid (default 0)")
    explain.add_argument("--dilation", type=one_or_two, default=1, metavar="D", help="such as 2 or 2x1 (default 1)")
    explain.add_argument("--groups", type=int, default=1, metavar="G", help="groups of channels (default 1)")
    explain.add_argument("--padding-mode", choices=PADDING_MODES, default="zeros", help="what padding holds (default zeros)")
    explain.add_argument("--seed", type=int, default=0, help="of the random numbers (default 0)")
    explain.add_argument("--cell", type=sizes, metavar="IxJ", help="the output cell round which something large is cropped")
    explain.add_argument("--lang", choices=list(LANGUAGES), default="en", help="the language shown first (default en)")
    explain.add_argument("--steps", choices=MODES, metavar="MODE", help=f"print the steps of one mode: {', '.join(MODES)}")
    explain.add_argument("-o", "--output", default="conv.html", metavar="PATH", help="where to write the page (default conv.html)")
    explain.add_argument("--open", action="store_true", help="open the page in a browser")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status. Prints the path of the page that it wrote."""
    command = parser()
    given = command.parse_args(arguments)
    random = np.random.default_rng(given.seed)
    x = numbers(given.input, random, -2, 5)
    kernel = given.kernel
    if isinstance(kernel, tuple) and len(kernel) == 2 and x.ndim >= 3:
        kernel = (given.groups, x.shape[-3] // max(given.groups, 1), *kernel)         # one kernel per group over all its channels
    w = numbers(kernel, random, -1, 2)
    try:
        bias = given.bias
        if bias is True:
            bias = random.integers(-2, 3, w.shape[0] if w.ndim == 4 else 1, endpoint=True)
        elif bias is not None:
            bias = array_or_size(bias)
        e = conv2d(x, w, bias, given.stride, given.padding, given.dilation, given.groups, given.padding_mode, given.grad_out,
                   lang=given.lang, cell=given.cell)
        path = e.save(given.output)
    except (ValueError, TypeError, RuntimeError, OSError, argparse.ArgumentTypeError) as error:
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
