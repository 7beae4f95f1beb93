"""What the page of a task can do with its messages: send one at once, or send an event again."""

from receiver.console.page import Action, Done, Form
from receiver.console.pages.tasks.story import RETRY
from receiver.console.visit import Visit, task_path
from receiver.outcomes.schemas import ResendResult, RetriedMessage

_RESEND = "/v1/subscriptions/{subscription}/replay"


async def _retry(visit: Visit, form: Form) -> Done:
    place = {name: form.get(name, "") for name in ("subscription", "message")}
    result: RetriedMessage = await visit.send("POST", RETRY, place)
    return Done(_messages(visit), f"console_task.notice.{'delivered' if result.delivered else 'failed'}")


async def _resend(visit: Visit, form: Form) -> Done:
    place = {"subscription": form.get("subscription", "")}
    result: ResendResult = await visit.send("POST", _RESEND, place, events=[form.get("event", "")])
    return Done(_messages(visit), "console_task.notice.resent", result.sent)


def _messages(visit: Visit) -> str:
    """Return the address of the messages of the task of the path."""
    return f"{task_path(visit.path['account'], visit.path['key'])}#messages"


TASK_ACTIONS = (
    Action("/tasks/{account}/{key}/retry", _retry),
    Action("/tasks/{account}/{key}/resend", _resend),
)
