"""The browser tab that the tests of the pages share."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="session")
def tab(tmp_path_factory):
    from browser import Page  # needs selenium, which most tests here do without

    opened = Page(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.driver.quit()


@pytest.fixture
def quiet(tab):
    """Check after a test that the page wrote nothing to the console and fetched nothing."""
    for kind in ("browser", "performance"):
        tab.driver.get_log(kind)
    tab.screen()
    yield tab
    assert tab.driver.get_log("browser") == []
    events = [
        json.loads(entry["message"])["message"] for entry in tab.driver.get_log("performance")
    ]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert all(url.startswith(("file:", "data:", "about:")) for url in urls), urls


@pytest.fixture
def still(quiet):
    """The same for a reader who wants no motion: colours change at once and not in many frames."""
    quiet.screen(prefers_reduced_motion="reduce")
    return quiet
