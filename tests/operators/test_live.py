"""The whole: a service with an emulator, faults and a CRM, and a Prometheus that watches it by our files."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import pytest

from receiver.settings.settings import load_settings
from tests.operators.debian import Tools
from tests.operators.panels import Expression, expressions
from tests.operators.prometheus import Prometheus, Watch, running_prometheus
from tests.operators.rulebook import CONFIG

TOP = Path(__file__).parents[2]
RECEIVER = (sys.executable, "-m", "receiver")
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Watched:
    """A demonstration that stays up, with its settings, and who watches it."""

    config: Path
    target: str
    prometheus: Prometheus


@pytest.fixture(scope="module")
def watched(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with demonstration(folder / "demo") as config:
        target = f"127.0.0.1:{load_settings(config).api.port}"
        (data := folder / "prometheus").mkdir()
        with running_prometheus(tools, data, Watch([target])) as prometheus:
            yield Watched(config, target, prometheus)


@contextmanager
def demonstration(folder: Path) -> Iterator[Path]:
    """`receiver demo` with every fault, which has begun and stays up: its settings."""
    options = "--tasks 60 --seed 5 --faults heavy --crm-failures 0.3 --speed 60 --keep --folder"
    process = subprocess.Popen(
        [*RECEIVER, "demo", *options.split(), str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        config = folder / "receiver.toml"
        deadline = time.monotonic() + PATIENCE_S
        while not config.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield config
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def silent(prometheus: Prometheus, asked: Expression) -> bool:
    """Whether there is nothing to draw."""
    return all(isnan(sample.value) for sample in prometheus.query(asked.expr))


def test_every_target_of_every_panel_answers(watched: Watched) -> None:
    left = list(expressions())
    assert len(left) > 100
    deadline = time.monotonic() + PATIENCE_S
    while left and time.monotonic() < deadline:
        left = [each for each in left if silent(watched.prometheus, each)]
        time.sleep(1)
    assert [f"{each}: {each.expr}" for each in left] == []
    assert watched.prometheus.failing_rules() == []


def test_the_doctor_says_that_all_of_it_fits(watched: Watched) -> None:
    command = [*RECEIVER, "check", "--json", "--config", str(watched.config)]
    command += ["--scrape", f"http://{watched.target}/metrics", "--dashboards", str(TOP / "dashboards")]
    command += ["--rules", str(CONFIG / "prometheus" / "alerts.yml")]
    command += ["--rules", str(CONFIG / "prometheus" / "recording.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    verdicts = {each["subject"].split()[0]: each for each in json.loads(done.stdout)}
    for subject in ("scrape", "dashboards", "rules"):
        assert verdicts[subject]["verdict"] == "ok", verdicts[subject]
