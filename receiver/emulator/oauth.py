"""The OAuth endpoint: client credentials for a token."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.emulator import errors
from receiver.emulator.api import Context
from receiver.emulator.faults import decide_api
from receiver.emulator.quirks import expires_in
from receiver.emulator.tokens import OAuthError

STATUSES: dict[OAuthError, int] = {"unsupported_grant_type": 400, "invalid_client": 401, "invalid_grant": 400}


async def issue_token(request: Request, context: Context) -> Response:
    """Answer `POST /oauth/token`, with injected slowness, errors and HTML pages."""
    form = await request.form()
    grant_type, client_id, secret = (
        str(form.get(name, "")) for name in ("grant_type", "client_id", "client_secret")
    )
    fate = decide_api(context.config.faults, context.world.rng_of("api", "token", client_id), "token")
    if fate.slow:
        context.world.injected["api_slow"] += 1
        await context.clock.sleep(fate.slow)
    if fate.error_before:
        context.world.injected["api_error_before"] += 1
        return errors.server_error(fate.error_before).response
    if fate.html_page:
        context.world.injected["api_html_page"] += 1
        return errors.html_page().response
    if error := context.world.tokens.refusal(grant_type, client_id, secret):
        return JSONResponse({"error": error}, STATUSES[error])
    tokens = context.world.tokens
    token = tokens.issue(client_id, context.clock.now())
    quirks = context.world.accounts[tokens.number_of(client_id)].quirks
    life = expires_in(quirks, context.config.token_ttl)
    return JSONResponse({"access_token": token, "token_type": "Bearer"} | life)
