"""Answers that say no: raised anywhere below a route, turned into JSON at the door."""

from starlette.responses import JSONResponse, Response


class RefusedError(Exception):
    """An error answer of the API, by its HTTP status. `fields` stand beside `message` in the body."""

    def __init__(self, code: int, message: str, /, **fields: str) -> None:
        super().__init__(message)
        self._code = code
        self._body = fields | {"message": message}

    def response(self) -> Response:
        return JSONResponse(self._body, self._code)


def not_found() -> RefusedError:
    return RefusedError(404, "Record not found")


def bad_input(field: str, problem: str) -> RefusedError:
    return RefusedError(400, f"{field}: {problem}")


def unauthorized() -> RefusedError:
    return RefusedError(401, "Access token is missing, expired or revoked", status="unauthorized")


def quota_exceeded() -> RefusedError:
    return RefusedError(429, "Rate limit exceeded", status="rate_limit_exceeded")


def stats_busy() -> RefusedError:
    return RefusedError(429, "Stats request already exists, concurrent request not allowed")


def server_error(status: int) -> RefusedError:
    return RefusedError(status, "Internal error")
