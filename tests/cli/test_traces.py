"""Traces: what is said where the extra is not installed, and whether a collector is there."""

import sys

import pytest

from receiver.errors import NotInstalledError
from receiver.observability.traces import Traces
from tests.cli.shell import Shell
from tests.operators.collector import collector

ENDPOINT = "http://127.0.0.1:4318/v1/traces"
SAYS_WHAT_TO_INSTALL = "traces need OpenTelemetry: pip install 'receiver[traces]'"


def trace_to(endpoint: str, shell: Shell) -> None:
    with shell.config.open("a") as settings:
        settings.write(f'[traces]\nendpoint = "{endpoint}"\n')


def traces_checked(shell: Shell) -> list[tuple[str, str]]:
    """What `check` says of them."""
    checks = shell.run("check", "--json").json
    return [(check["verdict"], check["detail"]) for check in checks if check["subject"] == "traces"]


def test_without_the_extra_it_is_said_what_to_install(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "receiver.observability.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'receiver\[traces\]'"):
        Traces(ENDPOINT)
    trace_to(ENDPOINT, shell)
    for port in ("RECEIVER_PORT", "RECEIVER_API__PORT"):
        monkeypatch.setenv(port, "0")
    assert SAYS_WHAT_TO_INSTALL in shell.refused("serve")
    assert traces_checked(shell) == [("failed", SAYS_WHAT_TO_INSTALL)]


def test_where_no_traces_are_asked_for_nothing_is_said_of_them(shell: Shell) -> None:
    assert traces_checked(shell) == []


@pytest.mark.parametrize(
    ("status", "verdict", "more"),
    [(200, "ok", ""), (404, "warning", " does not accept spans: is a collector there?")],
)
def test_the_doctor_asks_the_collector(status: int, verdict: str, more: str, shell: Shell) -> None:
    with collector() as it:
        it.status = status
        trace_to(it.endpoint, shell)
        assert traces_checked(shell) == [(verdict, it.endpoint + more)]
