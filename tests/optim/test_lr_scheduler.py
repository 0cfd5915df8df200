"""Learning-rate schedulers: their values, saving and resuming, and what is refused.

Values are compared with PyTorch's: with recorded ones and, if it is installed, with its own.
"""

from __future__ import annotations

import copy
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet.optim import SGD, Adagrad, Adam, AdamW, RMSprop, lr_scheduler

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(
    torch is None, reason="PyTorch is not installed; its recorded values are tested instead"
)


def make_optimizer(kind=SGD, lrs=(0.8, 0.1), library=tinynet, **options):
    """An optimiser of tinynet or PyTorch with one group for each of `lrs`."""
    kind = kind if library is tinynet else getattr(torch.optim, kind.__name__)
    return kind([{"params": [library.ones(1)], "lr": lr} for lr in lrs], **options)


def make(name, args, options, optimizer):
    """The scheduler of that name, from the library that the optimiser is from."""
    module = (
        lr_scheduler if isinstance(optimizer, tinynet.optim.Optimizer) else torch.optim.lr_scheduler
    )
    return getattr(module, name)(optimizer, *args, **options)


def look(optimizer):
    """All that schedulers set."""
    return [
        [g["lr"], g.get("momentum", 0.0), g.get("betas", (0.0, 0.0))[0]]
        for g in optimizer.param_groups
    ]


def run(optimizer, schedulers, epochs):
    """What the schedulers set in each epoch, from the present one on.

    Each epoch steps every scheduler.
    """
    seen = []
    for _ in range(epochs):
        seen.append(look(optimizer))
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return np.array(seen)


# ------------------------------------------------------------------------------------------- values

# PyTorch 2.13: the rates of two groups, at first 0.8 and 0.1, in 8 epochs. OneCycleLR has a third
# column, the momentum of the first group.
RECORDED = [
    (
        "LambdaLR", (lambda epoch: 1 / (1 + epoch),), {},
        [[0.8, 0.1], [0.4, 0.05], [0.266666666667, 0.0333333333333], [0.2, 0.025], [0.16, 0.02],
         [0.133333333333, 0.0166666666667], [0.114285714286, 0.0142857142857], [0.1, 0.0125]],
    ),
    (
        "StepLR", (3, 0.5), {},
        [[0.8, 0.1], [0.8, 0.1], [0.8, 0.1], [0.4, 0.05], [0.4, 0.05], [0.4, 0.05], [0.2, 0.025],
         [0.2, 0.025]],
    ),
    (
        "MultiStepLR", ([2, 5, 5], 0.5), {},
        [[0.8, 0.1], [0.8, 0.1], [0.4, 0.05], [0.4, 0.05], [0.4, 0.05], [0.1, 0.0125],
         [0.1, 0.0125], [0.1, 0.0125]],
    ),
    (
        "ExponentialLR", (0.5,), {},
        [[0.8, 0.1], [0.4, 0.05], [0.2, 0.025], [0.1, 0.0125], [0.05, 0.00625], [0.025, 0.003125],
         [0.0125, 0.0015625], [0.00625, 0.00078125]],
    ),
    (
        "LinearLR", (0.25, 0.75, 4), {},
        [[0.2, 0.025], [0.3, 0.0375], [0.4, 0.05], [0.5, 0.0625], [0.6, 0.075], [0.6, 0.075],
         [0.6, 0.075], [0.6, 0.075]],
    ),
    (
        "CosineAnnealingLR", (3, 0.01), {},
        [[0.8, 0.1], [0.6025, 0.0775], [0.2075, 0.0325], [0.01, 0.01], [0.2075, 0.0325],
         [0.6025, 0.0775], [0.8, 0.1], [0.6025, 0.0775]],
    ),
    (
        "OneCycleLR", (1.0, 8), {},
        [[0.04, 0.04, 0.95], [0.819275104892, 0.819275104892, 0.868825509907],
         [0.971941777388, 0.971941777388, 0.852805833485],
         [0.81174565395, 0.81174565395, 0.868825509907],
         [0.555984014123, 0.555984014123, 0.894401776195],
         [0.283060998209, 0.283060998209, 0.921694186956],
         [0.0766415938343, 0.0766415938343, 0.942336209961], [4e-06, 4e-06, 0.95]],
    ),
    (
        "OneCycleLR", ([1.0, 2.0],),
        {"epochs": 4, "steps_per_epoch": 2, "pct_start": 0.4, "anneal_strategy": "linear",
         "base_momentum": 0.5, "max_momentum": 0.75, "div_factor": 4, "final_div_factor": 10,
         "three_phase": True},
        [[0.25, 0.5, 0.75], [0.590909090909, 1.18181818182, 0.636363636364],
         [0.931818181818, 1.86363636364, 0.522727272727],
         [0.727272727273, 1.45454545455, 0.590909090909],
         [0.386363636364, 0.772727272727, 0.704545454545],
         [0.198076923077, 0.396153846154, 0.75], [0.111538461538, 0.223076923077, 0.75],
         [0.025, 0.05, 0.75]],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options", "expected"), RECORDED)
def test_recorded_values(name, args, options, expected):
    optimizer = make_optimizer(momentum=0.9)
    seen = run(optimizer, [make(name, args, options, optimizer)], 8)
    np.testing.assert_allclose(seen[:, :, 0], [row[:2] for row in expected], rtol=1e-10)
    if name == "OneCycleLR":
        np.testing.assert_allclose(seen[:, 0, 1], [row[2] for row in expected], rtol=1e-10)


SCHEDULERS = [
    ("LambdaLR", (lambda epoch: 0.95**epoch,), {}),
    ("LambdaLR", ([lambda epoch: 1 / (1 + epoch), lambda epoch: math.exp(-epoch)],), {}),
    ("StepLR", (7,), {"gamma": 0.5}),
    ("MultiStepLR", ([30, 4, 11, 11], 0.3), {}),
    ("MultiStepLR", ([0, 3], 0.3), {}),
    ("ExponentialLR", (0.9,), {}),
    ("LinearLR", (), {}),
    ("LinearLR", (1.0, 0.0, 20), {}),
    ("CosineAnnealingLR", (50,), {}),
    ("CosineAnnealingLR", (7, 0.01), {}),
    ("CosineAnnealingLR", (1,), {}),
    ("CosineAnnealingLR", (7.5,), {}),
    ("OneCycleLR", (1.0, 50), {}),
    (
        "OneCycleLR",
        ([1.0, 0.3],),
        {"epochs": 11, "steps_per_epoch": 5, "pct_start": 0.25, "anneal_strategy": "linear"},
    ),
    (
        "OneCycleLR",
        (1.0, 50),
        {"three_phase": True, "pct_start": 0.4, "base_momentum": [0.6, 0.7], "max_momentum": 0.9},
    ),
    (
        "OneCycleLR",
        (1.0, 60),
        {"cycle_momentum": False, "div_factor": 7.0, "final_div_factor": 3.0, "pct_start": 0.0},
    ),
]
# OneCycleLR ignores the present rates. In PyTorch a rate that another scheduler brought below
# eta_min goes below 0.
CHAINABLE = [
    s for s in SCHEDULERS if s[0] != "OneCycleLR" and s[:2] != ("CosineAnnealingLR", (7, 0.01))
]
every_scheduler = pytest.mark.parametrize(("name", "args", "options"), SCHEDULERS)


@needs_torch
@pytest.mark.parametrize(
    ("kind", "settings_"), [(SGD, {"momentum": 0.9}), (AdamW, {"betas": (0.8, 0.99)})]
)
@every_scheduler
def test_fifty_epochs_beside_pytorch(name, args, options, kind, settings_):
    seen = []
    for library in (tinynet, torch):
        optimizer = make_optimizer(kind, library=library, **settings_)
        scheduler = make(name, args, options, optimizer)
        seen.append(run(optimizer, [scheduler], 50))
        assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    np.testing.assert_allclose(*seen, rtol=1e-11, atol=1e-15)


@needs_torch
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CHAINABLE), min_size=2, max_size=3))
def test_chained_beside_pytorch(chosen):
    """Several over one optimiser, each stepped in every epoch."""
    seen = []
    for library in (tinynet, torch):
        optimizer = make_optimizer(library=library)
        seen.append(run(optimizer, [make(*scheduler, optimizer) for scheduler in chosen], 30))
    np.testing.assert_allclose(*seen, rtol=1e-9, atol=1e-13)


SEQUENCE = [
    [0.4, 0.05], [0.533333333333, 0.0666666666667], [0.8, 0.1], [0.4, 0.05], [0.8, 0.1],
    [0.682842712475, 0.0853553390593], [0.4, 0.05], [0.117157287525, 0.0146446609407],
]  # fmt: skip


def test_recorded_sequence():
    """PyTorch 2.13. The first part is cut short, but the others start from the base rates."""
    optimizer = make_optimizer()
    parts = [
        lr_scheduler.LinearLR(optimizer, 0.5, 1.0, 3),
        lr_scheduler.StepLR(optimizer, 1, 0.5),
        lr_scheduler.CosineAnnealingLR(optimizer, 4),
    ]
    seen = run(optimizer, [lr_scheduler.SequentialLR(optimizer, parts, [2, 4])], 8)[:, :, 0]
    np.testing.assert_allclose(seen, SEQUENCE, rtol=1e-11)


@needs_torch
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_sequences_beside_pytorch(data):
    chosen = data.draw(st.lists(st.sampled_from(SCHEDULERS), min_size=1, max_size=4))
    milestones = sorted(
        data.draw(st.lists(st.integers(0, 30), min_size=len(chosen) - 1, max_size=len(chosen) - 1))
    )
    seen = []
    for library in (tinynet, torch):
        optimizer = make_optimizer(momentum=0.9, library=library)
        schedulers = [make(*scheduler, optimizer) for scheduler in chosen]
        sequence = make("SequentialLR", (schedulers, milestones), {}, optimizer)
        seen.append(run(optimizer, [sequence], 40))
        assert sequence.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    np.testing.assert_allclose(*seen, rtol=1e-9, atol=1e-13)


@needs_torch
@settings(max_examples=60, deadline=None)
@given(
    total_steps=st.integers(2, 40),
    pct_start=st.floats(0.0, 1.0),
    anneal_strategy=st.sampled_from(["cos", "linear"]),
    three_phase=st.booleans(),
    div_factor=st.floats(1, 100),
    final_div_factor=st.floats(1, 1e5),
)
def test_one_cycle_beside_pytorch(total_steps, **options):
    seen = []
    for library in (tinynet, torch):
        optimizer = make_optimizer(Adam, library=library)
        try:
            seen.append(
                run(
                    optimizer,
                    [make("OneCycleLR", (0.7, total_steps), options, optimizer)],
                    total_steps,
                )
            )
        except ZeroDivisionError:
            assert library is torch  # a phase without length: PyTorch divides by it
            return
    np.testing.assert_allclose(*seen, rtol=1e-9, atol=1e-13)


def test_one_cycle_with_a_phase_without_length():
    optimizer = make_optimizer(SGD, [0.1], momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, 10, pct_start=0.1)
    assert scheduler.get_last_lr() == [1.0]
    assert run(optimizer, [scheduler], 10)[-1, 0, 0] == pytest.approx(1 / 25e4)
    optimizer = make_optimizer(SGD, [0.1], momentum=0.9)
    assert (
        run(optimizer, [lr_scheduler.OneCycleLR(optimizer, 1.0, 10, pct_start=1.0)], 10)[-1, 0, 0]
        == 1.0
    )


def test_one_cycle_of_betas():
    optimizer = make_optimizer(Adam, betas=(0.5, 0.99))
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, 5)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.99)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[1]["betas"] == (
        pytest.approx(0.85 + 0.05 * (1 - math.cos(math.pi / 7))),
        0.99,
    )


def test_one_cycle_ends():
    optimizer = make_optimizer(momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, 3)
    run(optimizer, [scheduler], 3)
    with pytest.raises(
        ValueError, match="OneCycleLR: this is step 4, but the cycle ends after total_steps=3"
    ):
        scheduler.step()


METRICS = [
    1.0,
    0.9,
    0.9,
    0.9,
    0.8,
    0.81,
    0.82,
    float("nan"),
    0.7999,
    0.79,
    0.9,
    0.9,
    0.9,
    0.9,
    0.9,
    0.5,
    0.5,
    0.5,
    0.5,
    0.4,
    0.4,
    0.4,
]
PLATEAU = [
    {},
    {"mode": "max", "patience": 1, "factor": 0.5},
    {"patience": 0, "threshold": 0.05, "cooldown": 2},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs", "min_lr": 0.01},
    {
        "mode": "max",
        "patience": 2,
        "threshold": 0.3,
        "threshold_mode": "abs",
        "min_lr": [0.5, 0.001],
    },
    {"patience": 0, "factor": 0.9, "eps": 0.02},
    {"patience": 0, "factor": 0.0, "min_lr": 0.3},
]


def test_plateau_recorded():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1)
    seen = []
    for loss in [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]:
        seen.append(optimizer.param_groups[0]["lr"])
        scheduler.step(tinynet.tensor(loss))
    assert seen == [0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2]


@needs_torch
@pytest.mark.parametrize("options", PLATEAU)
def test_plateau_beside_pytorch(options):
    ours, theirs = make_optimizer(), make_optimizer(library=torch)
    schedulers = [make("ReduceLROnPlateau", (), options, optimizer) for optimizer in (ours, theirs)]
    changes = 0
    for sign in (1, -1):
        for metric in METRICS:
            before = look(ours)
            for scheduler in schedulers:
                scheduler.step(sign * metric)
            changes += look(ours) != before
            np.testing.assert_allclose(look(ours), look(theirs), rtol=1e-12)
            assert schedulers[0].get_last_lr() == [group["lr"] for group in ours.param_groups]
            for name in ("last_epoch", "best", "num_bad_epochs", "cooldown_counter"):
                assert getattr(schedulers[0], name) == getattr(schedulers[1], name)
    assert changes


def test_the_first_value_is_the_best_so_far():
    scheduler = lr_scheduler.ReduceLROnPlateau(make_optimizer(), threshold=1.0, patience=0)
    scheduler.step(3.0)  # in PyTorch none is ever better with this threshold
    assert (scheduler.best, scheduler.num_bad_epochs) == (3.0, 0)


def test_plateau_holds_for_groups_that_come_later():
    optimizer = make_optimizer()
    one = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, min_lr=0.3)
    each = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, min_lr=[0.3, 0.3])
    optimizer.add_param_group({"params": [tinynet.ones(1)], "lr": 0.5})
    one.step(1.0)
    one.step(1.0)
    assert one.get_last_lr() == [0.4, 0.1, 0.3]
    each.step(1.0)
    with pytest.raises(
        ValueError,
        match=r"ReduceLROnPlateau\.step: min_lr has 2 values, but the optimiser 3 parameter groups",
    ):
        each.step(1.0)


# ----------------------------------------------------------------------------------------- resuming


def through_json(state):
    return json.loads(json.dumps(state))


RESUMED = [*SCHEDULERS, ("SequentialLR", None, {}), ("ReduceLROnPlateau", (), {"patience": 1})]


@pytest.mark.parametrize(("name", "args", "options"), RESUMED)
def test_resumed_is_the_same_as_never_stopped(name, args, options):
    def fresh():
        optimizer = make_optimizer(momentum=0.9)
        if name == "SequentialLR":
            parts = [
                lr_scheduler.LinearLR(optimizer),
                lr_scheduler.StepLR(optimizer, 4),
                lr_scheduler.ExponentialLR(optimizer, 0.9),
            ]
            return optimizer, lr_scheduler.SequentialLR(optimizer, parts, [8, 15])
        return optimizer, make(name, args, options, optimizer)

    def go_on(optimizer, scheduler, epochs):
        seen = []
        for epoch in epochs:
            seen.append(look(optimizer))
            optimizer.step()
            if name == "ReduceLROnPlateau":
                scheduler.step(METRICS[epoch])
            else:
                scheduler.step()
        return seen

    expected = go_on(*fresh(), range(20))
    for stop in (1, 9):
        optimizer, scheduler = fresh()
        go_on(optimizer, scheduler, range(stop))
        saved = copy.deepcopy(optimizer.state_dict()), through_json(scheduler.state_dict())
        optimizer.step()
        if name != "ReduceLROnPlateau":
            scheduler.step()  # which must not touch what was saved
        optimizer, scheduler = fresh()
        optimizer.load_state_dict(saved[0])
        scheduler.load_state_dict(saved[1])
        assert through_json(scheduler.state_dict()) == saved[1]
        assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
        assert go_on(optimizer, scheduler, range(stop, 20)) == expected[stop:]


@needs_torch
@every_scheduler
@pytest.mark.parametrize("last_epoch", [0, 6, 13])
def test_last_epoch_beside_pytorch(name, args, options, last_epoch):
    """Made anew over an optimiser whose groups are as they were after some epochs."""
    seen = []
    for library in (tinynet, torch):
        first = make_optimizer(momentum=0.9, library=library)
        run(first, [make(name, args, options, first)], last_epoch)
        groups = [{**group, "params": [library.ones(1)]} for group in first.param_groups]
        second = (SGD if library is tinynet else torch.optim.SGD)(groups, momentum=0.9)
        scheduler = make(name, args, {**options, "last_epoch": last_epoch}, second)
        assert scheduler.last_epoch == last_epoch + 1
        seen.append(run(second, [scheduler], 20))
    np.testing.assert_allclose(*seen, rtol=1e-10, atol=1e-14)


# The names in the state dicts of the first release. Files that were saved then must load.
SAVED = {
    "LambdaLR": "lr_lambdas",
    "StepLR": "step_size gamma",
    "MultiStepLR": "milestones gamma",
    "ExponentialLR": "gamma",
    "LinearLR": "start_factor end_factor total_iters",
    "CosineAnnealingLR": "T_max eta_min",
    "OneCycleLR": "total_steps pct_start anneal_strategy three_phase cycle_momentum use_beta1",
}


@every_scheduler
def test_the_names_in_the_state(name, args, options):
    scheduler = make(name, args, options, make_optimizer(momentum=0.9))
    common = {"last_epoch", "base_lrs", "_step_count", "_last_lr"}
    common |= {"_get_lr_called_within_step", "_is_initial"}  # which PyTorch saves
    assert scheduler.state_dict().keys() == common | set(SAVED[name].split())


def test_the_state_of_older_files_and_of_pytorch(torch):
    optimizer = tinynet.optim.SGD([tinynet.ones(1)], 0.1)
    scheduler = lr_scheduler.MultiStepLR(optimizer, [2, 4, 4])
    w = torch.ones(1, requires_grad=True)
    theirs = torch.optim.lr_scheduler.MultiStepLR(torch.optim.SGD([w], 0.1), [3, 5, 5])
    assert scheduler.state_dict().keys() == theirs.state_dict().keys()
    older = {n: v for n, v in scheduler.state_dict().items() if n[:4] not in ("_get", "_is_")}
    for saved in (theirs.state_dict(), {**older, "milestones": [3, 5, 5]}):
        scheduler.load_state_dict(saved)
        assert scheduler.milestones == {3: 1, 5: 2}
        scheduler.load_state_dict(through_json(scheduler.state_dict()))
        assert scheduler.milestones == theirs.milestones
    with pytest.raises(ValueError, match="gamma missing"):
        scheduler.load_state_dict({n: v for n, v in older.items() if n != "gamma"})


def test_the_names_in_the_state_of_the_others():
    optimizer = make_optimizer()
    sequence = lr_scheduler.SequentialLR(optimizer, [lr_scheduler.StepLR(optimizer, 1)], [])
    assert set(sequence.state_dict()) == {"_milestones", "last_epoch", "_last_lr", "_schedulers"}
    plateau = "mode threshold_mode factor patience threshold cooldown min_lr eps last_epoch best"
    counters = {"num_bad_epochs", "cooldown_counter", "_last_lr"}
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer)
    assert scheduler.state_dict().keys() == counters | set(plateau.split())


def test_lambdas_keep_the_attributes_of_objects():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    optimizer = make_optimizer()
    scheduler = lr_scheduler.LambdaLR(optimizer, [Decay(0.5), lambda epoch: 1.0])
    saved = through_json(scheduler.state_dict())
    assert saved["lr_lambdas"] == [{"rate": 0.5}, None]
    decay = Decay(0.1)
    other = lr_scheduler.LambdaLR(make_optimizer(), [decay, math.exp])
    other.load_state_dict(saved)
    assert decay.rate == 0.5


# ----------------------------------------------------------------------------- beside the optimiser


def test_rates_are_plain_floats():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: np.float64(0.5) ** epoch)
    assert {type(lr) for lr in scheduler.get_last_lr()} == {float}
    for other in (scheduler, lr_scheduler.StepLR(optimizer, 2)):
        other.state_dict()["base_lrs"][0] = 7.0
        assert other.base_lrs == [0.8, 0.1]
    scheduler.get_last_lr()[0] = 7.0
    assert scheduler.get_last_lr() == [0.8, 0.1]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.8, 0.1]


def test_a_step_before_the_optimizers_is_warned_of():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(
        UserWarning,
        match=r"StepLR\.step\(\) was called before SGD\.step\(\): the first learning rate",
    ):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()  # once is enough
        optimizer = make_optimizer()
        scheduler = lr_scheduler.StepLR(optimizer, 2)
        optimizer.step()
        scheduler.step()

    class Own(tinynet.optim.Optimizer):
        def step(self, closure=None):
            pass

    scheduler = lr_scheduler.StepLR(Own([tinynet.ones(1)], {"lr": 1.0}), 2)
    scheduler.step()  # whether that one has stepped can't be known: no warning


def test_a_group_that_comes_later():
    optimizer = make_optimizer()
    steps, cosine = (
        lr_scheduler.StepLR(optimizer, 1),
        lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0),
    )
    optimizer.add_param_group({"params": [tinynet.ones(1)], "lr": 0.5})
    optimizer.step()
    steps.step()
    np.testing.assert_allclose(steps.get_last_lr(), [0.08, 0.01, 0.05])
    with pytest.raises(
        RuntimeError,
        match="LambdaLR: there are 2 learning rates for 3 parameter groups; "
        "make the scheduler after",
    ):
        cosine.step()


def test_a_rate_below_zero_does_not_pass_unnoticed():
    optimizer = make_optimizer()
    schedulers = [
        lr_scheduler.CosineAnnealingLR(optimizer, 7, 0.01),
        lr_scheduler.StepLR(optimizer, 7),
    ]
    with pytest.raises(
        ValueError, match=r"SGD\.step: parameter group 1: lr must be at least 0, got -0\.00"
    ):
        run(optimizer, schedulers, 30)


def test_a_scheduler_without_rates():
    with pytest.raises(NotImplementedError, match=r"LRScheduler does not define get_lr\(\)"):
        lr_scheduler.LRScheduler(make_optimizer())


@pytest.mark.parametrize(
    ("name", "args", "error", "message"),
    [
        ("StepLR", (0,), ValueError, "StepLR: step_size must be an int from 1 up, got 0"),
        ("StepLR", (1.5,), TypeError, r"StepLR: step_size must be an int from 1 up, got 1\.5"),
        ("StepLR", (1, -0.1), ValueError, r"StepLR: gamma must be at least 0, got -0\.1"),
        (
            "StepLR",
            (1, 0.1, -2),
            ValueError,
            "StepLR: last_epoch must be an int from -1 up, got -2",
        ),
        (
            "StepLR",
            (1, 0.1, 3),
            ValueError,
            "StepLR: last_epoch=3 resumes, but parameter group 0 has no 'initial_lr'; load",
        ),
        (
            "MultiStepLR",
            ([1, -2],),
            ValueError,
            "MultiStepLR: each of milestones must be an int from 0 up, got -2",
        ),
        ("MultiStepLR", ([1], tinynet.tensor(0.1)), TypeError,
            "MultiStepLR: gamma must be a Python number"),
        (
            "ExponentialLR",
            ("fast",),
            TypeError,
            "ExponentialLR: gamma must be a number, got 'fast'",
        ),
        ("LinearLR", (0.0,), ValueError, "LinearLR: start_factor must be above 0"),
        ("LinearLR", (2.0,), ValueError, r"LinearLR: start_factor must be from 0 to 1, got 2\.0"),
        ("LinearLR", (0.5, 1.5), ValueError, r"LinearLR: end_factor must be from 0 to 1, got 1\.5"),
        (
            "LinearLR",
            (0.5, 1.0, 0),
            ValueError,
            "LinearLR: total_iters must be an int from 1 up, got 0",
        ),
        ("CosineAnnealingLR", (0,), ValueError, "CosineAnnealingLR: T_max must be above 0"),
        ("CosineAnnealingLR", (5, -1), ValueError, "CosineAnnealingLR: eta_min must be at least 0"),
        (
            "LambdaLR",
            (0.5,),
            TypeError,
            r"LambdaLR: lr_lambda must be a function of the epoch, or a list of them, got 0\.5",
        ),
        (
            "LambdaLR",
            ([math.exp],),
            ValueError,
            "LambdaLR: lr_lambda has 1 values, but the optimiser 2 parameter groups",
        ),
        (
            "OneCycleLR",
            (1.0,),
            ValueError,
            "OneCycleLR: got total_steps=None, epochs=None, steps_per_epoch=None; give either",
        ),
        (
            "OneCycleLR",
            (1.0, 10, 2, 5),
            ValueError,
            "OneCycleLR: got total_steps=10, epochs=2, steps_per_epoch=5; give either",
        ),
        (
            "OneCycleLR",
            (1.0, 0),
            ValueError,
            "OneCycleLR: total_steps must be an int from 1 up, got 0",
        ),
        (
            "OneCycleLR",
            (1.0, None, 2, 0),
            ValueError,
            "OneCycleLR: steps_per_epoch must be an int from 1 up, got 0",
        ),
        (
            "OneCycleLR",
            ([1.0], 10),
            ValueError,
            "OneCycleLR: max_lr has 1 values, but the optimiser 2 parameter groups",
        ),
        (
            "OneCycleLR",
            (1.0, 10, None, None, 1.5),
            ValueError,
            r"OneCycleLR: pct_start must be from 0 to 1, got 1\.5",
        ),
        (
            "OneCycleLR",
            (1.0, 10, None, None, 0.3, "cosine"),
            ValueError,
            "anneal_strategy must be 'cos' or 'linear', got 'cosine'",
        ),
        (
            "OneCycleLR",
            (1.0, 10, None, None, 0.3, "cos", 1),
            TypeError,
            "OneCycleLR: cycle_momentum must be True or False, got 1",
        ),
        (
            "OneCycleLR",
            (1.0, 10, None, None, 0.3, "cos", True, -1),
            ValueError,
            "OneCycleLR: base_momentum must be at least 0",
        ),
        (
            "OneCycleLR",
            (1.0, 10, None, None, 0.3, "cos", True, 0.8, 0.9, 0),
            ValueError,
            "OneCycleLR: div_factor must be above 0, got 0",
        ),
        (
            "ReduceLROnPlateau",
            ("least",),
            ValueError,
            "ReduceLROnPlateau: mode must be 'min' or 'max', got 'least'",
        ),
        (
            "ReduceLROnPlateau",
            ("min", 1.0),
            ValueError,
            r"ReduceLROnPlateau: factor must be below 1, .*; got 1\.0",
        ),
        (
            "ReduceLROnPlateau",
            ("min", 0.1, -1),
            ValueError,
            "ReduceLROnPlateau: patience must be an int from 0 up, got -1",
        ),
        (
            "ReduceLROnPlateau",
            ("min", 0.1, 1, -1),
            ValueError,
            "ReduceLROnPlateau: threshold must be at least 0",
        ),
        (
            "ReduceLROnPlateau",
            ("min", 0.1, 1, 0.1, "part"),
            ValueError,
            "threshold_mode must be 'rel' or 'abs', got 'part'",
        ),
        (
            "ReduceLROnPlateau",
            ("min", 0.1, 1, 0.1, "rel", 0, [0]),
            ValueError,
            "min_lr has 1 values, but the optimiser 2",
        ),
        (
            "SequentialLR",
            ([], []),
            ValueError,
            "SequentialLR: 0 schedulers need one milestone less, got 0",
        ),
    ],
)
def test_arguments_that_are_refused(name, args, error, message):
    with pytest.raises(error, match=message):
        getattr(lr_scheduler, name)(make_optimizer(momentum=0.9), *args)


def test_only_an_optimizer_can_be_scheduled():
    model = tinynet.nn.Linear(2, 1)
    for name, args, options in [
        *SCHEDULERS,
        ("ReduceLROnPlateau", (), {}),
        ("SequentialLR", ([], []), {}),
    ]:
        with pytest.raises(TypeError, match=f"{name}: optimizer must be an Optimizer, got Linear"):
            getattr(lr_scheduler, name)(model, *args, **options)


@pytest.mark.parametrize("name", ["StepLR", "SequentialLR"])
def test_an_argument_too_many_or_too_few(name):
    kind = getattr(lr_scheduler, name)
    with pytest.raises(TypeError, match=f"{name}: missing a required argument"):
        kind(make_optimizer())
    with pytest.raises(TypeError, match=f"{name}: got an unexpected keyword argument 'speed'"):
        kind(make_optimizer(), [], [], speed=1)


def test_momentum_that_cannot_be_cycled():
    with pytest.raises(
        ValueError,
        match="OneCycleLR: Adagrad has neither momentum nor betas to cycle; "
        "say cycle_momentum=False",
    ):
        lr_scheduler.OneCycleLR(make_optimizer(Adagrad), 1.0, 10)
    scheduler = lr_scheduler.OneCycleLR(make_optimizer(Adagrad), 1.0, 10, cycle_momentum=False)
    assert scheduler.get_last_lr() == pytest.approx([0.04, 0.04])
    optimizer = make_optimizer(RMSprop)
    lr_scheduler.OneCycleLR(optimizer, 1.0, 10)
    assert optimizer.param_groups[0]["momentum"] == 0.95
    missing = "'max_lr', 'base_momentum', 'max_momentum', 'min_lr'"
    with pytest.raises(
        ValueError, match=f"last_epoch=3 resumes, but parameter group 0 has no {missing}; load"
    ):
        lr_scheduler.OneCycleLR(make_optimizer(RMSprop), 1.0, 10, last_epoch=3)


def test_sequences_that_are_refused():
    optimizer = make_optimizer()
    step, other = lr_scheduler.StepLR(optimizer, 1), lr_scheduler.StepLR(make_optimizer(), 1)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer)
    sequence = lr_scheduler.SequentialLR(optimizer, [lr_scheduler.StepLR(optimizer, 1)], [])
    for schedulers, milestones, error, message in [
        (3, [3], TypeError, "schedulers must be a sequence, got int"),
        ([step], 3, TypeError, "milestones must be a sequence, got int"),
        ([step, step], [], ValueError, "2 schedulers need one milestone less, got 0"),
        ([step, step, step], [4, 2], ValueError, r"milestones must ascend, got \[4, 2\]"),
        ([step, other], [3], ValueError, "scheduler 1 was made over another optimiser"),
        ([step, plateau], [3], TypeError, "scheduler 1 must be .*, got ReduceLROnPlateau"),
        ([sequence, step], [3], TypeError, "scheduler 0 must be .*, got SequentialLR"),
        ([step, None], [3], TypeError, "scheduler 1 must be .*, got NoneType"),
    ]:
        with pytest.raises(error, match=f"SequentialLR: {message}"):
            lr_scheduler.SequentialLR(optimizer, schedulers, milestones)
    with pytest.raises(
        ValueError,
        match=r"SequentialLR: last_epoch must be -1, got 3; resume with load_state_dict\(\)",
    ):
        lr_scheduler.SequentialLR(optimizer, [step], [], last_epoch=3)


def test_states_that_are_refused():
    scheduler = lr_scheduler.StepLR(make_optimizer(), 2)
    saved = scheduler.state_dict()
    for state, error, message in [
        ([1], TypeError, "expected a dict, as state_dict.. makes it; got list"),
        (
            {k: v for k, v in saved.items() if k != "gamma"},
            ValueError,
            "gamma missing; was this saved by another kind",
        ),
        (
            {**saved, "T_max": 1},
            ValueError,
            "unexpected T_max; was this saved by another kind of scheduler",
        ),
        ({**saved, "base_lrs": [0.1]}, ValueError, "1 base_lrs were saved, but here are 2"),
    ]:
        with pytest.raises(error, match=rf"StepLR\.load_state_dict: {message}"):
            scheduler.load_state_dict(state)
    assert scheduler.state_dict() == saved


def test_what_is_no_metric():
    scheduler = lr_scheduler.ReduceLROnPlateau(make_optimizer())
    with pytest.raises(
        TypeError,
        match=r"ReduceLROnPlateau\.step: metrics must be a number, such as the loss, got '1\.0'",
    ):
        scheduler.step("1.0")
    with pytest.raises(RuntimeError, match="float: a tensor of shape"):
        scheduler.step(tinynet.ones(2))
    with pytest.raises(TypeError, match="step: epoch must be an int"):
        lr_scheduler.StepLR(make_optimizer(), 2).step(0.3)
    assert scheduler.last_epoch == 0


def test_all_are_exported():
    assert all(
        issubclass(getattr(lr_scheduler, name), lr_scheduler.LRScheduler)
        for name in lr_scheduler.__all__
    )
    assert len(lr_scheduler.__all__) == 10
