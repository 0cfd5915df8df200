"""The graph behind a tensor as a picture: operations from top to bottom, grouped by module, drawn by our own layout.

The graph itself knows operations, not modules. A module is found by its parameters: an operation that uses
``conv1.weight`` belongs to ``conv1``; one without parameters belongs to what the modules before and after it share. The
operations of a module that ran one after the other form a box. What is too large to follow is folded into such boxes.
"""
from __future__ import annotations

import gc
import html
import itertools
import math
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tinynet

from .layered import Layout, layered
from .page import document, read
from .texts import LANGUAGES, say

SCREEN = 820.0              # height at which a drawing goes on in the next column
FITS = 1100.0               # a drawing up to this height is scaled to fit on one screen
ROW_GAP, GUTTER = 30.0, 90.0
LIMIT = 60                  # boxes that one can still follow; more are folded
CHARACTER = 7.9             # width of a character of the labels, in pixels
PADDING = 12.0              # between a box and what is in it
TITLE = 22.0                # height of a box's title


@dataclass
class Vertex:
    """An operation, a leaf (a tensor that collects a gradient), or a constant that an operation got."""

    kind: str                                # "operation", "leaf" or "constant"
    name: str
    shape: tuple[int, ...]
    inputs: list[Vertex] = field(default_factory=list)
    scope: str = ""                          # the path of its module
    leaf: Any = None

    def lines(self, lang: str) -> list[str]:
        if self.kind != "leaf":
            return [self.name] if self.kind == "operation" else [self.name, shape_text(self.shape)]
        return [f"{self.name}  {shape_text(self.shape)}", norm_text(lang, [self.leaf])]


@dataclass
class Box:
    """Operations that ran one after the other in one module, with its parameters; or one that has no module."""

    scope: str
    members: list[Vertex]
    folded: bool = False

    @property
    def framed(self) -> bool:
        return not self.folded and self.scope != "" and len(self.members) > 1

    def lines(self, lang: str) -> list[str]:
        """What a box says that does not show its members."""
        if not self.folded:
            return self.members[0].lines(lang)
        operations = Counter(v.name for v in self.members if v.kind == "operation")
        names = [name if count == 1 else f"{name} ×{count}" for name, count in operations.most_common(4)]
        leaves = [v for v in self.members if v.kind == "leaf"]
        lines = [self.scope] * (self.scope != "")
        lines.append(say(lang, "graph.operations", count=operations.total(), names=", ".join(names + ["…"] * (len(operations) > 4))))
        if leaves:
            lines.append(say(lang, "graph.parameters", count=f"{sum(math.prod(v.shape) for v in leaves):,}"))
            lines.append(norm_text(lang, [v.leaf for v in leaves]))
        return lines


def shape_text(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "( )"


def norm_text(lang: str, leaves: list[Any]) -> str:
    norms = [float((leaf.grad.detach().cpu().array.astype("float64") ** 2).sum()) for leaf in leaves if leaf.grad is not None]
    if not norms:
        return say(lang, "graph.no_gradient")
    some = "" if len(norms) == len(leaves) else f" ({len(norms)}/{len(leaves)})"
    return f"‖grad‖ {math.sqrt(sum(norms)):.3g}{some}"


def operation_name(node: Any) -> str:
    return node.name.removesuffix("Backward0")


class GraphExplanation:
    """The graph of one tensor. Save it as .svg or .html, look at it in a notebook, or print it."""

    def __init__(self, tensor: Any, model: Any = None, lang: str = "en") -> None:
        if not isinstance(tensor, tinynet.Tensor):
            raise TypeError(f"explain.graph: got a {type(tensor).__name__}; it must be a tensor, for example the loss")
        if lang not in LANGUAGES:
            raise ValueError(f"explain.graph: lang={lang!r}; it must be one of {sorted(LANGUAGES)}")
        if tensor.grad_fn is None:
            raise ValueError("explain.graph: the tensor has no history: nothing it was computed from requires grad "
                             "(or it was computed under no_grad)")
        if model is not None and not isinstance(model, tinynet.nn.Module):
            raise TypeError(f"explain.graph: model is a {type(model).__name__}; it must be an nn.Module")
        self.lang, self.tensor = lang, tensor
        names, self.types = parameter_names(model)
        self.vertices = walk(tensor, names)
        scopes(self.vertices)
        self.boxes = boxes(self.vertices)

    def svg(self, lang: str | None = None) -> str:
        """The picture as an SVG element."""
        return draw(self, self.lang if lang is None else lang)

    def html(self) -> str:
        """The picture and its legend as one HTML element, for any page."""
        operations = sum(v.kind == "operation" for v in self.vertices)
        facts = say(self.lang, "graph.facts", operations=operations, leaves=sum(v.kind == "leaf" for v in self.vertices),
                    boxes=len(self.boxes))
        folded = f'<p class="tn-note">{html.escape(say(self.lang, "graph.folded", limit=LIMIT))}</p>' * self.folded
        return (f'<section class="tn tn-graph-page" lang="{self.lang}"><style>{read("page.css")}</style>'
                f'<header class="tn-head"><div><h1>{html.escape(say(self.lang, "graph.title"))}</h1>'
                f"<p class=\"tn-note\">{html.escape(facts)}</p>{folded}</div></header>{self.svg()}</section>")

    @property
    def folded(self) -> bool:
        return any(box.folded for box in self.boxes)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, SVG if its name ends so and otherwise a self-contained page; return the path."""
        path = Path(path)
        if path.suffix == ".svg":
            style = read("page.css").replace("]]>", "")
            text = self.svg().replace(">", f' xmlns="http://www.w3.org/2000/svg"><style><![CDATA[{style}]]></style>', 1)
            text = text.replace('class="', 'class="tn ', 1)
        else:
            text = document(say(self.lang, "graph.title"), self.lang, self.html())
        path.write_text(text, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        return self.html()

    def __repr__(self) -> str:
        lines = []
        for box in self.boxes:
            shape = f"→ {shape_text(box.members[-1].shape)}"
            if box.framed:
                lines.append(f"{box.scope}  {shape}")
                lines += ["    " + "  ".join(v.lines(self.lang)) for v in box.members]
            else:
                text = box.lines(self.lang)
                lines.append("  ".join([*text, shape] if box.folded or box.members[0].kind == "operation" else text))
        return "\n".join(lines)


def graph(tensor: Any, model: Any = None, *, lang: str = "en") -> GraphExplanation:
    """Draw the graph that `tensor` (for example a loss) was computed by, without Graphviz.

    Operations run from top to bottom, with shapes on the edges; parameters show the norm of their gradient after
    `backward`, and "no gradient yet" before. Modules are found by their parameters among all that are alive, or in
    `model` alone if it is given. More than sixty boxes are folded by module.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, 2.0], requires_grad=True)
    >>> print(tinynet.explain.graph((w * w).sum()))
    leaf  2  no gradient yet
    Mul  → 2
    Sum  → ( )
    """
    return GraphExplanation(tensor, model, lang)


# -- from the graph to boxes ----------------------------------------------------------------------------------------

def parameter_names(model: Any) -> tuple[dict[int, str], dict[str, str]]:
    """The path of every parameter by its id, and the type of every module by its path.

    A graph holds parameters but not the modules that own them, so without `model` the living modules are asked. Of two
    that own the same parameter, the one with more parameters (the whole model) names it.
    """
    models = [model]
    if model is None:
        # type() and not isinstance(), which would ask (and so wake) the lazy objects of other libraries for their class
        found = [thing for thing in gc.get_objects() if issubclass(type(thing), tinynet.nn.Module)]
        models = sorted(found, key=lambda module: -sum(1 for _ in module.parameters()))
    names: dict[int, str] = {}
    types: dict[str, str] = {}
    for module in models:
        mine = {id(parameter): name for name, parameter in module.named_parameters()}
        if mine and not names.keys() & mine.keys():
            names |= mine
            types |= {path: type(child).__name__ for path, child in module.named_modules()}
    return names, types


def walk(tensor: Any, names: dict[int, str]) -> list[Vertex]:
    """Every operation, leaf and constant behind `tensor`, each after its inputs, in the order in which they ran."""
    nodes, stack = {}, [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            stack += [parent for parent in node.parents if hasattr(parent, "parents")]
    vertices: list[Vertex] = []
    known: dict[int, Vertex] = {}
    for node in sorted(nodes.values(), key=lambda node: node.time):
        inputs = []
        for parent, shape in zip(node.parents, node.shapes, strict=True):
            if parent is None:
                if shape:                           # a number would only clutter the picture
                    inputs.append(Vertex("constant", "constant", tuple(shape)))
                    vertices.append(inputs[-1])
                continue
            if id(parent) not in known:
                path = names.get(id(parent), "")
                known[id(parent)] = Vertex("leaf", path.rpartition(".")[2] or "leaf", tuple(parent.shape),
                                           scope=path.rpartition(".")[0] if path else "", leaf=parent)
                vertices.append(known[id(parent)])
            inputs.append(known[id(parent)])
        known[id(node)] = Vertex("operation", operation_name(node), tuple(node.shape), inputs)
        vertices.append(known[id(node)])
    return vertices


def scopes(vertices: list[Vertex]) -> None:
    """Give every operation its module: that of its parameters, or what the modules before and after it share."""
    prepared = {id(v): v.scope for v in vertices if v.kind == "leaf" and v.scope}    # parameters, and reshaped parameters
    users: dict[int, list[Vertex]] = {id(v): [] for v in vertices}
    for v in vertices:
        for u in v.inputs:
            users[id(u)].append(v)
        if v.kind == "operation":
            v.scope = next((prepared[id(u)] for u in v.inputs if id(u) in prepared), "")
            if v.scope and all(id(u) in prepared for u in v.inputs):
                prepared[id(v)] = v.scope
    before: dict[int, str] = {}
    after: dict[int, str] = {}
    for v in vertices:
        before[id(v)] = v.scope or next((before[id(u)] for u in v.inputs if before[id(u)]), "")
    for v in reversed(vertices):
        after[id(v)] = v.scope or next((after[id(u)] for u in users[id(v)] if after[id(u)]), "")
    for v in vertices:
        if v.kind == "operation" and not v.scope:
            v.scope = shared_path(before[id(v)], after[id(v)])
    for v in vertices:
        for u in v.inputs:
            if u.kind == "constant":
                u.scope = v.scope


def shared_path(a: str, b: str) -> str:
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a.split("."), b.split("."), strict=False))
    return ".".join(part for part, _ in pairs)


def boxes(vertices: list[Vertex]) -> list[Box]:
    """Runs of one module each; folded by ever shorter paths, and in the end by number, if there are too many to follow."""
    depth = max((v.scope.count(".") + 1 for v in vertices), default=1)
    found = runs(vertices, depth)
    if len(vertices) <= LIMIT:
        return found
    for shorter in range(depth, 0, -1):
        found = runs(vertices, shorter)
        if len(found) <= LIMIT:
            break
    else:
        size = math.ceil(len(vertices) / (LIMIT // 4))
        bands = [vertices[k:k + size] for k in range(0, len(vertices), size)]
        paths = [[v.scope for v in band if v.scope] for band in bands]
        found = [Box(" … ".join(dict.fromkeys(path[:1] + path[-1:])), band) for path, band in zip(paths, bands, strict=True)]
    for box in found:
        box.folded = len(box.members) > 1
    return found


def runs(vertices: list[Vertex], depth: int) -> list[Box]:
    """Neighbours in time with the same module path, cut to `depth`; what has no module stands alone."""
    found: list[Box] = []
    for v in vertices:
        scope = ".".join(v.scope.split(".")[:depth])
        if found and scope and found[-1].scope == scope:
            found[-1].members.append(v)
        else:
            found.append(Box(scope, [v]))
    return found


# -- drawing --------------------------------------------------------------------------------------------------------

def draw(e: GraphExplanation, lang: str) -> str:
    """The SVG. Boxes are laid out by their sizes, and each framed box by its members, so nothing overlaps.

    An edge between boxes enters and leaves a framed box through ports, points on its border. What is taller than a screen
    goes on in a second and a third column.
    """
    home = {id(v): k for k, box in enumerate(e.boxes) for v in box.members}
    links = [(u, v) for v in e.vertices for u in v.inputs if home[id(u)] != home[id(v)]]
    if e.folded:                                         # between folded boxes, one line for each tensor is enough
        links = list({(id(u), home[id(v)]): (u, v) for u, v in links}.values())
    inside, sizes, edges = {}, {}, {}
    for k, box in enumerate(e.boxes):
        sizes[k] = text_size(box.lines(lang))
        if box.framed:
            edges[k] = inside_edges(box, links, home, k)
            inside[k] = members_layout(box, edges[k], lang)
            width, height = inside[k].size
            sizes[k] = (max(width, text_size([title(e, box)])[0]) + 2 * PADDING, height + TITLE + PADDING)
    outer = layered(sizes, [(home[id(u)], home[id(v)]) for u, v in links], ROW_GAP)
    columns, width, height = in_columns(outer)
    frames, nodes, lines, labels, told = [], [], [], [], set()

    def line(points: list[Stretch], u: Vertex, labelled: bool) -> None:
        lines.append(f'<path d="{route(points)}"/>')
        if labelled and u.kind == "operation" and id(u) not in told:
            told.add(id(u))
            side, anchor = (-6, "end") if points[1].x > points[0].x + 1 else (6, "start")        # where the line doesn't go
            labels.append(f'<text x="{points[0].x + side:.1f}" y="{points[0].end + 14:.1f}" text-anchor="{anchor}">'
                          f"{shape_text(u.shape)}</text>")

    corner = {}
    for k, (x, y) in outer.places.items():
        column = column_of(columns, outer.rows[k][0])
        corner[k] = (x + column.dx - sizes[k][0] / 2, y + column.dy - sizes[k][1] / 2)

    for n, (u, v) in enumerate(links):
        start, end = home[id(u)], home[id(v)]

        def port(k: int, name: Any) -> float:
            if not e.boxes[k].framed:
                return outer.places[k][0]
            return outer.places[k][0] - inside[k].size[0] / 2 + inside[k].places[name][0]

        passed = [(port(start, ("out", id(u))), outer.places[start][1] + sizes[start][1] / 2, outer.rows[start][1]),
                  *outer.bends[n], (port(end, ("in", n)), outer.rows[end][0], outer.places[end][1] - sizes[end][1] / 2)]
        line([column_of(columns, top if k else bottom).moved(x, top, bottom, n) for k, (x, top, bottom) in enumerate(passed)],
             u, True)
    for k, box in enumerate(e.boxes):
        (left, top), (box_width, box_height) = corner[k], sizes[k]
        if not box.framed:
            kind = "folded" if box.folded else box.members[0].kind
            nodes.append(node(kind, left + box_width / 2, top + box_height / 2, sizes[k], box.lines(lang)))
            continue
        frames.append(f'<rect class="tn-frame" x="{left:.1f}" y="{top:.1f}" width="{box_width:.1f}" height="{box_height:.1f}" '
                      f'rx="10"/><text class="tn-frame-title" x="{left + 10:.1f}" y="{top + 16:.1f}">'
                      f"{html.escape(title(e, box))}</text>")
        dx, dy = left + (box_width - inside[k].size[0]) / 2, top + TITLE
        heights = {id(v): text_size(v.lines(lang))[1] for v in box.members}
        for v in box.members:
            x, y = inside[k].places[id(v)]
            nodes.append(node(v.kind, dx + x, dy + y, text_size(v.lines(lang)), v.lines(lang)))
        for (start, end, u), bends in zip(edges[k], inside[k].bends, strict=True):
            (x, y), (_, bottom) = inside[k].places[start], inside[k].rows[start]
            (x2, y2), (top2, _) = inside[k].places[end], inside[k].rows[end]
            passed = [(x, y + heights[start] / 2 if start in heights else -TITLE, bottom), *bends,
                      (x2, top2, y2 - heights[end] / 2 if end in heights else box_height - TITLE)]
            line([Stretch(dx + x, dy + a, dy + b, 0, 0.0) for x, a, b in passed], u, start in heights)
    fit = " tn-fit" * (height <= FITS)
    return (f'<svg class="tn-graph{fit}" viewBox="-4 -26 {width + 110:.0f} {height + 54:.0f}" width="{width + 110:.0f}" '
            f'height="{height + 54:.0f}" role="img" aria-label="{html.escape(say(lang, "graph.title"))}">{"".join(frames)}'
            f'<g class="tn-edges">{"".join(lines + labels)}</g>{"".join(nodes)}</svg>')


@dataclass
class Stretch:
    """A vertical piece of an edge, beside the row that it passes."""

    x: float
    start: float
    end: float
    column: int
    gutter: float                            # where an edge climbs from the foot of the column before this one


@dataclass
class Column:
    """Rows from `first` on, moved by (dx, dy)."""

    number: int
    first: float
    dx: float
    dy: float
    gutter: float

    def moved(self, x: float, top: float, bottom: float, n: int) -> Stretch:
        return Stretch(x + self.dx, top + self.dy, bottom + self.dy, self.number, self.gutter + 7.0 * (n % 5))


def in_columns(layout: Layout) -> tuple[list[Column], float, float]:
    """Cut a tall drawing into columns of about the same height, at gaps that few edges cross; with the new size."""
    wanted = min(3, math.ceil(layout.size[1] / SCREEN))
    tops = sorted({top for top, _ in layout.rows.values()})
    ends = [bottom for _, bottom in layout.rows.values()]
    firsts = [0.0]
    for k in range(1, wanted):
        ideal = layout.size[1] * k / wanted
        near = [top for top in tops if abs(top - ideal) < layout.size[1] / wanted / 3 and top > firsts[-1]]
        if near:
            firsts.append(min(near, key=lambda top: (sum(1 for x_bends in layout.bends for _, a, _ in x_bends if a == top),
                                                     abs(top - ideal))))
    columns, right, height = [], 0.0, 0.0
    for number, first in enumerate(firsts):
        last = firsts[number + 1] if number + 1 < len(firsts) else math.inf
        inside = [v for v, (top, _) in layout.rows.items() if first <= top < last]
        bends = [x for edge in layout.bends for x, top, _ in edge if first <= top < last]
        left = min([layout.places[v][0] - layout.widths[v] / 2 for v in inside] + bends)
        wide = max([layout.places[v][0] + layout.widths[v] / 2 for v in inside] + bends) - left
        gutter = right + GUTTER / 3
        start = right + GUTTER if number else 0.0
        columns.append(Column(number, first, start - left, -first, gutter))
        right = start + wide
        height = max(height, max(bottom for bottom in ends if first < bottom <= last) - first)
    return columns, right, height


def column_of(columns: list[Column], y: float) -> Column:
    return next(column for column in reversed(columns) if column.first <= y)


def title(e: GraphExplanation, box: Box) -> str:
    return f"{box.scope} · {e.types[box.scope]}" if box.scope in e.types else box.scope


def text_size(lines: list[str]) -> tuple[float, float]:
    # Chinese characters are about twice as wide
    longest = max(sum(2 if ord(character) > 0x2E80 else 1 for character in line) for line in lines)
    return longest * CHARACTER + 22, 16.0 * len(lines) + 10


def inside_edges(box: Box, links: list[tuple[Vertex, Vertex]], home: dict[int, int], k: int) -> list[tuple[Any, Any, Vertex]]:
    """The edges of a framed box: from port to member, between members, from member to port."""
    edges: list[tuple[Any, Any, Vertex]] = [(("in", n), id(v), u) for n, (u, v) in enumerate(links) if home[id(v)] == k]
    edges += [(id(u), id(v), u) for v in box.members for u in v.inputs if home[id(u)] == k]
    return edges + [(id(u), ("out", id(u)), u) for u in {id(u): u for u, _ in links if home[id(u)] == k}.values()]


def members_layout(box: Box, edges: list[tuple[Any, Any, Vertex]], lang: str) -> Layout:
    ports = [end for edge in edges for end in edge[:2] if isinstance(end, tuple)]
    sizes: dict[Any, tuple[float, float]] = {id(v): text_size(v.lines(lang)) for v in box.members}
    sizes.update(dict.fromkeys(ports, (2.0, 0.0)))
    return layered(sizes, [(start, end) for start, end, _ in edges], 22.0,
                   [port for port in ports if port[0] == "in"], [port for port in ports if port[0] == "out"])


def route(points: list[Stretch]) -> str:
    """A path that is straight beside every row and bends only between rows, where no box stands."""
    path = [f"M{points[0].x:.1f} {points[0].start:.1f}V{points[0].end:.1f}"]
    for a, b in itertools.pairwise(points):
        if a.column == b.column:
            middle = (a.end + b.start) / 2
            path.append(f"C{a.x:.1f} {middle:.1f} {b.x:.1f} {middle:.1f} {b.x:.1f} {b.start:.1f}V{b.end:.1f}")
        else:                                # below the foot of this column, up the gutter, and over the head of the next
            path.append(f"C{a.x:.1f} {a.end + 24:.1f} {b.gutter:.1f} {a.end + 24:.1f} {b.gutter:.1f} {a.end:.1f}V{b.start:.1f}"
                        f"C{b.gutter:.1f} {b.start - 24:.1f} {b.x:.1f} {b.start - 24:.1f} {b.x:.1f} {b.start:.1f}V{b.end:.1f}")
    return "".join(path)


def node(kind: str, x: float, y: float, size: tuple[float, float], lines: list[str]) -> str:
    width, height = size
    rows = "".join(f'<tspan x="{x:.1f}" y="{y - height / 2 + 17 + 16 * k:.1f}">{html.escape(line)}</tspan>'
                   for k, line in enumerate(lines))
    return (f'<g class="tn-node is-{kind}"><rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="{14 if kind == "leaf" else 6}"/><text>{rows}</text></g>')
