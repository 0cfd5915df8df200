"""Formulas of other functions: activations, losses and distances that small nets seldom need.

None has a derivative of its own; each is differentiated through the operations it is made of.
Activations take any shape and give the same shape. Losses take a `reduction`, as those of `loss`.
"""

import functools
import math
from typing import Any

import numpy as np

from ..nn import functional
from ..nn.functional.activation import relu6
from ..ops import elementwise, indexing, reductions, shapes
from ..ops.arguments import as_int, as_number, as_tensor_of
from ..tensor import Tensor
from . import public
from .declared import formula

# ------------------------------------------------------------------------------------ activations


@formula(inplace=True)
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`input` where it is positive, else ``alpha * (exp(input / alpha) - 1)``.

    Barron 2017, arXiv 1704.07483. ValueError for an alpha of 0.
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    powers = alpha * elementwise.expm1(elementwise.clamp(input, max=0.0) / alpha)
    return elementwise.where(input >= 0, input, powers)


@formula(inplace=True)
def selu(input: Tensor) -> Tensor:
    """``1.0507 * elu(input, 1.6733)``: keeps mean 0 and variance 1.

    Klambauer et al. 2017, arXiv 1706.02515.
    """
    powers = 1.6732632423543772 * elementwise.expm1(elementwise.clamp(input, max=0.0))
    return 1.0507009873554805 * elementwise.where(input > 0, input, powers)


@formula(inplace=True)
def mish(input: Tensor) -> Tensor:
    """``input * tanh(softplus(input))``. Misra 2019, arXiv 1908.08681."""
    return input * elementwise.tanh(elementwise.softplus(input))


@formula(inplace=True)
def hardsigmoid(input: Tensor) -> Tensor:
    """``relu6(input + 3) / 6``, nearly `sigmoid`."""
    return relu6(input + 3.0) / 6.0


@formula(inplace=True)
def hardswish(input: Tensor) -> Tensor:
    """``input * relu6(input + 3) / 6``, nearly `silu`. Howard et al. 2019, arXiv 1905.02244."""
    return input * relu6(input + 3.0) / 6.0


@formula()
def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``."""
    return input / (1.0 + elementwise.abs(input))


@formula()
def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))``, exact also where the sigmoid would round to 0."""
    return -elementwise.softplus(-input)


@formula()
def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``."""
    return input - elementwise.tanh(input)


@formula()
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` where its size is above `lambd`, else 0."""
    return elementwise.where(elementwise.abs(input) <= lambd, 0.0, input)


@formula()
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` moved towards 0 by `lambd`, which is not negative; 0 if it is nearer than that."""
    as_number("softshrink", "lambd", lambd, 0)
    return hardshrink(input, lambd) - elementwise.sign(hardshrink(input, lambd)) * lambd


@formula(inplace=True)
def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """`input` where it is above `threshold`, else `value`."""
    return elementwise.where(input <= threshold, float(value), input)


@formula()
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`leaky_relu` whose slope, `weight`, is learned.

    It is one number, or one per channel, (C,), for an input (N, C, ...). He et al. 2015,
    arXiv 1502.01852.
    """
    C = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, C):
        raise ValueError(f"prelu: weight must hold 1 slope, or {C}, one per channel; "
            f"got shape {tuple(weight.shape)}")
    slopes = shapes.reshape(weight, -1, *[1] * max(input.ndim - 2, 0))
    return elementwise.where(input > 0, input, input * (slopes if input.ndim else weight.sum()))


@formula()
def embedding(input: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` (count, D) that the integers `input` (...) name: (..., D).

    The row `padding_idx`, which may be negative, gets no gradient. IndexError for a row that there
    is not.
    """
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight must be (count, D), got shape {tuple(weight.shape)}")
    rows, N = as_tensor_of("embedding", "input", input, "iu").array, weight.shape[0]
    if isinstance(rows, np.ndarray) and ((rows < 0) | (rows >= N)).any():
        raise IndexError(f"embedding: input must hold rows from 0 to {N - 1}, got {rows!r:.60}")
    found = indexing.getitem(weight, (input.long(),), "embedding")
    if padding_idx is None:
        return found
    row = as_int("embedding", "padding_idx", padding_idx, -N, N) % N
    return elementwise.where(shapes.unsqueeze(input == row, -1), found.detach(), found)


# ----------------------------------------------------------------------------------------- losses


@formula(loss=True, one_shape=True)
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor,
                        margin: float = 0.0) -> Tensor:
    """``max(0, margin - target * (input1 - input2))``; `target` is 1 where input1 ranks higher.

    It is -1 elsewhere. The three tensors have one shape.
    """
    return elementwise.clamp(margin - target * (input1 - input2), min=0.0)


@formula(loss=True, one_shape=True)
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0) -> Tensor:
    """`input`, a distance, where `target` is 1, and ``max(0, margin - input)`` where it is -1."""
    far = elementwise.where(target != 1, elementwise.clamp(margin - input, min=0.0), 0.0)
    return far + elementwise.where(target != -1, input, 0.0)


@formula(loss=True, one_shape=True)
def soft_margin_loss(input: Tensor, target: Tensor) -> Tensor:
    """``log(1 + exp(-target * input))`` for targets 1 and -1."""
    return elementwise.softplus(-target * input)


@formula(loss=True, one_shape=True)
def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
                     size_average: bool | None = None, eps: float = 1e-8) -> Tensor:
    """``exp(input) - target * input``: the negative log-likelihood of Poisson counts `target`.

    With ``log_input=False``, `input` is the rate itself: ``input - target * log(input + eps)``.
    With `full`, Stirling's formula for ``log(target!)`` is added where the target is above 1.
    """
    if log_input:
        loss = elementwise.exp(input) - target * input
    else:
        loss = input - target * elementwise.log(input + eps)
    if full:
        n = elementwise.where(target > 1, target, 1.0)
        stirling = n * elementwise.log(n) - n + 0.5 * elementwise.log(2 * math.pi * n)
        loss = loss + elementwise.where(target > 1, stirling, 0.0)
    return loss


@formula(loss=True)
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor,
                          margin: float = 0.0) -> Tensor:
    """``1 - cos`` where `target` is 1, ``max(0, cos - margin)`` where it is -1.

    `cos` is the cosine of the angle between rows of `input1` and `input2`, (N, D), with a target of
    shape (N,); or (D,) with a target of shape ().
    """
    shape = input1.shape
    if input2.shape != shape or target.shape != shape[:-1] or len(shape) not in (1, 2):
        given = f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        raise ValueError("cosine_embedding_loss: input1 and input2 must be (N, D) and target (N,), "
            f"or (D,) and (); got {given}")
    squares = [reductions.sum(elementwise.square(x), -1) + 1e-12 for x in (input1, input2)]
    cos = reductions.sum(input1 * input2, -1) / elementwise.sqrt(squares[0] * squares[1])
    apart = elementwise.where(target == -1, elementwise.clamp(cos - margin, min=0.0), 0.0)
    return elementwise.where(target == 1, 1.0 - cos, apart)


def _distance(name: str, x1: Tensor, x2: Tensor, p: Any, eps: float, keepdim: bool) -> Tensor:
    p = as_number(name, "p", p, positive=True, infinite=True)
    return reductions.norm(x1 - x2 + eps, p, -1, keepdim)


@formula(one_shape=True)
def pairwise_distance(x1: Tensor, x2: Tensor, p: Any = 2.0, eps: float = 1e-6,
                      keepdim: bool = False) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension."""
    return _distance("pairwise_distance", x1, x2, p, eps, keepdim)


@formula(loss=True, one_shape=True)
def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0,
                        p: Any = 2.0, eps: float = 1e-6, swap: bool = False) -> Tensor:
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))``, d = `pairwise_distance`.

    With `swap`, the smaller of d(anchor, negative) and d(positive, negative). Balntas et al. 2016.
    """
    pairs = [(anchor, positive), (anchor, negative), *[(positive, negative)] * swap]
    near, far, *others = [_distance("triplet_margin_loss", *pair, p, eps, False) for pair in pairs]
    for other in others:
        far = elementwise.minimum(far, other)
    return elementwise.clamp(margin + near - far, min=0.0)


# ------------------------------------------------------------------------------- other names


def _in_place(name: str) -> Any:
    """PyTorch's `name`_: the function `name`, written into its input."""
    function: Any = globals().get(name) or getattr(functional, name)

    @functools.wraps(function)
    def operation(input: Tensor, *arguments: Any) -> Tensor:
        return function(input, *arguments, inplace=True)

    return operation


_NAMES = "relu leaky_relu elu hardtanh celu selu".split()
__all__ = public(globals(), *[f"{name}_" for name in _NAMES])
globals().update({f"{name}_": _in_place(name) for name in _NAMES})
