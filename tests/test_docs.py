"""The manual describes everything that exists, and nothing that does not."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from receiver.api import ENDPOINTS
from receiver.domain.facts import EVENTS
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS
from receiver.domain.transitions import TABLE
from receiver.http.audit import AuditAction
from receiver.inbox.inbox import VERSION, RawHook
from receiver.intake import answer
from receiver.observability.metric_definitions import (
    CLOSING_REASONS,
    INTAKE_OUTCOMES,
    METRICS,
    READ_OUTCOMES,
    SET_ASIDE_KINDS,
    MetricDefinition,
)
from receiver.settings.models import AccountSettings, HookKeySettings
from receiver.settings.settings import Settings
from tests.cli.commands import TOP, leaves
from tests.manual import MANUAL
from tests.reference.__main__ import GENERATORS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
WHOLE = "\n".join(MANUAL.values())


def settings() -> list[str]:
    nested: dict[str, type[BaseModel]] = {"hook_keys[]": HookKeySettings, "accounts.NAME": AccountSettings}
    plain = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            nested[name] = field.annotation
        elif name not in ("hook_keys", "accounts"):
            plain.append(name)
    return plain + [name for part, model in nested.items() for name in _settings_of(part, model)]


def _settings_of(part: str, model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings_of(f"{part}.{name}", field.annotation)
        else:
            yield f"{part}.{name}"


def commands() -> list[str]:
    return [name for name, _ in leaves()]


def test_the_generated_parts_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    stale = main(["--check"])
    assert not stale, capsys.readouterr().out


def test_a_stale_page_is_named_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Before.\n\n<!-- generated: labels -->\nstale text\n<!-- end of generated -->\n\nAfter.\n"
    )
    assert main(["--check"], tmp_path) == 1
    assert "page.md is not current: run `python -m tests.reference`" in capsys.readouterr().out
    assert main([], tmp_path) == 0
    text = page.read_text()
    assert (text.startswith("Before.\n"), "stale text" in text, text.endswith("\nAfter.\n")) == (
        True,
        False,
        True,
    )
    assert main(["--check"], tmp_path) == 0


def test_each_generated_part_stands_on_one_page() -> None:
    assert sorted(re.findall("<!-- generated: (\\w+) -->", WHOLE)) == sorted(GENERATORS)


@pytest.mark.parametrize("name", settings())
def test_every_setting_has_a_row(name: str) -> None:
    assert f"| `{name}` |" in MANUAL["reference/settings"]


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_every_metric_has_a_row(metric: MetricDefinition) -> None:
    by = f" by {', '.join(metric.labels)}" if metric.labels else ""
    row = f"| `{metric.exposed}`{by} | {metric.kind} | {metric.help} |\n"
    assert row in MANUAL["reference/metrics"]


@pytest.mark.parametrize("name", commands())
def test_every_command_is_named(name: str) -> None:
    page = MANUAL["reference/commands"]
    assert f"| [`receiver {name}`](#receiver-{name.replace(' ', '-')}) |" in page
    assert f"\n## receiver {name}\n" in page


@pytest.mark.parametrize("name", commands())
def test_every_option_has_a_row(name: str) -> None:
    command = dict(leaves())[name]
    section = MANUAL["reference/commands"].partition(f"\n## receiver {name}\n")[2].partition("\n## ")[0]
    for parameter in command.params:
        for option in parameter.opts:
            shown = option if option.startswith("-") else parameter.name.upper()
            assert f"`{shown}`" in section


@pytest.mark.parametrize("path", sorted({endpoint.path for endpoint in ENDPOINTS}))
def test_every_endpoint_is_named(path: str) -> None:
    assert path in MANUAL["reference/api"]


WORDS = [*EVENTS, *DRIFT_KINDS, *ANOMALY_KINDS]
WORDS += [*INTAKE_OUTCOMES, *READ_OUTCOMES, *CLOSING_REASONS, *SET_ASIDE_KINDS]


@pytest.mark.parametrize("word", dict.fromkeys(WORDS))
def test_every_kind_of_thing_is_named(word: str) -> None:
    assert f"`{word}`" in WHOLE


ANSWERS = {each.status for each in vars(answer).values() if isinstance(each, answer.HookAnswer)}


@pytest.mark.parametrize("status", sorted(ANSWERS))
def test_every_answer_to_a_hook_has_a_row(status: int) -> None:
    assert f"\n| {status} |" in MANUAL["reference/hooks"]


def test_every_field_of_a_hook_in_a_batch_is_described_in_its_place() -> None:
    section = MANUAL["reference/hooks"].partition("## Format of the inbox")[2]
    assert f"the version, {VERSION}," in section
    fields = section.partition("### Fields of a hook")[2]
    rows = [line.split("`")[1] for line in fields.splitlines() if line.startswith("| `")]
    assert rows == list(RawHook.__struct_fields__)


def test_every_state_is_in_the_drawing() -> None:
    drawing = MANUAL["reference/tasks"].partition("```text")[2].partition("```")[0]
    for stage in TABLE.split("\n")[1].split():
        if stage not in ("ended", "succeeded", "failed"):
            assert f" {stage}" in drawing


QUOTED = {
    " ".join(quoted.split())
    for name in MANUAL
    for quoted in re.findall(
        r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"```.*?```", "", MANUAL[name], flags=re.DOTALL)
    )
}
LINES = {
    line.strip()
    for name in MANUAL
    for block in re.findall(r"^```sh\n(.*?)^```$", MANUAL[name], re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
}


@pytest.mark.parametrize(
    "line", sorted(line for line in QUOTED | LINES if re.match(r"receiver [a-z][a-z-]*( |$)", line))
)
def test_every_command_that_the_manual_shows_exists_with_its_options(line: str) -> None:
    words = re.split(r" #| [>&|]|;", line)[0].split()[1:]
    command = TOP[words.pop(0)]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options | {"--help"}


@pytest.mark.parametrize("metric", sorted(set(re.findall(r"callback_[a-z_]+[a-z]", WHOLE))))
def test_every_metric_that_the_manual_names_exists(metric: str) -> None:
    assert metric in {name for each in METRICS.values() for name in (each.exposed, *each.samples)}


@pytest.mark.parametrize("module", sorted(set(re.findall(r"`python -m ([\w.]+)", WHOLE))))
def test_every_module_that_the_manual_runs_exists(module: str) -> None:
    assert find_spec(module)


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:config|receiver|dashboards|tests)/[\w./-]+)`", WHOLE)))
)
def test_every_file_that_the_manual_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_setting_that_the_manual_names_exists() -> None:
    parts = "|".join({name.partition(".")[0] for name in settings() if "." in name and "[" not in name})
    named = {quoted for quoted in QUOTED if re.fullmatch(rf"({parts})\.[\w.]+", quoted)}
    assert len(named) > 20
    assert named - {"analytics.reasons", "console.oidc", *get_args(AuditAction)} <= set(settings())


def test_every_room_has_a_row() -> None:
    rooms = [folder.parent.name for folder in (ROOT / "receiver").glob("*/__init__.py")]
    table = MANUAL["explanation/architecture"].partition("\n## Rooms\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)) == sorted(rooms)


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) <= 200
    links = re.findall(r"\]\((receiver/docs/[^)#]+)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_readme_has_two_commands() -> None:
    assert re.findall(r"^<!-- command: (\w+) -->\n```sh\n.+\n```$", README, re.MULTILINE) == ["demo", "tests"]
