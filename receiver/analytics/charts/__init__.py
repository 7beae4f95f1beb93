"""Charts of the figures, as SVG and PNG."""

from receiver.analytics.charts.chart import (
    CHARTS,
    MEDIA,
    Chart,
    Form,
    Media,
    Shown,
    chart_named,
    read_chart,
    render,
)

__all__ = ["CHARTS", "MEDIA", "Chart", "Form", "Media", "Shown", "chart_named", "read_chart", "render"]
