"""`DataLoader`: iterates over a data set in batches."""

import contextvars
import copy
import itertools
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..arrays import (default_generator, Device, drawing_from, Generator, load_cupy, send,
    usable_device)
from ..cuda import is_available
from ..ops.arguments import as_bool, as_function, as_generator, as_int, as_number
from ..tensor import Tensor
from .dataset import (IterableDataset, default_collate, default_convert, fetch_batch, length_of,
    map_tensors)
from .sampler import BatchSampler, DistributedSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader", "get_worker_info"]


class DataLoader:
    """Iterates over a data set in batches.

    Args:
        dataset: a `Dataset`, or anything with a length that can be indexed, or an
            `IterableDataset`.
        batch_size: samples in a batch; None gives the samples themselves.
        shuffle: a new order at each pass, drawn from `generator`.
        sampler: an iterable of indices, instead of `shuffle`.
        batch_sampler: an iterable of lists of indices, instead of `batch_size`, `shuffle`,
            `sampler` and `drop_last`.
        num_workers: the number of threads that prepare batches ahead. 0 prepares each batch when
            it is asked for. The batches and their order are the same for every number, also
            where the data set draws random numbers: while a batch is prepared, the default
            generator is one of its own, which depends on the loader's generator, the pass and
            the number of the batch. (The generators of Python's `random` and of `numpy.random` are
            shared by all threads, so with workers their numbers come in any order.)
        collate_fn: makes a batch of a list of samples. By default the data set's `get_batch`
            fetches whole batches, or `default_collate` puts the samples together.
        pin_memory: put batches into page-locked memory, from which a GPU copies faster. Without a
            GPU it does nothing, and warns.
        drop_last: leave out the last batch if it is incomplete.
        timeout: with workers, the seconds to wait for a batch before a RuntimeError; 0 waits.
        worker_init_fn: with workers, called with 0, 1, ... num_workers - 1 when they start, by the
            thread that reads the batches; its seed, `tinynet.initial_seed`, is another each time.
        multiprocessing_context: must be None, because workers are threads.
        generator: for `shuffle`; by default the one that `manual_seed` seeds.
        prefetch_factor: the batches per worker that are prepared ahead, by default 2.
        persistent_workers: keep the threads from one pass to the next.
        pin_memory_device: "" or "cuda", which say the same.
        in_order: must be True.
        device: where the tensors of a batch (in tuples, lists and dicts, at any depth) shall be;
            by default where the data set has them. For a GPU, batch i+1 is uploaded as a whole
            while the program works on batch i, and only the GPU waits for it.

    What the data set, a sampler or `collate_fn` raises passes through unchanged, also from a
    worker thread.

    >>> import tinynet
    >>> data = tinynet.utils.data.TensorDataset(tinynet.arange(5))
    >>> [batch.tolist() for (batch,) in DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
                 sampler: Any = None, batch_sampler: Any = None, num_workers: int = 0,
                 collate_fn: Callable[[list[Any]], Any] | None = None, pin_memory: bool = False,
                 drop_last: bool = False, timeout: float = 0,
                 worker_init_fn: Callable[[int], Any] | None = None,
                 multiprocessing_context: None = None, generator: Generator | None = None, *,
                 prefetch_factor: int | None = None, persistent_workers: bool = False,
                 pin_memory_device: str = "", in_order: bool = True, device: Any = None):
        name = "DataLoader"
        batch_size = None if batch_size is None else as_int(name, "batch_size", batch_size, 1)
        self._is_stream = isinstance(dataset, IterableDataset)

        def refuse(wrong: Any, why: str) -> None:
            if wrong:
                raise ValueError(f"{name}: {why}")

        ordered = shuffle or sampler is not None
        refuse(self._is_stream and (ordered or batch_sampler is not None), "an IterableDataset has "
            "an order of its own; leave shuffle, sampler and batch_sampler out")
        refuse(sampler is not None and shuffle, "give a sampler or shuffle=True, not both")
        refuse(batch_sampler is not None and (batch_size != 1 or ordered or drop_last),
            "a batch_sampler decides batch_size, shuffle, sampler and drop_last; leave those out")
        refuse(batch_size is None and drop_last,
            "batch_size=None makes no batches; leave drop_last out")
        if sampler is None and batch_sampler is None and not self._is_stream:
            length_of(name, dataset)
        self.dataset, self.drop_last = dataset, drop_last
        self.batch_size = batch_size if batch_sampler is None else None  # as PyTorch says it
        self._counted = batch_size  # what a saved pass counts in: here a batch_sampler has 1
        self.num_workers = as_int(name, "num_workers", num_workers, 0)
        self.generator = as_generator(name, generator)
        self.device = None if device is None else usable_device(name, device)
        for option, value, usual, why in (
                ("multiprocessing_context", multiprocessing_context, None, "workers are threads"),
                ("in_order", in_order, True, "batches always come in order"),
                ("pin_memory_device", pin_memory_device or "cuda", "cuda", "only GPUs need it")):
            refuse(value != usual, f"{option}={value!r} can't be had, because {why}")
        for option, given in (("timeout", timeout), ("prefetch_factor", prefetch_factor),
                ("persistent_workers", persistent_workers)):
            refuse(given and not num_workers, f"{option} is for workers; give num_workers too")
        for option, function in (("collate_fn", collate_fn), ("worker_init_fn", worker_init_fn)):
            if function is not None:
                as_function(name, option, function)
        self.timeout, ahead = as_number(name, "timeout", timeout, 0), prefetch_factor
        self.prefetch_factor = as_int(name, "prefetch_factor", 2 if ahead is None else ahead, 1)
        self.persistent_workers = as_bool(name, "persistent_workers", persistent_workers)
        self.worker_init_fn, self._workers = worker_init_fn, None
        self.pin_memory = as_bool(name, "pin_memory", pin_memory)
        if self.pin_memory and not is_available():
            warnings.warn("DataLoader: pin_memory=True has no effect without a GPU", stacklevel=2)
            self.pin_memory = False
        if self._is_stream:
            sampler = dataset  # what follows counts and groups samples in place of their indices
        elif sampler is None:
            sampler = RandomSampler(dataset, False, None, generator) if shuffle else (
                SequentialSampler(dataset))
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.collate_fn: Callable[[Any], Any] = collate_fn or (
            default_convert if batch_sampler is None else default_collate)
        # What a pass iterates over: lists of indices, or single ones where there are no batches.
        self._indices = sampler if batch_sampler is None else batch_sampler
        # Where the order is drawn from: the loader's generator, the sampler's, or the default.
        source = getattr(batch_sampler, "sampler", self._indices)
        own = generator or getattr(source, "generator", None)
        self._order_generator = own if isinstance(own, Generator) else default_generator
        # The ranks that share each batch, and which of them this is.
        self._is_shared = isinstance(sampler, DistributedSampler)
        self._ranks: int = sampler.num_replicas if self._is_shared else 1
        self._rank: int = sampler.rank if self._is_shared else 0
        # Where the present pass stands (None before and after one), and where the next pass is
        # to resume (None for a new one).
        self._position: dict[str, Any] | None = None
        self._resume_at: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Any]:
        began, taken, indices = self._begin()
        one_by_one = itertools.starmap(self._prepare, indices)
        batches = self._prepared_ahead(indices) if self.num_workers else one_by_one
        if self.pin_memory:
            batches = (map_tensors(batch, _pinned) for batch in batches)
        if self.device is not None and self.device.type == "cuda":
            copies = (_start_copy(batch, self.device) for batch in batches)
            batches = _ahead(copies, 1, lambda copy: copy(), lambda copy: copy())
        elif self.device is not None:
            batches = (map_tensors(batch, lambda t: t.to(self.device)) for batch in batches)
        for number, batch in enumerate(batches, start=taken + 1):
            self._position = {"generator": began, "batches": number}
            yield batch
        self._position = None

    def _begin(self) -> tuple[dict[str, Any], int, Iterator[tuple[Generator, Any]]]:
        """Begin or resume a pass over the data.

        A new pass draws its order from the loader's generator. A resumed pass sets this generator
        back to where it stood when that pass began, draws the same order again, skips the batches
        that were handed out, and puts the generator back, because the program has drawn from it
        since.

        While a batch is prepared, the default generator is one of the batch's own. It depends on
        the loader's generator, the pass, the number of the batch and the rank. So a data set that
        draws random numbers draws the same ones whichever thread prepares the batch, and when.

        Returns:
            The generator's state when the pass began, the number of batches that were handed out
            before, and an iterator over (generator, indices), one pair per batch to come.
        """
        generator, position, self._resume_at = self._order_generator, self._resume_at, None
        now = generator.get_state()
        began, taken = (position["generator"], position["batches"]) if position else (now, 0)
        generator.set_state(began)
        family = generator.spawn()
        # A shuffled order is drawn as a whole with the first indices. A sampler that draws as it
        # goes would draw at moments that depend on how many batches are prepared ahead, so from
        # the second batch on it draws from a generator of its own.
        remaining = iter(self._indices)
        first = list(itertools.islice(remaining, 1))
        order = itertools.chain(first, _drawn_from(family(0), remaining))
        for _ in itertools.islice(order, taken):
            pass
        if position:
            generator.set_state(now)
        numbers = itertools.count(taken + 1)
        generators = (family(number * self._ranks + self._rank) for number in numbers)
        return began, taken, zip(generators, order, strict=False)

    def _prepare(self, generator: Generator, indices: Any) -> Any:
        """The batch (or the sample) at `indices`; random numbers come from `generator`.

        Of a stream, `indices` are the samples themselves.
        """
        with drawing_from(generator):
            if self.batch_sampler is None:
                sample = indices if self._is_stream else self.dataset[int(indices)]
                return self.collate_fn(sample)
            if self.collate_fn is default_collate and not self._is_stream:
                return fetch_batch(self.dataset, np.asarray(indices, np.int64))
            samples = indices if self._is_stream else [self.dataset[int(i)] for i in indices]
            return self.collate_fn(samples)

    def _prepared_ahead(self, batches: Iterator[tuple[Generator, Any]]) -> Iterator[Any]:
        """Batches in order, while threads prepare the next ``prefetch_factor * num_workers``."""
        from concurrent.futures import Future, ThreadPoolExecutor, wait  # slow to import

        workers: Any = self._workers
        if workers is None:
            for number in range(self.num_workers if self.worker_init_fn else 0):
                seed = (self._order_generator.initial_seed() + number) % 2**64
                with drawing_from(Generator().manual_seed(seed)):
                    self.worker_init_fn(number)  # type: ignore[misc]  # it is not None here
            workers = ThreadPoolExecutor(self.num_workers, "tinynet-data")
        self._workers = workers if self.persistent_workers else None
        in_time = True

        def result(future: Future[Any]) -> Any:
            nonlocal in_time
            in_time = not self.timeout or future in wait([future], self.timeout).done
            if not in_time:
                raise RuntimeError(f"DataLoader: no batch came within {self.timeout} seconds; "
                    "give a larger timeout, or 0 to wait")
            return future.result()  # raises what was raised in the thread

        # A thread starts with default grad modes; a copy of this context hands on the present.
        context = contextvars.copy_context()
        futures = (workers.submit(context.copy().run, self._prepare, *batch) for batch in batches)
        try:
            ahead = self.prefetch_factor * self.num_workers
            yield from _ahead(futures, ahead, result, Future.cancel)
        finally:
            if not (self.persistent_workers and in_time):
                self._workers = None
                workers.shutdown(wait=in_time)

    def state_dict(self) -> dict[str, Any]:
        """Where the latest pass stands: batches handed out, and how their order was drawn.

        Plain numbers, which `tinynet.save` can write. Batches prepared ahead do not count.
        """
        generator, batch_size = self._order_generator, self._counted
        return {"samples": None if self._is_stream else len(self.dataset),
            "batch_size": None if batch_size is None else batch_size * self._ranks,
            "pass": copy.deepcopy(self._position),
            "generator": None if generator is default_generator else generator.get_state()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next pass go on after the last batch that was handed out before `state_dict()`.

        A generator of the loader's own is set back too. The one that `manual_seed` seeds must be
        set back by the program, as `tinynet.Checkpoint` does.

        With a `DistributedSampler`, the batch of all ranks together counts, so the number of
        ranks may change. If that batch changes too, because the number of ranks does not divide
        it, the pass resumes at the last new batch that begins no later.

        Raises:
            TypeError: `state_dict` was not made by `state_dict()`.
            ValueError: the saved loader had another number of samples, batch size or kind of
                generator, or `state_dict` is damaged.
        """
        name, own = "DataLoader.load_state_dict", self.state_dict()
        if not isinstance(state_dict, Mapping) or not set(own) <= set(state_dict):
            raise TypeError(f"{name}: expected a state_dict() of a loader, got {state_dict!r:.80}")
        if (state_dict["generator"] is None) != (own["generator"] is None):
            raise ValueError(f"{name}: only one of the loaders has a generator of its own")
        for key in ("samples",) if self._is_shared else ("samples", "batch_size"):
            if state_dict[key] != own[key]:
                both = f"the saved loader had {key} {state_dict[key]}, this one has {own[key]}"
                raise ValueError(f"{name}: {both}; the order of the batches would be another")
        position = copy.deepcopy(state_dict["pass"])
        if position is not None:
            known = isinstance(position, dict) and set(position) == {"generator", "batches"}
            if not known or type(position["batches"]) is not int or position["batches"] < 0:
                rule = "pass must say a number of batches and a generator's state"
                raise ValueError(f"{name}: {rule}, got {position!r:.80}")
            Generator().set_state(position["generator"])  # refuses a damaged state now, not later
            if state_dict["batch_size"] != own["batch_size"]:
                samples_taken = position["batches"] * state_dict["batch_size"]
                position["batches"] = samples_taken // own["batch_size"]
        if state_dict["generator"] is not None:
            self._order_generator.set_state(state_dict["generator"])
        self._position = self._resume_at = position


def get_worker_info() -> None:
    """None, as in PyTorch's main process: tinynet's workers are threads that share one data set."""


def _drawn_from(generator: Generator, items: Iterator[Any]) -> Iterator[Any]:
    """`items`, with `generator` as the default generator while each is made."""
    while True:
        with drawing_from(generator):
            found = list(itertools.islice(items, 1))
        if not found:
            return
        yield found[0]


def _is_plain(tensor: Tensor) -> bool:
    """Others go to a GPU through .to(): from another GPU, or as an operation with a gradient."""
    return tensor.device.type == "cpu" and not tensor.requires_grad


def _pinned(tensor: Tensor) -> Tensor:
    """A tensor on the CPU in page-locked memory, from which a GPU copies faster."""
    if not _is_plain(tensor):
        return tensor
    array = tensor.array
    memory = load_cupy().cuda.alloc_pinned_memory(max(array.nbytes, 1))
    copied = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
    copied[...] = array
    return Tensor._wrap(copied)


def _ahead(started: Iterator[Any], count: int, finish: Callable[[Any], Any],
           abandon: Callable[[Any], Any]) -> Iterator[Any]:
    """``finish(item)`` of the items, in order, while the next `count` of them are under way.

    An item begins when `started` gives it. If that fails, the items before, which are sound, are
    handed out first. If the loop is left early, ``abandon(item)`` is called for those under way.
    """
    under_way: deque[Any] = deque()
    failures: list[Exception] = []

    def begin() -> None:
        try:
            under_way.extend(itertools.islice(started, count - len(under_way)))
        except Exception as error:
            failures.append(error)

    try:
        begin()
        while under_way:
            finished = finish(under_way.popleft())
            begin()
            yield finished
        for error in failures:
            raise error
    finally:
        for item in under_way:
            abandon(item)


def _start_copy(batch: Any, device: Device) -> Callable[[], Any]:
    """Start copying the tensors of `batch` to a GPU, all in one transfer.

    Returns a function that gives the batch on the GPU. Call it exactly once, even to discard
    the batch.
    """
    tensors: list[Tensor] = []
    map_tensors(batch, tensors.append)

    arrays = [tensor.array for tensor in tensors if _is_plain(tensor)]
    receive = send(arrays, device) if arrays else list

    def finish() -> Any:
        arrived = iter(receive())
        return map_tensors(batch,
            lambda t: Tensor._wrap(next(arrived)) if _is_plain(t) else t.to(device))

    return finish
