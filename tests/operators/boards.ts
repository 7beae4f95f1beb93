// What a board of ours is, in the types that Grafana publishes: of each kind of panel its own options and
// its own part of the field settings, which the type of a whole dashboard leaves open.
import type { DataQuery, DataSourceRef, Dashboard, FieldConfigSource, Panel, RowPanel } from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as statetimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// What Prometheus is asked is no part of @grafana/schema: these fields are as its plugin documents them.
interface Target extends Omit<DataQuery, 'datasource'> {
  datasource: DataSourceRef;
  expr: string;
  legendFormat: string;
  instant?: boolean;
  range?: boolean;
  exemplar?: boolean;
  format?: 'time_series' | 'table' | 'heatmap';
}

type Fields<Custom> = Omit<FieldConfigSource, 'defaults'> & {
  defaults: Omit<FieldConfigSource['defaults'], 'custom'> & { custom?: Custom };
};

interface Of<Kind extends string, Options, Custom>
  extends Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> {
  type: Kind;
  options: Options;
  fieldConfig: Fields<Custom>;
  targets: Target[];
}

interface Words extends Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> {
  type: 'text';
  options: text.Options;
}

type Nothing = Record<string, never>;

export interface Board extends Omit<Dashboard, 'panels'> {
  panels: Array<
    | RowPanel
    | Words
    | Of<'bargauge', bargauge.Options, Nothing>
    | Of<'heatmap', heatmap.Options, heatmap.FieldConfig>
    | Of<'stat', stat.Options, Nothing>
    | Of<'state-timeline', statetimeline.Options, statetimeline.FieldConfig>
    | Of<'table', table.Options, table.FieldConfig>
    | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>
  >;
}
