"""A strict stand-in for CuPy: numpy inside, CuPy's refusals outside.

With it the GPU path is tested without a GPU. `install()` makes ``import cupy`` find it. It promises
the following, and `test_strict_cupy.py` checks that:

- **Never more lenient than CuPy 14.2.** 550 recorded expressions give the recorded array or raise
  the recorded exception (`recorded/cupy/behaviour-14.2.0.json`). Names and signatures are those of
  the real package (`manifest-14.2.0.json`), so `cupy.errstate` is an AttributeError and
  `cupy.sum(x, where=m)` a TypeError.
- **Sometimes stricter**, where CuPy silently does what a port does not want, or where numpy can't
  answer. Host arrays are refused by `cupy.sum(host)` too. Writing through a view that overlaps
  itself is refused. Of duplicate indices in `a[i] = v` the first wins (in numpy the last, in CuPy
  any). `empty` is full of nan. A random seed gives other numbers than numpy's. What CuPy has and
  the stand-in lacks raises NotImplementedError.
- **The cost of a step is counted**: `with counting() as c: step()`, then `c.launches`, `c.uploads`,
  `c.downloads`, `c.waits`. Launches are a lower bound: one per function that makes or writes an
  array, none for views, and more only where CuPy's own count is known (`sliding_window_view`,
  operands that `matmul` copies). `allow_synchronize(False)` makes each wait an error.
  `c.sizes`, `c.bytes` and `c.peak` count the memory of the arrays that the step makes.
- **Races between streams are found.** Using an array that another stream may still be using raises
  `Race`. Memory that is given back too early shows in `races`. An asynchronous copy from
  page-locked memory is put off until somebody waits for it, so a buffer that was overwritten too
  early delivers the wrong content.
- **Kernels need a reference**: `ElementwiseKernel`, `ReductionKernel` and `RawKernel` check their
  arguments and run the numpy function in `reference_kernels[name]`, or raise NotImplementedError.

The manifest is the recorded one without double-underscore methods and `cupy.testing`, one name per
line.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from .core import (
    Counts,
    DeviceSynchronized,
    Race,
    allow_synchronize,
    counting,
    forget,
    machine,
    races,
)
from .modules import MODULES, cupy, cupyx, reference_kernels

__all__ = [
    "Counts",
    "DeviceSynchronized",
    "Race",
    "allow_synchronize",
    "counting",
    "cupy",
    "cupyx",
    "install",
    "races",
    "reference_kernels",
]


@contextlib.contextmanager
def install(devices: int = 1, status: int = 100) -> Iterator[object]:
    """Inside the block, `import cupy` and `import cupyx` find the stand-in; yields cupy.

    `devices` is the number of GPUs of the pretended machine. With 0, whatever touches a device
    raises `CUDARuntimeError` with `status`: 100 (a driver, but no device) or 35 (no driver, or one
    too old).
    """
    before = {name: m for name, m in sys.modules.items() if name.split(".")[0] in ("cupy", "cupyx")}
    settings = machine.devices, machine.status, machine.current
    for name in before:
        del sys.modules[name]
    sys.modules.update(MODULES)
    machine.devices, machine.status, machine.current = devices, status, 0
    forget()
    try:
        yield cupy
    finally:
        machine.devices, machine.status, machine.current = settings
        for name in MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(before)
