"""IDX, the file format of MNIST and its relatives: a reader that trusts nothing it reads.

A file of unsigned bytes in `d` dimensions is a header of 1 + d big-endian 32-bit numbers, the magic number
0x0800 + d and the sizes, and then the bytes themselves, last dimension fastest. gzip around it is optional.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

# What read_idx() will ever allocate for one file. The largest file of the MNIST family has 47 million bytes.
MAX_BYTES = 1 << 28

# No deflate stream grows by more than this factor (https://zlib.net/zlib_tech.html), so a gzip file bounds
# its content too, and a small file with a boastful header is refused before anything is allocated for it.
_DEFLATE_LIMIT = 1032


@dataclass(frozen=True)
class IdxFile:
    """A published file: its name without .gz, N items of which shape, SHA-256 of the uncompressed content."""

    name: str
    count: int
    item_shape: tuple[int, ...]
    sha256: str


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The bytes that start an IDX file of unsigned bytes of this shape.

    >>> idx_header((60000, 28, 28)).hex(" ", 4)
    '00000803 0000ea60 0000001c 0000001c'
    """
    return struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds the uint8 `array`, as 64 hexadecimal digits."""
    digest = hashlib.sha256(idx_header(array.shape))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def read_idx(path: str | os.PathLike[str], item_shape: tuple[int, ...]) -> np.ndarray:
    """Read a plain or gzipped IDX file that holds N items of `item_shape`: uint8 (N, *item_shape).

    A file is gzipped if its first bytes say so, whatever its name. At most `MAX_BYTES` (256 MiB), and no more
    than a file of this size can hold, are allocated; decompression stops one byte after the promised end.

    Raises:
        ValueError: the file cannot be read, is no IDX file, holds items of another shape, or is shorter or
            longer than it says. The message names the path, what was found and what was expected.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(file, path, item_shape)
    except (OSError, EOFError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path}: cannot be read ({reason}); expected an intact IDX file, plain or gzipped") from error


def _read(file: IO[bytes], path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    file_size = os.fstat(file.fileno()).st_size
    gzipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream: Any = gzip.GzipFile(fileobj=file) if gzipped else file

    start = idx_header((1, *item_shape))
    header = stream.read(len(start))
    if len(header) < len(start) or header[:4] != start[:4] or header[8:] != start[8:]:
        raise ValueError(
            f"{path}: starts with the bytes '{header.hex(' ', 4)}'; an IDX file of N items of shape "
            f"{item_shape} starts with '{start[:4].hex()}', then N in 4 bytes, then '{start[8:].hex(' ', 4)}'"
        )
    count = int.from_bytes(header[4:8], "big")
    size = count * math.prod(item_shape)
    most = min(MAX_BYTES, file_size * (_DEFLATE_LIMIT if gzipped else 1))
    if not 1 <= size <= most:
        raise ValueError(
            f"{path}: the header promises {count:,} items of shape {item_shape}, {size:,} bytes; "
            f"this file of {file_size:,} bytes can hold between one item and {most:,} bytes"
        )

    array = np.empty((count, *item_shape), np.uint8)
    view = array.data.cast("B")
    filled = 0
    # By the megabyte, because gzip's readinto() first makes bytes as large as it was asked to fill.
    while filled < size and (got := stream.readinto(view[filled : filled + (1 << 20)])):
        filled += got
    # Reading past the end also makes gzip compare its own checksum and length with what came out.
    excess = stream.read(1)
    if filled < size or excess:
        found = f"more than {size:,}" if excess else f"{filled:,}"
        raise ValueError(f"{path}: {found} bytes follow the header, which promises {count:,} items of shape {item_shape}, {size:,} bytes")
    return array


def find_file(folder: Path, file: IdxFile) -> Path | None:
    """`file` in `folder`, plain or gzipped, or None. Archives also spell it train-images.idx3-ubyte."""
    for name in (file.name, file.name.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if os.path.isfile(path):  # Path.is_file() raises for a folder that is closed to us; this is False
                return path
    return None


def load_file(path: Path, file: IdxFile, *, exact: bool) -> np.ndarray:
    """The uint8 array in `path`, which must have the published content if it has the published size.

    With `exact` no other size will do. ValueError names the path, what is there and what was expected.
    """
    array = read_idx(path, file.item_shape)
    if len(array) != file.count:
        if exact:
            raise ValueError(f"{path}: holds {len(array):,} items; {file.name} has {file.count:,}")
    elif (sha256 := idx_sha256(array)) != file.sha256:
        raise ValueError(
            f"{path}: has the size of the published {file.name} but not its content: "
            f"SHA-256 of the uncompressed bytes is {sha256}, expected {file.sha256}"
        )
    return array
