"""``torch.amp`` and ``torch.cuda.amp``: mixed precision switched off, as PyTorch has it on a CPU.

tinynet computes in the dtype of its tensors, so what would switch mixed precision on is refused.
"""

import contextlib
import functools
import warnings
from types import SimpleNamespace
from typing import Any

from .. import cuda


def _stay_off(name: str, device: str, enabled: bool) -> None:
    """Warn, as PyTorch, of mixed precision for a GPU that isn't there; refuse any other."""
    if enabled and device == "cuda" and not cuda.is_available():
        warnings.warn(f"{name}: there is no GPU, so it has no effect", stacklevel=4)
    elif enabled:
        raise RuntimeError(f"{name}: no mixed precision on {device!r} here; say enabled=False")


class autocast(contextlib.nullcontext[None], contextlib.ContextDecorator):
    """A ``with`` block, or a decorated function, in which dtypes stay what they are.

    RuntimeError if that differs from PyTorch: `enabled`, and the device is there.
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True,
                 cache_enabled: bool | None = None):
        super().__init__()
        _stay_off("autocast", device_type, enabled)


class GradScaler:
    """A scaler of losses that scales nothing, as PyTorch's if it isn't `enabled` or has no GPU."""

    def __init__(self, device: str = "cuda", init_scale: float = 2**16, growth_factor: float = 2.0,
                 backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True):
        _stay_off("GradScaler", device, enabled)

    # the loss as it is, a plain step, and nothing else to do or keep
    scale = staticmethod(lambda outputs: outputs)
    step = staticmethod(lambda optimizer, *args, **options: optimizer.step(*args, **options))
    unscale_ = update = load_state_dict = lambda self, *arguments: None
    state_dict, is_enabled, get_scale = dict, bool, lambda self: 1.0  # called, these are {}, False


def _on_cuda(enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> autocast:
    """``autocast("cuda", …)``, by its older name and with the arguments in its older order."""
    return autocast("cuda", dtype, enabled)


amp = SimpleNamespace(autocast=autocast, GradScaler=GradScaler)
cuda_amp = SimpleNamespace(autocast=_on_cuda, GradScaler=functools.partial(GradScaler, "cuda"))
__all__ = ["GradScaler", "amp", "autocast"]
