"""tinynet's source against the recorded API of cupy.

Every function that the source takes from `xp` or `cupy` exists in cupy, with the keywords that the
source passes.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from strict_cupy.core import MANIFEST

import tinynet

ROOT = Path(tinynet.__file__).parent
FILES = [p for p in sorted(ROOT.rglob("*.py")) if "explain" not in p.parts]
UFUNC_KEYWORDS = {"out", "dtype", "casting"}


def entry(path: list[str]) -> dict | None:
    """The manifest's entry of `cupy.<path>`; None if there is none."""
    module = ".".join(["cupy", *path[:-1]])
    return MANIFEST.get(module, {}).get(path[-1])


def attribute_path(node: ast.AST) -> list[str] | None:
    """``["lib", "stride_tricks", "as_strided"]`` for ``xp.lib.stride_tricks.as_strided``.

    None if the expression does not start with xp or cupy.
    """
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.insert(0, node.attr)
        node = node.value
    return path if path and isinstance(node, ast.Name) and node.id in ("xp", "cupy") else None


def problems(source: str) -> list[str]:
    """What `source` uses that cupy lacks."""
    found = []
    tree = ast.parse(source)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        path = (
            attribute_path(node)
            if isinstance(node, ast.Attribute) and id(node) not in inner
            else None
        )
        if path and not path[0].startswith("_"):
            if (
                path[-1] in ("at", "reduce", "accumulate", "outer")
                and len(path) == 2
                and (ufunc := entry(path[:1]))
            ):
                if not ufunc.get(path[-1], path[-1] == "outer"):
                    found.append(f"line {node.lineno}: cupy.{path[0]} has no {path[-1]}")
            elif entry(path) is None and ".".join(["cupy", *path]) not in MANIFEST:
                found.append(f"line {node.lineno}: cupy has no {'.'.join(path)}")
        if (
            isinstance(node, ast.Call)
            and (path := attribute_path(node.func))
            and (known := entry(path))
        ):
            keywords = {k.arg for k in node.keywords if k.arg}
            if known["kind"] == "ufunc":
                wrong = keywords - UFUNC_KEYWORDS
            elif known.get("sig") is not None:
                rows = known["sig"]
                named = {
                    name
                    for name, kind, _ in rows
                    if kind in ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")
                }
                wrong = (
                    set() if any(kind == "VAR_KEYWORD" for _, kind, _ in rows) else keywords - named
                )
            else:
                wrong = set()
            found += [
                f"line {node.lineno}: cupy.{'.'.join(path)} has no parameter {name}"
                for name in sorted(wrong)
            ]
        # methods of arrays that numpy has and cupy hasn't
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in REDUCTIONS
        ):
            found += [
                f"line {node.lineno}: .{node.func.attr}({k.arg}=...)"
                for k in node.keywords
                if k.arg in ("where", "initial")
            ]
    return found


REDUCTIONS = {"sum", "mean", "max", "min", "all", "any", "prod", "std", "var", "argmax", "argmin"}
HOST_ONLY = {
    "(stops - starts).max(initial=1)",
    "(stops - starts).max(initial=0)",
}  # positions of windows, never on a device


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_asks_cupy_for_what_it_has(path):
    source = path.read_text()
    for text in HOST_ONLY:
        source = source.replace(text, "None")
    assert not problems(source)


@pytest.mark.parametrize(
    "wrong",
    [
        "xp.errstate(all='ignore')", "xp.add(a, b, where=m)", "xp.maximum.reduce(a)",
        "xp.sum(a, where=m)", "a.max(initial=0)", "xp.block([a])", "xp.unstack(a)",
        "xp.clip(a, min=0)", "xp.multiply.at(a, i, b)",
        "xp.lib.stride_tricks.as_strided(a, s, t, writeable=False)", "xp.reshape(a, shape=(2,))",
        "xp.lib.stride_tricks.broadcast_to(a, s)",
    ],
)  # fmt: skip
def test_the_lint_notices(wrong):
    assert problems(wrong)


def test_the_lint_lets_pass_what_is_right():
    assert not problems(
        "xp.add(a, b, out=c)\nxp.add.at(a, i, b)\nxp.zeros(3, dtype='f4')\n"
        "a.sum(axis=1, keepdims=True)\nxp.lib.stride_tricks.as_strided(a, s, t)"
    )
