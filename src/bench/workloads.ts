/**
 * The workloads of the benchmark's guest (guest-images/bench/), by the same definitions once more: what the checksum
 * of a count must be is worked out here, in arithmetic modulo 2^32, for the 64-bit and the 32-bit build alike.
 */
/** `boot` is of boots.ts. */
export type WorkloadKind = 'exits' | 'processor' | 'serial' | 'memory' | 'boot';

/** Every workload runs in both builds. */
export interface Workload {
  readonly name: string;
  readonly kind: Exclude<WorkloadKind, 'boot'>;
  /** What its figure shows, in one line. */
  readonly shows: string;
  /** Iterations to begin with where nothing is known of the engine's speed: some milliseconds on slow ones. */
  readonly firstCount: number;
  /** Each iteration uses up something of the guest's: it is run `firstCount` times, and never more or less often. */
  readonly isCountFixed?: true;
  /** Each iteration is an exit that `vmlaunch` itself handles, or a write that it carries out. */
  readonly reachesMonitor: boolean;
  /**
   * What the guest must print for so many iterations, as an unsigned number of 32 bits. Takes up to some nanoseconds an
   * iteration; `cpu.memory-stream` a microsecond.
   * @param count 1 to 2^32 - 1
   */
  checksum(count: number): number;
}

const FIRST = 1;

/** Signed, as the bit operations of JavaScript are. Only what is returned at the end is unsigned. */
const mix = (sum: number, value: number): number => (Math.imul(sum, 31) + value) | 0;

const nextRandom = (x: number): number => (Math.imul(x, 1664525) + 1013904223) | 0;

/** Mixes the value of each iteration. */
function mixAll(count: number, valueAt: (i: number) => number): number {
  let sum = FIRST;
  for (let i = 0; i < count; i++) sum = mix(sum, valueAt(i));
  return sum;
}

const numbers = (count: number): number => mixAll(count, (i) => i);
const always = (value: number) => (count: number) => mixAll(count, () => value);

/** The port keeps what the last iteration wrote: the lowest byte of the sum before it. */
const writtenAndReadBack = (count: number): number => mix(numbers(count), numbers(count - 1) & 0xff);

/** What `exits.in` has put into COM1's scratch register. */
const SCRATCH_VALUE = 0xa5;
/** Every line but 2, where the second PIC is. */
const PIC_MASK = 0xfb;

function integer(count: number): number {
  let x = FIRST;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    x = nextRandom(x);
    x ^= x >>> 13;
    sum = mix(sum, Math.floor((x >>> 0) / ((i & 0xff) + 3)));
  }
  return sum ^ x;
}

function branchy(count: number): number {
  let x = FIRST;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    x = nextRandom(x);
    if ((x & (1 << 31)) !== 0) sum = (sum + (x >>> 3)) | 0;
    else sum ^= x;
    if ((x & (1 << 30)) !== 0) sum = mix(sum, i);
    if ((x & (1 << 29)) !== 0) sum = (sum - 0x9e3779b9) | 0;
    else if ((x & (1 << 28)) !== 0) sum = rotateLeft(sum, 7);
  }
  return sum;
}

const rotateLeft = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

function floatingPoint(count: number): number {
  let x = 0.5;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    x = 3.99 * x * (1 - x);
    sum = sum * 0.75 + Math.sqrt(x) / (1 + x);
  }
  const bits = new Uint32Array(Float64Array.of(x + sum).buffer);
  return (bits[0] ?? 0) ^ (bits[1] ?? 0);
}

const LANES = [
  { x: 0.125, rate: 3.75 },
  { x: 0.25, rate: 3.8125 },
  { x: 0.375, rate: 3.875 },
  { x: 0.5, rate: 3.9375 },
] as const;

/** A lane of cpu.sse; what it multiplies is exact in double precision, and rounded once. */
function sseLane(count: number, x: number, rate: number): number {
  const float = new Float32Array([x]);
  const bits = new Uint32Array(float.buffer);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const now = float[0] ?? 0;
    float[0] = Math.fround(rate * now) * Math.fround(1 - now);
    sum = (rotateLeft(sum, 3) + ((bits[0] ?? 0) ^ sum)) | 0;
  }
  return sum;
}

const sse = (count: number): number => LANES.reduce((sum, { x, rate }) => sum ^ sseLane(count, x, rate), 0);

const ARENA_BYTES = 4 << 20;
const PAGE_WORDS = 1024;

function memoryStream(count: number): number {
  const memory = new Int32Array(ARENA_BYTES / 4);
  let sum = FIRST;
  for (let i = 0; i < count; i++) {
    const page = (i * PAGE_WORDS) % memory.length;
    for (let word = 0; word < PAGE_WORDS; word++) {
      sum = (sum + ((memory[page + word] ?? 0) ^ (i + word))) | 0;
      memory[page + word] = sum;
    }
  }
  return sum;
}

const LINE_BYTES = 64;
const LINES = ARENA_BYTES / LINE_BYTES;
const TLB_PAGES = 4096;

/** Mixes what an order of places gives, in which the next is `place` × factor + step. */
function inOrder(places: number, factor: number, step: number, valueAt: (place: number) => number) {
  return (count: number): number => {
    let place = 0;
    return mixAll(count, () => {
      place = (place * factor + step) % places;
      return valueAt(place);
    });
  };
}

/** `next_in_order` of guest-images/bench/bench.h, over pages that have their number times 7. */
const inPageOrder = (pages: number) => inOrder(pages, 1229, 677, (page) => page * 7);

const LINE_END = 0x0a;
const LINE_LENGTH = 64;

/** What `serial.bytes` writes to COM1, a byte of so many. */
function serialByte(i: number, count: number): number {
  return i === count - 1 || i % LINE_LENGTH === LINE_LENGTH - 1 ? LINE_END : 0x61 + (i % 26);
}

/** All that `serial.bytes` writes to COM1 between the lines that tell of it. */
export function serialBytes(count: number): string {
  return Buffer.from(Uint8Array.from({ length: count }, (_, i) => serialByte(i, count))).toString('latin1');
}

/** How each is made, what it shows, iterations to begin with, and its checksum. */
type Row = readonly [name: string, shows: string, firstCount: number, checksum: (count: number) => number];

const EXITS: readonly Row[] = [
  ['out', 'OUT of a byte to a device in TypeScript', 100, writtenAndReadBack],
  ['in', 'IN of a byte from a device in TypeScript', 100, always(SCRATCH_VALUE)],
  ['string-out', 'REP OUTSB of 16 bytes to the same', 20, writtenAndReadBack],
  ['mmio-read', 'a read of 4 bytes at an address that no device has', 100, always(1)],
  ['mmio-write', 'a write of 4 bytes to an address that no device has', 100, numbers],
  ['cpuid', 'CPUID, which KVM answers alone', 100, always(1)],
  ['halt', 'HLT until an interrupt, which the PIT gives 10 microseconds after it is set', 10, always(1)],
  ['hypercall', "a hypercall of KVM's that does nothing", 100, always(1)],
  [
    'in-kernel',
    'IN of a byte from a device in KVM: what is left of exits.in without TypeScript',
    100,
    always(PIC_MASK),
  ],
  ['coalesced', 'OUT to a port whose writes the host may collect', 100, numbers],
  ['ioeventfd', 'OUT to a port whose writes the host may take as events', 100, numbers],
];

const REACH_MONITOR: ReadonlySet<string> = new Set(['out', 'in', 'string-out', 'mmio-read', 'mmio-write', 'coalesced']);

const PROCESSOR: readonly Row[] = [
  ['integer', 'multiplication, shifts and division, each step on the one before', 20_000, integer],
  ['branchy', 'branches that cannot be foretold', 20_000, branchy],
  ['floating-point', 'double precision, a step at a time', 20_000, floatingPoint],
  ['sse', 'single precision and integers, four at once', 20_000, sse],
  ['memory-stream', 'reads and writes 4 MiB in order; an iteration is a page', 32, memoryStream],
  ['pointer-chase', 'follows pointers through 4 MiB, out of order', 20_000, inOrder(LINES, 40501, 24989, lineOffset)],
  ['self-modifying', 'changes an instruction, and runs it', 1000, numbers],
  ['page-faults', 'touches a page that is not there, and the handler maps it', 500, numbers],
  ['tlb-misses', 'reads a word of 4096 pages out of order', 20_000, inPageOrder(TLB_PAGES)],
  ['system-calls', 'ring 3 to ring 0 and back: SYSCALL, in 32-bit mode INT 0x80', 2000, always(1)],
  ['context-switches', 'passes a number to a program in another address space', 1000, numbers],
];

function lineOffset(line: number): number {
  return line * LINE_BYTES;
}

const SERIAL: readonly Row[] = [
  [
    'bytes',
    'bytes to the serial console, each when it is ready',
    500,
    (count) => mixAll(count, (i) => serialByte(i, count)),
  ],
];

const RE_TOUCH_PAGES = 1024;
const STRIDE_PAGES = 8192;
const CHURN_FRAMES = 64;

const FIRST_TOUCH = 'memory.first-touch';
const MEMORY: readonly Row[] = [
  ['first-touch', 'writes to a page of 4 KiB that nobody has touched yet', 2048, numbers],
  [
    're-touch',
    'reads one of 1024 pages that were touched before, in order',
    200_000,
    (count) => mixAll(count, (i) => (i % RE_TOUCH_PAGES) * 7),
  ],
  ['stride', 'reads one of 8192 pages out of order: more than a TLB holds', 50_000, inPageOrder(STRIDE_PAGES)],
  [
    'churn',
    "changes an entry of the guest's page table, INVLPG, and an access",
    2000,
    (count) => mixAll(count, (i) => (i % CHURN_FRAMES) * 7),
  ],
];

/** Rounds ask for the same counts again and again. */
function remembered(checksum: (count: number) => number): (count: number) => number {
  const known = new Map<number, number>();
  return (count) => {
    const sum = known.get(count) ?? checksum(count) >>> 0;
    known.set(count, sum);
    return sum;
  };
}

const workloadsOf = (kind: Workload['kind'], prefix: string, rows: readonly Row[]): readonly Workload[] =>
  rows.map(([name, shows, firstCount, checksum]) => ({
    name: `${prefix}.${name}`,
    kind,
    shows,
    firstCount,
    reachesMonitor: kind === 'exits' && REACH_MONITOR.has(name),
    checksum: remembered(checksum),
  }));

/** All, in the order in which a suite runs them. The processor's run in the program `bench-native` too. */
export const WORKLOADS: readonly Workload[] = [
  ...workloadsOf('exits', 'exits', EXITS),
  ...workloadsOf('processor', 'cpu', PROCESSOR),
  ...workloadsOf('serial', 'serial', SERIAL),
];

/** What `vmlaunch bench memory` runs, on a guest of `MEMORY_WORKLOADS_MIB`: in no suite of `vmlaunch bench`. */
export const MEMORY_WORKLOADS: readonly Workload[] = workloadsOf('memory', 'memory', MEMORY).map((workload) =>
  workload.name === FIRST_TOUCH ? { ...workload, isCountFixed: true } : workload,
);
/** As guest-images/bench/guest/second-level.c has it. */
export const MEMORY_WORKLOADS_MIB = 128;

const byName = new Map([...WORKLOADS, ...MEMORY_WORKLOADS].map((workload) => [workload.name, workload]));

export const workloadNamed = (name: string): Workload | undefined => byName.get(name);

/**
 * Those that would end or hang a guest on `kvm_pvm`, which interprets ring 0 and does not know every instruction. The
 * 32-bit build does not run there at all: it has no paging outside of long mode.
 */
export const BEYOND_KVM_PVM: ReadonlyMap<string, string> = new Map([
  ['exits.hypercall', 'kvm_pvm stays at VMCALL for ever'],
  ['cpu.floating-point', 'kvm_pvm cannot emulate SSE arithmetic in ring 0'],
  ['cpu.sse', 'kvm_pvm cannot emulate SSE arithmetic in ring 0'],
]);
