/**
 * `node startup-round.js IMAGE`: starts the image in two machines, one after the other, and prints how many nanoseconds
 * the second took from `Machine.create` to its first KVM_RUN.
 */
import { native } from '../kvm/native.js';
import { Machine } from '../machine/machine.js';

async function nsToFirstRun(image: string): Promise<number> {
  const started = native.monotonicNs();
  await using machine = await Machine.create({ image });
  machine.output.resume();
  machine.start();
  await machine.ended;
  return (machine.stats().startedNs ?? Number.NaN) - started;
}

const [image = ''] = process.argv.slice(2);
await nsToFirstRun(image);
process.stdout.write(`${await nsToFirstRun(image)}\n`);
