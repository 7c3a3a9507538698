import type { BootPlan } from '../boot/plan.js';
import { VmError } from '../errors.js';
import { KVM_CAP_COALESCED_PIO } from '../kvm/abi/capabilities.js';
import { CoalescedRing } from '../kvm/coalesced.js';
import type { ParavirtFeatures } from '../kvm/cpuid.js';
import type { OwnedFd } from '../kvm/fd.js';
import type { Kvm } from '../kvm/kvm.js';
import { native } from '../kvm/native.js';
import { KvmTrace } from '../kvm/trace.js';
import type { KvmEvent } from '../kvm/trace-events.js';
import type { Vm } from '../kvm/vm.js';
import { GuestMemory } from '../memory/guest-memory.js';
import type { HugePages } from '../memory/huge-pages.js';
import { type HugePagesTaken, makeRam, type RamPiece, releaseRam, takeHugePages } from '../memory/ram.js';
import type { Slots } from '../memory/slots.js';
import { ActivityWatch } from './activity.js';
import { enter } from './boot-cpu.js';
import { checkDebugRegisters } from './break-on.js';
import type { Console } from './console.js';
import { STATE_ENDED, STATE_STARTING } from './control.js';
import { type Cpu, createCpus, kickCpu } from './cpus.js';
import type { ExitRing } from './exit-ring.js';
import { IdleWatch } from './idle-watch.js';
import { KvmCounters } from './kvm-counters.js';
import { giveKvmPorts } from './kvm-ports.js';
import { LateWritesWatch } from './late-writes-watch.js';
import { giveDirtyRings, LiveMemory } from './live-memory.js';
import { furnish, loadSegments, mapFirmware, usesMuchRam } from './load.js';
import type { KvmPort } from './options.js';
import { makePcMemory, Pc, type PcMemory, type PcWiring, pcAcpiTables } from './pc.js';
import { running } from './running.js';
import { ScreenReader, type TextScreen } from './screen.js';
import { type StoppedMachine, stoppedCpu } from './stopped.js';
import type { ThreadEnd } from './thread-end.js';
import { replaceThreads, takeThread } from './threads.js';
import type { ThreadMessage, VcpuJob } from './vcpu-thread.js';

/** How often vCPUs without exits are asked whether they are halted for good. */
const HALT_CHECK_MS = 1000;
/** Between two kicks of a vCPU that has not stopped yet. */
const KICK_AGAIN_MS = 5;

/** What a post-mortem looks at: the fewer events, the further back they reach. */
const POST_MORTEM_EVENTS = ['kvm_exit', 'kvm_inj_exception'] as const;

export interface InstanceOptions {
  readonly kvm: Kvm;
  readonly plan: BootPlan;
  /** Bytes of RAM. */
  readonly ramBytes: number;
  readonly cpus: number;
  readonly paravirt: ParavirtFeatures;
  readonly timed: boolean;
  readonly traceKvm: boolean;
  readonly breakOn: readonly string[];
  readonly dirtyRing: number | undefined;
  readonly hugePages: HugePages | undefined;
  readonly kvmPorts: readonly KvmPort[];
  /** Where exits are recorded, a ring for each vCPU. */
  readonly exitRings: readonly ExitRing[] | undefined;
  /** Where vCPU threads have their KVM events recorded for somebody else. */
  readonly threadsFile: string | undefined;
  /** Where the boot CPU's thread takes down its way through the devices. */
  readonly hops: SharedArrayBuffer | undefined;
  readonly console: Console;
}

/**
 * One power-on of a machine: a KVM VM with its RAM, devices and vCPU threads. It runs once; a machine that starts
 * again makes another.
 */
export class Instance {
  /** Undefined where the host's own rule stands. */
  readonly hugePages: HugePagesTaken | undefined;
  readonly memory: GuestMemory;
  readonly slots: Slots;
  readonly liveMemory: LiveMemory;
  readonly cpus: readonly Cpu[];
  /** What the vCPUs did lately. */
  readonly activity: ActivityWatch;
  readonly kvmCounters: KvmCounters;
  /** Resolves to the first thread's end when all threads have ended. Never rejects. */
  readonly ended: Promise<ThreadEnd>;

  readonly #options: InstanceOptions;
  readonly #ram: readonly RamPiece[];
  readonly #rom: RamPiece[] = [];
  readonly #vm: Vm;
  readonly #pcMemory: PcMemory;
  readonly #pc: Pc;
  readonly #screen: ScreenReader;
  readonly #idleWatch: IdleWatch;
  readonly #lateWrites: LateWritesWatch | undefined;
  readonly #trace: KvmTrace | undefined;
  #kvmPorts: readonly OwnedFd[] = [];
  #resolveEnded: (end: ThreadEnd) => void = () => {};
  #end: ThreadEnd | undefined;
  #threadsLeft = 0;
  #haltCheck: NodeJS.Timeout | undefined;
  #kickAgain: NodeJS.Timeout | undefined;
  #endedBy: Cpu | undefined;
  #closed = false;

  /** @throws VmError where KVM refuses, or the plan does not fit the RAM; nothing is left behind then */
  constructor(options: InstanceOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    checkDebugRegisters(options.breakOn);
    this.#ram = makeRam(options.ramBytes);
    const { hugePages = usesMuchRam(options.plan) ? 'transparent' : undefined } = options;
    if (hugePages !== undefined) this.hugePages = takeHugePages(this.#ram, hugePages);
    this.memory = new GuestMemory(this.#ram);
    this.#screen = new ScreenReader(this.memory);
    this.#vm = options.kvm.createVm();
    try {
      const supported = options.kvm.getSupportedCpuid();
      this.slots = furnish(this.#vm, this.#ram, supported);
      this.#pcMemory = makePcMemory(options.cpus, options.plan.firmware?.files);
      this.#pc = this.#mainThreadPc();
      if (options.dirtyRing !== undefined) giveDirtyRings(this.#vm, options.dirtyRing);
      this.cpus = createCpus(this.#vm, options, supported);
      this.#trace = options.traceKvm ? KvmTrace.open({ events: POST_MORTEM_EVENTS }) : undefined;
      this.kvmCounters = new KvmCounters(this.cpus.map(({ vcpu }) => vcpu));
      const controls = this.cpus.map(({ control }) => control);
      this.activity = new ActivityWatch(controls);
      const kick = () => this.#kick();
      const { dirtyRing } = options;
      this.liveMemory = new LiveMemory({ ...this, vm: this.#vm, kick, dirtyRing });
      this.#idleWatch = new IdleWatch(controls, {
        kick,
        onHalted: () => this.stop({ reason: 'halted' }),
        cpuNs: (tid) => native.threadCpuNs(tid),
      });
      this.#lateWrites = this.#watchLateWrites();
      this.#kvmPorts = giveKvmPorts(this.#vm, options.kvmPorts);
      this.#load(options.plan);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** The vCPU whose end was the machine's, once one has ended. */
  get endedBy(): Cpu | undefined {
    return this.#endedBy;
  }

  /** Starts the vCPU threads. */
  start(): void {
    running.add(this);
    this.#threadsLeft = this.cpus.length;
    this.cpus.forEach((cpu, index) => {
      this.#startThread(cpu, index);
    });
    this.#haltCheck = setInterval(() => this.#idleWatch.look(), HALT_CHECK_MS);
    this.#haltCheck.unref();
    this.activity.start();
  }

  /** Ends every vCPU; `ended` resolves when they have. Safe at any time. */
  stop(end: ThreadEnd = { reason: 'stopped' }): void {
    this.#end ??= end;
    this.activity.end();
    this.#lateWrites?.end();
    for (const { control } of this.cpus) control.requestStop();
    this.#kick();
    if (this.#threadsLeft === 0) return;
    this.#kickAgain ??= setTimeout(() => {
      this.#kickAgain = undefined;
      this.stop();
    }, KICK_AGAIN_MS);
  }

  /** Makes KVM_RUN return on every vCPU that runs, so that it looks at its command. */
  #kick(): void {
    for (const cpu of this.cpus) kickCpu(cpu);
  }

  /** Ends every vCPU and waits for it without the event loop: for the end of the process. */
  stopNow(): void {
    for (const { control } of this.cpus) control.requestStop();
    for (const { control } of this.cpus) {
      while (control.state !== STATE_ENDED && this.#threadsLeft > 0) {
        const { state } = control;
        this.#kick();
        if (state === STATE_STARTING) break; // it has not run and will not
        control.waitWhile(state, KICK_AGAIN_MS);
      }
    }
  }

  /** Bytes were put into the console's input ring: has the boot CPU's thread show them to the UART. */
  inputArrived(): void {
    const [boot] = this.cpus;
    if (!this.#closed && this.#end === undefined && boot !== undefined) kickCpu(boot);
  }

  /** Console output was taken, so many bytes at once. */
  outputTaken(bytes: number): void {
    this.#lateWrites?.outputTaken(bytes);
  }

  /** What the text screen shows now. */
  get screen(): TextScreen {
    return this.#screen.read(this.#pc.textView);
  }

  /** A key was struck: returns false where the guest's keyboard cannot take it now. */
  tryKey(scanCodes: readonly number[]): boolean {
    return !this.#closed && this.#end === undefined && this.#pc.tryKey(scanCodes);
  }

  /** The device at a port (`pio`) or a guest-physical address (`mmio`), by name. */
  deviceAt(bus: 'pio' | 'mmio', address: number): string | undefined {
    return this.#pc[bus].deviceAt(address);
  }

  /** What the guest's memory looks like to KVM, once all threads have ended. */
  stopped(): StoppedMachine {
    const counters = new KvmCounters([this.#vm]);
    try {
      return {
        slots: this.slots.list,
        mmio: this.#pc.mmio.ranges,
        cpus: this.cpus.map(({ vcpu }) => stoppedCpu(vcpu)),
        counters: counters.read(),
      };
    } finally {
      counters.close();
    }
  }

  /** Takes the last of what KVM did on the vCPUs' threads, oldest first; undefined where it is not recorded. */
  kvmEvents(): KvmEvent[] | undefined {
    return this.#trace?.drain();
  }

  /** Gives everything back. The vCPU threads must have ended. */
  close(): void {
    if (this.#closed) return;
    if (this.#threadsLeft > 0)
      throw new VmError('STATE_INVALID', 'a machine that runs cannot be closed', { hint: 'stop() it first.' });
    this.#release();
  }

  #release(): void {
    this.#closed = true;
    clearInterval(this.#haltCheck);
    clearTimeout(this.#kickAgain);
    this.#pc?.stopTimers();
    this.kvmCounters?.close();
    this.#trace?.close();
    this.#vm.close();
    for (const event of this.#kvmPorts) event.close();
    this.hugePages?.release();
    releaseRam([...this.#ram, ...this.#rom]);
  }

  #load(plan: BootPlan): void {
    loadSegments(this.memory, plan);
    if (plan.firmware === undefined) {
      const acpi = pcAcpiTables(this.cpus.length);
      this.memory.write(acpi.address, acpi.bytes);
    } else {
      this.#rom.push(mapFirmware(this.slots, this.memory, plan.firmware));
    }
    const [boot] = this.cpus;
    if (boot !== undefined) enter(boot.vcpu, plan.entry);
  }

  /** Where exits are looked at one by one, each must be there: then KVM writes none down. */
  #watchLateWrites(): LateWritesWatch | undefined {
    const { kvm, exitRings, hops, breakOn } = this.#options;
    const [boot] = this.cpus;
    const isWatched = exitRings !== undefined || hops !== undefined || breakOn.length > 0;
    if (boot === undefined || isWatched || kvm.checkExtension(KVM_CAP_COALESCED_PIO) === 0) return undefined;
    const ring = new CoalescedRing(boot.vcpu.page.bytes);
    return new LateWritesWatch(this.#vm, ring, this.#pc.latePorts, () => this.#kick());
  }

  #mainThreadPc(): Pc {
    const { ramBytes } = this.#options;
    const wiring: PcWiring = {
      vm: this.#vm,
      memory: this.memory,
      // The main thread only hands keys to the keyboard and runs timers: nothing it does there touches the console.
      console: { write: () => {}, writeAll: () => {} },
      input: { next: () => -1, ready: false },
      ends: { end: (end) => this.stop(end) },
      delay: { start: () => {} }, // what the main thread does starts none
      wakeTimers: () => {}, // `runTimers` looks at what the devices set while it ran
      unclaimed: { pio: () => {}, mmio: () => {} },
    };
    return new Pc(this.#pcMemory, wiring, { ramBytes });
  }

  #startThread(cpu: Cpu, index: number): void {
    const { vcpu, control } = cpu;
    const { console, timed, breakOn, exitRings, threadsFile, hops } = this.#options;
    const worker = takeThread();
    this.liveMemory.addThread(worker);
    worker.on('message', (message: ThreadMessage) => this.#onMessage(cpu, message));
    let message = 'a vCPU thread ended unexpectedly';
    worker.on('error', (error) => {
      message = error.stack ?? error.message;
    });
    worker.on('exit', () => {
      // One that went without its own word, by an error, terminate() or a failed start: 'exit' comes last, and once.
      if (control.state === STATE_ENDED) return;
      control.state = STATE_ENDED;
      this.#threadEnded(cpu, { reason: 'bug', message });
    });
    const job: VcpuJob = {
      vcpu: vcpu.handle,
      vm: this.#vm.handle,
      pc: this.#pcMemory,
      memory: this.slots.list,
      control: control.buffer,
      startsAfter: this.cpus[0] === cpu ? this.cpus.slice(1).map((other) => other.control.buffer) : [],
      output: console.outputRing.buffer,
      input: console.inputRing.buffer,
      timed,
      lateWrites: this.#lateWrites !== undefined,
      breakOn,
      exitRing: exitRings?.[index]?.buffer,
      hops: index === 0 ? hops : undefined,
      recordThreadsIn: [this.#trace?.threadsFile, threadsFile].filter((file) => file !== undefined),
    };
    worker.postMessage(job);
  }

  #onMessage(cpu: Cpu, message: ThreadMessage): void {
    switch (message.type) {
      case 'waiting':
        return;
      case 'running':
        // Not before: where there are few processors it would hold up this machine.
        return replaceThreads();
      case 'output':
        return this.#options.console.outputHasCome();
      case 'input-room':
        return this.#options.console.inputHasRoom();
      case 'timers':
        return this.#pc.runTimers();
      case 'inspected':
        return this.#idleWatch.answered();
      case 'parked':
        return this.liveMemory.look();
      case 'dirty-ring-full':
        return this.liveMemory.ringIsFull();
      case 'ended':
        return this.#threadEnded(cpu, message.end);
    }
  }

  #threadEnded(cpu: Cpu, end: ThreadEnd): void {
    this.#threadsLeft--;
    this.liveMemory.look();
    if (this.#end === undefined) {
      this.#end = end;
      this.#endedBy = cpu;
    }
    if (this.#threadsLeft > 0) return this.stop();
    this.#lateWrites?.end();
    clearInterval(this.#haltCheck);
    this.#pc.stopTimers();
    running.delete(this);
    this.#resolveEnded(this.#end);
  }
}
