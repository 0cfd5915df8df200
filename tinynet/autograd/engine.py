"""The engine: reverse-mode automatic differentiation.

* A `Variable` is an array and its place in the graph. (`Tensor` adds the methods that users call.)
* A `Primitive` is an operation on arrays, with a derivative for each input beside it. Derivatives
  are made of the same operations, so they can be differentiated again, to any order.
* A `Node` is one application of a primitive: where its inputs came from, and the arrays that its
  derivatives will ask for.

Links run only from a result to its inputs, never back. So there are no reference cycles, and memory
is freed when the last reference goes. Nodes are numbered in the order in which they are made, and a
result is always younger than its inputs. So a walk from the youngest node to the oldest reaches
each node after all that used its result: the walk needs no recursion, and visits each node once.

In-place changes and views are in `inplace`, hooks in `hooks`, the search for nans in `anomaly`.
"""

import functools
import inspect
import itertools
import operator
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..arrays import array_module, computing, warnings_are_off, without_warnings
from . import anomaly, hooks, requests
from .grad_mode import is_grad_enabled, set_grad_enabled
from .versions import Kept, Version, copy, copy_before_changes, keep, restore

# ---------------------------------------------------------------------------------- variables

_adding_grad = threading.Lock()


class Variable:
    """An array and its place in the graph.

    A variable without a node is a *leaf*: a user made it. If a leaf requires grad, `backward` adds
    its gradient to ``.grad``. A variable with a node is the result of a primitive.
    """

    __slots__ = ("array", "_grad", "_requires_grad", "_node", "_changes", "_view_of", "_hooks",
                 "grad_hooks", "__weakref__")  # fmt: skip

    def __init__(self, array: Any, requires_grad: bool = False):
        self.array = array
        self._grad: Any = None
        self._requires_grad = requires_grad
        self._node: Node | None = None
        self._changes = Version()
        self._view_of: Any = None  # for views (`inplace`); the slots with hooks are for `hooks`

    def _make(self, array: Any) -> Any:
        """A new variable of the user's class; primitives wrap their results with it."""
        raise NotImplementedError

    def _vertex(self) -> "Node | Variable | None":
        """What stands for this variable in the graph: its node; itself if it is a leaf that
        requires grad; or None."""
        return self._node if self._node is not None else self if self._requires_grad else None

    def _add_grad(self, g: Any, as_it_is: bool = False) -> None:
        """Add `g` to ``.grad``, in place. The first is copied unless it may be used `as_it_is`."""
        # locked, because two threads may add to one leaf
        with _adding_grad:
            if is_grad_enabled():  # a gradient that can be differentiated: nothing in place
                self._grad = g.clone() if self._grad is None else self._grad + g
            elif self._grad is None:
                self._grad = g if as_it_is else self._make(copy(g.array))
            else:
                self._grad += g


# ---------------------------------------------------------------------------------- primitives


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


class Primitive:
    """An operation on arrays, ``forward(xp, *arrays, **constants)``, and its derivatives.

    The parameters of a derivative say what it needs: ``g``, the upstream gradient; ``y``, the
    result; any input; ``<input>_shape`` and ``<input>_dtype``; any constant. A node keeps only what
    some derivative asks for.

        @Primitive
        def mul(xp, a, b):
            return a * b

        mul.derivatives(a=lambda g, b: g * b, b=lambda g, a: g * a)

    Inputs are variables, Python numbers or None (an optional input left out). With `view`, the
    result may share the memory of the first input; "inside" says that no user gets hold of it.

    An operation on any number of inputs is declared with ``*inputs``. Its one derivative may ask
    for ``i``, the position of the input that it is for, and for ``shapes``, those of all inputs.
    """

    def __init__(self, forward: Callable[..., Any], *, name: str = "", view: bool | str = False):
        self.forward = forward
        self.quiet_forward = np.errstate(all="ignore")(forward)  # quicker than a ``with`` block
        self.name = name or forward.__name__.strip("_")
        self.node_name = "".join(map(str.capitalize, self.name.split("_"))) + "Backward0"
        self.view, self.shown = bool(view), view is True
        code = forward.__code__
        self.variadic = bool(code.co_flags & inspect.CO_VARARGS)
        self.inputs = list(code.co_varnames[1 : code.co_argcount])
        if reserved := {"g", "y", "i", "shapes", "wanted"}.intersection(_parameters(forward)):
            raise ValueError(f"primitive {self.name}: {reserved} are reserved for derivatives")
        self.rules: Any = []  # by an input's position; in a defaultdict if one serves all inputs
        self.joint = False
        self.copies = False  # whether inputs may be changed though a derivative needs them
        self.__doc__ = forward.__doc__

    def derivatives(self, *for_all: Callable[..., Any], **by_name: Callable[..., Any]) -> None:
        """Declare the derivatives: by the inputs' names, or one for an operation on ``*inputs``."""
        functions = for_all or [by_name[name] for name in self.inputs]
        rules = [_Rule(self.inputs, function) for function in functions]
        self.rules = defaultdict(lambda: rules[0]) if for_all else rules

    def joint_derivative(self, function: Callable[..., Any]) -> None:
        """Declare one derivative for all inputs, whose gradients share most of their computation.

        It returns a tuple with one gradient per input. It may ask for ``wanted``, one bool per
        input, and return None where no gradient is wanted.
        """
        self.joint = True
        self.derivatives(function)

    def __call__(self, *inputs: Any, **constants: Any) -> Any:
        if self.shown:
            inputs[0]._settle()
        arrays: list[Any] = []
        parents: list[Any] = []  # per input its vertex, or None where no gradient is wanted
        like: Any = None
        xp: Any = np
        recording, wanted = is_grad_enabled(), False
        for value in inputs:
            vertex = None
            if isinstance(value, Variable):
                vertex = value._vertex() if recording else None
                like, value = value, value.array
                if type(value) is not np.ndarray:
                    xp = None
            arrays.append(value)
            parents.append(vertex)
            wanted = wanted or vertex is not None
        if xp is None:
            xp = array_module(*arrays, function=self.name)
        if xp is np:
            forward = self.forward if self.view or warnings_are_off() else self.quiet_forward
            array = forward(xp, *arrays, **constants)
        else:
            with computing(like.array):
                array = self.forward(xp, *arrays, **constants)
        if isinstance(array, np.generic):
            array = np.asarray(array)  # numpy makes 0-d results scalars
        result = like._make(array)
        if self.view:
            result._become_view(inputs[0], self, constants)
        if wanted and array.dtype.kind == "f":
            result._node = Node(self, constants, inputs, parents, result)
        if anomaly.watching:
            anomaly.check_result(self, inputs, constants, result)
        return result


class _Rule:
    """A derivative, and where each of its arguments comes from."""

    def __init__(self, inputs: list[str], derivative: Callable[..., Any]):
        self.derivative, names = derivative, _parameters(derivative)
        positions = {"y": -1} | {name: i for i, name in enumerate(inputs)}
        self.keeps = [positions[name] for name in names if name in positions]
        # `which` is what the derivative is for: the position of one input, or one bool per input
        known = {"g": "g", "y": "restore(node, -1, g)", "i": "which", "wanted": "which",
                 "shapes": "node.shapes"}  # fmt: skip
        for i, name in enumerate(inputs):
            known |= {name: f"restore(node, {i}, g)", f"{name}_shape": f"node.shapes[{i}]",
                      f"{name}_dtype": f"node.dtypes[{i}]"}  # fmt: skip
        self.arguments = [known.get(name, f"node.constants[{name!r}]") for name in names]

    @functools.cached_property
    def gradient(self) -> Callable[["Node", Any, Any], Any]:
        """The derivative as a function ``gradient(node, g, which)``.

        It is made from a line of Python, which is three times as fast as a loop over the arguments.
        The line for ``lambda g, y, a_shape, dim: ...`` is::

            lambda node, g, which: derivative(
                g, restore(node, -1, g), node.shapes[0], node.constants['dim'])
        """
        line = f"lambda node, g, which: derivative({', '.join(self.arguments)})"
        known = {"derivative": self.derivative, "restore": restore}
        return eval(compile(line, __file__, "eval"), known)


# --------------------------------------------------------------------------------------- nodes

_clock = itertools.count()


class Node:
    """One application of a primitive: what the backward pass needs of it, and nothing else."""

    __slots__ = ("primitive", "constants", "parents", "shapes", "dtypes", "shape", "time", "origin",
                 "retained", "kept", "positions", "grad_hooks", "__weakref__")  # fmt: skip

    def __init__(self, primitive: Primitive, constants: dict[str, Any], inputs: Sequence[Any],
                 parents: Sequence[Any], result: Variable):  # fmt: skip
        self.primitive = primitive
        self.constants = constants
        self.parents = parents  # per input its vertex, or None where no gradient is wanted
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: list[Any] = []
        for v in inputs:
            self.shapes.append(v.array.shape if isinstance(v, Variable) else ())
            self.dtypes.append(v.array.dtype if isinstance(v, Variable) else None)
        self.shape = result.array.shape
        self.time = next(_clock)
        self.retained: weakref.ref[Variable] | None = None  # whose .grad retain_grad() asked for
        self.kept: dict[int, Kept] | None = {}  # by position; None when freed
        self.positions: list[int] = []  # of the inputs that a gradient is wanted for
        for i, parent in enumerate(parents):
            if parent is not None:
                self.positions.append(i)
                for position in primitive.rules[i].keeps:
                    if position not in self.kept:
                        v = result if position < 0 else inputs[position]
                        self.kept[position] = keep(v, None if position < 0 else parents[position])
        if primitive.copies:
            copy_before_changes(self)

    @property
    def name(self) -> str:
        """The operation's name in PyTorch's style, ``AddBackward0``."""
        return self.primitive.node_name

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def next_functions(self) -> "tuple[tuple[Node | Variable | None, int], ...]":
        """The vertices of the inputs, in PyTorch's form of pairs."""
        return tuple((parent, 0) for parent in self.parents)

    def input_name(self, position: int) -> str:
        """What messages call an input."""
        return str(position) if self.primitive.variadic else repr(self.primitive.inputs[position])

    def gradients(self, g: Variable, positions: list[int]) -> dict[int, Any]:
        """The gradients with respect to the inputs at `positions`; `g` is that of the result."""
        primitive = self.primitive
        if primitive.joint:
            wanted = tuple([i in positions for i in range(len(self.parents))])
            joint = primitive.rules[0].gradient(self, g, wanted)
            positions = [i for i in positions if joint[i] is not None]  # where something flows
        made = {}
        for i in positions:
            gradient = joint[i] if primitive.joint else primitive.rules[i].gradient(self, g, i)
            array = gradient.array
            if array.shape != self.shapes[i] or array.dtype != self.dtypes[i]:
                raise RuntimeError(f"backward: a mistake in the primitive {primitive.name}: its "
                    f"gradient for input {self.input_name(i)} is {array.dtype} "
                    f"{tuple(array.shape)}, the input is {self.dtypes[i]} {tuple(self.shapes[i])}")
            made[i] = gradient
        return made


# ------------------------------------------------------------------------------------ the walk


def _walk(seeds: list[tuple[Any, Any]], targets: set[Any] | None, observer: hooks.Observer) -> dict:
    """Send gradients from `seeds` (a vertex and its gradient each) back through the graph.

    Returns the gradients that arrive at `targets`; None stands for all leaves that require grad.
    """
    gradients: dict[Any, Any] = {}
    for vertex, g in seeds:
        gradients[vertex] = gradients[vertex] + g if vertex in gradients else g
    history = _history(gradients)
    wanted = None if targets is None else _on_the_way(history, targets)
    observer.begin(history, wanted)
    arrived: dict[Any, Any] = {}
    while history:
        node = history.pop()  # the youngest: all that used its result has been visited
        if (g := gradients.pop(node, None)) is None:
            continue
        g = observer.changed(node, g) if hooks.in_use else g
        if targets is not None and node in targets:
            arrived[node] = g
        positions = node.positions if wanted is None else [
            i for i in node.positions if node.parents[i] in wanted]
        made = (anomaly if anomaly.watching else Node).gradients(node, g, positions)
        for i, gradient in made.items():
            parent = node.parents[i]
            gradients[parent] = gradients[parent] + gradient if parent in gradients else gradient
        observer.visited(node, g, gradients)
    # the walk pops nodes, so leaves are left
    return arrived | {leaf: observer.changed(leaf, g) for leaf, g in gradients.items()}


def _history(roots: Iterable[Any]) -> list[Node]:
    """All nodes that `roots` were computed through, the oldest first."""
    found: set[Node] = set()
    pending = [root for root in roots if isinstance(root, Node)]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [v for v in node.parents if type(v) is Node and v not in found]
    return sorted(found, key=operator.attrgetter("time"))


def _on_the_way(history: list[Node], targets: set[Any]) -> set[Any]:
    """`targets`, and the nodes that were computed from one: only they need a gradient."""
    wanted = set(targets)
    for node in history:  # the oldest first, so parents are decided before their children
        if not wanted.isdisjoint(node.parents):
            wanted.add(node)
    return wanted


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None,
             create_graph: bool = False, inputs: Any = None) -> None:  # fmt: skip
    """Add the gradient of `tensors` to the ``.grad`` of every leaf that they depend on.

    Args:
        tensors: a tensor, or a sequence of tensors.
        grad_tensors: the upstream gradients, one per tensor and of its shape and dtype. A tensor
            with one element needs none.
        retain_graph: keep what another pass through the same graph needs; default: `create_graph`.
        create_graph: record the gradients' own history, so that ``.grad`` can be differentiated.
        inputs: only these leaves get a gradient; default: all.

    Raises:
        RuntimeError: a tensor has no history, an upstream gradient is missing or has the wrong
            shape or dtype, the graph was freed, or a kept value was changed in place.
    """
    seeds = requests.seeds("backward", ("tensors", "gradients"), tensors, grad_tensors)
    targets = requests.leaves("backward", inputs)
    handed_out = {id(seed.array) for _, seed in seeds}

    def deliver(leaf: Variable, g: Any, on_their_way: Iterable[Any] = ()) -> None:
        same_order = g.array.strides == leaf.array.strides  # the optimiser reads both together
        free = same_order and requests.may_be_handed_out(g.array, handed_out, on_their_way)
        handed_out.add(id(g.array))
        leaf._add_grad(g, as_it_is=free)
        hooks.run_leaf_hooks(leaf)

    def run() -> None:
        callbacks = hooks.begin_pass()
        with set_grad_enabled(create_graph):
            observer = hooks.Observer(retain_graph, create_graph, handed_out, deliver)
            for leaf, g in _walk(seeds, targets, observer).items():
                deliver(leaf, g)
            for callback in callbacks:
                callback()

    without_warnings(run)


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
         create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
         materialize_grads: bool = False) -> tuple[Any, ...]:  # fmt: skip
    """The gradients of `outputs` with respect to `inputs`, a tuple; ``.grad`` is left alone.

    Args:
        outputs, inputs: a tensor each, or sequences of tensors.
        grad_outputs: the upstream gradients, one per output and of its shape and dtype. An output
            with one element needs none.
        retain_graph: keep what another pass needs; default: `create_graph`.
        create_graph: record the gradients' own history, so that they can be differentiated again.
        only_inputs: True; there is nothing else, and PyTorch has given up False too.
        allow_unused: None, instead of an error, for an input that the outputs don't depend on.
        materialize_grads: zeros for such an input.

    >>> import tinynet
    >>> x = tinynet.tensor(3.0, requires_grad=True)
    >>> (dy,) = tinynet.grad(x**3, x, create_graph=True)
    >>> tinynet.grad(dy, x)
    (tensor(18.),)
    """
    requests.refuse_contradiction(only_inputs, materialize_grads, allow_unused)
    tensors = requests.as_list("grad", "inputs", inputs)
    targets = requests.targets("grad", tensors)
    seeds = requests.seeds("grad", ("outputs", "grad_outputs"), outputs, grad_outputs)
    observer = hooks.Observer(retain_graph, create_graph, {id(seed.array) for _, seed in seeds})

    def run() -> dict[Any, Any]:
        with set_grad_enabled(create_graph):
            return _walk(seeds, set(targets), observer)

    arrived = without_warnings(run)
    results: list[Any] = []
    for number, (vertex, tensor) in enumerate(zip(targets, tensors, strict=True)):
        g = arrived.get(vertex)
        if g is None:
            g = requests.unused(number, tensor, allow_unused, materialize_grads)
        elif not create_graph:
            if not requests.may_be_handed_out(g.array, observer.handed_out):
                g = g._make(copy(g.array))
            observer.handed_out.add(id(g.array))
        results.append(g)
    return tuple(results)
