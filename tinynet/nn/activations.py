"""Activations as layers: a table. Arguments, defaults and formulas are those of `functional`."""

from __future__ import annotations

from typing import Any

from ..ops import shapes
from ..ops.arguments import as_ints
from ..tensor import Tensor
from . import functional as F
from .function_module import FunctionModule
from .module import Module


class ReLU(FunctionModule, function=F.relu): ...
class LeakyReLU(FunctionModule, function=F.leaky_relu): ...
class ELU(FunctionModule, function=F.elu): ...
class GELU(FunctionModule, function=F.gelu): ...
class SiLU(FunctionModule, function=F.silu): ...
class Sigmoid(FunctionModule, function=F.sigmoid): ...
class Tanh(FunctionModule, function=F.tanh): ...
class Softplus(FunctionModule, function=F.softplus): ...
class ReLU6(FunctionModule, function=F.relu6): ...
class Softmax(FunctionModule, function=F.softmax): ...
class LogSoftmax(FunctionModule, function=F.log_softmax): ...


class Hardtanh(FunctionModule, function=F.hardtanh):
    def _check(self) -> None:
        low, high = self.min_val, self.max_val
        if not low < high:
            raise ValueError(f"Hardtanh: min_val must be less than max_val, got {low} and {high}")


class Identity(Module):
    """Returns its input. It accepts any arguments, so that it can replace any other layer."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


def _unflatten(input: Tensor, dim: int, unflattened_size: tuple[int, ...]) -> Tensor:
    """Dimension `dim` split into the sizes `unflattened_size`, of which one may be -1.

    (..., n, ...) -> (..., *unflattened_size, ...), the reverse of `Flatten`.
    """
    return shapes.unflatten(input, dim, unflattened_size)


class Unflatten(FunctionModule, function=_unflatten):
    def _check(self) -> None:
        as_ints("Unflatten", "unflattened_size", self.unflattened_size)
