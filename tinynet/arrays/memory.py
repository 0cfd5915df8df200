"""Memory for arrays, reused as soon as an array has died.

A training step creates large arrays of the same sizes again and again. The allocator would return
their memory to the system and request it again in the next step. The system hands memory out page
by page, at two microseconds a page, which took a tenth of a step and more.
"""

import functools
import math
import os
import threading
import weakref
from collections.abc import Sequence
from pickle import PickleBuffer
from typing import Any

import numpy as np

from .devices import computing

_LEAST = 1 << 16  # bytes; the allocator itself keeps smaller blocks
_MOST = 256 << 20  # bytes of all blocks kept, in use or free

# Re-entrant, because a finaliser or a signal handler may create an array while we hold the lock.
_lock = threading.RLock()


class _Lease(weakref.ref):
    """A weak reference to a block's owner, the buffer that every array in the block refers to.

    When the last array dies, the block returns to the free list. The callback is the list's own
    ``append``, because Python drops a KeyboardInterrupt (Ctrl-C) that comes while a callback
    written in Python runs.
    """

    __slots__ = ("memory",)
    memory: Any


_free: dict[int, list[_Lease]] = {}  # free blocks by size in bytes
_leases: dict[int, _Lease] = {}  # the latest lease of each block, by the block's id


class _Local(threading.local):
    def __init__(self) -> None:
        self.buffers: dict[tuple[str, Any], np.ndarray] = {}  # of `scratch`


_local = _Local()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # the old lock may belong to a thread that the child doesn't have


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def empty(xp: Any, shape: tuple[int, ...], dtype: Any, order: Sequence[int] | None = None) -> Any:
    """An uninitialised array, in the memory of a dead array of the same size if there is one.

    An array is dead when nothing refers to it or to a view of it. `order` lists the axes from the
    outermost in memory to the innermost; by default that is their order in `shape`.
    """
    if xp is not np:  # cupy reuses memory by itself
        if order is None:
            return xp.empty(shape, dtype)
        array = xp.empty([shape[axis] for axis in order], dtype)
        return array.transpose([order.index(axis) for axis in range(len(shape))])
    dtype = np.dtype(dtype)
    strides, size = _strides(tuple(shape), dtype.itemsize, order)
    return np.ndarray(shape, dtype, _block(size) if size >= _LEAST else None, 0, strides)


@functools.lru_cache(maxsize=1024)
def _strides(shape: tuple[int, ...], itemsize: int,
             order: Sequence[int] | None) -> tuple[tuple[int, ...], int]:
    """Strides of an array whose axes lie in memory in that `order`, and its size in bytes."""
    strides, size = [0] * len(shape), itemsize
    for axis in reversed(order or range(len(shape))):
        strides[axis], size = size, size * shape[axis]
    return tuple(strides), size


def _block(size: int) -> Any:
    """A block of `size` bytes, or None (numpy then allocates) if that would exceed the limit."""
    free = _free.setdefault(size, [])
    try:
        return _lend(free.pop().memory, free)
    except IndexError:
        pass
    with _lock:
        if _held() + size > _MOST:
            _forget()
        return _lend(np.empty(size, np.uint8), free) if _held() + size <= _MOST else None


def _lend(memory: Any, free: list[_Lease]) -> PickleBuffer:
    # Wrapped, so that numpy treats it as foreign memory and array.base is not an ndarray: this is
    # how `is_view` tells an array that owns its block from a view of another array.
    block = PickleBuffer(memory)
    lease = _Lease(block, free.append)
    lease.memory = memory
    _leases[id(memory)] = lease
    return block


def _held() -> int:
    """Bytes of all blocks, in use or free."""
    return sum([lease.memory.nbytes for lease in list(_leases.values())])


def _forget() -> None:
    """Release all free blocks."""
    for free in list(_free.values()):
        free.clear()
    for name, lease in list(_leases.items()):
        if lease() is None:
            _leases.pop(name, None)


def is_image_order(array: Any) -> bool:
    """Whether `array` (N, C, H, W) has the batch innermost in memory, as `ops/layout` wants it."""
    if array.ndim != 4 or array.flags.c_contiguous:
        return False
    with computing(array):
        orders = array.transpose(2, 1, 3, 0), array.transpose(1, 2, 3, 0)
    return any(a.flags.c_contiguous for a in orders)


def kept_order(array: Any) -> Any:
    """The order that makes a copy lie in memory as `array` does, for numpy's `order`.

    numpy would put innermost the dimensions along which an expanded array repeats its elements.
    """
    return "C" if 0 in array.strides else "K"


def is_view(array: Any) -> bool:
    """Whether `array` is a view of another array's memory."""
    return isinstance(array.base, type(array))


def why_read_only(array: Any) -> str:
    """Why `array` can't be written to, in words that follow "the tensor"; empty if it can."""
    steps = zip(array.strides, array.shape, strict=True)
    if array.size and any(step == 0 and n > 1 for step, n in steps):
        return "is expanded: several elements are one in memory"
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        return "shares a read-only array"
    return ""


def scratch(xp: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """An uninitialised array, overwritten by this thread's next call with the same `name`."""
    if xp is not np:
        return xp.empty(shape, dtype)
    size = math.prod(shape)
    buffer = _local.buffers.get((name, dtype))
    if buffer is None or buffer.size < size:
        buffer = _local.buffers[name, dtype] = np.empty(size, dtype)
    return np.ndarray(shape, dtype, buffer)
