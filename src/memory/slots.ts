/**
 * A machine's memory slots (KVM API 4.35): which host memory the guest sees where. `Slots` is the table; nobody else
 * calls KVM_SET_USER_MEMORY_REGION. What a slot may be is checked here, before KVM is asked.
 *
 * `slots.list` is what there is now, by address: for each slot its number, `start` and `size` in bytes, `what` it is,
 * its flags `readOnly` and `logDirty`, and the host memory behind it (`buffer`, `offset`). `KVM_PRIVATE_RANGES` are
 * pages that KVM itself puts into the guest's address space, which are no slots of the table.
 */
import { VmError } from '../errors.js';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '../kvm/abi/constants.js';
import type { Vm } from '../kvm/vm.js';
import { IO_APIC_BASE, KVM_IDENTITY_MAP_BASE, KVM_TSS_BASE, LOCAL_APIC_BASE, type Range } from './map.js';
import type { RamPiece } from './ram.js';

const PAGE = 4096;

/** What a slot is: RAM of the board, a firmware's ROM, or memory that a program or a device added. */
export type SlotKind = 'ram' | 'rom' | 'extra';

/** What may be asked of a slot. */
export interface SlotRequest extends Omit<RamPiece, 'readOnly' | 'hostWrites'> {
  readonly what: SlotKind;
  /** The guest may read and execute it; a write comes out as MMIO and is the device's at that address, or nobody's. */
  readonly readOnly?: boolean | undefined;
  /** KVM takes down which pages the guest wrote. */
  readonly logDirty?: boolean | undefined;
}

/** A slot that is there. Clonable to another thread, where it shows the same memory. */
export interface Slot extends RamPiece {
  /** KVM's number of it. */
  readonly slot: number;
  readonly what: SlotKind;
  readonly readOnly: boolean;
  readonly logDirty: boolean;
}

export interface NamedRange extends Range {
  readonly name: string;
}

/** Where KVM, or the interrupt controllers in it, answer whatever slots there are. */
export const KVM_PRIVATE_RANGES: readonly NamedRange[] = [
  { name: "KVM's identity map", start: KVM_IDENTITY_MAP_BASE, size: PAGE },
  { name: "KVM's TSS", start: KVM_TSS_BASE, size: 3 * PAGE },
  { name: 'the I/O APIC', start: IO_APIC_BASE, size: PAGE },
  { name: 'the local APIC', start: LOCAL_APIC_BASE, size: PAGE },
];

export interface SlotLimits {
  /** Slots that a VM may have: KVM_CHECK_EXTENSION(KVM_CAP_NR_MEMSLOTS). */
  readonly slots: number;
  /** Bits of a guest-physical address, as CPUID leaf 0x80000008 has them. */
  readonly addressBits: number;
  /** Where no slot may be. */
  readonly reserved: readonly NamedRange[];
}

/**
 * The slots of one VM. Every refusal is a VmError SLOT_INVALID, and leaves all as it was. KVM moves a live slot and
 * changes whether it logs dirty pages; for any other change the slot is deleted and added again (`replace`), and no vCPU
 * may be in KVM_RUN meanwhile, or it would see the gap.
 */
export class Slots {
  readonly #vm: Pick<Vm, 'setUserMemoryRegion'>;
  readonly #limits: SlotLimits;
  readonly #byNumber = new Map<number, Slot>();
  #list: readonly Slot[] = [];

  constructor(vm: Pick<Vm, 'setUserMemoryRegion'>, limits: SlotLimits) {
    this.#vm = vm;
    this.#limits = limits;
  }

  /** All slots, by address. Another array after each change, which keeps what it had. */
  get list(): readonly Slot[] {
    return this.#list;
  }

  /** The slot of this number. @throws VmError SLOT_INVALID where there is none */
  get(slot: number): Slot {
    const found = this.#byNumber.get(slot);
    if (found === undefined) throw new VmError('SLOT_INVALID', `there is no memory slot ${slot}`);
    return found;
  }

  /** Adds a slot under the lowest free number. */
  add(request: SlotRequest): Slot {
    this.#check(request, undefined);
    const slot = { ...request, slot: this.#freeNumber(), readOnly: !!request.readOnly, logDirty: !!request.logDirty };
    this.#tell(slot);
    this.#keep(slot);
    return slot;
  }

  delete(number: number): void {
    const slot = this.get(number);
    this.#vm.setUserMemoryRegion({ slot: number, guestPhysAddr: slot.start, memorySize: 0 });
    this.#byNumber.delete(number);
    this.#sort();
  }

  /** Moves a slot, contents and all, to another guest-physical address. */
  move(number: number, start: number): Slot {
    return this.#change({ ...this.get(number), start });
  }

  /** Begins or ends KVM's log of pages that the guest writes. */
  setLogDirty(number: number, logDirty: boolean): Slot {
    return this.#change({ ...this.get(number), logDirty });
  }

  /**
   * Changes what KVM cannot change of a live slot: size, host memory, read-only. The number stays.
   * No vCPU may be in KVM_RUN.
   */
  replace(number: number, change: Partial<Omit<SlotRequest, 'what'>>): Slot {
    const before = this.get(number);
    const after: Slot = {
      ...before,
      ...change,
      readOnly: change.readOnly ?? before.readOnly,
      logDirty: change.logDirty ?? before.logDirty,
    };
    this.#check(after, before);
    this.delete(number);
    try {
      this.#tell(after);
    } catch (error) {
      this.#tell(before);
      this.#keep(before);
      throw error;
    }
    this.#keep(after);
    return after;
  }

  /** Where a shared bitmap takes down host writes to a slot (`GuestMemory`), or undefined for none. KVM is not asked. */
  setHostWrites(number: number, hostWrites: SharedArrayBuffer | undefined): void {
    const { hostWrites: _, ...slot } = this.get(number);
    this.#keep(hostWrites === undefined ? slot : { ...slot, hostWrites });
  }

  #change(after: Slot): Slot {
    this.#check(after, this.get(after.slot));
    this.#tell(after);
    this.#keep(after);
    return after;
  }

  #tell({ slot, start, size, buffer, offset, readOnly, logDirty }: Slot): void {
    const flags = (readOnly ? KVM_MEM_READONLY : 0) | (logDirty ? KVM_MEM_LOG_DIRTY_PAGES : 0);
    this.#vm.setUserMemoryRegion({ slot, flags, guestPhysAddr: start, view: new Uint8Array(buffer, offset, size) });
  }

  #keep(slot: Slot): void {
    this.#byNumber.set(slot.slot, slot);
    this.#sort();
  }

  #sort(): void {
    this.#list = [...this.#byNumber.values()].sort((a, b) => a.start - b.start);
  }

  /** @throws VmError SLOT_INVALID where KVM takes no more */
  #freeNumber(): number {
    const { slots } = this.#limits;
    for (let number = 0; number < slots; number++) if (!this.#byNumber.has(number)) return number;
    throw new VmError('SLOT_INVALID', `this KVM gives a machine at most ${slots} memory slots, and all are in use`, {
      hint: 'Delete one, or make one larger.',
    });
  }

  /** @param before the slot that it takes the place of */
  #check(wanted: SlotRequest, before: Slot | undefined): void {
    const { start, size, buffer, offset } = wanted;
    const refused = (why: string, hint: string) =>
      new VmError('SLOT_INVALID', `memory slot ${rangeText(wanted)}: ${why}`, { hint });
    if (!isPages(start) || !isPages(size) || size === 0) {
      throw refused('address and size are not both multiples of 4096 bytes, or the size is 0', 'Round them to pages.');
    }
    if (start + size > 2 ** this.#limits.addressBits) {
      const hint = `The guest's physical addresses have ${this.#limits.addressBits} bits.`;
      throw refused('it ends beyond the guest-physical address space', hint);
    }
    if (!isPages(offset) || offset + size > buffer.byteLength) {
      throw refused('the memory given for it is not page-aligned, or too short', 'Give memory of `makePiece`.');
    }
    const others = this.#list.filter((slot) => slot !== before).map((slot) => ({ ...slot, name: `slot ${slot.slot}` }));
    const other = [...others, ...this.#limits.reserved].find((range) => overlap(range, wanted));
    if (other !== undefined) throw refused(`it overlaps ${other.name}, ${rangeText(other)}`, 'Choose another address.');
  }
}

const isPages = (value: number): boolean => Number.isSafeInteger(value) && value >= 0 && value % PAGE === 0;

const overlap = (a: Range, b: Range): boolean => a.start < b.start + b.size && b.start < a.start + a.size;

const rangeText = ({ start, size }: Range): string => `0x${start.toString(16)} + 0x${size.toString(16)}`;
