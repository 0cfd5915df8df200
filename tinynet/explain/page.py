"""From a `Convolution` to HTML: its data for the browser, tables that need no script, one self-contained file."""
from __future__ import annotations

import html
import json
from importlib import resources
from string import Template
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F

from .convolution import GRID, MODES, PADDING_MODES, Axis, Convolution, leaf, pad, view_key
from .sentences import SPEAKERS, number, rounded, unreached
from .texts import LANGUAGES, TEXTS, both, say

# along which axes the steps of a mode differ: sample n, output channel o, input channel c
VIEWS = {"forward": "noc", "matrix": "noc", "dw": "noc", "dx": "nc", "dx_gather": "nc", "db": "no", "borders": "nc"}
# what the modes accumulate: the panel that grows, and along which axes it differs
ACCUMULATORS = {"forward": ("y", "no"), "matrix": ("y", "no"), "dw": ("dw", "noc"), "dx": ("dx", "nc"),
                "dx_gather": ("dx", "nc"), "db": ("db", "no"), "borders": ("dx", "nc")}
H = 2.0 ** -10              # step of the central difference: a power of two, so whole numbers stay exact
CHECK_BUDGET = 3e8          # multiplications spent on the numeric check; beyond it, one cell per grid is checked


def read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def numbers(values: Any) -> Any:
    """Arrays and nested lists as plain numbers, rounded the way the page shows them."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [numbers(value) for value in values]
    return None if values is None else rounded(values)


def script_json(data: Any) -> str:
    """JSON that can stand inside a script element: no `<`, `>` or `&` is left that HTML could read as its own."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# -- the data of the page -------------------------------------------------------------------------------------------

def data(e: Convolution) -> dict[str, Any]:
    """Everything the page shows, ready to be looked up; the browser computes nothing."""
    cropped = e.crop(e.xpad)
    grids = {
        "x": {view_key("nc", n, o, c): cropped[n, c].reshape(-1) for n, o, c in e.views("nc")},
        "w": {view_key("oc", n, o, c): e.w[o, c - e.group(o) * e.Cg].reshape(-1) for n, o, c in e.views("oc")},
        "g": {view_key("no", n, o, c): e.g[n, o].reshape(-1)[e.shown] for n, o, c in e.views("no")},
        "near": {view_key("no", n, o, c): e.g[n, o][np.ix_(near_windows(e.rows), near_windows(e.cols))].reshape(-1)
                 for n, o, c in e.views("no")},
        "dcols": {view_key("nc", n, o, c): e.dcols[n, c][:, e.shown] for n, o, c in e.views("nc")},
        "coverage": {"": e.crop(e.coverage).reshape(-1)},
    }
    with tinynet.enable_grad():
        compared = compare(e)
    return {
        "lang": e.lang, "languages": list(LANGUAGES), "texts": {key: list(text) for key, text in TEXTS.items() if key.split(".")[0] != "report"},
        "call": e.call, "facts": facts(e),
        "samples": list(e.samples), "outs": e.outs, "ins": {o: list(e.ins(o)) for o in e.outs}, "sample": e.sample,
        "bias": e.b is not None, "channels": e.Cg, "outs_of_group": e.O // e.groups,
        "rows": axis(e.rows), "cols": axis(e.cols),
        "pad": [int(e.outside(r, q)) for r, q in e.cells],
        "grids": {name: {key: numbers(grid) for key, grid in views.items()} for name, views in grids.items()},
        "modes": {mode: mode_data(e, mode) for mode in MODES},
        "check": check(e), "compare": compared,
    }


def axis(a: Axis) -> dict[str, Any]:
    """One direction: labels, and for tap k and window i the shown cell ``at[k][i]``; the same for the spread-out G."""
    first, reach = a.cells[0], a.dilation * (a.kernel - 1)
    # In the spread row, G[i] stands at i·s + (K−1)·d: then the turned kernel, laid on places r … r + (K−1)·d, gives dX[r].
    spread = range(first, a.cells[-1] + 1 + reach)
    near = near_windows(a)
    window = {i * a.stride + reach: k for k, i in enumerate(near)}
    return {
        "labels": [r - a.low for r in a.cells], "taps": list(range(a.kernel)), "windows": list(a.windows),
        "at": [[a.cell(k, i) - first for i in a.windows] for k in range(a.kernel)],
        "dilation": a.dilation, "extent": a.extent,
        # where in the spread row tap k lies for shown cell r; which of the near windows each place of the row holds
        "spread_at": [[r + reach - k * a.dilation - first for k in range(a.kernel)] for r in a.cells],
        "spread": [window.get(u, -1) for u in spread],
        "near": near, "near_shown": [a.windows.index(i) if i in a.windows else -1 for i in near],
    }


def near_windows(a: Axis) -> list[int]:
    """The windows that read any shown cell: the shown ones, and in a crop some beside them."""
    return sorted({i for r in a.cells for _, i in a.taps(r)})


def mode_data(e: Convolution, mode: str) -> dict[str, Any]:
    panel, axes = ACCUMULATORS[mode]
    before, counts, in_all = e.counts(mode)
    accumulators = {view_key(axes, *view): e.changes(mode, *view) for view in e.views(axes)}
    return {
        "views": VIEWS[mode], "focus": e.focus(mode),
        "sentences": {view_key(VIEWS[mode], *view): SPEAKERS[mode](e, *view) for view in e.views(VIEWS[mode])},
        "grows": {"panel": panel, "views": axes, "touched": e.touched(mode), "before": before, "counts": counts,
                  "in_all": in_all,
                  "start": {key: numbers(start) for key, (start, _) in accumulators.items()},
                  "values": {key: numbers(values) for key, (_, values) in accumulators.items()}},
    }


def facts(e: Convolution) -> list[dict[str, Any]]:
    """The lines of the header: a label and its text in every language; four spaces part what may stand side by side."""
    shapes = {"x": e.x.shape, "w": e.w.shape, **({} if e.b is None else {"b": e.b.shape}), "y": e.y.shape}
    shape_text = ",  ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes.items())
    parameters = f"{e.w.size}" + (f" + {e.b.size} = {e.w.size + e.b.size}" if e.b is not None else "")
    factors = [e.N, e.O, *e.y.shape[2:], e.Cg, *e.w.shape[2:]]
    lines = [
        ("fact.size", (f"H: {e.rows.formula()}    W: {e.cols.formula()}",) * 2),
        ("fact.shapes", (shape_text,) * 2),
        ("fact.parameters", (parameters,) * 2),
        ("fact.multiplications", (f"N·O·OH·OW·C/G·KH·KW = {'·'.join(map(str, factors))} = {int(np.prod(factors)):,}",) * 2),
    ]
    remarks = tuple("    ".join(texts) for texts in zip(*notes(e), strict=True))
    return [{"label": label, "text": list(text)} for label, text in [*lines, ("fact.notes", remarks)]]


def notes(e: Convolution) -> list[tuple[str, ...]]:
    found = [both("note.remainder_rows", what=unreached(a, kind)) for a, kind in e.remainders()]
    unread = int((e.coverage[e.inside()] == 0).sum())
    if unread:
        found.append(both("note.unread", count=unread))
    if e.groups > 1:
        found.append(both("note.groups", groups=e.groups, outs=e.O // e.groups, ins=e.Cg))
    if e.hidden:
        i, j = (a.out // 2 if a.chosen is None else a.chosen for a in (e.rows, e.cols))
        ranges = {name: f"{a.windows[0]}–{a.windows[-1]}" for name, a in (("rows", e.rows), ("cols", e.cols))}
        found.append(both("note.crop", i=i, j=j, oh=e.rows.out, ow=e.cols.out, **ranges))
    if max(e.rows.extent, e.cols.extent) > GRID:
        found.append(both("note.large_window", cells=GRID))
    for what, shown, every in (("samples", list(e.samples), e.N), ("out_channels", e.outs, e.O),
                               ("in_channels", list(e.ins(0)), e.Cg)):
        if len(shown) < every:
            found.append(both("note.tabs", shown=len(shown), all=every, what=both(f"what.{what}")))
    found.append(both("note.ones" if e.ones else "note.given"))
    if e.b is None:
        found.append(both("note.no_bias"))
    return found


# -- the numeric check ----------------------------------------------------------------------------------------------

def check(e: Convolution) -> dict[str, Any]:
    """Central differences of the loss ⟨y, G⟩ for every shown cell of dX, dW and db, against backward()."""
    cells = [k for k, (r, q) in enumerate(e.cells) if not e.outside(r, q)]
    work = 2 * e.Cg * e.T * e.P * (len(e.views("nc")) * len(cells) * e.O // e.groups + len(e.views("oc")) * e.N * e.T)
    taps = list(range(e.T))
    if work > CHECK_BUDGET:
        cells, taps = [cells[len(cells) // 2]], [e.T // 2]
    worst = 0.0
    found: dict[str, dict[str, dict[int, list[str]]]] = {"dx": {}, "dw": {}, "db": {}}

    def compare_to(analytic: np.ndarray, losses: np.ndarray) -> list[list[str]]:
        nonlocal worst
        up, down = losses.reshape(2, -1)
        numeric = (up - down) / (2 * H)
        errors = np.abs(numeric - analytic)
        worst = max(worst, float(errors.max()))
        return [[f"{a:.6g}".replace("-", "−"), f"{v:.6f}".replace("-", "−"), f"{error:.1e}"] for a, v, error in
                zip(analytic, numeric, errors, strict=True)]

    for n, o, c in e.views("nc"):
        group = c // e.Cg
        ins, outs = (slice(group * size, (group + 1) * size) for size in (e.Cg, e.O // e.groups))
        places = np.array([(e.cells[k][0] - e.rows.low, e.cells[k][1] - e.cols.low) for k in cells])
        moved = moved_copies(e.x[n, ins], len(cells), (c - group * e.Cg, places[:, 0], places[:, 1]))
        losses = (convolve(e, moved, e.w[outs]) * e.g[n, outs]).sum((1, 2, 3))
        rows = compare_to(e.dx[n, c][tuple(places.T)], losses)
        found["dx"][view_key("nc", n, o, c)] = dict(zip(cells, rows, strict=True))
    for n, o, c in e.views("oc"):
        group = e.group(o) * e.Cg
        tap_rows, tap_cols = np.array([e.taps[t] for t in taps]).T
        moved = moved_copies(e.w[o], len(taps), (c - group, tap_rows, tap_cols))
        losses = (convolve(e, e.x[:, group:group + e.Cg], moved) * e.g[:, [o]]).sum((0, 2, 3))
        rows = compare_to(e.dw[o, c - group, tap_rows, tap_cols], losses)
        found["dw"][view_key("oc", n, o, c)] = dict(zip(taps, rows, strict=True))
    for o in e.outs:
        losses = np.array([((e.y[:, o] + h) * e.g[:, o]).sum() for h in (H, -H)])           # y is b plus what has no b
        found["db"][str(o)] = {0: compare_to(e.db[[o]], losses)[0]}
    count = sum(len(rows) for views in found.values() for rows in views.values())
    return {**found, "worst": f"{worst:.1e}", "count": count}


def moved_copies(array: np.ndarray, count: int, places: Any) -> np.ndarray:
    """2·`count` copies of `array` along a new first axis; copy k has its k-th place moved by +H, copy count + k by −H."""
    copies = np.repeat(array[None], 2 * count, axis=0)
    for half, h in enumerate((H, -H)):
        place = (half * count + np.arange(count), *places)
        copies[place] += h
    return copies


def convolve(e: Convolution, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    padded = pad(tinynet.tensor(x, dtype=tinynet.float64), e.rows, e.cols, e.padding_mode)
    return np.array(F.conv2d(padded, tinynet.tensor(w, dtype=tinynet.float64), None, e.geometry["stride"], 0,
                             e.geometry["dilation"]).array)


def compare(e: Convolution) -> dict[str, Any]:
    """dX as it would be under each padding mode; empty when there is no padding, None where a mode is impossible."""
    found: dict[str, Any] = {}
    for mode in PADDING_MODES if e.padded else ():
        x = leaf(e.x)
        try:
            padded = pad(x, e.rows, e.cols, mode)
        except (ValueError, RuntimeError):           # reflect and circular padding must be smaller than the input
            found[mode] = None
            continue
        y = F.conv2d(padded, tinynet.tensor(e.w, dtype=tinynet.float64), None, e.geometry["stride"], 0,
                     e.geometry["dilation"], e.groups)
        y.backward(tinynet.tensor(e.g, dtype=tinynet.float64))
        rows, cols = ([r - a.low for r in a.cells if 0 <= r - a.low < a.size] for a in (e.rows, e.cols))
        shown = np.array(x.grad.array)[:, :, rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]
        found[mode] = {"rows": rows, "cols": cols, "views": {
            view_key("nc", n, o, c): numbers(shown[n, c].reshape(-1)) for n, o, c in e.views("nc")}}
    return found


# -- tables that need no script -------------------------------------------------------------------------------------

def table(lang: str, key: str, slots: dict[str, int], values: np.ndarray, rows: list[int], cols: list[int]) -> str:
    head = "".join(f'<th scope="col">{number(q)}</th>' for q in cols)
    body = "".join(f'<tr><th scope="row">{number(r)}</th>' + "".join(f"<td>{number(v)}</td>" for v in line) + "</tr>"
                   for r, line in zip(rows, values, strict=True))
    named = html.escape(json.dumps([key, slots]))
    caption = html.escape(say(lang, key, **slots))
    return (f'<table><caption data-say="{named}">{caption}</caption><thead><tr><td></td>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>")


def static_tables(e: Convolution, lang: str) -> str:
    """The final y, dX, dW, db and the coverage, for readers without JavaScript (and for notebooks that drop it)."""
    rows, cols = list(e.rows.windows), list(e.cols.windows)
    in_rows, in_cols = ([r for r in a.cells if a.low <= r < a.low + a.size] for a in (e.rows, e.cols))
    pixels = (slice(in_rows[0] - e.rows.low, in_rows[-1] - e.rows.low + 1),
              slice(in_cols[0] - e.cols.low, in_cols[-1] - e.cols.low + 1))
    labels = [r - e.rows.low for r in in_rows], [q - e.cols.low for q in in_cols]
    kernel = list(range(e.rows.kernel)), list(range(e.cols.kernel))
    tables = [table(lang, "static.y", {"n": n, "o": o}, e.y[n, o][np.ix_(rows, cols)], rows, cols) for n, o, _ in e.views("no")]
    tables += [table(lang, "static.dx", {"n": n, "c": c}, e.dx[n, c][pixels], *labels) for n, _, c in e.views("nc")]
    tables += [table(lang, "static.dw", {"o": o, "c": c}, e.dw[o, c - e.group(o) * e.Cg], *kernel) for _, o, c in e.views("oc")]
    tables += [table(lang, "static.db", {"o": o}, e.db[[[o]]], [0], [0]) for o in e.outs]
    inside = e.coverage[in_rows[0]:in_rows[-1] + 1, in_cols[0]:in_cols[-1] + 1]
    return "".join([*tables, table(lang, "static.coverage", {}, inside, *labels)])


# -- HTML -----------------------------------------------------------------------------------------------------------

def fragment(e: Convolution) -> str:
    """The explainer as one element for any page; several on one page do not clash."""
    return Template(read("page.html")).substitute(
        lang=e.lang, title=html.escape(say(e.lang, "title")), name=html.escape(e.name or ""), call=html.escape(e.call),
        noscript=html.escape(say(e.lang, "noscript")), static=html.escape(say(e.lang, "static")),
        tables=static_tables(e, e.lang), style=read("page.css"), data=script_json(data(e)), script=read("page.js"))


def document(title: str, lang: str, body: str) -> str:
    """A whole file: nothing is fetched from anywhere, and the policy in its head forbids it too."""
    return Template(read("document.html")).substitute(title=html.escape(title), lang=lang, body=body)


def notebook(e: Convolution) -> str:
    """Tables that survive in an untrusted notebook, and the page in a frame that may run scripts but reach nothing."""
    page = html.escape(document(say(e.lang, "title"), e.lang, fragment(e)), quote=True)
    return (f"<details><summary>{html.escape(e.call)} — {html.escape(say(e.lang, 'static'))}</summary>"
            f"{static_tables(e, e.lang)}</details>"
            f'<iframe sandbox="allow-scripts" title="{html.escape(e.call)}" srcdoc="{page}" '
            'style="width:100%;height:900px;border:1px solid #8888;border-radius:8px"></iframe>')
