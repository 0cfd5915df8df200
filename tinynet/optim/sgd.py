"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..arrays import gpu as kernels
from ..arrays.memory import empty
from ..tensor import Tensor
from .optimizer import Optimizer, direction, in_shares


@kernels.on_gpu(kernels.momentum_step)
@in_shares
def momentum_step(xp: Any, p: Any, g: Any, v: Any, lr: float, momentum: float, share: float, nesterov: bool) -> None:
    """Move the velocity v, to which g contributes a `share`, and the parameter p by one step."""
    scratch = empty(xp, p.shape, p.dtype)
    v *= momentum
    v += g if share == 1 else xp.multiply(g, share, out=scratch)
    if nesterov:
        xp.multiply(v, momentum, out=scratch)
        scratch += g
        scratch *= lr
    else:
        xp.multiply(v, lr, out=scratch)
    p -= scratch


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    With the gradient g of the loss at the parameter p, and the velocity v (``momentum_buffer``) that starts as the first g::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        v ← momentum · v + (1 − dampening) · g
        p ← p − lr · v                        (− lr · (g + momentum · v) with nesterov; − lr · g without momentum)

    as in Sutskever et al., "On the importance of initialization and momentum in deep learning" (ICML 2013), but for where lr
    stands: there inside the velocity.

    `lr`, `momentum` and `weight_decay` are at least 0. `nesterov` needs a momentum and no dampening: ValueError else.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5000, -1.0000], requires_grad=True)
    """

    _strict = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _checked(self, owner: str, options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        checked = super()._checked(owner, options, names)
        if checked["nesterov"] and (not checked["momentum"] or checked["dampening"]):
            raise ValueError(
                f"{owner}: nesterov=True needs momentum above 0 and dampening 0, "
                f"got momentum={checked['momentum']!r} and dampening={checked['dampening']!r}"
            )
        return checked

    def _update(
        self, xp: Any, p: Any, g: Any, state: dict[str, Any], *, lr: float, momentum: float, dampening: float,
        weight_decay: float, nesterov: bool, maximize: bool,
    ) -> None:
        g = direction(xp, p, g, weight_decay, maximize)
        if momentum:
            share = 1 if "momentum_buffer" not in state else 1 - dampening
            v = self._buffer(xp, state, "momentum_buffer", p)
            momentum_step(xp, p, g, v, lr, momentum, share, nesterov)
        else:
            p -= xp.multiply(g, lr, out=empty(xp, p.shape, p.dtype))
