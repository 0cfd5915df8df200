"""Memory that is used again, since fresh memory is slow: the system hands it out page by page, and each takes it two microseconds.

A step of training makes large arrays of the same sizes over and over. Left to the allocator their memory would go back to the system
and come again at each step; that took a tenth of a step and more.
"""

from __future__ import annotations

import functools
import math
import os
import threading
import weakref
from collections.abc import Sequence
from pickle import PickleBuffer
from typing import Any

import numpy as np

_LEAST = 1 << 16  # bytes; what is smaller, the allocator keeps by itself
_MOST = 256 << 20  # bytes that are kept at most, in use or not

_lock = threading.RLock()  # re-entrant, since whatever runs when an object is collected or a signal comes may need memory


class _Lease(weakref.ref):
    """A block of memory that is in use: a weak reference to what every array in it refers to. When that is gone it joins the free ones.

    It does so by a list's own ``append``: in a callback that runs a line of Python, the KeyboardInterrupt of a Ctrl-C would be lost.
    """

    __slots__ = ("memory",)
    memory: Any


_free: dict[int, list[_Lease]] = {}  # by their sizes in bytes
_leases: dict[int, _Lease] = {}  # the last one of each block, by the block's id


class _Local(threading.local):
    def __init__(self) -> None:
        self.buffers: dict[tuple[str, Any], np.ndarray] = {}  # of `scratch`


_local = _Local()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # another thread may have held it, which the child doesn't have


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def empty(xp: Any, shape: tuple[int, ...], dtype: Any, order: Sequence[int] | None = None) -> Any:
    """An uninitialised array, in memory of an earlier one of that size that is gone, if there is any.

    `order` names its axes from the outermost in memory to the innermost; by default they are as in `shape`. An array is gone when
    nothing refers to it any more, nor to a view of it.
    """
    if xp is not np:  # cupy does the same by itself
        if order is None:
            return xp.empty(shape, dtype)
        return xp.empty([shape[axis] for axis in order], dtype).transpose([order.index(axis) for axis in range(len(shape))])
    dtype = np.dtype(dtype)
    strides, size = _strides(tuple(shape), dtype.itemsize, order)
    return np.ndarray(shape, dtype, _block(size) if size >= _LEAST else None, 0, strides)


@functools.lru_cache(maxsize=1024)
def _strides(shape: tuple[int, ...], itemsize: int, order: Sequence[int] | None) -> tuple[tuple[int, ...], int]:
    """The strides of an array with its axes in that `order`, and how many bytes it has."""
    strides, size = [0] * len(shape), itemsize
    for axis in reversed(order or range(len(shape))):
        strides[axis], size = size, size * shape[axis]
    return tuple(strides), size


def _block(size: int) -> Any:
    """So many bytes; None, by which numpy takes fresh ones, where all that may be kept is in use."""
    free = _free.get(size)
    if free is None:
        free = _free.setdefault(size, [])
    try:
        return _lent(free.pop().memory, free)
    except IndexError:
        pass
    with _lock:
        if _held() + size > _MOST:
            _forget()
        return _lent(np.empty(size, np.uint8), free) if _held() + size <= _MOST else None


def _lent(memory: Any, free: list[_Lease]) -> PickleBuffer:
    # wrapped, for numpy to see a stranger's memory: then an array that owns its block can be told from a view of another
    block = PickleBuffer(memory)
    lease = _Lease(block, free.append)
    lease.memory = memory
    _leases[id(memory)] = lease
    return block


def _held() -> int:
    return sum([lease.memory.nbytes for lease in list(_leases.values())])


def _forget() -> None:
    """Let go of all blocks that no array uses."""
    for free in list(_free.values()):
        free.clear()
    for name, lease in list(_leases.items()):
        if lease() is None:
            _leases.pop(name, None)


def is_view(array: Any) -> bool:
    """Whether `array` shows the memory of another array."""
    return isinstance(array.base, type(array))


def scratch(xp: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """An uninitialised array that the next call with this name in this thread overwrites."""
    if xp is not np:
        return xp.empty(shape, dtype)
    size = math.prod(shape)
    buffer = _local.buffers.get((name, dtype))
    if buffer is None or buffer.size < size:
        buffer = _local.buffers[name, dtype] = np.empty(size, dtype)
    return np.ndarray(shape, dtype, buffer)
