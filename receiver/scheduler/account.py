"""One account at one scheduler: where it is, how to log in, and what is unknown about it as settings."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from receiver.errors import InputError, SettingsError


@dataclass(frozen=True, slots=True)
class SchedulerAccount:
    """`client_id` is the account's number in paths (`@me` may work), not the application's `oauth_client_id`.

    Times in seconds. `token_url` defaults to `/oauth/token` at the root of the host.
    `lists_finished`: the lists are known to show finished tasks; while that is not known, a task that
    is not listed may have finished. `quickest_call`: no callback is over sooner than that after its start.
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

    @property
    def queues_url(self) -> str:
        return f"{self._client}/task_scheduler/"

    def queue_url(self, queue_id: str | int) -> str:
        return self.queues_url + _segment("queue_id", queue_id)

    def tasks_url(self, queue_id: str | int) -> str:
        return f"{self.queue_url(queue_id)}/{self.task_segment}/"

    def task_url(self, queue_id: str | int, task_id: str | int) -> str:
        return self.tasks_url(queue_id) + _segment("task_id", task_id)

    def create_url(self, queue_id: str | int) -> str:
        return f"{self.queue_url(queue_id)}/{self.create_segment}/"

    def call_url(self, uuid: str) -> str:
        return f"{self._client}/call_history/{_segment('call_uuid', uuid)}"

    @property
    def _client(self) -> str:
        return f"{self.base_url.rstrip('/')}/client/{_segment('client_id', self.client_id)}"


def _segment(name: str, value: str | int) -> str:
    """One path segment. An empty id would turn the call for one object into a call for all of them."""
    text = str(value)
    if text in {"", ".", ".."}:
        raise InputError(name, "must not be empty")
    return quote(text, safe="@")
