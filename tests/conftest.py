"""Fixtures that several test files share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gpu_kernels
import numpy as np
import pytest
import strict_cupy
from real_cupy import REAL_CUPY

import tinynet
from tinynet.vision.datasets.mnist import idx_header


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite, or folders of it, on up to four cores (pytest-xdist, if it is there).

    Files, single tests and what one watches (-s, --pdb, --collect-only) run in one process; -n
    decides for itself.
    """
    option, is_worker = config.option, "PYTEST_XDIST_WORKER" in os.environ
    watched = option.capture == "no" or option.usepdb or option.collectonly
    one = is_worker or watched or not all(map(os.path.isdir, option.file_or_dir))
    if getattr(option, "numprocesses", 0) is None and not one:
        option.numprocesses, option.maxprocesses, option.dist = "auto", 4, "worksteal"


def keep_for_good() -> None:
    """Let the garbage collector pass over what there is now: it lives as long as the suite."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """All tests are there."""
    keep_for_good()


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch, the oracle. Tests that ask for it are skipped where it is not installed."""
    module = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    keep_for_good()
    return module


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """cupy, with two GPUs if it is the stand-in."""
    if REAL_CUPY:
        import cupy

        yield cupy
        return
    for name, reference in gpu_kernels.references().items():
        monkeypatch.setitem(strict_cupy.reference_kernels, name, reference)
    with strict_cupy.install(devices=2) as cupy:
        yield cupy
    assert not strict_cupy.races


@pytest.fixture
def last_gpu(gpu: Any) -> str:
    """The GPU with the highest number.

    On the stand-in it isn't cupy's current one, so code that forgets to make it current fails.
    """
    return f"cuda:{gpu.cuda.runtime.getDeviceCount() - 1}"


@pytest.fixture
def second_gpu(gpu: Any) -> str:
    """For what needs two GPUs."""
    if gpu.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("this machine has only one GPU")
    return "cuda:1"


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """The same test on the CPU and on a GPU, the stand-in unless TINYNET_TEST_CUPY=real."""
    if request.param == "cuda":
        request.getfixturevalue("gpu")
    return str(request.param)


@pytest.fixture(scope="session")
def folder_of_digits(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """``make(training, test)``: a new folder with that many of the digits that ship with tinynet.

    They are in files named as those of MNIST.
    """

    def make(training: int, test: int) -> Path:
        folder = tmp_path_factory.mktemp("digits")
        for train, name, count in ((True, "train", training), (False, "t10k", test)):
            shipped = tinynet.datasets.MNIST(train=train, download=False)
            images, labels = (
                shipped.data.array[:count],
                shipped.targets.array[:count].astype(np.uint8),
            )
            (folder / f"{name}-images-idx3-ubyte").write_bytes(
                idx_header(images.shape) + images.tobytes()
            )
            (folder / f"{name}-labels-idx1-ubyte").write_bytes(
                idx_header(labels.shape) + labels.tobytes()
            )
        return folder

    return make


@pytest.fixture(autouse=True, scope="session")
def root_stays_clean() -> Iterator[None]:
    """No test writes a file into the root of the project, where a newcomer looks first."""
    root = Path(__file__).parents[1]
    caches = {".pytest_cache", ".hypothesis", ".ruff_cache", ".mypy_cache", "__pycache__"}
    before = set(os.listdir(root))
    yield
    assert set(os.listdir(root)) <= before | caches, "a test wrote into the root of the project"
