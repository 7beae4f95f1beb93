"""Charts painted by matplotlib. Only this module and those of the single charts need it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from io import BytesIO
from threading import Lock
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from receiver.analytics.charts.bars import pauses, reasons, yields
from receiver.analytics.charts.chart import ChartContent, ImageFormat
from receiver.analytics.charts.heat import hours
from receiver.analytics.charts.layout import STYLE, ChartLayout
from receiver.analytics.charts.times import timing, trend

DRAWERS: Mapping[str, Callable[[ChartLayout, ChartContent], None]] = {
    "trend": trend,
    "hours": hours,
    "yield": yields,
    "reasons": reasons,
    "pauses": pauses,
    "timing": timing,
}

_DPI = 200
_UNREAL = {"Date": None, "Creator": None, "Format": None, "Type": None}
_FONT = "'DejaVu Sans'"
_FONTS = f"{_FONT}, Verdana, 'Noto Sans', sans-serif"
"""Whoever looks need not have the first: the next is as wide."""

_UNUSED_NAME = re.compile(r'<g id="[\w.]+"')
"""Nothing refers to groups; in a page with several charts such names would be there twice."""

_one_at_a_time = Lock()
"""Styles are matplotlib's global state."""


def draw_chart(content: ChartContent, form: ImageFormat) -> bytes:
    """The picture."""
    with _styled(content.chart.name):
        layout = ChartLayout(content, has_title=form != "inline")
        DRAWERS[content.chart.name](layout, content)
        return _SAVED[form](layout.figure, content)


@contextmanager
def _styled(salt: str) -> Iterator[None]:
    with _one_at_a_time, matplotlib.rc_context():
        matplotlib.rcdefaults()
        style: Any = {**STYLE, "svg.hashsalt": salt}
        matplotlib.rcParams.update(style)
        yield


def _png(figure: Figure, content: ChartContent) -> bytes:
    into = BytesIO()
    about = {"Software": None, "Title": content.title, "Description": content.text}
    figure.savefig(into, format="png", dpi=_DPI, metadata=about)
    return into.getvalue()


def _svg(figure: Figure, content: ChartContent) -> bytes:
    """With real text, and what it shows in words."""
    into = BytesIO()
    figure.savefig(into, format="svg", metadata=_UNREAL)
    drawing = _UNUSED_NAME.sub("<g", into.getvalue().decode())
    start, opening, rest = drawing.partition("<svg ")
    attributes, close, rest = rest.partition(">")
    name = content.chart.name
    told = (
        f'role="img" aria-labelledby="{name}-title {name}-text" {attributes}{close}'
        f'<title id="{name}-title">{escape(content.title)}</title>'
        f'<desc id="{name}-text">{escape(content.text)}</desc>'
    )
    return f"{start}{opening}{told}{rest}".replace(_FONT, _FONTS).encode()


def _inline(figure: Figure, content: ChartContent) -> bytes:
    """Without the XML declaration, which has no place in HTML."""
    drawing = _svg(figure, content)
    return drawing[drawing.index(b"<svg ") :]


_SAVED: Mapping[ImageFormat, Callable[[Figure, ChartContent], bytes]] = {
    "svg": _svg,
    "png": _png,
    "inline": _inline,
}
