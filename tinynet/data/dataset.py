"""Data sets: a length, and samples by index."""

import bisect
import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from types import GenericAlias
from typing import Any

import numpy as np

from .. import creation
from ..arrays import Device, Generator
from ..ops import shapes
from ..ops.arguments import array_of, as_list, as_number, as_random
from ..tensor import Tensor

__all__ = ["ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset",
    "TensorDataset", "default_collate", "default_convert", "random_split"]


def length_of(function: str, dataset: Any) -> int:
    """``len(dataset)``; TypeError unless `dataset` has a length and can be indexed.

    What the data set's own ``__len__`` raises passes through.
    """
    kind = dataset if isinstance(dataset, type) else type(dataset)
    indexable = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    if not indexable or kind is dataset or getattr(dataset, "ndim", 1) == 0:
        rule = "a data set has a length and can be indexed"
        raise TypeError(f"{function}: {rule}; got {kind.__name__}")
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

    __class_getitem__: Any = classmethod(GenericAlias)  # Dataset[int], in annotations and as a base

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__()")

    def __len__(self) -> int:
        # of this class, so that list() reads a data set without it item by item
        raise TypeError(f"{type(self).__name__} does not define __len__()")

    def get_batch(self, indices: np.ndarray) -> Any:
        """The samples at `indices`, as a batch."""
        return default_collate([self[int(i)] for i in indices])

    def __add__(self, other: "Dataset") -> "Dataset":
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Base class of data that comes as a stream: subclasses define ``__iter__()`` over samples.

    A `DataLoader` reads one stream, whatever its `num_workers`. (PyTorch reads one in each worker,
    so that samples come several times unless the data set shares them out.)
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__()")

    def __add__(self, other: Dataset) -> Dataset:
        return ChainDataset([self, other])

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} does not define __len__()")


class ChainDataset(IterableDataset):
    """The samples of several streams, one stream after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = as_list("ChainDataset", "datasets", datasets)
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError("ChainDataset: each of datasets must be an IterableDataset, got "
                    f"{type(dataset).__name__}; ConcatDataset is for those with a length")

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(map(len, self.datasets))


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

    def get_batch(self, indices: np.ndarray) -> list[Tensor]:
        """The rows at `indices`. For tensors on a GPU, the indices are uploaded once for all."""
        devices = {tensor.device for tensor in self.tensors}
        if devices == {Device("cpu")}:
            return list(self[indices])
        # Checked here, because a GPU would wrap an index out of range around silently.
        _within("TensorDataset", indices, len(self))
        rows = {device: creation.tensor(indices, device=device) for device in devices}
        return [tensor[rows[tensor.device]] for tensor in self.tensors]


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray):
        size = length_of("Subset", dataset)
        self.dataset, self.indices = dataset, as_given("Subset", indices)
        _within("Subset", as_indices("Subset", self.indices), size)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[int(self.indices[index])]

    def __len__(self) -> int:
        return len(self.indices)

    def get_batch(self, indices: np.ndarray) -> Any:
        """The samples at `indices` of this subset."""
        return fetch_batch(self.dataset, np.array([int(self.indices[i]) for i in indices]))


def fetch_batch(dataset: Any, indices: np.ndarray) -> Any:
    """The samples at `indices` as a batch, by ``get_batch`` if `dataset` defines it.

    A subclass that defines ``__getitem__`` anew means all its samples, so the ``get_batch`` of its
    base class is not used.
    """
    names = (name for kind in type(dataset).__mro__ for name in ("get_batch", "__getitem__")
        if name in vars(kind))
    whole = next(names, None) == "get_batch"
    return dataset.get_batch(indices) if whole else Dataset.get_batch(dataset, indices)


def as_given(function: str, indices: Any) -> Any:
    """`indices` themselves, which programs read and change; a list, if they can't be indexed."""
    return indices if hasattr(indices, "__getitem__") else as_list(function, "indices", indices)


def as_indices(function: str, indices: Any) -> np.ndarray:
    """`indices` as an int64 array (N,); TypeError unless they are a sequence of ints."""
    items = indices.numpy(force=True) if isinstance(indices, Tensor) else indices
    array = items if isinstance(items, np.ndarray) else array_of(
        as_list(function, "indices", items))
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
        self.cumulative_sizes = [*itertools.accumulate(lengths)]

    def __getitem__(self, index: int) -> Any:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {size} samples")
        number = bisect.bisect_right(self.cumulative_sizes, index % size)
        return self.datasets[number][index % size - [0, *self.cumulative_sizes][number]]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class StackDataset(Dataset):
    """Samples put together from data sets of one length.

    Sample i is ``(datasets[0][i], datasets[1][i], ...)``; of data sets given by name, a dict.

    >>> StackDataset([1, 2], [3, 4])[1], StackDataset(image=[1, 2], label=[3, 4])[0]
    ((2, 4), {'image': 1, 'label': 3})
    """

    def __init__(self, *datasets: Any, **named: Any):
        if bool(datasets) is bool(named):
            raise ValueError("StackDataset: expected data sets, either all or none of them by name")
        self.datasets = named or datasets
        lengths = [length_of("StackDataset", dataset) for dataset in (*datasets, *named.values())]
        if len(set(lengths)) != 1:
            raise ValueError(f"StackDataset: all data sets must have one length, got {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        return self._length


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
    fractions = sum(parts) <= 1 and abs(sum(parts) - 1) < 1e-9 and total != 1
    sizes = [int(total * part if fractions else part) for part in parts]
    for i in range(total - sum(sizes) if fractions else 0):
        sizes[i % len(sizes)] += 1
    if sum(sizes) != total:
        raise ValueError(f"random_split: lengths {parts} don't add up to the {total} samples or 1")
    places = np.split(random.permutation(total), np.cumsum(sizes)[:-1])
    return [Subset(dataset, place.tolist()) for place in places]


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples together to a batch.

    Numbers, arrays and tensors become tensors with a batch dimension in front. Tuples, lists and
    dicts are put together item by item; a plain tuple becomes a list. Strings and bytes stay
    what they are. Python floats become float64, as in PyTorch, so that no label loses digits.

    Raises:
        TypeError: samples of another type.
        ValueError: the samples differ in shape or in their number of items.
    """
    if not len(batch):
        raise ValueError("default_collate: there are no samples to put together")
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray, np.generic)):
        if len(sizes := {tuple(np.shape(sample)) for sample in batch}) > 1:
            raise ValueError(f"default_collate: samples must have one shape, got {sorted(sizes)}")
        of_tensors = isinstance(first, Tensor)
        return shapes.stack(list(batch)) if of_tensors else creation.tensor(np.stack(batch))
    if isinstance(first, (bool, int, float)):
        has_float = any(isinstance(sample, float) for sample in batch)
        return creation.tensor(batch, dtype=np.float64 if has_float else None)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({*map(len, batch)}) > 1:
            raise ValueError("default_collate: samples must have the same number of items")
        items = [default_collate(column) for column in zip(*batch, strict=True)]
        return items if type(first) is tuple else sequence_like(first, items)
    if isinstance(first, (str, bytes)):
        return batch
    raise TypeError(f"default_collate: can't put {type(first).__name__} samples into a batch")


def default_convert(data: Any) -> Any:
    """`data` with its arrays, in tuples, lists and dicts at any depth, as tensors.

    A plain tuple becomes a list.
    """
    if type(data) is tuple:
        return [default_convert(item) for item in data]
    return map_items(data, lambda item: creation.tensor(item)
        if isinstance(item, (np.ndarray, np.generic)) and item.dtype.kind in "biuf" else item)


def map_items(batch: Any, change: Callable[[Any], Any]) -> Any:
    """`batch` with ``change(item)`` for each item in its tuples, lists and dicts, at any depth.

    Containers keep their class.
    """
    if isinstance(batch, Mapping):
        # A copy keeps what the class needs beside the items, such as defaultdict's factory.
        filled = copy.copy(batch) if isinstance(batch, MutableMapping) else {}
        filled.update({key: map_items(value, change) for key, value in batch.items()})
        return filled
    if isinstance(batch, (tuple, list)):
        return sequence_like(batch, [map_items(item, change) for item in batch])
    return change(batch)


def map_tensors(batch: Any, change: Callable[[Tensor], Any]) -> Any:
    """`batch` with ``change(t)`` for each tensor t in its tuples, lists and dicts, at any depth."""
    return map_items(batch, lambda item: change(item) if isinstance(item, Tensor) else item)


def sequence_like(sequence: Any, items: list[Any]) -> Any:
    """`items` as a sequence of the same class: list, tuple or named tuple."""
    kind = type(sequence)
    return kind(*items) if hasattr(sequence, "_fields") else kind(items)
