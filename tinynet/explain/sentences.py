"""What every step says: sentences with the numbers of one convolution in them.

A sentence is a list of texts, each a key into `TEXTS` with what fills its slots; so one list serves both languages, the
terminal and the page. Cells are named in the coordinates of x (padding has row −1), slices in those of the padded array.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .convolution import Array, Axis, Convolution
from .texts import both

TERMS = 16                  # products spelled out in a sentence

Sentence = list[tuple[str, dict[str, Any]]]


def number(value: float) -> str:
    """How a number is written everywhere: whole numbers whole, others with three significant digits (page.js does the same)."""
    value = rounded(value)
    text = str(value)
    if value and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent):+d}"
    return text.replace("-", "−")


def rounded(value: float) -> int | float:
    value = float(value)
    if value == round(value) and abs(value) < 1e6:
        return int(value)
    return float(f"{value:.3g}")


def factor(value: float) -> str:
    text = number(value)
    return f"({text})" if text.startswith("−") else text


def shorten(items: list[Any], keep: int, gap: Any) -> list[Any]:
    return items if len(items) <= 2 * keep else [*items[:keep], gap, *items[-keep:]]


def products(left: Array, right: Array) -> str:
    """Σ left·right spelled out row by row: ``1·1+2·2 + 0·2+1·1``. Of a long sum the beginning and the end are shown."""
    rows = [list(zip(a_row, b_row, strict=True)) for a_row, b_row in
            zip(np.atleast_2d(left).tolist(), np.atleast_2d(right).tolist(), strict=True)]
    if left.size > TERMS:
        rows = shorten([shorten(row, 3, None) for row in rows], 1, [None])
    return " + ".join("+".join(f"{factor(term[0])}·{factor(term[1])}" if term else "…" for term in row) for row in rows)


def total(terms: Sequence[float]) -> str:
    return " + ".join(shorten([factor(term) for term in terms], TERMS // 2, "…"))


def span(kind: str, first: int, last: int, step: int = 1) -> tuple[str, ...]:
    """``row 1``, ``rows 1–3``, ``rows 0, 2, 4``, in every language; `kind` is "row" or "col"."""
    every = range(first, last + 1, step)
    if len(every) == 1:
        return both(kind, i=number(first))
    text = ", ".join(shorten([number(i) for i in every], 6, "…"))
    if step == 1:
        text = f"{number(first)}{'–' if first >= 0 else ' … '}{number(last)}"
    return both(kind + "s", i=text)


def place(e: Convolution, r: int, q: int) -> dict[str, str]:
    """Padded cell (r, q) in the coordinates of x, as sentences name it."""
    return {"r": number(r - e.rows.low), "q": number(q - e.cols.low)}


def say_forward(e: Convolution, n: int, o: int, c: int) -> list[Sentence]:
    group, w = e.group(o) * e.Cg, e.w[o].reshape(e.Cg, -1)
    shares = np.einsum("ct,ctp->cp", w, e.columns[n, group:group + e.Cg])          # each channel's part of y
    steps = []
    for (i, j), p in zip(e.windows, e.shown, strict=True):
        expr = products(e.w[o, c - group], e.columns[n, c][:, p].reshape(e.w.shape[2:]))
        text: Sentence = [("forward.window", {
            "i": i, "j": j, "rows": window_span("row", e.rows, i), "cols": window_span("col", e.cols, j)})]
        if e.Cg == 1:
            text.append(("forward.sum", {"expr": expr, "sum": number(shares[0, p])}))
        else:
            text.append(("forward.channel", {"c": c, "expr": expr, "sum": number(shares[c - group, p])}))
            text.append(("forward.channels", {"count": e.Cg, "expr": total(shares[:, p]),
                                              "sum": number(shares[:, p].sum())}))
        if e.b is not None:
            text.append(("forward.bias", {"o": o, "b": number(e.b[o]), "y": number(e.y[n, o, i, j])}))
        steps.append([*text, ("forward.rule", {})])
    return steps


def say_matrix(e: Convolution, n: int, o: int, c: int) -> list[Sentence]:
    rows = e.Cg * e.T
    steps = []
    for (i, j), p in zip(e.windows, e.shown, strict=True):
        y = e.y[n, o, i, j]
        text: Sentence = [("matrix.column", {"p": p, "i": i, "j": j, "count": rows})]
        product = y if e.b is None else y - e.b[o]
        text.append(("matrix.product", {"o": o, "sum": number(product)}))
        if e.b is not None:
            text.append(("forward.bias", {"o": o, "b": number(e.b[o]), "y": number(y)}))
        steps.append([*text, ("matrix.rule", {"cells": e.Cg * e.rows.padded * e.cols.padded,
                                              "entries": rows * e.P})])
    return steps


def say_dw(e: Convolution, n: int, o: int, c: int) -> list[Sentence]:
    begin, states = e.changes("dw", n, o, c)
    tap = e.T // 2
    kh, kw = e.taps[tap]
    steps, before = [], begin[tap]
    for k, ((i, j), p) in enumerate(zip(e.windows, e.shown, strict=True)):
        text: Sentence = [("start", {})] * (k == 0 and len(e.shown) < e.N * e.P)
        text += [("dw.window", {"i": i, "j": j, "g": number(e.g[n, o, i, j]), "name": "xpad" if e.padded else "x",
                                "rows": e.rows.slice(i), "cols": e.cols.slice(j)}),
                 ("dw.tap", {"kh": kh, "kw": kw, "x": number(e.columns[n, c, tap, p]), "before": number(before),
                             "after": number(states[k][tap]), "k": e.N * e.P - len(e.shown) + k + 1,
                             "n": e.N * e.P}),
                 ("dw.rule", {})]
        before = states[k][tap]
        steps.append(text)
    return steps


def say_dx(e: Convolution, n: int, o: int, c: int) -> list[Sentence]:
    start, states = e.scattered(n, c)
    _, counts, _ = e.counts("dx")
    group = c // e.Cg * (e.O // e.groups)
    outs = range(group, group + e.O // e.groups)
    overlap: tuple[str, dict[str, Any]] = ("dx.overlap" if e.coverage.max() > 1 else "dx.apart", {})
    steps, before = [], start
    for k, (i, j) in enumerate(e.windows):
        cells = e.read_by(i, j)
        # tell of the middle tap, or of the first one that meets a pixel if that is padding
        order = [e.T // 2, *range(e.T)]
        tap = next((t for t in order if not e.outside(*cells[t])), e.T // 2)
        cell = cells[tap]
        text: Sentence = [("start", {})] * (k == 0 and e.hidden > 0)
        where = {"i": i, "j": j, "name": "dXpad" if e.padded else "dX",
                 "rows": e.rows.slice(i), "cols": e.cols.slice(j)}
        if len(outs) == 1:
            text.append(("dx.window", {**where, "g": number(e.g[n, o, i, j]), "taps": e.T}))
        else:
            terms = [f"{factor(e.g[n, out, i, j])}·w[{out}]" for out in outs]
            text.append(("dx.windows", {**where, "expr": " + ".join(shorten(terms, 4, "…"))}))
        text.append(("dx.cell", {**place(e, *cell), "before": number(before.flat[e.index(*cell)]),
                                 "after": number(states[k].flat[e.index(*cell)]),
                                 "k": counts[k][tap], "n": int(e.coverage[cell])}))
        before = states[k]
        steps.append([*text, overlap])
    return steps + border_of_dx(e)


def border_of_dx(e: Convolution) -> list[Sentence]:
    if not e.padded:
        return []
    if e.padding_mode != "zeros":
        return [[("dx.give_back", {"mode": e.padding_mode})]]
    rows, cols = (f"{axis.low}:{axis.low + axis.size}" for axis in (e.rows, e.cols))
    return [[("dx.crop", {"rows": rows, "cols": cols})]]


def say_gather(e: Convolution, n: int, o: int, c: int) -> list[Sentence]:
    group, channel = c // e.Cg * (e.O // e.groups), c % e.Cg
    outs = slice(group, group + e.O // e.groups)
    strides = list(dict.fromkeys((e.rows.stride, e.cols.stride)))                  # named once if equal
    steps = []
    for r, q in e.gathered():
        pairs = [((i, j), (kh, kw)) for kh, i in e.rows.taps(r) for kw, j in e.cols.taps(q)]
        if not pairs:
            steps.append([("gather.none", place(e, r, q))])
            continue
        (rows, cols), (khs, kws) = (tuple(zip(*side, strict=True)) for side in zip(*pairs, strict=True))
        named = [both("gather.pair", i=i, j=j, kh=kh, kw=kw) for (i, j), (kh, kw) in shorten(pairs, 3, (("…",) * 2,) * 2)]
        listed = [tuple("…" if "…" in phrase else phrase for phrase in pair) for pair in named]
        text: Sentence = [
            ("gather.which", {**place(e, r, q), "list": (", ".join(p[0] for p in listed), "，".join(p[1] for p in listed))}),
            ("gather.sum", {"expr": products(e.g[n][outs, rows, cols], e.w[outs, channel, khs, kws]),
                            "sum": number(e.dxpad[n, c, r, q])}),
            ("gather.turn", {})]
        text += [("gather.stride", {"s": " × ".join(map(str, strides))})] * (max(strides) > 1)
        steps.append(text)
    return steps + border_of_dx(e)


def say_db(e: Convolution, n: int, o: int, c: int) -> list[Sentence]:
    (before,), states = e.changes("db", n, o, c)
    steps, every = [], e.N * e.P
    for k, (i, j) in enumerate(e.windows):
        after = states[k][0]
        steps.append([*[("start", {})] * (k == 0 and every > len(e.shown)),
                      ("db.add", {"i": i, "j": j, "g": number(e.g[n, o, i, j]), "before": number(before),
                                  "after": number(after), "k": every - len(e.shown) + k + 1, "n": every}),
                      ("db.rule", {})])
        before = after
    return steps


def say_borders(e: Convolution, n: int, o: int, c: int) -> list[Sentence]:
    low, high = e.extremes()
    fewest, most = int(e.coverage[low]), int(e.coverage[high])
    first: Sentence = [("borders.even", {"low": fewest})]
    if fewest != most:
        at, at2 = place(e, *low), place(e, *high)
        first = [("borders.coverage", {**at, "r2": at2["r"], "q2": at2["q"], "low": fewest, "high": most})]
    first.append(("borders.pad_helps" if e.padded else "borders.no_pad", {}))
    steps = [first]
    for axis, kind in e.remainders():
        steps.append([("borders.remainder", {"s": axis.stride, "span": axis.padded - axis.extent, "left": axis.left,
                                             "what": unreached(axis, kind)})])
    _, ring = e.folded_back(n, c)
    for (r, q), (before, after) in ring.items():
        pixel, value = e.pixel(r, q), number(e.dxpad[n, c, r, q])
        if pixel is None:
            steps.append([("borders.drop", {**place(e, r, q), "value": value})])
        else:
            at2 = place(e, *pixel)
            steps.append([("borders.copy", {**place(e, r, q), "r2": at2["r"], "q2": at2["q"], "mode": e.padding_mode,
                                            "value": value, "before": number(before), "after": number(after)})])
    return steps


def window_span(kind: str, axis: Axis, window: int) -> tuple[str, ...]:
    first = axis.cell(0, window) - axis.low
    return span(kind, first, first + axis.extent - 1, axis.dilation)


def unreached(axis: Axis, kind: str) -> tuple[str, ...]:
    end = axis.padded - axis.low
    return span(kind, end - axis.left, end - 1)


SPEAKERS: dict[str, Callable[[Convolution, int, int, int], list[Sentence]]] = {
    "forward": say_forward, "matrix": say_matrix, "dw": say_dw, "dx": say_dx, "dx_gather": say_gather, "db": say_db,
    "borders": say_borders}
