"""Methods of tensors that are no functions of ``torch``; `compat.METHODS` lists all of them."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..autograd import hooks
from . import public


def register_hook(tensor: Any, hook: Callable[[Any], Any]) -> hooks.RemovableHandle:
    """Call ``hook(gradient)`` in every backward pass once the gradient of `tensor` is complete.

    What it returns, unless None, takes the gradient's place, here and on the way back; it has the
    gradient's shape and dtype. The hook must not change the gradient in place, since that may serve
    elsewhere too. Hooks are called in the order in which they were registered. After an in-place
    change of the tensor they still get the gradient of the value before.

    Raises:
        TypeError: `hook` can't be called, or returned something else than a tensor or None.
        RuntimeError: the tensor doesn't require grad, or a hook returned another shape or dtype.

    >>> import tinynet
    >>> w = tinynet.tensor([3.0, 4.0], requires_grad=True)
    >>> handle = w.register_hook(lambda g: 10 * g)
    >>> tinynet.grad((w * w).sum(), w)
    (tensor([60., 80.]),)
    """
    vertex, hooks.in_use = tensor._vertex(), True
    if vertex is None:
        raise RuntimeError("register_hook: this tensor does not require grad; it gets no gradient")
    if not callable(hook):
        raise TypeError(f"register_hook: a hook is a function, got {type(hook).__name__}")
    if getattr(vertex, "grad_hooks", None) is None:
        vertex.grad_hooks = OrderedDict()
    handle = hooks.RemovableHandle(vertex.grad_hooks, object())
    vertex.grad_hooks[handle._key] = hook
    return handle


__all__ = public(globals())
