"""The training report in a real browser: its switches and widths, without network or script."""

from __future__ import annotations

import re

import pytest
from browser import needs_axe, needs_browser
from selenium.webdriver.common.by import By
from trained import HOSTILE, Fixed, make

from tinynet.explain.texts import TEXTS

pytestmark = [needs_browser, pytest.mark.usefixtures("quiet")]


@pytest.fixture
def page(tab):
    make(
        Fixed("conv<script>"),
        gradients={"conv<script>.weight": [(0, 2.0), (640, 1.0)]},
        name=HOSTILE,
    ).save(tab.file)
    tab.driver.get(tab.file.as_uri())
    return tab


def numbers(page):
    return [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "td")]
        for row in page.all(".is-confusion tbody tr")
    ]


def test_numbers_are_read_off_the_page(page):
    assert numbers(page) == [
        ["1", "0", "0", "100%"],
        ["1", "1", "0", "50%"],
        ["0", "1", "1", "50%"],
    ]
    assert page.one(".is-gradients tbody tr").text.split() == [
        "conv<script>.weight",
        *"2 1.5 1 1 × 1 × 1 × 1".split(),
    ]
    assert page.one(".tn-name").text == HOSTILE
    assert "hacked" in page.driver.title and page.driver.title != "hacked"
    assert page.script(
        "return [...document.images].every(image => image.complete && image.naturalWidth > 0)"
    )


def test_language_switch_changes_every_text(page):
    english = [
        texts[0]
        for key, texts in TEXTS.items()
        if key.startswith("report.") and "{" not in texts[0] and len(texts[0]) > 4
    ]
    page.one(".tn-language").click()
    assert page.one(".tn").get_attribute("lang") == "zh"
    assert page.one("h1").text == TEXTS["report.title"][1]
    page.script("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert [text for text in english if text in page.one("body").text] == []
    labels = page.script(
        "return [...document.querySelectorAll('[data-alt], [data-aria-label]')].map(node => "
        "node.alt || node.getAttribute('aria-label'))"
    )
    assert len(labels) > 10 and all(re.search("[\u4e00-\u9fff]", text) for text in labels)
    page.one(".tn-language").click()
    assert page.one("h1").text == TEXTS["report.title"][0]
    assert numbers(page)[0] == ["1", "0", "0", "100%"]


def test_light_and_dark_follow_the_system_and_the_switch(page):
    def look():
        return page.script(
            "return [document.querySelector('.tn'), document.querySelector('.is-ink')].map(node => "
            "getComputedStyle(node)).map((style, k) => k ? style.filter : style.backgroundColor)"
        )

    light = look()
    assert light[1] == "none"
    page.one(".tn-theme").click()
    dark = look()
    assert dark[1] == "invert(1)" and dark[0] != light[0]
    page.one(".tn-theme").click()
    assert look() == light
    page.screen(prefers_color_scheme="dark")
    page.driver.get(page.file.as_uri())
    assert look() == dark


def test_nothing_sticks_out_at_any_width(page):
    page.script("document.querySelectorAll('details').forEach(details => { details.open = true })")
    for width in (400, 640, 1280):
        page.resize(width, 900)
        assert page.script("return document.documentElement.scrollWidth") <= width


def test_two_reports_in_one_document_do_not_clash(tab):
    tab.show(make(), make(lang="zh"))
    tab.all(".tn-language")[0].click()
    assert [head.text for head in tab.all("h1")] == [TEXTS["report.title"][1]] * 2
    tab.all(".tn-language")[1].click()
    assert [head.text for head in tab.all("h1")] == [
        TEXTS["report.title"][1],
        TEXTS["report.title"][0],
    ]
    assert not tab.all("[id]")


def test_without_javascript_all_is_there_but_the_switches(tab):
    tab.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        make(lang="zh").save(tab.file)
        tab.driver.get(tab.file.as_uri())
        assert tab.one("h1").text == TEXTS["report.title"][1]
        assert not tab.one(".tn-tools").is_displayed()
        assert numbers(tab)[1] == ["1", "1", "0", "50%"]
    finally:
        tab.cdp("Emulation.setScriptExecutionDisabled", value=False)


@needs_axe
def test_axe_finds_no_violation(page):
    page.script("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert page.violations_light_and_dark() == []
