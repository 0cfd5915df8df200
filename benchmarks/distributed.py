"""What training on several ranks costs here, and what it would cost on more machines.

    mpiexec -n 2 python benchmarks/distributed.py

For each net three times are taken: of a step without communication, of the communication alone, and
of a step with communication, with the time that rank 0 waits in it. The communication for which
nobody waits is hidden behind the backward pass. Then a model, fed with the times at which the
gradient buckets were ready here, says how long a step would take on up to 64 machines of this
speed. ``--nets LeNet-5,CIFAR`` times some of the nets. With fewer cores than ranks, give
``--only-rank-0-computes``: the other ranks then sleep instead, and send when rank 0 does.

MPI uses the shared memory of the machine. For a link of 1 Gbit/s between two ranks, as root and
without touching the machine's network:

    unshare -n sh -c 'ip link set lo up;
        tc qdisc add dev lo root tbf rate 2gbit burst 256kb latency 200ms;
        MPIR_CVAR_NOLOCAL=1 FI_PROVIDER=tcp \\
        mpiexec -hosts localhost -n 2 python benchmarks/distributed.py'

(2gbit, because both directions pass through the one loopback device.)
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from nets import NETS  # noqa: E402
from timing import lower_quartile  # noqa: E402

import tinynet  # noqa: E402
import tinynet.nn.functional as F  # noqa: E402
from tinynet import distributed, nn, optim  # noqa: E402
from tinynet.nn.parallel import DistributedDataParallel  # noqa: E402

LINKS = {"1 Gbit/s": 1e9, "10 Gbit/s": 1e10}
PACKED = 1448 / 1514  # data in an Ethernet packet, as a share of its bytes
# Processor seconds per byte sent and received, measured on the hosts of hosts.py: there the kernel
# cuts all packets, for all hosts, on two cores. A network card does most of this, so for real
# machines it is left out.
MOVING = 7.5e-9
OPEN_MPI = "OMPI_COMM_WORLD_SIZE" in os.environ
LATENCY = 50e-6  # seconds from one process to another through Ethernet and TCP
NODES = (1, 2, 4, 8, 16, 32, 64)


def timed(function: Callable[[], None], runs: int) -> float:
    """Seconds per call, on the slowest rank; all ranks begin together."""
    seconds = []
    for _ in range(runs):
        distributed.barrier()
        start = time.perf_counter()
        function()
        slowest = tinynet.tensor(time.perf_counter() - start, dtype="float64")
        distributed.all_reduce(slowest, distributed.ReduceOp.MAX)
        seconds.append(slowest.item())
    return lower_quartile(seconds)


def measure(
    name: str, batch: int, runs: int, computes: bool
) -> list[tuple[dict[str, float], list[tuple[float, int]]]]:
    """The least times of one net in seconds with the bytes of each bucket and when it was ready,
    and the same with typical times.

    A bucket's time is counted from the start of the step. On a machine that does other work too,
    the typical times of a step with and without communication compare better than the least,
    because the two are measured in turns.
    """
    build, shape = NETS[name]
    tinynet.manual_seed(0)
    model = DistributedDataParallel(build(nn))
    reducer, channel = model._reducer, model._channel
    assert reducer is not None, "start this with mpiexec -n 2"
    random = np.random.default_rng(distributed.get_rank())
    x = tinynet.from_numpy(random.standard_normal((batch, *shape), np.float32))
    labels = tinynet.from_numpy(random.integers(0, 10, batch))
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        if not computes:
            return communicate(pace) if model._averaging else None
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def alone() -> None:
        with model.no_sync():
            step()

    def communicate(times: list[float] | None = None) -> None:
        """Send the buckets at `times` from now, by default at once, and receive them."""
        start = time.perf_counter()
        channel.broadcast(list(model.buffers()))
        for i, bucket in enumerate(reducer.buckets):
            while times and time.perf_counter() < start + times[i]:
                time.sleep(5e-4)
                channel.group.progress()
            bucket.send(channel)
        for bucket in reducer.buckets:
            bucket.receive(channel.group.size)

    # If the other ranks sent at once, two of them could keep the link of a third busy that rank 0
    # needs. So they send when rank 0 does: first when it did in the warm-up, then in each round
    # when it did in the one before.
    pace: list[float] = []
    ready: dict[int, list[float]] = {}
    begun: float | None = None  # when the step began, if it is one that is watched

    def watched() -> None:
        nonlocal begun
        waits.append(0.0)
        begun = time.perf_counter()
        step()
        begun = None

    for number, bucket in enumerate(reducer.buckets):

        def send(*given, number=number, plain=bucket.send) -> None:
            if begun is not None:
                ready.setdefault(number, []).append(time.perf_counter() - begun)
            plain(*given)

        bucket.send = send  # type: ignore[method-assign]
    waits: list[float] = []
    wait = channel.group.wait

    def timed_wait(work: distributed.Work) -> None:
        start = time.perf_counter()
        wait(work)
        if begun is not None:
            waits[-1] += time.perf_counter() - start

    channel.group.wait = timed_wait  # type: ignore[method-assign]
    functions = {"alone": alone, "communication": communicate, "step": watched}
    for function in functions.values():
        timed(function, 3)
    rounds: dict[str, list[float]] = {label: [] for label in functions}
    for _ in range(8):  # in turns, so that whatever else the machine does hits all of them
        recent = [statistics.median(ready[i][-runs:]) for i in range(len(reducer.buckets))]
        pace = channel.group.comm.bcast(recent)
        for label, function in functions.items():
            rounds[label].append(timed(function, runs))
    channel.group.wait = wait  # type: ignore[method-assign]
    found = []
    for of_rounds, of_steps in ((min, lower_quartile), (statistics.median, statistics.median)):
        times = {label: of_rounds(values) for label, values in rounds.items()}
        times["waiting"] = statistics.median(waits)
        sizes = [bucket.flat.nbytes for bucket in reducer.buckets]
        found.append((times, [(of_steps(ready[i]), size) for i, size in enumerate(sizes)]))
    return found


def message(size: float, nodes: int, link: float) -> float:
    """Seconds to sum `size` bytes over k nodes.

    In MPICH, if k is a power of two, each node sends and receives 2 (k - 1) / k of the bytes, in
    2 log2 k rounds. Otherwise, with the power p below k, the other k - p nodes first give all their
    bytes to nodes of the p, and get the sum in the end: 2.5 times the bytes more, because two nodes
    then send to one. Open MPI 4 adds up along a tree and sends the sum back, all bytes each time.
    """
    if nodes == 1:
        return 0.0
    power = 2 ** int(math.log2(nodes))
    rounds = 2 * math.ceil(math.log2(nodes))
    times = 2 * (power - 1) / power + 2.5 * (power < nodes)
    if OPEN_MPI:
        times = rounds - 1
    return times * 8 * size / (PACKED * link) + rounds * LATENCY


def modelled(
    alone: float, buckets: list[tuple[float, int]], nodes: int, link: float, moving: float = 0.0
) -> float:
    """Seconds per step: a bucket is sent when it is ready and the bucket before it has arrived.

    Moving a byte takes `moving` seconds of the processor that computes.
    """
    busy = alone + moving * 2 * (nodes - 1) / nodes * sum(size for _, size in buckets)
    end = 0.0
    for ready, size in buckets:
        end = max(end, min(ready, alone)) + message(size, nodes, link)
    return max(busy, end)


def compare(found: dict, ranks: int, link: float, say: Callable[[str], None]) -> None:
    """Print the model's times for this job beside the measured ones."""
    say(f"\nPredicted and measured, {ranks} hosts, links of {link / 1e6:g} Mbit/s, ms\n")
    say("| net | communication: predicted | measured | step: predicted | measured | off by |")
    say("|" + " --- |" * 6)
    for name, (_, (times, buckets)) in found.items():
        alone = sum(message(size, ranks, link) for _, size in buckets)
        step = modelled(times["alone"], buckets, ranks, link, MOVING)
        seconds = alone, times["communication"], step, times["step"]
        cells = " | ".join(f"{1e3 * s:.1f}" for s in seconds)
        say(f"| {name} | {cells} | {step / times['step'] - 1:+.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default=",".join(NETS), help="which nets, separated by commas")
    parser.add_argument("--batch", type=int, default=64, help="samples of a rank in a step")
    parser.add_argument("--runs", type=int, default=12, help="steps in each of eight rounds")
    parser.add_argument(
        "--only-rank-0-computes", action="store_true", help="the other ranks only communicate"
    )
    parser.add_argument(
        "--link", type=float, metavar="BITS", help="of the hosts, per second each way: compare "
        "the model's prediction for it with what is measured (benchmarks/hosts.py does that)",
    )  # fmt: skip
    parser.add_argument("--delay", type=float, default=0, help="of the hosts' links, ms")
    options = parser.parse_args()
    global LATENCY
    LATENCY += options.delay / 1e3
    if options.only_rank_0_computes:
        # Ranks that compute wait for each other only briefly, so they notice a message at once.
        distributed.group._NAP = 1e-5
    say = print if distributed.get_rank() == 0 else (lambda *text: None)
    ranks = distributed.get_world_size()
    only_rank_0 = ", only rank 0 computes" * options.only_rank_0_computes
    threads = tinynet.get_num_threads()
    say(f"{ranks} ranks, {threads} threads each, {options.batch} samples a rank{only_rank_0}\n")
    head = "net, bytes a step, buckets, step alone (ms), communication alone (ms), step (ms), "
    head += "of it waiting (ms), hidden"
    say("| " + head.replace(", ", " | ") + " |\n|" + " --- |" * 8)
    found = {}
    for name in options.nets.split(","):
        computes = distributed.get_rank() == 0 or not options.only_rank_0_computes
        found[name] = measure(name, options.batch, options.runs, computes)
        times, buckets = found[name][0]
        hidden = 1 - times["waiting"] / times["communication"]
        row = [
            name,
            f"{sum(size for _, size in buckets):,}",
            len(buckets),
            *(f"{1e3 * times[label]:.2f}" for label in times),
            f"{hidden:.0%}",
        ]
        say("| " + " | ".join(map(str, row)) + " |")
    if options.link:
        return compare(found, ranks, options.link, say)
    say(f"\nModel: {LATENCY * 1e6:.0f} µs latency; ms per step, a node having a rank's samples\n")
    columns = " | ".join(f"{nodes}" for nodes in NODES)
    say(f"| net | link | {columns} | of the sum of 64 |\n|" + " --- |" * (len(NODES) + 3))
    for name, ((times, buckets), _) in found.items():
        for link, speed in LINKS.items():
            steps = [modelled(times["alone"], buckets, nodes, speed) for nodes in NODES]
            say(
                f"| {name} | {link} | "
                + " | ".join(f"{1e3 * step:.1f}" for step in steps)
                + f" | {times['alone'] / steps[-1]:.0%} |"
            )


if __name__ == "__main__":
    distributed.init_process_group()
    main()
    distributed.destroy_process_group()
