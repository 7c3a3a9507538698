/** An access as the thread saw that made it. Stamps are unique, from one counter that all threads share. */
export interface Stamped<Access> {
  readonly access: Access;
  readonly start: number;
  readonly end: number;
}

/** What an access makes of the state; undefined where it cannot have been answered so. */
export type Model<State, Access> = (state: State, access: Access) => State | undefined;

/**
 * Whether there is an order of all accesses that keeps each thread's own and that in which one ended before another
 * began, and in which the model gives every answer (linearizability; search by Wing and Gong, 1993, which leaves out
 * positions that it has seen).
 * @returns how many accesses of each thread the best order explains; all of them where there is one
 */
export function explained<State, Access>(
  threads: readonly (readonly Stamped<Access>[])[],
  initial: State,
  model: Model<State, Access>,
): readonly number[] {
  let best = threads.map(() => 0);
  const seen = new Set<string>();
  const stack = [{ at: best, state: initial }];
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    const { at, state } = place;
    const key = `${at}:${state}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (sum(at) > sum(best)) best = at;
    if (threads.every((accesses, i) => at[i] === accesses.length)) return at;
    for (const i of mayBeNext(threads, at)) {
      const next = threads[i]?.[at[i] ?? 0];
      const after = next && model(state, next.access);
      if (after !== undefined) stack.push({ at: at.map((count, j) => (j === i ? count + 1 : count)), state: after });
    }
  }
  return best;
}

/** Threads whose next access began before any other's next one ended. */
function mayBeNext<Access>(threads: readonly (readonly Stamped<Access>[])[], at: readonly number[]): number[] {
  const next = threads.map((accesses, i) => accesses[at[i] ?? 0]);
  const firstEnd = Math.min(...next.map((one) => one?.end ?? Number.POSITIVE_INFINITY));
  return [...next.keys()].filter((i) => (next[i]?.start ?? Number.POSITIVE_INFINITY) < firstEnd);
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
