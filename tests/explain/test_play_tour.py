"""The guided tour of docs/play.html: every answer is right, wrong ones are explained, numbers that
are asked for are hidden."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from browser import needs_browser
from explained import K, X
from selenium.webdriver.common.keys import Keys
from test_page_logic import inside, open_inside

import tinynet
from tinynet.explain.lesson import gradient
from tinynet.explain.texts import LANGUAGES, TEXTS

PLAY = Path(__file__).parents[2] / "docs" / "play.html"
SCRIPT = (Path(tinynet.__file__).parent / "explain" / "tour.js").read_text(encoding="utf-8")
STOPS = 12


def by_library(stride: int = 1):
    size = (5 - 3) // stride + 1
    return tinynet.explain.conv2d(X, K, stride=stride, grad_out=gradient((1, 1, size, size)))


def right_answers() -> list[str]:
    one, two = by_library(), by_library(2)
    g, x = one.g[0, 0], np.array(X)
    six = tinynet.explain.conv2d(np.ones((6, 6)), K, stride=2)
    assert not six.dx[0, 0, 5].any()
    numbers = [
        one.y[0, 0, 1, 0],
        two.y.shape[2],
        one.coverage[2, 2],
        3 * g[0, 0],
        g[0, 2] * K[0][1],
        g[0, 0] * K[0][1] + g[0, 1] * K[0][0],
        np.nan,  # a tap
        one.dx[0, 0, 2, 2],
        two.dx[0, 0, 1, 1],
        (x[[0, 0, 2, 2], [0, 2, 0, 2]] * two.g.reshape(-1)).sum(),
        one.db[0],
        0,
    ]
    return ["2,2" if np.isnan(v) else f"{v:g}".replace("-", "−") for v in numbers]


# stop: what a learner may type instead, and what the page must say to it
WRONG = {
    1: {"19": "turned"}, 2: {"3": "same"}, 3: {"1": "once", "3": "windows"},
    4: {"2": "only", "5": "plus"}, 5: {"2": "weight", "1": "plus"},
    6: {"1": "assigned", "4": "before"}, 7: {"(0, 0)": "first", "1 1": "middle"},
    8: {"11": "unturned"}, 9: {"4": "all"}, 10: {"5": "dense"}, 11: {"9": "count", "0.78": "mean"},
}  # fmt: skip


def test_every_stop_has_its_texts_and_no_more():
    stops = SCRIPT.split("const STOPS = [")[1].split("\n];")[0]
    names = []
    for stop in re.split(r"\n  \{ mode", stops)[1:]:
        wrong = re.search(r"wrong: \{(.*?)\}", stop, re.S).group(1)
        names.append(re.findall(r"(\w+):", wrong) or wrong.split())
    assert len(names) == STOPS
    expected = {
        f"tour.{k}.{name}"
        for k, wrong in enumerate(names, 1)
        for name in ["text", "ask", "hint", "why", *(f"wrong.{name}" for name in wrong)]
    }
    assert {key for key in TEXTS if re.match(r"tour\.\d", key)} == expected
    for k, wrong in WRONG.items():
        assert set(wrong.values()) <= set(names[k - 1])


@pytest.fixture
def tour(tab):
    tab.open(PLAY, "#tour=1")
    return tab


def say(tab, text):
    field = tab.one(".tn-answer")
    tab.script("arguments[0].value = ''", field)
    field.send_keys(text, Keys.ENTER)
    return tab.one(".tn-verdict").text


# answers as Enter does, one after the other: what is said to each, and how it looks
SAY_ALL = """
return arguments[0].map(text => {
  document.querySelector(".tn-answer").value = text;
  document.querySelector(".tn-try").click();
  const verdict = document.querySelector(".tn-verdict");
  return [verdict.checkVisibility() ? verdict.innerText : "", verdict.className];
})"""

# what stands on the screen at a stop; innerText is what is displayed
SEEN = """
const one = selector => document.querySelector(selector);
const text = selector => one(selector).innerText;
const box = selector => one(selector).getBoundingClientRect();
return {
  stop: text(".tn-stop b"), text: text(".tn-text"), ask: text(".tn-ask p"),
  sentence: one(".tn-sentence").checkVisibility({ visibilityProperty: true }),
  mode: one(".tn").dataset.mode, tour: box(".tn-tour").bottom, bar: box(".tn-bar").top,
  masked: document.querySelectorAll(".is-masked").length, held: document.activeElement.className,
}"""


@needs_browser
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_whole_tour_by_keyboard(tab, lang):
    column = list(LANGUAGES).index(lang)
    tab.screen(1366, 650)
    tab.open(PLAY, f"#tour=1&lang={lang}")
    for k, right in enumerate(right_answers(), 1):
        asked = tab.script(SEEN)
        assert asked["stop"] == TEXTS["tour.stop"][column].format(k=k, n=STOPS)
        assert asked["text"] == TEXTS[f"tour.{k}.text"][column]
        assert asked["ask"] == TEXTS[f"tour.{k}.ask"][column]
        assert not asked["sentence"]  # it would tell
        assert TEXTS[f"tour.{k}.hint"][column] in say(tab, "99")  # nobody's typical answer
        wrong = {} if right == "2,2" else {"abc": TEXTS["tour.number"][column]}
        for text, name in WRONG.get(k, {}).items():
            wrong[text] = TEXTS[f"tour.{k}.wrong.{name}"][column]
        for text, (verdict, look) in zip(wrong, tab.script(SAY_ALL, [*wrong]), strict=True):
            assert verdict == wrong[text], (k, text)
            assert "is-wrong" in look, (k, text)
        verdict = say(tab, right)
        assert TEXTS[f"tour.{k}.why"][column] in verdict, (k, verdict)
        assert verdict.startswith(TEXTS["tour.right"][column].format(answer=right))
        seen = tab.script(SEEN)
        assert seen["mode"] == asked["mode"]  # digits choose no mode
        assert seen["sentence"]
        assert seen["tour"] <= seen["bar"] + 1, k
        assert seen["masked"] == 0
        assert seen["held"].startswith("tn-next")
        tab.press(Keys.ENTER)
    assert not tab.one(".tn-tour").is_displayed()
    np.testing.assert_array_equal(tab.grid("x"), X)


@needs_browser
@pytest.mark.usefixtures("quiet")
def test_numbers_that_are_asked_for_are_hidden(tour):
    assert len(tour.all('table[data-panel="y"] .is-masked')) == 8
    assert tour.cell("y", 1, 0).text == "?"
    assert "18" not in tour.one(".tn-work").text
    tour.point_at(tour.cell("y", 1, 0))
    assert "18" not in tour.one(".tn-work").text
    tour.cell("x", 0, 0).click()  # no number can be changed while a question is open
    assert not tour.all(".tn-editor")
    tour.one(".tn-show").click()
    assert tour.one(".tn-verdict").text.startswith("It is 18.")
    assert tour.cell("y", 1, 0).text == "18"


@needs_browser
@pytest.mark.usefixtures("quiet")
def test_one_goes_back_leaves_and_finds_ones_own_numbers_again(tour):
    tour.one(".tn-leave").click()
    tour.script("""const slider = document.querySelector('[data-set="stride"]');
        slider.value = 2; slider.dispatchEvent(new Event('input'))""")
    tour.script("document.activeElement.blur()")
    tour.press("3")
    tour.one(".tn-begin").click()
    assert tour.one(".tn").get_attribute("data-mode") == "forward"
    assert tour.all('table[data-panel="x"] tbody tr')[4].is_displayed()
    tour.one(".tn-next").click()  # a stop may be passed over
    tour.one(".tn-next").click()
    assert tour.one(".tn-stop b").text == "Stop 3 of 12"
    tour.one(".tn-before").click()
    assert tour.one(".tn-stop b").text == "Stop 2 of 12"
    tour.one(".tn-language").click()
    assert tour.one(".tn-stop b").text == TEXTS["tour.stop"][1].format(k=2, n=STOPS)
    tour.one(".tn-leave").click()
    assert tour.one(".tn").get_attribute("data-mode") == "dw"
    assert tour.grid("g").shape == (2, 2)


@needs_browser
@pytest.mark.usefixtures("quiet")
def test_the_tour_takes_the_lessons_numbers_also_on_other_pages(tab):
    random = np.random.default_rng(0)
    e = tinynet.explain.conv2d(random.normal(size=(3, 4, 20, 20)), random.normal(size=(2, 4, 3, 3)))
    open_inside(tab, e)
    inside(tab, "startTour(8)")
    np.testing.assert_array_equal(tab.grid("w_turned"), np.array(K)[::-1, ::-1])
    assert say(tab, right_answers()[7]).startswith("Right: 7.")
    tab.one(".tn-leave").click()
    assert tab.grid("x").shape == (12, 12)


# passes over the stops one by one and measures what one sees at each
STOPS_SEEN = """
const box = node => node.getBoundingClientRect(), all = query =>
    [...document.querySelectorAll(query)].filter(node => node.offsetParent).map(box);
return Array.from({ length: arguments[0] }, (_, k) => {
  document.querySelector(k ? ".tn-next" : ".tn-begin").click();
  return [document.querySelector(".tn-stop progress").value,
    Math.max(...all('.tn-work .tn-grid').map(({ bottom }) => bottom)),
    all('.tn-tour')[0].bottom, all('.tn-bar')[0].top];
})"""


@needs_browser
@pytest.mark.usefixtures("still")
def test_a_stop_fits_on_the_screen(tab):
    tab.open(PLAY)
    for size in ((1920, 950), (1366, 650), (1024, 650), (400, 800)):
        tab.resize(*size)
        seen = tab.script(STOPS_SEEN, STOPS)
        assert [k for k, *_ in seen] == list(range(1, STOPS + 1))
        for k, grids, tour, bar in seen:
            assert grids <= bar + 1, (size, k)
            assert tour <= bar + 1, (size, k)
