"""Adam and its relative AdamW."""

from __future__ import annotations

import math

from ..arrays.memory import empty
from ..arrays import gpu as kernels
from .declared import Betas, Flag, NotNegative, checked
from .descent import Descent, Params, average, average_square, in_shares, over_root


@kernels.on_gpu(kernels.adam_step)
@in_shares
def adam_step(xp, p, g, m, v, most, beta1, beta2, rate, floor) -> None:
    """Move the averages m and v, then p ← p − rate · m / (√v + floor).

    `most`, unless None, is the largest v so far and stands for v in the last formula.
    """
    scratch = empty(xp, p.shape, p.dtype)
    average(xp, m, g, beta1, scratch)  # m ← β₁ · m + (1 − β₁) · g
    average_square(xp, v, g, beta2, scratch)  # v ← β₂ · v + (1 − β₂) · g²
    if most is not None:
        v = xp.maximum(most, v, out=most)
    p -= xp.multiply(over_root(xp, m, v, floor, scratch), rate, out=scratch)


class Adam(Descent):
    """Adam: steps along the average gradient, in units of its average size, element by element.

    g is the gradient of the loss at the parameter p at step t = 1, 2, …. The averages m and v
    (``exp_avg``, ``exp_avg_sq``) start as 0::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        p ← p − lr · m̂ / (√v̂ + eps)           where m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)

    The source is Kingma and Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015),
    https://arxiv.org/abs/1412.6980. With `amsgrad` the largest v so far (``max_exp_avg_sq``) stands
    for v in the last line: Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond" (ICLR
    2018).

    `betas` are β₁ and β₂, each from 0 to below 1. `lr`, `eps` and `weight_decay` are at least 0.
    Otherwise ValueError.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    @checked
    def __init__(self, params: Params, lr: NotNegative = 1e-3, betas: Betas = (0.9, 0.999),
                 eps: NotNegative = 1e-8, weight_decay: NotNegative = 0, amsgrad: Flag = False, *,
                 maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _update(self, xp, p, g, state, *, lr, betas, eps, amsgrad) -> None:
        t = self._count(state)
        m = self._buffer(xp, state, "exp_avg", p)
        v = self._buffer(xp, state, "exp_avg_sq", p)
        most = self._buffer(xp, state, "max_exp_avg_sq", p) if amsgrad else None
        # lr · m̂ / (√v̂ + eps), its numerator and denominator times √(1 − β₂ᵗ). So no average is
        # divided, which saves a pass over the array (end of section 2 of the paper).
        beta1, beta2 = betas
        root = math.sqrt(1 - beta2**t)
        adam_step(xp, p, g, m, v, most, beta1, beta2, lr * root / (1 - beta1**t), eps * root)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p − lr · weight_decay · p before the step of `Adam`.

    So the weight decay does not pass through the averages. The source is Loshchilov and Hutter,
    "Decoupled Weight Decay Regularization" (ICLR 2019), https://arxiv.org/abs/1711.05101. The
    arguments are those of `Adam`, but the default of `weight_decay` is 0.01.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w
    tensor([ 0.8500, -1.8000], requires_grad=True)
    """

    _decoupled = True

    @checked
    def __init__(self, params: Params, lr: NotNegative = 1e-3, betas: Betas = (0.9, 0.999),
                 eps: NotNegative = 1e-8, weight_decay: NotNegative = 1e-2, amsgrad: Flag = False,
                 *, maximize: Flag = False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
