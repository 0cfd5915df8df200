"""CUDA kernels, and the upload of batches to a GPU.

A kernel replaces a function that would take dozens of launches on a GPU. Each launch takes some
ten microseconds of Python, however little it computes; with these kernels a training step of
LeNet-5 takes about a hundred launches instead of more than three hundred. The plain function that
a kernel replaces is marked with `on_gpu`. It explains the kernel, and the tests compare the two.

The text of a kernel is CUDA C that computes element number ``i`` of the outputs, by a function in
``kernels.cu``. It sees its own element of each input, and all elements of a ``raw`` input. Sums are
*gathered*: one thread per result adds up all contributions in a fixed order. No two threads write
to one place, so the same inputs give the same bits.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .devices import Device, load_cupy

if TYPE_CHECKING:
    from ..ops.conv.geometry import Geometry


class Kernel(NamedTuple):
    """The arguments of cupy's ElementwiseKernel.

    `inputs` and `outputs` declare parameters, as in ``"raw T x, int64 H"``; cupy finds the dtypes
    that the single letters stand for.
    """

    name: str
    inputs: str
    outputs: str
    text: str

    def __call__(self, xp: Any, *arguments: Any) -> Any:
        """Launch the kernel, which writes into its last arguments; returns the very last."""
        _elementwise_kernel(xp, self)(*arguments)
        return arguments[-1]


@functools.cache  # cupy compiles at the first call, for each device and dtypes
def _elementwise_kernel(xp: Any, kernel: Kernel) -> Any:
    return xp.ElementwiseKernel(
        kernel.inputs, kernel.outputs, kernel.text, f"tinynet_{kernel.name}", preamble=functions())


@functools.cache
def functions() -> str:
    """CUDA C: the functions that the kernels call."""
    return Path(__file__).with_name("kernels.cu").read_text(encoding="utf-8")


def on_gpu(kernel: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: on cupy call `kernel` instead of the plain function (kept as ``__wrapped__``)."""

    def decorate(plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def either(xp: Any, *arguments: Any) -> Any:
            return plain(xp, *arguments) if xp is np else kernel(xp, *arguments)

        return either

    return decorate


# --------------------------------------------------------------------------------------- im2col

workspace_limit = 256 << 20  # bytes of a convolution's columns; see `cuda.set_workspace_limit`

# The numbers of a Geometry: as parameters of a kernel, as the struct of them in CUDA, as arguments.
_NAMES = "H W KH KW OH OW sh sw dh dw top left".split()
_GEOMETRY = ", ".join(f"int64 {name}" for name in _NAMES)
_STRUCT = f"Geometry<T>{{{', '.join(_NAMES)}}}"


def _numbers(geo: "Geometry") -> tuple[int, ...]:
    (top, _), (left, _) = geo.padding
    return *geo.size, *geo.kernel, geo.OH, geo.OW, *geo.stride, *geo.dilation, top, left


IM2COL = Kernel("im2col", f"raw T x, int64 N, {_GEOMETRY}", "T column",
                f"column = {_STRUCT}.im2col(x, N, i)")
COL2IM = Kernel("col2im", f"raw T cols, int64 N, {_GEOMETRY}", "T pixel",
                f"pixel = {_STRUCT}.col2im(cols, N, i)")


def im2col(xp: Any, x: Any, geometry: "Geometry") -> Any:
    """`ops.conv.plain.im2col` in one launch."""
    N, C = x.shape[:2]
    cols = xp.empty((C, *geometry.kernel, geometry.OH, geometry.OW, N), x.dtype)
    return IM2COL(xp, x.transpose(1, 2, 3, 0), N, *_numbers(geometry), cols)


def col2im(xp: Any, cols: Any, geometry: "Geometry") -> Any:
    """`ops.conv.plain.col2im` in one launch."""
    C, N = cols.shape[0], cols.shape[-1]
    image = xp.empty((C, *geometry.size, N), cols.dtype)
    return COL2IM(xp, cols, N, *_numbers(geometry), image).transpose(3, 0, 1, 2)


# ---------------------------------------------------------------------------------- max-pooling

MAX_POOL = Kernel("max_pool", f"raw T x, T lowest, {_GEOMETRY}", "T y",
                  f"y = {_STRUCT}.max_pool(x, lowest, i)")
WINNERS = Kernel("winners", f"raw T x, T y, {_GEOMETRY}", "I winner",
                 f"winner = {_STRUCT}.winner(x, y, i)")
ROUTE_BACK = Kernel("route_back", f"raw T a, raw I winners, {_GEOMETRY}", "T pixel",
                    f"pixel = {_STRUCT}.route_back(a, winners, i)")


def largest_of_windows(xp: Any, x: Any, geometry: "Geometry", lowest: Any) -> Any:
    """`ops.conv.pooling.largest_of_windows` in one launch."""
    y = xp.empty((*x.shape[:2], geometry.OH, geometry.OW), x.dtype)
    return MAX_POOL(xp, x, lowest, *_numbers(geometry), y)


def winning_taps(xp: Any, x: Any, y: Any, geometry: "Geometry") -> Any:
    """`ops.conv.pooling.winning_taps` in one launch."""
    return WINNERS(xp, x, y, *_numbers(geometry), xp.empty(y.shape, np.int32))


def to_the_largest(xp: Any, dy: Any, x: Any, y: Any, geometry: "Geometry") -> Any:
    """`ops.conv.pooling.to_the_largest` in two launches."""
    winners = winning_taps(xp, x, y, geometry)
    dx = xp.empty((*dy.shape[:2], *geometry.size), dy.dtype)
    return ROUTE_BACK(xp, dy, winners, *_numbers(geometry), dx)


# -------------------------------------------------------------------------------------- dropout

KEEP_MASK = Kernel("keep_mask", "int64 seed, int64 dropped, T scale", "T kept",
                   "kept = keep_mask(seed, dropped, scale, i)")


def keep_mask(xp: Any, seed: int, shape: tuple[int, ...], dtype: Any, dropped: int) -> Any:
    """`nn.functional.dropout.keep_mask` in one launch."""
    scale = 65536 / (65536 - dropped) if dropped < 65536 else 0.0
    return KEEP_MASK(xp, seed, dropped, scale, xp.empty(shape, dtype))


# ----------------------------------------------------------------------------------- optimisers

MOMENTUM = Kernel("momentum", "T g, T lr, T momentum, T weight, bool nesterov", "T p, T v",
                  "momentum_step<T>(g, lr, momentum, weight, nesterov, p, v)")
ADAM = Kernel(
    "adam", "T g, T beta2, T weight1, T weight2, T rate, T floor", "T p, T m, T v",
    "adam_step<T>(g, beta2, weight1, weight2, rate, floor, p, m, v)")
AMSGRAD = Kernel("amsgrad", ADAM.inputs, "T p, T m, T v, T most",
                 "amsgrad_step<T>(g, beta2, weight1, weight2, rate, floor, p, m, v, most)")


def momentum_step(xp, p, g, v, lr: float, momentum: float, weight: float, nesterov: bool) -> None:
    """`optim.formulas.momentum_step` in one launch; `weight` is that of g."""
    MOMENTUM(xp, g, lr, momentum, weight, nesterov, p, v)


def adam_step(xp, p, g, m, v, most, beta1: float, beta2: float, rate: float, floor: float) -> None:
    """`optim.formulas.adam_step` in one launch; AMSGrad if `most` is an array and not None."""
    kernel, averages = (ADAM, (m, v)) if most is None else (AMSGRAD, (m, v, most))
    kernel(xp, g, beta2, 1 - beta1, 1 - beta2, rate, floor, p, *averages)


# --------------------------------------------------------------------------------------- upload

# Uploads that may still be going on: their events and the page-locked memory that they read.
_uploads: list[tuple[Any, np.ndarray]] = []
_uploads_lock = threading.Lock()


@functools.cache
def _copying_stream(cupy: Any, index: int) -> Any:
    """A stream of GPU `index` for copies: non-blocking, so it does not wait for computations."""
    with cupy.cuda.Device(index):
        return cupy.cuda.Stream(non_blocking=True)


def send(arrays: Sequence[np.ndarray], target: Device) -> Callable[[], list[Any]]:
    """Start to copy `arrays` to a GPU in one transfer, and return a function that receives them.

    The program waits for nothing. When the returned function is called, the GPU's computing
    stream is told to wait for the copy. Call it exactly once, even to discard the arrays.
    """
    index = target.index or 0
    cupy = load_cupy(index)
    # each array starts at a multiple of 256 bytes, as if it had been allocated by itself
    ends = list(itertools.accumulate(-(-array.nbytes // 256) * 256 for array in arrays))
    places = [slice(start, start + a.nbytes) for start, a in zip([0, *ends], arrays, strict=False)]
    size = max([1, *ends])

    def divide(memory: Any) -> list[Any]:
        return [memory[place].view(array.dtype).reshape(array.shape)
                for place, array in zip(places, arrays, strict=True)]

    with cupy.cuda.Device(index):
        copying, computing = _copying_stream(cupy, index), cupy.cuda.get_current_stream()
        # A GPU copies beside its computing only from page-locked (pinned) memory.
        pinned = np.frombuffer(cupy.cuda.alloc_pinned_memory(size), np.uint8, size)
        for part, array in zip(divide(pinned), arrays, strict=True):
            part[...] = array
        # cupy gives the memory of a dead array to the next array of the same stream, because
        # work on one stream is done in order. Two rules follow. The memory must belong to the
        # computing stream, which reads the batch: the copying stream would give it to the next
        # batch while this one is still being read. And the copy must wait for what the computing
        # stream has been told so far, because that may still read an array that had this memory.
        received = cupy.empty(size, np.uint8)
        copying.wait_event(computing.record(cupy.cuda.Event(disable_timing=True)))
        received.set(pinned, stream=copying)
        copied = copying.record(cupy.cuda.Event(disable_timing=True))
    # keep the page-locked memory until the GPU has read it, because cupy reuses it when it dies
    with _uploads_lock:
        _uploads[:] = [upload for upload in _uploads if not upload[0].done] + [(copied, pinned)]

    def receive() -> list[Any]:
        with cupy.cuda.Device(index):
            cupy.cuda.get_current_stream().wait_event(copied)
            return divide(received)

    return receive
