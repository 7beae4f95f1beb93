"""Addresses of pages that other pages lead to."""

from urllib.parse import quote, urlencode

from receiver.console.visit import ROOT


def task_path(account: str, key: str, below: str = "", **query: str | None) -> str:
    """Return the address of the page of a task, or of a page `below` it. Parameters that are None are left
    out.
    """
    path = "/".join([ROOT, "tasks", quote(account, safe=""), quote(key, safe=""), *filter(None, [below])])
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path
