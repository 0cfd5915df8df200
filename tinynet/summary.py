"""What a model consists of: its layers in the order in which they run, with shapes, parameters and multiplications."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from . import creation, nn
from .arrays.random import default_generator
from .autograd.grad_mode import no_grad
from .ops.arguments import as_shape
from .tensor import Tensor


@dataclasses.dataclass
class LayerSummary:
    """One call of one layer, with one sample."""

    name: str
    """Its dotted name in the model."""
    kind: str
    """Its class."""
    output_shape: Any
    """The shape of what it gives, or a list of them; the first size is that of the batch."""
    parameters: int
    """How many numbers it learns. A layer that runs twice has them in its first row."""
    multiplications: int
    """How many products it takes."""


@dataclasses.dataclass(repr=False)
class Summary:
    """What `summary` returns; ``print(it)`` prints the table."""

    layers: list[LayerSummary]
    """The layers, in the order in which they ran."""
    parameters: int
    """How many numbers the model holds that can be learned, each counted once."""
    trainable: int
    """How many of them require grad."""
    multiplications: int
    """How many products one sample takes."""

    def __str__(self) -> str:
        rows = [("layer", "output shape", "parameters", "multiplications")]
        for layer in self.layers:
            label = f"{layer.name} ({layer.kind})" if layer.name else layer.kind
            rows.append((label, str(layer.output_shape), f"{layer.parameters:,}", f"{layer.multiplications:,}"))
        rows.append(("total", "", f"{self.parameters:,}", f"{self.multiplications:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
        rule = "-" * len(lines[0])
        frozen = self.parameters - self.trainable
        notes = [f"of the parameters {frozen:,} are frozen"] if frozen else []
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *notes])

    def __repr__(self) -> str:
        return f"<Summary: {len(self.layers)} layers, {self.parameters:,} parameters, {self.multiplications:,} multiplications>"


def summary(model: nn.Module, input_size: tuple[int, ...]) -> Summary:
    """Run `model` once, on zeros, print its layers as a table, and return them as a `Summary`.

    Args:
        model: is left as it was: mode, buffers, hooks, gradients and random numbers.
        input_size: the shape of one sample, such as (C, H, W) or (features,); four sizes, (N, C, H, W), are those of a batch.

    A row stands for one call of a module that has parameters of its own or no modules in it. Multiplications are those of convolutions
    and linear layers, for one sample; other layers have few, and count 0. A convolution from m to n channels with kernel k x k takes
    n·OH·OW·m·k·k (with groups, m/groups), a transposed one, which meets every input pixel, m·H·W·n·k·k.

    >>> from tinynet import nn
    >>> _ = summary(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)), (1, 4, 4))
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
        raise ValueError(f"summary: input_size must be one to four sizes from 1 up, such as (C, H, W), got {input_size!r}")
    shape = shape if len(shape) == 4 else (1, *shape)
    parameters = list(model.parameters())
    like: dict[str, Any] = {"dtype": parameters[0].dtype, "device": parameters[0].device} if parameters else {}
    layers: list[LayerSummary] = []
    seen: set[Tensor] = set()

    def record(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any], result: Any) -> None:
            own = [p for p in module.parameters(recurse=False) if p not in seen]
            seen.update(own)
            count = sum(p.numel() for p in own)
            products = _multiplications(module, (*inputs, *options.values()), result) // shape[0]
            layers.append(LayerSummary(name, type(module).__name__, _shape(result), count, products))

        return hook

    with _undisturbed(model), no_grad():
        for name, module in model.named_modules():
            if not module._modules or module._parameters:
                module.register_forward_hook(record(name), with_kwargs=True)
        model(creation.zeros(shape, **like))
    found = Summary(
        layers,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(layer.multiplications for layer in layers),
    )
    print(found)
    return found


@contextlib.contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode on copies of the buffers and without hooks; everything as before afterwards."""
    before = [(module, dict(module.__dict__)) for module in model.modules()]
    random = default_generator.get_state()
    try:
        for module, _ in before:
            copies = {name: None if buffer is None else buffer.detach().clone() for name, buffer in module._buffers.items()}
            module.__dict__.update(training=False, _buffers=copies, _pre_hooks=OrderedDict(), _hooks=OrderedDict())
        yield
    finally:
        default_generator.set_state(random)
        for module, attributes in before:
            module.__dict__.clear()
            module.__dict__.update(attributes)


def _shape(result: Any) -> Any:
    if isinstance(result, Tensor):
        return tuple(result.shape)
    return [_shape(part) for part in result] if isinstance(result, (tuple, list)) else type(result).__name__


def _multiplications(module: nn.Module, inputs: tuple[Any, ...], result: Any) -> int:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        return result.numel() * math.prod(module.weight.shape[1:])  # each output sums that many products
    if isinstance(module, nn.ConvTranspose2d):
        return inputs[0].numel() * math.prod(module.weight.shape[1:])  # each input goes into that many products
    return 0
