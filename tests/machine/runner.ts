import { readdirSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { keepThreadsReady } from '../../dist/index.js';
import { type Case, type CaseEvent, type CaseFile, type CaseInfo, DEFAULT_TIMEOUT_S } from './case.js';
import { FLAVOURS, type Flavour, localKvm } from './flavour.js';
import { Watchdog } from './watchdog.js';

/**
 * Runs cases one after another, in this process:
 *   node runner.js --list
 *   node runner.js --flavour svm --guest-images DIRECTORY NAME...
 * Standard output has one JSON line an event. A case that hangs is ended with the whole process, by SIGKILL: who
 * started it knows which case that was, and starts it again with the names that are left.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: 'boolean' }, flavour: { type: 'string' }, 'guest-images': { type: 'string' } },
});

/** How long what a case has left behind may keep this process alive, in seconds. */
const EXIT_TIMEOUT_S = 10;

const kvm = localKvm();
const module = kvm.usable ? kvm.module : kvm.why;

/** Standard output is non-blocking as soon as a worker exists: what did not fit is written again. */
function printLine(line: CaseEvent | CaseInfo): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}

async function allCases(): Promise<readonly Case[]> {
  const directory = new URL('./cases/', import.meta.url);
  const files = readdirSync(directory).filter((file) => file.endsWith('.js'));
  const loaded = await Promise.all(files.sort().map((file) => import(new URL(file, directory).href)));
  const cases = loaded.flatMap((file: CaseFile) => file.cases);
  const names = new Set(cases.map(({ name }) => name));
  if (names.size !== cases.length) throw new Error('two cases have the same name');
  return cases;
}

async function runOne(one: Case, flavour: Flavour, guestImages: string): Promise<void> {
  const said: string[] = [];
  printLine({ event: 'start', name: one.name });
  const start = performance.now();
  const end = (result: { ok: true } | { ok: false; error: string }) =>
    printLine({ event: 'end', name: one.name, ms: performance.now() - start, ...result });
  try {
    await one.run({ flavour, module, guestImages, log: (text) => said.push(text) });
    end({ ok: true });
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    end({ ok: false, error: [text, ...said].join('\n') });
  }
}

async function runAll(cases: readonly Case[], flavour: Flavour, guestImages: string): Promise<void> {
  const watchdog = new Watchdog([...cases.map(({ timeoutS }) => timeoutS ?? DEFAULT_TIMEOUT_S), EXIT_TIMEOUT_S]);
  for (const [index, one] of cases.entries()) {
    watchdog.started(index);
    await runOne(one, flavour, guestImages);
    watchdog.ended();
  }
  watchdog.started(cases.length);
}

// What a case measures is its own; those that are about threads kept ready ask for them.
await keepThreadsReady(0);

function named(cases: readonly Case[], name: string): Case {
  const one = cases.find((candidate) => candidate.name === name);
  if (!one) throw new Error(`there is no case "${name}"`);
  return one;
}

const cases = await allCases();
if (values.list) {
  for (const { name, flavours = FLAVOURS, timeoutS = DEFAULT_TIMEOUT_S, long = [] } of cases) {
    printLine({ name, flavours, timeoutS, long });
  }
} else {
  const flavour = FLAVOURS.find((name) => name === values.flavour);
  const guestImages = values['guest-images'];
  if (!flavour || guestImages === undefined) throw new Error('--flavour and --guest-images are needed');
  await runAll(
    positionals.map((name) => named(cases, name)),
    flavour,
    guestImages,
  );
}
