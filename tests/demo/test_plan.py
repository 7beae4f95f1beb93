"""The tasks of the demonstration."""

from receiver.demo.plan import ACCOUNTS, QUEUES, plan_tasks
from receiver.domain.hooks import REF

MANY = plan_tasks(1000, 5)


def test_the_same_seed_gives_the_same_tasks() -> None:
    assert plan_tasks(50, 5) == plan_tasks(50, 5)
    assert plan_tasks(50, 5) != plan_tasks(50, 6)


def test_more_tasks_begin_with_the_same_ones() -> None:
    assert plan_tasks(50, 5) == MANY[:50]


def test_every_task_has_a_ref_of_its_own_that_can_travel() -> None:
    assert len({planned.ref for planned in MANY}) == 1000
    assert all(REF.fullmatch(planned.ref) for planned in MANY)


def test_all_accounts_queues_and_numbers_of_tries_take_part() -> None:
    places = {(planned.account, planned.queue) for planned in MANY}
    assert places == {(account, queue) for account in ACCOUNTS for queue in QUEUES}
    assert {planned.task.try_count for planned in MANY} == {1, 2, 3, 4, 5, 6}


def test_a_task_that_is_deleted_again_has_not_begun_by_then() -> None:
    starts = {
        deleted: [int(p.task.start_time_utc or 0) for p in MANY if p.delete is deleted]
        for deleted in (True, False)
    }
    assert 0 < len(starts[True]) < 50
    assert min(starts[True]) > max(starts[False])
    assert min(starts[False]) >= 120
