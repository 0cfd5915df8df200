"""Data sets of a user's own images in folders, and one of made-up images."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import Generator
from ...ops.arguments import as_int
from ..transforms.functional import pillow, to_pil_image
from ..transforms.transforms import Function
from .image_set import VisionDataset

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "FakeData", "ImageFolder"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class DatasetFolder(VisionDataset):
    """Files ``root/class/.../name``: a folder for each class, with files at any depth.

    Args:
        root: the folder.
        loader: makes a sample of the path of a file.
        extensions: how the names of files end that are samples; give this or `is_valid_file`.
        transform, target_transform: called with each sample and with each label, an int.
        is_valid_file: a function of a path: whether the file is a sample.
        allow_empty: let a class have no files.

    Attributes:
        classes: the names of the folders, sorted; `class_to_idx` is the label of each.
        samples: the path and label of each sample; `targets` are the labels alone.

    FileNotFoundError if there is no folder or if a class has no files.
    """

    _bare: Any = staticmethod(lambda sample: sample)

    def __init__(self, root: str | os.PathLike[str], loader: Callable[[str], Any],
                 extensions: Sequence[str] | None = None,
                 transform: Function | None = None, target_transform: Function | None = None,
                 is_valid_file: Callable[[str], bool] | None = None, allow_empty: bool = False):
        name = type(self).__name__
        if (extensions is None) == (is_valid_file is None):
            raise ValueError(f"{name}: give either extensions or is_valid_file")
        endings = () if extensions is None else tuple(ending.lower() for ending in extensions)
        is_sample = is_valid_file or (lambda path: path.lower().endswith(endings))
        super().__init__(os.fspath(root), None, transform, target_transform)
        self.loader, self.extensions = loader, extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples: list[tuple[str, int]] = []
        for folder, label in self.class_to_idx.items():
            places = sorted(os.walk(os.path.join(root, folder)))
            found = [(path, label) for place, _, names in places
                for path in (os.path.join(place, n) for n in sorted(names)) if is_sample(path)]
            if not found and not allow_empty:
                kinds = f" that ends in {', '.join(endings)}" if endings else ""
                raise FileNotFoundError(f"{name}: {Path(root, folder)} has no file{kinds}; "
                    "remove the folder, or give allow_empty=True")
            self.samples += found
        self.targets = [label for _, label in self.samples]

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """The names of the folders in `directory`, sorted, and the label of each.

        A class of your own may choose others.
        """
        folders = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not folders:
            raise FileNotFoundError(
                f"{type(self).__name__}: {directory} has no folder; each class needs one")
        return folders, {name: label for label, name in enumerate(folders)}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self.samples[index]
        return self._changed(self.loader(path), label)


def default_loader(path: str) -> Any:
    """The file as a PIL image in RGB."""
    with pillow("Image").open(path) as image:
        return image.convert("RGB")


class ImageFolder(DatasetFolder):
    """Images ``root/class/.../name.png``: a folder for each class, with images at any depth.

    ``dataset[i]`` is an image and its label, an int: ``transform(image)`` of the PIL image in RGB
    or, without a transform, a tensor float32 (3, H, W) from 0.0 to 1.0. `DatasetFolder` says the
    rest; `loader` may read files in another way.
    """

    _bare = property(lambda self: VisionDataset._bare)

    def __init__(self, root: str | os.PathLike[str], transform: Function | None = None,
                 target_transform: Function | None = None, loader: Function = default_loader,
                 is_valid_file: Callable[[str], bool] | None = None, allow_empty: bool = False):
        super().__init__(root, loader, None if is_valid_file else IMG_EXTENSIONS,
            transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples


class FakeData(VisionDataset):
    """Images of noise with labels drawn at random, the same at every use.

    Args:
        size: the number of images.
        image_size: (C, H, W).
        num_classes: labels are 0 to num_classes - 1.
        transform, target_transform: as for `ImageFolder`.
        random_offset: image i is drawn from the seed ``i + random_offset``.
    """

    def __init__(self, size: int = 1000, image_size: tuple[int, int, int] = (3, 224, 224),
                 num_classes: int = 10, transform: Function | None = None,
                 target_transform: Function | None = None, random_offset: int = 0):
        self.size, self.image_size = as_int("FakeData", "size", size, 0), image_size
        self.num_classes = as_int("FakeData", "num_classes", num_classes, 1)
        self.random_offset = random_offset
        super().__init__(None, None, transform, target_transform)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: index {index} is out of range for {self.size} images")
        random = Generator().manual_seed(index + self.random_offset).numpy
        pixels = random.integers(0, 256, self.image_size, np.uint8).transpose(1, 2, 0)
        return self._changed(to_pil_image(pixels), int(random.integers(self.num_classes)))
