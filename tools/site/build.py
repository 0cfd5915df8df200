"""Build the documentation site.

    pip install -e ".[docs]" && python tools/site/build.py out/site

English lies at the top, Chinese in zh/. Any warning is an error, and so is a link without a target.
The pages can be read without a network, and without a server.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from broken_links import problems  # noqa: E402
from contents import LANGUAGES, LIVE  # noqa: E402
from sources import DOCS, ROOT, Site  # noqa: E402


def sphinx(language: str, sources: Path, out: Path, others: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "TINYNET_SITE_LANGUAGE": language,
                   "TINYNET_SITE_OTHER_PAGES": " ".join(others)}  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html",
         "-c", str(Path(__file__).parent), "-d", f"{sources}.doctrees", str(sources), str(out)],
        env=environment, text=True,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="the folder of the site; what it holds is replaced")
    out = parser.parse_args().out.resolve()
    if out.exists() and not (out / "index.html").exists() and any(out.iterdir()):
        sys.exit(f"{out} is not empty and holds no site; name another folder")
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        sites = {language: Site(language, Path(work, language)) for language in LANGUAGES}
        for site in sites.values():
            site.make()
        english = sites["en"]
        english.linked |= sites["zh"].linked
        english.sources()
        pages = {language: [p.relative_to(site.folder).with_suffix("").as_posix()
                            for p in site.folder.rglob("*.md")]
                 for language, site in sites.items()}  # fmt: skip
        running = [sphinx("en", english.folder, out, pages["zh"]),
                   sphinx("zh", sites["zh"].folder, out / "zh", pages["en"])]  # fmt: skip
        failed = [run.wait() for run in running]
        if any(failed):
            sys.exit("Sphinx found something wrong")
    for file, *_ in LIVE.values():
        shutil.copy(DOCS / file, out / file)
    for path in english.linked:
        if path.endswith(".ipynb"):
            shutil.copy(ROOT / path, out / "source" / path)
    (out / ".nojekyll").touch()  # otherwise GitHub's pages leave out _static
    found = problems(out)
    print("\n".join(found), end="\n" if found else "")
    if found:
        sys.exit(f"{len(found)} problems with links")
    count = sum(1 for _ in out.rglob("*.html"))
    print(f"{count} pages in {out}, all links inside lead somewhere")


if __name__ == "__main__":
    main()
