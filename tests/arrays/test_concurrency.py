"""Threads that don't disturb each other, workers that raise, and Ctrl-C at any moment."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sys
import threading
import time
import traceback

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.utils.data import DataLoader, Dataset, TensorDataset


def in_threads(*functions):
    """Run the functions at the same time; their results, in order. What one raises is raised."""
    results = [None] * len(functions)
    errors = []
    start = threading.Barrier(len(functions))

    def run(i, function):
        start.wait()
        try:
            results[i] = function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=item) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


class Training:
    """A network and its data."""

    def __init__(self, seed):
        tinynet.manual_seed(seed)
        self.model = nn.Sequential(
            nn.Conv2d(1, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1014, 10),
        )
        self.batches = [
            (tinynet.randn(32, 1, 28, 28), tinynet.randint(0, 10, (32,))) for _ in range(4)
        ]

    def __call__(self):
        optimizer = optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)
        for x, y in self.batches:
            loss = F.cross_entropy(self.model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return [p.detach().array.tobytes() for p in self.model.parameters()]

    def evaluate(self):
        """Many passes without gradients."""
        with tinynet.no_grad():
            for _ in range(10):
                y = self.model(self.batches[0][0])
                assert not y.requires_grad
                time.sleep(0)
        return y.array.tobytes()


def test_two_trainings_and_an_evaluation_at_once_are_as_one_after_the_other():
    alone = [Training(1)(), Training(2)(), Training(3).evaluate()]
    together = in_threads(Training(1), Training(2), Training(3).evaluate)
    assert together == alone


def test_gradients_of_shared_parameters_are_not_lost():
    """Each thread adds its own to the same .grad."""
    w, twice = tinynet.zeros(50, requires_grad=True), tinynet.zeros(50, requires_grad=True)

    def run():
        for _ in range(400):
            (w.sum() + (twice * 2).sum()).backward()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(run, run, run)
    finally:
        sys.setswitchinterval(interval)
    assert w.grad.tolist() == [1200.0] * 50
    assert twice.grad.tolist() == [2400.0] * 50


def test_a_hook_that_raises_leaves_everything_as_it_was():
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3)
    ).eval()
    x, y = tinynet.randn(4, 1, 8, 8), tinynet.tensor([0, 1, 2, 0])

    def step():
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        return [p.grad.tolist() for p in model.parameters()]

    def fail(*arguments):
        raise ValueError("the hook")

    expected = step()
    for register in (model[2].register_forward_hook, model[2].register_forward_pre_hook):
        handle = register(fail)
        with pytest.raises(ValueError, match="the hook"):
            step()
        handle.remove()
        assert tinynet.is_grad_enabled()
        assert step() == expected


def test_ctrl_c_that_is_caught_changes_no_later_result():
    """As in a notebook: a step after an interruption gives the bits of one without."""
    training = Training(4)
    training.model.eval()
    x, y = training.batches[0]

    def step():
        training.model.zero_grad()
        F.cross_entropy(training.model(x), y).backward()
        return [p.grad.array.tobytes() for p in training.model.parameters()]

    def interrupt(*arguments):
        raise KeyboardInterrupt

    rng = random.Random(6)
    threads, before = tinynet.get_num_threads(), signal.signal(signal.SIGALRM, interrupt)
    tinynet.set_num_threads(3)
    try:
        expected = step()
        for _ in range(40):
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(
                    signal.ITIMER_REAL, rng.uniform(1e-4, 2e-2), 5
                )  # and again every 5 s, in case Python drops the first (see below)
                while True:
                    step()
            # an interruption at the end of a `with` block can keep the block from being left
            with tinynet.enable_grad(), np.errstate(all="ignore"):
                assert step() == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        tinynet.set_num_threads(threads)


def test_no_grad_is_per_thread():
    inside, checked = threading.Event(), threading.Event()

    def without():
        with tinynet.no_grad():
            inside.set()
            assert checked.wait(30)
            return tinynet.is_grad_enabled()

    def with_grad():
        assert inside.wait(30)
        x = tinynet.ones(1, requires_grad=True)
        y = x * 2
        checked.set()
        return y.requires_grad

    assert in_threads(without, with_grad) == [False, True]


def test_two_backward_passes_through_leaves_of_their_own():
    def gradient(value):
        x = tinynet.full((100,), value, requires_grad=True)
        for _ in range(50):
            y = x
            for _ in range(20):
                y = y * 1.01
            y.sum().backward()
        return x.grad.tolist()

    assert in_threads(lambda: gradient(1.0), lambda: gradient(2.0)) == [
        gradient(1.0),
        gradient(2.0),
    ]


# ------------------------------------------------------------------------------------------ workers


class Failing(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, index):
        if index == 13:
            raise LookupError("sample 13 is rotten")
        return tinynet.tensor(index)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_what_a_worker_raises_is_raised_in_its_turn(workers):
    before = threading.active_count()
    seen = []
    with pytest.raises(LookupError, match="sample 13 is rotten"):
        for batch in DataLoader(Failing(), 5, num_workers=workers):
            seen.append(batch.tolist())
    assert seen == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 4])
def test_a_loop_that_is_left_leaves_no_thread(workers):
    before = threading.active_count()
    iterator = iter(DataLoader(TensorDataset(tinynet.arange(1000)), 2, num_workers=workers))
    next(iterator)
    iterator.close()
    assert threading.active_count() == before


def test_workers_have_the_grad_mode_of_the_loop():
    class Recording(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return float(tinynet.is_grad_enabled())

    loader = DataLoader(Recording(), 2, num_workers=2)
    assert [batch.tolist() for batch in loader] == [[1, 1], [1, 1]]
    with tinynet.no_grad():
        assert [batch.tolist() for batch in loader] == [[0, 0], [0, 0]]


# ------------------------------------------------------------------------------------------- Ctrl-C


def endless(folder):
    """Train with workers and a checkpoint at each step, without end."""
    training = Training(0)
    x, y = training.batches[0]
    loader = DataLoader(TensorDataset(x, y), 8, shuffle=True, num_workers=2)
    optimizer = optim.SGD(training.model.parameters(), lr=0.01)
    checkpoint = tinynet.Checkpoint(
        f"{folder}/run", model=training.model, optimizer=optimizer, loader=loader
    )
    os.write(3, b"ready")
    while True:
        for images, labels in loader:
            F.cross_entropy(training.model(images), labels).backward()
            optimizer.step()
            checkpoint.save()


INTERRUPTED, THREADS_LEFT, DROPPED = 42, 43, 44


def until_interrupted(folder):
    """Train until Ctrl-C; returns one of the exit codes above."""

    def unraisable(what):
        """Python reports an interrupt that comes in a weak reference's callback, and drops it.

        threading and importlib have such callbacks; the user presses Ctrl-C again. An interrupt
        dropped in tinynet's own code would be a bug of tinynet.
        """
        sys.__unraisablehook__(what)
        if what.exc_type is KeyboardInterrupt and "tinynet" not in str(
            getattr(what.object, "__module__", what.object)
        ):
            os._exit(DROPPED)

    sys.unraisablehook = unraisable
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        endless(folder)
    except BaseException as error:
        # A class body or a lock can raise an error of its own, whose cause is the interrupt.
        cause = error
        while not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__
            if cause is None:
                raise
    deadline = time.monotonic() + 10  # a worker that was told to stop may still finish its batch
    while threading.active_count() > 1 + tinynet.get_num_threads():
        if time.monotonic() > deadline:
            return THREADS_LEFT
        time.sleep(0.001)
    return INTERRUPTED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python warns of threads that a child doesn't have; tinynet starts its own
def test_ctrl_c_at_fifty_moments(tmp_path):
    """The process ends within seconds by KeyboardInterrupt and leaves a whole file or none."""
    rng = random.Random(0)
    ends = []
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            gc.callbacks.clear()  # an interrupt inside of a callback of hypothesis would be lost
            try:
                os.dup2(writing, 3)
                code = until_interrupted(folder)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writing)
        assert os.read(reading, 5) == b"ready"
        os.close(reading)
        time.sleep(rng.uniform(0, 0.08))
        os.kill(pid, signal.SIGINT)
        ends.append(_status(pid, 30))
        assert ends[-1] in (INTERRUPTED, DROPPED), f"interrupt {number}"
        assert os.listdir(folder) in ([], ["run"])
        with contextlib.suppress(FileNotFoundError):
            tinynet.load(folder / "run")
    assert ends.count(DROPPED) <= 5  # 5 of 8,000 in all when it was tried for long


def _status(pid, seconds):
    """The exit code of a child, which is killed if it doesn't end in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "still running"
