"""Files of PyTorch's format, and whole modules."""

from __future__ import annotations

import argparse
import io
import pickle
import sys
import types
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest

import tinynet
from tinynet import nn

DTYPES = "float16 float32 float64 uint8 int8 int16 int32 int64 bool".split()


def content(T):
    """What programs save: state dicts, checkpoints, tensors of all dtypes, views, empty ones."""
    x = T.arange(12.0).reshape(3, 4)
    state = OrderedDict(weight=x, bias=T.ones(3))
    return {
        "model": state, "epoch": 3, "loss": 0.1, "name": "run", "none": None, "flag": True,
        "big": 2**100, "list": [1, (2.5, "a"), {}], 7: T.tensor(1.5), "empty": T.ones(0, 2),
        "view": x[1:, ::2], "turned": x.t(), "wide": T.ones(1, 1).expand(2, 3),
        **{name: T.tensor([0, 1, 1]).to(getattr(T, name)) for name in DTYPES},
    }  # fmt: skip


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain, value)]
    return (str(np.asarray(value).dtype), np.asarray(value).tolist()) if hasattr(
        value, "dtype") else value


@pytest.mark.parametrize("name", ["a.pt", "a.pth"])
def test_what_is_written_is_read(tmp_path, name):
    tinynet.save(content(tinynet), tmp_path / name)
    assert zipfile.is_zipfile(tmp_path / name)
    assert plain(tinynet.load(tmp_path / name)) == plain(content(tinynet))
    tinynet.save(content(tinynet), tmp_path / "again.pt")
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / name).read_bytes()


def test_tied_tensors_are_written_once(tmp_path):
    for i, x in enumerate((tinynet.ones(30, 40), tinynet.ones(40, 30).t())):
        tinynet.save({"a": x, "b": x}, tmp_path / f"{i}.pt")
        with zipfile.ZipFile(tmp_path / f"{i}.pt") as archive:
            assert [n for n in archive.namelist() if "/data/" in n] == ["archive/data/0"]
        found = tinynet.load(tmp_path / f"{i}.pt")
        found["a"].zero_()
        assert found["b"].sum() == 0


def test_pytorch_reads_what_is_written(tmp_path, torch):
    tinynet.save(content(tinynet), tmp_path / "a.pt")
    found = torch.load(tmp_path / "a.pt", weights_only=True)
    assert plain(found) == plain(content(torch))


def test_what_pytorch_writes_is_read(tmp_path, torch):
    torch.save(content(torch), tmp_path / "a.pt")
    found = tinynet.load(tmp_path / "a.pt")
    assert plain(found) == plain(content(tinynet))
    found["view"].zero_()  # PyTorch's views share their storage, and so do ours
    assert found["model"]["weight"][1:, ::2].sum() == 0
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 1, 5, 5)).sum().backward()
    optimizer.step()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "b")
    found = tinynet.load(tmp_path / "b", map_location="cpu")
    ours = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    ours.load_state_dict(found["model"])
    tinynet.optim.Adam(ours.parameters()).load_state_dict(found["optimizer"])
    assert ours[0].weight.tolist() == model[0].weight.tolist()
    torch.save(torch.ones(2, dtype=torch.bfloat16) / 3, tmp_path / "c.pt")
    with pytest.warns(UserWarning, match="bfloat16 is read as float32"):
        assert tinynet.load(tmp_path / "c.pt").tolist() == [0.333984375] * 2


def kept(T):
    """What comes back as what it was."""
    leaf = T.ones(2, requires_grad=True)
    return {
        "leaf": leaf, "result": leaf * 2, "wide": T.ones(1, dtype=T.float64, requires_grad=True),
        "parameter": T.nn.Parameter(T.arange(2.0)), "plain": [leaf.detach(), T.ones(2)],
        "frozen": T.nn.Parameter(T.ones(2), requires_grad=False), "size": T.ones(2, 3).shape,
        "ordered": OrderedDict(b=1, a=OrderedDict(c=T.ones(1, requires_grad=True))),
        "counts": Counter("aab"), "model": T.nn.Linear(2, 1).state_dict(),
        "live": T.nn.Linear(2, 1).state_dict(keep_vars=True),
    }  # fmt: skip


def kinds(value):
    if hasattr(value, "requires_grad"):
        return type(value).__name__, value.requires_grad, value.is_leaf
    inside = value.items() if isinstance(value, dict) else ()
    parts = value if isinstance(value, (list, tuple)) else ()
    return type(value).__name__, {k: kinds(v) for k, v in inside}, [*map(kinds, parts)]


def expected_kinds(T):
    return kinds({**kept(T), "result": T.ones(2, requires_grad=True)})  # without its history


@pytest.mark.parametrize("name", ["a.pt", "a", None])
def test_kinds_are_kept(tmp_path, name):
    file = tmp_path / name if name else io.BytesIO()
    tinynet.save(kept(tinynet), file)
    name or file.seek(0)
    found = tinynet.load(file, weights_only=True)
    assert kinds(found) == expected_kinds(tinynet)
    assert type(found["size"]) is tinynet.Size and type(found["parameter"]) is nn.Parameter
    (found["leaf"] * found["parameter"]).sum().backward()
    assert found["leaf"].grad.tolist() == [0, 1] and found["parameter"].grad.tolist() == [1, 1]


def test_pytorch_and_we_keep_each_others_kinds(tmp_path, torch):
    tinynet.save(kept(tinynet), tmp_path / "ours.pt")
    theirs = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert kinds(theirs) == expected_kinds(torch) == expected_kinds(tinynet)
    torch.save(kept(torch), tmp_path / "theirs.pt")
    assert kinds(tinynet.load(tmp_path / "theirs.pt")) == expected_kinds(torch)
    torch.save(torch.device("cuda", 1), tmp_path / "device.pt")
    assert tinynet.load(tmp_path / "device.pt") == tinynet.device("cuda:1")


def test_parameters_keep_their_names_for_other_programs(tmp_path):
    import safetensors.numpy

    tinynet.save(dict(nn.Linear(2, 1).named_parameters()), tmp_path / "a")
    assert sorted(safetensors.numpy.load_file(tmp_path / "a")) == ["bias", "weight"]
    nn.Linear(2, 1).load_state_dict(tinynet.load(tmp_path / "a"))


def test_numpys_numbers_and_defaultdicts(tmp_path):
    history = defaultdict(list, {"loss": [np.float32(0.1)]})
    tinynet.save({"history": history, "best": np.int64(3)}, tmp_path / "a.pt")
    found = tinynet.load(tmp_path / "a.pt")
    assert found == {"history": history, "best": 3} and type(found["best"]) is np.int64
    assert type(found["history"]["loss"][0]) is np.float32 and found["history"]["new"] == []
    tinynet.save(defaultdict(None, a=1), tmp_path / "a.pt")
    assert tinynet.load(tmp_path / "a.pt").default_factory is None
    for value, words in ((np.int64(3), "number of numpy's"), (history, "defaultdict")):
        tinynet.save([value], tmp_path / "a.pt")
        with pytest.raises(ValueError, match=f"it holds a {words}; weights_only=True refuses it"):
            tinynet.load(tmp_path / "a.pt", weights_only=True)


def views(T):
    """Pairs of tensors, of which the first lies in the second or is it."""
    x, y = T.arange(12.0).reshape(3, 4), T.arange(6.0).reshape(2, 3).t()
    pairs = [(x[1:], x), (x[:, 1], x), (x.t(), x), (x[::2, 1:3], x), (x, x), (y, y),
             (x.reshape(12)[5:], x), (T.ones(1).expand(3), T.ones(1))]
    return [[a.detach(), b] for a, b in pairs]


@pytest.mark.parametrize("name", ["a.pt", "a"])
def test_views_share_memory_again(tmp_path, name):
    for pair in views(tinynet)[:-1]:
        for given in (pair, pair[::-1]):
            tinynet.save(given, tmp_path / name)
            found = tinynet.load(tmp_path / name)
            assert plain(found) == plain(given)
            found[given is pair].zero_()
            assert found[given is not pair].abs().sum() == 0
    for given in (views(tinynet)[-1], [pair[0][:3], pair[0][2:]], [tinynet.ones(0), pair[0]]):
        tinynet.save(given, tmp_path / name)  # no one holds the other: copies
        found = tinynet.load(tmp_path / name)
        assert plain(found) == plain(given)
        found[0].detach().fill_(7) if given[0].is_contiguous() else None
        assert plain(found[1]) == plain(given[1])


def test_pytorch_sees_shared_memory(tmp_path, torch):
    for pair in views(tinynet)[:-1]:
        tinynet.save(pair, tmp_path / "a.pt")
        with zipfile.ZipFile(tmp_path / "a.pt") as archive:
            assert [n for n in archive.namelist() if "/data/" in n] == ["archive/data/0"]
        found = torch.load(tmp_path / "a.pt", weights_only=True)
        assert plain(found) == plain(pair)
        found[1].zero_()
        assert found[0].abs().sum() == 0


@pytest.mark.parametrize("where", [
    None, "cpu", tinynet.device("cpu"), lambda storage, location: storage, {"cuda:0": "cpu"},
])  # fmt: skip
def test_where_it_is_put(tmp_path, where):
    for name in ("a.pt", "a"):
        tinynet.save([tinynet.ones(1)], tmp_path / name)
        assert tinynet.load(tmp_path / name, map_location=where)[0].tolist() == [1]
    with pytest.raises(ValueError, match="load: map_location as a function must return"):
        tinynet.load(tmp_path / "a.pt", lambda storage, location: "cuda")


def by_hand(data, members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("x/data.pkl", data)
        for name, value in members.items():
            archive.writestr(f"x/{name}", value)
    return stream.getvalue()


def tensor_pickle(offset, shape, strides, count, kind="FloatStorage"):
    """The pickle of one tensor, protocol 0 for names and 2 for the rest, as PyTorch writes it."""
    numbers = pickle.dumps((offset, shape, strides, False, OrderedDict()), 2)[2:-1]
    storage = b"(X\x07\0\0\0storagectorch\n" + kind.encode() + b"\nX\x01\0\0\x000X\x03\0\0\0cpu"
    pid = storage + pickle.dumps(count, 2)[2:-1] + b"tQ"
    # _rebuild_tensor_v2(storage, *numbers), its arguments made one by one
    arguments = b"".join(pickle.dumps(v, 2)[2:-1] for v in (offset, shape, strides, False))
    assert numbers
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + pid + arguments + b"NtR."


FOUR = np.arange(4, dtype="<f4").tobytes()
REFUSED = [
    (by_hand(pickle.dumps(types.SimpleNamespace(a=1), 2), {}), "it needs types.SimpleNamespace"),
    (by_hand(b"cos\nsystem\n(X\x04\0\0\0truetR.", {}), "it needs os.system"),
    (by_hand(b"cbuiltins\neval\n(X\x01\0\0\x001tR.", {}), "it needs builtins.eval"),
    (by_hand(b"", {}), "can't be used"),
    (by_hand(b"\x80\x02.", {}), "can't be used"),
    (by_hand(tensor_pickle(0, (5,), (1,), 4), {"data/0": FOUR}), "doesn't lie in its storage"),
    (by_hand(tensor_pickle(2, (3,), (1,), 4), {"data/0": FOUR}), "doesn't lie in its storage"),
    (by_hand(tensor_pickle(0, (2, 2), (4, 1), 4), {"data/0": FOUR}), "doesn't lie in its storage"),
    (by_hand(tensor_pickle(-1, (2,), (1,), 4), {"data/0": FOUR}), "doesn't lie in its storage"),
    (by_hand(tensor_pickle(0, (2,), (-1,), 4), {"data/0": FOUR}), "doesn't lie in its storage"),
    (by_hand(tensor_pickle(0, (2**40, 2**40), (0, 0), 4), {"data/0": FOUR}), "lie in its storage"),
    (by_hand(tensor_pickle(0, (2,), (1,), 9), {"data/0": FOUR}), "has 4 elements, not 9"),
    (by_hand(tensor_pickle(0, (2,), (1,), 4, "QInt8Storage"), {"data/0": FOUR}), "QInt8Storage"),
    (by_hand(tensor_pickle(0, (2,), (1,), 4), {}), "can't be used"),
    (by_hand(tensor_pickle(0, (2,), (1,), 4), {"data/0": FOUR}, zipfile.ZIP_LZMA), "compressed"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=range(len(REFUSED)))
def test_hostile_and_damaged_files(tmp_path, data, words):
    (tmp_path / "a.pt").write_bytes(data)
    with pytest.raises(ValueError, match=f"load: .*{words}"):
        tinynet.load(tmp_path / "a.pt")


def test_a_file_changes_no_class(tmp_path):
    for name in ("collections\nCounter", "torch\nSize", "torch\ndevice"):
        # look the name up, and set its attribute "numel" to "y", as a pickle may
        data = f"c{name}\n(N}}X\x05\0\0\0numelX\x01\0\0\0ystb.".encode("latin-1")
        (tmp_path / "a.pt").write_bytes(by_hand(b"\x80\x02" + data, {}))
        tinynet.load(tmp_path / "a.pt")  # it is a function that the file has for itself
        assert callable(tinynet.Size.numel)
        assert not hasattr(Counter, "numel") and not hasattr(tinynet.device, "numel")


@pytest.mark.parametrize(("views", "words"), [
    ({"a": ["b", 2, [1]]}, "doesn't lie in its storage"),
    ({"a": ["b", -1, [1]]}, "doesn't lie in its storage"),
    ({"a": ["b", 0, [2**40]]}, "doesn't lie in its storage"), ({"a": ["c", 0, [1]]}, "KeyError"),
    ({"a": ["b", 0, []]}, "can't be used"), ([1], "AttributeError"),
])  # fmt: skip
def test_hostile_views(tmp_path, monkeypatch, views, words):
    monkeypatch.setattr(tinynet.serialization, "_views", lambda arrays: {})
    write = tinynet.serialization._to_tree
    monkeypatch.setattr(tinynet.serialization, "_to_tree",
        lambda *args: {"views": [views, write(*args)]})
    tinynet.save({"a": tinynet.ones(2), "b": tinynet.ones(3)}, tmp_path / "a")
    with pytest.raises(ValueError, match=f"load: .*{words}"):
        tinynet.load(tmp_path / "a")


def test_a_file_by_hand(tmp_path):
    for order, letter in (("little", "<"), ("big", ">")):
        data = np.arange(4, dtype=f"{letter}f4").tobytes()
        members = {"data/0": data, "byteorder": order}
        (tmp_path / "a.pt").write_bytes(by_hand(tensor_pickle(1, (3,), (1,), 4), members))
        assert tinynet.load(tmp_path / "a.pt").tolist() == [1, 2, 3]


def test_damage_is_noticed(tmp_path):
    tinynet.save({"a": tinynet.ones(100)}, tmp_path / "a.pt")
    data = bytearray((tmp_path / "a.pt").read_bytes())
    at = data.index(np.ones(1, "<f4").tobytes() * 50)
    data[at + 41] ^= 1
    (tmp_path / "a.pt").write_bytes(data)
    with pytest.raises(ValueError, match="load: "):
        tinynet.load(tmp_path / "a.pt")


def swish(x):
    return x * x.sigmoid()


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.again = self.first
        self.tied = nn.Linear(2, width)
        self.tied.weight = self.first.weight
        self.layers = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5))
        self.act, self.other = swish, nn.functional.relu
        self.width, self.sizes, self.kinds = width, (1, 2), {"a": [1.5]}
        self.frozen = nn.Parameter(tinynet.ones(2), requires_grad=False)
        self.register_buffer("seen", tinynet.zeros(1), persistent=False)

    def forward(self, x):
        return self.layers(self.other(self.act(self.first(x)) + self.again(x) + self.tied(x)))


@pytest.mark.parametrize("name", ["net.pt", "net"])
def test_a_whole_module(tmp_path, name):
    net, x = Net(), tinynet.randn(5, 2)
    net(x)
    net.eval()
    tinynet.save({"net": net, "epoch": 2}, tmp_path / name)
    found = tinynet.load(tmp_path / name)
    other = found["net"]
    assert found["epoch"] == 2 and type(other) is Net and not other.training
    assert other(x).tolist() == net(x).tolist()
    assert other.again is other.first and other.tied.weight is other.first.weight
    assert other.act is swish and other.sizes == (1, 2) and other.kinds == {"a": [1.5]}
    assert not other.frozen.requires_grad and other.first.weight.requires_grad
    assert [*other.state_dict()] == [*net.state_dict()] and "seen" not in other.state_dict()
    assert repr(other) == repr(net) and other.seen.tolist() == [0]
    other.train()(x).sum().backward()
    assert other.first.weight.grad is not None
    with pytest.raises(ValueError, match="weights_only=True refuses"):
        tinynet.load(tmp_path / name, weights_only=True)


def test_the_arguments_of_a_program(tmp_path):
    args = argparse.Namespace(lr=0.1, sizes=[1, 2], more=argparse.Namespace(name="a"), w=None)
    tinynet.save({"args": args, "w": tinynet.ones(2)}, tmp_path / "a.pt")
    found = tinynet.load(tmp_path / "a.pt")
    assert found["args"] == args and found["w"].tolist() == [1, 1]
    with pytest.raises(ValueError, match="a Namespace; weights_only=True refuses it"):
        tinynet.load(tmp_path / "a.pt", weights_only=True)


@pytest.mark.parametrize("make", [
    lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(2, 2), nn.MaxPool2d(2), nn.Flatten()),
    lambda: nn.ModuleList([nn.Linear(1, 1), nn.Identity()]), lambda: nn.ModuleDict({"a": nn.ELU()}),
    lambda: nn.CrossEntropyLoss(tinynet.ones(3)), lambda: nn.Upsample(scale_factor=2),
])  # fmt: skip
def test_layers(tmp_path, make):
    module = make()
    tinynet.save(module, tmp_path / "a")
    found = tinynet.load(tmp_path / "a")
    assert repr(found) == repr(module)
    for name, value in module.state_dict().items():
        assert found.state_dict()[name].tolist() == value.tolist()


def with_hook():
    net = nn.ReLU()
    net.register_forward_hook(print)
    return net


def with_attribute(value):
    net = nn.ReLU()
    net.extra = value
    return net


class Local(nn.Module):
    pass


NOT_SAVED = [
    (lambda: type("Gone", (nn.Module,), {})(), "Gone can't be found by its name"),
    (with_hook, "ReLU has _hooks"),
    (lambda: with_attribute(lambda x: x), "<lambda> can't be found by its name"),
    (lambda: with_attribute(open), "extra is a builtin_function"),
    (lambda: with_attribute(io.StringIO()), "extra is a StringIO"),
]


@pytest.mark.parametrize(("make", "words"), NOT_SAVED)
def test_what_cannot_be_saved(tmp_path, make, words):
    with pytest.raises(TypeError, match=f"save: .*{words}"):
        tinynet.save(make(), tmp_path / "a")


def test_a_class_that_is_not_imported(tmp_path, monkeypatch):
    tinynet.save(Net(), tmp_path / "a")
    monkeypatch.delitem(sys.modules, __name__)
    with pytest.raises(ValueError, match=r"class .*:Net, which this program has not imported"):
        tinynet.load(tmp_path / "a")


@pytest.mark.parametrize(("state", "words"), [
    ({"a": ["function", "os:system"]}, "the function os:system is not one of tinynet"),
    ({"forward": ["function", "tinynet.nn.functional.activation:relu"]}, "the method forward"),
    ({"a": ["module", 1, "io:StringIO", {}]}, "class io:StringIO, which this program has not"),
])  # fmt: skip
def test_a_hostile_module(tmp_path, state, words):
    mark = "\0tinynet"
    state = {name: {mark: value} for name, value in state.items()}
    tinynet.save({mark: ["module", 0, "tinynet.nn.stateless:ReLU", state]}, tmp_path / "a")
    with pytest.raises(ValueError, match=f"load: .*{words}"):
        tinynet.load(tmp_path / "a")


@pytest.mark.parametrize("saved", [{"w": tinynet.arange(3.0), "epoch": 2}, tinynet.ones(2)])
def test_file_objects(tmp_path, torch, saved):
    stream = io.BytesIO()
    tinynet.save(saved, stream)
    stream.seek(0)
    assert str(tinynet.load(stream)) == str(saved)
    with open(tmp_path / "a", "wb") as file:
        tinynet.save(saved, file)
    with open(tmp_path / "a", "rb") as file:
        assert str(tinynet.load(file)) == str(saved)
    stream = io.BytesIO()
    torch.save({"w": torch.arange(3.0)}, stream)
    stream.seek(0)
    assert tinynet.load(stream)["w"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="load: .*truncated"):
        tinynet.load(io.BytesIO(b"no such file"))


def test_arrays_paths_and_dtypes_beside_tensors(tmp_path):
    given = {"losses": np.array([1.5, 2.5]), "path": Path("a") / "b", "dtype": tinynet.float32,
             "device": tinynet.device("cpu"), "w": tinynet.ones(2)}
    tinynet.save(given, tmp_path / "file.pt")
    found = tinynet.load(tmp_path / "file.pt", weights_only=False)
    assert isinstance(found["losses"], np.ndarray)
    assert found["losses"].tolist() == [1.5, 2.5]
    assert [found[name] for name in ("path", "dtype", "device")] == [
        given[name] for name in ("path", "dtype", "device")]
