"""What the ranks run in test_distributed.py: ``mpiexec -n 4 python distributed_ranks.py SCENARIO
[ARGUMENTS]``.

What is wrong on a rank is an AssertionError there, which takes the job down with its traceback.
"""

from __future__ import annotations

import collections
import os
import signal
import sys
import threading
import time
import weakref
from datetime import timedelta

import numpy as np

import tinynet
import tinynet.nn.functional as F
from tinynet import distributed, nn, optim
from tinynet.distributed import ReduceOp
from tinynet.nn.parallel import DistributedDataParallel
from tinynet.utils.data import DataLoader, DistributedSampler, TensorDataset

SAMPLES, BATCH, STEPS = (
    103,
    12,
    20,
)  # nothing divides evenly: 103 samples, 9 batches and not quite one more


def data(dtype):
    rng = np.random.default_rng(0)
    images = rng.standard_normal((SAMPLES, 2, 7, 6)).astype(dtype)
    return TensorDataset(
        tinynet.from_numpy(images), tinynet.from_numpy(rng.integers(0, 3, SAMPLES))
    )


def net(dtype):
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 3),
    ).to(dtype)


def batches(ranks, rank, dtype):
    """The first STEPS batches of one rank of so many."""
    sampler = DistributedSampler(data(dtype), ranks, rank, seed=4)
    loader = DataLoader(data(dtype), BATCH // ranks, sampler=sampler)
    taken = 0
    for epoch in range(STEPS):
        sampler.set_epoch(epoch)
        for batch in loader:
            if taken == STEPS:
                return
            taken += 1
            yield batch


def train(model, parameters, samples):
    optimizer = optim.SGD(parameters, 0.1, momentum=0.9, weight_decay=1e-3)
    for x, y in samples:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def scenario_train(folder):
    """Twenty steps, in both precisions; the weights go into a file for each rank."""
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    for dtype in ("float32", "float64"):
        tinynet.manual_seed(1 + rank)  # the weights of rank 0 count
        model = DistributedDataParallel(net(dtype), bucket_cap_mb=0.0005)
        train(model, model.parameters(), batches(ranks, rank, dtype))
        tinynet.save(model.module.state_dict(), f"{folder}/{dtype}-{rank}.safetensors")


def scenario_collectives():
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    everyone = range(ranks)
    for dtype in ("float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64"):
        for op, expected in (
            (ReduceOp.SUM, sum), (ReduceOp.MAX, max), (ReduceOp.MIN, min), (ReduceOp.PRODUCT,
            np.prod),
            *([(ReduceOp.AVG, lambda values: sum(values) / ranks)] if "float" in dtype else []),
        ):  # fmt: skip
            t = tinynet.tensor(
                [[rank + 1, 2, 3], [1, rank + 2, 0]], dtype=dtype
            ).T  # not contiguous
            assert distributed.all_reduce(t, op) is None
            assert str(t.dtype) == dtype
            numbers = [[[r + 1, 1], [2, r + 2], [3, 0]] for r in everyone]
            np.testing.assert_allclose(
                t.array,
                [[expected([n[i][j] for n in numbers]) for j in (0, 1)] for i in (0, 1, 2)],
                rtol=1e-3,
            )
    for value in (rank + 0.5, rank, rank % 2 == 0):
        for src in everyone:
            t = tinynet.tensor(value)
            distributed.broadcast(t, src)
            assert t.item() == type(value)(
                (src + 0.5, src, src % 2 == 0)[(float, int, bool).index(type(value))]
            )
    empty = tinynet.zeros(0, 3)
    distributed.all_reduce(empty)
    distributed.broadcast(empty)
    # several at once, waited for in another order
    a, b = tinynet.full((50_000,), float(rank)), tinynet.full((3,), float(rank))
    first, second = (
        distributed.all_reduce(a, async_op=True),
        distributed.broadcast(b, ranks - 1, async_op=True),
    )
    assert second.wait()
    assert first.wait()
    assert first.is_completed()
    assert (a == sum(everyone)).all()
    assert (b == ranks - 1).all()
    # a parameter, and a value that a graph needs: written in place, and backward notices
    p = tinynet.ones(2, requires_grad=True)
    y = (p * p).sum()
    distributed.all_reduce(p)
    assert p.requires_grad and p.is_leaf and p.tolist() == [ranks, ranks]
    if ranks > 1:
        try:
            y.backward()
        except RuntimeError as error:
            assert "copy_ changed that in place" in str(error), error
        else:
            raise AssertionError("a changed value went unnoticed")
    # nobody passes before all have come
    if rank == ranks - 1:
        time.sleep(0.2)
        arrived = time.time()
    else:
        arrived = 0.0
    distributed.barrier()
    passed = tinynet.tensor(time.time(), dtype="float64")
    arrived = tinynet.tensor(arrived, dtype="float64")
    distributed.broadcast(arrived, ranks - 1)
    assert passed >= arrived
    # the group can be left and joined again
    distributed.destroy_process_group()
    assert not distributed.is_initialized()
    distributed.init_process_group("mpi", timeout=timedelta(minutes=2))
    assert distributed.get_rank() == rank


def scenario_threads(expected):
    if expected == "chosen":
        distributed.destroy_process_group()
        tinynet.set_num_threads(7)
        distributed.init_process_group()
        expected = 7
    assert tinynet.get_num_threads() == int(expected), tinynet.get_num_threads()


def scenario_gpu():
    """The same numbers as on the CPU, on the strict stand-in for cupy, and no more transfers than
    there are buckets.
    """
    # An MPI that knows GPUs writes to their memory. That of the stand-in is the host's.
    start = distributed.Group.start
    given = []

    def aware_start(group, what, comm, buffer, *more, **options):
        given.append(hasattr(buffer, "_host"))
        return start(group, what, comm, getattr(buffer, "_host", buffer), *more, **options)

    distributed.Group.start = aware_start
    import gpu_kernels
    import strict_cupy

    strict_cupy.reference_kernels.update(gpu_kernels.references())
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    aware = os.environ["TINYNET_CUDA_AWARE_MPI"] == "1"
    with strict_cupy.install():
        ended = []
        for device in ("cpu", "cuda"):
            t = tinynet.full((3, 2), rank + 1.0, device=device)
            distributed.all_reduce(t.T)
            distributed.broadcast(t[0], ranks - 1)
            assert t.device.type == device and (t == ranks * (ranks + 1) / 2).all()
            half = tinynet.full((3,), rank + 1.0, dtype="float16", device=device)
            distributed.all_reduce(half, ReduceOp.AVG)
            assert half.tolist() == [(ranks + 1) / 2] * 3
            tinynet.manual_seed(rank)
            model = nn.Sequential(
                nn.Conv2d(2, 3, 3),
                nn.BatchNorm2d(3),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(3 * 5 * 4, 3),
            ).to(device)
            model = DistributedDataParallel(model, bucket_cap_mb=5e-4)
            samples = [(x.to(device), y.to(device)) for x, y in batches(ranks, rank, "float32")][:4]
            with strict_cupy.counting() as counts:
                train(model, model.parameters(), samples)
            if device == "cuda":
                assert len(model._reducer.buckets) == 2
                steps = len(samples)
                if aware:  # down: who used which gradients
                    assert counts.downloads == 2 * steps
                    assert counts.waits >= 4 * steps, (
                        "MPI reads what the GPU may not have written yet"
                    )
                else:
                    # two buckets, and the buffers of two types, from rank 0 to the other
                    assert counts.downloads == 4 * steps
                assert any(given) == aware
            ended.append([v.cpu().numpy() for v in model.state_dict().values()])
        for a, b in zip(*ended, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def scenario_forever():
    while True:
        distributed.barrier()
        print("at work", flush=True)
        time.sleep(0.05)


def averages(model, grads):
    """The gradients that these, one list per parameter with an entry per rank, should lead to."""
    for p, each in zip(model.parameters(), grads, strict=True):
        if each is None:
            assert p.grad is None
        else:
            np.testing.assert_allclose(p.grad.array, np.mean(np.array(each), 0), rtol=1e-6)


class Branches(nn.Module):
    """Uses `a`, `b`, both or neither; `c` never."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(tinynet.tensor([n, 1.0])) for n in (1.0, 2.0, 3.0))
        self.register_buffer("seen", tinynet.zeros(()))

    def forward(self, x, which):
        self.seen += 1
        result = x.sum() * 0 + (x.detach() * 1).sum()
        for name in which:
            result = result + (getattr(self, name) * x).sum()
        return result


def scenario_gradients():
    """Everything of DistributedDataParallel but plain training; for 2 or more ranks."""
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    everyone = range(ranks)

    def x(r=rank):
        return tinynet.tensor([r + 1.0, 10.0 * r])

    model = DistributedDataParallel(Branches(), bucket_cap_mb=1e-6)  # a bucket for each
    assert len(model._reducer.buckets) == 3
    assert list(model.state_dict()) == ["module.a", "module.b", "module.c", "module.seen"]

    # parameters that some ranks don't use count as zero there; those that none used are left alone
    for _ in range(3):
        model.zero_grad()
        model(x().requires_grad_(), "a" if rank == 0 else "b").backward()
        own = [[r + 1.0, 10.0 * r] for r in everyone]
        averages(model, [[own[0]] + [[0, 0]] * (ranks - 1), [[0, 0], *own[1:]], None])
    # in another order on each rank
    model.zero_grad()
    model(x(), "abc" if rank else "cba").backward()
    averages(model, [own, own, own])
    # what is there already is averaged along, and a second pass adds to it
    model(x(), "a").backward()
    model(x(), "b").backward()
    averages(model, [2 * np.array(own), 2 * np.array(own), own])

    # accumulated alone, averaged once; what only the passes before used is averaged too
    model.zero_grad()
    begun = distributed.current_group("").count
    with model.no_sync():
        model(x(), "a").backward()
        with model.no_sync():
            model(x(), "ab").backward()
        assert model.module.b.grad.tolist() == [rank + 1.0, 10.0 * rank]
    assert distributed.current_group("").count == begun
    model(x(), "a").backward()
    averages(model, [3 * np.array(own), own, None])

    # the forward pass decides: one that was made outside is averaged, wherever backward is called
    model.zero_grad()
    loss = model(x(), "c")
    with model.no_sync():
        loss.backward()
    averages(model, [None, None, own])

    # two passes back through one forward; and round the wrapper nothing is averaged
    model.zero_grad()
    loss = model(x(), "a")
    loss.backward(retain_graph=True)
    loss.backward()
    averages(model, [2 * np.array(own), None, None])
    model.zero_grad()
    if rank == 0:
        model.module(x(), "a").backward()
        tinynet.grad(model.module(x(), "a"), model.module.a)
        assert model.module.a.grad.tolist() == [1, 0]
    # grad() leaves nothing, so there is nothing to average
    (g,) = tinynet.grad(model(x(), "a"), model.module.a)
    assert g.tolist() == [rank + 1.0, 10.0 * rank]

    # a penalty that reaches a parameter past the wrapper's result, before backward comes to that
    model.zero_grad()
    (model(x(), "a") + (model.module.c * rank).sum()).backward()
    averages(model, [own, None, [[r, r] for r in everyone]])

    # rank 0's buffers, at each pass that is averaged, in training
    model.module.seen.fill_(100.0 * rank)
    model(x(), "a")
    assert model.module.seen == 1
    with tinynet.no_grad():
        model.module.seen += rank
        model(x(), "a")
    assert model.module.seen == 2 + rank
    model.eval()
    model(x(), "a")
    model.train()
    assert model.module.seen == 3 + rank
    model(x(), "a")
    assert model.module.seen == 4
    still = DistributedDataParallel(Branches(), broadcast_buffers=False)
    still.module.seen.fill_(float(rank))
    still(x(), "a")
    assert still.module.seen == rank + 1

    # results that are nested; several types; a parameter in memory order of its own; one frozen
    Pair = collections.namedtuple("Pair", "first second")

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.small = nn.Parameter(tinynet.full((2, 3), 300.0 * (rank + 1), dtype="float16"))
            self.large = nn.Parameter(
                tinynet.from_numpy(np.asfortranarray(np.arange(6.0).reshape(2, 3)) + rank)
            )
            self.scalar = nn.Parameter(tinynet.tensor(1.0 + rank))
            self.frozen = nn.Parameter(tinynet.ones(2), requires_grad=False)

        def forward(self):
            return {
                "pair": Pair(self.small * 1, [self.large * 1, None]),
                "n": 3,
                "scalar": (self.scalar * 1,),
            }

    mixed = DistributedDataParallel(Mixed())
    assert mixed.module.small.tolist() == [[300] * 3] * 2
    assert mixed.module.large.tolist() == [[0, 1, 2], [3, 4, 5]]
    out = mixed()
    assert type(out["pair"]) is Pair and out["n"] == 3 and out["pair"].second[1] is None
    weights = tinynet.from_numpy(np.arange(6.0).reshape(2, 3)) * rank
    loss = (
        (out["pair"].first * 30000.0).float().sum() / 1
        + (out["pair"].second[0] * weights).sum()
        + out["scalar"][0] * rank
    )
    loss.backward()
    assert mixed.module.small.grad.tolist() == [[30000] * 3] * 2, (
        "the sum of float16 gradients overflowed"
    )
    mean = np.mean(everyone)
    np.testing.assert_allclose(mixed.module.large.grad.array, np.arange(6.0).reshape(2, 3) * mean)
    assert mixed.module.scalar.grad.item() == np.float32(mean)
    mixed.module.frozen.requires_grad_()
    refused(RuntimeError, "frozen did not require grad when the model was wrapped", mixed)
    mixed.module.frozen.requires_grad_(False)
    mixed.to("float64")
    refused(
        RuntimeError,
        "moved or converted after it was wrapped",
        lambda: mixed()["scalar"][0].backward(),
    )

    # two models in one loss, whose buckets no order binds
    one, two = (DistributedDataParallel(Branches(), bucket_cap_mb=1e-6) for _ in range(2))
    (one(x(), "ab") * 2 + two(x(), "b" if rank else "a")).backward()
    averages(one, [2 * np.array(own), 2 * np.array(own), None])
    averages(two, [[own[0]] + [[0, 0]] * (ranks - 1), [[0, 0], *own[1:]], None])

    refused(TypeError, "forward returned a object", DistributedDataParallel(Odd()))
    # nothing keeps a model alive that nobody uses
    gone = weakref.ref(one.module.a)
    del one
    assert gone() is None


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(tinynet.ones(1))

    def forward(self):
        return object()


def refused(error, message, call):
    try:
        call()
    except error as e:
        assert message in str(e), e
    else:
        raise AssertionError(f"{error.__name__} was expected: {message}")


def scenario_batch_norm(folder):
    """Statistics are each rank's own in training, and rank 0's in the end."""
    rank = distributed.get_rank()
    tinynet.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)))
    for step in range(3):
        x = tinynet.from_numpy(
            np.random.default_rng([step, rank]).standard_normal((6, 3)).astype(np.float32)
        ) * (rank + 1)
        model.zero_grad()
        model(x).square().sum().backward()
    tinynet.save(model.state_dict(), f"{folder}/{rank}.safetensors")


def scenario_failure(what):
    """One rank, the last, does not do as the others, who wait for it."""
    rank, last = distributed.get_rank(), distributed.get_world_size() - 1
    odd = rank == last
    wide = odd and what == "another model"
    model = nn.Sequential(nn.Linear(3, 7 if wide else 5), nn.ReLU(), nn.Linear(7 if wide else 5, 2))
    if odd and what == "one more layer":
        model.add_module("more", nn.Linear(2, 2, bias=False))
    model = DistributedDataParallel(model)
    for step in range(3):
        if odd and step == 1:
            if what == "raise":
                raise ValueError("bad sample 17")
            if what == "raise in backward":
                model.module[0].weight.register_post_accumulate_grad_hook(lambda p: 1 // 0)
            if what == "thread":
                threading.Thread(target=lambda: {}["no such key"]).start()
                time.sleep(60)
            if what == "exit":
                sys.exit(3)
            if what == "exit quietly":
                sys.exit()
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "stop":
                raise KeyboardInterrupt
            if what == "fewer steps":
                break
            if what == "sleep":
                time.sleep(60)
        model(tinynet.ones(4, 3)).sum().backward()
    if what == "shapes":
        distributed.all_reduce(tinynet.ones(3 + 100_000 * odd))
    if what == "another call":
        distributed.broadcast(tinynet.ones(1), 1) if odd else distributed.barrier()


RESUMED_STEPS = 60


def resumed(folder=None, slowly=""):
    """Train for RESUMED_STEPS steps, from the checkpoint in `folder` if there is one.

    96 samples in batches of 12, which 1, 2 and 3 ranks can share.
    """
    rank, ranks = 0, 1
    if folder:
        rank, ranks = distributed.get_rank(), distributed.get_world_size()
    tinynet.manual_seed(2)
    model = net("float64")
    samples = TensorDataset(*(t[:96] for t in data("float64").tensors))
    sampler = DistributedSampler(samples, ranks, rank)
    loader = DataLoader(samples, BATCH // ranks, sampler=sampler)
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    history = {"steps": 0, "epoch": 0}
    if folder:
        checkpoint = tinynet.Checkpoint(
            f"{folder}/kept.safetensors", model=model, optimizer=optimizer, loader=loader,
            history=history,
        )  # fmt: skip
        checkpoint.restore()
    parallel = DistributedDataParallel(model) if folder else model
    while history["steps"] < RESUMED_STEPS:
        sampler.set_epoch(history["epoch"])
        for x, y in loader:
            loss = F.cross_entropy(parallel(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history["steps"] += 1
            if history["steps"] % 8 == 0:
                history["epoch"] += 1
            if folder and rank == 0:
                checkpoint.save()
                print("at work", flush=True)
            if slowly:
                time.sleep(0.1)
            if history["steps"] == RESUMED_STEPS:
                break
    return model


def scenario_resume(folder, slowly=""):
    model = resumed(folder, slowly)
    if distributed.get_rank() == 0:
        tinynet.save(model.state_dict(), f"{folder}/weights.safetensors")


def scenario_busy():
    """The last rank takes long over a step, while the others have sent it their gradients."""
    distributed.group._SILENCE = 1.0
    model = DistributedDataParallel(nn.Linear(1000, 1000))
    for step in range(2):
        if step == 1 and distributed.get_rank() == distributed.get_world_size() - 1:
            time.sleep(6)
        model(tinynet.ones(1, 1000)).sum().backward()


def scenario_all_exit():
    """All do the same and end with a status of their own."""
    distributed.barrier()
    sys.exit(4)


if __name__ == "__main__":
    scenario, *arguments = sys.argv[1:]
    if scenario == "early":  # before there is a group
        names = "PMI_RANK", "OMPI_COMM_WORLD_RANK"  # MPICH's and Open MPI's
        if "1" in map(os.environ.get, names):
            raise ValueError("no such file")
        distributed.init_process_group(timeout=timedelta(seconds=2))
    distributed.init_process_group(timeout=timedelta(seconds=2) if arguments == ["sleep"] else None)
    globals()[f"scenario_{scenario}"](*arguments)
    print(f"rank {distributed.get_rank()} is done", flush=True)
