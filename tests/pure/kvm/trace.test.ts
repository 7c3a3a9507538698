import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KvmTrace, lostOf, recordThread } from '../../../src/kvm/trace.js';

describe('lostOf', () => {
  it('adds up the ways in which events are lost', () => {
    const stats = 'entries: 7\noverrun: 12\ncommit overrun: 1\nbytes: 900\ndropped events: 30\nread events: 5\n';
    expect(lostOf(stats)).toBe(43);
  });
});

describe('KvmTrace', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vmlaunch-trace-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const fault = (places: readonly string[]) => () => KvmTrace.open({ roots: places });

  it('says where tracefs was looked for', () => {
    expect(fault([join(root, 'nowhere')])).toThrow(
      expect.objectContaining({ code: 'KVM_TRACE_UNAVAILABLE', message: expect.stringContaining('is not mounted') }),
    );
  });

  it('says what the system said where no instance can be made', () => {
    symlinkSync('/sys/kernel', join(root, 'instances')); // there root can make nothing either
    expect(fault([root])).toThrow(
      expect.objectContaining({ code: 'KVM_TRACE_UNAVAILABLE', message: expect.stringMatching(/E[A-Z]+: .*mkdir/) }),
    );
  });

  // A plain directory: what the kernel makes in a new instance is missing there.
  it('names an event that this kernel does not have, and leaves nothing behind', () => {
    mkdirSync(join(root, 'instances'));
    expect(fault([root])).toThrow(
      expect.objectContaining({
        code: 'KVM_TRACE_UNAVAILABLE',
        message: expect.stringContaining('no event kvm:kvm_exit'),
      }),
    );
    expect(readdirSync(join(root, 'instances'))).toEqual([]);
  });

  it('does without those that not every kernel has', () => {
    mkdirSync(join(root, 'instances'));
    expect(() => KvmTrace.open({ roots: [root], events: ['kvm_page_fault'] })).toThrow(/ENOENT.*options\/overwrite/);
  });

  it('removes what a process that is gone has left, and nothing else', () => {
    const names = ['vmlaunch-4194305-0', `vmlaunch-${process.pid}-77`, 'perf'];
    for (const name of names) mkdirSync(join(root, 'instances', name), { recursive: true });
    expect(fault([root])).toThrow();
    expect(readdirSync(join(root, 'instances'))).toEqual(expect.arrayContaining(names.slice(1)));
    expect(readdirSync(join(root, 'instances'))).not.toContain(names[0]);
  });

  it('adds threads to those that are recorded', () => {
    const file = join(root, 'set_event_pid');
    writeFileSync(file, '1\n');
    recordThread(file, 42);
    expect(readFileSync(file, 'utf8')).toBe('1\n42\n');
  });
});
