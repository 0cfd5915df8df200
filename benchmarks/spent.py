"""Where the time of a step goes: tinynet's by its operations, PyTorch's by its profiler.

``python benchmarks/spent.py FRAMEWORK THREADS '["training", "CIFAR", 64]' RUNS`` prints, as JSON,
the seconds of each kind of operations in a job of `work`, and the least that tinynet's could take.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import work  # noqa: E402
from timing import in_turns  # noqa: E402

# Operations of both frameworks: the first pattern that fits says of what kind one is. A bias's
# gradient belongs to its convolution, a flattening to the product after it.
PATTERNS = {
    "convolution": r"conv|sum_channels",
    "batch norm": r"norm|scale_channels",
    "ReLU": r"relu|gated|threshold|clamp_min",
    "pooling": r"pool|scatter|mean",
    "linear, loss": r"linear|matmul|addmm|::mm|::t$|transpose|view|softmax|nll|cross_entropy|sum",
    "else": "",
}
KINDS = [*PATTERNS, "all"]


class Spent(NamedTuple):
    """What all calls of one operation in a step took, and what they did."""

    ms: float
    calls: int
    multiplications: float
    bytes: float  # of the arrays that were read and written, each once

    def at_least(self, multiplying: float, copying: float) -> float:
        """Milliseconds at the rate of a large product, or if there is none of a large copy."""
        if self.multiplications:
            return 2e3 * self.multiplications / multiplying
        return 1e3 * self.bytes / copying


def matmul_peak() -> float:
    """Floating-point operations per second of ``np.matmul`` on 1024 x 1024."""
    a, b = np.random.default_rng(0).standard_normal((2, 1024, 1024)).astype(np.float32)
    return 2 * 1024**3 / in_turns({"": lambda: np.matmul(a, b)}, 20)[""]


def copy_peak() -> float:
    """Bytes per second that a large copy reads and writes, with all threads of tinynet."""
    from tinynet.arrays import threads

    a, b = np.ones((2, 1 << 22), np.float32)
    parts = threads.pieces(a.size, threads.get_num_threads())

    def copy() -> None:
        threads.parallel(len(parts), lambda i: np.copyto(b[parts[i]], a[parts[i]]))

    return 2 * a.nbytes / in_turns({"": copy}, 20)[""]


def _multiplications(name: str, shapes: list[tuple[int, ...]]) -> float:
    """Those of an operation on arrays of these shapes, the last of which is the result's."""
    if name == "conv2d":
        return math.prod(shapes[-1]) * math.prod(shapes[1][1:])
    if name == "conv2d_input_grad":  # of the gradient and the weights
        return math.prod(shapes[0]) * math.prod(shapes[1][1:])
    if name == "conv2d_weight_grad":  # of the image and the gradient
        return math.prod(shapes[1]) * math.prod(shapes[-1][1:])
    if name == "linear_weight_grad":
        return math.prod(shapes[-1]) * shapes[0][0]
    if name in ("linear", "matmul"):
        return math.prod(shapes[-1]) * shapes[0][-1]
    return 0.0


def by_operation(step: Callable[[], Any], runs: int) -> dict[str, Spent]:
    """What each operation of tinynet takes in a step; under "" the rest of the step.

    The milliseconds of an operation do not contain those of operations that it calls.
    """
    from tinynet.autograd import Node, Primitive
    from tinynet.ops.conv import norms

    found: dict[str, list[Spent]] = {}
    inner = [0.0]

    def timed(method: Any, name: Any, work: Any) -> Any:
        def measured(self: Any, *arguments: Any, **constants: Any) -> Any:
            start = perf_counter()
            inner.append(0.0)
            result = method(self, *arguments, **constants)
            whole = perf_counter() - start
            own = whole - inner.pop()
            inner[-1] += whole
            found.setdefault(name(self), []).append(
                Spent(1e3 * own, 1, *work(self, arguments, result)))
            return result

        return measured

    def work(self: Any, arguments: Any, result: Any) -> tuple[float, float]:
        arrays = [v.array for v in (*arguments, result) if hasattr(v, "array")]
        return (_multiplications(self.name, [a.shape for a in arrays]),
                sum(a.nbytes for a in arrays))

    def work_of_gradient(self: Any, arguments: Any, result: Any) -> tuple[float, float]:
        # A joint derivative, which is batch norm's, computes outside any operation: it reads two
        # arrays of the size of g and writes one.
        g = arguments[0]
        return 0.0, 3 * g.array.nbytes if self.primitive.joint else 0.0

    def name_of_gradients(self: Any) -> str:
        return f"{self.primitive.name}, backward" if self.primitive.joint else ""

    def work_of_statistics(self: Any, arguments: Any, result: Any) -> tuple[float, float]:
        return 0.0, arguments[0].nbytes

    methods = Primitive.__call__, Node.gradients, norms.statistics
    steps = []
    try:
        Primitive.__call__ = timed(  # type: ignore[method-assign]
            methods[0], lambda self: self.name, work)
        Node.gradients = timed(  # type: ignore[method-assign]
            methods[1], name_of_gradients, work_of_gradient)
        norms.statistics = timed(methods[2], lambda _: "normalize, statistics", work_of_statistics)
        for _ in range(runs):
            found.clear()
            inner[:] = [0.0]
            start = perf_counter()
            step()
            rest = 1e3 * (perf_counter() - start - inner[0])
            found.setdefault("", []).append(Spent(rest, 0, 0.0, 0.0))
            steps.append({name: Spent(*map(sum, zip(*calls, strict=True)))
                for name, calls in found.items()})
    finally:
        Primitive.__call__, Node.gradients = methods[:2]  # type: ignore[method-assign]
        norms.statistics = methods[2]
    return sorted(steps, key=lambda step: sum(s.ms for s in step.values()))[len(steps) // 4]


def _by_profiler(step: Callable[[], Any], runs: int) -> dict[str, float]:
    """Seconds of each operation of PyTorch in `runs` steps, without those that it calls."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(runs):
            step()
    return {event.key: 1e-6 * event.self_cpu_time_total for event in profiler.key_averages()}


def kind(operation: str) -> str:
    """Of what kind an operation is, by its name."""
    return next(kind for kind, pattern in PATTERNS.items() if re.search(pattern, operation))


def by_kind(framework: str, threads: int, job: list[Any], runs: int) -> dict[str, Any]:
    """Seconds by kind. To watch takes time, so kinds have their shares of a step not watched."""
    from threadpoolctl import threadpool_limits

    work.library(framework).set_num_threads(threads)
    name, *arguments = job
    step = work.JOBS[name](framework, *arguments)
    seconds = dict.fromkeys(PATTERNS, 0.0)
    whole = in_turns({"": step}, runs)[""]
    if framework == "tinynet":
        least = dict.fromkeys(KINDS, 0.0)
        spent = by_operation(step, runs)
        with threadpool_limits(threads, "blas"):
            rates = matmul_peak(), copy_peak()
        for operation, at in spent.items():
            seconds[kind(operation)] += at.ms
            least[kind(operation)] += 1e-3 * at.at_least(*rates)
        least["all"] = sum(least.values())
    else:
        for operation, at in _by_profiler(step, runs).items():
            seconds[kind(operation)] += at
    share = whole / sum(seconds.values())
    found: dict[str, Any] = {kind: share * s for kind, s in seconds.items()} | {"all": whole}
    return found | {"at least": least} if framework == "tinynet" else found


def in_processes(
    frameworks: Sequence[str], threads: int, job: list[Any], runs: int
) -> dict[str, dict[str, Any]]:
    """`by_kind` of each framework, one after the other, in processes of their own."""
    found = {}
    for name in frameworks:
        command = [sys.executable, __file__, name, str(threads), json.dumps(job), str(runs)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        found[name] = json.loads(said.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    framework, threads, job, runs = sys.argv[1:]
    print(json.dumps(by_kind(framework, int(threads), json.loads(job), int(runs))))
