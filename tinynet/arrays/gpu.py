"""CUDA kernels, and the upload of batches to a GPU.

A kernel replaces a function that would take dozens of launches on a GPU. Each launch takes some
ten microseconds of Python, however little it computes; with these kernels a training step of
LeNet-5 takes about a hundred launches instead of more than three hundred. The plain function that
a kernel replaces is marked with `on_gpu`. It explains the kernel, and the tests compare the two.

The text of a kernel is CUDA C that computes element number ``i`` of the outputs. It sees its own
element of each input, and all elements of a ``raw`` input. Sums are *gathered*: one thread per
result adds up all contributions in a fixed order. No two threads write to one place, so the same
inputs give the same bits.

The size letters are those of `ops.conv.geometry`.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
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
        kernel.inputs, kernel.outputs, kernel.text, f"tinynet_{kernel.name}")


def on_gpu(kernel: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: on cupy call `kernel` instead of the plain function (kept as ``__wrapped__``)."""

    def decorate(plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def either(xp: Any, *arguments: Any) -> Any:
            return plain(xp, *arguments) if xp is np else kernel(xp, *arguments)

        return either

    return decorate


# --------------------------------------------------------------------------------------- im2col

# The numbers of a Geometry, as parameters of a kernel and as its arguments.
_GEOMETRY = ", ".join(f"int64 {name}" for name in "H W KH KW OH OW sh sw dh dw top left".split())


def _numbers(geo: Geometry) -> tuple[int, ...]:
    (top, _), (left, _) = geo.padding
    return *geo.size, *geo.kernel, geo.OH, geo.OW, *geo.stride, *geo.dilation, top, left


# x (C, H, W, N) -> column (C, KH, KW, OH, OW, N)
IM2COL = Kernel("im2col", f"raw T x, int64 N, {_GEOMETRY}", "T column", """
    long long rest = i / N;
    long long w = rest % OW * sw - left;  rest /= OW;
    long long h = rest % OH * sh - top;   rest /= OH;
    w += rest % KW * dw;                  rest /= KW;
    h += rest % KH * dh;                  rest /= KH;
    bool in_image = 0 <= h && h < H && 0 <= w && w < W;
    column = in_image ? x[((rest * H + h) * W + w) * N + i % N] : T(0);
""")


def _sum_over_windows(add: str) -> str:
    """CUDA C that sums over the windows (oh, ow) that see pixel (h, w) through a tap (kh, kw).

    h and w count from the corner of the padded image.
    """
    return """
    T sum = T(0);
    for (long long kh = 0; kh < KH; ++kh) {
        long long down = h - kh * dh, oh = down / sh;
        if (down < 0 || down % sh || oh >= OH) continue;
        for (long long kw = 0; kw < KW; ++kw) {
            long long right = w - kw * dw, ow = right / sw;
            if (right < 0 || right % sw || ow >= OW) continue;
            """ + add + """
        }
    }
    pixel = sum;
"""


# cols (C, KH, KW, OH, OW, N) -> pixel (C, H, W, N)
COL2IM = Kernel("col2im", f"raw T cols, int64 N, {_GEOMETRY}", "T pixel", """
    long long rest = i / N;
    long long w = rest % W + left;  rest /= W;
    long long h = rest % H + top;   rest /= H;
""" + _sum_over_windows("""
            long long column = ((rest * KH + kh) * KW + kw) * OH + oh;
            sum = sum + cols[(column * OW + ow) * N + i % N];
"""))


def im2col(xp: Any, x: Any, geometry: Geometry) -> Any:
    """`ops.conv.plain.im2col` in one launch."""
    N, C = x.shape[:2]
    cols = xp.empty((C, *geometry.kernel, geometry.OH, geometry.OW, N), x.dtype)
    return IM2COL(xp, x.transpose(1, 2, 3, 0), N, *_numbers(geometry), cols)


def col2im(xp: Any, cols: Any, geometry: Geometry) -> Any:
    """`ops.conv.plain.col2im` in one launch."""
    C, N = cols.shape[0], cols.shape[-1]
    image = xp.empty((C, *geometry.size, N), cols.dtype)
    return COL2IM(xp, cols, N, *_numbers(geometry), image).transpose(3, 0, 1, 2)


# ---------------------------------------------------------------------------------- max-pooling

def _over_window(start: str, look: str) -> str:
    """CUDA C that looks at each pixel `value` of window i, seen through tap (kh, kw), until `done`.

    x is (N, C, H, W); `start` comes before the first pixel.
    """
    return """
    long long first_w = i % OW * sw - left, first_h = i / OW % OH * sh - top, image = i / OW / OH;
    bool done = false;
    """ + start + """
    for (long long kh = 0; kh < KH && !done; ++kh) {
        for (long long kw = 0; kw < KW && !done; ++kw) {
            long long h = first_h + kh * dh, w = first_w + kw * dw;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            T value = x[(image * H + h) * W + w];
            """ + look + """
        }
    }
"""


# x -> the maximum y (N, C, OH, OW) of each window; a nan stays, because nothing is greater
MAX_POOL = Kernel("max_pool", f"raw T x, T lowest, {_GEOMETRY}", "T y", _over_window(
    "y = lowest;", "if (value > y || value != value) y = value;"))

# x, y -> the first tap whose pixel equals the maximum y; if y is nan, the last whose pixel is nan
WINNERS = Kernel("winners", f"raw T x, T y, {_GEOMETRY}", "I winner", _over_window(
    "winner = 0;", """
            if (value == y || value != value) winner = kh * KW + kw;
            done = value == y;
"""))

# a, winners (N, C, OH, OW) -> pixel (N, C, H, W): the sum of a over the windows that it wins
ROUTE_BACK = Kernel("route_back", f"raw T a, raw I winners, {_GEOMETRY}", "T pixel", """
    long long w = i % W + left, h = i / W % H + top, image = i / W / H;
""" + _sum_over_windows("""
            long long window = (image * OH + oh) * OW + ow;
            if (winners[window] == kh * KW + kw) sum = sum + a[window];
"""))


def largest_of_windows(xp: Any, x: Any, geometry: Geometry, lowest: Any) -> Any:
    """`ops.conv.pooling.largest_of_windows` in one launch."""
    y = xp.empty((*x.shape[:2], geometry.OH, geometry.OW), x.dtype)
    return MAX_POOL(xp, x, lowest, *_numbers(geometry), y)


def winning_taps(xp: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """`ops.conv.pooling.winning_taps` in one launch."""
    return WINNERS(xp, x, y, *_numbers(geometry), xp.empty(y.shape, np.int32))


def to_the_largest(xp: Any, dy: Any, x: Any, y: Any, geometry: Geometry) -> Any:
    """`ops.conv.pooling.to_the_largest` in two launches."""
    winners = winning_taps(xp, x, y, geometry)
    dx = xp.empty((*dy.shape[:2], *geometry.size), dy.dtype)
    return ROUTE_BACK(xp, dy, winners, *_numbers(geometry), dx)


# -------------------------------------------------------------------------------------- dropout

# One hash (splitmix64) of seed and position gives 16 random bits to each of four elements.
KEEP_MASK = Kernel("keep_mask", "int64 seed, int64 dropped, T scale", "T kept", """
    unsigned long long z = (unsigned long long)(i / 4) * 0x9E3779B97F4A7C15ULL + seed;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    kept = (long long)(z >> i % 4 * 16 & 0xFFFF) < dropped ? T(0) : scale;
""")


def keep_mask(xp: Any, seed: int, shape: tuple[int, ...], dtype: Any, dropped: int) -> Any:
    """`nn.functional.dropout.keep_mask` in one launch."""
    scale = 65536 / (65536 - dropped) if dropped < 65536 else 0.0
    return KEEP_MASK(xp, seed, dropped, scale, xp.empty(shape, dtype))


# ----------------------------------------------------------------------------------- optimisers

MOMENTUM = Kernel("momentum", "T g, T lr, T momentum, T weight, bool nesterov", "T p, T v", """
    v = momentum * v + weight * g;
    p -= lr * (nesterov ? T(g + momentum * v) : v);
""")

ADAM = Kernel("adam", "T g, T beta2, T weight1, T weight2, T rate, T floor", "T p, T m, T v", """
    m += weight1 * (g - m);
    v = beta2 * v + weight2 * (g * g);
    p -= rate * m / (T(sqrt(v)) + floor);
""")

AMSGRAD = Kernel("amsgrad", ADAM.inputs, "T p, T m, T v, T most", """
    m += weight1 * (g - m);
    v = beta2 * v + weight2 * (g * g);
    if (v > most || v != v) most = v;
    p -= rate * m / (T(sqrt(most)) + floor);
""")


def momentum_step(xp, p, g, v, lr: float, momentum: float, weight: float, nesterov: bool) -> None:
    """`optim.sgd.momentum_step` in one launch; `weight` is that of g."""
    MOMENTUM(xp, g, lr, momentum, weight, nesterov, p, v)


def adam_step(xp, p, g, m, v, most, beta1: float, beta2: float, rate: float, floor: float) -> None:
    """`optim.adam.adam_step` in one launch; AMSGrad if `most` is an array and not None."""
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
    starts = [0, *ends][:len(arrays)]
    places = [slice(start, start + a.nbytes) for start, a in zip(starts, arrays, strict=True)]
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
