import { GuestMemory } from '../../../../src/memory/guest-memory.js';
import { checkClock, stampedAccesses, type TimedStamp } from '../../../../src/trace/guest-clock.js';
import { LineTable } from '../../../../src/trace/line-table.js';
import type { ExitEvent, HardwareExit } from '../../../../src/trace/model.js';
import { printfChain } from '../../../../src/trace/printf/chain.js';
import { GuestSource } from '../../../../src/trace/printf/guest-source.js';
import type { PrintfResult, PrintfVariant } from '../../../../src/trace/printf/result.js';
import { type TimedHop, timeline } from '../../../../src/trace/printf/timeline.js';
import type { GuestStep } from '../../../../src/trace/stamps.js';
import { exitEvent, hardwareExit, UART_WRITE } from '../events.js';

export const PROGRAM_START = 0x2000;

/** A guest whose code is IN, OUT and SYSCALL, each at an address of its own, in a made-up source. */
export const LINES = new LineTable({
  symbols: { stamps: 0x3000, system_call_entry: 0x1030, program_code: PROGRAM_START },
  files: [
    {
      path: 'printf/kernel/uart.c',
      lines: ['  status = in8(UART_LSR);', '  stamp(STEP_OUT, byte);', '  out8(UART_DATA, byte);', '}'],
    },
    { path: 'printf/program/stdio.c', lines: ['  stamp(STEP_SYSCALL, number);', '  SYSTEM_CALL("syscall");'] },
  ],
  rows: [[0x1000, 0, 1], [0x1010, 0, 2], [0x1020, 0, 3], [0x1030], [0x2000, 1, 1], [0x2010, 1, 2], [0x2020]],
});

export function madeUpCode(): GuestSource {
  const buffer = new SharedArrayBuffer(0x4000);
  const bytes = new Uint8Array(buffer);
  bytes.fill(0x90); // nop
  bytes[0x1000] = 0xec; // in al, dx
  bytes[0x1020] = 0xee; // out dx, al
  bytes.set([0x0f, 0x05], 0x2010); // syscall
  bytes.set([0x48, 0x0f, 0x07], 0x1038); // sysret
  return new GuestSource(new GuestMemory([{ start: 0, size: buffer.byteLength, buffer, offset: 0 }]), LINES);
}

export interface MadeUp {
  readonly events: readonly ExitEvent[];
  readonly stamps: readonly TimedStamp[];
  readonly hops: readonly TimedHop[];
  readonly endNs: number;
}

export interface MadeUpOptions {
  readonly hasKernelSide?: boolean;
  /** By how much the guest's clock is late. */
  readonly lateNs?: number;
  /** OUTs of a stamp: string I/O. */
  readonly outs?: number;
}

const RIPS: Readonly<Partial<Record<GuestStep, bigint>>> = {
  poll: 0x1000n,
  out: 0x1010n,
  outDone: 0x1020n,
  syscall: 0x2000n,
};

/** A printf of so many characters: each time stamp and each border between two modes is 100 ns after the one before. */
export function madeUpPrintf(
  characters: number,
  { hasKernelSide = true, lateNs = 0, outs = 1 }: MadeUpOptions = {},
): MadeUp {
  let now = 0;
  const tick = (): number => (now += 100);
  const events: ExitEvent[] = [];
  const stamps: TimedStamp[] = [];
  const hops: TimedHop[] = [];
  const stamp = (step: GuestStep, value = 0): void => {
    const ns = tick() + lateNs;
    stamps.push({ step, ns, tsc: BigInt(ns), rip: RIPS[step] ?? 0x1020n, value: BigInt(value) });
  };
  let enteredNs = tick();
  let kept: HardwareExit[] = [];
  let entryNs = tick();
  const keep = (rip: bigint): void => {
    kept.push(hardwareExit({ enteredNs: entryNs, exitedNs: tick(), reason: 'EPT_VIOLATION', info1: 0x182n, rip }));
    entryNs = tick();
  };
  const exit = (write: boolean, address: number, value: number): void => {
    const rip = write ? 0x1020n : 0x1000n;
    const io = hardwareExit({
      enteredNs: entryNs,
      exitedNs: tick(),
      info1: (BigInt(address) << 16n) | (write ? 0n : 8n),
      rip,
    });
    const returnedNs = tick();
    hops.push({ name: 'busEntered', ns: tick() });
    if (write && address === 0x3f8)
      hops.push({ name: 'consoleEntered', ns: tick() }, { name: 'consoleLeft', ns: tick() });
    hops.push({ name: 'busLeft', ns: tick() });
    const handledNs = tick();
    events.push(
      exitEvent({
        number: events.length,
        access: { ...UART_WRITE, write, address, value: BigInt(value) },
        rip,
        enteredNs,
        returnedNs,
        handledNs,
        hardware: hasKernelSide ? [...kept, io] : undefined,
      }),
    );
    kept = [];
    enteredNs = handledNs;
    entryNs = tick();
  };
  exit(true, 0x3f8, 1); // the divisor, as at the UART's set-up
  stamp('programStarted');
  stamp('printfCalled');
  stamp('printfBuffered', characters);
  stamp('syscall', 1);
  keep(0x1030n); // in the kernel, which touches its stack
  stamp('kernelEntered', 1);
  stamp('driverCalled', characters);
  for (let i = 0; i < characters; i += outs) {
    stamp('poll');
    exit(false, 0x3fd, 0x60);
    stamp('polled', 0x60);
    stamp('out', 0x68);
    for (let out = 0; out < outs; out++) exit(true, 0x3f8, 0x68);
    stamp('outDone');
  }
  stamp('driverDone');
  stamp('kernelLeft', characters);
  stamp('syscallReturned', characters);
  stamp('printfReturned', characters);
  exit(true, 0xf4, 0);
  return { events, stamps, hops, endNs: now };
}

const VARIANT: PrintfVariant = {
  buffering: 'line',
  io: 'byte',
  expectedExits: 18,
  exits: 18,
  hardwareExits: 19,
  syscalls: 1,
  polls: 5,
  outInstructions: 5,
  outExits: 5,
  keptIoExits: 0,
  ns: 123_456_789,
  ratio: 1,
};

/** What the command would show of a printf of five characters. */
export function madeUpResult({ hasKernelSide = true }: Pick<MadeUpOptions, 'hasKernelSide'> = {}): PrintfResult {
  const { events, stamps, hops } = madeUpPrintf(5, { hasKernelSide });
  const pieces = timeline(events, { stamps, hops, programStart: PROGRAM_START });
  const writes = [{ offset: 0, bytes: 5, startNs: 50_000, endNs: 51_000 }];
  const byTrap = !hasKernelSide;
  const chain = printfChain({ pieces, stamps, code: madeUpCode(), writes, byTrap, programStart: PROGRAM_START });
  if (chain === undefined) throw new Error('there is no chain');
  const string = {
    ...VARIANT,
    io: 'string',
    polls: 1,
    outInstructions: 1,
    keptIoExits: hasKernelSide ? 1 : null,
  } as const;
  return {
    host: hasKernelSide ? 'vtx' : 'local',
    flavour: hasKernelSide ? 'kvm_intel' : 'kvm_pvm',
    processor: 'A processor whose name is as long as those of processors are @ 3.40GHz',
    ...(hasKernelSide ? {} : { kernelMissing: 'kvm_pvm does not tell the kernel’s trace of its exits' }),
    byTrap,
    output: 'hello',
    clock: checkClock(stampedAccesses(stamps, events), (event) => events[event.number + 1], 0n),
    ...chain,
    modes: {
      nonRootRing3: 1_000,
      nonRootRing0: 2_000,
      rootRing3: 4_000,
      ...(hasKernelSide ? { rootRing0: 3_000 } : { inside: 5_000 }),
    },
    variants: [VARIANT, string, { ...VARIANT, buffering: 'none' }, { ...string, buffering: 'none' }],
  };
}
