/** At which exits a machine is to stop: "pio:0x3f8-0x3ff:w", "mmio:0xfee00000", "reason:shutdown", "rip:0x100010". */
import { VmError } from '../errors.js';
import { KVM_EXIT_IO, KVM_EXIT_MMIO } from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import { exitReasonOf } from '../kvm/exit-words.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { instructionsAt, linearRip, modeOf } from './guest-code.js';

export type Break =
  | {
      readonly kind: 'pio' | 'mmio';
      readonly first: number;
      readonly last: number;
      /** Undefined: both ways. */
      readonly write: boolean | undefined;
    }
  | { readonly kind: 'reason'; readonly reason: number }
  | { readonly kind: 'rip'; readonly rip: bigint };

const LAST = { pio: 0xffff, mmio: Number.MAX_SAFE_INTEGER } as const;
const LAST_RIP = (1n << 64n) - 1n;
/** The longest instruction (SDM volume 2, 2.3.11). */
const MAX_INSTRUCTION = 15n;

const ACCESS = /^(pio|mmio):(0x[\da-f]+|\d+)(?:-(0x[\da-f]+|\d+))?(?::([rw]))?$/i;
const REASON = /^reason:(\w+)$/i;
const RIP = /^rip:(0x[\da-f]+|\d+)$/i;

/**
 * What one of `MachineOptions.breakOn` says: an access to a port or a guest-physical address, or a range of them, with
 * `:r` or `:w` one way only; KVM's reason without KVM_EXIT_; or the address of the instruction that makes the exit.
 * @throws VmError OPTION_INVALID
 */
export function parseBreak(text: string): Break {
  const [, bus = '', from = '', to = from, direction] = ACCESS.exec(text) ?? [];
  if (bus !== '') {
    const kind = bus.toLowerCase() === 'pio' ? 'pio' : 'mmio';
    const [first, last] = [Number(from), Number(to)];
    if (first > last || last > LAST[kind]) {
      throw refused(text, kind === 'pio' ? 'ports are 0 to 0xffff, the lower first' : 'the lower address comes first');
    }
    return { kind, first, last, write: direction === undefined ? undefined : direction.toLowerCase() === 'w' };
  }
  const [, label] = REASON.exec(text) ?? [];
  if (label !== undefined) {
    const reason = exitReasonOf(label);
    if (reason === undefined) throw refused(text, 'KVM has no such reason');
    return { kind: 'reason', reason };
  }
  const [, rip] = RIP.exec(text) ?? [];
  if (rip === undefined) throw refused(text, 'it is no exit');
  if (BigInt(rip) > LAST_RIP) throw refused(text, 'an address has at most 64 bits');
  return { kind: 'rip', rip: BigInt(rip) };
}

function refused(text: string, why: string): VmError {
  return new VmError('OPTION_INVALID', `no exit to break on: ${JSON.stringify(text)}: ${why}`, {
    hint: 'Such as pio:0x3f8, pio:0x3f8-0x3ff:w, mmio:0xfec00000, reason:shutdown, rip:0x100010.',
  });
}

/** Makes what looks, after KVM_RUN has made an exit, whether it is one to stop at: it gives the text that says so. */
export function makeBreakTest(
  breakOn: readonly string[],
  vcpu: Pick<Vcpu, 'page' | 'getRegs' | 'getSregs'>,
  memory: GuestMemory,
): () => string | undefined {
  const breaks = breakOn.map((text) => ({ text, of: parseBreak(text) }));
  const isMet = (of: Break): boolean => {
    if (of.kind === 'rip') return isBy(of.rip, vcpu, memory);
    return of.kind === 'reason' ? vcpu.page.exitReason === of.reason : isAccess(of, vcpu.page);
  };
  return () => breaks.find(({ of }) => isMet(of))?.text;
}

function isAccess({ kind, first, last, write }: Break & { kind: 'pio' | 'mmio' }, page: RunPage): boolean {
  if (page.exitReason !== (kind === 'pio' ? KVM_EXIT_IO : KVM_EXIT_MMIO)) return false;
  const [address, size, isWrite] =
    kind === 'pio' ? [page.ioPort, page.ioSize, page.ioIsOut] : [page.mmioAddress, page.mmioLength, page.mmioIsWrite];
  return address <= last && address + size > first && (write === undefined || write === isWrite);
}

/** Of a write KVM may have moved rip past the instruction before it returned. */
function isBy(rip: bigint, vcpu: Pick<Vcpu, 'page' | 'getRegs' | 'getSregs'>, memory: GuestMemory): boolean {
  const { rip: now, rflags } = vcpu.getRegs();
  if (now === rip) return true;
  const { page } = vcpu;
  const isWrite =
    page.exitReason === KVM_EXIT_IO ? page.ioIsOut : page.exitReason === KVM_EXIT_MMIO && page.mmioIsWrite;
  if (!isWrite || now < rip || now > rip + MAX_INSTRUCTION) return false;
  const sregs = vcpu.getSregs();
  const { bits } = modeOf(sregs, rflags);
  const [instruction] = instructionsAt(memory, sregs, { rip, linear: linearRip(sregs, rip, bits), bits }, 1);
  return instruction !== undefined && rip + BigInt(instruction.bytes.length) === now;
}
