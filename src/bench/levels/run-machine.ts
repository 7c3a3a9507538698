import { Machine } from '../../machine/machine.js';
import type { MachineOptions } from '../../machine/options.js';
import { failureOf } from '../machine-engine.js';
import type { Running } from './running.js';

/** Starts a machine whose guest runs the program on its serial console. @throws VmError */
export async function runMachine(options: MachineOptions): Promise<Running> {
  const machine = await Machine.create(options);
  machine.start();
  return {
    input: machine.input,
    output: machine.output,
    ended: machine.ended.then(failureOf),
    stop: () => machine.close(),
  };
}
