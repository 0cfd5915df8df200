"""CIFAR-10 and -100: the archive is read in memory, and its pickles with four allowed names."""

import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .download import Published
from .image_set import ImageSet

__all__ = ["CIFAR10", "CIFAR100"]

_SHAPE, _WIDTH = (3, 32, 32), 3072  # of an image
_PUBLISHED_COUNT = 10_000  # images in each published batch


class CIFAR10(ImageSet, published="CIFAR10"):
    """60,000 colour photographs of 32 x 32 pixels in ten classes.

    50,000 are to train with and 10,000 to test.

    ``dataset[i]`` is an image and its label, an int. Without a transform the image is a tensor,
    float32 (3, 32, 32), red, green, blue from 0.0 to 1.0. `ImageSet` says the rest: arguments,
    attributes, and where the files are looked for. `data` is an array, uint8 (N, 32, 32, 3).

    In a folder, in ``CIFAR10/`` or in ``cifar10/`` in it, there may lie the archive
    ``cifar-10-python.tar.gz``, or what it unpacks to: ``data_batch_1`` to ``data_batch_5`` and
    ``test_batch``, there or in ``cifar-10-batches-py/`` (where torchvision puts them). The archive
    must be the published one, by its SHA-256, and so must a batch of 10,000 images, by its MD5;
    batches of images of your own, in any other number, are taken as they are. A download has
    170 MB. No image ships with tinynet: with neither files nor a network this is a RuntimeError.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html.
    """

    archive: Published
    # The MD5 of each batch, which is all that was published of them.
    train_batches: ClassVar[dict[str, str]]
    test_batches: ClassVar[dict[str, str]]
    inner: str  # the folder in the archive, and where people unpack it

    @property
    def _batches(self) -> dict[str, str]:
        return self.train_batches if self.train else self.test_batches

    def published(self) -> list[Published]:
        return [self.archive]

    def files_in(self, place: Path) -> list[Path]:  # all batches, or the archive
        unpacked = [[place / inner / name for name in self._batches] for inner in (self.inner, ".")]
        ways = (*unpacked, [place / self.archive.name])
        return next((paths for paths in ways if all(map(os.path.isfile, paths))), [])

    def read(self, paths: Sequence[Path], exact: bool) -> tuple[np.ndarray, np.ndarray]:
        found = {}
        for name, where, content in self._contents(paths):
            images, labels = read_batch(content, where)
            count = _PUBLISHED_COUNT * (5 if name == "train" else 1)  # all of CIFAR-100's in one
            if len(images) == count:
                md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
                if md5 != (right := self._batches[name]):
                    raise ValueError(f"{where}: has the size of the published {name} but not its "
                        f"content: MD5 {md5}, not {right}")
            elif exact:
                raise ValueError(f"{where}: holds {len(images)} images, not {count}")
            self.check_labels(labels, where)
            found[name] = images, labels
        # An archive may hold the batches in any order.
        images, labels = zip(*(found[name] for name in self._batches), strict=True)
        return np.concatenate(images).transpose(0, 2, 3, 1), np.concatenate(labels)

    def _contents(self, paths: Sequence[Path]) -> Iterator[tuple[str, str, bytes]]:
        """Each batch: its name, where it is, in words, and its bytes, 31 MB."""
        if paths[0].name != self.archive.name:
            yield from ((path.name, str(path), path.read_bytes()) for path in paths)
            return
        content = paths[0].read_bytes()
        if (sha256 := hashlib.sha256(content).hexdigest()) != self.archive.sha256:
            raise ValueError(f"{paths[0]}: is not the published {self.archive.name}: "
                f"its SHA-256 is {sha256}, expected {self.archive.sha256}")
        # In one pass, since going back would decompress all again. Nothing is written to the disk.
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as archive:
            for member in archive:
                name = member.name.removeprefix(f"{self.inner}/")
                if name in self._batches and (file := archive.extractfile(member)):
                    yield name, f"{paths[0]}, {member.name}", file.read()


class CIFAR100(CIFAR10, published="CIFAR100"):
    """60,000 colour photographs as those of `CIFAR10`, in 100 classes.

    As `CIFAR10`, except that in a folder there may lie ``cifar-100-python.tar.gz`` or what it
    unpacks to, ``train`` and ``test``, there or in ``cifar-100-python/``; each is one batch, with
    the fine labels.
    """


def read_batch(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 (N, 3, 32, 32), and labels, int64 (N,), of a batch of CIFAR.

    `content` is a pickle of a dict with "data" and "labels", or "fine_labels". ValueError, which
    begins with `where`, if it is anything else.
    """
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(batch, dict):
            raise ValueError(f"it holds a {type(batch).__name__}, not a dict")
        # Python 2 wrote its keys as bytes, Python 3 writes text.
        images = _pixels(batch.get(b"data", batch.get("data")))
        keys = (b"labels", "labels", b"fine_labels", "fine_labels")
        labels: Any = next((batch[key] for key in keys if key in batch), None)
        numbers = isinstance(labels, list) and all(type(label) is int for label in labels)
        if not numbers or not all(0 <= label < 256 for label in labels):
            raise ValueError("its labels are not a list of numbers from 0 to 255")
        if len(labels) != len(images):
            raise ValueError(f"it has {len(labels):,} labels for {len(images):,} images")
        return images, np.array(labels, np.int64)
    except Exception as error:  # a damaged pickle may raise anything
        raise ValueError(f"{where}: is not a batch of CIFAR for Python ({error})") from error


def _pixels(array: Any) -> np.ndarray:
    """The array uint8 (N, 3072) that a pickle describes, as (N, 3, 32, 32)."""
    if not isinstance(array, _Described) or not array.state:
        raise ValueError('its "data" is not a numpy array')
    _, shape, dtype, columns_first, raw = array.state
    if not isinstance(dtype, _Described) or dtype.arguments[0] not in ("u1", b"u1"):
        raise ValueError('its "data" does not consist of unsigned bytes')
    if len(shape) != 2 or shape[1] != _WIDTH or not 0 < len(raw) == shape[0] * _WIDTH:
        raise ValueError(f'its "data" is not an array (N, {_WIDTH}): it says {shape}')
    pixels = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if columns_first else "C")
    return pixels.reshape(-1, *_SHAPE).copy()


class _Described:
    """Stands for a numpy object in a pickle: keeps its arguments and state, and makes nothing.

    numpy would trust them, and can crash on those in a damaged file; `_pixels` checks them.
    """

    def __init__(self, *arguments: Any):
        self.arguments, self.state = arguments, ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle._Unpickler):
    """Knows the four names that a batch needs, and refuses all others that a pickle asks for.

    So no pickle can run code of its own. This is Python's implementation in
    Python: the one in C allocates, and fills, as many bytes as a number in a damaged file says,
    which may be gigabytes, before it looks further. A hostile pickle may still describe more data
    than fits into memory. What protects from that is the SHA-256 of the published archive; files
    of a user's own are trusted that far.
    """

    _known: ClassVar[dict[str, Callable[..., Any]]] = {
        "numpy.core.multiarray._reconstruct": _Described, "numpy.ndarray": _Described,
        "numpy.dtype": _Described,
        # How Python 3 spells bytes in a pickle for Python 2.
        "_codecs.encode": lambda text, encoding: text.encode("latin-1")}

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        key = f"{module.replace('numpy._core', 'numpy.core')}.{name}"
        if key not in self._known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return self._known[key]
