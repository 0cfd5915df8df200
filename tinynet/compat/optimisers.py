"""Optimisers that small networks seldom need, each with its formula.

g is the gradient of the loss at the parameter p at step t = 1, 2, …, after weight decay. Averages
start as 0. Options have the rules of `optim.Adam`.
"""

import math
from collections.abc import Callable
from typing import Annotated, Any

from ..arrays import empty
from ..autograd import enable_grad, no_grad
from ..ops.arguments import as_int, as_list, as_number
from ..ops.shapes import cat
from ..optim import swa_utils as swa_utils
from ..optim.declared import Betas, Flag, Fraction, IntFrom0, NotNegative, by
from ..optim.descent import Descent, Params, average, average_square, over_root
from ..optim.optimizer import Optimizer
from . import public


class Adadelta(Descent,
               inert="capturable=False foreach differentiable=False"):
    """Adadelta: steps in units of a running average of the steps before, so `lr` is 1::

        v ← rho · v + (1 − rho) · g²                   (``square_avg``)
        d ← √(u + eps) / √(v + eps) · g
        u ← rho · u + (1 − rho) · d²                   (``acc_delta``)
        p ← p − lr · d

    The source is Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012).
    """

    def __init__(self, params: Params, lr: NotNegative = 1.0, rho: Fraction = 0.9,
                 eps: NotNegative = 1e-6, weight_decay: NotNegative = 0, *, maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _update(self, xp, p, g, state, *, lr, rho, eps) -> None:
        self._count(state)
        v, u = self._buffer(xp, state, "square_avg", p), self._buffer(xp, state, "acc_delta", p)
        d, scratch = empty(xp, p.shape, p.dtype), empty(xp, p.shape, p.dtype)
        average_square(xp, v, g, rho, scratch)
        xp.sqrt(xp.add(u, eps, out=d), out=d)
        d *= xp.divide(g, xp.sqrt(xp.add(v, eps, out=scratch), out=scratch), out=scratch)
        average_square(xp, u, d, rho, scratch)
        p -= xp.multiply(d, lr, out=d)


class Adamax(Descent,
             inert="foreach differentiable=False capturable=False"):
    """Adamax: Adam with the largest gradient, which fades, in place of the mean square::

        m ← β₁ · m + (1 − β₁) · g                      (``exp_avg``)
        u ← max(β₂ · u, |g| + eps)                     (``exp_inf``)
        p ← p − lr / (1 − β₁ᵗ) · m / u

    The source is section 7.1 of Kingma and Ba, "Adam: A Method for Stochastic Optimization".
    """

    def __init__(self, params: Params, lr: NotNegative = 2e-3, betas: Betas = (0.9, 0.999),
                 eps: NotNegative = 1e-8, weight_decay: NotNegative = 0, *, maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _update(self, xp, p, g, state, *, lr, betas, eps) -> None:
        t = self._count(state)
        m, u = self._buffer(xp, state, "exp_avg", p), self._buffer(xp, state, "exp_inf", p)
        average(xp, m, g, betas[0], xp.empty_like(p))
        xp.maximum(u * betas[1], xp.abs(g) + eps, out=u)
        p -= lr / (1 - betas[0] ** t) * m / u


class _OfAverages(Descent,
                  inert="foreach capturable=False "
                  "decoupled_weight_decay=False differentiable=False"):
    """The base of optimisers with Adam's averages and options."""

    def __init__(self, params: Params, lr: NotNegative = 1e-3, betas: Betas = (0.9, 0.999),
                 eps: NotNegative = 1e-8, weight_decay: NotNegative = 0, *, maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _averages(self, xp: Any, p: Any, g: Any, state: Any, betas: Any) -> Any:
        """The step's number, Adam's averages m and v at this step, and an array for scratch."""
        m, v = self._buffer(xp, state, "exp_avg", p), self._buffer(xp, state, "exp_avg_sq", p)
        scratch = xp.empty_like(p)
        average(xp, m, g, betas[0], scratch)
        average_square(xp, v, g, betas[1], scratch)
        return self._count(state), m, v, scratch


class NAdam(_OfAverages):
    """NAdam: Adam with Nesterov's look ahead. m and v are Adam's averages::

        μₜ = β₁ · (1 − ½ · 0.96^(t · momentum_decay)),  Πₜ = μ₁ · … · μₜ
        p ← p − lr · ((1 − μₜ) / (1 − Πₜ) · g + μₜ₊₁ / (1 − Πₜ₊₁) · m) / (√(v / (1 − β₂ᵗ)) + eps)

    The source is Dozat, "Incorporating Nesterov Momentum into Adam" (ICLR workshop, 2016).
    """

    def __init__(self, params: Params, lr: NotNegative = 2e-3, betas: Betas = (0.9, 0.999),
                 eps: NotNegative = 1e-8, weight_decay: NotNegative = 0,
                 momentum_decay: NotNegative = 4e-3, *, maximize: Flag = False):
        Descent.__init__(self, params, self._options(locals()))

    def _update(self, xp, p, g, state, *, lr, betas, eps, momentum_decay) -> None:
        t, m, v, scratch = self._averages(xp, p, g, state, betas)
        now, then = [betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1)]
        product = state["mu_product"] = state.get("mu_product", 1.0) * now
        step = (1 - now) / (1 - product) * g + then / (1 - product * then) * m
        p -= lr * over_root(xp, step, v / (1 - betas[1] ** t), eps, scratch)

    def _loaded(self, what: str, name: str, value: Any, p: Any) -> Any:
        return float(value) if name == "mu_product" else super()._loaded(what, name, value, p)


class RAdam(_OfAverages):
    """RAdam: Adam that moves by the plain average until the mean square is known well enough::

        ρ∞ = 2 / (1 − β₂) − 1,  ρₜ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ),  m̂ = m / (1 − β₁ᵗ)
        p ← p − lr · m̂                                           if ρₜ ≤ 5, else
        p ← p − lr · m̂ · rₜ · √(1 − β₂ᵗ) / (√v + eps)
        rₜ = √((ρₜ − 4) (ρₜ − 2) ρ∞ / ((ρ∞ − 4) (ρ∞ − 2) ρₜ))

    The source is Liu et al., "On the Variance of the Adaptive Learning Rate" (ICLR 2020).
    """

    def _update(self, xp, p, g, state, *, lr, betas, eps) -> None:
        t, m, v, scratch = self._averages(xp, p, g, state, betas)
        rate, left = lr / (1 - betas[0] ** t), 1 - betas[1] ** t
        most = 2 / (1 - betas[1]) - 1
        rho = most - 2 * t * (1 - left) / left
        if rho <= 5:
            p -= rate * m
            return
        r = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        p -= rate * r * math.sqrt(left) * over_root(xp, m, v, eps, scratch)


def _as_pair(owner: str, name: str, value: Any, middle: float | None = None) -> Any:
    pair = [as_number(owner, f"each of {name}", v, 0) for v in as_list(owner, name, value)]
    fits = pair == sorted(pair) if middle is None else 0 < pair[0] < middle < pair[-1]
    if len(pair) != 2 or not fits:
        beside = "" if middle is None else f", one below and one above {middle}, neither 0"
        raise ValueError(f"{owner}: {name} must be two numbers in order{beside}; got {value!r}")
    return tuple(pair)


class Rprop(Descent,
            inert="capturable=False foreach differentiable=False"):
    """Rprop: only signs of gradients count. Each element has a step size s, at first `lr`::

        s ← s · etas[1] if g has the sign of the step before, s · etas[0] if the other one
        p ← p − sign(g) · s, or p if the sign has changed

    `step_sizes` are the bounds of s. Batches must be whole. The source is Riedmiller and Braun, "A
    direct adaptive method for faster backpropagation learning" (1993).
    """

    def __init__(self, params: Params, lr: NotNegative = 1e-2,
                 etas: Annotated[tuple[float, float], by(_as_pair, 1)] = (0.5, 1.2),
                 step_sizes: Annotated[tuple[float, float], _as_pair] = (1e-6, 50), *,
                 maximize: Flag = False):
        super().__init__(params, self._options(locals()))

    def _update(self, xp, p, g, state, *, lr, etas, step_sizes) -> None:
        self._count(state)
        before = self._buffer(xp, state, "prev", p)
        size = self._buffer(xp, state, "step_size", p, lr)
        turn = before * g
        size *= xp.where(turn > 0, etas[1], xp.where(turn < 0, etas[0], 1)).astype(p.dtype)
        xp.clip(size, *step_sizes, out=size)
        before[...] = xp.where(turn < 0, 0, g)
        p -= xp.sign(before) * size


def _none_or_count(owner: str, name: str, value: Any) -> Any:
    return value if value is None else as_int(owner, name, value, 0)


def _no_search(owner: str, name: str, value: Any) -> None:
    if value is not None:
        raise ValueError(f"{owner}: there is no line search {value!r}; use None, with a smaller lr "
            "if the loss grows")


class LBFGS(Descent):
    """L-BFGS: steps along an estimate of the inverse Hessian times the gradient.

    ``step(closure)`` needs the closure, which it calls up to `max_eval` times (by default 5/4 of
    `max_iter`) in up to `max_iter` iterations. It stops at gradients up to `tolerance_grad` and at
    changes up to `tolerance_change`. The estimate is made of the last `history_size` changes of the
    gradient. There is one parameter group, and no line search: ``line_search_fn`` must be None.

    The source is Nocedal and Wright, "Numerical Optimization", algorithm 7.4.
    """

    _loaded = Optimizer._loaded  # its values have not the shapes of parameters

    def __init__(self, params: Params, lr: NotNegative = 1, max_iter: IntFrom0 = 20,
                 max_eval: Annotated[int | None, _none_or_count] = None,
                 tolerance_grad: NotNegative = 1e-7, tolerance_change: NotNegative = 1e-9,
                 history_size: IntFrom0 = 100, line_search_fn: Annotated[None, _no_search] = None):
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, self._options(locals()))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS: all parameters must be in one group")

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make up to `max_iter` iterations; returns the loss before them."""
        options = self._checked("LBFGS.step", self.param_groups[0])
        params, small = self.param_groups[0]["params"], options["tolerance_change"]

        def evaluated() -> tuple[Any, Any, bool]:
            with enable_grad():
                loss = closure()
            g = cat([(p * 0 if p.grad is None else p.grad).reshape(-1) for p in params])
            return loss, g, float(g.abs().max()) <= options["tolerance_grad"]

        with no_grad():
            first, g, done = evaluated()
            loss = float(first)
            for k in range(1, options["max_iter"] + 1) if not done else ():
                d, t = self._next(self.state[params[0]], g, options["lr"], options["history_size"])
                if float(g @ d) > -small:
                    break
                for p, part in zip(params, d.split([p.numel() for p in params]), strict=True):
                    p += t * part.reshape(p.shape)
                if k == options["max_iter"]:
                    break
                before, (found, g, done) = loss, evaluated()
                loss = float(found)
                if (done or k + 1 >= options["max_eval"] or abs(loss - before) < small
                        or float((d * t).abs().max()) <= small):
                    break
        return first

    @staticmethod
    def _next(memory: dict[str, Any], g: Any, lr: Any, most: int) -> tuple[Any, Any]:
        """The next direction, and how far to go. The last change is taken into the estimate."""
        if "d" not in memory:  # the first step
            d, t = -g, min(1.0, 1.0 / float(g.abs().sum())) * lr
            memory.update(changes=[], scale=1.0)
        else:
            changes, alphas, d, t = memory["changes"], [], -g, lr
            y, s = g - memory["g"], memory["d"] * memory["t"]
            if (curvature := float(y @ s)) > 1e-10:
                changes.append((y, s))
                del changes[:-most]
                memory["scale"] = curvature / float(y @ y)
            for y, s in changes[::-1]:
                alphas.append((s @ d) / (y @ s))
                d = d - alphas[-1] * y
            d = d * memory["scale"]
            for (y, s), alpha in zip(changes, alphas[::-1], strict=True):
                d = d + s * (alpha - (y @ d) / (y @ s))
        memory.update(g=g.clone(), d=d, t=t)
        return d, t


__all__ = public(globals(), "swa_utils")
