"""MNIST and Fashion-MNIST: where their files are looked for, and how they become tensors."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from ..creation import from_numpy
from ..distributed import group as distributed
from ..tensor import Tensor
from ..utils.data import Dataset
from .download import DownloadError, fetch, first_to_answer, optional
from .idx import IdxFile, find_file, load_file


def four_files(train: int, test: int, *sha256: str, prefix: str = "") -> tuple[IdxFile, ...]:
    """The files of a set with so many images: training images and labels, then test images and labels."""
    kinds: tuple[tuple[str, int, tuple[int, ...]], ...] = (
        ("train-images-idx3-ubyte", train, (28, 28)),
        ("train-labels-idx1-ubyte", train, ()),
        ("t10k-images-idx3-ubyte", test, (28, 28)),
        ("t10k-labels-idx1-ubyte", test, ()),
    )
    return tuple(IdxFile(prefix + name, n, shape, sha) for (name, n, shape), sha in zip(kinds, sha256, strict=True))


MNIST_FILES = four_files(
    60_000,
    10_000,
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
# Made by tools/make_mnist_subset.py.
MNIST_SUBSET = four_files(
    10_000,
    2_000,
    "2889698e6bc3614913e76901316712919d1998fc2b44512451bfe65bc1e668b1",
    "651e38e2ac0632f5113ec18f1df4977117f953197819034009971a6675a0df78",
    "544b11e980491b35ea0a29d267be603798a522d267bd875eefdf185f2a90b4ed",
    "00c8ee896b56b1f141feedeefecd0ec606a7715b411eb44be7e1b1decd17e3fd",
    prefix="mnist-subset-",
)
# Zalando published the MD5 of the gzipped files and nothing else. These SHA-256 of the content are those that
# several independent projects give, among them a Git LFS store, which files everything under its SHA-256.
FASHION_FILES = four_files(
    60_000,
    10_000,
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)

_SHIPPED = Path(__file__).parent.parent / "_data"
_WAYS_OUT = "For all images: root=FOLDER or TINYNET_DATA=FOLDER with the files in it, or download=True"


@functools.cache
def _say_once(line: str) -> None:
    if not distributed.is_initialized() or distributed.get_rank() == 0:
        print(line, file=sys.stderr, flush=True)


class MNIST(Dataset):
    """70,000 handwritten digits of 28 x 28 grey pixels: 60,000 to train with and 10,000 to test.

    ``dataset[i]`` is a pair of tensors: the image, float32 (1, 28, 28) from 0.0 (paper) to 1.0 (ink), and its
    label, int64 (). ``dataset[rows]`` is a whole batch at once, float32 (B, 1, 28, 28) and int64 (B,); `rows`
    is a list, array or tensor of B integers, a mask or a slice. Pixels are divided by 255 when they are asked
    for, so that the set takes 47 MB of memory and not 188.

    The first of these that has the files is used, and a line on stderr says which, and why:

    1. the folder `root`;
    2. the folder that the environment variable TINYNET_DATA names;
    3. the user's cache folder for tinynet;
    4. mirrors on the internet; what they give is put under `root`, or into the cache if no `root` was given;
    5. 12,000 digits that ship with tinynet: the first 10,000 of the training digits, and of the test digits
       every fifth (the 1st, 6th, 11th ...).

    In a folder the files may lie directly, under ``mnist/`` or under ``MNIST/raw/`` (where torchvision puts
    them), plain or gzipped. A file with as many items as the published one must be the published one, by its
    SHA-256; images and labels of your own, in any other number, are taken as they are.

    Args:
        root: a folder, or None.
        train: the training part, or the test part.
        transform: called with the image of an item, (1, 28, 28), or with the images of a batch,
            (B, 1, 28, 28); its result, which must have the same length, takes their place. The usual one is
            ``lambda x: (x - 0.1307) / 0.3081``.
        target_transform: the same for the label, () or (B,).
        download: None: if nothing was found, try; a machine without a network finds out within seconds.
            True: what was not found must be downloaded, or it is an error. False: never touch the network.

    Attributes:
        data: the pixels as they are in the file, uint8 (N, 28, 28).
        targets: the labels, int64 (N,).
        classes: the name of each label.
        source: which images these are and where they are from, in words.

    Raises:
        ValueError: a file in `root` or TINYNET_DATA is truncated, corrupt or not what its name says. (In the
            cache such a file is replaced.)
        RuntimeError: ``download=True`` failed.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits; CC BY-SA 3.0.
    """

    files = MNIST_FILES
    subset: tuple[IdxFile, ...] = MNIST_SUBSET
    folders: tuple[str, ...] = ("MNIST/raw", "mnist", ".")  # the first is where downloads go
    mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    classes: ClassVar[list[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[Tensor], Any] | None = None,
        download: bool | None = None,
    ):
        name = type(self).__name__
        if root is not None and not isinstance(root, (str, os.PathLike)):
            raise TypeError(f"{name}: root is a {type(root).__name__}; expected a folder, or None")
        if not isinstance(train, (bool, np.bool_)):
            raise TypeError(f"{name}: train is {train!r}; expected True (training part) or False (test part)")
        if download is not None and not isinstance(download, bool):
            raise TypeError(f"{name}: download is {download!r}; expected None (try), True (insist) or False (never)")
        for argument, value in (("transform", transform), ("target_transform", target_transform)):
            if value is not None and not callable(value):
                raise TypeError(f"{name}: {argument} is {value!r}; expected a function of a tensor, or None")
        self.root = None if root is None else Path(root).expanduser()
        self.train = bool(train)
        self.transform = transform
        self.target_transform = target_transform
        images, labels, self.source, because = self._load(self.root, download)
        self.data: Tensor = from_numpy(images)
        self.targets: Tensor = from_numpy(labels.astype(np.int64))
        _say_once(f"{name}: using {self.source}{because}")

    def __len__(self) -> int:
        return len(self.data.array)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(train={self.train}, {self.source})"

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        rows = self._rows(index)
        image: Any = from_numpy(np.divide(self._pixels(rows), np.float32(255), dtype=np.float32))
        label: Any = from_numpy(np.array(self.targets.array[rows]))  # () or (B,); a copy also for a slice
        batch = label.shape
        if self.transform is not None:
            image = self._same_length("transform", self.transform(image), batch)
        if self.target_transform is not None:
            label = self._same_length("target_transform", self.target_transform(label), batch)
        return image, label

    def _pixels(self, rows: Any) -> np.ndarray:
        """The bytes of the images at `rows`, with a dimension for the channels: (1, 28, 28) or (B, 1, 28, 28)."""
        return np.expand_dims(self.data.array[rows], -3)

    def get_batch(self, indices: np.ndarray) -> tuple[Any, Any]:
        """``self[indices]``: how `DataLoader` fetches a batch, so that `transform` gets it whole."""
        return self[indices]

    def _same_length(self, function: str, result: Any, batch: tuple[int, ...]) -> Any:
        if batch and (not hasattr(result, "__len__") or len(result) != batch[0]):
            shape = getattr(result, "shape", type(result).__name__)
            raise ValueError(
                f"{type(self).__name__}: {function} returned {shape} for a batch of {batch[0]}; "
                "it is called with whole batches and must return one entry per image"
            )
        return result

    def _rows(self, index: Any) -> Any:
        """`index` as numpy takes it, all within bounds: a slice, or integers () or (B,)."""
        if isinstance(index, slice):
            return index
        name, count = type(self).__name__, len(self)
        rows = np.asarray(index.array if isinstance(index, Tensor) else index)
        if rows.dtype == bool and rows.shape == (count,):
            return np.flatnonzero(rows)
        if rows.size == 0 and rows.ndim == 1:
            return rows.astype(np.int64)  # numpy makes [] an array of floats
        if rows.dtype.kind not in "iu" or rows.ndim > 1:
            raise TypeError(
                f"{name}: the index is a {type(index).__name__} of shape {rows.shape} and type {rows.dtype}; "
                f"expected an integer, a slice, B integers in a list, array or tensor, or {count:,} bools"
            )
        if rows.min() < -count or rows.max() >= count:
            wrong = rows.min() if rows.min() < -count else rows.max()
            raise IndexError(f"{name}: index {wrong} is out of range for {count:,} images")
        return rows

    def _load(self, root: Path | None, download: bool | None) -> tuple[np.ndarray, np.ndarray, str, str]:
        """Images, labels, where they are from, and why they are not from somewhere earlier in the order."""
        name = type(self).__name__
        files = self.files[:2] if self.train else self.files[2:]
        part = "training" if self.train else "test"
        reasons = []
        for called, folder in _places(root):
            explicit = called != "cache"
            paths = self._find(folder, files)
            if not paths:
                if explicit:
                    reasons.append(f"{called} {folder} lacks {files[0].name} or {files[1].name}")
                continue
            try:
                images, labels = self._read(paths, files, exact=not explicit)
            except ValueError as error:
                if explicit:
                    way_out = f"Replace or delete this file, or choose another {called}"
                    raise ValueError(f"{name}: {error}. {way_out}") from error
                reasons.append(f"the cache is damaged, {error}")
                continue
            source = f"{len(images):,} {part} images from {paths[0].parent} ({called})"
            return images, labels, source, _because(reasons)

        if download is False:
            reasons.append("download=False")
        else:
            try:
                paths = self._download(root, files, in_haste=not download)
            except DownloadError as error:
                reasons.append(str(error))
                if download:
                    raise RuntimeError(f"{name}: no download{_because(reasons)}. {_WAYS_OUT}") from error
            else:
                images, labels = self._read(paths, files, exact=True)
                source = f"{len(images):,} {part} images, downloaded to {paths[0].parent}"
                return images, labels, source, _because(reasons)

        if not self.subset:
            raise RuntimeError(f"{name}: there are no files{_because(reasons)}. {_WAYS_OUT}")
        shipped = self.subset[:2] if self.train else self.subset[2:]
        images, labels = self._read([_SHIPPED / f"{file.name}.gz" for file in shipped], shipped, exact=True)
        source = f"{len(images):,} of the {files[0].count:,} {part} images, a subset that ships with tinynet"
        return images, labels, source, f"{_because(reasons)}. {_WAYS_OUT}"

    def _find(self, folder: Path, files: Sequence[IdxFile]) -> list[Path]:
        """Where `files` are, all in one of the subfolders that are looked into, or an empty list."""
        for subfolder in self.folders:
            paths = [path for file in files if (path := find_file(folder / subfolder, file))]
            if len(paths) == len(files):
                return paths
        return []

    def _read(self, paths: Sequence[Path], files: Sequence[IdxFile], *, exact: bool) -> tuple[np.ndarray, np.ndarray]:
        images, labels = (load_file(path, file, exact=exact) for path, file in zip(paths, files, strict=True))
        if len(images) != len(labels):
            raise ValueError(f"{paths[1]}: holds {len(labels):,} labels, but {paths[0]} holds {len(images):,} images")
        if (largest := labels.max()) >= len(self.classes):
            raise ValueError(f"{paths[1]}: holds the label {largest}, but labels are 0 to {len(self.classes) - 1}")
        return images, labels

    def _download(self, root: Path | None, files: Sequence[IdxFile], *, in_haste: bool) -> list[Path]:
        """Fetch `files` into `root` or the cache. In haste: not if no mirror answers at once."""
        folder = (root or _cache_folder()) / self.folders[0]
        mirrors = self.mirrors
        if in_haste:
            # Always for the same file, so that the test set need not wait again where the training set did.
            first = first_to_answer(tuple(f"{mirror}{self.files[0].name}.gz" for mirror in mirrors))
            if first is None:
                hosts = ", ".join(urlsplit(mirror).netloc for mirror in mirrors)
                raise DownloadError(f"no mirror answered ({hosts})")
            mirrors = tuple(sorted(mirrors, key=lambda mirror: not first.startswith(mirror)))
        paths = [folder / f"{file.name}.gz" for file in files]
        for path, file in zip(paths, files, strict=True):
            fetch(
                [f"{mirror}{path.name}" for mirror in mirrors],
                path,
                functools.partial(load_file, file=file, exact=True),
                # gzip makes what it can't compress larger by at most a few bytes in ten thousand
                max_bytes=math.prod(file.item_shape) * file.count + (1 << 16),
            )
        return paths


class FashionMNIST(MNIST):
    """70,000 pictures of clothes in the format of MNIST, harder to tell apart. All is as for `MNIST`, except:

    In a folder the files may lie directly, or under ``fashion-mnist/``, ``fashion_mnist/`` or
    ``FashionMNIST/raw/``. None ship with tinynet: with neither files nor a network this is a RuntimeError.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, https://arxiv.org/abs/1708.07747; MIT licence.
    """

    files = FASHION_FILES
    subset = ()
    folders = ("FashionMNIST/raw", "fashion-mnist", "fashion_mnist", ".")
    mirrors = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    )
    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


def _because(reasons: Sequence[str]) -> str:
    return f", because {'; '.join(reasons)}" if reasons else ""


def _cache_folder() -> Path:
    return Path(optional("platformdirs").user_cache_dir("tinynet"))


def _places(root: Path | None) -> Iterator[tuple[str, Path]]:
    """The folders to look into, in order, each with what it is called."""
    if root is not None:
        yield "root", root
    if from_environment := os.environ.get("TINYNET_DATA"):
        yield "TINYNET_DATA", Path(from_environment).expanduser()
    with contextlib.suppress(DownloadError):  # without platformdirs nothing was ever downloaded to the cache
        yield "cache", _cache_folder()
