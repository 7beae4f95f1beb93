"""`receiver demo` as a user runs it: a process of its own, with the emulator as a child."""

import json
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from receiver.settings.settings import load_settings

Demo = subprocess.Popen[str]
Running = dict[str, Demo]

PATIENCE_S = 90
DEMO = (sys.executable, "-m", "receiver", "demo")
HEAVY = (*("--tasks", "15", "--seed", "5", "--faults", "heavy", "--speed", "120"), "--crm-failures", "0.3")


@contextmanager
def _started(*options: str) -> Iterator[Demo]:
    """A demonstration, which has ended by the end of the block."""
    process = subprocess.Popen([*DEMO, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_S)


def _end(process: Demo, timeout: float = PATIENCE_S) -> tuple[int, str, str]:
    """Status and what was printed. Its children hold standard error: they must have ended as well."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def _until(condition: Any, process: Demo) -> None:
    """Wait for what must happen while the process runs."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _hooks(store: Path) -> int:
    """How many deliveries a store holds; none before there is one."""
    if not store.exists():
        return 0
    with closing(sqlite3.connect(store)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM delivery").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


@pytest.fixture(scope="module")
def kept_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "demo"


@pytest.fixture(scope="module")
def running(kept_folder: Path) -> Iterator[Running]:
    """Three demonstrations at once: they mostly wait."""
    calm = ("--tasks", "3", "--seed", "2", "--faults", "none", "--speed", "240")
    with (
        _started(*HEAVY, "--json") as reconciled,
        _started(*HEAVY, "--no-reconcile", "--json") as hooks_only,
        _started(*calm, "--keep", "--folder", str(kept_folder)) as kept,
    ):
        yield {"reconciled": reconciled, "hooks only": hooks_only, "kept": kept}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["while the receiver starts", "while hooks come in"])
def test_interrupted_it_leaves_no_process_and_no_traceback(
    number: signal.Signals, moment: str, tmp_path: Path, running: Running
) -> None:
    """`running` only has the longer ones begin before these."""
    moments = {
        "while the receiver starts": (tmp_path / "receiver.toml").exists,
        "while hooks come in": lambda: _hooks(tmp_path / "receiver.db") > 0,
    }
    with _started("--tasks", "20", "--speed", "300", "--folder", str(tmp_path), "--json") as process:
        _until(moments[moment], process)
        process.send_signal(number)
        status, out, err = _end(process, timeout=20)
    assert (status, out) == (130, "")
    assert "Traceback" not in err, err


def test_what_stays_up_answers_the_printed_curl_until_it_is_interrupted(
    running: Running, kept_folder: Path
) -> None:
    process = running["kept"]
    assert process.stderr is not None
    shown = ""
    while "/emulator/truth" not in shown:
        line = process.stderr.readline()
        assert line, shown
        shown += line
    crm_url = re.search(r"A sample CRM is subscribed, at (\S+)", shown)
    assert crm_url
    assert httpx2.post(crm_url[1], content=b"{}").status_code == 401
    curl = next(line for line in shown.splitlines() if line.lstrip().startswith("curl "))
    _, flag, header, url = shlex.split(curl)
    assert flag == "-H"
    name, _, value = header.partition(": ")
    answer = httpx2.get(url, headers={name: value})
    assert answer.status_code == 200
    assert len(answer.json()["tasks"]) == 3
    truth = httpx2.get(shown.split()[-1]).json()
    assert len(truth["tasks"]) == 3
    root = url.split("/v1/")[0]
    assert httpx2.get(f"{root}/docs").status_code == httpx2.get(f"{root}/metrics").status_code == 200
    link = re.search(rf"the console, signed in: ({root}/console/sign-in/link\?secret=\S+)", shown)
    assert link
    with httpx2.Client(follow_redirects=True) as browser:
        page = browser.get(link[1])
        assert (page.status_code, page.url.path) == (200, "/console")
    process.send_signal(signal.SIGINT)
    status, out, err = _end(process)
    assert (status, err) == (0, "")
    assert "The receiver arrived at the truth about every one of 3 tasks." in out
    assert re.search(r"Each of [1-9]\d* outcomes arrived at the CRM, signed and in order\.", out)
    assert out.count("webhook-id: evt_") == 3
    assert not re.search(r"\+7916\d{3}", out)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url)


def test_a_folder_keeps_database_and_settings_and_is_not_used_twice(
    running: Running, kept_folder: Path
) -> None:
    store = kept_folder / "receiver.db"
    _until(store.exists, running["reconciled"])
    assert load_settings(kept_folder / "receiver.toml").store == str(store)
    with _started("--folder", str(kept_folder)) as again:
        status, out, err = _end(again)
    assert (status, out) == (2, "")
    assert err == "error: --folder: already contains a receiver.db: choose an empty folder\n"


@pytest.fixture(scope="module")
def reconciled(running: Running) -> tuple[int, dict[str, Any], str]:
    """Status, result and what was printed on standard error."""
    status, out, err = _end(running["reconciled"])
    return status, json.loads(out), err


def test_with_heavy_faults_the_receiver_is_right_about_every_task(
    reconciled: tuple[int, dict[str, Any], str],
) -> None:
    status, result, err = reconciled
    verdict = result["truth"]
    assert (status, verdict["disagree"], verdict["disagreements"]) == (0, 0, []), err
    assert verdict["agree"] + verdict["not_known"] == 15
    assert len({each["task_id"] for each in verdict["unknown"]}) == verdict["not_known"]
    assert result["tasks"] == 15
    hooks = result["hooks"]
    assert hooks["fired"] > hooks["dropped"] > 0
    assert hooks["duplicated"] > 0
    sent = hooks["fired"] - hooks["dropped"]
    assert sent - hooks["failed"] <= hooks["received"] <= sent + hooks["duplicated"]
    assert 0 < hooks["lost_counted"] <= hooks["dropped"] + hooks["failed"]
    assert sum(hooks["lost_by_event"].values()) == hooks["lost_counted"]
    assert result["api"]["calls"] == sum(result["api"]["by_account"].values()) > 0
    assert "Traceback" not in err, err


def test_each_outcome_arrives_at_the_crm_though_it_answers_badly(
    reconciled: tuple[int, dict[str, Any], str],
) -> None:
    crm = reconciled[1]["crm"]
    assert crm["told"] == crm["arrived"] > 3 * 15
    assert crm["bad_answers"].keys() == {"500", "503", "time-out"}
    assert crm["repeated"] >= crm["bad_answers"]["time-out"] > 0
    names = ("refused", "never_arrived", "out_of_order", "disagree")
    assert [crm[name] for name in names] == [0, 0, 0, 0]
    assert len(crm["samples"]) == 3


def test_with_hooks_alone_it_is_wrong_and_says_about_what(
    running: Running,
) -> None:
    status, out, err = _end(running["hooks only"])
    result = json.loads(out)
    verdict = result["truth"]
    assert status == 1
    assert verdict["disagree"] > 0
    assert verdict["agree"] + verdict["disagree"] + verdict["not_known"] == 15
    named = verdict["disagreements"]
    assert all(each.keys() == {"account", "task_id", "field", "truth", "ours", "kind"} for each in named)
    assert all(each["truth"] != each["ours"] for each in named)
    assert any(each["field"].startswith("lost ") for each in named), "nobody counts lost hooks then"
    crm = result["crm"]
    assert (crm["refused"], crm["never_arrived"], crm["out_of_order"]) == (0, 0, 0)
    assert crm["disagree"] > 0
    assert "Traceback" not in err, err
