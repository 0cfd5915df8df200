"""A layered drawing of a directed graph without cycles (after Sugiyama): edges run downwards, with few crossings.

Four steps: every vertex gets a layer below all its inputs; an edge that skips layers gets a bend in each of them; the
order within the layers is improved until no sweep lessens the crossings; and every vertex moves as near to the middle of
its neighbours as the order allows, which is a least-squares problem with a known exact solution.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

GAP = 18.0                  # between neighbours in a layer
SWEEPS = 12                 # of the ordering and of the alignment; both settle well before

Size = tuple[float, float]
Point = tuple[float, float]


@dataclass
class Layout:
    """Where things go: the middle of every vertex, the top and bottom of its row, the bends of every edge, the size."""

    places: dict[Any, Point]
    widths: dict[Any, float]
    rows: dict[Any, tuple[float, float]]
    bends: list[list[tuple[float, float, float]]]        # per edge: (x, top, bottom) of each row that it passes
    size: Size


def layered(sizes: Mapping[Any, Size], edges: Sequence[tuple[Any, Any]], row_gap: float, top: Collection[Any] = (),
            bottom: Collection[Any] = ()) -> Layout:
    """Lay out vertices of given (width, height); `edges` are (from, to) pairs and must not form a cycle.

    Vertices in `top` stay in the first row, those in `bottom` in the last.
    """
    layer = layers(list(sizes), edges, top, bottom)
    rows: list[list[Any]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for vertex, depth in layer.items():
        rows[depth].append(vertex)
    chains, width = [], {vertex: size[0] for vertex, size in sizes.items()}
    for k, (start, end) in enumerate(edges):
        chain = [start, *((k, depth) for depth in range(layer[start] + 1, layer[end])), end]
        for bend in chain[1:-1]:
            rows[bend[1]].append(bend)
            width[bend] = 2.0
        chains.append(chain)
    above: dict[Any, list[Any]] = {vertex: [] for row in rows for vertex in row}
    below: dict[Any, list[Any]] = {vertex: [] for row in rows for vertex in row}
    for chain in chains:
        for upper, lower in pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)
    rows = ordered(rows, above, below)
    x = aligned(rows, above, below, width)
    band, y = {}, 0.0
    for row in rows:
        height = max((sizes[v][1] for v in row if v in sizes), default=0.0)
        band.update(dict.fromkeys(row, (y, y + height)))
        y += height + row_gap
    left = min((x[v] - width[v] / 2 for v in x), default=0.0)
    right = max((x[v] + width[v] / 2 for v in x), default=0.0)
    return Layout({v: (x[v] - left, sum(band[v]) / 2) for v in sizes}, {v: width[v] for v in sizes}, {v: band[v] for v in sizes},
                  [[(x[v] - left, *band[v]) for v in chain[1:-1]] for chain in chains], (right - left, max(y - row_gap, 0.0)))


def layers(vertices: Sequence[Any], edges: Sequence[tuple[Any, Any]], top: Collection[Any] = (),
           bottom: Collection[Any] = ()) -> dict[Any, int]:
    """The layer of each vertex: below all its inputs, and a source right above the first vertex that needs it."""
    inputs: dict[Any, list[Any]] = {v: [] for v in vertices}
    outputs: dict[Any, list[Any]] = {v: [] for v in vertices}
    for start, end in edges:
        inputs[end].append(start)
        outputs[start].append(end)
    waiting = {v: len(inputs[v]) for v in vertices}
    ready = [v for v in vertices if not waiting[v]]
    layer: dict[Any, int] = {}
    for vertex in ready:                                # grows while it is walked: a topological order
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


def ordered(rows: list[list[Any]], above: dict[Any, list[Any]], below: dict[Any, list[Any]]) -> list[list[Any]]:
    """The rows with their vertices in an order of few crossings: sweeps by the mean of the neighbours, the best kept."""
    best, fewest = rows, crossings(rows, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rows = [list(row) for row in rows]
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        for k in range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1):
            position = {v: i for i, v in enumerate(rows[k - 1 if downwards else k + 1])}
            here = {v: i for i, v in enumerate(rows[k])}
            mean = {v: sum(position[u] for u in neighbours[v]) / len(neighbours[v]) if neighbours[v] else here[v]
                    for v in rows[k]}
            rows[k].sort(key=mean.__getitem__)
        if (count := crossings(rows, below)) < fewest:
            best, fewest = rows, count
    return best


def crossings(rows: list[list[Any]], below: dict[Any, list[Any]]) -> int:
    """How many pairs of edges between neighbouring rows cross."""
    count = 0
    for row, next_row in pairwise(rows):
        position = {v: i for i, v in enumerate(next_row)}
        ends: list[int] = []
        for vertex in row:
            mine = sorted(position[v] for v in below[vertex])
            count += sum(1 for end in mine for other in ends if other > end)
            ends += mine
    return count


def aligned(rows: list[list[Any]], above: dict[Any, list[Any]], below: dict[Any, list[Any]],
            width: dict[Any, float]) -> dict[Any, float]:
    """The middle of each vertex along its row: near the mean of its neighbours, in order, and GAP apart."""
    x = {v: 0.0 for row in rows for v in row}
    for sweep in range(SWEEPS):
        both = sweep == SWEEPS - 1
        for row in rows if sweep % 2 == 0 else reversed(rows):
            near = {v: (above[v] + below[v]) if both or not (above if sweep % 2 == 0 else below)[v]
                    else (above if sweep % 2 == 0 else below)[v] for v in row}
            wish = [sum(x[u] for u in near[v]) / len(near[v]) if near[v] else x[v] for v in row]
            # places from the left end at which the vertices just fit; what is left to choose is non-decreasing
            offset, offsets = 0.0, []
            for i, v in enumerate(row):
                offset += (width[row[i - 1]] + width[v]) / 2 + GAP if i else 0.0
                offsets.append(offset)
            for v, slack, at in zip(row, nondecreasing([w - o for w, o in zip(wish, offsets, strict=True)]), offsets, strict=True):
                x[v] = slack + at
    return x


def nondecreasing(values: Sequence[float]) -> list[float]:
    """The non-decreasing numbers nearest to `values` by least squares: neighbours out of order are pooled."""
    pools: list[tuple[float, int]] = []                  # (mean, how many)
    for value in values:
        mean, count = value, 1
        while pools and pools[-1][0] > mean:
            before, n = pools.pop()
            mean, count = (before * n + mean * count) / (n + count), n + count
        pools.append((mean, count))
    return [mean for mean, count in pools for _ in range(count)]
