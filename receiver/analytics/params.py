"""Query parameters of analytics."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, create_model

from receiver.analytics.measures import MEASURES, Measure
from receiver.analytics.query import SLICES, Dimension
from receiver.http.endpoint import Params
from receiver.http.params import Account, QueueId
from receiver.http.schemas import Word
from receiver.i18n.catalogue import Language

_LONG, _SHORT = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])", "(0[469]|11)-(0[1-9]|[12][0-9]|30)"
_DAY = f"20[0-9]{{2}}-({_LONG}|{_SHORT}|02-(0[1-9]|1[0-9]|2[0-8]))"
_BOUND = f"^{_DAY}(T([01][0-9]|2[0-3]):00:00Z)?$"
"""Pattern in the OpenAPI document, a little stricter than what is accepted."""

Bound = Annotated[
    str,
    StringConstraints(max_length=40),
    WithJsonSchema({"type": "string", "pattern": _BOUND}),
]
"""A day of the zone, or a moment on a full hour; `read_period` checks it."""

Zone = Annotated[str, StringConstraints(min_length=1, max_length=60)]
_SINCE, _UNTIL = "2026-03-01", "2026-03-31"


class ScopeParams(Params):
    """Tasks and period of a query."""

    zone: Zone | None = Field(
        None,
        description="Time zone of days and hours. Default: the receiver's zone.",
        examples=["Europe/Moscow"],
    )
    since: Bound | None = Field(
        None, description="From this day of the zone, or this full hour.", examples=[_SINCE]
    )
    until: Bound | None = Field(
        None,
        description="To the end of this day, or to this full hour.",
        examples=[_UNTIL],
    )
    account: Account = None
    queue_id: QueueId = None


def _joined(value: object) -> object:
    return (
        value if isinstance(value, str) else ",".join(map(str, value)) if isinstance(value, list) else value
    )


def _pattern(dimensions: tuple[Dimension, ...]) -> str:
    """Return the pattern of `by`: dimensions of place and time, then those of one slice."""
    plain = "|".join(each for each in dimensions if each not in SLICES)
    by_slice: dict[str, list[str]] = {}
    for each in dimensions:
        if each in SLICES:
            by_slice.setdefault(SLICES[each], []).append(each)
    sliced = "|".join(f"({'|'.join(some)})(,({'|'.join(some)}))*" for some in by_slice.values())
    first = f"({plain})(,({plain}))*"
    return f"^({first}|{first},({sliced})|{sliced})?$" if sliced else f"^({first})?$"


def measure_params(measure: Measure) -> type[ScopeParams]:
    """Return the parameters of a measure."""
    by = Annotated[
        str,
        BeforeValidator(_joined),
        StringConstraints(max_length=200),
        WithJsonSchema({"type": "string", "pattern": _pattern(measure.by)}),
    ]
    names = ", ".join(f"`{each}`" for each in measure.by)
    default = ",".join(measure.default_by)
    fields: dict[str, Any] = {
        "by": (
            by | None,
            Field(
                None,
                description=f"Dimensions of the rows, separated by commas: {names}. "
                + (f"Default: `{default}`." if default else "Default: none, a single row."),
                examples=[default or "day,queue"],
            ),
        ),
        "basis": (
            Literal[measure.basis] | None,
            Field(
                None,
                description="Moment that counts: creation of the task, its end, its planned start, or start "
                "of the attempt. "
                f"Default: `{measure.basis[0]}`.",
                examples=[measure.basis[0]],
            ),
        ),
    }
    return create_model(f"{measure.name.title()}Query", __base__=ScopeParams, **fields)


class SidesParams(ScopeParams):
    """The first side of a comparison, and in `than_…` the differences of the second side."""

    basis: Literal["created", "finished", "planned"] = Field(
        "created", description="Moment that counts.", examples=["created"]
    )
    than_since: Bound | None = Field(
        None, description="The other period's first day.", examples=["2026-02-01"]
    )
    than_until: Bound | None = Field(
        None, description="The other period's last day.", examples=["2026-02-28"]
    )
    than_account: Word | None = Field(None, description="The other account.", examples=["second"])
    than_queue_id: Word | None = Field(None, description="The other queue.", examples=["18"])


class ComparisonParams(SidesParams):
    """Both sides of a comparison, and what is compared."""

    figure: Literal["success", "attempts", "yield", "health"] = Field(
        "success", description="The measure whose shares are compared.", examples=["success"]
    )


class ReportParams(SidesParams):
    """What the report is about. Without `than_…` nothing is compared."""

    lang: Language = Field("en", description="Language of the texts.", examples=["ru"])
    each: Literal["queue", "account"] | None = Field(
        None, description="Show each queue or account in a chart.", examples=["queue"]
    )


MEASURE_PARAMS = {measure.name: measure_params(measure) for measure in MEASURES.values()}
