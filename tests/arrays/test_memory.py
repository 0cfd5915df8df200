"""Memory after 200 training steps is that after 20, without the help of the garbage collector."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.arrays import memory


class Training:
    def __init__(self):
        tinynet.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(100, 10),
        )
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-3)
        self.x, self.y = tinynet.randn(8, 1, 12, 12), tinynet.randint(0, 10, (8,))
        self.losses = []

    def step(self):
        loss = F.cross_entropy(self.model(self.x), self.y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def step_and_note_the_number(self):
        self.losses = [*self.losses[-10:], self.step().item()]

    def step_and_keep_the_loss(self):
        self.losses.append(self.step())

    def step_that_fails_in_backward(self):
        loss = F.cross_entropy(self.model(self.x), self.y)
        poisoned = (loss * 0).sqrt()
        with tinynet.detect_anomaly(), pytest.raises(RuntimeError, match="detect_anomaly"):
            poisoned.backward()

    def step_that_is_refused(self):
        y = self.model(self.x)
        z = y.exp()
        z.mul_(2)
        with pytest.raises(RuntimeError, match="changed that in place"):
            z.sum().backward()

    def step_in_which_an_own_operation_raises(self):
        def fail(g):
            raise LookupError

        broken = tinynet.autograd.Primitive(lambda xp, a: a * 1, name="broken")
        broken.derivatives(a=fail)
        with pytest.raises(LookupError):
            broken(self.model(self.x)).sum().backward()

    def second_order_step(self):
        w = self.model[5].weight
        (g,) = tinynet.grad(
            self.model[5](tinynet.ones(2, 100)).square().sum(), w, create_graph=True
        )
        g.square().sum().backward()
        self.optimizer.zero_grad()


def growth(step):
    """Bytes that 200 steps leave allocated beyond those of 20, and objects left in cycles."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(20):
            step()
        cycles = (
            gc.collect()
        )  # also empties the interpreter's stocks of tuples and frames, which fill up slowly
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(180):
            step()
        cycles = gc.collect()
        return tracemalloc.get_traced_memory()[0] - before, cycles
    finally:
        tracemalloc.stop()
        gc.enable()


# Python 3.10 allocates a cache for each function's bytecode at its 1,024th call; a leaked array of
# each step would be 180,000 bytes.
ALLOWED = 5000 if sys.version_info >= (3, 11) else 30_000


@pytest.mark.parametrize("kind", ["step", "step_and_note_the_number", "second_order_step"])
def test_steps_leave_nothing(kind):
    bytes_more, cycles = growth(getattr(Training(), kind))
    assert bytes_more < ALLOWED
    assert cycles == 0


@pytest.mark.parametrize(
    "kind",
    [
        "step_that_fails_in_backward",
        "step_that_is_refused",
        "step_in_which_an_own_operation_raises",
    ],
)
def test_failures_leave_nothing(kind):
    # an exception's traceback and pytest's record of it are cycles of Python's own
    assert (
        growth(getattr(Training(), kind))[0] < 60_000
    )  # 180 times the activations of a step are two million


def test_a_kept_loss_keeps_its_graph_but_not_its_arrays():
    """A program appends the loss and not loss.item(): nodes pile up, activations do not."""
    training = Training()
    bytes_more, _ = growth(training.step_and_keep_the_loss)
    activations = 8 * 4 * 10 * 10 * 4  # of the first layer alone, in bytes
    assert 180 * 500 < bytes_more < 180 * activations


# ------------------------------------------------------------------------ memory that is used again


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(memory, "_free", {})
    monkeypatch.setattr(memory, "_leases", {})


SHAPE = (64, 1024)  # enough for a block of its own


def place(array):
    return array.__array_interface__["data"][0]


def test_memory_of_an_array_that_is_gone_is_used_again(fresh):
    first = memory.empty(np, SHAPE, np.float32)
    where = place(first)
    second = memory.empty(np, SHAPE, np.float32)
    assert not np.shares_memory(first, second)
    del first
    assert (
        place(memory.empty(np, SHAPE[::-1], np.int32)) == where
    )  # of that size; shape and dtype don't matter
    assert memory.empty(np, (64, 1025), np.float32).nbytes == 64 * 1025 * 4


HOLDERS = {
    "a view": lambda a: a[3:, ::2].T,
    "a view of a view": lambda a: a.reshape(-1)[5:].view(np.int32),
    "a memoryview": memoryview,
    "a part of a memoryview": lambda a: memoryview(a)[1:],
    "an array made from its buffer": lambda a: np.frombuffer(a, np.uint8),
    "an array made through the array interface": lambda a: np.asarray(Interface(a)),
    "a DLPack export": lambda a: np.from_dlpack(a),
    "an iterator": lambda a: a.flat,
    "a ufunc's broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "a pickle buffer": lambda a: pickle.PickleBuffer(a),
    "a tensor": lambda a: tinynet.from_numpy(a),
    "a tensor's numpy array": lambda a: tinynet.from_numpy(a).numpy(),
}


class Interface:
    def __init__(self, array):
        self.__array_interface__, self.array = array.__array_interface__, array


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_is_not_used_again_as_long_as_anything_shows_it(fresh, holder):
    array = memory.empty(np, SHAPE, np.float32)
    where = place(array)
    held = HOLDERS[holder](array)
    del array
    others = [memory.empty(np, SHAPE, np.float32) for _ in range(3)]
    assert where not in map(place, others)
    del held
    assert place(memory.empty(np, SHAPE, np.float32)) == where


def test_results_that_are_kept_keep_their_values():
    relu = nn.ReLU()
    kept = [relu(tinynet.full((64, 4, 32, 32), float(i))) for i in range(1, 6)]
    shown = [k.numpy() for k in kept] + [copy.copy(kept[0]).numpy(), kept[1][0].numpy()]
    del kept
    for _ in range(10):
        relu(tinynet.full((64, 4, 32, 32), 9.0))
    assert (
        [float(s.min()) for s in shown] == [float(s.max()) for s in shown] == [1, 2, 3, 4, 5, 1, 2]
    )


def test_no_more_is_kept_than_the_limit(fresh, monkeypatch):
    monkeypatch.setattr(memory, "_MOST", 1 << 20)
    in_use = [
        memory.empty(np, (1 << 17,), np.float32) for _ in range(4)
    ]  # two of half the limit, and two besides
    assert memory._held() == 1 << 20
    del in_use
    sizes = [memory.empty(np, (n,), np.uint8).nbytes for n in range(1 << 16, 1 << 18, 999)]
    assert len(sizes) > 100 and memory._held() <= 1 << 20


def test_threads_are_never_given_the_same_memory(fresh):
    clashes = []

    def work(number):
        for _ in range(300):
            a = memory.empty(np, (1 << 14,), np.float32)
            a[:] = number
            b = memory.empty(np, (1 << 14,), np.float32)
            b[:] = -number
            if not (a == number).all():
                clashes.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not clashes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_can_make_arrays_whatever_its_parent_was_doing(fresh):
    holding, done = threading.Event(), threading.Event()

    def hold():
        with memory._lock:
            holding.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # if it waits for the lock of a thread that it doesn't have
        memory.empty(np, SHAPE, np.float32)
        os._exit(7)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
