"""What `tinynet.explain.conv2d` and `tinynet.explain.layer` return: the same convolution as a page,
as text, in a notebook."""
from __future__ import annotations

import os
from pathlib import Path

from .page import document, facts, fragment, notebook
from .sentences import SPEAKERS
from .steps import MODES, SteppedConvolution
from .texts import LANGUAGES, check_language, say

FIRST_STEPS = 3             # steps that the text form prints


class Conv2dExplanation(SteppedConvolution):
    """One convolution explained: save it as a page, look at it in a notebook, print it, or read its
    `steps`.

    `y`, `dx`, `dw` and `db` hold the results as float64 numpy arrays (`db` also when the layer has
    no bias).
    """

    def steps(self, mode: str = "forward", lang: str | None = None, *, sample: int | None = None,
              out_channel: int | None = None, in_channel: int | None = None) -> list[str]:
        """The steps of one mode as plain sentences.

        Args:
            mode: "forward", "matrix", "dw", "dx" (each output pushes back), "dx_gather" (each input
                collects), "db" or "borders".
            lang: "en" or "zh"; None: the language of the explanation.
            sample, out_channel, in_channel: what to look at; None: the first one shown.

        Raises ValueError for a mode or a language that doesn't exist, and for a sample or a channel
        that isn't shown.
        """
        if mode not in MODES:
            raise ValueError(f"steps: mode={mode!r}; it must be one of {list(MODES)}")
        lang = self.lang if lang is None else lang
        check_language("steps", lang)
        n = self.sample if sample is None else sample
        o = self.outs[0] if out_channel is None else out_channel
        if n not in self.samples or o not in self.outs:
            raise ValueError(f"steps: sample={n}, out_channel={o}; only the samples "
                             f"{list(self.samples)} and the output channels {self.outs} are shown")
        c = self.ins(o)[0] if in_channel is None else in_channel
        if c not in self.ins(o):
            raise ValueError(f"steps: in_channel={c}; of output channel {o}, only the input "
                             f"channels {list(self.ins(o))} are shown")
        gap = "" if lang == "zh" else " "
        return [gap.join(say(lang, key, **slots) for key, slots in sentence)
                for sentence in SPEAKERS[mode](self, n, o, c)]

    def html(self) -> str:
        """The explainer as one HTML element for a page of your own; several on one page do not
        clash."""
        return fragment(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the explainer as one self-contained HTML file and return its path."""
        path = Path(path)
        path.write_text(self.page(), encoding="utf-8")
        return path

    def page(self) -> str:
        """The whole page as text, which `save` writes. Its address may name what it shows; the
        format stands in address.js: ``conv.html#mode=dx&step=3&lang=zh``."""
        return document(say(self.lang, "title"), self.lang, fragment(self))

    def _repr_html_(self) -> str:
        return notebook(self)

    def __repr__(self) -> str:
        column = list(LANGUAGES).index(self.lang)
        lines = [self.call] if self.name is None else [self.name, self.call]
        for fact in facts(self):
            label = say(self.lang, fact["label"])
            lines += [f"{label}: {line}" for line in fact["text"][column].split("    ")]
        for mode in ("forward", "dw", "dx"):
            steps = self.steps(mode)
            lines += ["", say(self.lang, "terminal.steps", mode=say(self.lang, f"mode.{mode}"))]
            lines += [f"  {k}. {step}" for k, step in enumerate(steps[:FIRST_STEPS], 1)]
            if (more := len(steps) - FIRST_STEPS) > 0:
                lines.append("  " + say(self.lang, "terminal.more", count=more, mode=mode))
        return "\n".join(lines)
