"""Memory after 200 training steps is that after 20, without the help of the garbage collector."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim


class Training:
    def __init__(self):
        tinynet.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(100, 10))
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-3)
        self.x, self.y = tinynet.randn(8, 1, 12, 12), tinynet.randint(0, 10, (8,))
        self.losses = []

    def step(self):
        loss = F.cross_entropy(self.model(self.x), self.y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def step_and_note_the_number(self):
        self.losses = [*self.losses[-10:], self.step().item()]

    def step_and_keep_the_loss(self):
        self.losses.append(self.step())

    def step_that_fails_in_backward(self):
        loss = F.cross_entropy(self.model(self.x), self.y)
        poisoned = (loss * 0).sqrt()
        with tinynet.detect_anomaly(), pytest.raises(RuntimeError, match="detect_anomaly"):
            poisoned.backward()

    def step_that_is_refused(self):
        y = self.model(self.x)
        z = y.exp()
        z.mul_(2)
        with pytest.raises(RuntimeError, match="changed that in place"):
            z.sum().backward()

    def step_in_which_an_own_operation_raises(self):
        def fail(g):
            raise LookupError

        broken = tinynet.autograd.Primitive(lambda xp, a: a * 1, name="broken")
        broken.derivatives(a=fail)
        with pytest.raises(LookupError):
            broken(self.model(self.x)).sum().backward()

    def second_order_step(self):
        w = self.model[5].weight
        (g,) = tinynet.grad(self.model[5](tinynet.ones(2, 100)).square().sum(), w, create_graph=True)
        g.square().sum().backward()
        self.optimizer.zero_grad()


def growth(step):
    """Bytes that 180 steps more than 20 take, and how many objects only the collector could free."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(20):
            step()
        cycles = gc.collect()  # also empties the interpreter's stocks of tuples and frames, which fill up slowly
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(180):
            step()
        cycles = gc.collect()
        return tracemalloc.get_traced_memory()[0] - before, cycles
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize("kind", ["step", "step_and_note_the_number", "second_order_step"])
def test_steps_leave_nothing(kind):
    bytes_more, cycles = growth(getattr(Training(), kind))
    assert bytes_more < 5000
    assert cycles == 0


@pytest.mark.parametrize("kind", ["step_that_fails_in_backward", "step_that_is_refused", "step_in_which_an_own_operation_raises"])
def test_failures_leave_nothing(kind):
    # an exception's traceback and pytest's record of it are cycles of Python's own
    assert growth(getattr(Training(), kind))[0] < 60_000  # 180 times the activations of a step are two million


def test_a_kept_loss_keeps_its_graph_but_not_its_arrays():
    """The mistake of appending the loss and not loss.item(): nodes pile up, the activations don't."""
    training = Training()
    bytes_more, _ = growth(training.step_and_keep_the_loss)
    activations = 8 * 4 * 10 * 10 * 4  # of the first layer alone, in bytes
    assert 180 * 500 < bytes_more < 180 * activations
