"""What is claimed falsely is told apart from what is not known; only what nobody could know is excused."""

from typing import Any

import pytest

from receiver.demo.compare import compare
from receiver.domain.hooks import HookKey, HookSigner, mint_urls

ACCOUNTS = {"10001": "north"}
CDR, EARLIER = "a3afe0b0-51cc-4260-9fa7-ea4d97c0a0e1", "b3afe0b0-51cc-4260-9fa7-ea4d97c0a0e1"
URLS = mint_urls(HookSigner((HookKey("k", "secret-of-at-least-32-characters-x"),)), "http://x", "north", "r7")

Json = dict[str, Any]


def truth(*hooks: Json, **changes: Any) -> Json:
    """A task that failed at its second attempt of two."""
    task = {
        "account": "10001",
        "task_id": 7,
        "state": "finished",
        "finish_result": "failed",
        "cdr": CDR,
        "attempts": 2,
        "try_count": 2,
        "shown": True,
        "calls": [{"call_uuid": EARLIER}, {"call_uuid": CDR}],
        "url_after": URLS["url_after"],
    }
    return {"tasks": [task | changes], "hooks": list(hooks)}


def hook(event: str, fate: str = "delivered", **traits: bool) -> Json:
    told = {"names_task": True, "silent": False, "late_copy": False} | traits
    return {"account": "10001", "task_id": 7, "event": event, "fate": fate, **told}


def ours(key: str = "7", **changes: Any) -> dict[tuple[str, str], Json]:
    row = {
        "ref": "r7",
        "state": "finished",
        "finish_result": "failed",
        "cdr": CDR,
        "attempts": 2,
        "attempts_exact": True,
        "lost": {},
    }
    return {("north", key): row | changes}


def judged(truth: Json, ours: dict[tuple[str, str], Json]) -> list[tuple[str, str, bool]]:
    """(field, kind, whether it is excused)."""
    found = compare(truth, ours, ACCOUNTS)
    counts = (found.agree, found.disagree, found.not_known)
    assert counts == ((0, 1, 0) if found.disagreements else (0, 0, 1) if found.unknown else (1, 0, 0))
    listed = ((found.disagreements, False), (found.unknown, True))
    return [(each.field, each.kind, excused) for part, excused in listed for each in part]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"state": "executed"}, "not known"),
        ({"state": "gone"}, "wrong"),
        ({"finish_result": None}, "not known"),
        ({"finish_result": "success"}, "wrong"),
        ({"cdr": None}, "not known"),
        ({"cdr": EARLIER}, "not known"),
        ({"cdr": "c" * 32}, "wrong"),
        ({"attempts": 1}, "wrong"),
    ],
)
def test_where_help_was_complete_neither_is_excused(said: Json, kind: str) -> None:
    [field] = said
    assert judged(truth(), ours(**said)) == [(field, kind, False)]


@pytest.mark.parametrize("said", [{"state": "scheduled"}, {"finish_result": None}, {"cdr": EARLIER}])
def test_of_a_task_whose_id_nobody_was_told_much_may_be_unknown(said: Json) -> None:
    [field] = said
    nameless = truth(hook("after", names_task=False), shown=False)
    assert judged(nameless, ours("#r7", **said)) == [(field, "not known", True)]
    told = truth(hook("after"), shown=False)
    assert judged(told, ours("#r7", **said)) == [(field, "not known", False)]


@pytest.mark.parametrize("said", [{"state": "gone"}, {"finish_result": "success"}, {"cdr": "c" * 32}])
def test_nothing_false_may_be_said_of_it(said: Json) -> None:
    [field] = said
    assert judged(truth(shown=False), ours("#r7", **said)) == [(field, "wrong", False)]


def test_a_task_that_is_not_known_at_all_is_excused_only_where_nobody_was_told_its_id() -> None:
    assert judged(truth(shown=False), {}) == [("task", "not known", True)]
    assert judged(truth(), {}) == [("task", "not known", False)]


def test_that_a_failed_task_has_used_all_attempts_is_an_inference() -> None:
    early = truth(hook("before_again"), attempts=2, try_count=4)
    inferred = ours(attempts=4, lost={"before_again": 2})
    assert judged(early, inferred) == [
        ("attempts", "inferred", True),
        ("lost before_again", "inferred", True),
    ]
    assert judged(early, ours(attempts=3)) == [("attempts", "wrong", False)]
    assert judged(early, ours(attempts=4, lost={"before_again": 3})) == [
        ("lost before_again", "wrong", False),
        ("attempts", "inferred", True),
    ]
    connected = truth(attempts=2, try_count=4, finish_result="success")
    assert judged(connected, ours(attempts=4, finish_result="success")) == [("attempts", "wrong", False)]


def test_silent_hooks_that_came_again_late_raise_a_bound_and_prove_nothing() -> None:
    again = hook("before_again", silent=True, late_copy=True)
    assert judged(truth(again), ours(attempts=3, attempts_exact=False)) == [("attempts", "wrong", True)]
    assert judged(truth(again), ours(attempts=4, attempts_exact=False)) == [("attempts", "wrong", False)]
    assert judged(truth(again), ours(attempts=3)) == [("attempts", "wrong", False)]
    for other in (truth(hook("before_again", silent=True)), truth(hook("before_again", late_copy=True))):
        assert judged(other, ours(attempts=3, attempts_exact=False)) == [("attempts", "wrong", False)]


def test_a_late_copy_may_stand_in_for_one_that_was_lost() -> None:
    again = hook("before_again", silent=True, late_copy=True)
    lost = hook("before_again", "dropped", silent=True)
    assert judged(truth(again, lost), ours()) == [("lost before_again", "not known", True)]
    assert judged(truth(again, lost, lost), ours()) == [("lost before_again", "not known", False)]
    assert judged(truth(hook("before_again"), lost), ours()) == [("lost before_again", "not known", False)]


@pytest.mark.parametrize(
    ("status", "is_wrong"), [(200, False), (503, False), (None, False), (401, True), (400, True)]
)
def test_a_genuine_hook_must_not_be_refused(status: int | None, is_wrong: bool) -> None:
    copies = [{"status": status, "error": None}]
    told = truth(hook("after", "failed") | {"copies": copies})
    assert judged(told, ours()) == ([("hooks refused", "wrong", False)] if is_wrong else [])
