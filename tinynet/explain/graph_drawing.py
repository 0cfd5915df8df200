"""The boxes of a graph as an SVG picture.

The boxes are laid out by their sizes, and within each framed box its members are, so nothing
overlaps. An edge between boxes enters and leaves a framed box through ports, which are points on
its border. A drawing taller than a screen continues in a second and a third column.
"""
from __future__ import annotations

import html
import itertools
import math
from dataclasses import dataclass
from typing import Any

from .graph_boxes import Box, Vertex, shape_text
from .layered import Layout, Point, Size, layered
from .texts import say

SCREEN = 820.0              # height at which a drawing goes on in the next column
FITS = 1100.0               # a drawing up to this height is scaled to fit on one screen
ROW_GAP, MEMBER_GAP, GUTTER = 30.0, 22.0, 90.0
CHARACTER = 7.9             # width of a character of the labels, in pixels
LINE = 16.0                 # height of a line of text
PADDING = 12.0              # between a box and its members
TITLE = 22.0                # height of a box's title

InnerEdge = tuple[Any, Any, Vertex]         # from and to (a member's id or a port), and its source


@dataclass
class Stretch:
    """A vertical piece of an edge, beside the row that it passes."""

    x: float
    start: float
    end: float
    column: int = 0
    gutter: float = 0.0                     # where an edge climbs from one column to the next


@dataclass
class Column:
    """Rows from `first` on, moved by (dx, dy)."""

    number: int
    first: float
    dx: float
    dy: float
    gutter: float

    def moved(self, x: float, top: float, bottom: float, n: int) -> Stretch:
        """A stretch of edge number n; the edges in a gutter are spread so that they stay apart."""
        gutter = self.gutter + 7.0 * (n % 5)
        return Stretch(x + self.dx, top + self.dy, bottom + self.dy, self.number, gutter)


def draw(boxes: list[Box], types: dict[str, str], lang: str) -> str:
    """The SVG element; `types` gives the type of the module at each path."""
    return Drawing(boxes, types, lang).svg()


class Drawing:
    """The layout of a graph's boxes, and the pieces of SVG made from it."""

    def __init__(self, boxes: list[Box], types: dict[str, str], lang: str) -> None:
        self.boxes, self.types, self.lang = boxes, types, lang
        self.home = {id(v): k for k, box in enumerate(boxes) for v in box.members}
        links = [(u, v) for box in boxes for v in box.members for u in v.inputs
                 if self.home[id(u)] != self.home[id(v)]]
        if any(box.folded for box in boxes):        # one line for each tensor between two boxes
            links = list({(id(u), self.home[id(v)]): (u, v) for u, v in links}.values())
        self.links = links
        self.inner: dict[int, Layout] = {}          # the layouts of the framed boxes
        self.inner_edges: dict[int, list[InnerEdge]] = {}
        self.sizes = {k: self.measure(k) for k in range(len(boxes))}
        edges = [(self.home[id(u)], self.home[id(v)]) for u, v in links]
        self.outer = layered(self.sizes, edges, ROW_GAP)
        self.columns, self.width, self.height = in_columns(self.outer)
        self.frames: list[str] = []
        self.nodes: list[str] = []
        self.lines: list[str] = []
        self.labels: dict[int, str] = {}            # by the id of the operation

    def svg(self) -> str:
        for n in range(len(self.links)):
            self.add_link(n)
        for k, box in enumerate(self.boxes):
            x, y = self.outer.places[k]
            column = column_of(self.columns, self.outer.rows[k][0])
            if box.framed:
                self.add_frame(k, x + column.dx, y + column.dy)
            else:
                kind = "folded" if box.folded else box.members[0].kind
                self.nodes.append(node(kind, x + column.dx, y + column.dy, self.sizes[k],
                                       box.lines(self.lang)))
        fit = " tn-fit" * (self.height <= FITS)
        size = f"{self.width + 110:.0f} {self.height + 54:.0f}"
        width, height = size.split()
        lines = "".join([*self.lines, *self.labels.values()])
        return (f'<svg class="tn-graph{fit}" viewBox="-4 -26 {size}" width="{width}" '
                f'height="{height}" role="img" '
                f'aria-label="{html.escape(say(self.lang, "graph.title"))}">{"".join(self.frames)}'
                f'<g class="tn-edges">{lines}</g>{"".join(self.nodes)}</svg>')

    # -- sizes -------------------------------------------------------------------------------------

    def measure(self, k: int) -> Size:
        """The size of a box; the members of a framed one are laid out for it."""
        box = self.boxes[k]
        if not box.framed:
            return text_size(box.lines(self.lang))
        self.inner_edges[k] = edges = self.edges_inside(k)
        ports = [end for edge in edges for end in edge[:2] if isinstance(end, tuple)]
        sizes: dict[Any, Size] = {id(v): text_size(v.lines(self.lang)) for v in box.members}
        sizes.update(dict.fromkeys(ports, (2.0, 0.0)))
        self.inner[k] = layered(
            sizes, [(start, end) for start, end, _ in edges], MEMBER_GAP,
            top=[port for port in ports if port[0] == "in"],
            bottom=[port for port in ports if port[0] == "out"])
        width, height = self.inner[k].size
        title_width, _ = text_size([self.title(box)])
        return max(width, title_width) + 2 * PADDING, height + TITLE + PADDING

    def edges_inside(self, k: int) -> list[InnerEdge]:
        """The edges of a framed box: from port to member, between members, from member to port."""
        enter: list[InnerEdge] = [(("in", n), id(v), u) for n, (u, v) in enumerate(self.links)
                                  if self.home[id(v)] == k]
        between = [(id(u), id(v), u) for v in self.boxes[k].members for u in v.inputs
                   if self.home[id(u)] == k]
        sources = {id(u): u for u, _ in self.links if self.home[id(u)] == k}
        return enter + between + [(key, ("out", key), u) for key, u in sources.items()]

    def title(self, box: Box) -> str:
        return f"{box.scope} · {self.types[box.scope]}" if box.scope in self.types else box.scope

    # -- pieces of SVG -----------------------------------------------------------------------------

    def add_link(self, n: int) -> None:
        """Edge number n between two boxes, from the foot of one to the head of the other."""
        u, v = self.links[n]
        start, end = self.home[id(u)], self.home[id(v)]
        places, rows = self.outer.places, self.outer.rows
        passed = [(self.port(start, ("out", id(u))), places[start][1] + self.sizes[start][1] / 2,
                   rows[start][1]),
                  *self.outer.bends[n],
                  (self.port(end, ("in", n)), rows[end][0],
                   places[end][1] - self.sizes[end][1] / 2)]
        # an edge belongs to the column of the row that it leaves, then of each row that it reaches
        self.add_line([column_of(self.columns, top if k else bottom).moved(x, top, bottom, n)
                       for k, (x, top, bottom) in enumerate(passed)], u)

    def port(self, k: int, name: Any) -> float:
        """Where an edge enters or leaves box k, along the row."""
        x = self.outer.places[k][0]
        if not self.boxes[k].framed:
            return x
        return x - self.inner[k].size[0] / 2 + self.inner[k].places[name][0]

    def add_line(self, points: list[Stretch], u: Vertex, labelled: bool = True) -> None:
        """A line, and the shape of its tensor unless another line already shows it."""
        self.lines.append(f'<path d="{route(points)}"/>')
        if labelled and u.kind == "operation" and id(u) not in self.labels:
            # on the side to which the line does not bend
            left = points[1].x > points[0].x + 1
            x, y = points[0].x + (-6 if left else 6), points[0].end + 14
            self.labels[id(u)] = (f'<text x="{x:.1f}" y="{y:.1f}" '
                                  f'text-anchor="{"end" if left else "start"}">'
                                  f"{shape_text(u.shape)}</text>")

    def add_frame(self, k: int, x: float, y: float) -> None:
        """A framed box with its middle at (x, y): title, members, and the edges between them."""
        box, inner, (width, height) = self.boxes[k], self.inner[k], self.sizes[k]
        left, top = x - width / 2, y - height / 2
        self.frames.append(
            f'<rect class="tn-frame" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="10"/><text class="tn-frame-title" x="{left + 10:.1f}" '
            f'y="{top + 16:.1f}">{html.escape(self.title(box))}</text>')
        dx, dy = left + (width - inner.size[0]) / 2, top + TITLE
        sizes = {id(v): text_size(v.lines(self.lang)) for v in box.members}
        for v in box.members:
            vx, vy = inner.places[id(v)]
            self.nodes.append(node(v.kind, dx + vx, dy + vy, sizes[id(v)], v.lines(self.lang)))
        for (start, end, u), bends in zip(self.inner_edges[k], inner.bends, strict=True):
            (x1, y1), (_, bottom) = inner.places[start], inner.rows[start]
            (x2, y2), (next_top, _) = inner.places[end], inner.rows[end]
            # ports lie on the border: above the title, or at the foot of the frame
            leave = y1 + sizes[start][1] / 2 if start in sizes else -TITLE
            reach = y2 - sizes[end][1] / 2 if end in sizes else height - TITLE
            passed = [(x1, leave, bottom), *bends, (x2, next_top, reach)]
            self.add_line([Stretch(dx + px, dy + a, dy + b) for px, a, b in passed], u,
                          labelled=start in sizes)


def in_columns(layout: Layout) -> tuple[list[Column], float, float]:
    """Cut a tall drawing into columns of about the same height, at gaps that few edges cross.

    Returns the columns, and the width and height of the whole.
    """
    count = min(3, math.ceil(layout.size[1] / SCREEN))
    tops = sorted({top for top, _ in layout.rows.values()})
    firsts = [0.0]
    for k in range(1, count):
        ideal = layout.size[1] * k / count

        def cost(top: float, ideal: float = ideal) -> Point:
            crossing = sum(1 for bends in layout.bends for _, a, _ in bends if a == top)
            return crossing, abs(top - ideal)

        near = [top for top in tops
                if abs(top - ideal) < layout.size[1] / count / 3 and top > firsts[-1]]
        if near:
            firsts.append(min(near, key=cost))
    columns, right, height = [], 0.0, 0.0
    for number, (first, end) in enumerate(zip(firsts, [*firsts[1:], math.inf], strict=True)):
        members = [v for v, (top, _) in layout.rows.items() if first <= top < end]
        bends = [x for edge in layout.bends for x, top, _ in edge if first <= top < end]
        middles = [(layout.places[v][0], layout.widths[v] / 2) for v in members]
        left = min([x - half for x, half in middles] + bends)
        start = right + GUTTER if number else 0.0
        columns.append(Column(number, first, start - left, -first, right + GUTTER / 3))
        right = start + max([x + half for x, half in middles] + bends) - left
        bottoms = [bottom for _, bottom in layout.rows.values() if first < bottom <= end]
        height = max(height, max(bottoms) - first)
    return columns, right, height


def column_of(columns: list[Column], y: float) -> Column:
    return next(column for column in reversed(columns) if column.first <= y)


def text_size(lines: list[str]) -> Size:
    """The size of a box with these lines; Chinese characters are about twice as wide."""
    longest = max(sum(2 if ord(character) > 0x2E80 else 1 for character in line) for line in lines)
    return longest * CHARACTER + 22, LINE * len(lines) + 10


def route(points: list[Stretch]) -> str:
    """A path that is straight beside every row and bends only between rows, where no box stands."""
    path = [f"M{points[0].x:.1f} {points[0].start:.1f}V{points[0].end:.1f}"]
    for a, b in itertools.pairwise(points):
        if a.column == b.column:
            middle = (a.end + b.start) / 2
            path.append(bend(a.x, b.x, middle, b.start) + f"V{b.end:.1f}")
        else:       # below the foot of this column, up the gutter, over the head of the next column
            path.append(bend(a.x, b.gutter, a.end + 24, a.end) + f"V{b.start:.1f}"
                        + bend(b.gutter, b.x, b.start - 24, b.start) + f"V{b.end:.1f}")
    return "".join(path)


def bend(x: float, x_end: float, middle: float, y_end: float) -> str:
    """A curve from x to (x_end, y_end) that leaves and arrives vertically, by way of `middle`."""
    return f"C{x:.1f} {middle:.1f} {x_end:.1f} {middle:.1f} {x_end:.1f} {y_end:.1f}"


def node(kind: str, x: float, y: float, size: Size, lines: list[str]) -> str:
    """A box with its middle at (x, y) and its lines of text."""
    (width, height), left, top = size, x - size[0] / 2, y - size[1] / 2
    text = "".join(f'<tspan x="{x:.1f}" y="{top + 17 + LINE * k:.1f}">{html.escape(line)}</tspan>'
                   for k, line in enumerate(lines))
    return (f'<g class="tn-node is-{kind}"><rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="{14 if kind == "leaf" else 6}"/><text>{text}</text></g>')
