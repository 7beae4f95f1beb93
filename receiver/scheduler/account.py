"""One account at one scheduler: its address, its paths, its credentials, and the limits of a request."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from receiver.errors import SettingsError

QUEUES_PATH = "task_scheduler/"
QUEUE_PATH = "task_scheduler/{queue_id}"
TASKS_PATH = "task_scheduler/{queue_id}/{task_segment}/"
TASK_PATH = "task_scheduler/{queue_id}/{task_segment}/{task_id}"
CREATE_PATH = "task_scheduler/{queue_id}/{create_segment}/"
CALL_PATH = "call_history/{call_uuid}"
"""Paths of the API below the account's client. Lists and creations end in a slash."""


@dataclass(frozen=True, slots=True)
class SchedulerAccount:
    """`client_id` is the account's number in paths (`@me` may work), not the application's `oauth_client_id`.

    Times in seconds. `token_url` defaults to `/oauth/token` at the root of the host. `lists_finished`: lists
    are known to show finished tasks; otherwise a task that is not listed may have finished. `quickest_call`:
    least seconds from the start of a callback to its end.
    """

    name: str
    base_url: str
    client_id: str
    oauth_client_id: str
    oauth_client_secret: str = field(repr=False)
    token_url: str | None = None
    task_segment: str = "task"
    create_segment: str = "tasks"
    per_page: int = 100
    timeout: float = 30.0
    connect_timeout: float = 5.0
    max_answer_bytes: int = 16 * 2**20
    create_chunk: int = 50
    pause_as_text: bool = True
    lists_finished: bool = False
    quickest_call: float = 5.0

    def __post_init__(self) -> None:
        for setting in ("base_url", "token_url"):
            url = getattr(self, setting)
            if url is not None and not url.startswith(("http://", "https://")):
                raise SettingsError(f"{setting} of account {self.name}: give a full http(s) URL")

    @property
    def token_endpoint(self) -> str:
        root = urlsplit(self.base_url)
        return self.token_url or f"{root.scheme}://{root.netloc}/oauth/token"
