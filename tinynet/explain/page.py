"""From a convolution to HTML: data for the browser, tables that need no script, and one
self-contained file."""
from __future__ import annotations

import html
import json
from importlib import resources
from string import Template
from typing import Any

import numpy as np

import tinynet

from .axis import GRID, Axis
from .convolution import Array, view_key
from .numeric_check import check, compare
from .sentences import SPEAKERS, number, rounded_values, unreached
from .steps import MODES, SteppedConvolution
from .texts import LANGUAGES, TEXTS, Texts, both, same, say

# along which axes the steps of a mode differ: sample n, output channel o, input channel c
VIEWS = {"forward": "noc", "matrix": "noc", "dw": "noc", "dx": "nc", "dx_gather": "nc", "db": "no",
         "borders": "nc"}
# the accumulator of a mode: the panel that grows, and along which axes it differs
ACCUMULATORS = {"forward": ("y", "no"), "matrix": ("y", "no"), "dw": ("dw", "noc"),
                "dx": ("dx", "nc"), "dx_gather": ("dx", "nc"), "db": ("db", "no"),
                "borders": ("dx", "nc")}


def read(*names: str) -> str:
    """The text of files that lie beside this one, one after the other."""
    folder = resources.files(__package__)
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def script_json(data: Any) -> str:
    """JSON for a script element, without `<`, `>` and `&`, which HTML could read as its own."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# -- the data of the page --------------------------------------------------------------------------

def data(e: SteppedConvolution) -> dict[str, Any]:
    """Everything that the page shows; the browser looks numbers up and computes none."""
    x = e.crop(e.xpad)
    near = np.ix_(near_windows(e.rows), near_windows(e.cols))
    grids = {
        "x": grid(e, "nc", lambda n, o, c: x[n, c].reshape(-1)),
        "w": grid(e, "oc", lambda n, o, c: e.w[o, c - e.group(o) * e.Cg].reshape(-1)),
        "g": grid(e, "no", lambda n, o, c: e.g[n, o].reshape(-1)[e.shown]),
        "near": grid(e, "no", lambda n, o, c: e.g[n, o][near].reshape(-1)),
        "dcols": grid(e, "nc", lambda n, o, c: e.dcols[n, c][:, e.shown]),
        "coverage": {"": rounded_values(e.crop(e.coverage).reshape(-1))},
    }
    with tinynet.enable_grad():
        compared = compare(e)
    return {
        "lang": e.lang, "languages": list(LANGUAGES),
        "texts": {key: list(text) for key, text in TEXTS.items() if not key.startswith("report.")},
        "call": e.call, "facts": facts(e),
        "samples": list(e.samples), "outs": e.outs, "ins": {o: list(e.ins(o)) for o in e.outs},
        "sample": e.sample, "bias": e.b is not None, "channels": e.Cg,
        "outs_of_group": e.O // e.groups,
        "rows": axis_data(e.rows), "cols": axis_data(e.cols),
        "pad": [int(e.outside(r, q)) for r, q in e.cells],
        "grids": grids,
        "modes": {mode: mode_data(e, mode) for mode in MODES},
        "check": check(e), "compare": compared,
    }


def grid(e: SteppedConvolution, axes: str, values: Any) -> dict[str, Any]:
    """The numbers of a panel for each view along `axes`."""
    return {view_key(axes, *view): rounded_values(values(*view)) for view in e.views(axes)}


def axis_data(a: Axis) -> dict[str, Any]:
    """One direction: labels, and ``at[k][i]``, the shown cell that tap k of window i reads.

    The same for G with zeros: in its row, window i stands at i·s + (K−1)·d, so that the turned
    kernel, laid on places r … r + (K−1)·d, gives dX[r].
    """
    first, reach = a.cells[0], a.extent - 1
    near = near_windows(a)
    window = {i * a.stride + reach: k for k, i in enumerate(near)}
    return {
        "labels": [r - a.before for r in a.cells], "taps": list(range(a.kernel)),
        "windows": list(a.windows),
        "at": [[a.cell(k, i) - first for i in a.windows] for k in range(a.kernel)],
        "dilation": a.dilation, "extent": a.extent,
        # where in the row of G with zeros tap k lies for shown cell r
        "spread_at": [[r + reach - k * a.dilation - first for k in range(a.kernel)]
                      for r in a.cells],
        # which of the near windows stands at each place of that row, −1 for a zero
        "spread": [window.get(u, -1) for u in range(first, a.cells[-1] + 1 + reach)],
        "near": near,
        "near_shown": [a.windows.index(i) if i in a.windows else -1 for i in near],
    }


def near_windows(a: Axis) -> list[int]:
    """The windows that read any shown cell: the shown ones, and in a crop some beside them."""
    return sorted({i for r in a.cells for _, i in a.readers(r)})


def mode_data(e: SteppedConvolution, mode: str) -> dict[str, Any]:
    panel, axes = ACCUMULATORS[mode]
    before, counts, in_all = e.counts(mode)
    accumulators = {view_key(axes, *view): e.changes(mode, *view) for view in e.views(axes)}
    return {
        "views": VIEWS[mode], "focus": e.focus(mode),
        "sentences": {view_key(VIEWS[mode], *view): SPEAKERS[mode](e, *view)
                      for view in e.views(VIEWS[mode])},
        "grows": {"panel": panel, "views": axes, "touched": e.touched(mode),
                  "before": before, "counts": counts, "in_all": in_all,
                  "start": {key: rounded_values(a) for key, (a, _) in accumulators.items()},
                  "values": {key: rounded_values(a) for key, (_, a) in accumulators.items()}},
    }


def facts(e: SteppedConvolution) -> list[dict[str, Any]]:
    """The lines of the header: a label and its text in every language. Four spaces separate parts
    that may stand side by side."""
    arrays = {"x": e.x, "w": e.w, "b": e.b, "y": e.y}
    shapes = [f"{name} {' × '.join(map(str, array.shape))}" for name, array in arrays.items()
              if array is not None]
    parameters = str(e.w.size)
    if e.b is not None:
        parameters += f" + {e.b.size} = {e.w.size + e.b.size}"
    factors = [e.N, e.O, *e.y.shape[2:], e.Cg, *e.w.shape[2:]]
    product = f"{'·'.join(map(str, factors))} = {int(np.prod(factors)):,}"
    lines = [("fact.size", same(f"H: {e.rows.formula()}    W: {e.cols.formula()}")),
             ("fact.shapes", same(",  ".join(shapes))),
             ("fact.parameters", same(parameters)),
             ("fact.multiplications", same(f"N·O·OH·OW·(C/groups)·KH·KW = {product}")),
             ("fact.notes", tuple("    ".join(texts) for texts in zip(*notes(e), strict=True)))]
    return [{"label": label, "text": list(text)} for label, text in lines]


def notes(e: SteppedConvolution) -> list[Texts]:
    """What a reader should know about this convolution, each note in every language."""
    lines = [both("note.remainder_rows", what=unreached(a, kind)) for a, kind in e.remainders]
    if unread := int((e.coverage[e.pixels] == 0).sum()):
        lines.append(both("note.unread", count=unread))
    if e.groups > 1:
        lines.append(both("note.groups", groups=e.groups, outs=e.O // e.groups, ins=e.Cg))
    if e.hidden:
        rows, cols = (f"{a.windows[0]}–{a.windows[-1]}" for a in (e.rows, e.cols))
        lines.append(both("note.crop", i=e.rows.middle, j=e.cols.middle, oh=e.rows.out,
                          ow=e.cols.out, rows=rows, cols=cols))
    if max(e.rows.extent, e.cols.extent) > GRID:
        lines.append(both("note.large_window", cells=GRID))
    for what, shown, count in (("what.samples", e.samples, e.N), ("what.out_channels", e.outs, e.O),
                               ("what.in_channels", e.ins(0), e.Cg)):
        if len(shown) < count:
            lines.append(both("note.tabs", shown=len(shown), all=count, what=both(what)))
    lines.append(both("note.ones" if e.ones else "note.given"))
    if e.b is None:
        lines.append(both("note.no_bias"))
    return lines


# -- tables that need no script --------------------------------------------------------------------

def table(lang: str, key: str, slots: dict[str, int], values: Array, rows: list[int],
          cols: list[int]) -> str:
    head = "".join(f'<th scope="col">{number(q)}</th>' for q in cols)
    body = "".join(f'<tr><th scope="row">{number(r)}</th>'
                   + "".join(f"<td>{number(v)}</td>" for v in line) + "</tr>"
                   for r, line in zip(rows, values, strict=True))
    texts = html.escape(json.dumps([key, slots]))
    return (f'<table><caption data-say="{texts}">{html.escape(say(lang, key, **slots))}</caption>'
            f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>")


def static_tables(e: SteppedConvolution, lang: str) -> str:
    """The final y, dX, dW, db and the coverage, for readers without JavaScript and for notebooks
    that remove it."""
    rows, cols = list(e.rows.windows), list(e.cols.windows)
    shown = np.ix_(e.rows.shown_pixels, e.cols.shown_pixels)
    labels = [[r - a.before for r in a.shown_pixels] for a in (e.rows, e.cols)]
    pixels = np.ix_(*labels)
    kernel = list(range(e.rows.kernel)), list(range(e.cols.kernel))

    tables = [table(lang, "static.y", {"n": n, "o": o}, e.y[n, o][np.ix_(rows, cols)], rows, cols)
              for n, o, _ in e.views("no")]
    tables += [table(lang, "static.dx", {"n": n, "c": c}, e.dx[n, c][pixels], *labels)
               for n, _, c in e.views("nc")]
    tables += [table(lang, "static.dw", {"o": o, "c": c}, e.dw[o, c - e.group(o) * e.Cg], *kernel)
               for _, o, c in e.views("oc")]
    tables += [table(lang, "static.db", {"o": o}, e.db[[[o]]], [0], [0]) for o in e.outs]
    return "".join([*tables, table(lang, "static.coverage", {}, e.coverage[shown], *labels)])


# -- HTML ------------------------------------------------------------------------------------------

def fragment(e: SteppedConvolution) -> str:
    """The explainer as one element for any page; several on one page do not clash."""
    return Template(read("page.html")).substitute(
        lang=e.lang, title=html.escape(say(e.lang, "title")), name=html.escape(e.name or ""),
        call=html.escape(e.call), noscript=html.escape(say(e.lang, "noscript")),
        static=html.escape(say(e.lang, "static")), tables=static_tables(e, e.lang),
        style=read("page.css"), data=script_json(data(e)),
        script=read("relation.js", "panels.js", "page.js"))


def document(title: str, lang: str, body: str) -> str:
    """A whole file. It loads nothing from elsewhere, and the policy in its head forbids it too."""
    page = Template(read("document.html"))
    return page.substitute(title=html.escape(title), lang=lang, body=body)


def frame(title: str, page: str) -> str:
    """A page in a frame for notebooks, which may run scripts but reach nothing around it."""
    return (f'<iframe sandbox="allow-scripts" title="{html.escape(title)}" '
            f'srcdoc="{html.escape(page, quote=True)}" '
            'style="width:100%;height:900px;border:1px solid #8888;border-radius:8px"></iframe>')


def notebook(e: SteppedConvolution) -> str:
    """Tables, which an untrusted notebook shows too, and the page in a frame."""
    summary = f"{html.escape(e.call)} — {html.escape(say(e.lang, 'static'))}"
    tables = f"<details><summary>{summary}</summary>{static_tables(e, e.lang)}</details>"
    return tables + frame(e.call, document(say(e.lang, "title"), e.lang, fragment(e)))
