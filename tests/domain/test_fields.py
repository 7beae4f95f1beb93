import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.fields import DEFAULT_ALIASES, FieldReader, HookFields, call_key, fold_name, result_of
from receiver.domain.hook_values import storable, storable_tree
from receiver.domain.moments import read_moment, read_time

MOMENT = 1_700_000_000.0
VALUES: dict[str, tuple[str, object]] = {
    "sent_at": ("1700000000", MOMENT),
    "planned_at": ("1700000000", MOMENT),
    "attempt": ("3", 3),
}


def read_fields(
    payload: Iterable[tuple[str, str]], aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES
) -> HookFields:
    """By a reader that has learnt nothing yet."""
    return FieldReader(aliases).read(payload)


@pytest.mark.parametrize(
    ("field", "alias"), [(field, alias) for field, names in DEFAULT_ALIASES.items() for alias in names]
)
def test_every_alias_is_read(field: str, alias: str) -> None:
    value, read = VALUES.get(field, ("x1", "x1"))
    assert getattr(read_fields([(alias, value)]), field) == read


@pytest.mark.parametrize("name", ["task_id", "TaskID", "taskId", "TASK-ID", "task-id", "taskid", "_Task_ID_"])
def test_names_match_in_any_spelling(name: str) -> None:
    assert read_fields([(name, "7")]).task_id == "7"


def test_the_best_alias_wins_wherever_it_stands() -> None:
    assert read_fields([("id", "99"), ("TaskID", "7")]).task_id == "7"
    assert read_fields([("TaskID", "7"), ("id", "99")]).task_id == "7"


def test_of_one_name_the_first_value_that_says_something_counts() -> None:
    assert read_fields([("cdr", ""), ("cdr", "  "), ("CDR", " u-1 "), ("cdr", "u-2")]).call == "u-1"


def test_an_empty_value_under_a_better_alias_gives_way() -> None:
    assert read_fields([("cdr", ""), ("CallID", "u-1")]).call == "u-1"


def test_an_empty_payload_says_nothing() -> None:
    fields = read_fields([])
    assert (fields.task_id, fields.call, fields.result, fields.sent_at) == (None,) * 4


def test_aliases_of_the_settings_replace_the_defaults() -> None:
    fields = read_fields([("vorgang", "7"), ("id", "8")], {"task_id": ("vorgang",)})
    assert (fields.task_id, fields.call) == ("7", None)


def test_half_a_surrogate_pair_becomes_something_that_can_be_stored() -> None:
    assert read_fields([("comment", "x"), ("finish_comment", "no\ud800")]).comment == "no?"


@pytest.mark.parametrize(
    ("text", "stored"),
    [("a\0b", "a\ufffdb"), ("да\0", "да\ufffd"), ("\udfff\0", "?\ufffd"), ("да 1", "да 1")],
)
def test_what_no_database_can_hold_is_replaced(text: str, stored: str) -> None:
    assert storable(text) == stored
    assert read_fields([("finish_comment", text)]).comment == stored


def test_texts_are_made_storable_however_deep_they_lie() -> None:
    tree = {"a\0": ["b\0", ("c\ud800", 1), None, 2.5, True]}
    assert storable_tree(tree) == {"a\ufffd": ["b\ufffd", ("c?", 1), None, 2.5, True]}


@given(
    st.lists(
        st.tuples(st.sampled_from(["id", "TaskID", "ID_", "x", "cdr"]), st.sampled_from(["", " ", "1", "2"]))
    ),
    st.dictionaries(
        st.sampled_from(["task_id", "call"]),
        st.lists(st.sampled_from(["id", "task_id", "x", "CDR"])).map(tuple),
    ),
)
def test_a_reader_that_is_kept_reads_like_one_made_anew(
    payload: list[tuple[str, str]], aliases: dict[str, tuple[str, ...]]
) -> None:
    reader = FieldReader(aliases)
    assert reader.read(payload) == reader.read(payload) == read_fields(payload, aliases)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_reading_never_raises_and_gives_storable_text(payload: list[tuple[str, str]]) -> None:
    fields = read_fields(payload)
    for text in (fields.task_id, fields.queue_id, fields.call, fields.result, fields.comment):
        assert text is None or (text.encode() and "\0" not in text)


@pytest.mark.parametrize(
    "text",
    [
        "1700000000",
        "1700000000.0",
        "1700000000000",
        "1700000000000000",
        "1.7e9",
        "2023-11-14 22:13:20",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20+00:00",
        "2023-11-15T01:13:20+03:00",
        "20231114T221320Z",
    ],
)
def test_times_are_read_in_s_ms_us_and_iso_as_utc(text: str) -> None:
    assert read_time(text) == MOMENT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("99999999999", 99_999_999_999.0),
        ("100000000000", 100_000_000.0),
        ("99999999999999", 99_999_999_999.999),
        ("100000000000000", 100_000_000.0),
    ],
)
def test_units_are_told_apart_by_size(text: str, seconds: float) -> None:
    assert read_time(text) == seconds


def test_a_time_without_a_zone_is_utc_wherever_we_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Yekaterinburg")
        time.tzset()
        read = read_time("2023-11-14 22:13:20")
    time.tzset()
    assert read == MOMENT


def test_fractions_of_seconds_are_kept() -> None:
    assert read_time("1700000000123456") == pytest.approx(MOMENT + 0.123456, abs=1e-6)
    assert read_time("2023-11-14 22:13:20.25") == MOMENT + 0.25


@pytest.mark.parametrize(
    "text",
    [None, "", "soon", "0", "-1", "42", "999999999", "nan", "inf", "-inf", "1e18", "1e400", "14.11.2023"],
)
def test_what_is_no_time_is_not_guessed(text: str | None) -> None:
    assert read_time(text) is None


@given(st.one_of(st.text(), st.from_regex(r"[12][0-9]{11,19}|[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,20}")))
def test_reading_a_time_never_raises(text: str) -> None:
    read_time(text)
    assert (moment := read_moment(text)) is None or 1e9 <= moment < 1e11


@given(st.datetimes(datetime(2002, 1, 1), datetime(2199, 1, 1)), st.sampled_from([1, 1_000, 1_000_000]))
def test_a_time_of_our_age_is_read_alike_in_every_unit(moment: datetime, unit: int) -> None:
    seconds = int(moment.replace(tzinfo=UTC).timestamp())
    assert read_time(str(seconds * unit)) == read_moment(str(seconds * unit)) == seconds


@pytest.mark.parametrize(
    ("uuid", "key"),
    [
        ("0FA3-77bc", "0fa377bc"),
        (" 0fa377bc ", "0fa377bc"),
        ("", None),
        ("--", None),
        (None, None),
    ],
)
def test_calls_are_compared_without_case_and_dashes(uuid: str | None, key: str | None) -> None:
    assert call_key(uuid) == key


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("success", "success"),
        ("SUCCESS", "success"),
        ("bridged", "success"),
        ("failed", "failed"),
        ("BUSY", "failed"),
        ("not answered", "failed"),
        ("NO_ANSWER", "failed"),
        ("CHANUNAVAIL", "failed"),
        ("ANSWER", None),
        ("answered", None),
        ("CALLING", None),
        ("", None),
        (None, None),
    ],
)
def test_only_words_that_settle_it_give_a_result(word: str | None, result: str | None) -> None:
    assert result_of(word) == result


def test_folding_a_name_twice_changes_nothing() -> None:
    assert fold_name(fold_name("Call_API-ID")) == fold_name("CallAPIID") == "callapiid"
