"""The endpoint that reads deliveries again with the current mapping, some of them in each request."""

from collections import Counter
from collections.abc import Iterable
from contextlib import aclosing
from functools import partial

from pydantic import BaseModel, Field

from receiver.domain.facts import Event, Fact, HookContent
from receiver.http.audit import AuditEntry, record_entry
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.paging import decode_cursor, encode_cursor
from receiver.http.params import SINCE, UNTIL, Account, Cursor
from receiver.http.schemas import Account as AccountName
from receiver.http.schemas import Moment, NextCursor, When
from receiver.inbox.delivery_problems import require_problem
from receiver.inbox.rereader import START, Position, Rereader, RereadPart, Selection
from receiver.intake.params import Problem
from receiver.ledger.reread import ReadingChange, ReadingChangeKind

_SCOPE = "subscribe"
"""As the retry of set-aside hooks and tasks: it allows to repeat failed work."""

_SHOWN = 50
"""Maximum number of changes that an answer lists."""

_KIND_ABOUT = (
    "`placed`: it names a task now; `moved`: it names another task; `withdrawn`: it names no task any more; "
    "`changed`: other fields of the same task; `problem`: only its problem is different or gone."
)


class RereadBody(Params):
    """Filters of the deliveries, and how many to read."""

    account: Account = None
    since: When | None = Field(None, description="Received at this moment or later.", examples=[SINCE])
    until: When | None = Field(None, description="Received before this moment.", examples=[UNTIL])
    problem: Problem = None
    dry_run: bool = Field(False, description="Only report what would change.", examples=[True])
    limit: int = Field(
        1000,
        ge=1,
        le=5000,
        description="Maximum number of deliveries that this request reads.",
        examples=[1000],
    )
    cursor: Cursor | None = Field(
        None, description="The `next_cursor` of the answer before, to go on.", examples=[None]
    )


class RereadCount(BaseModel):
    """Number of deliveries that changed, or would change."""

    account: AccountName
    event: Event = Field(examples=["after"])
    change: ReadingChangeKind = Field(description=_KIND_ABOUT, examples=["placed"])
    deliveries: int = Field(examples=[12])


class RereadChange(BaseModel):
    """A delivery that changed, or would change."""

    id: str = Field(examples=["019ca8d1e5f0a1b2c3d4e5f60718293a"])
    account: AccountName
    event: Event = Field(examples=["after"])
    received_at: Moment
    change: ReadingChangeKind = Field(examples=["placed"])
    before: list[str] = Field(
        description="Its tasks before: a ref, or `#` and the vendor's id.", examples=[[]]
    )
    after: list[str] = Field(description="Its tasks now.", examples=[["#90210"]])
    fields: list[str] = Field(
        description="Names of other fields that are different.", examples=[["call", "result"]]
    )
    problem: str | None = Field(description="What is wrong with it now; null: nothing.", examples=[None])


class RereadResult(BaseModel):
    """The result of reading deliveries again."""

    dry_run: bool = Field(examples=[False])
    read: int = Field(description="Number of deliveries that were read.", examples=[360])
    changed: int = Field(description="Number of them that changed, or would change.", examples=[12])
    failed: int = Field(
        description="Number of them that could not be read because of an error of the receiver; they stay as "
        "they were, and its log says why.",
        examples=[0],
    )
    counts: list[RereadCount]
    changes: list[RereadChange] = Field(description=f"The first {_SHOWN} changes of this answer.")
    next_cursor: NextCursor | None = Field(
        description="The `cursor` for the next deliveries; null: there are no more."
    )


async def reread(call: Call[Params, RereadBody]) -> RereadResult:
    """Read some deliveries again, or only report changes. Raises InputError for a bad cursor or problem."""
    body, context = call.body, call.context
    await context.store.read(partial(require_problem, problem=body.problem))
    selection = Selection(body.account, body.since, body.until, body.problem)
    rereading = Rereader(context.store, context.fields, context.clock, is_dry=body.dry_run)
    total = RereadSum(_SHOWN)
    async with aclosing(rereading.parts(selection, _position(body.cursor), body.limit)) as outcomes:
        async for outcome in outcomes:
            total.add(outcome)
    answer = total.answer(dry_run=body.dry_run)
    if not body.dry_run:
        entry = reread_entry(call.caller.actor, body.account, answer)
        await context.store.write(lambda connection: record_entry(connection, context.clock.now(), entry))
    return answer


def reread_entry(actor: str, account: str | None, answer: RereadResult) -> AuditEntry:
    """Return the audit record of a rereading. `account`: the only one that was read, else None."""
    detail = {"read": answer.read, "changed": answer.changed, "failed": answer.failed}
    return AuditEntry(actor, "deliveries.reread", account or "all", detail)


def _position(cursor: str | None) -> Position:
    if cursor is None:
        return START
    at, delivery = decode_cursor(cursor, (float, str))
    return float(at), str(delivery)


class RereadSum:
    """Sums the results of rereading, with the first `shown` changes, without bodies."""

    def __init__(self, shown: int) -> None:
        self._shown = shown
        self._counts: Counter[tuple[str, str, ReadingChangeKind]] = Counter()
        self._changes: list[RereadChange] = []
        self._last: Position | None = None
        self.read = self.failed = 0

    @property
    def changed(self) -> int:
        """Number of changed deliveries."""
        return self._counts.total()

    def add(self, outcome: RereadPart) -> None:
        """Add the result that follows."""
        self.read += outcome.read
        self.failed += outcome.failed
        self._last = outcome.last
        for change in outcome.changes:
            delivery = change.reread.delivery
            self._counts[delivery.account, delivery.event, change.kind] += 1
        left = self._shown - len(self._changes)
        self._changes += map(_change_view, outcome.changes[: max(0, left)])

    def answer(self, *, dry_run: bool) -> RereadResult:
        """Return the sum."""
        names = ("account", "event", "change", "deliveries")
        rows = ((*of, number) for of, number in sorted(self._counts.items()))
        return RereadResult(
            dry_run=dry_run,
            read=self.read,
            changed=self.changed,
            failed=self.failed,
            counts=[RereadCount.model_validate(dict(zip(names, row, strict=True))) for row in rows],
            changes=self._changes,
            next_cursor=encode_cursor(self._last) if self._last else None,
        )


def _change_view(change: ReadingChange) -> RereadChange:
    delivery = change.reread.delivery
    values = {name: getattr(delivery, name) for name in ("id", "account", "event", "received_at", "problem")}
    tasks = {"before": _tasks(change.before), "after": _tasks(change.after)}
    return RereadChange.model_validate(
        values | tasks | {"change": change.kind, "fields": _fields(change.before, change.after)}
    )


def _tasks(hooks: Iterable[Fact]) -> list[str]:
    return list(dict.fromkeys(fact.ref or f"#{fact.task_id}" for fact in hooks))


def _fields(before: Iterable[Fact], after: Iterable[Fact]) -> list[str]:
    """Return the names of fields that are different, if both readings are one event."""
    was, now = ([fact.payload for fact in hooks] for hooks in (before, after))
    if len(was) != 1 or len(now) != 1:
        return []
    names = HookContent.__dataclass_fields__
    return [name for name in names if getattr(was[0], name) != getattr(now[0], name)]


REREAD_ENDPOINT = Endpoint(
    "POST",
    "/v1/reread",
    "Read deliveries again",
    "Read deliveries again, oldest first, that came before the mapping of their fields (`[aliases]` in the "
    "settings) was right. New readings are added as facts that supersede the old ones; a delivery whose "
    "reading is the same is left as it is, so a second request changes nothing. Tasks are folded again "
    "within seconds. With `dry_run` nothing is written. " + _KIND_ABOUT,
    _SCOPE,
    RereadResult,
    reread,
    body=RereadBody,
)
