"""Charts over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.analytics.charts.chart import CHARTS
from tests.analytics.lives import Lives, at
from tests.http.api_env import ApiEnv, running_rig

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api_env(tmp_path: Path) -> AsyncIterator[ApiEnv]:
    """In March 2 of 3 in queue 5, in April 0 of 1 in queue 6."""
    async with running_rig(tmp_path) as api_env:
        make, march, april = Lives(), at("2026-03-10 09:00"), at("2026-04-10 09:00")
        for ends in (["ok"], ["b:NO_ANSWER", "ok"], ["a:USER_BUSY"] * 3):
            await api_env.record(make.task(march, ends, account="main"))
        await api_env.record(make.task(april, ["a:USER_BUSY"] * 3, account="main", queue="6"))
        yield api_env


@pytest.mark.parametrize("name", CHARTS)
async def test_every_chart_is_there_as_drawing_and_as_picture(api_env: ApiEnv, name: str) -> None:
    drawing = await api_env.ask(f"/v1/analytics/{name}.svg")
    picture = await api_env.ask(f"/v1/analytics/{name}.png")
    assert (drawing.status_code, picture.status_code) == (200, 200)
    assert (drawing.headers["content-type"], picture.headers["content-type"]) == (
        "image/svg+xml",
        "image/png",
    )
    assert drawing.headers["cache-control"] == picture.headers["cache-control"] == "no-store"
    assert f'<title id="{name}-title">' in drawing.text
    assert picture.content.startswith(b"\x89PNG")


async def test_a_chart_is_of_what_was_asked(api_env: ApiEnv) -> None:
    drawing = await api_env.ask(
        "/v1/analytics/trend.svg",
        params={
            "zone": "Europe/Moscow",
            "since": "2026-03-01",
            "until": "2026-03-31",
            "queue_id": "5",
            "account": "main",
            "basis": "finished",
        },
    )
    for text in (
        "tasks by finish · Europe/Moscow · 2026-03-01 to 2026-03-31",
        "account main, queue 5 · n = 3 finished tasks",
        "all: 66.7 %",
    ):
        assert f">{text}" in drawing.text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"basis": "created"}, "must be started for this chart"),
        ({"basis": "begun"}, "must be"),
        ({"zone": "Mars"}, "no such time zone"),
        ({"since": "2026-03-01T09:30:00Z"}, "use a full hour of UTC"),
        ({"by": "day"}, "not known here"),
    ],
)
async def test_what_cannot_be_drawn_is_refused(api_env: ApiEnv, asked: dict[str, str], words: str) -> None:
    error = await api_env.refused("/v1/analytics/hours.svg", 400, **asked)
    assert error["field"] == next(iter(asked))
    assert words in error["message"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("pie.svg", "charts: trend, hours, yield, reasons"),
        ("pie.png", "charts: trend, hours, yield, reasons"),
        ("trend.gif", "no such path"),
    ],
)
async def test_there_are_no_other_charts(api_env: ApiEnv, path: str, words: str) -> None:
    error = await api_env.refused(f"/v1/analytics/{path}", 404)
    assert words in error["message"]


async def test_charts_need_a_token_that_may_read(api_env: ApiEnv) -> None:
    assert (await api_env.client.get("/v1/analytics/trend.svg")).status_code == 401
    assert (await api_env.ask("/v1/analytics/trend.png", "mint")).status_code == 403


async def test_without_matplotlib_the_answer_says_how_to_get_it(
    api_env: ApiEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "matplotlib.py"
    missing.write_text('raise ModuleNotFoundError("there is none", name="matplotlib")\n')
    monkeypatch.syspath_prepend(str(tmp_path))  # the processes that draw get the same path
    error = await api_env.refused("/v1/analytics/trend.png", 501)
    assert error["message"] == "charts need matplotlib: pip install 'receiver[analytics]'"
    assert (await api_env.ask("/v1/analytics/success")).status_code == 200


async def test_a_page_with_a_title_of_its_own_gets_a_picture_without(api_env: ApiEnv) -> None:
    whole = (await api_env.ask("/v1/analytics/yield.svg")).text
    plain = await api_env.ask("/v1/analytics/yield.svg", params={"title": "false"})
    title = ">Attempt yield by attempt number</text>"
    assert title in whole
    assert title not in plain.text
    assert plain.headers["content-type"] == "image/svg+xml"
    assert plain.text.startswith("<svg ")


async def test_a_chart_is_drawn_in_the_language_that_is_asked_for(api_env: ApiEnv) -> None:
    russian = await api_env.ask("/v1/analytics/yield.svg", params={"lang": "ru"})
    assert "Успешность по номеру попытки" in russian.text
    error = await api_env.refused("/v1/analytics/yield.svg", 400, lang="de")
    assert error["field"] == "lang"
