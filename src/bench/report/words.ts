/** A result's numbers as words. */
import { grouped } from '../../trace/html/format.js';
import type { BenchHost, BenchKind, BenchResult, BenchUnit, MeasuredCell } from '../result.js';
import type { Interval } from '../statistics.js';

export const KIND_TITLES: Readonly<Record<BenchKind, string>> = {
  exits: 'VM exits',
  processor: 'Processor',
  serial: 'Serial console',
  memory: 'Memory',
  boot: 'Boot',
};

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
const PERCENT = 100;
/** Of a ratio. */
const LEAST_WRITTEN_OUT = 0.001;

type Scale = readonly (readonly [suffix: string, size: number])[];

const TIMES: Scale = [
  [' s', NS_PER_S],
  [' ms', NS_PER_MS],
  [' µs', 1e3],
  [' ns', 1],
];
const COUNTS: Scale = [
  [' G', 1e9],
  [' M', 1e6],
  [' k', 1e3],
  ['', 1],
];
const BYTES: Scale = [
  [' GB/s', 1e9],
  [' MB/s', 1e6],
  [' kB/s', 1e3],
  [' B/s', 1],
];

/** "2.45 ns", "7.20 µs"; instructions as "3.20 k"; a boot is in milliseconds, whatever it takes. */
export function timeText(value: number, unit: BenchUnit, kind?: BenchKind): string {
  if (unit === 'instructions') return scaled(value, COUNTS);
  return kind === 'boot' ? `${threeDigits(value / NS_PER_MS)} ms` : scaled(value, TIMES);
}

/** A power of ten of a time, for an axis: "10 µs". */
export function tickText(value: number, unit: BenchUnit): string {
  const digits = (scaledValue: number): string => grouped(Number(scaledValue.toPrecision(1)));
  return scaled(value, unit === 'instructions' ? COUNTS : TIMES, digits);
}

/** What goes through a serial port that takes so long for a byte; undefined where time is no time. */
export function throughputText(value: number, unit: BenchUnit): string | undefined {
  return unit === 'ns' ? scaled(NS_PER_S / value, BYTES) : undefined;
}

/** The rate, where the workload is one that has it. */
export function rateOf(kind: BenchKind, { median }: MeasuredCell, unit: BenchUnit): string | undefined {
  return kind === 'serial' ? throughputText(median, unit) : undefined;
}

/** How many times: "1.26×", "0.0431×", "2.49e-5×". */
export const ratioText = (ratio: number): string =>
  `${ratio < LEAST_WRITTEN_OUT ? ratio.toExponential(2) : threeDigits(ratio)}×`;

const LEAST_SAMPLES = 3;

/** Fewer samples have no interval worth the name. */
export const hasInterval = ({ samples }: MeasuredCell): boolean => samples.length >= LEAST_SAMPLES;

/** Half of the interval's width as a share: "±2.1 %"; nothing where there is none. */
export function spreadText(cell: MeasuredCell): string {
  if (!hasInterval(cell)) return '';
  const { median, interval } = cell;
  return `±${shareText((interval.high - interval.low) / 2 / median)}`;
}

/** "0.4 %", "12 %". */
export function shareText(share: number): string {
  const percent = share * PERCENT;
  return `${percent.toFixed(percent < 9.95 ? 1 : 0)} %`;
}

export function intervalText({ low, high }: Interval, text: (value: number) => string): string {
  return `${text(low)} to ${text(high)}`;
}

function scaled(value: number, scale: Scale, digits = threeDigits): string {
  const [suffix, size] = scale.find(([, least]) => value >= least * 0.9995) ?? scale.at(-1) ?? ['', 1];
  return `${digits(value / size)}${suffix}`;
}

function threeDigits(value: number): string {
  return value >= 99.95 ? grouped(Math.round(value)) : value.toPrecision(3);
}

/** The machine and how it was measured, each fact in one line. */
export function factsOf({
  host,
  version,
  date,
  suite,
  rounds,
  elapsedS,
  budgetS,
  unit,
}: BenchResult): (readonly [what: string, value: string])[] {
  const { kind, flavour, processor, cpus, kernel, governor, mitigations, load } = host;
  const loadText = (value: number | null): string => value?.toFixed(2) ?? 'not known';
  return [
    ['processor', `${processor || 'not known'}, ${cpus} CPU${cpus === 1 ? '' : 's'}`],
    ['kernel', `${kernel || 'not known'}; KVM: ${flavour}; host: ${kind}`],
    ['mitigations', mitigationWords(mitigations)],
    ['governor', governor ?? 'none'],
    ['load', `${loadText(load.before)} before, ${loadText(load.after)} after`],
    ['measured', `${date.slice(0, 16).replace('T', ' ')} UTC by vmlaunch ${version}`],
    [
      'suite',
      `${suite}; ${rounds} ${rounds === 1 ? 'round' : 'rounds'} in ${elapsedS.toFixed(0)} s of at most ${budgetS} s`,
    ],
    ...(unit === 'ns' ? [] : [['times', 'in instructions: that is what a clock counts on this host'] as const]),
  ];
}

/** Vulnerabilities by what the kernel does about them, without its details. */
function mitigationWords(mitigations: BenchHost['mitigations']): string {
  const entries = Object.entries(mitigations);
  if (entries.length === 0) return 'not known';
  const namesOf = (isIt: (state: string) => boolean) =>
    entries.filter(([, state]) => isIt(state)).map(([name]) => name);
  const isAffected = (state: string) => !state.startsWith('Not affected');
  const isMitigated = (state: string) => state.startsWith('Mitigation');
  const mitigated = namesOf(isMitigated);
  const open = namesOf((state) => isAffected(state) && !isMitigated(state));
  const rest = entries.length - mitigated.length - open.length;
  return [
    mitigated.length === 0 ? 'none' : mitigated.join(', '),
    ...(open.length === 0 ? [] : [`without one: ${open.join(', ')}`]),
    ...(rest === 0 ? [] : [`not affected by ${rest} ${rest === 1 ? 'other' : 'others'}`]),
  ].join('; ');
}
