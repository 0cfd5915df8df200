"""Optimisers: trajectories, parameter groups, state, and what is refused.

Trajectories are compared with PyTorch's: recorded ones and, if it is installed, its own.
"""

from __future__ import annotations

import copy
import gc
import inspect
import itertools
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
from strict_cupy import counting

import tinynet
from tinynet import nn, optim
from tinynet.arrays import memory

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(
    torch is None, reason="PyTorch is not installed; its recorded values are tested instead"
)


def leaf(values, dtype="float32", **options):
    return tinynet.tensor(values, dtype=dtype, requires_grad=True, **options)


def give_gradients(parameters, seed):
    rng = np.random.default_rng(seed)
    for p in parameters:
        p.grad = tinynet.tensor(rng.standard_normal(p.shape).astype(p.dtype), device=p.device)


# ------------------------------------------------------------------------------------- trajectories

# After 5 steps from [3, -1] down the gradient [1, 4]·p − 1, in float64: PyTorch 2.13.
RECORDED = [
    ("SGD", {"lr": 0.1}, [2.18098, 0.1528]),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.3},
        [0.49119455800575973, 1.2099575483468799],
    ),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, [0.7908366322, 0.456419752]),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True}, [5.02392, -10.41805]),
    ("Adam", {"lr": 0.1}, [2.502955782592986, -0.5056628382456119]),
    (
        "Adam",
        {"lr": 0.1, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.3, "amsgrad": True},
        [2.504582250093712, -0.5072820099687343],
    ),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3}, [2.1121672431498855, -0.39572812485317466]),
    (
        "AdamW",
        {"lr": 0.1, "amsgrad": True, "maximize": True},
        [3.4855564066682154, -1.4960208756032776],
    ),
    ("RMSprop", {"lr": 0.1}, [1.0983101184932078, 0.24954754712459384]),
    (
        "RMSprop",
        {
            "lr": 0.1,
            "alpha": 0.8,
            "eps": 0.01,
            "weight_decay": 0.3,
            "momentum": 0.5,
            "centered": True,
        },
        [1.5039902310485056, 0.23631459732907006],
    ),
    ("Adagrad", {"lr": 0.1}, [2.686761598138892, -0.6932087201824687]),
    (
        "Adagrad",
        {
            "lr": 0.1,
            "lr_decay": 0.2,
            "weight_decay": 0.3,
            "initial_accumulator_value": 0.5,
            "eps": 0.01,
            "maximize": True,
        },
        [3.234909492747871, -1.262076027432283],
    ),
]


@pytest.mark.parametrize(("name", "options", "expected"), RECORDED)
def test_recorded_trajectory(name, options, expected):
    p, c = leaf([3.0, -1.0], "float64"), tinynet.tensor([1.0, 4.0], dtype="float64")
    optimizer = getattr(optim, name)([p], **options)
    for _ in range(5):
        optimizer.zero_grad()
        (c / 2 * p * p - p).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(p.array, expected, rtol=1e-13)


def all_options():
    no_yes = (False, True)
    for momentum, dampening, decay, nesterov, maximize in itertools.product(
        (0, 0.9), (0, 0.3), (0, 0.1), no_yes, no_yes
    ):
        if not nesterov or (momentum and not dampening):
            yield (
                "SGD",
                {
                    "lr": 0.05,
                    "momentum": momentum,
                    "dampening": dampening,
                    "weight_decay": decay,
                    "nesterov": nesterov,
                    "maximize": maximize,
                },
            )
    for name, decay, amsgrad, maximize, betas in itertools.product(
        ("Adam", "AdamW"), (0, 0.1), no_yes, no_yes, ((0.9, 0.999), (0.3, 0.5))
    ):
        yield (
            name,
            {
                "lr": 0.05,
                "weight_decay": decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "betas": betas,
            },
        )
    for momentum, centered, decay, maximize in itertools.product(
        (0, 0.9), no_yes, (0, 0.1), no_yes
    ):
        yield (
            "RMSprop",
            {
                "lr": 0.01,
                "alpha": 0.9,
                "momentum": momentum,
                "centered": centered,
                "weight_decay": decay,
                "maximize": maximize,
            },
        )
    for lr_decay, start, decay, maximize in itertools.product((0, 0.1), (0, 0.5), (0, 0.1), no_yes):
        yield (
            "Adagrad",
            {
                "lr": 0.1,
                "lr_decay": lr_decay,
                "initial_accumulator_value": start,
                "weight_decay": decay,
                "maximize": maximize,
            },
        )


@needs_torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_fifty_steps_beside_pytorch(name, dtype):
    count = 0
    for options in [options for which, options in all_options() if which == name]:
        rng = np.random.default_rng(0)
        start = [rng.standard_normal(shape).astype(dtype) for shape in ((), (3, 4, 5))]
        ours, theirs = (
            [leaf(a, dtype) for a in start],
            [torch.nn.Parameter(torch.tensor(a)) for a in start],
        )
        optimizers = (
            getattr(optim, name)(ours, **options),
            getattr(torch.optim, name)(theirs, **options),
        )
        for step in range(50):
            give_gradients(ours, step)
            for p, q in zip(ours, theirs, strict=True):
                q.grad = torch.from_numpy(p.grad.array.copy())
            for optimizer in optimizers:
                optimizer.step()
        for p, q, a in zip(ours, theirs, start, strict=True):
            assert p.dtype == dtype
            scale = np.abs(
                a
            ).max()  # rounding on the way is relative to values on the way, not to where they end
            rtol = 1e-5 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(
                p.array, q.detach().numpy(), rtol=rtol, atol=rtol * scale, err_msg=str(options)
            )
        count += 1
    assert count >= 8


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5, "centered": True}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.1, "lr_decay": 0.1}),
]
every_optimizer = pytest.mark.parametrize(("name", "options"), OPTIMIZERS)


@every_optimizer
def test_memory_order_does_not_matter(name, options):
    values = np.random.default_rng(0).standard_normal((3, 4, 5)).astype("float32")
    plain, turned = leaf(values), leaf(values)
    turned.data = tinynet.from_numpy(values.transpose(2, 0, 1).copy().transpose(1, 2, 0))
    assert plain.array.strides != turned.array.strides
    for p in (plain, turned):
        optimizer = getattr(optim, name)([p], **options)
        for step in range(3):
            give_gradients([p], step)
            if p is turned:
                p.grad.data = tinynet.from_numpy(np.asfortranarray(p.grad.array))
            optimizer.step()
    np.testing.assert_array_equal(plain.array, turned.array)


@every_optimizer
def test_on_a_gpu(name, options, gpu):
    """The same as on the CPU, in place, and without a word between host and device."""
    values = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    here, there = leaf(values), leaf(values, device="cuda")
    optimizers = [getattr(optim, name)([p], **options) for p in (here, there)]
    memory = there.array
    for step in range(3):
        for p in (here, there):
            give_gradients([p], step)
        optimizers[0].step()
        with counting() as cost:
            optimizers[1].step()
        assert (cost.uploads, cost.downloads, cost.waits) == (0, 0, 0)
    assert there.array is memory
    assert there.dtype == np.float32
    np.testing.assert_allclose(there.cpu().array, here.array, rtol=1e-6)
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    assert all(
        value.is_cuda
        for value in optimizers[1].state[there].values()
        if isinstance(value, tinynet.Tensor)
    )


# ------------------------------------------------------------------------ what a step leaves behind


@every_optimizer
def test_no_history_no_references(name, options):
    p = leaf([[1.0, -2.0, 3.0]])
    optimizer = getattr(optim, name)([p], **options)
    memory = p.array
    for step in range(2):
        give_gradients([p], step)
        gradient = p.grad.array.copy()
        optimizer.step()
        np.testing.assert_array_equal(p.grad.array, gradient)  # the gradient is only read
        for value in optimizer.state[p].values():
            if isinstance(value, tinynet.Tensor):
                assert not value.requires_grad
                assert not np.shares_memory(value.array, p.grad.array)
    assert p.array is memory
    assert p.is_leaf
    assert p.requires_grad
    watched = weakref.ref(p.grad)
    optimizer.zero_grad()
    assert watched() is None


@every_optimizer
def test_float32_stays_float32_whatever_the_options_are(name, options):
    p = leaf([1.0, -2.0])
    optimizer = getattr(optim, name)([p], **options)
    optimizer.param_groups[0].update(
        lr=np.float64(0.1), weight_decay=np.float64(0.1)
    )  # as arithmetic with numpy leaves them
    give_gradients([p], 0)
    optimizer.step()
    assert p.dtype == np.float32
    assert all(
        value.dtype == np.float32
        for value in optimizer.state[p].values()
        if isinstance(value, tinynet.Tensor)
    )
    assert type(optimizer.param_groups[0]["lr"]) is np.float64  # groups are the user's
    assert (
        type(getattr(optim, name)([p], **{**options, "lr": np.float32(0.5)}).param_groups[0]["lr"])
        is float
    )


@pytest.mark.parametrize(
    ("name", "options", "arrays"),
    [
        ("SGD", {}, 1),
        ("SGD", {"momentum": 0.9, "nesterov": True}, 1),
        ("SGD", {"momentum": 0.9, "weight_decay": 0.1}, 2),
        ("Adam", {"amsgrad": True}, 1),
        ("AdamW", {}, 1),
        ("RMSprop", {"momentum": 0.9, "centered": True}, 1),
        ("Adagrad", {"weight_decay": 0.1}, 2),
    ],
)
def test_memory_of_a_step(name, options, arrays, monkeypatch):
    """A step needs one scratch array, as large as a parameter, and a second for weight decay.

    The next step uses their memory again.
    """
    parameters = [leaf(np.ones(100_000)) for _ in range(3)]
    optimizer = getattr(optim, name)(parameters, **options)
    give_gradients(parameters, 0)
    optimizer.step()
    monkeypatch.setattr(memory, "_free", {})
    monkeypatch.setattr(memory, "_leases", {})
    tracemalloc.start()
    try:
        optimizer.step()
        kept, peak = tracemalloc.get_traced_memory()
        assert arrays * 400_000 <= peak < (arrays + 0.1) * 400_000
        assert kept < (arrays + 0.1) * 400_000
        tracemalloc.reset_peak()
        optimizer.step()
        assert tracemalloc.get_traced_memory()[1] - kept < 20_000
    finally:
        tracemalloc.stop()


def test_a_graph_that_needs_the_old_values_notices():
    p = leaf([1.0, 2.0])
    optimizer = optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"mul needs .* SGD\.step changed that in place"):
        loss.backward()


def test_without_a_gradient_nothing_happens():
    p, q = leaf([1.0]), leaf([1.0])
    optimizer = optim.Adam([p, q], weight_decay=0.1)
    p.grad = tinynet.tensor([1.0])
    version = q._changes.count
    optimizer.step()
    assert (p.item() != 1, q.item(), q._changes.count) == (True, 1, version)
    assert list(optimizer.state_dict()["state"]) == [0]


def test_infinities_are_values():
    p = leaf([1.0, 1.0, 1.0])
    p.grad = tinynet.tensor([np.inf, np.nan, 1.0])
    optim.Adam([p], lr=0.5).step()  # and warns of nothing, which would fail here
    np.testing.assert_array_equal(np.isnan(p.array), [True, True, False])


def test_no_cycles():
    p = leaf([1.0])
    optimizer = optim.Adam([p])
    p.grad = tinynet.ones(1)
    optimizer.step()
    watched = weakref.ref(optimizer)
    gc.collect()
    gc.disable()
    try:
        del optimizer
        assert watched() is None
    finally:
        gc.enable()


def test_closure_runs_with_grad_and_its_loss_is_returned():
    p = leaf([3.0])
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with tinynet.no_grad():
        assert optimizer.step(closure).item() == 9
    assert p.item() == 0
    assert optimizer.step() is None


def test_zero_grad():
    p, q = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([p, q])
    p.grad = tinynet.tensor([2.0])
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept
    assert kept.item() == 0
    assert q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


# ------------------------------------------------------------------------------------------- groups


def test_groups_have_their_own_options():
    p, q, r = leaf([1.0]), leaf([1.0]), leaf([1.0])
    given = {"params": p, "lr": 0.5, "name": "first"}
    optimizer = optim.SGD([given, {"params": iter([q])}], lr=0.25)
    optimizer.add_param_group({"params": [r], "maximize": True})
    assert given == {"params": p, "lr": 0.5, "name": "first"}  # the user's dict is left alone
    for x in (p, q, r):
        x.grad = tinynet.tensor([1.0])
    optimizer.step()
    assert [x.item() for x in (p, q, r)] == [0.5, 0.75, 1.25]
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25, 0.25]
    assert optimizer.param_groups[0]["name"] == "first"
    assert optimizer.param_groups[0]["params"][0] is p


def test_options_may_change_between_steps():
    p = leaf([1.0])
    optimizer = optim.RMSprop([p], lr=0.1)
    p.grad = tinynet.tensor([1.0])
    optimizer.step()
    optimizer.param_groups[0].update(
        momentum=0.5, centered=True
    )  # what these need is made when it is needed
    optimizer.step()
    assert set(optimizer.state[p]) == {"step", "square_avg", "momentum_buffer", "grad_avg"}
    optimizer.param_groups[0]["lr"] = -1
    with pytest.raises(
        ValueError, match=r"RMSprop\.step: parameter group 0: lr must be at least 0, got -1"
    ):
        optimizer.step()


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_an_option_is_declared_by_the_signature(kind):
    signature = inspect.signature(kind).parameters
    options = {name: p.default for name, p in signature.items() if name != "params"}
    optimizer = kind([leaf([1.0])])
    assert optimizer.defaults == options
    assert optimizer.param_groups[0].keys() == {*options, "params"}
    assert all(f"    {name}: {value}\n" in repr(optimizer) for name, value in options.items())
    assert signature["maximize"].kind is inspect.Parameter.KEYWORD_ONLY
    with pytest.raises(TypeError, match=f"{kind.__name__}: missing a required argument: 'params'"):
        kind()


def test_a_subclass_has_the_options_of_its_base():
    class Slow(optim.SGD):
        def __init__(self, params):
            super().__init__(params, lr=0.5)

    p = leaf([1.0])
    p.grad = tinynet.ones(1)
    optimizer = Slow([p])
    optimizer.step()
    assert p.item() == 0.5
    optimizer.param_groups[0]["momentum"] = -1
    with pytest.raises(ValueError, match=r"Slow\.step: parameter group 0: momentum must be at"):
        optimizer.step()


def test_repr():
    assert repr(
        optim.SGD([{"params": [leaf([1.0])]}, {"params": [leaf([1.0])], "lr": 0.5}], lr=0.1)
    ) == (
        "SGD (\n"
        "Parameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n"
        "    fused: None\n    lr: 0.1\n    maximize: False\n"
        "    momentum: 0\n    nesterov: False\n    weight_decay: 0\n\n"
        "Parameter Group 1\n    dampening: 0\n    differentiable: False\n    foreach: None\n"
        "    fused: None\n    lr: 0.5\n    maximize: False\n"
        "    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


def test_options_that_choose_an_implementation_are_kept_and_change_nothing():
    p, q = leaf([1.0]), leaf([1.0])
    plain, fast = optim.Adam([p], lr=0.1), optim.Adam([q], lr=0.1, foreach=True, fused=False)
    for parameter, optimizer in ((p, plain), (q, fast)):
        parameter.grad = tinynet.tensor([3.0])
        optimizer.step()
    assert p == q
    assert (fast.param_groups[0]["foreach"], fast.param_groups[0]["fused"]) == (True, False)
    assert optim.AdamW([p]).param_groups[0]["decoupled_weight_decay"] is True
    older = plain.state_dict()
    del older["param_groups"][0]["foreach"]  # as in files of earlier versions
    fast.load_state_dict(older)
    assert fast.param_groups[0]["foreach"] is True


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD([]), ValueError, "SGD: params is empty; give the tensors to optimise"),
        (
            lambda: optim.Adam(leaf([1.0])),
            TypeError,
            "Adam: params is one tensor; give it in a list",
        ),
        (lambda: optim.Adam({leaf([1.0])}), TypeError, "Adam: params is a set"),
        (
            lambda: optim.Adam({"params": [leaf([1.0])]}),
            TypeError,
            r"got dict; give \[group\] for one group",
        ),
        (lambda: optim.Adam(nn.Linear(2, 1)), TypeError, r"got Linear; give model\.parameters\(\)"),
        (
            lambda: optim.Adam(nn.Linear(2, 1).named_parameters()),
            TypeError,
            r"parameter 0 must be a tensor, got tuple; give model\.p",
        ),
        (
            lambda: optim.Adam([leaf([1.0]), 2.0]),
            TypeError,
            "Adam: parameter group 0: parameter 1 must be a tensor, got float",
        ),
        (lambda: optim.Adam([np.ones(2)]), TypeError, "parameter 0 must be a tensor, got ndarray"),
        (
            lambda: optim.Adam([leaf([1.0]) * 2]),
            ValueError,
            r"parameter 0, of shape \(1,\), is no leaf",
        ),
        (
            lambda: optim.Adam([tinynet.tensor([1, 2])]),
            ValueError,
            "is int64; only tensors of floats",
        ),
        (
            lambda: optim.Adam([leaf([1.0]).detach().expand(3)]),
            ValueError,
            r"of shape \(3,\), is expanded",
        ),
        (
            lambda: optim.Adam([tinynet.from_numpy(np.broadcast_to(np.ones(1), (1,)))]),
            ValueError,
            "shares a read-only array",
        ),
        (
            lambda: optim.Adam([leaf([1.0])] * 2),
            ValueError,
            r"Adam: parameter group 0: parameter 1, of shape \(1,\), is given twice",
        ),
        (
            lambda: (p := leaf([1.0])) and optim.Adam([{"params": p}, {"params": [p]}]),
            ValueError,
            "Adam: parameter group 1: parameter 0, .* is given twice",
        ),
        (
            lambda: optim.SGD([leaf([1.0])]).add_param_group([leaf([1.0])]),
            TypeError,
            "parameter group 1 must be a dict",
        ),
        (
            lambda: optim.SGD([{"lr": 1}]),
            TypeError,
            "parameter group 0 must be a dict with tensors under 'params'",
        ),
        (
            lambda: optim.SGD([{"params": leaf([1.0]), "betas": (0.9, 0.99)}]),
            ValueError,
            "parameter group 0 has betas, but the options of SGD are lr, momentum, dampening, "
            "weight_decay, nesterov, maximize",
        ),
        (
            lambda: optim.SGD([{"params": leaf([1.0]), "differentiable": True}]),
            ValueError,
            "has differentiable, but the options of SGD are",
        ),
        (
            lambda: optim.SGD([{"params": leaf([1.0]), "lr": -1}]),
            ValueError,
            "SGD: parameter group 0: lr must be at least 0, got -1",
        ),
        (
            lambda: optim.SGD([leaf([1.0])], capturable=True),
            TypeError,
            "unexpected keyword argument 'capturable'",
        ),
        (
            lambda: optim.Adam([leaf([1.0])], decoupled_weight_decay=True),
            ValueError,
            "has decoupled_weight_decay, but the options of Adam are",
        ),
    ],
)
def test_parameters_that_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("SGD", {"lr": -0.1}, ValueError, r"SGD: lr must be at least 0, got -0\.1"),
        ("SGD", {"lr": float("nan")}, ValueError, "SGD: lr must be at least 0, got nan"),
        ("SGD", {"lr": float("inf")}, ValueError, "SGD: lr must be at least 0, got inf"),
        ("SGD", {"lr": "0.1"}, TypeError, r"SGD: lr must be a number, got '0\.1'"),
        ("SGD", {"lr": True}, TypeError, "SGD: lr must be a number, got True"),
        (
            "SGD",
            {"lr": tinynet.tensor(0.1)},
            TypeError,
            r"SGD: lr must be a Python number: give tensor\.item\(\)",
        ),
        ("SGD", {"momentum": -1}, ValueError, "SGD: momentum must be at least 0, got -1"),
        ("SGD", {"dampening": float("nan")}, ValueError, "SGD: dampening must be finite, got nan"),
        ("SGD", {"weight_decay": -1}, ValueError, "SGD: weight_decay must be at least 0"),
        ("SGD", {"maximize": 1}, TypeError, "SGD: maximize must be True or False, got 1"),
        (
            "SGD",
            {"nesterov": True},
            ValueError,
            "SGD: nesterov=True needs momentum above 0 and dampening 0, got momentum=0 and",
        ),
        (
            "SGD",
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            ValueError,
            r"got momentum=0\.9 and dampening=0\.1",
        ),
        ("Adam", {"betas": 0.9}, TypeError, r"Adam: betas must be a pair of numbers, got 0\.9"),
        (
            "Adam",
            {"betas": (0.9, 1.0)},
            ValueError,
            r"Adam: betas must be below 1, or the averages would never move",
        ),
        (
            "Adam",
            {"betas": (-0.1, 0.9)},
            ValueError,
            r"Adam: betas\[0\] must be from 0 to 1, got -0\.1",
        ),
        ("Adam", {"eps": -1e-8}, ValueError, "Adam: eps must be at least 0"),
        ("AdamW", {"amsgrad": None}, TypeError, "AdamW: amsgrad must be True or False, got None"),
        ("RMSprop", {"alpha": 1.5}, ValueError, r"RMSprop: alpha must be from 0 to 1, got 1\.5"),
        ("RMSprop", {"centered": 0}, TypeError, "RMSprop: centered must be True or False, got 0"),
        ("Adagrad", {"lr_decay": -1}, ValueError, "Adagrad: lr_decay must be at least 0"),
        (
            "Adagrad",
            {"initial_accumulator_value": -1},
            ValueError,
            "Adagrad: initial_accumulator_value must be at least 0",
        ),
    ],
)
def test_options_out_of_range(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(optim, name)([leaf([1.0])], **options)


# -------------------------------------------------------------------------------------------- state


@every_optimizer
def test_resumed_is_the_same_as_never_stopped(name, options):
    def run(optimizer, parameters, steps):
        for step in steps:
            give_gradients(parameters, step)
            optimizer.step()

    def fresh(values):
        parameters = [leaf(v) for v in values]
        groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.05}]
        return getattr(optim, name)(groups, **options), parameters

    start = [np.ones((2, 3)), np.zeros(4), np.array(0.5)]
    whole, expected = fresh(start)
    run(whole, expected, range(6))
    first, parameters = fresh(start)
    run(first, parameters, range(3))
    first.param_groups[0]["lr"] = 0.1
    saved = copy.deepcopy(first.state_dict())
    second, resumed = fresh([p.array for p in parameters])
    second.param_groups[0]["lr"] = 0.7  # what is loaded counts
    second.load_state_dict(saved)
    run(first, parameters, range(3, 6))  # which must not touch what was loaded
    run(second, resumed, range(3, 6))
    for p, q, r in zip(expected, parameters, resumed, strict=True):
        np.testing.assert_array_equal(p.array, q.array)
        np.testing.assert_array_equal(p.array, r.array)


def test_the_form_of_the_state():
    p, q = leaf([1.0, 2.0]), leaf([3.0])
    optimizer = optim.Adam([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1)
    q.grad = tinynet.tensor([1.0])
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"]) == [1]
    assert set(state["state"][1]) == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][1]["step"] == 1
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert state["param_groups"][1] == {
        "lr": 0.5,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0,
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "fused": None,
        "decoupled_weight_decay": False,
        "params": [1],
    }
    assert optim.SGD([p]).state_dict()["state"] == {}


def test_loading_casts_to_the_parameter():
    p, q = leaf([1.0, 2.0], "float64"), leaf([1.0, 2.0])
    p.grad = tinynet.tensor([1.0, 2.0], dtype="float64")
    first, second = optim.SGD([p], momentum=0.9), optim.SGD([q], momentum=0.9)
    first.step()
    second.load_state_dict(first.state_dict())
    assert second.state[q]["momentum_buffer"].dtype == np.float32
    assert second.state[q]["momentum_buffer"].tolist() == [1.0, 2.0]


@needs_torch
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("Adam", {"amsgrad": True}),
        ("RMSprop", {"momentum": 0.9}),
        ("Adagrad", {}),
    ],
)
def test_going_on_from_pytorch(name, options):
    q = torch.nn.Parameter(torch.tensor([[1.0, -2.0, 3.0]]))
    theirs = getattr(torch.optim, name)([q], **options)
    for step in range(4):
        q.grad = torch.tensor([[1.0, 2.0, -3.0]]) * (step + 1)
        if step == 2:
            p = leaf(q.detach().numpy())
            ours = getattr(optim, name)([p])
            saved = copy.deepcopy(theirs.state_dict())
            state = {
                n: {k: tinynet.from_numpy(v.numpy()) for k, v in values.items()}
                for n, values in saved["state"].items()
            }
            groups = [
                {k: v for k, v in group.items() if k == "params" or k in ours.defaults}
                for group in saved["param_groups"]
            ]
            ours.load_state_dict({"state": state, "param_groups": groups})
            assert set(ours.state[p]) == set(theirs.state[q])
        theirs.step()
        if step >= 2:
            p.grad = tinynet.from_numpy(q.grad.numpy())
            ours.step()
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-6)


def saved_adam():
    p, q = leaf([[1.0, 2.0]]), leaf([1.0])
    optimizer = optim.Adam([{"params": [p]}, {"params": [q], "lr": 0.5}])
    give_gradients([p, q], 0)
    optimizer.step()
    return optimizer, copy.deepcopy(optimizer.state_dict())


def put(path, value):
    def change(state):
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda s: s.pop("state"),
            TypeError,
            r"Adam\.load_state_dict: expected a dict with 'state' and 'param_groups'",
        ),
        (
            lambda s: s["param_groups"].pop(),
            ValueError,
            r"saved groups have \[1\] parameters, those of this optimiser \[1, 1\]",
        ),
        (
            put(["param_groups", 1, "params"], [1, 2]),
            ValueError,
            r"saved groups have \[1, 2\] parameters",
        ),
        (
            put(["param_groups", 0], {}),
            TypeError,
            "each of 'param_groups' must be a dict with 'params'",
        ),
        (
            lambda s: s["param_groups"][1].pop("betas"),
            ValueError,
            "group 1 lacks betas; was it saved by another kind of opt",
        ),
        (
            put(["param_groups", 0, "lr"], -1),
            ValueError,
            r"Adam\.load_state_dict: group 0: lr must be at least 0, got -1",
        ),
        (
            put(["param_groups", 0, "momentum"], 0.9),
            ValueError,
            "group 0 has momentum, but the options of Adam are",
        ),
        (
            put(["state", 7], {}),
            ValueError,
            "there is state for parameter 7, which is in no saved group",
        ),
        (
            put(["state", 0, "exp_avg"], tinynet.ones(2)),
            ValueError,
            r"exp_avg of parameter 0 has shape \(2,\), .* \(1, 2\)",
        ),
        (
            put(["state", 1, "exp_avg"], [1.0]),
            TypeError,
            "exp_avg of parameter 1 must be a tensor, got list",
        ),
        (
            put(["state", 1, "step"], 1.5),
            ValueError,
            r"step of parameter 1 must be a whole number of steps, got 1\.5",
        ),
        (
            put(["state", 1, "step"], float("nan")),
            ValueError,
            "step of parameter 1 must be a whole number of steps, got nan",
        ),
    ],
)
def test_state_that_is_refused(change, error, message):
    optimizer, saved = saved_adam()
    before, groups = dict(optimizer.state), list(optimizer.param_groups)
    change(saved)
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(saved)
    assert dict(optimizer.state) == before
    assert optimizer.param_groups == groups  # nothing was loaded


def test_state_of_another_optimizer_is_refused():
    optimizer, _ = saved_adam()
    groups = [{"params": group["params"]} for group in optimizer.param_groups]
    with pytest.raises(
        ValueError,
        match=r"SGD\.load_state_dict: group 0 lacks momentum, dampening, nesterov; "
        "was it saved by another",
    ):
        optim.SGD(groups).load_state_dict(optimizer.state_dict())


def test_parameters_that_change_under_the_state():
    p = leaf([1.0, 2.0])
    optimizer = optim.Adam([p])
    p.grad = tinynet.ones(2)
    optimizer.step()
    p.data = tinynet.ones(3)
    with pytest.raises(
        RuntimeError,
        match=r"Adam\.step: a parameter of shape \(3,\) has a gradient of shape \(2,\)",
    ):
        optimizer.step()
    p.grad = None
    p.grad = tinynet.ones(3)
    with pytest.raises(
        RuntimeError,
        match=r"Adam\.step: exp_avg is float32 of shape \(2,\) on cpu, "
        "but its parameter is now float32",
    ):
        optimizer.step()


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_is_on_its_own(duplicate):
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    give_gradients(model.parameters(), 0)
    optimizer.step()
    twin, twin_optimizer = duplicate((model, optimizer))
    before = model.weight.array.copy()
    for net, its_optimizer in ((model, optimizer), (twin, twin_optimizer)):
        give_gradients(net.parameters(), 1)
        its_optimizer.step()
        if net is model:
            after, before = before, model.weight.array.copy()
            assert not np.array_equal(after, before)
    np.testing.assert_array_equal(model.weight.array, before)
    np.testing.assert_array_equal(twin.weight.array, before)


# ---------------------------------------------------------------------------------------- one's own


def test_an_optimizer_with_a_step_of_its_own():
    class Plain(optim.Optimizer):
        def __init__(self, params, rate):
            super().__init__(params, {"rate": rate})

        @tinynet.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad * -group["rate"])
                    self.state[p]["rows"] = tinynet.ones(1)
                    self.state[p]["note"] = ["any"]

    p = leaf([1.0, 2.0])
    optimizer = Plain(
        [{"params": [p], "betas": "mine"}], rate=0.5
    )  # of its options nothing is known, so all are its own
    p.grad = tinynet.tensor([1.0, 2.0])
    optimizer.step()
    assert p.tolist() == [0.5, 1.0]
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    assert optimizer.state[p]["note"] == ["any"]
    assert optimizer.state[p]["note"] is not saved["state"][0]["note"]
    assert optimizer.state[p]["rows"].tolist() == [1.0]


def test_an_optimizer_without_any():
    class Nothing(optim.Optimizer):
        pass

    p = leaf([1.0])
    p.grad = tinynet.ones(1)
    with pytest.raises(
        NotImplementedError, match=r"Nothing defines neither _update\(\) nor step\(\)"
    ):
        Nothing([p], {}).step()


def test_all_are_exported():
    import tinynet.optim as module

    assert module.lr_scheduler.LRScheduler
    assert set(module.__all__) == {
        "SGD",
        "Adagrad",
        "Adam",
        "AdamW",
        "Optimizer",
        "RMSprop",
        "lr_scheduler",
    }
