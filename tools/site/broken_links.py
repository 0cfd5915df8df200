"""What is wrong with the links of a built site: targets that are missing, and files from elsewhere.

    python tools/site/broken_links.py out/site
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIVE = {"play.html", "network.html"}  # their fragments are settings, not places


class Page(HTMLParser):
    """The places of a page, its links, and the files that it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if place := known.get("id"):
            self.places.add(place)
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        elif tag == "link" and "href" in known:
            self.loads.append(known["href"])
        if tag != "a" and "src" in known:
            self.loads.append(known["src"])


@cache
def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def problems(site: Path) -> list[str]:
    """One line for each link that leads nowhere, and each file that a page loads from elsewhere."""
    found = []
    for path in sorted(site.rglob("*.html")):
        own = path.relative_to(site).as_posix()
        if own in LIVE:
            continue
        for address in page(path).loads:
            if urlsplit(address).scheme not in ("", "data") or address.startswith("//"):
                found.append(f"{own} loads {address}, which needs a network")
        for address in [*page(path).links, *page(path).loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                found.append(f"{own} links to {address}, which is not there")
            elif (
                parts.fragment and target.suffix == ".html" and target.name not in LIVE
                and unquote(parts.fragment) not in page(target).places
            ):  # fmt: skip
                found.append(f"{own} links to {address}, which has no such place")
    return found


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]).resolve())
    print("\n".join(lines) or "all links lead somewhere")
    sys.exit(bool(lines))
