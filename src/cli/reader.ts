import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatusOf } from '../machine/end.js';

/** The one status of a time-out: it is even, so no guest's own. */
const TIMED_OUT = exitStatusOf({ reason: 'timeout' });

/** What a reader that stands still gets after a time-out. */
const READER_MS = 5000;

/**
 * Waits until output has been taken: for as long as a slow reader needs, but after a time-out no longer than 5 s. After
 * a signal there is no such limit: the next one ends the process.
 */
export async function waitForReader(taken: Promise<unknown>, status: number): Promise<void> {
  await (status === TIMED_OUT ? Promise.race([taken, sleep(READER_MS)]) : taken);
}
