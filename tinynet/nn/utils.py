"""Helpers round training: limits for gradients, and all parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import creation
from ..autograd.grad_mode import no_grad
from ..ops import elementwise, reductions, shapes
from ..ops.arguments import as_number, in_own_name
from ..tensor import Tensor


def _listed(function: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(parameters, Tensor):
        return [parameters]
    listed = list(parameters) if isinstance(parameters, Iterable) else [parameters]
    for p in listed:
        if not isinstance(p, Tensor):
            raise TypeError(f"{function}: parameters must be tensors, in a list or as model.parameters() gives them; got {type(p).__name__}")
    return listed


def _gradients(function: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in _listed(function, parameters) if p.grad is not None]


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale the gradients of `parameters`, in place, so that their norm, taken of all together, is `max_norm` at most.

    Returns the norm as it was, a 0-d tensor. With `error_if_nonfinite`, RuntimeError if that is infinite or nan (for which a GPU has to
    be waited for); else the gradients become 0 or nan. `norm_type` is the p of the norm, and may be infinite.

    >>> import tinynet
    >>> w = tinynet.zeros(2, requires_grad=True)
    >>> w.grad = tinynet.tensor([3.0, 4.0])
    >>> clip_grad_norm_(w, 1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    if not (isinstance(max_norm, float) and max_norm == math.inf):  # which changes nothing and returns the norm
        as_number("clip_grad_norm_", "max_norm", max_norm, 0)
    gradients = _gradients("clip_grad_norm_", parameters)
    if not gradients:
        return creation.zeros(())
    total = reductions.norm(shapes.stack([reductions.norm(g, norm_type) for g in gradients]), norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total.item()}; error_if_nonfinite=False goes on all the same")
    scale = elementwise.clamp(float(max_norm) / (total + 1e-6), max=1.0)
    for g in gradients:
        g.mul_(scale.to(g.device))
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit each element of the gradients of `parameters`, in place, to [-clip_value, clip_value]."""
    as_number("clip_grad_value_", "clip_value", clip_value, 0)
    for g in _gradients("clip_grad_value_", parameters):
        g.clamp_(-clip_value, clip_value)


@in_own_name
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of `parameters`, one after the other, in one dimension; gradients flow back."""
    return shapes.cat([shapes.reshape(p, -1) for p in _listed("parameters_to_vector", parameters)])


@no_grad()
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the elements of `vec`, in the order of `parameters_to_vector`, into `parameters`. ValueError if their numbers differ."""
    targets = _listed("vector_to_parameters", parameters)
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: vec must be a tensor, got {type(vec).__name__}")
    count = sum(p.numel() for p in targets)
    if vec.shape != (count,):
        raise ValueError(
            f"vector_to_parameters: the parameters have {count} elements, so vec must have shape ({count},); got {tuple(vec.shape)}"
        )
    for p, part in zip(targets, shapes.split(vec, [p.numel() for p in targets]), strict=True):
        p.copy_(shapes.reshape(part, p.shape))
