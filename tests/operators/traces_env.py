"""A receiver that makes spans, with a scheduler, a subscriber and a collector beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.types import ASGIApp

from receiver.server import listen
from receiver.settings.models import AccountSettings, DeliverySettings, ReconcileSettings, TracesSettings
from tests.app.serving import FIXED_SECRET, Serving, serving
from tests.operators.collector import Collector
from tests.outcomes.subscriber import Subscriber, subscriber
from tests.reconcile.scripted import Scripted

APP_SECRET = "application-secret"


@dataclass
class TracesEnv:
    """`secret`: of the subscription."""

    serving: Serving
    scheduler: Scripted
    crm: Subscriber
    secret: str

    async def exemplars(self) -> dict[str, list[Sample]]:
        """Family → its buckets that have one, in a scrape."""
        answer = await self.serving.http.get("/metrics", headers={"accept": CONTENT_TYPE_LATEST})
        families = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
        return {family.name: [sample for sample in family.samples if sample.exemplar] for family in families}

    async def told(self, event: str, ref: str) -> dict[str, str]:
        """The headers with which the subscriber was told this of the task."""
        async with asyncio.timeout(20):
            while True:
                for received in self.crm.received:
                    if (received.event["type"], received.event["data"]["ref"]) == (event, ref):
                        return received.headers
                self.crm.arrived.clear()
                await self.crm.arrived.wait()


@asynccontextmanager
async def open_traces_env(folder: Path, endpoint: str | None, share: float = 1.0) -> AsyncIterator[TracesEnv]:
    """With `endpoint`, that of a collector, spans go there."""
    scheduler = Scripted()
    scheduler.add("17")
    traces = TracesSettings.model_validate({"endpoint": endpoint, "share": share})
    async with listening(scheduler.app) as root, subscriber() as crm:
        account = AccountSettings.model_validate(
            {
                "base_url": f"{root}/api/ver1.0",
                "client_id": "10001",
                "oauth_client_id": "app",
                "oauth_client_secret": APP_SECRET,
                "fixed_secret": FIXED_SECRET,
            }
        )
        changes: dict[str, Any] = {
            "accounts": {"main": account},
            "reconcile": ReconcileSettings(confirm_after_s=0, poll_s=0.05, sweep_every_s=3600),
            "delivery": DeliverySettings(allowed_networks=("127.0.0.0/8",)),
            "traces": traces,
        }
        async with serving(folder, **changes) as service:
            token = await service.token("subscribe", "read")
            wish = {"name": "crm", "url": crm.url}
            made = await service.http.post("/v1/subscriptions", json=wish, headers=token)
            assert made.status_code == 200, made.text
            yield TracesEnv(service, scheduler, crm, made.json()["secret"])


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a free port: its root."""
    sock = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    running = asyncio.create_task(server._serve([sock]))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def exported(collector: Collector, *names: str) -> None:
    """Wait until the collector has a span of each name."""
    await asyncio.to_thread(collector.until, *names)
