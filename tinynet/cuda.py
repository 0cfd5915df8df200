"""What can be asked of the GPUs: ``tinynet.cuda``. Tensors get there with ``.to("cuda")``; docs/gpu.md says how far that is tested."""

from __future__ import annotations

from typing import Any

from .arrays.devices import Device, load_cupy


def is_available() -> bool:
    """Whether ``device="cuda"`` would work: cupy, a driver, a GPU and CUDA's libraries are there.

    If it doesn't, asking for the device says which of them is missing.
    """
    try:
        load_cupy()
    except RuntimeError:
        return False
    return True


def device_count() -> int:
    """How many GPUs there are; 0 where none can be used."""
    return int(load_cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def current_device() -> int:
    """The index that ``"cuda"`` stands for, which is always 0: other GPUs are named, ``"cuda:1"``. RuntimeError without a GPU."""
    load_cupy()
    return 0


def _index(function: str, device: Any) -> int:
    if device is None:
        return 0
    if isinstance(device, int) and not isinstance(device, bool):
        device = Device("cuda", device)
    where = Device(device)
    if where.index is None:
        raise ValueError(f"{function}: expected a GPU, such as 'cuda:0' or 0, got {device!r}")
    return where.index


def get_device_name(device: Any = None) -> str:
    """What the GPU is called by its maker; `device` is an index, a string or a device, the first GPU by default."""
    index = _index("get_device_name", device)
    return load_cupy(index).cuda.runtime.getDeviceProperties(index)["name"].decode()


def synchronize(device: Any = None) -> None:
    """Wait until all that was asked of a GPU, the first by default, is done. Needed for taking times, and for nothing else."""
    index = _index("synchronize", device)
    load_cupy(index).cuda.Device(index).synchronize()
