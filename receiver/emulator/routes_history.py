"""Call history: one request of an account at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.responses import JSONResponse, Response

from receiver.emulator import refusals
from receiver.emulator.door import ApiCall
from receiver.emulator.history import history_record
from receiver.emulator.inputs import read_page


@asynccontextmanager
async def _alone(call: ApiCall) -> AsyncIterator[None]:
    """Work for as long as history takes; a request that comes meanwhile is refused."""
    if "no_call_history" in call.account.quirks:
        raise refusals.forbidden()
    if call.account.history_busy:
        raise refusals.stats_busy()
    call.account.history_busy = True
    try:
        await call.parts.clock.sleep(call.parts.config.history_seconds)
        yield
    finally:
        call.account.history_busy = False


async def call_history_read(call: ApiCall) -> Response:
    async with _alone(call):
        record = call.account.find_call(call.request.path_params["call_uuid"])
        if record is None:
            raise refusals.not_found()
        return JSONResponse(history_record(record))


async def call_history_list(call: ApiCall) -> Response:
    page = read_page(call.request)
    async with _alone(call):
        records = list(call.account.calls.values())[page.bounds]
        body = {"page": page.page, "per_page": page.per_page, "order": "asc"}
        return JSONResponse(body | {"call_history": [history_record(record) for record in records]})
