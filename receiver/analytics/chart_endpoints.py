"""Endpoints of charts."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection
from starlette.responses import Response

from receiver.analytics.answers import scope_query
from receiver.analytics.charts import render
from receiver.analytics.charts.chart import CHARTS, Media, chart_named, read_chart
from receiver.analytics.charts.palette import Theme
from receiver.analytics.measures import MEASURES
from receiver.analytics.params import ScopeParams
from receiver.http.endpoint import Call, Endpoint
from receiver.http.schemas import Flag
from receiver.i18n.catalogue import Language

TYPES: dict[Media, str] = {"svg": "image/svg+xml", "png": "image/png"}


class ChartParams(ScopeParams):
    """Tasks and period of a chart, and the moment that counts."""

    basis: Literal["created", "finished", "planned", "started"] | None = Field(
        None,
        description="Moment that counts: creation of the task, its end, its planned start, or start of the "
        "attempt. Default: that of the chart's measure.",
        examples=["created"],
    )
    lang: Language = Field("en", description="Language of the words in the chart.", examples=["ru"])
    theme: Theme = Field("light", description="Colors for a light or a dark page.", examples=["dark"])
    title: Flag = Field(True, description="false: an SVG without the title, for pages that have their own.")


def draw(media: Media) -> Callable[[Call[ChartParams, None]], Awaitable[Response]]:
    """Return the handler that draws charts."""

    async def answer(call: Call[ChartParams, None]) -> Response:
        name = chart_named(call.path["chart"]).name
        picture = await call.context.store.compute(_picture, name, call.query, media)
        return Response(picture, media_type=TYPES[media])

    return answer


def _picture(connection: Connection, name: str, asked: ChartParams, media: Media) -> bytes:
    chart = chart_named(name)
    basis = asked.basis or MEASURES[chart.measure].basis[0]
    query = replace(scope_query(connection, asked), basis=basis)
    content = read_chart(connection, chart, query, asked.lang)
    return render(content, media if asked.title or media == "png" else "inline", asked.theme)


def _endpoint(media: Media) -> Endpoint:
    names = ", ".join(f"`{name}`" for name in CHARTS)
    return Endpoint(
        "GET",
        f"/v1/analytics/{{chart}}.{media}",
        f"Draw a chart ({media.upper()})",
        f"One of {names}. Its heading has the counts and the period.",
        "read",
        "The image.",
        draw(media),
        ChartParams,
        media=(TYPES[media],),
        problems=("501",),
    )


CHART_ENDPOINTS = tuple(map(_endpoint, TYPES))
