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


class Watch:
    """One call of a module with hooks, each with whether it is called first, with the outputs."""

    def __init__(self, module: Any, hooks: list[tuple[Callable[..., Any], bool]]):
        self.module, self.hooks = module, hooks
        self.of_outputs: Any = None
        self.without_grad: tuple[Any, ...] = ()  # for inputs of which none requires grad

    def _call(self, is_first: bool, gradients: Any, *others: Any) -> Any:
        for hook in [hook for hook, first in self.hooks if first == is_first]:
            answer = hook(self.module, gradients, *others)
            answer = (answer,) if isinstance(answer, Tensor) else answer
            wanted = [getattr(g, "shape", None) for g in gradients]
            if answer is not None and [getattr(g, "shape", None) for g in answer] != wanted:
                rule = f"must return None or gradients of shapes {wanted}"
                raise RuntimeError(f"backward: a hook {rule}, got {answer!r:.60}")
            gradients = gradients if answer is None else answer
        return gradients

    def enter(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs, watched."""
        watched = _through(inputs, lambda gs: self._call(False, gs, self.of_outputs))
        self.without_grad = (None,) * len(inputs) if watched is inputs else ()
        return watched

    def leave(self, result: Any) -> Any:
        """The result, a tensor or several, watched."""
        def see(gradients: Any) -> Any:
            self.of_outputs = self._call(True, gradients)
            if self.without_grad:  # no gradient arrives there, so the hooks are called here
                self._call(False, self.without_grad, self.of_outputs)
            return self.of_outputs

        if isinstance(result, Tensor):
            return _through((result,), see)[0]
        if not isinstance(result, (tuple, list)):
            given = type(result).__name__
            raise TypeError(f"{type(self.module).__name__}: with hooks on gradients, forward must "
                f"return a tensor or several, got {given}")
        return type(result)(_through(tuple(result), see))


__all__ = public(globals())
