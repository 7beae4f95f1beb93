"""The endpoints of the figures."""

from receiver.analytics.answers import CSV, answer_comparison, answer_figure
from receiver.analytics.measures import FIGURES, Figure
from receiver.analytics.params import FIGURE_QUERIES, ComparisonQuery
from receiver.analytics.schemas import ComparisonAnswer, FigureAnswer
from receiver.http.endpoint import JSON, Endpoint


def _endpoint(figure: Figure) -> Endpoint:
    return Endpoint(
        "GET",
        f"/v1/analytics/{figure.name}",
        figure.title,
        f"{figure.about} Counts {figure.counts}. As CSV with `Accept: text/csv`.",
        "read",
        FigureAnswer,
        answer_figure(figure),
        FIGURE_QUERIES[figure.name],
        media=(JSON, CSV),
    )


ANALYTICS_ENDPOINTS = (
    *map(_endpoint, FIGURES.values()),
    Endpoint(
        "GET",
        "/v1/analytics/comparison",
        "Compare two periods or queues",
        "Every share of a figure on both sides, and the difference with its 95 % interval. What no `than_…` "
        "names is the same on both sides.",
        "read",
        ComparisonAnswer,
        answer_comparison,
        ComparisonQuery,
    ),
)
