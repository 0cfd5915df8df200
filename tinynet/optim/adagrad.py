"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..arrays.memory import empty
from ..tensor import Tensor
from .optimizer import Optimizer, direction


class Adagrad(Optimizer):
    """Adagrad: steps that get shorter the more an element's gradients have summed up to.

    With the gradient g of the loss at the parameter p, at step t = 1, 2, …, and s (``sum``) from `initial_accumulator_value`::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        s ← s + g²
        p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps)

    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization" (JMLR 12, 2011),
    https://jmlr.org/papers/v12/duchi11a.html. All options are at least 0; ValueError else.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    _strict = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
            },
        )

    def _update(
        self, xp: Any, p: Any, g: Any, state: dict[str, Any], *, lr: float, lr_decay: float, eps: float, weight_decay: float,
        initial_accumulator_value: float, maximize: bool,
    ) -> None:
        t = state["step"] = state.get("step", 0) + 1
        g = direction(xp, p, g, weight_decay, maximize)
        scratch = empty(xp, p.shape, p.dtype)
        s = self._buffer(xp, state, "sum", p, start=initial_accumulator_value)
        s += xp.multiply(g, g, out=scratch)
        xp.sqrt(s, out=scratch)
        scratch += eps
        xp.divide(g, scratch, out=scratch)
        scratch *= lr / (1 + (t - 1) * lr_decay)
        p -= scratch
