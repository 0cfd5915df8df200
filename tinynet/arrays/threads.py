"""Threads: a large array is divided into slices, and several threads compute on them at once.

This works because numpy releases Python's lock while it computes. BLAS gets one thread meanwhile:
two Python threads that each do a part of a convolution, copies included, are faster than one
Python thread that waits for BLAS threads at every product.
"""

import contextvars
import ctypes
import functools
import itertools
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

# Elements of numpy's buffer for ufuncs. numpy 2.3 and later copies strided or broadcast operands
# through the buffer if the inner loop is shorter than the buffer, 8192 elements by default. For
# loops of a thousand or more elements that takes two to three times as long as the operation.
_UFUNC_BUFFER = 1024

# Largest slice, in elements: what fits a thread's part of the last-level cache. A smaller slice
# would fit the second-level cache, but a thread waits for Python's lock after each numpy call,
# so few long calls are faster than many short ones.
_SLICE = 1 << 19
# Smallest work for a thread, in elements times passes over them: about a fifth of a millisecond.
_WORTH = 1 << 19


class _Local(threading.local):
    in_parallel = False  # whether this thread is running a part of a `parallel` call


_local = _Local()


def set_num_threads(num: int) -> None:
    """Use `num` threads, an int from 1 up. The same number of threads gives the same bits.

    The default is the number of cores available to this process, or OMP_NUM_THREADS if that is
    less. `distributed.init_process_group` divides the cores among the ranks on a machine unless
    the number was set here or by OMP_NUM_THREADS.
    """
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise ValueError(f"set_num_threads: expected an int from 1 up, got {num!r}")
    _workers.threads, _workers.chosen = num, True


def get_num_threads() -> int:
    """The number of threads that compute on large arrays."""
    return _workers.threads


def cores() -> list[int]:
    """The numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def divide_cores(processes: int) -> None:
    """Divide the cores among so many processes, this one included, that run on them.

    Nothing changes if the number of threads was set by the user.
    """
    if not _workers.chosen:
        _workers.threads = max(1, len(cores()) // processes)
        for get, set_ in _blas():
            set_(min(get(), _workers.threads))


def poll_during_parallel(function: Callable[[], Any] | None) -> None:
    """Call `function` between the parts of each `parallel` call, in the caller's thread.

    None stops that.
    """
    _workers.poll = function


class _Workers:
    """Threads that sleep until there is work. The first `parallel` call starts them."""

    def __init__(self) -> None:
        text = os.environ.get("OMP_NUM_THREADS", "")
        requested = int(text) if text.isdecimal() else 0
        self.threads = min(len(cores()), requested or len(cores()))
        self.chosen = requested > 0  # whether the user set the number, here or by set_num_threads
        self.poll: Callable[[], Any] | None = None
        self.reset()

    def reset(self) -> None:
        """Begin without threads: after a fork the child has none of its parent's threads."""
        self.lock = threading.Lock()
        self.jobs: queue.SimpleQueue[tuple[contextvars.Context, _Job]] = queue.SimpleQueue()
        self.started = 0
        self.regions = 0

    def start(self, n: int) -> None:
        """Start threads until there are `n`."""
        with self.lock:
            while self.started < n:
                work = functools.partial(self._work, self.jobs)
                threading.Thread(target=work, daemon=True, name="tinynet").start()
                self.started += 1

    @staticmethod
    def _work(jobs: "queue.SimpleQueue[tuple[contextvars.Context, _Job]]") -> None:
        _local.in_parallel = True
        while True:
            context, job = jobs.get()
            context.run(job.run)
            del context, job  # so that a sleeping thread keeps no array alive

    def __enter__(self) -> None:
        """Limit BLAS to one thread, because its threads would compete with ours for the cores."""
        with self.lock:
            if self.regions == 0:
                self.limited = [(set_, n) for get, set_ in _blas() if (n := get()) > 1]
                for set_, _ in self.limited:
                    set_(1)
            self.regions += 1

    def __exit__(self, *error: Any) -> None:
        with self.lock:
            self.regions -= 1
            if self.regions == 0:
                for set_, before in self.limited:
                    set_(before)


@functools.cache
def _blas_libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


@functools.cache
def blas_architectures() -> frozenset[str]:
    """The processors that BLAS chose its kernels for, in OpenBLAS's words.

    Examples are "Haswell" (AVX2) and "SkylakeX" (AVX-512).
    """
    return frozenset(getattr(lib, "architecture", None) or "" for lib in _blas_libraries())


@functools.cache
def _blas() -> list[tuple[Callable[[], int], Callable[[int], Any]]]:
    """Of each BLAS library in this process, the functions that get and set its number of threads.

    They are found when the first parallel region is entered.
    """
    names = [[f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set")]
             for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "_64", ""))]
    found: list[Any] = []
    for lib in _blas_libraries():
        # The library is loaded already. PyDLL calls take half a microsecond because they keep
        # Python's lock, so no other thread takes over.
        library = ctypes.PyDLL(lib.filepath)
        own = next((pair for pair in names if hasattr(library, pair[0])), [])
        found.append([library[name] for name in own] or [lib.get_num_threads, lib.set_num_threads])
    return found


class _Job:
    """One `parallel` call: its threads take the numbers 0, ..., n-1 one at a time."""

    def __init__(self, n: int, function: Callable[[int], Any]) -> None:
        self.n, self.function = n, function
        self.taken, self.done = itertools.count(), itertools.count(1)  # next() is atomic
        self.finished = threading.Lock()
        self.finished.acquire()
        self.error: BaseException | None = None

    def run(self, poll: Callable[[], Any] | None = None) -> None:
        """Take numbers until none is left; after an error, take them without computing."""
        before = np.setbufsize(_UFUNC_BUFFER)
        try:
            while (i := next(self.taken)) < self.n:
                try:
                    if self.error is None:
                        self.function(i)
                        if poll is not None:
                            poll()
                except BaseException as error:  # `parallel` raises it in the caller's thread
                    self.error = error
                if next(self.done) == self.n:
                    self.finished.release()
        finally:
            np.setbufsize(before)


_workers = _Workers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.reset)


def parallel(n: int, function: Callable[[int], Any]) -> None:
    """Call ``function(0)``, ..., ``function(n - 1)`` on several threads; return when all are done.

    The caller's thread takes part. All threads see the caller's context variables, and so its
    ``np.errstate``. The first exception is raised in the caller's thread. A `parallel` call
    inside `function` runs in one thread.
    """
    if n == 0 or _local.in_parallel:
        for i in range(n):
            function(i)
        return
    if n == 1:  # BLAS gets one thread here too: more would spin for a while after a small product
        with _workers:
            function(0)
        return
    helpers = min(_workers.threads, n) - 1
    _workers.start(helpers)
    job = _Job(n, function)
    _local.in_parallel = True
    try:
        with _workers:
            for _ in range(helpers):
                _workers.jobs.put((contextvars.copy_context(), job))
            job.run(_workers.poll)
            job.finished.acquire()
    finally:
        _local.in_parallel = False
    if job.error is not None:
        raise job.error


@functools.lru_cache(maxsize=1024)
def pieces(n: int, parts: int) -> tuple[slice, ...]:
    """range(n) as at most `parts` slices of nearly equal length.

    >>> pieces(5, 2)
    (slice(0, 2, None), slice(2, 5, None))
    """
    parts = max(1, min(n, parts))
    ends = [n * i // parts for i in range(parts + 1)]
    return tuple([slice(a, b) for a, b in itertools.pairwise(ends)])


def balanced_parts(least: int, threads: int) -> int:
    """Number of parts: at least `least`, and a multiple of the number of `threads`."""
    return -(-max(least, threads) // threads) * threads


def parallel_slices(
        xp, n: int, elements: int, function: Callable[[slice], Any], passes: int = 1) -> None:
    """Call `function` on slices that make up range(n), on several threads if that pays.

    It pays if `function` makes `passes` passes over an array of many `elements`. For a smaller
    array, and on a GPU, there is one call.
    """
    busy = max(1, min(_workers.threads, passes * elements // _WORTH))
    slices = pieces(n, balanced_parts(elements // _SLICE, busy) if xp is np else 1)
    if len(slices) == 1:
        function(slices[0])
    else:
        parallel(len(slices), lambda i: function(slices[i]))
