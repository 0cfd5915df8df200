"""Functions and layers of nn that small networks seldom need: values and gradients of two orders
are PyTorch's, recorded and, where it is installed, asked.
"""

from __future__ import annotations

import inspect
import json
import math
import warnings

import numpy as np
import pytest
from nn_formulas import CASES, RECORD
from nn_operations import OnGPU, agree
from operations import run, unpack

import tinynet
from tinynet import compat, gradcheck, nn
from tinynet.nn import functional as F

RECORDED = json.loads(RECORD.read_text())
pytestmark = pytest.mark.filterwarnings("ignore:.*(which dim|align_corners|softmax|deprecated)")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_recorded(case):
    agree(case.name, run(tinynet, case), unpack(RECORDED[case.name]), rtol=2e-7)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_against_torch(torch, case):
    inputs = tuple(x * (1.25 if x.dtype.kind == "f" else 1) for x in case.inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree(case.name, run(tinynet, case, inputs), run(torch, case, inputs), rtol=1e-6)


@pytest.mark.parametrize(
    "case", [c for c in CASES if "embedding" not in c.name], ids=lambda c: c.name
)
def test_on_gpu(gpu, case):
    agree(case.name, run(OnGPU(), case), run(tinynet, case))


def test_every_function_is_among_the_cases():
    tested = {case.name.split()[0] for case in CASES}
    tested |= {"upsample", "gumbel_softmax", "alpha_dropout"}
    functions = {n for n in compat.names_for("tinynet.nn.functional") if n[-1] != "_"}
    assert functions - tested == set()


def test_draws_of_gumbel_softmax_have_the_probabilities_and_their_gradient():
    tinynet.manual_seed(0)
    logits = tinynet.tensor([0.1, 0.6, 0.3]).log().expand(20_000, 3).clone().requires_grad_()
    soft, hard = F.gumbel_softmax(logits, tau=0.5), F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(soft.detach().sum(1).numpy(), 1, rtol=1e-5)
    np.testing.assert_allclose(hard.detach().mean(0).numpy(), [0.1, 0.6, 0.3], atol=0.02)
    assert set(hard.detach().unique().numpy().round(5).tolist()) == {0, 1}
    (hard * tinynet.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert logits.grad.abs().sum() > 100


def test_alpha_dropout_keeps_mean_and_variance():
    tinynet.manual_seed(0)
    x = tinynet.randn(100_000)
    y = F.alpha_dropout(x, 0.2, training=True)
    assert abs(y.mean().item()) < 0.02
    assert abs(y.std().item() - 1) < 0.02
    assert F.alpha_dropout(x, 0.2) is x
    assert nn.AlphaDropout(0.2).eval()(x) is x


# --------------------------------------------------------------------------------------- layers

X, IMAGE = tinynet.tensor([[1.0, -2.0, 0.5, 3.0]]), tinynet.arange(64.0).reshape(1, 4, 4, 4)
LAYERS = {
    "CELU": ((2.0,), X, lambda x: F.celu(x, 2.0), "CELU(alpha=2.0)"),
    "SELU": ((), X, F.selu, "SELU()"),
    "Mish": ((), X, F.mish, "Mish()"),
    "Hardsigmoid": ((), X, F.hardsigmoid, "Hardsigmoid()"),
    "Hardswish": ((True,), X.clone(), F.hardswish, "Hardswish()"),
    "Softsign": ((), X, F.softsign, "Softsign()"),
    "GLU": ((), X, F.glu, "GLU(dim=-1)"),
    "Softmin": ((1,), X, lambda x: F.softmin(x, 1), "Softmin(dim=1)"),
    "LogSigmoid": ((), X, F.logsigmoid, "LogSigmoid()"),
    "Tanhshrink": ((), X, F.tanhshrink, "Tanhshrink()"),
    "Hardshrink": ((2.0,), X, lambda x: F.hardshrink(x, 2.0), "Hardshrink(2.0)"),
    "Softshrink": ((2.0,), X, lambda x: F.softshrink(x, 2.0), "Softshrink(2.0)"),
    "Threshold": (
        (0.1, 9),
        X,
        lambda x: F.threshold(x, 0.1, 9),
        "Threshold(threshold=0.1, value=9)",
    ),
    "PReLU": (
        (4, 0.1),
        IMAGE - 30,
        lambda x: F.prelu(x, tinynet.full((4,), 0.1)),
        "PReLU(num_parameters=4)",
    ),
    "RMSNorm": (
        ([4, 3], 0.1),
        IMAGE[:, :, :, :3],
        lambda x: F.rms_norm(x.reshape(-1, 4, 3), (4, 3), eps=0.1).reshape(x.shape),
        "RMSNorm((4, 3), eps=0.1, elementwise_affine=True)",
    ),
    "PixelShuffle": (
        (2,),
        IMAGE,
        lambda x: F.pixel_shuffle(x, 2),
        "PixelShuffle(upscale_factor=2)",
    ),
    "PixelUnshuffle": (
        (2,),
        IMAGE,
        lambda x: F.pixel_unshuffle(x, 2),
        "PixelUnshuffle(downscale_factor=2)",
    ),
    "ChannelShuffle": ((2,), IMAGE, lambda x: x[:, [0, 2, 1, 3]], "ChannelShuffle(groups=2)"),
    "LocalResponseNorm": (
        (2,),
        IMAGE,
        lambda x: F.local_response_norm(x, 2),
        "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)",
    ),
    "LPPool2d": (
        (2.0, 2),
        IMAGE,
        lambda x: F.lp_pool2d(x, 2.0, 2),
        "LPPool2d(norm_type=2.0, kernel_size=2, stride=None, ceil_mode=False)",
    ),
    "Unfold": (
        (2,),
        IMAGE,
        lambda x: F.unfold(x, 2),
        "Unfold(kernel_size=2, dilation=1, padding=0, stride=1)",
    ),
    "Fold": (
        ((4, 4), 2, 1, 0, 2),
        IMAGE.reshape(1, 16, 4),
        lambda x: F.fold(x, (4, 4), 2, stride=2),
        "Fold(output_size=(4, 4), kernel_size=2, dilation=1, padding=0, stride=2)",
    ),
    "UpsamplingNearest2d": (
        (None, 2),
        IMAGE,
        lambda x: F.interpolate(x, scale_factor=2),
        "UpsamplingNearest2d(scale_factor=2.0, mode='nearest')",
    ),
    "UpsamplingBilinear2d": (
        (7,),
        IMAGE,
        lambda x: F.interpolate(x, 7, mode="bilinear", align_corners=True),
        "UpsamplingBilinear2d(size=7, mode='bilinear')",
    ),
    "Embedding": ((5, 3), tinynet.tensor([[1, 4]]), None, "Embedding(5, 3)"),
}
LOSSES = {
    "MarginRankingLoss": (X[0], X[0] * 2, tinynet.tensor([1, -1, 1, 1])),
    "HingeEmbeddingLoss": (X[0], tinynet.tensor([1, -1, 1, 1])),
    "CosineEmbeddingLoss": (X, X * X, tinynet.tensor([1])),
    "SoftMarginLoss": (X[0], tinynet.tensor([1, -1, 1, 1])),
    "PoissonNLLLoss": (X, X * X),
    "TripletMarginLoss": (X, X * 2, X * X),
    "PairwiseDistance": (X, X * X),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    arguments, x, function, text = LAYERS[name]
    layer = getattr(nn, name)(*arguments)
    assert repr(layer) == text
    expected = layer.weight[x] if function is None else function(x.clone())
    assert np.array_equal(layer(x).detach(), expected.detach())
    assert getattr(nn.modules, name) is getattr(nn, name)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    words = {
        "CosineEmbeddingLoss": "cosine_embedding_loss",
        "PoissonNLLLoss": "poisson_nll_loss",
        "PairwiseDistance": "pairwise_distance",
    }
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")
    function = getattr(F, words.get(name, snake))
    assert getattr(nn, name)()(*LOSSES[name]).tolist() == function(*LOSSES[name]).tolist()
    if name != "PairwiseDistance":
        with pytest.warns(UserWarning, match="say reduction='sum'"):
            older = getattr(nn, name)(size_average=False)
        assert older(*LOSSES[name]).item() == function(*LOSSES[name], reduction="sum").item()


def test_max_unpool2d_as_a_layer():
    y, indices = nn.MaxPool2d(2, return_indices=True)(IMAGE[..., :3])
    unpool = nn.MaxUnpool2d(2)
    assert unpool(y, indices * 0).shape == (1, 4, 4, 2)
    for size in ({"output_size": IMAGE[..., :3].shape}, {"output_size": (4, 3)}):
        back = unpool(y, indices, **size)
        assert back.shape == (1, 4, 4, 3) and np.array_equal(
            back.max(3)[0].max(2)[0], y.amax((2, 3))
        )
    assert np.array_equal(unpool(y, indices, (4, 3)), back)


def test_the_arguments_are_those_of_pytorch(torch):
    for name in [*LAYERS, *LOSSES]:
        ours = list(inspect.signature(getattr(nn, name)).parameters)
        theirs = list(inspect.signature(getattr(torch.nn, name)).parameters)
        if name == "Embedding":  # of the others, none is taken
            theirs = theirs[:3] + theirs[-2:]
            assert ours.pop() == "dtype" and theirs.pop() == "dtype"
        assert theirs == ["args", "kwargs"] or ours == theirs, name


def test_embedding_layer():
    layer = nn.Embedding(4, 2, padding_idx=-1)
    assert (
        layer.padding_idx == 3
        and not layer.weight[3].any()
        and repr(layer)[-14:-1] == "padding_idx=3"
    )
    layer(tinynet.tensor([3, 0, 0])).sum().backward()
    assert layer.weight.grad.tolist() == [[2, 2], [0, 0], [0, 0], [0, 0]]
    for wrong, error, message in (
        (tinynet.tensor([4]), IndexError, "embedding: input must hold rows from 0 to 3"),
        (tinynet.tensor([2, -1]), IndexError, "embedding: input must hold rows from 0 to 3"),
        (tinynet.ones(2), TypeError, "embedding: input must be a tensor of integers"),
        ([1], TypeError, "embedding: input"),
    ):
        with pytest.raises(error, match=message):
            layer(wrong)
    with pytest.raises(TypeError, match="Embedding: got an unexpected keyword argument 'max_norm'"):
        nn.Embedding(3, 2, max_norm=1.0)


def test_in_place():
    x = tinynet.tensor([-2.0, -0.1, 3.0], requires_grad=True)
    for name in "celu selu mish hardsigmoid hardswish".split():
        y = x * 1
        assert getattr(F, name)(y, inplace=True) is y
        assert np.array_equal(y.detach(), getattr(F, name)(x).detach())
        ours, theirs = [tinynet.grad((z * z).sum(), x)[0] for z in (y, getattr(F, name)(x))]
        assert np.array_equal(ours, theirs)


def test_names_with_an_underscore_write_into_the_input():
    for name in "relu leaky_relu elu hardtanh celu selu".split():
        x = X.clone()
        assert getattr(F, f"{name}_")(x) is x
        assert np.array_equal(x, getattr(F, name)(X))
    x = X.clone()
    assert np.array_equal(F.leaky_relu_(x, 0.5), F.leaky_relu(X, 0.5))


def test_other_names():
    assert nn.NLLLoss2d is nn.NLLLoss
    assert (
        np.array_equal(nn.Softmax2d()(IMAGE), F.softmax(IMAGE, 1))
        and repr(nn.Softmax2d()) == "Softmax2d()"
    )
    assert np.array_equal(nn.Softmax2d()(IMAGE[0]), F.softmax(IMAGE[0], 0))


def test_gradcheck_of_sampling():
    """Places are kept off the pixels' centres, where the slope jumps."""
    image = tinynet.tensor(np.cos(np.arange(24.0)).reshape(1, 2, 3, 4), requires_grad=True)
    grid = tinynet.tensor(0.9 * np.sin(1 + np.arange(12.0)).reshape(1, 2, 3, 2), requires_grad=True)
    for padding in ("zeros", "border"):
        assert gradcheck(
            lambda x, g, p=padding: F.grid_sample(x, g, padding_mode=p, align_corners=False),
            [image, grid],
        )


def test_the_identity_map_reads_the_image():
    theta = tinynet.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    for corners in (True, False):
        grid = F.affine_grid(theta, IMAGE.shape, align_corners=corners)
        read = F.grid_sample(IMAGE, grid, align_corners=corners)
        np.testing.assert_allclose(read, IMAGE, rtol=1e-5, atol=1e-4)


def test_upsample_warns():
    with pytest.warns(UserWarning, match="upsample: deprecated; use interpolate"):
        assert F.upsample(IMAGE, scale_factor=2).shape == (1, 4, 8, 8)


def test_warnings_where_pytorch_guesses():
    for name in ("softmax", "log_softmax"):
        with pytest.warns(UserWarning, match=f"^{name}: say which dim"):
            getattr(F, name)(X)
    with pytest.warns(UserWarning, match="align_corners is False by default"):
        F.affine_grid(tinynet.ones(1, 2, 3), (1, 1, 2, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.celu(X, 0), ValueError, "celu: alpha must not be 0"),
        (lambda: F.celu([1.0]), TypeError, "celu: input must be a tensor, got list"),
        (lambda: F.mish(X.long()), TypeError, "mish: input must hold floats, got int64"),
        (lambda: F.mish(X, "yes"), TypeError, "mish: inplace must be True or False, got 'yes'"),
        (
            lambda: F.selu(),
            TypeError,
            r"selu: missing a required argument: 'input'; expected selu\(",
        ),
        (lambda: F.softshrink(X, -1), ValueError, "softshrink: lambd must be at least 0, got -1"),
        (lambda: F.prelu(X, tinynet.ones(3)), ValueError, "prelu: weight must hold 1 slope, or 4"),
        (lambda: F.soft_margin_loss(X, X[:, :3]), ValueError, "soft_margin_loss: shapes"),
        (lambda: F.soft_margin_loss(X, X > 0), TypeError, "target must hold floats, got bool"),
        (lambda: F.soft_margin_loss(X, X, reduction="x"), ValueError, "reduction must be"),
        (lambda: F.poisson_nll_loss(X, X, 1), TypeError, "log_input must be True or False"),
        (lambda: F.cosine_embedding_loss(X, X, X), ValueError, r"target \(N,\)"),
        (
            lambda: F.embedding(X.long(), X[0]),
            ValueError,
            r"embedding: weight must be \(count, D\)",
        ),
        (
            lambda: F.embedding(X.long() * 0, X, 1),
            ValueError,
            "padding_idx must be an int from -1 to 0",
        ),
        (
            lambda: F.pixel_shuffle(IMAGE, 3),
            ValueError,
            r"pixel_shuffle: input must be \(..., C, H",
        ),
        (lambda: F.pixel_shuffle(IMAGE, 0), ValueError, "upscale_factor must be an int from 1 to"),
        (lambda: F.channel_shuffle(X, 2), ValueError, "channel_shuffle: input must be"),
        (lambda: F.local_response_norm(X, 2), ValueError, r"input must be \(N, C, ...\)"),
        (
            lambda: F.max_unpool2d(IMAGE, IMAGE, 2),
            TypeError,
            "indices must be a tensor of integers",
        ),
        (lambda: F.max_unpool2d(IMAGE, IMAGE.long() + 9, 2), ValueError, "indices must be from 0"),
        (
            lambda: F.max_unpool2d(IMAGE, IMAGE.long(), 2, output_size=(20, 8)),
            ValueError,
            "less than a stride",
        ),
        (lambda: F.max_unpool2d(IMAGE, IMAGE[..., 0].long(), 2), ValueError, "must have one shape"),
        (lambda: F.affine_grid(X, (1, 1, 2, 2)), ValueError, r"theta \(N, 2, 3\)"),
        (lambda: F.grid_sample(IMAGE, X), ValueError, r"grid \(N, OH, OW, 2\)"),
        (lambda: F.grid_sample(IMAGE, IMAGE, "bicubic"), ValueError, "mode must be 'bilinear' or"),
        (
            lambda: F.grid_sample(IMAGE, IMAGE, padding_mode="reflection"),
            ValueError,
            "padding_mode must be 'zeros' or 'border', got 'reflection'",
        ),
        (lambda: nn.PReLU(0), ValueError, "PReLU: num_parameters must be an int from 1"),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_tensors_on_two_devices_are_refused(gpu):
    with pytest.raises(RuntimeError, match="soft_margin_loss: .*"):
        F.soft_margin_loss(X, X.to("cuda"))


def test_older_names_of_initial_values():
    t = tinynet.ones(3, 4)
    with pytest.warns(FutureWarning, match="constant: deprecated; use constant_"):
        assert nn.init.constant(t, 2.0) is t and t.sum().item() == 24
    for (
        name
    ) in "uniform normal xavier_uniform xavier_normal kaiming_uniform kaiming_normal".split():
        tinynet.manual_seed(3)
        with pytest.warns(FutureWarning, match=f"use {name}_"):
            found = getattr(nn.init, name)(tinynet.ones(3, 4))
        tinynet.manual_seed(3)
        assert np.array_equal(found, getattr(nn.init, f"{name}_")(t))
    assert nn.init._calculate_fan_in_and_fan_out(tinynet.ones(6, 3, 2, 2)) == (12, 24)
    assert nn.init._calculate_correct_fan(tinynet.ones(6, 3, 2, 2), "fan_out") == 24
    with pytest.raises(AttributeError):
        nn.init.constante  # noqa: B018 - reading it is the test


# ------------------------------------------------------------------------------------ containers


def test_lists_and_dicts_of_parameters():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.some = nn.ParameterList([nn.Parameter(tinynet.ones(2)), tinynet.zeros(3)])
            self.named = nn.ParameterDict(
                {"a": tinynet.ones(1), "b": nn.Parameter(tinynet.ones(4))}
            )

    net = Net()
    assert list(net.state_dict()) == ["some.0", "some.1", "named.a", "named.b"]
    assert [p.shape[0] for p in net.parameters()] == [2, 3, 1, 4] and not list(net.some.children())
    net.some.append(tinynet.ones(5))
    net.some += [nn.Parameter(tinynet.ones(6))]
    net.some[0] = nn.Parameter(tinynet.ones(7))
    assert len(net.some) == 4 and [len(p) for p in net.some] == [7, 3, 5, 6]
    assert isinstance(net.some[1:], nn.ParameterList) and len(net.some[1:]) == 3
    assert all(isinstance(p, nn.Parameter) for p in net.some)
    assert "(1): Parameter containing: [float32 of size 3]" in repr(net.some)
    assert "a" in net.named and len(net.named) == 2 and net.named["b"].requires_grad
    assert [name for name, _ in net.named.items()] == ["a", "b"]
    assert net.named.pop("a").shape == (1,) and list(net.named.keys()) == ["b"]
    with pytest.raises(TypeError, match="ParameterList: '4' must be a Parameter or None"):
        net.some.append("no tensor")


def test_data_parallel_calls_its_module():
    net = nn.DataParallel(nn.Linear(2, 3), device_ids=[0])
    assert np.array_equal(net(tinynet.ones(1, 2)).detach(), net.module(tinynet.ones(1, 2)).detach())
    assert list(net.state_dict()) == ["module.weight", "module.bias"]
    for options in ({"device_ids": [0, 1]}, {"output_device": 1}, {"dim": 1}):
        with pytest.raises(ValueError, match="DataParallel: expected one device and dim=0"):
            nn.DataParallel(nn.ReLU(), **options)


def test_paths_of_pytorch_lead_to_the_layers():
    assert nn.modules.conv.Conv2d is nn.Conv2d and nn.modules.loss.MSELoss is nn.MSELoss
    assert nn.modules.activation.CELU is nn.CELU and nn.parameter.Parameter is nn.Parameter
    with pytest.raises(AttributeError):
        nn.modules.convolution  # noqa: B018 - reading it is the test


def test_size_average_and_reduce_are_obeyed():
    x, y = tinynet.tensor([[0.5, 0.1]]), tinynet.tensor([[0.25, 0.9]])
    pairs = "mse_loss l1_loss smooth_l1_loss binary_cross_entropy binary_cross_entropy_with_logits"
    for name in [*pairs.split(), "kl_div", "cross_entropy"]:
        for options, wanted in (
            ({"size_average": False}, "sum"), ({"size_average": True}, "mean"),
            ({"reduce": False}, "none"), ({"reduce": False, "size_average": False}, "none"),
            ({"reduce": True}, "mean"), ({"reduce": True, "reduction": "sum"}, "mean"),
        ):  # fmt: skip
            with pytest.warns(UserWarning, match=f"{name}: .*say reduction='{wanted}'"):
                found = getattr(F, name)(x, y, **options)
            assert found.tolist() == getattr(F, name)(x, y, reduction=wanted).tolist()
    with pytest.warns(UserWarning, match="mse_loss"):
        assert F.mse_loss(x, y, False).item() == F.mse_loss(x, y, reduction="sum").item()
    with pytest.warns(UserWarning, match="CrossEntropyLoss: "):
        loss = nn.CrossEntropyLoss(None, False)
    assert loss.reduction == "sum" and not math.isnan(loss(x, y).item())


def test_the_older_name_of_clip_grad_norm():
    w = tinynet.zeros(2, requires_grad=True)
    w.grad = tinynet.tensor([3.0, 4.0])
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        assert nn.utils.clip_grad_norm([w], 1.0) == 5
    assert w.grad.norm() < 1.0001


def test_slopes_of_rrelu_are_drawn_in_training():
    x = tinynet.full((2000,), -2.0)
    layer = nn.RReLU(0.1, 0.3)
    y = layer(x) / x
    assert 0.1 <= y.min() < 0.11 and 0.29 < y.max() <= 0.3 and abs(y.mean() - 0.2) < 0.01
    assert layer.eval()(x).unique().tolist() == pytest.approx([-0.4])
    assert repr(layer) == "RReLU(lower=0.1, upper=0.3)"
    with pytest.raises(ValueError, match="rrelu: expected 0 <= lower <= upper, got 1 and 0.5"):
        F.rrelu(x, 1, 0.5)


@pytest.mark.parametrize(
    ("shape", "groups"), [((4, 2, 3, 3), 1), ((4, 3, 2, 5), 2), ((2, 2, 3), 1)]
)
def test_dirac_weights_are_pytorchs(shape, groups, torch):
    ours, theirs = (T.nn.init.dirac_(T.ones(shape), groups) for T in (tinynet, torch))
    assert ours.tolist() == theirs.tolist()


def test_a_convolution_with_a_dirac_weight_hands_its_input_on():
    x = tinynet.randn(1, 3, 4, 4)
    w = nn.init.dirac_(tinynet.empty(3, 3, 3, 3))
    assert F.conv2d(x, w, padding=1).tolist() == x.tolist()
    for given, groups in ((tinynet.ones(3, 2), 1), (tinynet.ones(3, 2, 1, 1), 2)):
        with pytest.raises(ValueError, match="dirac_: expected a weight of 3 to 5 dims"):
            nn.init.dirac_(given, groups)


def test_dirac_by_its_older_name_warns():
    with pytest.warns(FutureWarning, match="dirac: deprecated; use dirac_"):
        nn.init.dirac(tinynet.ones(1, 1, 1, 1))


def test_order_of_a_dict_of_parameters():
    one = tinynet.ones(1)
    held = nn.ParameterDict({"b": one, "a": one})
    assert [*held] == ["a", "b"]  # a plain dict is sorted, as in PyTorch
    held.update([("d", one), ("c", one)])
    assert [*held] == ["a", "b", "d", "c"]
    assert held.get("a") is held["a"]
    assert held.get("x", 3) == 3
