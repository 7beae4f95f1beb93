"""`python -m tests.e2e.proxy`: hooks come through nginx, which keeps connections to the receiver open.

Between two hooks a connection is idle for about as long as one of both keeps it, a little less or more. Where
the receiver keeps it for longer than the proxy, as the manual demands, every hook must be answered 200.
Otherwise the receiver may close a connection in the moment in which the proxy uses it again: that is a 502,
and is only counted.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

from tests.e2e.alone import hook_url, write_settings
from tests.e2e.load import Account, Load, account
from tests.e2e.processes import Served, free_port
from tests.e2e.report import parser_of, tell
from tests.e2e.unfinished import wait_until_finished
from tests.operators.debian import find_nginx
from tests.operators.prometheus import running

_KEPT = 16
"""Idle connections that the proxy keeps."""

_AT_ONCE = 4
"""Hooks that come together, so that as many connections are idle afterwards."""

_STEP_S, _BEFORE, _AFTER = 0.02, 6, 30
"""Pauses around a deadline: their steps, and how many before and after it. The receiver looks twice a second.
"""

_PATIENCE_S = 30.0

_NGINX = """
daemon off;
master_process off;
error_log {folder}/error.log error;
pid {folder}/pid;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    {temporary}
    {upstreams}
    server {{
        listen 127.0.0.1:{port};
        location = /ready {{ return 200; }}
        location / {{
            proxy_pass http://lane$http_x_lane;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""
_UPSTREAM = "upstream lane{number} {{ server 127.0.0.1:{port}; keepalive {kept}; keepalive_timeout {ms}ms; }}"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Case:
    """Seconds for which receiver and proxy keep an idle connection."""

    receiver_s: float
    proxy_s: float

    @property
    def is_as_told(self) -> bool:
        return self.receiver_s > self.proxy_s

    @property
    def pauses(self) -> list[float]:
        """Idle moments around each of both, as far as they are not too long to wait for."""
        deadlines = {each for each in (self.receiver_s, self.proxy_s) if each <= 5}
        steps = range(-_BEFORE, _AFTER + 1)
        return sorted({round(deadline + step * _STEP_S, 3) for deadline in deadlines for step in steps})

    def __str__(self) -> str:
        return f"receiver {self.receiver_s:g} s, proxy {self.proxy_s:g} s"


CASES = (Case(2.0, 1.0), Case(75.0, 2.0), Case(1.0, 1.0), Case(1.0, 60.0))


async def send(load: Load, front: str, pauses: Sequence[float], rounds: int) -> None:
    """A lane for each pause: some hooks together, the pause, and again. Each lane has connections of its own
    between the proxy and the receiver.
    """
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(base_url=front, timeout=_PATIENCE_S, limits=limits) as http:

        async def drive(lane: int, pause_s: float) -> None:
            for _ in range(rounds):
                await asyncio.gather(*(_post(load, http, lane) for _ in range(_AT_ONCE)))
                await asyncio.sleep(pause_s)
            await asyncio.gather(*(_post(load, http, lane) for _ in range(_AT_ONCE)))

        await asyncio.gather(*(drive(lane, pause_s) for lane, pause_s in enumerate(pauses)))


async def _post(load: Load, http: httpx2.AsyncClient, lane: int) -> None:
    load.sent += 1
    path = hook_url("", f"{load.name}{load.sent}", "before")
    answer = await http.post(path, json={"task_id": load.sent}, headers={"X-Lane": str(lane)})
    load.answers[str(answer.status_code)] += 1
    if answer.status_code == 200:
        load.acknowledged.append(answer.headers["x-request-id"])


@contextmanager
def running_nginx(folder: Path, port: int, case: Case) -> Iterator[str]:
    """One in front of the receiver at this port; its address. It is ended afterwards."""
    front, program = free_port(), find_nginx()
    upstreams = [
        _UPSTREAM.format(number=number, port=port, kept=_KEPT, ms=round(case.proxy_s * 1000))
        for number in range(len(case.pauses))
    ]
    temporary = [f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY]
    config = folder / "nginx.conf"
    parts = {"upstreams": "\n".join(upstreams), "temporary": "\n".join(temporary)}
    config.write_text(_NGINX.format(folder=folder, port=front, **parts))
    url = f"http://127.0.0.1:{front}"
    command: list[str | Path] = [program, "-p", folder, "-e", folder / "error.log", "-c", config]
    with running(command, folder, f"{url}/ready"):
        yield url


def run(folder: Path, case: Case, rounds: int) -> Account:
    """A receiver behind nginx; what became of its hooks."""
    store = folder / "receiver.db"
    environment = {"RECEIVER_LISTENER__IDLE_S": str(case.receiver_s)}
    served = Served(write_settings(folder, store), environment=environment)
    served.start()
    try:
        with running_nginx(folder, served.port, case) as front:
            load = Load(front, name="proxied")
            asyncio.run(send(load, front, case.pauses, rounds))
        wait_until_finished(str(store), _PATIENCE_S)
    finally:
        served.stop()
    return account(load, str(store))


def is_good(case: Case, outcome: Account) -> bool:
    """Whether all hooks were answered 200, where that is promised, and those that were are kept."""
    return outcome.is_kept and (set(outcome.answers) == {"200"} or not case.is_as_told)


def main() -> int:
    parser = parser_of("tests.e2e.proxy", __doc__)
    parser.add_argument("--rounds", type=int, default=20, help="idle moments of each length (default 20)")
    options = parser.parse_args()
    outcomes = {}
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
            outcomes[case] = run(Path(folder), case, options.rounds)
    good = all(is_good(case, each) for case, each in outcomes.items())
    said = {str(case): asdict(each) if options.json else each.answers for case, each in outcomes.items()}
    return tell(said, good=good, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
