"""`Module` behaves as PyTorch's: names and their order, sharing, state, hooks, copies and text."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from operations import real

import tinynet
from tinynet import nn


def modules(T):
    """The same small zoo of modules, of tinynet or of PyTorch."""

    class Block(T.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.scale = T.nn.Parameter(T.ones(width))
            self.conv = T.nn.Conv2d(width, width, 3, padding=1)
            self.register_buffer("seen", T.zeros(1))
            self.register_buffer("scratch", T.zeros(2), persistent=False)
            self.register_parameter("absent", None)
            self.norm = T.nn.BatchNorm2d(width)

        def extra_repr(self):
            return "a block\nin two lines"

        def forward(self, x):
            return self.norm(self.conv(x)) * self.scale.reshape(-1, 1, 1)

    class Net(T.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = T.nn.Sequential(
                OrderedDict(conv=T.nn.Conv2d(1, 2, 3), act=T.nn.ReLU(inplace=True))
            )
            self.blocks = T.nn.ModuleList([Block(2), Block(2)])
            self.again = self.blocks[0]
            self.named = T.nn.ModuleDict({"b": T.nn.Linear(2, 3), "a": T.nn.LeakyReLU(0.2)})
            self.head = T.nn.Linear(2, 3)
            self.head.weight = self.named["b"].weight
            self.gone = None
            self.empty = T.nn.Sequential()

        def forward(self, x, scale=1.0):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            x = self.again(x).mean((2, 3))
            return self.named["a"](self.named["b"](x)) + scale * self.head(x)

    net = Net()
    net.gone = T.nn.Tanh()
    net.gone = None
    net.stem.act = T.nn.ELU()  # in its place
    net.blocks[1].scale = T.nn.Parameter(T.zeros(2))
    return net


@pytest.fixture
def both(torch):
    return modules(tinynet), modules(torch)


def test_names_order_and_text_are_pytorchs(both):
    mine, theirs = both
    assert repr(mine) == repr(theirs)
    for walk in ("named_modules", "named_children", "named_parameters", "named_buffers"):
        assert [n for n, _ in getattr(mine, walk)()] == [n for n, _ in getattr(theirs, walk)()], (
            walk
        )
    for walk in ("named_modules", "named_parameters", "named_buffers"):
        assert [n for n, _ in getattr(mine, walk)(prefix="p", remove_duplicate=False)] == [
            n for n, _ in getattr(theirs, walk)(prefix="p", remove_duplicate=False)
        ], walk
    assert [n for n, _ in mine.named_parameters(recurse=False)] == []
    assert {k: tuple(v.shape) for k, v in mine.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    assert list(mine.state_dict(prefix="net.")) == list(theirs.state_dict(prefix="net."))
    order: list = []
    expected: list = []
    mine.apply(lambda m: order.append(type(m).__name__))
    theirs.apply(lambda m: expected.append(type(m).__name__))
    assert order == expected


def test_names_and_order():
    """The same without PyTorch."""
    net = modules(tinynet)
    assert list(net.state_dict())[:4] == [
        "stem.conv.weight",
        "stem.conv.bias",
        "blocks.0.scale",
        "blocks.0.seen",
    ]
    assert [n for n, _ in net.named_children()] == [
        "stem",
        "blocks",
        "again",
        "named",
        "head",
        "empty",
    ]
    names = [n for n, _ in net.named_parameters()]
    assert "again.scale" not in names
    assert "head.weight" not in names  # shared, and so named once
    assert "again.scale" in net.state_dict()
    assert "blocks.0.scratch" not in net.state_dict()
    assert len(list(net.modules())) == len(set(net.modules())) == 16
    assert net.get_submodule("blocks.1.conv") is net.blocks[1].conv
    assert net.get_submodule("") is net
    assert net.get_parameter("head.bias") is net.head.bias
    for target, call in (
        ("blocks.7", net.get_submodule),
        ("head.x", net.get_parameter),
        ("nothing.bias", net.get_parameter),
    ):
        with pytest.raises(AttributeError, match="has no"):
            call(target)


# --------------------------------------------------------------------------------------- attributes


def test_replacing_keeps_the_place():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    net[0] = nn.Tanh()
    assert list(net._modules) == ["0", "1"]
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(tinynet.ones(3, 2))
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    layer.register_parameter("weight", nn.Parameter(tinynet.ones(4, 2)))
    layer.register_buffer("b", tinynet.ones(1), persistent=False)
    layer.register_buffer("c", tinynet.ones(1))
    layer.b = tinynet.zeros(2)
    assert [n for n, _ in layer.named_buffers()] == ["b", "c"]
    assert list(layer.state_dict()) == ["weight", "bias", "c"]
    layer.register_buffer("b", tinynet.ones(1))
    assert list(layer.state_dict()) == ["weight", "bias", "b", "c"]


def test_a_name_belongs_to_one_kind():
    m = nn.Module()
    m.x = nn.Linear(1, 1)
    m.x = nn.Parameter(tinynet.ones(1))
    assert list(m.children()) == []
    m.y = 5
    m.y = nn.Tanh()
    assert "y" not in m.__dict__
    assert isinstance(m.y, nn.Tanh)
    m.y = None
    assert m.y is None
    m.register_buffer("z", tinynet.ones(1))
    m.z = nn.Parameter(tinynet.ones(2))
    assert [n for n, _ in m.named_parameters()] == ["x", "z"]
    assert list(m.buffers()) == []
    del m.x, m.y, m.z
    assert list(m.state_dict()) == []
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'x'"):
        _ = m.x
    with pytest.raises(AttributeError):
        del m.x
    m.weight = tinynet.ones(1)
    assert list(m.parameters()) == [], "a plain tensor is no parameter"


def test_dir_lists_everything():
    assert {"weight", "bias", "forward"} <= set(dir(nn.Linear(1, 1)))


class Early(nn.Module):
    def __init__(self):
        self.layer = nn.ReLU()


def _assign(name, value):
    m = nn.Linear(1, 1)
    m.child = nn.ReLU()
    m.register_buffer("buffer", tinynet.ones(1))
    m.plain = 5
    setattr(m, name, value)


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        (
            lambda: _assign("weight", tinynet.ones(1, 1)),
            TypeError,
            "Linear.weight is a parameter; it can be set to a Parameter or None",
        ),
        (lambda: _assign("weight", nn.ReLU()), TypeError, "Linear.weight is a parameter"),
        (
            lambda: _assign("child", 5),
            TypeError,
            "Linear.child is a module; it can be set to a Module or None, not to a int",
        ),
        (
            lambda: _assign("buffer", 5),
            TypeError,
            "Linear.buffer is a buffer; it can be set to a tensor or None",
        ),
        (
            lambda: _assign("forward", nn.ReLU()),
            ValueError,
            "the name 'forward' is taken, by an attribute of the class",
        ),
        (Early, AttributeError, r"call super\(\).__init__\(\) before setting 'layer'"),
        (
            lambda: nn.ReLU().register_buffer("inplace", tinynet.ones(1)),
            ValueError,
            "the name 'inplace' is taken, by another attribute",
        ),
        (
            lambda: nn.ReLU().add_module("training", nn.ReLU()),
            ValueError,
            "the name 'training' is taken",
        ),
        (
            lambda: nn.Linear(1, 1).register_buffer("weight", tinynet.ones(1)),
            ValueError,
            "the name 'weight' is taken",
        ),
        (lambda: nn.ReLU().add_module("a.b", nn.ReLU()), ValueError, "'a.b' can't be a name"),
        (lambda: nn.ReLU().add_module("", nn.ReLU()), ValueError, "'' can't be a name"),
        (lambda: nn.ReLU().add_module(3, nn.ReLU()), ValueError, "3 can't be a name"),
        (
            lambda: nn.ReLU().add_module("a", 5),
            TypeError,
            "'a' must be a Module or None, got a int",
        ),
        (
            lambda: nn.ReLU().register_parameter("a", tinynet.ones(1)),
            TypeError,
            "'a' must be a Parameter or None, got a Tensor",
        ),
        (
            lambda: nn.ReLU().register_buffer("a", np.ones(1)),
            TypeError,
            "'a' must be a Tensor or None, got a ndarray",
        ),
        (lambda: nn.Module()(1), NotImplementedError, r"Module does not define forward\(\)"),
        (
            lambda: nn.ModuleList()(1),
            NotImplementedError,
            r"ModuleList does not define forward\(\)",
        ),
        (lambda: nn.ReLU().train(1), TypeError, "mode must be True or False, got 1"),
        (
            lambda: nn.ReLU().to(tinynet.int64),
            TypeError,
            "a module's dtype must be a floating one, got int64",
        ),
        (
            lambda: nn.ReLU().register_forward_hook(5),
            TypeError,
            "register_forward_hook: hook must be a function, got 5",
        ),
        (
            lambda: nn.ReLU().register_forward_pre_hook(None),
            TypeError,
            "register_forward_pre_hook: hook must be a function, got None",
        ),
        (lambda: nn.Sequential(5), TypeError, "'0' must be a Module or None"),
        (
            lambda: nn.ModuleList(5),
            TypeError,
            "ModuleList: expected a sequence of modules, got int",
        ),
        (
            lambda: nn.Sequential(nn.ReLU())[1],
            IndexError,
            "Sequential: index 1 is out of range for 1 modules",
        ),
        (
            lambda: nn.ModuleList([nn.ReLU()]).insert(3, nn.ReLU()),
            IndexError,
            "ModuleList: index 3 is out of range",
        ),
        (lambda: nn.ModuleDict({"a": 5}), TypeError, "'a' must be a Module or None"),
        (lambda: nn.ModuleDict({"keys": nn.ReLU()}), ValueError, "the name 'keys' is taken"),
        (lambda: nn.ModuleDict({"a": nn.ReLU()})["b"], KeyError, "b"),
    ],
)
def test_refused(refused, error, message):
    with pytest.raises(error, match=message):
        refused()


# -------------------------------------------------------------------------------------------- state


def test_state_dict_shares_memory_and_loads_back():
    net = modules(tinynet)
    state = net.state_dict()
    assert all(not t.requires_grad for t in state.values())
    assert net.state_dict(keep_vars=True)["head.bias"] is net.head.bias
    net.head.bias.data.fill_(7.0)
    assert state["head.bias"].tolist() == [7.0] * 3
    other = modules(tinynet)
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert other.head.weight is other.named["b"].weight
    for name, tensor in other.state_dict().items():
        assert np.array_equal(tensor, state[name])
        assert tensor.array is not state[name].array
    x = tinynet.tensor(real(2, 1, 6, 5))
    assert np.array_equal(net.eval()(x).detach(), other.eval()(x).detach())
    assert np.array_equal(
        net(x, scale=0.0).detach(), net.named["a"](net.named["b"](_features(net, x))).detach()
    )


def _features(net, x):
    x = net.stem(x)
    return net.again(net.blocks[1](net.blocks[0](x))).mean((2, 3))


def test_load_state_dict_reports_everything_and_loads_nothing():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = {
        "0.weight": tinynet.ones(3, 3),
        "0.bias": tinynet.ones(3),
        "1.weight": np.ones((1, 3)),
        "extra": tinynet.ones(1),
    }
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    for part in (
        "missing: 1.bias",
        "unexpected: extra",
        "0.weight: the module has shape (3, 2), the given one (3, 3)",
    ):
        assert part in text
    assert "1.weight: expected a tensor, got ndarray" in text
    assert all(np.array_equal(v, before[k]) for k, v in net.state_dict().items())
    with pytest.raises(RuntimeError, match=r"0\.weight"):
        net.load_state_dict({"0.weight": tinynet.ones(3, 3)}, strict=False)
    found = net.load_state_dict(
        {"0.bias": tinynet.ones(3, dtype=tinynet.float64), "extra": tinynet.ones(1)}, strict=False
    )
    assert (found.missing_keys, found.unexpected_keys) == (
        ["0.weight", "1.weight", "1.bias"],
        ["extra"],
    )
    assert net[0].bias.tolist() == [1.0] * 3
    assert net[0].bias.dtype == np.float32
    with pytest.raises(ValueError, match="assign=True is not supported"):
        net.load_state_dict(state, assign=True)
    with pytest.raises(TypeError, match="expected a mapping"):
        net.load_state_dict([1])


def test_train_eval_requires_grad_and_zero_grad():
    net = modules(tinynet)
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    net(tinynet.tensor(real(2, 1, 6, 5))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.array.any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(tinynet.tensor(real(2, 1, 6, 5))).requires_grad


def test_to_keeps_parameters_and_replaces_buffers():
    weight = tinynet.tensor([1.0, 2.0])
    loss = nn.CrossEntropyLoss(weight)
    net = modules(tinynet)
    before = dict(net.named_parameters())
    net(tinynet.tensor(real(2, 1, 6, 5))).sum().backward()
    assert net.to("cpu", tinynet.float64, non_blocking=True) is net
    assert loss.double().weight.dtype == np.float64
    assert weight.dtype == np.float32
    for name, parameter in net.named_parameters():
        assert parameter is before[name]
        assert parameter.dtype == parameter.grad.dtype == np.float64
        assert isinstance(parameter, nn.Parameter)
    assert net.head.weight is net.named["b"].weight
    assert net.again.norm.running_mean.dtype == np.float64
    assert net.again.norm.num_batches_tracked.dtype == np.int64
    assert {p.dtype for p in net.half().parameters()} == {np.dtype(np.float16)}
    assert {p.dtype for p in net.float().parameters()} == {np.dtype(np.float32)}
    assert {p.dtype for p in net.to(tinynet.ones(1, dtype=tinynet.float64)).parameters()} == {
        np.dtype(np.float64)
    }


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
    ids=["deepcopy", "pickle"],
)
def test_copies(duplicate):
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.BatchNorm2d(2))
    net[2].weight = net[0].weight
    net.eval()
    net[0](tinynet.ones(1, 2)).sum().backward()
    twin = duplicate(net)
    assert repr(twin) == repr(net)
    assert twin[2].weight is twin[0].weight
    assert isinstance(twin[0].weight, nn.Parameter)
    assert twin[0].weight is not net[0].weight
    assert twin[0].weight.grad is None
    assert not twin[3].training
    twin[0].weight.data.fill_(0.0)
    assert net[0].weight.array.all()
    twin[0].register_forward_hook(lambda *_: 5)
    assert net[0](tinynet.ones(1, 2)).shape == (1, 2)


# -------------------------------------------------------------------------------------------- hooks


def test_hooks_see_and_replace():
    layer = nn.Tanh()
    seen: list = []
    x = tinynet.tensor(real(2))
    handle = layer.register_forward_pre_hook(
        lambda module, inputs: seen.append(("pre", module, inputs))
    )
    layer.register_forward_hook(
        lambda module, inputs, result: seen.append(("post", inputs, result))
    )
    y = layer(x)
    assert seen[0][1] is layer
    assert seen[0][2][0] is seen[1][1][0] is x
    assert seen[1][2] is y
    handle.remove()
    handle.remove()
    layer(x)
    assert [s[0] for s in seen] == ["pre", "post", "post"]
    with (
        layer.register_forward_pre_hook(lambda module, inputs: inputs[0] * 2),
        layer.register_forward_hook(lambda m, i, r: (r, i[0])),
    ):
        result, given = layer(x)
        assert np.array_equal(given, x * 2)
        assert np.array_equal(result, (x * 2).tanh())
    assert np.array_equal(layer(x), x.tanh())


def test_hooks_in_order_with_options():
    class Scale(nn.Module):
        def forward(self, x, *, by=1.0):
            return x * by

    layer, order = Scale(), []
    layer.register_forward_hook(lambda *_: order.append("second"))
    layer.register_forward_hook(lambda *_: order.append("first"), prepend=True)
    layer.register_forward_pre_hook(
        lambda m, inputs, options: (inputs, {"by": options["by"] * 2}), with_kwargs=True
    )
    layer.register_forward_hook(
        lambda m, inputs, options, result: order.append(options), with_kwargs=True
    )
    assert layer(tinynet.tensor(1.0), by=3.0).item() == 6.0
    assert order == ["first", "second", {"by": 6.0}]


def test_a_hook_may_remove_itself():
    layer, calls = nn.ReLU(), []

    def once(*_):
        calls.append(1)
        handle.remove()

    handle = layer.register_forward_hook(once)
    layer(tinynet.ones(1))
    layer(tinynet.ones(1))
    assert calls == [1]


def test_hooks_are_pytorchs(torch):

    def record(T):
        layer, seen = T.nn.ReLU(), []
        layer.register_forward_pre_hook(lambda m, i: seen.append(len(i)) or (i[0] - 1,))
        layer.register_forward_pre_hook(lambda m, i: i[0] * 2)
        layer.register_forward_hook(lambda m, i, r: r + 1)
        layer.register_forward_hook(
            lambda m, i, r: seen.append([i[0].tolist(), r.tolist()]), prepend=True
        )
        return [*seen, layer(T.tensor([3.0, -3.0])).tolist(), *seen]

    assert record(tinynet) == record(torch)


# --------------------------------------------------------------------------------------- containers


def containers(T):
    """What a series of changes prints, step by step."""
    a, b, c, d = T.nn.ReLU(), T.nn.Tanh(), T.nn.Sigmoid(), T.nn.ELU()
    steps = []
    s = T.nn.Sequential(a, b)
    for change in (
        lambda: s.append(c), lambda: s.insert(1, d), lambda: s.insert(-1, T.nn.GELU()),
        lambda: s.extend([a, b]), lambda: s[1:4],
        lambda: s[::2], lambda: s.pop(1), lambda: s.__delitem__(slice(0, 2)),
        lambda: s.__delitem__(-1), lambda: s.__setitem__(0, c),
        lambda: s + T.nn.Sequential(d), lambda: s.__iadd__(T.nn.Sequential(d)), lambda: len(s),
        lambda: s[-1], lambda: [*s],
    ):  # fmt: skip
        steps += [repr(change()), repr(s), list(s.state_dict()), list(s._modules)]
    m = T.nn.ModuleList([T.nn.Linear(1, 2), T.nn.Linear(1, 2), a])
    for change in (
        lambda: m.append(T.nn.Linear(2, 2)), lambda: m[1:], lambda: (m.insert(1, b), None)[1],
        lambda: m.extend(iter([c, d])),
        lambda: m.pop(0), lambda: m.pop(-1), lambda: m.__delitem__(0), lambda: m.__add__([a]),
        lambda: m.__iadd__([T.nn.Sequential(a), T.nn.Sequential(a)]), lambda: m[::2],
        lambda: a in m, lambda: m[-1],
    ):  # fmt: skip
        steps += [repr(change()), repr(m), list(m.state_dict()), list(m._modules)]
    q = T.nn.ModuleDict({"b": T.nn.Linear(1, 2), "a": b})
    for change in (
        lambda: q.update({"c": c, "b": d}), lambda: q.update([("z", a), ["y", b]]),
        lambda: T.nn.ModuleDict(q), lambda: q.pop("c"),
        lambda: list(q.keys()), lambda: list(q.values()), lambda: list(q.items()),
        lambda: ("a" in q, "c" in q, len(q)),
        lambda: q.__delitem__("a"), lambda: q["z"], lambda: [*q], lambda: q.clear(),
    ):  # fmt: skip
        steps += [repr(change()), repr(q), list(q._modules)]
    named = T.nn.Sequential(OrderedDict(first=a, second=T.nn.Sequential(OrderedDict(inner=b))))
    steps += [
        repr(named),
        repr(named[1:]),
        repr(T.nn.Sequential()),
        repr(T.nn.ModuleList()),
        repr(T.nn.ModuleDict()),
    ]
    return steps


def test_containers_are_pytorchs(torch):
    for mine, theirs in zip(containers(tinynet), containers(torch), strict=True):
        assert mine == theirs


def test_containers():
    """Some of the same without PyTorch."""
    numbers = nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.ReLU()])
    assert repr(numbers) == (
        "ModuleList(\n  (0-1): 2 x Linear(in_features=1, out_features=2, bias=True)\n"
        "  (2): ReLU()\n)"
    )
    assert list(numbers[1:]._modules) == ["0", "1"]
    chain = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.ELU())
    part = chain[1:]
    assert list(part._modules) == ["1", "2"]
    assert part[0] is chain[1]
    part.append(nn.GELU())
    assert [type(m).__name__ for m in part] == ["Tanh", "ELU", "GELU"], (
        "the names 1 and 2 are taken"
    )
    assert nn.Sequential()(3) == 3
    assert nn.ModuleDict({"x": nn.ReLU()}).x is not None


def test_what_a_child_overrides_is_called():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(2)

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    class Halved(nn.BatchNorm2d):
        def reset_parameters(self):
            super().reset_parameters()
            nn.init.constant_(self.weight, 0.5)

    net = nn.Sequential(Frozen(), nn.Dropout())
    net.train()
    assert (net[0].training, net[0].norm.training, net[1].training) == (True, False, True)
    assert Halved(2).weight.tolist() == [0.5, 0.5]


def test_a_state_dict_that_a_subclass_adds_to():
    class Counted(nn.Linear):
        def state_dict(self, **options):
            return {**super().state_dict(**options), "count": tinynet.tensor(3)}

    layer = Counted(1, 1)
    assert [*layer.state_dict()] == ["weight", "bias", "count"]
    assert not layer.load_state_dict(nn.Linear(1, 1).state_dict()).missing_keys


def test_a_file_without_the_count_of_batches():
    norm = nn.BatchNorm2d(2)
    old = {k: v + 1 for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    assert not norm.load_state_dict(old).missing_keys
    assert norm.running_mean.tolist() == [1, 1]
