"""The catalogue of texts: key → text in a language, with placeholders and plural forms.

A file `LANGUAGE/ROOM.toml` holds the texts of one room; its keys begin with the room's name: `title` in
`en/report.toml` is `report.title`. A text holds placeholders as `{name}`. A text that depends on a number is
a table of the plural categories of Unicode CLDR, chosen by the value `count`:

    attempts = { one = "{count} attempt", other = "{count} attempts" }

This is the format of go-i18n, which translation tools such as Weblate read.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from babel.core import Locale

Language = Literal["en", "ru"]

LANGUAGES: tuple[Language, ...] = get_args(Language)

PLURAL_CATEGORIES = frozenset({"zero", "one", "two", "few", "many", "other"})

_FOLDER = Path(__file__).parent

Text = str | Mapping[str, str]
"""One text, or its plural forms by category."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text without a language: its key and the values of its placeholders, which may be phrases too."""

    key: str
    values: Mapping[str, "Phrase | str | float"] = field(default_factory=dict)


class Catalogue:
    """All texts of one language."""

    def __init__(self, language: Language, texts: Mapping[str, Text]) -> None:
        self.language = language
        self.texts = texts

    def text(self, key: str, /, **values: "Phrase | str | float") -> str:
        """Return the text of a key with its placeholders filled in. Raises KeyError for an unknown key, or if
        a value is missing.
        """
        text = self.texts[key]
        if not isinstance(text, str):
            category = locale(self.language).plural_form(_number(key, values["count"]))
            text = text.get(category, text["other"])
        return text.format_map({name: self._shown(value) for name, value in values.items()})

    def render(self, phrase: Phrase) -> str:
        """Return the text of a phrase."""
        return self.text(phrase.key, **phrase.values)

    def number(self, value: float) -> str:
        """Return a number with the language's marks for thousands and decimals."""
        return self.with_marks(f"{value:,}")

    def with_marks(self, number: str) -> str:
        """Return a number that is written in English with the language's marks instead."""
        return number.translate(_marks(self.language))

    def _shown(self, value: "Phrase | str | float") -> str:
        if isinstance(value, Phrase):
            return self.render(value)
        return value if isinstance(value, str) else self.number(value)


@cache
def catalogue(language: Language) -> Catalogue:
    """Return the catalogue of a language."""
    texts: dict[str, Text] = {}
    for path in sorted((_FOLDER / language).glob("*.toml")):
        texts.update(_flat(f"{path.stem}.", tomllib.loads(path.read_text(encoding="utf-8"))))
    return Catalogue(language, texts)


@cache
def _marks(language: Language) -> dict[int, str]:
    """Return the marks for thousands and decimals, for the English ones."""
    symbols = locale(language).number_symbols["latn"]
    return str.maketrans({",": str(symbols["group"]), ".": str(symbols["decimal"])})


@cache
def locale(name: str) -> "Locale":
    """Return the conventions of a language or country, such as `de` or `de_CH`. Raises ValueError if Unicode
    CLDR has none.
    """
    from babel.core import Locale, UnknownLocaleError  # noqa: PLC0415 -- slow, and not every text has numbers

    try:
        return Locale.parse(name.replace("-", "_"))
    except UnknownLocaleError:
        raise ValueError(f"unknown locale {name!r}") from None


def placeholders(text: Text) -> frozenset[str]:
    """Return the names of the values that a text needs."""
    forms = (text,) if isinstance(text, str) else text.values()
    return frozenset(name for form in forms for _, name, _, _ in Formatter().parse(form) if name)


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Text]]:
    """Yield keys and texts of a table and the tables in it."""
    for name, value in table.items():
        if isinstance(value, dict) and not value.keys() <= PLURAL_CATEGORIES:
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def _number(key: str, count: object) -> float:
    if not isinstance(count, int | float):
        raise TypeError(f"{key}: count must be a number")
    return count
