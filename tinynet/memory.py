"""Memory that is used again, since fresh memory is slow: the system hands it out page by page, and each takes it two microseconds.

A step of training makes large arrays of the same sizes over and over. Left to the allocator their memory would go back to the system
and come again at each step; that took a tenth of a step and more.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Sequence
from pickle import PickleBuffer
from typing import Any

import numpy as np

_LEAST = 1 << 16  # bytes; what is smaller, the allocator keeps by itself
_MOST = 256 << 20  # bytes that are kept at most, in use or not

_lock = threading.RLock()  # re-entrant, since whatever runs when an object is collected or a signal comes may need memory
_blocks: dict[int, list[Any]] = {}  # by their sizes in bytes
_local = threading.local()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # another thread may have held it, which the child doesn't have


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def empty(xp: Any, shape: tuple[int, ...], dtype: Any, order: Sequence[int] | None = None) -> Any:
    """An uninitialised array, in memory of an earlier one of that size that is gone, if there is any.

    `order` names its axes from the outermost in memory to the innermost; by default they are as in `shape`. An array is gone when
    nothing refers to it any more, nor to a view of it: both refer to the block of memory.
    """
    dtype = np.dtype(dtype)
    if xp is not np:  # cupy does the same by itself
        if order is None:
            return xp.empty(shape, dtype)
        return xp.empty([shape[axis] for axis in order], dtype).transpose([order.index(axis) for axis in range(len(shape))])
    strides, size = [0] * len(shape), dtype.itemsize
    for axis in reversed(order or range(len(shape))):
        strides[axis], size = size, size * shape[axis]
    return np.ndarray(shape, dtype, _block(size), 0, strides)


def _block(size: int) -> Any:
    """So many bytes; None, by which numpy takes fresh ones, where they are few or all that may be kept is in use."""
    if size < _LEAST:
        return None
    with _lock:
        blocks = _blocks.get(size, ())
        for block, references in zip(blocks, _references(blocks), strict=True):
            if references == _ALONE:
                return block
        if _held() + size > _MOST:
            _forget()
            if _held() + size > _MOST:
                return None
        # wrapped, for numpy to see a stranger's memory: then an array that owns its block can be told from a view of another
        fresh: Any = np.empty(size, np.uint8)
        fresh = PickleBuffer(fresh)
        _blocks.setdefault(size, []).append(fresh)
        return fresh


def _references(blocks: Sequence[Any]) -> list[int]:
    """How many references there are to each of these; those of this function count too, how many is up to the interpreter."""
    found = []
    for block in blocks:
        found.append(sys.getrefcount(block))
    return found


(_ALONE,) = _references([PickleBuffer(b"")])  # of a block that nothing but one list refers to


def _held() -> int:
    return sum(size * len(blocks) for size, blocks in _blocks.items())


def _forget() -> None:
    """Let go of all blocks that no array uses."""
    for size, blocks in list(_blocks.items()):
        _blocks[size] = [block for block, references in zip(blocks, _references(blocks), strict=True) if references > _ALONE]
        if not _blocks[size]:
            del _blocks[size]


def is_view(array: Any) -> bool:
    """Whether `array` shows the memory of another array."""
    return isinstance(array.base, type(array))


def scratch(xp: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """An uninitialised array that the next call with this name in this thread overwrites."""
    if xp is not np:
        return xp.empty(shape, dtype)
    size = math.prod(shape)
    buffers = _local.__dict__.setdefault("buffers", {})
    buffer = buffers.get((name, dtype))
    if buffer is None or buffer.size < size:
        buffer = buffers[name, dtype] = np.empty(size, dtype)
    return buffer[:size].reshape(shape)
