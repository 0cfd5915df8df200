"""`Images` with labels in memory, and `ImageSet`, which finds the files of published ones."""

import contextlib
import functools
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ... import distributed
from ...creation import from_numpy
from ...data.dataset import Dataset
from ...tensor import Tensor
from ..transforms.transforms import Function, ToTensor, whole_batches
from ..transforms.functional import pillow
from .download import DownloadError, Published, cache_folder, fetch

__all__ = ["Images", "VisionDataset"]

_DATA = Path(__file__).parents[2] / "_data"
_PUBLISHED: dict[str, dict[str, Any]] = json.loads((_DATA / "published.json").read_text())
_WAYS_OUT = ("For all images: "
    "root=FOLDER or TINYNET_DATA=FOLDER with the files in it, or download=True")


class StandardTransform:
    """A transform of the image and one of the label as a transform of both."""

    def __init__(self, transform: Function | None = None, target_transform: Function | None = None):
        self.transform, self.target_transform = transform, target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        return (input if self.transform is None else self.transform(input),
            target if self.target_transform is None else self.target_transform(target))

    def __repr__(self) -> str:
        parts = {"Transform: ": self.transform, "Target transform: ": self.target_transform}
        return "\n".join(["StandardTransform", *[
            head + textwrap.indent(repr(part), " " * len(head)).lstrip()
            for head, part in parts.items() if part is not None]])


class VisionDataset(Dataset):
    """Base class of data sets of images, which print as torchvision's.

    Args:
        root: a folder, or None.
        transforms: a function of an image and its label that returns both; or, instead,
        transform, target_transform: a function of an image, and one of a label.

    These are attributes too. Subclasses define ``__len__``, ``__getitem__`` and, to print more,
    ``extra_repr``.
    """

    _bare: Any = ToTensor()  # what becomes of a PIL image without a transform

    def __init__(self, root: Any = None, transforms: Callable[..., Any] | None = None,
                 transform: Function | None = None, target_transform: Function | None = None):
        if transforms is not None and (transform or target_transform):
            raise ValueError(f"{type(self).__name__}: give transforms, or the other two")
        self.root, self.transform, self.target_transform = root, transform, target_transform
        self.transforms = transforms
        if transform or target_transform:
            self.transforms = StandardTransform(transform, target_transform)

    def _changed(self, image: Any, label: Any) -> tuple[Any, Any]:
        """A sample after the transform of the image, or what stands for it, and that of the label.
        """
        return StandardTransform(self.transform or self._bare, self.target_transform)(image, label)

    def extra_repr(self) -> str:
        """More lines for the text of a data set."""
        return ""

    def __repr__(self) -> str:
        root = [] if self.root is None else [f"Root location: {self.root}"]
        changes = [] if self.transforms is None else [repr(self.transforms)]
        lines = [f"Dataset {type(self).__name__}", f"Number of datapoints: {len(self)}", *root]
        return "\n    ".join([*lines, *self.extra_repr().splitlines(), *changes])


class Images(VisionDataset):
    """Images and their labels in memory.

    ``dataset[i]`` is an image and its label, an int. Without a `transform` the image is a tensor
    ready to train with: float32 (C, H, W) from 0.0 to 1.0. (torchvision, and so ``tinynet run``,
    hands out a PIL image.)
    With one it is ``transform(image)``, of the image as a PIL image. ``dataset[rows]`` is the batch
    of ``dataset[i]`` for each i in `rows`, a list, array or tensor of B integers, a mask or a
    slice; a `DataLoader` gets the same. If all transforms are tinynet's own, the batch is made as a
    whole, and without Pillow where that is possible.

    Args:
        data: the pixels, uint8: a tensor or an array (N, H, W) of grey images, or (N, H, W, 3).
        targets: the labels: a tensor, an array or a list of N ints.
        transform: called with each image as a PIL image; its result takes the image's place.
        target_transform: the same for the label, an int.

    These are attributes too, which may be replaced.
    """

    classes: ClassVar[Sequence[str]] = ()

    def __init__(self, data: Any, targets: Any, transform: Function | None = None,
                 target_transform: Function | None = None):
        super().__init__(getattr(self, "root", None), None, transform, target_transform)
        self.data, self.targets = data, targets

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        rows = self._rows(index)
        if rows.ndim:
            return self.get_batch(rows)
        label = int(_array_of(self.targets)[rows])
        if (whole := self._whole_images(rows[None])) is not None:
            return StandardTransform(None, self.target_transform)(whole[0], label)
        pixels = np.asarray(_array_of(self.data)[rows])
        if pixels.dtype != np.uint8:
            rule = "a transform needs data of uint8, of which PIL images are made"
            raise TypeError(f"{type(self).__name__}: data is {pixels.dtype}, but {rule}")
        return self._changed(pillow("Image").fromarray(pixels), label)

    def get_batch(self, indices: np.ndarray) -> list[Any]:
        """The samples at `indices` as a batch: how `DataLoader` fetches it."""
        rows = self._rows(indices)
        if self.target_transform is not None or (images := self._whole_images(rows)) is None:
            return super().get_batch(rows)
        labels = _array_of(self.targets)
        labels = labels[rows] if isinstance(labels, np.ndarray) else [labels[row] for row in rows]
        return [images, from_numpy(np.array(labels, np.int64))]

    def _whole_images(self, rows: np.ndarray) -> Tensor | None:
        """The images at `rows` after `transform`, if that can change whole batches."""
        change, pixels = whole_batches(self.transform or self._bare), _array_of(self.data)[rows]
        if change is None or pixels.dtype != np.uint8:
            return None
        return change(pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2))

    def _rows(self, index: Any) -> Any:
        """`index` as integers () or (B,), all within bounds."""
        if isinstance(index, slice):
            return np.arange(len(self))[index]
        if type(index) is int and -len(self) <= index < len(self):  # fast path
            return np.array(index)
        name, count = type(self).__name__, len(self)
        rows = np.asarray(index.array if isinstance(index, Tensor) else index)
        if rows.dtype == bool and rows.shape == (count,):
            return np.flatnonzero(rows)
        if rows.shape == (0,):
            return rows.astype(np.int64)  # numpy makes [] an array of floats
        if rows.dtype.kind not in "iu" or rows.ndim > 1:
            raise TypeError(f"{name}: the index is a {type(index).__name__} of shape {rows.shape} "
                f"and type {rows.dtype}; expected integers, a slice or {count:,} bools")
        for row in rows[(rows < -count) | (rows >= count)].flat:
            raise IndexError(f"{name}: index {row} is out of range for {count:,} images")
        return rows


class ImageSet(Images):
    """Base class of published data sets: looks for the files, and hands out `Images`.

    The first of these that has the files is used, and a line on stderr says which, and why:

    1. the folder `root`;
    2. the folder that the environment variable TINYNET_DATA names. If a `root` is given and neither
       has the files, that is an error, except with ``download=True``;
    3. the user's cache folder for tinynet;
    4. mirrors on the internet; the files go under `root`, or into the cache without a `root`;
    5. a subset that ships with tinynet, if there is one, but not with ``download=True``.

    A subclass declares the class attributes below and defines `files_in`, `read` and `published`.

    Args:
        root: a folder, or None.
        train: the training part, or the test part.
        transform: called with each image as a PIL image; its result takes the image's place.
        target_transform: the same for the label, an int.
        download: None: if nothing was found and no `root` is given, try; a machine without a
            network finds out within seconds. True: what was not found must be downloaded, or it is
            an error. False: never use the network.

    Attributes:
        data: the pixels, uint8: a tensor (N, H, W) of grey images, an array (N, H, W, 3) of colour
            images.
        targets: the labels: of grey images a tensor int64 (N,), of colour images a list of ints.
        classes: the name of each label; `class_to_idx` is the label of each name.
        source: which images these are and where they are from, in words.

    Raises:
        ValueError: a file in `root` or TINYNET_DATA is damaged or not what its name says. (In
            the cache such a file is replaced.)
        RuntimeError: a `root` is given but the files are not there, ``download=True`` failed, or
            there are neither files nor a subset.
    """

    folders: Sequence[str]  # where in a folder the files may lie; downloads go to the first
    mirrors: Sequence[str]  # addresses that a file's name is appended to

    def __init_subclass__(cls, published: str = "") -> None:
        """With `published`, take the class attributes of that name in published.json."""
        for attribute, value in _PUBLISHED[published].items() if published else ():
            setattr(cls, attribute, Published(*value) if attribute == "archive" else value)

    def published(self) -> list[Published]:
        """The files of this part as the mirrors offer them."""
        raise NotImplementedError

    def files_in(self, place: Path) -> list[Path]:
        """The paths of this part's files in one of `folders`; empty unless all are there."""
        raise NotImplementedError

    def read(self, paths: Sequence[Path], exact: bool) -> tuple[np.ndarray, np.ndarray]:
        """`data` and the labels, int64 (N,), in the files; ValueError if they are damaged.

        With `exact` the files must be the published ones; otherwise a user's own, with another
        number of images, will do.
        """
        raise NotImplementedError

    def shipped(self) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Pixels, labels and the size of the whole, of a subset inside tinynet; None without."""
        return None

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True,
                 transform: Function | None = None, target_transform: Function | None = None,
                 download: bool | None = None):
        name, nothing, function = type(self).__name__, type(None), "a function of an image, or None"
        expected: dict[str, tuple[Any, Any, str]] = {
            "root": (root, (str, os.PathLike, nothing), "a folder, or None"),
            "train": (train, (bool, np.bool_), "True (training part) or False (test part)"),
            "transform": (transform, (Callable, nothing), function),
            "target_transform": (target_transform, (Callable, nothing), "a function of a label"),
            "download": (download, (bool, nothing), "None (try), True (insist) or False (never)")}
        for argument, (value, kinds, rule) in expected.items():
            if not isinstance(value, kinds):
                raise TypeError(f"{name}: {argument} is {value!r:.80}; expected {rule}")
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        self.train = bool(train)
        images, labels, source, because = self._load(download)
        self.source, targets = f"{len(images):,} {source}", labels.astype(np.int64)
        grey = images.ndim == 3
        super().__init__(from_numpy(images) if grey else images,
            from_numpy(targets) if grey else targets.tolist(), transform, target_transform)
        _say_once(f"{name}: using {self.source}{because}")

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"

    def _load(self, download: bool | None) -> tuple[np.ndarray, np.ndarray, str, str]:
        """Pixels, labels, where they are from, and why not from an earlier place, in words."""
        name, what = type(self).__name__, f"{'training' if self.train else 'test'} images"
        published, reasons = self.published(), list[str]()
        named = self.root is not None and not download  # then the cache and the subset won't do
        for place, folder in _places(self.root, only=named):
            in_each = (self.files_in(folder / subfolder) for subfolder in self.folders)
            if paths := next(filter(None, in_each), None):
                try:
                    source = f"{what} from {paths[0].parent} ({place})"
                    return *self.read(paths, exact=place == "cache"), source, _because(reasons)
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
            if named:
                raise DownloadError("download=True would fetch them")
            folder = Path(self.root or cache_folder(), self.folders[0])
            paths = fetch(published, self.mirrors, folder, in_haste=not download)
            source = f"{what}, downloaded to {folder}"
            return *self.read(paths, exact=True), source, _because(reasons)
        except DownloadError as error:
            because = f"{_because([*reasons, str(error)])}. {_WAYS_OUT}"
            if download:
                raise RuntimeError(f"{name}: no download{because}") from error
        if named or (found := self.shipped()) is None:
            raise RuntimeError(f"{name}: there are no files{because}")
        total, source = found[2], f"{what}, a subset that ships with tinynet"
        return *found[:2], f"of the {total:,} {source}", because

    def check_labels(self, labels: np.ndarray, where: str) -> None:
        """ValueError, which begins with `where`, if a label is the number of no class."""
        last = len(self.classes) - 1
        if (largest := labels.max()) > last:
            raise ValueError(f"{where}: holds the label {largest}, but labels are 0 to {last}")


def _because(reasons: Sequence[str]) -> str:
    return f", because {'; '.join(reasons)}" if reasons else ""


def _array_of(data: Any) -> Any:
    return data.array if isinstance(data, Tensor) else data


def _places(root: str | os.PathLike[str] | None, only: bool) -> Iterator[tuple[str, Path]]:
    """The folders to look into, in order, each with what it is called.

    With `only`, those that the user has named: not the cache.
    """
    for place, folder in ("root", root), ("TINYNET_DATA", os.environ.get("TINYNET_DATA")):
        if folder:
            yield place, Path(folder).expanduser()
    if not only:
        with contextlib.suppress(DownloadError):  # without platformdirs nothing was ever cached
            yield "cache", cache_folder()


@functools.cache
def _say_once(line: str) -> None:
    if not distributed.is_initialized() or distributed.get_rank() == 0:
        print(line, file=sys.stderr, flush=True)
