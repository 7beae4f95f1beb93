"""`GET /v1/system`: versions, workers, living receivers, and quick checks of what is set up."""

import platform
from functools import partial

import pytest

from receiver.maintenance.schema import head
from receiver.observability.metrics import Metrics
from receiver.storage.leases import LEASE, LeaseRenewal, lease_time, renew
from tests.http.api_env import ApiEnv, open_api_env

pytestmark = pytest.mark.anyio


async def test_versions_of_all_parts(api_env: ApiEnv) -> None:
    system = await api_env.get("/v1/system")
    assert system["python"] == platform.python_version()
    assert system["revision"] == system["needed_revision"] == head()
    name = "PostgreSQL" if api_env.store.is_shared else "SQLite"
    assert system["database"].startswith(f"{name} ")
    assert system["database_bytes"] > 10_000
    checks = {row["subject"]: row["verdict"] for row in system["checks"]}
    assert checks.keys() == {"public_url", "figures"} | (set() if api_env.store.is_shared else {"disk"})
    assert checks["public_url"] == "ok"


async def test_workers_with_restarts_and_receivers_that_live(store_target: str) -> None:
    metrics = Metrics()
    metrics.worker_restarts.labels("intake")
    metrics.worker_restarts.labels("folder").inc(2)
    services = {Metrics: metrics}
    async with open_api_env(store_target, services=services, public_url="http://127.0.0.1:8080") as api_env:
        now = api_env.context.clock.now()
        for name, lease_s in (("alive", 60.0), ("dead", -1.0)):
            renewal = LeaseRenewal(name, ("delivery",), (), lease_s, now)
            await api_env.store.write(partial(renew, renewal=renewal))
        system = await api_env.get("/v1/system")
    assert system["workers"] == [{"name": "folder", "restarts": 2}, {"name": "intake", "restarts": 0}]
    (alive,) = system["receivers"]
    assert (alive["name"], alive["leases"], 0 < alive["expires_in_s"] <= 60) == ("alive", ["delivery"], True)
    (check,) = [row for row in system["checks"] if row["subject"] == "public_url"]
    assert (check["verdict"], "set `public_url`" in check["detail"]) == ("warning", True)


async def test_the_end_of_a_lease_is_in_seconds_of_the_machine(api_env: ApiEnv) -> None:
    now = api_env.context.clock.now()
    await api_env.store.write(
        lambda connection: renew(connection, LeaseRenewal("a", ("x", "y"), (), 60.0, now))
    )
    end = await api_env.store.read(lambda connection: lease_time(connection, now) - 5)
    expired = LEASE.update().where(LEASE.c.name == "y").values(expires_at=end)
    await api_env.store.write(lambda connection: connection.execute(expired) and None)
    leases = {row["name"]: row for row in (await api_env.get("/v1/status"))["leases"]}
    assert 0 < leases["x"]["expires_in_s"] <= 60
    assert leases["y"]["expires_in_s"] < 0
