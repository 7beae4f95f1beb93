"""A task's trace from its hooks to its deliveries: spans, log lines, exemplars, the subscriber's header."""

from pathlib import Path

import pytest

from receiver.observability.trace_ids import TaskName, is_sampled, root_span, trace_id
from tests.app.serving import FIXED_SECRET
from tests.operators.collector import Collector, Taken
from tests.operators.conftest import Logged
from tests.operators.traces_env import APP_SECRET, TracesEnv, exported, open_traces_env
from tests.outcomes.subscriber import always

pytestmark = pytest.mark.anyio

NUMBER = "79161234567"
CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"
ON_THE_WAY = (
    "callback_intake_request_duration_seconds",
    "callback_pipeline_lag_seconds",
    "callback_delivery_end_to_end_seconds",
)
SERVER, CLIENT = 2, 3


async def live(env: TracesEnv, ref: str) -> None:
    """A task is begun, connected and ended, with hooks that hold a number; the API proves it."""
    urls = {f"url_{event}": f"https://x{env.serving.hook(ref, event)}" for event in ("before", "after")}
    task = {"id": "90210", "a_number": NUMBER, "b_number": NUMBER, **urls}
    env.scheduler.add("17", task | {"status": "executed"})
    env.scheduler.calls[CALL] = {"key": CALL, "call_uuid": CALL, "from": NUMBER, "duration": 5}
    said = {"TaskID": "90210", "scheduler_id": "17", "number": NUMBER}
    await env.serving.hooks.post(env.serving.hook(ref), json=said)
    await env.told("task.started", ref)
    end = {"status": "finished", "finish_result": "success", "cdr": CALL}
    env.scheduler.add("17", task | end)
    await env.serving.hooks.post(env.serving.hook(ref, "after"), json=said)
    await env.told("task.reconciled", ref)


def by_id(spans: list[Taken]) -> dict[str, Taken]:
    return {span.id: span for span in spans}


async def test_one_trace_runs_from_the_hook_to_the_delivery(
    tmp_path: Path, collecting: Collector, logged: Logged
) -> None:
    trace = trace_id(TaskName("main", "r1"))
    async with open_traces_env(tmp_path, collecting.endpoint) as env:
        await live(env, "r1")
        broken = {"content": b"{", "headers": {"content-type": "application/json"}}
        await env.serving.hooks.post(env.serving.hook("r1", "success"), **broken)  # type: ignore[arg-type]
        exemplars = await env.exemplars()
        headers = [received.headers["traceparent"] for received in env.crm.received]
    # What was left went out with the stop.
    spans = collecting.spans
    names = {"hook before", "hook success", "hook after", "scheduler get_task", "scheduler get_call"}
    assert {span.name for span in spans} >= names | {"delivery", "task"}
    assert {span.trace for span in spans} == {trace}
    assert {span.parent for span in spans if span.name != "task"} == {root_span(trace)}
    assert [(span.id, span.parent) for span in collecting.named("task")] == [(root_span(trace), "")]
    deliveries = by_id(collecting.named("delivery"))
    assert len(deliveries) == len(headers) >= 4
    assert {f"00-{trace}-{span}-01" for span in deliveries} == set(headers)
    assert [line["trace_id"] for line in logged() if line["event"] == "hook kept but not read"] == [trace]
    for family in ON_THE_WAY:
        assert exemplars[family], family
        for sample in exemplars[family]:
            assert sample.exemplar is not None
            assert sample.exemplar.labels == {"trace_id": trace}
            assert sample.exemplar.value <= float(sample.labels["le"])


async def test_spans_tell_what_was_done_and_how_it_ended(tmp_path: Path, collecting: Collector) -> None:
    async with open_traces_env(tmp_path, collecting.endpoint) as env:
        await live(env, "r1")
    (hook,), (task,) = collecting.named("hook before"), collecting.named("task")
    told = {"callback.account": "main", "callback.ref": "r1", "callback.event": "before"}
    assert hook.attributes.items() >= (told | {"callback.outcome": "read"}).items()
    assert hook.attributes["http.response.status_code"] == 200
    assert (hook.kind, hook.problem, hook.resource["service.name"]) == (SERVER, "", "receiver")
    assert task.attributes["callback.result"] == "success"
    assert task.began <= hook.ended
    assert all(span.began <= span.ended < span.began + 20 for span in collecting.spans)
    asked = collecting.named("scheduler get_call")[0]
    assert (asked.kind, asked.attributes["callback.outcome"]) == (CLIENT, "ok")
    types = {span.attributes["callback.event_type"] for span in collecting.named("delivery")}
    assert types >= {"task.started", "task.connected", "task.finished", "task.reconciled"}
    assert {span.attributes["http.response.status_code"] for span in collecting.named("delivery")} == {204}


async def test_no_phone_number_and_no_secret_leaves_in_a_span(tmp_path: Path, collecting: Collector) -> None:
    async with open_traces_env(tmp_path, collecting.endpoint) as env:
        await live(env, NUMBER)
        url = env.serving.hook(NUMBER)
        secrets = [env.secret, FIXED_SECRET, APP_SECRET, "k" * 40, url.rsplit("/", 1)[1]]
    sent = b"".join(collecting.bodies)
    assert b"hook before" in sent
    assert b"task.reconciled" in sent
    assert not any(secret.encode() in sent for secret in (NUMBER, *secrets))


async def test_a_delivery_that_fails_says_why(tmp_path: Path, collecting: Collector) -> None:
    async with open_traces_env(tmp_path, collecting.endpoint) as env:
        env.crm.answering = always(500)
        await env.serving.hooks.post(env.serving.hook("r1"))
        await env.crm.until(1)
        await exported(collecting, "delivery")
    span = collecting.named("delivery")[0]
    assert (span.problem, span.attributes["callback.outcome"]) == ("answered 500", "failed")


async def test_a_hook_that_is_not_kept_is_in_its_task_s_trace(tmp_path: Path, collecting: Collector) -> None:
    async with open_traces_env(tmp_path, collecting.endpoint) as env:
        with env.serving.locked():
            assert (await env.serving.hooks.post(env.serving.hook("r1"))).status_code == 503
        await exported(collecting, "hook before")
    (span,) = collecting.named("hook before")
    assert span.trace == trace_id(TaskName("main", "r1"))
    assert (span.attributes["callback.outcome"], span.problem) == ("unavailable", "StoreUnavailableError")
    assert span.attributes["http.response.status_code"] == 503


async def test_what_is_refused_is_in_no_trace(tmp_path: Path, collecting: Collector) -> None:
    async with open_traces_env(tmp_path, collecting.endpoint) as env:
        forged = env.serving.hook("r1").rsplit("/", 1)[0] + "/k1.forged"
        assert (await env.serving.hooks.post(forged)).status_code == 404
        await env.serving.hooks.post(env.serving.hook("r2"))
        await exported(collecting, "hook before")
    assert {span.attributes["callback.ref"] for span in collecting.spans} == {"r2"}


async def test_a_task_is_sampled_whole_or_not_at_all(tmp_path: Path, collecting: Collector) -> None:
    refs = [f"r{number}" for number in range(24)]
    traces = {ref: trace_id(TaskName("main", ref)) for ref in refs}
    kept = {trace for trace in traces.values() if is_sampled(trace, 0.5)}
    assert 0 < len(kept) < len(refs)
    async with open_traces_env(tmp_path, collecting.endpoint, share=0.5) as env:
        for ref in refs:
            await env.serving.hooks.post(env.serving.hook(ref))
        for ref, trace in traces.items():
            flags = "01" if trace in kept else "00"
            _, told, _, sampled = (await env.told("task.started", ref))["traceparent"].split("-")
            assert (told, sampled) == (trace, flags)
        exemplars = await env.exemplars()
    for name in ("hook before", "delivery"):
        assert {span.trace for span in collecting.named(name)} == kept
    named = {s.exemplar.labels["trace_id"] for f in ON_THE_WAY for s in exemplars[f] if s.exemplar}
    assert named <= kept


async def test_without_a_collector_logs_exemplars_and_deliveries_still_name_the_trace(
    tmp_path: Path,
) -> None:
    trace = trace_id(TaskName("main", "r1"))
    async with open_traces_env(tmp_path, None) as env:
        await env.serving.hooks.post(env.serving.hook("r1"))
        header = (await env.told("task.started", "r1"))["traceparent"]
        exemplars = await env.exemplars()
    assert header.startswith(f"00-{trace}-")
    assert header.endswith("-00")
    assert {s.exemplar.labels["trace_id"] for f in ON_THE_WAY for s in exemplars[f] if s.exemplar} == {trace}
