"""Charts drawn by matplotlib. Only this module and the modules of single charts import it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from io import BytesIO
from threading import Lock
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from receiver.analytics.charts.bars import pauses, places, reasons, yields
from receiver.analytics.charts.chart import ChartContent, ImageFormat
from receiver.analytics.charts.heat import hours
from receiver.analytics.charts.layout import ChartLayout, style
from receiver.analytics.charts.palette import PALETTES, Palette, Theme
from receiver.analytics.charts.times import timing, trend

DRAWERS: Mapping[str, Callable[[ChartLayout, ChartContent], None]] = {
    "trend": trend,
    "hours": hours,
    "yield": yields,
    "queues": places,
    "accounts": places,
    "reasons": reasons,
    "pauses": pauses,
    "timing": timing,
}

_DPI = 200
_UNREAL = {"Date": None, "Creator": None, "Format": None, "Type": None}
_FONT = "'DejaVu Sans'"
_FONTS = f"{_FONT}, Verdana, 'Noto Sans', sans-serif"
"""Fonts of SVG; if the first is missing, the second has the same widths."""

_UNUSED_NAME = re.compile(r'<g id="[\w.]+"')
"""Ids of groups, which nothing uses; a page with several charts would have duplicates."""

_one_at_a_time = Lock()
"""Lock for matplotlib's styles, which are global."""


def draw_chart(content: ChartContent, form: ImageFormat, theme: Theme) -> bytes:
    """Return the image."""
    palette = PALETTES[theme]
    with _styled(content.chart.name, palette):
        layout = ChartLayout(content, palette, has_title=form != "inline")
        DRAWERS[content.chart.name](layout, content)
        return _SAVED[form](layout.figure, content)


@contextmanager
def _styled(salt: str, palette: Palette) -> Iterator[None]:
    with _one_at_a_time, matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = {**style(palette), "svg.hashsalt": salt}
        matplotlib.rcParams.update(settings)
        yield


def _png(figure: Figure, content: ChartContent) -> bytes:
    into = BytesIO()
    about = {"Software": None, "Title": content.title, "Description": content.text}
    figure.savefig(into, format="png", dpi=_DPI, metadata=about)
    return into.getvalue()


def _svg(figure: Figure, content: ChartContent) -> bytes:
    """Return SVG with real text, and the alternative text."""
    into = BytesIO()
    figure.savefig(into, format="svg", metadata=_UNREAL)
    drawing = _UNUSED_NAME.sub("<g", into.getvalue().decode())
    start, opening, rest = drawing.partition("<svg ")
    attributes, close, rest = rest.partition(">")
    name = content.chart.name
    labels = (
        f'role="img" aria-labelledby="{name}-title {name}-text" {attributes}{close}'
        f'<title id="{name}-title">{escape(content.title)}</title>'
        f'<desc id="{name}-text">{escape(content.text)}</desc>'
    )
    return f"{start}{opening}{labels}{rest}".replace(_FONT, _FONTS).encode()


def _inline(figure: Figure, content: ChartContent) -> bytes:
    """Return SVG without the XML declaration, for HTML."""
    drawing = _svg(figure, content)
    return drawing[drawing.index(b"<svg ") :]


_SAVED: Mapping[ImageFormat, Callable[[Figure, ChartContent], bytes]] = {
    "svg": _svg,
    "png": _png,
    "inline": _inline,
}
