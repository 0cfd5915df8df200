"""Data in batches: `Dataset` says what a sample is, `DataLoader` puts samples into batches in some order."""

from __future__ import annotations

import bisect
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import creation
from ..backend import Generator, default_generator
from ..ops import shapes
from ..tensor import Tensor


class Dataset:
    """Something with a length and samples: subclasses define ``__len__`` and ``__getitem__(index)``.

    A subclass whose samples lie in arrays should also define ``get_batch(indices)``, which takes an array of ints and returns the
    batch of these samples at once; here it fetches one after the other and puts them together.
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
        if len({len(t) for t in tensors}) != 1:
            raise ValueError(f"TensorDataset: all tensors must have the same length, got {[len(t) for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def get_batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        """The rows at `indices`."""
        return self[indices]


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]):
        self.dataset, self.indices = dataset, np.asarray(indices, np.int64)
        size = len(dataset)
        if self.indices.size and not -size <= self.indices.min() <= self.indices.max() < size:
            raise IndexError(f"Subset: the indices must lie within the {size} samples")

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[int(self.indices[index])]

    def __len__(self) -> int:
        return len(self.indices)

    def get_batch(self, indices: np.ndarray) -> Any:
        """The samples at `indices` of this subset."""
        return self.dataset.get_batch(self.indices[indices])


class ConcatDataset(Dataset):
    """Several data sets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set")
        self._ends = list(itertools.accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        index %= len(self)
        number = bisect.bisect_right(self._ends, index)
        return self.datasets[number][index - (self._ends[number - 1] if number else 0)]

    def __len__(self) -> int:
        return self._ends[-1]


def random_split(dataset: Dataset, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """`dataset` divided at random into subsets of the given lengths, or of fractions of it that add up to 1."""
    total = len(dataset)
    if sum(lengths) <= 1 and abs(sum(lengths) - 1) < 1e-9 and total != 1:
        sizes = [int(total * part) for part in lengths]
        for i in range(total - sum(sizes)):  # what rounding left over, one each
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(n) for n in lengths]
    if sum(sizes) != total or min(sizes) < 0:
        raise ValueError(f"random_split: lengths {list(lengths)} don't add up to the {total} samples, nor to 1")
    order = (generator or default_generator).numpy.permutation(total)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(sizes)[:-1])]


def default_collate(samples: Sequence[Any]) -> Any:
    """Samples put together: numbers and arrays become tensors with a batch dimension, tuples and dicts are put together item by item."""
    first = samples[0]
    if isinstance(first, Tensor):
        return shapes.stack(list(samples))
    if isinstance(first, (np.ndarray, np.generic)):
        return creation.tensor(np.stack(samples))
    if isinstance(first, (bool, int, float)):
        # Python floats become float64 here, as in PyTorch, so that no label loses digits
        return creation.tensor(samples, dtype=np.float64 if any(isinstance(s, float) for s in samples) else None)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        if any(len(sample) != len(first) for sample in samples):
            raise ValueError("default_collate: all samples of a batch must have the same number of items")
        items = [default_collate(column) for column in zip(*samples, strict=True)]
        return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)
    if isinstance(first, (str, bytes)):
        return list(samples)
    raise TypeError(f"default_collate: can't put {type(first).__name__} samples into a batch; give the DataLoader a collate_fn")


class Sampler:
    """An order of samples: iterates over indices."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__()")


class SequentialSampler(Sampler):
    """From the first to the last."""

    def __init__(self, data_source: Any):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(SequentialSampler):
    """Every sample once, in an order that is drawn anew at each pass."""

    def __init__(self, data_source: Any, generator: Generator | None = None):
        super().__init__(data_source)
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        return iter((self.generator or default_generator).numpy.permutation(len(self.data_source)))


class BatchSampler(Sampler):
    """The indices of `sampler` in lists of `batch_size`; the last may be shorter, or is left out with `drop_last`."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"BatchSampler: batch_size must be an int from 1 up, got {batch_size!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, bool(drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        samples = len(self.sampler)  # type: ignore[arg-type]
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)


class DataLoader:
    """Iterates over a data set in batches.

    Args:
        dataset: a `Dataset`, or anything with a length that can be indexed.
        batch_size: samples in a batch; None gives the samples themselves.
        shuffle: in a new order at each pass, drawn from `generator` (by default the one that `manual_seed` seeds).
        sampler: an iterable of indices, instead of `shuffle`.
        batch_sampler: an iterable of lists of indices, instead of `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: so many threads prepare batches ahead, in the same order; 0 prepares each when it is asked for. With more
            than one, a data set that draws random numbers no longer draws them in a fixed order.
        collate_fn: puts a list of samples together; by default the data set's `get_batch` fetches whole batches.
        drop_last: leave out the last batch if it is incomplete.
        generator: for `shuffle`.

    >>> import tinynet
    >>> data = TensorDataset(tinynet.arange(5))
    >>> [batch.tolist() for (batch,) in DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
    ):
        if not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"DataLoader: num_workers must be an int from 0 up, got {num_workers!r}")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: give a sampler or shuffle=True, not both")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: a batch_sampler decides batch_size, shuffle, sampler and drop_last; leave those out")
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: without batches (batch_size=None) there is no last one to drop")
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(f"DataLoader: generator must be a tinynet.Generator, got {type(generator).__name__}")
        self.dataset, self.num_workers, self.collate_fn = dataset, num_workers, collate_fn
        self.sampler = sampler or (RandomSampler(dataset, generator) if shuffle else SequentialSampler(dataset))
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self.batch_size, self.drop_last, self.generator = batch_size, drop_last, generator

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def _fetch(self, indices: Any) -> Any:
        if self.batch_sampler is None:
            sample = self.dataset[int(indices)]
            return sample if self.collate_fn is None else self.collate_fn(sample)
        if self.collate_fn is None and hasattr(self.dataset, "get_batch"):
            return self.dataset.get_batch(np.asarray(indices, np.int64))
        return (self.collate_fn or default_collate)([self.dataset[int(i)] for i in indices])

    def __iter__(self) -> Iterator[Any]:
        order = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        return self._ahead(order) if self.num_workers else map(self._fetch, order)

    def _ahead(self, order: Iterator[Any]) -> Iterator[Any]:
        with ThreadPoolExecutor(self.num_workers, "tinynet-data") as workers:
            waiting: deque[Future[Any]] = deque()
            try:
                for indices in itertools.islice(order, 2 * self.num_workers):
                    waiting.append(workers.submit(self._fetch, indices))
                while waiting:
                    batch = waiting.popleft().result()  # raises here what was raised in the worker
                    for indices in itertools.islice(order, 1):
                        waiting.append(workers.submit(self._fetch, indices))
                    yield batch
            finally:
                for future in waiting:
                    future.cancel()
