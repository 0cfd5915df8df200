"""What PyTorch has, where tinynet has it, and what to say where tinynet lacks it.

What tinynet has is found by looking. Tables of text say the rest: `pytorch_names.txt` records
PyTorch's public names with their parameters (tools/record_pytorch_names.py writes it), `places.txt`
says where tinynet keeps what lies elsewhere, and `missing.txt`, in groups, why tinynet lacks a name
and what to use instead.
"""

import contextlib
import inspect
import operator as op
import re
import types
from collections import namedtuple
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import tinynet

CLASSES = {"torch.Tensor": tinynet.Tensor, "torch.nn.Module": tinynet.nn.Module,
           "torch.optim.Optimizer": tinynet.optim.Optimizer}


def _text(table: str) -> str:
    return Path(__file__).with_name(table).read_text(encoding="utf-8")


def _entries(table: str) -> list[tuple[str, list[str]]]:
    """The entries ``key: words``. An indented line goes on with the entry before it."""
    found = re.findall(r"(?m)^(\w[^:\n]*|\*):(.*(?:\n .*)*)", _text(table))
    return [(key, words.split()) for key, words in found]


@cache
def recorded() -> dict[str, dict[str, tuple[str, ...]]]:
    """PyTorch's names by module (or class), each with its parameters as far as they are known."""
    return {place: {name: tuple(re.findall(r"[\w.*]+", parameters))
                    for name, parameters in re.findall(r"(?m)^(\w+)(.*)", lines)}
            for place, lines in re.findall(r"\[(.*)\]\n([^[]*)", _text("pytorch_names.txt"))}


@cache
def places() -> dict[str, list[str]]:
    """The entries of `places.txt`: the words after each ``kind path:``."""
    return dict(_entries("places.txt"))


def _numbers(version: Any) -> list[int]:
    return [int(n) for n in re.findall(r"\b\d+\b", str(version).partition("+")[0])]


def _comparison(compare: Callable[[Any, Any], bool]) -> Any:
    return lambda self, other: compare(_numbers(self), _numbers(other))


class Version(str):
    """A version that compares by its numbers, with strings and tuples, as PyTorch's does.

    >>> Version("2.13.0+tinynet") >= "2.2", Version("2.13.0+tinynet") < (1, 8)
    (True, False)
    """

    __lt__, __le__, __gt__, __ge__ = map(_comparison, (op.lt, op.le, op.gt, op.ge))


# ------------------------------------------------------------------------------ what tinynet has


def is_pytorch(path: str) -> bool:
    """Whether a dotted path begins with PyTorch, torchvision, or a package built on them."""
    return path.partition(".")[0] in ("torch", "torchvision", *places()["companions"])


def canonical(path: str) -> str:
    """The dotted name under which `path` is recorded: torch.nn.modules.conv.X is torch.nn.X."""
    place, dot, name = path.rpartition(".")
    (own,) = places().get(f"same {place}", [place])
    return places().get(f"same {path}", [own + dot + name])[0]


@cache
def homes(place: str) -> list[Any]:
    """The modules (or the class) of tinynet that hold the names of PyTorch's `place`, in order."""
    own = canonical(place)
    found = [*map(resolve_name, places().get(f"also {own}", ()))]
    with contextlib.suppress(AttributeError):
        found.insert(0, resolve_name("tinynet" + own[len(own.partition(".")[0]):]))
    return found


def names_of(place: str) -> dict[str, tuple[str, ...]]:
    """The names that PyTorch has in a module or class, with their parameters."""
    return recorded().get(canonical(place), {})


def is_module(path: str) -> bool:
    """Whether a program may import `path`."""
    own = canonical(path)
    return f"refused {own}" in places() or (
        own in recorded() and own not in CLASSES and bool(homes(own)))


def refuse(path: str, *arguments: Any, **options: Any) -> Any:
    """What a function does that a program may import, but not call."""
    raise RuntimeError(message(path))


@cache
def found(place: str) -> dict[str, Any]:
    """What tinynet has of PyTorch's module or class `place`, apart from modules, by name."""
    values = {
        name: value for home in reversed(homes(place)) for name in names_of(place)
        if not isinstance(value := getattr(home, name, tinynet), types.ModuleType)}
    for name in places().get(f"refused {canonical(place)}", ()):
        values[name] = partial(refuse, f"{place}.{name}")
    for number in recorded()["versions"].get(place.removesuffix(".version"), ()):
        values["__version__"] = Version(f"{number}+tinynet.{tinynet.__version__}")
    return values


def has(place: str, name: str) -> bool:
    """Whether tinynet has the name that PyTorch has in `place`."""
    return name in found(place) or is_module(f"{place}.{name}")


def signature(value: Any) -> inspect.Signature:
    """The signature of a function or class, on Python 3.10 too, which asks Module.__new__ first."""
    own = getattr(value, "__new__", None) is tinynet.nn.Module.__new__
    own = own and not hasattr(value, "__signature__")
    return inspect.signature(partial(value.__init__, None) if own else value)


def parameters(value: Any) -> set[str] | None:
    """The names of a function's or class's parameters; None if it takes any keyword."""
    try:
        known = signature(value).parameters
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return None
    if "respelled" not in getattr(getattr(value, "__code__", None), "co_names", ()):
        return {*known} | getattr(value, "more", set())
    more = {"dim": ["axis", "keepdims"], "div": ["rounding_mode"], "round": ["decimals"]}
    # `words` knows these, and out
    return {*known, "out", *(n for key in (*known, value.__name__) for n in more.get(key, ()))}


# ---------------------------------------------------------------------------- what tinynet lacks


Reason = namedtuple("Reason", "en zh")  # why tinynet lacks some names, in English and Chinese
OTHER = Reason("Small convolutional networks have not needed it so far.",
               "小型卷积网络至今不需要它。")
_FORMS = ["torch", "torch.Tensor", "torch.nn.functional"]  # where the same operation may stand


@cache
def _reasons() -> list[tuple[str, Reason]]:
    """The patterns of `missing.txt`, each with its reason, in order."""
    found: list[tuple[str, Reason]] = []
    why = OTHER
    forms = {"*": ["torch.{}", "torch.{}_", "torch.Tensor.{}", "torch.Tensor.{}_"], "paths": ["{}"]}
    for key, words in _entries("missing.txt"):
        if key in Reason._fields:
            why = why._replace(**{key: " ".join(words)})
        else:
            own = forms.get(key, [f"{key}.{{}}"])
            found += [(form.format(word), why) for word in words for form in own]
    return found


@cache
def reason(path: str) -> Reason:
    """Why tinynet lacks `path`, and what to use instead.

    That is the reason of the first name in `missing.txt` that fits `path` or what holds it, or else
    the same operation elsewhere.
    """
    own = canonical(path)
    for pattern, why in _reasons():
        if ("(" in own) == ("(" in pattern) and fnmatchcase(f"{own}.", f"{pattern}.*"):
            return why
    place, _, name = own.rpartition(".")
    for other in _FORMS if place in _FORMS else ():
        if has(other, name):
            form = f"{other.replace('torch.Tensor', 'tensor')}.{name}(…)"
            return Reason(f"Use {form}.", f"请用 {form}。")
    if name.endswith("_") and has("torch.Tensor", name[:-1]):
        form = f"x = x.{name[:-1]}(…)"
        return Reason(f"Write {form}.", f"请写成 {form}。")
    return OTHER


def message(path: str, argument: str = "") -> str:
    """What a program is told that asks for `path`, or an argument of it, which tinynet lacks."""
    place, _, name = path.rpartition(".")
    why = reason(f"{path}({argument})" if argument else path)
    text = f"tinynet's {path} has no argument {argument}" if argument else f"tinynet has no {path}"
    if why is not OTHER or (name in names_of(place) and not argument):
        return f"{text}. {why.en}"
    if argument:
        return f"{text}."
    (version,) = recorded()["versions"].get(path.partition(".")[0], [""])
    return f"{text}, nor is it in the list of PyTorch's public names ({version})."
