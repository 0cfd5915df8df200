"""Every sentence and label of the pages, English and Chinese side by side.

A text is a `str.format` template; the page fills the same templates in the browser. To add a
language, add a column to each table and the language's name to `LANGUAGES`. Texts are plain text,
except those whose key starts with ``formula.``: these are trusted HTML, written here and never
made from what the user hands in.
"""
from __future__ import annotations

from .network import NETWORK
from .page import PAGE
from .report import REPORT
from .steps import STEPS
from .tour import TOUR
from .watch import WATCH

LANGUAGES = {"en": "English", "zh": "中文"}

TEXTS: dict[str, tuple[str, str]] = {**PAGE, **STEPS, **TOUR, **REPORT, **NETWORK, **WATCH}

Texts = tuple[str, ...]                     # one text in every language


def check_language(where: str, lang: str) -> None:
    if lang not in LANGUAGES:
        raise ValueError(f"{where}: lang={lang!r}; it must be one of {sorted(LANGUAGES)}")


def say(lang: str, key: str, **values: object) -> str:
    """The text `key` in one language, its slots filled.

    A value given as (English, Chinese) fills the slot with the text of the same language.
    """
    column = list(LANGUAGES).index(lang)
    picked = {name: v[column] if isinstance(v, tuple) else v for name, v in values.items()}
    return TEXTS[key][column].format(**picked)


def both(key: str, **values: object) -> Texts:
    """The text `key` in every language."""
    return tuple(say(lang, key, **values) for lang in LANGUAGES)


def same(text: str) -> Texts:
    """A text, such as a formula, that reads the same in every language."""
    return (text,) * len(LANGUAGES)
