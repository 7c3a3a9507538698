/**
 * The method of `vmlaunch bench`: every engine runs the same workloads in turns (A B C, B C A, …), each as many iterations
 * as take about the same time there, until the intervals are narrow or the time is spent.
 */
import { LongBoots, makeBoots } from './boot-rounds.js';
import { Column, type EngineResult, LEAST_ROUNDS, type Row, type Sample } from './column.js';
import { arrivalOf, type Engine, type Launch } from './engine.js';
import { type Asked, benchCommandLine } from './guest-image.js';
import { parseBenchOutput, type WorkloadResult } from './guest-output.js';
import { launchWithin } from './launch-within.js';

export interface SuiteOptions {
  readonly engines: readonly Engine[];
  readonly workloads: readonly Row[];
  /** Seconds that all may take. */
  readonly budgetS: number;
  /** What a workload is to take in a round, in nanoseconds. Default 20 to 200 ms, as the budget allows. */
  readonly roundNs?: number;
  /** Rounds are enough when each interval is narrower than this share of its median. Default 0.05. */
  readonly width?: number;
  /** An engine that has not ended by then hangs; sooner where its share of the budget is less. Default 30 s. */
  readonly launchTimeoutMs?: number;
  /** Nanoseconds on a clock that only rises. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly progress?: (step: SuiteStep) => void;
}

type TimedOptions = SuiteOptions & { readonly roundNs: number };

/** What is done now: an engine's part of a round, from 1; without one it is calibrated. */
export interface SuiteStep {
  readonly engine: string;
  readonly round: number | undefined;
}

export interface SuiteResult {
  readonly rounds: number;
  readonly engines: readonly EngineResult[];
}

/**
 * A round's time of a workload: the longer, the less counts what each has to begin with and to tell its end by, which on a
 * host in software is milliseconds. The budget is divided so often by the cells, for calibration and some rounds.
 */
const LEAST_ROUND_NS = 20e6;
const MOST_ROUND_NS = 200e6;
const TURNS_IN_BUDGET = 40;
const WIDTH = 0.05;
const MOST_COUNT = 2 ** 32 - 1;
/** A workload whose first count took less says too little about the next. */
const LEAST_CALIBRATION_NS = 1e6;
/**
 * An emulator that compiles what runs often is faster with more of it. So a count is tried that is so many times as much,
 * until that makes an iteration no faster than this part of its time, or would take so many times a round's time.
 */
const GROWTH = 4;
const NO_FASTER = 0.8;
const MOST_GROWN = 15;
/** A round that could have so many times its iterations gets them from then on. */
const TOO_SHORT = 1.3;
/** A warm-up of `Engine.warmUpExits` takes no longer than this, by what an iteration took before it. */
const MOST_WARM_UP_NS = 2e9;
const LAUNCH_TIMEOUT_MS = 30_000;
/** No launch has less, however little is left: on a busy machine a shorter one would fail for that alone. */
const LEAST_LAUNCH_MS = 10_000;
/** A launch that takes so many times what the engine's last one took hangs. */
const HANGS_FROM = 4;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

/** Runs the suite. What an engine does wrong is in its own cells. @throws the reason of `signal`, where it is aborted */
export async function runSuite(asked: SuiteOptions): Promise<SuiteResult> {
  const { engines, workloads, budgetS, now, width = WIDTH, progress = () => {} } = asked;
  const options = { ...asked, roundNs: asked.roundNs ?? roundTime(asked) };
  const deadline = now() + budgetS * NS_PER_S;
  const columns = engines.map((engine) => new Column(engine, workloads));
  for (const [index, column] of columns.entries()) {
    progress({ engine: column.engine.name, round: undefined });
    // One that hangs leaves the others their shares, and the rounds one.
    const share = (deadline - now()) / (columns.length - index + 1);
    await calibrate(column, options, now() + share);
    // So each engine has its figures where no round is left.
    const keep = (name: string, sample: Sample): void => void column.first.set(name, sample);
    await makeBoots(column, options, limitMs(options, Number.POSITIVE_INFINITY), keep);
  }
  const longBoots = new LongBoots(columns, { ...options, deadline });
  let rounds = 0;
  for (; ; rounds++) {
    const active = columns.filter(({ isActive }) => isActive);
    const isEnough = rounds >= LEAST_ROUNDS && active.every((column) => column.isPrecise(width));
    const roundNs = active.reduce((sum, column) => sum + column.launchNs + column.bootsNs, 0);
    // The first one is begun where any time is left: it may take longer than that.
    if (active.length === 0 || isEnough || now() + (rounds > 0 ? roundNs : 0) > deadline) break;
    for (let i = 0; i < active.length; i++) {
      const column = active[(i + rounds) % active.length];
      if (column === undefined || now() > deadline) continue;
      progress({ engine: column.engine.name, round: rounds + 1 });
      if (column.counts.size > 0) await runRound(column, options);
      const mostMs = column.bootsNs === 0 ? Number.POSITIVE_INFINITY : (column.bootsNs * HANGS_FROM) / NS_PER_MS;
      await makeBoots(column, options, limitMs(options, mostMs));
    }
    await longBoots.round((engine) => progress({ engine, round: rounds + 1 }));
  }
  longBoots.end();
  return { rounds, engines: columns.map((column) => column.result) };
}

function roundTime({ engines, workloads, budgetS }: SuiteOptions): number {
  const share = (budgetS * NS_PER_S) / (engines.length * workloads.length * TURNS_IN_BUDGET);
  return Math.min(Math.max(share, LEAST_ROUND_NS), MOST_ROUND_NS);
}

/**
 * Finds what the engine can run, and how many iterations take a round's time: by as many launches as that takes. A
 * workload that has run once when the time is over stays at that; one that took too little time to be seen runs once more.
 */
async function calibrate(column: Column, options: TimedOptions, until: number): Promise<void> {
  const { now } = options;
  const probed = await column.engine.probe();
  if ('missing' in probed) return column.refuseRest('missing', probed.missing);
  column.version = probed.version;
  for (const [name, why] of column.engine.beyond ?? []) column.refuse(name, 'unsupported', why);
  for (const { name, start } of column.boots) {
    const why = column.engine.refusalOf(start);
    if (why !== undefined) column.refuse(name, 'unsupported', why);
  }
  let left: readonly Asked[] = column.workloads.map(({ name, firstCount: count }) => ({ name, count }));
  let unseen: readonly Asked[] = [];
  const run = async (asked: readonly Asked[]): Promise<void> => {
    const turns = takeTurns(column, await launch(column, asked, options, (until - now()) / NS_PER_MS));
    left = turns.flatMap((turn) => nextCount(column, turn, options));
    const short = new Set(turns.filter(({ sample }) => sample?.hostNs === 0).map(({ name }) => name));
    unseen = left.filter(({ name }) => short.has(name));
  };
  while (left.length > 0 && now() < until) await run(left);
  if (unseen.length > 0) {
    const others = left.filter((one) => !unseen.includes(one));
    await run(unseen);
    left = [...others, ...left];
  }
  for (const { name, count } of left) {
    if (column.first.has(name)) column.counts.set(name, count);
    else column.refuse(name, 'over budget', 'the time was over before it came to it');
  }
  await calibrateWarm(column, options, until);
}

/** Once more, after a whole warm-up, those that need it: their counts are then too low, from when they were cold. */
async function calibrateWarm(column: Column, options: TimedOptions, until: number): Promise<void> {
  const { warmUpExits } = column.engine;
  if (warmUpExits === undefined) return;
  for (const { name, reachesMonitor } of column.workloads) {
    const coldNs = column.first.get(name)?.hostNs;
    if (!reachesMonitor || coldNs === undefined) continue;
    column.warmUps.set(name, Math.max(1, Math.min(warmUpExits, Math.floor(MOST_WARM_UP_NS / coldNs))));
  }
  const asked = column.asked.filter(({ warmUp }) => warmUp !== undefined);
  const leftMs = (until - options.now()) / NS_PER_MS;
  if (asked.length === 0 || leftMs <= 0) return;
  for (const { name, sample } of takeTurns(column, await launch(column, asked, options, leftMs))) {
    if (sample === undefined || sample.hostNs <= 0) continue;
    column.first.set(name, sample);
    column.counts.set(name, countFor(options.roundNs, sample.hostNs));
  }
}

const countFor = (roundNs: number, iterationNs: number): number =>
  Math.min(Math.max(1, Math.round(roundNs / iterationNs)), MOST_COUNT);

/** Sets a workload's count where that is known now; else gives the one to try. */
function nextCount(column: Column, { name, count, sample }: Turn, { roundNs }: TimedOptions): Asked[] {
  if (sample === undefined) return [{ name, count }];
  const before = column.first.get(name);
  if (sample.hostNs > 0) column.first.set(name, sample);
  if (column.hasFixedCount(name)) {
    column.counts.set(name, count);
    return [];
  }
  const tookNs = sample.hostNs * count;
  const wanted = countFor(roundNs, Math.max(tookNs, 1) / count);
  if (tookNs < LEAST_CALIBRATION_NS && count < wanted) return [{ name, count: Math.min(wanted, count * 100) }];
  const isWarm = before !== undefined && sample.hostNs > before.hostNs * NO_FASTER;
  const more = Math.min(Math.max(wanted, count * GROWTH), MOST_COUNT);
  if (!isWarm && sample.hostNs * more <= roundNs * MOST_GROWN) return [{ name, count: more }];
  // Each launch begins cold: what it takes to be warm, it takes in every round.
  const least = isWarm ? before.count : before === undefined ? 1 : count;
  column.counts.set(name, Math.max(wanted, least));
  return [];
}

async function runRound(column: Column, options: TimedOptions): Promise<void> {
  const measured = await launch(column, column.asked, options, (column.launchNs * HANGS_FROM) / NS_PER_MS);
  for (const { name, count, sample } of takeTurns(column, measured)) {
    // Where both ends came in one piece the host has no time of it.
    if (sample === undefined || sample.hostNs <= 0) continue;
    column.add(name, sample);
    // It was calibrated by a launch that something held up.
    const wanted = countFor(options.roundNs, sample.hostNs);
    if (wanted > count * TOO_SHORT && !column.hasFixedCount(name)) column.counts.set(name, wanted);
  }
}

/** A workload's turn in a launch; without a sample where it did not come to it, for the failure of another one. */
interface Turn extends Asked {
  readonly sample: Sample | undefined;
}

/**
 * Refuses what failed, and gives the others. A launch's time is that of all in it: who is in turn when it is over is not
 * to blame where others ran before.
 */
function takeTurns(column: Column, { asked, results, started, failure, isTimedOut }: Measured): Turn[] {
  let hasFailed = isTimedOut && results.some(({ result }) => result.outcome === 'ran');
  return asked.flatMap((one, index): Turn[] => {
    const { result, hostNs } = results[index] ?? NOT_RUN;
    if (result.outcome === 'ran') {
      const sample = { count: one.count, hostNs: hostNs / one.count, guestTicks: result.ticks / one.count };
      return [{ ...one, sample }];
    }
    const { outcome, why } = result;
    if (outcome === 'failed' && hasFailed && started) return [{ ...one, sample: undefined }];
    hasFailed ||= outcome === 'failed';
    column.refuse(
      one.name,
      outcome,
      outcome === 'failed' && failure !== undefined ? `${why} (the engine ${failure})` : why,
    );
    return [];
  });
}

interface Timed {
  readonly result: WorkloadResult;
  /** All iterations, by the host's clock. */
  readonly hostNs: number;
}

const NOT_RUN: Timed = { result: { outcome: 'failed', why: 'it was not run' }, hostNs: 0 };

interface Measured {
  readonly asked: readonly Asked[];
  readonly results: readonly Timed[];
  /** Whether the guest came to its first line. */
  readonly started: boolean;
  readonly failure: string | undefined;
  readonly isTimedOut: boolean;
}

/** @param mostMs after so long it hangs, where that is not too little */
async function launch(
  column: Column,
  asked: readonly Asked[],
  options: SuiteOptions,
  mostMs: number,
): Promise<Measured> {
  const start = options.now();
  const launched = await launchWithin(
    column.engine,
    { guest: 'bench', commandLine: benchCommandLine(asked) },
    { signal: options.signal, limitMs: limitMs(options, mostMs) },
  );
  column.launchNs = options.now() - start;
  const { failure, isTimedOut, text } = launched;
  const { startAt, results } = parseBenchOutput(text, asked);
  return {
    asked,
    results: results.map((result) => ({ result, hostNs: hostNsOf(launched, result) })),
    started: startAt !== undefined,
    failure,
    isTimedOut,
  };
}

function limitMs({ launchTimeoutMs = LAUNCH_TIMEOUT_MS }: SuiteOptions, mostMs: number): number {
  return Math.ceil(Math.min(launchTimeoutMs, Math.max(mostMs, LEAST_LAUNCH_MS)));
}

function hostNsOf(launched: Launch, result: WorkloadResult): number {
  if (result.outcome !== 'ran') return 0;
  return arrivalOf(launched, result.endAt + 1) - arrivalOf(launched, result.beginAt);
}
