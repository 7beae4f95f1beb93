"""`GET /v1/analytics/report`: the report as JSON, or as an HTML file."""

from dataclasses import replace

from sqlalchemy import Connection
from starlette.responses import Response

from receiver.analytics.answers import other_query, scope_query
from receiver.analytics.html import html_report
from receiver.analytics.params import ReportParams
from receiver.analytics.report_document import HtmlOptions, read_charts, report_document
from receiver.analytics.schemas import ReportDocument
from receiver.http.endpoint import JSON, Call, Endpoint, choose_media

HTML = "text/html"


async def read_report(call: Call[ReportParams, None]) -> Response:
    """Return the report. Raises InputError, NotInstalledError."""
    media = choose_media(call.accept, (JSON, HTML))
    now = call.context.clock.now()
    body = await call.context.store.compute(_report, call.query, media == HTML, now)
    return Response(body, media_type=media)


def _report(connection: Connection, asked: ReportParams, is_html: bool, now: float) -> str:
    query = replace(scope_query(connection, asked), basis=asked.basis)
    other = other_query(asked, query)
    options = HtmlOptions(asked.lang, asked.each, other if other != query else None)
    if is_html:
        return html_report(connection, query, now, options)
    charts = read_charts(connection, query, options)
    return report_document(connection, query, now, charts, options).model_dump_json()


REPORT_ENDPOINT = Endpoint(
    "GET",
    "/v1/analytics/report",
    "Get the report",
    "Key numbers, the numbers of the charts and a comparison, in words. As a file with charts with "
    "`Accept: text/html`.",
    "read",
    ReportDocument,
    read_report,
    ReportParams,
    media=(JSON, HTML),
    problems=("501",),
)
