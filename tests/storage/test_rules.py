"""Rules of the house about writing, held by reading the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import receiver

ROOT = Path(receiver.__file__).parent
STORE, ENGINE = ROOT / "storage", ROOT / "storage" / "engine.py"
SQL_MODULES = {
    "analytics/rollup_check.py",
    "console/sign_in/links.py",
    "console/sign_in/session_sql.py",
    "console/sign_in/throttle.py",
    "console/sign_in/users.py",
    "http/tokens.py",
    "inbox/inbox.py",
    "inbox/set_aside_sql.py",
    "ledger/append.py",
    "ledger/dirty.py",
    "ledger/links.py",
    "ledger/projections.py",
    "ledger/reread.py",
    "maintenance/expiry.py",
    "maintenance/purge_sweep.py",
    "maintenance/purge_tasks.py",
    "maintenance/schema.py",
    "outcomes/claim_sql.py",
    "outcomes/health_sql.py",
    "outcomes/operator_outbox.py",
    "outcomes/outbox_sql.py",
    "outcomes/resend_sql.py",
    "outcomes/retry_sql.py",
    "outcomes/subscription_sql.py",
    "reconcile/creation_sql.py",
    "reconcile/due_sql.py",
    "reconcile/task_file_sql.py",
    "tasks/projections.py",
    "tasks/search_projection.py",
    "tasks/task_counts.py",
}
"""Modules of other rooms that hold their room's SQL."""

WRITES = {"insert", "update", "delete"}
VERBS = (["INSERT"], ["UPDATE"], ["DELETE"], ["REPLACE"])
TABLES = {"DELIVERY", "FACT", "LINK", "TASK", "FINDING", "QUEUE", "SWEEP", "API_TOKEN", "table", "sqlite"}
TABLES |= {"INBOX", "SET_ASIDE", "DIRTY_TASK"}


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def writes(node: ast.AST) -> bool:
    """Whether it is SQL that writes: `insert(TASK)`, `TASK.update()`, `"INSERT INTO …"`."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in WRITES:
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if name in WRITES:
            return owner in TABLES | {"sa", "sqlalchemy", "sqlmodel"}
        case ast.Constant(value=str(text)):
            words = text.split()
            return words[:1] in VERBS and bool({"INTO", "SET", "FROM"} & set(words))
    return False


def test_only_the_engine_commits() -> None:
    guilty = [path for path in ROOT.rglob("*.py") if path != ENGINE and ".commit(" in path.read_text("utf-8")]
    assert guilty == []


def test_only_the_engine_opens_transactions() -> None:
    """`.begin()` commits at its end, so it is as good as a commit."""
    guilty = [path for path in ROOT.rglob("*.py") if path != ENGINE and ".begin(" in path.read_text("utf-8")]
    assert guilty == []


def test_only_the_store_and_the_sql_modules_of_rooms_build_statements_that_write() -> None:
    outside = (path for path in ROOT.rglob("*.py") if STORE not in path.parents)
    writing = {str(path.relative_to(ROOT)) for path in outside if any(map(writes, nodes(path)))}
    assert writing == SQL_MODULES
    assert any(map(writes, nodes(STORE / "leases.py")))
