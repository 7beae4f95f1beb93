"""The OAuth endpoint: client credentials for a token."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.emulator import refusals
from receiver.emulator.door import Parts
from receiver.emulator.faults import decide_api
from receiver.emulator.quirks import expires_in
from receiver.emulator.tokens import OAuthError

STATUSES: dict[OAuthError, int] = {"unsupported_grant_type": 400, "invalid_client": 401, "invalid_grant": 400}


async def issue_token(request: Request, parts: Parts) -> Response:
    """An answer of `POST /oauth/token`. Of the faults it knows slowness, errors and pages."""
    form = await request.form()
    grant_type, client_id, secret = (
        str(form.get(name, "")) for name in ("grant_type", "client_id", "client_secret")
    )
    fate = decide_api(parts.config.faults, parts.world.chance_of("api", "token", client_id), "token")
    if fate.slow:
        parts.world.injected["api_slow"] += 1
        await parts.clock.sleep(fate.slow)
    if fate.error_before:
        parts.world.injected["api_error_before"] += 1
        return refusals.server_error(fate.error_before).response()
    if fate.html_page:
        parts.world.injected["api_html_page"] += 1
        return refusals.html_page().response()
    if error := parts.world.tokens.refusal(grant_type, client_id, secret):
        return JSONResponse({"error": error}, STATUSES[error])
    tokens = parts.world.tokens
    token = tokens.issue(client_id, parts.clock.now())
    quirks = parts.world.accounts[tokens.number_of(client_id)].quirks
    life = expires_in(quirks, parts.config.token_ttl)
    return JSONResponse({"access_token": token, "token_type": "Bearer"} | life)
