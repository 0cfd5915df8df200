"""Write docs/play.html: the page about a convolution, with the numbers of the lesson.

    python tools/make_play.py

`tinynet.explain.conv2d(...).save(path)` writes the same page with your own numbers.
"""

from __future__ import annotations

from pathlib import Path

import tinynet.explain
from tinynet.explain.lesson import W, X, gradient

PATH = Path(__file__).parents[1] / "docs" / "play.html"


def text() -> str:
    return tinynet.explain.conv2d(X, W, grad_out=gradient((1, 1, 3, 3))).page()


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
    print(PATH)
