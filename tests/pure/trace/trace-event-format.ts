/**
 * The rules of the published document "Trace Event Format" for the events that we write, as a check of a whole file:
 * Perfetto's own importer is to be had neither as an npm nor as a Debian package.
 */

export interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly s?: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** Names of metadata events, with the argument that each must have. */
const METADATA: Readonly<Record<string, readonly [argument: string, type: string]>> = {
  process_name: ['name', 'string'],
  process_sort_index: ['sort_index', 'number'],
  thread_name: ['name', 'string'],
  thread_sort_index: ['sort_index', 'number'],
};

/** Reads the JSON array form; its closing bracket, and with it a comma after the last event, may be as the format lets them. */
export function readTrace(text: string): TraceEvent[] {
  const closed = text.trimEnd().endsWith(']') ? text : `${text.trimEnd().replace(/,$/, '')}]`;
  const events: unknown = JSON.parse(closed);
  if (!Array.isArray(events)) throw new Error('not an array');
  return events as TraceEvent[];
}

/** What is wrong with the events, in words: empty where all rules hold. */
export function faultsOf(events: readonly TraceEvent[]): string[] {
  return [
    ...events.flatMap((event, index) => ofOne(event).map((fault) => `event ${index}: ${fault}`)),
    ...ofTracks(events),
  ];
}

function ofOne(event: TraceEvent): string[] {
  const faults: string[] = [];
  const need = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  const isTime = (time: unknown) => typeof time === 'number' && Number.isFinite(time) && time >= 0;
  need(typeof event.name === 'string' && event.name !== '', 'no name');
  need(Number.isInteger(event.pid) && Number.isInteger(event.tid), 'no process or thread');
  need(isTime(event.ts), `ts ${event.ts}`);
  need(typeof event.args === 'object' && event.args !== null, 'no args');
  if (event.ph === 'X') need(isTime(event.dur), `dur ${event.dur}`);
  else if (event.ph === 'i') need(['g', 'p', 't'].includes(event.s ?? ''), `scope ${event.s}`);
  else if (event.ph === 'M') {
    const [argument = '', type = ''] = METADATA[event.name] ?? [];
    need(typeof event.args?.[argument] === type, `metadata ${event.name}`);
  } else faults.push(`phase ${event.ph}`);
  return faults;
}

/** Slices of one track are nested or disjoint; every track with slices has a name, and its process too. */
function ofTracks(events: readonly TraceEvent[]): string[] {
  const tracks = new Map<string, TraceEvent[]>();
  for (const event of events.filter(({ ph }) => ph === 'X')) {
    const track = `${event.pid}/${event.tid}`;
    tracks.set(track, [...(tracks.get(track) ?? []), event]);
  }
  const named = (what: string, pid: number, tid?: number) =>
    events.some((event) => event.name === what && event.pid === pid && (tid === undefined || event.tid === tid));
  return [...tracks].flatMap(([track, slices]) => {
    const [pid = 0, tid = 0] = track.split('/').map(Number);
    const faults = badNesting(slices).map((fault) => `track ${track}: ${fault}`);
    if (!named('process_name', pid)) faults.push(`process ${pid} has no name`);
    if (!named('thread_name', pid, tid)) faults.push(`track ${track} has no name`);
    return faults;
  });
}

function badNesting(slices: readonly TraceEvent[]): string[] {
  const ns = (us: number) => Math.round(us * 1000);
  const spans = slices.map(({ ts, dur = 0 }) => ({ from: ns(ts), to: ns(ts) + ns(dur) }));
  spans.sort((a, b) => a.from - b.from || b.to - a.to);
  const open: { from: number; to: number }[] = [];
  return spans.flatMap((span) => {
    while ((open.at(-1)?.to ?? Number.POSITIVE_INFINITY) <= span.from) open.pop();
    const outer = open.at(-1);
    open.push(span);
    return outer !== undefined && span.to > outer.to ? [`${span.from}..${span.to} crosses the end ${outer.to}`] : [];
  });
}
