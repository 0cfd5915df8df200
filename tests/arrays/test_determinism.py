"""The same seed on the same machine with the same number of threads gives the same bits."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tinynet
import tinynet.nn.functional as F
import tinynet.transforms
from tinynet import nn, optim
from tinynet.utils.data import DataLoader, Dataset, RandomSampler, TensorDataset, random_split

ROOT = Path(tinynet.__file__).parent.parent


def train(seed=0):
    """A digest of the state after a few training steps.

    The network is large enough to be computed on several threads.
    """
    tinynet.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.3), nn.Conv2d(8, 12, 3), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(12 * 6 * 6, 10),
    )  # fmt: skip
    data, _ = random_split(
        TensorDataset(tinynet.randn(150, 1, 28, 28), tinynet.randint(0, 10, (150,))), [128, 22]
    )
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for x, y in DataLoader(data, 64, shuffle=True, num_workers=1):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item().hex())
    digest = hashlib.sha256(repr((losses, list(model.state_dict()))).encode())
    for tensor in model.state_dict().values():
        digest.update(tensor.array.tobytes())
    for state in optimizer.state_dict()["state"].values():
        digest.update(repr(list(state)).encode() + state["exp_avg"].array.tobytes())
    return digest.hexdigest()


def test_twice_in_one_process():
    assert train() == train()
    assert train(1) != train()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_across_processes_and_hash_seeds(threads):
    code = (
        f"import tinynet; tinynet.set_num_threads({threads})\n"
        "from test_determinism import train; print(train())"
    )
    found = set()
    for hash_seed in ("0", "1", "random"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
        }
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(run.stdout.strip())
    before = tinynet.get_num_threads()
    tinynet.set_num_threads(threads)
    try:
        found.add(train())
    finally:
        tinynet.set_num_threads(before)
    assert len(found) == 1


def test_the_number_of_workers_does_not_change_the_order():
    def order(workers):
        tinynet.manual_seed(3)
        loader = DataLoader(TensorDataset(tinynet.arange(50)), 7, shuffle=True, num_workers=workers)
        return [batch.tolist() for (batch,) in loader]

    assert order(0) == order(1) == order(4)


def test_initial_weights_depend_on_the_seed_alone():
    def weights(seed):
        tinynet.manual_seed(seed)
        return nn.Linear(5, 4).weight.tolist()

    assert weights(1) == weights(1) != weights(2)


class Drawing(Dataset):
    """Draws for a sample, for a batch, through a transform, and after a seed of its own."""

    crop = tinynet.transforms.RandomCrop(4, padding=1)

    def __len__(self):
        return 30

    def __getitem__(self, index):
        time.sleep(0.003 * (index % 3))  # so that workers overtake each other
        noise = tinynet.rand(1, 5, 5)
        if index % 4 == 0:
            tinynet.manual_seed(index)  # of this batch alone, not of the program
        return self.crop(noise + index), tinynet.randint(0, 100, ())


class AsItGoes(RandomSampler):
    def __iter__(self):
        return (int(tinynet.randint(0, 30, ())) for _ in range(30))


@pytest.mark.parametrize("sampler", [None, AsItGoes])
@pytest.mark.parametrize("own", [False, True])
def test_what_a_data_set_draws_does_not_depend_on_the_number_of_workers(sampler, own):
    def run(workers):
        tinynet.manual_seed(3)
        generator = tinynet.Generator().manual_seed(8) if own else None
        data = Drawing()
        loader = DataLoader(
            data,
            4,
            shuffle=sampler is None,
            num_workers=workers,
            generator=generator,
            sampler=sampler and sampler(data),
        )
        seen = []
        for _ in range(2):
            for images, numbers in loader:
                seen.append(
                    (images.tolist(), numbers.tolist(), tinynet.rand(2).tolist())
                )  # as dropout draws in the loop
        return seen

    expected = run(0)
    assert run(1) == expected
    assert run(3) == expected
    assert expected[:8] != expected[8:]  # the second pass draws anew


def test_a_data_set_draws_elsewhere_than_the_loop():
    tinynet.manual_seed(3)
    state = tinynet.default_generator.get_state()
    noise = [image for images, _ in DataLoader(Drawing(), 1) for image in (images % 1).tolist()]
    assert tinynet.default_generator.get_state() == {**state, "spawned": 1}
    assert all(noise.count(image) == 1 for image in noise)  # no two batches draw alike


def test_a_data_set_that_raises_leaves_the_default_generator_alone():
    class Raising(Drawing):
        def __getitem__(self, index):
            raise ValueError("no such sample")

    tinynet.manual_seed(3)
    with pytest.raises(ValueError, match="no such sample"):
        next(iter(DataLoader(Raising(), 4)))
    mine = tinynet.rand(3).tolist()
    tinynet.manual_seed(3)
    assert tinynet.rand(3).tolist() == mine
