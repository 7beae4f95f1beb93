"""`receiver tasks list` and `show`, `lost-hooks` and `drift`: what /v1 answers, for people and machines."""

import asyncio
import re
import shlex
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from receiver.i18n.catalogue import catalogue
from tests.cli.shell import Shell
from tests.http.api_env import A_NUMBER, B_NUMBER, T0, ApiEnv, finished, running_rig

LONG_REF = "5f1d8a0c9be64a7e8f20b1c3d4e5f607"
SAME = {
    "/v1/tasks": ("tasks", "list"),
    "/v1/tasks?limit=2": ("tasks", "list", "--limit", "2"),
    "/v1/tasks?account=second": ("tasks", "list", "--account", "second"),
    "/v1/tasks?queue_id=18": ("tasks", "list", "--queue", "18"),
    "/v1/tasks?state=finished": ("tasks", "list", "--state", "finished"),
    "/v1/tasks?problem=lost_hooks": ("tasks", "list", "--problem", "lost_hooks"),
    "/v1/tasks?problem=crm_untold": ("tasks", "list", "--problem", "crm_untold"),
    "/v1/tasks?finish_result=failed": ("tasks", "list", "--result", "failed"),
    "/v1/tasks?reason=connected": ("tasks", "list", "--reason", "connected"),
    "/v1/tasks?name=a%20name": ("tasks", "list", "--name", "a name"),
    "/v1/tasks?text=O-2": ("tasks", "list", "--text", "O-2"),
    "/v1/tasks?lost=true": ("tasks", "list", "--lost"),
    "/v1/tasks?lost=false": ("tasks", "list", "--complete"),
    f"/v1/tasks?since={T0 + 1000:.0f}": ("tasks", "list", "--since", f"{T0 + 1000:.0f}"),
    "/v1/lost-hooks": ("lost-hooks",),
    "/v1/lost-hooks?kind=after&queue_id=17": ("lost-hooks", "--event", "after", "--queue", "17"),
    "/v1/lost-hooks?account=second": ("lost-hooks", "--account", "second"),
    "/v1/drift": ("drift",),
    "/v1/drift?kind=result&limit=1": ("drift", "--kind", "result", "--limit", "1"),
    "/v1/drift?kind=gone": ("drift", "--kind", "gone"),
    "/v1/anomalies": ("anomalies",),
    "/v1/anomalies?kind=late&account=main": ("anomalies", "--kind", "late", "--account", "main"),
    "/v1/deliveries": ("deliveries", "list"),
    "/v1/deliveries?ref=o-2&event=after": ("deliveries", "list", "--ref", "o-2", "--event", "after"),
    "/v1/deliveries?problem=none&limit=2": ("deliveries", "list", "--problem", "none", "--limit", "2"),
    "/v1/events": ("events",),
    "/v1/events?type=task.finished&limit=1": ("events", "--type", "task.finished", "--limit", "1"),
    "/v1/events?task=9o-1&queue_id=17": ("events", "--task", "9o-1", "--queue", "17"),
}
STORIES = {
    "o-1": ("o-1",),
    "9o-1": ("9o-1",),
    f"o-1?as_of={T0 + 40:.0f}": ("o-1", "--as-of", f"{T0 + 40:.0f}"),
    "o-1?zone=Asia/Omsk&lang=ru": ("o-1", "--zone", "Asia/Omsk", "--lang", "ru"),
}
"""Task in the path → the arguments of `tasks show main`."""


async def _fill(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("o-1")
    await api_env.settled_without_after(LONG_REF, T0 + 2000, queue_id="18", name="a name " * 8)
    await api_env.hook("o-2", "before", T0 + 3000)
    await api_env.hook("o-2", "after", T0 + 3060, result="success")
    wrong = finished(finish_result="failed", start_at=T0 + 3000, try_count=1)
    await api_env.said("o-2", T0 + 3070, wrong, task_id="92")
    await api_env.hook("s-1", "before", T0 + 3500, account="second")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some tasks, to be copied."""
    folder = tmp_path_factory.mktemp("kept")

    async def fill() -> None:
        async with running_rig(folder) as api_env:
            await _fill(api_env)

    asyncio.run(fill())
    return folder / "receiver.db"


@pytest.fixture
def filled(shell: Shell, kept: Path) -> Shell:
    copy(kept, shell.store)
    return shell


async def _answer(folder: Path, path: str, *scopes: str) -> Any:
    async with running_rig(folder) as api_env:
        response = await api_env.ask(path, *scopes)
        assert response.status_code == 200, response.text
        return response.json()


async def _answers(folder: Path, *paths: str) -> list[Any]:
    async with running_rig(folder) as api_env:
        responses = [await api_env.ask(path) for path in paths]
        return [response.json() for response in responses if response.raise_for_status()]


@pytest.mark.parametrize("path", SAME)
def test_the_json_of_a_command_is_what_the_api_answers(path: str, filled: Shell) -> None:
    assert filled.ask(*SAME[path]) == asyncio.run(_answer(filled.folder, path))


@pytest.mark.parametrize("path", STORIES)
def test_the_json_of_a_story_is_what_the_api_answers_and_contains_the_timeline(
    path: str, filled: Shell
) -> None:
    told = filled.ask("tasks", "show", "main", *STORIES[path])
    task, _, query = path.partition("?")
    as_of = query if query.startswith("as_of") else ""
    paths = f"/v1/tasks/main/{task}/story?{query}", f"/v1/tasks/main/{task}/timeline?{as_of}"
    answer, timeline = asyncio.run(_answers(filled.folder, *paths))
    assert told | {"at": None} == answer | {"at": None}
    assert {name: told[name] for name in timeline} == timeline


def test_there_is_something_to_compare(filled: Shell) -> None:
    assert [task["key"] for task in filled.ask("tasks", "list")["tasks"]] == ["s-1", "o-2", LONG_REF, "o-1"]
    assert [each["kind"] for each in filled.ask("lost-hooks")["findings"]] == ["after", "after"]
    assert [each["kind"] for each in filled.ask("drift")["findings"]] == ["result"]
    assert [each["ref"] for each in filled.ask("deliveries", "list")["deliveries"]][:3] == [
        "s-1",
        "o-2",
        "o-2",
    ]
    assert {each["task"] for each in filled.ask("events")["events"]} == {"s-1", "o-2", LONG_REF, "o-1"}
    assert len(filled.ask("tasks", "show", "main", "o-1")["facts"]) == 4


HEADS = {
    ("tasks", "list"): "account task state attempts heard",
    ("lost-hooks",): "key kind count at",
    ("drift",): "account key kind count at detail",
}


@pytest.mark.parametrize("command", HEADS)
def test_a_table_has_its_header_in_one_line_of_80_columns(command: tuple[str, ...], filled: Shell) -> None:
    said = filled.run(*command)
    assert " ".join(said.out.splitlines()[2].split()) == HEADS[command]
    assert said.widest <= 80
    assert (said.status, said.err) == (0, "")


def test_a_task_of_the_table_says_how_it_is_known(filled: Shell) -> None:
    proven = filled.run("tasks", "list", "--queue", "17").out
    told = filled.run("tasks", "list", "--account", "second").out
    assert "o-1 9o-1 success ≥1/3 API 1 2026-03-01 09:31:30, " in " ".join(proven.split())
    assert "second s-1 executed ≥1 hooks 0 2026-03-01 10:28:20, " in " ".join(told.split())


def test_totals_stand_below_findings(filled: Shell) -> None:
    assert filled.run("lost-hooks").out.endswith("Total: 0 before, 0 before_again, 0 success, 2 after\n")
    assert filled.run("drift").out.endswith("Total: 1 result, 0 cdr, 0 attempts, 0 gone, 0 silent\n")


def test_the_timeline_of_a_task_is_shown_fact_by_fact(filled: Shell) -> None:
    said = filled.run("tasks", "show", "main", "o-1")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    titles = [line for line in lines if line.startswith(("Task ", "Hooks", "Timeline", "Findings"))]
    assert titles == ["Task main/o-1 (times: UTC)", "Hooks", "Timeline (times: UTC)", "Findings"]
    assert "after 1 0 0 1 1 lost" in lines
    assert {"settled yes", "gone no", "pause 60"} <= set(lines)
    assert any(re.fullmatch("2026-03-01 09:30:00(, .* ago)? hook before –( –)?", line) for line in lines)
    assert said.widest <= 80


def test_what_contradicts_is_told_as_on_the_page_of_the_task(filled: Shell) -> None:
    said = filled.run("tasks", "show", "main", "o-2")
    (contradiction,) = filled.ask("tasks", "show", "main", "o-2")["contradictions"]
    text = " ".join(said.out.split())
    assert f"What contradicts - {contradiction['text']} {contradiction['detail']}".rstrip() in text
    facts = ("  Hook after, 2026", "  API record of the task, 2026")
    sides = [line for line in said.out.splitlines() if line.startswith(facts)]
    assert ["result" in sides[0], "finished" in sides[1]] == [True, True]
    assert said.widest <= 80
    assert "\nПротиворечия\n- Хуки и API" in filled.run("tasks", "show", "main", "o-2", "--lang", "ru").out
    assert "What contradicts" not in filled.run("tasks", "show", "main", "s-1").out


def test_a_story_begins_with_sentences_in_the_language_of_the_reader(filled: Shell) -> None:
    show = ("tasks", "show", "main", "o-1")
    english = " ".join(filled.run(*show).out.split())
    assert english.startswith("Called at least 1 of 3 times; connected, by its hook of 2026-03-01 09:30:30;")
    assert "2 of 3 hooks came; lost: after." in english
    assert "Waits for: - The record of a call, asked for now; no receiver asks for this account" in english
    russian = " ".join(filled.run(*show, "--lang", "ru", "--zone", "Europe/Moscow").out.split())
    assert russian.startswith("Звонков: не менее 1 из 3; соединено, по хуку от 2026-03-01 12:30:30;")
    assert "Ждёт: - Запись звонка, вопрос: сейчас;" in russian


def test_the_tables_of_a_story_are_in_the_language_of_the_reader(filled: Shell) -> None:
    said = filled.run("tasks", "show", "main", "o-1", "--lang", "ru")
    lines = [line.strip() for line in said.out.splitlines()]
    words = ("Задача main/o-1", "Хуки", "Хронология", "Находки", "Попытки")
    assert all(any(line.startswith(word) for line in lines) for word in words), lines
    assert "1 потеряно" in said.out
    assert said.widest <= 80
    texts, english = catalogue("ru").texts, catalogue("en").texts
    headings = [key for key in english if key.startswith("tasks_show.") and key.endswith(".columns")]
    assert len(headings) > 8
    assert [key for key in headings if str(texts[key]).count("|") != str(english[key]).count("|")] == []


def test_numbers_are_shown_in_full_only_where_they_are_asked_for(filled: Shell) -> None:
    show = ("tasks", "show", "main", "o-1")
    assert B_NUMBER not in filled.run(*show).out + filled.run(*show, "--json").out
    assert A_NUMBER in filled.run(*show, "--numbers").out
    path = "/v1/tasks/main/o-1/story"
    answer = asyncio.run(_answer(filled.folder, path, "read", "numbers"))
    assert filled.ask(*show, "--numbers") | {"at": None} == answer | {"at": None}


@pytest.mark.parametrize(("command", "items"), [(("tasks", "list"), "tasks"), (("lost-hooks",), "findings")])
def test_the_hint_below_a_page_leads_through_all_of_them(
    command: tuple[str, ...], items: str, filled: Shell
) -> None:
    keys: list[str] = []
    cursor: list[str] = []
    for _ in range(len(filled.ask(*command)[items])):
        page = (*command, "--limit", "1", *cursor)
        keys += [item["key"] for item in filled.ask(*page)[items]]
        hint = filled.run(*page).err.strip()
        cursor = shlex.split(hint.removeprefix("More rows: receiver "))[-2:] if hint else []
    assert keys == [item["key"] for item in filled.ask(*command)[items]]
    assert cursor == []


REFUSED = {
    ("tasks", "list", "--state", "done"): "Invalid value for '--state': 'done' is not one of",
    ("tasks", "list", "--result", "good"): "Invalid value for '--result': 'good' is not one of",
    ("tasks", "list", "--since", "tomorow"): "error: --since: not a moment: 'tomorow'; use 2026-03-01",
    ("tasks", "list", "--queue", ""): "error: --queue: must not be empty",
    ("tasks", "list", "--cursor", "?"): "error: --cursor: has another form than",
    ("tasks", "list", "--cursor", "abc"): "error: cursor: ",
    ("tasks", "list", "--limit", "501"): "Invalid value for '--limit'",
    ("tasks", "show", "main", "nobody"): "error: the account has no task with this ref or vendor's id",
    ("tasks", "show", "main", "o-1", "--as-of", "now"): "error: --as-of: ISO 8601, such as",
    ("tasks", "show", "main", "o-1", "--as-of", "2020-01-01T00:00:00Z"): "error: not heard of by then",
    ("lost-hooks", "--event", "later"): "Invalid value for '--event': 'later' is not one of",
    ("drift", "--kind", "silence"): "Invalid value for '--kind': 'silence' is not one of",
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_cannot_be_asked_is_refused_by_the_name_of_the_option(
    command: tuple[str, ...], filled: Shell
) -> None:
    assert REFUSED[command] in filled.refused(*command)


def test_what_looks_like_markup_is_shown_as_it_is(shell: Shell) -> None:
    async def fill() -> None:
        async with running_rig(shell.folder) as api_env:
            said = finished(name="[bold]VIP[/nobody]", finish_comment="[/]")
            await api_env.said("o-1", T0, said, task_id="91")

    asyncio.run(fill())
    shown = shell.run("tasks", "show", "main", "o-1")
    assert shown.status == 0
    assert "[bold]VIP[/nobody]" in shown.out
    assert "finish_comment [/]" in " ".join(shown.out.split())
