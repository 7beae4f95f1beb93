"""The runbook: an entry for each alert, and nothing in it that the product does not have."""

import re

import pytest

from receiver.observability.metric_definitions import METRICS
from tests.cli.commands import TOP
from tests.manual import MANUAL
from tests.operators.rulebook import rules
from tests.test_docs import settings

RUNBOOK = MANUAL["how-to/runbook"]
ALERTS = {rule["alert"] for rule in rules("alert")}
ENTRIES = dict(re.findall(r"^## (\w+)\n(.+?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
QUOTED = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", RUNBOOK)]
COMMANDS = sorted({each for each in QUOTED if each.startswith("receiver ")})


def test_every_alert_has_an_entry_and_every_entry_an_alert() -> None:
    assert set(ENTRIES) == ALERTS


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_entries_say_what_it_means_how_to_look_and_how_to_mend(alert: str) -> None:
    severities = sorted(rule["labels"]["severity"] for rule in rules("alert") if rule["alert"] == alert)
    parts = [f"**Means** ({', '.join(severities)}): ", "\n**Look**: ", "\n**Mend**: "]
    places = [ENTRIES[alert].index(part) for part in parts]
    assert places == sorted(places)


def test_links_lead_to_entries() -> None:
    links = re.findall(r"\]\(#(\w+)\)", RUNBOOK)
    assert links
    assert set(links) <= {alert.lower() for alert in ALERTS}


def test_every_metric_is_declared() -> None:
    declared = {name for each in METRICS.values() for name in (each.exposed, *each.samples)}
    assert set(re.findall(r"callback_\w+", RUNBOOK)) <= declared


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_option_is_there(line: str) -> None:
    words = line.split()[1:]
    command = TOP[words.pop(0)]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_setting_is_there() -> None:
    parts = "|".join({name.partition(".")[0] for name in settings() if "." in name and "[" not in name})
    named = {each for each in QUOTED if re.fullmatch(rf"({parts})\.[\w.]+", each)}
    assert named
    assert named <= set(settings())
