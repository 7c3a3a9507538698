/** A view of memory as text for people. */
import { endOf } from '../../memory/mappings.js';
import { grouped } from '../html/format.js';
import type { SecondLevelWalk } from './second-level.js';
import type { MapRow, MemoryView, SecondView, VcpuView, WalkView } from './view.js';
import {
  digits,
  kindWords,
  MODELLED,
  physicalWords,
  placeWords,
  READ,
  referencesOf,
  regionsOf,
  resultWords,
  rightsWords,
  ringWords,
  secondEntryName,
  sizeWords,
} from './words.js';

export interface TextOptions {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  /** Columns. */
  readonly width: number;
}

const MOST_REGIONS = 48;
const MOST_FAULTS = 8;

/** Ends with "\n". */
export function memoryText(view: MemoryView, options: TextOptions): string {
  const text = new Lines(options);
  mapLines(text, view);
  view.vcpus.forEach((cpu, i) => {
    vcpuLines(text, cpu, view.vcpus.slice(0, i));
  });
  secondLines(text, view);
  return text.end();
}

class Lines {
  readonly #lines: string[] = [];

  constructor(private readonly options: TextOptions) {}

  /** Whether there is room for the ends of ranges of 64 bits. */
  get isWide(): boolean {
    return this.options.width >= 100;
  }

  heading(title: string, source: string): void {
    if (this.#lines.length > 0) this.#lines.push('');
    const { bold, dim, width } = this.options;
    const gap = Math.max(2, width - title.length - source.length - 2);
    this.#lines.push(`${bold(title)}${' '.repeat(gap)}${dim(`[${source}]`)}`);
  }

  dim(text: string): void {
    for (const line of this.#wrapped(text)) this.#lines.push(this.options.dim(line));
  }

  plain(text: string): void {
    this.#lines.push(...this.#wrapped(text));
  }

  /** Lines of columns; numbers are to the right. The first row is the heading. */
  table(rows: readonly (readonly string[])[], right: readonly number[] = []): void {
    const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
    rows.forEach((row, i) => {
      const cells = row.map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      });
      const line = `  ${cells.join('  ')}`.trimEnd();
      this.#lines.push(i === 0 ? this.options.dim(line) : line);
    });
  }

  /** @param text lines that are too long are broken at blanks, and indented as the first */
  #wrapped(text: string): string[] {
    const indent = /^ */.exec(text)?.[0] ?? '';
    const lines: string[] = [];
    let line = '';
    for (const word of text.trim().split(' ')) {
      if (line !== '' && indent.length + line.length + 1 + word.length > this.options.width) {
        lines.push(indent + line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    return [...lines, indent + line];
  }

  end(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

function mapLines(text: Lines, { ramBytes, map, moment }: MemoryView): void {
  text.heading(`memory map: ${sizeWords(ramBytes)} of RAM`, READ);
  text.plain(`  ${moment}`);
  text.table(
    [
      ['guest-physical', 'size', 'e820', 'slot', 'host-virtual', 'device'],
      ...map.map((row) => [
        `${digits(row.start, 9)}-${digits(row.end - 1, 9)}`,
        sizeWords(row.end - row.start),
        row.e820 ?? '-',
        slotWords(row),
        row.hostVirtual === undefined ? '-' : digits(row.hostVirtual, 12),
        row.device ?? (row.slot === undefined ? 'none: exits' : ''),
      ]),
    ],
    [1],
  );
}

const slotWords = ({ slot, what, readOnly }: MapRow): string =>
  slot === undefined ? '-' : `${slot}${what === 'ram' ? '' : ` ${what}`}${readOnly && what !== 'rom' ? ' r/o' : ''}`;

function vcpuLines(text: Lines, cpu: VcpuView, before: readonly VcpuView[]): void {
  const { id, mode, mappings, paging, wasReset, walks } = cpu;
  text.heading(`vCPU ${id}: ${mode}`, READ);
  if (wasReset) {
    text.plain(
      '  KVM has reset it after a triple fault: the page tables that it had are not known. See README, "Why it died".',
    );
    return;
  }
  const same = before.find((other) => other.paging.cr3 === paging.cr3 && other.mappings !== undefined);
  if (mappings === undefined) text.plain('  paging is off: a linear address is the guest-physical one');
  else if (same !== undefined) text.plain(`  the page tables of vCPU ${same.id}`);
  else tableLines(text, cpu);
  for (const walk of walks) walkLines(text, walk, paging.cr3);
}

function tableLines(text: Lines, { mappings, walks, paging }: VcpuView): void {
  if (mappings === undefined) return;
  const regions = regionsOf(mappings.ranges);
  const { tables, reserved, outsideRam, whole } = mappings;
  text.plain(`  ${walks[0]?.walk.mode} paging, CR3 ${digits(paging.cr3, 8)}, ${grouped(tables)} tables`);
  text.table(
    [
      ['linear', 'size', 'pages', 'rights', 'A', 'D', 'guest-physical'],
      ...regions.slice(0, MOST_REGIONS).map((region) => {
        const { linear, pages, pageSize, accessed, dirty } = region;
        const end = endOf(region) - 1n;
        const width = end > 0xffff_ffffn ? 16 : 8;
        const size = sizeWords(pages * pageSize);
        const each = `${grouped(pages)} x ${sizeWords(pageSize).replace(' ', '').replace('iB', '')}`;
        const counts = [accessed, dirty].map((count) => (count === pages ? 'all' : `${count}`));
        return [
          text.isWide ? `${digits(linear, width)}-${digits(end, width)}` : digits(linear, width),
          size,
          each,
          rightsWords(region),
          ...counts,
          placeWords(region),
        ];
      }),
    ],
    [1, 2, 4, 5],
  );
  if (regions.length > MOST_REGIONS) text.plain(`  and ${grouped(regions.length - MOST_REGIONS)} more: --json has all`);
  if (!whole) text.plain('  the tables stand for more than this: they were not read to their end');
  if (reserved > 0) text.plain(`  ${grouped(reserved)} entries have a reserved bit set`);
  if (outsideRam > 0) text.plain(`  ${grouped(outsideRam)} tables would be where no RAM is`);
  text.dim('  u: ring 3 too, G: global; A, D: pages with the accessed and the dirty bit set');
}

function walkLines(text: Lines, { name, walk, hostVirtual, hostPhysical, accesses }: WalkView, cr3: bigint): void {
  const { linearAddress, mode, steps, result } = walk;
  const address = `0x${digits(linearAddress, 1)}`;
  text.heading(`walk of ${name === address ? address : `${name}, ${address}`}`, READ);
  if (mode === 'off') text.plain('  paging is off');
  else text.plain(`  CR3 ${digits(cr3, 8)}`);
  for (const { entry, index, address: at, value, flags } of steps) {
    const what = value === undefined ? 'not in RAM' : `${digits(value, 16)}  ${flags.join(' ')}`;
    text.plain(`  ${`${entry}[${index}]`.padEnd(10)} at ${digits(at, 8)}: ${what}`);
  }
  const last = steps.at(-1);
  text.plain(`  ${resultWords(result, last && `${last.entry}[${last.index}]`)}`);
  if (hostVirtual !== undefined) text.plain(`  host-virtual ${digits(hostVirtual, 12)}`);
  if (hostPhysical !== undefined) text.plain(`  host-physical ${physicalWords(hostPhysical)}`);
  text.dim(`  ${MODELLED}, by the entries above and the control registers:`);
  for (const user of [false, true]) text.plain(`  ring ${user ? 3 : 0}  ${ringWords(accesses, user)}`);
}

function secondLines(text: Lines, { second, vcpus }: MemoryView): void {
  const { kind, counters, eventsMissing, faults, faultCount, faultsByKind, eventsLost } = second;
  text.heading(`the second dimension: ${kind ?? 'none, KVM has shadow page tables'}`, READ);
  const known = Object.entries(counters).filter(([, value]) => value > 0);
  text.plain(
    `  KVM's counters: ${known.map(([name, value]) => `${name} ${grouped(value)}`).join(', ') || 'none to read'}`,
  );
  if (eventsMissing !== undefined) text.plain(`  KVM's events: ${eventsMissing}`);
  else {
    const kinds = Object.entries(faultsByKind).map(([name, count]) => `${name} ${grouped(count)}`);
    text.plain(`  kvm_page_fault events: ${grouped(faultCount)}${kinds.length === 0 ? '' : ` (${kinds.join(', ')})`}`);
    if (eventsLost > 0) text.plain(`  ${grouped(eventsLost)} events were lost: what follows may lack some`);
    for (const { guestPhysical, rip, kind: access, table, errorCode } of faults.slice(0, MOST_FAULTS)) {
      const what = `${access}${table ? ', of a guest page table' : ''}`;
      text.plain(`    at ${digits(guestPhysical, 9)}, rip ${digits(rip, 8)}: ${what}, code 0x${digits(errorCode, 1)}`);
    }
    if (faultCount > MOST_FAULTS) text.plain(`    and ${grouped(faultCount - MOST_FAULTS)} more`);
  }
  text.plain(`  pages mapped, by KVM's counters: ${pagesWords(second)}`);
  const walk = vcpus[0]?.walks[0];
  if (kind !== undefined && walk !== undefined && walk.walk.steps.length > 0) twoDimensions(text, walk, second);
}

const pagesWords = ({ counters }: SecondView): string =>
  [
    ['4 KiB', counters.pages_4k],
    ['2 MiB', counters.pages_2m],
    ['1 GiB', counters.pages_1g],
  ]
    .map(([size, count]) => `${count === undefined ? '?' : grouped(count)} of ${size}`)
    .join(', ');

function twoDimensions(text: Lines, view: WalkView, second: SecondView): void {
  const { name, walk, second: ways = [] } = view;
  const kind = kindWords(second);
  const all = ways.length > 0 && ways.every(({ isKnown }) => isKnown);
  text.heading(`the walk of ${name} in two dimensions`, all ? `${READ}: KVM's events` : `in part ${MODELLED}`);
  text.plain(
    `  Each entry of the guest's is at a guest-physical address, which the CPU translates by the ${kind} before it reads it; the address at the end too.`,
  );
  walk.steps.forEach((step, i) => {
    wayLines(text, ways[i], kind);
    text.plain(`  guest ${step.entry}[${step.index}] at ${digits(step.address, 8)}`);
  });
  if (walk.result.outcome === 'mapped') {
    wayLines(text, ways[walk.steps.length], kind);
    text.plain(`  guest-physical ${digits(walk.result.physicalAddress, 8)}`);
  }
  const { guest, host, sum } = referencesOf(view, ways);
  text.plain(`  ${sum} references: ${guest} to the guest's tables, ${host.join(' + ')} to the host's`);
  const [g, h] = [walk.mode === '5-level' ? 5 : walk.mode === '4-level' ? 4 : walk.mode === 'PAE' ? 3 : 2, 4];
  text.dim(
    `  ${MODELLED}: with pages of 4 KiB all along they would be ${g} x (${h} + 1) + ${h} = ${g * (h + 1) + h}; large pages on either side end a walk early, and the CPU's caches for each level save most of it.`,
  );
}

function wayLines(text: Lines, way: SecondLevelWalk | undefined, kind: string): void {
  if (way === undefined) return;
  const parts = way.entries.map((entry) => {
    const value = entry.value === undefined ? '' : ` ${digits(entry.value, 1)}`;
    return `${secondEntryName(entry)}${value}`;
  });
  const to = way.hostPhysical === undefined ? 'modelled' : `host-physical ${digits(way.hostPhysical, 8)}`;
  text.dim(`    ${kind} ${parts.join(' > ')}: ${to}`);
}
