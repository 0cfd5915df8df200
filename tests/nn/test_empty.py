"""Empty batches and empty images through every function, layer and loss: PyTorch's shapes, zeros
for gradients of parameters, and no message of numpy's.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import compat, nn
from tinynet.nn import functional as F

# Samples of the right kind: the first two tensors of an entry are cut to an empty batch.
IMAGES, ROWS, CLASSES = (2, 4, 6, 6), (2, 4), (2,)
Call = Callable[[Any], tuple[Callable[..., Any], list[tuple[int, ...]]]]


def layer(name: str, *arguments: Any, of: Any = IMAGES, **options: Any) -> Call:
    shapes = [of] if isinstance(of[0], int) else list(of)
    return lambda T: (getattr(T.nn, name)(*arguments, **options), shapes)


def function(name: str, *arguments: Any, of: Any = IMAGES, **options: Any) -> Call:
    shapes = [of] if isinstance(of[0], int) else list(of)
    return lambda T: (
        lambda *xs: getattr(T.nn.functional, name)(*xs, *arguments, **options), shapes
    )  # fmt: skip


PLAIN = """ReLU LeakyReLU ELU GELU SiLU Sigmoid Tanh Softplus ReLU6 Hardtanh Identity Flatten
CELU SELU Mish Hardsigmoid Hardswish Softsign LogSigmoid Tanhshrink Hardshrink Softshrink
GLU AlphaDropout RReLU""".split()
BATCHES: dict[str, Call] = {
    **{name: layer(name) for name in PLAIN},
    **{name: layer(name, dim=1, of=ROWS) for name in ("Softmax", "LogSoftmax", "Softmin")},
    "Conv2d": layer("Conv2d", 4, 6, 3, padding=1, groups=2),
    "Conv2d circular": layer("Conv2d", 4, 6, 3, padding=1, padding_mode="circular"),
    "ConvTranspose2d": layer("ConvTranspose2d", 4, 6, 3, stride=2, output_padding=1),
    "Linear": layer("Linear", 4, 3, of=ROWS), "Linear of images": layer("Linear", 6, 3),
    "Unflatten": layer("Unflatten", 1, (2, 2)), "Dropout": layer("Dropout", 1.0),
    "Dropout2d": layer("Dropout2d"), "PReLU": layer("PReLU", 4),
    "Threshold": layer("Threshold", 0, 1),
    "BatchNorm1d": layer("BatchNorm1d", 4, of=ROWS), "BatchNorm2d": layer("BatchNorm2d", 4),
    "BatchNorm2d averaged": layer("BatchNorm2d", 4, momentum=None),
    "BatchNorm2d plain": layer("BatchNorm2d", 4, affine=False, track_running_stats=False),
    "InstanceNorm2d": layer("InstanceNorm2d", 4, affine=True),
    "GroupNorm": layer("GroupNorm", 2, 4),
    "LayerNorm": layer("LayerNorm", (6, 6)), "LocalResponseNorm": layer("LocalResponseNorm", 3),
    "MaxPool2d": layer("MaxPool2d", 3, 2, 1, ceil_mode=True), "AvgPool2d": layer("AvgPool2d", 2),
    "LPPool2d": layer("LPPool2d", 2, 2), "AdaptiveAvgPool2d": layer("AdaptiveAvgPool2d", (2, 3)),
    "AdaptiveAvgPool2d 1": layer("AdaptiveAvgPool2d", 1),
    "AdaptiveMaxPool2d": layer("AdaptiveMaxPool2d", (2, None)),
    "Upsample": layer("Upsample", scale_factor=2),
    "Upsample area": layer("Upsample", 4, mode="area"),
    "Upsample cubic": layer("Upsample", 4, mode="bicubic"),
    "UpsamplingNearest2d": layer("UpsamplingNearest2d", 4),
    "UpsamplingBilinear2d": layer("UpsamplingBilinear2d", 4),
    "ZeroPad2d": layer("ZeroPad2d", (1, -1, 0, 2)),
    "ConstantPad2d": layer("ConstantPad2d", 1, 3.0),
    "ReflectionPad2d": layer("ReflectionPad2d", 2),
    "ReplicationPad2d": layer("ReplicationPad2d", 2),
    "CircularPad2d": layer("CircularPad2d", 2), "PixelShuffle": layer("PixelShuffle", 2),
    "PixelUnshuffle": layer("PixelUnshuffle", 2), "ChannelShuffle": layer("ChannelShuffle", 2),
    "Unfold": layer("Unfold", 2), "Fold": layer("Fold", (3, 3), 2, of=(2, 8, 4)),
    "CosineSimilarity": layer("CosineSimilarity", of=(ROWS, ROWS)),
    "PairwiseDistance": layer("PairwiseDistance", of=(ROWS, ROWS)),
    "linear": lambda T: (lambda x: T.nn.functional.linear(
        x, T.ones(3, 4, dtype=T.float64)), [ROWS]),
    "normalize": function("normalize", of=ROWS),
    "rms_norm": function("rms_norm", (4,), of=ROWS),
    "bilinear": lambda T: (lambda *x: T.nn.functional.bilinear(
        *x, T.ones(3, 4, 4, dtype=T.float64)), [ROWS, ROWS]),
    "max_pool2d_with_indices": lambda T: (lambda x: T.nn.functional.max_pool2d_with_indices(
        x, 2)[0], [IMAGES]),
    "max_unpool2d": lambda T: (lambda x: T.nn.functional.max_unpool2d(
        *T.nn.functional.max_pool2d(x, 2, return_indices=True), 2), [IMAGES]),
    "grid_sample": lambda T: (lambda x, g: T.nn.functional.grid_sample(x, g, align_corners=False),
        [IMAGES, (2, 3, 5, 2)]),
}  # fmt: skip
LOSSES: dict[str, list[tuple[int, ...]]] = {
    "MSELoss": [ROWS, ROWS], "L1Loss": [ROWS, ROWS], "SmoothL1Loss": [ROWS, ROWS],
    "HuberLoss": [ROWS, ROWS], "BCELoss": [ROWS, ROWS], "BCEWithLogitsLoss": [ROWS, ROWS],
    "KLDivLoss": [ROWS, ROWS], "CrossEntropyLoss": [ROWS, CLASSES], "NLLLoss": [ROWS, CLASSES],
    "MarginRankingLoss": [CLASSES, CLASSES, CLASSES], "HingeEmbeddingLoss": [ROWS, ROWS],
    "CosineEmbeddingLoss": [ROWS, ROWS, CLASSES], "SoftMarginLoss": [ROWS, ROWS],
    "MultiLabelSoftMarginLoss": [ROWS, ROWS],
    "GaussianNLLLoss": [ROWS, ROWS, ROWS], "PoissonNLLLoss": [ROWS, ROWS],
    "TripletMarginLoss": [ROWS, ROWS, ROWS],
}  # fmt: skip
# what has no batch of floats
OTHERS = {
    "one_hot", "embedding", "Embedding", "affine_grid", "upsample", "MaxUnpool2d", "Module",
    "Parameter", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict",
    "DataParallel", "NLLLoss2d", "Softmax2d", "MultiLabelMarginLoss", "gumbel_softmax",
    "upsample_nearest", "upsample_bilinear", "pdist",
    "MultiMarginLoss",  # PyTorch takes no empty batch
}  # fmt: skip


def tensors(T: Any, shapes: list[tuple[int, ...]], size: int, whole: bool = False) -> list[Any]:
    """The first requires grad; a second one of class numbers is whole."""
    made = []
    for shape in shapes:
        values = np.cos(1 + np.arange(math.prod(shape))).reshape(shape)[:size] / 4 + 0.5
        is_target = whole and len(shape) == 1
        made.append(T.tensor(np.ones(shape[:1], np.int64)[:size] if is_target else values))
    return [made[0].requires_grad_(), *made[1:]]


def derivatives(T: Any, call: Any, inputs: list[Any]) -> tuple[Any, list[Any]]:
    """The result, and gradients of two orders: for the input, then for the parameters."""
    x = inputs[0]
    free = [x, *(call.parameters() if hasattr(call, "parameters") else [])]
    y = call(x * 1, *inputs[1:])
    plain = T.autograd.grad((y * y).sum(), free, retain_graph=True)
    first = T.autograd.grad((y * y).sum(), free, create_graph=True)
    total = sum((g * g).sum() for g in first)
    second = T.autograd.grad(total, free, allow_unused=True) if total.requires_grad else []
    return y, [*plain, *first, *second]


def check(gradients: list[Any], free: list[Any]) -> None:
    for g, like in zip(gradients, free * 3, strict=False):
        if g is not None:
            assert g.shape == like.shape and not g.detach().numpy().any()


def quiet(T: Any, call: Any, shapes: Any, size: int, whole: bool = False) -> tuple[Any, list[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return derivatives(T, call, tensors(T, shapes, size, whole))


def made(T: Any, case: Call) -> tuple[Any, Any]:
    call, shapes = case(T)
    return (call.double() if hasattr(call, "double") else call), shapes


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("training", [True, False])
def test_an_empty_batch(name, training):
    """Its result has the shape of any other batch, but for the first size."""
    call, shapes = made(tinynet, BATCHES[name])
    if isinstance(call, nn.Module):
        call.train(training)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = call(*[t.detach() for t in tensors(tinynet, shapes, 2)])
    before = [b.tolist() for b in call.buffers()] if isinstance(call, nn.Module) else []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns of means of nothing
        y, gradients = derivatives(tinynet, call, tensors(tinynet, shapes, 0))
    assert y.shape == (0, *usual.shape[1:]) and y.dtype == usual.dtype
    free = [tensors(tinynet, shapes, 0)[0]]
    check(gradients, free + (list(call.parameters()) if isinstance(call, nn.Module) else []))
    after = [b.tolist() for b in call.buffers()] if isinstance(call, nn.Module) else []
    assert [b for b in before if isinstance(b, list)] == [b for b in after if isinstance(b, list)]


@pytest.mark.parametrize("name", BATCHES)
def test_an_empty_batch_in_pytorch(torch, name):
    (ours, shapes), (theirs, _) = [made(T, BATCHES[name]) for T in (tinynet, torch)]
    try:
        y, _ = quiet(torch, theirs, shapes, 0)
    except (RuntimeError, IndexError, ValueError) as error:
        # PyTorch refuses these, or their second derivatives
        assert name.split()[0] in REFUSED, error
        return
    assert tuple(y.shape) == tuple(quiet(tinynet, ours, shapes, 0)[0].shape)


REFUSED = {
    "InstanceNorm2d",
    "Hardsigmoid",
    "max_unpool2d",
    "LPPool2d",
    "grid_sample",
    "PixelShuffle",
    "PixelUnshuffle",
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_an_empty_batch_of_a_loss(name, reduction):
    call = getattr(nn, name)(reduction=reduction)
    whole = name in ("CrossEntropyLoss", "NLLLoss")
    y, gradients = quiet(tinynet, call, LOSSES[name], 0, whole)
    usual, _ = quiet(tinynet, call, LOSSES[name], 2, whole)
    if reduction == "none":
        assert y.shape == (0, *usual.shape[1:])
    else:
        assert y.shape == () and (y.item() == 0 if reduction == "sum" else math.isnan(y.item()))
    assert gradients[0].shape == (0, *LOSSES[name][0][1:])


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_batch_of_a_loss_in_pytorch(torch, name):
    whole = name in ("CrossEntropyLoss", "NLLLoss")
    for reduction in ("none", "mean", "sum"):
        found = []
        for T in (tinynet, torch):
            call = getattr(T.nn, name)(reduction=reduction)
            found.append(quiet(T, call, LOSSES[name], 0, whole)[0].detach().numpy())
        np.testing.assert_array_equal(*found)


def plain(name: str) -> str:
    """A name of a function or layer without what tells these apart."""
    return re.sub(r"_|loss$|[12]d$", "", name.lower())


def test_every_function_and_layer_is_among_them():
    known = {plain(name.split()[0]) for name in [*BATCHES, *LOSSES, *OTHERS]}
    known |= {"binarycrossentropy", "binarycrossentropywithlogits", "pad", "interpolate"}
    functions = [n for n, f in vars(F).items() if inspect.isfunction(f) and n in F.__all__]
    for name in [*functions, *compat.names_for("tinynet.nn.functional")]:
        assert plain(name) in known or plain(f"{name}2d") in known, name
    for name in [*nn.__all__, *compat.names_for("tinynet.nn")]:
        assert plain(name) in known or not inspect.isclass(getattr(nn, name)), name


# ------------------------------------------------------------------------------------ empty images


@pytest.mark.parametrize(
    ("call", "shape", "expected"),
    [
        (lambda: nn.Conv2d(3, 4, 3, padding=2), (2, 3, 0, 5), (2, 4, 2, 7)),
        (lambda: nn.BatchNorm2d(3), (2, 3, 0, 4), (2, 3, 0, 4)),
        (lambda: nn.BatchNorm2d(3).eval(), (2, 3, 4, 0), (2, 3, 4, 0)),
        (lambda: nn.BatchNorm1d(3), (2, 3, 0), (2, 3, 0)),
        (lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 0, 4), (2, 3, 0, 4)),
        (lambda: nn.GroupNorm(3, 3), (2, 3, 0, 4), (2, 3, 0, 4)),
        (lambda: nn.LayerNorm(3), (2, 0, 3), (2, 0, 3)),
        (lambda: nn.Linear(3, 2), (2, 0, 3), (2, 0, 2)),
        (lambda: nn.ZeroPad2d(1), (2, 3, 0, 4), (2, 3, 2, 6)),
        (lambda: nn.PixelShuffle(2), (2, 4, 0, 3), (2, 1, 0, 6)),
        (lambda: nn.PReLU(3), (2, 3, 0, 4), (2, 3, 0, 4)),
        (lambda: nn.Flatten(), (2, 3, 0, 4), (2, 0)),
        (lambda: nn.CrossEntropyLoss(reduction="none"), (0, 0), (0,)),
    ],
)
def test_an_empty_image(call, shape, expected):
    module = call().double()
    x = tinynet.zeros(shape, dtype=tinynet.float64, requires_grad=True)
    target = (
        [tinynet.zeros(0, dtype=tinynet.int64)] if isinstance(module, nn.CrossEntropyLoss) else []
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, gradients = derivatives(tinynet, module, [x, *target])
    assert y.shape == expected
    free = [x, *module.parameters()]
    for g, like in zip(gradients, free * 3, strict=False):
        assert g is None or (g.shape == like.shape and not np.isnan(g.detach().numpy()).any())
    if y.numel() == 0:
        check(gradients, free)


def test_the_average_of_an_empty_image_is_nan():
    x = tinynet.zeros(2, 3, 0, 4, requires_grad=True)
    y = F.adaptive_avg_pool2d(x, 1)
    assert y.shape == (2, 3, 1, 1) and np.isnan(y.detach().numpy()).all()
    assert tinynet.grad(y.sum(), x)[0].shape == (2, 3, 0, 4)
    assert F.adaptive_avg_pool2d(x[:, :0], 1).shape == (2, 0, 1, 1)
    assert F.adaptive_max_pool2d(tinynet.ones(2, 0, 4, 4), 2).shape == (2, 0, 2, 2)
    with pytest.raises(ValueError, match="adaptive_avg_pool2d: no size but N and C may be 0"):
        F.adaptive_avg_pool2d(x, (1, 2))
    for mode in ("reflect", "replicate", "circular"):
        with pytest.raises(ValueError, match=r"^pad: sizes \(1, 1\) don't fit dim 2: of its 0"):
            F.pad(x, (0, 0, 1, 1), mode=mode)


def test_batch_norm_of_nothing_at_all():
    for training in (True, False):
        one = tinynet.ones(0)
        assert F.batch_norm(one, one, one, one, one, training=training).shape == (0,)


def test_an_empty_batch_leaves_a_net_as_it_is():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    )
    before = {name: t.tolist() for name, t in net.state_dict().items()}
    optimizer = tinynet.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    scores = net(tinynet.ones(0, 1, 4, 4))
    F.cross_entropy(scores, tinynet.zeros(0, dtype=tinynet.int64), reduction="sum").backward()
    optimizer.step()
    after = {name: t.tolist() for name, t in net.state_dict().items()}
    assert after.pop("1.num_batches_tracked") == 1 + before.pop("1.num_batches_tracked")
    assert after == before
