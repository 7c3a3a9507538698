import assert from 'node:assert/strict';
import * as cap from '../../../dist/kvm/abi/capabilities.js';
import * as kvmConstants from '../../../dist/kvm/abi/constants.js';
import * as exits from '../../../dist/kvm/abi/exits.js';
import { MSR_KVM_SYSTEM_TIME_NEW } from '../../../dist/kvm/abi/para.js';
import { filterCpuid } from '../../../dist/kvm/cpuid.js';
import { IA32_EFER, IA32_LSTAR, IA32_TSC } from '../../../dist/kvm/msrs.js';
import type { Case } from '../case.js';
import { CODE, RAM_SIZE, runTo, withTinyGuest } from '../real-mode.js';

const END = [0xe6, 0x99];
const HLT = 0xf4;
/** Tile information and TMUL information. */
const AMX_LEAVES = [0x1d, 0x1e];

export const cases: readonly Case[] = [
  {
    name: 'every part of a vCPU’s state that is written is read back',
    async run() {
      await withTinyGuest({ code: END, irqchip: true }, ({ vcpu }) => {
        const regs = { ...vcpu.getRegs(), r15: 0xfedcba9876543210n, rbx: 0xffffffffffffffffn };
        vcpu.setRegs(regs);
        assert.deepEqual(vcpu.getRegs(), regs);

        const sregs = vcpu.getSregs();
        const changed = { ...sregs, cr2: 0x1234n, gs: { ...sregs.gs, selector: 0x1230, base: 0x12300n } };
        vcpu.setSregs(changed);
        assert.deepEqual(vcpu.getSregs(), changed);

        const fpu = vcpu.getFpu();
        fpu.xmm[3]?.fill(0xab);
        fpu.fcw = 0x27f;
        vcpu.setFpu(fpu);
        assert.deepEqual(vcpu.getFpu(), fpu);

        const debugregs = vcpu.getDebugregs();
        debugregs.db[1] = 0x4321n;
        vcpu.setDebugregs(debugregs);
        assert.deepEqual(vcpu.getDebugregs(), debugregs);

        const events = vcpu.getVcpuEvents();
        events.nmi.masked = 1;
        vcpu.setVcpuEvents(events);
        assert.equal(vcpu.getVcpuEvents().nmi.masked, 1);

        assert.equal(vcpu.getMpState(), kvmConstants.KVM_MP_STATE_RUNNABLE);
        vcpu.setMpState(kvmConstants.KVM_MP_STATE_HALTED);
        assert.equal(vcpu.getMpState(), kvmConstants.KVM_MP_STATE_HALTED);

        const lapic = vcpu.getLapic();
        new DataView(lapic.buffer).setUint32(0x80, 0x20, true); // task priority
        vcpu.setLapic(lapic);
        assert.equal(new DataView(vcpu.getLapic().buffer).getUint32(0x80, true), 0x20);

        vcpu.setMsrs([{ index: IA32_LSTAR, data: 0xffffffff81234567n }]);
        assert.deepEqual(vcpu.getMsrs([IA32_LSTAR, IA32_EFER]), [
          { index: IA32_LSTAR, data: 0xffffffff81234567n },
          { index: IA32_EFER, data: 0n },
        ]);
      });
    },
  },
  {
    name: 'XSAVE state, XCR0 and CPUID are read back',
    async run() {
      await withTinyGuest({ code: END }, ({ kvm, vm, vcpu }) => {
        const shown = filterCpuid(kvm.getSupportedCpuid(), {
          cpuIndex: 0,
          cpuCount: 1,
          tscDeadline: vm.checkExtension(cap.KVM_CAP_TSC_DEADLINE_TIMER) > 0,
        });
        vcpu.setCpuid2(shown);
        const names = (entries: typeof shown) => entries.map((entry) => [entry.function, entry.index]);
        // KVM leaves out AMX's where this process has not asked the kernel for its state.
        const kept = (entries: typeof shown) => entries.filter((entry) => !AMX_LEAVES.includes(entry.function));
        assert.deepEqual(names(kept(vcpu.getCpuid2())), names(kept(shown)));

        const xcrs = vcpu.getXcrs();
        assert.equal(xcrs[0]?.xcr, 0);
        vcpu.setXcrs([{ xcr: 0, value: 3n }]);
        assert.deepEqual(vcpu.getXcrs(), [{ xcr: 0, value: 3n }]);

        const area = vcpu.getXsave();
        assert.ok(area.length >= 4096);
        area[0xa0] = 0x77; // XMM0
        area[0x200] = 3; // XSTATE_BV: x87 and SSE
        vcpu.setXsave(area);
        assert.equal(vcpu.getXsave()[0xa0], 0x77);
        assert.throws(() => vcpu.setXsave(new Uint8Array(8)), { code: 'STATE_INVALID' });
      });
    },
  },
  {
    name: 'the TSC: rate, offset and kvmclock’s pause mark',
    async run({ module }) {
      await withTinyGuest({ code: END }, (guest) => {
        const { vcpu, vm } = guest;
        const khz = vcpu.getTscKhz();
        assert.ok(khz > 1000);
        vcpu.setTscKhz(khz);
        if (vcpu.hasDeviceAttr(kvmConstants.KVM_VCPU_TSC_CTRL, kvmConstants.KVM_VCPU_TSC_OFFSET)) {
          vcpu.setTscOffset(-123456789n);
          assert.equal(vcpu.getTscOffset(), module === 'kvm_pvm' ? 0n : -123456789n); // its guests read the CPU's own
        }
        assert.equal(vcpu.hasDeviceAttr(99, 0), false);
        assert.ok((vcpu.getMsrs([IA32_TSC])[0]?.data ?? 0n) > 0n);

        assert.throws(() => vcpu.kvmclockCtrl(), { message: 'KVM_KVMCLOCK_CTRL failed: EINVAL' });
        vcpu.setMsrs([{ index: MSR_KVM_SYSTEM_TIME_NEW, data: 0x4001n }]);
        runTo(guest, exits.KVM_EXIT_IO);
        vcpu.kvmclockCtrl();

        vm.setClock({ clock: 5_000_000_000n });
        assert.ok(vm.getClock().clock >= 5_000_000_000n);
      });
    },
  },
  {
    name: 'single step, translate, NMI and a queued interrupt',
    async run() {
      // nop; nop; hlt; sti; hlt
      await withTinyGuest({ code: [0x90, 0x90, HLT, 0xfb, HLT] }, (guest) => {
        const { vcpu, page, ram } = guest;
        const step = kvmConstants.KVM_GUESTDBG_ENABLE | kvmConstants.KVM_GUESTDBG_SINGLESTEP;
        vcpu.setGuestDebug(step);
        runTo(guest, exits.KVM_EXIT_DEBUG);
        // Bochs also traps before the first instruction.
        if (page.debugPc === BigInt(CODE)) runTo(guest, exits.KVM_EXIT_DEBUG);
        assert.deepEqual([page.debugException, page.debugPc], [1, BigInt(CODE + 1)]);
        vcpu.setGuestDebug(0);
        runTo(guest, exits.KVM_EXIT_HLT);

        const { physicalAddress, valid } = vcpu.translate(0x2345n);
        assert.deepEqual([physicalAddress, valid], [0x2345n, 1]);

        // Vector 2 and vector 0x20: out 0x10 with al, iret
        ram.set([0x00, 0x11, 0, 0], 2 * 4);
        ram.set([0x00, 0x12, 0, 0], 0x20 * 4);
        ram.set([0xe6, 0x11, 0xcf], 0x1100);
        ram.set([0xe6, 0x12, 0xcf], 0x1200);
        vcpu.nmi();
        runTo(guest, exits.KVM_EXIT_IO);
        assert.equal(page.ioPort, 0x11);
        runTo(guest, exits.KVM_EXIT_HLT);
        assert.equal(page.readyForInterruptInjection, true);
        vcpu.interrupt(0x20);
        runTo(guest, exits.KVM_EXIT_IO);
        assert.equal(page.ioPort, 0x12);
      });
    },
  },
  {
    name: 'registers go through the run page without a call',
    async run() {
      // out 0x99, al; jmp to it
      await withTinyGuest({ code: [...END, 0xeb, 0xfc] }, (guest) => {
        const { vcpu, vm } = guest;
        assert.ok(vm.checkExtension(cap.KVM_CAP_SYNC_REGS) & kvmConstants.KVM_SYNC_X86_REGS);
        vcpu.setValidRegs(kvmConstants.KVM_SYNC_X86_REGS | kvmConstants.KVM_SYNC_X86_SREGS);
        runTo(guest, exits.KVM_EXIT_IO);
        const { regs, sregs } = vcpu.getSyncRegs();
        assert.deepEqual(regs, vcpu.getRegs());
        assert.deepEqual(sregs, vcpu.getSregs());
        vcpu.setSyncRegs(kvmConstants.KVM_SYNC_X86_REGS, { regs: { ...regs, rbx: 0x77n } });
        runTo(guest, exits.KVM_EXIT_IO);
        assert.equal(vcpu.getRegs().rbx, 0x77n);
      });
    },
  },
  {
    name: 'the dirty log names the page that was written, and no other',
    async run() {
      // mov [0x5000], al; out 0x99, al; mov [0x9000], al; out 0x99, al
      const code = [0xa2, 0x00, 0x50, ...END, 0xa2, 0x00, 0x90, ...END];
      const slotFlags = kvmConstants.KVM_MEM_LOG_DIRTY_PAGES;
      const pages = RAM_SIZE / 4096;
      const beforeVcpu = (vm: { enableCap(capability: number, ...args: number[]): void }) =>
        vm.enableCap(cap.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, kvmConstants.KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
      await withTinyGuest({ code, slotFlags, beforeVcpu }, (guest) => {
        const { vm } = guest;
        const bitmap = new Uint8Array(8);
        const dirty = () => {
          vm.getDirtyLog(0, bitmap);
          return Array.from({ length: pages }, (_, i) => i).filter((i) => ((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1);
        };
        runTo(guest, exits.KVM_EXIT_IO);
        // KVM may name a page that was only read when it mapped it first.
        const first = dirty();
        assert.ok(first.includes(5) && !first.includes(9), String(first));
        assert.deepEqual(dirty(), first, 'reading does not clear where the program does it itself');
        vm.clearDirtyLog(0, 0, pages, bitmap);
        runTo(guest, exits.KVM_EXIT_IO);
        assert.deepEqual(dirty(), [9]);
      });
    },
  },
];
