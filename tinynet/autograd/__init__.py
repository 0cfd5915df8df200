"""Reverse-mode automatic differentiation."""

from .engine import (
    Node,
    Primitive,
    RemovableHandle,
    Variable,
    add_leaf_hook,
    after_backward,
    backward,
    grad,
)
from .grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
