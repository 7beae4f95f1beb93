"""Statements on `fact`: append, read by task, count."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table

from receiver.domain.facts import ARRIVAL, Fact, pack, unpack
from receiver.domain.task_facts import MOST_READ
from receiver.ledger.tables import FACT
from receiver.storage import locks
from receiver.storage.bulk import is_postgres, run


class Subject(NamedTuple):
    """The task that a fact names."""

    account: str
    ref: str | None
    task_id: str | None


BY_REF = "fact.account = ? AND ref IN ?"
BY_TASK_ID = "fact.account = ? AND task_id IN ? AND ref IS NULL"
"""Conditions for the facts of tasks: by ref, and by task id if they name no ref."""


def named_by(key: str) -> tuple[str, list[str]]:
    """Return the condition for facts that name a task as its key does, and the values of its second `?`."""
    return (BY_TASK_ID, [key[1:]]) if key.startswith("#") else (BY_REF, [key])


def in_order(connection: Connection) -> str:
    """Return an ORDER BY expression for seq. On SQLite the indexes by ref and task id have that order. On
    PostgreSQL they do not, and with a plain `seq` the planner might scan the whole table.
    """
    return "seq + 0" if is_postgres(connection) else "seq"


def has_facts(connection: Connection, account: str, key: str, since: float) -> bool:
    """Return whether any fact since then, epoch seconds, names the task as its key does."""
    where, names = named_by(key)
    query = f"SELECT 1 FROM fact WHERE {where} AND at >= ? LIMIT 1"  # noqa: S608 - our own words
    return run(connection, query, account, names, since).first() is not None


def have_facts(connection: Connection, account: str, keys: Iterable[str]) -> list[str]:
    """Return the tasks that any fact names as their key does."""
    return [key for key in keys if has_facts(connection, account, key, float("-inf"))]


def fact_row(fact: Fact) -> dict[str, Any]:
    """Return a fact as a row of `fact`, without its seq."""
    return {
        "id": fact.id,
        "account": fact.account,
        "ref": fact.ref,
        "task_id": fact.task_id,
        "kind": fact.kind,
        "at": fact.at,
        "said": pack(fact.payload),
    }


def fact_values(fact: Fact) -> tuple[str, str, str | None, str | None, str, float, str]:
    """Return the values of `fact_row` in the order of the columns."""
    return (fact.id, fact.account, fact.ref, fact.task_id, fact.kind, fact.at, pack(fact.payload))


def read_fact(row: Sequence[Any]) -> Fact:
    """Return the fact of a row that begins with id, account, at, kind, said, ref, task_id."""
    fact_id, account, at, kind, said, ref, task_id, *_ = row
    return Fact(fact_id, account, at, unpack(kind, said), ref, task_id)


def key_of(ref: str | None, task_id: str | None, links: Mapping[str, str]) -> str:
    """Return the key of the task that a fact is about. `links`: task id → ref."""
    return ref or links.get(task_id or "") or f"#{task_id}"


FACT_COLUMNS = tuple(FACT.c[name] for name in ("id", "account", "at", "kind", "said", "ref", "task_id"))
"""The columns that `read_fact` needs."""


def add_facts(connection: Connection, facts: Sequence[Fact]) -> set[str]:
    """Append the facts that are new and return their ids. The unique constraint decides which are new."""
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
    """Return the names of these tasks in facts: ref → key, and task id → key."""
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
    """Return task id → ref of all ids that are linked to these refs."""
    if not refs:
        return {}
    query = "SELECT task_id, ref FROM link WHERE account = ? AND ref IN ?"
    return dict(map(tuple, run(connection, query, account, refs)))


_AT_ONCE = 2 * MOST_READ
"""Maximum number of rows that one statement reads, in case they are all of one task."""


def facts_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
    """Return key → all facts of the task; of a task with more than MOST_READ facts the MOST_READ + 1 that
    were recorded first. If that many name its ref, no fact that names only its task id.
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
    """Return the rows of facts with these values, at most MOST_READ + 1 a value."""
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
    """Return the rows of the facts of one task that were recorded first."""
    query = f"SELECT {_FACT} FROM fact WHERE {where} ORDER BY {in_order(connection)} LIMIT {MOST_READ + 1}"  # noqa: S608 - our own words
    return list(run(connection, query, account, values).all())


def count_facts(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, int]:
    """Return key → number of facts, of tasks with facts."""
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
