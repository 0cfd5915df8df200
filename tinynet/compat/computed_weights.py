"""Weights that are computed before a layer is called: weight norm and spectral norm."""

from collections.abc import Callable
from typing import Any

from .. import creation
from ..autograd import no_grad
from ..nn import functional as F
from ..nn import init, utils
from ..nn.layers import ConvTranspose2d
from ..nn.module import Module
from ..nn.parameter import Parameter
from ..ops.arguments import as_dim, as_int, as_number
from ..tensor import Tensor
from . import public
from .init_names import older


class _Computed:
    """A hook that sets a weight of a module before each call, to what `formula` computes.

    The formula gets the module, the name of the weight, whether it is in training, and `options`.
    """

    def __init__(self, function: str, name: str, formula: Callable[..., Tensor], options: Any):
        self.function, self.name, self.formula, self.options = function, name, formula, options

    def __call__(self, module: Module, inputs: Any) -> None:
        weight = self.formula(module, self.name, module.training, *self.options)
        setattr(module, self.name, weight)


def _compute(function: str, module: Module, name: str, formula: Callable[..., Tensor],
             dim: int | None, *options: Any) -> tuple[Tensor, Any]:
    """Let `formula` compute the parameter `name` from now on. Returns a copy of it, and `dim`."""
    given: dict[str, Any] = module._parameters if isinstance(module, Module) else {}
    if not isinstance(name, str) or given.get(name) is None:
        kind, rule = type(module).__name__, "name must be that of a parameter of module"
        raise ValueError(f"{function}: {rule}; {kind} has no {name!r:.60}")
    dim = None if dim is None else as_dim(function, dim, given[name].ndim)
    weight = given.pop(name).detach()
    setattr(module, name, weight)
    module.register_forward_pre_hook(_Computed(function, name, formula, (dim, *options)))
    return weight.clone(), dim


def _restore(function: str, module: Module, name: str) -> Module:
    """Undo `function`: the weight is a parameter again, with the values that are computed now."""
    for key, (hook, _) in module._pre_hooks.items():
        if isinstance(hook, _Computed) and (hook.function, hook.name) == (function, name):
            weight = hook.formula(module, name, False, *hook.options).detach()
            for part in ("", "_g", "_v", "_orig", "_u"):
                if hasattr(module, name + part):
                    delattr(module, name + part)
            module.register_parameter(name, Parameter(weight))
            del module._pre_hooks[key]
            return module
    raise ValueError(f"remove_{function}: {name!r} of this {type(module).__name__} is a plain "
        "parameter, there is nothing to remove")


def _size(v: Tensor, dim: int | None) -> Tensor:
    others = tuple([d for d in range(v.ndim) if d != dim])
    return v.norm(2.0) if dim is None else v.norm(2.0, others, keepdim=True)


def _of_norm_one(module: Module, name: str, training: bool, dim: int | None) -> Tensor:
    v = getattr(module, f"{name}_v")
    return v * (getattr(module, f"{name}_g") / _size(v, dim))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn the weight of `module` as a length times a direction, ``g * v / |v|``.

    The parameters `name`_g and `name`_v replace it. There is one length for each position along
    `dim`, or a single one if `dim` is None or -1. Salimans & Kingma 2016, arXiv 1602.07868.
    """
    dim = None if dim == -1 else dim
    weight, dim = _compute("weight_norm", module, name, _of_norm_one, dim)
    module.register_parameter(f"{name}_g", Parameter(_size(weight, dim)))
    module.register_parameter(f"{name}_v", Parameter(weight))
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo `weight_norm`."""
    return _restore("weight_norm", module, name)


def _of_spectrum_one(module: Module, name: str, training: bool, dim: int, iterations: int,
                     eps: float) -> Tensor:
    weight, u, v = [getattr(module, name + part) for part in ("_orig", "_u", "_v")]
    rows = weight.transpose(0, dim).flatten(1)
    with no_grad():
        for _ in range(iterations if training else 0):
            v.copy_(F.normalize(u @ rows, dim=0, eps=eps))
            u.copy_(F.normalize(rows @ v, dim=0, eps=eps))
    return weight / (u.clone() @ rows @ v.clone())


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1,
                  eps: float = 1e-12, dim: int | None = None) -> Module:
    """Divide the weight of `module`, seen as a matrix, by its largest singular value.

    The parameter `name`_orig replaces it. Power iterations, so many per call in training, estimate
    the singular value; `name`_u and `name`_v are their vectors. `dim` is that of the rows, by
    default that of the outputs. Miyato et al. 2018, arXiv 1802.05957.
    """
    iterations = as_int("spectral_norm", "n_power_iterations", n_power_iterations, 1)
    options = iterations, as_number("spectral_norm", "eps", eps, 0)
    dim = int(isinstance(module, ConvTranspose2d)) if dim is None else dim
    weight, dim = _compute("spectral_norm", module, name, _of_spectrum_one, dim, *options)
    module.register_parameter(f"{name}_orig", Parameter(weight))
    for part, n in zip("uv", weight.transpose(0, dim).flatten(1).shape, strict=True):
        vector = init.normal_(creation.empty(n, dtype=weight.dtype, device=weight.device))
        module.register_buffer(f"{name}_{part}", F.normalize(vector, dim=0, eps=eps))
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo `spectral_norm`."""
    return _restore("spectral_norm", module, name)


clip_grad_norm = older(utils, "clip_grad_norm")
__all__ = public(globals(), "clip_grad_norm")
