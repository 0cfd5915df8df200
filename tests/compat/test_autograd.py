"""Hooks on gradients, operations that users write, and what else ``torch.autograd`` has.

Each program in `PROGRAMS` gets the module as ``T``. What it returns is written beside it, and
compared with PyTorch's answer where that is installed.
"""

from __future__ import annotations

import gc
import weakref

import pytest

import tinynet


def leaf(T, values=(1.0, 2.0)):
    return T.tensor(list(values), requires_grad=True)


def cube(T):
    class Cube(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * x
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, square = ctx.saved_tensors
            assert ctx.needs_input_grad == (True,)
            return 3 * square * g if not T.is_grad_enabled() else 3 * x * x * g

    return Cube.apply


def exponential(T, once=False):
    class Exp(T.autograd.Function):
        @staticmethod
        def forward(x):
            return x.exp()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    if once:
        decorated = T.autograd.function if hasattr(T.autograd, "function") else T.autograd
        Exp.backward = staticmethod(decorated.once_differentiable(Exp.backward))
    return Exp.apply


def parts(T, saved=True):
    class Parts(T.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor, w):
            y, z, place = x * factor, x * w, x.argmax()
            ctx.save_for_backward(x, w, y)
            ctx.factor = factor
            ctx.mark_non_differentiable(place)
            return y, z, place

        @staticmethod
        def backward(ctx, dy, dz, _):
            _, w, y = ctx.saved_tensors
            needs = ctx.needs_input_grad
            return ctx.factor * dy + w * dz, None, y / ctx.factor * dz if needs[2] else None

    return Parts.apply


def nothing(T):
    class Nothing(T.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            return x * w

        @staticmethod
        def backward(ctx, g):
            return g.double().expand(3, 2), None

    return Nothing.apply


def in_place(T):
    class Doubled(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    return Doubled.apply


def hook_sees_and_changes(T):
    x, seen = leaf(T), []
    y = x * 3
    y.register_hook(seen.append)
    y.register_hook(lambda g: g * 10)
    handle = x.register_hook(lambda g: g + 1)
    y.sum().backward()
    handle.remove()
    handle.remove()
    y = x * 3
    y.sum().backward()
    return seen, x.grad


def hook_before_retain_grad(T):
    x = leaf(T)
    y = x * x
    y.retain_grad()
    y.register_hook(lambda g: -g)
    y.sum().backward()
    return y.grad, x.grad


def hook_around_a_change(T):
    x, seen = leaf(T), []
    y = x * 1
    y.register_hook(seen.append)
    y *= 5
    y.register_hook(seen.append)
    y.sum().backward()
    return seen


def hook_of_second_order(T):
    x = leaf(T)
    x.register_hook(lambda g: g * g)
    (g,) = T.autograd.grad((x**3).sum(), x, create_graph=True)
    return g, T.autograd.grad(g.sum(), x)


def hook_keeps_its_own(T):
    x, seen = leaf(T), []
    x.register_hook(seen.append)
    (x + x.exp() * 0).sum().backward()
    x.grad.zero_()
    return seen


def hook_and_complete_leaf(T):
    x, seen = leaf(T), []
    x.register_hook(lambda g: g * 2)
    x.register_post_accumulate_grad_hook(lambda x: seen.append(x.grad.clone()))
    (x * x).sum().backward()
    return seen, x.grad


def function_to_order_three(T):
    x = leaf(T)
    y = cube(T)(x)
    (a,) = T.autograd.grad(y.sum(), x, create_graph=True)
    (b,) = T.autograd.grad(a.sum(), x, create_graph=True)
    y = cube(T)(x)
    y.sum().backward()
    return a, b, T.autograd.grad(b.sum(), x)[0], x.grad


def function_that_keeps_its_result(T):
    x = leaf(T, [0.0, 0.0])
    y = exponential(T)(x)
    (a,) = T.autograd.grad(y.sum(), x, create_graph=True)
    return y, a, T.autograd.grad((a * a).sum(), x)


def function_of_several(T):
    x, w = leaf(T), leaf(T, [3.0, 5.0])
    y, z, place = parts(T)(x, 4.0, w)
    first = T.autograd.grad((y + z * z).sum(), (x, w), create_graph=True)
    second = T.autograd.grad((first[0] * first[1]).sum(), (x, w))
    y, z, _ = parts(T)(x, 4.0, w)
    return first, second, place, T.autograd.grad(z.sum(), (x, w)), place.requires_grad


def function_that_gives_none(T):
    x, w = leaf(T), leaf(T, [3.0, 5.0])
    nothing(T)(x, w).sum().backward()
    return x.grad, w.grad is None


def function_in_place(T):
    x = leaf(T)
    y = x * 1
    z = in_place(T)(y)
    (z * y).sum().backward()
    return z is y, y, x.grad


def function_without_gradient(T):
    x = leaf(T)
    with T.no_grad():
        a = cube(T)(x)
    return a.requires_grad, cube(T)(x.detach()).requires_grad, a


def once_differentiable(T):
    x = leaf(T)
    y = exponential(T, once=True)(x)
    (g,) = T.autograd.grad(y.sum(), x, retain_graph=True)
    return T.allclose(g, x.exp())


def old_variable(T):
    x = T.autograd.Variable(T.ones(2), requires_grad=True)
    y = T.autograd.Variable(x * 2)
    known = isinstance(x, T.autograd.Variable), isinstance(3, T.autograd.Variable)
    return (x * x).requires_grad, y.requires_grad, y, *known


def only_inputs(T):
    x = leaf(T)
    return T.autograd.grad((x * x).sum(), x, only_inputs=True)


def backward_function(T):
    x = leaf(T)
    T.autograd.backward([x * x, x], [T.ones(2), T.ones(2)])
    return x.grad


PROGRAMS = [
    (hook_sees_and_changes, ([[1, 1]], [34, 34])),
    (hook_before_retain_grad, ([-1, -1], [-2, -4])),
    (hook_around_a_change, [[1, 1], [5, 5]]),
    (hook_of_second_order, ([9, 144], [[36**2, 288**2]])),
    (hook_keeps_its_own, [[1, 1]]),
    (hook_and_complete_leaf, ([[4, 8]], [4, 8])),
    (function_to_order_three, ([3, 12], [6, 12], [6, 6], [3, 12])),
    (function_that_keeps_its_result, ([1, 1], [1, 1], [[2, 2]])),
    (function_of_several,
     ([[22, 104], [6, 40]], [[372, 6160], [116, 2432]], 1, [[3, 5], [1, 2]], False)),
    (function_that_gives_none, ([3, 3], True)),
    (function_in_place, (True, [2, 4], [8, 16])),
    (function_without_gradient, (False, False, [1, 8])),
    (once_differentiable, True),
    (old_variable, (True, False, [2, 2], True, False)),
    (only_inputs, [[2, 4]]),
    (backward_function, [3, 5]),
]


def plain(value):
    """Nested lists of numbers."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


@pytest.mark.parametrize(("program", "answer"), PROGRAMS, ids=lambda v: getattr(v, "__name__", ""))
def test_recorded_answers(program, answer):
    assert plain(program(tinynet)) == plain(answer)


@pytest.mark.parametrize("program", [p for p, _ in PROGRAMS], ids=lambda v: v.__name__)
def test_pytorchs_answers(program, torch):
    assert plain(program(tinynet)) == plain(program(torch))


def change_kept(T):
    x, w = leaf(T), leaf(T)
    y, z, _ = parts(T)(x * 1, 2.0, w)
    y += 1
    z.sum().backward()


def twice(T):
    y = exponential(T)(leaf(T)).sum()
    y.backward()
    y.backward()


def hooked(hook):
    def run(T):
        x = leaf(T)
        x.register_hook(hook)
        x.sum().backward()

    return run


def second_order_of_once(T):
    x, g = leaf(T), leaf(T, [1.0, 1.0])
    (d,) = T.autograd.grad(exponential(T, once=True)(x), x, g, create_graph=True)
    d.sum().backward()


def too_few(T):
    class Few(T.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    Few.apply(leaf(T), leaf(T)).sum().backward()


REFUSALS = [
    (lambda T: T.ones(2).register_hook(print), RuntimeError, "register_hook: this tensor does not"),
    (hooked(lambda g: g[0]), RuntimeError, "register_hook: the hook got a gradient of float32"),
    (hooked(lambda g: g.double()), RuntimeError, "register_hook: .* returned float64"),
    (hooked(3), TypeError, "register_hook: a hook is a function, got int"),
    (hooked(lambda g: 3), TypeError, "register_hook: a hook must return a tensor or None"),
    (change_kept, RuntimeError, "Parts needs its input 2, .* add_ changed that in place"),
    (twice, RuntimeError, "the values that Exp kept were freed"),
    (second_order_of_once, RuntimeError, "once_differentiable: "),
    (too_few, RuntimeError, "Few.backward: returned 1 gradients for 2 inputs"),
    (lambda T: in_place(T)(leaf(T)), RuntimeError, "mark_dirty: a leaf"),
    (lambda T: T.autograd.grad(T.ones(1), T.ones(1), only_inputs=False), ValueError, "grad: only"),
    (lambda T: T.autograd.Variable([1.0]), TypeError, "Variable: data must be a tensor"),
]


@pytest.mark.parametrize(
    ("program", "error", "words"), REFUSALS, ids=lambda v: getattr(v, "__name__", v)
)
def test_refusals(program, error, words):
    with pytest.raises(error, match=words):
        program(tinynet)


@pytest.mark.parametrize("program", [p for p, _, words in REFUSALS if "only" not in words])
def test_pytorch_refuses_it_too(program, torch):
    with pytest.raises((RuntimeError, TypeError)):
        program(torch)


def test_a_function_leaves_no_cycle():
    x = leaf(tinynet)
    gc.collect()
    gc.disable()
    try:
        y, z, _ = parts(tinynet)(x * 1, 2.0, x)
        gone = [weakref.ref(exponential(tinynet)(x)), weakref.ref(y), weakref.ref(z)]
        del y, z, _
        assert [r() for r in gone] == [None] * 3
    finally:
        gc.enable()


def test_anomaly_detection_can_be_switched_on_and_off():
    x = tinynet.tensor([0.0], requires_grad=True)
    with tinynet.autograd.set_detect_anomaly(True):
        with pytest.raises(RuntimeError, match="detect_anomaly: log made -inf"):
            x.log()
        with tinynet.autograd.set_detect_anomaly(False):
            x.log()
        with pytest.raises(RuntimeError, match="log made -inf"):
            x.log()
    tinynet.autograd.set_detect_anomaly(True)
    with pytest.raises(RuntimeError, match="log made -inf"):
        x.log()
    tinynet.autograd.set_detect_anomaly(False)
    x.log()
    assert tinynet.autograd.anomaly.watching == 0


@pytest.mark.parametrize("zeros", [True, False])
def test_the_gradient_of_a_result_that_nobody_used(zeros):
    seen = []

    class Two(tinynet.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(zeros)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            seen.append(second)
            return first * 2

    x = tinynet.tensor([1.0, 2.0], requires_grad=True)
    Two.apply(x)[0].sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert (seen[0].tolist() == [0, 0]) if zeros else seen == [None]


def test_results_without_gradient_get_zeros():
    class Largest(tinynet.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            place = x.argmax()
            ctx.mark_non_differentiable(place)
            return 2 * x, place, "text"

        @staticmethod
        def backward(ctx, g, place, text):
            assert (place.item(), place.dtype, text) == (0, tinynet.int64, None)
            return 2 * g + place

    x = tinynet.ones(3, requires_grad=True)
    y = Largest.apply(x)[0]
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_inputs_by_name():
    class Times(tinynet.autograd.Function):
        @staticmethod
        def forward(ctx, x, k=2, *, sign=1):
            ctx.k = k
            return x * k

        @staticmethod
        def backward(ctx, g):
            return (g * ctx.k, None) if len(ctx.needs_input_grad) > 1 else g * ctx.k

    x = tinynet.ones(2, requires_grad=True)
    y = Times.apply(x, k=3)
    assert y.grad_fn.name == "TimesBackward"
    assert tinynet.grad(y.sum(), x)[0].tolist() == [3, 3]
    assert tinynet.grad(Times.apply(x).sum(), x)[0].tolist() == [2, 2]
    with pytest.raises(TypeError, match="Times.apply: sign can be given by name only"):
        Times.apply(x, sign=-1)
