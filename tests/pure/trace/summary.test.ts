import { describe, expect, it } from 'vitest';
import type { ExitEvent } from '../../../src/trace/model.js';
import { Summary } from '../../../src/trace/summary.js';
import { exitEvent, hardwareExit, madeUpRun, UART_WRITE } from './events.js';

function summaryOf(...events: ExitEvent[]) {
  const summary = new Summary();
  for (const event of events) summary.add(event);
  return summary.result();
}

describe('modes', () => {
  it('are told apart with the kernel’s side', () => {
    expect(summaryOf(exitEvent()).modes).toEqual({ nonRoot: 300, rootRing0: 200, rootRing3: 500 });
  });

  it('inside KVM_RUN are one without it', () => {
    expect(summaryOf(exitEvent({ hardware: undefined })).modes).toEqual({ inside: 500, rootRing3: 500 });
  });

  it('before an exit whose entry is not there are neither', () => {
    const { modes } = summaryOf(exitEvent({ hardware: [hardwareExit({ enteredNs: undefined })] }));
    expect(modes).toEqual({ inside: 400, rootRing0: 100, rootRing3: 500 });
  });

  it('stay within our own times where the kernel’s clock is a little off', () => {
    const { modes } = summaryOf(exitEvent({ hardware: [hardwareExit({ enteredNs: 990, exitedNs: 1_510 })] }));
    expect(modes).toEqual({ nonRoot: 500, rootRing3: 500 });
  });

  it('are whole nanoseconds', () => {
    const { modes } = summaryOf(exitEvent({ returnedNs: 1_500.4, handledNs: 2_000.6, hardware: undefined }));
    expect(modes).toEqual({ inside: 500, rootRing3: 500 });
  });

  it('add up to the whole time', () => {
    const { nonRoot = 0, rootRing0 = 0, rootRing3 } = summaryOf(...madeUpRun(7)).modes;
    const events = [...madeUpRun(7)];
    const whole = events.reduce((sum, { enteredNs, handledNs }) => sum + handledNs - enteredNs, 0);
    expect(nonRoot + rootRing0 + rootRing3).toBe(whole);
  });
});

describe('what KVM kept', () => {
  const kept = hardwareExit({ enteredNs: 1_010, exitedNs: 1_020, reason: 'EXTERNAL_INTERRUPT' });

  it('is all but the exit that led to the return', () => {
    expect(summaryOf(exitEvent({ hardware: [kept, kept, hardwareExit()] })).kvm.keptByKvm).toBe(2);
  });

  it('is all before a continued return, which no exit led to', () => {
    expect(summaryOf(exitEvent({ continued: true, hardware: [kept] })).kvm.keptByKvm).toBe(1);
    expect(summaryOf(exitEvent({ continued: true, hardware: [] })).kvm.keptByKvm).toBe(0);
  });

  it('counts exits after the last return, with their times', () => {
    const summary = new Summary();
    summary.add(exitEvent());
    summary.kept(
      [hardwareExit({ enteredNs: 3_000, exitedNs: 3_500 }), hardwareExit({ enteredNs: 3_600, exitedNs: 3_601 })],
      0,
    );
    const { kvm, modes, byHardwareReason } = summary.result();
    expect(kvm.keptByKvm).toBe(2);
    expect(byHardwareReason).toEqual({ IO_INSTRUCTION: 3 });
    expect(modes).toEqual({ nonRoot: 300 + 501, rootRing0: 200 + 100, rootRing3: 500 });
  });

  it('is null where the kernel’s side is missing, be it once', () => {
    expect(summaryOf(exitEvent({ hardware: undefined })).kvm.keptByKvm).toBeNull();
    expect(summaryOf(exitEvent({ hardware: undefined }))).not.toHaveProperty('byHardwareReason');
    expect(
      summaryOf(exitEvent(), exitEvent({ number: 1, hardware: undefined }), exitEvent({ number: 2 })).kvm.keptByKvm,
    ).toBeNull();
    expect(summaryOf().kvm).toEqual({ exits: null, userspaceExits: null, keptByKvm: null });
  });
});

describe('counts', () => {
  it('are by reason, access, instruction and ring, most first', () => {
    const result = summaryOf(...madeUpRun(80));
    expect(result).toMatchObject({ recorded: 80, continued: 0, lost: 0, otherAccesses: 0, otherRips: 0 });
    expect(Object.entries(result.byReason)).toEqual([
      ['IO', 70],
      ['MMIO', 10],
    ]);
    expect(result.byHardwareReason).toEqual({ IO_INSTRUCTION: 80, EXTERNAL_INTERRUPT: 16 });
    expect(result.byAccess.map(({ device, count }) => [device, count])).toEqual([
      ['uart', 70],
      ['disk', 10],
    ]);
    expect(result.byRing).toEqual({ 0: 53, 3: 27 });
    expect(result.byRip).toHaveLength(40);
    expect(result.byRip.at(0)).toEqual({ rip: '0x100000', ripIs: 'exact', count: 2 });
  });

  it('show lost exits by the gaps in a vCPU’s numbers', () => {
    const summary = new Summary();
    for (const [cpu, number] of [
      [0, 0],
      [1, 2],
      [0, 4],
      [1, 3],
    ] as const)
      summary.add(exitEvent({ cpu, number }));
    expect(summary.result().lost).toBe(2 + 3);
    expect(summary.result({ lostAtEnd: 10 }).lost).toBe(15);
  });

  it('are those of KVM where it has them', () => {
    expect(new Summary().result({ kvm: { exits: 9, userspaceExits: 4 } }).kvm).toEqual({
      exits: 9,
      userspaceExits: 4,
      keptByKvm: null,
    });
  });

  it('are bounded, however many addresses a guest uses', () => {
    const summary = new Summary();
    for (let number = 0; number < 5_000; number++) {
      summary.add(exitEvent({ number, rip: BigInt(number), access: { ...UART_WRITE, address: number } }));
    }
    const { byAccess, otherAccesses, byRip, otherRips } = summary.result();
    expect([byAccess.length, otherAccesses, byRip.length, otherRips]).toEqual([4096, 904, 4096, 904]);
  });

  it('are plain JSON', () => {
    const result = summaryOf(...madeUpRun(20));
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });
});
