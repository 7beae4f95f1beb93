"""Files of what lists show: exports of the API, for visitors who are signed in."""

from starlette.responses import Response

from receiver.console.page import Page
from receiver.console.visit import Visit

_EXPORT = "/v1/export/{relation}"


async def _read(visit: Visit) -> Response:
    """Return the file of a relation. A period is of days in the visitor's zone. Raises InputError."""
    answer: Response = await visit.get(
        _EXPORT,
        {"relation": visit.path["relation"]},
        format=visit.query.get("format"),
        locale=visit.query.get("locale"),
        account=visit.query.get("account"),
        since=visit.moment("since"),
        until=visit.moment("until", is_end=True),
    )
    return answer


EXPORTS = Page("/export/{relation}", "", _read)
