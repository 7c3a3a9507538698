import { constants } from 'node:fs';
import { VmError } from '../errors.js';
import { KVM_CAP_MAX_VCPUS, KVM_CAP_NR_VCPUS } from './abi/capabilities.js';
import { KVM_API_VERSION } from './abi/constants.js';
import type { IoctlName } from './abi/ioctls.js';
import { type CpuidEntry, kvmCpuid2, kvmCpuidEntry2, kvmMsrList } from './abi/registers.js';
import { call, callBuffer, callFd, decodeList, errnoName } from './call.js';
import { OwnedFd } from './fd.js';
import { native } from './native.js';
import { Vm } from './vm.js';

/** "If the KVM_CAP_NR_VCPUS does not exist, you should assume that max_vcpus is 4" (KVM API 4.7). */
const FEWEST_MAX_VCPUS = 4;
/** How many elements a list call is asked for at most; KVM has fewer than 256 CPUID entries and MSRs. */
const LIST_LIMIT = 4096;

/** The system: an open /dev/kvm. */
export class Kvm {
  readonly #fd: OwnedFd;

  private constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  /**
   * Opens /dev/kvm and checks KVM_GET_API_VERSION (KVM API 4.1).
   * Throws VmError KVM_ABSENT, KVM_NOT_PERMITTED, or KVM_UNSUPPORTED.
   */
  static open(path = '/dev/kvm'): Kvm {
    const fd = new OwnedFd(openDevice(path), path);
    try {
      const version = call(fd, 'KVM_GET_API_VERSION');
      if (version === KVM_API_VERSION) return new Kvm(fd);
      throw new VmError('KVM_UNSUPPORTED', `${path} has KVM API version ${version}, not ${KVM_API_VERSION}`, {
        hint: 'Use a kernel from 2.6.22 or later with its own KVM module.',
      });
    } catch (error) {
      fd.close();
      if (error instanceof VmError && error.code === 'KVM_CALL_FAILED') throw notKvm(path, error);
      throw error;
    }
  }

  /** KVM_CHECK_EXTENSION (KVM API 4.4) of the system: 0 where the capability is missing, else its value. */
  checkExtension(capability: number): number {
    return call(this.#fd, 'KVM_CHECK_EXTENSION', capability);
  }

  /** The most vCPUs that a VM can have (KVM API 4.7): where KVM does not say, what it recommends, or 4. */
  get maxVcpus(): number {
    return this.checkExtension(KVM_CAP_MAX_VCPUS) || this.checkExtension(KVM_CAP_NR_VCPUS) || FEWEST_MAX_VCPUS;
  }

  /** KVM_GET_VCPU_MMAP_SIZE (KVM API 4.5): bytes of a vCPU's mapping, a multiple of 4096. */
  getVcpuMmapSize(): number {
    return call(this.#fd, 'KVM_GET_VCPU_MMAP_SIZE');
  }

  /** KVM_GET_SUPPORTED_CPUID (KVM API 4.46): what this host's KVM can show to a guest. */
  getSupportedCpuid(): CpuidEntry[] {
    const buffer = this.#list('KVM_GET_SUPPORTED_CPUID', kvmCpuid2.size, kvmCpuidEntry2.size);
    return decodeList(kvmCpuid2, kvmCpuidEntry2, buffer);
  }

  /** KVM_GET_MSR_INDEX_LIST (KVM API 4.3): the MSRs that make up a vCPU's state. */
  getMsrIndexList(): number[] {
    return msrIndices(this.#list('KVM_GET_MSR_INDEX_LIST', kvmMsrList.size, 4));
  }

  /** KVM_GET_MSR_FEATURE_INDEX_LIST (KVM API 4.3): the MSRs that tell features, readable on the system. */
  getMsrFeatureIndexList(): number[] {
    return msrIndices(this.#list('KVM_GET_MSR_FEATURE_INDEX_LIST', kvmMsrList.size, 4));
  }

  /** KVM_CREATE_VM (KVM API 4.2). The caller closes it. Throws VmError KVM_CALL_FAILED (ENOMEM, EMFILE). */
  createVm(): Vm {
    return Vm.own(new OwnedFd(callFd(this.#fd, 'KVM_CREATE_VM'), 'VM'), this.getVcpuMmapSize());
  }

  /** Closes /dev/kvm; VMs made from it live on. A second call does nothing. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Makes a call that fails with E2BIG until there is room for all elements. */
  #list(name: IoctlName, headerSize: number, elementSize: number): Uint8Array {
    for (let room = 256; ; room *= 2) {
      const buffer = new Uint8Array(headerSize + elementSize * room);
      new DataView(buffer.buffer).setUint32(0, room, true);
      try {
        callBuffer(this.#fd, name, buffer);
        return buffer;
      } catch (error) {
        if (!isErrno(error, 'E2BIG') || room >= LIST_LIMIT) throw error;
      }
    }
  }
}

function msrIndices(buffer: Uint8Array): number[] {
  const view = new DataView(buffer.buffer);
  return Array.from({ length: view.getUint32(0, true) }, (_, i) => view.getUint32(kvmMsrList.size + 4 * i, true));
}

/** Whether a failed KVM call failed with this errno. */
export function isErrno(error: unknown, errno: string): boolean {
  return error instanceof VmError && error.code === 'KVM_CALL_FAILED' && errnoName(error.cause) === errno;
}

function openDevice(path: string): number {
  try {
    return native.open(path, constants.O_RDWR);
  } catch (error) {
    throw openFailure(path, error);
  }
}

function openFailure(path: string, error: unknown): VmError {
  const errno = errnoName(error);
  switch (errno) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new VmError('KVM_ABSENT', `${path} does not exist`, {
        hint: 'Load kvm_intel or kvm_amd (modprobe) and switch on VT-x or SVM in the firmware, or use --host svm or --host vtx.',
        cause: error,
      });
    case 'ENODEV':
    case 'ENXIO':
      return new VmError('KVM_ABSENT', `${path} has no driver behind it (${errno})`, {
        hint: 'Load kvm_intel or kvm_amd (modprobe), or use --host svm or --host vtx.',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
      return new VmError('KVM_NOT_PERMITTED', `${path} may not be opened by this user (${errno})`, {
        hint: 'Become a member of its group (sudo usermod -aG kvm $USER, then log in again), or run as root.',
        cause: error,
      });
    default:
      return new VmError('KVM_CALL_FAILED', `open of ${path} failed: ${errno}`, { cause: error });
  }
}

function notKvm(path: string, cause: VmError): VmError {
  return new VmError('KVM_UNSUPPORTED', `${path} does not answer KVM_GET_API_VERSION: it is not KVM`, {
    hint: 'Name the KVM device, usually /dev/kvm.',
    cause,
  });
}
