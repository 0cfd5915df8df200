"""The name on the package index: ours is `tinynet-cnn`; `tinynet` belongs to somebody else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = {".py", ".md", ".toml", ".ipynb", ".yml", ".yaml", ".cff", ".html", ".js"}

# `pip install tinynet` and `tinynet[cuda13]`, with and without quotes; not `tinynet-cnn`.
WRONG = re.compile(
    r"""pip\s+install\s[^\n#`;&)]*?(?<![\w./-])tinynet(?![\w-])"""
    r"""|["'`]tinynet\[\w"""
)


def tracked() -> list[Path]:
    """The text files of the project, without those that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is not a git checkout, so its files cannot be listed")
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    scripts = {ROOT / ".ci" / "run"}
    return [p for p in paths if p.is_file() and (p.suffix in TEXT or p in scripts)]


def wrong(text: str) -> list[str]:
    return [match.group() for match in WRONG.finditer(text)]


def test_nobody_is_told_to_install_somebody_elses_package():
    found = {}
    for path in tracked():
        if path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            if matches := wrong(text):
                found[str(path.relative_to(ROOT))] = matches
    assert not found


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("pip install tinynet", True),
        ("pip install -U tinynet mpi4py", True),
        ("pip install mpi4py tinynet==0.1", True),
        ("pip install 'tinynet[cuda13]'", True),
        ("""brings both: "tinynet[distributed]" """, True),
        ("`tinynet[distributed]` is mpi4py and MPICH", True),
        ("pip install tinynet-cnn", False),
        ("pip install 'tinynet-cnn[cuda13]'", False),
        ('pip install ".[examples]" && python examples/mnist.py', False),
        ('pip install -e "/home/me/tinynet[test]"', False),
        ("import tinynet  # after pip install torch", False),
    ],
)
def test_the_pattern_finds_what_it_should(text, is_wrong):
    assert bool(wrong(text)) == is_wrong
