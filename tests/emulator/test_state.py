"""The emulator's state in a file: a restart changes nothing that happens."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from receiver.emulator.config import AccountConfig, EmulatorConfig
from receiver.emulator.emulator import Emulator, create_emulator
from receiver.emulator.state import StateError, read_state, write_state
from tests.emulator import virtual
from tests.emulator.emulator_env import ACCOUNT, EmulatorEnv, Recorder, authorize, wish
from tests.emulator.test_process import QUEUES, emulator, log_in
from tests.emulator.virtual import VirtualClock

CONFIG = EmulatorConfig(accounts=(ACCOUNT,), answer_rate=0.6)
LIFE_S, DAY_S = 47.0, 86_400.0
TASKS = 30


async def live_for(seconds: float, env: EmulatorEnv) -> None:
    """Run the emulator for some seconds, then stop it."""
    stop = asyncio.Event()
    running = asyncio.create_task(env.emulator.run(stop))
    await env.clock.sleep(seconds)
    stop.set()
    await running


async def lived(life_s: float, path: Path) -> tuple[Mapping[str, Any], list[str], int]:
    """Return the truth about some tasks, the ids of hooks that arrived, and the number of restarts. The
    emulator is stopped and restarted from its file again and again.
    """
    clock = VirtualClock()
    recorder = Recorder(clock)
    wire = httpx2.ASGITransport(recorder)
    emulator = create_emulator(CONFIG, clock=clock, hook_transport=wire)
    transport = httpx2.ASGITransport(emulator.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://scheduler.test") as client:
        await authorize(client)
        env = EmulatorEnv(emulator, clock, recorder, client)
        queue = await env.queue(concurrent_task_limit=3)
        # A queue that is off, with a deleted task.
        idle = await env.queue(status="off")
        spare, _ = await env.tasks(idle, wish("spare"), wish("waits"))
        await env.api("DELETE", f"/task_scheduler/{idle}/task/{spare['id']}")
        await env.tasks(queue, *[wish(f"t{n}", try_count=3, try_again_pause=40) for n in range(TASKS)])
    restarts = 0
    while not is_over(env.emulator):
        await live_for(life_s, env)
        write_state(path, env.emulator.state())
        env.emulator = create_emulator(
            CONFIG, clock=clock, hook_transport=wire, saved=read_state(path, CONFIG)
        )
        restarts += 1
    return env.emulator.truth(), sorted(hook.copy_id for hook in recorder.received), restarts


def is_over(emulator: Emulator) -> bool:
    finished: int = emulator.status()["tasks"].get("finished", 0)
    return finished == TASKS


def test_a_restart_changes_no_call_and_no_hook(tmp_path: Path) -> None:
    whole, hooks, _ = virtual.run(lived(DAY_S, tmp_path / "whole.json"))
    pieces, hooks_of_pieces, restarts = virtual.run(lived(LIFE_S, tmp_path / "pieces.json"))
    assert restarts > 10
    assert by_id(pieces["tasks"]) == by_id(whole["tasks"])
    assert hooks_of_pieces == hooks
    assert {name: pieces[name] for name in ("totals", "requests", "faults", "quirks")} == {
        name: whole[name] for name in ("totals", "requests", "faults", "quirks")
    }


def by_id(tasks: list[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """Return the tasks by id, with times to the millisecond: float sums differ after another wait."""
    return {task["task_id"]: rounded(task) for task in tasks}


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return {name: rounded(item) for name, item in value.items()} if isinstance(value, dict) else value


def test_a_copy_that_was_pending_at_the_stop_has_failed(tmp_path: Path) -> None:
    config = replace(CONFIG, faults=replace(CONFIG.faults, delay=1.0))

    async def stopped_early() -> Mapping[str, Any]:
        clock = VirtualClock()
        wire = httpx2.ASGITransport(Recorder(clock))
        emulator = create_emulator(config, clock=clock, hook_transport=wire)
        transport = httpx2.ASGITransport(emulator.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://scheduler.test") as client:
            await authorize(client)
            env = EmulatorEnv(emulator, clock, Recorder(clock), client)
            await env.tasks(await env.queue(), wish())
            await live_for(0.5, env)
        write_state(tmp_path / "state", emulator.state())
        saved = read_state(tmp_path / "state", config)
        return create_emulator(config, clock=clock, hook_transport=wire, saved=saved).truth()

    (hook,) = virtual.run(stopped_early())["hooks"]
    assert hook["fate"] == "failed"
    assert hook["copies"] == [{"status": None, "error": "Stopped"}]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"speed": 30.0}, "was made at speed 60: use `--speed 60`"),
        ({"origin": 5.0}, "has the origin 1700000000.0: leave `--origin` out"),
        ({"accounts": (AccountConfig("20002"), ACCOUNT)}, "has the accounts 10001: give them first"),
    ],
)
def test_a_state_must_fit(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    path, config = tmp_path / "state", replace(CONFIG, speed=60.0, origin=1_700_000_000.0)
    write_state(path, create_emulator(config).state())
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_state(path, replace(config, origin=None)) == read_state(path, config)
    with pytest.raises(StateError, match=problem):
        read_state(path, replace(config, **changed))


def test_another_file_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "receiver.toml"
    path.write_text("port = 1")
    with pytest.raises(StateError, match="is not the state of an emulator: name another file"):
        read_state(path, CONFIG)
    assert read_state(tmp_path / "none", CONFIG) is None


def test_a_process_goes_on_with_its_state(tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "state.json"), "--speed", "100")
    with emulator(*options) as (process, client):
        log_in(client)
        queue = client.post(QUEUES, json={"name": "sales", "status": "off"}).json()["id"]
        client.post(f"{QUEUES}{queue}/task/", json={"tasks": [{"a_number": "1", "b_number": "2"}]})
        process.terminate()
        assert process.wait(timeout=10) == 0
        token = client.headers["Authorization"]
    with emulator(*options) as (process, client):
        client.headers["Authorization"] = token
        names = [queue["name"] for queue in client.get(QUEUES).json()]
        now = client.get("/emulator/status").json()["now"]
    assert names == ["sales"]
    with emulator(*options) as (process, client):
        assert 0 <= client.get("/emulator/status").json()["now"] - now < 100 * 60
