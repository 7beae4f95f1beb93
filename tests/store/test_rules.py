"""Rules of the house about writing, held by reading the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import receiver

ROOT = Path(receiver.__file__).parent
STORE, ENGINE = ROOT / "store", ROOT / "store" / "engine.py"
WRITES = {"insert", "update", "delete"}
TABLES = {"DELIVERY", "FACT", "LINK", "TASK", "FINDING", "QUEUE", "SWEEP", "API_TOKEN", "table", "sqlite"}


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def writes(call: ast.Call) -> bool:
    """Whether the call builds SQL that writes: `insert(TASK)`, `TASK.update()`, `text("INSERT INTO …")`."""
    match call.func:
        case ast.Name(id=name) if name in WRITES:
            return True
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if name in WRITES:
            return owner in TABLES | {"sa", "sqlalchemy", "sqlmodel"}
    words = [
        arg.value.split() for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
    ]
    sql = [text for text in words if text and text[0] in ("INSERT", "UPDATE", "DELETE", "REPLACE")]
    return any({"INTO", "SET", "FROM"} & set(text) for text in sql)


def test_only_the_engine_commits() -> None:
    guilty = [path for path in ROOT.rglob("*.py") if path != ENGINE and ".commit(" in path.read_text("utf-8")]
    assert guilty == []


def test_only_the_engine_opens_transactions() -> None:
    """`.begin()` commits at its end, so it is as good as a commit."""
    guilty = [path for path in ROOT.rglob("*.py") if path != ENGINE and ".begin(" in path.read_text("utf-8")]
    assert guilty == []


def test_only_the_store_builds_statements_that_write() -> None:
    outside = (path for path in ROOT.rglob("*.py") if STORE not in path.parents)
    assert [path for path in outside if any(writes(call) for call in calls(path))] == []
    assert any(writes(call) for call in calls(STORE / "statements.py"))
