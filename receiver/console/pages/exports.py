"""Files of what lists show: exports of the API, for visitors who are signed in."""

from starlette.responses import Response

from receiver.analytics.export_endpoint import ExportParams
from receiver.console.page import Page
from receiver.console.visit import Visit

_EXPORT = "/v1/export/{relation}"


async def _read(visit: Visit) -> Response:
    """Return the file of a relation. A period is of days in the visitor's zone. Raises InputError, and
    ForbiddenError for a number that the visitor may not look for.
    """
    given = {name: visit.query.get(name) for name in ExportParams.model_fields}
    period = {"since": visit.moment("since"), "until": visit.moment("until", is_end=True)}
    answer: Response = await visit.get(_EXPORT, {"relation": visit.path["relation"]}, **{**given, **period})
    return answer


EXPORTS = Page("/export/{relation}", "", _read)
