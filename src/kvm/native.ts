import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * The addon: system calls over file descriptors and addresses, both as Numbers. Mechanism only.
 * A call that fails throws an Error with `code` ("ENOENT"), `errno` (positive) and `syscall` ("ioctl"), except
 * where it says otherwise. Descriptors and mappings that a thread made and did not give back are given back when
 * that thread's Node environment ends, each exactly once.
 */
export interface Native {
  /** open(2) with O_CLOEXEC added. The caller owns the descriptor. */
  open(path: string, flags: number): number;
  /** close(2) of a descriptor that this thread owns; throws EBADF for any other. */
  close(fd: number): void;
  /** ioctl(2) with an integer argument, again where a signal came (EINTR). Returns its result. */
  ioctl(fd: number, request: number, argument: number): number;
  /** ioctl(2) with a pointer to the view's first byte. Returns its result. */
  ioctlBuffer(fd: number, request: number, argument: Uint8Array): number;
  /** As `ioctl`, for requests that return a new descriptor, which the caller owns. */
  ioctlFd(fd: number, request: number, argument: number): number;
  /**
   * A function that calls KVM_RUN on the vCPU's descriptor: it gives undefined, or the negative errno (-4: EINTR),
   * and never throws. With `ticks`, eight bytes seen as a double, the TSC ticks spent inside are added up there.
   * With `ring`, a page of coalesced writes, it gives 1 where it made an exit and writes wait in the ring.
   */
  makeRun(vcpuFd: number, ticks: Uint8Array | null, ring: Uint8Array | null): () => number | undefined;
  /**
   * The same, recording each exit: `page` is the vCPU's mapped kvm_run, `ring` an `ExitRing`'s memory.
   */
  makeRecordingRun(vcpuFd: number, page: Uint8Array, ring: Uint8Array, ticks: Uint8Array): () => number | undefined;
  /** The address of the view's first byte in this process. Valid while the buffer lives. */
  addressOf(view: Uint8Array): number;
  /**
   * mmap(2) with MAP_FIXED of a file over the view, whose address and length must be multiples of the page size.
   * The buffer is kept alive until `unmapOver`.
   */
  mapOver(view: Uint8Array, protection: number, flags: number, fd: number, fileOffset: number): void;
  /** Puts fresh anonymous memory over a view given to `mapOver` before. Throws EINVAL where there is none. */
  unmapOver(view: Uint8Array): void;
  /** memmove(3) between views, without an object for V8 to collect. Throws RangeError outside of either. */
  copy(to: Uint8Array, toOffset: number, from: Uint8Array, fromOffset: number, length: number): void;
  /** madvise(2) on the whole pages of the view. */
  madvise(view: Uint8Array, advice: number): void;
  /** eventfd(2) with EFD_CLOEXEC | EFD_NONBLOCK. The caller owns the descriptor. */
  eventfd(initial: number): number;
  /** read(2) into the view. Returns the count, or the negative errno. */
  read(fd: number, view: Uint8Array, offset: number): number;
  /** pread(2), likewise. */
  pread(fd: number, view: Uint8Array, offset: number): number;
  /** write(2) from the view. Returns the count, or the negative errno. */
  write(fd: number, view: Uint8Array): number;
  /** poll(2) on one descriptor. Returns revents (0: timed out); `timeoutMs` -1 waits for ever. EINTR gives 0. */
  poll(fd: number, events: number, timeoutMs: number): number;
  /** Installs the empty handler, without SA_RESTART, of the kick signal (SIGRTMIN+2). Once a process is enough. */
  installKickHandler(): void;
  /** Calls the kernel's gettid(2). */
  gettid(): number;
  /** tgkill(2) of the kick signal to a thread of this process. Returns false where it no longer exists. */
  kick(tid: number): boolean;
  /**
   * A timer of the calling thread: the function has it kicked once, in so many nanoseconds, in place of a kick that is
   * still due. The kick also sets `immediate_exit` in the vCPU's mapped kvm_run: KVM_RUN returns even if not yet entered.
   */
  makeKickTimer(page: Uint8Array): (ns: number) => void;
  /** CLOCK_MONOTONIC in nanoseconds, exact below 2^53 (104 days of uptime). */
  monotonicNs(): number;
  /** Processor time of a thread of this process, in nanoseconds; undefined where it no longer exists. */
  threadCpuNs(tid: number): number | undefined;
  /** rdtsc, as a Number (exact below 2^53). */
  rdtsc(): number;
}

/** The addon, found by its package root, whether run from dist/ or src/. */
function load(): Native {
  const bindings = createRequire(import.meta.url)('bindings') as (options: object) => Native;
  return bindings({ bindings: 'vmlaunch', module_root: fileURLToPath(new URL('../..', import.meta.url)) });
}

export const native: Native = load();
