"""Each odd way in which senders write hooks, as its bytes come out of a socket."""

import asyncio
import gzip
import json
import re
import zlib
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

import pytest

from receiver.emulator.config import DialectName
from receiver.emulator.dialects import ODD
from tests.emulator.emulator_env import EVENTS, wish
from tests.emulator.sockets import HOPELESS, RawHook, listening, serving, urls

NAME = "Перезвонить Ивану"
PATTERNS = re.compile(r"\{\w+\}|%\w+%|\$\{\w+\}")

Wires = dict[str, list[RawHook]]


@pytest.fixture(scope="module")
def wires() -> Wires:
    """Dialect → the hooks of a task that failed at its second attempt, in order."""

    async def speak(name: DialectName, url: str) -> None:
        async with serving(replace(HOPELESS, dialect=name)) as site:
            await site.tasks(wish(NAME, try_count=2, **urls(f"{url}/{name}")))
            await site.idle()

    async def main() -> Wires:
        async with listening() as (endpoint, url):
            names = list(ODD)
            for start in range(0, len(names), 8):
                await asyncio.gather(*(speak(name, url) for name in names[start : start + 8]))
        hooks = sorted(endpoint.hooks, key=lambda hook: EVENTS.index(hook.copies[0].split("-")[1]))
        return {name: [h for h in hooks if h.target.startswith(f"/{name}/".encode())] for name in names}

    return asyncio.run(main())


def form(text: bytes, encoding: str = "utf-8") -> dict[str, str]:
    return dict(parse_qsl(text.decode("ascii"), keep_blank_values=True, encoding=encoding))


def assert_is_record(fields: dict[str, Any]) -> None:
    """The record of the task at its end."""
    assert fields["name"] == NAME
    assert (str(fields["id"]), fields["status"], fields["finish_result"]) == (
        "10000001",
        "finished",
        "failed",
    )
    assert len(fields["cdr"]) == 36
    assert fields["finish_comment"]


def test_every_odd_dialect_has_a_test_of_its_name() -> None:
    assert {f"test_{name}" for name in ODD} <= set(globals())


def test_every_odd_dialect_fires_all_hooks_of_the_task(wires: Wires) -> None:
    told = {name: [re.split(rb"/|\?|%| ", hook.target)[2] for hook in hooks] for name, hooks in wires.items()}
    assert told == {name: [b"before", b"before_again", b"after"] for name in ODD}


def test_raw_utf8_get(wires: Wires) -> None:
    query = wires["raw_utf8_get"][-1].query
    assert "name=Перезвонить+Ивану&".encode() in query


def test_raw_cp1251_get(wires: Wires) -> None:
    query = wires["raw_cp1251_get"][-1].query
    assert "name=Перезвонить+Ивану&".encode("cp1251") in query


def test_raw_space_get(wires: Wires) -> None:
    query = wires["raw_space_get"][-1].query
    assert query.isascii()
    assert b"create_date_utc=20" in query
    assert b"%3A" in query
    assert f"name={NAME}&".encode() in unquote_to_bytes(query)
    assert b"%20" not in query
    assert b" " in query


def test_bracket_form(wires: Wires) -> None:
    fields = form(wires["bracket_form"][-1].body)
    assert_is_record({name.removeprefix("task[").removesuffix("]"): value for name, value in fields.items()})
    assert "task[id]" in fields


def test_bracket_get(wires: Wires) -> None:
    hook = wires["bracket_get"][-1]
    assert hook.method == "GET"
    assert form(hook.query)["task[id]"] == "10000001"


def test_list_form(wires: Wires) -> None:
    assert form(wires["list_form"][-1].body)["id[]"] == "10000001"


def test_dotted_form(wires: Wires) -> None:
    assert form(wires["dotted_form"][-1].body)["task.id"] == "10000001"


def test_nested_json(wires: Wires) -> None:
    assert_is_record(json.loads(wires["nested_json"][-1].body)["notification"]["task"])


def test_digit_keys(wires: Wires) -> None:
    assert_is_record(json.loads(wires["digit_keys"][-1].body)["tasks"]["0"])


def test_html_form(wires: Wires) -> None:
    body = wires["html_form"][-1].body
    assert b"&amp;scheduler_id=10001&amp;" in body
    assert_is_record(form(body.replace(b"&amp;", b"&")))


def test_html_get(wires: Wires) -> None:
    query = wires["html_get"][-1].query
    assert b"&amp;scheduler_id=10001&amp;" in query
    assert_is_record(form(query.replace(b"&amp;", b"&")))


def test_escaped_twice(wires: Wires) -> None:
    fields = form(wires["escaped_twice"][-1].body)
    assert fields["name"].startswith("%D0%9F")
    assert_is_record({name: unquote(value) for name, value in fields.items()})


def test_json_text(wires: Wires) -> None:
    text = json.loads(wires["json_text"][-1].body)
    assert isinstance(text, str)
    assert_is_record(json.loads(text))


def test_json_in_json(wires: Wires) -> None:
    text = json.loads(wires["json_in_json"][-1].body)["data"]
    assert isinstance(text, str)
    assert_is_record(json.loads(text))


def encoding(hook: RawHook) -> str | None:
    return hook.headers.get("content-encoding")


def test_gzip(wires: Wires) -> None:
    hook = wires["gzip"][-1]
    assert encoding(hook) == "gzip"
    assert_is_record(json.loads(gzip.decompress(hook.body)))


def test_deflate(wires: Wires) -> None:
    hook = wires["deflate"][-1]
    assert encoding(hook) == "deflate"
    assert_is_record(json.loads(zlib.decompress(hook.body)))


def test_raw_deflate(wires: Wires) -> None:
    hook = wires["raw_deflate"][-1]
    assert encoding(hook) == "deflate"
    assert_is_record(json.loads(zlib.decompress(hook.body, -zlib.MAX_WBITS)))


def test_gzip_unnamed(wires: Wires) -> None:
    hook = wires["gzip_unnamed"][-1]
    assert encoding(hook) is None
    assert_is_record(json.loads(gzip.decompress(hook.body)))


def test_gzip_misnamed(wires: Wires) -> None:
    hook = wires["gzip_misnamed"][-1]
    assert encoding(hook) == "deflate"
    assert_is_record(json.loads(gzip.decompress(hook.body)))


def test_gzip_in_name(wires: Wires) -> None:
    hook = wires["gzip_in_name"][-1]
    assert encoding(hook) == "gzip"
    assert_is_record(json.loads(hook.body))


def test_array(wires: Wires) -> None:
    [record] = json.loads(wires["array"][-1].body)
    assert_is_record(record)


def test_events_list(wires: Wires) -> None:
    body = json.loads(wires["events_list"][-1].body)
    assert body["count"] == 1
    assert_is_record(body["events"][0])


def test_json_lines(wires: Wires) -> None:
    hook = wires["json_lines"][-1]
    assert hook.headers["content-type"] == "application/x-ndjson"
    [line] = hook.body.splitlines()
    assert_is_record(json.loads(line))


@pytest.mark.parametrize("dialect", ["array", "events_list", "json_lines"])
def test_events_that_go_to_one_url_share_a_request(dialect: DialectName) -> None:
    async def main() -> list[RawHook]:
        async with listening() as (endpoint, url), serving(replace(HOPELESS, dialect=dialect)) as site:
            await site.tasks(*(wish(str(n), url_before=f"{url}/all", url_after="") for n in range(5)))
            await site.idle()
        return endpoint.hooks

    [hook] = asyncio.run(main())
    assert sorted(hook.copies) == [f"{10000001 + n}-before-1.1" for n in range(5)]
    assert [f'"id": {10000001 + n}' in hook.body.decode() for n in range(5)] == [True] * 5


def test_floats_json(wires: Wires) -> None:
    assert b'"id": 10000001.0' in wires["floats_json"][-1].body


def test_floats_form(wires: Wires) -> None:
    assert form(wires["floats_form"][-1].body)["id"] == "10000001.0"


def test_texts_json(wires: Wires) -> None:
    assert json.loads(wires["texts_json"][-1].body)["id"] == "10000001"


def test_numbers_json(wires: Wires) -> None:
    fields = json.loads(wires["numbers_json"][-1].body)
    assert (fields["b_number"], fields["try_again_pause"]) == (79990000001, 60)


def test_words_form(wires: Wires) -> None:
    fields = form(wires["words_form"][0].body)
    empty = ("extension_id", "finish_result", "finish_comment", "cdr")
    assert [fields[name] for name in empty] == ["undefined", "None", "[object Object]", "358-"]


def test_words_json(wires: Wires) -> None:
    fields = json.loads(wires["words_json"][0].body)
    assert (fields["id"], fields["cdr"]) == (10000001, "358-")


def test_placeholders(wires: Wires) -> None:
    fields = form(wires["placeholders"][-1].query)
    assert (fields["id"], fields["scheduler_id"], fields["name"]) == ("{id}", "%scheduler_id%", "${name}")
    assert all(PATTERNS.fullmatch(value) for value in fields.values())


def test_half_placeholders(wires: Wires) -> None:
    before, _, after = (form(hook.body) for hook in wires["half_placeholders"])
    assert PATTERNS.fullmatch(before["cdr"])
    assert PATTERNS.fullmatch(before["finish_result"])
    assert_is_record(after)


def test_braces_form(wires: Wires) -> None:
    before, _, after = (form(hook.body) for hook in wires["braces_form"])
    assert before["finish_comment"] == "{timeout}"
    assert re.fullmatch(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}", after["cdr"])


def test_braces_json(wires: Wires) -> None:
    after = json.loads(wires["braces_json"][-1].body)
    assert after["cdr"][0] + after["cdr"][-1] == "{}"
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(after["finish_comment"])


def times(wires: Wires, dialect: DialectName) -> list[str]:
    return [form(hook.body)["EventTime"] for hook in wires[dialect]]


def test_fourteen_digits(wires: Wires) -> None:
    assert all(re.fullmatch(r"20\d{12}", time) for time in times(wires, "fourteen_digits"))


def test_nanoseconds(wires: Wires) -> None:
    assert all(re.fullmatch(r"1\d{18}", time) for time in times(wires, "nanoseconds"))


def test_zone(wires: Wires) -> None:
    assert all(re.fullmatch(r"20[\d-]{8}T[\d:]{8}\+03:00", time) for time in times(wires, "zone"))


def test_zone_space(wires: Wires) -> None:
    assert all(re.fullmatch(r"20[\d-]{8}T[\d:]{8} 03:00", time) for time in times(wires, "zone_space"))


def test_empty_dates(wires: Wires) -> None:
    assert {time[:4] for time in times(wires, "empty_dates")} <= {"0001", "1970", "9999", "0000"}


def test_lines(wires: Wires) -> None:
    hook = wires["lines"][-1]
    assert hook.headers["content-type"] == "text/plain"
    assert_is_record(dict(line.split("=", 1) for line in hook.body.decode().split("\r\n") if line))


def test_pasted_space(wires: Wires) -> None:
    assert wires["pasted_space"][-1].target == b"/pasted_space/after%20"


def test_pasted_newline(wires: Wires) -> None:
    assert wires["pasted_newline"][-1].target == b"/pasted_newline/after%0D%0A"


def test_pasted_raw(wires: Wires) -> None:
    hook = wires["pasted_raw"][-1]
    assert hook.target == b"/pasted_raw/after "
    assert_is_record(form(hook.body))
