/** What a vCPU thread does with its devices while it waits for a machine, so that V8 knows their code when one comes. */
import { KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT } from '../kvm/abi/exits.js';
import { IO_COUNT_WORD, IO_DATA_OFFSET_WORD, IO_WORD } from '../kvm/exit.js';
import { logPortIo } from './exit-log.js';
import { type LoopContext, portIo } from './loop.js';

type PortAccess = readonly [direction: number, port: number, size: 1 | 2 | 4, value?: number];

const read = (port: number, size: 1 | 2 | 4 = 1): PortAccess => [KVM_EXIT_IO_IN, port, size];
const write = (port: number, value: number, size: 1 | 2 | 4 = 1): PortAccess => [KVM_EXIT_IO_OUT, port, size, value];

/** Of those that Linux makes when it boots, such as reach nothing outside of the devices: no line, console or timer. */
const ACCESSES: readonly PortAccess[] = [
  // PCI configuration of the host bridge, and of a place where nothing is.
  ...[0x8000_0000, 0x8000_1000].flatMap((at) => [write(0xcf8, at, 4), read(0xcfc, 4), read(0xcfe, 2), read(0xcfe)]),
  // The clock chip: its time, register A and memory.
  ...[0x00, 0x0a, 0x32].flatMap((index) => [write(0x70, index), read(0x71)]),
  // The VGA: colours, attributes and the cursor's place.
  write(0x3c8, 0),
  ...[0, 0x15, 0x2a].map((colour) => write(0x3c9, colour)),
  read(0x3da),
  write(0x3c0, 0x20),
  write(0x3c0, 0x20),
  write(0x3d4, 0x0e),
  write(0x3d5, 0),
  // The keyboard's controller: its status, and its command byte there and back, with no interrupt in it.
  read(0x64),
  write(0x64, 0x60),
  write(0x60, 0x30),
  write(0x64, 0x20),
  read(0x60),
  // COM1: no interrupts, 8 data bits, its FIFO emptied, and all that can be read.
  ...[0, 0, 3, 0].map((value, index) => write(0x3f9 + index, value)),
  ...[0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe].map((port) => read(port)),
  // ACPI: the timer and the power management's registers.
  read(0x608, 4),
  read(0x600, 2),
  read(0x602, 2),
  read(0x604, 2),
];

/** An access of V8's takes its short way from the second or third time on. */
const TURNS = 6;
/** In the vCPU's mapping, behind kvm_run: as KVM has it. */
const DATA_OFFSET = 4096;

/** @param context of a vCPU that nobody runs, over memory of nobody */
export function rehearseAccesses({ page, pio, log }: Pick<LoopContext, 'page' | 'pio' | 'log'>): void {
  const { words, view } = page;
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [direction, port, size, value = 0] of ACCESSES) {
      words[IO_WORD] = (port << 16) | (size << 8) | direction;
      words[IO_COUNT_WORD] = 1;
      words[IO_DATA_OFFSET_WORD] = DATA_OFFSET;
      view.setUint32(DATA_OFFSET, value, true);
      if (size > 1) {
        portIo(page, pio);
        logPortIo(log, 0, page);
      } // The loop's own way for a byte.
      else if (direction === KVM_EXIT_IO_OUT) pio.write(port, value, 1);
      else pio.read(port, 1);
    }
  }
}
