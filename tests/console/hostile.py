"""A task whose every text, from hooks, the scheduler, the CRM and subscribers, is Cyrillic and markup."""

import time
from dataclasses import dataclass

import httpx2
from sqlalchemy import select
from starlette.responses import Response

from receiver.api import api_context
from receiver.domain.facts import CallRecord, FactPayload, QueueSnapshot, TaskSettled, observation, queue_fact
from receiver.domain.hooks import mint_urls
from receiver.http.endpoint import Call, Caller, Params
from receiver.outcomes.params import SubscriptionBody
from receiver.outcomes.subscription_endpoints import add_subscription
from receiver.outcomes.tables import DELIVERY_ATTEMPT
from tests.console.console_env import ConsoleEnv
from tests.http.api_env import finished
from tests.outcomes.subscriber import Received

ACCOUNT, REF = "north", "hostile"

ELEMENT = "<b data-hit>Ёж</b>"
ID = "<b data-hit>Ёж"
"""Of a task, a queue and a call. An id with a slash has no address in the API either."""

MARKUP = f"""Иван "'>{ELEMENT}<img src=x onerror=window.hit=1><script>window.hit=1</script>{{{{7*7}}}}"""
"""If it is not escaped, there is an element with `data-hit`, the script runs, or the policy is violated."""


async def answer(_received: Received) -> Response:
    """Answer a delivery with markup, and refuse it."""
    return Response(MARKUP, 500, media_type="text/html")


SENDING = {"enabled": True, "allowed_networks": ["127.0.0.0/8"]}
"""Settings of delivery to subscribers on this machine."""


async def subscribe(console: ConsoleEnv, name: str, url: str) -> None:
    """Add a subscription, as the API does."""
    body = SubscriptionBody(name=name, url=url)
    caller = Caller(ELEMENT, frozenset())
    await add_subscription(Call(api_context(console.receiver), caller, {}, Params(), body))


@dataclass
class Hostile:
    """Fills the store of a running console."""

    console: ConsoleEnv
    crm_url: str

    async def fill(self) -> None:
        """Return once all is stored, and a delivery was attempted."""
        await subscribe(self.console, MARKUP[:60], f"{self.crm_url}?{ELEMENT.replace(' ', '/')}")
        await self._hooks()
        await self._record()
        await self.console.receiver.caught_up()
        await self._attempted()

    async def _hooks(self) -> None:
        urls = mint_urls(self.console.receiver.signer, self.console.hooks_url, ACCOUNT, REF)
        names = (
            "finish_comment",
            "a_number",
            "b_number",
            "call_id",
            "task_id",
            "scheduler_id",
            "name",
            "CallerName",
        )
        fields = dict.fromkeys(names, MARKUP) | {"finish_result": ELEMENT, MARKUP: MARKUP}
        headers = {b"User-Agent": ELEMENT.encode()}
        async with httpx2.AsyncClient() as http:
            for event in ("before", "success", "after"):
                url = f"{urls[f'url_{event}']}?q={ELEMENT}"
                (await http.post(url, data=fields, headers=headers)).raise_for_status()
            await http.post(f"{self.console.hooks_url}/h/{ELEMENT}", data=fields, headers=headers)

    async def _record(self) -> None:
        now = self.console.receiver.environment.clock.now()
        snapshot = finished(
            name=MARKUP,
            finish_comment=MARKUP,
            queue_id=ID,
            cdr=ID,
            extension_id=ELEMENT,
            start_at=now,
            extra={ELEMENT: MARKUP},
        )
        legs = ({"leg": "a", "number": MARKUP, "result": MARKUP, "start_time": now},)
        call = CallRecord(ID, result=MARKUP, hangup_cause=MARKUP, legs=legs, extra={ELEMENT: MARKUP})
        told: tuple[FactPayload, ...] = (snapshot, call, TaskSettled())
        facts = [
            observation(ACCOUNT, now + place, payload, names)
            for names in ((REF, f"9{REF}"), (None, ID))
            for place, payload in enumerate(told)
        ]
        queue = QueueSnapshot(ID, "on", name=MARKUP, comment=MARKUP, extra={ELEMENT: MARKUP})
        await self.console.receiver.ledger.record([queue_fact(ACCOUNT, now, queue), *facts])

    async def _attempted(self) -> None:
        deadline = time.monotonic() + 30
        query = select(DELIVERY_ATTEMPT.c.seq).where(DELIVERY_ATTEMPT.c.status == 500).limit(1)
        while not await self.console.rows(query):
            assert time.monotonic() < deadline, "no delivery was attempted"
            await self.console.receiver.environment.clock.sleep(0.05)
