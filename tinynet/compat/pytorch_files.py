"""The files that ``torch.save`` writes: a zip of storages, and a pickle that says how to use them.

The unpickler knows the few names that tensors and dicts need, and calls nothing else.
"""

import io
import math
import pickle
import warnings
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..arrays import Device, as_device, to_device
from ..nn import Module, Parameter
from ..tensor import Size, Tensor
from . import public
from .types import _NAMES

_STORAGES = {name.replace("Tensor", "Storage"): dtype for dtype, name in _NAMES.items()}
_STORAGES["BFloat16Storage"] = np.dtype(np.uint16)  # the upper halves of float32


class _Unpickler(pickle.Unpickler):
    """Reads ``data.pkl``. ValueError for a name that isn't known, or what doesn't fit together."""

    def __init__(self, archive: zipfile.ZipFile, device: Any):
        entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise ValueError("it is compressed, which torch.save never does")
        self.read = lambda name: archive.read(entries[name])
        order = self.read("byteorder") if "byteorder" in entries else b"little"
        self.order: Any = ">" if order == b"big" else "<"
        self.storages: dict[str, np.ndarray] = {}
        self.device = device
        super().__init__(io.BytesIO(self.read("data.pkl")))

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return name
        # No class written in Python, because a pickle can set attributes of what it looks up.
        known = {"collections.OrderedDict": OrderedDict,
            "collections.Counter": lambda counts: Counter(counts),
            "torch.Size": lambda sizes: Size(sizes), "torch.device": lambda *args: Device(*args),
            "torch._utils._rebuild_tensor_v2": self._rebuilt,
            "torch._utils._rebuild_parameter": lambda data, needs, *_: Parameter(data, needs)}
        if f"{module}.{name}" not in known:
            raise ValueError(f"it needs {module}.{name}; only tensors, numbers, strings, dicts, "
                "lists and tuples are read, so save the state_dict() of a module")
        return known[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, count = pid
        if key not in self.storages:
            dtype = _STORAGES[kind].newbyteorder(self.order)
            data = np.frombuffer(bytearray(self.read(f"data/{key}")), dtype)
            if kind == "BFloat16Storage":
                warnings.warn("load: bfloat16 is read as float32, exactly", stacklevel=5)
                data = (data.astype(np.uint32) << 16).view(np.float32)
            self.storages[key] = data.astype(data.dtype.newbyteorder("="), copy=False)
        if len(self.storages[key]) != count:
            raise ValueError(f"storage {key} has {len(self.storages[key])} elements, not {count}")
        return self.storages[key]

    def _rebuilt(self, storage: np.ndarray, offset: int, shape: Any, strides: Any,
                 requires_grad: bool, *_: Any) -> Any:
        """The part of a storage that is a tensor; tensors of one storage share its memory."""
        array = part(storage, offset, shape, strides)
        return Tensor._wrap(to_device(array, self.device, "load")).requires_grad_(requires_grad)


def part(storage: np.ndarray, offset: int, shape: Any, strides: Any) -> np.ndarray:
    """The view of a flat array by these numbers of elements. ValueError if it reaches outside."""
    numbers, empty = (offset, *shape, *strides), 0 in shape
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if not all(type(n) is int and 0 <= n < 2**48 for n in numbers) or (
            math.prod(shape) > 2**60 or (not empty and last >= len(storage))):
        raise ValueError(f"a tensor of shape {shape} doesn't lie in its storage")
    return np.zeros(shape, storage.dtype) if empty else np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [step * storage.itemsize for step in strides])


def place(map_location: Any) -> Any:
    """The device that the argument of ``torch.load`` means, for tensors that come from the CPU."""
    if callable(map_location) and not isinstance(map_location, (type, Module)):
        storage = np.zeros(0)  # mostly: lambda storage, location: storage
        answer = map_location(storage, "cpu")
        if answer is not storage and answer is not None:
            raise ValueError("load: map_location as a function must return its storage; give a "
                "device, such as 'cuda'")
        map_location = None
    if isinstance(map_location, dict):
        map_location = map_location.get("cpu")
    return as_device("load", "cpu" if map_location is None else map_location)


def read_pytorch(path: Path, device: Any) -> Any:
    """What ``torch.save`` wrote, on `device`. ValueError if it is damaged or holds more than data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Unpickler(archive, device).load()
    except OSError:
        raise
    except Exception as error:  # of zipfile, of pickle, or ours
        raise ValueError(f"load: {path} can't be used: {error!s:.300}") from error


class _Name:
    """A name of PyTorch's, in a pickle."""

    def __init__(self, module: str, name: str):
        self.code = f"c{module}\n{name}\n".encode()

    def __call__(self) -> None:
        """Never called: pickle wants it callable."""


class _Pickler(pickle._Pickler):  # pickle's writer in Python, which can be told how to write a name
    dispatch: ClassVar[Any] = {
        **pickle._Pickler.dispatch, _Name: lambda self, name: self.write(name.code)}

    def __init__(self, file: Any, places: Any):
        super().__init__(file, 2)
        self.storages: dict[int, np.ndarray] = {}
        self.places = places

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, np.ndarray):
            return None
        if obj.dtype not in _NAMES:
            raise TypeError(f"save: torch.load reads no {obj.dtype}; give the file another ending")
        kind = _NAMES[obj.dtype].replace("Tensor", "Storage")
        key = str([*self.storages].index(id(obj)))
        return "storage", _Name("torch", kind), key, "cpu", obj.size

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Size):
            return _Name("torch", "Size"), (tuple(obj),)
        if isinstance(obj, Parameter):
            rebuild = _Name("torch._utils", "_rebuild_parameter")
            return rebuild, (obj.detach(), obj.requires_grad, OrderedDict())
        if not isinstance(obj, Tensor):
            return NotImplemented
        shape = tuple(obj.shape)
        steps = tuple(math.prod(shape[d + 1 :]) for d in range(len(shape)))
        array, offset, steps = self.places.get(id(obj.array), (obj.array, 0, steps))
        self.storages[id(array)] = array
        rebuild = _Name("torch._utils", "_rebuild_tensor_v2")
        return rebuild, (array, offset, shape, steps, obj.requires_grad, OrderedDict())


def pytorch_bytes(obj: Any, places: Any) -> bytes:
    """`obj`, plain data as `load` returns it, as a file of ``torch.load(weights_only=True)``.

    `places`: for arrays that lie in another one, by id: that one, the offset and the strides.
    """
    stream, content = io.BytesIO(), io.BytesIO()
    pickler = _Pickler(stream, places)
    pickler.dump(obj)
    members = {"data.pkl": stream.getvalue(), "byteorder": b"little", "version": b"3\n"}
    for key, array in enumerate(pickler.storages.values()):
        members[f"data/{key}"] = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data)
    return content.getvalue()


__all__ = public(globals())
