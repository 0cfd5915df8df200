"""Every public function, with every argument replaced by what it can't be: what is refused is
refused in words.

The table has one right call of each function. Each of its arguments in turn is replaced by each of
a list of wrong values. Many are accepted, rightly (a number for a tensor, an empty list). Where
they aren't, the error must be a ValueError, TypeError or RuntimeError (or IndexError, OSError) that
begins with the function's name, names one of its arguments or what was given, and says the rule; it
is not a sentence of numpy's or Python's from somewhere inside. The same for tensors on another
device, and for devices that there aren't.
"""

from __future__ import annotations

import inspect
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.autograd.gradcheck import GradcheckError
from tinynet.compat.names import signature
from tinynet.optim import lr_scheduler
from tinynet.utils import data


FOLDER = tempfile.TemporaryDirectory()  # for the one file that is written here


def saved() -> Path:
    """A file that holds a tensor."""
    path = Path(FOLDER.name, "saved")
    tinynet.save(real(2), path)
    return path


def real(*shape: int) -> tinynet.Tensor:
    values = np.sin(1.0 + np.arange(int(np.prod(shape)))).reshape(shape)
    return tinynet.from_numpy(values.astype(np.float32))


def leaf(*shape: int) -> tinynet.Tensor:
    return real(*shape).requires_grad_()


def share(*shape: int) -> tinynet.Tensor:
    return real(*shape) * 0.4 + 0.5


def ints(*values: int) -> tinynet.Tensor:
    return tinynet.tensor(list(values))


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 3))


def adam() -> optim.Optimizer:
    return optim.Adam([leaf(2)], lr=0.1)


def rows(n: int = 6) -> data.Dataset:
    return data.TensorDataset(real(n, 2))


class Call:
    """A right call: the function, or what makes it, and what makes its arguments."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **options: Any):
        self.function, self.arguments, self.options = function, arguments, options

    def values(self) -> tuple[list[Any], dict[str, Any]]:
        fresh = [
            a() if inspect.isfunction(a) and a.__name__ == "<lambda>" else a for a in self.arguments
        ]
        return fresh, {
            n: a() if inspect.isfunction(a) and a.__name__ == "<lambda>" else a
            for n, a in self.options.items()
        }


X, V, W = lambda: leaf(2, 3), lambda: leaf(3), lambda: leaf(3, 2)
IMAGE, IMAGES = lambda: leaf(1, 2, 6, 5), lambda: leaf(2, 3, 4, 4)

CALLS: dict[str, Call] = {}


for name in (
    "abs ceil cos erf exp expm1 floor isfinite isinf isnan log log1p logical_not neg "
    "reciprocal relu round rsqrt sigmoid sign sin "
    "sqrt square t tanh unbind"
).split():
    CALLS[name] = Call(getattr(tinynet, name), X)
for name in (
    "add div eq ge gt le lt logical_and logical_or maximum minimum mul ne pow remainder sub "
    "floor_divide allclose equal isclose view_as "
    "expand_as"
).split():
    CALLS[name] = Call(getattr(tinynet, name), X, X)
for name in "bitwise_and bitwise_or bitwise_xor".split():
    CALLS[name] = Call(getattr(tinynet, name), lambda: ints(1, 2), lambda: ints(3, 4))
for name in (
    "all any argmax argmin mean sum logsumexp softmax log_softmax std var norm amax amin max min"
).split():
    CALLS[name] = Call(getattr(tinynet, name), X, dim=1)
for name in "zeros ones empty rand randn".split():
    CALLS[name] = Call(
        getattr(tinynet, name), 2, 3, dtype=tinynet.float32, device="cpu", requires_grad=False
    )
for name in "zeros_like ones_like empty_like rand_like randn_like".split():
    CALLS[name] = Call(getattr(tinynet, name), X, dtype=tinynet.float32, device="cpu")
CALLS |= {
    "bitwise_not": Call(tinynet.bitwise_not, lambda: ints(1, 2)),
    "arange": Call(tinynet.arange, 0, 5, 2, dtype=tinynet.int64, device="cpu"),
    "linspace": Call(tinynet.linspace, 0, 1, 5, dtype=tinynet.float32),
    "eye": Call(tinynet.eye, 3, 4, dtype=tinynet.float32),
    "full": Call(tinynet.full, (2, 3), 1.5, dtype=tinynet.float32),
    "full_like": Call(tinynet.full_like, X, 2.0),
    "tensor": Call(tinynet.tensor, [1.0, 2.0], dtype=tinynet.float32, device="cpu",
        requires_grad=True),
    "as_tensor": Call(tinynet.as_tensor, [1.0, 2.0], tinynet.float32, "cpu"),
    "from_numpy": Call(tinynet.from_numpy, lambda: np.ones(3, np.float32)),
    "from_dlpack": Call(tinynet.from_dlpack, lambda: np.ones(3, np.float32)),
    "randint": Call(tinynet.randint, 0, 5, (2, 3), dtype=tinynet.int64),
    "randint_like": Call(tinynet.randint_like, X, 0, 5),
    "randperm": Call(tinynet.randperm, 5),
    "normal": Call(tinynet.normal, 0.0, 1.0, (2, 3)),
    "bernoulli": Call(tinynet.bernoulli, lambda: share(2, 3)),
    "manual_seed": Call(tinynet.manual_seed, 1),
    "device": Call(tinynet.device, "cpu", 0),
    "Generator": Call(tinynet.Generator, "cpu"),
    "set_num_threads": Call(tinynet.set_num_threads, 2),
    "set_printoptions": Call(tinynet.set_printoptions, precision=4, threshold=1000, edgeitems=3,
        linewidth=80),
    "cat": Call(tinynet.cat, lambda: [leaf(2, 3), leaf(2, 3)], 1),
    "stack": Call(tinynet.stack, lambda: [leaf(2, 3), leaf(2, 3)], 1),
    "chunk": Call(tinynet.chunk, X, 2, 1),
    "split": Call(tinynet.split, X, [1, 2], 1),
    "narrow": Call(tinynet.narrow, X, 1, 0, 2),
    "clamp": Call(tinynet.clamp, X, -0.5, 0.5),
    "flatten": Call(tinynet.flatten, X, 0, 1),
    "unflatten": Call(tinynet.unflatten, X, 1, (3, 1)),
    "flip": Call(tinynet.flip, X, 1),
    "gather": Call(tinynet.gather, X, 1, lambda: tinynet.tensor([[0, 1], [2, 0]])),
    "index_select": Call(tinynet.index_select, X, 1, lambda: ints(0, 2)),
    "masked_fill": Call(tinynet.masked_fill, X, lambda: real(2, 3) > 0, 1.0),
    "where": Call(tinynet.where, lambda: real(2, 3) > 0, X, X),
    "matmul": Call(tinynet.matmul, X, W), "mm": Call(tinynet.mm, X, W),
    "permute": Call(tinynet.permute, X, 1, 0),
    "transpose": Call(tinynet.transpose, X, 0, 1),
    "reshape": Call(tinynet.reshape, X, 3, 2),
    "squeeze": Call(tinynet.squeeze, lambda: leaf(2, 1), 1),
    "unsqueeze": Call(tinynet.unsqueeze, X, 0),
    "grad": Call(tinynet.grad, lambda: leaf(2).sum(), lambda: leaf(2), None, True,
        allow_unused=True),
    "autograd.backward": Call(tinynet.autograd.backward, lambda: (leaf(2) * 2).sum(), None),
    "gradcheck": Call(tinynet.gradcheck, lambda: (lambda x: x * x),
        lambda: real(2).double().requires_grad_(), eps=1e-6, atol=1e-5),
    "summary": Call(tinynet.summary, lambda: nn.Linear(3, 2), (2, 3)),
    "result_type": Call(tinynet.result_type, X, 1.0),
    "save": Call(tinynet.save, 1, "file"),
    "load": Call(tinynet.load, lambda: saved(), "cpu"),
    "Checkpoint": Call(tinynet.Checkpoint, "file", progress={}),
}  # fmt: skip

for name in "relu leaky_relu elu gelu silu sigmoid tanh softplus hardtanh relu6".split():
    CALLS[f"F.{name}"] = Call(getattr(F, name), X)
for name in "mse_loss l1_loss smooth_l1_loss huber_loss kl_div".split():
    CALLS[f"F.{name}"] = Call(getattr(F, name), X, X, reduction="sum")
for name in "binary_cross_entropy binary_cross_entropy_with_logits".split():
    CALLS[f"F.{name}"] = Call(
        getattr(F, name),
        lambda: share(2, 3),
        lambda: share(2, 3),
        lambda: share(3),
        reduction="sum",
    )
for name in "max_pool2d avg_pool2d".split():
    CALLS[f"F.{name}"] = Call(getattr(F, name), IMAGE, 2, 2, 1)
for name in "adaptive_avg_pool2d adaptive_max_pool2d".split():
    CALLS[f"F.{name}"] = Call(getattr(F, name), IMAGE, (2, 3))
for name in "dropout dropout2d".split():
    CALLS[f"F.{name}"] = Call(getattr(F, name), IMAGE, 0.4, True)
CALLS |= {
    "F.softmax": Call(F.softmax, X, 1),
    "F.log_softmax": Call(F.log_softmax, X, 1),
    "F.linear": Call(F.linear, X, lambda: leaf(4, 3), lambda: leaf(4)),
    "F.conv2d": Call(F.conv2d, IMAGE, lambda: leaf(4, 1, 3, 2), lambda: leaf(4), (2, 1), (1, 0),
        (1, 2), 2),
    "F.conv_transpose2d": Call(F.conv_transpose2d, IMAGE, lambda: leaf(2, 3, 3, 2), lambda: leaf(3),
        (2, 1), (1, 0), (1, 0), 1, 1),
    "F.unfold": Call(F.unfold, IMAGE, (2, 3), 1, 0, 1),
    "F.fold": Call(F.fold, lambda: leaf(1, 8, 20), (6, 5), (2, 2), 1, 0, 1),
    "F.pad": Call(F.pad, IMAGE, (1, 2, 0, 1), "constant", 0.5),
    "F.interpolate": Call(F.interpolate, IMAGE, (3, 4), mode="nearest"),
    "F.batch_norm": Call(F.batch_norm, IMAGES, lambda: real(3), lambda: share(3), V, V, True, 0.1,
        1e-5),
    "F.layer_norm": Call(F.layer_norm, X, (3,), V, V, 1e-5),
    "F.group_norm": Call(F.group_norm, lambda: leaf(2, 4, 3), 2, lambda: leaf(4), lambda: leaf(4),
        1e-5),
    "F.instance_norm": Call(F.instance_norm, IMAGES, None, None, V, V),
    "F.normalize": Call(F.normalize, X, 2.0, 1, 1e-12),
    "F.one_hot": Call(F.one_hot, lambda: ints(0, 2), 3),
    "F.cross_entropy": Call(F.cross_entropy, X, lambda: ints(0, 2), lambda: share(3),
        ignore_index=-1, reduction="sum", label_smoothing=0.1),
    "F.nll_loss": Call(F.nll_loss, X, lambda: ints(0, 2), lambda: share(3), ignore_index=-1,
        reduction="sum"),
    "F.cosine_similarity": Call(F.cosine_similarity, X, X, 1, 1e-8),
    "nn.Linear": Call(nn.Linear, 3, 2, True),
    "nn.Conv2d": Call(nn.Conv2d, 4, 6, 3, 1, 0, 1, 2, True, "zeros"),
    "nn.ConvTranspose2d": Call(nn.ConvTranspose2d, 4, 6, 3, 1, 0, 0, 2, True, 1),
    "nn.BatchNorm1d": Call(nn.BatchNorm1d, 3, 1e-5, 0.1, True, True),
    "nn.BatchNorm2d": Call(nn.BatchNorm2d, 3, 1e-5, 0.1, True, True),
    "nn.InstanceNorm2d": Call(nn.InstanceNorm2d, 3),
    "nn.GroupNorm": Call(nn.GroupNorm, 2, 4),
    "nn.LayerNorm": Call(nn.LayerNorm, (3, 4)),
    "nn.MaxPool2d": Call(nn.MaxPool2d, 2, 2, 1),
    "nn.AvgPool2d": Call(nn.AvgPool2d, 2, 2, 1),
    "nn.AdaptiveAvgPool2d": Call(nn.AdaptiveAvgPool2d, (2, 3)),
    "nn.AdaptiveMaxPool2d": Call(nn.AdaptiveMaxPool2d, (2, 3)),
    "nn.Dropout": Call(nn.Dropout, 0.5),
    "nn.Dropout2d": Call(nn.Dropout2d, 0.5),
    "nn.Flatten": Call(nn.Flatten, 1, -1),
    "nn.Unflatten": Call(nn.Unflatten, 1, (3, 4)),
    "nn.Upsample": Call(nn.Upsample, scale_factor=2),
    "nn.Sequential": Call(nn.Sequential, lambda: nn.ReLU()),
    "nn.ModuleList": Call(nn.ModuleList, lambda: [nn.ReLU()]),
    "nn.ModuleDict": Call(nn.ModuleDict, lambda: {"a": nn.ReLU()}),
    "nn.Parameter": Call(nn.Parameter, lambda: real(2), True),
    "nn.CrossEntropyLoss": Call(nn.CrossEntropyLoss, lambda: share(3), ignore_index=-1,
        reduction="sum", label_smoothing=0.1),
    "nn.ZeroPad2d": Call(nn.ZeroPad2d, (1, 2, 0, 1)),
    "nn.init.uniform_": Call(nn.init.uniform_, lambda: real(2, 3), 0.0, 1.0),
    "nn.init.normal_": Call(nn.init.normal_, lambda: real(2, 3), 0.0, 1.0),
    "nn.init.constant_": Call(nn.init.constant_, lambda: real(2, 3), 1.0),
    "nn.init.kaiming_uniform_": Call(nn.init.kaiming_uniform_, lambda: real(2, 3), 0.0, "fan_in",
        "relu"),
    "nn.init.xavier_normal_": Call(nn.init.xavier_normal_, lambda: real(2, 3), 1.0),
    "nn.init.calculate_gain": Call(nn.init.calculate_gain, "relu"),
    "nn.utils.clip_grad_norm_": Call(nn.utils.clip_grad_norm_, lambda: [leaf(2)], 1.0),
    "nn.utils.clip_grad_value_": Call(nn.utils.clip_grad_value_, lambda: [leaf(2)], 1.0),
    "nn.utils.parameters_to_vector": Call(nn.utils.parameters_to_vector, lambda: [leaf(2)]),
    "nn.utils.vector_to_parameters": Call(nn.utils.vector_to_parameters, lambda: real(2),
        lambda: [leaf(2)]),
    "Module.load_state_dict": Call(lambda *a: model().load_state_dict(*a),
        lambda: model().state_dict(), True),
    "Module.train": Call(lambda mode: model().train(mode), True),
    "Module.to": Call(lambda *a: model().to(*a), tinynet.float64),
    "Module.get_submodule": Call(lambda name: model().get_submodule(name), "0"),
    "Module.register_buffer": Call(lambda *a: model().register_buffer(*a), "name", lambda: real(2)),
    "Module.register_parameter": Call(lambda *a: model().register_parameter(*a), "name",
        lambda: nn.Parameter(real(2))),
    "Module.add_module": Call(lambda *a: model().add_module(*a), "name", lambda: nn.ReLU()),
    "Conv2d()": Call(lambda x: nn.Conv2d(2, 3, 3)(x), IMAGE),
    "Linear()": Call(lambda x: nn.Linear(3, 2)(x), X),
    "BatchNorm2d()": Call(lambda x: nn.BatchNorm2d(3)(x), IMAGES),
    "optim.SGD": Call(optim.SGD, lambda: [leaf(2)], 0.1, 0.9, 0.0, 0.1, False),
    "optim.Adam": Call(optim.Adam, lambda: [leaf(2)], 0.1, (0.9, 0.99), 1e-8, 0.1, False),
    "optim.AdamW": Call(optim.AdamW, lambda: [leaf(2)], 0.1, (0.9, 0.99), 1e-8, 0.1, False),
    "optim.RMSprop": Call(optim.RMSprop, lambda: [leaf(2)], 0.1, 0.9, 1e-8),
    "optim.Adagrad": Call(optim.Adagrad, lambda: [leaf(2)], 0.1),
    "Optimizer.load_state_dict": Call(lambda s: adam().load_state_dict(s),
        lambda: adam().state_dict()),
    "StepLR": Call(lr_scheduler.StepLR, lambda: adam(), 3, 0.1),
    "MultiStepLR": Call(lr_scheduler.MultiStepLR, lambda: adam(), [1, 2], 0.1),
    "ExponentialLR": Call(lr_scheduler.ExponentialLR, lambda: adam(), 0.9),
    "LinearLR": Call(lr_scheduler.LinearLR, lambda: adam(), 0.5, 1.0, 5),
    "CosineAnnealingLR": Call(lr_scheduler.CosineAnnealingLR, lambda: adam(), 5, 0.0),
    "OneCycleLR": Call(lr_scheduler.OneCycleLR, lambda: adam(), 0.1, total_steps=5),
    "LambdaLR": Call(lr_scheduler.LambdaLR, lambda: adam(), lambda: (lambda e: 0.5)),
    "ReduceLROnPlateau": Call(lr_scheduler.ReduceLROnPlateau, lambda: adam(), "min", 0.1, 10),
    "TensorDataset": Call(data.TensorDataset, X, X),
    "Subset": Call(data.Subset, lambda: rows(), [0, 1]),
    "ConcatDataset": Call(data.ConcatDataset, lambda: [rows()]),
    "random_split": Call(data.random_split, lambda: rows(), [4, 2]),
    "BatchSampler": Call(data.BatchSampler, [0, 1, 2], 2, False),
    "DataLoader": Call(data.DataLoader, lambda: rows(), 2, True, num_workers=0, drop_last=False,
        generator=None),
    "DataLoader.load_state_dict": Call(lambda s: data.DataLoader(rows()).load_state_dict(s),
        lambda: data.DataLoader(rows()).state_dict()),
    # never with download=None, which would ask the network
    "datasets.MNIST": Call(lambda *a: tinynet.datasets.MNIST(*a, download=False), None,
        True, None, None),
    "Tensor[...]": Call(lambda index: leaf(4, 3)[index], 1),
    "Tensor[...] =": Call(lambda index, value: real(4, 3).__setitem__(index, value), 1, 2.0),
    "Tensor.to": Call(lambda *a: real(2).to(*a), tinynet.float64),
    "Tensor.copy_": Call(lambda v: real(2, 3).copy_(v), lambda: real(3)),
    "Tensor.fill_": Call(lambda v: real(2, 3).fill_(v), 2.0),
    "Tensor.add_": Call(lambda v: real(2, 3).add_(v), 2.0),
    "Tensor.repeat": Call(lambda *a: real(2, 3).repeat(*a), 2, 2),
    "Tensor.expand": Call(lambda *a: real(2, 1).expand(*a), 2, 4),
    "Tensor.backward": Call(lambda *a: (leaf(2) * 2).backward(*a), lambda: real(2), True),
    "Tensor.requires_grad_": Call(lambda a: real(2).requires_grad_(a), True),
    "Tensor.grad": Call(lambda v: setattr(real(2), "grad", v), lambda: real(2)),
    "Tensor.normal_": Call(lambda *a: real(2).normal_(*a), 0.0, 1.0),
    "Tensor.uniform_": Call(lambda *a: real(2).uniform_(*a), 0.0, 1.0),
    "Tensor +": Call(lambda v: real(2) + v, 1.0),
    "Tensor @": Call(lambda v: real(2, 3) @ v, lambda: real(3)),
}  # fmt: skip

WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a string": lambda: "wrong",
    "an object": lambda: object(),
    "-7": lambda: -7,
    "0": lambda: 0,
    "2.5": lambda: 2.5,
    "nan": lambda: float("nan"),
    "2**70": lambda: 2**70,
    "a complex number": lambda: 1j,
    "an empty list": lambda: [],
    "a list of strings": lambda: ["a", "b"],
    "a list of lists": lambda: [[1, 2], [3]],
    "a dict": lambda: {"a": 1},
    "a set": lambda: {1, 2},
    "a tensor of another shape": lambda: real(5, 7, 3, 2, 2),
    "an empty tensor": lambda: tinynet.zeros(0),
    "integers": lambda: ints(3, 4, 9),
    "doubles": lambda: real(2, 3).double(),
    "a number in a tensor": lambda: tinynet.tensor(2.0),
    "an array of strings": lambda: np.array(["a"]),
    "a module": lambda: nn.ReLU(),
    "a class": lambda: int,
}

# What numpy and Python say when nobody looked at an argument before them.
BARE = re.compile(
    r"broadcast together|out of bounds for axis|has no attribute|unsupported operand|"
    r"not callable|not iterable|not subscriptable|ufunc|"
    r"object cannot be interpreted|could not convert|setting an array|inhomogeneous|"
    r"cannot reshape|only integer|must be real number|"
    r"unhashable|can't multiply|an integer is required|Maximum allowed|too large to convert|"
    r"maximum supported dimension|dimension mismatch|"
    r"'<' not supported|'>' not supported|'<=' not supported|'>=' not supported|not understood|"
    r"takes \d+ positional|expected str, bytes|"
    r"bad operand|truth value|need at least one array|all input arrays|axes don't match|"
    r"not enough values|too many values|float\(\) argument"
)
KINDS = (ValueError, TypeError, RuntimeError, IndexError, OSError)


def places(call: Call) -> Iterator[int | str]:
    yield from range(len(call.arguments))
    yield from call.options


def outcome(call: Call, place: int | str, wrong: Callable[[], Any]) -> BaseException | None:
    arguments, options = call.values()
    if isinstance(place, int):
        arguments[place] = wrong()
    else:
        options[place] = wrong()
    threads, seed = tinynet.get_num_threads(), tinynet.default_generator.get_state()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)  # ours, in words of their own tests
            call.function(*arguments, **options)
    except BaseException as error:
        return error
    finally:
        tinynet.set_num_threads(threads)
        tinynet.default_generator.set_state(seed)
        tinynet.set_printoptions(precision=4, threshold=1000, edgeitems=3, linewidth=80)
    return None


def complaint(name: str, error: BaseException) -> str:
    """What is wrong with an error, or nothing."""
    said = str(error)
    if (
        name == "Module.get_submodule"
        and isinstance(error, AttributeError)
        and "has no submodule" in said
    ):
        return ""  # PyTorch's kind of error
    if name == "Tensor +" and said.startswith("unsupported operand type(s) for +: 'Tensor' and "):
        return ""  # an operator leaves to Python what it can't add
    if not isinstance(error, KINDS):
        return f"{type(error).__name__}"
    if found := BARE.search(said):
        return f"bare message ({found[0]})"
    names = SPOKEN_OF_AS.get(name, name.split(".")[-1])
    # bool(tensor) is Python's, like +: whoever gives a tensor where a yes or no is meant hears that
    # it is neither
    if not said.startswith((f"{names}: ", "bool: a tensor of shape")):
        return f"does not begin with {names}"
    if not RULE.search(said.partition(": ")[2]):
        return "says no rule"
    return ""


SIGNS, LOOKED_UP = lambda: ints(1, -1, 1), {}
for name in (
    "celu selu mish hardsigmoid hardswish softsign logsigmoid tanhshrink hardshrink softshrink"
).split():
    LOOKED_UP[f"F.{name}"] = Call(getattr(F, name), X)
LOOKED_UP |= {
    "F.celu": Call(F.celu, X, 1.5, False), "F.threshold": Call(F.threshold, X, 0.1, 2.0),
    "F.softshrink": Call(F.softshrink, X, 0.3), "F.prelu": Call(F.prelu, X, V),
    "F.embedding": Call(F.embedding, lambda: ints(0, 1), X, 0),
    "F.margin_ranking_loss": Call(F.margin_ranking_loss, V, V, SIGNS, 0.5, reduction="sum"),
    "F.hinge_embedding_loss": Call(F.hinge_embedding_loss, V, SIGNS, 2.0),
    "F.soft_margin_loss": Call(F.soft_margin_loss, V, SIGNS, reduction="none"),
    "F.cosine_embedding_loss": Call(F.cosine_embedding_loss, X, X, lambda: ints(1, -1), 0.1),
    "F.poisson_nll_loss": Call(F.poisson_nll_loss, X, X, True, False),
    "F.pairwise_distance": Call(F.pairwise_distance, X, X, 2.0, 1e-6, True),
    "F.triplet_margin_loss": Call(F.triplet_margin_loss, X, X, X, 1.0, 2.0, 1e-6, True),
    "F.pixel_shuffle": Call(F.pixel_shuffle, lambda: leaf(1, 4, 2, 3), 2),
    "F.pixel_unshuffle": Call(F.pixel_unshuffle, IMAGES, 2),
    "F.channel_shuffle": Call(F.channel_shuffle, lambda: leaf(1, 4, 2, 3), 2),
    "F.upsample": Call(F.upsample, IMAGES, scale_factor=2, mode="bilinear", align_corners=True),
    "F.local_response_norm": Call(F.local_response_norm, IMAGES, 2, 1e-3, 0.5, 2.0),
    "F.lp_pool2d": Call(F.lp_pool2d, lambda: share(1, 2, 4, 4), 2.0, 2, 1, False),
    "F.max_unpool2d": Call(F.max_unpool2d, IMAGE, lambda: IMAGE().long() * 0, 2, 2, 0, (12, 10)),
    "F.affine_grid": Call(F.affine_grid, lambda: leaf(1, 2, 3), (1, 2, 3, 4), False),
    "F.grid_sample": Call(F.grid_sample, IMAGE, lambda: leaf(1, 2, 3, 2), "nearest", "border",
        True),
    "weight_norm": Call(nn.utils.weight_norm, lambda: nn.Linear(3, 2), "weight", 0),
    "spectral_norm": Call(nn.utils.spectral_norm, lambda: nn.Linear(3, 2), "weight", 1, 1e-6, 0),
    "Embedding": Call(nn.Embedding, 4, 2, 1), "PReLU": Call(nn.PReLU, 2, 0.3),
    "DataParallel": Call(nn.DataParallel, lambda: nn.ReLU(), [0]),
    "ParameterList": Call(nn.ParameterList, lambda: [leaf(2)]),
    "ParameterDict": Call(nn.ParameterDict, lambda: {"a": leaf(2)}),
}  # fmt: skip
CALLS |= LOOKED_UP


# Where an entry of the table is no function that has a name.
SPOKEN_OF_AS = {
    "Tensor[...]": "indexing", "Tensor[...] =": "t[index] = value", "Tensor +": "add",
    "Tensor @": "matmul", "Tensor.add_": "add",
    "Conv2d()": "conv2d", "F.upsample": "interpolate",
    "Linear()": "linear", "BatchNorm2d()": "BatchNorm2d",
    "Optimizer.load_state_dict": "Adam.load_state_dict",
    "DataLoader.load_state_dict": "DataLoader.load_state_dict",
    "Module.register_buffer": "Sequential",
    "Module.register_parameter": "Sequential", "Module.add_module": "Sequential",
}  # fmt: skip
RULE = re.compile(
    r"\b(must|expect\w*|needs?|can't|don't|doesn't|isn't|only|at least|at most|not|no|"
    r"out of range|than any|but|give|say|name|known?|knows|"
    r"there (is|are)|lacks|draws|has|leave|with|take|twice|an index is|are drawn on the)\b"
)


def parameters(call: Call) -> list[str]:
    """The names of the function's arguments."""
    try:
        return list(signature(call.function).parameters)
    except ValueError:  # of a class without its own
        return []


def forms(value: Any) -> list[str]:
    """How a text may show what was given: its value, its type, shape or dtype, or the number of its
    dims.
    """
    shown = [
        repr(value),
        type(value).__name__,
        getattr(value, "__name__", ""),
        "no such" if value is None else "",
    ]
    if isinstance(value, str):
        shown.append(value)
    if isinstance(value, (list, set, dict, np.ndarray)):
        shown += (
            [type(item).__name__ for item in value]
            + [repr(item) for item in value]
            + [str(tuple(value)), "empty"]
        )
    if isinstance(value, (tinynet.Tensor, np.ndarray)):
        shown += [
            str(tuple(value.shape)),
            str(value.dtype),
            f"{value.ndim}-d",
            f"{value.ndim} dims",
            f"{value.shape[0]:,}" if value.ndim else "0-d",
        ]
    return [form for form in shown if form]


def names_nothing(call: Call, said: str, value: Any) -> bool:
    """Whether the text names neither an argument of the function nor what was given for one."""
    about = said.partition(": ")[2]
    names = [
        *parameters(call),
        *(name.rpartition("_")[2] for name in parameters(call)),
    ]  # end_dim, or dim for short
    return not any(re.search(rf"\b{re.escape(name)}s?\b", about) for name in names) and not any(
        form in about for form in forms(value)
    )


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for save(1, "wrong")


@pytest.mark.parametrize("name", CALLS)
def test_the_right_call_is_right(name):
    """Or else the wrong ones would be refused for another reason."""
    arguments, options = CALLS[name].values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        CALLS[name].function(*arguments, **options)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_refused_is_refused_in_words(name):
    call = CALLS[name]
    complaints = []
    for place in places(call):
        for label, wrong in WRONG.items():
            error = outcome(call, place, wrong)
            if name in ("gradcheck", "LambdaLR") and (
                isinstance(error, GradcheckError) or callable(wrong())
            ):
                # the answer that was asked for, or an error of the function that was given
                continue
            what = "" if error is None else complaint(name, error)
            if (
                error is not None
                and not what
                and not str(error).startswith(
                    ("unsupported operand type(s) for +: ", "Sequential has no submodule")
                )
            ):
                what = "names no argument" if names_nothing(call, str(error), wrong()) else ""
            if what:
                complaints.append(
                    f"argument {place!r} = {label}: {what}: {type(error).__name__}: {error!s:.150}"
                )
    assert not complaints, "\n" + "\n".join(complaints)


def test_there_are_many_cases_and_every_public_function_is_among_them():
    assert sum(len(list(places(call))) for call in CALLS.values()) * len(WRONG) > 5000
    walked = {name.split(".")[-1] for name in CALLS}
    for module in (tinynet, F):
        for name, function in vars(module).items():
            if (
                inspect.isfunction(function)
                and not name.startswith("_")
                and name not in WITHOUT_ARGUMENTS
            ):
                assert name in walked or any(CALLS[n].function is function for n in CALLS), (
                    f"{module.__name__}.{name} is not in the table"
                )


WITHOUT_ARGUMENTS = {"is_grad_enabled", "get_num_threads"}


# ------------------------------------------------------------------------------------------ devices


def moved(value: Any, device: str) -> Any:
    """`value` with the tensors in it on `device`; itself if there are none."""
    if isinstance(value, tinynet.Tensor):
        return value.detach().to(device).requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)) and any(isinstance(item, tinynet.Tensor) for item in value):
        return type(value)([moved(value[0], device), *value[1:]])
    return value


def with_one_moved() -> list[tuple[str, int | str]]:
    """Each place of the table that holds a tensor, in a call that is given another too (a list of
    them counts as two).
    """
    found = []
    for name, call in CALLS.items():
        arguments, options = call.values()
        values = {**dict(enumerate(arguments)), **options}
        tensors = [place for place, value in values.items() if isinstance(value, tinynet.Tensor)]
        lists = [
            place
            for place, value in values.items()
            if isinstance(value, list) and len(value) > 1 and isinstance(value[0], tinynet.Tensor)
        ]
        beside = (
            name in ("Tensor +", "Tensor @", "Tensor.backward", "Tensor.grad", "Tensor[...] =")
            and tensors
        )
        found += [
            (name, place) for place in (tensors if len(tensors) > 1 or beside else []) + lists
        ]
    return found


# These take tensors of any device: copy_ moves, a data set has each where it likes, of some only
# the shape is asked, indices go to where they are needed, as in x[indices], and what doesn't depend
# on an input has no gradient.
ANYWHERE = {"Tensor.copy_", "TensorDataset", "expand_as", "view_as", "index_select", "grad"}


@pytest.mark.parametrize(("name", "place"), with_one_moved())
def test_a_tensor_on_another_device_is_refused_by_name(gpu, name, place):
    call = CALLS[name]
    error = outcome(call, place, lambda: moved(values_at(call, place), "cuda:1"))
    if error is None:
        assert name in ANYWHERE, "it computed with tensors on two devices"
        return
    assert isinstance(error, RuntimeError), repr(error)
    assert not complaint(name, error), f"{complaint(name, error)}: {error}"
    assert "cpu" in str(error) and "cuda:1" in str(error), error
    assert ".to(" in str(error), error


def values_at(call: Call, place: int | str) -> Any:
    arguments, options = call.values()
    return arguments[place] if isinstance(place, int) else options[place]


NO_DEVICE: dict[str, Callable[[], Any]] = {
    "tpu": lambda: "tpu", "cuda:x": lambda: "cuda:x", "cuda:-1": lambda: "cuda:-1",
    "cuda:9": lambda: "cuda:9", "cpu:1": lambda: "cpu:1",
    "empty": lambda: "", "Cuda": lambda: "CUDA", "3.5": lambda: 3.5, "a list": lambda: ["cpu"],
    "a dtype": lambda: np.dtype("float32"),
    "bytes": lambda: b"cpu", "a tensor": lambda: real(2), "a class": lambda: tinynet.device,
}  # fmt: skip


def takes_device() -> list[tuple[str, Callable[[Any], Any]]]:
    found: list[tuple[str, Callable[[Any], Any]]] = []
    for module in (tinynet, nn, data):
        for name, thing in vars(module).items():
            if callable(thing) and not name.startswith("_") and name != "device":
                try:
                    known = signature(thing).parameters
                except ValueError:
                    continue
                if "device" in known and name in REQUIRED:
                    found.append(
                        (
                            name,
                            lambda device, thing=thing, name=name: thing(
                                *REQUIRED[name](), device=device
                            ),
                        )
                    )
    return [
        *found,
        ("to", lambda device: real(2).to(device=device)),
        ("to", lambda device: nn.Linear(2, 2).to(device=device)),
        ("load", lambda device: tinynet.load(saved(), device)),
    ]


REQUIRED: dict[str, Callable[[], tuple[Any, ...]]] = {
    **{name: lambda: (2, 3) for name in "zeros ones empty rand randn".split()},
    **{
        name: lambda: (real(2),)
        for name in (
            "zeros_like ones_like empty_like rand_like randn_like tensor as_tensor"
        ).split()
    },
    "full": lambda: ((2,), 1.0), "full_like": lambda: (real(2), 1.0),
    "randint": lambda: (0, 5, (2,)), "randint_like": lambda: (real(2), 0, 5),
    "normal": lambda: (0.0, 1.0, (2,)), "arange": lambda: (5,), "linspace": lambda: (0, 1, 5),
    "eye": lambda: (3,), "randperm": lambda: (5,),
    "Generator": lambda: (), "Linear": lambda: (2, 3), "Conv2d": lambda: (2, 3, 3),
    "ConvTranspose2d": lambda: (2, 3, 3),
    "BatchNorm1d": lambda: (3,), "BatchNorm2d": lambda: (3,),
    "InstanceNorm2d": lambda: (3, 1e-5, 0.1, True), "GroupNorm": lambda: (1, 3),
    "LayerNorm": lambda: (3,), "DataLoader": lambda: (rows(),),
    "summary": lambda: (nn.ReLU(), (3,)),
}  # fmt: skip


def test_every_function_that_takes_a_device_is_known():
    for module in (tinynet, nn, data):
        for name, thing in vars(module).items():
            if callable(thing) and not name.startswith("_"):
                try:
                    known = signature(thing).parameters
                except ValueError:
                    continue
                assert "device" not in known or name in REQUIRED or name == "device", (
                    f"{name} takes a device, and isn't walked"
                )


@pytest.mark.parametrize(
    ("name", "call"),
    takes_device(),
    ids=[f"{i}-{name}" for i, (name, _) in enumerate(takes_device())],
)
@pytest.mark.parametrize("device", NO_DEVICE)
def test_a_device_that_there_is_not_is_refused_by_name(gpu, name, call, device):
    wrong = NO_DEVICE[device]()
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        call(wrong)
    said = str(caught.value)
    assert said.startswith(
        ("device: ", "device 'cuda:9': ", f"{name}: ")
        if name in ("Generator", "to")
        else f"{name}: "
    ), said
    assert any(form in said for form in (*forms(wrong), "device")), said
    assert RULE.search(said.partition(": ")[2]), said
