"""Saving and loading: tensors in the safetensors format, everything else as JSON in its header.

A state dict becomes a plain safetensors file with the same names. PyTorch's users can load it with
``safetensors.torch.load_file``, and `load` reads theirs. Any other nesting of dicts, lists, tuples,
numbers, strings, None and tensors is kept as a tree, in which names stand for the tensors.

A checksum covers the tree and the tensors, so a damaged file is refused. Nothing is pickled.
"""

import contextlib
import copy
import glob
import hashlib
import json
import os
import secrets
import tempfile
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import compat
from .arrays import default_generator, to_device, to_host
from .ops.arguments import as_dtype
from .tensor import Size, Tensor

_VERSION = 1
# Our one entry in the header (the library would write several in an order that changes from run to
# run). Its text begins with the name again, so that one damaged letter can't hide whose file it is.
_ENTRY = "tinynet"
_WHOLE = "\\u0000tinynet"  # in the JSON of a whole module: `compat.whole_modules`
# Containers by their names in the tree. Subclasses are refused: they would come back as these.
_CONTAINERS: dict[str, Any] = {
    kind.__name__: kind for kind in (list, tuple, Size, dict, OrderedDict, Counter)}
# Deeper trees are refused, because Python's JSON reader is recursive.
_DEEPEST = 100


def save(obj: Any, f: Any) -> None:
    """Write `obj` to `f`, the name of a file or a binary file object.

    By its name, a file is written at once: an interruption leaves the old one or the new, whole.

    `obj` is a tensor, a state dict, or any nesting of dicts, OrderedDicts, Counters, lists, tuples
    and sizes of tensors, numbers, strings and None. Tensors are saved without device and history,
    and remember whether they require a gradient and whether they are parameters. Tensors that lie
    in the memory of another saved tensor, such as ``x[:2]`` beside ``x``, share it again when they
    are loaded to the CPU, if the other one is contiguous; else each has a copy.

    Modules in it are saved whole: the names of their classes, and their attributes. So are
    namespaces, ``{"args": parser.parse_args()}``, numpy's numbers and arrays, paths, devices,
    dtypes, and defaultdicts of Python's types. A name that ends with .pt or .pth makes a file that
    ``torch.load`` reads, unless one of these is in it.

    Raises:
        TypeError: `obj` contains something else, which is named.
        ValueError: it is nested more than 100 deep.
        OSError: the file can't be written.
    """
    path = None if hasattr(f, "write") else _writable("save", f)
    found: dict[str, Any] = {}
    tree = _to_tree(obj, (), found)
    hosts = {id(array): to_host(array) for array in found.values()}
    arrays = {key: np.asarray(array, order="C") for key, array in hosts.items()}
    tensors = {name: arrays[id(array)] for name, array in found.items()}
    views = _views(tensors) | _views({name: hosts[id(array)] for name, array in found.items()})
    if path and path.suffix in (".pt", ".pth") and _WHOLE not in json.dumps(tree):
        places = _share(tensors, views)
        plain = _from_tree(tree, {name: Tensor._wrap(array) for name, array in tensors.items()})
        content = compat.lookup(__name__, "pytorch_bytes")(plain, places)
    else:
        tree = {"views": [views, tree]} if views else tree
        text = json.dumps({_ENTRY: _VERSION, "sha256": _digest(tree, tensors), "tree": tree})
        content = _safetensors().save(tensors, {_ENTRY: text})
    write_atomically(path, content) if path else f.write(content)


def load(f: Any, map_location: Any = None, *, weights_only: Any = False) -> Any:
    """What `save` or ``torch.save`` wrote to the file `f`, or another program's safetensors file.

    `f` is the name of a file, or a binary file object, which is read to its end.
    Tensors are put on the device `map_location`, by default the CPU; a function or a dict is asked
    where to put what lies on the "cpu", as in PyTorch. Nothing in the file is executed, and no more
    memory is taken than a small multiple of the file's size. Of PyTorch's files, those with
    tensors, numbers, strings, dicts and lists are read. Of a whole module, the class must have been
    imported; `weights_only` refuses modules, namespaces, functions, paths, defaultdicts, and
    numpy's numbers and arrays, as PyTorch does.

    Raises:
        ValueError: the file is truncated, changed, of another version, or not a safetensors file.
        OSError: it can't be read.
    """
    if hasattr(f, "read"):
        with tempfile.TemporaryDirectory() as folder:  # the library reads files by their names
            Path(folder, "f").write_bytes(f.read())
            return load(Path(folder, "f"), map_location, weights_only=weights_only)
    path = _path("load", f)
    device = compat.lookup(__name__, "place")(map_location)
    if _first_bytes(path) == b"PK\x03\x04":
        return compat.lookup(__name__, "read_pytorch")(path, device)
    try:
        # opened once, so that header and tensors are of one file even if it is replaced meanwhile
        with _safetensors().safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = file.keys()  # `file` is no dict: it can't be iterated over
            tensors = {name: file.get_tensor(name) for name in names}
        for array in tensors.values():
            as_dtype("load", array.dtype)  # the format also has complex numbers
    except OSError:
        raise
    except Exception as error:  # of the library, or of numpy for a strange header
        raise ValueError(f"load: {path} is not a readable safetensors file: {error}") from error
    entries = [text for name, text in metadata.items()
               if name == _ENTRY or text.startswith(f'{{"{_ENTRY}"')]
    moved = {n: Tensor._wrap(to_device(array, device, "load")) for n, array in tensors.items()}
    if not entries:
        return moved
    try:
        about = json.loads(entries[0])
        if (version := about[_ENTRY]) != _VERSION:
            raise ValueError(f"it has format version {version!r}, and this tinynet reads version "
                f"{_VERSION}; is there a later tinynet?")
        if about["sha256"] != _digest(about["tree"], tensors):
            raise ValueError("its content does not match its checksum, so it was damaged")
        tree = about["tree"]
        if isinstance(tree, dict) and "views" in tree:
            views, tree = tree["views"]
            _share(tensors, views)
            moved |= {n: Tensor._wrap(to_device(tensors[n], device, "load")) for n in views}
        found = _from_tree(tree, moved)
        if _WHOLE not in entries[0]:
            return found
        return compat.lookup(__name__, "restored")(found, homes=None if weights_only else ())
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError,
            OverflowError) as error:
        plain = type(error) is ValueError
        reason = str(error) if plain else f"its header is damaged, {error!r:.80}"
        raise ValueError(f"load: {path} can't be used: {reason}") from error


class Checkpoint:
    """One file with all that a training run needs to resume.

    Args:
        f: the file. Its folder is made if it doesn't exist.
        parts: what to keep, by any names: objects with ``state_dict()`` and ``load_state_dict()``
            (modules, optimisers, schedulers, a `DataLoader`), and dicts of what `tinynet.save` can
            write (the epoch, losses). The default random generator is always kept too.

    `save` writes the parts as they are now, atomically. `restore` puts them back, and the run goes
    on to the same bits as a run that was never stopped.

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
            methods = hasattr(part, "state_dict") and hasattr(part, "load_state_dict")
            if not isinstance(part, dict) and not methods:
                raise TypeError(f"Checkpoint: {name} is a {type(part).__name__}; a part is a dict, "
                    "or has state_dict() and load_state_dict()")
        self.parts = parts

    def _state(self) -> dict[str, Any]:
        return {name: part if isinstance(part, dict) else part.state_dict()
                for name, part in self.parts.items()}

    def save(self) -> None:
        """Write the file; the old one stays if that fails.

        Raises:
            TypeError: a part has something that `tinynet.save` can't write.
            OSError: the disk is full, for example.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save({"generator": default_generator.get_state(), "parts": self._state()}, self.path)

    def restore(self) -> bool:
        """Put all parts back as they were when the file was written; False if there is no file.

        Also removes the half-written file of a process that was killed, so no other process may be
        saving here at the same time.

        Raises:
            ValueError, RuntimeError, TypeError: the file is damaged or has other parts; nothing has
                changed then.
        """
        target = self.path.resolve()  # a link's target, because that is what `save` replaces
        for left_over in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 8}.part"):
            left_over.unlink(missing_ok=True)
        if not self.path.exists():
            return False
        state = load(self.path)
        parts = state.get("parts") if isinstance(state, dict) else None
        if not isinstance(parts, dict) or state.keys() != {"generator", "parts"}:
            raise ValueError(f"Checkpoint.restore: {self.path} is not a checkpoint but something "
                "else that tinynet.save wrote")
        if parts.keys() != self.parts.keys():
            raise ValueError(f"Checkpoint.restore: {self.path} has the parts {', '.join(parts)}; "
                f"this run has {', '.join(self.parts)}")
        before = copy.deepcopy(self._state())
        generator = default_generator.get_state()
        try:
            self._load(parts)
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
                    raise ValueError(f"Checkpoint.restore: {name} was saved as a "
                        f"{type(state[name]).__name__}, not a dict")
                part.clear()
                part.update(state[name])
            else:
                part.load_state_dict(state[name])


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that at any moment has either the old content or the new, whole."""
    # not mkstemp: it makes private files, and the usual permissions are known only by the umask
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before the name, so that a crash leaves no empty file
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
    """The file to replace: `f`, or what the link `f` leads to. It must be a regular file."""
    path = _path(function, f).resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{function}: the folder {path.parent} does not exist; make it first, os.makedirs(...)")
    if path.exists() and not path.is_file():
        raise OSError(f"{function}: {path} exists and is not a regular file; choose another")
    return path


def _first_bytes(path: Path) -> bytes:
    """The first four bytes; ValueError if they are of neither a safetensors file nor a zip."""
    if not path.exists():
        raise FileNotFoundError(f"load: there is no file {path}")
    with path.open("rb") as file:
        start = file.read(8)
        size = os.fstat(file.fileno()).st_size
    # A safetensors file starts with the length of its header, little-endian. The first bytes of a
    # pickle, or of torch.save's zip of pickles, make a number larger than any file.
    if start[:4] == b"PK\x03\x04" or int.from_bytes(start, "little") <= size - 8:
        return start[:4]
    if start[:1] == b"\x80" and start[2:3] > b"\0":  # 0: the length of a header below 64 KiB
        raise ValueError(f"load: {path} is a pickle (as torch.save wrote it before 1.6), which "
            "may execute anything; it was not read. Save it again with a newer PyTorch")
    raise ValueError(f"load: {path} is not a safetensors file, or truncated: its {size:,} bytes "
        "don't hold the header they announce")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "save/load: the package safetensors is missing; pip install safetensors") from error
    return safetensors.numpy


def _digest(tree: Any, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(tree).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    return digest.hexdigest()


def _views(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrays that lie in another, contiguous one: its name, the offset and strides in elements."""
    spans = [(*np.lib.array_utils.byte_bounds(array), not array.flags.c_contiguous, name)
             for name, array in arrays.items() if array.size]
    found, root, begin, end = {}, "", 0, 0
    # containers first; the last one that began holds the next array if any holds it
    for start, stop, loose, name in sorted(spans, key=lambda s: (s[0], -s[1], s[2])):
        array, size = arrays[name], arrays[name].itemsize
        numbers = (start - begin, *array.strides)
        if stop <= end and array.dtype == arrays[root].dtype and min(numbers) >= 0 and not any(
                number % size for number in numbers):
            offset, *steps = (number // size for number in numbers)
            found[name] = [root, offset, steps]
        elif stop > end and not loose:
            root, begin, end = name, start, stop
    return found


def _share(arrays: dict[str, np.ndarray], views: Mapping[str, Any]) -> dict[int, Any]:
    """Let `arrays` share memory as `_views` says; by their ids: the array they lie in, and how."""
    part, whole, places = compat.lookup(__name__, "part"), dict(arrays), {}
    for name, (root, offset, steps) in views.items():
        arrays[name] = part(whole[root].reshape(-1), offset, whole[name].shape, steps)
        places[id(arrays[name])] = whole[root], offset, tuple(steps)
    return places


def _to_tree(obj: Any, path: tuple[str, ...], tensors: dict[str, Any], known: Any = None) -> Any:
    """`obj` as JSON can hold it, with names for its `tensors`. `known`: see `compat`'s `described`.
    """
    where = ".".join(path)
    if len(path) > _DEEPEST:
        raise ValueError(f"save: the object is nested more than {_DEEPEST} deep, or contains "
            f"itself, at {where:.60}...")
    if obj is None or type(obj) in (bool, int, str):
        return obj
    if type(obj) is float:
        return {"float": obj.hex()}  # exact, and JSON knows no infinity
    obj, known = compat.lookup(__name__, "described")(obj, known)
    if isinstance(obj, Tensor):
        name = where or "tensor"
        while name in tensors or name == "__metadata__":
            name += "_"  # {"a.b": x, "a": {"b": y}} would give two tensors one name
        tensors[name] = obj.array
        return {compat.lookup(__name__, "kind_of")(obj): name}
    kind = type(obj).__name__
    if type(obj) is _CONTAINERS.get(kind):
        if not isinstance(obj, dict):
            return {kind: [_to_tree(part, (*path, str(i)), tensors, known)
                           for i, part in enumerate(obj)]}
        pairs = []
        for key, value in obj.items():
            if type(key) not in (str, int):
                place = where or "the top level"
                raise TypeError(f"save: keys must be strings or ints, got {key!r} in {place}")
            pairs.append([key, _to_tree(value, (*path, str(key)), tensors, known)])
        return {kind: pairs}
    plain = [t.__name__ for t in (dict, list, tuple, int, float, str) if isinstance(obj, t)]
    raise TypeError(
        f"save: {where or 'the object'} is a {kind}; only tensors, numbers, "
        "strings, None, and dicts, lists and tuples of them can be saved"
        + (f"; save {plain[0]}(...) of it" if plain else "")
        + ("; save its state_dict()" if hasattr(obj, "state_dict") else "")
        + ("; make a tensor of it with tinynet.from_numpy" if isinstance(obj, np.ndarray) else ""))


def _from_tree(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    if tree is None or isinstance(tree, (bool, int, str)):
        return tree
    ((kind, value),) = tree.items()
    if kind == "float":
        return float.fromhex(value)
    if container := _CONTAINERS.get(kind):
        return container({key: _from_tree(item, tensors) for key, item in value} if issubclass(
            container, dict) else (_from_tree(item, tensors) for item in value))
    if make := compat.lookup(__name__, "TENSORS").get(kind):
        return make(tensors[value])
    raise ValueError(f"unknown kind {kind!r}")
