// Makes of a panel's frames what its panel plugin gets: transformed, with the panel's own units,
// thresholds, colours and names on each field.

const {
  applyFieldOverrides,
  createDataFrame,
  createTheme,
  FieldConfigOptionsRegistry,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} = require('@grafana/data');

const theme = createTheme({ colors: { mode: 'dark' } });

// One of them is there under two names.
const transformers = [...new Map(Object.values(standardTransformers).map((t) => [t.id, t])).values()];
standardTransformersRegistry.setInit(() =>
  transformers.map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation,
  }))
);

// A lowest step is null in JSON, which has no infinity.
const fromLowest = (thresholds) =>
  thresholds && {
    ...thresholds,
    steps: thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })),
  };

const named = (text, { field }) =>
  text?.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => field.labels?.[label] ?? '');

const processors = { thresholds: fromLowest, displayName: named };

// Grafana registers the options that a panel type has; here, those that this panel sets.
function registry({ defaults, overrides = [] }) {
  const ids = new Set(['displayName', 'color', 'thresholds', 'unit', 'decimals', 'min', 'max']);
  for (const id of Object.keys(defaults)) {
    if (id !== 'custom') ids.add(id);
  }
  for (const id of Object.keys(defaults.custom ?? {})) ids.add(`custom.${id}`);
  for (const { properties } of overrides) {
    for (const { id } of properties) ids.add(id);
  }
  // A click is no part of a picture.
  ids.delete('links');
  return new FieldConfigOptionsRegistry(() =>
    [...ids].map((id) => ({
      id,
      path: id.replace(/^custom\./, ''),
      isCustom: id.startsWith('custom.'),
      name: id,
      process: processors[id] ?? ((value) => value),
      shouldApply: () => true,
      settings: {},
    }))
  );
}

// Calls `done` with the frames.
function prepare({ panel, frames }, done) {
  const fieldConfig = panel.fieldConfig ?? { defaults: {}, overrides: [] };
  const made = frames.map((frame) => createDataFrame(frame));
  transformDataFrame(panel.transformations ?? [], made).subscribe((data) =>
    done(
      applyFieldOverrides({
        data,
        fieldConfig,
        fieldConfigRegistry: registry(fieldConfig),
        replaceVariables: (text) => text,
        theme,
        timeZone: 'utc',
      })
    )
  );
}

module.exports = { prepare, theme };
