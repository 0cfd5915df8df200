"""usage: tinynet check PATH [PATH ...]

List, by file and line, every name and argument of PyTorch that Python files, notebooks or folders
of them use and tinynet lacks. Nothing is run. The exit code is 1 if there are any, 0 if there are
none, and 2 if something can't be read.

Names are followed through imports and assignments. A method is reported where the value is surely a
tensor, module or optimizer, or where only these have a method of such a name. What a program guards
by try or hasattr is not reported.
"""

from __future__ import annotations

import ast
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import names

_TENSOR = "torch.Tensor"
# Functions and methods of tensors that give no tensor, or several.
_NO_TENSORS = set("""
    aminmax backward chunk cummax cummin data_ptr device dim dtype element_size equal frexp
    from_file get_device is_complex is_floating_point is_tensor item kthvalue load manual_seed max
    median min mode nelement numel numpy register_hook result_type save seed set_default_dtype
    set_printoptions shape size sort split std_mean stride tensor_split tolist topk type unbind
    unique unique_consecutive var_mean""".split())
# Methods with an underscore in their name that other libraries' objects have too.
_SHARED = {"get_buffer", "is_complex", "is_nonzero", "is_signed", "to_dense"}
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "None"}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

Missing = tuple[int, str]  # a line, and what tinynet lacks there


class _Scope:
    """What the names in a module, class or function stand for; None if for several things.

    `paths` has dotted paths of PyTorch, "" for anything else. `kinds` has the classes of values: a
    path of PyTorch's class, "" for others; a class also has ``self.x``.
    """

    def __init__(self, node: Any):
        self.node = node
        self.paths: dict[str, str | None] = {}
        self.kinds: dict[str, str | None] = {}
        self.imported: set[str] = set()  # names from other packages


def _own_nodes(scope: Any) -> Iterator[Any]:
    """The nodes of a scope in order, without those in scopes inside it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own_nodes(child)


def _is_pytorch(path: str) -> bool:
    return path.partition(".")[0] in ("torch", "torchvision", *names.places()["companions"])


def _find(path: str) -> Any:
    place, _, name = path.rpartition(".")
    try:
        return names.find(place, name)
    except LookupError:
        return None


def _base(kind: str | None) -> str:
    """The key of `names.CLASSES` for a class of PyTorch, "" for other classes."""
    value = names.CLASSES.get(str(kind)) or (_find(kind) if kind else None)
    bases = [place for place, ours in names.CLASSES.items()
             if isinstance(value, type) and issubclass(value, ours)]
    return bases[0] if bases else ""


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
        self.defined, self.found, self.scopes = defined, set[Missing](), list[_Scope]()
        self.guards: list[set[str]] = []  # the exceptions that each try around us catches
        self.asked = {ast.unparse(n.args[1]).strip("'\"") for n in ast.walk(tree)
                      if isinstance(n, ast.Call) and ast.unparse(n.func) == "hasattr"}
        self.visit_scope(tree)

    # what names stand for

    def _bind(self, table: dict[str, str | None], name: str, value: str) -> None:
        table[name] = value if table.get(name, value) == value else None

    def _bind_all(self, scope: _Scope) -> None:
        node, simple = scope.node, set()
        if isinstance(getattr(node, "args", None), ast.arguments):
            is_forward = getattr(node, "name", "") == "forward" and any(
                _base(self._path(base)) for base in getattr(self.scopes[-2].node, "bases", ()))
            for number, argument in enumerate(n for n in ast.walk(node.args)
                                              if isinstance(n, ast.arg)):
                typed = self._path(argument.annotation) if argument.annotation else (
                    _TENSOR if is_forward and number else "")
                scope.paths[argument.arg], scope.kinds[argument.arg] = "", typed
        for child in ast.walk(node) if isinstance(node, ast.ClassDef) else _own_nodes(node):
            if isinstance(child, ast.Assign) and len(child.targets) == 1:
                target = ast.unparse(child.targets[0])
                if isinstance(child.targets[0], ast.Name) or target.startswith("self."):
                    simple.add(child.targets[0])
                    self._bind(scope.paths, target, self._path(child.value))
                    self._bind(scope.kinds, target, self._kind(child.value))
            elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                if child not in simple:
                    scope.paths[child.id] = scope.kinds[child.id] = None
            elif isinstance(child, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
                scope.paths[str(child.name)] = None
            elif isinstance(child, ast.Import | ast.ImportFrom):
                for alias in child.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    path = alias.name if alias.asname else name
                    if isinstance(child, ast.ImportFrom):
                        path = f"{'.' * child.level}{child.module}.{alias.name}"
                    self._bind(scope.paths, name, path if _is_pytorch(path) else "")
                    if not _is_pytorch(path):
                        scope.imported.add(name)

    def _look(self, table: str, name: str) -> str:
        for depth, scope in enumerate(self.scopes[::-1]):
            is_hidden = depth and isinstance(scope.node, ast.ClassDef) and "." not in name
            if name in getattr(scope, table) and not is_hidden:
                return getattr(scope, table)[name] or ""
        return ""

    def _path(self, node: Any) -> str:
        """The dotted path of PyTorch that an expression stands for, or ""."""
        if isinstance(node, ast.Name):
            return self._look("paths", node.id)
        base = self._path(node.value) if isinstance(node, ast.Attribute) else ""
        return f"{base}.{node.attr}" if base else ""

    def _kind(self, node: Any) -> str:
        """PyTorch's class of an expression's value, "" where that is not sure."""
        if isinstance(node, ast.Name):
            return self._look("kinds", node.id)
        if isinstance(node, ast.BinOp):
            return _TENSOR if _TENSOR in (self._kind(node.left), self._kind(node.right)) else ""
        if isinstance(node, ast.Attribute | ast.Subscript):
            if ast.unparse(node.value) == "self" and isinstance(node, ast.Attribute):
                return self._look("kinds", ast.unparse(node))
            is_tensor = getattr(node, "attr", "T") in ("T", "data", "grad")
            return _TENSOR if is_tensor and self._kind(node.value) == _TENSOR else ""
        if not isinstance(node, ast.Call):
            return ""
        path, name = self._path(node.func), getattr(node.func, "attr", "")
        if path:
            if _base(path):
                return path
            place, _, name = path.rpartition(".")
            is_function = place in ("torch", "torch.nn.functional") and not isinstance(
                value := _find(path), type) and callable(value)
            return _TENSOR if is_function and name not in _NO_TENSORS else ""
        if name and self._kind(getattr(node.func, "value", None)) == _TENSOR:
            return _TENSOR if name not in _NO_TENSORS else ""
        layer = self._kind(node.func)  # of self.conv(x)
        return _TENSOR if layer not in names.CLASSES and _base(layer) == "torch.nn.Module" else ""

    # what is missing

    def _say(self, node: Any, path: str, argument: str = "") -> None:
        self.found.add((node.lineno, names.message(path, argument)))

    def _check(self, node: Any, path: str, guards: set[str]) -> None:
        """Report the first name on a path that tinynet lacks, unless the program expects that."""
        missing = _first_missing(path)
        place, _, name = missing.rpartition(".")
        is_new = isinstance(getattr(node, "ctx", None), ast.Store) and (
            name not in names.names_of(place))
        if missing and not is_new and name not in self.asked and not any(
                caught & guards for caught in self.guards):
            self._say(node, missing)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if _is_pytorch(alias.name):
                self._check(node, alias.name, _IMPORT_ERRORS)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names if _is_pytorch(node.module or "") and not node.level else ():
            if alias.name == "*" or names.refuses(str(node.module), alias.name):
                self._check(node, str(node.module), _IMPORT_ERRORS)
            else:
                self._check(node, f"{node.module}.{alias.name}", _IMPORT_ERRORS)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if path := self._path(node):
            self._check(node, path, {"AttributeError"})
            return
        self.visit(node.value)
        kind, name, root = _base(self._kind(node.value)), node.attr, node.value
        while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        is_imported = isinstance(root, ast.Name) and any(root.id in s.imported for s in self.scopes)
        is_only_ours = "_" in name[1:] and name not in self.defined | _SHARED and not is_imported
        for place in [kind] if kind else names.CLASSES if is_only_ours else ():
            owners = [names.CLASSES[kind]] if kind else names.CLASSES.values()
            if name in names.names_of(place) and not any(hasattr(c, name) for c in owners):
                self._check(node, f"{place}.{name}", {"AttributeError"})
                break

    def visit_Call(self, node: ast.Call) -> None:
        path = self._path(node.func)
        if not path and isinstance(node.func, ast.Attribute) and (
                kind := _base(self._kind(node.func.value))):
            path = f"{kind}.{node.func.attr}"
        known = names.parameters(_find(path)) if path else None
        for keyword in node.keywords:
            if keyword.arg is not None and known is not None and keyword.arg not in known:
                self._say(keyword, path, keyword.arg)
        if names.refuses(*path.rpartition(".")[::2]) and isinstance(node.func, ast.Name):
            self._say(node, path)
        self.generic_visit(node)

    def visit_scope(self, node: Any) -> None:
        body: list[Any] = node.body if isinstance(node.body, list) else [node.body]
        for child in ast.iter_child_nodes(node):
            if child not in body:  # decorators, bases, defaults, annotations
                self.visit(child)
        self.scopes.append(_Scope(node))
        self._bind_all(self.scopes[-1])
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
    """The names of functions, classes and attributes that a program defines."""
    nodes = list(ast.walk(tree))
    found = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return found | {n.attr for n in nodes
                    if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}


def check(tree: ast.Module, defined: set[str] | None = None) -> list[Missing]:
    """What a parsed program asks for that tinynet lacks, by line.

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
            blank = line[:len(line) - len(line.lstrip())]
            is_magic = line.lstrip().startswith(("%", "!", "?")) or text.startswith("%%")
            lines.append(f"{blank}pass" if is_magic else line)
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
    trees, status, total = {}, 0, 0
    for path in _files(arguments):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the program's string escapes
                trees[path] = read(path)
        except (OSError, ValueError, SyntaxError, LookupError, TypeError, RecursionError) as error:
            print(f"tinynet check: {path} can't be read: {error}", file=sys.stderr)
            status = 2
    defined = set[str]().union(*(defines(tree) for tree, _ in trees.values()))
    for path, (tree, called) in trees.items():
        for line, text in check(tree, defined):
            print(f"{path}:{called[line - 1]}: {text}")
            total += 1
    print(f"{len(trees)} file{'s' * (len(trees) != 1)}: {total or 'nothing'} missing",
          file=sys.stderr)
    return status or int(total > 0)
