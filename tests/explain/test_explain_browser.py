"""The explainer's page in a real browser: what a reader can do with it, and what it must not do."""

from __future__ import annotations

import numpy as np
import pytest
from browser import needs_axe, needs_browser
from explained import GOLDEN, K, explain, matrix, settings
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import tinynet
from tinynet.explain.steps import MODES
from tinynet.explain.texts import LANGUAGES, TEXTS

pytestmark = [needs_browser, pytest.mark.usefixtures("quiet")]


@settings
@pytest.mark.usefixtures("still")
def test_golden_values_are_read_off_the_page_in_every_mode(tab, setting):
    y, dx, dw = (matrix(text) for text in GOLDEN[setting])
    tab.show(explain(setting))
    expected = {
        "forward": ("y", y),
        "matrix": ("y_row", y.reshape(1, -1)),
        "dw": ("dw", dw),
        "dx": ("dx", dx),
        "dx_gather": ("dx", dx),
        "db": ("db", np.array([[y.size]])),
        "borders": ("dx", dx),
        "dw_gather": ("dw", dw),
    }
    for key, mode in enumerate(MODES, 1):
        tab.press(str(key), Keys.ARROW_RIGHT, Keys.END)
        panel, values = expected[mode]
        if mode == "matrix" and y.size > 12:  # a window of twelve columns follows the step
            np.testing.assert_array_equal(tab.grid(panel), values[:, -tab.grid(panel).shape[1] :])
        else:
            np.testing.assert_array_equal(tab.grid(panel), values)
    tab.press("1")
    d = setting[2]  # a dilated kernel is drawn spread out
    np.testing.assert_array_equal(tab.grid("w")[::d, ::d], K)
    assert np.isnan(tab.grid("w")).sum() == (2 * d + 1) ** 2 - 9


@pytest.mark.usefixtures("still")
def test_every_sentence_is_the_one_that_python_says(tab):
    e = tinynet.explain.conv2d(
        np.arange(24.0).reshape(1, 2, 3, 4) % 7 - 3,
        np.arange(8.0).reshape(1, 2, 2, 2) - 4,
        [2.0],
        stride=(1, 2),
        padding=1,
        padding_mode="reflect",
    )
    tab.show(e)
    for lang in LANGUAGES:
        for key, mode in enumerate(MODES, 1):
            tab.press(str(key))
            steps = e.steps(mode, lang)
            *seen, end = tab.script(
                """const seen = [], sentence = document.querySelector('.tn-sentence');
                for (let step = 0; step < arguments[0]; step++) {
                    seen.push(sentence.textContent);
                    document.querySelector('.tn-forth').click();
                }
                return [...seen, sentence.innerText]""",
                len(steps),
            )
            assert seen == steps
            assert end == steps[-1]  # there is nothing after the last step
        tab.one(".tn-language").click()


@pytest.mark.usefixtures("still")
def test_stepping_by_keys_buttons_and_slider(tab):
    e = explain()
    steps = e.steps("forward")
    tab.show(e)
    where = tab.one(".tn-where")
    assert where.text == "Step 1 of 9"
    assert not tab.one(".tn-back").is_enabled()
    tab.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert tab.sentence() == steps[2]
    tab.press(Keys.ARROW_LEFT)
    assert tab.sentence() == steps[1]
    for button, step in (("forth", 2), ("last", 8), ("back", 7), ("first", 0)):
        tab.one(f".tn-{button}").click()
        assert tab.sentence() == steps[step]
    slider = tab.one("input[type=range]")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert tab.sentence() == steps[3]
    assert slider.get_attribute("aria-valuetext") == where.text == "Step 4 of 9"
    tab.press("4")
    assert where.text == "Step 1 of 9"
    assert tab.sentence() == e.steps("dx")[0]


def test_accumulator_shows_contributions_so_far_and_in_all(tab):
    tab.show(explain())
    tab.press("4", *[Keys.ARROW_RIGHT] * 4)
    assert tab.cell("dx", 2, 2).text.split("\n") == ["4", "+1", "5/9"]
    assert tab.cell("dx", 0, 0).text.split("\n") == ["1", "1/1"]
    tab.press("3", Keys.END)
    assert tab.cell("dw", 1, 1).text.split("\n") == ["15", "9/9"]


def test_pointing_lights_the_partners_in_every_panel(tab):
    e = explain()
    tab.show(e)
    tab.press("2")
    tab.point_at(tab.cell("x", 2, 1))
    readers = [
        (t, p)
        for p, window in enumerate(e.windows)
        for t, cell in enumerate(e.read_by(*window))
        if cell == (2, 1)
    ]
    assert tab.lit("cols") == set(readers)
    assert tab.lit("y_row") == {(0, p) for _, p in readers}
    assert tab.lit("w_row") == {(0, t) for t, _ in readers}
    tab.point_at(tab.cell("cols", 5, 7))
    assert tab.lit("x") == {e.read_by(*e.windows[7])[5]}
    assert tab.lit("y_row") == {(0, 7)}
    assert tab.lit("w_row") == {(0, 5)}
    tab.point_at(tab.one("h1"))
    assert tab.lit("y_row") == {(0, 0)}  # back to what the step is about


def test_pinning_by_mouse_and_by_keyboard(tab):
    e = explain()
    tab.show(e)
    tab.cell("y", 1, 2).click()
    tab.point_at(tab.one("h1"))
    window = set(e.read_by(1, 2))
    assert tab.lit("x") == window
    assert "is-pinned" in tab.cell("y", 1, 2).get_attribute("class")
    tab.press(Keys.ESCAPE)
    assert tab.lit("x") == set(e.read_by(0, 0))
    tab.script("document.activeElement.blur()")
    for _ in range(60):  # Tab from control to control until the panels come
        tab.press(Keys.TAB)
        if tab.script("return document.activeElement.closest('table')?.dataset.panel") == "x":
            break
    tab.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    assert [
        tab.script("return document.activeElement.dataset[arguments[0]]", axis)
        for axis in ("row", "col")
    ] == ["1", "2"]
    tab.press(Keys.TAB)
    assert tab.script("return document.activeElement.closest('table').dataset.panel") == "w"
    assert tab.lit("y") == {(i, j) for i, j in e.windows if (1, 2) in e.read_by(i, j)}
    tab.press(Keys.ESCAPE)
    assert not tab.all(".is-pinned")


def test_language_switch_changes_every_text(tab):
    e = explain((2, 1, 1))
    tab.show(e)
    tab.press("4", Keys.ARROW_RIGHT)
    tab.one(".tn-language").click()
    assert tab.one(".tn").get_attribute("lang") == "zh"
    assert tab.one("h1").text == TEXTS["title"][1]
    assert tab.sentence() == e.steps("dx", "zh")[1]
    tab.script("document.querySelector('details').open = true")
    english = [
        text
        for key, (text, other) in TEXTS.items()
        if len(text) > 12 and text != other and "{" not in text
    ]
    visible = tab.one("body").text
    assert [text for text in english if text in visible] == []
    tab.one(".tn-language").click()
    assert tab.one("h1").text == TEXTS["title"][0]
    assert tab.sentence() == e.steps("dx")[1]


def test_light_and_dark_follow_the_system_and_the_switch(tab):
    def background():
        red, green, blue = (
            int(part)
            for part in tab.script(
                "return getComputedStyle(document.querySelector('.tn')).backgroundColor"
            )
            .strip("rgb()")
            .split(",")[:3]
        )
        return red + green + blue

    tab.show(explain())
    assert background() > 600
    tab.one(".tn-theme").click()
    assert background() < 150
    tab.one(".tn-theme").click()
    assert background() > 600
    tab.screen(prefers_color_scheme="dark")
    tab.show(explain())
    assert background() < 150


@pytest.mark.usefixtures("still")
def test_nothing_sticks_out_at_any_width(tab):
    tab.show(
        tinynet.explain.conv2d(
            np.arange(81.0).reshape(9, 9) / 7,
            np.arange(10.0).reshape(5, 2) / 3,
            [1.5],
            padding=2,
            stride=(1, 2),
        )
    )
    for width in (400, 640, 1280):
        tab.resize(width, 900)
        # what is wider than its place scrolls inside its panel, it isn't cut off
        found = tab.script("""
            return [...document.querySelectorAll('.tn-modes button')].map(button => {
              button.click();
              const cut = [...document.querySelectorAll('.tn *')].filter(node =>
                node.scrollWidth > node.clientWidth + 1
                && getComputedStyle(node).overflowX === 'hidden'
                && !node.closest('.tn-sr')).map(node => node.className);
              return [document.querySelector('.tn').dataset.mode,
                document.documentElement.scrollWidth, cut];
            })""")
        assert [mode for mode, *_ in found] == list(MODES)
        for mode, wide, cut in found:
            assert wide <= width, mode
            assert cut == [], (mode, width)


def test_playing_is_off_at_first_and_obeys_reduced_motion(tab):
    tab.show(explain())
    button = tab.one(".tn-play")
    assert button.text == "Play"
    tab.press(" ")
    assert button.text == "Pause"
    tab.press(" ")
    assert button.text == "Play"
    tab.screen(prefers_reduced_motion="reduce")
    tab.show(explain())
    assert not tab.one(".tn-play").is_enabled()
    assert tab.one(".tn-play").get_attribute("title") == TEXTS["no_motion"][0]
    tab.press(" ")
    assert tab.one(".tn-play").text == "Play"
    assert (
        tab.script(
            "return getComputedStyle(document.querySelector('.tn-grid td[data-row]'))"
            ".transitionDuration"
        )
        == "0s"
    )


def test_help_opens_and_closes_with_its_key(tab):
    tab.show(explain())
    tab.press("?")
    assert tab.one("dialog").is_displayed()
    assert "choose what to watch" in tab.one("dialog").text
    tab.press("4")
    assert (
        tab.one(".tn").get_attribute("data-mode") == "forward"
    )  # the page under the help stays as it is
    tab.press("?")
    assert not tab.one("dialog").is_displayed()


@pytest.mark.usefixtures("still")
def test_tabs_choose_sample_and_channels(tab):
    random = np.random.default_rng(0)
    e = tinynet.explain.conv2d(
        random.integers(-3, 4, (2, 4, 4, 5)),
        random.integers(-2, 3, (4, 2, 2, 2)),
        [1, 2, 3, 4],
        groups=2,
    )
    tab.show(e)
    tab.press(Keys.END)
    for n, o, c in [(0, 0, 0), (1, 0, 1), (1, 3, 3), (0, 2, 2)]:
        for axis, value in (("n", n), ("o", o), ("c", c)):
            tab.one(f'.tn-tabs [data-axis="{axis}"][data-value="{value}"]').click()
        np.testing.assert_array_equal(tab.grid("y"), e.y[n, o])
        np.testing.assert_array_equal(tab.grid("x"), e.x[n, c])
        np.testing.assert_array_equal(tab.grid("w"), e.w[o, c % 2])
        assert tab.sentence() == e.steps("forward", sample=n, out_channel=o, in_channel=c)[-1]
    assert [button.text for button in tab.all('[data-axis="c"]')] == ["2", "3"]


@pytest.mark.usefixtures("still")
def test_large_grids_are_paged_and_follow_the_step(tab):
    e = tinynet.explain.conv2d(
        np.arange(196.0).reshape(14, 14), np.arange(16.0).reshape(4, 4), cell=(0, 0)
    )
    tab.show(e)
    tab.press("2")
    most = tab.script("""return Math.max(...[...document.querySelectorAll('.tn-grid')].map(table =>
        Math.max(table.rows.length - 1, table.rows[0].cells.length - 1)))""")
    assert most == 12
    assert tab.cell("cols", 0, 0).text == "0"
    tab.press(Keys.END)
    assert not tab.all('table[data-panel="cols"] td[data-col="0"]')
    last = len(e.windows) - 1
    assert tab.cell("y_row", 0, last).text == str(int(e.y[0, 0][e.windows[-1]]))
    assert not tab.all('table[data-panel="cols"] td[data-row="15"]')
    tab.all(".tn-cols .tn-pager button:last-child")[0].click()
    assert tab.cell("cols", 15, last).text == str(int(e.x[0, 0][e.read_by(*e.windows[-1])[15]]))


def test_two_explainers_in_one_document_do_not_clash(tab):
    first, second = explain(name="first"), explain((2, 1, 1), name="second")
    tab.show(first, second)
    roots = tab.all(".tn")

    def modes():
        return [root.get_attribute("data-mode") + root.get_attribute("data-step") for root in roots]

    tab.press("4", Keys.ARROW_RIGHT)
    assert modes() == ["dx1", "forward0"]
    tab.script("arguments[0].scrollIntoView()", roots[1])
    roots[1].find_element(By.CSS_SELECTOR, '.tn-modes [data-mode="dw"]').click()
    tab.press(Keys.END)
    assert modes() == ["dx1", "dw8"]
    tab.script("document.activeElement.blur()")
    tab.press(Keys.HOME)
    assert modes() == ["dx1", "dw0"]  # the one used last
    assert not tab.script("""
        const ids = [...document.querySelectorAll('[id]')].map(node => node.id);
        return ids.length !== new Set(ids).size""")


def test_hostile_name_is_shown_as_text(tab):
    name = "</script><script>document.title = 'hacked'</script><img src=x onerror=alert(1)>"
    tab.show(explain(name=name))
    assert tab.one(".tn-name").text == name
    assert tab.driver.title == "test"
    tab.one(".tn-language").click()
    assert tab.one(".tn-name").text == name


def test_without_javascript_the_final_numbers_stand_there(tab):
    tab.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.show(explain((2, 1, 1)))
        tables = tab.all(".tn-tables table")
        assert tab.one(".tn-noscript").is_displayed()
        assert all(table.is_displayed() for table in tables)
        for table, text in zip(tables, GOLDEN[2, 1, 1], strict=False):
            rows = [
                [float(cell.text) for cell in row.find_elements(By.TAG_NAME, "td")]
                for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
            ]
            np.testing.assert_array_equal(rows, matrix(text))
        assert tables[3].text.startswith("db")
        assert tables[4].text.startswith("coverage")
    finally:
        tab.cdp("Emulation.setScriptExecutionDisabled", value=False)


def test_prints_as_a_contact_sheet(tab):
    e = explain()
    tab.show(e)
    tab.press("4", Keys.ARROW_RIGHT)
    tab.script("dispatchEvent(new Event('beforeprint'))")
    captions = [caption.get_attribute("textContent") for caption in tab.all(".tn-sheet figcaption")]
    assert captions == [f"Step {k} of 9: {step}" for k, step in enumerate(e.steps("dx"), 1)]
    dx = tab.all('.tn-sheet figure:last-child table[data-panel="dx"] .tn-value')
    assert [float(cell.get_attribute("textContent")) for cell in dx] == matrix(
        GOLDEN[1, 0, 1][1]
    ).reshape(-1).tolist()
    tab.script("dispatchEvent(new Event('afterprint'))")
    assert not tab.all(".tn-sheet")
    assert tab.sentence() == e.steps("dx")[1]


def test_numeric_check_agrees(tab):
    tab.show(explain((2, 1, 1)))
    tab.press("4")
    tab.point_at(tab.cell("dx", 2, 2))
    assert [cell.text for cell in tab.all(".tn-check tbody tr > *")] == [
        "dX(1,1)",
        "0",  # so far
        "4",  # at the end
        "4.000000",
        "0.0e+00",
    ]
    tab.press("6")
    assert [cell.text for cell in tab.all(".tn-check tbody tr > *")] == [
        "db(0)",
        "1",
        "9",
        "9.000000",
        "0.0e+00",
    ]


def test_notebook_output_works_in_its_sandbox(tab):
    tab.file.write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        + explain()._repr_html_(),
        encoding="utf-8",
    )
    tab.driver.get(tab.file.as_uri())
    frame = tab.one("iframe")
    assert frame.get_attribute("sandbox") == "allow-scripts"
    tab.driver.switch_to.frame(frame)
    try:
        tab.one('[data-mode="dx"]').click()
        tab.one(".tn-last").click()
        np.testing.assert_array_equal(tab.grid("dx"), matrix(GOLDEN[1, 0, 1][1]))
    finally:
        tab.driver.switch_to.default_content()


@needs_axe
@pytest.mark.usefixtures("still")  # no half-finished colour transitions
def test_axe_finds_no_violation(tab):
    random = np.random.default_rng(0)
    tab.show(
        tinynet.explain.conv2d(
            random.integers(-3, 4, (2, 2, 7, 6)),
            random.integers(-2, 3, (2, 2, 3, 2)),
            [1, 2],
            stride=2,
            padding=1,
            dilation=(1, 2),
            name="conv1",
        )
    )
    found = []
    for key in [*"1234567", "?"]:
        tab.press(key)
        if key == "1":
            tab.cell("x", 2, 2).click()
        found += [(key, *violation) for violation in tab.violations_light_and_dark()]
    assert found == []


@needs_axe
def test_axe_finds_no_violation_in_a_graph(tab):
    model = tinynet.nn.Sequential(tinynet.nn.Linear(3, 2), tinynet.nn.ReLU())
    tinynet.explain.graph(model(tinynet.ones(1, 3)).sum(), model).save(tab.file)
    tab.driver.get(tab.file.as_uri())
    assert tab.violations() == []
