"""docs/play.html in windows of many sizes: the grids of a mode stand whole on the first screen, and
nothing moves while stepping but what changes."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest
from browser import needs_browser

from tinynet.explain.steps import MODES

ROOT = Path(__file__).parents[2]
PLAY = ROOT / "docs" / "play.html"
# at 200 % a window holds half as many pixels
SIZES = [(1920, 950), (1366, 650), (1024, 650), (960, 475), (683, 325), (512, 325), (400, 800)]

# chooses every mode by its button, with the last step if asked for, and measures what one sees
BOXES = """
const [atEnd] = arguments, root = document.querySelector('.tn');
const box = node => {
  const { left, top, right, bottom } = node.getBoundingClientRect();
  return { left, top, right, bottom };
};
return [...document.querySelectorAll('.tn-modes button')].map(button => {
  button.click();
  if (atEnd) document.querySelector('.tn-last').click();
  return {
    mode: root.dataset.mode, last: document.querySelector('.tn-last').disabled,
    panels: [...document.querySelectorAll('.tn-work .tn-panel')].filter(node => node.offsetParent)
      .map(node => ({ ...box(node.querySelector('table')), id: node.dataset.panel })),
    bar: box(document.querySelector('.tn-bar')),
    width: document.documentElement.scrollWidth,
    cell: document.querySelector('.tn-work td[data-row]').getBoundingClientRect().width,
    letters: Math.min(...[...document.querySelectorAll('.tn-work .tn-value')]
      .filter(node => node.textContent).map(node => parseFloat(getComputedStyle(node).fontSize))),
  };
})
"""


def test_the_committed_page_is_what_the_tool_writes():
    spec = importlib.util.spec_from_file_location("make_play", ROOT / "tools" / "make_play.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert PLAY.read_text(encoding="utf-8") == tool.text(), "run python tools/make_play.py"


def test_the_committed_page_is_small():
    assert PLAY.stat().st_size <= 200_000


@needs_browser
@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("options", ["", "#data=padded"], ids=["plain", "padded"])
def test_grids_are_whole_on_the_first_screen(tab, options):
    """Also with padding 1 and 6 × 6 cells, the largest that must be seen without scrolling."""
    if options:
        numbers = ",".join(str(k % 5 - 1) for k in range(36))
        options = f"#data=x:1x1x6x6:{numbers};w:1x1x3x3:1,2,1,0,1,0,2,1,0;s:2;p:1"
    tab.resize(*SIZES[0])
    tab.open(PLAY, options)
    for size in SIZES:
        tab.resize(*size)
        is_phone = size[1] > size[0]
        found = tab.script(BOXES, True)
        assert [seen["mode"] for seen in found] == list(MODES)
        for seen in found:
            mode, panels, bar = (size, seen["mode"]), seen["panels"], seen["bar"]
            assert seen["last"], mode
            assert len(panels) >= 2, mode
            for box in panels:
                assert box["left"] >= 0, (mode, box)
                assert box["top"] >= 0, (mode, box)
                assert box["right"] <= size[0] + 1, (mode, box)
                assert box["bottom"] <= bar["top"] + 1, (mode, box, bar)
            assert bar["bottom"] <= size[1] + 1, mode  # the controls are in reach
            assert seen["width"] <= size[0], mode
            # twice as large on screen
            assert seen["letters"] >= (7 if size[0] > 600 or is_phone else 5), mode
            row = [box for box in panels if box["id"] != "x" or seen["mode"] != "matrix"]
            if not is_phone:  # one row: each begins where the one before has ended
                for before, after in pairwise(row):
                    assert after["left"] >= before["right"], (mode, before, after)
                    assert after["top"] < before["bottom"], (mode, before, after)
                    assert before["top"] < after["bottom"], (mode, before, after)


@needs_browser
@pytest.mark.usefixtures("still")
def test_cells_are_large_where_there_is_room(tab):
    found = {}
    tab.resize(*SIZES[2])
    tab.open(PLAY)
    for size in SIZES[:3]:
        tab.resize(*size)
        for seen in tab.script(BOXES, False):
            found[size[0], seen["mode"]] = seen["cell"]
    assert len(found) == 3 * len(MODES)
    assert all(found[1920, mode] >= 80 for mode in MODES if mode != "matrix")
    assert found[1920, "matrix"] >= 45
    assert all(found[1366, mode] >= 36 for mode in MODES if mode != "matrix")
    assert min(found.values()) >= 27


@needs_browser
@pytest.mark.usefixtures("still")
def test_nothing_moves_while_stepping(tab):
    tab.resize(*SIZES[0])
    tab.open(PLAY)
    for size in SIZES:
        tab.resize(*size)
        seen = tab.script("""
            const out = '.tn-sums, .tn-sentence, .tn-check, td, option', box = node => {
              const { x, y, width, height } = node.getBoundingClientRect();
              return [x, y, width, height];
            };
            return [...document.querySelectorAll('.tn-modes button')].map(button => {
              button.click();
              const slider = document.querySelector('.tn-bar input[type=range]'), moved = new Set();
              const nodes = [...document.querySelectorAll('.tn *')]
                .filter(node => !node.closest(out) || node.matches('.tn-work td'));
              nodes.forEach(box);  // what is folded away takes its place when it is first asked
              const before = nodes.map(node => [node, ...box(node)]);
              for (let step = 0; step <= +slider.max; step++) {
                slider.value = step;
                slider.dispatchEvent(new Event('input'));
                for (const [node, x, y, width, height] of before) {
                  const now = node.getBoundingClientRect();
                  if (now.x !== x || now.y !== y || now.width !== width || now.height !== height) {
                    moved.add(node.className + ' ' + node.tagName + ' at step ' + step);
                  }
                }
              }
              return [button.dataset.mode, before.length, +slider.max, [...moved]];
            })""")
        assert [mode for mode, *_ in seen] == list(MODES)
        for mode, nodes, _, moved in seen:
            assert moved == [], (size, mode)
            assert nodes > 100, (size, mode)
        assert sum(steps for _, _, steps, _ in seen) > 50
