"""Draw the figures of the lesson that need no browser: the chain rule, softmax with cross-entropy,
pooling, ReLU and batch norm.

    python tools/draw_lesson_figures.py

Writes docs/figures/<name>.<language>.svg. tinynet computes every number; a test draws the figures
again and compares. The other figures come from tools/make_lesson_figures.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import tinynet
import tinynet.nn.functional as F

FOLDER = Path(__file__).parents[1] / "docs" / "figures"

PAPER, CARD, INK, MUTED, LINE = "#f7f6f3", "#fff", "#1b1d21", "#595e67", "#d8d5cc"
BLUE, BROWN, GREEN, MAGENTA = "#1a5cb8", "#9a4d00", "#17733a", "#9c1f79"
TINTS = {BLUE: "#dae5f3", BROWN: "#f0e1d2", GREEN: "#d9ebdf", MAGENTA: "#eed8e8", INK: "#e6e5e2"}
MONO = "ui-monospace,'Cascadia Mono','DejaVu Sans Mono',Menlo,Consolas,monospace"
SANS = (
    "system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans CJK SC','PingFang SC',"
    "'Microsoft YaHei',sans-serif"
)
GAP = 4  # between the cells of a grid

Cells = Collection[tuple[int, int]]


class Picture:
    """An SVG that grows: shapes in, one text out."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>text{{font-family:{SANS};fill:{INK}}}.n{{font-family:{MONO}}}"
            "text{text-anchor:middle}.l{text-anchor:start}</style>",
            f'<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>',
        ]

    def text(
        self, x: float, y: float, text: str, size: int = 15, colour: str = INK, *,
        number: bool = False, bold: bool = False, left: bool = False,
    ) -> None:  # fmt: skip
        names = " ".join(["n"] * number + ["l"] * left)
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}"'
            + (f' class="{names}"' if names else "")
            + (' font-weight="700"' if bold else "")
            + (f' style="fill:{colour}"' if colour != INK else "")
            + f">{escape(text)}</text>"
        )

    def cell(
        self, x: float, y: float, width: float, height: float, text: str, *,
        colour: str = INK, lit: bool = False, faint: bool = False, size: int = 17,
    ) -> None:  # fmt: skip
        stroke, line = (colour, 2) if lit else (LINE, 1)
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
            f'fill="{TINTS[colour] if lit else CARD}" stroke="{stroke}" stroke-width="{line}"/>'
        )
        middle = x + width / 2, y + height / 2 + 0.36 * size
        self.text(*middle, text, size, MUTED if faint else INK, number=True, bold=lit)

    def grid(
        self, x: float, y: float, rows: Sequence[Sequence[Any]], title: str, colour: str, *,
        lit: Cells = (), faint: Cells = (), width: int = 44, height: int = 44, size: int = 17,
    ) -> None:  # fmt: skip
        """Numbers in a grid, its upper left corner at (x, y), the title above."""
        self.text(x, y - 10, title, 14, colour, bold=True, left=True)
        for r, row in enumerate(rows):
            for q, value in enumerate(row):
                place = x + q * (width + GAP), y + r * (height + GAP)
                self.cell(
                    *place, width, height, shown(value),
                    colour=colour, lit=(r, q) in lit, faint=(r, q) in faint, size=size,
                )  # fmt: skip

    def arrow(
        self, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float = 0
    ) -> None:
        """A curve with a head; `bend` moves its middle down."""
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + bend
        dx, dy = end[0] - middle[0], end[1] - middle[1]
        length = (dx * dx + dy * dy) ** 0.5
        dx, dy = 9 * dx / length, 9 * dy / length
        base = end[0] - dx, end[1] - dy
        head = f"{end[0]:g},{end[1]:g} " + " ".join(
            f"{base[0] + side * dy / 2:.1f},{base[1] - side * dx / 2:.1f}" for side in (1, -1)
        )
        self.parts.append(
            f'<path d="M{start[0]:g} {start[1]:g}Q{middle[0]:g} {middle[1]:g} {base[0]:.1f} '
            f'{base[1]:.1f}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<polygon points="{head}" fill="{colour}"/>'
        )

    def svg(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def shown(value: Any) -> str:
    """A number as the page writes it: at most four decimals, and a real minus."""
    if isinstance(value, str):
        return value
    return f"{round(float(value), 4) + 0:g}".replace("-", "−")


def values(tensor: tinynet.Tensor) -> list[list[float]]:
    return tensor.detach().reshape(-1, tensor.shape[-1]).tolist()


# -- the network of part 3 -------------------------------------------------------------------------

X = [[1.0, 2, 0, 3, 1], [0, 1, 2, 3, 1], [1, 2, 1, 0, 0], [5, 2, 3, 1, 1], [2, 1, 0, 1, 1]]
W = [[1.0, 2, 1], [0, 1, 0], [2, 1, 0]]
V = [[0.5, 0, 0, -0.25], [0, 0.25, 0, 0], [0.5, -0.5, -0.5, 0.5]]
G = [[2.0, 1, -1], [0, 1, -2], [3, 1, 2]]


def network() -> dict[str, tinynet.Tensor]:
    """The results y, a, m, z of part 3, after backward."""
    x, w = (tinynet.tensor([[rows]]) for rows in (X, W))
    y = F.conv2d(x, w, tinynet.tensor([-12.0]).requires_grad_())
    a = y.relu()
    m = F.max_pool2d(a, 2, stride=1)
    z = F.linear(m.flatten(1), tinynet.tensor(V))
    results = {"y": y, "a": a, "m": m, "z": z}
    for result in results.values():
        result.retain_grad()
    F.cross_entropy(z, tinynet.tensor([1])).backward()
    return results


# -- the figures -----------------------------------------------------------------------------------


def chain(say: Callable[[str, str], str]) -> str:
    x = tinynet.tensor(2.0, requires_grad=True)
    y1, y2 = 3 * x, x * x
    loss = y1 * y2
    slopes = [tinynet.grad(y, x, retain_graph=True)[0].item() for y in (y1, y2)]
    upstream = [g.item() for g in tinynet.grad(loss, [y1, y2], retain_graph=True)]
    (total,) = tinynet.grad(loss, x)
    products = [u * s for u, s in zip(upstream, slopes, strict=True)]
    assert sum(products) == total.item()

    p = Picture(720, 300, say("The chain rule along two paths", "沿两条路径的链式法则"))
    places = {"x": (90, 140), "y1": (340, 70), "y2": (340, 210), "L": (590, 140)}
    for k, (u, s) in enumerate(zip(upstream, slopes, strict=True), 1):
        side = -1 if k == 1 else 1
        y = f"y{k}"
        (yx, yy), (lx, ly) = places[y], places["L"]
        xx, xy = places["x"]
        for start, end in (((xx + 50, xy), (yx - 74, yy)), ((yx + 74, yy), (lx - 74, ly))):
            p.arrow(start, end, MUTED, 14 * side)
            back = (end[0] - 6, end[1] + 14 * side), (start[0] + 6, start[1] + 14 * side)
            p.arrow(*back, MAGENTA, 26 * side)
        p.text(184, 145 + side * 93, f"∂y{k}/∂x = {shown(s)}", 15, MAGENTA, number=True)
        p.text(496, 145 + side * 93, f"∂L/∂y{k} = {shown(u)}", 15, MAGENTA, number=True)
    labels = {
        "x": f"x = {shown(x.item())}",
        "y1": f"y1 = 3·x = {shown(y1.item())}",
        "y2": f"y2 = x·x = {shown(y2.item())}",
        "L": f"L = y1·y2 = {shown(loss.item())}",
    }
    for name, (cx, cy) in places.items():
        half = 46 if name == "x" else 70
        colour = {"x": BLUE, "L": MAGENTA}.get(name, GREEN)
        p.cell(cx - half, cy - 22, 2 * half, 44, labels[name], colour=colour, lit=True, size=14)
    terms = " + ".join(
        f"{shown(u)}·{shown(s)}" for u, s in zip(upstream, slopes, strict=True)
    ) + f" = {' + '.join(map(shown, products))} = {shown(total)}"  # fmt: skip
    p.text(360, 284, f"∂L/∂x = {terms}", 16, number=True, bold=True)
    return p.svg()


def softmax(say: Callable[[str, str], str]) -> str:
    z = network()["z"]
    p = F.softmax(z.detach(), 1)
    target = tinynet.tensor([[0.0, 1, 0]])
    assert (p - target).allclose(z.grad)
    picture = Picture(680, 262, say("Where the gradient starts", "梯度从哪里开始"))
    columns = (
        (z, say("scores z", "得分 z"), GREEN, "→"),
        (p, say("softmax p", "softmax p"), BLUE, "−"),
        (target, say("right class", "正确类别"), INK, "="),
        (z.grad, say("G = ∂L/∂z", "G = ∂L/∂z"), MAGENTA, ""),
    )
    for k, (numbers, title, colour, sign) in enumerate(columns):
        x = 60 + 156 * k
        rows = [[v] for v in values(numbers)[0]]
        lit = {(1, 0)} if colour in (INK, MAGENTA) else ()
        picture.grid(x, 50, rows, title, colour, lit=lit, width=100)
        picture.text(x + 128, 50 + 78, sign, 24, MUTED)
    for r in range(3):
        picture.text(38, 50 + 27 + r * 48, str(r), 13, MUTED, number=True)
    lines = say(
        "The score of the right class should grow (minus: more of it lowers the loss),\n"
        "the others should sink. The three numbers of G add up to 0.",
        "正确类别的得分应当变大（负号表示：得分变大，损失变小），\n"
        "其余的应当变小。G 的三个数相加得 0。",
    )
    for k, line in enumerate(lines.split("\n")):
        picture.text(38, 222 + 22 * k, line, 14, MUTED, left=True)
    return picture.svg()


def pooling(say: Callable[[str, str], str]) -> str:
    results = network()
    a, m = results["a"], results["m"]
    rows, g, collected = values(a), values(m.grad), values(a.grad)
    _, chosen = F.max_pool2d(a.detach(), 2, stride=1, return_indices=True)
    picture = Picture(912, 286, say("Max-pooling on the way back", "最大池化的反向"))
    received: dict[tuple[int, int], list[float]] = {}
    for k in range(4):
        i, j = divmod(k, 2)
        winner = divmod(chosen[0, 0, i, j].item(), 3)
        received.setdefault(winner, []).append(g[i][j])
        x = 30 + 152 * k
        window = [(i + r, j + q) for r in range(2) for q in range(2)]
        picture.grid(
            x, 62, rows, say(f"window ({i},{j})", f"窗口 ({i},{j})"), GREEN,
            lit=[winner], faint=[(r, q) for r in range(3) for q in range(3)
                                 if (r, q) not in window], width=38, height=38, size=15,
        )  # fmt: skip
        picture.parts.append(
            f'<rect x="{x + 42 * j - 3}" y="{62 + 42 * i - 3}" width="86" height="86" rx="7" '
            f'fill="none" stroke="{INK}" stroke-width="2" stroke-dasharray="5 3"/>'
        )
        picture.text(x + 61, 206, f"G[{i},{j}] = {shown(g[i][j])}", 14, MAGENTA, number=True,
                     bold=True)  # fmt: skip
        picture.text(
            x + 61, 226, say(f"goes to ({winner[0]},{winner[1]})",
                             f"交给 ({winner[0]},{winner[1]})"), 13, MUTED,
        )  # fmt: skip
    for (r, q), parts in received.items():
        assert abs(sum(parts) - collected[r][q]) < 1e-6
    picture.text(640, 128, "→", 24, MUTED)
    picture.grid(
        672, 62, collected, say("gradient of the input", "输入的梯度"), BLUE, lit=received,
        faint=[(r, q) for r in range(3) for q in range(3) if (r, q) not in received],
        width=62, height=38, size=13,
    )  # fmt: skip
    sums = [
        f"({r},{q}): " + " + ".join(map(shown, parts)).replace("+ −", "− ")
        + f" = {shown(collected[r][q])}" for (r, q), parts in received.items()
    ]  # fmt: skip
    for k, line in enumerate(sums):
        picture.text(650, 206 + 20 * k, line, 12, number=True, left=True)
    picture.text(
        30, 264, say("Each window (dashed) passes its whole gradient to its largest cell; of two "
                     "equal cells the first gets it.",
                     "每个窗口（虚线框）把全部梯度交给其中最大的格子；两个一样大时，交给第一个。"),
        14, MUTED, left=True,
    )  # fmt: skip
    return picture.svg()


def relu(say: Callable[[str, str], str]) -> str:
    y = network()["y"].detach().requires_grad_()
    g = tinynet.tensor([[G]])
    y.relu().backward(g)
    on = [(r, q) for r in range(3) for q in range(3) if values(y)[r][q] > 0]
    off = [(r, q) for r in range(3) for q in range(3) if (r, q) not in on]
    picture = Picture(640, 246, say("ReLU on the way back", "ReLU 的反向"))
    columns = (
        (values(y), say("input y", "输入 y"), GREEN, ""),
        (values(g), say("upstream G", "上游梯度 G"), MAGENTA, "→"),
        (values(y.grad), say("gradient of y", "y 的梯度"), BLUE, ""),
    )
    for k, (rows, title, colour, sign) in enumerate(columns):
        x = 46 + 202 * k
        picture.grid(x, 44, rows, title, colour, lit=on, faint=off)
        picture.text(x + 170, 122, sign, 24, MUTED)
    picture.text(
        46, 224, say("Where y > 0 (coloured), G passes unchanged; elsewhere 0 arrives.",
                     "y > 0 的格子（着色），G 原样通过；其余的格子得到 0。"), 14, MUTED, left=True,
    )  # fmt: skip
    return picture.svg()


def batch_norm(say: Callable[[str, str], str]) -> str:
    x = tinynet.tensor([2.0, 4, 4, 4, 5, 5, 7, 9]).reshape(2, 1, 2, 2).requires_grad_()
    y = F.batch_norm(x, None, None, training=True, eps=1e-12)
    g = tinynet.zeros(2, 1, 2, 2)
    g[0, 0, 0, 0] = 8
    y.backward(g)
    xhat, mean, along = y.detach(), g.mean(), (g * y.detach()).mean()
    assert ((g - mean - xhat * along) / 2).allclose(x.grad, atol=1e-5)
    picture = Picture(984, 316, say("Batch norm on the way back", "批归一化的反向"))
    columns: tuple[tuple[tinynet.Tensor, str, str, str], ...] = (
        (x, "x", BLUE, "→"),
        (xhat, "x̂ = (x − 5) / 2", GREEN, ""),
        (g, "G", MAGENTA, "−"),
        (tinynet.full((2, 1, 2, 2), mean.item()), "mean(G)", MAGENTA, "−"),
        (xhat * along, f"x̂ · ({shown(along)})", GREEN, ")·½ ="),
        (x.grad, "dX", BLUE, ""),
    )
    left = 84
    for numbers, title, colour, sign in columns:
        if title == "G":
            picture.text(left - 9, 153, "(", 24, MUTED)
        for n in range(2):
            rows = values(numbers[n])
            lit: Mapping[int, Cells] = {0: {(0, 0)}} if title == "G" else {}
            every = {(r, q) for r in range(2) for q in range(2)}
            picture.grid(
                left, 50 + 106 * n, rows, title if n == 0 else "", colour,
                lit=every if title == "dX" else lit.get(n, ()), width=54, height=44, size=13,
                faint=every - lit.get(n, every) if title == "G" else (),
            )  # fmt: skip
        left += 178 if len(sign) > 1 else 144
        picture.text(left - (32 if len(sign) > 1 else 16), 153, sign, 24, MUTED)
    for n in range(2):
        picture.text(40, 50 + 106 * n + 52, say(f"sample {n}", f"样本 {n}"), 13, MUTED)
    lines = say(
        f"mean(G) = {shown(mean)}, mean(G·x̂) = {shown(along)}, γ/σ = 1/2. G is 8 at one cell "
        "only, yet all eight cells get a gradient,\n"
        "because each of them moves the mean and the variance.",
        f"mean(G) = {shown(mean)}，mean(G·x̂) = {shown(along)}，γ/σ = 1/2。"
        "G 只在一个格子上是 8，八个格子却都得到梯度：\n"
        "每个格子都会改变均值和方差。",
    )
    for k, line in enumerate(lines.split("\n")):
        picture.text(24, 276 + 22 * k, line, 14, MUTED, left=True)
    return picture.svg()


FIGURES = {"chain": chain, "softmax": softmax, "pooling": pooling, "relu": relu,
           "batch_norm": batch_norm}  # fmt: skip
LANGUAGES: dict[str, Callable[[str, str], str]] = {
    "en": lambda english, chinese: english,
    "zh": lambda english, chinese: chinese,
}


def draw() -> dict[str, str]:
    """Every figure: the name of its file and its text."""
    return {
        f"{name}.{lang}.svg": figure(say)
        for name, figure in FIGURES.items()
        for lang, say in LANGUAGES.items()
    }


if __name__ == "__main__":
    for name, text in draw().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode()):,} bytes")
