"""The documentation site, as far as it can be tested without Sphinx; .ci/site builds it."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tools" / "site"))

import broken_links  # noqa: E402
import contents  # noqa: E402
import reference  # noqa: E402
import sources  # noqa: E402

PAGES = {page.name: page for page in contents.REFERENCE}


def entry(page: str, name: str, language: str = "en") -> str:
    value = reference.members(PAGES[page])[name]
    return "\n".join(reference.entry(PAGES[page], name, value, language))


@pytest.mark.parametrize("name", PAGES)
def test_every_public_name_has_a_docstring_and_an_entry(name):
    page = PAGES[name]
    text = reference.page_text(page, "en")
    for member, value in reference.members(page).items():
        shown = re.escape(f"{page.path}.{member}".removeprefix(f"{reference.module_of(page)}."))
        assert len(re.findall(rf"^::::::{{py:\w+}} {shown}(?:\(|$)", text, re.M)) == 1, member
        if not isinstance(value, (np.dtype, float)):
            assert inspect.getdoc(value), member


def test_the_reference_has_every_name_that_modules_list():
    listed = {"tinynet.nn": tinynet.nn.__all__, "tinynet.nn.functional":
              tinynet.nn.functional.__all__, "tinynet.optim": tinynet.optim.__all__,
              "tinynet.explain": tinynet.explain.__all__}  # fmt: skip
    modules = {"functional", "init", "utils", "lr_scheduler"}
    inner = {"functional", "init", "utils"}
    for module, names in listed.items():
        for name in {*names} - (modules if module == "tinynet.optim" else inner):
            assert f"{module}.{name}" in reference.everything()


def test_an_entry_has_signature_arguments_errors_and_example():
    text = entry("functional", "conv2d")
    assert text.startswith("::::::{py:function} conv2d(input: tinynet.Tensor, weight: tinynet.Ten")
    assert "\n- `stride`: how far the kernel moves" in text
    assert "\n**Raises**\n\n- `ValueError`: shapes don't fit" in text
    assert "```pycon\n>>> import tinynet\n" in text
    assert "**Differs from PyTorch in**: no argument." in text


@pytest.mark.parametrize(
    ("page", "name", "said"),
    [
        ("tinynet", "zeros", "it lacks `out`, `layout`, `pin_memory`."),
        ("functional", "kl_div", "at a target of 0: in PyTorch nan; here -inf."),
        ("explain", "network", "PyTorch has no such name."),
        ("data", "DataLoader", "it also takes `device`."),
    ],
)
def test_what_differs_from_pytorch_is_said(page, name, said):
    (line,) = re.findall(r"^\*\*Differs from PyTorch in\*\*: .*$", entry(page, name), re.M)
    assert said in line


def test_the_same_function_is_described_once():
    assert "The same as {py:obj}`tinynet.nn.functional.conv2d`." in entry("tinynet", "conv2d")
    assert "{py:obj}`tinynet.sum` as a method" in entry("tensor", "sum")
    assert "sum(dim=None, keepdim: bool = False" in entry("tensor", "sum")


def test_words_in_code_quotes_link_to_public_names_but_not_to_parameters():
    prose = reference.Prose(PAGES["nn"], "en")
    assert prose.inline("see `Conv2d` and `functional.pad`", set()) == (
        "see {py:obj}`Conv2d <tinynet.nn.Conv2d>` and "
        "{py:obj}`functional.pad <tinynet.nn.functional.pad>`"
    )
    assert prose.inline("`mean` of `nothing.there`, a_b*c", {"mean"}) == (
        r"`mean` of `nothing.there`, a\_b\*c"
    )


def test_links_lead_to_pages_of_the_site():
    english, chinese = (sources.Site(language, Path("unused")) for language in ("en", "zh"))
    for target, in_english, in_chinese in (
        ("docs/gpu.md", "gpu.md", "gpu.md"),
        ("docs/gpu.md#measured", "gpu.md#measured", "gpu.md#measured"),
        ("docs/it_does_not_learn.md", "it_does_not_learn.md", "page:../it_does_not_learn.html"),
        ("docs/it_does_not_learn.zh-CN.md", "page:zh/it_does_not_learn.html",
         "it_does_not_learn.md"),
        ("README.md", "index.md", "page:../index.html"),
        ("docs/play.html#x=1", "place:play.html#x=1", "place:../play.html#x=1&lang=zh"),
        ("docs/play.png", "play.png", "play.png"),
        ("tinynet/tensor.py", "page:source/tinynet/tensor.py.html",
         "page:../source/tinynet/tensor.py.html"),
        ("examples", "page:source/examples/index.html", "page:../source/examples/index.html"),
        ("https://example.org/a", "https://example.org/a", "https://example.org/a"),
    ):  # fmt: skip
        assert english.turned(f"[a]({target})", ".") == f"[a]({in_english})"
        assert chinese.turned(f"[a]({target})", ".") == f"[a]({in_chinese})"
    assert english.turned("`[a](docs/gpu.md)`", ".") == "`[a](docs/gpu.md)`"
    assert {*english.linked} == {"tinynet/tensor.py", "examples"}


def test_lines_of_chinese_are_joined_without_a_space():
    assert sources.joined("一行\n  二行，\n三 end\n行\n```\n一\n二\n```") == (
        "一行二行，三 end\n行\n```\n一\n二\n```"
    )


def test_every_document_has_its_place_in_the_contents():
    placed = {name for _, pages in contents.SECTIONS for name in pages}
    names = {path.name.removesuffix(".md").removesuffix(".zh-CN")
             for path in (ROOT / "docs").glob("*.md")}  # fmt: skip
    assert names | {*contents.LIVE, *contents.ROOT_DOCUMENTS, "reference/index"} == placed


def test_the_check_of_links_finds_what_is_wrong(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="b.html#there">x</a><a href="c.html">x</a><a href="#nowhere">x</a>'
        '<script src="https://example.org/x.js"></script><a href="https://example.org">fine</a>'
        '<a href="play.html#anything">fine</a><a href="#here">fine</a>'
    )
    (tmp_path / "b.html").write_text("<p>")
    (tmp_path / "play.html").write_text("<p>")
    assert broken_links.problems(tmp_path.resolve()) == [
        "a.html loads https://example.org/x.js, which needs a network",
        "a.html links to b.html#there, which has no such place",
        "a.html links to c.html, which is not there",
        "a.html links to #nowhere, which has no such place",
    ]
