"""The report as an HTML file: key numbers, charts with tables, a comparison, notes."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from sqlalchemy import Connection

from receiver.analytics.charts import render
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report_document import HtmlOptions, read_charts, report_document
from receiver.analytics.report_words import ReportWords


def html_report(
    connection: Connection, query: AnalyticsQuery, made_at: float, options: HtmlOptions | None = None
) -> str:
    """Return the file; `by` of the query is ignored. `made_at`: epoch seconds. Raises InputError for a
    basis that tasks do not have, NotInstalledError.
    """
    options = options or HtmlOptions()
    charts = read_charts(connection, query, options)
    document = report_document(connection, query, made_at, charts, options)
    pictures = [Markup(render(each, "inline").decode()) for each in charts]  # noqa: S704 - our own drawings
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("receiver.analytics").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        words=ReportWords(options.language), pictures=pictures, **dict(document)
    )
