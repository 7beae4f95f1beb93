"""The manual as the running service serves it."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from importlib.resources import files
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette

from receiver.api import ENDPOINTS
from receiver.docs.endpoints import docs_routes
from receiver.docs.manual import INDEX, chapters, load_page, page_names, url_of
from receiver.http.openapi import openapi

pytestmark = pytest.mark.anyio

PATHS = [url_of(name) for name in page_names()]
API_PAGE = "/docs/reference/api"


class Links(HTMLParser):
    """Anchors, where links, scripts and images lead, and the tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "action"):
                self.targets.add(value or "")


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Starlette(routes=docs_routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://receiver.test") as client:
        yield client


def test_the_index_lists_every_page_once() -> None:
    folder = files("receiver.docs")
    found = [file.name for file in folder.iterdir() if file.name.endswith(".md")]
    for room in ("how-to", "reference", "explanation"):
        found += [f"{room}/{file.name}" for file in folder.joinpath(room).iterdir()]
    assert sorted(f"{name}.md" for name in page_names()) == sorted(found)


def test_the_chapters_are_the_four_kinds() -> None:
    assert [chapter.title for chapter in chapters()] == [
        *("Tutorial", "How-to guides", "Reference", "Explanation")
    ]


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_loads_nothing_and_every_link_leads_somewhere(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = Links(answer.text)
    assert len(set(links.ids)) == len(links.ids)
    assert not {"script", "link", "img", "iframe", "object"} & set(links.tags)
    assert "url(" not in answer.text
    assert 'name="viewport"' in answer.text
    assert links.tags.count("h1") == 1
    for target in links.targets - {"/openapi.json"}:
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https", target
            continue
        other = Links((await client.get(parts.path)).text) if parts.path else links
        assert parts.path in ("", *PATHS), target
        assert parts.fragment in ("", *other.ids), target


@pytest.mark.parametrize("path", ["/docs", "/docs?q=hook", "/docs/nowhere"])
async def test_the_policy_allows_the_style_of_the_page_and_nothing_else(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "style=" not in answer.text


async def test_an_unknown_page_is_404_and_offers_the_search(client: httpx2.AsyncClient) -> None:
    for path in ("/docs/nowhere", "/docs/../manual", "/docs/reference", "/docs/__init__", "/docs/page.html"):
        answer = await client.get(path)
        assert answer.status_code == 404
    answer = await client.get("/docs/nowhere")
    assert 'role="search"' in answer.text


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/docs/", "/docs"),
        ("/docs/index", "/docs"),
        ("/docs/index.md", "/docs"),
        ("/docs/reference/api.md", API_PAGE),
        ("/docs/reference/api/", API_PAGE),
    ],
)
async def test_other_spellings_lead_to_the_page(client: httpx2.AsyncClient, path: str, location: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, location)


async def test_the_reference_shows_each_request_with_its_method(client: httpx2.AsyncClient) -> None:
    html = (await client.get(API_PAGE)).text
    blocks = re.split(r"<h3 [^>]*>", html)
    shown = {block.partition("</h3>")[0]: block for block in blocks}
    operations = [
        (path, method) for path, methods in openapi(ENDPOINTS)["paths"].items() for method in methods
    ]
    assert len(operations) == len(ENDPOINTS)
    for path, method in operations:
        block = shown[f"{method.upper()} {path}"]
        assert (f"-X {method.upper()}" in block) == (method != "get"), (path, method)


def test_the_files_of_the_pages_come_with_the_package() -> None:
    folder = files("receiver.docs")
    for name in ("manual.css", "page.html", *(f"{name}.md" for name in page_names())):
        assert folder.joinpath(name).is_file()


def test_a_page_is_read_once() -> None:
    assert load_page(INDEX) is load_page(INDEX)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("settings", "/docs/reference/settings"),
        ("lease_s", "/docs/reference/settings"),
        ("GET /v1/drift", "/docs/reference/api#get-v1drift"),
        ("verified CRM", "/docs/tutorial"),
    ],
)
async def test_the_search_finds_the_section(client: httpx2.AsyncClient, query: str, first: str) -> None:
    html = (await client.get("/docs", params={"q": query})).text
    hits = re.findall('<li><a href="([^"]+)">', html.partition('<ol class="hits">')[2].partition("</ol>")[0])
    assert first in hits[:3]
    assert "<mark>" in html


async def test_a_search_without_a_hit_says_so(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/docs", params={"q": "zebra <b>crossing</b>"})
    assert answer.status_code == 200
    assert "No section has all of these words" in answer.text
    assert "<b>crossing" not in answer.text
    assert "zebra &lt;b&gt;" in answer.text


@pytest.mark.parametrize("query", ["", " ", "x" * 10_000, "( [ *", "hook " * 200])
async def test_any_query_is_answered(client: httpx2.AsyncClient, query: str) -> None:
    assert (await client.get("/docs", params={"q": query})).status_code == 200
