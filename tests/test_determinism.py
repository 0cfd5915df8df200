"""The same seed on the same machine with the same number of threads gives the same bits."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.utils.data import DataLoader, TensorDataset, random_split

ROOT = Path(tinynet.__file__).parent.parent


def train(seed=0):
    """A few steps of a net large enough to be shared among threads; a digest of all that it ends with."""
    tinynet.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3),
        nn.Conv2d(8, 12, 3), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12 * 6 * 6, 10),
    )  # fmt: skip
    data, _ = random_split(TensorDataset(tinynet.randn(150, 1, 28, 28), tinynet.randint(0, 10, (150,))), [128, 22])
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
    code = f"import tinynet; tinynet.set_num_threads({threads}); from test_determinism import train; print(train())"
    found = set()
    for hash_seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
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
