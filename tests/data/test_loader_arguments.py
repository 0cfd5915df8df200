"""The arguments of DataLoader that PyTorch has, samplers, and streams: each does what it says."""

from __future__ import annotations

import collections
import threading
import time

import numpy as np
import pytest

import tinynet
from tinynet.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_convert,
    get_worker_info,
)

# ------------------------------------------------------------------------------------- samplers


def seeded(seed=0):
    return tinynet.Generator().manual_seed(seed)


def test_random_sampler():
    once = RandomSampler(range(5), generator=seeded())
    assert sorted(once) == [0, 1, 2, 3, 4] and len(once) == 5
    more = list(RandomSampler(range(5), num_samples=12, generator=seeded()))
    assert sorted(more[:5]) == sorted(more[5:10]) == [0, 1, 2, 3, 4] and len(set(more[10:])) == 2
    assert more[:5] == list(RandomSampler(range(5), generator=seeded()))
    few = RandomSampler(range(5), False, 3)
    assert len(list(few)) == len(few) == 3
    drawn = RandomSampler(range(5), replacement=True, num_samples=4000, generator=seeded())
    counts = np.bincount(list(drawn), minlength=5)
    assert len(drawn) == counts.sum() == 4000
    assert abs(counts - 800).max() < 110  # four standard deviations
    assert len(list(RandomSampler(range(7), True))) == 7
    assert list(RandomSampler([])) == []


def test_subset_random_sampler():
    for indices in ([7, 3, 9], (7, 3, 9), np.array([7, 3, 9]), tinynet.tensor([7, 3, 9])):
        sampler = SubsetRandomSampler(indices, seeded())
        assert sorted(sampler) == [3, 7, 9] and len(sampler) == 3
    assert len({tuple(sampler) for _ in range(50)}) == 6
    loader = DataLoader(range(10), 2, sampler=SubsetRandomSampler([7, 3, 9]))
    assert sorted(i for batch in loader for i in batch.tolist()) == [3, 7, 9]
    assert len(loader) == 2


def test_weighted_random_sampler():
    for weights in ([1, 0, 3, 4], np.array([1.0, 0, 3, 4]), tinynet.tensor([1.0, 0, 3, 4])):
        drawn = WeightedRandomSampler(weights, 8000, generator=seeded())
        counts = np.bincount(list(drawn), minlength=4)
        assert counts[1] == 0 and len(drawn) == 8000
        assert abs(counts[[0, 2, 3]] - [1000, 3000, 4000]).max() < 180
    first = [next(iter(WeightedRandomSampler([1, 0, 3, 4], 3, False))) for _ in range(400)]
    assert 1 not in first
    without = WeightedRandomSampler([1, 0, 3, 4], 3, replacement=False)
    assert all(sorted(without) == [0, 2, 3] for _ in range(20))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RandomSampler(range(3), 1), TypeError, "RandomSampler: replacement must be True"),
        (lambda: RandomSampler(range(3), num_samples=0), ValueError, "RandomSampler: num_samples"),
        (lambda: SubsetRandomSampler([0.5]), TypeError, "SubsetRandomSampler: indices must be a"),
        (lambda: WeightedRandomSampler([0, 0], 1), ValueError, "only 0 weights are above 0"),
        (lambda: WeightedRandomSampler([1, 1, 0], 3, False), ValueError, "can't draw 3 samples"),
        (lambda: WeightedRandomSampler([-1, 2], 1), ValueError, "each of weights must be at least"),
        (lambda: WeightedRandomSampler([1, float("nan")], 1), ValueError, "each of weights"),
        (lambda: WeightedRandomSampler([1], 0), ValueError, "num_samples must be an int from 1"),
        (lambda: WeightedRandomSampler(3, 1), TypeError, "weights must be a sequence"),
    ],
    ids=range(9),
)
def test_samplers_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_samplers_as_pytorch(torch):
    """What does not depend on the draws: lengths, and what is refused."""
    ours, theirs = tinynet.utils.data, torch.utils.data
    for build in (
        lambda d: d.RandomSampler(range(5), num_samples=12), lambda d: d.RandomSampler(range(5)),
        lambda d: d.RandomSampler(range(5), True, 3), lambda d: d.SubsetRandomSampler([4, 2]),
        lambda d: d.WeightedRandomSampler([1.0, 2.0], 7),
        lambda d: d.DataLoader(range(7), 3, sampler=d.RandomSampler(range(7), num_samples=5)),
    ):  # fmt: skip
        a, b = build(ours), build(theirs)
        assert len(a) == len(b) == len(list(a)) == len(list(b))
    for build in (
        lambda d: d.RandomSampler(range(3), num_samples=0),
        lambda d: d.WeightedRandomSampler([1.0], 0),
        lambda d: d.DataLoader(range(3), prefetch_factor=2),
        lambda d: d.DataLoader(range(3), persistent_workers=True),
        lambda d: d.DataLoader(range(3), multiprocessing_context="fork"),
        lambda d: d.DataLoader(range(3), timeout=-1),
    ):  # fmt: skip
        for data in (ours, theirs):
            with pytest.raises(ValueError, match=r"\w"):
                build(data)


# -------------------------------------------------------------------------------------- streams


class Stream(IterableDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        for i in range(self.count):
            yield i, float(tinynet.rand(()))


class Counted(Stream):
    def __len__(self):
        return self.count


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_stream_comes_once_and_in_order(workers):
    loader = DataLoader(Stream(7), 3, num_workers=workers)
    assert [batch[0].tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    dropped = DataLoader(Stream(7), 3, drop_last=True, num_workers=workers)
    assert [batch[0].tolist() for batch in dropped] == [[0, 1, 2], [3, 4, 5]]
    single = DataLoader(Stream(2), None, num_workers=workers)
    assert [index for index, _ in single] == [0, 1]
    collated = DataLoader(Stream(3), 2, collate_fn=lambda rows: [i for i, _ in rows])
    assert list(collated) == [[0, 1], [2]]


def test_what_a_stream_draws_does_not_depend_on_the_workers():
    def drawn(workers):
        tinynet.manual_seed(4)
        return [noise.tolist() for _, noise in DataLoader(Stream(9), 2, num_workers=workers)]

    assert drawn(0) == drawn(1) == drawn(3)


def test_a_stream_resumes():
    tinynet.manual_seed(4)
    loader = DataLoader(Stream(9), 2, generator=seeded(3))
    for _ in zip(range(2), loader, strict=False):
        pass
    state = loader.state_dict()
    assert state["samples"] is None
    other = DataLoader(Stream(9), 2, generator=seeded())
    other.load_state_dict(state)
    assert [batch[0].tolist() for batch in other] == [[4, 5], [6, 7], [8]]


def test_the_length_of_a_stream():
    assert len(DataLoader(Counted(7), 3)) == 3
    assert len(DataLoader(Counted(7), 3, drop_last=True)) == 2
    assert list(Counted(0)) == list(Stream(0)) == []
    with pytest.raises(TypeError, match="Stream does not define __len__"):
        len(DataLoader(Stream(7), 3))
    with pytest.raises(NotImplementedError, match="IterableDataset does not define __iter__"):
        iter(IterableDataset())
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="DataLoader: an IterableDataset has an order of its"):
            DataLoader(Stream(3), **options)


def test_a_program_that_shares_out_its_stream_gets_all_of_it():
    class Shared(IterableDataset):
        def __iter__(self):
            info = get_worker_info()
            yield from range(6) if info is None else range(info.id, 6, info.num_workers)

    assert [b.tolist() for b in DataLoader(Shared(), 4, num_workers=2)] == [[0, 1, 2, 3], [4, 5]]


# ---------------------------------------------------------------------------------- the workers


class Rows(Dataset):
    def __init__(self, fetched=None, pause=0.0):
        self.fetched, self.pause = [] if fetched is None else fetched, pause

    def __len__(self):
        return 8

    def __getitem__(self, index):
        self.fetched.append(threading.current_thread())
        time.sleep(self.pause)
        return index


def data_threads():
    return [t for t in threading.enumerate() if t.name.startswith("tinynet-data")]


def test_persistent_workers_stay():
    data, begun = Rows(pause=0.001), []
    loader = DataLoader(
        data, 1, num_workers=2, persistent_workers=True, worker_init_fn=begun.append
    )
    for _ in range(3):
        assert [batch.item() for batch in loader] == list(range(8))
    assert begun == [0, 1]
    assert set(data.fetched) == set(data_threads()) and len(data_threads()) == 2
    for _ in zip(range(2), loader, strict=False):  # left early
        pass
    assert [batch.item() for batch in loader] == list(range(8))
    del loader
    for _ in range(100):  # the threads end when nobody can ask for more
        if data_threads():
            time.sleep(0.01)
    assert data_threads() == []


def test_worker_init_fn_is_called_with_a_seed_of_its_own():
    begun = []

    def begin(worker):
        begun.append((worker, tinynet.arrays.default_generator.initial_seed()))
        tinynet.rand(3)

    tinynet.manual_seed(10)
    plain = [b.tolist() for b in DataLoader(Rows(), 3, shuffle=True, num_workers=3)]
    tinynet.manual_seed(10)
    loader = DataLoader(Rows(), 3, shuffle=True, num_workers=3, worker_init_fn=begin)
    assert [b.tolist() for b in loader] == plain
    assert begun == [(0, 10), (1, 11), (2, 12)]
    list(loader)
    assert [worker for worker, _ in begun] == [0, 1, 2] * 2
    list(DataLoader(Rows(), worker_init_fn=begin))  # no workers
    assert len(begun) == 6


def test_prefetch_factor():
    for factor, ahead in ((1, 2), (3, 6)):
        data = Rows()
        loader = iter(DataLoader(data, 1, num_workers=2, prefetch_factor=factor))
        next(loader)
        time.sleep(0.05)
        assert len(data.fetched) == ahead + 1
        loader.close()


def test_timeout():
    loader = DataLoader(Rows(pause=0.5), 1, num_workers=1, timeout=0.05)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="DataLoader: no batch came within 0.05 seconds"):
        list(loader)
    assert time.monotonic() - start < 0.4, "nobody waits for the batch that is late"
    assert len(list(DataLoader(Rows(), 1, num_workers=2, timeout=5))) == 8

    class Late(Rows):
        def __getitem__(self, index):
            raise TimeoutError("of the data set's own")

    with pytest.raises(TimeoutError, match="of the data set's own"):
        list(DataLoader(Late(), num_workers=1, timeout=5))


def test_pin_memory_without_a_gpu_warns(monkeypatch):
    monkeypatch.setattr(tinynet.data.loader, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="DataLoader: pin_memory=True has no effect without a GPU"):
        loader = DataLoader(Rows(), 4, pin_memory=True)
    assert [batch.tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_pin_memory_with_a_gpu(gpu, monkeypatch):
    pinned = []
    allocate = gpu.cuda.alloc_pinned_memory
    monkeypatch.setattr(
        gpu.cuda, "alloc_pinned_memory", lambda size: pinned.append(size) or allocate(size)
    )
    x = tinynet.arange(6).float().reshape(3, 2)
    on_gpu = x.to("cuda")
    loader = DataLoader(
        [(x[0], {"y": 1, "z": on_gpu[0]}), (x[1], {"y": 2, "z": on_gpu[1]})], 2, pin_memory=True
    )
    (batch, others), = loader
    assert (batch.tolist(), others["y"].tolist()) == ([[0, 1], [2, 3]], [1, 2])
    assert others["z"].device.type == "cuda" and batch.device.type == "cpu"
    assert pinned == [16, 16]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multiprocessing_context": "fork"}, "multiprocessing_context='fork' .* workers are thr"),
        ({"in_order": False}, "in_order=False can't be had, because batches always come in order"),
        ({"pin_memory_device": "mps"}, "pin_memory_device='mps' can't be had, because only GPUs"),
        ({"timeout": 1}, "timeout is for workers; give num_workers too"),
        ({"prefetch_factor": 1}, "prefetch_factor is for workers"),
        ({"persistent_workers": True}, "persistent_workers is for workers"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor must be an int from 1 up"),
        ({"timeout": -1, "num_workers": 1}, "timeout must be at least 0"),
    ],
    ids=str,
)
def test_arguments_that_are_refused(options, message):
    with pytest.raises(ValueError, match=f"DataLoader: {message}"):
        DataLoader(Rows(), **options)


def test_functions_are_functions():
    for option in ("collate_fn", "worker_init_fn"):
        with pytest.raises(TypeError, match=f"DataLoader: {option} must be a function, got 3"):
            DataLoader(Rows(), **{option: 3})


def test_arguments_stand_where_pytorch_has_them(torch):
    import inspect

    ours, theirs = (list(inspect.signature(kind).parameters)
                    for kind in (DataLoader, torch.utils.data.DataLoader))  # fmt: skip
    assert ours == [*theirs, "device"]


def test_samples_without_batches_are_converted():
    Pair = collections.namedtuple("Pair", "a b")
    found = default_convert({"x": np.ones(2), "y": [Pair(np.float32(3), "text"), 4]})
    assert found["x"].tolist() == [1, 1] and isinstance(found["x"], tinynet.Tensor)
    assert found["y"][0] == Pair(found["y"][0].a, "text") and found["y"][1] == 4
    assert found["y"][0].a.dtype == tinynet.float32
    (first, *_), = DataLoader([(np.zeros(3), 1)], None)
    assert isinstance(first, tinynet.Tensor)


def test_classes_with_a_type_in_brackets():
    class Numbers(Dataset[int]):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return index

    class Backwards(Sampler[int]):
        def __iter__(self):
            return iter([2, 1, 0])

    (batch,) = DataLoader(Numbers(), 3, sampler=Backwards())
    assert batch.tolist() == [2, 1, 0]


def test_data_sets_add_up():
    both = TensorDataset(tinynet.arange(2)) + TensorDataset(tinynet.arange(3))
    assert isinstance(both, ConcatDataset) and [row.item() for (row,) in both] == [0, 1, 0, 1, 2]
    assert [b.tolist() for (b,) in DataLoader(both, 5)] == [[0, 1, 0, 1, 2]]
