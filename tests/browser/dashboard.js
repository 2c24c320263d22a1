// Draws a dashboard on its own grid, from the answers of its queries.
//
// The page holds `window.BOARD`: the title, and each panel with its frames and its time range.
// What was drawn is written down as JSON: for each panel its title, whether its queries found
// nothing, and whether it was drawn.

const { Component, createElement: e, useEffect } = require('react');
const { createRoot } = require('react-dom/client');
const { EventBusSrv, ThemeContext } = require('@grafana/data');
const { GlobalStyles, PanelContextProvider } = require('@grafana/ui');
const published = require('./panels/published');
const drawn = require('./panels/drawn');
const { prepare, theme } = require('./panels/fields');

const COLUMNS = 24;
const CELL = 30; // Grafana's row height, and its gap between panels.
const GAP = 8;
const HEADER = 32;
const BOX = { padding: 8 };

// Grafana loads this with its own style sheet.
document.head.appendChild(document.createElement('style')).textContent = require('uplot/dist/uPlot.min.css');

const { width, title, panels } = window.BOARD;
const kinds = { ...drawn, ...published };
const cell = (width - GAP) / COLUMNS;
const bottom = Math.max(...panels.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h));
const empty = ({ frames }) => !frames.some(({ fields }) => fields.some((f) => f.values.length));

// One panel that cannot be drawn says why, and the others are drawn.
class Boundary extends Component {
  state = { error: null };
  static getDerivedStateFromError(error) {
    return { error };
  }
  render() {
    const { error } = this.state;
    return error ? e('div', { 'data-failed': true }, String(error)) : this.props.children;
  }
}

function box(answered, data) {
  const { panel } = answered;
  const { x, y, w, h } = panel.gridPos;
  const place = {
    position: 'absolute',
    left: GAP + x * cell,
    top: 44 + y * (CELL + GAP),
    width: w * cell - GAP,
    height: h * (CELL + GAP) - GAP,
  };
  if (panel.type === 'row') {
    const style = { ...place, fontWeight: 500, fontSize: 16, padding: '4px 0', lineHeight: '22px' };
    return e('div', { key: panel.id, style }, panel.title);
  }
  const head = panel.title ? HEADER : 0;
  const inner = {
    width: place.width - 2 * BOX.padding,
    height: place.height - head - BOX.padding,
  };
  const content =
    panel.type !== 'text' && empty(answered)
      ? e('div', { style: { textAlign: 'center' } }, panel.fieldConfig.defaults.noValue ?? 'No data')
      : e(Boundary, {}, e(kinds[panel.type], { ...answered, data, ...inner }));
  return e(
    'div',
    {
      key: panel.id,
      style: {
        ...place,
        background: theme.colors.background.primary,
        border: `1px solid ${theme.colors.border.weak}`,
        borderRadius: 2,
        overflow: 'hidden',
      },
    },
    panel.title &&
      e('div', { style: { height: head, padding: '6px 8px', fontWeight: 500, fontSize: 14, whiteSpace: 'nowrap' } }, panel.title),
    e('div', { 'data-panel': panel.id, style: { position: 'relative', margin: '0 8px', ...inner } }, content)
  );
}

// What a panel of each type has when it is drawn; the others have words.
const shapes = {
  barchart: 'rect',
  flamegraph: 'canvas',
  heatmap: 'rect',
  nodeGraph: 'circle',
  table: '[role="row"] [role="cell"]',
  timeseries: 'canvas',
  traces: 'rect',
};

function report() {
  const found = panels
    .filter(({ panel }) => panel.type !== 'row')
    .map((answered) => {
      const { id, title, type } = answered.panel;
      const node = document.querySelector(`[data-panel="${id}"]`);
      const failed = Boolean(node?.querySelector('[data-failed]'));
      const there = shapes[type] ? node?.querySelector(shapes[type]) : node?.innerText.trim();
      return {
        title,
        type,
        empty: type !== 'text' && empty(answered),
        drawn: !failed && Boolean(there),
      };
    });
  document.getElementById('drawn').textContent = JSON.stringify(found);
}

function Board({ data }) {
  useEffect(() => void setTimeout(report, 3000), []);
  return e(
    ThemeContext.Provider,
    { value: theme },
    e(GlobalStyles, {}),
    e(
      PanelContextProvider,
      { value: { eventsScope: 'global', eventBus: new EventBusSrv() } },
      e('div', { style: { position: 'absolute', top: 12, left: GAP + 2, fontSize: 20, fontWeight: 500 } }, title),
      ...panels.map((answered, at) => box(answered, data[at]))
    )
  );
}

const root = document.getElementById('panel');
Object.assign(root.style, { position: 'relative', width: `${width}px`, color: theme.colors.text.primary });
root.style.height = `${44 + bottom * (CELL + GAP)}px`;
document.body.style.background = theme.colors.background.canvas;
document.body.style.fontFamily = theme.typography.fontFamily;
document.body.style.fontSize = '14px';
const ready = [];
let left = panels.length;
panels.forEach((answered, at) =>
  prepare(answered, (data) => {
    ready[at] = data;
    left -= 1;
    if (!left) createRoot(root).render(e(Board, { data: ready }));
  })
);
