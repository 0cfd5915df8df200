"""Settings and questions of ``torch``, ``torch.backends`` and ``torch.accelerator``.

What would change results is obeyed or refused. What can't, because there is no such thing here, is
accepted and answered truly: docstrings say so.
"""

import sys
from types import SimpleNamespace
from typing import Any

from .. import creation, cuda
from ..arrays import as_device, default_generator
from ..ops import arguments
from . import public
from .types import _CPU

# --------------------------------------------------------------------- defaults and random numbers


def get_default_dtype() -> Any:
    """The dtype of new tensors of floats."""
    return creation.empty(0).dtype


def set_default_dtype(d: Any) -> None:
    """Make new tensors of floats in the dtype `d`, a floating one; at first float32."""
    dtype = arguments.as_dtype("set_default_dtype", d)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: only a floating dtype can be the default, not {dtype}")
    for name, module in list(sys.modules.items()):
        if name.startswith("tinynet.") and "default_dtype" in vars(module):
            vars(module)["default_dtype"] = dtype


def set_default_tensor_type(t: Any) -> None:
    """Like `set_default_dtype`, from FloatTensor or "torch.DoubleTensor"; CPU tensors only."""
    kind: Any = {f"torch.{name}": kind for name, kind in _CPU.items()}.get(t, t)
    if kind not in _CPU.values():
        raise TypeError(f"set_default_tensor_type: expected a type on the CPU, got {t!r}")
    set_default_dtype(kind.dtype)


def get_default_device() -> Any:
    """The device of new tensors: the CPU."""
    return as_device("get_default_device", "cpu")


def set_default_device(device: Any) -> None:
    """"cpu" or None. RuntimeError for a GPU: each call says ``device="cuda"``."""
    as_device("set_default_device", device or "cpu").__enter__()


def get_rng_state() -> Any:
    """The state of the default generator, for `set_rng_state`; no tensor, unlike in PyTorch."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Draw on from a state that `get_rng_state` gave."""
    default_generator.set_state(new_state)


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def seed() -> int:
    """Seed the default generator anew, by a seed that the system draws; returns the seed."""
    return default_generator.seed()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """No effect: results are computed in one way, the same in every run."""


def are_deterministic_algorithms_enabled() -> bool:
    """True: results are the same in every run."""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """No effect: products are computed in one way."""


def get_float32_matmul_precision() -> str:
    """"highest"."""
    return "highest"


def set_flush_denormal(mode: bool) -> None:
    """No effect: small numbers are computed in one way."""


# ---------------------------------------------------------------------- torch.backends, accelerator


class _Settings(SimpleNamespace):
    """What is set here is kept, and has no effect: nothing here uses such a library.

    Other names are AttributeErrors.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in vars(self):
            raise AttributeError(f"there is no setting {name!r} here, only {', '.join(vars(self))}")
        super().__setattr__(name, value)


def _no() -> bool:
    """False."""
    return False


def _current_accelerator(check_available: bool = False) -> Any:
    """The GPU; None without one."""
    return as_device("", "cuda") if cuda.is_available() else None


backends = _Settings(
    cudnn=_Settings(benchmark=False, deterministic=False, enabled=True, allow_tf32=True,
        benchmark_limit=10, is_available=_no, version=lambda: None),
    cuda=_Settings(is_built=cuda.is_available, matmul=_Settings(
        allow_tf32=False, allow_fp16_reduced_precision_reduction=False)),
    mkldnn=_Settings(enabled=False, is_available=_no), openmp=_Settings(is_available=_no),
    mps=_Settings(is_available=_no, is_built=_no))
accelerator = _Settings(
    is_available=cuda.is_available, device_count=cuda.device_count, synchronize=cuda.synchronize,
    current_device_index=cuda.current_device, current_accelerator=_current_accelerator)
__all__ = public(globals())
