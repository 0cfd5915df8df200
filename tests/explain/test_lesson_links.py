"""The links of the lesson into docs/play.html open the step that their picture shows, and the page
has the lesson's numbers."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from browser import needs_browser

from tinynet.explain import lesson

DOCS = Path(__file__).parents[2] / "docs"
LESSON = ("backprop_through_convolution.md", "backprop_through_convolution.zh-CN.md")


def links(name: str) -> dict[str, dict[str, str]]:
    text = (DOCS / name).read_text(encoding="utf-8")
    found = re.findall(r"^\[(\w+)\]: play\.html#(\S+)$", text, re.MULTILINE)
    return {label: {k: v[0] for k, v in parse_qs(hash_).items()} for label, hash_ in found}


@pytest.mark.parametrize("name", LESSON)
def test_the_lesson_has_the_numbers_of_the_page(name):
    text = (DOCS / name).read_text(encoding="utf-8")
    x, w, g = (
        [[float(v) for v in row.split(",")] for row in re.findall(r"\[([-\d., ]+)\]", code)]
        for code in (
            re.search(rf">>> {letter} = tinynet\.tensor\((\[\[.*?\]\])\)\.reshape", text, re.S)[1]
            for letter in "xwG"
        )
    )
    assert x == [list(row) for row in lesson.X]
    assert w == [list(row) for row in lesson.W]
    assert g == lesson.gradient((1, 1, 3, 3))[0, 0].tolist()


def test_both_languages_link_to_the_same_places():
    english, chinese = map(links, LESSON)
    assert len(english) == 6
    assert chinese == {label: {**place, "lang": "zh"} for label, place in english.items()}


@needs_browser
@pytest.mark.parametrize("name", LESSON)
def test_links_open_the_step_that_the_picture_shows(quiet, name):
    tab = quiet
    for label, place in links(name).items():
        hash_ = "&".join(f"{key}={value}" for key, value in place.items())
        tab.open(DOCS / "play.html", "#" + hash_)
        mode, lang, slider = tab.script(
            "const root = document.querySelector('.tn'); return [root.dataset.mode, root.lang,"
            " root.querySelector('.tn-bar input[type=range]').value]"
        )
        assert (mode, lang) == (label, place.get("lang", "en"))
        assert int(slider) == int(place.get("step", 0))
