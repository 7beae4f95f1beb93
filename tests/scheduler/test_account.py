from dataclasses import replace

import pytest

from receiver.errors import InputError, SettingsError
from receiver.scheduler.account import (
    CALL_PATH,
    CREATE_PATH,
    QUEUE_PATH,
    QUEUES_PATH,
    TASK_PATH,
    TASKS_PATH,
    SchedulerAccount,
)
from receiver.scheduler.answers import Answer
from receiver.scheduler.exchange import Request
from tests.scheduler.scheduler_env import ACCOUNT, SECRET


def url(path: str, account: SchedulerAccount = ACCOUNT, **ids: str | int) -> str:
    return Request("operation", "GET", path, Answer.json, ids).url(account)


def test_no_repr_shows_the_secret() -> None:
    assert SECRET not in repr(ACCOUNT)


def test_the_token_comes_from_the_root_of_the_host() -> None:
    assert ACCOUNT.token_endpoint == "http://scheduler.test/oauth/token"
    assert replace(ACCOUNT, token_url="https://id.test/t").token_endpoint == "https://id.test/t"


def test_lists_and_creations_end_in_a_slash_and_single_objects_do_not() -> None:
    root = "http://scheduler.test/api/ver1.0/client/@me"
    assert url(QUEUES_PATH) == f"{root}/task_scheduler/"
    assert url(QUEUE_PATH, queue_id=7) == f"{root}/task_scheduler/7"
    assert url(TASKS_PATH, queue_id=7) == f"{root}/task_scheduler/7/task/"
    assert url(CREATE_PATH, queue_id=7) == f"{root}/task_scheduler/7/tasks/"
    assert url(TASK_PATH, queue_id=7, task_id=8) == f"{root}/task_scheduler/7/task/8"
    assert url(CALL_PATH, call_uuid="u-1") == f"{root}/call_history/u-1"


def test_the_segments_are_settings() -> None:
    account = replace(ACCOUNT, task_segment="t", create_segment="c")
    assert url(TASKS_PATH, account, queue_id=7).endswith("/7/t/")
    assert url(CREATE_PATH, account, queue_id=7).endswith("/7/c/")


def test_an_id_cannot_leave_its_segment() -> None:
    assert url(QUEUE_PATH, queue_id="a/../b?c").endswith("/task_scheduler/a%2F..%2Fb%3Fc")


@pytest.mark.parametrize("empty", ["", ".", ".."])
def test_an_empty_id_never_addresses_the_whole_list(empty: str) -> None:
    with pytest.raises(InputError):
        url(QUEUE_PATH, queue_id=empty)
    with pytest.raises(InputError):
        url(TASK_PATH, queue_id=7, task_id=empty)


def test_a_base_url_without_a_scheme_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="base_url"):
        replace(ACCOUNT, base_url="scheduler.test/api")
