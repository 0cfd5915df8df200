"""Settings and questions of ``torch``, ``torch.backends`` and ``torch.accelerator``.

What would change results is obeyed or refused. What can't, because there is no such thing here, is
accepted and answered truly: docstrings say so.
"""

import sys
from typing import Any


from .. import cuda
from ..arrays import as_device, default_generator
from ..ops import arguments
from ..ops.operands import named
from .types import _NAMES, _Typed

# --------------------------------------------------------------------- defaults and random numbers


def get_default_dtype() -> Any:
    """The dtype of new tensors of floats."""
    return arguments.default_dtype


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
    kinds = {f"torch.{name}": dtype for dtype, name in _NAMES.items()}
    if isinstance(t, _Typed) and t.place == "cpu":  # type: ignore[attr-defined]
        t = f"torch.{t.__name__}"
    if t not in kinds:
        raise TypeError(f"set_default_tensor_type: expected a type on the CPU, got {t!r}")
    set_default_dtype(kinds[t])


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


def _nothing(names: str, answer: Any, doc: str) -> None:
    """Functions that only give an answer."""
    for name in names.split():
        globals()[name] = named(lambda *args, **options: answer, name, doc)


_NO_EFFECT = "No effect: results are computed in one way, the same in every run."
_nothing("use_deterministic_algorithms set_float32_matmul_precision set_flush_denormal",
    None, _NO_EFFECT)
_nothing("are_deterministic_algorithms_enabled", True, "True: the same in every run.")
_nothing("get_float32_matmul_precision", "highest", "\"highest\".")


# ---------------------------------------------------------------------- torch.backends, accelerator


class _Settings:
    """Attributes that programs read and set; other names are AttributeErrors."""

    def __init__(self, doc: str, **values: Any):
        vars(self).update(values, __doc__=doc)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in vars(self):
            raise AttributeError(f"there is no setting {name!r} here, only {', '.join(vars(self))}")
        vars(self)[name] = value


def _no(*args: Any) -> bool:
    """False."""
    return False


_KEPT = "What is set here is kept, and has no effect: nothing here uses such a library."
backends = _Settings("Libraries that PyTorch computes with.", cudnn=_Settings(
    _KEPT, benchmark=False, deterministic=False, enabled=True, allow_tf32=True,
    benchmark_limit=10, is_available=_no, version=named(lambda: None, "version", "None.")),
    mps=_Settings("Apple's GPUs: not used.", is_available=_no, is_built=_no),
    cuda=_Settings(_KEPT, is_built=cuda.is_available, matmul=_Settings(_KEPT, allow_tf32=True,
        allow_fp16_reduced_precision_reduction=False)),
    mkldnn=_Settings(_KEPT, enabled=False, is_available=_no),
    openmp=_Settings(_KEPT, is_available=_no))
accelerator = _Settings("The GPU as ``torch.accelerator`` knows it.",
    is_available=cuda.is_available, device_count=cuda.device_count,
    current_device_index=cuda.current_device, synchronize=cuda.synchronize, current_accelerator=
    lambda check_available=False: as_device("", "cuda") if cuda.is_available() else None)
__all__ = [name for name, value in vars().items() if not name.startswith("_") and getattr(
    value, "__module__", "") == __name__]
