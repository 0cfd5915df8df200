"""usage: tinynet check PATH [PATH ...]

List, by file and line, every name and argument of PyTorch that Python files, notebooks or folders
of them use and tinynet lacks. Nothing is run. The exit code is 1 if there are any, 0 if there are
none, and 2 if something can't be read.

Names are followed through imports and assignments. A method is reported if neither the program nor
another library's objects have one of that name. What a program guards by try or hasattr is not.
"""

import ast
import json
import re
import sys
import warnings
from collections import ChainMap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import names

_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_DEFINES = {ast.FunctionDef: "name", ast.ClassDef: "name", ast.Constant: "value",
            ast.Attribute: "attr"}
_MAGIC = re.compile(r"\A%%(?s:.*)|^([ \t]*)[%!?].*", re.MULTILINE)


# a node, what the names that it sees stand for (a dotted path, or "" for a value; the nearest names
# first), and the exceptions that a try around it catches
_Place = tuple[Any, ChainMap[str, str], set[str]]


def _walk(node: Any, scope: ChainMap[str, str], caught: set[str]) -> Iterator[_Place]:
    """A node and those in it, from top to bottom."""
    yield node, scope, caught
    inner = scope
    if isinstance(node, _SCOPES):  # functions don't see the names of the class around them
        own = {"__qualname__": ""} if isinstance(node, ast.ClassDef) else {}
        inner = ChainMap(own, *(m for m in scope.maps if "__qualname__" not in m))
    kinds = [re.findall(r"\w+", ast.unparse(handler.type)) if handler.type else ["Exception"]
             for handler in getattr(node, "handlers", ())]
    inside, defaults = (inner, caught.union(*kinds)), (scope.parents, caught)
    around = {"body": inside, "args": inside, "defaults": defaults, "kw_defaults": defaults}
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child, *around.get(field, (scope, caught)))


def _path(node: ast.AST, scope: ChainMap[str, str]) -> str:
    """The dotted path that an expression stands for, "" if it is a value."""
    if isinstance(node, ast.Name):
        return scope.get(node.id, "")
    base = _path(node.value, scope) if isinstance(node, ast.Attribute) else ""
    return base and f"{base}.{node.attr}"  # type: ignore[attr-defined]


def _imports(node: ast.AST) -> list[tuple[str, str]]:
    """The paths that an import asks for, each with the name for it; nothing for other nodes."""
    module = f"{'.' * node.level}{node.module}." if isinstance(node, ast.ImportFrom) else ""
    aliases = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
    return [(module + alias.name, alias.asname or alias.name) for alias in aliases]


def _follow(places: list[_Place]) -> set[str]:
    """Let names stand for what the program binds to them. Returns what it asks hasattr for."""
    asked, assigned = set(), {}
    for node, scope, _ in places:
        bound = [(path if path != name else path.partition(".")[0], name.partition(".")[0])
                 for path, name in _imports(node)]  # `import a.b` binds a
        match node:
            case ast.Assign():
                assigned.update(dict.fromkeys(node.targets, _path(node.value, scope)))
            case ast.Name(ctx=ast.Store()):
                bound = [(assigned.get(node, ""), node.id)]
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound = [("", name)]
            case ast.Call(func=ast.Name("hasattr"), args=[_, ast.Constant(str(name))]):
                asked.add(name)
        for path, name in bound:
            scope[name] = path if scope.maps[0].get(name, path) == path else ""
    return asked


def _first_missing(path: str) -> str:
    """The shortest beginning of a path of PyTorch that tinynet lacks, "" if it has it all."""
    place = ""
    for name in path.split(".") if names.is_pytorch(path) else ():
        own = f"{place}.{name}" if place else name
        if not names.is_module(own) and own not in names.CLASSES:
            is_there = name in names.found(place) or hasattr(names.CLASSES.get(place), name)
            return "" if is_there or name.startswith(("__", "*")) else own
        place = own
    return ""


def defines(tree: ast.Module) -> set[str]:
    """The names of functions, classes and attributes that a program defines, and its strings."""
    return {str(getattr(node, _DEFINES[type(node)])) for node in ast.walk(tree)
            if type(node) in _DEFINES and not isinstance(getattr(node, "ctx", None), ast.Load)}


def check(tree: ast.Module, defined: set[str] | None = None) -> list[tuple[int, str]]:
    """What a parsed program asks for that tinynet lacks: lines and texts.

    `defined` are the names that the whole program defines, by default those of this file.
    """
    places = list(_walk(tree, ChainMap(), set()))
    asked = _follow(places)
    others = {*(defines(tree) if defined is None else defined), *names.places()["shared"]}
    is_torchs = any(names.is_pytorch(path) for node, _, _ in places for path, _ in _imports(node))
    methods = {  # that are missing, unless they are those of other objects
        name: f"{place}.{name}" for place in reversed(names.CLASSES) if is_torchs
        for name in {*names.names_of(place)} - others
        if not any(hasattr(ours, name) for ours in names.CLASSES.values())}
    found = set()

    def want(node: Any, path: str, expected: set[str]) -> None:
        """Report what is missing, unless it is set here or the program catches the error."""
        missing = _first_missing(path)
        place, _, name = missing.rpartition(".")
        is_new = isinstance(getattr(node, "ctx", None), ast.Store) and (
            name not in names.names_of(place))
        if missing and not is_new and name not in asked and not expected:
            found.add((node.lineno, names.message(missing)))

    for node, scope, caught in places:
        for path, _ in _imports(node):
            want(node, path, caught & _IMPORT_ERRORS)
        match node:
            case ast.Attribute():
                want(node, _path(node, scope), caught & {"AttributeError"})
            case ast.Call(func=function):
                path = _path(function, scope)
                place, _, name = path.rpartition(".")
                value = names.found(place).get(name) if names.is_pytorch(path) else None
                known = names.parameters(value)
                found |= {(k.lineno, names.message(path, k.arg)) for k in node.keywords
                          if known is not None and k.arg and k.arg not in known}
                if getattr(value, "func", None) is names.refuse:
                    found.add((node.lineno, names.message(path)))
                if method := not path and methods.get(getattr(function, "attr", "")):
                    root = re.split(r"\W", ast.unparse(function), maxsplit=1)[0]
                    if names.is_pytorch(scope.get(root) or "torch"):
                        want(function, method, caught & {"AttributeError"})
    return sorted(found)


def read(path: Path) -> tuple[ast.Module, Sequence[Any]]:
    """A parsed file, and how each of its lines is called. OSError or ValueError if it can't be."""
    if path.suffix != ".ipynb":
        source = path.read_bytes()
        return ast.parse(source), range(1, source.count(b"\n") + 2)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [_MAGIC.sub(r"\1pass", "".join(cell["source"])) if cell["cell_type"] == "code" else ""
             for cell in cells]
    called = [f"cell {number}, line {row}" for number, text in enumerate(texts, 1)
              for row in range(1, text.count("\n") + 2)]
    return ast.parse("\n".join(texts)), called


def main(arguments: Sequence[str]) -> int:
    """Print what the files lack; the exit code is 1 if anything, 2 if a file can't be read."""
    warnings.simplefilter("ignore")  # of the program's string escapes
    trees, status = {}, 0
    for given in map(Path, arguments):
        inside = (path for path in given.rglob("*") if path.suffix in (".py", ".ipynb")
                  and "/." not in f"/{path.relative_to(given).as_posix()}")
        for path in sorted(inside) if given.is_dir() else [given]:
            try:
                trees[path] = read(path)
            except (OSError, ValueError, SyntaxError, LookupError, TypeError, RecursionError) as e:
                print(f"tinynet check: {path} can't be read: {e}", file=sys.stderr)
                status = 2
    defined = {name for tree, _ in trees.values() for name in defines(tree)}
    found = [f"{path}:{called[line - 1]}: {text}" for path, (tree, called) in trees.items()
             for line, text in check(tree, defined)]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(trees)} file{'s' * (len(trees) != 1)}: {len(found) or 'nothing'} missing",
          file=sys.stderr)
    return status or int(bool(found))
