"""MNIST and sets in its format: the IDX files that hold them, where they lie, and what is in them.

An IDX file of unsigned bytes in d dimensions is a header of 1 + d big-endian 32-bit numbers, the
magic number 0x0800 + d and the sizes, and then the bytes themselves, last dimension fastest.
gzip around it is optional.
"""

import gzip
import hashlib
import math
import os
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from .download import cache_folder, Published
from .image_set import _DATA, ImageSet

__all__ = ["KMNIST", "MNIST", "FashionMNIST"]

MAX_BYTES = 1 << 28  # the most that is read from one file; MNIST's largest has 47 million

# No deflate stream grows by more than this factor (https://zlib.net/zlib_tech.html). So the size
# of a gzip file bounds its content, and a small file with a boastful header is refused before
# anything is allocated for it.
_DEFLATE_LIMIT = 1032


class IdxFile(NamedTuple):
    """A published file: its name without .gz, its number of items and their shape.

    Its checksum, of the uncompressed content, is ``SHA256["<data set>/<name>"]``; that of the .gz
    file on the mirrors is ``SHA256["<data set>/<name>.gz"]``.
    """

    data_set: str
    name: str
    length: int
    item_shape: tuple[int, ...]


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The bytes that start an IDX file of unsigned bytes of this shape.

    >>> idx_header((60000, 28, 28)).hex(" ", 4)
    '00000803 0000ea60 0000001c 0000001c'
    """
    return struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds the uint8 `array`, in hexadecimal digits."""
    return hashlib.sha256(idx_header(array.shape) + array.tobytes()).hexdigest()


def read_idx(path: str | os.PathLike[str], item_shape: tuple[int, ...]) -> np.ndarray:
    """Read a plain or gzipped IDX file that holds N items of `item_shape`: uint8 (N, *item_shape).

    A file is gzipped if its first bytes say so, whatever its name. At most `MAX_BYTES` (256 MiB),
    and no more than a file of this size can hold, are allocated for the items.

    Raises:
        ValueError: the file cannot be read, is no IDX file, holds items of another shape, or is
            shorter or longer than it says. The message names the path, what was found and what
            was expected.
    """
    try:
        with open(path, "rb") as file:
            return _read(file, item_shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # gzip.BadGzipFile: an OSError
        expected = "expected an intact IDX file, plain or gzipped"
        raise ValueError(f"{path}: cannot be read ({error}); {expected}") from error


def _read(file: IO[bytes], item_shape: tuple[int, ...]) -> np.ndarray:
    file_size = os.fstat(file.fileno()).st_size
    gzipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream: Any = gzip.GzipFile(fileobj=file) if gzipped else file

    header = stream.read(8 + 4 * len(item_shape))
    count = int.from_bytes(header[4:8], "big")
    expected = idx_header((count, *item_shape))
    if header != expected:
        raise ValueError(f"starts with the bytes '{header.hex(' ', 4)}'; an IDX file of N items "
            f"of shape {item_shape} starts with '{expected[:4].hex()}', then N in 4 bytes, then "
            f"'{expected[8:].hex(' ', 4)}'")
    size = count * math.prod(item_shape)
    promise = f"the header promises {count:,} items of shape {item_shape}, {size:,} bytes"
    most = min(MAX_BYTES, file_size * (_DEFLATE_LIMIT if gzipped else 1))
    if not 1 <= size <= most:
        rule = f"can hold between one item and {most:,} bytes"
        raise ValueError(f"{promise}; this file of {file_size:,} bytes {rule}")
    # Reading past the end also makes gzip compare its own checksum and length with what came out.
    content = bytearray(stream.read(size + 1))
    if len(content) != size:
        found = f"{len(content):,}" if len(content) < size else f"more than {size:,}"
        raise ValueError(f"{found} bytes follow the header; {promise}")
    return np.frombuffer(content, np.uint8).reshape(count, *item_shape)


def find_file(folder: Path, file: IdxFile) -> Path | None:
    """`file` in `folder`, plain or gzipped, or None. Archives also spell it images.idx3-ubyte."""
    names = file.name, file.name.replace("-idx", ".idx")
    paths = [folder / f"{name}{ending}" for name in names for ending in ("", ".gz")]
    # os.path.isfile is False for a closed folder, where Path.is_file() raises.
    return next(filter(os.path.isfile, paths), None)


def load_file(path: Path, file: IdxFile, *, exact: bool) -> np.ndarray:
    """The uint8 array in `path`, which must have the published content if it has that size.

    With `exact` no other size will do. ValueError says what was found and what was expected.
    """
    array = read_idx(path, file.item_shape)
    published, expected = len(array) == file.length, SHA256.get(f"{file.data_set}/{file.name}")
    if published and expected and (sha256 := idx_sha256(array)) != expected:
        raise ValueError(f"{path}: has the size of the published {file.name} but not its content: "
            f"SHA-256 of the uncompressed bytes is {sha256}, expected {expected}")
    if exact and not published:
        raise ValueError(f"{path}: holds {len(array):,} items; {file.name} has {file.length:,}")
    return array


def four_files(data_set: str, train: int, test: int) -> tuple[IdxFile, ...]:
    """Training images and labels, then test images and labels, of so many images."""
    kinds = ("images-idx3-ubyte", (28, 28)), ("labels-idx1-ubyte", ())
    return tuple(IdxFile(data_set, f"{part}-{kind}", count, shape)
        for part, count in (("train", train), ("t10k", test)) for kind, shape in kinds)


MNIST_FILES = four_files("mnist", 60_000, 10_000)
FASHION_FILES = four_files("fashion-mnist", 60_000, 10_000)
KMNIST_FILES = four_files("kmnist", 60_000, 10_000)
MNIST_SUBSET = four_files("mnist-subset", 10_000, 2_000)  # made by tools/make_mnist_subset.py
_LINES = (_DATA / "sha256sums.txt").read_text().splitlines()
SHA256 = {path: digest for digest, path in map(str.split, _LINES)}


def _renamed(old: str, new: str) -> Any:
    def get(self: Any) -> Any:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=2)
        return getattr(self, new)

    return property(get, doc=f"The old name of `{new}`.")


def _folder_named(name: str) -> Any:
    def get(self: Any) -> str:
        return os.path.join(self.root or cache_folder(), type(self).__name__, name)

    return property(get, doc=f"torchvision's folder of {name} files, ``root/<name>/{name}``.")


class MNIST(ImageSet, published="MNIST"):
    """70,000 handwritten digits of 28 x 28 grey pixels: 60,000 to train with and 10,000 to test.

    ``dataset[i]`` is an image and its label, an int. Without a transform the image is a tensor,
    float32 (1, 28, 28) from 0.0 (paper) to 1.0 (ink). The usual transform is
    ``Compose([ToTensor(), Normalize(0.1307, 0.3081)])``. `ImageSet` says the rest: arguments,
    attributes, and where the files are looked for.

    In a folder the files may lie directly, under ``mnist/`` or under ``MNIST/raw/`` (where
    torchvision puts them), plain or gzipped. A file with as many items as the published one must
    be the published one, by its SHA-256; images and labels of your own, in any other number, are
    taken as they are. 12,000 digits ship with tinynet: the first 10,000 of the training digits,
    and of the test digits every fifth (the 1st, 6th, 11th ...).

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits;
    CC BY-SA 3.0.
    """

    files: tuple[IdxFile, ...] = MNIST_FILES
    subset: tuple[IdxFile, ...] = MNIST_SUBSET

    train_data, train_labels = _renamed("train_data", "data"), _renamed("train_labels", "targets")
    test_data, test_labels = _renamed("test_data", "data"), _renamed("test_labels", "targets")

    raw_folder, processed_folder = _folder_named("raw"), _folder_named("processed")

    def _check_exists(self) -> bool:
        """Whether the files of this part lie under `root`, as torchvision or as tinynet puts them.
        """
        root = Path(self.root or cache_folder())
        return any(self.files_in(root / folder) for folder in self.folders)

    def _part(self, files: tuple[IdxFile, ...]) -> tuple[IdxFile, ...]:
        return files[:2] if self.train else files[2:]

    def published(self) -> list[Published]:
        return [Published(f"{file.name}.gz", SHA256[f"{file.data_set}/{file.name}.gz"])
            for file in self._part(self.files)]

    def files_in(self, place: Path) -> list[Path]:
        paths = [find_file(place, file) for file in self._part(self.files)]
        return [path for path in paths if path] if all(paths) else []

    def shipped(self) -> tuple[np.ndarray, np.ndarray, int] | None:
        files, total = self._part(self.subset), self._part(self.files)[0].length
        paths = [_DATA / f"mnist-subset-{file.name}.gz" for file in files]
        return (*self.read(paths, True, files), total) if files else None

    def read(self, paths: Sequence[Path], exact: bool,
             files: tuple[IdxFile, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
        both = zip(paths, files or self._part(self.files), strict=True)
        images, labels = (load_file(path, file, exact=exact) for path, file in both)
        if len(images) != len(labels):
            images_there = f"{paths[0]} holds {len(images):,} images"
            raise ValueError(f"{paths[1]}: holds {len(labels):,} labels, but {images_there}")
        self.check_labels(labels, str(paths[1]))
        return images, labels


class FashionMNIST(MNIST, published="FashionMNIST"):
    """70,000 pictures of clothes in the format of MNIST, harder to tell apart.

    As `MNIST`, except that in a folder the files may lie directly, or under ``fashion-mnist/``,
    ``fashion_mnist/`` or ``FashionMNIST/raw/``, and that none ship with tinynet: with neither
    files nor a network this is a RuntimeError.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, https://arxiv.org/abs/1708.07747;
    MIT licence.
    """

    files, subset = FASHION_FILES, ()


class KMNIST(MNIST, published="KMNIST"):
    """70,000 handwritten characters of old Japanese in ten classes, in the format of MNIST.

    As `MNIST`, except that in a folder the files may lie directly, or under ``KMNIST/raw/`` or
    ``kmnist/``, and that none ship with tinynet.

    Source: T. Clanuwat et al., Deep learning for classical Japanese literature,
    https://arxiv.org/abs/1812.01718; CC BY-SA 4.0.
    """

    files, subset = KMNIST_FILES, ()
