"""save and load: exact, whole or not at all, and never fooled by a file."""

from __future__ import annotations

import enum
import json
import math
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import tinynet
from tinynet import nn
from tinynet.serialization import write_atomically

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def example():
    """Something with everything in it that save can write."""
    rng = np.random.default_rng(0)
    return {
        "weights": tinynet.from_numpy(rng.standard_normal((3, 5)).astype(np.float32)),
        "dtypes": [
            tinynet.from_numpy(rng.integers(0, 2, (2, 3)).astype(dtype)) for dtype in DTYPES
        ],
        "scalars": (1, -(2**127), True, None, "ä\n\ud800", 0.1, -0.0, math.inf, math.nan, 5e-324),
        "empty": {"list": [], "tuple": (), "dict": {}, "tensor": tinynet.zeros(0, 4)},
        "zero-d": tinynet.tensor(2.5),
        7: {0: "int keys", "0": "are not strings"},
        "strided": tinynet.from_numpy(rng.standard_normal((4, 6))).transpose(0, 1)[::2],
        "a.b": tinynet.ones(1),
        "a": {"b": tinynet.zeros(1)},
        "__metadata__": tinynet.ones(2),
    }


def same(a, b):
    """Equal to the bit, and of the same kinds all the way down."""
    if isinstance(a, tinynet.Tensor):
        return (
            isinstance(b, tinynet.Tensor)
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and a.array.tobytes() == b.array.tobytes()
        )
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return isinstance(b, float) and a.hex() == b.hex()
    return type(a) is type(b) and a == b


def test_what_is_loaded_is_what_was_saved(tmp_path):
    tinynet.save(example(), tmp_path / "file")
    assert same(tinynet.load(tmp_path / "file"), example())


def test_saving_twice_gives_the_same_bytes(tmp_path):
    tinynet.save(example(), tmp_path / "a")
    tinynet.save(example(), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_tensor_a_number_and_numpys_numbers(tmp_path):
    for value, expected in [
        (tinynet.arange(3), tinynet.arange(3)),
        (3, 3),
        (np.int64(3), np.int64(3)),
        (np.uint16(3), np.uint16(3)),
        (np.float32(0.1), np.float32(0.1)),
        (np.float64(0.1), np.float64(0.1)),
        (np.True_, np.True_),
        (np.str_("a"), np.str_("a")),
    ]:
        tinynet.save(value, tmp_path / "file")
        assert same(tinynet.load(tmp_path / "file"), expected)


def test_what_is_loaded_is_independent_and_can_be_changed(tmp_path):
    model = nn.Linear(2, 2)
    tinynet.save(model.state_dict(), tmp_path / "file")
    state = tinynet.load(tmp_path / "file")
    assert not state["weight"].requires_grad
    state["weight"].zero_()
    assert (tinynet.load(tmp_path / "file")["weight"] == model.weight).all()


def test_other_programs_read_our_state_dicts_and_we_theirs(torch, tmp_path):
    from safetensors.torch import load_file, save_file

    model = nn.Conv2d(2, 3, (2, 1))
    tinynet.save(model.state_dict(), tmp_path / "ours")
    theirs = torch.nn.Conv2d(2, 3, (2, 1))
    theirs.load_state_dict(load_file(tmp_path / "ours"))
    assert np.array_equal(theirs.weight.detach().numpy(), model.weight.detach().numpy())
    with torch.no_grad():
        theirs.weight.mul_(2)
    save_file(theirs.state_dict(), tmp_path / "theirs")
    state = tinynet.load(tmp_path / "theirs")
    assert list(state) == ["bias", "weight"] or list(state) == ["weight", "bias"]
    model.load_state_dict(state)
    assert np.array_equal(theirs.weight.detach().numpy(), model.weight.detach().numpy())


class Strange:
    def state_dict(self):
        return {}


Pair = namedtuple("Pair", "x y")


class Config(dict):
    pass


class Sub(tinynet.Tensor):
    pass


class Color(enum.IntEnum):
    RED = 1


def nested(depth):
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def ring():
    value: list = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"a": {"b": object()}}, TypeError, r"save: a\.b is a object; only tensors, numbers"),
        (Strange(), TypeError, r"save: the object is a Strange; .*save its state_dict\(\)"),
        ({"x": np.array(["a"])}, TypeError, "save: dtype.* is not a supported dtype"),
        ({"x": {1, 2}}, TypeError, r"save: x is a set; only tensors, numbers"),
        ({1.5: 0}, TypeError, r"save: keys must be strings or ints, got 1\.5 in the top level"),
        ({"a": {True: 0}}, TypeError, r"save: keys must be strings or ints, got True in a"),
        ([1, 2j], TypeError, r"save: 1 is a complex"),
        (b"bytes", TypeError, r"save: the object is a bytes"),
        (bytearray(2), TypeError, r"save: the object is a bytearray"),
        ({"r": [range(3)]}, TypeError, r"save: r\.0 is a range"),
        ({(1, 2): 0}, TypeError, r"save: keys must be strings or ints, got \(1, 2\)"),
        ({None: 0}, TypeError, r"save: keys must be strings or ints, got None"),
        ([Pair(1, 2)], TypeError, r"save: 0 is a Pair; .*; save tuple\(\.\.\.\) of it"),
        (Config(a=1), TypeError, r"save: the object is a Config; .*; save dict\(\.\.\.\) of it"),
        ({"c": Color.RED}, TypeError, r"save: c is a Color; .*; save int\(\.\.\.\) of it"),
        ({Color.RED: 0}, TypeError, r"save: keys must be strings or ints, got <Color\.RED: 1>"),
        (np.longdouble(1), TypeError, r"save: the object is a longdouble; only tensors, numbers"),
        (np.complex64(1), TypeError, r"save: the object is a complex64; only tensors, numbers"),
        (np.timedelta64(1, "s"), TypeError, "save: .*timedelta"),
        ([Sub([1.0])], TypeError, r"save: a Sub, a subclass of Tensor, .*save x\.detach\(\)"),
        (defaultdict(lambda: 0, a=1), TypeError, r"save: defaultdict.* has a default_factory"),
        (
            nested(200),
            ValueError,
            r"save: the object is nested more than 100 deep, or contains itself",
        ),
        (ring(), ValueError, r"save: the object is nested more than 100 deep, or contains itself"),
    ],
)
def test_what_cannot_be_saved_is_named_and_the_old_file_stays(tmp_path, value, error, message):
    tinynet.save(1, tmp_path / "file")
    with pytest.raises(error, match=message):
        tinynet.save(value, tmp_path / "file")
    assert tinynet.load(tmp_path / "file") == 1
    assert os.listdir(tmp_path) == ["file"]


def test_the_deepest_that_can_be_saved_can_be_loaded(tmp_path):
    tinynet.save(nested(100), tmp_path / "file")
    assert tinynet.load(tmp_path / "file") == nested(100)


# -------------------------------------------------------------------------------------------------
# damaged files


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "file"
    tinynet.save(OrderedDict(w=tinynet.randn(4, 3), b=tinynet.zeros(3), lr=0.1), path)
    return path


def refused(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        tinynet.load(path)
    assert str(caught.value).startswith("load: ")
    assert str(path) in str(caught.value)


def test_a_truncation_is_refused(saved):
    content = saved.read_bytes()
    for length in [*range(0, 300, 7), *range(len(content) - 9, len(content))]:
        saved.write_bytes(content[:length])
        refused(saved, "not a safetensors file, or truncated|not a readable safetensors file")


def test_what_follows_the_end_is_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    refused(saved, "not a readable safetensors file")


def test_every_flipped_bit_is_refused_or_without_effect(saved):
    content = saved.read_bytes()
    truth = tinynet.load(saved)
    unharmed = 0
    for place in range(len(content)):
        for bit in (
            0,
            5,
        ):  # the next letter, and the other case; tools/fuzz_files.py draws from all
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            saved.write_bytes(damaged)
            try:
                assert same(tinynet.load(saved), truth), f"bit {bit} of byte {place} went through"
                unharmed += 1
            except ValueError as error:
                assert str(saved) in str(error)
    # blanks that fill up, and letters of the entry's name, which stands there twice
    assert unharmed <= 2 * 16


def pack(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def one(dtype="F32", shape=(2,), begin=0, end=8, **more) -> bytes:
    return json.dumps(
        {"w": {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}, **more}
    ).encode()


def ours(**content) -> bytes:
    return one(__metadata__={"tinynet": json.dumps(content)})


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"\x08\0\0", "truncated"),
        (pickle.dumps({"a": 1}), "is a pickle .* was not read"),
        (pickle.dumps({"a": 1}, protocol=2), "is a pickle .* was not read"),
        (pickle.dumps({"a": 1}, protocol=0), "not a safetensors file"),
        (b"PK\x03\x04" + bytes(100), "can't be used: File is not a zip file"),
        (pack(one(), bytes(8), length=2**63), "don't hold the header they announce"),
        (pack(one(), bytes(8), length=60), "not a readable"),
        (pack(b"\xff\xfe not JSON", bytes(8)), "not a readable"),
        (pack(b"{}" + b" " * 6 + b"{}"), "not a readable"),
        (pack(DEEP.encode()), "not a readable"),
        (pack(one(shape=(3,)), bytes(8)), "not a readable"),
        (pack(one(shape=(-2,)), bytes(8)), "not a readable"),
        (pack(one(shape=(2**40, 2**40)), bytes(8)), "not a readable"),
        (pack(one(begin=8, end=0), bytes(8)), "not a readable"),
        (pack(one(end=2**62, shape=(2**60,)), bytes(8)), "not a readable"),
        (pack(one(dtype="F33"), bytes(8)), "not a readable"),
        (pack(one(dtype="C64", shape=(1,)), bytes(8)), "not a readable.*complex64"),
        (pack(one(dtype="BF16", shape=(4,)), bytes(8)), "not a readable"),
        (pack(ours(tinynet=2), bytes(8)), "has format version 2, and this tinynet reads version 1"),
        (pack(ours(tree=None), bytes(8)), "its header is damaged, KeyError"),
        (pack(ours(tinynet=1), bytes(8)), "its header is damaged, KeyError"),
        (
            pack(ours(tinynet=1, sha256="0" * 64, tree=None), bytes(8)),
            "does not match its checksum",
        ),
        (
            pack(one(__metadata__={"tinyned": '{"tinynet": 1}'}), bytes(8)),
            "its header is damaged, KeyError",
        ),
        (pack(one(__metadata__={"tinynet": "2"}), bytes(8)), "its header is damaged, TypeError"),
        (
            pack(one(__metadata__={"tinynet": ""}), bytes(8)),
            "its header is damaged, JSONDecodeError",
        ),
        (
            pack(one(__metadata__={"tinynet": DEEP}), bytes(8)),
            "its header is damaged, RecursionError",
        ),
        (pack(one(__metadata__={"tinynet": "[1]"}), bytes(8)), "its header is damaged, TypeError"),
    ],
)
def test_a_hostile_file_is_refused_without_much_memory(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    tracemalloc.start()
    try:
        refused(tmp_path / "file", message)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_huge_sparse_file_is_refused_unread(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(pack(one(), bytes(8)))
    os.truncate(path, 1 << 40)  # a terabyte of nothing
    refused(path, "not a readable")


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path):
    # 0x80 is the first byte of a pickle, and of every header that is 128 bytes long, or 384, ...
    header = one().ljust(128)
    (tmp_path / "file").write_bytes(pack(header, np.float32([1, 2]).tobytes()))
    assert tinynet.load(tmp_path / "file")["w"].tolist() == [1, 2]


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        tinynet.load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        tinynet.load(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"save: the folder .* does not exist; make it first"
    ):
        tinynet.save(1, tmp_path / "none" / "file")
    with pytest.raises(OSError, match="exists and is not a regular file"):
        tinynet.save(1, tmp_path)


def test_a_device_node_is_left_alone():
    with pytest.raises(OSError, match="not a regular file"):
        tinynet.save(1, "/dev/null")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    tinynet.save(1, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert tinynet.load(tmp_path / "file") == 1


def test_wrong_shapes_are_named_and_nothing_is_loaded(tmp_path):
    tinynet.save(nn.Linear(3, 2).state_dict(), tmp_path / "file")
    model = nn.Linear(4, 2)
    before = model.weight.clone()
    with pytest.raises(
        RuntimeError, match=r"weight: the module has shape \(2, 4\), the given one \(2, 3\)"
    ):
        model.load_state_dict(tinynet.load(tmp_path / "file"))
    assert (model.weight == before).all()


# --------------------------------------------------------------------------------------------------
# writing


def test_permissions_are_those_of_any_new_file(tmp_path):
    tinynet.save(1, tmp_path / "ours")
    (tmp_path / "theirs").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@pytest.mark.parametrize("function", ["write", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, function, error
):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args):
        raise error

    if function == "write":
        monkeypatch.setattr(
            "tinynet.serialization.open", lambda *args: _Failing(open(*args), error), raising=False
        )
    else:
        monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


class _Failing:
    """A file that takes half of what it is given and then fails."""

    def __init__(self, file, error):
        self.file, self.error = file, error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise self.error


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    """Version 0.2.0 knew these kinds, and took every dict for a dict."""
    from tinynet.serialization import _digest

    tensors = {"w": np.float32([1, 2]), "a.0": np.int64([3])}
    tree = {"dict": [["w", {"tensor": "w"}], ["a", {"list": [{"tensor": "a.0"}, {"tuple": [1]}]}],
        ["lr", {"float": (0.1).hex()}], ["dtype", {"dict": [
            ["\0tinynet", {"list": ["dtype", "<f4"]}]]}]]}  # fmt: skip
    text = json.dumps({"tinynet": 1, "sha256": _digest(tree, tensors), "tree": tree})
    (tmp_path / "file").write_bytes(safetensors.numpy.save(tensors, {"tinynet": text}))
    found = tinynet.load(tmp_path / "file")
    expected = {"w": tinynet.tensor([1.0, 2.0]), "a": [tinynet.tensor([3]), (1,)], "lr": 0.1}
    assert found.pop("dtype") == tinynet.float32
    assert same(found, expected)


@pytest.mark.skipif(
    not hasattr(resource, "RLIMIT_FSIZE"), reason="this system can't limit the size of files"
)
def test_a_full_disk_is_an_error_and_the_old_file_stays(tmp_path):
    code = f"""
import os, resource, tinynet
tinynet.save({{"good": tinynet.ones(10)}}, {str(tmp_path / "file")!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    tinynet.save({{"large": tinynet.ones(10_000)}}, {str(tmp_path / "file")!r})
except OSError as error:
    print(type(error).__name__, error.errno)
print(os.listdir({str(tmp_path)!r}), tinynet.load({str(tmp_path / "file")!r})["good"].sum().item())
"""
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines() == ["OSError 27", "['file'] 10.0"]


def test_readers_never_see_half_a_file(tmp_path):
    """One thread writes two contents in turn, this one reads as fast as it can."""
    path = tmp_path / "file"
    contents = [{"n": n, "t": tinynet.full((200 + 100 * n,), float(n))} for n in range(2)]
    tinynet.save(contents[0], path)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            for content in contents:
                tinynet.save(content, path)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            found = tinynet.load(path)
            assert same(found, contents[found["n"]])
    finally:
        stop.set()
        writer.join()
    assert os.listdir(tmp_path) == ["file"]


def test_random_garbage_never_crashes(tmp_path):
    """A short form of tools/fuzz_files.py."""
    rng = random.Random(0)
    tinynet.save(example(), tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    for _ in range(300):
        damaged = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            where = rng.randrange(len(damaged))
            damaged[where : where + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
        (tmp_path / "bad").write_bytes(damaged)
        try:
            assert same(tinynet.load(tmp_path / "bad"), example())
        except ValueError as error:
            assert str(error).startswith("load: ")


def test_the_library_is_named_if_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="pip install safetensors"):
        tinynet.save(1, tmp_path / "file")


def test_our_files_are_plain_safetensors(tmp_path):
    tinynet.save({"w": tinynet.ones(2)}, tmp_path / "file")
    assert list(safetensors.numpy.load_file(tmp_path / "file")) == ["w"]
    with safetensors.safe_open(tmp_path / "file", framework="numpy") as file:
        assert list(file.metadata()) == ["tinynet"]
