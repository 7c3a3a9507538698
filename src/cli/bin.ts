#!/usr/bin/env node
import { main } from './main.js';

const status = await main(process.argv.slice(2));
// What is still in the streams goes out first; then nothing that waits for input may keep the process.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}
process.exit(status);
