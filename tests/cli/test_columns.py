"""`receiver columns`: what is in exports and views, without a store."""

import json
from pathlib import Path

from receiver.analytics.views import RELATIONS
from tests.cli.shell import Shell


def test_it_describes_every_column_of_a_relation(tmp_path: Path) -> None:
    ran = Shell(tmp_path, "http://127.0.0.1:9").run("columns", "attempts")
    assert ran.status == 0
    assert "in SQL: v_attempts" in ran.out
    words = " ".join(ran.out.split())  # long meanings go on in the next line
    for field in RELATIONS["attempts"].fields:
        assert f" {field.name} " in words
        assert field.about in words
    assert not list(tmp_path.glob("*.db"))


def test_as_json_it_describes_all_of_them(tmp_path: Path) -> None:
    ran = Shell(tmp_path, "http://127.0.0.1:9").run("columns", "--json")
    told = json.loads(ran.out)
    assert [each["relation"] for each in told] == list(RELATIONS)
    assert {"name": "created_at", "type": "moment"}.items() <= next(
        column for column in told[0]["columns"] if column["name"] == "created_at"
    ).items()


def test_another_name_is_refused(tmp_path: Path) -> None:
    said = Shell(tmp_path, "http://127.0.0.1:9").refused("columns", "calls")
    assert "relation: must be one of tasks, attempts, outcomes, hooks, facts" in said
