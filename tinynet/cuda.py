"""``tinynet.cuda``: what a program can ask about its GPUs, and how it waits for them.

``tensor.to("cuda")`` moves a tensor to a GPU. docs/gpu.md says how far the GPU path is tested.
"""

from typing import Any

from . import compat
from .arrays import as_device, gpu, load_cupy

__getattr__ = compat.finder(__name__)


def is_available() -> bool:
    """Whether ``device="cuda"`` works: cupy, a driver, a GPU and CUDA's libraries are there.

    If it does not, the error raised by ``device="cuda"`` says what is missing.
    """
    try:
        load_cupy()
    except RuntimeError:
        return False
    return True


def device_count() -> int:
    """The number of GPUs; 0 if none can be used."""
    return int(load_cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def current_device() -> int:
    """The index that ``"cuda"`` stands for: always 0. RuntimeError without a GPU."""
    load_cupy()
    return 0


def _index(function: str, device: Any) -> int:
    """The number of a GPU given as None (the first), an int, a string or a device."""
    if device is None:
        return 0
    is_number = isinstance(device, int) and not isinstance(device, bool)
    index = as_device(function, f"cuda:{device}" if is_number else device).index
    if index is None:
        raise ValueError(f"{function}: expected a GPU, such as 'cuda:0' or 0, got {device!r}")
    return index


def get_device_name(device: Any = None) -> str:
    """The product name of a GPU (an index, a string or a device; by default the first)."""
    index = _index("get_device_name", device)
    return load_cupy(index).cuda.runtime.getDeviceProperties(index)["name"].decode()


def set_workspace_limit(num: int) -> None:
    """A convolution on a GPU makes at most `num` bytes of columns at once: an int from 1 up.

    The default is 256 MB. Columns, which im2col makes, are KH * KW times as large as the image, or
    smaller with a stride. A convolution whose columns would be larger computes slice by slice of
    the batch; where a sample has too many columns, of the rows of its output; and then of a row's
    pixels. The columns of one pixel, C * KH * KW numbers, are made at once, also above the limit.
    Results are those of the whole batch, to rounding. ValueError if `num` is no such int.
    """
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise ValueError(f"set_workspace_limit: expected an int of bytes from 1 up, got {num!r}")
    gpu.workspace_limit = num


def get_workspace_limit() -> int:
    """The most bytes of columns that a convolution on a GPU makes at once."""
    return gpu.workspace_limit


def synchronize(device: Any = None) -> None:
    """Wait until a GPU, by default the first, has finished its work. Only timing needs this."""
    index = _index("synchronize", device)
    load_cupy(index).cuda.Device(index).synchronize()
