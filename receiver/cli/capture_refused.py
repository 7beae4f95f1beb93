"""`receiver capture --refused`: hooks that a running `receiver serve` refused."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import httpx2

from receiver.cli.output import STDERR, STDOUT, print_json, print_table, short_moment
from receiver.domain.network_errors import network_problem
from receiver.errors import InputError
from receiver.http.tokens import create_token, remove_token
from receiver.maintenance.schema import open_store
from receiver.runtime.clock import WallClock
from receiver.settings.settings import Settings

_TIMEOUT_S = 10.0


def capture_refused(settings: Settings, api: str | None, *, as_json: bool) -> None:
    """Print the refused hooks that the receiver at this API remembers. `api`: None for the one in the
    settings.

    Raises InputError if no receiver answers there.
    """
    refused = _ask(settings, (api or _root(settings)).rstrip("/"))
    if as_json:
        print_json({"refused": refused})
        return
    columns = ("last", "times", "account", "event", "part", "from")
    rows = [
        (
            *(short_moment(each["last_at"]), each["count"], each["account"], each["event"]),
            *(each["part"], each["peer"]),
        )
        for each in refused
    ]
    print_table("Refused hooks", columns, rows)
    for part, problem in {each["part"]: each["problem"] for each in refused}.items():
        STDOUT.print(f"{part}: {problem}", markup=False, highlight=False)
    if not refused:
        STDERR.print("No refused hooks since that receiver started. For another receiver use --api URL.")


def _ask(settings: Settings, root: str) -> list[dict[str, Any]]:
    with _token(settings) as token:
        try:
            answer = httpx2.get(
                f"{root}/v1/refused", headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S
            )
            refused = answer.json()["refused"] if answer.status_code == httpx2.codes.OK else None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            problem = f"{network_problem(error, root)}; is `receiver serve` running there?"
            raise InputError("--api", problem) from None
        except (ValueError, KeyError, TypeError):
            refused = None
    if not isinstance(refused, list):
        raise InputError(
            "--api", f"{root} is not the API of a receiver with this store: status {answer.status_code}"
        )
    return refused


@contextmanager
def _token(settings: Settings) -> Iterator[str]:
    """Yield a token for one request. Access to the store includes access to the API."""
    name = f"capture-{secrets.token_hex(8)}"
    with open_store(settings.store) as store:
        with store.transaction() as connection:
            token = create_token(connection, name, ("read",), WallClock().now())
        try:
            yield token
        finally:
            with store.transaction() as connection:
                remove_token(connection, name)


def _root(settings: Settings) -> str:
    """Return the API's root URL on this machine. Raises InputError if the settings do not have it."""
    host, port = settings.api.host, settings.api.port
    if not port:
        raise InputError(
            "--api", "is required, since api.port is 0: use the address that `receiver serve` logs"
        )
    try:
        address = ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
