"""The table of operations, and operations drawn at random, beside PyTorch itself."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from operations import CASES, Case, compare, run

import tinynet

pytestmark = pytest.mark.filterwarnings(
    "ignore:(var|std)"
)  # PyTorch warns of the variance of one value

SOME = settings(max_examples=60, deadline=None, derandomize=True)


def _random_like(case: Case) -> tuple[np.ndarray, ...]:
    """Other values for a case: floats scaled, which keeps signs, zeros and ties; integers and bools
    as they are.
    """
    random = np.random.default_rng(zlib.crc32(case.name.encode()))
    return tuple(
        (x * random.uniform(0.5, 1.5) * (1 + 0.3 * random.random(x.shape))).astype(x.dtype)
        if x.dtype.kind == "f"
        else x
        for x in case.inputs
    )


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if not any(word in case.name for word in ("special", "ties", "bounds"))
    ],
    ids=lambda case: case.name,
)
def test_other_values_of_each_case(torch, case):
    inputs = _random_like(case)
    compare(run(tinynet, case, inputs), run(torch, case, inputs))


def _both(torch, f, *inputs, order=2):
    case = Case("", f, inputs, order)
    compare(run(tinynet, case), run(torch, case))


def _numbers(shape, seed):
    x = np.random.default_rng(seed).uniform(0.3, 2.0, shape)
    return (x * np.where(np.random.default_rng(seed + 1).random(shape) < 0.5, -1, 1)).astype(
        np.float32
    )


@SOME
@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0),
    st.integers(0, 99),
)
def test_broadcasting(torch, shapes, seed):
    a, b = (_numbers(shape, seed + i) for i, shape in enumerate(shapes.input_shapes))
    _both(torch, lambda T, a, b: (a * b - a / b, T.maximum(a, b)), a, b)


@SOME
@given(st.data())
def test_reductions(torch, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
    dims = data.draw(
        st.lists(
            st.integers(-len(shape), len(shape) - 1), min_size=1, unique_by=lambda d: d % len(shape)
        )
    )
    keepdim = data.draw(st.booleans())
    x = _numbers(shape, data.draw(st.integers(0, 99)))
    _both(
        torch,
        lambda T, x: (
            x.sum(dims, keepdim),
            x.mean(dims, keepdim),
            x.amax(dims, keepdim),
            T.logsumexp(x, dims, keepdim),
        ),
        x,
    )


DTYPES = [
    np.bool_,
    np.uint8,
    np.int8,
    np.int16,
    np.int32,
    np.int64,
    np.float16,
    np.float32,
    np.float64,
]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(DTYPES),
    st.sampled_from(DTYPES),
    st.sampled_from([(), (2,)]),
    st.sampled_from([(), (2,)]),
)
def test_promotion(torch, p, q, shape_a, shape_b):
    a, b = np.ones(shape_a, p), np.ones(shape_b, q)
    assert (
        str(tinynet.result_type(tinynet.tensor(a), tinynet.tensor(b)))
        == str(torch.result_type(torch.tensor(a), torch.tensor(b)))[6:]
    )
    _both(torch, lambda T, a, b: (a * b, a / b, a < b, T.where(a == b, a, b)), a, b, order=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [True, 3, 2.5])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_promotion_with_numbers(torch, dtype, number, shape):
    _both(torch, lambda T, a: (a * number, number + a, a / number), np.ones(shape, dtype), order=0)


@SOME
@given(st.data())
def test_indexing(torch, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    index = data.draw(
        hnp.basic_indices(shape, allow_newaxis=True).filter(
            lambda i: all(
                not isinstance(p, slice) or p.step is None or p.step > 0
                for p in (i if isinstance(i, tuple) else (i,))
            )
        )
    )
    x = _numbers(shape, data.draw(st.integers(0, 99)))
    _both(torch, lambda T, x: x[index] * 2, x)


@SOME
@given(st.data())
def test_indexing_with_arrays_among_others(torch, data):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=4))
    sizes = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=3))
    parts = []
    for n in shape:
        kind = data.draw(st.sampled_from(["array", "slice", "int"]))
        if kind == "array":
            parts.append(
                data.draw(hnp.arrays(np.int64, sizes, elements=st.integers(-n, n - 1))).tolist()
            )
        else:
            parts.append(
                data.draw(st.integers(-n, n - 1))
                if kind == "int"
                else slice(data.draw(st.integers(0, n)), None)
            )
        if data.draw(st.booleans()):
            parts.append(None)
    index = tuple(parts)
    x = _numbers(shape, data.draw(st.integers(0, 99)))
    _both(torch, lambda T, x: x[index] * 2, x)

    def assign(T, x):
        t = x * 1
        t[index] = 3.5
        return t * x

    _both(torch, assign, x)


@SOME
@given(st.data())
def test_shapes(torch, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3))
    order = data.draw(st.permutations(range(len(shape))))
    d, e = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
    x = _numbers(shape, 3)
    _both(
        torch,
        lambda T, x: (
            x.permute(order).reshape(-1), x.transpose(d, e) * 2, x.unsqueeze(d).squeeze(),
            x.flip(d), x.expand(2, *shape),
            T.cat([x, x * 2], d), T.stack([x, x], e),
            x.flatten(min(d % len(shape), e % len(shape)), max(d % len(shape), e % len(shape))),
            x.softmax(d), x.max(e).values, x.argmin(d, keepdim=True), *x.split(2, d), *x.unbind(e),
        ),
        x,
    )  # fmt: skip


@SOME
@given(
    hnp.array_shapes(min_dims=0, max_dims=2, max_side=3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_matrix_products(torch, batch, n, k, m, flat):
    a = _numbers((*batch, n, k), 5)
    b = _numbers((k, m) if flat else (*[1 if i % 2 else s for i, s in enumerate(batch)], k, m), 6)
    _both(torch, lambda T, a, b: (a @ b, T.matmul(a.mT.mT, b)), a, b)


OPERATIONS = {
    "add row": lambda t, b: t[0].add_(b), "scale column": lambda t, b: t[:, 1].mul_(b[0]),
    "divide all": lambda t, b: t.div_(2.0),
    "assign": lambda t, b: t.__setitem__((1, slice(None)), b),
    "assign itself": lambda t, b: t.__setitem__(0, t[1] * 2),
    "square": lambda t, b: t.mul_(t), "tanh": lambda t, b: t[1:].tanh_(),
    "zero": lambda t, b: t[:, 0].zero_(),
    "clamp": lambda t, b: t.clamp_(-1.5, 1.5), "transposed": lambda t, b: t.T[0].sub_(b[1]),
    "copy": lambda t, b: t.copy_(b),
    "list": lambda t, b: t.__setitem__([0, 1], b),
    "mask": lambda t, b: t.__setitem__(t > 0.5, 0.25),
    "masked_fill": lambda t, b: t.masked_fill_(t < -0.5, -0.75),
    "relu": lambda t, b: t.view(-1)[2:].relu_(),
}  # fmt: skip


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=5), st.integers(0, 99))
def test_programs_of_in_place_changes(torch, names, seed):
    """A tensor with views that were taken before is changed step by step; tensor and views keep
    values and history.
    """

    def program(T, a, b):
        t = a * 1
        row, corner = t[1], t[:, 1:]
        for name in names:
            OPERATIONS[name](t, b)
        corner *= 2
        return t * a, row * b, corner

    inputs = _numbers((2, 3), seed), _numbers((3,), seed + 7)
    try:
        expected = run(torch, Case("", program, inputs))
    except RuntimeError as error:
        # PyTorch saves no copy of a result that is then changed through another view; we do
        assert "modified by an inplace operation" in str(error)
        return
    compare(run(tinynet, Case("", program, inputs)), expected)
