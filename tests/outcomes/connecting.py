"""One message to a stand-in of a CRM, sent as often as a test wants."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
import orjson

from receiver.outcomes.event_types import example
from receiver.outcomes.formats import FORMATS
from receiver.outcomes.outbound import Answer, Letter, Posted, Subscription
from receiver.outcomes.subscription_filter import Format
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
NAMES: tuple[Format, ...] = ("bitrix24", "amocrm", "hubspot")


class Message:
    """One message, as it is sent again and again: what its format keeps is there in the next attempt."""

    def __init__(self, name: Format, event: str = "evt_1", /, **changes: Any) -> None:
        options = TOKENS[name] | changes.pop("options", {})
        data = {**example("task.finished")["data"], "talk_s": 64.0, **changes}
        to = Subscription("s", URLS[name], [], name, options)
        self.kept: dict[str, Any] = {}
        self.letter = Letter(event, "task.finished", AT, data, to, AT, keep=self._keep)

    async def _keep(self, kept: Mapping[str, Any]) -> None:
        self.kept = orjson.loads(orjson.dumps(kept))

    async def send(self, vendor: Stand, **changes: Any) -> Answer:
        letter = replace(self.letter, kept=self.kept, **changes)
        answer = await FORMATS[letter.subscription.format].send(letter, vendor)
        assert answer
        return answer


def stand_of(name: Format) -> Any:
    if name == "bitrix24":
        return Bitrix24Stand()
    return AmoCrmStand(NUMBER) if name == "amocrm" else HubSpotStand({"31": {"phone": NUMBER}})


LOST = httpx2.ReadTimeout("the answer was lost")


class Asked:
    """Keeps what is asked, and answers that all is well."""

    def __init__(self, answer: Answer) -> None:
        self.posted: list[Posted] = []
        self.answer = answer

    async def __call__(self, posted: Posted) -> Answer:
        self.posted.append(posted)
        return self.answer
