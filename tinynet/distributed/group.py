"""The group of processes that train one model together, and its collectives: tensors over MPI.

    mpiexec -n 4 python train.py

starts the same program four times. Each process is a *rank*, with a number from 0 up. MPI, through
mpi4py, sends and adds the numbers and notices when a process dies. This file makes tensors of them,
under PyTorch's names; and where a rank does something else than the others, it raises an error on
every rank, because else all would wait for ever. `DistributedDataParallel` and `DistributedSampler`
are built on it; docs/distributed.md is the guide.

Only the thread that called `init_process_group` calls MPI, so MPI needs no thread support.
"""

import atexit
import contextlib
import enum
import faulthandler
import importlib
import importlib.util
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np

from ..arrays import cores, device_of, divide_cores, poll_during_parallel, to_device, to_host
from ..autograd.grad_mode import no_grad
from ..ops.arguments import as_bool, as_int, as_tensor
from ..tensor import Tensor

# All in seconds.
_ARRIVAL = 60.0  # how long a rank waits for the others in init_process_group, by default
_TIMEOUT = 1800.0  # the same in a collective
# MPI never sleeps, so a waiting rank would take a core from a rank that works. So a rank asks MPI
# again and again only at first, and then sleeps between two questions, the longer the longer it has
# waited.
_SPIN = 1e-3
_NAP = 5e-5
_SILENCE = 5.0  # how long another host may leave packets unanswered before it counts as lost

# Launchers (MPICH's and Intel's, Open MPI's, MVAPICH's, Slurm's) write the number of ranks into
# these environment variables.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


class ReduceOp(enum.Enum):
    """How `all_reduce` combines the ranks' numbers; AVG, the mean, is for floats only."""

    SUM = "SUM"
    PRODUCT = "PROD"
    MIN = "MIN"
    MAX = "MAX"
    AVG = "AVG"


class Work:
    """A collective started with ``async_op=True``. Don't use its tensor before `wait` returns."""

    def __init__(self, group: "Group | None" = None, function: str = "", request: Any = None):
        self._group, self._function, self._request = group, function, request
        self._finish: Any = None
        self._number = 0 if group is None else group.count  # collectives begun, with this one

    def is_completed(self) -> bool:
        """Whether `wait` would return at once. MPI makes progress when it is asked."""
        return self._group is None or self._group.test(self)

    def wait(self) -> bool:
        """Return True when the tensor holds the result.

        Raises:
            RuntimeError: a rank that is needed has ended, or doesn't arrive in time.
        """
        if self._group is not None:
            self._group.wait(self)
        if self._finish is not None:
            self._finish()
            self._finish = None
        return True


class Group:
    """The ranks of this job: MPI's world, or one rank without MPI."""

    def __init__(self, MPI: Any, timeout: float):
        self.MPI, self.timeout, self.thread = MPI, timeout, threading.get_ident()
        self.rank: int = 0 if MPI is None else MPI.COMM_WORLD.Get_rank()
        self.size: int = 1 if MPI is None else MPI.COMM_WORLD.Get_size()
        # how many collectives this rank has begun; when it last looked whether a host is lost
        self.count, self.looked = 0, time.monotonic()
        self.running: list[Work] = []
        self.ended: dict[int, int] = {}  # by rank: how many collectives it had begun when it ended
        if self.size > 1:
            self.comm, self.goodbyes = self.new_comm(), self.new_comm()
            node = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
            own = set(cores())  # a launcher may have given each rank cores of its own
            divide_cores(sum(not own.isdisjoint(others) for others in node.allgather(sorted(own))))
            node.Free()
            here = socket.gethostname(), [address for address, *_ in _connections({})]
            self.hosts = {a: host for host, known in self.comm.allgather(here) for a in known}
            self._hooks = sys.excepthook, threading.excepthook
            sys.excepthook, threading.excepthook = self._end_all, self._end_all_from_thread
            atexit.register(self.leave)

    def new_comm(self) -> Any:
        """A communicator, whose messages are never mixed up with others'. All ranks call this."""
        return self.MPI.COMM_WORLD.Dup()

    # --------------------------------------------------------------------------- collectives

    def start(self, function: str, comm, buffer, op: ReduceOp | None = None, src: int = 0) -> Work:
        """Start to reduce `buffer`, a contiguous array; without `op`, copy it from rank `src`."""
        if op is None:  # as bytes, because MPIs differ in the dtypes that they know
            request = self._call(function, comm.Ibcast, buffer.reshape(-1).view(np.uint8), src)
        else:
            given = self.MPI.IN_PLACE, buffer, getattr(self.MPI, op.value)
            request = self._call(function, comm.Iallreduce, *given)
        self.count += 1
        work = Work(self, function, request)
        self.running.append(work)
        poll_during_parallel(self.progress)
        return work

    def agree(self, call: str) -> None:
        """Return when all ranks have called this with the same `call`, a function's name first.

        Raises:
            RuntimeError: on all ranks, if the calls differ.
        """
        if self.size == 1:
            return
        function, text = call.split()[0], call.encode()[:200]
        calls = np.zeros((self.size, 200), np.uint8)  # a row per rank: the sum collects them
        calls[self.rank, : len(text)] = np.frombuffer(text, np.uint8)
        self.start(function, self.comm, calls, ReduceOp.SUM).wait()
        texts = [row.tobytes().rstrip(bytes(1)).decode() for row in calls]
        if len(set(texts)) > 1:
            listed = "; ".join(f"rank {rank}: {text}" for rank, text in enumerate(texts))
            raise RuntimeError(f"{function}: the ranks don't do the same, but {listed}; all must "
                "make the same calls in the same order")

    def _call(self, function: str, call: Callable[..., Any], *given: Any) -> Any:
        try:
            return call(*given)
        except self.MPI.Exception as error:
            raise RuntimeError(f"{function}: MPI gave up on rank {self.rank}: {error}") from error

    def test(self, work: Work) -> bool:
        """Whether `work` is done; if not, MPI has made some progress."""
        if work in self.running:
            if not self._call(work._function, work._request.Test):
                return False
            self.running.remove(work)
            poll_during_parallel(self.progress if self.running else None)
        return True

    def progress(self) -> None:
        """Give MPI time: it works only when called, so this is called between computations."""
        if threading.get_ident() == self.thread:
            for work in list(self.running):
                self.test(work)

    def wait(self, work: Work) -> None:
        """Return when `work` is done."""
        start = time.monotonic()
        while not self.test(work):
            self.progress()  # of earlier collectives too, which another rank may wait for
            waited = time.monotonic() - start
            if waited < _SPIN:
                time.sleep(0)
                continue
            if lost := self._listen():
                raise RuntimeError(f"{work._function}: {lost}")
            if gone := [rank for rank, n in sorted(self.ended.items()) if n < work._number]:
                which = f"rank{'s' * (len(gone) > 1)} {', '.join(map(str, gone))}"
                raise RuntimeError(f"{work._function}: rank {self.rank} waits for {which}, "
                    "which came to the end of the program without taking part; all ranks must do "
                    "the same number of steps and collectives")
            if waited > self.timeout:
                raise RuntimeError(f"{work._function}: after {self.timeout:g} s rank {self.rank} "
                    "still waits for another rank; all ranks must make the same calls in the same "
                    "order. init_process_group(timeout=...) sets the limit")
            time.sleep(min(max(waited / 20, _NAP), 20 * _NAP))  # back off

    # ------------------------------------------------------------------------------- the end

    def _listen(self) -> str:
        """Receive the goodbyes of ranks that have ended. Return which host is lost, or "".

        MPI would wait for a lost host for ever, so this looks once a second.
        """
        status = self.MPI.Status()
        while self.goodbyes.Iprobe(self.MPI.ANY_SOURCE, 0, status):
            self.ended[status.Get_source()] = self.goodbyes.recv(source=status.Get_source())
        if time.monotonic() - self.looked > 1:
            self.looked = time.monotonic()
            for _, address, silence in _connections(self.hosts):
                if silence > _SILENCE:
                    return (f"rank {self.rank} lost {self.hosts[address]} ({address}), silent for "
                        f"{silence:.0f} s: it or a network is down; resume without it")
        return ""

    def leave(self) -> None:
        """Wait until all ranks have ended; abort the job if they began different collectives."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        sent = [self.goodbyes.isend(self.count, rank) for rank in others]
        while len(self.ended) < len(others):
            self.progress()
            if lost := self._listen():
                self._abort(f"tinynet.distributed: {lost}")
            time.sleep(20 * _NAP)
        self.MPI.Request.Waitall(sent)
        self.progress()
        if self.running or set(self.ended.values()) != {self.count}:
            # a started collective can't be cancelled, and MPI would wait for it for ever
            self._abort(f"tinynet.distributed: rank {self.rank} ends in the middle of a collective")

    def close(self) -> None:
        """Undo what `__init__` did to this process."""
        if self.size > 1:
            atexit.unregister(self.leave)  # first, because it must not run twice
            self.leave()
            sys.excepthook, threading.excepthook = self._hooks
            self.comm.Free()
            self.goodbyes.Free()

    def _abort(self, why: str = "") -> None:
        print(why, end="\n" * bool(why), file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(0.1)  # the launcher prints what was written; then the abort ends it
        self.MPI.COMM_WORLD.Abort(1)
        os._exit(1)  # in some MPIs the process runs on for a moment

    def _end_all(self, *error: Any) -> None:
        print(f"rank {self.rank} of {self.size} raised, which ends all ranks:", file=sys.stderr)
        self._hooks[0](*error)
        self._abort()

    def _end_all_from_thread(self, arguments: Any) -> None:
        self._hooks[1](arguments)
        if arguments.exc_type is not SystemExit:  # that ends a thread and nothing else
            self._abort(f"a thread of rank {self.rank} of {self.size} raised, which ends all ranks")


def _connections(hosts: dict[str, str]) -> Iterator[tuple[str, str, float]]:
    """This process's TCP connections, MPI's among them: our address, the peer's, and for how many
    seconds the peer has left packets unanswered (0 if it owes no answer). On Linux only.

    From now on the kernel asks the peers in `hosts` every second; their kernels answer, even while
    ranks there compute. So a host that doesn't answer is down or cut off.
    """
    for fd in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            s = socket.socket(fileno=int(fd))
            stack.callback(s.detach)  # so that the file stays open
            # struct tcp_info of linux/tcp.h: [2] retransmissions and [3] probes without an answer,
            # [56:60] milliseconds since the last answer
            info = np.frombuffer(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60), np.uint8)
            if (peer := s.getpeername()[0]) in hosts:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for name, value in ("IDLE", 1), ("INTVL", 1), ("CNT", 100):
                    s.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}"), value)
            seconds = info[56:].view(np.uint32).item() / 1000 if info[2:4].sum() > 3 else 0.0
            yield s.getsockname()[0], peer, seconds


_group: Group | None = None


def is_available() -> bool:
    """Whether mpi4py is installed. Without it there is only a group of one rank."""
    return importlib.util.find_spec("mpi4py") is not None


def is_initialized() -> bool:
    """Whether `init_process_group` was called (and `destroy_process_group` was not)."""
    return _group is not None


def init_process_group(backend: str | None = None, *, timeout: timedelta | None = None) -> None:
    """Join the other ranks of this job. Every rank calls this once, early in the program.

    ``mpiexec -n`` sets the number of ranks. A program that was started without it is a group of one
    rank, in which everything here works and nothing waits. With more than one rank:

    - An exception that ends one rank, or a thread of it, prints its traceback and ends all ranks.
    - A rank raises RuntimeError if it waits for a rank that has ended (``sys.exit``, or fewer
      steps), or longer than `timeout`. On Linux, with MPI over TCP, also if a host has not answered
      for 5 seconds.
    - The ranks on one machine divide its cores, unless OMP_NUM_THREADS or `set_num_threads` gives
      the number of threads.

    Args:
        backend: "mpi" or None. Then mpi4py is needed only for more than one rank.
        timeout: default 30 minutes, and one minute for all ranks to arrive here.

    Raises:
        RuntimeError: mpi4py or MPI is missing, or the launcher belongs to another MPI, so that each
            rank would be alone.
        ValueError: an argument is wrong, or the group exists already.

    >>> from tinynet import distributed
    >>> distributed.init_process_group()
    >>> distributed.get_rank(), distributed.get_world_size()
    (0, 1)
    >>> distributed.destroy_process_group()
    """
    global _group
    if _group is not None:
        raise ValueError(
            "init_process_group: it was called before; call destroy_process_group() first")
    if backend not in (None, "mpi"):
        raise ValueError(f"init_process_group: the one backend is 'mpi', got {backend!r}")
    if timeout is not None and (not isinstance(timeout, timedelta) or timeout <= timedelta(0)):
        raise ValueError(
            f"init_process_group: timeout must be a positive datetime.timedelta, got {timeout!r}")
    launched = max([int(n) for v in _SIZES if (n := os.environ.get(v, "")).isdecimal()], default=1)
    seconds = timeout.total_seconds() if timeout else None
    if launched > 1:  # the import waits for all ranks inside MPI, where Python code can't stop it
        faulthandler.dump_traceback_later(seconds or _ARRIVAL, exit=True)
    MPI: Any = None
    try:
        MPI = importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py is installed, MPI is not
        if backend is not None or launched > 1:
            cause = f"{launched} ranks were started" if launched > 1 else "MPI was asked for"
            raise RuntimeError(f"init_process_group: {cause}, which needs mpi4py and an MPI "
                f"({str(error).strip()}); pip install 'tinynet-cnn[distributed]' brings both, or "
                "on a cluster that has an MPI, pip install mpi4py. One rank alone needs "
                "neither") from error
    finally:
        if launched > 1:
            faulthandler.cancel_dump_traceback_later()
    group = Group(MPI, seconds or _TIMEOUT)
    if group.size == 1 < launched:
        library = MPI.Get_library_version().split("\n")[0].strip("\0 ")
        raise RuntimeError(f"init_process_group: the launcher started {launched} ranks, but MPI "
            f"({library}) sees only one, because the two belong to different MPIs. Start with the "
            "mpiexec of that MPI (python -m mpi4py --mpi-lib-version names it; `which -a mpiexec` "
            "lists the launchers), or have mpi4py use the launcher's (docs/distributed.md)")
    _group = group


def destroy_process_group() -> None:
    """Leave the group when all ranks do; Python's exit does it too. ValueError without a group."""
    global _group
    current_group("destroy_process_group").close()
    _group = None


def current_group(function: str) -> Group:
    """The group that `init_process_group` made; ValueError without one."""
    if _group is None:
        raise ValueError(f"{function}: there is no group of processes; call "
            "tinynet.distributed.init_process_group() first")
    return _group


def get_rank() -> int:
    """The number of this process, from 0 up. By convention only rank 0 prints and writes files.

    ValueError before `init_process_group`.
    """
    return current_group("get_rank").rank


def get_world_size() -> int:
    """The number of ranks. ValueError before `init_process_group`."""
    return current_group("get_world_size").size


def barrier() -> None:
    """Return when all ranks have called this."""
    current_group("barrier").agree("barrier")


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, *,
               async_op: bool = False) -> Work | None:
    """Replace `tensor` by its sum over all ranks (or what `op` says), the same bits on each rank.

    In place, without history. All ranks make this call, with the same shape, dtype and `op`, in the
    same order as other collectives. Any dtype but bool; float16 is added in float32.

    Args:
        async_op: return a `Work` as soon as the ranks agree; call its ``wait()`` before using the
            tensor. False returns None when the result is there.

    Raises:
        RuntimeError: on all ranks, if their calls differ.
        TypeError: an argument is wrong.
    """
    group = current_group("all_reduce")
    as_tensor("all_reduce", "tensor", tensor)
    as_bool("all_reduce", "async_op", async_op)
    if not isinstance(op, ReduceOp):
        names = ", ".join(o.name for o in ReduceOp)
        raise TypeError(f"all_reduce: op must be one of ReduceOp.{names}, got {op!r:.60}")
    if tensor.dtype == np.bool_:
        raise TypeError("all_reduce: bool tensors can't be added up; convert with .to('uint8'), "
            "and use ReduceOp.MAX for 'any' and MIN for 'all'")
    if op is ReduceOp.AVG and tensor.dtype.kind != "f":
        raise TypeError("all_reduce: ReduceOp.AVG is for floating-point tensors, this one is "
            f"{tensor.dtype}; use SUM, or convert it")
    call = f"all_reduce of {tuple(tensor.shape)} {tensor.dtype}, {op.name}"
    return _collective(group, call, tensor, summed_in(tensor.dtype), async_op, op)


def broadcast(tensor: Tensor, src: int = 0, *, async_op: bool = False) -> Work | None:
    """Replace `tensor`, in place and without history, by the tensor of rank `src`.

    All ranks make this call, with the same shape, dtype and `src`; otherwise as `all_reduce`.
    """
    group = current_group("broadcast")
    as_tensor("broadcast", "tensor", tensor)
    as_bool("broadcast", "async_op", async_op)
    as_int("broadcast", "src, a rank,", src, 0, group.size)
    call = f"broadcast of {tuple(tensor.shape)} {tensor.dtype} from rank {src}"
    return _collective(group, call, tensor, tensor.dtype, async_op, src=src)


def _collective(group: Group, call: str, tensor: Tensor, dtype: np.dtype, async_op: bool,
                op: ReduceOp | None = None, src: int = 0) -> Work | None:
    """Run one collective on a buffer of `dtype`. `call` says which, its function's name first."""
    work, mean = Work(), op is ReduceOp.AVG
    if group.size > 1:
        group.agree(call)
        buffer = to_mpi(tensor.array.astype(dtype, order="C"))
        work = group.start(call.split()[0], group.comm, buffer, ReduceOp.SUM if mean else op, src)

        def finish() -> None:
            result = to_device(buffer / group.size if mean else buffer, device_of(tensor.array))
            with no_grad():
                tensor.copy_(Tensor._wrap(result))

        work._finish = finish
    return work if async_op or not work.wait() else None


def summed_in(dtype: np.dtype) -> np.dtype:
    """The dtype to add `dtype` in; float16 would soon overflow, and not every MPI knows it."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def to_mpi(array: Any) -> Any:
    """`array`, which is contiguous, in memory that MPI can read: the host's.

    TINYNET_CUDA_AWARE_MPI=1 in the environment says that MPI can read a GPU's memory too.
    """
    if isinstance(array, np.ndarray) or os.environ.get("TINYNET_CUDA_AWARE_MPI") != "1":
        return to_host(array)
    with array.device:
        # MPI doesn't wait for the GPU
        sys.modules["cupy"].cuda.get_current_stream().synchronize()
    return array
