"""Data sets: a length, and samples by index."""

import bisect
import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import creation
from ..arrays import Device, Generator
from ..ops import shapes
from ..ops.arguments import array_of, as_list, as_number, as_random
from ..tensor import Tensor

__all__ = ["ConcatDataset", "Dataset", "Subset", "TensorDataset", "default_collate", "random_split"]


def length_of(function: str, dataset: Any) -> int:
    """``len(dataset)``; TypeError unless `dataset` has a length and can be indexed.

    What the data set's own ``__len__`` raises passes through.
    """
    indexable = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    if not indexable or isinstance(dataset, type) or getattr(dataset, "ndim", 1) == 0:
        given = dataset.__name__ if isinstance(dataset, type) else type(dataset).__name__
        raise TypeError(f"{function}: a data set has a length and can be indexed; got {given}")
    return len(dataset)


def _within(function: str, indices: np.ndarray, size: int) -> None:
    if len(indices) and not -size <= indices.min() <= indices.max() < size:
        raise IndexError(f"{function}: the indices must lie within the {size} samples")


class Dataset:
    """Base class of data sets: subclasses define ``__len__`` and ``__getitem__(index)``.

    A subclass whose samples lie in arrays should also define ``get_batch(indices)``, which takes
    an int64 array (B,) and returns these B samples as one batch. The one defined here fetches
    sample by sample and calls `default_collate`.
    """

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__()")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not define __len__()")

    def get_batch(self, indices: np.ndarray) -> Any:
        """The samples at `indices`, as a batch."""
        return default_collate([self[int(i)] for i in indices])


class TensorDataset(Dataset):
    """Samples that are rows of tensors: sample i is ``(tensors[0][i], tensors[1][i], ...)``."""

    def __init__(self, *tensors: Tensor):
        if not tensors or not all(isinstance(t, Tensor) and t.ndim for t in tensors):
            raise TypeError("TensorDataset: expected tensors with at least one dim")
        lengths = [len(t) for t in tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"TensorDataset: all tensors must have the same length, got {lengths}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def get_batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        """The rows at `indices`. For tensors on a GPU, the indices are uploaded once for all."""
        devices = {tensor.device for tensor in self.tensors}
        if devices == {Device("cpu")}:
            return self[indices]
        # Checked here, because a GPU would wrap an index out of range around silently.
        _within("TensorDataset", indices, len(self))
        rows = {device: creation.tensor(indices, device=device) for device in devices}
        return tuple(tensor[rows[tensor.device]] for tensor in self.tensors)


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray):
        size = length_of("Subset", dataset)
        self.dataset, self.indices = dataset, _as_indices("Subset", indices)
        _within("Subset", self.indices, size)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[int(self.indices[index])]

    def __len__(self) -> int:
        return len(self.indices)

    def get_batch(self, indices: np.ndarray) -> Any:
        """The samples at `indices` of this subset."""
        return fetch_batch(self.dataset, self.indices[indices])


def fetch_batch(dataset: Any, indices: np.ndarray) -> Any:
    """The samples at `indices` as a batch, also where the data set has no ``get_batch``."""
    return getattr(dataset, "get_batch", partial(Dataset.get_batch, dataset))(indices)


def _as_indices(function: str, indices: Any) -> np.ndarray:
    """`indices` as an int64 array (N,); TypeError unless they are a sequence of ints."""
    if isinstance(indices, Tensor):
        indices = indices.numpy(force=True)
    array = indices if isinstance(indices, np.ndarray) else array_of(
        as_list(function, "indices", indices))
    if array is None or array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise TypeError(f"{function}: indices must be a sequence of ints, got {indices!r:.60}")
    return array.astype(np.int64)


class ConcatDataset(Dataset):
    """Several data sets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = as_list("ConcatDataset", "datasets", datasets)
        if any(isinstance(dataset, Tensor) for dataset in self.datasets):
            raise TypeError("ConcatDataset: datasets must be data sets, got a tensor")
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets must hold at least one data set, got none")
        lengths = [length_of("ConcatDataset", dataset) for dataset in self.datasets]
        self._ends = list(itertools.accumulate(lengths))

    def __getitem__(self, index: int) -> Any:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {size} samples")
        number = bisect.bisect_right(self._ends, index % size)
        return self.datasets[number][index % size - (self._ends[number - 1] if number else 0)]

    def __len__(self) -> int:
        return self._ends[-1]


def random_split(dataset: Dataset, lengths: Sequence[float],
                 generator: Generator | None = None) -> list[Subset]:
    """Divide `dataset` at random into subsets.

    Args:
        dataset: anything with a length that can be indexed.
        lengths: of the subsets: ints that add up to the number of samples, or fractions that
            add up to 1; the samples that rounding leaves over go to the first subsets, one each.
        generator: where the order is drawn from; by default the one that `manual_seed` seeds.
    """
    total = length_of("random_split", dataset)
    random = as_random("random_split", generator)
    parts = as_list("random_split", "lengths", lengths)
    parts = [as_number("random_split", "each of lengths", part, 0) for part in parts]
    # Of a single sample, [1] is a number of samples and not a fraction.
    if sum(parts) <= 1 and abs(sum(parts) - 1) < 1e-9 and total != 1:
        sizes = [int(total * part) for part in parts]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(part) for part in parts]
    if sum(sizes) != total:
        raise ValueError(f"random_split: lengths {parts} don't add up to the {total} samples or 1")
    parts = np.split(random.permutation(total), np.cumsum(sizes)[:-1])
    return [Subset(dataset, part) for part in parts]


def default_collate(samples: Sequence[Any]) -> Any:
    """Put samples together to a batch.

    Numbers, arrays and tensors become tensors with a batch dimension in front. Tuples, lists and
    dicts are put together item by item. Strings and bytes become a list. Python floats become
    float64, as in PyTorch, so that no label loses digits.

    Raises:
        TypeError: samples of another type.
        ValueError: the samples differ in shape or in their number of items.
    """
    first = samples[0]
    if isinstance(first, (Tensor, np.ndarray, np.generic)):
        if len(sizes := {tuple(np.shape(sample)) for sample in samples}) > 1:
            raise ValueError(f"default_collate: samples must have one shape, got {sorted(sizes)}")
        if isinstance(first, Tensor):
            return shapes.stack(list(samples))
        return creation.tensor(np.stack(samples))
    if isinstance(first, (bool, int, float)):
        has_float = any(isinstance(sample, float) for sample in samples)
        return creation.tensor(samples, dtype=np.float64 if has_float else None)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        if any(len(sample) != len(first) for sample in samples):
            raise ValueError("default_collate: samples must have the same number of items")
        return sequence_like(first, [default_collate(c) for c in zip(*samples, strict=True)])
    if isinstance(first, (str, bytes)):
        return list(samples)
    raise TypeError(f"default_collate: can't put {type(first).__name__} samples into a batch")


def sequence_like(sequence: Any, items: list[Any]) -> Any:
    """`items` as a sequence of the same class: list, tuple or named tuple."""
    kind = type(sequence)
    return kind(*items) if hasattr(sequence, "_fields") else kind(items)
