"""The state of the scheduler: accounts with queues, tasks and calls, and counters."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from random import Random

from receiver.emulator.config import EmulatorConfig
from receiver.emulator.quirks import Quirks, quirks_of
from receiver.emulator.quota import Quota
from receiver.emulator.records import SCHEDULED, Call, Plan, Queue, Task
from receiver.emulator.rng import rng_for
from receiver.emulator.tokens import Tokens

QUEUE_IDS = 10_000
TASK_IDS = 10_000_000
"""Ids of the n-th account begin after n times this number, so that they ascend and are unique."""


class Account:
    """An account. `tasks`: all, with deleted ones; `calls`: bare uuid → ended call."""

    def __init__(self, number: str, position: int, quota: Quota, quirks: Quirks = frozenset()) -> None:
        self.number = number
        self.quota = quota
        self.quirks = quirks
        self.missing: dict[str, float] = {}
        """Path → time until which it answers 404."""
        self.queues: dict[int, Queue] = {}
        self.tasks: list[Task] = []
        self.calls: dict[str, Call] = {}
        self.history_busy = False
        self.queues_made = 0
        self._position = position

    def new_queue_id(self) -> int:
        self.queues_made += 1
        return self._position * QUEUE_IDS + self.queues_made

    def add_task(self, queue: Queue, plan: Plan, now: float) -> Task:
        ordinal = len(self.tasks) + 1
        task = Task(
            self._position * TASK_IDS + ordinal, ordinal, queue, plan, now, SCHEDULED, due_at=plan.start_at
        )
        self.tasks.append(task)
        queue.tasks[task.id] = task
        return task

    def add_call(self, call: Call) -> None:
        self.calls[bare_uuid(call.uuid)] = call

    def find_call(self, uuid: str) -> Call | None:
        return self.calls.get(bare_uuid(uuid))


class World:
    """The state of all accounts."""

    def __init__(self, config: EmulatorConfig) -> None:
        self.accounts = {
            account.number: Account(
                account.number,
                position,
                Quota(config.quota),
                quirks_of(account.number, config.quirks, config.faults.quirk, config.seed),
            )
            for position, account in enumerate(config.accounts, start=1)
        }
        self._seed = config.seed
        self.tokens = Tokens(config.accounts, config.seed, config.token_ttl)
        self.requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """API requests by operation and status."""
        self.injected: Counter[str] = Counter()
        """Faults by kind."""
        self.seen: Counter[str] = Counter()
        """Number of generators by purpose."""

    def rng_of(self, *purpose: object) -> Random:
        """Return a generator for a repeated decision; each time it is another one."""
        key = ":".join(map(str, purpose))
        self.seen[key] += 1
        return rng_for(self._seed, key, self.seen[key])

    def tasks(self) -> Iterator[Task]:
        """Yield all tasks, also deleted ones, by account in order of creation."""
        for account in self.accounts.values():
            yield from account.tasks


def bare_uuid(uuid: str) -> str:
    """Return a uuid in lower case without dashes, for comparison."""
    return uuid.lower().replace("-", "")
