"""In-place changes and views: how the graph follows what is written over.

An example. All of these are variables; ``v`` is a view, and shares the memory of ``b``:

    b = x * 1            b's node: mul(x)
    v = b[0]             v's node: select(mul(x));  v._view_of: (b, select, {index: 0})
    v += w               computes  r = v + w,  then v becomes r in place:

    1. r's values are written into v's memory, which is b[0]. Both share a `Version`, whose count
       grows; a node that kept the old values will notice.
    2. v's node becomes r's node, add(select(mul(x)), w).
    3. b has changed too. Its node becomes copy_slices(b as it was, v): gradients of b[0] flow to
       v's node, gradients of the rest to mul(x).

    graph before:   x -- mul -- b            graph after:   x -- mul ---------- copy_slices -- b
                            \\- select -- v                        \\- select -- add -/-- v
                                                                              w -/

A view that is not written to, such as ``u = b[1]``, follows when it is used next: its node was made
at an older version, so it becomes select(b's new node).
"""

from typing import Any

import numpy as np

from ..arrays import array_module, computing, is_image_order, why_read_only
from .engine import Node, Primitive, Variable
from .grad_mode import is_grad_enabled
from .primitives import cast
from .versions import keep_copies


@Primitive
def copy_slices(xp, base, part, *, view, constants):
    # `base`, with `part` in the place that view(base, **constants) shows
    result = base.copy()
    view.forward(xp, result, **constants)[...] = part
    return result


copy_slices.derivatives(
    # what was overwritten has no influence any more, so its gradient is 0
    base=lambda g, view, constants: copy_slices(g, 0.0, view=view, constants=constants),
    part=lambda g, view, constants: view(g, **constants))


class Writable(Variable):
    """A variable that can be changed in place, and that can be a view."""

    __slots__ = ("_node_version",)

    def _settle(self) -> None:
        """Move images out of the order that is only faster, before a view shares their memory."""
        # a view lies as its base does, which was moved before
        if self._view_of is None and is_image_order(self.array):
            with computing(self.array):
                self.array = self.array.copy(order="C")

    def _become_view(self, base: Variable, primitive: Primitive, constants: dict[str, Any]) -> None:
        """`primitive` has made this variable of `base`; if they share memory, this is a view."""
        owner, source = self.array.base, base.array
        if self.array is not source and (
            owner is None or (owner is not source and owner is not source.base)):
            return
        self._changes = base._changes
        self._node_version = base._changes.count  # the version at which this view's node was right
        self._view_of = (base, primitive, constants, source)

    def _viewed(self) -> tuple[Any, Primitive, dict[str, Any]]:
        """What this is a view of, and how it was taken.

        If `t_()` or its like has given the base another shape since, what the base was before.
        """
        base, primitive, constants, array = self._view_of
        earlier = base
        while earlier.array is not array and earlier._view_of is not None:
            earlier = earlier._view_of[0]
        return earlier if earlier.array is array else base, primitive, constants

    def _vertex(self) -> Node | Variable | None:
        if self._view_of is not None and self._node_version != self._changes.count:
            self._follow_base()
        return self._node if self._node is not None else self if self._requires_grad else None

    def _follow_base(self) -> None:
        """Take a new node, because the array was changed through another variable.

        The bases first, because a base may be a view too (a loop, because there may be many).
        """
        stale = []
        variable: Any = self
        while variable._view_of is not None and variable._node_version != variable._changes.count:
            stale.append(variable)
            variable = variable._viewed()[0]
        for view in reversed(stale):
            base, primitive, constants = view._viewed()
            vertex = base._vertex()
            view._node_version, before, view._node = view._changes.count, view._node, None
            if vertex is not None:
                view._node = Node(primitive, constants, (base,), (vertex,), view)
                view._node.retained = before and before.retained

    def _replace(self, result: Variable, operation: str) -> Any:
        """Become `result` in place; the end of every in-place operation.

        Raises:
            ValueError: `result` has another shape.
            RuntimeError: its dtype doesn't fit; a leaf that requires grad would change; elements
                share memory, or memory is read-only.
        """
        self._refuse_unfit(result, operation)
        recording = is_grad_enabled()
        if recording:
            self._refuse_leaf(operation)
            if result.array.dtype != self.array.dtype:
                result = cast(result, dtype=self.array.dtype)
        if problem := why_read_only(self.array):
            raise RuntimeError(f"{operation}: the tensor {problem}; change a copy, tensor.clone()")
        # these may need the values that are overwritten now
        for node in (result._node, *self._changes.copied_by):
            if node is not None:
                keep_copies(node, self._changes)
        array_module(self.array, result.array, function=operation)  # both on one device?
        with computing(self.array):
            self.array[...] = result.array
        self._changes.bump(operation)
        if recording:
            self._take_node(result._node)
        return self

    def _take_node(self, node: Node | None) -> None:
        """Take `node`; then the base, if this is a view, gets a new node too, and so on."""
        variable: Any = self
        while True:
            if node is not None and variable._node is not None:
                node.retained = variable._node.retained
            variable._node = node
            if variable._view_of is None:
                return
            variable._node_version = variable._changes.count
            base, view, constants = variable._viewed()
            before = base._vertex()
            if node is None and before is None:
                return
            where = {"view": view, "constants": constants}
            node = Node(copy_slices, where, (base, variable), (before, node), base)
            variable = base

    def _refuse_unfit(self, result: Variable, operation: str) -> None:
        if result.array.shape != self.array.shape:
            raise ValueError(f"{operation}: the result has shape {tuple(result.array.shape)}, "
                f"which does not fit in place into shape {tuple(self.array.shape)}")
        dtype = result.array.dtype
        integers = dtype.kind + self.array.dtype.kind == "iu"  # as good as one kind
        if not integers and not np.can_cast(dtype, self.array.dtype, "same_kind"):
            raise RuntimeError(f"{operation}: the result is {dtype}, which can't be written into "
                f"{self.array.dtype}; convert the tensor first, with .to(tinynet.{dtype})")

    def _refuse_leaf(self, operation: str) -> None:
        owner: Any = self
        while owner is not None:
            if owner._node is None and owner._requires_grad:
                raise RuntimeError(f"{operation}: a {'' if owner is self else 'view of a '}leaf "
                    "tensor that requires grad can't be changed in place, its gradient would be "
                    "lost; do it under tinynet.no_grad(), or out of place")
            owner = None if owner._view_of is None else owner._viewed()[0]
