"""A training run as one page: curves, gradients, kernels, feature maps, and what was mistaken for
what.

The report shares the style of the explainer. Nothing on it needs a script but the switches of
language and light.
"""
from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from .page import document, frame, read
from .report_charts import curves, gradient_table
from .report_elements import element, label, percent
from .report_pictures import confusion_table, kernels, maps, mistakes
from .sentences import number
from .texts import LANGUAGES, Texts, both, same, say
from .training import TrainingRun


class TrainingReport(TrainingRun):
    """What `tinynet.explain.report` returns. Save it as a page, look at it in a notebook, print it.

    `guesses` (N,) holds the class that the model chooses for each image, `certainty` (N,) its
    probability; `confusion` (K, K) counts the images of each true class (row) by guess (column).
    All are numpy arrays.
    """

    def html(self) -> str:
        """The report as one HTML element for a page of your own; several on one page do not
        clash."""
        lang, button = self.lang, 'type="button"'
        theme = f'{button} class="tn-theme" {label(lang, both("theme"))}'
        facts = "".join(f"<div>{element(lang, 'dt', title)}{element(lang, 'dd', text)}</div>"
                        for title, text in self.summary())
        chapters = (curves, gradient_table, kernels, maps, confusion_table, mistakes)
        return Template(read("report.html")).substitute(
            lang=lang, languages=html.escape(json.dumps(list(LANGUAGES))),
            style=read("page.css", "report.css"), title=element(lang, "h1", both("report.title")),
            name=html.escape(self.name), facts=facts,
            language=element(lang, "button", both("language"), f'{button} class="tn-language"'),
            theme=element(lang, "button", same("◐"), theme),
            chapters="\n".join(chapter(self) for chapter in chapters), script=read("report.js"))

    def summary(self) -> list[tuple[Texts, Texts]]:
        """The lines of the header: a title and its text, each in every language."""
        right, count = int(np.trace(self.confusion)), len(self.labels)
        parameters = sum(math.prod(shape) for _, shape in self.parameters)
        lines = [(both("report.test"), both("report.of", part=percent(right / count),
                                            right=f"{right:,}", count=f"{count:,}")),
                 (both("fact.parameters"), same(f"{parameters:,}"))]
        if self.accuracy:
            lines.append((both("report.epochs"), same(number(self.accuracy[-1][0]))))
        if self.loss:
            seen, loss = self.loss[-1]
            lines.append((both("report.last_loss"),
                          both("report.after", loss=number(loss), seen=f"{seen:,.0f}")))
        return lines

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as one self-contained HTML file and return its path."""
        path = Path(path)
        title = f"{say(self.lang, 'report.title')}: {self.name}"
        path.write_text(document(title, self.lang, self.html()), encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        title = say(self.lang, "report.title")
        return frame(title, document(title, self.lang, self.html()))

    def __repr__(self) -> str:
        column = list(LANGUAGES).index(self.lang)
        lines = [f"{title[column]}: {text[column]}" for title, text in self.summary()]
        return "\n".join([self.name, *lines])


def report(model: Any, images: Any, labels: Any, *, loss: Iterable[Any] = (),
           accuracy: Iterable[Any] = (), gradients: Mapping[str, Iterable[Any]] | None = None,
           classes: Sequence[str] | None = None, sample: int = 0, name: str | None = None,
           lang: str = "en", kernels: Iterable[Any] = ()) -> TrainingReport:
    """Report on a classifier of images and on how it was trained.

    Args:
        model: the trained module; it maps images (N, C, H, W) to scores (N, K), which are logits
            or log-probabilities.
        images: the test images as the model gets them, (N, C, H, W).
        labels: their classes, whole numbers (N,).
        loss: pairs (images seen, loss of a training batch).
        accuracy: pairs (epoch, share of the test images guessed right, 0 to 1).
        gradients: for names of parameters, pairs (images seen, norm of the gradient).
        classes: K names; None: 0 … K−1.
        sample: the image that is followed through the convolutions.
        name: the title; None: the model's type.
        lang: "en" or "zh", the language shown first (the page has a switch).
        kernels: pairs (images seen, weight of the first nn.Conv2d at that time), in order. A slider
            goes through them, so that one sees the kernels form.

    The model runs once over all images, in eval mode and without gradients; its modules keep their
    modes. The page leaves out what was not recorded (an empty `loss`, no `gradients`) and what a
    model without `nn.Conv2d` doesn't have. Images of one channel are drawn as ink, of three as
    colours; of others the first channel is shown.

    Raises TypeError unless `model` is a module, ValueError for arguments that don't fit together.

    >>> import tinynet
    >>> _ = tinynet.manual_seed(0)
    >>> conv, linear = tinynet.nn.Conv2d(1, 2, 3), tinynet.nn.Linear(8, 2)
    >>> model = tinynet.nn.Sequential(conv, tinynet.nn.Flatten(), linear)
    >>> r = tinynet.explain.report(model, tinynet.zeros(3, 1, 4, 4), tinynet.tensor([0, 1, 1]))
    >>> r.confusion.sum()
    np.int64(3)
    """
    return TrainingReport(model, images, labels, loss, accuracy, gradients, classes, sample, name,
                          lang, kernels)
