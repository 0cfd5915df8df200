"""``import torch`` finds tinynet: a finder in front of Python's own, and the modules it makes."""

import importlib
import sys
import types
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from . import names, printed


class Stand(types.ModuleType):
    """A module of PyTorch: the names that PyTorch has there, as far as tinynet has them.

    Reading a name that tinynet lacks is an AttributeError that says what to use instead. Setting
    one is too, because it would have no effect. Other names are also set in tinynet's modules.
    """

    def __init__(self, path: str):
        super().__init__(path)
        vars(self).update(names.found(path))

    def __getattr__(self, name: str) -> Any:
        place, path = self.__name__, f"{self.__name__}.{name}"
        if name == "__all__":  # modules, too, which are imported at their first use
            return [n for n in names.names_of(place) if n[0] != "_" and names.has(place, n)]
        if names.is_module(path):
            return importlib.import_module(path)
        # with an obj, else Python would add its guess at what was meant
        raise AttributeError(names.message(path), name=name, obj=None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in names.names_of(self.__name__) and not isinstance(value, types.ModuleType):
            getattr(self, name)  # or the error that says what to use instead
            for home in names.homes(self.__name__):
                if hasattr(home, name):
                    setattr(home, name, value)
        super().__setattr__(name, value)


class Finder(MetaPathFinder, Loader):
    """Finds PyTorch's modules in tinynet; nothing of an installed PyTorch is ever imported."""

    def find_spec(self, fullname: str, *where: Any) -> ModuleSpec | None:
        if not names.is_pytorch(fullname):
            return None
        if not names.is_module(fullname):
            # without its name, because `from torch import fft` would drop the text otherwise
            raise ModuleNotFoundError(names.message(fullname))
        return ModuleSpec(fullname, self, origin="tinynet", is_package=True)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = Stand(spec.name)
        printed.say_theirs(vars(module))
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: a module is complete when it is made."""


def install() -> None:
    """Let ``import torch`` and ``import torchvision`` find tinynet in this process from now on."""
    printed.use()
    sys.meta_path.insert(0, Finder())
