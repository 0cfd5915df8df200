"""Samplers: iterables of indices, or of lists of them, that give the order of the samples."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..arrays import default_generator, Generator
from ..ops.arguments import as_generator, as_int
from .dataset import length_of

__all__ = ["BatchSampler", "DistributedSampler", "RandomSampler", "Sampler", "SequentialSampler"]


class Sampler:
    """Base class of samplers: subclasses define ``__iter__``, over indices."""

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
    """Every sample once, in an order that each pass draws anew."""

    def __init__(self, data_source: Any, generator: Generator | None = None):
        super().__init__(data_source)
        self.generator = as_generator("RandomSampler", generator)

    def __iter__(self) -> Iterator[int]:
        return iter((self.generator or default_generator).numpy.permutation(len(self.data_source)))


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


class DistributedSampler(Sampler):
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
        if num_replicas is None:
            num_replicas = distributed.current_group(name).size
        if rank is None:
            rank = distributed.current_group(name).rank
        self.dataset, length = dataset, length_of(name, dataset)
        self.num_replicas = ranks = as_int(name, "num_replicas", num_replicas, 1)
        self.rank = as_int(name, "rank", rank, 0, self.num_replicas)
        self.seed = as_int(name, "seed", seed, 0)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.epoch = 0
        self.num_samples = length // ranks if drop_last else -(-length // ranks)
        self.total_size = self.num_samples * self.num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass is, an int from 0 up. With `shuffle` it sets the order."""
        self.epoch = as_int("DistributedSampler.set_epoch", "epoch", epoch, 0)

    def __iter__(self) -> Iterator[int]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = Generator().manual_seed(self.seed + self.epoch).numpy.permutation(len(order))
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples
