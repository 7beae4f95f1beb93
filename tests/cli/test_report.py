"""`receiver report`: the figures of /v1 for people and machines."""

import csv
import io

import openpyxl
import pandas
import pytest

from tests.analytics.lives import Lives, at, told
from tests.cli.shell import Shell

NINE = at("2026-03-10 09:00")


@pytest.fixture
def filled(shell: Shell) -> Shell:
    lives = Lives()
    some = [
        *(lives.task(NINE + 3600 * 24 * day, ["ok"], queue="5") for day in range(3)),
        lives.task(NINE, ["a:USER_BUSY"] * 3, queue="5"),
        lives.task(NINE, ["b:NO_ANSWER", "ok"], queue="6"),
    ]
    with told(str(shell.store), *some):
        pass
    return shell


def test_a_figure_for_people(filled: Shell) -> None:
    said = filled.run("report", "success", "--by", "queue", "--zone", "Europe/Moscow")
    assert said.status == 0
    assert "Success rate: tasks by creation, all time (Europe/Moscow), all accounts" in said.out
    assert "75.0% 30–95" in said.out
    assert "80.0% 38–96" in said.out, "the total"


def test_an_overview_has_every_part(filled: Shell) -> None:
    said = filled.run("report")
    assert said.status == 0
    for title in (
        *("Success rate", "Attempt yield", "Attempts to success", "Time to connect and lateness"),
        *("Failure reasons", "Best hour", "Attempts and legs", "Data health"),
    ):
        assert title in said.out
    assert filled.ask("report").keys() == {
        *("success", "yield", "tries", "timing", "reasons", "hours", "attempts", "health")
    }


def test_figures_for_machines(filled: Shell) -> None:
    answer = filled.ask("report", "yield")
    assert [row["yield"]["k"] for row in answer["rows"]] == [3, 1, 0]
    rows = list(csv.DictReader(io.StringIO(filled.run("report", "success", "--by", "day", "--csv").out)))
    assert [row["tasks"] for row in rows] == ["3", "1", "1"]


def test_no_cell_of_a_csv_is_a_formula(shell: Shell) -> None:
    with told(str(shell.store), Lives().task(NINE, ["b:@SUM(A1)"] * 3, queue="=A1")):
        pass
    said = shell.run("report", "reasons", "--by", "queue,word", "--csv")
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert (row["queue"], row["word"]) == ("'=A1", "'@SUM(A#)")


def test_a_comparison_says_whether_it_may_be_chance(filled: Shell) -> None:
    said = filled.run("report", "success", "--queue", "5", "--than-queue", "6")
    assert "75.0% 30–95 n=4" in said.out
    assert "chance)" in said.out
    assert "queue 6" in said.out
    answer = filled.ask(
        "report", "success", "--since", "2026-03-10", "--until", "2026-03-10", "--than-since", "2026-03-11"
    )
    assert answer["shares"][0]["second"]["n"] == 2
    days = "report", "success", "--period", "2026-03-10", "--than-period", "2026-03-11"
    compared = filled.ask(*days)
    assert compared["first"] == answer["first"]
    assert compared["second"]["asked"]["until"] == "2026-03-12T00:00:00.000Z"
    assert compared["shares"][0]["second"]["n"] == 1


def test_what_is_not_counted_is_refused(filled: Shell) -> None:
    assert "one of success, attempts" in filled.refused("report", "sales")
    assert "--by" in filled.refused("report", "success", "--by", "colour") or "by:" in filled.refused(
        "report", "success", "--by", "colour"
    )
    assert "zone: no such time zone" in filled.refused("report", "--zone", "Mars/Olympus")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--csv", "--csv: requires a measure"),
        ("--by day", "--by: requires a measure"),
        ("--basis finished", "--basis: requires a measure"),
        ("--than-queue 6", "--than-queue: requires a measure"),
        ("success --csv --json", "--json: cannot be used with --csv"),
        ("success --csv --than-queue 6", "--than-queue: cannot be used with --csv"),
        ("success --html a.html", "measure: cannot be used with --html, which writes everything"),
        ("--html a.html --csv", "--csv: cannot be used with --html"),
        ("--than-period 2026-03", "--than-period: requires a measure"),
        (
            "success --than-period 2026-03 --than-until today",
            "--than-until: cannot be used with",
        ),
        ("success --than-since 2026-33-01", "than_since: a day such as"),
        ("success --than-since 2026-03-02 --than-until 2026-03-01", "than_until: the period ends before"),
    ],
)
def test_an_option_that_would_not_count_is_refused(filled: Shell, arguments: str, words: str) -> None:
    assert words in filled.refused("report", *arguments.split())


def test_names_of_any_length_leave_room_for_the_numbers(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "Очередь обратного звонка отдела продаж корпоративным клиентам " * 2
    with told(str(shell.store), Lives().task(NINE, ["ok"], queue=name)):
        pass
    for width in (80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        said = shell.run("report", "success", "--by", "queue")
        assert "1 0 1 1 " in " ".join(said.out.split())
        assert "100.0% 21–100" in said.out
        assert said.out.count("клиентам") == 4, "in the table and in the chart"
        assert said.widest <= width


def test_an_empty_store_has_figures_too(shell: Shell) -> None:
    said = shell.run("report")
    assert said.status == 0
    assert "Traceback" not in said.err
    assert shell.ask("report", "success")["total"]["success_rate"]["value"] is None


def test_a_footer_explains_intervals(filled: Shell) -> None:
    shown = filled.run("report", "success")
    assert "holds the true rate in 95 of 100 such reports" in " ".join(shown.out.split())
    assert shown.widest <= 80


@pytest.mark.parametrize("options", [("--each", "queue"), ("--queue", "5", "--queue", "6")])
def test_queues_are_compared_in_one_table_and_one_chart(filled: Shell, options: tuple[str, ...]) -> None:
    shown = filled.run("report", *options)
    assert shown.status == 0
    assert "Success rate: tasks by creation" in shown.out
    table, _, chart = shown.out.rpartition("success rate\n")
    for queue, rate in (("5", "75.0%"), ("6", "100.0%")):
        assert any(line.split()[:1] == [queue] and rate in line for line in table.splitlines())
        assert any(line.split()[:1] == [queue] and "█" in line for line in chart.splitlines())
    assert shown.widest <= 80
    rows = filled.ask("report", "success", *options)["rows"]
    assert [(row["queue"], row["tasks"]) for row in rows] == [("5", 4), ("6", 1)]


def test_only_the_queues_that_are_named_are_counted(filled: Shell) -> None:
    with told(str(filled.store), Lives().task(NINE, ["ok"], queue="7", account="other")):
        pass
    answer = filled.ask("report", "success", "--queue", "5", "--queue", "7", "--by", "account")
    found = {(row["account"], row["queue"]): row["tasks"] for row in answer["rows"]}
    assert found == {("acme", "5"): 4, ("other", "7"): 1}
    assert "all queues" not in filled.run("report", "success", "--queue", "5", "--queue", "7").out
    accounts = filled.ask("report", "success", "--account", "acme", "--account", "other")
    assert {row["account"] for row in accounts["rows"]} == {"acme", "other"}
    assert "--queue" in filled.refused("report", "--queue", "5", "--queue", "nobody")


def test_a_workbook_has_the_figures_and_says_what_they_mean(filled: Shell) -> None:
    assert filled.run("report", "success", "--by", "queue", "--xlsx", "r.xlsx").status == 0
    frame = pandas.read_excel(filled.folder / "r.xlsx", sheet_name="Success rate", dtype={"queue": str})
    assert list(frame["queue"]) == ["5", "6", "all"]
    assert list(frame["tasks"]) == [4, 1, 5]
    assert list(frame["success_rate"].round(3)) == [0.75, 1.0, 0.8]
    assert list(frame["success_rate_n"]) == [4, 1, 5]
    assert "exists: use --force" in filled.refused("report", "success", "--xlsx", "r.xlsx")
    assert filled.run("report", "--xlsx", "r.xlsx", "--force").status == 0
    book = openpyxl.load_workbook(filled.folder / "r.xlsx")
    assert book.sheetnames[0] == "Success rate"
    assert len(book.sheetnames) == 9
    about = " ".join(str(cell.value) for row in book["about"].iter_rows() for cell in row if cell.value)
    assert "holds the true rate in 95 of 100" in about
    assert "Succeeded among finished." in about
    assert (
        book["Success rate"]["H2"].number_format == "0.0%"
        or book["Success rate"]["I2"].number_format == "0.0%"
    )


def test_csv_of_a_locale_is_for_its_spreadsheets(filled: Shell) -> None:
    text = filled.run("report", "success", "--by", "queue", "--csv", "--locale", "ru").out
    assert text.startswith("\ufeffqueue;tasks;")
    frame = pandas.read_csv(io.StringIO(text.removeprefix("\ufeff")), sep=";", decimal=",")
    assert list(frame["success_rate"]) == [0.75, 1.0]


def test_a_report_in_russian_compares_queues_and_periods(filled: Shell) -> None:
    options = ("--lang", "ru", "--each", "queue", "--than-queue", "6")
    shown = filled.run("report", "--html", "r.html", "--queue", "5", *options)
    assert shown.status == 0, shown
    text = (filled.folder / "r.html").read_text()
    for words in ('<html lang="ru">', "Доля успешных задач по очередям", "Сравнение", "75,0 %", "Как читать"):
        assert words in text
    assert "exists: use --force" in filled.refused("report", "--html", "r.html")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("success --locale ru", "--locale: is for CSV: use it with --csv"),
        ("--lang ru", "--lang: is for the HTML report"),
        ("--xlsx r.xls", "--xlsx: unknown ending .xls"),
        ("success --xlsx r.xlsx --csv", "--csv: cannot be used with --xlsx"),
        ("--xlsx r.xlsx --than-queue 5", "--than-queue: cannot be used with --xlsx"),
    ],
)
def test_options_of_files_that_do_not_fit_are_refused(filled: Shell, arguments: str, words: str) -> None:
    assert words in filled.refused("report", *arguments.split())
