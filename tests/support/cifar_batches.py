"""CIFAR-10 in six batches of four made-up images, in the bytes of the published files."""

from __future__ import annotations

import struct

import numpy as np

_random = np.random.default_rng(10)
COUNT = 4  # images in a batch of the tests
PIXELS = _random.integers(
    0, 256, (6, COUNT, 3, 32, 32), dtype=np.uint8
)  # five batches to train with and one to test
LABELS = _random.integers(0, 10, (6, COUNT))
NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
FOLDER = "cifar-10-batches-py"


def published_pickle(pixels: np.ndarray, labels: np.ndarray, columns_first: bool = False) -> bytes:
    """A batch in the bytes that Python 2 wrote.

    That is: protocol 2, strings of bytes, a list in pieces, and an array that a call makes.
    """

    def text(string: bytes) -> bytes:
        return b"U" + bytes([len(string)]) + string

    def number(value: int) -> bytes:
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)

    def photo(i: int) -> bytes:
        return text(b"photo_%d.png" % i) + b"r" + struct.pack("<I", 300 + i)

    raw = pixels.reshape(len(pixels), -1).tobytes("F" if columns_first else "C")
    return b"".join(
        [
            b"\x80\x02}q\x01(", text(b"batch_label"), b"q\x02", text(b"training batch 1 of 5"),
            b"q\x03", text(b"labels"), b"q\x04",
            b"]q\x05(", *map(number, labels[:3]), b"e(", *map(number, labels[3:]), b"e",
            text(b"data"), b"q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07",
            b"cnumpy\nndarray\nq\x08", number(0), b"\x85q\x09", text(b"b"),
            b"q\x0a\x87q\x0bRq\x0c(", number(1), number(len(pixels)), number(3072), b"\x86q\x0d",
            b"cnumpy\ndtype\nq\x0e", text(b"u1"), b"q\x0f", number(0), number(1),
            b"\x87q\x10Rq\x11(", number(3), text(b"|"), b"q\x12",
            b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff", number(0), b"tq\x13b",
            b"\x88" if columns_first else b"\x89",
            b"T" + struct.pack("<i", len(raw)) + raw, b"q\x14tq\x15b",
            text(b"filenames"), b"q\x16]q\x17(", *map(photo, range(len(pixels))), b"eu.",
        ]
    )  # fmt: skip


BATCHES = {
    name: published_pickle(pixels, labels)
    for name, pixels, labels in zip(NAMES, PIXELS, LABELS, strict=True)
}
