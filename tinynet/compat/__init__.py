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
from typing import Any

# The files that hold names for a module, in order. A file's ``__all__`` says which.
ROOMS = {
    "tinynet": "functions types settings",
    "tinynet.Tensor": "methods functions",
    "tinynet.creation": "words",
    "tinynet.autograd": "autograd",
    "tinynet.cuda": "gpu",
    "tinynet.serialization": "pytorch_files whole_modules",
    "tinynet.utils.tensorboard": "tensorboard",
    "tinynet.optim": "optimisers",
    "tinynet.optim.lr_scheduler": "schedulers",
    "tinynet.nn": "layers",
    "tinynet.nn.functional": "formulas images",
    "tinynet.nn.init": "init_names",
    "tinynet.nn.utils": "computed_weights",
    "tinynet.nn.Module": "backward_hooks",
    "hints": "hints",
}

# The methods of tensors: what `methods` holds, and functions with the tensor first.
METHODS = """
abs_ absolute acos acosh addcdiv addcdiv_ addcmul addcmul_ addmm addmm_ arccos arcsin arctan argsort
asin asinh atan atanh bincount bmm byte ceil_ char clamp_max clamp_max_ clamp_min clamp_min_ clip_
cos_ cosh count_nonzero cumprod cumsum cumsum_ diag diagonal divide divide_ dot element_size exp2
expm1_ floor_ floor_divide_ greater greater_equal lerp lerp_ less less_equal log10 log10_ log1p_
log2 log2_ log_ masked_select median multinomial multiply multiply_ mv negative new new_empty
new_full new_ones new_tensor new_zeros nonzero not_equal outer prod ravel reciprocal_ register_hook
remainder_ repeat_interleave resize_ roll rot90 round_ rsqrt_ scatter scatter_ scatter_add
scatter_add_ short sign_ sin_ sinh sort square_ squeeze_ stride subtract subtract_ swapaxes swapdims
t_ tan tan_ topk trace transpose_ tril tril_ triu triu_ true_divide trunc trunc_ type unique
unsqueeze_
"""


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


def respelled(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """Call `function` with arguments by other names, such as ``axis=``: see `words`."""
    return importlib.import_module(".words", __name__).respelled(function, args, keywords)


def by_other_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function know ``axis=`` and ``out=``, as `ops.arguments.of_tensor` does."""
    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Any:
        return respelled(function, args, keywords) if keywords else function(*args)

    return operation


class _Later:
    """Stands for a method until the first of them is asked for; then all take their places."""

    def __init__(self, owner: type, name: str):
        self.owner, self.name = owner, name

    def __get__(self, tensor: Any, kind: type) -> Any:
        for name in METHODS.split():
            setattr(self.owner, name, lookup("tinynet.Tensor", name))
        return getattr(kind if tensor is None else tensor, self.name)


def attach(tensor: type) -> None:
    """Give the class `Tensor` the methods of `METHODS`."""
    for name in METHODS.split():
        setattr(tensor, name, _Later(tensor, name))
