"""Charts as pictures."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic import Field
from sqlalchemy import Connection
from starlette.responses import Response

from receiver.analytics.charts import CHARTS, Media, Shown, chart_named, read_chart, render
from receiver.analytics.figures import FIGURES
from receiver.api.analytics import scope_question
from receiver.api.analytics_params import ScopeQuery
from receiver.api.endpoint import Call, Endpoint

TYPES: dict[Media, str] = {"svg": "image/svg+xml", "png": "image/png"}

_one_at_a_time = CapacityLimiter(1)
"""Drawing takes a second of a core, which hooks need more."""


class ChartQuery(ScopeQuery):
    """Of which tasks, and by which moment."""

    basis: Literal["created", "finished", "started"] | None = Field(
        None,
        description="By which moment: of the task's creation, of its end, of the attempt's start. Default: "
        "that of the chart's figure.",
        examples=["created"],
    )


def draw(media: Media) -> Callable[[Call[ChartQuery, None]], Awaitable[Response]]:
    """The chart that the path names. Raises NotFoundError, InputError, NotInstalledError."""

    async def answer(call: Call[ChartQuery, None]) -> Response:
        chart = chart_named(call.path["chart"])
        basis = call.query.basis or FIGURES[chart.figure].basis[0]

        def read(connection: Connection) -> Shown:
            return read_chart(connection, chart, replace(scope_question(connection, call.query), basis=basis))

        shown = await call.parts.store.read(read, "heavy")
        picture = await run_sync(render, shown, media, limiter=_one_at_a_time)
        return Response(picture, media_type=TYPES[media])

    return answer


def _endpoint(media: Media) -> Endpoint:
    names = ", ".join(f"`{name}`" for name in CHARTS)
    return Endpoint(
        "GET",
        f"/v1/analytics/{{chart}}.{media}",
        f"Draw a chart ({media.upper()})",
        f"One of {names}. What is counted, of when and of how many stands on it.",
        "read",
        "The picture.",
        draw(media),
        ChartQuery,
        media=(TYPES[media],),
        problems=("501",),
    )


CHART_ENDPOINTS = tuple(map(_endpoint, TYPES))
