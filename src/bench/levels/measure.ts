/**
 * The method of `vmlaunch bench levels`: each engine is started and then kept, so that a guest boots but once or few times;
 * in turns (A B C, B C A, …) each runs the same parts, as many iterations as take about the same time there. A speed is that
 * of the same round's native run.
 */
import { type Interval, median, medianInterval } from '../statistics.js';
import { MOST_COUNT, PART_NAMES, type PartName } from './parts.js';
import type { Running } from './running.js';
import { type Answer, Session } from './session.js';

/** What runs the program at a level. */
export interface LevelEngine {
  /** "native", "qemu-user" … */
  readonly name: string;
  /** Its version, or why it cannot be used here. Asked once. */
  probe(): Promise<{ readonly version: string } | { readonly missing: string }>;
  start(): Promise<Running>;
}

export interface MeasureOptions {
  /** The first is what the speed of the others is relative to. */
  readonly engines: readonly LevelEngine[];
  /** Seconds that rounds may take: starts and calibration are not counted, and there is one round in any case. */
  readonly budgetS: number;
  /** What a part is to take in a round, in nanoseconds. Default 50 ms. */
  readonly roundNs?: number;
  /** What a start may take. Default 60 s. */
  readonly startLimitMs?: number;
  /** What an answer may take. Default 60 s. */
  readonly answerLimitMs?: number;
  /** Nanoseconds on a clock that only rises. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly progress?: (line: string) => void;
}

export interface LevelSample {
  readonly round: number;
  readonly count: number;
  /** An iteration in nanoseconds. */
  readonly ns: number;
}

interface NoFigure {
  readonly outcome: 'missing' | 'failed';
  readonly why: string;
}

/** What stands where an engine's row crosses a part's column. */
export type LevelCell =
  | {
      readonly outcome: 'measured';
      /** Of an iteration, in nanoseconds: the rounds' median. */
      readonly ns: number;
      /** That of the reference in the same round, by this: the rounds' median and its 95 % interval. Null without it. */
      readonly speed: { readonly median: number; readonly interval: Interval } | null;
      readonly samples: readonly LevelSample[];
    }
  | NoFigure;

export interface EngineFigures {
  readonly name: string;
  readonly version: string | null;
  /** Until it could be asked, in nanoseconds: the median of all starts. */
  readonly start: { readonly outcome: 'measured'; readonly ns: number; readonly samples: readonly number[] } | NoFigure;
  readonly parts: Readonly<Record<PartName, LevelCell>>;
  /** A second of the host's clock in seconds of its own, over all that it was asked; null where that took too short. */
  readonly clock: number | null;
}

export interface Figures {
  readonly rounds: number;
  readonly engines: readonly EngineFigures[];
}

const ROUND_NS = 50e6;
const START_LIMIT_MS = 60_000;
const ANSWER_LIMIT_MS = 60_000;
/** An engine is started again and again, until it was so often or its starts have taken so long. */
const MOST_STARTS = 5;
const STARTS_NS = 2e9;
const FIRST_COUNT = 500;
/** A count is enough when it was so twice: once may have been the code's first time, or another program's turn. */
const CONFIRMATIONS = 2;
const MOST_GROWTH = 100;
/** Answers come some tenths of a second late where all share a processor. */
const LEAST_CLOCK_NS = 2e9;
const LEAST_ROUNDS = 5;
/** Rounds are enough when each interval is narrower than this share of its median. */
const WIDTH = 0.05;
const NS_PER_S = 1e9;

type Ran = Extract<Answer, { outcome: 'ran' }>;

/** An engine's part in the measurement. */
class Row {
  version: string | null = null;
  session: Session | undefined;
  readonly startsNs: number[] = [];
  readonly counts = new Map<PartName, number>();
  readonly samples = new Map<PartName, LevelSample[]>(PART_NAMES.map((part) => [part, []]));
  readonly reasons = new Map<PartName, NoFigure>();
  #noStart: NoFigure | undefined;
  /** Answers. */
  #first: Ran | undefined;
  #last: Ran | undefined;

  constructor(readonly engine: LevelEngine) {}

  get isActive(): boolean {
    return this.counts.size > 0;
  }

  async start(options: MeasureOptions): Promise<void> {
    const { startLimitMs = START_LIMIT_MS, answerLimitMs = ANSWER_LIMIT_MS, now, signal } = options;
    const probed = await this.engine.probe();
    if ('missing' in probed) return this.#refuseAll({ outcome: 'missing', why: probed.missing });
    this.version = probed.version;
    for (let takenNs = 0; this.startsNs.length < MOST_STARTS && takenNs < STARTS_NS; ) {
      signal.throwIfAborted();
      await this.stop();
      const session = await Session.start(() => this.engine.start(), { now, signal, startLimitMs, answerLimitMs });
      if (!(session instanceof Session)) return this.#refuseAll({ outcome: 'failed', why: session.failure });
      this.session = session;
      this.startsNs.push(session.startNs);
      takenNs += session.startNs;
    }
  }

  async stop(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.stop();
  }

  /** Finds how many iterations of each part take a round's time. */
  async calibrate({ roundNs = ROUND_NS }: MeasureOptions): Promise<void> {
    for (const part of PART_NAMES) {
      let count = FIRST_COUNT;
      let bestNs = Number.POSITIVE_INFINITY;
      for (let confirmed = 0; confirmed < CONFIRMATIONS && this.session !== undefined; ) {
        const answer = await this.#ask(this.session, part, count);
        if (answer === undefined) break;
        bestNs = Math.min(bestNs, Math.max(answer.ns, 1) / count);
        const wanted = Math.min(Math.max(1, Math.round(roundNs / bestNs)), MOST_COUNT);
        confirmed = 2 * count >= wanted ? confirmed + 1 : 0;
        count = Math.min(wanted, count * MOST_GROWTH);
        if (confirmed === CONFIRMATIONS) this.counts.set(part, count);
      }
    }
  }

  async runRound(round: number): Promise<void> {
    for (const [part, count] of this.counts) {
      if (this.session === undefined) return;
      const answer = await this.#ask(this.session, part, count);
      if (answer === undefined) continue;
      this.samples.get(part)?.push({ round, count, ns: answer.ns / count });
    }
  }

  /** @param reference whose speed is 1 */
  figures(reference: Row): EngineFigures {
    const cells = PART_NAMES.map((part): [PartName, LevelCell] => [part, this.#cell(part, reference)]);
    return {
      name: this.engine.name,
      version: this.version,
      start: this.#noStart ?? { outcome: 'measured', ns: median(this.startsNs), samples: this.startsNs },
      parts: Object.fromEntries(cells) as Record<PartName, LevelCell>,
      clock: this.#clock,
    };
  }

  /** Whether each part's interval is narrow enough. */
  isPrecise(reference: Row): boolean {
    return [...this.counts.keys()].every((part) => {
      const speeds = this.#speeds(part, reference);
      if (speeds.length === 0) return true; // there is nothing that more rounds could make narrower
      const { low, high } = medianInterval(speeds);
      return high - low <= WIDTH * median(speeds);
    });
  }

  get #clock(): number | null {
    const [first, last] = [this.#first, this.#last];
    if (first === undefined || last === undefined) return null;
    const hostNs = last.hostAtNs - first.hostAtNs;
    return hostNs < LEAST_CLOCK_NS ? null : (last.ownAtNs - first.ownAtNs) / hostNs;
  }

  #cell(part: PartName, reference: Row): LevelCell {
    const reason = this.reasons.get(part);
    if (reason !== undefined) return reason;
    const samples = this.samples.get(part) ?? [];
    const speeds = this.#speeds(part, reference);
    const speed = speeds.length === 0 ? null : { median: median(speeds), interval: medianInterval(speeds) };
    return { outcome: 'measured', ns: median(samples.map(({ ns }) => ns)), speed, samples };
  }

  #speeds(part: PartName, reference: Row): number[] {
    const references = new Map(reference.samples.get(part)?.map(({ round, ns }) => [round, ns]));
    return (this.samples.get(part) ?? []).flatMap(({ round, ns }) => {
      const referenceNs = references.get(round);
      return referenceNs === undefined ? [] : [referenceNs / ns];
    });
  }

  async #ask(session: Session, part: PartName, count: number): Promise<Ran | undefined> {
    const answer = await session.ask(part, count);
    if (answer.outcome === 'ran') {
      this.#first ??= answer;
      this.#last = answer;
      return answer;
    }
    this.#refuse(part, answer);
    if (session.failure === undefined) return undefined;
    // A part that was measured before keeps its samples; the others will have none.
    for (const other of PART_NAMES) if (this.samples.get(other)?.length === 0) this.#refuse(other, answer);
    this.counts.clear();
    await this.stop();
    return undefined;
  }

  #refuse(part: PartName, why: NoFigure): void {
    this.counts.delete(part);
    if (!this.reasons.has(part)) this.reasons.set(part, why);
  }

  #refuseAll(why: NoFigure): void {
    this.#noStart = why;
    for (const part of PART_NAMES) this.#refuse(part, why);
  }
}

/** What an engine does wrong is in its own cells. Nothing that was started is left. @throws the reason of the signal */
export async function measureLevels(options: MeasureOptions): Promise<Figures> {
  const { progress = () => {} } = options;
  const rows = options.engines.map((engine) => new Row(engine));
  const [reference] = rows;
  if (reference === undefined) return { rounds: 0, engines: [] };
  try {
    for (const row of rows) {
      progress(`${row.engine.name}: starting`);
      await row.start(options);
    }
    for (const row of rows) {
      progress(`${row.engine.name}: calibrating`);
      await row.calibrate(options);
    }
    const rounds = await runRounds(rows, reference, options);
    return { rounds, engines: rows.map((row) => row.figures(reference)) };
  } finally {
    for (const row of rows) await row.stop();
  }
}

async function runRounds(
  rows: readonly Row[],
  reference: Row,
  { budgetS, now, progress = () => {} }: MeasureOptions,
): Promise<number> {
  const deadline = now() + budgetS * NS_PER_S;
  let roundNs = 0;
  for (let round = 0; ; round++) {
    const active = rows.filter(({ isActive }) => isActive);
    const isEnough = round >= LEAST_ROUNDS && active.every((row) => row.isPrecise(reference));
    if (active.length === 0 || isEnough || (round > 0 && now() + roundNs > deadline)) return round;
    const begin = now();
    progress(`round ${round + 1}, ${Math.max(0, Math.round((deadline - begin) / NS_PER_S))} s left`);
    for (let i = 0; i < active.length; i++) await active[(i + round) % active.length]?.runRound(round);
    roundNs = now() - begin;
  }
}
