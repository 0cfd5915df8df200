"""A whole network, forward and backward, with all its activations and all its gradients, as a page
on which one draws an image and sees everything follow."""
from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F
from tinynet.ops.arguments import index_of

from .convolution import Array, as_float64, tensor64
from .network_layers import Layer, dims, run
from .network_page import document_of, fragment, notebook
from .network_trace import layers_of
from .report_elements import percent
from .sentences import number
from .texts import check_language, say
from .training import evaluated, forward

MOST_IMAGES = 20
TOLERANCE = 1e-3            # of the scores, relative: the model may compute in float32


@dataclass
class Pass:
    """What one image makes of the network, forward and backward, in float64.

    `values[k]` is what layer k gets, and the last one holds the scores; `gradients[k]` is the
    gradient of the loss with respect to `values[k]`; `parameters[k]` holds the gradients of the
    parameters of layer k by name.
    """

    label: int
    values: list[Array]
    gradients: list[Array]
    parameters: list[dict[str, Array]]
    loss: float

    @property
    def probabilities(self) -> Array:
        powers = np.exp(self.values[-1] - self.values[-1].max())
        return np.asarray(powers / powers.sum())

    @property
    def guess(self) -> int:
        return int(self.values[-1].argmax())


class NetworkExplanation:
    """What `tinynet.explain.network` returns. Save it as a page, look at it in a notebook, print
    it.

    `passes` holds one `Pass` per image: its `values`, `gradients`, `parameters` and `loss` are
    float64 numpy arrays.
    """

    def __init__(self, model: Any, image: Any, label: Any, *, classes: Sequence[str] | None = None,
                 name: str | None = None, lang: str = "en") -> None:
        where = "explain.network"
        check_language(where, lang)
        if not isinstance(model, tinynet.nn.Module):
            raise TypeError(f"{where}: model is a {type(model).__name__}; it must be an nn.Module "
                            "that maps images (N, C, H, W) to scores (N, K)")
        images = as_float64(where, "image", image)
        if images.ndim not in (2, 3, 4) or images.size == 0:
            raise ValueError(f"{where}: image has shape {images.shape}; it must be (H, W), "
                             "(C, H, W) or (N, C, H, W), and not empty")
        self.images = images.reshape((1,) * (4 - images.ndim) + images.shape)
        if len(self.images) > MOST_IMAGES:
            raise ValueError(f"{where}: {len(self.images)} images; the page holds at most "
                             f"{MOST_IMAGES}, so choose some, for example image[:{MOST_IMAGES}]")
        self.name = type(model).__name__ if name is None else name
        self.lang, self.model = lang, model
        self.layers: list[Layer] = layers_of(model, self.images[0])
        if not self.layers or len(self.layers[-1].shape) != 1:
            end = dims(self.layers[-1].shape) if self.layers else "no layer"
            raise ValueError(f"{where}: the model ends with {end}; it must end with one score per "
                             "class, so end it with nn.Flatten() and nn.Linear(...)")
        count = self.layers[-1].shape[0]
        self.labels = self._labels(label, count)
        if classes is not None and len(classes) != count:
            raise ValueError(f"{where}: {len(classes)} classes are named, but the model has "
                             f"{count}; name them all, or none")
        self.classes = [str(c) for c in (range(count) if classes is None else classes)]
        self.passes = [self._pass(image, label) for image, label in
                       zip(self.images, self.labels, strict=True)]
        self._check_scores()

    def _labels(self, label: Any, count: int) -> list[int]:
        if isinstance(label, tinynet.Tensor):
            label = label.tolist()
        given = list(label) if isinstance(label, Iterable) else [label]
        labels = [index_of(v) for v in given]
        if None in labels:
            raise TypeError(f"explain.network: label={label!r:.60}; it must be the number of a "
                            "class, or one per image")
        if len(labels) != len(self.images) or not all(0 <= v < count for v in labels):
            raise ValueError(f"explain.network: label={label!r:.60} for {len(self.images)} "
                             f"image(s) and {count} classes; it must be one number from 0 to "
                             f"{count - 1} per image")
        return labels

    def _pass(self, image: Array, label: int) -> Pass:
        """Run one image forward and backward."""
        with tinynet.enable_grad():                 # works under no_grad too
            values = [tensor64(image[None], True)]
            parameters = [{name: tensor64(a, True) for name, a in layer.parameters.items()}
                          for layer in self.layers]
            for layer, own in zip(self.layers, parameters, strict=True):
                values.append(run(layer, values[-1], own))
            loss = F.cross_entropy(values[-1], tinynet.tensor([label]))
            wanted = values + [p for own in parameters for p in own.values()]
            gradients = [np.array(g.array) for g in tinynet.grad(loss, wanted)]
        rest = iter(gradients[len(values):])
        return Pass(label, [np.array(v.detach().array)[0] for v in values],
                    [g[0] for g in gradients[:len(values)]],
                    [{name: next(rest) for name in own} for own in parameters], loss.item())

    def _check_scores(self) -> None:
        """Raise ValueError unless the model itself computes the same scores."""
        images = tinynet.tensor(self.images, dtype=self._dtype())
        scores = np.asarray(evaluated(self.model, lambda: forward(self.model, images)).cpu().array)
        own = np.stack([p.values[-1] for p in self.passes])
        scale = max(1.0, float(np.abs(own).max()))
        if scores.shape != own.shape or np.abs(scores - own).max() > TOLERANCE * scale:
            raise ValueError("explain.network: the model returns something else than its layers do "
                             "one after the other (a hook changes it, or it depends on the image "
                             "in a way that the graph does not show)")

    def _dtype(self) -> Any:
        parameter = next(self.model.parameters(), None)
        return tinynet.float32 if parameter is None else parameter.dtype

    # -- what one sees -----------------------------------------------------------------------------

    def html(self) -> str:
        """The page as one HTML element for a page of your own; several on one page do not clash."""
        return fragment(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as one self-contained HTML file and return its path."""
        path = Path(path)
        path.write_text(document_of(self), encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        return notebook(self)

    def __repr__(self) -> str:
        first = self.passes[0]
        lines = [self.name]
        names = [say(self.lang, "network.kind.input"), *(layer.path for layer in self.layers)]
        kinds = ["", *(say(self.lang, f"network.kind.{layer.kind}")
                       for layer in self.layers)]
        for name, kind, value, gradient in zip(names, kinds, first.values, first.gradients,
                                               strict=True):
            most = say(self.lang, "network.norms", value=number(np.abs(value).max()),
                       gradient=number(np.abs(gradient).max()))
            lines.append("  ".join(filter(None, [name, kind, dims(value.shape), most])))
        lines.append(say(self.lang, "network.terminal", loss=number(first.loss),
                         label=self.classes[first.label], guess=self.classes[first.guess],
                         part=percent(float(first.probabilities.max()))))
        return "\n".join(lines)


def network(model: Any, image: Any, label: Any, *, classes: Sequence[str] | None = None,
            name: str | None = None, lang: str = "en") -> NetworkExplanation:
    """Show a whole network at work on an image: all activations forward, all gradients backward.

    On the page one draws another image (if images have one channel), chooses another label, and
    opens any window of a convolution in the page of `explain.conv2d`, with its real numbers.

    Args:
        model: a module that returns one score per class and runs its layers one after the other:
            Conv2d, BatchNorm2d, ReLU, LeakyReLU, Tanh, Sigmoid, MaxPool2d, AvgPool2d,
            AdaptiveAvgPool2d(1), Flatten, Linear, Dropout and Identity, or `F.relu`,
            `F.max_pool2d` and the like. It is shown as it computes in eval mode.
        image: the image as the model gets it, (C, H, W) or (H, W), or up to 20 of them,
            (N, C, H, W): the page lets one choose.
        label: the number of its class; for several images, one number each.
        classes: K names; None: 0 … K−1.
        name: the title; None: the model's type.
        lang: "en" or "zh", the language shown first (the page has a switch).

    The loss is the cross-entropy of the scores with the label. All is computed in float64; the
    model keeps its parameters, its gradients and its mode.

    Raises TypeError for a model or a layer that cannot be shown, ValueError for a setting that
    cannot, and for images and labels that do not fit the model.

    >>> import tinynet
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> e = tinynet.explain.network(model, tinynet.ones(1, 4, 4), label=2)
    >>> [gradient.shape for gradient in e.passes[0].gradients]
    [(1, 4, 4), (2, 2, 2), (2, 2, 2), (8,), (3,)]
    """
    return NetworkExplanation(model, image, label, classes=classes, name=name, lang=lang)
