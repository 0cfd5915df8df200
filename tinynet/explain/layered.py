"""A layered drawing of a directed graph without cycles (after Sugiyama): edges run downwards, with
few crossings.

Four steps. Every vertex gets a layer below all its inputs. An edge that skips layers gets a bend in
each of them. The order within the layers is improved by sweeps, and the best order is kept. Then
every vertex moves as near to the middle of its neighbours as the order allows, which is a
least-squares problem with a known exact solution.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

GAP = 18.0                  # between neighbours in a layer
BEND = 2.0                  # width of a bend
SWEEPS = 12                 # of the ordering and of the alignment; both settle long before

Vertex = Any                # whatever the caller names its vertices by
Size = tuple[float, float]
Point = tuple[float, float]
Edge = tuple[Vertex, Vertex]
Neighbours = dict[Vertex, list[Vertex]]


@dataclass
class Layout:
    """Where everything goes."""

    places: dict[Vertex, Point]             # the middle of every vertex
    widths: dict[Vertex, float]
    rows: dict[Vertex, Point]               # the top and bottom of every vertex's row
    bends: list[list[tuple[float, float, float]]]       # per edge: (x, top, bottom) per row passed
    size: Size


def layered(sizes: Mapping[Vertex, Size], edges: Sequence[Edge], row_gap: float,
            top: Collection[Vertex] = (), bottom: Collection[Vertex] = ()) -> Layout:
    """Lay out vertices of given (width, height); `edges` are (from, to) and must not form a cycle.

    Vertices in `top` stay in the first row, those in `bottom` in the last.
    """
    layer = layers(list(sizes), edges, top, bottom)
    rows: list[list[Vertex]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for vertex, depth in layer.items():
        rows[depth].append(vertex)
    chains, widths = [], {vertex: width for vertex, (width, _) in sizes.items()}
    for k, (start, end) in enumerate(edges):
        bends = [(k, depth) for depth in range(layer[start] + 1, layer[end])]
        for bend in bends:
            rows[bend[1]].append(bend)
            widths[bend] = BEND
        chains.append([start, *bends, end])
    links = [link for chain in chains for link in pairwise(chain)]
    above, below = neighbours([vertex for row in rows for vertex in row], links)
    rows = ordered(rows, above, below)
    x = aligned(rows, above, below, widths)
    band, y = {}, 0.0
    for row in rows:
        height = max((sizes[v][1] for v in row if v in sizes), default=0.0)
        band.update(dict.fromkeys(row, (y, y + height)))
        y += height + row_gap
    left = min((x[v] - widths[v] / 2 for v in x), default=0.0)
    right = max((x[v] + widths[v] / 2 for v in x), default=0.0)
    return Layout(places={v: (x[v] - left, sum(band[v]) / 2) for v in sizes},
                  widths={v: widths[v] for v in sizes}, rows={v: band[v] for v in sizes},
                  bends=[[(x[v] - left, *band[v]) for v in chain[1:-1]] for chain in chains],
                  size=(right - left, max(y - row_gap, 0.0)))


def neighbours(vertices: Sequence[Vertex], links: Sequence[Edge]) -> tuple[Neighbours, Neighbours]:
    """For every vertex, the starts of the links that end in it, and the ends of those it starts."""
    inputs: Neighbours = {v: [] for v in vertices}
    outputs: Neighbours = {v: [] for v in vertices}
    for start, end in links:
        inputs[end].append(start)
        outputs[start].append(end)
    return inputs, outputs


def layers(vertices: Sequence[Vertex], edges: Sequence[Edge], top: Collection[Vertex] = (),
           bottom: Collection[Vertex] = ()) -> dict[Vertex, int]:
    """The layer of each vertex: below all its inputs; a source right above its first user."""
    inputs, outputs = neighbours(vertices, edges)
    waiting = {v: len(inputs[v]) for v in vertices}
    ready = [v for v in vertices if not waiting[v]]
    layer: dict[Vertex, int] = {}
    for vertex in ready:                    # grows during the loop: a topological order
        layer[vertex] = 1 + max((layer[u] for u in inputs[vertex]), default=-1)
        for v in outputs[vertex]:
            waiting[v] -= 1
            if not waiting[v]:
                ready.append(v)
    for vertex in bottom:
        layer[vertex] = max(layer.values())
    for vertex in vertices:
        if not inputs[vertex] and outputs[vertex] and vertex not in top:
            layer[vertex] = min(layer[v] for v in outputs[vertex]) - 1
    return layer


def ordered(rows: list[list[Vertex]], above: Neighbours, below: Neighbours) -> list[list[Vertex]]:
    """The rows, their vertices in an order of few crossings.

    Sweeps down and up sort each row by the mean position of the neighbours in the row before it.
    """
    best, fewest = rows, crossings(rows, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rows = [list(row) for row in rows]
        down = sweep % 2 == 0
        near = above if down else below
        for k in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            position = {v: i for i, v in enumerate(rows[k - 1 if down else k + 1])}
            mean = {v: sum(position[u] for u in near[v]) / len(near[v]) if near[v] else i
                    for i, v in enumerate(rows[k])}
            rows[k].sort(key=mean.__getitem__)
        if (count := crossings(rows, below)) < fewest:
            best, fewest = rows, count
    return best


def crossings(rows: list[list[Vertex]], below: Neighbours) -> int:
    """How many pairs of edges between neighbouring rows cross."""
    count = 0
    for row, next_row in pairwise(rows):
        position = {v: i for i, v in enumerate(next_row)}
        earlier: list[int] = []             # where the edges of the vertices to the left end
        for vertex in row:
            ends = sorted(position[v] for v in below[vertex])
            count += sum(1 for end in ends for other in earlier if other > end)
            earlier += ends
    return count


def aligned(rows: list[list[Vertex]], above: Neighbours, below: Neighbours,
            width: dict[Vertex, float]) -> dict[Vertex, float]:
    """The middle of each vertex along its row: near the mean of its neighbours, in order, and GAP
    apart."""
    x = {v: 0.0 for row in rows for v in row}
    for sweep in range(SWEEPS):
        is_last, down = sweep == SWEEPS - 1, sweep % 2 == 0
        for row in rows if down else reversed(rows):
            wishes, offsets = [], []
            # offset: where a vertex stands if the row is packed from its left end
            offset = 0.0
            for i, v in enumerate(row):
                before = (above if down else below)[v]
                near = above[v] + below[v] if is_last or not before else before
                wishes.append(sum(x[u] for u in near) / len(near) if near else x[v])
                offset += (width[row[i - 1]] + width[v]) / 2 + GAP if i else 0.0
                offsets.append(offset)
            # each vertex stands as far right of its packed place as the one before it, or further
            slacks = nondecreasing([w - o for w, o in zip(wishes, offsets, strict=True)])
            x.update({v: s + o for v, s, o in zip(row, slacks, offsets, strict=True)})
    return x


def nondecreasing(values: Sequence[float]) -> list[float]:
    """The non-decreasing numbers nearest to `values` by least squares: neighbours out of order are
    pooled to their mean."""
    pools: list[tuple[float, int]] = []     # (mean, how many values)
    for value in values:
        mean, count = value, 1
        while pools and pools[-1][0] > mean:
            before, n = pools.pop()
            mean, count = (before * n + mean * count) / (n + count), n + count
        pools.append((mean, count))
    return [mean for mean, count in pools for _ in range(count)]
