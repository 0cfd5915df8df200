"""Max, average and adaptive pooling: values, indices and gradients to second order are PyTorch's,
whatever the windows.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nn_operations import agree, call
from operations import Case, run

import tinynet
from tinynet import nn
from tinynet.nn import functional as F
from tinynet.ops.conv.pooling import sum_windows


sizes = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 9), st.integers(1, 9))


def numbers(low: int, high: int):
    return st.one_of(
        st.integers(low, high), st.tuples(st.integers(low, high), st.integers(low, high))
    )


def as_torch_does(torch, name, shape, options):
    """Refused by both, or the same values, indices and gradients."""
    image = (
        np.random.default_rng(7).permutation(np.arange(np.prod(shape)) / 8 - 9).reshape(shape)
    )  # no two alike
    case = Case(f"{name} {shape} {options}", call(name, **options), (image,))
    try:
        found = run(tinynet, case)
    except ValueError as refusal:
        assert name in str(refusal)
        with pytest.raises(RuntimeError):
            case.f(torch, torch.tensor(image))
        return
    # A dilated window can lie beside the image; PyTorch then writes the gradient to places that it
    # doesn't own.
    assume(np.isfinite(found["values"][0]).all())
    agree(case.name, found, run(torch, case), rtol=1e-7)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    sizes,
    numbers(1, 4),
    st.one_of(st.none(), numbers(1, 4)),
    numbers(0, 2),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 3]),
)
def test_avg_pool2d_against_torch(torch, shape, kernel, stride, padding, ceil_mode, count, divisor):
    options = {
        "stride": stride,
        "padding": padding,
        "ceil_mode": ceil_mode,
        "count_include_pad": count,
        "divisor_override": divisor,
    }
    as_torch_does(torch, "avg_pool2d", shape, {"kernel_size": kernel, **options})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    sizes,
    numbers(1, 4),
    st.one_of(st.none(), numbers(1, 4)),
    numbers(0, 2),
    numbers(1, 2),
    st.booleans(),
    st.booleans(),
)
def test_max_pool2d_against_torch(torch, shape, kernel, stride, padding, dilation, ceil_mode,
    indices):
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
        "return_indices": indices,
    }
    as_torch_does(torch, "max_pool2d", shape, {"kernel_size": kernel, **options})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    sizes, st.tuples(st.one_of(st.none(), st.integers(1, 11)), st.integers(1, 11)), st.booleans()
)
def test_adaptive_pooling_against_torch(torch, shape, output_size, indices):
    as_torch_does(torch, "adaptive_avg_pool2d", shape, {"output_size": output_size})
    as_torch_does(
        torch, "adaptive_max_pool2d", shape, {"output_size": output_size, "return_indices": indices}
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8),
    st.sampled_from([2, 3]),
    st.integers(0, 99),
)
def test_window_sums_are_their_own_adjoints(ends, dim, seed):
    """Any windows that move forward: sums by definition, <sum_windows(x), g> = <x, its gradient>,
    and the same for the gradient.
    """
    starts = np.sort([min(pair) for pair in ends]).astype(np.int64)
    stops = np.sort([max(pair) for pair in ends]).astype(np.int64)
    random = np.random.default_rng(seed)
    image = tinynet.tensor(random.standard_normal((2, 3, 6, 6)), requires_grad=True)
    y = sum_windows(image, starts=starts, stops=stops, dim=dim)
    plain = [
        image.detach().numpy().take(range(a, b), axis=dim).sum(axis=dim)
        for a, b in zip(starts, stops, strict=True)
    ]
    np.testing.assert_allclose(
        y.detach().numpy(), np.stack(plain, axis=dim) if plain else np.zeros(y.shape), atol=1e-12
    )
    g = tinynet.tensor(random.standard_normal(y.shape), requires_grad=True)
    (dx,) = tinynet.grad(y, image, g, create_graph=True)
    assert float((y * g).sum()) == pytest.approx(float((image * dx).sum()), abs=1e-9)
    (again,) = tinynet.grad(dx, g, image.detach())
    np.testing.assert_allclose(again.numpy(), y.detach().numpy(), atol=1e-12)


def test_unread_remainder_gets_no_gradient():
    for f in (
        lambda x: F.avg_pool2d(x, (4, 3), padding=(0, 1)),
        lambda x: F.max_pool2d(x, (4, 3), padding=(0, 1)),
    ):
        image = tinynet.ones(2, 1, 6, 8, requires_grad=True)
        f(image).sum().backward()
        assert not image.grad[:, :, 4:].any()
        assert image.grad[:, :, :4].any()


@pytest.mark.parametrize("N", [0, 1])
def test_any_number_of_images(N):
    image = tinynet.ones(N, 2, 4, 6, requires_grad=True)
    for y in (
        F.avg_pool2d(image, 2),
        F.adaptive_avg_pool2d(image, (2, 3)),
        F.adaptive_max_pool2d(image, (2, 3)),
        F.max_pool2d(image, 2),
    ):
        assert y.shape == (N, 2, 2, 3)
        (g,) = tinynet.grad(y.sum(), image)
        assert g.shape == image.shape


def test_integers_can_be_compared_but_not_averaged():
    image = tinynet.arange(16).reshape(1, 4, 4)
    assert F.max_pool2d(-image, 3, 1, 1).tolist()[0][0] == [0, 0, -1, -2]
    for f in (
        lambda: F.avg_pool2d(image, 2),
        lambda: F.adaptive_avg_pool2d(image, 2),
        lambda: F.adaptive_max_pool2d(image, 2),
    ):
        with pytest.raises(
            TypeError, match=r"input must hold floats, got int64; convert it with \.float\(\)"
        ):
            f()


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (
            lambda x: F.avg_pool2d(x, 6),
            r"avg_pool2d: the window covers 6 pixels, more than the padded input's height 5",
        ),
        (
            lambda x: F.avg_pool2d(x, (2, 5)),
            r"avg_pool2d: the window covers 5 pixels, more than the padded input's width 4",
        ),
        (
            lambda x: F.avg_pool2d(x, 2, padding=2),
            r"avg_pool2d: padding 2 is more than half of the kernel, 2",
        ),
        (
            lambda x: F.max_pool2d(x, 3, dilation=2, padding=2),
            r"max_pool2d: padding 2 is more than half of the kernel, 3",
        ),
        (lambda x: F.avg_pool2d(x, 2, 0), r"avg_pool2d: stride must be at least 1"),
        (lambda x: F.avg_pool2d(x, (1, 2, 3)), r"avg_pool2d: kernel_size must be an int or a pair"),
        (
            lambda x: F.avg_pool2d(x, 2, divisor_override=0),
            r"avg_pool2d: divisor_override must be an int other than 0, or None; got 0",
        ),
        (
            lambda x: F.avg_pool2d(x[0, 0], 2),
            r"avg_pool2d: input must be \(N, C, H, W\), or without N; got shape \(5, 4\)",
        ),
        (
            lambda x: F.adaptive_avg_pool2d(x, (1, 2, 3)),
            r"adaptive_avg_pool2d: output_size must be an int or a pair",
        ),
        (
            lambda x: F.adaptive_avg_pool2d(x, -1),
            r"adaptive_avg_pool2d: output_size must be at least 0, got -1",
        ),
        (
            lambda x: F.adaptive_max_pool2d(x[:, :, :0], 1),
            r"adaptive_max_pool2d: no size but N may be 0, got shape \(2, 2, 0, 4\)",
        ),
    ],
)
def test_refused(f, message):
    with pytest.raises(ValueError, match=message):
        f(tinynet.ones(2, 2, 5, 4))


def test_a_divisor_that_is_no_int_is_refused():
    with pytest.raises(TypeError, match="avg_pool2d: divisor_override must be an int, got 1.5"):
        F.avg_pool2d(tinynet.ones(2, 2, 5, 4), 2, divisor_override=1.5)


MODULES = [
    (
        lambda nn: nn.MaxPool2d(2),
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
    ),
    (
        lambda nn: nn.MaxPool2d((3, 2), 1, (1, 0), 1, False, True),
        "MaxPool2d(kernel_size=(3, 2), stride=1, padding=(1, 0), dilation=1, ceil_mode=True)",
    ),
    (lambda nn: nn.AvgPool2d(3), "AvgPool2d(kernel_size=3, stride=3, padding=0)"),
    (
        lambda nn: nn.AvgPool2d((3, 2), 2, 1, True, False, 5),
        "AvgPool2d(kernel_size=(3, 2), stride=2, padding=1)",
    ),
    (lambda nn: nn.AdaptiveAvgPool2d((None, 3)), "AdaptiveAvgPool2d(output_size=(None, 3))"),
    (lambda nn: nn.AdaptiveMaxPool2d(2), "AdaptiveMaxPool2d(output_size=2)"),
]


@pytest.mark.parametrize(("make", "text"), MODULES, ids=[text for _, text in MODULES])
def test_text_of_modules(make, text):
    module = make(nn)
    assert repr(module) == text
    assert not module.state_dict()


@pytest.mark.parametrize(("make", "text"), MODULES, ids=[text for _, text in MODULES])
def test_modules_are_pytorchs(torch, make, text):
    module = make(nn)
    image = np.random.default_rng(0).standard_normal((2, 3, 7, 6)).astype(np.float32)
    assert repr(make(torch.nn)) == text
    np.testing.assert_allclose(
        module(tinynet.tensor(image)).numpy(),
        make(torch.nn)(torch.tensor(image)).numpy(),
        rtol=1e-5,
        atol=1e-6,
    )


def test_modules_return_indices():
    image = tinynet.tensor([[[[1.0, 4.0], [3.0, 2.0]]]])
    for module in (
        nn.MaxPool2d(2, return_indices=True),
        nn.AdaptiveMaxPool2d(1, return_indices=True),
    ):
        values, indices = module(image)
        assert (values.item(), indices.item(), indices.dtype) == (4.0, 1, tinynet.int64)


@pytest.mark.parametrize(
    ("size", "stride", "padding", "dilation"),
    [(2, 2, 0, 1), (3, 1, 1, 1), (3, 2, 1, 1), (2, 3, 0, 1), (2, 1, 0, 2), ((1, 3), 1, 0, 1)],
)
def test_a_window_with_nans_gives_its_gradient_to_the_last_one(torch, size, stride, padding,
    dilation):
    rng = np.random.default_rng(5)
    image = rng.permutation(np.arange(2 * 3 * 7 * 6) / 8 - 9).reshape(2, 3, 7, 6).astype(np.float32)
    image[rng.random(image.shape) < 0.25] = np.nan
    image[0, 0], image[1, 2] = np.nan, -np.inf
    x, t = tinynet.tensor(image, requires_grad=True), torch.tensor(image, requires_grad=True)
    y, indices = F.max_pool2d(x, size, stride, padding, dilation, return_indices=True)
    expected, where = torch.nn.functional.max_pool2d(
        t, size, stride, padding, dilation, return_indices=True
    )
    g = rng.standard_normal(y.shape).astype(np.float32)
    (dx,) = tinynet.grad(y, x, tinynet.tensor(g), create_graph=True)
    expected.backward(torch.tensor(g))
    assert np.array_equal(y.detach().numpy(), expected.detach().numpy(), equal_nan=True)
    assert np.array_equal(indices.numpy(), where.numpy())
    np.testing.assert_allclose(dx.detach().numpy(), t.grad.numpy(), rtol=1e-6)
