import { describe, expect, it } from 'vitest';
import * as capabilities from '../../../src/kvm/abi/capabilities.js';
import * as constants from '../../../src/kvm/abi/constants.js';
import * as exits from '../../../src/kvm/abi/exits.js';
import { ioctls } from '../../../src/kvm/abi/ioctls.js';
import type { Layout } from '../../../src/kvm/abi/layout.js';
import * as para from '../../../src/kvm/abi/para.js';
import * as registers from '../../../src/kvm/abi/registers.js';
import * as run from '../../../src/kvm/abi/run.js';
import * as vm from '../../../src/kvm/abi/vm.js';
import { KVM_COALESCED_MMIO_MAX } from '../../../src/kvm/coalesced.js';
import { exitName } from '../../../src/kvm/exit-words.js';
import { evaluate, macros } from './header.js';

/** The kernel's spelling of a name: guestPhysAddr, guest_phys_addr. */
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Every offset and size of a struct as C expressions with the values that the table has. */
function expectations(type: string, layout: Layout, path = '', base = 0): [string, number][] {
  const found: [string, number][] = path === '' ? [[`sizeof(${type})`, layout.size]] : [];
  for (const [name, place] of Object.entries(layout.fields)) {
    const inner = place.type;
    const nested = typeof inner === 'object' && inner.kind === 'layout' ? inner : undefined;
    if (nested?.anonymous) {
      found.push(
        ...expectations(type, nested, path, base + place.offset).filter(([text]) => !text.startsWith('sizeof(struct')),
      );
      continue;
    }
    const member = path === '' ? snake(name) : `${path}.${snake(name)}`;
    found.push([`offsetof(${type}, ${member})`, base + place.offset]);
    found.push([`sizeof(((${type} *)0)->${member})`, place.size]);
    if (nested) found.push(...expectations(type, nested, member, base + place.offset));
    if (
      typeof inner === 'object' &&
      inner.kind === 'array' &&
      typeof inner.of === 'object' &&
      inner.of.kind === 'layout'
    ) {
      found.push(...expectations(type, inner.of, `${member}[0]`, base + place.offset));
    }
  }
  return found;
}

function mismatches(expected: readonly (readonly [string, number])[]): string[] {
  const values = evaluate(expected.map(([text]) => text));
  return expected
    .filter(([text, value]) => values.get(text) !== BigInt(value))
    .map(([text, value]) => `${text}: ${value} here, ${values.get(text)} in the header`);
}

const layouts = Object.entries({ ...registers, ...run, ...vm });

describe('struct layouts against <linux/kvm.h>', () => {
  it('has every offset and size', () => {
    const expected = layouts.flatMap(([name, layout]) => expectations(`struct ${snake(name)}`, layout));
    expect(expected.length).toBeGreaterThan(500);
    expect(mismatches(expected)).toEqual([]);
  });
});

describe('numbers against <linux/kvm.h>', () => {
  it('has every ioctl number', () => {
    expect(mismatches(Object.entries(ioctls))).toEqual([]);
  });

  it('has every constant', () => {
    const newer = ['KVM_EXIT_LOONGARCH_IOCSR', 'KVM_EXIT_MEMORY_FAULT', 'KVM_EXIT_TDX'];
    const known = Object.entries({ ...constants, ...capabilities, ...exits, ...para });
    const defined = new Set([...macros('KVM_'), ...macros('MSR_KVM_')]);
    const expected = known.filter(([name]) => !newer.includes(name) || defined.has(name));
    expect(expected.length).toBeGreaterThan(250);
    expect(mismatches(expected)).toEqual([]);
  });

  it('knows how many writes the coalesced ring holds', () => {
    const entries = '(4096 - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio)';
    expect(mismatches([[entries, KVM_COALESCED_MMIO_MAX]])).toEqual([]);
  });
});

describe('exits', () => {
  it.each(['KVM_EXIT_', 'KVM_INTERNAL_ERROR_', 'KVM_SYSTEM_EVENT_'])('has every %s* of the header', (prefix) => {
    const names = macros(prefix);
    expect(names.length).toBeGreaterThanOrEqual(5);
    const known = new Set(Object.keys(exits));
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  it('tells every reason by the name in the header', () => {
    const names = macros('KVM_EXIT_').filter((name) => !/^KVM_EXIT_(HYPERV|XEN|IO)_/.test(name)); // words inside an exit
    expect(names.length).toBeGreaterThan(35);
    const values = evaluate(names);
    for (const name of names) expect(exitName(Number(values.get(name)))).toBe(name);
  });
});
