"""`template`: whatever body a subscriber wants, by a Jinja template in a sandbox."""

from functools import lru_cache

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from receiver.delivery.formats.standard import envelope, signed
from receiver.delivery.letter import Answer, FormatError, Letter, Post, Posted

_MOST_TEMPLATE, _MOST_BODY = 20_000, 64_000
"""Characters of a template, and of what it makes."""

_METHODS = ("POST", "PUT", "PATCH")
_RESERVED = ("webhook-", "host", "content-length", "transfer-encoding", "connection")


class FromTemplate:
    """Options: `body` (the template; it knows `event`, and `event.data`; the filter `tojson` makes JSON),
    `content_type`, `method` (POST, PUT, PATCH), `headers`; `types`: only events of these types.
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        options = letter.subscription.options
        if options.get("types") and letter.type not in options["types"]:
            return None
        headers = _headers(options.get("headers", {}))
        headers["content-type"] = str(options.get("content_type", "application/json"))
        posted = signed(letter, _made(letter), headers)
        method = str(options.get("method", "POST")).upper()
        if method not in _METHODS:
            raise FormatError(f"options.method: {', '.join(_METHODS)}")
        return await post(Posted(posted.url, posted.body, posted.headers, method))


def _made(letter: Letter) -> bytes:
    try:
        text = _compiled(str(letter.subscription.options.get("body", ""))).render(event=envelope(letter))
    except (TemplateError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise FormatError(f"options.body: {type(error).__name__}") from None
    if len(text) > _MOST_BODY:
        raise FormatError(f"options.body: makes more than {_MOST_BODY} characters")
    return text.encode()


def _headers(given: object) -> dict[str, str]:
    if not isinstance(given, dict):
        raise FormatError("options.headers: an object of names and values")
    headers = {str(name).lower(): str(value) for name, value in given.items()}
    for name, value in headers.items():
        if name.startswith(_RESERVED) or not name.isascii() or any(char in name + value for char in "\r\n\0"):
            raise FormatError("options.headers: names a header that is not its to set")
    return headers


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    if not text or len(text) > _MOST_TEMPLATE:
        raise FormatError(f"options.body: a template of 1 to {_MOST_TEMPLATE} characters")
    return ImmutableSandboxedEnvironment(autoescape=False).from_string(text)
