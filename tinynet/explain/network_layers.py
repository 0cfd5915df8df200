"""The layers of a model that runs them one after the other: what each computes, as plain settings.

The page computes with these settings in the browser, and `run` computes with them here, by the
functions of `tinynet.nn.functional` and in float64.

Sizes: C × H × W what goes into a layer, O × OH × OW what comes out, KH × KW kernel or window.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F
from tinynet import nn

Array = np.ndarray

MOST_PARAMETERS = 1_000_000
MOST_PRODUCTS = 40_000_000      # of one forward pass: the browser needs about 0.1 s for so many
WHERE = "explain.network"
KNOWN = ("Conv2d, BatchNorm2d (in eval mode), ReLU, LeakyReLU, Tanh, Sigmoid, MaxPool2d, "
         "AvgPool2d, AdaptiveAvgPool2d(1), Flatten, Linear, Dropout and Identity")


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


def pair(value: Any) -> list[int]:
    return [int(v) for v in (value if isinstance(value, (tuple, list)) else (value, value))]


def float64(tensor: Any) -> Array:
    return np.array(tensor.detach().cpu().array, dtype=np.float64)


def parameters_of(module: Any, *names: str) -> dict[str, Array]:
    return {name: float64(value) for name in names
            if (value := getattr(module, name)) is not None}


# -- from modules to layers ------------------------------------------------------------------------

def conv(module: Any, path: str, shape: tuple[int, ...]) -> Layer:
    if module.padding == "same":
        extra = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        margins = [[e // 2, e - e // 2] for e in extra]
    else:
        margins = [[p, p] for p in ((0, 0) if module.padding == "valid" else module.padding)]
    settings = {"stride": list(module.stride), "padding": margins, "groups": module.groups,
                "dilation": list(module.dilation), "mode": module.padding_mode}
    return Layer("conv", path, settings, parameters_of(module, "weight", "bias"))


def norm(module: Any, path: str, shape: tuple[int, ...]) -> Layer:
    if module.running_mean is None:
        raise ValueError(f"{WHERE}: {path} ({module!r}) keeps no running averages, so what it does "
                         "to one image depends on the others of its batch; train it with "
                         "track_running_stats=True")
    inverse = 1 / np.sqrt(float64(module.running_var) + module.eps)
    constants = {"mean": float64(module.running_mean), "inverse": inverse}
    return Layer("norm", path, {}, parameters_of(module, "weight", "bias"), constants)


def pool(kind: str) -> Callable[..., Layer]:
    def make(module: Any, path: str, shape: tuple[int, ...]) -> Layer:
        if getattr(module, "return_indices", False):
            raise ValueError(f"{WHERE}: {path} ({module!r}) returns indices beside its output; "
                             "leave return_indices out")
        settings: dict[str, Any] = {"size": pair(module.kernel_size), "stride": pair(module.stride),
                                    "padding": pair(module.padding)}
        if kind == "max_pool":
            settings |= {"dilation": pair(module.dilation), "ceil_mode": bool(module.ceil_mode)}
        return Layer(kind, path, settings)
    return make


def mean_of_all(module: Any, path: str, shape: tuple[int, ...]) -> Layer:
    if pair(module.output_size) != [1, 1] or len(shape) != 3:
        raise ValueError(f"{WHERE}: {path} ({module!r}) gets {dims(shape)}; of AdaptiveAvgPool2d, "
                         "only output_size 1, the mean of each channel, can be shown")
    size = list(shape[1:])
    return Layer("avg_pool", path, {"size": size, "stride": size, "padding": [0, 0]})


def linear(module: Any, path: str, shape: tuple[int, ...]) -> Layer:
    if len(shape) != 1:
        raise ValueError(f"{WHERE}: {path} ({module!r}) gets {dims(shape)}; a linear layer can be "
                         "shown after nn.Flatten() only")
    return Layer("linear", path, {}, parameters_of(module, "weight", "bias"))


def elementwise(kind: str, *names: str) -> Callable[..., Layer]:
    def make(module: Any, path: str, shape: tuple[int, ...]) -> Layer:
        return Layer(kind, path, {name: float(getattr(module, name)) for name in names})
    return make


def flatten(module: Any, path: str, shape: tuple[int, ...]) -> Layer:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise ValueError(f"{WHERE}: {path} ({module!r}) flattens a part of the dimensions; only "
                         "nn.Flatten() can be shown")
    return Layer("flatten", path)


def nothing(module: Any, path: str, shape: tuple[int, ...]) -> None:
    """Dropout in eval mode, and the identity."""


MAKERS: dict[type, Callable[..., Layer | None]] = {
    nn.Conv2d: conv, nn.BatchNorm2d: norm, nn.ReLU: elementwise("relu"),
    nn.LeakyReLU: elementwise("leaky_relu", "negative_slope"), nn.Tanh: elementwise("tanh"),
    nn.Sigmoid: elementwise("sigmoid"), nn.MaxPool2d: pool("max_pool"),
    nn.AvgPool2d: pool("avg_pool"), nn.AdaptiveAvgPool2d: mean_of_all, nn.Flatten: flatten,
    nn.Linear: linear, nn.Dropout: nothing, nn.Dropout2d: nothing, nn.Identity: nothing}


def dims(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def modules_in_order(model: Any, path: str = "") -> list[tuple[str, Any]]:
    """The modules of nested `nn.Sequential`s, in the order in which they run."""
    if type(model) in MAKERS:
        return [(path or type(model).__name__, model)]
    if not isinstance(model, nn.Sequential):
        what = f"{path} is" if path else "model is"
        raise TypeError(f"{WHERE}: {what} a {type(model).__name__}; it must be an nn.Sequential of "
                        f"{KNOWN}. Of a model with a forward() of its own, build one from its "
                        "layers: nn.Sequential(model.conv1, nn.ReLU(), ...)")
    return [pair for name, module in model._modules.items()
            for pair in modules_in_order(module, f"{path}.{name}" if path else name)]


def layers_of(model: Any, shape: tuple[int, ...]) -> list[Layer]:
    """The layers of `model`, which gets images of this shape (C, H, W). Raises TypeError for a
    module and ValueError for a setting that cannot be shown."""
    layers, x = [], tinynet.zeros(1, *shape, dtype=tinynet.float64)
    for path, module in modules_in_order(model):
        layer = MAKERS[type(module)](module, path, tuple(x.shape[1:]))
        if layer is None:
            continue
        with tinynet.no_grad():
            x = run(layer, x, {name: tensor64(a) for name, a in layer.parameters.items()})
        layer.shape = tuple(x.shape[1:])
        layers.append(layer)
    count = sum(a.size for layer in layers for a in layer.parameters.values())
    products = sum(layer.products for layer in layers)
    if count > MOST_PARAMETERS or products > MOST_PRODUCTS:
        raise ValueError(f"{WHERE}: the model has {count:,} parameters and needs {products:,} "
                         f"multiplications; the browser computes with at most "
                         f"{MOST_PARAMETERS:,} and {MOST_PRODUCTS:,}: explain a smaller model")
    return layers


# -- computing -------------------------------------------------------------------------------------

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
