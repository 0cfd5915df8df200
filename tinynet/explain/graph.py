"""The graph behind a tensor as a picture: operations from top to bottom, grouped by module."""
from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

import tinynet

from .graph_boxes import LIMIT, assign_scopes, boxes, parameter_names, shape_text, walk
from .graph_drawing import draw
from .page import document, read
from .texts import check_language, say


class GraphExplanation:
    """The graph of one tensor. Save it as .svg or .html, look at it in a notebook, or print it."""

    def __init__(self, tensor: Any, model: Any = None, lang: str = "en") -> None:
        if not isinstance(tensor, tinynet.Tensor):
            raise TypeError(f"explain.graph: got a {type(tensor).__name__}; it must be a tensor, "
                            "for example the loss")
        check_language("explain.graph", lang)
        if tensor.grad_fn is None:
            raise ValueError("explain.graph: the tensor has no history: nothing it was computed "
                             "from requires grad (or it was computed under no_grad)")
        if model is not None and not isinstance(model, tinynet.nn.Module):
            raise TypeError(f"explain.graph: model is a {type(model).__name__}; it must be an "
                            "nn.Module")
        self.lang, self.tensor = lang, tensor
        names, self.types = parameter_names(model)
        self.vertices = walk(tensor, names)
        assign_scopes(self.vertices)
        self.boxes = boxes(self.vertices)

    @property
    def folded(self) -> bool:
        return any(box.folded for box in self.boxes)

    def svg(self, lang: str | None = None) -> str:
        """The picture as an SVG element."""
        return draw(self.boxes, self.types, self.lang if lang is None else lang)

    def html(self) -> str:
        """The picture and its legend as one HTML element, for any page."""
        kinds = [v.kind for v in self.vertices]
        notes = [say(self.lang, "graph.facts", operations=kinds.count("operation"),
                     leaves=kinds.count("leaf"), boxes=len(self.boxes))]
        if self.folded:
            notes.append(say(self.lang, "graph.folded", limit=LIMIT))
        lines = "".join(f'<p class="tn-note">{html.escape(note)}</p>' for note in notes)
        return (f'<section class="tn tn-graph-page" lang="{self.lang}">'
                f'<style>{read("page.css")}</style><header class="tn-head"><div>'
                f'<h1>{html.escape(say(self.lang, "graph.title"))}</h1>{lines}</div></header>'
                f"{self.svg()}</section>")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file and return its path: an SVG if the name ends in .svg, else a
        self-contained page."""
        path = Path(path)
        if path.suffix == ".svg":
            style = read("page.css").replace("]]>", "")
            head = f' xmlns="http://www.w3.org/2000/svg"><style><![CDATA[{style}]]></style>'
            text = self.svg().replace(">", head, 1).replace('class="', 'class="tn ', 1)
        else:
            text = document(say(self.lang, "graph.title"), self.lang, self.html())
        path.write_text(text, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        return self.html()

    def __repr__(self) -> str:
        lines = []
        for box in self.boxes:
            shape = f"→ {shape_text(box.members[-1].shape)}"
            if box.framed:
                lines.append(f"{box.scope}  {shape}")
                lines += ["    " + "  ".join(v.lines(self.lang)) for v in box.members]
                continue
            text = box.lines(self.lang)
            if box.folded or box.members[0].kind == "operation":
                text.append(shape)
            lines.append("  ".join(text))
        return "\n".join(lines)


def graph(tensor: Any, model: Any = None, *, lang: str = "en") -> GraphExplanation:
    """Draw the graph that `tensor` (for example a loss) was computed by, without Graphviz.

    Args:
        tensor: any tensor with a history.
        model: the module whose parameters name the boxes; None: all living modules are searched.
        lang: "en" or "zh".

    Operations run from top to bottom, with shapes on the edges. Parameters show the norm of their
    gradient after `backward`, and "no gradient yet" before. More than sixty boxes are folded by
    module.

    Raises TypeError if `tensor` or `model` is something else, ValueError for a tensor without a
    history.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, 2.0], requires_grad=True)
    >>> print(tinynet.explain.graph((w * w).sum()))
    leaf  2  no gradient yet
    Mul  → 2
    Sum  → ( )
    """
    return GraphExplanation(tensor, model, lang)
