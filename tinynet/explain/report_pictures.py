"""The pictures of a training report: kernels, feature maps, images; and the table of guesses."""
from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Iterable

import numpy as np

from . import report_elements as parts
from .report_kept import largest_weight, slider
from .sentences import number
from .texts import Texts, both, same
from .training import TrainingRun

MOST_KERNELS, MOST_MAPS, MOST_LAYERS, MOST_WRONG = 32, 32, 6, 48    # shown at most
PICTURE, WRONG_PICTURE, FIRST_PICTURE = 60, 56, 120                 # about so many pixels wide
SHADES = 15                                 # steps of colour from nothing to full
ALPHA = [round(255 * k / SHADES) for k in range(SHADES + 1)]
# Colours are transparent at 0, so the page shows through and one picture suits light and dark.
INK = [(0, 0, 0, alpha) for alpha in ALPHA]
BLUE, RED = (40, 115, 230), (225, 60, 45)
SIGNED = [(*BLUE, alpha) for alpha in ALPHA[:0:-1]] + [(*RED, alpha) for alpha in ALPHA]


# -- pictures --------------------------------------------------------------------------------------

def png(pixels: np.ndarray, palette: list[tuple[int, int, int, int]] | None = None) -> str:
    """A data URI with a PNG: numbers (H, W) of colours of the palette, or colours (H, W, 3).

    https://www.w3.org/TR/png/
    """
    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    height, width = pixels.shape[:2]
    colour_type = 2 if palette is None else 3
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))]
    if palette is not None:
        colours = np.array(palette, dtype=np.uint8)
        chunks.append(chunk(b"PLTE", colours[:, :3].tobytes()))
        chunks.append(chunk(b"tRNS", colours[:, 3].tobytes()))
    rows = np.ascontiguousarray(pixels, dtype=np.uint8)
    stream = b"".join(b"\0" + row.tobytes() for row in rows)            # each row without a filter
    chunks += [chunk(b"IDAT", zlib.compress(stream, 9)), chunk(b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    return "data:image/png;base64," + base64.b64encode(file).decode()


def image(lang: str, source: str, shape: tuple[int, ...], said: Texts, kind: str,
          wanted: int = PICTURE) -> str:
    height, width = shape[:2]
    zoom = max(1, round(wanted / max(height, width)))       # whole, so all pixels look alike
    return (f'<img class="{kind}" src="{source}" width="{width * zoom}" '
            f'height="{height * zoom}" {parts.label(lang, said, "alt")}>')


def signed(lang: str, values: np.ndarray, most: float, said: Texts) -> str:
    """Numbers (H, W) as red and blue, full at ±most."""
    finite = np.nan_to_num(values / (most or 1.0), posinf=1.0, neginf=-1.0)
    shades = np.rint(SHADES * finite).clip(-SHADES, SHADES)
    return image(lang, png(SHADES + shades, SIGNED), values.shape, said, "tn-signed")


def photo(e: TrainingRun, k: int, said: Texts, wanted: int = PICTURE) -> str:
    """Test image number k, on the scale from the smallest to the largest number of all images."""
    low, high = float(np.nanmin(e.images)), float(np.nanmax(e.images))
    values = np.nan_to_num((e.images[k] - low) / ((high - low) or 1.0)).clip(0, 1)
    if len(values) == 3:
        source, kind = png(np.rint(255 * values).transpose(1, 2, 0)), "tn-photo"
    else:
        source, kind = png(np.rint(SHADES * values[0]), INK), "tn-photo is-ink"
    return image(e.lang, source, values.shape[1:], said, kind, wanted)


def pictures(items: Iterable[tuple[str, str]]) -> str:
    """A list of pictures, each with something below."""
    listed = "".join(f"<li>{picture}{below}</li>" for picture, below in items)
    return f'<ul class="tn-pictures">{listed}</ul>'


def ends(values: np.ndarray) -> dict[str, str]:
    return {"low": number(values.min()), "high": number(values.max())}


# -- chapters --------------------------------------------------------------------------------------

def kernels(e: TrainingRun) -> str:
    """The kernels of the first convolution, as pictures and as numbers."""
    if e.first_conv is None:
        return ""
    name, weight = e.first_conv
    most = largest_weight(e, weight)
    places = [(o, c) for o in range(weight.shape[0]) for c in range(weight.shape[1])]
    heads = ["<td></td>", *(parts.column_head(str(q)) for q in range(weight.shape[3]))]
    items, tables = [], []
    for o, c in places[:MOST_KERNELS]:
        kernel, text = weight[o, c], f"{o}" if weight.shape[1] == 1 else f"{o}, {c}"
        said = both("report.kernel", name=text, **ends(kernel))
        items.append((signed(e.lang, kernel, most, said), f"<span>{text}</span>"))
        rows = (parts.row_head(str(r)) + parts.data_cells(map(number, row))
                for r, row in enumerate(kernel))
        title = same(f"{name}.weight[{o}, {c}]")
        tables.append(parts.table(e.lang, title, heads, rows, titled=True))
    return parts.chapter(e.lang, both("report.kernels", name=name),
                         both("report.kernels_lead", most=number(most)),
                         f'<div class="tn-kernels">{pictures(items)}',
                         slider(e, places[:MOST_KERNELS], most), "</div>",
                         parts.part_shown(e.lang, len(items), len(places), "report.what_kernels"),
                         parts.folded(e.lang, both("report.numbers"), *tables))


def maps(e: TrainingRun) -> str:
    """What each convolution makes of one image."""
    if not e.maps:
        return ""
    k = e.sample
    blocks = [feature_map(e, name, e.maps[name]) for name in list(e.maps)[:MOST_LAYERS]]
    blocks.append(parts.part_shown(e.lang, len(blocks), len(e.maps), "report.what_layers"))
    start = photo(e, k, both("report.image", k=k, truth=e.truth(k)), FIRST_PICTURE)
    lead = both("report.maps_lead", k=k, truth=e.truth(k), guess=e.guess(k),
                part=parts.percent(e.certainty[k]))
    return parts.chapter(e.lang, both("report.maps"), lead,
                         f'<div class="tn-way"><div class="tn-start">{start}</div>'
                         f'<div>{"".join(blocks)}</div></div>')


def feature_map(e: TrainingRun, name: str, values: np.ndarray) -> str:
    """The output channels of one convolution."""
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite).max()) if finite.size else 0.0
    items = []
    for o, channel in enumerate(values[:MOST_MAPS]):
        said = both("report.map", name=name, channel=o, **ends(channel))
        items.append((signed(e.lang, channel, most, said), f"<span>{o}</span>"))
    title = both("report.layer", name=name, shape=" × ".join(map(str, values.shape)),
                 most=number(most))
    return (parts.element(e.lang, "h3", title) + pictures(items)
            + parts.part_shown(e.lang, len(items), len(values), "what.out_channels"))


def confusion_table(e: TrainingRun) -> str:
    """How often each class was taken for each class."""
    title = both("report.confusion")
    heads = [parts.element(e.lang, "td", both("report.corner")),
             *(parts.column_head(html.escape(name)) for name in e.classes),
             *parts.column_heads(e.lang, both("report.found"))]
    totals = e.confusion.sum(1).tolist()
    most = int((e.confusion - np.diag(np.diag(e.confusion))).max()) or 1
    rows = []
    for truth, (name, row) in enumerate(zip(e.classes, e.confusion.tolist(), strict=True)):
        cells = []
        for guess, count in enumerate(row):
            shade = count / (max(totals[truth], 1) if guess == truth else most)
            kind = "is-right" if guess == truth else "is-wrong" if count else "is-none"
            cells.append(f'<td class="{kind}" style="--share:{shade:.2f}">{count:,}</td>')
        right = parts.percent(round(row[truth] / totals[truth], 3)) if totals[truth] else "–"
        rows.append(parts.row_head(html.escape(name)) + "".join(cells) + parts.data_cells([right]))
    return parts.chapter(e.lang, title, both("report.confusion_lead"),
                         parts.table(e.lang, title, heads, rows, "is-confusion"))


def mistakes(e: TrainingRun) -> str:
    """The images that were guessed wrong, the most certain guesses first."""
    if not len(e.wrong):
        return parts.chapter(e.lang, both("report.wrong_none"), None)
    items = []
    for k in e.wrong[:MOST_WRONG].tolist():
        said = both("report.image", k=k, truth=e.truth(k))
        text = both("report.taken", truth=e.truth(k), guess=e.guess(k))
        taken = parts.element(e.lang, "span", text)
        certainty = f"<small>{parts.percent(round(float(e.certainty[k]), 3))}</small>"
        items.append((photo(e, k, said, WRONG_PICTURE), taken + certainty))
    title = both("report.wrong", count=f"{len(e.wrong):,}", all=f"{len(e.labels):,}")
    return parts.chapter(e.lang, title, both("report.wrong_lead"), pictures(items),
                         parts.part_shown(e.lang, len(items), len(e.wrong), "report.what_wrong"))
