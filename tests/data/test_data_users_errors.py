"""What a user's own code raises arrives unchanged: the very same exception, with its args."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import tinynet
from tinynet.vision.datasets.mnist import idx_header
from tinynet.datasets import MNIST
from tinynet.transforms import Compose
from tinynet.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    Sampler,
    Subset,
    TensorDataset,
    random_split,
)

# Texts that look like those of tinynet's own errors, and args that are no text.
ERRORS = [
    ValueError("disk7: not mounted"),
    TypeError("stack: wrong", 7),
    RuntimeError(),
    KeyError("label"),
    IndexError("row: out of range"),
    OSError(5, "disk7", "a file"),
]
WORKERS = [0, 2]


@pytest.fixture(params=ERRORS, ids=lambda error: type(error).__name__)
def error(request):
    """A fresh exception of each type."""
    return type(request.param)(*request.param.args)


def assert_arrives(error, function):
    args = error.args
    with pytest.raises(type(error)) as caught:
        function()
    assert caught.value is error
    assert error.args == args
    assert error.__cause__ is None


class Broken(Dataset):
    """Five samples; raises `error` when its method `where` is called."""

    def __init__(self, error, where):
        self.error, self.where = error, where

    def _at(self, where):
        if where == self.where:
            raise self.error

    def __len__(self):
        self._at("__len__")
        return 5

    def __getitem__(self, index):
        if index == 3:
            self._at("__getitem__")
        return float(index)


class BrokenBatch(Broken):
    def get_batch(self, indices):
        raise self.error


def broken_iterable(error, *items):
    yield from items
    raise error


class BrokenSampler(Sampler):
    def __init__(self, error, *items):
        self.error, self.items = error, items

    def __iter__(self):
        return broken_iterable(self.error, *self.items)

    def __len__(self):
        raise self.error


@pytest.mark.parametrize(
    "build",
    [
        DataLoader,
        lambda data: DataLoader(data, shuffle=True),
        lambda data: Subset(data, [0]),
        lambda data: ConcatDataset([[1, 2], data]),
        lambda data: random_split(data, [2, 3]),
        lambda data: DistributedSampler(data, 1, 0),
    ],
    ids=["DataLoader", "shuffle", "Subset", "ConcatDataset", "random_split", "DistributedSampler"],
)
def test_len_of_a_data_set(error, build):
    assert_arrives(error, lambda: build(Broken(error, "__len__")))


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        lambda data: Subset(data, [4, 3]),
        lambda data: ConcatDataset([[1.0, 2.0], data]),
        lambda data: random_split(data, [1.0])[0],
    ],
    ids=["itself", "Subset", "ConcatDataset", "random_split"],
)
def test_getitem_of_a_data_set(error, wrap, workers):
    data = wrap(Broken(error, "__getitem__"))
    for batch_size in (2, None):
        loader = DataLoader(data, batch_size, num_workers=workers)
        assert_arrives(error, lambda loader=loader: list(loader))


@pytest.mark.parametrize("workers", WORKERS)
def test_get_batch_of_a_data_set(error, workers):
    for data in (BrokenBatch(error, ""), Subset(BrokenBatch(error, ""), [0, 1])):
        assert_arrives(error, lambda data=data: list(DataLoader(data, num_workers=workers)))


@pytest.mark.parametrize("workers", WORKERS)
def test_a_sampler(error, workers):
    data = TensorDataset(tinynet.arange(5))
    samplers = [
        {"sampler": BrokenSampler(error, 0, 1)},
        {"sampler": BrokenSampler(error, 0, 1), "batch_size": None},
        {"sampler": BrokenSampler(error)},
        {"batch_sampler": BrokenSampler(error, [0, 1])},
        {"batch_sampler": BatchSampler(BrokenSampler(error, 0, 1, 2), 2, False)},
    ]
    for options in samplers:
        loader = DataLoader(data, num_workers=workers, **options)
        assert_arrives(error, lambda loader=loader: list(loader))
        assert_arrives(error, lambda loader=loader: len(loader))


@pytest.mark.parametrize("workers", WORKERS)
def test_collate_fn(error, workers):
    def collate(samples):
        raise error

    data = TensorDataset(tinynet.arange(5))
    loader = DataLoader(data, 2, collate_fn=collate, num_workers=workers)
    assert_arrives(error, lambda: list(loader))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_on_the_way_to_a_device(error, device, gpu):
    loader = DataLoader(Broken(error, "__getitem__"), 2, device=device)
    assert_arrives(error, lambda: list(loader))


def test_iterables_of_arguments(error):
    data = TensorDataset(tinynet.arange(5))
    assert_arrives(error, lambda: ConcatDataset(broken_iterable(error, data)))
    assert_arrives(error, lambda: Subset(data, broken_iterable(error, 1, 2)))
    assert_arrives(error, lambda: random_split(data, broken_iterable(error, 2)))
    assert_arrives(error, lambda: Compose(broken_iterable(error, abs)))


def test_iterables_that_raise_when_they_are_asked_to_iterate(error):
    class Unready:
        def __iter__(self):
            raise error

    data = TensorDataset(tinynet.arange(5))
    assert_arrives(error, lambda: ConcatDataset(Unready()))
    assert_arrives(error, lambda: Subset(data, Unready()))
    assert_arrives(error, lambda: random_split(data, Unready()))
    for options in ({"sampler": Unready()}, {"batch_sampler": Unready()}):
        assert_arrives(error, lambda options=options: list(DataLoader(data, **options)))


def test_iterables_of_arguments_are_taken():
    data = TensorDataset(tinynet.arange(5))
    assert len(ConcatDataset(data for _ in range(2))) == 10
    assert Subset(data, (2 * i for i in range(3))).indices == [0, 2, 4]
    assert [len(part) for part in random_split(data, (n for n in (2, 3)))] == [2, 3]


@pytest.fixture
def digits(tmp_path):
    """A folder with the training part of a small MNIST."""
    for name, array in (
        ("train-images-idx3-ubyte", np.zeros((5, 28, 28), np.uint8)),
        ("train-labels-idx1-ubyte", np.arange(5, dtype=np.uint8)),
    ):
        content = idx_header(array.shape) + array.tobytes()
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    return tmp_path


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("which", ["transform", "target_transform"])
def test_transforms(error, digits, which, workers):
    def transform(x):
        raise error

    data = MNIST(digits, download=False, **{which: transform})
    assert_arrives(error, lambda: data[0])
    assert_arrives(error, lambda: list(DataLoader(data, 2, num_workers=workers)))
    composed = MNIST(digits, download=False, **{which: Compose([lambda x: x, transform])})
    assert_arrives(error, lambda: composed[:2])
