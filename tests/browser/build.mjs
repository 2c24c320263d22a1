// Bundles a page's script: node build.mjs OUTPUT [ENTRY], by default that of one flame graph
import { build } from 'esbuild';

await build({
  entryPoints: [new URL(process.argv[3] ?? 'panel.js', import.meta.url).pathname],
  outfile: process.argv[2],
  bundle: true,
  minify: true,
  format: 'iife',
  platform: 'browser',
  alias: {
    '@grafana/assistant': new URL('assistant.js', import.meta.url).pathname,
    // The code editor of @grafana/ui: four megabytes that nothing here shows.
    'monaco-editor': new URL('empty.js', import.meta.url).pathname,
  },
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  loader: { '.svg': 'text', '.ttf': 'empty', '.woff2': 'empty', '.css': 'text' },
  logLevel: 'error',
});
