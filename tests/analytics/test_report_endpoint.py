"""`GET /v1/analytics/report`: the report in words, as JSON and as a file."""

import pytest

from tests.http.api_env import T0, ApiEnv, finished

pytestmark = pytest.mark.anyio

_DAY_S = 86_400


async def test_the_report_has_words_and_numbers_of_the_period(api_env: ApiEnv) -> None:
    await api_env.said("r1", T0, finished())
    await api_env.said("r2", T0, finished(finish_result="failed", finish_comment="busy"))
    await api_env.said("old", T0 - 3 * _DAY_S, finished(start_at=T0 - 3 * _DAY_S))
    report = await api_env.get("/v1/analytics/report", since="2026-03-01", until="2026-03-01", each="queue")
    figures = {each["label"]: each for group in report["groups"] for each in group["figures"]}
    assert figures["Success rate"]["value"] == "50.0 %"
    assert figures["Success rate"]["of"] == "9.5–90.5 %, of 2 finished tasks"
    assert [each["name"] for each in report["charts"]] == ["queues", "trend", "hours", "yield", "reasons"]
    trend = report["charts"][1]
    assert trend["text"].startswith("Success rate of tasks by day, tasks by creation, UTC, 2026-03-01, ")
    assert [row[0] for row in trend["numbers"]["rows"]] == ["2026-03-01", "all"]
    assert (report["period"], report["comparison"], report["sides"]) == ("2026-03-01", None, [])


async def test_a_report_compares_periods_in_a_language(api_env: ApiEnv) -> None:
    await api_env.said("r1", T0, finished())
    await api_env.said("r2", T0 - _DAY_S, finished(finish_result="failed", start_at=T0 - _DAY_S))
    sides = {"since": "2026-03-01", "than_since": "2026-02-28", "than_until": "2026-02-28"}
    report = await api_env.get("/v1/analytics/report", lang="ru", **sides)
    assert report["comparison"]["rows"][0][:3] == [
        "доля успешных",
        *("100,0 % (20,7–100,0 %)", "0,0 % (0,0–79,3 %)"),
    ]
    assert len(report["sides"]) == 2


async def test_the_report_is_a_file_for_those_who_accept_html(api_env: ApiEnv) -> None:
    await api_env.said("r1", T0, finished())
    headers = {"Accept": "text/html", "Authorization": f"Bearer {await api_env.token('read')}"}
    answer = await api_env.client.get("/v1/analytics/report", headers=headers)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!doctype html>")
    assert answer.text.count("<svg ") == 4


async def test_a_bad_period_is_refused(api_env: ApiEnv) -> None:
    error = await api_env.refused("/v1/analytics/report", 400, since="2026-03-02", until="2026-03-01")
    assert error["field"] == "until"
