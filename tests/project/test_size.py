"""The house stays small enough to be read: lines of code, sizes of files, lengths of lines.

A line of code is a line with a token on it. Docstrings, comments and blank lines do not count.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinynet"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PYTHON = [*SOURCES, *(p for d in ("tests", "examples") for p in sorted((ROOT / d).rglob("*.py")))]
PROSE = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

LONGEST_LINE = 100
LARGEST_FILE = 400
CORE = 8_542  # tinynet/ without explain/, compat/ and vision/
WHOLE = 12_899  # with compat/ and vision/
ENGINE = 250
FIRST_EXAMPLE = 90

NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def docstring_lines(source: str) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            found.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return found


def lines_of_code(source: str) -> int:
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    return len(found - docstring_lines(source))


def test_the_counter_counts():
    source = '"""A docstring."""\n\n# a comment\nx = [  # one\n    1,\n]\n\n\ndef f():\n'
    source += '    """Two\n    lines."""\n    return """text\n    that counts"""\n'
    assert lines_of_code(source) == 6


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def sizes() -> dict[Path, int]:
    return {path: lines_of_code(path.read_text(encoding="utf-8")) for path in SOURCES}


def test_no_file_is_too_large(sizes):
    assert not {name(path): n for path, n in sizes.items() if n > LARGEST_FILE}


def test_all_of_it_can_be_read(sizes):
    """What only PyTorch programs need stands apart, in compat/ and vision/.

    No reader of the core meets it.
    """

    def without(*rooms: str) -> int:
        apart = {PACKAGE / room for room in rooms}
        return sum(n for path, n in sizes.items() if not apart.intersection(path.parents))

    assert without("explain", "compat", "vision") <= CORE
    assert without("explain") <= WHOLE


def test_the_engine_fits_on_a_few_screens(sizes):
    assert sizes[PACKAGE / "autograd" / "engine.py"] <= ENGINE


def test_a_beginner_can_read_the_first_example():
    source = (ROOT / "examples" / "mnist.py").read_text(encoding="utf-8")
    assert lines_of_code(source) <= FIRST_EXAMPLE


@pytest.mark.parametrize("path", [*PYTHON, *PROSE], ids=name)
def test_no_line_is_too_long(path):
    """Except, in prose, rows of tables and lines with an address, which can't be wrapped."""
    long = {
        number: len(line)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LONGEST_LINE
        and not (path.suffix == ".md" and ("http" in line or line.lstrip().startswith("|")))
    }
    assert not long, f"{name(path)} has lines above {LONGEST_LINE} characters (line: length)"
