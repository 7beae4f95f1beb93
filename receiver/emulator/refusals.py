"""Answers that say no: raised anywhere below a route, turned into JSON at the door."""

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

PAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"


class RefusedError(Exception):
    """An error answer of the API, by its HTTP status. `fields` stand beside `message` in the body."""

    def __init__(self, code: int, message: str, /, **fields: str) -> None:
        super().__init__(message)
        self._code = code
        self._body = fields | {"message": message}

    def response(self) -> Response:
        return JSONResponse(self._body, self._code)


class _PageError(RefusedError):
    """A page for people, in place of an answer."""

    def response(self) -> Response:
        return HTMLResponse(PAGE, 200)


class _RedirectError(RefusedError):
    """The answer is said to be elsewhere."""

    def __init__(self, code: int, url: str) -> None:
        super().__init__(code, "redirected")
        self._code = code
        self._url = url

    def response(self) -> Response:
        return RedirectResponse(self._url, self._code)


def not_found() -> RefusedError:
    return RefusedError(404, "Record not found")


def bad_input(field: str, problem: str) -> RefusedError:
    return RefusedError(400, f"{field}: {problem}")


def html_page() -> RefusedError:
    return _PageError(200, "a page of HTML")


def redirect(status: int, url: str) -> RefusedError:
    return _RedirectError(status, url)


def forbidden() -> RefusedError:
    return RefusedError(403, "Access denied")


def expired(status: int) -> RefusedError:
    """A token that is not in force any more, with 401 or 403."""
    return unauthorized() if status == 401 else RefusedError(status, "Access token has expired")


def unauthorized() -> RefusedError:
    return RefusedError(401, "Access token is missing, expired or revoked", status="unauthorized")


def quota_exceeded() -> RefusedError:
    return RefusedError(429, "Rate limit exceeded", status="rate_limit_exceeded")


def stats_busy() -> RefusedError:
    return RefusedError(429, "Stats request already exists, concurrent request not allowed")


def server_error(status: int) -> RefusedError:
    return RefusedError(status, "Internal error")
