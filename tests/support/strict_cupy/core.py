"""The array of the stand-in: numpy inside, CuPy's refusals outside.

`ndarray._host` is the numpy array that plays GPU memory. Code that touches it is in this file or
goes through `call_numpy`, which checks arguments, counts, and wraps results.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "recorded" / "cupy"
MANIFEST = json.loads((DATA / "manifest-14.2.0.json").read_text())["modules"]
# CuPy has no object, string, date, longdouble or record
DTYPE_CHARS = set("?bBhHiIlLqQefdFD")


# ---------------------------------------------------------------- what a run costs


@dataclass
class Counts:
    """What happened inside `counting()`. `log` has one (kind, name) pair per event, in order.

    Memory is that of arrays made inside the block: `sizes` has the bytes of each, in order, and
    `peak` is the most bytes that were alive at once. What a GPU's libraries take is not in it.
    """

    launches: int = 0  # kernels, copies on the device and fills; a lower bound
    uploads: int = 0  # host to device
    downloads: int = 0  # device to host
    waits: int = 0  # places where the host waits for the device
    log: list[tuple[str, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    peak: int = 0
    _alive: int = 0

    @property
    def bytes(self) -> int:
        """The bytes of all arrays that were made, as if none had taken another's memory."""
        return sum(self.sizes)

    def _made(self, array: ndarray) -> None:
        size = array._host.nbytes
        self.sizes.append(size)
        self._alive += size
        self.peak = max(self.peak, self._alive)
        weakref.finalize(array, self._died, size).atexit = False

    def _died(self, size: int) -> None:
        self._alive -= size


_listening: list[Counts] = []
_synchronize_allowed = True


class DeviceSynchronized(RuntimeError):
    """Raised where the host would wait for the device inside `allow_synchronize(False)`."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or "device synchronized")


class MemoryHook:
    """`cupy.cuda.MemoryHook`: inside ``with hook:`` it is told of arrays that are made and die."""

    name = "MemoryHook"

    def __enter__(self):
        _hooks.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _hooks.remove(self)

    def malloc_postprocess(self, **kwargs: Any) -> None:
        """After memory was given; `kwargs` are device_id, size, mem_size, mem_ptr, pmem_id."""

    def free_postprocess(self, **kwargs: Any) -> None:
        """After memory was given back; `kwargs` are device_id, mem_size, mem_ptr, pmem_id."""


_hooks: list[MemoryHook] = []


def _free(hook: MemoryHook, block: dict[str, Any]) -> None:
    if hook in _hooks:
        hook.free_postprocess(**block)


@contextlib.contextmanager
def counting() -> Iterator[Counts]:
    """Counts launches, uploads, downloads and waits inside the block; blocks may be nested."""
    counts = Counts()
    _listening.append(counts)
    try:
        yield counts
    finally:
        _listening[:] = [c for c in _listening if c is not counts]


def note(kind: str, name: str, times: int = 1) -> None:
    """Counts an event; a wait that is not allowed raises `DeviceSynchronized` instead."""
    if kind == "waits" and not _synchronize_allowed:
        raise DeviceSynchronized(f"{name} waits for the device inside allow_synchronize(False)")
    for counts in _listening:
        setattr(counts, kind, getattr(counts, kind) + times)
        counts.log.extend([(kind, name)] * times)


@contextlib.contextmanager
def allow_synchronize(allow: bool) -> Iterator[None]:
    """`cupyx.allow_synchronize`: with False, each wait raises `DeviceSynchronized`."""
    global _synchronize_allowed
    before, _synchronize_allowed = _synchronize_allowed, bool(allow)
    try:
        yield
    finally:
        _synchronize_allowed = before


# ---------------------------------------------------------------- devices


STATUS_NAMES = {
    35: "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version",
    100: "cudaErrorNoDevice: no CUDA-capable device is detected",
    101: "cudaErrorInvalidDevice: invalid device ordinal",
    400: "cudaErrorInvalidResourceHandle: invalid resource handle",
}


class CUDARuntimeError(RuntimeError):
    """`cupy.cuda.runtime.CUDARuntimeError`: a status number and CUDA's name for it."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(STATUS_NAMES[status])


class _Machine:
    """The pretended machine.

    It has `devices` GPUs. A missing one gives the CUDA status `status`. `current` is the current
    GPU of this thread.
    """

    def __init__(self) -> None:
        self.devices, self.status = 1, 100
        self._thread = threading.local()

    @property
    def current(self) -> int:
        return getattr(self._thread, "current", 0)

    @current.setter
    def current(self, number: int) -> None:
        self._thread.current = number


machine = _Machine()
# "cupy": the module to which numpy's functions dispatch; modules.py puts it here
home: dict[str, Any] = {}


def check_device(number: int) -> int:
    """`number` if the pretended machine has such a device, else CUDA's error."""
    if machine.devices == 0:
        raise CUDARuntimeError(machine.status)
    if not 0 <= number < machine.devices:
        raise CUDARuntimeError(101)
    return number


class Device:
    """`cupy.cuda.Device`: a number that becomes the current device inside `with` or by `use()`."""

    def __init__(self, device: int | Device | None = None) -> None:
        self.id = machine.current if device is None else int(device)
        self._before: list[int] = []

    def use(self) -> Device:
        machine.current = check_device(self.id)
        return self

    def __enter__(self):
        self._before.append(machine.current)
        try:
            return self.use()
        except CUDARuntimeError:
            self._before.pop()
            raise

    def __exit__(self, *error: object) -> None:
        machine.current = self._before.pop()

    def synchronize(self) -> None:
        check_device(self.id)
        note("waits", "Device.synchronize")
        finish_all()

    @property
    def compute_capability(self) -> str:
        check_device(self.id)
        return "90"

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"


# ---------------------------------------------------------------- streams
#
# Numpy computes at once, so a race between streams changes no number by itself. Two rules find it:
#
# Every array knows which stream used its memory last, and when. Another stream may use the memory
# only after that: it has waited for an event recorded since, or the host has waited. Otherwise it
# is a race, which in CuPy gives wrong numbers at times and here an error. The same holds when
# memory is given back to the stream that it was made for (CuPy's pool has an arena per stream).
#
# A copy from page-locked memory on a stream that is not the current one is put off until somebody
# waits for it. It then reads what the memory holds at that time.

races: list[str] = []  # found when an array was deleted, where no exception can be raised


class Race(RuntimeError):
    """Two streams may use the same memory at the same time."""


class _Clock:
    now = 0


clock = _Clock()  # moves on when an event is recorded


class Stream:
    """`cupy.cuda.Stream`."""

    null: Stream

    def __init__(
        self,
        null: bool = False,
        non_blocking: bool = False,
        ptds: bool = False,
        priority: Any = None,
    ) -> None:
        self.device_id = -1 if null else check_device(machine.current)
        self.is_non_blocking, self.ptds, self.priority = non_blocking, ptds, priority
        self._before: list[tuple[int, Stream]] = []
        self._late: list[_Copy] = []  # copies that are put off
        self._after: dict[Stream, int] = {}  # what this stream comes after: others, up to when
        self._over = -1  # up to when the host knows this stream's work to be over
        _streams.add(self)

    def _on_its_device(self) -> int:
        if self.device_id not in (-1, machine.current):
            raise RuntimeError(
                f"The device that the stream is created on ({self.device_id}) does not match "
                f"with the current device ({machine.current})"
            )
        return machine.current

    def use(self) -> Stream:
        _current()[self._on_its_device()] = self
        return self

    def __enter__(self):
        self._before.append((self._on_its_device(), current_stream()))
        return self.use()

    def __exit__(self, *error: object) -> None:
        device, stream = self._before.pop()
        _current()[device] = stream

    def synchronize(self) -> None:
        note("waits", "Stream.synchronize")
        self._finish()

    def _finish(self) -> None:
        for copy in list(self._late):
            copy.run()
        self._over = clock.now
        clock.now += 1

    def record(self, event: Any = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        if not isinstance(event, Event):
            raise AttributeError(f"{type(event).__name__!r} object has no attribute 'ptr'")
        event._run()
        for stream, time in event._after.items():
            self._after[stream] = max(time, self._after.get(stream, -1))

    def _comes_after(self, other: Stream, time: int) -> bool:
        null_waits = (self is Stream.null and not other.is_non_blocking) or (
            other is Stream.null and not self.is_non_blocking
        )
        return (
            self is other or null_waits or other._over >= time or self._after.get(other, -1) >= time
        )

    @property
    def done(self) -> bool:
        return not self._late


_streams: weakref.WeakSet[Stream] = weakref.WeakSet()
_thread = threading.local()
Stream.null = Stream(null=True)


def _current() -> dict[int, Stream]:
    """Each device's current stream, in this thread."""
    return _thread.__dict__.setdefault("streams", {})


def current_stream(device_id: int = -1) -> Stream:
    return _current().get(machine.current if device_id < 0 else device_id, Stream.null)


def finish_all() -> None:
    for stream in list(_streams):
        stream._finish()


def forget() -> None:
    """Begin anew: no copies under way, no races."""
    races.clear()
    for stream in list(_streams):
        stream._late.clear()


class Event:
    """`cupy.cuda.Event`."""

    def __init__(
        self, block: bool = False, disable_timing: bool = False, interprocess: bool = False
    ) -> None:
        if interprocess and not disable_timing:
            raise ValueError("Timing must be disabled for interprocess events")
        self._device = check_device(machine.current)
        self._copies: list[_Copy] = []
        self._after: dict[Stream, int] = {}
        self._asked = 0

    def record(self, stream: Any = None) -> None:
        stream = current_stream() if stream is None else stream
        if not isinstance(stream, Stream):
            raise AttributeError(f"{type(stream).__name__!r} object has no attribute 'ptr'")
        if self._device != (machine.current if stream.device_id < 0 else stream.device_id):
            raise CUDARuntimeError(400)
        clock.now += 1
        self._copies, self._after = list(stream._late), {**stream._after, stream: clock.now}
        clock.now += 1

    def synchronize(self) -> None:
        note("waits", "Event.synchronize")
        self._passed()

    def _run(self) -> None:
        for copy in self._copies:
            copy.run()

    def _passed(self) -> None:
        self._run()
        for stream, time in self._after.items():
            stream._over = max(time, stream._over)

    @property
    def done(self) -> bool:
        self._asked += 1
        # a program that asks more than 100 times waits for the event in a loop
        if all(copy.done for copy in self._copies) or self._asked > 100:
            self._passed()
            return True
        return False


class PinnedMemoryPointer(bytearray):
    """Page-locked memory; what was in it before is still there."""

    def __init__(self, size: int) -> None:
        super().__init__(b"\xa5" * size)
        self.ptr = np.frombuffer(self, np.uint8).ctypes.data if size else 0
        _pinned[self.ptr] = self

    def size(self) -> int:
        return len(self)


_pinned: weakref.WeakValueDictionary[int, PinnedMemoryPointer] = weakref.WeakValueDictionary()


def alloc_pinned_memory(size: int) -> PinnedMemoryPointer:
    check_device(machine.current)
    return PinnedMemoryPointer(size)


def pinned_behind(host: np.ndarray) -> PinnedMemoryPointer | None:
    """The page-locked memory that an array lies in, if it does."""
    return next(
        (m for start, m in _pinned.items() if start <= host.ctypes.data < start + len(m)), None
    )


class _Copy:
    """A copy that is put off."""

    def __init__(self, stream: Stream, target: np.ndarray) -> None:
        self.stream, self.target, self.done = stream, target, False
        stream._late.append(self)

    def run(self) -> None:
        if not self.done:
            self.done = True
            self.stream._late.remove(self)
            self.copy()

    def copy(self) -> None:
        raise NotImplementedError


class _Download(_Copy):
    """To the host, which sees nothing of it before it has waited."""

    def __init__(self, stream: Stream, target: np.ndarray, values: np.ndarray) -> None:
        super().__init__(stream, target)
        self.values = values

    def copy(self) -> None:
        self.target[...] = self.values


class _Upload(_Copy):
    """From page-locked memory; it keeps that memory alive as little as CuPy does."""

    def __init__(
        self, stream: Stream, target: np.ndarray, source: np.ndarray, memory: PinnedMemoryPointer
    ) -> None:
        super().__init__(stream, target)
        self.memory, self.start = weakref.ref(memory), source.ctypes.data - memory.ptr

    def copy(self) -> None:
        memory = self.memory()
        if memory is None:
            races.append("page-locked memory was given back before the copy from it was over")
            return
        order = "C" if self.target.flags.c_contiguous else "F"
        source = np.frombuffer(memory, self.target.dtype, self.target.size, self.start)
        self.target[...] = source.reshape(self.target.shape, order=order)


class Use:
    """Who used an array's memory last, and for which stream it was made."""

    __slots__ = ("made_for", "stream", "time", "watched")

    def __init__(self, device: int) -> None:
        self.made_for = self.stream = current_stream(device)
        self.time, self.watched = clock.now, False

    def given_back(self) -> None:
        if not self.made_for._comes_after(self.stream, self.time):
            races.append(
                "memory was given back to the stream that it was made for while another may still "
                "have used it"
            )


def touch(array: ndarray, stream: Stream | None = None) -> None:
    """Let a stream, by default the current one, use the array's memory.

    `Race` if another stream may still be using it.
    """
    owner = array if array._base is None else array._base
    use, stream = owner._use, stream or current_stream(owner._device)
    if use.stream is not stream:
        if not stream._comes_after(use.stream, use.time):
            raise Race(
                "this memory may still be in use on another stream; let this one wait for an event "
                "of that"
            )
        if not use.watched:
            use.watched = True
            weakref.finalize(owner, use.given_back).atexit = False
    use.stream, use.time = stream, clock.now


# ---------------------------------------------------------------- into and out of numpy


def poison(host: np.ndarray) -> np.ndarray:
    """Fill new memory with nan (or the largest integer), which a test finds in the results."""
    if host.dtype.kind in "fc":
        host.fill(np.nan)
    else:
        host.fill(True if host.dtype.kind == "b" else np.iinfo(host.dtype).max)
    return host


def wrap(host: np.ndarray, base: ndarray | None = None) -> ndarray:
    """A device array over `host` on the current device; a view of `base` if that is given."""
    if host.dtype.char not in DTYPE_CHARS:
        raise ValueError(f"Unsupported dtype {host.dtype}")
    array = object.__new__(ndarray)
    if base is None:
        _own(array, host)
    else:
        array._host, array._base, array._device, array._use = host, base, base._device, None
    return array


def _own(array: ndarray, host: np.ndarray) -> None:
    """Make `array` one with memory of its own, `host`, on the current device."""
    device = check_device(machine.current)
    array._host, array._base, array._device, array._use = host, None, device, Use(device)
    for counts in _listening:
        counts._made(array)
    for hook in _hooks:
        block = {"device_id": device, "mem_size": -(-host.nbytes // 512) * 512}
        block |= {"mem_ptr": host.ctypes.data, "pmem_id": id(array)}
        hook.malloc_postprocess(size=host.nbytes, **block)
        weakref.finalize(array, _free, hook, block).atexit = False


def unwrap(array: ndarray) -> np.ndarray:
    """The numpy array inside, for work on the current device."""
    if array._device != machine.current:
        raise ValueError(
            f"Array device must be same as the current device: array device = {array._device} "
            f"while current = {machine.current}"
        )
    touch(array)
    return array._host


def check_scatter(host: np.ndarray, name: str) -> None:
    """Refuse to write through a view that overlaps itself: in CuPy, a race without an error."""
    reach = 0
    for stride, size in sorted(
        (abs(s), n) for s, n in zip(host.strides, host.shape, strict=True) if n > 1
    ):
        if host.size and stride <= reach:
            raise ValueError(
                f"{name}: the view of shape {host.shape}, strides {host.strides} overlaps itself"
            )
        reach += stride * (size - 1)


def wrap_result(result: Any, given: list[ndarray], name: str, written: bool = False) -> Any:
    """Device arrays for what a numpy function returned, and a launch unless all of it is views.

    A result that is (a view of) a given array stays so; a scalar becomes a 0-d array, as in CuPy.
    """
    out, launched = _wrapped(result, given)
    if launched or written or result is None:
        note("launches", name)
    return out


def _wrapped(value: Any, given: list[ndarray]) -> tuple[Any, bool]:
    """`value` as a device array, or several, and whether there is anything new in it."""
    # not a nested recursive function: it would be a reference cycle, and keep all these arrays
    # until the next garbage collection
    if isinstance(value, (tuple, list)):
        parts = [_wrapped(part, given) for part in value]
        return (type(value) if type(value) in (tuple, list) else tuple)(
            part for part, _ in parts
        ), any(new for _, new in parts)
    if value is None:
        return None, False
    host = np.asarray(value)
    for array in given:
        if array._host is host:
            return array, False
    if host.base is not None:
        for array in given:
            if np.may_share_memory(host, array._host):
                if not host.flags.writeable and 0 not in host.strides:
                    host.flags.writeable = True  # numpy's diagonal is read-only, CuPy's isn't
                return wrap(host, array if array._base is None else array._base), False
    return wrap(host), True


def scalar(value: Any, use: str) -> Any:
    """A number for `fill`; a host array or a list with more than one number in it is refused."""
    if isinstance(value, (np.ndarray, list, tuple)):
        if np.ndim(value):
            raise ValueError(f"non-scalar numpy.ndarray cannot be used for {use}")
        value = value[()]
    return value


def upload(value: Any, name: str, dtype: Any = None) -> np.ndarray:
    """A numpy array of its own for what lies on the host (lists, numbers, numpy arrays)."""
    host = np.array(value, dtype=dtype)
    if host.dtype.char not in DTYPE_CHARS:
        raise ValueError(f"Unsupported dtype {host.dtype}")
    note("uploads", name)
    return host


def download(array: ndarray, name: str) -> np.ndarray:
    """A copy on the host, which the host waits for."""
    note("waits", name)
    note("downloads", name)
    touch(array)
    current_stream(array._device)._finish()
    return array._host.copy()


# ---------------------------------------------------------------- signatures


def signature_of(rows: list[list[Any]]) -> inspect.Signature:
    """The manifest's rows [name, kind, has a default] as a signature to bind calls to."""
    return inspect.Signature(
        [
            inspect.Parameter(
                name, getattr(inspect.Parameter, kind), **({"default": None} if optional else {})
            )
            for name, kind, optional in rows
        ]
    )


def bind(name: str, signature: inspect.Signature, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Arguments by name as CuPy's own signature would take them; TypeError where it would not."""
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None


def words(text: str) -> set[str]:
    return set(text.split())


# Parameters that may hold a device array. Others are integers, shapes or flags.
ARRAY_PARAMETERS = words(
    """a b x y z a1 a2 ar ar1 ar2 arr arr1 arr2 arrays array ary arys tup args operands condition
    choices condlist choicelist indices values v vals out weights m A f filt p q xp fp src dst where
    prototype fill_value element test_elements obj ind mask prepend append multi_index
    arrays_and_dtypes keys w sorter bins from_ kwargs X xi x1 x2 self varargs sample M val low high
    loc scale lam"""
)
# Functions whose answer is about the host: shapes, types, yes or no without looking at the numbers.
HOST_ANSWERS = words(
    """result_type can_cast promote_types shape ndim size isscalar may_share_memory shares_memory
    broadcast_shapes min_scalar_type iscomplexobj isrealobj issubdtype isdtype common_type iterable
    typename mintypecode binary_repr base_repr array_repr array_str array2string
    format_float_positional format_float_scientific"""
)
# CuPy reads numbers back (a count, a maximum, an error flag) before it can go on.
WAITING = words(
    """nonzero argwhere flatnonzero unique unique_all unique_counts unique_inverse unique_values
    extract compress array_repr array_str array2string bincount intersect1d union1d setdiff1d
    setxor1d trim_zeros histogram histogram2d histogramdd place choose delete interp tolist tobytes
    dumps dump tofile"""
)
# Numpy would call back with numpy arrays, read files, or answer with one of its own classes.
UNSUPPORTED = words(
    """apply_along_axis apply_over_axes piecewise fromfunction vectorize save savez savez_compressed
    savetxt load loadtxt genfromtxt fromfile fromiter fromstring frombuffer show_config
    get_printoptions set_printoptions printoptions mask_indices poly polyfit polyadd polysub polymul
    roots byteswap choose partition toDlpack mdspan reduced_view"""
)
# Numpy checks these indices, CuPy wraps them round.
WRAPPING = {"take", "put"}
# CuPy 14 itself sends these host arrays to the device (or takes them for a shape).
HOST_ARGUMENTS = {
    ("take_along_axis", "indices"), ("einsum", "operands"), ("reshape", "shape"), ("put", "values"),
    ("zeros_like", "a"), ("ones_like", "a"), ("full_like", "a"), ("empty_like", "prototype"),
}  # fmt: skip
# What a host array in the first place raises, where it is not a TypeError.
HOST_ERRORS = {"pad": (ValueError, "fill"), "copyto": (ValueError, "copyto")}


def argument(value: Any, function: str, name: str, given: list[ndarray]) -> Any:
    """One argument for numpy: device arrays opened (and listed in `given`), host arrays refused."""
    if isinstance(value, ndarray):
        if name not in ARRAY_PARAMETERS:
            raise TypeError(
                f"{function}: {name}: 'ndarray' object cannot be interpreted as an integer"
            )
        given.append(value)
        return unwrap(value)
    if isinstance(value, np.ndarray):
        if (function, name) in HOST_ARGUMENTS:
            if not function.endswith("_like") and function != "reshape":
                note("uploads", function)
            return value
        kind, use = HOST_ERRORS.get(function, (TypeError, ""))
        raise kind(
            f"non-scalar numpy.ndarray cannot be used for {use}"
            if use
            else f"Unsupported type {np.ndarray}"
        )
    if type(value) in (list, tuple):
        return type(value)(argument(v, function, name, given) for v in value)
    return value


def is_device_array(value: Any) -> bool:
    """Whether `value` is a device array or a sequence of device arrays."""
    if type(value) in (list, tuple):
        return len(value) > 0 and all(is_device_array(v) for v in value)
    return isinstance(value, ndarray)


def parameter_names(function: Callable, ours: list[str]) -> tuple[list[str], dict[str, str | None]]:
    """Numpy's parameter names, and CuPy's (`ours`) to numpy's.

    A parameter has the same name in both, or the same position; None if numpy lacks it.
    """
    try:
        theirs = list(inspect.signature(function).parameters)
    except ValueError:  # some functions written in C don't say
        theirs = ours
    renamed: dict[str, str | None] = {}
    for i, name in enumerate(ours):
        if name in theirs or "kwargs" in theirs:
            renamed[name] = name
        else:
            renamed[name] = theirs[i] if i < len(theirs) and theirs[i] not in ours else None
    return theirs, renamed


def call_numpy(name: str, rows: list[list[Any]], function: Callable) -> Callable:
    """A function with CuPy's signature and refusals that lets numpy compute."""
    signature = signature_of(rows)
    parameters = list(signature.parameters.values())
    theirs, renamed = parameter_names(function, [p.name for p in parameters])
    first = parameters[0] if parameters and parameters[0].name != "self" else None
    needs_array = (
        first is not None
        and first.name in ARRAY_PARAMETERS
        and (name, first.name) not in HOST_ARGUMENTS
        and name not in HOST_ANSWERS
        and name not in HOST_ERRORS
    )

    def call(*args: Any, **kwargs: Any) -> Any:
        bound = bind(name, signature, args, kwargs)
        if needs_array and first.name in bound and not is_device_array(bound[first.name]):
            raise TypeError(f"{name}: Unsupported type {type(bound[first.name])} for {first.name}")
        given: list[ndarray] = []
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for i, p in enumerate(parameters):
            if p.name not in bound:
                continue
            value = argument(bound[p.name], name, p.name, given)
            if p.kind is p.VAR_POSITIONAL:
                positional.extend(value)
            elif p.kind is p.VAR_KEYWORD:
                for key, item in value.items():
                    keywords[key] = argument(item, name, p.name, given)
            elif renamed[p.name] is None:
                raise NotImplementedError(f"the stand-in for cupy has no {p.name} in {name}")
            elif (
                p.kind is not p.KEYWORD_ONLY
                and len(positional) == i
                and theirs[i : i + 1] == [renamed[p.name]]
            ):
                positional.append(value)
            else:
                keywords[renamed[p.name]] = value
        if name in WRAPPING and "mode" not in bound:
            keywords["mode"] = "wrap"
        out = bound.get("out", bound.get("kwargs", {}).get("out"))
        if isinstance(out, ndarray):
            check_scatter(out._host, name)
        if name in WAITING or (name == "where" and len(bound) == 1) or bound.get("mode") == "raise":
            note("waits", name)
        with np.errstate(all="ignore"):
            result = function(*positional, **keywords)
        if name in HOST_ANSWERS:
            return result
        return wrap_result(result, given, name, written=out is not None)

    call.__name__ = call.__qualname__ = name
    call.__signature__ = signature
    return call


def unsupported(name: str) -> Callable:
    """A function that raises NotImplementedError, for what only the real package has."""

    def call(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"cupy has {name}, its stand-in for tests does not")

    call.__name__ = call.__qualname__ = name
    return call


# ---------------------------------------------------------------- universal functions


@functools.cache
def find_loop(
    types: tuple[str, ...], dtypes: tuple[np.dtype, ...], dtype: np.dtype | None
) -> tuple | None:
    """The first of CuPy's loops, such as "ff->f", that takes `dtypes` or returns `dtype`.

    Returned as (dtypes of inputs, dtypes of outputs).
    """
    for text in types:
        inputs, outputs = (tuple(map(np.dtype, part)) for part in text.split("->"))
        if dtype is None and all(map(np.can_cast, dtypes, inputs)):
            return inputs, outputs
        casts = (np.can_cast(d, i, "same_kind") for d, i in zip(dtypes, inputs, strict=True))
        if dtype is not None and all(o == dtype for o in outputs) and all(casts):
            return inputs, outputs
    return None


AT_TYPES = {"add": "ilqefdILQ", "sub": "ilqefdILQ", "max": "ifdILQ", "min": "ifdILQ"}


class ufunc:
    """A universal function with the loops, keywords and methods that CuPy's has, and no others."""

    def __init__(self, name: str, entry: dict[str, Any], function: Callable | None) -> None:
        self.__name__ = name
        self.name = f"cupy_{name}"
        self.nin, self.nout = entry["nin"], entry["nout"]
        self.nargs = self.nin + self.nout
        self.types = list(entry["types"])
        self._types = tuple(entry["types"])
        self._entry, self._function = entry, function

    def __repr__(self) -> str:
        return f"<ufunc '{self.name}'>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        wrong = {k: v for k, v in kwargs.items() if k not in ("out", "dtype", "casting")}
        if wrong:
            raise TypeError(
                f"Wrong arguments {sorted(wrong)} for {self.name}: "
                "out, dtype and casting are all it takes"
            )
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for {self.name}: {len(args)}")
        inputs, outputs = args[: self.nin], args[self.nin :]
        if kwargs.get("out") is not None:
            if outputs:
                raise ValueError("Cannot specify 'out' as both a positional and keyword argument")
            outputs = kwargs["out"] if isinstance(kwargs["out"], tuple) else (kwargs["out"],)
        for value in inputs:
            if not isinstance(value, (ndarray, bool, int, float, complex, np.generic)):
                raise TypeError(f"Unsupported type {type(value)}")
        for value in outputs:
            if not isinstance(value, ndarray):
                raise TypeError(f"Unsupported type {type(value)}")
        return self._compute(
            inputs, outputs, kwargs.get("dtype"), kwargs.get("casting", "same_kind")
        )

    def _compute(self, inputs: tuple, outputs: tuple, dtype: Any, casting: str) -> Any:
        if self._function is None:
            raise NotImplementedError(f"cupy has {self.__name__}, its stand-in for tests does not")
        strong = [v.dtype for v in inputs if isinstance(v, (ndarray, np.generic))]
        hosts = []
        for value in inputs:
            if isinstance(value, ndarray):
                hosts.append(unwrap(value))
            elif isinstance(value, np.generic):
                hosts.append(np.asarray(value))
            else:  # a Python number has a kind, but no width: it takes its partner's
                hosts.append(np.array(value, dtype=np.result_type(*strong, value)))
        loop = find_loop(
            self._types, tuple(h.dtype for h in hosts), None if dtype is None else np.dtype(dtype)
        )
        if loop is None:
            raise TypeError(
                f"Wrong type ({tuple(h.dtype for h in hosts)}) of arguments for {self.name}"
            )
        shape = np.broadcast_shapes(*(h.shape for h in hosts))
        for out, kind in zip(outputs, loop[1], strict=False):
            if not np.can_cast(kind, out.dtype, casting):
                raise TypeError(
                    f"Cannot cast output operand from {kind!r} to {out.dtype!r} "
                    f"by the rule '{casting}'"
                )
            if out.shape != shape:
                raise ValueError("Out shape is mismatched")
            check_scatter(unwrap(out), self.name)
        note("launches", self.__name__)
        with np.errstate(all="ignore"):
            results = self._function(
                *(h.astype(d, copy=False) for h, d in zip(hosts, loop[0], strict=True))
            )
            results = [
                np.asarray(r).astype(d, copy=False)
                for r, d in zip(results if self.nout > 1 else (results,), loop[1], strict=True)
            ]
            for out, result in zip(outputs, results, strict=False):
                np.copyto(out._host, result, casting="unsafe")
        made = [outputs[i] if i < len(outputs) else wrap(r) for i, r in enumerate(results)]
        return tuple(made) if self.nout > 1 else made[0]

    def outer(self, a: ndarray, b: ndarray, **kwargs: Any) -> Any:
        if self.nin != 2:
            raise ValueError("outer product only supported for binary functions")
        return self(a.reshape(a.shape + (1,) * b.ndim), b, **kwargs)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        if not self._entry["reduce"]:
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        whole = {"add": "sum", "multiply": "prod"}[self.__name__]
        return getattr(home["cupy"], whole)(array, axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if not self._entry["accumulate"]:
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        running = {"add": "cumsum", "multiply": "cumprod"}[self.__name__]
        return getattr(home["cupy"], running)(array, axis, dtype, out)

    def reduceat(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"`{self.name}.reduceat` is not in the stand-in for cupy")

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """`a[indices] (+)= b` that counts duplicate indices; on a GPU in any order."""
        kind = self._entry["at"]
        if kind is None:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        if not isinstance(a, ndarray):
            return a._scatter_op(indices, b)  # CuPy's way to refuse: an AttributeError
        host, (key, fancy) = unwrap(a), read_index(a, indices)
        if fancy and a.dtype.char not in AT_TYPES.get(kind, "ilqILQ"):
            raise TypeError(f"cupy.{self.__name__}.at does not support {a.dtype} as data type")
        name = f"{self.__name__}.at"
        if isinstance(b, ndarray):
            value = unwrap(b)
        else:
            value = upload(b, name) if np.ndim(b) else np.asarray(b)
        check_scatter(host, name)
        note("launches", name)
        self._function.at(host, key, value.astype(a.dtype, copy=False))


# ---------------------------------------------------------------- indexing


def read_index(array: ndarray, index: Any) -> tuple[tuple, bool]:
    """CuPy's reading of an index as a tuple for numpy, and whether it copies, as array indices do.

    Host indices are uploaded. Integers of index *arrays* that are out of range wrap round. A mask
    waits for its count. A closing Ellipsis keeps numpy from turning 0-d views into scalars.
    """
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        is_plain = part is None or part is Ellipsis or isinstance(part, slice)
        if is_plain or (isinstance(part, (int, np.integer)) and not isinstance(part, bool)):
            parts.append(part)
            continue
        if isinstance(part, ndarray):
            part = unwrap(part)
        elif isinstance(part, (list, tuple, np.ndarray, bool, np.bool_)):
            part = (
                np.zeros(0, np.int32)
                if isinstance(part, (list, tuple)) and not part
                else upload(part, "index")
            )
        else:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and arrays are valid indices"
            )
        if part.dtype.kind not in "iub":
            raise IndexError(
                f"arrays used as indices must be of integer or boolean type. (actual: {part.dtype})"
            )
        if part.dtype.kind == "b":
            note("waits", "boolean-mask indexing")
        parts.append(part)
    fancy = any(isinstance(p, np.ndarray) for p in parts)

    def width(part: Any) -> int:  # how many axes of the array this part reads
        is_mask = isinstance(part, np.ndarray) and part.dtype.kind == "b"
        return part.ndim if is_mask else 0 if part is None or part is Ellipsis else 1

    if not any(p is Ellipsis for p in parts):
        parts.append(Ellipsis)
    rest, axis = array.ndim - sum(map(width, parts)), 0
    for i, part in enumerate(parts):
        if (
            isinstance(part, np.ndarray)
            and part.dtype.kind in "iu"
            and axis < array.ndim
            and array.shape[axis]
        ):
            parts[i] = part % array.shape[axis]
        axis += rest if part is Ellipsis else width(part)
    return tuple(parts), fancy


def first_wins(host: np.ndarray, key: tuple, value: np.ndarray) -> None:
    """`host[key] = value`, where the first of duplicate indices wins (in numpy the last)."""
    places = np.arange(host.size).reshape(host.shape)[key]
    values = np.broadcast_to(np.asarray(value), places.shape)
    host.flat[places.ravel()[::-1]] = values.ravel()[::-1]


# ---------------------------------------------------------------- the array


class Flags:
    """`ndarray.flags` of CuPy: contiguity and ownership; nothing about writing."""

    __slots__ = ("c_contiguous", "f_contiguous", "owndata")

    def __init__(self, array: ndarray) -> None:
        self.c_contiguous = array._host.flags.c_contiguous
        self.f_contiguous = array._host.flags.f_contiguous
        self.owndata = array._base is None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'Flags' object has no attribute {name!r}")

    def __getitem__(self, name: str) -> bool:
        if name not in ("C_CONTIGUOUS", "F_CONTIGUOUS", "OWNDATA"):
            raise KeyError(f"{name} is not defined for cupy.ndarray.flags")
        return getattr(self, name.lower())


@dataclass(frozen=True)
class MemoryPointer:
    """`ndarray.data`: the address (of the numpy memory behind it) and the device's number."""

    ptr: int
    device_id: int


class ndarray:
    """`cupy.ndarray` with numpy inside; `complete` adds further methods from the manifest."""

    __module__ = "cupy"
    __array_priority__ = 100
    __slots__ = ("__weakref__", "_base", "_device", "_host", "_use")
    _host: np.ndarray
    _base: ndarray | None
    _device: int
    _use: Use | None  # of those without a base

    def __init__(
        self,
        shape: Any,
        dtype: Any = float,
        memptr: Any = None,
        strides: Any = None,
        order: str = "C",
    ) -> None:
        if memptr is not None or strides is not None:
            raise NotImplementedError(
                "the stand-in for cupy makes no arrays from pointers; use as_strided"
            )
        host = poison(np.empty(shape, dtype, order))
        if host.dtype.char not in DTYPE_CHARS:
            raise ValueError(f"Unsupported dtype {host.dtype}")
        _own(self, host)

    # What the array is
    shape = property(
        lambda self: self._host.shape,
        lambda self, shape: setattr(self, "_host", _reshaped(self, shape)),
    )
    dtype = property(lambda self: self._host.dtype)
    strides = property(lambda self: self._host.strides)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    base = property(lambda self: self._base)
    flags = property(Flags)
    device = property(lambda self: Device(self._device))
    data = property(lambda self: MemoryPointer(self._host.ctypes.data, self._device))
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))
    real = property(lambda self: wrap_result(unwrap(self).real, [self], "real"))
    imag = property(lambda self: wrap_result(unwrap(self).imag, [self], "imag"))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        host = self._host
        strides = None if host.flags.c_contiguous else host.strides
        return {
            "shape": host.shape, "typestr": host.dtype.str, "descr": host.dtype.descr, "stream": 1,
            "version": 3, "strides": strides, "data": (host.ctypes.data, False),
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[ndarray]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # To the host: all of it waits
    def get(
        self,
        stream: Any = None,
        order: str = "C",
        out: np.ndarray | None = None,
        blocking: bool = True,
    ) -> Any:
        if blocking:
            host = download(self, "get")
        else:
            note("waits", "get(blocking=False)")  # which also CuPy takes for a wait
            note("downloads", "get")
            touch(self, stream)
            host = self._host.copy()
        if out is None:
            out = poison(np.empty(self.shape, self.dtype, order if order in ("C", "F") else "C"))
        if not isinstance(out, np.ndarray):
            raise TypeError("Only numpy.ndarray can be obtained from cupy.ndarray")
        if out.dtype != self.dtype:
            raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
        if out.shape != self.shape:
            raise ValueError(
                f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}"
            )
        if blocking:
            out[...] = host
        else:
            _Download(stream or current_stream(self._device), out, host)
        return out

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(
                f"Shape mismatch. Expected shape: {self.shape}, actual shape: {arr.shape}"
            )
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        note("uploads", "set")
        memory = pinned_behind(arr)
        if stream is not None and memory is None:
            note(
                "waits", "set from memory that is not page-locked"
            )  # the host copies it, piece by piece
        touch(self, stream)
        if memory is None or stream in (None, current_stream(self._device)):
            self._host[...] = arr
        else:
            _Upload(stream, self._host, arr, memory)

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return download(self, "item").item()

    def _number(self, kind: type) -> Any:
        if self.ndim != 0:
            raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
        return kind(download(self, kind.__name__))

    def __float__(self) -> float:
        return self._number(float)

    def __int__(self) -> int:
        return self._number(int)

    def __complex__(self) -> complex:
        return self._number(complex)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. "
                "Use a.any() or a.all()"
                if self.size
                else "The truth value of an empty array is ambiguous"
            )
        return bool(download(self, "bool"))

    def __str__(self) -> str:
        return str(download(self, "str"))

    def __repr__(self) -> str:
        return repr(download(self, "repr"))

    def __format__(self, spec: str) -> str:
        return format(download(self, "format")[()], spec)

    def tolist(self) -> Any:
        return download(self, "tolist").tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return download(self, "tobytes").tobytes(order)

    def __reduce__(self) -> tuple:
        return _from_host, (download(self, "pickle"),)

    __hash__ = None  # type: ignore[assignment]  # `==` is element-wise

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # Copies on the device; a copy goes to the current device
    def copy(self, order: str = "C") -> ndarray:
        note("launches", "copy")
        touch(self)
        return wrap(self._host.copy(order))

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: dict) -> ndarray:
        with Device(self._device):
            return self.copy()

    def fill(self, value: Any) -> None:
        given = isinstance(value, ndarray)
        if given and value.ndim:
            raise ValueError("non-scalar cupy.ndarray cannot be used for fill")
        host = unwrap(self)
        check_scatter(host, "fill")
        note("launches", "fill")
        with np.errstate(all="ignore"):
            host[...] = unwrap(value) if given else scalar(value, "fill")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._device

    def __dlpack__(self, **kwargs: Any) -> Any:
        raise BufferError("this array lies on a device; take it over by cupy.from_dlpack or .get()")

    # Indexing
    def __getitem__(self, index: Any) -> ndarray:
        host = unwrap(self)
        key, fancy = read_index(self, index)
        found = host[key]
        return wrap_result(np.array(found) if fancy else found, [self], "getitem")

    def __setitem__(self, index: Any, value: Any) -> None:
        host = unwrap(self)
        key, fancy = read_index(self, index)
        if isinstance(value, ndarray):
            new = unwrap(value)
        else:
            new = upload(value, "setitem") if fancy and np.ndim(value) else scalar(value, "fill")
        target = host if fancy else host[key]
        check_scatter(target, "setitem")
        if isinstance(value, ndarray) and not fancy and _same(target, new):
            return  # the last step of `x[i] += y`, whose work is already done
        note("launches", "setitem")
        with np.errstate(all="ignore"):
            if fancy and np.ndim(new):
                first_wins(host, key, new)
            else:
                host[key] = new

    # numpy functions on device arrays go to the function of the same name here
    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(
            not isinstance(v, (ndarray, np.ndarray, np.generic, bool, int, float, complex))
            for v in inputs
        ):
            return NotImplemented
        if method != "__call__":
            return NotImplemented
        ours = getattr(home["cupy"], function.__name__, None)
        return NotImplemented if ours is None else ours(*inputs, **kwargs)

    def __array_function__(self, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if any(not issubclass(t, (ndarray, np.ndarray)) for t in types):
            return NotImplemented
        path = [*function.__module__.split(".")[1:], function.__name__]
        try:
            ours = functools.reduce(getattr, path, home["cupy"])
        except AttributeError:
            return NotImplemented
        return ours(*args, **kwargs)


def _from_host(host: np.ndarray) -> ndarray:
    return wrap(upload(host, "unpickle"))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return (
        a.ctypes.data == b.ctypes.data
        and a.shape == b.shape
        and a.strides == b.strides
        and a.dtype == b.dtype
    )


def _reshaped(array: ndarray, shape: Any) -> np.ndarray:
    view = array._host.reshape(shape)
    if array.size and not np.shares_memory(view, array._host):
        raise AttributeError("Incompatible shape for in-place modification")
    return view
