import { Worker } from 'node:worker_threads';
import type { BootPlan } from '../boot/plan.js';
import { VmError } from '../errors.js';
import { KVM_CAP_TSC_DEADLINE_TIMER } from '../kvm/abi/capabilities.js';
import { KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE } from '../kvm/abi/constants.js';
import { filterCpuid, type ParavirtFeatures } from '../kvm/cpuid.js';
import type { Kvm } from '../kvm/kvm.js';
import { native } from '../kvm/native.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { Vm } from '../kvm/vm.js';
import { GuestMemory } from '../memory/guest-memory.js';
import { makeRam, type RamPiece, releaseRam } from '../memory/ram.js';
import { ActivityWatch } from './activity.js';
import { enter } from './boot-cpu.js';
import type { Console } from './console.js';
import { ControlBlock, STATE_ENDED, STATE_RUNNING, STATE_STARTING } from './control.js';
import { furnish, loadSegments, mapFirmware } from './load.js';
import { makePcMemory, Pc, type PcMemory, type PcWiring, pcAcpiTables } from './pc.js';
import { running } from './running.js';
import type { ThreadEnd } from './thread-end.js';
import type { ThreadMessage, VcpuJob } from './vcpu-thread.js';

/** How often a vCPU without exits is asked whether it is halted for good. */
const HALT_CHECK_MS = 1000;
/** Between two kicks of a vCPU that has not stopped yet. */
const KICK_AGAIN_MS = 5;
/** Until input is offered again to a UART that was in use. */
const OFFER_INPUT_AGAIN_MS = 5;

export interface InstanceOptions {
  readonly kvm: Kvm;
  readonly plan: BootPlan;
  /** Bytes of RAM. */
  readonly ramBytes: number;
  readonly cpus: number;
  readonly paravirt: ParavirtFeatures;
  readonly timed: boolean;
  readonly console: Console;
}

/** A vCPU with its thread. */
export interface Cpu {
  readonly vcpu: Vcpu;
  readonly control: ControlBlock;
}

/**
 * One power-on of a machine: a KVM VM with its RAM, devices and vCPU threads. It runs once; a machine that starts
 * again makes another.
 */
export class Instance {
  readonly memory: GuestMemory;
  readonly cpus: readonly Cpu[];
  /** What the vCPUs did lately. */
  readonly activity: ActivityWatch;
  /** Resolves to the first thread's end when all threads have ended. Never rejects. */
  readonly ended: Promise<ThreadEnd>;

  readonly #options: InstanceOptions;
  readonly #ram: readonly RamPiece[];
  readonly #rom: RamPiece[] = [];
  readonly #vm: Vm;
  readonly #pcMemory: PcMemory;
  readonly #pc: Pc;
  #resolveEnded: (end: ThreadEnd) => void = () => {};
  #end: ThreadEnd | undefined;
  #threadsLeft = 0;
  #haltCheck: NodeJS.Timeout | undefined;
  #inputWaits: NodeJS.Timeout | undefined;
  #kickAgain: NodeJS.Timeout | undefined;
  #exitsAtLastCheck: readonly number[] = [];
  #closed = false;

  /** @throws VmError where KVM refuses, or the plan does not fit the RAM; nothing is left behind then */
  constructor(options: InstanceOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#ram = makeRam(options.ramBytes);
    this.memory = new GuestMemory(this.#ram);
    this.#vm = options.kvm.createVm();
    try {
      furnish(this.#vm, this.#ram);
      this.#pcMemory = makePcMemory(options.cpus, options.plan.firmware?.files);
      this.#pc = this.#mainThreadPc();
      this.cpus = Array.from({ length: options.cpus }, (_, id) => this.#createCpu(id));
      this.activity = new ActivityWatch(this.cpus.map(({ control }) => control));
      this.#load(options.plan);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Starts the vCPU threads. */
  start(): void {
    running.add(this);
    this.#threadsLeft = this.cpus.length;
    for (const cpu of this.cpus) this.#startThread(cpu);
    this.#haltCheck = setInterval(() => this.#askIdleCpus(), HALT_CHECK_MS);
    this.#haltCheck.unref();
    this.activity.start();
  }

  /** Ends every vCPU; `ended` resolves when they have. Safe at any time. */
  stop(end: ThreadEnd = { reason: 'stopped' }): void {
    this.#end ??= end;
    this.activity.end();
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

  /** Bytes were put into the console's input ring: lets the UART see them. */
  inputArrived(): void {
    if (this.#closed || this.#end !== undefined || this.#pc.tryReceive()) return;
    this.#inputWaits ??= setTimeout(() => {
      this.#inputWaits = undefined;
      this.inputArrived();
    }, OFFER_INPUT_AGAIN_MS);
  }

  /** The device at a port (`pio`) or a guest-physical address (`mmio`), by name. */
  deviceAt(bus: 'pio' | 'mmio', address: number): string | undefined {
    return this.#pc[bus].deviceAt(address);
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
    clearTimeout(this.#inputWaits);
    clearTimeout(this.#kickAgain);
    this.#pc?.stopTimers();
    this.#vm.close();
    releaseRam([...this.#ram, ...this.#rom]);
  }

  #createCpu(id: number): Cpu {
    const { kvm, cpus, paravirt } = this.#options;
    const vcpu = this.#vm.createVcpu(id);
    const tscDeadline = kvm.checkExtension(KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    vcpu.setCpuid2(
      filterCpuid(kvm.getSupportedCpuid(), { cpuIndex: id, cpuCount: cpus, features: paravirt, tscDeadline }),
    );
    return { vcpu, control: new ControlBlock(ControlBlock.makeBuffer()) };
  }

  #load(plan: BootPlan): void {
    loadSegments(this.memory, plan);
    if (plan.firmware === undefined) {
      const acpi = pcAcpiTables(this.cpus.length);
      this.memory.write(acpi.address, acpi.bytes);
    } else {
      this.#rom.push(mapFirmware(this.#vm, this.memory, plan.firmware, this.#ram.length));
    }
    const [boot] = this.cpus;
    if (boot !== undefined) enter(boot.vcpu, plan.entry);
  }

  #mainThreadPc(): Pc {
    const { console, ramBytes } = this.#options;
    const wiring: PcWiring = {
      vm: this.#vm,
      memory: this.memory,
      // The main thread only hands input to the UART: nothing it does there sends output or ends the machine.
      console: { write: (byte) => void console.outputRing.push(byte) },
      input: {
        next: () => console.inputRing.shift(),
        get ready() {
          return console.inputRing.length > 0;
        },
      },
      ends: { end: (end) => this.stop(end) },
      wakeTimers: () => {}, // `runTimers` looks at what the devices set while it ran
      unclaimed: { pio: () => {}, mmio: () => {} },
    };
    return new Pc(this.#pcMemory, wiring, { ramBytes });
  }

  #startThread({ vcpu, control }: Cpu): void {
    const { console, timed } = this.#options;
    const worker = new Worker(new URL('./vcpu-thread.js', import.meta.url), { stdin: false });
    worker.on('message', (message: ThreadMessage) => this.#onMessage(message));
    let message = 'a vCPU thread ended unexpectedly';
    worker.on('error', (error) => {
      message = error.stack ?? error.message;
    });
    worker.on('exit', () => {
      // One that went without its own word, by an error, terminate() or a failed start: 'exit' comes last, and once.
      if (control.state === STATE_ENDED) return;
      control.state = STATE_ENDED;
      this.#threadEnded({ reason: 'bug', message });
    });
    const job: VcpuJob = {
      vcpu: vcpu.handle,
      vm: this.#vm.handle,
      pc: this.#pcMemory,
      ram: this.#ram,
      control: control.buffer,
      output: console.outputRing.buffer,
      input: console.inputRing.buffer,
      timed,
    };
    worker.postMessage(job);
  }

  #onMessage(message: ThreadMessage): void {
    switch (message.type) {
      case 'output':
        return this.#options.console.outputHasCome();
      case 'input-room':
        return this.#options.console.inputHasRoom();
      case 'timers':
        return this.#pc.runTimers();
      case 'inspected':
        return this.#endIfHalted();
      case 'ended':
        return this.#threadEnded(message.end);
    }
  }

  #threadEnded(end: ThreadEnd): void {
    this.#threadsLeft--;
    this.#end ??= end;
    if (this.#threadsLeft > 0) return this.stop();
    clearInterval(this.#haltCheck);
    this.#pc.stopTimers();
    running.delete(this);
    this.#resolveEnded(this.#end);
  }

  /** A vCPU that is halted inside KVM makes no exits: ask those that made none since the last time. */
  #askIdleCpus(): void {
    const exits = this.cpus.map(({ control }) => control.exits);
    this.cpus.forEach((cpu, i) => {
      if (exits[i] !== this.#exitsAtLastCheck[i]) return;
      cpu.control.requestInspection();
      kickCpu(cpu);
    });
    this.#exitsAtLastCheck = exits;
  }

  #endIfHalted(): void {
    const dead = this.cpus.every(({ control }) => {
      const { mpState, interruptFlag, answers } = control.fields;
      if (answers === 0) return false;
      return mpState === KVM_MP_STATE_HALTED ? interruptFlag === 0 : mpState !== KVM_MP_STATE_RUNNABLE;
    });
    if (dead && this.#end === undefined) this.stop({ reason: 'halted' });
  }
}

/** A thread that starts looks at its command by itself; one that has ended may be another's by now. */
function kickCpu({ vcpu, control }: Cpu): void {
  if (control.state !== STATE_RUNNING) return;
  vcpu.page.immediateExit = 1;
  native.kick(control.fields.tid);
}
