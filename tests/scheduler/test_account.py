from dataclasses import replace

import pytest

from receiver.errors import InputError, SettingsError
from tests.scheduler.parts import ACCOUNT, SECRET


def test_no_repr_shows_the_secret() -> None:
    assert SECRET not in repr(ACCOUNT)


def test_the_token_comes_from_the_root_of_the_host() -> None:
    assert ACCOUNT.token_endpoint == "http://scheduler.test/oauth/token"
    assert replace(ACCOUNT, token_url="https://id.test/t").token_endpoint == "https://id.test/t"


def test_lists_and_creations_end_in_a_slash_and_single_objects_do_not() -> None:
    root = "http://scheduler.test/api/ver1.0/client/@me"
    assert ACCOUNT.queues_url == f"{root}/task_scheduler/"
    assert ACCOUNT.queue_url(7) == f"{root}/task_scheduler/7"
    assert ACCOUNT.tasks_url(7) == f"{root}/task_scheduler/7/task/"
    assert ACCOUNT.create_url(7) == f"{root}/task_scheduler/7/tasks/"
    assert ACCOUNT.task_url(7, 8) == f"{root}/task_scheduler/7/task/8"
    assert ACCOUNT.call_url("u-1") == f"{root}/call_history/u-1"


def test_the_segments_are_settings() -> None:
    account = replace(ACCOUNT, task_segment="t", create_segment="c")
    assert account.tasks_url(7).endswith("/7/t/")
    assert account.create_url(7).endswith("/7/c/")


def test_an_id_cannot_leave_its_segment() -> None:
    assert ACCOUNT.queue_url("a/../b?c").endswith("/task_scheduler/a%2F..%2Fb%3Fc")


@pytest.mark.parametrize("empty", ["", ".", ".."])
def test_an_empty_id_never_addresses_the_whole_list(empty: str) -> None:
    with pytest.raises(InputError):
        ACCOUNT.queue_url(empty)
    with pytest.raises(InputError):
        ACCOUNT.task_url(7, empty)


def test_a_base_url_without_a_scheme_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="base_url"):
        replace(ACCOUNT, base_url="scheduler.test/api")
