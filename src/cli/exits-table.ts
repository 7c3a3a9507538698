/** What a watched machine did, as a table for people: lines of at most 80 columns. */
import type { HandledBy } from '../trace/hardware-tally.js';
import { grouped } from '../trace/html/format.js';
import type { RecordingEnd } from '../trace/recording.js';
import type { ExitSummary } from '../trace/summary.js';
import {
  accessSection,
  hardwareSection,
  type InstructionWords,
  instructionSection,
  modeSection,
  reasonSection,
  ringWords,
  type Section,
  sectionLines,
} from './exits-rows.js';
import { costRows, type WatchCost } from './watch-cost.js';

const WIDTH = 80;
const LABEL = 28;
const MOST_ROWS = 12;
const ALL_ROWS = 100;

export interface ExitsResult {
  readonly summary: ExitSummary;
  readonly end: RecordingEnd;
  /** Why the kernel's side was not recorded. */
  readonly kernelMissing: string | undefined;
  readonly hardware: Readonly<Record<string, Readonly<HandledBy>>>;
  readonly wordsOf: (rip: string) => InstructionWords;
  readonly cost: WatchCost;
  /** Exits that the trace file had no room for. */
  readonly leftOutOfTrace: number;
}

/** Ends with "\n". */
export function exitsTable(result: ExitsResult): string {
  const { summary, hardware, wordsOf } = result;
  const sections: (readonly [Section, number])[] = [
    [reasonSection(summary), ALL_ROWS],
    [hardwareSection(hardware), ALL_ROWS],
    [modeSection(summary.modes), ALL_ROWS],
    [accessSection(summary), MOST_ROWS],
    [instructionSection(summary, wordsOf, MOST_ROWS), MOST_ROWS],
  ];
  const tables = sections
    .filter(([{ rows }]) => rows.length > 0)
    .flatMap(([section, most]) => [...sectionLines(section, WIDTH, most), ...leftOut(section, most), '']);
  const facts = [...countRows(result), ...checkRows(result)];
  const lines = [
    'counts',
    ...facts.flatMap(factLines),
    '',
    ...tables,
    'cost of watching',
    ...costRows(result.cost).flatMap(factLines),
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

type Fact = readonly [what: string, value: string];

function leftOut({ rows, more = 0 }: Section, most: number): string[] {
  const all = Math.max(0, rows.length - most) + more;
  return all === 0 ? [] : [`and ${grouped(all)} more`];
}

function countRows({ summary, end, leftOutOfTrace }: ExitsResult): Fact[] {
  const { recorded, continued, lost } = summary;
  const rows: Fact[] = [
    ['recorded', grouped(recorded)],
    ['  of them continued', `${grouped(continued)}: further returns for the same hardware exit`],
    ['lost', `${grouped(lost)}${lost === 0 ? '' : ': they came while the buffer was full'}`],
  ];
  if (end.kernelEventsLost > 0) rows.push(["kernel's events lost", grouped(end.kernelEventsLost)]);
  if (leftOutOfTrace > 0) rows.push(['not in the trace file', `${grouped(leftOutOfTrace)}: it is full`]);
  if (recorded > 0) rows.push(['CPL at exits, a sample', ringWords(summary)]);
  return rows;
}

/** What our side counted, against what KVM did. */
function checkRows({ summary, kernelMissing }: ExitsResult): Fact[] {
  const { recorded, continued, lost, kvm } = summary;
  const rows: Fact[] = [];
  const { userspaceExits } = kvm;
  if (userspaceExits !== null) {
    const ours = recorded + lost;
    rows.push(['recorded + lost', `${grouped(ours)} ${relation(ours, userspaceExits)} that the vCPUs' loops counted`]);
  }
  if (kernelMissing !== undefined) return [...rows, ["kernel's side", `not recorded: ${kernelMissing}`]];
  if (kvm.exits === null) return [...rows, ['check', "KVM's own counters cannot be read here"]];
  if (kvm.keptByKvm === null) return [...rows, ['check', "none: some of the kernel's events were lost"]];
  const sum = recorded - continued + kvm.keptByKvm;
  const terms = `${grouped(recorded)} − ${grouped(continued)} + ${grouped(kvm.keptByKvm)} = ${grouped(sum)}`;
  return [
    ...rows,
    ['kept by KVM', grouped(kvm.keptByKvm)],
    ['check', `recorded − continued + kept by KVM = KVM's own count of exits`],
    ['', `${terms} ${relation(sum, kvm.exits)} by KVM's count: ${sum === kvm.exits ? 'it holds' : 'it does not hold'}`],
  ];
}

const relation = (ours: number, theirs: number): string => `${ours === theirs ? '=' : '≠'} ${grouped(theirs)}`;

/** What and how much; a long text goes on below. */
function factLines([what, value]: Fact): string[] {
  const lines: string[] = [];
  let line = `  ${what}`.padEnd(LABEL);
  if (line.length > LABEL) line = `${line} `;
  let isBegun = false;
  for (const word of value.split(' ')) {
    if (isBegun && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = ' '.repeat(LABEL) + word;
    } else line += (isBegun ? ' ' : '') + word;
    isBegun = true;
  }
  return [...lines, line];
}
