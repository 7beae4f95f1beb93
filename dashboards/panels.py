"""The kinds of panels, all of them Grafana's own, each with all that a panel of ours must have."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import bargauge, heatmap, prometheus, statetimeline, text, timeseries
from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.builders.stat import Panel as StatPanel
from grafana_foundation_sdk.builders.table import Panel as TablePanel
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.dashboard import Panel, Threshold
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from dashboards.face import Face, Size, Steps
from dashboards.limits import Limit
from dashboards.query import Query

_REFS = ascii_uppercase
_FORMATS = {"table": PromQueryFormat.TABLE, "heatmap": PromQueryFormat.HEATMAP}
_COLOURED_BY_LIMIT = ("stat", "bargauge", "table", "state-timeline")

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")


def stat(face: Face, query: Query, size: Size = (4, 4), to: str = "") -> Panel:
    """The figure of now, coloured by the limit. `to`: uid of the board that tells more."""
    mode = common.BigValueColorMode.BACKGROUND if face.is_limited else common.BigValueColorMode.VALUE
    panel = (
        StatPanel()
        .reduce_options(_last())
        .text_mode(common.BigValueTextMode.VALUE)
        .color_mode(mode)
        .graph_mode(common.BigValueGraphMode.NONE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .orientation(common.VizOrientation.AUTO)
        .build()
    )
    panel.links = _links(to)
    return _dressed(panel, face, (query,), size)


def lines(face: Face, *queries: Query, size: Size = (12, 8), stacked: bool = False, to: str = "") -> Panel:
    """Figures over time; a limit is a dashed line. `to`: uid of the board that tells more."""
    style = common.GraphThresholdsStyleMode.DASHED if face.is_limited else common.GraphThresholdsStyleMode.OFF
    stacking = common.StackingMode.NORMAL if stacked else common.StackingMode.NONE
    panel = (
        timeseries.Panel()
        .legend(_legend())
        .tooltip(_tooltip())
        .line_width(1)
        .fill_opacity(30 if stacked else 10)
        .show_points(common.VisibilityMode.NEVER)
        .span_nulls(False)
        .axis_soft_min(0)
        .stacking(build.StackingConfig().mode(stacking).group("A"))
        .thresholds_style(build.GraphThresholdsStyleConfig().mode(style))
        .build()
    )
    panel.links = _links(to)
    return _dressed(panel, face, queries, size)


def heat(face: Face, expr: str, size: Size = (12, 8)) -> Panel:
    """A histogram over time, with the traces that its buckets name; the unit is that of its buckets."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .steps(64)
            .exponent(0.5)
            .fill("dark-blue")
            .reverse(False)
        )
        .y_axis(heatmap.YAxisConfig().unit(face.unit))
        .cell_gap(1)
        .exemplars_color("rgba(255,0,255,0.7)")
        .show_legend()
        .show_value(common.VisibilityMode.NEVER)
        .build()
    )
    return _dressed(panel, face, (Query(expr, "{{le}}"),), size)


def bars(face: Face, *queries: Query, size: Size = (8, 8)) -> Panel:
    """One bar for each time series, of now."""
    panel = (
        bargauge.Panel()
        .reduce_options(_last())
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .value_mode(common.BarGaugeValueMode.COLOR)
        .name_placement(common.BarGaugeNamePlacement.AUTO)
        .sizing(common.BarGaugeSizing.AUTO)
        .show_unfilled(True)
        .min_viz_width(8)
        .min_viz_height(16)
        .max_viz_height(300)
        .legend(_legend(shown=False))
        .build()
    )
    return _dressed(panel, face, queries, size)


def states(face: Face, query: Query, names: Sequence[tuple[str, str, str]], size: Size = (12, 8)) -> Panel:
    """What state each time series is in, over time. `names`: value → words and colour."""
    panel = (
        statetimeline.Panel()
        .show_value(common.VisibilityMode.AUTO)
        .row_height(0.9)
        .merge_values(True)
        .align_value(common.TimelineValueAlignment.LEFT)
        .legend(_legend())
        .tooltip(_tooltip())
        .fill_opacity(70)
        .line_width(0)
        .build()
    )
    panel = _dressed(panel, face, (query,), size)
    _defaults(panel).mappings = [_value_map(names)]
    return panel


def table(face: Face, *queries: Query, columns: Sequence["Column"], size: Size = (12, 8)) -> Panel:
    """A row for each combination of labels; several queries are columns of the same rows. `columns`: those
    that are shown, in this order; the value of query A is `Value #A`.
    """
    panel = (
        TablePanel()
        .show_header(True)
        .frame_index(0)
        .cell_height(common.TableCellHeight.SM)
        .cell_options(common.TableAutoCellOptions())
        .build()
    )
    panel = _dressed(panel, face, queries, size)
    panel.transformations = [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(id_val="organize", options=_arranged(columns)),
    ]
    _config(panel).overrides = [column.override() for column in columns if column.unit]
    return panel


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the field as the query gives it, its heading, and of values unit and limit."""

    field: str
    heading: str
    unit: str = ""
    limit: Limit | None = None

    def override(self) -> dashboard.DashboardFieldConfigSourceOverrides:
        properties = [dashboard.DynamicConfigValue(id_val="unit", value=self.unit)]
        if self.limit:
            steps = Face(self.heading, "", self.unit, self.limit).thresholds
            cell = {"type": "color-text"}
            properties += [
                dashboard.DynamicConfigValue(id_val="thresholds", value=_thresholds(steps)),
                dashboard.DynamicConfigValue(id_val="custom.cellOptions", value=cell),
            ]
        matcher = dashboard.MatcherConfig(id_val="byName", options=self.heading)
        return dashboard.DashboardFieldConfigSourceOverrides(matcher=matcher, properties=properties)


def note(title: str, about: str, content: str, size: Size = (24, 3)) -> Panel:
    """Words, in Markdown."""
    panel = text.Panel().mode(TextMode.MARKDOWN).content(content).title(title).description(about).build()
    panel.grid_pos = dashboard.GridPos(w=size[0], h=size[1])
    return panel


def _dressed(panel: Panel, face: Face, queries: Sequence[Query], size: Size) -> Panel:
    """The panel with what all kinds have in common."""
    panel.title, panel.description = face.title, face.description
    panel.datasource = SOURCE
    panel.grid_pos = dashboard.GridPos(w=size[0], h=size[1])
    panel.targets = [_target(ref, query, panel.type_val) for ref, query in zip(_REFS, queries, strict=False)]
    defaults = _defaults(panel)
    defaults.unit = face.unit
    defaults.thresholds = _thresholds(face.thresholds)
    mode = dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME
    if panel.type_val in _COLOURED_BY_LIMIT:
        mode = dashboard.FieldColorModeId.THRESHOLDS
    defaults.color = dashboard.FieldColor(mode=mode)
    return panel


def _config(panel: Panel) -> dashboard.FieldConfigSource:
    panel.field_config = panel.field_config or dashboard.FieldConfigSource()
    return panel.field_config


def _defaults(panel: Panel) -> dashboard.FieldConfig:
    return _config(panel).defaults


def _target(ref: str, query: Query, kind: str) -> Dataquery:
    target = (
        prometheus.Dataquery().ref_id(ref).expr(query.expr).legend_format(query.legend).datasource(SOURCE)
    )
    target.format(_FORMATS.get(kind, PromQueryFormat.TIME_SERIES)).exemplar(kind == "heatmap")
    return (target.instant() if query.is_instant else target.range()).build()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[Threshold(value=value, color=colour) for value, colour in steps],
    )


def _value_map(names: Sequence[tuple[str, str, str]]) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        {
            value: dashboard.ValueMappingResult(text=words, color=colour, index=index)
            for index, (value, words, colour) in enumerate(names)
        }
    )


def _arranged(columns: Sequence[Column]) -> dict[str, object]:
    return {
        "includeByName": {column.field: True for column in columns},
        "indexByName": {column.field: number for number, column in enumerate(columns)},
        "renameByName": {column.field: column.heading for column in columns},
    }


def _last() -> build.ReduceDataOptions:
    return build.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _legend(shown: bool = True) -> build.VizLegendOptions:
    return (
        build.VizLegendOptions()
        .show_legend(shown)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _tooltip() -> build.VizTooltipOptions:
    return build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def _links(uid: str) -> list[dashboard.DashboardLink]:
    link = DashboardLink("Tell more").type(dashboard.DashboardLinkType.LINK)
    return [link.url(f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}").build()] if uid else []
