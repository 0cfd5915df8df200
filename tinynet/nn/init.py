"""Initial values. Each function writes into a tensor in place, outside the graph, and returns it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays.devices import to_device
from ..arrays.random import Generator, default_generator
from ..autograd.grad_mode import no_grad
from ..ops.arguments import as_number, in_own_name
from ..tensor import Tensor


def _writable(function: str, tensor: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{function}: expected a tensor to write into, got {type(tensor).__name__}")
    return tensor


@in_own_name
@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Evenly distributed over [a, b)."""
    return _writable("uniform_", tensor).uniform_(a, b, generator=generator)


@in_own_name
@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normally distributed."""
    return _writable("normal_", tensor).normal_(mean, std, generator=generator)


@in_own_name
@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return _writable("constant_", tensor).fill_(val)


@in_own_name
def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


@in_own_name
def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


@in_own_name
@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """A matrix with ones on the diagonal and zeros elsewhere, square or not."""
    if _writable("eye_", tensor).ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tuple(tensor.shape)}")
    return tensor.copy_(Tensor._wrap(to_device(np.eye(*tensor.shape), tensor.device)))


@in_own_name
@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """`gain` times a random matrix with orthogonal rows (or columns, if those are fewer), all equally likely; more dims count as columns.

    Saxe et al. 2013, arXiv 1312.6120.
    """
    if _writable("orthogonal_", tensor).ndim < 2:
        raise ValueError(f"orthogonal_: expected at least two dims, got shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    draws = (generator or default_generator).numpy.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draws)
    q *= np.sign(np.diag(r))  # the signs that qr chooses would make some matrices likelier
    q = q if rows >= columns else q.T
    return tensor.copy_(Tensor._wrap(to_device(as_number("orthogonal_", "gain", gain) * q.reshape(tensor.shape), tensor.device)))


@in_own_name
@no_grad()
def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Generator | None = None
) -> Tensor:
    """Normally distributed, but what falls outside [a, b] is drawn again. ValueError if [a, b] lies more than 2 `std` off `mean`."""
    _writable("trunc_normal_", tensor)
    for name, value in (("mean", mean), ("std", std), ("a", a), ("b", b)):
        as_number("trunc_normal_", name, value)
    if not a - 2 * std <= mean <= b + 2 * std or not a < b:
        raise ValueError(
            f"trunc_normal_: [a, b] = [{a}, {b}] must be an interval within 2 std={std} of mean={mean}, or draws would hardly hit it"
        )
    random = (generator or default_generator).numpy
    draws = random.normal(mean, std, tensor.shape)
    while (outside := (draws < a) | (draws > b)).any():
        draws[outside] = random.normal(mean, std, int(outside.sum()))
    return tensor.copy_(Tensor._wrap(to_device(draws, tensor.device)))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the size of signals through an activation; `param` is the slope of "leaky_relu" (0.01 by default)."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else as_number("calculate_gain", "the slope of leaky_relu", param)
        return math.sqrt(2.0 / (1 + slope**2))
    gains = {"linear": 1.0, "conv2d": 1.0, "conv_transpose2d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
    if not isinstance(nonlinearity, str) or nonlinearity not in gains:
        raise ValueError(f"calculate_gain: nonlinearity must be one of {', '.join([*gains, 'leaky_relu'])}; got {nonlinearity!r}")
    return gains[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output of a layer with these weights sums, and how many outputs an input goes into."""
    if _writable("init", tensor).ndim < 2:
        raise ValueError(f"init: weights of shape {tuple(tensor.shape)} have no fan in and out; that takes at least two dims")
    taps = math.prod(tensor.shape[2:])
    return tensor.shape[1] * taps, tensor.shape[0] * taps


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return fans(tensor)[mode == "fan_out"]


@in_own_name
def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None
) -> Tensor:
    """Evenly distributed with standard deviation gain / sqrt(fan). He et al. 2015, arXiv 1502.01852."""
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


@in_own_name
def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None
) -> Tensor:
    """Normally distributed with standard deviation gain / sqrt(fan). He et al. 2015, arXiv 1502.01852."""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


@in_own_name
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Evenly distributed with variance gain² · 2 / (fan in + fan out). Glorot & Bengio 2010."""
    bound = as_number("xavier_uniform_", "gain", gain, 0) * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


@in_own_name
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normally distributed with variance gain² · 2 / (fan in + fan out). Glorot & Bengio 2010."""
    return normal_(tensor, 0.0, as_number("xavier_normal_", "gain", gain, 0) * math.sqrt(2.0 / sum(fans(tensor))), generator)
