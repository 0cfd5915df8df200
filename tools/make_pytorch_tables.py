"""Write the tables in docs/coming_from_pytorch.md: what tinynet has of PyTorch, partly, and not.

    python tools/make_pytorch_tables.py

They are made of tinynet as it is, and of the tables in tinynet/compat. A test holds the text equal.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from tinynet.compat import names

DOCS = Path(__file__).parents[1] / "docs"
FILES = {"en": DOCS / "coming_from_pytorch.md", "zh": DOCS / "coming_from_pytorch.zh-CN.md"}
MARK = "<!-- From here on tools/make_pytorch_tables.py writes. -->\n"

PLACES = """
torch torch.Tensor torch.nn torch.nn.Module torch.nn.functional torch.nn.init torch.nn.utils
torch.optim torch.optim.Optimizer torch.optim.lr_scheduler torch.utils.data torch.autograd
torch.cuda torchvision.datasets torchvision.transforms torchvision.transforms.functional
torchvision.utils
""".split()

WORDS = {
    "en": {"title": "{place}: {yes} yes, {partly} partly, {no} no", "partly": "Partly",
           "yes": "Yes", "no": "No", "without": "without", "names": "names", "why": "why",
           "comma": ", "},
    "zh": {"title": "{place}：有 {yes} 个，部分 {partly} 个，没有 {no} 个", "partly": "部分",
           "yes": "有", "no": "没有", "without": "缺少的参数", "names": "名字", "why": "原因",
           "comma": "、"},
}


def lacking(place: str, name: str) -> tuple[str, ...]:
    """The parameters that PyTorch's function or class has, and tinynet's has not."""
    known = names.names_of(place)[name]
    taken = names.parameters(names.found(place)[name])
    listed = {pattern for pattern, _ in names._reasons()}
    return tuple(
        p for p in known or () if f"{place}.{name}({p})" in listed  # taken, but refused
        or (taken is not None and p.lstrip("*") not in taken and p[0] not in "*_"))


def sorted_out(place: str) -> tuple[list[str], dict[tuple[str, ...], list[str]],
                                    dict[names.Reason, list[str]]]:
    """The names of a module: those that tinynet has, has without arguments, and lacks."""
    yes: list[str] = []
    partly: dict[tuple[str, ...], list[str]] = {}
    no: dict[names.Reason, list[str]] = {}
    for name in names.names_of(place):
        path = f"{place}.{name}"
        if name.startswith("_"):
            continue
        if not names.has(place, name) or f"refused {path}" in names.places():
            forms = (f".{name}(…)", f".{name.removesuffix('_')}(…)")
            why = names.reason(path)
            for form in forms:  # one row for the same way out
                why = names.Reason(*(text.replace(form, ".name(…)") for text in why))
            no.setdefault(why, []).append(name)
        elif names.is_module(path) or not (missing := lacking(place, name)):
            yes.append(name)
        else:
            partly.setdefault(missing, []).append(name)
    return yes, partly, no


def table(head: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    lines = [f"| {left} | {right} |" for left, right in rows]
    return [f"| {head[0]} | {head[1]} |", "|---|---|", *lines, ""]


def section(place: str, language: str) -> str:
    words = WORDS[language]
    yes, partly, no = sorted_out(place)
    counts = {"yes": len(yes), "partly": sum(map(len, partly.values())),
              "no": sum(map(len, no.values()))}
    lines = ["## " + words["title"].format(place=f"`{place}`", **counts), ""]
    if yes:
        lines += [f"**{words['yes']}**", ""]
        lines += textwrap.wrap(" ".join(f"`{name}`" for name in yes), 100)
        lines += [""]
    if partly:
        rows = [(" ".join(f"`{n}`" for n in found), words["comma"].join(f"`{p}`" for p in missing))
                for missing, found in sorted(partly.items())]
        lines += [f"**{words['partly']}**", "", *table((words["names"], words["without"]), rows)]
    if no:
        by_size = sorted(no.items(), key=lambda item: (item[0] == names.OTHER, item[1][0]))
        rows = [(" ".join(f"`{n}`" for n in found), getattr(why, language))
                for why, found in by_size]
        lines += [f"**{words['no']}**", "", *table((words["names"], words["why"]), rows)]
    return "\n".join(lines)


def generated(language: str) -> str:
    return "\n".join(section(place, language) for place in PLACES)


def whole(language: str) -> str:
    """The file as it should be: what stands before the mark, and the tables."""
    before, mark, _ = FILES[language].read_text(encoding="utf-8").partition(MARK)
    return before + mark + "\n" + generated(language)


if __name__ == "__main__":
    for language, path in FILES.items():
        path.write_text(whole(language), encoding="utf-8")
