"""Limits for gradients, and all parameters as one vector."""

import math
from collections.abc import Iterable

from .. import compat, creation
from ..arrays import array_module
from ..autograd.grad_mode import no_grad
from ..ops import elementwise, reductions, shapes
from ..ops.arguments import as_number, as_tensor
from ..tensor import Tensor
from .module import iterated

Parameters = Tensor | Iterable[Tensor]


def _listed(function: str, parameters: Parameters) -> list[Tensor]:
    if isinstance(parameters, Tensor):
        return [parameters]
    expected = "parameters to be tensors, in a list or as model.parameters() gives them"
    listed = iterated(function, parameters, expected)
    return [as_tensor(function, "each of parameters", p) for p in listed]


def _gradients(function: str, parameters: Parameters) -> list[Tensor]:
    return [p.grad for p in _listed(function, parameters) if p.grad is not None]


@no_grad()
def clip_grad_norm_(parameters: Parameters, max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    """Scale the gradients of `parameters`, in place, to a common norm of at most `max_norm`.

    Args:
        parameters: a tensor or several; those without a gradient are skipped.
        max_norm: from 0 up; inf changes nothing.
        norm_type: the p of the norm, may be inf.
        error_if_nonfinite: raise a RuntimeError if the norm is infinite or nan, which waits for a
            GPU; else the gradients become 0 or nan.

    Returns the norm before the change, a 0-d tensor.

    >>> import tinynet
    >>> w = tinynet.zeros(2, requires_grad=True)
    >>> w.grad = tinynet.tensor([3.0, 4.0])
    >>> clip_grad_norm_(w, 1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    max_norm = as_number("clip_grad_norm_", "max_norm", max_norm, 0, infinite=True)
    norm_type = math.inf if norm_type == "inf" else norm_type
    p = as_number("clip_grad_norm_", "norm_type", norm_type, positive=True, infinite=True)
    gradients = _gradients("clip_grad_norm_", parameters)
    if not gradients:
        return creation.zeros(())
    norms = shapes.stack([reductions.norm(g, p).to(gradients[0].device) for g in gradients])
    total = reductions.norm(norms, p)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {total.item()}; expected a finite one")
    scale = elementwise.clamp(float(max_norm) / (total + 1e-6), max=1.0)
    for g in gradients:
        g.mul_(scale.to(g.device))
    return total


@no_grad()
def clip_grad_value_(parameters: Parameters, clip_value: float) -> None:
    """Limit each element of the gradients of `parameters`, in place, to ±`clip_value`."""
    limit = as_number("clip_grad_value_", "clip_value", clip_value, 0)
    for g in _gradients("clip_grad_value_", parameters):
        g.clamp_(-limit, limit)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of `parameters`, in order, as one 1-d tensor; gradients flow back."""
    listed = _listed("parameters_to_vector", parameters)
    if not listed:
        raise TypeError("parameters_to_vector: expected a non-empty sequence of tensors, got none")
    array_module(*[p.array for p in listed], function="parameters_to_vector")
    return shapes.cat([shapes.reshape(p, -1) for p in listed])


@no_grad()
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the elements of `vec`, (total number of elements,), into `parameters` in order."""
    targets = _listed("vector_to_parameters", parameters)
    as_tensor("vector_to_parameters", "vec", vec)
    sizes = [p.numel() for p in targets]
    if vec.shape != (sum(sizes),):
        raise ValueError(f"vector_to_parameters: the parameters have {sum(sizes)} elements, "
            f"so vec must have shape ({sum(sizes)},); got {tuple(vec.shape)}")
    for p, part in zip(targets, shapes.split(vec, sizes), strict=True):
        p.copy_(shapes.reshape(part, p.shape))


__getattr__ = compat.finder(__name__)
