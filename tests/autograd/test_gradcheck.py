"""The tester tested: wrong gradients must not pass, right ones must, and doubtful ones must be
named.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinynet
from tinynet import gradcheck
from tinynet.autograd import Primitive
from tinynet.autograd.gradcheck import GradcheckError


def points(*shape, low=0.5, high=2.0):
    random = np.random.default_rng(0)
    return tinynet.tensor(random.uniform(low, high, shape), requires_grad=True)


def primitive(forward, **derivatives):
    p = Primitive(forward, name="probe")
    p.derivatives(**derivatives)
    return p


cube = primitive(lambda xp, a: a**3, a=lambda g, a: 3 * g * a * a)
off = primitive(lambda xp, a: a**3, a=lambda g, a: 3.003 * g * a * a)
# right at first order; its own derivative loses the factor 2
square_first_only = primitive(lambda xp, a: a * a, a=lambda g, a: 2 * a.detach() * g)
# right at first order, and as a function of a; wrong as a function of g
sin_loses_g = primitive(lambda xp, a: xp.sin(a), a=lambda g, a: g.detach() * a.cos())
_wrong = primitive(lambda xp, b, a: b * a * a, b=lambda g, a: g * a * a, a=lambda g: g * 0.0)
cube_wrong_second = primitive(lambda xp, a: a**3, a=lambda g, a: 3 * _wrong(g, a))
swapped = primitive(lambda xp, a, b: a - b, a=lambda g: g, b=lambda g: g)
one_element = primitive(
    lambda xp, a: 2 * a, a=lambda g: g * tinynet.tensor([2.0, 2.0, 2.0, 2.1], dtype=tinynet.float64)
)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 3)])
def test_right_gradients_pass(shape):
    assert gradcheck(cube, points(*shape))
    assert gradcheck(
        lambda x, y: (x * y, x / y, (x @ y.T if x.ndim == 2 else x).sum()),
        [points(*shape), points(*shape)],
    )


@pytest.mark.parametrize("order", [1, 2])
def test_a_gradient_off_by_a_thousandth_fails(order):
    with pytest.raises(GradcheckError, match="gradient of output 0 with respect to input 0"):
        gradcheck(off, points(4), order=order)
    assert not gradcheck(off, points(4), order=order, raise_exception=False)


@pytest.mark.parametrize("wrong", [square_first_only, sin_loses_g, cube_wrong_second])
def test_right_at_first_order_and_wrong_at_second(wrong):
    assert gradcheck(wrong, points(3), order=1)
    with pytest.raises(GradcheckError, match="second-order gradient"):
        gradcheck(wrong, points(3))


def test_a_sign_of_one_input():
    with pytest.raises(GradcheckError, match="with respect to input 1"):
        gradcheck(swapped, [points(3), points(3)])


def test_the_worst_element_is_named():
    with pytest.raises(
        GradcheckError, match=r"input 0\[3\] .* \(difference .*1 of 4 elements differ\)"
    ):
        gradcheck(one_element, points(4), order=1)


def test_a_missing_gradient_fails():
    with pytest.raises(GradcheckError, match="is 0, but by central differences"):
        gradcheck(lambda x: (x.detach() ** 2).sum() + 0 * x.sum(), points(3))


def test_a_nan_gradient_fails():
    nan = primitive(lambda xp, a: a * 2, a=lambda g: g * float("nan"))
    with pytest.raises(GradcheckError, match="is nan, but by central differences"):
        gradcheck(nan, points(3), order=1)


def test_functions_that_return_a_view_of_their_input():
    assert gradcheck(lambda x: x.reshape(-1), points(2, 3))
    assert gradcheck(lambda x: x, points(3))


@pytest.mark.parametrize(
    "f", [tinynet.relu, tinynet.abs, lambda x: x.clamp(0.0, 1.0), lambda x: tinynet.maximum(x, -x)]
)
def test_kinks_warn(f):
    with pytest.warns(UserWarning, match=r"input 0\[1\] jumps there"):
        gradcheck(f, tinynet.tensor([1.5, 0.0], requires_grad=True), order=1, raise_exception=False)


def test_steep_but_smooth_functions_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gradcheck(lambda x: (20 * x).tanh() * 50, points(3, low=-0.2, high=0.2))


def test_a_function_that_does_not_repeat_itself():
    with pytest.raises(ValueError, match="two calls of f with the same inputs differ"):
        gradcheck(lambda x: x * tinynet.rand(3), points(3))


def test_float32_inputs_are_checked_in_float64_and_left_alone():
    x = tinynet.tensor([0.5, 1.5], requires_grad=True)
    seen = set()
    assert gradcheck(
        lambda x, n: (seen.add((x.dtype, n.dtype)), (x**3) * n)[1], [x, tinynet.tensor([2, 3])]
    )
    assert seen == {(tinynet.float64, tinynet.int64)}
    assert x.dtype == tinynet.float32
    assert x.tolist() == [0.5, 1.5]
    assert x.grad is None


def test_it_works_under_no_grad():
    with tinynet.no_grad():
        assert gradcheck(cube, points(2))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"order": 3}, ValueError, "order must be an int from 1 to 2, got 3"),
        ({"eps": 0.0}, ValueError, "eps must be positive"),
        ({"inputs": tinynet.ones(2)}, ValueError, "none of the inputs requires grad"),
        ({"f": lambda x: 3.0}, TypeError, "what f returns must be a tensor, got float"),
        ({"f": lambda x: x > 0}, ValueError, "returns no floating tensor"),
    ],
)
def test_what_it_refuses(arguments, error, text):
    with pytest.raises(error, match=f"gradcheck: .*{text}"):
        gradcheck(**{"f": cube, "inputs": points(2), **arguments})
