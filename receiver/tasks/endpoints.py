"""Endpoints of tasks, queues, findings and totals."""

from receiver.http.endpoint import Endpoint
from receiver.http.params import AccountQuery
from receiver.tasks.finding_endpoints import list_findings, list_lost_hooks
from receiver.tasks.params import AnomalyQuery, AsOfQuery, DriftQuery, LostHookQuery, TaskQuery
from receiver.tasks.queue_endpoints import get_queue, list_queues
from receiver.tasks.schemas import FindingPage, Queue, QueueList, Summary, Task, TaskPage, TimelineView
from receiver.tasks.summary_endpoint import summarise
from receiver.tasks.task_endpoints import get_task, get_timeline, list_tasks

TASK_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/tasks",
        "List tasks",
        "Newest first, by when they were first heard of. While tasks are added, going from page to page by "
        "`next_cursor` neither skips nor repeats one.",
        "read",
        TaskPage,
        list_tasks,
        TaskQuery,
    ),
    Endpoint(
        "GET",
        "/v1/tasks/{account}/{key}",
        "Look one task up",
        "By our ref or the vendor's task id; where one task's ref is another's id, the ref wins.",
        "read",
        Task,
        get_task,
        AsOfQuery,
    ),
    Endpoint(
        "GET",
        "/v1/tasks/{account}/{key}/timeline",
        "See how we know",
        "The task, every fact that it is folded from in the order in which they were heard, what is wrong "
        "with them, and what call history says of its calls.",
        "read",
        TimelineView,
        get_timeline,
        AsOfQuery,
    ),
    Endpoint(
        "GET",
        "/v1/queues",
        "List queues",
        "What the API last said of each queue, its tasks by state, and when it was last read whole.",
        "read",
        QueueList,
        list_queues,
        AccountQuery,
    ),
    Endpoint(
        "GET",
        "/v1/queues/{account}/{queue_id}",
        "Look one queue up",
        "As in the list.",
        "read",
        Queue,
        get_queue,
    ),
    Endpoint(
        "GET",
        "/v1/lost-hooks",
        "List lost hooks",
        "Hooks that had to come, by the task's plan and end, and did not. "
        "A task that is heard of again moves to the front. With `suspected` those that may not be lost: "
        "deliveries of the account and event name no task, or are set aside, and a missing hook may be among "
        "them. They are lost, or not, once `[aliases]` of the settings is right and `/v1/reread` was asked.",
        "read",
        FindingPage,
        list_lost_hooks,
        LostHookQuery,
    ),
    Endpoint(
        "GET",
        "/v1/drift",
        "List drift",
        "Tasks of which hooks and API say different things: about the `result`, the call (`cdr`), the number "
        "of `attempts`; tasks that are `gone`; tasks none of whose hooks came (`silent`).",
        "read",
        FindingPage,
        list_findings("drift"),
        DriftQuery,
    ),
    Endpoint(
        "GET",
        "/v1/anomalies",
        "List anomalies",
        "Facts that do not fit the others (`misfit`), could not be read (`unreadable`), carry a clock that "
        "is minutes off (`clock_skew`) or came too late (`late`); refs that several tasks carry "
        "(`shared_ref`), or that have more than 1,000 facts, of which only the first are folded (`crowded`); "
        "tasks that failed before their attempts were used up (`failed_early`).",
        "read",
        FindingPage,
        list_findings("anomaly"),
        AnomalyQuery,
    ),
    Endpoint(
        "GET",
        "/v1/summary",
        "Count everything",
        "Counts of tasks, deliveries, facts and findings.",
        "read",
        Summary,
        summarise,
        AccountQuery,
    ),
)
