"""`receiver tasks show`: the whole story of a task."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDOUT,
    ConfigOption,
    JsonOption,
    NumbersOption,
    print_json,
    print_table,
)
from receiver.cli.table_options import zoned
from receiver.cli.times import moment_of, times
from receiver.i18n.catalogue import Catalogue, Language, catalogue
from receiver.outcomes.schemas import DeliveryAttempt
from receiver.outcomes.tables import OPEN
from receiver.story.endpoints import StoryQuery, get_story
from receiver.story.schemas import Story, StoryAttempt, StoryMessage, StorySubscriber

_ANSWER = 60
"""Characters of an answer that are shown."""

_CONTENT = ("status", "result", "finish_result", "cdr", "call", "finish_comment", "hangup_cause")
"""Fields of a fact that are shown."""

_IDS = ("cdr", "call")

_SAME = (Text(), Text(), Text())
"""Cells of the message above."""

_LEG = ("dest_number", "result", "hangup_cause", "duration")
"""Fields of a leg that are shown."""


@zoned
def show(
    account: Annotated[str, typer.Argument(help="Name of the account.")],
    task: Annotated[str, typer.Argument(help="The task: your ref, or the vendor's id.")],
    *,
    as_of: Annotated[str | None, typer.Option(help="Show the task as it was known at this moment.")] = None,
    lang: Annotated[Language, typer.Option(help="Language of sentences and tables.")] = "en",
    numbers: NumbersOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the whole story of a task: what happened, what it waits for, and what subscribers got.

    Then its fields, attempts with their legs, hooks, facts with the raw deliveries they come from, findings,
    what contradicts, and each message with the attempts to deliver it.
    """
    query = query_of(StoryQuery, as_of=as_of, zone=times().calendar.name, lang=lang)
    story = ask(get_story, query, {"account": account, "key": task}, config, numbers=numbers)
    if as_json:
        print_json(plain(story))
        return
    texts = catalogue(lang)
    _print_sentences(story, texts)
    fields = {name: value for name, value in plain(story)["task"].items() if name != "hooks"}
    known = {name: _field(name, value, texts) for name, value in fields.items() if value not in (None, "")}
    _print(texts, "task", known.items(), name=f"{account}/{task}")
    _print_attempts(story.attempts, texts)
    _print_hooks(story, texts)
    _print_facts(story, texts)
    _print_contradictions(story, texts)
    _print_subscribers(story.subscribers, texts)
    _print_same_numbers(story, texts)


def _print(texts: Catalogue, table: str, rows: Iterable[Sequence[object]], **values: str | float) -> None:
    """Print a table with the title and the headings of the catalogue."""
    columns = texts.text(f"tasks_show.{table}.columns").split(" | ")
    print_table(texts.text(f"tasks_show.{table}.title", **values), columns, rows)


def _field(name: str, value: object, texts: Catalogue) -> object:
    if isinstance(value, bool):
        return _answered(value, texts)
    if isinstance(value, float):
        return f"{value:g}"
    return moment_of(str(value)) if name.endswith("_at") else value


def _print_sentences(story: Story, texts: Catalogue) -> None:
    for text in story.sentences:
        STDOUT.print(text, markup=False, highlight=False, soft_wrap=False)
    if story.waits:
        STDOUT.print(f"\n{texts.text('story.wait.heading')}", highlight=False)
        for wait in story.waits:
            STDOUT.print(f"- {wait.text}", markup=False, highlight=False, soft_wrap=False)
    elif story.waits is not None:
        STDOUT.print(texts.text("story.wait.nothing"), highlight=False)
    STDOUT.print("")


def _print_attempts(attempts: Sequence[StoryAttempt], texts: Catalogue) -> None:
    if not attempts:
        return
    _print(texts, "attempts", [_attempt_row(attempt, texts) for attempt in attempts])
    legs = [
        (attempt.number, *(leg.get(name) for name in _LEG)) for attempt in attempts for leg in attempt.legs
    ]
    if legs:
        _print(texts, "legs", legs)
    calls = [(attempt.number, attempt.call) for attempt in attempts if attempt.call]
    if calls:
        _print(texts, "calls", calls)


def _attempt_row(attempt: StoryAttempt, texts: Catalogue) -> Sequence[object]:
    answered = (_answered(attempt.a_answered, texts), _answered(attempt.b_answered, texts))
    started = moment_of(attempt.started_at)
    result = attempt.reason or texts.text("tasks_show.under_way")
    return attempt.number, started, *answered, result, attempt.talk_s, attempt.raw_reason


def _answered(value: bool | None, texts: Catalogue) -> str | None:
    return None if value is None else texts.text(f"tasks_show.{'yes' if value else 'no'}")


def _print_hooks(story: Story, texts: Catalogue) -> None:
    rows = [
        (
            hook.event,
            hook.expected,
            hook.arrived,
            story.task.hooks[hook.event].duplicates,
            story.task.hooks[hook.event].lost,
            f"{hook.missing} {texts.text(f'tasks_show.fate.{hook.fate}')}" if hook.fate else None,
        )
        for hook in story.hooks
    ]
    _print(texts, "hooks", rows)


def _print_facts(story: Story, texts: Catalogue) -> None:
    facts = [
        (
            moment_of(fact.at),
            fact.source,
            fact.event or fact.kind,
            _brief(fact.said),
            ", ".join(fact.flags),
        )
        for fact in story.facts
    ]
    _print(texts, "timeline", facts)
    if story.deliveries:
        rows = [(moment_of(each.received_at), each.event, each.size, each.id) for each in story.deliveries]
        _print(texts, "deliveries", rows)
        STDOUT.print(f"{texts.text('tasks_show.deliveries_note')}\n", highlight=False)
    if story.findings:
        found = [(each.category, each.kind, each.count, each.detail) for each in story.findings]
        _print(texts, "findings", found)


def _print_contradictions(story: Story, texts: Catalogue) -> None:
    """Print what contradicts, with the facts that show it."""
    if not story.contradictions:
        return
    STDOUT.print(texts.text("story.contradictions"), markup=False, highlight=False)
    for each in story.contradictions:
        number = f"×{each.count}" if each.count > 1 else ""
        text = " ".join(filter(None, (each.text, number, each.detail)))
        STDOUT.print(f"- {text}", markup=False, highlight=False, soft_wrap=False)
        for fact in (story.facts[place] for place in each.facts):
            source = texts.text(f"story.source.{fact.source}")
            what = fact.event or texts.text(f"story.kind.{fact.kind}")
            heard = f"{source} {what}, {moment_of(fact.at)}"
            side = ", ".join(filter(None, (heard, _brief(fact.said))))
            STDOUT.print(f"  {side}", markup=False, highlight=False, soft_wrap=False)
    STDOUT.print("")


def _brief(said: Mapping[str, Any]) -> str:
    """Return the content of a fact; ids of calls by their beginning, since the table of calls has them."""
    shown = ((name, str(said[name])) for name in _CONTENT if said.get(name))
    return ", ".join(f"{name} {text[:8] if name in _IDS else text}" for name, text in shown)


def _print_subscribers(subscribers: Sequence[StorySubscriber], texts: Catalogue) -> None:
    for subscriber in subscribers:
        rows = [row for message in subscriber.messages for row in _message_rows(message, texts)]
        name = subscriber.name or texts.text("tasks_show.removed")
        _print(texts, "messages", rows, name=name, subscription=subscriber.subscription)


def _message_rows(message: StoryMessage, texts: Catalogue) -> Iterator[Sequence[object]]:
    """Yield a row for each attempt, and one for the next attempt."""
    head: Sequence[object] = (message.seq, message.type.removeprefix("task."), message.state)
    for attempt in message.postings:
        yield (*head, moment_of(attempt.at), _answer(attempt))
        head = _SAME
    if message.state in OPEN:
        seq = str(message.blocked_by)
        key = "behind" if message.blocked_by else "next_attempt"
        yield (*head, moment_of(message.due_at), texts.text(f"tasks_show.{key}", seq=seq))
    elif not message.postings:
        yield (*head, None, None)


def _answer(attempt: DeliveryAttempt) -> str:
    """Return `500 in 12 ms: oops`, or why there was no answer."""
    if attempt.status is None:
        return str(attempt.problem)
    text = " ".join((attempt.answer or "").split())[:_ANSWER]
    return f"{attempt.status} in {attempt.took_s * 1000:.0f} ms{f': {text}' if text else ''}"


def _print_same_numbers(story: Story, texts: Catalogue) -> None:
    for same in story.same_number:
        rows = [
            (
                task.account,
                task.key,
                moment_of(task.first_at),
                task.finish_result or task.state,
                f"{task.attempts}{f'/{task.try_count}' if task.try_count else ''}",
            )
            for task in same.tasks
        ]
        _print(texts, "same_number", rows, number=same.number, count=same.count)
