"""One message to a stand-in of a CRM, sent as often as a test wants."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import orjson

from receiver.outcomes.claim_sql import ClaimedMessage
from receiver.outcomes.event_types import example
from receiver.outcomes.formats import FORMATS
from receiver.outcomes.outbound import HttpRequest, HttpResponse, OutboundEvent, advance
from receiver.outcomes.subscription import FormatName, Subscription
from tests.outcomes.vendors import AmoCrmStand, Bitrix24Stand, HubSpotStand, Stand

AT = 1_772_357_600.0
NUMBER = "+79990000002"
RECORD = "https://pbx.example/records/{record}"
URLS = {
    "bitrix24": "https://portal.example/rest/1/code/",
    "amocrm": "https://us.amocrm.example",
    "hubspot": "https://api.hubapi.example/",
}
TOKENS = {
    "bitrix24": {"user_id": 7},
    "amocrm": {"token": "a-long-lived-token"},
    "hubspot": {"token": "a-private-app"},
}
NAMES: tuple[FormatName, ...] = ("bitrix24", "amocrm", "hubspot")


class Message:
    """One message, sent again and again: the progress that its format saves is there in the next attempt."""

    def __init__(self, name: FormatName, event: str = "evt_1", /, **changes: Any) -> None:
        options = TOKENS[name] | changes.pop("options", {})
        data = {**example("task.finished")["data"], "talk_s": 64.0, **changes}
        self.subscription = Subscription(id="s", name="s", url=URLS[name], format=name, options=options)
        self.claimed = ClaimedMessage(
            *(1, "s", "waiting", 0, AT, AT), event, "task.finished", AT, data, claimed_until=AT
        )

    @property
    def event(self) -> OutboundEvent:
        message, progress = self.claimed, self.claimed.progress
        return OutboundEvent(
            message.id, message.type, AT, message.data, self.subscription, AT, progress=progress
        )

    async def send(self, vendor: Stand, **changes: Any) -> HttpResponse:
        response = await converse(replace(self.event, **changes), vendor, self._save)
        assert response
        return response

    def _save(self, progress: Mapping[str, Any]) -> None:
        self.claimed.progress = orjson.loads(orjson.dumps(progress))


async def converse(
    event: OutboundEvent,
    vendor: Callable[[HttpRequest], Awaitable[HttpResponse]],
    save: Callable[[Mapping[str, Any]], None] = lambda progress: None,
) -> HttpResponse | None:
    """Lead the exchange of an event's format with a vendor."""
    exchange, response = FORMATS[event.subscription.format](event), None
    while isinstance(step := advance(exchange, response), HttpRequest):
        if step.progress is not None:
            save(step.progress)
        response = await vendor(step)
    return step


def stand_of(name: FormatName) -> Any:
    if name == "bitrix24":
        return Bitrix24Stand()
    return AmoCrmStand(NUMBER) if name == "amocrm" else HubSpotStand({"31": {"phone": NUMBER}})


LOST = httpx2.ReadTimeout("the answer was lost")


class Asked:
    """Keeps what is asked, and answers that all is well."""

    def __init__(self, response: HttpResponse) -> None:
        self.requests: list[HttpRequest] = []
        self.response = response

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self.response
