"""Saving a whole module: its class by name, and its attributes as data.

`described` makes of a module a dict that `serialization` can save; `restored` makes modules of such
dicts. A class or function is looked up among the modules that the program has
imported, and no code of it is called.
"""

import sys
import types
from collections import OrderedDict
from typing import Any

import numpy as np

from ..nn import Module, Parameter
from . import public

_MARK = "\0tinynet"  # the key of a dict that stands for something else: [what, its data]


def _name(value: Any) -> str:
    path = f"{value.__module__}:{value.__qualname__}"
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


_KINDS: list[tuple[Any, str, Any]] = [((set, frozenset), "set", sorted), (np.dtype, "dtype", str),
    (types.FunctionType, "function", _name)]  # what stands for them is a name and data


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
    for kind, name, data in _KINDS if known is not None else ():
        if isinstance(obj, kind):
            return {_MARK: [name, data(obj)]}, known
    return obj, known


def restored(tree: Any, known: dict[int, Any] | None = None, homes: Any = ()) -> Any:
    """The object that `described` turned into `tree`. `homes`: where functions may come from."""
    known = {} if known is None else known
    if isinstance(tree, (list, tuple)):
        return type(tree)(restored(v, known, homes) for v in tree)
    if not isinstance(tree, dict) or tree.keys() != {_MARK}:
        return {k: restored(v, known, homes) for k, v in tree.items()} if isinstance(
            tree, dict) else tree
    what, *data = tree[_MARK]
    if what == "parameter":
        known[data[0]] = Parameter(data[1], data[2])
    elif what == "module":
        known[data[0]] = _module(data[1], data[2], known, data[0])
    elif what == "function":
        found = _named(data[0])
        home = data[0].partition(":")[0]
        if not isinstance(found, types.FunctionType) or not (
                home in homes or home.startswith("tinynet.")):
            raise ValueError(f"the function {data[0]} is not one of tinynet, or of the file with "
                "the module's class, imported by this program")
        return found
    return known[data[0]] if what in ("again", "module", "parameter") else (
        set(data[0]) if what == "set" else np.dtype(data[0]))


def _module(path: str, state: Any, known: dict[int, Any], number: int) -> Module:
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
    return module


__all__ = public(globals())
