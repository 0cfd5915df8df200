"""Exceptions of users' code pass through containers, hooks and helpers of `nn` untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from users_errors import ARGUMENTS, KINDS, failing, yielding

import tinynet
from tinynet import nn
from tinynet.nn import utils


class FailingMapping(Mapping):
    """A user's mapping that can list its keys, but has lost the values."""

    def __init__(self, error: Exception, *keys: str):
        self.error, self.names = error, keys

    def __getitem__(self, key: str) -> Any:
        raise self.error

    def __contains__(self, key: object) -> bool:
        return key in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class FailingNet(nn.Module):
    def __init__(self, error: Exception):
        super().__init__()
        self.error, self.layer = error, nn.ReLU()

    def forward(self, x: Any) -> Any:
        raise self.error


class FailingIterator:
    """Fails as soon as somebody wants an iterator."""

    def __init__(self, error: Exception):
        self.error = error

    def __iter__(self) -> Iterator[Any]:
        raise self.error


def with_hook(register: str, hook: Callable[..., Any], **options: Any) -> None:
    layer = nn.ReLU()
    getattr(layer, register)(hook, **options)
    nn.Sequential(nn.Linear(2, 2), layer)(tinynet.ones(1, 2))


CALLS: dict[str, Callable[[Exception], Any]] = {
    "ModuleList": lambda e: nn.ModuleList(yielding(e)),
    "ModuleList later": lambda e: nn.ModuleList(yielding(e, nn.ReLU())),
    "ModuleList iter": lambda e: nn.ModuleList(FailingIterator(e)),
    "ModuleList.extend": lambda e: nn.ModuleList().extend(yielding(e, nn.ReLU())),
    "ModuleList +": lambda e: nn.ModuleList() + yielding(e),
    "ModuleList +=": lambda e: nn.ModuleList().__iadd__(yielding(e)),
    "Sequential.extend": lambda e: nn.Sequential().extend(yielding(e, nn.ReLU())),
    "Sequential forward": lambda e: nn.Sequential(FailingNet(e))(tinynet.ones(1)),
    "ModuleDict mapping": lambda e: nn.ModuleDict(FailingMapping(e, "a")),
    "ModuleDict pairs": lambda e: nn.ModuleDict(yielding(e, ("a", nn.ReLU()))),
    "ModuleDict iter": lambda e: nn.ModuleDict(FailingIterator(e)),
    "ModuleDict.update": lambda e: nn.ModuleDict().update(FailingMapping(e, "a")),
    "ModuleDict.update pairs": lambda e: nn.ModuleDict().update(yielding(e)),
    "forward": lambda e: FailingNet(e)(1),
    "forward hook": lambda e: with_hook("register_forward_hook", failing(e)),
    "forward hook with options": lambda e: with_hook(
        "register_forward_hook", failing(e), with_kwargs=True
    ),
    "forward pre-hook": lambda e: with_hook("register_forward_pre_hook", failing(e)),
    "forward pre-hook with options": lambda e: with_hook(
        "register_forward_pre_hook", failing(e), with_kwargs=True
    ),
    "apply": lambda e: nn.Sequential(nn.ReLU()).apply(failing(e)),
    "load_state_dict": lambda e: nn.Linear(2, 1).load_state_dict(
        FailingMapping(e, "weight", "bias")
    ),
    "clip_grad_norm_": lambda e: utils.clip_grad_norm_(yielding(e, tinynet.ones(1)), 1.0),
    "clip_grad_norm_ iter": lambda e: utils.clip_grad_norm_(FailingIterator(e), 1.0),
    "clip_grad_value_": lambda e: utils.clip_grad_value_(yielding(e, tinynet.ones(1)), 1.0),
    "parameters_to_vector": lambda e: utils.parameters_to_vector(yielding(e, tinynet.ones(1))),
    "vector_to_parameters": lambda e: utils.vector_to_parameters(tinynet.ones(1), yielding(e)),
    "summary": lambda e: tinynet.summary(FailingNet(e), (3,)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_the_very_same_exception_arrives(name, kind):
    error = kind(*ARGUMENTS)
    with pytest.raises(kind) as caught:
        CALLS[name](error)
    assert caught.value is error
    assert error.args == ARGUMENTS
    assert error.__cause__ is None


def test_nothing_is_added_when_an_iterable_fails():
    modules = nn.ModuleList([nn.ReLU()])
    by_name = nn.ModuleDict({"a": nn.ReLU()})
    for add, more in ((modules.extend, nn.Tanh()), (by_name.update, ("b", nn.Tanh()))):
        with pytest.raises(OSError, match="unplugged"):
            add(yielding(OSError("unplugged"), more))
    assert repr(modules) == "ModuleList(\n  (0): ReLU()\n)"
    assert list(by_name) == ["a"]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: nn.ModuleList(int), "ModuleList: expected a sequence of modules, got type"),
        (lambda: nn.ModuleList(tinynet.ones(2)), "ModuleList: expected a sequence of modules"),
        (lambda: nn.ModuleDict(5), "ModuleDict: expected a mapping .* or pairs of them, got int"),
        (lambda: nn.ModuleDict([nn.ReLU()]), r"ModuleDict: expected .* got ReLU\(\) among them"),
        (lambda: utils.clip_grad_norm_(5, 1.0), "clip_grad_norm_: expected parameters"),
        (lambda: utils.parameters_to_vector([5]), "parameters_to_vector: each .* must be a tensor"),
    ],
)
def test_what_cannot_be_iterated_over_is_refused_by_name(refused, message):
    with pytest.raises(TypeError, match=message):
        refused()
