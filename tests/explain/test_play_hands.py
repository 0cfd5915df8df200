"""docs/play.html by mouse, keyboard, touch and address: numbers, the turn, presentation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from browser import needs_axe, needs_browser
from explained import GOLDEN, K, X, matrix, settings
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from test_convolution_js import by_library
from test_page_logic import inside, open_inside

import tinynet
import tinynet.nn.functional as F
from tinynet import nn
from tinynet.explain import cli
from tinynet.explain.lesson import gradient
from tinynet.explain.steps import MODES
from tinynet.explain.texts import TEXTS

pytestmark = [needs_browser, pytest.mark.usefixtures("quiet")]
PLAY = Path(__file__).parents[2] / "docs" / "play.html"
G = gradient((1, 1, 3, 3))


@pytest.fixture
def play(tab):
    return open_play(tab)


def open_play(tab, address=""):
    tab.open(PLAY, address)
    return tab


def slide(tab, name, value):
    """Move a slider as a hand does, within its limits; answer with where it stands."""
    return tab.script(
        """const slider = () => document.querySelector(`[data-set="${arguments[0]}"]`);
        const least = +slider().min, most = +slider().max;
        slider().value = arguments[1];
        slider().dispatchEvent(new Event('input'));
        return [+slider().value, least, most]""",
        name,
        value,
    )


def address(tab):
    """The address once the page has written it, 200 ms after the last change: its timer is older
    than this one, so it comes first."""
    hash_ = tab.driver.execute_async_script(
        "const done = arguments[0]; setTimeout(() => done(location.hash), 200)"
    )
    return dict(part.split("=", 1) for part in hash_.removeprefix("#").split("&"))


def follow(tab, address):
    """Another address for the page that is shown; come back once it has followed."""
    tab.driver.execute_async_script(
        """const [address, done] = arguments;
        addEventListener("hashchange", () => done(), { once: true });
        location.hash = address""",
        address,
    )


# -- numbers ---------------------------------------------------------------------------------------


def test_the_lesson_is_what_one_sees_first(play):
    np.testing.assert_array_equal(play.grid("x"), X)
    np.testing.assert_array_equal(play.grid("w"), K)
    play.press("4")
    np.testing.assert_array_equal(play.grid("g"), G[0, 0])
    assert len(set(G.reshape(-1))) >= 5
    assert play.one(".tn-call").text == "F.conv2d(x, w)"


def test_the_command_starts_from_the_same_numbers(play, tmp_path, capsys):
    out = tmp_path / "conv.html"
    cli.main(["explain", "-o", str(out)])
    capsys.readouterr()
    assert out.read_text(encoding="utf-8") == PLAY.read_text(encoding="utf-8")
    cli.main(["explain", "--grad-out", "ones", "--stride", "2", "-o", str(out)])
    play.driver.get(out.as_uri())
    play.press("4", Keys.END)
    np.testing.assert_array_equal(play.grid("dx"), matrix(GOLDEN[2, 0, 1][1]))
    cli.main(["explain", "--seed", "1", "-o", str(out)])
    play.driver.get(out.as_uri())
    assert (play.grid("x") != X).any()


@settings
@pytest.mark.usefixtures("still")
def test_with_all_ones_the_golden_tables_hold(play, setting):
    play.one(".tn-ones").click()
    for name, value in zip(("stride", "padding", "dilation"), setting, strict=True):
        assert slide(play, name, value)[0] == value
    y, dx, dw = (matrix(text) for text in GOLDEN[setting])
    play.script("document.activeElement.blur()")
    for key, panel, values in (("1", "y", y), ("3", "dw", dw), ("4", "dx", dx), ("5", "dx", dx),
                               ("7", "dx", dx), ("8", "dw", dw)):  # fmt: skip
        play.press(key, Keys.END)
        np.testing.assert_array_equal(play.grid(panel), values)


@pytest.mark.usefixtures("still")
def test_sliders_follow_each_other_and_every_place_is_right(tab):
    """A random walk of the sliders: all results stay those of the library."""
    open_inside(tab, tinynet.explain.conv2d(X, K, grad_out=G))
    random = np.random.default_rng(5)
    names = "H W KH KW stride padding dilation C O groups padding_mode bias ones".split()
    walk = [(str(random.choice(names)), int(random.integers(0, 10))) for _ in range(80)]
    code = """given[0].map(([name, number]) => {
          const box = document.querySelector(`[data-set="${name}"]`);
          const tick = document.querySelector(".tn-" + name);
          if (tick) tick.click();
          else if (box.tagName === "SELECT") {
            const free = [...box.options].filter(option => !option.disabled);
            box.value = free[number % free.length].value;
            box.dispatchEvent(new Event("change"));
          } else { box.value = number; box.dispatchEvent(new Event("input")); }
          const shown = [...document.querySelectorAll("[data-set]")].map(node =>
            [node.dataset.set, node.value, node.min, node.max]);
          const { problem, y, dx, dw, db, g } = model;
          return { problem: { ...problem, g: Array.from(g) }, shown,
            results: Object.fromEntries(Object.entries({ y, dx, dw, db }).map(([name, values]) =>
              [name, Array.from(values)])) };
        })"""
    found = [step for k in range(0, len(walk), 30) for step in inside(tab, code, walk[k : k + 30])]
    seen = set()
    for step in found:
        problem, results = step["problem"], step["results"]
        g = np.array(problem["g"], float)
        seen.add(json.dumps([problem[k] for k in ("shape", "kernel", "stride", "padding")]))
        shape, (out, *kernel) = problem["shape"], problem["kernel"]
        problem["x"] = np.array(problem["x"], float).reshape(shape)
        problem["w"] = np.array(problem["w"], float).reshape(
            out, shape[1] // problem["groups"], *kernel
        )
        problem["b"] = None if problem["b"] is None else np.array(problem["b"], float)
        fixed = type("Given", (), {"normal": staticmethod(lambda size, g=g: g.reshape(size))})
        for name, values in by_library(problem, fixed).items():
            np.testing.assert_allclose(results[name], values.reshape(-1), atol=1e-9)
        assert max(shape[2] + 2 * problem["padding"][0][0],
                   shape[3] + 2 * problem["padding"][1][0]) <= 12  # fmt: skip
    assert len(seen) > 20


@pytest.mark.usefixtures("still")
def test_limits_follow_each_other(play):
    assert slide(play, "KH", 5)[0] == 5
    assert slide(play, "H", 1)[0] == 5  # no smaller than the kernel
    assert slide(play, "dilation", 3)[0] == 1  # a kernel as high as the input can't be spread
    assert slide(play, "KH", 2)[0] == 2
    assert slide(play, "dilation", 9)[0] == 2
    Select(play.one('[data-set="padding_mode"]')).select_by_value("reflect")
    assert slide(play, "padding", 3)[0] == 3
    assert slide(play, "H", 1)[0] == 4  # reflect needs more rows than padding
    assert play.one('[data-set="groups"]').get_attribute("disabled")
    slide(play, "C", 2)
    slide(play, "O", 2)
    assert slide(play, "groups", 2)[0] == 2
    assert slide(play, "C", 1)[0] == 1
    assert slide(play, "groups", 2)[0] == 1
    assert play.one(".tn-reset").is_displayed()
    play.one(".tn-reset").click()
    np.testing.assert_array_equal(play.grid("x"), X)
    assert not play.one(".tn-reset").is_displayed()


def test_a_number_is_changed_by_mouse_and_everything_follows(play):
    play.press("4", Keys.END)
    play.cell("g", 0, 0).click()
    play.press("5", Keys.ENTER)
    changed = G.copy()
    changed[0, 0, 0, 0] = 5
    e = tinynet.explain.conv2d(X, K, grad_out=changed)
    np.testing.assert_array_equal(play.grid("dx"), e.dx[0, 0])
    assert not play.all(".tn-editor")
    play.press(Keys.ESCAPE, "1", Keys.END)
    play.cell("x", 0, 0).click()
    field = play.one(".tn-editor input")
    play.press("−2.5")
    assert play.grid("x")[0, 0] == -2.5
    assert play.grid("y")[0, 0] == 6.5
    field.send_keys(Keys.ARROW_UP)
    assert play.grid("x")[0, 0] == -1.5
    field.send_keys("x")
    assert field.get_attribute("aria-invalid") == "true"
    assert play.grid("x")[0, 0] == -1.5
    field.send_keys(Keys.ESCAPE)  # as it was before
    assert play.grid("x")[0, 0] == 1
    play.one(".tn-reset").click()
    play.press("1", Keys.END)
    np.testing.assert_array_equal(play.grid("y"), matrix(GOLDEN[1, 0, 1][0]))


def test_a_number_is_changed_by_keyboard(play):
    play.press("1", Keys.END)
    play.script("arguments[0].focus()", play.cell("w", 0, 0))
    play.press(Keys.ARROW_RIGHT, "e")
    play.press("0", Keys.ENTER)
    assert play.script("return document.activeElement.closest('table').dataset.panel") == "w"
    assert play.grid("w")[0, 1] == 0
    kernel = np.array(K)
    kernel[0, 1] = 0
    np.testing.assert_array_equal(play.grid("y"), tinynet.explain.conv2d(X, kernel).y[0, 0])


def test_padding_and_gaps_cannot_be_changed(play):
    slide(play, "padding", 1)
    play.cell("x", 0, 0).click()
    assert not play.all(".tn-editor")
    play.cell("y", 0, 0).click()
    assert not play.all(".tn-editor")


def test_touch_pins_and_offers_buttons(play):
    play.cdp("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        box = play.cell("x", 1, 1).rect
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        play.cdp("Input.dispatchTouchEvent", type="touchStart", touchPoints=[point])
        play.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        assert "is-pinned" in play.cell("x", 1, 1).get_attribute("class")
        assert play.sentence().startswith("x(1,1) = 1.")
        more = play.all(".tn-editor button")[1]
        assert more.size["width"] >= 40
        assert more.size["height"] >= 40
        more.click()
        assert play.grid("x")[1, 1] == 2
        assert play.script("return document.activeElement.tagName") != "INPUT"  # no keyboard
    finally:
        play.cdp("Emulation.setTouchEmulationEnabled", enabled=False)


# -- words and sums --------------------------------------------------------------------------------


def test_words_and_the_small_sum_follow_the_pointer(play):
    play.one(".tn-ones").click()
    slide(play, "stride", 2)
    play.script("document.activeElement.blur()")
    play.press("4", Keys.END)
    assert "Cell (2,2): 3 → 4, contribution 4 of 4" in play.sentence()
    assert "is-focus" in play.cell("dx", 2, 2).get_attribute("class")
    play.point_at(play.cell("dx", 0, 2))
    assert play.sentence().startswith("Which windows read cell (0,2)?")
    assert play.one(".tn-sums").text.split("\n") == [
        "dX(0,2) =", "1 from (0,0)", "+", "1 from (0,1)", "= 2",
    ]  # fmt: skip
    play.point_at(play.cell("w", 1, 1))
    assert play.sentence().startswith("Tap (1,1) = 1.")
    play.point_at(play.cell("g", 1, 0))
    assert "G[1,0] = 1" in play.sentence()
    play.point_at(play.one("h1"))
    assert "Cell (2,2): 3 → 4" in play.sentence()
    seen = {}
    for key, panel in (("1", "x"), ("2", "cols"), ("3", "dw"), ("7", "coverage"), ("8", "dw")):
        play.press(key)
        play.point_at(play.cell(panel, 1, 1))
        seen[panel, key] = play.sentence()
    assert seen["x", "1"].startswith("x(1,1) = 1. Windows that read it: 1.")
    assert seen["cols", "2"].startswith("This is cell (0,3) of the input, 3: tap (0,1) of window")
    assert seen["dw", "3"].startswith("Lay G on x")
    assert seen["coverage", "7"].startswith("Windows that read cell (1,1): 1.")


@pytest.mark.usefixtures("still")
def test_channels_add_up_on_the_stage(play):
    slide(play, "C", 2)
    slide(play, "bias", 0) if play.all('[data-set="bias"]') else play.one(".tn-bias").click()
    play.script("document.activeElement.blur()")
    play.press("1", Keys.ARROW_RIGHT)
    chips = play.one(".tn-sums").text.split("\n")
    assert chips[0] == "y(0,1) ="
    assert [chip.split(" ", 1)[1] for chip in chips[1:6:2]] == ["channel 0", "channel 1", "bias"]
    shares = [float(chip.split()[0].replace("−", "-")) for chip in chips[1:6:2]]
    y = play.grid("y")[0, 1]
    assert sum(shares) == y == float(chips[-1].removeprefix("= ").replace("−", "-"))
    other = play.grid("x-1")
    assert play.one('table[data-panel="x-1"]').is_displayed()
    play.all(".tn-sums button")[1].click()  # a chip shows its channel
    np.testing.assert_array_equal(play.grid("x"), other)


@pytest.mark.usefixtures("still")
def test_assigning_gives_the_wrong_gradient_on_purpose(play):
    play.press("4")
    play.one(".tn-assign").click()
    play.script("document.activeElement.blur()")
    play.press(Keys.END)
    wrong, right = play.grid("dx"), tinynet.explain.conv2d(X, K, grad_out=G).dx[0, 0]
    marked = set(map(tuple, play.script(
        "return [...document.querySelectorAll('.is-wrong')].map(({ dataset }) =>"
        " [+dataset.row, +dataset.col])"
    )))  # fmt: skip
    assert marked == {tuple(place) for place in np.argwhere(wrong != right)}
    assert len(marked) > 5
    assert "overwritten" in play.sentence()
    play.one(".tn-assign").click()
    np.testing.assert_array_equal(play.grid("dx"), right)
    assert not play.all(".is-wrong")


# -- the turn --------------------------------------------------------------------------------------

TILES = """
const cell = document.querySelector('.tn-w_turned td').getBoundingClientRect();
return [...document.querySelectorAll('.tn-tile')].map(node => {
  const { x, y, width, height } = node.getBoundingClientRect();
  return [node.querySelector('b').textContent, x + width / 2, y + height / 2];
})"""


PLACES = """
const [panel, cells] = arguments;
return cells.map(([row, col]) => {
  const cell = document.querySelector(
    `table[data-panel="${panel}"] td[data-row="${row}"][data-col="${col}"]`);
  const { x, y, width, height } = cell.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
})"""


def places(tab, panel, cells):
    return np.array(tab.script(PLACES, panel, cells))


# clicks the button and notes the phases; 50 ms after the motion, the tiles and when that was
WATCH_TURN = """
const [time, done] = arguments, root = document.querySelector(".tn"), phases = [];
const tiles = () => { TILES }, begin = performance.now();
document.querySelector(".tn-turn").click();
const look = () => {
  const phase = root.dataset.turn, now = performance.now() - begin;
  if (phase !== phases.at(-1)) phases.push(phase);
  if (phase === undefined || now > 20000) done({ phases, now, tiles: null });
  else if (phase === "lying" && now > time + 50) done({ phases, now, tiles: tiles() });
  else requestAnimationFrame(look);
};
requestAnimationFrame(look)""".replace("TILES", TILES)


def test_the_kernel_is_seen_turning_and_again(play):
    play.press("5", *[Keys.ARROW_RIGHT] * 12)
    taps = [(kh, kw) for kh in range(3) for kw in range(3)]
    for speed in (1, 2):  # the second time twice as fast, as the page then plays all
        Select(play.one(".tn-speed")).select_by_value(str(speed))
        seen = play.driver.execute_async_script(WATCH_TURN, 3000 / speed)
        assert seen["phases"] == ["windows", "turning", "lying"]
        lie = places(play, "spread", [(4 - kh, 4 - kw) for kh, kw in taps])
        np.testing.assert_allclose([tile[1:] for tile in seen["tiles"]], lie, atol=2)
        play.press(Keys.ESCAPE)
        assert play.one(".tn").get_attribute("data-turn") is None
        assert not play.all(".tn-tile")
        assert 2500 < speed * seen["now"] < 6000


@pytest.mark.usefixtures("still")
def test_without_motion_the_turn_is_four_still_pictures(tab):
    open_play(tab)
    tab.press("5", *[Keys.ARROW_RIGHT] * 12)
    taps = [(kh, kw) for kh in range(3) for kw in range(3)]
    seen = []
    for k in range(4):
        tab.one(".tn-turn").click()
        assert tab.one(".tn-turn").text == f"Picture {k + 1} of 4"
        first, later = tab.driver.execute_async_script(
            f"""const done = arguments[0], tiles = () => {{ {TILES} }}, first = tiles();
            setTimeout(() => done([first, tiles()]), 120)"""
        )
        assert later == first  # nothing moves
        seen.append((tab.one(".tn").get_attribute("data-turn"), [tile[1:] for tile in first]))
        assert bool(tab.all(".tn-thread")) == (k < 2)
    assert [phase for phase, _ in seen] == ["windows", "windows", "lying", "lying"]
    straight = places(tab, "w_turned", taps)
    np.testing.assert_allclose(seen[0][1], straight, atol=2)
    np.testing.assert_allclose(seen[2][1], straight[::-1], atol=2)
    np.testing.assert_allclose(
        seen[3][1], places(tab, "spread", [(4 - kh, 4 - kw) for kh, kw in taps]), atol=2
    )
    tab.one(".tn-turn").click()
    assert not tab.all(".tn-tile")
    assert tab.sentence().startswith("Which windows read cell (2,2)?")


# -- links, presentation, speed --------------------------------------------------------------------


@pytest.mark.usefixtures("still")
def test_the_address_follows_and_leads_back(play):
    play.press("5", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert address(play) == {"mode": "dx_gather", "step": "2", "lang": "en"}
    play.one(".tn-language").click()
    slide(play, "stride", 2)
    play.script("document.activeElement.blur()")
    play.press(Keys.END)
    link, sentence = address(play), play.sentence()
    assert link["lang"] == "zh"
    assert link["data"].endswith(";s:2")
    hash_ = play.script("return location.hash")
    open_play(play)
    assert "Window" in play.sentence()
    open_play(play, hash_)
    assert play.sentence() == sentence
    follow(play, "#mode=db&step=1&lang=en")
    assert play.one(".tn").get_attribute("data-mode") == "db"
    assert play.one(".tn-where").text == "Step 2 of 4"
    for bad in ("#mode=none&step=x&lang=fr&tour=99&data=1", "#&&=", "#step=999", "#%"):
        open_play(play, bad)
        assert play.one(".tn").get_attribute("data-mode") == "forward"
    open_play(play, "#mode=dx&step=99&g=ones")
    np.testing.assert_array_equal(play.grid("dx"), matrix(GOLDEN[1, 0, 1][1]))


def test_only_the_first_of_two_explainers_follows_the_address(tab):
    tab.show(tinynet.explain.conv2d(X, K), tinynet.explain.conv2d(X, K))
    tab.open(tab.file, "#mode=dx&step=3")
    assert [root.get_attribute("data-mode") for root in tab.all(".tn")] == ["dx", "forward"]


def test_presentation_shows_the_stage_and_the_sentence_alone(play):
    play.screen(1366, 650)
    open_play(play)
    play.press("4", "p")
    visible = play.script("""return [...document.querySelectorAll('.tn *')].filter(node =>
        node.checkVisibility() && node.offsetParent && !node.closest('.tn-stage, .tn-sentence'))
        .map(node => node.className)""")
    hidden_head = {"tn-head tn-sr", "", "tn-call"}
    assert set(visible) <= {"tn-live", "tn-main", "tn-work", "tn-sr", *hidden_head}
    sentence = play.one(".tn-sentence")
    assert sentence.value_of_css_property("font-size") == "28px"
    assert sentence.rect["y"] + sentence.rect["height"] <= 650
    play.press(Keys.ARROW_RIGHT)
    assert play.sentence() == tinynet.explain.conv2d(X, K, grad_out=G).steps("dx")[1]
    play.press(Keys.ESCAPE)
    assert play.one(".tn-bar").is_displayed()


# starts to play, which shows step 2 at once, and measures how long this step stays
TIME_OF_A_STEP = """
const done = arguments[0], root = document.querySelector(".tn");
const reached = (step, then) => new MutationObserver((_, observer) => {
  if (root.dataset.step === step) { observer.disconnect(); then(performance.now()); }
}).observe(root, { attributeFilter: ["data-step"] });
reached("1", begin => reached("2", end => done(end - begin)));
document.querySelector(".tn-play").click()"""


def test_speed_changes_how_fast_it_plays(play):
    def time_of_a_step():
        play.press(Keys.HOME)
        duration = play.driver.execute_async_script(TIME_OF_A_STEP)
        assert duration < 20_000
        play.press(" ")
        assert play.one(".tn-play").text == "Play"
        return duration

    Select(play.one(".tn-speed")).select_by_value("4")
    play.script("document.activeElement.blur()")
    fast = time_of_a_step()
    Select(play.one(".tn-speed")).select_by_value("0.5")
    play.script("document.activeElement.blur()")
    assert time_of_a_step() > 2 * fast


# -- layers ----------------------------------------------------------------------------------------


def test_a_layer_opens_where_the_gradient_is_largest_and_names_relu(tab):
    tinynet.manual_seed(0)
    conv, head = nn.Conv2d(2, 3, 3, padding=1), nn.Linear(3 * 36, 3)
    x, target = tinynet.randn(2, 2, 6, 6), tinynet.tensor([1, 2])

    def loss(y):
        return F.cross_entropy(head(F.relu(y).flatten(1)), target)

    e = tinynet.explain.layer(conv, x, loss, sample=1)
    o, i, j = np.unravel_index(abs(e.g[1]).argmax(), e.g[1].shape)
    tab.show(e)
    tab.press("4")
    focus = tab.one('table[data-panel="g"] .is-focus')
    assert (focus.get_attribute("data-row"), focus.get_attribute("data-col")) == (str(i), str(j))
    assert tab.one(f'.tn-tabs [data-axis="o"][data-value="{o}"]').get_attribute(
        "aria-pressed") == "true"  # fmt: skip
    off = np.argwhere((e.g[1, o] == 0) & (e.y[1, o] < 0))[0]
    tab.point_at(tab.cell("g", *off))
    assert "because ReLU was off" in tab.sentence()
    assert "ReLU" in tab.cell("g", *off).get_attribute("textContent")
    plain = tinynet.explain.layer(conv, x, lambda y: (y * y).sum())
    assert not plain.relu


@needs_axe
@pytest.mark.usefixtures("still")
def test_axe_finds_no_violation_in_what_one_can_open(tab):
    """In light and in dark."""
    found = []

    def look(name):
        found.extend((name, *violation) for violation in tab.violations_light_and_dark())

    open_play(tab)
    for mode in MODES:
        follow(tab, f"#mode={mode}&step=3")
        assert tab.one(".tn").get_attribute("data-mode") == mode
        look(mode)
    follow(tab, "#tour=7")
    assert tab.one(".tn-tour").is_displayed()
    look("tour")
    open_play(tab, "#mode=dx&step=99")
    tab.one(".tn-assign").click()
    tab.cell("g", 1, 1).click()
    assert tab.all(".tn-editor") and tab.all(".is-wrong")
    look("editor")
    tab.press(Keys.ESCAPE)
    open_play(tab, "#mode=dx_gather&step=12")
    tab.one(".tn-turn").click()
    assert tab.all(".tn-tile")
    look("turn")
    open_play(tab)
    slide(tab, "C", 2)
    tab.resize(400, 800)
    look("phone")
    tab.press("p")
    look("presentation")
    assert found == []
    assert TEXTS["presenting"][0] in tab.one("[role=status].tn-sr").get_attribute("textContent")
