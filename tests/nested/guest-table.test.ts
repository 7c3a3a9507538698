import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOST_KINDS } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { localKvm } from '../machine/flavour.js';
import { Run } from './command.js';
import { COLUMNS, type Column, type Failure, GUESTS, type Guest, type Proof, type Trial } from './guest-list.js';
import { type Rows, rowsIn, withRows } from './guest-table.js';
import { ROOT } from './host-support.js';
import { Turns } from './turns.js';

/**
 * The guests of README's table on the KVMs of its columns. The long run tries each and, where all were as listed, writes
 * the table.
 */
const LONG = process.env.VMLAUNCH_LONG === '1';
const README = path.join(ROOT, 'README.md');
const HEAD = ['guest', ...COLUMNS.map((column) => (column === 'kvm_pvm' ? 'local: `kvm_pvm`' : `\`${column}\``))];
/** A guest keeps one processor busy. The wait for one includes those before it. */
const turns = new Turns(2);
const WAIT = { timeout: 120 * 60_000 };
/** No guest takes so long: of one that hangs, `run` itself tells where it is. */
const LIMIT_S = 20 * 60;
const STOPPED_BY_SIGTERM = 143;

const kvm = localKvm();
/** A local KVM that has no column is not tried, and a column whose KVM is elsewhere stays as it is. */
const columnsHere = COLUMNS.filter((column) => column !== 'kvm_pvm' || (kvm.usable && kvm.module === column));
const hostOf = (column: Column) => (column === 'kvm_pvm' ? 'local' : column);

/** What this run tried, and what it saw, by guest and column. A guest that was not as listed is seen by nobody. */
const begun = new Set<string>();
const seen = new Map<string, string>();
const key = ({ name }: Guest, column: Column) => `${name} on ${column}`;

async function provesIt(run: Run, { steps, end }: Proof): Promise<void> {
  const ended = run.ended();
  for (const step of steps) {
    if (typeof step === 'object' && 'types' in step) run.process.stdin?.write(step.types);
    else await run.hasShown(step);
  }
  if (end === undefined) run.process.kill('SIGTERM');
  const { status, stdout, stderr } = await ended;
  expect(status, stdout + stderr).toBe(end?.status ?? STOPPED_BY_SIGTERM);
  if (end !== undefined) expect(stderr).toContain(`vmlaunch: the machine ended: ${end.reason}\n`);
}

async function fails(run: Run, { status, says }: Failure): Promise<void> {
  const { stdout, ...ended } = await run.ended();
  expect(ended, stdout).toEqual({ status, stderr: expect.stringMatching(says) });
}

/** Tries a guest, and gives what the table says of it. */
async function tried(guest: Guest, column: Column, trial: Trial): Promise<string> {
  const argv = [...(await guest.argv()), ...(trial.options ?? [])];
  using run = new Run([...argv, '--host', hostOf(column), '--timeout', `${LIMIT_S}`], { stdin: 'pipe' });
  if ('runs' in trial) await provesIt(run, trial.runs);
  else await fails(run, trial.fails);
  return 'runs' in trial ? trial.runs.seen : trial.fails.seen;
}

/** The table with what this run saw; a cell that was not tried stays as it is. */
function newRows(old: Rows): Rows {
  const cell = (guest: Guest, column: Column): string => {
    const listed = guest.on[column];
    if ('untried' in listed) return listed.untried;
    const oldCell = old.find(([name]) => name === guest.name)?.[COLUMNS.indexOf(column) + 1];
    return seen.get(key(guest, column)) ?? oldCell ?? '';
  };
  return [HEAD, ...GUESTS.map((guest) => [guest.name, ...COLUMNS.map((column) => cell(guest, column))])];
}

afterAll(() => {
  if (!LONG || begun.size > seen.size) return;
  const readme = readFileSync(README, 'utf8');
  writeFileSync(README, withRows(readme, newRows(rowsIn(readme))));
});

describe('[checks] the table of guests in README', () => {
  it('has the rows and columns of the list, as the long run writes them', ({ skip }) => {
    if (LONG) skip('this run writes it');
    const readme = readFileSync(README, 'utf8');
    const rows = rowsIn(readme);
    expect(rows[0]).toEqual(HEAD);
    expect(rows.slice(1).map(([name]) => name)).toEqual(GUESTS.map(({ name }) => name));
    expect(withRows(readme, rows)).toBe(readme);
  });
});

interface Attempt {
  readonly guest: Guest;
  readonly trial: Trial;
}

/** Those that take longest begin first. */
for (const column of [...columnsHere].reverse()) {
  const attempts = [...GUESTS].reverse().flatMap((guest): Attempt[] => {
    const listed = guest.on[column];
    return 'untried' in listed ? [] : [{ guest, trial: listed }];
  });
  const now = attempts.filter(({ guest }) => LONG || !guest.long.includes(column));

  describe.concurrent(`[${hostOf(column)}] the guest`, () => {
    beforeAll(async () => {
      for (const kind of HOST_KINDS) if (kind === column) await prepareHost(kind, () => {});
    });

    for (const { guest, trial } of now) {
      it(guest.name, WAIT, ({ task }) =>
        turns.run(async () => {
          const start = performance.now();
          begun.add(key(guest, column));
          seen.set(key(guest, column), await tried(guest, column, trial));
          task.meta.ownMs = performance.now() - start;
        }),
      );
    }

    const left = attempts.length - now.length;
    if (left > 0) it(`and ${left} more`, ({ skip }) => skip('fetched or slow: only with npm run test:long'));
  });
}
