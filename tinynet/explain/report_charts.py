"""The charts of a training report: loss, accuracy and the norms of gradients."""
from __future__ import annotations

import html
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import report_elements as parts
from .sentences import number
from .texts import Texts, both
from .training import Points, TrainingRun

MOST_ROWS, MOST_CURVE = 20, 1000            # points shown at most, in a table and in a curve
WIDTH, HEIGHT = 440.0, 250.0                # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 52.0, 16.0, 14.0, 40.0
BASE, END = HEIGHT - BOTTOM, WIDTH - RIGHT
SPARK_WIDTH, SPARK_HEIGHT = 420, 64         # of a small chart in the table of gradients
MOST_SPARK, SPARK_TICKS = 300, 4            # its points and its rules at most
NOISE = 1e-5                                # a gradient smaller than this part of the largest


# -- scales ----------------------------------------------------------------------------------------

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
        """Round numbers: 1, 2 or 5 times a power of ten; whole ones if `whole`."""
        if self.log:
            powers = [10.0 ** k for k in range(math.floor(math.log10(self.low)),
                                               math.ceil(math.log10(self.high)) + 1)]
            for steps in ((1, 2, 5), (1,)):
                ticks = [m * power for power in powers for m in steps
                         if self.low <= m * power <= self.high]
                if 2 <= len(ticks) <= 7:
                    return ticks
            if len(ticks) > 7:
                return ticks[::math.ceil(len(ticks) / 7)]
        distance = self.high - self.low
        power = 10.0 ** math.floor(math.log10(distance / 4))
        step = next(m * power for m in (1, 2, 5, 10) if distance / (m * power) <= 6)
        step = max(1.0, step) if whole else step
        first, last = math.ceil(self.low / step), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def scale(values: list[float], start: float, end: float, log: bool = False,
          margin: float = 0.06) -> Scale:
    """A scale that all `values` fit on with a margin, even if they are all the same."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** margin, 1.05)
        return Scale(low / room, high * room, start, end, True)
    room = (high - low) * margin or abs(high) * 0.1 or 1.0
    return Scale(low - room, high + room, start, end)


# -- curves ----------------------------------------------------------------------------------------

def drawable(pairs: Points, log: bool) -> Points:
    """What can be drawn: finite values, positive ones on a logarithmic scale, thinned if dense."""
    finite = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    return thinned([(x, y) for x, y in finite if y > 0 or not log], MOST_CURVE)


def thinned(pairs: list[Any], most: int) -> list[Any]:
    """Every second, third … of the pairs, so that there are about `most`; always the first and the
    last."""
    every = max(1, math.ceil(len(pairs) / most))
    return pairs[::every] if (len(pairs) - 1) % every == 0 else [*pairs[::every], pairs[-1]]


def smooth(pairs: Points) -> tuple[Points, int]:
    """Each value replaced by the mean of itself and its neighbours; and of how many at most."""
    reach = len(pairs) // 30
    means = [statistics.fmean(y for _, y in pairs[max(0, k - reach):k + reach + 1])
             for k in range(len(pairs))]
    return [(x, mean) for (x, _), mean in zip(pairs, means, strict=True)], 2 * reach + 1


def path(pairs: Points, x: Scale, y: Scale) -> str:
    return "M" + "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in pairs)


def axes(lang: str, x: Scale, y: Scale, x_label: Texts, form: Callable[[float], str],
         whole: bool) -> str:
    """Rules and numbers of both axes; `form` writes the numbers of y."""
    lines = [f'<path class="tn-rule is-base" d="M{LEFT} {BASE}H{END}"/>']
    for v in y.ticks():
        lines.append(f'<path class="tn-rule" d="M{LEFT} {y(v):.1f}H{END}"/>'
                     f'<text x="{LEFT - 7}" y="{y(v) + 4:.1f}" text-anchor="end">{form(v)}</text>')
    for v in x.ticks(whole):
        lines.append(f'<text x="{x(v):.1f}" y="{BASE + 17}" text-anchor="middle">{v:,.10g}</text>')
    place = f'x="{(LEFT + END) / 2}" y="{HEIGHT - 5}" text-anchor="middle" class="tn-axis"'
    return "".join([*lines, parts.element(lang, "text", x_label, place)])


def figure(lang: str, kind: str, title: Texts, said: Texts, remark: Texts, drawing: str,
           numbers: str) -> str:
    """A chart with its title, a remark below, and its numbers as a table; `said` describes it to
    those who cannot see it."""
    return (f'<figure class="tn-card">{parts.element(lang, "h2", title)}'
            f'<svg class="tn-chart is-{kind}" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
            f"{parts.label(lang, said)}>{drawing}</svg>{parts.element(lang, 'figcaption', remark)}"
            f"{parts.folded(lang, both('report.numbers'), numbers)}</figure>")


def listed(lang: str, title: Texts, x: Texts, pairs: Points, form: Callable[[float], str]) -> str:
    rows = (parts.row_head(f"{a:,.10g}") + parts.data_cells([form(b)])
            for a, b in thinned(pairs, MOST_ROWS))
    return parts.table(lang, title, parts.column_heads(lang, x, title), rows)


def loss_scale(loss: Points) -> Scale:
    """The x axis of the loss."""
    return scale([a for a, _ in loss], LEFT, END, margin=0.02)


def loss_figure(e: TrainingRun, loss: Points) -> str:
    title, seen = both("report.loss"), both("report.seen")
    x = loss_scale(loss)
    y = scale([b for _, b in loss], BASE, TOP, log=True)
    mean, width = smooth(loss)
    drawing = (axes(e.lang, x, y, seen, number, False)
               + f'<path class="tn-thin" d="{path(loss, x, y)}"/>'
                 f'<path class="tn-line" d="{path(mean, x, y)}"/>'
                 f'<path class="tn-now" d="M0 {TOP}V{BASE}" visibility="hidden"/>')
    said = both("report.loss_said", first=number(loss[0][1]), last=number(loss[-1][1]),
                count=len(loss), seen=f"{loss[-1][0]:,.0f}")
    remark = both("report.loss_note", count=width) if width > 1 else both("report.loss_note_one")
    if len(drawable(e.loss, False)) < len(e.loss):
        remark = tuple(map(" ".join, zip(remark, both("report.not_finite"), strict=True)))
    return figure(e.lang, "loss", title, said, remark, drawing,
                  listed(e.lang, title, seen, loss, number))


def accuracy_figure(e: TrainingRun, accuracy: Points) -> str:
    title, epoch = both("report.accuracy"), both("report.epoch")
    x = scale([a for a, _ in accuracy], LEFT, END)
    y = scale([b for _, b in accuracy], BASE, TOP, margin=0.2)
    (last_x, last), values = accuracy[-1], [b for _, b in accuracy]
    # a rising line comes from below, so its last value is written above
    rising = len(values) == 1 or last >= values[-2]
    drawing = (axes(e.lang, x, y, epoch, parts.percent, True)
               + f'<path class="tn-line" d="{path(accuracy, x, y)}"/>'
               + "".join(f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="4"/>' for a, b in accuracy)
               + f'<text class="tn-mark" x="{x(last_x):.1f}" '
                 f'y="{y(last) + (-11 if rising else 22):.1f}" text-anchor="end">'
                 f"{parts.percent(last)}</text>")
    said = both("report.accuracy_said", first=parts.percent(values[0]), last=parts.percent(last),
                count=len(values), best=parts.percent(max(values)))
    return figure(e.lang, "accuracy", title, said, both("report.accuracy_note"), drawing,
                  listed(e.lang, title, epoch, accuracy, parts.percent))


def curves(e: TrainingRun) -> str:
    """Loss and accuracy side by side, as far as they were recorded."""
    loss, accuracy = drawable(e.loss, True), drawable(e.accuracy, False)
    figures = [loss_figure(e, loss)] if loss else []
    if accuracy:
        figures.append(accuracy_figure(e, accuracy))
    return f'<div class="tn-charts">{"".join(figures)}</div>' if figures else ""


def spark(pairs: Points, x: Scale, y: Scale) -> str:
    """A small chart: rules at round numbers, all values thin, their mean thick."""
    ticks = y.ticks()
    ticks = ticks[::math.ceil(len(ticks) / SPARK_TICKS)]
    rules = "".join(f'<path class="tn-rule" d="M0 {y(v):.1f}H{SPARK_WIDTH}"/>' for v in ticks)
    names = "".join(f'<i style="top:{100 * y(v) / SPARK_HEIGHT:.1f}%" data-at="{number(v)}"></i>'
                    for v in ticks)
    few = thinned(pairs, MOST_SPARK)
    mean = thinned(smooth(pairs)[0], MOST_SPARK)
    return (f'<div class="tn-spark-box" aria-hidden="true">{names}<svg class="tn-spark" '
            f'viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" preserveAspectRatio="none">{rules}'
            f'<path class="tn-thin" d="{path(few, x, y)}"/>'
            f'<path d="{path(mean, x, y)}"/></svg></div>')


def gradient_table(e: TrainingRun) -> str:
    """A row per parameter: the course of its gradient's norm, all on one scale."""
    curves = {key: drawable(pairs, True) for key, pairs in e.gradients.items()}
    seen = [a for pairs in curves.values() for a, _ in pairs]
    norms = [norm for pairs in curves.values() for _, norm in pairs]
    if not norms:
        return ""
    least = max(norms) * NOISE
    x = scale(seen, 2, SPARK_WIDTH - 2, margin=0.005)
    y = scale([norm for norm in norms if norm >= least], SPARK_HEIGHT - 5, 5, log=True)
    rows = []
    for key, shape in e.parameters:
        if key not in curves:
            continue
        own = [norm for _, norm in curves[key]]
        course = parts.element(e.lang, "span", both("report.noise"))
        if visible := [(a, norm) for a, norm in curves[key] if norm >= least]:
            course = spark(visible, x, y)
        values = [number(v) for v in (own[0], statistics.median(own), own[-1])] if own else "–––"
        rows.append(parts.row_head(html.escape(key))
                    + parts.data_cells([course, *values, " × ".join(map(str, shape))]))
    columns = ("parameter", "course", "first", "median", "last", "shape")
    heads = parts.column_heads(e.lang, *(both(f"report.{column}") for column in columns))
    title = both("report.gradients")
    return parts.chapter(e.lang, title, both("report.gradients_lead"),
                         parts.table(e.lang, title, heads, rows, "is-gradients"),
                         parts.note(e.lang, both("report.gradients_note")))
