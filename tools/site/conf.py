"""Settings of Sphinx, for both languages; build.py says which, and where the sources are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sphinx.search.en import SearchEnglish

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import tinynet  # noqa: E402

project = "tinynet"
author = "the authors of tinynet"
copyright = "the authors of tinynet, MIT licence"
version = release = tinynet.__version__
language = os.environ.get("TINYNET_SITE_LANGUAGE", "en").replace("zh", "zh_CN")

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_url_schemes = {
    "http": None, "https": None, "mailto": None,
    "page": "{{path}}", "place": "{{path}}#{{fragment}}",  # other() in sources.py makes these
}  # fmt: skip
highlight_language = "text"
python_maximum_signature_line_length = 100
python_trailing_comma_in_multi_line_signatures = False
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
show_warning_types = True

html_theme = "furo"
html_title = f"tinynet {version}"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_search_language = "tinynet"
html_favicon = None
html_theme_options = {"top_of_page_buttons": []}
html_sidebars = {
    "**": [
        "sidebar/brand.html", "sidebar/language.html", "sidebar/search.html",
        "sidebar/scroll-start.html", "sidebar/navigation.html", "sidebar/scroll-end.html",
    ]
}  # fmt: skip


class Search(SearchEnglish):
    """English words by their stems, and Chinese, which has no spaces, by pairs of characters."""

    lang = "tinynet"
    # The same in the browser, for what one searches for. Sphinx puts it into a page as HTML, so it
    # does without < > & and quotes.
    js_splitter_code = """
function splitQuery(query) {
  const found = [];
  for (const word of query.match(/[\\u4e00-\\u9fff]+|[^\\W\\u4e00-\\u9fff]+/gu) || []) {
    const pairs = word.match(/[\\u4e00-\\u9fff]/u) ? word.length - 1 : 0;
    if (!pairs) found.push(word);
    for (const k of Array(pairs).keys()) found.push(word.slice(k, k + 2));
  }
  return found;
}
"""

    def split(self, input: str) -> list[str]:
        return super().split(spaced(input))


def is_chinese(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def spaced(text: str) -> str:
    """Chinese text as overlapping pairs: 反向传播 becomes 反向 向传 传播."""
    found: list[str] = []
    run = ""
    for character in text + " ":
        if is_chinese(character):
            run += character
            continue
        if run:
            pairs = [run[k : k + 2] for k in range(len(run) - 1)] or [run]
            found.append(" " + " ".join(pairs) + " ")
            run = ""
        found.append(character)
    return "".join(found)


def other_language(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """The address of the same page in the other language, or of the first page there."""
    chinese = app.config.language != "en"
    known = {*os.environ.get("TINYNET_SITE_OTHER_PAGES", "").split()}
    name = page if page in known else "index"
    up = "../" * (page.count("/") + (1 if chinese else 0))
    context["other_language"] = f"{up}{'' if chinese else 'zh/'}{name}.html"
    context["other_language_name"] = "English" if chinese else "中文"


def translations(app: Any, config: Any) -> None:
    """Compile zh.po into a folder that Sphinx looks in."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from sphinx import locale

    folder = Path(app.doctreedir, "locale")
    file = folder / "zh_CN" / "LC_MESSAGES" / "sphinx.mo"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(HERE / "zh.po", "rb") as text, open(file, "wb") as compiled:
        write_mo(compiled, read_po(text))
    locale.init([str(folder)], config.language)


def setup(app: Any) -> None:
    if language != "en":
        app.connect("config-inited", translations, 900)
    app.add_search_language(Search)
    app.connect("html-page-context", other_language)
