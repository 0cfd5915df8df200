"""Devices: which module, numpy or cupy, owns an array, and how arrays move between CPU and GPU.

The code above this file computes with `xp`, the module that owns its arrays: numpy for arrays on
the CPU, cupy for arrays on a GPU. cupy is imported only when a ``"cuda"`` device is requested.
"""

import contextlib
import contextvars
import dataclasses
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")


@dataclasses.dataclass(init=False, repr=False, unsafe_hash=True, slots=True)
class Device:
    """Where an array lives: ``Device("cpu")``, ``Device("cuda")`` or ``Device("cuda", 1)``.

    Public as ``tinynet.device``. ``"cuda:1"`` is short for ``("cuda", 1)``, and ``"cuda"`` means
    ``"cuda:0"``. Two devices are equal if their types and indices are equal.

    TypeError if `type` is neither a string nor a Device, ValueError if there is no such device.

    >>> Device("cuda:1")
    device(type='cuda', index=1)
    """

    type: str
    index: int | None

    def __init__(self, type: "str | Device", index: int | None = None):
        parts = (type.type, type.index) if isinstance(type, Device) else None
        self.type, self.index = parts or _parse("device", type, index)

    def __enter__(self) -> "Device":
        # as in PyTorch, where new tensors are made on this device inside the block
        if self.type != "cpu":
            raise RuntimeError("device: new tensors are made on the CPU, unless each call says "
                f"device='{self}'; only `with device('cpu')` is possible")
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"


def as_device(function: str, device: Any) -> Device:
    """`device`, a string or a Device, as a Device; errors begin with the name `function`.

    >>> as_device("zeros", "cuda")
    device(type='cuda', index=0)
    >>> as_device("zeros", "tpu")
    Traceback (most recent call last):
    ValueError: zeros: unknown device 'tpu'; tinynet knows 'cpu', 'cuda' and 'cuda:<number>'
    """
    return device if isinstance(device, Device) else Device(*_parse(function, device))


def _parse(function: str, text: Any, index: int | None = None) -> tuple[str, int | None]:
    """Type and index of the device that `text` and `index` name; the CPU has the index None."""
    if not isinstance(text, str):
        raise TypeError(f"{function}: expected a string such as 'cpu' or 'cuda:0', got {text!r}")
    kind, colon, digits = text.partition(":")
    if kind not in ("cpu", "cuda") or (colon and (not digits.isdecimal() or index is not None)):
        raise ValueError(
            f"{function}: unknown device {text!r}; tinynet knows 'cpu', 'cuda' and 'cuda:<number>'")
    if colon:
        index = int(digits)
    if index is not None and (not isinstance(index, int) or index < 0):
        raise ValueError(f"{function}: the index must be a number from 0 up, got {index!r}")
    if kind == "cpu" and index:
        raise ValueError(f"{function}: there is one CPU device, 'cpu'; got index {index}")
    return kind, None if kind == "cpu" else index or 0


# --------------------------------------------------------------------------------- loading cupy

# cudaErrorInsufficientDriver, StubLibrary, InitializationError, SystemDriverMismatch
_DRIVER_ERRORS = (35, 34, 3, 803)
_proven: set[tuple[Any, int]] = set()  # (cupy, index) of each GPU that has computed something


def load_cupy(index: int = 0, function: str = "") -> Any:
    """The cupy module, returned only after GPU `index` has computed something.

    RuntimeError if cupy, the driver, the GPU or CUDA's libraries are missing; the message says
    which of them, and what to do. It begins with the name `function`, if that is given.
    """
    name = f"{function}{': ' if function else ''}device 'cuda:{index}'"
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise _unusable(name, _import_problem(error)) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # a CUDARuntimeError, a class of cupy's own
        raise _unusable(name, _driver_problem(error)) from error
    if index >= count:
        gpus = {0: "no GPU", 1: "one GPU, 'cuda:0'"}.get(
            count, f"{count} GPUs, 'cuda:0' to 'cuda:{count - 1}'")
        raise _unusable(name, f"this machine has {gpus}; choose another index")
    if (cupy, index) not in _proven:
        # cupy loads CUDA's libraries at first use: a sum needs the compiler, a product cuBLAS
        try:
            with cupy.cuda.Device(index):
                one = cupy.ones((1, 1), np.float32)
                cupy.matmul(one + one, one)
        except Exception as error:
            raise _unusable(name, _library_problem(error)) from error
        _proven.add((cupy, index))
    return cupy


def usable_device(function: str, device: Any) -> Device:
    """`device` as a Device that this machine has; errors begin with the name `function`."""
    found = as_device(function, device)
    if found.type == "cuda":
        load_cupy(found.index or 0, function)
    return found


def _unusable(name: str, problem: str) -> RuntimeError:
    return RuntimeError(f"{name}: {problem}, or use device='cpu'")


def _import_problem(error: ImportError) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return _library_problem(error)
    if error.name != "cupy":
        return f"cupy is installed, but it needs {error.name}; pip install {error.name}"
    way_out = "pip install 'tinynet-cnn[cuda13]' (older driver: 'tinynet-cnn[cuda12]')"
    return f"cupy is not installed; {way_out}"


def _driver_problem(error: Exception) -> str:
    if getattr(error, "status", None) in _DRIVER_ERRORS:
        return (f"cupy finds no NVIDIA driver, or one too old for it ({error}); install or update "
            "the driver (https://www.nvidia.com/drivers)")
    return (f"there is an NVIDIA driver but no GPU that it can use ({error}); check nvidia-smi and "
        "the environment variable CUDA_VISIBLE_DEVICES")


def _library_problem(error: Exception) -> str:
    return (f"cupy is installed, but a first computation with it fails ({type(error).__name__}: "
        f"{str(error).strip()}); if CUDA's libraries are missing, pip install 'cupy-cuda13x[ctk]' "
        "(or 'cupy-cuda12x[ctk]')")


# ------------------------------------------------------------------------- computing with arrays


def array_module(*arrays: Any, function: str = "") -> Any:
    """numpy or cupy, whichever owns `arrays`; Python numbers and None are skipped.

    RuntimeError, which begins with the name `function`, if the arrays are on different devices.
    """
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
            raise RuntimeError(f"{function}{': ' if function else ''}expected all tensors on the "
                f"same device, but found {a} and {b}; move one with .to('{a}') or .to('{b}')")
    return owner or np


def computing(array: Any) -> Any:
    """A context manager to compute in with `array` and other arrays on its device.

    For a cupy array it makes the array's GPU current, because cupy creates results on the current
    GPU. For a numpy array it turns numpy's warnings off: infinities and nans are ordinary values,
    as in PyTorch.
    """
    return np.errstate(all="ignore") if isinstance(array, np.ndarray) else array.device


_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet_quiet", default=False)
warnings_are_off = _quiet.get  # True inside `without_warnings`


def without_warnings(function: Callable[[], _T]) -> _T:
    """``function()`` with numpy's warnings off, so that many small operations needn't do it each.

    `function` runs in a copy of the context, not in a ``with`` block: the copy, and all settings
    in it, ends with the call even if Ctrl-C comes at the moment when a block would be left.
    """

    def quiet() -> _T:
        _quiet.set(True)
        np.seterr(all="ignore")
        return function()

    return contextvars.copy_context().run(quiet)


def on_device_of(array: Any, value: Any, dtype: Any = None) -> Any:
    """`value`, a number or a numpy array, as an array on the device of `array`."""
    if isinstance(array, np.ndarray):
        return np.asarray(value, dtype)
    with array.device:
        xp = sys.modules["cupy"]
        # a number is filled in by a kernel, because an upload would be a transfer
        return xp.asarray(value, dtype) if np.ndim(value) else xp.full((), value, dtype)


def full_like(array: Any, value: float) -> Any:
    """A new array full of `value`, of the shape, dtype and device of `array`."""
    with computing(array):
        return array_module(array).full_like(array, value)


def constant(xp: Any, array: np.ndarray) -> Any:
    """A small numpy array, such as positions computed from shapes, on the current device of `xp`.

    A GPU gets it once: later calls with equal contents return the same array. Read only.
    """
    if xp is np:
        return array
    return _uploaded(xp, xp.cuda.Device().id, array.dtype, array.shape, array.tobytes())


@functools.lru_cache(maxsize=256)
def _uploaded(xp: Any, index: int, dtype: Any, shape: tuple[int, ...], content: bytes) -> Any:
    return xp.asarray(np.frombuffer(content, dtype).reshape(shape))


# -------------------------------------------------------------------------------- moving arrays


@contextlib.contextmanager
def module_on(device: Any, function: str = "") -> Iterator[Any]:
    """The module, numpy or cupy, that creates arrays on `device` inside the ``with`` block.

    None means the CPU. An error about `device` begins with the name `function`.
    """
    target = None if device is None else as_device(function, device)
    if target is None or target.type == "cpu":
        yield np
    else:
        cupy = load_cupy(target.index or 0, function)
        with cupy.cuda.Device(target.index):
            yield cupy


def device_of(array: Any) -> Device:
    """The device that `array` lives on."""
    return Device("cpu") if isinstance(array, np.ndarray) else Device("cuda", array.device.id)


def to_device(array: Any, target: Device, function: str = "to") -> Any:
    """`array` on `target`: `array` itself if it already lives there, else a copy."""
    if device_of(array) == target:
        return array
    if target.type == "cpu":
        return to_host(array)
    with module_on(target, function) as cupy:
        return cupy.asarray(array)  # from the host, or from another GPU


def to_host(array: Any) -> np.ndarray:
    """`array` as a numpy array: `array` itself if it is one, else a copy."""
    return array if isinstance(array, np.ndarray) else array.get()
