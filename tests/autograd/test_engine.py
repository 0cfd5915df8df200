"""The graph: what flows where, what is kept, what is freed, and what each thread sees."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import tinynet
from tinynet import autograd


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(*values):
    return tinynet.tensor(values, requires_grad=True)


# -------------------------------------------------------------------------------------------------
# gradients


def test_leaves_accumulate_and_intermediate_results_do_not():
    x = leaf(1.0, 2.0)
    y = x * x
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    assert y.grad.tolist() == [2.0, 2.0]
    assert y.retains_grad


def test_gradients_add_up_in_place():
    """Whoever holds a gradient, or gave its memory, sees the sum, as in PyTorch."""
    x, y = leaf(1.0), leaf(1.0)
    (x * 2).backward()
    first = x.grad
    flat = tinynet.zeros(3)
    y.grad = flat[1:2]
    (x * 3 + y * 4).backward()
    assert x.grad is first
    assert first.tolist() == [5.0]
    assert flat.tolist() == [0.0, 4.0, 0.0]


def test_the_first_gradients_of_a_sum_are_apart():
    a, b = leaf(1.0), leaf(1.0)
    (a + b).backward()
    (a * 2).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([3.0], [1.0])


def test_gradients_with_a_history():
    x = leaf(1.0, 2.0)
    y = x * x
    y.retain_grad()
    (y * x).sum().backward(create_graph=True)  # the graph is kept, too
    assert x.grad.tolist() == [3.0, 12.0]
    assert x.grad.requires_grad
    assert y.grad.requires_grad
    first = x.grad
    (tangent,) = tinynet.grad(first.sum(), x, retain_graph=True)
    assert tangent.tolist() == [6.0, 12.0]
    (first * first).sum().backward()  # 2 * 3 x^2 * 6 x is added
    assert x.grad.tolist() == [3.0 + 36.0, 12.0 + 288.0]


def test_a_gradient_with_a_history_is_cleared_of_it():
    x = leaf(1.0, 2.0)
    optimizer = tinynet.optim.SGD([x], lr=0.1)
    (x**3).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0.0, 0.0]
    assert not x.grad.requires_grad


def test_two_leaves_never_share_the_memory_of_their_gradients():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = tinynet.tensor([1.0, 10.0])
    (a + b).backward(seed)
    a.grad.mul_(100)
    assert b.grad.tolist() == [1.0, 10.0]
    assert seed.tolist() == [1.0, 10.0]


def test_a_leaf_used_twice_collects_from_both_uses():
    x = leaf(3.0)
    (x * x + x).backward()
    assert x.grad.tolist() == [7.0]


def test_only_what_is_needed_is_computed():
    calls = []
    probe = tinynet.autograd.Primitive(lambda xp, a, b: a * b, name="probe")
    probe.derivatives(
        a=lambda g, b: calls.append("a") or g * b, b=lambda g, a: calls.append("b") or g * a
    )
    data, weight = tinynet.tensor([2.0]), leaf(3.0)
    probe(data, weight).backward()
    assert calls == ["b"]
    calls.clear()
    x, y = leaf(2.0), leaf(3.0)
    tinynet.grad(probe(x, y), x)
    assert calls == ["a"]


def test_a_derivative_of_the_wrong_shape_or_dtype_is_an_error():
    wrong = tinynet.autograd.Primitive(lambda xp, a: a * 2, name="wrong")
    wrong.derivatives(a=lambda g: g.sum())
    with pytest.raises(
        RuntimeError,
        match=r"mistake in the primitive wrong: its gradient for input 'a' is float32 \(\)"
    ):
        wrong(leaf(1.0, 2.0)).sum().backward()


def test_grad_leaves_dot_grad_alone():
    x = leaf(2.0)
    (g,) = tinynet.grad(x**3, x)
    assert g.tolist() == [12.0]
    assert x.grad is None
    assert not g.requires_grad


def test_derivatives_of_any_order():
    x = tinynet.tensor(0.7, dtype=tinynet.float64, requires_grad=True)
    y = x**5
    for expected in (5 * 0.7**4, 20 * 0.7**3, 60 * 0.7**2, 120 * 0.7, 120.0):
        (y,) = tinynet.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_gradient_with_respect_to_intermediate_results():
    x = leaf(2.0)
    y = x * 3
    z = y * y
    assert [g.tolist() for g in tinynet.grad(z, [x, y])] == [[36.0], [12.0]]


def test_unused_inputs():
    x, other = leaf(2.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        tinynet.grad(x * 2, [x, other])
    _, none = tinynet.grad(x * 2, [x, other], allow_unused=True)
    assert none is None
    _, zero = tinynet.grad(x * 2, [x, other], materialize_grads=True)
    assert zero.tolist() == [0.0]


def test_backward_for_some_leaves_only():
    a, b = leaf(1.0), leaf(2.0)
    (a * b).backward(inputs=[a])
    assert a.grad.tolist() == [2.0]
    assert b.grad is None


def test_several_outputs_and_directions():
    x = leaf(1.0, 2.0)
    tinynet.autograd.backward([x * 2, (x * x).sum()], [tinynet.tensor([1.0, 10.0]), None])
    assert x.grad.tolist() == [4.0, 24.0]


# ------------------------------------------------------------------------------------------ freed
# and kept graphs


def test_a_second_backward_through_a_freed_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_a_graph_that_kept_nothing_can_be_walked_again():
    x = leaf(1.0)
    y = x + x
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4.0]


def test_detach_shares_memory_and_cuts_the_graph():
    x = leaf(1.0, 2.0)
    y = x * 2
    cut = y.detach()
    assert not cut.requires_grad
    assert cut.is_leaf
    cut[0] = 9
    assert y[0].item() == 9
    (y + cut).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_what_is_a_leaf():
    x = leaf(1.0)
    assert x.is_leaf
    assert tinynet.ones(2).is_leaf
    assert not (x * 2).is_leaf
    assert (tinynet.ones(2) * 2).is_leaf
    assert x.grad_fn is None
    assert (x * 2).grad_fn.name == "MulBackward0"


def test_integers_and_comparisons_stop_the_flow():
    x = leaf(1.5, -2.5)
    for y in (x > 0, x.long(), x.argmax(), x.isnan()):
        assert not y.requires_grad


# --------------------------------------------------------------------------------------------------
# depth


def test_sixty_doublings_take_sixty_steps():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_a_chain_of_100_000_operations_is_differentiated_and_freed():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    last = weakref.ref(y)
    y.backward()
    assert x.grad.item() == 1.0
    del y
    assert last() is None


def test_thousands_of_nested_views():
    x = leaf(1.0)
    view = base = tinynet.zeros(1)
    for _ in range(3000):
        view = view.view(-1)
    base.add_(x)
    view.mul_(2.0)
    base.backward()
    assert x.grad.tolist() == [2.0]


# --------------------------------------------------------------------------------------------------
# memory


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "kind", ["backward", "retain_grad", "second order", "in place", "views", "unused", "failed"]
)
def test_memory_is_freed_without_the_collector(kind):
    def build():
        x = tinynet.ones(5, requires_grad=True)
        y = x * 2 if kind in ("in place", "views") else (x * 2).exp()
        seen = weakref.ref(y)
        if kind == "backward":
            (y * y).sum().backward()
        elif kind == "retain_grad":
            y.retain_grad()
            (y * y).sum().backward()
        elif kind == "second order":
            (g,) = tinynet.grad((y**3).sum(), x, create_graph=True)
            tinynet.grad((g * g).sum(), x)
        elif kind == "in place":
            y.mul_(y)
            y[0] = 3.0
            y.sigmoid_()
            y.sum().backward()
        elif kind == "views":
            v = y[1:].view(2, 2)
            v.mul_(v.detach())
            (y * y).sum().backward()
        elif kind == "failed":
            y.add_(1.0)
            try:
                y.sum().backward()
            except RuntimeError:
                return seen
            raise AssertionError("the changed result was not noticed")
        return seen

    assert build()() is None


@pytest.mark.usefixtures("no_collector")
def test_the_arrays_of_a_graph_go_with_backward():
    x = tinynet.ones(5, requires_grad=True)
    y = x.exp()
    kept = weakref.ref(y.array)
    z = y.sum()
    del y
    assert kept() is not None  # exp needs its result
    z.backward()
    assert kept() is None


@pytest.mark.usefixtures("no_collector")
def test_values_that_no_derivative_needs_are_not_kept():
    x = tinynet.ones(5, requires_grad=True)
    y = x * 2
    middle = weakref.ref(y.array)
    z = y + 1
    del y
    assert middle() is None
    z.sum().backward()
    assert x.grad.tolist() == [2.0] * 5


# --------------------------------------------------------------------------------------------------
# no_grad


def test_no_grad_and_enable_grad():
    x = leaf(1.0)
    with tinynet.no_grad():
        assert not tinynet.is_grad_enabled()
        assert not (x * 2).requires_grad
        with tinynet.enable_grad():
            assert (x * 2).requires_grad
    assert tinynet.is_grad_enabled()


def test_no_grad_ends_with_an_exception():
    with pytest.raises(KeyError), tinynet.no_grad():
        raise KeyError
    assert tinynet.is_grad_enabled()


def test_decorators():
    @tinynet.no_grad()
    def quiet(depth):
        return tinynet.is_grad_enabled() or bool(depth and quiet(depth - 1))

    @tinynet.no_grad
    def bare():
        return tinynet.is_grad_enabled()

    @tinynet.enable_grad()
    def loud():
        return tinynet.is_grad_enabled()

    @tinynet.set_grad_enabled(False)
    def switched():
        return tinynet.is_grad_enabled()

    assert quiet(3) is False
    assert bare() is False
    assert switched() is False
    with tinynet.no_grad():
        assert loud() is True
    assert tinynet.is_grad_enabled()


def test_a_generator_function_is_refused():
    with pytest.raises(TypeError, match="generator function"):

        @tinynet.no_grad()
        def numbers():
            yield 1


def test_set_grad_enabled_as_a_function():
    tinynet.set_grad_enabled(False)
    try:
        assert not tinynet.is_grad_enabled()
    finally:
        tinynet.set_grad_enabled(True)
    with tinynet.set_grad_enabled(False):
        assert not tinynet.is_grad_enabled()
    assert tinynet.is_grad_enabled()


def test_each_thread_has_its_own_mode():
    inside, seen, done = threading.Event(), [], threading.Event()

    def other():
        inside.wait(10)
        seen.append(tinynet.is_grad_enabled())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with tinynet.no_grad():
        inside.set()
        assert done.wait(10)
    thread.join()
    assert seen == [True]


def test_threads_with_models_of_their_own():
    def train(seed, results):
        w = tinynet.tensor([float(seed)], requires_grad=True)
        for _ in range(50):
            loss = ((w - 1) ** 2).sum()
            (g,) = tinynet.grad(loss, w)
            with tinynet.no_grad():
                w -= 0.1 * g
        results[seed] = w.item()

    alone, together = {}, {}
    for seed in range(4):
        train(seed, alone)
    threads = [threading.Thread(target=train, args=(seed, together)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


# --------------------------------------------------------------------------------------- flags,
# copies, pickles


def test_requires_grad_can_be_switched_on_leaves_only():
    x = tinynet.ones(2)
    assert x.requires_grad_() is x
    assert x.requires_grad
    x.requires_grad = False
    assert not x.requires_grad
    y = x.requires_grad_() * 2
    with pytest.raises(RuntimeError, match="detach"):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match="only floating-point tensors"):
        tinynet.arange(3).requires_grad_()


def test_deepcopy_keeps_role_and_gradient_in_memory_of_its_own():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    twin.grad.zero_()
    with tinynet.no_grad():
        twin.add_(1)
    assert twin.requires_grad
    assert x.tolist() == [1.0, 2.0]
    assert x.grad.tolist() == [2.0, 4.0]
    shared = copy.deepcopy({"a": x, "b": x})
    assert shared["a"] is shared["b"]
    with pytest.raises(RuntimeError, match="only leaves"):
        copy.deepcopy(x * 2)


def test_pickling():
    x = pickle.loads(pickle.dumps(leaf(1.0, 2.0)))
    assert x.requires_grad
    assert x.tolist() == [1.0, 2.0]
    assert x.dtype == tinynet.float32
    with pytest.raises(RuntimeError, match="only leaves"):
        pickle.dumps(x * 2)


def test_data_is_a_back_door():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    x.data.mul_(10)
    y.backward()
    assert x.grad.tolist() == [20.0, 40.0]
    x.data = tinynet.zeros(2)
    assert x.tolist() == [0.0, 0.0]
    assert x.requires_grad


def test_bits_do_not_depend_on_the_run():
    def run():
        tinynet.manual_seed(3)
        x = tinynet.randn(20, 20, requires_grad=True)
        (x @ x).tanh().sum().backward()
        return x.grad.numpy()

    np.testing.assert_array_equal(run(), run())


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_lie_in_memory_as_their_parameters_do(threads):
    """Or the optimiser would walk across rows: six times as long for a large linear layer."""
    before = tinynet.get_num_threads()
    tinynet.set_num_threads(threads)
    try:
        nn = tinynet.nn
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5),
            nn.BatchNorm2d(6),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 3),
            nn.Flatten(),
            nn.Linear(1600, 70),
            nn.Linear(70, 90),
        )
        model(tinynet.randn(64, 1, 28, 28)).sum().backward()
        for name, p in model.named_parameters():
            assert p.grad.array.strides == p.array.strides, name
    finally:
        tinynet.set_num_threads(before)


@autograd.Primitive
def _scaled_sum(xp, a, b, c, *, factor):
    return (a + b + c) * factor


_calls: list[tuple[bool, ...]] = []


def _all_gradients(g, factor, wanted):
    _calls.append(wanted)
    return tuple(g * factor if want else None for want in wanted)


_scaled_sum.joint_derivative(_all_gradients)


def test_a_joint_derivative_is_called_once_with_what_is_wanted():
    a, c = (tinynet.ones(2, dtype=tinynet.float64, requires_grad=True) for _ in range(2))
    b = tinynet.ones(2, dtype=tinynet.float64)
    _calls.clear()
    _scaled_sum(a, b, c, factor=3.0).sum().backward()
    assert _calls == [(True, False, True)]
    assert a.grad.tolist() == c.grad.tolist() == [3, 3] and b.grad is None
    (only,) = tinynet.grad(_scaled_sum(a, b, c, factor=2.0).sum(), c)
    assert _calls[1:] == [(False, False, True)] and only.tolist() == [2, 2]
    assert tinynet.gradcheck(lambda *x: _scaled_sum(*x, factor=2.0) ** 2, (a, b, c))


def test_a_joint_derivative_of_the_wrong_shape_is_an_error():
    @autograd.Primitive
    def wrong(xp, a, b):
        return a + b

    wrong.joint_derivative(lambda g: (g, g.sum()))
    x = tinynet.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="mistake in .* wrong: its gradient for input 'b'"):
        wrong(x, x).sum().backward()
