"""What the sample CRM of a demonstration received, as tables."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from receiver.cli.output import STDOUT, counts_text, print_table

_SHOWN = ("ref", "result", "attempts", "b_number", "verdict", "confidence")
_WRONG = ("account", "task_id", "field", "truth", "ours", "kind")


def print_arrivals(crm: Mapping[str, Any]) -> None:
    """Print counts, and errors if there are any."""
    bad = {f"× {kind}": count for kind, count in crm["bad_answers"].items()}
    rows = [
        ("outcomes told", crm["told"], "by the receiver, as events"),
        ("arrived", crm["arrived"], "and were kept once, by their webhook-id"),
        ("arrived again", crm["repeated"], "were kept already, but not answered in time"),
        ("bad answers given", sum(bad.values()), counts_text(bad)),
        ("signatures refused", crm["refused"], "deliveries"),
        ("never arrived", crm["never_arrived"], "outcomes"),
        ("out of order", crm["out_of_order"], "tasks"),
        ("wrong in the end", crm["disagree"], "tasks: state, result, cdr, attempts"),
    ]
    print_table("At the sample CRM", ("what", "count", ""), rows)
    print_wrong("Wrong at the CRM", crm["disagreements"])


def print_wrong(title: str, disagreements: Sequence[Mapping[str, Any]]) -> None:
    """Print the disagreements, if there are any."""
    if disagreements:
        print_table(title, _WRONG, [[each[name] for name in _WRONG] for each in disagreements])


def print_samples(samples: Sequence[Mapping[str, Any]]) -> None:
    """Print sample events with masked numbers."""
    if samples:
        STDOUT.print("Sample events, shortened; --json prints all of them:")
    for sample in samples:
        event = sample["event"]
        part = {name: event["data"][name] for name in _SHOWN if name in event["data"]}
        # Texts of others may contain markup.
        STDOUT.print(
            f"  webhook-id: {event['id']}  {event['type']}, sent {sample['requests']}×", markup=False
        )
        STDOUT.print(f"    {json.dumps(part, ensure_ascii=False)}", markup=False)
