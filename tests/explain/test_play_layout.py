"""docs/play.html in windows of many sizes: the grids of a mode stand whole on the first screen, and
nothing moves while stepping but what changes."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest
from browser import needs_browser
from selenium.webdriver.common.keys import Keys

from tinynet.explain.steps import MODES

ROOT = Path(__file__).parents[2]
PLAY = ROOT / "docs" / "play.html"
# at 200 % a window holds half as many pixels
SIZES = [(1920, 950), (1366, 650), (1024, 650), (960, 475), (683, 325), (512, 325), (400, 800)]
sizes = pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)

BOXES = """
const box = node => {
  const { left, top, right, bottom } = node.getBoundingClientRect();
  return { left, top, right, bottom };
};
return {
  panels: [...document.querySelectorAll('.tn-work .tn-panel')].filter(node => node.offsetParent)
    .map(node => ({ ...box(node.querySelector('table')), id: node.dataset.panel })),
  bar: box(document.querySelector('.tn-bar')),
  width: document.documentElement.scrollWidth,
  cell: document.querySelector('.tn-work td[data-row]').getBoundingClientRect().width,
  letters: Math.min(...[...document.querySelectorAll('.tn-work .tn-value')]
    .filter(node => node.textContent).map(node => parseFloat(getComputedStyle(node).fontSize))),
};
"""


def test_the_committed_page_is_what_the_tool_writes():
    spec = importlib.util.spec_from_file_location("make_play", ROOT / "tools" / "make_play.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert PLAY.read_text(encoding="utf-8") == tool.text(), "run python tools/make_play.py"


def test_the_committed_page_is_small():
    assert PLAY.stat().st_size <= 200_000


def open_play(tab, hash_=""):
    tab.driver.get("about:blank")
    tab.driver.get(PLAY.as_uri() + hash_)


@needs_browser
@sizes
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("options", ["", "#data=padded"], ids=["plain", "padded"])
def test_grids_are_whole_on_the_first_screen(tab, size, options):
    """Also with padding 1 and 6 × 6 cells, the largest that must be seen without scrolling."""
    tab.screen(*size)
    if options:
        numbers = ",".join(str(k % 5 - 1) for k in range(36))
        options = f"#data=x:1x1x6x6:{numbers};w:1x1x3x3:1,2,1,0,1,0,2,1,0;s:2;p:1"
    open_play(tab, options)
    is_phone = size[1] > size[0]
    for key, mode in enumerate(MODES, 1):
        tab.press(str(key), Keys.END)
        seen = tab.script(BOXES)
        panels, bar = seen["panels"], seen["bar"]
        assert len(panels) >= 2, mode
        for box in panels:
            assert box["left"] >= 0, (mode, box)
            assert box["top"] >= 0, (mode, box)
            assert box["right"] <= size[0] + 1, (mode, box)
            assert box["bottom"] <= bar["top"] + 1, (mode, box, bar)
        assert bar["bottom"] <= size[1] + 1, mode  # the controls are in reach
        assert seen["width"] <= size[0], mode
        assert seen["letters"] >= (7 if size[0] > 600 or is_phone else 5), mode  # twice on screen
        row = [box for box in panels if box["id"] != "x" or mode != "matrix"]
        if not is_phone:  # one row: each begins where the one before has ended
            for before, after in pairwise(row):
                assert after["left"] >= before["right"], (mode, before, after)
                assert after["top"] < before["bottom"], (mode, before, after)
                assert before["top"] < after["bottom"], (mode, before, after)


@needs_browser
@pytest.mark.usefixtures("quiet")
def test_cells_are_large_where_there_is_room(tab):
    found = {}
    for size in SIZES[:3]:
        tab.screen(*size)
        open_play(tab)
        for key, mode in enumerate(MODES, 1):
            tab.press(str(key))
            found[size[0], mode] = tab.script(BOXES)["cell"]
    assert all(found[1920, mode] >= 80 for mode in MODES if mode != "matrix")
    assert found[1920, "matrix"] >= 45
    assert all(found[1366, mode] >= 36 for mode in MODES if mode != "matrix")
    assert min(found.values()) >= 27


@needs_browser
@sizes
@pytest.mark.usefixtures("quiet")
def test_nothing_moves_while_stepping(tab, size):
    tab.screen(*size)
    open_play(tab)
    for key, mode in enumerate(MODES, 1):
        tab.press(str(key))
        moved = tab.script("""
            const places = () => [...document.querySelectorAll('.tn *')]
              .filter(node => !node.closest('.tn-sums, .tn-sentence, .tn-check, td, option'))
              .map(node => [node, JSON.stringify(node.getBoundingClientRect())]);
            const cells = () => [...document.querySelectorAll('.tn-work td')]
              .map(node => [node, JSON.stringify(node.getBoundingClientRect())]);
            const slider = document.querySelector('.tn-bar input[type=range]'), moved = new Set();
            const before = [...places(), ...cells()];
            for (let step = 0; step <= +slider.max; step++) {
              slider.value = step;
              slider.dispatchEvent(new Event('input'));
              for (const [node, place] of before) {
                if (JSON.stringify(node.getBoundingClientRect()) !== place) {
                  moved.add(node.className + ' ' + node.tagName + ' at step ' + step);
                }
              }
            }
            return [...moved]""")
        assert moved == [], mode
