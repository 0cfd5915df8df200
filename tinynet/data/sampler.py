"""Samplers: iterables of indices, or of lists of them, that give the order of the samples."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from types import GenericAlias
from typing import Any

import numpy as np

from .. import creation
from ..arrays import default_generator, Generator
from ..ops.arguments import as_bool, as_generator, as_int, as_list, as_number
from .dataset import as_given, as_indices, length_of

__all__ = ["BatchSampler", "DistributedSampler", "RandomSampler", "Sampler", "SequentialSampler",
    "SubsetRandomSampler", "WeightedRandomSampler"]


class Sampler:
    """Base class of samplers: subclasses define ``__iter__``, over indices."""

    __class_getitem__: Any = classmethod(GenericAlias)  # Sampler[int], in annotations and as a base

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__()")


class _Ordered(Sampler):
    """A sampler that draws the whole order of a pass at once: `num_samples` indices."""

    generator: Generator | None = None
    num_samples: int

    def order(self, random: np.random.Generator) -> np.ndarray:
        """The indices of a pass."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.order((self.generator or default_generator).numpy).tolist())

    def __len__(self) -> int:
        return self.num_samples


class SequentialSampler(Sampler):
    """From the first to the last."""

    def __init__(self, data_source: Any):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(_Ordered):
    """Every sample once, in an order that each pass draws anew.

    Args:
        data_source: anything with a length that can be indexed.
        replacement: draw each sample among all of them, so some come several times.
        num_samples: how many to draw; by default as many as there are. Without `replacement` each
            sample comes once before any comes again.
        generator: where the order is drawn from; by default the one that `manual_seed` seeds.
    """

    def __init__(self, data_source: Any, replacement: bool = False, num_samples: int | None = None,
                 generator: Generator | None = None):
        name, self.data_source = "RandomSampler", data_source
        self.replacement = as_bool(name, "replacement", replacement)
        self.generator = as_generator(name, generator)
        self._count = None if num_samples is None else as_int(name, "num_samples", num_samples, 1)

    @property
    def num_samples(self) -> int:  # type: ignore[override]  # the data set may grow
        """How many samples a pass has."""
        return len(self.data_source) if self._count is None else self._count

    def order(self, random: np.random.Generator) -> np.ndarray:
        size, count = len(self.data_source), self.num_samples
        if self.replacement:
            return random.integers(0, size, count)
        rounds = [random.permutation(size) for _ in range(-(-count // max(size, 1)))]
        return np.array(rounds, np.int64).ravel()[:count]


class SubsetRandomSampler(_Ordered):
    """The given indices, each once, in an order that each pass draws anew."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        self.indices = as_given("SubsetRandomSampler", indices)
        as_indices("SubsetRandomSampler", self.indices)
        self.generator = as_generator("SubsetRandomSampler", generator)
        self.num_samples = len(self.indices)

    def order(self, random: np.random.Generator) -> np.ndarray:
        return random.permutation(as_indices("SubsetRandomSampler", self.indices))


class WeightedRandomSampler(_Ordered):
    """Samples drawn with probabilities in proportion to weights.

    Args:
        weights: numbers from 0 up, one for each sample.
        num_samples: how many to draw.
        replacement: whether a sample may be drawn again.
        generator: where the samples are drawn from; by default the one that `manual_seed` seeds.
    """

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True,
                 generator: Generator | None = None):
        name = "WeightedRandomSampler"
        weights = weights.tolist() if hasattr(weights, "tolist") else weights
        numbers = [as_number(name, "each of weights", weight, 0)
            for weight in as_list(name, "weights", weights)]
        self.weights = creation.tensor(numbers, dtype=np.float64)
        self.num_samples = as_int(name, "num_samples", num_samples, 1)
        self.replacement = as_bool(name, "replacement", replacement)
        self.generator = as_generator(name, generator)
        if (positive := np.count_nonzero(numbers)) < (1 if replacement else num_samples):
            raise ValueError(f"{name}: can't draw {num_samples} samples, because only {positive} "
                "weights are above 0")

    def order(self, random: np.random.Generator) -> np.ndarray:
        shares = (self.weights / self.weights.sum()).numpy()
        return random.choice(len(shares), self.num_samples, self.replacement, shares)


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of `sampler`.

    The last list may be shorter; with `drop_last` a shorter one is left out.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        self.batch_size = as_int("BatchSampler", "batch_size", batch_size, 1)
        self.sampler, self.drop_last = sampler, bool(drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        samples = len(self.sampler)  # type: ignore[arg-type]  # an iterable need not have a length
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)


class DistributedSampler(_Ordered):
    """This rank's part of a data set, in a program that runs on several ranks.

    Every rank gets equally many samples.

    Args:
        dataset: anything with a length that can be indexed.
        num_replicas: the number of parts; by default the number of ranks in
            `tinynet.distributed`.
        rank: which part this is; by default this process's rank in `tinynet.distributed`.
        shuffle: another order in each epoch. The order depends on `seed` and the epoch alone, so
            all ranks agree on it.
        seed: of the order, the same on all ranks.
        drop_last: if the number of ranks does not divide the number of samples, leave out the
            last samples. Otherwise the first samples are repeated to fill up.

    Call `set_epoch` before each epoch, or all epochs have the order of the first.

    Samples are dealt out like cards, one to each rank in turn. So k ranks with batches of B
    samples take, step by step, the samples that one rank with batches of k·B would take.

    >>> [list(DistributedSampler(range(5), num_replicas=2, rank=r, shuffle=False)) for r in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(self, dataset: Any, num_replicas: int | None = None, rank: int | None = None,
                 shuffle: bool = True, seed: int = 0, drop_last: bool = False):
        from .. import distributed  # imported here, because few programs need it

        name = "DistributedSampler"
        if num_replicas is None or rank is None:
            group = distributed.current_group(name)
            num_replicas = group.size if num_replicas is None else num_replicas
            rank = group.rank if rank is None else rank
        self.dataset, length = dataset, length_of(name, dataset)
        self.num_replicas = ranks = as_int(name, "num_replicas", num_replicas, 1)
        self.rank = as_int(name, "rank", rank, 0, self.num_replicas)
        self.seed, self.epoch = as_int(name, "seed", seed, 0), 0
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.num_samples = length // ranks if drop_last else -(-length // ranks)
        self.total_size = self.num_samples * self.num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass is, an int from 0 up. With `shuffle` it sets the order."""
        self.epoch = as_int("DistributedSampler.set_epoch", "epoch", epoch, 0)

    def __iter__(self) -> Iterator[int]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            Generator().manual_seed(self.seed + self.epoch).numpy.shuffle(order)
        return iter(np.resize(order, self.total_size)[self.rank::self.num_replicas].tolist())
