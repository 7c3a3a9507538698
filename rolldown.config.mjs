import fs from 'node:fs';
import path from 'node:path';
import { writeCodeCache } from './dist/code-cache.js';

/** They look for files beside their own. */
const PACKAGES_WITH_FILES = ['bindings', 'iced-x86'];
const COMMON_JS = { format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: '[name].cjs', sourcemap: true };
const BUNDLES = 'dist/bundle';
/** Bundles for Node. */
const forNode = (input, plugins = []) => ({
  input,
  platform: 'node',
  external: PACKAGES_WITH_FILES,
  output: { dir: BUNDLES, ...COMMON_JS },
  plugins,
});
const withCodeCaches = {
  name: 'code-caches',
  writeBundle: (_options, files) => {
    for (const name of Object.keys(files)) if (name.endsWith('.cjs')) writeCodeCache(path.join(BUNDLES, name));
  },
};
const PAGES = 'src/trace/html/page';

// A code cache must not outlive its bundle.
fs.rmSync(BUNDLES, { recursive: true, force: true });

/** What is one file each, made after the compilation. */
// biome-ignore lint/style/noDefaultExport: rolldown reads the default export.
export default [
  // What starts with a process or a thread, for which a machine's start waits: Node loads a few CommonJS files in a
  // third of the time that it takes for a module for each of ours.
  forNode({ command: 'dist/cli/bin.js' }, [withCodeCaches]),
  forNode({ 'vcpu-loop': 'dist/machine/vcpu-thread.js' }, [withCodeCaches]),
  // Node itself loads these two, and they load those above with their caches.
  forNode({ vmlaunch: 'dist/cli/bundled.js' }),
  forNode({ 'vcpu-thread': 'dist/machine/bundled-thread.js' }),
  // The scripts of HTML pages, which a page takes in: they run in a browser and nowhere else.
  ...fs
    .readdirSync(PAGES)
    .filter((name) => name.endsWith('-page.ts'))
    .map((name) => ({
      input: `${PAGES}/${name}`,
      platform: 'browser',
      output: { file: `dist/trace/html/${name.replace(/\.ts$/, '.bundle.js')}`, format: 'iife', minify: true },
    })),
];
