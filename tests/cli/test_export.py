"""`receiver export`: files that come into being whole, or are gone on with."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from receiver.analytics import export_pages, exports
from receiver.analytics.export_pages import ExportPage, ExportSelection, read_position
from receiver.analytics.exports import FORMATS
from receiver.analytics.views import RELATIONS, TASKS, Relation
from receiver.cli.export_resume import kept_of
from receiver.errors import StoreUnavailableError
from receiver.storage.engine import Store
from tests.analytics import odd
from tests.analytics.odd import exported
from tests.cli.shell import Shell


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_pages, "STRETCH", 5)


@pytest.fixture
def store(shell: Shell) -> Iterator[Store]:
    with odd.filled(str(shell.store)) as store:
        yield store


@pytest.mark.parametrize("name", ["csv", "jsonl"])
@pytest.mark.parametrize("relation", [RELATIONS["tasks"], RELATIONS["facts"]], ids=["tasks", "facts"])
def test_what_is_cut_off_at_any_byte_is_gone_on_with(
    store: Store, relation: Relation, name: str, tmp_path: Path
) -> None:
    whole = exported(store, ExportSelection(relation), name)
    positions = odd.positions(store, relation)
    rests = [
        exported(store, ExportSelection(relation, after=place), name, is_begun=True)
        for place in [(), *(read_position(each, relation) for each in positions)]
    ]
    part, seen = tmp_path / "cut.part", set()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    for size in sorted({*range(0, len(whole), 41), *(end + more for end in ends for more in (0, 1, 2))}):
        part.write_bytes(whole[:size])
        kept = kept_of(part, relation, FORMATS[name].make(relation), is_csv=name == "csv")
        assert kept.size <= size
        assert kept.position == (positions[kept.rows - 1] if kept.rows else None)
        assert whole[: kept.size] + rests[kept.rows] == whole or not kept.size
        seen.add(kept.rows)
    assert seen >= set(range(len(positions)))


def test_a_file_is_written_under_another_name_until_it_is_whole(shell: Shell, store: Store) -> None:
    said = shell.run("export", "tasks", "--out", "tasks.jsonl")
    assert (said.status, said.out) == (0, "")
    assert f"{len(odd.TEXTS)} rows in " in said.err
    assert " rows/s" in said.err
    assert (shell.folder / "tasks.jsonl").read_bytes() == exported(store, ExportSelection(TASKS), "jsonl")
    assert list(shell.folder.glob("*.part")) == []


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_what_broke_off_is_resumed_and_then_the_file_is_what_it_would_have_been(
    shell: Shell, store: Store, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, part = shell.folder / f"a.{suffix}", shell.folder / f"a.{suffix}.part"
    out.write_text("of yesterday")
    command = ("export", "tasks", "--out", str(out), "--limit", "20", "--force")
    with monkeypatch.context() as patched:
        _break_off_after(patched, 2)
        assert "continue with --resume" in shell.refused(*command)
    assert out.read_text() == "of yesterday"
    with part.open("ab") as file:
        file.write(b'1772357400.5~main~"torn')
    said = shell.run(*command, "--resume")
    assert "10 rows after 10 existing rows" in said.err
    assert out.read_bytes() == exported(store, ExportSelection(TASKS, limit=20), suffix)
    assert not part.exists()


def _break_off_after(patched: pytest.MonkeyPatch, parts: int) -> None:
    """The store is not to be read any more after so many pages."""
    read, left = export_pages.next_page, parts

    def next_page(*asked: Any) -> ExportPage:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreUnavailableError("gone")
        return read(*asked)

    patched.setattr(exports, "next_page", next_page)


def test_to_resume_what_was_never_begun_is_to_begin(shell: Shell, store: Store) -> None:
    assert shell.run("export", "hooks", "--out", "hooks.csv", "--resume").status == 0
    assert (shell.folder / "hooks.csv").read_bytes() == exported(store, ExportSelection(RELATIONS["hooks"]))


def test_text_goes_to_standard_output(shell: Shell, store: Store) -> None:
    said = shell.run("export", "outcomes")
    assert said.out.encode() == exported(store, ExportSelection(RELATIONS["outcomes"]))
    asked = ("--format", "jsonl", "--since", repr(odd.START + 5), "--until", repr(odd.START + 9))
    lines = shell.run("export", "tasks", *asked, "--account", "main", "--numbers").out
    selection = ExportSelection(TASKS, numbers=True, account="main", since=odd.START + 5, until=odd.START + 9)
    assert lines.encode() == exported(store, selection, "jsonl") != b""


def test_a_file_has_the_tasks_that_the_list_prints_with_the_same_filters(shell: Shell, store: Store) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE task SET settled = 0"
        )  # the list counts the hooks of settled tasks
    for filters in (
        ["--text", "a"],
        ["--result", "unknown", "--account", "second"],
        ["--problem", "overdue"],
    ):
        listed = shell.ask("tasks", "list", *filters, "--limit", "500")["tasks"]
        expected = [(task["account"], task["key"]) for task in reversed(listed)]
        for relation, times in (("tasks", 1), ("attempts", 3)):
            said = shell.run("export", relation, "--format", "jsonl", *filters)
            rows = odd.read_jsonl(said.out.encode())
            assert [(row["account"], row["key"]) for row in rows][::times] == expected
            assert len(rows) == times * len(expected)
        assert len(expected) < len(odd.TEXTS)


def test_a_file_with_filters_is_resumed_with_them(
    shell: Shell, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("export", "tasks", "--result", "unknown", "--account", "main", "--numbers", "--out", "a.csv")
    whole = shell.run(*command[:-2]).out
    with monkeypatch.context() as patched:
        _break_off_after(patched, 2)
        assert "continue with --resume" in shell.refused(*command)
    assert " after 9 existing rows" in shell.run(*command, "--resume").err
    assert (shell.folder / "a.csv").read_bytes() == whole.encode()


def test_who_looked_for_whom_is_recorded(shell: Shell, store: Store) -> None:
    assert shell.run("export", "tasks", "--text", odd.NUMBER).status == 0
    (record,) = shell.ask("audit")["records"]
    assert (record["action"], record["object"]) == ("numbers.find", "+791•••67")
    assert record["detail"] == {"export": "tasks", "in_full": False}


def test_an_export_goes_on_behind_a_position(shell: Shell, store: Store) -> None:
    after = odd.positions(store, TASKS)[7]
    assert shell.run("export", "tasks", "--format", "jsonl", "--after", after).out.encode() == exported(
        store, ExportSelection(TASKS, after=read_position(after, TASKS)), "jsonl"
    )


def test_parquet_is_made_by_the_name_of_the_file(shell: Shell, store: Store) -> None:
    assert shell.run("export", "facts", "--out", "facts.parquet", "--numbers").status == 0
    data = (shell.folder / "facts.parquet").read_bytes()
    facts = RELATIONS["facts"]
    rows = odd.read_parquet(data, shell.folder, facts)
    assert [row["said"] for row in rows] == [row["said"] for row in odd.viewed(store, facts)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("task", "relation: must be one of tasks, attempts"),
        ("tasks --format xml", "--format: must be 'csv', 'jsonl', 'xlsx' or 'parquet'"),
        ("tasks --since yesterdy", "--since: not a moment"),
        ("tasks --since 2026-03-02 --until 2026-03-01", "--until: the period ends before it begins"),
        ("facts --state finished", "--state: is for `tasks` and `attempts` only"),
        ("hooks --result failed", "--result: is for `tasks` and `attempts` only"),
        ("tasks --phone 12", "--phone: write a whole phone number"),
        ("tasks --queue 99", "--queue: "),
        ("tasks --after nowhere", "after: must be the unchanged `position`"),
        ("tasks --format parquet", "--out: .parquet requires a file"),
        ("tasks --resume", "--resume: requires --out FILE"),
        ("tasks --out a.parquet --resume", "--resume: an interrupted Parquet or Excel file cannot"),
        ("tasks --out a.csv --resume --after 1~main~r1", "--after: cannot be used with --resume"),
        ("tasks --out no/where.csv", "No such file"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(shell: Shell, arguments: str, words: str) -> None:
    assert words in shell.refused("export", *arguments.split())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"name,age\n" * 200),
        ("a.jsonl", b'{"position": "1~main~r1", "age": 5}\n'),
        ("a.jsonl", b"[1, 2]\n"),
        ("a.jsonl", b"not JSON\n"),
    ],
)
def test_a_part_of_something_else_is_left_alone(
    shell: Shell, store: Store, name: str, content: bytes
) -> None:
    part = shell.folder / f"{name}.part"
    part.write_bytes(content)
    assert "is of another export" in shell.refused("export", "tasks", "--out", name, "--resume")
    assert part.read_bytes() == content


def test_without_pyarrow_parquet_says_how_to_get_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "receiver.analytics.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'receiver[analytics]'" in shell.refused("export", "tasks", "--out", "a.parquet")
    assert shell.run("export", "tasks", "--out", "a.csv").status == 0


def test_a_file_that_exists_is_replaced_only_by_force(shell: Shell, store: Store) -> None:
    path = shell.folder / "tasks.csv"
    path.write_text("mine")
    assert "tasks.csv exists: use --force" in shell.refused("export", "tasks", "--out", "tasks.csv")
    assert path.read_text() == "mine"
    assert shell.run("export", "tasks", "--out", "tasks.csv", "--force").status == 0
    assert path.read_text().startswith("position,")
    part = shell.folder / "facts.csv.part"
    part.write_text("position")
    assert "use --resume, or --force" in shell.refused("export", "facts", "--out", "facts.csv")
    assert part.read_text() == "position"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--out", "t.xls"), "--out: unknown ending .xls: use one of .csv, .jsonl, .xlsx, .parquet"),
        (("--out", "t.xlsx", "--format", "csv"), "--format: csv does not fit the ending .xlsx"),
        (("--format", "xlsx"), "--out: .xlsx requires a file"),
        (("--out", "t.xlsx", "--resume"), "--resume: an interrupted Parquet or Excel file cannot be"),
        (("--out", "t.xlsx", "--locale", "ru"), "--locale: is for CSV only"),
        (
            ("--out", "t.csv", "--locale", "xx"),
            "--locale: unknown: 'xx'; use a language such as",
        ),
        (("--out", "t.csv", "--locale", "ru", "--resume"), "--resume: cannot be used with --locale"),
    ],
)
def test_what_does_not_fit_a_file_is_refused(
    shell: Shell, store: Store, arguments: tuple[str, ...], words: str
) -> None:
    assert shell.refused("export", "tasks", *arguments).startswith(f"error: {words}")
    assert not list(shell.folder.glob("t.*"))


def test_the_ending_of_a_file_names_its_format(shell: Shell, store: Store) -> None:
    for name, begin in (("t.xlsx", b"PK"), ("T.XLSX", b"PK"), ("t.jsonl", b"{"), ("t", b"position,")):
        assert shell.run("export", "tasks", "--out", name).status == 0
        assert (shell.folder / name).read_bytes().startswith(begin)
    assert shell.run("export", "tasks", "--out", "ru.csv", "--locale", "ru").status == 0
    assert (shell.folder / "ru.csv").read_text(encoding="utf-8-sig").startswith("position;account;")
