"""Activations, and the linear layer between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops import arguments, elementwise, products, reductions, shapes
from ...ops import softmax as softmax_
from ...ops.arguments import as_floats, as_number, as_tensor, in_own_name, same_dtype
from ...tensor import Tensor


def _in_place(f: Callable[[Tensor], Tensor], input: Tensor, name: str) -> Tensor:
    # from a copy, since derivatives may ask for the input as it was
    return input._replace(f(input.clone()), name)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(0, input)``, of floats or integers. With `inplace`, written into `input`. The gradient at 0 is 0."""
    return as_tensor("relu", "input", input).relu_() if inplace else elementwise.relu(as_tensor("relu", "input", input))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` where it is positive, else ``negative_slope * input``. The gradient at 0 is `negative_slope`."""
    x = as_floats("leaky_relu", "input", input)
    if inplace:
        return _in_place(lambda x: leaky_relu(x, negative_slope), x, "leaky_relu_")
    return elementwise.where(x > 0, x, x * float(negative_slope))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` where it is positive, else ``alpha * (exp(input) - 1)``. Clevert et al. 2015, arXiv 1511.07289."""
    x = as_floats("elu", "input", input)
    if inplace:
        return _in_place(lambda x: elu(x, alpha), x, "elu_")
    # the exponential of large inputs is never looked at, but infinite it would make their gradient 0 * inf
    return elementwise.where(x <= 0, float(alpha) * elementwise.expm1(elementwise.clamp(x, max=0.0)), x)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``input * P(Z <= input)`` for a standard normal Z. Hendrycks & Gimpel 2016, arXiv 1606.08415.

    The probability is ``(1 + erf(input / sqrt(2))) / 2``; with ``approximate="tanh"``, nearly
    ``(1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input**3))) / 2``.
    """
    x = as_floats("gelu", "input", input)
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    if x.dtype == np.float16:  # whose cube is soon infinite
        return gelu(x.float(), approximate).to(x.dtype)
    if approximate == "none":
        return x * (0.5 * (1.0 + elementwise.erf(x * math.sqrt(0.5))))
    return x * (0.5 * (1.0 + elementwise.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``, also called swish."""
    x = as_floats("silu", "input", input)
    return _in_place(silu, x, "silu_") if inplace else elementwise.silu(x)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``, a smooth `relu`; `input` itself where ``beta * input > threshold``."""
    x = as_floats("softplus", "input", input)
    scaled = x * float(beta)
    return elementwise.where(scaled > threshold, x, elementwise.softplus(scaled) / float(beta))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` (floats or integers) limited to [min_val, max_val]. The gradient is 0 outside and at the bounds."""
    if as_tensor("hardtanh", "input", input).dtype == bool:
        raise TypeError("hardtanh: input must hold numbers, got bools; convert it with .float()")
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must not be greater than max_val, got {min_val} and {max_val}")
    if inplace:
        return _in_place(lambda x: hardtanh(x, min_val, max_val), input, "hardtanh_")
    kind = float if input.is_floating_point() else int
    return elementwise.hardtanh(input, min=kind(min_val), max=kind(max_val))


@in_own_name
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(0, input), 6)``. The gradient at 0 and at 6 is 0."""
    return hardtanh(input, 0.0, 6.0, inplace)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-input))``."""
    return elementwise.sigmoid(as_tensor("sigmoid", "input", input))


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return elementwise.tanh(as_tensor("tanh", "input", input))


def softmax(input: Tensor, dim: int | None = None, *, dtype: np.dtype | None = None) -> Tensor:
    """``exp(input)`` divided by its sum along `dim`, without overflow. `dim` must be given."""
    return softmax_.softmax(as_tensor("softmax", "input", input), dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: np.dtype | None = None) -> Tensor:
    """The logarithm of `softmax`, exact where that would round to 0. `dim` must be given."""
    return softmax_.log_softmax(as_tensor("log_softmax", "input", input), dim, dtype=dtype)


@in_own_name
def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """`input` divided by its p-norm along `dim` (an int or several), or by `eps` where that is larger.

    >>> import tinynet
    >>> normalize(tinynet.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    as_floats("normalize", "input", input)
    eps = as_number("normalize", "eps", eps, 0)
    return input / elementwise.clamp(reductions.norm(input, p, dim, keepdim=True), min=eps)


@in_own_name
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between `x1` and `x2`, vectors along `dim` of the shape that the two broadcast to.

    A norm below `eps` counts as `eps`. IndexError for vectors in one dimension, unless ``dim=0``.
    """
    as_floats("cosine_similarity", "x1", x1), as_floats("cosine_similarity", "x2", x2)
    shape = arguments.broadcast_shape("cosine_similarity", x1.shape, x2.shape)
    units = [normalize(shapes.expand(x, shape), 2.0, dim, eps) for x in (x1, x2)]
    return reductions.sum(units[0] * units[1], dim)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: (..., in) with weight (out, in) and bias (out,) gives (..., out).

    ValueError for shapes that don't fit, RuntimeError for different dtypes or devices.
    """
    shape = as_tensor("linear", "input", input).array.shape
    if as_tensor("linear", "weight", weight).array.ndim != 2:
        raise ValueError(f"linear: weight must be (out, in), got shape {tuple(weight.shape)}")
    O, C = weight.array.shape
    if not shape or shape[-1] != C:
        raise ValueError(f"linear: input {shape} must end in the {C} features that weight {(O, C)} expects")
    if bias is not None and as_tensor("linear", "bias", bias).array.shape != (O,):
        raise ValueError(f"linear: bias must have shape ({O},), got {tuple(bias.shape)}")
    same_dtype("linear", input=input, weight=weight, bias=bias)
    rows = input if len(shape) == 2 else shapes.reshape(input, input.numel() // max(C, 1), C)
    y = products.linear(rows, weight, bias)
    return y if len(shape) == 2 else shapes.reshape(y, *shape[:-1], O)
