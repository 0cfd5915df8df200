"""Throw damaged files and a hostile server at everything of tinynet's that reads files, and see that each is refused in words or read right.

    python tools/fuzz_files.py                     10,000 cases, a minute or two
    python tools/fuzz_files.py --cases 200000 --seed 7

Five readers: `tinynet.load`, the IDX reader of MNIST, of CIFAR the pickle reader and the archive reader, and the downloader. For the
first four, each case takes a right file, damages it (bits, bytes, blocks, numbers at the limits of their type, a cut, more at the
end, nothing but noise), and reads it in this process. Only ValueError may be raised, and no file written. The downloader
asks a server that lies and breaks off (`hostile_server.py`), and only DownloadError may be raised; it has to end in time, with nothing but
its own files of bounded size; what it leaves behind must not keep it from getting the right file from a good server afterwards.
No case may allocate more than `BOUND` bytes of Python's memory. The first that breaks a rule is kept, and its seed is printed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import gzip
import io
import logging
import os
import pickle
import random
import shutil
import sys
import tarfile
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile_server import HostileServer

import tinynet
from tinynet.datasets import download
from tinynet.datasets.cifar import read_batch, unpack
from tinynet.datasets.idx import IdxFile, idx_header, idx_sha256, load_file, read_idx

# The right files are below 20 kB. A gzip file of that size may hold a thousand times as much, and a reader that believed a
# header would allocate up to its own limit, 256 MB.
BOUND = 32 << 20
# A download is given so many seconds here, and may take this many times as long, on a machine that is busy with other things.
SILENCE, TIME_LIMIT, PATIENCE = 0.05, 0.3, 100
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
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, kind in (("../outside", tarfile.SYMTYPE), ("link", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        for name in ("../../outside", "/tmp/outside", "cifar/data_batch_1", "cifar/test_batch"):
            member = tarfile.TarInfo(name)
            member.size = len(batches[0])
            tar.addfile(member, io.BytesIO(batches[0]))
    loose = gzip.decompress(archive.getvalue())
    return {
        "load": (saved, tinynet.load),
        "IDX": ([plain, gzip.compress(plain)], lambda path: read_idx(path, (28, 28))),
        "CIFAR batch": (batches, lambda path: read_batch(path.read_bytes(), str(path))),
        # the damage is done to the archive itself, and to what the gzip around it holds
        "CIFAR archive": (
            [archive.getvalue(), loose],
            lambda path: list(unpack(path, ["cifar/data_batch_1", "cifar/test_batch"])),
        ),
    }


def as_archive(content: bytes) -> bytes:
    return content if content[:2] == b"\x1f\x8b" else gzip.compress(content, 1)


def reading(name: str, files: list[bytes], read: Callable[[Path], object]) -> Case:
    """The cases of a reader of files; undamaged, they must be readable."""
    as_file = as_archive if name == "CIFAR archive" else bytes

    def case(rng: random.Random, folder: Path) -> None:
        (folder / "damaged").write_bytes(as_file(damaged(rng.choice(files), rng)))
        read(folder / "damaged")

    with tempfile.TemporaryDirectory() as folder:
        for content in files:
            path = Path(folder, "right")
            path.write_bytes(as_file(content))
            read(path)
    return case


def downloading(server: HostileServer, images: np.ndarray) -> Case:
    """The cases of the downloader, which tries to get `images` from the server."""
    check = functools.partial(
        load_file,
        file=IdxFile("images", len(images), images.shape[1:], idx_sha256(images)),
        exact=True,
    )
    most = len(server.good) + 1000

    def fetch(path: Path) -> str:
        start = time.monotonic()
        try:
            download.fetch([server.url, server.url], path, check, max_bytes=most)
        except download.DownloadError as error:
            assert not path.exists(), "it refused, and left the file"
            assert str(error).isprintable(), f"it prints a server's control characters: {error}"
            outcome = str(error)
        else:
            assert np.array_equal(check(path), images), "it took a wrong file for right"
            outcome = ""
        assert time.monotonic() - start < PATIENCE * TIME_LIMIT, "it took too long"
        names = {path.name + ending for ending in ("", ".part", ".lock")}
        for left in path.parent.iterdir():
            assert left.name in names and left.is_file() and left.stat().st_size <= most, (
                f"it left {left.name}"
            )
        return outcome

    def case(rng: random.Random, folder: Path) -> None:
        path = folder / "cache" / "images.gz"
        path.parent.mkdir()
        try:
            if rng.random() < 0.3:  # what an earlier process left
                path.with_name("images.gz.part").write_bytes(damaged(server.good, rng)[:most])
            server.begin(rng.randrange(2**64))
            refused = fetch(path)
            server.begin(None)
            with limits(60.0, 60.0):
                assert fetch(path) == "", "what it had left behind keeps it from the right file"
        finally:
            server.begin(None)
            shutil.rmtree(path.parent)
        if refused:
            raise download.DownloadError(refused)

    return case


@contextlib.contextmanager
def limits(stall: float, time_limit: float):
    """The downloader's limits of time, in seconds, inside the block; without pauses between its tries."""
    before = download.STALL, download.TIME_LIMIT, download.BACKOFF
    download.STALL, download.TIME_LIMIT, download.BACKOFF = stall, time_limit, 0.0
    try:
        yield
    finally:
        download.STALL, download.TIME_LIMIT, download.BACKOFF = before


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
    """Run the cases with these numbers, and say what came of them; with `only`, those of that reader. 1 if one broke a rule, else 0."""
    start, counts = time.perf_counter(), collections.Counter()
    largest: dict[str, int] = collections.defaultdict(int)
    images = np.random.default_rng(1).integers(0, 256, (9, 28, 28), np.uint8)
    server = HostileServer(
        gzip.compress(idx_header(images.shape) + images.tobytes(), mtime=0), SILENCE
    )
    download.optional("tqdm").tqdm.monitor_interval = 0  # no thread that watches bars
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each odd header
    threads = threading.active_count()
    with tempfile.TemporaryDirectory() as name, limits(SILENCE, TIME_LIMIT), server:
        folder = Path(name, "some", "way", "down")
        folder.mkdir(parents=True)
        readers = {reader: reading(reader, *about) for reader, about in right_files(folder).items()}
        readers["download"] = downloading(server, images)
        if only:
            readers = {only: readers[only]}
        (folder / "damaged").touch()
        before = sorted(Path(name).rglob("*"))
        for number in cases:
            rng = random.Random(number)
            reader = list(readers)[number % len(readers)]
            refusal = download.DownloadError if reader == "download" else ValueError
            tracemalloc.start()
            try:
                readers[reader](rng, folder)
                outcome = "read"
            except refusal:
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
                print(
                    f"case {number}, {reader}: {outcome}\nits file is kept as {kept}; again: {again}",
                    file=sys.stderr,
                )
                return 1
    for _ in range(1000):  # whoever was left behind in a transfer must come to an end too
        if threading.active_count() <= threads:
            break
        time.sleep(0.02)
    else:
        print(f"{threading.active_count() - threads} threads are left over", file=sys.stderr)
        return 1
    for reader in readers:
        print(
            f"{reader:14} {counts[reader, 'refused']:6,} refused, {counts[reader, 'read']:5,} read, "
            f"at most {largest[reader] / 1e6:.1f} MB allocated"
        )
    print(
        f"{len(cases):,} cases in {time.perf_counter() - start:.0f} s: no crash, nothing but ValueError and DownloadError"
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first case")
    parser.add_argument(
        "--only",
        default="",
        help="one reader: load, IDX, 'CIFAR batch', 'CIFAR archive' or download",
    )
    options = parser.parse_args()
    os.environ |= {
        "TQDM_DISABLE": "1",
        "NO_PROXY": "127.0.0.1",
    }  # no bars, and the way to this machine is not through a proxy
    return run(range(options.seed, options.seed + options.cases), options.only)


if __name__ == "__main__":
    sys.exit(main())
