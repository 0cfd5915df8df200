"""`summary`: the layers of a model in the order of their calls, with shapes and sizes."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from .. import creation, nn
from ..arrays import default_generator
from ..autograd.grad_mode import no_grad
from ..ops.arguments import as_shape
from ..tensor import Tensor


@dataclasses.dataclass
class LayerSummary:
    """One call of one layer, with one sample."""

    name: str
    """Its dotted name in the model."""
    kind: str
    """The name of its class."""
    output_shape: Any
    """The shape of its output, or a list of them; the first size is that of the batch."""
    parameters: int
    """The number of its learned numbers; 0 in later calls of the same layer."""
    multiplications: int
    """The number of products."""


@dataclasses.dataclass(repr=False)
class Summary:
    """The result of `summary`. ``print(it)`` prints the table."""

    layers: list[LayerSummary]
    """The layers, in the order of their calls."""
    parameters: int
    """The number of learned numbers of the model; shared ones count once."""
    trainable: int
    """How many of them require grad."""
    multiplications: int
    """The number of products for one sample."""

    def __str__(self) -> str:
        rows = [("layer", "output shape", "parameters", "multiplications")]
        for row in self.layers:
            label = f"{row.name} ({row.kind})" if row.name else row.kind
            numbers = f"{row.parameters:,}", f"{row.multiplications:,}"
            rows.append((label, str(row.output_shape), *numbers))
        rows.append(("total", "", f"{self.parameters:,}", f"{self.multiplications:,}"))
        w = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:{w[0]}}  {b:{w[1]}}  {c:>{w[2]}}  {d:>{w[3]}}" for a, b, c, d in rows]
        rule = "-" * len(lines[0])
        frozen = self.parameters - self.trainable
        notes = [f"of the parameters {frozen:,} are frozen"] if frozen else []
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *notes])

    def __repr__(self) -> str:
        return (
            f"<Summary: {len(self.layers)} layers, {self.parameters:,} parameters, "
            f"{self.multiplications:,} multiplications>")


def summary(model: nn.Module, input_size: tuple[int, ...]) -> Summary:
    """Run `model` once, on zeros, print its layers as a table, and return them as a `Summary`.

    Args:
        model: is left as it was: mode, buffers, hooks, gradients and random numbers.
        input_size: the shape of one sample, such as (C, H, W) or (features,); four sizes,
            (N, C, H, W), are those of a batch.

    A row is one call of a module that has parameters of its own, or no modules in it. Products are
    counted in convolutions and linear layers, for one sample; the few of other layers count as 0.
    A convolution from C to O channels with a kernel of KH x KW takes O·OH·OW·C·KH·KW products
    (C / groups for C). A transposed convolution, which uses every input pixel, takes C·H·W·O·KH·KW.

    >>> from tinynet import nn, summary
    >>> net = nn.Sequential(
    ...     nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> _ = summary(net, (1, 4, 4))
    layer        output shape  parameters  multiplications
    ------------------------------------------------------
    0 (Conv2d)   (1, 4, 2, 2)          40              144
    1 (ReLU)     (1, 4, 2, 2)           0                0
    2 (Flatten)  (1, 16)                0                0
    3 (Linear)   (1, 2)                34               32
    ------------------------------------------------------
    total                              74              176
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"summary: expected a module, got {type(model).__name__}")
    shape = as_shape("summary", (input_size,))
    if not shape or len(shape) > 4 or min(shape) < 1:
        raise ValueError(
            "summary: input_size must be one to four sizes from 1 up, such as (C, H, W), "
            f"got {input_size!r:.60}")
    shape = shape if len(shape) == 4 else (1, *shape)
    parameters = list(model.parameters())
    like: dict[str, Any] = {}
    if parameters:
        like = {"dtype": parameters[0].dtype, "device": parameters[0].device}
    layers: list[LayerSummary] = []
    counted: set[Tensor] = set()

    def recorder(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, options: dict[str, Any], result: Any) -> None:
            own = [p for p in module.parameters(recurse=False) if p not in counted]
            counted.update(own)
            products = _multiplications(module, (*inputs, *options.values()), result) // shape[0]
            size = sum(p.numel() for p in own)
            kind = type(module).__name__
            layers.append(LayerSummary(name, kind, _shape(result), size, products))

        return hook

    with _undisturbed(model), no_grad():
        for name, module in model.named_modules():
            if not module._modules or module._parameters:
                module.register_forward_hook(recorder(name), with_kwargs=True)
        model(creation.zeros(shape, **like))
    found = Summary(
        layers, sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(layer.multiplications for layer in layers))
    print(found)
    return found


@contextlib.contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, copies of the buffers, no hooks; afterwards everything is as before."""
    before = [(module, dict(module.__dict__)) for module in model.modules()]
    random = default_generator.get_state()
    try:
        for module, _ in before:
            buffers = dict(module._buffers)
            buffers.update({n: b.detach().clone() for n, b in buffers.items() if b is not None})
            module.__dict__.update(
                training=False, _buffers=buffers, _pre_hooks=OrderedDict(), _hooks=OrderedDict())
        yield
    finally:
        default_generator.set_state(random)
        for module, attributes in before:
            module.__dict__.clear()
            module.__dict__.update(attributes)


def _shape(result: Any) -> Any:
    if isinstance(result, Tensor):
        return tuple(result.shape)
    if isinstance(result, (tuple, list)):
        return [_shape(part) for part in result]
    return type(result).__name__


def _multiplications(module: nn.Module, inputs: tuple[Any, ...], result: Any) -> int:
    if isinstance(module, (nn.Conv2d, nn.Linear)):  # products summed by each output
        return result.numel() * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.ConvTranspose2d):  # products with each input
        return inputs[0].numel() * math.prod(module.weight.shape[1:])
    return 0
