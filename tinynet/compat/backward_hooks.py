"""Hooks that see the gradients of a module's outputs and inputs, and may change them."""

from collections.abc import Callable
from typing import Any

from ..autograd import Primitive
from ..ops import shapes
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
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    sizes = [values[i].numel() for i in places]

    def cut(vector: Any) -> tuple[Any, ...]:
        parts: list[Any] = [None] * len(values)
        for i, part in zip(places, shapes.split(vector, sizes), strict=True):
            parts[i] = shapes.reshape(part, values[i].shape).to(values[i].dtype)
        return tuple(parts)

    def join(parts: Any) -> Any:
        return shapes.cat([shapes.reshape(parts[i], -1) for i in places])

    if not places:
        return values
    made = cut(_watched(join(values), see=lambda g: join(see(cut(g))).to(g.dtype)))
    return tuple([v if part is None else part for v, part in zip(values, made, strict=True)])


class Watch:
    """One call of a module that has hooks: pairs of a function and whether it is called first."""

    def __init__(self, module: Any, hooks: list[tuple[Callable[..., Any], bool]]):
        self.module, self.hooks = module, hooks
        self.of_outputs: Any = None
        self.inputs = 0

    def _call(self, is_first: bool, gradients: Any, *others: Any) -> Any:
        for hook in [hook for hook, first in self.hooks if first == is_first]:
            changed = hook(self.module, gradients, *others)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                found, wanted = [[getattr(g, "shape", None) for g in gs]
                                 for gs in (changed, gradients)]
                if found != wanted:
                    raise RuntimeError("backward: a hook must return None or gradients of shapes "
                        f"{wanted}, got {found}")
                gradients = changed
        return gradients

    def enter(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs, watched."""
        watched = _through(inputs, lambda gs: self._call(False, gs, self.of_outputs))
        self.inputs = len(inputs) if watched is inputs else 0
        return watched

    def leave(self, result: Any) -> Any:
        """The result, a tensor or several, watched."""
        def see(gradients: Any) -> Any:
            self.of_outputs = self._call(True, gradients)
            if self.inputs:  # none of them requires grad, so the hooks are called here
                self._call(False, (None,) * self.inputs, self.of_outputs)
            return self.of_outputs

        if isinstance(result, Tensor):
            return _through((result,), see)[0]
        if not isinstance(result, (tuple, list)):
            raise TypeError("register_full_backward_hook: forward must return a tensor or several, "
                f"got {type(result).__name__}")
        return type(result)(_through(tuple(result), see))


__all__ = public(globals())
