/**
 * Where a machine is to stop: at an exit ("pio:0x3f8-0x3ff:w", "mmio:0xfee00000", "reason:shutdown", "rip:0x100010"), at a
 * vCPU's n-th exit ("exits:1000"), or at an instruction that makes none ("at:0x100020").
 */
import { VmError } from '../errors.js';
import { KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_USE_HW_BP } from '../kvm/abi/constants.js';
import { KVM_EXIT_DEBUG, KVM_EXIT_IO, KVM_EXIT_MMIO } from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import { exitReasonOf } from '../kvm/exit-words.js';
import { flavourName, softwareHost } from '../kvm/flavour.js';
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
  | { readonly kind: 'rip'; readonly rip: bigint }
  /** Before the instruction at this linear address. */
  | { readonly kind: 'at'; readonly linear: bigint }
  | { readonly kind: 'exits'; readonly count: number };

const LAST = { pio: 0xffff, mmio: Number.MAX_SAFE_INTEGER } as const;
const LAST_RIP = (1n << 64n) - 1n;
/** The longest instruction (SDM volume 2, 2.3.11). */
const MAX_INSTRUCTION = 15n;

const ACCESS = /^(pio|mmio):(0x[\da-f]+|\d+)(?:-(0x[\da-f]+|\d+))?(?::([rw]))?$/i;
const REASON = /^reason:(\w+)$/i;
const RIP = /^(rip|at):(0x[\da-f]+|\d+)$/i;
const EXITS = /^exits:(\d+)$/i;

/**
 * What one of `MachineOptions.breakOn` says: an access to a port or a guest-physical address, or a range of them, with
 * `:r` or `:w` one way only; KVM's reason without KVM_EXIT_; or the address of the instruction that makes the exit; that
 * of any instruction, in a debug register; or how many exits a vCPU has made.
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
  const [, count] = EXITS.exec(text) ?? [];
  if (count !== undefined) {
    if (!Number.isSafeInteger(Number(count)) || Number(count) === 0) throw refused(text, 'exits are counted from 1');
    return { kind: 'exits', count: Number(count) };
  }
  const [, what = '', address] = RIP.exec(text) ?? [];
  if (address === undefined) throw refused(text, 'it is no exit');
  const rip = BigInt(address);
  if (rip > LAST_RIP) throw refused(text, 'an address has at most 64 bits');
  return what.toLowerCase() === 'at' ? { kind: 'at', linear: rip } : { kind: 'rip', rip };
}

/** @throws VmError OPTION_INVALID where one is none, or more are `at` than a CPU has debug registers */
export function checkBreaks(texts: readonly string[]): void {
  const many = texts.map(parseBreak).filter(({ kind }) => kind === 'at').length;
  if (many <= MOST_AT) return;
  throw new VmError('OPTION_INVALID', `${many} addresses to stop at: a CPU has ${MOST_AT} debug registers for them`);
}

function refused(text: string, why: string): VmError {
  return new VmError('OPTION_INVALID', `no exit to break on: ${JSON.stringify(text)}: ${why}`, {
    hint: 'Such as pio:0x3f8, pio:0x3f8-0x3ff:w, mmio:0xfec00000, reason:shutdown, rip:0x100010, at:0x100020, exits:100.',
  });
}

type BreakVcpu = Pick<Vcpu, 'page' | 'getRegs' | 'getSregs' | 'setGuestDebug'>;

/**
 * Makes what looks, after KVM_RUN has made an exit, whether it is one to stop at: it gives the text that says so.
 * The vCPU's debug registers are then the host's, where there is an address to stop at.
 */
export function makeBreakTest(
  breakOn: readonly string[],
  vcpu: BreakVcpu,
  memory: GuestMemory,
): () => string | undefined {
  const breaks = breakOn.map((text) => ({ text, of: parseBreak(text) }));
  breakAt(
    vcpu,
    breaks.flatMap(({ of }) => (of.kind === 'at' ? [of.linear] : [])),
  );
  let exits = 0;
  const { page } = vcpu;
  const isMet = (of: Break): boolean => {
    switch (of.kind) {
      case 'rip':
        return isBy(of.rip, vcpu, memory);
      case 'at':
        return page.exitReason === KVM_EXIT_DEBUG && page.debugPc === of.linear;
      case 'reason':
        return page.exitReason === of.reason;
      case 'exits':
        return exits >= of.count;
      default:
        return isAccess(of, page);
    }
  };
  return () => {
    exits++;
    return breaks.find(({ of }) => isMet(of))?.text;
  };
}

/**
 * The debug registers of a guest do nothing under QEMU's AMD processor, which loads them from the VMCB and does not look
 * at them, nor on kvm_pvm. @throws VmError KVM_UNSUPPORTED where an address to stop at would never be met
 */
export function checkDebugRegisters(breakOn: readonly string[]): void {
  const isBlind = softwareHost() === 'svm' || flavourName() === 'kvm_pvm';
  if (!isBlind || breakOn.every((text) => parseBreak(text).kind !== 'at')) return;
  throw new VmError('KVM_UNSUPPORTED', 'this KVM stops at no address: it leaves the guest’s debug registers unused', {
    hint: 'Use --host vtx, or stop after a number of exits.',
  });
}

const MOST_AT = 4;
/** Local enable of the first breakpoint in DR7; R/W and LEN stay 0: at execution (SDM volume 3, 18.2.4). */
const DR7_ENABLE = 1n;
const DR7_RESERVED = 0x400n;

function breakAt(vcpu: BreakVcpu, addresses: readonly bigint[]): void {
  if (addresses.length === 0) return;
  const dr7 = addresses.reduce((bits, _, i) => bits | (DR7_ENABLE << BigInt(2 * i)), DR7_RESERVED);
  const dr = [0, 1, 2, 3].map((i) => addresses[i] ?? 0n);
  vcpu.setGuestDebug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, [...dr, 0n, 0n, 0n, dr7]);
}

function isAccess({ kind, first, last, write }: Break & { kind: 'pio' | 'mmio' }, page: RunPage): boolean {
  if (page.exitReason !== (kind === 'pio' ? KVM_EXIT_IO : KVM_EXIT_MMIO)) return false;
  const [address, size, isWrite] =
    kind === 'pio' ? [page.ioPort, page.ioSize, page.ioIsOut] : [page.mmioAddress, page.mmioLength, page.mmioIsWrite];
  return address <= last && address + size > first && (write === undefined || write === isWrite);
}

/** Of a write KVM may have moved rip past the instruction before it returned. */
function isBy(rip: bigint, vcpu: BreakVcpu, memory: GuestMemory): boolean {
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
