"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..arrays.memory import empty
from ..tensor import Tensor
from .optimizer import Optimizer, direction


class RMSprop(Optimizer):
    """RMSprop: gradient descent in units of the gradient's root mean square, element by element.

    With the gradient g of the loss at the parameter p, and s (``square_avg``) from 0::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        s ← alpha · s + (1 − alpha) · g²
        p ← p − lr · g / (√s + eps)

    (Hinton, lecture 6 of "Neural Networks for Machine Learning", Coursera 2012). With `centered`, s less the squared average of the
    gradients (``grad_avg``, averaged like s) stands under the root: Graves, "Generating Sequences With Recurrent Neural Networks",
    2013, https://arxiv.org/abs/1308.0850. With `momentum`, quotients gather in a velocity (``momentum_buffer``) from 0::

        v ← momentum · v + g / (√s + eps)
        p ← p − lr · v

    `alpha` is from 0 to 1; `lr`, `eps`, `weight_decay` and `momentum` are at least 0; ValueError else.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.01)
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
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered, "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _update(
        self, xp: Any, p: Any, g: Any, state: dict[str, Any], *, lr: float, momentum: float, alpha: float, eps: float,
        centered: bool, weight_decay: float, maximize: bool,
    ) -> None:
        state["step"] = state.get("step", 0) + 1  # needed nowhere here, but part of PyTorch's state
        g = direction(xp, p, g, weight_decay, maximize)
        scratch = empty(xp, p.shape, p.dtype)
        s = self._buffer(xp, state, "square_avg", p)
        s *= alpha
        xp.multiply(g, g, out=scratch)
        scratch *= 1 - alpha
        s += scratch
        if centered:
            average = self._buffer(xp, state, "grad_avg", p)
            xp.subtract(g, average, out=scratch)
            scratch *= 1 - alpha
            average += scratch
            xp.multiply(average, average, out=scratch)
            s = xp.subtract(s, scratch, out=scratch)
        xp.sqrt(s, out=scratch)
        scratch += eps
        xp.divide(g, scratch, out=scratch)
        if momentum:
            v = self._buffer(xp, state, "momentum_buffer", p)
            v *= momentum
            v += scratch
            xp.multiply(v, lr, out=scratch)
        else:
            scratch *= lr
        p -= scratch
