"""`amocrm`: a call is added to the card that has its number, `POST /api/v4/calls`."""

import orjson

from receiver.delivery.formats.calls import ENDS, customer_number, mapped, needed, option, seconds
from receiver.delivery.letter import Answer, Letter, Post, Posted

_STATUS = {
    "connected": 4,
    "no_answer": 6,
    "busy": 7,
    "rejected": 6,
    "cancelled": 6,
    "unavailable": 3,
    "wrong_number": 5,
    "failed": 6,
    "unknown": 6,
}
_SOURCE = "receiver"
_NO_SUCH_CONTACT = 263


class AmoCrm:
    """The URL is the account's, `https://NAME.amocrm.ru`. Options: `token` (long-lived), `customer` (a or b),
    `source`, `responsible` (a user's id), `results`; `unknown_contact`: `skip` (the default) or `retry` where
    no card has the number, since amoCRM then keeps nothing.
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        if letter.type not in ENDS:
            return None
        answer = await post(
            Posted(
                f"{letter.subscription.url.rstrip('/')}/api/v4/calls",
                orjson.dumps([_call(letter)]),
                {"content-type": "application/json", "authorization": f"Bearer {needed(letter, 'token')}"},
            )
        )
        if _knows_no_such_contact(answer):
            return Answer(200 if option(letter, "unknown_contact", "skip") == "skip" else 404, answer.text)
        return answer


def _call(letter: Letter) -> dict[str, object]:
    call: dict[str, object] = {
        "direction": "outbound",
        "uniq": letter.id,
        "duration": seconds(letter, "talk_s"),
        "source": option(letter, "source", _SOURCE),
        "phone": customer_number(letter),
        "call_status": mapped(letter, _STATUS),
        "call_result": letter.data.get("raw_result") or letter.data["result"],
        "created_at": round(letter.at),
    }
    if responsible := option(letter, "responsible"):
        call |= {"responsible_user_id": responsible, "created_by": responsible}
    return call


def _knows_no_such_contact(answer: Answer) -> bool:
    """amoCRM answers 200 or 400 with a list of errors where no card has the number."""
    if answer.status not in (200, 400):
        return False
    try:
        told = orjson.loads(answer.text)
    except orjson.JSONDecodeError:
        return False
    errors = told.get("errors") if isinstance(told, dict) else None
    if not isinstance(errors, list) or not errors:
        return False
    return all(isinstance(each, dict) and each.get("status") == _NO_SUCH_CONTACT for each in errors)
