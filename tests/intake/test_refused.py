"""What is told of refused hooks: which part did not fit, where they came from, and nothing that they said."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from receiver.domain.hooks import HookKey, HookSigner
from receiver.inbox.refused import PROBLEMS, RefusalLog, Refused
from receiver.observability.logs import hide_secrets
from tests.emulator.virtual import VirtualLoop
from tests.intake.intake_env import FIXED_SECRET, path_of
from tests.intake.listener_env import ListenerEnv, get, hook, post

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, type]]:
    return "asyncio", {"loop_factory": VirtualLoop}


STRANGER = HookSigner((HookKey("gone", "g" * 32),))
SAID = "not-the-secret-of-it"
"""What is sent in the place of a secret."""

CASES: dict[str, tuple[str, Refused]] = {
    "no hook URL": ("/wp-login.php", Refused("path")),
    "an account and nothing else": ("/hooks/main", Refused("path", "main")),
    "a part too many": (path_of("before") + "/more", Refused("path", "main", "before")),
    "an account that is not set": (path_of("before", account="mian"), Refused("account")),
    "an event that is none": (path_of("before").replace("/before/", "/during/"), Refused("event", "main")),
    "a key that is gone": (path_of("before", signer=STRANGER), Refused("key", "main", "before")),
    "a damaged token": (path_of("before")[:-2], Refused("mac", "main", "before")),
    "the token of another ref": (path_of("after").replace("/r1/", "/r2/"), Refused("mac", "main", "after")),
    "another secret": (f"/hooks/main/after/{SAID}", Refused("secret", "main", "after")),
    "a secret where none is set": (f"/hooks/shut/after/{SAID}", Refused("secret", "shut", "after")),
    "an address that is not listed": ("/hooks/listed/success", Refused("address", "listed", "success")),
}


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.mark.parametrize("case", CASES)
async def test_the_part_that_did_not_fit_is_logged_and_kept(
    env: ListenerEnv, case: str, logged: list[Any]
) -> None:
    path, expected = CASES[case]
    line = env.connect()
    line.send(post(f"{path}?said={SAID}", SAID.encode()))
    assert (await line.answer()).status_code == 404
    (kept,) = env.refused()
    assert kept.what == expected._replace(peer="198.51.100.7")
    (line,) = [each for each in logged if each["event"] == "a request to the hook listener is refused"]
    told = (line["part"], line["account"], line["hook"], line["peer"])
    assert told == (expected.part, expected.account, expected.event, "198.51.100.7")
    assert line["problem"] == PROBLEMS[expected.part]
    secrets = [SAID, FIXED_SECRET, *(part for part in path.split("/") if len(part) > 15)]
    assert not [secret for secret in secrets if secret in f"{logged}{kept}"]


async def test_an_authentic_hook_that_is_not_taken_in_is_told_of_as_well(env: ListenerEnv) -> None:
    line = env.connect()
    line.send(get(hook(), method="DELETE"))
    assert (await line.answer()).status_code == 405
    line = env.connect()
    line.send(post(hook("r2"), b"id=7")[:-2])
    line.send_eof()
    assert (await line.answer()).status_code == 400
    line = env.connect()
    line.send(b"GET " + hook().encode() + b" HTTP/1.1\r\nbroken\r\n\r\n")
    assert (await line.answer()).status_code == 400
    line = env.connect()
    line.send(get(hook(), "X: " + "x" * 40_000))
    assert (await line.answer()).status_code == 431
    kept = {each.what.part: each.what for each in env.refused()}
    assert kept.keys() == {"method", "body", "http", "head"}
    assert (kept["method"].account, kept["method"].event) == ("main", "before")
    assert (kept["body"].account, kept["body"].event) == ("main", "before")
    assert {each.peer for each in kept.values()} == {"198.51.100.7"}


async def test_refused_requests_are_counted_by_part(env: ListenerEnv) -> None:
    for path in ("/", hook()[:-1], hook()[:-1]):
        line = env.connect()
        line.send(get(path))
        assert (await line.answer()).status_code == 404
    counted = {part: env.refused_parts(part) for part in ("path", "mac", "key")}
    assert counted == {"path": 1, "mac": 2, "key": 0}


def test_equal_ones_are_one_entry_and_the_latest_comes_first() -> None:
    log = RefusalLog()
    damaged, other = (
        Refused("mac", "main", "after", "192.0.2.1"),
        Refused("secret", "main", "after", "192.0.2.1"),
    )
    for at, refused in enumerate((damaged, other, damaged)):
        log.note(refused, float(at))
    found = [(each.what.part, each.first_at, each.last_at, each.count) for each in log.latest()]
    assert found == [("mac", 0, 2, 2), ("secret", 1, 1, 1)]
    assert log.latest("main") == log.latest()
    assert log.latest("other") == []


def test_strangers_neither_fill_the_memory_nor_push_out_a_damaged_hook() -> None:
    log = RefusalLog()
    log.note(Refused("mac", "main", "after", "192.0.2.1"), 0.0)
    for number in range(10_000):
        log.note(Refused("path", peer=f"2001:db8::{number:x}"), float(number))
    assert len(log.latest()) == 26
    assert log.latest("main")[0].what.part == "mac"


def test_one_account_s_trouble_does_not_hide_another_s_from_the_log(logged: list[Any]) -> None:
    log = RefusalLog()
    for number, account in zip(count(), ("main", "main", "other"), strict=False):
        log.note(Refused("mac", account, "after", f"192.0.2.{number}"), 0.0)
    assert [each["account"] for each in logged] == ["main", "other"]


def test_the_log_masks_nothing_of_the_line() -> None:
    line = {"part": "secret", "problem": PROBLEMS["secret"], "peer": "198.51.100.7", "hook": "after"}
    assert hide_secrets(structlog.get_logger(), "warning", dict(line)) == line
