"""The story reads only rows of its task, found by index, on both databases."""

import re

import pytest

from receiver.http.endpoint import Call, Caller
from receiver.storage.bulk import is_postgres
from receiver.story.endpoints import StoryQuery, read_story
from tests.http.api_env import T0
from tests.outcomes.subscriber import Subscriber
from tests.storage.test_query_plans import overheard
from tests.story.story_env import open_story_env
from tests.story.test_story import live

pytestmark = pytest.mark.anyio

SMALL = ("queue", "sweep", "lease", "reconcile_pass", "subscription", "task_count", "counted")
"""Tables with few rows whatever the number of tasks; `counted` has a limit."""

INDEXES = {
    "fact_by_ref",
    "fact_by_task_id",
    "link_by_ref",
    "message_by_task",
    "outcome_by_task",
    "task_number_by_digits",
}


async def test_every_statement_of_the_story_finds_its_rows_by_index(
    store_target: str, crm: Subscriber
) -> None:
    async with open_story_env(store_target, T0 + 500) as env:
        await env.delivery.subscribe(crm.url)
        await live(env)
        async with env.delivery.delivering():
            await env.delivery.until("delivered", 5)
        path = {"account": "main", "key": "r1"}
        call = Call(env.api.context, Caller("test", frozenset({"read"})), path, StoryQuery(), None)
        with env.api.store.transaction() as connection:
            if is_postgres(connection):
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # as with tables that are large
            with overheard(connection) as heard:
                evidence = read_story(connection, call=call)
            assert len(evidence.told.messages) == 5
            explain = "EXPLAIN" if is_postgres(connection) else "EXPLAIN QUERY PLAN"
            told = [
                str(line)
                for sql, parameters in heard
                for line in connection.exec_driver_sql(f"{explain} {sql}", parameters).all()
            ]
    scans = [line for line in told if re.search(r"SCAN (?!\S+ VIRTUAL TABLE)|Seq Scan", line)]
    assert [line for line in scans if not any(f"SCAN {name}" in line for name in SMALL)] == []
    assert {index for index in INDEXES if any(index in line for line in told)} == INDEXES
    assert any("message_seq" in line for line in told), "the attempts to deliver"
    assert len(heard) <= 15, "statements of a story"
