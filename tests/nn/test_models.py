"""Programs written once, for PyTorch, that run on both frameworks and train to the same weights;
weights that move both ways; and layers to which it makes no difference how their input lies in
memory."""

from __future__ import annotations

import copy
import itertools
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn

# ------------------------------------------------------------------------------------- the programs

# Each is what one would write for PyTorch: a model, a loss and an optimiser (with, for two of them,
# a schedule).
RESNET = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.optim import lr_scheduler


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, padding_mode="reflect",
            bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.depthwise = nn.Conv2d(outputs, outputs, (3, 2), padding="same", dilation=(2, 3),
            groups=outputs, bias=False)
        self.pointwise = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.pointwise(self.depthwise(y)))
        y += self.shortcut(x)
        return F.relu(y)


class ResNet(nn.Module):
    def __init__(self, blocks=(1, 2), width=4, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.ReflectionPad2d((2, 1, 1, 2)),
            nn.Conv2d(3, width, 4, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        layers = []
        inputs = width
        for stage, count in enumerate(blocks):
            outputs = width << stage
            for number in range(count):
                layers.append(Block(inputs, outputs, stride=2 if stage and number == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.avgpool(self.layers(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


model = ResNet()
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
"""

LENET = """
import torch
from torch import nn
from torch.optim import Adam


class LeNet5(nn.Module):
    def __init__(self):
        super(LeNet5, self).__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),
            nn.Tanh(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.Tanh(),
            nn.AvgPool2d(kernel_size=2, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, 10),
        )

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.classifier(x)


model = LeNet5()
criterion = nn.CrossEntropyLoss()
optimizer = Adam(model.parameters(), lr=0.002)
scheduler = None
"""

# The network, loss and schedule of the MNIST program among PyTorch's examples. Dropout is off,
# since the two frameworks draw different numbers, and RMSprop, its nearest relative, stands for
# Adadelta, which tinynet doesn't have.
MNIST_EXAMPLE = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.0)
        self.dropout2 = nn.Dropout(0.0)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


model = Net()
criterion = F.nll_loss
optimizer = optim.RMSprop(model.parameters(), lr=0.001, alpha=0.9, eps=1e-6)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
"""

# What such a program does with its model, and again nothing but PyTorch's names.
LOOP = """
import torch
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)),
    batch_size=batch_size)


def train():
    model.train()
    losses = []
    for data, target in loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if scheduler is not None:
            scheduler.step()
    return losses


def test():
    model.eval()
    outputs = []
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            outputs.append(output)
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return torch.cat(outputs), correct


before, _ = test()
losses = train()
after, correct = test()
"""

PROGRAMS = {
    "resnet": SimpleNamespace(source=RESNET, shape=(3, 9, 12), count=12, batch=4, epochs=2),
    "lenet": SimpleNamespace(source=LENET, shape=(1, 28, 28), count=12, batch=4, epochs=2),
    "mnist example": SimpleNamespace(
        source=MNIST_EXAMPLE, shape=(1, 28, 28), count=6, batch=2, epochs=1
    ),
}


def for_tinynet(source: str) -> str:
    """`source`, with its import lines changed and nothing else."""
    lines = []
    for line in source.splitlines():
        if re.match(r"import torch$", line):
            line = "import tinynet as torch"
        elif re.match(r"(import|from) torch\b", line):
            line = line.replace("torch", "tinynet", 1)
        lines.append(line)
    return "\n".join(lines)


def weights_for(shapes: dict[str, tuple[int, ...]], dtype: Any) -> dict[str, np.ndarray]:
    """Values for a state dict from a formula, so that they are the same wherever and whenever it is
    computed.
    """
    made, position = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        values = np.sin(1.7 * np.arange(position + 1, position + size + 1) ** 1.1).reshape(shape)
        position += size
        if name.endswith("num_batches_tracked"):
            values = np.asarray(0)
        elif name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            values = 1 + values / 4
        else:
            fan_in = int(np.prod(shape[1:])) or 1
            values = values / np.sqrt(fan_in if len(shape) > 1 else 16)
        made[name] = values.astype(np.int64 if name.endswith("num_batches_tracked") else dtype)
    return made


def run(framework: str, program: SimpleNamespace, dtype: Any) -> SimpleNamespace:
    """Build the model, give it weights by the formula, train; outputs before and after, all losses
    and all weights, as numpy arrays.
    """
    translate = for_tinynet if framework == "tinynet" else str
    size = program.count * int(np.prod(program.shape))
    names: dict[str, Any] = {
        "images": (np.cos(0.9 * np.arange(size) ** 1.2))
        .reshape(program.count, *program.shape)
        .astype(dtype),
        "labels": np.arange(program.count, dtype=np.int64) * 7 % 10,
        "batch_size": program.batch,
    }
    exec(compile(translate(program.source), "program", "exec"), names)
    model, from_numpy = names["model"], names["torch"].from_numpy
    if dtype is np.float64:
        model.double()  # in place, so that the optimiser's parameters are still these
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict(
        {name: from_numpy(value) for name, value in weights_for(shapes, dtype).items()}
    )
    losses: list[float] = []
    before = None
    for _ in range(program.epochs):
        exec(compile(translate(LOOP), "loop", "exec"), names)
        losses += names["losses"]
        before = names["before"].numpy() if before is None else before
    return SimpleNamespace(
        names=names, before=before, losses=losses, after=names["after"].numpy(),
        correct=names["correct"],
        state={name: value.detach().numpy() for name, value in model.state_dict().items()},
    )  # fmt: skip


# In float64 hardly anything is left to rounding. In float32 a step of Adam or RMSprop can turn on
# the sign of a gradient that is rounding alone.
TOLERANCES = {np.float64: {"rtol": 1e-9, "atol": 1e-11}, np.float32: {"rtol": 2e-3, "atol": 2e-4}}


@pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel"
)  # PyTorch's, about its own speed
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_trains_to_the_same_weights(name, dtype, torch):
    ours, theirs = (run(framework, PROGRAMS[name], dtype) for framework in ("tinynet", "torch"))
    close = TOLERANCES[dtype]
    np.testing.assert_allclose(ours.before, theirs.before, **close)
    np.testing.assert_allclose(ours.losses, theirs.losses, **close)
    np.testing.assert_allclose(ours.after, theirs.after, **close)
    assert ours.before.dtype == ours.after.dtype == dtype
    assert len(ours.losses) == PROGRAMS[name].epochs * (
        PROGRAMS[name].count // PROGRAMS[name].batch
    )
    assert ours.correct == theirs.correct
    assert list(ours.state) == list(theirs.state)
    for key, value in theirs.state.items():
        assert (ours.state[key].shape, ours.state[key].dtype) == (value.shape, value.dtype), key
        np.testing.assert_allclose(ours.state[key], value, **close, err_msg=key)
    start = weights_for({key: value.shape for key, value in theirs.state.items()}, dtype)
    moved = [
        key for key in start if not np.allclose(start[key], ours.state[key], rtol=0, atol=1e-5)
    ]
    assert len(moved) == len(start), "a weight that stays where it was would say nothing"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_models_print_alike(name, torch):
    names: dict[str, Any] = {}
    exec(for_tinynet(PROGRAMS[name].source), names)
    ours = repr(names["model"])
    exec(PROGRAMS[name].source, names)
    assert ours == repr(names["model"])


# What PyTorch 2.13 gave for LENET in float64; `python tests/nn/test_models.py` prints it anew.
LENET_RECORDED = SimpleNamespace(
    losses=[2.3232870466071835, 3.465351958905492, 2.118893075733741, 2.000209408838356,
        2.8872989636428397, 2.0939668401626514],
    before=[
        0.40828844567925465, -1.0985187150615348, -0.6996320916089221, 0.723547471263229,
        0.147937645531026,
        -1.0238188257874852, 0.27830782548210675, 1.1495779067337584, -0.4827736994311177,
        -0.18012342585280308,
    ],
    after=[
        0.41921682135422483, -0.33564119758765065, -0.5788178905961555, -0.04669486470619996,
        0.1411790607931734,
        -0.3873151487959961, -0.0955488057146539, 0.4814319620079782, 0.03922297301305025,
        -0.17986389341125147,
    ],
    norms={
        "features.0.weight": 1.7119200787983437, "features.0.bias": 0.1805858054562087,
        "features.3.weight": 2.838435598305175, "features.3.bias": 0.6806293466567988,
        "classifier.0.weight": 7.784214730510352, "classifier.0.bias": 1.947547379419246,
        "classifier.2.weight": 6.4695552135452745, "classifier.2.bias": 1.571284038636253,
        "classifier.4.weight": 2.208555365467788, "classifier.4.bias": 0.5481116327714293,
    },
)  # fmt: skip


def test_lenet_as_recorded():
    """The contract without PyTorch: its losses, the outputs for the first image, and the norm of
    each weight after training.
    """
    ours = run("tinynet", PROGRAMS["lenet"], np.float64)
    np.testing.assert_allclose(ours.losses, LENET_RECORDED.losses, rtol=1e-9)
    np.testing.assert_allclose(ours.before[0], LENET_RECORDED.before, rtol=1e-9)
    np.testing.assert_allclose(ours.after[0], LENET_RECORDED.after, rtol=1e-9)
    assert list(ours.state) == list(LENET_RECORDED.norms)
    for name, norm in LENET_RECORDED.norms.items():
        np.testing.assert_allclose(np.linalg.norm(ours.state[name]), norm, rtol=1e-9, err_msg=name)


# ---------------------------------------------------------------------- weights that move both ways


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", PROGRAMS)
def test_weights_from_pytorch(name, torch, tmp_path):
    from safetensors.torch import save_file

    theirs = run("torch", PROGRAMS[name], np.float32)
    save_file(theirs.names["model"].state_dict(), tmp_path / "theirs.safetensors")
    names: dict[str, Any] = {}
    exec(for_tinynet(PROGRAMS[name].source), names)
    keys = names["model"].load_state_dict(tinynet.load(tmp_path / "theirs.safetensors"))
    assert str(keys) == "<All keys matched successfully>"
    output = names["model"].eval()(tinynet.from_numpy(theirs.names["images"]))
    np.testing.assert_allclose(output.detach().numpy(), theirs.after, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", PROGRAMS)
def test_weights_to_pytorch(name, torch, tmp_path):
    from safetensors.torch import load_file

    ours = run("tinynet", PROGRAMS[name], np.float32)
    tinynet.save(ours.names["model"].state_dict(), tmp_path / "ours.safetensors")
    names: dict[str, Any] = {}
    exec(PROGRAMS[name].source, names)
    keys = names["model"].load_state_dict(load_file(tmp_path / "ours.safetensors"))
    assert str(keys) == "<All keys matched successfully>"
    output = names["model"].eval()(torch.from_numpy(ours.names["images"]))
    np.testing.assert_allclose(output.detach().numpy(), ours.after, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------ any order in memory


def spread(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """An array of other bytes between the elements of `array`, a view of which it is, with its dims
    in memory in `order`.
    """
    memory = np.full([2 * array.shape[i] + 1 for i in order], np.nan, array.dtype)
    view = memory[tuple(slice(1, None, 2) for _ in order)].transpose(np.argsort(order))
    view[...] = array
    return view


LAYOUTS = {
    "last dim first": lambda a: np.asfortranarray(a),
    "channels last": lambda a: (
        np.ascontiguousarray(np.moveaxis(a, 1, -1)).swapaxes(1, -1).swapaxes(2, -1)
        if a.ndim == 4
        else a.T.copy().T
    ),
    "batch last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
    "from the end": lambda a: np.ascontiguousarray(a[(slice(None, None, -1),) * a.ndim])[
        (slice(None, None, -1),) * a.ndim
    ],
    "every second": lambda a: spread(a, tuple(range(a.ndim))),
    "every second, turned": lambda a: spread(a, tuple(range(a.ndim))[::-1]),
    "every second, batch inside": lambda a: spread(a, (*range(1, a.ndim), 0)),
}

IMAGES = (3, 4, 7, 6)  # (N, C, H, W), all different
LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2)), IMAGES),
    "Conv2d 1x1": (lambda: nn.Conv2d(4, 6, 1), IMAGES),
    "Conv2d grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2, dilation=(2, 1), bias=False), IMAGES),
    "Conv2d depthwise same": (lambda: nn.Conv2d(4, 4, (3, 2), padding="same", groups=4), IMAGES),
    "Conv2d reflect": (lambda: nn.Conv2d(4, 5, 3, padding=(2, 1), padding_mode="reflect"), IMAGES),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(
            4, 6, (3, 2), stride=(2, 3), padding=1, output_padding=(1, 0), groups=2
        ),
        IMAGES,
    ),
    "Linear": (lambda: nn.Linear(6, 5), IMAGES),
    "Linear on rows": (lambda: nn.Linear(6, 5), (7, 6)),
    "Flatten": (lambda: nn.Flatten(), IMAGES),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), IMAGES),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), (7, 6)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), IMAGES),
    "BatchNorm2d in use": (lambda: nn.BatchNorm2d(4).eval(), IMAGES),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), IMAGES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), IMAGES),
    "LayerNorm": (lambda: nn.LayerNorm((7, 6)), IMAGES),
    "MaxPool2d": (lambda: nn.MaxPool2d((3, 2), stride=(2, 1), padding=1), IMAGES),
    "MaxPool2d apart": (lambda: nn.MaxPool2d(2), IMAGES),
    "AvgPool2d": (lambda: nn.AvgPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True), IMAGES),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, 4)), IMAGES),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((3, 4)), IMAGES),
    "Upsample nearest": (lambda: nn.Upsample(scale_factor=(2, 3)), IMAGES),
    "Upsample bilinear": (lambda: nn.Upsample((9, 11), mode="bilinear"), IMAGES),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d((1, 2, 3, 0)), IMAGES),
    "ReplicationPad2d": (lambda: nn.ReplicationPad2d((1, 2, 3, 0)), IMAGES),
    "CircularPad2d": (lambda: nn.CircularPad2d((1, 2, 3, 0)), IMAGES),
    "ConstantPad2d": (lambda: nn.ConstantPad2d((1, -2, 3, 0), 1.5), IMAGES),
    "ZeroPad2d": (lambda: nn.ZeroPad2d(2), IMAGES),
    "Dropout": (lambda: nn.Dropout(0.4), IMAGES),
    "Dropout2d": (lambda: nn.Dropout2d(0.4), IMAGES),
    "ReLU": (lambda: nn.ReLU(), IMAGES),
    "ReLU6": (lambda: nn.ReLU6(), IMAGES),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), IMAGES),
    "ELU": (lambda: nn.ELU(), IMAGES),
    "GELU": (lambda: nn.GELU(), IMAGES),
    "SiLU": (lambda: nn.SiLU(), IMAGES),
    "Sigmoid": (lambda: nn.Sigmoid(), IMAGES),
    "Tanh": (lambda: nn.Tanh(), IMAGES),
    "Softplus": (lambda: nn.Softplus(), IMAGES),
    "Hardtanh": (lambda: nn.Hardtanh(), IMAGES),
    "Softmax": (lambda: nn.Softmax(1), IMAGES),
    "LogSoftmax": (lambda: nn.LogSoftmax(-1), IMAGES),
    "Identity": (lambda: nn.Identity(), IMAGES),
    "Sequential": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(54, 3),
        ),
        IMAGES,
    ),
}


class Against(nn.Module):
    """A loss as a layer: of each number by itself, for a target that stays."""

    def __init__(self, loss, target, prepare=nn.Identity):
        super().__init__()
        self.loss, self.prepare = loss(reduction="none"), prepare()
        self.register_buffer("target", tinynet.tensor(target))

    def forward(self, x):
        return self.loss(self.prepare(x), self.target)


_random = np.random.default_rng(7)
_numbers, _chances = _random.standard_normal(IMAGES), _random.uniform(0.1, 0.9, IMAGES)
_classes = _random.integers(0, 4, (3, 7, 6))
LAYERS |= {
    "MSELoss": (lambda: Against(nn.MSELoss, _numbers), IMAGES),
    "L1Loss": (lambda: Against(nn.L1Loss, _numbers), IMAGES),
    "SmoothL1Loss": (lambda: Against(nn.SmoothL1Loss, _numbers), IMAGES),
    "HuberLoss": (lambda: Against(nn.HuberLoss, _numbers), IMAGES),
    "BCELoss": (lambda: Against(nn.BCELoss, _chances, nn.Sigmoid), IMAGES),
    "BCEWithLogitsLoss": (lambda: Against(nn.BCEWithLogitsLoss, _chances), IMAGES),
    "KLDivLoss": (lambda: Against(nn.KLDivLoss, _chances), IMAGES),
    "CrossEntropyLoss": (lambda: Against(nn.CrossEntropyLoss, _classes), IMAGES),
    "NLLLoss": (lambda: Against(nn.NLLLoss, _classes), IMAGES),
}


def test_no_layer_is_missing():
    tried = {type(module) for make, _ in LAYERS.values() for module in make().modules()}
    others = {
        nn.Module,
        nn.ModuleList,
        nn.ModuleDict,
        nn.CosineSimilarity,
    }  # hold layers, or take two inputs
    layers = {
        value
        for value in vars(nn).values()
        if isinstance(value, type) and issubclass(value, nn.Module)
    }
    assert layers - tried - others == set()


def values_and_gradients(module: Any, x: np.ndarray, upstream: Any) -> dict[str, np.ndarray]:
    """The output, and the gradients of <output, upstream> for the input and every parameter; also
    the buffers afterwards.
    """
    module = copy.deepcopy(module)
    tinynet.manual_seed(5)  # for dropout
    leaf = tinynet.from_numpy(x).requires_grad_()
    y = module(leaf)
    g = upstream(np.sin(np.arange(1.0, 1 + y.array.size)).reshape(y.shape))
    y.backward(tinynet.from_numpy(g))
    found = {"output": y.detach().numpy(), "input": leaf.grad.numpy()}
    found |= {f"gradient of {name}": p.grad.numpy() for name, p in module.named_parameters()}
    return found | {name: b.numpy() for name, b in module.named_buffers()}


@pytest.mark.parametrize("name", LAYERS)
def test_the_order_in_memory_makes_no_difference(name):
    make, shape = LAYERS[name]
    tinynet.manual_seed(3)
    module = make().double()
    x = np.random.default_rng(1).standard_normal(shape)
    expected = values_and_gradients(module, x, np.ascontiguousarray)
    assert np.abs(expected["input"]).max() > 0.01
    # The layouts of the input and of the gradient that comes back, each with all of the other would
    # be 49: shifted pairs meet both.
    layouts = list(LAYOUTS.items())
    for (called, lay), (other, lay_gradient) in zip(
        layouts, layouts[3:] + layouts[:3], strict=True
    ):
        laid = lay(x)
        np.testing.assert_array_equal(laid, x)
        assert not laid.flags.c_contiguous
        found = values_and_gradients(module, laid, lay_gradient)
        np.testing.assert_array_equal(laid, x, err_msg="the input was written to")
        for what, value in expected.items():
            np.testing.assert_allclose(
                found[what],
                value,
                rtol=1e-10,
                atol=1e-12,
                err_msg=f"{what}, input {called}, gradient {other}",
            )


@pytest.mark.parametrize("name", LAYERS)
def test_broadcast_inputs_need_no_copy(name):
    """A batch that is one image again and again, without memory of its own, and every channel of it
    the same.
    """
    make, shape = LAYERS[name]
    tinynet.manual_seed(4)
    module = make().double()
    one = np.random.default_rng(2).standard_normal((1,) * (len(shape) - 2) + shape[-2:])
    repeated = tinynet.from_numpy(one).expand(*shape)
    assert 0 in repeated.array.strides or len(shape) == 2
    tinynet.manual_seed(5)
    found = copy.deepcopy(module)(repeated)
    tinynet.manual_seed(5)
    expected = copy.deepcopy(module)(tinynet.tensor(np.ascontiguousarray(repeated.array)))
    np.testing.assert_allclose(
        found.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize(("layout", "stride"), list(itertools.product(LAYOUTS, [1, 2])))
def test_weights_in_any_order_in_memory(layout, stride):
    """Weights that were loaded, or set, as a view of something else."""
    weight, x = (
        np.random.default_rng(seed).standard_normal(shape)
        for seed, shape in ((1, (5, 4, 3, 2)), (2, IMAGES))
    )
    results = []
    for w in (weight, LAYOUTS[layout](weight)):
        module = nn.Conv2d(4, 5, (3, 2), stride=stride, bias=False)
        module.weight = nn.Parameter(tinynet.from_numpy(w))
        results.append(values_and_gradients(module, x, np.ascontiguousarray))
    for what, value in results[0].items():
        np.testing.assert_allclose(results[1][what], value, rtol=1e-10, atol=1e-12, err_msg=what)


if __name__ == "__main__":  # prints what is to be recorded
    theirs = run("torch", PROGRAMS["lenet"], np.float64)
    print("losses =", theirs.losses)
    print("before =", theirs.before[0].tolist())
    print("after =", theirs.after[0].tolist())
    print("norms =", {name: float(np.linalg.norm(value)) for name, value in theirs.state.items()})
