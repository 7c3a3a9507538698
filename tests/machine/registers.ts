/**
 * What the guest `registers` prints with 64 MiB of RAM, and the lines that read otherwise in QEMU 7.2 (`-M pc -accel
 * tcg` without further devices). Documents: PC16550D (National Semiconductor, 1995), IBM PS/2 Hardware Interface
 * Technical Reference, 8254 (Intel, 231164), PCI Local Bus 3.0, 440FX PCIset (Intel, 290549).
 */
export const REGISTERS_OUTPUT = `\
uart LCR, 8 bits: 03
uart LCR, 8 bits, 2 stop bits, even parity: 1f
uart LCR with DLAB: 83
uart DLL: 0c
uart DLM: 34
uart IER beside DLM: 00
uart IER, all ones written: 0f
uart IER, zeros written: 00
uart SCR, aa written: aa
uart SCR, 55 written: 55
uart MCR, all ones written: 1f
uart MCR, zeros written: 00
uart IIR, nothing enabled: 01
uart IIR with FIFOs: c1
uart IIR with FIFOs cleared, trigger 14: c1
uart IIR, FCR without its bit 0: 01
uart IIR, THR empty: 02
uart IIR, once told: 01
uart IIR, THR empty enabled again: 02
uart MSR: b0
uart MSR, loopback begins: 0b
uart MSR in loopback: 00
uart MSR, loopback of DTR: 20
uart MSR, loopback of RTS: 10
uart MSR, loopback of OUT1: 40
uart MSR, loopback of OUT2: 80
uart IIR, modem lines changed in loopback: 00
uart IIR, modem status read: 01
uart LSR, idle: 60
uart LSR, a byte has come: 61
uart RBR: 5a
uart LSR, the byte is read: 60
uart LSR, overrun: 63
uart LSR, overrun once told: 61
uart RBR after an overrun: 22
uart LSR, three bytes in the FIFO: 61
uart RBR, first: 01
uart RBR, second: 02
uart LSR, one is left: 61
uart RBR, third: 03
uart LSR, FIFO empty: 60
uart LSR, 17 bytes for the FIFO: 63
uart RBR of a FIFO that overran: 40
uart LSR, receive FIFO cleared: 60
rtc B, time held: 82
rtc A: 26
rtc A, UIP written: 2f
rtc A, no rate: 20
rtc B, time held with UIE: 82
rtc B, binary: 86
rtc C, once read: 00
rtc D: 80
rtc D, zeros written: 80
rtc seconds, held: 05
rtc minutes, held: 34
rtc hours, held: 12
rtc day of the week, held: 05
rtc date, held: 29
rtc month, held: 02
rtc year, held: 24
rtc century, held: 20
rtc minutes: 34
rtc hours: 12
rtc day of the week: 05
rtc date, a leap day: 29
rtc month: 02
rtc year: 24
rtc century: 20
rtc seconds of the alarm: c0
rtc minutes of the alarm: 59
rtc hours of the alarm: ff
rtc CMOS 0f, shutdown status: 0a
rtc CMOS 15, base memory: 80
rtc CMOS 16: 02
rtc CMOS 17, extended memory: 00
rtc CMOS 18: fc
rtc CMOS 30, extended memory: 00
rtc CMOS 31: fc
rtc CMOS 34, memory above 16 MiB: 00
rtc CMOS 35: 03
rtc CMOS 50: a5
rtc CMOS 50, NMI masked: a5
rtc CMOS 7f: 5a
rtc index: ff
i8042 status, idle: 14
i8042 status after configuration: 1d
i8042 configuration: 65
i8042 status, configuration read: 1c
i8042 status after self-test: 1d
i8042 self-test: 55
i8042 status, self-test read: 1c
i8042 status after test of the keyboard's lines: 1d
i8042 test of the keyboard's lines: 00
i8042 status, test of the keyboard's lines read: 1c
i8042 status after test of the auxiliary port's lines: 1d
i8042 test of the auxiliary port's lines: 01
i8042 status, test of the auxiliary port's lines read: 1c
i8042 status after input port: 1d
i8042 input port: 80
i8042 status, input port read: 1c
i8042 status after output port: 1d
i8042 output port: 03
i8042 status, output port read: 1c
i8042 status, keyboard's byte written: 15
i8042 keyboard's byte written: 3c
i8042 status, auxiliary port's byte written: 15
i8042 auxiliary port's byte written: 3c
i8042 configuration, keyboard off: 75
i8042 configuration, keyboard on: 65
i8042 configuration, auxiliary port on: 65
keyboard's answer to echo: ee
keyboard's answer to disable: fa
keyboard's answer to identify: fa
keyboard's identity: ab
keyboard's identity, second byte, translated: 41
keyboard's answer to scan code set: fa
keyboard's answer to which: fa
keyboard's scan code set, translated: 41
keyboard's answer to LEDs: fa
keyboard's answer to all off: fa
keyboard's answer to typematic rate: fa
keyboard's answer to 10.9 a second: fa
keyboard's answer to what is no command: fe
keyboard's answer to reset: fa
keyboard's self-test: aa
keyboard's answer to enable: fa
i8042 status, all read: 14
port 61, 0 written: 00
port 61, 1 written: 01
port 61, 2 written: 02
port 61, 3 written: 03
pit status of channel 2, mode 0: 30
pit status of channel 2, mode 1: 32
pit status of channel 2, mode 2: 34
pit status of channel 2, mode 3: 36
pit status of channel 2, mode 4: 38
pit status of channel 2, mode 5: 3a
pit status of channel 2, mode 7, which is 3: 36
pit status of channel 2, mode 3 in BCD: 37
pit status of channel 2, low byte only: 10
pci address, device 0: 80000000
pci address, all ones written: 80fffffc
pci data, not enabled: ffffffff
pci device and vendor: 12378086
pci vendor, 2 bytes: 8086
pci device, 2 bytes: 1237
pci vendor, its byte 1: 80
pci device, its byte 1: 12
pci device and vendor, zeros written: 12378086
pci status and command: 02800006
pci class and revision: 06000002
pci header type, latency, cache line: 00000000
pci first base address: 00000000
pci first base address, all ones written: 00000000
pci subsystem: 11001af4
pci capabilities: 00000000
pci interrupt: 00000000
pci PAM0: 30
pci PAM1: 33
pci function 1 of device 0: ffffffff
pci device 1: ffffffff
pci device 31: ffffffff
pci bus 1: ffffffff
`;

/** How the PC must be made for it. */
export const REGISTERS_MEMORY_MIB = 64;

interface Difference {
  /** What was read, as the line has it. */
  readonly read: string;
  /** What QEMU gives. */
  readonly qemu: string;
  readonly why: string;
}

const LAST_WRITE =
  'PS/2 reference, "Status Register": bit 3 tells whether the last write was a command; in QEMU it is always set';
const NO_AUXILIARY_PORT = 'QEMU has a mouse; our controller has no auxiliary port, and says so at each look';

export const REGISTERS_IN_QEMU: readonly Difference[] = [
  {
    read: 'uart MSR, loopback begins',
    qemu: '00',
    why: 'PC16550D 8.7 and 8.8: in loopback the modem outputs are the inputs, and a change of an input sets its delta bit',
  },
  {
    read: 'uart IIR, modem lines changed in loopback',
    qemu: '01',
    why: 'PC16550D 8.7: in loopback interrupts are operational, those of the modem control too',
  },
  { read: 'i8042 status, idle', qemu: '1c', why: LAST_WRITE },
  { read: "i8042 status, keyboard's byte written", qemu: '1d', why: LAST_WRITE },
  { read: 'i8042 status, all read', qemu: '1c', why: LAST_WRITE },
  { read: "i8042 test of the auxiliary port's lines", qemu: '00', why: NO_AUXILIARY_PORT },
  { read: "i8042 status, auxiliary port's byte written", qemu: '3d', why: NO_AUXILIARY_PORT },
  { read: 'i8042 configuration, auxiliary port on', qemu: '45', why: NO_AUXILIARY_PORT },
  {
    read: 'i8042 output port',
    qemu: 'cf',
    why: 'PS/2 reference, "Output Port": bits 7 to 2 are lines to keyboard, auxiliary port and interrupt controller; QEMU has those high that nobody drives',
  },
  {
    read: 'pit status of channel 2, mode 7, which is 3',
    qemu: '3e',
    why: "8254, \"Mode definitions\": bit 3 of modes 2 and 3 is don't care; KVM's PIT tells the mode that it took, QEMU's what was written",
  },
  {
    read: 'pci address, all ones written',
    qemu: 'ffffffff',
    why: 'PCI Local Bus 3.0, 3.2.2.3.2: reserved bits of CONFIG_ADDRESS, 30 to 24, and its bits 1 and 0 read zeros',
  },
  {
    read: 'pci status and command',
    qemu: '00000103',
    why: "440FX data sheet, PCICMD and PCISTS: bus master and memory space are hard-wired on, and status is 0280; QEMU's bits are what its firmware wrote",
  },
  { read: 'pci device 1', qemu: '70008086', why: "QEMU's `pc` has a PIIX3 there; our bus is empty behind its bridge" },
];

/** The output in QEMU. @throws where a difference names a line that is not there */
export function registersOutputInQemu(): string {
  const lines = REGISTERS_OUTPUT.split('\n');
  for (const { read, qemu } of REGISTERS_IN_QEMU) {
    const at = lines.findIndex((line) => line.startsWith(`${read}: `));
    if (at < 0) throw new Error(`no such read: ${read}`);
    lines[at] = `${read}: ${qemu}`;
  }
  return lines.join('\n');
}
