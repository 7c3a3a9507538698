import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KvmTrace, parseTrace, recordThread } from '../../../src/kvm/trace.js';

describe('parseTrace', () => {
  it('reads the lines of a trace file, whatever the thread is called and whichever clock it has', () => {
    const text = `# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
            node-123     [000] d..1.    12.345678: kvm_exit: vcpu 0 reason shutdown rip 0x10000b info1 0x0
     a name-b c-4567     [001] d....  98765432109: kvm_inj_exception: #PF (0x2)
##### CPU 1 buffer started ####
           <...>-9       [011] .....    12.345679: kvm_inj_exception: #UD
`;
    expect(parseTrace(text)).toEqual([
      { tid: 123, name: 'kvm_exit', text: 'vcpu 0 reason shutdown rip 0x10000b info1 0x0' },
      { tid: 4567, name: 'kvm_inj_exception', text: '#PF (0x2)' },
      { tid: 9, name: 'kvm_inj_exception', text: '#UD' },
    ]);
  });

  it('finds nothing in an empty trace', () => {
    expect(parseTrace('# tracer: nop\n')).toEqual([]);
  });
});

describe('KvmTrace', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vmlaunch-trace-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const fault = (places: readonly string[]) => () => KvmTrace.open(places);

  it('says where tracefs was looked for', () => {
    expect(fault([join(root, 'nowhere')])).toThrow(
      expect.objectContaining({ code: 'KVM_TRACE_UNAVAILABLE', message: expect.stringContaining('is not mounted') }),
    );
  });

  it('leaves nothing behind where the kernel has no such events', () => {
    // A plain directory: what the kernel makes in a new instance is missing there.
    mkdirSync(join(root, 'instances'));
    expect(fault([root])).toThrow(
      expect.objectContaining({ code: 'KVM_TRACE_UNAVAILABLE', message: expect.stringContaining('ENO') }),
    );
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
