"""Modules that hold modules."""

from __future__ import annotations

import itertools
import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from ..ops.arguments import in_own_name
from .module import Module


def _position(name: str, index: Any, length: int) -> int:
    number = operator.index(index)
    if not -length <= number < length:
        raise IndexError(f"{name}: index {number} is out of range for {length} modules")
    return number % length


class _Numbered(Module):
    """What `Sequential` and `ModuleList` share: modules named "0", "1", ..."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(self._slice(index))  # type: ignore[call-arg]
        return list(self._modules.values())[_position(type(self).__name__, index, len(self))]

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(list(self._modules)[_position(type(self).__name__, index, len(self))], module)

    def __delitem__(self, index: Any) -> None:
        modules = list(self._modules.values())
        del modules[index if isinstance(index, slice) else _position(type(self).__name__, index, len(self))]
        self._renumber(modules)

    def __iadd__(self, modules: Iterable[Module]) -> Any:
        return self.extend(modules)

    def __add__(self, modules: Iterable[Module]) -> Any:
        return type(self)().extend(self).extend(modules)

    def _renumber(self, modules: list[Module]) -> None:
        self._modules.clear()
        self._modules.update({str(i): module for i, module in enumerate(modules)})

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns self."""
        # the first free number: a part of a Sequential keeps its names, and may have a "1" without a "0"
        self.add_module(next(str(i) for i in itertools.count(len(self)) if str(i) not in self._modules), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end; returns self."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before position `index`; returns self."""
        modules = list(self._modules.values())
        if not -len(modules) <= operator.index(index) <= len(modules):
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {len(modules)} modules")
        self.append(module)  # checks it
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take out the module at `index`, the last one by default, and return it."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Numbered):
    """Modules one after the other, each fed with what the one before gives.

    Takes the modules as arguments, or one ``OrderedDict`` (or dict) of names and modules.

    >>> from tinynet import nn
    >>> Sequential(nn.Linear(4, 2), nn.ReLU())
    Sequential(
      (0): Linear(in_features=4, out_features=2, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Any):
        super().__init__()
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], dict) else ((str(i), m) for i, m in enumerate(modules))
        for name, module in named:
            self.add_module(name, module)

    def _slice(self, index: slice) -> Any:
        return OrderedDict(list(self._modules.items())[index])  # PyTorch keeps the names in parts of a Sequential

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules whose parameters are found. It has no `forward`: the module that owns it loops over it."""

    @in_own_name
    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        if modules is not None and not isinstance(modules, Iterable):
            raise TypeError(f"ModuleList: expected a sequence of modules, got {type(modules).__name__}")
        self.extend(modules or [])

    def _slice(self, index: slice) -> Any:
        return list(self._modules.values())[index]  # and numbers those of a ModuleList anew

    def __repr__(self) -> str:
        # equal neighbours are printed once: "(0-2): 3 x Linear(...)"
        groups = [(text, [i for i, _ in group]) for text, group in itertools.groupby(enumerate(map(repr, self)), lambda pair: pair[1])]
        lines = [
            f"({at[0]}-{at[-1]}): {len(at)} x {text}" if len(at) > 1 else f"({at[0]}): {text}" for text, at in groups
        ]
        return "ModuleList(" + "".join("\n  " + line.replace("\n", "\n  ") for line in lines) + ("\n)" if lines else ")")


class ModuleDict(Module):
    """A dict of modules whose parameters are found. Takes a mapping or pairs of names and modules; names are strings without dots.

    >>> from tinynet import nn
    >>> activations = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
    >>> activations["tanh"]
    Tanh()
    """

    @in_own_name
    def __init__(self, modules: Any = None):
        super().__init__()
        self.update(modules or {})

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """The pairs of names and modules."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping, a `ModuleDict` or pairs; those under the same names are replaced."""
        try:
            pairs = [(name, module) for name, module in (modules.items() if hasattr(modules, "items") else modules)]
        except (TypeError, ValueError):
            raise TypeError(f"ModuleDict: expected a mapping from names to modules, or pairs of them, got {modules!r:.60}") from None
        for name, module in pairs:
            self[name] = module

    def pop(self, name: str) -> Any:
        """Take out the module of that name and return it."""
        return self._modules.pop(name)

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()
