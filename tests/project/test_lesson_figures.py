"""The drawn figures of the lesson show what tinynet computes (tools/draw_lesson_figures.py)."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return runpy.run_path(str(ROOT / "tools" / "draw_lesson_figures.py"))["draw"]()


def test_the_stored_figures_are_those_that_the_library_gives(drawn):
    for name, text in drawn.items():
        assert (ROOT / "docs" / "figures" / name).read_text(encoding="utf-8") == text, name


def test_figures_are_well_formed_and_named_for_those_who_do_not_see_them(drawn):
    for name, text in drawn.items():
        svg = ElementTree.fromstring(text)
        title = svg.find("{http://www.w3.org/2000/svg}title")
        assert title is not None and title.text, name
        numbers = [part for part in text.split(">") if re.match(r"-?[\d.]+e|nan|inf", part)]
        assert not numbers, f"{name}: {numbers}"


def test_each_figure_is_shown_in_its_language(drawn):
    for name in drawn:
        pages = "*.zh-CN.md" if name.endswith(".zh.svg") else "*[!N].md"
        assert any(
            f"(figures/{name})" in page.read_text(encoding="utf-8")
            for page in (ROOT / "docs").glob(pages)
        ), f"no page shows {name}"
