"""All benchmarks, with one command:  python benchmarks/run.py

Writes the tables into docs/performance.md (between the markers there) and docs/performance.png.
PyTorch, DeZero and MyGrad are compared with where they are installed. ``--only
training,geometries`` runs parts and prints them. Where the environment forces OpenBLAS to an old
kernel, unset OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE for this command.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import importlib.metadata
import importlib.util
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import bare  # noqa: E402
from nets import NETS, example  # noqa: E402
from timing import in_turns  # noqa: E402

import tinynet  # noqa: E402
import tinynet.nn.functional as F  # noqa: E402
from tinynet.arrays import threads  # noqa: E402

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

BATCH = 64


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *[[str(cell) for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def training_step(framework: Any, net: Any, shape: tuple[int, ...], batch: int = BATCH) -> Any:
    """A whole step of SGD with momentum on one batch, as a function without arguments."""
    random = np.random.default_rng(0)
    model = net(framework.nn)
    x = framework.tensor(random.standard_normal((batch, *shape), np.float32))
    labels = framework.tensor(random.integers(0, 10, batch))
    optimizer = framework.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        loss = framework.nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def inference(framework: Any, net: Any, shape: tuple[int, ...], batch: int) -> Any:
    """The forward pass of a batch in evaluation mode, as a function without arguments."""
    model = net(framework.nn).eval()
    x = framework.tensor(np.random.default_rng(0).standard_normal((batch, *shape), np.float32))

    def forward() -> None:
        with framework.no_grad():
            model(x)

    return forward


def frameworks() -> dict[str, Any]:
    """tinynet, and PyTorch if it is there, with the same number of threads."""
    if torch is None:
        return {"tinynet": tinynet}
    torch.set_num_threads(tinynet.get_num_threads())
    return {"tinynet": tinynet, "PyTorch": torch}


def compare(
    title: str, functions: dict[str, dict[str, Any]], runs: int
) -> tuple[str, dict[str, float]]:
    """A table of milliseconds per row and framework, and the ratios to PyTorch."""
    rows, ratios = [], {}
    for row, by_framework in functions.items():
        seconds = in_turns(by_framework, runs)
        cells = [f"{1e3 * s:.2f}" for s in seconds.values()]
        if "PyTorch" in seconds:
            ratios[row] = seconds["tinynet"] / seconds["PyTorch"]
            cells.append(f"**{ratios[row]:.2f}**")
        rows.append([row, *cells])
        print(title, *rows[-1], flush=True)
    names = list(frameworks())
    if ratios:
        rows.append(
            [
                "geometric mean",
                "",
                "",
                f"**{math.exp(np.mean(np.log(list(ratios.values())))):.2f}**",
            ]
        )
    return table(
        [title, *[f"{name}, ms" for name in names], *(["ratio"] if ratios else [])], rows
    ), ratios


def training(runs: int) -> tuple[str, dict[str, float]]:
    """Whole training steps of the four nets."""
    return compare(
        f"step at batch {BATCH}",
        {
            n: {f: training_step(lib, *spec) for f, lib in frameworks().items()}
            for n, spec in NETS.items()
        },
        runs,
    )


def inferences(runs: int) -> tuple[str, dict[str, float]]:
    """The forward pass at batch 1 and 256."""
    return compare(
        "inference",
        {
            f"{n}, batch {batch}": {
                f: inference(lib, *spec, batch) for f, lib in frameworks().items()
            }
            for n, spec in NETS.items()
            for batch in (1, 256)
        },
        runs,
    )


def peers(runs: int) -> tuple[str, dict[str, float]]:
    """Step time of `small` in other frameworks written in Python, where they are installed."""
    functions = {"tinynet": training_step(tinynet, *NETS["small"])}
    for name in ("dezero", "mygrad"):
        if importlib.util.find_spec(name):
            functions[name] = importlib.import_module(f"peer_{name}").step(BATCH)
    seconds = in_turns(functions, max(8, runs // 3), warm_up=1)
    rows = [
        [name, f"{1e3 * s:.1f}", f"{s / seconds['tinynet']:.1f}"] for name, s in seconds.items()
    ]
    return table(["`small` in", "ms a step", "times tinynet"], rows), {
        row[0]: float(row[2]) for row in rows
    }


LAYERS = {  # C, O, kernel, padding, H = W
    "1→16 5×5 on 28×28": (1, 16, 5, 2, 28),
    "16→32 5×5 on 14×14": (16, 32, 5, 2, 14),
    "6→16 5×5 on 14×14": (6, 16, 5, 0, 14),
    "32→64 3×3 on 26×26": (32, 64, 3, 0, 26),
    "32→32 3×3 on 32×32": (32, 32, 3, 1, 32),
    "64→64 3×3 on 16×16": (64, 64, 3, 1, 16),
    "64→128 3×3 on 8×8": (64, 128, 3, 1, 8),
}


def matmul_peak() -> float:
    """Floating-point operations per second of ``np.matmul`` on 1024 x 1024, with all threads."""
    a, b = np.random.default_rng(0).standard_normal((2, 1024, 1024)).astype(np.float32)
    return 2 * 1024**3 / in_turns({"": lambda: np.matmul(a, b)}, 20)[""]


def conv_passes(
    framework: Any,
    batch: int,
    C: int,
    O: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    **options: Any,
) -> dict[str, Any]:
    """Forward and backward of one convolution, as functions without arguments."""
    random = np.random.default_rng(0)
    functional = framework.nn.functional
    x = framework.tensor(random.standard_normal((batch, C, *size), np.float32)).requires_grad_()
    w = framework.tensor(
        random.standard_normal((O, C // options.get("groups", 1), *kernel), np.float32)
    ).requires_grad_()
    y = functional.conv2d(x, w, **options)
    g = framework.tensor(random.standard_normal(tuple(y.shape), np.float32))
    if framework is tinynet:  # in the middle of a net, images arrive with the batch innermost
        x, g = (
            framework.tensor(
                np.ascontiguousarray(t.detach().numpy().transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)
            )
            for t in (x, g)
        )
        x.requires_grad_()

    def forward() -> None:
        with framework.no_grad():
            functional.conv2d(x, w, **options)

    y = functional.conv2d(x, w, **options)
    return {
        "forward": forward,
        "backward": lambda: framework.autograd.grad(y, (x, w), g, retain_graph=True),
        "outputs": y.shape,
    }


def layers(runs: int) -> tuple[str, dict[str, float]]:
    """Single convolutions, as a share of the matmul peak."""
    peak = matmul_peak()
    rows = []
    for name, (C, O, k, p, n) in LAYERS.items():
        passes = {
            f: conv_passes(lib, BATCH, C, O, (n, n), (k, k), padding=p)
            for f, lib in frameworks().items()
        }
        work = 2 * BATCH * math.prod(passes["tinynet"]["outputs"][1:]) * C * k * k
        cells = []
        for direction, times in (("forward", 1), ("backward", 2)):
            seconds = in_turns({f: by[direction] for f, by in passes.items()}, runs)
            cells += [f"{1e3 * s:.2f}" for s in seconds.values()] + [
                f"{work * times / seconds['tinynet'] / peak:.0%}"
            ]
        rows.append([name, *cells])
        print(*rows[-1], flush=True)
    names = list(frameworks())
    head = ["layer"] + [
        cell
        for d in ("forward", "backward")
        for cell in [*[f"{d}, {n}, ms" for n in names], "of peak"]
    ]
    return f"`np.matmul` reaches {peak / 1e9:.0f} GFLOP/s on 1024 × 1024 here.\n\n" + table(
        head, rows
    ), {}


GEOMETRIES: dict[
    str, tuple[int, int, int, tuple[int, int], tuple[int, int], dict[str, Any], str]
] = {
    # batch, C, O, size, kernel, options, why it may be slower
    "plain: 32→32 3×3 pad 1, 28×28, batch 64": (64, 32, 32, (28, 28), (3, 3), {"padding": 1}, ""),
    "stride 2": (64, 32, 32, (56, 56), (3, 3), {"padding": 1, "stride": 2}, ""),
    "stride 3, remainder": (64, 32, 32, (57, 58), (3, 3), {"stride": 3}, ""),
    "stride larger than the kernel": (
        64,
        32,
        32,
        (84, 84),
        (2, 2),
        {"stride": 3},
        "the gradient of 9 pixels is written for 4 that are read",
    ),
    "dilation 2": (64, 32, 32, (28, 28), (3, 3), {"padding": 2, "dilation": 2}, ""),
    "dilation (3, 1), stride (2, 1)": (
        64,
        32,
        32,
        (30, 28),
        (3, 3),
        {"dilation": (3, 1), "stride": (2, 1)},
        "",
    ),
    "2 groups": (64, 32, 32, (28, 28), (3, 3), {"padding": 1, "groups": 2}, ""),
    "8 groups": (
        64,
        32,
        32,
        (28, 28),
        (3, 3),
        {"padding": 1, "groups": 8},
        "4 rows a product: packing and copies outweigh it",
    ),
    "depthwise": (
        64,
        32,
        32,
        (28, 28),
        (3, 3),
        {"padding": 1, "groups": 32},
        "one row a product: bound by memory, as 9 multiplications a value are",
    ),
    "padding 'same', even kernel 4×2": (64, 32, 32, (28, 28), (4, 2), {"padding": "same"}, ""),
    "1×1": (64, 32, 32, (28, 28), (1, 1), {}, "32 multiplications a value: bound by memory"),
    "1×7": (64, 32, 32, (28, 28), (1, 7), {"padding": (0, 3)}, ""),
    "7×1": (64, 32, 32, (28, 28), (7, 1), {"padding": (3, 0)}, ""),
    "kernel as big as the image": (
        64,
        32,
        32,
        (14, 14),
        (14, 14),
        {},
        "one product a weight and sample: bound by copying the columns and reading the weights",
    ),
    "batch 1": (
        1,
        32,
        32,
        (28, 28),
        (3, 3),
        {"padding": 1},
        "7 million multiplications in all: 0.3 ms, of which Python is a good part",
    ),
    "batch 1, 224×224": (1, 32, 32, (224, 224), (3, 3), {"padding": 1}, ""),
    "batch 1000": (1000, 32, 32, (8, 8), (3, 3), {"padding": 1}, ""),
    "odd batch 37": (37, 32, 32, (28, 28), (3, 3), {"padding": 1}, ""),
    "3 channels in": (
        64,
        3,
        32,
        (32, 32),
        (3, 3),
        {"padding": 1},
        "27 multiplications a value: bound by copies",
    ),
    "256 channels on 4×4": (64, 256, 256, (4, 4), (3, 3), {"padding": 1}, ""),
}


def geometries(runs: int) -> tuple[str, dict[str, float]]:
    """Time per multiplication of odd geometries, over that of the plain one."""
    passes, work = {}, {}
    for name, (batch, C, O, size, kernel, options, _) in GEOMETRIES.items():
        passes[name] = conv_passes(tinynet, batch, C, O, size, kernel, **options)
        work[name] = (
            math.prod(passes[name]["outputs"]) * C // options.get("groups", 1) * math.prod(kernel)
        )
    rows, worst = [], {}
    plain, *others = GEOMETRIES
    for name in others:
        cells = []
        for direction in ("forward", "backward"):
            seconds = in_turns(
                {plain: passes[plain][direction], name: passes[name][direction]},
                max(8, runs // 3),
                warm_up=1,
            )
            cells.append(seconds[name] / work[name] / (seconds[plain] / work[plain]))
        worst[name] = max(cells)
        rows.append(
            [name, *[f"{c:.2f}" for c in cells], GEOMETRIES[name][-1] if worst[name] > 3 else ""]
        )
        print(*rows[-1], flush=True)
    return f"Time per multiplication, where 1 is {plain}:\n\n" + table(
        ["geometry", "forward", "backward", "why more than 3"], rows
    ), worst


def growth(runs: int) -> tuple[str, dict[str, float]]:
    """How step time grows: the slope of log time over log size; 1 is linear."""

    def net(O: int, k: int) -> Any:
        return lambda nn: nn.Sequential(
            nn.Conv2d(16, O, k, padding=k // 2),
            nn.ReLU(),
            nn.Conv2d(O, 16, k, padding=k // 2),
            nn.Flatten(),
        )

    sweeps = {
        "batch": [(b, net(32, 3), (16, 24, 24), b) for b in (16, 32, 64, 128, 256)],
        "channels in the middle": [
            (c, net(c, 3), (16, 24, 24), 32) for c in (16, 32, 64, 128, 256)
        ],
        "pixels": [(n * n, net(32, 3), (16, n, n), 32) for n in (12, 17, 24, 34, 48)],
        "taps of the kernel": [(k * k, net(32, k), (16, 24, 24), 32) for k in (1, 3, 5, 7, 9)],
    }
    rows, exponents = [], {}
    for name, points in sweeps.items():
        seconds = in_turns(
            {str(size): _loss_step(make, shape, batch) for size, make, shape, batch in points},
            max(8, runs // 3),
        )
        sizes, times = np.log([p[0] for p in points]), np.log(list(seconds.values()))
        exponents[name] = float(np.polyfit(sizes, times, 1)[0])
        rows.append(
            [
                name,
                " ".join(str(p[0]) for p in points),
                " ".join(f"{1e3 * s:.1f}" for s in seconds.values()),
                f"{exponents[name]:.2f}",
            ]
        )
        print(*rows[-1], flush=True)
    return table(["what grows", "sizes", "ms a step", "exponent"], rows), exponents


def _loss_step(make: Any, shape: tuple[int, ...], batch: int) -> Any:
    model = make(tinynet.nn)
    x = tinynet.randn(batch, *shape)
    optimizer = tinynet.optim.SGD(model.parameters(), lr=1e-6)

    def step() -> None:
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    return step


def memory(runs: int) -> tuple[str, dict[str, float]]:
    """Peak resident memory that training steps add, each net in a process of its own.

    Linux only, because it reads /proc.
    """
    rows, ratios = [], {}
    for name in NETS:
        peak = {}
        for f in frameworks():
            code = f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); import run; "
            code += f"print(run.peak_of_step({f!r}, {name!r}))"
            said = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout
            peak[f] = float(said.split()[-1])
        cells = [f"{m:.0f}" for m in peak.values()]
        if "PyTorch" in peak:
            ratios[name] = peak["tinynet"] / peak["PyTorch"]
            cells.append(f"**{ratios[name]:.2f}**")
        rows.append([name, *cells])
        print(*rows[-1], flush=True)
    return table(
        [
            "peak memory of a step",
            *[f"{f}, MB" for f in frameworks()],
            *(["ratio"] if ratios else []),
        ],
        rows,
    ), ratios


def peak_of_step(framework: str, net: str) -> float:
    """MB that ten steps add to what the process held once the net and its data were made."""
    lib = frameworks()[framework]
    training_step(
        lib,
        lambda nn: nn.Sequential(nn.Flatten(), nn.Linear(math.prod(NETS[net][1]), 10)),
        NETS[net][1],
        2,
    )()  # start threads and libraries
    step = training_step(lib, *NETS[net])
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    held = _kilobytes("VmRSS")
    for _ in range(10):
        step()
    return (_kilobytes("VmHWM") - held) / 1024


def _kilobytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None, f"/proc/self/status has no {name}"
    return int(found[1])


def imports(runs: int) -> tuple[str, dict[str, float]]:
    """Time of a process that imports tinynet, over one that imports numpy."""

    def process(code: str) -> Any:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

    compileall.compile_dir(
        ROOT / "tinynet", quiet=1
    )  # as for numpy, which was compiled when it was installed
    seconds = in_turns(
        {
            "nothing": process("pass"),
            "numpy": process("import numpy"),
            "tinynet": process("import tinynet"),
        },
        max(12, runs // 2),
        warm_up=2,
    )
    ratio = (seconds["tinynet"] - seconds["nothing"]) / (seconds["numpy"] - seconds["nothing"])
    return table(
        ["import of", "ms"],
        [[n, f"{1e3 * (seconds[n] - seconds['nothing']):.0f}"] for n in ("numpy", "tinynet")],
    ) + f"\n\nRatio: **{ratio:.2f}**", {"import": ratio}


def epoch(runs: int) -> tuple[str, dict[str, float]]:
    """An epoch of MNIST with the example's net and data loading: ten rounds of a tenth, in turns.

    PyTorch reads its batches by its DataLoader, as the same program would, and once more by
    indexing the whole set, which is faster there.
    """
    sys.path.insert(0, str(ROOT / "examples"))
    example = importlib.import_module("mnist")
    data = tinynet.datasets.MNIST(os.environ.get("TINYNET_DATA"), train=True)
    images, labels = data.data.numpy(), data.targets.numpy()
    loops = {"tinynet": _epoch_in_tinynet(example, data)}
    if "PyTorch" in frameworks():
        loops["PyTorch"] = _epoch_in_torch(_loaded(images, labels))
        loops["PyTorch, batches indexed by hand"] = _epoch_in_torch(_indexed(images, labels))
    seconds: dict[str, float] = dict.fromkeys(loops, 0.0)
    for _ in range(10):
        for name, loop in loops.items():
            time.sleep(0.02)
            start = time.perf_counter()
            for _ in range(len(images) // BATCH // 10):
                next(loop)
            seconds[name] += time.perf_counter() - start
    rows = [[name, f"{s:.1f}", f"{len(images) / s:,.0f}"] for name, s in seconds.items()]
    ratios = {name: seconds["tinynet"] / s for name, s in seconds.items() if name != "tinynet"}
    text = table([f"an epoch of {len(images):,} digits", "s", "images/s"], rows)
    text += "".join(f"\n\nRatio to {name}: **{ratio:.2f}**" for name, ratio in ratios.items())
    return text, {"epoch": ratios["PyTorch"]} if ratios else {}


def _epoch_in_tinynet(example: Any, data: Any) -> Any:
    model = example.Net()
    optimizer = tinynet.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    data.transform = example.normalise
    while True:
        for x, y in tinynet.utils.data.DataLoader(data, BATCH, shuffle=True, drop_last=True):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def _loaded(images: Any, labels: Any) -> Any:
    data = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    while True:
        yield from torch.utils.data.DataLoader(data, BATCH, shuffle=True, drop_last=True)


def _indexed(images: Any, labels: Any) -> Any:
    data, targets = torch.from_numpy(images), torch.from_numpy(labels)
    while True:
        for rows in torch.randperm(len(data))[: len(data) // BATCH * BATCH].split(BATCH):
            yield data[rows], targets[rows]


def _epoch_in_torch(batches: Any) -> Any:
    nn = torch.nn
    model = example(nn)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    for images, labels in batches:
        x = (images.unsqueeze(1).float() / 255 - 0.1307) / 0.3081
        loss = nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


WHERE = {  # what runs in a sample of the profiler, by the innermost native function or file
    "BLAS, products": r"kernel.*openblas|gem[mv]\w*kernel",
    "BLAS, packing": r"copy.*openblas",
    "BLAS, else": "openblas",
    "copies, allocation": r"libc\.so|ld-linux|libm\.so",
    "numpy": r"_multiarray_umath|numpy.*\.so",
    "Python": "",
}


def profile(runs: int) -> tuple[str, dict[str, float]]:
    """Where the time of a step goes, on one thread, and what the step takes without the framework.

    Sampled by py-spy with native frames; left out where py-spy is missing. For the step without the
    framework see `bare`.
    """
    if not shutil.which("py-spy"):
        return "", {}
    rows = []
    for name in [*NETS, BARE]:
        with tempfile.TemporaryDirectory() as folder:
            code = "import sys; sys.path[:0] = sys.argv[1:]; import tinynet\n"
            code += f"tinynet.set_num_threads(1); from run import steps; steps({name!r}, 12)"
            child = subprocess.Popen(
                [sys.executable, "-c", code, str(ROOT), str(ROOT / "benchmarks")]
            )
            time.sleep(4)
            samples = Path(folder, "samples")
            spy = [
                "py-spy",
                "record",
                "--native",
                "--rate",
                "200",
                "--duration",
                "6",
                "--format",
                "raw",
                "--output",
                str(samples),
            ]
            subprocess.run([*spy, "--pid", str(child.pid)], check=True, capture_output=True)
            child.wait()
            counts = dict.fromkeys(WHERE, 0)
            for line in samples.read_text().splitlines():
                stack, count = line.rsplit(" ", 1)
                innermost = stack.rsplit(";", 1)[-1]
                counts[
                    next(where for where, pattern in WHERE.items() if re.search(pattern, innermost))
                ] += int(count)
        rows.append([name, *[f"{count / sum(counts.values()):.0%}" for count in counts.values()]])
        print("profile", *rows[-1], flush=True)
    bare.check()
    before, alone = tinynet.get_num_threads(), []
    tinynet.set_num_threads(1)
    for batch in (1, BATCH):
        times = in_turns(
            {
                "whole": training_step(tinynet, *NETS["LeNet-5"], batch),
                "bare": bare.bare_step(batch)[0],
            },
            runs,
        )
        alone.append([batch, f"{times['whole'] * 1e3:.2f}", f"{times['bare'] * 1e3:.2f}"])
    tinynet.set_num_threads(before)
    head = ["batch, LeNet-5 on one thread", "a step, ms", "its array functions alone, ms"]
    return table(["share of a step, one thread", *WHERE], rows) + "\n\n" + table(head, alone), {}


BARE = "LeNet-5, its array functions alone"


def steps(net: str, seconds: float) -> None:
    """Training steps for so long, to be profiled."""
    step = bare.bare_step(BATCH)[0] if net == BARE else training_step(tinynet, *NETS[net])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        step()


def operations(runs: int) -> tuple[str, dict[str, float]]:
    """Where the milliseconds of a step go, operation by operation, and the least each could take.

    For a convolution or a product the least is its multiplications at the rate of a large
    `np.matmul`; for all others it is the bytes of its arrays at the rate of a large copy, each
    array
    being read or written once.
    """
    rate = matmul_peak()
    a, b = np.ones((2, 1 << 22), np.float32)
    parts = threads.pieces(a.size, tinynet.get_num_threads())
    copying = (
        2
        * a.nbytes
        / in_turns(
            {
                "": lambda: threads.parallel(
                    len(parts), lambda i: np.copyto(b[parts[i]], a[parts[i]])
                )
            },
            20,
        )[""]
    )
    text = []
    for net in ("LeNet-5", "CIFAR"):
        calls = _operations_of(training_step(tinynet, *NETS[net]), runs)
        rows, rest = [], calls.pop("")[0]
        for name, (ms, number, multiplications, size) in sorted(
            calls.items(), key=lambda item: -item[1][0]
        ):
            least = 1e3 * (2 * multiplications / rate if multiplications else size / copying)
            rows.append([name, f"{number:g}", f"{ms:.2f}", f"{least:.2f}"])
        total = [sum(float(row[i]) for row in rows) for i in (2, 3)]
        rows += [
            ["all between them: modules, the walk back, the optimiser", "", f"{rest:.2f}", ""]
        ]
        rows += [["**all**", "", f"**{total[0] + rest:.2f}**", f"**{total[1]:.2f}**"]]
        text.append(table([f"operation, in a step of {net}", "calls", "ms", "at least"], rows))
    return "\n\n".join(text), {}


def _operations_of(step: Any, runs: int) -> dict[str, list[float]]:
    """By name: milliseconds per step, calls, multiplications, bytes; under "" the rest of the step.

    The milliseconds of an operation do not contain those of operations that it calls.
    """
    from tinynet.autograd import Node, Primitive

    found: dict[str, list[list[float]]] = {}
    inner = [0.0]

    def timed(method: Any, name: Any, work: Any) -> Any:
        def measured(self: Any, *arguments: Any, **constants: Any) -> Any:
            start = time.perf_counter()
            inner.append(0.0)
            result = method(self, *arguments, **constants)
            whole = time.perf_counter() - start
            own = whole - inner.pop()
            inner[-1] += whole
            found.setdefault(name(self), []).append([own, *work(self, arguments, result)])
            return result

        return measured

    def work(self: Any, arguments: Any, result: Any) -> tuple[float, float]:
        arrays = [v.array for v in (*arguments, result) if hasattr(v, "array")]
        shapes = [a.shape for a in arrays]
        multiplications = 0.0
        if self.name == "conv2d":
            multiplications = math.prod(shapes[-1]) * math.prod(shapes[1][1:])
        elif self.name == "conv2d_input_grad":  # of the gradient and the weights
            multiplications = math.prod(shapes[0]) * math.prod(shapes[1][1:])
        elif self.name == "conv2d_weight_grad":  # of the image and the gradient
            multiplications = math.prod(shapes[1]) * math.prod(shapes[-1][1:])
        elif self.name == "linear_weight_grad":
            multiplications = math.prod(shapes[-1]) * shapes[0][0]
        elif self.name in ("linear", "matmul"):
            multiplications = math.prod(shapes[-1]) * shapes[0][-1]
        return multiplications, sum(a.nbytes for a in arrays)

    def work_of_gradient(self: Any, arguments: Any, result: Any) -> tuple[float, float]:
        # A joint derivative, which is batch norm's, computes outside any operation: it reads two
        # arrays of the size of g and writes one.
        g = arguments[0]
        return 0.0, 3 * g.array.nbytes if self.primitive.joint else 0.0

    def name_of_gradients(self: Any) -> str:
        return f"{self.primitive.name}, backward" if self.primitive.joint else ""

    methods = Primitive.__call__, Node.gradients
    steps = []
    try:
        Primitive.__call__ = timed(  # type: ignore[method-assign]
            methods[0], lambda self: self.name, work
        )
        Node.gradients = timed(  # type: ignore[method-assign]
            methods[1], name_of_gradients, work_of_gradient
        )
        for _ in range(runs):
            found.clear()
            inner[:] = [0.0]
            start = time.perf_counter()
            step()
            found.setdefault("", []).append([time.perf_counter() - start - inner[0], 0, 0])
            steps.append(
                {
                    name: [sum(column) for column in zip(*calls, strict=True)] + [len(calls)]
                    for name, calls in found.items()
                }
            )
    finally:
        Primitive.__call__, Node.gradients = methods  # type: ignore[method-assign]
    quartile = sorted(steps, key=lambda step: sum(values[0] for values in step.values()))[
        len(steps) // 4
    ]
    return {
        name: [1e3 * seconds, number, multiplications, size]
        for name, (seconds, multiplications, size, number) in quartile.items()
    }


PARTS = {
    "training": training,
    "epoch": epoch,
    "inference": inferences,
    "peers": peers,
    "layers": layers,
    "geometries": geometries,
    "profile": profile,
    "operations": operations,
    "memory": memory,
    "import": imports,
    "growth": growth,
}


def machine() -> str:
    """What this was measured on."""
    cpu = (
        next(
            (
                line.split(":")[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")
            ),
            platform.processor(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    from threadpoolctl import threadpool_info

    blas = next(
        (
            f"{b['internal_api']} {b['version']} ({b.get('architecture', '?')})"
            for b in threadpool_info()
            if b["user_api"] == "blas"
        ),
        "no BLAS",
    )
    versions = [
        f"Python {platform.python_version()}",
        f"numpy {np.__version__} with {blas}",
        f"tinynet {tinynet.__version__}",
    ]
    versions += [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("torch", "dezero", "mygrad")
        if importlib.util.find_spec(name)
    ]
    day = time.strftime("%Y-%m-%d")
    text = f"{cpu}, {tinynet.get_num_threads()} threads; {', '.join(versions)}; {day}."
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def draw(ratios: dict[str, dict[str, float]], path: Path) -> None:
    """The ratios to PyTorch as bars; left of the line is faster."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    bars = [(f"training, {n}", r) for n, r in ratios.get("training", {}).items()] + [
        ("an epoch of MNIST", r) for r in ratios.get("epoch", {}).values()
    ]
    bars += [(f"inference, {n}", r) for n, r in ratios.get("inference", {}).items()] + [
        (f"memory, {n}", r) for n, r in ratios.get("memory", {}).items()
    ]
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(bars) + 1), layout="constrained")
    names, values = zip(*bars[::-1], strict=True)
    axes.barh(names, values, color=["tab:green" if v <= 1 else "tab:orange" for v in values])
    for place, value in enumerate(values):
        axes.text(value + 0.01, place, f"{value:.2f}", va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xlabel="tinynet / PyTorch (less is better)", xlim=(0, max(*values, 1) * 1.1))
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the parts, print them, and put all of them into docs/performance.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", help=f"parts to run, of {', '.join(PARTS)}; nothing is written then"
    )
    parser.add_argument(
        "--runs", type=int, default=24, help="calls that are counted of each function"
    )
    options = parser.parse_args()
    chosen = [part for part in options.only.split(",") if part] or list(PARTS)
    text, ratios = [machine()], {}
    for part in chosen:
        print(f"-- {part}", flush=True)
        said, ratios[part] = PARTS[part](options.runs)
        text.append(said)
    result = "\n\n".join(text)
    print("\n" + result)
    if not options.only:
        page = ROOT / "docs/performance.md"
        marked = re.compile(r"(<!-- measured -->\n).*(\n<!-- end -->)", re.DOTALL)
        page.write_text(marked.sub(lambda m: m[1] + result + m[2], page.read_text()))
        if torch is not None:
            draw(ratios, ROOT / "docs/performance.png")


if __name__ == "__main__":
    main()
