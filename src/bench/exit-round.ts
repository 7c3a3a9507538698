/**
 * `node exit-round.js IMAGE EXITS COLD [record]`: one round of `vmlaunch bench exit` in TypeScript, in a process of its own, so
 * that the first exits meet cold code. It makes the VM that native/bench-exit.c makes, runs the machine's own loop,
 * and prints what that prints: {"coldNs":…,"warmNs":…} for the first COLD exits and for the others. With `record` the
 * exits are recorded.
 */
import { readFileSync } from 'node:fs';
import { planFlat } from '../boot/flat.js';
import type { Registers } from '../devices/device.js';
import { VmError } from '../errors.js';
import { describeExit } from '../kvm/exit-words.js';
import { Kvm } from '../kvm/kvm.js';
import { native } from '../kvm/native.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { Vm } from '../kvm/vm.js';
import { enter } from '../machine/boot-cpu.js';
import { Bus } from '../machine/bus.js';
import { ControlBlock } from '../machine/control.js';
import { exitRingBuffer } from '../machine/exit-ring.js';
import { furnish, loadSegments } from '../machine/load.js';
import { type LoopContext, makeLoop } from '../machine/loop.js';
import { GuestMemory } from '../memory/guest-memory.js';
import { MIB } from '../memory/map.js';
import { makeRam } from '../memory/ram.js';

const RAM_BYTES = 4 * MIB;
const POST_CODE_PORT = 0x80;
const EINTR = 4;
const EAGAIN = 11;

/** What the C loop does with a byte: keeps it, and counts to where the loop ends. */
class CountedPort implements Registers {
  last = 0;
  private left: number;
  #isCold = true;
  coldEndNs = 0;

  constructor(
    readonly context: { attention: boolean },
    cold: number,
    readonly warm: number,
  ) {
    this.left = cold;
  }

  read(): number {
    return this.last;
  }

  write(_offset: number, value: number): void {
    this.last = value;
    if (--this.left === 0) this.#next();
  }

  #next(): void {
    if (!this.#isCold) {
      this.context.attention = true;
      return;
    }
    this.coldEndNs = native.monotonicNs();
    this.#isCold = false;
    this.left = this.warm;
  }
}

function makeVm(kvm: Kvm, imageFile: string): { vm: Vm; vcpu: Vcpu } {
  const vm = kvm.createVm();
  const ram = makeRam(RAM_BYTES);
  const supported = kvm.getSupportedCpuid();
  furnish(vm, ram, supported);
  const vcpu = vm.createVcpu(0);
  vcpu.setCpuid2(supported);
  const plan = planFlat(readFileSync(imageFile), { mode: 'protected', ramBytes: RAM_BYTES });
  const memory = new GuestMemory(ram);
  loadSegments(memory, plan);
  enter(vcpu, plan.entry);
  return { vm, vcpu };
}

function makeContext(vcpu: Vcpu, ring: SharedArrayBuffer | undefined): LoopContext {
  const refuse = (address: number): never => {
    throw new VmError('BUG', `the benchmark's guest did I/O at 0x${address.toString(16)}`);
  };
  const { byReason, exitLog, insideTicks } = new ControlBlock(ControlBlock.makeBuffer());
  return {
    run: ring === undefined ? vcpu.makeRun() : vcpu.makeRecordingRun(new Uint8Array(ring), insideTicks),
    page: vcpu.page,
    pio: new Bus('port', { unclaimed: refuse }),
    mmio: new Bus('MMIO address', { unclaimed: refuse }),
    counts: byReason,
    log: exitLog,
    interrupted: (errno) => {
      if (errno === EINTR || errno === EAGAIN) return true;
      throw new VmError('KVM_CALL_FAILED', `KVM_RUN failed: errno ${errno}`);
    },
    otherExit: () => {
      throw new VmError('EXIT_UNHANDLED', describeExit(vcpu.page));
    },
    carryOutWrites: () => {},
    attention: false,
    attend: () => false,
  };
}

/**
 * Takes the counter through its two ends, away from the loop and the bus. A branch that has never been taken makes V8
 * throw the optimized loop away: the clock would be read at the price of some thousand slow exits, which no device
 * without a counter has.
 */
function acquaintCounter(): void {
  for (let i = 0; i < 25; i++) {
    const port = new CountedPort({ attention: false }, 2, 2);
    while (!port.context.attention) port.write(0, i);
  }
}

function runRound(image: string, exits: number, cold: number, record: boolean): { coldNs: number; warmNs: number } {
  using kvm = Kvm.open();
  const { vm, vcpu } = makeVm(kvm, image);
  try {
    const context = makeContext(vcpu, record ? exitRingBuffer(2 ** Math.ceil(Math.log2(exits))) : undefined);
    const port = new CountedPort(context, cold, exits - cold);
    context.pio.add({ name: 'post-code', start: POST_CODE_PORT, size: 1, width: 1 }, port);
    acquaintCounter();
    const loop = makeLoop(context);
    const startNs = native.monotonicNs();
    loop();
    const endNs = native.monotonicNs();
    return { coldNs: port.coldEndNs - startNs, warmNs: endNs - port.coldEndNs };
  } finally {
    vm.close();
  }
}

const [image = '', exits, cold, record] = process.argv.slice(2);
const times = runRound(image, Number(exits), Number(cold), record === 'record');
process.stdout.write(`${JSON.stringify(times)}\n`);
