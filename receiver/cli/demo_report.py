"""What the sample CRM of a demonstration got, for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from receiver.cli.output import STDOUT, flat, print_table

_TELLING = ("ref", "result", "attempts", "b_number", "verdict", "confidence")
_WRONG = ("account", "task_id", "field", "truth", "ours", "kind")


def print_arrivals(crm: Mapping[str, Any]) -> None:
    """The figures, and what is wrong, if something is."""
    bad = {f"× {kind}": count for kind, count in crm["bad_answers"].items()}
    rows = [
        ("outcomes told", crm["told"], "by the receiver, as events"),
        ("arrived", crm["arrived"], "and were kept once, by their webhook-id"),
        ("arrived again", crm["repeated"], "were kept already, but not answered in time"),
        ("bad answers given", sum(bad.values()), flat(bad)),
        ("signatures refused", crm["refused"], "deliveries"),
        ("never arrived", crm["never_arrived"], "outcomes"),
        ("out of order", crm["out_of_order"], "tasks"),
        ("wrong in the end", crm["disagree"], "tasks: state, result, cdr, attempts"),
    ]
    print_table("At the sample CRM", ("what", "count", ""), rows)
    print_wrong("Wrong at the CRM", crm["disagreements"])


def print_wrong(title: str, disagreements: Sequence[Mapping[str, Any]]) -> None:
    """Each of them, where there are any."""
    if disagreements:
        print_table(title, _WRONG, [[each[name] for name in _WRONG] for each in disagreements])


def print_samples(samples: Sequence[Mapping[str, Any]]) -> None:
    """Some events as they arrived, numbers masked."""
    if samples:
        STDOUT.print("Some of them as they arrived, in part; --json has them whole:")
    for sample in samples:
        event = sample["event"]
        part = {name: event["data"][name] for name in _TELLING if name in event["data"]}
        # Foreign text may hold what looks like markup.
        STDOUT.print(
            f"  webhook-id: {event['id']}  {event['type']}, sent {sample['requests']}×", markup=False
        )
        STDOUT.print(f"    {json.dumps(part, ensure_ascii=False)}", markup=False)
