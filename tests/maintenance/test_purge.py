"""One person's number goes out of every table; what was counted stays."""

import gzip
import re
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from receiver.domain.facts import CallRecord, QueueSnapshot, observation, queue_fact
from receiver.domain.numbers import REGION
from receiver.http.audit import AUDIT
from receiver.http.endpoint import Call, Caller, Params
from receiver.inbox.inbox import RawHook, encode_batch
from receiver.inbox.tables import INBOX, SET_ASIDE
from receiver.ledger.projector import Projector
from receiver.ledger.tables import DELIVERY
from receiver.maintenance.number_pattern import NumberPattern
from receiver.maintenance.purge import has_number, holding_files, rewrite
from receiver.maintenance.purge_endpoint import PurgeBody, PurgeReport, purge_number
from receiver.maintenance.schema import complete_metadata
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, SUBSCRIPTION
from receiver.storage.engine import Store
from receiver.storage.operator_events import OPERATOR_EVENT
from receiver.tasks.tables import TASK
from tests.factories import subscription
from tests.http.api_env import T0, ApiEnv, finished
from tests.ledger.projecting import PROJECTOR, verify

pytestmark = pytest.mark.anyio

NUMBER, OTHER = "+79995550123", "+79995550124"
DIGITS = "9995550123"


def hook_of(body: bytes) -> RawHook:
    return RawHook("0" * 32, "main", "after", "r9", T0, "POST", b"to=%2B7" + DIGITS.encode(), (), body)


async def fill(api_env: ApiEnv) -> None:
    """Tell of a person's two tasks, one of somebody else, and leave the number in every other table."""
    await api_env.store.write(lambda c: c.execute(insert(SUBSCRIPTION), [subscription("crm")]))
    for ref, task_id, number in (("r1", "1", NUMBER), ("r2", "2", f"8 {DIGITS}"), ("r3", "3", OTHER)):
        body = f"to={number}".encode()
        await api_env.hook(ref, "before", T0, body, b_number=number)
        await api_env.hook(ref, "after", T0 + 60, gzip.compress(body), comment=f"no answer of {number}")
        legs = ({"dest_number": "101", "result": "ANSWERED"}, {"dest_number": number, "result": "USER_BUSY"})
        record = CallRecord(f"c-{ref}", result="failed", legs=legs, extra={"callee": "Anna"})
        plan = finished(
            finish_result="failed", a_number="101", b_number=number, name="Anna", cdr=f"c-{ref}", try_count=1
        )
        about = (ref, task_id)
        await api_env.ledger.record(
            [observation("main", T0 + 90, plan, about), observation("main", T0 + 91, record, about)]
        )
    await api_env.ledger.record(
        [queue_fact("main", T0, QueueSnapshot("17", "on", comment=f"complaints to {NUMBER}"))]
    )
    await api_env.store.write(scatter)


def scatter(connection: Connection) -> None:
    """Put the number where no task has it."""
    batch = encode_batch([hook_of(gzip.compress(b"to=+7" + DIGITS.encode()))])
    connection.execute(insert(INBOX), [{"at": T0, "count": 1, "bytes": len(batch), "batch": batch}])
    aside = {"account": "main", "event": "after", "ref": "r9", "at": T0, "count": 1, "failures": 1}
    aside |= {"retry_at": T0, "problem": "TypeError"}
    broken = b"\xff no batch 8" + DIGITS.encode()
    connection.execute(insert(SET_ASIDE), [aside | {"id": "a", "batch": broken}])
    lost = {"id": "zz", "account": "main", "event": "after", "received_at": T0, "method": "POST", "query": ""}
    lost |= {"headers": [["x-caller", NUMBER]], "body": b"who=" + NUMBER.encode(), "problem": "names no task"}
    connection.execute(insert(DELIVERY), [lost])
    event = {"kind": "x", "subject": "y", "detail": f"from {NUMBER}", "at": T0}
    connection.execute(insert(OPERATOR_EVENT), [event])
    for seq in connection.scalars(select(MESSAGE.c.seq)).all():
        attempt = {"message_seq": seq, "number": 1, "at": T0, "took_s": 0.1, "status": 200}
        connection.execute(insert(DELIVERY_ATTEMPT), [attempt | {"answer": "hello Anna", "problem": None}])


async def purge(api_env: ApiEnv, *, dry_run: bool = False) -> PurgeReport:
    context = replace(api_env.context, services={Projector: PROJECTOR})
    body = PurgeBody(phone="8 (999) 555-01-23", dry_run=dry_run)
    return await purge_number(Call(context, Caller("anna", frozenset({"purge"})), {}, Params(), body))


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.snapshot() as connection:
        return {
            name: [
                dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for name, table in complete_metadata().tables.items()
        }


def holders(store: Store, digits: str) -> dict[str, int]:
    """Return table → rows with these digits, whatever stands between them, also in compressed bodies."""
    found: dict[str, int] = {}
    for name, rows in everything(store).items():
        number = sum(digits in re.sub(r"\D", "", _text(row)) for row in rows)
        number += sum(digits[::-1] in _text(row) for row in rows)
        if number:
            found[name] = number
    return found


def _text(row: dict[str, Any]) -> str:
    parts = [_plain(value) if isinstance(value, bytes) else str(value) for value in row.values()]
    return " ".join(parts)


def _plain(body: bytes) -> str:
    start = body.find(b"\x1f\x8b")
    return (
        body.decode("latin-1")
        if start < 0
        else str(body[:start] + zlib.decompressobj(31).decompress(body[start:]))
    )


def sums(store: Store) -> dict[str, Any]:
    """Return all rows of tables of sums, and what is counted of each task."""
    counted = {
        name: rows for name, rows in everything(store).items() if name.startswith(("rollup", "task_count"))
    }
    drop = {"a_number", "b_number", "name", "finish_comment"}
    tasks = [{k: v for k, v in row.items() if k not in drop} for row in everything(store)[TASK.name]]
    return counted | {"task": tasks}


async def test_the_number_is_in_no_table_and_sums_stay(api_env: ApiEnv) -> None:
    await fill(api_env)
    before, held = sums(api_env.store), holders(api_env.store, DIGITS)
    assert {
        "fact",
        "delivery",
        "inbox",
        "set_aside",
        "task",
        "task_number",
        "outcome",
        "queue",
    } <= held.keys()
    others = holders(api_env.store, OTHER[2:])
    report = await purge(api_env)
    assert holders(api_env.store, DIGITS) == {}
    assert holders(api_env.store, OTHER[2:]) == others
    assert sums(api_env.store) == before
    assert verify(api_env.store).differences == []
    assert (report.tasks, report.left, report.named, report.deliveries) == (2, 0, 0, 4)
    everywhere = str({name: rows for name, rows in everything(api_env.store).items() if name != "task"})
    of_other = str([row for row in everything(api_env.store)["task"] if row["key"] == "r3"])
    assert "Anna" in of_other
    for row in everything(api_env.store)["task"]:
        assert (row["name"], row["b_number"]) == (
            ("Anna", OTHER) if row["key"] == "r3" else (None, report.token)
        )
    assert everywhere.count("hello Anna") == held_by(api_env, "r3")


def held_by(api_env: ApiEnv, key: str) -> int:
    """Return the number of attempts to deliver events of a task."""
    with api_env.store.snapshot() as connection:
        both = DELIVERY_ATTEMPT.join(MESSAGE, MESSAGE.c.seq == DELIVERY_ATTEMPT.c.message_seq)
        return len(
            connection.execute(select(MESSAGE.c.seq).select_from(both).where(MESSAGE.c.key == key)).all()
        )


async def test_a_dry_run_counts_the_same_and_changes_nothing(api_env: ApiEnv) -> None:
    await fill(api_env)
    before = {name: rows for name, rows in everything(api_env.store).items() if name != AUDIT.name}
    dry = await purge(api_env, dry_run=True)
    assert {name: rows for name, rows in everything(api_env.store).items() if name != AUDIT.name} == before
    real = await purge(api_env)
    told = {"token", "dry_run", "log_emptied", "unsettled"}
    assert dry.model_dump(exclude=told) == real.model_dump(exclude=told)
    again = await purge(api_env)
    assert (again.tasks, again.facts, again.other_rows) == (0, 0, 0)


async def test_the_audit_record_has_no_number(api_env: ApiEnv) -> None:
    await fill(api_env)
    report = await purge(api_env)
    (record,) = everything(api_env.store)[AUDIT.name]
    assert (record["actor"], record["action"], record["object"]) == ("anna", "number.purge", report.token)
    assert '"tasks":2' in record["detail"].replace(" ", "")


async def test_another_person_purged_later_has_another_token(api_env: ApiEnv) -> None:
    """Legs are told apart by number: two persons with one token would be one."""
    await fill(api_env)
    before = sums(api_env.store)
    first = await purge(api_env)
    context = replace(api_env.context, services={Projector: PROJECTOR})
    call = Call(context, Caller("anna", frozenset()), {}, Params(), PurgeBody(phone=OTHER))
    second = await purge_number(call)
    assert first.token != second.token
    assert sums(api_env.store) == before
    assert verify(api_env.store).differences == []


async def test_a_row_that_is_named_by_the_number_is_counted(api_env: ApiEnv) -> None:
    await api_env.hook(f"call-{DIGITS}", "before", T0, b_number=NUMBER)
    report = await purge(api_env)
    assert report.named > 0


async def leave_free_pages(store: Store) -> None:
    """Free pages that have the number, as an earlier deletion leaves them."""
    for statement in (
        "PRAGMA secure_delete=OFF",
        "CREATE TABLE gone (x TEXT)",
        f"INSERT INTO gone SELECT '{NUMBER}' FROM fact, fact AS b, fact AS c",
        "DROP TABLE gone",
    ):
        await store.write(partial(_run, statement=statement))


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)


async def test_no_byte_is_left_in_the_file_and_backups_are_named(tmp_path: Path) -> None:
    from tests.http.api_env import open_api_env

    path = tmp_path / "store" / "receiver.db"
    path.parent.mkdir()
    pattern = NumberPattern(NUMBER, (REGION,), "")
    async with open_api_env(str(path)) as api_env:
        await fill(api_env)
        await leave_free_pages(api_env.store)
        with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(path.with_name("b.db"))) as copy:
            live.backup(copy)
        assert (await purge(api_env)).log_emptied
    assert has_number(path, pattern)
    rewrite(path)
    assert not has_number(path, pattern)
    assert list(holding_files([path.parent], pattern, path)) == [path.with_name("b.db")]
