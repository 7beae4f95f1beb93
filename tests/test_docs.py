"""The README tells of everything that there is."""

from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from receiver.api.table import ENDPOINTS
from receiver.catalogue import CATALOGUE, Declared
from receiver.cli import app
from receiver.domain.facts import EVENTS
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS
from receiver.domain.transitions import TABLE
from receiver.sections import (
    AccountSettings,
    AnalyticsSettings,
    DeliverySettings,
    HookKeySettings,
    ReconcileSettings,
    RetentionSettings,
    TracesSettings,
)
from receiver.settings import Settings

README = (Path(__file__).parents[1] / "README.md").read_text()


def settings() -> list[str]:
    nested: dict[str, type[BaseModel]] = {
        "hook_keys[]": HookKeySettings,
        "accounts.NAME": AccountSettings,
        "reconcile": ReconcileSettings,
        "delivery": DeliverySettings,
        "analytics": AnalyticsSettings,
        "retention": RetentionSettings,
        "traces": TracesSettings,
    }
    apart = ("hook_keys", "accounts", "reconcile", "delivery", "analytics", "retention", "traces")
    plain = [name for name in Settings.model_fields if name not in apart]
    return plain + [f"{part}.{name}" for part, model in nested.items() for name in model.model_fields]


def commands() -> list[str]:
    group = typer.main.get_command(app)
    assert hasattr(group, "commands")
    return [
        f"{name} {inner}" if hasattr(command, "commands") else name
        for name, command in group.commands.items()
        for inner in (command.commands if hasattr(command, "commands") else [""])
    ]


@pytest.mark.parametrize("name", settings())
def test_every_setting_has_a_row(name: str) -> None:
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_metric_has_a_row(metric: Declared) -> None:
    by = f" by {', '.join(metric.labels)}" if metric.labels else ""
    assert f"| `{metric.exposed}`{by} | {metric.about} |\n" in README


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


@pytest.mark.parametrize("word", [*EVENTS, *DRIFT_KINDS, *ANOMALY_KINDS])
def test_every_kind_of_thing_is_named(word: str) -> None:
    assert f"`{word}`" in README


def test_every_state_is_in_the_drawing() -> None:
    drawing = README[README.index("stateDiagram") :]
    for stage in TABLE.split("\n")[1].split():
        if stage not in ("ended", "succeeded", "failed"):
            assert f" {stage}" in drawing
