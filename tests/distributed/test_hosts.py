"""Ranks on several hosts: the launcher's way to other machines, and a host that is cut off.

The hosts are network namespaces on this machine (hosts.py). The launcher reaches them as it reaches
machines by ssh.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time

import distributed_ranks as ranks_program
import numpy as np
import pytest
from hosts import hosts, why_not
from launcher import ROOT, needs_mpi, on_hosts

import tinynet

NO_HOSTS = why_not()
pytestmark = [pytest.mark.skipif(bool(NO_HOSTS), reason=NO_HOSTS or "it can"), needs_mpi]
LIMIT = 180  # seconds; ranks that share a busy machine are slow, and timing decides no test


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    with hosts(3, tmp_path_factory.mktemp("hosts")) as made:
        yield made


def start(on, count, *arguments, each=1, program=ranks_program.__file__):
    """Start a program on the first hosts, from the first of them, with `each` ranks on each."""
    names = on.names[:count]
    command = on_hosts(on.shell, names, each, on.folder)
    words = map(str, [*command, sys.executable, program, *arguments])
    return subprocess.Popen(
        [on.shell, names[0], f"cd {shlex.quote(str(ROOT))} && {shlex.join(words)}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(run, on):
    """What a job printed, when it has ended by itself and no host runs any of its processes."""
    try:
        said, errors = run.communicate(timeout=LIMIT)
        deadline = time.monotonic() + 15
        while on.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not on.processes(), f"processes are left\n{errors}"
    except subprocess.TimeoutExpired:
        on.kill()
        said, errors = run.communicate()
        raise AssertionError(f"the ranks hang\n{said}\n{errors}") from None
    finally:
        on.kill()
    return said, errors


def succeeds(on, count, *arguments, each=1):
    run = start(on, count, *arguments, each=each)
    said, errors = finish(run, on)
    assert run.returncode == 0, errors
    assert said.count("is done") == count * each, errors


def same(file, model):
    expected = model.state_dict()
    for name, value in tinynet.load(file).items():
        np.testing.assert_allclose(value.array, expected[name].array, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("count", "each"), [(2, 2), (3, 1)])
def test_hosts_train_to_the_weights_of_one(three, tmp_path, count, each):
    succeeds(three, count, "train", tmp_path, each=each)
    ranks = count * each
    shares = [list(ranks_program.batches(ranks, rank, "float64")) for rank in range(ranks)]
    whole = [
        tuple(tinynet.cat(parts) for parts in zip(*step, strict=True))
        for step in zip(*shares, strict=True)
    ]
    tinynet.manual_seed(1)
    model = ranks_program.net("float64")
    ranks_program.train(model, model.parameters(), whole)
    files = [tmp_path / f"float64-{rank}.safetensors" for rank in range(ranks)]
    assert len({file.read_bytes() for file in files}) == 1, "the hosts' weights differ"
    same(files[0], model)


def test_the_example_trains_to_the_weights_of_one_host(three, tmp_path, folder_of_digits):
    digits, weights = folder_of_digits(250, 60), []
    for hosts_of_it, each in ((2, 1), (1, 2)):
        out = tmp_path / f"{hosts_of_it}"
        options = ["--data", digits, "--epochs", 2, "--out", out]
        program = ROOT / "examples/mnist_resumable.py"
        run = start(three, hosts_of_it, *options, each=each, program=program)
        said, errors = finish(run, three)
        assert run.returncode == 0, errors
        assert said.count("test accuracy") == 2, "rank 0 alone reports"
        weights.append((out / "mnist.safetensors").read_bytes())
    assert weights[0] == weights[1]


def cut_off(three, name, run):
    """Pull the host's cable in the middle of the run: how the run ends, and after what time."""
    try:
        for _ in range(5):
            line = run.stdout.readline()
            assert "at work" in line, line + run.stderr.read()
        three.cable(name, "down")
        begin = time.monotonic()
        _, errors = finish(run, three)
        seconds = time.monotonic() - begin
    finally:
        three.cable(name, "up")
    assert run.returncode != 0
    assert "s: it or a network is down; resume without it" in errors, errors
    assert seconds < 30, "MPI alone waits for ever"
    return errors


def test_a_host_that_is_cut_off_ends_the_job(three):
    """It is the launcher's host, so all others are cut off from the launcher and end too."""
    errors = cut_off(three, "host1", start(three, 3, "forever"))
    assert "RuntimeError: barrier: rank " in errors


def test_two_hosts_go_on_where_three_were_cut_apart(three, tmp_path):
    """They come to the weights of one process that nobody stopped."""
    errors = cut_off(three, "host3", start(three, 3, "resume", tmp_path, "slowly"))
    assert "lost host3 (10.77.0.3), silent for" in errors, errors
    steps = tinynet.load(tmp_path / "kept.safetensors")["parts"]["history"]["steps"]
    assert 5 <= steps < ranks_program.RESUMED_STEPS
    succeeds(three, 2, "resume", tmp_path)
    same(tmp_path / "weights.safetensors", ranks_program.resumed())


def test_a_rank_that_computes_for_long_is_not_lost(three):
    succeeds(three, 2, "busy")
