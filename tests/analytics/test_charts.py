"""Charts: what stands on them, and that they are the same every time."""

import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import combinations
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import Image

from receiver.analytics.charts import render
from receiver.analytics.charts.chart import CHARTS, MEDIA, Media, chart_named
from receiver.analytics.charts.heat import hours
from receiver.analytics.charts.layout import ChartLayout
from receiver.analytics.charts.palette import PALETTES, Theme
from receiver.analytics.charts.times import trend
from receiver.errors import InputError, NotFoundError, NotInstalledError
from receiver.i18n.catalogue import LANGUAGES, Language
from receiver.storage.engine import Store
from tests.analytics.drawn import SVG, ZONE, lives, shown, texts, written
from tests.analytics.lives import ACCOUNT, Lives, ask, at, told


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with told(str(tmp_path_factory.mktemp("charts") / "receiver.db"), *lives()) as store:
        yield store


@pytest.mark.parametrize("name", CHARTS)
def test_a_drawing_has_real_text_and_says_in_words_what_it_shows(store: Store, name: str) -> None:
    chart = shown(store, name)
    root = ElementTree.fromstring(render(chart, "svg"))
    title, text = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert text is not None
    assert (title.text, text.text) == (chart.title, chart.text)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {text.get('id')}"
    assert chart.title in texts(render(chart, "svg"))


@pytest.mark.parametrize("name", CHARTS)
def test_in_russian_no_word_of_a_chart_is_english(store: Store, name: str) -> None:
    chart = shown(store, name, "ru")
    known = {"A", "B", "n", "p50", "p90", *ZONE.split("/"), ACCOUNT}
    written_on_it = [*texts(render(chart, "svg")), chart.text]
    words = {word for text in written_on_it for word in re.findall(r"[A-Za-z]\w*", text)}
    assert words - known == set()
    assert not any(re.search(r"\d\.\d", text) for text in written_on_it)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CHARTS)
def test_a_picture_is_large_and_nothing_on_it_is_cut_off(store: Store, name: str, language: Language) -> None:
    picture = render(shown(store, name, language), "png")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width == 1080
    assert height > 400
    with Image.open(BytesIO(picture)) as image:
        grey = image.convert("L")
    for edge in ((0, 0, 3, height), (width - 3, 0, width, height), (0, 0, width, 3)):
        assert grey.crop(edge).getextrema() == (255, 255)


@pytest.mark.parametrize(
    ("name", "counted", "number"),
    [
        ("trend", "tasks by creation", "n = 46 finished tasks"),
        ("hours", "attempts by start", "n = 72 attempts"),
        ("yield", "attempts by creation of their task", "n = 72 attempts"),
        ("reasons", "tasks by creation", "n = 11 tasks without success"),
        ("pauses", "attempts by start", "n = 24 further attempts"),
        ("timing", "tasks by creation", "n = 48 tasks"),
    ],
)
def test_what_is_counted_of_when_and_how_many_stands_on_it(
    store: Store, name: str, counted: str, number: str
) -> None:
    heading = " · ".join(written(store, name))
    for part in (counted, ZONE, "2026-03-27 to 2026-03-30", "all accounts, all queues", number):
        assert part in heading


def test_the_trend_shows_open_and_unknown_beside_the_rate(store: Store) -> None:
    words = written(store, "trend")
    total = ask(store, "success", zone=ZONE).total
    assert (total["succeeded"], total["open"], total["unknown"]) == (35, 2, 1)
    for text in ("all: 76.1 %", "succeeded 35", "failed 10", "unknown 1", "open 2", "95 % Wilson"):
        assert text in words
    assert [text for text in words if text.endswith("Mar")] == ["27 Mar", "28 Mar", "29 Mar", "30 Mar"]


def contrast(color: str, other: str) -> float:
    """The contrast of two colors, by WCAG."""

    def luminance(text: str) -> float:
        parts = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(color), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", PALETTES)
def test_text_and_marks_stand_out_from_the_paper_in_both_themes(theme: Theme) -> None:
    palette = PALETTES[theme]
    assert min(contrast(color, palette.paper) for color in (palette.ink, palette.soft)) >= 4.5
    assert contrast(palette.soft, palette.few) >= 4.5
    marks = palette.edge, palette.blue, palette.line, palette.band_edge, palette.ink
    assert min(contrast(color, palette.paper) for color in marks) >= 3


@pytest.mark.parametrize("name", CHARTS)
def test_a_dark_chart_differs_in_its_colors_only(store: Store, name: str) -> None:
    light, dark = (render(shown(store, name), "svg", theme).decode() for theme in PALETTES)
    for drawing, theme in ((light, "light"), (dark, "dark")):
        assert PALETTES[theme].paper in drawing  # type: ignore[index]
    assert PALETTES["light"].paper not in dark or name == "hours"
    assert re.findall(r"[ML] ?[-\d.]+", light) == re.findall(r"[ML] ?[-\d.]+", dark)
    assert texts(light.encode()) == texts(dark.encode())


def test_hours_are_those_of_the_zone_and_few_are_hatched(store: Store) -> None:
    drawing = render(shown(store, "hours"), "svg")
    words = texts(drawing)
    # Sunday's, at 01:00 UTC, the moment at which there 02:00 becomes 03:00.
    assert [text for text in words if text.endswith(":00")] == [f"{hour:02}:00" for hour in range(3, 15)]
    assert "50 %" in words
    assert words.count("60") == 1
    assert drawing.count(b"url(#h") == 3
    assert written(store, "hours", until=at("2026-03-28 00:00", ZONE)).count("Tue") == 1


def test_cells_of_hours_have_room_for_what_is_in_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    make, monday = Lives(), at("2026-03-02 09:00")
    some = [make.task(monday + 86_400 * day, ["ok"], queue=f"{n}") for day in range(7) for n in range(100)]
    with told(str(tmp_path_factory.mktemp("sure") / "receiver.db"), *some) as store:
        chart = shown(store, "hours")
    layout = ChartLayout(chart)
    hours(layout, chart)
    axes = layout.figure.axes[0]
    assert [each.get_text() for each in axes.texts].count("100 %") == 7
    boxes = [each.get_window_extent().padded(1) for each in (*axes.texts, *axes.get_yticklabels())]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_a_point_at_the_edge_is_whole(store: Store) -> None:
    layout = ChartLayout(shown(store, "trend"))
    trend(layout, shown(store, "trend"))
    points = [line for line in layout.figure.axes[0].lines if line.get_marker() == "o"]
    assert points
    assert not any(line.get_clip_on() for line in points)


def test_the_yield_of_each_attempt_is_that_of_the_figure(store: Store) -> None:
    words = written(store, "yield")
    rates = [line.values["yield"] for line in ask(store, "yield", "attempt", zone=ZONE).lines]
    assert [(each.k, each.n) for each in rates] == [(31, 48), (4, 14), (0, 10)]  # type: ignore[union-attr]
    for text in ("64.6 %", "28.6 %", "0.0 %", "48", "14", "10"):
        assert text in words


def test_attempts_from_the_tenth_on_are_one_bar(tmp_path_factory: pytest.TempPathFactory) -> None:
    make = Lives()
    many = [make.task(at("2026-03-02 09:00"), ["b:NO_ANSWER"] * 12, tries=12) for _ in range(3)]
    with told(str(tmp_path_factory.mktemp("many") / "receiver.db"), *many) as store:
        words = written(store, "yield")
    assert "10+" in words
    assert "11" not in words
    assert "9" in words[words.index("10+") :]


def test_reasons_are_told_apart_by_leg(store: Store) -> None:
    words = written(store, "reasons")
    for text in ("busy", "10 · 90.9 %", "unknown,", "nobody said", "1 · 9.1 %"):
        assert text in words
    assert {"leg A failed 10", "leg B failed 0", "leg not known 1"} <= set(words)


def test_pauses_are_shown_for_each_attempt(store: Store) -> None:
    words = written(store, "pauses")
    assert {"attempt 2", "attempt 3", "1–2 min, n 14", "1–2 min, n 10", "28.6 %"} <= set(words)
    assert "observational" in shown(store, "pauses").text


def test_durations_have_ticks_of_the_clock(store: Store) -> None:
    words = written(store, "timing")
    # An attempt begins 5 s after its planned start; the second 70 s later; it rings for 10 s.
    assert {"time to connect, n = 35", "p50, of all: 15 s", "p90, of all: 85 s", "1 min"} <= set(words)


@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize("name", CHARTS)
def test_the_same_numbers_give_the_same_bytes(store: Store, name: str, media: Media) -> None:
    first = render(shown(store, name), media)
    with matplotlib.rc_context({"font.size": 30, "xtick.major.size": 20}):
        assert render(shown(store, name), media) == first
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("name", ["trend", "hours"])
def test_the_same_is_drawn_from_both_databases(store: Store, store_target: str, name: str) -> None:
    with told(store_target, *lives()) as other:
        assert render(shown(other, name), "svg") == render(shown(store, name), "svg")


def test_many_threads_may_draw_at_once(store: Store) -> None:
    charts = [shown(store, name) for name in ("yield", "reasons", "pauses")]
    one_by_one = [render(each, "svg") for each in charts]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(render, charts * 4, ["svg"] * 12)) == one_by_one * 4


def test_names_from_outside_cannot_do_harm(store: Store) -> None:
    queue = "<script>&$\\frac{1}{2}$\x00\U0001f600" + "ж" * 60
    chart = shown(store, "trend", queue_id=queue, account="acme")
    words = " ".join(texts(render(chart, "svg")))
    assert "account acme, queue <script>&$\\frac{1}{2}$??жжж" in words
    assert "ж…" in words
    render(chart, "png")


def test_there_are_only_these_charts_by_only_these_moments(store: Store) -> None:
    with pytest.raises(NotFoundError, match="trend, hours, yield, reasons"):
        chart_named("pie")
    with pytest.raises(InputError, match="basis: must be started for this chart"):
        shown(store, "hours", basis="created")
    assert "by finish" in " ".join(written(store, "trend", basis="finished"))


def test_notes_stand_below(tmp_path_factory: pytest.TempPathFactory) -> None:
    target = str(tmp_path_factory.mktemp("old") / "receiver.db")
    with told(target, Lives().task(at("2026-03-02 09:00"), ["ok"])) as store:
        with store.transaction() as connection:
            connection.exec_driver_sql("UPDATE task SET created_at = NULL")
        assert "Note: 1 tasks of an older version" in " ".join(written(store, "trend"))


def test_without_matplotlib_it_is_said_how_to_get_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = shown(store, "trend")
    monkeypatch.delitem(sys.modules, "receiver.analytics.charts.renderer", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        NotInstalledError, match=r"charts need matplotlib: pip install 'receiver\[analytics\]'"
    ):
        render(chart, "png")


def test_matplotlib_is_loaded_only_for_a_chart_and_never_its_global_figures(store: Store) -> None:
    code = f"""
import sys
from receiver.analytics.charts import render
from receiver.analytics.charts.chart import CHARTS, read_chart
from receiver.analytics.query import AnalyticsQuery
from receiver.domain.calendar import Calendar
from receiver.storage.engine import Store
import receiver.app, receiver.cli
assert "matplotlib" not in sys.modules
with Store({str(store.path)!r}).snapshot() as connection:
    shown = read_chart(connection, CHARTS["yield"], AnalyticsQuery("created", Calendar("UTC")))
render(shown, "svg"), render(shown, "png")
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
