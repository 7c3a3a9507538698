import fs from 'node:fs';

/** They look for files beside their own. */
const PACKAGES_WITH_FILES = ['bindings', 'iced-x86'];
const COMMON_JS = { format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: '[name].cjs', sourcemap: true };
const PAGES = 'src/trace/html/page';

/** What is one file each, made after the compilation. */
// biome-ignore lint/style/noDefaultExport: rolldown reads the default export.
export default [
  // What starts with a process or a thread, for which a machine's start waits: Node loads a few CommonJS files in a
  // third of the time that it takes for a module for each of ours.
  {
    input: { vmlaunch: 'dist/cli/bin.js' },
    platform: 'node',
    external: PACKAGES_WITH_FILES,
    output: { dir: 'dist/bundle', ...COMMON_JS },
  },
  {
    input: { 'vcpu-thread': 'dist/machine/vcpu-thread.js' },
    platform: 'node',
    external: PACKAGES_WITH_FILES,
    output: { dir: 'dist/bundle', ...COMMON_JS },
  },
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
