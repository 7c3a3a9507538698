import assert from 'node:assert/strict';
import type { RunPage } from '../../dist/kvm/exit.js';
import { describeExit } from '../../dist/kvm/exit-words.js';
import { Kvm } from '../../dist/kvm/kvm.js';
import { sharedBuffer } from '../../dist/kvm/shared-buffer.js';
import type { Vcpu } from '../../dist/kvm/vcpu.js';
import type { Vm } from '../../dist/kvm/vm.js';

/** Where the guest's code begins. */
export const CODE = 0x1000;
export const RAM_SIZE = 0x10000;
const TSS_ADDR = 0xfffbd000;
const IDENTITY_MAP_ADDR = 0xfffbc000;

export interface TinyGuest {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly page: RunPage;
  readonly ram: Uint8Array;
}

export interface TinyGuestOptions {
  readonly code: readonly number[];
  readonly irqchip?: boolean;
  readonly slotFlags?: number;
  readonly beforeVcpu?: (vm: Vm) => void;
}

/** Runs `use` with one vCPU in real mode at CODE, 64 KiB of RAM at 0, and closes everything. */
export async function withTinyGuest(
  options: TinyGuestOptions,
  use: (guest: TinyGuest) => void | Promise<void>,
): Promise<void> {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  vm.setTssAddr(TSS_ADDR);
  vm.setIdentityMapAddr(IDENTITY_MAP_ADDR);
  const ram = new Uint8Array(sharedBuffer(RAM_SIZE), 0, RAM_SIZE);
  ram.set(options.code, CODE);
  vm.setUserMemoryRegion({ slot: 0, flags: options.slotFlags ?? 0, guestPhysAddr: 0, view: ram });
  if (options.irqchip) vm.createIrqchip();
  options.beforeVcpu?.(vm);
  const vcpu = vm.createVcpu(0);
  startInRealMode(vcpu);
  await use({ kvm, vm, vcpu, page: vcpu.page, ram });
}

function startInRealMode(vcpu: Vcpu): void {
  const sregs = vcpu.getSregs();
  vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } });
  vcpu.setRegs({ ...vcpu.getRegs(), rip: BigInt(CODE), rsp: 0x8000n, rflags: 2n });
}

/** Runs to the next exit and asserts its reason. */
export function runTo({ vcpu, page }: TinyGuest, reason: number): void {
  assert.equal(vcpu.run(), 0);
  assert.equal(page.exitReason, reason, describeExit(page));
}
