import { expect, it } from 'vitest';
import { RunPage } from '../../../src/kvm/exit.js';
import { EXIT_LOG_WORDS } from '../../../src/machine/exit-log.js';
import { makePcMemory, Pc } from '../../../src/machine/pc.js';
import { rehearseAccesses } from '../../../src/machine/rehearsal.js';

it('the rehearsal of accesses reaches registers alone, and all that it names have a device', () => {
  const no = (what: string) => () => {
    throw new Error(`it reached ${what}`);
  };
  const sink = { write: no('the console'), writeAll: no('the console') };
  const pc = new Pc(makePcMemory(1), {
    vm: { irqLine: no('an interrupt line') },
    memory: { contains: no('memory'), read: no('memory'), write: no('memory') },
    console: sink,
    input: { next: no('the input'), ready: false },
    ends: { end: no('the end') },
    delay: { start: no('the delay') },
    wakeTimers: no('the timers'),
    unclaimed: { pio: no('no device'), mmio: no('no device') },
  });
  const reached = new Set<string | undefined>();
  for (const access of ['read', 'write'] as const) {
    const carryOut = pc.pio[access].bind(pc.pio) as (port: number, ...rest: number[]) => number;
    Object.assign(pc.pio, {
      [access]: (port: number, ...rest: number[]) => {
        reached.add(pc.pio.deviceAt(port));
        return carryOut(port, ...rest);
      },
    });
  }
  const page = new RunPage(new Uint8Array(new SharedArrayBuffer(3 * 4096)));
  rehearseAccesses({ page, pio: pc.pio, log: new Uint32Array(EXIT_LOG_WORDS) });
  expect([...reached].sort()).toEqual(['acpi-pm', 'i8042', 'pci', 'rtc', 'uart', 'vga']);
});
