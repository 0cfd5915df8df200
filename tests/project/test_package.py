"""What is installed: all files of the package, not only those in Python."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinynet"


def test_a_wheel_contains_every_file():
    """`package-data` of pyproject.toml names all files that are not Python."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^package-data = \{ tinynet = \[(.*)\] \}$", settings, re.MULTILINE)
    packed = {path for pattern in re.findall(r'"(.*?)"', listed) for path in PACKAGE.glob(pattern)}
    files = {p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert PACKAGE / "arrays" / "kernels.cu" in packed
    assert files <= packed, f"a wheel lacks {sorted(map(str, files - packed))}"
