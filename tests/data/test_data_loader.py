"""Data sets, samplers and the loader: which samples, in which order, and fetched by whom."""

from __future__ import annotations

import threading
import time
from collections import namedtuple

import numpy as np
import pytest

import tinynet
from tinynet.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)


class Squares(Dataset):
    """Samples (i, i²), fetched one by one; notes who fetched them."""

    def __init__(self, size, fails_at=None):
        self.size, self.fails_at, self.fetched = size, fails_at, []

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if index == self.fails_at:
            raise KeyError(f"sample {index} is broken")
        self.fetched.append((index, threading.current_thread().name))
        return index, float(index) ** 2


def firsts(loader):
    return [batch[0].tolist() for batch in loader]


def batches_of(loader):
    return [batch.tolist() for batch in loader]


def data_threads():
    return [t for t in threading.enumerate() if t.name.startswith("tinynet-data")]


# -------------------------------------------------------------------------------------------- order


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_in_order(workers):
    loader = DataLoader(Squares(7), batch_size=3, num_workers=workers)
    assert firsts(loader) == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(loader) == 3
    assert firsts(loader) == [[0, 1, 2], [3, 4, 5], [6]]  # again


@pytest.mark.parametrize("workers", [0, 2])
def test_drop_last(workers):
    loader = DataLoader(Squares(7), batch_size=3, drop_last=True, num_workers=workers)
    assert firsts(loader) == [[0, 1, 2], [3, 4, 5]]
    assert len(loader) == 2


@pytest.mark.parametrize("workers", [0, 3])
def test_shuffling_is_a_new_permutation_at_each_pass_that_the_seed_decides(workers):
    def passes(seed):
        loader = DataLoader(
            Squares(20),
            batch_size=6,
            shuffle=True,
            num_workers=workers,
            generator=tinynet.Generator().manual_seed(seed),
        )
        return [[i for batch in firsts(loader) for i in batch] for _ in range(3)]

    one = passes(5)
    assert all(sorted(order) == list(range(20)) for order in one)
    assert one[0] != one[1] != one[2]
    assert passes(5) == one
    assert passes(6) != one


def test_shuffling_draws_from_the_global_generator_by_default():
    tinynet.manual_seed(1)
    first = firsts(DataLoader(Squares(20), batch_size=20, shuffle=True))
    tinynet.manual_seed(1)
    assert firsts(DataLoader(Squares(20), batch_size=20, shuffle=True)) == first


def test_samplers():
    assert firsts(DataLoader(Squares(5), sampler=[4, 0, 4], batch_size=2)) == [[4, 0], [4]]
    assert firsts(DataLoader(Squares(5), sampler=[])) == []
    assert firsts(DataLoader(Squares(5), batch_sampler=[[3], [1, 0, 2]])) == [[3], [1, 0, 2]]
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(RandomSampler(range(5))) == [0, 1, 2, 3, 4]
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert (len(BatchSampler(range(5), 2, False)), len(BatchSampler(range(5), 2, True))) == (3, 2)

    class Backwards(Sampler):
        def __iter__(self):
            return iter([2, 1, 0])

    assert firsts(DataLoader(Squares(3), sampler=Backwards(), batch_size=3)) == [[2, 1, 0]]


def test_samples_without_batches():
    loader = DataLoader(Squares(3), batch_size=None)
    assert list(loader) == [[0, 0.0], [1, 1.0], [2, 4.0]]  # lists, as in PyTorch
    assert len(loader) == 3


def test_empty_data():
    assert list(DataLoader(Squares(0), batch_size=2)) == []
    assert len(DataLoader(Squares(0), batch_size=2)) == 0


def test_anything_with_a_length_that_can_be_indexed():
    assert [batch.tolist() for batch in DataLoader([5, 6, 7], batch_size=2)] == [[5, 6], [7]]
    assert [batch.tolist() for batch in DataLoader(Subset([5, 6, 7], [2, 0]), batch_size=2)] == [
        [7, 5]
    ]


# ----------------------------------------------------------------------------------------- fetching


def test_tensors_are_fetched_batch_by_batch():
    x, y = tinynet.randn(10, 2, 3), tinynet.arange(10)
    fetches = []

    class Counted(TensorDataset):
        def get_batch(self, indices):
            fetches.append(list(indices))
            return super().get_batch(indices)

    loader = DataLoader(Counted(x, y), batch_size=4, shuffle=True)
    for images, labels in loader:
        np.testing.assert_array_equal(images.numpy(), x.numpy()[labels.numpy()])
    assert [len(fetch) for fetch in fetches] == [4, 4, 2]


def test_collate_fn():
    loader = DataLoader(
        Squares(3), batch_size=2, collate_fn=lambda samples: [s[1] for s in samples]
    )
    assert list(loader) == [[0.0, 1.0], [4.0]]


def test_default_collate():
    Pair = namedtuple("Pair", "a b")
    batch = default_collate(
        [
            {"x": np.ones(2, np.float32), "n": (1, 2.5)},
            {"x": np.zeros(2, np.float32), "n": (3, 4.5)},
        ]
    )
    assert batch["x"].tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert batch["x"].dtype == tinynet.float32
    assert [t.dtype for t in batch["n"]] == [tinynet.int64, tinynet.float64]
    assert type(default_collate([(1, 2), (3, 4)])) is list  # as in PyTorch
    assert type(next(iter(DataLoader(TensorDataset(tinynet.ones(2)))))) is list
    pair = default_collate([Pair(True, "a"), Pair(False, "b")])
    assert pair.a.dtype == tinynet.bool
    assert pair.b == ("a", "b")
    assert default_collate([tinynet.ones(2), tinynet.zeros(2)]).shape == (2, 2)
    with pytest.raises(TypeError, match="default_collate: can't put NoneType samples into a batch"):
        default_collate([None, None])
    with pytest.raises(ValueError, match="same number of items"):
        default_collate([(1, 2), (1,)])


# ------------------------------------------------------------------------------------------ workers


def test_workers_do_the_work_and_go():
    data = Squares(12)
    firsts(DataLoader(data, batch_size=2, num_workers=2))
    names = {name for _, name in data.fetched}
    assert names
    assert all(name.startswith("tinynet-data") for name in names)
    assert data_threads() == []


def test_slow_samples_keep_their_order():
    class Uneven(Squares):
        def __getitem__(self, index):
            time.sleep(0.02 if index % 4 == 0 else 0)
            return super().__getitem__(index)

    assert firsts(DataLoader(Uneven(12), batch_size=2, num_workers=3)) == [
        [i, i + 1] for i in range(0, 12, 2)
    ]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_what_a_sample_raises_is_raised_here(workers):
    loader = iter(DataLoader(Squares(12, fails_at=7), batch_size=2, num_workers=workers))
    assert [next(loader)[0].tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(KeyError, match="sample 7 is broken"):
        next(loader)
    del loader
    assert data_threads() == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_what_a_sampler_raises_comes_after_the_batches_before_it(workers):
    class Broken:
        def __iter__(self):
            yield from range(6)
            raise KeyError("the sampler is broken")

    seen = []
    with pytest.raises(KeyError, match="the sampler is broken"):
        for batch in DataLoader(Squares(9), 2, sampler=Broken(), num_workers=workers):
            seen.append(batch[0].tolist())
    assert seen == [[0, 1], [2, 3], [4, 5]]
    assert data_threads() == []


def test_breaking_off_leaves_no_thread():
    data = Squares(1000)
    for batch in DataLoader(data, batch_size=2, num_workers=2):
        assert batch[0].tolist() == [0, 1]
        break
    assert data_threads() == []
    assert len(data.fetched) < 50  # nobody prepared the rest


def test_workers_see_gradients_enabled_and_the_caller_keeps_its_mode():
    with tinynet.no_grad():
        firsts(DataLoader(Squares(4), num_workers=2))
        assert not tinynet.is_grad_enabled()


# ---------------------------------------------------------------------------------------- data sets


def test_tensor_dataset():
    data = TensorDataset(tinynet.arange(6).reshape(3, 2), tinynet.tensor([7, 8, 9]))
    assert len(data) == 3
    assert [t.tolist() for t in data[1]] == [[2, 3], 8]
    assert [t.tolist() for t in data[-1]] == [[4, 5], 9]


def test_subset_and_concat():
    numbers = Squares(10)
    subset = Subset(numbers, [3, 1])
    assert (len(subset), subset[0][0], subset[1][0]) == (2, 3, 1)
    both = ConcatDataset([subset, Squares(3)])
    assert [both[i][0] for i in range(len(both))] == [3, 1, 0, 1, 2]
    assert both[-1][0] == 2
    assert firsts(DataLoader(both, batch_size=5)) == [[3, 1, 0, 1, 2]]
    with pytest.raises(IndexError, match="index 5 is out of range for 5 samples"):
        both[5]


class Stream(IterableDataset):
    def __init__(self, *samples):
        self.samples = samples

    def __iter__(self):
        return iter(self.samples)


class StreamOfKnownLength(Stream):
    def __len__(self):
        return len(self.samples)


@pytest.mark.parametrize("workers", [0, 2])
def test_chained_streams(workers):
    both = Stream(1, 2) + Stream(3, 4, 5)
    assert isinstance(both, ChainDataset)
    for _ in range(2):
        assert [b.tolist() for b in DataLoader(both, 3, num_workers=workers)] == [[1, 2, 3], [4, 5]]
    with pytest.raises(TypeError, match="Stream does not define __len__"):
        len(both)
    known = ChainDataset([StreamOfKnownLength(1), StreamOfKnownLength(2, 3)])
    assert len(known) == 3
    assert len(DataLoader(known, batch_size=2)) == 2
    with pytest.raises(TypeError, match="must be an IterableDataset, got Squares"):
        ChainDataset([Stream(1), Squares(3)])


def test_stacked_data_sets():
    stack = StackDataset(Squares(3), [7, 8, 9])
    assert (len(stack), stack[1], stack[-1]) == (3, ((1, 1.0), 8), ((-1, 1.0), 9))
    named = StackDataset(image=tinynet.zeros(3, 2), label=[7, 8, 9])
    (batch,) = DataLoader(named, batch_size=3)
    assert batch["image"].shape == (3, 2)
    assert batch["label"].tolist() == [7, 8, 9]
    for wrong in [lambda: StackDataset(), lambda: StackDataset([1], label=[2])]:
        with pytest.raises(ValueError, match="either all or none of them by name"):
            wrong()
    with pytest.raises(ValueError, match=r"must have one length, got \[3, 2\]"):
        StackDataset(Squares(3), [1, 2])


def test_indices_stay_those_given_and_may_be_changed():
    subset = Subset(Squares(10), [3, 1])
    assert subset.indices == [3, 1]
    subset.indices.append(5)
    assert (len(subset), subset[2][0]) == (3, 5)
    assert firsts(DataLoader(subset, batch_size=3)) == [[3, 1, 5]]
    parts = random_split(Squares(10), [7, 3])
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))
    assert SubsetRandomSampler([3, 1]).indices == [3, 1]
    weights = WeightedRandomSampler([1, 3], 2).weights
    assert (weights.dtype, weights.tolist()) == (tinynet.float64, [1, 3])
    assert ConcatDataset([subset, Squares(3)]).cumulative_sizes == [3, 6]


class Unsized(Dataset):
    def __getitem__(self, index):
        if index > 2:
            raise IndexError(index)
        return index


def test_a_data_set_without_a_length():
    assert list(Unsized()) == [0, 1, 2]
    assert batches_of(DataLoader(Unsized(), 2, sampler=[2, 0, 1])) == [[2, 0], [1]]
    with pytest.raises(TypeError, match="Unsized does not define __len__"):
        DataLoader(Unsized())


def test_random_split():
    parts = random_split(Squares(10), [7, 3], tinynet.Generator().manual_seed(0))
    assert [len(p) for p in parts] == [7, 3]
    assert sorted(s[0] for part in parts for s in (part[i] for i in range(len(part)))) == list(
        range(10)
    )
    again = random_split(Squares(10), [7, 3], tinynet.Generator().manual_seed(0))
    assert [list(p.indices) for p in parts] == [list(p.indices) for p in again]
    assert [len(p) for p in random_split(range(10), [0.5, 0.25, 0.25])] == [
        6,
        2,
        2,
    ]  # what rounding left over goes to the first


# ------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: DataLoader(Squares(3), batch_size=0), ValueError, "batch_size must be .*"),
        (lambda: DataLoader(Squares(3), batch_size=2.0), TypeError, "batch_size must be .*"),
        (lambda: DataLoader(Squares(3), num_workers=-1), ValueError, "num_workers must be .*"),
        (
            lambda: DataLoader(Squares(3), sampler=[0], shuffle=True),
            ValueError,
            "a sampler or shuffle",
        ),
        (
            lambda: DataLoader(Squares(3), batch_sampler=[[0]], batch_size=2),
            ValueError,
            "batch_sampler decides",
        ),
        (
            lambda: DataLoader(Squares(3), batch_size=None, drop_last=True),
            ValueError,
            "batch_size=None makes no batches; leave drop_last out",
        ),
        (lambda: DataLoader(Squares(3), generator=3), TypeError, "must be a tinynet.Generator"),
        (lambda: TensorDataset(), TypeError, "expected tensors"),
        (
            lambda: TensorDataset(tinynet.ones(2), tinynet.ones(3)),
            ValueError,
            r"same length, got \[2, 3\]",
        ),
        (lambda: Subset(Squares(3), [3]), IndexError, "within the 3 samples"),
        (lambda: ConcatDataset([]), ValueError, "at least one"),
        (lambda: random_split(Squares(5), [3, 3]), ValueError, "don't add up to the 5 samples"),
        (lambda: Dataset()[0], NotImplementedError, "__getitem__"),
        (lambda: len(Dataset()), TypeError, "__len__"),
    ],
)
def test_refused(build, error, text):
    with pytest.raises(error, match=text):
        build()
