"""A run that is killed goes on to the same bits as one that was not, wherever it was killed.

The kills come at random moments. TINYNET_KILLS=30 kills examples/mnist_resumable.py 30 times
instead of twice.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.transforms import RandomCrop
from tinynet.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, TensorDataset

ROOT = Path(tinynet.__file__).parent.parent


class Augmented(TensorDataset):
    """A data set that draws random numbers, in whatever thread prepares the batch."""

    crop = RandomCrop(6, padding=1)

    def get_batch(self, indices):
        images, labels = super().get_batch(indices)
        return self.crop(images) + 0.1 * tinynet.randn(*images.shape), labels


def data(samples=40):
    rng = np.random.default_rng(3)
    images = tinynet.from_numpy(rng.standard_normal((samples, 1, 6, 6)).astype(np.float32))
    return Augmented(images, tinynet.from_numpy(rng.integers(0, 3, samples)))


class Run:
    """A training run with all that has a state: dropout, batch norm, momentum, schedule, order."""

    def __init__(
        self, path=None, optimizer="Adam", workers=0, generator=None, samples=40, epochs=3
    ):
        tinynet.manual_seed(5)
        self.model = nn.Sequential(
            nn.Conv2d(1, 3, 3),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(48, 3),
        )
        self.optimizer = {
            "Adam": lambda p: optim.Adam(p, 0.01, amsgrad=True),
            "SGD": lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
            "RMSprop": lambda p: optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
        }[optimizer](self.model.parameters())
        self.loader = DataLoader(
            data(samples), 8, shuffle=True, num_workers=workers, generator=generator
        )
        self.scheduler = optim.lr_scheduler.OneCycleLR(
            self.optimizer, 0.05, epochs=epochs, steps_per_epoch=len(self.loader)
        )
        self.progress = {"epoch": 0, "losses": []}
        self.epochs = epochs
        self.checkpoint = tinynet.Checkpoint(
            path or "unused", model=self.model, optimizer=self.optimizer, scheduler=self.scheduler,
            loader=self.loader,
            progress=self.progress,
        )  # fmt: skip

    def steps(self):
        """Train, and stop after each step to let the caller look on."""
        while self.progress["epoch"] < self.epochs:
            self.model.train()
            for x, y in self.loader:
                loss = F.cross_entropy(self.model(x), y)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                self.progress["losses"].append(loss.item())
                yield
            self.progress["epoch"] += 1

    def result(self):
        """All that the run ends with, as bytes."""
        for _ in self.steps():
            pass
        return self.bits()

    def bits(self):
        buffers = [
            v for state in self.optimizer.state_dict()["state"].values() for v in state.values()
        ]
        tensors = [
            *self.model.state_dict().values(),
            *(v for v in buffers if isinstance(v, tinynet.Tensor)),
        ]
        return [t.array.tobytes() for t in tensors], self.progress, tinynet.randn(3).tolist()


@pytest.mark.parametrize(
    ("optimizer", "workers", "own"),
    [("Adam", 0, False), ("SGD", 2, False), ("RMSprop", 0, True), ("SGD", 1, True)],
)
@pytest.mark.parametrize("stop", [1, 4, 5, 6, 14, 15])
def test_a_run_goes_on_to_the_same_bits(tmp_path, optimizer, workers, own, stop):
    def run():
        return Run(
            tmp_path / "run",
            optimizer,
            workers,
            tinynet.Generator().manual_seed(8) if own else None,
        )

    first = run()
    assert not first.checkpoint.restore()
    steps = first.steps()
    for _ in itertools.islice(steps, stop):
        pass
    first.checkpoint.save()
    for _ in steps:
        pass
    expected = first.bits()
    tinynet.randn(7)  # the generator is somewhere else, and so are the weights
    second = run()
    assert second.checkpoint.restore()
    assert second.result() == expected


def test_saving_changes_nothing(tmp_path):
    disturbed = Run(tmp_path / "run")
    for _ in disturbed.steps():
        disturbed.checkpoint.save()
    end = disturbed.bits()
    assert Run().result() == end


def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "run"
    first = Run(path)
    for _ in itertools.islice(first.steps(), 3):
        pass
    first.checkpoint.save()
    other = Run(path, samples=48)
    before = other.bits()
    state = tinynet.default_generator.get_state()
    with pytest.raises(
        ValueError,
        match=r"DataLoader\.load_state_dict: the saved loader had samples 40, this one has 48",
    ):
        other.checkpoint.restore()
    assert tinynet.default_generator.get_state() == state
    assert other.bits()[:2] == before[:2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"w": 1}, "is not a checkpoint but something else that tinynet.save wrote"),
        ([1, 2], "is not a checkpoint but something else"),
        ({"generator": {}, "parts": {"model": {}}}, "has the parts model; this run has progress"),
        ({"generator": {}, "parts": {"progress": 3}}, "progress was saved as a int, not a dict"),
        (
            {"generator": {}, "parts": {"progress": {}}},
            "set_state: this is not the state of a Generator",
        ),
        ({"generator": {}, "parts": 3}, "is not a checkpoint but something else"),
        (
            {"generator": 3, "parts": {"progress": {}}},
            "set_state: this is not the state of a Generator",
        ),
        (
            {
                "generator": {
                    "seed": 1,
                    "spawned": 0,
                    "bit_generator": {
                        "bit_generator": "PCG64",
                        "state": {"state": -1, "inc": 2**200},
                    },
                },
                "parts": {"progress": {}},
            },
            "set_state: this is not the state of a Generator",
        ),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, message):
    tinynet.save(content, tmp_path / "run")
    progress = {"epoch": 4}
    with pytest.raises(ValueError, match=message):
        tinynet.Checkpoint(tmp_path / "run", progress=progress).restore()
    assert progress == {"epoch": 4}


def test_a_part_without_a_state_is_refused(tmp_path):
    with pytest.raises(
        TypeError, match=r"Checkpoint: lr is a float; a part is a dict, or has state_dict\(\)"
    ):
        tinynet.Checkpoint(tmp_path / "run", lr=0.1)


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".run.0123abcd.part").write_bytes(b"half")
    (tmp_path / ".other.0123abcd.part").write_bytes(b"half")
    assert not tinynet.Checkpoint(tmp_path / "run").restore()
    assert os.listdir(tmp_path) == [".other.0123abcd.part"]


# ----------------------------------------------------------------------------- the loader by itself


def indices(loader):
    return [batch.tolist() for (batch,) in loader]


def test_what_another_checkpoint_is_writing_is_left_alone(tmp_path):
    for name in (
        ".run.best.0123abcd.part",
        ".run[1].0123abcd.part",
        ".run1.0123abcd.part",
        ".run.notes.part",
    ):
        (tmp_path / name).touch()
    tinynet.Checkpoint(tmp_path / "run", progress={}).restore()
    assert len(list(tmp_path.iterdir())) == 4
    tinynet.Checkpoint(tmp_path / "run[1]", progress={}).restore()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_checkpoint_through_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "run")
    checkpoint = tinynet.Checkpoint(tmp_path / "link", progress={"epoch": 3})
    checkpoint.save()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "run").is_file()
    (tmp_path / "disk" / ".run.0123abcd.part").touch()
    assert checkpoint.restore()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["run"]


def test_another_name_of_the_file_keeps_the_old_one(tmp_path):
    progress = {"epoch": 1}
    checkpoint = tinynet.Checkpoint(tmp_path / "run", progress=progress)
    checkpoint.save()
    os.link(tmp_path / "run", tmp_path / "kept")
    progress["epoch"] = 2
    checkpoint.save()
    assert [
        tinynet.load(tmp_path / name)["parts"]["progress"]["epoch"] for name in ("kept", "run")
    ] == [1, 2]


def test_two_processes_that_save_to_one_path(tmp_path):
    """Whoever is last wins, and what stands there is always whole."""
    script = """
import sys, tinynet
progress = {"who": int(sys.argv[2]), "content": tinynet.full((20_000,), float(sys.argv[2]))}
checkpoint = tinynet.Checkpoint(sys.argv[1], progress=progress)
for _ in range(40):
    checkpoint.save()
"""
    pair = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "run"), who], cwd=ROOT)
        for who in "12"
    ]
    seen = 0
    while any(process.poll() is None for process in pair):
        if (tmp_path / "run").exists():
            found = tinynet.load(tmp_path / "run")["parts"]["progress"]
            assert (found["content"] == found["who"]).all()
            seen += 1
    assert [process.returncode for process in pair] == [0, 0]
    assert seen
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        {},
        {"batches": 1},
        {"batches": -1, "generator": {}},
        {"batches": 2, "generator": {}},
        {"batches": "2", "generator": {}},
    ],
)
def test_a_state_with_a_wrong_pass_is_refused_at_once(wrong):
    loader = DataLoader(data(), 8)
    with pytest.raises(
        ValueError, match=r"DataLoader\.load_state_dict: pass must say|set_state: this is not"
    ):
        loader.load_state_dict({**loader.state_dict(), "pass": wrong})
    assert len(list(loader)) == 5


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("seen", range(5))
def test_a_loader_goes_on_where_it_was(workers, drop_last, seen):
    def loader():
        return DataLoader(
            TensorDataset(tinynet.arange(11)),
            3,
            shuffle=True,
            num_workers=workers,
            drop_last=drop_last,
        )

    tinynet.manual_seed(1)
    first = loader()
    order = indices(first)
    assert sorted(sum(order, [])) == sorted(set(sum(order, [])))
    tinynet.manual_seed(1)
    first = loader()
    taken = [batch.tolist() for (batch,) in itertools.islice(first, seen)]
    state, generator = first.state_dict(), tinynet.default_generator.get_state()
    tinynet.manual_seed(99)
    second = loader()
    second.load_state_dict(state)
    tinynet.default_generator.set_state(generator)
    if (
        0 < seen <= len(order)
    ):  # of a pass that hasn't begun or is over there is nothing to go on with
        assert taken + indices(second) == order
    tinynet.default_generator.set_state(generator)
    following = indices(second)
    assert len(following) == len(order)


def test_a_pass_that_was_left_early_does_not_spoil_the_next():
    loader = DataLoader(TensorDataset(tinynet.arange(6)), 2)
    for _ in loader:
        break
    assert indices(loader) == [[0, 1], [2, 3], [4, 5]]
    assert loader.state_dict()["pass"] is None


def test_a_sampler_with_a_generator_of_its_own():
    def loader():
        dataset = TensorDataset(tinynet.arange(9))
        sampler = RandomSampler(dataset, generator=tinynet.Generator().manual_seed(2))
        return DataLoader(dataset, batch_sampler=BatchSampler(sampler, 2, False))

    first = loader()
    batches = iter(first)
    next(batches)
    state = first.state_dict()
    rest, then = [b.tolist() for (b,) in batches], indices(first)
    second = loader()
    second.load_state_dict(state)
    assert indices(second) == rest
    assert indices(second) == then


def test_skipped_batches_are_not_fetched():
    class Counting(Dataset):
        asked = 0

        def __len__(self):
            return 8

        def __getitem__(self, index):
            self.asked += 1
            return index

    loader = DataLoader(Counting(), 2)
    loader.load_state_dict(
        {
            **loader.state_dict(),
            "pass": {"generator": tinynet.default_generator.get_state(), "batches": 3},
        }
    )
    assert [b.tolist() for b in loader] == [[6, 7]]
    assert loader.dataset.asked == 2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"samples": 7},
            ValueError,
            "had samples 7, this one has 6; the order of the batches would be another",
        ),
        ({"batch_size": 3}, ValueError, "had batch_size 3, this one has 2"),
        (
            {"generator": {"seed": 1}},
            ValueError,
            "only one of the loaders has a generator of its own",
        ),
        (None, TypeError, r"expected a state_dict\(\) of a loader, got None"),
    ],
)
def test_a_state_of_another_loader_is_refused(change, error, message):
    loader = DataLoader(TensorDataset(tinynet.arange(6)), 2)
    with pytest.raises(error, match=r"DataLoader\.load_state_dict: .*" + message):
        loader.load_state_dict(None if change is None else {**loader.state_dict(), **change})


# ------------------------------------------------------------------------------------------ SIGKILL

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL"
)
# Python warns of threads that a child doesn't have; tinynet starts its own anew.
may_fork = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def _train(path, die_in=None, after=0):
    """In a forked child: train with a checkpoint at each step, to the end or to death in a save."""
    run = Run(path, "SGD", epochs=3)
    run.checkpoint.restore()
    calls = 0
    if die_in:
        real = getattr(os, die_in)

        def mortal(*args):
            nonlocal calls
            calls += 1
            if calls > after:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)

        setattr(os, die_in, mortal)
    for _ in run.steps():
        run.checkpoint.save()
    tinynet.save([[array.hex() for array in run.bits()[0]], run.progress], f"{path}.result")


def _train_until_the_disk_is_full(path):
    run = Run(path, "SGD", epochs=3)
    for number, _ in enumerate(run.steps()):
        if number == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        run.checkpoint.save()


def _fork(*args, function=_train):
    # from a child process that does nothing but this: it never comes back into pytest
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
            os._exit(0)
        finally:
            os._exit(1)
    return pid


@needs_fork
@may_fork
def test_thirty_kills_lose_nothing(tmp_path):
    """SIGKILL at 30 moments, 10 of them while a checkpoint is written: one can always be loaded."""
    rng = random.Random(0)
    _, status = os.waitpid(_fork(str(tmp_path / "whole")), 0)
    assert status == 0
    expected = (tmp_path / "whole.result").read_bytes()
    duration = math.inf  # of the quickest of three runs, so that most runs live until their kill
    for number in range(3):
        start = time.perf_counter()
        os.waitpid(_fork(str(tmp_path / f"timed{number}")), 0)
        duration = min(duration, time.perf_counter() - start)

    killed = number = 0
    while killed < 30:
        number += 1
        path = tmp_path / f"run{number}"
        for _ in range(4):  # one run dies several times
            if killed % 3 == 2:
                pid = _fork(str(path), rng.choice(["fsync", "replace"]), rng.randrange(14))
            else:
                pid = _fork(str(path))
                time.sleep(rng.uniform(0, duration))
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if status == 0:
                break
            assert os.WTERMSIG(status) == signal.SIGKILL
            killed += 1
            if path.exists():
                tinynet.load(path)
        _, status = os.waitpid(_fork(str(path)), 0)
        assert status == 0
        assert (tmp_path / f"run{number}.result").read_bytes() == expected
    # what a killed save() of the result left is not the checkpoint's to remove
    assert [
        name
        for name in os.listdir(tmp_path)
        if re.fullmatch(rf"\.run{number}\.[0-9a-f]{{8}}\.part", name)
    ] == []


@needs_fork
@may_fork
def test_a_full_disk_loses_nothing(tmp_path):
    for name, functions in (("whole", [_train]), ("full", [_train_until_the_disk_is_full, _train])):
        for function in functions:
            _, status = os.waitpid(_fork(str(tmp_path / name), function=function), 0)
            assert os.WEXITSTATUS(status) == (function is not _train)  # OSError: File too large
            assert name == "whole" or tinynet.load(tmp_path / name)["parts"]["progress"][
                "epoch"
            ] == (1 if function is not _train else 2)
    assert (tmp_path / "full.result").read_bytes() == (tmp_path / "whole.result").read_bytes()


# ---------------------------------------------------------------------- examples/mnist_resumable.py


@pytest.fixture(scope="module")
def few_digits(folder_of_digits):
    return folder_of_digits(320, 100)


def mnist(folder, out, *more):
    command = [
        sys.executable,
        str(ROOT / "examples/mnist_resumable.py"),
        "--data",
        str(folder),
        "--epochs",
        "2",
        "--out",
        str(out),
        *more,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, few_digits):
    """A folder with the weights and the checkpoint of a run never stopped; and its seconds."""
    folder = tmp_path_factory.mktemp("whole")
    start = time.perf_counter()
    run = mnist(few_digits, folder, "--checkpoint", str(folder / "kept"))
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    return folder, time.perf_counter() - start


@needs_fork
def test_the_mnist_example_is_killed_and_goes_on(tmp_path, few_digits, whole_run):
    options = ["--checkpoint", str(tmp_path / "kept"), "--checkpoint-every", "1", "--resume"]
    rng = random.Random(1)
    for _ in range(int(os.environ.get("TINYNET_KILLS", "2"))):
        run = mnist(few_digits, tmp_path / "out", *options)
        time.sleep(rng.uniform(0.3, 1) * whole_run[1])
        run.kill()
        run.communicate()
        for file in (tmp_path / "kept").glob("mnist.safetensors"):
            assert tinynet.load(file)["parts"]["history"]["steps"] > 0
    run = mnist(few_digits, tmp_path / "out", *options)
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    assert (tmp_path / "out/mnist.safetensors").read_bytes() == (
        whole_run[0] / "mnist.safetensors"
    ).read_bytes()
    assert (tmp_path / "kept/mnist.safetensors").read_bytes() == (
        whole_run[0] / "kept/mnist.safetensors"
    ).read_bytes()
    assert os.listdir(tmp_path / "kept") == ["mnist.safetensors"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "exists: go on from it with --resume, or choose another folder"),
        (["--resume", "--lr", "0.01"], "the checkpoint was made with {'epochs': 2"),
    ],
)
def test_the_mnist_example_says_what_does_not_fit(tmp_path, few_digits, whole_run, more, message):
    run = mnist(few_digits, tmp_path, "--checkpoint", str(whole_run[0] / "kept"), *more)
    _, errors = run.communicate()
    assert message in errors
    assert run.returncode == 2
