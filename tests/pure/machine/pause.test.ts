import { describe, expect, it } from 'vitest';
import { ControlBlock, STATE_ENDED, STATE_RUNNING } from '../../../src/machine/control.js';
import { Pauses } from '../../../src/machine/pause.js';

function makeCpus(count: number) {
  const controls = Array.from({ length: count }, () => new ControlBlock(ControlBlock.makeBuffer()));
  const kicks = { count: 0 };
  const pauses = new Pauses(controls, () => {
    kicks.count++;
  });
  return { controls, kicks, pauses };
}

const wanted = (controls: readonly ControlBlock[]) => controls.map(({ isPauseWanted }) => isPauseWanted);

describe('a pause', () => {
  it('of vCPUs that have not started is at once, kicks nobody, and is over afterwards', async () => {
    const { controls, kicks, pauses } = makeCpus(2);
    expect(await pauses.during(() => wanted(controls))).toEqual([true, true]);
    expect([wanted(controls), kicks.count]).toEqual([[false, false], 0]);
  });

  it('waits for those that run, kicks until they are out, and takes one that ends for out', async () => {
    const { controls, kicks, pauses } = makeCpus(2);
    for (const control of controls) control.state = STATE_RUNNING;
    let isDone = false;
    const done = pauses.during(() => {
      isDone = true;
    });
    while (kicks.count < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(isDone).toBe(false);
    for (const control of controls) control.state = STATE_ENDED;
    pauses.look();
    await done;
    expect(isDone).toBe(true);
  });

  it('is over where the work fails, and the next piece of work follows', async () => {
    const { controls, pauses } = makeCpus(1);
    const failed = pauses.during(() => {
      throw new Error('on purpose');
    });
    const next = pauses.during(() => 2);
    await expect(failed).rejects.toThrow('on purpose');
    expect([await next, wanted(controls)]).toEqual([2, [false]]);
  });

  it('ends with a stop', () => {
    const [control] = makeCpus(1).controls;
    control?.requestPause();
    control?.requestStop();
    let parked = false;
    control?.park(() => {
      parked = control.isParked;
    });
    expect(parked).toBe(true);
  });
});
