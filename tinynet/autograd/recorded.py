"""What users see of the graph: requires_grad, grad, grad_fn, backward, detach."""

import weakref
from typing import Any

from ..arrays import array_module
from . import hooks
from .engine import Node, Variable, backward
from .inplace import Writable


class Recorded(Writable):
    """The base of `Tensor`: the attributes and methods that concern the graph."""

    __slots__ = ()

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this tensor. It can be set on leaves."""
        return self._vertex() is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set whether `backward` leaves a gradient in this leaf; returns self. Floats only."""
        if self._node is not None and not requires_grad:
            raise RuntimeError("requires_grad_: this tensor was computed from others that require "
                "grad; tensor.detach() cuts it off")
        if requires_grad and self.array.dtype.kind != "f":
            raise RuntimeError("requires_grad_: only floating-point tensors can require gradients, "
                f"this one is {self.array.dtype}")
        self._requires_grad = bool(requires_grad) and self._node is None
        return self

    @property
    def grad(self) -> Any:
        """The gradient that `backward` has added up here, or None.

        It can be set to None, or to a tensor of this shape, dtype and device.
        """
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Variable):
                raise TypeError(f"grad: expected a tensor or None, got {type(value).__name__}")
            if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
                raise RuntimeError("grad: a gradient has the shape and dtype of its tensor, "
                    f"{tuple(self.array.shape)} {self.array.dtype}; "
                    f"got {tuple(value.array.shape)} {value.array.dtype}")
            array_module(self.array, value.array, function="grad")  # both on one device?
        self._grad = value

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was not computed from tensors that require grad."""
        return not isinstance(self._vertex(), Node)

    @property
    def grad_fn(self) -> Node | None:
        """The node of the graph that this tensor came out of; None for a leaf."""
        vertex = self._vertex()
        return vertex if isinstance(vertex, Node) else None

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this intermediate result."""
        return self._node is not None and self._node.retained is not None

    def retain_grad(self) -> None:
        """Have `backward` leave a gradient in this intermediate result too, as in a leaf."""
        vertex = self._vertex()
        if vertex is None:
            raise RuntimeError("retain_grad: this tensor does not require grad")
        if isinstance(vertex, Node):
            vertex.retained = weakref.ref(self)

    def backward(self, gradient: Any = None, retain_graph: bool | None = None,
                 create_graph: bool = False, inputs: Any = None) -> None:  # fmt: skip
        """Add the gradient of this tensor to the ``.grad`` of every leaf that it depends on.

        The arguments are those of `tinynet.autograd.backward`.

        >>> import tinynet
        >>> x = tinynet.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        backward(self, None if gradient is None else [gradient], retain_graph, create_graph, inputs)

    def _clear_grad(self, set_to_none: bool) -> None:
        """Remove ``.grad``, or fill it with 0 and cut it off from its history."""
        if set_to_none or self._grad is None:
            self._grad = None
            return
        if self._grad.requires_grad:
            self._grad = self._grad.detach()
        self._grad.zero_()

    register_post_accumulate_grad_hook = hooks.register_post_accumulate_grad_hook

    def detach(self) -> Any:
        """The same values in the same memory, cut off from the graph."""
        tensor = self.data
        tensor._changes = self._changes
        return tensor

    @property
    def data(self) -> Any:
        """Like `detach`, but `backward` doesn't notice changes. It can be set to new values."""
        self._settle()
        return self._make(self.array)

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, Variable):
            raise TypeError(f"data: expected a tensor, got {type(value).__name__}")
        if value.array is not self.array:  # as it is in ``w.data -= g``
            self.array = value.array
            self._changes.bump("an assignment to .data")
