"""What can't be done is refused by name: each message says which function, what was given, and what
the rule is.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import tinynet as T

X = T.ones(2, 3)
V = T.ones(3)
I = T.arange(6).reshape(2, 3)
B = T.tensor([True, False, True])


def leaf():
    return T.ones(2, requires_grad=True)


CASES = [
    # creation
    (lambda: T.tensor([[1, 2], [3]]), ValueError,
    "tensor: sequences in data must be as long as their neighbours"),
    (
        lambda: T.tensor("three"),
        TypeError,
        "tensor: data must hold numbers or bools, got str",
    ),
    (lambda: T.tensor(None), TypeError, "tensor: data must hold numbers or bools, got NoneType"),
    (lambda: T.tensor(1 + 2j), TypeError, "tensor: data must hold numbers or bools, got complex"),
    (lambda: T.tensor(2**70), ValueError, "tensor: some of the ints don't fit into int64"),
    (
        lambda: T.tensor([-1, 300], dtype=T.uint8),
        ValueError,
        "tensor: some numbers don't fit uint8, 0 to 255",
    ),
    (
        lambda: T.tensor([math.nan], dtype=T.int64),
        ValueError,
        "tensor: some numbers don't fit int64",
    ),
    (
        lambda: T.tensor([1], requires_grad=True),
        RuntimeError,
        "only floats can require gradients, got int64",
    ),
    (
        lambda: T.tensor([1.0], dtype="complex64"),
        TypeError,
        "tensor: 'complex64' is not a supported dtype",
    ),
    (lambda: T.tensor([1.0], dtype=3), TypeError, "tensor: 3 is not a supported dtype"),
    (
        lambda: T.tensor([1.0], device="tpu"),
        ValueError,
        "tensor: unknown device 'tpu'; tinynet knows 'cpu'",
    ),
    (lambda: T.Tensor(2.5), TypeError, "Tensor: .*for one number use tinynet.tensor"),
    (
        lambda: T.Tensor([[1], [1, 2]]),
        ValueError,
        "Tensor: sequences in data must be as long as their neighbours",
    ),
    (lambda: T.from_numpy([1]), TypeError, "from_numpy: expected a numpy array, got list"),
    (lambda: T.from_numpy(np.arange(3, dtype=">i4")), TypeError, "from_numpy: dtype"),
    (lambda: T.zeros(2, -1), ValueError, r"zeros: sizes must be .*, got \(2, -1\)"),
    (lambda: T.ones(2.5), TypeError, r"ones: sizes must be ints, got \(2.5,\)"),
    (lambda: T.full((2,), "a"), TypeError, "full: fill_value must be a number, got str"),
    (
        lambda: T.full((2,), 300, dtype=T.uint8),
        ValueError,
        "full: some numbers don't fit uint8",
    ),
    (lambda: T.eye(-1), ValueError, "eye: sizes must be .*"),
    (lambda: T.arange(0, 5, 0), ValueError, "arange: steps of 0 don't lead from 0 to 5"),
    (lambda: T.arange(0, 5, -1), ValueError, "arange: steps of -1 don't lead from 0 to 5"),
    (lambda: T.arange(math.inf), TypeError, "arange: end must be a finite number, got inf"),
    (lambda: T.linspace(0, 1, -1), ValueError, r"linspace: sizes must be .*, got \(-1,\)"),
    (
        lambda: T.rand(2, dtype=T.int64),
        TypeError,
        "rand: draws floats, so dtype must be a floating one, got int64",
    ),
    (lambda: T.rand(2, generator=3), TypeError,
    "rand: generator must be a tinynet.Generator, got int"),
    (lambda: T.randint(3, 3, (2,)), ValueError, "randint: low must be less than high, got 3 and 3"),
    (lambda: T.randint(0, 2.5, (2,)), TypeError, "randint: high must be an int"),
    (lambda: T.randperm(-1), ValueError, "randperm: sizes must be .*"),
    (lambda: T.normal(0.0, -1.0, (2,)), ValueError, "normal: std must be .*, got -1.0"),
    (
        lambda: T.bernoulli(T.tensor([1.5])),
        ValueError,
        "bernoulli: input must hold probabilities, from 0 to 1",
    ),
    (
        lambda: T.zeros_like([1]),
        TypeError,
        "zeros_like: input must be a tensor, got list",
    ),
    (lambda: T.manual_seed("a"), TypeError, "manual_seed: expected an int, got 'a'"),
    (lambda: T.manual_seed(2**64), ValueError, "manual_seed: the seed must fit in 64 bits"),
    # element-wise
    (lambda: X + T.ones(2), ValueError, r"add: shapes \(2, 3\) and \(2,\) don't broadcast"),
    (lambda: T.add(1, 2), TypeError, "add: expected at least one tensor, got int, int"),
    (
        lambda: T.add(X, [1, 2, 3]),
        TypeError,
        r"add: expected a tensor, an array or a number, got list; .*tinynet.tensor\(...\)",
    ),
    (lambda: T.add(X, "a"), TypeError, "add: expected a tensor, an array or a number, got str"),
    (lambda: T.mul(X, 1j), TypeError, "mul: tinynet has no complex numbers"),
    (lambda: T.exp("a"), TypeError, "exp: expected at least one tensor, got str"),
    (
        lambda: T.tensor([200], dtype=T.uint8) + 300,
        ValueError,
        "add: the number 300 does not fit into uint8",
    ),
    (lambda: -B, TypeError, "neg: bool tensors"),
    (lambda: B - B, TypeError, "sub: bool tensors can't be computed with like this"),
    (lambda: I // 0, RuntimeError, "floor_divide: .*divided by 0"),
    (lambda: I % T.tensor([1, 0, 2]), RuntimeError, "remainder: .*divided by 0"),
    (lambda: I**-1, RuntimeError, "pow: integers to negative integer powers"),
    (lambda: X & X, TypeError, "bitwise_and: expected bools or integers, got .*float32"),
    (lambda: ~X, TypeError, "bitwise_not: expected bools or integers, got .*float32"),
    (lambda: X.clamp(), ValueError, "clamp: give min, max or both"),
    (lambda: X.clamp(min="a"), TypeError, "clamp: expected a tensor, .* or a number, got str"),
    (
        lambda: T.where(V, V, V),
        TypeError,
        "where: the condition must be a bool tensor, got float32",
    ),
    (
        lambda: T.where(B, V, "a"),
        TypeError,
        "where: expected a tensor, an array or a number, got str",
    ),
    (
        lambda: T.where(B, V, T.ones(2)),
        ValueError,
        r"where: shapes \(3,\) and \(3,\) and \(2,\) don't broadcast",
    ),
    (lambda: V.masked_fill(V, 0.0), TypeError, "masked_fill: the mask must be a bool tensor"),
    (
        lambda: V.masked_fill(B, V),
        ValueError,
        r"masked_fill: the value must be a number or a 0-d tensor, got shape \(3,\)",
    ),
    (lambda: T.equal(V, 3), TypeError, "equal: other must be a tensor, got int"),
    # shapes
    (
        lambda: I.reshape(4, 2),
        ValueError,
        r"reshape: shape \(2, 3\) has 6 elements, which \(4, 2\) don't multiply to",
    ),
    (
        lambda: I.reshape(-1, 4),
        ValueError,
        r"reshape: shape \(2, 3\) has 6 elements, which \(-1, 4\) don't multiply to",
    ),
    (lambda: I.reshape(-1, -1), ValueError, r"reshape: \(-1, -1\) is no shape"),
    (lambda: I.reshape(2.0, 3), TypeError, r"reshape: sizes must be ints, got \(2.0, 3\)"),
    (lambda: T.reshape([1, 2], (2, 1)), TypeError, r"reshape: expected a tensor first, got list"),
    (lambda: X.flatten(1, 0), ValueError, "flatten: start_dim 1 comes after end_dim 0"),
    (
        lambda: X.unflatten(1, (2, 2)),
        ValueError,
        r"unflatten: dim 1 has size 3, which \(2, 2\) don't multiply to",
    ),
    (
        lambda: X.squeeze(2),
        IndexError,
        "squeeze: dim 2 is out of range; a 2-d tensor has dims -2 to 1",
    ),
    (lambda: X.unsqueeze(4), IndexError, "unsqueeze: dim 4 is out of range"),
    (lambda: X.permute(0, 0), ValueError, r"permute: dim \(0, 0\) names a dimension twice"),
    (lambda: X.permute(0), ValueError, "permute: .* must name each of the 2 dims"),
    (lambda: X.transpose(0, 2), IndexError, "transpose: dim 2 is out of range"),
    (lambda: T.ones(2, 3, 4).t(), ValueError, r"t: expected at most 2 dims, got shape \(2, 3, 4\)"),
    (lambda: X.flip(5), IndexError, "flip: dim 5 is out of range"),
    (lambda: X.expand(4, 3), ValueError, r"expand: shape \(2, 3\) can't be expanded to \(4, 3\)"),
    (lambda: X.expand(-1, 2, 3), ValueError, "expand: "),
    (
        lambda: X.repeat(2),
        ValueError,
        r"repeat: \(2,\) must have a number .*for each of the 2 dims",
    ),
    (lambda: T.cat([]), TypeError, "cat: expected a non-empty sequence of tensors"),
    (
        lambda: T.cat([X, T.ones(3, 4)]),
        ValueError,
        r"cat: shapes \(2, 3\), \(3, 4\) must be the same but for dim 0",
    ),
    (lambda: T.cat([T.tensor(1.0)]), ValueError, "cat: 0-d tensors can't be joined; use stack"),
    (
        lambda: T.stack([X, V]),
        ValueError,
        r"stack: all shapes must be the same, got \(2, 3\), \(3,\)",
    ),
    (
        lambda: X.narrow(1, 2, 2),
        ValueError,
        "narrow: 2 slices from 2 on don't lie within the 3 of dim 1",
    ),
    (lambda: X.split(0), ValueError, "split: the size of a piece must be .*, got 0"),
    (
        lambda: X.split([1, 2], 1) and X.split([1, 1], 1),
        ValueError,
        r"split: sizes \[1, 1\] don't add up to the 3 of dim 1",
    ),
    (lambda: X.chunk(0), ValueError, "chunk: the number of chunks must be .*, got 0"),
    (lambda: T.tensor(1.0).unbind(), ValueError, "unbind: a 0-d tensor"),
    # indexing
    (lambda: V[3], IndexError, "indexing: index 3 is out of range for dim 0, of size 3"),
    (lambda: X[0, -4], IndexError, "indexing: index -4 is out of range for dim 1, of size 3"),
    (lambda: V[0, 0], IndexError, "indexing: 2 indices for a tensor with 1 dims"),
    (lambda: V[1.5], IndexError, "indexing: an index is an int, .*; got float"),
    (
        lambda: V[::-1],
        ValueError,
        "indexing: the step of a slice must be positive, got -1; use flip",
    ),
    (
        lambda: V[T.tensor([0.5])],
        IndexError,
        "indexing: an index must be a tensor of integers or bools, got one of float32",
    ),
    (
        lambda: V[B[:2]],
        IndexError,
        r"indexing: the mask has shape \(2,\), but what it selects from \(3,\)",
    ),
    (
        lambda: V[T.tensor([0, 5])],
        IndexError,
        "indexing: index array is out of range for dim 0, of size 3",
    ),
    (
        lambda: X.clone().__setitem__(0, T.ones(2)),
        ValueError,
        r"t\[index\] = value: shapes \(2,\) and \(3,\) don't broadcast",
    ),
    (
        lambda: V.clone().__setitem__(0, V),
        ValueError,
        r"t\[index\] = value: a value of shape \(3,\) can't be broadcast to the shape \(\)",
    ),
    (
        lambda: V.clone().__setitem__(0, [1.0]),
        TypeError,
        r"t\[index\] = value: expected a tensor, an array or a number, got list",
    ),
    (
        lambda: V.clone().__setitem__(7, 1.0),
        IndexError,
        r"t\[index\] = value: index 7 is out of range",
    ),
    (
        lambda: X.gather(0, T.tensor([0])),
        ValueError,
        r"gather: index \(1,\) must have the dims of input \(2, 3\)",
    ),
    (lambda: X.gather(0, X), TypeError, "gather: the index must be a tensor of integers"),
    (
        lambda: X.gather(0, T.tensor([[7]])),
        IndexError,
        "gather: index array is out of range for dim 0, of size 2",
    ),
    (
        lambda: X.index_select(1, T.tensor([3])),
        IndexError,
        "index_select: index array is out of range for dim 1, of size 3",
    ),
    (
        lambda: X.index_select(1, I),
        TypeError,
        "index_select: the index must be a 1-d tensor of integers",
    ),
    # reductions and products
    (lambda: X.sum(2), IndexError, "sum: dim 2 is out of range"),
    (lambda: X.sum((0, -2)), ValueError, "sum: dim .* names a dimension twice"),
    (lambda: X.sum("a"), TypeError, "sum: dim must be an int, got 'a'"),
    (lambda: T.sum([1, 2]), TypeError, "sum: expected a tensor first, got list"),
    (lambda: I.mean(), RuntimeError, r"mean: expected floats, got int64; convert with .float\(\)"),
    (lambda: I.var(), RuntimeError, "var: expected floats, got int64"),
    (
        lambda: X.var(0, unbiased=True, correction=1),
        ValueError,
        "var: give unbiased or correction, not both",
    ),
    (lambda: X.norm(-1), ValueError, "norm: p must be a positive number or inf, got -1"),
    (lambda: T.ones(0, 3).max(), ValueError, r"max: shape \(0, 3\) has no element to choose from"),
    (lambda: T.ones(0, 3).argmin(0), ValueError, r"argmin: shape \(0, 3\) has no element"),
    (lambda: T.ones(0, 3).amax(0), ValueError, r"amax: shape \(0, 3\) has no element"),
    (lambda: X.softmax(), TypeError, "softmax: say which dim"),
    (lambda: I.log_softmax(1), RuntimeError, "log_softmax: expected floats, got int64"),
    (
        lambda: X @ X,
        ValueError,
        r"matmul: input \(2, 3\) and other \(2, 3\) don't fit: .* 3, must equal .* 2",
    ),
    (
        lambda: X @ V.double(),
        RuntimeError,
        "matmul: both tensors must have one dtype, got float32 and float64",
    ),
    (lambda: X @ 2, TypeError, "matmul: other must be a tensor, got int"),
    (
        lambda: X @ T.tensor(1.0),
        ValueError,
        r"matmul: both tensors need at least one dim, got shapes \(2, 3\) and \(\)",
    ),
    (
        lambda: T.ones(2, 2, 3) @ T.ones(3, 3, 4),
        ValueError,
        r"matmul: shapes \(2,\) and \(3,\) don't broadcast",
    ),
    # conversions
    (lambda: X.item(), RuntimeError, r"item: a tensor of shape \(2, 3\) has 6 elements, not one"),
    (
        lambda: bool(V),
        RuntimeError,
        r"bool: a tensor of shape \(3,\) has 3 elements, .*any\(\) or .all\(\)",
    ),
    (lambda: int(V), RuntimeError, "int: a tensor of shape"),
    (lambda: [1, 2][T.tensor(1.0)], TypeError, "index: only a tensor with one integer .* float32"),
    (lambda: len(T.tensor(1.0)), TypeError, "len: a 0-d tensor has no length"),
    (lambda: list(T.tensor(1.0)), TypeError, "iter: a 0-d tensor can't be iterated over"),
    (lambda: leaf().numpy(), RuntimeError, r"numpy: the tensor requires grad.*detach\(\)"),
    (lambda: np.from_dlpack(leaf()), BufferError, "dlpack: the tensor requires grad"),
    (lambda: X.size(2), IndexError, "size: dim 2 is out of range"),
    (lambda: X.to(5), TypeError, "to: 5 is not a supported dtype"),
    (lambda: X.to("cpu:1"), ValueError, "to: there is one CPU device"),
    (lambda: X.normal_(0, -1), ValueError, "normal_: std must be .*, got -1"),
    (lambda: X.uniform_(1, 0), ValueError, "uniform_: expected a <= b, got a=1 and b=0"),
    (lambda: I.normal_(), RuntimeError, "normal_: draws floats, which can't be written into int64"),
    (lambda: V.fill_(V), ValueError, r"fill_: expected a number or a 0-d tensor, got shape \(3,\)"),
    (lambda: V.copy_(T.ones(2)), ValueError, r"copy_: shapes \(2,\) and \(3,\) don't broadcast"),
    # gradients
    (
        lambda: leaf().backward(),
        RuntimeError,
        r"backward: a tensor of shape \(2,\), not a single number, needs a direction",
    ),
    (
        lambda: V.sum().backward(),
        RuntimeError,
        r"backward: a tensor of shape \(\) does not require grad",
    ),
    (
        lambda: leaf().sum().backward(V),
        RuntimeError,
        r"backward: the gradient has shape \(3,\), but its tensor \(\)",
    ),
    (
        lambda: leaf().backward(T.ones(2).double()),
        RuntimeError,
        "backward: the gradient is float64, but its tensor float32",
    ),
    (
        lambda: leaf().backward(3.0),
        TypeError,
        "backward: expected the gradient as a tensor, got float",
    ),
    (
        lambda: T.grad(leaf().sum(), V),
        RuntimeError,
        r"grad: input 0, of shape \(3,\), does not require grad",
    ),
    (
        lambda: T.grad(leaf().sum(), leaf()),
        RuntimeError,
        "grad: the outputs do not depend on input 0",
    ),
    (lambda: T.grad(leaf().sum(), []), ValueError, "grad: inputs is empty"),
    (lambda: T.grad(leaf().sum(), [3]), TypeError, "grad: input 0 is a int, not a tensor"),
    (
        lambda: T.grad(3, leaf()),
        TypeError,
        "grad: expected outputs as a tensor or a sequence of tensors, got int",
    ),
    (
        lambda: T.grad([leaf().sum()], leaf(), [V, V]),
        ValueError,
        "grad: 1 outputs but 2 grad_outputs",
    ),
    (
        lambda: setattr(leaf(), "grad", V),
        RuntimeError,
        r"grad: a gradient has the shape and dtype of its tensor, \(2,\) float32; got \(3,\)",
    ),
    (lambda: setattr(leaf(), "grad", 1.0), TypeError, "grad: expected a tensor or None, got float"),
    (
        lambda: V.clone().retain_grad(),
        RuntimeError,
        "retain_grad: this tensor does not require grad",
    ),
    (lambda: setattr(leaf(), "data", 3), TypeError, "data: expected a tensor, got int"),
]


def test_there_are_many():
    assert len(CASES) >= 60


@pytest.mark.parametrize(
    ("call", "error", "text"),
    CASES,
    ids=[re.sub(r"[^a-z_ ]", "", text)[:40] for _, _, text in CASES],
)
def test_refused_by_name(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("other", [None, "a", [1.0], {}, object(), 1j])
def test_operators_leave_what_they_do_not_know_to_python(other):
    for operation in (lambda: V + other, lambda: other - V, lambda: V < other, lambda: V**other):
        with pytest.raises(TypeError, match="not supported|unsupported operand"):
            operation()
    assert (V == other) is False
    assert (V != other) is True


REFUSING = [
    "exp", "log", "relu", "sum", "mean", "var", "std", "norm", "amax", "max", "argmax", "all",
    "logsumexp", "softmax", "reshape", "flatten",
    "squeeze", "unsqueeze", "permute", "transpose", "t", "flip", "split", "chunk", "unbind",
    "narrow", "gather", "index_select", "view_as",
    "expand_as", "unflatten", "clamp", "masked_fill", "equal", "isclose", "allclose", "matmul",
    "cat", "stack", "zeros_like", "from_numpy",
]  # fmt: skip
ARGUMENTS = {
    "softmax": (0,), "logsumexp": (0,), "unsqueeze": (0,), "transpose": (0, 1), "split": (1,),
    "chunk": (1,), "narrow": (0, 0, 1),
    "gather": (0, I), "index_select": (0, I), "view_as": (X,), "expand_as": (X,),
    "unflatten": (0, (1,)), "clamp": (0,),
    "masked_fill": (B, 0), "equal": (X,), "isclose": (X,), "allclose": (X,), "matmul": (X,),
    "reshape": (1,), "permute": (0,), "flip": (0,),
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [None, "a", [1.0, 2.0], {}, object()], ids=["None", "str", "list", "dict", "object"]
)
@pytest.mark.parametrize("name", REFUSING)
def test_what_is_no_tensor_is_refused_by_name(name, wrong):
    with pytest.raises(TypeError, match=rf"^{name}: "):
        getattr(T, name)(wrong, *ARGUMENTS.get(name, ()))
