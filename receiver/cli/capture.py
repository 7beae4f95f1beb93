"""`receiver capture`: raw hooks, and a proposed field mapping."""

import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from sqlalchemy import Row, and_, func, select

from receiver.cli.capture_refused import capture_refused
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, moment, print_json, print_table
from receiver.domain.fields import FieldReader
from receiver.inbox.bodies import decode, decompress
from receiver.inbox.payload import read_payload
from receiver.inbox.proposals import Missing, as_setting, missing, propose, read_events, sample_of
from receiver.ledger.tables import DELIVERY
from receiver.maintenance.schema import open_store
from receiver.settings.settings import Settings, load_settings
from receiver.storage.bulk import among
from receiver.storage.engine import Store

_SHOWN = 2048
"""Maximum characters of a body to print."""
_MOST_PAIRS = 200
_POLL_S = 0.5
_LATE_S = 20.0
"""Seconds by which a delivery may be read later than one that arrived after it."""


def capture(
    *,
    last: Annotated[int, typer.Option(help="Number of latest deliveries to start with.", min=0)] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue with new deliveries until ^C.")
    ] = False,
    refused: Annotated[
        bool, typer.Option("--refused", help="Print the latest hooks that `serve` refused, with the reasons.")
    ] = False,
    api: Annotated[
        str | None,
        typer.Option(
            help="With --refused: root URL of the receiver's API. Default: from api.host and api.port."
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print raw hook deliveries and propose a field mapping. Run it beside `receiver serve`.

    The scheduler does not document its hooks: mint URLs for one live task, run it, and see what arrives.
    Hooks are printed once `serve` has read them, with phone numbers in full and up to 2 KiB of each body.
    """
    settings = load_settings(config)
    if refused:
        capture_refused(settings, api, as_json=as_json)
        return
    fields = FieldReader(settings.aliases)
    seen: list[Row[Any]] = []
    with open_store(settings.store) as store:
        try:
            for row in deliveries(store, last, follow=follow, late_s=_LATE_S * settings.clock_speed):
                seen.append(row)
                if not as_json:
                    _print(row, fields)
        except KeyboardInterrupt:
            STDERR.print("")
    _conclude(seen, settings, as_json=as_json)


def deliveries(store: Store, last: int, *, follow: bool, late_s: float = _LATE_S) -> Iterator[Row[Any]]:
    """Yield the latest deliveries, oldest first; with `follow` also each new one, without end."""
    came = DELIVERY.c.received_at
    with store.snapshot() as connection:
        latest = select(DELIVERY).order_by(came.desc()).limit(last)
        rows = list(connection.execute(latest))[::-1]
        newest = connection.scalar(select(func.max(came))) or 0.0
        late = select(DELIVERY.c.id, came).where(came >= newest - late_s)
        known = {row.id: row.received_at for row in connection.execute(late)}
    yield from rows
    while follow:
        time.sleep(_POLL_S)
        since = max(known.values(), default=0.0) - late_s
        known = {id_: at for id_, at in known.items() if at >= since}
        with store.snapshot() as connection:
            new = and_(came >= since, ~among(connection, DELIVERY.c.id, known))
            rows = list(connection.execute(select(DELIVERY).where(new).order_by(came)))
        yield from rows
        known |= {row.id: row.received_at for row in rows}


def _print(row: Row[Any], fields: FieldReader) -> None:
    STDOUT.rule(
        f"{moment(row.received_at)}  {row.method}  {row.event}  {row.account}/{row.ref or 'fixed URL'}",
        align="left",
    )
    for name, value in row.headers:
        STDOUT.print(f"{name}: {value}", markup=False, highlight=False)
    if row.query:
        STDOUT.print(f"\n?{_cut(row.query)}", markup=False, highlight=False)
    STDOUT.print("\n" + (_body(row) or "(empty body)"), markup=False, highlight=False)
    for line in _read_lines(row, fields):
        STDOUT.print(line, style="green", markup=False, highlight=False)
    if row.problem:
        STDOUT.print(f"not read: {row.problem}", style="bold yellow", markup=False, highlight=False)


def _body(row: Row[Any]) -> str:
    """Return the body as text, decompressed."""
    body, _ = decompress(row.body, _header(row, "content-encoding"))
    text = _cut(decode(body))
    return text if body == row.body else f"({len(row.body)} bytes, decompressed)\n{text}"


def _cut(text: str) -> str:
    if len(text) <= _SHOWN:
        return text
    return f"{text[:_SHOWN]}… ({len(text) - _SHOWN} more characters; see `/v1/deliveries/{{id}}`)"


def _read_lines(row: Row[Any], fields: FieldReader) -> Iterator[str]:
    """Yield a line for each event that is read from the delivery."""
    for event, found in read_events(sample_of(row), fields):
        values = ((name, getattr(found, name)) for name in found.__struct_fields__)
        words = [f"{name}={value}" for name, value in values if value is not None]
        yield f"read as {event}: {', '.join(words) or 'only the event in the URL'}"


def _conclude(seen: list[Row[Any]], settings: Settings, *, as_json: bool) -> None:
    samples = [sample_of(row) for row in seen]
    reader = FieldReader(settings.aliases)
    proposals = propose(samples, settings.aliases)
    setting = as_setting(proposals, settings.aliases)
    asked = missing(samples, proposals, reader)
    if as_json:
        came = [_plain(row, reader) for row in seen]
        fields = [{name: getattr(each, name) for name in each.__slots__} for each in proposals]
        wanted = [{name: getattr(each, name) for name in each.__slots__} for each in asked]
        print_json({"deliveries": came, "fields": fields, "missing": wanted, "setting": setting})
        return
    rows = [(each.name, each.seen, each.example, each.read_as, each.proposed) for each in proposals]
    print_table(f"Fields of {len(seen)} deliveries", ("name", "seen", "example", "read as", "proposed"), rows)
    for each in proposals:
        if each.empty:
            STDOUT.print(f"{each.name} is not read: {each.empty}", markup=False, highlight=False)
    _print_missing(asked)
    if setting:
        STDOUT.print("\nAdd this to the settings file:\n")
        STDOUT.print(setting, markup=False, highlight=False)
    elif seen:
        STDOUT.print("Nothing to change: no other name looks like a known field.")
    else:
        STDERR.print(
            "No deliveries yet. Mint URLs (`receiver urls mint`), create a task with them, and use --follow."
        )


def _print_missing(asked: Sequence[Missing]) -> None:
    for each in asked:
        names = ", ".join(each.names)
        hint = (
            f"Is it one of {names}? Then add it to {each.field} in [aliases]."
            if names
            else "The hooks have no other names."
        )
        STDOUT.print(f"No hook has a {each.field}: {each.why}. {hint}", markup=False, highlight=False)


def _header(row: Row[Any], wanted: str) -> str:
    return next((value for name, value in row.headers if name == wanted), "")


def _plain(row: Row[Any], fields: FieldReader) -> dict[str, Any]:
    sample = sample_of(row)
    return {
        "id": row.id,
        "received_at": moment(row.received_at),
        "account": row.account,
        "event": row.event,
        "ref": row.ref,
        "method": row.method,
        "query": _cut(row.query),
        "headers": row.headers,
        "body": _body(row),
        "body_bytes": len(row.body),
        "read": [(name, _cut(value)) for name, value in read_payload(*sample[:4]).pairs[:_MOST_PAIRS]],
        "events": [
            {"event": event} | {name: getattr(found, name) for name in found.__struct_fields__}
            for event, found in read_events(sample, fields)
        ],
        "problem": row.problem,
    }
