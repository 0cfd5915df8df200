"""What a release needs: one version everywhere, and workflows that call the scripts of .ci."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import tinynet

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def release(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("release_notes")


def test_the_changelog_and_the_citation_name_the_version(release):
    newest = list(release.entries())[:2]
    assert newest == ["Unreleased", tinynet.__version__]
    assert release.package_version() == tinynet.__version__
    date, text = release.entries()[tinynet.__version__]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
    assert text.startswith("### Added\n")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {tinynet.__version__}" in citation
    assert f"date-released: {date}" in citation


def test_the_notes_of_a_release_are_its_part_of_the_changelog(release, monkeypatch):
    monkeypatch.setattr(release, "entries", lambda: {
        "Unreleased": ("", ""), tinynet.__version__: ("2026-01-02", "what is new")})  # fmt: skip
    texts = {"CITATION.cff": f"version: {tinynet.__version__}\ndate-released: 2026-01-02\n"}
    monkeypatch.setattr(release, "package_version", lambda: tinynet.__version__)
    monkeypatch.setattr(release, "read", texts.__getitem__)
    assert release.notes(f"v{tinynet.__version__}") == "what is new"
    texts["CITATION.cff"] = "version: 0.0.1\n"
    with pytest.raises(ValueError, match=r"CITATION\.cff lacks the line 'version: "):
        release.notes(f"v{tinynet.__version__}")


def test_a_tag_of_another_version_is_refused(release):
    with pytest.raises(ValueError, match=r"the tag is v9\.9, but tinynet\.__version__ is "):
        release.notes("v9.9")


def test_a_release_with_unreleased_text_is_refused(release, monkeypatch):
    monkeypatch.setattr(release, "entries", lambda: {
        "Unreleased": ("", "- new"), tinynet.__version__: ("2026-01-02", "- old")})  # fmt: skip
    with pytest.raises(ValueError, match="text waits under"):
        release.notes(f"v{tinynet.__version__}")


def test_the_sections_of_the_changelog_are_the_usual_ones(release):
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for version, (_, text) in release.entries().items():
        assert {*re.findall(r"^### (.*)$", text, re.MULTILINE)} <= kinds, version


def test_the_workflows_are_there():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "pages.yml", "release.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_scripts_that_ci_runs_too(path):
    """So what a workflow does can be tried on any machine."""
    text = path.read_text(encoding="utf-8")
    called = re.findall(r"run: bash (\.ci/\w+)", text)
    assert called
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for script in called:
        assert (ROOT / script).is_file()
        assert script == ".ci/run" or f"bash {script}" in run


def test_ci_tries_every_python_that_the_package_promises():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"python: \[(.*)\]", text)
    assert listed == '"3.10", "3.11", "3.12", "3.13", "3.14"'
    for system in ("ubuntu", "macos", "windows"):
        assert f"{system}-latest" in text
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.10"' in settings
