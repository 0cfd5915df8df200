"""CUDA kernels of our own, for the few places where numpy's functions would take dozens of launches on a GPU.

A launch takes some ten microseconds however little it computes, and a LeNet step would make over three hundred of them; with these kernels
it makes about a hundred. Each does in one launch what a plain function elsewhere does on numpy and could do on cupy: that function is
marked with `on_gpu`, its text is the explanation, and the tests hold the kernel against it.

The text of a kernel is CUDA C for one element of its outputs, whose number is ``i``; inputs called raw are indexed at will. A sum *gathers*
here, each element collecting its own shares: nothing is ever written by two threads, so results don't depend on their order.

Size letters as in `geometry`.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ops.conv.geometry import Geometry
from .devices import Device, load_cupy


class Kernel(NamedTuple):
    """What cupy's ElementwiseKernel is made of: parameters as in ``"raw T x, int64 H"``, and the text."""

    name: str
    inputs: str
    outputs: str
    text: str

    def __call__(self, xp: Any, *arguments: Any) -> None:
        """Launch it; the last arguments are the outputs, which are written into."""
        _made(xp, self)(*arguments)


@functools.cache  # cupy compiles at the first call and keeps that for each device and dtype
def _made(xp: Any, kernel: Kernel) -> Any:
    return xp.ElementwiseKernel(kernel.inputs, kernel.outputs, kernel.text, f"tinynet_{kernel.name}")


def on_gpu(kernel: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let `kernel` stand in on cupy for the decorated function, which keeps working on both (as ``__wrapped__``)."""

    def declare(plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def either(xp: Any, *arguments: Any) -> Any:
            return plain(xp, *arguments) if xp is np else kernel(xp, *arguments)

        return either

    return declare


# ---------------------------------------------------------------------------------------------------- columns

# The geometry, as the kernels take it.
_GEOMETRY = ", ".join(f"int64 {name}" for name in "H W KH KW OH OW sh sw dh dw top left".split())


def _numbers(geo: Geometry) -> tuple[int, ...]:
    return (*geo.size, *geo.kernel, geo.OH, geo.OW, *geo.stride, *geo.dilation, geo.padding[0][0], geo.padding[1][0])


IM2COL = Kernel(
    "im2col",
    f"raw T x, int64 N, {_GEOMETRY}",  # x (C, H, W, N)
    "T column",  # (C, KH, KW, OH, OW, N)
    """
    long long rest = i / N;
    long long w = rest % OW * sw - left;  rest /= OW;
    long long h = rest % OH * sh - top;   rest /= OH;
    w += rest % KW * dw;                  rest /= KW;
    h += rest % KH * dh;                  rest /= KH;
    column = 0 <= h && h < H && 0 <= w && w < W ? x[((rest * H + h) * W + w) * N + i % N] : T(0);
    """,
)

COL2IM = Kernel(
    "col2im",
    f"raw T cols, int64 N, {_GEOMETRY}",  # cols (C, KH, KW, OH, OW, N)
    "T pixel",  # (C, H, W, N)
    """
    long long rest = i / N;
    long long w = rest % W + left;  rest /= W;
    long long h = rest % H + top;   rest /= H;
    T sum = T(0);
    for (long long kh = 0; kh < KH; ++kh) {
        long long down = h - kh * dh;
        if (down < 0 || down % sh || down / sh >= OH) continue;
        for (long long kw = 0; kw < KW; ++kw) {
            long long right = w - kw * dw;
            if (right < 0 || right % sw || right / sw >= OW) continue;
            sum = sum + cols[((((rest * KH + kh) * KW + kw) * OH + down / sh) * OW + right / sw) * N + i % N];
        }
    }
    pixel = sum;
    """,
)


def im2col(xp: Any, x: Any, geometry: Geometry) -> Any:
    """`conv.im2col` in one launch."""
    N, C = x.shape[:2]
    cols = xp.empty((C, geometry.KH, geometry.KW, geometry.OH, geometry.OW, N), x.dtype)
    IM2COL(xp, x.transpose(1, 2, 3, 0), N, *_numbers(geometry), cols)
    return cols


def col2im(xp: Any, cols: Any, geometry: Geometry) -> Any:
    """`conv.col2im` in one launch."""
    C, N = cols.shape[0], cols.shape[-1]
    image = xp.empty((C, geometry.H, geometry.W, N), cols.dtype)
    COL2IM(xp, cols, N, *_numbers(geometry), image)
    return image.transpose(3, 0, 1, 2)


# ------------------------------------------------------------------------------------------------- max-pooling

MAX_POOL = Kernel(
    "max_pool",
    f"raw T x, T lowest, {_GEOMETRY}",  # x (N, C, H, W)
    "T y",  # (N, C, OH, OW)
    """
    long long first_w = i % OW * sw - left, first_h = i / OW % OH * sh - top, image = i / OW / OH;
    y = lowest;
    for (long long kh = 0; kh < KH; ++kh) {
        for (long long kw = 0; kw < KW; ++kw) {
            long long h = first_h + kh * dh, w = first_w + kw * dw;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            T value = x[(image * H + h) * W + w];
            if (value > y || value != value) y = value;  // a nan is kept, nothing being greater
        }
    }
    """,
)

WINNERS = Kernel(
    "winners",
    f"raw T x, T y, {_GEOMETRY}",  # x (N, C, H, W), y (N, C, OH, OW)
    "I winner",  # (N, C, OH, OW)
    """
    long long first_w = i % OW * sw - left, first_h = i / OW % OH * sh - top, image = i / OW / OH;
    winner = 0;
    for (long long tap = 0; tap < KH * KW; ++tap) {
        long long h = first_h + tap / KW * dh, w = first_w + tap % KW * dw;
        if (h < 0 || h >= H || w < 0 || w >= W) continue;
        T value = x[(image * H + h) * W + w];
        if (value == y) { winner = tap; break; }
        if (value != value) winner = tap;
    }
    """,
)

ROUTE_BACK = Kernel(
    "route_back",
    f"raw T a, raw I winners, {_GEOMETRY}",  # (N, C, OH, OW) both
    "T pixel",  # (N, C, H, W)
    """
    long long w = i % W + left, h = i / W % H + top, image = i / W / H;
    T sum = T(0);
    for (long long kh = 0; kh < KH; ++kh) {
        long long down = h - kh * dh;
        if (down < 0 || down % sh || down / sh >= OH) continue;
        for (long long kw = 0; kw < KW; ++kw) {
            long long right = w - kw * dw;
            if (right < 0 || right % sw || right / sw >= OW) continue;
            long long window = (image * OH + down / sh) * OW + right / sw;
            if (winners[window] == kh * KW + kw) sum = sum + a[window];
        }
    }
    pixel = sum;
    """,
)


def largest_of_windows(xp: Any, x: Any, geometry: Geometry, lowest: Any) -> Any:
    """`pooling.largest_of_windows` in one launch."""
    y = xp.empty((*x.shape[:2], geometry.OH, geometry.OW), x.dtype)
    MAX_POOL(xp, x, lowest, *_numbers(geometry), y)
    return y


def winning_taps(xp: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """`pooling.winning_taps` in one launch."""
    winners = xp.empty(y.shape, np.int32)
    WINNERS(xp, x, y, *_numbers(geometry), winners)
    return winners


def route_back(xp: Any, a: Any, winners: Any, geometry: Geometry) -> Any:
    """To each window's winner its share, in one launch: (N, C, OH, OW) -> (N, C, H, W)."""
    image = xp.empty((*a.shape[:2], geometry.H, geometry.W), a.dtype)
    ROUTE_BACK(xp, a, winners, *_numbers(geometry), image)
    return image


def to_the_largest(xp: Any, dy: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """`pooling.to_the_largest` in two launches."""
    return route_back(xp, dy, winning_taps(xp, x, y, geometry), geometry)


# ----------------------------------------------------------------------------------------------------- dropout

KEEP_MASK = Kernel(
    "keep_mask",
    "int64 seed, int64 dropped, T scale",
    "T kept",
    """
    unsigned long long z = (unsigned long long)(i / 4) * 0x9E3779B97F4A7C15ULL + (unsigned long long)seed;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    kept = (long long)(z >> i % 4 * 16 & 0xFFFF) < dropped ? T(0) : scale;
    """,
)


def keep_mask(xp: Any, seed: int, shape: tuple[int, ...], dtype: Any, dropped: int) -> Any:
    """`functional.dropout.keep_mask` in one launch."""
    mask = xp.empty(shape, dtype)
    KEEP_MASK(xp, seed, dropped, 65536 / (65536 - dropped) if dropped < 65536 else 0.0, mask)
    return mask


# -------------------------------------------------------------------------------------------------- optimisers

MOMENTUM = Kernel(
    "momentum",
    "T g, T lr, T momentum, T share, bool nesterov",
    "T p, T v",
    """
    v = momentum * v + share * g;
    p -= lr * (nesterov ? T(g + momentum * v) : v);
    """,
)

ADAM = Kernel(
    "adam",
    "T g, T beta2, T share1, T share2, T rate, T floor",
    "T p, T m, T v",
    """
    m += share1 * (g - m);
    v = beta2 * v + share2 * (g * g);
    p -= rate * m / (T(sqrt(v)) + floor);
    """,
)

AMSGRAD = Kernel(
    "amsgrad",
    ADAM.inputs,
    "T p, T m, T v, T most",
    """
    m += share1 * (g - m);
    v = beta2 * v + share2 * (g * g);
    if (v > most || v != v) most = v;
    p -= rate * m / (T(sqrt(most)) + floor);
    """,
)


def momentum_step(xp: Any, p: Any, g: Any, v: Any, lr: float, momentum: float, share: float, nesterov: bool) -> None:
    """`optim.sgd.momentum_step` in one launch."""
    MOMENTUM(xp, g, lr, momentum, share, nesterov, p, v)


def adam_step(
    xp: Any, p: Any, g: Any, m: Any, v: Any, most: Any, beta1: float, beta2: float, rate: float, floor: float
) -> None:
    """`optim.adam.adam_step` in one launch."""
    kernel, averages = (ADAM, (m, v)) if most is None else (AMSGRAD, (m, v, most))
    kernel(xp, g, beta2, 1 - beta1, 1 - beta2, rate, floor, p, *averages)


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
