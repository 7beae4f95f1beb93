"""What the hot path and the fold cost in Python alone: `python -m tests.bench.micro` prints µs per call."""

import json
from collections.abc import Callable
from statistics import median
from timeit import Timer

from receiver.domain.facts import EVENTS, Fact, HookEvent, TaskSnapshot, hook_fact, observation, pack, unpack
from receiver.domain.fields import FieldReader
from receiver.domain.fold import fold
from receiver.domain.hooks import HookKey, HookPath, HookSigner, new_ref, parse_hook_path
from receiver.domain.proxies import TrustedProxies
from receiver.domain.task_rows import finding_rows, task_row
from receiver.domain.timeline import Timeline
from receiver.inbox.payload import read_payload
from receiver.intake.access import Access, FixedAccess

REPEATS = 11
"""Each case is timed so often; the median is printed, since the machine is shared."""

START = 1_700_000_000.0
CALL = "0fa377bc-7c1e-4a55-9d1a-3f0f6a1b2c3d"
BODY = json.dumps(
    {
        "EventType": "callback_task.finished",
        "EventTime": 1_700_000_000_123_456,
        "id": 1_234_567,
        "scheduler_id": 42,
        "CallID": CALL,
        "finish_result": "failed",
        "finish_comment": "нет ответа от абонента за отведённое для вызова время",
        "a_number": "+7 (999) 000-00-01",
        "b_number": "+7 (999) 000-00-02",
        "Duration": 31_000_000,
    },
    ensure_ascii=False,
).encode()
FORM = b"id=1234567&scheduler_id=42&CallID=" + CALL.encode() + b"&finish_result=failed&EventTime=1700000000"
SAID = HookEvent("after", CALL, "1234567", "42", "failed", "нет ответа", START + 300)
PLAN = TaskSnapshot(
    "finished",
    queue_id="42",
    name="Перезвонить",
    finish_result="failed",
    cdr=CALL,
    try_count=2,
    pause=60.0,
    start_at=START,
    created_at=START - 60,
    a_number="+79990000001",
    b_number="+79990000002",
    hooks=EVENTS,
)


def facts_of_a_task(ref: str = "r1") -> list[Fact]:
    """A task that failed after two attempts: three hooks and the API's record of its end."""
    about = (ref, None)
    heard = {START: HookEvent("before"), START + 95: HookEvent("before_again"), START + 130: SAID}
    facts = [hook_fact("acme", f"{int(at * 1000):032x}", at, said, about) for at, said in heard.items()]
    return [*facts, observation("acme", START + 140, PLAN, (ref, "1234567"))]


def _replayed(packed: list[tuple[str, str, float, str, str]]) -> Timeline:
    """What replaying the ledger does with one task but for SQL."""
    facts = [Fact(id, "acme", at, unpack(kind, text), ref) for id, kind, at, text, ref in packed]
    timeline = fold(facts)
    task_row(timeline)
    finding_rows(timeline)
    return timeline


def cases() -> dict[str, Callable[[], object]]:
    """Name → what is timed."""
    signer = HookSigner((HookKey("k1", "s" * 40),))
    access, proxies = Access(signer, {"acme": FixedAccess()}), TrustedProxies()
    ref = new_ref()
    proof = signer.token("acme", "after", ref)
    location = f"/hooks/acme/after/{ref}/{proof}"
    path = HookPath("acme", "after", ref, proof)
    read = FieldReader().read
    pairs = read_payload("", "application/json", BODY).pairs
    facts = facts_of_a_task()
    text = pack(SAID)
    timeline = fold(facts)
    packed = [(fact.id, fact.kind, fact.at, pack(fact.payload), "r1") for fact in facts]
    return {
        "token: mint": lambda: signer.token("acme", "after", ref),
        "token: verify": lambda: signer.verify(path),
        "path: parse": lambda: parse_hook_path(location),
        "access: refuses": lambda: access.refuses(path, "192.0.2.1"),
        "access: peer": lambda: proxies.peer("192.0.2.1", ()),
        "JSON body: payload + fields": lambda: read(read_payload("", "application/json", BODY).pairs),
        "JSON body: payload": lambda: read_payload("", "application/json", BODY),
        "JSON body: fields": lambda: read(pairs),
        "form body: payload + fields": lambda: read(read_payload("", "", FORM).pairs),
        "no body: payload + fields": lambda: read(read_payload("", "", b"").pairs),
        "fact: pack a hook": lambda: pack(SAID),
        "fact: unpack a hook": lambda: unpack("hook", text),
        "fact: pack a record": lambda: pack(PLAN),
        "fold: 1 fact": lambda: fold(facts[:1]),
        "fold: 4 facts": lambda: fold(facts),
        "rows: task + findings": lambda: (task_row(timeline), finding_rows(timeline)),
        "replay: a task of 4 facts": lambda: _replayed(packed),
    }


def measure(call: Callable[[], object]) -> float:
    """µs per call, the median of the repeats."""
    timer = Timer(call)
    number = max(1, timer.autorange()[0] // 4)
    return median(timer.repeat(REPEATS, number)) / number * 1e6


def main() -> None:
    """Print the table."""
    for name, call in cases().items():
        took = measure(call)
        print(f"{name:30} {took:8.2f} µs   {1e6 / took:12,.0f} /s")


if __name__ == "__main__":
    main()
