"""Endpoints of tasks, queues, findings and totals."""

from receiver.http.endpoint import Endpoint
from receiver.http.params import AccountQuery
from receiver.tasks.count_endpoint import count_tasks
from receiver.tasks.find_endpoint import FoundTasks, find_number
from receiver.tasks.finding_endpoints import list_findings, list_lost_hooks
from receiver.tasks.params import (
    AnomalyQuery,
    AsOfQuery,
    DriftQuery,
    FindQuery,
    LostHookQuery,
    TaskFilters,
    TaskQuery,
)
from receiver.tasks.queue_endpoints import get_queue, list_queues
from receiver.tasks.schemas import (
    FindingPage,
    Queue,
    QueueList,
    Summary,
    Task,
    TaskNumbers,
    TaskPage,
    TimelineView,
)
from receiver.tasks.summary_endpoint import summarise
from receiver.tasks.task_endpoints import get_task, get_timeline, list_tasks

TASK_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/tasks",
        "List tasks",
        "Newest first, by the time of their first fact. Pages neither skip nor repeat a task while others "
        "are added. With `reason`, `name` or `text` a page looks at 50,000 tasks at most, with `problem` or "
        "`q` at 10,000: it may have fewer rows than `limit`, or none, and a `next_cursor` with which the "
        "search goes on.",
        "read",
        TaskPage,
        list_tasks,
        TaskQuery,
    ),
    Endpoint(
        "GET",
        "/v1/tasks/counts",
        "Count tasks",
        "By state and by problem. A number counts what the list shows with that state or problem and all "
        "other filters. It is exact, or with `at_least` the number among the newest tasks that were looked "
        "at: a thousand, or fewer with some filters.",
        "read",
        TaskNumbers,
        count_tasks,
        TaskFilters,
    ),
    Endpoint(
        "GET",
        "/v1/find",
        "Find the calls to a phone number",
        "Tasks in which the number is called first or second, newest first, with all their attempts. The "
        "number is written in any way, or as its last four digits or more. An audit record says who looked "
        "for it.",
        "numbers",
        FoundTasks,
        find_number,
        FindQuery,
    ),
    Endpoint(
        "GET",
        "/v1/tasks/{account}/{key}",
        "Get a task",
        "By our ref or the vendor's task id; if one task's ref is another's id, the ref wins.",
        "read",
        Task,
        get_task,
        AsOfQuery,
    ),
    Endpoint(
        "GET",
        "/v1/tasks/{account}/{key}/timeline",
        "Get the timeline of a task",
        "The task, all facts that it is folded from in order of arrival, its findings, and its calls "
        "according to call history.",
        "read",
        TimelineView,
        get_timeline,
        AsOfQuery,
    ),
    Endpoint(
        "GET",
        "/v1/queues",
        "List queues",
        "Each queue as the API last described it, its tasks by state, and its last complete sweep.",
        "read",
        QueueList,
        list_queues,
        AccountQuery,
    ),
    Endpoint(
        "GET",
        "/v1/queues/{account}/{queue_id}",
        "Get a queue",
        "As in the list.",
        "read",
        Queue,
        get_queue,
    ),
    Endpoint(
        "GET",
        "/v1/lost-hooks",
        "List lost hooks",
        "Hooks that had to come, by the plan and the end of the task, and did not. A task with a new fact "
        "moves to the front. With `suspected`, hooks that may not be lost: deliveries of the account and "
        "event name no task or are set aside, and a missing hook may be among them. This is decided once "
        "`[aliases]` in the settings is right and `/v1/reread` was called.",
        "read",
        FindingPage,
        list_lost_hooks,
        LostHookQuery,
    ),
    Endpoint(
        "GET",
        "/v1/drift",
        "List drift",
        "Tasks on which hooks and API disagree: about the `result`, the call (`cdr`) or the number of "
        "`attempts`; tasks that are `gone`; tasks without any hook (`silent`).",
        "read",
        FindingPage,
        list_findings("drift"),
        DriftQuery,
    ),
    Endpoint(
        "GET",
        "/v1/anomalies",
        "List anomalies",
        "Facts that contradict others (`misfit`), could not be read (`unreadable`), have a time that is "
        "minutes off (`clock_skew`) or came too late (`late`); refs of several tasks (`shared_ref`), or "
        "with more than 1,000 facts, of which only the first are folded (`crowded`); tasks that failed with "
        "attempts left (`failed_early`).",
        "read",
        FindingPage,
        list_findings("anomaly"),
        AnomalyQuery,
    ),
    Endpoint(
        "GET",
        "/v1/summary",
        "Get totals",
        "Counts of tasks, deliveries, facts and findings.",
        "read",
        Summary,
        summarise,
        AccountQuery,
    ),
)
