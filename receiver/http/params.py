"""What can be asked: query parameters and bodies."""

from typing import Annotated

from pydantic import Field, StringConstraints

from receiver.http.endpoint import Asked
from receiver.http.values import Word

DEFAULT_LIMIT, MAX_LIMIT = 50, 500


Account = Annotated[Word | None, Field(description="Only this account's.", examples=["main"])]


QueueId = Annotated[Word | None, Field(description="Only this queue's, by the vendor's id.", examples=["17"])]


Cursor = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=r"^[A-Za-z0-9_-]+$"),
]


SINCE, UNTIL = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"


class AccountQuery(Asked):
    """One account, or all."""

    account: Account = None


class PageQuery(Asked):
    """A page of a list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="At most so many.", examples=[50])
    cursor: Cursor | None = Field(None, description="The page after the one whose `next_cursor` this is.")
