"""RMSprop."""

from __future__ import annotations

from ..arrays.memory import empty
from .declared import Flag, Fraction, NotNegative, checked
from .descent import Descent, Params, average, average_square, over_root


class RMSprop(Descent):
    """RMSprop: gradient descent in units of the gradient's root mean square, element by element.

    g is the gradient of the loss at the parameter p. The average s (``square_avg``) starts as 0::

        g ← g + weight_decay · p              (−g instead of g with maximize)
        s ← alpha · s + (1 − alpha) · g²
        p ← p − lr · g / (√s + eps)

    The source is Hinton, lecture 6 of "Neural Networks for Machine Learning" (Coursera 2012). With
    `centered`, s minus the squared average of the gradients (``grad_avg``, averaged like s) stands
    under the root: Graves, "Generating Sequences With Recurrent Neural Networks" (2013),
    https://arxiv.org/abs/1308.0850. With `momentum` there is a velocity v (``momentum_buffer``),
    which starts as 0::

        v ← momentum · v + g / (√s + eps)
        p ← p − lr · v

    `alpha` is from 0 to 1; `lr`, `eps`, `weight_decay` and `momentum` are at least 0. Otherwise
    ValueError.

    >>> import tinynet
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    @checked
    def __init__(self, params: Params, lr: NotNegative = 1e-2, alpha: Fraction = 0.99,
                 eps: NotNegative = 1e-8, weight_decay: NotNegative = 0, momentum: NotNegative = 0,
                 centered: Flag = False, *, maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _update(self, xp, p, g, state, *, lr, alpha, eps, momentum, centered) -> None:
        self._count(state)  # unused here, but PyTorch saves the count
        scratch = empty(xp, p.shape, p.dtype)
        s = self._buffer(xp, state, "square_avg", p)
        average_square(xp, s, g, alpha, scratch)  # s ← alpha · s + (1 − alpha) · g²
        if centered:
            mean = self._buffer(xp, state, "grad_avg", p)
            average(xp, mean, g, alpha, scratch)
            s = xp.subtract(s, xp.multiply(mean, mean, out=scratch), out=scratch)  # s − mean²
        step = over_root(xp, g, s, eps, scratch)  # g / (√s + eps)
        if momentum:
            v = self._buffer(xp, state, "momentum_buffer", p)
            v *= momentum
            v += step
            step = v
        p -= xp.multiply(step, lr, out=scratch)
