"""Arguments by other names, numpy's functions of tensors, and settings."""

from __future__ import annotations

import numpy as np
import pytest

import tinynet

A = [[1.0, 2.0], [3.0, 4.0]]


def out(T, make):
    target = T.zeros(2, 2)
    assert make(target) is target
    return target


# what each program gives for the matrix a
def detached(x):
    assert x.detach_() is x
    return x.requires_grad, x.is_leaf, x.grad_fn


WORDS = [
    (lambda T, a: out(T, lambda c: T.add(a, a, alpha=2, out=c)), [[3, 6], [9, 12]]),
    (lambda T, a: out(T, lambda c: T.matmul(a, a, out=c)), [[7, 10], [15, 22]]),
    (lambda T, a: out(T, lambda c: T.mm(a, a, out=c)), [[7, 10], [15, 22]]),
    (lambda T, a: out(T, lambda c: T.neg(a, out=c)), [[-1, -2], [-3, -4]]),
    (lambda T, a: out(T, lambda c: T.clamp(a, 2, 3, out=c)), [[2, 2], [3, 3]]),
    (lambda T, a: out(T, lambda c: T.cat([a[:1], a[:1]], out=c)), [[1, 2], [1, 2]]),
    (lambda T, a: T.sum(a, 0, out=T.empty(0)), [4, 6]),
    (lambda T, a: T.eq(a, 2, out=T.empty(2, 2, dtype=T.bool)), [[False, True], [False, False]]),
    (lambda T, a: T.max(a, 1, out=(T.empty(2), T.empty(2, dtype=T.int64))), [[2, 4], [1, 1]]),
    (lambda T, a: T.mul(a, 2, out=T.empty(2, 2, dtype=T.float64)), [[2, 4], [6, 8]]),
    (lambda T, a: a.mean(axis=0), [2, 3]),
    (lambda T, a: a.sum(axis=1, keepdims=True), [[3], [7]]),
    (lambda T, a: T.argmax(a, axis=1), [1, 1]),
    (lambda T, a: T.sum(input=a, axis=0), [4, 6]),
    (lambda T, a: T.stack([a, a], axis=1).shape, [2, 2, 2]),
    (lambda T, a: T.cat([a, a], axis=1).shape, [2, 4]),
    (lambda T, a: T.sort(a, axis=0, descending=True)[0], [[3, 4], [1, 2]]),
    (lambda T, a: T.softmax(a * 0, axis=1), [[0.5, 0.5], [0.5, 0.5]]),
    (lambda T, a: T.div(T.tensor([7, -7, 6]), 2, rounding_mode="trunc"), [3, -3, 3]),
    (lambda T, a: T.div(T.tensor([7, -7, 6]), 2, rounding_mode="floor"), [3, -4, 3]),
    (lambda T, a: (a - 2.5).div(0.5, rounding_mode="trunc"), [[-3, -1], [1, 3]]),
    (lambda T, a: T.div(a, 2, rounding_mode=None), [[0.5, 1], [1.5, 2]]),
    (lambda T, a: T.where(a > 2), [[1, 1], [0, 1]]),
    (lambda T, a: T.randint(10, size=(2, 3)).shape, [2, 3]),
    (lambda T, a: T.normal(T.tensor([1.0, 5.0]), T.zeros(2)), [1, 5]),
    (lambda T, a: T.normal(T.zeros(3, 1), T.ones(2)).shape, [3, 2]),
    (lambda T, a: T.normal(2.0, T.zeros(2)), [2, 2]),
    (lambda T, a: T.normal(T.zeros(4)).shape, [4]),
    (lambda T, a: T.Tensor(2, 3).shape, [2, 3]),
    (lambda T, a: T.Tensor(a.shape).shape, [2, 2]),
    (lambda T, a: np.clip(a, 2, 3), [[2, 2], [3, 3]]),
    (lambda T, a: np.sqrt(a * a), A),
    (lambda T, a: np.transpose(a, (1, 0)), [[1, 3], [2, 4]]),
    (lambda T, a: np.maximum(a, 2), [[2, 2], [3, 4]]),
    (lambda T, a: np.abs(-a), A),
    (lambda T, a: np.add(a, np.ones(2, np.float32)), [[2, 3], [4, 5]]),
    (lambda T, a: np.float32(2) * a, [[2, 4], [6, 8]]),
    (lambda T, a: T.finfo(T.float32).eps, 2.0**-23),
    (lambda T, a: (T.iinfo(T.uint8).max, T.finfo(T.float16).max), [255, 65504]),
    (lambda T, a: (T.is_tensor(a), T.is_tensor(1)), [True, False]),
    (lambda T, a: a.type(), "torch.FloatTensor"),
    (lambda T, a: [isinstance(a, T.FloatTensor), isinstance(a, T.LongTensor)], [True, False]),
    (lambda T, a: isinstance(a.long(), T.LongTensor), True),
    (lambda T, a: a.clone().resize_(3), [1, 2, 3]),
    (lambda T, a: a.clone().resize_((2, 3))[:, :2].shape, [2, 2]),
    (lambda T, a: T.multinomial(T.tensor([0.0, 3.0, 0.0]), 1), [1]),
    (lambda T, a: T.multinomial(T.tensor([0.0, 3.0, 1.0]), 2).sort()[0], [1, 2]),
    (lambda T, a: T.multinomial(a * T.tensor([1.0, 0]), 3, replacement=True), [[0] * 3] * 2),
    (lambda T, a: [T.backends.cudnn.is_available(), T.backends.mps.is_available()], [False, False]),
    (lambda T, a: [T.cuda.memory_allocated(), T.cuda.manual_seed_all(1)], [0, None]),
    (lambda T, a: T.get_default_dtype() == T.float32, True),
    (lambda T, a: a.clone().bernoulli_(1.0), [[1, 1], [1, 1]]),
    (lambda T, a: T.zeros(2, 2).bernoulli_(T.tensor([0.0, 1.0])), [[0, 1], [0, 1]]),
    (lambda T, a: T.empty(3, dtype=T.long).random_(1), [0, 0, 0]),
    (lambda T, a: T.zeros(2).random_(4, to=5), [4, 4]),
    (lambda T, a: len(set(T.zeros(99).random_(2, 5).tolist())), 3),
    (lambda T, a: 30 < T.zeros(99).bernoulli_().sum() < 70, True),
    (lambda T, a: (a.ndimension(), a[0].ndimension()), [2, 1]),
    (lambda T, a: detached(a.requires_grad_()), [False, True, None]),
    (lambda T, a: detached(a.requires_grad_() * 2), [False, True, None]),
]


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


@pytest.mark.parametrize(("program", "answer"), WORDS, ids=range(len(WORDS)))
def test_answers(program, answer):
    assert plain(program(tinynet, tinynet.tensor(A))) == answer


@pytest.mark.filterwarnings("ignore:__array_wrap__")  # PyTorch's own
@pytest.mark.parametrize("program", [p for p, _ in WORDS], ids=range(len(WORDS)))
def test_pytorchs_answers(program, torch):
    ours, theirs = program(tinynet, tinynet.tensor(A)), program(torch, torch.tensor(A))
    assert plain(ours) == plain(theirs)
    assert isinstance(ours, tinynet.Tensor) == isinstance(theirs, torch.Tensor)
    assert str(getattr(theirs, "dtype", "")) in ("", f"torch.{getattr(ours, 'dtype', '')}")


REFUSED = [
    (lambda T, a: T.add(a, a, out=T.zeros(2, 2, requires_grad=True)), RuntimeError, "add: out="),
    (lambda T, a: T.exp(a, out=T.zeros(2, 2, dtype=T.int64)), RuntimeError, "exp: the result is"),
    (lambda T, a: a.sum(axis=0, dim=0), TypeError, "sum: give dim or axis, not both"),
    (lambda T, a: T.div(a, a, rounding_mode="up"), ValueError, "div: rounding_mode"),
    (lambda T, a: T.normal(a, -a), ValueError, "normal: "),
    (lambda T, a: np.sqrt(a.requires_grad_()), RuntimeError, "numpy: the tensor requires grad"),
    (lambda T, a: T.FloatTensor(2.5), TypeError, "FloatTensor: expected sizes or one sequence"),
    (lambda T, a: T.FloatTensor(T.ones(2).long()), TypeError, "FloatTensor: got a tensor of int64"),
    (lambda T, a: T.set_default_dtype(T.int64), TypeError, "set_default_dtype: only a floating"),
    (lambda T, a: T.topk(a, 5), ValueError, "topk: k must"),
    (lambda T, a: T.bmm(a, a), ValueError, "bmm: expected a 3-d tensor"),
    (lambda T, a: T.tril(a[0]), ValueError, "tril: expected at least 2 dims"),
    (lambda T, a: T.einsum("ij,jk->ik", a), ValueError, "einsum: .* has 2 terms for 1 tensors"),
    (lambda T, a: T.einsum("ijk->i", a), ValueError, "einsum: 'ijk' .* has not the 2 dims"),
    (lambda T, a: a.scatter(0, T.tensor([[-1]]), 1.0), IndexError, "scatter: an index is out of"),
    (lambda T, a: a.scatter(0, T.tensor([0]), 1.0), ValueError, "scatter: index .* must have the"),
    (lambda T, a: a.scatter(0, T.tensor([[0]]), a.double()), RuntimeError, "scatter: src"),
    (lambda T, a: T.multinomial(a, 5), ValueError, "multinomial: "),
    (lambda T, a: T.bincount(T.tensor([-1])), ValueError, "bincount: expected ints from 0"),
    (lambda T, a: T.meshgrid(a[0], indexing="no"), ValueError, "meshgrid: indexing must be"),
    (lambda T, a: a.requires_grad_().squeeze_(), RuntimeError, "squeeze_: a leaf"),
    (lambda T, a: a.requires_grad_().resize_(1), RuntimeError, "resize_: "),
    (lambda T, a: a.requires_grad_()[0].detach_(), RuntimeError, "detach_: the tensor is a view"),
    (lambda T, a: a.bernoulli_(2.0), ValueError, "bernoulli: input must hold probabilities"),
    (lambda T, a: a.unfold(0, 3, 1), ValueError, "unfold: size must be an int from 0 to 2"),
    (lambda T, a: T.prod([1.0]), TypeError, "prod: expected a tensor first"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "error", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(program, error, words):
    with pytest.raises(error, match=words):
        program(tinynet, tinynet.tensor(A))


@pytest.mark.parametrize("program", [p for p, _, w in REFUSED if "resize" not in w])
def test_pytorch_refuses_it_too(program, torch):
    with pytest.raises((RuntimeError, TypeError, IndexError, ValueError)):
        program(torch, torch.tensor(A))


def test_out_of_another_shape_warns():
    target = tinynet.zeros(3)
    with pytest.warns(UserWarning, match=r"exp: out of shape \(3,\) becomes \(2, 2\)"):
        tinynet.exp(tinynet.zeros(2, 2), out=target)
    assert target.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("switch", [
    tinynet.cuda.amp.autocast, tinynet.cuda.amp.GradScaler, lambda: tinynet.autocast("cuda")])
def test_mixed_precision_is_off_without_a_gpu_and_refused_with_one(monkeypatch, switch):
    monkeypatch.setattr(tinynet.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="there is no GPU, so it has no effect"):
        switch()
    monkeypatch.setattr(tinynet.cuda, "is_available", lambda: True)
    with pytest.raises(RuntimeError, match="no mixed precision on 'cuda' here; say"):
        switch()


def test_default_dtype():
    try:
        tinynet.set_default_dtype(tinynet.float64)
        made = [tinynet.ones(2), tinynet.tensor([1.5]), tinynet.rand(1), tinynet.Tensor([1]),
                tinynet.tensor([1]) / 2, tinynet.nn.Linear(1, 1).weight]  # fmt: skip
        assert {str(x.dtype) for x in made} == {"float64"}
        assert repr(made[1]) == "tensor([1.5000])"
        assert repr(made[1].float()) == "tensor([1.5000], dtype=tinynet.float32)"
        assert repr(tinynet.empty(0)) == "tensor([])"
    finally:
        tinynet.set_default_tensor_type("torch.FloatTensor")
    assert tinynet.ones(2).dtype == tinynet.get_default_dtype() == tinynet.float32


def test_default_device_and_random_state():
    with tinynet.device("cpu") as device:
        assert tinynet.zeros(1).device == device == tinynet.get_default_device()
    tinynet.set_default_device("cpu")
    with pytest.raises(RuntimeError, match="device: new tensors are made on the CPU"):
        tinynet.set_default_device("cuda")
    state = tinynet.get_rng_state()
    drawn = tinynet.rand(3).tolist()
    tinynet.set_rng_state(state)
    assert tinynet.rand(3).tolist() == drawn
    tinynet.manual_seed(7)
    assert tinynet.initial_seed() == 7


def test_settings_are_kept_and_no_others_exist():
    cudnn = tinynet.backends.cudnn
    before, cudnn.benchmark = cudnn.benchmark, True
    assert cudnn.benchmark is True and before is False
    cudnn.benchmark = before
    with pytest.raises(AttributeError, match="no setting 'bench'"):
        cudnn.bench = True


def test_a_writer_needs_its_package(monkeypatch):
    import sys

    from tinynet.utils.tensorboard import SummaryWriter

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="SummaryWriter: the package tensorboardX is missing"):
        SummaryWriter()


def test_a_writer_gets_arrays(monkeypatch):
    import sys
    import types

    from tinynet.utils.tensorboard import SummaryWriter

    seen = []

    class Writer:
        def __init__(self, folder):
            self.logdir = folder

        def add_scalars(self, *args, **options):
            seen.append((args, options))

        def close(self):
            seen.append("closed")

    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=Writer))
    with SummaryWriter("here") as writer:
        writer.add_scalars("loss", {"a": tinynet.tensor(1.5, requires_grad=True)}, global_step=3)
        assert writer.logdir == "here"
        with pytest.raises(AttributeError, match="no add_graph here"):
            writer.add_graph(None)
    (name, values), options = seen[0]
    assert name == "loss" and type(values["a"]) is np.ndarray and options == {"global_step": 3}
    assert seen[1] == "closed"
