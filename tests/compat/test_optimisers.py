"""Optimisers and schedules of `tinynet/compat`, beside PyTorch and beside recorded steps."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinynet
from tinynet.compat import averaged

STEPS = 12


def descend(T, name, **options):
    """The weights after each of some steps down a curved valley, whose loss is far from flat."""
    w = T.tensor([1.0, -2.0, 0.5], dtype=T.float64, requires_grad=True)
    v = T.tensor([[0.3, -0.7]], dtype=T.float64, requires_grad=True)
    scale = T.tensor([1.0, 3.0, 0.2], dtype=T.float64)
    optimizer = getattr(T.optim, name)([w, v], **options)
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = (scale * w * w).sum() + (v**4).sum() + (w[:2] * v[0]).sum().sin()
        loss.backward()
        return loss

    for _ in range(STEPS):
        optimizer.step(closure)
        seen.append([*w.tolist(), *v[0].tolist()])
    return seen


# the options, and PyTorch's weights after the last step
OPTIMISERS = [
    ("Adadelta", {},
     [0.959414, -1.95932, 0.460238, 0.254403, -0.658438]),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 0.0001, "weight_decay": 0.1},
     [0.86271, -1.861085, 0.370289, 0.073313, -0.549196]),
    ("Adamax", {"lr": 0.1},
     [0.100849, -0.961688, -0.11431, -0.343441, 0.384951]),
    ("Adamax", {"betas": (0.5, 0.8), "eps": 0.001, "weight_decay": 0.1, "maximize": True},
     [1.023959, -2.023984, 0.523773, 0.277573, -0.723919]),
    ("NAdam", {"lr": 0.1},
     [0.276679, -1.109942, -0.03499, -0.442314, 0.306034]),
    ("NAdam", {"betas": (0.5, 0.8), "eps": 0.001, "weight_decay": 0.1, "momentum_decay": 0.1},
     [0.975864, -1.975844, 0.476078, 0.271619, -0.675682]),
    ("RAdam", {"lr": 0.1},
     [0.127013, 0.958045, 0.374887, 0.104329, -0.299726]),
    ("RAdam", {"betas": (0.5, 0.8), "eps": 0.001, "weight_decay": 0.1, "maximize": True},
     [1.014981, -2.074803, 0.504687, 0.29546, -0.709807]),
    ("Rprop", {},
     [0.604195, -1.604195, 0.104195, 0.180207, -0.304195]),
    ("Rprop", {"lr": 0.3, "etas": (0.4, 1.5), "step_sizes": (0.01, 0.5)},
     [-0.13, 0.05, 0.092, 0.28272, -0.292]),
    ("Rprop", {"lr": 0.1, "maximize": True},
     [4.95805, -5.95805, 4.45805, -3.65805, -4.65805]),
    ("LBFGS", {},
     [0.175941, 0.03386, 7e-06, -0.352713, -0.203637]),
    ("LBFGS", {"lr": 0.3, "max_iter": 4, "history_size": 3},
     [0.175937, -0.03386, -4.8e-05, -0.352714, 0.203657]),
    ("LBFGS", {"lr": 0.1, "max_iter": 7, "max_eval": 5, "tolerance_grad": 0.001},
     [0.188233, -0.050337, 0.02991, -0.365714, 0.246667]),
]


@pytest.mark.parametrize(("name", "options", "end"), OPTIMISERS)
def test_recorded_steps(name, options, end):
    assert descend(tinynet, name, **options)[-1] == pytest.approx(end, abs=2e-6)


@pytest.mark.parametrize(("name", "options", "_"), OPTIMISERS)
def test_pytorchs_steps(name, options, _, torch):
    ours, theirs = descend(tinynet, name, **options), descend(torch, name, **options)
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-9)


def rates(T, make, steps=17, optimizer="SGD", **options):
    """The rates and momenta of two groups, epoch by epoch."""
    groups = [{"params": [T.ones(1, requires_grad=True)], "lr": lr} for lr in (0.5, 0.2)]
    optimizer = getattr(T.optim, optimizer)(groups, lr=0.1, **options)
    scheduler = make(T.optim.lr_scheduler, optimizer)
    seen = []
    for epoch in range(steps):
        seen += [g[name] for g in optimizer.param_groups for name in ("lr", *options)]
        optimizer.step()
        scheduler.step(*([epoch / 3] if make is warm_restarts_at else ()))
    return seen, scheduler.get_last_lr()


def warm_restarts_at(S, o):
    return S.CosineAnnealingWarmRestarts(o, 2, 2, 0.01)


SCHEDULES = [
    (lambda S, o: S.MultiplicativeLR(o, lambda e: 0.9 if e % 2 else 1.05), {},
     [0.286198, 0.114479]),
    (lambda S, o: S.PolynomialLR(o, 7, 2.0), {},
     [0.0, 0.0]),
    (lambda S, o: S.CosineAnnealingWarmRestarts(o, 3, 2, 0.01), {},
     [0.1325, 0.0575]),
    (warm_restarts_at, {},
     [0.042824, 0.022728]),
    (lambda S, o: S.CyclicLR(o, 0.1, 0.9, 3, cycle_momentum=False), {},
     [0.366667, 0.366667]),
    (lambda S, o: S.CyclicLR(o, 0.1, [0.9, 0.5], 2, 4, "triangular2"), {"momentum": 0.9},
     [0.15, 0.125]),
    (lambda S, o: S.CyclicLR(o, 0.1, 0.9, 3, 2, "exp_range", 0.9), {"momentum": 0.9},
     [0.188945, 0.188945]),
    (lambda S, o: S.CyclicLR(o, 0.1, 0.9, 3, scale_fn=lambda x: 1 / x), {"momentum": 0.5},
     [0.188889, 0.188889]),
    (lambda S, o: S.ChainedScheduler([S.StepLR(o, 4), S.ExponentialLR(o, 0.9)]), {},
     [8e-06, 3e-06]),
    (lambda S, o: S.ConstantLR(o, 0.5, 3), {},
     [0.5, 0.2]),
]


@pytest.mark.parametrize(("make", "options", "_"), SCHEDULES)
def test_pytorchs_rates(make, options, _, torch):
    ours, theirs = rates(tinynet, make, **options), rates(torch, make, **options)
    assert ours[0] == pytest.approx(theirs[0]) and ours[1] == pytest.approx(theirs[1])


@pytest.mark.parametrize(("make", "options", "last"), SCHEDULES)
def test_recorded_rates(make, options, last):
    assert rates(tinynet, make, **options)[1] == pytest.approx(last, abs=1e-6)


@pytest.mark.parametrize(("make", "options", "_"), SCHEDULES[:5] + SCHEDULES[6:])  # one group
def test_a_schedule_goes_on_where_it_was(make, options, _):
    def new():
        weights = [tinynet.ones(1, requires_grad=True)]
        optimizer = tinynet.optim.SGD(weights, lr=0.5, **options)
        return optimizer, make(tinynet.optim.lr_scheduler, optimizer)

    optimizer, scheduler = new()
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    other, resumed = new()
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(scheduler.state_dict())
    for s in (scheduler, resumed):
        s.optimizer.step()
        s.step()
    assert scheduler.get_last_lr() == resumed.get_last_lr()


@pytest.mark.parametrize("make", [
    lambda S, o: S.StepLR(o, 3), lambda S, o: S.ExponentialLR(o, 0.9),
    lambda S, o: S.LambdaLR(o, lambda e: 1 / (e + 1)), lambda S, o: S.CosineAnnealingLR(o, 5),
    lambda S, o: S.MultiStepLR(o, [2, 4]), lambda S, o: S.PolynomialLR(o, 7),
])  # fmt: skip
def test_step_to_an_epoch(make, torch):
    def run(T):
        optimizer = T.optim.SGD([T.ones(1, requires_grad=True)], lr=0.5)
        scheduler, seen = make(T.optim.lr_scheduler, optimizer), []
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (0, 1, 2, 5, 3):
                scheduler.step(epoch)
                seen.append(scheduler.get_last_lr()[0])
        return seen

    assert run(tinynet) == pytest.approx(run(torch))


def test_step_to_an_epoch_warns():
    optimizer = tinynet.optim.SGD([tinynet.ones(1)], lr=0.5)
    scheduler = tinynet.optim.lr_scheduler.StepLR(optimizer, 3)
    optimizer.step()
    with pytest.warns(UserWarning, match="step: epoch is deprecated"):
        scheduler.step(7)
    assert scheduler.get_last_lr() == pytest.approx([0.005])
    assert isinstance(scheduler, tinynet.optim.lr_scheduler._LRScheduler)


def averages(T):
    return averaged if T is tinynet else T.optim.swa_utils


# how the rates go to those of averaging, and PyTorch's after 17 epochs
ANNEALED = [((0.05,), [0.05, 0.05]), (([0.05, 0.3], 40, "linear"), [0.30875, 0.2425]),
            ((0.05, 0), [0.05, 0.05])]  # fmt: skip


@pytest.mark.parametrize(("arguments", "last"), ANNEALED)
def test_recorded_rates_of_averaging(arguments, last):
    seen = rates(tinynet, lambda S, o: averaged.SWALR(o, *arguments))
    assert seen[1] == pytest.approx(last)


@pytest.mark.parametrize(("arguments", "_"), ANNEALED)
def test_pytorchs_rates_of_averaging(arguments, _, torch):
    ours, theirs = (rates(T, lambda S, o, T=T: averages(T).SWALR(o, *arguments))
                    for T in (tinynet, torch))
    assert ours[0] == pytest.approx(theirs[0])


def averaged_weights(T, make):
    """The state of an average over four models, before and after its batch norm is updated."""
    model = T.nn.Sequential(T.nn.Linear(3, 2), T.nn.BatchNorm1d(2))
    with T.no_grad():
        for p in model.parameters():
            p.copy_(T.arange(float(p.numel())).reshape(p.shape) / 7)
    average = averages(T).AveragedModel(model, **make(averages(T)))
    batches = [T.arange(15.0).reshape(5, 3) * (k + 1) % 4 for k in range(4)]
    for x in batches:
        with T.no_grad():
            for p in model.parameters():
                p.mul_(1.3).add_(0.1)
        model(x)
        average.update_parameters(model)
    average.eval()
    seen = {name: v.tolist() for name, v in average.state_dict().items()}
    averages(T).update_bn([(x, 0) for x in batches], average)
    assert not average.training and average.module[1].momentum == 0.1
    return seen, {name: v.tolist() for name, v in average.state_dict().items()}


AVERAGES = [lambda A: {}, lambda A: {"use_buffers": True},
            lambda A: {"avg_fn": A.get_ema_avg_fn(0.6)},
            lambda A: {"multi_avg_fn": A.get_ema_multi_avg_fn(0.7)},
            lambda A: {"multi_avg_fn": A.get_swa_multi_avg_fn()}]  # fmt: skip


@pytest.mark.parametrize("make", AVERAGES)
def test_pytorchs_averages(make, torch):
    for ours, theirs in zip(averaged_weights(tinynet, make), averaged_weights(torch, make),
                            strict=True):  # fmt: skip
        assert [*ours] == [*theirs]
        for name, values in theirs.items():
            np.testing.assert_allclose(ours[name], values, rtol=1e-5, atol=1e-6)


def test_averages_are_where_pytorch_has_them():
    from tinynet.optim.swa_utils import AveragedModel

    assert tinynet.optim.swa_utils.AveragedModel is AveragedModel is averaged.AveragedModel


def test_averages_are_means_of_the_weights():
    model = tinynet.nn.Linear(1, 1)
    average, seen = averaged.AveragedModel(model), []
    for value in (1.0, 4.0, 7.0):
        tinynet.nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        seen.append(average.module.weight.item())
    assert seen == [1.0, 2.5, 4.0] and average.n_averaged.item() == 3
    assert average(tinynet.ones(1, 1)).item() == pytest.approx(4.0 + average.module.bias.item())


REFUSALS = [
    (lambda o: tinynet.optim.Rprop([tinynet.ones(1)], etas=(0.5, 0.9)), ValueError,
     "Rprop: etas must be two numbers in order, one below and one above 1"),
    (lambda o: tinynet.optim.Rprop([tinynet.ones(1)], step_sizes=(1, 2, 3)), ValueError,
     "Rprop: step_sizes must be two numbers in order; got"),
    (lambda o: averaged.AveragedModel(tinynet.nn.ReLU(), avg_fn=max, multi_avg_fn=max), ValueError,
     "AveragedModel: give avg_fn or multi_avg_fn, not both"),
    (lambda o: averaged.SWALR(o, 0.1, anneal_strategy="step"), ValueError, "SWALR: anneal_str"),
    (lambda o: tinynet.optim.SGD([tinynet.ones(1)], learning_rate=1), TypeError, "SGD: .*mean lr"),
    (lambda o: tinynet.optim.Adadelta([tinynet.ones(1)], rho=2), ValueError, "Adadelta: rho must"),
    (lambda o: tinynet.optim.LBFGS([tinynet.ones(1)], line_search_fn="strong_wolfe"), ValueError,
     "LBFGS: there is no line search"),
    (lambda o: tinynet.optim.LBFGS([{"params": [tinynet.ones(1)]}, {"params": [tinynet.ones(1)]}]),
     ValueError, "LBFGS: all parameters must be in one group"),
    (lambda o: tinynet.optim.lr_scheduler.CyclicLR(
        tinynet.optim.Adadelta([tinynet.ones(1)]), 0.1, 1), ValueError, "CyclicLR: .*=False"),
    (lambda o: tinynet.optim.lr_scheduler.ChainedScheduler([]), ValueError, "ChainedScheduler: "),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "words"), REFUSALS)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make(tinynet.optim.SGD([tinynet.ones(1)], lr=0.5))


def test_a_group_may_have_what_an_optimiser_around_another_keeps_there():
    """SAM makes its base optimiser of its own groups, which have its option `rho`."""
    w = tinynet.ones(2, requires_grad=True)
    tinynet.optim.Adadelta([w])
    base = tinynet.optim.SGD([{"params": [w], "rho": 0.05, "adaptive": False}], lr=0.5)
    w.grad = tinynet.ones(2)
    base.step()
    assert base.param_groups[0]["rho"] == 0.05 and w.tolist() == [0.5, 0.5]


def test_momenta_to_cycle_are_in_the_groups():
    optimizer = tinynet.optim.SGD([tinynet.ones(1)], lr=0.5, momentum=0.9)
    tinynet.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, base_momentum=0.7, max_momentum=0.95)
    (group,) = optimizer.param_groups
    assert (group["base_momentum"], group["max_momentum"], group["momentum"]) == (0.7, 0.95, 0.95)
