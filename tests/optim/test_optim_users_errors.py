"""Errors raised by the user's own code pass through optimisers and schedulers unchanged."""

from __future__ import annotations

import pytest

import tinynet
from tinynet.optim import SGD, Adam, lr_scheduler

every_kind = pytest.mark.parametrize("kind", [ValueError, TypeError, RuntimeError, KeyError])


def raising(error, *items):
    """A generator that yields the items and then raises."""
    yield from items
    raise error


def a_parameter():
    return tinynet.ones(1, requires_grad=True)


def an_optimizer():
    return SGD([a_parameter()], lr=0.5)


class Raises:
    """An object whose every use that a test makes raises the error."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *arguments):
        raise self.error

    __iter__ = __float__ = __call__


class Descends(tinynet.optim.Optimizer):
    """A user's optimiser whose update raises the error."""

    def __init__(self, params, error):
        super().__init__(params, {"error": error})

    def _update(self, xp, p, g, state, *, error):
        raise error


class Schedules(lr_scheduler.LRScheduler):
    """A user's scheduler whose rates raise the error."""

    def __init__(self, optimizer, error):
        self.error = error
        super().__init__(optimizer)

    def get_lr(self):
        raise self.error


class Nag(SGD):
    """A user's optimiser whose own checks raise the error."""

    def __init__(self, params, error):
        super().__init__(params, lr=0.1)
        raise error


def step_of(optimizer):
    optimizer.param_groups[0]["params"][0].grad = tinynet.ones(1)
    optimizer.step()


USES = {
    "closure": lambda error: an_optimizer().step(Raises(error)),
    "generator of parameters": lambda error: SGD(raising(error, a_parameter())),
    "iterable of parameters": lambda error: Adam(Raises(error)),
    "generator of groups": lambda error: SGD(raising(error, {"params": [a_parameter()]})),
    "parameters of a group": lambda error: SGD([{"params": raising(error, a_parameter())}]),
    "add_param_group": lambda error: an_optimizer().add_param_group({"params": raising(error)}),
    "update": lambda error: step_of(Descends([a_parameter()], error)),
    "subclass": lambda error: Nag([a_parameter()], error),
    "LambdaLR": lambda error: lr_scheduler.LambdaLR(an_optimizer(), Raises(error)),
    "get_lr": lambda error: Schedules(an_optimizer(), error),
    "MultiStepLR": lambda error: lr_scheduler.MultiStepLR(an_optimizer(), raising(error, 1, 2)),
    "MultiStepLR, iter": lambda error: lr_scheduler.MultiStepLR(an_optimizer(), Raises(error)),
    "schedulers": lambda error: lr_scheduler.SequentialLR(an_optimizer(), raising(error), []),
    "SequentialLR": lambda error: lr_scheduler.SequentialLR(an_optimizer(), [], raising(error, 1)),
    "metrics": lambda error: lr_scheduler.ReduceLROnPlateau(an_optimizer()).step(Raises(error)),
}


@every_kind
@pytest.mark.parametrize("use", USES)
def test_the_same_error_arrives(use, kind):
    error = kind("disk7: the key 'width' is missing", 7)
    with pytest.raises(kind) as caught:
        USES[use](error)
    assert caught.value is error
    assert error.args == ("disk7: the key 'width' is missing", 7)
    assert error.__cause__ is None
    assert not getattr(error, "__notes__", [])


@every_kind
def test_a_function_of_the_epoch_that_fails_later(kind):
    error = kind("epoch: too late")

    def rate(epoch):
        if epoch == 2:
            raise error
        return 0.5

    optimizer = an_optimizer()
    scheduler = lr_scheduler.LambdaLR(optimizer, rate)
    optimizer.step()
    scheduler.step()
    with pytest.raises(kind) as caught:
        scheduler.step()
    assert caught.value is error
    assert error.args == ("epoch: too late",)
