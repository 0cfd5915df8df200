"""Formulas of other functions: activations, losses and distances that small nets seldom need.

None has a derivative of its own; each is differentiated through the operations it is made of.
Activations take any shape and give the same shape. Losses take a `reduction`, as those of `loss`.
"""

import functools
import math
from typing import Any

import numpy as np

from .. import creation
from ..nn import functional as F
from ..ops import indexing
from ..ops.arguments import as_dim, as_int, as_tensor_of
from ..ops.elementwise import clamp, expm1, minimum, softplus, where
from ..ops.operands import named
from ..optim.declared import NotNegative
from ..tensor import Tensor
from . import functions
from .declared import AnyTensor, declare, Power, require, Target
from .functions import scatter, scatter_add

# ------------------------------------------------------------------------------------ activations


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`input` where it is positive, else ``alpha * (exp(input / alpha) - 1)``.

    Barron 2017, arXiv 1704.07483. ValueError for an alpha of 0.
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    return where(input >= 0, input, alpha * expm1(clamp(input, max=0.0) / alpha))


def selu(input: Tensor) -> Tensor:
    """``1.0507 * elu(input, 1.6733)``: keeps mean 0 and variance 1.

    Klambauer et al. 2017, arXiv 1706.02515.
    """
    return 1.0507009873554805 * F.elu(input, 1.6732632423543772)


def mish(input: Tensor) -> Tensor:
    """``input * tanh(softplus(input))``. Misra 2019, arXiv 1908.08681."""
    return input * softplus(input).tanh()


def hardsigmoid(input: Tensor) -> Tensor:
    """``relu6(input + 3) / 6``, nearly `sigmoid`."""
    return F.relu6(input + 3.0) / 6.0


def hardswish(input: Tensor) -> Tensor:
    """``input * relu6(input + 3) / 6``, nearly `silu`. Howard et al. 2019, arXiv 1905.02244."""
    return input * F.relu6(input + 3.0) / 6.0


def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``."""
    return input / (1.0 + input.abs())


def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))``, exact also where the sigmoid would round to 0."""
    return -softplus(-input)


def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``."""
    return input - input.tanh()


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` where its size is above `lambd`, else 0."""
    return where(input.abs() <= lambd, 0.0, input)


def softshrink(input: Tensor, lambd: NotNegative = 0.5) -> Tensor:
    """`input` moved towards 0 by `lambd`, which is not negative; 0 if it is nearer than that."""
    return where(input.abs() <= lambd, 0.0, input - input.sign() * lambd)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """`input` where it is above `threshold`, else `value`."""
    return where(input <= threshold, float(value), input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`leaky_relu` whose slope, `weight`, is learned.

    It is one number, or one per channel, (C,), for an input (N, C, ...). He et al. 2015,
    arXiv 1502.01852.
    """
    C = input.shape[1] if input.ndim > 1 else 1
    rule = f"weight must hold 1 slope, or {C}, one per channel"
    require(weight.ndim < 2 and weight.numel() in (1, C), "prelu", rule, weight)
    slopes = weight.reshape(-1, *[1] * (input.ndim - 2)) if input.ndim else weight.sum()
    return where(input > 0, input, input * slopes)


def rrelu(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3,
          training: bool = False) -> Tensor:
    """`leaky_relu` with slopes drawn between `lower` and `upper`; unless `training`, their mean.

    Xu et al. 2015, arXiv 1505.00853.
    """
    if not 0 <= lower <= upper:
        raise ValueError(f"rrelu: expected 0 <= lower <= upper, got {lower} and {upper}")
    draws = creation.rand(input.shape, dtype=input.dtype, device=input.device) if training else 0.5
    return where(input > 0, input, input * (lower + (upper - lower) * draws))


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None,
             eps: float | None = None) -> Tensor:
    """`input` over the root of its mean square in the last dims, of `normalized_shape`.

    Then times `weight`. `eps`, by default the dtype's, is added under the root. Zhang & Sennrich
    2019, arXiv 1910.07467.
    """
    shape = tuple(normalized_shape)
    rule = f"input must end in normalized_shape {shape}, as weight"
    fits = bool(shape) and input.shape[-len(shape):] == shape
    fits = fits and (weight is None or weight.shape == shape)
    require(fits, "rms_norm", rule, input)
    eps = float(np.finfo(input.array.dtype).eps) if eps is None else eps
    scaled = input * (input.square().mean([*range(-len(shape), 0)], True) + eps).rsqrt()
    return scaled if weight is None else scaled * weight


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[o] @ input2`` for each output o: (..., I), (..., J), (O, I, J) -> (..., O).
    """
    y = functions.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias


def pdist(input: Tensor, p: Power = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows of (N, D), in order: (N (N - 1) / 2,)."""
    require(input.ndim == 2, "pdist", "input must be (N, D)", input)
    i, j = np.triu_indices(input.shape[0], 1)
    return (input[Tensor._wrap(i)] - input[Tensor._wrap(j)]).norm(p, -1)


def embedding(input: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` (count, D) that the integers `input` (...) name: (..., D).

    The row `padding_idx`, which may be negative, gets no gradient. IndexError for a row that there
    is not.
    """
    require(weight.ndim == 2, "embedding", "weight must be (count, D)", weight)
    rows, N = as_tensor_of("embedding", "input", input, "iu").array, weight.shape[0]
    if isinstance(rows, np.ndarray) and ((rows < 0) | (rows >= N)).any():
        raise IndexError(f"embedding: input must hold rows from 0 to {N - 1}, got {rows!r:.60}")
    found = indexing.getitem(weight, (input.long(),), "embedding")
    if padding_idx is None:
        return found
    row = as_int("embedding", "padding_idx", padding_idx, -N, N) % N
    return where((input == row).unsqueeze(-1), found.detach(), found)


def glu(input: Tensor, dim: Any = -1) -> Tensor:
    """The first half along `dim`, times the sigmoid of the second. Dauphin et al. 2016."""
    size = input.shape[as_dim("glu", dim, input.ndim)]
    require(size % 2 == 0, "glu", f"the size along dim {dim} must be even", input)
    first, second = input.split(size // 2, dim)
    return first * second.sigmoid()


def softmin(input: Tensor, dim: Any = None) -> Tensor:
    """``softmax(-input)``."""
    return F.softmax(-input, dim)


def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10,
                   dim: Any = -1) -> Tensor:
    """A draw with the probabilities ``softmax(logits)``, that gradients flow through.

    With `hard` it is 0 or 1 everywhere, with the gradient of the soft one. Jang et al. 2017. `eps`
    has no effect, as in PyTorch.
    """
    uniform = creation.rand(logits.shape, dtype=logits.dtype, device=logits.device)
    y = F.softmax((logits - (-uniform.log()).log()) / tau, dim)
    first = y.detach().argmax(dim, True)
    return scatter(y.detach() * 0, dim, first, 1.0) - y.detach() + y if hard else y


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1 of what `selu` gives. Klambauer et al. 2017."""
    if not training or not p:
        return input
    low, keep = -1.7580993408473766, creation.rand(input.shape, device=input.device) >= p
    scale = ((1 - p) * (1 + p * low * low)) ** -0.5 if p < 1 else 0.0
    return where(keep, input, low) * scale - scale * p * low


# ----------------------------------------------------------------------------------------- losses


def multi_margin_loss(input: Tensor, target: AnyTensor, p: int = 1, margin: float = 1.0,
                      weight: Tensor | None = None) -> Tensor:
    """The mean over the classes of ``max(0, margin - input[target] + input) ** p``, but for target.

    `input` is (N, C) and `target` (N,), or (C,) and (). `weight` (C,) multiplies a target's loss.
    """
    rule = "input must be (N, C) and target (N,), or (C,) and ()"
    require(target.shape == input.shape[:-1], "multi_margin_loss", rule, input, target)
    own = input.gather(-1, target.unsqueeze(-1))
    loss = F.relu(margin - own + input) ** p
    loss = loss if weight is None else loss * weight[target].unsqueeze(-1)
    return where(F.one_hot(target, input.shape[-1]) > 0, 0.0, loss).mean(-1)


def multilabel_margin_loss(input: Tensor, target: AnyTensor) -> Tensor:
    """``max(0, 1 - input[i] + input[j])``, summed over targets i and other classes j, by C.

    `target` has the shape of `input`, (N, C) or (C,): class numbers, which end at the first -1.
    """
    rule = "input and target must have one shape"
    require(target.shape == input.shape, "multilabel_margin_loss", rule, input, target)
    named, at = (target < 0).cumsum(-1) == 0, target.clamp(min=0)
    others = scatter_add(target * 0, -1, at, named.long()) == 0
    gaps = F.relu(1.0 - input.gather(-1, at).unsqueeze(-1) + input.unsqueeze(-2))
    counted = named.unsqueeze(-1) & others.unsqueeze(-2)
    return where(counted, gaps, 0.0).sum((-2, -1)) / input.shape[-1]


def multilabel_soft_margin_loss(input: Tensor, target: Target,
                                weight: Tensor | None = None) -> Tensor:
    """The mean over the classes of the binary cross-entropy of ``sigmoid(input)``."""
    loss = target * softplus(-input) + (1.0 - target) * softplus(input)
    return (loss if weight is None else loss * weight).mean(-1)


def gaussian_nll_loss(input: Tensor, target: Tensor, var: Tensor, full: bool = False,
                      eps: float = 1e-6) -> Tensor:
    """``(log(var) + (input - target) ** 2 / var) / 2``: that of a normal distribution.

    `var` is at least `eps`, which changes no gradient. With `full`, ``log(2 pi) / 2`` is added.
    """
    var = var.unsqueeze(-1) if var.shape == input.shape[:-1] != input.shape else var
    var = var + (clamp(var, min=eps) - var).detach()
    loss = (var.log() + (input - target) ** 2 / var) / 2.0
    return loss + math.log(2 * math.pi) / 2 if full else loss


def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Target,
                        margin: float = 0.0) -> Tensor:
    """``max(0, margin - target * (input1 - input2))``; `target` is 1 where input1 ranks higher.

    It is -1 elsewhere. The three tensors have one shape.
    """
    return clamp(margin + -target * (input1 - input2), min=0.0)


def hinge_embedding_loss(input: Tensor, target: Target, margin: float = 1.0) -> Tensor:
    """`input`, a distance, where `target` is 1, and ``max(0, margin - input)`` where it is -1."""
    far = where(target != 1, clamp(margin - input, min=0.0), 0.0)
    return far + where(target != -1, input, 0.0)


def soft_margin_loss(input: Tensor, target: Target) -> Tensor:
    """``log(1 + exp(-target * input))`` for targets 1 and -1."""
    return softplus(-target * input)


def poisson_nll_loss(input: Tensor, target: Target, log_input: bool = True, full: bool = False,
                     size_average: bool | None = None, eps: float = 1e-8) -> Tensor:
    """``exp(input) - target * input``: the negative log-likelihood of Poisson counts `target`.

    With ``log_input=False``, `input` is the rate itself: ``input - target * log(input + eps)``.
    With `full`, Stirling's formula for ``log(target!)`` is added where the target is above 1.
    """
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        n = where(target > 1, target, 1.0)
        stirling = n * n.log() - n + 0.5 * (2 * math.pi * n).log()
        loss = loss + where(target > 1, stirling, 0.0)
    return loss


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Target,
                          margin: float = 0.0) -> Tensor:
    """``1 - cos`` where `target` is 1, ``max(0, cos - margin)`` where it is -1.

    `cos` is the cosine of the angle between rows of `input1` and `input2`, (N, D), with a target of
    shape (N,); or (D,) with a target of shape ().
    """
    fits = input1.ndim in (1, 2) and input1.shape == input2.shape
    rule = "input1 and input2 must be (N, D) and target (N,), or (D,) and ()"
    require(fits and target.shape == input1.shape[:-1], "cosine_embedding_loss", rule, input1,
        input2, target)
    squares = [x.square().sum(-1) + 1e-12 for x in (input1, input2)]
    cos = (input1 * input2).sum(-1) / (squares[0] * squares[1]).sqrt()
    apart = where(target == -1, clamp(cos - margin, min=0.0), 0.0)
    return where(target == 1, 1.0 - cos, apart)


def pairwise_distance(x1: Tensor, x2: Tensor, p: Power = 2.0, eps: float = 1e-6,
                      keepdim: bool = False) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0,
                        p: Power = 2.0, eps: float = 1e-6, swap: bool = False) -> Tensor:
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))``, d = `pairwise_distance`.

    With `swap`, the smaller of d(anchor, negative) and d(positive, negative). Balntas et al. 2016.
    """
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be above 0, got {margin}")
    distance = functools.partial(pairwise_distance, p=p, eps=eps)
    near, far = distance(anchor, positive), distance(anchor, negative)
    far = minimum(far, distance(positive, negative)) if swap else far
    return clamp(margin + near - far, min=0.0)


# -------------------------------------------------------------------------------- what they are

__all__ = declare(
    globals(), inplace="celu selu mish hardsigmoid hardswish threshold rrelu",
    apart="prelu rms_norm bilinear embedding cosine_embedding_loss multi_margin_loss "
    "gaussian_nll_loss")

for _name in "relu leaky_relu elu hardtanh celu selu rrelu".split():  # relu_ and so on
    _function = {**vars(F), **globals()}[_name]
    _in_place = functools.partial(_function, inplace=True)
    globals()[f"{_name}_"] = named(_in_place, f"{_name}_", _function.__doc__)
    __all__.append(f"{_name}_")
