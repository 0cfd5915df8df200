"""`Descent`: what the optimisers of PyTorch share, and the arithmetic of their formulas."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..arrays import empty, parallel_slices
from ..tensor import Tensor
from .declared import Declared
from .optimizer import Optimizer

Params = Iterable[Tensor] | Iterable[dict[str, Any]]

_FIXED = {"differentiable", "decoupled_weight_decay"}  # they keep the value of the class
_known_options = {"foreach", "fused", "capturable", *_FIXED}  # and those of all optimisers


class Descent(Declared, Optimizer):
    """An optimiser that declares its options and goes down along the gradient, or up.

    The arguments of ``__init__`` that have rules are its options. They include `lr`, `maximize` and
    mostly `weight_decay`. Its `_update` is the formula. It gets the options by name, except
    the last two: they have already changed the gradient.

    `inert` names options of PyTorch's that choose among its implementations: ``foreach``, ``fused``
    and ``capturable``. They are kept in the groups and change nothing, because there is one
    implementation. ``differentiable`` and ``decoupled_weight_decay`` can't be changed.
    """

    _decoupled: ClassVar[bool] = False  # whether weight decay bypasses the gradient, as in AdamW

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _known_options.update(cls._rules.keys() - {"rho"})  # which SAM leaves in its base's groups

    def _checked(self, owner: str, options: Mapping[str, Any]) -> dict[str, Any]:
        return {name: rule(owner, name, options[name]) for name, rule in self._rules.items()}

    def _checked_group(self, owner: str, group: Mapping[str, Any]) -> dict[str, Any]:
        set_options = [n for n in group if group[n] is not None and group[n] is not False]
        if foreign := [n for n in set_options if n in _known_options and n not in self._rules and (
                n not in self._inert or (n in _FIXED and group[n] != type(self)._inert[n]))]:
            has, own = ", ".join(foreign), ", ".join(self._rules)
            kind = type(self).__name__
            raise ValueError(f"{owner} has {has}, but the options of {kind} are {own}")
        return super()._checked_group(owner, group)

    def _loaded(self, what: str, name: str, value: Any, p: Tensor) -> Any:
        if name == "step":  # in PyTorch's files a tensor of one float
            t = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
            if isinstance(t, bool) or not isinstance(t, (int, float)) or t < 0 or t % 1 != 0:
                raise ValueError(f"{what} must be a whole number of steps, got {t!r:.80}")
            return int(t)
        if not isinstance(value, Tensor):
            raise TypeError(f"{what} must be a tensor, got {type(value).__name__}")
        if value.shape != p.shape:
            shapes = f"{tuple(value.shape)}, but the parameter {tuple(p.shape)}"
            raise ValueError(f"{what} has shape {shapes}")
        return super()._loaded(what, name, value, p)

    def _updating(self, options: dict[str, Any]) -> Callable[..., None]:
        """`_update` with weight decay and `maximize` before it.

        g ← −g to maximise; then g ← g + weight_decay · p, the gradient of an L2 penalty. Decoupled
        weight decay is p ← p − lr · weight_decay · p instead.
        """
        lr, maximize, decay = options["lr"], options.pop("maximize"), options.pop("weight_decay", 0)
        formula = super()._updating(options)
        if not maximize and not decay:
            return formula

        def update(xp: Any, p: Any, g: Any, state: dict[str, Any]) -> None:
            if maximize:
                g = xp.negative(g, out=empty(xp, g.shape, g.dtype))
            if decay and self._decoupled:
                p *= 1 - lr * decay
            elif decay:
                scratch = xp.multiply(p, decay, out=empty(xp, p.shape, p.dtype))
                g = xp.add(g, scratch, out=scratch)
            formula(xp, p, g, state)

        return update


# ------------------------------------------------------------------------------------- arithmetic
# Formulas are computed in place, because new memory for each product would cost more than the
# product. `scratch` is an array like the parameter, for intermediate values.


def average(xp: Any, mean: Any, x: Any, beta: float, scratch: Any) -> None:
    """mean ← mean + (1 − beta) · (x − mean), that is, beta · mean + (1 − beta) · x."""
    xp.subtract(x, mean, out=scratch)
    scratch *= 1 - beta
    mean += scratch


def average_square(xp: Any, mean: Any, x: Any, beta: float, scratch: Any) -> None:
    """mean ← beta · mean + (1 − beta) · x²."""
    mean *= beta
    xp.multiply(x, x, out=scratch)
    scratch *= 1 - beta
    mean += scratch


def over_root(xp: Any, x: Any, s: Any, eps: float, scratch: Any) -> Any:
    """x / (√s + eps), in `scratch`, which may be `s` itself."""
    xp.sqrt(s, out=scratch)
    scratch += eps
    return xp.divide(x, scratch, out=scratch)


_LARGE = 1 << 17  # fewer elements are never worth more than one thread


def in_shares(step: Callable[..., None]) -> Callable[..., None]:
    """Divide the arrays of ``step(xp, array, *arguments)`` among threads if they are large.

    `step` changes arrays of one shape, element by element.
    """

    @functools.wraps(step)
    def shared(xp: Any, *arguments: Any) -> None:
        size = arguments[0].size
        arrays = () if size < _LARGE else [a for a in arguments if isinstance(a, np.ndarray)]
        if not arrays or xp is not np or not all(a.flags.c_contiguous for a in arrays):
            step(xp, *arguments)
            return

        def part(s: slice) -> None:
            step(np, *[a.reshape(-1)[s] if isinstance(a, np.ndarray) else a for a in arguments])

        parallel_slices(np, size, size, part, passes=4)

    return shared
