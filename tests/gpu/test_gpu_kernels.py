"""The CUDA kernels against the plain functions they replace; and whether every GPU can run them."""

from __future__ import annotations

import ctypes
import glob
import importlib.util
from pathlib import Path

import gpu_kernels
import numpy as np
import pytest
import strict_cupy
from real_cupy import REAL_CUPY


@pytest.mark.parametrize("which", ["text", "plain"])
def test_kernels_are_the_plain_functions(which, gpu, monkeypatch):
    """On the stand-in: the kernels' text compiled as C++, and what replaces it without a compiler.

    Each function takes one launch (`to_the_largest` two), and neither waits nor uploads.
    """
    if which == "text" and gpu_kernels.compiler() is None:
        pytest.skip("no C++ compiler, to run the kernels' text without a GPU")
    if which == "plain":
        for name, function in gpu_kernels.PLAIN.items():
            monkeypatch.setitem(strict_cupy.reference_kernels, name, function)
    seen = set()
    for function, arguments, tolerance in gpu_kernels.kernel_cases():
        with strict_cupy.counting() as counts:
            gpu_kernels.assert_kernel_is_plain_function(gpu, function, arguments, tolerance)
        if REAL_CUPY:
            continue  # which counts nothing
        launched = [event for kind, event in counts.log if kind == "launches"]
        seen |= set(launched)
        assert len(launched) == (2 if function.__name__ == "to_the_largest" else 1)
        # the uploads are those of the arguments, the waits those for the results
        assert counts.uploads == sum(isinstance(a, np.ndarray) for a in arguments)
        assert counts.waits == counts.downloads
    assert REAL_CUPY or seen == set(gpu_kernels.KERNELS)


# ------------------------------------------------------------------------------ NVIDIA's compiler


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


def test_every_function_is_called_by_a_kernel():
    """So the comparison of kernels with plain functions, and its mutations, reach all of them."""
    called = [set(gpu_kernels.functions_of(kernel)) for kernel in gpu_kernels.KERNELS.values()]
    assert all(called)
    assert set().union(*called) == set(gpu_kernels.functions_by_name())


def test_names_that_cupy_reserves_are_not_used():
    for kernel in gpu_kernels.KERNELS.values():
        names = [name for _, _, name, _ in gpu_kernels.parameters(kernel)]
        assert (
            len(names) == len(set(names))
            and not {"i", "n"} & set(names)
            and not any(name.startswith("_") for name in names)
        )
