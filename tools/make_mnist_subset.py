"""Make the digits that ship with tinynet from the complete MNIST set.

    python tools/make_mnist_subset.py FOLDER [--out tinynet/_data]

FOLDER holds the four official files, plain or gzipped; they are checked against their SHA-256.
What comes out is the first 10,000 of the 60,000 training digits and every fifth (0, 5, 10, ...) of
the 10,000 test digits: fixed rules that look at no label and at no model, so nothing is picked for
being easy. (Other people wrote the first half of the test set than its second, and the first half
is easier; every fifth digit keeps that mixture.)

The content is the same on every run, and so is the SHA-256 printed for each file, which
tinynet/_data/sha256sums.txt repeats. The compressed bytes may differ with the version of zlib,
which does no harm.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np

from tinynet.vision.datasets.mnist import (
    MNIST_FILES,
    MNIST_SUBSET,
    IdxFile,
    find_file,
    idx_header,
    idx_sha256,
    load_file,
)

TRAIN = slice(0, 10_000)
TEST = slice(0, None, 5)


def read_official(folder: Path, file: IdxFile) -> np.ndarray:
    path = find_file(folder, file)
    if path is None:
        raise SystemExit(f"{folder} has no {file.name}, plain or gzipped")
    return load_file(path, file, exact=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the four official MNIST files are")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent.parent / "tinynet" / "_data"
    )
    arguments = parser.parse_args()

    official = [read_official(arguments.folder, file) for file in MNIST_FILES]
    for name, array, rows in zip(
        (file.name for file in MNIST_SUBSET), official, (TRAIN, TRAIN, TEST, TEST), strict=True
    ):
        part = array[rows]
        path = arguments.out / f"mnist-subset-{name}.gz"
        # No name and no time go into the gzip header, so equal content gives equal files.
        with (
            path.open("wb") as file,
            gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as out,
        ):
            out.write(idx_header(part.shape) + part.tobytes())
        size = path.stat().st_size
        print(f"{path}: {len(part):,} items in {size:,} bytes, sha256 {idx_sha256(part)}")


if __name__ == "__main__":
    main()
