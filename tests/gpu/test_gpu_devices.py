"""Devices of tensors: moving, creating there, errors; on the stand-in for cupy, two GPUs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import gpu_kernels
import numpy as np
import pytest
import strict_cupy
from real_cupy import REAL_CUPY

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.arrays.devices import as_device, module_on
from tinynet.utils.data import DataLoader, TensorDataset

ROOT = Path(tinynet.__file__).resolve().parent.parent


# ------------------------------------------------------------------------------------------- moving


def test_to_and_back(device):
    x = tinynet.arange(6.0).reshape(2, 3)
    there = x.to(device)
    assert (
        there.device
        == tinynet.device(device)
        == tinynet.device(device + (":0" if device == "cuda" else ""))
    )
    assert there.is_cuda == (device == "cuda")
    assert there.to(device) is there and there.cpu().device.type == "cpu"
    assert there.to(device, tinynet.float64).dtype == tinynet.float64
    assert there.to(tinynet.zeros(1, dtype=tinynet.int64, device=device)).dtype == tinynet.int64
    assert there.to(device, copy=True) is not there
    assert np.array_equal(there.numpy(force=True), x.numpy())
    assert there.tolist() == x.tolist() and there.sum().item() == 15


def test_cuda_methods(gpu, second_gpu):
    x = tinynet.tensor([1.0, 2.0])
    assert (
        str(x.cuda().device) == "cuda:0"
        and str(x.cuda(1).device) == str(x.cuda("cuda:1").device) == "cuda:1"
    )
    assert x.cuda().to(second_gpu).tolist() == [1, 2]
    model = nn.Linear(2, 3).cuda(1)
    assert {p.device for p in model.parameters()} == {tinynet.device("cuda:1")}
    assert {p.device for p in model.cpu().parameters()} == {tinynet.device("cpu")}
    with pytest.raises(
        TypeError, match=r"numpy: the tensor is on cuda:0; copy it.* tensor\.cpu"
    ):
        x.cuda().numpy()
    assert repr(x.cuda()) == "tensor([1., 2.], device='cuda:0')"


def test_between_gpus_without_the_host(gpu, second_gpu):
    x = tinynet.ones(3, device="cuda:0")
    with strict_cupy.counting() as counts:
        y = x.to(second_gpu)
    assert y.device.index == 1 and (counts.uploads, counts.downloads, counts.waits) == (0, 0, 0)


def test_gradients_flow_across_devices(gpu, second_gpu):
    x = tinynet.tensor([1.0, 2.0], requires_grad=True)
    y = (x.to("cuda") * 3).to(second_gpu) * tinynet.tensor([1.0, -1.0], device=second_gpu)
    y.cpu().sum().backward()
    assert x.grad.device.type == "cpu" and x.grad.tolist() == [3, -3]


@pytest.mark.parametrize(
    "make",
    [
        lambda d: tinynet.zeros(2, 3, device=d),
        lambda d: tinynet.ones(2, device=d),
        lambda d: tinynet.full((2,), 1.5, device=d),
        lambda d: tinynet.eye(2, 3, device=d),
        lambda d: tinynet.arange(1, 5, 2, device=d),
        lambda d: tinynet.arange(0, 1, 0.25, device=d),
        lambda d: tinynet.linspace(0, 1, 5, device=d),
        lambda d: tinynet.rand(2, 3, device=d),
        lambda d: tinynet.randn(2, device=d),
        lambda d: tinynet.randint(5, (4,), device=d),
        lambda d: tinynet.randperm(5, device=d),
        lambda d: tinynet.normal(1.0, 2.0, (3,), device=d),
        lambda d: tinynet.tensor([[1, 2], [3, 4]], device=d),
        lambda d: tinynet.as_tensor(np.ones(3), device=d),
        lambda d: tinynet.bernoulli(tinynet.full((9,), 0.5, device=d)),
        lambda d: tinynet.tensor(tinynet.tensor([1.0], device=d)),
        lambda d: tinynet.zeros_like(tinynet.ones(2, 3, device=d)),
        lambda d: tinynet.ones_like(tinynet.zeros(2, device=d)),
        lambda d: tinynet.full_like(tinynet.zeros(2, device=d), 7),
        lambda d: tinynet.rand_like(tinynet.zeros(2, device=d)),
        lambda d: tinynet.randn_like(tinynet.zeros(2, device=d)),
        lambda d: tinynet.randint_like(tinynet.zeros(4, device=d), 9),
        lambda d: tinynet.empty_like(tinynet.zeros(2, device=d)) * 0 == 0,
        lambda d: tinynet.empty(2, device=d).fill_(3),
    ],
)
def test_makers(make, last_gpu):
    tinynet.manual_seed(3)
    there = make(last_gpu)
    tinynet.manual_seed(3)
    here = make("cpu")
    assert there.device == tinynet.device(last_gpu) and there.dtype == here.dtype
    if "empty_like" not in "".join(make.__code__.co_names):
        np.testing.assert_allclose(there.cpu().numpy(), here.numpy(), rtol=1e-6)


def test_filled_tensors_are_made_there(gpu):
    with strict_cupy.counting() as counts:
        for make in (tinynet.zeros, tinynet.ones, tinynet.empty):
            make(2, 3, device="cuda")
        (
            tinynet.full((2, 3), 1.5, device="cuda"),
            tinynet.eye(3, device="cuda"),
            tinynet.arange(5, device="cuda"),
        )
    assert counts.uploads == 0


# ------------------------------------------------------------------------------ modules, optimisers


def test_optimiser_state_goes_where_its_parameter_is(last_gpu):
    model = nn.Linear(2, 3).to(last_gpu)
    optimizer = optim.Adam(model.parameters())
    model(tinynet.ones(1, 2, device=last_gpu)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    for device in ("cpu", "cuda", last_gpu):
        other = nn.Linear(2, 3).to(device)
        again = optim.Adam(other.parameters())
        again.load_state_dict(state)
        assert {
            t.device
            for s in again.state.values()
            for t in s.values()
            if isinstance(t, tinynet.Tensor)
        } == {tinynet.device(device)}
        other(tinynet.ones(1, 2, device=device)).sum().backward()
        again.step()
    model.to("cpu")
    model(tinynet.ones(1, 2)).sum().backward()
    with pytest.raises(
        RuntimeError, match="its parameter is now .* on cpu; convert and move parameters before"
    ):
        optimizer.step()


def test_module_to_moves_gradients_and_buffers(last_gpu):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model(tinynet.ones(4, 2)).sum().backward()
    weight = model[0].weight
    model.to(last_gpu)
    assert model[0].weight is weight and weight.grad.device == tinynet.device(last_gpu)
    assert {t.device for t in [*model.parameters(), *model.buffers()]} == {tinynet.device(last_gpu)}


def test_state_dicts_load_across_devices(last_gpu):
    here, there = nn.Linear(2, 3), nn.Linear(2, 3).to(last_gpu)
    there.load_state_dict(here.state_dict())
    assert there.weight.device == tinynet.device(last_gpu) and np.array_equal(
        there.weight.detach().cpu().numpy(), here.weight.detach().numpy()
    )
    here.load_state_dict(there.state_dict())


def test_save_and_load(last_gpu, tmp_path):
    tinynet.save({"x": tinynet.arange(3, device=last_gpu)}, tmp_path / "x.safetensors")
    assert tinynet.load(tmp_path / "x.safetensors")["x"].device.type == "cpu"
    for where in (last_gpu, tinynet.device("cuda:0")):
        loaded = tinynet.load(tmp_path / "x.safetensors", map_location=where)["x"]
        assert loaded.device == tinynet.device(where) and loaded.tolist() == [0, 1, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_data_on_the_gpu(gpu, workers):
    """With the data set on the GPU, a batch uploads its indices only and waits for nothing."""
    x, y = tinynet.arange(20.0).reshape(10, 2), tinynet.arange(10)
    data = TensorDataset(x.to("cuda"), y.to("cuda"))
    tinynet.manual_seed(0)
    loader = DataLoader(data, 4, shuffle=True, num_workers=workers)
    seen = []
    with strict_cupy.counting() as counts:
        for images, labels in loader:
            assert images.is_cuda and labels.is_cuda
            seen.append((images, labels))
    assert counts.waits == 0 and (
        REAL_CUPY or counts.uploads == len(loader)
    )  # the two tensors of the set share them
    tinynet.manual_seed(0)
    for (a, b), (c, d) in zip(seen, DataLoader(TensorDataset(x, y), 4, shuffle=True), strict=True):
        assert a.tolist() == c.tolist() and b.tolist() == d.tolist()


def test_seeds_give_the_same_on_both(device):
    tinynet.manual_seed(11)
    drawn = [
        tinynet.randn(3, device=device),
        nn.Linear(2, 2, device=device).weight,
        F.dropout(tinynet.ones(8, device=device)),
    ]
    tinynet.manual_seed(11)
    expected = [tinynet.randn(3), nn.Linear(2, 2).weight, F.dropout(tinynet.ones(8))]
    assert [t.tolist() for t in drawn] == [t.tolist() for t in expected]


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "mix",
    [
        lambda a, b: a + b,
        lambda a, b: b * a,
        lambda a, b: a @ b,
        lambda a, b: tinynet.cat([a, b]),
        lambda a, b: tinynet.where(a > 0, a, b),
        lambda a, b: a.copy_(b),
        lambda a, b: a.maximum(b),
        lambda a, b: a == b,
        lambda a, b: F.mse_loss(a, b),
        lambda a, b: a.backward(b),
        lambda a, b: F.linear(a, b),
        lambda a, b: a.gather(0, b.long()),
        lambda a, b: a.__setitem__(0, b[0]),
        lambda a, b: a.add_(b),
        lambda a, b: F.conv2d(a[None, None], b[None, None]),
        lambda a, b: F.cross_entropy(a, b[0].long()),
        lambda a, b: a + b.numpy(force=True),
        lambda a, b: F.batch_norm(a, None, None, b[0], training=True),
    ],
)
def test_mixed_devices_are_an_error_before_anything_runs(mix, gpu):
    a, b = tinynet.ones(2, 2, device="cuda", requires_grad=False) * 1.0, tinynet.ones(2, 2)
    if mix.__code__.co_names == ("backward",):
        a.requires_grad_()
    # an operation that knows its arguments' names says which is where
    found = (
        r"same device, but found (cuda:0 and cpu|cpu and cuda:0); move one with \.to"
        r"|is on cuda:0, .* on cpu; they must be on one device, move .*\.to"
    )
    with strict_cupy.counting() as counts, pytest.raises(RuntimeError, match=found):
        mix(a, b)
    assert counts.uploads == counts.downloads == 0


def test_two_gpus_are_two_devices(gpu, second_gpu):
    with pytest.raises(
        RuntimeError,
        match=r"found cuda:0 and cuda:1; move one with \.to\('cuda:0'\) or \.to\('cuda:1'\)",
    ):
        tinynet.ones(2, device="cuda:0") + tinynet.ones(2, device=second_gpu)
    with pytest.raises(RuntimeError, match="found cuda:0 and cuda:1"):
        tinynet.ones(2, device="cuda:0")[tinynet.tensor([0], device=second_gpu)]
    for device in ("cuda:0", second_gpu):  # what is uploaded once and kept is kept for each
        windows = F.adaptive_avg_pool2d(
            tinynet.arange(32.0, device=device).reshape(1, 1, 4, 8), (3, 5)
        )
        assert str(windows.device) == device and windows[0, 0, 0].tolist() == [4.5, 6, 7.5, 9, 10.5]


def test_wrong_labels_give_nan_and_no_wait(gpu):
    scores = tinynet.randn(3, 4, device="cuda", requires_grad=True)
    for wrong in (4, -1):
        labels = tinynet.tensor([0, wrong, 2], device="cuda")
        with strict_cupy.allow_synchronize(False):
            loss = F.cross_entropy(scores, labels)
            loss.backward()
        assert np.isnan(loss.item())
        with pytest.raises(IndexError, match=r"target\[1\] is"):
            F.cross_entropy(scores.cpu(), labels.cpu())


# the four causes of "no GPU", and their relatives


def test_cupy_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(
        RuntimeError,
        match=r"'cuda:0': cupy is not installed; pip install 'tinynet-cnn\[cuda13\]'.*device='cpu'",
    ):
        tinynet.zeros(2).to("cuda")
    assert not tinynet.cuda.is_available() and tinynet.cuda.device_count() == 0


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            35,
            "no NVIDIA driver, or one too old for it .*InsufficientDriver.*; "
            "install or update the driver",
        ),
        (100, "driver but no GPU .*NoDevice.*nvidia-smi"),
    ],
)
def test_no_driver_and_no_device(status, message):
    with strict_cupy.install(devices=0, status=status):
        for use in (
            lambda: tinynet.zeros(2).to("cuda"),
            lambda: tinynet.zeros(2, device="cuda:1"),
            lambda: nn.Linear(2, 2).cuda(),
            tinynet.cuda.current_device,
        ):
            with pytest.raises(RuntimeError, match=message + ".*use device='cpu'"):
                use()
        assert not tinynet.cuda.is_available() and tinynet.cuda.device_count() == 0


def test_index_too_large():
    for devices, there in ((1, "one GPU, 'cuda:0'"), (2, "2 GPUs, 'cuda:0' to 'cuda:1'")):
        with (
            strict_cupy.install(devices=devices),
            pytest.raises(
                RuntimeError, match=f"'cuda:5': this machine has {there}; choose another"
            ),
        ):
            tinynet.zeros(2, device="cuda:5")


def test_cuda_libraries_missing(monkeypatch):
    with strict_cupy.install() as cupy:

        def missing(*arguments):
            raise ImportError(
                "libcublas.so.13: cannot open shared object file: No such file or directory"
            )

        monkeypatch.setattr(tinynet.arrays.devices, "_proven", set())
        monkeypatch.setattr(cupy, "matmul", missing)
        with pytest.raises(
            RuntimeError,
            match=r"a first computation with it fails \(ImportError: libcublas.*"
            r"'cupy-cuda13x\[ctk\]'.*device='cpu'",
        ):
            tinynet.zeros(2, device="cuda")
        assert not tinynet.cuda.is_available()


def test_cupy_that_does_not_import(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text(
        "raise ImportError('libcudart.so.13: cannot open shared object file')"
    )
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=r"ImportError: libcudart.*\[ctk\]"):
        tinynet.zeros(2, device="cuda")


# in a process of its own, where nothing has imported cupy or the stand-in
REAL = """
import tinynet
import cupy
try:
    tinynet.zeros(2, device="cuda")
except RuntimeError as error:
    print(error)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("cupy") is None, reason="cupy, the real package, is not installed"
)
def test_the_real_package_without_a_driver():
    said = subprocess.run(
        [sys.executable, "-c", REAL], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    if not said:
        pytest.skip("this machine has a GPU")
    assert "'cuda:0': cupy finds no NVIDIA driver" in said or "driver but no GPU" in said
    assert "use device='cpu'" in said


# A driver that answers cupy's first two questions from the environment and fails otherwise.
DRIVER = """
#include <cstdlib>
#include <cstring>
extern "C" {
int cuInit(unsigned) { return atoi(getenv("PRETENDED_STATUS")); }
int cuDriverGetVersion(int* version) { *version = atoi(getenv("PRETENDED_VERSION")); return 0; }
int cuGetExportTable(const void**, const void*) { return 1; }
static int failure() { return 999; }
int cuGetProcAddress_v2(const char* name, void** function, int, unsigned long long, int* found) {
    if (found) *found = 0;
    *function = !strcmp(name, "cuInit") ? (void*)cuInit
        : !strcmp(name, "cuDriverGetVersion") ? (void*)cuDriverGetVersion
        : !strcmp(name, "cuGetProcAddress") ? (void*)cuGetProcAddress_v2 : (void*)failure;
    return 0;
}
int cuGetProcAddress(const char* name, void** function, int version, unsigned long long flags) {
    return cuGetProcAddress_v2(name, function, version, flags, 0);
}
}
"""


@pytest.mark.skipif(
    importlib.util.find_spec("cupy") is None, reason="cupy, the real package, is not installed"
)
@pytest.mark.skipif(REAL_CUPY, reason="the driver that is there is in use")
@pytest.mark.skipif(
    gpu_kernels.compiler() is None or sys.platform != "linux",
    reason="no C++ compiler, to make a driver that pretends, or no Linux",
)
@pytest.mark.parametrize(
    ("status", "version", "message"),
    [
        (100, 13000, "there is an NVIDIA driver but no GPU that it can use (cudaErrorNoDevice"),
        (999, 13000, "there is an NVIDIA driver but no GPU that it can use (cudaErrorUnknown"),
        (
            0,
            11000,
            "cupy finds no NVIDIA driver, or one too old for it (cudaErrorInsufficientDriver",
        ),
        (
            803,
            13000,
            "cupy finds no NVIDIA driver, or one too old for it (cudaErrorSystemDriverMismatch",
        ),
    ],
)
def test_the_real_package_with_a_driver_that_pretends(status, version, message, tmp_path):
    (tmp_path / "driver.cpp").write_text(DRIVER)
    subprocess.run(
        [
            gpu_kernels.compiler(),
            "-shared",
            "-fPIC",
            tmp_path / "driver.cpp",
            "-o",
            tmp_path / "libcuda.so.1",
        ],
        check=True,
    )
    pretended = {
        "LD_LIBRARY_PATH": str(tmp_path),
        "PRETENDED_STATUS": str(status),
        "PRETENDED_VERSION": str(version),
    }
    done = subprocess.run(
        [sys.executable, "-c", REAL],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **pretended},
    )
    assert message in done.stdout and "use device='cpu'" in done.stdout


def test_cupy_is_imported_only_when_asked_for():
    code = (
        "import sys, tinynet; tinynet.ones(2).to('cpu'); tinynet.device('cuda')\n"
        "assert 'cupy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# ------------------------------------------------------------------------------------- tinynet.cuda


def test_cuda_module(gpu, second_gpu):
    assert (
        tinynet.cuda.is_available()
        and tinynet.cuda.device_count() == 2
        and tinynet.cuda.current_device() == 0
    )
    assert tinynet.cuda.get_device_name(second_gpu) == tinynet.cuda.get_device_name(
        tinynet.device("cuda")
    )
    for device in (None, 1, "cuda:1", tinynet.device("cuda")):
        with strict_cupy.counting() as counts:
            tinynet.cuda.synchronize(device)
        assert REAL_CUPY or counts.waits == 1
    with pytest.raises(ValueError, match="synchronize: expected a GPU"):
        tinynet.cuda.synchronize("cpu")
    with pytest.raises(RuntimeError, match="choose another index"):
        tinynet.cuda.get_device_name(7)


@pytest.mark.parametrize("wrong", ["gpu", "cuda:", "cuda:x", "cpu:1", ""])
def test_unknown_devices(wrong):
    with pytest.raises(ValueError, match="device"):
        tinynet.device(wrong)


def test_errors_begin_with_the_name_of_the_function():
    for function, call in (
        ("zeros", lambda device: as_device("zeros", device)),
        ("ones", lambda device: module_on(device, "ones").__enter__()),
        ("Generator", tinynet.Generator),
        ("synchronize", tinynet.cuda.synchronize),
    ):
        with pytest.raises(ValueError, match=f"^{function}: unknown device 'tpu'; tinynet knows"):
            call("tpu")
        with pytest.raises(TypeError, match=f"^{function}: expected a string such as 'cpu'"):
            call(1.5)
    with pytest.raises(ValueError, match="^get_device_name: unknown device 'cuda:-1'"):
        tinynet.cuda.get_device_name(-1)


def test_example_runs_on_the_gpu(gpu, tmp_path, monkeypatch):
    """examples/mnist.py --device cuda, on 60 digits."""
    spec = importlib.util.spec_from_file_location("mnist_example", ROOT / "examples" / "mnist.py")
    example = importlib.util.module_from_spec(spec)
    pytest.importorskip("tqdm", reason="the example needs tqdm")
    pytest.importorskip("matplotlib", reason="the example draws with matplotlib")
    spec.loader.exec_module(example)

    class Few(tinynet.datasets.MNIST):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options, download=False)
            self.data, self.targets = self.data[:60], self.targets[:60]

    from matplotlib.figure import Figure

    monkeypatch.setattr(
        Figure, "savefig", lambda *arguments, **options: None
    )  # which takes longer than all the rest
    monkeypatch.setattr(example, "MNIST", Few)
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "mnist.py",
            "--device",
            "cuda",
            "--epochs",
            "1",
            "--out",
            str(tmp_path),
        ],
    )
    example.main()
    state = tinynet.load(tmp_path / "mnist.safetensors", map_location="cuda")
    assert state["conv1.weight"].is_cuda and np.isfinite(state["conv1.weight"].cpu().numpy()).all()
