"""What a node keeps for the backward pass, and the check that nobody has written to it since."""

import weakref
from typing import Any


from ..arrays import computing, kept_order
from . import anomaly
from .grad_mode import no_grad


class Version:
    """How often an array was changed in place, and by what. All views of one array share one.

    The defaults stand in the class, because every tensor gets a version and few are ever changed.
    """

    count = 0
    changed_by = ""
    copied_by: Any = ()  # the nodes that take a copy before the array is changed

    def bump(self, operation: str) -> None:
        """Note that `operation` has changed the array."""
        self.count += 1
        self.changed_by = operation


# A value that a derivative will ask for: an array; the vertex and the version of its variable; the
# version's count and the array's fingerprint when it was kept. A number has no version. Arrays are
# kept and not variables, because an in-place operation can give a variable a new node: node ->
# variable -> node would be a cycle, which reference counting can't free.
Kept = tuple[Any, Any, Version | None, int, int | None]


def keep(value: Any, vertex: Any) -> Kept:
    """What a node keeps of `value`: a variable with that vertex, a number or None."""
    version = getattr(value, "_changes", None)
    if version is None:
        return value, None, None, 0, None
    fingerprint = anomaly.fingerprint(value.array) if anomaly.watching else None
    return value.array, vertex, version, version.count, fingerprint


def restore(node: Any, position: int, g: Any) -> Any:
    """What `node` kept of the input at `position`, or of the result at -1, with its history.

    Raises:
        RuntimeError: it was freed, or its memory was changed since. (A result is computed again if
            the node kept all inputs, as that of max_pool2d.)
    """
    if node.kept is None:
        raise RuntimeError(
            f"backward: the values that {node.primitive.name} kept were freed by an earlier "
            "backward pass; say retain_graph=True in that one to go through the graph again")
    array, vertex, version, count, fingerprint = node.kept[position]
    if version is None:
        return array
    changed = version.count != count and array.size
    if changed and position < 0 and len(node.kept) > len(node.shapes):
        # the result was changed in place, but all inputs were kept: compute it again
        inputs = [restore(node, i, g) for i in range(len(node.shapes))]
        with no_grad():
            again = node.primitive(*inputs, **node.constants)
        node.kept[position] = keep(again, vertex)
        return restore(node, position, g)
    if changed:
        raise _changed(node, position,
            f"{version.changed_by} changed that in place since (it is at version {version.count}, "
            f"version {count} is needed); change a copy, tensor.clone(), instead")
    if fingerprint is not None and anomaly.checksum(array) != fingerprint:
        raise _changed(node, position,
            "the values were changed since through a numpy array that shares its memory "
            "(from numpy() or from_numpy()); write to a copy")
    if vertex is not None and type(vertex) is not type(node) and version is vertex._changes:
        return vertex  # a leaf, which is its own vertex
    variable = g._make(array)
    variable._node = node if position < 0 else vertex
    variable._changes = version
    return variable


def _changed(node: Any, position: int, change: str) -> RuntimeError:
    what = "result" if position < 0 else f"input {node.input_name(position)}"
    array = node.kept[position][0]
    return RuntimeError(f"backward: {node.primitive.name} needs its {what}, a {array.dtype} tensor "
        f"of shape {tuple(array.shape)}, but {change}")


def copy_before_changes(node: Any) -> None:
    """Let `node` take a copy of what it keeps before somebody changes that in place."""
    for _, _, version, _, _ in node.kept.values():
        if version is not None:
            version.copied_by = version.copied_by or weakref.WeakSet()
            version.copied_by.add(node)


def copying(result: Any) -> Any:
    """`result`, whose inputs may be changed though its derivatives need them.

    For results whose inputs PyTorch copies before it computes: no program notices a change there.
    """
    if result._node is not None and result._node.kept:
        copy_before_changes(result._node)
    return result


def keep_copies(node: Any, version: Version) -> None:
    """Let `node` keep copies of the arrays of this `version`, which are about to be overwritten."""
    for position, (array, vertex, own, count, _) in (node.kept or {}).items():
        if own is version and count == version.count:
            node.kept[position] = copy(array), vertex, Version(), 0, None


def copy(array: Any) -> Any:
    """A copy on the device of `array`, in its memory order."""
    with computing(array):
        return array.copy(order=kept_order(array))
