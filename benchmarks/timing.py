"""Timing that can be trusted on a shared machine: everything that is compared takes turns in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def lower_quartile(values: list[float]) -> float:
    """A quarter of the values are less: what a run takes when the machine does not disturb it, without betting on the luckiest."""
    return sorted(values)[len(values) // 4]


def in_turns(
    functions: dict[str, Callable[[], Any]], runs: int, warm_up: int = 3, burst: int = 10
) -> dict[str, float]:
    """Seconds per call of each function: the lower quartile of `runs` calls, or a few more, taken in short bursts in turns.

    The first call of a burst is not counted, and a pause stands before it: the threads of PyTorch and, longer, of OpenBLAS go on spinning
    after their work and would slow whoever is next.
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
