"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..arrays.memory import empty
from ..arrays import gpu as kernels
from .declared import Flag, NotNegative, Number, checked
from .descent import Descent, Params, in_shares


@kernels.on_gpu(kernels.momentum_step)
@in_shares
def momentum_step(xp, p, g, v, lr, momentum, weight, nesterov) -> None:
    """v ← momentum · v + weight · g; then p ← p − lr · v, or p − lr · (momentum · v + g)."""
    scratch = empty(xp, p.shape, p.dtype)
    v *= momentum
    v += g if weight == 1 else xp.multiply(g, weight, out=scratch)
    step = v
    if nesterov:
        step = xp.multiply(v, momentum, out=scratch)
        step += g
    p -= xp.multiply(step, lr, out=scratch)


class SGD(Descent):
    """Stochastic gradient descent, with momentum if asked for.

    g is the gradient of the loss at the parameter p. The velocity v (``momentum_buffer``) starts as
    the first g::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        v ← momentum · v + (1 − dampening) · g
        p ← p − lr · v                        (− lr · g without momentum,
                                               − lr · (g + momentum · v) with nesterov)

    The source is Sutskever et al., "On the importance of initialization and momentum in deep
    learning" (ICML 2013). There lr stands inside the velocity; here it stands outside.

    `lr`, `momentum` and `weight_decay` are at least 0. `nesterov` needs a momentum above 0 and no
    dampening. Otherwise ValueError.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5000, -1.0000], requires_grad=True)
    """

    @checked
    def __init__(self, params: Params, lr: NotNegative = 1e-3, momentum: NotNegative = 0,
                 dampening: Number = 0, weight_decay: NotNegative = 0, nesterov: Flag = False, *,
                 maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _checked(self, owner: str, options: Any) -> dict[str, Any]:
        checked = super()._checked(owner, options)
        momentum, dampening = checked["momentum"], checked["dampening"]
        if checked["nesterov"] and (not momentum or dampening):
            raise ValueError(f"{owner}: nesterov=True needs momentum above 0 and dampening 0, got "
                f"momentum={momentum!r} and dampening={dampening!r}")
        return checked

    def _update(self, xp, p, g, state, *, lr, momentum, dampening, nesterov) -> None:
        if not momentum:
            p -= xp.multiply(g, lr, out=empty(xp, p.shape, p.dtype))
            return
        weight = 1 - dampening if "momentum_buffer" in state else 1
        v = self._buffer(xp, state, "momentum_buffer", p)
        momentum_step(xp, p, g, v, lr, momentum, weight, nesterov)
