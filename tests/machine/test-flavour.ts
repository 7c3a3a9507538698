import { execFile, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostFile } from '../../src/host/file.js';
import { Host } from '../../src/host/host.js';
import { prepareHost } from '../../src/host/prepare.js';
import type { CaseInfo } from './case.js';
import { COMPILED } from './compile.js';
import type { Flavour } from './flavour.js';
import { Session } from './session.js';

/**
 * The cases of cases/ on one flavour. One host runs them all, one after another; a test here only waits for the result
 * of its case. Each flavour has a file of its own, for those run side by side.
 */
const ROOT = new URL('../..', import.meta.url).pathname;
const GUEST_IMAGES = 'build/guest-images';
const PROJECT_IN_HOST = '/vmlaunch';
/** The wait for one case includes all cases before it. */
const WAIT_MS = 10 * 60_000;

const run = promisify(execFile);

async function listCases(): Promise<readonly CaseInfo[]> {
  const { stdout } = await run(process.execPath, [join(ROOT, COMPILED, 'runner.js'), '--list']);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as CaseInfo);
}

function runnerArguments(root: string, flavour: Flavour, names: readonly string[]): string[] {
  return [
    join(root, COMPILED, 'runner.js'),
    '--flavour',
    flavour,
    '--guest-images',
    join(root, GUEST_IMAGES),
    ...names,
  ];
}

interface Runs {
  readonly session: Session;
  close(): Promise<void>;
}

function runLocally(cases: readonly CaseInfo[]): Runs {
  let child: ReturnType<typeof spawn> | undefined;
  const close = async () => void child?.kill('SIGKILL');
  const session = new Session(
    cases,
    (names, onOutput, onErrorOutput) =>
      new Promise((resolve, reject) => {
        child = spawn(process.execPath, runnerArguments(ROOT, 'local', names), { stdio: ['ignore', 'pipe', 'pipe'] });
        child.stdout?.on('data', onOutput);
        child.stderr?.on('data', onErrorOutput);
        child.once('error', reject);
        child.once('close', (status, signal) => resolve(signal === 'SIGKILL' ? 137 : (status ?? String(signal))));
      }),
    close,
  );
  return { session, close };
}

/** The compiled cases. The project and its guests are in the host already. */
function compiledCases(): HostFile[] {
  const entries = readdirSync(join(ROOT, COMPILED), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((source) => ({ source, path: join(PROJECT_IN_HOST, source.slice(ROOT.length)) }));
}

async function runInHost(kind: 'svm' | 'vtx', cases: readonly CaseInfo[]): Promise<Runs> {
  const prepared = await prepareHost(kind, () => {});
  const host = await Host.start(prepared);
  await host.putFiles(compiledCases());
  const session = new Session(
    cases,
    (names, onOutput, onErrorOutput) => {
      const command = ['node', ...runnerArguments(PROJECT_IN_HOST, kind, names)].map(quoted).join(' ');
      return host.run(command, { input: new Uint8Array(), stdout: sink(onOutput), stderr: sink(onErrorOutput) });
    },
    () => host.close(),
  );
  return { session, close: () => host.close() };
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

function sink(onChunk: (chunk: Uint8Array) => void): Writable {
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      onChunk(chunk);
      done();
    },
  });
}

const start = (flavour: Flavour, cases: readonly CaseInfo[]) =>
  flavour === 'local' ? Promise.resolve(runLocally(cases)) : runInHost(flavour, cases);

/** Declares a test for each case that can run on the flavour. To be called, and awaited, at the top of a test file. */
export async function testFlavour(flavour: Flavour): Promise<void> {
  const here = (await listCases()).filter((one) => one.flavours.includes(flavour));
  const cases = here.filter((one) => !one.long.includes(flavour) || process.env.VMLAUNCH_LONG === '1');
  const started = start(flavour, cases);
  const ended = started.then(({ session }) => session.run());
  started.catch(() => {});
  ended.catch(() => {});

  describe(`[${flavour}]`, () => {
    beforeAll(() => started, WAIT_MS);
    afterAll(() => started.then((runs) => runs.close()).catch(() => {})); // a start that failed is beforeAll's to tell

    for (const { name } of cases) {
      it(name, { timeout: WAIT_MS }, async ({ task }) => {
        const result = await (await started).session.result(name);
        task.meta.ownMs = result.ms;
        if (!result.ok) expect.fail(result.error);
      });
    }

    for (const { name } of here.filter((one) => !cases.includes(one))) {
      it(name, ({ skip }) => skip('takes minutes: only with npm run test:long'));
    }

    it('leaves nothing behind that keeps the runner alive', { timeout: WAIT_MS }, async () => {
      expect(await ended).toBe(0);
    });
  });
}
