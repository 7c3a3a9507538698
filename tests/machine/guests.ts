/**
 * What our own guests (guest-images/) print and how they end, the same under every monitor. Status: what isa-debug-exit
 * makes of the value written, ((value << 1) | 1) & 0xff.
 */
export type GuestEnd = 'debug-exit' | 'reset' | 'triple-fault' | 'power-off';

export interface EndingGuest {
  readonly image: string;
  /** All that it writes to COM1. */
  readonly output: string;
  readonly end: GuestEnd;
  /** Of isa-debug-exit. */
  readonly status?: number;
  /** An instruction of it that kvm_pvm, which emulates ring 0, does not know: there it ends by an error that says so. */
  readonly beyondPvm?: string;
}

/** Guests that end by themselves and need no input. wide-io and mmio: see below. */
export const ENDING_GUESTS: readonly EndingGuest[] = [
  { image: 'hello', output: 'hello from protected mode\n', end: 'debug-exit', status: 1 },
  { image: 'debug-exit', output: '', end: 'debug-exit', status: 43 },
  {
    image: 'irq',
    output: '10 ticks\nsent by interrupt\ntransmitted\n',
    end: 'debug-exit',
    status: 1,
    beyondPvm: 'iret',
  },
  {
    image: 'rtc',
    output: '16 periodic interrupts\nan update ended\nalarm\n',
    end: 'debug-exit',
    status: 1,
    beyondPvm: 'iret',
  },
  { image: 'reset-kbd', output: 'reset by the keyboard controller\n', end: 'reset' },
  { image: 'reset-cf9', output: 'reset by port 0xcf9\n', end: 'reset' },
  { image: 'triple-fault', output: 'triple fault\n', end: 'triple-fault' },
  { image: 'poweroff', output: 'power off\n', end: 'power-off' },
];

export interface EndlessGuest {
  readonly image: string;
  readonly output: string;
  /** halted: interrupts off. idle: halted, interrupts on. spinning: no exit at all. */
  readonly afterwards: 'halted' | 'idle' | 'spinning';
}

/** Guests that print a line and go on for ever. silent-spin and out-loop do so without a line. */
export const ENDLESS_GUESTS: readonly EndlessGuest[] = [
  { image: 'hello-real', output: 'hello from real mode\n', afterwards: 'halted' },
  { image: 'halt', output: 'halting for ever\n', afterwards: 'halted' },
  { image: 'halt-idle', output: 'idle\n', afterwards: 'idle' },
  { image: 'spin', output: 'spinning\n', afterwards: 'spinning' },
  { image: 'spin-cli', output: 'spinning with interrupts off\n', afterwards: 'spinning' },
];

/** string-io writes to the debug console (0xe9), nothing to COM1; it ends with status 1. */
export const STRING_IO_DEBUG_OUTPUT =
  'rep outsb: written\nrep insb: 5000 bytes, each e9\nrep insb: 8 different bytes in order\n';

/** wide-io ends with status 1. QEMU 7.2 aborts at its first access across the UART's end. */
export const WIDE_IO_OUTPUT = `\
in 4 3fc: 5ab0601b
in 2 3fe: 00005ab0
in 2 3fa: 00000301
in 2 3fb unaligned: 00001b03
in 4 3fd across the end: ff5ab060
in 2 3ff across the end: 0000ff5a
in 4 3fe across the end: ffff5ab0
in 1 1234 unclaimed: 000000ff
in 2 1234 unclaimed: 0000ffff
in 4 1234 unclaimed: ffffffff
in 4 0f4: 00000000
out 2 3fa, then in 1 3fb: 0000001b
out 4 3fc, then in 1 3ff: 000000a5
out 2 3ff across the end, then in 1 3ff: 00000077
out 2 3f8, then in 2 3f8: 00000123
in 4 3f6 into the device: 0123ffff
out 4 3f6 into the device, then in 2 3f8: 00000456
`;

/** mmio ends with status 1. Where nothing is, a PC reads all ones, and so do we; QEMU gives zeros. */
export function mmioOutput(nothing: 'ones' | 'zeros'): string {
  const digit = nothing === 'ones' ? 'f' : '0';
  const read = (what: string, size: number) => `${what}: ${digit.repeat(2 * size)}\n`;
  const reads = [
    ...[1, 2, 4, 8, 16].map((size) => read(`read ${size}`, size)),
    read('read 4 unaligned', 4),
    ...[4, 8, 16].map((size) => read(`read ${size} across a page`, size)),
    read('rep movsl from it', 16),
  ];
  return `${reads.join('')}written\nadd 1: carry ${nothing === 'ones' ? 1 : 0}\n`;
}

/** Bytes that flood and flood-short write to COM1, with status 1 at the end. */
export const FLOOD_BYTES = 10 << 20;
export const FLOOD_SHORT_BYTES = 256 << 10;

/** What both send, from the first byte on. */
export function floodBytes(count: number): Uint8Array {
  let x = 1;
  return Uint8Array.from({ length: count }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x >>> 24;
  });
}

/** echo and irq-input print this when they listen, and end with status 1 at Ctrl-D. */
export const READY = 'ready\n';
export const CTRL_D = '\x04';

/**
 * keyboard: what it says when it listens, what is then pressed, and the lines that this gives, once by asking and once
 * by interrupt. It ends with status 1.
 */
export const KEYBOARD_ASKS = 'asking\n';
export const KEYBOARD_WAITS = 'waiting\n';
export const KEYBOARD_STROKES = ['a', 'Shift+a', 'ArrowUp', 'Control+Alt+Delete', 'F12', 'Escape'] as const;
const KEYBOARD_CODES = ['1e 9e', '2a 1e 9e aa', 'e0 48 e0 c8', '1d 38 e0 53 e0 d3 b8 9d', '58 d8', '01 81'];
const keyboardLines = (how: string) =>
  KEYBOARD_CODES.map((codes) =>
    codes
      .split(' ')
      .map((code) => `${how} ${code}\n`)
      .join(''),
  );
/** By stroke. */
export const KEYBOARD_ASKED = keyboardLines('asked');
export const KEYBOARD_TOLD = keyboardLines('told');
export const KEYBOARD_OUTPUT = [KEYBOARD_ASKS, ...KEYBOARD_ASKED, KEYBOARD_WAITS, ...KEYBOARD_TOLD].join('');

/**
 * boot-sector through SeaBIOS, with `a` and `q` typed, as its serial console shows it (control sequences left out). It
 * ends with status 1.
 */
export const BOOT_SECTOR_SCREEN = /^SeaBIOS \(version [^)]+\)\r\nBooting from Floppy\.\.\.\r\n(.*)$/s;
export const BOOT_SECTOR_READY = 'press a key\r\n';
export const BOOT_SECTOR_LINES = `\
hello from a boot sector\r
int 13h reads this disk\r
${BOOT_SECTOR_READY}key a\r
key q\r
`;
