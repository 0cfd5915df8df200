"""The kernels of `tinynet.ops.kernels` off a GPU: their text compiled as C++, or plain functions where there is no compiler.

The stand-in for cupy runs a kernel by calling its entry in `strict_cupy.reference_kernels`, which `references` gives.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.nn.functional.dropout import keep_mask
from tinynet.arrays import gpu as kernels
from tinynet.ops.conv import plain as conv, pooling
from tinynet.ops.conv.geometry import Geometry
from tinynet.arrays.gpu import Kernel
from tinynet.optim import adam, sgd

KERNELS = {f"tinynet_{k.name}": k for k in vars(kernels).values() if isinstance(k, Kernel)}
C_TYPES = {
    "float16": "half_t", "float32": "float", "float64": "double", "bool": "bool", "int8": "signed char", "uint8": "unsigned char",
    "int16": "short", "int32": "int", "int64": "long long",
}  # fmt: skip


def parameters(kernel: Kernel) -> list[tuple[bool, str, str, bool]]:
    """(raw, type, name, whether it is written to) of each parameter."""
    found = []
    for text, written in ((kernel.inputs, False), (kernel.outputs, True)):
        for part in text.split(","):
            *raw, kind, name = part.split()
            found.append((raw == ["raw"], kind, name, written))
    return found


def types_of(kernel: Kernel) -> list[dict[str, str]]:
    """The dtypes that a kernel is meant for, as what its letters stand for."""
    floats = ["float32", "float64"]
    every = (
        [*floats, "bool", "int8", "uint8", "int16", "int32", "int64"]
        if kernel.name in ("max_pool", "winners")
        else floats
    )
    letters = {kind for _, kind, _, _ in parameters(kernel) if len(kind) == 1}
    return [
        {letter: "int32" if letter == "I" else kind for letter in sorted(letters)} for kind in every
    ]


def function_name(kernel: Kernel, types: dict[str, str]) -> str:
    return f"tinynet_{kernel.name}_{types['T']}"


def source(kernel: Kernel, types: dict[str, str], cuda: bool) -> str:
    """The kernel as CUDA, or as C++ with a loop for the threads; `types` says what T and the other letters stand for."""
    declared, bound = [], [f"typedef {C_TYPES[kind]} {letter};" for letter, kind in types.items()]
    for raw, kind, name, written in parameters(kernel):
        c_type = C_TYPES[types.get(kind, kind)]
        if written or name in EACH_ELEMENT:
            declared.append(f"{'' if written else 'const '}{c_type}* _{name}")
            bound.append(f"{'' if written else 'const '}{c_type}& {name} = _{name}[i];")
        else:
            declared.append(f"const {c_type}{'*' if raw else ''} {name}")
    size = "long long _size"
    if cuda:
        head, thread = (
            'extern "C" __global__ void',
            "blockIdx.x * (long long)blockDim.x + threadIdx.x",
        )
        loop = f"long long i = {thread}; i < _size; i += gridDim.x * (long long)blockDim.x"
    else:
        head, loop = 'extern "C" void', "long long i = 0; i < _size; ++i"
    return (
        f"{head} {function_name(kernel, types)}({', '.join([*declared, size])}) {{\n"
        f"  for ({loop}) {{\n    {' '.join(bound)}\n{kernel.text}\n  }}\n}}\n"
    )


EACH_ELEMENT = {
    "y",
    "g",
}  # the inputs that are not raw, but arrays: a kernel sees its own element of them


def compiler() -> str | None:
    """A C++ compiler, if there is one."""
    return shutil.which("g++") or shutil.which("clang++")


@functools.cache
def library(*only: Kernel) -> Any:
    """Kernels, all unless told otherwise, for all their dtypes, as functions of the processor."""
    code = "#include <cmath>\nusing std::sqrt;\n" + "".join(
        source(kernel, types, cuda=False)
        for kernel in only or KERNELS.values()
        for types in types_of(kernel)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.cpp"
        path.write_text(code)
        # no fused multiply-add, so that results are those of separate operations
        flags = ["-O1", "-shared", "-fPIC", "-ffp-contract=off"]
        done = subprocess.run(
            [str(compiler()), *flags, str(path), "-o", f"{folder}/kernels.so"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"the kernels don't compile:\n{done.stderr}")
        return ctypes.CDLL(f"{folder}/kernels.so")


def only(kernel: Kernel) -> Callable[..., None]:
    """What runs a kernel that is not among tinynet's."""
    return functools.partial(_run, library(kernel), kernel)


def run_compiled(kernel: Kernel, *arguments: Any) -> None:
    """Run the kernel's own text on numpy arrays and numbers."""
    _run(library(), kernel, *arguments)


def _run(functions: Any, kernel: Kernel, *arguments: Any) -> None:
    named = list(zip(parameters(kernel), arguments, strict=True))
    types = {
        kind: value.dtype.name
        for (_, kind, _, _), value in named
        if len(kind) == 1 and isinstance(value, np.ndarray)
    }
    if types not in types_of(kernel):  # float16, which C++ has not
        PLAIN[f"tinynet_{kernel.name}"](*arguments)
        return
    given, outputs = [], []
    for (raw, kind, name, written), value in named:
        dtype = np.dtype(types.get(kind, kind))
        if raw or written or name in EACH_ELEMENT:
            array = np.ascontiguousarray(value)
            assert array.dtype == dtype
            given.append(ctypes.c_void_p(array.ctypes.data))
            outputs.append((value, array, written))
        else:
            given.append(np.ctypeslib.as_ctypes_type(dtype)(dtype.type(value).item()))
    getattr(functions, function_name(kernel, types))(*given, ctypes.c_longlong(outputs[-1][1].size))
    for original, array, written in outputs:
        if written and array is not original:
            original[...] = array


# ------------------------------------------------------- without a compiler: the same through the plain functions


def _geometry(H, W, KH, KW, OH, OW, sh, sw, dh, dw, top, left) -> Geometry:
    # the far padding isn't told; any that gives OH and OW will do
    bottom, right = [
        (O - 1) * s + d * (K - 1) + 1 - n - p
        for O, s, d, K, n, p in ((OH, sh, dh, KH, H, top), (OW, sw, dw, KW, W, left))
    ]
    pads = ((int(top), max(0, int(bottom))), (int(left), max(0, int(right))))
    return Geometry(int(H), int(W), int(KH), int(KW), (int(sh), int(sw)), pads, (int(dh), int(dw)))


def _im2col(x, N, *numbers):
    *numbers, out = numbers
    out[...] = conv.im2col.__wrapped__(np, x.transpose(3, 0, 1, 2), _geometry(*numbers))


def _col2im(cols, N, *numbers):
    *numbers, out = numbers
    out[...] = conv.col2im.__wrapped__(np, cols, _geometry(*numbers)).transpose(1, 2, 3, 0)


def _max_pool(x, lowest, *numbers):
    *numbers, out = numbers
    out[...] = pooling.largest_of_windows.__wrapped__(np, x, _geometry(*numbers), lowest)


def _winners(x, y, *numbers):
    *numbers, out = numbers
    out[...] = pooling.winning_taps.__wrapped__(np, x, y, _geometry(*numbers))


def _route_back(a, winners, *numbers):
    *numbers, out = numbers
    geometry = _geometry(*numbers)
    cols = np.stack(
        [np.where(winners == tap, a, 0) for tap in range(geometry.KH * geometry.KW)], axis=2
    )  # (N, C, KH·KW, OH, OW)
    cols = cols.reshape(*a.shape[:2], *geometry.kernel, *a.shape[2:]).transpose(1, 2, 3, 4, 5, 0)
    out[...] = conv.col2im.__wrapped__(np, cols, geometry)


def _keep_mask(seed, dropped, scale, out):
    out[...] = keep_mask.__wrapped__(np, int(seed), out.shape, out.dtype, int(dropped))


def _momentum(g, lr, momentum, share, nesterov, p, v):
    sgd.momentum_step.__wrapped__(
        np, p, g, v, float(lr), float(momentum), float(share), bool(nesterov)
    )


def _adam(g, beta2, share1, share2, rate, floor, p, m, v, most=None):
    adam.adam_step.__wrapped__(
        np, p, g, m, v, most, 1 - float(share1), float(beta2), float(rate), float(floor)
    )


PLAIN: dict[str, Callable[..., None]] = {
    "tinynet_im2col": _im2col, "tinynet_col2im": _col2im, "tinynet_max_pool": _max_pool, "tinynet_winners": _winners,
    "tinynet_route_back": _route_back, "tinynet_keep_mask": _keep_mask, "tinynet_momentum": _momentum, "tinynet_adam": _adam, "tinynet_amsgrad": _adam,
}  # fmt: skip


def references() -> dict[str, Callable[..., None]]:
    """What stands for each kernel in the stand-in: its own text where a C++ compiler is at hand, else the plain function."""
    if compiler() is None:
        return PLAIN
    return {name: functools.partial(run_compiled, kernel) for name, kernel in KERNELS.items()}
