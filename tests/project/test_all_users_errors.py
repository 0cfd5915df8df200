"""Exceptions of users' code pass through every public function untouched.

The table has one call for each argument through which a user's code is called: a function, an
iterable, a mapping or a data set that fails. The very same exception object must arrive, its
arguments unchanged. A second test walks all public signatures and finds what the table lacks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from users_errors import ARGUMENTS, KINDS, failing, yielding

import tinynet
from tinynet import autograd, nn, optim, transforms
from tinynet.nn import init
from tinynet.nn import utils as nn_utils
from tinynet.optim import lr_scheduler
from tinynet.utils import data


# --------------------------------------------------------------------------- what users hand in


class FailingArray:
    """An object that numpy can't read, because its own code fails."""

    def __init__(self, error: Exception):
        self.error = error

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.error


class FailingIndex:
    """An object that stands for an int, and fails to say which."""

    def __init__(self, error: Exception):
        self.error = error

    def __index__(self) -> int:
        raise self.error


class FailingList(list):
    """A list, two items long, that fails to give them out."""

    def __init__(self, error: Exception):
        super().__init__([0, 1])
        self.error = error

    def __iter__(self) -> Any:
        raise self.error

    def __getitem__(self, index: Any) -> Any:
        raise self.error


class FailingDict(dict):
    """A dict with some keys that fails to give out what is under them."""

    def __init__(self, error: Exception, keys: Any):
        super().__init__(dict.fromkeys(keys))
        self.error = error

    def __getitem__(self, key: Any) -> Any:
        raise self.error

    def get(self, key: Any, default: Any = None) -> Any:
        raise self.error

    def items(self) -> Any:
        raise self.error

    def values(self) -> Any:
        raise self.error


class FailingDataset(data.Dataset):
    """Fails when asked for a sample, or already when asked for its length."""

    def __init__(self, error: Exception, length: int | None = 4):
        self.error, self.length = error, length

    def __len__(self) -> int:
        if self.length is None:
            raise self.error
        return self.length

    def __getitem__(self, index: Any) -> Any:
        raise self.error


class FailingStream(data.IterableDataset):
    """Fails at its first sample."""

    def __init__(self, error: Exception):
        self.error = error

    def __iter__(self) -> Any:
        raise self.error


def parameter() -> tinynet.Tensor:
    p = nn.Parameter(tinynet.ones(2))
    p.grad = tinynet.ones(2)
    return p


def adam() -> optim.Optimizer:
    return optim.Adam([parameter()], lr=0.1)


def numbers() -> data.Dataset:
    return data.TensorDataset(tinynet.arange(6))


def read(**options: Any) -> None:
    """Go through a loader, whose data set is good unless `options` has another."""
    options.setdefault("dataset", numbers())
    for _ in data.DataLoader(**options):
        pass


def with_hook(hook: Callable[..., Any], register: str) -> None:
    layer = nn.ReLU()
    getattr(layer, register)(hook)
    layer(tinynet.ones(1))


def with_backward_hook(hook: Callable[..., Any], register: str) -> None:
    layer = nn.ReLU()
    getattr(layer, register)(hook)
    layer(tinynet.ones(1, requires_grad=True)).sum().backward()


def with_leaf_hook(
    hook: Callable[..., Any], register: str = "register_post_accumulate_grad_hook"
) -> None:
    leaf = tinynet.ones(2, requires_grad=True)
    getattr(leaf, register)(hook)
    (leaf * 2).sum().backward()


def with_state(thing: Any, error: Exception) -> None:
    thing.load_state_dict(FailingDict(error, thing.state_dict()))


def digits(**options: Any) -> None:
    tinynet.datasets.MNIST(download=False, **options)[0]


def folder(name: str, **options: Any) -> None:
    """A sample of a data set without published files; the folders hold one text, a test."""
    if name == "FakeData":
        tinynet.datasets.FakeData(1, (1, 2, 2), **options)[0]
    elif name == "Images":
        tinynet.datasets.Images(np.zeros((1, 2, 2), np.uint8), [0], **options)[0]
    else:
        root = Path(__file__).parents[1]
        options.setdefault("loader", lambda path: np.zeros((1, 1), np.uint8))
        options.setdefault("is_valid_file", lambda path: path.endswith(".py"))
        getattr(tinynet.datasets, name)(root, **options, allow_empty=True)[0]


OPTIMIZERS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]
SCHEDULERS = {
    "StepLR": (2,), "MultiStepLR": ([1],), "ExponentialLR": (0.9,), "LinearLR": (),
    "CosineAnnealingLR": (5,), "OneCycleLR": (0.1, 5), "LambdaLR": (lambda epoch: 1.0,),
    "ReduceLROnPlateau": (),
}  # fmt: skip

# By "where.what(argument)"; what comes after a comma is another way to hand in the same argument.
CALLS: dict[str, Callable[[Exception], Any]] = {
    # a tinynet function
    "tinynet.cat(tensors)": lambda e: tinynet.cat(FailingList(e)),
    "tinynet.stack(tensors)": lambda e: tinynet.stack(FailingList(e)),
    "tinynet.grad(inputs)": lambda e: tinynet.grad(parameter().sum(), FailingList(e)),
    "tinynet.tensor(data)": lambda e: tinynet.tensor(FailingArray(e)),
    "tinynet.tensor(data), nested": lambda e: tinynet.tensor([[FailingArray(e)]]),
    "tinynet.as_tensor(data)": lambda e: tinynet.as_tensor(FailingArray(e)),
    "tinynet.Tensor(data)": lambda e: tinynet.Tensor(FailingArray(e)),
    "tinynet.gradcheck(f)": lambda e: tinynet.gradcheck(
        failing(e), tinynet.ones(2, dtype=tinynet.float64, requires_grad=True)
    ),
    "tinynet.gradcheck(inputs)": lambda e: tinynet.gradcheck(lambda x: x, FailingList(e)),
    "tinynet.Tensor.backward(inputs)": lambda e: parameter().sum().backward(inputs=FailingList(e)),
    "tinynet.Tensor.register_post_accumulate_grad_hook(hook)": lambda e: with_leaf_hook(failing(e)),
    "tinynet.Tensor.apply_(callable)": lambda e: tinynet.ones(1).apply_(failing(e)),
    "tinynet.Tensor.register_hook(hook)": lambda e: with_leaf_hook(failing(e), "register_hook"),
    "tinynet.no_grad(function)": lambda e: tinynet.no_grad()(failing(e))(),
    "tinynet.enable_grad(function)": lambda e: tinynet.enable_grad()(failing(e))(),
    "tinynet.inference_mode(function)": lambda e: tinynet.inference_mode()(failing(e))(),
    "autograd.backward(tensors)": lambda e: autograd.backward(FailingList(e)),
    "autograd.backward(inputs)": lambda e: autograd.backward(
        parameter().sum(), inputs=FailingList(e)
    ),
    # nn
    "nn.ModuleList(modules)": lambda e: nn.ModuleList(yielding(e, nn.ReLU())),
    "nn.ModuleList.extend(modules)": lambda e: nn.ModuleList().extend(yielding(e)),
    "nn.Sequential.extend(modules)": lambda e: nn.Sequential().extend(yielding(e)),
    "nn.Sequential(modules)": lambda e: nn.Sequential(FailingDict(e, "ab")),
    "nn.ModuleDict(modules)": lambda e: nn.ModuleDict(yielding(e, ("a", nn.ReLU()))),
    "nn.ModuleDict(modules), a mapping": lambda e: nn.ModuleDict(FailingDict(e, "ab")),
    "nn.ModuleDict.update(modules)": lambda e: nn.ModuleDict().update(FailingDict(e, "ab")),
    "nn.Module.apply(fn)": lambda e: nn.ReLU().apply(failing(e)),
    "nn.Module.load_state_dict(state_dict)": lambda e: with_state(nn.Linear(1, 1), e),
    **{
        f"nn.Module.{register}(hook)": lambda e, register=register: with_backward_hook(
            failing(e), register
        )
        for register in (
            "register_full_backward_hook",
            "register_backward_hook",
            "register_full_backward_pre_hook",
        )
    },
    "nn.Module.register_forward_hook(hook)": lambda e: with_hook(
        failing(e), "register_forward_hook"
    ),
    "nn.Module.register_forward_pre_hook(hook)": lambda e: with_hook(
        failing(e), "register_forward_pre_hook"
    ),
    "nn.utils.clip_grad_norm_(parameters)": lambda e: nn_utils.clip_grad_norm_(
        yielding(e, parameter()), 1.0
    ),
    "nn.utils.clip_grad_value_(parameters)": lambda e: nn_utils.clip_grad_value_(
        yielding(e, parameter()), 1.0
    ),
    "nn.utils.parameters_to_vector(parameters)": lambda e: nn_utils.parameters_to_vector(
        yielding(e, parameter())
    ),
    "nn.utils.vector_to_parameters(parameters)": lambda e: nn_utils.vector_to_parameters(
        tinynet.ones(2), yielding(e, parameter())
    ),
    # optim
    **{
        f"optim.{name}(params)": lambda e, name=name: getattr(optim, name)(
            yielding(e, parameter()), lr=0.1
        )
        for name in OPTIMIZERS
    },
    "optim.Optimizer(params)": lambda e: optim.Optimizer(yielding(e, parameter()), {"lr": 0.1}),
    "optim.Optimizer(params), groups": lambda e: adam().__class__([{"params": yielding(e)}]),
    "optim.Optimizer.step(closure)": lambda e: adam().step(failing(e)),
    **{
        f"optim.{name}.step(closure)": lambda e, name=name: getattr(optim, name)(
            [parameter()], lr=0.1
        ).step(failing(e))
        for name in OPTIMIZERS
    },
    "optim.Optimizer.load_state_dict(state_dict)": lambda e: with_state(adam(), e),
    "optim.lr_scheduler.MultiStepLR(milestones)": lambda e: lr_scheduler.MultiStepLR(
        adam(), yielding(e, 1)
    ),
    "optim.lr_scheduler.SequentialLR(milestones)": lambda e: lr_scheduler.SequentialLR(
        (opt := adam()),
        [lr_scheduler.StepLR(opt, 1), lr_scheduler.StepLR(opt, 1)],
        FailingList(e),
    ),
    "optim.lr_scheduler.SequentialLR(schedulers)": lambda e: lr_scheduler.SequentialLR(
        adam(), FailingList(e), [1]
    ),
    "optim.lr_scheduler.LambdaLR(lr_lambda)": lambda e: lr_scheduler.LambdaLR(adam(), failing(e)),
    "optim.lr_scheduler.LambdaLR(lr_lambda), several": lambda e: lr_scheduler.LambdaLR(
        adam(), [failing(e)]
    ),
    **{
        f"optim.lr_scheduler.LRScheduler.load_state_dict(state_dict), {name}": (
            lambda e, name=name: with_state(
                getattr(lr_scheduler, name)(adam(), *SCHEDULERS[name]), e
            )
        )
        for name in SCHEDULERS
    },
    # data
    "utils.data.DataLoader(dataset)": lambda e: read(dataset=FailingDataset(e)),
    "utils.data.DataLoader(dataset), its length": lambda e: read(dataset=FailingDataset(e, None)),
    "utils.data.DataLoader(dataset), ahead": lambda e: read(
        dataset=FailingDataset(e), num_workers=1
    ),
    "utils.data.DataLoader(dataset), shuffled": lambda e: read(
        dataset=FailingDataset(e), shuffle=True, batch_size=2
    ),
    "utils.data.DataLoader(sampler)": lambda e: read(sampler=yielding(e, 0)),
    "utils.data.DataLoader(batch_sampler)": lambda e: read(batch_sampler=yielding(e, [0, 1])),
    "utils.data.DataLoader(collate_fn)": lambda e: read(collate_fn=failing(e)),
    "utils.data.DataLoader(worker_init_fn)": lambda e: read(
        worker_init_fn=failing(e), num_workers=1
    ),
    "utils.data.SubsetRandomSampler(indices)": lambda e: data.SubsetRandomSampler(FailingList(e)),
    "utils.data.WeightedRandomSampler(weights)": lambda e: data.WeightedRandomSampler(
        FailingList(e), 1
    ),
    "utils.data.DataLoader.load_state_dict(state_dict)": lambda e: with_state(
        data.DataLoader(numbers()), e
    ),
    "utils.data.BatchSampler(sampler)": lambda e: list(data.BatchSampler(yielding(e, 0), 2, False)),
    "utils.data.ConcatDataset(datasets)": lambda e: data.ConcatDataset(yielding(e, numbers())),
    "utils.data.ConcatDataset(datasets), a sample": lambda e: data.ConcatDataset(
        [FailingDataset(e)]
    )[0],
    "utils.data.ConcatDataset(datasets), a length": lambda e: data.ConcatDataset(
        [FailingDataset(e, None)]
    ),
    "utils.data.ChainDataset(datasets)": lambda e: data.ChainDataset(yielding(e, numbers())),
    "utils.data.ChainDataset(datasets), a sample": lambda e: list(
        data.ChainDataset([FailingStream(e)])
    ),
    "utils.data.StackDataset(datasets)": lambda e: data.StackDataset(FailingDataset(e, None)),
    "utils.data.StackDataset(datasets), a sample": lambda e: list(
        data.StackDataset(FailingDataset(e))
    ),
    "utils.data.Subset(dataset)": lambda e: data.Subset(FailingDataset(e), [0])[0],
    "utils.data.Subset(indices)": lambda e: data.Subset(numbers(), FailingList(e))[0],
    "utils.data.random_split(dataset)": lambda e: data.random_split(
        FailingDataset(e, None), [2, 2]
    ),
    "utils.data.random_split(lengths)": lambda e: data.random_split(numbers(), FailingList(e)),
    "tinynet.sum(dim), an __index__": lambda e: tinynet.ones(3).sum(FailingIndex(e)),
    "tinynet.zeros(size), an __index__": lambda e: tinynet.zeros(2, FailingIndex(e)),
    "tinynet.reshape(shape), an __index__": lambda e: tinynet.ones(3).reshape(FailingIndex(e)),
    "nn.functional.conv2d(stride), an __index__": lambda e: nn.functional.conv2d(
        tinynet.ones(1, 1, 3, 3), tinynet.ones(1, 1, 1, 1), stride=FailingIndex(e)
    ),
    "t[index], an __index__": lambda e: tinynet.ones(3)[FailingIndex(e)],
    "t[index], the end of a slice": lambda e: tinynet.ones(3)[: FailingIndex(e)],
    "t[index], a list": lambda e: tinynet.ones(3)[[FailingArray(e)]],
    "utils.data.Subset(indices), an __array__": lambda e: data.Subset([0, 1], [FailingArray(e)]),
    "utils.data.DistributedSampler(dataset)": lambda e: data.DistributedSampler(
        FailingDataset(e, None), 1, 0
    ),
    "utils.data.default_collate(batch)": lambda e: data.default_collate(FailingList(e)),
    "transforms.Compose(transforms)": lambda e: transforms.Compose([failing(e)])(
        tinynet.ones(1, 2, 2)
    ),
    "transforms.Compose(transforms), the list": lambda e: transforms.Compose(FailingList(e))(
        tinynet.ones(1, 2, 2)
    ),
    "transforms.Lambda(lambd)": lambda e: transforms.Lambda(failing(e))(tinynet.ones(1, 2, 2)),
    **{
        f"transforms.{name}(transforms)": lambda e, name=name: getattr(transforms, name)(
            [failing(e)], *([1.0] if name == "RandomApply" else [])
        )(tinynet.ones(1, 2, 2))
        for name in ("RandomApply", "RandomChoice", "RandomOrder")
    },
    **{
        f"datasets.{name}({argument})": lambda e, name=name, argument=argument: folder(
            name, **{argument: failing(e)}
        )
        for name, arguments in (
            ("ImageFolder", ["transform", "target_transform", "loader", "is_valid_file"]),
            ("DatasetFolder", ["transform", "target_transform", "loader", "is_valid_file"]),
            ("FakeData", ["transform", "target_transform"]),
            ("Images", ["transform", "target_transform"]),
        )
        for argument in arguments
    },
    **{
        f"datasets.VisionDataset({argument})": lambda e, argument=argument: (
            tinynet.datasets.VisionDataset(**{argument: failing(e)}).transforms(1, 2)
        )
        for argument in ("transforms", "transform", "target_transform")
    },
    "datasets.MNIST(transform)": lambda e: digits(transform=failing(e)),
    "datasets.MNIST(target_transform)": lambda e: digits(target_transform=failing(e)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_very_same_exception_arrives(name):
    for kind in KINDS:
        error = kind(*ARGUMENTS)
        with pytest.raises(kind) as caught:
            CALLS[name](error)
        assert caught.value is error
        assert error.args == ARGUMENTS


# ------------------------------------------------------------------------------ what is missing

PUBLIC = {
    "tinynet": tinynet, "autograd": autograd, "nn": nn, "nn.init": init, "nn.utils": nn_utils,
    "nn.functional": nn.functional, "optim": optim, "optim.lr_scheduler": lr_scheduler,
    "utils.data": data, "transforms": transforms, "datasets": tinynet.datasets,
}  # fmt: skip
NAMES = {
    "tensors", "parameters", "params", "modules", "milestones", "closure", "hook", "fn", "func",
    "function", "transform", "target_transform", "transforms", "dataset", "datasets", "sampler",
    "batch_sampler", "collate_fn", "indices", "lengths", "lr_lambda", "inputs", "samples",
    "schedulers", "state_dict", "callback", "iterable",
}  # fmt: skip
ANNOTATIONS = ("Callable", "Iterable", "Iterator", "Sequence", "Mapping", "Dataset")

# Arguments that look as if a user's code could be called through them, and why it can't.
NUMBERS = {
    "tinynet.split(split_size_or_sections)", "tinynet.Tensor.split(split_size_or_sections)",
    "tinynet.unflatten(sizes)", "tinynet.Tensor.unflatten(sizes)", "tinynet.Size(iterable)",
    "optim.lr_scheduler.OneCycleLR(max_lr)", "optim.lr_scheduler.OneCycleLR(base_momentum)",
    "optim.lr_scheduler.OneCycleLR(max_momentum)", "optim.lr_scheduler.ReduceLROnPlateau(min_lr)",
    *(f"transforms.{name}" for name in (
        "CenterCrop(size)", "GaussianBlur(kernel_size)", "GaussianBlur(sigma)", "Normalize(mean)",
        "Normalize(std)", "Pad(padding)",
        "RandomAffine(center)", "RandomAffine(degrees)", "RandomAffine(scale)",
        "RandomAffine(translate)", "RandomChoice(p)", "RandomCrop(padding)", "RandomCrop(size)",
        "RandomErasing(ratio)", "RandomErasing(scale)", "RandomResizedCrop(ratio)",
        "RandomResizedCrop(scale)", "RandomResizedCrop(size)", "RandomRotation(center)",
        "RandomRotation(degrees)", "Resize(size)")),
    "datasets.DatasetFolder(extensions)",
}  # fmt: skip
TENSORS = {"utils.data.TensorDataset(tensors)", "tinynet.Tensor.index_put_(indices)",
    "tinynet.Tensor.take_along_dim(indices)"}  # fmt: skip
GIVEN_BY_US = {"get_batch(indices)", "read(paths)"}  # by the loader, by the data set itself
# CIFAR10 and FashionMNIST hand these on as MNIST does; the files of CIFAR10 don't ship
AS_MNIST = {
    f"datasets.{name}({argument})"
    for name in ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST")
    for argument in ("transform", "target_transform")
}  # fmt: skip
# What new operations are made of; errors there are errors of tinynet
ENGINE = {
    f"autograd.{name}"
    for name in (
        "Node",
        "Primitive",
        "Recorded",
        "after_backward",
        "cast",
        "clone",
    )
}
# Names from here are only imported by the modules in PUBLIC, but for tinynet and autograd.
ELSEWHERE = ("tinynet.arrays", "tinynet.autograd", "tinynet.ops", "tinynet.tensor")


def public_callables() -> Iterator[tuple[str, Any]]:
    """Public functions and classes, and the public methods where they are defined; each once."""
    walked: set[int] = set()
    for place, module in PUBLIC.items():
        for name in getattr(module, "__all__", None) or vars(module):
            thing = getattr(module, name)
            home = str(getattr(thing, "__module__", ""))
            imported = place not in ("tinynet", "autograd") and home.startswith(ELSEWHERE)
            if name[0] == "_" or not home.startswith("tinynet") or imported:
                continue
            if callable(thing) and id(thing) not in walked:
                walked.add(id(thing))
                yield f"{place}.{name}", thing
                for method, function in vars(thing).items() if inspect.isclass(thing) else ():
                    if method[0] != "_" and inspect.isfunction(function):
                        yield f"{place}.{name}.{method}", function


def suspicious(function: Any) -> Iterator[str]:
    """The names of the arguments through which a user's code could be called."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a class without its own
        return
    for name, argument in signature.parameters.items():
        told = argument.annotation
        told = told if isinstance(told, str) else inspect.formatannotation(told)
        if (name in NAMES and told != "str") or any(word in told for word in ANNOTATIONS):
            yield name


def test_no_argument_is_missing():
    known = {name.partition(",")[0] for name in CALLS} | NUMBERS | TENSORS | AS_MNIST
    missing = []
    found = 0
    for place, function in public_callables():
        for argument in suspicious(function):
            found += 1
            entry = f"{place}({argument})"
            if (
                entry not in known
                and not entry.endswith(tuple(GIVEN_BY_US))
                and not place.startswith(tuple(ENGINE))
                and not place.endswith(".forward")
            ):
                missing.append(entry)
    assert not missing, "\n".join(missing)
    assert found > 40
