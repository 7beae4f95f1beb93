"""The boards are what is written from the declared metrics, and keep the rules of boards."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dashboards.__main__ import BOARDS, FOLDER, main, stale
from dashboards.query import ANYWHERE, FOREIGN, VARIABLES
from receiver.observability.metric_definitions import METRICS
from receiver.observability.metrics import Metrics
from tests.operators.panels import FILES, expressions, panels, read

Board = dict[str, Any]

CORE = {"timeseries", "stat", "table", "bargauge", "heatmap", "state-timeline", "text", "row"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def board(request: pytest.FixtureRequest) -> Board:
    return read(request.param)


def test_writing_them_again_changes_nothing() -> None:
    assert stale(FOLDER) == []
    assert {file.stem for file in FILES} == {each.name for each in BOARDS}


def test_check_names_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    for file in FILES:
        (tmp_path / file.name).write_text(file.read_text())
    changed = tmp_path / FILES[0].name
    changed.write_text(changed.read_text().replace('"refresh": "30s"', '"refresh": "1s"'))
    (tmp_path / FILES[1].name).unlink()
    assert set(stale(tmp_path)) == {changed, tmp_path / FILES[1].name}
    assert main(["--check"], tmp_path) == 1
    assert f"{FILES[0].name} is not" in capsys.readouterr().out
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


def test_another_process_writes_the_same() -> None:
    command = [sys.executable, "-m", "dashboards", "--check"]
    done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_board_can_be_provisioned(board: Board) -> None:
    assert board["schemaVersion"] == 42
    assert re.fullmatch(r"receiver-[a-z]+", board["uid"])
    assert board["title"]
    assert board["description"]
    assert not {"id", "__inputs", "__requires", "apiVersion", "kind"} & set(board)


def test_uids_and_titles_are_unique() -> None:
    boards = [read(file) for file in FILES]
    assert {board["uid"] for board in boards} == {f"receiver-{file.stem}" for file in FILES}
    assert len({board["title"] for board in boards}) == len(boards)


def test_rows_ask_and_the_first_whether_it_is_fine(board: Board) -> None:
    assert board["panels"][0]["type"] == "row"
    questions = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert questions[0] == "Is it fine?"
    assert all(question.endswith("?") for question in questions)


def test_a_panel_says_what_it_shows(board: Board) -> None:
    for panel in panels(board):
        assert panel["type"] in CORE
        assert panel["title"], panel
        assert re.match(r"(?!Alert )[A-Z0-9].+\.$", panel["description"]), panel["title"]
        assert panel["type"] == "text" or panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    titles = Counter(panel["title"] for panel in panels(board))
    assert titles.most_common(1)[0][1] == 1


def test_panels_have_ids_and_lie_beside_each_other(board: Board) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(number > 0 for number in ids)
    places = {panel["id"]: set(cells(panel["gridPos"])) for panel in board["panels"]}
    for one, other in combinations(places.values(), 2):
        assert not one & other
    assert max(x for place in places.values() for x, _ in place) < 24


def cells(grid: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(grid["x"], grid["x"] + grid["w"]):
        for y in range(grid["y"], grid["y"] + grid["h"]):
            yield x, y


def test_lines_are_full(board: Board) -> None:
    """No hole to the right of a row of panels."""
    widths: Counter[int] = Counter()
    for panel in board["panels"]:
        widths[panel["gridPos"]["y"]] += panel["gridPos"]["w"]
    assert set(widths.values()) == {24}


def test_legends_say_whether_they_are_shown(board: Board) -> None:
    for panel in panels(board):
        legend = panel["options"].get("legend")
        assert legend is None or {"showLegend", "show"} & set(legend), panel["title"]


def test_all_is_asked_of_the_chosen_source(board: Board) -> None:
    sources = [each for each in board["templating"]["list"] if each["type"] == "datasource"]
    assert [each["name"] for each in sources] == ["datasource"]
    for panel in panels(board):
        if panel["type"] != "text":
            assert panel["datasource"] == SOURCE
            assert [target["datasource"] for target in panel["targets"]] == [SOURCE] * len(panel["targets"])
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_variables_are_those_that_are_used(board: Board) -> None:
    variables = {each["name"]: each for each in board["templating"]["list"]}
    exprs = [target["expr"] for panel in panels(board) for target in panel.get("targets", ())]
    used = {name for expr in exprs for name in re.findall(r"\$(\w+)", expr) if not name.startswith("__")}
    assert set(variables) == used | {"datasource"}
    assert set(ANYWHERE) <= used
    for name in used:
        assert variables[name]["multi"]
        assert variables[name]["includeAll"]
        assert variables[name]["datasource"] == SOURCE
    for each in variables.values():
        assert not [key for key in each if key.startswith("auto")]


def test_boards_lead_to_each_other(board: Board) -> None:
    uids = {read(file)["uid"] for file in FILES}
    (link,) = board["links"]
    assert link["tags"] == ["receiver"]
    assert link["tags"] == board["tags"]
    assert link["includeVars"]
    assert link["keepTime"]
    for panel in panels(board):
        for each in panel.get("links", ()):
            assert re.fullmatch(r"/d/([\w-]+)\?.*", each["url"])[1] in uids  # type: ignore[index]


def test_the_overview_leads_to_all_boards() -> None:
    overview = read(FOLDER / "overview.json")
    urls = {link["url"] for panel in panels(overview) for link in panel.get("links", ())}
    others = {each.uid for each in BOARDS} - {overview["uid"]}
    assert {url.split("/")[2].split("?")[0] for url in urls} == others


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (r"callback_task(s_opened|s_finished|_attempts|_time_to_connect)", ("per task", "per attempt")),
        (
            r"callback_delivery_(attempts|duration|end_to_end)",
            ("per attempt", "per message", "Messages delivered", "Subscriptions"),
        ),
    ],
)
def test_titles_say_what_is_counted(metrics: str, words: tuple[str, ...]) -> None:
    titles = {each.panel for each in expressions() if re.search(metrics, each.raw)}
    assert titles
    assert {each for each in titles if not any(word in each for word in words)} == set()


def test_whoever_counts_ends_says_how_cohorts_differ() -> None:
    for file in FILES:
        for panel in panels(read(file)):
            asked = " ".join(target["expr"] for target in panel.get("targets", ()))
            if re.search(r"callback_(tasks_finished|task_attempts)", asked):
                assert "/v1/analytics" in panel["description"], panel["title"]


def test_every_metric_is_shown_and_none_is_foreign() -> None:
    asked = {name for each in expressions() for name in re.findall(r"\b(\w+)\{", each.raw)}
    asked -= {name for name in asked if name.startswith("ratio_rate")}
    shown = {each.name for each in METRICS.values() if asked & set(each.samples)}
    assert set(METRICS) - shown == set()
    declared = {sample for each in METRICS.values() for sample in each.samples}
    assert asked - declared - {"ALERTS", "reconcile"} == set(FOREIGN)


def test_foreign_metrics_are_scraped_with_these_labels() -> None:
    text = generate_latest(Metrics().registry).decode()
    scraped = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    for name, labels in FOREIGN.items():
        assert name == "up" or scraped[name] == set(labels)


def test_values_of_variables_are_looked_up_where_they_are() -> None:
    labels = {sample: each.labels for each in METRICS.values() for sample in each.samples}
    seen = set()
    for file in FILES:
        for variable in read(file)["templating"]["list"]:
            if variable["type"] == "query":
                metric, name = re.fullmatch(r"label_values\((\w+)\{.*\}, (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
                assert name == variable["name"]
                assert name in (*ANYWHERE, *labels[metric])
                seen.add(name)
    assert seen == set(VARIABLES)
