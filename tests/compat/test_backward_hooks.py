"""Hooks on the gradients of modules: what they see and change is PyTorch's, recorded and asked."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn


def wave(*shape: int) -> np.ndarray:
    return np.cos(1 + np.arange(int(np.prod(shape)))).reshape(shape).astype(np.float32)


def told(gradients: Any) -> list[Any]:
    return [None if g is None else np.asarray(g.detach().numpy()).tolist() for g in gradients]


def program(T: Any, kind: str) -> list[Any]:
    """All that hooks are told, in order, and the gradients at the end."""
    log: list[Any] = []

    def hook(tag: str, factor: float | None = None) -> Any:
        def see(module: Any, grad_input: Any, grad_output: Any) -> Any:
            log.append((tag, told(grad_input), told(grad_output)))
            return None if factor is None else tuple(g * factor for g in grad_input)

        return see

    def first(module: Any, grad_output: Any) -> Any:
        log.append(told(grad_output))
        return (grad_output[0] * 3,)

    net = T.nn.Sequential(T.nn.Conv2d(1, 2, 2), T.nn.ReLU(), T.nn.Flatten(), T.nn.Linear(8, 2))
    for p in net.parameters():
        p.data.copy_(T.tensor(wave(*p.shape)))
    x = T.tensor(wave(1, 1, 3, 3), requires_grad=kind != "no input")
    handles = [layer.register_full_backward_hook(hook(str(i))) for i, layer in enumerate(net)]
    if kind == "changed":
        net[1].register_full_backward_hook(hook("twice", 2.0))
        net[1].register_full_backward_hook(hook("before"), prepend=True)
        net[3].register_full_backward_pre_hook(first)
    elif kind == "whole":
        net.register_full_backward_hook(hook("whole"))
    elif kind == "removed":
        [handle.remove() for handle in handles[:3]]
    y = net(x)
    if kind == "second order":
        (g,) = T.autograd.grad((y * y * y).sum(), x, create_graph=True)
        return [*log, told(T.autograd.grad((g * g).sum(), x))]
    (y * y).sum().backward()
    return [*log, told(p.grad for p in net.parameters()), told([x.grad])]


class Two(nn.Module):
    def forward(self, a, b, factor=2.0, *, scale=1.0):
        return a * b * factor * scale, a + b, "no tensor"


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize(
    "kind", ["plain", "changed", "whole", "removed", "no input", "second order"]
)
def test_against_torch(torch, kind):
    ours, theirs = program(tinynet, kind), program(torch, kind)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        flat, wanted = [], []
        for answer, found in ((one, flat), (other, wanted)):
            queue = [answer]
            while queue:
                item = queue.pop(0)
                if isinstance(item, (list, tuple)):
                    queue = [*item, *queue]
                else:
                    found.append(item)
        assert [type(v) for v in flat] == [type(v) for v in wanted]
        numbers = [v for v in flat if isinstance(v, float)]
        np.testing.assert_allclose(
            numbers, [v for v in wanted if isinstance(v, float)], rtol=1e-4, atol=1e-5
        )


def test_what_a_hook_sees_and_changes():
    """y = w x: the gradient of y is 1, that of x is w."""
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data.copy_(tinynet.tensor([[2.0, 3.0]]))
    x, seen = tinynet.ones(1, 2, requires_grad=True), []

    def hook(module, grad_input, grad_output):
        assert module is layer
        seen.append((told(grad_input), told(grad_output)))
        return grad_input[0] * 10

    with layer.register_full_backward_hook(hook):
        layer(x).sum().backward()
    assert seen == [([[[2, 3]]], [[[1]]])] and x.grad.tolist() == [[20, 30]]
    layer(x).sum().backward()
    assert len(seen) == 1 and x.grad.tolist() == [[22, 33]]


def test_several_inputs_and_outputs():
    two, seen = Two(), []
    two.register_full_backward_hook(lambda m, gi, go: seen.append((told(gi), told(go))))
    a = tinynet.tensor([1.0, 2.0], requires_grad=True)
    b = tinynet.tensor([[3.0], [4.0]], dtype=tinynet.float64, requires_grad=True)
    product, total, text = two(a, b, 5.0)
    assert (text, product.dtype, total.shape) == ("no tensor", tinynet.float64, (2, 2))
    total.sum().backward()
    assert seen == [([[2, 2], [[2], [2]], None], [[[0, 0], [0, 0]], [[1, 1], [1, 1]], None])]
    assert a.grad.dtype == tinynet.float32 and b.grad.dtype == tinynet.float64


def test_the_older_name_is_the_same():
    layer, seen = nn.ReLU(inplace=True), []
    layer.register_backward_hook(lambda m, gi, go: seen.append(told(gi)))
    x = tinynet.tensor([-1.0, 2.0], requires_grad=True)
    layer(x * 1).sum().backward()  # guided backpropagation hooks in-place layers
    assert seen == [[[0, 1]]] and x.grad.tolist() == [0, 1]


def test_wrong_answers_are_refused():
    for answer in (tinynet.ones(3), (None,), (tinynet.ones(2), tinynet.ones(2))):
        layer = nn.ReLU()
        layer.register_full_backward_hook(lambda m, gi, go, answer=answer: answer)
        with pytest.raises(RuntimeError, match="backward: a hook must return None or gradients of"):
            layer(tinynet.ones(2, requires_grad=True)).sum().backward()
    with pytest.raises(TypeError, match="register_full_backward_hook: hook must be a function"):
        nn.ReLU().register_full_backward_hook(3)

    class Odd(nn.Module):
        def forward(self, x):
            return {"y": x}

    odd = Odd()
    odd.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.raises(TypeError, match="Odd: .*forward must return a tensor or several, got dict"):
        odd(tinynet.ones(1))


def test_nothing_is_recorded_without_grad():
    layer = nn.ReLU()
    layer.register_full_backward_hook(lambda m, gi, go: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not layer(tinynet.ones(2)).requires_grad
        with tinynet.no_grad():
            assert not layer(tinynet.ones(2, requires_grad=True)).requires_grad
