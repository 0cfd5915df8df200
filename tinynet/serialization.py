"""Saving and loading: tensors in the safetensors format, everything else as JSON in its header. Never pickle.

A plain state dict becomes a plain safetensors file with these names, which PyTorch's users can load with
``safetensors.torch.load_file``, and the other way round. Anything else that is made of dicts, lists, tuples, numbers, strings,
None and tensors is kept as a tree in which every tensor is replaced by its name in the file.

A checksum covers the tree and the tensors, so a file that was damaged after it was written is refused and never half right.
"""

from __future__ import annotations

import contextlib
import copy
import glob
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .arrays.devices import Device, to_device, to_host
from .arrays.random import default_generator
from .ops.arguments import as_dtype, in_own_name
from .tensor import Tensor

_VERSION = 1
# Our entry in the header. Its text begins with its name too: one damaged letter must not make the file look like somebody
# else's. There is no second entry: the library writes them in an order that changes from run to run.
_ENTRY = "tinynet"
# A tree deeper than this is refused: Python's JSON reader, which is recursive, must be able to read what was written.
_DEEPEST = 100


def save(obj: Any, f: str | os.PathLike[str]) -> None:
    """Write `obj` to the file `f`, all of it or nothing: an interruption at any moment leaves the old file or the new one.

    `obj` is a tensor, a state dict, or any nesting of dicts, lists and tuples of tensors, numbers, strings and None; TypeError
    names what else is in it. Every tensor is copied to the CPU and its history is not kept; numpy's numbers become Python's.
    OSError if the file can't be written, and ValueError for a nesting deeper than 100.
    """
    path = _writable("save", f)
    tensors: dict[str, np.ndarray] = {}
    tree = _to_tree(obj, (), tensors)
    text = json.dumps({_ENTRY: _VERSION, "sha256": _digest(tree, tensors), "tree": tree})
    write_atomically(path, _safetensors().save(tensors, {_ENTRY: text}))


@in_own_name
def load(f: str | os.PathLike[str], map_location: Any = None) -> Any:
    """What `save` wrote to the file `f`; a state dict for a safetensors file by others. Tensors on `map_location`, or the CPU.

    ValueError, with the reason, for a file that is truncated, changed, of another version, or no safetensors file at all, such as
    a pickle; OSError for one that can't be read. Nothing in a file is ever executed, and no more is allocated than a small
    multiple of the file's own size.
    """
    path = _path("load", f)
    device = Device("cpu" if map_location is None else map_location)
    _refuse_at_once(path)
    try:
        # Opened once, so that tensors and header belong together even if the file is replaced meanwhile.
        with _safetensors().safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        for array in tensors.values():
            as_dtype("load", array.dtype)  # the format also has complex numbers
    except OSError:
        raise
    except Exception as error:  # the library's own type, and whatever numpy makes of a strange header
        raise ValueError(f"load: {path} is not a readable safetensors file: {error}") from error
    entries = [text for name, text in metadata.items() if name == _ENTRY or text.startswith(f'{{"{_ENTRY}"')]
    if not entries:
        return {name: _tensor(array, device) for name, array in tensors.items()}
    try:
        about = json.loads(entries[0])
        if (version := about[_ENTRY]) != _VERSION:
            raise ValueError(f"it has format version {version!r}, and this tinynet reads version {_VERSION}; is there a later tinynet?")
        if about["sha256"] != _digest(about["tree"], tensors):
            raise ValueError("its content does not match its checksum, so it was damaged after it was written")
        return _from_tree(about["tree"], tensors, device)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else f"its header is damaged, {error!r:.80}"
        raise ValueError(f"load: {path} can't be used: {reason}") from error


class Checkpoint:
    """Everything that a training run needs to go on after it was stopped, in one file.

    Args:
        f: the file. Its folder is made if need be.
        parts: by any name, what is to be kept: objects with ``state_dict()`` and ``load_state_dict()`` (modules, optimisers,
            schedulers, a `DataLoader`), and dicts of what `tinynet.save` can write (the number of the epoch, losses). The
            random generator that `manual_seed` seeds is always kept too.

    `save` writes the parts as they are now; at any moment there is a whole file, the old or the new one. `restore` puts them
    back, so that the run goes on to the same bits as one that was never stopped.

    >>> import os, tempfile, tinynet
    >>> folder = tempfile.mkdtemp()
    >>> model, progress = tinynet.nn.Linear(2, 1), {"epoch": 3}
    >>> Checkpoint(os.path.join(folder, "run"), model=model, progress=progress).save()
    >>> progress = {"epoch": 0}
    >>> Checkpoint(os.path.join(folder, "run"), model=model, progress=progress).restore()
    True
    >>> progress
    {'epoch': 3}
    """

    def __init__(self, f: str | os.PathLike[str], **parts: Any):
        self.path = _path("Checkpoint", f)
        for name, part in parts.items():
            if not isinstance(part, dict) and not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                raise TypeError(
                    f"Checkpoint: {name} is a {type(part).__name__}; a part is a dict, or has state_dict() and load_state_dict()"
                )
        self.parts = parts

    def _state(self) -> dict[str, Any]:
        return {name: part if isinstance(part, dict) else part.state_dict() for name, part in self.parts.items()}

    def save(self) -> None:
        """Write the file. TypeError for what `tinynet.save` can't write, OSError if the disk is full; the old file stays then."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save({"generator": default_generator.get_state(), "parts": self._state()}, self.path)

    def restore(self) -> bool:
        """Bring all parts to where they were when the file was written. False, and nothing done, if there is no file yet.

        ValueError, RuntimeError or TypeError for a damaged file or one of other parts; then nothing has changed. Also
        removes what a killed process left of a half-written file, so no other process may be saving here meanwhile.
        """
        target = self.path.resolve()  # written is what a link leads to
        for left_over in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 8}.part"):
            left_over.unlink(missing_ok=True)
        if not self.path.exists():
            return False
        state = load(self.path)
        if not isinstance(state, dict) or state.keys() != {"generator", "parts"} or not isinstance(state["parts"], dict):
            raise ValueError(f"Checkpoint.restore: {self.path} is not a checkpoint but something else that tinynet.save wrote")
        if state["parts"].keys() != self.parts.keys():
            raise ValueError(
                f"Checkpoint.restore: {self.path} has the parts {', '.join(state['parts'])}; this run has {', '.join(self.parts)}"
            )
        before = copy.deepcopy(self._state())
        generator = default_generator.get_state()
        try:
            self._load(state["parts"])
            default_generator.set_state(state["generator"])
        except BaseException:
            self._load(before)
            default_generator.set_state(generator)
            raise
        return True

    def _load(self, state: Mapping[str, Any]) -> None:
        for name, part in self.parts.items():
            if isinstance(part, dict):
                if not isinstance(state[name], dict):
                    raise ValueError(f"Checkpoint.restore: {name} was saved as a {type(state[name]).__name__}, not a dict")
                part.clear()
                part.update(state[name])
            else:
                part.load_state_dict(state[name])


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file such that at any moment either the old content or the new one stands there, whole."""
    # mkstemp would make a private file, whose permissions could then be mended only by changing the umask of all threads
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # the bytes first, then the name: a crash between the two must not leave an empty file
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


def _path(function: str, f: Any) -> Path:
    if not isinstance(f, (str, os.PathLike)):
        raise TypeError(f"{function}: expected the name of a file, got {type(f).__name__}")
    return Path(f)


def _writable(function: str, f: str | os.PathLike[str]) -> Path:
    """`f`, the file itself where `f` is a link to it. Writing atomically replaces it, so it must be a regular file."""
    path = _path(function, f).resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{function}: the folder {path.parent} does not exist; make it first, os.makedirs(...)")
    if path.exists() and not path.is_file():
        raise OSError(f"{function}: {path} exists and is not a regular file; choose another name")
    return path


def _refuse_at_once(path: Path) -> None:
    """ValueError for what can't be a safetensors file by its first eight bytes, before anything more is read."""
    if not path.exists():
        raise FileNotFoundError(f"load: there is no file {path}")
    with path.open("rb") as file:
        start = file.read(8)
        size = os.fstat(file.fileno()).st_size
    # A safetensors file starts with the length of its header, little-endian. As such a number, the first bytes of a pickle
    # (or of the zip that torch.save makes of pickles) are larger than any file.
    if int.from_bytes(start, "little") <= size - 8:
        return
    if start[:1] == b"\x80" or start[:4] == b"PK\x03\x04":
        raise ValueError(
            f"load: {path} is a pickle (as torch.save writes), which may execute anything; it was not read. Save the weights "
            "with safetensors.torch.save_file instead"
        )
    raise ValueError(f"load: {path} is not a safetensors file, or truncated: its {size:,} bytes don't hold the header they announce")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("save/load: the package safetensors is missing; pip install safetensors") from error
    return safetensors.numpy


def _tensor(array: np.ndarray, device: Device) -> Tensor:
    return Tensor._wrap(to_device(array, device))


def _digest(tree: Any, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(tree).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    return digest.hexdigest()


def _to_tree(obj: Any, path: tuple[str, ...], tensors: dict[str, np.ndarray]) -> Any:
    where = ".".join(path)
    if len(path) > _DEEPEST:
        raise ValueError(f"save: the object is nested more than {_DEEPEST} deep, or contains itself, at {where:.60}...")
    if isinstance(obj, Tensor):
        name = where or "tensor"
        while name in tensors or name == "__metadata__":  # {"a.b": x, "a": {"b": y}} would give two tensors one name
            name += "_"
        tensors[name] = np.asarray(to_host(obj.array), order="C")
        return {"tensor": name}
    if isinstance(obj, np.generic) and obj.dtype.kind in "biuf":
        obj = obj.item()
    if obj is None or isinstance(obj, (bool, int, str)):
        return obj
    if isinstance(obj, float):
        return {"float": obj.hex()}  # exact, and JSON knows no infinity
    if isinstance(obj, (list, tuple)):
        kind = "list" if isinstance(obj, list) else "tuple"
        return {kind: [_to_tree(item, (*path, str(i)), tensors) for i, item in enumerate(obj)]}
    if isinstance(obj, Mapping):
        pairs = []
        for key, value in obj.items():
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                raise TypeError(f"save: keys must be strings or ints, got {key!r} in {where or 'the top level'}")
            pairs.append([key, _to_tree(value, (*path, str(key)), tensors)])
        return {"dict": pairs}
    raise TypeError(
        f"save: {where or 'the object'} is a {type(obj).__name__}; only tensors, numbers, strings, None, and dicts, lists and "
        "tuples of them can be saved"
        + ("; save its state_dict()" if hasattr(obj, "state_dict") else "")
        + ("; make a tensor of it with tinynet.from_numpy" if isinstance(obj, np.ndarray) else "")
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
