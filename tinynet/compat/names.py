"""What PyTorch has, where tinynet has it, and what to say where tinynet lacks it.

What tinynet has is found by looking. Tables of text say the rest: `pytorch_names.txt` records
PyTorch's public names with their parameters (tools/record_pytorch_names.py writes it), `places.txt`
says where tinynet keeps what lies elsewhere, and `missing.txt`, in groups, why tinynet lacks a name
and what to use instead.
"""

import contextlib
import inspect
import operator as op
import types
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

import tinynet

CLASSES = {"torch.Tensor": tinynet.Tensor, "torch.nn.Module": tinynet.nn.Module,
           "torch.optim.Optimizer": tinynet.optim.Optimizer}


def _lines(table: str) -> list[str]:
    text = Path(__file__).with_name(table).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("# ")]


@cache
def recorded() -> dict[str, dict[str, tuple[str, ...] | None]]:
    """PyTorch's names by module (or class), each with its parameters, None if not known."""
    found: dict[str, dict[str, tuple[str, ...] | None]] = {}
    for line in _lines("pytorch_names.txt"):
        if line.startswith("["):
            names = found.setdefault(line[1:-1], {})
        else:
            name, bracket, rest = line.partition("(")
            names[name] = tuple(filter(None, rest[:-1].split(", "))) if bracket else None
    return found


@cache
def places() -> dict[str, list[str]]:
    """The entries of `places.txt`: the words after each ``kind path:``."""
    found: dict[str, list[str]] = {}
    for line in _lines("places.txt"):
        entry, _, words = line.partition(":")
        found.setdefault(entry, []).extend(words.split())
    same = {f"is {alias}": [entry.split()[1]]
            for entry, words in found.items() if entry.startswith("same ") for alias in words}
    return found | same


def _numbers(version: Any) -> list[int]:
    parts = version.partition("+")[0].split(".") if isinstance(version, str) else version
    return [int(part) for part in map(str, parts) if part.isdigit()]


def _comparison(compare: Callable[[Any, Any], bool]) -> Any:
    return lambda self, other: compare(_numbers(self), _numbers(other))


class Version(str):
    """A version that compares by its numbers, with strings and tuples, as PyTorch's does.

    >>> Version("2.13.0+tinynet") >= "2.2", Version("2.13.0+tinynet") < (1, 8)
    (True, False)
    """

    __slots__ = ()
    __lt__, __le__, __gt__, __ge__ = map(_comparison, (op.lt, op.le, op.gt, op.ge))


@cache
def versions() -> dict[str, Version]:
    """What ``torch.__version__`` says: the version that was recorded, and that it is tinynet."""
    return {name: Version(f"{number[0]}+tinynet.{tinynet.__version__}")
            for name, number in recorded()["versions"].items() if number}


# ------------------------------------------------------------------------------ what tinynet has


def canonical(path: str) -> str:
    """The dotted name under which `path` is recorded: torch.nn.modules.conv.X is torch.nn.X."""
    place, dot, name = path.rpartition(".")
    return places().get(f"is {path}", [f"{places().get(f'is {place}', [place])[0]}{dot}{name}"])[0]


@cache
def homes(place: str) -> tuple[Any, ...]:
    """The modules (or the class) of tinynet that hold the names of PyTorch's `place`."""
    own = canonical(place)
    found = []
    for path in ["tinynet" + own[len(own.partition(".")[0]):], *places().get(f"also {own}", ())]:
        with contextlib.suppress(AttributeError):
            found.append(resolve_name(path))
    return tuple(found)


def names_of(place: str) -> dict[str, tuple[str, ...] | None]:
    """The names that PyTorch has in a module or class, with their parameters."""
    return recorded().get(canonical(place), {})


def is_module(path: str) -> bool:
    """Whether a program may import `path`."""
    own = canonical(path)
    return f"refused {own}" in places() or own in ("torch.version", "torchvision") or (
        own in recorded() and own not in CLASSES and bool(homes(own)))


def home_of(place: str, name: str) -> Any:
    """What of tinynet holds the name that PyTorch has in `place`. LookupError if nothing does."""
    other = [resolve_name(p) for p in places().get(f"different {canonical(place)}.{name}", ())]
    for home in homes(place) if name in names_of(place) else ():
        if hasattr(home, name):
            value = getattr(home, name)
            if not (isinstance(value, types.ModuleType) or any(value is o for o in other)):
                return home
    raise LookupError(f"{place}.{name}")


def find(place: str, name: str) -> Any:
    """tinynet's object for a name in a module or class of PyTorch. LookupError if it has none."""
    own = canonical(place)
    if f"renamed {own}.{name}" in places():
        return resolve_name(places()[f"renamed {own}.{name}"][0])
    if name == "__version__" and own.removesuffix(".version") in versions():
        return versions()[own.removesuffix(".version")]
    if own == "torch.version" and name in ("cuda", "hip"):
        return None
    return getattr(home_of(own, name), name)


def has(place: str, name: str) -> bool:
    """Whether tinynet has the name that PyTorch has in `place`."""
    try:
        find(place, name)
    except LookupError:
        return is_module(f"{place}.{name}")
    return True


def refuses(place: str, name: str) -> bool:
    """Whether a program may import this function, but not call it."""
    return name in places().get(f"refused {place}", ())


def parameters(value: Any) -> dict[str, inspect.Parameter] | None:
    """The parameters of a function or class by name; None if it takes any keyword."""
    try:
        found = dict(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return None
    code = getattr(value, "__code__", None)
    if code is not None and "respelled" in code.co_names:  # a wrapper of `ops`: see `words`
        mode = {"rounding_mode"} if value.__name__ == "div" else set()
        more = {"out"} | mode | ({"axis", "keepdims"} if "dim" in found else set())
        found |= {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in more}
    return None if any(p.kind is p.VAR_KEYWORD for p in found.values()) else found


# ---------------------------------------------------------------------------- what tinynet lacks


class Reason(NamedTuple):
    """Why tinynet lacks some names, in English and Chinese."""

    en: str
    zh: str


OTHER = Reason("Small convolutional networks have not needed it so far.",
               "小型卷积网络至今不需要它。")
# Where the same operation may stand, and how it is called there.
_FORMS = {"torch": "torch.{}(…)", "torch.Tensor": "tensor.{}(…)",
          "torch.nn.functional": "torch.nn.functional.{}(…)"}


@cache
def _reasons() -> list[tuple[str, Reason]]:
    """The patterns of `missing.txt`, each with its reason, in order."""
    found: list[tuple[str, Reason]] = []
    why = Reason("", "")
    for line in _lines("missing.txt"):
        if line.startswith("="):
            kind, _, text = line.partition(" ")
            why = why._replace(zh=text) if kind == "=zh" else Reason(
                text if why.zh else f"{why.en} {text}".strip(), "")
        else:
            place, colon, words = line.partition(": ")
            forms = ("torch.{}", "torch.{}_", "torch.Tensor.{}", "torch.Tensor.{}_")
            own = forms if place == "*" else ("{}",) if not colon else (f"{place}.{{}}",)
            found += [(form.format(w), why) for w in (words or line).split() for form in own]
    return found


@cache
def reason(path: str) -> Reason:
    """Why tinynet lacks `path`, and what to use instead.

    That is the reason of the first line of `missing.txt` that fits `path` or what holds it, or else
    the same operation elsewhere.
    """
    own = canonical(path)
    place, _, name = own.rpartition(".")
    while own:
        for pattern, why in _reasons():
            if ("(" in own) == ("(" in pattern) and fnmatchcase(own, pattern):
                return why
        own = "" if "(" in own else own.rpartition(".")[0]
    for other, form in _FORMS.items():
        if place in _FORMS and other != place and has(other, name):
            return Reason(f"Use {form.format(name)}.", f"请用 {form.format(name)}。")
    if name.endswith("_") and has("torch.Tensor", name[:-1]):
        form = f"x = x.{name[:-1]}(…)"
        return Reason(f"Write {form}.", f"请写成 {form}。")
    return OTHER


def message(path: str, argument: str = "") -> str:
    """What a program is told that asks for `path`, or an argument of it, which tinynet lacks."""
    place, _, name = path.rpartition(".")
    if argument:
        why, text = reason(f"{path}({argument})"), f"tinynet's {path} has no argument {argument}."
        return text if why is OTHER else f"{text} {why.en}"
    if name in names_of(place) or reason(path) is not OTHER:
        return f"tinynet has no {path}. {reason(path).en}"
    version = versions().get(path.partition(".")[0], "").partition("+")[0]
    return f"tinynet has no {path}, nor is it in the list of PyTorch's public names ({version})."
