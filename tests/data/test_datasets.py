"""MNIST: the reader against damaged files, the search for folders, the download from mirrors."""

from __future__ import annotations

import contextlib
import gc
import gzip
import hashlib
import itertools
import math
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet.creation import tensor
from tinynet.vision.datasets import download, image_set, mnist
from tinynet.vision.datasets.mnist import (
    FASHION_FILES,
    KMNIST_FILES,
    MNIST_FILES,
    MNIST_SUBSET,
    four_files,
    idx_header,
    idx_sha256,
    read_idx,
)
from tinynet.datasets import KMNIST, MNIST, FashionMNIST
from tinynet.tensor import Tensor
from tinynet.transforms import ToTensor
from tinynet.utils.data import DataLoader

# pooch leaves the connection of a failed download to the garbage collector; see `server`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")


def idx_bytes(array: np.ndarray) -> bytes:
    return idx_header(array.shape) + array.tobytes()


# A set small enough to make up: 12 training images and 5 test images, in the order of MNIST_FILES.
_random = np.random.default_rng(2024)
ARRAYS = [
    _random.integers(0, 256, (12, 28, 28), dtype=np.uint8),
    _random.integers(0, 10, 12, dtype=np.uint8),
    _random.integers(0, 256, (5, 28, 28), dtype=np.uint8),
    _random.integers(0, 10, 5, dtype=np.uint8),
]
NAMES = [file.name for file in MNIST_FILES]
CONTENT = {
    f"{name}.gz": gzip.compress(idx_bytes(array)) for name, array in zip(NAMES, ARRAYS, strict=True)
}
IMAGES, LABELS = NAMES[:2]
SIZE = len(CONTENT[f"{IMAGES}.gz"])
GZ_DIGESTS = {
    name: hashlib.sha256(gz).hexdigest() for name, gz in zip(NAMES, CONTENT.values(), strict=True)
}
DIGESTS = [hashlib.sha256(idx_bytes(array)).hexdigest() for array in ARRAYS]


class Tiny(MNIST):
    files = four_files("tiny", 12, 5)
    subset = ()
    mirrors = ()


class Shipped(Tiny):
    """Tiny, but with something to fall back on."""

    subset = MNIST_SUBSET


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, no TINYNET_DATA, nothing remembered from another test."""
    monkeypatch.setattr(image_set, "cache_folder", lambda: tmp_path / "cache")
    for name, digest in zip(NAMES, DIGESTS, strict=True):
        monkeypatch.setitem(mnist.SHA256, f"tiny/{name}", digest)
        monkeypatch.setitem(mnist.SHA256, f"tiny/{name}.gz", GZ_DIGESTS[name])
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    download.first_to_answer.cache_clear()
    image_set._say_once.cache_clear()
    return tmp_path / "cache"


def fill(folder: Path, *, plain: bool = False, arrays: list[np.ndarray] = ARRAYS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays, strict=True):
        content = idx_bytes(array)
        (folder / (name if plain else f"{name}.gz")).write_bytes(
            content if plain else gzip.compress(content)
        )
    return folder


# --------------------------------------------------------------------------------------- the reader


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("name", ["x", "x.gz"])  # the content decides, not the name
def test_read_idx_gives_what_was_written(tmp_path, plain, name):
    content = idx_bytes(ARRAYS[0])
    (tmp_path / name).write_bytes(content if plain else gzip.compress(content))
    array = read_idx(tmp_path / name, (28, 28))
    assert array.dtype == np.uint8
    assert array.flags.writeable
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, ARRAYS[0])


def test_idx_header_and_digest_are_those_of_the_file():
    assert idx_header((3,)) == bytes([0, 0, 8, 1, 0, 0, 0, 3])
    for array, digest in zip(ARRAYS, DIGESTS, strict=True):
        assert idx_sha256(array) == digest
        assert idx_sha256(array[::-1][::-1]) == digest


@pytest.mark.parametrize("plain", [True, False])
def test_read_idx_refuses_every_truncation(tmp_path, plain):
    whole = idx_bytes(ARRAYS[1]) if plain else CONTENT[f"{LABELS}.gz"]
    path = tmp_path / "cut"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut: "):
            read_idx(path, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            idx_bytes(ARRAYS[1]),
            r"starts with the bytes '00000801 0000000c .*' starts|starts with '00000803'",
        ),
        (b"<html><body>Sign in to this network</body></html>", "starts with '00000803'"),
        (b"", "starts with the bytes ''"),
        (
            idx_header((1, 28, 27)) + bytes(28 * 27),
            "'00000803', then N in 4 bytes, then '0000001c 0000001c'",
        ),
        (idx_header((0, 28, 28)), "promises 0 items"),
        (idx_bytes(ARRAYS[0])[:-1], "promises 12 items"),
        (idx_bytes(ARRAYS[0]) + b"x", "more than 9,408 bytes follow the header"),
        (gzip.compress(idx_bytes(ARRAYS[0]) + b"x"), "more than 9,408 bytes follow the header"),
        (gzip.compress(idx_bytes(ARRAYS[0])[:-1]), "9,407 bytes follow the header"),
        (gzip.compress(idx_bytes(ARRAYS[0])) + b"garbage", "cannot be read"),
        (
            gzip.compress(idx_bytes(ARRAYS[0]))[:-5] + b"!!!!!",
            "cannot be read",
        ),  # gzip's own length and checksum
        (b"\x1f\x8b" + b"not gzip", "cannot be read"),
    ],
)
def test_read_idx_names_the_file_and_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_idx(path, (28, 28))
    assert str(error.value).startswith(f"{path}: ")


def test_read_idx_names_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"absent: cannot be read .*No such file"):
        read_idx(tmp_path / "absent", ())


@pytest.mark.parametrize(
    "content",
    [
        idx_header((0xFFFFFFFF, 28, 28)) + bytes(1000),
        gzip.compress(idx_header((0xFFFFFFFF, 28, 28)) + bytes(1000)),
        # within the bound, but not in 50 bytes
        gzip.compress(idx_header((mnist.MAX_BYTES // 784, 28, 28)) + bytes(1000)),
        gzip.compress(
            idx_header((1, 28, 28)) + bytes(20_000_000)
        ),  # a bomb: 20 kB that unpack to 20 MB
    ],
    ids=["boastful", "gzipped", "within the bound", "bomb"],
)
def test_read_idx_allocates_nothing_for_a_hostile_file(tmp_path, content):
    path = tmp_path / "hostile"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match="hostile: "):
        read_idx(path, (28, 28))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_read_idx_keeps_its_stated_bound(tmp_path, monkeypatch):
    assert mnist.MAX_BYTES == 2**28
    path = tmp_path / "large"
    path.write_bytes(idx_bytes(ARRAYS[0]))
    monkeypatch.setattr(mnist, "MAX_BYTES", ARRAYS[0].size)
    read_idx(path, (28, 28))
    monkeypatch.setattr(mnist, "MAX_BYTES", ARRAYS[0].size - 1)
    with pytest.raises(ValueError, match="between one item and 9,407 bytes"):
        read_idx(path, (28, 28))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


_whole = st.sampled_from(
    [idx_bytes(ARRAYS[3]), CONTENT[f"{NAMES[3]}.gz"], idx_bytes(ARRAYS[2][:, :2, :3])]
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    content=st.binary(max_size=60) | st.builds(gzip.compress, st.binary(max_size=60)) | _whole,
    edits=st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 2), st.binary(max_size=4)), max_size=3
    ),
    item_shape=st.sampled_from([(), (2, 3), (28, 28)]),
)
def test_read_idx_fuzzed(scratch, content, edits, item_shape):
    for position, remove, insert in edits:
        content = content[:position] + insert + content[position + remove :]
    scratch.write_bytes(content)
    array, refusal = None, f"{scratch}: "
    try:
        array = read_idx(scratch, item_shape)
    except ValueError as error:
        refusal = str(error)
    assert refusal.startswith(f"{scratch}: ")
    if array is not None:  # what is accepted is exactly what the bytes say
        assert idx_bytes(array) == (
            gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        )
        assert array.shape[1:] == item_shape
        assert len(array) >= 1


# ---------------------------------------------------------------------------------------- the items


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(fill(tmp_path / "data"), download=False)


def test_the_folders_of_torchvision(tmp_path, tiny):
    assert tiny.raw_folder == str(tmp_path / "data" / "Tiny" / "raw")
    assert tiny.processed_folder == str(tmp_path / "data" / "Tiny" / "processed")
    assert tiny._check_exists() is True
    tiny.root = str(tmp_path)
    assert tiny._check_exists() is False
    fill(tmp_path / "MNIST" / "raw")
    assert tiny._check_exists() is True


def test_an_item(tiny):
    image, label = tiny[3]
    assert isinstance(image, Tensor)
    assert type(label) is int
    assert (image.shape, image.dtype) == ((1, 28, 28), np.float32)
    np.testing.assert_array_equal(image.array[0], ARRAYS[0][3].astype(np.float32) / np.float32(255))
    assert label == ARRAYS[1][3]
    assert len({tiny[3][1] for _ in range(3)}) == 1
    assert image.array.min() >= 0
    assert image.array.max() <= 1
    assert not image.requires_grad


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        (np.array([4, 0, 4, -1]), [4, 0, 4, 11]),
        (np.array([4, 0], np.uint8), [4, 0]),
        ([11, 2], [11, 2]),
        ((1, 2, 3), [1, 2, 3]),
        (tensor([5, 6]), [5, 6]),
        (slice(2, 9, 3), [2, 5, 8]),
        (slice(100, 200), []),
        ([], []),
        (np.arange(12) % 5 == 1, [1, 6, 11]),
    ],
    ids=str,
)
def test_a_batch_is_its_items_stacked(tiny, rows, where):
    images, labels = tiny[rows]
    assert (images.shape, images.dtype) == ((len(where), 1, 28, 28), np.float32)
    assert (labels.shape, labels.dtype) == ((len(where),), np.int64)
    for position, row in enumerate(where):
        image, label = tiny[row]
        np.testing.assert_array_equal(images.array[position], image.array)
        assert labels.array[position] == label


def test_a_data_loader_gets_the_items(tmp_path):
    seen = []

    def transform(image):
        seen.append((image.mode, image.size))
        return ToTensor()(image)

    data = Tiny(fill(tmp_path), transform=transform, download=False)
    batches = list(DataLoader(data, batch_size=5))
    assert seen == [("L", (28, 28))] * 12
    for start, (images, labels) in zip((0, 5, 10), batches, strict=True):
        np.testing.assert_array_equal(images.array, data[start : start + 5][0].array)
        np.testing.assert_array_equal(labels.array, data[start : start + 5][1].array)


@pytest.mark.parametrize("index", [4, slice(0, 12), np.arange(12)], ids=str)
def test_what_an_item_becomes_does_not_change_the_set(tiny, index):
    image, label = tiny[index]
    image.array[...] = 7
    if not isinstance(label, int):
        label.array[...] = 7
    np.testing.assert_array_equal(tiny.data.array, ARRAYS[0])
    np.testing.assert_array_equal(tiny.targets.array, ARRAYS[1])


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (12, IndexError, "Tiny: index 12 is out of range for 12 images"),
        (-13, IndexError, "index -13 is out of range"),
        ([0, 99, 1], IndexError, "index 99 is out of range"),
        (np.array([0, -99]), IndexError, "index -99 is out of range"),
        (1.0, TypeError, "the index is a float"),
        ("1", TypeError, "the index is a str"),
        (None, TypeError, "the index is a NoneType"),
        ([[1, 2]], TypeError, r"of shape \(1, 2\)"),
        ([True, False], TypeError, "or 12 bools"),
    ],
    ids=str,
)
def test_a_wrong_index_is_named(tiny, index, error, message):
    with pytest.raises(error, match=message):
        tiny[index]


def test_length_attributes_and_iteration(tiny, tmp_path):
    assert len(tiny) == 12
    assert len(list(tiny)) == 12
    assert tiny.data.dtype == np.uint8
    assert tiny.targets.dtype == np.int64
    np.testing.assert_array_equal(tiny.data.array, ARRAYS[0])
    np.testing.assert_array_equal(tiny.targets.array, ARRAYS[1])
    assert tiny.source == f"12 training images from {tmp_path / 'data'} (root)"
    assert repr(tiny) == (f"Dataset Tiny\n    Number of datapoints: 12\n    Root location: "
        f"{tmp_path / 'data'}\n    Split: Train")
    test = Tiny(tmp_path / "data", train=False, download=False)
    assert len(test) == 5
    np.testing.assert_array_equal(test.data.array, ARRAYS[2])
    assert (MNIST.classes[7], FashionMNIST.classes[9]) == ("7 - seven", "Ankle boot")
    assert len(MNIST.classes) == len(FashionMNIST.classes) == 10


def test_transforms_get_one_pil_image_and_one_int(tmp_path):
    given = []

    def transform(image):
        given.append((type(image).__name__, np.asarray(image).tolist()))
        return len(given)

    def target_transform(label):
        given.append(type(label))
        return label + 100

    fill(tmp_path / "data")
    data = Tiny(tmp_path / "data", True, transform, target_transform, download=False)
    assert data[2] == (1, ARRAYS[1][2] + 100)
    assert given == [("Image", ARRAYS[0][2].tolist()), int]
    numbers, labels = data[[1, 2]]
    assert numbers.tolist() == [3, 5]
    np.testing.assert_array_equal(labels.array, ARRAYS[1][[1, 2]] + 100)


def test_the_names_of_torchvision(tiny):
    assert tiny.class_to_idx["3 - three"] == 3
    for old, new in {"train_data": "data", "test_data": "data", "train_labels": "targets",
                     "test_labels": "targets"}.items():
        with pytest.warns(UserWarning, match=f"{old} has been renamed {new}"):
            assert getattr(tiny, old) is getattr(tiny, new)
    tiny.data, tiny.targets = tiny.data[5:8], tiny.targets[5:8]
    assert (len(tiny), tiny[1][1]) == (3, ARRAYS[1][6])
    tiny.data = tiny.data.float()
    tiny.transform = lambda image: image
    with pytest.raises(TypeError, match="Tiny: data is float32, but a transform needs .* uint8"):
        tiny[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"download": "yes"}, "download is 'yes'; expected None"),
        ({"download": 0}, "download is 0"),
        ({"train": "test"}, "train is 'test'; expected True"),
        ({"transform": 3}, "transform is 3; expected a function"),
        ({"target_transform": []}, r"target_transform is \[\]"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, arguments, message):
    with pytest.raises(TypeError, match=f"Tiny: {message}"):
        Tiny(fill(tmp_path / "data"), **arguments)


# -------------------------------------------------------------------------------------- the folders


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("layout", [".", "mnist", "MNIST/raw"])
def test_layouts_of_a_folder(tmp_path, capsys, layout, plain):
    fill(tmp_path / layout, plain=plain)
    data = Tiny(tmp_path, train=False, download=False)
    np.testing.assert_array_equal(data.data.array, ARRAYS[2])
    assert capsys.readouterr().err == f"Tiny: using 5 test images from {tmp_path / layout} (root)\n"


def test_a_folder_may_start_with_a_tilde(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    fill(tmp_path / "digits")
    assert len(Tiny("~/digits", download=False)) == 12
    monkeypatch.setenv("TINYNET_DATA", "~/digits")
    assert len(Tiny(download=False)) == 12


def test_file_names_with_a_dot(tmp_path):
    for path in fill(tmp_path, plain=True).glob("*-ubyte"):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(Tiny(tmp_path, download=False)) == 12


def test_layouts_of_fashion_mnist_do_not_meet_those_of_mnist():
    assert set(FashionMNIST.folders) & set(MNIST.folders) == {"."}
    assert (
        MNIST.folders[-1] == FashionMNIST.folders[-1] == "."
    )  # a folder of its own name goes first


def test_the_order_is_root_then_environment_then_cache(tmp_path, cache, monkeypatch):
    def source() -> str:
        return Tiny(tmp_path / "root", download=True).source

    fill(cache / "MNIST/raw")
    assert source().endswith("raw (cache)")
    monkeypatch.setenv("TINYNET_DATA", str(fill(tmp_path / "environment")))
    assert source().endswith("environment (TINYNET_DATA)")
    fill(tmp_path / "root")
    assert source().endswith("root (root)")
    assert Tiny(download=False).source.endswith("environment (TINYNET_DATA)")


def test_a_named_folder_without_the_files_is_an_error(tmp_path, cache, monkeypatch):
    """Neither the cache nor the subset stands in for images that somebody expects elsewhere."""
    fill(cache)
    fill(tmp_path / "half")
    (tmp_path / "half" / f"{LABELS}.gz").unlink()
    for kind, folder, insist in itertools.product((Tiny, Shipped), ("half", "no"), (None, False)):
        lacks = f"root {tmp_path / folder} lacks {IMAGES}.gz or {LABELS}.gz"
        with pytest.raises(RuntimeError, match=f"there are no files, because {lacks}; download="):
            kind(tmp_path / folder, download=insist)
    # but TINYNET_DATA does: so a program with a folder of its own finds what its user has
    monkeypatch.setenv("TINYNET_DATA", str(fill(tmp_path / "environment")))
    assert Tiny(tmp_path / "no").source.endswith("environment (TINYNET_DATA)")


def test_why_an_earlier_place_is_not_used(tmp_path, cache, monkeypatch, capsys):
    fill(cache)
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "nowhere"))
    Tiny(tmp_path / "half", download=True)
    said = capsys.readouterr().err
    assert said.startswith("Tiny: using 12 training images from ")
    assert said.count("\n") == 1
    assert f"because root {tmp_path / 'half'} lacks {IMAGES}.gz or {LABELS}.gz" in said
    assert f"; TINYNET_DATA {tmp_path / 'nowhere'} lacks" in said


def test_it_is_said_once(tmp_path, capsys):
    fill(tmp_path)
    for _ in range(3):
        Tiny(tmp_path, download=False)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("called", ["root", "TINYNET_DATA"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[: len(content) // 2], "cannot be read"),
        (
            lambda content: gzip.compress(idx_bytes(255 - ARRAYS[0])),
            f"SHA-256 .*, expected {DIGESTS[0]}",
        ),
        (lambda content: CONTENT[f"{LABELS}.gz"], "starts with the bytes '00000801"),
        (
            lambda content: gzip.compress(idx_bytes(ARRAYS[0][:7])),
            "holds 12 labels, but .* holds 7 images",
        ),
    ],
    ids=["truncated", "other content", "other file", "other length"],
)
def test_a_bad_file_in_an_explicit_folder_is_an_error(
    tmp_path, cache, monkeypatch, called, damage, message
):
    fill(cache)  # good files further down the order must not hide it
    path = fill(tmp_path / "data") / f"{IMAGES}.gz"
    path.write_bytes(damage(path.read_bytes()))
    if called == "TINYNET_DATA":
        monkeypatch.setenv("TINYNET_DATA", str(path.parent))
    with pytest.raises(ValueError, match=message) as error:
        Tiny(path.parent if called == "root" else None, download=False)
    assert str(path) in str(error.value)
    assert str(error.value).endswith(f"Replace or delete this file, or choose another {called}")


def test_images_of_your_own_are_taken_as_they_are(tmp_path):
    arrays = [ARRAYS[0][:7], ARRAYS[1][:7], *ARRAYS[2:]]
    assert len(Tiny(fill(tmp_path, arrays=arrays), download=False)) == 7


def test_a_label_that_is_no_class_is_an_error(tmp_path):
    arrays = [ARRAYS[0][:2], np.array([3, 10], np.uint8), *ARRAYS[2:]]
    with pytest.raises(ValueError, match=f"{LABELS}.gz: holds the label 10, but labels are 0 to 9"):
        Tiny(fill(tmp_path, arrays=arrays), download=False)


def test_a_bad_file_in_the_cache_is_named_and_passed_over(cache, capsys):
    fill(cache, arrays=[ARRAYS[0][:7], ARRAYS[1][:7], *ARRAYS[2:]])
    assert len(Shipped(download=False)) == 10_000
    said = capsys.readouterr().err
    assert f"the cache is damaged, {cache / IMAGES}.gz: holds 7 items" in said


def test_without_files_and_subset_it_is_an_error():
    with pytest.raises(
        RuntimeError, match=r"Tiny: there are no files, because download=False\. For all images:"
    ):
        Tiny(download=False)


# --------------------------------------------------------------------------------------- the subset


def test_the_shipped_subset_is_the_one_that_the_tool_makes(capsys):
    train, test = MNIST(download=False), MNIST(train=False, download=False)
    assert (len(train), len(test)) == (10_000, 2_000)
    for data, files in ((train, MNIST_SUBSET[:2]), (test, MNIST_SUBSET[2:])):
        assert idx_sha256(data.data.array) == mnist.SHA256[f"mnist-subset/{files[0].name}"]
        labels = data.targets.array.astype(np.uint8)
        assert idx_sha256(labels) == mnist.SHA256[f"mnist-subset/{files[1].name}"]
    # The first 10,000 training labels of MNIST, and every fifth test label.
    assert train.targets.array[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.targets.array[:3].tolist() == [7, 1, 0]
    histograms = [np.bincount(data.targets.array).tolist() for data in (train, test)]
    assert histograms == [
        [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978],
        [189, 222, 212, 242, 196, 186, 158, 215, 193, 187],
    ]
    # The mean and the deviation that everybody normalises MNIST with.
    assert train[:][0].array.mean() == pytest.approx(0.1307, abs=0.003)
    assert train[:][0].array.std() == pytest.approx(0.3081, abs=0.003)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"MNIST: using {some}, a subset that ships with tinynet, because download=False. "
        "For all images: root=FOLDER or TINYNET_DATA=FOLDER with the files in it, or download=True"
        for some in ("10,000 of the 60,000 training images", "2,000 of the 10,000 test images")
    ]


def test_the_shipped_files_are_small():
    sizes = [path.stat().st_size for path in mnist._DATA.glob("*.gz")]
    assert len(sizes) == 4
    assert sum(sizes) < 3_000_000


@pytest.mark.parametrize("files", [MNIST_FILES, MNIST_SUBSET, FASHION_FILES, KMNIST_FILES])
def test_the_tables_are_complete(files):
    assert [file.name for file in files] == NAMES
    paths = [f"{file.data_set}/{file.name}" for file in files]
    if files is not MNIST_SUBSET:  # which no mirror has
        paths += [f"{path}.gz" for path in paths]
    if files is KMNIST_FILES:  # the checksums of its uncompressed files are not known
        paths = paths[4:]
    digests = [mnist.SHA256[path] for path in paths]
    assert len(set(digests)) == len(paths)
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)
    for file in files:
        assert math.prod(file.item_shape) * file.length < mnist.MAX_BYTES


def test_mirrors_are_several_and_encrypted():
    for data in (MNIST, FashionMNIST):
        assert len({mirror.split("/")[2] for mirror in data.mirrors}) >= 2
    for data in (MNIST, FashionMNIST, KMNIST):
        assert all(
            mirror.startswith("https://") and mirror.endswith("/") for mirror in data.mirrors
        )


# ------------------------------------------------------------------------------------- the download


class Handler(BaseHTTPRequestHandler):
    """``/<behaviour>/<name>``: how the server behaves, and what it is asked for."""

    server: Server

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.server.requests.append(("HEAD", self.path))
        if self.path.startswith("/silent/"):
            self.server.over.wait(20)
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.server.requests.append(("GET", self.path))
        _, behaviour, name = self.path.split("/")
        content = CONTENT[name]
        if behaviour == "images" and name != f"{IMAGES}.gz":
            behaviour = "404"
        if behaviour.isdecimal():
            self.send_error(int(behaviour))
            return
        if behaviour == "wrong":
            array = ARRAYS[NAMES.index(name.removesuffix(".gz"))]
            content = gzip.compress(idx_bytes(np.zeros_like(array)))
        if behaviour == "portal":
            content = b"<html>Sign in to this network</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has hung up
            if behaviour in ("truncated", "stalls"):
                content = content[: len(content) // 2]
            if behaviour == "slow":
                for byte in range(0, len(content), 1000):
                    self.wfile.write(content[byte : byte + 1000])
                    time.sleep(0.02)
            else:
                self.wfile.write(content)
            if behaviour == "stalls":
                self.wfile.flush()
                self.server.over.wait(20)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str]] = []
        self.over = threading.Event()

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is what some tests are about

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"

    def got(self) -> list[str]:
        return [path for method, path in self.requests if method == "GET"]


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
    gc.collect()  # here, and not in a later test that heeds warnings


def mirrored(server: Server, *behaviours: str, base: type[Tiny] = Tiny) -> type[Tiny]:
    mirrors = tuple(server.url(behaviour) for behaviour in behaviours)
    return type(base.__name__, (base,), {"mirrors": mirrors})


def assert_complete(data: Tiny, folder: Path) -> None:
    np.testing.assert_array_equal(data.data.array, ARRAYS[0])
    np.testing.assert_array_equal(data.targets.array, ARRAYS[1])
    assert {path.name for path in folder.iterdir()} == {f"{IMAGES}.gz", f"{LABELS}.gz"}


@pytest.mark.parametrize("insist", [None, True])
def test_download_to_the_cache_and_then_no_more(server, cache, capsys, insist):
    data = mirrored(server, "good")
    assert_complete(data(download=insist), cache / "MNIST/raw")
    assert "using 12 training images, downloaded to" in capsys.readouterr().err
    assert len(server.got()) == 2
    again = data(download=insist)
    assert again.source.endswith("(cache)")
    assert len(server.got()) == 2


def test_download_to_root_where_torchvision_looks(server, tmp_path, cache):
    data = mirrored(server, "good")(tmp_path / "new", download=True)
    assert_complete(data, tmp_path / "new/MNIST/raw")
    assert not cache.exists()


def test_others_may_read_what_was_downloaded(server, cache):
    mirrored(server, "good")(download=True)
    assert (cache / "MNIST/raw" / f"{IMAGES}.gz").stat().st_mode & 0o777 == 0o644


def test_download_false_asks_nobody(server):
    with pytest.raises(RuntimeError, match="download=False"):
        mirrored(server, "good")(download=False)
    assert server.requests == []


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("403", "403 Client Error: Forbidden"),
        ("404", "404 Client Error: Not Found"),
        ("500", "500 Server Error"),
        ("truncated", "IncompleteRead"),
        ("stalls", "timed out"),
        ("wrong", "SHA256 hash of downloaded file .* does not match the known hash"),
        ("portal", "SHA256 hash of downloaded file .* does not match the known hash"),
    ],
)
def test_a_bad_mirror_is_named_and_the_next_one_asked(
    server, cache, monkeypatch, behaviour, reason
):
    monkeypatch.setattr(download, "SILENCE", 0.2 if behaviour == "stalls" else 5.0)
    with pytest.raises(RuntimeError, match=reason) as error:
        mirrored(server, behaviour)(download=True)
    assert f"{server.url(behaviour)}{IMAGES}.gz: " in str(error.value)
    assert str(error.value).startswith("Tiny: no download, because ")
    assert list((cache / "MNIST/raw").iterdir()) == [], "nothing half or wrong is left"
    assert_complete(mirrored(server, behaviour, "good")(download=True), cache / "MNIST/raw")


def test_every_failure_is_in_the_error(server):
    with pytest.raises(RuntimeError) as error:
        mirrored(server, "403", "wrong", "404")(download=True)
    for behaviour in ("403", "wrong", "404"):
        assert f"{server.url(behaviour)}{IMAGES}.gz: " in str(error.value)


def test_what_arrived_before_a_failure_is_kept(server, cache):
    with pytest.raises(RuntimeError, match=f"{LABELS}.gz: 404"):
        mirrored(server, "images")(download=True)
    assert_complete(mirrored(server, "good")(download=True), cache / "MNIST/raw")
    assert [path for path in server.got() if IMAGES in path] == [f"/images/{IMAGES}.gz"]


def test_a_bad_file_in_the_cache_is_downloaded_again(server, cache):
    path = fill(cache / "MNIST/raw") / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-10])
    (path.parent / f"{LABELS}.gz").write_bytes(CONTENT[f"{LABELS}.gz"])
    data = mirrored(server, "good")()
    np.testing.assert_array_equal(data.data.array, ARRAYS[0])
    assert server.got() == [f"/good/{IMAGES}.gz"], "the labels were good"
    assert path.read_bytes() == CONTENT[path.name]


def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_without_a_network_the_subset_is_used_and_said_to_be(cache, capsys):
    data = type("Shipped", (Shipped,), {"mirrors": (closed_port(),)})
    start = time.monotonic()
    assert len(data()) == 10_000
    assert time.monotonic() - start < 3
    said = capsys.readouterr().err
    assert said.startswith(
        "Shipped: using 10,000 of the 12 training images, a subset that ships with tinynet, "
    )
    assert f"because no mirror answered ({data.mirrors[0].split('/')[2]}). For all images: " in said
    assert said.count("\n") == 1
    assert not cache.exists()
    with pytest.raises(RuntimeError, match="refused"):
        data(download=True)


def test_mirrors_that_never_answer_are_waited_for_together_and_once(server, monkeypatch):
    monkeypatch.setattr(download, "PROBE", 0.2)
    data = mirrored(server, "silent", "silent", "silent", base=Shipped)
    # Three mirrors of one name are one mirror; these have three.
    data.mirrors = tuple(f"{mirror}{i}/" for i, mirror in enumerate(data.mirrors))
    for train in (True, False):  # the server holds each request until the test is over
        assert "subset" in data(train=train).source
    assert [method for method, _ in server.requests] == ["HEAD"] * 3


def test_a_name_lookup_that_hangs_is_left_behind(monkeypatch, capsys):
    over = threading.Event()

    def hang(*arguments, **options):  # heeds no timeout, and succeeds long after anybody cares
        over.wait(20)
        return SimpleNamespace(status_code=200)

    monkeypatch.setattr(requests, "head", hang)
    monkeypatch.setattr(download, "PROBE", 0.1)
    data = type("Shipped", (Shipped,), {"mirrors": (closed_port(),)})()
    over.set()
    assert "because no mirror answered" in capsys.readouterr().err
    assert len(data) == 10_000


def test_the_mirror_that_answers_goes_first(server):
    data = mirrored(server, "silent", "good")()
    np.testing.assert_array_equal(data.data.array, ARRAYS[0])
    assert server.got() == [f"/good/{IMAGES}.gz", f"/good/{LABELS}.gz"]


def test_a_failed_try_falls_back_to_the_subset(server, capsys):
    assert len(mirrored(server, "403", base=Shipped)()) == 10_000
    assert "403 Client Error: Forbidden" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["pooch", "tqdm", "platformdirs"])
def test_without_the_optional_packages_local_files_work(
    server, tmp_path, monkeypatch, capsys, package
):
    if package == "platformdirs":
        monkeypatch.setattr(image_set, "cache_folder", download.cache_folder)
    monkeypatch.setitem(sys.modules, package, None)
    data = mirrored(server, "good", base=Shipped)
    assert len(data(fill(tmp_path / "data"))) == 12
    assert "subset" in data().source
    because = f"because downloading needs {package}: pip install 'tinynet-cnn[examples]'"
    assert because in capsys.readouterr().err
    with pytest.raises(RuntimeError, match=f"Shipped: no download, because .* {package}"):
        data(download=True)


def test_pooch_is_imported_only_for_a_download(tmp_path):
    code = (
        "import sys, tinynet\n"
        "tinynet.datasets.MNIST(download=False)\n"
        "print([name for name in ('pooch', 'requests', 'tqdm') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=Path(tinynet.__file__).parents[1],
    ).stdout  # fmt: skip
    assert said.strip() == "[]"


def test_the_cache_is_where_this_system_keeps_caches():
    import platformdirs

    assert download.cache_folder() == Path(platformdirs.user_cache_dir("tinynet"))
    assert download.cache_folder() == pooch.os_cache("tinynet")


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RuntimeError, match=r"Tiny: no download, .*file"):
        mirrored(server, "good")(tmp_path / "file", download=True)


DOWNLOADER = """
import sys
from pathlib import Path
from tinynet.vision.datasets.download import Published, fetch
mirror, folder, name, sha256 = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
(path,) = fetch([Published(name, sha256)], [mirror], Path(folder), in_haste=False)
print(len(path.read_bytes()))
"""


def downloader(server: Server, behaviour: str, folder: Path) -> subprocess.Popen:
    """A process that downloads the images once it is told to go."""
    file = Tiny.files[0]
    given = (server.url(behaviour), str(folder), f"{file.name}.gz", GZ_DIGESTS[file.name])
    process = subprocess.Popen(
        [sys.executable, "-c", DOWNLOADER, *given], text=True,
        cwd=Path(tinynet.__file__).parents[1],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_that_download_at_once(server, tmp_path):
    """Each writes a file of its own, and what stands under the right name is always whole."""
    pair = [downloader(server, "slow", tmp_path / "shared") for _ in range(2)]
    for process in pair:
        process.stdin.write("go\n")
        process.stdin.flush()
    path, seen = tmp_path / "shared" / f"{IMAGES}.gz", 0
    while any(process.poll() is None for process in pair):
        if path.exists():
            assert path.read_bytes() == CONTENT[path.name]
            seen += 1
        time.sleep(0.002)
    assert [process.communicate()[0] for process in pair] == [f"{SIZE}\n"] * 2
    assert seen
    assert list(path.parent.iterdir()) == [path]


def test_a_process_that_is_killed_leaves_no_half_file(server, cache):
    folder = cache / "MNIST/raw"
    with downloader(server, "stalls", folder) as process:
        process.stdin.write("go\n")
        process.stdin.flush()
        while not server.got():
            time.sleep(0.002)
        process.kill()
    assert len(list(folder.iterdir())) == 1
    assert not (folder / f"{IMAGES}.gz").exists()
    data = mirrored(server, "good")(download=True)
    np.testing.assert_array_equal(data.data.array, ARRAYS[0])


@pytest.fixture
def encrypted(server, tmp_path):
    """The server's address under https, with a certificate that it made for itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return lambda behaviour: server.url(behaviour).replace("http:", "https:")


def test_a_certificate_that_nobody_vouches_for_is_refused(server, encrypted):
    data = type("Tiny", (Tiny,), {"mirrors": (encrypted("good"),)})
    with pytest.raises(RuntimeError, match="CERTIFICATE_VERIFY_FAILED"):
        data(download=True)
    assert server.requests == []


def test_fuzzed_for_a_moment(monkeypatch, capsys):
    """A short form of tools/fuzz_files.py."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "tools")
    import fuzz_files

    assert fuzz_files.run(range(150)) == 0, capsys.readouterr().err
