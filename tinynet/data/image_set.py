"""`ImageSet`, the base class of data sets of labelled images that are held in memory."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import distributed
from ..creation import from_numpy
from ..tensor import Tensor
from .dataset import Dataset
from .download import DownloadError, Published, cache_folder, fetch

_WAYS_OUT = ("For all images: "
    "root=FOLDER or TINYNET_DATA=FOLDER with the files in it, or download=True")


class ImageSet(Dataset):
    """Base class: looks for the files of a data set, and makes tensors of its images and labels.

    ``dataset[i]`` is a pair of tensors: the image, float32 (C, H, W) from 0.0 to 1.0, and its
    label, int64 (). ``dataset[rows]`` is a whole batch at once, float32 (B, C, H, W) and
    int64 (B,); `rows` is a list, array or tensor of B integers, a mask or a slice. Pixels are
    divided by 255 when they are asked for, so that the set takes a byte per pixel and not four.

    The first of these that has the files is used, and a line on stderr says which, and why:

    1. the folder `root`;
    2. the folder that the environment variable TINYNET_DATA names;
    3. the user's cache folder for tinynet;
    4. mirrors on the internet; the files go under `root`, or into the cache without a `root`;
    5. a subset that ships with tinynet, if there is one.

    A subclass declares the class attributes below and defines `files_in`, `read` and `published`.

    Args:
        root: a folder, or None.
        train: the training part, or the test part.
        transform: called with the image of an item, (C, H, W), or with the images of a batch,
            (B, C, H, W); its result, which must have the same length, takes their place.
        target_transform: the same for the label, () or (B,).
        download: None: if nothing was found, try; a machine without a network finds out within
            seconds. True: what was not found must be downloaded, or it is an error. False: never
            use the network.

    Attributes:
        data: the pixels as they are in the files, uint8.
        targets: the labels, int64 (N,).
        classes: the name of each label.
        source: which images these are and where they are from, in words.

    Raises:
        ValueError: a file in `root` or TINYNET_DATA is damaged or not what its name says. (In
            the cache such a file is replaced.)
        RuntimeError: ``download=True`` failed, or there are neither files nor a subset.
    """

    folders: tuple[str, ...]  # where in a folder the files may lie; downloads go to the first
    mirrors: tuple[str, ...]  # addresses that a file's name is appended to
    classes: ClassVar[list[str]]

    def published(self) -> list[Published]:
        """The files of this part as the mirrors offer them."""
        raise NotImplementedError

    def files_in(self, place: Path) -> list[Path]:
        """The paths of this part's files in one of `folders`; empty unless all are there."""
        raise NotImplementedError

    def read(self, paths: Sequence[Path], exact: bool) -> tuple[np.ndarray, np.ndarray]:
        """The pixels, uint8 (N, ...), and labels (N,) in the files; ValueError if damaged.

        With `exact` the files must be the published ones; otherwise a user's own, with another
        number of images, will do.
        """
        raise NotImplementedError

    def shipped(self) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Pixels, labels and the size of the whole, of a subset inside tinynet; None without."""
        return None

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True,
                 transform: Callable[[Tensor], Any] | None = None,
                 target_transform: Callable[[Tensor], Any] | None = None,
                 download: bool | None = None):
        name, nothing, function = type(self).__name__, type(None), "a function of a tensor, or None"
        expected: dict[str, tuple[Any, Any, str]] = {
            "root": (root, (str, os.PathLike, nothing), "a folder, or None"),
            "train": (train, (bool, np.bool_), "True (training part) or False (test part)"),
            "transform": (transform, (Callable, nothing), function),
            "target_transform": (target_transform, (Callable, nothing), function),
            "download": (download, (bool, nothing), "None (try), True (insist) or False (never)")}
        for argument, (value, kinds, rule) in expected.items():
            if not isinstance(value, kinds):
                raise TypeError(f"{name}: {argument} is {value!r:.80}; expected {rule}")
        self.root = None if root is None else Path(root).expanduser()
        self.train, self.transform, self.target_transform = bool(train), transform, target_transform
        images, labels, self.source, because = self._load(download)
        self.data: Tensor = from_numpy(images)
        self.targets: Tensor = from_numpy(labels.astype(np.int64))
        _say_once(f"{name}: using {self.source}{because}")

    def __len__(self) -> int:
        return len(self.data.array)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(train={self.train}, {self.source})"

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        rows = self._rows(index)
        pixels = self.data.array[rows]
        if self.data.ndim == 3:  # grey images, without a dimension for the channels
            pixels = np.expand_dims(pixels, -3)
        image: Any = from_numpy(np.divide(pixels, np.float32(255), dtype=np.float32))
        label: Any = from_numpy(np.array(self.targets.array[rows]))  # a copy, also of a slice
        batch = label.shape  # () or (B,)
        if self.transform is not None:
            image = self._same_length("transform", self.transform(image), batch)
        if self.target_transform is not None:
            label = self._same_length("target_transform", self.target_transform(label), batch)
        return image, label

    def get_batch(self, indices: np.ndarray) -> tuple[Any, Any]:
        """``self[indices]``: how `DataLoader` fetches a batch, whole for `transform` too."""
        return self[indices]

    def _same_length(self, function: str, result: Any, batch: tuple[int, ...]) -> Any:
        if batch and (not hasattr(result, "__len__") or len(result) != batch[0]):
            given = f"{getattr(result, 'shape', type(result).__name__)} for a batch of {batch[0]}"
            rule = "it must return one entry per image of the batch"
            raise ValueError(f"{type(self).__name__}: {function} returned {given}; {rule}")
        return result

    def _rows(self, index: Any) -> Any:
        """`index` as numpy takes it, all within bounds: a slice, or integers () or (B,)."""
        if isinstance(index, slice):
            return index
        name, count = type(self).__name__, len(self)
        rows = np.asarray(index.array if isinstance(index, Tensor) else index)
        if rows.dtype == bool and rows.shape == (count,):
            return np.flatnonzero(rows)
        if rows.shape == (0,):
            return rows.astype(np.int64)  # numpy makes [] an array of floats
        if rows.dtype.kind not in "iu" or rows.ndim > 1:
            raise TypeError(f"{name}: the index is a {type(index).__name__} of shape {rows.shape} "
                f"and type {rows.dtype}; expected integers, a slice or {count:,} bools")
        for row in (rows.min(), rows.max()):
            if not -count <= row < count:
                raise IndexError(f"{name}: index {row} is out of range for {count:,} images")
        return rows

    def _load(self, download: bool | None) -> tuple[np.ndarray, np.ndarray, str, str]:
        """Pixels, labels, where they are from, and why not from an earlier place, in words."""
        name, part = type(self).__name__, "training" if self.train else "test"
        published, reasons = self.published(), list[str]()
        for place, folder in _places(self.root):
            in_each = (self.files_in(folder / subfolder) for subfolder in self.folders)
            if paths := next(filter(None, in_each), None):
                try:
                    images, labels = self.read(paths, exact=place == "cache")
                    source = f"{len(images):,} {part} images from {paths[0].parent} ({place})"
                    return images, labels, source, _because(reasons)
                except (ValueError, OSError) as error:
                    if place != "cache":
                        way_out = f"Replace or delete this file, or choose another {place}"
                        raise ValueError(f"{name}: {error}. {way_out}") from error
                    reasons.append(f"the cache is damaged, {error}")
            elif place != "cache":
                names = " or ".join(file.name for file in published)
                reasons.append(f"{place} {folder} lacks {names}")
        try:
            if download is False:
                raise DownloadError("download=False")
            folder = (self.root or cache_folder()) / self.folders[0]
            paths = fetch(published, self.mirrors, folder, in_haste=not download)
            images, labels = self.read(paths, exact=True)
            source = f"{len(images):,} {part} images, downloaded to {folder}"
            return images, labels, source, _because(reasons)
        except DownloadError as error:
            because = f"{_because([*reasons, str(error)])}. {_WAYS_OUT}"
            if download:
                raise RuntimeError(f"{name}: no download{because}") from error
        if (found := self.shipped()) is None:
            raise RuntimeError(f"{name}: there are no files{because}")
        images, labels, total = found
        source = f"{len(images):,} of the {total:,} {part} images, a subset that ships with tinynet"
        return images, labels, source, because

    def check_labels(self, labels: np.ndarray, where: str) -> None:
        """ValueError, which begins with `where`, if a label is the number of no class."""
        last = len(self.classes) - 1
        if (largest := labels.max()) > last:
            raise ValueError(f"{where}: holds the label {largest}, but labels are 0 to {last}")


def _because(reasons: Sequence[str]) -> str:
    return f", because {'; '.join(reasons)}" if reasons else ""


def _places(root: Path | None) -> Iterator[tuple[str, Path]]:
    """The folders to look into, in order, each with what it is called."""
    if root is not None:
        yield "root", root
    if from_environment := os.environ.get("TINYNET_DATA"):
        yield "TINYNET_DATA", Path(from_environment).expanduser()
    with contextlib.suppress(DownloadError):  # without platformdirs nothing was ever cached
        yield "cache", cache_folder()


@functools.cache
def _say_once(line: str) -> None:
    if not distributed.is_initialized() or distributed.get_rank() == 0:
        print(line, file=sys.stderr, flush=True)
