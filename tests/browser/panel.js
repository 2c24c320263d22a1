// Draws one nested-set frame with Grafana's own flame graph, and writes down what was drawn.
//
// The frame is in the page as `window.FRAME`: columns, the unit of the values, and the theme.

// The CommonJS builds: the ESM ones import CommonJS defaults in a way that gives React objects.
const { createElement } = require('react');
const { createRoot } = require('react-dom/client');
const { createDataFrame, createTheme, FieldType } = require('@grafana/data');
const { FlameGraph } = require('@grafana/flamegraph');

const { columns, unit, width, mode } = window.FRAME;

// What the canvas is told to draw, bar by bar: the rectangle, its colour, and the text after it.
const bars = [];
const canvas = CanvasRenderingContext2D.prototype;
let rectangle;
for (const [name, noted] of Object.entries({
  clearRect: () => (bars.length = 0),
  rect: (context, x, y, w, h) => (rectangle = { x, y, width: w, height: h }),
  // With a path of its own it fills all bars that are too narrow for a text: those are not listed.
  fill: (context, path) =>
    path instanceof Path2D ||
    bars.push({ ...rectangle, colour: context.fillStyle, text: null }),
  fillText: (context, text) => (bars[bars.length - 1].text = text),
})) {
  const drawn = canvas[name];
  canvas[name] = function (...args) {
    noted(this, ...args);
    return drawn.apply(this, args);
  };
}

const theme = createTheme({ colors: { mode } });
const numbers = { type: FieldType.number, config: { unit } };
const data = createDataFrame({
  name: 'response',
  fields: Object.entries(columns).map(([name, values]) =>
    name === 'label'
      ? { name, type: FieldType.string, config: {}, values }
      : { name, values, ...(name === 'level' ? { type: FieldType.number, config: {} } : numbers) }
  ),
});

const root = document.getElementById('panel');
root.style.width = `${width}px`;
root.style.color = theme.colors.text.primary;
document.body.style.background = theme.colors.background.primary;
document.body.style.fontFamily = theme.typography.fontFamily;
createRoot(root).render(
  createElement(FlameGraph, {
    data,
    getTheme: () => theme,
    disableCollapsing: true,
    showFlameGraphOnly: true,
  })
);

// The canvas is drawn in effects after the first paint; the last drawing is what stays.
let seen = -1;
const settled = () => {
  if (bars.length && bars.length === seen) {
    document.getElementById('drawn').textContent = JSON.stringify({
      bars,
      texts: root.innerText.split('\n').filter(Boolean),
      canvas: root.querySelector('canvas').width,
    });
    return;
  }
  seen = bars.length;
  setTimeout(settled, 200);
};
settled();
