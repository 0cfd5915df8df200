"""Kernels of our own against the plain functions they stand in for; and do they compile for every GPU?"""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import itertools
from pathlib import Path

import gpu_kernels
import numpy as np
import pytest
from conftest import REAL_CUPY

from tinynet.nn.functional.dropout import keep_mask
from tinynet.ops.conv import plain as conv, pooling
from tinynet.ops.conv.geometry import Geometry
from tinynet.optim import adam, sgd

GEOMETRIES = [
    Geometry(5, 6, 3, 2),
    Geometry(5, 6, 2, 3, (2, 1), ((1, 0), (2, 1))),
    Geometry(7, 5, 2, 2, (1, 3), ((0, 2), (1, 1)), (2, 1)),
    Geometry(4, 9, 2, 3, (3, 2), ((1, 1), (0, 0)), (1, 2)),
    Geometry(6, 4, 3, 4, (4, 4), ((2, 0), (0, 3)), (2, 1)),
]


def numbers(*shape, dtype=np.float64, seed=0):
    drawn = np.random.default_rng(seed).integers(-9, 9, shape)
    return drawn.astype(dtype) if np.dtype(dtype).kind != "f" else (drawn / 4).astype(dtype)


def cases():
    """(name, arguments, plain function) with arrays (4 samples, 3 channels) of several layouts."""
    for geo, dtype in itertools.product(GEOMETRIES, (np.float32, np.float64)):
        x = numbers(4, 3, geo.H, geo.W, dtype=dtype)
        y = pooling.largest_of_windows.__wrapped__(np, x, geo, -np.inf)
        dy = numbers(*y.shape, dtype=dtype, seed=1)
        yield "im2col", conv.im2col, (x, geo)
        yield (
            "im2col",
            conv.im2col,
            (np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2), geo),
        )
        yield (
            "col2im",
            conv.col2im,
            (numbers(3, geo.KH, geo.KW, geo.OH, geo.OW, 4, dtype=dtype), geo),
        )
        yield "max_pool", pooling.largest_of_windows, (x, geo, -np.inf)
        yield "winners", pooling.winning_taps, (x, y, geo)
        yield "to_the_largest", pooling.to_the_largest, (dy, x, y, geo)
    for dtype, (seed, dropped) in itertools.product(
        (np.float16, np.float32, np.float64), ((0, 1), (2**63 - 1, 20000), (77, 65536))
    ):
        yield "keep_mask", keep_mask, (seed, (3, 5, 7), dtype, dropped)


@pytest.mark.parametrize("which", ["text", "plain"])
def test_kernels_are_the_plain_functions(which, gpu, monkeypatch):
    """On the stand-in: the kernels' own text, compiled as C++, and what replaces it where there is no compiler."""
    import strict_cupy

    if which == "text" and gpu_kernels.compiler() is None:
        pytest.skip("no C++ compiler, to run the kernels' text without a GPU")
    if which == "plain":
        for name, function in gpu_kernels.PLAIN.items():
            monkeypatch.setitem(strict_cupy.reference_kernels, name, function)
    seen = set()
    for name, function, arguments in cases():
        on_gpu = [gpu.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
        with strict_cupy.counting() as counts:
            found = function(gpu, *on_gpu)
        assert (
            counts.launches <= 2 and not counts.waits and not counts.uploads
        )  # none is counted on the real cupy
        seen |= {event for _, event in counts.log if event.startswith("tinynet")}
        np.testing.assert_array_equal(
            found.get(), function.__wrapped__(np, *arguments), err_msg=name
        )
    assert REAL_CUPY or seen == {
        f"tinynet_{k}"
        for k in ("im2col", "col2im", "max_pool", "winners", "route_back", "keep_mask")
    }


@pytest.mark.parametrize("which", ["text", "plain"])
def test_optimiser_kernels(which, gpu, monkeypatch):
    import strict_cupy

    if which == "text" and gpu_kernels.compiler() is None:
        pytest.skip("no C++ compiler, to run the kernels' text without a GPU")
    if which == "plain":
        for name, function in gpu_kernels.PLAIN.items():
            monkeypatch.setitem(strict_cupy.reference_kernels, name, function)
    for dtype in (np.float32, np.float64):
        p, g, m = (numbers(3, 5, dtype=dtype, seed=s) for s in range(3))
        v, most = abs(numbers(3, 5, dtype=dtype, seed=3)), abs(numbers(3, 5, dtype=dtype, seed=4))
        for function, arrays, options in (
            (sgd.momentum_step, (p, g, m), (0.1, 0.9, 0.8, True)), (sgd.momentum_step, (p, g, m), (0.1, 0.9, 1, False)),
            (adam.adam_step, (p, g, m, v, None), (0.9, 0.99, 0.1, 1e-4)), (adam.adam_step, (p, g, m, v, most), (0.9, 0.99, 0.1, 1e-4)),
        ):  # fmt: skip
            there = [None if a is None else gpu.asarray(a) for a in arrays]
            here = [None if a is None else a.copy() for a in arrays]
            with strict_cupy.counting() as counts:
                function(gpu, *there, *options)
            function.__wrapped__(np, *here, *options)
            assert REAL_CUPY or counts.launches == 1
            for a, b in zip(there, here, strict=True):
                if b is not None:
                    np.testing.assert_allclose(
                        a.get(), b, rtol=1e-5 if dtype == np.float32 else 1e-12
                    )


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_pooling_of_special_values(value, gpu):
    geo = Geometry(4, 5, 2, 2, (2, 2), ((0, 0), (1, 0)))
    x = numbers(2, 1, 4, 5)
    x[0, 0, 1, 2] = x[1, 0, :2] = value
    y = pooling.largest_of_windows.__wrapped__(np, x, geo, -np.inf)
    np.testing.assert_array_equal(
        pooling.largest_of_windows(gpu, gpu.asarray(x), geo, -np.inf).get(), y
    )
    there = pooling.winning_taps(gpu, gpu.asarray(x), gpu.asarray(y), geo)
    np.testing.assert_array_equal(there.get(), pooling.winning_taps.__wrapped__(np, x, y, geo))


# --------------------------------------------------------------------------------------------- NVIDIA's compiler


def nvrtc() -> ctypes.CDLL | None:
    """NVIDIA's run-time compiler from its pip wheel; it needs no GPU and no driver."""
    spec = importlib.util.find_spec("nvidia")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [
        path
        for folder in folders
        for path in glob.glob(f"{folder}/**/libnvrtc.so.*", recursive=True)
        if "alt" not in Path(path).name
    ]
    return ctypes.CDLL(found[0]) if found else None


@pytest.mark.skipif(nvrtc() is None, reason="the wheel nvidia-cuda-nvrtc is not installed")
@pytest.mark.parametrize(
    "architecture",
    [
        "compute_75",
        "compute_80",
        "compute_86",
        "compute_89",
        "compute_90",
        "compute_100",
        "compute_120",
    ],
)
def test_kernels_compile_with_nvrtc(architecture):
    """From Turing (sm_75) to Blackwell (sm_120)."""
    library = nvrtc()
    code = "".join(
        gpu_kernels.source(k, types, cuda=True)
        for k in gpu_kernels.KERNELS.values()
        for types in gpu_kernels.types_of(k)
    )
    program = ctypes.c_void_p()
    assert (
        library.nvrtcCreateProgram(
            ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None
        )
        == 0
    )
    option = (ctypes.c_char_p * 1)(f"--gpu-architecture={architecture}".encode())
    status = library.nvrtcCompileProgram(program, 1, option)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert status == 0, log.value.decode()
    library.nvrtcGetPTXSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    library.nvrtcGetPTX(program, text)
    for kernel in gpu_kernels.KERNELS:
        assert f".entry {kernel}_float32".encode() in text.value
    library.nvrtcDestroyProgram(ctypes.byref(program))


def test_names_that_cupy_reserves_are_not_used():
    for kernel in gpu_kernels.KERNELS.values():
        names = [name for _, _, name, _ in gpu_kernels.parameters(kernel)]
        assert (
            len(names) == len(set(names))
            and not {"i", "n"} & set(names)
            and not any(name.startswith("_") for name in names)
        )
