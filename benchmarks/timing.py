"""Timing for shared machines: what is compared takes turns in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def lower_quartile(values: list[float]) -> float:
    """The value below which a quarter of the values lie.

    It is what a run takes when little disturbs it; the minimum would depend on one lucky run.
    """
    return sorted(values)[len(values) // 4]


def in_turns(
    functions: dict[str, Callable[[], Any]], runs: int, warm_up: int = 3, burst: int = 10
) -> dict[str, float]:
    """Seconds per call of each function: the lower quartile of at least `runs` calls.

    The functions take turns in short bursts. Before each burst comes a pause and a call that is not
    counted, because the threads of PyTorch and, longer, of OpenBLAS keep spinning after their work
    and would slow down the next function.
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
