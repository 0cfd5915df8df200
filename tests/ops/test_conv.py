"""Convolution and its relatives: against loops written here, values recorded from PyTorch, PyTorch
itself, and identities.

Every case is asymmetric: two sizes that could be mixed up are never equal.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import gradcheck
from tinynet.nn import functional as F
from tinynet.ops import layout
from tinynet.ops.conv import fast, plain
from tinynet.ops.conv.geometry import Geometry

f64 = np.float64


def numbers(shape, phase):
    return np.round(2 * np.sin(phase + 1.3 * np.arange(int(np.prod(shape)))), 1).reshape(shape)


def naive_conv2d(x, w, b, stride, padding, dilation, groups):
    """One loop for every index, straight from the definition; `padding` is ((top, bottom), (left,
    right)).
    """
    N, _, H, W = x.shape
    O, CG, KH, KW = w.shape
    (top, bottom), (left, right) = padding
    OH = len(
        [
            i
            for i in range(0, H + top + bottom, stride[0])
            if i + dilation[0] * (KH - 1) < H + top + bottom
        ]
    )
    OW = len(
        [
            i
            for i in range(0, W + left + right, stride[1])
            if i + dilation[1] * (KW - 1) < W + left + right
        ]
    )
    y = np.zeros((N, O, OH, OW), x.dtype)
    for n, o, i, j in np.ndindex(y.shape):
        group = o // (O // groups)
        for c, p, q in np.ndindex(CG, KH, KW):
            row, column = (
                i * stride[0] + p * dilation[0] - top,
                j * stride[1] + q * dilation[1] - left,
            )
            if 0 <= row < H and 0 <= column < W:
                y[n, o, i, j] += x[n, group * CG + c, row, column] * w[o, c, p, q]
        y[n, o, i, j] += 0 if b is None else b[o]
    return y


# N, C, H, W, O, KH, KW, stride, padding, dilation, groups
GEOMETRIES = {
    "plain": (2, 3, 5, 7, 4, 2, 3, (1, 1), (0, 0), (1, 1), 1),
    "stride with a remainder": (2, 1, 8, 9, 3, 3, 2, (2, 4), (0, 0), (1, 1), 1),
    "28 x 28, kernel 3, stride 2, padding 1, in small": (
        1,
        2,
        6,
        8,
        3,
        3,
        3,
        (2, 2),
        (1, 1),
        (1, 1),
        1,
    ),
    "padding": (2, 3, 4, 6, 1, 3, 2, (1, 1), (2, 1), (1, 1), 1),
    "padding wider than the kernel": (1, 1, 2, 3, 2, 1, 2, (1, 2), (3, 4), (1, 1), 1),
    "dilation": (1, 2, 7, 9, 3, 2, 3, (1, 1), (0, 0), (3, 2), 1),
    "groups": (2, 6, 4, 5, 4, 2, 3, (1, 1), (0, 1), (1, 1), 2),
    "depthwise": (2, 3, 4, 5, 6, 3, 2, (1, 2), (1, 0), (1, 1), 3),
    "everything": (3, 4, 9, 11, 6, 3, 2, (2, 3), (1, 2), (2, 4), 2),
    "stride wider than the kernel": (1, 2, 9, 11, 3, 1, 2, (4, 3), (0, 1), (1, 1), 1),
    "1 x 1": (2, 3, 4, 5, 4, 1, 1, (1, 1), (0, 0), (1, 1), 1),
    "1 x 1 with stride": (2, 3, 4, 5, 4, 1, 1, (2, 3), (0, 0), (1, 1), 1),
    "the kernel is the image": (2, 3, 4, 5, 6, 4, 5, (1, 1), (0, 0), (1, 1), 1),
    "no samples": (0, 2, 4, 5, 3, 2, 3, (1, 1), (0, 0), (1, 1), 1),
}


def operands(geometry, requires_grad=True):
    N, C, H, W, O, KH, KW, stride, padding, dilation, groups = geometry
    shapes = (N, C, H, W), (O, C // groups, KH, KW), (O,)
    tensors = [
        tinynet.tensor(numbers(s, i), dtype=f64, requires_grad=requires_grad)
        for i, s in enumerate(shapes)
    ]
    return tensors, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("bias", [True, False])
def test_conv2d_against_loops(name, bias):
    (x, w, b), how = operands(GEOMETRIES[name], requires_grad=False)
    y = F.conv2d(x, w, b if bias else None, **how)
    (ph, pw) = how["padding"]
    expected = naive_conv2d(
        x.numpy(),
        w.numpy(),
        b.numpy() if bias else None,
        how["stride"],
        ((ph, ph), (pw, pw)),
        how["dilation"],
        how["groups"],
    )
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, 1e-12, 1e-12)


@pytest.mark.parametrize("name", [n for n in GEOMETRIES if n != "no samples"])
def test_gradients_of_conv2d_against_loops(name):
    """Both are linear maps: the gradient is read off by feeding the loops one unit at a time."""
    geometry = (1, *GEOMETRIES[name][1:])
    (x, w, b), how = operands(geometry)
    y = F.conv2d(x, w, b, **how)
    g = numbers(y.shape, 4.0)
    y.backward(tinynet.tensor(g, dtype=f64))
    (ph, pw) = how["padding"]

    def loops(x, w):
        padding = ((ph, ph), (pw, pw))
        return naive_conv2d(x, w, None, how["stride"], padding, how["dilation"], how["groups"])

    np.testing.assert_allclose(b.grad.numpy(), g.sum((0, 2, 3)), 1e-12)
    for tensor, apply in (
        (x, lambda unit: loops(unit, w.detach().numpy())),
        (w, lambda unit: loops(x.detach().numpy(), unit)),
    ):
        for place in list(np.ndindex(*tensor.shape))[:: max(1, tensor.numel() // 25)]:
            unit = np.zeros(tensor.shape)
            unit[place] = 1
            assert tensor.grad.numpy()[place] == pytest.approx(
                (apply(unit) * g).sum(), rel=1e-11, abs=1e-11
            )


@pytest.mark.parametrize(
    "name",
    [
        "stride with a remainder",
        "dilation",
        "groups",
        "1 x 1 with stride",
        "padding wider than the kernel",
    ],
)
def test_gradcheck_of_conv2d(name):
    (x, w, b), how = operands((1, *GEOMETRIES[name][1:]))
    assert gradcheck(lambda x, w, b: F.conv2d(x, w, b, **how).sum((0, 2)), [x, w, b])


@pytest.mark.parametrize(
    "how",
    [
        {"stride": (3, 2), "padding": (1, 0), "output_padding": (1, 1), "dilation": (1, 2),
            "groups": 2},
        {"stride": (1, 2), "output_padding": (0, 1)},
        {"padding": (1, 2), "dilation": (2, 3), "output_padding": (1, 0)},
    ],
)  # fmt: skip
def test_gradcheck_of_conv_transpose2d(how):
    x, w, b = (
        tinynet.tensor(numbers(s, i), dtype=f64, requires_grad=True)
        for i, s in enumerate(
            [
                (1, 2, 2, 3),
                (2, 3 if how.get("groups") else 2, 2, 3),
                (6 if how.get("groups") else 2,),
            ]
        )
    )
    assert gradcheck(lambda x, w, b: F.conv_transpose2d(x, w, b, **how).sum(3), [x, w, b])


# --------------------------------------------------------------------------------------------------
# identities


@pytest.mark.parametrize("name", [n for n in GEOMETRIES if n != "no samples"])
def test_one_trilinear_form(name):
    """<conv(x, w), g> = <x, input gradient> = <w, weight gradient>."""
    (x, w, _), how = operands(GEOMETRIES[name])
    y = F.conv2d(x, w, None, **how)
    g = tinynet.tensor(numbers(y.shape, 7), dtype=f64)
    dx, dw = tinynet.grad(y, [x, w], g)
    form = (y * g).sum().item()
    assert (x * dx).sum().item() == pytest.approx(form, rel=1e-10)
    assert (w * dw).sum().item() == pytest.approx(form, rel=1e-10)
    assert abs(form) > 1e-3


@pytest.mark.parametrize(
    "name", [n for n in GEOMETRIES if n not in ("no samples", "groups", "depthwise")]
)
def test_unfold_and_fold_are_adjoint(name):
    N, C, H, W, _, KH, KW, stride, padding, dilation, _ = GEOMETRIES[name]
    how = {"kernel_size": (KH, KW), "stride": stride, "padding": padding, "dilation": dilation}
    x = tinynet.tensor(numbers((N, C, H, W), 1), dtype=f64)
    columns = F.unfold(x, **how)
    c = tinynet.tensor(numbers(columns.shape, 2), dtype=f64)
    assert (columns * c).sum().item() == pytest.approx(
        (x * F.fold(c, (H, W), **how)).sum().item(), rel=1e-10
    )


@pytest.mark.parametrize("name", ["plain", "stride with a remainder", "padding", "dilation"])
def test_convolution_is_a_matrix_product_of_columns(name):
    (x, w, _), how = operands(GEOMETRIES[name], requires_grad=False)
    y = F.conv2d(x, w, None, **how)
    del how["groups"]
    columns = F.unfold(x, w.shape[2:], **how)
    product = (w.reshape(w.shape[0], -1) @ columns).reshape(*y.shape)
    np.testing.assert_allclose(product.numpy(), y.numpy(), 1e-12, 1e-12)


def test_unfold_and_fold_are_differentiable_twice():
    how = {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    x = tinynet.tensor(numbers((1, 2, 3, 6), 1), dtype=f64, requires_grad=True)
    columns = F.unfold(x, **how)
    assert gradcheck(lambda x: F.unfold(x, **how) ** 2, x)
    c = tinynet.tensor(numbers(columns.shape, 2), dtype=f64, requires_grad=True)
    assert gradcheck(lambda c: F.fold(c, (3, 6), **how) ** 2, c)


@pytest.mark.parametrize("name", ["plain", "stride with a remainder", "everything", "groups"])
def test_conv_transpose2d_is_the_input_gradient(name):
    (x, w, _), how = operands(GEOMETRIES[name])
    y = F.conv2d(x, w, None, **how)
    g = tinynet.tensor(numbers(y.shape, 3), dtype=f64)
    (dx,) = tinynet.grad(y, x, g)
    smallest = [
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, s, p, d, k in zip(
            y.shape[2:], how["stride"], how["padding"], how["dilation"], w.shape[2:], strict=True
        )
    ]
    output_padding = tuple(n - m for n, m in zip(x.shape[2:], smallest, strict=True))
    back = F.conv_transpose2d(
        g, w, None, how["stride"], how["padding"], output_padding, how["groups"], how["dilation"]
    )
    np.testing.assert_allclose(back.detach().numpy(), dx.numpy(), 1e-12, 1e-12)


def test_unread_rows_and_columns_get_gradient_zero():
    x = tinynet.ones(1, 1, 6, 8, requires_grad=True)
    F.conv2d(x, tinynet.ones(1, 1, 2, 3), stride=(3, 4)).sum().backward()
    read = np.zeros((6, 8))
    read[np.ix_([0, 1, 3, 4], [0, 1, 2, 4, 5, 6])] = 1
    assert x.grad[0, 0].tolist() == read.tolist()


# --------------------------------------------------------------------------------------------
# recorded by PyTorch


def check(tensor, shape, text):
    np.testing.assert_allclose(
        tensor.detach().numpy(), np.array(text.split(), float).reshape(shape), 0, 6e-5
    )


def test_conv2d_recorded():
    x = tinynet.tensor(numbers((1, 2, 4, 5), 0.3), dtype=f64, requires_grad=True)
    w = tinynet.tensor(numbers((2, 2, 2, 3), 1.1), dtype=f64, requires_grad=True)
    b = tinynet.tensor([0.5, -1.0], dtype=f64, requires_grad=True)
    y = F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(2, 1))
    check(y, (1, 2, 2, 7),
    """3.6 8.65 0.5 -10.29 -5.38 4.46 2.89 -0.02 2.23 3.65 0.77 -2.57 -1.15 0.34
        -4.5 -9.13 0.18 10.5 4.08 -5.71 -3.38 -1.06 -3.29 -3.58 -0.36 2.0 0.31
        -0.84""")  # fmt: skip
    y.backward(tinynet.tensor(numbers(y.shape, 2.0), dtype=f64))
    check(x.grad, (1, 2, 4, 5),
    """0 0 0 0 0  5.01 -5.54 -8.02 1.45 8.36  0 0 0 0 0  -2.49 3.99 4.4 -1.5 -5.05
        0 0 0 0 0  -3.62 -6.64 0.31 6.64 3.22  0 0 0 0 0  3.19 2.87 -1.62 -3.6
        -0.36""")  # fmt: skip
    check(w.grad, (2, 2, 2, 3), """7.77 7.3 -3.83 4.01 -4.77 -6.59 9.71 -0.2 -9.84 -2.44 -7.41 -1.6
        9.52 2.11 -8.46 -0.29 -7.1 -3.48 6.02 -6.5 -9.44 -6.0 -5.79 3.09""")  # fmt: skip
    check(b.grad, (2,), "-0.8 -0.4")


def test_conv_transpose2d_recorded():
    x = tinynet.tensor(numbers((1, 2, 2, 3), 0.3), dtype=f64, requires_grad=True)
    w = tinynet.tensor(numbers((2, 1, 2, 3), 1.1), dtype=f64, requires_grad=True)
    b = tinynet.tensor([0.5, -1.0], dtype=f64, requires_grad=True)
    y = F.conv_transpose2d(
        x, w, b, stride=(3, 2), padding=(1, 0), output_padding=(1, 1), groups=2, dilation=(1, 2)
    )
    rows = [
        "-0.64 0.5 -3.3 0.5 0.69 0.5 4.3 0.5 1.45 0.5", "0.5 " * 10,
        "-2.56 0.5 -4.4 0.5 2.21 0.5 3.44 0.5 -0.6 0.5",
        "3.73 0.5 3.16 0.5 -4.63 0.5 -2.16 0.5 2.4 0.5",
        "-0.05 -1.0 2.8 -1.0 -0.81 -1.0 -4.8 -1.0 -2.14 -1.0", "-1 " * 10,
        "-2.1 -1.0 1.84 -1.0 0.96 -1.0 -5.86 -1.0 -4.24 -1.0",
        "-1.55 -1.0 -2.55 -1.0 1.84 -1.0 3.38 -1.0 0.08 -1.0",
    ]  # fmt: skip
    check(y, (1, 2, 4, 10), " ".join(rows))
    y.backward(tinynet.tensor(numbers(y.shape, 2.0), dtype=f64))
    check(
        x.grad, (1, 2, 2, 3), "-0.38 2.47 -3.61 0.21 -0.28 -0.11 0.19 0.83 -1.75 -0.77 1.62 -2.02"
    )
    check(w.grad, (2, 1, 2, 3), "3.25 -2.15 0.56 0.97 -1.4 1.29 3.02 -3.21 2.72 -1.63 0.3 1.0")
    check(b.grad, (2,), "2.2 -1.7")


# ---------------------------------------------------------------------------------------------
# forms of the arguments


def test_a_single_image():
    (x, w, b), how = operands(GEOMETRIES["everything"], requires_grad=False)
    np.testing.assert_array_equal(
        F.conv2d(x[1], w, b, **how).numpy(), F.conv2d(x[1:2], w, b, **how).numpy()[0]
    )
    v = tinynet.tensor(numbers((4, 3, 2, 5), 1), dtype=f64)
    np.testing.assert_array_equal(
        F.conv_transpose2d(x[1], v, stride=2).numpy(),
        F.conv_transpose2d(x[1:2], v, stride=2).numpy()[0],
    )
    columns = F.unfold(x, (2, 3))
    np.testing.assert_array_equal(F.unfold(x[2], (2, 3)).numpy(), columns.numpy()[2])
    np.testing.assert_array_equal(
        F.fold(columns[2], (9, 11), (2, 3)).numpy(), F.fold(columns, (9, 11), (2, 3)).numpy()[2]
    )


def test_one_number_means_both_directions():
    (x, w, _), _ = operands((2, 3, 7, 9, 4, 2, 3, (1, 1), (0, 0), (1, 1), 1), requires_grad=False)
    a = F.conv2d(x, w, None, 2, 1, 2)
    b = F.conv2d(x, w, None, (2, 2), (1, 1), (2, 2))
    np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("kernel", "dilation"), [((3, 5), (2, 1)), ((2, 4), (1, 3)), ((4, 3), (3, 2)), ((1, 2), (5, 1))]
)
def test_padding_same_keeps_the_size(kernel, dilation):
    x = numbers((2, 1, 9, 11), 0)
    w = numbers((3, 1, *kernel), 1)
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    pads = [(t // 2, t - t // 2) for t in totals]  # an odd one goes to the bottom and right
    y = F.conv2d(tinynet.tensor(x), tinynet.tensor(w), padding="same", dilation=dilation)
    assert y.shape == (2, 3, 9, 11)
    np.testing.assert_allclose(
        y.numpy(), naive_conv2d(x, w, None, (1, 1), pads, dilation, 1), 1e-12, 1e-12
    )


def test_padding_valid_is_none():
    (x, w, _), _ = operands(GEOMETRIES["plain"], requires_grad=False)
    np.testing.assert_array_equal(
        F.conv2d(x, w, padding="valid", stride=2).numpy(), F.conv2d(x, w, stride=2).numpy()
    )


def test_integers():
    (x, w, b), how = operands(GEOMETRIES["everything"], requires_grad=False)
    x, w, b = ((10 * t).long() for t in (x, w, b))
    y = F.conv2d(x, w, b, **how)
    assert y.dtype == tinynet.int64
    expected = naive_conv2d(
        x.numpy(),
        w.numpy(),
        b.numpy(),
        how["stride"],
        ((1, 1), (2, 2)),
        how["dilation"],
        how["groups"],
    )
    assert y.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [tinynet.float16, tinynet.float32, tinynet.float64])
def test_the_dtype_stays(dtype):
    x, w = (
        tinynet.ones(1, 2, 4, 5, dtype=dtype, requires_grad=True),
        tinynet.ones(3, 2, 2, 3, dtype=dtype, requires_grad=True),
    )
    y = F.conv2d(x, w, tinynet.ones(3, dtype=dtype), padding=1)
    y.sum().backward()
    assert (y.dtype, x.grad.dtype, w.grad.dtype) == (dtype, dtype, dtype)


def test_a_layout_in_memory_changes_nothing():
    (x, w, _), how = operands(GEOMETRIES["everything"], requires_grad=False)
    strided = tinynet.from_numpy(np.ascontiguousarray(x.numpy().transpose(3, 1, 0, 2))).permute(
        2, 1, 3, 0
    )
    np.testing.assert_allclose(
        F.conv2d(strided, w.flip(2).flip(2), **how).numpy(), F.conv2d(x, w, **how).numpy(), 1e-13
    )


# --------------------------------------------------------------------------------------------------
# refused

X, K = tinynet.ones(2, 4, 5, 7), tinynet.ones(6, 4, 2, 3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.conv2d(tinynet.ones(5, 7), K), ValueError, r"conv2d: .*\(5, 7\)"),
        (
            lambda: F.conv2d(X, tinynet.ones(6, 3, 2, 3)),
            ValueError,
            r"conv2d: input \(2, 4, 5, 7\) has 4 channels, but weight .* expects 3",
        ),
        (lambda: F.conv2d(X, tinynet.ones(6, 2, 2, 3), groups=3), ValueError, "groups=3 expects 6"),
        (
            lambda: F.conv2d(X, tinynet.ones(6, 1, 2, 3), groups=4),
            ValueError,
            "groups=4 does not divide the 6 channels",
        ),
        (lambda: F.conv2d(X, K, groups=0), ValueError, "groups must be .*"),
        (lambda: F.conv2d(X, K[0]), ValueError, r"weight must be \(O, C/groups, KH, KW\)"),
        (lambda: F.conv2d(X, K, tinynet.ones(5)), ValueError, r"bias must have shape \(6,\)"),
        (
            lambda: F.conv2d(X, tinynet.ones(6, 4, 6, 3)),
            ValueError,
            "6 x 3 pixels .* more than the padded input's 5 x 7",
        ),
        (lambda: F.conv2d(X, K, dilation=(1, 4)), ValueError, "2 x 9 pixels"),
        (lambda: F.conv2d(X, K, stride=0), ValueError, "stride"),
        (lambda: F.conv2d(X, K, stride=(1, 2, 3)), ValueError, "stride"),
        (lambda: F.conv2d(X, K, padding=-1), ValueError, "padding"),
        (lambda: F.conv2d(X, K, padding="full"), ValueError, "'same' or 'valid'; got 'full'"),
        (
            lambda: F.conv2d(X, K, padding="same", stride=2),
            ValueError,
            "padding='same' keeps the size, which stride",
        ),
        (lambda: F.conv2d(X, K, dilation=0), ValueError, "dilation"),
        (lambda: F.conv2d(X, K.double()), (RuntimeError, TypeError), "conv2d: .*float64"),
        (lambda: F.conv2d(X.numpy(), K), TypeError, "conv2d: .*ndarray"),
        (
            lambda: F.conv_transpose2d(X, K),
            ValueError,
            "conv_transpose2d: input .* has 4 channels, but weight .* expects 6",
        ),
        (
            lambda: F.conv_transpose2d(X, tinynet.ones(4, 2, 2, 3), output_padding=1),
            ValueError,
            "output_padding",
        ),
        (
            lambda: F.conv_transpose2d(X, tinynet.ones(4, 2, 2, 3), padding=3),
            ValueError,
            "0 x|-[0-9] x",
        ),
        (lambda: F.unfold(X, (6, 2)), ValueError, "unfold: the kernel covers 6 x 2"),
        (lambda: F.unfold(X, 2.0), (TypeError, ValueError), "unfold: .*kernel_size"),
        (lambda: F.fold(tinynet.ones(2, 5, 24), (5, 7), (2, 2)), ValueError, "multiple of 4 rows"),
        (lambda: F.fold(tinynet.ones(2, 8, 23), (5, 7), (2, 2)), ValueError, "need 24 columns"),
    ],
)
def test_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


# --------------------------------------------------------------------------------------------------
# PyTorch itself


@st.composite
def geometries(draw):
    """Any geometry in which the dilated kernel fits into the padded image: the definition of
    validity.
    """
    groups = draw(st.integers(1, 3))
    N, CG, OG = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sides = []
    for _ in range(2):
        K, d, s, p = (
            draw(st.integers(1, 4)),
            draw(st.integers(1, 3)),
            draw(st.integers(1, 4)),
            draw(st.integers(0, 4)),
        )
        size = draw(st.integers(max(1, d * (K - 1) + 1 - 2 * p), d * (K - 1) + 1 + 7))
        sides.append((size, K, d, s, p))
    assume(sides[0] != sides[1])
    (H, KH, dh, sh, ph), (W, KW, dw, sw, pw) = sides
    how = {"stride": (sh, sw), "padding": (ph, pw), "dilation": (dh, dw), "groups": groups}
    return (N, CG * groups, H, W), (OG * groups, CG, KH, KW), how, draw(st.booleans())


def both(torch, function, shapes, how):
    """Value, gradients, and the gradient of their squares, by PyTorch and by us."""
    answers = []
    for T, functional in ((tinynet, F), (torch, torch.nn.functional)):
        tensors = [
            T.tensor(numbers(s, i), dtype=T.float64, requires_grad=True)
            for i, s in enumerate(shapes)
        ]
        y = getattr(functional, function)(*tensors, **how)
        g = T.tensor(numbers(tuple(y.shape), 5), dtype=T.float64, requires_grad=True)
        first = T.autograd.grad(y, tensors, g, create_graph=True)
        second = T.autograd.grad(
            sum((d * d * d).sum() for d in first), [*tensors, g], allow_unused=True
        )
        answers.append([y, *first, *second])
    for ours, theirs in zip(*answers, strict=True):
        if theirs is None or ours is None:
            assert (ours is None or not ours.detach().numpy().any()) and (
                theirs is None or not theirs.detach().numpy().any()
            )
        else:
            assert tuple(ours.shape) == tuple(theirs.shape)
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-9, 1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(geometries())
def test_conv2d_against_pytorch(torch, geometry):
    x, w, how, bias = geometry
    both(torch, "conv2d", [x, w, (w[0],)] if bias else [x, w], how)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(geometries(), st.data())
def test_conv_transpose2d_against_pytorch(torch, geometry, data):
    (N, C, H, W), (_, OG, KH, KW), how, bias = geometry
    how["output_padding"] = tuple(
        data.draw(st.integers(0, max(s, d) - 1))
        for s, d in zip(how["stride"], how["dilation"], strict=True)
    )
    for n, k, s, p, d, o in zip(
        (H, W),
        (KH, KW),
        how["stride"],
        how["padding"],
        how["dilation"],
        how["output_padding"],
        strict=True,
    ):
        assume((n - 1) * s - 2 * p + d * (k - 1) + o + 1 > 0)
    shapes = [(N, C, H, W), (C, OG, KH, KW), (OG * how["groups"],)]
    both(torch, "conv_transpose2d", shapes if bias else shapes[:2], how)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometries())
def test_unfold_and_fold_against_pytorch(torch, geometry):
    x, w, how, _ = geometry
    del how["groups"]
    both(torch, "unfold", [x], {"kernel_size": w[2:], **how})
    L = F.unfold(tinynet.zeros(x), w[2:], **how).shape[2]
    both(
        torch,
        "fold", [(x[0], x[1] * w[2] * w[3], L)], {"output_size": x[2:], "kernel_size": w[2:], **how}
    )


@pytest.mark.parametrize("architecture", ["SkylakeX", "Haswell"])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_in_blocks_and_in_one_piece(architecture, threads, monkeypatch):
    """BLAS kernels of either kind are given the right work, whichever this machine has."""
    monkeypatch.setattr(fast, "blas_architectures", lambda: frozenset({architecture}))
    before = tinynet.get_num_threads()
    tinynet.set_num_threads(threads)
    try:
        for N, width in ((64, 14), (128, 6), (37, 11)):
            geometry = Geometry(12, width, 3, 5, (1, 1), ((1, 1), (2, 1)))
            x, w, b = numbers((N, 8, 12, width), 0), numbers((10, 8, 3, 5), 1), numbers((10,), 2)
            expected = plain.plain_conv2d(np, x, w, geometry) + b.reshape(-1, 1, 1)
            np.testing.assert_allclose(fast.forward(x, w, b, geometry), expected, atol=1e-10)
            dx = plain.plain_input_grad(np, expected, w, geometry)
            np.testing.assert_allclose(
                fast.input_grad(expected, w, geometry), dx, rtol=1e-9, atol=1e-8
            )
    finally:
        tinynet.set_num_threads(before)


WAYS = {
    "gather": {"GATHER_AT_MOST": np.inf, "FEW_CHANNELS": 0},
    "scatter": {"GATHER_AT_MOST": 0},
}


@pytest.mark.parametrize("name", [n for n in GEOMETRIES if n != "no samples"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tile", [fast.TILE, 64])
def test_every_way_to_the_gradient_of_the_input(name, way, tile, monkeypatch):
    """Which one is taken is a matter of speed; here each has to do all geometries, whole and in
    many pieces.
    """
    for setting, value in {**WAYS[way], "TILE": tile}.items():
        monkeypatch.setattr(fast, setting, value)
    fast._tiles.cache_clear()
    N, C, H, W, O, KH, KW, stride, (ph, pw), dilation, groups = GEOMETRIES[name]
    geometry = Geometry(H, W, KH, KW, stride, ((ph, ph), (pw, pw)), dilation, groups)
    g, w = numbers((N, O, geometry.OH, geometry.OW), 0), numbers((O, C // groups, KH, KW), 1)
    np.testing.assert_allclose(
        fast.input_grad(g, w, geometry), plain.plain_input_grad(np, g, w, geometry), atol=1e-12
    )
    fast._tiles.cache_clear()


SIZES = {
    "small": {},
    "large": {"BLOCK": 1, "MANY": 1, "SHORT": 0},
    "large, but few": {"BLOCK": 1, "SHORT": 0},
}


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile", [fast.TILE, 64])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_way_to_turn_weights_round(name, size, tile, threads, monkeypatch):
    """Large weights go other ways than small ones; here each has to do all geometries."""
    for setting, value in {**SIZES[size], "TILE": tile, "SHARE": 1}.items():
        for module in (fast, layout):
            if hasattr(module, setting):
                monkeypatch.setattr(module, setting, value)
    monkeypatch.setattr(fast, "get_num_threads", lambda: threads)
    fast._tiles.cache_clear()
    N, C, H, W, O, KH, KW, stride, (ph, pw), dilation, groups = GEOMETRIES[name]
    geometry = Geometry(H, W, KH, KW, stride, ((ph, ph), (pw, pw)), dilation, groups)
    x, w, b = numbers((N, C, H, W), 0), numbers((O, C // groups, KH, KW), 1), numbers((O,), 2)
    g = numbers((N, O, geometry.OH, geometry.OW), 3)
    pairs = [
        (fast.forward(x, w, None, geometry), plain.plain_conv2d(np, x, w, geometry)),
        (fast.input_grad(g, w, geometry), plain.plain_input_grad(np, g, w, geometry)),
        (fast.weight_grad(x, g, geometry), plain.plain_weight_grad(np, x, g, geometry)),
    ]
    with_bias = fast.forward(x, w, b, geometry)
    pairs.append((with_bias, plain.plain_conv2d(np, x, w, geometry) + b.reshape(-1, 1, 1)))
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, atol=1e-12)
    fast._tiles.cache_clear()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [1, 2, 3, 4])
@pytest.mark.parametrize("offset", [0, 1])
def test_pixels_are_copied_as_they_are(N, dtype, offset):
    """Also where their memory isn't aligned for a larger number, and nans with their bits."""
    memory = np.arange(offset + 5 * 6 * N).astype(dtype)
    x = memory[offset:].reshape(5, 6, N)[:, ::2]
    x[0, 0] = np.nan
    out = np.zeros((5, 4, N), dtype)
    layout.copy_pixels(out[:, 1:], x)
    assert out[:, 1:].tobytes() == x.tobytes() and not out[:, 0].any()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(3, 2, 8, 4), (2, 5, 3, 7), (0, 2, 3, 4), (2, 3, 4, 0)])
def test_sums_over_channels(shape, threads, monkeypatch):
    monkeypatch.setattr(layout, "get_num_threads", lambda: threads)
    a, b = numbers(shape, 0), numbers(shape, 1)
    np.testing.assert_allclose(layout.channel_sums(np, a), a.sum(axis=(0, 2, 3)), atol=1e-12)
    products = (a * b).sum(axis=(0, 2, 3))
    np.testing.assert_allclose(layout.channel_sums(np, a, b), products, atol=1e-12)
