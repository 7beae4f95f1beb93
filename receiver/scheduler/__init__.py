"""Typed client of the scheduler's API: its wire shapes, login, quota and retries."""

from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.exchange import Observer
from receiver.scheduler.quota import Quota
from receiver.scheduler.values import start_epoch, utc_epoch, utc_text
from receiver.scheduler.wire import (
    EVENTS,
    CallLeg,
    CallRecord,
    NewQueue,
    NewTask,
    QueueChange,
    QueueRecord,
    TaskRecord,
)

__all__ = [
    "EVENTS",
    "CallLeg",
    "CallRecord",
    "NewQueue",
    "NewTask",
    "Observer",
    "QueueChange",
    "QueueRecord",
    "Quota",
    "SchedulerAccount",
    "SchedulerClient",
    "TaskRecord",
    "start_epoch",
    "utc_epoch",
    "utc_text",
]
