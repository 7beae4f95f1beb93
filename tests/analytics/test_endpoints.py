"""Figures over HTTP: JSON, CSV, comparison, and what is refused."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.analytics.measures import MEASURES
from receiver.analytics.schemas import MeasureResult
from tests.analytics.lives import Lives, at
from tests.http.api_env import ApiEnv, running_rig

pytestmark = pytest.mark.anyio

MARCH, APRIL = at("2026-03-10 09:00"), at("2026-04-10 09:00")


@pytest.fixture
async def api_env(tmp_path: Path) -> AsyncIterator[ApiEnv]:
    """In March, 3 of 4 in queue 5 and 1 of 2 in queue 6; in April, 1 of 4 in queue 5, and one is open."""
    async with running_rig(tmp_path) as api_env:
        lives = Lives()
        plan: list[tuple[float, str, list[str]]] = [
            *((MARCH, "5", ["ok"]) for _ in range(3)),
            (MARCH, "5", ["a:USER_BUSY"] * 3),
            (MARCH, "6", ["b:NO_ANSWER", "ok"]),
            (MARCH, "6", ["b:NO_ANSWER"] * 3),
            (APRIL, "5", ["ok"]),
            *((APRIL, "5", ["b:USER_BUSY"] * 3) for _ in range(3)),
        ]
        for start, queue, ends in plan:
            await api_env.record(lives.task(start, ends, queue=queue, extension="305", account="main"))
        await api_env.record(lives.task(APRIL, ["b:USER_BUSY"], account="main", is_open=True))
        yield api_env


async def test_a_figure_says_what_it_counts_and_how_sure_it_is(api_env: ApiEnv) -> None:
    answer = await api_env.get("/v1/analytics/success", by="queue", zone="Europe/Moscow")
    assert answer["asked"] == {
        "figure": "success",
        "title": "Success rate",
        "about": answer["asked"]["about"],
        "counts": "tasks",
        "basis": "created",
        "zone": "Europe/Moscow",
        "since": None,
        "until": None,
        "account": None,
        "queue_id": None,
    }
    assert [row["queue"] for row in answer["rows"]] == ["5", "6", ""]
    assert answer["total"]["tasks"] == 11
    assert answer["total"]["open"] == 1
    assert answer["total"]["success_rate"]["k"] == 5
    rate = answer["rows"][0]["success_rate"]
    assert (rate["k"], rate["n"], rate["value"]) == (4, 8, 0.5)
    assert 0.2 < rate["low"] < 0.5 < rate["high"] < 0.8
    named = {column["name"] for column in answer["columns"]}
    assert named == set(answer["total"])
    assert answer["read_from"] == "rollup"


async def test_the_same_as_csv(api_env: ApiEnv) -> None:
    response = await api_env.client.get(
        "/v1/analytics/success",
        params={"by": "day,queue", "since": "2026-03-01", "until": "2026-03-31"},
        headers={"Authorization": f"Bearer {await api_env.token('read')}", "Accept": "text/csv"},
    )
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [(row["day"], row["queue"], row["tasks"], row["success_rate"]) for row in rows] == [
        ("2026-03-10", "5", "4", "0.75"),
        ("2026-03-10", "6", "2", "0.5"),
    ]
    assert {"success_rate_low", "success_rate_high", "success_rate_n"} <= rows[0].keys()


async def test_two_periods_side_by_side(api_env: ApiEnv) -> None:
    answer = await api_env.get(
        "/v1/analytics/comparison",
        queue_id="5",
        since="2026-03-01",
        until="2026-03-31",
        than_since="2026-04-01",
        than_until="2026-04-30",
    )
    (rate,) = answer["shares"]
    assert rate["name"] == "success_rate"
    assert ((rate["first"]["k"], rate["first"]["n"]), (rate["second"]["k"], rate["second"]["n"])) == (
        (3, 4),
        (1, 4),
    )
    assert rate["difference"]["value"] == 0.5
    assert rate["difference"]["low"] < 0 < rate["difference"]["high"]
    assert rate["difference"]["is_sure"] is False
    assert answer["second"]["asked"]["since"] == "2026-04-01T00:00:00.000Z"
    assert answer["second"]["asked"]["until"] == "2026-05-01T00:00:00.000Z"


async def test_two_queues_side_by_side_in_the_same_period(api_env: ApiEnv) -> None:
    answer = await api_env.get(
        "/v1/analytics/comparison", figure="attempts", queue_id="5", than_queue_id="6", until="2026-03-31"
    )
    shares = {each["name"]: each for each in answer["shares"]}
    assert (shares["yield"]["first"]["k"], shares["yield"]["first"]["n"]) == (3, 6)
    assert (shares["yield"]["second"]["k"], shares["yield"]["second"]["n"]) == (1, 5)
    assert {"a_answer_rate", "b_answer_rate", "bridge_rate", "asr"} < shares.keys()


@pytest.mark.parametrize(
    ("path", "asked", "field", "words"),
    [
        ("success", {"by": "colour"}, "by", "'colour' is none of account, queue"),
        ("success", {"by": "attempt,reason"}, "by", "not counted together"),
        ("success", {"zone": "Mars/Olympus"}, "zone", "Europe/Moscow"),
        ("success", {"zone": "../../etc/passwd"}, "zone", "no such time zone"),
        ("success", {"since": "yesterday"}, "since", "a day such as 2026-03-01"),
        ("success", {"since": ""}, "since", "a day such as 2026-03-01"),
        ("success", {"since": "0001-01-01"}, "since", "from 1970 to 2099"),
        ("success", {"until": "9999-12-31"}, "until", "from 1970 to 2099"),
        ("success", {"until": "2026-03-01T09:30:00Z"}, "until", "use a full hour of UTC"),
        ("success", {"since": "2026-03-02", "until": "2026-03-01"}, "until", "later than `since`"),
        (
            "comparison",
            {"than_since": "2026-03-01T10:00:00Z", "than_until": "2026-03-01T09:00:00Z"},
            "than_until",
            "later than `than_since`",
        ),
        ("success", {"basis": "started"}, "basis", "'created', 'finished' or"),
        ("hours", {"basis": "created"}, "basis", "'started'"),
        ("comparison", {"figure": "hours"}, "figure", "'success'"),
        ("success", {"colour": "red"}, "colour", "not known here"),
    ],
)
async def test_what_is_not_counted_is_refused_with_what_is(
    api_env: ApiEnv, path: str, asked: dict[str, Any], field: str, words: str
) -> None:
    error = await api_env.refused(f"/v1/analytics/{path}", 400, **asked)
    assert error["field"] == field
    assert words in error["message"]


async def test_figures_need_a_token_that_may_read(api_env: ApiEnv) -> None:
    assert (await api_env.client.get("/v1/analytics/success")).status_code == 401
    assert (await api_env.ask("/v1/analytics/success", "mint")).status_code == 403


async def test_words_show_no_number(api_env: ApiEnv) -> None:
    await api_env.record(
        Lives().task(MARCH, ["b:call to +79161234567 failed"] * 3, queue="9", account="second")
    )
    answer = await api_env.get("/v1/analytics/reasons", by="word", account="second")
    assert [row["word"] for row in answer["rows"]] == ["call to +# failed"]


@pytest.mark.parametrize("figure", MEASURES)
async def test_an_answer_is_what_the_documented_model_makes_of_it(api_env: ApiEnv, figure: str) -> None:
    answer = await api_env.get(f"/v1/analytics/{figure}")
    assert MeasureResult.model_validate(answer).model_dump(mode="json") == answer
