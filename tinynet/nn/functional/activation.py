"""Activations, dropout, and the linear layer between them."""

from __future__ import annotations

import numpy as np

from ...backend import Generator, default_generator, to_device
from ...ops import elementwise, reductions, shapes
from ...tensor import Tensor
from ._arguments import as_floats, as_tensor, same_dtype


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(0, input)``. With `inplace`, written into `input`. The gradient at 0 is 0."""
    return as_tensor("relu", "input", input).relu_() if inplace else elementwise.relu(as_tensor("relu", "input", input))


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-input))``."""
    return elementwise.sigmoid(as_tensor("sigmoid", "input", input))


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return elementwise.tanh(as_tensor("tanh", "input", input))


def softmax(input: Tensor, dim: int | None = None, *, dtype: np.dtype | None = None) -> Tensor:
    """``exp(input)`` divided by its sum along `dim`, without overflow. `dim` must be given."""
    return reductions.softmax(as_tensor("softmax", "input", input), dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: np.dtype | None = None) -> Tensor:
    """The logarithm of `softmax`, exact where that would round to 0. `dim` must be given."""
    return reductions.log_softmax(as_tensor("log_softmax", "input", input), dim, dtype=dtype)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: (..., in) with weight (out, in) and bias (out,) gives (..., out).

    ValueError for shapes that don't fit, RuntimeError for different dtypes or devices.
    """
    as_tensor("linear", "input", input)
    if as_tensor("linear", "weight", weight).ndim != 2:
        raise ValueError(f"linear: weight must be (out, in), got shape {tuple(weight.shape)}")
    if not input.ndim or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: input {tuple(input.shape)} must end in the {weight.shape[1]} features that weight {tuple(weight.shape)} expects"
        )
    if bias is not None and as_tensor("linear", "bias", bias).shape != weight.shape[:1]:
        raise ValueError(f"linear: bias must have shape ({weight.shape[0]},), got {tuple(bias.shape)}")
    same_dtype("linear", input=input, weight=weight, bias=bias)
    rows = input if input.ndim == 2 else shapes.reshape(input, input.numel() // max(input.shape[-1], 1), input.shape[-1])
    y = reductions.linear(rows, weight)
    if bias is not None:
        y = y + bias
    return y if input.ndim == 2 else shapes.reshape(y, *input.shape[:-1], weight.shape[0])


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator | None = None) -> Tensor:
    """In training, each element set to 0 with probability `p`, and the others scaled by 1 / (1 - p); else `input`.

    The mask is drawn from `generator`, the one that `manual_seed` seeds by default.
    """
    return _drop("dropout", input, input.shape, p, training, inplace, generator)


def _drop(
    function: str, input: Tensor, mask_shape: tuple[int, ...], p: float, training: bool, inplace: bool, generator: Generator | None
) -> Tensor:
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"{function}: p is a probability, from 0 to 1; got {p!r}")
    as_floats(function, "input", input)
    if not training or p == 0:
        return input
    kept = (generator or default_generator).numpy.random(mask_shape, np.float32) >= p
    mask = Tensor._wrap(to_device(kept.astype(input.dtype) * (1 / (1 - p) if p < 1 else 0.0), input.device))
    return input.mul_(mask) if inplace else input * mask.to(input.dtype)
