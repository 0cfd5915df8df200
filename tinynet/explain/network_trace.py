"""From a model to its layers: run it once, and read its graph from the scores back to the image.

A forward hook notes which module made which node of the graph; where the path back meets such a
node, the module says what it computes, and the path goes on at the module's input. Between modules
there may be functions (`F.relu`, `F.max_pool2d`, `x.flatten(1)`, ...), each of them one node.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinynet
from tinynet import nn

from .network_layers import Array, Layer, dims, float64, run, tensor64

MOST_PARAMETERS = 1_000_000
MOST_PRODUCTS = 40_000_000      # of one forward pass: the browser needs about 0.1 s for so many
WHERE = "explain.network"
KNOWN = ("Conv2d, BatchNorm2d (in eval mode), ReLU, LeakyReLU, Tanh, Sigmoid, MaxPool2d, "
         "AvgPool2d, AdaptiveAvgPool2d(1), Flatten, Linear, Dropout and Identity")


def pair(value: Any) -> list[int]:
    return [int(v) for v in (value if isinstance(value, (tuple, list)) else (value, value))]


def parameters_of(module: Any, *names: str) -> dict[str, Array]:
    return {name: float64(value) for name in names
            if (value := getattr(module, name)) is not None}


# -- modules ---------------------------------------------------------------------------------------

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


# -- functions -------------------------------------------------------------------------------------

def weights_of_node(node: Any, kind: str) -> dict[str, Array]:
    """The weight and bias that a function got, which must be leaves of the graph."""
    leaves = dict(zip(("weight", "bias"), node.parents[1:], strict=False))
    given = dict(zip(("weight", "bias"), node.dtypes[1:], strict=False))
    missing = [name for name, dtype in given.items()
               if dtype is not None and not isinstance(leaves[name], tinynet.Tensor)]
    if missing:
        raise ValueError(f"{WHERE}: {kind} gets a {missing[0]} that is computed or does not "
                         f"require grad; use nn.{'Conv2d' if kind == 'conv2d' else 'Linear'}, or "
                         "give it a parameter")
    return {name: float64(leaf) for name, leaf in leaves.items() if leaf is not None}


def of_node(node: Any) -> Layer | None:
    """The layer that a function's node is, or None if it changes nothing. Raises TypeError for a
    function that cannot be shown."""
    name, geometry = node.primitive.name, node.constants.get("geometry")
    if name == "conv2d":
        settings = {"stride": list(geometry.stride), "groups": geometry.groups, "mode": "zeros",
                    "padding": [list(p) for p in geometry.padding],
                    "dilation": list(geometry.dilation)}
        return Layer("conv", name, settings, weights_of_node(node, name))
    if name == "linear" and len(node.shapes[0]) == 2:
        return Layer("linear", name, {}, weights_of_node(node, name))
    if name == "max_pool2d":
        (top, bottom), (left, right) = geometry.padding
        return Layer("max_pool", name, {
            "size": list(geometry.kernel), "stride": list(geometry.stride), "padding": [top, left],
            "dilation": list(geometry.dilation), "ceil_mode": (top, left) != (bottom, right)})
    if name == "view" and len(node.shape) == 2:
        return Layer("flatten", "flatten") if len(node.shapes[0]) > 2 else None
    if name in ("relu", "tanh", "sigmoid"):
        return Layer(name, name)
    raise TypeError(f"{WHERE}: the model uses {name} for {dims(tuple(node.shapes[0]))}, which "
                    f"cannot be shown; it must be a chain of {KNOWN} (or F.relu, F.max_pool2d and "
                    "the like) that ends with one score per class")


# -- the path back ---------------------------------------------------------------------------------

@dataclass
class Call:
    """One call of a module that the page knows."""

    path: str
    module: Any
    input: Any
    output: Any


def recorded(model: Any, image: Any) -> tuple[Any, dict[int, Call]]:
    """The scores of one image, in eval mode and with a graph, and the calls of known modules by
    the node that they made."""
    calls: dict[int, Call] = {}

    def recorder(path: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            node = output.grad_fn if isinstance(output, tinynet.Tensor) else None
            if inputs and node is not None and node is not inputs[0].grad_fn:
                calls[id(node)] = Call(path, module, inputs[0], output)
        return hook

    modes = [(module, module.training) for module in model.modules()]
    hooks = [module.register_forward_hook(recorder(path or type(module).__name__))
             for path, module in model.named_modules() if type(module) in MAKERS]
    parameter = next(model.parameters(), None)
    x = image if parameter is None else image.to(parameter.device, parameter.dtype)
    try:
        model.eval()
        with tinynet.enable_grad():
            return model(x.detach().requires_grad_()), calls
    finally:
        for module, training in modes:
            module.training = training
        for hook in hooks:
            hook.remove()


def layers_of(model: Any, image: Array) -> list[Layer]:
    """The layers that `model` runs for images such as this one (C, H, W), in their order.

    Raises TypeError for a module or a function that cannot be shown, ValueError for a setting that
    cannot.
    """
    scores, calls = recorded(model, tensor64(image[None]).float())
    node = scores.grad_fn if isinstance(scores, tinynet.Tensor) else None
    layers: list[Layer] = []
    while node is not None:
        if (call := calls.get(id(node))) is not None:
            layer = MAKERS[type(call.module)](call.module, call.path, tuple(call.input.shape[1:]))
            before = call.input.grad_fn
        else:
            layer = of_node(node)
            before = node.parents[0] if hasattr(node.parents[0], "parents") else None
        if layer is not None:
            layers.insert(0, layer)
        node = before
    x = tensor64(image[None])
    for layer in layers:
        with tinynet.no_grad():
            x = run(layer, x, {name: tensor64(a) for name, a in layer.parameters.items()})
        layer.shape = tuple(x.shape[1:])
    check_size(layers)
    return layers


def check_size(layers: list[Layer]) -> None:
    """Raise ValueError if the browser would need too long."""
    count = sum(a.size for layer in layers for a in layer.parameters.values())
    products = sum(layer.products for layer in layers)
    if count > MOST_PARAMETERS or products > MOST_PRODUCTS:
        raise ValueError(f"{WHERE}: the model has {count:,} parameters and needs {products:,} "
                         f"multiplications; the browser computes with at most "
                         f"{MOST_PARAMETERS:,} and {MOST_PRODUCTS:,}: explain a smaller model")
