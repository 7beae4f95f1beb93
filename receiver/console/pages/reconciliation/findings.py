"""The lists of drift, lost hooks and anomalies, and of hooks and tasks that are set aside."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from receiver.console.page import Action, Done, Form, Page
from receiver.console.pages.reconciliation.passes import findings, totals
from receiver.console.visit import ROOT, Visit

_RETRY = "/v1/set-aside/retry"

_FILTERS = ("account", "queue_id", "since", "kind", "suspected", "cursor")


def _list(category: str) -> Callable[[Visit], Coroutine[Any, Any, Mapping[str, Any]]]:
    """Return the reader of a list."""

    async def read(visit: Visit) -> Mapping[str, Any]:
        chosen = category
        if category == "lost_hook" and visit.query.get("suspected") == "true":
            chosen = "suspected_hook"
        filters: dict[str, Any] = {name: visit.query.get(name) for name in ("account", "queue_id")}
        filters["since"] = visit.moment("since")
        page = await findings(
            visit, chosen, **filters, kind=visit.query.get("kind"), cursor=visit.query.get("cursor")
        )
        return {
            "category": chosen,
            "list": page,
            "totals": await totals(visit, chosen, **filters),
            "queues": (await visit.get("/v1/queues")).queues,
            "accounts": visit.api.context.accounts,
            "query": {**dict.fromkeys(_FILTERS), **visit.query},
        }

    return read


async def _read_set_aside(visit: Visit) -> Mapping[str, Any]:
    filters: dict[str, Any] = {name: visit.query.get(name) for name in ("account", "kind", "cursor")}
    whole = await visit.get("/v1/set-aside", account=filters["account"], limit=1)
    return {
        "list": await visit.get("/v1/set-aside", **filters),
        "totals": whole.totals,
        "query": {**dict.fromkeys(_FILTERS), **visit.query},
        "can_retry": visit.allows("POST", _RETRY),
    }


async def _retry(visit: Visit, _form: Form) -> Done:
    answer = await visit.send("POST", _RETRY)
    done = "retry" if answer.hooks + answer.tasks else "nothing"
    return Done(
        f"{ROOT}/reconciliation/set-aside",
        f"console_reconciliation.notice.{done}",
        answer.hooks + answer.tasks,
    )


FINDING_PAGES = (
    Page("/reconciliation/drift", "reconciliation/findings.html", _list("drift")),
    Page("/reconciliation/lost-hooks", "reconciliation/findings.html", _list("lost_hook")),
    Page("/reconciliation/anomalies", "reconciliation/findings.html", _list("anomaly")),
    Page("/reconciliation/set-aside", "reconciliation/set_aside.html", _read_set_aside),
)

FINDING_ACTIONS = (Action("/reconciliation/set-aside/retry", _retry),)
