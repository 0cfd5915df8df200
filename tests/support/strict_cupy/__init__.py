"""A strict stand-in for CuPy: the GPU path is tested without a GPU.

Numpy inside, CuPy's refusals outside. `install()` puts it where `import cupy` finds it. What it promises,
and what `test_strict_cupy.py` checks:

- **Never more lenient than CuPy 14.2.** 550 recorded expressions (`data/cupy/behaviour-14.2.0.json`) give the
  recorded array or raise the recorded exception; names and signatures are those of the real package
  (`manifest-14.2.0.json`): `cupy.errstate` is an AttributeError, `cupy.sum(x, where=m)` a TypeError.
- **Sometimes stricter**, where CuPy is silent and wrong or where numpy can't answer: host arrays are refused
  also by `cupy.sum(host)`; writing through a view that overlaps itself is refused; of duplicate indices in
  `a[i] = v` the first wins (in numpy the last, in CuPy any); `empty` is full of nan; a random seed gives
  other numbers than numpy's. What CuPy has and the stand-in hasn't raises NotImplementedError.
- **What a step costs can be counted**: `with counting() as c: step()` and then `c.launches`, `c.uploads`,
  `c.downloads`, `c.waits`. Launches are a lower bound: one for each function that makes or writes an array,
  none for views, and more only where CuPy's own count is known (`sliding_window_view`, operands that `matmul`
  copies). `allow_synchronize(False)` makes every wait an error.
- **Streams that don't wait for each other are found out**: an array that another stream may still be using raises `Race`, memory that
  is given back too early shows in `races`, and an asynchronous copy from page-locked memory is put off for as long as nobody waits for
  it, so that it reads what a buffer that was used again too early holds by then.
- **Kernels need a reference**: `ElementwiseKernel`, `ReductionKernel` and `RawKernel` check their arguments
  and run the numpy function that `reference_kernels[name]` holds, or raise NotImplementedError.

The manifest is the recorded one less the double-underscore methods and `cupy.testing`'s, a name a line.
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
    """Makes `import cupy` and `import cupyx` find the stand-in inside the block, and yields it.

    `devices` is how many the pretended machine has. With 0, whatever touches a device raises
    `CUDARuntimeError` with `status`: 100 (a driver, but no device) or 35 (no driver, or one too old).
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
