"""Errors of the API, raised by handlers and turned into answers by `ApiEndpoint`."""

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

PAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"


class ApiError(Exception):
    """An error with its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


def _error(code: int, message: str, **fields: str) -> ApiError:
    return ApiError(JSONResponse(fields | {"message": message}, code))


def not_found() -> ApiError:
    return _error(404, "Record not found")


def bad_input(field: str, problem: str) -> ApiError:
    return _error(400, f"{field}: {problem}")


def gzip_required() -> ApiError:
    return _error(406, "Accept-Encoding: gzip is required")


def html_page() -> ApiError:
    """Return an HTML page with status 200 instead of an answer."""
    return ApiError(HTMLResponse(PAGE))


def redirect(status: int, url: str) -> ApiError:
    return ApiError(RedirectResponse(url, status))


def forbidden() -> ApiError:
    return _error(403, "Access denied")


def expired(status: int) -> ApiError:
    """Return the error for an invalid token, with 401 or 403."""
    if status == 401:
        return _error(401, "Access token is missing, expired or revoked", status="unauthorized")
    return _error(status, "Access token has expired")


def quota_exceeded() -> ApiError:
    return _error(429, "Rate limit exceeded", status="rate_limit_exceeded")


def stats_busy() -> ApiError:
    return _error(429, "Stats request already exists, concurrent request not allowed")


def server_error(status: int) -> ApiError:
    return _error(status, "Internal error")
