"""detect_anomaly names who made the first nan or infinity, forward and backward; and writes from
outside are caught.
"""

from __future__ import annotations

import contextvars
import gc
import sys
import threading

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim


def told(function):
    """What detect_anomaly says about `function`."""
    with (
        tinynet.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"^detect_anomaly: ") as caught,
    ):
        function()
    return str(caught.value)


def test_the_forward_operation_and_the_line_are_named():
    x = tinynet.tensor([[1.0, 2.0], [0.0, -1.0]])

    def program():
        y = x * 2
        y.log()  # here

    said = told(program)
    assert (
        "log made nan, at index (1, 1) and 1 more in float32 of shape (2, 2), out of finite inputs"
        in said
    )
    line = program.__code__.co_firstlineno + 2
    assert f'File "{__file__}", line {line}, in program\n    y.log()  # here' in said


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(tinynet.ones(3))

    def forward(self, x):
        return x / (x - x) * self.scale


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.rest = nn.Sequential(nn.ReLU(), Inner())

    def forward(self, x):
        return self.rest(self.first(x).abs() + 1)


def test_the_module_is_named_by_its_path():
    said = told(lambda: Outer()(tinynet.ones(2, 3)))
    assert "div made inf, at index (0, 0) and 5 more" in said
    assert "in module rest.1 (Inner) of Outer" in said
    assert "return x / (x - x) * self.scale" in said


def test_a_layer_of_ours_is_named_with_the_users_line():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with tinynet.no_grad():
        model[2].weight.fill_(3e38)
        model[0].bias.fill_(10)
    said = told(lambda: model(tinynet.ones(1, 2)))
    assert "in module 2 (Linear) of Sequential" in said
    assert "said = told(lambda: model(tinynet.ones(1, 2)))" in said


def test_the_backward_operation_and_the_line_of_its_forward_are_named():
    x = tinynet.tensor([4.0, 0.0], requires_grad=True)

    def program():
        y = x.sqrt()  # here
        y.sum().backward()

    said = told(program)
    assert (
        "the backward pass of sqrt made inf, at index (1,) in float32 of shape (2,) in the "
        "gradient of its input 'a'"
        in said
    )
    assert (
        f"line {program.__code__.co_firstlineno + 1}, in program\n    y = x.sqrt()  # here" in said
    )
    assert x.grad is None


def test_the_classic_trap_of_where():
    x = tinynet.tensor([4.0, 0.0], requires_grad=True)

    def program():
        tinynet.where(x > 0, x.sqrt(), 0.0).sum().backward()

    assert "the backward pass of sqrt made nan" in told(program)


def test_a_backward_pass_of_a_forward_outside_says_so():
    x = tinynet.tensor(0.0, requires_grad=True)
    y = x.sqrt()
    assert "it was called outside anomaly mode, so put the forward pass in the block too" in told(
        y.backward
    )


def test_second_derivatives():
    x = tinynet.tensor(0.0, requires_grad=True)

    def program():
        (dx,) = tinynet.grad(x**1.5, x, create_graph=True)
        tinynet.grad(dx, x)

    said = told(program)
    assert "the backward pass of" in said
    assert "(dx,) = tinynet.grad(x**1.5, x, create_graph=True)" in said


def test_a_gradient_that_was_given_is_blamed():
    x = tinynet.ones(2, requires_grad=True)
    said = told(lambda: (x * 2).backward(tinynet.tensor([1.0, float("nan")])))
    assert "backward was given a gradient with nan, at index (1,)" in said


def test_data_and_weights_that_are_wrong_already_are_named():
    x = tinynet.tensor([1.0, float("nan")])
    assert (
        "input 'a' of mul held nan, at index (1,) in float32 of shape (2,) before any operation"
        in told(lambda: x * 2)
    )
    w = tinynet.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=float(1))
    (w * float("nan")).sum().backward()
    optimizer.step()
    assert "was in the data or the weights; SGD.step was the last to change it" in told(
        lambda: w * 2
    )


def test_infinities_on_purpose_are_let_through():
    scores = tinynet.randn(4, 4, requires_grad=True)
    mask = tinynet.ones(4, 4).bool()
    mask[:, 2:] = False
    with tinynet.detect_anomaly():
        masked = scores.masked_fill(~mask, float("-inf"))
        F.softmax(masked, 1).square().sum().backward()
        (tinynet.full((3,), float("inf")) + 1).sum()


def test_nan_out_of_infinities_is_blamed():
    x = tinynet.tensor([float("inf"), 1.0])
    assert (
        "sub made nan, at index (0,) in float32 of shape (2,), out of inf, at index (0,)"
        in told(lambda: x - x)
    )


def test_it_is_a_decorator_and_per_thread_and_can_be_nested():
    @tinynet.detect_anomaly()
    def watched():
        return tinynet.tensor([0.0]).log()

    with pytest.raises(RuntimeError, match="log made -inf"):
        watched()
    results = []
    with tinynet.detect_anomaly():
        with tinynet.detect_anomaly():
            pass
        thread = threading.Thread(target=lambda: results.append(tinynet.tensor([0.0]).log()))
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="log made -inf"):
            tinynet.tensor([0.0]).log()
    assert results[0].isinf().all()
    tinynet.tensor([0.0]).log()
    assert tinynet.autograd.anomaly.watching == 0


def test_it_keeps_nothing_alive():
    gc.collect()
    gc.disable()
    try:
        import weakref

        with tinynet.detect_anomaly():
            model = Outer()
            y = model.first(tinynet.ones(1, 3)).sum()
            seen = weakref.ref(y), weakref.ref(model)
            y.backward()
            del y, model
        assert [ref() for ref in seen] == [None, None]
    finally:
        gc.enable()


def usual_programs():
    """Nets and losses on ordinary numbers, in which nothing must be found, forward or backward."""
    x = tinynet.randn(4, 3, 8, 8)
    target = tinynet.tensor([0, 1, 2, 3])
    for activation in (
        nn.ReLU(),
        nn.GELU(),
        nn.SiLU(),
        nn.Softplus(),
        nn.Tanh(),
        nn.ELU(),
        nn.LeakyReLU(),
        nn.Sigmoid(),
    ):
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            activation,
            nn.MaxPool2d(2),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(64, 5),
        )
        yield lambda net=net: F.cross_entropy(net(x), target)
    scores = tinynet.randn(4, 5, requires_grad=True)
    zeros = tinynet.zeros(4, 5)
    distribution = F.softmax(tinynet.randn(4, 5), 1) * (tinynet.rand(4, 5) > 0.5)
    yield lambda: F.binary_cross_entropy_with_logits(scores * 100, zeros)
    yield lambda: F.binary_cross_entropy(F.sigmoid(scores), zeros)
    yield lambda: F.kl_div(F.log_softmax(scores, 1), distribution, reduction="sum")
    yield lambda: F.cross_entropy(scores * 1e4, target, label_smoothing=0.1)
    yield lambda: (scores * 0).norm() + scores.norm(p=1)
    yield (
        lambda: (
            F.smooth_l1_loss(scores, zeros) + F.huber_loss(scores, zeros) + F.l1_loss(scores, zeros)
        )
    )
    yield (
        lambda: (
            scores.logsumexp(1).sum()
            + scores.var()
            + scores.max()
            + scores.amin(1).sum()
            + scores.std(0).sum()
        )
    )
    yield lambda: F.cosine_similarity(scores, zeros).sum() + F.normalize(scores * 0).sum()
    yield lambda: (scores.clamp(0, 1) ** 2).sum() + (scores.abs() ** 0.5).sum()


@pytest.mark.parametrize("number", range(17))
def test_nothing_is_found_where_nothing_is_wrong(number):
    tinynet.manual_seed(number)
    loss = list(usual_programs())[number]
    with tinynet.detect_anomaly():
        loss().backward()


def test_all_usual_programs_are_run():
    assert len(list(usual_programs())) == 17


def test_outside_a_block_nothing_is_checked(monkeypatch):
    def fail(*args):
        raise AssertionError("looked at outside anomaly mode")

    for name in ("check_result", "checksum", "_origin", "_wrong"):
        monkeypatch.setattr(tinynet.autograd.anomaly, name, fail)
    x = tinynet.tensor(0.0, requires_grad=True)
    x.sqrt().backward()
    assert x.grad.isinf()


# ------------------------------------------------------------------------- writes through numpy
# arrays


def _by_numpy(x):
    x.numpy()[0] = 7


def _by_asarray(x):
    np.asarray(x)[0] = 7


def _by_detach(x):
    x.detach().numpy()[0] = 7


def _by_view(x):
    x[:1].numpy()[0] = 7


def _by_dlpack(x):
    np.from_dlpack(x)[0] = 7


def _by_force(x):
    x.numpy(force=True)[0] = 7


def _twice(x):
    x.numpy()[0] = 7
    x.numpy()


WAYS = [_by_numpy, _by_asarray, _by_detach, _by_view, _by_force, _twice]
MESSAGE = (
    r"mul needs its input 'b', a float32 tensor of shape \(3,\), "
    "but the values were changed since through a numpy array"
)


@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize("exported_before", [False, True])
def test_a_write_through_numpy_is_caught(write, exported_before):
    w = tinynet.ones(3, requires_grad=True)
    x = tinynet.tensor([1.0, 2.0, 3.0])
    if exported_before:
        x.numpy()
    with tinynet.detect_anomaly():
        y = (w * x).sum()
    write(x)
    with pytest.raises(RuntimeError, match=MESSAGE):
        y.backward()


def test_outside_a_block_a_write_through_numpy_is_not_noticed():
    w, x = tinynet.ones(3, requires_grad=True), tinynet.tensor([1.0, 2.0, 3.0])
    y = (w * x).sum()
    x.numpy()[0] = 7
    y.backward()
    assert w.grad.tolist() == [7, 2, 3]


def test_a_write_into_the_array_given_to_from_numpy_is_caught():
    w = tinynet.ones(3, requires_grad=True)
    array = np.ones((4, 3), np.float32)
    for x in (  # each shares the memory of `array`
        tinynet.from_numpy(array)[1],
        tinynet.as_tensor(array)[1],
        tinynet.from_dlpack(array)[1],
    ):
        with tinynet.detect_anomaly():
            y = (w * x).sum()
        array[1] += 1
        with pytest.raises(RuntimeError, match=MESSAGE):
            y.backward()


def test_a_write_into_a_result_is_caught():
    w = tinynet.ones(3, requires_grad=True)
    with tinynet.detect_anomaly():
        y = w.exp()
        z = y.sum()
    y.detach().numpy()[:] = 0
    with pytest.raises(RuntimeError, match="exp needs its result"):
        z.backward()


@tinynet.detect_anomaly()
def test_a_write_elsewhere_or_of_what_nobody_needs_is_no_error():
    w = tinynet.ones(3, requires_grad=True)
    array = np.ones((4, 3), np.float32)
    y = (w * tinynet.from_numpy(array)[1]).sum()
    array[2] = 5
    y.backward()
    x = tinynet.ones(3)
    y = (w + x).sum()
    x.numpy()[:] = 5
    y.backward()
    x = tinynet.ones(3)
    x.numpy()[:] = 5
    w.grad = None
    (w * x).sum().backward()
    assert w.grad.tolist() == [5, 5, 5]


def test_memory_is_still_shared_both_ways():
    x = tinynet.zeros(3)
    array = x.numpy()
    array[0] = 1
    x[1] = 2
    assert x.tolist() == [1, 2, 0] == array.tolist()
    array.flags.writeable = False  # changes the array, not the tensor
    x[2] = 3
    assert array.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "loss_and_indices",
    [
        lambda x, i: (F.cross_entropy(x, i), i),
        lambda x, i: (F.nll_loss(x, i), i),
        lambda x, i: (x[i].sum(), i),
        lambda x, i: (x.index_select(0, i).square().sum(), i),
        lambda x, i: (x.gather(1, i[:, None]).sum(), i),
        lambda x, i: (x.max(1).values.sum(), None),
    ],
)
def test_changing_indices_afterwards_changes_no_gradient(loss_and_indices):
    start = tinynet.tensor([[1.0, 5.0, 2.0], [3.0, 0.0, 1.0]])

    def gradient(change):
        x, i = start.clone().requires_grad_(), tinynet.tensor([0, 1])
        loss, indices = loss_and_indices(x, i)
        if change and indices is not None:
            indices[:] = 1 - indices
        loss.backward()
        return x.grad.tolist()

    assert gradient(True) == gradient(False)


def test_changing_the_indices_of_max_changes_no_gradient():
    x = tinynet.tensor([[1.0, 5.0, 2.0]], requires_grad=True)
    values, found = x.max(1)
    found.zero_()
    values.sum().backward()
    assert x.grad.tolist() == [[0, 1, 0]]
    image = tinynet.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
    values, found = F.max_pool2d(image, 2, return_indices=True)
    found.zero_()
    values.sum().backward()
    assert image.grad.sum() == 4
    assert image.grad[0, 0, 1, 1] == 1


def test_no_context_leaks():
    assert contextvars.copy_context().get(tinynet.autograd.anomaly._mode, 0) == 0
    assert "tinynet.autograd.anomaly" in sys.modules
