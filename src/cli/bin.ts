#!/usr/bin/env node
import { keepThreadsReady } from '../machine/threads.js';
import { main } from './main.js';
import { waitForReader } from './reader.js';

async function run(): Promise<void> {
  await keepThreadsReady(0); // no machine comes after the command's
  const status = await main(process.argv.slice(2));
  // What is still in the streams goes out first; then nothing that waits for input may keep the process.
  const streams = [process.stdout, process.stderr];
  const written = streams.map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve())));
  await waitForReader(Promise.all(written), status);
  process.exit(status);
}

// No await at the top: the bundle is CommonJS.
void run();
