"""A board: rows of panels under questions, laid out from left to right, with the variables that they use."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import Panel, RowPanel

from dashboards.panels import SOURCE
from dashboards.query import ANYWHERE, VARIABLES

TAG = "receiver"
_WIDTH = 24
_HAS_VALUES: Mapping[str, str] = {
    "job": "callback_build_info",
    "instance": "callback_build_info",
    "queue": "callback_tasks",
    "account": "callback_scheduler_api_quota_remaining",
    "subscription": "callback_subscription_state",
    "event": "callback_intake_requests_total",
}
"""Variable → where its values are looked up."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question and the panels that answer it."""

    question: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """`name`: of its file; `since`: what it shows at first, from then until now."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]
    since: str = "now-6h"

    @property
    def uid(self) -> str:
        return f"receiver-{self.name}"

    def text(self) -> str:
        """Its JSON, the same each time."""
        builder = (
            build.Dashboard(self.title)
            .uid(self.uid)
            .description(self.about)
            .tags([TAG])
            .timezone("browser")
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .refresh("30s")
            .link(_others())
            .with_variable(_datasource())
        )
        model = builder.build()
        model.panels = list(_placed(self.rows))
        used = _used(model.panels)
        for name in VARIABLES:
            if name in used:
                builder.with_variable(_variable(name))
        return json.dumps(_plain(model), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _placed(rows: Sequence[Row]) -> Iterator[Panel | RowPanel]:
    """Each with an id and a place of its own."""
    number, top = 0, 0
    for row in rows:
        number += 1
        grid = dashboard.GridPos(x=0, y=top, w=_WIDTH, h=1)
        yield RowPanel(id_val=number, title=row.question, grid_pos=grid)
        left, top, below = 0, top + 1, top + 1
        for panel in row.panels:
            number += 1
            size = panel.grid_pos or dashboard.GridPos()
            if left + size.w > _WIDTH:
                left, top = 0, below
            panel.id_val = number
            panel.grid_pos = dashboard.GridPos(x=left, y=top, w=size.w, h=size.h)
            left, below = left + size.w, max(below, top + size.h)
            yield panel
        top = below


def _used(panels: Sequence[Panel | RowPanel]) -> set[str]:
    """The variables that are in any query."""
    exprs = (
        str(getattr(target, "expr", ""))
        for panel in panels
        if isinstance(panel, Panel)
        for target in panel.targets or []
    )
    return {name for expr in exprs for name in re.findall(r'=~"\$(\w+)"', expr)}


def _others() -> build.DashboardLink:
    return (
        build.DashboardLink("Boards of the receiver")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .icon("dashboard")
        .tooltip("The other boards, of the same time and choice")
        .include_vars(True)
        .keep_time(True)
    )


def _datasource() -> build.DatasourceVariable:
    current = dashboard.VariableOption(text="Prometheus", value="prometheus")
    return build.DatasourceVariable("datasource").label("Data source").type("prometheus").current(current)


def _variable(name: str) -> build.QueryVariable:
    """Many values or all of them may be chosen; those offered go by what is chosen before it."""
    before = ANYWHERE[: ANYWHERE.index(name)] if name in ANYWHERE else ANYWHERE
    matchers = ",".join(f'{label}=~"${label}"' for label in before)
    return (
        build.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(f"label_values({_HAS_VALUES[name]}{{{matchers}}}, {name})")
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(dashboard.VariableOption(text=["All"], value=["$__all"]))
    )


def _plain(model: dashboard.Dashboard) -> dict[str, Any]:
    """What Grafana reads. The encoder also writes `auto…`, which only variables of intervals have, and the
    footer of tables, which is no more.
    """
    plain: dict[str, Any] = json.loads(JSONEncoder().encode(model))
    for variable in plain["templating"]["list"]:
        for name in ("auto", "auto_count", "auto_min"):
            variable.pop(name, None)
    for panel in plain["panels"]:
        panel.get("options", {}).pop("footer", None)
    return plain
