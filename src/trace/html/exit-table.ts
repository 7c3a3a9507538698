import type { Access, ExitEvent, ExitSink, HardwareExit } from '../model.js';
import { Table } from './columns.js';

const EXITS = {
  cpu: 'u16',
  number: 'f64',
  reason: 'u16',
  detail: 'u16',
  flags: 'u16',
  ring: 'u8',
  rip: 'u64',
  enteredNs: 'f64',
  returnedNs: 'f64',
  handledNs: 'f64',
  address: 'f64',
  size: 'u8',
  count: 'u32',
  value: 'u64',
  device: 'u16',
  /** Where the exit's rows in the table of hardware exits end; they begin where those of the exit before end. */
  hardwareEnd: 'u32',
} as const;

const HARDWARE = {
  /** NaN: unknown. */
  enteredNs: 'f64',
  exitedNs: 'f64',
  reason: 'u16',
  rip: 'u64',
  info1: 'u64',
  info2: 'u64',
  interruptInfo: 'u32',
  injectedEnd: 'u32',
} as const;

const INJECTED = { vector: 'u16' } as const;

const FLAG = { access: 1, write: 2, mmio: 4, after: 8, continued: 16, hardware: 32, bits32: 64, bits64: 128 } as const;

/** What the tables do not hold, as JSON. */
export interface ExitTableHead {
  readonly exits: number;
  readonly hardware: number;
  readonly injected: number;
  readonly strings: readonly string[];
  readonly tails: readonly Tail[];
  readonly leftOut: number;
}

/** Hardware exits after a vCPU's last return: rows of the table of hardware exits. */
export interface Tail {
  readonly cpu: number;
  readonly from: number;
  readonly to: number;
}

/** Enough for a page that still opens at once. */
const MOST_EXITS = 200_000;
const HARDWARE_PER_EXIT = 2;
/** Names and details are few; a guest's could be many or long. */
const MOST_STRINGS = 0xffff;
const MOST_CHARACTERS = 200;
const MANY_MORE = '(one of very many)';

/** Keeps the first exits of a recording in columns, to whole nanoseconds, and counts the others. */
export class ExitTable implements ExitSink {
  /** Returns of KVM_RUN, and hardware exits after a vCPU's last return, for which there was no room. */
  leftOut = 0;
  readonly #most: number;
  readonly #exits: Table<typeof EXITS>;
  readonly #hardware: Table<typeof HARDWARE>;
  readonly #injected: Table<typeof INJECTED>;
  readonly #strings = new Map<string, number>();
  #names: readonly string[] = [];
  #tails: Tail[] = [];

  constructor({ mostExits = MOST_EXITS }: { readonly mostExits?: number } = {}, filled?: FilledTables) {
    this.#most = mostExits;
    this.#exits = filled?.exits ?? new Table(EXITS);
    this.#hardware = filled?.hardware ?? new Table(HARDWARE);
    this.#injected = filled?.injected ?? new Table(INJECTED);
  }

  get length(): number {
    return this.#exits.length;
  }

  get tails(): readonly Tail[] {
    return this.#tails;
  }

  add(event: ExitEvent): void {
    const { access, hardware } = event;
    if (this.leftOut > 0 || this.length === this.#most || !this.#hasRoom(hardware ?? [])) {
      this.leftOut++;
      return;
    }
    this.#addHardware(hardware ?? []);
    this.#exits.push({
      cpu: event.cpu,
      number: event.number,
      reason: this.#string(event.reason),
      detail: this.#string(event.detail),
      flags: flagsOf(event),
      ring: event.cpl,
      rip: event.rip,
      enteredNs: Math.round(event.enteredNs),
      returnedNs: Math.round(event.returnedNs),
      handledNs: Math.round(event.handledNs),
      address: access?.address ?? 0,
      size: access?.size ?? 0,
      count: access?.count ?? 0,
      value: access?.value ?? 0n,
      device: this.#string(access?.device),
      hardwareEnd: this.#hardware.length,
    });
  }

  kept(hardware: readonly HardwareExit[] = [], cpu: number): void {
    if (this.leftOut > 0 || !this.#hasRoom(hardware)) {
      this.leftOut += hardware.length;
      return;
    }
    const from = this.#hardware.length;
    this.#addHardware(hardware);
    this.#tails.push({ cpu, from, to: this.#hardware.length });
  }

  exit(index: number): ExitEvent {
    const at = <Name extends keyof typeof EXITS>(name: Name) => this.#exits.at(name, index);
    const flags = at('flags');
    return {
      cpu: at('cpu'),
      number: at('number'),
      reason: this.#name(at('reason')) ?? '',
      access: flags & FLAG.access ? this.#access(index, flags) : undefined,
      detail: this.#name(at('detail')),
      rip: at('rip'),
      ripIs: flags & FLAG.after ? 'after' : 'exact',
      bits: flags & FLAG.bits64 ? 64 : flags & FLAG.bits32 ? 32 : 16,
      cpl: at('ring'),
      enteredNs: at('enteredNs'),
      returnedNs: at('returnedNs'),
      handledNs: at('handledNs'),
      continued: (flags & FLAG.continued) !== 0,
      hardware: flags & FLAG.hardware ? this.hardware(this.#hardwareFrom(index), at('hardwareEnd')) : undefined,
    };
  }

  /** Rows of the table of hardware exits. */
  hardware(from: number, to: number): HardwareExit[] {
    return Array.from({ length: to - from }, (_, offset) => this.#hardwareExit(from + offset));
  }

  head(): ExitTableHead {
    return {
      exits: this.#exits.length,
      hardware: this.#hardware.length,
      injected: this.#injected.length,
      strings: [...this.#strings.keys()],
      tails: this.#tails,
      leftOut: this.leftOut,
    };
  }

  toBytes(): readonly Uint8Array[] {
    return [this.#exits.toBytes(), this.#hardware.toBytes(), this.#injected.toBytes()];
  }

  /** @param bytes the parts of `toBytes`, joined */
  static from(head: ExitTableHead, bytes: Uint8Array): ExitTable {
    const [exits, afterExits] = Table.fromBytes(EXITS, head.exits, bytes);
    const [hardware, afterHardware] = Table.fromBytes(HARDWARE, head.hardware, afterExits);
    const [injected] = Table.fromBytes(INJECTED, head.injected, afterHardware);
    const table = new ExitTable({}, { exits, hardware, injected });
    table.leftOut = head.leftOut;
    table.#names = head.strings;
    table.#tails = [...head.tails];
    return table;
  }

  /** A tail's rows lie between those of two exits: the exit after it begins where the tail ends. */
  #hardwareFrom(index: number): number {
    const from = index === 0 ? 0 : this.#exits.at('hardwareEnd', index - 1);
    return this.#tails.reduce((at, tail) => (tail.from === at ? tail.to : at), from);
  }

  #access(index: number, flags: number): Access {
    return {
      bus: flags & FLAG.mmio ? 'mmio' : 'pio',
      write: (flags & FLAG.write) !== 0,
      address: this.#exits.at('address', index),
      size: this.#exits.at('size', index),
      count: this.#exits.at('count', index),
      value: this.#exits.at('value', index),
      device: this.#name(this.#exits.at('device', index)),
    };
  }

  #hardwareExit(index: number): HardwareExit {
    const at = <Name extends keyof typeof HARDWARE>(name: Name) => this.#hardware.at(name, index);
    const enteredNs = at('enteredNs');
    const from = index === 0 ? 0 : this.#hardware.at('injectedEnd', index - 1);
    return {
      enteredNs: Number.isNaN(enteredNs) ? undefined : enteredNs,
      exitedNs: at('exitedNs'),
      reason: this.#name(at('reason')) ?? '',
      rip: at('rip'),
      info1: at('info1'),
      info2: at('info2'),
      interruptInfo: at('interruptInfo'),
      injected: Array.from({ length: at('injectedEnd') - from }, (_, offset) =>
        this.#injected.at('vector', from + offset),
      ),
    };
  }

  #hasRoom(hardware: readonly HardwareExit[]): boolean {
    return this.#hardware.length + hardware.length <= this.#most * HARDWARE_PER_EXIT;
  }

  #addHardware(hardware: readonly HardwareExit[]): void {
    for (const exit of hardware) {
      for (const vector of exit.injected) this.#injected.push({ vector });
      const { rip, info1, info2, interruptInfo } = exit;
      this.#hardware.push({
        enteredNs: Math.round(exit.enteredNs ?? Number.NaN),
        exitedNs: Math.round(exit.exitedNs),
        reason: this.#string(exit.reason),
        rip,
        info1,
        info2,
        interruptInfo,
        injectedEnd: this.#injected.length,
      });
    }
  }

  /** The number of a text, from 1; 0: none. */
  #string(text: string | undefined): number {
    if (text === undefined) return 0;
    const short = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
    const kept = this.#strings.has(short) || this.#strings.size < MOST_STRINGS - 1 ? short : MANY_MORE;
    const known = this.#strings.get(kept);
    if (known !== undefined) return known;
    this.#strings.set(kept, this.#strings.size + 1);
    return this.#strings.size;
  }

  #name(number: number): string | undefined {
    return number === 0 ? undefined : this.#names[number - 1];
  }
}

interface FilledTables {
  readonly exits: Table<typeof EXITS>;
  readonly hardware: Table<typeof HARDWARE>;
  readonly injected: Table<typeof INJECTED>;
}

function flagsOf({ access, ripIs, continued, hardware, bits }: ExitEvent): number {
  return (
    (access === undefined ? 0 : FLAG.access) |
    (access?.write ? FLAG.write : 0) |
    (access?.bus === 'mmio' ? FLAG.mmio : 0) |
    (ripIs === 'after' ? FLAG.after : 0) |
    (continued ? FLAG.continued : 0) |
    (hardware === undefined ? 0 : FLAG.hardware) |
    (bits === 64 ? FLAG.bits64 : bits === 32 ? FLAG.bits32 : 0)
  );
}
