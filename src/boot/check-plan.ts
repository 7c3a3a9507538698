/** What every plan must be, whichever loader made it: the machine copies its segments without looking again. */
import { VmError } from '../errors.js';
import { HOLE_END, LOW_RAM_END, MIB, ramRanges } from '../memory/map.js';
import { hex } from './place.js';
import type { BootPlan, Entry, Segment } from './plan.js';

/** Memory that a segment takes, in bytes. */
export const memoryOf = ({ bytes, memoryBytes = 0 }: Segment): number => Math.max(bytes.length, memoryBytes);

/** For messages: "kernel (0x100000–0x1fffff)". */
export function placeText(segment: Segment): string {
  return `${segment.what} (${hex(segment.address)}–${hex(segment.address + memoryOf(segment) - 1)})`;
}

/** Whether [start, end) is RAM that a loader may use: not the hole, nor what a PC has between 0x9fc00 and 1 MiB. */
export function isUsable(start: number, end: number, ramBytes: number): boolean {
  if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end)) return false;
  if (start < MIB && end > LOW_RAM_END) return false;
  return ramRanges(ramBytes).some((range) => start >= range.start && end <= range.start + range.size);
}

/**
 * Proves that a plan writes nothing outside RAM and no byte twice, and enters what it has loaded.
 * @throws VmError BUG: a loader has to refuse, in its own words, an image that asks for such a thing
 */
export function checkPlan(plan: BootPlan, ramBytes: number): void {
  const sorted = [...plan.segments].sort((a, b) => a.address - b.address);
  for (const [i, segment] of sorted.entries()) {
    const end = segment.address + memoryOf(segment);
    if (!isUsable(segment.address, end, ramBytes)) throw bug(plan, `${placeText(segment)} is not all usable RAM`);
    const next = sorted[i + 1];
    if (next && next.address < end) throw bug(plan, `${placeText(segment)} overlaps ${placeText(next)}`);
  }
  checkEntry(plan, sorted);
}

function checkEntry(plan: BootPlan, segments: readonly Segment[]): void {
  const { mode, rip, registers = {}, gdt, cr3 } = plan.entry;
  if ((mode === 'reset') !== (plan.firmware !== undefined)) throw bug(plan, 'a reset enters a firmware, and only that');
  if (mode === 'reset') return;
  const within = (start: number, size: number) =>
    segments.some((segment) => start >= segment.address && start + size <= segment.address + memoryOf(segment));
  if (!within(rip, 1) || rip >= HOLE_END) throw bug(plan, `its entry ${hex(rip)} is in no segment`);
  for (const [name, value] of Object.entries(registers)) {
    if (!Number.isSafeInteger(value) || value < 0) throw bug(plan, `${name} cannot be ${value}`);
  }
  if (mode === 'real') {
    if (rip >= MIB) throw bug(plan, `real mode does not reach ${hex(rip)}`);
    return;
  }
  if (gdt === undefined || !within(gdt.base, gdt.limit + 1)) throw bug(plan, 'its descriptor table is in no segment');
  if (mode === 'long' && !isPageTable(cr3, within)) throw bug(plan, 'its page tables are in no segment');
}

function isPageTable(cr3: Entry['cr3'], within: (start: number, size: number) => boolean): boolean {
  return cr3 !== undefined && cr3 % 0x1000 === 0 && within(cr3, 0x1000);
}

const bug = ({ form }: BootPlan, fault: string): VmError => new VmError('BUG', `the plan of a ${form} image: ${fault}`);
