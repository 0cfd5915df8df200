"""``import torch`` finds tinynet: a finder in front of Python's own, and the modules it makes."""

import contextlib
import functools
import importlib
import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from . import names

_SETTINGS = (bool, int, str, type(None))  # looked up at each use, not kept


def _refuse(path: str, *arguments: Any, **options: Any) -> Any:
    raise RuntimeError(names.message(path))


class Stand(types.ModuleType):
    """A module of PyTorch: the names that PyTorch has there, as far as tinynet has them.

    Reading a name that tinynet lacks is an AttributeError that says what to use instead. Setting
    one is too, because it would have no effect. Settings of tinynet's modules are passed on.
    """

    def __getattr__(self, name: str) -> Any:
        path = f"{self.__name__}.{name}"
        if name == "__all__":
            return [n for n in dir(self) if not n.startswith("_")]
        if names.is_module(path):
            return importlib.import_module(path)
        with contextlib.suppress(LookupError):
            return names.find(self.__name__, name)
        if names.refuses(self.__name__, name):
            return functools.partial(_refuse, path)
        # with an obj, else Python would add its guess at what was meant
        raise AttributeError(names.message(path), name=name, obj=None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in names.names_of(self.__name__) and not isinstance(value, types.ModuleType):
            try:
                setattr(names.home_of(self.__name__, name), name, value)
            except LookupError:
                text = names.message(f"{self.__name__}.{name}")
                raise AttributeError(text, name=name, obj=None) from None
        if name not in names.names_of(self.__name__) or not isinstance(value, _SETTINGS):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        known = (name for name in names.names_of(self.__name__) if names.has(self.__name__, name))
        return sorted({*known, *vars(self)})


class Finder(MetaPathFinder, Loader):
    """Finds PyTorch's modules in tinynet; nothing of an installed PyTorch is ever imported."""

    def find_spec(self, fullname: str, path: Sequence[str | bytes] | None = None,
                  target: types.ModuleType | None = None) -> ModuleSpec | None:
        package = fullname.partition(".")[0]
        if package in names.places()["companions"]:
            raise ModuleNotFoundError(names.message(fullname), name=fullname)
        if package not in ("torch", "torchvision"):
            return None
        if not names.is_module(fullname):
            # without its name, because `from torch import fft` would drop the text otherwise
            raise ModuleNotFoundError(names.message(fullname))
        return ModuleSpec(fullname, self, origin="tinynet", is_package=True)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return Stand(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Keep what never changes, which makes reading it as fast as in any module."""
        for name in names.names_of(module.__name__):
            with contextlib.suppress(LookupError):
                value = names.find(module.__name__, name)
                if not isinstance(value, _SETTINGS):
                    vars(module)[name] = value


def install() -> None:
    """Let ``import torch`` and ``import torchvision`` find tinynet in this process from now on."""
    sys.meta_path.insert(0, Finder())
