"""The process of one framework: it computes what `timing.Processes` asks for, and says how long.

python benchmarks/work.py FRAMEWORK THREADS reads lines ``[[job, arguments...], calls]`` and answers
each with the seconds of the calls. ``python benchmarks/work.py FRAMEWORK peak NET`` prints the MB
that training steps of a net add. FRAMEWORK is tinynet, PyTorch, channels_last (PyTorch with its
channels innermost in memory), dezero or mygrad.
"""

from __future__ import annotations

import importlib
import itertools
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "examples")]

from nets import MODELS, NETS, example  # noqa: E402

BATCH = 64
Step = Callable[[], Any]


def library(framework: str) -> Any:
    """The package of a framework."""
    return importlib.import_module("tinynet" if framework == "tinynet" else "torch")


def in_its_order(framework: str, *things: Any) -> list[Any]:
    """Modules and images in the memory order that is compared."""
    if framework != "channels_last":
        return list(things)
    return [t.to(memory_format=library(framework).channels_last) for t in things]


def training_step(framework: str, net: str, batch: int = BATCH) -> Step:
    """A whole step of SGD with momentum on one batch."""
    make, shape, *rest = {**NETS, **MODELS}[net]
    lib, random = library(framework), np.random.default_rng(0)
    x = lib.tensor(random.standard_normal((batch, *shape), np.float32))
    model, x = in_its_order(framework, make(lib.nn), x)
    labels = lib.tensor(random.integers(0, 10, (batch, *(rest[-1] if rest else ()))))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        loss = lib.nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def inference(framework: str, net: str, batch: int) -> Step:
    """The forward pass of a batch in evaluation mode."""
    make, shape, *_ = {**NETS, **MODELS}[net]
    lib, random = library(framework), np.random.default_rng(0)
    x = lib.tensor(random.standard_normal((batch, *shape), np.float32))
    model, x = in_its_order(framework, make(lib.nn).eval(), x)

    def forward() -> None:
        with lib.no_grad():
            model(x)

    return forward


def convolution(
    framework: str, direction: str, batch: int, C: int, O: int, size: tuple[int, int],
    kernel: tuple[int, int], **options: Any,
) -> Step:
    """One convolution, "forward" or "backward"."""
    lib, random = library(framework), np.random.default_rng(0)
    conv2d = lib.nn.functional.conv2d
    x = random.standard_normal((batch, C, *size), np.float32)
    weights = (O, C // options.get("groups", 1), *kernel)
    w = lib.tensor(random.standard_normal(weights, np.float32)).requires_grad_()
    images = _as_in_a_net(framework, x).requires_grad_()
    if direction == "forward":

        def forward() -> None:
            with lib.no_grad():
                conv2d(images, w, **options)

        return forward
    y = conv2d(images, w, **options)
    g = _as_in_a_net(framework, random.standard_normal(tuple(y.shape), np.float32))
    return lambda: lib.autograd.grad(y, (images, w), g, retain_graph=True)


def _as_in_a_net(framework: str, images: np.ndarray) -> Any:
    # in the middle of a net of tinynet, images arrive with the batch innermost
    lib = library(framework)
    if framework != "tinynet":
        return in_its_order(framework, lib.tensor(images))[0]
    inner = np.ascontiguousarray(images.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)
    tensor = lib.empty(0)
    tensor.array = inner
    return tensor


def epoch(framework: str, by_hand: bool = False) -> Step:
    """The next step of an epoch of MNIST with the example's net, loading its data.

    PyTorch reads its batches by its DataLoader, as the same program would, or `by_hand`, by
    indexing the whole set, which is faster there.
    """
    import mnist

    import tinynet

    lib = library(framework)
    data = tinynet.datasets.MNIST(os.environ.get("TINYNET_DATA") or None, train=True)
    model = mnist.Net() if framework == "tinynet" else example(lib.nn)
    optimizer = lib.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    if framework == "tinynet":
        data.transform = mnist.normalise
        batches = _passes(lambda: lib.utils.data.DataLoader(
            data, BATCH, shuffle=True, drop_last=True))
    else:
        images, labels = (lib.from_numpy(t.numpy()) for t in (data.data, data.targets))
        pairs = lib.utils.data.TensorDataset(images, labels)

        def indexed() -> Iterator[Any]:
            for rows in lib.randperm(len(images))[: len(images) // BATCH * BATCH].split(BATCH):
                yield images[rows], labels[rows]

        loaded = _passes(indexed if by_hand else lambda: lib.utils.data.DataLoader(
            pairs, BATCH, shuffle=True, drop_last=True))
        batches = (((x.unsqueeze(1).float() / 255 - 0.1307) / 0.3081, y) for x, y in loaded)

    def step() -> None:
        x, y = next(batches)
        loss = lib.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _passes(one_pass: Callable[[], Any]) -> Iterator[Any]:
    return itertools.chain.from_iterable(one_pass() for _ in itertools.count())


def peer(framework: str) -> Step:
    """A step of `small` in a framework that has not PyTorch's names."""
    if framework == "tinynet":
        return training_step(framework, "small")
    return importlib.import_module(f"peer_{framework}").step(BATCH)


JOBS: dict[str, Callable[..., Step]] = {
    "training": training_step, "inference": inference, "convolution": convolution,
    "epoch": epoch, "peer": peer,
}


def serve(framework: str, threads: int) -> None:
    """Answer the lines that are asked."""
    if framework in ("tinynet", "PyTorch", "channels_last"):
        library(framework).set_num_threads(threads)
    at_hand: Any = None
    for line in sys.stdin:
        asked, calls = json.loads(line)
        if at_hand is None or at_hand[0] != asked:
            name, *arguments = asked
            options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
            at_hand = None  # its memory is free before the next takes some
            at_hand = asked, JOBS[name](framework, *arguments, **options)
            for _ in range(3):
                at_hand[1]()
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            at_hand[1]()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


def peak(framework: str, net: str, batch: int = BATCH) -> float:
    """MB that ten steps add to what the process held once the net and its data were made."""
    nothing = lambda nn: nn.Sequential(nn.Flatten(), nn.Linear(math.prod((1, 8, 8)), 10))  # noqa: E731
    NETS["nothing"] = nothing, (1, 8, 8)
    training_step(framework, "nothing", 2)()  # starts threads and libraries
    step = training_step(framework, net, batch)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    held = _kilobytes("VmRSS")
    for _ in range(10):
        step()
    return (_kilobytes("VmHWM") - held) / 1024


def _kilobytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None, f"/proc/self/status has no {name}"
    return int(found[1])


if __name__ == "__main__":
    if sys.argv[2] == "peak":
        print(peak(sys.argv[1], sys.argv[3], int(sys.argv[4])))
    else:
        serve(sys.argv[1], int(sys.argv[2]))
