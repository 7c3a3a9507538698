import fs from 'node:fs';

const PAGES = 'src/trace/html/page';

/** What is one file each, made after the compilation. */
// biome-ignore lint/style/noDefaultExport: rolldown reads the default export.
export default [
  // What a vCPU thread loads: Node loads it in half the time, for which every machine's start waits.
  {
    input: 'dist/machine/vcpu-thread.js',
    platform: 'node',
    external: ['bindings'],
    output: { file: 'dist/machine/vcpu-thread.bundle.js', sourcemap: true },
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
