"""The routes of the manual: its entrance with the search, and one page each."""

import base64
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.docs.manual import INDEX, ROOT, chapters, load_page, page_names, url_of
from receiver.docs.search import search

_MAX_QUERY = 200


def docs_routes() -> list[BaseRoute]:
    """Return the routes of the manual. They need no token and run in threads."""
    return [Route(ROOT, _entrance), Route(ROOT + "/{name:path}", _page)]


def _entrance(request: Request) -> Response:
    query = request.query_params.get("q", "").strip()[:_MAX_QUERY]
    if not query:
        return _show(INDEX)
    return _answer({"title": f"Search: {query}", "query": query, "hits": search(query), "name": None})


def _page(request: Request) -> Response:
    name = request.path_params["name"]
    if name.endswith((".md", "/")) or name in ("", INDEX):
        return RedirectResponse(url_of(name.rstrip("/").removesuffix(".md") or INDEX))
    if name not in page_names():
        return _answer({"title": "No such page", "query": "", "hits": None, "name": None}, 404)
    return _show(name)


def _show(name: str) -> Response:
    page, names = load_page(name), page_names()
    place = names.index(name)
    nearby = [load_page(other) if other else None for other in (_at(names, place - 1), _at(names, place + 1))]
    return _answer({"title": page.title, "query": "", "name": name, "page": page, "nearby": nearby})


def _at(names: list[str], place: int) -> str | None:
    return names[place] if 0 <= place < len(names) else None


def _answer(values: dict[str, object], status: int = 200) -> Response:
    template, style, policy = _layout()
    html = template.render(style=style, chapters=chapters(), url_of=url_of, root=ROOT, **values)
    return HTMLResponse(html, status, headers=policy)


@cache
def _layout() -> tuple[Template, str, dict[str, str]]:
    """Return the template, the style sheet, and the headers that allow this style sheet and nothing else."""
    loader = FunctionLoader(lambda name: files("receiver.docs").joinpath(name).read_text(encoding="utf-8"))
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    style = files("receiver.docs").joinpath("manual.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    return environment.get_template("page.html"), style, headers
