"""The wire form of each dialect, as an endpoint sees it."""

import json
from dataclasses import replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, get_args
from urllib.parse import parse_qsl

import pytest

from receiver.emulator.config import DialectName
from receiver.emulator.dialects import DIALECTS, PLAIN
from tests.emulator.emulator_env import HOPELESS, SURE, Received, running, wish
from tests.emulator.virtual import MONDAY_NOON, run

FORM = "application/x-www-form-urlencoded"


def hooks(dialect: DialectName, *, sure: bool = True, **fields: Any) -> list[Received]:
    """All hooks of one task with a Russian name in that dialect."""

    async def main() -> list[Received]:
        async with running(replace(SURE if sure else HOPELESS, dialect=dialect)) as env:
            await env.tasks(await env.queue(), wish(**({"name": "Перезвонить"} | fields)))
            await env.idle()
            return env.recorder.received

    return run(main())


def form(text: bytes, encoding: str = "utf-8") -> dict[str, str]:
    return dict(
        parse_qsl(text.decode("ascii"), keep_blank_values=True, encoding=encoding, strict_parsing=True)
    )


def multipart(hook: Received) -> dict[str, str]:
    head = f"Content-Type: {hook.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + hook.body)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return {
        str(part.get_param("name", header="content-disposition")): payload.decode()
        for part in message.iter_parts()
        if isinstance(payload := part.get_payload(decode=True), bytes)
    }


def assert_is_record(fields: dict[str, Any]) -> None:
    """The record of a task that was connected at the first attempt, at its end."""
    assert fields["name"] == "Перезвонить"
    assert (fields["status"], fields["finish_result"]) == ("finished", "success")
    assert (str(fields["id"]), str(fields["scheduler_id"])) == ("10000001", "10001")
    assert len(fields["cdr"]) == 36
    assert fields["create_date_utc"] == "2026-03-02 12:00:00"


def test_task_get_puts_the_record_into_the_query() -> None:
    hook = hooks("task_get")[-1]
    assert (hook.method, hook.body) == ("GET", b"")
    assert_is_record(form(hook.query))


@pytest.mark.parametrize("dialect", ["task_get", "event_get"])
def test_a_query_is_appended_naively_to_a_url_that_has_one(dialect: DialectName) -> None:
    hook = hooks(dialect, url_after="http://hooks.test/x/after?a=1")[-1]
    assert hook.query.startswith(b"a=1?")
    assert hook.query.count(b"?") == 1


def test_a_url_that_has_a_query_is_posted_to_as_it_is() -> None:
    hook = hooks("task_form", url_after="http://hooks.test/x/after?a=1")[-1]
    assert (hook.method, hook.query) == ("POST", b"a=1")


def test_task_form_posts_the_record() -> None:
    hook = hooks("task_form")[-1]
    assert (hook.method, hook.content_type) == ("POST", FORM)
    assert_is_record(form(hook.body))


def test_task_form_cp1251_is_not_utf8() -> None:
    hook = hooks("task_form_cp1251")[-1]
    assert (hook.method, hook.content_type) == ("POST", FORM)
    assert_is_record(form(hook.body, "cp1251"))
    assert form(hook.body)["name"] != "Перезвонить"


def test_task_json_posts_the_record_with_its_types() -> None:
    hook = hooks("task_json", extension_id=5)[-1]
    assert (hook.method, hook.content_type) == ("POST", "application/json")
    fields = json.loads(hook.body)
    assert_is_record(fields)
    assert fields["extension_id"] == 5


def test_json_in_form_has_the_record_in_one_field() -> None:
    hook = hooks("json_in_form")[-1]
    assert (hook.method, hook.content_type) == ("POST", FORM)
    [(name, value)] = form(hook.body).items()
    assert name == "data"
    assert_is_record(json.loads(value))


def test_task_multipart_posts_the_record() -> None:
    hook = hooks("task_multipart")[-1]
    assert hook.method == "POST"
    assert_is_record(multipart(hook))


@pytest.mark.parametrize(("dialect", "method"), [("empty", "POST"), ("empty_get", "GET")])
def test_empty_dialects_say_nothing_but_the_url(dialect: DialectName, method: str) -> None:
    received = hooks(dialect)
    assert [hook.event for hook in received] == ["before", "success", "after"]
    assert {(hook.method, hook.query, hook.content_type, hook.body) for hook in received} == {
        (method, b"", "", b"")
    }


@pytest.mark.parametrize("dialect", ["event_form", "event_get"])
def test_event_dialects_tell_of_the_call(dialect: DialectName) -> None:
    received = hooks(dialect)
    assert {hook.method for hook in received} == {"POST" if dialect == "event_form" else "GET"}
    before, success, after = (form(hook.body or hook.query) for hook in received)
    assert [fields["EventType"] for fields in (before, success, after)] == ["dial-out", "answer", "hangup"]
    assert [fields["CallStatus"] for fields in (before, success, after)] == ["CALLING", "ANSWER", "ANSWER"]
    assert [fields["Bridged"] for fields in (before, success, after)] == ["false", "true", "true"]
    assert int(before["EventTime"]) == int(MONDAY_NOON * 1_000_000)
    seconds = (int(after["EventTime"]) - int(before["EventTime"])) / 1e6
    assert int(after["Duration"]) / 1e6 == pytest.approx(seconds, abs=0.001)
    assert before["CallID"] == ""
    assert success["CallID"] == success["CallAPIID"] == after["CallBackID"] != ""
    assert (after["CallerIDNum"], after["CalledNumber"], after["CallFlow"]) == ("101", "79990000001", "out")
    assert (success["RecID"], len(after["RecID"])) == ("", 36)


def test_the_event_dialect_says_why_a_call_failed() -> None:
    after = form(hooks("event_form", sure=False)[-1].body)
    assert after["CallStatus"] in {"BUSY", "NOANSWER", "CONGESTION", "CHANUNAVAIL", "CANCEL"}
    assert (after["Bridged"], after["RecID"]) == ("false", "")


@pytest.mark.parametrize("name", [name for name, dialect in PLAIN.items() if not dialect.is_empty])
def test_what_says_anything_tells_each_before_again_from_the_others(name: DialectName) -> None:
    again = [hook for hook in hooks(name, sure=False, try_count=4) if hook.event == "before_again"]
    assert len({(hook.query, hook.body) for hook in again}) == 3


def test_a_before_again_shows_the_previous_call_and_is_executed() -> None:
    received = hooks("task_form", sure=False, try_count=3)
    before, again, third, after = (form(hook.body) for hook in received)
    assert [fields["status"] for fields in (before, again, third)] == ["executed"] * 3
    assert before["cdr"] == ""
    assert len({again["cdr"], third["cdr"], after["cdr"]}) == 3


def test_every_dialect_that_can_be_chosen_exists() -> None:
    assert {"mixed", *DIALECTS} == set(get_args(DialectName))


def test_mixed_speaks_every_plain_dialect_but_one_a_task() -> None:
    async def main() -> list[Received]:
        async with running(replace(SURE, dialect="mixed")) as env:
            await env.tasks(await env.queue(), *(wish(str(n)) for n in range(100)))
            await env.idle()
            return env.recorder.received

    forms = {(hook.path.split("/")[1], hook.method, hook.content_type) for hook in run(main())}
    assert len(forms) == 100
    assert len({form[1:] for form in forms}) == 5
