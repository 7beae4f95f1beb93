"""The endpoint of versions, workers and what is set up; and the table of the room's endpoints."""

import platform
from dataclasses import asdict
from importlib.metadata import version

from pydantic import BaseModel, Field
from sqlalchemy import Connection, select

from receiver.http.endpoint import ApiContext, Call, Endpoint, Params
from receiver.maintenance.purge_endpoint import PURGE_ENDPOINTS
from receiver.maintenance.schema import current, head
from receiver.maintenance.setup_checks import Verdict, quick_checks
from receiver.maintenance.status import STATUS_ENDPOINT, LeaseStatus, lease_states
from receiver.observability.metrics import Metrics
from receiver.storage.bulk import is_postgres
from receiver.storage.leases import PRESENCE, lease_time


class WorkerState(BaseModel):
    """A worker of the receiver that answers."""

    name: str = Field(examples=["delivery"])
    restarts: int = Field(description="After failures, since the receiver started.", examples=[0])


class LivingReceiver(BaseModel):
    """A receiver on this store that lives."""

    name: str = Field(description="Host, process and a random number.", examples=["host-1:4711:0f3a9c21"])
    leases: list[str] = Field(description="Work that it could do.", examples=[["delivery"]])
    expires_in_s: float = Field(
        description="Seconds after which it counts as dead, unless it renews.", examples=[12.5]
    )


class SetupCheck(BaseModel):
    """A check of what is set up, as `receiver check` makes it."""

    subject: str = Field(examples=["disk"])
    verdict: Verdict = Field(examples=["ok"])
    detail: str = Field(description="What was found, and the fix.", examples=["20480 MiB free"])


class SystemView(BaseModel):
    """The receiver that answers, its store, and all receivers on it."""

    version: str = Field(description="Of the receiver.", examples=["0.2.0"])
    python: str = Field(examples=["3.11.7"])
    database: str = Field(examples=["SQLite 3.45.1"])
    database_bytes: int = Field(description="Size of the database.", examples=[1_048_576])
    revision: str | None = Field(description="Revision of the schema in the store.", examples=["0021"])
    needed_revision: str = Field(description="Revision that this version needs.", examples=["0021"])
    workers: list[WorkerState]
    receivers: list[LivingReceiver] = Field(description="Receivers that share work by leases.")
    leases: list[LeaseStatus] = Field(description="Work that one receiver does at a time.")
    checks: list[SetupCheck] = Field(description="Quick ones; `receiver check` makes more.")


async def read_system(call: Call[Params, None]) -> SystemView:
    """Return versions, workers and receivers."""
    context = call.context
    metrics = context.services.get(Metrics)

    def read(connection: Connection) -> SystemView:
        database, size = _database(connection)
        checks = quick_checks(context.store, connection, context.public_url, context.rules.zone)
        return SystemView(
            version=version("receiver"),
            python=platform.python_version(),
            database=database,
            database_bytes=size,
            revision=current(connection),
            needed_revision=head(),
            workers=_workers(metrics) if isinstance(metrics, Metrics) else [],
            receivers=_receivers(connection, context),
            leases=lease_states(connection, context.clock),
            checks=[SetupCheck(**asdict(check)) for check in checks],
        )

    return await context.store.read(read)


def _database(connection: Connection) -> tuple[str, int]:
    """Return name and version of the database, and its bytes."""
    if is_postgres(connection):
        query = "SELECT current_setting('server_version'), pg_database_size(current_database())"
        number, size = connection.exec_driver_sql(query).one()
        return f"PostgreSQL {number.partition(' ')[0]}", int(size)
    query = "SELECT sqlite_version(), page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    number, size = connection.exec_driver_sql(query).one()
    return f"SQLite {number}", int(size)


def _workers(metrics: Metrics) -> list[WorkerState]:
    samples = [sample for metric in metrics.worker_restarts.collect() for sample in metric.samples]
    restarts = {
        sample.labels["worker"]: int(sample.value) for sample in samples if sample.name.endswith("_total")
    }
    return [WorkerState(name=name, restarts=count) for name, count in sorted(restarts.items())]


def _receivers(connection: Connection, context: ApiContext) -> list[LivingReceiver]:
    now = lease_time(connection, context.clock.real(context.clock.now()))
    query = select(PRESENCE).where(PRESENCE.c.expires_at > now).order_by(PRESENCE.c.receiver)
    return [
        LivingReceiver(name=row.receiver, leases=row.leases, expires_in_s=round(row.expires_at - now, 1))
        for row in connection.execute(query)
    ]


SYSTEM_ENDPOINT = Endpoint(
    "GET",
    "/v1/system",
    "Get versions and workers",
    "Versions of the receiver, Python, the database and the schema, the workers of the receiver that "
    "answers and their restarts, all receivers on the store, and quick checks of what is set up.",
    "read",
    SystemView,
    read_system,
)

MAINTENANCE_ENDPOINTS = (STATUS_ENDPOINT, SYSTEM_ENDPOINT, *PURGE_ENDPOINTS)
