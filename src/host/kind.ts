/**
 * The nested hosts: machines in software whose Linux has a genuine /dev/kvm.
 * `svm`: QEMU's TCG with an AMD processor, so kvm_amd with nested paging. `vtx`: Bochs with an Intel processor, so
 * kvm_intel with EPT, where time is a count of instructions and a run repeats to the digit.
 */
export type HostKind = 'svm' | 'vtx';

export const HOST_KINDS: readonly HostKind[] = ['svm', 'vtx'];

/** MiB. A snapshot holds only what was touched of it; Bochs takes longer to restore with more. */
export const DEFAULT_MEMORY_MIB: Readonly<Record<HostKind, number>> = { svm: 2048, vtx: 512 };

/** The kernel's name of the module, and its file's. */
export const KVM_MODULE: Readonly<Record<HostKind, { readonly name: string; readonly file: string }>> = {
  svm: { name: 'kvm_amd', file: 'kvm-amd' },
  vtx: { name: 'kvm_intel', file: 'kvm-intel' },
};

/** Modules that /init loads, as paths below `kernel/` in the module directory. */
export const MODULES: readonly string[] = [
  'virt/lib/irqbypass',
  'arch/x86/kvm/kvm',
  'arch/x86/kvm/kvm-intel',
  'arch/x86/kvm/kvm-amd',
  'drivers/char/virtio_console',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci',
];

/**
 * cryptomgr.notests saves most of the start: 7 s of an emulated processor; the initcalls left out another one.
 * no_timer_check, tsc=reliable and nokaslr make a start repeatable. init_on_alloc=0: Linux 6.1 else zeroes a huge page
 * twice, which on such a processor takes 40 ms.
 */
const KERNEL_ARGUMENTS =
  'console=ttyS0 cryptomgr.notests initcall_blacklist=load_system_certificate_list,cubictcp_register,' +
  'bpf_tcp_ca_kfunc_init,init_kprobe_trace,init_blk_tracer panic=-1 mitigations=off quiet nokaslr ' +
  'no_timer_check tsc=reliable random.trust_cpu=on init_on_alloc=0';

/** Without rdrand and rdseed, which Bochs takes from the caller's machine, a run repeats to the nanosecond. */
const OWN_ARGUMENTS: Readonly<Record<HostKind, string>> = {
  svm: 'reboot=t vmlaunch.host=svm',
  vtx: 'reboot=k clearcpuid=rdrand,rdseed vmlaunch.host=vtx',
};

/** The command line of the host's kernel. */
export function kernelCommandLine(kind: HostKind): string {
  return `${KERNEL_ARGUMENTS} ${OWN_ARGUMENTS[kind]}`;
}
