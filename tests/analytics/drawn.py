"""Tasks of four days, and what is written on charts of them."""

from xml.etree import ElementTree

from receiver.analytics.charts import render
from receiver.analytics.charts.chart import CHARTS, ChartContent, read_chart
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery
from receiver.domain.calendar import Calendar
from receiver.domain.facts import Fact, TaskGone, observation
from receiver.i18n.catalogue import Language
from receiver.storage.engine import Store
from tests.analytics.lives import ACCOUNT, Lives, at

ZONE = "Europe/Berlin"
SVG = "{http://www.w3.org/2000/svg}"


def lives() -> list[list[Fact]]:
    """Four days, on the third of which the clocks go forward: 40 tasks on Friday of which 30 connect at
    once, 4 on Saturday that connect the second time, one on Sunday, and on Monday two that are open and one
    that is gone.
    """
    make = Lives()
    friday, saturday, sunday = (
        at("2026-03-27 09:00", ZONE),
        at("2026-03-28 10:00", ZONE),
        at("2026-03-29 01:00"),
    )
    monday = at("2026-03-30 14:00", ZONE)
    gone = make.task(monday, ["b:USER_BUSY"], is_open=True)
    return [
        *(make.task(friday + number, ["ok"]) for number in range(30)),
        *(make.task(friday + number, ["a:USER_BUSY"] * 3) for number in range(10)),
        *(make.task(saturday, ["b:NO_ANSWER", "ok"], queue="6") for _ in range(4)),
        make.task(sunday, ["ok"]),
        *(make.task(monday, ["b:USER_BUSY"], is_open=True) for _ in range(2)),
        [*gone, observation(ACCOUNT, monday + 900, TaskGone(), ("r1", "1"))],
    ]


def shown(store: Store, name: str, language: Language = "en", **asked: object) -> ChartContent:
    chart = CHARTS[name]
    basis = asked.pop("basis", MEASURES[chart.measure].basis[0])
    query = AnalyticsQuery(basis, Calendar(ZONE), **asked)  # type: ignore[arg-type]
    with store.snapshot() as connection:
        return read_chart(connection, chart, query, language)


def texts(drawing: bytes) -> list[str]:
    """All that is written on a chart."""
    found = ElementTree.fromstring(drawing).iter(f"{SVG}text")
    return ["".join(each.itertext()).strip() for each in found]


def written(store: Store, name: str, **asked: object) -> list[str]:
    return texts(render(shown(store, name, "en", **asked), "svg"))
