"""The page of all queues."""

from collections.abc import Mapping
from typing import Any

from receiver.console.page import Page
from receiver.console.visit import Visit


async def _read(visit: Visit) -> Mapping[str, Any]:
    account = visit.query.get("account")
    return {"queues": (await visit.get("/v1/queues", account=account)).queues, "account": account}


QUEUES = Page("/queues", "queues.html", _read, menu="queues")
