"""Gradients checked numerically: the way to find out whether a derivative is right without trusting anybody.

The derivative of f at x in the direction v is, nearly, ``(f(x + eps·v) - f(x - eps·v)) / (2·eps)``. It is compared element by
element with what reverse mode says. In float32 rounding would drown the difference, so everything is computed in float64.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays.devices import computing, to_host
from ..ops.arguments import as_number
from ..tensor import Tensor
from .engine import Variable, grad
from .grad_mode import enable_grad


class GradcheckError(RuntimeError):
    """A gradient differs from its numerical estimate; the message names the worst element."""


def gradcheck(
    f: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    order: int = 2,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-4,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of ``f(*inputs)`` with central differences. True if they agree, else GradcheckError.

    Args:
        f: takes the inputs and returns a floating tensor or several. It must compute the same at every call (seed any dropout).
        inputs: one tensor or a sequence; those that hold floats and require grad are checked, in float64. Others are passed on;
            floats among them are converted too. The given tensors are left alone.
        order: 1 checks gradients; 2 also the gradients of the gradients (as functions of the inputs and of the upstream gradient),
            where most mistakes survive a check of order 1.
        eps: the step of the difference.
        atol, rtol: agreement means ``|analytic - numeric| <= atol + rtol * |numeric|``.
        raise_exception: False returns False instead of raising.

    Warns (UserWarning) where the one-sided differences disagree: at a kink, such as ReLU's at 0, no gradient is right.

    >>> import tinynet
    >>> gradcheck(lambda x: (x**3).sum(), tinynet.tensor([1.0, -2.0], requires_grad=True))
    True
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order must be 1 or 2, got {order!r}")
    if not callable(f):
        raise TypeError(f"gradcheck: f must be a function of the inputs, got {f!r:.60}")
    for name, value in (("eps", eps), ("atol", atol), ("rtol", rtol)):
        as_number("gradcheck", name, value, 0)
    if not eps:
        raise ValueError("gradcheck: eps must be positive, got 0")
    if not isinstance(inputs, (Variable, tuple, list)):
        raise TypeError(f"gradcheck: inputs must be a tensor or a sequence of tensors, got {type(inputs).__name__}")
    given = [inputs] if isinstance(inputs, Variable) else list(inputs)
    checked = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: none of the inputs requires grad, there is nothing to check")
    points = [_upcast(x) if isinstance(x, Tensor) else x for x in given]

    def function(*free: Tensor) -> list[Tensor]:
        arguments = list(points)
        for i, x in zip(checked, free, strict=True):
            arguments[i] = x
        return _outputs(f(*arguments))

    free = [points[i] for i in checked]
    names = [f"input {i}" for i in checked]
    try:
        with enable_grad():
            _compare("gradient", function, free, names, eps, atol, rtol)
            if order == 2:
                _compare("second-order gradient", *_gradient_of(function, free, names), eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _upcast(x: Tensor) -> Tensor:
    copy = x.detach().to(np.float64 if x.is_floating_point() else x.dtype, copy=True)
    return copy.requires_grad_() if x.requires_grad else copy


def _outputs(result: Any) -> list[Tensor]:
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    for output in outputs:
        if not isinstance(output, Tensor):
            raise TypeError(f"gradcheck: f must return a tensor or several, got {type(output).__name__}")
    return [output for output in outputs if output.is_floating_point()]


def _gradient_of(
    function: Callable[..., list[Tensor]], free: list[Tensor], names: list[str]
) -> tuple[Callable[..., list[Tensor]], list[Tensor], list[str]]:
    """The gradient of `function` as a function itself, of the inputs and of the upstream gradients."""
    random = np.random.default_rng(0)
    outputs = [y.detach() for y in function(*free)]
    upstream = [Tensor._wrap(random.standard_normal(y.shape)).to(y.device).requires_grad_() for y in outputs]

    def gradient(*arguments: Tensor) -> list[Tensor]:
        xs, gs = arguments[: len(free)], arguments[len(free) :]
        pairs = [(y, g) for y, g in zip(function(*xs), gs, strict=True) if y.requires_grad]
        if not pairs:
            return [x * 0.0 for x in xs]
        ys, used = zip(*pairs, strict=True)
        return list(grad(ys, xs, used, create_graph=True, materialize_grads=True))

    return gradient, free + upstream, names + [f"upstream gradient {i}" for i in range(len(upstream))]


def _compare(
    what: str, function: Callable[..., list[Tensor]], free: list[Tensor], names: list[str], eps: float, atol: float, rtol: float
) -> None:
    """Analytic against numeric Jacobian of a random projection of each output; GradcheckError at the worst element."""
    random = np.random.default_rng(1)
    outputs = function(*free)
    if not outputs:
        raise ValueError("gradcheck: f returns no floating tensor")
    again = function(*free)
    if any(not np.array_equal(to_host(a.array), to_host(b.array), equal_nan=True) for a, b in zip(outputs, again, strict=True)):
        raise ValueError("gradcheck: two calls of f with the same inputs differ; seed what is random in it")
    for number, output in enumerate(outputs):
        # A random direction stands for every row of the Jacobian at once: a wrong one escapes with probability 0.
        direction = random.standard_normal(output.shape)
        if output.requires_grad:
            g = Tensor._wrap(direction).to(output.device)
            found = grad(output, free, g, retain_graph=True, materialize_grads=True)
            analytic = [to_host(x.array) for x in found]
        else:
            analytic = [np.zeros(x.shape) for x in free]
        for x, name, derivative in zip(free, names, analytic, strict=True):
            numeric, kinks = _difference(lambda: to_host(function(*free)[number].array), x, direction, eps)  # noqa: B023
            if kinks.any():
                place = _place(kinks.argmax(), x.shape)
                warnings.warn(
                    f"gradcheck: the {what} with respect to {name}{place} jumps there (a kink?); no value is right at such a point, "
                    "move the input away from it",
                    UserWarning,
                    stacklevel=4,
                )
            error = np.abs(derivative - numeric)
            excess = np.where(np.isfinite(error), error - atol - rtol * np.abs(numeric), np.inf)
            excess[np.isnan(derivative) & np.isnan(numeric)] = -np.inf
            if excess.size and excess.max() > 0:
                worst = excess.argmax()
                raise GradcheckError(
                    f"gradcheck: the {what} of output {number} with respect to {name}{_place(worst, x.shape)} is "
                    f"{derivative.flat[worst]:.10g}, but by central differences {numeric.flat[worst]:.10g} (difference "
                    f"{error.flat[worst]:.3g}; {int((excess > 0).sum())} of {excess.size} elements differ)"
                )


def _difference(
    evaluate: Callable[[], np.ndarray], x: Tensor, direction: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """The derivative of <f(x), direction> by each element of x, and where the two sides disagree."""
    numeric, kinks = np.zeros(x.shape), np.zeros(x.shape, bool)
    with np.errstate(all="ignore"), computing(x.array):
        middle = evaluate().copy()
        for place in np.ndindex(*x.shape):
            before = x.array[place].item()
            sides = []
            for step in (eps, -eps):
                x.array[place] = before + step
                sides.append(evaluate().copy())  # it may be a view of x, which is about to change
            x.array[place] = before
            numeric[place] = ((sides[0] - sides[1]) * direction).sum() / (2 * eps)
            bend = np.abs(((sides[0] - 2 * middle + sides[1]) * direction).sum()) / eps
            # a smooth f bends by f''·eps, here some 1e-6; a kink by the jump of its slope
            kinks[place] = bend > 1e-3 * max(1.0, abs(float(numeric[place])))
    return numeric, kinks


def _place(index: Any, shape: tuple[int, ...]) -> str:
    return str([int(i) for i in np.unravel_index(int(index), shape)]) if shape else ""
