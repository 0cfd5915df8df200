"""Draw the figures of the lesson that show the explainer's page (docs/backprop_*.md), as
screenshots.

    python tools/make_lesson_figures.py

Needs selenium, Pillow, Chromium with its driver, and a font with Chinese characters.
Writes docs/figures/<name>.<language>.png.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import tinynet.explain
from tinynet.explain.texts import LANGUAGES

X = [[1, 2, 0, 3, 1], [0, 1, 2, 3, 1], [1, 2, 1, 0, 0], [5, 2, 3, 1, 1], [2, 1, 0, 1, 1]]
X6 = [[6 * row + column for column in range(6)] for row in range(6)]
W = [[1, 2, 1], [0, 1, 0], [2, 1, 0]]
G = [[[[2, 1, -1], [0, 1, -2], [3, 1, 2]]]]
G2 = [[[[2, 1], [0, 1]]]]  # for stride 2

# name: key of the mode, steps to the right, and how the convolution differs from the plain one
FIGURES: dict[str, tuple[str, int, dict[str, object]]] = {
    "forward": ("1", 4, {}),
    "matrix": ("2", 4, {}),
    "dw": ("3", 5, {}),
    "dx": ("4", 5, {}),
    "dx_gather": ("5", 12, {}),
    "stride": ("5", 12, {"stride": 2, "grad_out": G2}),
    "remainder": ("5", 29, {"x": X6, "stride": 2, "grad_out": G2}),
    "borders": ("7", 3, {"padding": 1, "padding_mode": "reflect", "grad_out": None}),
}


def main() -> None:
    folder = Path(__file__).parents[1] / "docs" / "figures"
    folder.mkdir(exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = (
        shutil.which("chromium")
        or shutil.which("google-chrome")
        or sys.exit("Chromium is not installed")
    )
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "hide-scrollbars",
            f"user-data-dir={profile}",
        ):
            options.add_argument(f"--{flag}")
        driver = webdriver.Chrome(
            options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
        )
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 980, "height": 1200, "deviceScaleFactor": 1.5, "mobile": False},
        )
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]},
        )
        for lang in LANGUAGES:
            for name, (key, steps, settings) in FIGURES.items():
                arguments = {"x": X, "w": W, "grad_out": G, "lang": lang, **settings}
                path = tinynet.explain.conv2d(**arguments).save(Path(profile) / "page.html")
                driver.get(path.as_uri())
                ActionChains(driver).send_keys(key, *[Keys.ARROW_RIGHT] * steps).perform()
                photograph(driver, folder / f"{name}.{lang}.png")
        driver.quit()


def photograph(driver: webdriver.Chrome, path: Path) -> None:
    """Save the panels and the sentence above them, with 48 colours to keep the file small."""
    driver.execute_script("""
        const hidden = '.tn-head, .tn-facts, .tn-modes, .tn-bar, .tn-words, .tn-static, '
            + '.tn-more > :not(.tn-compare)';
        for (const node of document.querySelectorAll(hidden)) node.style.display = 'none';
        document.querySelector('.tn').style.minHeight = 'auto'""")
    picture = Image.open(
        io.BytesIO(driver.find_element(By.CSS_SELECTOR, ".tn-live").screenshot_as_png)
    )
    picture.convert("RGB").quantize(48).save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main()
