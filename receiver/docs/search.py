"""Search of the manual: every section is looked through in memory."""

import re
from dataclasses import dataclass
from functools import cache

from receiver.docs.manual import ManualPage, ManualSection, load_page, page_names

MAX_HITS = 40
_MAX_WORDS = 8
_BEFORE = 80
_AFTER = 180
"""Characters of an excerpt before and after the first word that matches."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A section that has all words. `excerpt`: pieces of its text, and whether each is one of the words."""

    url: str
    page: str
    section: str
    excerpt: tuple[tuple[str, bool], ...]


def search(query: str) -> list[SearchHit]:
    """Return the sections in which all words of the query occur, best first."""
    words = list(dict.fromkeys(query.lower().split()))[:_MAX_WORDS]
    if not words:
        return []
    scored = [(_score(page, section, text, words), page, section) for page, section, text in _index()]
    found = sorted((entry for entry in scored if entry[0]), key=lambda entry: -entry[0])
    return [_hit(page, section, words) for _, page, section in found[:MAX_HITS]]


@cache
def _index() -> tuple[tuple[ManualPage, ManualSection, str], ...]:
    """Return each page and each section that has a text, with the text that is searched."""
    pages = [load_page(name) for name in page_names()]
    return tuple(
        (page, section, f"{page.title} {section.title} {section.text}".lower())
        for page in pages
        for section in page.sections
        if section.text or section is page.sections[0]
    )


def _score(page: ManualPage, section: ManualSection, text: str, words: list[str]) -> int:
    """Return how well a section fits; 0 if a word is missing. A word in a heading counts most."""
    if not all(word in text for word in words):
        return 0
    title, heading = page.title.lower(), section.title.lower()
    return sum(20 * (word in heading) + 10 * (word in title) + min(text.count(word), 9) for word in words)


def _hit(page: ManualPage, section: ManualSection, words: list[str]) -> SearchHit:
    pattern = re.compile("(" + "|".join(map(re.escape, words)) + ")", re.IGNORECASE)
    first = pattern.search(section.text)
    middle = first.start() if first else 0
    before, after = section.text[:middle], section.text[middle:]
    # Parts of words at either end are left out.
    shown = (before if len(before) <= _BEFORE else f"… {before[-_BEFORE:].partition(' ')[2]}") + (
        after if len(after) <= _AFTER else f"{after[:_AFTER].rpartition(' ')[0]} …"
    )
    pieces = ((piece, number % 2 == 1) for number, piece in enumerate(pattern.split(shown)))
    # The first section of a page is the page itself.
    is_page = section is page.sections[0]
    url = page.url if is_page else f"{page.url}#{section.anchor}"
    return SearchHit(
        url, page.title, "" if is_page else section.title, tuple(filter(lambda piece: piece[0], pieces))
    )
