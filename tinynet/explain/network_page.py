"""From a network to HTML: its weights and images for the browser, pictures that need no script, and
one self-contained file."""
from __future__ import annotations

import base64
import html
import math
import zlib
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from . import report_elements as parts
from .network_layers import Layer, dims
from .page import compact, document, frame, read, script_json
from .report_pictures import INK, SHADES, SIGNED, png
from .sentences import number
from .texts import LANGUAGES, TEXTS, Texts, both, same, say

if TYPE_CHECKING:
    from .network import NetworkExplanation

Array = np.ndarray

SHEET = 240                 # pixels that a still picture of a layer is wide at most, before zooming


# -- numbers for the browser -----------------------------------------------------------------------

def packed(array: Array) -> dict[str, Any]:
    """Numbers without loss and as short as they allow: 16, 32 or 64 bits each, or bytes that are
    places in a table of at most 256 numbers."""
    flat: Array = np.ascontiguousarray(array, dtype=np.float64).reshape(-1)
    result: dict[str, Any] = {"shape": list(array.shape)}
    short = next(kind for kind in ("<f2", "<f4", "<f8")
                 if np.array_equal(flat.astype(kind).astype(np.float64), flat))
    known = np.unique(flat)
    if len(known) <= 256 and flat.size * np.dtype(short).itemsize > flat.size + 8 * len(known):
        result["table"] = encoded(known.astype("<f8"))
        flat, short = np.searchsorted(known, flat), "|u1"
    return {**result, "type": short[1:], "data": encoded(flat.astype(short))}


def encoded(array: Array) -> str:
    return base64.b64encode(array.tobytes()).decode()


def unpacked(entry: dict[str, Any]) -> Array:
    """The numbers that `packed` wrote; network_data.js does the same."""
    values = np.frombuffer(base64.b64decode(entry["data"]), "<" + entry["type"])
    if "table" in entry:
        values = np.frombuffer(base64.b64decode(entry["table"]), "<f8")[values]
    return values.astype(np.float64).reshape(entry["shape"])


def data(e: NetworkExplanation) -> dict[str, Any]:
    """All that the page needs to compute and to show, and sums to check its computing by."""
    return {
        "lang": e.lang, "languages": list(LANGUAGES), "classes": e.classes,
        "texts": {key: list(text) for key, text in TEXTS.items()
                  if key.startswith("network.") or key in ("theme", "language")},
        "shape": list(e.images.shape[1:]), "layers": [layer_data(layer) for layer in e.layers],
        "images": packed(e.images), "labels": e.labels,
        "low": float(e.images.min()), "high": float(e.images.max()),
        "expected": [expected(p) for p in e.passes],
    }


def layer_data(layer: Layer) -> dict[str, Any]:
    arrays = {**layer.parameters, **layer.constants}
    return {"kind": layer.kind, "path": layer.path, "shape": list(layer.shape),
            "settings": layer.settings, **{name: packed(a) for name, a in arrays.items()}}


def expected(p: Any) -> list[float]:
    """The loss, and the norms of all values and all gradients of one pass."""
    weights = [own[name] for own in p.parameters for name in ("weight", "bias") if name in own]
    arrays = [*p.values, *p.gradients, *weights]
    return [float(f"{v:.10g}") for v in (p.loss, *(float(np.linalg.norm(a)) for a in arrays))]


# -- without JavaScript ----------------------------------------------------------------------------

def maps(values: Array) -> Array:
    """Numbers of one layer as maps (C, H, W): a vector becomes one map, filled up with zeros."""
    if values.ndim == 3:
        return values
    width = math.ceil(math.sqrt(values.size))
    height = math.ceil(values.size / width)
    return np.pad(values, (0, width * height - values.size)).reshape(1, height, width)


def sheet(values: Array) -> Array:
    """The maps side by side in rows, with a line of nothing between."""
    channels, height, width = values.shape
    across = max(1, min(channels, math.ceil(math.sqrt(channels)), SHEET // (width + 1)))
    down = math.ceil(channels / across)
    result = np.zeros((down * (height + 1) - 1, across * (width + 1) - 1))
    for k, channel in enumerate(values):
        r, q = k // across * (height + 1), k % across * (width + 1)
        result[r:r + height, q:q + width] = channel
    return result


def picture(lang: str, values: Array, said: Texts, ink: bool = False) -> str:
    """A still picture of one layer: signed numbers in red and blue, with shades that grow with the
    square root, as on the live page; or an image as ink."""
    pixels = sheet(maps(values))
    if ink:
        low, high = pixels.min(), pixels.max()
        source = png(np.rint(SHADES * (pixels - low) / ((high - low) or 1.0)), INK)
    else:
        most = np.abs(pixels).max() or 1.0
        shades = np.sign(pixels) * np.sqrt(np.abs(pixels) / most)
        source = png(SHADES + np.rint(SHADES * shades), SIGNED)
    zoom = max(1, round(160 / max(pixels.shape)))
    height, width = (zoom * n for n in pixels.shape)
    kind = "tn-photo is-ink" if ink else "tn-signed"
    return (f'<img class="{kind}" src="{source}" width="{width}" height="{height}" '
            f'{parts.label(lang, said, "alt")}>')


def kind_name(layer: Layer | None) -> Texts:
    return both("network.kind.input" if layer is None else f"network.kind.{layer.kind}")


def stills(e: NetworkExplanation) -> str:
    """Pictures of everything that the first image makes, and the table of the scores."""
    first, items = e.passes[0], []
    rows = zip([None, *e.layers], first.values, first.gradients, strict=True)
    for layer, value, gradient in rows:
        if layer is not None and (layer.kind == "flatten" or layer is e.layers[-1]):
            continue
        cells = []
        for array, what in ((value, "network.values_of"), (gradient, "network.gradients_of")):
            said = both("network.look", name=kind_name(layer), shape=dims(array.shape),
                        what=both(what), low=number(array.min()), high=number(array.max()))
            is_image = layer is None and array is value and array.shape[0] == 1
            caption = parts.element(e.lang, "span", tuple(
                f"{text}: ±{number(np.abs(array).max())}" for text in both(what)))
            cells.append(f"<div>{picture(e.lang, array, said, is_image)}{caption}</div>")
        title = tuple(f"{text}  {dims(value.shape)}" for text in kind_name(layer))
        items.append(f"<li>{parts.element(e.lang, 'h3', title)}{''.join(cells)}</li>")
    heads = parts.column_heads(e.lang, both("network.class"), both("network.score"),
                               both("network.probability"), both("network.gradient"))
    table = []
    for k, name in enumerate(e.classes):
        values = (first.values[-1][k], first.probabilities[k], first.gradients[-1][k])
        table.append(parts.row_head(html.escape(name)) + parts.data_cells(map(number, values)))
    title = both("network.kind.loss")
    summary = parts.element(e.lang, "p", tuple(
        say(lang, "network.summary", guess=e.classes[first.guess], label=e.classes[first.label],
            part=parts.percent(round(float(first.probabilities.max()), 3)),
            loss=number(first.loss)) for lang in LANGUAGES))
    legend = parts.note(e.lang, both("network.legend"))
    return (f'{summary}<ul class="tn-net-stills">{"".join(items)}</ul>{legend}'
            + parts.table(e.lang, title, heads, table))


# -- HTML ------------------------------------------------------------------------------------------

def facts(e: NetworkExplanation) -> str:
    count = sum(a.size for layer in e.layers for a in layer.parameters.values())
    layers = " → ".join(layer.path for layer in e.layers)
    lines = [(both("network.layers"), same(layers)),
             (both("network.parameters"), same(f"{count:,}"))]
    return "".join(f"<div>{parts.element(e.lang, 'dt', title)}"
                   f"{parts.element(e.lang, 'dd', text)}</div>" for title, text in lines)


def fragment(e: NetworkExplanation) -> str:
    """The network as one element for any page; several on one page do not clash."""
    button = 'type="button"'
    theme = f'{button} class="tn-theme" {parts.label(e.lang, both("theme"))}'
    return Template(read("network.html")).substitute(
        lang=e.lang, style=read("page.css", "report.css", "network.css"),
        title=parts.element(e.lang, "h1", both("network.title")), name=html.escape(e.name),
        lead=parts.element(e.lang, "p", both("network.lead"), 'class="tn-net-lead"'),
        language=parts.element(e.lang, "button", both("language"),
                               f'{button} class="tn-language"'),
        theme=parts.element(e.lang, "button", same("◐"), theme),
        noscript=html.escape(say(e.lang, "network.noscript")), facts=facts(e),
        still=parts.element(e.lang, "summary", both("network.still")), stills=stills(e),
        data=script_json(data(e)),
        convolution=base64.b64encode(zlib.compress(convolution_page().encode(), 9)).decode(),
        script=compact("convolution.js", "address.js", "network_layers.js", "network_pictures.js",
                      "network_drawing.js", "network_near.js", "network.js"))


def convolution_page() -> str:
    """The page of `explain.conv2d`, into which the numbers around a cell are put."""
    from . import conv2d            # which imports this module
    return conv2d([[0.0] * 5] * 5, [[0.0] * 3] * 3).page()


def document_of(e: NetworkExplanation) -> str:
    return document(f"{say(e.lang, 'network.title')}: {e.name}", e.lang, fragment(e))


def notebook(e: NetworkExplanation) -> str:
    """The stills, which an untrusted notebook shows too, and the page in a frame."""
    summary = html.escape(say(e.lang, "network.still"))
    folded = f"<details><summary>{summary}</summary>{stills(e)}</details>"
    return folded + frame(say(e.lang, "network.title"), document_of(e))
