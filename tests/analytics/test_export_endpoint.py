"""Exports over HTTP: what is asked, what is answered, and who may have how much."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.analytics import export_pages, exports
from receiver.analytics.views import RELATIONS, TASKS
from receiver.errors import StoreUnavailableError
from receiver.http.endpoint import MAX_EXPORTS
from tests.analytics import odd
from tests.analytics.odd import read_csv, read_jsonl
from tests.http.api_env import ApiEnv, running_rig

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiEnv]:
    monkeypatch.setattr(export_pages, "STRETCH", 5)
    with odd.filled(str(tmp_path / "receiver.db")):
        async with running_rig(tmp_path) as api_env:
            yield api_env


@pytest.mark.parametrize("relation", RELATIONS)
async def test_every_relation_is_exported(api_env: ApiEnv, relation: str) -> None:
    answer = await api_env.ask(f"/v1/export/{relation}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{relation}.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert len(read_csv(answer.content)) == len(odd.TEXTS) * (3 if relation == "attempts" else 1)


@pytest.mark.parametrize(
    ("asked", "accept", "media"),
    [
        ("", "application/jsonl", "application/jsonl"),
        ("", "application/x-ndjson", "application/x-ndjson"),
        ("", "application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("", "text/html, */*;q=0.5", "text/csv; charset=utf-8"),
        ("?format=jsonl", "text/csv", "application/jsonl"),
        ("?format=jsonl", "application/x-ndjson", "application/x-ndjson"),
        ("?format=parquet", "*/*", "application/vnd.apache.parquet"),
    ],
)
async def test_the_format_is_that_of_the_parameter_or_the_header(
    api_env: ApiEnv, asked: str, accept: str, media: str, tmp_path: Path
) -> None:
    api_env.client.headers["Accept"] = accept
    answer = await api_env.ask(f"/v1/export/tasks{asked}")
    assert answer.headers["content-type"] == media
    if media.endswith("parquet"):
        assert len(odd.read_parquet(answer.content, tmp_path, TASKS)) == len(odd.TEXTS)
    elif media.startswith("application"):
        assert len(read_jsonl(answer.content)) == len(odd.TEXTS)


async def test_only_who_may_see_numbers_gets_them(api_env: ApiEnv) -> None:
    hidden = read_csv((await api_env.ask("/v1/export/tasks")).content)
    shown = read_csv((await api_env.ask("/v1/export/tasks", "read", "numbers")).content)
    assert {row["b_number"] for row in hidden} == {"+791•••67"}
    assert {row["b_number"] for row in shown} == {odd.NUMBER}
    assert (await api_env.client.get("/v1/export/tasks")).status_code == 401
    assert (await api_env.ask("/v1/export/tasks", "numbers")).status_code == 403


async def test_part_by_part_makes_the_same_as_at_once(api_env: ApiEnv) -> None:
    whole = read_jsonl((await api_env.ask("/v1/export/attempts?format=jsonl")).content)
    rows: list[odd.Row] = []
    while True:
        after = {"after": rows[-1]["position"]} if rows else {}
        asked = {"format": "jsonl", "limit": "7"} | after
        some = read_jsonl((await api_env.ask("/v1/export/attempts", params=asked)).content)
        rows += some
        if len(some) < 7:
            break
    assert rows == whole


async def test_a_range_of_time_and_an_account(api_env: ApiEnv) -> None:
    asked = {"since": "2026-03-01T09:30:05.000Z", "until": "2026-03-01T09:30:10.000Z", "account": "main"}
    rows = read_csv((await api_env.ask("/v1/export/hooks", params=asked)).content)
    assert rows
    for row in rows:
        assert asked["since"] <= row["received_at"] < asked["until"]
        assert row["account"] == "main"


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"format": "xml"}, "format", "'csv', 'jsonl', 'xlsx' or 'parquet'"),
        ({"after": "nowhere"}, "after", "`position`"),
        ({"limit": "0"}, "limit", "1"),
        ({"since": "yesterday"}, "since", "ISO 8601"),
        ({"until": "2026-03-01", "since": "2026-03-02"}, "until", "later than `since`"),
        ({"cursor": "x"}, "cursor", "not known here"),
    ],
)
async def test_what_cannot_be_used_is_named_with_what_can(
    api_env: ApiEnv, asked: dict[str, str], field: str, words: str
) -> None:
    error = await api_env.refused("/v1/export/tasks", 400, **asked)
    assert error["field"] == field
    assert words in error["message"]


async def test_what_there_is_not_is_told_with_what_there_is(api_env: ApiEnv) -> None:
    assert "attempts" in (await api_env.refused("/v1/export/calls", 404))["message"]


async def test_without_pyarrow_parquet_is_not_there(api_env: ApiEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "receiver.analytics.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = await api_env.refused("/v1/export/tasks", 501, format="parquet")
    assert error["code"] == "not_installed"
    assert "pip install 'receiver[analytics]'" in error["message"]


async def test_so_many_at_once_and_no_more(api_env: ApiEnv) -> None:
    for _ in range(MAX_EXPORTS):
        await api_env.context.exports.acquire()
    answer = await api_env.ask("/v1/export/tasks")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    api_env.context.exports.release()
    # Each gives its place back, be it read to the end, refused, or asked for its head alone.
    for path, method in (("tasks", "GET"), ("tasks", "HEAD"), ("tasks?after=x", "GET"), ("hooks", "GET")):
        assert (await api_env.ask(f"/v1/export/{path}", method=method)).status_code in (200, 400)
    assert not api_env.context.exports.locked()


async def test_the_head_alone_is_the_same_without_the_rows(api_env: ApiEnv) -> None:
    head, whole = [await api_env.ask("/v1/export/tasks", method=method) for method in ("HEAD", "GET")]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == whole.headers


async def test_a_store_that_cannot_be_read_at_the_beginning_is_503(
    api_env: ApiEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_asked: object) -> None:
        raise StoreUnavailableError("busy")

    monkeypatch.setattr(exports, "next_page", fail)
    assert (await api_env.refused("/v1/export/tasks", 503))["code"] == "unavailable"
    assert not api_env.context.exports.locked()
