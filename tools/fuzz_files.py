"""Throw damaged files at all readers of tinynet: each is refused in words or read right.

    python tools/fuzz_files.py                     10,000 cases, a minute or two
    python tools/fuzz_files.py --cases 200000 --seed 7

Three readers: `tinynet.load`, the IDX reader of MNIST, and the reader of CIFAR's batches. Each case
takes a right file, damages it (bits, bytes, blocks, numbers at the limits of their type, a cut,
more at the end, nothing but noise), and reads it in this process. Only ValueError may be raised,
no file written, and no more than `BOUND` bytes of Python's memory allocated. The first case that
breaks a rule is kept, and its seed is printed.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import pickle
import random
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

import tinynet
from tinynet.vision.datasets.cifar import read_batch
from tinynet.vision.datasets.mnist import idx_header, read_idx

# The right files are below 20 kB. A gzip file of that size may hold a thousand times as much, and
# a reader that believed a header would allocate up to its own limit, 256 MB.
BOUND = 32 << 20
Case = Callable[[random.Random, Path], object]


def right_files(folder: Path) -> dict[str, tuple[list[bytes], Callable[[Path], object]]]:
    """For each reader, a few files that it reads, and how it reads one."""
    rng = np.random.default_rng(0)
    model = tinynet.nn.Sequential(tinynet.nn.Conv2d(1, 2, 3), tinynet.nn.BatchNorm2d(2))
    saved = []
    for value in (
        model.state_dict(),
        {
            "lr": 0.1,
            "state": {0: [model[0].weight, (None, "text")]},
            "rng": tinynet.default_generator.get_state(),
        },
    ):
        tinynet.save(value, folder / "right")
        saved.append((folder / "right").read_bytes())
    images = rng.integers(0, 256, (5, 28, 28), np.uint8)
    plain = idx_header(images.shape) + images.tobytes()
    batch = {
        "data": rng.integers(0, 256, (3, 3072), np.uint8),
        "labels": [1, 2, 3],
        "batch_label": "one",
        "filenames": ["a.png"] * 3,
    }
    batches = [pickle.dumps(batch, protocol) for protocol in (2, 4)]
    return {
        "load": (saved, tinynet.load),
        "IDX": ([plain, gzip.compress(plain)], lambda path: read_idx(path, (28, 28))),
        "CIFAR batch": (batches, lambda path: read_batch(path.read_bytes(), str(path))),
    }


def reading(files: list[bytes], read: Callable[[Path], object]) -> Case:
    """The cases of a reader of files; undamaged, they must be readable."""

    def case(rng: random.Random, folder: Path) -> None:
        (folder / "damaged").write_bytes(damaged(rng.choice(files), rng))
        read(folder / "damaged")

    with tempfile.TemporaryDirectory() as folder:
        for content in files:
            path = Path(folder, "right")
            path.write_bytes(content)
            read(path)
    return case


def damaged(content: bytes, rng: random.Random) -> bytes:
    """`content` with one to eight kinds of damage."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = (
            rng.randrange(len(found) + 1)
            if rng.random() < 0.5
            else rng.randrange(min(len(found), 300) + 1)
        )
        kind = rng.randrange(8)
        if kind == 0 and place < len(found):
            found[place] ^= 1 << rng.randrange(8)
        elif kind == 1 and place < len(found):
            found[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            number = rng.choice(
                (0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
            )
            size = rng.choice((2, 4, 8))
            found[place : place + size] = (number % 256**size).to_bytes(
                size, rng.choice(("little", "big"))
            )
        elif kind == 3:
            del found[place:]
        elif kind == 4:
            found += rng.randbytes(rng.randrange(1, 40))
        elif kind == 5:
            del found[place : place + rng.randrange(1, 40)]
        elif kind == 6:
            found[place:place] = found[rng.randrange(len(found) + 1) :][: rng.randrange(1, 60)]
        else:
            digits = [
                i for i, byte in enumerate(found[:2000]) if 48 <= byte <= 57
            ]  # numbers in a JSON header
            if digits:
                found[rng.choice(digits)] = rng.choice(b"0123456789-e.")
    return bytes(found) if rng.random() < 0.99 else rng.randbytes(rng.randrange(200))


def run(cases: range, only: str = "") -> int:
    """Run the cases with these numbers, all of the reader `only` if given, and print the outcome.

    Returns 1 if one broke a rule, else 0.
    """
    start, counts = time.perf_counter(), collections.Counter()
    largest: dict[str, int] = collections.defaultdict(int)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "some", "way", "down")
        folder.mkdir(parents=True)
        readers = {reader: reading(*about) for reader, about in right_files(folder).items()}
        if only:
            readers = {only: readers[only]}
        (folder / "damaged").touch()
        before = sorted(Path(name).rglob("*"))
        for number in cases:
            rng = random.Random(number)
            reader = list(readers)[number % len(readers)]
            tracemalloc.start()
            try:
                readers[reader](rng, folder)
                outcome = "read"
            except ValueError:
                outcome = "refused"
            except BaseException as error:
                outcome = f"{type(error).__name__}: {error}"
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            largest[reader] = max(largest[reader], peak)
            if outcome in ("read", "refused") and peak > BOUND:
                outcome = f"allocated {peak:,} bytes"
            elif sorted(Path(name).rglob("*")) != before:
                outcome = "left a file"
            counts[reader, outcome] += 1
            if outcome not in ("read", "refused"):
                kept = Path(tempfile.gettempdir()) / f"tinynet-fuzz-{number}"
                shutil.copy(folder / "damaged", kept)
                again = f"--seed {number} --cases 1" + (f" --only '{only}'" if only else "")
                print(f"case {number}, {reader}: {outcome}", file=sys.stderr)
                print(f"its file is kept as {kept}; again: {again}", file=sys.stderr)
                return 1
    for reader in readers:
        refused, read = counts[reader, "refused"], counts[reader, "read"]
        most = largest[reader] / 1e6
        print(f"{reader:14} {refused:6,} refused, {read:5,} read, at most {most:.1f} MB allocated")
    seconds = time.perf_counter() - start
    print(f"{len(cases):,} cases in {seconds:.0f} s: no crash, nothing but ValueError")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first case")
    parser.add_argument(
        "--only",
        default="",
        help="one reader: load, IDX or 'CIFAR batch'",
    )
    options = parser.parse_args()
    return run(range(options.seed, options.seed + options.cases), options.only)


if __name__ == "__main__":
    sys.exit(main())
