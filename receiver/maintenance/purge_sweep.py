"""Looks through every table for a number, and takes it out wherever it still is.

Tables are read by their columns, so a table of a later version is swept too.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    JSON,
    Connection,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    bindparam,
    select,
    tuple_,
    update,
)
from sqlmodel.sql.sqltypes import AutoString

from receiver.errors import BatchError
from receiver.inbox.bodies import decompress
from receiver.inbox.inbox import RawHook, decode_batch, encode_batch
from receiver.inbox.tables import INBOX, SET_ASIDE
from receiver.ledger.tables import DELIVERY, FACT
from receiver.maintenance.number_pattern import NumberPattern
from receiver.maintenance.schema import complete_metadata
from receiver.tasks.tables import QUEUE

_ROWS = 1_000
"""Rows that one read looks at."""

_NAMES = frozenset({"id", "account", "key", "ref", "task_id", "queue_id", "hash", "digest", "subject"})
"""Columns whose values name rows: they are not changed."""

_LEFT = frozenset({"subscription", "api_token", "alembic_version", "lease", "presence"}) | {
    f"console_{name}" for name in ("user", "session", "link", "sign_in_count")
}
"""Tables of configuration and of users, which are not changed."""


_TYPES = (String, AutoString, JSON, LargeBinary)
"""Types of columns that can have a number."""


class SweptPage(NamedTuple):
    """`changes`: of rows whose values have the number: their keys, and new values as `changed`. `named`: rows
    whose names have it, which stay. `last`: the primary key of the last row that was read, None at the end.
    """

    changes: Sequence[Mapping[str, Any]]
    named: int
    last: Sequence[Any] | None


def swept_tables(derived: Collection[Table]) -> list[Table]:
    """Return the tables to sweep. Facts are searched before, and derived rows follow from them."""
    tables = complete_metadata().tables.values()
    followed = {FACT, *derived} - {QUEUE}
    return [table for table in tables if table not in followed and table.name not in _LEFT]


def find_rows(
    connection: Connection, table: Table, pattern: NumberPattern, after: Sequence[Any] | None
) -> SweptPage:
    """Return the next rows of a table that have the number, and what to change."""
    keys, values = list(table.primary_key), _values(table)
    if not values:
        return SweptPage([], 0, None)
    query = select(*dict.fromkeys([*keys, *values, *_context(table)])).order_by(*keys).limit(_ROWS)
    if after is not None:
        query = query.where(
            tuple_(*keys) > tuple_(*(_bound(key, value) for key, value in zip(keys, after, strict=True)))
        )
    rows = connection.execute(query).all()
    named, changes = 0, []
    for row in rows:
        old = row._mapping
        clean = {column.name: _without(table, column.name, row, pattern) for column in values}
        changed = {name: value for name, value in clean.items() if value != old[name]}
        named += any(pattern.is_in(old[column.name]) for column in values if _is_name(column))
        if changed:
            changes.append({key.name: old[key.name] for key in keys} | {"changed": changed})
    last = [rows[-1]._mapping[key.name] for key in keys] if rows else None
    return SweptPage(changes, named, last)


def _bound(column: Any, value: Any) -> Any:
    return bindparam(None, value, type_=column.type)


def _values(table: Table) -> list[Any]:
    """Return the columns that can have a number."""
    return [column for column in table.columns if isinstance(column.type, _TYPES)]


def _is_name(column: Any) -> bool:
    return column.primary_key or column.name in _NAMES


def _context(table: Table) -> Iterable[Any]:
    return [table.c.headers] if table is DELIVERY else []


def _without(table: Table, name: str, row: Row[Any], pattern: NumberPattern) -> Any:
    """Return a value of a row without the number, or as it is if it names the row."""
    value = row._mapping[name]
    if value is None or _is_name(table.c[name]):
        return value
    if table in (INBOX, SET_ASIDE) and name == "batch":
        return _without_in_batch(bytes(value), pattern)
    if table is DELIVERY and name == "body":
        return _without_in_body(bytes(value), row.headers, pattern)
    return pattern.without(value) if pattern.is_in(value) else value


def _without_in_body(body: bytes, headers: Iterable[Sequence[Any]], pattern: NumberPattern) -> bytes:
    """Return a body without the number. A compressed one that has it is stored decompressed."""
    coding = next((str(value) for name, value in headers if str(name).lower() == "content-encoding"), "")
    plain = decompress(body, coding).body
    return pattern.without_bytes(plain) if pattern.is_in(plain) else pattern.without_bytes(body)


def _without_in_batch(batch: bytes, pattern: NumberPattern) -> bytes:
    """Return a batch of hooks without the number. If it cannot be decoded, its bytes are changed in place."""
    try:
        hooks = decode_batch(batch)
    except BatchError:
        return pattern.without_bytes(batch)
    clean = [_without_in_hook(hook, pattern) for hook in hooks]
    return batch if clean == hooks else encode_batch(clean)


def _without_in_hook(hook: RawHook, pattern: NumberPattern) -> RawHook:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in hook.headers]
    return msgspec.structs.replace(
        hook,
        query=pattern.without_bytes(hook.query),
        headers=tuple((name, pattern.without_bytes(value)) for name, value in hook.headers),
        body=_without_in_body(hook.body, headers, pattern),
    )


def key_values(table: Table, change: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the primary key of a changed row."""
    return tuple(change[key.name] for key in table.primary_key)


def change_rows(connection: Connection, table: Table, changes: Sequence[Mapping[str, Any]]) -> None:
    """Store the changed values of rows."""
    for row in changes:
        is_row = and_(*(key == row[key.name] for key in table.primary_key))
        connection.execute(update(table).where(is_row).values(**row["changed"]))
