import type { DeviceEnd } from '../devices/device.js';

/** How a vCPU's thread came to its end. `exit`: one that the machine cannot handle; the main thread says why. */
export type ThreadEnd =
  | DeviceEnd
  | { readonly reason: 'triple-fault' }
  | { readonly reason: 'halted' }
  | { readonly reason: 'stopped' }
  | { readonly reason: 'exit'; readonly exitReason: number; readonly words: string }
  /** `breakOn` was met: by which of it, and the exit in words. */
  | { readonly reason: 'break'; readonly by: string; readonly exitReason: number; readonly words: string }
  | { readonly reason: 'run-failed'; readonly errno: number }
  | { readonly reason: 'bug'; readonly message: string };
