"""Tables fit 80 columns without broken words and ids; files and CSV have everything."""

import csv
import io
import re
from typing import Any

import pytest
from rich.console import Console

from receiver.cli import output
from receiver.cli.output import next_page, print_note
from receiver.cli.tables import Column, print_fitting, write_csv
from receiver.cli.times import Display, Moment, displaying
from receiver.domain.calendar import Calendar
from receiver.domain.periods import PeriodReader

NOW = 1_772_357_400.0
"""2026-03-01T09:30:00Z."""

REF = "5f1d8a0c9be64a7e8f20b1c3d4e5f607"
COLUMNS = (
    *(Column("account"), Column("task"), Column("id", optional=True), Column("state")),
    *(Column("by", optional=True), Column("heard"), Column("detail")),
)
ROW: list[Any] = [
    "main",
    REF,
    "90210",
    "finished",
    "API",
    Moment(NOW - 180),
    "texts with words of any length",
]


def _printed(rows: list[list[Any]], width: int | None, patch: pytest.MonkeyPatch, zone: str = "UTC") -> str:
    out = io.StringIO()
    patch.delenv("COLUMNS", raising=False)
    if width:
        patch.setenv("COLUMNS", str(width))
    patch.setattr("sys.stdout", out)
    with displaying(Display(times=PeriodReader(Calendar(zone), NOW))):
        print_fitting(Console(file=out, width=width or 80), "Tasks", COLUMNS, rows)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_word_and_no_id_is_broken(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _printed([ROW, ["second", *ROW[1:]]], width, monkeypatch)
    assert max(map(len, shown.splitlines())) <= width
    words = shown.split()
    assert words.count(REF) == 2
    for word in ROW[-1].split():
        assert words.count(word) >= 2


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_note_is_wrapped_between_words_for_a_terminal(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(
        output,
        "STDOUT",
        Console(file=out, width=40, soft_wrap=True, force_terminal=is_terminal, color_system=None),
    )
    print_note(f"Hooks: 0 in the last minute, the last one 14 min ago. {'0' * 50}")
    lines = out.getvalue().splitlines()
    assert len(lines) == (3 if is_terminal else 1)
    assert "0" * 50 in lines[-1]
    assert " ".join(line.strip() for line in lines).startswith("Hooks: 0 in the last minute, the last one 14")


def test_columns_that_are_hidden_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _printed([ROW, ["second", *ROW[1:]]], 80, monkeypatch)
    hidden = re.search("Not shown: (.*)[.] Use", shown)
    assert hidden
    assert set(hidden[1].split(", ")) <= {"id", "by"}


def test_the_only_account_stands_in_the_title_of_a_narrow_table(monkeypatch: pytest.MonkeyPatch) -> None:
    title, _, head, *_ = _printed([ROW, ROW], 80, monkeypatch).splitlines()
    assert title == "Tasks  (times: UTC)  account: main"
    assert "account" not in head


def test_a_file_gets_every_column_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _printed([ROW], None, monkeypatch, "Europe/Moscow").splitlines()
    assert lines[0] == "Tasks  (times: Europe/Moscow)"
    assert lines[2].split() == [column.name for column in COLUMNS]
    assert "2026-03-01 12:27:00, 3 min ago" in lines[4]
    assert lines[4].endswith("texts with words of any length ")


def test_rows_that_cannot_be_a_table_are_records(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _printed([ROW], 45, monkeypatch)
    assert f"  task     {REF}\n" in shown


def test_csv_has_whole_values_and_moments_with_the_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    with displaying(Display(times=PeriodReader(Calendar("Europe/Moscow"), NOW))):
        write_csv(COLUMNS, [ROW, [None, "a,b", "", True, 1.5, None, 'say "so"']])
    head, first, second = csv.reader(io.StringIO(out.getvalue()))
    assert head == [column.name for column in COLUMNS]
    assert first[5] == "2026-03-01T12:27:00.000+03:00"
    assert second == ["", "a,b", "", "true", "1.5", "", 'say "so"']


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["tasks", "list"], "receiver tasks list --cursor WzE"),
        (["tasks", "list", "--cursor", "old"], "receiver tasks list --cursor WzE"),
        (
            ["tasks", "list", "--cursor=old", "--name", "call back"],
            "receiver tasks list --name 'call back' --cursor WzE",
        ),
    ],
)
def test_the_next_page_is_a_whole_command(typed: list[str], line: str) -> None:
    assert next_page(typed, "WzE") == line
