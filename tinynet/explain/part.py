"""The part of a convolution that a page shows, as a small convolution of its own.

The browser computes it again, so the part holds numbers to start from: its own x, w, b and G, and
the results to compare with. What is not shown (other samples, channels and windows) contributes to
the results too; these contributions are `base`: the results of the whole less those of the part.
"""
from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import tinynet

from .axis import Axis
from .convolution import Array, Convolution, tensor64


def plain(array: Array) -> list[int | float]:
    """The numbers of an array, whole ones as int, which is shorter in a page."""
    return [int(v) if v.is_integer() else v for v in np.asarray(array, np.float64).ravel().tolist()]


def part(e: Convolution) -> dict[str, Any]:
    """`problem`, `frame` (None if everything is shown) and `expected`, as model.js reads them."""
    samples, outs = list(e.samples), list(e.outs)
    ins = [c for group in sorted({e.group(o) for o in outs})
           for c in e.ins(group * (e.O // e.groups))]
    own = range(len(e.ins(outs[0])))                        # of the channels of a group
    windows = (list(e.rows.windows), list(e.cols.windows))
    pixels = tuple([r - a.before for r in a.shown_pixels] for a in (e.rows, e.cols))
    x = e.x[np.ix_(samples, ins, *pixels)]
    w = e.w[np.ix_(outs, own)]
    b = None if e.b is None else e.b[outs]
    g = e.g[np.ix_(samples, outs, *windows)]
    expected = {"y": e.y[np.ix_(samples, outs, *windows)],
                "dx": e.dx[np.ix_(samples, ins, *pixels)],
                "dw": e.dw[np.ix_(outs, own)], "db": e.db[outs]}
    groups = len(ins) // len(own)
    problem = {
        "shape": list(x.shape), "kernel": [len(outs), *e.w.shape[2:]], "stride": list(e.stride),
        "padding": [margins(a) for a in (e.rows, e.cols)], "dilation": list(e.dilation),
        "groups": groups, "padding_mode": e.padding_mode,
        "x": plain(x), "w": plain(w), "b": None if b is None else plain(b),
        "g": None if e.ones else plain(g)}
    is_whole = (len(samples), len(outs), len(own)) == (e.N, e.O, e.Cg) and not e.hidden and \
        all(len(a.cells) == a.padded for a in (e.rows, e.cols))
    frame = None if is_whole else {
        "rows": place(e.rows, e.padding_mode), "cols": place(e.cols, e.padding_mode),
        "samples": samples, "outs": outs, "ins": ins,
        "base": base(e, x, w, b, g, samples, ins, outs, groups, expected),
        "whole": {"N": e.N, "Cg": e.Cg, "P": e.P, "OW": e.cols.out, "hidden": e.hidden,
                  "padded": e.padded,
                  "hiddenOuts": len(outs) * e.groups < e.O * groups,
                  "read": int((e.coverage > 0).sum())},
        "cut": {name: f"{a.before}:{a.before + a.size}"
                for name, a in (("rows", e.rows), ("cols", e.cols))}}
    return {"problem": problem, "frame": frame,
            "expected": {name: plain(values) for name, values in expected.items()}}


def margins(a: Axis) -> list[int]:
    """How much of the shown part is padding, before and after the shown pixels."""
    before = sum(r < a.before for r in a.cells)
    return [before, len(a.cells) - before - len(a.shown_pixels)]


def place(a: Axis, mode: str) -> dict[str, Any]:
    """Where the shown part of an axis lies in the whole, and which shown pixel each cell shows."""
    numpy_mode = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    places = np.arange(a.size)
    source = np.pad(places, (a.before, a.after), constant_values=-1) if mode == "zeros" else \
        np.pad(places, (a.before, a.after), mode=numpy_mode)  # type: ignore[call-overload]
    shown = [r - a.before for r in a.shown_pixels]
    return {"window": a.windows[0], "cell": a.cells[0], "before": a.before, "out": a.out,
            "source": [shown.index(s) if s in shown else -1 for s in source[list(a.cells)]]}


def base(e: Convolution, x: Array, w: Array, b: Array | None, g: Array, samples: list[int],
         ins: list[int], outs: list[int], groups: int, expected: dict[str, Array]
         ) -> dict[str, list[int | float]]:
    """What is not shown contributes this much to the shown results."""
    xpad, dxpad = e.crop(e.xpad)[np.ix_(samples, ins)], e.crop(e.dxpad)[np.ix_(samples, ins)]
    with tinynet.enable_grad():
        padded, weight = tensor64(xpad, True), tensor64(w, True)
        bias = None if b is None else tensor64(b)
        y = e.convolve(padded, weight, bias, groups)
        y.backward(tensor64(g))
    own = np.zeros(xpad.shape)
    folded = np.zeros(x.shape)
    sources = [place(a, e.padding_mode)["source"] for a in (e.rows, e.cols)]
    for (r, row), (q, col) in itertools.product(*map(enumerate, sources)):
        if row >= 0 and col >= 0:
            own[..., r, q] = x[..., row, col]
            folded[..., row, col] += dxpad[..., r, q]
    return {"xpad": plain(xpad - own), "y": plain(expected["y"] - np.array(y.detach().array)),
            "dxpad": plain(dxpad - padded.grad.array), "dx": plain(expected["dx"] - folded),
            "dw": plain(expected["dw"] - weight.grad.array),
            "db": plain(expected["db"] - g.sum((0, 2, 3))),
            "coverage": plain(e.crop(e.coverage))}
