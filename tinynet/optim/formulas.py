"""The optimisers, each with its formula: SGD, Adagrad, RMSprop, Adam, AdamW."""

import math
from typing import Any

from ..arrays import empty, gpu as kernels
from .declared import Betas, Flag, Fraction, NotNegative, Number
from .descent import Descent, Params, average, average_square, in_shares, over_root


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


class SGD(Descent, inert="foreach differentiable=False fused"):
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


class Adagrad(Descent, inert="foreach differentiable=False fused"):
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


class RMSprop(Descent, inert="capturable=False foreach differentiable=False"):
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


class Adam(Descent, inert="foreach capturable=False differentiable=False fused "
        "decoupled_weight_decay=False"):
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


class AdamW(Adam, inert="decoupled_weight_decay=True"):
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

    def __init__(self, params: Params, lr: NotNegative = 1e-3, betas: Betas = (0.9, 0.999),
                 eps: NotNegative = 1e-8, weight_decay: NotNegative = 1e-2, amsgrad: Flag = False,
                 *, maximize: Flag = False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
