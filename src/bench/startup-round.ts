/**
 * `node startup-round.js IMAGE`: starts the image in two machines, one after the other, and prints how many nanoseconds
 * the second took from `Machine.create` to its first KVM_RUN. A vCPU's thread waits for it, as it does in a program that
 * does something between the two.
 */
import { native } from '../kvm/native.js';
import { Machine } from '../machine/machine.js';
import { keepThreadsReady } from '../machine/threads.js';

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
await keepThreadsReady(1);
process.stdout.write(`${await nsToFirstRun(image)}\n`);
