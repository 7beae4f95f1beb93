"""Templates become answers: layout, words, times, and the headers of every page."""

import asyncio
from collections.abc import Mapping
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.console.badges import badge, outcome_badge, state_badge
from receiver.console.preferences import preferences_of
from receiver.console.visit import task_path
from receiver.domain.moments import iso
from receiver.i18n.catalogue import catalogue
from receiver.story.times import Times

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every page: only our own style and script, no frames, no caches."""

_FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
"""Of reports and pictures, which have styles of their own. As pages of their own they run no script."""

STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Files that pages load, and their media types."""


async def render(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return a page in the language and theme of the visitor. `values`: of the template. It is made in a
    thread, so that hooks do not wait for it.
    """
    preferences = preferences_of(request)
    texts = catalogue(preferences.language)
    common = {
        "t": texts.text,
        "number": texts.number,
        "state_badge": partial(state_badge, preferences.language),
        "outcome_badge": partial(outcome_badge, preferences.language),
        "preferences": preferences,
        "path": request.url.path,
        "asset": asset_path,
        "visit": None,
        "menu": {},
        "notice": None,
    }
    html = await asyncio.to_thread(_templates().get_template(template).render, {**common, **values})
    return HTMLResponse(html, status, headers=HEADERS)


def time_tag(times: Times, moment: float | None, unknown: str = "–") -> Markup:
    """Return a moment as an element that machines can read, in the zone of the visitor."""
    if moment is None:
        return Markup('<span class="none">{}</span>').format(unknown)
    return Markup(f'<time datetime="{iso(moment)}">{times.at(moment)}</time>')  # noqa: S704 -- digits only


def asset_path(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    return f"/console/static/{name}?v={_digest(name)}"


def static_file(name: str) -> Response:
    """Return a static file. Raises KeyError for an unknown name."""
    headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_text("static", name), media_type=STATIC[name], headers=headers)


def guard_file(answer: Response) -> Response:
    """Add the headers of pages to a file, unless it has its own."""
    for name, value in {**HEADERS, "Content-Security-Policy": _FILE_POLICY}.items():
        answer.headers.setdefault(name, value)
    return answer


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FunctionLoader(partial(_text, "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"badge": badge, "time_tag": time_tag, "task_path": task_path}
    return environment


@cache
def _text(folder: str, name: str) -> str:
    return files("receiver.console").joinpath(folder, name).read_text(encoding="utf-8")


@cache
def _digest(name: str) -> str:
    return sha256(_text("static", name).encode()).hexdigest()[:12]
