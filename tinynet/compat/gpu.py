"""What else programs ask ``torch.cuda``."""

from typing import Any

from .. import cuda
from ..arrays import default_generator, load_cupy
from . import amp as _amp, public
from .types import _CUDA


def manual_seed(seed: int) -> None:
    """Seed the default generator, which also draws what goes to a GPU; without a GPU, nothing."""
    if cuda.is_available():
        default_generator.manual_seed(seed)


def set_device(device: Any) -> None:
    """The GPU that "cuda" stands for; only the first."""
    if cuda._index("set_device", device):
        raise ValueError(f"set_device: 'cuda' is the first GPU here; say {device!r} in each call")


def memory_allocated(device: Any = None) -> int:
    """The bytes that arrays take on a GPU; 0 without one."""
    return load_cupy().get_default_memory_pool().used_bytes() if cuda.is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """The bytes that cupy holds on a GPU; 0 without one."""
    return load_cupy().get_default_memory_pool().total_bytes() if cuda.is_available() else 0


def empty_cache() -> None:
    """Give memory that no array uses back to the GPU; without one, nothing."""
    if cuda.is_available():
        load_cupy().get_default_memory_pool().free_all_blocks()


def is_initialized() -> bool:
    """Whether a GPU can be used."""
    return cuda.is_available()


def init() -> None:
    """Nothing: a GPU is prepared at its first use."""


manual_seed_all, amp = manual_seed, _amp.cuda_amp
globals().update(_CUDA)
__all__ = public(globals(), "amp", *_CUDA)
