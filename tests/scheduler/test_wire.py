from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from receiver.scheduler.wire import CallHistoryRecord, NewTask, QueueRecord, TaskRecord
from tests.scheduler.scheduler_env import NOW, new_task


def test_a_task_needs_nothing_but_its_id() -> None:
    task = TaskRecord.model_validate({"id": 5})
    assert (task.id, task.urls, task.starts_at, task.pause, task.finish_result) == ("5", {}, None, None, None)
    with pytest.raises(ValidationError):
        TaskRecord.model_validate({"name": "x"})


def test_types_are_read_tolerantly() -> None:
    task = TaskRecord.model_validate(
        {
            "id": "5",
            "scheduler_id": 7,
            "a_number": 101,
            "try_count": "3",
            "try_again_pause": "60",
            "cdr": None,
            "start_time_utc": 30,
            "create_date_utc": "2023-11-14 22:13:20",
        }
    )
    assert (task.scheduler_id, task.a_number, task.try_count, task.pause) == ("7", "101", 3, 60.0)
    assert task.starts_at == NOW + 30


def test_unknown_fields_are_kept() -> None:
    queue = QueueRecord.model_validate({"id": 1, "interval_id": 9})
    assert queue.model_extra == {"interval_id": 9}


@pytest.mark.parametrize("word", ["scheduled", "delayed", "delayed_asr", "delayed_of_the_future"])
def test_any_delayed_word_is_kept(word: str) -> None:
    task = TaskRecord.model_validate({"id": 1, "status": word})
    assert task.status == word


def test_the_urls_are_named_by_event() -> None:
    task = TaskRecord.model_validate({"id": 1, "url_before": "b", "url_after": "a", "url_success": ""})
    assert task.urls == {"before": "b", "after": "a"}


def test_a_call_may_have_no_legs_and_null_times() -> None:
    call = CallHistoryRecord.model_validate(
        {"call_uuid": "AB-C", "cdr": None, "bridged_time_gmt": None, "duration": "12"}
    )
    assert (call.key, call.cdr, call.duration) == ("abc", [], 12.0)


def test_a_call_has_its_legs() -> None:
    call = CallHistoryRecord.model_validate(
        {"call_uuid": "u", "result": "bridged", "cdr": [{"dest_number": 101}, {"x": 1}]}
    )
    assert [leg.dest_number for leg in call.cdr] == ["101", None]


def test_no_repr_and_no_error_shows_a_number_or_a_url() -> None:
    record = TaskRecord.model_validate({"id": 1, "b_number": "79001234567", "url_after": "https://h/mac"})
    assert "7900" not in repr(record) + str(record) + repr(new_task(1)) + str(new_task(1))
    assert "mac" not in repr(record)
    with pytest.raises(ValidationError) as caught:
        NewTask.model_validate({"a_number": "79001234567", "b_number": ["79001234567"]})
    assert "7900" not in str(caught.value)


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        (90, 90),
        ("90", 90),
        (int(NOW), "2023-11-14 22:13:20"),
        (NOW, "2023-11-14 22:13:20"),
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "2023-11-14 22:13:20"),
        ("2023-11-14 22:13:20", "2023-11-14 22:13:20"),
    ],
)
def test_a_moment_is_never_sent_as_a_number(start: object, sent: object) -> None:
    task = new_task(1, start_time_utc=start)
    assert task.payload(pause_as_text=True)["start_time_utc"] == sent


@pytest.mark.parametrize("start", [-1, 1e12, 1e300])
def test_a_start_that_is_no_moment_is_not_sent(start: float) -> None:
    with pytest.raises(ValidationError):
        new_task(1, start_time_utc=start)


@pytest.mark.parametrize("count", [0, 51])
def test_a_try_count_out_of_range_is_not_sent(count: int) -> None:
    with pytest.raises(ValidationError):
        new_task(1, try_count=count)


def test_the_pause_is_sent_as_the_account_wants_it() -> None:
    task = new_task(1, try_again_pause=60)
    assert task.payload(pause_as_text=True)["try_again_pause"] == "60"
    assert task.payload(pause_as_text=False)["try_again_pause"] == 60
    assert "try_again_pause" not in new_task(1).payload(pause_as_text=True)
