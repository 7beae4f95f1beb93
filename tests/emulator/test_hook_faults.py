"""What goes wrong with hooks: with certainty at 1, never at 0, and within its limits."""

import asyncio
import json
from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import Any, get_args
from urllib.parse import parse_qs

import pytest

from receiver.emulator.config import DialectName, EmulatorConfig
from receiver.emulator.faults import BREAKAGES, PROFILES, Breakage, Faults, HookFate, HookTraits, decide_hook
from receiver.emulator.rng import rng_for
from receiver.emulator.writing import FORM, JSON, Wire, break_body
from tests.emulator.emulator_env import HOPELESS, SURE, EmulatorEnv, Received, running, wish
from tests.emulator.virtual import run

AGAIN = HookTraits("before_again", has_body=True, has_time=True, tells_apart=True, pause=60)


def play(config: EmulatorConfig, *wishes: dict[str, Any]) -> tuple[dict[str, Any], list[Received]]:
    """The truth and what arrived, after all is done."""

    async def main() -> tuple[dict[str, Any], list[Received]]:
        async with running(config) as env:
            await env.tasks(await env.queue(), *(wishes or (wish(try_count=3),)))
            await env.idle()
            return env.emulator.truth(), env.recorder.received

    return run(main())


def fates(faults: Faults, traits: HookTraits, times: int = 500) -> list[HookFate]:
    return [decide_hook(faults, rng_for(7, n), traits) for n in range(times)]


def test_without_faults_every_hook_arrives_once_and_at_its_time() -> None:
    truth, received = play(HOPELESS)
    assert truth["faults"] == {}
    assert [hook.hook_id for hook in received] == [hook["id"] for hook in truth["hooks"]]
    assert [hook.at for hook in received] == pytest.approx([hook["at"] for hook in truth["hooks"]], abs=1e-3)


def test_dropped_hooks_never_arrive() -> None:
    truth, received = play(replace(HOPELESS, faults=Faults(drop=1)))
    assert received == []
    assert [hook["fate"] for hook in truth["hooks"]] == ["dropped"] * 4
    assert (truth["totals"]["dropped"], truth["faults"]) == (4, {"hook_dropped": 4})


def test_a_double_is_identical_and_follows_soon() -> None:
    truth, received = play(replace(HOPELESS, faults=Faults(double=1)))
    assert truth["totals"] | {"fired": 4, "duplicated": 4, "delivered": 8} == truth["totals"]
    copies = defaultdict(list)
    for hook in received:
        copies[hook.hook_id].append(hook)
    for first, second in copies.values():
        assert 0.05 <= second.at - first.at <= 2
        assert replace(second, at=0, copy_id="") == replace(first, at=0, copy_id="")


@pytest.mark.parametrize("pause", [0, 1, 4, 60])
def test_a_double_comes_well_within_the_pause(pause: float) -> None:
    gaps = [fate.copy_after or 0 for fate in fates(Faults(double=1), replace(AGAIN, pause=pause))]
    assert min(gaps) >= 0.05
    assert max(gaps) <= max(0.05, min(pause / 4, 2))


def test_a_delayed_hook_comes_late() -> None:
    truth, received = play(replace(HOPELESS, faults=Faults(delay=1)))
    fired_at = {hook["id"]: hook["at"] for hook in truth["hooks"]}
    assert all(1 <= hook.at - fired_at[hook.hook_id] <= 90.001 for hook in received)
    assert all(hook["delayed"] for hook in truth["hooks"])


def test_both_copies_of_a_delayed_double_come_together() -> None:
    _, received = play(replace(SURE, faults=Faults(delay=1, double=1)), wish(url_success="", url_after=""))
    first, second = received
    assert second.at - first.at <= 2


def test_a_reordered_hook_comes_after_the_next_one() -> None:
    _, received = play(replace(SURE, faults=Faults(reorder=1)))
    assert [hook.event for hook in received] == ["after", "success", "before"]


@pytest.mark.parametrize("others", [Faults(reorder=1, drop=0.5), Faults(reorder=0.5, delay=0.5, double=0.5)])
def test_reordered_hooks_arrive_whatever_happens_to_the_others(others: Faults) -> None:
    truth, received = play(replace(HOPELESS, faults=others), *(wish(str(n), try_count=4) for n in range(20)))
    expected = sum(len(hook["copies"]) for hook in truth["hooks"])
    assert len(received) == expected
    assert truth["totals"]["pending"] == 0


def test_a_reordered_hook_arrives_even_if_no_other_follows() -> None:
    _, received = play(replace(SURE, faults=Faults(reorder=1)), wish(url_success="", url_after=""))
    assert [hook.event for hook in received] == ["before"]


def test_a_reordered_hook_arrives_though_its_task_is_deleted() -> None:
    async def main() -> None:
        async with running(replace(SURE, faults=Faults(reorder=1))) as env:
            queue = await env.queue()
            [task] = await env.tasks(queue, wish())
            await env.clock.sleep(1)
            assert env.recorder.received == []
            await env.api("DELETE", f"/task_scheduler/{queue}/task/{task['id']}")
            await env.clock.sleep(1)
            assert [hook.event for hook in env.recorder.received] == ["before"]
            assert env.emulator.status()["idle"]

    run(main())


@pytest.mark.parametrize("dialect", ["empty", "empty_get"])
@pytest.mark.parametrize("faults", [Faults(delay=1), Faults(reorder=1)])
def test_an_empty_before_again_is_never_late(dialect: DialectName, faults: Faults) -> None:
    truth, received = play(replace(HOPELESS, dialect=dialect, faults=faults))
    fired_at = {hook["id"]: hook["at"] for hook in truth["hooks"]}
    late = [hook.event for hook in received if hook.at - fired_at[hook.hook_id] > 0.001]
    assert len(received) == 4
    assert "before" in late
    assert "before_again" not in late


def test_a_broken_before_again_is_never_late() -> None:
    late = [fate.delay or fate.reordered for fate in fates(Faults(broken=1, delay=0.5, reorder=0.5), AGAIN)]
    assert not any(late)
    assert all(fate.delay or fate.reordered for fate in fates(Faults(delay=0.5, reorder=0.5), AGAIN))


@pytest.mark.parametrize(
    "dialect", ["task_json", "task_form", "json_in_form", "task_multipart", "event_form"]
)
def test_a_broken_hook_has_another_body_or_content_type(dialect: DialectName) -> None:
    wishes = [wish(str(n)) for n in range(20)]
    truth, broken = play(replace(SURE, dialect=dialect, faults=Faults(broken=1)), *wishes)
    _, whole = play(replace(SURE, dialect=dialect), *wishes)
    assert {hook["broken"] for hook in truth["hooks"]} == set(BREAKAGES)
    intact = {hook.copy_id: (hook.body, hook.content_type) for hook in whole}
    assert all((hook.body, hook.content_type) != intact[hook.copy_id] for hook in broken)


@pytest.mark.parametrize("breakage", get_args(Breakage))
@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_a_broken_body_cannot_be_read_as_what_it_says(breakage: Breakage, content_type: str) -> None:
    body = json.dumps({"cdr": "5f0c", "id": 1}).encode() if content_type == JSON else b"cdr=5f0c&id=1"
    wire = break_body(Wire("POST", "http://hooks.test/", content_type, body), breakage)
    if wire.content_type == JSON:
        with pytest.raises(ValueError, match=r"."):
            json.loads(wire.body)
    else:
        assert "cdr" not in parse_qs(wire.body.decode("latin-1"))


@pytest.mark.parametrize("dialect", ["task_get", "event_get", "empty", "empty_get"])
def test_what_has_no_body_is_never_broken(dialect: DialectName) -> None:
    truth, _ = play(replace(SURE, dialect=dialect, faults=Faults(broken=1)))
    assert truth["faults"] == {}


def test_a_skewed_clock_shifts_the_times_in_the_payload_only() -> None:
    config = replace(HOPELESS, dialect="event_form")
    wishes = [wish(str(n)) for n in range(30)]
    _, right = play(config, *wishes)
    truth, wrong = play(replace(config, faults=Faults(skew=1)), *wishes)
    assert [hook.at for hook in wrong] == pytest.approx([hook.at for hook in right])
    off = [abs(_event_time(a) - _event_time(b)) for a, b in zip(right, wrong, strict=True)]
    assert all(1 <= seconds <= 3600.001 or seconds == pytest.approx(86_400) for seconds in off)
    assert any(seconds > 3601 for seconds in off)
    assert all(hook["skewed"] for hook in truth["hooks"])


def test_an_empty_hook_has_no_clock_to_be_skewed() -> None:
    truth, _ = play(replace(SURE, dialect="empty", faults=Faults(skew=1)))
    assert truth["faults"] == {}


def test_a_hook_is_dropped_or_doubled_but_never_both() -> None:
    for fate in fates(Faults(drop=0.5, double=0.5), AGAIN):
        assert fate.dropped != (fate.copy_after is not None)


def test_a_profile_strikes_as_often_as_it_says() -> None:
    heavy = PROFILES["heavy"]
    drawn = fates(heavy, AGAIN, times=20_000)
    share = {
        "drop": sum(fate.dropped for fate in drawn) / 20_000,
        "double": sum(fate.copy_after is not None and not fate.late_copy for fate in drawn) / 20_000,
    }
    assert share == pytest.approx({"drop": heavy.drop, "double": heavy.double}, abs=0.01)


def test_a_decision_is_a_function_of_its_name() -> None:
    assert fates(PROFILES["heavy"], AGAIN) == fates(PROFILES["heavy"], AGAIN)
    assert rng_for(1, "hook", 2).random() == Random("1:hook:2").random()


def test_a_refusing_endpoint_is_recorded_as_failed() -> None:
    async def refuse(hook: Received) -> int:
        return 503 if hook.event == "success" else 302 if hook.event == "after" else 204

    async def main() -> None:
        async with running(SURE) as env:
            env.recorder.answer = refuse
            await env.tasks(await env.queue(), wish())
            await env.idle()
            truth = env.emulator.truth()
            assert [hook["fate"] for hook in truth["hooks"]] == ["delivered", "failed", "failed"]
            assert [hook["copies"][0]["status"] for hook in truth["hooks"]] == [204, 503, 302]

    run(main())


def test_a_hanging_endpoint_is_given_up_after_the_time_out() -> None:
    async def hang(_: Received) -> int:
        await asyncio.sleep(1e6)
        return 200

    async def main() -> None:
        async with running(replace(SURE, hook_timeout=3)) as env:
            env.recorder.answer = hang
            await env.tasks(await env.queue(), wish(url_success="", url_after=""))
            await env.clock.sleep(4)
            [hook] = env.emulator.truth()["hooks"]
            assert (hook["fate"], hook["copies"]) == ("failed", [{"status": None, "error": "TimeoutError"}])

    run(main())


def test_stopping_sees_a_hook_in_flight_through_and_abandons_one_that_waits() -> None:
    async def answer_late(_: Received) -> int:
        await asyncio.sleep(5)
        return 200

    async def main() -> None:
        async with running(replace(SURE, faults=Faults(double=1))) as env:
            env.recorder.answer = answer_late
            await env.tasks(await env.queue(), wish())
            await env.clock.sleep(0.01)
        [hook] = env.emulator.truth()["hooks"]
        assert hook["fate"] == "pending"
        assert [copy["status"] for copy in hook["copies"]] == [200, None]

    run(main())


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (1, 2), (5, 3)])
def test_a_refused_hook_is_sent_again_as_often_as_configured(retries: int, tries: int) -> None:
    async def main() -> None:
        async with running(replace(SURE, hook_retries=retries)) as env:
            env.recorder.answer = third_time_lucky(env)
            await env.tasks(await env.queue(), wish(url_success="", url_after=""))
            await env.idle()
            assert len(env.recorder.received) == tries
            assert env.emulator.truth()["totals"]["delivered"] == (tries == 3)

    def third_time_lucky(env: EmulatorEnv) -> Any:
        async def answer(_: Received) -> int:
            return 200 if len(env.recorder.received) == 3 else 500

        return answer

    run(main())


def _event_time(hook: Received) -> float:
    [microseconds] = parse_qs(hook.body.decode())["EventTime"]
    return int(microseconds) / 1e6
