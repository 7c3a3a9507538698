import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import type { ByteSink } from '../devices/device.js';
import { messageOf } from '../errors.js';
import { KVM_EXIT_DIRTY_RING_FULL } from '../kvm/abi/exits.js';
import { describeExit } from '../kvm/exit-words.js';
import { native } from '../kvm/native.js';
import { recordThread } from '../kvm/trace.js';
import { Vcpu, type VcpuHandle } from '../kvm/vcpu.js';
import { Vm, type VmHandle } from '../kvm/vm.js';
import { GuestMemory } from '../memory/guest-memory.js';
import type { RamPiece } from '../memory/ram.js';
import { ByteRing, ringBuffer } from '../memory/ring.js';
import { makeBreakTest } from './break-on.js';
import { makeSender } from './console-sender.js';
import { COMMAND_INSPECT, COMMAND_STOP, ControlBlock, STATE_ENDED, STATE_RUNNING, STATE_STARTING } from './control.js';
import { finishRecording } from './exit-recorder.js';
import { Hops, TimedBus } from './hops.js';
import { LateWrites } from './late-writes.js';
import { type LoopContext, makeLoop } from './loop.js';
import { otherExitEnd } from './outcome.js';
import { makePcMemory, Pc, type PcMemory } from './pc.js';
import { rehearseAccesses } from './rehearsal.js';
import type { ThreadEnd } from './thread-end.js';
import { VcpuDelay } from './vcpu-delay.js';

const EINTR = 4;
/** From a vCPU that waited for INIT or SIPI: it has been woken, and runs at the next KVM_RUN. */
const EAGAIN = 11;
/** In place of an error of KVM_RUN: it made an exit of `breakOn`. */
const AT_BREAK = 0x10000;
/** How long another vCPU's start is waited for before the stop is looked for again. */
const STOP_CHECK_MS = 20;

/** What a vCPU thread is given. */
export interface VcpuJob {
  readonly vcpu: VcpuHandle;
  readonly vm: VmHandle;
  readonly pc: PcMemory;
  /** The memory slots. */
  readonly memory: readonly RamPiece[];
  readonly control: SharedArrayBuffer;
  /** Control blocks of the vCPUs that must be there first: the boot CPU finds all others waiting, as on a PC. */
  readonly startsAfter: readonly SharedArrayBuffer[];
  readonly output: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
  /** Whether the time inside KVM_RUN is taken. */
  readonly timed: boolean;
  /** Whether KVM may write down writes to the PC's `latePorts`. */
  readonly lateWrites: boolean;
  /** `MachineOptions.breakOn`. */
  readonly breakOn: readonly string[];
  /** Where exits are recorded: an `ExitRing`'s buffer. */
  readonly exitRing: SharedArrayBuffer | undefined;
  /** Where its way through the devices is taken down: a `Hops`' buffer. */
  readonly hops: SharedArrayBuffer | undefined;
  /** Where the thread's number goes to have its KVM events recorded. */
  readonly recordThreadsIn: readonly string[];
}

/** What a vCPU thread is told once it has its job, while it is parked or starts: the memory slots are these now. */
export type MemoryMessage = readonly RamPiece[];

export type ThreadMessage =
  | { readonly type: 'waiting' }
  | { readonly type: 'running' }
  | { readonly type: 'output' }
  | { readonly type: 'input-room' }
  | { readonly type: 'timers' }
  | { readonly type: 'inspected' }
  | { readonly type: 'parked' }
  | { readonly type: 'dirty-ring-full' }
  | { readonly type: 'ended'; readonly end: ThreadEnd };

if (parentPort === null) throw new Error('this module is a worker');
const port = parentPort;
const post = (message: ThreadMessage): void => port.postMessage(message);

const timedSink = (sink: ByteSink, hops: Hops): ByteSink => ({
  write: (byte) => {
    hops.mark('consoleEntered');
    sink.write(byte);
    hops.mark('consoleLeft');
  },
  writeAll: (values, count) => sink.writeAll(values, count),
});

/** One vCPU: its devices, its loop, and what the main thread wants of it. */
class VcpuThread {
  readonly #control: ControlBlock;
  readonly #vcpu: Vcpu;
  readonly #memory: GuestMemory;
  readonly #context: LoopContext;
  readonly #exitRing: SharedArrayBuffer | undefined;
  readonly #lateWrites: LateWrites | undefined;
  readonly #delay: VcpuDelay;
  readonly #input: ByteRing;
  readonly #pc: Pc;
  #isEnding = false;
  #metBreak: string | undefined;
  #end: ThreadEnd = { reason: 'stopped' };

  constructor(job: VcpuJob) {
    this.#control = new ControlBlock(job.control);
    this.#vcpu = Vcpu.fromHandle(job.vcpu);
    this.#memory = new GuestMemory(job.memory);
    const { fields, byReason, exitLog } = this.#control;
    const sendWord = (): void => post({ type: 'output' });
    const isStopped = (): boolean => this.#isStopped;
    const output = makeSender(new ByteRing(job.output), { sendWord, isStopped, threads: job.pc.cpus });
    const input = new ByteRing(job.input);
    this.#input = input;
    const hops = job.hops && new Hops(job.hops);
    const half = input.capacity / 2;
    this.#delay = new VcpuDelay(this.#vcpu.page.bytes, () => this.#pc.delayOver());
    const pc = new Pc(job.pc, {
      vm: Vm.fromHandle(job.vm),
      memory: this.#memory,
      console: hops ? timedSink(output, hops) : output,
      input: {
        next: () => {
          const byte = input.shift();
          if (input.length <= half && input.wordWanted) post({ type: 'input-room' });
          return byte;
        },
        get ready() {
          return !input.isEmpty;
        },
      },
      ends: { end: (end) => this.#endWith(end) },
      delay: this.#delay,
      wakeTimers: () => post({ type: 'timers' }),
      unclaimed: {
        pio: (_port, size) => {
          fields.unclaimedPio += size;
        },
        mmio: (_address, size) => {
          fields.unclaimedMmio += size;
        },
      },
    });
    this.#pc = pc;
    this.#exitRing = job.exitRing;
    if (job.lateWrites) this.#lateWrites = new LateWrites(this.#vcpu.page.bytes, pc.latePorts, job.pc.lateWrites);
    this.#context = {
      run: this.#makeRun(job),
      page: this.#vcpu.page,
      pio: hops ? new TimedBus(pc.pio, hops) : pc.pio,
      mmio: pc.mmio,
      counts: byReason,
      log: exitLog,
      interrupted: (errno) => this.#interrupted(errno),
      carryOutWrites: () => {
        this.#lateWrites?.carryOut();
        this.#context.attention = true;
      },
      otherExit: () => this.#otherExit(),
      attention: false,
      attend: () => this.#attend(),
    };
  }

  #makeRun({ timed, breakOn }: VcpuJob): () => number | undefined {
    const { insideTicks } = this.#control;
    const run = this.#exitRing
      ? this.#vcpu.makeRecordingRun(new Uint8Array(this.#exitRing), insideTicks)
      : this.#vcpu.makeRun(timed ? insideTicks : null, this.#lateWrites?.ring);
    if (breakOn.length === 0) return run;
    const met = makeBreakTest(breakOn, this.#vcpu, this.#memory);
    return () => {
      const errno = run();
      if (errno !== undefined) return errno;
      this.#metBreak = met();
      return this.#metBreak === undefined ? undefined : -AT_BREAK;
    };
  }

  /** Instead of running: the vCPU is nobody's. */
  rehearse(): void {
    rehearseAccesses(this.#context);
  }

  get #isStopped(): boolean {
    return this.#control.command === COMMAND_STOP;
  }

  /** Waits until these vCPUs are inside their loops, or it is to stop. */
  waitFor(others: readonly SharedArrayBuffer[]): void {
    for (const buffer of others) {
      const other = new ControlBlock(buffer);
      while (other.state === STATE_STARTING && !this.#isStopped) other.waitWhile(STATE_STARTING, STOP_CHECK_MS);
    }
  }

  run(): ThreadEnd {
    const { fields } = this.#control;
    fields.tid = native.gettid();
    this.#control.state = STATE_RUNNING;
    post({ type: 'running' });
    this.#takeNewMemory();
    this.#park();
    this.#takeInput();
    fields.startNs = native.monotonicNs();
    fields.startTicks = native.rdtsc();
    try {
      if (!this.#isStopped) makeLoop(this.#context)();
    } catch (error) {
      this.#end = {
        reason: 'bug',
        message: error instanceof Error ? (error.stack ?? error.message) : messageOf(error),
      };
    } finally {
      this.#takeLateWrites();
      fields.endTicks = native.rdtsc();
      if (this.#exitRing) finishRecording(this.#exitRing, this.#vcpu.page, fields.endTicks);
      fields.endNs = native.monotonicNs();
    }
    return this.#end;
  }

  #endWith(end: ThreadEnd): void {
    // The first end counts: a guest may go on writing to the port.
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#context.attention = true;
    this.#end = end;
  }

  /** The vCPU stays here while others see to its memory slots. */
  #park(): void {
    if (!this.#control.isPauseWanted) return;
    this.#control.park(() => post({ type: 'parked' }));
    this.#takeNewMemory();
  }

  /** The main thread ends the pause once it has emptied the ring. Returns whether to go on. */
  #waitForRingRoom(): boolean {
    this.#control.requestPause();
    this.#control.park(() => post({ type: 'dirty-ring-full' }));
    this.#takeNewMemory();
    return !this.#isStopped;
  }

  #takeNewMemory(): void {
    for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
      this.#memory.replace(received.message as MemoryMessage);
    }
  }

  #attend(): boolean {
    this.#lateWrites?.settle();
    this.#context.attention = this.#isEnding;
    return !this.#isEnding;
  }

  /** Where no exit follows that would take them. */
  #takeLateWrites(): void {
    const late = this.#lateWrites;
    if (late === undefined || late.ring.isEmpty) return;
    late.carryOut();
    late.settle();
  }

  #interrupted(errno: number): boolean {
    if (errno === EAGAIN) return true;
    if (errno === AT_BREAK) return this.#break();
    if (errno !== EINTR) {
      this.#end = { reason: 'run-failed', errno };
      return false;
    }
    this.#takeLateWrites();
    this.#vcpu.page.immediateExit = 0;
    this.#delay.look();
    this.#takeInput();
    // Read after immediateExit is cleared: a stop that comes later sets it again, and kicks.
    if (this.#control.isPauseWanted) this.#park();
    if (this.#isStopped) return false;
    if (this.#control.command === COMMAND_INSPECT) this.#answerInspection();
    return true;
  }

  /** The main thread kicks for it; what came before the loop began is looked for then. */
  #takeInput(): void {
    if (this.#input.length > 0) this.#pc.receive();
  }

  #answerInspection(): void {
    const { fields } = this.#control;
    fields.mpState = this.#vcpu.getMpState();
    fields.interruptFlag = this.#vcpu.page.ifFlag ? 1 : 0;
    this.#control.answerInspection();
    post({ type: 'inspected' });
  }

  /** The loop has not seen this exit: it is counted here. */
  #break(): false {
    const { page } = this.#vcpu;
    const { exitReason } = page;
    const { byReason } = this.#control;
    byReason[exitReason] = (byReason[exitReason] ?? 0) + 1;
    this.#end = { reason: 'break', by: this.#metBreak ?? '', exitReason, words: describeExit(page) };
    return false;
  }

  #otherExit(): boolean {
    if (this.#vcpu.page.exitReason === KVM_EXIT_DIRTY_RING_FULL) return this.#waitForRingRoom();
    this.#end = otherExitEnd(this.#vcpu.page);
    return false;
  }
}

/** A vCPU's mapping: kvm_run, port data, and the ring of writes that KVM took down. */
const RUN_BYTES = 3 * 4096;

/**
 * Makes a vCPU's devices over memory of nobody, and uses them: V8 knows that code when a machine comes, which waits for
 * a third of it, and whose first exits are then shorter. Not the loop, which V8 treats worse where it exists twice.
 */
function rehearse(): void {
  const fd = { name: 'rehearsal', number: -1, open: Int32Array.of(1) };
  const runSize = RUN_BYTES;
  const thread = new VcpuThread({
    vcpu: { id: 0, fd, runBuffer: new SharedArrayBuffer(runSize), runSize, xsaveSize: 0 },
    vm: { fd, vcpuMmapSize: runSize },
    pc: makePcMemory(1),
    memory: [],
    control: ControlBlock.makeBuffer(),
    startsAfter: [],
    output: ringBuffer(1),
    input: ringBuffer(1),
    timed: false,
    lateWrites: true,
    breakOn: [],
    exitRing: undefined,
    hops: undefined,
    recordThreadsIn: [],
  });
  thread.rehearse();
}

port.once('message', (job: VcpuJob) => {
  const control = new ControlBlock(job.control);
  let end: ThreadEnd;
  try {
    for (const file of job.recordThreadsIn) recordThread(file, native.gettid());
    const thread = new VcpuThread(job);
    thread.waitFor(job.startsAfter);
    end = thread.run();
  } catch (error) {
    end = { reason: 'bug', message: messageOf(error) };
  }
  post({ type: 'ended', end });
  control.state = STATE_ENDED;
  port.close();
});
rehearse();
post({ type: 'waiting' });
