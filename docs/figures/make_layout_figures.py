"""Draw the figures of docs/convolution.md:  python docs/figures/make_layout_figures.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import tinynet
import tinynet.nn.functional as F

HERE = Path(__file__).parent
COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"]


def cells(axes, values, colours, x=0.0, y=0.0, size=8):
    """A grid of squares with a number in each, its upper left corner at (x, -y)."""
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            axes.add_patch(
                plt.Rectangle((x + c, -y - r - 1), 1, 1, facecolor=colours[r][c], edgecolor="white")
            )
            axes.text(
                x + c + 0.5, -y - r - 0.5, str(value), ha="center", va="center", fontsize=size
            )


def finish(figure, axes, name):
    axes.set_aspect("equal")
    axes.autoscale_view()
    axes.axis("off")
    figure.savefig(HERE / name, dpi=130, facecolor="white")
    plt.close(figure)


def im2col():
    """An image of 4 x 4, a kernel of 2 x 2 and the columns that F.unfold makes of them."""
    x = np.arange(16).reshape(4, 4)
    columns = F.unfold(tinynet.tensor(x[None, None], dtype=tinynet.float32), 2).long().numpy()[0]
    marked = {0: "#bbccee", 4: "#eecccc"}  # two of the nine windows
    grey = "#eeeeee"
    image = [[grey] * 4 for _ in range(4)]
    for position, colour in marked.items():
        for tap in range(4):
            image[position // 3 + tap // 2][position % 3 + tap % 2] = colour
    image[1][1] = "#d4bfd4"  # read by both
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    cells(axes, x, image, y=0.5)
    cells(axes, columns, [[marked.get(c, grey) for c in range(9)] for _ in range(4)], x=7, y=0.5)
    axes.text(2, -5.2, "the image", ha="center", fontsize=9)
    axes.text(
        11.5,
        -5.2,
        "its columns: one for each of the 9 windows, one row for each of the 4 taps",
        ha="center",
        fontsize=9,
    )
    axes.annotate("", (6.7, -2.5), (4.3, -2.5), arrowprops={"arrowstyle": "->"})
    finish(figure, axes, "im2col.png")


def batch_innermost():
    """How one row of pixels lies in memory, in both orders."""
    figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
    order = [(n, w) for n in range(3) for w in range(8)]
    used = [w in range(1, 5) for _, w in order]
    cells(
        axes,
        [[f"{'abc'[n]}{w}" for n, w in order]],
        [[COLOURS[n] + ("cc" if u else "33") for (n, _), u in zip(order, used, strict=True)]],
        size=7,
    )
    axes.text(
        0,
        0.25,
        "sample by sample (N, C, H, W): the pixels 1–4 of a row are a short run in each sample",
        fontsize=9,
    )
    order = [(n, w) for w in range(8) for n in range(3)]
    used = [w in range(1, 5) for _, w in order]
    cells(
        axes,
        [[f"{'abc'[n]}{w}" for n, w in order]],
        [[COLOURS[n] + ("cc" if u else "33") for (n, _), u in zip(order, used, strict=True)]],
        y=2.5,
        size=7,
    )
    axes.text(
        0,
        -2.25,
        "the batch innermost (H, C, W, N): the same pixels of all samples are one long run",
        fontsize=9,
    )
    finish(figure, axes, "batch_innermost.png")


def height():
    """The rows of L, and three rows of the output that read overlapping stretches of them."""
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    names = [f"row {h}, tap {k}" for h in range(5) for k in range(3)]
    for i, name in enumerate(names):
        axes.add_patch(
            plt.Rectangle(
                (0, -0.5 * i - 0.5), 6, 0.5, facecolor=COLOURS[i // 3] + "55", edgecolor="white"
            )
        )
        axes.text(3, -0.5 * i - 0.25, name, ha="center", va="center", fontsize=7)
    for oh, colour in ((0, "#222222"), (1, "#888888"), (2, "#bbbbbb")):
        x = 6.4 + 1.3 * oh
        axes.plot(
            [x, x + 0.2, x + 0.2, x],
            [-1.5 * oh, -1.5 * oh, -1.5 * oh - 4.5, -1.5 * oh - 4.5],
            color=colour,
        )
        axes.text(
            x + 0.35,
            -1.5 * oh - 2.25,
            f"output row {oh}",
            rotation=90,
            va="center",
            fontsize=8,
            color=colour,
        )
    axes.text(
        3, 0.25, "L: every row of the image, once for each tap across", ha="center", fontsize=9
    )
    finish(figure, axes, "height.png")


if __name__ == "__main__":
    im2col()
    batch_innermost()
    height()
