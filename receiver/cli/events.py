"""`receiver events`: what was published, and to whom. `receiver outcomes`: the feed as lines."""

import json
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import Annotated

import typer

from receiver.cli.event_lines import event_line
from receiver.cli.local_api import ask, open_local_api, plain, query_of
from receiver.cli.output import (
    STDERR,
    STDOUT,
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    NumbersOption,
    QueueOption,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular, timed
from receiver.cli.tables import Column
from receiver.cli.times import PeriodOptions
from receiver.outcomes.event_endpoints import AnyEventType, EventDelivery, EventQuery, list_events
from receiver.outcomes.events import EventType
from receiver.outcomes.feed import read_outcomes
from receiver.outcomes.params import OutcomeQuery

_LOOK_S = 0.5

AnyTypeOption = Annotated[AnyEventType | None, typer.Option("--type", help="Only events of this type.")]
TypeOption = Annotated[EventType | None, typer.Option("--type", help="Only events of this type.")]


@tabular
@timed
def events(
    *,
    event_type: AnyTypeOption = None,
    task: Annotated[str | None, typer.Option(help="Only of this task: your ref or the vendor's id.")] = None,
    account: AccountOption = None,
    queue: QueueOption = None,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List published events, newest first, and what became of each at the subscriptions."""
    given = {"type": event_type, "task": task, "account": account, "queue_id": queue, **period.parameters()}
    page = ask(list_events, query_of(EventQuery, **given, limit=limit, cursor=cursor), {}, config)
    if as_json:
        print_json(plain(page))
        return
    columns = ("published", Column("account", optional=True), "type", "task", "result", "deliveries")
    rows = [
        [
            short_moment(event.published_at),
            *(event.account, event.type, event.task, event.result),
            _deliveries_text(event.deliveries),
            event.id,
        ]
        for event in page.events
    ]
    print_table("Published events", (*columns, Column("id", optional=True)), rows)
    print_cursor(page.next_cursor)


def _deliveries_text(deliveries: list[EventDelivery]) -> str:
    """Return the deliveries as a text: names, or numbers by state if there are many."""
    if len(deliveries) > 2:
        return ", ".join(f"{n} {state}" for state, n in Counter(sent.state for sent in deliveries).items())
    return ", ".join(f"{sent.name}: {sent.state}" for sent in deliveries)


def outcomes(
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue with new outcomes until ^C.")
    ] = False,
    after: Annotated[
        int | None, typer.Option(help="Begin after this cursor; 0: with the first.", min=0)
    ] = None,
    event_type: TypeOption = None,
    account: AccountOption = None,
    queue: QueueOption = None,
    numbers: NumbersOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the feed of outcomes, one a line, in the order of their publication.

    With `--follow` it begins with new outcomes, else with the first. `--json` prints each outcome as one line
    of JSON. The cursor after the last one is printed at the end, for `--after`.
    """
    given = {"type": event_type, "account": account, "queue_id": queue}
    with open_local_api(config) as api, suppress(KeyboardInterrupt):
        if after is None:
            newest = query_of(OutcomeQuery, latest=True)
            after = api.ask(read_outcomes, newest, {}).cursor if follow else 0
        while True:
            query = query_of(OutcomeQuery, **given, after=after, limit=1000)
            page = api.ask(read_outcomes, query, {}, numbers=numbers)
            for event in plain(page)["outcomes"]:
                if as_json:
                    sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
                else:
                    STDOUT.print(event_line(event), markup=False, highlight=False)
            sys.stdout.flush()
            after = page.cursor
            if not page.more and not follow:
                break
            if not page.more:
                time.sleep(_LOOK_S)
    STDERR.print(f"Continue with --after {after}", highlight=False)
