"""Several processes that train one model together, each with a share of the data: what ties tensors to MPI.

    mpiexec -n 4 python train.py

starts the same program four times; each process is a *rank*, a number from 0 up. Moving the numbers, adding them up and noticing
that a process died are MPI's work, reached through mpi4py. Here is only what makes tensors of that, under PyTorch's names, and what turns
a rank that goes astray into an error on all of them instead of a wait without end. `nn.parallel.DistributedDataParallel` and
`utils.data.DistributedSampler` are built on it; docs/distributed.md says how to use the three.

Only the thread that called `init_process_group` calls MPI, so any MPI will do.
"""

from __future__ import annotations

import atexit
import enum
import faulthandler
import importlib
import importlib.util
import os
import sys
import threading
import time
import zlib
from datetime import timedelta
from typing import Any

import numpy as np

from ..arrays.devices import device_of, to_device, to_host
from ..arrays.threads import cores, poll_during_parallel, share_cores
from ..autograd.grad_mode import no_grad
from ..tensor import Tensor

# Seconds. How long a rank waits for the others to arrive at the start, and in a collective, if nobody says otherwise; how long it asks
# MPI again and again before it sleeps in between, and then for how long at least. MPI itself never sleeps, which takes the cores from
# ranks that work.
_ARRIVAL = 60.0
_TIMEOUT = 1800.0
_SPIN = 1e-3
_NAP = 5e-5

# What the usual launchers (MPICH's and Intel's, Open MPI's, MVAPICH's, Slurm's) tell a process of how many there are.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


class ReduceOp(enum.Enum):
    """How `all_reduce` joins the ranks' numbers: their sum, product, least, greatest or (floats only) mean."""

    SUM = "SUM"
    PRODUCT = "PROD"
    MIN = "MIN"
    MAX = "MAX"
    AVG = "AVG"


class Work:
    """A collective that was started with ``async_op=True``. Its tensor is not to be touched before `wait` has returned."""

    def __init__(self, group: Group | None = None, what: str = "", request: Any = None, finish: Any = None):
        self._group, self._what, self._request, self._finish = group, what, request, finish
        self._number = 0

    def is_completed(self) -> bool:
        """Whether `wait` would return at once. Asking also lets MPI go on with what is under way."""
        return self._request is None or self._group is None or self._group.test(self)

    def wait(self) -> bool:
        """Return, True, when the tensor holds the result. RuntimeError if a rank that is needed for it has left, or doesn't come."""
        if self._request is not None and self._group is not None:
            self._group.wait(self)
        if self._finish is not None:
            self._finish()
            self._finish = None
        return True


class Group:
    """The ranks of this job: MPI's world, or a world of one, for which MPI isn't needed. Internal; `init_process_group` makes it."""

    def __init__(self, MPI: Any, timeout: float):
        self.MPI, self.timeout = MPI, timeout
        self.rank: int = 0 if MPI is None else MPI.COMM_WORLD.Get_rank()
        self.size: int = 1 if MPI is None else MPI.COMM_WORLD.Get_size()
        self.thread = threading.get_ident()
        self.count = 0  # of the collectives that this rank has begun
        self.under_way: list[Work] = []
        self.left: dict[int, int] = {}  # by rank: after how many collectives it came to its end
        self.said_goodbye = False
        if self.size > 1:
            self.comm, self.goodbyes = self.new_comm(), self.new_comm()
            self._share_cores()
            self._hooks = sys.excepthook, threading.excepthook
            sys.excepthook, threading.excepthook = self._take_all_down, self._take_all_down_from_thread
            atexit.register(self.leave)

    def new_comm(self) -> Any:
        """A channel of its own for messages that must not be mixed up with others. All ranks call this."""
        return self.MPI.COMM_WORLD.Dup()

    def _share_cores(self) -> None:
        node = self.MPI.COMM_WORLD.Split_type(self.MPI.COMM_TYPE_SHARED)
        mine = set(cores())  # a launcher may have given each rank cores of its own
        share_cores(sum(bool(mine.intersection(theirs)) for theirs in node.allgather(sorted(mine))))
        node.Free()

    # ----------------------------------------------------------------------------------- collectives

    def start(self, what: str, comm: Any, buffer: Any, op: ReduceOp | None = None, src: int = 0) -> Work:
        """Begin to reduce `buffer`, a contiguous array, over all ranks, or without `op` to fill it with what it is on rank `src`."""
        try:
            if op is None:
                request = comm.Ibcast(buffer, root=src)
            else:
                request = comm.Iallreduce(self.MPI.IN_PLACE, buffer, getattr(self.MPI, op.value))
        except self.MPI.Exception as error:
            raise self._failure(what, error) from error
        work = Work(self, what, request)
        self.count += 1
        work._number = self.count
        self.under_way.append(work)
        poll_during_parallel(self.progress)
        return work

    def agree(self, call: str) -> None:
        """Return when all ranks have called this. RuntimeError, on all of them, unless all with the same `call`, whose first word is a function."""
        function = call.split()[0]
        code = zlib.crc32(call.encode())
        extremes = np.array([code, -code], np.int64)
        self.start(function, self.comm, extremes, ReduceOp.MAX).wait()
        if extremes[0] != -extremes[1]:
            calls = np.zeros((self.size, 200), np.uint8)  # everyone's, added up where the others have zeros
            text = call.encode()[:200]
            calls[self.rank, : len(text)] = np.frombuffer(text, np.uint8)
            self.start(function, self.comm, calls, ReduceOp.SUM).wait()
            told = "; ".join(f"rank {rank}: {row.tobytes().rstrip(bytes(1)).decode()}" for rank, row in enumerate(calls))
            raise RuntimeError(f"{function}: the ranks don't do the same, but {told}; all must make the same calls in the same order")

    def _failure(self, what: str, error: Exception) -> RuntimeError:
        return RuntimeError(f"{what}: MPI gave up on rank {self.rank}: {error}")

    def test(self, work: Work) -> bool:
        """Whether `work` is done; if not, MPI has gone on with it a little."""
        try:
            if work._request is not None and not work._request.Test():
                return False
        except self.MPI.Exception as error:
            raise self._failure(work._what, error) from error
        if work._request is not None:
            work._request = None
            self.under_way.remove(work)
            if not self.under_way:
                poll_during_parallel(None)
        return True

    def progress(self) -> None:
        """Let MPI go on with what is under way: it does nothing between two calls. So this is called while the next gradients are computed."""
        if threading.get_ident() == self.thread:
            for work in list(self.under_way):
                self.test(work)

    def wait(self, work: Work) -> None:
        """Return when `work` is done."""
        start = time.monotonic()
        while not self.test(work):
            self.progress()  # of what was begun before, too: another rank may be waiting for that
            waited = time.monotonic() - start
            if waited < _SPIN:
                time.sleep(0)
                continue
            self._listen()
            if gone := [rank for rank, count in sorted(self.left.items()) if count < work._number]:
                raise RuntimeError(
                    f"{work._what}: rank {self.rank} waits for {_ranks(gone)}, which came to the end of the program without taking part; all "
                    "ranks must do the same number of steps and collectives"
                )
            if waited > self.timeout:
                raise RuntimeError(
                    f"{work._what}: after {self.timeout:g} s rank {self.rank} still waits for another rank; all ranks must make the same calls "
                    "in the same order. init_process_group(timeout=...) sets the limit"
                )
            time.sleep(min(max(waited / 20, _NAP), 20 * _NAP))  # whoever waited long is in no hurry, and disturbs who computes the less

    # --------------------------------------------------------------------------------- ends, good and bad

    def _listen(self) -> None:
        """Note which ranks have said goodbye."""
        status = self.MPI.Status()
        while self.goodbyes.Iprobe(self.MPI.ANY_SOURCE, 0, status):
            count = np.empty(1, np.int64)
            self.goodbyes.Recv(count, status.Get_source(), 0)
            self.left[status.Get_source()] = int(count[0])

    def leave(self) -> None:
        """Wait until all ranks have come to the end, and take the job down if they did not do the same on the way there."""
        if self.said_goodbye:
            return
        self.said_goodbye = True
        count = np.array([self.count], np.int64)
        sent = [self.goodbyes.Isend(count, rank, 0) for rank in range(self.size) if rank != self.rank]
        while len(self.left) < self.size - 1:
            self.progress()
            self._listen()
            time.sleep(20 * _NAP)
        self.MPI.Request.Waitall(sent)
        self.progress()
        if self.under_way or set(self.left.values()) != {self.count}:
            # unfinished collectives can't be taken back, and MPI would wait for them for ever
            print(f"tinynet.distributed: rank {self.rank} ends in the middle of what the ranks do together", file=sys.stderr)
            self._abort()

    def close(self) -> None:
        """Undo what `__init__` did to this process."""
        if self.size > 1:
            self.leave()
            atexit.unregister(self.leave)
            sys.excepthook, threading.excepthook = self._hooks
            self.comm.Free()
            self.goodbyes.Free()

    def _abort(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(0.1)  # what was written is on its way through the launcher, which the abort ends
        self.MPI.COMM_WORLD.Abort(1)
        os._exit(1)  # some MPIs let a process go on for a moment

    def _take_all_down(self, *error: Any) -> None:
        print(f"rank {self.rank} of {self.size} raised, which ends all ranks:", file=sys.stderr)
        self._hooks[0](*error)
        self._abort()

    def _take_all_down_from_thread(self, arguments: Any) -> None:
        self._hooks[1](arguments)
        if arguments.exc_type is not SystemExit:  # which ends a thread and nothing else
            print(f"a thread of rank {self.rank} of {self.size} raised, which ends all ranks", file=sys.stderr)
            self._abort()


def _ranks(numbers: list[int]) -> str:
    return f"rank{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


_group: Group | None = None


def is_available() -> bool:
    """Whether mpi4py is installed, without which there is no world but that of one rank."""
    return importlib.util.find_spec("mpi4py") is not None


def is_initialized() -> bool:
    """Whether `init_process_group` was called (and `destroy_process_group` was not)."""
    return _group is not None


def init_process_group(backend: str | None = None, *, timeout: timedelta | None = None) -> None:
    """Join the other ranks of this job. Called once, by all of them, as early in the program as can be.

    How many ranks there are is for ``mpiexec -n`` to say; a program that was started without it is a world of one, in which all of this
    module works and nothing waits. mpi4py is needed for more than one, and also if `backend` is "mpi"; None, the default, is "mpi" where
    it is needed. With more than one rank:

    - An exception that ends one rank prints its traceback and then ends all of them, also in a thread other than the main one.
    - A rank that waits for one that has ended by itself (``sys.exit``, or with fewer steps) raises RuntimeError, and so does one that waits
      for longer than `timeout`: by default 30 minutes, and one minute for all ranks to arrive here.
    - The ranks on a machine divide its cores among them, unless OMP_NUM_THREADS or `set_num_threads` says how many threads to use.

    RuntimeError where mpi4py, or MPI itself, is missing, and where the launcher belongs to another MPI, so that each rank would be alone.

    >>> from tinynet import distributed
    >>> distributed.init_process_group()
    >>> distributed.get_rank(), distributed.get_world_size()
    (0, 1)
    >>> distributed.destroy_process_group()
    """
    global _group
    if _group is not None:
        raise ValueError("init_process_group: it was called before; call it once, or destroy_process_group() first")
    if backend not in (None, "mpi"):
        raise ValueError(f"init_process_group: the one backend is 'mpi', got {backend!r}")
    if timeout is not None and (not isinstance(timeout, timedelta) or timeout <= timedelta(0)):
        raise ValueError(f"init_process_group: timeout must be a positive datetime.timedelta, got {timeout!r}")
    sizes = [os.environ.get(name, "") for name in _SIZES]
    launched = max([int(size) for size in sizes if size.isdecimal()], default=1)
    if launched > 1:  # MPI waits for all ranks while it is imported, so no Python can watch over it
        faulthandler.dump_traceback_later(timeout.total_seconds() if timeout else _ARRIVAL, exit=True)
    MPI: Any = None
    try:
        MPI = importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py is there, but no MPI
        if backend is not None or launched > 1:
            raise RuntimeError(
                f"init_process_group: {f'{launched} ranks were started' if launched > 1 else 'MPI was asked for'}, which needs mpi4py and an "
                f"MPI ({str(error).strip()}); pip install 'tinynet[distributed]' brings both, or on a cluster that has an MPI, pip install "
                "mpi4py. One rank alone needs neither"
            ) from error
    finally:
        if launched > 1:
            faulthandler.cancel_dump_traceback_later()
    group = Group(MPI, timeout.total_seconds() if timeout else _TIMEOUT)
    if group.size == 1 < launched:
        library = MPI.Get_library_version().split("\n")[0].strip("\0 ")
        raise RuntimeError(
            f"init_process_group: the launcher started {launched} ranks, but MPI ({library}) sees only one: the two belong to different MPIs. "
            "Start with the mpiexec of that MPI (python -m mpi4py --mpi-lib-version names it; `which -a mpiexec` lists what there is), or have "
            "mpi4py use the launcher's (docs/distributed.md)"
        )
    _group = group


def destroy_process_group() -> None:
    """Leave the group, once all ranks do; what Python's exit does otherwise. ValueError if there is none."""
    global _group
    current_group("destroy_process_group").close()
    _group = None


def current_group(function: str) -> Group:
    """The group that `init_process_group` made. ValueError, naming `function`, without one."""
    if _group is None:
        raise ValueError(f"{function}: there is no group of processes; call tinynet.distributed.init_process_group() first")
    return _group


def get_rank() -> int:
    """The number of this process, from 0 up. By custom rank 0 alone prints and writes files. ValueError before `init_process_group`."""
    return current_group("get_rank").rank


def get_world_size() -> int:
    """How many ranks there are. ValueError before `init_process_group`."""
    return current_group("get_world_size").size


def barrier() -> None:
    """Return when all ranks have called this."""
    group = current_group("barrier")
    if group.size > 1:
        group.agree("barrier")


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, *, async_op: bool = False) -> Work | None:
    """Replace `tensor`, in place and without history, by the sum (or what `op` says) of what it is on all ranks; the same bits on each.

    All ranks call this with the same shape, dtype and `op`, and in the same order as other collectives; RuntimeError on all of them
    if not. Any dtype but bool; float16 is added in float32. With `async_op` it returns a `Work` once the ranks agree what to do, and
    its ``wait()`` must be called before the tensor is touched; else None.
    """
    group = current_group("all_reduce")
    _check("all_reduce", tensor, async_op)
    if not isinstance(op, ReduceOp):
        raise TypeError(f"all_reduce: op must be one of ReduceOp.{', '.join(o.name for o in ReduceOp)}, got {op!r:.60}")
    if tensor.dtype == np.bool_:
        raise TypeError("all_reduce: bool tensors can't be added up; convert with .to('uint8'), and use ReduceOp.MAX for 'any' and MIN for 'all'")
    if op is ReduceOp.AVG and tensor.dtype.kind != "f":
        raise TypeError(f"all_reduce: ReduceOp.AVG is for floating-point tensors, this one is {tensor.dtype}; use SUM, or convert it")
    if group.size == 1:
        return Work() if async_op else None
    group.agree(f"all_reduce of {tuple(tensor.shape)} {tensor.dtype}, {op.name}")
    buffer = to_mpi(tensor.array.astype(summed_in(tensor.dtype), order="C"))
    work = group.start("all_reduce", group.comm, buffer, ReduceOp.SUM if op is ReduceOp.AVG else op)

    def finish() -> None:
        _receive(tensor, buffer / group.size if op is ReduceOp.AVG else buffer)

    return _begun(work, finish, async_op)


def broadcast(tensor: Tensor, src: int = 0, *, async_op: bool = False) -> Work | None:
    """Replace `tensor`, in place and without history, by what it is on rank `src`.

    All ranks call this with the same shape, dtype and `src`; the rest is as in `all_reduce`.
    """
    group = current_group("broadcast")
    _check("broadcast", tensor, async_op)
    if isinstance(src, bool) or not isinstance(src, int) or not 0 <= src < group.size:
        raise ValueError(f"broadcast: src must be a rank, 0 to {group.size - 1}, got {src!r}")
    if group.size == 1:
        return Work() if async_op else None
    group.agree(f"broadcast of {tuple(tensor.shape)} {tensor.dtype} from rank {src}")
    buffer = to_mpi(tensor.array.astype(tensor.dtype, order="C")).reshape(-1)
    work = group.start("broadcast", group.comm, buffer.view(np.uint8), src=src)  # as bytes: MPIs differ in which dtypes they know
    return _begun(work, lambda: _receive(tensor, buffer.reshape(tensor.shape)), async_op)


def _check(function: str, tensor: Any, async_op: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{function}: expected a tensor, got {type(tensor).__name__}")
    if not isinstance(async_op, bool):
        raise TypeError(f"{function}: async_op must be True or False, got {async_op!r:.60}")


def _begun(work: Work, finish: Any, async_op: bool) -> Work | None:
    work._finish = finish
    return work if async_op or not work.wait() else None


def _receive(tensor: Tensor, buffer: Any) -> None:
    with no_grad():
        tensor.copy_(Tensor._wrap(to_device(buffer, device_of(tensor.array))))


def summed_in(dtype: np.dtype) -> np.dtype:
    """The dtype in which numbers of `dtype` are added: float16 would overflow soon, and not every MPI knows it."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def to_mpi(array: Any) -> Any:
    """`array`, which is contiguous, where MPI can reach it: on the host, unless TINYNET_CUDA_AWARE_MPI=1 says that this MPI knows GPUs."""
    if isinstance(array, np.ndarray) or os.environ.get("TINYNET_CUDA_AWARE_MPI") != "1":
        return to_host(array)
    with array.device:
        sys.modules["cupy"].cuda.get_current_stream().synchronize()  # MPI doesn't wait for what the GPU still has to do
    return array
