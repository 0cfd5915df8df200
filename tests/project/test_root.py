"""What lies in the root of the project, where a newcomer looks first."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ALLOWED = set(
    """
    .ci .github .gitignore .pre-commit-config.yaml CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE
    README.md README.zh-CN.md SECURITY.md benchmarks docs examples mkdocs.yml pyproject.toml tests
    tinynet tools
    """.split()
)


def test_the_root_holds_only_what_it_should():
    """Files that git knows, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is not a git checkout, so ignored files cannot be told from others")
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    assert {name.split("/")[0] for name in names} <= ALLOWED
