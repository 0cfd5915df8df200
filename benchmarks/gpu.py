"""Everything that a GPU can tell about tinynet, with one command:  python benchmarks/gpu.py

It checks that the GPU computes what the CPU computes, and measures steps, memory and an epoch, next
to PyTorch on the same GPU where PyTorch is installed. It takes under ten minutes, downloads
nothing, and writes gpu.json and gpu.md into out/ (``--out`` names another folder). tinynet need not
be installed; cupy, numpy, safetensors and threadpoolctl must be. docs/gpu.md explains the numbers.

Each part runs in a process of its own with a time limit. A part that fails or takes too long is a
row that says so, and the rest goes on. Ctrl-C ends the run and writes what there is.

Without a GPU it ends with status 2. ``--dry`` then runs all parts in tiny sizes on the stand-in for
cupy that the tests use: this tests the program, and the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("", "benchmarks", "tests/support", "tests/gpu")]

import numpy as np  # noqa: E402
from nets import NETS, example  # noqa: E402

import tinynet  # noqa: E402
from tinynet.arrays.devices import load_cupy  # noqa: E402
from tinynet.utils.data import DataLoader, TensorDataset  # noqa: E402

ALL_NETS = {
    **{name: NETS[name] for name in ("LeNet-5", "small")},
    "example": (example, (1, 28, 28)),
    "CIFAR": NETS["CIFAR"],
    "ResNet": NETS["ResNet"],
}
MB = 1 << 20


# ------------------------------------------------------------------- what a part finds, row by row


class Job:
    """A part that is running: its sizes, and the file into which it writes each row at once."""

    def __init__(self, rows: Path, dry: bool) -> None:
        self.rows, self.dry = rows, dry
        self.batches = (1, 2) if dry else (64, 256, 1024)
        self.seconds = 0.0 if dry else 1.0  # for one measurement of time
        self.digits = 8 if dry else 60_000
        self.epoch_batch = 4 if dry else 64

    def say(self, what: str, value: Any, unit: str = "") -> None:
        self._write({"what": what, "value": value, "unit": unit})

    def attempt(self, what: str, unit: str, measure: Callable[[], Any]) -> None:
        """A row with what `measure` returns, or with the reason why it fails."""
        try:
            self.say(what, measure(), unit)
        except Exception as error:
            self._write({"what": what, "failed": reason(error)})

    def time(self, what: str, step: Callable[[], Any], finish: Callable[[], Any]) -> None:
        """A row with the time of a step."""
        self.attempt(what, "ms", lambda: milliseconds(step, finish, self.seconds))

    def _write(self, row: dict[str, Any]) -> None:
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def reason(error: BaseException) -> str:
    """One line that says what went wrong."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def training_step(
    framework: Any, net: str, batch: int, to: Callable[[Any], Any] = lambda thing: thing
) -> dict[str, Callable[[], Any]]:
    """Functions that run a training step, or the first part of it; `to` moves model and data."""
    make, shape = ALL_NETS[net]
    framework.manual_seed(0)
    random = np.random.default_rng(0)
    model = to(make(framework.nn))
    x = to(framework.tensor(random.standard_normal((batch, *shape), np.float32)))
    labels = to(framework.tensor(random.integers(0, 10, batch)))
    optimizer = framework.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def forward() -> Any:
        return framework.nn.functional.cross_entropy(model(x), labels)

    def forward_and_backward() -> None:
        loss = forward()
        optimizer.zero_grad()
        loss.backward()

    def step() -> None:
        forward_and_backward()
        optimizer.step()

    return {"forward": forward, "forward and backward": forward_and_backward, "step": step}


def to_gpu(thing: Any) -> Any:
    return thing.to("cuda")


def milliseconds(step: Callable[[], Any], finish: Callable[[], Any], seconds: float) -> float:
    """The time of a call: the best of three means, over some `seconds` in all, after a warm-up.

    For 0 seconds it is the time of one call.
    """
    step()
    finish()
    calls, times = 1, []
    for number in range(4 if seconds else 1):
        start = time.perf_counter()
        for _ in range(calls):
            step()
        finish()
        times.append((time.perf_counter() - start) / calls)
        if number == 0:
            calls = max(1, min(50, int(seconds / 3 / times[0])))
    return round(1e3 * min(times), 3)


def nothing() -> None:
    """What a computation on the CPU waits for."""


# ------------------------------------------------------------------------------------------- parts


def environment(job: Job) -> None:
    """Versions and the GPU. RuntimeError, which says what is missing, if there is no GPU."""
    cupy = load_cupy()
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    job.say("GPU", properties["name"].decode())
    job.say("compute capability", f"{properties['major']}.{properties['minor']}")
    if "totalGlobalMem" in properties:
        job.say("memory of the GPU", properties["totalGlobalMem"] // MB, "MB")
    job.say("CUDA, of the driver and at run time",
            f"{runtime.driverGetVersion()}, {runtime.runtimeGetVersion()}")  # fmt: skip
    job.say("Python, system", f"{platform.python_version()}, {platform.platform()}")
    job.say("CPU threads of tinynet", tinynet.get_num_threads())
    job.say("tinynet, numpy, cupy",
            f"{tinynet.__version__}, {np.__version__}, {cupy.__version__}")  # fmt: skip
    if importlib.util.find_spec("torch"):
        job.say("PyTorch", importlib.metadata.version("torch"))


def check(job: Job) -> None:
    """tests/gpu/check.py: the same results on GPU and CPU, no waits, data that arrives whole."""
    program = importlib.import_module("check")
    checks = program.checks(speed=False)
    if job.dry:
        checks = {"no waiting": checks["no waiting"]}
    for name, function in checks.items():
        job.attempt(name, "", function)


def tests(job: Job) -> None:
    """The tests of the GPU room on the installed cupy, where pytest is installed; a row a file."""
    if not importlib.util.find_spec("pytest"):
        job.say("left out", "pytest is not installed")
        return
    counts: collections.Counter[str] = collections.Counter()

    def say_file(file: str) -> None:
        if counts:
            outcomes = [counts[outcome] for outcome in ("passed", "failed", "skipped")]
            job.say(f"{file}: passed, failed, skipped", outcomes)
            counts.clear()

    class Count:
        file = ""

        def pytest_runtest_logreport(self, report: Any) -> None:
            file = report.nodeid.partition("::")[0]
            if file != self.file:
                say_file(self.file)
                self.file = file
            if report.when == "call" or report.outcome != "passed":
                counts[report.outcome] += 1
            if report.failed:
                text = str(report.longrepr).strip().splitlines()[-1]
                job._write({"what": report.nodeid, "failed": text[:300]})

    chosen = ["tests/gpu/test_gpu_budget.py", "-k", "lenet_step"] if job.dry else ["tests/gpu"]
    os.chdir(ROOT)
    arguments = [*chosen, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
    status = importlib.import_module("pytest").main(arguments, plugins=[count := Count()])
    say_file(count.file)
    if status not in (0, 1):  # 1: some failed, which the rows say
        raise RuntimeError(f"pytest ended with status {status}")


def steps(job: Job, net: str) -> None:
    """A training step of one net: on the GPU, its peak memory, and on the CPU."""
    batches = job.batches if net == "LeNet-5" or not job.dry else job.batches[:1]
    for batch in batches:
        row = f"{net}, batch {batch}"
        try:
            step = training_step(tinynet, net, batch, to_gpu)["step"]
            start = time.perf_counter()
            step()
            tinynet.cuda.synchronize()
            first = round(1e3 * (time.perf_counter() - start))
        except Exception as error:
            job._write({"what": f"{row}: tinynet, GPU", "failed": reason(error)})
            continue
        if batch == batches[0]:
            job.say(f"{row}: first step, which compiles the kernels", first, "ms")
        job.time(f"{row}: tinynet, GPU", step, tinynet.cuda.synchronize)
        job.attempt(f"{row}: tinynet, GPU, peak memory", "MB", lambda step=step: peak_mb(step))
        job.attempt(f"{row}: tinynet, GPU, waits", "", lambda step=step: waits(step))
    for batch in batches:
        step = training_step(tinynet, net, batch)["step"]
        job.time(f"{net}, batch {batch}: tinynet, CPU", step, nothing)


def peak_mb(step: Callable[[], Any]) -> float:
    """MB that a step holds at most, above what is held between steps; found by a hook of cupy.

    The optimiser must have made its state, so the step must have run before.
    """
    cupy = load_cupy()

    class Peak(cupy.cuda.MemoryHook):  # type: ignore[misc, name-defined]
        name = "peak of tinynet"
        held = peak = 0

        def malloc_postprocess(self, **block: Any) -> None:
            self.held += block["mem_size"]
            self.peak = max(self.peak, self.held)

        def free_postprocess(self, **block: Any) -> None:
            self.held -= block["mem_size"]

    with Peak() as peak:
        step()
    return round(peak.peak / MB, 2)


def waits(step: Callable[[], Any]) -> str:
    """Whether a step makes Python wait for the GPU, which cupy then refuses."""
    cupyx = importlib.import_module("cupyx")
    try:
        with cupyx.allow_synchronize(False):
            step()
    except cupyx.DeviceSynchronized as error:
        return f"at least 1: {error}"
    return "0"


def tf32(job: Job) -> None:
    """Steps with TF32 in the products of cuBLAS; the variable CUPY_TF32 was set before cupy."""
    for net in ("CIFAR", "ResNet") if not job.dry else ("LeNet-5",):
        for batch in job.batches[1:]:
            step = training_step(tinynet, net, batch, to_gpu)["step"]
            row = f"{net}, batch {batch}: tinynet, GPU, TF32"
            job.time(row, step, tinynet.cuda.synchronize)


def columns(job: Job) -> None:
    """Time and peak memory of steps whose convolutions may hold fewer or more columns at once."""
    net, batch = "LeNet-5" if job.dry else "CIFAR", job.batches[-1]
    for limit in (16, 64, 256, 4096):
        tinynet.cuda.set_workspace_limit(limit * MB)
        row = f"{net}, batch {batch}, columns up to {limit} MB"
        step = training_step(tinynet, net, batch, to_gpu)["step"]
        job.time(row, step, tinynet.cuda.synchronize)
        job.attempt(f"{row}, peak memory", "MB", lambda step=step: peak_mb(step))


def pytorch(job: Job) -> None:
    """The same steps in PyTorch: float32 and TF32, and images with their channels innermost."""
    torch = torch_on(job)
    if torch is None:
        return
    to, finish = torch_tools(torch, job)
    for net in ALL_NETS if not job.dry else ["LeNet-5"]:
        for batch in job.batches:
            for name, fast, last in (
                ("float32", False, False), ("TF32", True, False),
                ("float32, channels_last", False, True), ("TF32, channels_last", True, True),
            ):  # fmt: skip
                torch.backends.cuda.matmul.allow_tf32 = fast
                torch.backends.cudnn.allow_tf32 = fast

                def measure(net: str = net, batch: int = batch, last: bool = last) -> float:
                    def move(thing: Any) -> Any:
                        images = getattr(thing, "ndim", 4) == 4
                        layout = {"memory_format": torch.channels_last} if last and images else {}
                        return to(thing, **layout)

                    step = training_step(torch, net, batch, move)["step"]
                    return milliseconds(step, finish, job.seconds / 2)

                job.attempt(f"{net}, batch {batch}: PyTorch, {name}", "ms", measure)
            if torch.cuda.is_available():
                peak = functools.partial(torch_peak_mb, torch, net, batch)
                job.attempt(f"{net}, batch {batch}: PyTorch, peak memory", "MB", peak)
    job.attempt("epoch of MNIST: PyTorch, data on the GPU", "s",
                lambda: torch_epoch(torch, job, to, finish))  # fmt: skip


def torch_on(job: Job) -> Any:
    """PyTorch, or None, which is said, where it isn't installed or finds no GPU."""
    if not importlib.util.find_spec("torch"):
        job.say("left out", "PyTorch is not installed")
        return None
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available() and not job.dry:
        job.say("left out", f"PyTorch {torch.__version__} finds no GPU")
        return None
    return torch


def torch_tools(torch: Any, job: Job) -> tuple[Callable[..., Any], Callable[[], Any]]:
    """Functions that move a thing to the GPU and that wait for it; in a dry run, to the CPU."""
    device = "cpu" if job.dry else "cuda"
    finish = nothing if job.dry else torch.cuda.synchronize
    return lambda thing, **layout: thing.to(device, **layout), finish


def torch_peak_mb(torch: Any, net: str, batch: int) -> float:
    step = training_step(torch, net, batch, to_gpu)["step"]
    step(), step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    step()
    return round((torch.cuda.max_memory_allocated() - held) / MB, 2)


def digits(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """As many images and labels as MNIST has: those at hand, again and again."""
    known = tinynet.datasets.MNIST(train=True, download=False)
    rows = np.resize(np.arange(len(known.data)), job.digits)
    images = (known.data.numpy()[rows, None].astype(np.float32) / 255 - 0.1307) / 0.3081
    return images, known.targets.numpy()[rows]


def epoch_seconds(
    framework: Any, model: Any, batches: Callable[[], Any], finish: Callable[[], Any]
) -> float:
    """The time of training on all images and labels of `batches()`, after two to warm up."""
    optimizer = framework.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for count in (2, None):
        start = time.perf_counter()
        for x, labels in itertools.islice(batches(), count):
            loss = framework.nn.functional.cross_entropy(model(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        finish()
    return round(time.perf_counter() - start, 3)


def torch_epoch(torch: Any, job: Job, to: Any, finish: Any) -> float:
    images, labels = (to(torch.from_numpy(array)) for array in digits(job))

    def batches() -> Any:
        order = torch.randperm(len(images), device=images.device)
        return ((images[rows], labels[rows]) for rows in order.split(job.epoch_batch))

    return epoch_seconds(torch, to(example(torch.nn)), batches, finish)


def epoch(job: Job) -> None:
    """An epoch of the example's net: data on the host, on the GPU, and all of it on the CPU."""
    arrays = digits(job)
    for name, data_on, device in (
        ("data on the host", "cpu", "cuda"), ("data on the GPU", "cuda", "cuda"),
        ("CPU", "cpu", "cpu"),
    ):  # fmt: skip
        job.attempt(f"epoch of MNIST: tinynet, {name}", "s",
                    functools.partial(one_epoch, job, arrays, data_on, device))  # fmt: skip


def one_epoch(job: Job, arrays: Any, data_on: str, device: str) -> float:
    data = TensorDataset(*[tinynet.tensor(array, device=data_on) for array in arrays])
    loader = DataLoader(data, job.epoch_batch, shuffle=True, device=device)
    finish = tinynet.cuda.synchronize if device == "cuda" else nothing
    return epoch_seconds(tinynet, example(tinynet.nn).to(device), lambda: iter(loader), finish)


def counts(job: Job) -> None:
    """What a step costs, counted on the stand-in for cupy: a lower bound for launches."""
    strict_cupy = stand_in()
    for net in ALL_NETS:
        step = training_step(tinynet, net, 1, to_gpu)["step"]
        step()
        with strict_cupy.counting() as found:
            step()
        for what in ("launches", "waits", "uploads"):
            job.say(f"{net}: {what} of a step, at least", getattr(found, what))
        job.say(f"{net}: bytes that a step asks for, at batch 1", found.bytes)


def where(job: Job) -> None:
    """Where the time of a step goes: Python against the GPU, then the longest operations."""
    benchmark = importlib.import_module("cupyx.profiler").benchmark
    repeats = 1 if job.dry else 20
    for net in ("LeNet-5", "CIFAR") if not job.dry else ("LeNet-5",):
        for batch in job.batches[:2]:
            for name, function in training_step(tinynet, net, batch, to_gpu).items():
                try:
                    found = benchmark(function, n_repeat=repeats, n_warmup=repeats // 5 + 1)
                except Exception as error:
                    job._write({"what": f"{net}, batch {batch}: {name}", "failed": reason(error)})
                    continue
                for side, times in (("Python", found.cpu_times), ("GPU", found.gpu_times)):
                    job.say(f"{net}, batch {batch}: {name}, {side}",
                            round(1e3 * float(np.median(times)), 3), "ms")  # fmt: skip
        step = training_step(tinynet, net, job.batches[1], to_gpu)["step"]
        for name, ms in operations(step, repeats).most_common(8):
            job.say(f"{net}, batch {job.batches[1]}: {name}, waited for", round(ms, 3), "ms")
    job.say("a step of LeNet-5 as a CUDA graph, replayed", *graph(job))


def operations(step: Callable[[], Any], repeats: int) -> collections.Counter[str]:
    """Milliseconds of a step by operation, where each is waited for, so they don't overlap."""
    from tinynet.autograd import Primitive

    totals: collections.Counter[str] = collections.Counter()
    inner = [0.0]
    call = Primitive.__call__

    def timed(self: Any, *arguments: Any, **constants: Any) -> Any:
        start = time.perf_counter()
        inner.append(0.0)
        result = call(self, *arguments, **constants)
        tinynet.cuda.synchronize()
        whole = time.perf_counter() - start
        totals[self.name] += 1e3 * (whole - inner.pop()) / repeats
        inner[-1] += whole
        return result

    step()
    Primitive.__call__ = timed  # type: ignore[method-assign]
    try:
        for _ in range(repeats):
            step()
    finally:
        Primitive.__call__ = call  # type: ignore[method-assign]
    return totals


def graph(job: Job) -> tuple[Any, ...]:
    """Time of a step that was captured as a CUDA graph, or why cupy can't capture it."""
    stream = load_cupy().cuda.Stream(non_blocking=True)
    step = training_step(tinynet, "LeNet-5", job.batches[0], to_gpu)["step"]
    tinynet.cuda.synchronize()
    try:
        with stream:
            step(), step()
            stream.begin_capture()
            step()
            captured = stream.end_capture()
            launch = functools.partial(captured.launch, stream)
            return milliseconds(launch, stream.synchronize, job.seconds), "ms"
    except Exception as error:
        return (f"not possible: {reason(error)}",)


def activity(job: Job) -> None:
    """What the GPU really does in a step, counted by PyTorch's profiler, which sees all kernels."""
    torch = torch_on(job)
    if torch is None:
        return
    profiler, repeats = torch.profiler, 1 if job.dry else 5
    for net in list(ALL_NETS)[: 1 if job.dry else None]:
        step = training_step(tinynet, net, job.batches[0], to_gpu)["step"]
        step(), step()
        tinynet.cuda.synchronize()
        with profiler.profile(activities=profiler.supported_activities()) as found:
            for _ in range(repeats):
                step()
        events = [(e.name, e.device_type.name, e.time_range.elapsed_us()) for e in found.events()]
        on_gpu = [(name, us) for name, kind, us in events if kind == "CUDA"]
        kernels = [(name, us) for name, us in on_gpu if not re.match("Mem(cpy|set)", name)]
        row = f"{net}, batch {job.batches[0]}"
        job.say(f"{row}: kernels in a step", len(kernels) / repeats)
        job.say(f"{row}: uploads", sum("HtoD" in name for name, _ in on_gpu) / repeats)
        # the profiler itself waits at its end
        waits = sum("Synchronize" in name for name, kind, _ in events if kind == "CPU")
        job.say(f"{row}: waits in {repeats} steps and at the profiler's end", waits)
        job.say(f"{row}: GPU at work", round(sum(us for _, us in on_gpu) / 1e3 / repeats, 3), "ms")
        longest: collections.Counter[str] = collections.Counter()
        for name, us in kernels:
            longest[name[:80]] += us / 1e3 / repeats
        for name, ms in longest.most_common(5):
            job.say(f"{row}: kernel {name}", round(ms, 3), "ms")


class Part(NamedTuple):
    """A function that measures, its share of the time, and variables of its environment."""

    run: Callable[[Job], None]
    share: float
    environment: dict[str, str]


PARTS = {
    "environment": Part(environment, 9, {}),
    "check": Part(check, 12, {}),
    **{
        f"steps of {net}": Part(functools.partial(steps, net=net), 4, {}) for net in ALL_NETS
    },
    "PyTorch": Part(pytorch, 12, {}),
    "epoch": Part(epoch, 6, {}),
    "where": Part(where, 3, {}),
    "activity": Part(activity, 3, {}),
    "columns": Part(columns, 2, {}),
    "TF32": Part(tf32, 2, {"CUPY_TF32": "1"}),
    "counts": Part(counts, 2, {}),
    "tests": Part(tests, 16, {"TINYNET_TEST_CUPY": "real"}),  # last, with all time that is left
}  # fmt: skip


# --------------------------------------------------------------------------- processes and reports


_kept = contextlib.ExitStack()  # until the process ends


def stand_in() -> Any:
    """The stand-in for cupy, from now on in this process."""
    import gpu_kernels
    import strict_cupy

    strict_cupy.reference_kernels.update(gpu_kernels.PLAIN)
    _kept.enter_context(strict_cupy.install())
    return strict_cupy


def run_part(name: str, rows: Path, dry: bool) -> None:
    """What a process of its own does."""
    if dry and name not in ("counts", "tests"):  # which call for it themselves
        stand_in()
    PARTS[name].run(Job(rows, dry))


class Run:
    """A run of all parts: one after another, in a dry run two at a time."""

    least = 1.0  # seconds that each part has, however little time is left

    def __init__(self, folder: Path, minutes: float, dry: bool) -> None:
        self.folder, self.dry = folder, dry
        self.end = time.monotonic() + 60 * minutes
        self.waiting = dict(PARTS)
        self.processes: list[subprocess.Popen[bytes]] = []

    def part(self, name: str) -> tuple[str, float]:
        """Run a part; returns why it ended, if it did not end well, and its seconds."""
        start = time.monotonic()
        shares = sum(part.share for part in self.waiting.values())
        limit = max(self.least, (self.end - start) * self.waiting.pop(name).share / shares)
        command = [sys.executable, str(Path(__file__).resolve()), "--part", name]
        command += ["--rows", str(self.rows(name)), *(["--dry"] if self.dry else [])]
        variables = {"OMP_NUM_THREADS": "1"} if self.dry else PARTS[name].environment
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables},
            )  # fmt: skip
        self.processes.append(process)
        try:
            status = process.wait(limit)
            ended = "" if status == 0 else last_line(log) or f"exit status {status}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            ended = f"stopped after {limit:.0f} s, its share of the time"
        return ended, round(time.monotonic() - start, 1)

    def rows(self, name: str) -> Path:
        return self.folder / f"{name}.rows"

    def found(self, name: str, ended: str) -> list[dict[str, Any]]:
        """The rows of a part, those before its end if it was stopped."""
        rows = read_rows(self.rows(name))
        rows += [{"what": "the whole part", "failed": ended}] if ended else []
        return [{"part": name, **row} for row in rows]

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""


def read_rows(rows: Path) -> list[Any]:
    """The rows that a part has written; a last one that was cut off is left out."""
    lines = rows.read_text(encoding="utf-8").split("\n")[:-1] if rows.exists() else []
    return [json.loads(line) for line in lines]


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Further rows: tinynet's times and memory as multiples of PyTorch's and of the CPU's."""
    values = {row["what"]: row["value"] for row in rows if isinstance(row.get("value"), float)}
    found = []
    for what, value in values.items():
        net, _, rest = what.partition(": tinynet, GPU")
        pairs = {
            "": ("PyTorch, float32", "PyTorch, TF32", "tinynet, CPU"),
            ", TF32": ("PyTorch, TF32",),
            ", peak memory": ("PyTorch, peak memory",),
        }.get(rest, ()) if net != what else ()  # fmt: skip
        for other in pairs:
            if values.get(f"{net}: {other}"):
                ratio = round(value / values[f"{net}: {other}"], 3)
                found.append({
                    "part": "ratios", "what": f"{net}: tinynet, GPU{rest} / {other}",
                    "value": ratio, "unit": "",
                })  # fmt: skip
    return found


def markdown(report: dict[str, Any]) -> str:
    """The report as one table."""
    lines = [f"`python benchmarks/gpu.py`, {report['started']}, {report['seconds']} s."]
    if report["dry"]:
        lines.append("A dry run on the stand-in for cupy: the numbers mean nothing.")
    if report["ended"]:
        lines.append(f"Ended early: {report['ended']}.")
    lines += ["", "| part | what | found |", "| --- | --- | --- |"]
    for row in report["rows"]:
        found = row.get("value")
        found = ", ".join(map(str, found)) if isinstance(found, list) else found
        cell = f"**failed**: {row['failed']}" if "failed" in row else f"{found} {row['unit']}"
        cells = [str(c).replace("|", "\\|").strip() for c in (row["part"], row["what"], cell)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def measure(out: Path, minutes: float, dry: bool) -> int:
    """Run all parts and write the two files; returns the exit status."""
    start, rows, ended = time.monotonic(), [], ""
    report: dict[str, Any] = {"started": time.strftime("%Y-%m-%d %H:%M"), "dry": dry, "parts": {}}
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), minutes, dry)
        pool = concurrent.futures.ThreadPoolExecutor(2 if dry else 1)
        first = next(iter(PARTS))
        try:
            problem, seconds = run.part(first)
            if problem:
                print(f"No GPU to measure: {problem}", file=sys.stderr)
                return 2
            running = {name: pool.submit(run.part, name) for name in PARTS if name != first}
            for name in PARTS:
                problem, seconds = ("", seconds) if name == first else running[name].result()
                report["parts"][name] = seconds
                found = run.found(name, problem)
                rows += found
                failed = sum("failed" in row for row in found)
                print(f"{name}: {len(found)} rows, {failed} failed, {seconds} s", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            run.stop()
            missing = [name for name in PARTS if name not in report["parts"]]
            rows += [row for name in missing for row in run.found(name, "")]
            ended = f"Ctrl-C before these parts were done: {', '.join(missing)}"
        finally:
            pool.shutdown()
    rows += compared(rows)
    report |= {"seconds": round(time.monotonic() - start), "ended": ended, "rows": rows}
    out.mkdir(parents=True, exist_ok=True)
    (out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "gpu.md").write_text(markdown(report), encoding="utf-8")
    print(f"{out / 'gpu.json'} and {out / 'gpu.md'}")
    return 130 if ended else int(any("failed" in row for row in rows))


def main() -> int:
    """The exit status: 0, 1 if something failed, 2 without a GPU, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the two files")
    parser.add_argument("--minutes", type=float, default=9.5, help="at most so long, in all")
    parser.add_argument("--dry", action="store_true", help="tiny sizes, on the stand-in for cupy")
    parser.add_argument("--part", choices=list(PARTS), help="run one part in this process")
    parser.add_argument("--rows", type=Path, help="file for the rows of that part")
    options = parser.parse_args()
    if options.part:
        run_part(options.part, options.rows or Path(os.devnull), options.dry)
        return 0
    return measure(options.out, options.minutes, options.dry)


if __name__ == "__main__":
    sys.exit(main())
