import assert from 'node:assert/strict';
import { withFlatGuest } from '../../../dist/bench/flat-guest.js';
import type { EntryMode } from '../../../dist/boot/plan.js';
import { Machine, type VmError } from '../../../dist/index.js';
import { KVM_EXIT_MMIO } from '../../../dist/kvm/abi/exits.js';
import type { Sregs } from '../../../dist/kvm/abi/registers.js';
import { faultError } from '../../../dist/machine/fault.js';
import { otherExitEnd } from '../../../dist/machine/outcome.js';
import type { Case } from '../case.js';
import type { Flavour } from '../flavour.js';

/** Exits that nothing handles, made by real guests: each becomes an error that tells where the guest is. */
const RAM_BYTES = 4 << 20;
/** A guest-physical address in the hole below 4 GiB, where nothing is; and as four bytes of code. */
const NOWHERE = 0xd0000000n;
const NOWHERE_BYTES = [0x00, 0x00, 0x00, 0xd0];
const MOV_EAX_NOWHERE = [0xb8, ...NOWHERE_BYTES];
/** kvm_pvm enters no guest by VMX or SVM: it has no state to refuse, and delivers exceptions by itself. */
const HARDWARE: readonly Flavour[] = ['svm', 'vtx'];

interface FaultyGuest {
  readonly name: string;
  readonly flavours?: readonly Flavour[];
  /** Protected and long mode begin at 1 MiB, real mode at 0x7c00. */
  readonly mode: EntryMode;
  readonly code: readonly number[];
  /** A change of the state that the guest begins in. */
  readonly change?: (sregs: Sregs) => Sregs;
  readonly error: VmError['code'];
  readonly says: RegExp;
}

const FLD_NOWHERE = [0xd9, 0x05, ...NOWHERE_BYTES];
const FLD_PLACE = /32-bit protected mode, ring 0 at rip 0x100000: d905000000d0 \(fld dword \[0D0000000h\]\)$/;

const guests: readonly FaultyGuest[] = [
  {
    name: 'an instruction that KVM cannot emulate, in protected mode',
    mode: 'protected',
    code: FLD_NOWHERE,
    error: 'KVM_INTERNAL_ERROR',
    says: FLD_PLACE,
  },
  {
    name: 'an instruction that KVM cannot emulate, in 64-bit mode',
    mode: 'long',
    code: [...MOV_EAX_NOWHERE, 0x48, 0x0f, 0xc7, 0x08],
    error: 'KVM_INTERNAL_ERROR',
    says: /suberror 1: .*, in 64-bit mode, ring 0 at rip 0x100005: 480fc708 \(cmpxchg16b \[rax\]\)$/,
  },
  {
    name: 'an instruction that KVM cannot emulate, in real mode',
    mode: 'real',
    code: [0xd9, 0x07],
    change: (sregs) => ({ ...sregs, ds: { ...sregs.ds, base: NOWHERE } }),
    error: 'KVM_INTERNAL_ERROR',
    says: /suberror 1: .*, in real mode at rip 0x7c00: d907 \(fld dword \[bx\]\)$/,
  },
  {
    name: 'a jump to where nothing is',
    mode: 'protected',
    code: [...MOV_EAX_NOWHERE, 0xff, 0xe0],
    error: 'KVM_INTERNAL_ERROR',
    says: /suberror 1: .*, in 32-bit protected mode, ring 0 at rip 0xd0000000, whose bytes are not in RAM$/,
  },
  {
    name: 'an exception whose handler is looked up where nothing is',
    flavours: HARDWARE,
    mode: 'protected',
    code: [0x0f, 0x0b],
    change: (sregs) => ({ ...sregs, idt: { ...sregs.idt, base: NOWHERE, limit: 0x7ff } }),
    error: 'KVM_INTERNAL_ERROR',
    says: /, in 32-bit protected mode, ring 0 at rip 0x100000: 0f0b \(ud2\)$/,
  },
  {
    name: 'a state that the CPU refuses to enter',
    flavours: HARDWARE,
    mode: 'long',
    code: [0x90],
    // A code segment is 64-bit or 32-bit, not both (SDM volume 3, 27.3.1.2; APM volume 2, 15.5.1).
    change: (sregs) => ({ ...sregs, cs: { ...sregs.cs, l: 1, db: 1 } }),
    error: 'KVM_ENTRY_FAILED',
    // On svm the low 12 bits of rip are the host's own: QEMU 7.2 mixes them in where VMRUN fails.
    says: /hardware reason 0x[0-9a-f]+\), in 64-bit mode, ring 0 at rip 0x100[0-9a-f]{3}: [0-9a-f]+ \(.+\)$/,
  },
];

/** Runs a guest on a vCPU of this thread to its first exit but MMIO, whose reads give 0, and makes the error of it. */
function faultOf({ mode, code, change = (sregs) => sregs }: FaultyGuest): VmError {
  return withFlatGuest(mode, code, (vcpu, memory) => {
    vcpu.setSregs(change(vcpu.getSregs()));
    do assert.equal(vcpu.run(), 0);
    while (vcpu.page.exitReason === KVM_EXIT_MMIO);
    const end = otherExitEnd(vcpu.page);
    assert.equal(end.reason, 'exit');
    return faultError(end, vcpu, memory);
  });
}

const exits: readonly Case[] = guests.map((guest) => ({
  name: `the error of ${guest.name} tells where the guest is`,
  ...(guest.flavours && { flavours: guest.flavours }),
  async run({ log }) {
    const error = faultOf(guest);
    log(`${error.code}: ${error.message} ${error.hint}`);
    assert.equal(error.code, guest.error);
    assert.match(error.message, guest.says);
  },
}));

export const cases: readonly Case[] = [
  ...exits,
  {
    name: 'an exit that nothing handles ends the machine as an error',
    async run() {
      const image = Uint8Array.from(FLD_NOWHERE);
      await using machine = await Machine.create({ image, flat: 'protected', memory: RAM_BYTES });
      machine.output.resume();
      machine.start();
      const end = await machine.ended;
      assert.equal(end.reason, 'error');
      assert.equal(end.error.code, 'KVM_INTERNAL_ERROR');
      assert.match(end.error.message, FLD_PLACE);
    },
  },
];
