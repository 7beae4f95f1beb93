"""Exports hold what the views show, every row once, whatever is in it and whatever happens meanwhile."""

import asyncio
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from receiver.analytics import export_pages
from receiver.analytics.export_pages import POSITION, ExportSelection, column_names, read_position
from receiver.analytics.exports import FORMATS, export
from receiver.analytics.formulas import as_text
from receiver.analytics.views import FACTS, RELATIONS, TASKS, Relation
from receiver.domain.masking import mask_tree
from receiver.errors import InputError, StoreError
from receiver.storage.engine import Store
from tests.analytics import odd
from tests.analytics.odd import Row, exported, read_csv, read_jsonl, read_parquet, read_xlsx

EACH = pytest.mark.parametrize("relation", RELATIONS.values(), ids=list(RELATIONS))


@pytest.fixture
def store(store_target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Odd rows, of which a page has few."""
    monkeypatch.setattr(export_pages, "STRETCH", 4)
    with odd.filled(store_target) as store:
        yield store


def milliseconds(moment: Any) -> int:
    """Of a moment as a view or a table has it; half a millisecond is rounded up."""
    if isinstance(moment, float):
        return round(moment * 1000)
    at = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
    return (at - datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=500)) // timedelta(milliseconds=1)


def iso(at: int) -> str:
    whole = datetime.fromtimestamp(at // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


def plain(relation: Relation, row: Row, **as_: Any) -> Row:
    """A row of a view as it is in a file: `as_` says what becomes of a kind of values."""
    convert: dict[str, Any] = {"time": lambda at: iso(milliseconds(at)), "bool": bool, "json": json.loads}
    convert |= as_
    return {
        field.name: convert.get(field.kind, lambda value: value)(row[field.name])
        if row[field.name] is not None
        else None
        for field in relation.fields
    }


def masked(document: str) -> str:
    return json.dumps(mask_tree(json.loads(document)))


def expected(store: Store, relation: Relation, **as_: Any) -> list[Row]:
    """By the views, in the order of the file."""
    rows = odd.viewed(store, relation)
    if relation is FACTS:
        rows = [row | {"said": masked(row["said"])} for row in rows]
    return [plain(relation, row, **as_) for row in rows]


def sorted_rows(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))


@EACH
def test_json_lines_have_the_values_of_the_view(store: Store, relation: Relation) -> None:
    rows = read_jsonl(exported(store, ExportSelection(relation), "jsonl"))
    assert [list(row) for row in rows] == [column_names(relation)] * len(rows)
    assert sorted_rows([row for row in rows if row.pop(POSITION)]) == sorted_rows(expected(store, relation))


@EACH
def test_csv_has_the_values_of_the_view(store: Store, relation: Relation) -> None:
    def written(value: str) -> Any:
        return json.loads(value) if value else None

    read: dict[str, Any] = {
        "int": lambda value: int(value) if value else None,
        "float": lambda value: float(value) if value else None,
        "bool": written,
        "json": written,
        "time": lambda value: value or None,
    }
    rows = [
        {field.name: read.get(field.kind, str)(row[field.name]) for field in relation.fields}
        for row in read_csv(exported(store, ExportSelection(relation)))
    ]
    # There what is not there and what is empty are the same; and SQLite writes 15 digits.
    selection = [
        {name: value if is_typed(relation, name) else as_text(value or "") for name, value in row.items()}
        for row in expected(store, relation)
    ]
    assert rounded(sorted_rows(rows)) == rounded(sorted_rows(selection))


@pytest.mark.parametrize("relation", [TASKS, FACTS], ids=["tasks", "facts"])
@pytest.mark.parametrize("numbers", [True, False])
def test_no_cell_of_a_csv_is_a_formula(store: Store, relation: Relation, *, numbers: bool) -> None:
    rows = read_csv(exported(store, ExportSelection(relation, numbers=numbers)))
    cells = {cell for row in rows for cell in row.values()}
    assert not {cell for cell in cells if as_text(cell) != cell}
    kept = {"'=1+1", "'@A1", "'\t=1", "+5 -3", "'=A1", odd.NUMBER if numbers else "+791•••67"}
    assert relation is FACTS or kept <= cells


def is_typed(relation: Relation, name: str) -> bool:
    return relation[name].kind in ("int", "float", "bool", "json", "time")


def rounded(rows: list[Row]) -> list[Row]:
    return [
        {name: float(f"{value:.14g}") if isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    ]


@EACH
def test_parquet_has_the_values_of_the_view(store: Store, relation: Relation, tmp_path: Path) -> None:
    rows = read_parquet(exported(store, ExportSelection(relation), "parquet"), tmp_path, relation)
    as_: dict[str, Any] = {"time": milliseconds, "json": lambda value: value}
    if relation is FACTS:
        rows = [row | {"said": json.dumps(json.loads(row["said"]))} for row in rows]
    assert list(rows[0]) == column_names(relation)
    assert sorted_rows([row for row in rows if row.pop(POSITION)]) == sorted_rows(
        expected(store, relation, **as_)
    )


@EACH
@pytest.mark.parametrize("name", FORMATS)
def test_numbers_are_masked_unless_they_are_asked_for(
    store: Store, relation: Relation, name: str, tmp_path: Path
) -> None:
    def read(numbers: bool) -> str:
        data = exported(store, ExportSelection(relation, numbers=numbers), name)
        if name == "parquet":
            return repr(read_parquet(data, tmp_path, relation))
        return read_xlsx(data, relation) if name == "xlsx" else data.decode()

    hidden, shown = read(numbers=False), read(numbers=True)
    # A key or a ref is a name that somebody chose: nothing is made of it.
    has_numbers = {field.kind for field in relation.fields} & {"number", "free", "json"}
    assert ("+791•••67" in hidden) == (relation.name in ("tasks", "facts"))
    assert ("•••" in hidden) == bool(has_numbers)
    assert "•••" not in shown
    assert hidden.count(odd.NUMBER) < shown.count(odd.NUMBER) or not has_numbers
    if relation is TASKS:
        for row in read_jsonl(exported(store, ExportSelection(relation), "jsonl")):
            told = [row[each] for each in ("name", "finish_comment", "raw_reason", "a_number", "b_number")]
            assert odd.NUMBER not in str(told)
            assert odd.OTHER not in str(told)


@EACH
@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_an_export_goes_on_behind_any_row(store: Store, relation: Relation, name: str) -> None:
    read = {"csv": read_csv, "jsonl": read_jsonl}[name]
    whole = read(exported(store, ExportSelection(relation), name))
    assert len(whole) == len(odd.TEXTS) * (3 if relation.name == "attempts" else 1)
    for place, row in enumerate(whole, 1):
        after = read_position(row[POSITION], relation)
        assert read(exported(store, ExportSelection(relation, after=after), name)) == whole[place:]


@EACH
@pytest.mark.parametrize("stretch", [1, 2, 3, 7, 1000])
def test_chunks_of_any_size_make_the_same_file(
    store: Store, relation: Relation, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exported(store, ExportSelection(relation))
    monkeypatch.setattr(export_pages, "STRETCH", stretch)
    assert exported(store, ExportSelection(relation)) == whole
    limited = exported(store, ExportSelection(relation, limit=10), "jsonl")
    assert read_jsonl(limited) == read_jsonl(exported(store, ExportSelection(relation), "jsonl"))[:10]


@EACH
def test_what_is_not_wanted_is_left_out(store: Store, relation: Relation) -> None:
    moment = {"tasks": "first_at", "outcomes": "told_at", "hooks": "received_at", "facts": "at"}
    moment["queues"] = "observed_at"
    rows = read_jsonl(exported(store, ExportSelection(relation), "jsonl"))
    of_second = read_jsonl(exported(store, ExportSelection(relation, account="second"), "jsonl"))
    assert of_second == [row for row in rows if row["account"] == "second"] != []
    since, until = odd.START + 5.9, odd.START + 20.1
    some = read_jsonl(exported(store, ExportSelection(relation, since=since, until=until), "jsonl"))
    if relation.name in moment:
        first, last = (iso(round(at * 1000)) for at in (since, until))
        assert some == [row for row in rows if first <= row[moment[relation.name]] < last]
    assert 0 < len(some) < len(rows)
    assert read_jsonl(exported(store, ExportSelection(relation, until=odd.START - 1), "jsonl")) == []


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_of_nothing_is_a_file(store_target: str, name: str, tmp_path: Path) -> None:
    with odd.filled(store_target, 1) as store:
        data = exported(store, ExportSelection(TASKS, until=1.0), name)
    if name == "csv":
        assert data.decode() == ",".join(column_names(TASKS)) + "\n"
    elif name == "parquet":
        assert read_parquet(data, tmp_path, TASKS) == []
    elif name == "xlsx":
        assert read_xlsx(data, TASKS) == repr([tuple(column_names(TASKS))])
    else:
        assert data == b""


def test_lines_are_quoted_alike_and_end_alike(store: Store) -> None:
    data = exported(store, ExportSelection(RELATIONS["outcomes"]))
    assert b"\r\n" not in data.replace(b"two\r\nlines", b"")
    assert b'"mac\rline' in data
    assert data.endswith(b"Z,\n")


@pytest.mark.parametrize("name", ["tasks", "attempts"])
def test_what_is_added_and_changed_meanwhile_makes_no_row_come_twice_or_be_skipped(
    store: Store, name: str
) -> None:
    """After every part tasks are added right behind it and far behind it, and all are changed."""
    relation = RELATIONS[name]
    before = odd.positions(store, relation)
    added: list[str] = []

    def meddle(last: str) -> None:
        at, *_ = read_position(last, relation)
        assert isinstance(at, float)
        number = 1000 + len(added)
        new = [
            odd.task(number, first_at=at, account="second", key=f"zzz{number}"),
            odd.task(number + 1, first_at=odd.START + 1000 + number),
        ]
        added.extend(str(each["task_id"]) for each in new)
        with store.transaction() as connection:
            odd.add(connection, new)
            connection.execute(text("UPDATE task SET state = 'gone', attempts = attempts + 1"))

    async def run() -> list[Row]:
        rows: list[Row] = []
        async for part in export(store, ExportSelection(relation), FORMATS["jsonl"].make(relation), math.inf):
            rows += read_jsonl(part.data)
            if part.rows and len(added) < 20:
                meddle(rows[-1][POSITION])
        return rows

    found = [row[POSITION] for row in asyncio.run(run())]
    assert len(set(found)) == len(found)
    assert set(before) <= set(found)
    # All that was added lay behind what had been read.
    assert found == odd.positions(store, relation)
    assert len(added) == 20


@pytest.mark.parametrize(
    "position",
    [
        *("", "x", "~", "1772357400", "1772357400~main", "nan~main~r1", "inf~main~r1", "1e400~main~r1"),
        *("1772357400~main~a\x00b", "1772357400~main~\ud800", "main~1772357400~r1"),
    ],
)
def test_a_position_that_no_row_has_is_refused(position: str) -> None:
    with pytest.raises(InputError, match="position") as refused:
        read_position(position, TASKS)
    assert position not in str(refused.value) or not position


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_what_the_database_refuses_is_an_error_of_the_store(store: Store, name: str) -> None:
    with store.transaction() as connection:
        connection.execute(text("ALTER TABLE outcome RENAME COLUMN result TO other"))
    with pytest.raises(StoreError, match="result") as failed:
        exported(store, ExportSelection(RELATIONS["outcomes"]), name)
    assert "SELECT" not in str(failed.value)
