"""A DataLoader with a GPU as its device.

A batch is one upload, which runs while the GPU computes. The program never waits, no batch is used
before it has arrived, and no memory is overwritten while it is read.
"""

from __future__ import annotations

import types
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
import strict_cupy
from real_cupy import REAL_CUPY

import tinynet
from tinynet.arrays import gpu as uploads
from tinynet.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

on_the_stand_in = pytest.mark.skipif(
    REAL_CUPY, reason="only the stand-in for cupy counts, and notices races"
)


def samples(n=10):
    return TensorDataset(tinynet.arange(3.0 * n).reshape(n, 3), tinynet.arange(n))


class Fails(Dataset):
    """Numbers, of which the one at `at` is broken."""

    def __init__(self, at):
        self.at = at

    def __len__(self):
        return 12

    def __getitem__(self, index):
        if index == self.at:
            raise KeyError(f"sample {index} is broken")
        return tinynet.tensor(index)


def lists(batch):
    return [t.tolist() for t in batch]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_cpu(device, workers):
    tinynet.manual_seed(3)
    expected = [lists(batch) for batch in DataLoader(samples(), 4, shuffle=True)]
    tinynet.manual_seed(3)
    loader = DataLoader(samples(), 4, shuffle=True, num_workers=workers, device=device)
    batches = list(loader)
    assert [lists(batch) for batch in batches] == expected  # also those that were handed out first
    assert {t.device for batch in batches for t in batch} == {tinynet.device(device)}
    assert [t.dtype for t in batches[0]] == [tinynet.float32, tinynet.int64]
    assert len(loader) == 3


def test_on_another_gpu_than_the_current(last_gpu):
    for images, labels in DataLoader(samples(), 4, device=last_gpu):
        assert images.device == labels.device == tinynet.device(last_gpu)
        assert (images.sum(1) == 9 * labels + 3).all()


@on_the_stand_in
def test_a_batch_is_one_upload_and_no_wait(gpu):
    loader = DataLoader(samples(), 4, device="cuda")
    with strict_cupy.counting() as counts, strict_cupy.allow_synchronize(False):
        for images, labels in loader:
            (images.sum() + labels.sum()).sqrt()
    assert (counts.uploads, counts.waits, counts.downloads) == (len(loader), 0, 0)
    assert [name for kind, name in counts.log if kind == "uploads"] == ["set"] * 3


@on_the_stand_in
def test_the_next_batch_travels_while_one_is_worked_on(gpu):
    sent = []
    with strict_cupy.counting() as counts:
        for _ in DataLoader(samples(), 4, device="cuda"):
            sent.append(counts.uploads)
    assert sent == [2, 3, 3]


@on_the_stand_in
@pytest.mark.parametrize("kept", [0, 1, 2])
def test_broken_off(gpu, kept):
    for number, batch in enumerate(DataLoader(samples(), 3, device="cuda", num_workers=1)):
        if number == kept:
            images = batch[0]
            break
    assert images[0].tolist() == [9.0 * kept, 9.0 * kept + 1, 9.0 * kept + 2]
    assert not strict_cupy.races


def test_what_a_sample_raises_is_raised_in_its_turn(device):
    loader = iter(DataLoader(Fails(7), 2, device=device))
    assert [next(loader).tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(KeyError, match="sample 7 is broken"):
        next(loader)
    assert next(loader, None) is None


def test_place_in_the_data(device):
    """A batch that was prefetched but not handed out does not count."""
    loader = DataLoader(
        samples(), 2, shuffle=True, device=device, generator=tinynet.Generator().manual_seed(5)
    )
    first = iter(loader)
    begun = [lists(next(first)) for _ in range(2)]
    state = loader.state_dict()
    rest = [lists(batch) for batch in first]
    again = DataLoader(samples(), 2, shuffle=True, device=device, generator=tinynet.Generator())
    again.load_state_dict(state)
    assert [lists(batch) for batch in again] == rest
    assert len(begun) + len(rest) == 5


class Noise(Dataset):
    """Samples that are drawn when they are asked for."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return tinynet.rand(2)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_data_draws_does_not_mix_with_what_the_model_draws(device, workers):
    """A batch that is prepared early holds the numbers that it would hold if prepared late."""
    seen = []
    for where, threads in (("cpu", 0), (device, workers)):
        tinynet.manual_seed(4)
        loader = DataLoader(Noise(), 2, shuffle=True, num_workers=threads, device=where)
        seen.append(
            [
                (batch.tolist(), tinynet.nn.functional.dropout(tinynet.ones(8)).tolist())
                for _ in range(2)
                for batch in loader
            ]
        )
    assert seen[0] == seen[1] and len({str(step) for step in seen[0]}) == 6


Pair = namedtuple("Pair", "x y")


def test_all_that_a_batch_may_be(last_gpu):
    x = tinynet.arange(12.0).reshape(3, 4)
    there = tinynet.ones(2, device=last_gpu)
    learned = tinynet.ones(2, requires_grad=True)
    several = defaultdict(list, a=x.bool())
    batch = {
        "tuple": (x, [x.long(), "name", None, 3.5]), "pair": Pair(x.t(), x[:, 1::2]),
        "ordered": OrderedDict(b=x.double(), a=x.half()), "several": several,
        "read only": types.MappingProxyType({"bytes": x.to(tinynet.uint8)}),
        "number": tinynet.tensor(7), "no rows": x[:0], "there": there,
        "learned": learned, "array": np.ones(2), "again": x,
    }  # fmt: skip
    (found,) = DataLoader([0], collate_fn=lambda _: batch, device=last_gpu)
    moved = []

    def compare(mine, theirs):
        if isinstance(theirs, tinynet.Tensor):
            moved.append(mine)
            assert (mine.dtype, mine.shape, mine.device) == (
                theirs.dtype,
                theirs.shape,
                tinynet.device(last_gpu),
            )
            np.testing.assert_array_equal(
                mine.detach().cpu().numpy(), theirs.detach().cpu().numpy()
            )
        elif isinstance(theirs, types.MappingProxyType | dict):
            assert type(mine) is (
                dict if isinstance(theirs, types.MappingProxyType) else type(theirs)
            ) and list(mine) == list(theirs)
            for key in theirs:
                compare(mine[key], theirs[key])
        elif isinstance(theirs, tuple | list):
            assert type(mine) is type(theirs) and len(mine) == len(theirs)
            for one, other in zip(mine, theirs, strict=True):
                compare(one, other)
        else:
            assert mine is theirs

    compare(found, batch)
    assert len(moved) == 13 and found["there"] is there
    found["several"]["new"].append(1)
    assert set(several) == {"a"}, "the data set's own dict was changed"
    found["learned"].sum().backward()
    assert learned.grad.tolist() == [1, 1]


def test_batches_without_tensors_or_without_numbers(gpu):
    assert list(DataLoader(["a", "b"], 1, device="cuda")) == [["a"], ["b"]]
    assert list(DataLoader([], 1, device="cuda")) == []
    (batch,) = DataLoader(
        [0], collate_fn=lambda _: (tinynet.zeros(0, 3), tinynet.zeros(2, 0)), device="cuda"
    )
    assert [t.shape for t in batch] == [(0, 3), (2, 0)]


def test_to_the_cpu(gpu):
    x = tinynet.ones(4, 2, device="cuda")
    ((batch,),) = DataLoader(TensorDataset(x), 4, device="cpu")
    assert batch.device.type == "cpu"
    host = samples(4)
    ((images, _),) = DataLoader([0], collate_fn=lambda _: (host.tensors, 1), device="cpu")
    assert images[0] is host.tensors[0]


@on_the_stand_in
def test_a_data_set_on_the_gpu_uploads_indices_once(gpu, second_gpu):
    x, y = samples().tensors
    data = TensorDataset(x.to("cuda"), y.to("cuda"), y.to(second_gpu), y)
    for subset in (data, Subset(data, range(9, -1, -1))):
        with strict_cupy.counting() as counts, strict_cupy.allow_synchronize(False):
            batch = subset.get_batch(np.array([1, 3]))
        assert counts.uploads == 2 and [str(t.device) for t in batch] == [
            "cuda:0",
            "cuda:0",
            "cuda:1",
            "cpu",
        ]
        assert lists(batch)[1:] == [lists(subset.get_batch(np.array([1, 3])))[3]] * 3
    both = ConcatDataset([data, data])  # which fetches one by one
    assert both.get_batch(np.array([0, 11]))[1].tolist() == [0, 1]
    with pytest.raises(
        IndexError, match="TensorDataset: the indices must lie within the 10 samples"
    ):
        data.get_batch(np.array([10]))
    assert [t.shape[0] for t in data.get_batch(np.array([], np.int64))] == [0] * 4


@on_the_stand_in
def test_page_locked_memory_is_used_again(gpu):
    """However many batches there are, only the memory of current uploads stays allocated."""
    for _ in DataLoader(samples(50), 1, device="cuda"):
        assert len(uploads._uploads) <= 3


def test_refused(monkeypatch):
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        DataLoader(samples(), device="gpu")
    with pytest.raises(TypeError, match="expected a string"):
        DataLoader(samples(), device=0)
    with (
        strict_cupy.install(devices=0, status=35),
        pytest.raises(RuntimeError, match="no NVIDIA driver"),
    ):
        DataLoader(samples(), device="cuda")  # here, and not at the first batch
