import type { Readable, Writable } from 'node:stream';
import type { BootPlan } from '../boot/plan.js';
import { asVmError, VmError } from '../errors.js';
import { Kvm } from '../kvm/kvm.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { Slot, Slots } from '../memory/slots.js';
import { Console } from './console.js';
import { checkCpus } from './cpus.js';
import type { MachineEnd } from './end.js';
import { ExitRing, exitRingBuffer } from './exit-ring.js';
import { faultError } from './fault.js';
import { Hops } from './hops.js';
import { Instance } from './instance.js';
import { Keyboard } from './keyboard.js';
import type { DirtyTracking, TrackOptions } from './live-memory.js';
import { DEFAULT_CPUS, type MachineOptions } from './options.js';
import { PanicWatch } from './panic-watch.js';
import { planMachine } from './plan-machine.js';
import { type PostMortem, postMortem } from './post-mortem.js';
import { addStats, collectStats, type MachineStats } from './report.js';
import type { TextScreen } from './screen.js';
import type { StoppedMachine } from './stopped.js';
import type { ThreadEnd } from './thread-end.js';

/** A guest that said it panicked and then sends nothing for so long has stopped. */
const PANIC_SILENCE_MS = 2000;

/**
 * A virtual machine. `create` makes it, `start` runs it, `ended` tells how it ended, `close` gives everything back.
 * @example
 * await using machine = await Machine.create({ image: '/boot/vmlinuz', initrd: 'initrd.img' });
 * machine.output.pipe(process.stdout);
 * machine.start();
 * const end = await machine.ended;
 */
export class Machine {
  /** The serial console's output. It must be read (or `resume()`d): the guest waits for a slow reader. */
  readonly output: Readable;
  /** The serial console's input. */
  readonly input: Writable;
  /** The PS/2 keyboard. */
  readonly keyboard: Keyboard;
  /** Resolves when the machine has ended and all its output is in `output`. Never rejects. */
  readonly ended: Promise<MachineEnd>;
  /** What was found in the image. */
  readonly plan: BootPlan;
  /** With `record`: the exits of each vCPU, for one reader. They outlive the machine. */
  readonly exitRings: readonly ExitRing[] | undefined;
  /** With `record.hops`: when the boot CPU's thread went through its devices. It outlives the machine. */
  readonly hops: Hops | undefined;

  readonly #options: MachineOptions;
  readonly #ramBytes: number;
  readonly #kvm: Kvm;
  readonly #console: Console;
  #instance: Instance;
  #panic = new PanicWatch();
  #silence: NodeJS.Timeout | undefined;
  #timeout: NodeJS.Timeout | undefined;
  #resolveEnded: (end: MachineEnd) => void = () => {};
  #requested: MachineEnd | undefined;
  #started = false;
  /** What the instances before this one did: a machine that starts again makes another. */
  #earlier: MachineStats | undefined;
  /** What all did, once the machine has ended. */
  #stats: MachineStats | undefined;
  #outputBytes = 0;
  #lastOutputMs = 0;
  #postMortem: PostMortem | undefined;
  readonly #vcpuThreads = new Map<number, number>();
  #closed = false;

  /**
   * Reads the image, checks everything, and makes the machine; nothing runs yet.
   * @throws VmError of kind `input` for a bad option or image, `host` where KVM cannot be used, `kvm` where it refuses
   */
  static async create(options: MachineOptions): Promise<Machine> {
    const { ramBytes, plan } = planMachine(options);
    const kvm = Kvm.open(options.kvmPath);
    try {
      checkCpus(kvm, options.cpus ?? DEFAULT_CPUS);
      return new Machine(options, ramBytes, plan, kvm);
    } catch (error) {
      kvm.close();
      throw error;
    }
  }

  private constructor(options: MachineOptions, ramBytes: number, plan: BootPlan, kvm: Kvm) {
    this.#options = options;
    this.#ramBytes = ramBytes;
    this.plan = plan;
    this.#kvm = kvm;
    const { record, cpus = DEFAULT_CPUS } = options;
    if (record) this.exitRings = Array.from({ length: cpus }, () => new ExitRing(exitRingBuffer(record.records)));
    if (record?.hops) this.hops = new Hops(Hops.makeBuffer());
    this.#console = new Console(
      () => this.#instance.inputArrived(),
      (chunk) => this.#onOutput(chunk),
    );
    this.keyboard = new Keyboard((scanCodes) => this.#instance.tryKey(scanCodes));
    this.output = this.#console.output;
    this.input = this.#console.input;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#instance = this.#powerOn();
  }

  /** Starts the vCPUs. @throws VmError STATE_INVALID at the second call, CLOSED after `close` */
  start(): void {
    if (this.#closed) throw new VmError('CLOSED', 'the machine is closed');
    if (this.#started) throw new VmError('STATE_INVALID', 'the machine was started before');
    this.#started = true;
    const { timeoutS } = this.#options;
    if (timeoutS !== undefined) {
      this.#timeout = setTimeout(() => this.#request({ reason: 'timeout' }), timeoutS * 1000);
    }
    this.#run();
  }

  /** Ends the machine, whatever it does. Resolves when it has ended. Safe at any time. */
  stop(end: MachineEnd = { reason: 'stopped' }): Promise<MachineEnd> {
    if (!this.#started) {
      this.#started = true;
      this.#finish(end);
    } else {
      this.#request(end);
    }
    return this.ended;
  }

  /** What the text screen shows now; after the end, what it showed last. @throws VmError CLOSED after `close` */
  get screen(): TextScreen {
    if (this.#closed) throw new VmError('CLOSED', 'the machine is closed');
    return this.#instance.screen;
  }

  /** Guest memory. After a restart it is another's. */
  get memory(): GuestMemory {
    return this.#instance.memory;
  }

  /** Why there are no explicit huge pages where they were wanted, in a line. */
  get hugePagesFallback(): string | undefined {
    return this.#instance.hugePages?.fallback;
  }

  /** The memory slots that there are now, by address. */
  get memorySlots(): readonly Slot[] {
    return this.#instance.slots.list;
  }

  /**
   * Changes the memory slots while no vCPU is in KVM_RUN: the guest sees all that `work` does as one change. Memory for a
   * slot is the caller's (`makeMemory`, `releaseMemory`), and stays as long as the slot.
   * @returns what `work` returns; rejects with what it throws: VmError SLOT_INVALID, or CLOSED after `close`
   */
  changeMemory<T>(work: (slots: Slots) => T): Promise<T> {
    return this.#instance.liveMemory.change(work);
  }

  /** Tracks which pages are written from now on. @throws VmError STATE_INVALID where they are tracked already */
  trackDirtyPages(options: TrackOptions = {}): Promise<DirtyTracking> {
    return this.#instance.liveMemory.track(options);
  }

  /** The device at a port (`pio`) or a guest-physical address (`mmio`), by name. */
  deviceAt(bus: 'pio' | 'mmio', address: number): string | undefined {
    return this.#instance.deviceAt(bus, address);
  }

  /** Rate of the guest's TSC, and without scaling of the host's, in kHz. Not while the vCPUs run. */
  get tscKhz(): number {
    return this.#instance.cpus[0]?.vcpu.getTscKhz() ?? 0;
  }

  /**
   * What KVM adds to the host's TSC for the guest's; undefined where it does not say (before Linux 5.16), and on kvm_pvm
   * 0, which is not so. Not while the vCPUs run, nor after `close`.
   */
  get tscOffset(): bigint | undefined {
    try {
      return this.#instance.cpus[0]?.vcpu.getTscOffset();
    } catch (error) {
      if (error instanceof VmError && error.code === 'KVM_CALL_FAILED') return undefined;
      throw error;
    }
  }

  /** The index of the vCPU that each thread runs or has run, by the thread's number. */
  get vcpuThreads(): ReadonlyMap<number, number> {
    this.#instance.cpus.forEach(({ control }, index) => {
      if (control.fields.tid !== 0) this.#vcpuThreads.set(control.fields.tid, index);
    });
    return this.#vcpuThreads;
  }

  /** What the vCPUs did so far, before every restart too; after the end, what they did in all. */
  stats(): MachineStats {
    return this.#stats ?? this.#collect();
  }

  /**
   * Why and where the guest died: after a triple fault, an error of KVM or an exit that nothing handles; and where it
   * stood when its time was over. Undefined before the end, and after any other.
   */
  postMortem(): PostMortem | undefined {
    return this.#postMortem;
  }

  /** The guest's memory and its vCPUs, as the end left them. @throws VmError STATE_INVALID before it, CLOSED after `close` */
  stopped(): StoppedMachine {
    if (this.#closed) throw new VmError('CLOSED', 'the machine is closed');
    if (this.#stats === undefined) throw new VmError('STATE_INVALID', 'the machine has not ended');
    return this.#instance.stopped();
  }

  /** Stops the machine where it runs, and gives its memory and descriptors back. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.stop();
    this.#instance.close();
    this.#kvm.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #powerOn(): Instance {
    const {
      cpus = DEFAULT_CPUS,
      paravirt = {},
      timed = false,
      traceKvm = false,
      breakOn = [],
      kvmPorts = [],
    } = this.#options;
    return new Instance({
      kvm: this.#kvm,
      plan: this.plan,
      ramBytes: this.#ramBytes,
      cpus,
      paravirt,
      timed,
      traceKvm,
      breakOn,
      kvmPorts,
      dirtyRing: this.#options.dirtyRing,
      hugePages: this.#options.hugePages,
      exitRings: this.exitRings,
      threadsFile: this.#options.threadsFile,
      hops: this.hops?.buffer,
      console: this.#console,
    });
  }

  #run(): void {
    this.#instance.start();
    void this.#instance.ended.then((end) => this.#onThreadEnd(end));
  }

  #request(end: MachineEnd): void {
    this.#requested ??= end;
    this.#instance.stop();
  }

  #onThreadEnd(threadEnd: ThreadEnd): void {
    this.#console.flush();
    const end = this.#requested ?? this.#meaningOf(threadEnd);
    if (end.reason === 'reset' && this.#options.reboot === true) return this.#restart();
    this.#postMortem = this.#examine(end, threadEnd);
    this.#finish(end);
  }

  #examine(end: MachineEnd, threadEnd: ThreadEnd): PostMortem | undefined {
    const silentMs = this.#outputBytes === 0 ? undefined : Math.round(performance.now() - this.#lastOutputMs);
    return postMortem(end, threadEnd, { bytes: this.#outputBytes, silentMs }, this.#instance);
  }

  #restart(): void {
    const earlier = this.#collect();
    void this.vcpuThreads; // those of this instance are known from now on
    this.#instance.close();
    this.#panic = new PanicWatch();
    try {
      this.#instance = this.#powerOn();
    } catch (error) {
      return this.#finish({ reason: 'error', error: asVmError(error) }, earlier);
    }
    this.#earlier = earlier;
    this.#run();
  }

  #finish(end: MachineEnd, stats = this.#collect()): void {
    clearTimeout(this.#timeout);
    clearTimeout(this.#silence);
    this.#stats = stats;
    this.#console.finish();
    this.keyboard.finish();
    this.#resolveEnded(end);
  }

  #meaningOf(end: ThreadEnd): MachineEnd {
    switch (end.reason) {
      case 'exit':
      case 'run-failed':
        return { reason: 'error', error: this.#fault(end) };
      case 'bug':
        return { reason: 'error', error: new VmError('BUG', end.message) };
      case 'break':
        return { reason: 'break', by: end.by };
      case 'reset':
      case 'triple-fault':
        // Without a pvpanic driver a kernel that panics can only say so and reset.
        return this.#panic.seen ? { reason: 'panic', by: 'message on the console' } : end;
      default:
        return end;
    }
  }

  #fault(end: ThreadEnd & { reason: 'exit' | 'run-failed' }): VmError {
    const { endedBy, memory } = this.#instance;
    if (endedBy === undefined) return new VmError('BUG', 'a fault without a vCPU');
    return faultError(end, endedBy.vcpu, memory);
  }

  #onOutput(chunk: Uint8Array): void {
    this.#outputBytes += chunk.length;
    this.#instance.outputTaken(chunk.length);
    this.#lastOutputMs = performance.now();
    this.#panic.see(chunk);
    if (!this.#panic.seen) return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(
      () => this.#request({ reason: 'panic', by: 'message on the console' }),
      PANIC_SILENCE_MS,
    );
  }

  #collect(): MachineStats {
    const { cpus, kvmCounters } = this.#instance;
    const controls = cpus.map(({ control }) => control);
    const own = collectStats(controls, this.#options.timed ?? false, kvmCounters.read());
    return this.#earlier === undefined ? own : addStats(this.#earlier, own);
  }
}
