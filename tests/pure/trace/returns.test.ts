import { describe, expect, it } from 'vitest';
import type { Place } from '../../../src/machine/exit-ring.js';
import { GuestMemory } from '../../../src/memory/guest-memory.js';
import { CodeBook } from '../../../src/trace/code-book.js';
import type { Access, HardwareExit } from '../../../src/trace/model.js';
import { Returns } from '../../../src/trace/returns.js';
import { hardwareExit } from './events.js';

const BASE = 0x1000;
/** Protected mode without paging. */
const PLACE: Place = { cpl: 0, bits: 32, csBase: 0n, paging: { cr0: 1n, cr3: 0n, cr4: 0n, efer: 0n } };

const pio = (write: boolean, address: number, size = 1): Access => ({
  bus: 'pio',
  write,
  address,
  size,
  count: 1,
  value: 0n,
  device: undefined,
});
const mmio = (write: boolean, address: number, size: number): Access => ({
  ...pio(write, address, size),
  bus: 'mmio',
});

/** A vCPU whose code is at 0x1000, and what is said of its returns. */
function vcpu(code: readonly number[], flavour: 'kvm_intel' | 'kvm_amd' | 'kvm_pvm' = 'kvm_intel') {
  const buffer = new SharedArrayBuffer(0x10000);
  const memory = new GuestMemory([{ start: 0, size: buffer.byteLength, buffer, offset: 0 }]);
  memory.write(BASE, Uint8Array.from(code));
  const book = new CodeBook(() => memory);
  const returns = new Returns(book, flavour);
  return (
    access: Access | undefined,
    offset: number,
    { hardware, rcx = 0n, reason }: { hardware?: readonly HardwareExit[]; rcx?: bigint; reason?: string } = {},
  ) => {
    const rip = BigInt(BASE + offset);
    book.learn(rip, PLACE);
    const usual = access?.bus === 'mmio' ? 'MMIO' : 'IO';
    const meaning = returns.next({ access, rip, rcx, hardware, reason: reason ?? usual });
    return { at: Number(meaning.rip) - BASE, ripIs: meaning.ripIs, continued: meaning.continued };
  };
}

const OUT_DX_AL = [0xee];
const NOPS = [0x90, 0x90, 0x90, 0x90];
/** mov eax, [esi]: 8b 06; mov [edi], eax: 89 07; add dword [edi], 1: 83 07 01 */
const READ = [0x8b, 0x06];
const WRITE = [0x89, 0x07];
const ADD = [0x83, 0x07, 0x01];
const exact = (at: number, continued = false) => ({ at, ripIs: 'exact', continued });

describe('where an exit was', () => {
  it('is what the kernel says, whatever KVM_RUN left', () => {
    const next = vcpu([...NOPS, ...WRITE]);
    const hardware = [hardwareExit({ rip: BigInt(BASE) }), hardwareExit({ rip: BigInt(BASE + 4) })];
    expect(next(mmio(true, 0xd0000000, 4), 6, { hardware })).toEqual(exact(4));
  });

  it('is at an OUT that KVM has not left, and before where it has: on kvm_pvm, and at port 0x7e', () => {
    expect(vcpu([...NOPS, ...OUT_DX_AL])(pio(true, 0x3f8), 4)).toEqual(exact(4));
    expect(vcpu([...NOPS, ...OUT_DX_AL], 'kvm_pvm')(pio(true, 0x3f8), 5)).toEqual(exact(4));
    expect(vcpu([...NOPS, 0xe6, 0x7e])(pio(true, 0x7e), 6)).toEqual(exact(4));
  });

  it('is at an IN and at a read of MMIO everywhere', () => {
    for (const flavour of ['kvm_intel', 'kvm_amd', 'kvm_pvm'] as const) {
      expect(vcpu([0xec], flavour)(pio(false, 0x3fd), 0)).toEqual(exact(0));
      expect(vcpu(READ, flavour)(mmio(false, 0xd0000000, 4), 0)).toEqual(exact(0));
    }
  });

  it('is before where KVM stands after a write to MMIO', () => {
    expect(vcpu([...NOPS, ...WRITE])(mmio(true, 0xd0000000, 4), 6)).toEqual(exact(4));
  });

  it('is not known where two instructions that end there can have made the access', () => {
    // d0 11 is rcl byte [ecx], 1 and the end of mov byte [0x1100d000], … only where the immediate is 0x11
    const code = [0xc6, 0x05, 0x00, 0x00, 0x00, 0xd0, 0x11];
    expect(vcpu(code)(mmio(true, 0xd0000000, 1), code.length)).toEqual({ at: 7, ripIs: 'after', continued: false });
  });

  it('is not known where the bytes before are none that write', () => {
    expect(vcpu(NOPS)(mmio(true, 0xd0000000, 4), 4)).toEqual({ at: 4, ripIs: 'after', continued: false });
  });

  it('is lost at a shutdown that kvm_amd alone tells of', () => {
    expect(vcpu(NOPS, 'kvm_amd')(undefined, 0, { reason: 'SHUTDOWN' }).ripIs).toBe('after');
    expect(vcpu(NOPS)(undefined, 0, { reason: 'SHUTDOWN' }).ripIs).toBe('exact');
  });
});

describe('a further return for one hardware exit', () => {
  it('is the second half of 16 bytes, and the rest behind the end of a page', () => {
    // movups xmm0, [esi]
    const sixteen = vcpu([0x0f, 0x10, 0x06]);
    expect(sixteen(mmio(false, 0xd0000010, 8), 0)).toEqual(exact(0));
    expect(sixteen(mmio(false, 0xd0000018, 8), 0)).toEqual(exact(0, true));
    expect(sixteen(mmio(false, 0xd0000020, 8), 0), 'the next of a loop').toEqual(exact(0));
    const across = vcpu([...NOPS, ...WRITE]);
    expect(across(mmio(true, 0xd0000ffd, 3), 6)).toEqual(exact(4));
    expect(across(mmio(true, 0xd0001000, 1), 6)).toEqual(exact(4, true));
    expect(across(mmio(true, 0xd0001001, 1), 6).continued).toBe(false);
  });

  it('is not the next of a loop that reads on', () => {
    const next = vcpu(READ);
    for (let i = 0; i < 3; i++) expect(next(mmio(false, 0xd0000ff8 + 4 * i, 4), 0)).toEqual(exact(0));
  });

  it('is the write of a read-modify-write, in parts too', () => {
    const next = vcpu([...NOPS, ...ADD]);
    expect(next(mmio(false, 0xd0000000, 4), 4)).toEqual(exact(4));
    expect(next(mmio(true, 0xd0000000, 4), 7)).toEqual(exact(4, true));
    expect(next(mmio(false, 0xd0000ffe, 2), 4)).toEqual(exact(4));
    expect(next(mmio(false, 0xd0001000, 2), 4)).toEqual(exact(4, true));
    expect(next(mmio(true, 0xd0000ffe, 2), 7)).toEqual(exact(4, true));
    expect(next(mmio(true, 0xd0001000, 2), 7)).toEqual(exact(4, true));
  });

  it('is not the write of the instruction after a read', () => {
    const next = vcpu([...READ, ...WRITE]);
    expect(next(mmio(false, 0xd0000000, 4), 0)).toEqual(exact(0));
    expect(next(mmio(true, 0xd0000000, 4), 4)).toEqual(exact(2));
  });

  it('is the next element that a repeated string instruction reads, but for each 1024th', () => {
    // rep movsd
    const next = vcpu([0xf3, 0xa5]);
    const read = (element: number, left: bigint) => next(mmio(false, 0xd0000000 + 4 * element, 4), 0, { rcx: left });
    expect(read(0, 1026n).continued).toBe(false);
    expect(read(1, 1025n).continued).toBe(true);
    expect(read(2, 1024n).continued, 'the guest ran').toBe(false);
    expect(read(3, 1023n).continued).toBe(true);
    expect(read(0, 1023n).continued, 'another time').toBe(false);
  });

  it('is what OUTS writes after it has read MMIO, and not an OUT after a read', () => {
    const outs = vcpu([0x6e]);
    expect(outs(mmio(false, 0xd0000000, 1), 0)).toEqual(exact(0));
    expect(outs(pio(true, 0xe9), 1)).toEqual(exact(0, true));
    const out = vcpu([...READ, ...OUT_DX_AL]);
    expect(out(mmio(false, 0xd0000000, 4), 0)).toEqual(exact(0));
    expect(out(pio(true, 0x3f8), 2)).toEqual(exact(2));
  });

  it('is none where the guest ran in between, as the kernel tells', () => {
    const next = vcpu([0x0f, 0x10, 0x06]);
    const hardware = [hardwareExit({ rip: BigInt(BASE) })];
    expect(next(mmio(false, 0xd0000010, 8), 0, { hardware })).toEqual(exact(0));
    expect(next(mmio(false, 0xd0000018, 8), 0, { hardware })).toEqual(exact(0));
    expect(next(mmio(false, 0xd0000010, 8), 0, { hardware })).toEqual(exact(0));
    expect(next(mmio(false, 0xd0000018, 8), 0, { hardware: [] })).toEqual(exact(0, true));
  });
});
