import type { GuestEnd } from './guests.js';

/**
 * What our own kernels (guest-images/) print and how they end, the same under every monitor: ELF files with a multiboot
 * header or a PVH note, which start with no flag but their name.
 */
export interface Kernel {
  /** The file's name without `.elf`. */
  readonly image: string;
  readonly commandLine?: string;
  readonly cpus?: number;
  readonly output: string;
  readonly end: GuestEnd;
  /** Of isa-debug-exit. */
  readonly status?: number;
  /** All the exits that it makes, each a port access. */
  readonly portAccesses?: number;
  /** On kvm_pvm, added to the command line. */
  readonly wordOnPvm?: string;
}

/** What the program of `printf` prints, whatever way the text goes. */
const PRINTF_LINE = 'hello, world, from ring 3\n';
/** Of its kernel, as the source says. */
const UART_SETUP_OUTS = 7;
const END_OUTS = 1;
const FIFO_BYTES = 16;

/** Each exception is told by the guest's own handler; its status is that of its vector. */
function faultKernels(): readonly Kernel[] {
  const exception = (commandLine: string, vector: number, text: string): Kernel => ({
    image: 'faults',
    commandLine,
    output: `exception ${vector}, ${text}\n`,
    end: 'debug-exit',
    status: (vector << 1) | 1,
  });
  return [
    exception('divide-error', 0, 'divide error: error code 0x0, rip 0x110000, ring 0'),
    exception('bad-opcode', 6, 'invalid opcode: error code 0x0, rip 0x110010, ring 0'),
    exception('page-fault', 14, 'page fault: error code 0x0, rip 0x110020, ring 0, cr2 0x123456789abc'),
    { image: 'faults', commandLine: 'triple-fault', output: 'triple fault at 0x110030\n', end: 'triple-fault' },
    {
      image: 'faults',
      output: 'which fault? divide-error, bad-opcode, page-fault or triple-fault\n',
      end: 'debug-exit',
      status: 255,
    },
  ];
}

/** An IN before each OUT, or before each FIFO that a string instruction fills. */
function printfKernels(): readonly Kernel[] {
  const byByte = 2 * PRINTF_LINE.length;
  const byString = PRINTF_LINE.length + Math.ceil(PRINTF_LINE.length / FIFO_BYTES);
  const printf = (commandLine: string, lineAccesses: number): Kernel => ({
    image: 'printf',
    commandLine,
    output: PRINTF_LINE,
    end: 'debug-exit',
    status: 1,
    portAccesses: UART_SETUP_OUTS + lineAccesses + END_OUTS,
    wordOnPvm: 'trap', // its SYSCALL does not leave ring 3
  });
  return [
    printf('', byByte),
    printf('unbuffered', byByte),
    printf('full', byByte),
    printf('string', byString),
    printf('unbuffered string', byByte),
    printf('unwatched', byByte),
    printf('trap', byByte),
    {
      image: 'printf',
      commandLine: 'crash',
      output: 'exception 13, general protection: error code 0x0, rip 0x400000, ring 3\n',
      end: 'debug-exit',
      status: 27,
    },
  ];
}

/** Those that every PC here can run. */
export const KERNELS: readonly Kernel[] = [
  {
    image: 'hello-protected',
    commandLine: 'one two',
    output: 'hello from a multiboot kernel\nlast word of the command line: two\n',
    end: 'debug-exit',
    status: 1,
  },
  {
    image: 'hello-long',
    output: 'hello from long mode\nfedcba98 * 10000001 = 0fedcbaa7edcba98\n',
    end: 'debug-exit',
    status: 1,
  },
  {
    image: 'interrupts',
    output:
      'PIT: 10 interrupts\nlocal APIC timer: 10 interrupts\nRTC periodic: 10 interrupts\nRTC update ended: 2 interrupts\n',
    end: 'debug-exit',
    status: 1,
  },
  ...faultKernels(),
  ...printfKernels(),
];

/** Needs a VGA's CRT controller: its cursor register reads what was written. */
export const VGA_TEXT: Kernel = {
  image: 'vga-text',
  output: 'the screen says: text mode: 80 columns, 25 lines\ncursor at 05a0\n',
  end: 'debug-exit',
  status: 1,
};

/** smp with so many CPUs. */
export function smpKernel(cpus: number): Kernel {
  const others = cpus - 1;
  const started = `${cpus} CPUs\n${others} started by the first\n${cpus * 1000} counted under one lock\n`;
  const asked = `${others} interprocessor interrupts taken, ${others} answered\n`;
  const output = cpus === 1 ? '1 CPU: there is none to start\n' : started + asked;
  return { image: 'smp', cpus, output, end: 'debug-exit', status: 1 };
}

/** How a test names the kernel: `faults page-fault`. */
export const titleOf = ({ image, commandLine = '', cpus }: Kernel): string =>
  [image, ...(commandLine === '' ? [] : [commandLine]), ...(cpus === undefined ? [] : [`with ${cpus} CPUs`])].join(' ');
