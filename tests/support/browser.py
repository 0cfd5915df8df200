"""A browser without a window, in which the pages of the explainer are tested.

Needs selenium, Chromium and its driver. The accessibility checks need axe-core
(`npm install axe-core`): it is looked for in node_modules/ of this repository, or where the
environment variable AXE_CORE points.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tinynet.explain import page

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed (pip install selenium)"
)
from selenium.webdriver import ActionChains  # noqa: E402  (only once selenium is known to be there)
from selenium.webdriver.common.by import By  # noqa: E402

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")
IN_REPOSITORY = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
AXE = Path(os.environ.get("AXE_CORE", IN_REPOSITORY))

needs_browser = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="Chromium or its chromedriver is not installed"
)
needs_axe = pytest.mark.skipif(
    not AXE.exists(),
    reason="axe-core is not there (npm install axe-core, or set AXE_CORE to axe.min.js)",
)


class Page:
    """A browser tab that shows explainers, and what the tests read off it."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for flag in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "hide-scrollbars",
            f"user-data-dir={folder / 'profile'}",
        ):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.file = folder / "page.html"
        self.window, self.opened = None, 0
        self.driver.get(
            "about:blank"
        )  # leave the browser's own first page, which asks for this and that

    def cdp(self, command: str, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def screen(self, width=1280, height=900, **media):
        """A window of this size and what the system says of colours and motion."""
        media = {
            "prefers_color_scheme": "light", "prefers_reduced_motion": "no-preference", **media,
        }  # fmt: skip
        before, self.window = self.window, (width, height, media)
        if before is None or before[:2] != (width, height):
            self.cdp(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=False,
            )
        if before is None or before[2] != media:
            self.cdp(
                "Emulation.setEmulatedMedia",
                features=[
                    {"name": name.replace("_", "-"), "value": value}
                    for name, value in media.items()
                ],
            )

    def resize(self, width, height):
        """Another size for the page that is shown; come back once it has taken its new places."""
        self.screen(width, height, **self.window[2])
        self.driver.execute_async_script(
            """const [width, height, done] = arguments, look = () =>
                innerWidth === width && innerHeight === height ? done() : setTimeout(look, 5);
            look()""",
            width,
            height,
        )
        self.settle()

    def settle(self) -> None:
        """Let two frames pass: a page takes its places, and ends what moves, in the first."""
        self.driver.execute_async_script(
            """const [done] = arguments;
            requestAnimationFrame(() => requestAnimationFrame(() => done()))"""
        )

    def open(self, path: Path, address: str = "") -> None:
        """Load a page afresh, also if nothing but what follows the # has changed."""
        self.opened += 1
        self.driver.get(f"{path.as_uri()}?{self.opened}{address}")
        self.settle()

    def show(self, *explanations) -> None:
        body = "\n".join(e.html() for e in explanations)
        self.file.write_text(page.document("test", "en", body), encoding="utf-8")
        self.driver.get(self.file.as_uri())

    def hand(self) -> ActionChains:
        """Mouse and keyboard; the pointer is there at once."""
        return ActionChains(self.driver, duration=0)

    def press(self, *keys) -> None:
        hand = self.hand()
        for key in keys:
            hand.send_keys(key)
        hand.perform()

    def point_at(self, node) -> None:
        self.hand().move_to_element(node).perform()

    def script(self, code: str, *arguments):
        return self.driver.execute_script(code, *arguments)

    def all(self, selector: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def sentence(self) -> str:
        return self.one(".tn-sentence").text

    def cell(self, panel: str, row: int, col: int):
        return self.one(f'table[data-panel="{panel}"] td[data-row="{row}"][data-col="{col}"]')

    def grid(self, panel: str) -> np.ndarray:
        """The numbers one reads in a panel, without its padding."""
        rows = self.script(
            """const table = document.querySelector(`table[data-panel="${arguments[0]}"]`);
            return [...table.querySelectorAll('tbody tr')].map(row =>
                [...row.querySelectorAll('td[data-row]:not(.is-pad)')].map(cell =>
                    cell.querySelector('.tn-value').textContent))""",
            panel,
        )
        return np.array(
            [[float(text.replace("−", "-") or "nan") for text in row] for row in rows if row]
        )

    def lit(self, panel: str) -> set[tuple[int, int]]:
        return {
            (row, col)
            for row, col in self.script(
                """const table = `table[data-panel="${arguments[0]}"]`;
                return [...document.querySelectorAll(table + " td.is-lit")].map(
                    cell => [+cell.dataset.row, +cell.dataset.col])""",
                panel,
            )
        }

    def violations(self, *rules: str) -> list[tuple[str, list[str]]]:
        """What axe-core finds, by these rules or by all: a rule and nodes that break it."""
        if self.script("return typeof axe") == "undefined":
            self.script(AXE.read_text(encoding="utf-8"))
        return [
            (rule, nodes)
            for rule, nodes in self.driver.execute_async_script(
                """const [rules, done] = arguments, chosen = rules.length ? { runOnly: rules } : {};
                axe.run({ resultTypes: ["violations"], ...chosen }).then(({ violations }) =>
                    done(violations.map(({ id, nodes }) =>
                        [id, nodes.slice(0, 3).map(({ html }) => html.slice(0, 120))])))""",
                rules,
            )
        ]

    def violations_light_and_dark(self) -> list[tuple[str, str, list[str]]]:
        """The same in light and, for the rules about colours, in dark.

        The page should have no motion, or colours are halfway.
        """
        width, height, media = self.window
        found = []
        for scheme, rules in (("light", ()), ("dark", ("color-contrast", "link-in-text-block"))):
            self.screen(width, height, **{**media, "prefers_color_scheme": scheme})
            dark = self.script("return matchMedia('(prefers-color-scheme: dark)').matches")
            assert dark == (scheme == "dark")
            found += [(scheme, *violation) for violation in self.violations(*rules)]
        self.screen(width, height, **media)
        return found
