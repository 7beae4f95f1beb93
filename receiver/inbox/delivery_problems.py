"""Problems of deliveries that requests name: a word that is no problem is refused."""

from sqlalchemy import Connection

from receiver.domain.suggestions import unknown_name
from receiver.errors import InputError
from receiver.inbox.bodies import BROKEN_COMPRESSION
from receiver.inbox.payload import BROKEN_JSON, BROKEN_MULTIPART, NO_FORMAT
from receiver.inbox.unplaced import NAMES_NO_TASK
from receiver.ledger.problems import TOO_LARGE
from receiver.storage.bulk import run

SPECIAL = ("any", "none")
"""Words for deliveries with and without a problem."""

FIXED = (NAMES_NO_TASK, TOO_LARGE, BROKEN_JSON, BROKEN_MULTIPART, BROKEN_COMPRESSION, NO_FORMAT)
"""Problems that a delivery may have, whether one has it already or not. Others name fields or numbers."""

_SHOWN = 60
"""Maximum characters of an unknown problem in an error."""

_STORED = """
WITH RECURSIVE stored(problem) AS (
    SELECT min(problem) FROM delivery WHERE problem IS NOT NULL
    UNION ALL
    SELECT (SELECT min(problem) FROM delivery WHERE problem > stored.problem)
    FROM stored WHERE stored.problem IS NOT NULL
)
SELECT problem FROM stored WHERE problem IS NOT NULL LIMIT 100
"""
"""The first problems by name. It goes from one to the next in the index: thousands may have the same."""


def require_problem(connection: Connection, problem: str | None) -> None:
    """Raise InputError for a problem that no stored delivery has and none could have."""
    if problem is None or problem in SPECIAL or problem in FIXED:
        return
    if run(connection, "SELECT 1 FROM delivery WHERE problem = ? LIMIT 1", problem).first():
        return
    known = {*SPECIAL, *FIXED, *run(connection, _STORED).scalars()}
    raise InputError("problem", unknown_name("problem", problem[:_SHOWN], known))
