"""Layers that are declared by their function: signatures, text, copies, attributes that act."""

from __future__ import annotations

import copy
import inspect
import pickle
import pydoc

import numpy as np
import pytest
from operations import real

import tinynet
from tinynet import nn
from tinynet.nn.function_module import FunctionModule

X = tinynet.tensor(real(2, 3, 6, 8))
PAD = {"padding": 1}
# What each layer needs to be made; all others are made without arguments.
NEEDED = {
    "Unflatten": {"dim": 3, "unflattened_size": (2, 4)}, "MaxPool2d": {"kernel_size": 2},
    "AvgPool2d": {"kernel_size": 2}, "AdaptiveAvgPool2d": {"output_size": 2},
    "AdaptiveMaxPool2d": {"output_size": 2}, "Upsample": {"scale_factor": 2},
    "ConstantPad2d": {"padding": 1, "value": 2.0}, "ZeroPad2d": PAD, "ReflectionPad2d": PAD,
    "ReplicationPad2d": PAD, "CircularPad2d": PAD, "Softmax": {"dim": 1}, "LogSoftmax": {"dim": 1},
}  # fmt: skip
LAYERS = [
    name
    for name in nn.__all__
    if inspect.isclass(getattr(nn, name)) and issubclass(getattr(nn, name), FunctionModule)
]
PAIRED = [n for n in LAYERS if n.endswith("Loss") or n == "CosineSimilarity"]


def make(name):
    return getattr(nn, name)(**NEEDED.get(name, {}))


def run(layer, name):
    tinynet.manual_seed(3)
    p = X.sigmoid()
    if name == "NLLLoss":
        return layer(X, tinynet.zeros(2, 6, 8, dtype=tinynet.int64))
    return layer(p, p * 0.5) if name in PAIRED else layer(X.clone())


def test_there_are_many():
    assert len(LAYERS) >= 34


@pytest.mark.parametrize("name", LAYERS)
def test_help_shows_signature_and_docstring(name):
    kind = getattr(nn, name)
    text = pydoc.plain(pydoc.render_doc(kind))
    signature = inspect.signature(kind)
    # Python 3.13 breaks long signatures into lines, each with a bar in front
    shown, words = ["".join(s.replace("|", "").split()) for s in (text, f"{name}{signature}")]
    assert words in shown or not signature.parameters
    assert "arguments" not in signature.parameters and "self" not in signature.parameters
    assert kind.__doc__ and ">>>" not in kind.__doc__
    assert set(NEEDED.get(name, {})) <= set(signature.parameters)


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_and_defaults_are_pytorchs(torch, name):
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    for argument, parameter in inspect.signature(getattr(nn, name)).parameters.items():
        expected = theirs[argument].default
        if isinstance(expected, (int, float, str)):
            assert parameter.default == expected, argument
        elif expected is None:
            assert parameter.default is None, argument


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)
def test_copies_compute_the_same(name, duplicate):
    layer = make(name)
    twin = duplicate(layer)
    assert type(twin) is type(layer) and repr(twin) == repr(layer)
    assert vars(twin).keys() == vars(layer).keys()
    assert np.array_equal(run(twin, name), run(layer, name), equal_nan=True)


@pytest.mark.parametrize("name", LAYERS)
def test_every_argument_is_an_attribute(name):
    layer = make(name)
    for argument in inspect.signature(type(layer)).parameters:
        getattr(layer, argument)
    with pytest.raises(TypeError, match=rf"^{name}: .*unexpected.*; expected {name}\("):
        getattr(nn, name)(unknown=1, **NEEDED.get(name, {}))


def test_attributes_act():
    pool, drop, up, loss = nn.MaxPool2d(2), nn.Dropout(0.5), nn.Upsample(2), nn.MSELoss()
    pool.stride = 1
    assert pool(X).shape == (2, 3, 5, 7)
    pool.kernel_size = (3, 1)
    assert pool(X).shape == (2, 3, 4, 8)
    assert repr(pool).startswith("MaxPool2d(kernel_size=(3, 1), stride=1, ")
    drop.p = 0.0
    assert drop(X) is X
    drop.p = 1.0
    assert not drop(X).any()
    assert drop.eval()(X) is X
    up.size = (3, 3)
    assert up(X).shape == (2, 3, 3, 3)
    loss.reduction = "none"
    assert loss(X, X).shape == X.shape
    flat = nn.Flatten()
    flat.end_dim = 2
    assert flat(X).shape == (2, 18, 8)
    weighted = nn.CrossEntropyLoss()
    weighted.weight = tinynet.ones(3)
    assert list(weighted.state_dict()) == ["weight"]


def test_tensors_by_name():
    assert np.array_equal(nn.MaxPool2d(2)(input=X), nn.MaxPool2d(2)(X))
    assert nn.MSELoss()(input=X, target=X * 0).item() == nn.MSELoss()(X, X * 0).item()


def test_subclasses_of_users():
    class Loud(nn.LeakyReLU):
        """A layer with an argument of its own."""

        def __init__(self, volume):
            super().__init__(0.5)
            self.volume = volume

        def forward(self, x):
            return super().forward(x) * self.volume

    loud = Loud(3.0)
    assert loud(tinynet.tensor([-2.0])).item() == -3.0
    assert repr(loud) == "Loud(negative_slope=0.5)"
    assert list(inspect.signature(Loud).parameters) == ["volume"]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: nn.MaxPool2d(), r"MaxPool2d: missing a required argument: 'kernel_size'"),
        (lambda: nn.ReLU(True, 1), r"ReLU: too many positional arguments; expected ReLU\(inplace"),
        (lambda: nn.MSELoss(averaged=True), "MSELoss: got an unexpected keyword argument"),
    ],
)
def test_wrong_arguments_are_refused_by_name(refused, message):
    with pytest.raises(TypeError, match=message):
        refused()
