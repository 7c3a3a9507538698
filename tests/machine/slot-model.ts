import assert from 'node:assert/strict';
import { makeMemory, type RamPiece, releaseMemory } from '../../dist/index.js';
import { GIB, type MemoryGuest, PAGE } from './memory-guest.js';

/** Where slots come and go: in the hole, across 5 GiB, and higher up. Two slots of neighbours may meet. */
export const WINDOW_ADDRESSES: readonly number[] = Array.from(
  { length: 24 },
  (_, i) => ([0xc100_0000, 5 * GIB - 4 * PAGE, 18 * GIB][i % 3] ?? 0) + Math.floor(i / 3) * PAGE,
);
/** A page each, with a page of nobody before and after. */
const HOST_PAGES = 32;
const CANARY = 0x5a;
const NOTHING = 0xffff_ffff;

interface Modelled {
  readonly slot: number;
  readonly window: number;
  readonly page: number;
  readonly readOnly: boolean;
}

/** What the slots should be: each operation is done to the machine and to this, and the two are compared. */
export class SlotModel {
  readonly #guest: MemoryGuest;
  readonly #host: RamPiece;
  readonly #bytes: Uint8Array;
  readonly #live = new Map<number, Modelled>();
  readonly #freePages = Array.from({ length: HOST_PAGES }, (_, page) => page);
  readonly #counted = new Map<string, number>();
  #state: number;

  constructor(guest: MemoryGuest, seed: number) {
    this.#guest = guest;
    this.#state = seed;
    this.#host = makeMemory(0, 2 * HOST_PAGES * PAGE + PAGE);
    this.#bytes = new Uint8Array(this.#host.buffer, this.#host.offset, this.#host.size);
    this.#bytes.fill(CANARY);
    for (let page = 0; page < HOST_PAGES; page++) {
      const start = this.#offsetOf(page);
      this.#bytes.fill(0, start, start + PAGE);
      new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start).setUint32(0, tagOf(page), true);
    }
    for (const window of WINDOW_ADDRESSES.keys()) guest.expect(window, NOTHING);
  }

  get counts(): string {
    return [...this.#counted].map(([name, count]) => `${name} ${count}`).join(', ');
  }

  /** One operation. Small numbers from the seed (Park and Miller). */
  async step(): Promise<void> {
    const chosen = this.#any([...this.#live.values()]);
    const free = this.#any([...WINDOW_ADDRESSES.keys()].filter((window) => !this.#live.has(window)));
    const kind = this.#below(8);
    if (kind < 2 && free !== undefined) await this.#add(free);
    else if (chosen === undefined) return this.step();
    else if (kind < 3) await this.#delete(chosen);
    else if (kind < 5 && free !== undefined) await this.#move(chosen, free);
    else if (kind === 5) await this.#replace(chosen);
    else if (kind === 6) await this.#refused(chosen);
    else await this.#reflag(chosen);
    this.#compare();
  }

  async clear(): Promise<void> {
    for (const one of [...this.#live.values()]) await this.#delete(one);
    this.#compare();
  }

  /** No page of nobody was written, and none that was only ever read-only. Gives the memory back. */
  checkHostMemory(): void {
    for (let page = 0; page <= HOST_PAGES; page++) {
      const canary = this.#bytes.subarray(2 * page * PAGE, (2 * page + 1) * PAGE);
      assert.ok(
        canary.every((byte) => byte === CANARY),
        `the page before page ${page} was written`,
      );
    }
    releaseMemory([this.#host]);
  }

  async #add(window: number): Promise<void> {
    const page = this.#takePage();
    const readOnly = this.#below(3) === 0;
    await this.#guest.machine.changeMemory((slots) => {
      const { slot } = slots.add({
        ...this.#memoryOf(page),
        start: addressOf(window),
        what: readOnly ? 'rom' : 'extra',
        readOnly,
      });
      this.#keep({ slot, window, page, readOnly });
    });
    this.#count('add');
  }

  async #delete(one: Modelled): Promise<void> {
    await this.#guest.machine.changeMemory((slots) => {
      slots.delete(one.slot);
      this.#drop(one);
      this.#freePages.push(one.page);
    });
    this.#count('delete');
  }

  async #move(one: Modelled, window: number): Promise<void> {
    await this.#guest.machine.changeMemory((slots) => {
      slots.move(one.slot, addressOf(window));
      this.#drop(one);
      this.#keep({ ...one, window });
    });
    this.#count('move');
  }

  async #replace(one: Modelled): Promise<void> {
    const page = this.#takePage();
    const readOnly = !one.readOnly;
    await this.#guest.machine.changeMemory((slots) => {
      slots.replace(one.slot, { ...this.#memoryOf(page), readOnly });
      this.#freePages.push(one.page);
      this.#keep({ ...one, page, readOnly });
    });
    this.#count('replace');
  }

  async #refused(one: Modelled): Promise<void> {
    const address = addressOf(one.window);
    const memory = { ...this.#memoryOf(one.page), what: 'extra' } as const;
    const { machine } = this.#guest;
    const attempt = this.#any([
      () => machine.changeMemory((slots) => void slots.add({ ...memory, start: address })),
      () => machine.changeMemory((slots) => void slots.move(one.slot, address + 1)),
      () => machine.changeMemory((slots) => void slots.replace(one.slot, { size: 0 })),
      () => machine.changeMemory((slots) => void slots.delete(30_000)),
    ]);
    assert.ok(attempt);
    await assert.rejects(attempt, { code: 'SLOT_INVALID' });
    this.#count('refused');
  }

  async #reflag({ slot }: Modelled): Promise<void> {
    const logDirty = this.#below(2) === 0;
    const { readOnly } = this.#guest.machine.memorySlots.find((one) => one.slot === slot) ?? {};
    await this.#guest.machine.changeMemory((slots) => void slots.setLogDirty(slot, logDirty && readOnly === false));
    this.#count('reflag');
  }

  /** The table, and what a device would find. */
  #compare(): void {
    const { machine } = this.#guest;
    const extra = machine.memorySlots.filter(({ what }) => what !== 'ram');
    assert.deepEqual(
      extra.map(({ slot, start, readOnly }) => ({ slot, start, readOnly })).sort((a, b) => a.slot - b.slot),
      [...this.#live.values()]
        .map(({ slot, window, readOnly }) => ({ slot, start: addressOf(window), readOnly }))
        .sort((a, b) => a.slot - b.slot),
    );
    for (const [window, address] of WINDOW_ADDRESSES.entries()) {
      const one = this.#live.get(window);
      assert.equal(machine.memory.isReadable(address, PAGE), one !== undefined);
      assert.equal(machine.memory.contains(address, PAGE), one !== undefined && !one.readOnly);
      if (one !== undefined) assert.equal(machine.memory.readU32(address), tagOf(one.page));
    }
  }

  #keep(one: Modelled): void {
    this.#live.set(one.window, one);
    this.#guest.expect(one.window, tagOf(one.page));
  }

  #drop({ window }: Modelled): void {
    this.#live.delete(window);
    this.#guest.expect(window, NOTHING);
  }

  #memoryOf(page: number): Pick<RamPiece, 'buffer' | 'offset' | 'size'> {
    return { buffer: this.#host.buffer, offset: this.#host.offset + this.#offsetOf(page), size: PAGE };
  }

  #offsetOf(page: number): number {
    return (2 * page + 1) * PAGE;
  }

  #takePage(): number {
    const at = this.#below(this.#freePages.length);
    const [page = 0] = this.#freePages.splice(at, 1);
    return page;
  }

  #any<T>(values: readonly T[]): T | undefined {
    return values[this.#below(Math.max(1, values.length))];
  }

  #below(count: number): number {
    this.#state = (this.#state * 48271) % 0x7fffffff;
    return this.#state % count;
  }

  #count(name: string): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + 1);
  }
}

const addressOf = (window: number): number => WINDOW_ADDRESSES[window] ?? 0;
const tagOf = (page: number): number => 0x7a60_0000 + page;
