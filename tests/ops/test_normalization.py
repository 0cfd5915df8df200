"""Batch, instance, group and layer normalisation, their layers with the running averages, and
dropout of channels.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_operations import agree
from operations import Case, run

import tinynet
from tinynet import nn
from tinynet.autograd import gradcheck
from tinynet.nn import functional as F


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 4, 6])),
    st.lists(st.integers(1, 4), max_size=3),
    st.sampled_from([1e-5, 0.1]), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_against_torch(torch, leading, trailing, eps, affine, seed):
    shape, (_, C) = (*leading, *trailing), leading
    random = np.random.default_rng(seed)
    groups = int(random.choice([g for g in (1, 2, 3, 6) if C % g == 0]))
    normalized = shape[int(random.integers(1, len(shape))) :]
    for name, arguments, size in (
        ("batch_norm", (None, None), C), ("instance_norm", (None, None), C),
        ("group_norm", (groups,), C), ("layer_norm", (normalized,), normalized),
    ):  # fmt: skip
        inputs = [
            random.standard_normal(shape),
            *([random.standard_normal(size), random.standard_normal(size)] if affine else []),
        ]
        options = {"training": True} if name == "batch_norm" else {}

        def f(T, x, weight=None, bias=None, name=name, arguments=arguments, options=options):
            return getattr(T.nn.functional, name)(
                x, *arguments, weight=weight, bias=bias, eps=eps, **options
            )

        case = Case(f"{name} {shape} {arguments} {eps}", f, tuple(inputs))
        try:
            f(torch, torch.tensor(inputs[0]))
        except ValueError:  # one value has no variance
            with pytest.raises(ValueError, match=name):
                run(tinynet, case)
            continue
        # of two values that are close, the second order is 1e10 times as large as they are
        agree(
            case.name,
            run(tinynet, case._replace(order=1)),
            run(torch, case._replace(order=1)),
            rtol=1e-6,
        )
        if eps == 0.1:
            agree(case.name, run(tinynet, case), run(torch, case), rtol=1e-6)


def test_output_has_mean_0_and_variance_1():
    x = tinynet.tensor(np.random.default_rng(0).standard_normal((4, 6, 5, 3)) * 3 + 2)
    for y, dims in (
        (F.batch_norm(x, None, None, training=True), (0, 2, 3)), (F.instance_norm(x), (2, 3)),
        (F.layer_norm(x, (5, 3)), (2, 3)),
        (F.group_norm(x, 3).reshape(4, 3, 2, 5, 3), (2, 3, 4)),
    ):  # fmt: skip
        np.testing.assert_allclose(y.mean(dims).numpy(), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(dims, correction=0).numpy(), 1, rtol=1e-4)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (
            lambda x: F.batch_norm(x[0, 0, 0], None, None),
            r"batch_norm: input must be \(N, C\) or \(N, C, ...\), got shape \(3,\)",
        ),
        (
            lambda x: F.batch_norm(x[:1, :, 0, 0], None, None, training=True),
            r"batch_norm: input \(1, 4\) has one value per channel",
        ),
        (
            lambda x: F.batch_norm(x, None, None),
            "batch_norm: running_mean and running_var are needed",
        ),
        (
            lambda x: F.batch_norm(x, tinynet.zeros(4), None, training=True),
            "batch_norm: give both running_mean and running_var, or neither",
        ),
        (
            lambda x: F.batch_norm(x, tinynet.zeros(3), tinynet.ones(4)),
            r"running_mean must have shape \(4,\), one number per channel; got \(3,\)",
        ),
        (
            lambda x: F.batch_norm(x, None, None, tinynet.ones(4, 1), training=True),
            r"batch_norm: weight must have shape \(4,\)",
        ),
        (
            lambda x: F.instance_norm(x[:, :, :1, :1]),
            r"instance_norm: input \(2, 4, 1, 1\) has one value per channel and sample",
        ),
        (
            lambda x: F.instance_norm(x[:, :, 0, 0]),
            r"instance_norm: input \(2, 4\) has one value per channel and sample",
        ),
        (
            lambda x: F.instance_norm(x, use_input_stats=False),
            "instance_norm: running_mean and running_var are needed",
        ),
        (
            lambda x: F.group_norm(x, 3),
            r"group_norm: num_groups must divide the 4 channels of input \(2, 4, 2, 3\), got 3",
        ),
        (lambda x: F.group_norm(x, 0), "group_norm: num_groups must divide the 4 channels"),
        (lambda x: F.group_norm(x[0, 0, 0], 1), r"group_norm: input must be \(N, C\)"),
        (
            lambda x: F.group_norm(x[:1, :, 0, 0], 4),
            r"group_norm: input \(1, 4\) has one value per group",
        ),
        (
            lambda x: F.group_norm(x, 2, bias=tinynet.ones(2)),
            r"group_norm: bias must have shape \(4,\)",
        ),
        (
            lambda x: F.layer_norm(x, (4,)),
            r"layer_norm: input \(2, 4, 2, 3\) must end in normalized_shape, at least one size; "
            r"that is \(4,\)",
        ),
        (lambda x: F.layer_norm(x, ()), r"layer_norm: .* that is \(\)"),
        (
            lambda x: F.layer_norm(x, (3,), tinynet.ones(2)),
            r"layer_norm: weight must have shape \(3,\), that of normalized_shape; got \(2,\)",
        ),
        (
            lambda x: nn.BatchNorm1d(4)(x),
            r"BatchNorm1d: input must be \(N, C\) or \(N, C, L\), got shape \(2, 4, 2, 3\)",
        ),
        (
            lambda x: nn.BatchNorm2d(4)(x[0]),
            r"BatchNorm2d: input must be \(N, C, H, W\), got shape \(4, 2, 3\)",
        ),
        (lambda x: nn.BatchNorm2d(3)(x), r"has 4 channels, not num_features=3; .*BatchNorm2d\(4\)"),
        (
            lambda x: nn.InstanceNorm2d(4)(x[0, 0]),
            r"InstanceNorm2d: input must be \(N, C, H, W\) or \(C, H, W\), got shape \(2, 3\)",
        ),
        (
            lambda x: nn.InstanceNorm2d(3, affine=True)(x),
            r"instance_norm: weight must have shape \(4,\)",
        ),
        (lambda x: nn.GroupNorm(3, 4), "GroupNorm: num_groups=3 does not divide num_channels=4"),
        (
            lambda x: nn.LayerNorm((3, 0)),
            "LayerNorm: normalized_shape must be an int from 1 to 2147483647, got 0",
        ),
        (lambda x: nn.BatchNorm2d(0),
            "BatchNorm2d: num_features must be an int from 1 to 2147483647, got 0"),
        (
            lambda x: F.dropout2d(x[0]),
            r"dropout2d: input must be \(N, C, H, W\), got shape \(4, 2, 3\); for a single image "
            r"unsqueeze\(0\)",
        ),
        (lambda x: F.dropout2d(x, 1.5), "dropout2d: p must be from 0 to 1, got 1.5"),
    ],
)
def test_refused(f, message):
    with pytest.raises(ValueError, match=message):
        f(tinynet.ones(2, 4, 2, 3))


def test_refused_types():
    with pytest.raises(
        TypeError, match="layer_norm: normalized_shape must be a tuple of ints, got 3"
    ):
        F.layer_norm(tinynet.ones(2, 3), 3)
    for f in (
        lambda x: F.batch_norm(x, None, None, training=True),
        F.instance_norm,
        lambda x: F.layer_norm(x, (3,)),
        lambda x: F.group_norm(x, 1),
    ):
        with pytest.raises(
            TypeError, match=r"input must hold floats, got int64; convert it with \.float\(\)"
        ):
            f(tinynet.arange(6).reshape(1, 2, 3))
    with pytest.raises(TypeError, match="batch_norm: weight must be a tensor, got list"):
        F.batch_norm(tinynet.ones(2, 3), None, None, [1, 1, 1], training=True)
    with pytest.raises(
        RuntimeError, match="batch_norm: input is float64, weight is float32; they must be the same"
    ):
        F.batch_norm(
            tinynet.ones(2, 3, dtype=tinynet.float64), None, None, tinynet.ones(3), training=True
        )


# --------------------------------------------------------------------------------------------------
# layers

RUNNING = ["running_mean", "running_var", "num_batches_tracked"]
MODULES = [
    (
        lambda nn: nn.BatchNorm1d(4), (5, 4),
        "BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
        ["weight", "bias", *RUNNING],
    ),
    (
        lambda nn: nn.BatchNorm1d(4, momentum=None), (5, 4, 3),
        "BatchNorm1d(4, eps=1e-05, momentum=None, affine=True, bias=True, "
        "track_running_stats=True)", ["weight", "bias", *RUNNING],
    ),
    (
        lambda nn: nn.BatchNorm2d(4, 0.1, 0.3, bias=False), (3, 4, 2, 5),
        "BatchNorm2d(4, eps=0.1, momentum=0.3, affine=True, bias=False, track_running_stats=True)",
        ["weight", *RUNNING],
    ),
    (
        lambda nn: nn.BatchNorm2d(4, affine=False), (3, 4, 2, 5),
        "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, "
        "track_running_stats=True)", RUNNING,
    ),
    (
        lambda nn: nn.BatchNorm2d(4, track_running_stats=False), (3, 4, 2, 5),
        "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=False)", ["weight", "bias"],
    ),
    (
        lambda nn: nn.InstanceNorm2d(4), (3, 4, 2, 5),
        "InstanceNorm2d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, "
        "track_running_stats=False)", [],
    ),
    (
        lambda nn: nn.InstanceNorm2d(4, affine=True, track_running_stats=True), (3, 4, 2, 5),
        "InstanceNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True)", ["weight", "bias", *RUNNING],
    ),
    (
        lambda nn: nn.InstanceNorm2d(4, track_running_stats=True), (4, 2, 5),
        "InstanceNorm2d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, "
        "track_running_stats=True)", RUNNING,
    ),
    (lambda nn: nn.LayerNorm(5), (3, 4, 5),
        "LayerNorm((5,), eps=1e-05, elementwise_affine=True, bias=True)", ["weight", "bias"]),
    (lambda nn: nn.LayerNorm([4, 5], 0.1, bias=False), (3, 4, 5),
        "LayerNorm((4, 5), eps=0.1, elementwise_affine=True, bias=False)", ["weight"]),
    (lambda nn: nn.LayerNorm(5, elementwise_affine=False), (3, 5),
        "LayerNorm((5,), eps=1e-05, elementwise_affine=False, bias=False)", []),
    (lambda nn: nn.GroupNorm(2, 4), (3, 4, 2, 5),
        "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)", ["weight", "bias"]),
    (lambda nn: nn.GroupNorm(4, 4, affine=False), (3, 4, 2),
        "GroupNorm(4, 4, eps=1e-05, affine=False, bias=False)", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "shape", "text", "keys"), MODULES, ids=[text for _, _, text, _ in MODULES]
)
def test_text_and_state_of_modules(make, shape, text, keys):
    module = make(nn)
    assert repr(module) == text
    assert list(module.state_dict()) == keys
    for name, tensor in module.state_dict().items():
        assert tensor.dtype == (tinynet.int64 if name == "num_batches_tracked" else tinynet.float32)
        assert (tensor == (1 if name in ("weight", "running_var") else 0)).all()


@pytest.mark.parametrize(
    ("make", "shape", "text", "keys"), MODULES, ids=[text for _, _, text, _ in MODULES]
)
def test_modules_are_pytorchs(torch, make, shape, text, keys):
    """Outputs and running averages follow PyTorch's through training and evaluation."""
    module = make(nn)
    reference = make(torch.nn)
    assert repr(reference) == text
    random = np.random.default_rng(0)
    for training in (True, True, False, True, False):
        module.train(training), reference.train(training)
        x = (random.standard_normal(shape) * 2 + 1).astype(np.float32)
        y = module(tinynet.tensor(x))
        np.testing.assert_allclose(
            y.detach().numpy(), reference(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5
        )
        for mine, theirs in zip(
            module.state_dict().values(), reference.state_dict().values(), strict=True
        ):
            np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_running_averages_by_hand():
    """The unbiased variance is averaged, the biased one used; evaluation takes the averages and
    leaves them alone.
    """
    module = nn.BatchNorm1d(1, momentum=0.5, affine=False)
    y = module(tinynet.tensor([[1.0], [3.0]]))
    np.testing.assert_allclose(y.numpy(), [[-1], [1]], rtol=1e-4)
    assert (
        module.running_mean.item(),
        module.running_var.item(),
        module.num_batches_tracked.item(),
    ) == (1.0, 1.5, 1)
    before = copy.deepcopy(module.state_dict())
    assert module.eval()(tinynet.tensor([[1.0]])).item() == 0.0
    assert all((before[name] == value).all() for name, value in module.state_dict().items())


def test_reset():
    module = nn.BatchNorm2d(2)
    fresh = {name: value.clone() for name, value in module.state_dict().items()}
    module(tinynet.randn(3, 2, 4, 5))
    with tinynet.no_grad():
        module.weight.mul_(3.0), module.bias.add_(1.0)
    module.reset_running_stats()
    assert (module.weight == 3).all()
    assert (module.running_mean == 0).all()
    assert module.num_batches_tracked.item() == 0
    module.reset_parameters()
    assert all((fresh[name] == value).all() for name, value in module.state_dict().items())


def test_running_averages_have_no_history():
    module = nn.BatchNorm2d(2)
    module(tinynet.randn(3, 2, 4, 5, requires_grad=True))
    assert not module.running_mean.requires_grad
    assert not module.running_var.requires_grad


def test_instance_norm_of_other_channels():
    """Without parameters the number of channels makes no difference, and PyTorch warns of it, too.
    """
    with pytest.warns(
        UserWarning, match="InstanceNorm2d: input .* has 3 channels, not num_features=4"
    ):
        y = nn.InstanceNorm2d(4)(tinynet.randn(2, 3, 4, 5))
    assert y.shape == (2, 3, 4, 5)


def test_no_images():
    for module in (
        nn.BatchNorm2d(3),
        nn.InstanceNorm2d(3),
        nn.GroupNorm(3, 3),
        nn.LayerNorm((4, 5)),
    ):
        state = {
            name: value.clone() for name, value in module.state_dict().items() if "running" in name
        }
        assert module(tinynet.zeros(0, 3, 4, 5)).shape == (0, 3, 4, 5)
        assert all((module.state_dict()[name] == value).all() for name, value in state.items())


# ----------------------------------------------------------------------------------------- dropout
# of channels


def test_dropout2d_drops_whole_channels():
    tinynet.manual_seed(0)
    x = tinynet.ones(20, 30, 2, 3, requires_grad=True)
    y = F.dropout2d(x, 0.25)
    channels = y.detach().numpy().reshape(600, 6)
    assert (channels == channels[:, :1]).all()
    np.testing.assert_allclose(np.unique(channels), [0, 4 / 3], rtol=1e-6)
    assert 0.2 < (channels[:, 0] == 0).mean() < 0.3
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_dropout2d_layer():
    x = tinynet.randn(2, 3, 4, 5)
    assert repr(nn.Dropout2d()) == "Dropout2d(p=0.5, inplace=False)"
    assert nn.Dropout2d(0.9).eval()(x) is x
    assert not nn.Dropout2d(1.0)(x).any()
    copied = x.clone()
    assert nn.Dropout2d(1.0, inplace=True)(copied) is copied
    assert not copied.any()
    with pytest.raises(
        ValueError, match="Dropout2d: p must be from 0 to 1, got -0.1"
    ):
        nn.Dropout2d(-0.1)


@pytest.mark.parametrize("far", [0.0, 100.0], ids=["mean near 0", "mean far from 0"])
@pytest.mark.parametrize("norm", [F.batch_norm, F.instance_norm])
def test_derivatives_in_evaluation(norm, far):
    """By known averages, batch norm and instance norm are the same line for each channel."""
    rng = np.random.default_rng(0)
    x = tinynet.tensor(far + rng.standard_normal((2, 3, 4, 5)), requires_grad=True)
    mean, var = tinynet.tensor(far + rng.random(3)), tinynet.tensor(0.5 + rng.random(3))
    weight, bias = (tinynet.tensor(rng.random(3), requires_grad=True) for _ in range(2))

    def y(x, weight, bias):
        return norm(x, mean, var, weight, bias, False)

    each = [v.numpy().reshape(-1, 1, 1) for v in (mean, var, weight.detach(), bias.detach())]
    expected = (x.detach().numpy() - each[0]) / np.sqrt(each[1] + 1e-5) * each[2] + each[3]
    np.testing.assert_allclose(y(x, weight, bias).detach().numpy(), expected, rtol=1e-9)
    assert gradcheck(y, (x, weight, bias))  # and the gradients of the gradients


@pytest.mark.parametrize("norm", [F.batch_norm, F.instance_norm])
@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_running_values_have_no_derivative(norm, name):
    given = {"running_mean": tinynet.zeros(3), "running_var": tinynet.ones(3)}
    given[name].requires_grad_()
    x = tinynet.ones(2, 3, 4, 4)
    with pytest.raises(RuntimeError, match=rf"{norm.__name__}: {name} requires grad"):
        norm(x, **given)
    with tinynet.no_grad():
        norm(x, **given)
