"""Draw the figures of the lesson (docs/backprop_*.md) and of the READMEs that show the page of a
convolution, as screenshots.

    python tools/make_lesson_figures.py

Needs selenium, Pillow, Chromium with its driver, and a font with Chinese characters.
Writes docs/figures/<name>.<language>.png, docs/play.png and docs/play.zh.png.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import tinynet.explain
from tinynet.explain import lesson
from tinynet.explain.texts import LANGUAGES

DOCS = Path(__file__).resolve().parents[1] / "docs"
X6 = [[6 * row + column for column in range(6)] for row in range(6)]
G, G2 = lesson.gradient((1, 1, 3, 3)), lesson.gradient((1, 1, 2, 2))

# name: key of the mode, steps to the right, and how the convolution differs from the plain one
FIGURES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "forward": ("1", 4, {}),
    "matrix": ("2", 4, {}),
    "dw": ("3", 6, {}),
    "dw_gather": ("8", 1, {}),
    "dx": ("4", 6, {}),
    "dx_gather": ("5", 12, {}),
    "stride": ("5", 12, {"stride": 2, "grad_out": G2}),
    "remainder": ("5", 29, {"x": X6, "stride": 2, "grad_out": G2}),
    "borders": ("7", 3, {"padding": 1, "padding_mode": "reflect", "grad_out": None}),
}
README = "mode=dx&step=6"  # what docs/play.html shows in the READMEs


def main() -> None:
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
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]},
        )
        for lang in LANGUAGES:
            screen(driver, 1000, 680)
            for name, (key, steps, settings) in FIGURES.items():
                arguments = {"x": lesson.X, "w": lesson.W, "grad_out": G, "lang": lang, **settings}
                page = tinynet.explain.conv2d(**arguments).save(Path(profile) / "page.html")
                driver.get(page.as_uri())
                ActionChains(driver).send_keys(key, *[Keys.ARROW_RIGHT] * steps).perform()
                store(figure(driver), DOCS / "figures" / f"{name}.{lang}.png")
            screen(driver, 1180, 664)
            driver.get(f"{(DOCS / 'play.html').as_uri()}#{README}&lang={lang}")
            suffix = "" if lang == "en" else f".{lang}"
            store(driver.get_screenshot_as_png(), DOCS / f"play{suffix}.png")
        driver.quit()


def screen(driver: webdriver.Chrome, width: int, height: int) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1.25, "mobile": False},
    )


def figure(driver: webdriver.Chrome) -> bytes:
    """The grids, their sum and the sentence, without the hands."""
    driver.execute_script("""
        const hidden = '.tn-bar, .tn-lead, .tn-sums:empty';
        for (const node of document.querySelectorAll(hidden)) node.style.display = 'none';
        document.querySelector('.tn-sentence').style.minHeight = 'auto'""")
    return driver.find_element(By.CSS_SELECTOR, ".tn-work").screenshot_as_png


def store(screenshot: bytes, path: Path) -> None:
    """With a margin, and with a palette, which keeps the file small."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    picture = ImageOps.expand(picture, 12, picture.getpixel((picture.width - 1, 0)))
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(DOCS)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
