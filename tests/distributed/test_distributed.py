"""Several ranks train as one: the same weights, gradients that are averaged whatever is used, and
no wait without end.

Real ``mpiexec`` processes run distributed_ranks.py, on this machine; every run has a time limit
that only a hang reaches.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import distributed_ranks as ranks_program
import numpy as np
import pytest
from launcher import ENVIRONMENT, MPIEXEC, OPEN_MPI, ROOT, needs_mpi

import tinynet
from tinynet import distributed, nn
from tinynet.distributed import ReduceOp
from tinynet.nn.parallel import DistributedDataParallel
from tinynet.utils.data import DataLoader, DistributedSampler, TensorDataset

LIMIT = 180  # seconds; ranks that share a busy machine are slow, and timing decides no test


def start(ranks, *command, **environment):
    return subprocess.Popen(
        [str(MPIEXEC), "-n", str(ranks), sys.executable, *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **ENVIRONMENT, **environment},
    )  # fmt: skip


def finish(run, limit=LIMIT):
    """What a job printed, when it has ended by itself."""
    try:
        said, errors = run.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        run.terminate()  # mpiexec takes its ranks along
        said, errors = run.communicate()
        raise AssertionError(f"the ranks hang\n{said}\n{errors}") from None
    return said, errors


def job(ranks, scenario, *arguments, **environment):
    run = start(ranks, Path(ranks_program.__file__), scenario, *arguments, **environment)
    said, errors = finish(run)
    return run.returncode, said, errors


def succeeds(ranks, *command, **environment):
    status, said, errors = job(ranks, *command, **environment)
    assert status == 0, errors
    assert sorted(re.findall(r"rank \d is done", said)) == [
        f"rank {r} is done" for r in range(ranks)
    ], errors


@pytest.fixture
def alone():
    """A world of one, in this process."""
    distributed.init_process_group()
    yield
    distributed.destroy_process_group()


# ---------------------------------------------------------------------------------------- the same
# mathematics


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_ranks_end_at_the_weights_of_one_process(ranks, tmp_path):
    """Twenty steps at batch B/k on k ranks, and at batch B in this process, which knows nothing of
    ranks but who gets which samples.
    """
    succeeds(ranks, "train", tmp_path)
    for dtype, tolerance in (("float64", 1e-13), ("float32", 2e-5)):
        shares = [list(ranks_program.batches(ranks, rank, dtype)) for rank in range(ranks)]
        assert len(shares[0]) == ranks_program.STEPS
        whole = [
            tuple(tinynet.cat(parts) for parts in zip(*step, strict=True))
            for step in zip(*shares, strict=True)
        ]
        assert {len(x) for x, _ in whole} > {ranks_program.BATCH}, (
            "the last batches should be smaller"
        )
        tinynet.manual_seed(1)
        model = ranks_program.net(dtype)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        ranks_program.train(model, model.parameters(), whole)
        files = [tmp_path / f"{dtype}-{rank}.safetensors" for rank in range(ranks)]
        assert len({file.read_bytes() for file in files}) == 1, "the ranks' weights differ"
        for name, value in tinynet.load(files[0]).items():
            np.testing.assert_allclose(
                value.array, model.state_dict()[name].array, rtol=tolerance, atol=tolerance
            )
            assert abs(value.array - before[name].array).max() > 1e-3, "it did not learn"


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_ranks_together_take_the_batches_of_one(ranks):
    data = TensorDataset(tinynet.arange(96))

    def batches(of, rank, epoch):
        sampler = DistributedSampler(data, of, rank, seed=3)
        sampler.set_epoch(epoch)
        return [batch.tolist() for (batch,) in DataLoader(data, 12 // of, sampler=sampler)]

    for epoch in (0, 5):
        together = zip(*(batches(ranks, rank, epoch) for rank in range(ranks)), strict=True)
        assert [sorted(sum(step, [])) for step in together] == [
            sorted(batch) for batch in batches(1, 0, epoch)
        ]


@needs_mpi
def test_batch_norm_keeps_the_averages_of_rank_0(tmp_path):
    """Normalised by each rank's own batch; the running averages are rank 0's, as they were before
    the last pass, on the other ranks.
    """
    succeeds(3, "batch_norm", tmp_path)
    model = nn.BatchNorm1d(3)
    passes = []
    for step in range(3):
        model(
            tinynet.from_numpy(
                np.random.default_rng([step, 0]).standard_normal((6, 3)).astype(np.float32)
            )
        )
        passes.append(model.running_mean.array.copy())
    files = [tinynet.load(tmp_path / f"{rank}.safetensors") for rank in range(3)]
    np.testing.assert_allclose(files[0]["module.0.running_mean"].array, passes[-1], rtol=1e-6)
    for rank in (1, 2):
        own = np.random.default_rng([2, rank]).standard_normal((6, 3)).astype(np.float32) * (
            rank + 1
        )
        expected = 0.9 * passes[1] + 0.1 * own.mean(0)
        np.testing.assert_allclose(files[rank]["module.0.running_mean"].array, expected, rtol=1e-5)
        assert files[rank]["module.0.num_batches_tracked"] == 3


# ------------------------------------------------------------------------------------- collectives
# and gradients


@needs_mpi
@pytest.mark.parametrize("ranks", [3, 4])
def test_collectives(ranks):
    succeeds(ranks, "collectives")


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 3])
def test_gradients_are_averaged_whatever_each_rank_uses(ranks):
    succeeds(ranks, "gradients")


@needs_mpi
@pytest.mark.parametrize("aware", ["0", "1"])
def test_on_a_gpu(aware):
    """On the stand-in for cupy: through the host, or handed to MPI as they are."""
    succeeds(2, "gpu", TINYNET_CUDA_AWARE_MPI=aware)


@needs_mpi
def test_ranks_share_the_cores():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    environment = {"OMP_NUM_THREADS": ""}
    succeeds(2, "threads", max(1, cores // 2), **environment)
    succeeds(2, "threads", 1, OMP_NUM_THREADS="1")
    succeeds(3, "threads", "chosen", **environment)


# --------------------------------------------------------------------------------------------------
# failures

ENDS = (
    "came to the end of the program without taking part; all ranks must do the same number of steps"
)


@needs_mpi
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("raise",
        r"rank 2 of 3 raised, which ends all ranks:\nTraceback .*\nValueError: bad sample 17\n"),
        ("raise in backward", r"rank 2 of 3 raised(.|\n)*ZeroDivisionError"),
        ("thread",
            r"KeyError: 'no such key'\na thread of rank 2 of 3 raised, which ends all ranks"),
        ("exit", rf"rank [01] waits for rank 2, which {ENDS}"),
        ("exit quietly", rf"rank [01] waits for rank 2, which {ENDS}"),
        ("fewer steps", rf"rank [01] waits for rank 2, which {ENDS}"),
        ("stop", r"rank 2 of 3 raised, which ends all ranks:\nTraceback .*\nKeyboardInterrupt\n"),
        ("kill", ""),
        ("sleep",
        r"after 2 s rank [01] still waits for another rank; .* init_process_group\(timeout=...\) "
        r"sets the limit"),
        ("another model",
        r"the model of rank 2 is not that of rank 0: it has 0.weight, \(7, 3\) float32, learned, "
        r"where rank 0 has 0.weight, \(5, 3\)"),
        ("one more layer",
        r"the model of rank 2 is not that of rank 0: it has more.weight, \(2, 2\) float32, "
        r"learned, where rank 0 has nothing more"),
        ("shapes",
        r"all_reduce: the ranks don't do the same, but rank 0: all_reduce of \(3,\) float32, SUM;"
        r" .*; rank 2: all_reduce of \(100003,\)"),
        ("another call",
        r"don't do the same, but rank 0: barrier; rank 1: barrier; rank 2: broadcast of \(1,\) "
        r"float32 from rank 1"),
    ],
)  # fmt: skip
def test_a_rank_that_fails_ends_the_job(what, message):
    start = time.perf_counter()
    status, said, errors = job(3, "failure", what)
    assert status != 0
    assert ("rank 2 is done" in said) == (what == "fewer steps")
    assert re.search(re.sub(r"Traceback \.\*\\n", r"Traceback (.|\\n)*", message), errors), errors
    assert time.perf_counter() - start < 40


@needs_mpi
def test_a_rank_that_fails_before_there_is_a_group():
    """Nobody knows of it yet; the others don't wait longer than they were told to."""
    status, _, errors = job(3, "early")
    assert status != 0
    assert "ValueError: no such file" in errors
    if not OPEN_MPI:  # whose launcher notices it, and ends the others at once
        assert "Timeout (0:00:02)!" in errors
        assert "in init_process_group" in errors


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc and TCP_INFO")
def test_looking_at_connections_leaves_them_as_they_are():
    """A rank that waits looks once a second, at every open file of the process."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as one,
        server.accept()[0] as other,
    ):
        one.settimeout(5)
        files = os.listdir("/proc/self/fd")
        for _ in range(3):
            found = list(distributed.group._connections({"127.0.0.1": "here"}))
            assert ("127.0.0.1", "127.0.0.1", 0.0) in found
        assert os.listdir("/proc/self/fd") == files
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        other.sendall(b"still open")
        assert one.recv(10) == b"still open"


@needs_mpi
def test_the_status_of_a_job_that_ends_well():
    status, _, errors = job(3, "all_exit")
    assert status == 4, errors


@needs_mpi
def test_ctrl_c_ends_the_job():
    run = start(3, Path(ranks_program.__file__), "forever")
    assert run.stdout is not None
    assert "at work" in run.stdout.readline()
    run.send_signal(signal.SIGINT)
    finish(run, 30)
    assert run.returncode != 0


# ----------------------------------------------------------------------------------------- with and
# without MPI


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", "from tinynet import distributed\n" + code], capture_output=True,
        text=True, timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


MISSING = "import sys; sys.modules['mpi4py'] = sys.modules['mpi4py.MPI'] = None\n"


def test_one_rank_needs_no_mpi():
    run = python(
        MISSING
        + "distributed.init_process_group(); print(distributed.get_rank(), "
          "distributed.get_world_size())"
    )
    assert run.stdout == "0 1\n", run.stderr


@pytest.mark.parametrize(
    "variable", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"]
)
def test_several_ranks_without_mpi4py(variable):
    run = python(MISSING + "distributed.init_process_group()", **{variable: "4"})
    assert (
        "RuntimeError: init_process_group: 4 ranks were started, which needs mpi4py and an MPI ("
        in run.stderr
    )
    assert "pip install 'tinynet-cnn[distributed]' brings both" in run.stderr
    assert run.returncode == 1


def test_mpi_by_name_without_mpi4py():
    run = python(MISSING + "distributed.init_process_group('mpi')")
    assert (
        "RuntimeError: init_process_group: MPI was asked for, which needs mpi4py and an MPI ("
        in run.stderr
    )


@needs_mpi
def test_a_launcher_of_another_mpi_is_noticed():
    run = python("distributed.init_process_group()", OMPI_COMM_WORLD_SIZE="2")
    assert re.search(
        r"the launcher started 2 ranks, but MPI \(.+\) sees only one, because the two belong to "
        r"different MPIs",
        run.stderr,
    ), run.stderr
    assert run.returncode == 1


def test_a_world_of_one(alone):
    t = tinynet.tensor([1.0, 2.0])
    assert distributed.all_reduce(t) is None
    work = distributed.all_reduce(t, ReduceOp.AVG, async_op=True)
    assert work.is_completed()
    assert work.wait()
    assert distributed.broadcast(t, 0) is None
    distributed.barrier()
    assert t.tolist() == [1, 2]
    assert distributed.is_initialized()
    assert sys.excepthook is sys.__excepthook__ or "distributed" not in sys.excepthook.__module__


def test_a_wrapped_model_in_a_world_of_one(alone):
    tinynet.manual_seed(2)
    plain = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    tinynet.manual_seed(2)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    x = tinynet.randn(5, 3)
    with model.no_sync():
        model(x).square().sum().backward()
    plain(x).square().sum().backward()
    for (name, p), q in zip(plain.named_parameters(), model.parameters(), strict=True):
        assert (p.grad == q.grad).all(), name
    assert list(model.state_dict()) == [f"module.{name}" for name in plain.state_dict()]
    model.eval()
    assert not model.module.training


def test_before_there_is_a_group():
    assert not distributed.is_initialized()
    for call in (
        distributed.get_rank, distributed.get_world_size, distributed.barrier,
        distributed.destroy_process_group,
        lambda: distributed.all_reduce(tinynet.ones(1)),
        lambda: distributed.broadcast(tinynet.ones(1), 0),
        lambda: DistributedDataParallel(nn.Linear(1, 1)), lambda: DistributedSampler(range(3)),
    ):  # fmt: skip
        with pytest.raises(
            ValueError,
            match=r"^\w+: there is no group of processes; call "
                  r"tinynet.distributed.init_process_group\(\) first",
        ):
            call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: distributed.init_process_group(),
            ValueError,
            "init_process_group: it was called before; call destroy",
        ),
        (
            lambda: distributed.all_reduce([1.0]),
            TypeError,
            "all_reduce: tensor must be a tensor, got list",
        ),
        (
            lambda: distributed.all_reduce(tinynet.ones(1), "sum"),
            TypeError,
            "all_reduce: op must be one of ReduceOp.SUM, PRODUCT, .* got 'sum'",
        ),
        (
            lambda: distributed.all_reduce(tinynet.ones(1) > 0),
            TypeError,
            "all_reduce: bool tensors can't be added up; convert with",
        ),
        (
            lambda: distributed.all_reduce(tinynet.arange(2), ReduceOp.AVG),
            TypeError,
            "AVG is for floating-point tensors, this one is int64",
        ),
        (
            lambda: distributed.all_reduce(tinynet.ones(1), async_op=1),
            TypeError,
            "all_reduce: async_op must be True or False, got 1",
        ),
        (
            lambda: distributed.broadcast(tinynet.ones(1), 1),
            ValueError,
            "broadcast: src, a rank, must be an int from 0 to 0, got 1",
        ),
        (
            lambda: distributed.broadcast(None, 0),
            TypeError,
            "broadcast: tensor must be a tensor, got NoneType",
        ),
        (
            lambda: DistributedDataParallel("net"),
            TypeError,
            "DistributedDataParallel: expected a module, got str",
        ),
        (
            lambda: DistributedDataParallel(nn.ReLU()),
            RuntimeError,
            "no parameter of the module requires grad",
        ),
        (
            lambda: DistributedDataParallel(nn.Linear(1, 1), broadcast_buffers=1),
            TypeError,
            "broadcast_buffers must be True or False, got 1",
        ),
        (
            lambda: DistributedDataParallel(nn.Linear(1, 1), bucket_cap_mb=0),
            ValueError,
            "bucket_cap_mb must be a positive number or None, got 0",
        ),
    ],
)
def test_wrong_arguments_are_named(alone, call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "nccl"}, "the one backend is 'mpi', got 'nccl'"),
        ({"timeout": 3}, "timeout must be a positive datetime.timedelta, got 3"),
    ],
)
def test_wrong_arguments_of_init(options, message):
    with pytest.raises(ValueError, match=f"init_process_group: {message}"):
        distributed.init_process_group(**options)


def test_nothing_of_mpi_is_imported_before_it_is_needed():
    code = (
        "import sys, tinynet; tinynet.utils.data; "
        "print([m for m in sys.modules if m.startswith('mpi') or 'distributed' in m])"
    )
    assert python(code.replace("import sys", "pass; import sys")).returncode == 0
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.stdout == "[]\n"


# -----------------------------------------------------------------------------------------------
# DistributedSampler


@pytest.mark.parametrize(
    ("length", "replicas"), [(10, 2), (10, 3), (11, 4), (2, 5), (1, 3), (7, 1)]
)
@pytest.mark.parametrize("drop_last", [False, True])
def test_shares_are_pytorchs(torch, length, replicas, drop_last):
    theirs_sampler = torch.utils.data.DistributedSampler
    for rank in range(replicas):
        given = (range(length), replicas, rank, False, 0, drop_last)
        ours, theirs = DistributedSampler(*given), theirs_sampler(*given)
        assert list(ours) == list(theirs)
        assert len(ours) == len(theirs)
        assert (ours.num_samples, ours.total_size) == (theirs.num_samples, theirs.total_size)


def test_what_a_data_set_draws_differs_between_the_ranks():
    class Noise(TensorDataset):
        def get_batch(self, indices):
            return tinynet.rand(len(indices), 3)

    def drawn(replicas, rank):
        tinynet.manual_seed(0)
        data = Noise(tinynet.zeros(24))
        loader = DataLoader(
            data, 4, sampler=DistributedSampler(data, replicas, rank), num_workers=rank % 2
        )
        return [tuple(batch.flatten().tolist()) for batch in loader]

    batches = [batch for rank in range(3) for batch in drawn(3, rank)]
    assert len(set(batches)) == len(batches) == 6
    assert drawn(3, 1) == drawn(3, 1)


@pytest.mark.parametrize("drop_last", [False, True])
def test_each_epoch_has_an_order_of_its_own(drop_last):
    def epoch(number, seed=0):
        samplers = [
            DistributedSampler(range(23), 4, rank, seed=seed, drop_last=drop_last)
            for rank in range(4)
        ]
        for sampler in samplers:
            sampler.set_epoch(number)
        assert list(samplers[0]) == list(samplers[0])
        return [list(sampler) for sampler in samplers]

    orders = [epoch(0), epoch(1), epoch(0, seed=7)]
    assert all(a != b for a, b in itertools.combinations(orders, 2))
    for order in orders:
        assert [len(share) for share in order] == [5 if drop_last else 6] * 4
        dealt = [index for step in zip(*order, strict=True) for index in step]
        assert len(set(dealt)) == (20 if drop_last else 23)
        if not drop_last:
            assert dealt[23:] == dealt[:1], "it is filled up from the start"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((range(3), 2, 2), "rank must be an int from 0 to 1, got 2"),
        ((range(3), 0, 0), "num_replicas must be an int from 1 up, got 0"),
        ((range(3), 2, -1), "rank must be an int from 0 to 1, got -1"),
        ((range(3), 2, 0, True, 0.5), "seed must be an int from 0 up, got 0.5"),
    ],
)
def test_wrong_shares_are_named(arguments, message):
    kind = TypeError if message.endswith("got 0.5") else ValueError
    with pytest.raises(kind, match=f"DistributedSampler: {message}"):
        DistributedSampler(*arguments)
    with pytest.raises(
        ValueError, match=r"DistributedSampler.set_epoch: epoch must be an int from 0 up, got -1"
    ):
        DistributedSampler(range(3), 1, 0).set_epoch(-1)


@pytest.mark.parametrize(
    ("before", "after", "taken", "left"),
    [(2, 4, 3, 12), (4, 1, 2, 24), (1, 3, 4, 0), (3, 2, 1, 36)],
)
def test_a_loader_goes_on_with_another_number_of_ranks(before, after, taken, left):
    data = TensorDataset(tinynet.arange(48))

    def loader(ranks, rank):
        return DataLoader(data, 12 // ranks, sampler=DistributedSampler(data, ranks, rank))

    first = loader(before, 0)
    for _ in itertools.islice(first, taken):
        pass
    state = first.state_dict()
    whole = [batch.tolist() for (batch,) in loader(1, 0)]
    rest: list[int] = []
    for rank in range(after):
        second = loader(after, rank)
        second.load_state_dict(state)
        rest += sum((batch.tolist() for (batch,) in second), [])
    assert len(rest) == left
    assert sorted(rest) == sorted(sum(whole[taken:], []))


def test_a_loader_goes_on_with_another_batch():
    """Sixteen a rank were 48, and 22 are 44: 96 samples are two of these and not quite a third."""
    data = TensorDataset(tinynet.arange(200))
    first = DataLoader(data, 16, sampler=DistributedSampler(data, 3, 0, shuffle=False))
    for _ in itertools.islice(first, 2):
        pass
    second = DataLoader(data, 22, sampler=DistributedSampler(data, 2, 1, shuffle=False))
    second.load_state_dict(first.state_dict())
    assert next(iter(second))[0].tolist() == list(range(89, 132, 2))


# ---------------------------------------------------------------------------------------------- the
# example


@pytest.fixture(scope="module")
def digits(folder_of_digits):
    return folder_of_digits(250, 60)


def mnist(ranks, digits, folder, *more):
    return start(
        ranks,
        ROOT / "examples/mnist_resumable.py",
        "--data",
        digits,
        "--epochs",
        2,
        "--out",
        folder / "out",
        *more,
    )


def weights(folder):
    return (folder / "out/mnist.safetensors").read_bytes()


@needs_mpi
def test_the_example_is_killed_and_goes_on_with_other_ranks(tmp_path, digits):
    options = ["--checkpoint-every", 1, "--resume", "--checkpoint"]
    whole = mnist(2, digits, tmp_path / "whole", *options, tmp_path / "whole/kept")
    said, errors = finish(whole)
    assert whole.returncode == 0, errors
    assert len(re.findall(r"^epoch \d: test accuracy", said, re.MULTILINE)) == 2, (
        "rank 0 alone reports"
    )
    assert errors.count("MNIST: using") == 2
    assert "epoch 2/2: 100%" in errors
    assert sorted(os.listdir(tmp_path / "whole/out")) == ["mnist.png", "mnist.safetensors"]

    killed = mnist(2, digits, tmp_path / "killed", *options, tmp_path / "killed/kept")
    deadline = time.monotonic() + LIMIT
    while not (tmp_path / "killed/kept/mnist.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    shutil.copytree(tmp_path / "killed", tmp_path / "fewer")
    assert (
        0
        < tinynet.load(tmp_path / "killed/kept/mnist.safetensors")["parts"]["history"]["steps"]
        < 8
    )

    for ranks, name in ((2, "killed"), (1, "fewer")):
        run = mnist(ranks, digits, tmp_path / name, *options, tmp_path / name / "kept")
        said, errors = finish(run)
        assert run.returncode == 0, errors
        assert said.startswith("going on after step"), said
        kept = [
            tinynet.load(tmp_path / folder / "kept/mnist.safetensors")["parts"]["history"]
            for folder in ("whole", name)
        ]
        assert [history["steps"] for history in kept] == [8, 8]
        assert [history["seen"] for history in kept] == [500, 500]
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole"), (
        "as many ranks go on to the same bits"
    )
