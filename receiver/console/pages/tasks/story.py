"""The page of a task: its whole story, now or as it was known at a time."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from receiver.console.page import Page
from receiver.console.pages.raw_content import MessageRequest, RawDelivery
from receiver.console.pages.tasks.view import MOST, TaskView, after
from receiver.console.visit import Visit
from receiver.intake.schemas import DeliveryDetails
from receiver.story.schemas import Story
from receiver.tasks.schemas import TimelineView

STORY = "/v1/tasks/{account}/{key}/story"
RETRY = "/v1/subscriptions/{subscription}/messages/{message}/retry"
_PREVIEW = "/v1/subscriptions/{subscription}/preview"
_DELIVERY = "/v1/deliveries/{id}"


async def _story(visit: Visit) -> Story:
    """Return the story of the task of the path. Raises NotFoundError, InputError."""
    place = {name: visit.path[name] for name in ("account", "key")}
    zone, lang = visit.times.zone, visit.preferences.language
    story: Story = await visit.get(STORY, place, as_of=visit.query.get("as_of"), zone=zone, lang=lang)
    return story


async def _read(visit: Visit) -> Mapping[str, Any] | JSONResponse:
    story = await _story(visit)
    if visit.query.get("format") == "json":
        return JSONResponse(story.model_dump(mode="json"))
    return {
        "story": story,
        "task": story.task,
        "view": TaskView(story, visit.times, visit.texts),
        "stored": {each.id for each in story.deliveries},
        "most": MOST,
        "after": after,
        "moments": await _moments(visit, story),
        "as_of": visit.query.get("as_of"),
        "delivery": await _delivery(visit, story),
        "request": await _request(visit, story),
        "may_see_deliveries": visit.allows("GET", _DELIVERY),
        "may_send": story.waits is not None and visit.allows("POST", RETRY),
        "all_facts": visit.query.get("facts") == "all",
    }


async def _moments(visit: Visit, story: Story) -> list[float]:
    """Return the latest moments at which the knowledge of the task changed, until now."""
    known: TimelineView = story
    if story.waits is None:
        task = story.task
        known = await visit.get(
            "/v1/tasks/{account}/{key}/timeline", {"account": task.account, "key": task.key}
        )
    return sorted({fact.at for fact in known.facts})[-MOST:]


async def _delivery(visit: Visit, story: Story) -> RawDelivery | None:
    """Return the content of the delivery that the query names, if it is one of the task's."""
    asked = visit.query.get("delivery")
    if asked not in {delivery.id for delivery in story.deliveries}:
        return None
    details: DeliveryDetails | None = await visit.find(_DELIVERY, {"id": asked})
    return RawDelivery(details) if details else None


async def _request(visit: Visit, story: Story) -> MessageRequest | None:
    """Return the request of the message that the query names, if it is one of the task's."""
    messages = (message for each in story.subscribers if each.name for message in each.messages)
    asked = next((message for message in messages if str(message.seq) == visit.query.get("request")), None)
    if asked is None or not visit.allows("GET", _PREVIEW):
        return None
    place, task = {"subscription": asked.subscription}, story.task
    preview = await visit.get(_PREVIEW, place, account=task.account, task=task.key, type=asked.type)
    return MessageRequest(asked.seq, preview)


TASK = Page("/tasks/{account}/{key}", "tasks/story.html", _read)
