/** Exits in rows, for the live view and the final table. */
import type { HandledBy } from '../trace/hardware-tally.js';
import { duration, grouped, percent } from '../trace/html/format.js';
import type { ModeTimes } from '../trace/model.js';
import type { AccessCount, ExitSummary } from '../trace/summary.js';
import { hex } from '../trace/words.js';
import { printable } from './printable.js';

/** A table's title and columns; the label takes what the others leave. */
export interface Section {
  readonly title: string;
  /** Where that is too long. */
  readonly short: string;
  /** Heads of the columns right of the label. */
  readonly heads: readonly string[];
  readonly rows: readonly Row[];
  /** How many there are beside `rows`. */
  readonly more?: number;
}

export interface Row {
  readonly label: string;
  readonly cells: readonly string[];
}

/** What is known of an instruction. */
export interface InstructionWords {
  readonly symbol?: string | undefined;
  readonly text?: string | undefined;
}

const GAP = '  ';

/** Head and rows of a section as lines of exactly `width` columns; at most `most` rows. */
export function sectionLines({ title, short, heads, rows }: Section, width: number, most: number): string[] {
  const shown = rows.slice(0, most);
  const widths = heads.map((head, i) => Math.max(head.length, ...shown.map(({ cells }) => cells[i]?.length ?? 0)));
  const left = Math.max(0, width - widths.reduce((sum, cell) => sum + cell + GAP.length, 0));
  const line = (label: string, cells: readonly string[]): string =>
    (asCell(label, left) + cells.map((cell, i) => GAP + cell.padStart(widths[i] ?? 0)).join('')).slice(0, width);
  return [line(title.length <= left ? title : short, heads), ...shown.map(({ label, cells }) => line(label, cells))];
}

/** A guest's text made harmless, and as many columns as asked for. */
export function asCell(text: string, columns: number): string {
  const shown = printable(text);
  return shown.length <= columns
    ? shown.padEnd(columns)
    : `${shown.slice(0, Math.max(0, columns - 1))}…`.slice(0, columns);
}

const byCount = (counts: Readonly<Record<string, number>>) => Object.entries(counts).sort(([, a], [, b]) => b - a);

/** @param rates exits a second by reason, where they are known */
export function reasonSection({ byReason }: ExitSummary, rates?: ReadonlyMap<string, number>): Section {
  return {
    title: 'returns of KVM_RUN by reason',
    short: 'reason',
    heads: rates === undefined ? ['count'] : ['count', 'a second'],
    rows: byCount(byReason).map(([reason, count]) => {
      const rate = rates && grouped(Math.round(rates.get(reason) ?? 0));
      return { label: reason, cells: [grouped(count), ...(rate === undefined ? [] : [rate])] };
    }),
  };
}

export function hardwareSection(byReason: Readonly<Record<string, Readonly<HandledBy>>>): Section {
  return {
    title: 'hardware exits, handled by',
    short: 'hardware exits',
    heads: ['KVM', 'vmlaunch'],
    rows: Object.entries(byReason).map(([reason, { kvm, vmlaunch }]) => ({
      label: reason,
      cells: [grouped(kvm), grouped(vmlaunch)],
    })),
  };
}

export function accessSection({ byAccess, otherAccesses }: ExitSummary): Section {
  const others = otherAccesses === 0 ? [] : [{ label: 'further addresses', cells: ['', grouped(otherAccesses), ''] }];
  return {
    title: 'accesses',
    short: 'accesses',
    heads: ['device', 'count', 'in vmlaunch'],
    rows: [...byAccess.map(accessRow), ...others],
  };
}

function accessRow({ bus, write, address, device, count, rootRing3Ns }: AccessCount): Row {
  const what = bus === 'pio' ? (write ? 'out' : 'in') : write ? 'write' : 'read';
  return { label: `${what} ${hex(address)}`, cells: [device ?? 'nobody', grouped(count), duration(rootRing3Ns)] };
}

/** Most columns of a symbol before the instruction itself. */
const MOST_PLACE = 24;

/** @param most how many rows will be seen: their symbols are as wide as need be */
export function instructionSection(
  { byRip, otherRips }: ExitSummary,
  wordsOf: (rip: string) => InstructionWords,
  most: number,
): Section {
  const shown = byRip.slice(0, most).map(({ rip, ripIs, count }) => {
    const { symbol, text } = wordsOf(rip);
    const after = ripIs === 'after' ? 'before ' : '';
    return { place: `${after}${symbol ?? rip}`, text: text ?? '', count };
  });
  const width = Math.min(MOST_PLACE, Math.max(0, ...shown.map(({ place }) => place.length)));
  const others = otherRips === 0 ? [] : [{ label: 'further instructions', cells: [grouped(otherRips)] }];
  return {
    title: 'instructions that exited',
    short: 'instructions',
    heads: ['count'],
    more: byRip.length - shown.length,
    rows: [
      ...shown.map(({ place, text, count }) => ({
        label: `${asCell(place, width)}  ${text}`,
        cells: [grouped(count)],
      })),
      ...others,
    ],
  };
}

/** From the guest to us: name, and how it is drawn. */
const MODES = [
  ['nonRootRing3', 'guest program (non-root, ring 3)', 'guest'],
  ['nonRootRing0', 'guest kernel (non-root, ring 0)', 'guest'],
  ['nonRoot', 'guest (non-root)', 'guest'],
  ['inside', 'inside KVM_RUN (guest and kernel)', 'inside'],
  ['rootRing0', 'kernel, KVM (root, ring 0)', 'kernel'],
  ['rootRing3', 'vmlaunch (root, ring 3)', 'vmlaunch'],
] as const satisfies readonly (readonly [keyof ModeTimes, string, string])[];

export type ModeStyle = (typeof MODES)[number][2];

export interface ModeShare {
  readonly name: string;
  readonly style: ModeStyle;
  readonly ns: number;
  /** Of the time of all modes, 0 to 1. */
  readonly share: number;
}

/** Times by mode; those of non-root operation by ring take the place of their sum. */
export function modeShares(modes: ModeTimes): ModeShare[] {
  const byRing = modes.nonRootRing3 !== undefined || modes.nonRootRing0 !== undefined;
  const measured = MODES.flatMap(([field, name, style]) => {
    const ns = byRing && field === 'nonRoot' ? undefined : modes[field];
    return ns === undefined ? [] : [{ name, style, ns }];
  });
  const all = measured.reduce((sum, { ns }) => sum + ns, 0);
  return measured.map((mode) => ({ ...mode, share: all === 0 ? 0 : mode.ns / all }));
}

export function modeSection(modes: ModeTimes): Section {
  return {
    title: 'time by mode, of all vCPUs',
    short: 'time by mode',
    heads: ['time', 'share'],
    rows: modeShares(modes).map(({ name, ns, share }) => ({ label: name, cells: [duration(ns), percent(share)] })),
  };
}

/** "0: 66.0 %, 3: 34.0 %". */
export function ringWords({ byRing, recorded }: ExitSummary): string {
  const parts = Object.entries(byRing).sort(([a], [b]) => Number(a) - Number(b));
  return parts.map(([ring, count]) => `ring ${ring} ${percent(count / recorded)}`).join(', ');
}
