"""Print what CHANGELOG.md says of a version, if the repository names that version everywhere.

    python tools/release_notes.py v0.2.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def package_version() -> str:
    """The version's one place."""
    return re.search(r'^__version__ = "(.+)"$', read("tinynet/__init__.py"), re.MULTILINE)[1]


def entries() -> dict[str, tuple[str, str]]:
    """The versions of the changelog, the newest first: their date ("" without) and their text."""
    parts = re.split(r"^## \[(.+?)\](?: - (\S+))?\n", read("CHANGELOG.md"), flags=re.MULTILINE)
    return {version: (date or "", text.strip())
            for version, date, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)}


def notes(tag: str) -> str:
    """The text for a tag. ValueError where the tag, the package, the changelog and CITATION.cff
    do not name one version, or text waits under "Unreleased"."""
    version = tag.removeprefix("v")
    if version != package_version():
        raise ValueError(f"the tag is {tag}, but tinynet.__version__ is {package_version()}")
    if version not in entries():
        raise ValueError(f"CHANGELOG.md has no section [{version}]")
    date, text = entries()[version]
    if entries()["Unreleased"][1]:
        raise ValueError(f"text waits under [Unreleased]: move it to [{version}]")
    for line in (f"version: {version}", f"date-released: {date}"):
        if line not in read("CITATION.cff").splitlines():
            raise ValueError(f"CITATION.cff lacks the line {line!r}")
    return text


if __name__ == "__main__":
    try:
        print(notes(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"release_notes: {error}")
