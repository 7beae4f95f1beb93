"""The README tells of everything that there is."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from receiver.app import ENDPOINTS
from receiver.domain.facts import EVENTS
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS
from receiver.domain.transitions import TABLE
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
from tests.cli.commands import leaves

README = (Path(__file__).parents[1] / "README.md").read_text()


def settings() -> list[str]:
    nested: dict[str, type[BaseModel]] = {"hook_keys[]": HookKeySettings, "accounts.NAME": AccountSettings}
    plain = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            nested[name] = field.annotation
        elif name not in ("hook_keys", "accounts"):
            plain.append(name)
    return plain + [f"{part}.{name}" for part, model in nested.items() for name in model.model_fields]


def commands() -> list[str]:
    return [name for name, _ in leaves()]


@pytest.mark.parametrize("name", settings())
def test_every_setting_has_a_row(name: str) -> None:
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_every_metric_has_a_row(metric: MetricDefinition) -> None:
    by = f" by {', '.join(metric.labels)}" if metric.labels else ""
    assert f"| `{metric.exposed}`{by} | {metric.help} |\n" in README


@pytest.mark.parametrize("name", commands())
def test_every_command_is_named(name: str) -> None:
    group, _, inner = name.partition(" ")
    row = next(
        line
        for line in README.splitlines()
        if line.startswith("| `receiver ") and f"receiver {group}" in line
    )
    assert not inner or f"{inner}`" in row


@pytest.mark.parametrize("path", sorted({endpoint.path for endpoint in ENDPOINTS}))
def test_every_endpoint_is_named(path: str) -> None:
    assert path in README


WORDS = [*EVENTS, *DRIFT_KINDS, *ANOMALY_KINDS]
WORDS += [*INTAKE_OUTCOMES, *READ_OUTCOMES, *CLOSING_REASONS, *SET_ASIDE_KINDS]


@pytest.mark.parametrize("word", dict.fromkeys(WORDS))
def test_every_kind_of_thing_is_named(word: str) -> None:
    assert f"`{word}`" in README


ANSWERS = {each.status for each in vars(answer).values() if isinstance(each, answer.HookAnswer)}


@pytest.mark.parametrize("status", sorted(ANSWERS))
def test_every_answer_to_a_hook_has_a_row(status: int) -> None:
    assert f"\n| {status} |" in README


def test_every_field_of_a_hook_in_a_batch_is_described_in_its_place() -> None:
    section = README.partition("### Batches")[2].partition("\n#")[0]
    assert f"version, {VERSION}" in section
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert rows == list(RawHook.__struct_fields__)


def test_every_state_is_in_the_drawing() -> None:
    drawing = README[README.index("stateDiagram") :]
    for stage in TABLE.split("\n")[1].split():
        if stage not in ("ended", "succeeded", "failed"):
            assert f" {stage}" in drawing
