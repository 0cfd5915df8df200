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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import bare  # noqa: E402
import spent  # noqa: E402
import work  # noqa: E402
from nets import MODELS, NETS  # noqa: E402
from timing import Business, Processes, in_turns  # noqa: E402

import tinynet  # noqa: E402
import tinynet.nn.functional as F  # noqa: E402

BATCH, MODES = work.BATCH, ("PyTorch", "channels_last")
BATCHES = {**dict.fromkeys(NETS, BATCH), **{name: model[2] for name, model in MODELS.items()}}
THREADS = sorted({1, tinynet.get_num_threads()})
COMPARED = ["tinynet", *(MODES if importlib.util.find_spec("torch") else ())]


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *[[str(cell) for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean(ratios: Iterable[float]) -> float:
    """The geometric mean."""
    return math.exp(np.mean(np.log(list(ratios))))


def compare(
    title: str, jobs: dict[str, list[Any]], runs: int, burst: int = 3
) -> tuple[str, dict[str, float]]:
    """Tables of milliseconds, one for each number of threads, and the ratios to PyTorch eager.

    `jobs` are those of `work`. The last column is the ratio to the faster of PyTorch's two modes.
    """
    text, ratios = [], {}
    seconds: dict[int, dict[str, dict[str, float]]] = {}
    for count in THREADS:
        rows, fastest, of_threads = [], [], f"{count} thread{'s' * (count > 1)}"
        seconds[count] = {}
        with Processes(COMPARED, count) as processes:
            for row, job in jobs.items():
                found = seconds[count][row] = processes.quartiles(job, runs, burst)
                cells = [f"{1e3 * s:.2f}" for s in found.values()]
                if len(found) > 1:
                    ratios[f"{row}, {of_threads}"] = found["tinynet"] / found["PyTorch"]
                    fastest.append(found["tinynet"] / min(found[mode] for mode in MODES))
                    cells += [f"**{found['tinynet'] / found['PyTorch']:.2f}**",
                              f"{fastest[-1]:.2f}"]
                rows.append([row, *cells])
                print(title, of_threads, *rows[-1], flush=True)
        if fastest:
            here = mean(ratios[f"{row}, {of_threads}"] for row in jobs)
            rows.append(["geometric mean", *[""] * len(COMPARED), f"**{here:.2f}**",
                         f"{mean(fastest):.2f}"])
        more = ["over PyTorch", "over the faster"] if fastest else []
        head = [f"{title}, {of_threads}", *[f"{name}, ms" for name in COMPARED], *more]
        text.append(table(head, rows))
    if len(THREADS) > 1:
        gains = [[row, *[f"{seconds[1][row][f] / seconds[THREADS[-1]][row][f]:.2f}"
                         for f in COMPARED]] for row in jobs]
        text.append(table([f"{title}: {THREADS[-1]} threads are faster than 1 by", *COMPARED],
                          gains))
    return "\n\n".join(text), ratios


def training(runs: int) -> tuple[str, dict[str, float]]:
    """Whole training steps of the small nets."""
    return compare(f"step at batch {BATCH}", {net: ["training", net] for net in NETS}, runs)


def models(runs: int) -> tuple[str, dict[str, float]]:
    """Whole training steps of larger nets at small batches."""
    jobs = {f"{name}, batch {BATCHES[name]}": ["training", name, BATCHES[name]] for name in MODELS}
    return compare("step", jobs, max(6, runs // 3), burst=1)


def inferences(runs: int) -> tuple[str, dict[str, float]]:
    """The forward pass at batch 1 and 256."""
    jobs = {f"{net}, batch {batch}": ["inference", net, batch]
        for batch in (1, 256) for net in NETS}
    return compare("inference", jobs, 2 * runs, burst=10)


def peers(runs: int) -> tuple[str, dict[str, float]]:
    """Step time of `small` in other frameworks written in Python, where they are installed."""
    names = ["tinynet", *(n for n in ("dezero", "mygrad") if importlib.util.find_spec(n))]
    with Processes(names, THREADS[-1]) as processes:
        seconds = processes.quartiles(["peer"], max(8, runs // 3))
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


def layers(runs: int) -> tuple[str, dict[str, float]]:
    """Single convolutions, as a share of the matmul peak."""
    peak = spent.matmul_peak()
    rows = []
    with Processes(COMPARED[:2], THREADS[-1]) as processes:
        for name, (C, O, k, p, n) in LAYERS.items():
            options = {"padding": p}
            pixels = n + 2 * p - k + 1
            count = 2 * BATCH * O * pixels**2 * C * k * k
            cells = []
            for direction, times in (("forward", 1), ("backward", 2)):
                job = ["convolution", direction, BATCH, C, O, (n, n), (k, k), options]
                seconds = processes.quartiles(job, runs, burst=6)
                cells += [f"{1e3 * s:.2f}" for s in seconds.values()]
                cells.append(f"{count * times / seconds['tinynet'] / peak:.0%}")
            rows.append([name, *cells])
            print(*rows[-1], flush=True)
    head = ["layer"]
    for d in ("forward", "backward"):
        head += [*[f"{d}, {name}, ms" for name in COMPARED[:2]], "of peak"]
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
    passes, multiplications = {}, {}
    for name, (batch, C, O, size, kernel, options, _) in GEOMETRIES.items():
        passes[name] = {
            direction: work.convolution("tinynet", direction, batch, C, O, size, kernel, **options)
            for direction in ("forward", "backward")
        }
        y = F.conv2d(tinynet.empty(batch, C, *size), tinynet.empty(
            O, C // options.get("groups", 1), *kernel), **options)
        multiplications[name] = y.numel() * C // options.get("groups", 1) * math.prod(kernel)
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
            rate = {n: seconds[n] / multiplications[n] for n in (plain, name)}
            cells.append(rate[name] / rate[plain])
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
    for net, batch in BATCHES.items():
        peak = {}
        for framework in COMPARED[:2]:
            command = [sys.executable, str(ROOT / "benchmarks/work.py"), framework]
            said = subprocess.run(
                [*command, "peak", net, str(batch)], capture_output=True, text=True, check=True,
                cwd=ROOT,
            ).stdout
            peak[framework] = float(said)
        cells = [f"{m:.0f}" for m in peak.values()]
        if len(peak) > 1:
            ratios[net] = peak["tinynet"] / peak["PyTorch"]
            cells.append(f"**{ratios[net]:.2f}**")
        rows.append([net, *cells])
        print(*rows[-1], flush=True)
    more = ["ratio"] if ratios else []
    head = ["peak memory of a step", *[f"{name}, MB" for name in COMPARED[:2]], *more]
    return table(head, rows), ratios


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
    digits = len(tinynet.datasets.MNIST(os.environ.get("TINYNET_DATA") or None, train=True))
    tenth = digits // BATCH // 10
    with Processes(COMPARED[:2], THREADS[-1]) as processes:
        seconds = {name: sum(times)
            for name, times in processes.times(["epoch"], 10 * tenth, tenth).items()}
    if len(COMPARED) > 1:
        with Processes(["PyTorch"], THREADS[-1]) as processes:
            times = processes.times(["epoch", True], 10 * tenth, tenth)["PyTorch"]
        seconds["PyTorch, batches indexed by hand"] = sum(times)
    rows = [[name, f"{s:.1f}", f"{digits / s:,.0f}"] for name, s in seconds.items()]
    ratios = {name: seconds["tinynet"] / s for name, s in seconds.items() if name != "tinynet"}
    text = table([f"an epoch of {digits:,} digits", "s", "images/s"], rows)
    text += "".join(f"\n\nRatio to {name}: **{ratio:.2f}**" for name, ratio in ratios.items())
    return text, {"epoch": ratios["PyTorch"]} if ratios else {}


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
                "whole": work.training_step("tinynet", "LeNet-5", batch),
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
    step = bare.bare_step(BATCH)[0] if net == BARE else work.training_step("tinynet", net)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        step()


def operations(runs: int) -> tuple[str, dict[str, float]]:
    """Where the milliseconds of a step go, operation by operation, and the least each could take.

    For a convolution or a product the least is its multiplications at the rate of a large
    `np.matmul`; for all others it is the bytes of its arrays at the rate of a large copy, each
    array being read or written once.
    """
    rates = spent.matmul_peak(), spent.copy_peak()
    text = []
    for net in ("LeNet-5", "CIFAR"):
        calls = spent.by_operation(work.training_step("tinynet", net), runs)
        rows, rest = [], calls.pop("")
        for name, at in sorted(calls.items(), key=lambda item: -item[1].ms):
            rows.append([name, f"{at.calls:g}", f"{at.ms:.2f}", f"{at.at_least(*rates):.2f}"])
        total = [sum(float(row[i]) for row in rows) for i in (2, 3)]
        rows += [
            ["all between them: modules, the walk back, the optimiser", "", f"{rest.ms:.2f}", ""],
            ["**all**", "", f"**{total[0] + rest.ms:.2f}**", f"**{total[1]:.2f}**"]]
        text.append(table([f"operation, in a step of {net}", "calls", "ms", "at least"], rows))
    return "\n\n".join(text), {}


def kinds(runs: int) -> tuple[str, dict[str, float]]:
    """Where the milliseconds of each net go in tinynet and in PyTorch, by kinds of operations."""
    names = COMPARED[:2]
    text = []
    for job, batches in (("training", BATCHES), ("inference", dict.fromkeys(NETS, 1))):
        for count in THREADS:
            rows = []
            for net, batch in batches.items():
                found = spent.in_processes(
                    names, count, [job, net, batch], max(4, runs // 4) if net in MODELS else runs)
                least = found["tinynet"].pop("at least")
                rows.append([net, *[" / ".join(f"{1e3 * s[kind]:.{2 if job == 'inference' else 1}f}"
                    for s in (*found.values(), least)) for kind in spent.KINDS]])
                print(job, count, *rows[-1], flush=True)
            what = "step" if job == "training" else "one image"
            head = f"{what}, {count} thread{'s' * (count > 1)}: {' / '.join(names)} / at least, ms"
            text.append(table([head, *spent.KINDS], rows))
    return "\n\n".join(text), {}


PARTS = {
    "training": training,
    "models": models,
    "epoch": epoch,
    "inference": inferences,
    "peers": peers,
    "layers": layers,
    "geometries": geometries,
    "profile": profile,
    "operations": operations,
    "kinds": kinds,
    "memory": memory,
    "import": imports,
    "growth": growth,
}


def machine(business: Business) -> str:
    """What this was measured on, and how busy that was."""
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
    text += f" Meanwhile {business}."
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def draw(ratios: dict[str, dict[str, float]], path: Path) -> None:
    """The ratios to PyTorch as bars; left of the line is faster."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    bars = [(f"{part}, {n}", r) for part in ("training", "models", "inference", "memory")
        for n, r in ratios.get(part, {}).items()]
    bars += [("an epoch of MNIST", r) for r in ratios.get("epoch", {}).values()]
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
    text, ratios, business = [], {}, Business()
    for part in chosen:
        print(f"-- {part}", flush=True)
        said, ratios[part] = PARTS[part](options.runs)
        text.append(said)
    result = "\n\n".join([machine(business), *text])
    print("\n" + result)
    if not options.only:
        page = ROOT / "docs/performance.md"
        marked = re.compile(r"(<!-- measured -->\n).*(\n<!-- end -->)", re.DOTALL)
        page.write_text(marked.sub(lambda m: m[1] + result + m[2], page.read_text()))
        if len(COMPARED) > 1:
            draw(ratios, ROOT / "docs/performance.png")


if __name__ == "__main__":
    main()
