"""CIFAR-10: batches as published, pickles that would do harm, and the search for files."""

from __future__ import annotations

import functools
import gc
import hashlib
import io
import os
import pickle
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cifar_batches import BATCHES, COUNT, FOLDER, LABELS, NAMES, PIXELS, published_pickle

from tinynet.vision.datasets import cifar, download, image_set
from tinynet.vision.datasets.cifar import read_batch
from tinynet.vision.datasets.download import Published
from tinynet.datasets import CIFAR10, CIFAR100
from tinynet.transforms import ToTensor
from tinynet.utils.data import DataLoader

# pooch leaves the connection of a failed download to the garbage collector; see `mirror`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")

MD5 = {name: hashlib.md5(content).hexdigest() for name, content in BATCHES.items()}


def channels_last(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def archive_of(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


TAR = archive_of(
    {
        f"{FOLDER}/readme.html": b"<html>",
        **{f"{FOLDER}/{name}": content for name, content in BATCHES.items()},
    }
)
ARCHIVE = Published("cifar-10-python.tar.gz", hashlib.sha256(TAR).hexdigest())


class Tiny(CIFAR10):
    archive = ARCHIVE
    train_batches: ClassVar = {name: MD5[name] for name in NAMES[:5]}
    test_batches: ClassVar = {"test_batch": MD5["test_batch"]}
    mirrors = ()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, batches of four images, nothing said before."""
    monkeypatch.setattr(image_set, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(cifar, "_PUBLISHED_COUNT", COUNT)
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    download.first_to_answer.cache_clear()
    image_set._say_once.cache_clear()
    return tmp_path / "cache"


def fill(folder: Path, *, archive: bool = False, **changed: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ({ARCHIVE.name: TAR} if archive else {**BATCHES, **changed}).items():
        (folder / name).write_bytes(content)
    return folder


# ------------------------------------------------------------------------------------------ a batch


@pytest.mark.parametrize("columns_first", [False, True])
def test_a_published_batch_says_the_same_to_python(columns_first):
    """Python's own unpickler, which executes the bytes made up here, finds the array in them."""
    content = published_pickle(PIXELS[0], LABELS[0], columns_first)
    batch = _Known(io.BytesIO(content), encoding="bytes").load()
    np.testing.assert_array_equal(batch[b"data"], PIXELS[0].reshape(COUNT, 3072))
    pixels, labels = read_batch(content, "here")
    np.testing.assert_array_equal(pixels, PIXELS[0])
    np.testing.assert_array_equal(labels, batch[b"labels"])
    assert (pixels.dtype, labels.dtype) == (np.uint8, np.int64)
    assert pixels.flags.writeable and pixels.flags.c_contiguous


class _Known(pickle.Unpickler):
    def find_class(
        self, module: str, name: str
    ):  # where numpy 2 has it, without the warning about where numpy 1 had it
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_batch_that_python_3_wrote(protocol, order):
    batch = {
        "data": np.asarray(PIXELS[1].reshape(COUNT, 3072), order=order),
        "labels": LABELS[1].tolist(),
        "batch_label": "my own",
    }
    pixels, labels = read_batch(pickle.dumps(batch, protocol=protocol), "here")
    np.testing.assert_array_equal(pixels, PIXELS[1])
    np.testing.assert_array_equal(labels, LABELS[1])


class Harm:
    """What a pickle can ask for: to call anything."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 3, 4])
@pytest.mark.parametrize("where", ["data", "labels", "filenames", b"data"])
def test_nothing_in_a_pickle_is_executed(tmp_path, protocol, where):
    good = {"data": PIXELS[0].reshape(COUNT, 3072), "labels": LABELS[0].tolist()}
    content = pickle.dumps({**good, where: Harm(tmp_path / "harm")}, protocol=protocol)
    message = r"here: is not a batch of CIFAR .* \(it asks for \w+\.mkdir, which no batch needs"
    with pytest.raises(ValueError, match=message):
        read_batch(content, "here")
    assert not (tmp_path / "harm").exists()
    pickle.loads(content)
    assert (tmp_path / "harm").exists(), (
        "the test of the test: this pickle does what it says where it is executed"
    )


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval", "builtins.getattr", "os.system", "posix.system", "numpy.load",
        "numpy.core.multiarray.fromstring", "numpy._core.multiarray.scalar", "_codecs.decode",
        "codecs.encode", "copyreg._reconstructor", "numpy.dtype.type", "numpy._core._internal.eval",
    ],
)  # fmt: skip
def test_only_four_names_are_allowed(name):
    module, _, attribute = name.rpartition(".")
    content = b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b"."
    with pytest.raises(ValueError, match=rf"it asks for {name}, which no batch needs"):
        read_batch(content, "here")


def test_a_pickle_does_not_change_numpys_dtypes():
    """A hostile state is set on a copy of the dtype, and not on the one that all arrays share."""
    content = published_pickle(PIXELS[0], LABELS[0]).replace(b"U\x01|q\x12", b"U\x01>q\x12")
    read_batch(content, "here")
    assert np.dtype(np.uint8).byteorder == "|"
    assert np.zeros(2, np.uint8).tobytes() == b"\0\0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "here: is not a batch"),
        (b"<html>", "here: is not a batch"),
        (pickle.dumps([1, 2], 2), "it holds a list, not a dict"),
        (pickle.dumps({"labels": [1]}, 2), 'its "data" is not a numpy array'),
        (
            pickle.dumps({"data": PIXELS[0].reshape(4, -1)}, 2),
            "its labels are not a list of numbers from 0 to 255",
        ),
        (
            pickle.dumps({"data": PIXELS[0].reshape(4, -1), "labels": [1, 2, 3, -1]}, 2),
            "its labels are not a list of numbers",
        ),
        (
            pickle.dumps({"data": PIXELS[0].reshape(4, -1), "labels": [1, 2, 3, True]}, 2),
            "its labels are not a list of numbers",
        ),
        (
            pickle.dumps({"data": PIXELS[0].reshape(4, -1), "labels": [1, 2, 3]}, 2),
            "it has 3 labels for 4 images",
        ),
        (
            pickle.dumps({"data": PIXELS[0].reshape(2, -1), "labels": [1, 2]}, 2),
            r"is not an array \(N, 3072\): it says \(2, 6144\)",
        ),
        (
            pickle.dumps({"data": PIXELS[0][:0].reshape(0, 3072), "labels": []}, 3),
            r"is not an array \(N, 3072\): it says \(0, 3072\)",
        ),
        (
            pickle.dumps({"data": np.zeros((1, 3072), np.int16), "labels": [1]}, 2),
            "does not consist of unsigned bytes",
        ),
        (
            pickle.dumps({"data": np.full((1, 3072), None), "labels": [1]}, 2),
            "does not consist of unsigned bytes",
        ),
        (pickle.dumps({"data": 1.5}, 2), 'its "data" is not a numpy array'),
        (pickle.dumps({"data": object()}, 4), "it asks for builtins.object, which no batch needs"),
        (BATCHES["test_batch"][:-1], "here: is not a batch"),
        (BATCHES["test_batch"].replace(b"u1", b"i1"), "does not consist of unsigned bytes"),
        (b"(" * 5 + b".", "here: is not a batch"),
        (b"\x80\x02" + b")" + b"\x85" * 100_000 + b"}q\x00(h\x00e.", "here: is not a batch"),
        (b"}(U\x04data" + b")" + b"\x85" * 100_000 + b"s.", "here: is not a batch"),
    ],
    ids=range(19),
)
def test_what_is_no_batch_is_refused(content, message):
    with pytest.raises(ValueError, match=message) as error:
        read_batch(content, "here")
    assert str(error.value).startswith("here: ")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3)),
        min_size=1,
        max_size=3,
    )
)
def test_damaged_batches(edits):
    """Damaged where it is not pixels, a batch is refused, or read as one of that many images."""
    content = BATCHES["test_batch"]
    tail = len(content) - 200
    for position, remove, insert in edits:
        at = position if position < 200 else tail + position - 200
        content = content[:at] + insert + content[at + remove :]
    try:
        pixels, labels = read_batch(content, "here")
    except ValueError as error:
        assert str(error).startswith("here: ")
    else:
        assert pixels.shape == (len(labels), 3, 32, 32)


# -------------------------------------------------------------------------------------- the archive


def test_an_archive_is_read_and_nothing_is_written(tmp_path):
    fill(tmp_path, archive=True)
    assert len(Tiny(tmp_path, download=False)) == 20
    assert [path.name for path in tmp_path.iterdir()] == [ARCHIVE.name]


def test_only_the_published_archive_will_do(tmp_path):
    path = fill(tmp_path, archive=True) / ARCHIVE.name
    path.write_bytes(TAR[:-1] + b"x")
    message = (
        f"is not the published {ARCHIVE.name}: its SHA-256 is [0-9a-f]+, expected {ARCHIVE.sha256}"
    )
    with pytest.raises(ValueError, match=message) as error:
        Tiny(tmp_path, download=False)
    assert str(error.value).startswith(f"Tiny: {path}: ")


def test_the_tables_are_complete():
    batches = CIFAR10.train_batches | CIFAR10.test_batches
    assert list(batches) == NAMES
    assert len(set(batches.values())) == 6
    assert all(len(digest) == 32 and int(digest, 16) for digest in batches.values())
    for published in (CIFAR10.archive, CIFAR100.archive):
        assert len(published.sha256) == 64 and int(published.sha256, 16)
    assert len({mirror.split("/")[2] for mirror in CIFAR10.mirrors}) >= 2
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in CIFAR10.mirrors)
    assert len(CIFAR10.classes) == 10


# ------------------------------------------------------------------------------------- the data set


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("layout", [".", FOLDER, "cifar10", f"CIFAR10/{FOLDER}"])
@pytest.mark.parametrize("train", [True, False])
def test_layouts_of_a_folder(tmp_path, capsys, layout, archive, train):
    where = (
        Path(layout).parent if archive and FOLDER in layout else Path(layout)
    )  # the archive lies beside what it unpacks to
    fill(tmp_path / where, archive=archive)
    data = Tiny(tmp_path, train=train, download=False)
    pixels, labels = (PIXELS[:5], LABELS[:5]) if train else (PIXELS[5:], LABELS[5:])
    np.testing.assert_array_equal(data.data, channels_last(pixels))
    assert data.targets == labels.ravel().tolist()
    assert data.class_to_idx["ship"] == 8
    part = "20 training" if train else "4 test"
    said = f"{part} images from {tmp_path / where} (root)"
    assert capsys.readouterr().err == f"Tiny: using {said}\n"
    lines = ["Dataset Tiny", f"Number of datapoints: {len(data)}", f"Root location: {tmp_path}"]
    assert repr(data) == "\n    ".join([*lines, f"Split: {'Train' if train else 'Test'}"])
    assert data.source == said


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(fill(tmp_path / "data"), download=False)


def test_items_and_batches(tiny):
    image, label = tiny[6]
    assert (image.shape, image.dtype) == ((3, 32, 32), np.float32)
    np.testing.assert_array_equal(image.array, PIXELS[1, 2] / np.float32(255))
    assert type(label) is int and label == LABELS[1, 2]
    images, labels = tiny.get_batch(np.array([6, 0, 19]))
    assert (images.shape, images.dtype) == ((3, 3, 32, 32), np.float32)
    np.testing.assert_array_equal(images.array[0], image.array)
    np.testing.assert_array_equal(labels.array, LABELS.ravel()[[6, 0, 19]])
    assert 0 <= images.array.min() < 0.01 and 0.99 < images.array.max() <= 1
    with pytest.raises(IndexError, match="Tiny: index 20 is out of range for 20 images"):
        tiny[20]
    image.array[...] = 7
    np.testing.assert_array_equal(tiny.data[6], PIXELS[1, 2].transpose(1, 2, 0))


def test_a_transform_gets_one_pil_image(tmp_path):
    seen = []

    def transform(image):
        seen.append((image.mode, image.size, np.asarray(image).tobytes()))
        return ToTensor()(image)

    data = Tiny(
        fill(tmp_path), transform=transform, target_transform=lambda y: y + 100, download=False
    )
    batches = list(DataLoader(data, batch_size=8))
    assert [tuple(images.shape) for images, _ in batches] == [(n, 3, 32, 32) for n in (8, 8, 4)]
    assert [label for _, labels in batches for label in labels.tolist()] == [
        label + 100 for label in data.targets
    ]
    assert seen == [("RGB", (32, 32), pixels.tobytes()) for pixels in data.data]


def test_an_archive_of_cifar_100(tmp_path, monkeypatch):
    """`train` and `test` are one batch each, with fine labels of 100 classes."""
    content = pickle.dumps(
        {
            b"data": PIXELS[0].reshape(COUNT, 3072),
            b"fine_labels": [3, 99, 0, 7],
            b"coarse_labels": [0] * 4,
        }
    )
    for folder in ("cifar-100-python", "CIFAR100/cifar-100-python"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("train", "test"):
            (tmp_path / folder / name).write_bytes(content)
        monkeypatch.setitem(CIFAR100.test_batches, "test", hashlib.md5(content).hexdigest())
        for part in (True, False):
            data = CIFAR100(tmp_path, train=part, download=False)
            np.testing.assert_array_equal(data.data, channels_last(PIXELS[0]))
            assert data.targets == [3, 99, 0, 7]
            assert data.source.endswith(f"{folder} (root)")
    assert (len(CIFAR100.classes), CIFAR100.classes[99]) == (100, "worm")
    assert CIFAR100.classes == sorted(set(CIFAR100.classes))
    monkeypatch.setitem(CIFAR100.test_batches, "test", "0" * 32)
    with pytest.raises(ValueError, match="has the size of the published test but not its content"):
        CIFAR100(tmp_path, train=False, download=False)


def test_the_order_is_root_then_environment_then_cache(tmp_path, cache, monkeypatch):
    fill(cache / "CIFAR10", archive=True)
    assert Tiny(tmp_path / "root", download=True).source.endswith("CIFAR10 (cache)")
    with pytest.raises(RuntimeError, match="root .*root lacks cifar-10-python.tar.gz"):
        Tiny(tmp_path / "root")
    monkeypatch.setenv("TINYNET_DATA", str(fill(tmp_path / "environment")))
    assert Tiny(tmp_path / "root", download=True).source.endswith("environment (TINYNET_DATA)")
    assert Tiny(tmp_path / "root").source.endswith("environment (TINYNET_DATA)")
    fill(tmp_path / "root")
    assert Tiny(tmp_path / "root").source.endswith("root (root)")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            published_pickle(255 - PIXELS[2], LABELS[2]),
            "has the size of the published data_batch_3 but not its content: "
            f"MD5 .*, not {MD5[NAMES[2]]}",
        ),
        (BATCHES["data_batch_3"][:999], "data_batch_3: is not a batch of CIFAR"),
        (
            published_pickle(PIXELS[2][:3], np.array([3, 4, 10])),
            "holds the label 10, but labels are 0 to 9",
        ),
    ],
    ids=["other content", "truncated", "label"],
)
def test_a_bad_batch_is_an_error(tmp_path, changed, message):
    fill(tmp_path, data_batch_3=changed)
    with pytest.raises(ValueError, match=message) as error:
        Tiny(tmp_path, download=False)
    assert str(error.value).startswith(f"Tiny: {tmp_path / 'data_batch_3'}")
    assert str(error.value).endswith("Replace or delete this file, or choose another root")


def test_images_of_your_own_are_taken_as_they_are(tmp_path, cache):
    own = published_pickle(PIXELS[2][:3], LABELS[2][:3])
    assert len(Tiny(fill(tmp_path, data_batch_3=own), download=False)) == 19
    fill(cache, data_batch_3=own)  # but not in the cache, where nobody puts any
    with pytest.raises(
        RuntimeError,
        match="Tiny: there are no files, because the cache is damaged, .*_3: holds 3 images",
    ):
        Tiny(download=False)


def test_without_files_it_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(RuntimeError) as error:
        Tiny(tmp_path, download=False)
    assert str(error.value) == (
        f"Tiny: there are no files, because root {tmp_path} lacks cifar-10-python.tar.gz; "
        "download=False. "
        "For all images: root=FOLDER or TINYNET_DATA=FOLDER with the files in it, or download=True"
    )


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(tmp_path):
    served = fill(tmp_path / "served", archive=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()
    gc.collect()  # here, and not in a later test that heeds warnings


@pytest.mark.parametrize("insist", [None, True])
def test_download_to_the_cache_and_then_no_more(mirror, cache, insist):
    class Mirrored(Tiny):
        mirrors = (mirror + "nowhere/", mirror)

    data = Mirrored(download=insist)
    np.testing.assert_array_equal(data.data, channels_last(PIXELS[:5]))
    assert data.source == f"20 training images, downloaded to {cache / 'CIFAR10'}"
    assert (cache / "CIFAR10" / ARCHIVE.name).read_bytes() == TAR
    np.testing.assert_array_equal(Tiny(train=False, download=False).data, channels_last(PIXELS[5]))


def test_a_wrong_archive_is_not_kept(mirror, cache, tmp_path):
    class Mirrored(Tiny):
        mirrors = (mirror,)

    (tmp_path / "served" / ARCHIVE.name).write_bytes(archive_of({f"{FOLDER}/data_batch_1": b"x"}))
    with pytest.raises(
        RuntimeError,
        match=f"Mirrored: no download, because {mirror}.*: SHA256 hash .* does not match",
    ):
        Mirrored(download=True)
    assert list((cache / "CIFAR10").iterdir()) == []


def test_no_mirror_answers():
    class Unreachable(Tiny):
        mirrors = ("http://127.0.0.1:9/",)

    with pytest.raises(
        RuntimeError,
        match=r"Unreachable: there are no files, because no mirror answered \(127.0.0.1:9\)\. For ",
    ):
        Unreachable()
