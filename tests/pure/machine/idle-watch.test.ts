import { describe, expect, it } from 'vitest';
import {
  KVM_MP_STATE_HALTED,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_UNINITIALIZED,
} from '../../../src/kvm/abi/constants.js';
import { COMMAND_INSPECT, ControlBlock } from '../../../src/machine/control.js';
import { IdleWatch } from '../../../src/machine/idle-watch.js';

interface State {
  readonly mpState: number;
  readonly interruptFlag: number;
}

const HALTED: State = { mpState: KVM_MP_STATE_HALTED, interruptFlag: 0 };
const IDLE: State = { mpState: KVM_MP_STATE_HALTED, interruptFlag: 1 };
const RUNS: State = { mpState: KVM_MP_STATE_RUNNABLE, interruptFlag: 0 };
const WAITS: State = { mpState: KVM_MP_STATE_UNINITIALIZED, interruptFlag: 0 };

function rig(count: number) {
  const cpus = Array.from({ length: count }, () => new ControlBlock(ControlBlock.makeBuffer()));
  let kicks = 0;
  let halted = 0;
  cpus.forEach((cpu, index) => {
    cpu.fields.tid = index + 1;
  });
  const usedNs = cpus.map(() => 0);
  const watch = new IdleWatch(cpus, {
    kick: () => kicks++,
    onHalted: () => halted++,
    cpuNs: (tid) => usedNs[tid - 1],
  });
  const answer = (index: number, { mpState, interruptFlag }: State): void => {
    const cpu = cpus[index];
    if (cpu === undefined) throw new Error('no such vCPU');
    cpu.fields.mpState = mpState;
    cpu.fields.interruptFlag = interruptFlag;
    cpu.answerInspection();
    watch.answered();
  };
  return {
    watch,
    answer,
    makesAnExit: (index: number): void => {
      const counts = cpus[index]?.byReason;
      if (counts) counts[2] = (counts[2] ?? 0) + 1;
    },
    uses: (index: number, ms: number): void => {
      usedNs[index] = (usedNs[index] ?? 0) + ms * 1e6;
    },
    get asked(): number {
      return cpus.filter(({ command }) => command === COMMAND_INSPECT).length;
    },
    get kicks(): number {
      return kicks;
    },
    get halted(): number {
      return halted;
    },
  };
}

/** A machine that has made no exit between two looks. */
function idle(count: number) {
  const it = rig(count);
  it.watch.look();
  it.watch.look();
  return it;
}

describe('the watch of an idle machine', () => {
  it('asks nobody while one makes exits', () => {
    const machine = rig(2);
    for (let i = 0; i < 5; i++) {
      machine.makesAnExit(1);
      machine.watch.look();
    }
    expect([machine.asked, machine.kicks]).toEqual([0, 0]);
  });

  it('asks nobody while one takes processor time: it spins, or waits for nothing long', () => {
    const machine = idle(2);
    machine.uses(1, 1000);
    machine.watch.look();
    machine.uses(1, 11);
    machine.watch.look();
    expect(machine.kicks).toBe(1);
    machine.uses(1, 9);
    machine.watch.look();
    expect(machine.kicks).toBe(2);
  });

  it('asks all at once, and kicks them', () => {
    const machine = idle(3);
    expect([machine.asked, machine.kicks]).toEqual([3, 1]);
  });

  it('takes one answer of a single vCPU: nobody is there to wake it', () => {
    const machine = idle(1);
    machine.answer(0, HALTED);
    expect(machine.halted).toBe(1);
  });

  it('takes two answers of several, and counts who was never started as halted', () => {
    const machine = idle(3);
    for (const [i, state] of [HALTED, WAITS, HALTED].entries()) machine.answer(i, state);
    expect([machine.halted, machine.kicks]).toEqual([0, 2]);
    for (const [i, state] of [HALTED, WAITS, HALTED].entries()) machine.answer(i, state);
    expect(machine.halted).toBe(1);
  });

  it.each([
    ['runs', RUNS],
    ['is halted with interrupts on', IDLE],
  ])('goes on where one %s', (_what, state) => {
    const machine = idle(2);
    machine.answer(0, HALTED);
    machine.answer(1, state);
    expect([machine.halted, machine.kicks]).toEqual([0, 1]);
  });

  it('sees who was woken after it had answered, by one that then halted too', () => {
    const machine = idle(2);
    machine.answer(0, HALTED);
    machine.answer(1, HALTED);
    machine.answer(0, RUNS);
    machine.answer(1, HALTED);
    expect(machine.halted).toBe(0);
  });

  it('does not take an old answer for a new one', () => {
    const machine = idle(2);
    machine.answer(0, HALTED);
    machine.makesAnExit(0);
    machine.answer(1, HALTED);
    machine.watch.look();
    machine.watch.look();
    machine.answer(1, HALTED);
    machine.answer(1, HALTED);
    expect(machine.halted).toBe(0);
  });

  it('begins anew where one made an exit between two answers', () => {
    const machine = idle(2);
    machine.answer(0, HALTED);
    machine.answer(1, HALTED);
    machine.makesAnExit(1);
    machine.answer(0, HALTED);
    machine.answer(1, HALTED);
    expect(machine.halted).toBe(0);
  });
});
