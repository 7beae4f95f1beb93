"""Rows with all that can go wrong when they become a file, written past the ledger."""

import asyncio
import csv
import io
import json
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
from sqlalchemy import Connection, insert

from receiver.analytics.export_pages import POSITION, ExportSelection
from receiver.analytics.exports import FORMATS, FileFormat, export
from receiver.analytics.views import FACTS, Relation
from receiver.ledger.tables import DELIVERY, FACT
from receiver.maintenance.schema import create_tables
from receiver.outcomes.tables import OUTCOME
from receiver.storage.engine import Store
from receiver.tasks.tables import ATTEMPT, QUEUE, TASK

Row = dict[str, Any]

START = 1_772_357_400.123
"""2026-03-01T09:30:00.123Z."""

NUMBER, OTHER = "+79161234567", "84957654321"

TEXTS = (
    *("plain", "", " spaces ", "a,b", 'say "so"', '"', '""', "two\nlines", "two\r\nlines", "mac\rline", "\n"),
    *(
        "tab\tbed",
        "back\\slash",
        "\\.",
        "\\N",
        "NULL",
        "null",
        "=1+1",
        "-no",
        "@A1",
        "+1+A1",
        "\t=1",
        "+5 -3",
        "~",
        "a~b~c",
        "a,~,b",
        "%s %d ?",
    ),
    *(
        "Ёлка 🌲",
        "\u2028\u2029\ufeff",
        "\x01\x1f",
        "{}",
        "[1, 2]",
        "'",
        "--",
        f"call {NUMBER} or (495) 765-43-21",
    ),
)
"""Any of them may be what a vendor says, and most of them a key."""

_ACCOUNTS = ("main", "second")


def key_of(number: int) -> str:
    return f"{TEXTS[number % len(TEXTS)]}{number}"


def moment_of(number: int) -> float:
    """Some are the same, some the next that there is, some lie apart and are no round number."""
    if number % 3 == 0:
        return moment_of(number + 1)
    return math.nextafter(START + number, math.inf) if number % 3 == 1 else START + number + 1 / 3


def task(number: int, **changes: Any) -> Row:
    text = TEXTS[number % len(TEXTS)]
    odd = number % 2 == 1
    row: Row = {
        "account": _ACCOUNTS[number % 5 == 4],
        "key": key_of(number),
        "ref": None if odd else text,
        "task_id": str(number),
        "queue_id": "5",
        "name": text,
        "state": "finished",
        "finish_comment": text if odd else None,
        "raw_reason": None if odd else text,
        "attempts": 2,
        "attempts_exact": odd,
        "pause": 0.1 + 0.2 if odd else None,
        "a_number": ("305", "12,5", NUMBER, OTHER, "1234567", None, "=A1")[number % 7],
        "b_number": NUMBER,
        "confidence": "events",
        "gone": False,
        "settled": True,
        "planned_at": START if odd else None,
        "first_at": moment_of(number),
        "last_at": START + number * 1.0005,
        "connect_s": number / 7,
        **{name: {} for name in ("expected", "arrived", "duplicates", "lost")},
    }
    return row | changes


def attempts(of: Row) -> list[Row]:
    told = {"call": of["name"], "raw_reason": of["name"], "talk_s": 1 / 3}
    return [
        {"account": of["account"], "key": of["key"], "number": number, "connected": connected, **told}
        for number, connected in ((1, False), (2, True), (10, None))
    ]


def _outcome(of: Row, number: int) -> Row:
    told = {
        "type": "task.finished",
        "number": 1,
        "result": of["name"],
        "at": START,
        "told_at": of["first_at"],
    }
    return {"id": f"evt_{number}", "account": of["account"], "key": of["key"], "data": "{}", **told}


def _delivery(of: Row, number: int) -> Row:
    told = {"event": "after", "method": "POST", "query": NUMBER, "headers": [], "body": b"\x00\xff" * number}
    row = {"id": f"{number:04}{of['key']}", "account": of["account"], "received_at": of["first_at"], **told}
    return row | {"ref": of["ref"], "problem": of["name"] or None}


def _fact(of: Row, number: int) -> Row:
    said = json.dumps({"name": of["name"], "a_number": NUMBER, "n": number / 3, "legs": [{"to": OTHER}]})
    row = {"id": f"f{number}", "account": of["account"], "kind": "task", "at": of["first_at"], "said": said}
    return row | {"ref": of["ref"], "task_id": of["task_id"]}


def _queue(of: Row, number: int) -> Row:
    """Its id is the key of a task, so that no task is of it."""
    told = {"status": "on", "concurrent_task_limit": number, "observed_at": of["first_at"]}
    return {"account": of["account"], "queue_id": of["key"], "name": of["name"], **told}


def add(connection: Connection, tasks: list[Row]) -> None:
    """These tasks, with three attempts, an outcome, a delivery, a fact and a queue for each."""
    numbers = [int(each["task_id"]) for each in tasks]
    connection.execute(insert(TASK), tasks)
    connection.execute(insert(ATTEMPT), [each for of in tasks for each in attempts(of)])
    for table, make in ((OUTCOME, _outcome), (DELIVERY, _delivery), (FACT, _fact), (QUEUE, _queue)):
        connection.execute(insert(table), list(map(make, tasks, numbers)))


@contextmanager
def filled(target: str, tasks: int = len(TEXTS)) -> Iterator[Store]:
    with closing(Store(target)) as store:
        create_tables(store)
        with store.transaction() as connection:
            add(connection, [task(number) for number in range(tasks)])
        yield store


def exported(
    store: Store, selection: ExportSelection, name: str | FileFormat = "csv", *, is_begun: bool = False
) -> bytes:
    """The whole file."""
    kind = FORMATS[name] if isinstance(name, str) else name

    async def run() -> bytes:
        made = export(store, selection, kind.make(selection.relation), math.inf, is_begun=is_begun)
        return b"".join([part.data async for part in made])

    return asyncio.run(run())


def read_csv(data: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def read_jsonl(data: bytes) -> list[Row]:
    return [json.loads(line) for line in data.split(b"\n") if line]


def read_parquet(data: bytes, folder: Path, relation: Relation) -> list[Row]:
    """By DuckDB; moments as milliseconds since the epoch."""
    path = folder / f"{relation.name}.parquet"
    path.write_bytes(data)
    times = [field.name for field in relation.fields if field.kind == "time"]
    replaced = ", ".join(f'epoch_ms("{name}") AS "{name}"' for name in times)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * REPLACE ({replaced}) FROM read_parquet('{path}')")
        columns = [column[0] for column in found.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def read_xlsx(data: bytes, relation: Relation) -> str:
    """All lines of the worksheet, as one text."""
    sheet = openpyxl.load_workbook(io.BytesIO(data))[relation.name]
    return repr(list(sheet.iter_rows(values_only=True)))


def positions(store: Store, relation: Relation) -> list[str]:
    return [row[POSITION] for row in read_jsonl(exported(store, ExportSelection(relation), "jsonl"))]


def viewed(store: Store, relation: Relation) -> list[Row]:
    """What the relation's view shows in the export's order; of facts, which have none, what the table has."""
    columns = ", ".join(field.name for field in relation.fields)
    query = f"SELECT {columns} FROM fact ORDER BY seq"
    if relation is not FACTS:
        query = f"SELECT {columns} FROM {relation.view}"
    with store.snapshot() as connection:
        return [dict(row._mapping) for row in connection.exec_driver_sql(query)]
