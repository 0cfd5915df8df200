"""The one file that knows that arrays may live on different devices.

Everything above it is handed `xp`, the module that owns the arrays at hand: numpy for the CPU, cupy for a
GPU. cupy is imported when somebody asks for a ``"cuda"`` device and never before.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")


class Device:
    """Where an array lives: ``Device("cpu")``, ``Device("cuda")`` or ``Device("cuda", 1)``, in short ``"cuda:1"``.

    Public as ``tinynet.device``.

    Two devices are equal when type and index are; ``"cuda"`` means ``"cuda:0"``.

    >>> Device("cuda:1")
    device(type='cuda', index=1)
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None

    def __init__(self, type: str | Device, index: int | None = None):
        if isinstance(type, Device):
            other = type
            type, index = other.type, other.index
        elif not isinstance(type, str):
            raise TypeError(f"device: expected a string such as 'cpu' or 'cuda:0', got {type!r}")
        name, colon, digits = type.partition(":")
        if name not in ("cpu", "cuda") or (colon and not digits.isdecimal()) or (colon and index is not None):
            raise ValueError(f"device: unknown device {type!r}; tinynet knows 'cpu', 'cuda' and 'cuda:<number>'")
        if digits:
            index = int(digits)
        if index is not None and (not isinstance(index, int) or index < 0):
            raise ValueError(f"device: the index must be a number from 0 up, got {index!r}")
        if name == "cpu" and index not in (None, 0):
            raise ValueError(f"device: there is one CPU device, 'cpu'; got index {index}")
        self.type = name
        self.index = None if name == "cpu" else index or 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"


_INSTALL = "pip install 'tinynet[cuda13]' (or 'tinynet[cuda12]', for an older driver)"
# CUDA's cudaErrorInsufficientDriver, cudaErrorStubLibrary, cudaErrorInitializationError, cudaErrorSystemDriverMismatch
_NO_DRIVER = (35, 34, 3, 803)
_proven: set[tuple[Any, int]] = set()  # the GPUs that have computed something


def load_cupy(index: int = 0) -> Any:
    """The cupy module, once it is sure that GPU `index` computes. RuntimeError says what is missing, and the way out."""
    name = f"device 'cuda:{index}'"
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise RuntimeError(f"{name}: cupy is installed, but it needs {error.name}; pip install {error.name}") from error
        raise RuntimeError(f"{name}: cupy is not installed; {_INSTALL}, or use device='cpu'") from error
    except ImportError as error:
        raise RuntimeError(f"{name}: {_libraries(error)}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # cupy's own CUDARuntimeError, which can't be named without cupy
        if getattr(error, "status", None) in _NO_DRIVER:
            raise RuntimeError(
                f"{name}: cupy finds no NVIDIA driver, or one too old for it ({error}); install or update the driver "
                "(https://www.nvidia.com/drivers), or use device='cpu'"
            ) from error
        raise RuntimeError(
            f"{name}: there is an NVIDIA driver but no GPU that it can use ({error}); look at what nvidia-smi says and at the "
            "environment variable CUDA_VISIBLE_DEVICES, or use device='cpu'"
        ) from error
    if index >= count:
        there = "no GPU" if count == 0 else "one GPU, 'cuda:0'" if count == 1 else f"{count} GPUs, 'cuda:0' to 'cuda:{count - 1}'"
        raise RuntimeError(f"{name}: this machine has {there}; choose another index or use device='cpu'")
    if (cupy, index) not in _proven:
        # cupy loads CUDA's libraries when they are first needed: a sum needs the compiler, a product cuBLAS
        try:
            with cupy.cuda.Device(index):
                one = cupy.ones((1, 1), np.float32)
                cupy.matmul(one + one, one)
        except Exception as error:
            raise RuntimeError(f"{name}: {_libraries(error)}") from error
        _proven.add((cupy, index))
    return cupy


def _libraries(error: Exception) -> str:
    return (
        f"cupy is installed, but a first computation with it fails ({type(error).__name__}: {str(error).strip()}); if CUDA's libraries "
        "are missing, pip install 'cupy-cuda13x[ctk]' (or 'cupy-cuda12x[ctk]') brings them; or use device='cpu'"
    )


def array_module(*arrays: Any, function: str = "") -> Any:
    """numpy or cupy, whichever owns `arrays`; Python numbers and None don't count. RuntimeError, naming `function`, if they are mixed."""
    owner: Any = None
    for array in arrays:
        if type(array) is np.ndarray:
            found: Any = np
        elif hasattr(array, "__cuda_array_interface__"):
            found = sys.modules["cupy"]
        else:
            continue
        if owner is None:
            owner, first = found, array
        elif owner is not found or (found is not np and array.device != first.device):
            a, b = device_of(first), device_of(array)
            raise RuntimeError(
                f"{function}{': ' if function else ''}expected all tensors on the same device, but found {a} and {b}; "
                f"move one with .to('{a}') or .to('{b}')"
            )
    return owner or np


def computing(array: Any) -> Any:
    """The ``with`` block to compute in with `array` and those beside it.

    On numpy, infinities and nans are values, as in PyTorch, and no warnings. cupy makes results on the current device, which is
    made that of `array`.
    """
    return np.errstate(all="ignore") if isinstance(array, np.ndarray) else array.device


_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet_quiet", default=False)
is_quiet = _quiet.get  # whether this runs inside `quietly`


def quietly(function: Callable[[], _T]) -> _T:
    """``function()`` without numpy's warnings, so that each of many small operations is spared to say so itself.

    It gets context variables of its own. So whatever it sets ends with it, also when Ctrl-C comes at that very moment, which can keep
    a ``with`` block from being left.
    """

    def quiet() -> _T:
        _quiet.set(True)
        np.seterr(all="ignore")
        return function()

    return contextvars.copy_context().run(quiet)


def beside(array: Any, value: Any, dtype: Any = None) -> Any:
    """`value`, a number or a numpy array, as an array where `array` lives."""
    if isinstance(array, np.ndarray):
        return np.asarray(value, dtype)
    with array.device:
        xp = sys.modules["cupy"]
        return xp.asarray(value, dtype) if np.ndim(value) else xp.full((), value, dtype)  # a fill, unlike an upload, is no transfer


def full_like(array: Any, value: float) -> Any:
    """`value` everywhere, in the shape and dtype of `array` and where that lives."""
    with computing(array):
        return array_module(array).full_like(array, value)


def constant(xp: Any, array: np.ndarray) -> Any:
    """A small numpy array, such as positions that follow from shapes, where `xp` computes: uploaded once and kept. Not to be changed."""
    return array if xp is np else _uploaded(xp, xp.cuda.Device().id, array.dtype, array.shape, array.tobytes())


@functools.lru_cache(maxsize=256)
def _uploaded(xp: Any, index: int, dtype: Any, shape: tuple[int, ...], content: bytes) -> Any:
    return xp.asarray(np.frombuffer(content, dtype).reshape(shape))


@contextlib.contextmanager
def module_on(device: Any) -> Iterator[Any]:
    """The module, numpy or cupy, whose functions make arrays on `device` (None: the CPU) inside the block."""
    where = Device("cpu" if device is None else device)
    if where.type == "cpu":
        yield np
    else:
        cupy = load_cupy(where.index or 0)
        with cupy.cuda.Device(where.index):
            yield cupy


def device_of(array: Any) -> Device:
    """The device that `array` lives on."""
    return Device("cpu") if isinstance(array, np.ndarray) else Device("cuda", array.device.id)


def to_device(array: Any, target: Device) -> Any:
    """`array` on `target`: itself if it is there already, else a copy."""
    if device_of(array) == target:
        return array
    if target.type == "cpu":
        return to_host(array)
    cupy = load_cupy(target.index or 0)
    with cupy.cuda.Device(target.index):
        return cupy.asarray(array)  # from the host, or from one GPU to the other


def to_host(array: Any) -> np.ndarray:
    """`array` as a numpy array: itself if it is one, else a copy."""
    return array if isinstance(array, np.ndarray) else array.get()


@functools.cache
def _copying_stream(cupy: Any, index: int) -> Any:
    """A stream of GPU `index` for copies beside its computing; non-blocking: the default stream doesn't wait for it, nor it for that."""
    with cupy.cuda.Device(index):
        return cupy.cuda.Stream(non_blocking=True)


_sent: list[tuple[Any, np.ndarray]] = []  # events of copies that may be going on, with the page-locked memory that they read
_sent_lock = threading.Lock()


def send(arrays: Sequence[np.ndarray], target: Device) -> Callable[[], list[Any]]:
    """Start copying `arrays` to a GPU, all in one transfer, beside whatever it computes; calling what is returned gives them there.

    Nothing here waits: the GPU's computing stream does, for the copy, from that call on. The call must be made, also where nobody wants the
    arrays any more.
    """
    cupy, index = load_cupy(target.index or 0), target.index
    # each array begins where a GPU reads it fastest, as if it had memory of its own
    ends = list(itertools.accumulate(-(-array.nbytes // 256) * 256 for array in arrays))
    places = [slice(end, end + array.nbytes) for end, array in zip([0, *ends], arrays, strict=False)]
    size = ends[-1] if ends and ends[-1] else 1
    with cupy.cuda.Device(index):
        copying, computing = _copying_stream(cupy, index), cupy.cuda.get_current_stream()
        pinned = np.frombuffer(cupy.cuda.alloc_pinned_memory(size), np.uint8, size)  # only from such can a GPU fetch by itself
        for array, place in zip(arrays, places, strict=True):
            pinned[place].view(array.dtype).reshape(array.shape)[...] = array
        # cupy gives memory back to the stream that it was made for as soon as Python lets go of it, since what this stream does next comes
        # after all that it has been told to do. So the memory has to be the computing stream's, which goes on using it: were it the
        # copying stream's, the next copy might overwrite a batch that is still being read. And the copy has to come after what the
        # computing stream has been told to do so far: the memory may have been something else, which is still being read.
        there = cupy.empty(size, np.uint8)
        copying.wait_event(computing.record(cupy.cuda.Event(disable_timing=True)))
        there.set(pinned, stream=copying)
        copied = copying.record(cupy.cuda.Event(disable_timing=True))
    with _sent_lock:  # page-locked memory is used anew when Python lets go of it, which must not be before it has been read
        _sent[:] = [(event, memory) for event, memory in _sent if not event.done] + [(copied, pinned)]

    def arrive() -> list[Any]:
        with cupy.cuda.Device(index):
            cupy.cuda.get_current_stream().wait_event(copied)
            return [there[place].view(array.dtype).reshape(array.shape) for array, place in zip(arrays, places, strict=True)]

    return arrive


class Generator:
    """A stream of random numbers (numpy's PCG64), the same on every device since the host draws them.

    >>> g = Generator().manual_seed(7)
    >>> g.initial_seed()
    7
    """

    def __init__(self, device: Any = "cpu"):
        if Device(device).type != "cpu":
            raise ValueError(f"Generator: random numbers are drawn on the CPU; got device {device!r}")

    numpy: np.random.Generator
    _seed: int
    _spawned = 0  # how many families of generators were made of this one since it was seeded

    def __getattr__(self, name: str) -> Any:
        if name in ("numpy", "_seed"):  # seeded when first asked for: numpy's random module is a fifth of what there is to import
            self.manual_seed(self._first_seed())
            return self.__dict__[name]
        raise AttributeError(f"Generator has no {name!r}")

    def _first_seed(self) -> int:
        return _new_seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew from `seed`, an int of up to 64 bits (a negative one counts from 2**64 down); returns self."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected an int, got {seed!r}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: the seed must fit in 64 bits, got {seed}")
        self._seed = int(seed) % 2**64
        self._spawned = 0
        self.numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self

    def seed(self) -> int:
        """Start from a seed that the operating system draws; returns it."""
        self.manual_seed(_new_seed())
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, as plain numbers that JSON can hold."""
        return {"seed": self._seed, "spawned": self._spawned, "bit_generator": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called."""
        try:
            bits = np.random.PCG64(0)
            bits.state = state["bit_generator"]
            seed, spawned = int(state["seed"]), int(state["spawned"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(f"set_state: this is not the state of a Generator: {state!r:.80}") from error
        self._seed, self._spawned, self.numpy = seed, spawned, np.random.Generator(bits)

    def spawn(self) -> Callable[[int], Generator]:
        """A family of generators: a function that gives the one with a number. None draws what another draws, or any of another family.

        Nothing is drawn from this generator: the families are counted, and the seeds follow from its seed and these numbers.

        >>> family = Generator().manual_seed(7).spawn()
        >>> family(0).initial_seed() == family(0).initial_seed() != family(1).initial_seed()
        True
        """
        seed, family = self._seed, self._spawned
        self._spawned += 1
        return lambda number: _Spawned(seed, family, number)


class _Spawned(Generator):
    def __init__(self, seed: int, *key: int):
        self._origin = seed, key

    def _first_seed(self) -> int:
        return _new_seed(*self._origin)


def _new_seed(entropy: int | None = None, key: tuple[int, ...] = ()) -> int:
    """A seed that follows from `entropy` and `key`; without, one that the operating system draws."""
    return int(np.random.SeedSequence(entropy, spawn_key=key).generate_state(1, np.uint64)[0])


_drawn_from: contextvars.ContextVar[Generator | None] = contextvars.ContextVar("tinynet_generator", default=None)


class _DefaultGenerator(Generator):
    """One that stands back, in all it does, for the one that is named in `drawing_from`."""

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(_drawn_from.get() or self, name)


default_generator: Generator = _DefaultGenerator()


@contextlib.contextmanager
def drawing_from(generator: Generator) -> Iterator[None]:
    """Inside, and in this thread only, the default generator is `generator`."""
    token = _drawn_from.set(generator)
    try:
        yield
    finally:
        _drawn_from.reset(token)


def manual_seed(seed: int) -> Generator:
    """Seed the generator that everything random draws from unless it is given its own; returns that generator."""
    return default_generator.manual_seed(seed)
