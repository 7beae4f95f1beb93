"""The emulator as a process, over real sockets."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from receiver.emulator.command import emulate
from receiver.emulator.control import CATALOGUE
from tests.emulator.emulator_env import ACCOUNT, credentials

COMMAND = [sys.executable, "-m", "receiver.emulator", "--port", "0"]
ACCOUNT_OPTION = ["--account", f"{ACCOUNT.number}:{ACCOUNT.client_id}:{ACCOUNT.client_secret}"]
QUEUES = "/api/ver1.0/client/@me/task_scheduler/"


@contextmanager
def emulator(*options: str) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """A running process and a client of it; afterwards it has ended."""
    command = [*COMMAND, *ACCOUNT_OPTION, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("emulator listening on http://127.0.0.1:"), line
        with httpx2.Client(base_url=line.split()[-1], timeout=10) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate(timeout=10)


@contextmanager
def endpoint() -> Iterator[tuple[str, list[str]]]:
    """A hook endpoint: its URL and the paths that were requested."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 100

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def log_in(client: httpx2.Client) -> None:
    token = client.post("/oauth/token", data=credentials()).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


def keep_creating(client: httpx2.Client) -> None:
    """Log in, then a queue and a task in it, as far as the faults allow, again and again."""
    for _ in range(500):
        token = client.post("/oauth/token", data=credentials())
        if token.status_code == 200:
            client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        client.post(QUEUES, json={"name": "q"})
        client.post(f"{QUEUES}10001/task/", json={"tasks": [{"a_number": "1", "b_number": "2"}]})


def until_idle(client: httpx2.Client) -> dict[str, Any]:
    for _ in range(200):
        status: dict[str, Any] = client.get("/emulator/status").json()
        if status["idle"]:
            return status
        time.sleep(0.05)
    raise AssertionError(f"never idle: {status}")


def test_a_process_executes_tasks_fires_hooks_and_ends_at_sigterm() -> None:
    with endpoint() as (url, paths), emulator("--speed", "2000", "--seed", "5") as (process, client):
        log_in(client)
        queue = client.post(QUEUES, json={"name": "q", "status": "on"}).json()["id"]
        urls = {f"url_{event}": f"{url}/{event}" for event in ("before", "after")}
        task = {"a_number": "1", "b_number": "2"} | urls
        response = client.post(f"{QUEUES}{queue}/task/", json={"tasks": [task] * 20})
        assert response.status_code == 201
        assert until_idle(client)["tasks"] == {"finished": 20}
        assert sorted(paths) == ["/after"] * 20 + ["/before"] * 20
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.communicate()[1] == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://a..b/", f"http://{'x' * 70}/"])
def test_an_endpoint_that_cannot_be_reached_is_a_failed_hook_and_no_more(url: str) -> None:
    with emulator("--speed", "2000") as (process, client):
        log_in(client)
        queue = client.post(QUEUES, json={"name": "q", "status": "on"}).json()["id"]
        task = {"a_number": "1", "b_number": "2", "url_after": url}
        assert client.post(f"{QUEUES}{queue}/task/", json={"tasks": [task]}).status_code == 201
        assert until_idle(client)["tasks"] == {"finished": 1}
        [hook] = client.get("/emulator/truth").json()["hooks"]
        assert hook["fate"] == "failed"
        process.terminate()
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_at_once_though_calls_and_connections_are_open(number: signal.Signals) -> None:
    with emulator() as (process, client):
        log_in(client)
        queue = client.post(QUEUES, json={"name": "q", "status": "on"}).json()["id"]
        task = {"a_number": "1", "b_number": "2"}
        client.post(f"{QUEUES}{queue}/task/", json={"tasks": [task, task | {"start_time_utc": 1000}]})
        os.kill(process.pid, number)
        assert process.wait(timeout=5) == 0
        assert process.communicate()[1] == ""


def test_a_caller_that_leaves_before_its_body_leaves_no_traceback() -> None:
    with emulator() as (process, client):
        host, port = client.base_url.host, client.base_url.port or 0
        with socket.create_connection((host, port)) as caller:
            form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n"
            caller.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\n" + form)
            time.sleep(0.2)  # until it waits for the body
        assert client.get("/emulator/status").status_code == 200
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    assert "Traceback" not in said, said


def test_a_lost_answer_closes_the_connection_and_keeps_the_task() -> None:
    with emulator("--fault", "lose_create=0.1", "--speed", "100") as (process, client):
        with pytest.raises(httpx2.RemoteProtocolError):
            keep_creating(client)
        truth = client.get("/emulator/truth").json()
        assert truth["requests"]["create_tasks"]["closed"] == 1
        kept = truth["requests"]["create_tasks"].get("201", 0) + truth["faults"]["api_lost_create"]
        assert len(truth["tasks"]) >= kept
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.communicate()[1] == ""


def test_the_emulated_clock_starts_at_the_origin_and_runs_at_its_speed() -> None:
    with emulator("--speed", "1000", "--origin", str(time.time() - 1)) as (_, client):
        first = client.get("/emulator/status").json()["now"]
        time.sleep(0.2)
        second = client.get("/emulator/status").json()["now"]
        assert first > time.time() + 900
        assert second - first >= 200


@pytest.mark.parametrize(
    "options",
    [
        ["--account", "10001:no-secret"],
        ["--dialect", "klingon"],
        ["--faults", "some"],
        ["--speed", "0"],
        ["--fault", "drop"],
        ["--fault", "drop=2"],
        ["--fault", "luck=1"],
        ["--quirk", "klingon"],
    ],
)
def test_a_wrong_option_is_refused(options: list[str]) -> None:
    app = typer.Typer()
    app.command()(emulate)
    assert CliRunner().invoke(app, options).exit_code == 2


def test_every_option_has_a_help_text() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=30, check=True)
    names = (
        "host port seed dialect faults fault quirk speed origin quota token-ttl account list-shape catalogue"
    )
    assert all(f"--{name}" in done.stdout for name in names.split())


def test_the_catalogue_explains_all_that_can_be_chosen() -> None:
    done = subprocess.run([*COMMAND, "--catalogue"], capture_output=True, text=True, timeout=30, check=True)
    assert all(f"  {name} " in done.stdout for sort in CATALOGUE.values() for name in sort)
    assert all(about in done.stdout for sort in CATALOGUE.values() for about in sort.values())


def test_a_quirk_and_a_fault_that_are_chosen_by_name_are_in_force() -> None:
    with emulator("--quirk", "capitals", "--quirk", "no_pause", "--fault", "drop=0.25") as (_, client):
        catalogue = client.get("/emulator/catalogue").json()
        assert catalogue["accounts"] == {"10001": ["capitals", "no_pause"]}
        assert catalogue["probabilities"]["drop"] == 0.25
