"""Files for spreadsheets are read back by openpyxl, pandas, and LibreOffice if it is installed."""

import csv
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path

import openpyxl
import pandas
import pytest

from receiver.analytics import export_pages, spreadsheets
from receiver.analytics.export_pages import ExportSelection
from receiver.analytics.exports import FORMATS, spreadsheet_csv
from receiver.analytics.formulas import as_text
from receiver.analytics.spreadsheets import SpreadsheetColumn, SpreadsheetFile, csv_style
from receiver.analytics.views import RELATIONS, Relation
from receiver.errors import InputError
from receiver.storage.engine import Store
from tests.analytics import odd
from tests.analytics.odd import exported, read_jsonl

EACH = pytest.mark.parametrize("relation", RELATIONS.values(), ids=list(RELATIONS))


@pytest.fixture
def store(store_target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Odd rows, of which a page has few."""
    monkeypatch.setattr(export_pages, "STRETCH", 4)
    with odd.filled(store_target) as store:
        yield store


def second(moment: str | None) -> datetime | None:
    """A moment of JSON as a spreadsheet has it: without zone, to the millisecond."""
    return None if moment is None else datetime.fromisoformat(moment).replace(tzinfo=None)


@EACH
def test_a_workbook_holds_what_json_holds(store: Store, relation: Relation) -> None:
    rows = read_jsonl(exported(store, ExportSelection(relation), "jsonl"))
    book = openpyxl.load_workbook(BytesIO(exported(store, ExportSelection(relation), "xlsx")))
    assert book.sheetnames == [relation.name, "about"]
    heads, *lines = book[relation.name].iter_rows(values_only=True)
    assert list(heads) == list(rows[0])
    kinds = {field.name: field.kind for field in relation.fields}
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        for (name, value), cell in zip(row.items(), line, strict=True):
            kind = kinds.get(name, "text")
            if kind == "time" and value is not None:
                assert abs((cell - second(value)).total_seconds()) < 0.002
            elif kind not in ("json", "time") and isinstance(value, int | float | bool):
                assert cell == pytest.approx(value)
            elif kind == "text" and isinstance(value, str) and value.isprintable() and value:
                assert cell == value
    about = {row[0]: row[1] for row in book["about"].iter_rows(values_only=True)}
    assert all(about[field.name] == field.about for field in relation.fields)


def test_no_text_becomes_a_formula_or_a_link(store: Store) -> None:
    column = SpreadsheetColumn("text", "text")
    texts = ["=1+1", "+7 916", "-1", "@SUM(A1)", "https://example.org", "\tx", "", "x" * 40_000, "\x01\x02"]
    book = SpreadsheetFile()
    book.begin_table("texts", [column])
    for text in texts:
        book.add([text])
    sheet = openpyxl.load_workbook(BytesIO(book.close()))["texts"]
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells if cell.value is not None} <= {"s", "inlineStr"}
    assert [cell.value for cell in cells[:5]] == texts[:5]
    assert not any(cell.hyperlink for cell in cells)


def test_a_long_table_continues_on_another_worksheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_ROWS", 3)
    book = SpreadsheetFile()
    book.begin_table("tasks", [SpreadsheetColumn("n", "int", "A number.")])
    for number in range(7):
        book.add([number])
    sheets = pandas.read_excel(BytesIO(book.close(["Moments are in UTC."])), sheet_name=None)
    assert list(sheets) == ["tasks", "tasks 2", "tasks 3", "about"]
    assert [n for name in list(sheets)[:3] for n in sheets[name]["n"]] == list(range(7))


@EACH
@pytest.mark.parametrize(("locale", "separator", "decimal"), [("ru", ";", ","), ("en", ",", ".")])
def test_csv_of_a_locale_is_read_by_pandas_as_that_locale_does(
    store: Store, relation: Relation, locale: str, separator: str, decimal: str
) -> None:
    rows = read_jsonl(exported(store, ExportSelection(relation), "jsonl"))
    data = exported(store, ExportSelection(relation), spreadsheet_csv(locale))
    assert data.startswith(b"\xef\xbb\xbf")
    frame = pandas.read_csv(BytesIO(data), sep=separator, decimal=decimal, encoding="utf-8-sig")
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows)
    for field in relation.fields:
        if field.kind == "float":
            found = [None if pandas.isna(value) else value for value in frame[field.name]]
            assert found == [row[field.name] for row in rows]
    lines = list(csv.DictReader(StringIO(data.decode("utf-8-sig"), newline=""), delimiter=separator))
    for line, row in zip(lines, rows, strict=True):
        for field in relation.fields:
            if field.kind == "text" and row[field.name]:
                assert line[field.name] == as_text(row[field.name])
            if field.kind == "time" and row[field.name]:
                assert line[field.name] == row[field.name][:19].replace("T", " ")


@pytest.mark.parametrize(
    ("locale", "style"),
    [("de", (";", ",")), ("de_CH", (",", ".")), ("en-GB", (",", ".")), ("fr", (";", ","))],
)
def test_the_style_of_csv_follows_the_locale(locale: str, style: tuple[str, str]) -> None:
    assert csv_style(locale) == style


@pytest.mark.parametrize("locale", ["", "xx", "russian", "ru_XX", "../ru"])
def test_an_unknown_locale_is_refused(locale: str) -> None:
    with pytest.raises(InputError, match="locale"):
        csv_style(locale)


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("name", ["tasks.xlsx", "tasks.csv"])
def test_libreoffice_opens_the_files(store: Store, tmp_path: Path, name: str) -> None:
    kind = FORMATS["xlsx"] if name.endswith("xlsx") else spreadsheet_csv("en")
    (tmp_path / name).write_bytes(exported(store, ExportSelection(RELATIONS["tasks"]), kind))
    command = ["soffice", "--headless", "--convert-to", "ods", "--outdir", str(tmp_path), name]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=100)
    assert (tmp_path / "tasks.ods").stat().st_size > 1000
