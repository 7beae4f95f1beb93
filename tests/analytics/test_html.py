"""The report as an HTML file: whole, by itself, and with the figures' numbers."""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from receiver.analytics import formatting
from receiver.analytics.html import html_report
from receiver.analytics.intervals import Share
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report_document import HtmlOptions
from receiver.domain.calendar import Calendar
from receiver.errors import InputError, NotInstalledError
from receiver.storage.engine import Store
from tests.analytics.drawn import ZONE, lives
from tests.analytics.lives import Lives, ask, at, told

_EMPTY = ("meta",)
_MADE_AT = at("2026-04-01 08:30", ZONE)
_CELLS = ("tr", "td", "th", "dt", "dd", "figcaption", "h1", "h2", "li")

Attributes = list[tuple[str, str | None]]


class Page(HTMLParser):
    """What is in an HTML file. Fails where a tag is not closed. `open`: tags around what is read now."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self.tags.append((tag, self.open[-1] if self.open else "", dict(attrs)))
        if tag in _CELLS:
            self.texts.append((tag, ""))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in _CELLS:
            tag, text = self.texts[-1]
            self.texts[-1] = tag, text + data

    def count(self, tag: str, inside: str | None = None) -> int:
        return sum(name == tag and inside in (None, around) for name, around, _ in self.tags)

    def values(self, *names: str) -> list[str]:
        """Those of attributes with these names."""
        return [
            value or ""
            for _, _, of in self.tags
            for name, value in of.items()
            if name.split(":")[-1] in names
        ]

    def facts(self) -> dict[str, tuple[str, str]]:
        """The label of a key number → its value, and of what it is."""
        texts = [text for tag, text in self.texts if tag in ("dt", "dd")]
        return {label: (value, of) for label, value, of in zip(*[iter(texts)] * 3, strict=True)}

    def rows(self) -> list[list[str]]:
        """The cells of all tables' rows."""
        rows: list[list[str]] = []
        for tag, text in self.texts:
            if tag == "tr":
                rows.append([])
            elif tag in ("td", "th"):
                rows[-1].append(text)
        return rows


def made(store: Store, **asked: object) -> str:
    query = AnalyticsQuery(asked.pop("basis", "created"), Calendar(ZONE), **asked)  # type: ignore[arg-type]
    with store.snapshot() as connection:
        return html_report(connection, query, _MADE_AT)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with told(str(tmp_path_factory.mktemp("html") / "receiver.db"), *lives()) as store:
        yield store


@pytest.fixture(scope="module")
def text(store: Store) -> str:
    return made(store)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_is_one_file_that_asks_nobody_for_anything(text: str, page: Page) -> None:
    assert text.startswith("<!doctype html>")
    assert page.count("script") == page.count("link") == page.count("img") == page.count("iframe") == 0
    assert [each for each in page.values("src", "href", "action") if not each.startswith("#")] == []
    named = set(re.findall(r"https?://[^\"'\s)<]+", text))
    assert named == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in text
    assert "<?xml" not in text


def test_it_can_be_read_without_seeing_the_pictures(page: Page) -> None:
    assert page.count("svg", "figure") == 4
    assert page.count("title", "svg") == page.count("desc", "svg") == page.count("figcaption") == 4
    assert page.count("table") == page.count("thead") == page.count("caption") == 4
    assert all(of.get("scope") in ("col", "row") for tag, _, of in page.tags if tag == "th")
    assert page.count("h1") == 1
    names = page.values("id")
    assert len(names) == len(set(names))
    labels = [name for value in page.values("aria-labelledby") for name in value.split()]
    assert len(labels) == 8
    assert set(labels) <= set(names)
    assert {each[1:] for each in page.values("href")} <= set(names)


def test_it_says_of_what_it_is(store: Store, text: str) -> None:
    plain = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    for part in (
        "2026-03-27 to 2026-03-30 , Europe/Berlin; tasks by creation. All accounts, all queues.",
        "Made 2026-04-01 08:30 (Europe/Berlin).",
    ):
        assert part in plain
    other = made(store, basis="finished", account="a&b", queue_id="<6>", until=at("2026-03-29 00:00", ZONE))
    plain = " ".join(re.sub(r"<[^>]+>", " ", other).split())
    assert "tasks by finish. Account a&amp;b, queue &lt;6&gt;." in plain
    Page(other)


def test_its_key_numbers_are_those_of_the_figures(store: Store, page: Page) -> None:
    facts = page.facts()
    totals = {name: ask(store, name, zone=ZONE).total for name in ("success", "timing", "tries", "health")}
    totals["attempts"] = ask(store, "attempts", zone=ZONE, basis="created").total
    for label, measure, name in (
        ("Success rate", "success", "success_rate"),
        ("Attempt yield", "attempts", "yield"),
        ("ASR", "attempts", "asr"),
        ("Hooks lost", "health", "lost_share"),
        ("Unknown end", "health", "unknown_share"),
    ):
        each = totals[measure][name]
        assert isinstance(each, Share)
        assert facts[label][0] == formatting.percent(each.value)
        assert facts[label][1].startswith(f"{formatting.interval(each)}, of {each.n} ")
    assert facts["Success rate"][0] == "76.1 %"
    for label, measure, name in (
        ("Open", "success", "open"),
        ("Exhausted", "success", "exhausted"),
        ("Unknown", "success", "unknown"),
        ("Attempts", "attempts", "attempts"),
    ):
        assert facts[label][0] == str(totals[measure][name])
    assert (facts["Open"][0], facts["Exhausted"][0], facts["Unknown"][0]) == ("2", "10", "1")
    assert totals["timing"]["time_to_connect_s_p50"] == 15
    assert facts["Time to connect, p50"] == ("15 s", "of 35 tasks")
    assert facts["Time to connect, p90"][0] == "85 s"
    assert facts["ACD"][0] == "40 s"
    assert facts["Attempts to success, p50"] == ("1", "of 35 successes")


def test_its_tables_hold_every_number_of_the_charts(store: Store, page: Page) -> None:
    rows = page.rows()
    (friday, *_) = ask(store, "success", "day", zone=ZONE).lines
    each = friday.values["success_rate"]
    assert isinstance(each, Share)
    assert (each.k, each.n) == (30, 40)
    assert ["2026-03-27", "40", "0", "40", "30", "10", "10", "0", "75.0 %", formatting.interval(each)] in rows
    for name, by in (("hours", ("hour", "weekday")), ("yield", ("attempt",))):
        for line in ask(store, name, *by, zone=ZONE).lines:
            each = line.values["yield"]
            assert isinstance(each, Share)
            numbers = [str(each.n), str(each.k), formatting.percent(each.value), formatting.interval(each)]
            assert [*line.key, *numbers] in rows
    assert ["busy", "10", "90.9 %", "62.3–98.4 %", "10", "0", "0"] in rows
    assert ["unknown, nobody said", "1", "9.1 %", "1.6–37.7 %", "0", "0", "1"] in rows


def test_an_empty_period_has_a_report_too(store: Store) -> None:
    text = made(store, since=at("2027-01-01 00:00", ZONE), until=at("2027-02-01 00:00", ZONE))
    facts = Page(text).facts()
    assert facts["Success rate"] == ("–", "of 0 finished tasks")
    assert facts["Time to connect, p50"] == ("–", "of 0 tasks")
    assert text.count("in this period</text>") == 4


def test_what_has_to_be_known_stands_on_top(tmp_path_factory: pytest.TempPathFactory) -> None:
    target = str(tmp_path_factory.mktemp("old") / "receiver.db")
    with told(target, Lives().task(at("2026-03-02 09:00"), ["ok"])) as store:
        with store.transaction() as connection:
            connection.exec_driver_sql("UPDATE task SET created_at = NULL")
        page = Page(made(store))
    texts = [text for tag, text in page.texts if tag in ("h2", "li")]
    assert texts[0] == "To be known"
    assert texts[1].startswith("1 tasks of an older version are not counted")


def test_tasks_do_not_begin(store: Store) -> None:
    with pytest.raises(InputError, match="basis: must be one of created, finished, planned for this"):
        made(store, basis="started")


def test_without_matplotlib_it_is_said_how_to_get_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "receiver.analytics.charts.renderer", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NotInstalledError, match="charts need matplotlib: pip install"):
        made(store)


def test_in_russian_all_words_and_numbers_of_the_page_are_russian(store: Store, page: Page) -> None:
    query = AnalyticsQuery("created", Calendar(ZONE))
    with store.snapshot() as connection:
        text = html_report(connection, query, _MADE_AT, HtmlOptions("ru", "queue", query))
    russian = Page(text)
    english = [*page.facts().values()]
    assert len(russian.facts()) == len(english)
    assert next(iter(russian.facts().values()))[0] == english[0][0].replace(".", ",")
    assert russian.count("svg", "figure") == 5
    words = [text for tag, text in russian.texts if tag in ("dt", "h1", "h2", "figcaption", "li")]
    assert not [
        text for text in words if not re.search("[а-яё]", text, re.IGNORECASE) and text not in ("ASR", "ACD")
    ]
    assert not re.search(r"\d\.\d %", " ".join(text for tag, text in russian.texts if tag in ("td", "dd")))
    assert len([row for row in russian.rows() if row and "%" in "".join(row)]) > 5
