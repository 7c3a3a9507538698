/** A guest may do anything to a device: no access throws, every value read fits its width, nothing grows. */
import { expect, it } from 'vitest';
import { AcpiPm, acpiPmState } from '../../../src/devices/acpi-pm.js';
import { DebugExit, debugExitState } from '../../../src/devices/debug-exit.js';
import { DebugConsole, PostCode, postCodeState } from '../../../src/devices/debug-port.js';
import type { Registers } from '../../../src/devices/device.js';
import { FwCfg, fwCfgItems, fwCfgState } from '../../../src/devices/fw-cfg.js';
import { HostBridge, hostBridgeState, initHostBridge } from '../../../src/devices/host-bridge.js';
import { I8042, i8042State, initI8042 } from '../../../src/devices/i8042.js';
import { PciHost, pciState } from '../../../src/devices/pci.js';
import { Pvpanic, pvpanicState } from '../../../src/devices/pvpanic.js';
import { ResetControl, resetControlState } from '../../../src/devices/reset-control.js';
import { initRtc, Rtc, rtcState } from '../../../src/devices/rtc.js';
import { Uart } from '../../../src/devices/uart.js';
import { uartState } from '../../../src/devices/uart-registers.js';
import { initVga, Vga, vgaState } from '../../../src/devices/vga.js';
import {
  QueuedBytes,
  RecordedBytes,
  RecordedDelay,
  RecordedEnds,
  RecordedLine,
  random,
  SetClock,
  SetTimer,
} from './parts.js';

interface Subject {
  /** Width of the registers, and of their range. */
  readonly width: 1 | 2 | 4;
  readonly size: number;
  readonly registers: Registers;
  /** What happens beside the guest, now and then. */
  readonly meanwhile?: (number: number) => void;
  /** What must hold at any time. */
  readonly invariant?: () => void;
}

/** Without any RAM: what DMA does to it is in fw-cfg.test.ts. */
function fwCfg(): FwCfg {
  const items = fwCfgItems([{ name: 'etc/e820', bytes: new Uint8Array(20) }], 1);
  return new FwCfg(fwCfgState.make(), items, { contains: () => false, read: refuse, write: refuse });
}

function refuse(): never {
  throw new Error('not RAM');
}

function uart(): Subject {
  const state = uartState.make();
  const irq = new RecordedLine();
  const far = new QueuedBytes();
  const delay = new RecordedDelay();
  const device = new Uart(state, irq, new RecordedBytes(), far, delay);
  return {
    width: 1,
    size: 8,
    registers: device,
    meanwhile: (number) => {
      if (far.waiting.length < 100) far.push('input');
      if (number & 1) device.receive();
      if (number & 2) device.writeLate(0, Uint32Array.of(number), 1);
      if (number & 4 && delay.waiting !== undefined) device.delayOver();
    },
    invariant: () => {
      expect(state.fifoLength).toBeLessThanOrEqual(16);
      expect(state.fifoStart).toBeLessThan(16);
      // The bus never sees an interrupt through the closed gate.
      if ((state.mcr & 0x18) !== 0x08) expect(irq.level).toBe(false);
    },
  };
}

function keyboardController(port: 'dataPort' | 'commandPort'): Subject {
  const state = i8042State.make();
  initI8042(state);
  const device = new I8042(state, new RecordedLine(), new RecordedEnds());
  const other = port === 'dataPort' ? device.commandPort : device.dataPort;
  return {
    width: 1,
    size: 1,
    registers: device[port],
    meanwhile: (number) => {
      if (number & 1) other.write(0, number >>> 8, 1);
      else device.key([number & 0xff]);
    },
    invariant: () => expect(state.queueLength).toBeLessThanOrEqual(32),
  };
}

function clockChip(): Subject {
  const state = rtcState.make();
  initRtc(state, { below4GiB: 0x1000000, above4GiB: 0 });
  const clock = new SetClock();
  clock.ms = Date.UTC(2026, 0, 1);
  return {
    width: 1,
    size: 2,
    registers: new Rtc(state, { clock, irq: new RecordedLine(), timer: new SetTimer() }),
    meanwhile: (number) => {
      clock.ms += number & 0xfff;
    },
    invariant: () => expect(Number.isFinite(state.offsetMs)).toBe(true),
  };
}

function powerManagement(): Subject {
  const clock = new SetClock();
  const device = new AcpiPm(acpiPmState.make(), new RecordedLine(), clock, new RecordedEnds());
  return {
    width: 4,
    size: 12,
    registers: device,
    meanwhile: (number) => {
      clock.ns += number;
      device.pressPowerButton();
    },
  };
}

function pci(port: 'address' | 'data'): Subject {
  const bridge = hostBridgeState.make();
  initHostBridge(bridge);
  const nothing: Registers = { read: () => 0xff, write: () => {} };
  const host = new PciHost(pciState.make(), new Map([[0, new HostBridge(bridge)]]), nothing);
  return {
    width: 4,
    size: 4,
    registers: host[port],
    meanwhile: (number) => host.address.write(0, ((number & 0x1ff) | 0x80000000) >>> 0, 4),
  };
}

function vga(port: 'general' | 'crtc'): Subject {
  const state = vgaState.make();
  initVga(state);
  const device = new Vga(state);
  return {
    width: 1,
    size: port === 'crtc' ? 7 : 16,
    registers: device[port],
    meanwhile: (number) => device[port === 'crtc' ? 'general' : 'crtc'].write(number & 7, number >>> 8, 1),
    invariant: () => expect(device.view.start).toBeLessThan(0x10000),
  };
}

const ends = (): RecordedEnds => new RecordedEnds();
const subjects: Record<string, () => Subject> = {
  uart,
  'i8042 data': () => keyboardController('dataPort'),
  'i8042 command': () => keyboardController('commandPort'),
  rtc: clockChip,
  'PCI address': () => pci('address'),
  'PCI data': () => pci('data'),
  'VGA general': () => vga('general'),
  'VGA CRTC': () => vga('crtc'),
  'ACPI power management': powerManagement,
  'post code': () => ({ width: 1, size: 1, registers: new PostCode(postCodeState.make()) }),
  'debug console': () => ({ width: 1, size: 1, registers: new DebugConsole(new RecordedBytes()) }),
  'isa-debug-exit': () => ({ width: 4, size: 4, registers: new DebugExit(debugExitState.make(), ends()) }),
  pvpanic: () => ({ width: 1, size: 1, registers: new Pvpanic(pvpanicState.make(), ends()) }),
  'fw_cfg selector and data': () => ({ width: 2, size: 2, registers: fwCfg().selectorAndData }),
  'fw_cfg DMA address': () => ({ width: 4, size: 8, registers: fwCfg().dmaAddress }),
  'reset control': () => ({ width: 1, size: 1, registers: new ResetControl(resetControlState.make(), ends()) }),
};

const ACCESSES = 20_000;
const SEEDS = [1, 0xdeadbeef, 0x12345678];

for (const [name, make] of Object.entries(subjects)) {
  it.each(SEEDS)(`${name} stands ${ACCESSES} random accesses (seed %i)`, (seed) => {
    const { width, size: range, registers, meanwhile, invariant } = make();
    const next = random(seed);
    for (let i = 0; i < ACCESSES; i++) {
      const size = width === 1 ? 1 : (([1, 2, 4] as const)[next() % (width === 2 ? 2 : 3)] ?? 1);
      const offset = next() % (range - size + 1);
      const limit = 2 ** (8 * size);
      const choice = next() % 8;
      if (choice === 0) meanwhile?.(next());
      else if (choice < 4) registers.write(offset, next() % limit, size);
      else {
        const value = registers.read(offset, size);
        // Plain comparisons: an expectation for each access would be most of the test's time.
        if (!(Number.isInteger(value) && value >= 0 && value < limit)) {
          expect.fail(`read of ${size} at ${offset} gave ${value}`);
        }
      }
      if (i % 64 === 0) invariant?.();
    }
  });
}

/** The bus keeps to the contract; a device that it would not keep to it with must not throw either. */
it.each(Object.keys(subjects))('%s does not throw at offsets and sizes outside the contract', (name) => {
  const registers = subjects[name]?.().registers;
  const odd = [-1, 0, 1, 3, 7, 12, 255, 0x7fffffff, 0xffffffff, Number.NaN];
  for (const offset of odd) {
    for (const size of [0, 1, 2, 3, 4, 8]) {
      for (const value of odd) registers?.write(offset, value, size);
      expect(registers?.read(offset, size)).toBeTypeOf('number');
    }
  }
});
