import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Fd, OwnedFd } from '../../../src/kvm/fd.js';
import { FakeNative } from './fake-native.js';

const fake = vi.hoisted(() => ({ current: undefined as unknown }));
vi.mock('../../../src/kvm/native.js', () => ({
  get native() {
    return fake.current;
  },
}));

let native: FakeNative;
beforeEach(() => {
  native = new FakeNative();
  fake.current = native;
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects garbage until the finalizers did their work: they run between tasks. */
async function collectUntil(done: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !done(); i++) {
    collect();
    await new Promise(setImmediate);
  }
}

describe('OwnedFd', () => {
  it('is closed once, after what comes before it', () => {
    const steps: string[] = [];
    const fd = new OwnedFd(native.open(), 'x', () => steps.push(`before ${native.closed.length}`));
    fd.close();
    fd.close();
    expect(steps).toEqual(['before 0']);
    expect(native.closed).toEqual([100]);
  });

  it('is closed also where what comes before fails', () => {
    const fd = new OwnedFd(native.open(), 'x', () => {
      throw new Error('unmap');
    });
    expect(() => fd.close()).toThrow('unmap');
    expect(native.closed).toEqual([100]);
    fd.close();
  });

  it('is not used after it is closed, by the owner or by a borrower', () => {
    const fd = new OwnedFd(native.open(), 'the VM');
    const borrowed = new Fd(fd.handle);
    expect([fd.number, borrowed.number]).toEqual([100, 100]);
    fd.close();
    for (const one of [fd, borrowed]) {
      expect(() => one.number).toThrow(expect.objectContaining({ code: 'CLOSED', message: 'the VM is closed' }));
    }
  });

  it('is closed for a program that forgot it, and not twice for one that did not', async () => {
    const before = vi.fn();
    (() => {
      new OwnedFd(native.open(), 'forgotten', before);
      new OwnedFd(native.open(), 'closed').close();
    })();
    expect(native.closed).toEqual([101]);
    await collectUntil(() => native.closed.length === 2);
    expect(native.closed).toEqual([101, 100]);
    expect(before).toHaveBeenCalledOnce();
  });
});
