"""Saving and loading: tensors in the safetensors format, everything else as JSON in its header. Never pickle.

A plain state dict becomes a plain safetensors file with these names, which PyTorch's users can load with ``safetensors.torch.load_file``,
and the other way round. Anything else that is made of dicts, lists, tuples, numbers, strings, None and tensors is kept as a tree in
which every tensor is replaced by its name in the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Device, to_device, to_host
from .tensor import Tensor

_VERSION = 1


def save(obj: Any, f: str | os.PathLike[str]) -> None:
    """Write `obj` to the file `f`, all of it or nothing: an interruption at any moment leaves the old file or the new one.

    `obj` is a tensor, a state dict, or any nesting of dicts, lists and tuples of tensors, numbers, strings and None; TypeError names
    what else is in it. Every tensor is copied to the CPU and its history is not kept.
    """
    tensors: dict[str, np.ndarray] = {}
    tree = _to_tree(obj, "", tensors)
    text = json.dumps({"version": _VERSION, "tree": tree, "sha256": _digest(tensors)}, sort_keys=True)
    content = _safetensors().save(tensors, {"format": "pt", "tinynet": text})
    write_atomically(Path(f), content)


def load(f: str | os.PathLike[str], map_location: Any = None) -> Any:
    """What `save` wrote to the file `f`; a state dict for a safetensors file by others. Tensors on `map_location`, or the CPU.

    ValueError, with the reason, for a file that is truncated, changed, of a later version, or no safetensors file at all, such as a pickle.
    """
    path = Path(f)
    device = Device("cpu" if map_location is None else map_location)
    with path.open("rb") as file:
        start = file.read(9)
    if start[:1] == b"\x80" or start[:2] == b"PK":
        raise ValueError(
            f"load: {path} is a pickle (as torch.save writes), which may execute anything; it was not read. Save the weights with "
            "safetensors.torch.save_file instead"
        )
    library = _safetensors()
    try:
        tensors = library.load_file(path)
        with _safe_open(path) as opened:
            metadata = opened.metadata() or {}
    except OSError:
        raise
    except Exception as error:  # the library's own type, and whatever numpy makes of a strange header
        raise ValueError(f"load: {path} is not a readable safetensors file: {error}") from error
    if "tinynet" not in metadata:
        return {name: _tensor(array, device) for name, array in tensors.items()}
    try:
        about = json.loads(metadata["tinynet"])
        version, digest, tree = about["version"], about["sha256"], about["tree"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"load: the header of {path} is damaged ({error})") from error
    if version != _VERSION:
        raise ValueError(f"load: {path} has format version {version!r}; this tinynet reads version {_VERSION}. Upgrade tinynet to read it")
    if digest != _digest(tensors):
        raise ValueError(f"load: the content of {path} does not match its checksum; it was damaged after it was written")
    try:
        return _from_tree(tree, tensors, device)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"load: the header of {path} is damaged ({error!r})") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file such that at any moment either the old content or the new one stands there, whole."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # the bytes first, then the name: a crash between the two must not leave an empty file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # not every system can sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("save/load: the package safetensors is missing; pip install safetensors") from error
    return safetensors.numpy


def _safe_open(path: Path) -> Any:
    import safetensors

    return safetensors.safe_open(path, framework="numpy")


def _tensor(array: np.ndarray, device: Device) -> Tensor:
    return Tensor._wrap(to_device(array, device))


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _to_tree(obj: Any, path: str, tensors: dict[str, np.ndarray]) -> Any:
    if isinstance(obj, Tensor):
        name = path or "tensor"
        while name in tensors:  # {"a.b": x, "a": {"b": y}} would give two tensors one name
            name += "_"
        tensors[name] = np.asarray(to_host(obj.array), order="C")
        return {"tensor": name}
    if obj is None or isinstance(obj, (bool, int, str)):
        return obj
    if isinstance(obj, float):
        return {"float": obj.hex()}  # exact, and JSON knows no infinity
    if isinstance(obj, (list, tuple)):
        kind = "list" if isinstance(obj, list) else "tuple"
        return {kind: [_to_tree(item, f"{path}.{i}" if path else str(i), tensors) for i, item in enumerate(obj)]}
    if isinstance(obj, Mapping):
        pairs = []
        for key, value in obj.items():
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                raise TypeError(f"save: keys must be strings or ints, got {key!r} in {path or 'the top level'}")
            pairs.append([key, _to_tree(value, f"{path}.{key}" if path else str(key), tensors)])
        return {"dict": pairs}
    raise TypeError(
        f"save: {path or 'the object'} is a {type(obj).__name__}; only tensors, numbers, strings, None, and dicts, lists and tuples of them "
        "can be saved" + ("; save module.state_dict()" if hasattr(obj, "state_dict") else "")
    )


def _from_tree(tree: Any, tensors: Mapping[str, np.ndarray], device: Device) -> Any:
    if tree is None or isinstance(tree, (bool, int, str)):
        return tree
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return _tensor(tensors[value], device)
    if kind == "float":
        return float.fromhex(value)
    if kind in ("list", "tuple"):
        items = [_from_tree(item, tensors, device) for item in value]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {key: _from_tree(item, tensors, device) for key, item in value}
    raise ValueError(f"unknown kind {kind!r}")
