"""The API held to its own document by generated requests, valid ones and invalid ones."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from receiver.api import ApiParts
from receiver.clock import WallClock
from receiver.store.engine import Store
from tests.api.rig import SCOPES, SIGNER, T0, api_app, running_rig

TOKEN = {"value": ""}


async def fill(folder: Path) -> str:
    """A store with a little of everything; a token for it that may do all."""
    async with running_rig(folder) as rig:
        await rig.settled_without_after("r1")
        await rig.hook("r2", "before", T0, problem="not JSON")
        await rig.queue("17")
        return await rig.token(*SCOPES)


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    folder = tmp_path_factory.mktemp("contract")
    TOKEN["value"] = asyncio.run(fill(folder))
    store = Store(folder / "receiver.db")
    parts = ApiParts(store, SIGNER, "https://hooks.example", ("main", "second"), WallClock())
    yield schemathesis.openapi.from_asgi("/openapi.json", api_app(parts))
    store.close()


schema = schemathesis.pytest.from_fixture("documented")


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_api_break_its_document(case: schemathesis.Case) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN['value']}"})
