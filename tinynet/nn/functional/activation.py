"""Activations, the linear layer, and two functions of norms.

Activations are element-wise: any shape goes in, the same shape and dtype come out. With
``inplace=True`` the result is written into `input`, which must not be a leaf that requires grad.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import compat
from ...arrays import array_module
from ...ops import elementwise, products, reductions, shapes, softmax as softmax_
from ...ops.arguments import (
    as_choice, as_dims, as_floats, as_number, as_tensor, broadcast_shape, check_shape, same_dtype)
from ...tensor import Tensor


def applied(name: str, input: Tensor, inplace: bool, f: Callable[[Tensor], Tensor]) -> Tensor:
    """``f(input)``; if `inplace`, written into `input`.

    In place, `f` computes from a copy, because its derivatives may need the input as it was.
    """
    return input._replace(f(input.clone()), f"{name}_") if inplace else f(input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(0, input)``, of floats or integers. The gradient at 0 is 0."""
    as_tensor("relu", "input", input)
    return input.relu_() if inplace else elementwise.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` where it is positive, else ``negative_slope * input``.

    The gradient at 0 is `negative_slope`.
    """
    as_floats("leaky_relu", "input", input)
    slope = float(as_number("leaky_relu", "negative_slope", negative_slope))
    return applied("leaky_relu", input, inplace, lambda x: elementwise.where(x > 0, x, x * slope))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` where it is positive, else ``alpha * (exp(input) - 1)``.

    Clevert et al. 2015, arXiv 1511.07289.
    """
    as_floats("elu", "input", input)
    scale = float(as_number("elu", "alpha", alpha))
    # clamp: an infinite exponential of a large input would turn its gradient 0 into nan
    return applied("elu", input, inplace, lambda x: elementwise.where(
        x <= 0, scale * elementwise.expm1(elementwise.clamp(x, max=0.0)), x))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``input * P(Z <= input)`` for a standard normal Z.

    The probability is ``(1 + erf(input / sqrt(2))) / 2``. With ``approximate="tanh"`` it is
    ``(1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input**3))) / 2``, nearly the same.
    Hendrycks & Gimpel 2016, arXiv 1606.08415.
    """
    as_floats("gelu", "input", input)
    as_choice("gelu", "approximate", approximate, ("none", "tanh"))
    if input.dtype == np.float16:  # the cube of a half overflows from 40 on
        return gelu(input.float(), approximate).to(input.dtype)
    if approximate == "none":
        return input * (0.5 * (1.0 + elementwise.erf(input * math.sqrt(0.5))))
    cubic = input + 0.044715 * input * input * input
    return input * (0.5 * (1.0 + elementwise.tanh(math.sqrt(2 / math.pi) * cubic)))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``, also called swish."""
    as_floats("silu", "input", input)
    return applied("silu", input, inplace, elementwise.silu)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``, a smooth `relu`.

    Where ``beta * input > threshold`` it is `input` itself.
    """
    as_floats("softplus", "input", input)
    beta = float(as_number("softplus", "beta", beta))
    scaled = input * beta
    is_linear = scaled > as_number("softplus", "threshold", threshold, infinite=True)
    return elementwise.where(is_linear, input, elementwise.softplus(scaled) / beta)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0,
             inplace: bool = False) -> Tensor:
    """`input` (floats or integers) limited to [min_val, max_val].

    The gradient is 0 outside of the bounds and at them.
    """
    return _hardtanh("hardtanh", input, min_val, max_val, inplace)


def _hardtanh(name: str, input: Tensor, low: float, high: float, inplace: bool) -> Tensor:
    if as_tensor(name, "input", input).array.dtype == bool:
        raise TypeError(f"{name}: input must hold numbers, got bools; convert it with .float()")
    low = as_number(name, "min_val", low, infinite=True)
    high = as_number(name, "max_val", high, infinite=True)
    if low > high:
        raise ValueError(f"{name}: min_val must not be greater than max_val, got {low} and {high}")
    number = float if input.is_floating_point() else int
    bounds = {"min": number(low), "max": number(high)}
    return applied(name, input, inplace, lambda x: elementwise.hardtanh(x, **bounds))


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(0, input), 6)``. The gradient at 0 and at 6 is 0."""
    return _hardtanh("relu6", input, 0.0, 6.0, inplace)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-input))``."""
    as_tensor("sigmoid", "input", input)
    return elementwise.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent, ``(exp(input) - exp(-input)) / (exp(input) + exp(-input))``."""
    as_tensor("tanh", "input", input)
    return elementwise.tanh(input)


def softmax(input: Tensor, dim: int | None = None, *, dtype: np.dtype | None = None) -> Tensor:
    """``exp(input) / sum(exp(input))`` along `dim`, computed without overflow.

    Without `dim`, it warns and takes 0 for 0, 1 and 3 dimensions, and 1 for others, as PyTorch
    does. With `dtype`, `input` is converted first.
    """
    return softmax_.softmax(input, _dim_of_softmax("softmax", input, dim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: np.dtype | None = None) -> Tensor:
    """The logarithm of `softmax` along `dim`, exact also where the softmax would round to 0.

    `dim` and `dtype` are those of `softmax`.
    """
    return softmax_.log_softmax(input, _dim_of_softmax("log_softmax", input, dim), dtype=dtype)


def _dim_of_softmax(name: str, input: Tensor, dim: int | None) -> int:
    """`dim`, or the one that PyTorch takes where none is given, with a warning."""
    ndim = as_tensor(name, "input", input).array.ndim
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
        warnings.warn(f"{name}: say which dim adds up to 1; dim={dim} is taken here", stacklevel=3)
    return dim


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """`input` divided by its p-norm along `dim` (an int or several), or by `eps` if that is larger.

    >>> import tinynet
    >>> normalize(tinynet.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    as_floats("normalize", "input", input)
    return _normalised("normalize", input, p, dim, eps)


def _normalised(function: str, input: Tensor, p: float, dim: Any, eps: float) -> Tensor:
    p = reductions.as_power(function, p)
    eps = as_number(function, "eps", eps, 0)
    dims = as_dims(function, dim, input.ndim)
    return input / elementwise.clamp(reductions.norm(input, p, dims, keepdim=True), min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`.

    ``sum(x1 * x2) / (norm(x1) * norm(x2))``, with sums and norms along `dim`.
    `x1` and `x2` hold floats and broadcast to one shape, which loses `dim`. A norm below `eps`
    counts as `eps`. IndexError for `dim` out of range; vectors in one dimension need ``dim=0``.
    """
    name = "cosine_similarity"
    as_floats(name, "x1", x1), as_floats(name, "x2", x2)
    array_module(x1.array, x2.array, function=name)
    shape = broadcast_shape(name, x1.shape, x2.shape)
    unit1, unit2 = [_normalised(name, shapes.expand(x, shape), 2.0, dim, eps) for x in (x1, x2)]
    return reductions.sum(unit1 * unit2, dim)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``.

    Args:
        input: (..., in).
        weight: (out, in), or (in,) without a bias for results of shape (...).
        bias: (out,) or None.

    Returns (..., out). ValueError for shapes that don't fit, RuntimeError for different dtypes or
    devices.
    """
    shape = as_tensor("linear", "input", input).array.shape
    if as_tensor("linear", "weight", weight).array.ndim == 1 and bias is None:
        return shapes.squeeze(linear(input, shapes.unsqueeze(weight, 0)), -1)
    if weight.array.ndim != 2:
        raise ValueError(f"linear: weight must be (out, in), got shape {tuple(weight.shape)}")
    O, C = weight.array.shape
    if not shape or shape[-1] != C:
        raise ValueError(f"linear: input {shape} must end in the {C} features that weight {(O, C)} "
            f"expects{compat.hint('features', shape, O, C)}")
    check_shape("linear", "bias", bias, (O,), "one number per output")
    same_dtype("linear", input=input, weight=weight, bias=bias)
    if len(shape) == 2:
        return products.linear(input, weight, bias)
    rows = shapes.reshape(input, math.prod(shape[:-1]), C)
    return shapes.reshape(products.linear(rows, weight, bias), *shape[:-1], O)
