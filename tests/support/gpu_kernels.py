"""tinynet's CUDA kernels without a GPU: their text compiled as C++, or their plain functions.

The stand-in for cupy runs a kernel by calling its entry in `strict_cupy.reference_kernels`, which
`references` returns. `kernel_cases` are the arguments for the comparison with plain functions.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.arrays import gpu
from tinynet.arrays.gpu import Kernel
from tinynet.nn.functional.dropout import keep_mask
from tinynet.ops.conv import plain as conv
from tinynet.ops.conv import pooling
from tinynet.ops.conv.geometry import Geometry
from tinynet.optim import formulas

KERNELS = {f"tinynet_{k.name}": k for k in vars(gpu).values() if isinstance(k, Kernel)}
C_TYPES = {
    "float16": "half_t", "float32": "float", "float64": "double", "bool": "bool",
    "int8": "signed char", "uint8": "unsigned char",
    "int16": "short", "int32": "int", "int64": "long long",
}  # fmt: skip
# Inputs that are arrays but not raw: a kernel sees only its own element of them.
EACH_ELEMENT = {"y", "g"}


# ------------------------------------------------------------------------------- kernels as C++


def parameters(kernel: Kernel) -> list[tuple[bool, str, str, bool]]:
    """(raw, type, name, is output) of each parameter."""
    found = []
    for text, written in ((kernel.inputs, False), (kernel.outputs, True)):
        for part in text.split(","):
            *raw, kind, name = part.split()
            found.append((raw == ["raw"], kind, name, written))
    return found


def types_of(kernel: Kernel) -> list[dict[str, str]]:
    """What the letters for dtypes may stand for, one dict for each choice."""
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


def source(
    kernel: Kernel, types: dict[str, str], cuda: bool, functions: str = gpu.functions()
) -> str:
    """The kernel as CUDA, or as C++ with a loop over all elements.

    `types` says what T and the other letters stand for. As in cupy they are declared first, and
    then come the `functions` that kernels call; here in a namespace, one for each kernel.
    """
    letters = " ".join(f"typedef {C_TYPES[kind]} {letter};" for letter, kind in types.items())
    declared, bound = [], []
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
    name = function_name(kernel, types)
    return (
        f"namespace in_{name} {{\n{letters}\n{functions}\n"
        f"{head} {name}({', '.join([*declared, size])}) {{\n"
        f"  for ({loop}) {{\n    {' '.join(bound)}\n{kernel.text};\n  }}\n}}\n}}\n"
    )


def functions_by_name() -> dict[str, str]:
    """The text of each function in ``kernels.cu``."""
    pieces = re.split(r"(?=template <[^>]*>\s*__device__)", gpu.functions())[1:]
    return {re.search(r"__device__ [\w ]+ (\w+)\(", text)[1]: text for text in pieces}


def functions_of(kernel: Kernel) -> dict[str, str]:
    """Those that a kernel calls, perhaps through others."""
    texts = functions_by_name()
    called: dict[str, str] = {}
    text = kernel.text
    while new := {name for name in texts if re.search(rf"\b{name}(<T>)?\(", text)} - set(called):
        called |= {name: texts[name] for name in new}
        text = "".join(called.values())
    return called


def original_name(kernel: Kernel) -> str:
    """The name of the kernel that this one, whose name then ends in numbers, is a mutant of."""
    return re.sub(r"(_\d+)+$", "", kernel.name)


def compiler() -> str | None:
    """The path of a C++ compiler, or None."""
    return shutil.which("g++") or shutil.which("clang++")


@functools.cache
def library(*mutants: tuple[Kernel, str]) -> Any:
    """Kernels with functions of their own, by default all right ones, compiled for the CPU.

    They are compiled for all their dtypes.
    """
    code = "#include <cmath>\nusing std::sqrt;\n#define __device__\n" + "".join(
        source(kernel, types, False, functions)
        for kernel, functions in mutants or [(k, gpu.functions()) for k in KERNELS.values()]
        for types in types_of(kernel)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.cpp"
        path.write_text(code)
        # No fused multiply-add, so that each operation is rounded as in numpy.
        flags = ["-O1", "-shared", "-fPIC", "-ffp-contract=off"]
        done = subprocess.run(
            [str(compiler()), *flags, str(path), "-o", f"{folder}/kernels.so"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"the kernels don't compile:\n{done.stderr}")
        return ctypes.CDLL(f"{folder}/kernels.so")


def run_compiled(kernel: Kernel, functions: Any, *arguments: Any) -> None:
    """Run a kernel of the library `functions` on numpy arrays and numbers."""
    named = list(zip(parameters(kernel), arguments, strict=True))
    types = {
        kind: value.dtype.name
        for (_, kind, _, _), value in named
        if len(kind) == 1 and isinstance(value, np.ndarray)
    }
    if types not in types_of(kernel):  # float16, which C++ lacks
        PLAIN[f"tinynet_{original_name(kernel)}"](*arguments)
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


# ---------------------------------------------------- without a compiler: the plain functions


def _geometry(H, W, KH, KW, OH, OW, sh, sw, dh, dw, top, left) -> Geometry:
    # A kernel isn't told the padding at the bottom and right. Any that gives OH and OW will do.
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


def _momentum(g, lr, momentum, weight, nesterov, p, v):
    numbers = float(lr), float(momentum), float(weight), bool(nesterov)
    formulas.momentum_step.__wrapped__(np, p, g, v, *numbers)


def _adam(g, beta2, weight1, weight2, rate, floor, p, m, v, most=None):
    numbers = 1 - float(weight1), float(beta2), float(rate), float(floor)
    formulas.adam_step.__wrapped__(np, p, g, m, v, most, *numbers)


PLAIN: dict[str, Callable[..., None]] = {
    "tinynet_im2col": _im2col, "tinynet_col2im": _col2im, "tinynet_max_pool": _max_pool,
    "tinynet_winners": _winners, "tinynet_route_back": _route_back,
    "tinynet_keep_mask": _keep_mask, "tinynet_momentum": _momentum,
    "tinynet_adam": _adam, "tinynet_amsgrad": _adam,
}  # fmt: skip


def references() -> dict[str, Callable[..., None]]:
    """What runs each kernel on the stand-in.

    With a C++ compiler it is the kernel's own text, without one the plain function.
    """
    if compiler() is None:
        return PLAIN
    return {
        name: functools.partial(run_compiled, kernel, library()) for name, kernel in KERNELS.items()
    }


# ------------------------------------------------------------- the comparison with plain functions

GEOMETRIES = [
    Geometry(5, 6, 3, 2),
    Geometry(5, 6, 2, 3, (2, 1), ((1, 0), (2, 1))),
    Geometry(7, 5, 2, 2, (1, 3), ((0, 2), (1, 1)), (2, 1)),
    Geometry(4, 9, 2, 3, (3, 2), ((1, 1), (0, 0)), (1, 2)),
    Geometry(6, 4, 3, 4, (4, 4), ((2, 0), (0, 3)), (2, 1)),
]


def numbers(*shape: int, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Multiples of a quarter, whose sums and products have no rounding errors."""
    drawn = np.random.default_rng(seed).integers(-9, 9, shape)
    return drawn.astype(dtype) if np.dtype(dtype).kind != "f" else (drawn / 4).astype(dtype)


def kernel_cases() -> Iterator[tuple[Any, tuple[Any, ...], float]]:
    """(function, arguments, relative tolerance): the arrays have 4 samples and 3 channels."""
    for geo, dtype in itertools.product(GEOMETRIES, (np.float32, np.float64)):
        x = numbers(4, 3, geo.H, geo.W, dtype=dtype)
        innermost = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
        cols = numbers(3, geo.KH, geo.KW, geo.OH, geo.OW, 4, dtype=dtype)
        y = pooling.largest_of_windows.__wrapped__(np, x, geo, -np.inf)
        yield conv.im2col, (x, geo), 0
        yield conv.im2col, (innermost, geo), 0
        yield conv.col2im, (cols, geo), 0
        yield pooling.largest_of_windows, (x, geo, -np.inf), 0
        yield pooling.winning_taps, (x, y, geo), 0
        yield pooling.to_the_largest, (numbers(*y.shape, dtype=dtype, seed=1), x, y, geo), 0
    for value in (np.nan, -np.inf):
        geo = Geometry(4, 5, 2, 2, (2, 2), ((0, 0), (1, 0)))
        x = numbers(2, 1, 4, 5)
        x[0, 0, 1, 2] = x[1, 0, :2] = value
        y = pooling.largest_of_windows.__wrapped__(np, x, geo, -np.inf)
        yield pooling.largest_of_windows, (x, geo, -np.inf), 0
        yield pooling.winning_taps, (x, y, geo), 0
    for dtype in (np.float16, np.float32, np.float64):
        for seed, dropped in ((0, 1), (2**63 - 1, 20000), (77, 65536)):
            yield keep_mask, (seed, (3, 5, 7), dtype, dropped), 0
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        p, g, m = (numbers(3, 5, dtype=dtype, seed=s) for s in range(3))
        v, most = (abs(numbers(3, 5, dtype=dtype, seed=s)) for s in (3, 4))
        yield formulas.momentum_step, (p, g, m, 0.1, 0.9, 0.8, True), tolerance
        yield formulas.momentum_step, (p, g, m, 0.1, 0.9, 1, False), tolerance
        yield formulas.adam_step, (p, g, m, v, None, 0.9, 0.99, 0.1, 1e-4), tolerance
        yield formulas.adam_step, (p, g, m, v, most, 0.9, 0.99, 0.1, 1e-4), tolerance
        g = np.where(g > 0, np.nan, g).astype(dtype)
        yield formulas.adam_step, (p, g, m, v, None, 0.9, 0.99, 0.1, 1e-4), tolerance
        yield formulas.adam_step, (p, g, m, v, most, 0.9, 0.99, 0.1, 1e-4), tolerance


def assert_kernel_is_plain_function(
    xp: Any, function: Any, arguments: tuple[Any, ...], tolerance: float
) -> None:
    """On `xp`, which is cupy, `function` returns and writes what it does on numpy."""
    is_array = [isinstance(a, np.ndarray) for a in arguments]
    here = [a.copy(order="A") if is_a else a for a, is_a in zip(arguments, is_array, strict=True)]
    there = [xp.asarray(a) if is_a else a for a, is_a in zip(arguments, is_array, strict=True)]
    found, expected = function(xp, *there), function.__wrapped__(np, *here)
    for mine, theirs in zip([found, *there], [expected, *here], strict=True):
        if isinstance(theirs, np.ndarray):
            np.testing.assert_allclose(
                mine.get(), theirs, rtol=tolerance, err_msg=function.__name__
            )
