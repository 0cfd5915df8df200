"""Reverse-mode automatic differentiation; start reading in `engine`."""

from .. import compat
from .engine import Node, Primitive, Variable, backward, grad
from .grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .hooks import RemovableHandle, after_backward
from .primitives import cast, clone
from .recorded import Recorded
from .versions import copying

__getattr__ = compat.finder(__name__)
