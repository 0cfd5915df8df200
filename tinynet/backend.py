"""The one file that knows that arrays may live on different devices.

Everything above it is handed `xp`, the module that owns the arrays at hand: numpy for the CPU, cupy for a
GPU. cupy is imported when somebody asks for a ``"cuda"`` device and never before.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np


class Device:
    """Where an array lives: ``Device("cpu")``, ``Device("cuda")`` or ``Device("cuda", 1)``, in short ``"cuda:1"``.

    Public as ``tinynet.device``.

    Two devices are equal when type and index are; ``"cuda"`` means ``"cuda:0"``.

    >>> Device("cuda:1")
    device(type='cuda', index=1)
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None

    def __init__(self, type: str | Device, index: int | None = None):
        if isinstance(type, Device):
            type, index = type.type, type.index
        elif not isinstance(type, str):
            raise TypeError(f"device: expected a string such as 'cpu' or 'cuda:0', got {type!r}")
        name, colon, digits = type.partition(":")
        if name not in ("cpu", "cuda") or (colon and not digits.isdecimal()) or (colon and index is not None):
            raise ValueError(f"device: unknown device {type!r}; tinynet knows 'cpu', 'cuda' and 'cuda:<number>'")
        if digits:
            index = int(digits)
        if index is not None and (not isinstance(index, int) or index < 0):
            raise ValueError(f"device: the index must be a number from 0 up, got {index!r}")
        if name == "cpu" and index not in (None, 0):
            raise ValueError(f"device: there is one CPU device, 'cpu'; got index {index}")
        self.type = name
        self.index = None if name == "cpu" else index or 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"


def load_cupy(index: int = 0) -> Any:
    """The cupy module, once it is sure that GPU `index` can be used. RuntimeError says what is missing."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        if error.name not in (None, "cupy"):
            raise RuntimeError(
                f"device 'cuda': cupy is installed but does not import ({error}); CUDA's libraries are missing? "
                "pip install 'cupy-cuda13x[ctk]' brings them"
            ) from error
        raise RuntimeError(
            "device 'cuda': cupy is not installed; pip install 'tinynet[cuda13]' (or 'tinynet[cuda12]'), or use device='cpu'"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # cupy's own CUDARuntimeError, which can't be named without cupy
        raise RuntimeError(
            f"device 'cuda': cupy finds no usable NVIDIA driver ({error}); install or update the driver, or use device='cpu'"
        ) from error
    if index >= count:
        raise RuntimeError(
            f"device 'cuda:{index}': this machine has {count} GPU{'' if count == 1 else 's'} (numbered from 0); "
            "choose one of them or use device='cpu'"
        )
    return cupy


def array_module(*arrays: Any) -> Any:
    """numpy or cupy, whichever owns `arrays`; Python numbers and None don't count. RuntimeError if they are mixed."""
    owner: Any = None
    for array in arrays:
        if type(array) is np.ndarray:
            found: Any = np
        elif hasattr(array, "__cuda_array_interface__"):
            found = sys.modules["cupy"]
        else:
            continue
        if owner is None:
            owner, first = found, array
        elif owner is not found or (found is not np and array.device != first.device):
            a, b = device_of(first), device_of(array)
            raise RuntimeError(
                f"expected all tensors on the same device, but found {a} and {b}; move one with .to('{a}') or .to('{b}')"
            )
    return owner or np


def device_of(array: Any) -> Device:
    """The device that `array` lives on."""
    return Device("cpu") if isinstance(array, np.ndarray) else Device("cuda", array.device.id)


def to_device(array: Any, target: Device) -> Any:
    """`array` on `target`: itself if it is there already, else a copy."""
    if device_of(array) == target:
        return array
    host = array if isinstance(array, np.ndarray) else array.get()
    if target.type == "cpu":
        return host
    cupy = load_cupy(target.index or 0)
    with cupy.cuda.Device(target.index):
        return cupy.asarray(host)


def to_host(array: Any) -> np.ndarray:
    """`array` as a numpy array: itself if it is one, else a copy."""
    return array if isinstance(array, np.ndarray) else array.get()


class Generator:
    """A stream of random numbers (numpy's PCG64), the same on every device since the host draws them.

    >>> g = Generator().manual_seed(7)
    >>> g.initial_seed()
    7
    """

    def __init__(self, device: Any = "cpu"):
        if Device(device).type != "cpu":
            raise ValueError(f"Generator: random numbers are drawn on the CPU; got device {device!r}")
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew from `seed`, an int of up to 64 bits (a negative one counts from 2**64 down); returns self."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected an int, got {seed!r}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: the seed must fit in 64 bits, got {seed}")
        self._seed = int(seed) % 2**64
        self.numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self

    def seed(self) -> int:
        """Start from a seed that the operating system draws; returns it."""
        self.manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0]))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, as plain numbers that JSON can hold."""
        return {"seed": self._seed, "bit_generator": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called."""
        try:
            self.manual_seed(state["seed"])
            self.numpy.bit_generator.state = state["bit_generator"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"set_state: this is not the state of a Generator: {state!r:.80}") from error


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that everything random draws from unless it is given its own; returns that generator."""
    return default_generator.manual_seed(seed)
