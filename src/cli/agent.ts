import fs from 'node:fs';
import { keepThreadsReady, prepareThread } from '../machine/threads.js';
import { decodeInstruction } from '../trace/instruction.js';

/**
 * The command inside a nested host: `node agent.js` loads everything, says so, and then waits for its job in the
 * snapshot. A run in the host so spares Node's start. native/host/runner.c starts it and brings the job.
 */
const CONTROL_FD = 3;

interface Job {
  /** What follows `vmlaunch` on a command line. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const { main } = await import('./main.js');
// What nearly every job needs, loaded in the snapshot.
await import('./run.js');
await import('./exits.js');
await keepThreadsReady(0); // as every command
await prepareThread();
// The disassembler takes seconds in a nested host, half of them at its first instruction: a command whose time is over
// does not have them. `in al, dx` goes through all of it.
decodeInstruction(Uint8Array.of(0xec), 64, 0n);

// Each makes its stream at its first use, which takes a while.
for (const stream of [process.stdout, process.stderr]) stream.write('');
fs.writeSync(CONTROL_FD, 'r');
// Blocks: nothing else happens in this process until the job is there.
const { argv, env, cwd } = JSON.parse(fs.readFileSync(CONTROL_FD, 'utf8')) as Job;
Object.assign(process.env, env);
process.chdir(cwd);
process.argv.splice(2, Number.POSITIVE_INFINITY, ...argv);

const status = await main(argv);
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}
// The runner takes this status and kills the process, which ends sooner than Node would by itself.
fs.writeSync(CONTROL_FD, Uint8Array.of(status));
