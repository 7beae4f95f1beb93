"""The statements that write the ledger and what is derived from it. All run inside one transaction."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table

from receiver.domain.facts import ARRIVAL, Fact
from receiver.domain.task_facts import MOST_READ
from receiver.ledger.fact_rows import fact_row, read_fact
from receiver.ledger.tables import FACT
from receiver.ledger.task_names import BY_REF, BY_TASK_ID, in_order
from receiver.storage import locks
from receiver.storage.bulk import run


class Subject(NamedTuple):
    """What a fact is about."""

    account: str
    ref: str | None
    task_id: str | None


FACT_COLUMNS = tuple(FACT.c[name] for name in ("id", "account", "at", "kind", "said", "ref", "task_id"))
"""What `read_fact` reads."""


def add_facts(connection: Connection, facts: Sequence[Fact]) -> set[str]:
    """Append the facts that are new; the ids of those. The unique constraint decides what is new."""
    if not facts:
        return set()
    locks.share_appending(connection)
    statement = (
        insert_into(connection, FACT).on_conflict_do_nothing(index_elements=["id"]).returning(FACT.c.id)
    )
    return set(connection.execute(statement, [fact_row(fact) for fact in facts]).scalars())


def names_of(
    connection: Connection, account: str, keys: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What facts of these tasks may name: refs and task ids, each with the key that it belongs to."""
    refs, task_ids = _split(keys)
    task_ids.update(_linked(connection, account, list(refs)))
    return refs, task_ids


def _split(keys: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    refs, task_ids = {}, {}
    for key in keys:
        if key.startswith("#"):
            task_ids[key[1:]] = key
        else:
            refs[key] = key
    return refs, task_ids


def _linked(connection: Connection, account: str, refs: list[str]) -> dict[str, str]:
    """Task id → ref, of all ids that are linked to these refs."""
    if not refs:
        return {}
    query = "SELECT task_id, ref FROM link WHERE account = ? AND ref IN ?"
    return dict(map(tuple, run(connection, query, account, refs)))


_AT_ONCE = 2 * MOST_READ
"""Rows read by one statement, before it is looked at whether they are all of one task."""


def facts_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
    """Key → all facts of that task. Of a task with more than MOST_READ facts MOST_READ + 1: those recorded
    first. If that many name its ref, none that names only its task id.
    """
    refs, task_ids = _split(keys)
    found: dict[str, list[Fact]] = defaultdict(list)
    named = list(refs)
    rows = _facts(connection, account, "ref", named)
    for row in rows:
        found[row[5]].append(read_fact(row))
    if len(rows) > MOST_READ:
        named = [ref for ref in named if len(found.get(ref, ())) <= MOST_READ]
    task_ids |= _linked(connection, account, named)
    silent = _facts(connection, account, "task_id", list(task_ids))
    for row in silent:
        found[task_ids[row[6]]].append(read_fact(row))
    if len(rows) + len(silent) > MOST_READ:
        found |= {key: _first(facts) for key, facts in found.items() if len(facts) > MOST_READ}
    return dict(found)


def _first(facts: list[Fact]) -> list[Fact]:
    return sorted(facts, key=ARRIVAL)[: MOST_READ + 1]


def _facts(connection: Connection, account: str, name: str, values: list[str]) -> list[Sequence[Any]]:
    """The rows of facts that name these values, no more than MOST_READ + 1 for each of them."""
    if not values:
        return []
    where = BY_REF if name == "ref" else BY_TASK_ID
    query = f"SELECT {_FACT} FROM fact WHERE {where} LIMIT {_AT_ONCE}"  # noqa: S608 - our own words
    rows: list[Sequence[Any]] = run(connection, query, account, values).all()
    if len(rows) <= MOST_READ:
        return rows
    if len(values) == 1:
        return _first_facts(connection, account, where, values)
    if len(rows) < _AT_ONCE:
        place = 5 if name == "ref" else 6
        counts = Counter(row[place] for row in rows)
        crowded = {value for value, count in counts.items() if count > MOST_READ}
        rows = [row for row in rows if row[place] not in crowded]
        return [*rows, *(row for value in crowded for row in _facts(connection, account, name, [value]))]
    half = len(values) // 2
    parts = values[:half], values[half:]
    return [row for part in parts for row in _facts(connection, account, name, part)]


def _first_facts(connection: Connection, account: str, where: str, values: list[str]) -> list[Sequence[Any]]:
    """The rows of the first facts of one task, as they were recorded."""
    query = f"SELECT {_FACT} FROM fact WHERE {where} ORDER BY {in_order(connection)} LIMIT {MOST_READ + 1}"  # noqa: S608 - our own words
    return list(run(connection, query, account, values).all())


def count_facts(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, int]:
    """Key → how many facts of that task there are, for those that have any."""
    counts: dict[str, int] = defaultdict(int)
    refs, task_ids = names_of(connection, account, keys)
    for name, where, key_of in (("ref", BY_REF, refs), ("task_id", BY_TASK_ID, task_ids)):
        query = f"SELECT {name}, count(*) FROM fact WHERE {where} GROUP BY {name}"  # noqa: S608 - our own words
        for named, count in run(connection, query, account, list(key_of)) if key_of else ():
            counts[key_of[named]] += count
    return dict(counts)


_FACT = ", ".join(each.name for each in FACT_COLUMNS)


def insert_into(connection: Connection, table: Table) -> Any:
    """Return the dialect's own INSERT, which has ON CONFLICT. Only the dialect in use is imported."""
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)
