"""Work shared among threads: numpy lets go of Python's lock while it computes, so several threads can compute at once.

`parallel` is used where arrays are large. OpenBLAS's own threads are held back meanwhile: two Python threads that each do
a part of a convolution, copies included, beat one that waits for BLAS threads at every product.
"""

from __future__ import annotations

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

# numpy's ufuncs (2.3 and later) copy strided or broadcast operands through a buffer whenever their inner loop is shorter than
# the buffer, 8192 elements if nobody says otherwise. For loops of a thousand or more elements that costs two to three times the
# operation itself.
_UFUNC_BUFFER = 1024

# Elements of an array that fit a thread's part of the last-level cache. Smaller shares would fit the second level, but after every call
# of numpy a thread waits for Python's lock: few long calls are better than many short ones.
_SHARE = 1 << 19
# Elements, times the passes that are made over them, that are worth handing to a thread: about a tenth of a millisecond.
_WORTH = 1 << 18



class _Local(threading.local):
    inside = False  # whether this thread is at work for `parallel`


_local = _Local()


def set_num_threads(num: int) -> None:
    """Use `num` threads from now on. With the same number of threads, results are the same bits.

    The default is the number of cores that this process may use, or OMP_NUM_THREADS if that is less. `distributed.init_process_group`
    divides the cores among the ranks on a machine, unless one of the two said otherwise.
    """
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise ValueError(f"set_num_threads: expected an int from 1 up, got {num!r}")
    _workers.threads, _workers.chosen = num, True


def get_num_threads() -> int:
    """How many threads are used for large arrays."""
    return _workers.threads


def cores() -> list[int]:
    """The numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _wish() -> int | None:
    wish = os.environ.get("OMP_NUM_THREADS", "")
    return int(wish) if wish.isdecimal() and int(wish) > 0 else None


def _default_threads() -> int:
    return min(len(cores()), _wish() or len(cores()))


def share_cores(processes: int) -> None:
    """Leave room for so many processes, this one among them, that compute on the same cores, unless somebody chose a number of threads."""
    if not _workers.chosen and _wish() is None:
        _workers.threads = max(1, len(cores()) // processes)
        for blas in _find_blas():
            blas.set(min(blas.get(), _workers.threads))


def meanwhile(function: Callable[[], Any] | None) -> None:
    """Have `function` called now and then while `parallel` is at work, by the thread that called that; None: no more."""
    _workers.meanwhile = function


class _Workers:
    """Threads that sleep until there is work. The first parallel call starts them; an import starts none."""

    def __init__(self) -> None:
        self.threads = _default_threads()
        self.chosen = False  # whether set_num_threads was called
        self.meanwhile: Callable[[], Any] | None = None
        self.blas: list[_Blas] = []
        self.forget()

    def forget(self) -> None:
        """Begin without threads (after a fork the child has none of its parent's)."""
        self.lock = threading.Lock()
        self.jobs: queue.SimpleQueue[tuple[contextvars.Context, _Job]] = queue.SimpleQueue()
        self.started = 0
        self.regions = 0

    def start(self, n: int) -> None:
        with self.lock:
            while self.started < n:
                threading.Thread(target=self._work, args=(self.jobs,), daemon=True, name="tinynet").start()
                self.started += 1

    @staticmethod
    def _work(jobs: queue.SimpleQueue[tuple[contextvars.Context, _Job]]) -> None:
        _local.inside = True
        while True:
            context, job = jobs.get()
            context.run(job.run)
            del context, job  # an idle thread keeps no array alive

    def __enter__(self) -> None:
        """BLAS keeps to one thread while any parallel region is open: its own threads would fight ours over the cores."""
        with self.lock:
            if self.regions == 0:
                if not self.blas:
                    self.blas = _find_blas()
                for blas in self.blas:
                    blas.before = blas.get()
                    blas.set(1)
            self.regions += 1

    def __exit__(self, *error: Any) -> None:
        with self.lock:
            self.regions -= 1
            if self.regions == 0:
                for blas in self.blas:
                    blas.set(blas.before)


@functools.cache
def _blas_libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


@functools.cache
def blas_architectures() -> frozenset[str]:
    """The processors whose kernels BLAS has chosen, in OpenBLAS's words, such as "Haswell" (AVX2) or "SkylakeX" (AVX-512)."""
    return frozenset(getattr(lib, "architecture", None) or "" for lib in _blas_libraries())


class _Blas:
    """A BLAS in the process: how to ask for its number of threads, how to set it, and what it was before the parallel regions."""

    def __init__(self, get: Callable[[], int], set: Callable[[int], Any]) -> None:
        self.get, self.set = get, set
        self.before = 1


def _find_blas() -> list[_Blas]:
    found: list[_Blas] = []
    for lib in _blas_libraries():
        library = ctypes.PyDLL(lib.filepath)  # loaded already; PyDLL: half a microsecond a call, and no switch of threads
        for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "_64", "")):
            get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
            if get is not None:
                found.append(_Blas(get, getattr(library, f"{prefix}openblas_set_num_threads{suffix}")))
                break
        else:
            found.append(_Blas(lib.get_num_threads, lib.set_num_threads))
    return found


class _Job:
    """The numbers 0 .. n-1, each handed to whichever thread asks next."""

    def __init__(self, n: int, function: Callable[[int], Any]) -> None:
        self.n, self.function = n, function
        self.taken, self.done = itertools.count(), itertools.count(1)  # next() is atomic
        self.finished = threading.Lock()
        self.finished.acquire()
        self.error: BaseException | None = None

    def run(self, meanwhile: Callable[[], Any] | None = None) -> None:
        before = np.setbufsize(_UFUNC_BUFFER)
        try:
            while (i := next(self.taken)) < self.n:
                try:
                    if self.error is None:
                        self.function(i)
                        if meanwhile is not None:
                            meanwhile()
                except BaseException as error:  # raised again in the thread that asked
                    self.error = error
                if next(self.done) == self.n:
                    self.finished.release()
        finally:
            np.setbufsize(before)


_workers = _Workers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.forget)


def parallel(n: int, function: Callable[[int], Any]) -> None:
    """Call ``function(0)``, ..., ``function(n - 1)`` on several threads and return when all have returned.

    The caller works too. Threads see the caller's context variables, so also its ``np.errstate``. The first exception is raised
    again here. Calls from inside `function` run where they are.
    """
    if n == 0 or _local.inside:
        for i in range(n):
            function(i)
        return
    if n == 1:  # alone, but still without BLAS threads, which would spin for a while after a product too small for them
        with _workers:
            function(0)
        return
    helpers = min(_workers.threads, n) - 1
    _workers.start(helpers)
    job = _Job(n, function)
    _local.inside = True
    try:
        with _workers:
            for _ in range(helpers):
                _workers.jobs.put((contextvars.copy_context(), job))
            job.run(_workers.meanwhile)
            job.finished.acquire()
    finally:
        _local.inside = False
    if job.error is not None:
        raise job.error


@functools.lru_cache(maxsize=1024)
def pieces(n: int, parts: int) -> tuple[slice, ...]:
    """range(n) in at most `parts` shares, as equal as can be."""
    parts = max(1, min(n, parts))
    ends = [n * i // parts for i in range(parts + 1)]
    return tuple([slice(a, b) for a, b in itertools.pairwise(ends)])


def as_many_each(least: int, threads: int) -> int:
    """The number of parts, at least so many, of which no thread gets one more than another."""
    return -(-max(least, threads) // threads) * threads


def by_shares(xp: Any, n: int, elements: int, function: Callable[[slice], Any], passes: int = 1) -> None:
    """`function` on range(n) in slices, on several threads if it makes `passes` over an array of many `elements`; else all at once."""
    busy = max(1, min(_workers.threads, passes * elements // _WORTH))
    shares = pieces(n, as_many_each(elements // _SHARE, busy) if xp is np else 1)
    if len(shares) == 1:
        function(shares[0])
    else:
        parallel(len(shares), lambda i: function(shares[i]))
