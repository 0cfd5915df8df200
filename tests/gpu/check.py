"""Does tinynet compute on this machine's GPU what it computes on the CPU, and how fast?

    python tests/gpu/check.py                   some minutes; prints a line per check, a verdict
    python tests/gpu/check.py --report FILE     also writes the findings as JSON, for an issue

The program runs in a clone, from any folder; tinynet need not be installed. It needs cupy and what
tinynet itself needs: numpy, safetensors, threadpoolctl. Without a GPU it says what is missing.

The cases are those of the GPU tests (tests/support/gpu_cases.py, gpu_kernels.py).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import gpu_cases
import gpu_kernels
import numpy as np

import tinynet
import tinynet.nn.functional as F
from tinynet import optim
from tinynet.arrays.devices import load_cupy
from tinynet.utils.data import DataLoader, TensorDataset

# A GPU sums in another order and fuses multiplications with additions, so its last digits differ
# more from the CPU's than those of the stand-in, for which the tests' tolerances are made.
LOOSER, LOOSER_AFTER_TRAINING = 10, 50


# ------------------------------------------------------------------------------ the same results


def check_cases(cases: list[Any]) -> str:
    """Values, gradients and second-order gradients; reports all cases that differ."""
    wrong = {}
    for case in cases:
        try:
            gpu_cases.assert_equal_to_the_cpu(case, "cuda", LOOSER)
        except Exception as error:
            wrong[case.name] = one_line(error)
    if wrong:
        first = next(iter(wrong.values()))
        raise AssertionError(f"{len(wrong)} of {len(cases)} cases differ: {list(wrong)}; {first}")
    return f"{len(cases)} cases, with gradients and second-order gradients, as on the CPU"


def one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def check_kernels() -> str:
    """The CUDA kernels."""
    cupy = load_cupy()
    for function, arguments, tolerance in gpu_kernels.kernel_cases():
        gpu_kernels.assert_kernel_is_plain_function(cupy, function, arguments, tolerance)
    return f"{len(gpu_kernels.KERNELS)} kernels, as the plain functions that they replace"


def check_gradients() -> str:
    """Gradients against central differences."""
    names = "conv2d groups", "max_pool2d", "cross_entropy weight, ignored"
    for name in names:
        f, arrays = gpu_cases.CASES[name].f, gpu_cases.CASES[name].inputs
        inputs = [tinynet.tensor(a, device="cuda", requires_grad=True) for a in arrays]
        tinynet.gradcheck(lambda *tensors, f=f: f(gpu_cases.On("cuda"), *tensors), inputs, order=1)
    return f"{len(names)} functions against central differences"


def check_training() -> str:
    """A small network with each optimiser, saved and loaded on the way."""
    with tempfile.TemporaryDirectory() as folder:
        for name in gpu_cases.OPTIMIZERS:
            gpu_cases.assert_training_is_equal(name, "cuda", Path(folder), LOOSER_AFTER_TRAINING)
    return f"with {', '.join(gpu_cases.OPTIMIZERS)}: as on the CPU"


# ------------------------------------------------------------------------------ waits and uploads


def training_step(device: str, batch: int) -> Callable[[], Any]:
    """A function that trains LeNet-5 by one step."""
    tinynet.manual_seed(0)
    model = gpu_cases.lenet().to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x, y = tinynet.randn(batch, 1, 28, 28).to(device), tinynet.randint(10, (batch,)).to(device)

    def step() -> None:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def check_waits() -> str:
    """No operation of a training step makes the CPU wait for the GPU."""
    step = training_step("cuda", 8)
    step()
    with importlib.import_module("cupyx").allow_synchronize(False):
        step()
    return "a step of LeNet-5 waits for nothing"


def check_data(size: int = 1024) -> str:
    """Batches arrive whole while the GPU is busy with products of size x size matrices."""
    images, labels = tinynet.randn(400, 3, 32, 32), tinynet.arange(400)
    loader = DataLoader(TensorDataset(images, labels), 8, device="cuda")
    busy, kept = tinynet.randn(size, size, device="cuda"), []
    with importlib.import_module("cupyx").allow_synchronize(False):
        for x, y in loader:
            kept.append((x * 2.0, y + 1))
            for _ in range(4):
                busy = (busy @ busy).tanh()
    expected = images * 2.0, labels + 1
    for batches, whole in zip(zip(*kept, strict=True), expected, strict=True):
        np.testing.assert_array_equal(tinynet.cat(batches).cpu().numpy(), whole.numpy())
    return f"{len(loader)} batches as they were sent, while the GPU computed"


# ------------------------------------------------------------------------------------------ speed


def milliseconds(step: Callable[[], Any], finish: Callable[[], Any], repeats: int) -> float:
    """The time of a step: the best of three means over `repeats` steps, after two to warm up."""
    for _ in range(2):
        step()
    times = []
    for _ in range(3):
        finish()
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        finish()
        times.append((time.perf_counter() - start) / repeats)
    return round(1000 * min(times), 3)


def check_speed() -> str:
    """A step of LeNet-5 on the CPU, on the GPU, and with PyTorch where that is installed."""
    found = {}
    for batch in (64, 1024):
        found[f"cpu, batch {batch}"] = milliseconds(training_step("cpu", batch), lambda: None, 3)
        found[f"cuda, batch {batch}"] = milliseconds(
            training_step("cuda", batch), tinynet.cuda.synchronize, 20
        )
        with contextlib.suppress(ImportError):
            found.update(pytorch_speed(batch))
    return "ms a step of LeNet-5: " + "; ".join(f"{name}: {ms}" for name, ms in found.items())


def pytorch_speed(batch: int) -> dict[str, float]:
    torch: Any = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return {}
    T = torch.nn
    model = T.Sequential(
        T.Conv2d(1, 6, 5, padding=2), T.ReLU(), T.MaxPool2d(2),
        T.Conv2d(6, 16, 5), T.ReLU(), T.MaxPool2d(2),
        T.Flatten(), T.Linear(400, 120), T.ReLU(), T.Linear(120, 84), T.ReLU(),
        T.Linear(84, 10),
    ).cuda()  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x, y = torch.randn(batch, 1, 28, 28).cuda(), torch.randint(10, (batch,)).cuda()

    def step() -> None:
        loss = T.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return {f"PyTorch cuda, batch {batch}": milliseconds(step, torch.cuda.synchronize, 20)}


# ----------------------------------------------------------------------------------------- report


def environment() -> dict[str, Any]:
    """Versions, and the names of the GPUs or the reason why there is none."""
    about: dict[str, Any] = {
        "tinynet": tinynet.__version__, "python": platform.python_version(),
        "numpy": np.__version__, "system": platform.platform(), "gpu": None, "reason": None,
    }  # fmt: skip
    try:
        cupy = load_cupy()
    except RuntimeError as error:
        about["reason"] = str(error)
        return about
    runtime = cupy.cuda.runtime
    about.update(
        cupy=cupy.__version__, driver=runtime.driverGetVersion(), cuda=runtime.runtimeGetVersion(),
        gpu=[tinynet.cuda.get_device_name(i) for i in range(tinynet.cuda.device_count())],
    )  # fmt: skip
    return about


def checks(speed: bool) -> dict[str, Callable[[], str]]:
    """Functions by name; each returns a remark, or raises if something is wrong."""
    found: dict[str, Callable[[], str]] = {
        name: lambda cases=cases: check_cases(cases) for name, cases in gpu_cases.GROUPS.items()
    }
    found.update({
        "kernels": check_kernels, "gradcheck": check_gradients, "training": check_training,
        "no waiting": check_waits, "data": check_data,
    })  # fmt: skip
    return {**found, "speed": check_speed} if speed else found


def run(speed: bool = True, say: Callable[[str], Any] = print) -> dict[str, Any]:
    """Run all checks, `say` a line for each and a verdict; returns the report."""
    about = environment()
    say("tinynet {tinynet}, numpy {numpy}, Python {python}, {system}".format(**about))
    if about["gpu"]:
        say(f"GPU: {', '.join(about['gpu'])}; cupy {about['cupy']}, driver {about['driver']}")
    results = []
    for name, check in checks(speed).items():
        outcome = {"check": name, "result": "skipped", "remark": "no GPU"}
        if about["gpu"]:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of cases such as the variance of one number
                    outcome.update(result="passed", remark=check())
            except Exception as error:  # the report names whatever went wrong
                outcome.update(result="FAILED", remark=one_line(error))
        results.append(outcome)
        say("{result:8} {check}: {remark}".format(**outcome))
    counts = {
        result: sum(r["result"] == result for r in results)
        for result in ("passed", "FAILED", "skipped")
    }
    say(verdict(about, **counts))
    return {"environment": about, "checks": results, **counts}


def verdict(about: dict[str, Any], passed: int, FAILED: int, skipped: int) -> str:
    if skipped:
        return f"Verdict: nothing was checked, because there is no GPU to use: {about['reason']}"
    if FAILED:
        return (
            f"Verdict: {FAILED} of {FAILED + passed} checks FAILED; "
            "please open an issue with the file that --report writes"
        )
    return f"Verdict: all {passed} checks passed; this GPU computes what the CPU computes"


def main(arguments: list[str] | None = None) -> int:
    """The exit status is 1 if a check failed, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, help="write the findings to this file, as JSON")
    parser.add_argument("--no-speed", action="store_true", help="measure no times")
    options = parser.parse_args(arguments)
    report = run(speed=not options.no_speed)
    if options.report:
        options.report.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
