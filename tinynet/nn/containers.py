"""Modules that hold modules."""

import itertools
import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from .module import Module, iterated


class _Container(Module):
    """Holds modules by name."""

    _held = property(operator.attrgetter("_modules"))
    _add = Module.add_module

    def __len__(self) -> int:
        return len(self._held)


class _Numbered(_Container):
    """What `Sequential` and `ModuleList` share: modules named "0", "1", ..."""

    def _as_position(self, index: Any, length: int) -> int:
        number = operator.index(index)
        if not -len(self) <= number < length:
            raise IndexError(
                f"{type(self).__name__}: index {number} is out of range for {len(self)} modules")
        return number % len(self) if number < 0 else number

    def __iter__(self) -> Iterator[Any]:
        return iter(self._held.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(self._slice(index))  # type: ignore[call-arg]  # _Numbered takes none
        return list(self)[self._as_position(index, len(self))]

    def __setitem__(self, index: int, module: Module) -> None:
        self._add(list(self._held)[self._as_position(index, len(self))], module)

    def __delitem__(self, index: Any) -> None:
        modules = list(self)
        del modules[index if isinstance(index, slice) else self._as_position(index, len(self))]
        self._renumber(modules)

    def __add__(self, modules: Iterable[Module]) -> Any:
        return type(self)().extend(self).extend(modules)

    def _renumber(self, modules: list[Module]) -> None:
        self._held.clear()
        self._held.update({str(i): module for i, module in enumerate(modules)})

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns self."""
        # the first free number: a slice of a Sequential keeps its names, such as "1" without "0"
        numbers = map(str, itertools.count(len(self)))
        self._add(next(n for n in numbers if n not in self._held), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end; returns self."""
        for module in list(iterated(type(self).__name__, modules, "a sequence of modules")):
            self.append(module)
        return self

    __iadd__ = extend

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before position `index`; returns self."""
        position, modules = self._as_position(index, len(self) + 1), list(self)
        self.append(module)  # which checks it
        modules.insert(position, module)
        self._renumber(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Remove the module at `index`, by default the last one, and return it."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Numbered):
    """Modules in a row: each gets the output of the one before.

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
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def _slice(self, index: slice) -> Any:
        return OrderedDict(list(self._modules.items())[index])  # names stay, as in PyTorch

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules whose parameters are found.

    It has no `forward`: the module that owns the list loops over it.
    """

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend([] if modules is None else modules)

    def _slice(self, index: slice) -> Any:
        return list(self)[index]  # numbered anew, as in PyTorch

    def _children_text(self) -> list[str]:
        # equal neighbours are printed once: "(0-2): 3 x Linear(...)"
        lines, start = [], 0
        for text, group in itertools.groupby(map(repr, self)):
            count = len(list(group))
            many = f"({start}-{start + count - 1}): {count} x {text}"
            lines.append(many if count > 1 else f"({start}): {text}")
            start += count
        return lines


class ModuleDict(_Container):
    """A dict of modules whose parameters are found.

    Takes a mapping or pairs of names and modules; names are strings without dots.

    >>> from tinynet import nn
    >>> activations = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
    >>> activations["tanh"]
    Tanh()
    """

    def __init__(self, modules: Any = None):
        super().__init__()
        self.update({} if modules is None else modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __getitem__(self, name: str) -> Any:
        return self._held[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._add(name, module)

    def __delitem__(self, name: str) -> None:
        del self._held[name]

    def keys(self) -> Any:
        """The names."""
        return self._held.keys()

    def values(self) -> Any:
        """The modules."""
        return self._held.values()

    def items(self) -> Any:
        """The pairs of names and modules."""
        return self._held.items()

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping, of a `ModuleDict` or of pairs; known names are replaced."""
        given = modules.items() if hasattr(type(modules), "items") else modules
        name, expected = type(self).__name__, "a mapping from names to modules, or pairs of them"
        pairs = list(iterated(name, given, expected))
        for pair in pairs:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"{name}: expected {expected}, got {pair!r:.60} among them")
        for key, module in pairs:
            self[key] = module

    def pop(self, name: str) -> Any:
        """Remove the module of that name and return it."""
        return self._held.pop(name)

    def clear(self) -> None:
        """Remove all modules."""
        self._held.clear()
