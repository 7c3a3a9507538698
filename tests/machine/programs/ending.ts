import { writeSync } from 'node:fs';
import { Machine } from '../../../dist/index.js';
import { READY } from './ready.js';

/**
 * A program that runs a guest and then ends in some way, while the guest still runs:
 *   node ending.js IMAGE WAY
 */
const WAYS = {
  /** Ends by itself, with nothing left that keeps it. */
  stop: async (machine: Machine) => {
    const end = await machine.stop();
    await machine.close();
    process.exitCode = end.reason === 'stopped' ? 3 : 1;
  },
  exit: () => process.exit(4),
  throw: () => {
    throw new Error('thrown on purpose');
  },
  reject: () => void Promise.reject(new Error('rejected on purpose')),
  signal: () => writeSync(1, READY),
  'signal-handler': () => {
    process.once('SIGINT', () => process.exit(5));
    writeSync(1, READY);
  },
  /** Another handler that fails must not keep ours from its work. */
  'exit-handler-throws': () => process.exit(6),
} as const;

export type Way = keyof typeof WAYS | 'exit-at-start';

async function main(image: string, way: Way): Promise<void> {
  if (way === 'exit-handler-throws') {
    process.on('exit', () => {
      throw new Error('thrown by an exit handler');
    });
  }
  const machine = await Machine.create({ image, flat: 'protected', loadAddress: 0x100000, memory: '16M' });
  machine.output.once('data', () => {
    // Outside of the stream's own code, so that what is thrown is the program's.
    setImmediate(() => way !== 'exit-at-start' && WAYS[way](machine));
  });
  machine.start();
  if (way === 'exit-at-start') process.exit(7);
}

const [image = '', way = ''] = process.argv.slice(2);
await main(image, way as Way);
