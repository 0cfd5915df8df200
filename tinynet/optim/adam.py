"""Adam and its relative AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from ..arrays import gpu as kernels
from ..arrays.memory import empty
from ..tensor import Tensor
from .optimizer import Optimizer, direction, in_shares


@kernels.on_gpu(kernels.adam_step)
@in_shares
def adam_step(
    xp: Any, p: Any, g: Any, m: Any, v: Any, most: Any, beta1: float, beta2: float, rate: float, floor: float
) -> None:
    """Move the averages m and v (and the largest v so far, `most`, unless None) and the parameter p by one step."""
    scratch = empty(xp, p.shape, p.dtype)
    xp.subtract(g, m, out=scratch)
    scratch *= 1 - beta1
    m += scratch
    v *= beta2
    xp.multiply(g, g, out=scratch)
    scratch *= 1 - beta2
    v += scratch
    if most is not None:
        v = xp.maximum(most, v, out=most)
    xp.sqrt(v, out=scratch)
    scratch += floor
    xp.divide(m, scratch, out=scratch)
    scratch *= rate
    p -= scratch


class Adam(Optimizer):
    """Adam: steps along the average gradient, in units of its average size, element by element.

    With the gradient g of the loss at the parameter p, at step t = 1, 2, …, and m and v (``exp_avg``, ``exp_avg_sq``) from 0::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        p ← p − lr · m̂ / (√v̂ + eps)           where m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)

    (Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, https://arxiv.org/abs/1412.6980). With `amsgrad` the
    largest v so far (``max_exp_avg_sq``) stands for v in the last line (Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond",
    ICLR 2018).

    `betas` are β₁ and β₂, from 0 to below 1; `lr`, `eps` and `weight_decay` are at least 0; ValueError else.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    _strict = True
    _decoupled: ClassVar[bool] = False

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize},
        )

    def _update(
        self, xp: Any, p: Any, g: Any, state: dict[str, Any], *, lr: float, betas: tuple[float, float], eps: float,
        weight_decay: float, amsgrad: bool, maximize: bool,
    ) -> None:
        beta1, beta2 = betas
        t = state["step"] = state.get("step", 0) + 1
        g = direction(xp, p, g, 0 if self._decoupled else weight_decay, maximize)
        if self._decoupled and weight_decay:
            p *= 1 - lr * weight_decay
        m, v = self._buffer(xp, state, "exp_avg", p), self._buffer(xp, state, "exp_avg_sq", p)
        most = self._buffer(xp, state, "max_exp_avg_sq", p) if amsgrad else None
        # m̂ / (√v̂ + eps) with numerator and denominator times √(1 − β₂ᵗ): a pass less over the array (section 2 of the paper)
        correction = math.sqrt(1 - beta2**t)
        adam_step(xp, p, g, m, v, most, beta1, beta2, lr * correction / (1 - beta1**t), eps * correction)


class AdamW(Adam):
    """Adam whose weight decay doesn't pass through the averages: ``p ← p − lr · weight_decay · p`` before the step of `Adam`.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019), https://arxiv.org/abs/1711.05101. Arguments are those of
    `Adam`, but `weight_decay` is 0.01 unless told otherwise.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w
    tensor([ 0.8500, -1.8000], requires_grad=True)
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
