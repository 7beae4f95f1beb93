"""Errors of the API, raised by handlers and turned into answers by `ApiEndpoint`."""

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

PAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"


class ApiError(Exception):
    """An error with its HTTP status. `fields`: added to `message` in the body."""

    def __init__(self, code: int, message: str, /, **fields: str) -> None:
        super().__init__(message)
        self._code = code
        self._body = fields | {"message": message}

    def response(self) -> Response:
        return JSONResponse(self._body, self._code)


class _PageError(ApiError):
    """An HTML page with status 200 instead of an answer."""

    def response(self) -> Response:
        return HTMLResponse(PAGE, 200)


class _RedirectError(ApiError):
    """A redirect."""

    def __init__(self, code: int, url: str) -> None:
        super().__init__(code, "redirected")
        self._code = code
        self._url = url

    def response(self) -> Response:
        return RedirectResponse(self._url, self._code)


def not_found() -> ApiError:
    return ApiError(404, "Record not found")


def bad_input(field: str, problem: str) -> ApiError:
    return ApiError(400, f"{field}: {problem}")


def html_page() -> ApiError:
    return _PageError(200, "a page of HTML")


def redirect(status: int, url: str) -> ApiError:
    return _RedirectError(status, url)


def forbidden() -> ApiError:
    return ApiError(403, "Access denied")


def expired(status: int) -> ApiError:
    """Return the error for an expired token, with 401 or 403."""
    return unauthorized() if status == 401 else ApiError(status, "Access token has expired")


def unauthorized() -> ApiError:
    return ApiError(401, "Access token is missing, expired or revoked", status="unauthorized")


def quota_exceeded() -> ApiError:
    return ApiError(429, "Rate limit exceeded", status="rate_limit_exceeded")


def stats_busy() -> ApiError:
    return ApiError(429, "Stats request already exists, concurrent request not allowed")


def server_error(status: int) -> ApiError:
    return ApiError(status, "Internal error")
