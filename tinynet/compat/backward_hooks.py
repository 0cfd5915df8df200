"""Hooks that see the gradients of a module's outputs and inputs, and may change them."""

from collections.abc import Callable
from typing import Any

from ..autograd import Primitive
from ..ops.shapes import cat
from ..tensor import Tensor
from . import public


@Primitive
def _watched(xp, a, *, see):
    return a.copy()


_watched.derivatives(a=lambda g, see: see(g))  # the identity, but for what `see` does to g


def _through(values: tuple[Any, ...], see: Callable[[Any], Any]) -> tuple[Any, ...]:
    """`values` unchanged; a backward pass hands their gradients to `see`, all at once.

    All tensors that require grad go through one vector, because their gradients must meet. `see`
    gets a tuple of gradients, None for other values, and returns one.
    """
    wanted = [isinstance(v, Tensor) and v.requires_grad for v in values]
    tensors = [v for v, is_wanted in zip(values, wanted, strict=True) if is_wanted]

    def cut(vector: Any) -> tuple[Any, ...]:
        parts = zip(tensors, vector.split([v.numel() for v in tensors]), strict=True)
        shaped = iter([part.reshape(v.shape).to(v.dtype) for v, part in parts])
        return tuple([next(shaped) if is_wanted else None for is_wanted in wanted])

    def join(parts: Any) -> Any:
        return cat([v.reshape(-1) for v, is_wanted in zip(parts, wanted, strict=True) if is_wanted])

    if not tensors:
        return values
    made = cut(_watched(join(values), see=lambda g: join(see(cut(g))).to(g.dtype)))
    return tuple([v if part is None else part for v, part in zip(values, made, strict=True)])


def watched(module: Any, inputs: tuple[Any, ...]) -> tuple[Any, Callable[[Any], Any]]:
    """The inputs of a call of a module with hooks, watched, and what watches its result."""
    hooks = list(module._backward_hooks.values())  # each with whether it is called first
    of_outputs: Any = None

    def call(is_first: bool, gradients: Any, *others: Any) -> Any:
        for hook in [hook for hook, first in hooks if first == is_first]:
            answer = hook(module, gradients, *others)
            answer = (answer,) if isinstance(answer, Tensor) else answer
            wanted = [getattr(g, "shape", None) for g in gradients]
            if answer is not None and [getattr(g, "shape", None) for g in answer] != wanted:
                rule = f"must return None or gradients of shapes {wanted}"
                raise RuntimeError(f"backward: a hook {rule}, got {answer!r:.60}")
            gradients = gradients if answer is None else answer
        return gradients

    inside = _through(inputs, lambda gradients: call(False, gradients, of_outputs))
    without_grad = (None,) * len(inputs) if inside is inputs else ()

    def see(gradients: Any) -> Any:
        nonlocal of_outputs
        of_outputs = call(True, gradients)
        if without_grad:  # no gradient arrives at the inputs, so the hooks are called here
            call(False, without_grad, of_outputs)
        return of_outputs

    def leave(result: Any) -> Any:
        if isinstance(result, Tensor):
            return _through((result,), see)[0]
        if not isinstance(result, (tuple, list)):
            given = type(result).__name__
            raise TypeError(f"{type(module).__name__}: with hooks on gradients, forward must "
                f"return a tensor or several, got {given}")
        return type(result)(_through(tuple(result), see))

    return inside, leave


__all__ = public(globals())
