"""The list of tasks: one search field, filters with counts, and a panel with one task beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from receiver.console.page import Page
from receiver.console.pages.tasks.story import STORY
from receiver.console.problems import shown_problem
from receiver.console.visit import Visit
from receiver.errors import ForbiddenError, InputError
from receiver.tasks.schemas import Queue, Task

_FILTERS = ("q", "state", "problem", "account", "queue_id", "since", "until")


async def _read(visit: Visit) -> Mapping[str, Any]:
    given = {name: visit.query.get(name, "").strip() for name in (*_FILTERS, "cursor", "task")}
    queues = (await visit.get("/v1/queues")).queues
    account = given["account"] or _account_of(queues, given["queue_id"])
    filters = {
        **{name: given[name] for name in ("q", "state", "problem", "queue_id")},
        "account": account,
        "since": visit.moment("since"),
        "until": visit.moment("until", is_end=True),
    }
    return {
        "query": given,
        "is_live": not (given["q"] or given["cursor"]),  # each search is in the audit log
        "queues": queues,
        "accounts": visit.api.context.accounts,
        "filtered": [name for name in _FILTERS if given[name]],
        "numbers_of": numbers_of,
        "place_of": place_of,
        "export_query": _export_query(visit, given | {"account": account or ""}),
        **await _list(visit, filters, given["cursor"]),
        "story": await _story(visit, given["task"]),
    }


async def _list(visit: Visit, filters: Mapping[str, Any], cursor: str) -> Mapping[str, Any]:
    """Return the page of the list and the counts, or why the word cannot be searched."""
    try:
        page = await visit.get("/v1/tasks", **filters, cursor=cursor, counts="true")
    except (ForbiddenError, InputError) as error:
        if not filters["q"] or (isinstance(error, InputError) and error.field != "q"):
            raise
        return {"list": None, "counts": None, "refusal": shown_problem(error, visit.texts)}
    return {"list": page, "counts": page.counts, "refusal": None}


async def _story(visit: Visit, place: str) -> Any | None:
    """Return the story of the task in the panel; None without one, or if it is unknown."""
    account, _, key = place.partition("/")
    if not key:
        return None
    told = {"zone": visit.times.zone, "lang": visit.preferences.language}
    return await visit.find(STORY, {"account": account, "key": key}, **told)


def _account_of(queues: Sequence[Queue], queue_id: str) -> str | None:
    """Return the account of the queue if only one has it: with it, the list is found by an index."""
    accounts = {queue.account for queue in queues if queue.queue_id == queue_id}
    return accounts.pop() if len(accounts) == 1 else None


def _export_query(visit: Visit, given: Mapping[str, str]) -> Callable[[str], str]:
    """Return what makes the query of an export of the tasks of the list from its format."""
    filters = {name: given[name] for name in _FILTERS if given[name]}

    def query(form: str) -> str:
        locale = {"locale": visit.preferences.language} if form == "csv" else {}
        return urlencode({"format": form, **locale, **filters})

    return query


def numbers_of(task: Task) -> str:
    """Return the numbers in the order in which they are called."""
    return " → ".join(number for number in (task.a_number, task.b_number) if number)


def place_of(task: Task) -> str:
    """Return account and key as the parameter `task` has them."""
    return f"{task.account}/{task.key}"


TASKS = Page("/tasks", "tasks/list.html", _read, menu="tasks")
