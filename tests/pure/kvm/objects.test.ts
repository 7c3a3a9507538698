import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ioctls } from '../../../src/kvm/abi/ioctls.js';
import { decode, encode, zero } from '../../../src/kvm/abi/layout.js';
import { kvmCpuidEntry2, kvmRegs } from '../../../src/kvm/abi/registers.js';
import { kvmRun } from '../../../src/kvm/abi/run.js';
import { kvmIoeventfd, kvmIrqRoutingEntry, kvmUserspaceMemoryRegion } from '../../../src/kvm/abi/vm.js';
import { Kvm } from '../../../src/kvm/kvm.js';
import { Vcpu } from '../../../src/kvm/vcpu.js';
import { Vm } from '../../../src/kvm/vm.js';
import { FakeNative } from './fake-native.js';

const fake = vi.hoisted(() => ({ current: undefined as unknown }));
vi.mock('../../../src/kvm/native.js', () => ({
  get native() {
    return fake.current;
  },
}));

let native: FakeNative;
beforeEach(() => {
  native = new FakeNative();
  fake.current = native;
  native.answer(ioctls.KVM_GET_API_VERSION, { result: 12 });
  native.answer(ioctls.KVM_GET_VCPU_MMAP_SIZE, { result: 12288 });
  native.answer(ioctls.KVM_CHECK_EXTENSION, { result: 4096 });
});

const openVm = (): Vm => Kvm.open().createVm();

describe('Kvm.open', () => {
  it.each([
    ['ENOENT', 'KVM_ABSENT', /modprobe/],
    ['ENODEV', 'KVM_ABSENT', /modprobe/],
    ['EACCES', 'KVM_NOT_PERMITTED', /usermod -aG kvm/],
    ['EPERM', 'KVM_NOT_PERMITTED', /usermod -aG kvm/],
    ['EMFILE', 'KVM_CALL_FAILED', /^$/],
  ])('%s is %s, with what to do', (errno, code, hint) => {
    native.openError = errno;
    expect(() => Kvm.open()).toThrow(
      expect.objectContaining({ name: 'VmError', code, hint: expect.stringMatching(hint) }),
    );
  });

  it('refuses another API version, and gives the descriptor back', () => {
    native.answer(ioctls.KVM_GET_API_VERSION, { result: 11 });
    expect(() => Kvm.open()).toThrow(expect.objectContaining({ code: 'KVM_UNSUPPORTED' }));
    expect(native.open_.size).toBe(0);
  });

  it('refuses a file that is not KVM', () => {
    native.answer(ioctls.KVM_GET_API_VERSION, { errno: 'ENOTTY' });
    expect(() => Kvm.open('/dev/null')).toThrow(/^\/dev\/null does not answer KVM_GET_API_VERSION/);
    expect(native.open_.size).toBe(0);
  });
});

describe('lists', () => {
  it('asks again with more room as long as KVM says E2BIG', () => {
    const rooms: number[] = [];
    native.answer(ioctls.KVM_GET_MSR_INDEX_LIST, (argument) => {
      const list = new Uint32Array((argument as Uint8Array).buffer);
      rooms.push(list[0] ?? 0);
      if (rooms.length < 3) return { errno: 'E2BIG' };
      return { bytes: new Uint8Array(new Uint32Array([2, 0x10, 0xc0000080]).buffer) };
    });
    expect(Kvm.open().getMsrIndexList()).toEqual([0x10, 0xc0000080]);
    expect(rooms).toEqual([256, 512, 1024]);
  });

  it('gives up where E2BIG has no end', () => {
    native.answer(ioctls.KVM_GET_SUPPORTED_CPUID, { errno: 'E2BIG' });
    expect(() => Kvm.open().getSupportedCpuid()).toThrow('KVM_GET_SUPPORTED_CPUID failed: E2BIG');
  });
});

describe('closing', () => {
  it('unmaps and closes the vCPUs before the VM, each once', () => {
    const vm = openVm();
    const vcpus = [vm.createVcpu(0), vm.createVcpu(1)];
    vcpus[1]?.close();
    vm.close();
    vm.close();
    vcpus[0]?.close();
    expect(native.events).toEqual(['unmap', 'close 103', 'unmap', 'close 102', 'close 101']);
    expect(native.mapped.size).toBe(0);
  });

  it('makes any later use a VmError that names what is closed', () => {
    const vm = openVm();
    const vcpu = vm.createVcpu(7);
    const borrowed = Vcpu.fromHandle(vcpu.handle);
    vm.close();
    const calls = native.calls.length;
    const closed = (message: string): unknown => expect.objectContaining({ code: 'CLOSED', message });
    expect(() => vm.irqLine(1, 1)).toThrow(closed('VM is closed'));
    expect(() => vcpu.getRegs()).toThrow(closed('vCPU 7 is closed'));
    expect(() => vcpu.run()).toThrow(closed('vCPU 7 is closed'));
    expect(() => borrowed.run()).toThrow(closed('vCPU 7 is closed'));
    expect(native.calls.length).toBe(calls);
  });

  it('is refused to whoever only borrows, also after a structured clone', () => {
    const vm = openVm();
    const vcpu = vm.createVcpu(0);
    const clone = structuredClone({ vm: vm.handle, vcpu: vcpu.handle });
    const borrowedVm = Vm.fromHandle(clone.vm);
    const borrowed = Vcpu.fromHandle(clone.vcpu);
    expect(() => borrowedVm.close()).toThrow(expect.objectContaining({ code: 'STATE_INVALID' }));
    expect(() => borrowed.close()).toThrow(expect.objectContaining({ code: 'STATE_INVALID' }));
    borrowedVm.irqLine(4, 1);
    vcpu.page.immediateExit = 1;
    expect(borrowed.page.immediateExit).toBe(1);
    vm.close();
    expect(() => borrowedVm.irqLine(4, 1)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('closes the descriptor of a vCPU whose page cannot be mapped', () => {
    const vm = openVm();
    fake.current = Object.assign(Object.create(native), {
      mapOver: () => {
        throw new Error('ENOMEM');
      },
    });
    expect(() => vm.createVcpu(0)).toThrow(expect.objectContaining({ code: 'KVM_CALL_FAILED' }));
    expect(native.closed).toEqual([102]);
  });

  it('happens at the end of a `using` block', () => {
    {
      using vm = openVm();
      vm.createVcpu(0);
    }
    expect(native.closed).toEqual([102, 101]);
  });
});

describe('arguments of calls', () => {
  it('a memory slot has the view’s address and length', () => {
    const view = new Uint8Array(new ArrayBuffer(0x3000), 0x1000, 0x2000);
    openVm().setUserMemoryRegion({ slot: 3, flags: 1, guestPhysAddr: 0x1_0000_0000, view });
    expect(decode(kvmUserspaceMemoryRegion, native.lastBytes)).toEqual({
      slot: 3,
      flags: 1,
      guestPhysAddr: 0x1_0000_0000n,
      memorySize: 0x2000n,
      userspaceAddr: 0x7f0000001000n,
    });
  });

  it('a slot larger than its view never reaches KVM', () => {
    const vm = openVm();
    const calls = native.calls.length;
    expect(() =>
      vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 8192, view: new Uint8Array(4096) }),
    ).toThrow(expect.objectContaining({ code: 'MEMORY_INVALID' }));
    expect(native.calls.length).toBe(calls);
  });

  it('an ioeventfd with a value matches data, without one does not', () => {
    const vm = openVm();
    vm.ioeventfd({ fd: 9, addr: 0xd0000050, len: 4, datamatch: 2n });
    expect(decode(kvmIoeventfd, native.lastBytes)).toMatchObject({ fd: 9, addr: 0xd0000050n, flags: 1, datamatch: 2n });
    vm.ioeventfd({ fd: 9, addr: 0x70, len: 1, flags: 2, deassign: true });
    expect(decode(kvmIoeventfd, native.lastBytes)).toMatchObject({ flags: 2 | 4, datamatch: 0n });
  });

  it('a route table is its count and its entries', () => {
    const msi = { addressLo: 0xfee01000, addressHi: 0, data: 0x31, devid: 0 };
    openVm().setGsiRouting([
      { gsi: 1, type: 1, u: { irqchip: { irqchip: 2, pin: 1 } } },
      { gsi: 24, type: 2, u: { msi } },
    ]);
    const bytes = native.lastBytes;
    expect(bytes.length).toBe(8 + 2 * 48);
    expect(bytes[0]).toBe(2);
    expect(decode(kvmIrqRoutingEntry, bytes.subarray(8 + 48))).toMatchObject({ gsi: 24, type: 2, u: { msi } });
  });

  it('an interrupt line’s argument is the same buffer each time', () => {
    const seen = new Set<unknown>();
    native.answer(ioctls.KVM_IRQ_LINE, (argument) => {
      seen.add(argument);
      return {};
    });
    const vm = openVm();
    vm.irqLine(4, 1);
    vm.irqLine(4, 0);
    expect(seen.size).toBe(1);
    expect([...native.lastBytes]).toEqual([4, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('vCPU state', () => {
  it('goes out and comes in under the kernel’s layout', () => {
    const vcpu = openVm().createVcpu(0);
    const regs = { ...zero(kvmRegs), rip: 0xffffffff81000000n, rflags: 2n };
    vcpu.setRegs(regs);
    expect(decode(kvmRegs, native.lastBytes)).toEqual(regs);
    native.answer(ioctls.KVM_GET_REGS, { bytes: encode(kvmRegs, regs) });
    expect(vcpu.getRegs()).toEqual(regs);
  });

  it('a failed call is a VmError that names it and keeps its cause', () => {
    const vcpu = openVm().createVcpu(0);
    native.answer(ioctls.KVM_SET_SREGS, { errno: 'EINVAL' });
    native.answer(ioctls.KVM_GET_SREGS, {});
    expect(() => vcpu.setSregs(vcpu.getSregs())).toThrow(
      expect.objectContaining({
        code: 'KVM_CALL_FAILED',
        message: 'KVM_SET_SREGS failed: EINVAL',
        cause: expect.objectContaining({ code: 'EINVAL', syscall: 'ioctl' }),
      }),
    );
  });

  it('names the MSR at which KVM stopped', () => {
    const vcpu = openVm().createVcpu(0);
    native.answer(ioctls.KVM_SET_MSRS, { result: 1 });
    const entries = [
      { index: 0x10, data: 0n },
      { index: 0xc0000080, data: 0x500n },
    ];
    expect(() => vcpu.setMsrs(entries)).toThrow('KVM_SET_MSRS failed: KVM refuses MSR 0xc0000080 = 0x500');
    native.answer(ioctls.KVM_GET_MSRS, { result: 0 });
    expect(() => vcpu.getMsrs([0x1b])).toThrow('KVM_GET_MSRS failed: KVM refuses MSR 0x1b');
  });

  it('reads CPUID back also where KVM leaves the count as it was', () => {
    const vcpu = openVm().createVcpu(0);
    const entries = [0, 1].map((leaf) => ({ ...zero(kvmCpuidEntry2), function: leaf, eax: 5 }));
    native.answer(ioctls.KVM_GET_CPUID2, (argument) => {
      const bytes = argument as Uint8Array;
      for (const [i, entry] of entries.entries()) encode(kvmCpuidEntry2, entry, bytes.subarray(8 + 40 * i));
      return {};
    });
    expect(vcpu.getCpuid2()).toEqual(entries);
  });

  it('refuses an XSAVE area of another size than the host’s', () => {
    const vcpu = openVm().createVcpu(0);
    expect(vcpu.getXsave().length).toBe(4096);
    expect(() => vcpu.setXsave(new Uint8Array(4097))).toThrow(expect.objectContaining({ code: 'STATE_INVALID' }));
  });

  it('hands registers over through the run page, one part without the others', () => {
    const vcpu = openVm().createVcpu(0);
    vcpu.setValidRegs(3);
    const events = vcpu.getSyncRegs().events;
    vcpu.setSyncRegs(1, { regs: { ...zero(kvmRegs), rax: 5n } });
    const { view } = vcpu.page;
    expect(view.getBigUint64(kvmRun.fields.kvmValidRegs.offset, true)).toBe(3n);
    expect(view.getBigUint64(kvmRun.fields.kvmDirtyRegs.offset, true)).toBe(1n);
    expect(view.getBigUint64(kvmRun.fields.s.offset, true)).toBe(5n);
    expect(vcpu.getSyncRegs().events).toEqual(events);
  });
});
