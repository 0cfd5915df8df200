"""`Tensor.register_post_accumulate_grad_hook`: called when a leaf's gradient is whole, during the
pass, as in PyTorch.
"""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tinynet
from tinynet import autograd
from tinynet.autograd import hooks


def scenario(framework):
    """What hooks see, in a pass with leaves that are used several times, twice over, and in other
    orders.
    """
    log = []
    a, b, c = (framework.tensor([1.0, n], requires_grad=True) for n in (0.2, 0.3, 0.4))
    unused = framework.ones(1, requires_grad=True)
    for name, leaf in (("a", a), ("b", b), ("c", c), ("unused", unused)):
        leaf.register_post_accumulate_grad_hook(
            lambda leaf, name=name: log.append((name, leaf.grad.tolist()))
        )
    for _ in range(2):
        early = (a * b).exp()
        (early * c + a * a * b).sum().backward()  # c is whole first; a and b after all their uses
        log.append("end")
    framework.autograd.grad((a * b).sum(), [a])
    (a * b).sum().backward(inputs=[b])
    framework.autograd.backward([a.sum(), (a * c).sum()])
    loss = framework.tensor(2.0, requires_grad=True)
    loss.register_post_accumulate_grad_hook(lambda leaf: log.append(leaf.grad.item()))
    loss.backward()
    return log


def test_hooks_see_what_pytorchs_see(torch):

    def rounded(log):
        return [
            (e[0], np.float32(e[1]).round(4).tolist()) if isinstance(e, tuple) else e for e in log
        ]

    ours, theirs = rounded(scenario(tinynet)), rounded(scenario(torch))
    # those that become whole at one node (a * b's two inputs) may come in either order
    for start, end in ((0, 3), (4, 7), (8, 9), (9, 11), (11, 12)):
        assert sorted(ours[start:end]) == sorted(theirs[start:end])
    assert ours[3] == ours[7] == "end"
    assert ours[0][0] == theirs[0][0] == "c"
    assert len(ours) == len(theirs) == 12


def test_a_hook_is_called_before_the_pass_is_over():
    w, v = tinynet.ones(2, requires_grad=True), tinynet.ones(2, requires_grad=True)
    seen = []
    w.register_post_accumulate_grad_hook(
        lambda w: seen.append((w.grad.tolist(), v.grad, tinynet.is_grad_enabled()))
    )
    ((v * 2).exp() * w).sum().backward()
    assert seen[0][1] is None and not seen[0][2]
    assert v.grad is not None


def scale_by(factor):
    def hook(leaf):
        leaf.grad *= factor

    return hook


def test_a_hook_may_change_the_gradient_and_nothing_else():
    """The array that came to the leaf is on its way to others too (+ hands the same one to both
    sides).
    """
    for seed in (None, tinynet.tensor([1.0, 2.0])):
        a, b, c = (tinynet.ones(2, requires_grad=True) for _ in range(3))
        a.register_post_accumulate_grad_hook(scale_by(0))
        b.register_post_accumulate_grad_hook(scale_by(10))
        y = a + (b + c.reshape(2)).reshape(2)
        (y * y.detach()).sum().backward() if seed is None else y.backward(seed)
        expected = np.array([3.0, 3.0]) if seed is None else np.array([1.0, 2.0])
        assert a.grad.tolist() == [0, 0]
        assert b.grad.tolist() == (10 * expected).tolist()
        assert c.grad.tolist() == expected.tolist()
        assert seed is None or seed.tolist() == [1, 2]


def test_a_hook_may_take_the_gradient_away():
    a = tinynet.ones(2, requires_grad=True)

    def forget(a):
        a.grad = None

    a.register_post_accumulate_grad_hook(forget)
    (a * 2).sum().backward()
    assert a.grad is None


def test_hooks_come_in_order_and_can_be_removed():
    a, log = tinynet.ones(1, requires_grad=True), []
    first = a.register_post_accumulate_grad_hook(lambda a: log.append(1))
    with a.register_post_accumulate_grad_hook(lambda a: log.append(2)):
        (a * 2).backward()
    first.remove()
    first.remove()
    (a * 2).backward()
    assert log == [1, 2]


def test_a_hook_that_fails():
    a, b = tinynet.ones(1, requires_grad=True), tinynet.ones(1, requires_grad=True)
    a.register_post_accumulate_grad_hook(lambda a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (a * b).backward()
    assert a.grad.tolist() == [1]
    assert b.grad is None
    assert not autograd.after_backward(print), "the pass is over"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda t: t.register_post_accumulate_grad_hook(3),
            TypeError,
            "a hook is a function, got int",
        ),
        (
            lambda t: (t * 2).register_post_accumulate_grad_hook(print),
            RuntimeError,
            r"of shape \(2,\), is not a leaf that requires grad",
        ),
        (
            lambda t: t.detach().register_post_accumulate_grad_hook(print),
            RuntimeError,
            "is not a leaf that requires grad",
        ),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=f"register_post_accumulate_grad_hook: .*{message}"):
        call(tinynet.ones(2, requires_grad=True))


def test_a_hook_may_be_an_expression():
    """PyTorch's documentation has such a lambda, which returns what the operation does."""
    a = tinynet.ones(2, requires_grad=True)
    a.register_post_accumulate_grad_hook(lambda a: a.add_(a.grad, alpha=-0.25))
    (a * 2).sum().backward()
    assert (a.tolist(), a.grad.tolist()) == ([0.5, 0.5], [2, 2])


def test_hooks_go_with_their_leaf():
    gc.collect()
    before = len(hooks._hooked)
    a = tinynet.ones(2, requires_grad=True)
    a.register_post_accumulate_grad_hook(lambda a: None)
    assert len(hooks._hooked) == before + 1
    gone = weakref.ref(a)
    gc.disable()
    try:
        (a * 2).sum().backward()
        del a
        assert gone() is None
    finally:
        gc.enable()
    assert len(hooks._hooked) == before


def test_a_callback_at_the_end_of_a_pass_is_called_once():
    a, b, log = tinynet.ones(1, requires_grad=True), tinynet.ones(1, requires_grad=True), []

    def end():
        log.append((a.grad is not None, b.grad is not None))

    a.register_post_accumulate_grad_hook(lambda a: log.append(autograd.after_backward(end)))
    b.register_post_accumulate_grad_hook(lambda b: log.append(autograd.after_backward(end)))
    (a * b).backward()
    assert log == [True, False, (True, True)]
    assert not autograd.after_backward(end)
