"""The truth is what endpoints and clients have seen, and it is the same for the same seed."""

from collections import Counter
from dataclasses import replace
from typing import Any

from receiver.emulator.config import AccountConfig
from receiver.emulator.faults import Faults
from tests.emulator.emulator_env import ACCOUNT, HOPELESS, SURE, Received, authorize, running, wish
from tests.emulator.virtual import run

HOOK_FAULTS = Faults(drop=0.1, double=0.1, delay=0.15, reorder=0.05, broken=0.05, skew=0.05)


def refused(hook: Received) -> bool:
    """Whether the endpoint refuses this copy: every one of each seventh task."""
    return int(hook.copy_id.split("-")[0]) % 7 == 0


def story(seed: int = 1) -> tuple[dict[str, Any], list[Received], list[str]]:
    """The truth, what arrived and what the control plane calls acknowledged, with heavy hook faults."""

    async def answer(hook: Received) -> int:
        return 500 if refused(hook) else 200

    async def main() -> tuple[dict[str, Any], list[Received], list[str]]:
        async with running(
            replace(SURE, answer_rate=None, dialect="mixed", seed=seed, faults=HOOK_FAULTS)
        ) as env:
            env.recorder.answer = answer
            wishes = (wish(str(n), try_count=1 + n % 5, b_number=f"7{n}") for n in range(60))
            await env.tasks(await env.queue(), *wishes)
            await env.idle()
            acknowledged = (await env.client.get("/emulator/deliveries")).json()
            return env.emulator.truth(), env.recorder.received, acknowledged

    return run(main())


def test_the_truth_agrees_with_what_arrived() -> None:
    truth, received, acknowledged = story()
    arrived = Counter(hook.hook_id for hook in received)
    for hook in truth["hooks"]:
        assert arrived[hook["id"]] == (0 if hook["fate"] == "dropped" else 2 if hook["duplicated"] else 1)
    delivered = {hook.copy_id for hook in received if not refused(hook)}
    assert set(acknowledged) == delivered
    assert truth["totals"]["delivered"] == len(acknowledged)
    assert truth["totals"]["failed"] == len(received) - len(acknowledged) > 0


def test_the_hooks_of_a_task_follow_from_its_plan_and_end() -> None:
    truth, _, _ = story()
    for task in truth["tasks"]:
        fired = Counter(hook["event"] for hook in truth["hooks"] if hook["task_id"] == task["task_id"])
        assert fired["before"] == fired["after"] == 1
        assert fired["before_again"] == task["attempts"] - 1
        assert fired["success"] == (task["finish_result"] == "success")
        if task["finish_result"] == "failed":
            assert task["attempts"] == task["try_count"]


def test_totals_count_what_is_listed() -> None:
    truth, _, _ = story()
    fates = Counter(hook["fate"] for hook in truth["hooks"])
    totals = truth["totals"]
    assert (totals["fired"], totals["dropped"]) == (len(truth["hooks"]), fates["dropped"])
    assert totals["dropped"] == truth["faults"]["hook_dropped"] > 0
    assert totals["duplicated"] == truth["faults"]["hook_doubled"] > 0
    assert totals["pending"] == 0


def test_the_same_seed_gives_the_same_truth_twice() -> None:
    first, again, other = story(1)[0], story(1)[0], story(2)[0]
    assert first == again
    assert first["tasks"] != other["tasks"]


def test_attempts_and_faults_do_not_depend_on_other_accounts() -> None:
    other = AccountConfig("20002", "other", "other-secret")
    accounts = (ACCOUNT, other)

    async def main(busy: bool) -> list[dict[str, Any]]:
        async with running(replace(HOPELESS, accounts=accounts, faults=Faults(drop=0.3))) as env:
            queue = await env.queue()
            if busy:
                await env.tasks(queue, *(wish(f"noise {n}") for n in range(5)))
            await authorize(env.client, other)
            base = "/api/ver1.0/client/@me/task_scheduler/"
            response = await env.client.post(base, json={"name": "q", "status": "on"})
            path = f"{base}{response.json()['id']}/task/"
            await env.client.post(path, json={"tasks": [wish(str(n), try_count=3) for n in range(5)]})
            await env.idle()
            return [hook for hook in env.emulator.truth()["hooks"] if hook["account"] == "20002"]

    assert run(main(busy=False)) == run(main(busy=True))


def test_the_control_plane_answers_without_a_token() -> None:
    async def main() -> None:
        async with running() as env:
            await env.tasks(await env.queue(), wish(start_time_utc=50), wish())
            await env.clock.sleep(2)
            env.client.headers.pop("Authorization")
            status = (await env.client.get("/emulator/status")).json()
            assert status == {
                "now": env.clock.now(),
                "tasks": {"scheduled": 1, "executed": 1},
                "pending_copies": 0,
                "idle": False,
            }
            await env.idle()
            assert (await env.client.get("/emulator/truth")).json() == env.emulator.truth()
            assert (await env.client.get("/emulator/nonsense")).status_code == 404

    run(main())


def test_a_hook_under_way_keeps_the_emulator_from_being_idle() -> None:
    async def main() -> None:
        async with running(replace(SURE, faults=Faults(delay=1))) as env:
            await env.tasks(await env.queue(), wish(url_before="", url_success=""))
            for _ in range(3000):
                if env.emulator.status()["tasks"] == {"finished": 1}:
                    break
                await env.clock.sleep(1)
            status = env.emulator.status()
            assert (status["pending_copies"], status["idle"]) == (1, False)
            assert env.emulator.truth()["hooks"][0]["fate"] == "pending"
            await env.idle()
            assert env.emulator.truth()["hooks"][0]["fate"] == "delivered"

    run(main())


def test_requests_are_counted_by_operation_and_status() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue()
            await env.tasks(queue, wish())
            await env.api("GET", "/task_scheduler/99")
            assert env.emulator.truth()["requests"] == {
                "token": {"200": 1},
                "create_queue": {"201": 1},
                "create_tasks": {"201": 1},
                "read_queue": {"404": 1},
            }

    run(main())
