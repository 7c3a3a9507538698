import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import * as cap from '../../../dist/kvm/abi/capabilities.js';
import * as exits from '../../../dist/kvm/abi/exits.js';
import { vendorOf } from '../../../dist/kvm/cpuid.js';
import { describeExit } from '../../../dist/kvm/exit-words.js';
import { Kvm } from '../../../dist/kvm/kvm.js';
import { IA32_EFER, IA32_TSC } from '../../../dist/kvm/msrs.js';
import type { Case } from '../case.js';
import { CODE, runTo, type TinyGuest, withTinyGuest } from '../real-mode.js';

/** Ends a guest: out 0x99, al. */
const END = [0xe6, 0x99];

function kvmFiles(): string[] {
  const links = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the directory's own descriptor is gone by now
    }
  });
  return links.filter((link) => link.includes('kvm'));
}

const kvmMappings = (): string[] => readFileSync('/proc/self/maps', 'utf8').match(/.*kvm.*vcpu.*/g) ?? [];

/** Bytes that the guest sends to a port by string output, in whatever portions KVM gives them. */
function collectOutput(guest: TinyGuest, port: number, count: number): number[] {
  const { page } = guest;
  const sent: number[] = [];
  while (sent.length < count) {
    runTo(guest, exits.KVM_EXIT_IO);
    assert.equal(page.ioPort, port);
    assert.equal(page.ioIsOut, true);
    sent.push(...page.bytes.subarray(page.ioDataOffset, page.ioDataOffset + page.ioSize * page.ioCount));
  }
  return sent;
}

function provideInput(guest: TinyGuest, bytes: readonly number[]): void {
  const { page } = guest;
  for (let done = 0; done < bytes.length; done += page.ioSize * page.ioCount) {
    runTo(guest, exits.KVM_EXIT_IO);
    assert.equal(page.ioIsOut, false);
    page.bytes.set(bytes.slice(done, done + page.ioSize * page.ioCount), page.ioDataOffset);
  }
}

export const cases: readonly Case[] = [
  {
    name: 'the system calls of /dev/kvm answer, and a closed one is never used',
    async run() {
      const kvm = Kvm.open();
      assert.ok(kvm.checkExtension(cap.KVM_CAP_USER_MEMORY) > 0);
      assert.ok(kvm.getVcpuMmapSize() >= 3 * 4096);
      assert.match(vendorOf(kvm.getSupportedCpuid()), /GenuineIntel|AuthenticAMD|HygonGenuine/);
      assert.ok(kvm.getMsrIndexList().includes(IA32_TSC));
      assert.ok(kvm.getMsrFeatureIndexList().length > 0);
      kvm.close();
      kvm.close();
      assert.throws(() => kvm.getVcpuMmapSize(), { name: 'VmError', code: 'CLOSED', message: '/dev/kvm is closed' });
    },
  },
  {
    name: 'a guest in real mode writes and reads a port, and halts',
    async run() {
      // mov al, 'A'; mov dx, 0x3f8; out dx, al; in al, dx; hlt
      const code = [0xb0, 0x41, 0xba, 0xf8, 0x03, 0xee, 0xec, 0xf4];
      await withTinyGuest({ code }, (guest) => {
        const { page, vcpu } = guest;
        runTo(guest, exits.KVM_EXIT_IO);
        assert.deepEqual([page.ioIsOut, page.ioSize, page.ioPort, page.ioCount], [true, 1, 0x3f8, 1]);
        assert.equal(page.view.getUint8(page.ioDataOffset), 0x41);
        assert.equal(describeExit(page), 'KVM_EXIT_IO: port I/O (1 byte out to port 0x3f8: 41)');
        runTo(guest, exits.KVM_EXIT_IO);
        assert.equal(page.ioIsOut, false);
        page.bytes[page.ioDataOffset] = 0x5a;
        runTo(guest, exits.KVM_EXIT_HLT);
        assert.equal(vcpu.getRegs().rax & 0xffn, 0x5an);
      });
    },
  },
  {
    name: 'string I/O gives every byte once',
    async run() {
      const text = [1, 2, 3, 4, 5];
      // cld; mov cx, 5; mov si, 0x2000; mov dx, 0x10; rep outsb; mov cx, 5; mov di, 0x3000; rep insb; hlt
      const out = [0xfc, 0xb9, 5, 0, 0xbe, 0, 0x20, 0xba, 0x10, 0, 0xf3, 0x6e];
      const into = [0xb9, 5, 0, 0xbf, 0, 0x30, 0xf3, 0x6c, 0xf4];
      await withTinyGuest({ code: [...out, ...into] }, (guest) => {
        guest.ram.set(text, 0x2000);
        assert.deepEqual(collectOutput(guest, 0x10, 5), text);
        provideInput(guest, [9, 8, 7, 6, 5]);
        runTo(guest, exits.KVM_EXIT_HLT);
        assert.deepEqual([...guest.ram.subarray(0x3000, 0x3005)], [9, 8, 7, 6, 5]);
      });
    },
  },
  {
    name: 'an access outside every slot is an MMIO exit with address, length and bytes',
    async run() {
      // mov ax, 0xd000; mov ds, ax; mov [0x10], ax; mov ax, [0x20]; hlt
      const code = [0xb8, 0x00, 0xd0, 0x8e, 0xd8, 0xa3, 0x10, 0x00, 0xa1, 0x20, 0x00, 0xf4];
      await withTinyGuest({ code }, (guest) => {
        const { page, vcpu } = guest;
        runTo(guest, exits.KVM_EXIT_MMIO);
        assert.deepEqual([page.mmioAddress, page.mmioLength, page.mmioIsWrite], [0xd0010, 2, true]);
        assert.equal(page.view.getUint16(page.mmioDataOffset, true), 0xd000);
        runTo(guest, exits.KVM_EXIT_MMIO);
        assert.deepEqual([page.mmioAddress, page.mmioLength, page.mmioIsWrite], [0xd0020, 2, false]);
        page.view.setUint16(page.mmioDataOffset, 0x1234, true);
        runTo(guest, exits.KVM_EXIT_HLT);
        assert.equal(vcpu.getRegs().rax & 0xffffn, 0x1234n);
      });
    },
  },
  {
    name: 'a read of an MSR that KVM does not know comes out as an exit and takes an answer',
    async run() {
      // mov ecx, 0x12345678; rdmsr; out 0x99, al
      const code = [0x66, 0xb9, 0x78, 0x56, 0x34, 0x12, 0x0f, 0x32, ...END];
      const beforeVcpu = (vm: TinyGuest['vm']) =>
        vm.enableCap(cap.KVM_CAP_X86_USER_SPACE_MSR, exits.KVM_MSR_EXIT_REASON_UNKNOWN);
      await withTinyGuest({ code, beforeVcpu }, (guest) => {
        const { page, vcpu } = guest;
        runTo(guest, exits.KVM_EXIT_X86_RDMSR);
        assert.deepEqual([page.msrIndex, page.msrReason], [0x12345678, exits.KVM_MSR_EXIT_REASON_UNKNOWN]);
        page.setMsrData(0x11, 0x22);
        runTo(guest, exits.KVM_EXIT_IO);
        const { rax, rdx } = vcpu.getRegs();
        assert.deepEqual([rax, rdx], [0x11n, 0x22n]);
      });
    },
  },
  {
    name: 'a triple fault is KVM_EXIT_SHUTDOWN',
    async run() {
      await withTinyGuest({ code: [0x0f, 0x0b] }, (guest) => {
        // In protected mode: without unrestricted guest, VT-x emulates real mode, and looks at no limit.
        const sregs = guest.vcpu.getSregs();
        const flat = { ...sregs.ds, base: 0n, limit: 0xffffffff, g: 1, db: 1, s: 1, present: 1, type: 3, selector: 16 };
        guest.vcpu.setSregs({
          ...sregs,
          cr0: sregs.cr0 | 1n,
          cs: { ...flat, type: 11, selector: 8 },
          ds: flat,
          es: flat,
          fs: flat,
          gs: flat,
          ss: flat,
          idt: { base: 0n, limit: 0 },
        });
        runTo(guest, exits.KVM_EXIT_SHUTDOWN);
        assert.equal(describeExit(guest.page), 'KVM_EXIT_SHUTDOWN: a triple fault');
      });
    },
  },
  {
    name: 'a failing KVM call names itself and its errno',
    async run() {
      await withTinyGuest({ code: END }, ({ vm, vcpu, ram }) => {
        assert.throws(() => vm.createVcpu(0), {
          code: 'KVM_CALL_FAILED',
          message: 'KVM_CREATE_VCPU failed: EEXIST',
          hint: 'A vCPU of this number exists already.',
        });
        assert.throws(() => vm.setUserMemoryRegion({ slot: 1, guestPhysAddr: 0x1000, view: ram }), {
          message: 'KVM_SET_USER_MEMORY_REGION failed: EEXIST',
        });
        assert.throws(() => vm.setUserMemoryRegion({ slot: 1, guestPhysAddr: 0, memorySize: 0x20000, view: ram }), {
          code: 'MEMORY_INVALID',
        });
        assert.throws(() => vm.getPit2(), { message: 'KVM_GET_PIT2 failed: ENXIO' });
        assert.throws(() => vm.irqLine(1, 1), { message: 'KVM_IRQ_LINE failed: ENXIO' });
        // Long mode without PAE is a state that no CPU can be in.
        assert.throws(() => vcpu.setSregs({ ...vcpu.getSregs(), cr0: 0x80000001n, efer: 0x500n }), {
          message: 'KVM_SET_SREGS failed: EINVAL',
        });
        assert.throws(() => vcpu.setMsrs([{ index: 0x12345678, data: 0x9n }]), {
          message: 'KVM_SET_MSRS failed: KVM refuses MSR 0x12345678 = 0x9',
        });
        assert.throws(() => vcpu.getMsrs([IA32_EFER, 0x12345678]), {
          message: 'KVM_GET_MSRS failed: KVM refuses MSR 0x12345678',
        });
      });
    },
  },
  {
    name: 'closing a VM closes its vCPUs and unmaps their pages',
    async run() {
      const before = kvmFiles().length;
      await withTinyGuest({ code: END }, (guest) => {
        guest.vm.createVcpu(1);
        assert.equal(kvmFiles().length, before + 4);
        assert.equal(kvmMappings().length, 2);
        runTo(guest, exits.KVM_EXIT_IO);
        assert.equal(guest.vcpu.getRegs().rip >= BigInt(CODE), true);
        guest.vm.close();
        assert.throws(() => guest.vcpu.run(), { code: 'CLOSED', message: 'vCPU 0 is closed' });
        assert.throws(() => guest.vm.createIrqchip(), { code: 'CLOSED', message: 'VM is closed' });
        assert.equal(guest.page.exitReason, 0);
      });
      assert.equal(kvmFiles().length, before);
      assert.deepEqual(kvmMappings(), []);
    },
  },
];
