/** KVM calls by name, so that a failure says which one failed. */
import { messageOf, VmError } from '../errors.js';
import { type IoctlName, ioctls } from './abi/ioctls.js';
import { decode, encode, type Fields, type Layout, type PartialValue, type Value } from './abi/layout.js';
import type { Fd } from './fd.js';
import { native } from './native.js';

/** What to do about failures that have a usual cause. */
const HINTS: Readonly<Record<string, string>> = {
  'KVM_CREATE_VM ENOMEM': 'The host has no memory left for a VM: close others or give it more.',
  'KVM_CREATE_VM EMFILE': 'The process has too many open files: raise its limit (ulimit -n) or close machines.',
  'KVM_CREATE_VCPU EEXIST': 'A vCPU of this number exists already.',
  'KVM_CREATE_VCPU EINVAL': 'The vCPU number must be below the host KVM’s limit (KVM_CAP_MAX_VCPU_ID).',
  'KVM_CREATE_IRQCHIP EEXIST': 'The interrupt controllers exist already.',
  'KVM_CREATE_IRQCHIP EINVAL': 'Create the interrupt controllers before the first vCPU.',
  'KVM_SET_USER_MEMORY_REGION EEXIST': 'The slot overlaps another in guest-physical address space.',
  'KVM_SET_USER_MEMORY_REGION EINVAL':
    'Addresses and size must be multiples of 4096, and the slot below KVM_CAP_NR_MEMSLOTS.',
  'KVM_SET_TSC_KHZ EINVAL': 'The host cannot scale its TSC to this rate (KVM_CAP_TSC_CONTROL).',
};

/** The name of the errno of a system call's failure, such as EINVAL. */
export function errnoName(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);
}

function failure(name: IoctlName, error: unknown): VmError {
  if (error instanceof VmError) return error;
  const errno = errnoName(error);
  const hint = HINTS[`${name} ${errno}`];
  return new VmError('KVM_CALL_FAILED', `${name} failed: ${errno}`, { cause: error, ...(hint && { hint }) });
}

/** Makes a call with an integer argument. Throws VmError KVM_CALL_FAILED. */
export function call(fd: Fd, name: IoctlName, argument = 0): number {
  try {
    return native.ioctl(fd.number, ioctls[name], argument);
  } catch (error) {
    throw failure(name, error);
  }
}

/** Makes a call that returns a new descriptor, which the caller owns. */
export function callFd(fd: Fd, name: IoctlName, argument = 0): number {
  try {
    return native.ioctlFd(fd.number, ioctls[name], argument);
  } catch (error) {
    throw failure(name, error);
  }
}

/** Makes a call with a pointer to a struct, which it reads, writes or both. */
export function callBuffer(fd: Fd, name: IoctlName, argument: Uint8Array): number {
  try {
    return native.ioctlBuffer(fd.number, ioctls[name], argument);
  } catch (error) {
    throw failure(name, error);
  }
}

/** Makes a call that fills in a struct; what it reads of it first is `argument`. */
export function getStruct<F extends Fields>(
  fd: Fd,
  name: IoctlName,
  layout: Layout<F>,
  argument: PartialValue<Layout<F>> = {} as PartialValue<Layout<F>>,
): Value<Layout<F>> {
  const buffer = encode(layout, argument);
  callBuffer(fd, name, buffer);
  return decode(layout, buffer);
}

/** Makes a call that takes a struct. */
export function setStruct<F extends Fields>(
  fd: Fd,
  name: IoctlName,
  layout: Layout<F>,
  value: PartialValue<Layout<F>>,
): number {
  return callBuffer(fd, name, encode(layout, value));
}

/**
 * The bytes of a struct with a count in front and that many elements behind it, such as kvm_cpuid2.
 * The header is 4 or 8 bytes, its first u32 the count.
 */
export function encodeList<F extends Fields>(
  header: Layout,
  element: Layout<F>,
  values: readonly PartialValue<Layout<F>>[],
): Uint8Array {
  const buffer = new Uint8Array(header.size + element.size * values.length);
  new DataView(buffer.buffer).setUint32(0, values.length, true);
  for (const [i, value] of values.entries()) encode(element, value, buffer.subarray(header.size + i * element.size));
  return buffer;
}

/** The reverse of `encodeList`. */
export function decodeList<F extends Fields>(
  header: Layout,
  element: Layout<F>,
  buffer: Uint8Array,
): Value<Layout<F>>[] {
  const count = new DataView(buffer.buffer, buffer.byteOffset).getUint32(0, true);
  return Array.from({ length: count }, (_, i) => decode(element, buffer.subarray(header.size + i * element.size)));
}
