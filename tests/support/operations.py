"""One table of operations, run by tinynet and by PyTorch: each function gets the module as ``T``.

`test_tensor_ops.py` compares with answers recorded from PyTorch, in
``recorded/torch_operations.json`` (``python tests/support/operations.py`` writes that file).
`test_against_torch.py` compares with PyTorch itself, on random values, where it is installed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RECORD = Path(__file__).parent / "recorded" / "torch_operations.json"


class Case(NamedTuple):
    name: str
    f: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    order: int = 2  # up to which derivatives are compared


def wave(shape: tuple[int, ...], phase: float) -> np.ndarray:
    """Numbers of both signs, no two alike, none near 0, the same on every machine."""
    values = np.round(2.5 * np.sin(phase + 1.7 * np.arange(math.prod(shape))), 2)
    return np.where(np.abs(values) < 0.1, 0.37, values).reshape(shape)


def real(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return wave(shape, 0.4 + len(shape)).astype(dtype)


def other(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """`real` with other values."""
    return wave(shape, 2.9 + len(shape)).astype(dtype)


def positive(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.abs(real(*shape)).astype(dtype)


def whole(*shape: int, dtype: Any = np.int64) -> np.ndarray:
    return np.round(4 * real(*shape, dtype=np.float64)).astype(dtype)


def truth(*shape: int) -> np.ndarray:
    return wave(shape, 0.9) > 0


def ties(*shape: int) -> np.ndarray:
    """Few different values, so that extremes are shared."""
    return np.sign(real(*shape))


def special() -> np.ndarray:
    """Infinities, nan and zeros of both signs among ordinary numbers."""
    return np.array([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, np.inf, -np.inf, np.nan], np.float32)


# Up to which order derivatives are compared, where PyTorch has none, or a nan where ours is the
# limit (0^b, the mean of nothing) or a share (nan among extremes).
ORDERS = {
    "remainder number left": 0,
    "var special values": 0, "pow zero base": 1,
    "pow base 0": 1, "mean over nothing": 1, "logsumexp over nothing": 1,
}  # fmt: skip


def _case(name: str, f: Callable[..., Any], *inputs: np.ndarray) -> Case:
    return Case(name, f, inputs, 0 if name.startswith("floor_divide") else ORDERS.get(name, 2))


# Functions of one number, with the inputs on which they are smooth.
UNARY: dict[str, Callable[..., np.ndarray]] = {
    "neg": real, "abs": real, "exp": real, "expm1": real, "log": positive, "log1p": positive,
    "sqrt": positive,
    "rsqrt": positive, "square": real, "reciprocal": real, "sin": real, "cos": real, "tanh": real,
    "sigmoid": real,
    "relu": real, "sign": real, "floor": real, "ceil": real, "round": real,
}  # fmt: skip

CASES: list[Case] = []

for _name, _draw in UNARY.items():
    _f = lambda T, a, name=_name: getattr(T, name)(a)  # noqa: E731
    CASES += [
        _case(_name, _f, _draw(2, 3)),
        _case(f"{_name} 0-d", lambda T, a, name=_name: getattr(a, name)(), _draw()),
        _case(f"{_name} empty", _f, _draw(0, 3)),
        _case(f"{_name} float64", _f, _draw(3, dtype=np.float64)),
        _case(f"{_name} int64", _f, np.abs(whole(4)) + 1),
        _case(f"{_name} float16", _f, _draw(3, dtype=np.float16)),
        # PyTorch's sign of nan is 0; ours is nan
        _case(
            f"{_name} special values", _f, special()[:-1] if _name in ("abs", "sign") else special()
        ),
    ]

BINARY: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "remainder": lambda a, b: a % b, "floor_divide": lambda a, b: a // b,
}  # fmt: skip

for _name, _f in BINARY.items():
    CASES += [
        _case(_name, lambda T, a, b, f=_f: f(a, b), real(2, 3), other(2, 3)),
        _case(
            f"{_name} function",
            lambda T, a, b, name=_name: getattr(T, name)(a, b),
            real(2, 3),
            other(3),
        ),
        _case(
            f"{_name} method", lambda T, a, b, name=_name: getattr(a, name)(b), real(2, 1), other(3)
        ),
        _case(f"{_name} broadcast", lambda T, a, b, f=_f: f(a, b), real(2, 1, 3), other(4, 1)),
        _case(f"{_name} 0-d", lambda T, a, b, f=_f: f(a, b), real(), other(2, 3)),
        _case(f"{_name} two 0-d", lambda T, a, b, f=_f: f(a, b), real(), other(dtype=np.float64)),
        _case(f"{_name} empty", lambda T, a, b, f=_f: f(a, b), real(0, 3), other(3)),
        _case(f"{_name} number right", lambda T, a, f=_f: f(a, 1.5), real(2, 3)),
        _case(f"{_name} number left", lambda T, a, f=_f: f(1.5, a), real(2, 3)),
        _case(
            f"{_name} float32, float64",
            lambda T, a, b, f=_f: f(a, b),
            real(3),
            other(3, dtype=np.float64),
        ),
        _case(
            f"{_name} float32, 0-d float64",
            lambda T, a, b, f=_f: f(a, b),
            real(3),
            other(dtype=np.float64),
        ),
        _case(f"{_name} float32, int64", lambda T, a, b, f=_f: f(a, b), real(3), whole(3)),
        _case(f"{_name} int64, 0-d float32", lambda T, a, b, f=_f: f(a, b), whole(3), other()),
        _case(
            f"{_name} int64", lambda T, a, b, f=_f: f(a, b), whole(5), np.array([3, -2, 5, -7, 1])
        ),
        _case(
            f"{_name} int32, int64",
            lambda T, a, b, f=_f: f(a, b),
            whole(2, dtype=np.int32),
            np.array([3, -2]),
        ),
        _case(
            f"{_name} int32, 0-d int64",
            lambda T, a, b, f=_f: f(a, b),
            whole(2, dtype=np.int32),
            np.array(3),
        ),
        _case(f"{_name} int64, float number", lambda T, a, f=_f: f(a, 2.5), whole(3)),
        _case(f"{_name} int64, int number", lambda T, a, f=_f: f(a, -3), whole(5)),
        _case(f"{_name} int number, int64", lambda T, a, f=_f: f(7, a), np.array([3, -2, 5])),
        _case(f"{_name} twice the same", lambda T, a, f=_f: f(a, a), real(3)),
    ]
    if _name not in (
        "remainder",
        "floor_divide",
    ):  # PyTorch's own answers differ by vector width at inf and 0
        CASES.append(
            _case(
                f"{_name} special values",
                lambda T, a, b, f=_f: f(a, b),
                special()[:, None],
                special(),
            )
        )

CASES += [
    _case("add bool, int number", lambda T, a: a + 1, truth(3)),
    _case("add bool, bool", lambda T, a, b: a + b, truth(3), ~truth(3)),
    _case("mul bool, bool", lambda T, a, b: a * b, truth(3), ~truth(3)),
    _case("mul float, bool", lambda T, a, b: a * b, real(3), truth(3)),
    _case("div bool, bool", lambda T, a: a / a, np.array([True, True])),
    _case("add alpha", lambda T, a, b: T.add(a, b, alpha=2.5), real(3), other(3)),
    _case("sub alpha", lambda T, a, b: a.sub(b, alpha=-2), real(3), other(3)),
    _case("keywords", lambda T, a, b: T.mul(input=a, other=b), real(3), other(3)),
    _case(
        "uint8 wraps round", lambda T, a, b: (a + b, a - b, a * b), np.array([200, 3], np.uint8),
        np.array([100, 5], np.uint8),
    ),
    _case(
        "uint8, int8", lambda T, a, b: a + b, np.array([200, 3], np.uint8),
        np.array([-1, -5], np.int8),
    ),
    _case(
        "float16", lambda T, a, b: a * b + a, real(3, dtype=np.float16), other(3, dtype=np.float16),
    ),
    _case("float16, float32", lambda T, a, b: a * b, real(3, dtype=np.float16), other(3)),
    _case("float16, int64", lambda T, a, b: a * b, real(3, dtype=np.float16), whole(3)),
    _case("float64, number", lambda T, a: a * 2.5 + 1, real(3, dtype=np.float64)),
    _case("positive sign", lambda T, a: +a, real(3)),
    # powers
    _case("pow", lambda T, a, b: a**b, positive(2, 3), other(2, 3)),
    _case("pow broadcast", lambda T, a, b: T.pow(a, b), positive(2, 1), other(3)),
    _case(
        "pow zero base", lambda T, a, b: a**b, np.array([0.0, 0.0, 0.0], np.float32),
        np.array([0.0, 1.0, 2.0], np.float32),
    ),
    _case("pow negative base", lambda T, a: a**3, real(2, 3)),
    _case("pow 0", lambda T, a: a**0, np.array([0.0, 2.0, -1.0], np.float32)),
    _case("pow 1", lambda T, a: a**1, np.array([0.0, 2.0, -1.0], np.float32)),
    _case("pow 2", lambda T, a: a**2, np.array([0.0, 2.0, -1.0], np.float32)),
    _case("pow 2.5", lambda T, a: a**2.5, positive(4)),
    _case("pow -1", lambda T, a: a**-1, real(4)),
    _case("pow -1.5", lambda T, a: a**-1.5, positive(4)),
    _case("pow 0.5", lambda T, a: a**0.5, positive(4)),
    _case("pow number base", lambda T, a: 2.5**a, real(4)),
    _case("pow base 0", lambda T, a: 0.0**a, positive(4)),
    _case("pow base 1", lambda T, a: 1.0**a, real(4)),
    _case("pow int64", lambda T, a: a**2, whole(4)),
    _case("pow int64, 0", lambda T, a: a**0, whole(4)),
    _case("pow int64, int64", lambda T, a, b: a**b, whole(4), np.array([0, 1, 2, 3])),
    _case("pow int64, float number", lambda T, a: a**0.5, np.array([1, 4, 9])),
    _case("pow int number, int64", lambda T, a: 2**a, np.array([0, 1, 5])),
    _case("pow float base, int64", lambda T, a: 2.5**a, np.array([0, 1, 5])),
    _case("pow special values", lambda T, a: a**2, special()),
    _case("pow special values, 3", lambda T, a: a**3, special()),
    # selection
    _case("maximum", lambda T, a, b: T.maximum(a, b), real(2, 3), other(3)),
    _case("minimum", lambda T, a, b: T.minimum(a, b), real(2, 3), other(3)),
    _case(
        "maximum ties", lambda T, a, b: T.maximum(a, b), np.array([1.0, 2.0, 3.0], np.float32),
        np.array([1.0, 5.0, 3.0], np.float32),
    ),
    _case(
        "minimum ties", lambda T, a, b: T.minimum(a, b), np.array([1.0, 2.0, 3.0], np.float32),
        np.array([1.0, 5.0, 3.0], np.float32),
    ),
    _case("maximum of one twice", lambda T, a: T.maximum(a, a), real(3)),
    _case("maximum special values", lambda T, a, b: T.maximum(a, b), special()[:, None], special()),
    _case("minimum special values", lambda T, a, b: T.minimum(a, b), special()[:, None], special()),
    _case("maximum int, float", lambda T, a, b: T.maximum(a, b), whole(3), real(3)),
    _case("max of two", lambda T, a, b: T.max(a, b), real(2, 3), other(3)),
    _case("min of two", lambda T, a, b: a.min(b), real(2, 3), other(3)),
    _case("clamp", lambda T, a: a.clamp(-1.0, 1.5), real(3, 4)),
    _case(
        "clamp at the bounds", lambda T, a: a.clamp(-1.0, 1.0),
        np.array([-1.0, 1.0, 0.0, 2.0], np.float32),
    ),
    _case("clamp min", lambda T, a: T.clamp(a, min=0.5), real(3, 4)),
    _case("clamp max", lambda T, a: T.clamp(a, max=0.5), real(3, 4)),
    _case("clamp by tensors", lambda T, *a: T.clamp(*a), real(3, 4), other(3, 4) - 1, real(4)),
    _case("clamp min over max", lambda T, a: T.clamp(a, 1.0, -1.0), real(3, 4)),
    _case("clamp int64", lambda T, a: a.clamp(-2, 3), whole(5)),
    _case("clamp int64, float bound", lambda T, a: a.clamp(-1.5, 3.0), whole(5)),
    _case("clamp special values", lambda T, a: a.clamp(-1.0, 1.5), special()),
    _case("where", lambda T, c, a, b: T.where(c, a, b), truth(2, 3), real(2, 3), other(3)),
    _case(
        "where broadcast condition", lambda T, c, a, b: T.where(c, a, b), truth(2, 1), real(3),
        other(1, 1),
    ),
    _case("where number right", lambda T, c, a: T.where(c, a, 0.5), truth(2, 3), real(2, 3)),
    _case("where number left", lambda T, c, a: T.where(c, 0.5, a), truth(2, 3), real(2, 3)),
    _case("where two numbers", lambda T, c: T.where(c, 1.0, 0.0), truth(2, 3)),
    _case("where dtypes", lambda T, c, a, b: T.where(c, a, b), truth(3), whole(3), real(3)),
    _case("where method", lambda T, c, a, b: a.where(c, b), truth(2, 3), real(2, 3), other(3)),
    _case(
        "where hides nan", lambda T, c, a: T.where(c, a, 0.0), np.array([True, False]),
        np.array([1.0, np.nan], np.float32),
    ),
    _case("masked_fill", lambda T, a, m: a.masked_fill(m, -1.5), real(2, 3), truth(3)),
    # comparisons and logic
    *[
        _case(f"{name} {label}", lambda T, a, b, name=name: getattr(T, name)(a, b), a, b)
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
        for label, a, b in (
            ("float", ties(2, 3), ties(3)), ("int, float", whole(3), real(3)),
            ("special", special()[:, None], special()),
        )
    ],
    _case(
        "comparison operators", lambda T, a, b: (a < b, a <= b, a > b, a >= b, a == b, a != b),
        ties(2, 3), other(3),
    ),
    _case("comparison with numbers", lambda T, a: (a < 1, 0.5 < a, a == 1, 1 != a), ties(2, 3)),
    _case("bool operators", lambda T, a, b: (a & b, a | b, a ^ b, ~a), truth(2, 3), truth(3)),
    _case(
        "int bit operators", lambda T, a, b: (a & b, a | b, a ^ b, ~a, a & 3), whole(4),
        np.array([1, 2, 3, 4]),
    ),
    _case(
        "logical", lambda T, a, b: (T.logical_and(a, b), T.logical_or(a, b), T.logical_not(a)),
        np.array([0.0, 2.0, 0.0]), np.array([0, 1, 3]),
    ),
    _case(
        "isnan, isinf, isfinite", lambda T, a: (T.isnan(a), T.isinf(a), T.isfinite(a)), special(),
    ),
    _case("isclose", lambda T, a: T.isclose(a, a * (1 + 2e-5), rtol=1e-5), special()),
    _case("isclose equal_nan", lambda T, a: T.isclose(a, a, equal_nan=True), special()),
    # shapes
    _case("reshape", lambda T, a: a.reshape(3, -1), real(2, 6)),
    _case("reshape sequence", lambda T, a: T.reshape(a, (4, 3)), real(2, 6)),
    _case("reshape 0-d", lambda T, a: a.reshape(1, 1), real()),
    _case("reshape to 0-d", lambda T, a: a.reshape(()), real(1, 1)),
    _case("reshape empty", lambda T, a: a.reshape(0, 5), real(0, 3)),
    _case("view", lambda T, a: a.view(-1), real(2, 3)),
    _case("view_as", lambda T, a, b: a.view_as(b), real(2, 3), other(3, 2)),
    _case("flatten", lambda T, a: a.flatten(), real(2, 3, 2)),
    _case("flatten from 1", lambda T, a: T.flatten(a, 1), real(2, 3, 2)),
    _case("flatten negative", lambda T, a: a.flatten(-3, -2), real(2, 3, 2)),
    _case("flatten 0-d", lambda T, a: a.flatten(), real()),
    _case("unflatten", lambda T, a: a.unflatten(1, (2, -1)), real(2, 6)),
    _case("squeeze", lambda T, a: a.squeeze(), real(1, 3, 1)),
    _case("squeeze dim", lambda T, a: (a.squeeze(0), a.squeeze(-1), a.squeeze(1)), real(1, 3, 1)),
    _case("squeeze dims", lambda T, a: a.squeeze((0, 2)), real(1, 3, 1)),
    _case("unsqueeze", lambda T, a: (a.unsqueeze(0), a.unsqueeze(-1), a.unsqueeze(1)), real(2, 3)),
    _case("permute", lambda T, a: a.permute(2, 0, 1), real(2, 3, 4)),
    _case("permute sequence, negative", lambda T, a: T.permute(a, (-1, 0, -2)), real(2, 3, 4)),
    _case("permute 0-d", lambda T, a: a.permute(()), real()),
    _case("transpose", lambda T, a: a.transpose(0, -1), real(2, 3, 4)),
    _case("transpose 0-d", lambda T, a: a.transpose(0, -1), real()),
    _case("t, T, mT", lambda T, a: (a.t(), a.T, a.mT), real(2, 3)),
    _case(
        "keywords of shapes",
        lambda T, a: (
            T.permute(a, dims=(1, 0)), T.flip(input=a, dims=[1]), a.reshape(shape=(3, 2)),
        ),
        real(2, 3),
    ),
    _case("flip", lambda T, a: (a.flip(0), a.flip(-1, 0), T.flip(a, [1])), real(2, 3)),
    _case("expand", lambda T, a: a.expand(4, 2, 3), real(2, 1)),
    _case("expand -1", lambda T, a: a.expand(-1, 3), real(2, 1)),
    _case("expand 0-d", lambda T, a: a.expand(2, 3), real()),
    _case("expand to 0", lambda T, a: a.expand(0, 3), real(1, 3)),
    _case("expand_as", lambda T, a, b: a.expand_as(b), real(1, 3), other(2, 3)),
    _case("repeat", lambda T, a: a.repeat(2, 1, 3), real(2, 3)),
    _case("repeat 0", lambda T, a: a.repeat(0, 2), real(2, 3)),
    _case("cat", lambda T, a, b: T.cat([a, b]), real(2, 3), other(1, 3)),
    _case("cat last", lambda T, a, b: T.cat((a, b, a), -1), real(2, 3), other(2, 1)),
    _case("cat dtypes", lambda T, a, b: T.cat([a, b]), whole(3), real(2)),
    _case("cat one", lambda T, a: T.cat([a]), real(2, 3)),
    _case("cat with the empty vector", lambda T, a, b: T.cat([a, b]), real(2, 3), other(0)),
    _case(
        "stack", lambda T, a, b: (T.stack([a, b]), T.stack((a, b), 1), T.stack([a, b], -1)),
        real(2, 3), other(2, 3),
    ),
    _case("stack 0-d", lambda T, a, b: T.stack([a, b]), real(), other()),
    _case("narrow", lambda T, a: a.narrow(1, 1, 2), real(2, 4)),
    _case("narrow negative start", lambda T, a: a.narrow(1, -3, 2), real(2, 4)),
    _case("split", lambda T, a: a.split(2), real(5, 2)),
    _case("split sections", lambda T, a: T.split(a, [1, 4], dim=-1), real(2, 5)),
    _case("chunk", lambda T, a: a.chunk(3), real(7)),
    _case("chunk fewer", lambda T, a: T.chunk(a, 4, 1), real(2, 6)),
    _case("unbind", lambda T, a: a.unbind(1), real(2, 3)),
    _case("iteration", lambda T, a: tuple(row * 2 for row in a), real(2, 3)),
    _case("clone", lambda T, a: a.clone(), real(2, 3)),
    # indexing
    *[
        _case(f"index {label}", lambda T, a, index=index: a[index], real(4, 3, 5))
        for label, index in {
            "int": 1, "negative": -1, "slice": slice(1, 3), "step": slice(None, None, 2),
            "empty slice": slice(3, 1),
            "two": (1, 2), "three": (-1, 0, -5), "...": ..., "... int": (..., 2),
            "int ...": (1, ...), "None": None,
            "None inside": (slice(None), None, 1),
            "mixed": (slice(1, None), 0, None, slice(None, None, 2)),
            "list": [0, 2, 2], "two lists": ([0, 1], [2, 2]),
            "list of bools": [True, False, True, False],
            "list after slice": (slice(None), [2, 0, 2]),
            "lists apart": ([0, 3], slice(None), [1, 1]),
            "int and list": (0, slice(None), [1, 1, 4]), "negative list": [-1, -4],
            "empty list": ([],), "True": True,
            "out of range slice": slice(-10, 10), "broadcast lists": ([[0], [3]], [0, 2]),
            "... list": (..., [4, 4, 0]),
            "list and None": ([1, 1], None, 2), "int, None and list": (0, None, [1, 2]),
            "list, slice, int": ([0, 1], slice(None), 1),
            "int, list, slice": (1, [0, 2, 1], slice(1, 3)),
            "int and bools": (2, slice(None), [True, False, True, False, False]),
        }.items()
    ],
    _case("index tensor", lambda T, a, i: a[i], real(4, 3), np.array([[0, 3], [3, 1]])),
    _case("index 0-d tensor", lambda T, a, i: a[i], real(4, 3), np.array(2)),
    _case("index int32 tensor", lambda T, a, i: a[i], real(4, 3), np.array([3, 1, 1], np.int32)),
    _case("index mask", lambda T, a, m: a[m], real(4, 3), truth(4, 3)),
    _case("index mask of rows", lambda T, a, m: a[m], real(4, 3), truth(4)),
    _case("index mask of columns", lambda T, a, m: a[:, m], real(4, 3), truth(3)),
    _case("index mask of nothing", lambda T, a, m: a[m], real(4, 3), np.zeros((4, 3), bool)),
    _case("index view of a view", lambda T, a: a[1:][:, 1][::2].reshape(2, -1) * 3, real(4, 3, 2)),
    _case(
        "gather 0", lambda T, a, i: a.gather(0, i), real(3, 4),
        np.array([[0, 2, 2, 1], [1, 1, 0, 0]]),
    ),
    _case(
        "gather 1", lambda T, a, i: T.gather(a, -1, i), real(3, 4),
        np.array([[0, 3, 3], [1, 1, 0]]),
    ),
    _case("index_select", lambda T, a, i: a.index_select(1, i), real(3, 4), np.array([0, 3, 3])),
    _case("index_select 0", lambda T, a, i: T.index_select(a, 0, i), real(3, 4), np.array([2, 2])),
    # reductions
    *[
        _case(
            f"{name} {label}", lambda T, a, name=name, how=how: getattr(T, name)(a, **how),
            real(*shape),
        )
        for name in ("sum", "mean", "amax", "amin", "logsumexp", "var", "std")
        for label, shape, how in (
            ("all", (2, 3, 4), {"dim": (0, 1, 2)}), ("dim", (2, 3, 4), {"dim": 1}),
            ("negative", (2, 3, 4), {"dim": -1}),
            ("keepdim", (2, 3, 4), {"dim": 1, "keepdim": True}),
            ("dims", (2, 3, 4), {"dim": (0, 2)}),
            ("dims keepdim", (2, 3, 4), {"dim": (-1, 0), "keepdim": True}), ("0-d", (), {"dim": 0}),
            ("empty beside", (0, 3), {"dim": 1}),
        )
        if not (name in ("var", "std") and label == "0-d")
    ],
    *[
        _case(f"{name} of all", lambda T, a, name=name: getattr(a, name)(), real(2, 3))
        for name in ("sum", "mean", "max", "min", "var", "std", "amax", "amin")
    ],
    *[
        _case(f"{name} over nothing", lambda T, a, name=name: getattr(a, name)(dim=0), real(0, 3))
        for name in ("sum", "mean", "logsumexp")
    ],
    *[
        _case(
            f"{name} special values", lambda T, a, name=name: getattr(a, name)(dim=0),
            np.stack([special(), np.roll(special(), 1)]),
        )
        for name in (
            "sum", "mean", "logsumexp", "amax", "amin", "softmax", "log_softmax", "argmax",
            "argmin", "var",
        )
    ],
    _case(
        "sum ints", lambda T, a: (a.sum(), a.sum(0), T.sum(a, (0, 1), keepdim=True)), whole(2, 3),
    ),
    _case("sum int32", lambda T, a: a.sum(), whole(5, dtype=np.int32)),
    _case("sum uint8", lambda T, a: a.sum(), np.array([200, 100], np.uint8)),
    _case("sum bools", lambda T, a: a.sum(), truth(5)),
    _case("sum dtype", lambda T, a: a.sum(dtype=T.float64), real(2, 3)),
    _case("sum of empty dims", lambda T, a: a.sum(dim=()), real(2, 3)),
    _case("mean dtype", lambda T, a: a.mean(dtype=T.float32), whole(2, 3)),
    _case(
        "var biased",
        lambda T, a: (a.var(unbiased=False), a.var(1, unbiased=False), a.std(0, correction=0)),
        real(4, 3),
    ),
    _case("var correction 2", lambda T, a: a.var(0, correction=2), real(4, 3)),
    _case("var of one", lambda T, a: a.var(0), real(1, 3)),
    _case("var of one, biased", lambda T, a: a.var(0, correction=0), real(1, 3)),
    _case("norm", lambda T, a: T.norm(a), real(2, 3)),
    _case("norm 1", lambda T, a: a.norm(1), real(2, 3)),
    _case("norm 3 dim", lambda T, a: a.norm(3, dim=1, keepdim=True), real(2, 3)),
    _case("norm inf", lambda T, a: a.norm(float("inf"), 0), real(2, 3)),
    _case(
        "amax ties", lambda T, a: (a.amax(1), a.amax(), a.amax((0, 1), keepdim=True)), ties(3, 4),
    ),
    _case("amin ties", lambda T, a: (a.amin(0), a.amin()), ties(3, 4)),
    _case("max ties", lambda T, a: a.max(), ties(3, 4)),
    _case("min ties", lambda T, a: a.min(), ties(3, 4)),
    _case("amax ints, bools", lambda T, a, b: (a.amax(0), b.amax(0)), whole(3, 4), truth(3, 4)),
    _case("max dim", lambda T, a: tuple(a.max(1)), real(3, 4)),
    _case("min dim keepdim", lambda T, a: tuple(T.min(a, -2, keepdim=True)), real(3, 4, 2)),
    _case("max named", lambda T, a: (a.max(dim=0).values, a.max(dim=0).indices), real(3, 4)),
    _case("max dim 0-d", lambda T, a: tuple(a.max(0)), real()),
    _case(
        "argmax",
        lambda T, a: (a.argmax(), a.argmax(1), a.argmax(0, keepdim=True), T.argmax(a, dim=-1)),
        real(3, 4),
    ),
    _case("argmin", lambda T, a: (a.argmin(), a.argmin(1), a.argmin(0, keepdim=True)), real(3, 4)),
    _case("argmax 0-d", lambda T, a: (a.argmax(), a.argmax(0)), real()),
    _case("argmax ints", lambda T, a: a.argmax(1), whole(3, 4)),
    _case(
        "all, any", lambda T, a: (a.all(), a.any(), a.all(0), a.any(1, keepdim=True)), truth(3, 4),
    ),
    _case("all, any of floats", lambda T, a: (T.all(a), T.any(a)), np.array([0.0, 2.0])),
    _case("all, any of nothing", lambda T, a: (a.all(), a.any()), truth(0)),
    _case("logsumexp large", lambda T, a: (a * 1000).logsumexp(1), real(2, 3)),
    _case("logsumexp ints", lambda T, a: a.logsumexp(0), whole(3)),
    _case(
        "softmax", lambda T, a: (a.softmax(1), T.softmax(a, 0), a.softmax(dim=-1)), real(2, 3, 2),
    ),
    _case("log_softmax", lambda T, a: (a.log_softmax(1), T.log_softmax(a, 0)), real(2, 3, 2)),
    _case("softmax large", lambda T, a: (a * 1000).softmax(1), real(2, 3)),
    _case("log_softmax large", lambda T, a: (a * 1000).log_softmax(1), real(2, 3)),
    _case("softmax 0-d", lambda T, a: (a.softmax(0), a.log_softmax(0)), real()),
    _case("softmax empty", lambda T, a: (a.softmax(1), a.log_softmax(1)), real(0, 3)),
    _case("softmax dtype", lambda T, a: a.softmax(1, dtype=T.float64), real(2, 3)),
    # matrix products
    *[
        _case(f"matmul {a} @ {b}", lambda T, x, y: x @ y, real(*a), other(*b))
        for a, b in (
            ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)),
            ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((2, 1, 2, 3), (4, 3, 2)),
            ((5, 2, 3), (3,)), ((3,), (5, 3, 2)),
            ((0, 3), (3, 4)), ((2, 0), (0, 4)),
        )
    ],
    _case(
        "matmul function", lambda T, a, b: (T.matmul(a, b), a.matmul(b), T.mm(a, b)), real(2, 3),
        other(3, 2),
    ),
    _case("matmul transposed", lambda T, a, b: a.T @ b.T, real(3, 2), other(4, 3)),
    _case("matmul ints", lambda T, a, b: a @ b, whole(2, 3), whole(3, 2)),
    _case("matmul with itself", lambda T, a: a @ a, real(3, 3)),
    # dtypes
    _case("to float64", lambda T, a: a.double() * 2, real(3)),
    _case("to and back", lambda T, a: (a.to(T.float64) * 2).float(), real(3)),
    _case("to int", lambda T, a: (a.long(), a.int(), a.to(T.int8), a.bool()), real(4)),
    _case("from int", lambda T, a: (a.float(), a.double(), a.half(), a.bool()), whole(4)),
    _case("type_as", lambda T, a, b: a.type_as(b), real(3), other(3, dtype=np.float64)),
    # chains
    _case("mean squared", lambda T, a, b: ((a - b) ** 2).mean(), real(3, 2), other(2)),
    _case(
        "normalised", lambda T, a: (a - a.mean(0)) / (a.var(0, unbiased=False) + 1e-5).sqrt(),
        real(4, 3),
    ),
    _case("diamond", lambda T, a: (a * a.tanh() + a.exp()) * a.sigmoid(), real(3)),
    # in place: the functional form of each is in the table above
    _case("add_ view", lambda T, a, b: _change(a, lambda t: t[0].add_(b)), real(3, 2), other(2)),
    _case(
        "mul_ column", lambda T, a, b: _change(a, lambda t: t[:, 1].mul_(b)), real(3, 2), other(3),
    ),
    _case("view taken before", lambda T, a, b: _view_before(a, b), real(3, 2), other(2)),
    _case(
        "view of a view", lambda T, a, b: _change(a, lambda t: t[1:].T[0].mul_(b)), real(3, 2),
        other(2),
    ),
    _case("assign row", lambda T, a, b: _assign(a, 1, b), real(3, 2), other(2)),
    _case(
        "assign column, broadcast", lambda T, a, b: _assign(a, (slice(None), 0), b), real(3, 2),
        other(),
    ),
    _case("assign number", lambda T, a: _assign(a, (slice(None), 0), 7.5), real(3, 2)),
    _case("assign mask", lambda T, a, m: _assign(a, m, 0.5), real(3, 2), truth(3, 2)),
    _case(
        "assign mask, tensor", lambda T, a, m, b: _assign(a, m, b), real(3, 2), truth(3), other(2),
    ),
    _case("assign list", lambda T, a, b: _assign(a, [2, 0], b), real(3, 2), other(2, 2)),
    _case("assign lists", lambda T, a, b: _assign(a, ([2, 0], [1, 1]), b), real(3, 2), other(2)),
    _case("assign ...", lambda T, a, b: _assign(a, ..., b), real(3, 2), other(2)),
    _case("assign leading ones", lambda T, a, b: _assign(a, 1, b), real(3, 2), other(1, 1, 2)),
    _case("assign ints into floats", lambda T, a, b: _assign(a, 1, b), real(3, 2), whole(2)),
    _case("assign floats into ints", lambda T, a, b: _assign(a, 1, b), whole(3, 2), real(2)),
    _case("copy_", lambda T, a, b: _change(a, lambda t: t.copy_(b)), real(3, 2), other(2)),
    _case(
        "copy_ float64", lambda T, a, b: _change(a, lambda t: t.copy_(b)), real(3, 2),
        other(2, dtype=np.float64),
    ),
    _case("fill_ number", lambda T, a: _change(a, lambda t: t[0].fill_(2.0)), real(3, 2)),
    _case("fill_ tensor", lambda T, a, b: _change(a, lambda t: t[0].fill_(b)), real(3, 2), other()),
    _case("zero_", lambda T, a: _change(a, lambda t: t[:, 0].zero_()), real(3, 2)),
    _case("zero_ all", lambda T, a: _change(a, lambda t: t.zero_()), real(3, 2)),
    _case(
        "masked_fill_", lambda T, a, m: _change(a, lambda t: t.masked_fill_(m, 2.0)), real(3, 2),
        truth(3, 2),
    ),
    _case("clamp_", lambda T, a: _change(a, lambda t: t.clamp_(-1.0, 1.0)), real(3, 2)),
    _case("squared by itself", lambda T, a: _change(a, lambda t: t.mul_(t.clone())), real(3, 2)),
    *[
        _case(
            f"{name}_", lambda T, a, name=name: _change(a, lambda t: getattr(t, name + "_")()),
            UNARY[name](2, 3),
        )
        for name in ("relu", "neg", "exp", "sqrt", "tanh", "sigmoid")
    ],
    *[
        _case(
            f"{name}_", lambda T, a, b, name=name: _change(a, lambda t: getattr(t, name + "_")(b)),
            positive(2, 3), other(3),
        )
        for name in ("add", "sub", "mul", "div", "pow")
    ],
    _case(
        "add_ alpha", lambda T, a, b: _change(a, lambda t: t.add_(b, alpha=-0.1)), real(3),
        other(3),
    ),
    _case("add_ int", lambda T, a: _change(a, lambda t: t.add_(3)), whole(4)),
    _case("in-place operators", lambda T, a, b: _operators(a, b), positive(2, 3), other(3)),
]  # fmt: skip


def _change(a: Any, change: Callable[[Any], Any]) -> Any:
    t = a * 1  # no leaf
    change(t)
    return t * a


def _view_before(a: Any, b: Any) -> Any:
    t = a * 1
    row, column = t[1], t[:, 1]
    row += b
    t *= 2
    column *= a[:, 0]
    return t, row * b, column.sum()


def _assign(a: Any, index: Any, value: Any) -> Any:
    t = a * 1
    t[index] = value
    return t * a


def _operators(a: Any, b: Any) -> Any:
    t = a * 1
    t += b * b
    t -= 0.25
    t *= b
    t /= a
    t = t * t
    t **= 2
    return t


# ----------------------------------------------------------------------------------- running a case


def upstream(y: np.ndarray, number: int) -> np.ndarray:
    """The direction that a result is differentiated in: smooth, of both signs, not symmetric."""
    return np.cos(0.3 + number + 0.9 * np.arange(y.size)).reshape(y.shape).astype(y.dtype)


def run(T: Any, case: Case, inputs: tuple[np.ndarray, ...] | None = None) -> dict[str, Any]:
    """Values, gradients and second-order gradients of `case`, as lists; `T` is tinynet or torch.

    The second order is the gradient of <gradients, some direction> with respect to inputs and
    upstream gradients.
    """
    tensors = [
        T.tensor(x, requires_grad=case.order > 0 and x.dtype.kind == "f")
        for x in (inputs or case.inputs)
    ]
    outputs = case.f(T, *tensors)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    answer: dict[str, Any] = {"values": [np.asarray(y.detach().numpy(force=True)) for y in outputs]}
    answer["requires_grad"] = [bool(y.requires_grad) for y in outputs]
    free = [x for x in tensors if x.requires_grad]
    ys = [y for y in outputs if y.requires_grad]
    if not ys:
        return answer
    gs = [
        T.tensor(upstream(y.detach().numpy(force=True), i), requires_grad=True)
        for i, y in enumerate(ys)
    ]
    first = T.autograd.grad(ys, free, gs, create_graph=True, allow_unused=True)
    answer["gradients"] = [
        None if x is None else np.asarray(x.detach().numpy(force=True)) for x in first
    ]
    first = [x for x in first if x is not None and x.requires_grad]
    if first and case.order == 2:
        ds = [T.tensor(upstream(x.detach().numpy(force=True), 5 + i)) for i, x in enumerate(first)]
        second = T.autograd.grad(first, free + gs, ds, allow_unused=True)
        answer["second"] = [
            None if x is None else np.asarray(x.detach().numpy(force=True)) for x in second
        ]
    return answer


def compare(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raise unless two answers of `run` have equal shapes, dtypes and (but for rounding) values."""
    assert found["requires_grad"] == expected["requires_grad"]
    for what in ("values", "gradients", "second"):
        ours, theirs = found.get(what, []), expected.get(what, [])
        for number in range(max(len(ours), len(theirs))):
            _compare(
                f"{what}[{number}]",
                ours[number] if number < len(ours) else None,
                theirs[number] if number < len(theirs) else None,
            )


def _compare(what: str, ours: np.ndarray | None, theirs: np.ndarray | None) -> None:
    if (
        ours is None or theirs is None
    ):  # which of two zeros is written as no gradient at all may differ
        known = theirs if ours is None else ours
        assert known is None or not known.any(), f"{what}: one has no gradient, the other {known}"
        return
    assert ours.dtype == theirs.dtype, what
    assert ours.shape == theirs.shape, what
    rtol, atol = (4e-3, 1e-3) if ours.dtype == np.float16 else (2e-5, 1e-5)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(ours, theirs, rtol, atol, equal_nan=True, err_msg=what)


def pack(answer: dict[str, Any]) -> dict[str, Any]:
    def array(a: np.ndarray | None) -> Any:
        return (
            None
            if a is None
            else [
                str(a.dtype),
                list(a.shape),
                [float(f"{v:.9g}") if a.dtype.kind == "f" else v for v in a.ravel().tolist()],
            ]
        )

    return {k: v if k == "requires_grad" else [array(a) for a in v] for k, v in answer.items()}


def unpack(answer: dict[str, Any]) -> dict[str, Any]:
    def array(a: Any) -> np.ndarray | None:
        return None if a is None else np.array(a[2], dtype=a[0]).reshape(a[1])

    return {k: v if k == "requires_grad" else [array(a) for a in v] for k, v in answer.items()}


if __name__ == "__main__":
    import warnings

    import torch

    warnings.simplefilter("ignore")  # PyTorch warns of variances of one value, and so on
    lines = [f"{json.dumps(case.name)}: {json.dumps(pack(run(torch, case)))}" for case in CASES]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
