"""Several events in one request, in all forms, and what only looks as if there were several."""

import json
from urllib.parse import quote

import pytest

from receiver.domain.facts import HookEvent
from tests.factories import ACCOUNT
from tests.inbox.kinds import MEANT, arrive, meaning, said

ROWS = '{"id": 71, "event": "before"}', '{"id": 72, "event": "url_after", "result": "failed"}'
SEVERAL = {
    "array": f"[{ROWS[0]}, {ROWS[1]}]",
    "list": f'{{"events": [{ROWS[0]}, {ROWS[1]}]}}',
    "list in an envelope": f'{{"data": {{"items": [{ROWS[0]}, {ROWS[1]}], "count": 2}}}}',
    "NDJSON": f"{ROWS[0]}\n{ROWS[1]}\n",
    "JSON without anything between": f"{ROWS[0]}{ROWS[1]}",
    "JSON sequence": f"\x1e{ROWS[0]}\n\x1e{ROWS[1]}\n",
    "array as text": json.dumps({"events": f"[{ROWS[0]}, {ROWS[1]}]"}),
    "texts in an array": json.dumps(ROWS),
    "array that became an object": f'{{"0": {ROWS[0]}, "1": {ROWS[1]}}}',
    "array in a field": "events=" + quote(f"[{ROWS[0]}, {ROWS[1]}]"),
    "numbered fields": "events[0][id]=71&events[0][event]=before"
    "&events[1][id]=72&events[1][event]=after&events[1][result]=failed",
    "numbered fields, escaped": "e%5B0%5D%5Bid%5D=1&events%5B0%5D%5Bid%5D=71&events%5B0%5D%5Bevent%5D=before"
    "&events%5B1%5D%5Bid%5D=72&events%5B1%5D%5Bevent%5D=after&events%5B1%5D%5Bresult%5D=failed",
    "numbered fields with dots": "events.0.id=71&events.0.event=before"
    "&events.1.id=72&events.1.event=after&events.1.result=failed",
}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_events_in_one_request(form: str) -> None:
    arrival = arrive(SEVERAL[form].encode(), event="success")
    first, (second,) = arrival.fact, arrival.more
    assert first is not None
    assert (first.id, second.id) == (
        f"{ACCOUNT}/hook/{arrival.delivery.id}",
        f"{ACCOUNT}/hook/{arrival.delivery.id}.1",
    )
    assert (first.task_id, second.task_id) == ("71", "72")
    assert isinstance(second.payload, HookEvent)
    assert (said(arrival).event, second.payload.event, second.payload.result) == ("before", "after", "failed")
    assert arrival.delivery.problem is None


def test_several_events_share_what_stands_beside_them() -> None:
    body = b'{"scheduler_id": 5, "events": [{"task_id": 1}, {"task_id": 2, "scheduler_id": 6}]}'
    arrival = arrive(body, query=b"result=failed")
    facts = [
        fact.payload for fact in (arrival.fact, *arrival.more) if fact and isinstance(fact.payload, HookEvent)
    ]
    assert [(fact.event, fact.task_id, fact.queue_id, fact.result) for fact in facts] == [
        ("after", "1", "5", "failed"),
        ("after", "2", "6", "failed"),
    ]


def test_several_events_at_a_minted_url_are_all_of_its_task() -> None:
    body = b'[{"event": "before"}, {"event": "success", "cdr": "c1"}, {"event": "after", "id": 9}]'
    arrival = arrive(body, ref="r1")
    facts = [arrival.fact, *arrival.more]
    assert [(fact.ref, fact.task_id) for fact in facts if fact] == [("r1", None)] * 3
    assert arrival.delivery.problem is None


def test_several_tasks_in_a_request_to_the_url_of_one_say_only_what_the_url_says() -> None:
    arrival = arrive(b'[{"id": 1, "result": "success"}, {"id": 2, "result": "failed"}]', ref="r1")
    assert (said(arrival).event, said(arrival).result, said(arrival).readable) == ("after", None, False)
    assert arrival.more == ()
    assert arrival.delivery.problem == "several tasks in a request to the URL of one"


def test_several_events_of_which_one_is_broken_are_all_there() -> None:
    arrival = arrive(f'{ROWS[0]}\n{{"id": 7, "event": bef\n{ROWS[1]}'.encode())
    facts = [arrival.fact, *arrival.more]
    assert [fact.task_id for fact in facts if fact] == ["71", "7", "72"]
    assert arrival.delivery.problem == "broken JSON"


def test_several_events_of_which_one_names_no_task_are_the_others() -> None:
    arrival = arrive(b'[{"id": 1}, {"id": "null"}, {"id": 3}]')
    assert [fact.task_id for fact in (arrival.fact, *arrival.more) if fact] == ["1", "3"]
    assert arrival.delivery.problem == "1 of 3 events name no task"


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 77, "result": "failed", "cdr": [{"call_uuid": "a"}, {"call_uuid": "b"}]}',
        b'{"id": 77, "result": "failed", "legs": [{"id": 1}, {"id": 2}]}',
        b'[{"name": "Ivan"}, {"id": 77, "result": "failed"}]',
        b'[{"id": 77, "result": "failed"}]',
        b'{"events": [{"id": 77, "result": "failed"}]}',
        b'{"id": 77, "result": "failed", "data": [{"name": "a"}, {"name": "b"}]}',
    ],
)
def test_one_event_with_a_list_in_it_is_one(body: bytes) -> None:
    arrival = arrive(body)
    assert (*meaning(arrival), arrival.more) == (*MEANT, ())


def test_no_more_events_are_read_of_a_request_than_a_thousand() -> None:
    arrival = arrive(b"\n".join(b'{"id": %d}' % (number + 1) for number in range(3000)))
    assert len(arrival.more) == 999
    assert arrival.delivery.problem is not None
    assert "more than 1000 events" in arrival.delivery.problem
