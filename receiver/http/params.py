"""Query parameters that several endpoints have."""

from typing import Annotated

from pydantic import Field, StringConstraints

from receiver.http.endpoint import Params
from receiver.http.schemas import Word

DEFAULT_LIMIT, MAX_LIMIT = 50, 500

Account = Annotated[Word | None, Field(description="Only this account.", examples=["main"])]

QueueId = Annotated[Word | None, Field(description="Only this queue (id of the vendor).", examples=["17"])]

Cursor = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[A-Za-z0-9_-]+$")]

SINCE, UNTIL = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"


class AccountQuery(Params):
    """An account, or all."""

    account: Account = None


class PageQuery(Params):
    """A page of a list."""

    limit: int = Field(
        DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Maximum number of rows.", examples=[50]
    )
    cursor: Cursor | None = Field(None, description="The page after the one whose `next_cursor` this is.")
