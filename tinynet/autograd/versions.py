"""What a node keeps for the backward pass, and the check that nobody has written to it since."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays.devices import computing
from . import anomaly


class Version:
    """How often an array was changed in place, and by what. All views of one array share one.

    The defaults stand in the class, because every tensor gets a version and few are ever changed.
    """

    count = 0
    changed_by = ""

    def bump(self, operation: str) -> None:
        """Note that `operation` has changed the array."""
        self.count += 1
        self.changed_by = operation


class Saved:
    """An array that a derivative will ask for, and its version when the node kept it.

    A node keeps arrays and not variables, because an in-place operation can give a variable a new
    node: node -> variable -> node would be a cycle, which reference counting can't free.
    """

    __slots__ = ("array", "vertex", "version", "count", "fingerprint")

    def __init__(self, variable: Any, vertex: Any):
        self.array = variable.array
        self.vertex = vertex  # of the variable: a node, a leaf, or None
        self.version = variable._version
        self.count = self.version.count
        self.fingerprint = anomaly.fingerprint(self.array) if anomaly.watching else None

    def keep_copy(self) -> None:
        """Keep a copy, because the array is about to be overwritten."""
        self.array, self.version, self.count = copy(self.array), Version(), 0

    def is_current(self) -> bool:
        """Whether no in-place operation has changed the array since."""
        return self.version.count == self.count

    def restore(self, node: Any, position: int, g: Any) -> Any:
        """The variable that `node` kept from `position`, with its history.

        Raises:
            RuntimeError: the array was changed in place since.
        """
        if self.version.count != self.count:
            raise self._error(
                node, position,
                f"{self.version.changed_by} changed that in place since (it is at version "
                f"{self.version.count}, version {self.count} is needed); change a copy, "
                "tensor.clone(), instead")
        if self.fingerprint is not None and anomaly.checksum(self.array) != self.fingerprint:
            raise self._error(
                node, position,
                "the values were changed since through a numpy array that shares its memory "
                "(from numpy() or from_numpy()); write to a copy")
        if self.vertex is not None and type(self.vertex) is not type(node):
            return self.vertex  # a leaf, which is its own vertex
        variable = g._make(self.array)
        variable._node = node if position < 0 else self.vertex
        variable._version = self.version
        return variable

    def _error(self, node: Any, position: int, change: str) -> RuntimeError:
        what = "result" if position < 0 else f"input {node.input_name(position)}"
        return RuntimeError(
            f"backward: {node.primitive.name} needs its {what}, a {self.array.dtype} tensor of "
            f"shape {tuple(self.array.shape)}, but {change}")


def freed(primitive: str) -> RuntimeError:
    """The error for a second pass through a graph whose kept values were freed."""
    return RuntimeError(
        f"backward: the values that {primitive} kept were freed by an earlier backward pass; say "
        "retain_graph=True in that one to go through the graph again")


def copy(array: Any) -> Any:
    """A copy on the device of `array`; on the CPU in the memory order of `array`."""
    if isinstance(array, np.ndarray):
        return array.copy(order="K")
    with computing(array):
        return array.copy()
