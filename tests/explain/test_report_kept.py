"""The slider of the report: the kernels of the first convolution as they were during training."""

from __future__ import annotations

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from browser import needs_axe, needs_browser
from trained import make

import tinynet
from tinynet import nn
from tinynet.explain import report, report_kept
from tinynet.explain.texts import TEXTS

KEPT = [(0, [[[[-4.0]]]]), (640, np.full((1, 1, 1, 1), 1.0)), (1300, tinynet.ones(1, 1, 1, 1) * 3)]


def kept_data(page):
    return json.loads(html.unescape(re.search(r'data-kept="([^"]*)"', page)[1]))


def test_the_page_holds_the_kernels_of_every_kept_step():
    data = kept_data(make(kernels=KEPT).html())
    assert data["size"] == [1, 1] and data["most"] == 4  # the model's own weight is 2
    shades = [list(base64.b64decode(frame)) for frame in data["frames"]]
    np.testing.assert_allclose(np.ravel(shades) - 127.0, [-127, 31.75, 95.25, 63.5], atol=0.5)
    assert data["texts"][1] == [
        "after 640 images, loss 1.25", "已看 640 张图像，损失 1.25",
    ]  # fmt: skip
    assert data["texts"][2][0] == "after 1,300 images, loss 0.5"
    assert data["texts"][-1][0] == "at the end of training"
    assert len(data["marks"]) == 4 and sorted(data["marks"]) == data["marks"]


def test_without_loss_or_kernels_nothing_is_claimed():
    data = kept_data(make(kernels=KEPT, loss=[]).html())
    assert data["texts"][0][0] == "after 0 images" and data["marks"] == []
    assert "data-kept" not in make().html()


def test_many_steps_and_large_kernels_are_thinned():
    tinynet.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 20, 3), nn.Flatten(), nn.Linear(20 * 4, 2))
    weight = np.random.default_rng(0).normal(size=(20, 3, 3, 3))
    images = tinynet.zeros(2, 3, 4, 4)
    page = report(
        model, images, tinynet.tensor([0, 1]), kernels=[(k, weight * k) for k in range(1000)]
    ).html()
    data = kept_data(page)
    assert 40 < len(data["frames"]) <= report_kept.MOST_KEPT + 1
    frame = np.frombuffer(base64.b64decode(data["frames"][-2]), np.uint8).astype(float)
    shown = weight.reshape(60, 3, 3)[:32].ravel() * 999 / data["most"]
    np.testing.assert_allclose((frame - 127) / 127, shown, atol=0.005)
    assert data["texts"][-2][0] == "after 999 images"


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        (5, "pairs .*got a int"), ([1], "pairs .*got 1"), ([(0, 1, 2)], "pairs"),
        ([("a", [[[[1]]]])], "pairs"), ([(0, [[1.0]])], r"shape \(1, 1\)"),
        ([(0, [[[["a"]]]])], "numbers of shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(kernels, message):
    with pytest.raises(ValueError, match="^explain.report: kernels .*" + message):
        make(kernels=kernels)
    with pytest.raises(ValueError, match="first nn.Conv2d"):
        report(
            nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), tinynet.zeros(1, 1, 2, 2),
            tinynet.tensor([0]), kernels=KEPT,
        )  # fmt: skip


def test_errors_of_the_users_own_iterator_arrive_untouched():
    def broken():
        yield KEPT[0]
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="^mine$"):
        make(kernels=broken())


# -- in the browser --------------------------------------------------------------------------------


@pytest.fixture
def page(tab, quiet):
    make(kernels=KEPT).save(tab.file)
    tab.driver.get(tab.file.as_uri())
    return tab


def colour(page):
    """The one pixel of the one kernel."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    source = page.one(".tn-kernels img").get_attribute("src").partition(",")[2]
    return image.open(io.BytesIO(base64.b64decode(source))).convert("RGBA").getpixel((0, 0))


def move(page, k):
    page.script(
        """const input = document.querySelector('.tn-kept input');
        input.value = arguments[0];
        input.dispatchEvent(new Event('input'))""",
        k,
    )


@needs_browser
def test_the_slider_shows_the_kernels_as_they_were(page):
    assert page.one(".tn-kept output").text == "at the end of training"
    assert not page.script("return document.querySelector('.tn-now').checkVisibility({"
                           "visibilityProperty: true})")  # fmt: skip
    move(page, 0)
    red, _, blue, alpha = colour(page)
    assert blue > red and alpha == 255
    assert page.one(".tn-kept output").text == "after 0 images, loss 2.5"
    first = page.one(".tn-now").get_attribute("d")
    move(page, 1)
    red, _, blue, alpha = colour(page)
    assert red > blue and abs(alpha - 64) <= 1
    assert page.one(".tn-now").get_attribute("d") != first
    page.one(".tn-language").click()
    assert page.one(".tn-kept output").text == "已看 640 张图像，损失 1.25"
    spoken = page.one(".tn-kept input").get_attribute("aria-valuetext")
    assert spoken == page.one(".tn-kept output").text
    move(page, 3)
    assert abs(colour(page)[3] - 127.5) <= 2


@needs_browser
def test_play_runs_to_the_end_and_stops(page):
    page.one(".tn-kept-play").click()
    assert page.one(".tn-kept-play").text == TEXTS["report.kept_pause"][0]
    page.driver.execute_async_script(
        """const done = arguments[0], look = () =>
            document.querySelector('.tn-kept input').value === "3" ? done() : setTimeout(look, 20);
        look()"""
    )
    assert page.one(".tn-kept-play").text == TEXTS["report.kept_play"][0]


@needs_browser
def test_all_stand_on_one_left_edge(page):
    edges = page.script(
        "return [...document.querySelectorAll('h1, .tn-facts, .tn-charts, .tn-chapter')]"
        ".map(node => Math.round(node.getBoundingClientRect().left))"
    )
    assert len(edges) >= 6 and len(set(edges)) == 1


@needs_browser
@needs_axe
def test_axe_finds_no_violation_at_the_slider(page):
    move(page, 1)
    assert page.violations() == []
