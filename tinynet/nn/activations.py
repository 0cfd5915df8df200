"""Activations as modules, and other functions with constants but without parameters."""

from __future__ import annotations

from typing import Any

from ..ops import shapes
from ..tensor import Tensor
from . import functional as F
from .module import FunctionModule, Module


class ReLU(FunctionModule):
    """``max(0, x)``; with `inplace`, written into its input. See `functional.relu`."""

    function = F.relu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class LeakyReLU(FunctionModule):
    """x where it is positive, else ``negative_slope * x``. See `functional.leaky_relu`."""

    function = F.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__(negative_slope=negative_slope, inplace=inplace)


class ELU(FunctionModule):
    """x where it is positive, else ``alpha * (exp(x) - 1)``. See `functional.elu`."""

    function = F.elu

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha=alpha, inplace=inplace)


class GELU(FunctionModule):
    """``x * P(Z <= x)`` for a standard normal Z, exactly or by "tanh". See `functional.gelu`."""

    function = F.gelu

    def __init__(self, approximate: str = "none"):
        super().__init__(approximate=approximate)


class SiLU(FunctionModule):
    """``x * sigmoid(x)``. See `functional.silu`."""

    function = F.silu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Sigmoid(FunctionModule):
    """``1 / (1 + exp(-x))``."""

    function = F.sigmoid


class Tanh(FunctionModule):
    """The hyperbolic tangent."""

    function = F.tanh


class Softplus(FunctionModule):
    """``log(1 + exp(beta * x)) / beta``, a smooth ReLU. See `functional.softplus`."""

    function = F.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__(beta=beta, threshold=threshold)


class Hardtanh(FunctionModule):
    """x limited to [min_val, max_val]. See `functional.hardtanh`."""

    function = F.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val must be less than max_val, got {min_val} and {max_val}")
        super().__init__(min_val=min_val, max_val=max_val, inplace=inplace)


class ReLU6(FunctionModule):
    """``min(max(0, x), 6)``. See `functional.relu6`."""

    function = F.relu6

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Softmax(FunctionModule):
    """``exp(x) / sum(exp(x))`` along `dim`, which must be given before it is called."""

    function = F.softmax

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class LogSoftmax(Softmax):
    """The logarithm of `Softmax`."""

    function = F.log_softmax


class Identity(Module):
    """Gives back its input. It takes any arguments, so that it can stand where another module stood."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Unflatten(Module):
    """One dimension split into several: the reverse of `Flatten`. One of the sizes may be -1.

    >>> import tinynet
    >>> Unflatten(1, (2, 3))(tinynet.ones(4, 6)).shape
    tinynet.Size([4, 2, 3])
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)) or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of ints, got {unflattened_size!r}")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return shapes.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
