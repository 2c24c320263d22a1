// The panels that Grafana publishes components of.

const { createElement: e } = require('react');
const {
  dateTime,
  FieldType,
  getDisplayValueAlignmentFactors,
  getFieldDisplayName,
  getFieldDisplayValues,
} = require('@grafana/data');
const { FlameGraph } = require('@grafana/flamegraph');
const { BarGauge, BigValue, Table, TimeSeries, VizRepeater } = require('@grafana/ui');
const { theme } = require('./fields');

const values = ({ panel, data }, sparkline) =>
  getFieldDisplayValues({
    data,
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: (text) => text,
    sparkline,
    theme,
    timeZone: 'utc',
  });

function stat(props) {
  const { width, height } = props;
  const { options } = props.panel;
  const found = values(props, options.graphMode !== 'none');
  return e(VizRepeater, {
    source: props.data,
    getValues: () => found,
    getAlignmentFactors: getDisplayValueAlignmentFactors,
    renderCounter: 0,
    width,
    height,
    orientation: options.orientation,
    autoGrid: true,
    renderValue: ({ value, alignmentFactors, width, height, count }) =>
      e(BigValue, {
        theme,
        value: value.display,
        count,
        sparkline: value.sparkline,
        colorMode: options.colorMode,
        graphMode: options.graphMode,
        justifyMode: options.justifyMode,
        // Grafana hides the name of a single value.
        textMode: options.textMode === 'auto' && found.length === 1 ? 'value' : options.textMode,
        alignmentFactors,
        text: options.text,
        wideLayout: options.wideLayout,
        width,
        height,
      }),
  });
}

function bargauge(props) {
  const { width, height } = props;
  const { options } = props.panel;
  const found = values(props, false);
  return e(VizRepeater, {
    source: props.data,
    getValues: () => found,
    getAlignmentFactors: getDisplayValueAlignmentFactors,
    renderCounter: 0,
    width,
    height,
    minVizHeight: options.minVizHeight,
    maxVizHeight: options.maxVizHeight,
    minVizWidth: options.minVizWidth,
    itemSpacing: 8,
    orientation: options.orientation,
    renderValue: ({ value, alignmentFactors, orientation, width, height }) =>
      e(BarGauge, {
        theme,
        value: value.display,
        field: value.field,
        display: value.view.getFieldDisplayProcessor(value.colIndex),
        alignmentFactors,
        orientation,
        displayMode: options.displayMode,
        namePlacement: options.namePlacement,
        showUnfilled: options.showUnfilled,
        valueDisplayMode: options.valueMode,
        text: options.text,
        itemSpacing: 8,
        lcdCellWidth: 12,
        width,
        height,
      }),
  });
}

function timeseries({ panel, data, from, to, width, height }) {
  const [start, end] = [dateTime(from), dateTime(to)];
  return e(TimeSeries, {
    frames: data,
    structureRev: 1,
    timeRange: { from: start, to: end, raw: { from: start, to: end } },
    timeZone: 'utc',
    legend: panel.options.legend,
    options: panel.options,
    width,
    height,
  });
}

function table({ panel, data, width, height }) {
  const sortBy = (panel.options.sortBy ?? []).map(({ displayName, desc }) => ({
    displayName,
    desc,
  }));
  return e(Table, {
    data: data[0],
    width,
    height,
    initialSortBy: sortBy,
    columnMinWidth: panel.fieldConfig.defaults.custom?.minWidth,
    cellHeight: panel.options.cellHeight,
    fieldConfig: panel.fieldConfig,
  });
}

// Its header is for people who click; the bars are the picture.
function flamegraph({ data, width }) {
  return e(
    'div',
    { style: { width, position: 'absolute' } },
    e(FlameGraph, {
      data: data[0],
      getTheme: () => theme,
      disableCollapsing: true,
      showFlameGraphOnly: true,
    })
  );
}

module.exports = { stat, bargauge, timeseries, table, flamegraph, FieldType, getFieldDisplayName };
