"""The page of a network in a real browser: it computes what the library computes, one draws in it,
and it opens the page of a convolution."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from browser import needs_axe, needs_browser
from readers import HOSTILE, images, models, plain
from selenium.webdriver.common.keys import Keys

import tinynet
import tinynet.nn.functional as F
from tinynet.explain import network
from tinynet.explain.texts import TEXTS

pytestmark = [needs_browser, pytest.mark.usefixtures("quiet")]

PAGE = Path(__file__).parents[2] / "docs" / "network.html"
NUMBERS = """
    const { values, gradients, parameters, loss, label } = document.querySelector('.tn').network;
    const plain = list => list.map(array => [...array]);
    return { values: plain(values), gradients: plain(gradients), loss, label,
             parameters: parameters.map(({ dw, db }) => [dw ?? [], db ?? []].map(a => [...a])) };
"""


def wait_for(tab, selector):
    """The element, once it is there; the page checks itself a moment after it is shown."""
    tab.driver.execute_async_script(
        """const done = arguments[1], look = () =>
            document.querySelector(arguments[0]) ? done() : setTimeout(look, 20);
        look()""",
        selector,
    )
    return tab.one(selector)


@pytest.fixture
def page(tab):
    plain().save(tab.file)
    tab.driver.get(tab.file.as_uri())
    return tab


@pytest.fixture
def reader(tab):
    """The page of the digit reader that is in docs/."""
    tab.screen(1366, 900)
    tab.open(PAGE)
    return tab


def draw(tab, *strokes):
    pad = tab.one(".tn-pad")
    for first, *others in strokes:
        hand = tab.hand().move_to_element_with_offset(pad, *first)
        hand.click_and_hold()
        for point in others:
            hand.move_to_element_with_offset(pad, *point)
        hand.release().perform()


THREE = [(-40, -50), (0, -60), (35, -40), (0, -5), (35, 25), (0, 60), (-40, 50)]


# -- numbers ---------------------------------------------------------------------------------------


def assert_equal_numbers(found, expected):
    for what in ("values", "gradients"):
        for one, other in zip(found[what], getattr(expected, what), strict=True):
            np.testing.assert_allclose(one, np.ravel(other), rtol=1e-9, atol=1e-12)
    for (dw, db), other in zip(found["parameters"], expected.parameters, strict=True):
        for name, one in (("weight", dw), ("bias", db)):
            if name in other:
                np.testing.assert_allclose(one, other[name].ravel(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["loss"], expected.loss, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", ["plain", "many", "borders"])
def test_the_browser_computes_what_the_library_computes(tab, name):
    model, shape = models()[name]
    labels = [0, 2, 1]
    e = network(model, images(shape, 3), labels)
    e.save(tab.file)
    tab.driver.get(tab.file.as_uri())
    for k, button in enumerate(tab.all(".tn-net-example")):
        button.click()
        assert_equal_numbers(tab.script(NUMBERS), e.passes[k])
    assert wait_for(tab, "[data-agrees]").get_attribute("data-agrees") == "true"


def reader_of_docs():
    """The network that docs/network.html holds, built from the numbers in the page."""
    import importlib.util

    path = PAGE.parents[1] / "tools" / "make_network.py"
    spec = importlib.util.spec_from_file_location("make_network", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool, tool.with_weights(tool.weights_of_page(PAGE.read_text(encoding="utf-8")))


def test_a_drawn_digit_goes_through_as_the_library_says(reader):
    draw(reader, THREE)
    assert reader.one(".tn-net-guess").text == "3"
    reader.one(".tn-net-label").send_keys("5")  # with its own label, hardly a gradient is left
    found = reader.script(NUMBERS)
    assert found["loss"] > 1
    _, model = reader_of_docs()
    image = tinynet.tensor(np.reshape(found["values"][0], (1, 28, 28)))
    assert 20 < (image.numpy() > 0).sum() < 300  # ink, and not all of it
    assert_equal_numbers(found, network(model, image, 5).passes[0])
    # the same scores as the model itself computes, in float32
    with tinynet.no_grad():
        scores = model(image.float()[None]).numpy()[0]
    np.testing.assert_allclose(found["values"][-1], scores, rtol=1e-4, atol=1e-4)


def test_docs_page_is_current_and_reads_the_digits(reader):
    tool, model = reader_of_docs()
    text = PAGE.read_text(encoding="utf-8")
    fresh = tool.explained(model).html()

    def parts(page):
        data = re.search(r'class="tn-data">(.*?)</script>', page, re.S)[1]
        data = json.loads(data)
        expected = data.pop("expected")
        style = re.search(r"<style>\s*(\.tn \{.*?)</style>", page, re.S)[1]
        convolution = re.search(r'class="tn-page">(.*?)</script>', page, re.S)[1]
        convolution = zlib.decompress(base64.b64decode(convolution))
        script = re.findall(r"<script>(.*?)</script>", page, re.S)[-1]
        return expected, data, script, style, convolution

    old, new = parts(text), parts(fresh)
    assert old[1:] == new[1:], "run python tools/make_network.py --keep-weights"
    np.testing.assert_allclose(np.ravel(old[0]), np.ravel(new[0]), rtol=1e-5, atol=1e-12)
    assert len(text.encode()) < 500_000
    assert wait_for(reader, "[data-agrees]").get_attribute("data-agrees") == "true"
    digits = tool.shipped_digits()
    right = tool.scores(model, digits).argmax(1) == digits.targets.numpy()
    assert right.mean() > 0.985
    for digit, button in enumerate(reader.all(".tn-net-example")[1:]):
        button.click()
        assert reader.one(".tn-net-guess").text == str(digit)


# -- hands -----------------------------------------------------------------------------------------


def test_another_label_changes_the_gradients_and_not_the_values(page):
    before = page.script(NUMBERS)
    page.one(".tn-net-label").send_keys("two")
    after = page.script(NUMBERS)
    assert (before["label"], after["label"]) == (1, 2)
    assert before["values"] == after["values"]
    assert before["gradients"][-1] != after["gradients"][-1]
    scores = np.array(after["values"][-1])
    loss = F.cross_entropy(tinynet.tensor(scores[None]), tinynet.tensor([2])).item()
    np.testing.assert_allclose(after["loss"], loss, rtol=1e-9)
    assert "two" in page.one(".tn-net-summary").text


def test_drawing_follows_touch_and_can_be_cleared(reader):
    box = reader.one(".tn-pad").rect
    x, y = box["x"] + box["width"] / 2, box["y"] + 25
    reader.cdp("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    for step in range(1, 12):
        points = [{"x": x, "y": y + 10 * step}]
        reader.cdp("Input.dispatchTouchEvent", type="touchMove", touchPoints=points)
    reader.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert reader.one(".tn-net-guess").text == "1"
    assert reader.one(".tn-net-label").get_attribute("value") == ""
    image = np.reshape(reader.script(NUMBERS)["values"][0], (28, 28))
    ink = image - image.min()
    middle = (ink * np.arange(28)).sum() / ink.sum(), (ink.T * np.arange(28)).sum() / ink.sum()
    np.testing.assert_allclose(middle, 13.5, atol=0.6)  # the centre of mass, as in MNIST
    reader.one(".tn-net-over button").click()
    assert np.ptp(reader.script(NUMBERS)["values"][0]) == 0


def test_a_cell_speaks_and_its_numbers_stand_around_it(page):
    e = plain()
    page.all(".tn-layer-head")[2].click()  # the first ReLU
    values = e.passes[0].values[2]
    channel, row, col = (int(n.get_attribute("value")) for n in page.all(".tn-near-hands input"))
    largest = np.abs(e.passes[0].gradients[2]).max()
    assert abs(e.passes[0].gradients[2][channel, row, col]) == pytest.approx(largest)
    shown = page.one(".tn-around .is-cell").text.replace("−", "-")
    assert float(shown) == pytest.approx(values[channel, row, col], rel=5e-3, abs=1e-9)
    page.one(".tn-near-map").send_keys(Keys.ARROW_LEFT if col else Keys.ARROW_RIGHT)
    col += -1 if col else 1
    shown = page.one(".tn-around .is-cell").text.replace("−", "-")
    assert float(shown) == pytest.approx(values[channel, row, col], rel=5e-3, abs=1e-9)
    words = page.one(".tn-near-words").text
    assert ("stops here" in words) == (e.passes[0].values[1][channel, row, col] <= 0)


def test_a_click_on_a_convolutions_cell_opens_the_real_numbers(page):
    e = plain()
    head = page.all(".tn-layer-head")[4]  # the second convolution, from 3 to 4 channels
    head.click()
    for box, value in zip(page.all(".tn-near-hands input"), (1, 0, 2, 2), strict=True):
        box.clear()
        box.send_keys(str(value))
    words = page.one(".tn-near-words").text
    assert "27 products" in words
    page.one(".tn-net-open").click()
    frame = wait_for(page, ".tn-frame iframe[srcdoc]")
    text = frame.get_attribute("srcdoc")
    data = re.search(r"data=x:1x1x(\d)x(\d):([^;]*);w:1x1x3x3:([^;]*);g:([^\"]*)", text)
    first = e.passes[0]
    rows, cols = int(data[1]), int(data[2])
    x, w, g = (np.array([float(v) for v in data[k].split(",")]) for k in (3, 4, 5))
    np.testing.assert_array_equal(x.reshape(rows, cols), first.values[3][2])
    np.testing.assert_allclose(w.reshape(3, 3), e.layers[3].parameters["weight"][1, 2], rtol=1e-12)
    np.testing.assert_allclose(g, first.gradients[4][1].ravel(), rtol=1e-9)
    page.driver.switch_to.frame(frame)
    page.driver.execute_async_script(
        "const done = arguments[0], look = () => document.querySelector('h1') ? done() :"
        "setTimeout(look, 20); look()"
    )
    np.testing.assert_allclose(page.grid("x"), first.values[3][2], rtol=5e-3, atol=1e-9)
    np.testing.assert_allclose(page.grid("w"), w.reshape(3, 3), rtol=5e-3)
    page.driver.switch_to.default_content()
    page.one(".tn-frame-close").click()
    wait_for(page, "body:not(:has(.tn-frame))")  # a dialog says a moment later that it is closed
    page.one(".tn-near-map").click()  # the same, for the cell in the middle
    text = wait_for(page, ".tn-frame iframe[srcdoc]").get_attribute("srcdoc")
    assert "data=x:1x1x" in text
    page.one(".tn-frame-close").click()


def test_language_switch_changes_every_text(page):
    page.all(".tn-layer-head")[4].click()
    english = [
        texts[0] for key, texts in TEXTS.items()
        if key.startswith("network.") and "{" not in texts[0] and len(texts[0]) > 6
    ]  # fmt: skip
    page.one(".tn-language").click()
    assert page.one("h1").text == TEXTS["network.title"][1]
    page.script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    shown = page.one("body").text
    assert [text for text in english if text in shown] == []
    labels = page.script(
        "return [...document.querySelectorAll('[aria-label], [alt]')].map(node => "
        "node.alt || node.getAttribute('aria-label'))"
    )
    assert len(labels) > 20 and all(re.search("[\u4e00-\u9fff]|^dW$", text) for text in labels)
    page.one(".tn-language").click()
    assert page.one("h1").text == TEXTS["network.title"][0]


@pytest.mark.parametrize(("hash_", "column"), [("#lang=zh", 1), ("#lang=xx", 0), ("", 0)])
def test_an_address_can_ask_for_a_language(tab, hash_, column):
    tab.open(PAGE, hash_)
    assert tab.one("h1").text == TEXTS["network.title"][column]
    heads = [TEXTS[f"network.kind.{kind}"][column] for kind in ("input", "linear")]
    assert {*heads} <= {head.text.split("\n")[0] for head in tab.all(".tn-layer-head")}


def test_nothing_sticks_out_and_all_layers_are_in_one_row(reader):
    reader.all(".tn-layer-head")[4].click()
    reader.script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    for width in (400, 700, 1024, 1366, 1920):
        reader.resize(width, 900)
        wide, tops = reader.script(
            "return [document.documentElement.scrollWidth, [...document.querySelectorAll("
            "'.tn-layer-head')].map(head => head.getBoundingClientRect().y)]"
        )
        assert wide <= width
        assert len(set(tops)) == (1 if width >= 1000 else 9), width


def test_the_whole_network_is_on_the_first_screen(reader):
    for width, height in ((1366, 650), (1024, 650), (1920, 950)):
        reader.resize(width, height)
        bottoms = reader.script(
            """return [...document.querySelectorAll('.tn-sheet-box canvas, .tn-bars')]
                .map(node => node.getBoundingClientRect().bottom)"""
        )
        assert len(bottoms) == 17
        assert max(bottoms) <= height, (width, height)


def test_hostile_names_stay_text_and_two_pages_do_not_clash(tab):
    tab.show(plain(), plain(lang="zh"))
    assert [name.text for name in tab.all(".tn-name")] == [HOSTILE] * 2
    assert tab.driver.title == "test"
    tab.all(".tn-language")[0].click()
    assert [head.text for head in tab.all("h1")] == [TEXTS["network.title"][1]] * 2
    tab.all(".tn-net-example")[3].click()  # of the second page
    labels = tab.script("return [...document.querySelectorAll('.tn')].map(t => t.network.label)")
    assert labels == [1, 3]
    assert not tab.all("[id]")


def test_without_javascript_the_stills_and_the_scores_stand_there(tab):
    tab.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.driver.get(PAGE.as_uri())
        assert tab.one(".tn-noscript").is_displayed()
        assert len([i for i in tab.all(".tn-net-stills img") if i.is_displayed()]) == 14
        assert len(tab.all(".tn-static tbody tr")) == 10
        assert not tab.one(".tn-tools").is_displayed()
    finally:
        tab.cdp("Emulation.setScriptExecutionDisabled", value=False)


@needs_axe
def test_axe_finds_no_violation(page):
    page.all(".tn-layer-head")[4].click()
    page.script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.violations_light_and_dark() == []


def test_pictures_are_drawn_where_the_names_of_many_layers_fill_the_width(tab):
    """Ten layers, as examples/mnist.py has: their names alone take the width of a small window."""
    nn = tinynet.nn
    block = [layer for c, o in ((1, 16), (16, 32)) for layer in (
        nn.Conv2d(c, o, 5, padding=2), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))]  # fmt: skip
    model = nn.Sequential(*block, nn.Flatten(), nn.Linear(32 * 7 * 7, 10)).eval()
    network(model, tinynet.rand(1, 1, 28, 28), [1]).save(tab.file)
    for width in (950, 1200, 1400):
        tab.screen(width, 900)
        tab.driver.get(tab.file.as_uri())
        sizes = tab.script("return [...document.querySelectorAll('.tn-sheet-canvas')].map("
                           "canvas => Math.min(canvas.width, canvas.height))")  # fmt: skip
        assert len(sizes) == 18
        assert min(sizes) > 20, width
        assert tab.script("return document.documentElement.scrollWidth") <= width


def test_every_layer_of_every_kind_can_be_looked_at(tab):
    look = """return [...document.querySelectorAll('.tn-layer-head')].map(head => {
        head.click();
        return [document.querySelector('.tn-near-words').textContent,
                document.querySelector('.tn-near').textContent];
    })"""
    tab.screen(prefers_reduced_motion="reduce")
    for name in ("many", "borders"):
        model, shape = models()[name]
        e = network(model, images(shape, 1), [1])
        e.save(tab.file)
        tab.driver.get(tab.file.as_uri())
        assert not tab.all(".tn-pad")  # images of several channels cannot be drawn
        said = tab.script(look)
        assert len({words for words, _ in said}) == len(said) == len(e.layers) + 1
        assert not any(bad in text for _, text in said for bad in ("undefined", "NaN", "{"))
