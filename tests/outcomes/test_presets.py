"""Chat messages: each template makes of every event a message that the vendor's service accepts."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any, get_args

import orjson
import pytest

from receiver.errors import InputError
from receiver.outcomes.body_template import check_options, render
from receiver.outcomes.event_types import ABOUT, example
from receiver.outcomes.presets import PresetName, filled
from receiver.outcomes.subscription import SubscriptionOptions
from tests.http.api_env import ApiEnv, Json

NAMES: tuple[PresetName, ...] = get_args(PresetName)

HOSTILE = "&" * 250 + '<b>&"quoted" \\ *bold* _it_ <!channel> </i>\n' * 200

TELEGRAM_CHARS, SLACK_CHARS, TEAMS_BYTES = 4096, 3000, 28_000
"""Limits of the services: the text after its entities are read, the text of a section, a whole message."""


def made(name: PresetName, **options: Any) -> dict[str, Any]:
    options = {"chat_id": -1001234567890} | options if name == "telegram" else options
    body = SubscriptionOptions.model_validate({"name": "x", "url": "https://x.example/y", "options": options})
    return filled(name, body)


def messages(name: PresetName, change: Any = lambda event: event) -> dict[str, Any]:
    """Return type → message, of the example of each type."""
    template = made(name)["options"]["body"]
    return {event: orjson.loads(render(template, change(example(event)))) for event in ABOUT}


def hostile(event: dict[str, Any]) -> dict[str, Any]:
    data = {name: HOSTILE if isinstance(value, str) else value for name, value in event["data"].items()}
    data |= {"severity": "critical"} if "severity" in data else {}
    return event | {"data": data}


class Tags(HTMLParser):
    """Reads the tags of a Telegram message, which must be closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in ("b", "i")
        assert not attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("change", [lambda event: event, hostile])
def test_telegram_gets_closed_tags_and_no_more_than_its_limit(change: Any) -> None:
    for message in messages("telegram", change).values():
        assert message["chat_id"] == -1001234567890
        assert message["parse_mode"] == "HTML"
        tags = Tags()
        tags.feed(message["text"])
        tags.close()
        assert not tags.open
        assert re.sub(r"&(amp|lt|gt);|</?[bi]>", "", message["text"]).count("<") == 0
        plain = unescape(re.sub(r"</?[bi]>", "", message["text"]))
        assert 1 <= len(plain.encode("utf-16-le")) / 2 <= TELEGRAM_CHARS


@pytest.mark.parametrize("change", [lambda event: event, hostile])
def test_slack_gets_escaped_text_and_no_more_than_its_limit(change: Any) -> None:
    for message in messages("slack", change).values():
        (block,) = message["blocks"]
        for text in (message["text"], block["text"]["text"]):
            assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", text)
        assert 1 <= len(block["text"]["text"]) <= SLACK_CHARS


@pytest.mark.parametrize("change", [lambda event: event, hostile])
def test_teams_gets_a_card_of_plain_text_runs(change: Any) -> None:
    for event, message in messages("teams", change).items():
        assert len(orjson.dumps(message)) <= TEAMS_BYTES
        (attachment,) = message["attachments"]
        card = attachment["content"]
        assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
        # A TextBlock would read Markdown in the text.
        assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
        runs = [run for block in card["body"] for run in block["inlines"]]
        assert {run["color"] for run in runs if "color" in run} <= {"default", "good", "warning", "attention"}
        assert event in runs[0]["text"] or change is hostile


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_masked_and_what_happened_is_there(name: PresetName) -> None:
    def numbered(event: dict[str, Any]) -> dict[str, Any]:
        if "b_number" in event["data"]:
            event["data"] |= {"name": "call +7 999 000-00-02 back", "raw_result": "89990000002"}
        return event

    for event, message in messages(name, numbered).items():
        text = orjson.dumps(message).decode()
        digits = re.sub(r"[\s-]", "", text)
        assert "9990000002" not in digits
        data = example(event)["data"]  # type: ignore[arg-type]
        shown = data["text"][:40].split("'")[0] if "text" in data else data["result"]
        assert shown in text
    assert "•••02" in orjson.dumps(messages(name)["task.finished"]).decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_passes_the_check_of_templates_and_sets_what_is_not_given(name: PresetName) -> None:
    values = made(name)
    check_options(values["options"])
    assert (values["format"], values["concurrency"]) == ("template", 1)
    assert values["filter"]["types"] == ["operator.*"]
    given = {"name": "x", "url": "https://x.example/y", "rate": None, "filter": {"types": ["task.finished"]}}
    options = {"chat_id": "@night"} if name == "telegram" else {}
    filled_up = filled(name, SubscriptionOptions.model_validate({**given, "options": options}))
    assert "rate" not in filled_up
    assert "filter" not in filled_up


def test_a_telegram_chat_is_a_number_or_a_name() -> None:
    template = made("telegram", chat_id="@night", message_thread_id=5)["options"]["body"]
    message = orjson.loads(render(template, example("task.finished")))
    assert (message["chat_id"], message["message_thread_id"]) == ("@night", 5)
    for wrong in ("", "night", '-1, "x": 2', "{{ event }}"):
        with pytest.raises(InputError, match=r"options\.chat_id"):
            made("telegram", chat_id=wrong)
    with pytest.raises(InputError, match="message_thread_id"):
        made("telegram", message_thread_id="{{")


async def ask(api_env: ApiEnv, body: Json, status: int = 200) -> Json:
    headers = {"Authorization": f"Bearer {await api_env.token('read', 'subscribe')}"}
    answer = await api_env.client.post("/v1/subscriptions", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    told: Json = answer.json()
    return told


@pytest.mark.anyio
async def test_a_subscription_is_made_from_a_preset(api_env: ApiEnv) -> None:
    body = {"name": "night", "url": "https://hooks.slack.com/services/T/B/X", "preset": "slack"}
    made = (await ask(api_env, body))["subscription"]
    assert (made["format"], made["rate"], made["filter"]["types"]) == ("template", 1.0, ["operator.*"])
    assert "mrkdwn" in made["options"]["body"]
    assert (await ask(api_env, body | {"format": "standard"}, 400))["error"]["field"] == "format"
    telegram = body | {"preset": "telegram"}
    assert (await ask(api_env, telegram, 400))["error"]["field"] == "options.chat_id"
