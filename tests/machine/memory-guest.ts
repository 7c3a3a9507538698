import assert from 'node:assert/strict';
import { Machine, type MachineOptions } from '../../dist/index.js';
import type { CaseContext } from './case.js';

export const PAGE = 4096;
export const MIB = 1 << 20;
export const GIB = 2 ** 30;
/** As guest-images/memory.c has it. */
const MAILBOX = 4 * MIB;
const COMMAND = { read: 1, write: 2, touch: 3, hammer: 4, finish: 5 } as const;
const OFFSET = { generation: 4, address: 8, value: 16, count: 24, stride: 32, rounds: 40, mismatches: 44 } as const;
const BAD = { address: 48, value: 56 } as const;
const WINDOWS = 60;
const FIRST_WINDOW = 64;
const WINDOW_BYTES = 16;

/** The guest memory.elf and the commands that it takes, one after another. */
export class MemoryGuest {
  #answers = 0;
  #wake: () => void = () => {};

  private constructor(readonly machine: Machine) {
    machine.output.on('data', (chunk: Buffer) => {
      this.#answers += chunk.length;
      this.#wake();
    });
    void machine.ended.then(() => this.#wake());
  }

  /** Runs `use` with a guest that waits for commands, and closes it. */
  static async with(
    { guestImages }: CaseContext,
    options: Omit<MachineOptions, 'image'>,
    use: (guest: MemoryGuest) => Promise<void>,
    beforeStart: (machine: Machine) => void = () => {},
  ): Promise<void> {
    await using machine = await Machine.create({ image: `${guestImages}/memory.elf`, ...options });
    const guest = new MemoryGuest(machine);
    beforeStart(machine);
    machine.start();
    await guest.#answer(1);
    await use(guest);
  }

  /** The guest reads 64 bits. */
  async read(address: number): Promise<bigint> {
    await this.#command('read', address);
    return this.#wide(OFFSET.value);
  }

  async write(address: number, value: bigint): Promise<void> {
    this.machine.memory.writeU32(MAILBOX + OFFSET.value, Number(value & 0xffffffffn));
    this.machine.memory.writeU32(MAILBOX + OFFSET.value + 4, Number(value >> 32n));
    await this.#command('write', address);
  }

  /** The guest writes a byte at `count` places. */
  async touch(address: number, count: number, stride = PAGE): Promise<void> {
    this.machine.memory.writeU64(MAILBOX + OFFSET.count, count);
    this.machine.memory.writeU64(MAILBOX + OFFSET.stride, stride);
    await this.#command('touch', address);
  }

  /** The guest looks at all windows until `endHammer`. */
  async hammer(addresses: readonly number[]): Promise<void> {
    this.machine.memory.writeU32(MAILBOX + WINDOWS, addresses.length);
    addresses.forEach((address, i) => {
      this.machine.memory.writeU64(MAILBOX + FIRST_WINDOW + i * WINDOW_BYTES, address);
    });
    await this.#command('hammer', 0);
  }

  /** What it must see in a window from now on: to be called while the guest is paused, or does not hammer. */
  expect(window: number, value: number): void {
    const { memory } = this.machine;
    memory.writeU32(MAILBOX + FIRST_WINDOW + window * WINDOW_BYTES + 8, value);
    memory.writeU32(MAILBOX + OFFSET.generation, memory.readU32(MAILBOX + OFFSET.generation) + 1);
  }

  /** Rounds over all windows so far, and reads that were not as expected. */
  get seen(): { rounds: number; mismatches: number; badAddress: string; badValue: string } {
    const { memory } = this.machine;
    return {
      rounds: memory.readU32(MAILBOX + OFFSET.rounds),
      mismatches: memory.readU32(MAILBOX + OFFSET.mismatches),
      badAddress: memory.readU64(MAILBOX + BAD.address).toString(16),
      badValue: memory.readU32(MAILBOX + BAD.value).toString(16),
    };
  }

  async finish(): Promise<void> {
    this.machine.memory.writeU32(MAILBOX, COMMAND.finish);
    assert.deepEqual(await this.machine.ended, { reason: 'debug-exit', status: 1 });
  }

  #wide(offset: number): bigint {
    const bytes = new Uint8Array(8);
    this.machine.memory.read(MAILBOX + offset, bytes);
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  async #command(name: keyof typeof COMMAND, address: number): Promise<void> {
    this.machine.memory.writeU64(MAILBOX + OFFSET.address, address);
    const wanted = this.#answers + 1;
    this.machine.memory.writeU32(MAILBOX, COMMAND[name]);
    await this.#answer(wanted);
  }

  async #answer(wanted: number): Promise<void> {
    let ended = false;
    void this.machine.ended.then((end) => {
      ended = true;
      if (this.#answers < wanted) console.error(end);
    });
    while (this.#answers < wanted) {
      assert.ok(!ended, 'the guest has ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const CANARY = 0xc5;
/**
 * Fills a page before and after the host memory of each slot, and returns what tells whether all are as they were. Where
 * a slot is at one end of its buffer, V8 has pages there that nobody may touch.
 */
export function canaries(machine: Machine): () => boolean {
  const pages = machine.memorySlots.flatMap(({ buffer, offset, size }) =>
    [offset - PAGE, offset + size]
      .filter((at) => at >= 0 && at + PAGE <= buffer.byteLength)
      .map((at) => new Uint8Array(buffer, at, PAGE)),
  );
  assert.ok(pages.length >= machine.memorySlots.length);
  for (const page of pages) page.fill(CANARY);
  return () => pages.every((page) => page.every((byte) => byte === CANARY));
}
