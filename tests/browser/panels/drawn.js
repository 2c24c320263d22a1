// The panels that Grafana publishes no component of: their form is Grafana's, the drawing is ours.

const { createElement: e } = require('react');
const { FieldType, formattedValueToString, getFieldDisplayName } = require('@grafana/data');
const { getValueFormat } = require('@grafana/data');
const d3 = require('d3');
const { theme } = require('./fields');

const muted = theme.colors.text.secondary;
const line = theme.colors.border.weak;
const font = { fontSize: 12, fontFamily: theme.typography.fontFamily };

const shown = (field, value) => formattedValueToString(field.display(value));
const clipped = (text, width) => {
  const most = Math.max(Math.floor(width / 6.6), 3);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
};
const colourOf = (field) => field.display(field.values.find((v) => v != null) ?? 0).color;

function barchart({ panel, data: [frame], width, height }) {
  const { orientation, stacking, xField, legend } = panel.options;
  const names = frame.fields.find((field) => field.name === xField);
  const series = frame.fields.filter((field) => field.type === FieldType.number);
  const stacked = stacking === 'normal';
  const listed = legend.showLegend ? series.filter((f) => !f.config.custom?.hideFrom?.legend) : [];
  const bars = names.values.map((_, row) => {
    let start = 0;
    return series.map((field) => {
      const value = field.values[row] ?? 0;
      const bar = { field, value, start };
      if (stacked) start += value;
      return bar;
    });
  });
  const top = d3.max(bars.flat(), ({ start, value }) => start + value) || 1;
  const flat = orientation === 'horizontal';
  const room = { left: flat ? Math.min(190, width * 0.36) : 70, bottom: 24 + (listed.length ? 22 : 0) };
  const along = d3
    .scaleBand(d3.range(names.values.length), flat ? [0, height - room.bottom] : [room.left, width])
    .paddingInner(0.25)
    .paddingOuter(0.1);
  const across = flat
    ? d3.scaleLinear([0, top], [room.left, width - 70]).nice(4)
    : d3.scaleLinear([0, top], [height - room.bottom, 18]).nice(4);
  const parts = [];
  for (const tick of across.ticks(4)) {
    const at = across(tick);
    const ends = flat
      ? { x1: at, x2: at, y1: 0, y2: height - room.bottom }
      : { x1: room.left, x2: width, y1: at, y2: at };
    const place = flat
      ? { x: at, y: height - room.bottom + 16, textAnchor: 'middle' }
      : { x: room.left - 8, y: at + 4, textAnchor: 'end' };
    parts.push(e('line', { ...ends, stroke: line }));
    parts.push(e('text', { ...place, ...font, fill: muted }, shown(series[0], tick)));
  }
  bars.forEach((row, index) => {
    const at = along(index);
    const name = String(names.values[index] ?? '');
    const middle = at + along.bandwidth() / 2;
    parts.push(
      flat
        ? e('text', { x: room.left - 8, y: middle + 4, textAnchor: 'end', ...font, fill: theme.colors.text.primary }, clipped(name, room.left - 12))
        : e('text', { x: middle, y: height - room.bottom + 16, textAnchor: 'middle', ...font, fill: theme.colors.text.primary }, clipped(name, along.step()))
    );
    const drawn = row.filter(({ value, field }) => value && field.config.color?.fixedColor !== 'transparent');
    row.forEach(({ field, value, start }, place) => {
      if (!value || field.config.color?.fixedColor === 'transparent') return;
      const thick = stacked ? along.bandwidth() : along.bandwidth() / row.length;
      const edge = stacked ? at : at + place * thick;
      const [low, high] = [across(start), across(start + value)];
      parts.push(
        e('rect', {
          ...(flat
            ? { x: low, y: edge, width: Math.max(high - low, 1), height: thick }
            : { x: edge, y: high, width: thick, height: Math.max(low - high, 1) }),
          fill: colourOf(field),
          fillOpacity: (field.config.custom?.fillOpacity ?? 80) / 100,
        })
      );
    });
    const end = drawn.at(-1);
    if (end) {
      const text = drawn.length > 1 ? shown(end.field, end.start + end.value) : shown(end.field, end.value);
      const tip = across(end.start + end.value);
      parts.push(
        flat
          ? e('text', { x: tip + 6, y: middle + 4, ...font, fill: theme.colors.text.primary }, text)
          : e('text', { x: middle, y: tip - 5, textAnchor: 'middle', ...font, fill: theme.colors.text.primary }, text)
      );
    }
  });
  let x = 4;
  for (const field of listed) {
    const name = getFieldDisplayName(field, frame);
    parts.push(e('rect', { x, y: height - 12, width: 14, height: 4, rx: 2, fill: colourOf(field) }));
    parts.push(e('text', { x: x + 20, y: height - 5, ...font, fill: theme.colors.text.primary }, name));
    x += 40 + name.length * 7;
  }
  return e('svg', { width, height }, ...parts);
}

function heatmap({ panel, data: [frame], from, to, width, height }) {
  const { filterValues, color, yAxis } = panel.options;
  const [time, ...all] = frame.fields;
  const busy = all.map((field) => field.values.some((value) => value > filterValues.le));
  const rows = all.slice(Math.max(busy.indexOf(true) - 1, 0), busy.lastIndexOf(true) + 2);
  const room = { left: 64, bottom: 56 };
  const x = d3.scaleUtc([from, to], [room.left, width]);
  const y = d3.scaleBand(d3.range(rows.length), [height - room.bottom, 4]);
  const most = d3.max(rows, (field) => d3.max(field.values)) || 1;
  const colour = d3.scaleSequentialPow(d3[`interpolate${color.scheme}`]).exponent(color.exponent).domain([0, most]);
  const format = getValueFormat(yAxis.unit);
  const bound = (name) => (name === '+Inf' ? '∞' : formattedValueToString(format(Number(name))));
  const wide = Math.max(x(time.values[1]) - x(time.values[0]) - panel.options.cellGap, 1);
  const parts = [];
  rows.forEach((field, row) => {
    field.values.forEach((value, at) => {
      if (!(value > filterValues.le)) return;
      const left = Math.max(x(time.values[at]) - wide, room.left);
      parts.push(e('rect', { x: left, y: y(row) + 1, width: wide, height: Math.max(y.bandwidth() - 1, 1), fill: colour(value) }));
    });
    const every = Math.ceil(rows.length / ((height - room.bottom) / 22));
    if (row % every === 0) {
      parts.push(e('text', { x: room.left - 8, y: y(row) + 4, textAnchor: 'end', ...font, fill: muted }, bound(field.name)));
    }
  });
  for (const tick of x.ticks(width / 110)) {
    parts.push(e('text', { x: x(tick), y: height - room.bottom + 18, textAnchor: 'middle', ...font, fill: muted }, d3.utcFormat('%H:%M')(tick)));
  }
  const scale = d3.range(0, 1, 0.02);
  scale.forEach((share, at) =>
    parts.push(e('rect', { x: room.left + at * 5, y: height - 28, width: 5.5, height: 8, fill: colour(share * most) }))
  );
  parts.push(e('text', { x: room.left, y: height - 5, ...font, fill: muted }, '0'));
  parts.push(e('text', { x: room.left + 250, y: height - 5, textAnchor: 'end', ...font, fill: muted }, `${most.toFixed(0)} calls`));
  return e('svg', { width, height }, ...parts);
}

const column = (frame, name) => frame?.fields.find((field) => field.name === name);

function nodeGraph({ data: [nodes, edges], width, height }) {
  const ids = column(nodes, 'id').values;
  const [sources, targets] = [column(edges, 'source').values, column(edges, 'target').values];
  // Layers from left to right, as Grafana lays its graphs out: after all that point here.
  const depth = new Map(ids.map((id) => [id, 0]));
  for (let round = 0; round < Math.min(ids.length, 12); round++) {
    sources.forEach((source, at) => {
      const next = depth.get(source) + 1;
      if (source !== targets[at] && next > depth.get(targets[at]) && next < 6) depth.set(targets[at], next);
    });
  }
  const layers = d3.groups(ids, (id) => depth.get(id)).sort(([a], [b]) => a - b);
  const radius = Math.max(Math.min(26, height / (d3.max(layers, ([, all]) => all.length) * 2.9)), 9);
  const place = new Map();
  layers.forEach(([, all], layer) => {
    const before = (id) => d3.mean(sources.filter((_, at) => targets[at] === id), (source) => place.get(source)?.y ?? 0) ?? 0;
    const ordered = layer ? d3.sort(all, before) : all;
    ordered.forEach((id, at) =>
      place.set(id, {
        x: 90 + (layer * (width - 270)) / Math.max(layers.length - 1, 1),
        y: ((at + 0.5) * height) / ordered.length - 4,
      })
    );
  });
  const parts = sources.map((source, at) => {
    const [a, b] = [place.get(source), place.get(targets[at])];
    const middle = (a.x + b.x) / 2;
    return e('path', { d: `M${a.x},${a.y}C${middle},${a.y} ${middle},${b.y} ${b.x},${b.y}`, fill: 'none', stroke: theme.colors.text.disabled, strokeOpacity: 0.55 });
  });
  const arcs = nodes.fields.filter((field) => field.name.startsWith('arc__'));
  const round = 2 * Math.PI * radius;
  ids.forEach((id, at) => {
    const { x, y } = place.get(id);
    parts.push(e('circle', { cx: x, cy: y, r: radius, fill: theme.colors.background.primary, stroke: theme.visualization.getColorByName('blue'), strokeWidth: 2 }));
    let start = 0;
    for (const arc of arcs) {
      const share = arc.values[at];
      parts.push(e('circle', { cx: x, cy: y, r: radius, fill: 'none', stroke: colourOf(arc), strokeWidth: 3, strokeDasharray: `${share * round} ${round}`, strokeDashoffset: -start * round, transform: `rotate(-90 ${x} ${y})` }));
      start += share;
    }
    const stat = column(nodes, 'mainstat');
    const second = column(nodes, 'secondarystat');
    const inside = stat ? shown(stat, stat.values[at]) : '';
    const fits = (1.8 * radius) / (0.58 * Math.max(inside.length, 1));
    parts.push(e('text', { x, y: y + 4, textAnchor: 'middle', ...font, fontSize: Math.min(11, radius * 0.62, fits), fill: theme.colors.text.primary }, inside));
    const title = String(column(nodes, 'title')?.values[at] ?? id);
    parts.push(e('text', { x: x + radius + 5, y: y + 1, ...font, fontSize: 11, fill: theme.colors.text.primary }, clipped(title, 150)));
    if (second && radius > 12) {
      parts.push(e('text', { x: x + radius + 5, y: y + 14, ...font, fontSize: 10, fill: muted }, shown(second, second.values[at])));
    }
  });
  return e('svg', { width, height }, ...parts);
}

function traces({ data: [frame], width, height }) {
  const of = (name) => column(frame, name).values;
  const ends = of('start').map((start, at) => start + of('duration')[at]);
  const names = Math.min(420, width * 0.35);
  const x = d3.scaleLinear([0, d3.max(ends)], [names, width - 80]);
  const format = (ms) => formattedValueToString(getValueFormat('ms')(ms, 2));
  const tall = 24;
  const services = [...new Set(of('service'))];
  const parts = x.ticks(6).flatMap((tick) => [
    e('line', { x1: x(tick), x2: x(tick), y1: 20, y2: height, stroke: line }),
    e('text', { x: x(tick), y: 13, textAnchor: 'middle', ...font, fill: muted }, format(tick)),
  ]);
  of('name').forEach((name, at) => {
    const y = 24 + at * tall;
    if (y + tall > height) return;
    const left = 8 + of('depth')[at] * 16;
    const colour = theme.visualization.getColorByName(theme.visualization.palette[services.indexOf(of('service')[at])]);
    parts.push(e('rect', { x: left - 6, y: y + 3, width: 3, height: tall - 6, fill: colour }));
    const failed = of('failed')[at] ? '  ✕ failed' : '';
    const text = `${clipped(`${at ? '' : `${of('service')[at]}  `}${name}`, names - left - 70)}${failed}`;
    parts.push(e('text', { x: left, y: y + 16, ...font, fill: failed ? theme.colors.error.text : theme.colors.text.primary }, text));
    parts.push(e('rect', { x: x(of('start')[at]), y: y + 5, width: Math.max(x(ends[at]) - x(of('start')[at]), 2), height: tall - 10, rx: 2, fill: colour }));
    parts.push(e('text', { x: x(ends[at]) + 6, y: y + 16, ...font, fontSize: 11, fill: muted }, format(of('duration')[at])));
  });
  return e('svg', { width, height }, ...parts);
}

// Of Markdown only what our notes use: **bold**.
const text = ({ panel }) =>
  e(
    'div',
    { style: { padding: 8 } },
    ...panel.options.content.split('**').map((part, at) => (at % 2 ? e('b', {}, part) : part))
  );

module.exports = { barchart, heatmap, nodeGraph, traces, text };
