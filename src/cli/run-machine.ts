import { once } from 'node:events';
import os from 'node:os';
import { exitStatusOf, type MachineEnd } from '../machine/end.js';
import type { Machine } from '../machine/machine.js';
import { describePostMortem } from '../machine/post-mortem-words.js';
import type { Front } from './front.js';
import { printError } from './print-error.js';
import { waitForReader } from './reader.js';
import { rawTerminal } from './terminal.js';

const SIGNALLED = 128;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGALRM'] as const;

/** How a machine that was run to its end ended. */
export interface RunEnd {
  readonly end: MachineEnd;
  /** The signal that ended it. */
  readonly signal: NodeJS.Signals | undefined;
  /** The exit status. */
  readonly status: number;
}

/** Runs a machine until it ends or a signal ends it, and its output is out; its front has the terminal meanwhile. */
export async function runMachine(machine: Machine, makeFront: (machine: Machine) => Front): Promise<RunEnd> {
  let signal: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (name === 'SIGALRM') return void machine.stop({ reason: 'timeout' });
    signal ??= name;
    void machine.stop();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  using _terminal = rawTerminal();
  // Nobody reads any more: what SIGPIPE is to other programs.
  process.stdout.on('error', () => {
    machine.output.resume();
    onSignal('SIGPIPE');
  });
  if (machine.hugePagesFallback !== undefined) process.stderr.write(`vmlaunch: ${machine.hugePagesFallback}\n`);
  using front = makeFront(machine);
  machine.start();
  const end = await machine.ended;
  for (const name of SIGNALS) process.off(name, onSignal);
  const status = signal === undefined ? exitStatusOf(end) : SIGNALLED + os.constants.signals[signal];
  if (!machine.output.readableEnded) await waitForReader(once(machine.output, 'end'), status);
  front.finish();
  return { end, signal, status };
}

/** Says on standard error how the machine ended, and why it died. */
export function tellEnd(machine: Machine, { end, signal }: RunEnd, { tellsDeath = true } = {}): void {
  if (end.reason === 'error') printError(end.error);
  else process.stderr.write(`vmlaunch: ${wordsOf(end, signal)}\n`);
  const death = tellsDeath ? machine.postMortem() : undefined;
  if (death !== undefined) process.stderr.write(describePostMortem(death));
}

function wordsOf(end: MachineEnd, signal: string | undefined): string {
  if (signal !== undefined) return `stopped by ${signal}`;
  const by = 'by' in end ? ` (${end.by})` : '';
  return `the machine ended: ${end.reason}${by}`;
}
