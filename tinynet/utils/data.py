"""Data in batches: `Dataset` says what a sample is, `DataLoader` puts samples into batches in some order."""

from __future__ import annotations

import bisect
import contextvars
import copy
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from .. import creation
from ..arrays.devices import Device, load_cupy
from ..arrays.gpu import send
from ..arrays.random import Generator, default_generator, drawing_from
from ..ops import shapes
from ..ops.arguments import as_number, in_own_name
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
        """The rows at `indices`. Where tensors are on a GPU, these are uploaded once, for all of its tensors."""
        devices = {tensor.device for tensor in self.tensors}
        if devices == {Device("cpu")}:
            return self[indices]
        if len(indices) and not -len(self) <= indices.min() <= indices.max() < len(self):  # a GPU would wrap round silently
            raise IndexError(f"TensorDataset: the indices must lie within the {len(self)} samples")
        rows = {device: creation.tensor(indices, device=device) for device in devices}
        return tuple(tensor[rows[tensor.device]] for tensor in self.tensors)


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order."""

    @in_own_name
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

    @in_own_name
    def __init__(self, datasets: Iterable[Dataset]):
        if not isinstance(datasets, Iterable):
            raise TypeError(f"ConcatDataset: expected a sequence of data sets, got {type(datasets).__name__}")
        self.datasets = list(datasets)
        if any(isinstance(dataset, Tensor) for dataset in self.datasets):
            raise TypeError("ConcatDataset: datasets must be data sets, not tensors; make one of tensors with TensorDataset(...)")
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets must hold at least one data set, got none")
        self._ends = list(itertools.accumulate(_length("ConcatDataset", d) for d in self.datasets))

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        index %= len(self)
        number = bisect.bisect_right(self._ends, index)
        return self.datasets[number][index - (self._ends[number - 1] if number else 0)]

    def __len__(self) -> int:
        return self._ends[-1]


@in_own_name
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

    @in_own_name
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


class DistributedSampler(Sampler):
    """This rank's share of a data set, for a program that runs on several ranks; every rank gets as many samples as the others.

    Args:
        dataset: anything with a length.
        num_replicas: how many shares there are, and
        rank: which of them this is; by default what `tinynet.distributed` says.
        shuffle: in another order in each epoch. The order follows from `seed` and the epoch alone, so it is the same on all ranks.
        seed: see there; the same on all ranks.
        drop_last: where the shares would differ, leave out the last samples. Otherwise the first ones are repeated to fill up.

    Call `set_epoch` before each epoch, or all will have the order of the first. The shares are dealt out like cards: k ranks with batches of B
    samples take together, step by step, what one rank with batches of k·B would take.

    >>> [list(DistributedSampler(range(5), num_replicas=2, rank=rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self, dataset: Any, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True, seed: int = 0,
        drop_last: bool = False,
    ):
        from ..distributed import group as distributed

        if num_replicas is None:
            num_replicas = distributed.current_group("DistributedSampler").size
        if rank is None:
            rank = distributed.current_group("DistributedSampler").rank
        for name, value, least in (("num_replicas", num_replicas, 1), ("rank", rank, 0), ("seed", seed, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"DistributedSampler: {name} must be an int from {least} up, got {value!r}")
        if rank >= num_replicas:
            raise ValueError(f"DistributedSampler: rank must be from 0 to num_replicas - 1 = {num_replicas - 1}, got {rank}")
        length = _length("DistributedSampler", dataset)
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last = bool(shuffle), seed, bool(drop_last)
        self.epoch = 0
        self.num_samples = length // num_replicas if drop_last else -(-length // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass is, an int from 0 up: with `shuffle`, each has an order of its own."""
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
            raise ValueError(f"DistributedSampler.set_epoch: expected an int from 0 up, got {epoch!r}")
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        length = len(self.dataset)
        order = Generator().manual_seed(self.seed + self.epoch).numpy.permutation(length) if self.shuffle else np.arange(length)
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples


def _drawn_from(generator: Generator, items: Iterator[Any]) -> Iterator[Any]:
    """`items`; what is drawn from the default generator for them comes from this one."""
    while True:
        with drawing_from(generator):
            found = list(itertools.islice(items, 1))
        if not found:
            return
        yield found[0]


def _with_tensors(batch: Any, change: Callable[[Tensor], Any]) -> Any:
    """`batch` with each tensor in its tuples, lists and dicts changed; whatever else is in it stays."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        changed = {key: _with_tensors(value, change) for key, value in batch.items()}
        if not isinstance(batch, MutableMapping):
            return changed
        filled = copy.copy(batch)  # of its own class, whatever that needs to be made
        filled.update(changed)
        return filled
    if isinstance(batch, (tuple, list)):
        items = [_with_tensors(item, change) for item in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
    return batch


def _send_batch(batch: Any, device: Device) -> Callable[[], Any]:
    """Start moving the tensors of `batch` to a GPU, all in one transfer; calling what is returned gives the batch there."""
    tensors: list[Tensor] = []
    _with_tensors(batch, tensors.append)

    def travels(tensor: Tensor) -> bool:
        return tensor.device.type == "cpu" and not tensor.requires_grad  # else .to() moves it, as an operation with a gradient

    arrays = [tensor.array for tensor in tensors if travels(tensor)]
    arrive = send(arrays, device) if arrays else list

    def there() -> Any:
        arrived = iter(arrive())
        return _with_tensors(batch, lambda tensor: Tensor._wrap(next(arrived)) if travels(tensor) else tensor.to(device))

    return there


def _one_ahead(batches: Iterable[Any], device: Device) -> Iterator[Any]:
    """`batches` on a GPU. Each is on its way when the one before it is handed out, and travels while that is computed with."""
    travelling: deque[Callable[[], Any]] = deque()
    try:
        try:
            for batch in batches:
                travelling.append(_send_batch(batch, device))
                if len(travelling) > 1:
                    yield travelling.popleft()()
        except Exception:  # of the batch after those that are travelling
            while travelling:
                yield travelling.popleft()()
            raise
        while travelling:
            yield travelling.popleft()()
    finally:
        for arrive in travelling:  # broken off
            arrive()


class DataLoader:
    """Iterates over a data set in batches.

    Args:
        dataset: a `Dataset`, or anything with a length that can be indexed.
        batch_size: samples in a batch; None gives the samples themselves.
        shuffle: in a new order at each pass, drawn from `generator` (by default the one that `manual_seed` seeds).
        sampler: an iterable of indices, instead of `shuffle`.
        batch_sampler: an iterable of lists of indices, instead of `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: so many threads prepare batches ahead, in the same order; 0 prepares each when it is asked for. A data set
            that draws random numbers draws the same ones: while a batch is prepared, the default generator is one of its own, which
            follows from the loader's generator, the pass and the number of the batch.
        collate_fn: puts a list of samples together; by default the data set's `get_batch` fetches whole batches.
        drop_last: leave out the last batch if it is incomplete.
        generator: for `shuffle`.
        device: where the tensors in a batch (in tuples, lists and dicts, however nested) shall be; by default where the data set has them.
            For a GPU a batch is uploaded as a whole, while the one before it is computed with, and nothing waits for it but the GPU.

    >>> import tinynet
    >>> data = TensorDataset(tinynet.arange(5))
    >>> [batch.tolist() for (batch,) in DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    @in_own_name
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
        device: Any = None,
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
        self.device = None if device is None else Device(device)
        if self.device is not None and self.device.type == "cuda":
            load_cupy(self.device.index or 0)  # what is missing is said here, and not at the first batch
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
        of_sampler = getattr(drawn_by or self.sampler, "generator", None)
        self._draws = generator or (of_sampler if isinstance(of_sampler, Generator) else default_generator)
        self._pass: dict[str, Any] | None = None  # where the present pass over the data stands; None before and after one
        self._resume = False

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def _prepare(self, generator: Generator, indices: Any) -> Any:
        with drawing_from(generator):
            return self._fetch(indices)

    def _fetch(self, indices: Any) -> Any:
        if self.batch_sampler is None:
            sample = self.dataset[int(indices)]
            return sample if self.collate_fn is None else self.collate_fn(sample)
        if self.collate_fn is None and hasattr(self.dataset, "get_batch"):
            return self.dataset.get_batch(np.asarray(indices, np.int64))
        return (self.collate_fn or default_collate)([self.dataset[int(i)] for i in indices])

    def __iter__(self) -> Iterator[Any]:
        order, begun = self._order()
        batches = self._ahead(order) if self.num_workers else itertools.starmap(self._prepare, order)
        for taken, batch in enumerate(self._on_device(batches), begun["batches"] + 1):
            self._pass = {**begun, "batches": taken}
            yield batch
        self._pass = None

    def _on_device(self, batches: Iterator[Any]) -> Iterator[Any]:
        device = self.device
        if device is None:
            return batches
        if device.type == "cuda":
            return _one_ahead(batches, device)
        return (_with_tensors(batch, lambda tensor: tensor.to(device)) for batch in batches)

    def _order(self) -> tuple[Iterator[tuple[Generator, Any]], dict[str, Any]]:
        """For each batch to go through, the generator that it draws from and the indices; and where that pass stands: at the beginning of
        a new one, or where the one that was loaded was left."""
        begun = self._pass if self._resume else None
        self._resume = False
        now = self._draws.get_state()
        if begun is not None:  # the order is drawn again, from where the generator stood then, which has gone on since
            self._draws.set_state(begun["generator"])
        family = self._draws.spawn()
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        # A shuffled order is drawn whole with the first indices. A sampler that draws as it goes would do so at moments that depend on how
        # many batches are prepared ahead: it goes on with a generator of its own.
        first = list(itertools.islice(indices, 1))
        order = enumerate(itertools.chain(first, _drawn_from(family(0), indices)), 1)
        for _ in itertools.islice(order, begun["batches"] if begun else 0):
            pass
        if begun is not None:
            self._draws.set_state(now)
        # ranks that share a batch draw different numbers for their parts of it
        shares, share = (self.sampler.num_replicas, self.sampler.rank) if isinstance(self.sampler, DistributedSampler) else (1, 0)
        return ((family(number * shares + share), found) for number, found in order), begun or {"generator": now, "batches": 0}

    def state_dict(self) -> dict[str, Any]:
        """Where the latest pass over the data stands: how many batches were handed out, and how their order was drawn.

        Plain numbers, which `tinynet.save` can write. Batches that were prepared ahead don't count.
        """
        return {
            "samples": len(self.dataset), "batch_size": self._batch_of_all_ranks(), "pass": copy.deepcopy(self._pass),
            "generator": None if self._draws is default_generator else self._draws.get_state(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next pass go on with the batch after the last one that was handed out before `state_dict()`.

        The random generator that `manual_seed` seeds must also be brought to where it was, as `tinynet.Checkpoint` does; one of the
        loader's own is. ValueError if the number of samples or the batch size isn't that of the saved loader.

        With a `DistributedSampler` it is the batch of all ranks together that counts, so the number of ranks may change; if the batch changes
        too, because it doesn't divide by that number, the pass goes on at the last of the new batches that begins no later.
        """
        if not isinstance(state_dict, Mapping) or not {"samples", "batch_size", "pass", "generator"} <= set(state_dict):
            raise TypeError(f"DataLoader.load_state_dict: expected a dict as state_dict() makes it, got {state_dict!r:.80}")
        if (state_dict["generator"] is None) != (self._draws is default_generator):
            raise ValueError("DataLoader.load_state_dict: one of the loaders has a generator of its own, the other has not")
        for name, own in (("samples", len(self.dataset)), ("batch_size", self._batch_of_all_ranks())):
            if state_dict[name] != own and not (name == "batch_size" and isinstance(self.sampler, DistributedSampler)):
                raise ValueError(
                    f"DataLoader.load_state_dict: the saved loader had {name} {state_dict[name]}, this one has {own}; the order of "
                    "the batches would be another"
                )
        begun = state_dict["pass"]
        if begun is not None:
            if not isinstance(begun, Mapping) or set(begun) != {"generator", "batches"} or type(begun["batches"]) is not int or begun["batches"] < 0:
                raise ValueError(f"DataLoader.load_state_dict: pass must say a number of batches and a generator's state, got {begun!r:.80}")
            Generator().set_state(begun["generator"])  # what is wrong with it is said now, and not when the pass goes on
        if state_dict["generator"] is not None:
            self._draws.set_state(state_dict["generator"])
        self._pass = copy.deepcopy(state_dict["pass"])
        self._resume = self._pass is not None
        if self._pass is not None and state_dict["batch_size"] != self._batch_of_all_ranks():
            self._pass["batches"] = self._pass["batches"] * state_dict["batch_size"] // self._batch_of_all_ranks()

    def _batch_of_all_ranks(self) -> Any:
        if self.batch_sampler is None or not isinstance(self.sampler, DistributedSampler):
            return self.batch_size
        return (self.batch_size or 1) * self.sampler.num_replicas

    def _ahead(self, order: Iterator[tuple[Generator, Any]]) -> Iterator[Any]:
        # a thread has grad modes of its own unless it is handed ours
        context = contextvars.copy_context()
        from concurrent.futures import (  # takes as long to import as all of the rest here
            Future,
            ThreadPoolExecutor,
        )

        with ThreadPoolExecutor(self.num_workers, "tinynet-data") as workers:
            waiting: deque[Future[Any]] = deque()
            try:
                for generator, indices in itertools.islice(order, 2 * self.num_workers):
                    waiting.append(workers.submit(context.copy().run, self._prepare, generator, indices))
                while waiting:
                    batch = waiting.popleft().result()  # raises here what was raised in the worker
                    for generator, indices in itertools.islice(order, 1):
                        waiting.append(workers.submit(context.copy().run, self._prepare, generator, indices))
                    yield batch
            finally:
                for future in waiting:
                    future.cancel()
