"""From a convolution to HTML: data for the browser, tables that need no script, and one
self-contained file."""
from __future__ import annotations

import html
import json
import re
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from .axis import GRID
from .convolution import Array
from .lesson import GRADIENT, W, X
from .part import part
from .sentences import number, unreached
from .steps import SteppedConvolution
from .texts import LANGUAGES, PAGE, STEPS, TOUR, Texts, both, same, say

# the scripts of the page, in the order in which they run
SCRIPTS = ("state.js", "words.js", "convolution.js", "address.js", "model.js", "timeline.js",
           "relation.js", "sentences.js", "panels.js", "stage.js", "checks.js", "page.js",
           "settings.js", "edit.js", "turn.js", "tour.js", "hands.js")
STYLES = ("page.css", "play.css")
TABLES = {**PAGE, **STEPS, **TOUR}                          # the texts of this page,
ELSEWHERE = ("graph.", "terminal.")                         # less those that others need


def read(*names: str) -> str:
    """The text of files that lie beside this one, one after the other."""
    folder = resources.files(__package__)
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def compact(*names: str) -> str:
    """Scripts and styles without indentation and comments, which stand in the files themselves."""
    text = re.sub(r"/\*.*?\*/", "", read(*names), flags=re.S)
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def script_json(data: Any) -> str:
    """JSON for a script element, without `<`, `>` and `&`, which HTML could read as its own."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# -- the data of the page --------------------------------------------------------------------------

def data(e: SteppedConvolution) -> dict[str, Any]:
    """What the browser starts from: the numbers, what Python made of them, and all texts."""
    shown = part(e)
    window = e.windows.index(e.chosen) if e.chosen in e.windows else 0
    return {
        "lang": e.lang, "languages": list(LANGUAGES),
        "texts": {key: text for key, text in TABLES.items() if not key.startswith(ELSEWHERE)},
        "call": e.call, "facts": facts(e) if shown["frame"] else None, **shown,
        "start": {"n": e.sample - e.samples[0], "o": e.outs.index(e.out_channel), "step": window},
        "relu": e.relu, "gradient": GRADIENT,
        "lesson": {"shape": [1, 1, 5, 5], "kernel": [1, 3, 3], "stride": [1, 1],
                   "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1,
                   "padding_mode": "zeros", "x": np.ravel(X).tolist(), "w": np.ravel(W).tolist(),
                   "b": None, "g": None},
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
        style=compact(*STYLES), data=script_json(data(e)), script=compact(*SCRIPTS))


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
