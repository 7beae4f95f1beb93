"""A real Prometheus with our scrape file and our rules, quicker than in life."""

import re
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.e2e.processes import free_port
from tests.operators.debian import Tools
from tests.operators.rulebook import CONFIG, RULE_FILES, read

_EVERY = "1s"
_START_S = 20.0
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(?<=\[)\d+[a-z]+(?=\])|(?<=offset )\d+[a-z]+")
_LIMIT = re.compile(r"(?<=> )\d+(?:\.\d+)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sped:
    """How rules are made quicker. `factor`: each duration (of a range, an offset, a `for`) is divided by it;
    `ages`: alerts whose limits are ages and are divided by it too.
    """

    factor: float = 1.0
    ages: Collection[str] = ()

    def rule(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """The rule, so much quicker. Names of what is recorded stay."""
        expression = _DURATION.sub(lambda found: self._shorter(found[0]), rule["expr"])
        if rule.get("alert") in self.ages:
            expression = _LIMIT.sub(lambda found: f"{float(found[0]) / self.factor:g}", expression)
        waits = {"for": self._shorter(rule["for"])} if "for" in rule else {}
        return {**rule, "expr": expression, **waits}

    def _shorter(self, duration: str) -> str:
        number, unit = re.fullmatch(r"(\d+)([a-z]+)", duration).groups()  # type: ignore[union-attr]
        return f"{max(1, round(int(number) * _UNITS[unit] / self.factor))}ms"


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer, with its value of now."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs at this address."""

    url: str

    def query(self, expression: str) -> list[Sample]:
        """What an expression gives now: an instant vector, or a scalar without labels."""
        data = self._get("query", query=expression)
        rows = [{"metric": {}, "value": data["result"]}] if data["resultType"] == "scalar" else data["result"]
        return [Sample(row["metric"], float(row["value"][1])) for row in rows]

    def alerts(self, state: str = "firing") -> list[dict[str, Any]]:
        """Alerts in this state (`pending`, `firing`), each with `labels` and `annotations`."""
        return [each for each in self._get("alerts")["alerts"] if each["state"] == state]

    def firing(self, severity: str = "") -> set[str]:
        """The names of the alerts that fire, of one severity or of all."""
        labels = [each["labels"] for each in self.alerts()]
        return {each["alertname"] for each in labels if severity in ("", each["severity"])}

    def failing_rules(self) -> list[str]:
        """Those that could not be evaluated, with the reason."""
        rules = [rule for group in self._get("rules")["groups"] for rule in group["rules"]]
        return [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule["health"] == "err"]

    def becomes(self, condition: Callable[["Prometheus"], bool], timeout: float) -> bool:
        """Whether the condition holds within so many seconds."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def _get(self, path: str, **parameters: str) -> Any:
        answer = httpx2.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        said = answer.json()
        assert said["status"] == "success", said
        return said["data"]


@dataclass(frozen=True, slots=True)
class Watch:
    """What is to be watched. `history`: what was before, in OpenMetrics' text with times; `alertmanagers`:
    who is told, host and port.
    """

    targets: Sequence[str]
    sped: Sped = field(default_factory=Sped)
    history: str = ""
    alertmanagers: Sequence[str] = ()


@contextmanager
def running_prometheus(tools: Tools, folder: Path, watch: Watch) -> Iterator[Prometheus]:
    """One that scrapes and evaluates every second, with its data in the folder; it is ended afterwards."""
    config = _written(folder, watch)
    if watch.history:
        (folder / "history").write_text(watch.history)
        tools.run(
            "promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "history", folder / "data"
        )
    prometheus = Prometheus(f"http://127.0.0.1:{(port := free_port())}")
    options = {
        "config.file": config,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    command: list[str | Path] = [tools.prometheus, *(f"--{name}={value}" for name, value in options.items())]
    with running(command, tools.home, f"{prometheus.url}/-/ready"):
        # It takes 5 seconds to find its targets, in which quick rules may find that there are none.
        assert prometheus.becomes(lambda it: _has_begun(it, watch.targets), _START_S)
        yield prometheus


def _has_begun(prometheus: Prometheus, targets: Sequence[str]) -> bool:
    """Whether it has scraped all of them, and its rules know that."""
    return len(prometheus.query("up")) == len(targets) and "ReceiverAbsent" not in prometheus.firing()


@contextmanager
def running(command: Sequence[str | Path], home: Path, ready: str) -> Iterator[None]:
    """A server that answers 200 at the address once it is ready; it is ended afterwards."""
    process = subprocess.Popen(command, cwd=home)
    try:
        _wait_for(ready, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} did not get ready")


def _written(folder: Path, watch: Watch) -> Path:
    """Our scrape file and rules with these targets and times."""
    config = read(CONFIG / "prometheus/prometheus.yml")
    config["global"] |= dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), _EVERY)
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": list(watch.targets)}]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": list(watch.alertmanagers)}]}]
    for path in RULE_FILES:
        groups = [
            {"name": group["name"], "rules": [watch.sped.rule(rule) for rule in group["rules"]]}
            for group in read(path)["groups"]
        ]
        (folder / path.name).write_text(yaml.safe_dump({"groups": groups}))
    written = folder / "prometheus.yml"
    written.write_text(yaml.safe_dump(config))
    return written
