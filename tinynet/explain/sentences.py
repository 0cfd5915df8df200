"""What every step says: sentences that hold the numbers of one convolution.

A sentence is a list of texts, each a key of `TEXTS` with the values of its slots; so one list
serves both languages, the terminal and the page. Sentences name cells in the coordinates of x
(padding has row −1) and slices in those of the padded array.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .axis import Axis
from .convolution import Array
from .steps import SteppedConvolution
from .texts import Texts, both

TERMS = 16                  # products written out in a sentence

Sentence = list[tuple[str, dict[str, Any]]]


# -- numbers and ranges ----------------------------------------------------------------------------

def number(value: float) -> str:
    """How numbers are written everywhere (words.js does the same): whole numbers as they are,
    others with three significant digits."""
    if not math.isfinite(value):
        return str(float(value))
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
    """A number as it stands in a product or a sum: negative ones in parentheses."""
    text = number(value)
    return f"({text})" if text.startswith("−") else text


def shorten(items: list[Any], ends: int, gap: Any) -> list[Any]:
    """The first and last `ends` items with `gap` between, or all items if they are not more."""
    return items if len(items) <= 2 * ends else [*items[:ends], gap, *items[-ends:]]


def products(left: Array, right: Array) -> str:
    """Σ left·right written out row by row, ``1·1+2·2 + 0·2+1·1``; a long sum only at its ends."""
    rows = [list(zip(*pair, strict=True)) for pair in
            zip(np.atleast_2d(left).tolist(), np.atleast_2d(right).tolist(), strict=True)]
    if left.size > TERMS:
        rows = shorten([shorten(row, 3, None) for row in rows], 1, [None])
    terms = [[f"{factor(term[0])}·{factor(term[1])}" if term else "…" for term in row]
             for row in rows]
    return " + ".join("+".join(row) for row in terms)


def total(terms: Sequence[float]) -> str:
    return " + ".join(shorten([factor(term) for term in terms], TERMS // 2, "…"))


def span(kind: str, first: int, last: int, step: int = 1) -> Texts:
    """``row 1``, ``rows 1–3``, ``rows 0, 2, 4``, in every language; `kind` is "row" or "col"."""
    indices = range(first, last + 1, step)
    if len(indices) == 1:
        return both(kind, i=number(first))
    text = ", ".join(shorten([number(i) for i in indices], 6, "…"))
    if step == 1:
        text = f"{number(first)}{'–' if first >= 0 else ' … '}{number(last)}"
    return both(kind + "s", i=text)


def window_span(kind: str, axis: Axis, window: int) -> Texts:
    """The rows or columns of x that a window reads."""
    first = axis.cell(0, window) - axis.before
    return span(kind, first, first + axis.extent - 1, axis.dilation)


def unreached(axis: Axis, kind: str) -> Texts:
    """The last rows or columns, which no window reads."""
    end = axis.padded - axis.before
    return span(kind, end - axis.remainder, end - 1)


def place(e: SteppedConvolution, r: int, q: int) -> dict[str, str]:
    """Padded cell (r, q) in the coordinates of x."""
    return {"r": number(r - e.rows.before), "q": number(q - e.cols.before)}


def place2(e: SteppedConvolution, r: int, q: int) -> dict[str, str]:
    """The same for a second cell in one sentence."""
    return {key + "2": text for key, text in place(e, r, q).items()}


def slices(e: SteppedConvolution, i: int, j: int, name: str) -> dict[str, Any]:
    """The slots that name window (i, j) of the array `name` as a slice."""
    return {"i": i, "j": j, "name": name + "pad" * e.padded,
            "rows": e.rows.slice(i), "cols": e.cols.slice(j)}


# -- the sentences of each mode --------------------------------------------------------------------

def say_forward(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    first, w = e.group(o) * e.Cg, e.w[o].reshape(e.Cg, -1)
    by_channel = np.einsum("ct,ctp->cp", w, e.columns[n, first:first + e.Cg])
    rule = ("forward.rule" if e.T > 1 else
            "forward.rule_one" if e.Cg == 1 else "forward.rule_channels")
    steps = []
    for (i, j), p in zip(e.windows, e.shown, strict=True):
        expr = products(e.w[o, c - first], e.columns[n, c][:, p].reshape(e.w.shape[2:]))
        text: Sentence = [("forward.window", {
            "i": i, "j": j,
            "rows": window_span("row", e.rows, i), "cols": window_span("col", e.cols, j)})]
        if e.Cg == 1:
            text.append(("forward.sum", {"expr": expr, "sum": number(by_channel[0, p])}))
        else:
            text.append(("forward.channel", {
                "c": c, "expr": expr, "sum": number(by_channel[c - first, p])}))
            text.append(("forward.channels", {
                "count": e.Cg, "expr": total(by_channel[:, p]),
                "sum": number(by_channel[:, p].sum())}))
        steps.append([*text, *say_bias(e, o, e.y[n, o, i, j]), (rule, {})])
    return steps


def say_bias(e: SteppedConvolution, o: int, y: float) -> Sentence:
    if e.b is None:
        return []
    return [("forward.bias", {"o": o, "b": number(e.b[o]), "y": number(y)})]


def say_matrix(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    rows = e.Cg * e.T
    rule: Sentence = [("matrix.rule_once", {})]
    if e.coverage.max() > 1:
        cells = e.Cg * int((e.coverage > 0).sum())
        rule = [("matrix.rule", {"cells": cells, "entries": rows * e.P})]
    column = "matrix.column" if rows > 1 else "matrix.column_one"
    steps: list[Sentence] = []
    for (i, j), p in zip(e.windows, e.shown, strict=True):
        y = e.y[n, o, i, j]
        product = y if e.b is None else y - e.b[o]
        steps.append([(column, {"p": p, "i": i, "j": j, "count": rows}),
                      ("matrix.product", {"o": o, "sum": number(product)}),
                      *say_bias(e, o, y), *rule])
    return steps


def say_dw(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    start, states = e.changes("dw", n, o, c)
    tap, count = e.T // 2, e.N * e.P
    kh, kw = e.taps[tap]
    before = start[tap]
    steps = []
    for k, ((i, j), p) in enumerate(zip(e.windows, e.shown, strict=True)):
        text: Sentence = [("start", {})] * (k == 0 and len(e.shown) < count)
        text += [("dw.window", {**slices(e, i, j, "x"), "g": number(e.g[n, o, i, j])}),
                 ("dw.tap", {"kh": kh, "kw": kw, "x": number(e.columns[n, c, tap, p]),
                             "before": number(before), "after": number(states[k][tap]),
                             "k": count - len(e.shown) + k + 1, "n": count}),
                 ("dw.rule" if count > 1 else "dw.rule_one", {})]
        before = states[k][tap]
        steps.append(text)
    return steps


def say_dw_gather(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    rule: Sentence = [("dwg.rule", {})]
    for key, pair in (("stride", e.stride), ("dilation", e.dilation)):
        axes = zip(pair, e.g.shape[2:] if key == "stride" else e.w.shape[2:], strict=True)
        if any(factor_ > 1 and count > 1 for factor_, count in axes):
            rule.append((f"dwg.{key}", {key[0]: by(pair)}))
    steps = []
    for t in e.visited_taps:
        kh, kw = e.taps[t]
        read = e.columns[n, c, t][e.shown].reshape(len(e.rows.windows), -1)
        seen = float((e.shown_g(n, o) * read).sum())
        whole = e.dw[o, c - e.group(o) * e.Cg, kh, kw]
        text: Sentence = [
            ("dwg.place", {"kh": kh, "kw": kw, **place(e, *e.read_by(*e.windows[0])[t])}),
            ("dwg.sum", {"expr": products(e.shown_g(n, o), read), "sum": number(seen)})]
        if e.N * e.P > len(e.shown):
            text.append(("dwg.others", {"rest": number(whole - seen), "sum": number(whole)}))
        steps.append(text + rule)
    return steps


def by(pair: tuple[int, int]) -> str:
    """A stride or dilation: one number if both are equal, ``2 × 1`` if not."""
    return " × ".join(map(str, dict.fromkeys(pair)))


def say_dx(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    before, states = e.scattered(n, c)
    _, counts, _ = e.counts("dx")
    first = c // e.Cg * (e.O // e.groups)
    outs = range(first, first + e.O // e.groups)
    steps = []
    for k, (i, j) in enumerate(e.windows):
        cells = e.read_by(i, j)
        tap = e.busiest(cells, counts[k])
        at = e.index(*cells[tap])
        text: Sentence = [("start", {})] * (k == 0 and e.hidden > 0)
        if len(outs) == 1:
            text.append(("dx.window" if e.T > 1 else "dx.window_one", {
                **slices(e, i, j, "dX"), "g": number(e.g[n, o, i, j]), "taps": e.T}))
        else:
            terms = [f"{factor(e.g[n, out, i, j])}·w[{out}]" for out in outs]
            text.append(("dx.windows", {
                **slices(e, i, j, "dX"), "expr": " + ".join(shorten(terms, 4, "…"))}))
        text.append(("dx.cell", {
            **place(e, *cells[tap]), "before": number(before.flat[at]),
            "after": number(states[k].flat[at]), "k": counts[k][tap],
            "n": int(e.coverage[cells[tap]])}))
        before = states[k]
        alone = e.coverage[cells[tap]] <= 1
        overlap = "dx.apart" if e.coverage.max() <= 1 else "dx.alone" if alone else "dx.overlap"
        steps.append([*text, (overlap, {})])
    return steps + border_of_dx(e)


def border_of_dx(e: SteppedConvolution) -> list[Sentence]:
    """The last step of dX, if there is padding: it is cut off or given back."""
    if not e.padded:
        return []
    if e.padding_mode != "zeros":
        return [[("dx.give_back", {"mode": e.padding_mode})]]
    rows, cols = (f"{axis.before}:{axis.before + axis.size}" for axis in (e.rows, e.cols))
    return [[("dx.crop", {"rows": rows, "cols": cols})]]


def say_gather(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    first, channel = c // e.Cg * (e.O // e.groups), c % e.Cg
    outs = slice(first, first + e.O // e.groups)
    spread = any(axis.stride > 1 and axis.out > 1 for axis in (e.rows, e.cols))
    steps: list[Sentence] = []
    for r, q in e.gathered:
        pairs = [(i, j, kh, kw) for kh, i in e.rows.readers(r) for kw, j in e.cols.readers(q)]
        if not pairs:
            steps.append([("gather.none", place(e, r, q))])
            continue
        named = [both("gather.pair", i=p[0], j=p[1], kh=p[2], kw=p[3]) if p else ("…", "…")
                 for p in shorten(pairs, 3, None)]
        english, chinese = zip(*named, strict=True)
        i, j, kh, kw = np.array(pairs).T
        text: Sentence = [
            ("gather.which", {**place(e, r, q), "list": (", ".join(english), "，".join(chinese))}),
            ("gather.sum", {"expr": products(e.g[n][outs, i, j], e.w[outs, channel, kh, kw]),
                            "sum": number(e.dxpad[n, c, r, q])}),
            ("gather.turn" if e.T > 1 else "gather.turn_one", {})]
        if spread:
            text.append(("gather.stride", {"s": by(e.stride)}))
        steps.append(text)
    return steps + border_of_dx(e)


def say_db(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    (before,), states = e.changes("db", n, o, c)
    steps, count = [], e.N * e.P
    for k, ((i, j), (after,)) in enumerate(zip(e.windows, states, strict=True)):
        text: Sentence = [("start", {})] * (k == 0 and count > len(e.shown))
        text += [("db.add", {"i": i, "j": j, "g": number(e.g[n, o, i, j]),
                             "before": number(before), "after": number(after),
                             "k": count - len(e.shown) + k + 1, "n": count}),
                 ("db.rule", {})]
        before = after
        steps.append(text)
    return steps


def say_borders(e: SteppedConvolution, n: int, o: int, c: int) -> list[Sentence]:
    at, at2 = e.extremes()
    fewest, most = int(e.coverage[at]), int(e.coverage[at2])
    coverage: Sentence = [("borders.even", {"low": fewest})]
    if fewest != most:
        coverage = [("borders.coverage", {
            **place(e, *at), **place2(e, *at2), "low": fewest, "high": most})]
    reaches = any(axis.kernel > 1 and axis.padded > axis.size for axis in (e.rows, e.cols))
    padding = ("no_pad" if fewest != most else "no_pad_even") if not e.padded else \
        "pad_helps" if reaches else "pad_idle"
    steps = [[*coverage, (f"borders.{padding}", {})]]
    for axis, kind in e.remainders:
        lost = axis.padded - axis.remainder - axis.before < axis.size
        steps.append([("borders.remainder" if lost else "borders.remainder_pad", {
            "s": axis.stride, "span": axis.padded - axis.extent, "left": axis.remainder,
            "what": unreached(axis, kind)})])
    _, ring = e.folded_back(n, c)
    for (r, q), (before, after) in ring.items():
        pixel, value = e.pixel(r, q), number(e.dxpad[n, c, r, q])
        if pixel is None:
            steps.append([("borders.drop", {**place(e, r, q), "value": value})])
        else:
            steps.append([("borders.copy", {
                **place(e, r, q), **place2(e, *pixel), "mode": e.padding_mode, "value": value,
                "before": number(before), "after": number(after)})])
    return steps


SPEAKERS: dict[str, Callable[[SteppedConvolution, int, int, int], list[Sentence]]] = {
    "forward": say_forward, "matrix": say_matrix, "dw": say_dw, "dx": say_dx,
    "dx_gather": say_gather, "db": say_db, "borders": say_borders, "dw_gather": say_dw_gather}
