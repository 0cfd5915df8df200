"""Reverse-mode automatic differentiation: the whole engine.

Three things carry it.

* A `Variable` is an array and its place in the graph. (`tensor.py` adds the methods that users call.)
* A `Primitive` is an operation on arrays with one gradient function per input beside it. Gradient functions
  are written with the same operations, so they can be differentiated again: second and higher orders come free.
* A `Node` remembers one application of a primitive: where its inputs came from, and those values that the
  gradient functions will ask for.

Links run only from a result to what it was computed from, never back, so there are no reference cycles and
memory is freed the moment the last reference goes. Every node carries a number that grows with time. A result is
always younger than its inputs, so walking the nodes from the youngest to the oldest visits each of them after everything
that used it: no recursion, and each node once.
"""

from __future__ import annotations

import contextvars
import inspect
import itertools
import operator
import threading
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..arrays.devices import array_module, computing, full_like, is_quiet, quietly
from ..arrays.memory import is_view
from . import anomaly
from .grad_mode import _grad_enabled, no_grad, set_grad_enabled

# ------------------------------------------------------------------------------------------------ grad mode


# ------------------------------------------------------------------------------------------------- variables


class _Version:
    """How often an array was changed in place, and what did it last. Views of one array share one of these.

    Writes through numpy arrays that share the memory aren't counted. So from the moment that such an array is handed out
    (`exported` isn't None then) fingerprints are taken of what the graph keeps, and compared when it is used.
    """

    # What a version begins with stands in the class: one is made for every tensor, and few are ever changed.
    count = 0
    changed_by = ""
    kept_at = -1  # the count when a node last kept the values
    # by place in memory: arrays that were handed out after a node had kept them, with their fingerprints
    exported: dict[tuple[Any, ...], tuple[Any, int]] | None = None


def _fingerprint(array: np.ndarray) -> int:
    return zlib.crc32(array.ravel(order="K").view(np.uint8))  # type: ignore[arg-type]


class Variable:
    """An array and its place in the graph.

    A variable without a node is a *leaf*: the user made it. If it requires grad, `backward` leaves its gradient in
    ``.grad``. A variable with a node came out of a primitive.
    """

    __slots__ = ("array", "_grad", "_requires_grad", "_node", "_version", "_view_of", "_seen", "_hooks", "__weakref__")

    array: Any
    _hooks: OrderedDict[object, Callable[[Any], None]]

    def __init__(self, array: Any, requires_grad: bool = False):
        self.array = array
        self._grad: Variable | None = None
        self._requires_grad = requires_grad
        self._node: Node | None = None
        self._version = _Version()
        self._view_of: tuple[Variable, Primitive, dict[str, Any]] | None = None
        self._seen = 0  # the version at which a view's node was right

    def _make(self, array: Any) -> Any:
        """A new variable of the user's class around `array`; how primitives, which know no such class, wrap results."""
        raise NotImplementedError

    @property
    def grad(self) -> Any:
        """The gradient that `backward` left here, or None. It can be set to None or to a tensor of this shape and dtype."""
        return self._grad

    @grad.setter
    def grad(self, value: Variable | None) -> None:
        if value is not None:
            if not isinstance(value, Variable):
                raise TypeError(f"grad: expected a tensor or None, got {type(value).__name__}")
            if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"grad: a gradient has the shape and dtype of its tensor, {tuple(self.array.shape)} {self.array.dtype}; "
                    f"got {tuple(value.array.shape)} {value.array.dtype}"
                )
            array_module(self.array, value.array, function="grad")  # both on one device?
        self._grad = value

    def _export(self) -> np.ndarray:
        """The array, for others to read and write: from now on nodes notice if its values aren't what they kept."""
        array, version = self.array.view(), self._version
        if version.exported is None:
            version.exported = {}
        if version.kept_at == version.count and array.dtype.kind == "f":
            place = (version.count, array.__array_interface__["data"][0], array.shape, array.strides)
            if place not in version.exported:  # else it may have been changed since
                version.exported = {other: entry for other, entry in version.exported.items() if other[0] == version.count}
                version.exported[place] = (array, _fingerprint(array))
        return array

    def _vertex(self) -> Node | Variable | None:
        """What stands for this variable in the graph: its node; itself if it is a leaf that wants a gradient; or None."""
        if self._view_of is not None and self._seen != self._version.count:
            self._follow_base()
        return self._node or (self if self._requires_grad else None)

    def _follow_base(self) -> None:
        # The array was changed in place through another name since this view was taken. The values are the new ones
        # already; the history becomes "that view of what the base is now". Bases first: a base can be a view too.
        stale = []
        variable = self
        while variable._view_of is not None and variable._seen != variable._version.count:
            stale.append(variable)
            variable = variable._view_of[0]
        for variable in reversed(stale):
            base, primitive, constants = variable._view_of  # type: ignore[misc]
            vertex = base._vertex()
            variable._seen = variable._version.count
            variable._node = None if vertex is None else Node(primitive, constants, (base,), (vertex,), variable)

    def _replace(self, result: Variable, operation: str) -> Any:
        """Become `result` in place: the end of every in-place operation. Raises where that would break the graph."""
        if result.array.shape != self.array.shape:
            raise ValueError(
                f"{operation}: the result has shape {tuple(result.array.shape)}, which does not fit in place into shape "
                f"{tuple(self.array.shape)}; an in-place operation can't broadcast its target"
            )
        if not np.can_cast(result.array.dtype, self.array.dtype, "same_kind"):
            raise RuntimeError(
                f"{operation}: the result is {result.array.dtype}, which can't be written into {self.array.dtype}; "
                f"convert the tensor first, with .to(tinynet.{result.array.dtype})"
            )
        if _grad_enabled.get():
            owner: Variable | None = self
            while owner is not None:
                if owner._node is None and owner._requires_grad:
                    raise RuntimeError(
                        f"{operation}: a {'view of a ' if owner is not self else ''}leaf tensor that requires grad can't be "
                        "changed in place, its gradient would be lost; do it under tinynet.no_grad(), or out of place"
                    )
                owner = None if owner._view_of is None else owner._view_of[0]
            if result.array.dtype != self.array.dtype:
                result = cast(result, dtype=self.array.dtype)
        if any(step == 0 and n > 1 for step, n in zip(self.array.strides, self.array.shape, strict=True)) and self.array.size:
            raise RuntimeError(
                f"{operation}: several elements of this expanded tensor are one in memory; change a copy, tensor.clone()"
            )
        if isinstance(self.array, np.ndarray) and not self.array.flags.writeable:
            raise RuntimeError(f"{operation}: the tensor shares a read-only array; change a copy, tensor.clone()")
        if result._node is not None:
            result._node.keep_copies(self._version)
        array_module(self.array, result.array, function=operation)  # both on one device?
        with computing(self.array):
            self.array[...] = result.array
        self._version.count += 1
        self._version.changed_by = operation
        if _grad_enabled.get():
            self._rebase(result._node)
        return self

    def _rebase(self, node: Node | None) -> None:
        # This array's part of the base has a new history; so the base has one too, and its base in turn.
        variable = self
        while True:
            if node is not None and variable._node is not None:
                node._retained = variable._node._retained
            variable._node, variable._seen = node, variable._version.count
            if variable._view_of is None:
                return
            base, view, constants = variable._view_of
            before = base._vertex()
            if node is None and before is None:
                return
            node = Node(copy_slices, {"view": view, "constants": constants}, (base, variable), (before, node), base)
            variable = base


# ------------------------------------------------------------------------------------------ primitives, nodes


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


class Primitive:
    """An operation on arrays, ``forward(xp, *arrays, **constants)``, and its derivatives, one per input.

    A derivative says by the names of its parameters what it needs: ``g``, the gradient of the loss with respect to the
    result; ``y``, the result; any input; ``<input>_shape`` and ``<input>_dtype``; any constant. What none of them names is not kept
    alive for the backward pass:

        @Primitive
        def mul(xp, a, b):
            return a * b

        mul.derivatives(a=lambda g, b: g * b, b=lambda g, a: g * a)

    Inputs may be variables, Python numbers or None (an optional input that is left out). An operation with any number of
    inputs is declared with ``*inputs``; its one derivative may ask for ``i``, the position of the input it is for, and
    for ``shapes``, those of all inputs.

    `view` says that the result may share memory with the (first) input.
    """

    def __init__(self, forward: Callable[..., Any], *, name: str = "", view: bool = False):
        self.forward = forward
        self.name = name or forward.__name__.strip("_")
        self.view = view
        code = forward.__code__
        self.variadic = bool(code.co_flags & inspect.CO_VARARGS)
        self.inputs = list(code.co_varnames[1 : code.co_argcount])
        if reserved := {"g", "y", "i", "shapes"}.intersection(_parameters(forward)):
            raise ValueError(f"primitive {self.name}: {reserved} mean something else to derivatives; rename the inputs")
        self._derivatives: list[Callable[..., Variable]] = []
        self._asks: list[list[tuple[str, Any]]] = []  # per input: where each parameter of its derivative comes from
        self._keeps: list[list[int]] = []  # per input: the positions of the inputs to keep; -1 is the result
        self.__doc__ = forward.__doc__

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def derivatives(self, *for_all: Callable[..., Variable], **by_name: Callable[..., Variable]) -> None:
        """Declare the derivatives: by the input's name, or a single one for an operation on ``*inputs``."""
        self._derivatives = list(for_all) if self.variadic else [by_name[name] for name in self.inputs]
        for function in self._derivatives:
            asks: list[tuple[str, Any]] = []
            for name in _parameters(function):
                if name in ("g", "y", "i"):
                    asks.append((name, None))
                elif name in self.inputs:
                    asks.append(("input", self.inputs.index(name)))
                elif name.removesuffix("_shape") in self.inputs:
                    asks.append(("shape", self.inputs.index(name.removesuffix("_shape"))))
                elif name.removesuffix("_dtype") in self.inputs:
                    asks.append(("dtype", self.inputs.index(name.removesuffix("_dtype"))))
                elif name == "shapes":
                    asks.append(("shapes", None))
                else:
                    asks.append(("constant", name))
            self._asks.append(asks)
            self._keeps.append([-1 if kind == "y" else key for kind, key in asks if kind in ("y", "input")])

    def __call__(self, *inputs: Any, **constants: Any) -> Any:
        arrays: list[Any] = []
        like: Any = None
        xp: Any = np
        for value in inputs:
            if isinstance(value, Variable):
                like, value = value, value.array
                if type(value) is not np.ndarray:
                    xp = None
            arrays.append(value)
        if xp is None:
            xp = array_module(*arrays, function=self.name)
        if xp is np and (self.view or is_quiet()):
            array = self.forward(xp, *arrays, **constants)
        else:
            with computing(like.array):
                array = self.forward(xp, *arrays, **constants)
        if isinstance(array, np.generic):
            array = np.asarray(array)  # numpy makes 0-d results scalars
        result = like._make(array)
        if self.view and _shares_memory(array, arrays[0]):
            result._version = inputs[0]._version
            result._seen = inputs[0]._version.count
            result._view_of = (inputs[0], self, constants)
        if _grad_enabled.get() and array.dtype.kind == "f":
            parents = [v._vertex() if isinstance(v, Variable) else None for v in inputs]
            if [v for v in parents if v is not None]:
                result._node = Node(self, constants, inputs, parents, result)
        if anomaly.watching:
            labels = map(str, range(len(inputs))) if self.variadic else self.inputs
            anomaly.check_result(self.name, dict(zip(labels, inputs, strict=False)), constants, result)
            if result._node is not None:
                result._node.origin = anomaly.origin()
        return result


def _shares_memory(array: Any, source: Any) -> bool:
    return array is source or (array.base is not None and (array.base is source or array.base is source.base))


_clock = itertools.count()


class Node:
    """One application of a primitive: what the backward pass needs of it, and nothing else."""

    __slots__ = ("primitive", "constants", "parents", "shapes", "dtypes", "shape", "time", "origin", "_kept", "_retained")

    def __init__(
        self,
        primitive: Primitive,
        constants: dict[str, Any],
        inputs: Sequence[Any],
        parents: Sequence[Node | Variable | None],
        result: Variable,
    ):
        self.primitive = primitive
        self.constants = constants
        self.parents = parents  # per input: its node, or the leaf itself, or None where no gradient is wanted
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: list[Any] = []
        for v in inputs:
            self.shapes.append(v.array.shape if isinstance(v, Variable) else ())
            self.dtypes.append(v.array.dtype if isinstance(v, Variable) else None)
        self.shape = result.array.shape
        self.time = next(_clock)
        self._retained: weakref.ref[Variable] | None = None
        # Values, not variables: a variable can be given a new history in place, and the result would be a cycle.
        self._kept: dict[int, tuple[Any, Any, _Version | None, int, int | None]] | None = {}
        for i, parent in enumerate(parents):
            if parent is not None:
                for position in primitive._keeps[0 if primitive.variadic else i]:
                    if position not in self._kept:
                        self._kept[position] = self._keep(result if position < 0 else inputs[position], position, parents)

    def _keep(self, value: Any, position: int, parents: Sequence[Any]) -> tuple[Any, Any, _Version | None, int, int | None]:
        if not isinstance(value, Variable):
            return value, None, None, 0, None
        version = value._version
        version.kept_at = version.count
        print_ = None if version.exported is None else _fingerprint(value.array)
        return value.array, None if position < 0 else parents[position], version, version.count, print_

    def keep_copies(self, version: _Version) -> None:
        """Keep copies of the arrays under `version`, which are about to be overwritten by this very operation."""
        for position, (array, vertex, theirs, count, _) in (self._kept or {}).items():
            if theirs is version and count == version.count:
                with computing(array):
                    self._kept[position] = (array.copy(), vertex, _Version(), 0, None)  # type: ignore[index]

    @property
    def name(self) -> str:
        """The operation's name in PyTorch's style, ``AddBackward0``."""
        return "".join(part.capitalize() for part in self.primitive.name.split("_")) + "Backward0"

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def next_functions(self) -> tuple[tuple[Node | Variable | None, int], ...]:
        """The nodes (or leaves) that this one's inputs came from, in PyTorch's form of pairs."""
        return tuple((parent, 0) for parent in self.parents)

    def _value(self, position: int, g: Variable) -> Any:
        """An input (or, at -1, the result) as it was, with its history."""
        if self._kept is None:
            raise RuntimeError(
                f"backward: the values that {self.primitive.name} kept were freed by an earlier backward pass; "
                "say retain_graph=True in that one to go through the graph again"
            )
        array, vertex, version, count, print_ = self._kept[position]
        if version is None:
            return array
        if version.count != count:
            raise RuntimeError(
                f"{self._needing(position, array)}, but {version.changed_by} changed that in place since (it is at version "
                f"{version.count}, version {count} is needed); change a copy, tensor.clone(), instead"
            )
        if version.exported is not None and not _unchanged(array, print_, version.exported):
            raise RuntimeError(
                f"{self._needing(position, array)}, but the values were changed since through a numpy array that shares its memory "
                "(from numpy() or from_numpy()); write to a copy"
            )
        if isinstance(vertex, Variable):
            return vertex
        variable = g._make(array)
        variable._node = self if position < 0 else vertex
        variable._version = version
        return variable

    def _needing(self, position: int, array: Any) -> str:
        what = "its result" if position < 0 else f"its input {self._input_name(position)}"
        return f"backward: {self.primitive.name} needs {what}, a {array.dtype} tensor of shape {tuple(array.shape)}"

    def _input_name(self, position: int) -> str:
        return str(position) if self.primitive.variadic else repr(self.primitive.inputs[position])

    def gradient(self, i: int, g: Variable) -> Variable:
        """The gradient with respect to input `i`, given that of the result."""
        primitive = self.primitive
        which = 0 if primitive.variadic else i
        arguments: list[Any] = []
        for kind, key in primitive._asks[which]:
            if kind == "g":
                arguments.append(g)
            elif kind == "input":
                arguments.append(self._value(key, g))
            elif kind == "y":
                arguments.append(self._value(-1, g))
            elif kind == "constant":
                arguments.append(self.constants[key])
            elif kind == "shape":
                arguments.append(self.shapes[key])
            elif kind == "dtype":
                arguments.append(self.dtypes[key])
            elif kind == "shapes":
                arguments.append(self.shapes)
            else:
                arguments.append(i)
        result = primitive._derivatives[which](*arguments)
        if result.array.shape != self.shapes[i] or result.array.dtype != self.dtypes[i]:
            raise RuntimeError(
                f"backward: the derivative of {primitive.name} with respect to input {self._input_name(i)} has shape "
                f"{tuple(result.array.shape)} and dtype {result.array.dtype}; the input has {tuple(self.shapes[i])} and "
                f"{self.dtypes[i]}. This is a mistake in the primitive's definition"
            )
        return result

    def free(self) -> None:
        """Let go of the kept values. A node that kept none stays usable, as in PyTorch."""
        if self._kept:
            self._kept = None


def _unchanged(array: np.ndarray, print_: int | None, exported: dict[tuple[Any, ...], tuple[Any, int]]) -> bool:
    """Whether `array` is what it was when a node kept it: with a fingerprint, or before anything that overlaps was exported."""
    if print_ is not None:
        return _fingerprint(array) == print_
    return all(_fingerprint(other) == theirs for other, theirs in exported.values() if np.may_share_memory(array, other))


# The three primitives that the engine itself needs.


@Primitive
def clone(xp: Any, a: Any) -> Any:
    return a.copy(order="K") if xp is np else a.copy()


clone.derivatives(a=lambda g: g)


@Primitive
def cast(xp: Any, a: Any, *, dtype: np.dtype) -> Any:
    return a.astype(dtype)


cast.derivatives(a=lambda g, a_dtype: cast(g, dtype=a_dtype))


@Primitive
def copy_slices(xp: Any, base: Any, part: Any, *, view: Primitive, constants: dict[str, Any]) -> Any:
    # `base` with the part that view(base, **constants) shows replaced by `part`
    result = base.copy()
    view.forward(xp, result, **constants)[...] = part
    return result


copy_slices.derivatives(
    # what was overwritten has no influence any more: zeros there
    base=lambda g, view, constants: copy_slices(g, 0.0, view=view, constants=constants),
    part=lambda g, view, constants: view(g, **constants),
)


# --------------------------------------------------------------------------------------------------- hooks


class RemovableHandle:
    """What registering a hook returns. `remove` takes the hook away again, and so does the end of a ``with`` block."""

    def __init__(self, hooks: OrderedDict[object, Any], key: object):
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


# The leaves that have hooks (in `_hooks`, a slot that is empty in others). As long as there is none, no backward pass looks for them.
_hooked: set[weakref.ref[Variable]] = set()

# What is to be done at the end of the pass that is running in this thread; None outside of one.
_callbacks: contextvars.ContextVar[list[Callable[[], Any]] | None] = contextvars.ContextVar("tinynet_callbacks", default=None)


def add_leaf_hook(leaf: Variable, hook: Callable[[Any], None]) -> RemovableHandle:
    """Have ``hook(leaf)`` called by every `backward` as soon as it has left `leaf` all of its gradient."""
    if not callable(hook):
        raise TypeError(f"register_post_accumulate_grad_hook: a hook is a function, got {type(hook).__name__}")
    if not isinstance(leaf._vertex(), Variable):
        raise RuntimeError(
            f"register_post_accumulate_grad_hook: this tensor, of shape {tuple(leaf.array.shape)}, is not a leaf that requires grad, and "
            "only such tensors are left a gradient; register the hook on a parameter, or on a tensor made with requires_grad=True"
        )
    if _hooks_of(leaf) is None:
        leaf._hooks = OrderedDict()
        _hooked.add(weakref.ref(leaf, _hooked.discard))
    key = object()
    leaf._hooks[key] = hook
    return RemovableHandle(leaf._hooks, key)


def _hooks_of(leaf: Any) -> OrderedDict[object, Callable[[Any], None]] | None:
    return getattr(leaf, "_hooks", None)


def _run_leaf_hooks(leaf: Variable) -> None:
    with no_grad():
        for hook in list((_hooks_of(leaf) or {}).values()):
            if (answer := hook(leaf)) is not None:
                raise TypeError(
                    f"register_post_accumulate_grad_hook: the hook returned a {type(answer).__name__}; a hook may change tensor.grad in "
                    "place or set it, and must return None"
                )


def after_backward(callback: Callable[[], Any]) -> bool:
    """Have `callback` called once when the backward pass that is running has left all its gradients.

    True if that is new; False, and nothing done, if this pass will call it already, or if what runs is no `backward`.
    """
    callbacks = _callbacks.get()
    if callbacks is None or callback in callbacks:
        return False
    callbacks.append(callback)
    return True


# ------------------------------------------------------------------------------------------------- the walk


_time = operator.attrgetter("time")


def _history(roots: Iterable[Node | Variable]) -> list[Node]:
    """Every node that `roots` were computed through, the oldest first."""
    found: set[Node] = set()
    pending = [root for root in roots if isinstance(root, Node)]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [parent for parent in node.parents if type(parent) is Node and parent not in found]
    return sorted(found, key=_time)


def _backpropagate(
    seeds: list[tuple[Any, Any]],
    targets: set[Node | Variable] | None,
    retain_graph: bool,
    leave: Callable[[Any, Any, Iterable[Any]], None] | None = None,
) -> dict[Any, Any]:
    """Push `seeds` (pairs of a vertex and its gradient) back through the graph; returns what arrives at `targets`.

    With ``targets=None`` these are all leaves that require grad. A leaf with hooks is instead given to ``leave(leaf, gradient, others)``
    during the walk, when everything that used it has been through; `others` are the gradients that are still on their way.
    """
    history = _history(vertex for vertex, _ in seeds)
    # A gradient is worth computing only on the way to a target. The oldest come first, so parents are decided before
    # their children.
    wanted: set[Node | Variable] = set()
    if targets is not None:
        wanted |= targets
        for node in history:
            if not wanted.isdisjoint(node.parents):
                wanted.add(node)

    uses: dict[Any, int] = {}  # how often each leaf with hooks is still to come
    if leave is not None and _hooked:
        for node in history:
            if targets is None or node in wanted:  # else no gradient comes through here
                for parent in node.parents:
                    if _hooks_of(parent) and (targets is None or parent in targets):
                        uses[parent] = uses.get(parent, 0) + 1

    gradients: dict[Any, Any] = {}
    for vertex, g in seeds:
        gradients[vertex] = gradients[vertex] + g if vertex in gradients else g
    arrived: dict[Any, Any] = {}
    while history:
        node = history.pop()  # the youngest: everything that used it has been through here
        g = gradients.pop(node, None)
        if g is None:
            continue
        if targets is not None and node in targets:
            arrived[node] = g
        if node._retained is not None and (tensor := node._retained()) is not None and tensor._node is node:
            tensor.grad = _as_grad(g, tensor)
        for i, parent in enumerate(node.parents):
            if parent is None or (targets is not None and parent not in wanted):
                continue
            share = anomaly.checked_gradient(node, i, g) if anomaly.watching else node.gradient(i, g)
            gradients[parent] = gradients[parent] + share if parent in gradients else share
        if not retain_graph:
            node.free()
        if uses and leave is not None:
            for parent in node.parents:
                if parent in uses:
                    uses[parent] -= 1
                    if not uses[parent]:
                        leave(parent, gradients.pop(parent), gradients.values())
    return arrived | gradients  # what was never popped are the leaves


def _as_grad(g: Variable, owner: Variable) -> Variable:
    """What ``owner.grad`` becomes when `g` arrives: a sum in memory of its own, without history."""
    with no_grad():
        return owner._make(clone(g).array) if owner.grad is None else owner.grad + g


def _seed(function: str, output: Variable, gradient: Variable | None) -> Variable:
    """The gradient to start from at `output`, checked."""
    if not isinstance(output, Variable):
        raise TypeError(f"{function}: expected a tensor to differentiate, got {type(output).__name__}")
    if output._vertex() is None:
        raise RuntimeError(
            f"{function}: a tensor of shape {tuple(output.array.shape)} does not require grad and has no history; was it computed "
            "under no_grad(), detached, or from tensors none of which has requires_grad=True?"
        )
    if gradient is None:
        if output.array.size != 1:
            raise RuntimeError(
                f"{function}: the gradient of a tensor of shape {tuple(output.array.shape)} needs a direction, only that of a "
                "single number doesn't; reduce it first (.sum(), .mean()) or give the gradient, of the same shape"
            )
        return output._make(full_like(output.array, 1))
    if not isinstance(gradient, Variable):
        raise TypeError(f"{function}: expected the gradient as a tensor, got {type(gradient).__name__}")
    if gradient.array.shape != output.array.shape:
        raise RuntimeError(
            f"{function}: the gradient has shape {tuple(gradient.array.shape)}, but the tensor it belongs to "
            f"{tuple(output.array.shape)}; the two must be the same"
        )
    if gradient.array.dtype != output.array.dtype:
        raise RuntimeError(
            f"{function}: the gradient is {gradient.array.dtype}, but the tensor it belongs to {output.array.dtype}; "
            f"convert it with .to(tinynet.{output.array.dtype})"
        )
    array_module(output.array, gradient.array, function=function)  # both on one device?
    return gradient


def _as_list(function: str, what: str, given: Any) -> list[Any]:
    if isinstance(given, Variable):
        return [given]
    if isinstance(given, (tuple, list)):
        return list(given)
    raise TypeError(f"{function}: expected {what} as a tensor or a sequence of tensors, got {type(given).__name__}")


def _targets(function: str, inputs: Sequence[Any]) -> list[Node | Variable]:
    vertices: list[Node | Variable] = []
    if not inputs:
        raise ValueError(f"{function}: inputs is empty; name the tensors whose gradients you want")
    for number, tensor in enumerate(inputs):
        if not isinstance(tensor, Variable):
            raise TypeError(f"{function}: input {number} is a {type(tensor).__name__}, not a tensor")
        vertex = tensor._vertex()
        if vertex is None:
            raise RuntimeError(f"{function}: input {number}, of shape {tuple(tensor.array.shape)}, does not require grad")
        vertices.append(vertex)
    return vertices


_leaving = threading.Lock()


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of `tensors` to the ``.grad`` of every leaf that they depend on.

    `grad_tensors` are the directions, one per tensor and of its shape; a tensor with one element needs none.
    ``retain_graph=True`` keeps what a second pass through the same graph needs. With `inputs`, only these leaves
    get a gradient. RuntimeError for a tensor without history, a missing direction or one of the wrong shape or dtype, a freed graph,
    and a kept value that was changed in place.

    ``.grad`` holds no history, so ``create_graph=True`` is refused: `grad` is the way to higher orders.
    """
    if create_graph:
        raise RuntimeError(
            "backward: create_graph=True is not supported, since .grad keeps no history; "
            "tinynet.grad(outputs, inputs, create_graph=True) returns gradients that can be differentiated again"
        )
    outputs = _as_list("backward", "the tensors", tensors)
    directions = [None] * len(outputs) if grad_tensors is None else _as_list("backward", "the gradients", grad_tensors)
    if len(directions) != len(outputs):
        raise ValueError(f"backward: {len(outputs)} tensors but {len(directions)} gradients; give one for each")
    leaves = None if inputs is None else _targets("backward", _as_list("backward", "inputs", inputs))
    if leaves is not None and any(isinstance(leaf, Node) for leaf in leaves):
        raise RuntimeError("backward: inputs must be leaves; for the gradient of an intermediate result use tinynet.grad")
    seeds = [(_seed("backward", o, d), o._vertex())[::-1] for o, d in zip(outputs, directions, strict=True)]
    taken = {id(seed.array) for _, seed in seeds}

    def leave(leaf: Any, g: Any, others: Iterable[Any] = ()) -> None:
        # One array may come to several leaves (a + b hands the same to both), or in another memory order: such a leaf gets a
        # copy, so that changing one gradient in place changes no other.
        array = g.array
        mine = array.strides == leaf.array.strides and id(array) not in taken and not is_view(array)
        for other in others:
            mine = mine and array is not other.array and array is not other.array.base
        taken.add(id(array))
        with _leaving:  # read, added to, and written: what another thread left meanwhile would be lost
            leaf._grad = g if mine and leaf._grad is None else _as_grad(g, leaf)
        if _hooked:
            _run_leaf_hooks(leaf)

    def walk() -> None:
        callbacks: list[Callable[[], Any]] = []
        _callbacks.set(callbacks)
        with no_grad():
            arrived = _backpropagate(seeds, None if leaves is None else set(leaves), bool(retain_graph), leave)
            for leaf, g in arrived.items():
                leave(leaf, g)
            for callback in callbacks:
                callback()

    quietly(walk)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`, a tuple with one tensor per input; ``.grad`` is left alone.

    `grad_outputs` are the directions, one per output and of its shape; an output with one element needs none.
    ``create_graph=True`` records the gradients' own history, so that they can be differentiated again, and keeps the graph.
    ``retain_graph`` keeps the graph without that; its default is `create_graph`.
    An input that the outputs don't depend on is an error, unless ``allow_unused=True`` (its gradient is None) or
    ``materialize_grads=True`` (its gradient is zeros).

    >>> import tinynet
    >>> x = tinynet.tensor(3.0, requires_grad=True)
    >>> (dy,) = tinynet.grad(x**3, x, create_graph=True)
    >>> tinynet.grad(dy, x)
    (tensor(18.),)
    """
    outs = _as_list("grad", "outputs", outputs)
    ins = _as_list("grad", "inputs", inputs)
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True fills in unused inputs, which allow_unused=False forbids")
    directions = [None] * len(outs) if grad_outputs is None else _as_list("grad", "grad_outputs", grad_outputs)
    if len(directions) != len(outs):
        raise ValueError(f"grad: {len(outs)} outputs but {len(directions)} grad_outputs; give one for each")
    targets = _targets("grad", ins)
    seeds = [(_seed("grad", o, d), o._vertex())[::-1] for o, d in zip(outs, directions, strict=True)]
    keep = create_graph if retain_graph is None else retain_graph

    def walk() -> dict[Any, Any]:
        with set_grad_enabled(create_graph):
            return _backpropagate(seeds, set(targets), keep)

    arrived = quietly(walk)
    shared = {id(seed.array) for _, seed in seeds}
    results: list[Any] = []
    for number, (vertex, tensor) in enumerate(zip(targets, ins, strict=True)):
        g = arrived.get(vertex)
        if g is not None:
            if not create_graph and (is_view(g.array) or id(g.array) in shared):
                g = g._make(clone(g).array)
            shared.add(id(g.array))
            results.append(g)
        elif materialize_grads:
            results.append(tensor._make(full_like(tensor.array, 0)))
        elif allow_unused:
            results.append(None)
        else:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {number}, of shape {tuple(tensor.array.shape)}; "
                "allow_unused=True gives None for it, materialize_grads=True zeros"
            )
    return tuple(results)
