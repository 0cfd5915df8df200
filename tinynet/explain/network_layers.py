"""The layers that the page of a network knows: what each computes, as plain settings.

The page computes with these settings in the browser, and `run` computes with them here, by the
functions of `tinynet.nn.functional` and in float64.

Sizes: C × H × W what goes into a layer, O × OH × OW what comes out, KH × KW kernel or window.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F

Array = np.ndarray


@dataclass
class Layer:
    """One layer that the page shows: `kind`, its settings, and its parameters by name."""

    kind: str
    path: str                                       # where the module lies in the model
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Array] = field(default_factory=dict)      # float64
    constants: dict[str, Array] = field(default_factory=dict)       # float64, without gradient
    shape: tuple[int, ...] = ()                     # of its output for one image

    @property
    def products(self) -> int:
        """The multiplications of its forward pass, as far as weights are concerned."""
        weight = self.parameters.get("weight")
        if weight is None or self.kind == "norm":
            return 0
        places = int(np.prod(self.shape[1:]))       # 1 for a linear layer
        return weight.size * places


def float64(tensor: Any) -> Array:
    return np.array(tensor.detach().cpu().array, dtype=np.float64)


def dims(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def tensor64(array: Array, requires_grad: bool = False) -> Any:
    return tinynet.tensor(array, dtype=tinynet.float64, requires_grad=requires_grad)


def run(layer: Layer, x: Any, p: dict[str, Any]) -> Any:
    """The layer's output for x (N, ...), with the tensors `p` as its parameters."""
    s = layer.settings
    weight: Any = p.get("weight")
    bias = p.get("bias")
    if layer.kind == "conv":
        (top, bottom), (left, right) = s["padding"]
        mode = "constant" if s["mode"] == "zeros" else s["mode"]
        x = F.pad(x, (left, right, top, bottom), mode=mode)
        return F.conv2d(x, weight, bias, tuple(s["stride"]), 0, tuple(s["dilation"]), s["groups"])
    if layer.kind == "norm":
        mean, inverse = (tensor64(layer.constants[name]) for name in ("mean", "inverse"))
        return F.batch_norm(x, mean, inverse ** -2, weight, bias, False, 0.0, 0.0)
    if layer.kind == "max_pool":
        return F.max_pool2d(x, tuple(s["size"]), tuple(s["stride"]), tuple(s["padding"]),
                            tuple(s["dilation"]), ceil_mode=s["ceil_mode"])
    if layer.kind == "avg_pool":
        return F.avg_pool2d(x, tuple(s["size"]), tuple(s["stride"]), tuple(s["padding"]))
    if layer.kind == "linear":
        return F.linear(x, weight, bias)
    if layer.kind == "flatten":
        return x.flatten(1)
    return getattr(F, layer.kind)(x, **s)
