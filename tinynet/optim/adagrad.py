"""Adagrad."""

from __future__ import annotations

from ..arrays.memory import empty
from .declared import Flag, NotNegative, checked
from .descent import Descent, Params, over_root


class Adagrad(Descent):
    """Adagrad: an element's steps get shorter the more its squared gradients have summed up to.

    g is the gradient of the loss at the parameter p at step t = 1, 2, …. The sum s (``sum``) starts
    as `initial_accumulator_value`::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        s ← s + g²
        p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps)

    The source is Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (JMLR 12, 2011), https://jmlr.org/papers/v12/duchi11a.html. All options
    that are numbers are at least 0; otherwise ValueError.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    @checked
    def __init__(self, params: Params, lr: NotNegative = 1e-2, lr_decay: NotNegative = 0,
                 weight_decay: NotNegative = 0, initial_accumulator_value: NotNegative = 0,
                 eps: NotNegative = 1e-10, *, maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _update(self, xp, p, g, state, *, lr, lr_decay, eps, initial_accumulator_value) -> None:
        t = self._count(state)
        scratch = empty(xp, p.shape, p.dtype)
        s = self._buffer(xp, state, "sum", p, start=initial_accumulator_value)
        s += xp.multiply(g, g, out=scratch)
        rate = lr / (1 + (t - 1) * lr_decay)
        p -= xp.multiply(over_root(xp, g, s, eps, scratch), rate, out=scratch)
