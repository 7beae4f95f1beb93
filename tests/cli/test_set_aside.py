"""`receiver set-aside`: what /v1/set-aside answers, for people and machines, and the retry of all."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import Shell
from tests.http.api_env import A_NUMBER, T0, open_api_env
from tests.http.faults import (
    FUTURE,
    PROBLEM,
    raw_hook,
    set_batch_aside,
    set_hook_aside,
    set_task_aside,
)

HOOK, LONG_REF = "019ca8d1e5f0a1b2c3d4e5f60718293a", "5f1d8a0c9be64a7e8f20b1c3d4e5f607"
SAME = {
    "/v1/set-aside": ("set-aside",),
    "/v1/set-aside?account=second": ("set-aside", "--account", "second"),
    "/v1/set-aside?kind=task": ("set-aside", "--kind", "task"),
    "/v1/set-aside?limit=2": ("set-aside", "--limit", "2"),
}


async def _fill(target: str) -> None:
    async with open_api_env(target) as api_env:
        hook = raw_hook(HOOK, T0, f"a_number={A_NUMBER}".encode(), event="before_again")
        await set_hook_aside(api_env.store, hook, FUTURE)
        await set_task_aside(api_env.store, LONG_REF, T0 + 1, FUTURE)
        await set_batch_aside(api_env.store, "batch-7", T0 + 2, 3, FUTURE)
        await set_task_aside(api_env.store, "#90210", T0 + 3, FUTURE, account="second")


async def _answer(target: str, path: str) -> Any:
    async with open_api_env(target) as api_env:
        return (await api_env.ask(path)).json()


@pytest.fixture
def filled(shell: Shell, store_target: str) -> Shell:
    """A store on either database in which two hooks and two tasks are set aside."""
    shell.configure(store=f'"{store_target}"')
    asyncio.run(_fill(store_target))
    return shell


@pytest.mark.parametrize("path", SAME)
def test_the_json_of_the_list_is_what_the_api_answers(path: str, filled: Shell, store_target: str) -> None:
    answer = filled.ask(*SAME[path])
    assert answer == asyncio.run(_answer(store_target, path))
    assert answer["set_aside"]


def test_the_table_shows_why_and_when_it_is_tried_again_without_any_content(filled: Shell) -> None:
    said = filled.run("set-aside")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert lines[2] == "id account next try problem"
    assert said.out.endswith("Total: 4 hooks and 2 tasks\n")
    assert said.widest <= 80
    assert (said.status, said.err) == (0, "")
    assert A_NUMBER not in said.out


def test_a_wide_terminal_shows_each_in_one_line(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.cli.output.STDOUT._width", 200)
    lines = [" ".join(line.split()) for line in filled.run("set-aside").out.splitlines()]
    assert [re.sub(r", \d+ y ago", "", line) for line in lines[4:8]] == [
        f"#90210 task second – 2026-03-01 09:30:03 1 2096-10-02 07:07:40 {PROBLEM}",
        "batch-7 hook – – 2026-03-01 09:30:02 1 2096-10-02 07:07:40 BatchError in decode_batch, line 88",
        f"{LONG_REF} task main – 2026-03-01 09:30:01 1 2096-10-02 07:07:40 {PROBLEM}",
        f"{HOOK} hook main before_again 2026-03-01 09:30:00 1 2096-10-02 07:07:40 {PROBLEM}",
    ]


def test_the_totals_below_a_page_are_of_all_that_match(filled: Shell) -> None:
    said = filled.run("set-aside", "--kind", "hook", "--limit", "1")
    assert said.out.endswith("Total: 4 hooks and 0 tasks\n")
    cursor = said.err.split()[-2:]
    (last,) = filled.ask("set-aside", "--kind", "hook", *cursor)["set_aside"]
    assert last["id"] == HOOK


def test_a_retry_says_how_many_are_tried_again_and_when(filled: Shell) -> None:
    said = filled.run("set-aside", "--retry")
    assert said.out == (
        "4 hooks and 2 tasks will be retried: by a running receiver within seconds, "
        "otherwise at its next start.\n"
    )
    listed = filled.ask("set-aside")["set_aside"]
    assert {each["retry_at"] for each in listed} == {None}
    assert filled.run("set-aside").out.count(" now ") == 4
    assert filled.ask("set-aside", "--retry") == {"hooks": 4, "tasks": 2}


def test_without_anything_to_retry_that_is_said(shell: Shell) -> None:
    assert shell.run("set-aside", "--retry").out == "Nothing is set aside.\n"
    assert shell.run("set-aside").out.endswith("Total: 0 hooks and 0 tasks\n")
    assert shell.ask("set-aside", "--retry") == {"hooks": 0, "tasks": 0}


def test_one_of_each_is_counted_in_the_singular(shell: Shell) -> None:
    async def fill() -> None:
        async with open_api_env(str(shell.store)) as api_env:
            await set_hook_aside(api_env.store, raw_hook(HOOK, T0), FUTURE)
            await set_task_aside(api_env.store, "r1", T0, FUTURE)

    asyncio.run(fill())
    assert shell.run("set-aside").out.endswith("Total: 1 hook and 1 task\n")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--kind", "queue"), "Invalid value for '--kind': 'queue' is not one of"),
        (("--limit", "501"), "Invalid value for '--limit'"),
        (("--cursor", "abc"), "error: cursor: "),
        (("--retry", "--account", "main"), "error: --retry: retries everything: omit --account"),
        (("--retry", "--kind", "task"), "error: --retry: retries everything: omit --account"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    options: tuple[str, ...], expected: str, shell: Shell
) -> None:
    assert expected in shell.refused("set-aside", *options)


def test_a_store_that_cannot_be_opened_is_one_clear_error(shell: Shell, tmp_path: Path) -> None:
    shell.configure(store=f'"{tmp_path}/nowhere/receiver.db"')
    for options in ((), ("--retry",)):
        error = shell.refused("set-aside", *options)
        assert "unable to open database file" in error
