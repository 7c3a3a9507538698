import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as cap from '../../../dist/kvm/abi/capabilities.js';
import * as kvmConstants from '../../../dist/kvm/abi/constants.js';
import * as exits from '../../../dist/kvm/abi/exits.js';
import { decode, encode } from '../../../dist/kvm/abi/layout.js';
import { kvmIoapicState, kvmPicState } from '../../../dist/kvm/abi/vm.js';
import { CoalescedRing } from '../../../dist/kvm/coalesced.js';
import { native } from '../../../dist/kvm/native.js';
import { StatsReader } from '../../../dist/kvm/stats.js';
import type { Vm } from '../../../dist/kvm/vm.js';
import type { Case } from '../case.js';
import { runTo, withTinyGuest } from '../real-mode.js';

const END = [0xe6, 0x99];
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** The interrupt request register of the first PIC. */
const pendingInPic = (vm: Vm): number => decode(kvmPicState, vm.getIrqchip(kvmConstants.KVM_IRQCHIP_PIC_MASTER)).irr;

/** Lines stay pending and never reach the guest. */
function maskPic(vm: Vm): void {
  const master = kvmConstants.KVM_IRQCHIP_PIC_MASTER;
  const chip = vm.getIrqchip(master);
  vm.setIrqchip(master, encode(kvmPicState, { ...decode(kvmPicState, chip), imr: 0xff }, chip));
}

function withEventfd(use: (fd: number) => void): void {
  const fd = native.eventfd(0);
  try {
    use(fd);
  } finally {
    native.close(fd);
  }
}

/** What a vCPU's thread does: runs until kicked, then finds that it can neither close nor outlive the owner. */
function vcpuThread(): string {
  const dist = new URL('../../../dist/kvm/', import.meta.url).href;
  return `
    const { parentPort, workerData } = require('node:worker_threads');
    (async () => {
      const { Vcpu } = await import('${dist}vcpu.js');
      const { Vm } = await import('${dist}vm.js');
      const { native } = await import('${dist}native.js');
      const codeOf = (use) => { try { use(); return 'none'; } catch (error) { return error.code; } };
      native.installKickHandler();
      const vm = Vm.fromHandle(workerData.vm);
      const vcpu = Vcpu.fromHandle(workerData.vcpu);
      vm.irqLine(3, 1);
      parentPort.once('message', () => parentPort.postMessage({ afterClose: codeOf(() => vcpu.run()) }));
      parentPort.postMessage({ tid: native.gettid() });
      parentPort.postMessage({ result: vcpu.run(), close: codeOf(() => vcpu.close()), closeVm: codeOf(() => vm.close()) });
    })();`;
}

export const cases: readonly Case[] = [
  {
    name: 'interrupt controllers and timer in the kernel: state, lines, routes, MSI',
    async run() {
      const beforeVcpu = (vm: Vm) => {
        vm.setBootCpuId(0);
        vm.createPit2({ speakerDummy: true });
      };
      await withTinyGuest({ code: END, irqchip: true, beforeVcpu }, ({ vm, vcpu }) => {
        vm.irqLine(5, 1);
        assert.equal(pendingInPic(vm) & 0x20, 0x20);
        const chip = vm.getIrqchip(kvmConstants.KVM_IRQCHIP_IOAPIC);
        const ioapic = decode(kvmIoapicState, chip);
        assert.equal(ioapic.baseAddress, 0xfec00000n);
        assert.equal(ioapic.redirtbl.length, 24);
        vm.setIrqchip(kvmConstants.KVM_IRQCHIP_IOAPIC, chip);

        const pit = vm.getPit2();
        const [channel0, ...others] = pit.channels;
        assert.ok(channel0);
        vm.setPit2({ ...pit, channels: [{ ...channel0, count: 1193, mode: 2 }, ...others] });
        assert.equal(vm.getPit2().channels[0]?.count, 1193);

        const msi = { addressLo: 0xfee00000, addressHi: 0, data: 0x41, devid: 0 };
        vm.setGsiRouting([
          { gsi: 7, type: kvmConstants.KVM_IRQ_ROUTING_IRQCHIP, u: { irqchip: { irqchip: 0, pin: 6 } } },
          { gsi: 30, type: kvmConstants.KVM_IRQ_ROUTING_MSI, u: { msi } },
        ]);
        vm.irqLine(7, 1);
        assert.equal(pendingInPic(vm) & 0x40, 0x40);

        const lapic = vcpu.getLapic();
        new DataView(lapic.buffer).setUint32(0xf0, 0x1ff, true); // spurious vector register: APIC on
        vcpu.setLapic(lapic);
        assert.equal(vm.signalMsi({ addressLo: 0xfee00000, data: 0x40 }), true);
        vm.irqLine(30, 1);
        const request = new DataView(vcpu.getLapic().buffer).getUint32(0x220, true);
        assert.equal(request, 0b11, 'vectors 0x40 and 0x41 wait');
      });
    },
  },
  {
    name: 'an irqfd raises its line, an ioeventfd takes a write without an exit',
    async run() {
      // out 0x20, al; out 0x99, al
      await withTinyGuest({ code: [0xe6, 0x70, ...END], irqchip: true }, (guest) => {
        const { vm, page } = guest;
        withEventfd((fd) => {
          vm.irqfd({ fd, gsi: 6 });
          native.write(fd, ONE);
          // KVM raises the line from a kernel thread: nothing tells when.
          while ((pendingInPic(vm) & 0x40) === 0);
          vm.irqfd({ fd, gsi: 6, deassign: true });
        });
        withEventfd((fd) => {
          const kick = { fd, addr: 0x70, len: 1, flags: kvmConstants.KVM_IOEVENTFD_FLAG_PIO, datamatch: 0n };
          vm.ioeventfd(kick);
          runTo(guest, exits.KVM_EXIT_IO);
          assert.equal(page.ioPort, 0x99);
          const count = new Uint8Array(8);
          assert.equal(native.read(fd, count, 0), 8);
          assert.equal(count[0], 1);
          vm.ioeventfd({ ...kick, deassign: true });
          assert.throws(() => vm.ioeventfd({ ...kick, deassign: true }), { message: 'KVM_IOEVENTFD failed: ENOENT' });
        });
      });
    },
  },
  {
    name: 'coalesced port and memory writes wait in the ring, in order',
    async run() {
      // mov al, 'a'; out 0x70, al; mov ax, 0xd000; mov ds, ax; mov [0x10], ax; out 0x99, al
      const code = [0xb0, 0x61, 0xe6, 0x70, 0xb8, 0x00, 0xd0, 0x8e, 0xd8, 0xa3, 0x10, 0x00, ...END];
      await withTinyGuest({ code }, (guest) => {
        const { vm, page } = guest;
        assert.equal(vm.checkExtension(cap.KVM_CAP_COALESCED_MMIO), kvmConstants.KVM_COALESCED_MMIO_PAGE_OFFSET);
        vm.registerCoalescedPio(0x70, 1);
        vm.registerCoalescedMmio(0xd0000, 0x1000);
        runTo(guest, exits.KVM_EXIT_IO);
        assert.equal(page.ioPort, 0x99);
        const ring = new CoalescedRing(page.bytes);
        const writes: unknown[] = [];
        ring.drain(({ address, length, isPio, count, values }) => {
          writes.push([address, length, [...values.subarray(0, count)], isPio]);
        });
        assert.deepEqual(writes, [
          [0x70, 1, [0x61], true],
          [0xd0010, 2, [0xd000], false],
        ]);
        assert.equal(ring.isEmpty, true);
        vm.unregisterCoalescedPio(0x70, 1);
        vm.unregisterCoalescedMmio(0xd0000, 0x1000);
      });
    },
  },
  {
    name: 'KVM’s binary statistics count exits',
    async run() {
      // out 0x99, al; jmp to it
      await withTinyGuest({ code: [...END, 0xeb, 0xfc] }, (guest) => {
        const fd = guest.vcpu.getStatsFd();
        const reader = new StatsReader(fd);
        assert.match(reader.layout.id, /^kvm-\d+\/vcpu-0$/);
        const before = reader.read().get('exits') ?? Number.NaN;
        for (let i = 0; i < 10; i++) runTo(guest, exits.KVM_EXIT_IO);
        const grown = (reader.read().get('exits') ?? Number.NaN) - before;
        assert.ok(grown >= 10, `${grown} exits`);
        fd.close();
        assert.throws(() => reader.read(), { code: 'CLOSED' });
        const ofVm = guest.vm.getStatsFd();
        assert.ok(new StatsReader(ofVm).read().has('remote_tlb_flush'));
        ofVm.close();
      });
    },
  },
  {
    name: 'a borrowed vCPU runs on another thread, is kicked, and cannot be closed there',
    async run() {
      // jmp to itself, with interrupts on: without them the software Intel host stops
      await withTinyGuest({ code: [0xeb, 0xfe], irqchip: true }, async ({ vm, vcpu, page }) => {
        vcpu.setRegs({ ...vcpu.getRegs(), rflags: 0x202n });
        maskPic(vm);
        const thread = new Worker(vcpuThread(), { eval: true, workerData: { vm: vm.handle, vcpu: vcpu.handle } });
        const [{ tid }] = await once(thread, 'message');
        page.immediateExit = 1;
        assert.equal(native.kick(tid), true);
        const [kicked] = await once(thread, 'message');
        assert.deepEqual(kicked, { result: -4, close: 'STATE_INVALID', closeVm: 'STATE_INVALID' });
        assert.equal(pendingInPic(vm) & 0x08, 0x08, 'the thread raised line 3');
        vm.close();
        thread.postMessage('closed');
        const [after] = await once(thread, 'message');
        assert.deepEqual(after, { afterClose: 'CLOSED' });
        await thread.terminate();
      });
    },
  },
  {
    name: 'a signal mask of a vCPU is taken',
    async run() {
      await withTinyGuest({ code: END }, (guest) => {
        guest.vcpu.setSignalMask(0n);
        runTo(guest, exits.KVM_EXIT_IO);
      });
    },
  },
];
