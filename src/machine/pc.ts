import { acpiFirmwareFiles } from '../boot/acpi/firmware-files.js';
import { type AcpiOptions, acpiTables } from '../boot/acpi/tables.js';
import { AcpiPm, acpiPmState } from '../devices/acpi-pm.js';
import { DebugExit, debugExitState } from '../devices/debug-exit.js';
import { DebugConsole, PostCode, postCodeState } from '../devices/debug-port.js';
import type {
  ByteSink,
  ByteSource,
  Clock,
  Delay,
  DmaMemory,
  EndSink,
  InterruptLine,
  Registers,
} from '../devices/device.js';
import { FwCfg, type FwCfgFile, type FwCfgItem, fwCfgItems, fwCfgState } from '../devices/fw-cfg.js';
import { HostBridge, hostBridgeState, initHostBridge } from '../devices/host-bridge.js';
import { I8042, i8042State, initI8042 } from '../devices/i8042.js';
import { PciHost, pciAddress, pciState } from '../devices/pci.js';
import { Pvpanic, pvpanicState } from '../devices/pvpanic.js';
import { RESET_VALUE, ResetControl, resetControlState } from '../devices/reset-control.js';
import { initRtc, Rtc, rtcState } from '../devices/rtc.js';
import { Uart } from '../devices/uart.js';
import { uartState } from '../devices/uart-registers.js';
import { initVga, type TextView, Vga, vgaState } from '../devices/vga.js';
import { native } from '../kvm/native.js';
import type { Vm } from '../kvm/vm.js';
import { ACPI_TABLES_START, ramRanges } from '../memory/map.js';
import { struct } from '../memory/struct.js';
import { Board, boardBuffer, type Placed, type Placement } from './board.js';
import { Bus, type UnclaimedCounter } from './bus.js';
import { type LatePorts, lateWritesCell } from './late-writes.js';
import { Timers, timerCells } from './timers.js';

// Where the PC's devices are: the standard places of a PC, and QEMU's for its own devices.
const COM1 = { port: 0x3f8, irq: 4 } as const;
const RTC = { port: 0x70, irq: 8 } as const;
const KEYBOARD = { data: 0x60, command: 0x64, irq: 1 } as const;
const POST_CODE_PORT = 0x80;
const DEBUG_CONSOLE_PORT = 0xe9;
const DEBUG_EXIT_PORT = 0xf4;
const PVPANIC_PORT = 0x505;
const FW_CFG = { selector: 0x510, dma: 0x514 } as const;
const PM = { port: 0x600, sci: 9 } as const;
const PCI = { address: 0xcf8, data: 0xcfc } as const;
const RESET_PORT = 0xcf9;
const VGA = { general: 0x3c0, crtc: 0x3d4 } as const;
const ISA_INTERRUPTS = 16;

/** Shared memory of a PC's devices, the same for every thread. Clonable to another thread. */
export interface PcMemory {
  readonly board: SharedArrayBuffer;
  /** Levels of the ISA interrupt lines, as KVM was told last. */
  readonly levels: SharedArrayBuffer;
  readonly timers: SharedArrayBuffer;
  /** Where vCPU threads agree who empties KVM's ring of writes; absent where there is one. */
  readonly lateWrites?: SharedArrayBuffer;
  readonly cpus: number;
  /** What a firmware is told, in shared memory; absent where there is none. */
  readonly fwCfg?: readonly FwCfgItem[];
}

type CountUnclaimed = UnclaimedCounter['unclaimed'];

/** What a PC's devices reach outside. */
export interface PcWiring {
  readonly vm: Pick<Vm, 'irqLine'>;
  readonly memory: DmaMemory;
  readonly console: ByteSink;
  readonly input: ByteSource;
  readonly ends: EndSink;
  /** Has the vCPU's thread call `delayOver`. */
  readonly delay: Delay;
  /** Has the main thread call `runTimers`. */
  readonly wakeTimers: () => void;
  /** Of each bus. */
  readonly unclaimed: { readonly pio: CountUnclaimed; readonly mmio: CountUnclaimed };
}

/** @param files for a firmware, where the machine has one */
export const makePcMemory = (cpus: number, files?: readonly FwCfgFile[]): PcMemory => ({
  board: boardBuffer(),
  levels: new SharedArrayBuffer(ISA_INTERRUPTS),
  timers: timerCells(),
  cpus,
  ...(cpus > 1 && { lateWrites: lateWritesCell() }),
  ...(files && { fwCfg: fwCfgItems(withAcpi(files, cpus), cpus).map(shared) }),
});

function shared({ selector, bytes }: FwCfgItem): FwCfgItem {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return { selector, bytes: copy };
}

const acpiOptions = (cpus: number): Omit<AcpiOptions, 'base'> => ({
  cpus,
  pm: PM,
  resetPort: RESET_PORT,
  resetValue: RESET_VALUE,
  pvpanicPort: PVPANIC_PORT,
  serial: [COM1],
  rtcPort: RTC.port,
});

/** By vCPUs: each is asked for twice a machine, and takes a millisecond to make. */
const madeTables = new Map<number, Uint8Array>();

/** The ACPI tables that describe this PC, and where they go. They are the same for every such PC: not to be changed. */
export function pcAcpiTables(cpus: number): { readonly address: number; readonly bytes: Uint8Array } {
  const bytes = madeTables.get(cpus) ?? acpiTables({ ...acpiOptions(cpus), base: ACPI_TABLES_START });
  madeTables.set(cpus, bytes);
  return { address: ACPI_TABLES_START, bytes };
}

/** All that a firmware is told: its plan's files, and the ACPI tables. */
const withAcpi = (files: readonly FwCfgFile[], cpus: number): readonly FwCfgFile[] => [
  ...files,
  ...acpiFirmwareFiles(acpiOptions(cpus)),
];

const clock: Clock = { now: () => native.monotonicNs(), wallMs: () => Date.now() };

/** The PC's devices on their buses. Every thread that touches a device makes one over the same memory. */
export class Pc {
  readonly pio: Bus;
  readonly mmio: Bus;
  readonly #uart: Placed<Uart>;
  readonly #i8042: Placed<I8042>;
  readonly #vga: Placed<Vga>;
  readonly #unclaimed: CountUnclaimed;
  readonly #isShared: boolean;
  readonly #timers: Timers;

  /** @param init given by the thread that makes the machine, once: the state that firmware leaves */
  constructor(
    { board: buffer, levels, timers, cpus, fwCfg }: PcMemory,
    wiring: PcWiring,
    init?: { readonly ramBytes: number },
  ) {
    const { console, input, ends, unclaimed } = wiring;
    this.#unclaimed = unclaimed.pio;
    this.#isShared = cpus > 1;
    this.pio = new Bus('port', { unclaimed: unclaimed.pio });
    this.mmio = new Bus('MMIO address', { unclaimed: unclaimed.mmio });
    // The main thread hands keys to one and runs the other's timer; all else is touched by vCPUs only.
    const board = new Board(buffer, (name) => cpus > 1 || ['rtc', 'i8042'].includes(name));
    this.#timers = new Timers(timers, wiring.wakeTimers);
    const line = (irq: number) => new IsaLine(wiring.vm, irq, new Uint8Array(levels));
    const self = <D>(device: D): D => device;
    const at = (start: number, size: number, width: 1 | 2 | 4 = 1) => ({ bus: this.pio, start, size, width });

    this.#uart = board.place('uart', uartState, (s) => new Uart(s, line(COM1.irq), console, input, wiring.delay), {
      ...at(COM1.port, 8),
      registers: self,
    });
    this.#timers.place((timer) =>
      board.place(
        'rtc',
        rtcState,
        (s) => {
          if (init !== undefined) initRtc(s, cmosSizes(init.ramBytes));
          return new Rtc(s, { clock, irq: line(RTC.irq), timer });
        },
        { ...at(RTC.port, 2), registers: self },
      ),
    );
    const dataPort: Placement<I8042> = { ...at(KEYBOARD.data, 1), registers: (d) => d.dataPort };
    const commandPort: Placement<I8042> = { ...at(KEYBOARD.command, 1), registers: (d) => d.commandPort };
    this.#i8042 = board.place(
      'i8042',
      i8042State,
      (s) => {
        if (init !== undefined) initI8042(s);
        return new I8042(s, line(KEYBOARD.irq), ends);
      },
      dataPort,
      commandPort,
    );
    board.place('post-code', postCodeState, (s) => new PostCode(s), { ...at(POST_CODE_PORT, 1), registers: self });
    board.place('debug-console', struct({}), () => new DebugConsole(console), {
      ...at(DEBUG_CONSOLE_PORT, 1),
      registers: self,
    });
    board.place('debug-exit', debugExitState, (s) => new DebugExit(s, ends), {
      ...at(DEBUG_EXIT_PORT, 4, 4),
      registers: self,
    });
    board.place('pvpanic', pvpanicState, (s) => new Pvpanic(s, ends), { ...at(PVPANIC_PORT, 1), registers: self });
    board.place('acpi-pm', acpiPmState, (s) => new AcpiPm(s, line(PM.sci), clock, ends), {
      ...at(PM.port, 12, 4),
      registers: self,
    });
    this.#placePci(board, ends, init !== undefined);
    if (fwCfg !== undefined) {
      const selector: Placement<FwCfg> = { ...at(FW_CFG.selector, 2, 2), registers: (d) => d.selectorAndData };
      const dma: Placement<FwCfg> = { ...at(FW_CFG.dma, 8, 4), registers: (d) => d.dmaAddress };
      board.place('fw-cfg', fwCfgState, (s) => new FwCfg(s, fwCfg, wiring.memory), selector, dma);
    }
    const general: Placement<Vga> = { ...at(VGA.general, 16), registers: (d) => d.general };
    const crtc: Placement<Vga> = { ...at(VGA.crtc, 7), registers: (d) => d.crtc };
    this.#vga = board.place(
      'vga',
      vgaState,
      (s) => {
        if (init !== undefined) initVga(s);
        return new Vga(s);
      },
      general,
      crtc,
    );
  }

  /** An empty PCI bus behind its host bridge. The reset control register is inside CONFIG_ADDRESS, for bytes only. */
  #placePci(board: Board, ends: EndSink, init: boolean): void {
    const narrow = new Bus('port', { unclaimed: this.#unclaimed });
    board.place('reset-control', resetControlState, (s) => new ResetControl(s, ends), {
      bus: narrow,
      start: RESET_PORT,
      size: 1,
      width: 1,
      registers: (device) => device,
    });
    const bridge = board.place('host-bridge', hostBridgeState, (s) => {
      if (init) initHostBridge(s);
      return new HostBridge(s);
    });
    const functions = new Map([[pciAddress(0), bridge.device]]);
    const atAddress: Registers = {
      read: (offset, size) => narrow.read(PCI.address + offset, size),
      write: (offset, value, size) => narrow.write(PCI.address + offset, value, size),
    };
    const range = { bus: this.pio, size: 4, width: 4 } as const;
    board.place(
      'pci',
      pciState,
      (s) => new PciHost(s, functions, atAddress),
      { ...range, start: PCI.address, registers: (d) => d.address },
      { ...range, start: PCI.data, registers: (d) => d.data },
    );
  }

  /** Whose writes may come late: the UART's transmitter holding register. */
  get latePorts(): readonly LatePorts[] {
    const { device, lock } = this.#uart;
    return [{ port: COM1.port, size: 1, device, lock: this.#isShared ? lock : undefined }];
  }

  /** What of text memory the screen shows. From any thread. */
  get textView(): TextView {
    return this.#vga.device.view;
  }

  /** There is console input: the UART takes what it has room for. On a vCPU's thread. */
  receive(): void {
    const { device, lock } = this.#uart;
    lock.hold(() => device.receive());
  }

  /** The delay that a device of this thread's started is over. */
  delayOver(): void {
    const { device, lock } = this.#uart;
    lock.hold(() => device.delayOver());
  }

  /** A key was struck. From any thread. Returns false where the keyboard cannot take it now. */
  tryKey(scanCodes: readonly number[]): boolean {
    const { device, lock } = this.#i8042;
    return lock.ifFree(() => device.key(scanCodes));
  }

  /** On the main thread: devices' timers that are due, and from now on those that will be. */
  runTimers(): void {
    this.#timers.run(clock);
  }

  /** On the main thread, before the VM closes: no timer runs any more. */
  stopTimers(): void {
    this.#timers.stop();
  }
}

function cmosSizes(ramBytes: number): { below4GiB: number; above4GiB: number } {
  const [low, high] = ramRanges(ramBytes);
  return { below4GiB: low?.size ?? 0, above4GiB: high?.size ?? 0 };
}

/** A line of KVM's PIC and I/O APIC: told only when its level changes. The device's lock covers it. */
class IsaLine implements InterruptLine {
  constructor(
    private readonly vm: PcWiring['vm'],
    private readonly irq: number,
    private readonly levels: Uint8Array,
  ) {}

  set(level: boolean): void {
    const value = level ? 1 : 0;
    if (this.levels[this.irq] === value) return;
    this.levels[this.irq] = value;
    this.vm.irqLine(this.irq, value);
  }
}
