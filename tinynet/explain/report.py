"""A training run as one page: curves, gradients, filters, what one image becomes, and what was taken for what.

It has the explainer's look and shares its style; nothing on it needs a script but the switches of language and light.
"""
from __future__ import annotations

import base64
import html
import json
import math
import os
import statistics
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F

from .page import document, read
from .sentences import number as finite_number
from .texts import LANGUAGES, both, say

Points = list[tuple[float, float]]
Texts = tuple[str, ...]                      # one text in every language

BATCH = 500                                  # images that the model gets at a time
MOST_KERNELS, MOST_MAPS, MOST_LAYERS, MOST_WRONG, MOST_ROWS, MOST_CURVE = 32, 32, 6, 48, 20, 1000     # shown at most
WIDTH, HEIGHT = 440.0, 250.0                 # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 52.0, 16.0, 14.0, 40.0
NOISE = 1e-5                                 # a gradient smaller than this part of the largest is rounding
SHADES = 15                                  # steps of colour from nothing to full
INK = [(0, 0, 0, round(255 * k / SHADES)) for k in range(SHADES + 1)]
# Transparent at 0, so that the page shows through and the same picture suits light and dark.
SIGNED = [(*((40, 115, 230) if k < 0 else (225, 60, 45)), round(255 * abs(k) / SHADES)) for k in range(-SHADES, SHADES + 1)]


class TrainingReport:
    """What `tinynet.explain.report` returns. Save it as a page, look at it in a notebook, or print it.

    `guesses` (N,) and `certainty` (N,) say what the model takes each image for, and with which probability;
    `confusion` (K, K) counts the images of each true class (row) by guess (column). All are numpy arrays.
    """

    def __init__(self, model: Any, images: Any, labels: Any, loss: Iterable[Any], accuracy: Iterable[Any],
                 gradients: Mapping[str, Iterable[Any]] | None, classes: Sequence[str] | None, sample: int, name: str | None,
                 lang: str):
        if not isinstance(model, tinynet.nn.Module):
            raise TypeError(f"report: model is a {type(model).__name__}; it must be an nn.Module that maps images (N, C, H, W) to "
                            "scores (N, K)")
        for what, value, dim in (("images", images, 4), ("labels", labels, 1)):
            if not isinstance(value, tinynet.Tensor) or value.dim() != dim:
                given = f"shape {tuple(value.shape)}" if isinstance(value, tinynet.Tensor) else f"type {type(value).__name__}"
                raise ValueError(f"report: {what} has {given}; it must be a tensor {('(N,)', '(N, C, H, W)')[dim == 4]}")
        if not 0 < len(images) == len(labels):
            raise ValueError(f"report: {len(images)} images and {len(labels)} labels; there must be as many of both, and at least one")
        if not -len(images) <= sample < len(images):
            raise ValueError(f"report: sample={sample}, but there are {len(images)} images")
        if lang not in LANGUAGES:
            raise ValueError(f"report: lang={lang!r}; it must be one of {sorted(LANGUAGES)}")
        self.name = type(model).__name__ if name is None else name
        self.lang, self.sample = lang, sample % len(images)
        self.loss, self.accuracy = points("loss", loss), points("accuracy", accuracy)
        self.gradients = {key: points(f"gradients[{key!r}]", norms) for key, norms in (gradients or {}).items()}
        self.parameters = [(key, tuple(p.shape)) for key, p in model.named_parameters()]
        if unknown := self.gradients.keys() - dict(self.parameters).keys():
            raise ValueError(f"report: gradients of {sorted(unknown)}; the model's parameters are "
                             f"{', '.join(key for key, _ in self.parameters)}")

        self.images, self.labels = as_numpy(images), as_numpy(labels)
        scores = run(model, images)
        if scores.ndim != 2 or scores.dtype.kind != "f":
            raise ValueError(f"report: the model returned shape {scores.shape} of {scores.dtype}; it must return a score for each "
                             "class, (N, K)")
        count = scores.shape[1]
        if self.labels.dtype.kind not in "iu" or self.labels.min() < 0 or self.labels.max() >= count:
            raise ValueError(f"report: labels are {self.labels.dtype} from {self.labels.min()} to {self.labels.max()}; they must be "
                             f"whole numbers of classes, 0 to {count - 1}")
        if classes is not None and len(classes) != count:
            raise ValueError(f"report: {len(classes)} classes are named, but the model has {count}")
        self.classes = [str(k) for k in range(count)] if classes is None else [str(c) for c in classes]
        self.guesses = scores.argmax(1)
        with tinynet.no_grad():
            self.certainty = as_numpy(F.softmax(tinynet.tensor(scores), 1).amax(1))
        self.confusion = np.zeros((count, count), dtype=np.int64)
        np.add.at(self.confusion, (self.labels, self.guesses), 1)
        wrong = np.flatnonzero(self.guesses != self.labels)
        self.wrong = wrong[np.argsort(-self.certainty[wrong], kind="stable")]

        self.maps = feature_maps(model, images[self.sample:self.sample + 1])
        first = next(((key, m) for key, m in model.named_modules() if isinstance(m, tinynet.nn.Conv2d)), None)
        self.first_conv = None if first is None else (first[0], as_numpy(first[1].weight))

    def html(self) -> str:
        """The report as one HTML element, to be put into a page of your own; several on one page do not clash."""
        chapters = [curves(self), gradient_table(self), kernels(self), maps(self), confusion_table(self), mistakes(self)]
        return Template(read("report.html")).substitute(
            lang=self.lang, languages=html.escape(json.dumps(list(LANGUAGES))), style=read("page.css") + read("report.css"),
            title=element(self, "h1", both("report.title")), name=html.escape(self.name), facts=facts(self),
            language=element(self, "button", both("language"), 'type="button" class="tn-language"'),
            theme=element(self, "button", ("◐",) * len(LANGUAGES), f'type="button" class="tn-theme" {label(self, both("theme"))}'),
            chapters="\n".join(chapters), script=read("report.js"))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as one self-contained HTML file and return its path."""
        path = Path(path)
        path.write_text(document(f"{say(self.lang, 'report.title')}: {self.name}", self.lang, self.html()), encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        page = html.escape(document(say(self.lang, "report.title"), self.lang, self.html()), quote=True)
        return (f'<iframe sandbox="allow-scripts" title="{html.escape(say(self.lang, "report.title"))}" srcdoc="{page}" '
                'style="width:100%;height:900px;border:1px solid #8888;border-radius:8px"></iframe>')

    def __repr__(self) -> str:
        column = list(LANGUAGES).index(self.lang)
        return "\n".join([self.name, *(f"{title[column]}: {text[column]}" for title, text in summary(self))])


def report(model: Any, images: Any, labels: Any, *, loss: Iterable[Any] = (), accuracy: Iterable[Any] = (),
           gradients: Mapping[str, Iterable[Any]] | None = None, classes: Sequence[str] | None = None, sample: int = 0,
           name: str | None = None, lang: str = "en") -> TrainingReport:
    """Report on a classifier of images and on how it was trained.

    Args:
        model: the trained module; it maps images (N, C, H, W) to scores (N, K): logits or log-probabilities.
        images, labels: the test images as the model gets them, (N, C, H, W), and their classes, (N,).
        loss: pairs (images seen, loss of a training batch).
        accuracy: pairs (epoch, part of the test images read correctly, 0 to 1).
        gradients: for names of parameters, pairs (images seen, norm of the gradient).
        classes: K names; None: 0 … K−1.
        sample: the image whose way through the convolutions is shown.
        name: the title; None: the model's type.
        lang: "en" or "zh", the language shown first (the page has a switch).

    The model runs here once over all images, in eval mode and without gradients, and is left in the mode it was in. What
    was not recorded (an empty `loss`, no `gradients`) and what a model without `nn.Conv2d` doesn't have is not on the page.
    Images of one channel are drawn as ink, of three as colours; of others the first channel is shown.

    Raises TypeError unless `model` is a module, ValueError for anything that doesn't fit together.

    >>> import tinynet
    >>> _ = tinynet.manual_seed(0)
    >>> model = tinynet.nn.Sequential(tinynet.nn.Conv2d(1, 2, 3), tinynet.nn.Flatten(), tinynet.nn.Linear(8, 2))
    >>> r = tinynet.explain.report(model, tinynet.zeros(3, 1, 4, 4), tinynet.tensor([0, 1, 1]))
    >>> r.confusion.sum()
    np.int64(3)
    """
    return TrainingReport(model, images, labels, loss, accuracy, gradients, classes, sample, name, lang)


# -- from the run to numbers ----------------------------------------------------------------------------------------

def as_numpy(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().cpu().array)


def points(what: str, pairs: Iterable[Any]) -> Points:
    try:
        return [(float(x), float(y)) for x, y in pairs]
    except (TypeError, ValueError) as error:
        raise ValueError(f"report: {what} must be pairs of numbers: {error}") from error


def evaluating(model: Any, work: Callable[[], Any]) -> Any:
    """What `work` returns while the model is in eval mode and no gradient is recorded; then each module's mode as before."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with tinynet.no_grad():
            return work()
    finally:
        for module, training in before:
            module.training = training


def forward(model: Any, images: Any) -> Any:
    parameter = next(model.parameters(), None)
    return model(images if parameter is None else images.to(parameter.device))


def run(model: Any, images: Any) -> np.ndarray:
    def work() -> np.ndarray:
        return np.concatenate([as_numpy(forward(model, images[k:k + BATCH])) for k in range(0, len(images), BATCH)])

    return np.asarray(evaluating(model, work))


def feature_maps(model: Any, image: Any) -> dict[str, np.ndarray]:
    """What each convolution makes of one image, (O, OH, OW) by its path, in the order in which they ran."""
    found: dict[str, np.ndarray] = {}
    hooks = []

    def keep(path: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            found[path] = as_numpy(output)[0]
        return hook

    for path, module in model.named_modules():
        if isinstance(module, tinynet.nn.Conv2d):
            hooks.append(module.register_forward_hook(keep(path)))
    try:
        evaluating(model, lambda: forward(model, image))
    finally:
        for hook in hooks:
            hook.remove()
    return found


# -- texts in two languages -----------------------------------------------------------------------------------------

def plain(text: str) -> Texts:
    return (text,) * len(LANGUAGES)


def languages(attribute: str, texts: Texts) -> str:
    """All languages of a text in a data attribute, for the switch; nothing if they are the same."""
    return "" if len(set(texts)) == 1 else f' data-{attribute}="{html.escape(json.dumps(texts, ensure_ascii=False))}"'


def element(e: TrainingReport, tag: str, texts: Texts, more: str = "") -> str:
    """An element with one text, in the language that is shown first."""
    shown = html.escape(texts[list(LANGUAGES).index(e.lang)])
    return f"<{tag}{' ' + more if more else ''}{languages('say', texts)}>{shown}</{tag}>"


def label(e: TrainingReport, texts: Texts, attribute: str = "aria-label") -> str:
    """An attribute with one text, in the language that is shown first."""
    return f'{attribute}="{html.escape(texts[list(LANGUAGES).index(e.lang)])}"{languages(attribute, texts)}'


def number(value: float) -> str:
    return finite_number(value) if math.isfinite(value) else str(float(value))


def percent(part: float) -> str:
    return f"{100 * part:.4g}%"


def chapter(e: TrainingReport, title: Texts, lead: Texts | None, *body: str) -> str:
    said = "" if lead is None else element(e, "p", lead, 'class="tn-note"')
    return f'<section class="tn-chapter">{element(e, "h2", title)}{said}{"".join(body)}</section>'


def table(e: TrainingReport, caption: Texts, heads: list[str], rows: Iterable[str], kind: str = "", titled: bool = False) -> str:
    """A table that scrolls inside its place where that is too narrow. Its caption is seen if `titled`, else only read aloud."""
    title = element(e, "caption", caption) if titled else ""
    return (f'<div class="tn-scroll {kind}" tabindex="0" role="group" {label(e, caption)}><table>{title}'
            f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table></div>")


def heads(e: TrainingReport, *texts: Texts) -> list[str]:
    return [element(e, "th", text, 'scope="col"') for text in texts]


def folded(e: TrainingReport, title: Texts, *body: str) -> str:
    return f'<details class="tn-static">{element(e, "summary", title)}<div class="tn-tables">{"".join(body)}</div></details>'


def summary(e: TrainingReport) -> list[tuple[Texts, Texts]]:
    right, count = int(np.trace(e.confusion)), len(e.labels)
    lines = [(both("report.test"), both("report.of", part=percent(right / count), right=f"{right:,}", count=f"{count:,}")),
             (both("fact.parameters"), plain(f"{sum(math.prod(shape) for _, shape in e.parameters):,}"))]
    if e.accuracy:
        lines.append((both("report.epochs"), plain(number(e.accuracy[-1][0]))))
    if e.loss:
        lines.append((both("report.last_loss"), both("report.after", loss=number(e.loss[-1][1]), seen=f"{e.loss[-1][0]:,.0f}")))
    return lines


def facts(e: TrainingReport) -> str:
    return "".join(f"<div>{element(e, 'dt', title)}{element(e, 'dd', text)}</div>" for title, text in summary(e))


# -- charts ---------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high`, drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self, whole: bool = False) -> list[float]:
        """Round numbers: 1, 2 or 5 times a power of ten."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for steps in ((1, 2, 5), (1,)):
                found = [m * 10.0 ** k for k in powers for m in steps if self.low <= m * 10.0 ** k <= self.high]
                if 2 <= len(found) <= 7:
                    return found
            if len(found) > 7:
                return found[::math.ceil(len(found) / 7)]
        span = self.high - self.low
        size = 10.0 ** math.floor(math.log10(span / 4))
        step = next(m * size for m in (1, 2, 5, 10) if span / (m * size) <= 6)
        step = max(1.0, step) if whole else step
        return [k * step for k in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]


def scale(values: list[float], start: float, end: float, log: bool = False, margin: float = 0.06) -> Scale:
    """A scale that all `values` fit on with a margin, also when they are all the same."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** margin, 1.05)
        return Scale(low / room, high * room, start, end, True)
    room = (high - low) * margin or abs(high) * 0.1 or 1.0
    return Scale(low - room, high + room, start, end)


def drawable(pairs: Points, log: bool) -> Points:
    """What can be drawn: no nan and inf, and on a logarithmic scale nothing below or at 0; thinned where it is too dense."""
    found = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log)]
    return thinned(found, MOST_CURVE)


def thinned(pairs: Points, most: int) -> Points:
    """Every second, third … of the pairs, so that there are at most about `most`; always with the first and the last."""
    every = max(1, math.ceil(len(pairs) / most))
    return pairs[::every] if (len(pairs) - 1) % every == 0 else [*pairs[::every], pairs[-1]]


def path(pairs: Points, x: Scale, y: Scale) -> str:
    return "M" + "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in pairs)


def smooth(pairs: Points) -> tuple[Points, int]:
    """Each value replaced by the mean of itself and its neighbours; and of how many at most."""
    reach = len(pairs) // 30
    means = [statistics.fmean(y for _, y in pairs[max(0, k - reach):k + reach + 1]) for k in range(len(pairs))]
    return [(x, mean) for (x, _), mean in zip(pairs, means, strict=True)], 2 * reach + 1


def axes(e: TrainingReport, x: Scale, y: Scale, x_label: Texts, form: Callable[[float], str], whole: bool) -> str:
    lines = [f'<path class="tn-rule" d="M{LEFT} {y(v):.1f}H{WIDTH - RIGHT}"/>'
             f'<text x="{LEFT - 7}" y="{y(v) + 4:.1f}" text-anchor="end">{form(v)}</text>' for v in y.ticks()]
    lines += [f'<text x="{x(v):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{v:,.10g}</text>' for v in x.ticks(whole)]
    lines.append(element(e, "text", x_label, f'x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}" text-anchor="middle" class="tn-axis"'))
    return f'<path class="tn-rule is-base" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>' + "".join(lines)


def chart(e: TrainingReport, kind: str, said: Texts, inside: str) -> str:
    return f'<svg class="tn-chart is-{kind}" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" {label(e, said)}>{inside}</svg>'


def listed(e: TrainingReport, caption: Texts, x: Texts, y: Texts, pairs: Points, form: Callable[[float], str]) -> str:
    lines = (f'<th scope="row">{a:,.10g}</th><td>{form(b)}</td>' for a, b in thinned(pairs, MOST_ROWS))
    return table(e, caption, heads(e, x, y), lines)


def curves(e: TrainingReport) -> str:
    cards = []
    loss, accuracy = drawable(e.loss, True), drawable(e.accuracy, False)
    seen, epoch = both("report.seen"), both("report.epoch")
    if loss:
        x = scale([a for a, _ in loss], LEFT, WIDTH - RIGHT, margin=0.02)
        y = scale([b for _, b in loss], HEIGHT - BOTTOM, TOP, True)
        mean, width = smooth(loss)
        said = both("report.loss_said", first=number(loss[0][1]), last=number(loss[-1][1]), count=len(loss), seen=f"{loss[-1][0]:,.0f}")
        drawn = chart(e, "loss", said, axes(e, x, y, seen, number, False) + f'<path class="tn-thin" d="{path(loss, x, y)}"/>'
                      f'<path class="tn-line" d="{path(mean, x, y)}"/>')
        note = both("report.loss_note", count=width)
        if len(drawable(e.loss, False)) < len(e.loss):
            note = tuple(" ".join(both_notes) for both_notes in zip(note, both("report.not_finite"), strict=True))
        cards.append((both("report.loss"), note, drawn, listed(e, both("report.loss"), seen, both("report.loss"), loss, number)))
    if accuracy:
        x = scale([a for a, _ in accuracy], LEFT, WIDTH - RIGHT)
        y = scale([b for _, b in accuracy], HEIGHT - BOTTOM, TOP, margin=0.2)
        last = accuracy[-1]
        rising = len(accuracy) == 1 or last[1] >= accuracy[-2][1]            # the line then comes from below, so write above it
        dots = "".join(f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="4"/>' for a, b in accuracy)
        said = both("report.accuracy_said", first=percent(accuracy[0][1]), last=percent(last[1]), count=len(accuracy),
                    best=percent(max(b for _, b in accuracy)))
        drawn = chart(e, "accuracy", said, axes(e, x, y, epoch, percent, True) + f'<path class="tn-line" d="{path(accuracy, x, y)}"/>{dots}'
                      f'<text class="tn-mark" x="{x(last[0]):.1f}" y="{y(last[1]) + (-11 if rising else 22):.1f}" text-anchor="end">'
                      f"{percent(last[1])}</text>")
        cards.append((both("report.accuracy"), both("report.accuracy_note"), drawn,
                      listed(e, both("report.accuracy"), epoch, both("report.accuracy"), accuracy, percent)))
    figures = "".join(f'<figure class="tn-card">{element(e, "h2", title)}{drawn}{element(e, "figcaption", note)}'
                      f"{folded(e, both('report.numbers'), numbers)}</figure>" for title, note, drawn, numbers in cards)
    return f'<div class="tn-charts">{figures}</div>' if cards else ""


def gradient_table(e: TrainingReport) -> str:
    shown = [(key, shape, drawable(e.gradients.get(key, []), True)) for key, shape in e.parameters]
    norms = [norm for _, _, pairs in shown for _, norm in pairs]
    if not norms:
        return ""
    least = max(norms) * NOISE
    x = scale([a for _, _, pairs in shown for a, _ in pairs], 2, 418, margin=0.005)
    y = scale([norm for norm in norms if norm >= least], 34, 4, True)
    rows = []
    for key, shape, pairs in shown:
        if key not in e.gradients:
            continue
        mine = [b for _, b in pairs]
        line = path([(a, b) for a, b in pairs if b >= least], x, y)
        course = f'<svg class="tn-spark" viewBox="0 0 420 38" preserveAspectRatio="none" aria-hidden="true"><path d="{line}"/></svg>'
        values = [number(v) for v in (mine[0], statistics.median(mine), mine[-1])] if mine else ["–"] * 3
        rows.append(f'<th scope="row">{html.escape(key)}</th><td>{course if line != "M" else element(e, "span", both("report.noise"))}</td>'
                    + "".join(f"<td>{value}</td>" for value in [*values, " × ".join(map(str, shape))]))
    titles = heads(e, *(both(f"report.{key}") for key in ("parameter", "course", "first", "median", "last", "shape")))
    return chapter(e, both("report.gradients"), both("report.gradients_lead"),
                   table(e, both("report.gradients"), titles, rows, "is-gradients"),
                   element(e, "p", both("report.gradients_note"), 'class="tn-note"'))


# -- pictures -------------------------------------------------------------------------------------------------------

def png(pixels: np.ndarray, palette: list[tuple[int, int, int, int]] | None = None) -> str:
    """A data URI with a PNG: numbers (H, W) of colours of the palette, or colours (H, W, 3). https://www.w3.org/TR/png/"""
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = pixels.shape[:2]
    colours = b""
    if palette is not None:
        colours = chunk(b"PLTE", bytes(v for colour in palette for v in colour[:3])) + chunk(b"tRNS", bytes(c[3] for c in palette))
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels, dtype=np.uint8))
    file = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2 if palette is None else 3, 0, 0, 0))
            + colours + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(file).decode()


def image(e: TrainingReport, source: str, shape: tuple[int, ...], said: Texts, kind: str, wanted: int = 60) -> str:
    height, width = shape[:2]
    zoom = max(1, round(wanted / max(height, width)))            # whole, so that all pixels come out alike
    return f'<img class="{kind}" src="{source}" width="{width * zoom}" height="{height * zoom}" {label(e, said, "alt")}>'


def signed(e: TrainingReport, values: np.ndarray, most: float, said: Texts) -> str:
    """Numbers (H, W) as red and blue, full at ±most."""
    finite = np.nan_to_num(values / (most or 1.0), posinf=1.0, neginf=-1.0)
    return image(e, png(SHADES + np.rint(SHADES * finite).clip(-SHADES, SHADES), SIGNED), values.shape, said, "tn-signed")


def photo(e: TrainingReport, k: int, said: Texts, wanted: int = 60) -> str:
    """Test image number k, on the scale from the smallest to the largest number of all."""
    low, high = float(np.nanmin(e.images)), float(np.nanmax(e.images))
    part = np.nan_to_num((e.images[k] - low) / ((high - low) or 1.0)).clip(0, 1)
    if len(part) == 3:
        return image(e, png(np.rint(255 * part).transpose(1, 2, 0)), part.shape[1:], said, "tn-photo", wanted)
    return image(e, png(np.rint(SHADES * part[0]), INK), part.shape[1:], said, "tn-photo is-ink", wanted)


def pictures(items: Iterable[tuple[str, str]]) -> str:
    return '<ul class="tn-pictures">' + "".join(f"<li>{picture}{below}</li>" for picture, below in items) + "</ul>"


def shown_of(e: TrainingReport, shown: int, count: int, what: str) -> str:
    return element(e, "p", both("note.tabs", shown=shown, all=count, what=both(what)), 'class="tn-note"') if shown < count else ""


def span(values: np.ndarray) -> dict[str, str]:
    return {"low": number(values.min()), "high": number(values.max())}


def kernels(e: TrainingReport) -> str:
    if e.first_conv is None:
        return ""
    name, weight = e.first_conv
    most = float(np.abs(weight).max())
    every = [(o, c) for o in range(weight.shape[0]) for c in range(weight.shape[1])]
    shown = every[:MOST_KERNELS]
    named = [f"{o}" if weight.shape[1] == 1 else f"{o}, {c}" for o, c in shown]
    drawn = pictures((signed(e, weight[o, c], most, both("report.kernel", name=text, **span(weight[o, c]))), f"<span>{text}</span>")
                     for (o, c), text in zip(shown, named, strict=True))
    columns = ["<td></td>", *(f'<th scope="col">{q}</th>' for q in range(weight.shape[3]))]
    tables = "".join(table(e, plain(f"{name}.weight[{o}, {c}]"), columns,
                           (f'<th scope="row">{r}</th>' + "".join(f"<td>{number(v)}</td>" for v in row)
                            for r, row in enumerate(weight[o, c])), titled=True) for o, c in shown)
    return chapter(e, both("report.kernels", name=name), both("report.kernels_lead", most=number(most)), drawn,
                   shown_of(e, len(shown), len(every), "report.what_kernels"), folded(e, both("report.numbers"), tables))


def maps(e: TrainingReport) -> str:
    if not e.maps:
        return ""
    k = e.sample
    texts = {"truth": e.classes[e.labels[k]], "guess": e.classes[e.guesses[k]], "part": percent(e.certainty[k])}
    blocks = []
    for name, values in list(e.maps.items())[:MOST_LAYERS]:
        finite = values[np.isfinite(values)]
        most = float(np.abs(finite).max()) if finite.size else 0.0
        drawn = pictures((signed(e, channel, most, both("report.map", name=name, channel=o, **span(channel))), f"<span>{o}</span>")
                         for o, channel in enumerate(values[:MOST_MAPS]))
        blocks.append(element(e, "h3", both("report.layer", name=name, shape=" × ".join(map(str, values.shape)), most=number(most)))
                      + drawn + shown_of(e, min(len(values), MOST_MAPS), len(values), "what.out_channels"))
    what = photo(e, k, both("report.image", k=k, truth=texts["truth"]), 120)
    more = shown_of(e, min(len(e.maps), MOST_LAYERS), len(e.maps), "report.what_layers")
    return chapter(e, both("report.maps"), both("report.maps_lead", k=k, **texts),
                   f'<div class="tn-way"><div class="tn-start">{what}</div><div>{"".join(blocks)}{more}</div></div>')


# -- what was taken for what ----------------------------------------------------------------------------------------

def confusion_table(e: TrainingReport) -> str:
    corner = element(e, "td", both("report.corner"))
    titles = [corner, *(f'<th scope="col">{html.escape(name)}</th>' for name in e.classes), *heads(e, both("report.found"))]
    totals = e.confusion.sum(1)
    most = int((e.confusion - np.diag(np.diag(e.confusion))).max()) or 1
    rows = []
    for truth, (name, row) in enumerate(zip(e.classes, e.confusion.tolist(), strict=True)):
        cells = []
        for guess, count in enumerate(row):
            share = count / max(int(totals[truth]), 1) if guess == truth else count / most
            kind = "is-right" if guess == truth else "is-wrong" if count else "is-none"
            cells.append(f'<td class="{kind}" style="--share:{share:.2f}">{count:,}</td>')
        found = percent(round(row[truth] / int(totals[truth]), 3)) if totals[truth] else "–"
        rows.append(f'<th scope="row">{html.escape(name)}</th>{"".join(cells)}<td>{found}</td>')
    return chapter(e, both("report.confusion"), both("report.confusion_lead"),
                   table(e, both("report.confusion"), titles, rows, "is-confusion"))


def mistakes(e: TrainingReport) -> str:
    if not len(e.wrong):
        return chapter(e, both("report.wrong_none"), None)
    shown = e.wrong[:MOST_WRONG].tolist()
    taken = [both("report.taken", truth=e.classes[e.labels[k]], guess=e.classes[e.guesses[k]]) for k in shown]
    drawn = pictures((photo(e, k, both("report.image", k=k, truth=e.classes[e.labels[k]]), 56),
                      element(e, "span", text) + f"<small>{percent(round(float(e.certainty[k]), 3))}</small>")
                     for k, text in zip(shown, taken, strict=True))
    return chapter(e, both("report.wrong", count=f"{len(e.wrong):,}", all=f"{len(e.labels):,}"), both("report.wrong_lead"), drawn,
                   shown_of(e, len(shown), len(e.wrong), "report.what_wrong"))
