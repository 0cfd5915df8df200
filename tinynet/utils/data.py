"""Data in batches: `Dataset` says what a sample is, `DataLoader` puts samples into batches in some order."""

from __future__ import annotations

import bisect
import contextvars
import copy
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import creation
from ..backend import Generator, default_generator
from ..ops import shapes
from ..ops.dtypes import as_number
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


def _length(function: str, dataset: Any) -> int:
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise TypeError(f"{function}: a data set has a length and can be indexed; got {type(dataset).__name__}")
    return len(dataset)


def _indices(function: str, indices: Any) -> np.ndarray:
    if isinstance(indices, Tensor):
        indices = indices.numpy(force=True)
    try:
        array = np.asarray(indices)
    except ValueError:  # a list of lists of several lengths
        array = np.empty(0, object)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size) or array.dtype == object:
        raise TypeError(f"{function}: indices must be a sequence of ints, got {indices!r:.60}")
    return array.astype(np.int64)


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

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray):
        size = _length("Subset", dataset)
        self.dataset, self.indices = dataset, _indices("Subset", indices)
        if self.indices.size and not -size <= self.indices.min() <= self.indices.max() < size:
            raise IndexError(f"Subset: the indices must lie within the {size} samples")

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[int(self.indices[index])]

    def __len__(self) -> int:
        return len(self.indices)

    def get_batch(self, indices: np.ndarray) -> Any:
        """The samples at `indices` of this subset."""
        chosen = self.indices[indices]
        if hasattr(self.dataset, "get_batch"):
            return self.dataset.get_batch(chosen)
        return default_collate([self.dataset[int(i)] for i in chosen])  # anything with a length that can be indexed will do


class ConcatDataset(Dataset):
    """Several data sets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        if not isinstance(datasets, Iterable):
            raise TypeError(f"ConcatDataset: expected a sequence of data sets, got {type(datasets).__name__}")
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set")
        self._ends = list(itertools.accumulate(_length("ConcatDataset", d) for d in self.datasets))

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
    total = _length("random_split", dataset)
    if not isinstance(lengths, (tuple, list)):
        raise TypeError(f"random_split: lengths must be a sequence of numbers, got {type(lengths).__name__}")
    lengths = [as_number("random_split", "each of lengths", part, 0) for part in lengths]
    if sum(lengths) <= 1 and abs(sum(lengths) - 1) < 1e-9 and total != 1:
        sizes = [int(total * part) for part in lengths]
        for i in range(total - sum(sizes)):  # what rounding left over, one each
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(n) for n in lengths]
    if sum(sizes) != total:
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
        _length("DataLoader", dataset)
        self.dataset, self.num_workers, self.collate_fn = dataset, num_workers, collate_fn
        if sampler is None:
            sampler = RandomSampler(dataset, generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self.batch_size, self.drop_last, self.generator = batch_size, drop_last, generator
        drawn_by = getattr(batch_sampler, "sampler", batch_sampler)
        self._draws = generator or getattr(drawn_by or self.sampler, "generator", None) or default_generator
        self._pass: dict[str, Any] | None = None  # where the present pass over the data stands; None before and after one
        self._resume = False

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
        order, begun = self._order()
        for taken, batch in enumerate(self._ahead(order) if self.num_workers else map(self._fetch, order), begun["batches"] + 1):
            self._pass = {**begun, "batches": taken}
            yield batch
        self._pass = None

    def _order(self) -> tuple[Iterator[Any], dict[str, Any]]:
        """The indices to go through, and where that pass stands: a new one, or the rest of the one that was loaded."""
        begun = self._pass if self._resume else None
        self._resume = False
        now = self._draws.get_state()
        if begun is None:
            return iter(self.sampler if self.batch_sampler is None else self.batch_sampler), {"generator": now, "batches": 0}
        # The order is drawn again, from where the generator stood then, which has gone on since.
        self._draws.set_state(begun["generator"])
        order = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        for _ in itertools.islice(order, begun["batches"]):
            pass
        self._draws.set_state(now)
        return order, begun

    def state_dict(self) -> dict[str, Any]:
        """Where the latest pass over the data stands: how many batches were handed out, and how their order was drawn.

        Plain numbers, which `tinynet.save` can write. With `num_workers`, batches that were prepared ahead don't count, but the
        random numbers that a data set drew for them are gone.
        """
        return {
            "samples": len(self.dataset), "batch_size": self.batch_size, "pass": copy.deepcopy(self._pass),
            "generator": None if self._draws is default_generator else self._draws.get_state(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next pass go on with the batch after the last one that was handed out before `state_dict()`.

        The random generator that `manual_seed` seeds must also be brought to where it was, as `tinynet.Checkpoint` does; one of the
        loader's own is. ValueError if the number of samples or the batch size isn't that of the saved loader.
        """
        if not isinstance(state_dict, Mapping) or not {"samples", "batch_size", "pass", "generator"} <= set(state_dict):
            raise TypeError(f"DataLoader.load_state_dict: expected a dict as state_dict() makes it, got {state_dict!r:.80}")
        if (state_dict["generator"] is None) != (self._draws is default_generator):
            raise ValueError("DataLoader.load_state_dict: one of the loaders has a generator of its own, the other has not")
        for name, own in (("samples", len(self.dataset)), ("batch_size", self.batch_size)):
            if state_dict[name] != own:
                raise ValueError(
                    f"DataLoader.load_state_dict: the saved loader had {name} {state_dict[name]}, this one has {own}; the order of "
                    "the batches would be another"
                )
        if state_dict["generator"] is not None:
            self._draws.set_state(state_dict["generator"])
        self._pass = copy.deepcopy(state_dict["pass"])
        self._resume = self._pass is not None

    def _ahead(self, order: Iterator[Any]) -> Iterator[Any]:
        # a thread has grad modes of its own unless it is handed ours
        context = contextvars.copy_context()
        from concurrent.futures import Future, ThreadPoolExecutor  # takes as long to import as all of the rest here

        with ThreadPoolExecutor(self.num_workers, "tinynet-data") as workers:
            waiting: deque[Future[Any]] = deque()
            try:
                for indices in itertools.islice(order, 2 * self.num_workers):
                    waiting.append(workers.submit(context.copy().run, self._fetch, indices))
                while waiting:
                    batch = waiting.popleft().result()  # raises here what was raised in the worker
                    for indices in itertools.islice(order, 1):
                        waiting.append(workers.submit(context.copy().run, self._fetch, indices))
                    yield batch
            finally:
                for future in waiting:
                    future.cancel()
