"""The reference as Markdown: made of tinynet's signatures and docstrings, and of what its tables
know about PyTorch."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from contents import GROUPS, LAYERS_ON_REQUEST, PROPERTIES, REFERENCE, VALUES, Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from pkgutil import resolve_name  # noqa: E402

from make_pytorch_tables import lacking  # noqa: E402

from tinynet.compat import names  # noqa: E402

SECTIONS = {
    "Args": ("Arguments", "参数"), "Returns": ("Returns", "返回"), "Raises": ("Raises", "异常"),
    "Attributes": ("Attributes", "属性"), "Yields": ("Yields", "产出"),
}  # fmt: skip
WORDS = {
    "differs": ("Differs from PyTorch in", "与 PyTorch 的不同"),
    "lacks": ("it lacks {}", "缺少 {}"),
    "adds": ("it also takes {}", "另外接受 {}"),
    "none": ("no argument", "参数没有不同"),
    "own": ("PyTorch has no such name", "PyTorch 没有这个名字"),
    "same": ("The same as {}.", "同 {}。"),
    "method": ("{} as a method: this tensor is its first argument.",
               "{} 的方法形式：张量自身是第一个参数。"),
    "comma": (", ", "、"),
    "row": ("{}: in PyTorch {}; here {}", "{}：PyTorch {}；这里 {}"),
}  # fmt: skip


def word(language: str, name: str) -> str:
    return WORDS[name][language == "zh"]


# -------------------------------------------------------------------------------- the public names


@cache
def holder(page: Page) -> Any:
    """The module or the class whose names a page lists."""
    return resolve_name(page.path)


@cache
def members(page: Page) -> dict[str, Any]:
    """The public names of a page and their values, in alphabetical order."""
    known = names.found(page.place) if page.place in names.recorded() else {}
    listed = [n for n in names.names_of(page.place) if n in known and not n.startswith("_")]
    refused = names.places().get(f"refused {page.place}", ())
    found = {n: inspect.getattr_static(holder(page), n, known[n]) for n in listed
             if n not in refused and (page.path, n) != ("tinynet.nn.init", "Tensor")}  # fmt: skip
    found |= {n: getattr(holder(page), n) for n in page.own}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


@cache
def everything() -> dict[str, Any]:
    """All public names of tinynet by their full names, in the order of the pages."""
    return {f"{page.path}.{name}": value for page in REFERENCE
            for name, value in members(page).items()}  # fmt: skip


def file_of(value: Any) -> str:
    """The last part of the module that defines a value, "" for plain values."""
    if isinstance(value, (np.dtype, float)) or not isinstance(
        module := getattr(value, "__module__", ""), str
    ):
        return ""
    return module.rpartition(".")[2]


def group_of(value: Any) -> tuple[str, str]:
    if isinstance(value, property):
        return PROPERTIES
    if getattr(value, "__module__", "") == "tinynet.compat.layers":
        return LAYERS_ON_REQUEST
    return GROUPS.get(file_of(value), VALUES)


# -------------------------------------------------------------------------------------- signatures


def full_name(match: re.Match[str]) -> str:
    """A name of tinynet's in an annotation, as Sphinx finds it. Sphinx shows the last part."""
    name = match[0].replace("Variable", "Tensor")
    return {"Module": "tinynet.nn.", "Optimizer": "tinynet.optim."}.get(name, "tinynet.") + name


def annotation_text(annotation: Any) -> str:
    """An annotation as one writes it: ``int | tuple[int, int]``; "" if it says nothing."""
    if annotation is inspect.Parameter.empty or annotation is Any:
        return ""
    if hasattr(annotation, "__metadata__"):  # Annotated: a type and the rule that checks it
        return annotation_text(annotation.__origin__)
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"(?:\w+\.)+(\w+)", r"\1", text)
    text = re.sub(r"\b(Tensor|Variable|Size|Generator|Module|Optimizer)\b", full_name, text)
    return "" if text == "Any" or "<" in text else text


def default_text(value: Any) -> str:
    text = repr(value) if isinstance(value, (int, float, str, tuple, bool, type(None))) else "..."
    return text


def signature_text(name: str, value: Any, drop_first: bool = False) -> str:
    """``name(parameters) -> result``, or the name alone for what can't be called."""
    if isinstance(value, (property, np.dtype, float)) or not callable(value):
        return name
    try:
        known = inspect.signature(value)
    except (TypeError, ValueError):
        return f"{name}(...)"
    parts: list[str] = []
    seen_star = False
    for position, p in enumerate(known.parameters.values()):
        if position == 0 and drop_first:
            continue
        if p.kind is p.KEYWORD_ONLY and not seen_star:
            parts.append("*")
            seen_star = True
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        seen_star = seen_star or star == "*"
        kind = annotation_text(p.annotation)
        text = star + p.name + (f": {kind}" if kind else "")
        if p.default is not p.empty:
            equals = " = " if kind else "="
            text += equals + default_text(p.default)
        parts.append(text)
    result = annotation_text(known.return_annotation)
    arrow = f" -> {result}" if result and not isinstance(value, type) else ""
    return f"{name}({', '.join(parts)}){arrow}"


def parameters_of(value: Any) -> set[str]:
    try:
        return {*inspect.signature(value).parameters}
    except (TypeError, ValueError):
        return set()


def named_parameters(value: Any) -> set[str]:
    """The parameters that a call can name."""
    known = inspect.signature(value).parameters.values() if parameters_of(value) else ()
    return {p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


# ------------------------------------------------------------------------- docstrings as Markdown


class Prose:
    """Turns docstrings of one page's members into Markdown, with links to other public names."""

    def __init__(self, page: Page, language: str) -> None:
        self.page, self.language = page, language

    def target(self, text: str, taken: set[str]) -> str | None:
        """The full name of the public object that a word in code quotes names, if there is one."""
        name = text.removesuffix("()").removeprefix("tinynet.")
        if not re.fullmatch(r"[\w.]+", name) or (name in taken and "." not in name):
            return None
        homes = [self.page.path, "tinynet", "tinynet.nn", "tinynet.nn.functional"]
        if "." not in name and name[0].islower() and name != text.removesuffix("()"):
            homes = ["tinynet"]
        if "." not in name and name[0].isupper():
            homes += [page.path for page in REFERENCE]
        return next((f"{h}.{name}" for h in homes if f"{h}.{name}" in everything()), None)

    def inline(self, text: str, taken: set[str]) -> str:
        """A line of prose: code in quotes kept and linked, everything else taken literally."""
        parts = re.split(r"(``.+?``|`[^`]+`)", text)
        for i, part in enumerate(parts):
            if i % 2 == 0:
                parts[i] = re.sub(r"([\\*_<\[\]])", r"\\\1", part)
                continue
            code = part.strip("`")
            target = self.target(code, taken)
            parts[i] = f"{{py:obj}}`{code} <{target}>`" if target else f"`{code}`"
        return "".join(parts)

    def blocks(self, lines: list[str], taken: set[str]) -> Iterator[str]:
        """Lines of a docstring, without what they are indented by, as lines of Markdown."""
        i = 0
        while i < len(lines):
            line = lines[i]
            section = re.fullmatch(r"(\w+):", line)
            if line.startswith(">>>"):
                end = next((k for k in range(i, len(lines)) if not lines[k].strip()), len(lines))
                shown = [re.sub(r"\s*# doctest:.*", "", part) for part in lines[i:end]]
                yield from ["```pycon", *shown, "```", ""]
                i = end
            elif section and section[1] in SECTIONS and i + 1 < len(lines):
                inner, i = indented(lines, i + 1)
                yield f"**{SECTIONS[section[1]][self.language == 'zh']}**"
                yield ""
                yield from self.items(inner, taken)
            elif line.endswith("::"):
                yield from [self.inline(line[:-1], taken), ""]
                inner, i = indented(lines, i + 1)
                yield from ["```text", *inner, "```", ""]
            elif line.startswith("    "):
                inner, i = indented(lines, i)
                yield from ["```text", *inner, "```", ""]
            elif re.match(r"- |\* ", line):
                yield "- " + self.inline(line[2:], taken)
                i += 1
            elif line.startswith("  "):  # goes on with the item of a list
                yield "  " + self.inline(line.strip(), taken)
                i += 1
            else:
                yield self.inline(line, taken)
                i += 1

    def items(self, lines: list[str], taken: set[str]) -> Iterator[str]:
        """``name: text`` becomes the item of a list; anything else stays prose."""
        found: list[str] = []
        for line in lines:
            item = re.match(r"([*\w., ]+): (.*)", line)
            if item and all(re.fullmatch(r"\*{0,2}\w+", n) for n in item[1].split(", ")):
                quoted = ", ".join(f"`{n}`" for n in item[1].split(", "))
                found.append(f"- {quoted}: {self.inline(item[2], taken)}")
            elif line.startswith("    ") and found:
                found.append("  " + self.inline(line.strip(), taken))
            else:
                found.append(self.inline(line, taken))
        yield from [*found, ""]

    def markdown(self, value: Any) -> list[str]:
        doc = inspect.getdoc(value) or ""
        taken = parameters_of(value)
        return list(self.blocks(doc.splitlines(), taken))


def indented(lines: list[str], start: int) -> tuple[list[str], int]:
    """The indented lines from `start` on, without their indent, and where they end."""
    while start < len(lines) and not lines[start].strip():
        start += 1
    end = start
    while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
        end += 1
    inner = [line[4:] for line in lines[start:end]]
    while inner and not inner[-1].strip():
        inner.pop()
    return inner, end


# --------------------------------------------------------------------------- differs from PyTorch


@cache
def rows_on_purpose(language: str) -> list[tuple[str, str, str]]:
    """The rows of "What differs on purpose" in the page for people who know PyTorch."""
    file = "coming_from_pytorch" + (".zh-CN.md" if language == "zh" else ".md")
    text = (ROOT / "docs" / file).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (.*?) ?\| (.+?) \|$", text.partition("<!--")[0], re.M)
    return [row for row in rows if row[1] != "PyTorch"]


def on_purpose(name: str, language: str) -> list[str]:
    """What the rows that name a function say of it."""
    pattern = rf"`(?:\w+\.)*{re.escape(name)}(?:\(.*?\))?`"
    return [word(language, "row").format(*row) for row in rows_on_purpose(language)
            if re.search(pattern, row[0])]  # fmt: skip


def differs(page: Page, name: str, value: Any, language: str) -> str:
    """The line that begins "Differs from PyTorch in"."""
    comma = word(language, "comma")
    if name not in names.names_of(page.place):
        said = [word(language, "own")]
    else:
        said = on_purpose(name, language)
        theirs = [p.lstrip("*") for p in names.names_of(page.place)[name]]
        missing = lacking(page.place, name)
        if missing:
            said.insert(0, word(language, "lacks").format(comma.join(f"`{p}`" for p in missing)))
        if theirs and callable(value) and not isinstance(holder(page), type):
            more = sorted(named_parameters(value) - {"self", "input", "out"} - {*theirs})
            if more and names.names_of(page.place)[name][0][0] != "*":
                said.append(word(language, "adds").format(comma.join(f"`{p}`" for p in more)))
        if not said and theirs:
            said = [word(language, "none")]
    if not said:
        return ""
    if language == "zh":
        return f"**{word(language, 'differs')}**：{'；'.join(said)}。"
    return f"**{word(language, 'differs')}**: {'; '.join(said)}."


# ------------------------------------------------------------------------------------- the pages


def earlier(page: Page, name: str, value: Any) -> str | None:
    """The full name under which the same function or class is described in full."""
    if isinstance(value, (property, np.dtype, float)) or not callable(value):
        return None
    full = f"{page.path}.{name}"
    own = [n for n, v in everything().items() if v is value]
    short = getattr(value, "__name__", name)
    # At home where its module is, if that is public; else where it is called by its own name.
    home = next((n for n in own if n.startswith("tinynet.nn.functional.")
                 and ".nn.functional" in value.__module__), None)
    home = home or next((n for n in own if n.rpartition(".")[2] == short), own[0])
    return None if home == full else home


def module_of(page: Page) -> str:
    """The module of a page: of the class, if the page lists the methods of one."""
    return page.path.rpartition(".")[0] if isinstance(holder(page), type) else page.path


def kind_of(page: Page, value: Any) -> str:
    if isinstance(value, property):
        return "py:property"
    if isinstance(value, (np.dtype, float)) or not callable(value):
        return "py:data"
    if isinstance(value, type):
        return "py:class"
    return "py:method" if isinstance(holder(page), type) else "py:function"


def methods_of(cls: type) -> dict[str, Any]:
    """The public methods and properties that a class defines itself, with docstrings."""
    if any(cls is holder(page) for page in REFERENCE):
        return {}  # they have a page of their own
    return {n: v for n, v in vars(cls).items()
            if not n.startswith("_") and n != "forward" and inspect.getdoc(v)
            and (isinstance(v, (property, staticmethod, classmethod)) or inspect.isfunction(v))}


def entry(page: Page, name: str, value: Any, language: str) -> list[str]:
    """One public name."""
    prose = Prose(page, language)
    full = f"{page.path}.{name}"
    kind = kind_of(page, value)
    within = kind == "py:method" and not isinstance(
        inspect.getattr_static(holder(page), name, None), (staticmethod, classmethod))
    plain = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    shown_as = full.removeprefix(f"{module_of(page)}.")
    head = signature_text(shown_as, plain, drop_first=within)
    lines = [f"::::::{{{kind}}} {head}", ""]
    if kind == "py:data":
        shown = f"numpy.{value!r}" if isinstance(value, np.dtype) else repr(value)
        lines += [f"`{shown}`" if "<" not in shown else ""]
    elif (home := earlier(page, name, plain)) is not None:
        link = f"{{py:obj}}`{home}`"
        method = isinstance(holder(page), type)
        lines += [word(language, "method" if method else "same").format(link), ""]
        lines += [prose.markdown(plain)[0]]
    else:
        lines += prose.markdown(plain)
    lines += ["", differs(page, name, plain, language), ""]
    if isinstance(plain, type) and earlier(page, name, plain) is None:
        for method, found in methods_of(plain).items():
            inner = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
            shown = signature_text(method, inner, not isinstance(found, staticmethod))
            role = "py:property" if isinstance(found, property) else "py:method"
            lines += [f":::::{{{role}}} {shown}", "", *prose.markdown(inner), ":::::", ""]
    return [*lines, "::::::", ""]


def page_text(page: Page, language: str) -> str:
    """A whole page of the reference."""
    lines = [f"# {page.path}", "", f"```{{py:currentmodule}} {module_of(page)}", "```", ""]
    lines += [*Prose(page, language).markdown(holder(page)), ""]
    groups: dict[tuple[str, str], list[str]] = {}
    for name, value in members(page).items():
        groups.setdefault(group_of(value), []).append(name)
    order = [*dict.fromkeys([*GROUPS.values(), LAYERS_ON_REQUEST, PROPERTIES, VALUES])]
    for group in sorted(groups, key=order.index):
        if len(groups) > 1:
            lines += [f"## {group[language == 'zh']}", ""]
        for name in groups[group]:
            lines += entry(page, name, members(page)[name], language)
    return "\n".join(lines) + "\n"
