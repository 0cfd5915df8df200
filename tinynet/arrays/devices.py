"""The one file that knows that arrays may live on different devices.

Everything above it is handed `xp`, the module that owns the arrays at hand: numpy for the CPU, cupy for a
GPU. cupy is imported when somebody asks for a ``"cuda"`` device and never before.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")


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
            other = type
            type, index = other.type, other.index
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


def as_device(function: str, device: Any) -> Device:
    """`device` as a Device; errors begin with the name `function`."""
    try:
        return Device(device)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("device", function, 1)) from None


_INSTALL = "pip install 'tinynet[cuda13]' (or 'tinynet[cuda12]', for an older driver)"
# CUDA's cudaErrorInsufficientDriver, cudaErrorStubLibrary, cudaErrorInitializationError, cudaErrorSystemDriverMismatch
_NO_DRIVER = (35, 34, 3, 803)
_proven: set[tuple[Any, int]] = set()  # the GPUs that have computed something


def load_cupy(index: int = 0) -> Any:
    """The cupy module, once it is sure that GPU `index` computes. RuntimeError says what is missing, and the way out."""
    name = f"device 'cuda:{index}'"
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise RuntimeError(f"{name}: cupy is installed, but it needs {error.name}; pip install {error.name}") from error
        raise RuntimeError(f"{name}: cupy is not installed; {_INSTALL}, or use device='cpu'") from error
    except ImportError as error:
        raise RuntimeError(f"{name}: {_libraries(error)}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # cupy's own CUDARuntimeError, which can't be named without cupy
        if getattr(error, "status", None) in _NO_DRIVER:
            raise RuntimeError(
                f"{name}: cupy finds no NVIDIA driver, or one too old for it ({error}); install or update the driver "
                "(https://www.nvidia.com/drivers), or use device='cpu'"
            ) from error
        raise RuntimeError(
            f"{name}: there is an NVIDIA driver but no GPU that it can use ({error}); look at what nvidia-smi says and at the "
            "environment variable CUDA_VISIBLE_DEVICES, or use device='cpu'"
        ) from error
    if index >= count:
        there = "no GPU" if count == 0 else "one GPU, 'cuda:0'" if count == 1 else f"{count} GPUs, 'cuda:0' to 'cuda:{count - 1}'"
        raise RuntimeError(f"{name}: this machine has {there}; choose another index or use device='cpu'")
    if (cupy, index) not in _proven:
        # cupy loads CUDA's libraries when they are first needed: a sum needs the compiler, a product cuBLAS
        try:
            with cupy.cuda.Device(index):
                one = cupy.ones((1, 1), np.float32)
                cupy.matmul(one + one, one)
        except Exception as error:
            raise RuntimeError(f"{name}: {_libraries(error)}") from error
        _proven.add((cupy, index))
    return cupy


def _libraries(error: Exception) -> str:
    return (
        f"cupy is installed, but a first computation with it fails ({type(error).__name__}: {str(error).strip()}); if CUDA's libraries "
        "are missing, pip install 'cupy-cuda13x[ctk]' (or 'cupy-cuda12x[ctk]') brings them; or use device='cpu'"
    )


def array_module(*arrays: Any, function: str = "") -> Any:
    """numpy or cupy, whichever owns `arrays`; Python numbers and None don't count. RuntimeError, naming `function`, if they are mixed."""
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
                f"{function}{': ' if function else ''}expected all tensors on the same device, but found {a} and {b}; "
                f"move one with .to('{a}') or .to('{b}')"
            )
    return owner or np


def computing(array: Any) -> Any:
    """The ``with`` block to compute in with `array` and those beside it.

    On numpy, infinities and nans are values, as in PyTorch, and no warnings. cupy makes results on the current device, which is
    made that of `array`.
    """
    return np.errstate(all="ignore") if isinstance(array, np.ndarray) else array.device


_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet_quiet", default=False)
is_quiet = _quiet.get  # whether this runs inside `quietly`


def quietly(function: Callable[[], _T]) -> _T:
    """``function()`` without numpy's warnings, so that each of many small operations is spared to say so itself.

    It gets context variables of its own. So whatever it sets ends with it, also when Ctrl-C comes at that very moment, which can keep
    a ``with`` block from being left.
    """

    def quiet() -> _T:
        _quiet.set(True)
        np.seterr(all="ignore")
        return function()

    return contextvars.copy_context().run(quiet)


def beside(array: Any, value: Any, dtype: Any = None) -> Any:
    """`value`, a number or a numpy array, as an array where `array` lives."""
    if isinstance(array, np.ndarray):
        return np.asarray(value, dtype)
    with array.device:
        xp = sys.modules["cupy"]
        return xp.asarray(value, dtype) if np.ndim(value) else xp.full((), value, dtype)  # a fill, unlike an upload, is no transfer


def full_like(array: Any, value: float) -> Any:
    """`value` everywhere, in the shape and dtype of `array` and where that lives."""
    with computing(array):
        return array_module(array).full_like(array, value)


def constant(xp: Any, array: np.ndarray) -> Any:
    """A small numpy array, such as positions that follow from shapes, where `xp` computes: uploaded once and kept. Not to be changed."""
    return array if xp is np else _uploaded(xp, xp.cuda.Device().id, array.dtype, array.shape, array.tobytes())


@functools.lru_cache(maxsize=256)
def _uploaded(xp: Any, index: int, dtype: Any, shape: tuple[int, ...], content: bytes) -> Any:
    return xp.asarray(np.frombuffer(content, dtype).reshape(shape))


@contextlib.contextmanager
def module_on(device: Any, function: str = "device") -> Iterator[Any]:
    """The module, numpy or cupy, whose functions make arrays on `device` (None: the CPU) inside the block."""
    where = as_device(function, "cpu" if device is None else device)
    if where.type == "cpu":
        yield np
    else:
        cupy = load_cupy(where.index or 0)
        with cupy.cuda.Device(where.index):
            yield cupy


def device_of(array: Any) -> Device:
    """The device that `array` lives on."""
    return Device("cpu") if isinstance(array, np.ndarray) else Device("cuda", array.device.id)


def to_device(array: Any, target: Device) -> Any:
    """`array` on `target`: itself if it is there already, else a copy."""
    if device_of(array) == target:
        return array
    if target.type == "cpu":
        return to_host(array)
    cupy = load_cupy(target.index or 0)
    with cupy.cuda.Device(target.index):
        return cupy.asarray(array)  # from the host, or from one GPU to the other


def to_host(array: Any) -> np.ndarray:
    """`array` as a numpy array: itself if it is one, else a copy."""
    return array if isinstance(array, np.ndarray) else array.get()


