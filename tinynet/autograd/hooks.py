"""What happens beside the walk: nodes are freed, hooks are called, `retain_grad` is served.

A leaf with hooks gets its gradient during the pass, as soon as the last contribution has been
added, while gradients of earlier layers are still being computed: `DistributedDataParallel` sends
it to the other processes meanwhile.
"""

import contextvars
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_HOOK = "register_post_accumulate_grad_hook"


class RemovableHandle:
    """What registering a hook returns: `remove`, or the end of a ``with`` block, removes it."""

    def __init__(self, hooks: OrderedDict[object, Any], entry: Any):
        self._hooks, self._key = hooks, object()
        hooks[self._key] = entry

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


# The leaves with hooks. While this is empty, a backward pass spends no time on hooks.
_hooked: set[weakref.ref[Any]] = set()


def register_post_accumulate_grad_hook(leaf: Any, hook: Callable[[Any], None]) -> RemovableHandle:
    """Call ``hook(tensor)`` in every `backward` once the gradient of this leaf is complete.

    Gradients of other leaves are still being computed then. The hook may change ``.grad`` and must
    return None. `tinynet.grad` leaves no gradients, so it calls no hooks. If a backward pass fails,
    the gradients that leaves with hooks have received before stay.

    Raises:
        TypeError: `hook` can't be called.
        RuntimeError: the tensor is no leaf, or doesn't require grad.

    >>> import tinynet
    >>> w = tinynet.tensor([3.0, 4.0], requires_grad=True)
    >>> with w.register_post_accumulate_grad_hook(lambda w: print(w.grad)):
    ...     (w * w).sum().backward()
    tensor([6., 8.])
    """
    if not callable(hook):
        raise TypeError(f"{_HOOK}: a hook is a function, got {type(hook).__name__}")
    if leaf._vertex() is not leaf:
        raise RuntimeError(f"{_HOOK}: this tensor, of shape {tuple(leaf.array.shape)}, is not a "
            "leaf that requires grad, and only such tensors get a gradient; register the hook on a "
            "parameter, or on a tensor made with requires_grad=True")
    if hooks_of(leaf) is None:
        leaf._hooks = OrderedDict()
        _hooked.add(weakref.ref(leaf, _hooked.discard))
    return RemovableHandle(leaf._hooks, hook)


def hooks_of(leaf: Any) -> OrderedDict[object, Callable[[Any], None]] | None:
    """The hooks of `leaf`; None if it never had one (then its slot is unset)."""
    return getattr(leaf, "_hooks", None)


def run_leaf_hooks(leaf: Any) -> None:
    """Call the hooks of `leaf`, whose gradient is complete. `backward` has set the grad mode."""
    for hook in list((hooks_of(leaf) or {}).values()):
        hook(leaf)  # its answer means nothing: a lambda has one


in_use = False  # whether Tensor.register_hook was ever called: till then the walk asks no node


class Observer:
    """What happens during the walk beside it.

    Nodes are freed, ``retain_grad`` gets its gradients, hooks change theirs, and `deliver` is
    called with each leaf that has hooks, as soon as its gradient is complete. `handed_out` collects
    the ids of arrays that users have got hold of.
    """

    def __init__(self, retain_graph: bool | None, create_graph: bool, handed_out: set[int],
                 deliver: Callable[..., None] | None = None):  # fmt: skip
        self.retain_graph = create_graph if retain_graph is None else retain_graph
        self.handed_out, self.deliver = handed_out, deliver
        self.pending: dict[Any, int] = {}  # gradients that a leaf with hooks will yet receive

    def begin(self, history: list[Any], wanted: set[Any] | None) -> None:
        """The walk will go through `history`, to vertices in `wanted`; None means to all."""
        for node in history if _hooked and self.deliver is not None else ():
            if wanted is None or node in wanted:
                for parent in node.parents:
                    if hooks_of(parent) and (wanted is None or parent in wanted):
                        self.pending[parent] = self.pending.get(parent, 0) + 1

    def changed(self, vertex: Any, g: Any) -> Any:
        """The gradient `g` of `vertex` after its hooks: of the class ``GradHooks``, in compat."""
        hooks = getattr(vertex, "grad_hooks", None)
        return hooks.run(g, self.handed_out) if hooks else g

    def visited(self, node: Any, g: Any, gradients: dict[Any, Any]) -> None:
        if node.retained is not None:
            tensor = node.retained()
            if tensor is not None and tensor._node is node:
                tensor._add_grad(g)
        if node.kept and not self.retain_graph:
            node.kept = None  # a node that kept nothing stays usable, as in PyTorch
        for leaf in node.parents if self.pending else ():
            if leaf in self.pending:
                self.pending[leaf] -= 1
                if not self.pending[leaf] and self.deliver is not None and leaf in gradients:
                    g = self.changed(leaf, gradients.pop(leaf))
                    self.deliver(leaf, g, gradients.values())


# What to call at the end of the backward pass that runs in this thread; None outside of one.
_callbacks: contextvars.ContextVar[list[Callable[[], Any]] | None] = contextvars.ContextVar(
    "tinynet_callbacks", default=None)


def begin_pass() -> list[Callable[[], Any]]:
    """A backward pass begins: the list that `after_backward` will add to."""
    callbacks: list[Callable[[], Any]] = []
    _callbacks.set(callbacks)
    return callbacks


def after_backward(callback: Callable[[], Any]) -> bool:
    """Call `callback` once, at the end of the backward pass that is running.

    Returns False, and does nothing, if that pass will call it already or no `backward` is running.
    """
    callbacks = _callbacks.get()
    if callbacks is None or callback in callbacks:
        return False
    callbacks.append(callback)
    return True
