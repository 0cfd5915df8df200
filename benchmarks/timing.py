"""Timing for shared machines: what is compared takes turns, and only one computes at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def lower_quartile(values: list[float]) -> float:
    """The value below which a quarter of the values lie.

    It is what a run takes when little disturbs it; the minimum would depend on one lucky run.
    """
    return sorted(values)[len(values) // 4]


def in_turns(
    functions: dict[str, Callable[[], Any]], runs: int, warm_up: int = 3, burst: int = 10
) -> dict[str, float]:
    """Seconds per call of each function: the lower quartile of at least `runs` calls.

    For functions of one framework, in one process. They take turns in short bursts. Before each
    burst comes a pause and a call that is not counted, because threads keep spinning after their
    work and would slow down the next function.
    """
    for function in functions.values():
        for _ in range(warm_up):
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(-(-runs // burst)):
        for name, function in functions.items():
            time.sleep(0.05)
            function()
            for _ in range(burst):
                start = time.perf_counter()
                function()
                seconds[name].append(time.perf_counter() - start)
    return {name: lower_quartile(values) for name, values in seconds.items()}


class Processes:
    """A process for each framework (`work.py`), which wait while another one computes.

    In one process, the threads of PyTorch and of OpenBLAS would spin on the cores of the next.
    """

    def __init__(self, frameworks: Sequence[str], threads: int):
        self.threads = threads
        self._of = {name: self._start(name) for name in frameworks}

    def _start(self, name: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "benchmarks/work.py"), name, str(self.threads)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: Any) -> None:
        for process in self._of.values():
            process.communicate()  # the end of its input ends it

    def times(self, job: Sequence[Any], runs: int, burst: int = 3) -> dict[str, list[float]]:
        """Seconds of each call of `job`, by framework; the bursts of all take turns."""
        seconds: dict[str, list[float]] = {name: [] for name in self._of}
        for turn in range(-(-runs // burst)):
            names = list(self._of)
            for name in names if turn % 2 else names[::-1]:
                seconds[name] += self._ask(name, job, burst)
                time.sleep(0.03)
        return seconds

    def quartiles(self, job: Sequence[Any], runs: int, burst: int = 3) -> dict[str, float]:
        """Seconds per call of `job`, by framework: the lower quartiles."""
        return {name: lower_quartile(v) for name, v in self.times(job, runs, burst).items()}

    def _ask(self, name: str, job: Sequence[Any], calls: int) -> list[float]:
        process = self._of[name]
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps([job, calls]) + "\n")
        process.stdin.flush()
        if not (answer := process.stdout.readline()):
            raise RuntimeError(f"{name}: its process has ended")
        return json.loads(answer)


class Business:
    """How busy others keep the machine meanwhile: their share of all cores' time (Linux).

    It is the time that the cores were not idle, less that of this process and its children.
    """

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float, float] | None:
        try:
            fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        except OSError:
            return None
        own = sum(os.times()[:4])
        ticks = os.sysconf("SC_CLK_TCK")
        idle, stolen = fields[3] + fields[4], fields[7]
        return sum(fields) / ticks, (sum(fields) - idle - stolen) / ticks, stolen / ticks, own

    def __str__(self) -> str:
        now = self._now()
        if self._start is None or now is None:
            return "how busy the machine was is not known"
        whole, busy, stolen, own = (b - a for a, b in zip(self._start, now, strict=True))
        others = max(0.0, busy - own) / max(whole, 1e-9)
        return (f"other programs took {others:.0%} of the cores' time, other machines "
            f"{stolen / max(whole, 1e-9):.0%}")
