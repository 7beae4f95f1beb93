"""The service as a process of its own."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from receiver.domain.hooks import HookKey, HookSigner, mint_urls
from tests.app.serving import kept, on_disk
from tests.e2e.processes import RECEIVER, free_port
from tests.ready import becomes_ready

KEY = "k" * 40


class Served:
    """One `receiver serve`, its log as JSON lines in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.api_port = folder, free_port(), free_port()
        self.url, self.api_url = (f"http://127.0.0.1:{port}" for port in (self.port, self.api_port))
        self.log = folder / "log"
        (folder / "receiver.toml").write_text(
            f"""
port = {self.port}
store = "{folder / "receiver.db"}"
log_format = "json"
stop_deadline_s = 5
hook_keys = [{{ name = "k1", secret = "{KEY}" }}]
[api]
port = {self.api_port}
[accounts.main]
base_url = "http://127.0.0.1:9/api/ver1.0"
oauth_client_id = "app"
oauth_client_secret = "not-to-be-shown"
"""
        )
        self.start()

    def start(self) -> None:
        command = [*RECEIVER, "serve", "--config", str(self.folder / "receiver.toml")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        if not becomes_ready(self.api_url):
            raise TimeoutError(self.log.read_text())

    def hook(self, ref: str, event: str = "before") -> str:
        return mint_urls(HookSigner((HookKey("k1", KEY),)), self.url, "main", ref)[f"url_{event}"]

    def kept(self) -> set[str]:
        return on_disk(self.folder / "receiver.db")

    def end(self, how: int) -> int:
        os.kill(self.process.pid, how)
        return self.process.wait(20)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    if served.process.poll() is None:
        served.end(signal.SIGKILL)


def test_it_is_alive_ready_and_measured(served: Served) -> None:
    for url in (served.url, served.api_url):
        assert httpx2.get(f"{url}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{served.api_url}/readyz").json() == {"status": "ready"}
    httpx2.get(served.hook("r1"))
    answer = httpx2.get(f"{served.api_url}/metrics")
    assert answer.status_code == 200
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for f in families.values()
        for sample in f.samples
    }
    assert values["callback_intake_requests_total", "before", "recorded"] == 1
    assert values["callback_lost_hooks_total", "after"] == 0
    for name in (
        "callback_pipeline_lag_seconds",
        "callback_intake_batch_size",
        "callback_scheduler_api_requests",
    ):
        assert name in families
    assert "callback_build_info" in answer.text
    assert served.end(signal.SIGTERM) == 0


def test_its_log_is_json_with_request_ids_and_without_secrets(served: Served) -> None:
    given = httpx2.get(
        f"{served.api_url}/v1/tasks", headers={"X-Request-Id": "mine-1", "Authorization": "Bearer rcv_abc"}
    )
    assert (given.status_code, given.headers["x-request-id"]) == (401, "mine-1")
    broken = httpx2.post(served.hook("r1"), content=b'{"b_number": "+79161234567"')
    assert served.end(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    requests = {line["request_id"]: line for line in lines if "request_id" in line}
    assert (requests["mine-1"]["status"], requests["mine-1"]["path"]) == (401, "/v1/tasks")
    unread = requests[broken.headers["x-request-id"]]
    assert (unread["event"], unread["problem"]) == ("hook kept but not read", "broken JSON")
    text = served.log.read_text()
    for secret in ("rcv_abc", KEY, "not-to-be-shown", "79161234567", served.hook("r1").rsplit(".", 1)[1]):
        assert secret not in text


def test_a_stop_finishes_the_requests_under_way(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as slow:
        path = served.hook("slow").removeprefix(served.url)
        slow.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nid".encode())
        time.sleep(0.3)
        os.kill(served.process.pid, signal.SIGTERM)
        time.sleep(0.3)
        slow.sendall(b"=7")
        answer = slow.recv(1000).decode()
    assert answer.startswith("HTTP/1.1 200")
    assert served.process.wait(20) == 0
    request_id = next(line.split(": ")[1] for line in answer.splitlines() if line.startswith("x-request-id"))
    assert served.kept() == {request_id}


def test_what_was_acknowledged_before_a_kill_is_there_afterwards(served: Served) -> None:
    acknowledged: list[str] = []

    def send(number: int) -> None:
        try:
            answer = httpx2.get(served.hook(f"r{number}"), timeout=5)
        except httpx2.TransportError:
            return
        if answer.status_code == 200:
            acknowledged.append(answer.headers["x-request-id"])

    with ThreadPoolExecutor(8) as senders:
        futures = [senders.submit(send, number) for number in range(150)]
        while sum(future.done() for future in futures) < 60:
            time.sleep(0.01)
        served.end(signal.SIGKILL)
    assert len(acknowledged) >= 50
    assert set(acknowledged) <= served.kept()
    served.start()
    assert httpx2.get(served.hook("after-all")).status_code == 200
    assert served.end(signal.SIGTERM) == 0
    assert set(acknowledged) <= {row["id"] for row in kept(served.folder / "receiver.db")}


def test_an_address_in_use_is_one_clear_error(served: Served, tmp_path: Path) -> None:
    command = [*RECEIVER, "serve", "--config", str(tmp_path / "receiver.toml")]
    own = {"RECEIVER_STORE": str(tmp_path / "own.db")}
    for changes, named in (({}, "host, port: "), ({"RECEIVER_PORT": "0"}, "api.host, api.port: ")):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False, env=os.environ | own | changes
        )
        assert done.returncode == 2
        assert f"{named}cannot listen" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_hook_listener_shows_nothing_of_the_api_and_the_api_takes_no_hooks(served: Served) -> None:
    for path in ("/v1/tasks", "/metrics", "/readyz", "/docs", "/"):
        assert httpx2.get(f"{served.url}{path}").status_code == 404
    assert httpx2.get(served.hook("r1").replace(served.url, served.api_url)).status_code == 404


def test_it_says_where_it_listens(served: Served) -> None:
    assert served.end(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    (started,) = [line for line in lines if line["event"] == "receiver started"]
    assert (started["hooks"], started["api"]) == (served.url, served.api_url)


def test_a_second_one_on_the_same_store_is_refused_with_who_holds_it(served: Served) -> None:
    command = [*RECEIVER, "serve", "--config", str(served.folder / "receiver.toml")]
    others: list[dict[str, str]] = [{}, {"RECEIVER_PORT": "0", "RECEIVER_API__PORT": "0"}]
    for other in others:
        second = subprocess.run(
            command, env=os.environ | other, check=False, capture_output=True, text=True, timeout=30
        )
        said = " ".join(second.stderr.split())
        assert second.returncode == 2, said
        assert (
            f"is served by another process: pid {served.process.pid} on {socket.gethostname()} since" in said
        )
        assert "Traceback" not in said
    with closing(sqlite3.connect(served.folder / "receiver.db")) as store:
        kinds = store.execute("SELECT kind FROM operator_event").fetchall()
    assert kinds == [("server.second",)]  # not again for the other one so soon after
    assert httpx2.post(served.hook("r1")).status_code == 200
    beside = subprocess.run(
        [*RECEIVER, "tokens", "create", "me", "--config", str(served.folder / "receiver.toml")],
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert beside.returncode == 0
    served.end(signal.SIGKILL)
    served.start()
