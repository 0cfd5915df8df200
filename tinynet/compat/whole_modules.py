"""Saving a whole module: its class by name, and its attributes as data.

`described` makes of a module a dict that `serialization` can save; `restored` makes modules of such
dicts. A class or function is looked up among the modules that the program has
imported, and no code of it is called.
"""

import argparse
import sys
import types
from collections import OrderedDict, defaultdict
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from .. import creation
from ..arrays import Device
from ..nn import Module, Parameter
from ..ops.arguments import as_dtype
from ..tensor import Tensor
from . import HOMES, public
from .printed import dtype

_MARK = "\0tinynet"  # the key of a dict that stands for something else: [what, its data]


def _name(value: Any) -> str:
    path = f"{HOMES.get(value, value.__module__)}:{value.__qualname__}"
    if _named(path) is not value:
        raise TypeError(f"save: {path} can't be found by its name; define it at the top of a file, "
            "or save the state_dict()")
    return path


def _named(path: str) -> Any:
    module, _, names = path.partition(":")
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = vars(found).get(name) if found is not None and hasattr(found, "__dict__") else None
    return found


def _tensor_of(array: np.ndarray) -> Any:
    as_dtype("save", array.dtype)
    return creation.from_numpy(array)


def _factory_and_items(obj: Any) -> Any:
    names = [name for name, kind in _FACTORIES.items() if kind is obj.default_factory]
    if not names or type(obj) is not defaultdict:
        raise TypeError(f"save: {obj!r:.60} has a default_factory that is not None or one of "
            f"Python's types ({', '.join(filter(None, _FACTORIES))}); save dict(...) of it")
    return [names[0], dict(obj)]


_FACTORIES = {None: None} | {kind.__name__: kind for kind in (list, dict, set, int, float, str)}
_NUMBERS = {kind.__name__: kind for kind in (np.dtype(c).type for c in "?bhilqBHILQefdU")}
# Tensors by their kinds in a file, and how each is made of one without history.
TENSORS: dict[str, Any] = {"tensor": lambda t: t, "leaf": lambda t: t.requires_grad_(),
    "parameter": Parameter, "frozen": lambda t: Parameter(t, requires_grad=False)}
# what ``weights_only=True`` refuses, as PyTorch does
_REFUSED = {"module": "whole module", "namespace": "Namespace", "function": "function",
    "path": "path", "array": "numpy array", "number": "number of numpy's",
    "defaultdict": "defaultdict"}
# what stands for them is a name and data; the first seven also outside of modules, as in
# {"args": args}
_KINDS: list[tuple[Any, str, Any]] = [(argparse.Namespace, "namespace", vars),
    (np.ndarray, "array", _tensor_of), (PurePath, "path", str),
    (tuple(_NUMBERS.values()), "number", lambda n: [type(n).__name__, n.item()]),
    (defaultdict, "defaultdict", _factory_and_items),
    (Device, "device", str), ((np.dtype, dtype), "dtype", lambda kind: np.dtype(kind).str),
    ((set, frozenset), "set", sorted), (types.FunctionType, "function", _name)]
_MAKERS: dict[str, Any] = {"array": lambda t: t.numpy(), "path": Path, "device": Device,
    "set": set, "number": lambda given: _NUMBERS[given[0]](given[1]),
    "dtype": lambda text: creation.empty(0, dtype=text).dtype}


def kind_of(tensor: Any) -> str:
    """Which of `TENSORS` it is."""
    if isinstance(tensor, Parameter):
        return "parameter" if tensor.requires_grad else "frozen"
    if type(tensor) is not Tensor:
        raise TypeError(f"save: a {type(tensor).__name__}, a subclass of Tensor, can't be saved, "
            "because it would come back as a Tensor; save x.detach(), which is one")
    return "leaf" if tensor.requires_grad else "tensor"


def described(obj: Any, known: dict[int, int] | None) -> tuple[Any, dict[int, int] | None]:
    """`obj`, or a dict that stands for it; and the numbers of what was met in a module, if in one.
    """
    if isinstance(obj, Module) or (known is not None and isinstance(obj, Parameter)):
        known = {} if known is None else known
        if id(obj) in known:
            return {_MARK: ["again", known[id(obj)]]}, known
        known[id(obj)] = number = len(known)
        if isinstance(obj, Parameter):
            return {_MARK: ["parameter", number, obj.detach(), obj.requires_grad]}, known
        state = {k: v for k, v in vars(obj).items() if not isinstance(v, OrderedDict) or v}
        if hooks := [k for k in state if k.endswith("_hooks")]:
            raise TypeError(f"save: {type(obj).__name__} has {hooks[0]}, which can't be saved; "
                "remove them, or save the state_dict()")
        return {_MARK: ["module", number, _name(type(obj)), state]}, known
    for kind, name, data in _KINDS if known is not None else _KINDS[:7]:
        if isinstance(obj, kind):
            return {_MARK: [name, data(obj)]}, known
    return obj, known


def restored(tree: Any, known: dict[int, Any] | None = None, homes: Any = ()) -> Any:
    """The object that `described` turned into `tree`.

    `homes`: where functions may come from; None for ``weights_only``.
    """
    known = {} if known is None else known
    if isinstance(tree, (list, tuple)):
        return type(tree)(restored(v, known, homes) for v in tree)
    if not isinstance(tree, dict):
        return tree
    if tree.keys() != {_MARK}:
        return type(tree)({k: restored(v, known, homes) for k, v in tree.items()})
    what, first, *data = tree[_MARK]
    if homes is None and what in _REFUSED:
        raise ValueError(f"it holds a {_REFUSED[what]}; weights_only=True refuses it")
    if what == "function":
        found, home = _named(first), first.partition(":")[0]
        if not isinstance(found, types.FunctionType) or not (
                home in homes or home.startswith("tinynet.")):
            raise ValueError(f"the function {first} is not one of tinynet, or of the file with "
                "the module's class, imported by this program")
        return found
    if what == "namespace":
        return argparse.Namespace(**restored(first, known, homes))
    if what == "defaultdict":
        return defaultdict(_FACTORIES[first[0]], restored(first[1], known, homes))
    if what in _MAKERS:
        return _MAKERS[what](first)
    if what == "parameter":
        known[first] = Parameter(*data)
    elif what == "module":
        _module(known, first, *data)
    return known[first]


def _module(known: dict[int, Any], number: int, path: str, state: Any) -> None:
    kind = _named(path)
    if not isinstance(kind, type) or not issubclass(kind, Module):
        raise ValueError(f"it holds a module of the class {path}, which this program has not "
            "imported; import or define it first")
    known[number] = module = object.__new__(kind)
    Module.__init__(module)
    for name, value in restored(state, known, (path.partition(":")[0],)).items():
        if callable(getattr(kind, name, None)):
            raise ValueError(f"it would replace the method {name} of {path}")
        vars(module)[name] = value


__all__ = public(globals(), "TENSORS")
