"""HTML elements whose text is there in every language, for the report's language switch."""
from __future__ import annotations

import html
import json
from collections.abc import Iterable

from .texts import LANGUAGES, Texts, both


def switchable(attribute: str, texts: Texts) -> str:
    """All languages of a text in a data attribute; nothing if they are the same."""
    if len(set(texts)) == 1:
        return ""
    return f' data-{attribute}="{html.escape(json.dumps(texts, ensure_ascii=False))}"'


def shown(lang: str, texts: Texts) -> str:
    """The text in the language that is shown first, as HTML."""
    return html.escape(texts[list(LANGUAGES).index(lang)])


def element(lang: str, tag: str, texts: Texts, more: str = "") -> str:
    """An element with one text; `more` are attributes."""
    more = f" {more}" if more else ""
    return f"<{tag}{more}{switchable('say', texts)}>{shown(lang, texts)}</{tag}>"


def label(lang: str, texts: Texts, attribute: str = "aria-label") -> str:
    """An attribute with one text."""
    return f'{attribute}="{shown(lang, texts)}"{switchable(attribute, texts)}'


def percent(part: float) -> str:
    return f"{100 * part:.4g}%"


def note(lang: str, texts: Texts) -> str:
    return element(lang, "p", texts, 'class="tn-note"')


def chapter(lang: str, title: Texts, lead: Texts | None, *body: str) -> str:
    head = element(lang, "h2", title) + ("" if lead is None else note(lang, lead))
    return f'<section class="tn-chapter">{head}{"".join(body)}</section>'


def table(lang: str, caption: Texts, heads: list[str], rows: Iterable[str], kind: str = "",
          titled: bool = False) -> str:
    """A table that scrolls inside its place where that is too narrow. Its caption is shown if
    `titled`, else only read aloud."""
    title = element(lang, "caption", caption) if titled else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (f'<div class="tn-scroll {kind}" tabindex="0" role="group" {label(lang, caption)}>'
            f"<table>{title}<thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>"
            "</div>")


def row_head(text: str) -> str:
    return f'<th scope="row">{text}</th>'


def column_head(text: str) -> str:
    return f'<th scope="col">{text}</th>'


def column_heads(lang: str, *texts: Texts) -> list[str]:
    return [element(lang, "th", text, 'scope="col"') for text in texts]


def data_cells(texts: Iterable[object]) -> str:
    return "".join(f"<td>{text}</td>" for text in texts)


def folded(lang: str, title: Texts, *body: str) -> str:
    """Something that opens at a click on its title."""
    return (f'<details class="tn-static">{element(lang, "summary", title)}'
            f'<div class="tn-tables">{"".join(body)}</div></details>')


def part_shown(lang: str, count: int, total: int, what: str) -> str:
    """A note that only `count` of `total` are shown; nothing if all are."""
    if count >= total:
        return ""
    return note(lang, both("note.tabs", shown=count, all=total, what=both(what)))
