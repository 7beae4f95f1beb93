"""The pages of the manual, read from the Markdown files beside this module.

A link from one page to another is a relative path to its `.md` file, so that it works in the repository;
here it becomes a path under /docs. Anchors are made from headings as source code hosts make them.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = "/docs"
INDEX = "index"

# HTML passes through: the pages are part of the package, and need comments and <details>.
_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class ManualSection:
    """A heading with the plain text below it, up to the next heading."""

    level: int
    anchor: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ManualPage:
    """A page as HTML, and its sections for the table of contents and the search."""

    name: str
    title: str
    html: str
    sections: tuple[ManualSection, ...]

    @property
    def url(self) -> str:
        return url_of(self.name)


class Chapter(NamedTuple):
    """A heading of the index with the pages that it lists: (name, title)."""

    title: str
    pages: tuple[tuple[str, str], ...]


def url_of(name: str) -> str:
    """Return the path at which a page is served."""
    return ROOT if name == INDEX else f"{ROOT}/{name}"


@cache
def load_page(name: str) -> ManualPage:
    """Return a page by its path below this folder without `.md`. Raises FileNotFoundError."""
    tokens = _parse(name)
    sections = tuple(_sections(tokens))
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    wide = html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return ManualPage(name, sections[0].title, wide, sections)


@cache
def chapters() -> tuple[Chapter, ...]:
    """Return the chapters of the manual in the order of the index, which lists all pages."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    is_heading = False
    for token in _parse(INDEX):
        if token.type == "heading_open":
            is_heading = True
        elif token.type == "inline" and is_heading:
            found.append((_plain(token), []))
            is_heading = False
        elif token.type == "inline":
            found[-1][1].extend(_links(token))
    return tuple(Chapter(title, tuple(pages)) for title, pages in found if pages)


def page_names() -> list[str]:
    """Return the names of all pages in reading order; the first is the index."""
    return [INDEX, *(name for chapter in chapters() for name, _ in chapter.pages)]


def _parse(name: str) -> list[Token]:
    """Return a page's tokens with anchors on its headings and links as they are served."""
    tokens = _MARKDOWN.parse(files("receiver.docs").joinpath(f"{name}.md").read_text(encoding="utf-8"))
    taken: dict[str, int] = {}
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", _anchor(_plain(inline), taken))
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _served(name, str(child.attrGet("href"))))
    _label_cells(tokens)
    return tokens


def _label_cells(tokens: Sequence[Token]) -> None:
    """Give each cell of a table the heading of its column: phones show cells below each other."""
    headings: list[str] = []
    column = 0
    for opening, inline in pairwise(tokens):
        if opening.type == "table_open":
            headings = []
        elif opening.type == "tr_open":
            column = 0
        elif opening.type == "th_open":
            headings.append(_plain(inline))
        elif opening.type == "td_open":
            opening.attrSet("data-label", headings[column])
            column += 1


def _anchor(title: str, taken: dict[str, int]) -> str:
    """Return the anchor of a heading; `taken` counts equal ones, which get a number."""
    slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
    count = taken.get(slug, 0)
    taken[slug] = count + 1
    return f"{slug}-{count}" if count else slug


def _served(name: str, target: str) -> str:
    path, hash_sign, anchor = target.partition("#")
    if ":" in target or not path.endswith(".md"):
        return target
    other = posixpath.normpath(posixpath.join(posixpath.dirname(name), path.removesuffix(".md")))
    return f"{url_of(other)}{hash_sign}{anchor}"


def _links(inline: Token) -> list[tuple[str, str]]:
    """Return the name and the link text of each page that a line of the index links to."""
    children = inline.children or []
    return [
        (str(link.attrGet("href")).removeprefix(f"{ROOT}/"), text.content)
        for link, text in pairwise(children)
        if link.type == "link_open" and str(link.attrGet("href")).startswith(f"{ROOT}/")
    ]


def _sections(tokens: Sequence[Token]) -> list[ManualSection]:
    """Return the sections of a page, the first with its title."""
    starts = [number for number, token in enumerate(tokens) if token.type == "heading_open"]
    return [
        ManualSection(
            level=int(tokens[start].tag[1]),
            anchor=str(tokens[start].attrGet("id")),
            title=_plain(tokens[start + 1]),
            text=" ".join(filter(None, map(_plain, tokens[start + 2 : end]))),
        )
        for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)
    ]


def _plain(token: Token) -> str:
    """Return the text of a token without its markup."""
    if token.type == "fence":
        return " ".join(token.content.split())
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children or ())
