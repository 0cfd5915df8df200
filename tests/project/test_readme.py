"""The two commands of the READMEs, which .ci/run runs too, and the links between the documents."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from test_size import lines_of_code

ROOT = Path(__file__).parents[2]
COMMANDS = (
    'pip install ".[examples]" && python examples/mnist.py',
    'pip install -e ".[test]" && pytest',
)
READMES = ("README.md", "README.zh-CN.md")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", READMES)
def test_the_readme_has_each_command_on_one_line(name, command):
    assert f"\n    {command}\n" in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_a_virtual_environment_is_made_before_the_first_command(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    before = lines[lines.index(f"    {COMMANDS[0]}") - 1]
    assert before == "    python3 -m venv .venv && . .venv/bin/activate"


@pytest.mark.parametrize("command", COMMANDS)
def test_ci_runs_the_same_commands(command):
    assert command in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_links_to_is_there(path):
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize(
    "path",
    [path for path in DOCUMENTS if path.name != "CHANGELOG.md"],  # which tells of what is gone
    ids=lambda path: path.name,
)
def test_the_files_that_a_document_names_are_there(path):
    """Paths in code quotes that begin with a folder of the project: `tests/ops/test_conv.py`."""
    text = path.read_text(encoding="utf-8")
    pattern = r"(?<![\w/.-])(?:tests|tools|examples|benchmarks|docs|tinynet)/[\w/.-]*\w"
    for name in re.findall(pattern, " ".join(re.findall(r"`[^`]+`|^    .+$", text, re.M))):
        assert (ROOT / name).exists(), f"{path.name} names {name}"


@pytest.mark.parametrize(
    ("name", "picture"), [("README.md", "play.png"), ("README.zh-CN.md", "play.zh.png")]
)
def test_the_first_screen_opens_the_pages_and_leads_to_the_notebook(name, picture):
    first = (ROOT / name).read_text(encoding="utf-8").split("\n## ")[0]
    assert f"](docs/{picture})](docs/play.html)" in first
    targets = set(re.findall(r"\]\(([^)#\s]+)", first))
    assert {"docs/play.html", "docs/network.html", "examples/conv_backprop.ipynb"} <= targets
    assert any(target.startswith("docs/it_does_not_learn") for target in targets)


def table(name: str) -> list[list[str]]:
    """The table that compares frameworks, row by row."""
    text = (ROOT / name).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_both_readmes_compare_alike():
    words = {"有": "yes", "无": "no", "部分": "in part", "未测": "not measured",
             "cupy，未在硬件上试过": "cupy, untested on hardware"}  # fmt: skip
    english, chinese = table("README.md"), table("README.zh-CN.md")
    assert [[words.get(cell, cell) for cell in row[1:]] for row in chinese] == [
        row[1:] for row in english
    ]


def test_the_times_in_the_readme_are_those_of_the_page_of_performance():
    (row,) = (row for row in table("README.md") if "training step" in row[0])
    measured = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    ours, pytorch = map(float, re.search(r"^\| small \| ([\d.]+) \| ([\d.]+) \|", measured, re.M)
                        .groups())  # fmt: skip
    dezero, mygrad = (
        re.search(rf"^\| {name} \| [\d.]+ \| ([\d.]+) \|", measured, re.M)[1]
        for name in ("dezero", "mygrad")
    )
    assert row[1:] == ["1", f"{pytorch / ours:.1f}", dezero, "–", "not measured", mygrad]


def test_what_the_readme_says_of_tinynet_and_pytorch_is_tried_out(torch, monkeypatch):
    """benchmarks/abilities.py tries the others out too, where they are installed."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    abilities = importlib.import_module("abilities")
    english = table("README.md")
    said = {row[0]: dict(zip(english[0], row, strict=True)) for row in english}
    for name, column in (("tinynet", "tinynet"), ("torch", "PyTorch")):
        assert abilities.agrees(name, "") == said["convolution with its gradient"][column] == "yes"
        again = {abilities.agrees(name, of) for of in ("weight", "input")}
        assert again == {said["… with gradients of gradients"][column]} == {"yes"}
        assert abilities.recurrent(name) == said["recurrent layers"][column]
    lines = int(said["lines of Python code"]["tinynet"].replace(",", ""))
    assert abs(abilities.lines_of_code("tinynet") - lines) < 0.05 * lines


@pytest.mark.parametrize(
    ("name", "said"), [("README.md", r"about ([\d,]+) of these\s+lines"),
                       ("README.zh-CN.md", r"只占大约 ([\d,]+) 行")]
)  # fmt: skip
def test_the_engine_and_the_convolution_are_as_long_as_the_readme_says(name, said):
    lines = int(re.search(said, (ROOT / name).read_text(encoding="utf-8"))[1].replace(",", ""))
    paths = [*(ROOT / "tinynet/autograd").glob("*.py"), *(ROOT / "tinynet/ops/conv").glob("*.py")]
    counted = sum(lines_of_code(path.read_text(encoding="utf-8")) for path in paths)
    assert abs(counted - lines) < 0.05 * lines
