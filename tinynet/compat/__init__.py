"""What exists so that programs written for PyTorch run, apart from the code that one reads first.

* Functions, layers, optimisers and settings that small networks seldom need. Modules look them up
  here when they don't have a name themselves (`finder`), and tensors their methods (`attach`), so
  nothing of it is imported before a program asks. `ROOMS` says which file serves which module.
* ``tinynet run`` and ``tinynet check``: `names` knows what PyTorch has and what tinynet has of it,
  `imports` lets ``import torch`` find tinynet, `run` runs a program, `check` reads one.
"""

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The files that hold names for a module, in order. A file's ``__all__`` says which.
ROOMS = {
    "tinynet": "functions seldom types settings amp formats",
    "tinynet.Tensor": "methods functions seldom",
    "tinynet.creation": "words",
    "tinynet.autograd": "autograd",
    "tinynet.cuda": "gpu",
    "tinynet.serialization": "pytorch_files whole_modules",
    "tinynet.utils.tensorboard": "tensorboard",
    "tinynet.optim": "optimisers",
    "tinynet.optim.lr_scheduler": "schedulers",
    "tinynet.optim.swa_utils": "averaged",
    "tinynet.nn": "layers",
    "tinynet.nn.functional": "formulas images",
    "tinynet.nn.init": "init_names",
    "tinynet.nn.utils": "computed_weights",
    "tinynet.nn.Module": "backward_hooks",
    "hints": "hints",
}

# Where a class that `printed` gives PyTorch's path lies in tinynet: files name it by that.
HOMES: dict[Any, str] = {}

# The methods of tensors: what `methods` holds, and functions with the tensor first.
METHODS = (Path(__file__).parent / "methods.txt").read_text("ascii").split()


class Missing(AttributeError):
    """A module has no such name; as text, what to use instead."""

    def __str__(self) -> str:
        module, name = self.args
        for other in dir(sys.modules[module]):
            if other.lower() == name.lower():
                return f"{module} has no {name}; did you mean {other}?"
        path = f"torch{module[len('tinynet'):]}.{name}"
        return importlib.import_module(".names", __name__).message(path)


def _rooms(module: str) -> list[Any]:
    return [importlib.import_module(f".{room}", __name__) for room in ROOMS.get(module, "").split()]


def lookup(module: str, name: str) -> Any:
    """What this package holds of `name` for a module of tinynet. Missing if it has none."""
    for room in _rooms(module) if not name.startswith("__") else ():
        if name in room.__all__:
            return getattr(room, name)
    raise Missing(module, name)


def hint(name: str, *arguments: Any) -> Any:
    """The end of an error's text: what `hints` says."""
    return lookup("hints", name)(*arguments)


def names_for(module: str) -> list[str]:
    """All names that this package holds for a module of tinynet."""
    return [name for room in _rooms(module) for name in room.__all__]


def finder(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module: called for names that it doesn't have itself."""
    return lambda name: lookup(module, name)


def public(names: dict[str, Any], *more: str) -> list[str]:
    """The ``__all__`` of a file here: the functions and classes that it defines, and `more`."""
    return [name for name, value in names.items() if not name.startswith("_")
            and getattr(value, "__module__", "") == names["__name__"]] + [*more]


OTHER_WORDS = frozenset(("axis", "keepdims", "out", "rounding_mode", "decimals"))


def respelled(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """Call `function` with arguments by other names, such as ``axis=``: see `words`."""
    return importlib.import_module(".words", __name__).respelled(function, args, keywords)


def by_other_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function know ``axis=`` and ``out=``, as `ops.arguments.of_tensor` does."""
    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Any:
        if not keywords or OTHER_WORDS.isdisjoint(keywords):
            return function(*args, **keywords)
        return respelled(function, args, keywords)

    return operation


def in_any_format(function: Any) -> Any:
    """Let a function take ``memory_format=``, of which nothing comes: see `formats`."""
    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Any:
        if "memory_format" in keywords and (given := keywords.pop("memory_format")) is not None:
            importlib.import_module(".formats", __name__).check(operation.__name__, given)
        return function(*args, **keywords)

    vars(operation)["more"] = {"memory_format"}  # for the tables
    return operation


class _Later:
    """Stands for a method until the first of them is asked for; then all take their places."""

    def __init__(self, owner: type, name: str):
        self.owner, self.name = owner, name

    def __get__(self, tensor: Any, kind: type) -> Any:
        for name in METHODS:
            setattr(self.owner, name, lookup("tinynet.Tensor", name))
        return getattr(kind if tensor is None else tensor, self.name)


def attach(tensor: type) -> None:
    """Give the class `Tensor` the methods of `METHODS`."""
    for name in METHODS:
        setattr(tensor, name, _Later(tensor, name))
