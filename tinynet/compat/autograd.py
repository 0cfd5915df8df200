"""What ``torch.autograd`` has beside the engine: operations that users write, and old names."""

import functools
import inspect
import math
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ..arrays import array_module
from ..autograd import anomaly, is_grad_enabled, no_grad, Node
from ..autograd.anomaly import detect_anomaly
from ..autograd.versions import keep, restore
from ..ops.arguments import as_tensor, broadcast_shape, result_type
from ..ops.shapes import _sum_to
from ..tensor import Tensor
from . import public


class _Context:
    """The `ctx` of a `Function`; to the engine, the primitive of the node of its results.

    A single result has that node. Several are parts of a vector that has it.
    """

    joint, variadic, copies, keeps = True, True, False, ()
    _materialize = True
    _saved = _plain = _dirty = tuple[Any, ...]()  # the arguments of the methods below

    def __init__(self, kind: Any, needs_input_grad: tuple[bool, ...]):
        self._kind, self.name, self.needs_input_grad = kind, kind.__name__, needs_input_grad
        self.node_name = f"{self.name}Backward"  # PyTorch numbers only its own
        self.rules: Any = defaultdict(lambda: self)

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep `tensors` (or None) for backward; an in-place change of them is noticed there."""
        self._saved = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """With False, backward gets None, not zeros, for a result of several that nobody used."""
        self._materialize = value

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """These results of forward don't require grad."""
        self._plain = outputs

    def mark_dirty(self, *inputs: Any) -> None:
        """Forward has changed these inputs in place, and returns them."""
        self._dirty = inputs

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept, with its history. RuntimeError if it was freed."""
        node, g = self._at_work
        found = [restore(node, i, g) for i in range(len(self._saved))]
        for i, k in self._own.items():
            found[i]._node = self._parts(node)[k]._node
        return tuple(found)

    def _record(self, args: Any, parents: Any, results: list[Any], flows: list[bool]) -> None:
        """Give the results that gradients flow to, and what is kept, their place in the graph."""
        out = [v for v, flow in zip(results, flows, strict=True) if flow]
        self._out = [(v.array.shape, v.array.dtype) for v in out]
        self._flows = [flow or (isinstance(v, Tensor) and (v.shape, v.dtype))
                       for v, flow in zip(results, flows, strict=True)]
        xp, size = array_module(out[0].array), sum(v.array.size for v in out)
        shape = out[0].array.shape if len(out) == 1 else (size,)
        self._zeros = xp.broadcast_to(xp.zeros((), result_type(*out)), shape)
        self._own = {i: k for i, v in enumerate(self._saved) for k, w in enumerate(out) if v is w}
        node = Node(self, {}, args, parents, Tensor._wrap(self._zeros))  # type: ignore[arg-type]
        node.kept = {i: keep(v, None if v is None or i in self._own else v._vertex())
                     for i, v in enumerate(self._saved)}
        for v, part in zip(out, self._parts(node), strict=True):
            v._take_node(part._node)
        # the node keeps what it needs, and ctx holds no result, which would hold ctx
        self._saved, self._plain, self._dirty = (None,) * len(self._saved), (), ()

    def _parts(self, node: Node) -> list[Any]:
        vector = Tensor._wrap(self._zeros)
        vector._node = node
        return self._cut(vector)

    def _cut(self, vector: Any) -> list[Any]:
        if len(self._out) == 1:
            return [vector]
        pieces = vector.split([math.prod(shape) for shape, _ in self._out])
        return [piece.reshape(shape).to(dtype)
                for piece, (shape, dtype) in zip(pieces, self._out, strict=True)]

    def gradient(self, node: Node, g: Any, wanted: tuple[bool, ...]) -> list[Any]:
        """The gradients of the inputs from that of the vector."""
        parts = iter([part if self._materialize or part.any() else None for part in self._cut(g)])
        self._at_work = node, g
        try:
            made = self._kind.backward(self, *[
                next(parts) if flow is True else None if not flow or not self._materialize
                else g.new_zeros(flow[0], dtype=flow[1]) for flow in self._flows])
        finally:
            del self._at_work
        made = list(made) if isinstance(made, (tuple, list)) else [made]
        if len(made) < len(wanted) or any(extra is not None for extra in made[len(wanted):]):
            raise RuntimeError(f"{self.name}.backward: returned {len(made)} gradients for "
                f"{len(wanted)} inputs; return one for each, None where there is none")
        return [self._fitted(node, i, made[i]) if wanted[i] else None for i in range(len(wanted))]

    def _fitted(self, node: Node, i: int, g: Any) -> Any:
        """`g`, the gradient of input `i`, in its dtype, and summed to its shape, as in PyTorch."""
        if g is None:
            return None
        name, shape = f"{self.name}.backward", node.shapes[i]
        as_tensor(name, f"the gradient of input {i}", g)
        if g.shape != shape and broadcast_shape(name, g.shape, shape) == g.shape:
            g = _sum_to(g, shape=shape)
        return g.to(node.dtypes[i])


class Function:
    """An operation of your own, with its derivative: call ``apply`` of a subclass.

    ``forward(ctx, *inputs)`` returns a tensor or a tuple; nothing in it is recorded.
    ``backward(ctx, *gradients)`` gets one gradient per result (zeros if nobody used it or it has
    none; None for what is no tensor), and returns one per input, or None; written with operations
    of tensors, it can be differentiated again. Both are static methods. What backward needs is kept
    by ``ctx.save_for_backward``, in forward or, if that takes no ctx, in
    ``setup_context(ctx, inputs, output)``. ``ctx.needs_input_grad`` says which inputs want one.

    >>> import tinynet
    >>> class Square(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * g
    >>> x = tinynet.tensor(3.0, requires_grad=True)
    >>> tinynet.grad(Square.apply(x), x)
    (tensor(6.),)
    """

    forward: Any
    setup_context: Any = None

    @classmethod
    def apply(cls, *args: Any, **named: Any) -> Any:
        """The result of forward, with its place in the graph. Inputs by name count as others do."""
        if named:
            first = () if cls.setup_context else (None,)
            bound = inspect.signature(cls.forward).bind(*first, *args, **named)
            if bound.kwargs:
                raise TypeError(f"{cls.__name__}.apply: {', '.join(bound.kwargs)} can be given by "
                    "name only; forward takes its inputs by place")
            args = bound.args[len(first):]
        parents = [v._vertex() if isinstance(v, Tensor) else None for v in args]
        ctx = _Context(cls, tuple(p is not None for p in parents))
        with no_grad():
            given = cls.forward(*args) if cls.setup_context else cls.forward(ctx, *args)
            if cls.setup_context:
                cls.setup_context(ctx, args, given)
        results = list(given) if isinstance(given, tuple) else [given]
        inputs, dirty, plain = [set(map(id, vs)) for vs in (args, ctx._dirty, ctx._plain)]
        flows = [isinstance(v, Tensor) and v.is_floating_point() and id(v) not in plain
                 for v in results]
        recording = is_grad_enabled() and any(ctx.needs_input_grad) and any(flows)
        for k, v in enumerate(results):
            if id(v) in dirty and recording:
                v._refuse_leaf(f"{cls.__name__}.mark_dirty")
            elif isinstance(v, Tensor) and id(v) not in dirty and (
                    v._vertex() is not None or v._view_of or id(v) in inputs):
                results[k] = v.detach()  # whose own history stays as it is
        if recording:
            ctx._record(args, parents, results, flows)
        return tuple(results) if isinstance(given, tuple) else results[0]


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the backward of a `Function` that is not to be differentiated: it isn't recorded.

    Differentiating its result is a RuntimeError.
    """
    class Once(Function):
        @staticmethod
        def forward(ctx: Any, outer: Any, *gradients: Any) -> Any:
            return fn(outer, *gradients)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            raise RuntimeError("once_differentiable: this backward is not to be differentiated; "
                "write it with operations of tensors, without the decorator")

    return functools.wraps(fn)(lambda ctx, *gradients: Once.apply(ctx, *gradients))


class _OldName(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_OldName):
    """The old name of tensors: ``Variable(tensor)`` shares the tensor's memory, without history.

    Every tensor is an instance. `volatile` has no effect any more, and warns.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Any:
        data = Tensor() if data is None else as_tensor("Variable", "data", data)
        if volatile is not None:
            warnings.warn("Variable: volatile has no effect; use torch.no_grad()", stacklevel=2)
        return data.detach().requires_grad_(requires_grad)


class set_detect_anomaly(detect_anomaly):
    """Switch `detect_anomaly` on or off from here on; in a ``with``, until the end of the block."""

    def __init__(self, mode: bool):
        super().__init__()
        self._change = bool(mode) - (anomaly._mode.get() == anomaly._CHECKS)
        self._tokens.append(anomaly._mode.set(anomaly._CHECKS if mode else anomaly._OFF))
        anomaly._count(self._change)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        anomaly._count(-self._change)
        anomaly._mode.reset(self._tokens.pop())


__all__ = public(globals(), "detect_anomaly")
