"""usage: tinynet check PATH [PATH ...]

List, by file and line, every name and argument of PyTorch that Python files, notebooks or folders
of them use and tinynet lacks. Nothing is run. The exit code is 1 if there are any, 0 if there are
none, and 2 if something can't be read.

Names are followed through imports and assignments. A method is reported if neither the program nor
another library's objects have one of that name. What a program guards by try or hasattr is not.
"""

import ast
import contextlib
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import names

_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "None"}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def _own_nodes(scope: ast.AST) -> Iterator[Any]:
    """The nodes of a scope in order, without those in scopes inside it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own_nodes(child)


def _bound_by(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str]]:
    """The names that an import binds, each with the dotted path that it stands for."""
    if isinstance(node, ast.ImportFrom):
        module = f"{'.' * node.level}{node.module}"
        return [(a.asname or a.name, f"{module}.{a.name}") for a in node.names]
    return [(a.asname, a.name) if a.asname else (a.name.partition(".")[0],) * 2 for a in node.names]


def _is_pytorch(path: str) -> bool:
    return path.partition(".")[0] in ("torch", "torchvision", *names.places()["companions"])


def _first_missing(path: str) -> str:
    """The shortest beginning of a path of PyTorch that tinynet lacks, "" if it has it all."""
    place, *rest = path.split(".")
    if place in names.places()["companions"]:
        return place
    for name in rest:
        own = f"{place}.{name}"
        if hasattr(names.CLASSES.get(place), name) or name.startswith("__"):
            return ""
        if not names.has(place, name):
            return own
        if not names.is_module(own) and own not in names.CLASSES:
            return ""
        place = own
    return ""


class _Reader(ast.NodeVisitor):
    def __init__(self, tree: ast.Module, defined: set[str]):
        self.others = {*defined, *names.places()["shared"]}  # methods of other objects
        self.is_torchs = any(_is_pytorch(name) for n in ast.walk(tree)
                             if isinstance(n, ast.Import | ast.ImportFrom)
                             for _, name in _bound_by(n))
        self.found: set[tuple[int, str]] = set()
        self.scopes: list[tuple[ast.AST, dict[str, str]]] = []
        self.guards: list[set[str]] = []  # the exceptions that each try around us catches
        self.asked = {ast.unparse(n.args[1]).strip("'\"") for n in ast.walk(tree)
                      if isinstance(n, ast.Call) and ast.unparse(n.func) == "hasattr"}
        self.visit_scope(tree)

    def _bind(self, node: Any) -> None:
        """Open a scope: what its names stand for, a dotted path or "" for a value."""
        found: dict[str, str] = {}
        self.scopes.append((node, found))
        assigned: dict[ast.AST, str] = {}
        bound = [(n.arg, "") for n in ast.walk(getattr(node, "args", node))
                 if isinstance(n, ast.arg)] if not isinstance(node, ast.Module) else []
        for child in _own_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                bound += _bound_by(child)
            elif isinstance(child, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
                bound.append((str(child.name), ""))
            elif isinstance(child, ast.Assign):
                assigned[child.targets[0]] = self._path(child.value)
            elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                bound.append((child.id, assigned.get(child, "")))
            while bound:
                name, path = bound.pop(0)
                found[name] = path if found.get(name, path) == path else ""

    def _path(self, node: ast.AST) -> str:
        """The dotted path that an expression stands for, "" if it is a value."""
        if isinstance(node, ast.Name):
            for depth, (scope, found) in enumerate(self.scopes[::-1]):
                if node.id in found and not (depth and isinstance(scope, ast.ClassDef)):
                    return found[node.id]
        base = self._path(node.value) if isinstance(node, ast.Attribute) else ""
        return f"{base}.{node.attr}" if base else ""  # type: ignore[attr-defined]

    def _check(self, node: Any, path: str, guards: set[str]) -> None:
        """Report the first name on a path that tinynet lacks, unless the program expects that."""
        missing = _first_missing(path) if _is_pytorch(path) else ""
        place, _, name = missing.rpartition(".")
        is_new = isinstance(getattr(node, "ctx", None), ast.Store) and (
            name not in names.names_of(place))
        if missing and not is_new and name not in self.asked and not any(
                caught & guards for caught in self.guards):
            self.found.add((node.lineno, names.message(missing)))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check(node, alias.name, _IMPORT_ERRORS)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = f"{'.' * node.level}{node.module}"
        for alias in node.names:
            is_name = alias.name != "*" and not names.refuses(module, alias.name)
            self._check(node, f"{module}.{alias.name}" if is_name else module, _IMPORT_ERRORS)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if path := self._path(node):
            self._check(node, path, {"AttributeError"})
        else:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        path = self._path(node.func)
        place, _, name = path.rpartition(".")
        if _is_pytorch(path):
            with contextlib.suppress(LookupError):
                known = names.parameters(names.find(place, name))
                for keyword in node.keywords:
                    if known is not None and keyword.arg and keyword.arg not in known:
                        self.found.add((keyword.lineno, names.message(path, keyword.arg)))
            if names.refuses(place, name):
                self.found.add((node.lineno, names.message(path)))
        elif isinstance(node.func, ast.Attribute) and self.is_torchs:
            self._check_method(node.func)
        self.generic_visit(node)

    def _check_method(self, node: ast.Attribute) -> None:
        root: ast.AST = node
        while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        places = [place for place in names.CLASSES if node.attr in names.names_of(place)]
        is_ours = any(hasattr(ours, node.attr) for ours in names.CLASSES.values())
        is_others = node.attr in self.others or not _is_pytorch(self._path(root) or "torch")
        if places and not is_ours and not is_others:
            self._check(node, f"{places[0]}.{node.attr}", {"AttributeError"})

    def visit_scope(self, node: Any) -> None:
        body: list[Any] = node.body if isinstance(node.body, list) else [node.body]
        for child in ast.iter_child_nodes(node):
            if child not in body:  # decorators, bases, defaults, annotations
                self.visit(child)
        self._bind(node)
        for child in body:
            self.visit(child)
        self.scopes.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = visit_scope

    def visit_Try(self, node: ast.Try) -> None:
        caught = [getattr(h.type, "elts", [h.type]) for h in node.handlers]
        self.guards.append({ast.unparse(k) if k else "None" for kinds in caught for k in kinds})
        for statement in node.body:
            self.visit(statement)
        self.guards.pop()
        for child in [*node.handlers, *node.orelse, *node.finalbody]:
            self.visit(child)


def defines(tree: ast.Module) -> set[str]:
    """The names of functions, classes and attributes that a program defines, and its strings."""
    names_in = {ast.FunctionDef: "name", ast.ClassDef: "name", ast.Constant: "value"}
    found = {str(getattr(n, names_in.get(type(n), ""), "")) for n in ast.walk(tree)}
    return found | {n.attr for n in ast.walk(tree)
                    if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}


def check(tree: ast.Module, defined: set[str] | None = None) -> list[tuple[int, str]]:
    """What a parsed program asks for that tinynet lacks: lines and texts.

    `defined` are the names that the whole program defines, by default those of this file.
    """
    return sorted(_Reader(tree, defines(tree) if defined is None else defined).found)


def read(path: Path) -> tuple[ast.Module, list[str]]:
    """A parsed file, and how each of its lines is called. OSError or ValueError if it can't be."""
    if path.suffix != ".ipynb":
        source = path.read_bytes()
        return ast.parse(source), [str(n) for n in range(1, source.count(b"\n") + 2)]
    lines, called = [], []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        text = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
        for row, line in enumerate(text.split("\n"), 1):
            is_magic = line.lstrip().startswith(("%", "!", "?")) or text.startswith("%%")
            lines.append(line[:len(line) - len(line.lstrip())] + "pass" if is_magic else line)
            called.append(f"cell {number}, line {row}")
    return ast.parse("\n".join(lines)), called


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        inside = (p for p in path.rglob("*") if p.suffix in (".py", ".ipynb") and not any(
            part.startswith(".") for part in p.relative_to(path).parts))
        yield from sorted(inside) if path.is_dir() else [path]


def main(arguments: Sequence[str]) -> int:
    """Print what the files lack; the exit code is 1 if anything, 2 if a file can't be read."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    warnings.simplefilter("ignore")  # of the program's string escapes
    trees, status, total = {}, 0, 0
    for path in _files(arguments):
        try:
            trees[path] = read(path)
        except (OSError, ValueError, SyntaxError, LookupError, TypeError, RecursionError) as error:
            print(f"tinynet check: {path} can't be read: {error}", file=sys.stderr)
            status = 2
    defined = {name for tree, _ in trees.values() for name in defines(tree)}
    for path, (tree, called) in trees.items():
        for line, text in check(tree, defined):
            print(f"{path}:{called[line - 1]}: {text}")
            total += 1
    print(f"{len(trees)} file{'s' * (len(trees) != 1)}: {total or 'nothing'} missing",
          file=sys.stderr)
    return status or int(total > 0)
