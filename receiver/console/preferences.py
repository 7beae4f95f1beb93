"""How a visitor wants pages: language, theme and time zone, kept in cookies of a year."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.requests import Request
from starlette.responses import Response

from receiver.domain.calendar import Calendar
from receiver.errors import ErrorKind, InputError
from receiver.http.endpoint import choose_media
from receiver.i18n.catalogue import LANGUAGES, Language

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)

_REGION = re.compile(r"-[a-z0-9]+")
"""The country or script of a language: `-RU` of `ru-RU`."""

_PREFIX = "receiver_"
_YEAR_S = 31_536_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """`zone`: name of the time zone; None: that of the settings."""

    language: Language = "en"
    theme: Theme = "auto"
    zone: str | None = None


def preferences_of(request: Request) -> Preferences:
    """Return the preferences of the cookies, else the language that the browser asks for."""
    values = {name: request.cookies.get(_PREFIX + name, "") for name in ("language", "theme", "zone")}
    ranges = _REGION.sub("", request.headers.get("accept-language", "").lower())
    accepted = choose_media(ranges, LANGUAGES)
    languages: dict[str, Language] = {each: each for each in LANGUAGES}
    themes: dict[str, Theme] = {each: each for each in THEMES}
    return Preferences(
        language=languages.get(values["language"]) or languages[accepted],
        theme=themes.get(values["theme"], "auto"),
        zone=values["zone"] if _is_zone(values["zone"]) else None,
    )


def keep_preferences(response: Response, form: Mapping[str, str], secure: bool) -> None:
    """Set cookies for the preferences in a form. Raises InputError for an unknown value."""
    choices: dict[str, tuple[str, ...]] = {"language": LANGUAGES, "theme": THEMES}
    for name, known in choices.items():
        if form.get(name, known[0]) not in known:
            raise InputError(name, "none of the choices", ErrorKind("choice"))
    if form.get("zone"):
        Calendar(form["zone"])
    for name in ("language", "theme", "zone"):
        if name in form:
            response.set_cookie(
                _PREFIX + name,
                form[name],
                max_age=_YEAR_S,
                path="/console",
                secure=secure,
                httponly=True,
                samesite="lax",
            )


def _is_zone(name: str) -> bool:
    try:
        Calendar(name)
    except InputError:
        return False
    return bool(name)
