import fs from 'node:fs';
import { bundlesIn, writeCodeCache } from './dist/code-cache.js';

/** They look for files beside their own. */
const PACKAGES_WITH_FILES = ['bindings', 'iced-x86'];
const COMMON_JS = { format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: '[name].cjs', sourcemap: true };
const BUNDLES = 'dist/bundle';
/** Bundles for Node: what is loaded from them is CommonJS with a code cache. */
const forNode = (input, plugins = []) => ({
  input,
  platform: 'node',
  external: PACKAGES_WITH_FILES,
  output: { dir: BUNDLES, ...COMMON_JS },
  plugins,
});
/** After the last of them. */
const codeCaches = {
  name: 'code-caches',
  writeBundle: () => bundlesIn(BUNDLES).forEach(writeCodeCache),
};
const PAGES = 'src/trace/html/page';

// A code cache must not outlive its bundle.
fs.rmSync(BUNDLES, { recursive: true, force: true });

/** What is one file each, made after the compilation. */
// biome-ignore lint/style/noDefaultExport: rolldown reads the default export.
export default [
  // What starts with a process or a thread, for which a machine's start waits: Node loads a few CommonJS files in a
  // third of the time that it takes for a module for each of ours.
  forNode({ command: 'dist/cli/bin.js' }),
  forNode({ 'vcpu-loop': 'dist/machine/vcpu-thread.js' }),
  forNode({ vmlaunch: 'dist/cli/bundled.js' }),
  forNode({ 'vcpu-thread': 'dist/machine/bundled-thread.js' }, [codeCaches]),
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
