"""Copies of tinynet with a bug.

A bug is a pair of Python texts, such as ``"A.get()"`` and ``"np.asarray(A)"``: wherever the package
has code of the first shape, it can be replaced by the second. Capital letters stand for any
expression, ``*Z`` in a call for the arguments that are left. Nothing else in the first text may be
a name that tinynet is free to change: it consists of numpy's, cupy's and Python's names, ``xp``,
and functions that several files import.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinynet

ROOT = Path(tinynet.__file__).parent
# Bugs may use these: numpy; memory for what a bug remembers; where() by a boolean mask.
PRELUDE = ast.parse(
    """
import sys
import numpy as np
_remembered = {}
def _by_mask(condition, a, b):
    out = a + 0 * b
    out[~condition] = (b + 0 * a)[~condition]
    return out
"""
).body


class Place(NamedTuple):
    """A node of a module's syntax tree, as its number in the order of `ast.walk`."""

    module: str
    number: int
    lines: range  # of the statement that it belongs to; without the body, if there is one


@functools.cache
def modules() -> dict[str, str]:
    """The source of each module of tinynet, without the explainer, which computes on the CPU."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if "explain" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


# ------------------------------------------------------------------------------ patterns of code


def shape(text: str) -> ast.AST:
    """The syntax tree of an expression or a statement."""
    (statement,) = ast.parse(text).body
    return statement.value if isinstance(statement, ast.Expr) else statement


def _is_letter(name: Any) -> bool:
    return isinstance(name, str) and len(name) == 1 and name.isupper()


def match(pattern: Any, node: Any, found: dict[str, Any]) -> bool:
    """Whether `node` has the shape of `pattern`; `found` gets what the letters stand for."""
    if isinstance(pattern, ast.Name) and _is_letter(pattern.id):
        if not isinstance(node, ast.expr):
            return False
        return ast.dump(found.setdefault(pattern.id, node)) == ast.dump(node)
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, list):
        return len(pattern) == len(node) and all(
            match(p, n, found) for p, n in zip(pattern, node, strict=True)
        )
    if not isinstance(pattern, ast.AST):
        return pattern == node
    if isinstance(pattern, ast.Call) and pattern.args and isinstance(pattern.args[-1], ast.Starred):
        first = pattern.args[:-1]
        found["*"] = node.args[len(first) :], node.keywords
        return match(pattern.func, node.func, found) and match(
            first, node.args[: len(first)], found
        )
    return all(
        match(value, getattr(node, field), found)
        for field, value in ast.iter_fields(pattern)
        if field != "ctx"
    )


class _Fill(ast.NodeTransformer):
    """Puts what was found for the letters into a bug."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.found[node.id] if _is_letter(node.id) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        rest = [], []
        if node.args and ast.unparse(node.args[-1]) == "*Z":
            del node.args[-1]
            rest = self.found["*"]
        self.generic_visit(node)
        node.args, node.keywords = [*node.args, *rest[0]], [*node.keywords, *rest[1]]
        return node


# ------------------------------------------------------------------------------- places for bugs


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, range, frozenset[str]]]:
    """The nodes in the order of `ast.walk`, each with the lines of the statement and the names of
    the functions around it."""
    around: dict[ast.AST, tuple[range, frozenset[str]]] = {tree: (range(0), frozenset())}
    for node in ast.walk(tree):
        lines, functions = around[node]
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if isinstance(body, list) else node.end_lineno
            lines = range(node.lineno, max(node.lineno, last) + 1)
        if isinstance(node, ast.FunctionDef):
            functions |= {node.name}
        for child in ast.iter_child_nodes(node):
            around[child] = lines, functions
        yield node, lines, functions


def places(patterns: list[tuple[str, str | None]]) -> list[list[Place]]:
    """For each pattern, and name of a function: where the package has code of that shape, if the
    name is not None only in functions of that name."""
    wanted = [(shape(pattern), inside, []) for pattern, inside in patterns]
    for module, source in modules().items():
        for number, (node, lines, functions) in enumerate(_walk(ast.parse(source))):
            for pattern, inside, found in wanted:
                if (
                    type(node) is type(pattern)
                    and (inside is None or inside in functions)
                    and match(pattern, node, {})
                ):
                    found.append(Place(module, number, lines))
    return [found for _, _, found in wanted]


def defining(name: str) -> str:
    """The module that defines a function or class: a public name such as "nn.Module", or the name
    of a function that the package defines once."""
    if "." in name:
        return functools.reduce(getattr, name.split("."), tinynet).__module__
    definition = re.compile(rf"^(def|class) {name}\b", re.MULTILINE)
    found = [module for module, source in modules().items() if definition.search(source)]
    assert len(found) == 1, f"{name} is defined in {found}, and not in one module"
    return found[0]


def lines_run(function: Callable[[], Any]) -> set[tuple[str, int]]:
    """(module, line) of tinynet that `function` runs in this thread, less what runs with numpy
    as `xp`."""
    files = {
        str(Path(sys.modules[name].__file__ or "")): name
        for name in modules()
        if name in sys.modules
    }
    seen = set()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        module = files.get(frame.f_code.co_filename)
        if module is None:
            return None

        def line(frame: Any, event: str, argument: Any) -> Any:
            if frame.f_locals.get("xp") is not np:
                seen.add((module, frame.f_lineno))
            return line

        return line

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return seen


# -------------------------------------------------------------------------- tinynet with the bug


def rewritten(place: Place, pattern: str, bug: str) -> ast.Module:
    """A module with the bug at one place."""
    tree = ast.parse(modules()[place.module])
    node = list(ast.walk(tree))[place.number]
    found: dict[str, Any] = {}
    assert match(shape(pattern), node, found)
    new = _Fill(found).visit(shape(bug))
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, field, new)
            elif isinstance(value, list):
                setattr(parent, field, [new if item is node else item for item in value])
    return _with_prelude(tree)


def extended(module: str, code: str) -> ast.Module:
    """A module with `code` at its end."""
    tree = ast.parse(modules()[module])
    tree.body += ast.parse(code).body
    return _with_prelude(tree)


def _with_prelude(tree: ast.Module) -> ast.Module:
    after = 1 + max(
        i
        for i, node in enumerate(tree.body[:3])
        if i == 0 or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    )
    tree.body[after:after] = PRELUDE
    return ast.fix_missing_locations(tree)


class _Finder(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Loads one module from a syntax tree."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.module, self.tree = module, tree

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.module:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path)
        importlib.machinery.SourceFileLoader.__init__(self, fullname, found.origin)
        return importlib.machinery.ModuleSpec(
            fullname, self, origin=found.origin, is_package=found.origin.endswith("__init__.py")
        )

    def get_code(self, fullname: str) -> Any:
        return compile(self.tree, self.path, "exec")


@contextlib.contextmanager
def mutant(module: str, tree: ast.Module) -> Iterator[Any]:
    """A second tinynet, in which one module is made from `tree`."""
    before = {name: m for name, m in sys.modules.items() if name.split(".")[0] == "tinynet"}
    finder = _Finder(module, tree)
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module("tinynet")
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.split(".")[0] == "tinynet"]:
            del sys.modules[name]
        sys.modules.update(before)
