"""Does tinynet compute on this machine's GPU what it computes on the CPU, and how fast?

    python -m tinynet.gpucheck                   a minute; prints what it finds
    python -m tinynet.gpucheck --report FILE     and writes it as JSON, to attach to a bug report

Without a GPU it says why there is none, and which checks it skips.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F

from . import nn, optim
from .arrays.devices import load_cupy
from .nn.functional.dropout import keep_mask
from .ops.conv import plain as conv
from .ops.conv import pooling
from .ops.conv.geometry import Geometry
from .optim import adam, sgd
from .utils.data import DataLoader, TensorDataset


def _draw(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---------------------------------------------------------------------------------------- operation by operation

# Each takes tensors made from arrays of these shapes; results, gradients and second-order gradients are compared.
OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "arithmetic": (lambda a, b: (a + b * a - b) / (b * b + 1.0), ((2, 3), (3,))),
    "powers": (lambda a: (a * a + 1.0) ** 2.5 + 2.0**a, ((2, 3),)),
    "exp, log, trigonometry": (lambda a: (a.exp() + 1.0).log() + a.sin() * a.cos() + a.tanh(), ((2, 3),)),
    "activations": (lambda a: F.relu(a) + F.sigmoid(a) + F.gelu(a) + F.elu(a) + F.silu(a) + F.softplus(a) + F.leaky_relu(a), ((3, 4),)),
    "selection": (lambda a, b: tinynet.where(a > b, a, 0.5) + a.clamp(-0.5, 0.5) + tinynet.maximum(a, b), ((3, 4), (3, 4))),
    "sums, means, variances": (lambda a: a.sum(1) + a.mean(1) + a.var(1) + a.norm(), ((3, 4),)),
    "extremes": (lambda a: a.amax(1) + a.max(1).values + a.min(0).values.sum(), ((3, 4),)),
    "softmax": (lambda a: a.softmax(1) + a.log_softmax(0) + a.logsumexp(1, keepdim=True), ((3, 4),)),
    "matrix product": (lambda a, b: a @ b, ((2, 3, 4), (4, 5))),
    "shapes": (lambda a: tinynet.cat([a.reshape(4, 3), a.t().flip(0)]).permute(1, 0).repeat(2, 1), ((3, 4),)),
    "indexing": (lambda a: a[[0, 2, 2]] * a[1:, 1:].sum() + a[a.detach() > 0].sum(), ((3, 4),)),
    "linear": (F.linear, ((4, 3), (2, 3), (2,))),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), ((2, 4, 6, 7), (6, 2, 3, 2), (6,))),
    "conv_transpose2d": (lambda x, w: F.conv_transpose2d(x, w, stride=2, output_padding=1), ((2, 3, 3, 4), (3, 2, 3, 2))),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), ((2, 3, 6, 7),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1) + F.adaptive_avg_pool2d(x, (3, 4)), ((2, 3, 6, 7),)),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), ((3, 4, 2, 5), (4,), (4,))),
    "interpolate, pad": (lambda x: F.interpolate(F.pad(x, (1, 2, 0, 1), mode="reflect"), scale_factor=2, mode="bilinear"), ((1, 2, 3, 4),)),
    "cross_entropy": (lambda x: F.cross_entropy(x, tinynet.tensor([0, 2, 1]).to(x.device), label_smoothing=0.1), ((3, 4),)),
    "mse_loss, l1_loss, huber_loss": (lambda x, y: F.mse_loss(x, y) + F.l1_loss(x, y) + F.huber_loss(x, y), ((3, 4), (3, 4))),
}


def _orders(f: Callable[..., Any], arrays: list[np.ndarray], device: str) -> list[np.ndarray]:
    """The value of f, its gradients, and the gradients of these."""
    inputs = [tinynet.tensor(a, device=device, requires_grad=True) for a in arrays]
    y = f(*inputs)
    g = tinynet.tensor(_draw(*y.shape, seed=7), device=device, requires_grad=True)
    first = tinynet.grad(y, inputs, g, create_graph=True)
    total = sum((x * tinynet.tensor(_draw(*x.shape, seed=8), device=device)).sum() for x in first)
    second = tinynet.grad(total, [*inputs, g], materialize_grads=True) if total.requires_grad else ()
    return [t.detach().cpu().numpy() for t in (y, *first, *second)]


def check_operation(name: str) -> str:
    f, shapes = OPERATIONS[name]
    arrays = [_draw(*shape, seed=i) for i, shape in enumerate(shapes)]
    worst = 0.0
    for here, there in zip(_orders(f, arrays, "cpu"), _orders(f, arrays, "cuda"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-9, atol=1e-10)
        worst = max(worst, float(abs(there - here).max()))
    return f"largest difference {worst:.1e}"


def check_gradients() -> str:
    count = 0
    for name in ("conv2d", "max_pool2d", "cross_entropy"):
        f, shapes = OPERATIONS[name]
        inputs = [tinynet.tensor(_draw(*shape, seed=i), device="cuda", requires_grad=True) for i, shape in enumerate(shapes)]
        count += tinynet.gradcheck(f, inputs, order=1)
    return f"{count} functions against central differences"


def check_kernels() -> str:
    cupy = load_cupy()
    geo = Geometry(7, 8, 3, 2, (2, 1), ((1, 0), (2, 1)), (1, 2))
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        x = _draw(3, 4, 7, 8, dtype=dtype)
        y = pooling.largest_of_windows(np, x, geo, -np.inf)
        cols = _draw(4, geo.KH, geo.KW, geo.OH, geo.OW, 3, dtype=dtype, seed=1)
        for function, arguments in (
            (conv.im2col, (x, geo)), (conv.col2im, (cols, geo)), (pooling.largest_of_windows, (x, geo, -np.inf)),
            (pooling.winning_taps, (x, y, geo)), (pooling.to_the_largest, (y, x, y, geo)),
        ):  # fmt: skip
            found = function(cupy, *[cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments])
            np.testing.assert_allclose(found.get(), function(np, *arguments), rtol=tolerance, atol=tolerance, err_msg=function.__name__)
        p, g, m, v = (abs(_draw(5, 6, dtype=dtype, seed=s)) for s in range(4))
        for function, arrays, options in (
            (sgd.momentum_step, (p, g, m), (0.1, 0.9, 0.8, True)), (adam.adam_step, (p, g, m, v, None), (0.9, 0.99, 0.1, 1e-4)),
            (adam.adam_step, (p, g, m, v, v), (0.9, 0.99, 0.1, 1e-4)),
        ):  # fmt: skip
            there: list[Any] = [None if a is None else cupy.array(a) for a in arrays]
            here: list[Any] = [None if a is None else a.copy() for a in arrays]
            function(cupy, *there, *options)
            function(np, *here, *options)
            for a, b in zip(there, here, strict=True):
                if b is not None:
                    np.testing.assert_allclose(a.get(), b, rtol=tolerance, atol=tolerance, err_msg=function.__name__)
        drop = (2**62 + 12345, (7, 9), dtype, 20000)
        np.testing.assert_array_equal(keep_mask(cupy, *drop).get(), keep_mask(np, *drop), err_msg="keep_mask")
    return "9 kernels against their plain functions, float32 and float64"


# ------------------------------------------------------------------------------------------------------ training


def _lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def _stepper(device: str, batch: int, seed: int = 0) -> tuple[nn.Module, Callable[[], Any]]:
    tinynet.manual_seed(seed)
    model = _lenet().to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x, y = tinynet.randn(batch, 1, 28, 28).to(device), tinynet.randint(10, (batch,)).to(device)

    def step() -> Any:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def check_training() -> str:
    trained = []
    for device in ("cpu", "cuda"):
        model, step = _stepper(device, 8)
        losses = [float(step()) for _ in range(10)]
        trained.append((np.array(losses), [p.detach().cpu().numpy() for p in model.parameters()]))
    (here, weights), (there, others) = trained
    np.testing.assert_allclose(there, here, rtol=1e-3)
    for mine, theirs in zip(others, weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2, atol=1e-3)
    return f"loss of LeNet-5 from {there[0]:.4f} to {there[-1]:.4f} in 10 steps, as on the CPU"


def check_waits() -> str:
    cupyx = importlib.import_module("cupyx")
    _, step = _stepper("cuda", 8)
    step()
    with cupyx.allow_synchronize(False):
        step()
    return "a step of LeNet-5 waits for nothing"


def check_data(size: int = 1024) -> str:
    """Batches arrive whole while the GPU has more to do than it can keep up with (products of `size`), and nothing waits."""
    cupyx = importlib.import_module("cupyx")
    images, labels = tinynet.randn(400, 3, 32, 32), tinynet.arange(400)
    loader = DataLoader(TensorDataset(images, labels), 8, device="cuda")
    busy, kept = tinynet.randn(size, size, device="cuda"), []
    with cupyx.allow_synchronize(False):
        for x, y in loader:
            kept.append((x * 2.0, y + 1))
            for _ in range(4):
                busy = (busy @ busy).tanh()
    for found, expected in zip(zip(*kept, strict=True), (images * 2.0, labels + 1), strict=True):
        np.testing.assert_array_equal(tinynet.cat(found).cpu().numpy(), expected.numpy())
    return f"{len(loader)} batches as they were sent, beside a busy GPU"


def _milliseconds(step: Callable[[], Any], finish: Callable[[], Any], repeats: int) -> float:
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
    found = {}
    for batch in (64, 1024):
        for device in ("cpu", "cuda"):
            finish = tinynet.cuda.synchronize if device == "cuda" else lambda: None
            found[f"{device}, batch {batch}"] = _milliseconds(_stepper(device, batch)[1], finish, 20 if device == "cuda" else 3)
        with contextlib.suppress(ImportError):
            found.update(_pytorch_speed(batch))
    return "ms a step of LeNet-5: " + "; ".join(f"{name}: {ms}" for name, ms in found.items())


def _pytorch_speed(batch: int) -> dict[str, float]:
    torch: Any = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return {}
    T = torch.nn
    model = T.Sequential(
        T.Conv2d(1, 6, 5, padding=2), T.ReLU(), T.MaxPool2d(2), T.Conv2d(6, 16, 5), T.ReLU(), T.MaxPool2d(2), T.Flatten(),
        T.Linear(400, 120), T.ReLU(), T.Linear(120, 84), T.ReLU(), T.Linear(84, 10),
    ).cuda()  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x, y = torch.randn(batch, 1, 28, 28).cuda(), torch.randint(10, (batch,)).cuda()

    def step() -> None:
        loss = T.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return {f"PyTorch cuda, batch {batch}": _milliseconds(step, torch.cuda.synchronize, 20)}


# -------------------------------------------------------------------------------------------------------- report


def environment() -> dict[str, Any]:
    """Versions, and the GPU or why there is none."""
    about: dict[str, Any] = {
        "tinynet": tinynet.__version__, "python": platform.python_version(), "numpy": np.__version__, "system": platform.platform(),
        "gpu": None, "reason": None,
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


def checks(speed: bool) -> Iterator[tuple[str, Callable[[], str]]]:
    """Names and functions that return a remark or raise."""
    for name in OPERATIONS:
        yield name, lambda name=name: check_operation(name)  # type: ignore[misc]
    yield "kernels", check_kernels
    yield "gradcheck", check_gradients
    yield "training", check_training
    yield "no waiting", check_waits
    yield "data", check_data
    if speed:
        yield "speed", check_speed


def run(speed: bool = True, say: Callable[[str], Any] = print) -> dict[str, Any]:
    """All checks; returns the report, and says a line for each."""
    about = environment()
    say(f"tinynet {about['tinynet']}, numpy {about['numpy']}, Python {about['python']}, {about['system']}")
    say(f"GPU: {', '.join(about['gpu'])}; cupy {about['cupy']}, driver {about['driver']}" if about["gpu"] else f"no GPU: {about['reason']}")
    results = []
    for name, check in checks(speed):
        outcome = {"check": name, "result": "skipped", "remark": "no GPU"}
        if about["gpu"]:
            try:
                outcome.update(result="passed", remark=check())
            except Exception as error:  # whatever goes wrong belongs into the report
                outcome.update(result="FAILED", remark=f"{type(error).__name__}: {error}".strip())
        results.append(outcome)
        say(f"{outcome['result']:8} {name}: {outcome['remark']}")
    counts = {result: sum(r["result"] == result for r in results) for result in ("passed", "FAILED", "skipped")}
    say(", ".join(f"{n} {result}" for result, n in counts.items()))
    return {"environment": about, "checks": results, **counts}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinynet.gpucheck", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, help="write what was found to this file, as JSON")
    parser.add_argument("--no-speed", action="store_true", help="take no times")
    options = parser.parse_args(arguments)
    report = run(speed=not options.no_speed)
    if options.report:
        options.report.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
