"""Numerical checks of gradients: whether a derivative is right, without trusting anybody.

The derivative of f at x in the direction v is close to
``(f(x + eps·v) - f(x - eps·v)) / (2·eps)`` (central differences). It is compared, element by
element, with what reverse mode gives. In float32 rounding would hide the difference, so everything
is computed in float64.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import computing, to_host
from ..ops.arguments import as_function, as_int, as_number, as_tensor
from ..tensor import Tensor
from .engine import grad
from .grad_mode import enable_grad
from .requests import as_list

_Function = Callable[..., list[Tensor]]


class GradcheckError(RuntimeError):
    """A gradient differs from its numerical estimate; the message names the worst element."""


def gradcheck(f: Callable[..., Any], inputs: Tensor | Sequence[Any], order: int = 2,
              eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-4,
              raise_exception: bool = True) -> bool:  # fmt: skip
    """Compare the gradients of ``f(*inputs)`` with central differences.

    Args:
        f: takes the inputs and returns a floating tensor or several. Every call must compute the
            same (seed any dropout).
        inputs: one tensor or a sequence. Those that hold floats and require grad are checked, in
            float64; others are passed on, floats among them converted too. No input is changed.
        order: 1 checks the gradients; 2 also the gradients of the gradients, as functions of the
            inputs and of the upstream gradient: most mistakes survive a check of order 1.
        eps: the step of the difference.
        atol, rtol: gradients agree if ``|analytic - numeric| <= atol + rtol * |numeric|``.
        raise_exception: False returns False where gradients differ, instead of raising.

    Returns:
        True if all agree.

    Raises:
        GradcheckError: a gradient differs.
        ValueError, TypeError: an argument is wrong, or two calls of `f` differ.

    Warns (UserWarning) at a kink, such as ReLU's at 0, where no gradient is right.

    >>> import tinynet
    >>> gradcheck(lambda x: (x**3).sum(), tinynet.tensor([1.0, -2.0], requires_grad=True))
    True
    """
    as_int("gradcheck", "order", order, 1, 3)
    as_function("gradcheck", "f", f, "a function of the inputs")
    as_number("gradcheck", "eps", eps, positive=True)
    as_number("gradcheck", "atol", atol, 0), as_number("gradcheck", "rtol", rtol, 0)
    given = as_list("gradcheck", "inputs", inputs)
    checked = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: none of the inputs requires grad, there is nothing to check")
    points = [_upcast(x) if isinstance(x, Tensor) else x for x in given]

    def function(*free: Tensor) -> list[Tensor]:
        replaced = dict(zip(checked, free, strict=True))
        return _outputs(f(*[replaced.get(i, point) for i, point in enumerate(points)]))

    check = _Check([points[i] for i in checked], [f"input {i}" for i in checked], eps, atol, rtol)
    try:
        with enable_grad():
            check.compare("gradient", function)
            if order == 2:
                check.upstream(function).compare("second-order gradient", check.gradient(function))
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
    tensors = [as_tensor("gradcheck", "what f returns", output) for output in outputs]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


class _Check:
    """The tensors by which gradients are taken, their names in messages, and the tolerances."""

    def __init__(self, free: list[Tensor], names: list[str], eps: float, atol: float, rtol: float):
        self.free, self.names = free, names
        self.eps, self.atol, self.rtol = eps, atol, rtol

    def upstream(self, function: _Function) -> "_Check":
        """The same check with random upstream gradients of `function` among the free tensors."""
        random = np.random.default_rng(0)
        made = [Tensor._wrap(random.standard_normal(y.shape)).to(y.device).requires_grad_()
                for y in function(*self.free)]  # fmt: skip
        names = [f"upstream gradient {i}" for i in range(len(made))]
        return _Check(self.free + made, self.names + names, self.eps, self.atol, self.rtol)

    def gradient(self, function: _Function) -> _Function:
        """The gradient of `function` as a function, of the inputs and the upstream gradients."""

        def of(*arguments: Tensor) -> list[Tensor]:
            xs, gs = arguments[: len(self.free)], arguments[len(self.free) :]
            pairs = [(y, g) for y, g in zip(function(*xs), gs, strict=True) if y.requires_grad]
            if not pairs:
                return [x * 0.0 for x in xs]
            ys, used = zip(*pairs, strict=True)
            return list(grad(ys, xs, used, create_graph=True, materialize_grads=True))

        return of

    def compare(self, what: str, function: _Function) -> None:
        """Compare a random projection of each output's Jacobian, analytic against numeric.

        A random direction stands for all rows of the Jacobian at once: a wrong row escapes with
        probability 0.
        """
        random = np.random.default_rng(1)
        outputs, again = function(*self.free), function(*self.free)
        if not outputs:
            raise ValueError("gradcheck: f returns no floating tensor")
        for a, b in zip(outputs, again, strict=True):
            if not np.array_equal(to_host(a.array), to_host(b.array), equal_nan=True):
                raise ValueError("gradcheck: two calls of f with the same inputs differ; seed what "
                    "is random in it")
        for number, output in enumerate(outputs):
            direction = random.standard_normal(output.shape)
            analytic = [np.zeros(x.shape) for x in self.free]
            if output.requires_grad:
                g = Tensor._wrap(direction).to(output.device)
                found = grad(output, self.free, g, retain_graph=True, materialize_grads=True)
                analytic = [to_host(x.array) for x in found]

            def evaluate(number: int = number) -> np.ndarray:
                return to_host(function(*self.free)[number].array).copy()

            for x, name, derivative in zip(self.free, self.names, analytic, strict=True):
                numeric, kinks = _difference(evaluate, x, direction, self.eps)
                if kinks.any():
                    place = _place(kinks.argmax(), x.shape)
                    warnings.warn(f"gradcheck: the {what} with respect to {name}{place} jumps "
                        "there (a kink?); no value is right at such a point, move the input away "
                        "from it", UserWarning, stacklevel=3)
                where = f"{what} of output {number} with respect to {name}"
                self._agree(where, derivative, numeric)

    def _agree(self, what: str, derivative: np.ndarray, numeric: np.ndarray) -> None:
        error = np.abs(derivative - numeric)
        excess = error - self.atol - self.rtol * np.abs(numeric)
        excess = np.where(np.isfinite(error), excess, np.inf)
        excess[np.isnan(derivative) & np.isnan(numeric)] = -np.inf
        if excess.size and excess.max() > 0:
            worst = excess.argmax()
            raise GradcheckError(f"gradcheck: the {what}{_place(worst, excess.shape)} is "
                f"{derivative.flat[worst]:.10g}, but by central differences "
                f"{numeric.flat[worst]:.10g} (difference {error.flat[worst]:.3g}; "
                f"{int((excess > 0).sum())} of {excess.size} elements differ)")


def _difference(evaluate: Callable[[], np.ndarray], x: Tensor, direction: np.ndarray,
                eps: float) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The derivative of <f(x), direction> by each element of x, and where it has a kink."""
    numeric, kinks = np.zeros(x.shape), np.zeros(x.shape, bool)
    with np.errstate(all="ignore"), computing(x.array):
        middle = evaluate()
        for place in np.ndindex(*x.shape):
            before = x.array[place].item()
            sides = []
            for step in (eps, -eps):
                x.array[place] = before + step
                sides.append(evaluate())
            x.array[place] = before
            numeric[place] = ((sides[0] - sides[1]) * direction).sum() / (2 * eps)
            bend = np.abs(((sides[0] - 2 * middle + sides[1]) * direction).sum()) / eps
            # where f is smooth the sides differ by f''·eps, some 1e-6; at a kink, by its jump
            kinks[place] = bend > 1e-3 * max(1.0, abs(float(numeric[place])))
    return numeric, kinks


def _place(index: Any, shape: tuple[int, ...]) -> str:
    return str([int(i) for i in np.unravel_index(int(index), shape)]) if shape else ""
