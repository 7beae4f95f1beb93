"""Create tasks once each: the ref is the key, whatever is repeated, runs at the same time or gets lost.

The tasks of a request are claimed in the store before the scheduler is asked. A claim whose request was lost
is settled by the queue's list: its tasks exist, surely do not exist and are sent again, or stay unknown.
"""

import asyncio
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from receiver.domain.hooks import our_hook
from receiver.errors import (
    AmbiguousCreateError,
    InputError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
)
from receiver.reconcile import creation_sql
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.creation import create_tasks, record_created, with_urls
from receiver.reconcile.creation_sql import CreationClaim, KnownTask
from receiver.reconcile.new_tasks import FIELDS, KeyedTask
from receiver.scheduler.wire import NewTask, TaskRecord

CreationState = Literal["created", "exists", "conflict", "refused", "unknown"]

_SEND_S = 300.0
"""Seconds within which a claim is sent; then nothing more is sent for it."""

_STALE_S = 600.0
"""Seconds after which a claim whose request has not ended is taken over. Longer than `_SEND_S`, for clocks
that differ.
"""

_LOOKS, _LOOK_S = 20, 0.25
"""Looks for the end of another request for the same task, and the seconds between them."""

_CONTENT = frozenset({400, 422})
"""Statuses by which the scheduler refuses the content of one task, and so the request with all tasks."""

_UNKNOWN = (
    "the scheduler's answer was lost, and its list does not show whether the task exists: send the same task "
    "again later with the same ref; another ref could dial a person twice"
)
_BUSY = "another request is creating the task: send the same again in a minute"
_NOT_SENT = "another request for the task was refused: send it again"
_CONFLICT = "the ref belongs to a task with other fields or another queue: use a new ref for a new task"


class CreationResult(NamedTuple):
    """What became of one task. `created`: now. `exists`: it was created before, with the same content;
    without a task id only its hooks are known. `conflict`: the ref has another content. `refused`: it does
    not exist; `field` and `problem` say why. `unknown`: it may exist.
    """

    ref: str
    state: CreationState
    task_id: str | None = None
    field: str | None = None
    problem: str | None = None


_Results = dict[str, CreationResult]


class CreateOnce:
    """Creates tasks in one queue of one account. `listed`: ref → record that the queue's list has shown."""

    def __init__(self, context: AccountContext, public_url: str, queue_id: str) -> None:
        self._context = context
        self._public_url = public_url
        self._queue_id = queue_id
        self._listed: dict[str, TaskRecord] = {}
        self._problem: SchedulerError | None = None
        """Why no more tasks are sent."""

    async def look(self, refs: Collection[str]) -> None:
        """Read the queue's list for these refs, since tasks may be unknown to the store. Raises InputError if
        there is no such queue.
        """
        try:
            async for record in self._context.client.iter_tasks(self._queue_id):
                paths = [path for path in map(our_hook, record.urls.values()) if path]
                found = {path.ref for path in paths if path.ref and self._context.signer.verify(path)}
                self._listed.update((ref, record) for ref in found if ref in refs)
        except SchedulerNotFoundError:
            raise self._no_queue() from None

    async def create(
        self,
        tasks: Sequence[KeyedTask],
        track: Callable[[Sequence[Sequence[KeyedTask]]], Iterable[Sequence[KeyedTask]]] = iter,
    ) -> list[CreationResult]:
        """Return the result of each task, whose refs differ. `track`: shows progress over the chunks.

        Raises InputError if there is no such queue, SchedulerError only if no task was sent.
        """
        size = self._context.client.account.create_chunk
        chunks = [tasks[start : start + size] for start in range(0, len(tasks), size)]
        results: _Results = {}
        for chunk in track(chunks):
            results |= self._not_sent(chunk) if self._problem else await self._create_chunk(chunk)
        if self._problem and not any(result.state in ("created", "unknown") for result in results.values()):
            raise self._problem
        return [results[task.ref] for task in tasks]

    async def _create_chunk(self, chunk: Sequence[KeyedTask]) -> _Results:
        claim = self._new_claim()
        work = partial(creation_sql.claim, claim=claim, tasks=chunk, listed=self._listed)
        known = await self._context.store.write(work)
        results: _Results = {}
        ours, doubtful = [], []
        for keyed in chunk:
            task = known[keyed.ref]
            if task.creation is not None and task.creation.claim == claim.name:
                ours.append(keyed)
            elif (result := self._known_result(keyed, task)) is not None:
                results[keyed.ref] = result
            else:
                doubtful.append(keyed)
        results |= await self._send(claim, ours)
        if doubtful:
            results |= await self._settle(doubtful)
        return results

    def _known_result(self, keyed: KeyedTask, known: KnownTask) -> CreationResult | None:
        """Return the result of a task that need not be sent; None if it is not known to exist."""
        if known.stored is None and (record := self._listed.get(keyed.ref)):
            known = KnownTask(known.creation, record)
        if known.differs(keyed, self._queue_id, self._context.region):
            return CreationResult(keyed.ref, "conflict", field="ref", problem=_CONFLICT)
        return CreationResult(keyed.ref, "exists", known.task_id) if known.exists else None

    async def _send(self, claim: CreationClaim, tasks: Sequence[KeyedTask]) -> _Results:
        """Send claimed tasks."""
        if not tasks:
            return {}
        if self._problem:
            return await self._refused(claim, tasks, self._problem)
        context, sent_at = self._context, self._context.clock.now()
        sent = self._with_urls(tasks)
        try:
            async with asyncio.timeout(context.clock.real(_SEND_S)):
                records = await create_tasks(context, self._queue_id, sent)
        except TimeoutError:
            return await self._note(claim, tasks, {})
        except AmbiguousCreateError as error:
            await record_created(context, self._queue_id, sent_at, sent, error.created)
            return await self._note(claim, tasks, {i: record.id for i, record in error.created.items()})
        except SchedulerError as error:
            return await self._refused(claim, tasks, error)
        return await self._note(claim, tasks, dict(enumerate(record.id for record in records)))

    async def _refused(
        self, claim: CreationClaim, tasks: Sequence[KeyedTask], error: SchedulerError
    ) -> _Results:
        """Return the results of tasks of which the scheduler has surely created none."""
        is_of_content = isinstance(error, SchedulerRefusedError) and error.status in _CONTENT
        if is_of_content and len(tasks) > 1:  # one of them is wrong: find out which
            half = len(tasks) // 2
            return await self._send(claim, tasks[:half]) | await self._send(claim, tasks[half:])
        work = partial(creation_sql.release, claim=claim, refs=[task.ref for task in tasks])
        await self._context.store.write(work)
        if isinstance(error, SchedulerNotFoundError):
            raise self._no_queue() from None
        if is_of_content:
            words = set(re.findall(r"\w+", str(error)))
            field = next((name for name in FIELDS if name in words), None)
            return {task.ref: CreationResult(task.ref, "refused", None, field, str(error)) for task in tasks}
        self._problem = error
        return self._not_sent(tasks)

    def _not_sent(self, tasks: Sequence[KeyedTask]) -> _Results:
        problem = f"not sent ({self._problem}): send it again" if self._problem else _NOT_SENT
        return {task.ref: CreationResult(task.ref, "refused", problem=problem) for task in tasks}

    async def _note(
        self, claim: CreationClaim, tasks: Sequence[KeyedTask], task_ids: Mapping[int, str]
    ) -> _Results:
        """Store which tasks exist, by index; the others are unknown. Return the results."""
        created = {tasks[index].ref: task_id for index, task_id in task_ids.items()}
        unknown = [task.ref for task in tasks if task.ref not in created]
        await self._context.store.write(
            partial(creation_sql.note_sent, claim=claim, created=created, unknown=unknown)
        )
        return {ref: CreationResult(ref, "created", task_id) for ref, task_id in created.items()} | {
            ref: CreationResult(ref, "unknown", problem=_UNKNOWN) for ref in unknown
        }

    async def _settle(self, doubtful: Sequence[KeyedTask]) -> _Results:
        """Find out what became of tasks that other requests have claimed."""
        known = await self._when_others_have_ended([task.ref for task in doubtful])
        results: _Results = {}
        claims: dict[str, list[KeyedTask]] = defaultdict(list)
        for task in doubtful:
            if (result := self._known_result(task, known[task.ref])) is not None:
                results[task.ref] = result
            elif (row := known[task.ref].creation) is not None:
                claims[row.claim].append(task)
            else:  # the other request was refused
                results |= self._not_sent([task])
        for tasks in claims.values():
            results |= await self._settle_claim(tasks, known)
        return results

    async def _when_others_have_ended(self, refs: Collection[str]) -> Mapping[str, KnownTask]:
        """Return what the store knows of the tasks once no other request for them is under way, or after some
        seconds.
        """
        context = self._context
        for _ in range(_LOOKS):
            known = await context.store.read(partial(creation_sql.known, account=context.account, refs=refs))
            running_since = context.clock.now() - _SEND_S
            rows = [task.creation for task in known.values() if task.creation is not None]
            if not any(row.state == "sending" and row.claimed_at > running_since for row in rows):
                break
            await context.clock.sleep(_LOOK_S)
        return known

    async def _settle_claim(self, tasks: Sequence[KeyedTask], known: Mapping[str, KnownTask]) -> _Results:
        """Look in the queue for tasks of one lost request. Send those again that surely do not exist."""
        context, asked_at = self._context, self._context.clock.now()
        rows = [row for task in tasks if (row := known[task.ref].creation) is not None]
        sent_at = min(row.claimed_at for row in rows)
        is_lost = sent_at < asked_at - _STALE_S or all(row.state == "unknown" for row in rows)
        sent = self._with_urls(tasks)
        try:
            found, are_absent = await context.client.find_tasks(self._queue_id, sent, sent_at)
        except SchedulerError:
            found, are_absent = {}, False
        await record_created(context, self._queue_id, asked_at, sent, found)
        task_ids = {tasks[index].ref: record.id for index, record in found.items()}
        await context.store.write(
            partial(creation_sql.note_created, account=context.account, task_ids=task_ids)
        )
        results = {ref: CreationResult(ref, "exists", task_id) for ref, task_id in task_ids.items()}
        missing = [task for task in tasks if task.ref not in task_ids]
        if missing and are_absent and is_lost:
            claim = self._new_claim()
            refs = [task.ref for task in missing]
            work = partial(creation_sql.take_over, claim=claim, earlier=rows[0].claim, refs=refs)
            taken = await context.store.write(work)
            results |= await self._send(claim, [task for task in missing if task.ref in taken])
        problem = _UNKNOWN if is_lost else _BUSY
        return {ref: CreationResult(ref, "unknown", problem=problem) for ref, _ in missing} | results

    def _new_claim(self) -> CreationClaim:
        context = self._context
        return CreationClaim(context.account, self._queue_id, secrets.token_hex(12), context.clock.now())

    def _with_urls(self, tasks: Sequence[KeyedTask]) -> list[NewTask]:
        return [with_urls(self._context, self._public_url, ref, task) for ref, task in tasks]

    def _no_queue(self) -> InputError:
        return InputError("queue_id", "the scheduler has no queue with this id: see `receiver queues list`")
