/**
 * A guest that makes one access by page tables of the test's, and says what came of it: it writes to port 0x81 where the
 * access was allowed, to 0x80 from its handler of page faults, to 0x82 from that of general-protection faults.
 */
import type { Regs, Segment, Sregs } from '../../dist/kvm/abi/registers.js';
import type { Vcpu } from '../../dist/kvm/vcpu.js';
import { CR4_PAE, EFER_LMA, RFLAGS_RESERVED } from '../../dist/kvm/x86.js';
import type { Access } from '../../dist/memory/access.js';
import type { GuestMemory } from '../../dist/memory/guest-memory.js';
import { type PagingState, pagingOf } from '../../dist/memory/paging.js';
import type { Place } from './random-tables.js';

// Guest-physical, and linear: mapped by tables of their own.
const GDT = 0x180000;
const IDT = 0x181000;
const TSS = 0x182000;
const KERNEL_CODE = 0x183000;
const USER_CODE = 0x184000;
const STACK = 0x185000;
const CONTROL_PAGES = 6;
const CONTROL_TABLES = 0x190000;

const PAGE_FAULT = 14;
const GENERAL_PROTECTION = 13;
const HANDLERS = { pageFault: 0, generalProtection: 0x40 } as const;
const STUBS: Readonly<Record<Access['kind'], { readonly at: number; readonly code: readonly number[] }>> = {
  read: { at: 0x100, code: [0x8a, 0x03, 0xe6, 0x81] }, // mov al, [rbx]; out 0x81, al
  write: { at: 0x110, code: [0x88, 0x03, 0xe6, 0x81] }, // mov [rbx], al; out 0x81, al
  fetch: { at: 0x120, code: [0xff, 0xe3] }, // jmp rbx
};
/** What data pages are full of, so that a jump there shows: out 0x81, al. */
const LANDING = [0xe6, 0x81] as const;
/** VT-x enters no guest whose task is not busy; QEMU's AMD ends itself where one is that changes its ring. */
const TSS_AVAILABLE = 9;
const TSS_BUSY = 11;
const IOPL_3 = 3n << 12n;

export type Outcome =
  | { readonly outcome: 'allowed' }
  | { readonly outcome: 'page-fault'; readonly errorCode: number; readonly address: bigint }
  | { readonly outcome: 'general-protection' };

export class AccessGuest {
  readonly #isLong: boolean;
  readonly #isPae: boolean;
  #entered: Sregs | undefined;
  readonly #first = new Uint8Array(32);

  /** @param state of long mode or not; the first entry of its first table becomes the guest's own */
  constructor(
    private readonly vcpu: Vcpu,
    private readonly memory: GuestMemory,
    private readonly state: PagingState,
    data: Place,
  ) {
    this.#isLong = (state.efer & EFER_LMA) !== 0n;
    this.#isPae = !this.#isLong && (state.cr4 & CR4_PAE) !== 0n;
    this.#put(KERNEL_CODE + HANDLERS.pageFault, [0x58, 0xe6, 0x80]); // pop rax; out 0x80, al
    this.#put(KERNEL_CODE + HANDLERS.generalProtection, [0x58, 0xe6, 0x82]);
    for (const page of [KERNEL_CODE, USER_CODE]) {
      for (const { at, code } of Object.values(STUBS)) this.#put(page + at, code);
    }
    for (let i = 0; i < data.pages; i++) {
      this.#put(data.start + 4096 * i, Array.from({ length: 2048 }, () => LANDING).flat());
    }
    this.#descriptors();
    this.#tables();
    memory.read(Number(state.cr3), this.#first);
  }

  #put(address: number, bytes: readonly number[]): void {
    this.memory.write(address, Uint8Array.from(bytes));
  }

  #put64(address: number, ...values: readonly bigint[]): void {
    this.memory.write(address, new Uint8Array(BigUint64Array.from(values).buffer));
  }

  /** SDM volume 3, 3.4.5, 6.11, 6.14.1 and 7.2.1. */
  #descriptors(): void {
    const code = this.#isLong ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn;
    const data = 0x00cf_9300_0000_ffffn;
    const ring3 = 3n << 45n;
    this.#put64(GDT, 0n, code, data, code | ring3, data | ring3);
    const stack = BigInt(STACK + 4096);
    if (this.#isLong) this.#put64(TSS, stack << 32n, 0n);
    else this.#put64(TSS, stack << 32n, 0x10n);
    for (const [vector, offset] of [
      [PAGE_FAULT, HANDLERS.pageFault],
      [GENERAL_PROTECTION, HANDLERS.generalProtection],
    ] as const) {
      const at = BigInt(KERNEL_CODE + offset);
      const gate = (at & 0xffffn) | (8n << 16n) | (0x8en << 40n) | ((at >> 16n) << 48n);
      this.#put64(IDT + vector * (this.#isLong ? 16 : 8), gate, ...(this.#isLong ? [0n] : []));
    }
  }

  /** Maps the pages above where they are, those of code and stack for ring 0 but for one of code. */
  #tables(): void {
    const { cr3 } = this.state;
    const isWide = this.#isLong || this.#isPae;
    const below = (pagingOf(this.state)?.levels.length ?? 0) - 1;
    let parent = Number(cr3);
    for (let i = 0; i < below; i++) {
      const table = CONTROL_TABLES + 4096 * i;
      this.memory.write(table, new Uint8Array(4096));
      this.#entry(parent, 0, isWide, BigInt(table) | (this.#isPae && i === 0 ? 1n : 7n));
      parent = table;
    }
    for (let i = 0; i < CONTROL_PAGES; i++) {
      const page = GDT + 4096 * i;
      this.#entry(parent, page >> 12, isWide, BigInt(page) | (page === USER_CODE ? 7n : 3n));
    }
  }

  #entry(table: number, index: number, isWide: boolean, value: bigint): void {
    if (isWide) this.#put64(table + 8 * index, value);
    else this.memory.write(table + 4 * index, new Uint8Array(Uint32Array.of(Number(value)).buffer));
  }

  /** Chooses the state, and the ring, for what is tried from now on. */
  enter(sregs: Sregs, { cr0, cr4, efer }: Pick<PagingState, 'cr0' | 'cr4' | 'efer'>, user: boolean): void {
    const segment = (selector: number, type: number): Partial<Segment> => ({
      base: 0n,
      limit: 0xffff_ffff,
      selector: selector | (user ? 3 : 0),
      type,
      present: 1,
      dpl: user ? 3 : 0,
      s: 1,
      g: 1,
      unusable: 0,
    });
    const data = { ...sregs.ds, ...segment(user ? 0x20 : 0x10, 3), db: 1 };
    const code = { ...sregs.cs, ...segment(user ? 0x18 : 8, 11), l: this.#isLong ? 1 : 0, db: this.#isLong ? 0 : 1 };
    const type = this.state.isAmd === true ? TSS_AVAILABLE : TSS_BUSY;
    const tr = { ...sregs.tr, base: BigInt(TSS), limit: 0x67, selector: 0x28, type, present: 1, s: 0, g: 0 };
    this.#entered = {
      ...sregs,
      cr0,
      cr3: this.state.cr3,
      cr4,
      efer,
      cs: code,
      ss: data,
      ds: data,
      es: data,
      tr,
      gdt: { ...sregs.gdt, base: BigInt(GDT), limit: 0x27 },
      idt: { ...sregs.idt, base: BigInt(IDT), limit: 0xfff },
    };
  }

  /** @param rflags beside those that are needed */
  try(access: Access, linear: bigint, rflags: bigint): Outcome {
    const { vcpu } = this;
    const stub = STUBS[access.kind].at + (access.user ? USER_CODE : KERNEL_CODE);
    const regs: Regs = {
      ...vcpu.getRegs(),
      rip: BigInt(stub),
      rax: BigInt(LANDING[0]),
      rbx: linear,
      rsp: BigInt(STACK + 4096),
      rflags: RFLAGS_RESERVED | IOPL_3 | rflags,
    };
    if (this.#entered === undefined) throw new Error('enter comes first');
    vcpu.setSregs(this.#entered);
    vcpu.setRegs(regs);
    const status = vcpu.run();
    const { page } = vcpu;
    if (status !== 0 || page.exitReason !== 2) throw new Error(`KVM_RUN ${status}, exit ${page.exitReason}`);
    const port = page.ioPort;
    // The access to the port is complete only at the next KVM_RUN, which does nothing else.
    page.immediateExit = 1;
    vcpu.run();
    page.immediateExit = 0;
    // QEMU marks a PAE's first entries as accessed, which then have a reserved bit set.
    if (this.#isPae) this.memory.write(Number(this.state.cr3), this.#first);
    if (port === 0x81) return { outcome: 'allowed' };
    if (port === 0x82) return { outcome: 'general-protection' };
    return { outcome: 'page-fault', errorCode: Number(vcpu.getRegs().rax), address: vcpu.getSregs().cr2 };
  }
}
